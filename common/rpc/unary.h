// Serves a unary method of the raw callback API in one line. Raw, because gRPC answers a request that cannot
// be parsed without a reason; here it is answered with the field at fault.
//
//   grpc::ServerUnaryReactor* Deliver(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
//                                     grpc::ByteBuffer* response) override {
//     return rpc::Unary<DeliverRequest, DeliverResponse>(
//         context, request, response, deliver_,
//         [this](const CallContext& call, DeliverRequest&& request, Done<DeliverResponse> done) {
//           peer_->Deliver(call, std::move(request), std::move(done));
//         });
//   }
#ifndef COMMON_RPC_UNARY_H_
#define COMMON_RPC_UNARY_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/contract/call.h"
#include "common/error/error.h"
#include "common/rpc/client.h"
#include "common/rpc/host.h"
#include "google/protobuf/message.h"

namespace hotline::rpc {
namespace internal {

// A call under way: its place among the bounded, its metrics, its answer.
class UnaryCall {
 public:
  // Stamps, traces, clamps the deadline, checks bounds and access, and fills `*context`. Null if the call was
  // refused; `reactor` is finished then.
  static std::unique_ptr<UnaryCall> Begin(Method& method, grpc::CallbackServerContext* server_context,
                                          grpc::ServerUnaryReactor* reactor, CallContext* context);
  // A `done` that was dropped instead of called (its owner went away) is answered with DRAINING.
  ~UnaryCall();
  // The response, if any, is in place. Once.
  void Finish(const absl::Status& status);
  void Refuse(const Refusal& refusal);

 private:
  void End(const absl::Status& status, const grpc::Status& wire, absl::Duration retry_delay);
  UnaryCall(Method& method, grpc::CallbackServerContext* server_context, grpc::ServerUnaryReactor* reactor)
      : method_(method), server_context_(server_context), reactor_(reactor) {}

  Method& method_;
  grpc::CallbackServerContext* const server_context_;  // lives until `reactor_` is finished
  grpc::ServerUnaryReactor* reactor_;                  // null once finished
  int64_t start_nanos_ = 0;
  std::array<char, 32> trace_id_;
};

// Parses `*buffer`, or says what is wrong with it: TEXT_INVALID with the path of the first text that is not
// UTF-8, else FIELD_INVALID.
absl::Status Parse(const grpc::ByteBuffer& buffer, google::protobuf::Message* message);

}  // namespace internal

// `fn(const CallContext&, Request&&, Done<Response>)`; it may also take the request by value or `const
// Request&`. `CallContext` and the request live until `fn` returns. `done` is called from any thread; a
// cancelled call is answered all the same, to nobody. Answering serializes the response on the thread that
// calls `done`. Errors that need no `fn`: DRAINING, OVERLOADED, ROLE_FORBIDDEN, PEER_UNKNOWN, and
// TEXT_INVALID or FIELD_INVALID for a request that cannot be parsed.
//
// `gate(const grpc::ByteBuffer&)` says with what to refuse a call before its request is parsed; null: with
// nothing.
template <typename Request, typename Response, typename Fn, typename Gate>
grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* server_context, const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* response, Method& method, Fn&& fn, Gate&& gate) {
  grpc::ServerUnaryReactor* const reactor = server_context->DefaultReactor();
  CallContext context;
  std::unique_ptr<internal::UnaryCall> call =
      internal::UnaryCall::Begin(method, server_context, reactor, &context);
  if (call == nullptr) return reactor;
  if (const Refusal* const refusal = std::forward<Gate>(gate)(*request); refusal != nullptr) {
    call->Refuse(*refusal);
    return reactor;
  }
  Request parsed;
  if (absl::Status status = internal::Parse(*request, &parsed); !status.ok()) {
    call->Finish(status);
    return reactor;
  }
  std::forward<Fn>(fn)(
      std::as_const(context), std::move(parsed),
      Done<Response>([call = std::move(call), response](absl::StatusOr<Response> result) {
        if (!result.ok()) return call->Finish(result.status());
        bool own = false;
        const grpc::Status serialized =
            grpc::SerializationTraits<Response>::Serialize(*result, response, &own);
        call->Finish(serialized.ok() ? absl::OkStatus() : error::Internal("the answer cannot be serialized"));
      }));
  return reactor;
}

template <typename Request, typename Response, typename Fn>
grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* server_context, const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* response, Method& method, Fn&& fn) {
  return Unary<Request, Response>(server_context, request, response, method, std::forward<Fn>(fn),
                                  [](const grpc::ByteBuffer&) -> const Refusal* { return nullptr; });
}

}  // namespace hotline::rpc

#endif  // COMMON_RPC_UNARY_H_
