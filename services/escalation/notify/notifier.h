// Tells people of the rungs that were taken, and records on each order what came of it.
//
// One loop follows the rungs that the clocks' store holds, with a cursor of its own. What a rung leads to is
// planned in the transaction that moves the cursor, and each further step is a transaction too: the row of a
// rung says in which round it is and what comes next when. So a process that is killed anywhere finds itself
// where it was: nothing is told twice under two ids, and nothing is forgotten. To a webhook a delivery may
// come twice (it is sent before it is known to have arrived), with the same id and body. What is recorded on
// orders has derived request ids, so that it is there once.
//
// A message may wait, for its gateway or for the morning, and is looked at again before each attempt: an
// order that has become restricted is not named any more, and one that accuses the person's unit by now, or
// whose duty is another person's, is taken out of it and told of anew, to others. So is one whose deadline
// has moved on: it is told of when that is missed. The body alone changes then, as the gateway may have the
// message. What lists and streams show of messages names no order that is restricted now either.
#ifndef SERVICES_ESCALATION_NOTIFY_NOTIFIER_H_
#define SERVICES_ESCALATION_NOTIFY_NOTIFIER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/ledger.h"
#include "common/contract/stream.h"
#include "common/stream/event_hub.h"
#include "services/escalation/directory/core/resolve.h"
#include "services/escalation/discretion.h"
#include "services/escalation/notify/core/plan.h"
#include "services/escalation/notify/core/webhook.h"
#include "services/escalation/notify/store/store.h"

namespace hotline::escalation::notify {

// A rung as the log has it.
struct RungEvent {
  int64_t sequence = 0;
  RungRef ref;
  std::string order_number;
  std::string duty_party;
  absl::Time due;
  absl::Time record_time;
};

// What the clocks know of an order now, as far as a rung of it is to be told.
struct OrderFacts {
  type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
  // The clock runs: its duty is not done, nor paused.
  bool running = false;
  bool paused = false;
  type::v1::Rung highest = type::v1::RUNG_UNSPECIFIED;  // rung taken of that clock
  // As they are now, extended or moved by a publication.
  absl::Time due = absl::InfinitePast();
  absl::Time remind = absl::InfinitePast();  // InfiniteFuture: never
  std::string duty_party;                    // whose the clock is now
  std::vector<std::string> accused_units;    // codes
  bool restricted = false;
  std::string registered_by;  // account; see OrderClocks
};

// Where the rungs come from. Called on the notifier's executor.
class RungSource {
 public:
  virtual ~RungSource() = default;
  // False while the log has not been read up to its head since the start: facts are old, and nobody is told.
  virtual bool Ready() = 0;
  // The log has been followed up to here.
  virtual int64_t Watermark() = 0;
  // At most `limit` rungs from `start` to `end`, both included, in order.
  virtual absl::StatusOr<std::vector<RungEvent>> ReadRungs(int64_t start, int64_t end, int limit) = 0;
  // Facts of the clock that `ref` names; nothing if it is not known.
  virtual absl::StatusOr<std::optional<OrderFacts>> FindFacts(const RungRef& ref) = 0;
  // Id of an order by its number; 0 if there is none.
  virtual absl::StatusOr<int64_t> FindOrderId(const std::string& id_or_number) = 0;
  // The order is under a legal hold.
  virtual absl::StatusOr<bool> IsHeld(int64_t order_id) = 0;
};

// A request to a webhook.
struct Outgoing {
  std::string webhook;
  std::string id;
  std::string body;
};

// Sends requests. Thread-safe.
class Sender {
 public:
  virtual ~Sender() = default;
  // `done` is called once, from any thread, within the webhook's timeout. It may also be dropped when all
  // ends.
  virtual void Send(Outgoing request, absl::AnyInvocable<void(Attempt)> done) = 0;
};

// What others are told. Called on the notifier's executor.
class Listener {
 public:
  virtual ~Listener() = default;
  // An attempt at `webhook` ended so: `reached`, `pending`, `not_reached`, `retry`, `dead`.
  virtual void OnAttempt(const std::string& webhook, const std::string& result) = 0;
  // A rung could tell nobody, or reached nobody.
  virtual void OnUnreachable(const std::string& order_id, const std::string& unit, type::v1::Rung rung) = 0;
  // So many rungs were history when they were first seen, and nobody is told of them.
  virtual void OnSkipped(int rungs) = 0;
  // A message left for a person.
  virtual void OnTold(const std::string& channel, int orders) = 0;
  // work_order refused what was to be recorded; it is not tried again.
  virtual void OnReportRefused(const std::string& order_id, const absl::Status& status) = 0;
  // The store failed; nobody is told any more until the process is started again.
  virtual void OnStoreFailed(const absl::Status& status) = 0;
};

struct Webhook {
  int max_attempts = 12;
  absl::Duration backoff_min = absl::Seconds(1);
  absl::Duration backoff_max = absl::Minutes(10);
  int concurrency = 4;
};

struct NotifierOptions {
  std::string hotline;
  std::map<std::string, Webhook> webhooks;
  int queue_limit = 10'000;
  // Rungs that were recorded longer ago than this when they are first seen are history, not news, if nothing
  // follows from them any more or the store was begun anew.
  absl::Duration max_age = absl::Hours(24);
  // What was told longer ago than this, and is done, is forgotten; looked for once a day. Infinite: never.
  absl::Duration keep = absl::InfiniteDuration();
  // Longest sleep before looking at the wall clock again, which may have been set.
  absl::Duration look_again = absl::Seconds(1);
  // Of the jitter in pauses. 0: the system's.
  uint32_t jitter_seed = 0;
};

// Thread-safe. Promises and errors of the methods are in notification_service.proto.
class Notifier {
 public:
  // `executor` is the notifier's own and is stopped before it is destroyed; `store` is used on it only. All
  // pointers outlive it. `people` gives the directory as it stands, from any thread.
  Notifier(Executor* executor, const Clock* clock, std::unique_ptr<Store> store, Policy policy,
           RungSource* source, std::function<std::shared_ptr<const directory::Directory>()> people,
           directory::Reach reach, Ledger* ledger, Sender* sender, Listener* listener,
           const Discretion* discretion, NotifierOptions options);
  ~Notifier();

