// A small platform that speaks hotline.exchange.v1 with one peer: an example for vendors, and, with a defect
// switched on, what the kit has to catch. It keeps all in memory; `Stored` is what a real platform keeps in
// its database, and one call of Apply is one transaction there.
#ifndef TESTS_CONFORMANCE_EXAMPLE_PEER_H_
#define TESTS_CONFORMANCE_EXAMPLE_PEER_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "tests/conformance/desk.h"
#include "tests/conformance/wire.h"

namespace hotline::conformance {

// What is wrong with it.
enum class Defect {
  kNone,
  kAcknowledgesBeforeApplying,
  kForgetsCursor,
  kAcceptsWrongHash,
  kIgnoresChain,
  kAcceptsFork,
  kAcceptsGap,
  kReceiptAhead,
  kReceiptWithWrongHash,
  kReceiptWithoutTime,
  kIgnoresSignature,
  kSignsNothing,
  kSignsNoPosition,
  kRefusesRepeats,
  kAppliesRepeats,
  kNewOrderForKnownHandoff,
  kStopsAtBadOffer,
  kTakesAnyVersion,
  kOverlooksVersionList,
  kTakesAnyBatchSize,
  kTakesSmallMessages,
  kTakesAnyHandoffId,
  kTakesAnyLane,
  kAnswersInOrdinaryLane,
  kSeesNothing,
  kAnswersNotUnderstood,
  kDropsUnknownFields,
  kRefusesUnknownEnums,
  kHoldsPeersToItsLists,
  kKeepsEpoch,
  kIgnoresEpoch,
  kSendsInternalReply,
  kRefusesForClock,
  kIgnoresRetryInfo,
  kDropsWhatIsRefusedForVersion,
  kStaleIncoming,
  kTellsNothingOutgoing,
  kOutgoingNotRepeated,
  kTakesAnyLimit,
  kTakesAnyAlgorithm,
};

struct ExampleOptions {
  std::string hotline;
  std::string peer;
  std::string peer_address;  // where the peer listens
  std::optional<Key> key;
  std::optional<Key> peer_key;  // if set, unsigned and badly signed batches are refused
  Defect defect = Defect::kNone;

  // Asks GetLink before each batch, and not only when the link starts.
  bool greets_before_each_batch = false;
  // How long after a valid offer was received the order is made, and UNDERSTOOD sent.
  absl::Duration understands_after = absl::ZeroDuration();
  // From one attempt to the next: 2 leaves a number out, and 0 is a fault.
  int attempt_step = 1;
  // Takes a broken offer if this is true of it. May be empty.
  std::function<bool(const exchange::v1::OfferBody&)> overlooks;
  // Changes each of its own offers before it goes out. May be empty.
  std::function<void(exchange::v1::OfferBody*)> spoils;
};

// Thread-safe.
class ExamplePeer final : public exchange::v1::ExchangeService::Service, public Desk {
 public:
  explicit ExamplePeer(ExampleOptions options);
  ~ExamplePeer() override;
  int port() const { return port_; }

  absl::Status Accept(const std::string& number) override;
  absl::Status Return(const std::string& number) override;
  absl::Status Finish(const std::string& number) override;
  absl::Status Push() override;
  absl::Status PushAgain(const std::string& number) override;
  absl::Status Recall(const std::string& number) override;
  absl::Status Restart() override;

 private:
  struct Order {
    std::string number;
    int64_t id = 0;  // as giver
    exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY;
    type::v1::OrderState state = type::v1::ORDER_STATE_UNSPECIFIED;
    type::v1::Custody custody;
    type::v1::Handoff handoff;
    type::v1::Facts facts;
    type::v1::Reply reply;
  };
  struct Lane {
    int64_t cursor = 0;
    std::string head;
    absl::Time time;
    std::vector<exchange::v1::Envelope> inbox;
    std::vector<exchange::v1::SignedBatch> batches;
    std::vector<exchange::v1::Envelope> outbox;
  };
  struct Stored {
    std::map<exchange::v1::Lane, Lane> lanes;
    std::map<std::string, Order> orders;  // by handoff id
    int64_t last_id = 0;
    int count = 0;
  };
  // A valid offer of which an order is still to be made.
  struct Waiting {
    absl::Time due;
    exchange::v1::Lane lane;
    exchange::v1::OfferBody body;
  };
  // What is wrong with an envelope.
  struct Fault {
    std::string reason, field, message;
  };

  grpc::Status Deliver(grpc::ServerContext* context, const exchange::v1::DeliverRequest* request,
                       exchange::v1::DeliverResponse* response) override;
  grpc::Status GetLink(grpc::ServerContext* context, const exchange::v1::GetLinkRequest* request,
                       exchange::v1::GetLinkResponse* response) override;
  grpc::Status Backfill(grpc::ServerContext* context, const exchange::v1::BackfillRequest* request,
                        exchange::v1::BackfillResponse* response) override;
  grpc::Status Reconcile(grpc::ServerContext* context, const exchange::v1::ReconcileRequest* request,
                         exchange::v1::ReconcileResponse* response) override;

  bool Has(Defect defect) const { return options_.defect == defect; }
  grpc::Status CheckCaller(int version, const std::string& from, const std::string& to) const;
  grpc::Status CheckSignature(const exchange::v1::DeliverRequest& request) const;
  grpc::Status Take(const exchange::v1::DeliverRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ApplyLate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where a lane stands. Signed by whoever sends it, as the last step.
  exchange::v1::LinkReceipt ReceiptOf(exchange::v1::Lane name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // If there is a key.
  void Sign(exchange::v1::LinkReceipt* receipt) const;

  // Applies one envelope. Nothing here fails the link: a fault becomes an answer.
  void Apply(exchange::v1::Lane lane, const exchange::v1::Envelope& envelope)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<Fault> TryApply(exchange::v1::Lane lane, const exchange::v1::Envelope& envelope)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<Fault> TakeOffer(exchange::v1::Lane lane, const exchange::v1::Envelope& envelope)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<Fault> CheckOffer(exchange::v1::Lane lane, const exchange::v1::Envelope& envelope,
                                  const exchange::v1::OfferBody& body) const;
  void MakeOrder(exchange::v1::Lane lane, const exchange::v1::OfferBody& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<Fault> TakeMirror(Order& order, const exchange::v1::MirrorBody& body) const;

  // Numbers, chains and keeps an envelope for the peer.
  void Owe(exchange::v1::Lane lane, exchange::v1::EnvelopeKind kind, const std::string& handoff_id,
           const google::protobuf::Message& body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OweMirror(const Order& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Order* Find(const std::string& number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Offer(Order order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void Start();
  void Stop();
  // Delivers what the peer does not have, for as long as it takes.
  void SendUntilStopped();
  struct Progress {
    int64_t received = 0;
    absl::Time not_before = absl::InfinitePast();  // as the peer has asked
  };
  bool SendOnce(exchange::v1::ExchangeService::Stub& peer, exchange::v1::Lane lane, Progress* progress);

  const ExampleOptions options_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::thread sender_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  Stored stored_ ABSL_GUARDED_BY(mu_);
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);  // with `understands_after`; the oldest first
  // kAcknowledgesBeforeApplying: acknowledged, and lost in a restart.
  std::vector<exchange::v1::DeliverRequest> late_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_EXAMPLE_PEER_H_
