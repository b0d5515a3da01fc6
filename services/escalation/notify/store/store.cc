#include "services/escalation/notify/store/store.h"

#include <limits>
#include <utility>

#include "common/base/text.h"
#include "common/error/error.h"
#include "common/sql/schema.h"

namespace hotline::escalation::notify {
namespace {

constexpr sql::StoreMark kMark = {.file = "notify.db",
                                  .name = "the notification store",
                                  .version = sql::kNotifySchema,
                                  .counter = "planned"};

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS site (
  id {int} PRIMARY KEY,
  schema_version {int} NOT NULL,
  hotline TEXT NOT NULL,
  planned {int} NOT NULL,
  history {int} NOT NULL DEFAULT 0
) {rows};
CREATE TABLE IF NOT EXISTS told (
  order_id {int} NOT NULL,
  armed_by {int} NOT NULL,
  clock {int} NOT NULL,
  rung {int} NOT NULL,
  assist_unit TEXT NOT NULL,
  sequence {int} NOT NULL,
  number TEXT NOT NULL,
  unit TEXT NOT NULL,
  urgency {int} NOT NULL,
  due_at {int} NOT NULL,
  stage {int} NOT NULL,
  round {int} NOT NULL,
  next_at {int},
  round_at {int} NOT NULL,
  report {blob} NOT NULL,
  acknowledged_until {int} NOT NULL,
  PRIMARY KEY (order_id, armed_by, clock, rung, assist_unit)
) {keyed};
CREATE INDEX IF NOT EXISTS told_by_time ON told (stage, urgency, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS told_by_group ON told (unit, rung, urgency, next_at) WHERE stage = 1;
CREATE INDEX IF NOT EXISTS told_by_end ON told (due_at) WHERE stage = 5;
CREATE TABLE IF NOT EXISTS notice (
  number {int} PRIMARY KEY,
  id TEXT NOT NULL,
  order_id {int} NOT NULL,
  armed_by {int} NOT NULL,
  clock {int} NOT NULL,
  rung {int} NOT NULL,
  assist_unit TEXT NOT NULL,
  order_number TEXT NOT NULL,
  due_at {int} NOT NULL,
  round {int} NOT NULL,
  unit TEXT NOT NULL,
  person TEXT NOT NULL,
  role TEXT NOT NULL,
  capacity TEXT NOT NULL,
  channel TEXT NOT NULL,
  delivery {int} NOT NULL,
  send_at {int} NOT NULL
) {rows};
CREATE INDEX IF NOT EXISTS notice_by_rung ON notice (order_id, armed_by, clock, rung, assist_unit, round);
CREATE INDEX IF NOT EXISTS notice_by_delivery ON notice (delivery);
CREATE INDEX IF NOT EXISTS notice_by_unit ON notice (unit, number);
CREATE INDEX IF NOT EXISTS notice_by_person ON notice (person, number);
CREATE TABLE IF NOT EXISTS delivery (
  number {int} PRIMARY KEY,
  id TEXT NOT NULL,
  sequence {int} NOT NULL,
  webhook TEXT NOT NULL,
  urgency {int} NOT NULL,
  body {blob} NOT NULL,
  state {int} NOT NULL,
  attempts {int} NOT NULL,
  next_at {int},
  last_at {int} NOT NULL,
  last_status {int} NOT NULL,
  last_error TEXT NOT NULL,
  reach_at {int} NOT NULL,
  acknowledged_by TEXT NOT NULL
) {rows};
CREATE UNIQUE INDEX IF NOT EXISTS delivery_by_id ON delivery (id);
CREATE INDEX IF NOT EXISTS delivery_by_sequence ON delivery (sequence) WHERE sequence > 0;
CREATE INDEX IF NOT EXISTS delivery_by_time ON delivery (webhook, urgency, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS delivery_by_state ON delivery (state, webhook, number);
CREATE INDEX IF NOT EXISTS delivery_by_webhook ON delivery (webhook, number);
CREATE TABLE IF NOT EXISTS acknowledgement (
  order_id {int} NOT NULL,
  sequence {int} NOT NULL,
  armed_by {int} NOT NULL,
  clock {int} NOT NULL,
  rung {int} NOT NULL,
  assist_unit TEXT NOT NULL,
  until_at {int} NOT NULL,
  PRIMARY KEY (order_id, sequence)
) {keyed};
)sql";

// Version 1 knew no assisting units: its tables stand aside, with their indexes gone, while those of this
// version are made, and then give their rows.
constexpr const char* kFrom1[] = {
    "DROP INDEX told_by_time",           "DROP INDEX told_by_group",
    "DROP INDEX notice_by_rung",         "DROP INDEX notice_by_delivery",
    "DROP INDEX notice_by_unit",         "DROP INDEX notice_by_person",
    "ALTER TABLE told RENAME TO told_1", "ALTER TABLE notice RENAME TO notice_1",
};
constexpr const char* kTo2[] = {
    "INSERT INTO told (order_id, armed_by, clock, rung, assist_unit, sequence, number, unit, urgency, due_at,"
    " stage, round, next_at, round_at, report, acknowledged_until) SELECT order_id, armed_by, clock, rung, "
    "'',"
    " sequence, number, unit, urgency, due_at, stage, round, next_at, round_at, report, acknowledged_until"
    " FROM told_1",
    "INSERT INTO notice (number, id, order_id, armed_by, clock, rung, assist_unit, order_number, due_at, "
    "round,"
    " unit, person, role, capacity, channel, delivery, send_at) SELECT number, id, order_id, armed_by, clock,"
    " rung, '', order_number, due_at, round, unit, person, role, capacity, channel, delivery, send_at"
    " FROM notice_1",
    "DROP TABLE told_1",
    "DROP TABLE notice_1",
};
// Version 2 had its messages wait in one line, the urgent behind the others: how urgent each is stood in its
// body alone.
constexpr const char* kFrom2[] = {
    "DROP INDEX delivery_by_time",
    "ALTER TABLE delivery ADD COLUMN urgency {int} NOT NULL DEFAULT 0",
};
// Version 3 forgot at a start which rungs are history: of a first look that was cut off, what is left is not
// taken for it.
constexpr const char* kFrom3[] = {
    "ALTER TABLE site ADD COLUMN history {int} NOT NULL DEFAULT 0",
    "UPDATE site SET schema_version = 4 WHERE id = 1",
};

#define TOLD_COLUMNS                                                                                  \
  "order_id, armed_by, clock, rung, sequence, number, unit, urgency, due_at, stage, round, next_at, " \
  "round_at, "                                                                                        \
  "report, acknowledged_until, assist_unit"
#define NOTICE_COLUMNS                                                                                   \
  "n.number, n.id, n.order_id, n.armed_by, n.clock, n.rung, n.order_number, n.due_at, n.round, n.unit, " \
  "n.person, "                                                                                           \
  "n.role, n.capacity, n.channel, n.delivery, n.send_at, d.state, d.id, n.assist_unit"
#define NOTICE_TABLES " FROM notice n LEFT JOIN delivery d ON d.number = n.delivery "
#define DELIVERY_COLUMNS                                                                           \
  "number, sequence, body, state, attempts, next_at, last_at, last_status, last_error, reach_at, " \
  "acknowledged_by"

absl::Status Translate(const absl::Status& status) {
  if (status.ok()) return status;
  if (absl::IsResourceExhausted(status)) return error::DiskFull();
  return error::StoreFailed(StrCat("notifications: ", status.message()));
}

void BindTime(sql::Statement& statement, int parameter, absl::Time time) {
  if (time == absl::InfiniteFuture()) {
    statement.BindNull(parameter);
  } else {
    statement.BindInt64(parameter, absl::ToUnixNanos(time));
  }
}

absl::Time ReadTime(const sql::Statement& row, int column) {
  return row.IsNull(column) ? absl::InfiniteFuture() : absl::FromUnixNanos(row.Int64(column));
}

RungRef ReadRef(const sql::Statement& row, int column, int assist_column) {
  return {.order_id = row.Int64(column),
          .armed_by = row.Int64(column + 1),
          .clock = static_cast<type::v1::ClockKind>(row.Int64(column + 2)),
          .rung = static_cast<type::v1::Rung>(row.Int64(column + 3)),
          .assist_unit = std::string(row.Text(assist_column))};
}

// The first four parameters, and `assist_parameter`.
void BindRef(sql::Statement& statement, const RungRef& ref, int assist_parameter) {
  statement.BindText(assist_parameter, ref.assist_unit);
  statement.BindInt64(1, ref.order_id);
  statement.BindInt64(2, ref.armed_by);
  statement.BindInt64(3, ref.clock);
  statement.BindInt64(4, ref.rung);
}

Told ReadTold(const sql::Statement& row) {
  Told told;
  told.ref = ReadRef(row, 0, 15);
  told.sequence = row.Int64(4);
  told.number = std::string(row.Text(5));
  told.unit = std::string(row.Text(6));
  told.urgency = static_cast<type::v1::Urgency>(row.Int64(7));
  told.due = ReadTime(row, 8);
  told.stage = static_cast<Stage>(row.Int64(9));
  told.round = static_cast<int>(row.Int64(10));
  told.at = ReadTime(row, 11);
  told.round_at = ReadTime(row, 12);
  told.report = std::string(row.Blob(13));
  told.acknowledged_until = ReadTime(row, 14);
  return told;
}

NoticeRow ReadNotice(const sql::Statement& row) {
  NoticeRow notice;
  notice.number = row.Int64(0);
  notice.id = std::string(row.Text(1));
  notice.ref = ReadRef(row, 2, 18);
  notice.order_number = std::string(row.Text(6));
  notice.due = ReadTime(row, 7);
  notice.round = static_cast<int>(row.Int64(8));
  notice.unit = std::string(row.Text(9));
  notice.person = std::string(row.Text(10));
  notice.role = std::string(row.Text(11));
  notice.capacity = std::string(row.Text(12));
  notice.channel = std::string(row.Text(13));
  notice.delivery = row.Int64(14);
  notice.send_at = ReadTime(row, 15);
  notice.state = static_cast<v1::DeliveryState>(row.Int64(16));
  notice.notification_id = std::string(row.Text(17));
  return notice;
}

DeliveryRow ReadDelivery(const sql::Statement& row) {
  DeliveryRow delivery;
  delivery.number = row.Int64(0);
  delivery.sequence = row.Int64(1);
  const std::string_view body = row.Blob(2);
  delivery.notification.ParseFromArray(body.data(), static_cast<int>(body.size()));
  delivery.state = static_cast<v1::DeliveryState>(row.Int64(3));
  delivery.attempts = static_cast<int>(row.Int64(4));
  delivery.next_at = ReadTime(row, 5);
  delivery.last_at = ReadTime(row, 6);
  delivery.last_status = static_cast<int>(row.Int64(7));
  delivery.last_error = std::string(row.Text(8));
  delivery.reach_at = ReadTime(row, 9);
  delivery.acknowledged_by = std::string(row.Text(10));
  return delivery;
}

class SqlStore final : public Store {
 public:
  explicit SqlStore(std::unique_ptr<sql::Database> database) : database_(std::move(database)) {}

  absl::Status Init(std::string_view hotline) {
    auto writer = database_->OpenWriter();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return sql::OpenStore(writer_.get(), kMark, hotline, [&] { return Upgrade(); });
  }

  absl::Status Begin() override {
    // Who repeats what that commit was to make is not told that it was not done.
    if (absl::Status status = CheckDoubt(); !status.ok()) return status;
    return Translate(writer_->Begin());
  }
  absl::Status Commit() override {
    const absl::Status status = writer_->Commit();
    if (!status.ok() && !absl::IsResourceExhausted(status)) in_doubt_ = true;
    return error::OutcomeUnknown(Translate(status), /*has_no_id=*/true);
  }
  void Rollback() override { writer_->Rollback(); }
  absl::Status CheckDoubt() override {
    if (!in_doubt_) return absl::OkStatus();
    return error::OutcomeUnknown(
        error::StoreFailed(StrCat("notifications: a commit failed; ", error::kUntilRestart)),
        /*has_no_id=*/true);
  }

  absl::StatusOr<int64_t> ReadCursor() override { return Number("SELECT planned FROM site WHERE id = 1"); }
  absl::StatusOr<int64_t> ReadHistoryEnd() override {
    return Number("SELECT history FROM site WHERE id = 1");
  }
  absl::StatusOr<int64_t> LastNotice() override { return Number("SELECT MAX(number) FROM notice"); }
  absl::StatusOr<int64_t> LastDelivery() override { return Number("SELECT MAX(number) FROM delivery"); }
  absl::StatusOr<int64_t> LastSequence() override {
    return Number("SELECT MAX(sequence) FROM delivery WHERE sequence > 0");
  }

  absl::Status PutCursor(int64_t cursor) override {
    return Write("UPDATE site SET planned = ?1 WHERE id = 1",
                 [&](sql::Statement& put) { put.BindInt64(1, cursor); });
  }
  absl::Status PutHistory(int64_t end) override {
    return Write("UPDATE site SET history = ?1 WHERE id = 1",
                 [&](sql::Statement& put) { put.BindInt64(1, end); });
  }

  absl::StatusOr<bool> AddTold(const Told& told) override {
    auto known = FindTold(told.ref);
    if (!known.ok()) return known.status();
    if (known->has_value()) return false;
    const absl::Status status =
        Write("INSERT INTO told (" TOLD_COLUMNS
              ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
              [&](sql::Statement& put) {
                BindRef(put, told.ref, 16);
                put.BindInt64(5, told.sequence);
                put.BindText(6, told.number);
                put.BindText(7, told.unit);
                put.BindInt64(8, told.urgency);
                put.BindInt64(9, absl::ToUnixNanos(told.due));
                put.BindInt64(10, static_cast<int64_t>(told.stage));
                put.BindInt64(11, told.round);
                BindTime(put, 12, told.at);
                put.BindInt64(13, absl::ToUnixNanos(told.round_at));
                put.BindBlob(14, told.report);
                put.BindInt64(15, absl::ToUnixNanos(told.acknowledged_until));
              });
    if (!status.ok()) return status;
    return true;
  }

  absl::Status UpdateTold(const Told& told) override {
    return Write(
        "UPDATE told SET stage = ?5, round = ?6, next_at = ?7, round_at = ?8, report = ?9,"
        " acknowledged_until = ?10, unit = ?12"
        " WHERE order_id = ?1 AND armed_by = ?2 AND clock = ?3 AND rung = ?4 AND assist_unit = ?11",
        [&](sql::Statement& put) {
          BindRef(put, told.ref, 11);
          put.BindInt64(5, static_cast<int64_t>(told.stage));
          put.BindInt64(6, told.round);
          BindTime(put, 7, told.at);
          put.BindInt64(8, absl::ToUnixNanos(told.round_at));
          put.BindBlob(9, told.report);
          put.BindInt64(10, absl::ToUnixNanos(told.acknowledged_until));
          put.BindText(12, told.unit);
        });
  }

  absl::Status AddNotice(const NoticeRow& notice) override {
    return Write(
        "INSERT INTO notice (order_id, armed_by, clock, rung, number, id, order_number, due_at, round, unit, "
        "person, role,"
        " capacity, channel, delivery, send_at, assist_unit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        [&](sql::Statement& put) {
          BindRef(put, notice.ref, 17);
          put.BindInt64(5, notice.number);
          put.BindText(6, notice.id);
          put.BindText(7, notice.order_number);
          put.BindInt64(8, absl::ToUnixNanos(notice.due));
          put.BindInt64(9, notice.round);
          put.BindText(10, notice.unit);
          put.BindText(11, notice.person);
          put.BindText(12, notice.role);
          put.BindText(13, notice.capacity);
          put.BindText(14, notice.channel);
          put.BindInt64(15, notice.delivery);
          put.BindInt64(16, absl::ToUnixNanos(notice.send_at));
        });
  }

  absl::Status AddDelivery(const DeliveryRow& delivery) override {
    const std::string body = delivery.notification.SerializeAsString();
    return Write(
        "INSERT INTO delivery (number, state, attempts, next_at, last_at, last_status, last_error, reach_at,"
        " acknowledged_by, id, sequence, webhook, body, urgency) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14)",
        [&](sql::Statement& put) {
          BindState(put, delivery);
          put.BindText(10, delivery.notification.id());
          put.BindInt64(11, delivery.sequence);
          put.BindText(12, delivery.notification.webhook());
          put.BindBlob(13, body);
          put.BindInt64(14, delivery.notification.urgency());
        });
  }

  absl::Status UpdateDelivery(const DeliveryRow& delivery) override {
    return Write(
        "UPDATE delivery SET state = ?2, attempts = ?3, next_at = ?4, last_at = ?5, last_status = ?6, "
        "last_error = ?7,"
        " reach_at = ?8, acknowledged_by = ?9 WHERE number = ?1",
        [&](sql::Statement& put) { BindState(put, delivery); });
  }

  absl::Status UpdateMessage(const DeliveryRow& delivery) override {
    const std::string body = delivery.notification.SerializeAsString();
    return Write("UPDATE delivery SET body = ?2 WHERE number = ?1", [&](sql::Statement& put) {
      put.BindInt64(1, delivery.number);
      put.BindBlob(2, body);
    });
  }

  absl::Status TakeOut(int64_t notice) override {
    return Write("UPDATE notice SET delivery = 0 WHERE number = ?1",
                 [&](sql::Statement& put) { put.BindInt64(1, notice); });
  }

  absl::Status AddAcknowledgement(const Acknowledgement& acknowledgement) override {
    return Write(
        "INSERT INTO acknowledgement (order_id, armed_by, clock, rung, assist_unit, sequence, until_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (order_id, sequence) DO NOTHING",
        [&](sql::Statement& put) {
          BindRef(put, acknowledgement.ref, 5);
          put.BindInt64(6, acknowledgement.sequence);
          put.BindInt64(7, absl::ToUnixNanos(acknowledgement.until));
        });
  }

  absl::Status DropAcknowledgements(absl::Time until) override {
    return Write("DELETE FROM acknowledgement WHERE until_at <= ?1",
                 [&](sql::Statement& put) { put.BindInt64(1, absl::ToUnixNanos(until)); });
  }

  absl::StatusOr<std::vector<Told>> Due(Stage stage, absl::Time now, int limit) override {
    // By urgency first, each by the index.
    std::vector<Told> due;
    for (int urgency = type::v1::Urgency_MAX; urgency >= 0 && static_cast<int>(due.size()) < limit;
         --urgency) {
      const absl::Status status = Read(
          "SELECT " TOLD_COLUMNS
          " FROM told WHERE stage = ?1 AND urgency = ?2 AND next_at IS NOT NULL AND next_at <= ?3"
          " ORDER BY next_at LIMIT ?4",
          [&](sql::Statement& select) {
            select.BindInt64(1, static_cast<int64_t>(stage));
            select.BindInt64(2, urgency);
            select.BindInt64(3, absl::ToUnixNanos(now));
            select.BindInt64(4, limit - static_cast<int>(due.size()));
          },
          [&](const sql::Statement& row) { due.push_back(ReadTold(row)); });
      if (!status.ok()) return status;
    }
    return due;
  }

  absl::StatusOr<std::vector<Told>> Group(const Told& like, absl::Time until, int limit) override {
    return ReadAll<Told>(
        "SELECT " TOLD_COLUMNS
        " FROM told WHERE stage = 1 AND unit = ?1 AND rung = ?2 AND urgency = ?3 AND next_at <= ?4"
        " ORDER BY next_at LIMIT ?5",
        [&](sql::Statement& select) {
          select.BindText(1, like.unit);
          select.BindInt64(2, like.ref.rung);
          select.BindInt64(3, like.urgency);
          select.BindInt64(4, absl::ToUnixNanos(until));
          select.BindInt64(5, limit);
        },
        ReadTold);
  }

  absl::StatusOr<absl::Time> NextDue(absl::Time now, const std::vector<std::string>& webhooks) override {
    absl::Time next = absl::InfiniteFuture();
    const auto consider = [&](const sql::Statement& row) { next = std::min(next, ReadTime(row, 0)); };
    for (const Stage stage : {Stage::kWaiting, Stage::kTold, Stage::kReporting, Stage::kResting}) {
      for (int urgency = 0; urgency <= type::v1::Urgency_MAX; ++urgency) {
        const absl::Status status = Read(
            "SELECT MIN(next_at) FROM told WHERE stage = ?1 AND urgency = ?2 AND next_at IS NOT NULL AND "
            "next_at > ?3",
            [&](sql::Statement& select) {
              select.BindInt64(1, static_cast<int64_t>(stage));
              select.BindInt64(2, urgency);
              select.BindInt64(3, absl::ToUnixNanos(now));
            },
            consider);
        if (!status.ok()) return status;
      }
    }
    for (const std::string& webhook : webhooks) {
      for (int urgency = 0; urgency <= type::v1::Urgency_MAX; ++urgency) {
        const absl::Status status = Read(
            "SELECT MIN(next_at) FROM delivery WHERE webhook = ?1 AND urgency = ?2 AND next_at IS NOT NULL "
            "AND next_at > ?3",
            [&](sql::Statement& select) {
              select.BindText(1, webhook);
              select.BindInt64(2, urgency);
              select.BindInt64(3, absl::ToUnixNanos(now));
            },
            consider);
        if (!status.ok()) return status;
      }
    }
    return next;
  }

  absl::StatusOr<std::optional<Told>> FindTold(const RungRef& ref) override {
    std::optional<Told> found;
    const absl::Status status = Read(
        "SELECT " TOLD_COLUMNS
        " FROM told WHERE order_id = ?1 AND armed_by = ?2 AND clock = ?3 AND rung = ?4 AND assist_unit = ?5",
        [&](sql::Statement& select) { BindRef(select, ref, 5); },
        [&](const sql::Statement& row) { found = ReadTold(row); });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<std::vector<Told>> ToldOf(int64_t order_id) override {
    return ReadAll<Told>(
        "SELECT " TOLD_COLUMNS " FROM told WHERE order_id = ?1",
        [&](sql::Statement& select) { select.BindInt64(1, order_id); }, ReadTold);
  }

  absl::StatusOr<std::vector<Acknowledgement>> AcknowledgementsOf(int64_t order_id) override {
    return ReadAll<Acknowledgement>(
        "SELECT order_id, armed_by, clock, rung, assist_unit, sequence, until_at FROM acknowledgement"
        " WHERE order_id = ?1",
        [&](sql::Statement& select) { select.BindInt64(1, order_id); },
        [](const sql::Statement& row) {
          return Acknowledgement{
              .ref = ReadRef(row, 0, 4), .sequence = row.Int64(5), .until = ReadTime(row, 6)};
        });
  }

  absl::StatusOr<std::vector<NoticeRow>> NoticesOf(const RungRef& ref, int round) override {
    return ReadAll<NoticeRow>(
        "SELECT " NOTICE_COLUMNS NOTICE_TABLES
        "WHERE n.order_id = ?1 AND n.armed_by = ?2 AND n.clock = ?3 AND n.rung = ?4 AND n.round = ?5"
        " AND n.assist_unit = ?6 ORDER BY n.number",
        [&](sql::Statement& select) {
          BindRef(select, ref, 6);
          select.BindInt64(5, round);
        },
        ReadNotice);
  }

  absl::StatusOr<std::vector<NoticeRow>> NoticesIn(int64_t delivery) override {
    return ReadAll<NoticeRow>(
        "SELECT " NOTICE_COLUMNS NOTICE_TABLES "WHERE n.delivery = ?1 ORDER BY n.number",
        [&](sql::Statement& select) { select.BindInt64(1, delivery); }, ReadNotice);
  }

  absl::StatusOr<std::vector<NoticeRow>> ListNotices(const NoticeQuery& query) override {
    std::string text = "SELECT " NOTICE_COLUMNS NOTICE_TABLES "WHERE n.number < ?1";
    if (query.order_id != 0) text += " AND n.order_id = ?3";
    if (!query.unit.empty()) text += " AND n.unit = ?4";
    if (!query.person.empty()) text += " AND n.person = ?5";
    text += " ORDER BY n.number DESC LIMIT ?2";
    return ReadAll<NoticeRow>(
        text,
        [&](sql::Statement& select) {
          select.BindInt64(1, Before(query.before));
          select.BindInt64(2, query.limit);
          if (query.order_id != 0) select.BindInt64(3, query.order_id);
          if (!query.unit.empty()) select.BindText(4, query.unit);
          if (!query.person.empty()) select.BindText(5, query.person);
        },
        ReadNotice);
  }

  absl::StatusOr<std::vector<DeliveryRow>> DueDeliveries(std::string_view webhook, absl::Time now,
                                                         int limit) override {
    // As Due.
    std::vector<DeliveryRow> due;
    for (int urgency = type::v1::Urgency_MAX; urgency >= 0 && static_cast<int>(due.size()) < limit;
         --urgency) {
      const absl::Status status = Read(
          "SELECT " DELIVERY_COLUMNS
          " FROM delivery WHERE webhook = ?1 AND urgency = ?2 AND next_at IS NOT NULL AND next_at <= ?3"
          " ORDER BY next_at, number LIMIT ?4",
          [&](sql::Statement& select) {
            select.BindText(1, webhook);
            select.BindInt64(2, urgency);
            select.BindInt64(3, absl::ToUnixNanos(now));
            select.BindInt64(4, limit - static_cast<int>(due.size()));
          },
          [&](const sql::Statement& row) { due.push_back(ReadDelivery(row)); });
      if (!status.ok()) return status;
    }
    return due;
  }

  absl::StatusOr<std::optional<DeliveryRow>> FindDelivery(std::string_view id) override {
    return FindOne("SELECT " DELIVERY_COLUMNS " FROM delivery WHERE id = ?1",
                   [&](sql::Statement& select) { select.BindText(1, id); });
  }
  absl::StatusOr<std::optional<DeliveryRow>> FindDeliveryByNumber(int64_t number) override {
    return FindOne("SELECT " DELIVERY_COLUMNS " FROM delivery WHERE number = ?1",
                   [&](sql::Statement& select) { select.BindInt64(1, number); });
  }

  absl::StatusOr<std::vector<DeliveryRow>> ListDeliveries(const DeliveryQuery& query) override {
    std::string text = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE number < ?1";
    if (query.webhook.has_value()) text += " AND webhook = ?3";
    if (query.state != v1::DELIVERY_STATE_UNSPECIFIED) text += " AND state = ?4";
    text += " ORDER BY number DESC LIMIT ?2";
    return ReadAll<DeliveryRow>(
        text,
        [&](sql::Statement& select) {
          select.BindInt64(1, Before(query.before));
          select.BindInt64(2, query.limit);
          if (query.webhook.has_value()) select.BindText(3, *query.webhook);
          if (query.state != v1::DELIVERY_STATE_UNSPECIFIED) select.BindInt64(4, query.state);
        },
        ReadDelivery);
  }

  absl::StatusOr<std::vector<DeliveryRow>> ReadStream(int64_t start, int limit) override {
    return ReadAll<DeliveryRow>(
        "SELECT " DELIVERY_COLUMNS
        " FROM delivery WHERE sequence > 0 AND sequence >= ?1 ORDER BY sequence LIMIT ?2",
        [&](sql::Statement& select) {
          select.BindInt64(1, start);
          select.BindInt64(2, limit);
        },
        ReadDelivery);
  }

  absl::StatusOr<Counts> Count() override {
    Counts counts;
    absl::Status status = Read(
        "SELECT stage, COUNT(*) FROM told WHERE stage IN (1, 3) AND next_at IS NOT NULL GROUP BY stage",
        [](sql::Statement&) {},
        [&](const sql::Statement& row) {
          (row.Int64(0) == 1 ? counts.waiting_rungs : counts.reporting_rungs) = row.Int64(1);
        });
    if (!status.ok()) return status;
    status = Read(
        "SELECT state, webhook, COUNT(*), MIN(number) FROM delivery WHERE state IN (1, 5) GROUP BY state, "
        "webhook",
        [](sql::Statement&) {},
        [&](const sql::Statement& row) {
          Counts::Channel& channel = counts.channels[std::string(row.Text(1))];
          (row.Int64(0) == 1 ? channel.queued : channel.dead) = row.Int64(2);
          if (row.Int64(0) == 1) oldest_[std::string(row.Text(1))] = row.Int64(3);
        });
    if (!status.ok()) return status;
    for (auto& [webhook, channel] : counts.channels) {
      if (channel.queued == 0) continue;
      auto oldest = FindDeliveryByNumber(oldest_[webhook]);
      if (!oldest.ok()) return oldest.status();
      if (oldest->has_value()) {
        const google::protobuf::Timestamp& time = (*oldest)->notification.create_time();
        channel.oldest = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
      }
    }
    return counts;
  }

  absl::StatusOr<std::optional<int64_t>> Prune(absl::Time before, int64_t after, int limit,
                                               Held held) override {
    struct Old {
      int64_t number;
      RungRef ref;
      int64_t delivery;
      bool over;  // it was sent long enough ago
    };
    const int64_t limit_nanos = absl::ToUnixNanos(before);
    absl::StatusOr<std::vector<Old>> seen = ReadAll<Old>(
        "SELECT number, order_id, armed_by, clock, rung, delivery, send_at < ?3, assist_unit FROM notice"
        " WHERE number > ?1 AND number < (SELECT max(number) FROM notice) ORDER BY number LIMIT ?2",
        [&](sql::Statement& select) {
          select.BindInt64(1, after);
          select.BindInt64(2, limit);
          select.BindInt64(3, limit_nanos);
        },
        [](const sql::Statement& row) {
          return Old{.number = row.Int64(0),
                     .ref = ReadRef(row, 1, 7),
                     .delivery = row.Int64(5),
                     .over = row.Int64(6) != 0};
        });
    if (!seen.ok()) return seen.status();
    for (const Old& old : *seen) {
      // They were sent in their order: what follows is younger.
      if (!old.over) return std::nullopt;
      const absl::StatusOr<bool> kept = held(old.ref.order_id);
      if (!kept.ok()) return kept.status();
      if (*kept) continue;
      // Both go with their last notice, and hold it until they are done.
      int64_t busy = 0;
      absl::Status status = Read(
          "SELECT (SELECT count(*) FROM told WHERE order_id = ?1 AND armed_by = ?2 AND clock = ?3 AND rung = "
          "?4 AND assist_unit = ?6 AND stage <> 5) + (SELECT count(*) FROM delivery WHERE number = ?5 AND "
          "next_at IS NOT NULL)",
          [&](sql::Statement& select) {
            BindRef(select, old.ref, 6);
            select.BindInt64(5, old.delivery);
          },
          [&](const sql::Statement& row) { busy = row.Int64(0); });
      if (!status.ok()) return status;
      if (busy > 0) continue;
      status = Write("DELETE FROM notice WHERE number = ?1",
                     [&](sql::Statement& put) { put.BindInt64(1, old.number); });
      if (status.ok()) {
        status = Write(
            "DELETE FROM told WHERE order_id = ?1 AND armed_by = ?2 AND clock = ?3 AND rung = ?4"
            " AND assist_unit = ?5 AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.order_id = told.order_id "
            "AND n.armed_by = told.armed_by"
            " AND n.clock = told.clock AND n.rung = told.rung AND n.assist_unit = told.assist_unit)",
            [&](sql::Statement& put) { BindRef(put, old.ref, 5); });
      }
      if (status.ok()) {
        status = Write(
            "DELETE FROM delivery WHERE number = ?1 AND number < (SELECT max(number) FROM delivery)"
            " AND (sequence = 0 OR sequence < (SELECT max(sequence) FROM delivery))"
            " AND NOT EXISTS (SELECT 1 FROM notice WHERE delivery = ?1)",
            [&](sql::Statement& put) { put.BindInt64(1, old.delivery); });
      }
      if (!status.ok()) return status;
    }
    if (static_cast<int>(seen->size()) < limit) return std::nullopt;
    return seen->back().number;
  }

  absl::StatusOr<std::optional<absl::Time>> PruneUntold(absl::Time before, absl::Time after, int limit,
                                                        Held held) override {
    struct Old {
      RungRef ref;
      absl::Time due;
    };
    absl::StatusOr<std::vector<Old>> seen = ReadAll<Old>(
        "SELECT order_id, armed_by, clock, rung, assist_unit, due_at FROM told"
        " WHERE stage = 5 AND due_at > ?1 AND due_at < ?2 AND NOT EXISTS (SELECT 1 FROM notice n"
        " WHERE n.order_id = told.order_id AND n.armed_by = told.armed_by AND n.clock = told.clock"
        " AND n.rung = told.rung AND n.assist_unit = told.assist_unit) ORDER BY due_at LIMIT ?3",
        [&](sql::Statement& select) {
          select.BindInt64(1, absl::ToUnixNanos(after));
          select.BindInt64(2, absl::ToUnixNanos(before));
          select.BindInt64(3, limit);
        },
        [](const sql::Statement& row) { return Old{.ref = ReadRef(row, 0, 4), .due = ReadTime(row, 5)}; });
    if (!seen.ok()) return seen.status();
    for (const Old& old : *seen) {
      const absl::StatusOr<bool> kept = held(old.ref.order_id);
      if (!kept.ok()) return kept.status();
      if (*kept) continue;
      const absl::Status status = Write(
          "DELETE FROM told WHERE order_id = ?1 AND armed_by = ?2 AND clock = ?3 AND rung = ?4"
          " AND assist_unit = ?5",
          [&](sql::Statement& put) { BindRef(put, old.ref, 5); });
      if (!status.ok()) return status;
    }
    if (static_cast<int>(seen->size()) < limit) return std::nullopt;
    // Others of the same deadline are found the next time.
    return seen->back().due;
  }

  absl::Status Checkpoint() override { return Translate(database_->Checkpoint()); }

 private:
  static int64_t Before(int64_t number) { return number == 0 ? std::numeric_limits<int64_t>::max() : number; }

  // As its own first nine parameters.
  static void BindState(sql::Statement& put, const DeliveryRow& delivery) {
    put.BindInt64(1, delivery.number);
    put.BindInt64(2, delivery.state);
    put.BindInt64(3, delivery.attempts);
    BindTime(put, 4, delivery.next_at);
    put.BindInt64(5, absl::ToUnixNanos(delivery.last_at));
    put.BindInt64(6, delivery.last_status);
    put.BindText(7, delivery.last_error);
    put.BindInt64(8, absl::ToUnixNanos(delivery.reach_at));
    put.BindText(9, delivery.acknowledged_by);
  }

  // Prepared once for each text.
  absl::StatusOr<sql::Statement*> Prepared(std::string_view text) {
    const auto it = statements_.find(text);
    if (it != statements_.end()) return it->second.get();
    auto prepared = writer_->Prepare(text);
    if (!prepared.ok()) return Translate(prepared.status());
    return statements_.emplace(std::string(text), *std::move(prepared)).first->second.get();
  }

  template <typename Bind>
  absl::Status Write(std::string_view text, Bind bind) {
    auto statement = Prepared(text);
    if (!statement.ok()) return statement.status();
    bind(**statement);
    return Translate((*statement)->Run());
  }

  template <typename Bind, typename Each>
  absl::Status Read(std::string_view text, Bind bind, Each each) {
    auto statement = Prepared(text);
    if (!statement.ok()) return statement.status();
    sql::ScopedReset reset(*statement);
    bind(**statement);
    while (true) {
      const auto row = (*statement)->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return absl::OkStatus();
      each(**statement);
    }
  }

  template <typename Row, typename Bind, typename Make>
  absl::StatusOr<std::vector<Row>> ReadAll(std::string_view text, Bind bind, Make make) {
    std::vector<Row> rows;
    const absl::Status status =
        Read(text, bind, [&](const sql::Statement& row) { rows.push_back(make(row)); });
    if (!status.ok()) return status;
    return rows;
  }

  template <typename Bind>
  absl::StatusOr<std::optional<DeliveryRow>> FindOne(std::string_view text, Bind bind) {
    std::optional<DeliveryRow> found;
    const absl::Status status =
        Read(text, bind, [&](const sql::Statement& row) { found = ReadDelivery(row); });
    if (!status.ok()) return status;
    return found;
  }

  absl::StatusOr<int64_t> Number(std::string_view text) {
    int64_t number = 0;
    const absl::Status status = Read(
        text, [](sql::Statement&) {}, [&](const sql::Statement& row) { number = row.Int64(0); });
    if (!status.ok()) return status;
    return number;
  }

  // The tables as this version has them. Those of an older one keep their rows: who was told of what is
  // nowhere else.
  absl::Status Upgrade() {
    const auto version = sql::SchemaOf(writer_.get());
    if (!version.ok()) return version.status();
    absl::Status status;
    const auto run = [&](const auto& texts) {
      for (const char* text : texts) {
        if (status.ok()) status = writer_->Execute(text);
      }
    };
    if (*version == 1) run(kFrom1);
    if (*version == 1 || *version == 2) run(kFrom2);
    if (status.ok()) status = writer_->Execute(kSchema);
    if (*version == 1) run(kTo2);
    if (status.ok() && (*version == 1 || *version == 2)) status = NoteUrgencies();
    if (*version >= 1 && *version <= 3) run(kFrom3);
    return status;
  }

  // Of each message, from its body.
  absl::Status NoteUrgencies() {
    std::vector<std::pair<int64_t, int64_t>> urgencies;
    absl::Status status = Read(
        "SELECT " DELIVERY_COLUMNS " FROM delivery", [](sql::Statement&) {},
        [&](const sql::Statement& row) {
          const DeliveryRow delivery = ReadDelivery(row);
          urgencies.emplace_back(delivery.number, delivery.notification.urgency());
        });
    for (const auto& one : urgencies) {
      if (!status.ok()) return status;
      status = Write("UPDATE delivery SET urgency = ?2 WHERE number = ?1", [&](sql::Statement& put) {
        put.BindInt64(1, one.first);
        put.BindInt64(2, one.second);
      });
    }
    return status;
  }

  const std::unique_ptr<sql::Database> database_;
  std::unique_ptr<sql::Connection> writer_;
  std::map<std::string, std::unique_ptr<sql::Statement>, std::less<>> statements_;
  std::map<std::string, int64_t> oldest_;
  bool in_doubt_ = false;  // a commit failed; nothing is taken after it
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(std::unique_ptr<sql::Database> database,
                                                   std::string_view hotline) {
  auto store = std::make_unique<SqlStore>(std::move(database));
  if (absl::Status status = store->Init(hotline); !status.ok()) return status;
  return store;
}

}  // namespace hotline::escalation::notify
