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
INSERT INTO site VALUES (1, 1, '12345', 77);
INSERT INTO told VALUES (5, 40, 3, 2, 41, '12345-20261201-000005', 'zhujianju', 1, 1000, 4, 2, 5000, 900, X'', 0);
INSERT INTO notice VALUES (9, 'abc', 5, 40, 3, 2, '12345-20261201-000005', 1000, 2, 'zhujianju', 'a2', 'handler', 'to', 'desktop', 0, 900);
)sql";

TEST(NotifyStoreTest, AnOlderVersionsRowsAreKept) {
  ScratchFolder scratch;
  const std::string path = scratch.path() + "/notify.db";
  {
    auto database = sql::OpenSqlite({.path = path});
    ASSERT_TRUE(database.ok()) << database.status();
    auto writer = (*database)->OpenWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Begin().ok());
    const absl::Status made = (*writer)->Execute(kVersion1);
    ASSERT_TRUE(made.ok()) << made;
    ASSERT_TRUE((*writer)->Commit().ok());
  }
  // The second time there is nothing to do any more.
  for (int time = 0; time < 2; ++time) {
    auto database = sql::OpenSqlite({.path = path});
    ASSERT_TRUE(database.ok()) << database.status();
    auto store = Store::Open(*std::move(database), "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->ReadCursor().value(), 77);
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
  }
}

}  // namespace
}  // namespace hotline::escalation::notify
