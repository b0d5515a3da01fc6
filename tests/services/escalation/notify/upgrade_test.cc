// A notification store that an older version wrote keeps what it holds: who was told of what is nowhere else.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "common/sql/sqlite.h"
#include "services/escalation/notify/store/store.h"
#include "tests/support/sql_scratch.h"

namespace hotline::escalation::notify {
namespace {

// Version 1, as it was released.
constexpr char kVersion1[] = R"sql(
CREATE TABLE site (id {int} PRIMARY KEY, schema_version {int} NOT NULL, hotline TEXT NOT NULL, planned {int} NOT NULL) {rows};
CREATE TABLE told (
  order_id {int} NOT NULL, armed_by {int} NOT NULL, clock {int} NOT NULL, rung {int} NOT NULL, sequence {int} NOT NULL,
  number TEXT NOT NULL, unit TEXT NOT NULL, urgency {int} NOT NULL, due_at {int} NOT NULL, stage {int} NOT NULL,
  round {int} NOT NULL, next_at {int}, round_at {int} NOT NULL, report {blob} NOT NULL, acknowledged_until {int} NOT NULL,
  PRIMARY KEY (order_id, armed_by, clock, rung)
) {keyed};
CREATE INDEX told_by_time ON told (stage, urgency, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX told_by_group ON told (unit, rung, urgency, next_at) WHERE stage = 1;
CREATE TABLE notice (
  number {int} PRIMARY KEY, id TEXT NOT NULL, order_id {int} NOT NULL, armed_by {int} NOT NULL, clock {int} NOT NULL,
  rung {int} NOT NULL, order_number TEXT NOT NULL, due_at {int} NOT NULL, round {int} NOT NULL, unit TEXT NOT NULL,
  person TEXT NOT NULL, role TEXT NOT NULL, capacity TEXT NOT NULL, channel TEXT NOT NULL, delivery {int} NOT NULL,
  send_at {int} NOT NULL
) {rows};
CREATE INDEX notice_by_rung ON notice (order_id, armed_by, clock, rung, round);
CREATE INDEX notice_by_delivery ON notice (delivery);
CREATE INDEX notice_by_unit ON notice (unit, number);
CREATE INDEX notice_by_person ON notice (person, number);
CREATE TABLE delivery (
  number {int} PRIMARY KEY, id TEXT NOT NULL, sequence {int} NOT NULL, webhook TEXT NOT NULL, body {blob} NOT NULL,
  state {int} NOT NULL, attempts {int} NOT NULL, next_at {int}, last_at {int} NOT NULL, last_status {int} NOT NULL,
  last_error TEXT NOT NULL, reach_at {int} NOT NULL, acknowledged_by TEXT NOT NULL
) {rows};
CREATE UNIQUE INDEX delivery_by_id ON delivery (id);
CREATE INDEX delivery_by_sequence ON delivery (sequence) WHERE sequence > 0;
CREATE INDEX delivery_by_time ON delivery (webhook, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_by_state ON delivery (state, webhook, number);
CREATE INDEX delivery_by_webhook ON delivery (webhook, number);
INSERT INTO site VALUES (1, 1, '12345', 77);
INSERT INTO told VALUES (5, 40, 3, 2, 41, '12345-20261201-000005', 'zhujianju', 1, 1000, 4, 2, 5000, 900, X'', 0);
INSERT INTO notice VALUES (9, 'abc', 5, 40, 3, 2, '12345-20261201-000005', 1000, 2, 'zhujianju', 'a2', 'handler', 'to', 'desktop', 0, 900);
-- Two that wait for a gateway: an ordinary one and, after it, an emergency.
INSERT INTO delivery VALUES (1, 'm1', 0, 'sms', X'5001', 1, 0, 100, 0, 0, '', 0, '');
INSERT INTO delivery VALUES (2, 'm2', 0, 'sms', X'5003', 1, 0, 200, 0, 0, '', 0, '');
)sql";

// What version 4 has beyond version 3, taken away.
constexpr char kBackTo3[] = R"sql(
ALTER TABLE site DROP COLUMN history;
UPDATE site SET schema_version = 3 WHERE id = 1;
)sql";

// The same of version 2.
constexpr char kBackTo2[] = R"sql(
ALTER TABLE site DROP COLUMN history;
DROP INDEX delivery_by_time;
ALTER TABLE delivery DROP COLUMN urgency;
CREATE INDEX delivery_by_time ON delivery (webhook, next_at) WHERE next_at IS NOT NULL;
DROP TABLE acknowledgement;
UPDATE site SET schema_version = 2 WHERE id = 1;
)sql";

void Script(const std::string& path, const char* script) {
  auto database = sql::OpenSqlite({.path = path});
  ASSERT_TRUE(database.ok()) << database.status();
  auto writer = (*database)->OpenWriter();
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Begin().ok());
  const absl::Status made = (*writer)->Execute(script);
  ASSERT_TRUE(made.ok()) << made;
  ASSERT_TRUE((*writer)->Commit().ok());
}

TEST(NotifyStoreTest, AnOlderVersionsRowsAreKept) {
  ScratchFolder scratch;
  const std::string path = scratch.path() + "/notify.db";
  ASSERT_NO_FATAL_FAILURE(Script(path, kVersion1));
  // The second time there is nothing to do any more; then versions 2 and 3 are brought forward.
  for (int time = 0; time < 4; ++time) {
    SCOPED_TRACE(time);
    if (time >= 2) {
      ASSERT_NO_FATAL_FAILURE(Script(path, time == 2 ? kBackTo2 : kBackTo3));
    }
    auto database = sql::OpenSqlite({.path = path});
    ASSERT_TRUE(database.ok()) << database.status();
    auto store = Store::Open(*std::move(database), "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->ReadCursor().value(), 77);
    EXPECT_EQ((*store)->ReadHistoryEnd().value(), 0);
    const RungRef ref{
        .order_id = 5, .armed_by = 40, .clock = type::v1::CLOCK_KIND_SIGN, .rung = type::v1::RUNG_URGE};
    const auto told = (*store)->FindTold(ref);
    ASSERT_TRUE(told.ok() && told->has_value());
    EXPECT_EQ((*told)->stage, Stage::kResting);
    EXPECT_EQ((*told)->round, 2);
    EXPECT_EQ(absl::ToUnixNanos((*told)->at), 5000);
    const auto notices = (*store)->NoticesOf(ref, 2);
    ASSERT_TRUE(notices.ok()) << notices.status();
    ASSERT_EQ(notices->size(), 1u);
    EXPECT_EQ(notices->front().person, "a2");
    EXPECT_EQ((*store)->LastNotice().value(), 9);
    // Of an assisting unit's clock there is nothing yet.
    RungRef assisting = ref;
    assisting.assist_unit = "shuiwu";
    EXPECT_FALSE((*store)->FindTold(assisting)->has_value());
    // The emergency goes first, as its body says.
    const auto next = (*store)->DueDeliveries("sms", absl::FromUnixNanos(1000), 1);
    ASSERT_TRUE(next.ok()) << next.status();
    ASSERT_EQ(next->size(), 1u);
    EXPECT_EQ(next->front().number, 2);
    EXPECT_TRUE((*store)->AcknowledgementsOf(5)->empty());
  }
}

}  // namespace
}  // namespace hotline::escalation::notify
