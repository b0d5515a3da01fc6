// The clocks as a table: what each event arms, stops and moves.
#include "services/escalation/core/clocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/escalation/core/time_ledger.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using type::v1::CLOCK_KIND_CONFIRM;
using type::v1::CLOCK_KIND_FINISH;
using type::v1::CLOCK_KIND_PEER_ACCEPTANCE;
using type::v1::CLOCK_KIND_PEER_RECEIPT;
using type::v1::CLOCK_KIND_SCENE_ARRIVAL;
using type::v1::CLOCK_KIND_SIGN;
using type::v1::CLOCK_KIND_VOICE;
using v1::CLOCK_STATE_PAUSED;
using v1::CLOCK_STATE_RUNNING;
using v1::CLOCK_STATE_STOPPED;

constexpr int64_t kId = 7;

// Applies events of order 7, and looks at its clocks.
class ClocksTest : public testing::Test {
 protected:
  absl::Time At(int64_t seconds) const { return Start() + absl::Seconds(seconds); }
  void Use(const type::v1::Event& event) {
    events_.push_back(event);
    order_ = Apply(order_, event, deadlines_, "12345");
  }
  // `<kind>:<duty>` of the live clocks.
  std::vector<std::string> Live() const {
    std::vector<std::string> live;
    for (const OrderClock& clock : order_.clocks) {
      if (clock.live()) live.push_back(absl::StrCat(clock.kind, ":", clock.duty_party));
    }
    return live;
  }
  // The latest of its kind.
  const OrderClock& Clock(type::v1::ClockKind kind) const {
    const OrderClock* found = nullptr;
    for (const OrderClock& clock : order_.clocks) {
      if (clock.kind == kind) found = &clock;
    }
    EXPECT_NE(found, nullptr);
    static const OrderClock none;
    return found == nullptr ? none : *found;
  }

  EventMaker make_;
  std::vector<type::v1::Event> events_;
  Deadlines deadlines_{TestPolicy()};
  OrderClocks order_;
};

TEST_F(ClocksTest, GiverOfAHandoffWatchesReceiptThenAcceptanceThenFinish) {
  Use(make_.Offered(kId, At(0)));
  EXPECT_THAT(Live(), ElementsAre("1:110"));
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_RECEIPT).due, At(60));
  Use(make_.Received(kId, At(5)));
  EXPECT_THAT(Live(), ElementsAre("2:110"));
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_RECEIPT).state, CLOCK_STATE_STOPPED);
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_RECEIPT).stop, At(5));
  EXPECT_FALSE(Clock(CLOCK_KIND_PEER_RECEIPT).breached);
  // The second receipt does not start the time anew.
  Use(make_.Understood(kId, At(6)));
  EXPECT_THAT(Live(), ElementsAre("2:110"));
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_ACCEPTANCE).due, At(605));
  Use(make_.Accepted(kId, At(100), "110"));
  EXPECT_THAT(Live(), ElementsAre("4:110"));
  // The peer's units are the peer's affair: no SIGN here.
  Use(make_.Dispatched(kId, At(200)));
  EXPECT_THAT(Live(), ElementsAre("4:110"));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(200 + 3600));
  Use(make_.Signed(kId, At(300)));
  EXPECT_THAT(Live(), ElementsAre("4:110"));
  Use(make_.Replied(kId, At(400)));
  EXPECT_THAT(Live(), IsEmpty());
}

