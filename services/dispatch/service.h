// hotline.dispatch.v1.DispatchService and the receiving end of hotline.exchange.v1.ExchangeService without a
// wire.
#ifndef SERVICES_DISPATCH_SERVICE_H_
#define SERVICES_DISPATCH_SERVICE_H_

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/clearance.h"
#include "common/contract/finder.h"
#include "common/contract/ledger.h"
#include "common/contract/peer.h"
#include "common/contract/stream.h"
#include "common/stream/event_hub.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "services/dispatch/batcher.h"
#include "services/dispatch/link.h"
#include "services/dispatch/reconciler.h"
#include "services/dispatch/right_of_way.h"
#include "services/dispatch/router.h"

namespace hotline::dispatch {

struct DispatchOptions {
  std::string hotline;
  absl::Duration emergency_receipt = absl::Seconds(10);
  BatcherOptions batcher;
  LinkOptions link;                                    // `peer` and `lane` are filled in for each
  std::map<std::string, Peer*> emergency_peers;        // what carries that lane, where it has its own
  ReconcilerOptions reconciler;                        // `hotline` and `offers` are filled in
  std::map<std::string, absl::Duration> resend_after;  // by peer, where it is not `link.resend_after`
  // Advises, and routes pushes without a target; outlives the service. Null: there is no catalogue.
  Router* router = nullptr;
  // Runs reloads of the catalogue, which take seconds; outlives the service. Null: the caller's thread does.
  Executor* reloader = nullptr;
  // Reads the texts of pushes in bulk, which takes seconds, one after the other; outlives the service. Null:
  // the caller's thread does.
  Executor* importer = nullptr;
  // Told when a lane of a link goes up or down: `up` is true if all lanes are up. May be empty.
  std::function<void(const std::string& peer, bool up, const absl::Status& why)> on_link_change;
  // Who is shown what is restricted or secret.
  Clearance clearance;
  // Finds similar orders for pushes that ask for them. Null: they are not told of any. Outlives the service.
  OrderFinder* finder = nullptr;
};

// What is counted. Thread-safe to read.
struct DispatchCounters {
  std::atomic<int64_t> pushes{0};           // committed
  std::atomic<int64_t> pushes_received{0};  // answered with the peer's receipt
  std::atomic<int64_t> telephone_required{
      0};                                 // emergencies, clues and calls to the scene answered without it
  std::atomic<int64_t> alarms_failed{0};  // of those: alarms left to escalation
  std::atomic<int64_t> deliveries_in{0};
  std::atomic<int64_t> follower_failures{0};
};

// Thread-safe. `ledger` and `peers` answer every call before this is destroyed, and outlive it, as do
// `notary` and `clock`; `executor` is stopped before. Promises and errors of each method are in the protos.
class DispatchService : public Peer {
 public:
  DispatchService(Ledger* ledger, std::map<std::string, Peer*> peers, const Notary* notary,
                  Executor* executor, const Clock* clock, DispatchOptions options);
  ~DispatchService() override;

  // Starts the links and the follower that feeds the watches.
  void Start();
  // Watches end, links begin nothing more.
  void Drain();

  void PushWorkOrder(const CallContext& call, v1::PushWorkOrderRequest request,
                     Done<v1::PushWorkOrderResponse> done);
  void BatchPushWorkOrders(const CallContext& call, v1::BatchPushWorkOrdersRequest request,
                           Done<v1::BatchPushWorkOrdersResponse> done);
  void PushToPartners(const CallContext& call, v1::PushToPartnersRequest request,
                      Done<v1::PushToPartnersResponse> done);
  void ReferFromScene(const CallContext& call, v1::ReferFromSceneRequest request,
                      Done<v1::ReferFromSceneResponse> done);
  // Every other command.
  void Execute(const CallContext& call, type::v1::Command command, Done<workorder::v1::CommandResult> done);
  absl::StatusOr<std::unique_ptr<MessageStream>> WatchHandoffs(const CallContext& call,
                                                               const v1::WatchHandoffsRequest& request);
  void ListLinks(const CallContext& call, v1::ListLinksRequest request, Done<v1::ListLinksResponse> done);
  void ReconcileLink(const CallContext& call, v1::ReconcileLinkRequest request,
                     Done<v1::ReconcileLinkResponse> done);
  void SuggestRoute(const CallContext& call, v1::SuggestRouteRequest request,
                    Done<v1::SuggestRouteResponse> done);
  void ReloadCatalogue(const CallContext& call, v1::ReloadCatalogueRequest request,
                       Done<v1::ReloadCatalogueResponse> done);
  void GetCatalogue(const CallContext& call, v1::GetCatalogueRequest request,
                    Done<v1::GetCatalogueResponse> done);

