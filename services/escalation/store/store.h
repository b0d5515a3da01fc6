// The clock tables of a site. The only code that writes them; holds no rule of the trade. All of it is a
// projection of the site's log: deleted, it is rebuilt by reading the log from its first event.
//
// Tables: tracked_order (what clocks need of an order), clock (clustered by order; indexes by deadline and by
// the instant of the next rung, the latter of running clocks only), rung (each rung of the log, by sequence),
// progress (how far the log is followed), tally and census (counts, so that nothing has to be counted at
// start).
#ifndef SERVICES_ESCALATION_STORE_STORE_H_
#define SERVICES_ESCALATION_STORE_STORE_H_

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/database.h"
#include "services/escalation/core/clocks.h"

namespace hotline::escalation {

// One clock in the order of a list: running ones by deadline, then paused ones by the time they have left,
// then stopped ones by deadline.
struct ListKey {
  int64_t state = 0;  // v1::ClockState
  int64_t key = 0;    // Unix nanoseconds of the deadline, or nanoseconds left
  int64_t order_id = 0;
  int64_t armed_by = 0;
  int64_t kind = 0;
  std::string assist_unit = {};
  friend auto operator<=>(const ListKey&, const ListKey&) = default;
};
ListKey KeyOf(int64_t order_id, const OrderClock& clock);

struct ListQuery {
  int64_t order_id = 0;    // 0: all
  std::string duty_party;  // empty: all
  // A paused clock counts as due when what is left has passed in clock time, which is never too late.
  absl::Time due_before = absl::InfiniteFuture();
  bool include_stopped = false;
  absl::Time now;  // what paused clocks are reckoned from
  ListKey after;   // begin after this one
  int limit = 0;
  // Look at no more rows than this; up to twice as many while the row at hand may not be known.
  int scan_limit = 0;
  // Whether an order may be known to whom it is for; empty: all may. The clocks of others are as if they were
  // not there: neither that a page goes on nor where it does tells of them.
  std::function<bool(const OrderClocks&)> may_know = {};
};

struct ListPage {
  struct Row {
    OrderClocks order;  // without clocks
    OrderClock clock;
  };
  std::vector<Row> rows;
  // Where to go on; nothing when the list is complete.
  std::optional<ListKey> next;
};

// Counts of one kind of clock.
struct Tally {
  int64_t live = 0;     // armed and not stopped
  int64_t overdue = 0;  // and urged
  friend bool operator==(const Tally&, const Tally&) = default;
};

// By type::v1::ClockKind.
using Tallies = std::array<Tally, type::v1::ClockKind_ARRAYSIZE>;

// What is counted of orders beside their clocks, for metrics. The numbers are in the store.
enum class Figure {
  kOrders = 1,      // orders there are: state (number), direction
  kOpenByItem = 2,  // orders that are not over: item
  kOpenByUnit = 3,  // orders that are not over: lead unit
  kHandoffs = 4,    // orders handed over so far: direction, item
  kRungs = 5,       // rungs in the log: kind of clock (number), rung (number)
  kBreaches = 6,    // deadlines missed so far: party, kind of clock (number)
};
struct CensusKey {
  Figure figure = Figure::kOrders;
  std::string first;
  std::string second;  // empty where the figure has one name only
  friend auto operator<=>(const CensusKey&, const CensusKey&) = default;
};
using Census = std::map<CensusKey, int64_t>;

struct Progress {
  // The log is followed up to here. Events that change nothing are not written down at once, so after a
  // restart it can be a little lower than it was.
  int64_t cursor = 0;
  // LogMarkOf the event at the cursor: tells whether a log is still the one that was followed. Empty: not
  // known.
  std::string digest;
  Tallies tallies;
  // Never null.
  std::shared_ptr<const Census> census = std::make_shared<const Census>();
};

// A clock whose next rung is due.
struct DueClock {
  int64_t order_id = 0;
  int64_t armed_by = 0;
  type::v1::ClockKind kind = type::v1::CLOCK_KIND_UNSPECIFIED;
  std::string assist_unit;
  absl::Time at;  // the rung's instant, or later if it was deferred

