// The follower on a real store and a log in memory: every rung exactly once, whatever is killed, lost or
// moved.
#include "services/escalation/follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/contract/alarm.h"
#include "common/retention/erase.h"
#include "services/escalation/core/log_mark.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using sql::Fault;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Schedules tried by one run.
constexpr uint32_t kSeeds = 30;

constexpr int kReceipt = type::v1::CLOCK_KIND_PEER_RECEIPT;
constexpr int kFinish = type::v1::CLOCK_KIND_FINISH;
constexpr int kRemind = type::v1::RUNG_REMIND;
constexpr int kUrge = type::v1::RUNG_URGE;

std::string Key(int64_t order, int kind, int64_t armed_by, int rung) {
  return absl::StrCat(order, "/", kind, "/", armed_by, "/", rung);
}

std::string Number(int number) { return absl::StrCat(number); }

int64_t Counted(const Follower::Stats& stats, Figure figure, const std::string& first,
                const std::string& second = "") {
  const auto it = stats.census->find({.figure = figure, .first = first, .second = second});
  return it == stats.census->end() ? 0 : it->second;
}

class FollowerTest : public testing::Test {
 protected:
  World world_;
};

TEST_F(FollowerTest, TakesEachRungWhenItIsDueAndOnce) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(1799));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
  world_.Advance(absl::Seconds(1));
  EXPECT_THAT(world_.ledger.Rungs(), ElementsAre(Pair(Key(1, kFinish, 2, kRemind), 1)));
  EXPECT_EQ(FromProto(world_.ledger.log().back().commit_time()), Start() + absl::Seconds(1800));
  world_.Advance(absl::Hours(2));
  EXPECT_THAT(world_.ledger.Rungs(),
              ElementsAre(Pair(Key(1, kFinish, 2, kRemind), 1), Pair(Key(1, kFinish, 2, kUrge), 1)));
  EXPECT_EQ(world_.alive->rungs, 2);
  EXPECT_LE(world_.alive->latest, absl::Milliseconds(10));
  EXPECT_EQ(world_.ledger.commands, 2);
  const Follower::Stats stats = world_.alive->follower().stats();
  EXPECT_EQ(stats.tallies[kFinish], (Tally{.live = 1, .overdue = 1}));
  EXPECT_EQ(Counted(stats, Figure::kRungs, Number(kFinish), Number(kRemind)), 1);
  EXPECT_EQ(Counted(stats, Figure::kRungs, Number(kFinish), Number(kUrge)), 1);
  EXPECT_EQ(stats.cursor, 4);
  EXPECT_EQ(stats.head, 4);
}

