// What figures are made from, in a database of its own (report.db): each order's events without texts, the
// deadlines that run, and the docket. A projection of the site's log: deleted, it is rebuilt by reading the
// log from its first event. The only code that writes it; holds no rule of the trade.
//
// Tables: tracked (an order's way into the others, by id, by number, by its last event and by what a peer
// pushed it as), entry (condensed events, clustered by order), running (live clocks, by deadline and by
// party), docket (disputes), progress (how far the log is read).
#ifndef SERVICES_ESCALATION_REPORT_STORE_STORE_H_
#define SERVICES_ESCALATION_REPORT_STORE_STORE_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/database.h"

namespace hotline::escalation::report {

struct TrackedRow {
  int64_t id = 0;
  std::string number;
  absl::Time first;
  // InfiniteFuture while a clock of it is live or a dispute open: any period from `first` on may need it.
  absl::Time last;
  std::string came_as;  // as History::came_as
};

// A live clock.
struct RunningRow {
  int64_t order_id = 0;
  int64_t armed_by = 0;
  int kind = 0;
  std::string party;
  int urgency = 0;
  bool paused = false;
  absl::Time due;     // InfiniteFuture: not known to be open when it comes (see KnownOpenAt)
  absl::Time remind;  // InfiniteFuture: no reminder, or as `due`
  std::string bytes;  // serialized v1::Deadline without lamp
  bool restricted = false;
  std::string registered_by;  // account that registered the order here
};

struct DocketRow {
  int64_t sequence = 0;  // of the event that opened it
  int64_t order_id = 0;
  int state = 0;  // v1::DocketState
  absl::Time opened;
};

// One deadline in the order of the lists.
struct RunningKey {
  int64_t due = 0;  // Unix nanoseconds
  int64_t order_id = 0;
  int64_t armed_by = 0;
  int64_t kind = 0;
  std::string party = {};
  friend auto operator<=>(const RunningKey&, const RunningKey&) = default;
};

struct RunningQuery {
  std::string party;  // empty: all
  int urgency = 0;    // 0: any
  int kind = 0;       // 0: any
  absl::Time due_from = absl::InfinitePast();
  absl::Time due_before = absl::InfiniteFuture();
  RunningKey after;  // begin after this one
  int limit = 0;
  // Look at no more rows than this; up to twice as many while the row at hand may not be known.
  int scan_limit = 0;
  // Whether a deadline may be known to whom it is for; empty: all may. The others are as if they were not
  // there: neither that a page goes on nor where it does tells of them.
  std::function<bool(const RunningRow&)> may_know = {};
};

struct RunningPage {
  std::vector<RunningRow> rows;
  // Where to go on; nothing when the list is complete.
  std::optional<RunningKey> next;
};

struct LampRow {
  std::string party;
  int64_t green = 0, yellow = 0, red = 0, paused = 0;
};

// Live clocks of one kind that one party has.
struct DeadlineCount {
  std::string party;
  int kind = 0;
  int64_t green = 0, yellow = 0, red = 0, paused = 0;  // as LampRow
};

struct DocketQuery {
  int state = 0;  // 0: any
  absl::Time opened_from = absl::InfinitePast();
  absl::Time opened_before = absl::InfiniteFuture();
  int64_t before_sequence = 0;  // 0: from the latest on
  int limit = 0;
};

// A view on a connection of its own: sees the last commit at each call. Used by one thread at a time. Lives
// no longer than its store. Errors: STORE_FAILED.
class Reader {
 public:
  virtual ~Reader() = default;
  // Serialized events of the order, in order.
  virtual absl::StatusOr<std::vector<std::string>> ReadEntries(int64_t order_id) = 0;
  virtual absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) = 0;
  // Whether an order with this `came_as`, which is not empty, began before the order `id`, which began at
  // `first`.
  virtual absl::StatusOr<bool> CameBefore(std::string_view came_as, absl::Time first, int64_t id) = 0;
  // Ids of the orders that began before `end` and may have something after `start`, at most `limit`.
  virtual absl::StatusOr<std::vector<int64_t>> FindOrders(absl::Time start, absl::Time end,
                                                          int64_t limit) = 0;
  virtual absl::StatusOr<RunningPage> ListRunning(const RunningQuery& query) = 0;
  // By party. Reads all that runs.
  virtual absl::StatusOr<std::vector<LampRow>> CountLamps(const RunningQuery& filter, absl::Time now) = 0;
  // By party and kind. Reads all that runs.
  virtual absl::StatusOr<std::vector<DeadlineCount>> CountDeadlines(absl::Time now) = 0;
  // The latest first.
  virtual absl::StatusOr<std::vector<DocketRow>> ListDocket(const DocketQuery& query) = 0;
  virtual absl::StatusOr<std::optional<DocketRow>> FindDocket(int64_t sequence) = 0;
  virtual absl::StatusOr<int64_t> ReadCursor() = 0;
  // SHA-256 of the event at the cursor, by which a log that is another since is known. Empty: not known.
  virtual absl::StatusOr<std::string> ReadDigest() = 0;
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

  virtual absl::StatusOr<std::unique_ptr<Reader>> NewReader() = 0;
  // Reads on the writer's own connection: sees the open transaction.
  virtual Reader& reader() = 0;

  virtual absl::Status Begin() = 0;
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;

  // Between Begin and Commit.
  virtual absl::Status AddEntry(int64_t order_id, int64_t sequence, std::string_view bytes) = 0;
  // Puts `bytes` in the place of an entry that is there. What it overwrites is gone from the file, and with a
  // Checkpoint to come from its log.
  virtual absl::Status RewriteEntry(int64_t order_id, int64_t sequence, std::string_view bytes) = 0;
  virtual absl::Status PutOrder(const TrackedRow& order) = 0;
  // Instead of what was there for the order.
  virtual absl::Status PutRunning(int64_t order_id, const std::vector<RunningRow>& rows) = 0;
  virtual absl::Status PutDocket(const DocketRow& row) = 0;
  virtual absl::Status PutCursor(int64_t cursor, std::string_view digest) = 0;

  // Moves committed pages into the database file. Thread-safe.
  virtual absl::Status Checkpoint() = 0;
  virtual sql::Stats stats() const = 0;
};

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_STORE_STORE_H_