  // A peer calls: ExchangeService.
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override;
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override;
  void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override;
  void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override;

  const DispatchCounters& counters() const { return counters_; }
  const std::map<LaneKey, std::unique_ptr<Link>>& links() const { return links_; }
  const Reconciler& reconciler() const { return reconciler_; }
  int64_t open_watches() const { return hub_.open_streams(); }
  int64_t waiting_commands() const { return batcher_.waiting(); }
  // Pushes in bulk whose texts are still to be read, and what waits for the model of advice.
  int64_t waiting_imports() const;
  // An ordinary push would be refused now, with Batcher::Full().
  bool full() const { return batcher_.full(); }
  // Commands refused so, and pushes that were before they were read: see NoteRejected.
  int64_t rejected_commands() const { return batcher_.rejected(); }
  void NoteRejected() { batcher_.NoteRejected(1); }
  // Whether the order, by id or number, is an emergency, as far as the log has registered it since this
  // process follows it: a command that names an order says not how urgent it is, and nobody who asks is to be
  // believed. What is not known goes as an ordinary command.
  bool IsKnownEmergency(const std::string& order_id) const;

 private:
  // `done`, told of similar orders first.
  Done<v1::PushWorkOrderResponse> WithSimilar(const CallContext& call, Done<v1::PushWorkOrderResponse> done);
  // The request as a command, routed, or what is wrong with it beyond what work_order checks. `undecided` is
  // set where the client named no target and routing has none either: unless the request is a repeat, that is
  // the answer.
  absl::StatusOr<type::v1::Command> ToCommand(const CallContext& call, v1::PushWorkOrderRequest& request,
                                              absl::Status* undecided) const;
  // Hands a command to work_order; where that has no answer to a repeat, a push without a target is answered
  // `undecided`.
  void SubmitPush(type::v1::Command command, absl::Time deadline, absl::Status undecided,
                  absl::AnyInvocable<void(absl::StatusOr<workorder::v1::CommandResult>)> done);
  void FinishPush(const CallContext& call, absl::Duration wait, bool wait_set,
                  workorder::v1::CommandResult result, Done<v1::PushWorkOrderResponse> done);
  void PushChildren(const CallContext& call, v1::PushToPartnersRequest request,
                    workorder::v1::CommandResult incident, Done<v1::PushToPartnersResponse> done);
  // Raises the alarm of an offer once the limit has passed without its receipt.
  void AlarmWhenLate(Link* link, const type::v1::WorkOrder& order);
  void RaiseAlarm(const type::v1::WorkOrder& order);
  // PushWorkOrder, BatchPushWorkOrders and SuggestRoute, whatever advice rests on by now.
  void Push(const CallContext& call, v1::PushWorkOrderRequest request, Done<v1::PushWorkOrderResponse> done);
  void BatchPush(const CallContext& call, v1::BatchPushWorkOrdersRequest request,
                 Done<v1::BatchPushWorkOrdersResponse> done);
  void Suggest(const CallContext& call, v1::SuggestRouteRequest request, Done<v1::SuggestRouteResponse> done);
  // The emergencies of a batch go at once. The rest waits on the importer, a push at a time, so that no text
  // is read while an emergency has yet to leave and none of the threads that serve calls is held up.
  struct Import;
  void ImportNext();
  void PushOne(const std::shared_ptr<Import>& import, int i);
  // After a start the model of advice takes seconds to make, on the reloader. A push that only advice can
  // send somewhere, and a question for advice, wait there for it and hold up nobody; what names its target,
  // and an emergency, goes at once.
  bool IsModelReady() const;
  // Calls `go` with OK when the model is made, with DRAINING, or a little before the call's deadline with
  // AdviceNotReady; at once with Batcher::Full() if as much waits as the queue may hold. It stands for
  // `entries` pushes or questions, of so many bytes.
  void WaitForModel(const CallContext& call, int entries, size_t bytes,
                    absl::AnyInvocable<void(const absl::Status&)> go);
  void GoOnWithModel();
  void EndWaitForModel(int64_t number);
  // One reload of the catalogue, for all who ask before it begins.
  void ReloadForWaiting();
  void Take(const CallContext& call, exchange::v1::DeliverRequest request,
            Done<exchange::v1::DeliverResponse> done);
  // A peer calls: whether it may. If so it can be reached, probably: its links need not pause.
  absl::Status Hear(const CallContext& call, int version, const std::string& from, const std::string& to);
  void OnLinkChange(const std::string& peer, const absl::Status& why);
  void Told(int64_t event_sequence);
  void LearnEmergencies(const workorder::v1::ReadEventsResponse& response);
  void FindHead();
  void Follow(int64_t next);
  void FollowLater(int64_t next);
  // The log is shorter than it was: `why` ends the watches, and the log is followed from its new head on.
  void FollowAnew(const absl::Status& why);