TEST_F(FollowerTest, CountsOrdersByStateDirectionItemAndUnit) {
  EventMaker& make = world_.ledger.make;
  world_.Restart();
  type::v1::Event kept = make.Registered(1, world_.now());
  kept.mutable_registered()->set_origin_hotline("12345");
  kept.mutable_registered()->mutable_catalogue()->set_item("A2");
  world_.ledger.Append(kept);
  type::v1::Event given = make.Offered(2, world_.now());
  given.mutable_offered()->mutable_registered()->set_origin_hotline("12345");
  world_.ledger.Append(given);
  type::v1::Event taken = make.Registered(3, world_.now());
  taken.mutable_registered()->set_origin_hotline("110");
  world_.ledger.Append(taken);
  world_.ledger.Append(make.Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  const std::string accepted = Number(type::v1::ORDER_STATE_ACCEPTED);
  const std::string offered = Number(type::v1::ORDER_STATE_OFFERED);
  Follower::Stats stats = world_.alive->follower().stats();
  EXPECT_EQ(Counted(stats, Figure::kOrders, accepted, "own"), 1);
  EXPECT_EQ(Counted(stats, Figure::kOrders, offered, "out"), 1);
  EXPECT_EQ(Counted(stats, Figure::kOrders, Number(type::v1::ORDER_STATE_REGISTERED), "in"), 1);
  EXPECT_EQ(Counted(stats, Figure::kHandoffs, "out", "none"), 1);
  EXPECT_EQ(Counted(stats, Figure::kHandoffs, "in", "none"), 1);
  EXPECT_EQ(Counted(stats, Figure::kOpenByItem, "A2"), 1);
  EXPECT_EQ(Counted(stats, Figure::kOpenByItem, "none"), 2);
  EXPECT_EQ(Counted(stats, Figure::kOpenByUnit, "none"), 3);
  world_.Kill();
  world_.Restart();
  world_.ledger.Append(make.Closed(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  stats = world_.alive->follower().stats();
  EXPECT_EQ(Counted(stats, Figure::kOrders, accepted, "own"), 0);
  EXPECT_EQ(Counted(stats, Figure::kOrders, Number(type::v1::ORDER_STATE_CLOSED), "own"), 1);
  EXPECT_EQ(Counted(stats, Figure::kOpenByItem, "A2"), 0);
  EXPECT_EQ(Counted(stats, Figure::kOpenByItem, "none"), 2);
  EXPECT_EQ(Counted(stats, Figure::kHandoffs, "out", "none"), 1) << "handed over once";
}

// A duty that was due in a downtime and fulfilled before its end has no rung, and was missed all the same.
TEST_F(FollowerTest, CountsEachMissedDeadlineOnceWithARungOrWithout) {
  EventMaker& make = world_.ledger.make;
  const auto missed = [&](const std::string& party, int kind) {
    return Counted(world_.alive->follower().stats(), Figure::kBreaches, party, Number(kind));
  };
  world_.Restart();
  for (const int64_t id : {1, 2, 3}) world_.ledger.Append(make.Offered(id, world_.now()));
  world_.Advance(absl::Seconds(30));
  world_.ledger.Append(make.Received(3, world_.now()));  // in time
  world_.Advance(absl::Seconds(20));
  world_.Kill();
  world_.Advance(absl::Seconds(50));
  world_.ledger.Append(make.Received(1, world_.now()));
  world_.Restart();
  world_.Advance(absl::Seconds(5));
  EXPECT_THAT(world_.ledger.Rungs(), ElementsAre(Pair(Key(2, kReceipt, 2, kUrge), 1)));
  EXPECT_EQ(missed("110", kReceipt), 2);
  // What was urged is missed once, however it ends.
  world_.ledger.Append(make.Received(2, world_.now()));
  world_.Advance(absl::Seconds(5));
  EXPECT_EQ(missed("110", kReceipt), 2);
  world_.Kill();
  world_.Restart();
  world_.Advance(absl::Seconds(5));
  EXPECT_EQ(missed("110", kReceipt), 2);
  // An offer in doubt is nobody's failing.
  world_.ledger.keep_by = world_.now() + absl::Hours(1);
  const type::v1::Event offer =
      make.OfferedUntil(4, world_.now(), world_.now() + absl::Seconds(20), world_.ledger.keep_by);
  world_.ledger.Append(offer);
  world_.ledger.Append(make.Received(4, world_.now()));
  world_.Advance(absl::Seconds(25));
  EXPECT_EQ(world_.ledger.Rungs().count(
                Key(4, type::v1::CLOCK_KIND_CONFIRM, offer.sequence(), type::v1::RUNG_DOUBT)),
            1u);
  EXPECT_EQ(missed("12345", type::v1::CLOCK_KIND_CONFIRM), 0);
}

// work_order was restored from an old backup, and has gone on since: its log is as long as the one that was
// followed, or longer, and another.
TEST(RestoredLogTest, IsNotFollowedHoweverLongItIs) {
  for (const bool killed : {true, false}) {
    for (const size_t length : {1u, 2u, 3u}) {
      World world;
      world.Restart();
      world.ledger.Append(world.ledger.make.Registered(1, world.now()));
      world.ledger.Append(world.ledger.make.Accepted(1, world.now()));
      world.Advance(absl::Seconds(1));
      ASSERT_EQ(world.alive->follower().stats().cursor, 2);
      const std::vector<type::v1::Event> followed = world.ledger.log();
      EventMaker other;
      std::vector<type::v1::Event> restored = {other.Registered(1, world.now() - absl::Seconds(1)),
                                               other.Registered(2, world.now()),
                                               other.Accepted(2, world.now())};
      restored.resize(length);
      if (killed) {
        world.Kill();
      } else {
        // It does not answer while it is restored.
        world.ledger.reads_fail = true;
        world.Advance(absl::Seconds(20));
      }
      world.ledger.Restore(restored);
      world.ledger.reads_fail = false;
      if (killed) world.Restart();
      world.Advance(absl::Hours(10));
      const Follower::Stats stats = world.alive->follower().stats();
      EXPECT_EQ(stats.cursor, 2) << length;
      EXPECT_FALSE(stats.fresh) << length;
      EXPECT_EQ(world.ledger.execute_calls, 0) << length;
      // The one that was followed is known again, and what was due is taken.
      world.ledger.Restore(followed);
      world.Advance(absl::Seconds(10));
      EXPECT_TRUE(world.alive->follower().stats().fresh) << length;
      EXPECT_GT(world.ledger.execute_calls, 0) << length;
    }
  }
}

// work_order's retention takes the texts from the last event that was followed.
TEST_F(FollowerTest, AnEventThatWasErasedIsKnownAgain) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  type::v1::Event accepted = world_.ledger.make.Accepted(1, world_.now());
  accepted.mutable_accepted()->mutable_acceptance()->set_note("来电人张三");
  world_.ledger.Append(accepted);
  world_.Advance(absl::Seconds(1));
  ASSERT_EQ(world_.alive->follower().stats().cursor, 2);
  world_.Kill();
  std::vector<type::v1::Event> log = world_.ledger.log();
  const auto erased = retention::EventWithoutTexts(log.back().SerializeAsString());
  ASSERT_TRUE(erased.has_value());
  ASSERT_TRUE(log.back().ParseFromString(*erased));
  world_.ledger.Restore(log);
  world_.Restart();
  world_.Advance(absl::Seconds(10));
  EXPECT_TRUE(world_.alive->ledger_ok);
  EXPECT_TRUE(world_.alive->follower().stats().fresh);
}

// Services are upgraded in any order.
TEST(LogMarkTest, IsOfWhatEveryReleaseKnows) {
  EventMaker make;
  const type::v1::Event event = make.Registered(1, Start());
  const char later[] = {'\xf8', '\x7f', '\x01'};  // field 2047
  type::v1::Event of_a_later_release;
  ASSERT_TRUE(
      of_a_later_release.ParseFromString(event.SerializeAsString() + std::string(later, sizeof later)));
  EXPECT_EQ(LogMarkOf(of_a_later_release), LogMarkOf(event));
  type::v1::Event other = event;
  other.mutable_commit_time()->set_nanos(1);
  EXPECT_NE(LogMarkOf(other), LogMarkOf(event));
}

TEST_F(FollowerTest, StoppedInTimeNothingHappens) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.Advance(absl::Seconds(59));
  world_.ledger.Append(world_.ledger.make.Received(1, world_.now()));
  world_.Advance(absl::Seconds(10));
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now(), "110"));
  world_.Advance(absl::Seconds(10));
  world_.ledger.Append(world_.ledger.make.Replied(1, world_.now()));
  world_.Advance(absl::Hours(10));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
  EXPECT_EQ(world_.ledger.commands, 0);
}

TEST_F(FollowerTest, OfferInDoubtIsCountedAndKeptOnceAlsoThroughAKill) {
  constexpr int kConfirm = type::v1::CLOCK_KIND_CONFIRM;
  constexpr int kVoice = type::v1::CLOCK_KIND_VOICE;
  world_.Restart();
  world_.ledger.keep_by = world_.now() + absl::Seconds(30);
  world_.ledger.Append(world_.ledger.make.OfferedUntil(1, world_.now(), world_.now() + absl::Seconds(20),
                                                       world_.ledger.keep_by));
  world_.Advance(absl::Seconds(19));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
  world_.Advance(absl::Seconds(1));
  const std::string doubt = Key(1, kConfirm, 1, type::v1::RUNG_DOUBT);
  EXPECT_THAT(world_.ledger.Rungs(), ElementsAre(Pair(doubt, 1)));
  EXPECT_EQ(world_.alive->follower().stats().tallies[kConfirm].overdue, 1);
  world_.Kill();
  world_.Advance(absl::Seconds(20));
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  EXPECT_THAT(world_.ledger.Rungs(),
              ElementsAre(Pair(doubt, 1), Pair(Key(1, kVoice, 2, type::v1::RUNG_KEEP), 1)));
  EXPECT_EQ(world_.alive->follower().stats().tallies[kConfirm].overdue, 1) << "still in doubt";
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now(), "110"));
  world_.Advance(absl::Seconds(1));
  EXPECT_EQ(world_.alive->follower().stats().tallies[kConfirm], Tally());
}