TEST_F(ClocksTest, TheSceneIsWatchedUntilSomebodyComesWhoeverAccepts) {
  type::v1::Event offered = make_.Offered(kId, At(0));
  offered.mutable_offered()->mutable_handoff()->mutable_scene()->set_request(
      type::v1::SCENE_REQUEST_BRING_UNIT);
  config::v1::Policy policy = TestPolicy();
  config::v1::DeadlineRule* rule = policy.add_rules();
  rule->set_clock(CLOCK_KIND_SCENE_ARRIVAL);
  rule->set_limit_s(300);
  rule->set_remind_before_s(60);
  deadlines_ = Deadlines(policy);
  Use(offered);
  EXPECT_THAT(Live(), ElementsAre("1:110", "16:110"));
  Use(make_.Received(kId, At(5)));
  Use(make_.Understood(kId, At(6)));
  Use(make_.Accepted(kId, At(100), "110"));
  EXPECT_THAT(Live(), ElementsAre("16:110", "4:110"));
  const OrderClock& clock = Clock(CLOCK_KIND_SCENE_ARRIVAL);
  EXPECT_EQ(clock.due, At(300)) << "an acceptance is not an arrival";
  EXPECT_EQ(NextRungTime(clock), At(240));
  EXPECT_THAT(RungCommand(order_, clock, type::v1::RUNG_URGE, deadlines_).header().request_id(),
              testing::MatchesRegex("escalate/[0-9A-Z]{13}/scene/1/urge"));
  type::v1::Event recorded = make_.Signed(kId, At(299));
  recorded.mutable_scene_recorded()->mutable_record()->mutable_arrival()->set_outcome(
      type::v1::SCENE_OUTCOME_ARRIVED);
  Use(recorded);
  EXPECT_THAT(Live(), ElementsAre("4:110"));
  EXPECT_FALSE(Clock(CLOCK_KIND_SCENE_ARRIVAL).breached);
}

TEST_F(ClocksTest, SecondReceiptFirstStartsAcceptance) {
  Use(make_.Offered(kId, At(0)));
  Use(make_.Understood(kId, At(3)));
  EXPECT_THAT(Live(), ElementsAre("2:110"));
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_ACCEPTANCE).start, At(3));
}

TEST_F(ClocksTest, ReceiptThatWasOvertakenStartsNothing) {
  Use(make_.Offered(kId, At(0)));
  Use(make_.Understood(kId, At(3)));
  Use(make_.ReceivedLate(kId, At(4)));
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_ACCEPTANCE).start, At(3));
  Use(make_.Accepted(kId, At(5), "110"));
  Use(make_.ReceivedLate(kId, At(6)));
  EXPECT_THAT(Live(), ElementsAre("4:110"));
  EXPECT_FALSE(Concerns(make_.ReceivedLate(kId, At(7))));
}

TEST_F(ClocksTest, AnOfferFoundAfterTheOrderHasGoneOnStopsAndArmsNothing) {
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Dispatched(kId, At(10)));
  type::v1::Event found = make_.OfferedFound(kId, At(20));
  *found.mutable_offered()->mutable_handoff()->mutable_confirm_by_time() = ToProto(At(100));
  Use(found);
  EXPECT_THAT(Live(), ElementsAre("3:chengguan", "4:chengguan"));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(10 + 3600));
  EXPECT_EQ(order_.lead_unit, "chengguan");
  EXPECT_EQ(order_.receiver, "110") << "it was offered to them last";
  Use(make_.Replied(kId, At(30)));
  Use(make_.OfferedFound(kId, At(40)));
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_EQ(order_.lead_unit, "chengguan") << "it may have to do it again";
  Use(make_.Closed(kId, At(50)));
  Use(make_.OfferedFound(kId, At(60)));
  EXPECT_THAT(Live(), IsEmpty());
}

TEST_F(ClocksTest, ASecondReceiptThatComesAfterTheOfferIsOverStartsNothing) {
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Progressed(kId, At(10)));
  Use(make_.OfferedFound(kId, At(20)));
  Use(make_.UnderstoodLate(kId, At(30)));
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  Use(make_.Replied(kId, At(40)));
  Use(make_.UnderstoodLate(kId, At(50)));
  EXPECT_THAT(Live(), IsEmpty());
  Use(make_.Closed(kId, At(60)));
  Use(make_.UnderstoodLate(kId, At(70)));
  EXPECT_THAT(Live(), IsEmpty());

  order_ = OrderClocks();
  Use(make_.Offered(8, At(0)));
  Use(make_.Returned(8, At(10)));
  Use(make_.UnderstoodLate(8, At(20)));
  EXPECT_THAT(Live(), IsEmpty());
  // Of an offer that is found while it is open, it is the second receipt.
  Use(make_.Offered(8, At(30)));
  Use(make_.Understood(8, At(40)));
  EXPECT_THAT(Live(), ElementsAre("2:110"));
}

