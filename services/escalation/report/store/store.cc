#include "services/escalation/report/store/store.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error/error.h"
#include "common/sql/schema.h"

namespace hotline::escalation::report {
namespace {

constexpr sql::StoreMark kMark = {
    .file = "report.db", .name = "the store of reports", .version = sql::kReportSchema, .projection = true};

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS site (
  id {int} PRIMARY KEY,
  schema_version {int} NOT NULL,
  hotline TEXT NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS tracked (
  id {int} PRIMARY KEY,
  number TEXT NOT NULL,
  first_at {int} NOT NULL,
  last_at {int} NOT NULL,
  came_as TEXT NOT NULL
) {rows};
CREATE INDEX IF NOT EXISTS tracked_by_number ON tracked (number {,id});
CREATE INDEX IF NOT EXISTS tracked_by_last ON tracked (last_at, first_at {,id});
CREATE INDEX IF NOT EXISTS tracked_by_origin ON tracked (came_as, first_at {,id}) WHERE came_as <> '';
CREATE TABLE IF NOT EXISTS entry (
  order_id {int} NOT NULL,
  sequence {int} NOT NULL,
  bytes {blob} NOT NULL,
  PRIMARY KEY (order_id, sequence)
) {keyed};
CREATE TABLE IF NOT EXISTS running (
  order_id {int} NOT NULL,
  armed_by {int} NOT NULL,
  kind {int} NOT NULL,
  party TEXT NOT NULL,
  urgency {int} NOT NULL,
  paused {int} NOT NULL,
  due_at {int} NOT NULL,
  remind_at {int} NOT NULL,
  bytes {blob} NOT NULL,
  restricted {int} NOT NULL,
  registered_by TEXT NOT NULL,
  PRIMARY KEY (order_id, armed_by, kind, party)
) {keyed};
CREATE INDEX IF NOT EXISTS running_by_due ON running (paused, due_at, order_id, armed_by, kind, party);
CREATE INDEX IF NOT EXISTS running_by_party ON running (party, paused, due_at, order_id, armed_by, kind, remind_at, urgency);
CREATE TABLE IF NOT EXISTS docket (
  sequence {int} PRIMARY KEY,
  order_id {int} NOT NULL,
  state {int} NOT NULL,
  opened_at {int} NOT NULL
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
)sql";

constexpr std::initializer_list<const char*> kTables = {"site",   "tracked",  "entry",   "running",
                                                        "docket", "progress", "log_mark"};

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

int64_t Nanos(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kForever;
  if (time == absl::InfinitePast()) return std::numeric_limits<int64_t>::min();
  return absl::ToUnixNanos(time);
}
absl::Time TimeOf(int64_t nanos) {
  return nanos == kForever ? absl::InfiniteFuture() : absl::FromUnixNanos(nanos);
}

absl::Status Translate(const absl::Status& status) {
  if (status.ok()) return status;
  if (absl::IsResourceExhausted(status)) return error::DiskFull();
  return error::StoreFailed(std::string(status.message()));
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

DocketRow ReadDocketRow(const sql::Statement& row) {
  return {.sequence = row.Int64(0),
          .order_id = row.Int64(1),
          .state = static_cast<int>(row.Int64(2)),
          .opened = TimeOf(row.Int64(3))};
}

class SqlReader final : public Reader {
 public:
  // `connection` is not owned if `owned` is null.
  absl::Status Init(sql::Connection* connection, std::unique_ptr<sql::Connection> owned) {
    owned_ = std::move(owned);
    Preparer prepare(connection);
    prepare("SELECT bytes FROM entry WHERE order_id = ?1 ORDER BY sequence", &entries_);
    prepare("SELECT id FROM tracked WHERE number = ?1 LIMIT 1", &by_number_);
    prepare(
        "SELECT id FROM tracked WHERE came_as = ?1 AND came_as <> '' AND (first_at, id) < (?2, ?3) LIMIT 1",
        &earlier_);
    prepare("SELECT id FROM tracked WHERE last_at >= ?1 AND first_at < ?2 ORDER BY last_at LIMIT ?3",
            &orders_);
#define RUNNING_COLUMNS                                                                      \
  "order_id, armed_by, kind, party, urgency, paused, due_at, remind_at, bytes, restricted, " \
  "registered_by"
#define RUNNING_RANGE                                                                             \
  "paused = 0 AND (due_at, order_id, armed_by, kind, party) > (?1, ?2, ?3, ?4, ?7) AND due_at < " \
  "?5 ORDER BY due_at, order_id, armed_by, kind, party LIMIT ?6"
    prepare("SELECT " RUNNING_COLUMNS " FROM running WHERE " RUNNING_RANGE, &running_);
    prepare("SELECT " RUNNING_COLUMNS " FROM running WHERE party = ?8 AND " RUNNING_RANGE, &running_of_);
#define LAMP_SUMS                                                                                        \
  "SUM(paused = 0 AND due_at > ?1 AND remind_at > ?1), SUM(paused = 0 AND due_at > ?1 AND remind_at <= " \
  "?1), SUM(paused = 0 AND due_at <= ?1), SUM(paused) FROM running"
#define LAMPS "SELECT party, " LAMP_SUMS " WHERE (?2 = 0 OR urgency = ?2) AND (?3 = 0 OR kind = ?3)"
    prepare(LAMPS " GROUP BY party ORDER BY party", &lamps_);
    prepare(LAMPS " AND party = ?4 GROUP BY party", &lamps_of_);
    prepare("SELECT party, kind, " LAMP_SUMS " GROUP BY party, kind ORDER BY party, kind", &deadlines_);
    prepare(
        "SELECT sequence, order_id, state, opened_at FROM docket WHERE sequence < ?1 AND (?2 = 0 OR state = "
        "?2) AND "
        "opened_at >= ?3 AND opened_at < ?4 ORDER BY sequence DESC LIMIT ?5",
        &docket_);
    prepare("SELECT sequence, order_id, state, opened_at FROM docket WHERE sequence = ?1", &docket_item_);
    prepare("SELECT log_cursor FROM progress WHERE id = 1", &cursor_);
    prepare("SELECT digest FROM log_mark JOIN progress ON log_cursor = sequence WHERE log_mark.id = 1",
            &mark_);
    return prepare.status();
  }

  absl::StatusOr<std::vector<std::string>> ReadEntries(int64_t order_id) override {
    std::vector<std::string> entries;
    sql::ScopedReset reset(entries_.get());
    entries_->BindInt64(1, order_id);
    while (true) {
      const auto row = entries_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return entries;
      entries.emplace_back(entries_->Blob(0));
    }
  }

  absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) override {
    sql::ScopedReset reset(by_number_.get());
    by_number_->BindText(1, number);
    const auto row = by_number_->Step();
    if (!row.ok()) return Translate(row.status());
    return *row ? std::optional(by_number_->Int64(0)) : std::nullopt;
  }

  absl::StatusOr<bool> CameBefore(std::string_view came_as, absl::Time first, int64_t id) override {
    sql::ScopedReset reset(earlier_.get());
    earlier_->BindText(1, came_as);
    earlier_->BindInt64(2, Nanos(first));
    earlier_->BindInt64(3, id);
    const auto row = earlier_->Step();
    if (!row.ok()) return Translate(row.status());
    return *row;
  }

  absl::StatusOr<std::vector<int64_t>> FindOrders(absl::Time start, absl::Time end, int64_t limit) override {
    std::vector<int64_t> ids;
    sql::ScopedReset reset(orders_.get());
    orders_->BindInt64(1, Nanos(start));
    orders_->BindInt64(2, Nanos(end));
    orders_->BindInt64(3, limit);
    while (true) {
      const auto row = orders_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return ids;
      ids.push_back(orders_->Int64(0));
    }
  }

  absl::StatusOr<RunningPage> ListRunning(const RunningQuery& query) override {
    sql::Statement& list = query.party.empty() ? *running_ : *running_of_;
    RunningKey from = query.after;
    // Before the first row of an instant there is no key, so one of the instant before is taken.
    if (from == RunningKey())
      from.due = Nanos(query.due_from) - (query.due_from == absl::InfinitePast() ? 0 : 1);
    if (query.after == RunningKey()) from.order_id = kForever;
    RunningPage page;
    sql::ScopedReset reset(&list);
    list.BindInt64(1, from.due);
    list.BindInt64(2, from.order_id);
    list.BindInt64(3, from.armed_by);
    list.BindInt64(4, from.kind);
    list.BindInt64(5, Nanos(query.due_before));
    // One more tells that there are more.
    const int64_t most = int64_t{query.scan_limit} * 2;
    list.BindInt64(6, most + 1);
    list.BindText(7, from.party);
    if (!query.party.empty()) list.BindText(8, query.party);
    RunningKey last;    // looked at
    RunningKey shown;   // in the page
    bool known = true;  // `last` may be
    for (int64_t scanned = 0;; ++scanned) {
      const auto row = list.Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return page;
      if (scanned >= most || (scanned >= query.scan_limit && known)) {
        page.next = last;
        return page;
      }
      last = {.due = list.Int64(6),
              .order_id = list.Int64(0),
              .armed_by = list.Int64(1),
              .kind = list.Int64(2),
              .party = std::string(list.Text(3))};
      RunningRow deadline{.order_id = list.Int64(0),
                          .armed_by = list.Int64(1),
                          .kind = static_cast<int>(list.Int64(2)),
                          .party = std::string(list.Text(3)),
                          .urgency = static_cast<int>(list.Int64(4)),
                          .paused = list.Int64(5) != 0,
                          .due = TimeOf(list.Int64(6)),
                          .remind = TimeOf(list.Int64(7)),
                          .bytes = std::string(list.Blob(8)),
                          .restricted = list.Int64(9) != 0,
                          .registered_by = std::string(list.Text(10))};
      known = !query.may_know || query.may_know(deadline);
      if (!known || (query.urgency != 0 && deadline.urgency != query.urgency) ||
          (query.kind != 0 && deadline.kind != query.kind)) {
        continue;
      }
      if (static_cast<int>(page.rows.size()) == query.limit) {
        page.next = shown;
        return page;
      }
      shown = last;
      page.rows.push_back(std::move(deadline));
    }
  }

  absl::StatusOr<std::vector<LampRow>> CountLamps(const RunningQuery& filter, absl::Time now) override {
    sql::Statement& count = filter.party.empty() ? *lamps_ : *lamps_of_;
    std::vector<LampRow> lamps;
    sql::ScopedReset reset(&count);
    count.BindInt64(1, Nanos(now));
    count.BindInt64(2, filter.urgency);
    count.BindInt64(3, filter.kind);
    if (!filter.party.empty()) count.BindText(4, filter.party);
    while (true) {
      const auto row = count.Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return lamps;
      lamps.push_back({.party = std::string(count.Text(0)),
                       .green = count.Int64(1),
                       .yellow = count.Int64(2),
                       .red = count.Int64(3),
                       .paused = count.Int64(4)});
    }
  }

  absl::StatusOr<std::vector<DeadlineCount>> CountDeadlines(absl::Time now) override {
    std::vector<DeadlineCount> counts;
    sql::ScopedReset reset(deadlines_.get());
    deadlines_->BindInt64(1, Nanos(now));
    while (true) {
      const auto row = deadlines_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return counts;
      counts.push_back({.party = std::string(deadlines_->Text(0)),
                        .kind = static_cast<int>(deadlines_->Int64(1)),
                        .green = deadlines_->Int64(2),
                        .yellow = deadlines_->Int64(3),
                        .red = deadlines_->Int64(4),
                        .paused = deadlines_->Int64(5)});
    }
  }

  absl::StatusOr<std::vector<DocketRow>> ListDocket(const DocketQuery& query) override {
    std::vector<DocketRow> rows;
    sql::ScopedReset reset(docket_.get());
    docket_->BindInt64(1, query.before_sequence == 0 ? kForever : query.before_sequence);
    docket_->BindInt64(2, query.state);
    docket_->BindInt64(3, Nanos(query.opened_from));
    docket_->BindInt64(4, Nanos(query.opened_before));
    docket_->BindInt64(5, query.limit);
    while (true) {
      const auto row = docket_->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return rows;
      rows.push_back(ReadDocketRow(*docket_));
    }
  }

  absl::StatusOr<std::optional<DocketRow>> FindDocket(int64_t sequence) override {
    sql::ScopedReset reset(docket_item_.get());
    docket_item_->BindInt64(1, sequence);
    const auto row = docket_item_->Step();
    if (!row.ok()) return Translate(row.status());
    return *row ? std::optional(ReadDocketRow(*docket_item_)) : std::nullopt;
  }

  absl::StatusOr<int64_t> ReadCursor() override {
    sql::ScopedReset reset(cursor_.get());
    const auto row = cursor_->Step();
    if (!row.ok()) return Translate(row.status());
    return *row ? cursor_->Int64(0) : 0;
  }

  absl::StatusOr<std::string> ReadDigest() override {
    sql::ScopedReset reset(mark_.get());
    const auto row = mark_->Step();
    if (!row.ok()) return Translate(row.status());
    return *row ? std::string(mark_->Blob(0)) : std::string();
  }

 private:
  // Statements go before their connection.
  std::unique_ptr<sql::Connection> owned_;
  std::unique_ptr<sql::Statement> entries_, by_number_, earlier_, orders_, running_, running_of_, lamps_,
      lamps_of_, deadlines_, docket_, docket_item_, cursor_, mark_;
};

class SqlStore final : public Store {
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
    if (absl::Status status = reader_.Init(writer_.get(), nullptr); !status.ok()) return status;
    Preparer prepare(writer_.get());
    prepare("INSERT INTO entry (order_id, sequence, bytes) VALUES (?1, ?2, ?3)", &add_entry_);
    prepare("UPDATE entry SET bytes = ?3 WHERE order_id = ?1 AND sequence = ?2", &rewrite_entry_);
    prepare(
        "INSERT INTO tracked (id, number, first_at, last_at, came_as) VALUES (?1, ?2, ?3, ?4, ?5) ON "
        "CONFLICT (id) DO UPDATE SET number = excluded.number, first_at = excluded.first_at, last_at = "
        "excluded.last_at, came_as = excluded.came_as",
        &put_order_);
    prepare("DELETE FROM running WHERE order_id = ?1", &drop_running_);
    prepare("INSERT INTO running (" RUNNING_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            &add_running_);
    prepare(
        "INSERT INTO docket (sequence, order_id, state, opened_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT "
        "(sequence) DO "
        "UPDATE SET state = excluded.state",
        &put_docket_);
    prepare(
        "INSERT INTO progress (id, log_cursor) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET log_cursor = "
        "excluded.log_cursor",
        &put_cursor_);
    prepare(
        "INSERT INTO log_mark (id, sequence, digest) VALUES (1, ?1, ?2) ON CONFLICT (id) DO UPDATE SET "
        "sequence = "
        "excluded.sequence, digest = excluded.digest",
        &put_mark_);
    return prepare.status();
  }

  absl::StatusOr<std::unique_ptr<Reader>> NewReader() override {
    auto connection = database_->OpenReader();
    if (!connection.ok()) return Translate(connection.status());
    auto reader = std::make_unique<SqlReader>();
    sql::Connection* const raw = connection->get();
    if (absl::Status status = reader->Init(raw, *std::move(connection)); !status.ok())
      return Translate(status);
    return reader;
  }
  Reader& reader() override { return reader_; }

  absl::Status Begin() override { return Translate(writer_->Begin()); }
  absl::Status Commit() override { return Translate(writer_->Commit()); }
  void Rollback() override { writer_->Rollback(); }

  absl::Status AddEntry(int64_t order_id, int64_t sequence, std::string_view bytes) override {
    add_entry_->BindInt64(1, order_id);
    add_entry_->BindInt64(2, sequence);
    add_entry_->BindBlob(3, bytes);
    return Translate(add_entry_->Run());
  }
  absl::Status RewriteEntry(int64_t order_id, int64_t sequence, std::string_view bytes) override {
    rewrite_entry_->BindInt64(1, order_id);
    rewrite_entry_->BindInt64(2, sequence);
    rewrite_entry_->BindBlob(3, bytes);
    database_->EmptyLog();
    return Translate(rewrite_entry_->Run());
  }

  absl::Status PutOrder(const TrackedRow& order) override {
    put_order_->BindInt64(1, order.id);
    put_order_->BindText(2, order.number);
    put_order_->BindInt64(3, Nanos(order.first));
    put_order_->BindInt64(4, Nanos(order.last));
    put_order_->BindText(5, order.came_as);
    return Translate(put_order_->Run());
  }

  absl::Status PutRunning(int64_t order_id, const std::vector<RunningRow>& rows) override {
    drop_running_->BindInt64(1, order_id);
    if (absl::Status status = drop_running_->Run(); !status.ok()) return Translate(status);
    for (const RunningRow& row : rows) {
      add_running_->BindInt64(1, row.order_id);
      add_running_->BindInt64(2, row.armed_by);
      add_running_->BindInt64(3, row.kind);
      add_running_->BindText(4, row.party);
      add_running_->BindInt64(5, row.urgency);
      add_running_->BindInt64(6, row.paused);
      add_running_->BindInt64(7, Nanos(row.due));
      add_running_->BindInt64(8, Nanos(row.remind));
      add_running_->BindBlob(9, row.bytes);
      add_running_->BindInt64(10, row.restricted);
      add_running_->BindText(11, row.registered_by);
      if (absl::Status status = add_running_->Run(); !status.ok()) return Translate(status);
    }
    return absl::OkStatus();
  }

  absl::Status PutDocket(const DocketRow& row) override {
    put_docket_->BindInt64(1, row.sequence);
    put_docket_->BindInt64(2, row.order_id);
    put_docket_->BindInt64(3, row.state);
    put_docket_->BindInt64(4, Nanos(row.opened));
    return Translate(put_docket_->Run());
  }

  absl::Status PutCursor(int64_t cursor, std::string_view digest) override {
    put_cursor_->BindInt64(1, cursor);
    if (absl::Status status = put_cursor_->Run(); !status.ok()) return Translate(status);
    put_mark_->BindInt64(1, cursor);
    put_mark_->BindBlob(2, digest);
    return Translate(put_mark_->Run());
  }

  absl::Status Checkpoint() override { return Translate(database_->Checkpoint()); }
  sql::Stats stats() const override { return database_->stats(); }

 private:
  // In the order of their making: statements go before connections, and those before the database.
  const std::unique_ptr<sql::Database> database_;
  std::unique_ptr<sql::Connection> writer_;
  SqlReader reader_;
  std::unique_ptr<sql::Statement> add_entry_, rewrite_entry_, put_order_, drop_running_, add_running_,
      put_docket_, put_cursor_, put_mark_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(std::unique_ptr<sql::Database> database,
                                                   std::string_view hotline) {
  auto store = std::make_unique<SqlStore>(std::move(database));
  if (absl::Status status = store->Init(hotline); !status.ok()) return status;
  return store;
}

}  // namespace hotline::escalation::report