TEST_F(FollowerTest, AlarmOfAnEmergencyIsRaisedOnceByWhoeverIsFirst) {
  const auto alarms = [&] {
    int count = 0;
    for (const type::v1::Event& event : world_.ledger.log()) count += event.has_alarmed() ? 1 : 0;
    return count;
  };
  world_.Restart();
  for (const int64_t id : {1, 2}) {
    world_.ledger.Append(world_.ledger.make.Offered(id, world_.now(), type::v1::URGENCY_EMERGENCY));
  }
  world_.ledger.Append(world_.ledger.make.Offered(3, world_.now(), type::v1::URGENCY_URGENT));
  // dispatch was first for order 2.
  workorder::v1::ExecuteRequest request;
  *request.add_commands() = ReceiptAlarm(FormatOrderId(2), world_.ledger.log()[1].commit_time());
  world_.ledger.Execute({}, request, [](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
    EXPECT_TRUE(response.ok());
  });
  EXPECT_EQ(alarms(), 1);
  // The answer is lost: everything is sent again, and changes nothing.
  world_.ledger.lose_answers = 1;
  world_.Advance(absl::Seconds(70));
  EXPECT_EQ(alarms(), 2) << "orders 1 and 2, once each; 3 is no emergency";
  EXPECT_EQ(world_.ledger.Rungs().size(), 3u);
  for (const auto& [rung, count] : world_.ledger.Rungs()) EXPECT_EQ(count, 1) << rung;
}

TEST_F(FollowerTest, AfterADowntimeBothRungsInOrder) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  world_.Kill();
  world_.Advance(absl::Hours(5));
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  ASSERT_EQ(world_.ledger.log().size(), 4u);
  EXPECT_EQ(world_.ledger.log()[2].escalated().rung(), type::v1::RUNG_REMIND);
  EXPECT_EQ(world_.ledger.log()[3].escalated().rung(), type::v1::RUNG_URGE);
}

TEST_F(FollowerTest, WhatWasDoneDuringADowntimeIsNotUrged) {
  world_.Restart();
  for (int64_t id = 1; id <= 3000; ++id) world_.ledger.Append(world_.ledger.make.Offered(id, world_.now()));
  world_.Advance(absl::Seconds(1));
  world_.Kill();
  for (int64_t id = 1; id <= 3000; ++id) world_.ledger.Append(world_.ledger.make.Received(id, world_.now()));
  world_.Advance(absl::Seconds(100));  // every receipt is overdue, if one does not know better
  world_.Restart();
  world_.Advance(absl::Seconds(5));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
}

TEST_F(FollowerTest, WithoutTheLogNothingIsSent) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  EXPECT_TRUE(world_.alive->ledger_ok);
  world_.ledger.reads_fail = true;
  world_.Advance(absl::Seconds(300));
  EXPECT_FALSE(world_.alive->ledger_ok);
  EXPECT_EQ(world_.ledger.commands, 0);
  world_.ledger.reads_fail = false;
  world_.Advance(absl::Seconds(10));
  EXPECT_EQ(world_.ledger.Rungs().size(), 1u);
}

TEST_F(FollowerTest, FailedCallsAndLostAnswersAreTriedAgain) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.ledger.refuse_calls = 3;
  world_.ledger.lose_answers = 2;
  world_.Advance(absl::Seconds(59));
  EXPECT_EQ(world_.ledger.execute_calls, 0);
  world_.Advance(absl::Seconds(60));
  EXPECT_THAT(world_.ledger.Rungs(), ElementsAre(Pair(Key(1, kReceipt, 1, kUrge), 1)));
  EXPECT_GE(world_.ledger.execute_calls, 4);
  EXPECT_LE(world_.ledger.execute_calls, 8);
}

TEST_F(FollowerTest, KilledBetweenExecutionAndReadingBack) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.ledger.hold_answers = 1;
  world_.Advance(absl::Seconds(1));
  // Due: the command is executed in this step, and nothing is read back before the kill.
  world_.clock.Advance(absl::Seconds(60));
  while (world_.ledger.Rungs().empty()) {
    if (world_.executor->Run(1) == 0) world_.Advance(absl::Milliseconds(100));
  }
  world_.Kill();
  EXPECT_EQ(world_.ledger.Rungs().size(), 1u);
  world_.Restart();
  world_.Advance(absl::Seconds(100));
  EXPECT_THAT(world_.ledger.Rungs(), ElementsAre(Pair(Key(1, kReceipt, 1, kUrge), 1)));
  EXPECT_EQ(world_.Find(1).clocks[0].rung, type::v1::RUNG_URGE);
}

TEST_F(FollowerTest, ClosedMeanwhileIsRefusedAndDoesNotRunHot) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  // The ledger knows that it is closed; the follower is not told.
  world_.ledger.refused_orders.insert(1);
  world_.Advance(absl::Seconds(70));
  EXPECT_EQ(world_.alive->refused, 1);
  world_.Advance(absl::Hours(10));
  EXPECT_LE(world_.alive->refused, 25);  // the pauses double up to an hour
  EXPECT_EQ(world_.alive->follower().stats().refused, world_.alive->refused);
  const int64_t before = world_.alive->refused;
  world_.ledger.Append(world_.ledger.make.Closed(1, world_.now()));
  world_.Advance(absl::Hours(10));
  EXPECT_EQ(world_.alive->refused, before);
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
}

TEST_F(FollowerTest, RefusedOnesDoNotHoldUpTheOthers) {
  world_.options.fire_limit = 8;
  world_.Restart();
  for (int64_t id = 1; id <= 100; ++id) world_.ledger.Append(world_.ledger.make.Offered(id, world_.now()));
  world_.Advance(absl::Seconds(1));
  for (int64_t id = 1; id <= 90; ++id) world_.ledger.refused_orders.insert(id);
  world_.Advance(absl::Seconds(60));
  EXPECT_EQ(world_.ledger.Rungs().size(), 10u);
  EXPECT_EQ(world_.alive->refused, 90);
}

