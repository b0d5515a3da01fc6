// The kit's sending side: numbers, chains and signs envelopes for the target, and judges every answer.
#ifndef TESTS_CONFORMANCE_CALLER_H_
#define TESTS_CONFORMANCE_CALLER_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "tests/conformance/wire.h"

namespace hotline::conformance {

struct CallerOptions {
  std::string target;  // host:port
  std::string as;
  std::string to;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::optional<Key> key;         // signs batches
  std::optional<Key> target_key;  // receipts must be signed by it
  absl::Duration timeout = absl::Seconds(10);
  // The last envelope received from the target in a lane, for `seen_sequence`. May be empty.
  std::function<int64_t(exchange::v1::Lane)> seen;
};

template <typename Response>
struct Answer {
  grpc::Status status;
  Refusal refusal;
  Response response;
  bool ok() const { return status.ok(); }
};

// Where a lane stands.
struct Head {
  int64_t sequence = 0;
  std::string hash;
};

// The body of a good first offer of the order `order_id` of `as`.
exchange::v1::OfferBody NewOffer(const std::string& as, const std::string& to, int64_t order_id,
                                 type::v1::Urgency urgency = type::v1::URGENCY_NORMAL);

// Not thread-safe.
class Caller {
 public:
  explicit Caller(CallerOptions options);

  // A new connection; what was known of the lanes is forgotten.
  void Reconnect();

  // Where the target's cursor stands, as GetLink says; nothing if it does not.
  std::optional<Head> Position(exchange::v1::Lane lane);
  // Goes on from where the target stands. False if it does not say.
  bool Resume();
  // Head of what was made for a lane.
  const Head& head(exchange::v1::Lane lane) { return heads_[lane]; }

  // Why there is no connection, in the words of gRPC; empty if that cannot be said.
  std::string ConnectionError() const;

  // The next envelope of a lane.
  exchange::v1::Envelope Make(exchange::v1::Lane lane, int kind, const std::string& handoff_id,
                              const std::string& body);
  // A batch, signed if there is a key.
  exchange::v1::DeliverRequest Batch(exchange::v1::Lane lane,
                                     const std::vector<exchange::v1::Envelope>& envelopes) const;
  // Signs a batch that was changed.
  void Sign(exchange::v1::DeliverRequest* request) const;
  // Sends it as it is.
  Answer<exchange::v1::DeliverResponse> Send(const exchange::v1::DeliverRequest& request);
  Answer<exchange::v1::DeliverResponse> Deliver(exchange::v1::Lane lane,
                                                const std::vector<exchange::v1::Envelope>& envelopes) {
    return Send(Batch(lane, envelopes));
  }

  // Version 1, both hotlines and no capabilities.
  exchange::v1::GetLinkRequest LinkRequest() const;
  Answer<exchange::v1::GetLinkResponse> GetLink(const exchange::v1::GetLinkRequest& request);
  Answer<exchange::v1::BackfillResponse> Backfill(exchange::v1::Lane lane, int64_t after, int limit);
  Answer<exchange::v1::ReconcileResponse> Reconcile(const exchange::v1::ReconcileRequest& request);

  const CallerOptions& options() const { return options_; }
  // First fault seen in an answer, by clause.
  const std::map<std::string, std::string>& faults() const { return faults_; }
  int receipts() const { return receipts_; }
  int refusals() const { return refusals_; }

 private:
  template <typename Request, typename Response>
  Answer<Response> Call(grpc::Status (exchange::v1::ExchangeService::Stub::*method)(grpc::ClientContext*,
                                                                                    const Request&,
                                                                                    Response*),
                        const Request& request);
  void Judge(const exchange::v1::DeliverRequest& request, const exchange::v1::DeliverResponse& response);
  // What holds for a receipt of `lane` wherever it stands; `where` says where this one does.
  void JudgeReceipt(exchange::v1::Lane lane, const exchange::v1::LinkReceipt& receipt,
                    const std::string& where);
  void Fault(const std::string& clause, const std::string& what) { faults_.emplace(clause, what); }

  const CallerOptions options_;
  std::unique_ptr<exchange::v1::ExchangeService::Stub> stub_;
  std::map<exchange::v1::Lane, Head> heads_;
  // Hashes that were sent, or found at the target, under each sequence.
  std::map<exchange::v1::Lane, std::map<int64_t, std::set<std::string>>> sent_;
  std::map<exchange::v1::Lane, int64_t> last_receipt_;
  std::map<std::string, std::string> faults_;
  int receipts_ = 0;
  int refusals_ = 0;
};

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_CALLER_H_