TEST_F(ClocksTest, SilentOfferIsInDoubtThenKept) {
  Use(make_.OfferedUntil(kId, At(0), At(100), At(150)));
  EXPECT_THAT(Live(), ElementsAre("1:110", "5:12345"));
  const OrderClock& confirm = Clock(CLOCK_KIND_CONFIRM);
  EXPECT_EQ(confirm.due, At(100)) << "the order carries it, not the policy";
  EXPECT_EQ(NextRung(confirm), type::v1::RUNG_DOUBT);
  EXPECT_EQ(NextRungTime(confirm), At(100));
  const type::v1::Command doubt = RungCommand(order_, confirm, type::v1::RUNG_DOUBT, deadlines_);
  EXPECT_THAT(doubt.header().request_id(), testing::MatchesRegex("escalate/[0-9A-Z]{13}/confirm/1/doubt"));
  EXPECT_EQ(FromProto(doubt.escalation().due_time()), At(100));
  Use(make_.Received(kId, At(5)));
  Use(make_.Understood(kId, At(6)));
  Use(make_.InDoubt(kId, At(101), doubt.escalation(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE, At(150)));
  EXPECT_THAT(Live(), ElementsAre("5:12345", "2:110", "6:12345"))
      << "CONFIRM stays: it counts the offers in doubt";
  EXPECT_EQ(Clock(CLOCK_KIND_CONFIRM).rung, type::v1::RUNG_DOUBT);
  EXPECT_TRUE(Clock(CLOCK_KIND_CONFIRM).breached);
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_CONFIRM)), type::v1::RUNG_UNSPECIFIED);
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_VOICE)), type::v1::RUNG_KEEP);
  EXPECT_EQ(NextRungTime(Clock(CLOCK_KIND_VOICE)), At(150));
  const type::v1::Command keep =
      RungCommand(order_, Clock(CLOCK_KIND_VOICE), type::v1::RUNG_KEEP, deadlines_);
  EXPECT_THAT(keep.header().request_id(), testing::MatchesRegex("escalate/[0-9A-Z]{13}/voice/4/keep"));
  Use(make_.InDoubt(kId, At(151), keep.escalation(), type::v1::DOUBT_ACTION_KEEP, At(150)));
  EXPECT_EQ(Clock(CLOCK_KIND_VOICE).rung, type::v1::RUNG_KEEP);
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_VOICE)), type::v1::RUNG_UNSPECIFIED);
  type::v1::Event recalled = make_.Make(kId, type::v1::ORDER_STATE_RECALLED, At(160));
  recalled.mutable_recalled();
  Use(recalled);
  EXPECT_THAT(Live(), IsEmpty());
}

TEST_F(ClocksTest, RecallInDoubtNeedsNoTelephone) {
  Use(make_.OfferedUntil(kId, At(0), At(100), At(150)));
  const type::v1::Command doubt =
      RungCommand(order_, Clock(CLOCK_KIND_CONFIRM), type::v1::RUNG_DOUBT, deadlines_);
  Use(make_.InDoubt(kId, At(101), doubt.escalation(), type::v1::DOUBT_ACTION_RECALL, At(150)));
  EXPECT_THAT(Live(), ElementsAre("1:110", "5:12345"));
}

