// The kit's receiving side: a peer that keeps every envelope the target sends, and that loses answers,
// refuses, answers late, forgets or goes away when a check wants it to.
#ifndef TESTS_CONFORMANCE_LISTENER_H_
#define TESTS_CONFORMANCE_LISTENER_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "tests/conformance/wire.h"

namespace hotline::conformance {

// What to do with one delivery that has envelopes.
enum class Step {
  kLoseAnswer,  // apply, then fail as if the answer were lost
  kRefuse,      // apply nothing, answer OVERLOADED with RetryInfo of kRetryAfter
  kSlow,        // apply, answer after `slow`
  kForget,      // apply nothing, and answer with the cursor set back by up to three envelopes
};

// Longer than the first pauses of a sender that does not look at it, and short enough for two in a row.
inline constexpr absl::Duration kRetryAfter = absl::Milliseconds(600);

struct Arrived {
  exchange::v1::Lane lane;
  exchange::v1::Envelope envelope;
};

// A delivery with envelopes, as it came.
struct DeliveryIn {
  exchange::v1::Lane lane;
  int64_t first = 0;
  int64_t last = 0;
  std::optional<Step> step;
  absl::Time time;  // when it came
};

struct ListenerOptions {
  std::string address;  // port 0 takes a free one
  std::string as;
  std::string target;
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::optional<Key> key;         // signs receipts
  std::optional<Key> target_key;  // batches must be signed by it
  absl::Duration slow = absl::Milliseconds(700);
};

// Thread-safe.
class Listener final : public exchange::v1::ExchangeService::Service {
 public:
  explicit Listener(ListenerOptions options);
  ~Listener() override;

  // Listens. Cursors and what has arrived outlive Stop and Start.
  absl::Status Start();
  // As if the program had died: nobody listens any more.
  void Stop();
  int port() const { return port_; }

  // For the next deliveries with envelopes, one step each.
  void Play(std::vector<Step> steps);
  bool played() const;
  // While set, everything is refused as of another major version.
  void SetForeignVersion(bool foreign);
  // What was refused for that: all calls, and those among them that brought envelopes. A sender that greets
  // first, or asks whether the peer is back, keeps its envelopes to itself.
  struct Refused {
    int calls = 0;
    int batches = 0;
  };
  Refused refused_for_version() const;

  // Waits until an envelope for which `wanted` is true has arrived, the first `skip` of all aside.
  std::optional<Arrived> Await(const std::function<bool(const Arrived&)>& wanted, absl::Duration timeout,
                               size_t skip = 0) const;
  size_t arrived() const;
  int64_t cursor(exchange::v1::Lane lane) const;
  std::vector<Arrived> all() const;
  std::vector<DeliveryIn> deliveries() const;
  // First fault seen in what the target sent, by clause; absent if there was none.
  std::map<std::string, std::string> faults() const;
  bool asked_link_first() const;

 private:
  struct Lane {
    int64_t cursor = 0;
    int64_t highest = 0;  // ever applied
    absl::Time time;
    std::vector<exchange::v1::Envelope> log;  // all ever applied
  };

  grpc::Status Deliver(grpc::ServerContext* context, const exchange::v1::DeliverRequest* request,
                       exchange::v1::DeliverResponse* response) override;
  grpc::Status GetLink(grpc::ServerContext* context, const exchange::v1::GetLinkRequest* request,
                       exchange::v1::GetLinkResponse* response) override;
  grpc::Status Backfill(grpc::ServerContext* context, const exchange::v1::BackfillRequest* request,
                        exchange::v1::BackfillResponse* response) override;

  grpc::Status CheckCaller(int version, const std::string& from, const std::string& to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Judge(const exchange::v1::DeliverRequest& request, Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Apply(const exchange::v1::DeliverRequest& request, Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  exchange::v1::LinkReceipt ReceiptOf(exchange::v1::Lane name, const Lane& lane) const;
  void Fault(const std::string& clause, const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    faults_.emplace(clause, what);
  }

  const ListenerOptions options_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;

  mutable Mutex mu_;
  mutable CondVar changed_;
  std::map<exchange::v1::Lane, Lane> lanes_ ABSL_GUARDED_BY(mu_);
  std::deque<Step> steps_ ABSL_GUARDED_BY(mu_);
  bool foreign_ ABSL_GUARDED_BY(mu_) = false;
  Refused refused_for_version_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Arrived> arrived_ ABSL_GUARDED_BY(mu_);
  std::vector<DeliveryIn> deliveries_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> faults_ ABSL_GUARDED_BY(mu_);
  bool asked_link_ ABSL_GUARDED_BY(mu_) = false;
  bool asked_link_first_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_LISTENER_H_
