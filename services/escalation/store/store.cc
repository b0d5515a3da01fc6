#include "services/escalation/store/store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/error/error.h"
#include "common/sql/schema.h"

namespace hotline::escalation {
namespace {

constexpr sql::StoreMark kMark = {.file = "escalation.db",
                                  .name = "the escalation store",
                                  .version = sql::kClocksSchema,
                                  .projection = true};

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS site (
  id {int} PRIMARY KEY,
  schema_version {int} NOT NULL,
  hotline TEXT NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS tracked_order (
  id {int} PRIMARY KEY,
  number TEXT NOT NULL,
  type {int} NOT NULL,
  urgency {int} NOT NULL,
  channel {int} NOT NULL,
  state {int} NOT NULL,
  marks {int} NOT NULL,
  item TEXT NOT NULL,
  tags TEXT NOT NULL,
  receiver TEXT NOT NULL,
  lead_unit TEXT NOT NULL,
  assist_units TEXT NOT NULL,
  accused_units TEXT NOT NULL,
  registered_by TEXT NOT NULL
) {rows};
CREATE INDEX IF NOT EXISTS tracked_order_by_number ON tracked_order (number {,id});
CREATE TABLE IF NOT EXISTS clock (
  order_id {int} NOT NULL,
  armed_by {int} NOT NULL,
  kind {int} NOT NULL,
  assist_unit TEXT NOT NULL,
  state {int} NOT NULL,
  duty_party TEXT NOT NULL,
  start_at {int} NOT NULL,
  due_at {int} NOT NULL,
  remaining {int} NOT NULL,
  remind_at {int},
  stop_at {int} NOT NULL,
  rung {int} NOT NULL,
  marks {int} NOT NULL,
  publication {int} NOT NULL,
  rule {int} NOT NULL,
  next_rung {int} NOT NULL,
  next_at {int},
  history {blob},
  list_key {int} NOT NULL,
  lane {int} NOT NULL,
  fire_at {int},
  PRIMARY KEY (order_id, armed_by, kind, assist_unit)
) {keyed};
CREATE INDEX IF NOT EXISTS clock_by_deadline ON clock (state, list_key, order_id, armed_by, kind, assist_unit);
CREATE INDEX IF NOT EXISTS clock_by_next_rung ON clock (lane, fire_at, order_id, armed_by, kind, assist_unit) WHERE fire_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS rung (
  sequence {int} PRIMARY KEY,
  record {blob} NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS progress (
  id {int} PRIMARY KEY,
  log_cursor {int} NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS log_mark (
  id {int} PRIMARY KEY,
  sequence {int} NOT NULL,
  digest {blob} NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS moving (
  id {int} PRIMARY KEY,
  publication {int} NOT NULL,
  order_id {int} NOT NULL,
  done {int} NOT NULL,
  moved {int} NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS tally (
  kind {int} PRIMARY KEY,
  live {int} NOT NULL,
  overdue {int} NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS census (
  figure {int} NOT NULL,
  first TEXT NOT NULL,
  second TEXT NOT NULL,
  count {int} NOT NULL,
  PRIMARY KEY (figure, first, second)
) {keyed};
)sql";

constexpr std::initializer_list<const char*> kTables = {
    "site", "tracked_order", "clock", "rung", "progress", "log_mark", "moving", "tally", "census"};

#define CLOCK_COLUMNS                                                                                 \
  "kind, armed_by, state, duty_party, start_at, due_at, remaining, remind_at, stop_at, rung, marks, " \
  "publication, rule, next_rung, next_at, history, assist_unit"
#define ORDER_COLUMNS                                                                             \
  "number, type, urgency, channel, state, marks, item, tags, receiver, lead_unit, assist_units, " \
  "accused_units, registered_by"

// `marks` of an order, and of a clock.
constexpr int64_t kSuspended = 1;
constexpr int64_t kAnonymous = 2;
constexpr int64_t kContacted = 4;
constexpr int64_t kOriginHere = 8;
constexpr int64_t kRestricted = 16;
constexpr int64_t kHeld = 32;
constexpr int64_t kBreached = 1;
constexpr int64_t kProvisional = 2;

absl::Status Translate(const absl::Status& status) {
  if (status.ok()) return status;
  if (absl::IsResourceExhausted(status)) return error::DiskFull();
  return error::StoreFailed(std::string(status.message()));
}

// NULL: in the infinite future.
absl::Time ReadTime(const sql::Statement& row, int column) {
  return row.IsNull(column) ? absl::InfiniteFuture() : absl::FromUnixNanos(row.Int64(column));
}

void BindTime(int index, absl::Time time, sql::Statement* statement) {
  if (time == absl::InfiniteFuture()) {
    statement->BindNull(index);
  } else {
    statement->BindInt64(index, absl::ToUnixNanos(time));
  }
}

OrderClock ReadClock(const sql::Statement& row, int first) {
  OrderClock clock;
  clock.kind = static_cast<type::v1::ClockKind>(row.Int64(first));
  clock.armed_by = row.Int64(first + 1);
  clock.state = static_cast<v1::ClockState>(row.Int64(first + 2));
  clock.duty_party = std::string(row.Text(first + 3));
  clock.start = ReadTime(row, first + 4);
  clock.due = ReadTime(row, first + 5);
  clock.remaining = absl::Nanoseconds(row.Int64(first + 6));
  clock.remind = ReadTime(row, first + 7);
  clock.stop = ReadTime(row, first + 8);
  clock.rung = static_cast<type::v1::Rung>(row.Int64(first + 9));
  clock.breached = (row.Int64(first + 10) & kBreached) != 0;
  clock.provisional = (row.Int64(first + 10) & kProvisional) != 0;
  clock.rule.publication = static_cast<int32_t>(row.Int64(first + 11));
  clock.rule.rule = static_cast<int32_t>(row.Int64(first + 12));
  clock.next_rung = static_cast<type::v1::Rung>(row.Int64(first + 13));
  clock.next = ReadTime(row, first + 14);
  if (!row.IsNull(first + 15)) clock.history = std::string(row.Blob(first + 15));
  clock.assist_unit = std::string(row.Text(first + 16));
  return clock;
}

OrderClocks ReadOrder(const sql::Statement& row, int first) {
  OrderClocks order;
  order.number = std::string(row.Text(first));
  order.type = static_cast<type::v1::OrderType>(row.Int64(first + 1));
  order.urgency = static_cast<type::v1::Urgency>(row.Int64(first + 2));
  order.channel = static_cast<type::v1::Channel>(row.Int64(first + 3));
  order.state = static_cast<type::v1::OrderState>(row.Int64(first + 4));
  const int64_t marks = row.Int64(first + 5);
  order.suspended = (marks & kSuspended) != 0;
  order.anonymous = (marks & kAnonymous) != 0;
  order.contacted = (marks & kContacted) != 0;
  order.origin_here = (marks & kOriginHere) != 0;
  order.restricted = (marks & kRestricted) != 0;
  order.held = (marks & kHeld) != 0;
  order.item = std::string(row.Text(first + 6));
  order.tags = std::string(row.Text(first + 7));
  order.receiver = std::string(row.Text(first + 8));
  order.lead_unit = std::string(row.Text(first + 9));
  order.assist_units = absl::StrSplit(std::string(row.Text(first + 10)), ' ', absl::SkipEmpty());
  order.accused_units = absl::StrSplit(std::string(row.Text(first + 11)), ' ', absl::SkipEmpty());
  order.registered_by = std::string(row.Text(first + 12));
  return order;
}

bool SameFacts(const OrderClocks& a, const OrderClocks& b) {
  return a.number == b.number && a.type == b.type && a.urgency == b.urgency && a.channel == b.channel &&
         a.state == b.state && a.suspended == b.suspended && a.anonymous == b.anonymous &&
         a.contacted == b.contacted && a.origin_here == b.origin_here && a.item == b.item &&
         a.tags == b.tags && a.receiver == b.receiver && a.lead_unit == b.lead_unit &&
         a.assist_units == b.assist_units && a.accused_units == b.accused_units &&
         a.restricted == b.restricted && a.held == b.held && a.registered_by == b.registered_by;
}

// Prepares statements until one fails.
class Preparer {
 public:
  explicit Preparer(sql::Connection* connection) : connection_(connection) {}
  void operator()(std::string_view text, std::unique_ptr<sql::Statement>* statement) {
    if (!status_.ok()) return;
    auto prepared = connection_->Prepare(text);
    if (prepared.ok()) {
      *statement = *std::move(prepared);
    } else {
      status_ = prepared.status();
    }
  }
  const absl::Status& status() const { return status_; }

 private:
  sql::Connection* const connection_;
  absl::Status status_;
};

class SqlReader : public Reader {
 public:
  // On a connection of its own.
  absl::Status Init(std::unique_ptr<sql::Connection> connection) {
    connection_ = std::move(connection);
    return Init(connection_.get());
  }
  // `connection` outlives the reader.
  absl::Status Init(sql::Connection* connection) {
    Preparer prepare(connection);
    prepare("SELECT " ORDER_COLUMNS " FROM tracked_order WHERE id = ?1", &find_order_);
    prepare("SELECT " CLOCK_COLUMNS
            " FROM clock WHERE order_id = ?1 ORDER BY order_id, armed_by, kind, assist_unit",
            &find_clocks_);
    prepare("SELECT id FROM tracked_order WHERE number = ?1", &find_number_);
    prepare("SELECT list_key, order_id, " CLOCK_COLUMNS
            " FROM clock WHERE state = ?1 AND (list_key, order_id, armed_by, kind, assist_unit) >"
            " (?2, ?3, ?4, ?5, ?8) AND list_key < ?6"
            " ORDER BY list_key, order_id, armed_by, kind, assist_unit LIMIT ?7",
            &list_);
    prepare(
        "SELECT sequence, record FROM rung WHERE sequence >= ?1 AND sequence <= ?2 ORDER BY sequence LIMIT "
        "?3",
        &rungs_);
    prepare("SELECT log_cursor FROM progress WHERE id = 1", &progress_);
    prepare("SELECT sequence, digest FROM log_mark WHERE id = 1", &mark_);
    prepare("SELECT kind, live, overdue FROM tally", &tally_);
    prepare("SELECT figure, first, second, count FROM census", &census_);
    prepare("SELECT publication, order_id, done, moved FROM moving WHERE id = 1", &moving_);
    prepare("SELECT order_id, " CLOCK_COLUMNS
            " FROM clock WHERE order_id > ?1 ORDER BY order_id, armed_by, kind, assist_unit LIMIT ?2",
            &scan_);
    return prepare.status();
  }

  absl::StatusOr<std::optional<OrderClocks>> FindOrder(int64_t id) override {
    auto order = FindFacts(id);
    if (!order.ok() || !order->has_value()) return order;
    sql::ScopedReset reset(find_clocks_.get());
    find_clocks_->BindInt64(1, id);
    while (true) {
      const auto row = find_clocks_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return order;
      (*order)->clocks.push_back(ReadClock(*find_clocks_, 0));
    }
  }

  absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) override {
    sql::ScopedReset reset(find_number_.get());
    find_number_->BindText(1, number);
    const auto row = find_number_->Step();
    if (!row.ok()) return Translate(row.status());
    if (!*row) return std::optional<int64_t>();
    return std::optional<int64_t>(find_number_->Int64(0));
  }

  absl::StatusOr<ListPage> List(const ListQuery& query) override {
    ListPage page;
    if (query.order_id != 0) return ListOrder(query);
    int scanned = 0;
    bool at_known = true;
    const int64_t last = query.include_stopped ? v1::CLOCK_STATE_STOPPED : v1::CLOCK_STATE_PAUSED;
    ListKey at = query.after;
    at.state = std::max<int64_t>(at.state, v1::CLOCK_STATE_RUNNING);
    for (int64_t state = at.state; state <= last; ++state) {
      if (state != at.state) {
        at = {.state = state, .key = std::numeric_limits<int64_t>::min()};
      } else if (query.after.state == 0) {
        at.key = std::numeric_limits<int64_t>::min();
      }
      const absl::Status status = ListState(query, &at, &at_known, &scanned, &page);
      if (!status.ok()) return status;
      if (page.next.has_value()) break;
    }
    return page;
  }

  absl::StatusOr<std::vector<RungRow>> ReadRungs(int64_t start, int64_t end, int limit) override {
    std::vector<RungRow> rows;
    sql::ScopedReset reset(rungs_.get());
    rungs_->BindInt64(1, start);
    rungs_->BindInt64(2, end);
    rungs_->BindInt64(3, limit);
    while (true) {
      const auto row = rungs_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return rows;
      rows.push_back({rungs_->Int64(0), std::string(rungs_->Blob(1))});
    }
  }

  absl::StatusOr<Progress> ReadProgress() override {
    Progress progress;
    sql::ScopedReset reset_progress(progress_.get());
    auto row = progress_->Step();
    if (!row.ok()) return Translate(row.status());
    if (*row) progress.cursor = progress_->Int64(0);
    sql::ScopedReset reset_mark(mark_.get());
    row = mark_->Step();
    if (!row.ok()) return Translate(row.status());
    if (*row && mark_->Int64(0) == progress.cursor) progress.digest = std::string(mark_->Blob(1));
    sql::ScopedReset reset_tally(tally_.get());
    while (true) {
      row = tally_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) break;
      const int64_t kind = tally_->Int64(0);
      if (kind < 0 || kind >= static_cast<int64_t>(progress.tallies.size())) continue;
      progress.tallies[kind] = {tally_->Int64(1), tally_->Int64(2)};
    }
    Census census;
    sql::ScopedReset reset_census(census_.get());
    while (true) {
      row = census_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) break;
      census[{.figure = static_cast<Figure>(census_->Int64(0)),
              .first = std::string(census_->Text(1)),
              .second = std::string(census_->Text(2))}] = census_->Int64(3);
    }
    progress.census = std::make_shared<const Census>(std::move(census));
    return progress;
  }

  absl::StatusOr<OrderScan> ScanOrders(int64_t after_id, int row_limit) override {
    OrderScan scan;
    scan.last_id = after_id;
    // An order that the limit cuts in two is left for the next scan, which has it whole.
    std::vector<OrderClock> clocks;
    int64_t id = 0;
    int rows = 0;
    const auto finish = [&]() -> absl::Status {
      if (id == 0) return absl::OkStatus();
      scan.last_id = id;
      if (std::any_of(clocks.begin(), clocks.end(), [](const OrderClock& clock) { return clock.live(); })) {
        auto order = FindFacts(id);
        if (!order.ok()) return order.status();
        if (order->has_value()) {
          (*order)->clocks = std::move(clocks);
          scan.orders.push_back(**std::move(order));
        }
      }
      clocks.clear();
      return absl::OkStatus();
    };
    sql::ScopedReset reset(scan_.get());
    scan_->BindInt64(1, after_id);
    scan_->BindInt64(2, row_limit);
    while (true) {
      const auto row = scan_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) break;
      ++rows;
      if (const int64_t next = scan_->Int64(0); next != id) {
        if (absl::Status status = finish(); !status.ok()) return status;
        id = next;
      }
      clocks.push_back(ReadClock(*scan_, 1));
    }
    scan.end = rows < row_limit;
    if (scan.end || scan.last_id == after_id) {
      if (!scan.end) {
        // One order alone fills the scan: take all of it.
        auto whole = FindOrder(id);
        if (!whole.ok()) return whole.status();
        if (whole->has_value()) clocks = (*whole)->clocks;
      }
      if (absl::Status status = finish(); !status.ok()) return status;
    }
    return scan;
  }

  absl::StatusOr<MoveProgress> ReadMoveProgress() override {
    sql::ScopedReset reset(moving_.get());
    const auto row = moving_->Step();
    if (!row.ok()) return Translate(row.status());
    if (!*row) return MoveProgress();
    return MoveProgress{.publication = moving_->Int64(0),
                        .order_id = moving_->Int64(1),
                        .done = moving_->Int64(2) != 0,
                        .moved = moving_->Int64(3)};
  }

 private:
  absl::StatusOr<std::optional<OrderClocks>> FindFacts(int64_t id) {
    sql::ScopedReset reset(find_order_.get());
    find_order_->BindInt64(1, id);
    const auto row = find_order_->Step();
    if (!row.ok()) return Translate(row.status());
    if (!*row) return std::optional<OrderClocks>();
    OrderClocks order = ReadOrder(*find_order_, 0);
    order.id = id;
    return std::optional<OrderClocks>(std::move(order));
  }

  static bool Shown(const ListQuery& query, const OrderClock& clock) {
    if (!query.duty_party.empty() && clock.duty_party != query.duty_party) return false;
    if (!query.include_stopped && !clock.live()) return false;
    return DueAt(clock, query.now) < query.due_before;
  }

  // An order has few clocks: they are sorted here.
  absl::StatusOr<ListPage> ListOrder(const ListQuery& query) {
    auto order = FindOrder(query.order_id);
    if (!order.ok()) return order.status();
    ListPage page;
    if (!order->has_value() || (query.may_know && !query.may_know(**order))) return page;
    std::vector<OrderClock> clocks = std::exchange((*order)->clocks, {});
    std::sort(clocks.begin(), clocks.end(), [&](const OrderClock& a, const OrderClock& b) {
      return KeyOf(query.order_id, a) < KeyOf(query.order_id, b);
    });
    for (OrderClock& clock : clocks) {
      const ListKey key = KeyOf(query.order_id, clock);
      if (key <= query.after || !Shown(query, clock)) continue;
      if (static_cast<int>(page.rows.size()) == query.limit) {
        page.next = KeyOf(query.order_id, page.rows.back().clock);
        return page;
      }
      page.rows.push_back({**order, std::move(clock)});
    }
    return page;
  }

  // Lists one state's clocks after `*at`; sets `page->next` when a bound was reached before the end.
  // `*at_known`: the clock there may be known; of use once enough rows have been looked at.
  absl::Status ListState(const ListQuery& query, ListKey* at, bool* at_known, int* scanned, ListPage* page) {
    int64_t end = std::numeric_limits<int64_t>::max();
    if (query.due_before != absl::InfiniteFuture()) {
      end = at->state == v1::CLOCK_STATE_PAUSED ? absl::ToInt64Nanoseconds(query.due_before - query.now)
                                                : absl::ToUnixNanos(query.due_before);
    }
    sql::ScopedReset reset(list_.get());
    list_->BindInt64(1, at->state);
    list_->BindInt64(2, at->key);
    list_->BindInt64(3, at->order_id);
    list_->BindInt64(4, at->armed_by);
    list_->BindInt64(5, at->kind);
    list_->BindInt64(6, end);
    // One more tells that there are more.
    const int64_t most = int64_t{query.scan_limit} * 2;
    list_->BindInt64(7, most - *scanned + 1);
    list_->BindText(8, at->assist_unit);
    while (true) {
      const auto row = list_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return absl::OkStatus();
      if (*scanned >= most || (*scanned >= query.scan_limit && *at_known)) {
        page->next = *at;
        return absl::OkStatus();
      }
      ++*scanned;
      OrderClock clock = ReadClock(*list_, 2);
      const int64_t order_id = list_->Int64(1);
      *at = KeyOf(order_id, clock);
      const bool shown = Shown(query, clock);
      // Where the page may end it matters of the others too whether they may be known.
      if (!shown && *scanned < query.scan_limit) continue;
      auto order = FindFacts(order_id);
      if (!order.ok()) return order.status();
      // Written in one transaction with its clocks, so it is there.
      *at_known = order->has_value() && (!query.may_know || query.may_know(**order));
      if (!shown || !*at_known) continue;
      if (static_cast<int>(page->rows.size()) == query.limit) {
        page->next = KeyOf(page->rows.back().order.id, page->rows.back().clock);
        return absl::OkStatus();
      }
      page->rows.push_back({**std::move(order), std::move(clock)});
    }
  }

  // Before the statements, which go first.
  std::unique_ptr<sql::Connection> connection_;
  std::unique_ptr<sql::Statement> find_order_, find_clocks_, find_number_, list_, rungs_, progress_, mark_,
      tally_, census_, moving_, scan_;
};

class SqlStore : public Store {
 public:
  explicit SqlStore(std::unique_ptr<sql::Database> database) : database_(std::move(database)) {}

  absl::Status Init(std::string_view hotline) {
    auto writer = database_->OpenWriter();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    if (absl::Status status = sql::OpenProjection(writer_.get(), kMark, hotline, kTables, kSchema);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = reader_.Init(writer_.get()); !status.ok()) return status;
    Preparer prepare(writer_.get());
    prepare("INSERT INTO tracked_order (" ORDER_COLUMNS
            ", id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            &insert_order_);
    prepare(
        "UPDATE tracked_order SET number = ?1, type = ?2, urgency = ?3, channel = ?4, state = ?5, marks = ?6,"
        " item = ?7, tags = ?8, receiver = ?9, lead_unit = ?10, assist_units = ?11, accused_units = ?12,"
        " registered_by = ?13 WHERE id = ?14",
        &update_order_);
    prepare("INSERT INTO clock (" CLOCK_COLUMNS
            ", order_id, list_key, lane, fire_at) VALUES"
            " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, "
            "?21)",
            &insert_clock_);
    prepare(
        "UPDATE clock SET state = ?3, duty_party = ?4, start_at = ?5, due_at = ?6, remaining = ?7,"
        " remind_at = ?8, stop_at = ?9, rung = ?10, marks = ?11, publication = ?12, rule = ?13,"
        " next_rung = ?14, next_at = ?15, history = ?16, list_key = ?19, lane = ?20,"
        " fire_at = ?21 WHERE kind = ?1 AND armed_by = ?2 AND order_id = ?18 AND assist_unit = ?17",
        &update_clock_);
    prepare(
        "UPDATE clock SET rung = ?1, marks = ?2, next_rung = ?3, next_at = ?4, history = ?5, fire_at = ?6"
        " WHERE order_id = ?7 AND armed_by = ?8 AND kind = ?9 AND assist_unit = ?10",
        &climb_clock_);
    prepare(
        "INSERT INTO moving (id, publication, order_id, done, moved) VALUES (1, ?1, ?2, ?3, ?4)"
        " ON CONFLICT (id) DO UPDATE SET publication = excluded.publication, order_id = excluded.order_id,"
        " done = excluded.done, moved = excluded.moved",
        &put_moving_);
    prepare("INSERT INTO rung (sequence, record) VALUES (?1, ?2)", &insert_rung_);
    prepare(
        "INSERT INTO progress (id, log_cursor) VALUES (1, ?1)"
        " ON CONFLICT (id) DO UPDATE SET log_cursor = excluded.log_cursor",
        &put_progress_);
    prepare(
        "INSERT INTO log_mark (id, sequence, digest) VALUES (1, ?1, ?2)"
        " ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest",
        &put_mark_);
    prepare(
        "INSERT INTO tally (kind, live, overdue) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (kind) DO UPDATE SET live = excluded.live, overdue = excluded.overdue",
        &put_tally_);
    prepare(
        "INSERT INTO census (figure, first, second, count) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (figure, first, second) DO UPDATE SET count = excluded.count",
        &put_census_);
    prepare(
        "UPDATE clock SET fire_at = ?4 WHERE order_id = ?1 AND armed_by = ?2 AND kind = ?3 AND assist_unit = "
        "?5",
        &defer_);
    prepare(
        "SELECT order_id, armed_by, kind, fire_at, assist_unit FROM clock WHERE lane = ?3 AND fire_at IS NOT "
        "NULL AND fire_at <= ?1 ORDER BY fire_at, order_id, armed_by, kind, assist_unit LIMIT ?2",
        &due_);
    prepare("SELECT fire_at FROM clock WHERE lane = ?1 AND fire_at IS NOT NULL ORDER BY fire_at LIMIT 1",
            &next_due_);
    return prepare.status();
  }

  absl::StatusOr<std::unique_ptr<Reader>> NewReader() override {
    auto connection = database_->OpenReader();
    if (!connection.ok()) return Translate(connection.status());
    auto reader = std::make_unique<SqlReader>();
    if (absl::Status status = reader->Init(*std::move(connection)); !status.ok()) return Translate(status);
    return reader;
  }
  Reader& reader() override { return reader_; }

  absl::Status Begin() override { return Translate(writer_->Begin()); }
  absl::Status Commit() override { return Translate(writer_->Commit()); }
  void Rollback() override { writer_->Rollback(); }

  absl::Status PutOrder(const OrderClocks* before, const OrderClocks& after) override {
    if (before == nullptr || !SameFacts(*before, after)) {
      sql::Statement& put = before == nullptr ? *insert_order_ : *update_order_;
      put.BindText(1, after.number);
      put.BindInt64(2, after.type);
      put.BindInt64(3, after.urgency);
      put.BindInt64(4, after.channel);
      put.BindInt64(5, after.state);
      put.BindInt64(6, (after.suspended ? kSuspended : 0) | (after.anonymous ? kAnonymous : 0) |
                           (after.contacted ? kContacted : 0) | (after.origin_here ? kOriginHere : 0) |
                           (after.restricted ? kRestricted : 0) | (after.held ? kHeld : 0));
      put.BindText(7, after.item);
      put.BindText(8, after.tags);
      put.BindText(9, after.receiver);
      put.BindText(10, after.lead_unit);
      const std::string assist = absl::StrJoin(after.assist_units, " ");
      const std::string accused = absl::StrJoin(after.accused_units, " ");
      put.BindText(11, assist);
      put.BindText(12, accused);
      put.BindText(13, after.registered_by);
      put.BindInt64(14, after.id);
      if (absl::Status status = put.Run(); !status.ok()) return Translate(status);
    }
    // Clocks are only ever added at the end.
    const size_t known = before == nullptr ? 0 : before->clocks.size();
    for (size_t i = 0; i < after.clocks.size(); ++i) {
      if (i < known && before->clocks[i] == after.clocks[i]) continue;
      if (i < known && before->urgency == after.urgency && OnlyClimbed(before->clocks[i], after.clocks[i])) {
        if (absl::Status status = ClimbClock(after.id, after.clocks[i]); !status.ok()) return status;
        continue;
      }
      sql::Statement& put = i < known ? *update_clock_ : *insert_clock_;
      if (absl::Status status = PutClock(put, after, after.clocks[i]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PutRung(int64_t sequence, std::string_view record) override {
    insert_rung_->BindInt64(1, sequence);
    insert_rung_->BindBlob(2, record);
    return Translate(insert_rung_->Run());
  }

  absl::Status PutProgress(const Progress& before, const Progress& after) override {
    put_progress_->BindInt64(1, after.cursor);
    if (absl::Status status = put_progress_->Run(); !status.ok()) return Translate(status);
    put_mark_->BindInt64(1, after.cursor);
    put_mark_->BindBlob(2, after.digest);
    if (absl::Status status = put_mark_->Run(); !status.ok()) return Translate(status);
    for (size_t kind = 0; kind < after.tallies.size(); ++kind) {
      const Tally& tally = after.tallies[kind];
      if (tally == before.tallies[kind]) continue;
      put_tally_->BindInt64(1, static_cast<int64_t>(kind));
      put_tally_->BindInt64(2, tally.live);
      put_tally_->BindInt64(3, tally.overdue);
      if (absl::Status status = put_tally_->Run(); !status.ok()) return Translate(status);
    }
    if (after.census == before.census) return absl::OkStatus();
    for (const auto& [key, count] : *after.census) {
      if (const auto was = before.census->find(key); was != before.census->end() && was->second == count)
        continue;
      put_census_->BindInt64(1, static_cast<int64_t>(key.figure));
      put_census_->BindText(2, key.first);
      put_census_->BindText(3, key.second);
      put_census_->BindInt64(4, count);
      if (absl::Status status = put_census_->Run(); !status.ok()) return Translate(status);
    }
    return absl::OkStatus();
  }

  absl::Status Defer(const DueClock& clock, absl::Time until) override {
    defer_->BindInt64(1, clock.order_id);
    defer_->BindInt64(2, clock.armed_by);
    defer_->BindInt64(3, clock.kind);
    defer_->BindInt64(4, absl::ToUnixNanos(until));
    defer_->BindText(5, clock.assist_unit);
    return Translate(defer_->Run());
  }

  absl::Status PutMoveProgress(const MoveProgress& progress) override {
    put_moving_->BindInt64(1, progress.publication);
    put_moving_->BindInt64(2, progress.order_id);
    put_moving_->BindInt64(3, progress.done);
    put_moving_->BindInt64(4, progress.moved);
    return Translate(put_moving_->Run());
  }

  absl::StatusOr<std::vector<DueClock>> Due(FireLane lane, absl::Time now, int limit) override {
    std::vector<DueClock> due;
    sql::ScopedReset reset(due_.get());
    due_->BindInt64(1, absl::ToUnixNanos(now));
    due_->BindInt64(2, limit);
    due_->BindInt64(3, static_cast<int64_t>(lane));
    while (true) {
      const auto row = due_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return due;
      due.push_back({due_->Int64(0), due_->Int64(1), static_cast<type::v1::ClockKind>(due_->Int64(2)),
                     std::string(due_->Text(4)), ReadTime(*due_, 3)});
    }
  }

  absl::StatusOr<absl::Time> NextDue(FireLane lane) override {
    sql::ScopedReset reset(next_due_.get());
    next_due_->BindInt64(1, static_cast<int64_t>(lane));
    const auto row = next_due_->Step();
    if (!row.ok()) return Translate(row.status());
    return *row ? ReadTime(*next_due_, 0) : absl::InfiniteFuture();
  }

  absl::Status Checkpoint() override { return Translate(database_->Checkpoint()); }
  sql::Stats stats() const override { return database_->stats(); }

 private:
  // What a rung changes: the deadline and its place in lists stay, so their index need not be written.
  static bool OnlyClimbed(const OrderClock& before, const OrderClock& after) {
    OrderClock climbed = before;
    climbed.rung = after.rung;
    climbed.breached = after.breached;
    climbed.next_rung = after.next_rung;
    climbed.next = after.next;
    climbed.history = after.history;
    return climbed == after;
  }

  static int64_t MarksOf(const OrderClock& clock) {
    return (clock.breached ? kBreached : 0) | (clock.provisional ? kProvisional : 0);
  }
  static void BindHistory(int parameter, const OrderClock& clock, sql::Statement* put) {
    if (clock.history.empty()) {
      put->BindNull(parameter);
    } else {
      put->BindBlob(parameter, clock.history);
    }
  }

  absl::Status ClimbClock(int64_t order_id, const OrderClock& clock) {
    sql::Statement& put = *climb_clock_;
    put.BindInt64(1, clock.rung);
    put.BindInt64(2, MarksOf(clock));
    put.BindInt64(3, clock.next_rung);
    BindTime(4, clock.next, &put);
    BindHistory(5, clock, &put);
    BindTime(6, clock.next, &put);
    put.BindInt64(7, order_id);
    put.BindInt64(8, clock.armed_by);
    put.BindInt64(9, clock.kind);
    put.BindText(10, clock.assist_unit);
    return Translate(put.Run());
  }

  absl::Status PutClock(sql::Statement& put, const OrderClocks& order, const OrderClock& clock) {
    put.BindInt64(1, clock.kind);
    put.BindInt64(2, clock.armed_by);
    put.BindInt64(3, clock.state);
    put.BindText(4, clock.duty_party);
    BindTime(5, clock.start, &put);
    BindTime(6, clock.due, &put);
    put.BindInt64(7, absl::ToInt64Nanoseconds(clock.remaining));
    BindTime(8, clock.remind, &put);
    BindTime(9, clock.stop, &put);
    put.BindInt64(10, clock.rung);
    put.BindInt64(11, MarksOf(clock));
    put.BindInt64(12, clock.rule.publication);
    put.BindInt64(13, clock.rule.rule);
    put.BindInt64(14, clock.next_rung);
    BindTime(15, clock.next, &put);
    BindHistory(16, clock, &put);
    put.BindText(17, clock.assist_unit);
    put.BindInt64(18, order.id);
    put.BindInt64(19, KeyOf(order.id, clock).key);
    put.BindInt64(20, static_cast<int64_t>(LaneOf(order.urgency)));
    BindTime(21, clock.next, &put);
    return Translate(put.Run());
  }

  // In the order of their making: statements go before connections, and those before the database.
  const std::unique_ptr<sql::Database> database_;
  std::unique_ptr<sql::Connection> writer_;
  SqlReader reader_;
  std::unique_ptr<sql::Statement> insert_order_, update_order_, insert_clock_, update_clock_, climb_clock_,
      insert_rung_, put_progress_, put_mark_, put_tally_, put_census_, put_moving_, defer_, due_, next_due_;
};

}  // namespace

FireLane LaneOf(type::v1::Urgency urgency) {
  return urgency >= type::v1::URGENCY_URGENT ? FireLane::kUrgent : FireLane::kOrdinary;
}

ListKey KeyOf(int64_t order_id, const OrderClock& clock) {
  return {.state = clock.state,
          .key = clock.state == v1::CLOCK_STATE_PAUSED ? absl::ToInt64Nanoseconds(clock.remaining)
                                                       : absl::ToUnixNanos(clock.due),
          .order_id = order_id,
          .armed_by = clock.armed_by,
          .kind = clock.kind,
          .assist_unit = clock.assist_unit};
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(std::unique_ptr<sql::Database> database,
                                                   std::string_view hotline) {
  auto store = std::make_unique<SqlStore>(std::move(database));
  if (absl::Status status = store->Init(hotline); !status.ok()) return status;
  return store;
}

}  // namespace hotline::escalation