TEST_F(ClocksTest, VoiceEndsTheDoubtAndNotTheDuty) {
  Use(make_.OfferedUntil(kId, At(0), At(100), At(150)));
  Use(make_.Understood(kId, At(6)));
  const type::v1::Command doubt =
      RungCommand(order_, Clock(CLOCK_KIND_CONFIRM), type::v1::RUNG_DOUBT, deadlines_);
  Use(make_.InDoubt(kId, At(101), doubt.escalation(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE, At(150)));
  Use(make_.VoiceConfirmed(kId, At(110)));
  EXPECT_THAT(Live(), ElementsAre("2:110")) << "the electronic acceptance is still owed";
}

TEST_F(ClocksTest, AlarmGoesWithTheUrgedReceiptOfAnEmergency) {
  Use(make_.Offered(kId, At(0), type::v1::URGENCY_EMERGENCY));
  const OrderClock& receipt = Clock(CLOCK_KIND_PEER_RECEIPT);
  EXPECT_TRUE(NeedsAlarm(order_, receipt, type::v1::RUNG_URGE));
  EXPECT_FALSE(NeedsAlarm(order_, receipt, type::v1::RUNG_REMIND));
  order_.urgency = type::v1::URGENCY_URGENT;
  EXPECT_FALSE(NeedsAlarm(order_, receipt, type::v1::RUNG_URGE));
}

TEST_F(ClocksTest, TheAlarmOfAnOfferThatWasLostAndCameBackNamesTheOffer) {
  Use(make_.Offered(kId, At(0), type::v1::URGENCY_EMERGENCY));
  EXPECT_EQ(OfferTime(Clock(CLOCK_KIND_PEER_RECEIPT)), At(0));
  type::v1::Event offered = make_.Offered(kId, At(100), type::v1::URGENCY_EMERGENCY);
  *offered.mutable_offered()->mutable_handoff()->mutable_offer_time() = ToProto(At(40));
  Use(offered);
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_RECEIPT).start, At(100));
  EXPECT_EQ(OfferTime(Clock(CLOCK_KIND_PEER_RECEIPT)), At(40));
}

TEST_F(ClocksTest, ReceiverWatchesItsOwnAcceptanceAndItsUnits) {
  Use(make_.Understood(kId, At(0), "110"));
  EXPECT_THAT(Live(), ElementsAre("2:12345"));
  Use(make_.Accepted(kId, At(10)));
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  Use(make_.Dispatched(kId, At(20)));
  EXPECT_THAT(Live(), ElementsAre("3:chengguan", "4:chengguan"));
  // The hotline's own time stays booked to it.
  EXPECT_EQ(order_.clocks[1].duty_party, "12345");
  EXPECT_EQ(order_.clocks[1].stop, At(20));
  Use(make_.Signed(kId, At(30), "shuiwu"));
  EXPECT_THAT(Live(), ElementsAre("3:chengguan", "4:chengguan"));
  Use(make_.Signed(kId, At(40), "chengguan"));
  EXPECT_THAT(Live(), ElementsAre("4:chengguan"));
  Use(make_.Progressed(kId, At(50)));
  Use(make_.Replied(kId, At(60)));
  EXPECT_THAT(Live(), IsEmpty());
  Use(make_.Redone(kId, At(70)));
  EXPECT_THAT(Live(), ElementsAre("4:chengguan"));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).start, At(70));
  EXPECT_EQ(order_.state, type::v1::ORDER_STATE_REDO);
  Use(make_.Replied(kId, At(80)));
  Use(make_.Closed(kId, At(90)));
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_EQ(order_.clocks.size(), 5u);  // nothing is forgotten
}

TEST_F(ClocksTest, OrderKeptByTheHotlineItselfIsFinishedByIt) {
  Use(make_.Registered(kId, At(0)));
  EXPECT_THAT(Live(), IsEmpty());
  Use(make_.Accepted(kId, At(10)));
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  Use(make_.Replied(kId, At(20)));
  Use(make_.Redone(kId, At(30)));
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
}

TEST_F(ClocksTest, DisputedAtTheOriginStartsItsOwnWorkAndEndsElsewhere) {
  Use(make_.Offered(kId, At(0)));
  Use(make_.Understood(kId, At(3)));
  type::v1::Event disputed = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At(20));
  disputed.mutable_custody()->set_holder("12345");
  disputed.mutable_disputed();
  Use(disputed);
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).start, At(20));
  // A ruling says who handles it, not when.
  type::v1::Event ruled = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At(30));
  ruled.set_state_before(type::v1::ORDER_STATE_ACCEPTED);
  ruled.mutable_ruled();
  EXPECT_FALSE(Concerns(ruled));
  Use(make_.Offered(kId, At(40)));
  type::v1::Event ended = make_.Make(kId, type::v1::ORDER_STATE_RETURNED, At(50));
  ended.mutable_disputed();
  Use(ended);
  EXPECT_THAT(Live(), IsEmpty());
}

