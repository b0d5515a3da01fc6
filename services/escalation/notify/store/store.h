// The tables of the notifier, in a file of their own: what is to be told, who was told, and how each message
// stands. The only code that writes them; holds no rule of the trade.
//
// Deleted, it begins anew: rungs of the last day are told again under their old ids, older ones are not.
//
// Tables: site (whose it is, how far the rungs are planned, which of them are history), told (each rung, in
// which round it is and what comes next when), notice (one order's rung, one person, one contact), delivery
// (a message with its notices; by its number, that of the desktop stream beside it), acknowledgement (what
// the log said of persons who took note of rungs, while it holds: a rung may be planned after that).
#ifndef SERVICES_ESCALATION_NOTIFY_STORE_STORE_H_
#define SERVICES_ESCALATION_NOTIFY_STORE_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/database.h"
#include "services/escalation/notify/core/plan.h"

namespace hotline::escalation::notify {

enum class Stage {
  kWaiting = 1,    // to be told at `at`
  kTold = 2,       // what comes of it is awaited until `at`
  kReporting = 3,  // `report` is to be recorded at `at`
  kResting = 4,    // the next round begins at `at`
  kDone = 5,
};

// A rung that is, or was, to be told.
struct Told {
  RungRef ref;
  int64_t sequence = 0;  // of its event in the site's log
  std::string number;    // of the order
  std::string unit;      // code of who holds the duty, as of its latest round
  type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
  absl::Time due;
  Stage stage = Stage::kWaiting;
  int round = 1;
  absl::Time at;                                      // of what comes next; InfiniteFuture when done
  absl::Time round_at;                                // when this round was told; the epoch before
  std::string report;                                 // serialized type::v1::NotificationReport
  absl::Time acknowledged_until = absl::UnixEpoch();  // somebody took note; no round before
};

struct NoticeRow {
  int64_t number = 0;  // grows
  std::string id;
  RungRef ref;
  std::string order_number;
  absl::Time due;
  int round = 1;
  std::string unit, person, role, capacity, channel;
  int64_t delivery = 0;  // number; 0: nobody could be told
  absl::Time send_at;
  // Read with the delivery.
  v1::DeliveryState state = v1::DELIVERY_STATE_UNSPECIFIED;
  std::string notification_id;
};

struct DeliveryRow {
  int64_t number = 0;    // grows
  int64_t sequence = 0;  // of the desktop stream; 0 for a webhook
  v1::Notification notification;
  v1::DeliveryState state = v1::DELIVERY_STATE_QUEUED;
  int attempts = 0;
  absl::Time next_at = absl::InfiniteFuture();  // of the next attempt
  absl::Time last_at = absl::UnixEpoch();
  int last_status = 0;
  std::string last_error;
  absl::Time reach_at = absl::UnixEpoch();
  std::string acknowledged_by;
};

struct NoticeQuery {
  int64_t order_id = 0;  // 0: all
  std::string unit, person;
  int64_t before = 0;  // numbers below it; 0: from the latest
  int limit = 0;
};
struct DeliveryQuery {
  std::optional<std::string> webhook;  // empty text: desktops
  v1::DeliveryState state = v1::DELIVERY_STATE_UNSPECIFIED;
  int64_t before = 0;
  int limit = 0;
};

// How many messages stand how; for metrics.
struct Counts {
  int64_t waiting_rungs = 0;
  int64_t reporting_rungs = 0;
  struct Channel {
    int64_t queued = 0;
    int64_t dead = 0;
    absl::Time oldest = absl::InfiniteFuture();  // of those queued
  };
  std::map<std::string, Channel> channels;  // by webhook; empty: desktops
};

// Used by one thread at a time. Errors: STORE_FAILED (after a failed commit, the outcome of which is unknown,
// everything is refused until the store is opened again), DISK_FULL (rolled back; may be tried again).
class Store {
 public:
  virtual ~Store() = default;
  // As of the other stores.
  static absl::StatusOr<std::unique_ptr<Store>> Open(std::unique_ptr<sql::Database> database,
                                                     std::string_view hotline);

  virtual absl::Status Begin() = 0;
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;
  // STORE_FAILED (the outcome is unknown) after such a commit: what is read then may never have been kept.
  virtual absl::Status CheckDoubt() = 0;

  // The site's log is planned up to here.
  virtual absl::StatusOr<int64_t> ReadCursor() = 0;
  // Rungs up to here are older than the store; 0 if it has planned none yet.
  virtual absl::StatusOr<int64_t> ReadHistoryEnd() = 0;
  virtual absl::StatusOr<int64_t> LastNotice() = 0;
  virtual absl::StatusOr<int64_t> LastDelivery() = 0;
  virtual absl::StatusOr<int64_t> LastSequence() = 0;

