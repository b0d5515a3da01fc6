// Calls with the async callback stubs as the contracts want them: a CallContext in, a Done out.
#ifndef COMMON_RPC_CLIENT_H_
#define COMMON_RPC_CLIENT_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/contract/call.h"

namespace hotline::rpc {

// Between the two kinds of status, both ways with reason, fields, retry delay and Chinese message
// (`grpc-status-details-bin`). A status that the transport made has none. Texts that are too long for the
// trailing metadata are cut; of those that come in another encoding than UTF-8 only ASCII is left.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// An answer that is given so often that making it anew would cost more than what it refuses.
struct Refusal {
  explicit Refusal(absl::Status why);
  const absl::Status status;
  const grpc::Status wire;
  const absl::Duration retry_delay;  // what `status` asks the caller to wait; zero: nothing
};

// The key under which a value of `key` travels that is not printable ASCII: gRPC refuses it under `key`
// itself.
std::string BinaryKey(std::string_view key);

// Trailing metadata by which a server tells gRPC's libraries, where a service config lets them try again,
// when to (gRFC A6); and metadata by which they say how many tries of a call went before this one.
inline constexpr char kRetryPushbackKey[] = "grpc-retry-pushback-ms";
inline constexpr char kPreviousTriesKey[] = "grpc-previous-rpc-attempts";

// What a library is told where RetryInfo says `delay` (more than zero): so many milliseconds, never fewer. A
// library that is told does not back off by itself, so each further try waits twice as long, up to 2 s, which
// is the longest of the service config in deploy/clients too. A `delay` beyond that is -1, no try of the
// library's own: the call's deadline would pass in the silence, and with it the reason and the text that its
// user should have now. Pure.
int64_t RetryPushbackMs(absl::Duration delay, int tries_before);

// Metadata of a call's W3C trace context.
inline constexpr char kTraceparentKey[] = "traceparent";

// Metadata of a call's account.
inline constexpr char kAccountKey[] = "hotline-account";

// Metadata of the unit that the account works for.
inline constexpr char kUnitKey[] = "hotline-unit";

// Metadata of the role for which a service of a site asks another one. It is believed of the site's own
// dispatch and escalation alone: the callee then sees `CallContext::identity` as if that role had called, and
// what it shows is shown to that role; which method may be called is judged by the certificate.
inline constexpr char kRoleKey[] = "hotline-role";

// `traceparent`, account, unit, role and deadline of `call` for an outgoing call.
void Propagate(const CallContext& call, grpc::ClientContext* context);

// The calls that a client has under way. Destroying it cancels them and waits until each has been answered,
// so that no `done` outlives what its owner points to; hence never destroyed from within a `done`.
// Thread-safe.
class Calls {
 public:
  Calls() = default;
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  // Cancels what is under way, and from now on whatever is begun. Does not wait.
  void Cancel();

  // Used by Call().
  void Add(grpc::ClientContext* context);
  void Remove(grpc::ClientContext* context);

 private:
  Mutex mu_;
  CondVar empty_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mu_);
};

// Starts `(async->*method)(…)`, e.g.
//   Call(calls_, stub_->async(), &LedgerService::StubInterface::async_interface::Execute, call,
//   std::move(request),
//        std::move(done));
// `done` is called once, from a gRPC thread; UNAVAILABLE without a reason means that the server could not be
// reached or was lost on the way, so that the outcome is unknown. Not retried here.
template <typename Async, typename Request, typename Response>
void Call(Calls& calls, Async* async,
          void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                std::function<void(grpc::Status)>),
          const CallContext& call, std::type_identity_t<Request> request,
          std::type_identity_t<Done<Response>> done) {
  struct Pending {
    grpc::ClientContext context;
    Request request;
    Response response;
    Done<Response> done;
  };
  auto* const pending = new Pending{.request = std::move(request), .done = std::move(done)};
  Propagate(call, &pending->context);
  calls.Add(&pending->context);
  (async->*method)(&pending->context, &pending->request, &pending->response,
                   [pending, &calls](const grpc::Status& status) {
                     const std::unique_ptr<Pending> owned(pending);
                     if (status.ok()) {
                       owned->done(std::move(owned->response));
                     } else {
                       owned->done(FromGrpc(status));
                     }
                     owned->done = nullptr;
                     calls.Remove(&owned->context);
                   });
}

}  // namespace hotline::rpc

#endif  // COMMON_RPC_CLIENT_H_