TEST_F(ClocksTest, ReopenedIsToBeFinishedAgainAndABreachStays) {
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Replied(kId, At(10'000)));
  Use(make_.Closed(kId, At(10'010)));
  ASSERT_TRUE(order_.clocks[0].breached);
  type::v1::Event reopened = make_.Make(kId, type::v1::ORDER_STATE_REDO, At(20'000));
  reopened.mutable_custody()->set_holder("12345");
  reopened.mutable_reopened();
  Use(reopened);
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  EXPECT_TRUE(order_.clocks[0].breached);
}

// The units stay on an order that was closed: reopened, it is theirs again.
TEST_F(ClocksTest, ReopenedItIsToBeFinishedByTheSameUnits) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Dispatched(kId, At(10), "rensheju", {"shuiwu"}));
  Use(make_.Replied(kId, At(100)));
  Use(make_.Closed(kId, At(110)));
  EXPECT_THAT(Live(), IsEmpty());
  type::v1::Event reopened = make_.Make(kId, type::v1::ORDER_STATE_REDO, At(200));
  reopened.mutable_reopened();
  Use(reopened);
  EXPECT_THAT(Live(), ElementsAre("4:rensheju", "4:shuiwu"));
  EXPECT_EQ(BuildTimeLedger(events_, deadlines_, "12345", At(300)).stretches().rbegin()->party(), "rensheju");
}

TEST_F(ClocksTest, WhatAUnitReturnedIsNotItsToBeDoneAgain) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Dispatched(kId, At(10), "rensheju", {"shuiwu"}));
  type::v1::Event returned = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At(20));
  returned.mutable_unit_returned()->set_unit("rensheju");
  Use(returned);
  EXPECT_THAT(Live(), ElementsAre("4:rensheju")) << "the time runs on at its cost";
  EXPECT_EQ(order_.lead_unit, "");
  Use(make_.Replied(kId, At(30)));
  // Whose time the last minute is.
  const auto worker = [&](absl::Time until) {
    return BuildTimeLedger(events_, deadlines_, "12345", until).stretches().rbegin()->party();
  };
  type::v1::Event redo = make_.Make(kId, type::v1::ORDER_STATE_REDO, At(40));
  redo.mutable_redo_demanded();
  Use(redo);
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  EXPECT_EQ(worker(At(50)), "12345");
  Use(make_.Replied(kId, At(60)));
  Use(make_.Closed(kId, At(70)));
  type::v1::Event reopened = make_.Make(kId, type::v1::ORDER_STATE_REDO, At(80));
  reopened.mutable_reopened();
  Use(reopened);
  EXPECT_THAT(Live(), ElementsAre("4:12345"));
  EXPECT_EQ(worker(At(90)), "12345");
}

TEST_F(ClocksTest, WhatAThirdSiteReturnsToWhomItCameFromIsTheirsAgain) {
  Use(make_.Accepted(kId, At(0), "119"));
  type::v1::Event returned = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At(20));
  returned.mutable_custody()->set_holder("110");
  returned.mutable_returned();
  Use(returned);
  EXPECT_THAT(Live(), ElementsAre("4:110"));
}

TEST_F(ClocksTest, EveryEndOfAnOfferStopsItsClocks) {
  const auto end = [&](int which, int64_t id) {
    switch (which) {
      case 0:
        return make_.Returned(id, At(20));
      case 1: {
        type::v1::Event event = make_.Make(id, type::v1::ORDER_STATE_RECALLED, At(20));
        event.mutable_recalled();
        return event;
      }
      case 2: {
        type::v1::Event event = make_.Make(id, type::v1::ORDER_STATE_CANCELLED, At(20));
        event.mutable_cancelled();
        return event;
      }
      default: {
        type::v1::Event event = make_.Make(id, type::v1::ORDER_STATE_ARCHIVED, At(20));
        event.mutable_archived();
        return event;
      }
    }
  };
  for (int which = 0; which < 4; ++which) {
    for (const bool received : {false, true}) {
      SCOPED_TRACE(absl::StrCat("end ", which, received ? " received" : ""));
      order_ = OrderClocks();
      const int64_t id = 100 + which * 2 + received;
      Use(make_.Offered(id, At(0)));
      if (received) Use(make_.Received(id, At(10)));
      EXPECT_EQ(Live().size(), 1u);
      Use(end(which, id));
      EXPECT_THAT(Live(), IsEmpty());
    }
  }
}

TEST_F(ClocksTest, SecondOfferArmsAnotherClock) {
  Use(make_.Offered(kId, At(0)));
  Use(make_.Received(kId, At(100)));  // late
  Use(make_.Returned(kId, At(200)));
  Use(make_.Offered(kId, At(300)));
  ASSERT_EQ(order_.clocks.size(), 3u);
  EXPECT_TRUE(order_.clocks[0].breached);
  EXPECT_NE(order_.clocks[0].armed_by, order_.clocks[2].armed_by);
  EXPECT_FALSE(order_.clocks[2].breached);
  EXPECT_EQ(order_.clocks[2].due, At(360));
}

TEST_F(ClocksTest, SuspensionKeepsTheRemainderAndResumptionShifts) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Suspended(kId, At(600)));
  const OrderClock& clock = Clock(CLOCK_KIND_FINISH);
  EXPECT_EQ(clock.state, CLOCK_STATE_PAUSED);
  EXPECT_EQ(clock.remaining, absl::Seconds(3000));
  EXPECT_EQ(NextRungTime(clock), absl::InfiniteFuture());
  EXPECT_EQ(DueAt(clock, At(5000)), At(8000));
  EXPECT_EQ(LampAt(clock, At(999'999)), v1::LAMP_GREEN);
  // What is armed meanwhile stands still too.
  Use(make_.Dispatched(kId, At(700)));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).state, CLOCK_STATE_PAUSED);
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).remaining, absl::Seconds(1200));
  const auto in_time = testing::Each(testing::Field(&OrderClock::breached, false));
  EXPECT_THAT(order_.clocks, in_time) << "nor does the one that it takes the place of miss anything";
  Use(make_.Resumed(kId, At(10'000)));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).due, At(11'200));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(13'600));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).state, CLOCK_STATE_RUNNING);
  // Over while it stands still, with time left.
  Use(make_.Suspended(kId, At(11'000)));
  Use(make_.Replied(kId, At(99'000)));
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(99'000 + 2600));
  EXPECT_THAT(order_.clocks, in_time);
}

// Only the holder can resume it, so the review is the holder's.
TEST_F(ClocksTest, ASuspensionIsReviewedByTheHolder) {
  for (const bool here : {true, false}) {
    const int64_t id = here ? 11 : 12;
    order_ = OrderClocks();
    Use(make_.Registered(id, At(0)));
    Use(make_.Accepted(id, At(0), here ? "12345" : "110"));
    type::v1::Event suspended = make_.Suspended(id, At(600));
    *suspended.mutable_suspended()->mutable_review_time() = ToProto(At(5000));
    Use(suspended);
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).state, CLOCK_STATE_PAUSED);
    EXPECT_EQ(std::count_if(order_.clocks.begin(), order_.clocks.end(),
                            [](const OrderClock& clock) {
                              return clock.kind == type::v1::CLOCK_KIND_SUSPENSION_REVIEW;
                            }),
              here ? 1 : 0);
  }
}

TEST_F(ClocksTest, SuspensionDoesNotHealABreach) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Suspended(kId, At(3700)));
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).breached);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Seconds(-100));
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), At(4000)), v1::LAMP_RED);
  Use(make_.Resumed(kId, At(5000)));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(4900));
  // The rungs that were not taken are due still.
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_FINISH)), type::v1::RUNG_REMIND);
}