  bool Is(const OrderClock& clock) const {
    return clock.kind == kind && clock.armed_by == armed_by && clock.assist_unit == assist_unit;
  }
};

// Two queues of rungs, so that the urgent need not wait behind a backlog of the others.
enum class FireLane { kUrgent = 0, kOrdinary = 1 };
FireLane LaneOf(type::v1::Urgency urgency);

// How far the clocks have been moved to a publication.
struct MoveProgress {
  int64_t publication = 0;
  // Orders up to this id are done.
  int64_t order_id = 0;
  bool done = true;
  int64_t moved = 0;
  friend bool operator==(const MoveProgress&, const MoveProgress&) = default;
};

// Orders with their clocks, in the order of their ids.
struct OrderScan {
  std::vector<OrderClocks> orders;  // those with live clocks
  int64_t last_id = 0;              // go on after this
  bool end = false;                 // there are no more
};

// A rung as the log has it.
struct RungRow {
  int64_t sequence = 0;
  std::string record;  // serialized v1::EscalationRecord
};

// A view on a connection of its own: sees the last commit at each call. Used by one thread at a time.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual absl::StatusOr<std::optional<OrderClocks>> FindOrder(int64_t id) = 0;
  virtual absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) = 0;
  virtual absl::StatusOr<ListPage> List(const ListQuery& query) = 0;
  // At most `limit` rungs from `start` to `end`, both included, in order.
  virtual absl::StatusOr<std::vector<RungRow>> ReadRungs(int64_t start, int64_t end, int limit) = 0;
  virtual absl::StatusOr<Progress> ReadProgress() = 0;
  // Looks at about `row_limit` clocks, those of orders after `after_id`.
  virtual absl::StatusOr<OrderScan> ScanOrders(int64_t after_id, int row_limit) = 0;
  virtual absl::StatusOr<MoveProgress> ReadMoveProgress() = 0;
};

// The writer. Used by one thread at a time. Errors: STORE_FAILED (after a failed Commit everything is refused
// until the store is opened again), DISK_FULL (rolled back; may be tried again).
class Store {
 public:
  virtual ~Store() = default;
  // Takes `database` over; creates the tables if they are missing, and anew if an older version wrote them:
  // the log has it all. Errors: FAILED_PRECONDITION if it belongs to another hotline or was written by a
  // newer version.
  static absl::StatusOr<std::unique_ptr<Store>> Open(std::unique_ptr<sql::Database> database,
                                                     std::string_view hotline);

  // Lives no longer than the store.
  virtual absl::StatusOr<std::unique_ptr<Reader>> NewReader() = 0;
  // Reads on the writer's own connection: sees the open transaction.
  virtual Reader& reader() = 0;

  virtual absl::Status Begin() = 0;
  // Makes everything since Begin durable. On failure the transaction has ended; unless the disk was full, it
  // may be there once the store is opened again.
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;

  // Between Begin and Commit. Writes what differs; `before` is null for a new order.
  virtual absl::Status PutOrder(const OrderClocks* before, const OrderClocks& after) = 0;
  virtual absl::Status PutRung(int64_t sequence, std::string_view record) = 0;
  virtual absl::Status PutProgress(const Progress& before, const Progress& after) = 0;
  // The rung is not to be tried before `until`; the next change of the clock lifts that.
  virtual absl::Status Defer(const DueClock& clock, absl::Time until) = 0;

  virtual absl::Status PutMoveProgress(const MoveProgress& progress) = 0;

  // At most `limit` clocks of `lane` whose rung is due at `now`, the oldest first.
  virtual absl::StatusOr<std::vector<DueClock>> Due(FireLane lane, absl::Time now, int limit) = 0;
  // When the first of the lane comes; InfiniteFuture if no clock of it runs.
  virtual absl::StatusOr<absl::Time> NextDue(FireLane lane) = 0;

  // Moves committed pages into the database file. Call from a thread of its own, regularly. Thread-safe.
  virtual absl::Status Checkpoint() = 0;
  virtual sql::Stats stats() const = 0;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_STORE_STORE_H_