  // Reads where it was. Once, before anything else, on the caller's thread.
  absl::Status Open();
  void Start();
  // There may be rungs that were not there before.
  void Wake();
  // The log's event `sequence` says that a person has taken note, by whatever way: see Acknowledgement. Its
  // rungs may be not planned yet. Told again it changes nothing.
  void Acknowledged(const RungRef& ref, int64_t sequence, absl::Time until);
  // Begins nothing any more; ends the streams with a last message.
  void Drain();

  absl::StatusOr<std::unique_ptr<MessageStream>> WatchNotifications(
      const CallContext& call, const v1::WatchNotificationsRequest& request);
  void AcknowledgeNotification(const CallContext& call, v1::AcknowledgeNotificationRequest request,
                               Done<v1::AcknowledgeNotificationResponse> done);
  void ListNotifications(const CallContext& call, v1::ListNotificationsRequest request,
                         Done<v1::ListNotificationsResponse> done);
  void ListDeliveries(const CallContext& call, v1::ListDeliveriesRequest request,
                      Done<v1::ListDeliveriesResponse> done);
  void RedeliverDelivery(const CallContext& call, v1::RedeliverDeliveryRequest request,
                         Done<v1::RedeliverDeliveryResponse> done);
  void ReportDelivery(const CallContext& call, v1::ReportDeliveryRequest request,
                      Done<v1::ReportDeliveryResponse> done);

  // As of the last look, at most a few seconds old.
  Counts counts() const;
  int64_t open_streams() const;
  // See sql::Database.
  absl::Status Checkpoint() { return store_->Checkpoint(); }

 private:
  void Step();
  // Each does what is due, in transactions, and says whether there may be more at once.
  absl::StatusOr<bool> Plan(absl::Time now);
  absl::StatusOr<bool> Tell(absl::Time now);
  absl::StatusOr<bool> Settle(absl::Time now);
  absl::StatusOr<bool> Resume(absl::Time now);
  absl::StatusOr<bool> GiveUp(absl::Time now);
  absl::StatusOr<bool> Forget(absl::Time now);
  absl::StatusOr<bool> Deliver(absl::Time now);
  absl::Status Report(absl::Time now);
  absl::StatusOr<bool> IsMoot(int64_t delivery);
  // Others are told of rung `told` still in `round`, or after it.
  absl::StatusOr<bool> IsToldOn(const Told& told, const std::optional<OrderFacts>& facts, int round,
                                absl::Time now);
  // Takes the orders out of `delivery` that its person is not to be told of any more: they accuse his unit,
  // he has left (and others are told in his place), or their deadlines have moved on. Cancels it if no other
  // is left. Their rungs are told to others, still in this round, if there are any. False if there is none.
  absl::StatusOr<bool> Withdraw(DeliveryRow delivery, absl::Time now);
  // The rung of `notice`, which is in no message any more: others are told of it now, or, if its deadline has
  // moved on and nobody was told in this round once all its messages are out, all are in another when that is
  // missed. Within a transaction.
  absl::Status AfterWithdrawal(const NoticeRow& notice, absl::Time now);
  // Leaves unnamed in `message` whatever order is restricted now, or may be.
  absl::Status Hide(v1::Notification* message);