  bool KnowsPeer(const std::string& hotline) const { return links_.contains(LaneKey{hotline}); }
  // False if the peer has said what it offers, and `reconcile` is not among it.
  bool OffersReconcile(const std::string& peer) const;

  Ledger* const ledger_;
  const Notary* const notary_;
  Executor* const executor_;
  const Clock* const clock_;
  const DispatchOptions options_;
  DispatchCounters counters_;
  std::atomic<bool> draining_{false};
  // Latest event that a client was told of; the watches may not have it yet.
  std::atomic<int64_t> told_sequence_{0};
  RightOfWay way_;
  Batcher batcher_;
  std::map<LaneKey, std::unique_ptr<Link>> links_;  // both lanes of every peer
  Reconciler reconciler_;
  struct WaitingReload {
    absl::Time deadline;
    Done<v1::ReloadCatalogueResponse> done;
  };
  mutable Mutex reload_mu_;
  std::vector<WaitingReload> reload_waiting_ ABSL_GUARDED_BY(reload_mu_);  // for one that has not begun
  struct WaitingForModel {
    absl::Time answer_by;
    int entries;
    size_t bytes;
    absl::AnyInvocable<void(const absl::Status&)> go;
  };
  std::map<int64_t, WaitingForModel> model_waiting_ ABSL_GUARDED_BY(reload_mu_);  // in the order they came
  int64_t last_wait_for_model_ ABSL_GUARDED_BY(reload_mu_) = 0;
  bool model_awaited_ ABSL_GUARDED_BY(reload_mu_) = false;  // GoOnWithModel is going to run
  int64_t model_entries_ ABSL_GUARDED_BY(reload_mu_) = 0;   // of them
  size_t model_bytes_ ABSL_GUARDED_BY(reload_mu_) = 0;
  mutable Mutex import_mu_;
  std::deque<std::shared_ptr<Import>> imports_ ABSL_GUARDED_BY(import_mu_);  // that have pushes left to send
  size_t import_entries_ ABSL_GUARDED_BY(import_mu_) = 0;                    // of them
  size_t import_bytes_ ABSL_GUARDED_BY(import_mu_) = 0;                      // of their requests
  bool importing_ ABSL_GUARDED_BY(import_mu_) = false;
  // Asked for until it is true.
  mutable std::atomic<bool> model_ready_{false};
  mutable Mutex emergencies_mu_;
  // Their ids and numbers, and those once more, the earliest first.
  absl::flat_hash_set<std::string> emergencies_ ABSL_GUARDED_BY(emergencies_mu_);
  std::deque<std::string> emergencies_by_age_ ABSL_GUARDED_BY(emergencies_mu_);
  Mutex told_mu_;
  std::map<std::string, bool> told_up_ ABSL_GUARDED_BY(told_mu_);  // what was told of each peer last
  EventHub hub_;
  Backoff follow_backoff_;
  std::minstd_rand random_;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SERVICE_H_