TEST_F(FollowerTest, TenThousandDueAtOnceUrgentFirst) {
  world_.Restart();
  for (int64_t id = 1; id <= 10'000; ++id) {
    world_.ledger.Append(world_.ledger.make.Offered(
        id, world_.now(), id % 100 == 0 ? type::v1::URGENCY_EMERGENCY : type::v1::URGENCY_NORMAL));
  }
  world_.Advance(absl::Seconds(59));
  EXPECT_EQ(world_.alive->follower().stats().tallies[kReceipt].live, 10'000);
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(world_.ledger.Rungs().size(), 10'000u);
  // A hundred emergencies have an alarm each.
  EXPECT_EQ(world_.ledger.log().size(), 20'100u);
  EXPECT_EQ(world_.ledger.commands, 10'100);  // none sent twice
  EXPECT_LE(world_.ledger.largest_batch, 512);
  EXPECT_LE(world_.ledger.execute_calls, 60);
  const std::vector<std::string>& order = world_.ledger.order_of_commands;
  // The alarms of all emergencies, then their rungs, then the others'.
  EXPECT_EQ(order[0], FormatOrderId(100));
  EXPECT_EQ(order[99], FormatOrderId(10'000));
  EXPECT_EQ(order[100], FormatOrderId(100));
  EXPECT_EQ(order[199], FormatOrderId(10'000));
  EXPECT_EQ(order[200], FormatOrderId(1));
}

// An answer that is late tells less than one that is prompt, and takes back nothing that may still be so.
TEST_F(FollowerTest, ALateAnswerDoesNotClearAClockThatIsAhead) {
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now() - absl::Seconds(5)));
  world_.Advance(absl::Milliseconds(100));
  EXPECT_FALSE(world_.alive->trust.trusted);
  world_.Advance(absl::Seconds(8));
  world_.ledger.Append(world_.ledger.make.Registered(2, world_.now() - absl::Seconds(5)));
  world_.Advance(absl::Milliseconds(100));
  EXPECT_FALSE(world_.alive->trust.trusted);
  world_.Advance(absl::Seconds(1));
  world_.ledger.Append(world_.ledger.make.Registered(3, world_.now()));
  world_.Advance(absl::Milliseconds(100));
  EXPECT_TRUE(world_.alive->trust.trusted);
}

TEST_F(FollowerTest, WallClockSteps) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(10));
  world_.clock.Advance(-absl::Hours(3));
  world_.Advance(absl::Hours(3));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
  world_.clock.Advance(absl::Seconds(1800));
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(world_.ledger.Rungs().size(), 1u);
  // Back before the reminder and forth again: it was taken already.
  world_.clock.Advance(-absl::Seconds(1800));
  world_.Advance(absl::Seconds(1000));
  world_.clock.Advance(absl::Seconds(800));
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(world_.ledger.Rungs().size(), 1u);
  world_.clock.Advance(absl::Hours(1));
  world_.Advance(absl::Seconds(2));
  EXPECT_THAT(world_.ledger.Rungs(),
              ElementsAre(Pair(Key(1, kFinish, 2, kRemind), 1), Pair(Key(1, kFinish, 2, kUrge), 1)));
}

TEST_F(FollowerTest, SuspensionAndExtensionMoveTheRungs) {
  world_.Restart();
  const auto make = [&]() -> EventMaker& { return world_.ledger.make; };
  world_.ledger.Append(make().Registered(1, world_.now()));
  world_.ledger.Append(make().Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(1000));
  world_.ledger.Append(make().Suspended(1, world_.now()));
  world_.Advance(absl::Hours(24));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
  world_.ledger.Append(make().Resumed(1, world_.now()));
  world_.Advance(absl::Seconds(799));
  EXPECT_THAT(world_.ledger.Rungs(), IsEmpty());
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(world_.ledger.Rungs().size(), 1u);
  const absl::Time until = world_.now() + absl::Hours(10);
  world_.ledger.Append(make().Extended(1, world_.now(), until));
  world_.Advance(absl::Hours(10) - absl::Seconds(1));
  EXPECT_EQ(world_.ledger.Rungs().size(), 1u);
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(world_.ledger.Rungs().size(), 2u);
  EXPECT_EQ(FromProto(world_.ledger.log().back().commit_time()), until);
}

TEST_F(FollowerTest, FullDiskIsTriedAgainWithoutARestart) {
  int64_t full = 3;
  world_.Restart([&](int64_t commit) { return commit > 2 && full-- > 0 ? Fault::kDiskFull : Fault::kNone; });
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  world_.ledger.Append(world_.ledger.make.Received(1, world_.now()));
  world_.ledger.Append(world_.ledger.make.Offered(2, world_.now()));
  world_.Advance(absl::Seconds(100));
  EXPECT_FALSE(world_.alive->store_failed);
  EXPECT_THAT(world_.ledger.Rungs(), ElementsAre(Pair(Key(2, kReceipt, 3, kUrge), 1)));
}

// The rebuilt store is the original: rungs in the log are not taken again.
TEST_F(FollowerTest, DeletedStoreIsRebuiltFromTheLog) {
  world_.Restart();
  EventMaker& make = world_.ledger.make;
  for (int64_t id = 1; id <= 50; ++id) {
    world_.ledger.Append(make.Offered(id, world_.now()));
    world_.Advance(absl::Seconds(7));
    if (id % 2 == 0) world_.ledger.Append(make.Received(id, world_.now()));
    if (id % 3 == 0) world_.ledger.Append(make.Accepted(id, world_.now(), "110"));
    if (id % 6 == 0) world_.ledger.Append(make.Suspended(id, world_.now()));
    if (id % 12 == 0) world_.ledger.Append(make.Resumed(id, world_.now() + absl::Seconds(3)));
    if (id % 5 == 0) world_.ledger.Append(make.Closed(id, world_.now()));
  }
  world_.Advance(absl::Hours(1));
  const auto original = world_.Dump();
  const auto rungs = world_.ledger.Rungs();
  const auto tallies = world_.alive->follower().stats().tallies;
  const auto census = world_.alive->follower().stats().census;
  const int64_t commands = world_.ledger.commands;
  ASSERT_GT(rungs.size(), 10u);
  world_.Kill();
  std::filesystem::remove_all(world_.folder.path());
  std::filesystem::create_directory(world_.folder.path());
  world_.Restart();
  world_.Advance(absl::Seconds(20));
  EXPECT_EQ(world_.Dump(), original);
  EXPECT_EQ(world_.ledger.Rungs(), rungs);
  EXPECT_EQ(world_.ledger.commands, commands);
  EXPECT_EQ(world_.alive->follower().stats().tallies, tallies);
  EXPECT_EQ(*world_.alive->follower().stats().census, *census) << "the log has it all";
}

// Version 4 knew no holds, and knew the log again by the bytes of an event.
TEST_F(FollowerTest, AStoreOfAnOlderReleaseLearnsTheHoldsAnew) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  type::v1::Event held = world_.ledger.make.Make(1, type::v1::ORDER_STATE_UNSPECIFIED, world_.now());
  held.mutable_hold_placed();
  world_.ledger.Append(held);
  world_.Advance(absl::Seconds(1));
  ASSERT_TRUE(world_.Find(1).held);
  world_.Kill();
  {
    auto database = sql::OpenSqlite({.path = world_.folder.path() + "/escalation.db"});
    ASSERT_TRUE(database.ok());
    auto writer = (*database)->OpenWriter();
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Begin().ok());
    for (const char* change :
         {"UPDATE site SET schema_version = 4", "UPDATE tracked_order SET marks = marks - 32",
          "UPDATE log_mark SET digest = x'00'"}) {
      ASSERT_TRUE((*writer)->Execute(change).ok()) << change;
    }
    ASSERT_TRUE((*writer)->Commit().ok());
  }
  world_.Restart();
  world_.Advance(absl::Seconds(20));
  EXPECT_TRUE(world_.alive->ledger_ok);
  EXPECT_TRUE(world_.Find(1).held);
}

TEST_F(FollowerTest, StoreOfAnotherHotlineIsRefused) {
  world_.Restart();
  world_.Kill();
  auto database = sql::OpenSqlite({.path = world_.folder.path() + "/escalation.db"});
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(Store::Open(*std::move(database), "110").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FollowerTest, LogShorterThanWhatWasFollowedIsReported) {
  world_.Restart();
  world_.ledger.Append(world_.ledger.make.Offered(1, world_.now()));
  world_.ledger.Append(world_.ledger.make.Received(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  world_.Kill();
  FakeLedger other(world_.executor.get(), &world_.clock);
  Incarnation lost(world_.folder.path(), world_.executor.get(), &world_.clock, &other, &other.log(),
                   world_.policy);
  world_.Advance(absl::Hours(1));
  EXPECT_FALSE(lost.ledger_ok);
  EXPECT_EQ(other.commands, 0);
}

// Any schedule of events, time, kills, lost answers, full disks and commits that lie: each rung at most once,
// in order, and in the end every deadline that passed has both of its rungs; and what the store says is what
// a rebuild says.
TEST_F(FollowerTest, ExactlyOnceUnderAnySchedule) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    World world;
    world.options.read_limit = 7;
    world.options.gather_limit = 7 * static_cast<int>(1 + seed % 4);
    world.options.fire_limit = 3;
    world.options.busy_events = 3;
    world.options.look_again = absl::Seconds(60);
    world.options.read_wait = absl::Seconds(30);
    std::mt19937 random(seed);
    const auto draw = [&](int n) { return static_cast<int>(random() % n); };
    const auto faults = [&](int64_t commit) {
      // The first creates tables; a failure there is one of opening.
      if (commit <= 2 || draw(12) != 0) return Fault::kNone;
      return static_cast<Fault>(1 + draw(3));
    };
    world.Restart(faults);
    EventMaker& make = world.ledger.make;
    for (int step = 0; step < 200; ++step) {
      const int64_t id = 1 + draw(12);
      const absl::Time now = world.now();
      switch (draw(12)) {
        case 0:
        case 1:
          switch (make.state(id)) {
            case type::v1::ORDER_STATE_UNSPECIFIED:
              world.ledger.Append(draw(2) == 0 ? make.Offered(id, now) : make.Registered(id, now));
              break;
            case type::v1::ORDER_STATE_OFFERED:
              world.ledger.Append(make.Received(id, now));
              break;
            case type::v1::ORDER_STATE_RECEIVED:
              world.ledger.Append(draw(3) == 0 ? make.Returned(id, now) : make.Accepted(id, now, "110"));
              break;
            case type::v1::ORDER_STATE_REGISTERED:
              world.ledger.Append(make.Accepted(id, now));
              break;
            case type::v1::ORDER_STATE_ACCEPTED:
              world.ledger.Append(make.Dispatched(id, now));
              break;
            case type::v1::ORDER_STATE_DISPATCHED:
              world.ledger.Append(make.Signed(id, now));
              break;
            case type::v1::ORDER_STATE_SIGNED:
              world.ledger.Append(draw(2) == 0 ? make.Extended(id, now, now + absl::Seconds(4000))
                                               : make.Replied(id, now));
              break;
            case type::v1::ORDER_STATE_RETURNED:
              world.ledger.Append(make.Offered(id, now));
              break;
            default:
              world.ledger.Append(draw(4) == 0 ? make.Closed(id, now) : make.Redone(id, now));
              break;
          }
          break;
        case 2:
          if (make.state(id) == type::v1::ORDER_STATE_ACCEPTED) {
            world.ledger.Append(make.Suspended(id, now));
            world.Advance(absl::Seconds(draw(500)));
            world.ledger.Append(make.Resumed(id, world.now()));
          }
          break;
        case 3:
          world.ledger.lose_answers += draw(2);
          break;
        case 4:
          world.ledger.refuse_calls += draw(2);
          break;
        case 5:
          world.ledger.hold_answers = 1;
          world.executor->Run(draw(10));
          world.Restart(faults);
          world.ledger.hold_answers = 0;
          break;
        case 6:
          world.executor->Run(draw(6));
          world.Restart(faults);
          break;
        case 7:
          world.clock.Advance(absl::Seconds(draw(2) == 0 ? 200 : -200));
          break;
        default:
          world.Advance(absl::Seconds(draw(900)));
          break;
      }
      if (world.alive->store_failed) world.Restart(faults);
    }
    world.ledger.lose_answers = world.ledger.refuse_calls = world.ledger.hold_answers = 0;
    world.Restart();
    world.Advance(absl::Hours(3));

    std::map<std::string, int> highest;
    for (const auto& [rung, count] : world.ledger.Rungs()) EXPECT_EQ(count, 1) << rung;
    for (const type::v1::Event& event : world.ledger.log()) {
      if (!event.has_escalated()) continue;
      int& high = highest[absl::StrCat(event.order_id(), "/", event.escalated().clock(), "/",
                                       event.escalated().armed_by_sequence())];
      EXPECT_LT(high, event.escalated().rung()) << event.ShortDebugString();
      high = event.escalated().rung();
    }
    const auto all = world.Dump();
    EXPECT_FALSE(all.empty());
    for (const auto& [order, clock] : all) {
      if (clock.state != v1::CLOCK_STATE_RUNNING) continue;
      EXPECT_EQ(clock.rung, type::v1::RUNG_URGE) << order.id << " " << clock.kind << " " << clock.armed_by;
      const std::string key =
          absl::StrCat(FormatOrderId(order.id), "/", static_cast<int>(clock.kind), "/", clock.armed_by);
      EXPECT_EQ(highest[key], kUrge) << key;
    }
    const auto tallies = world.alive->follower().stats().tallies;
    world.Kill();
    std::filesystem::remove_all(world.folder.path());
    std::filesystem::create_directory(world.folder.path());
    world.Restart();
    const int64_t commands = world.ledger.commands;
    world.Advance(absl::Seconds(30));
    EXPECT_EQ(world.Dump(), all);
    EXPECT_EQ(world.ledger.commands, commands);
    EXPECT_EQ(world.alive->follower().stats().tallies, tallies);
    if (HasFailure()) break;
  }
}

// A policy in which FINISH takes `hours`.
Publication Rules(int64_t number, int64_t hours, std::string note) {
  Publication publication;
  publication.number = number;
  publication.policy = TestPolicy(absl::StrCat("test-", number));
  publication.policy.mutable_rules(3)->set_limit_s(hours * 3600);
  publication.note = std::move(note);
  return publication;
}

int64_t Moves(const FakeLedger& ledger) {
  return std::count_if(ledger.log().begin(), ledger.log().end(),
                       [](const type::v1::Event& event) { return event.has_deadline_moved(); });
}

TEST_F(FollowerTest, APublicationMovesOpenClocksOnceThroughEveryKill) {
  world_.options.move_limit = 7;
  world_.Restart();
  for (int64_t id = 1; id <= 40; ++id) {
    world_.ledger.Append(world_.ledger.make.Registered(id, world_.now()));
    world_.ledger.Append(world_.ledger.make.Accepted(id, world_.now()));
    if (id % 4 == 0) world_.ledger.Append(world_.ledger.make.Replied(id, world_.now()));
  }
  world_.Advance(absl::Seconds(1));
  const auto closed = world_.Find(4).clocks;
  std::optional<absl::StatusOr<int64_t>> answer;
  std::vector<Publication> kept;
  const auto keep = [&](const Publication& publication) {
    kept.push_back(publication);
    return absl::OkStatus();
  };
  world_.alive->follower().Publish(Rules(2, 5, "延长"), keep,
                                   [&](absl::StatusOr<int64_t> number) { answer = number; });
  // Killed at each moment in turn: what was kept is what holds after the start.
  for (int tasks = 1; tasks < 60; ++tasks) {
    world_.executor->Run(tasks);
    if (!kept.empty()) {
      std::vector<Publication> all = {Publication{.policy = world_.policy}, kept.front()};
      world_.deadlines = std::make_unique<Deadlines>(all);
    }
    if (tasks % 3 == 0) world_.ledger.lose_answers = 1;
    world_.Restart();
    if (kept.empty()) {
      world_.alive->follower().Publish(Rules(2, 5, "延长"), keep,
                                       [&](absl::StatusOr<int64_t> number) { answer = number; });
    }
  }
  world_.Advance(absl::Minutes(1));
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(Moves(world_.ledger), 30) << "each open clock once";
  EXPECT_TRUE(world_.alive->follower().stats().moving.done);
  for (int64_t id = 1; id <= 40; ++id) {
    const OrderClocks order = world_.Find(id);
    ASSERT_EQ(order.clocks.size(), 1u);
    if (id % 4 == 0) {
      EXPECT_EQ(order.clocks[0].rule.publication, 1) << "history is not rewritten";
    } else {
      EXPECT_EQ(order.clocks[0].due, order.clocks[0].start + absl::Hours(5));
      EXPECT_EQ(order.clocks[0].rule.publication, 2);
    }
  }
  EXPECT_EQ(world_.Find(4).clocks, closed);
  // The store is a projection: deleted, it comes to the same, and nothing is moved or taken again.
  const auto dump = world_.Dump();
  const size_t events = world_.ledger.log().size();
  world_.Kill();
  for (const char* file : {"escalation.db", "escalation.db-wal", "escalation.db-shm"}) {
    std::filesystem::remove(world_.folder.path() + "/" + file);
  }
  world_.Restart();
  world_.Advance(absl::Seconds(10));
  EXPECT_EQ(world_.Dump(), dump);
  EXPECT_EQ(world_.ledger.log().size(), events);
}

// Events rest for a moment before they are read: those of just before a publication are read when it holds,
// and go by what held before.
TEST_F(FollowerTest, APublicationMovesWhatWasArmedBeforeItAndReadAfterIt) {
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed);
    World world;
    EventMaker& make = world.ledger.make;
    world.Restart();
    world.ledger.Append(make.Registered(1, world.now()));
    world.ledger.Append(make.Registered(2, world.now()));
    // Armed already, so that the first look has something to move.
    if (!killed) world.ledger.Append(make.Accepted(1, world.now()));
    world.Advance(absl::Seconds(1));
    world.ledger.Append(make.Registered(3, world.now()));
    world.Advance(absl::Milliseconds(1));
    if (killed) world.ledger.Append(make.Accepted(1, world.now()));
    world.ledger.Append(make.Dispatched(1, world.now()));
    world.ledger.Append(make.Accepted(2, world.now()));
    world.Advance(absl::Milliseconds(1));
    std::vector<Publication> all = {Publication{.policy = world.policy}};
    world.alive->follower().Publish(
        Rules(2, 5, "延长"),
        [&](const Publication& publication) {
          all.push_back(publication);
          return absl::OkStatus();
        },
        [](absl::StatusOr<int64_t>) {});
    world.executor->Run();
    ASSERT_EQ(all.size(), 2u);
    world.deadlines = std::make_unique<Deadlines>(all);
    if (killed) {
      EXPECT_EQ(world.alive->follower().stats().cursor, 3);
      EXPECT_TRUE(world.alive->follower().stats().moving.done) << "of what is known nothing moves";
      world.Restart();
    }
    world.Advance(absl::Minutes(1));
    EXPECT_TRUE(world.alive->follower().stats().moving.done);
    for (const int64_t id : {1, 2}) {
      const OrderClocks order = world.Find(id);
      const auto finish = std::find_if(order.clocks.begin(), order.clocks.end(), [](const OrderClock& clock) {
        return clock.kind == kFinish && clock.live();
      });
      ASSERT_NE(finish, order.clocks.end()) << id;
      EXPECT_EQ(finish->rule.publication, 2) << id;
      EXPECT_EQ(finish->due, SecondUp(finish->start) + absl::Hours(5)) << id;
    }
    const int64_t moves = Moves(world.ledger);
    world.Restart();
    world.Advance(absl::Minutes(1));
    EXPECT_EQ(Moves(world.ledger), moves) << "once";
  }
}

// Killed while it moves, and a configured file is changed before it starts again: that holds for what is
// armed from then on, and the move goes on.
TEST_F(FollowerTest, AFileChangedBeforeTheRestartEndsNoMove) {
  world_.options.move_limit = 1;
  world_.Restart();
  for (int64_t id = 1; id <= 10; ++id) {
    world_.ledger.Append(world_.ledger.make.Registered(id, world_.now()));
    world_.ledger.Append(world_.ledger.make.Accepted(id, world_.now()));
  }
  world_.Advance(absl::Seconds(1));
  std::vector<Publication> all = {Publication{.policy = world_.policy}};
  world_.alive->follower().Publish(
      Rules(2, 5, "延长"),
      [&](const Publication& publication) {
        all.push_back(publication);
        return absl::OkStatus();
      },
      [](absl::StatusOr<int64_t>) {});
  for (int i = 0; i < 1000 && Moves(world_.ledger) < 3; ++i) world_.executor->Run(1);
  ASSERT_EQ(Moves(world_.ledger), 3);
  ASSERT_EQ(all.size(), 2u);
  Publication edited = Rules(3, 8, "文件");
  edited.time = all.back().time + absl::Seconds(1);
  edited.moves_open = false;
  all.push_back(std::move(edited));
  world_.deadlines = std::make_unique<Deadlines>(all);
  for (int start = 0; start < 2; ++start) {
    world_.Restart();
    world_.Advance(absl::Minutes(1));
    EXPECT_EQ(Moves(world_.ledger), 10);
    EXPECT_TRUE(world_.alive->follower().stats().moving.done);
    EXPECT_EQ(world_.alive->follower().stats().moving.publication, 2);
  }
  for (int64_t id = 1; id <= 10; ++id) {
    const OrderClocks order = world_.Find(id);
    ASSERT_EQ(order.clocks.size(), 1u);
    EXPECT_EQ(order.clocks[0].rule.publication, 2);
    EXPECT_EQ(order.clocks[0].due, order.clocks[0].start + absl::Hours(5));
  }
  world_.ledger.Append(world_.ledger.make.Registered(11, world_.now()));
  world_.ledger.Append(world_.ledger.make.Accepted(11, world_.now()));
  world_.Advance(absl::Seconds(1));
  EXPECT_EQ(world_.Find(11).clocks[0].rule.publication, 3);
}

TEST_F(FollowerTest, OnePublicationAtATimeAndUrgentRungsGoOn) {
  world_.options.move_limit = 1;
  world_.Restart();
  for (int64_t id = 1; id <= 50; ++id) {
    world_.ledger.Append(world_.ledger.make.Registered(id, world_.now(), type::v1::URGENCY_EMERGENCY));
    world_.ledger.Append(world_.ledger.make.Accepted(id, world_.now()));
  }
  world_.Advance(absl::Seconds(1));
  const auto keep = [](const Publication&) { return absl::OkStatus(); };
  std::vector<absl::StatusOr<int64_t>> answers;
  const auto note = [&](absl::StatusOr<int64_t> answer) { answers.push_back(std::move(answer)); };
  world_.alive->follower().Publish(Rules(2, 5, "一"), keep, note);
  world_.alive->follower().Publish(Rules(3, 6, "二"), keep, note);
  world_.executor->Run();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].ok());
  EXPECT_EQ(error::ReasonOf(answers[1].status()), error::Reason::ERROR_REASON_PUBLICATION_RUNNING);
  world_.Advance(absl::Minutes(1));
  EXPECT_EQ(Moves(world_.ledger), 50);
  world_.alive->follower().Publish(Rules(4, 6, "跳号"), keep, note);
  world_.executor->Run();
  EXPECT_EQ(error::ReasonOf(answers[2].status()), error::Reason::ERROR_REASON_PREVIEW_STALE);
  world_.alive->follower().Publish(
      Rules(3, 6, "写不下"), [](const Publication&) { return error::DiskFull(); }, note);
  world_.executor->Run();
  EXPECT_EQ(error::ReasonOf(answers[3].status()), error::Reason::ERROR_REASON_DISK_FULL);
  EXPECT_EQ(world_.alive->follower().deadlines()->publications().size(), 2u)
      << "what is not kept does not hold";
}