  // Writes down what the log said of acknowledgements.
  absl::Status KeepAcknowledgements();
  // Writes down what came of attempts. Until that is done, nothing is sent: each further attempt would have
  // to be kept in memory.
  absl::StatusOr<bool> KeepAttempts(absl::Time now);
  // No round of `told` before `until`.
  static void PutOff(absl::Time until, Told* told);
  // `delivery`, whose next attempt falls into the quiet hours, is put off to `next_at`, and with it the end
  // of its rounds. Within a transaction.
  absl::Status WaitForMorning(const DeliveryRow& delivery);
  absl::Status TellGroup(absl::Time now, std::vector<Told> group);
  absl::Status TellNobody(absl::Time now, Told told);
  // Nobody else is told of rung `told` in its round, in which `notices` were sent: it goes on with these.
  absl::Status GoOn(Told told, const std::vector<NoticeRow>& notices, absl::Time now);
  // The round in which rung `told` is has no other after it. Rounds of which nobody was told before the
  // deadline moved on do not count.
  absl::StatusOr<bool> IsLast(const Told& told, const std::optional<OrderFacts>& facts, absl::Time now);
  // Rung `told` after its round: another, or none.
  void AfterRound(const std::optional<OrderFacts>& facts, bool last, absl::Time now, Told* told);
  // Looks at the rounds in which `delivery` has notices, whether they are settled now. Within a transaction.
  absl::Status SettleRoundsOf(const DeliveryRow& delivery, absl::Time now);
  absl::Status SettleRound(Told told, const std::vector<NoticeRow>& notices, absl::Time now, bool over);
  void OnAttempt(int64_t number, Attempt attempt);
  void OnReported(std::vector<Told> sent, absl::StatusOr<workorder::v1::ExecuteResponse> response);
  template <typename Body>
  absl::Status InTransaction(Body body);
  void Fail(const absl::Status& status);
  absl::StatusOr<v1::Delivery> Describe(DeliveryRow row);
  void Publish(const std::vector<DeliveryRow>& deliveries);
  void ReadHistory(bool by_unit, int64_t start, int limit,
                   absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done);
  absl::StatusOr<DeliveryRow> Find(const std::string& id);
  absl::Status CountAll(absl::Time now);

  // What a stream was given last, as of a head of the stream and of the log. `watermark` -1: none.
  struct LastRead {
    int64_t start = 0;
    int limit = 0;
    int64_t head = 0;
    int64_t watermark = -1;
    EventHub::Items items;
    bool IsOf(const LastRead& asked) const {
      return start == asked.start && limit == asked.limit && head == asked.head &&
             watermark == asked.watermark;
    }
  };

  Executor* const executor_;
  const Clock* const clock_;
  const std::unique_ptr<Store> store_;
  const Policy policy_;
  RungSource* const source_;
  const std::function<std::shared_ptr<const directory::Directory>()> people_;
  const directory::Reach reach_;
  Ledger* const ledger_;
  Sender* const sender_;
  Listener* const listener_;
  const Discretion* const discretion_;
  const NotifierOptions options_;
  std::vector<std::string> webhook_names_;
  const std::shared_ptr<int> alive_ =
      std::make_shared<int>();  // callbacks that come after the end find it gone

  // On the executor.
  absl::Time forget_at_ = absl::InfinitePast();
  // Of the look that is under way.
  int64_t forgotten_through_ = 0;
  absl::Time untold_through_ = absl::InfinitePast();
  bool failed_ = false;
  bool stopped_ = false;
  bool step_posted_ = false;
  bool reporting_ = false;
  int64_t history_ = 0;    // rungs up to here are older than the store
  int64_t planned_ = 0;    // rungs up to here are planned
  int64_t committed_ = 0;  // and that is written down up to here
  int64_t last_notice_ = 0, last_delivery_ = 0, last_sequence_ = 0;
  uint64_t timer_ = 0;  // the latest; an earlier one that fires is not needed any more
  absl::Time counted_at_ = absl::InfinitePast();
  std::vector<Acknowledgement> unkept_;                 // that the store does not have yet
  std::map<std::string, std::set<int64_t>> in_flight_;  // deliveries, by webhook
  std::map<int64_t, DeliveryRow> attempted_;            // as attempts left them; not written down yet
  std::vector<DeliveryRow> fresh_;                      // for desktops, of the transaction under way
  std::vector<std::function<void()>> told_;             // what the listener hears once it is committed
  std::map<std::string, int64_t> queued_;               // messages that wait, by webhook; about
  std::minstd_rand random_;
  Backoff report_backoff_{absl::Milliseconds(200), absl::Seconds(10)};

  mutable Mutex mu_;
  Counts counts_ ABSL_GUARDED_BY(mu_);
  LastRead last_read_[2];  // by account, by unit
  EventHub by_account_;
  EventHub by_unit_;
};

}  // namespace hotline::escalation::notify

#endif  // SERVICES_ESCALATION_NOTIFY_NOTIFIER_H_