  // Between Begin and Commit.
  virtual absl::Status PutCursor(int64_t cursor) = 0;
  virtual absl::Status PutHistory(int64_t end) = 0;
  // False if the rung is there already: it is left as it is.
  virtual absl::StatusOr<bool> AddTold(const Told& told) = 0;
  virtual absl::Status UpdateTold(const Told& told) = 0;
  virtual absl::Status AddNotice(const NoticeRow& notice) = 0;
  virtual absl::Status AddDelivery(const DeliveryRow& delivery) = 0;
  virtual absl::Status UpdateDelivery(const DeliveryRow& delivery) = 0;
  // What its message says now.
  virtual absl::Status UpdateMessage(const DeliveryRow& delivery) = 0;
  // The notice with this number is in no message any more.
  virtual absl::Status TakeOut(int64_t notice) = 0;
  // Changes nothing if it is there already.
  virtual absl::Status AddAcknowledgement(const Acknowledgement& acknowledgement) = 0;
  // Forgets those that hold until `until` or less.
  virtual absl::Status DropAcknowledgements(absl::Time until) = 0;

  // At most `limit` rungs of `stage` whose time has come, the urgent first, then the oldest.
  virtual absl::StatusOr<std::vector<Told>> Due(Stage stage, absl::Time now, int limit) = 0;
  // Rungs that wait to be told of the same unit and kind, up to `until`, the oldest first.
  virtual absl::StatusOr<std::vector<Told>> Group(const Told& like, absl::Time until, int limit) = 0;
  // When, after `now`, the next rung of any stage or the next attempt at one of `webhooks` is due;
  // InfiniteFuture if none is.
  virtual absl::StatusOr<absl::Time> NextDue(absl::Time now, const std::vector<std::string>& webhooks) = 0;
  virtual absl::StatusOr<std::optional<Told>> FindTold(const RungRef& ref) = 0;
  // All rungs of an order.
  virtual absl::StatusOr<std::vector<Told>> ToldOf(int64_t order_id) = 0;
  virtual absl::StatusOr<std::vector<Acknowledgement>> AcknowledgementsOf(int64_t order_id) = 0;
  virtual absl::StatusOr<std::vector<NoticeRow>> NoticesOf(const RungRef& ref, int round) = 0;
  virtual absl::StatusOr<std::vector<NoticeRow>> NoticesIn(int64_t delivery) = 0;
  virtual absl::StatusOr<std::vector<NoticeRow>> ListNotices(const NoticeQuery& query) = 0;
  // Queued for `webhook` and due, the urgent first, then the oldest.
  virtual absl::StatusOr<std::vector<DeliveryRow>> DueDeliveries(std::string_view webhook, absl::Time now,
                                                                 int limit) = 0;
  virtual absl::StatusOr<std::optional<DeliveryRow>> FindDelivery(std::string_view id) = 0;
  virtual absl::StatusOr<std::optional<DeliveryRow>> FindDeliveryByNumber(int64_t number) = 0;
  virtual absl::StatusOr<std::vector<DeliveryRow>> ListDeliveries(const DeliveryQuery& query) = 0;
  // Of the desktop stream, from `start` on.
  virtual absl::StatusOr<std::vector<DeliveryRow>> ReadStream(int64_t start, int limit) = 0;
  virtual absl::StatusOr<Counts> Count() = 0;

  // Between Begin and Commit: forgets notices that were sent before `before`, in their order after number
  // `after`, with their rungs and messages, as far as these are done and no other notice is left of them.
  // Looks at no more than `limit`; the newest numbers stay, so that none is given twice; so do those of an
  // order that `held` names, with all that goes with them. Returns the number to go on after; nothing if
  // there are no more.
  using Held = absl::FunctionRef<absl::StatusOr<bool>(int64_t order_id)>;
  virtual absl::StatusOr<std::optional<int64_t>> Prune(absl::Time before, int64_t after, int limit,
                                                       Held held) = 0;
  // The same of rungs that are done and of which there is no notice, as they came to nothing before anybody
  // was told: by their deadlines, of those after `after`. Returns the deadline to go on after.
  virtual absl::StatusOr<std::optional<absl::Time>> PruneUntold(absl::Time before, absl::Time after,
                                                                int limit, Held held) = 0;

  // See sql::Database. Thread-safe.
  virtual absl::Status Checkpoint() = 0;
};

}  // namespace hotline::escalation::notify

#endif  // SERVICES_ESCALATION_NOTIFY_STORE_STORE_H_