TEST_F(FollowerTest, SteppingTheClockLosesAndDoublesNoRung) {
  world_.Restart();
  for (int64_t id = 1; id <= 20; ++id) {
    world_.ledger.Append(world_.ledger.make.Registered(id, world_.now()));
    world_.ledger.Append(world_.ledger.make.Accepted(id, world_.now()));
  }
  world_.Advance(absl::Minutes(5));
  EXPECT_TRUE(world_.alive->trust.trusted);
  EXPECT_GT(world_.alive->canaries, 10);
  EXPECT_LE(world_.alive->latest_canary, absl::Milliseconds(1));
  // Forwards over the reminders, back before them, forwards over the deadlines, and back again.
  world_.clock.Set(world_.now() + absl::Minutes(40));
  world_.Advance(absl::Seconds(5));
  EXPECT_FALSE(world_.alive->trust.trusted);
  EXPECT_EQ(world_.alive->trust.steps, 1);
  EXPECT_NEAR(absl::ToDoubleMinutes(world_.alive->trust.last_step), 40, 0.1);
  EXPECT_EQ(world_.ledger.Rungs().size(), 20u);
  world_.clock.Set(world_.now() - absl::Minutes(40));
  world_.Advance(absl::Minutes(10));
  EXPECT_EQ(world_.alive->trust.steps, 2);
  EXPECT_EQ(world_.ledger.Rungs().size(), 20u);
  world_.clock.Set(world_.now() + absl::Hours(2));
  world_.Advance(absl::Seconds(5));
  world_.clock.Set(world_.now() - absl::Hours(2));
  world_.Advance(absl::Hours(2));
  const auto rungs = world_.ledger.Rungs();
  EXPECT_EQ(rungs.size(), 40u);
  for (const auto& [rung, count] : rungs) EXPECT_EQ(count, 1) << rung;
  EXPECT_TRUE(world_.alive->trust.trusted) << "after a while without steps";
}