TEST_F(ClocksTest, ExtensionMovesTheFinishOnlyAndHealsNothing) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  Use(make_.Dispatched(kId, At(0)));
  Use(make_.Extended(kId, At(100), At(9000)));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(9000));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).due, At(1200));
  EXPECT_FALSE(Clock(CLOCK_KIND_FINISH).breached);
  EXPECT_EQ(NextRungTime(Clock(CLOCK_KIND_FINISH)), At(9000 - 1800));
  // After the deadline: too late to undo it.
  Use(make_.Extended(kId, At(9000), At(20'000)));
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).breached);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(20'000));
  Use(make_.Suspended(kId, At(10'000)));
  Use(make_.Extended(kId, At(11'000), At(30'000)));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Seconds(19'000));
}

TEST_F(ClocksTest, RungsAreTakenByTheLogAndOnlyUpwards) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  const OrderClock armed = Clock(CLOCK_KIND_FINISH);
  EXPECT_EQ(NextRung(armed), type::v1::RUNG_REMIND);
  EXPECT_EQ(NextRungTime(armed), At(1800));
  const auto take = [&](type::v1::Rung rung, int64_t at) {
    Use(make_.Escalated(kId, At(at),
                        RungCommand(order_, Clock(CLOCK_KIND_FINISH), rung, deadlines_).escalation()));
  };
  take(type::v1::RUNG_REMIND, 1801);
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_FINISH)), type::v1::RUNG_URGE);
  EXPECT_EQ(NextRungTime(Clock(CLOCK_KIND_FINISH)), At(3600));
  take(type::v1::RUNG_URGE, 3601);
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_FINISH)), type::v1::RUNG_UNSPECIFIED);
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).breached);
  take(type::v1::RUNG_REMIND, 3602);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).rung, type::v1::RUNG_URGE);
  // An extension gives time, not a second ladder.
  Use(make_.Extended(kId, At(3700), At(9000)));
  EXPECT_EQ(NextRung(Clock(CLOCK_KIND_FINISH)), type::v1::RUNG_UNSPECIFIED);
}