// As at each upgrade; before it is there for the first time, too.
TEST_F(FollowerTest, TheCanaryDoesNotWaitForWorkOrder) {
  world_.ledger.reads_fail = true;
  world_.Restart();
  world_.Advance(absl::Seconds(25));
  EXPECT_EQ(world_.alive->canaries, 2);
  world_.ledger.reads_fail = false;
  world_.Advance(absl::Minutes(1));
  EXPECT_TRUE(world_.alive->follower().stats().fresh);
  world_.ledger.reads_fail = true;
  world_.Advance(absl::Minutes(2));
  EXPECT_FALSE(world_.alive->follower().stats().fresh);
  world_.ledger.reads_fail = false;
  world_.Advance(absl::Minutes(1));
  EXPECT_TRUE(world_.alive->follower().stats().fresh);
  EXPECT_GE(world_.alive->canaries, 25);
  EXPECT_LE(world_.alive->latest_canary, absl::Milliseconds(1));
  EXPECT_TRUE(world_.alive->trust.trusted);
}

TEST_F(FollowerTest, AClockThatIsNotWorkOrdersIsNotTrusted) {
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  EXPECT_TRUE(world_.alive->trust.trusted);
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now() + absl::Seconds(30)));
  world_.Advance(absl::Seconds(1));
  EXPECT_FALSE(world_.alive->trust.trusted);
  EXPECT_GT(world_.alive->trust.skew, absl::Seconds(20));
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  EXPECT_TRUE(world_.alive->trust.trusted);
}

TEST_F(FollowerTest, AnEventOfABacklogSaysNothingOfTheClock) {
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  world_.Advance(absl::Minutes(3));
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  EXPECT_TRUE(world_.alive->trust.trusted);
  EXPECT_TRUE(world_.alive->follower().stats().fresh);
  EXPECT_EQ(world_.alive->follower().stats().trust.skew, absl::ZeroDuration());
}

TEST_F(FollowerTest, AnAnswerThatIsLateSaysNothingOfTheClock) {
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  world_.ledger.hold_reads = absl::Seconds(30);
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  world_.ledger.hold_reads = absl::ZeroDuration();
  world_.Advance(absl::Seconds(31));
  ASSERT_EQ(world_.alive->follower().stats().cursor, 1);
  EXPECT_TRUE(world_.alive->trust.trusted);
  EXPECT_TRUE(world_.alive->follower().stats().trust.trusted);
}

TEST_F(FollowerTest, AnEventOlderThanItsRequestShowsAClockThatIsBehind) {
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now() - absl::Seconds(30)));
  world_.Advance(absl::Milliseconds(100));
  EXPECT_FALSE(world_.alive->trust.trusted);
  EXPECT_LT(world_.alive->trust.skew, -absl::Seconds(20));
  // Several that come in the pause before the next request can clear a clock, but do not accuse it.
  for (const int64_t id : {2, 3}) world_.ledger.Append(world_.ledger.make.Registered(id, world_.now()));
  world_.Advance(absl::Milliseconds(150));
  EXPECT_TRUE(world_.alive->trust.trusted);
  for (const int64_t id : {4, 5}) {
    world_.ledger.Append(world_.ledger.make.Registered(id, world_.now() - absl::Seconds(30)));
  }
  world_.Advance(absl::Seconds(1));
  EXPECT_TRUE(world_.alive->trust.trusted);
  EXPECT_EQ(world_.alive->follower().stats().cursor, 5);
}