TEST_F(ClocksTest, RungThatCrossedTheStopIsKeptWithTheStoppedClock) {
  Use(make_.Offered(kId, At(0)));
  const type::v1::Command urge =
      RungCommand(order_, Clock(CLOCK_KIND_PEER_RECEIPT), type::v1::RUNG_URGE, deadlines_);
  Use(make_.Received(kId, At(60)));
  Use(make_.Escalated(kId, At(61), urge.escalation()));
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_RECEIPT).state, CLOCK_STATE_STOPPED);
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_RECEIPT).rung, type::v1::RUNG_URGE);
  EXPECT_EQ(Clock(CLOCK_KIND_PEER_ACCEPTANCE).rung, type::v1::RUNG_UNSPECIFIED);
}

TEST_F(ClocksTest, DeadlineIsHalfOpen) {
  Use(make_.Offered(kId, At(0)));
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_PEER_RECEIPT), At(60) - absl::Nanoseconds(1)), v1::LAMP_GREEN);
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_PEER_RECEIPT), At(60)), v1::LAMP_RED);
  Use(make_.Received(kId, At(60)));
  EXPECT_TRUE(Clock(CLOCK_KIND_PEER_RECEIPT).breached);
}

TEST_F(ClocksTest, LampsFollowTheReminderAndTheDeadline) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), At(1799)), v1::LAMP_GREEN);
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), At(1800)), v1::LAMP_YELLOW);
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), At(3600)), v1::LAMP_RED);
  Use(make_.Replied(kId, At(2000)));
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), At(999'999)), v1::LAMP_YELLOW);
  const v1::Deadline shown = Describe(order_, Clock(CLOCK_KIND_FINISH), At(999'999), deadlines_);
  EXPECT_FALSE(shown.breached());
  EXPECT_EQ(shown.clock_state(), CLOCK_STATE_STOPPED);
  EXPECT_EQ(shown.policy_version(), "test-1");
}

TEST_F(ClocksTest, CommandIsTheSameEachTimeAndItsIdFits) {
  order_.id = (int64_t{1} << 62) - 1;
  OrderClock clock;
  clock.armed_by = std::numeric_limits<int64_t>::max();
  clock.due = At(60);
  clock.duty_party = "110";
  for (const auto kind : {CLOCK_KIND_PEER_RECEIPT, CLOCK_KIND_PEER_ACCEPTANCE, CLOCK_KIND_SIGN,
                          CLOCK_KIND_FINISH, CLOCK_KIND_CONFIRM, CLOCK_KIND_VOICE,
                          type::v1::CLOCK_KIND_FIRST_CONTACT, type::v1::CLOCK_KIND_CALL_BACK}) {
    for (const auto rung : {type::v1::RUNG_REMIND, type::v1::RUNG_URGE, type::v1::RUNG_DOUBT,
                            type::v1::RUNG_KEEP, type::v1::RUNG_DISCIPLINE}) {
      clock.kind = kind;
      const type::v1::Command command = RungCommand(order_, clock, rung, deadlines_);
      EXPECT_LE(command.header().request_id().size(), 64u) << command.header().request_id();
      EXPECT_TRUE(IsTraceparent(command.traceparent()));
      EXPECT_EQ(command.SerializeAsString(),
                RungCommand(order_, clock, rung, deadlines_).SerializeAsString());
    }
  }
  clock.armed_by = 42;
  clock.kind = CLOCK_KIND_FINISH;
  EXPECT_THAT(RungCommand(order_, clock, type::v1::RUNG_URGE, deadlines_).header().request_id(),
              testing::MatchesRegex("escalate/[0-9A-Z]{13}/finish/42/urge"));
}

TEST_F(ClocksTest, OnlyWhatMovesNothingIsLeftOut) {
  Use(make_.Registered(kId, At(0)));
  Use(make_.Accepted(kId, At(0)));
  EXPECT_TRUE(Concerns(make_.Progressed(kId, At(1))));   // the state moves
  EXPECT_FALSE(Concerns(make_.Progressed(kId, At(2))));  // and now it does not
  type::v1::Event recall = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At(3));
  recall.mutable_recall_requested();
  EXPECT_FALSE(Concerns(recall));
  EXPECT_TRUE(Concerns(make_.Suspended(kId, At(4))));
}

TEST_F(ClocksTest, WithoutARuleNoClock) {
  config::v1::Policy policy = TestPolicy();
  policy.mutable_rules(0)->set_urgency(type::v1::URGENCY_EMERGENCY);
  deadlines_ = Deadlines(policy);
  Use(make_.Offered(kId, At(0)));
  EXPECT_THAT(Live(), IsEmpty());
  Use(make_.Received(kId, At(1)));
  EXPECT_THAT(Live(), ElementsAre("2:110"));
}

TEST(DeadlinesTest, FirstMatchWins) {
  config::v1::Policy policy;
  policy.set_version("v");
  const auto add = [&](type::v1::Urgency urgency, std::vector<type::v1::OrderType> types, int64_t limit) {
    config::v1::DeadlineRule* rule = policy.add_rules();
    rule->set_clock(CLOCK_KIND_FINISH);
    rule->set_urgency(urgency);
    for (const auto type : types) rule->add_types(type);
    rule->set_limit_s(limit);
  };
  add(type::v1::URGENCY_EMERGENCY, {}, 1);
  add(type::v1::URGENCY_UNSPECIFIED, {type::v1::ORDER_TYPE_HELP, type::v1::ORDER_TYPE_REPORT}, 2);
  add(type::v1::URGENCY_NORMAL, {}, 3);
  const Deadlines deadlines(policy);
  const auto find = [&](type::v1::Urgency urgency, type::v1::OrderType type) {
    return deadlines.Limit(deadlines.Find(CLOCK_KIND_FINISH, {.type = type, .urgency = urgency}, Start()))
        .value;
  };
  EXPECT_EQ(find(type::v1::URGENCY_EMERGENCY, type::v1::ORDER_TYPE_HELP), 1);
  EXPECT_EQ(find(type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_REPORT), 2);
  EXPECT_EQ(find(type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_PRAISE), 3);
  EXPECT_EQ(find(type::v1::URGENCY_URGENT, type::v1::ORDER_TYPE_PRAISE), 0);
  EXPECT_EQ(find(type::v1::URGENCY_URGENT, static_cast<type::v1::OrderType>(99)), 0);
  EXPECT_EQ(find(static_cast<type::v1::Urgency>(9), type::v1::ORDER_TYPE_HELP), 2);
  EXPECT_FALSE(deadlines.has_limit(deadlines.Find(CLOCK_KIND_SIGN, {}, Start())));
}

}  // namespace
}  // namespace hotline::escalation