TEST_F(FollowerTest, AClockThatIsSetBackWhileAnEventIsAwaitedIsSteppedOnly) {
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  world_.clock.Set(world_.now() - absl::Minutes(40));
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now()));
  world_.Advance(absl::Minutes(11));
  EXPECT_EQ(world_.alive->trust.steps, 1);
  EXPECT_TRUE(world_.alive->trust.trusted) << "after a while without steps";
}

TEST_F(FollowerTest, AClockThatIsNotThePeersIsNotTrusted) {
  world_.Restart();
  const auto received = [&](int64_t id, int64_t skew_s, int64_t uncertainty_s) {
    world_.ledger.Append(world_.ledger.make.Offered(id, world_.now()));
    type::v1::Event event = world_.ledger.make.Received(id, world_.now());
    event.mutable_received()->mutable_clock_skew()->set_seconds(skew_s);
    event.mutable_received()->mutable_clock_uncertainty()->set_seconds(uncertainty_s);
    world_.ledger.Append(event);
    world_.Advance(absl::Seconds(2));
  };
  received(1, -5, 4);
  EXPECT_TRUE(world_.alive->trust.trusted) << "it may be as little as a second";
  received(2, -5, 1);
  EXPECT_FALSE(world_.alive->trust.trusted);
  EXPECT_EQ(world_.alive->trust.peer_skew, -absl::Seconds(4));
  received(3, 0, 0);
  EXPECT_TRUE(world_.alive->trust.trusted);
  received(4, 60, 1);
  EXPECT_FALSE(world_.alive->trust.trusted);
  world_.Advance(absl::Minutes(11));
  EXPECT_TRUE(world_.alive->trust.trusted) << "that was a while ago";
}

TEST_F(FollowerTest, OrdinaryRungsAreTakenAtABoundedRateAndUrgentOnesAtOnce) {
  world_.options.rungs_per_s = 100;
  world_.options.fire_limit = 10;
  world_.Restart();
  for (int64_t id = 1; id <= 520; ++id) {
    world_.ledger.Append(world_.ledger.make.Registered(
        id, world_.now(), id > 500 ? type::v1::URGENCY_URGENT : type::v1::URGENCY_NORMAL));
    world_.ledger.Append(world_.ledger.make.Accepted(id, world_.now()));
  }
  world_.Advance(absl::Seconds(5));
  world_.Kill();
  world_.Advance(absl::Minutes(31));
  world_.Restart();
  world_.Advance(absl::Seconds(1));
  const auto rungs = world_.ledger.Rungs();
  for (int64_t id = 501; id <= 520; ++id)
    EXPECT_EQ(rungs.count(absl::StrCat(id, "/4/", 2 * id, "/1")), 1u) << id;
  EXPECT_GE(rungs.size(), 100u);
  EXPECT_LE(rungs.size(), 20u + 150u);
  world_.Advance(absl::Seconds(6));
  EXPECT_EQ(world_.ledger.Rungs().size(), 520u);
}

}  // namespace
}  // namespace hotline::escalation
