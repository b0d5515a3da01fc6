// Clocks by the county's own policy and calendars: working time through suspensions, extensions, transfers
// and publications, the ladder above 催办, who is told when; and that any of it can be explained and adds up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <iterator>

#include "common/derivation/verify.h"
#include "common/error/error.h"
#include "services/escalation/core/explain.h"
#include "services/escalation/core/time_ledger.h"
#include "services/escalation/edge_calendar.h"
#include "services/escalation/edge_rules.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using type::v1::CLOCK_KIND_CALL_BACK;
using type::v1::CLOCK_KIND_CONFIRM;
using type::v1::CLOCK_KIND_FINISH;
using type::v1::CLOCK_KIND_FIRST_CONTACT;
using type::v1::CLOCK_KIND_PEER_ACCEPTANCE;
using type::v1::CLOCK_KIND_RESULT_BACK;
using type::v1::CLOCK_KIND_SIGN;
using type::v1::CLOCK_KIND_SUSPENSION_REVIEW;
using type::v1::CLOCK_KIND_VOICE;

constexpr int64_t kId = 7;

// Beijing time: `2026-09-21 10:00`.
absl::Time At(const std::string& text) {
  absl::Time time;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, Beijing(), &time, nullptr)) << text;
  return time;
}
std::string Show(absl::Time time) {
  return time == absl::InfiniteFuture() ? "never" : absl::FormatTime("%Y-%m-%d %H:%M", time, Beijing());
}

Publication Shipped() {
  config::v1::EscalationConfig config;
  config.set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  auto loaded = LoadRules(config, "");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  loaded->parties = {.units = {{"gongan", "always"}}, .site = "12345", .peers = {"110"}};
  return *std::move(loaded);
}

const Deadlines& County() {
  static const auto* const kCounty = new Deadlines(std::vector<Publication>{Shipped()});
  return *kCounty;
}

// With another publication in which a day that was worked is off, or all from `date` to `last`.
Deadlines WithHoliday(const Deadlines& before, const std::string& date, absl::Time at,
                      const std::string& last = "") {
  Publication next = Shipped();
  auto calendars = std::make_shared<Calendars>();
  for (const auto& [code, calendar] : *next.calendars) {
    std::vector<config::v1::CalendarLayer> layers = calendar.layers();
    if (code == "office") {
      config::v1::CalendarLayer& layer = layers.back();
      layer.set_version("test-2");
      config::v1::DayRule* day = layer.add_days();
      day->set_document(layer.documents(0).number());
      day->set_first_date(date);
      day->set_last_date(last);
      day->set_kind(config::v1::DAY_KIND_OFF);
      day->set_name("临时放假");
    }
    auto made = calendar::Calendar::Create(code, std::move(layers));
    EXPECT_TRUE(made.ok()) << made.status();
    calendars->emplace(code, *std::move(made));
  }
  next.calendars = std::move(calendars);
  next.number = static_cast<int64_t>(before.publications().size()) + 1;
  next.time = at;
  next.note = "临时放假通知";
  return before.With(std::move(next));
}

class WorkingClocksTest : public testing::Test {
 protected:
  void Use(type::v1::Event event) {
    events_.push_back(event);
    order_ = Apply(order_, event, deadlines_, "12345");
  }
  const OrderClock& Clock(type::v1::ClockKind kind) const {
    const OrderClock* found = nullptr;
    for (const OrderClock& clock : order_.clocks) {
      if (clock.kind == kind) found = &clock;
    }
    EXPECT_NE(found, nullptr) << kind;
    static const OrderClock none;
    return found == nullptr ? none : *found;
  }
  std::vector<int> Live() const {
    std::vector<int> live;
    for (const OrderClock& clock : order_.clocks) {
      // The time for a return has a test of its own.
      if (clock.live() && clock.kind != type::v1::CLOCK_KIND_UNIT_RETURN) live.push_back(clock.kind);
    }
    return live;
  }
  // Registered, accepted and dispatched at `at`.
  void Dispatch(absl::Time at, type::v1::Urgency urgency = type::v1::URGENCY_NORMAL,
                type::v1::OrderType type = type::v1::ORDER_TYPE_HELP) {
    type::v1::Event registered = make_.Registered(kId, at, urgency, type);
    registered.mutable_registered()->set_origin_hotline("12345");
    Use(registered);
    Use(make_.Accepted(kId, at));
    Use(make_.Dispatched(kId, at));
  }
  type::v1::Event Suspended(absl::Time at, absl::Time review) {
    type::v1::Event event = make_.Suspended(kId, at);
    *event.mutable_suspended()->mutable_review_time() = ToProto(review);
    return event;
  }
  type::v1::Event Granted(absl::Time at, type::v1::TimeKind kind, int64_t value) {
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_extension_decided()->mutable_decision()->set_approved(true);
    event.mutable_extension_decided()->mutable_request()->mutable_length()->set_kind(kind);
    event.mutable_extension_decided()->mutable_request()->mutable_length()->set_value(value);
    return event;
  }
  type::v1::Event UnitReturned(absl::Time at) {
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, at);
    event.mutable_unit_returned()->set_unit("chengguan");
    return event;
  }
  type::v1::Event Contacted(absl::Time at, bool reached) {
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_contacted()->set_reached(reached);
    return event;
  }
  // An offer to 110 as work_order makes it, with two times of `within`.
  void Offer(absl::Time at, absl::Duration within = absl::Hours(2),
             type::v1::Urgency urgency = type::v1::URGENCY_NORMAL) {
    Use(make_.OfferedUntil(id_, at, at + within, at + 2 * within, urgency));
  }
  // Moves PEER_ACCEPTANCE to the latest publication, as the follower does.
  void MoveAcceptance(absl::Time at) {
    const OrderClock clock = Clock(CLOCK_KIND_PEER_ACCEPTANCE);
    const int64_t latest = static_cast<int64_t>(deadlines_.publications().size());
    const auto moved = MovedTo(order_, clock, latest, deadlines_);
    ASSERT_TRUE(moved.has_value());
    type::v1::Event event = make_.Make(id_, type::v1::ORDER_STATE_UNSPECIFIED, at);
    *event.mutable_deadline_moved() = MoveCommand(order_, clock, *moved, deadlines_).deadline_move();
    Use(event);
  }
  // Takes the rung that is next.
  void Climb(type::v1::ClockKind kind, absl::Time at) {
    const OrderClock clock = Clock(kind);
    Use(make_.Escalated(kId, at, RungCommand(order_, clock, clock.next_rung, deadlines_).escalation()));
  }
  type::v1::Event Notified(type::v1::ClockKind kind, absl::Time at, int round, bool reached) {
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, at);
    type::v1::NotificationReport& report = *event.mutable_notification_reported();
    report.set_clock(kind);
    report.set_armed_by_sequence(Clock(kind).armed_by);
    report.set_rung(Clock(kind).rung);
    report.set_round(round);
    report.set_unreachable(!reached);
    return event;
  }
  void ExpectExplained(type::v1::ClockKind kind) {
    const auto derivation = Explain(order_, Clock(kind), deadlines_);
    ASSERT_TRUE(derivation.ok()) << derivation.status();
    const absl::Status verified = derivation::VerifyClockDerivation(*derivation);
    EXPECT_TRUE(verified.ok()) << verified << "\n" << derivation->DebugString();
    if (!derivation->paused()) {
      EXPECT_EQ(FromProto(derivation->result_time()), Clock(kind).due);
    }
    EXPECT_EQ(derivation->provisional(), Clock(kind).provisional);
  }
  std::string ExplainedInChinese(type::v1::ClockKind kind) {
    const auto derivation = Explain(order_, Clock(kind), deadlines_);
    return derivation.ok() ? ExplainInChinese(*derivation) : std::string(derivation.status().message());
  }
  // The events give the same once more, and by what is in force at the end.
  void ExpectReplayed() {
    OrderClocks again;
    for (const type::v1::Event& event : events_) again = Apply(again, event, deadlines_, "12345");
    EXPECT_TRUE(again == order_);
  }

  EventMaker make_;
  int64_t id_ = kId;  // of the order that is on offer
  Deadlines deadlines_ = County();
  OrderClocks order_;
  std::vector<type::v1::Event> events_;
};

TEST_F(WorkingClocksTest, LimitsRunInTheCountysOwnWorkingTime) {
  // A Monday in September 2026: summer hours end at 20:00. The week after has 中秋节 on Friday the 25th.
  Dispatch(At("2026-09-21 11:00"));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SIGN).due), "2026-09-22 20:00");
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FIRST_CONTACT).due), "2026-09-22 20:00");
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).provisional) << "the region's own holidays of 2026 are not known here";
  ExpectExplained(CLOCK_KIND_FINISH);
  // Four working hours before the close: the summer afternoon has three and a half, so half an hour of the
  // morning.
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SIGN).remind), "2026-09-22 13:00");
  // Three working days are left from the opening of the third last.
  const auto opening = deadlines_.CalendarOf(Clock(CLOCK_KIND_FINISH).rule, "chengguan")
                           ->Measure(Clock(CLOCK_KIND_FINISH).remind, Clock(CLOCK_KIND_FINISH).due,
                                     type::v1::TIME_KIND_WORKING_HOURS);
  EXPECT_EQ(opening->amount, 3 * 7 * 3600);
}

TEST_F(WorkingClocksTest, TheCalendarIsTheDutyUnitsOwn) {
  Use(make_.Registered(kId, At("2026-09-25 21:00")));
  Use(make_.Accepted(kId, At("2026-09-25 21:00")));
  Use(make_.Dispatched(kId, At("2026-09-25 21:00"), "gongan"));
  // The day after, at 24:00: the police work around the clock, holiday or not.
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SIGN).due), "2026-09-27 00:00");
  type::v1::Event reassigned = make_.Make(kId, type::v1::ORDER_STATE_DISPATCHED, At("2026-09-25 21:10"));
  reassigned.mutable_reassigned()->mutable_dispatch()->set_lead_unit("chengguan");
  Use(reassigned);
  EXPECT_GT(Clock(CLOCK_KIND_SIGN).due, At("2026-09-27 10:00"));
}

// 回避: the time goes on, but no longer at the cost of who is accused, and nobody there is told.
TEST_F(WorkingClocksTest, AnAccusedLeadUnitLosesItsDutiesToTheDesk) {
  Dispatch(At("2026-09-21 11:00"));
  const absl::Time due = Clock(CLOCK_KIND_FINISH).due;
  type::v1::Event accused = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At("2026-09-21 17:00"));
  accused.mutable_accused()->mutable_accusation()->add_units("chengguan");
  accused.mutable_accused()->set_recused_lead("chengguan");
  Use(accused);
  EXPECT_THAT(Live(), testing::UnorderedElementsAre(CLOCK_KIND_FIRST_CONTACT, CLOCK_KIND_FINISH));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "12345");
  EXPECT_EQ(Clock(CLOCK_KIND_FIRST_CONTACT).duty_party, "12345");
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, due);
  EXPECT_THAT(order_.accused_units, testing::ElementsAre("chengguan"));
  ExpectExplained(CLOCK_KIND_FINISH);
  const v1::TimeLedger ledger = BuildTimeLedger(events_, deadlines_, "12345", At("2026-09-21 18:00"));
  EXPECT_EQ(ledger.stretches().rbegin()->party(), "12345");

  // Or another unit has it at once.
  type::v1::Event handed_on = make_.Make(kId, type::v1::ORDER_STATE_DISPATCHED, At("2026-09-21 18:00"));
  handed_on.mutable_accused()->mutable_accusation()->add_units("shuiwu");
  handed_on.mutable_accused()->mutable_accusation()->mutable_dispatch()->set_lead_unit("gongan");
  Use(handed_on);
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).duty_party, "gongan");
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "gongan");
  EXPECT_EQ(
      BuildTimeLedger(events_, deadlines_, "12345", At("2026-09-21 19:00")).stretches().rbegin()->party(),
      "gongan");
}

// While it is suspended too: resumed at once it would end when it would have ended with the unit.
TEST_F(WorkingClocksTest, ASuspendedClockThatPassesToOtherDaysKeepsItsDeadline) {
  Dispatch(At("2026-09-21 11:00"));
  Use(Suspended(At("2026-09-22 12:00"), At("2026-10-12 10:00")));
  const absl::Time at = At("2026-09-23 17:00");
  const absl::Time finish = DueAt(Clock(CLOCK_KIND_FINISH), at, deadlines_);
  const absl::Time contact = DueAt(Clock(CLOCK_KIND_FIRST_CONTACT), at, deadlines_);
  type::v1::Event accused = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, at);
  accused.mutable_accused()->mutable_accusation()->add_units("chengguan");
  accused.mutable_accused()->set_recused_lead("chengguan");
  Use(accused);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "12345");
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).state, v1::CLOCK_STATE_PAUSED);
  EXPECT_EQ(DueAt(Clock(CLOCK_KIND_FINISH), at, deadlines_), finish);
  EXPECT_EQ(DueAt(Clock(CLOCK_KIND_FIRST_CONTACT), at, deadlines_), contact);
  ExpectExplained(CLOCK_KIND_FINISH);
}

// A restored site learns what it had offered after the work has gone on: the time stays the unit's, and the
// caller is still to be called back.
TEST_F(WorkingClocksTest, AnOfferFoundAgainTakesNoTimeFromWhoWorks) {
  Dispatch(At("2026-09-21 11:00"));
  Use(make_.OfferedFound(kId, At("2026-09-21 12:00")));
  const auto party = [&](const char* until) {
    return BuildTimeLedger(events_, deadlines_, "12345", At(until)).stretches().rbegin()->party();
  };
  EXPECT_EQ(party("2026-09-21 13:00"), "chengguan");
  Use(make_.Replied(kId, At("2026-09-21 17:00")));
  Use(make_.OfferedFound(kId, At("2026-09-21 17:30")));
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_CALL_BACK));
}

TEST_F(WorkingClocksTest, ASuspensionAddsAndLosesNoWorkingTime) {
  Dispatch(At("2026-09-21 11:00"));
  const absl::Time due = Clock(CLOCK_KIND_FINISH).due;
  const calendar::Calendar& office = *deadlines_.CalendarOf(Clock(CLOCK_KIND_FINISH).rule, "chengguan");
  const absl::Time pause = At("2026-09-22 12:00");
  const auto left = office.Measure(pause, due, type::v1::TIME_KIND_WORKING_HOURS);
  Use(Suspended(pause, At("2026-10-12 10:00")));
  EXPECT_THAT(Live(), testing::UnorderedElementsAre(CLOCK_KIND_SIGN, CLOCK_KIND_FIRST_CONTACT,
                                                    CLOCK_KIND_FINISH, CLOCK_KIND_SUSPENSION_REVIEW));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Seconds(left->amount));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).next, absl::InfiniteFuture());
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SUSPENSION_REVIEW).due), "2026-10-12 10:00");
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SUSPENSION_REVIEW).next), "2026-10-12 06:00")
      << "a reminder four hours before";
  ExpectExplained(CLOCK_KIND_FINISH);
  ExpectExplained(CLOCK_KIND_SUSPENSION_REVIEW);
  // Over the national holiday, and into winter hours.
  const absl::Time resume = At("2026-10-09 23:00");
  Use(make_.Resumed(kId, resume));
  const auto left_then =
      office.Measure(resume, Clock(CLOCK_KIND_FINISH).due, type::v1::TIME_KIND_WORKING_HOURS);
  EXPECT_EQ(left_then->amount, left->amount);
  EXPECT_EQ(Clock(CLOCK_KIND_SUSPENSION_REVIEW).state, v1::CLOCK_STATE_STOPPED);
  ExpectExplained(CLOCK_KIND_FINISH);
  const std::string text = ExplainInChinese(*Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_));
  EXPECT_THAT(text, HasSubstr("5个工作日"));
  EXPECT_THAT(text, HasSubstr("挂起，剩余"));
  EXPECT_THAT(text, HasSubstr("恢复计时"));
  EXPECT_THAT(text, HasSubstr("恰政办发〔2024〕6号"));
}

TEST_F(WorkingClocksTest, AnExtensionCountsFromTheDeadline) {
  Dispatch(At("2026-09-21 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-09-23 20:00");
  Use(Granted(At("2026-09-23 10:00"), type::v1::TIME_KIND_WORKING_DAYS, 1));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-09-24 20:00");
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(Suspended(At("2026-09-24 11:00"), At("2026-09-30 11:00")));
  Use(Granted(At("2026-09-24 12:00"), type::v1::TIME_KIND_WORKING_HOURS, 3600));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(7));  // six that were left, and one
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(make_.Resumed(kId, At("2026-09-28 10:00")));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-09-28 20:00");
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(make_.Extended(kId, At("2026-09-28 11:00"), At("2026-09-30 23:30")));
  Use(Suspended(At("2026-09-29 19:00"), At("2026-10-30 11:00")));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(8)) << "work ends at 20:00, whatever was granted";
  ExpectExplained(CLOCK_KIND_FINISH);
}

// Whoever works around the clock has deadlines at 24:00, which belong to the day that they end: two days more
// are 48 hours more, in whatever they are counted, and while the clock stands still, too.
TEST_F(WorkingClocksTest, MoreDaysAfterADeadlineAtMidnightCountFromTheDayItEnds) {
  const struct {
    type::v1::TimeKind kind;
    int64_t value;
  } kMore[] = {{type::v1::TIME_KIND_WORKING_DAYS, 2},
               {type::v1::TIME_KIND_NATURAL_DAYS, 2},
               {type::v1::TIME_KIND_WORKING_HOURS, 48 * 3600},
               {type::v1::TIME_KIND_CLOCK_TIME, 48 * 3600}};
  for (const auto& more : kMore) {
    SCOPED_TRACE(type::v1::TimeKind_Name(more.kind));
    for (const bool paused : {false, true}) {
      order_ = {};
      events_.clear();
      Use(make_.Registered(kId, At("2026-12-01 10:00"), type::v1::URGENCY_NORMAL,
                           type::v1::ORDER_TYPE_CONSULTATION));
      Use(make_.Accepted(kId, At("2026-12-01 10:00")));
      Use(make_.Dispatched(kId, At("2026-12-01 10:00"), "gongan"));
      ASSERT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-04 00:00");
      if (paused) {
        Use(Suspended(At("2026-12-02 10:00"), At("2026-12-12 10:00")));
        ASSERT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(38));
      }
      Use(Granted(At("2026-12-03 10:00"), more.kind, more.value));
      EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-06 00:00");
      ExpectExplained(CLOCK_KIND_FINISH);
      if (paused) {
        EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(38 + 48));
        Use(make_.Resumed(kId, At("2026-12-07 10:00")));
        EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-11 00:00");
        ExpectExplained(CLOCK_KIND_FINISH);
      }
      // And more again.
      const absl::Time before = Clock(CLOCK_KIND_FINISH).due;
      Use(Granted(Clock(CLOCK_KIND_FINISH).due - absl::Hours(20), more.kind, more.value));
      EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, before + absl::Hours(48));
      ExpectExplained(CLOCK_KIND_FINISH);
      ExpectReplayed();
    }
  }
  // From midnight on it would be another day more, and a verifier sees that.
  order_ = {};
  Use(make_.Registered(kId, At("2026-12-01 10:00"), type::v1::URGENCY_NORMAL,
                       type::v1::ORDER_TYPE_CONSULTATION));
  Use(make_.Accepted(kId, At("2026-12-01 10:00")));
  Use(make_.Dispatched(kId, At("2026-12-01 10:00"), "gongan"));
  const absl::Time due = Clock(CLOCK_KIND_FINISH).due;
  Use(Granted(At("2026-12-03 10:00"), type::v1::TIME_KIND_WORKING_DAYS, 2));
  EXPECT_THAT(ExplainedInChinese(CLOCK_KIND_FINISH),
              HasSubstr("批准延期2个工作日，时限至2026年12月06日00:00:00"));
  v1::ClockDerivation late = *Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_);
  v1::DerivationStep& step = *late.mutable_steps(0);
  *step.mutable_derivation() = *deadlines_.CalendarOf(Clock(CLOCK_KIND_FINISH).rule, "gongan")
                                    ->Derive(due, 2, type::v1::TIME_KIND_WORKING_DAYS);
  *step.mutable_due_time() = step.derivation().result_time();
  *late.mutable_result_time() = step.derivation().result_time();
  EXPECT_EQ(Show(FromProto(late.result_time())), "2026-12-07 00:00");
  EXPECT_EQ(error::FieldOf(derivation::VerifyClockDerivation(late)), "steps[0].derivation.start_time");
}

// A unit with office hours that was given until midnight, and then a working day.
TEST_F(WorkingClocksTest, MoreDaysAfterAnInstantAtMidnightCountFromTheDayItEnds) {
  Dispatch(At("2026-12-01 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
  Use(make_.Extended(kId, At("2026-12-02 11:00"), At("2026-12-04 00:00")));
  Use(Granted(At("2026-12-03 11:00"), type::v1::TIME_KIND_WORKING_DAYS, 1));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due).substr(0, 10), "2026-12-04") << "a Friday";
  ExpectExplained(CLOCK_KIND_FINISH);
  // Not where days are 24 hours, for want of a calendar.
  order_ = {};
  events_.clear();
  deadlines_ = Deadlines(TestPolicy());
  Dispatch(At("2026-12-03 23:00"));
  ASSERT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-04 00:00");
  Use(Granted(At("2026-12-03 23:30"), type::v1::TIME_KIND_WORKING_DAYS, 2));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At("2026-12-06 00:00"));
  ExpectExplained(CLOCK_KIND_FINISH);
}

TEST_F(WorkingClocksTest, TheLadderCountsDaysFromTheDayThatADeadlineEnds) {
  Use(make_.Registered(kId, At("2026-12-01 10:00"), type::v1::URGENCY_NORMAL,
                       type::v1::ORDER_TYPE_CONSULTATION));
  Use(make_.Accepted(kId, At("2026-12-01 10:00")));
  Use(make_.Dispatched(kId, At("2026-12-01 10:00"), "gongan"));
  std::vector<std::string> rungs;
  for (int i = 0; i < 10 && Clock(CLOCK_KIND_FINISH).next_rung != type::v1::RUNG_UNSPECIFIED; ++i) {
    const OrderClock clock = Clock(CLOCK_KIND_FINISH);
    rungs.push_back(absl::StrCat(RungName(clock.next_rung), " ", Show(clock.next)));
    Climb(CLOCK_KIND_FINISH, clock.next);
  }
  EXPECT_THAT(rungs, ElementsAre("remind 2026-12-03 00:00", "urge 2026-12-04 00:00",
                                 "supervise 2026-12-05 00:00", "circulate 2026-12-09 00:00"));
}

TEST_F(WorkingClocksTest, TheLadderGoesUpInWorkingDays) {
  Dispatch(At("2026-09-14 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
  std::vector<std::string> rungs;
  for (int i = 0; i < 10 && Clock(CLOCK_KIND_FINISH).next_rung != type::v1::RUNG_UNSPECIFIED; ++i) {
    const OrderClock clock = Clock(CLOCK_KIND_FINISH);
    rungs.push_back(absl::StrCat(RungName(clock.next_rung), " ", Show(clock.next)));
    Climb(CLOCK_KIND_FINISH, clock.next);
  }
  EXPECT_THAT(rungs, ElementsAre("remind 2026-09-16 10:00", "urge 2026-09-16 20:00",
                                 "supervise 2026-09-17 20:00", "circulate 2026-09-22 20:00"))
      << "the 20th is a make-up Sunday";
}

TEST_F(WorkingClocksTest, AnEmergencyClimbsInMinutesUpToTheDisciplineOffice) {
  Dispatch(At("2026-09-14 03:00"), type::v1::URGENCY_EMERGENCY);
  std::vector<std::string> rungs;
  for (int i = 0; i < 10 && Clock(CLOCK_KIND_SIGN).next_rung != type::v1::RUNG_UNSPECIFIED; ++i) {
    const OrderClock clock = Clock(CLOCK_KIND_SIGN);
    rungs.push_back(absl::StrCat(RungName(clock.next_rung), " ", Show(clock.next)));
    Climb(CLOCK_KIND_SIGN, clock.next);
  }
  EXPECT_THAT(rungs,
              ElementsAre("remind 2026-09-14 03:07", "urge 2026-09-14 03:10", "supervise 2026-09-14 03:15",
                          "circulate 2026-09-14 05:10", "discipline 2026-09-15 03:10"));
}

TEST_F(WorkingClocksTest, ARungThatReachedNobodyHurriesTheNext) {
  Dispatch(At("2026-09-14 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
  Climb(CLOCK_KIND_FINISH, At("2026-09-16 10:00"));
  Use(Notified(CLOCK_KIND_FINISH, At("2026-09-16 10:01"), 1, false));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).next), "2026-09-16 20:00") << "nothing is urged before it is due";
  Climb(CLOCK_KIND_FINISH, At("2026-09-16 20:00"));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).next), "2026-09-17 20:00");
  Use(Notified(CLOCK_KIND_FINISH, At("2026-09-16 20:01"), 1, false));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).next_rung, type::v1::RUNG_SUPERVISE);
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).next), "2026-09-16 20:01");
  Climb(CLOCK_KIND_FINISH, At("2026-09-16 20:01"));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).next), "2026-09-22 20:00") << "the one after comes at its own time";
}

// Nobody's absence makes a breach graver.
TEST_F(WorkingClocksTest, NoDocumentComesEarlierForThat) {
  Dispatch(At("2026-09-14 11:00"), type::v1::URGENCY_URGENT);
  for (const char* remind_and_urge : {"2026-09-14 11:20", "2026-09-14 11:30"}) {
    Climb(CLOCK_KIND_SIGN, At(remind_and_urge));
  }
  Use(Notified(CLOCK_KIND_SIGN, At("2026-09-14 11:31"), 1, false));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).next_rung, type::v1::RUNG_SUPERVISE);
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SIGN).next), "2026-09-14 11:31");
  Climb(CLOCK_KIND_SIGN, At("2026-09-14 11:31"));
  Use(Notified(CLOCK_KIND_SIGN, At("2026-09-14 11:32"), 1, false));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).next_rung, type::v1::RUNG_CIRCULATE);
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SIGN).next), "2026-09-15 11:30");
  Climb(CLOCK_KIND_SIGN, At("2026-09-15 11:30"));
  Use(Notified(CLOCK_KIND_SIGN, At("2026-09-15 11:31"), 1, false));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).next_rung, type::v1::RUNG_DISCIPLINE);
  EXPECT_EQ(Show(Clock(CLOCK_KIND_SIGN).next), "2026-09-17 11:30");
}

// One duty has one deadline, though the hotline that gave the order knows nothing of the other's units: each
// hands over an inquiry on the Thursday before the Mid-Autumn holiday. 12345's units work as offices do,
// those of 110 around the clock.
TEST_F(WorkingClocksTest, WhatWasHandedOverIsDueAtTheSameInstantAtBothHotlines) {
  const auto at_site = [](const std::string& site, const std::string& peer) {
    Publication rules = Shipped();
    rules.parties = {.units = {{"gongan", "always"}, {"zhian", "always"}}, .site = site, .peers = {peer}};
    return rules;
  };
  const auto finish = [](const OrderClocks& order) {
    const auto found = std::find_if(order.clocks.begin(), order.clocks.end(), [](const OrderClock& clock) {
      return clock.kind == CLOCK_KIND_FINISH && clock.live();
    });
    EXPECT_NE(found, order.clocks.end());
    return found == order.clocks.end() ? OrderClock() : *found;
  };
  struct Way {
    const char* from;
    const char* to;
    const char* unit;
    const char* inquiry_due;
  };
  for (const Way& way : {Way{"110", "12345", "chengguan", "2026-09-29 20:00"},
                         Way{"12345", "110", "zhian", "2026-09-27 00:00"}}) {
    const Publication giver_rules = at_site(way.from, way.to);
    const Deadlines giver(std::vector<Publication>{giver_rules});
    const Deadlines taker(std::vector<Publication>{at_site(way.to, way.from)});
    for (int type = 1; type < type::v1::OrderType_ARRAYSIZE; ++type) {
      if (!type::v1::OrderType_IsValid(type)) continue;
      SCOPED_TRACE(absl::StrCat(way.from, " to ", way.to, ", type ", type));
      OrderClocks here;
      OrderClocks there;
      const auto both = [&](const type::v1::Event& event, absl::Time at) {
        here = Apply(here, event, taker, way.to);
        type::v1::Event mirrored = event;
        *mirrored.mutable_commit_time() = ToProto(at + absl::Milliseconds(40));
        there = Apply(there, mirrored, giver, way.from);
      };
      EventMaker make;
      both(make.Registered(kId, At("2026-09-24 10:00"), type::v1::URGENCY_NORMAL,
                           static_cast<type::v1::OrderType>(type)),
           At("2026-09-24 10:00"));
      both(make.Accepted(kId, At("2026-09-24 10:30"), way.to), At("2026-09-24 10:30"));
      EXPECT_EQ(finish(there).duty_party, way.to);
      both(make.Dispatched(kId, At("2026-09-24 11:00"), way.unit), At("2026-09-24 11:00"));
      EXPECT_EQ(finish(there).duty_party, way.to);
      EXPECT_EQ(finish(here).duty_party, way.unit);
      EXPECT_EQ(Show(finish(there).due), Show(finish(here).due));
      if (type == type::v1::ORDER_TYPE_CONSULTATION) {
        EXPECT_EQ(Show(finish(there).due), way.inquiry_due);
      }
      // A publication that changes nothing moves nothing.
      Publication next = giver_rules;
      next.number = 2;
      next.time = At("2026-09-24 12:00");
      EXPECT_FALSE(MovedTo(there, finish(there), 2, giver.With(std::move(next))).has_value());
    }
  }
}

TEST_F(WorkingClocksTest, AReturnersTimeRunsOnUntilSomebodyElseHasTheOrder) {
  Dispatch(At("2026-09-14 11:00"));
  const int64_t armed = Clock(CLOCK_KIND_FINISH).armed_by;
  Use(UnitReturned(At("2026-09-15 11:00")));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).state, v1::CLOCK_STATE_STOPPED);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).armed_by, armed);
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).live());
  Use(make_.Dispatched(kId, At("2026-09-16 11:00"), "shuiwu"));
  EXPECT_NE(Clock(CLOCK_KIND_FINISH).armed_by, armed);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "shuiwu");
  for (const OrderClock& clock : order_.clocks) {
    if (clock.kind == CLOCK_KIND_FINISH && clock.armed_by == armed) {
      EXPECT_EQ(clock.stop, At("2026-09-16 11:00"));
    }
  }
  const v1::TimeLedger ledger = BuildTimeLedger(events_, deadlines_, "12345", At("2026-09-17 11:00"));
  EXPECT_EQ(UnsoundLedger(ledger), "");
  absl::Duration chengguan;
  for (const v1::TimeSum& sum : ledger.sums()) {
    if (sum.party() == "chengguan") chengguan += absl::Seconds(sum.length().seconds());
  }
  EXPECT_EQ(chengguan, absl::Hours(48)) << "the day it took to find another is the returner's too";
}

TEST_F(WorkingClocksTest, TheOtherClocksOfTheTable) {
  Dispatch(At("2026-09-14 11:00"));
  Use(Contacted(At("2026-09-14 12:00"), false));
  EXPECT_TRUE(Clock(CLOCK_KIND_FIRST_CONTACT).live()) << "an attempt is none";
  Use(Contacted(At("2026-09-14 13:00"), true));
  EXPECT_EQ(Clock(CLOCK_KIND_FIRST_CONTACT).stop, At("2026-09-14 13:00"));
  type::v1::Event reassigned = make_.Make(kId, type::v1::ORDER_STATE_DISPATCHED, At("2026-09-14 14:00"));
  reassigned.mutable_reassigned()->mutable_dispatch()->set_lead_unit("shuiwu");
  Use(reassigned);
  EXPECT_FALSE(Clock(CLOCK_KIND_FIRST_CONTACT).live()) << "the caller was reached already";
  Use(make_.Replied(kId, At("2026-09-15 11:00")));
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_CALL_BACK));
  EXPECT_EQ(Clock(CLOCK_KIND_CALL_BACK).duty_party, "12345");
  EXPECT_EQ(Show(Clock(CLOCK_KIND_CALL_BACK).due), "2026-09-16 20:00");
  type::v1::Event called = make_.Make(kId, type::v1::ORDER_STATE_CALLED_BACK, At("2026-09-16 12:00"));
  called.mutable_called_back();
  Use(called);
  EXPECT_THAT(Live(), IsEmpty());
  Use(make_.Redone(kId, At("2026-09-16 13:00")));
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_FINISH, CLOCK_KIND_FIRST_CONTACT));
}

TEST_F(WorkingClocksTest, AnonymousCallersAreNotCalledAndOthersOrdersAreReportedBack) {
  type::v1::Event registered = make_.Registered(kId, At("2026-09-14 11:00"));
  registered.mutable_registered()->set_anonymous(true);
  registered.mutable_registered()->set_origin_hotline("12345");
  Use(registered);
  Use(make_.Accepted(kId, At("2026-09-14 11:00")));
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_FINISH));
  Use(make_.Replied(kId, At("2026-09-14 12:00")));
  EXPECT_THAT(Live(), IsEmpty());

  order_ = OrderClocks();
  type::v1::Event understood = make_.Understood(8, At("2026-09-14 11:00"), "110");
  understood.mutable_understood()->mutable_registered()->set_origin_hotline("110");
  order_ = Apply(order_, understood, deadlines_, "12345");
  order_ = Apply(order_, make_.Accepted(8, At("2026-09-14 11:10")), deadlines_, "12345");
  order_ = Apply(order_, make_.Replied(8, At("2026-09-14 12:00")), deadlines_, "12345");
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_RESULT_BACK));
  // Nor that it has not arrived: its deadline may pass without anything being late.
  const absl::Time due = Clock(CLOCK_KIND_RESULT_BACK).due;
  EXPECT_LT(due, At("2026-09-16 12:00"));
  const auto shown = [&](const OrderClocks& order) {
    return Describe(order, order.clocks.back(), At("2026-09-20 12:00"), deadlines_);
  };
  EXPECT_EQ(shown(order_).lamp(), v1::LAMP_GREEN);
  EXPECT_FALSE(shown(order_).breached());
  // It had not if its rung was taken.
  const type::v1::Escalation urge =
      RungCommand(order_, Clock(CLOCK_KIND_RESULT_BACK), type::v1::RUNG_URGE, deadlines_).escalation();
  const OrderClocks urged = Apply(order_, make_.Escalated(8, due, urge), deadlines_, "12345");
  EXPECT_EQ(shown(urged).lamp(), v1::LAMP_RED);
  EXPECT_TRUE(shown(urged).breached());
  type::v1::Event called = make_.Make(8, type::v1::ORDER_STATE_CALLED_BACK, At("2026-10-16 12:00"));
  called.mutable_called_back();
  order_ = Apply(order_, called, deadlines_, "12345");
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_FALSE(Clock(CLOCK_KIND_RESULT_BACK).breached) << "when it arrived is not known here";
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_RESULT_BACK), At("2026-10-20 12:00")), v1::LAMP_GREEN);
}

TEST_F(WorkingClocksTest, APublicationMovesOpenClocksAndRewritesNothing) {
  Dispatch(At("2026-09-14 11:00"));
  const OrderClock before = Clock(CLOCK_KIND_FINISH);
  EXPECT_EQ(Show(before.due), "2026-09-20 20:00");
  Use(make_.Signed(kId, At("2026-09-14 12:00")));
  const OrderClock sign = Clock(CLOCK_KIND_SIGN);
  deadlines_ = WithHoliday(deadlines_, "2026-09-17", At("2026-09-15 09:00"));
  EXPECT_FALSE(MovedTo(order_, sign, 2, deadlines_).has_value()) << "what is over stays as it was";
  const auto moved = MovedTo(order_, before, 2, deadlines_);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(Show(moved->due), "2026-09-21 20:00");
  const type::v1::Command command = MoveCommand(order_, before, *moved, deadlines_);
  EXPECT_THAT(command.header().request_id(), testing::MatchesRegex("move/[0-9A-Z]{13}/finish/3/2"));
  EXPECT_EQ(command.deadline_move().reason(), type::v1::DEADLINE_MOVE_REASON_CALENDAR);
  EXPECT_EQ(command.deadline_move().note(), "临时放假通知");
  EXPECT_THAT(command.deadline_move().calendar_version(), HasSubstr("kizilsu@test-2"));
  type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At("2026-09-15 09:01"));
  *event.mutable_deadline_moved() = command.deadline_move();
  Use(event);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, moved->due);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).rule.publication, 2);
  EXPECT_FALSE(MovedTo(order_, Clock(CLOCK_KIND_FINISH), 2, deadlines_).has_value()) << "once";
  ExpectExplained(CLOCK_KIND_FINISH);
  EXPECT_THAT(ExplainInChinese(*Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_)),
              HasSubstr("临时放假"));
}

// An ordinary offer that was read on a Friday at 19:00 was once in doubt at 21:00 and taken back at 23:00,
// while the peer had until Monday to accept it.
TEST_F(WorkingClocksTest, AnOfferThatWasReadIsNotDoubtedInThePeersWorkingTime) {
  const absl::Time offered = At("2026-09-11 19:00") - absl::Milliseconds(250);
  const absl::Time read = At("2026-09-11 19:00");
  Offer(offered);
  EXPECT_EQ(Clock(CLOCK_KIND_CONFIRM).due, offered + absl::Hours(2)) << "unread";
  Use(make_.Received(id_, read));
  EXPECT_EQ(Clock(CLOCK_KIND_CONFIRM).due, offered + absl::Hours(2)) << "durable there, and not read";
  EXPECT_TRUE(Clock(CLOCK_KIND_CONFIRM).history.empty());
  Use(make_.Understood(id_, read + absl::Milliseconds(10)));
  const OrderClock confirm = Clock(CLOCK_KIND_CONFIRM);
  EXPECT_EQ(Show(confirm.due), "2026-09-14 11:00");
  EXPECT_EQ(confirm.due, Clock(CLOCK_KIND_PEER_ACCEPTANCE).due);
  EXPECT_EQ(confirm.next, confirm.due);
  EXPECT_EQ(confirm.next_rung, type::v1::RUNG_DOUBT);
  EXPECT_EQ(LampAt(confirm, At("2026-09-12 12:00")), v1::LAMP_GREEN);
  EXPECT_FALSE(confirm.breached);
  ExpectExplained(CLOCK_KIND_CONFIRM);
  EXPECT_THAT(
      ExplainedInChinese(CLOCK_KIND_CONFIRM),
      testing::AllOf(HasSubstr("时限由工单自身载明：2026年09月11日20:59:59"),
                     HasSubstr("对方110已阅知，其受理时限（2小时工作时间）至2026年09月14日11:00:00届满"),
                     HasSubstr("结论：时限为2026年09月14日11:00:00")));
  // It moves with the peer's days, there and back.
  deadlines_ = WithHoliday(deadlines_, "2026-09-14", At("2026-09-12 09:00"));
  MoveAcceptance(At("2026-09-12 09:01"));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_CONFIRM).due), "2026-09-15 11:00");
  ExpectExplained(CLOCK_KIND_CONFIRM);
  EXPECT_THAT(ExplainedInChinese(CLOCK_KIND_CONFIRM), HasSubstr("临时放假"));
  Publication back = Shipped();
  back.number = 3;
  back.time = At("2026-09-12 10:00");
  deadlines_ = deadlines_.With(std::move(back));
  MoveAcceptance(At("2026-09-12 10:01"));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_CONFIRM).due), "2026-09-14 11:00");
  ExpectExplained(CLOCK_KIND_CONFIRM);
  // The rung names the offer by what the order carries, and says what it waited for.
  const type::v1::Command doubt =
      RungCommand(order_, Clock(CLOCK_KIND_CONFIRM), type::v1::RUNG_DOUBT, deadlines_);
  EXPECT_EQ(FromProto(doubt.escalation().due_time()), offered + absl::Hours(2));
  EXPECT_EQ(Show(FromProto(doubt.escalation().rung_time())), "2026-09-14 11:00");
  // Then the desks have their time.
  Use(make_.InDoubt(id_, At("2026-09-14 11:00"), doubt.escalation(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE,
                    At("2026-09-14 13:00")));
  const OrderClock voice = Clock(CLOCK_KIND_VOICE);
  EXPECT_EQ(Show(voice.due), "2026-09-14 13:00");
  EXPECT_FALSE(RungCommand(order_, voice, type::v1::RUNG_KEEP, deadlines_).escalation().has_rung_time());
  ExpectExplained(CLOCK_KIND_VOICE);
  ExpectReplayed();
}

// A publication takes the wait back when the confirm-by and the keep-by time are over: the desks have yet to
// be told to telephone.
TEST_F(WorkingClocksTest, AWaitThatIsTakenBackLeavesTheDesksTheirTime) {
  const absl::Time offered = At("2026-09-11 19:00");
  Offer(offered);
  Use(make_.Understood(id_, offered));
  ASSERT_EQ(Show(Clock(CLOCK_KIND_CONFIRM).due), "2026-09-14 11:00");
  Publication around = Shipped();
  around.number = 2;
  around.time = At("2026-09-12 10:00");
  for (auto& rule : *around.policy.mutable_rules()) {
    if (rule.clock() != CLOCK_KIND_PEER_ACCEPTANCE) continue;
    rule.mutable_limit()->Clear();
    rule.mutable_limit()->set_minutes(30);
    rule.clear_remind_before();
    rule.set_calendar("always");
  }
  deadlines_ = deadlines_.With(std::move(around));
  MoveAcceptance(At("2026-09-12 10:01"));
  const OrderClock confirm = Clock(CLOCK_KIND_CONFIRM);
  EXPECT_EQ(confirm.due, offered + absl::Hours(2));
  const type::v1::Escalation doubt =
      RungCommand(order_, confirm, type::v1::RUNG_DOUBT, deadlines_).escalation();
  EXPECT_EQ(FromProto(doubt.due_time()), offered + absl::Hours(2));
  EXPECT_TRUE(doubt.has_rung_time());
  ExpectReplayed();
}

// What a message to the desk names is when the clock ended, not what names the offer.
TEST(DeadlineOfTest, IsWhatTheClockWaitedFor) {
  type::v1::Escalation rung;
  *rung.mutable_due_time() = ToProto(At("2026-09-11 21:00"));
  for (const auto clock : {CLOCK_KIND_CONFIRM, CLOCK_KIND_VOICE, CLOCK_KIND_FINISH}) {
    rung.set_clock(clock);
    rung.clear_rung_time();
    EXPECT_EQ(Show(DeadlineOf(rung)), "2026-09-11 21:00");
    *rung.mutable_rung_time() = ToProto(At("2026-09-14 11:00"));
    EXPECT_EQ(Show(DeadlineOf(rung)), clock == CLOCK_KIND_FINISH ? "2026-09-11 21:00" : "2026-09-14 11:00");
  }
}

TEST_F(WorkingClocksTest, OnlyAnOfferThatWasReadWaitsAndOnlyForWorkingTime) {
  const absl::Time at = At("2026-09-11 19:00");
  for (const auto urgency : {type::v1::URGENCY_URGENT, type::v1::URGENCY_EMERGENCY}) {
    SCOPED_TRACE(urgency);
    const absl::Duration within = urgency == type::v1::URGENCY_URGENT ? absl::Minutes(30) : absl::Minutes(3);
    order_ = OrderClocks();
    ++id_;
    Offer(at, within, urgency);
    // The peer's own time ends a little later than what the offer says, and is not waited for.
    Use(make_.Understood(id_, at + absl::Seconds(20)));
    EXPECT_GT(Clock(CLOCK_KIND_PEER_ACCEPTANCE).due, at + within);
    EXPECT_EQ(Clock(CLOCK_KIND_CONFIRM).due, at + within);
    EXPECT_TRUE(Clock(CLOCK_KIND_CONFIRM).history.empty());
    const auto doubt = RungCommand(order_, Clock(CLOCK_KIND_CONFIRM), type::v1::RUNG_DOUBT, deadlines_);
    EXPECT_FALSE(doubt.escalation().has_rung_time());
    Use(make_.InDoubt(id_, at + within, doubt.escalation(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE,
                      at + 2 * within));
    EXPECT_EQ(Clock(CLOCK_KIND_VOICE).due, at + 2 * within);
  }
  // In the middle of a working day the two hours are the same.
  order_ = OrderClocks();
  ++id_;
  Offer(At("2026-09-14 10:30"));
  Use(make_.Understood(id_, At("2026-09-14 10:30")));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_CONFIRM).due), "2026-09-14 12:30");
  EXPECT_TRUE(Clock(CLOCK_KIND_CONFIRM).history.empty());
}

// The doubt was declared before the receipt was known, or of an offer that was durable and not yet read.
TEST_F(WorkingClocksTest, AnOfferThatIsReadInDoubtIsNotTakenBackInThePeersWorkingTime) {
  const absl::Time offered = At("2026-09-11 18:30");
  for (const bool crossed : {false, true}) {
    SCOPED_TRACE(crossed);
    order_ = OrderClocks();
    events_.clear();
    ++id_;
    Offer(offered);
    Use(make_.Received(id_, At("2026-09-11 20:29")));
    const type::v1::Escalation doubt =
        RungCommand(order_, Clock(CLOCK_KIND_CONFIRM), type::v1::RUNG_DOUBT, deadlines_).escalation();
    if (crossed) Use(make_.Understood(id_, At("2026-09-11 20:30")));
    Use(make_.InDoubt(id_, At("2026-09-11 20:30"), doubt, type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE,
                      offered + absl::Hours(4)));
    const absl::Time confirm = Clock(CLOCK_KIND_CONFIRM).due;
    if (!crossed) {
      EXPECT_EQ(Show(Clock(CLOCK_KIND_VOICE).due), "2026-09-11 22:30");
      Use(make_.Understood(id_, At("2026-09-11 20:31")));
    }
    EXPECT_EQ(Clock(CLOCK_KIND_CONFIRM).due, confirm) << "its rung is taken";
    EXPECT_EQ(Show(Clock(CLOCK_KIND_VOICE).due), "2026-09-14 12:00");
    const type::v1::Escalation keep =
        RungCommand(order_, Clock(CLOCK_KIND_VOICE), type::v1::RUNG_KEEP, deadlines_).escalation();
    EXPECT_EQ(FromProto(keep.due_time()), offered + absl::Hours(4));
    EXPECT_EQ(Show(FromProto(keep.rung_time())), "2026-09-14 12:00");
    ExpectExplained(CLOCK_KIND_CONFIRM);
    ExpectExplained(CLOCK_KIND_VOICE);
    ExpectReplayed();
  }
}

TEST_F(WorkingClocksTest, AVerifierIsNotFooledByWhatADoubtWaitsFor) {
  Offer(At("2026-09-11 19:00"));
  Use(make_.Understood(id_, At("2026-09-11 19:00")));
  deadlines_ = WithHoliday(deadlines_, "2026-09-14", At("2026-09-12 09:00"));
  MoveAcceptance(At("2026-09-12 09:01"));
  const v1::ClockDerivation good = *Explain(order_, Clock(CLOCK_KIND_CONFIRM), deadlines_);
  ASSERT_TRUE(derivation::VerifyClockDerivation(good).ok());
  ASSERT_EQ(good.steps_size(), 2);
  const auto refused = [&](auto change) {
    v1::ClockDerivation altered = good;
    change(&altered);
    return error::FieldOf(derivation::VerifyClockDerivation(altered));
  };
  // Each with a derivation that is sound in itself.
  const auto waiting = [&](absl::Time from, int64_t seconds) {
    const RuleRef rule = Clock(CLOCK_KIND_PEER_ACCEPTANCE).rule;
    return *deadlines_.CalendarOf(rule, "110")->Derive(from, seconds, type::v1::TIME_KIND_WORKING_HOURS);
  };
  const absl::Time read = At("2026-09-11 19:00");
  EXPECT_EQ(refused([](v1::ClockDerivation*) {}), "");
  EXPECT_EQ(refused([](v1::ClockDerivation* d) { d->mutable_steps()->RemoveLast(); }), "result_time");
  EXPECT_EQ(refused([](v1::ClockDerivation* d) { d->set_clock(CLOCK_KIND_SUSPENSION_REVIEW); }),
            "steps[0].kind");
  EXPECT_EQ(refused([&](v1::ClockDerivation* d) {
              *d->mutable_steps(1)->mutable_derivation() = waiting(read, 3 * 3600);
            }),
            "steps[1].due_time");
  EXPECT_EQ(refused([&](v1::ClockDerivation* d) {
              *d->mutable_steps(1)->mutable_derivation() = waiting(read + absl::Minutes(1), 2 * 3600);
            }),
            "steps[1].derivation.start_time");
  EXPECT_EQ(refused([&](v1::ClockDerivation* d) {
              *d->mutable_steps(0)->mutable_derivation() = waiting(read + absl::Minutes(1), 2 * 3600);
            }),
            "steps[0].derivation.start_time")
      << "it begins with a receipt that was there";
  EXPECT_EQ(refused([&](v1::ClockDerivation* d) {
              *d->mutable_steps(0)->mutable_derivation() = calendar::DeriveClockTime(read, 64 * 3600);
            }),
            "steps[0].derivation.amount.kind");
  EXPECT_EQ(refused([](v1::ClockDerivation* d) { d->mutable_steps(0)->clear_derivation(); }).substr(0, 19),
            "steps[0].derivation");
}

// What a publication moves is reckoned before it is recorded: whatever comes in between stands.
TEST_F(WorkingClocksTest, AMoveTakesBackNothingThatCrossedIt) {
  enum Crossing { kExtended, kResumed, kPassed };
  for (const Crossing crossing : {kExtended, kResumed, kPassed}) {
    SCOPED_TRACE(crossing);
    order_ = OrderClocks();
    deadlines_ = County();
    Dispatch(At("2026-09-14 11:00"));
    if (crossing == kResumed) Use(Suspended(At("2026-09-14 18:00"), At("2026-10-12 10:00")));
    deadlines_ = WithHoliday(deadlines_, "2026-09-17", At("2026-09-15 09:00"));
    const OrderClock before = Clock(CLOCK_KIND_FINISH);
    const auto moved = MovedTo(order_, before, 2, deadlines_);
    ASSERT_TRUE(moved.has_value());
    absl::Time at = At("2026-09-15 10:00");
    switch (crossing) {
      case kExtended:
        Use(make_.Extended(kId, at, At("2026-09-30 20:00")));
        break;
      case kResumed:
        at = At("2026-09-18 10:00");
        Use(make_.Resumed(kId, at));
        break;
      case kPassed: {
        type::v1::Event accused = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, at);
        accused.mutable_accused()->mutable_accusation()->add_units("chengguan");
        accused.mutable_accused()->set_recused_lead("chengguan");
        Use(accused);
        break;
      }
    }
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, at + absl::Seconds(1));
    *event.mutable_deadline_moved() = MoveCommand(order_, before, *moved, deadlines_).deadline_move();
    Use(event);
    const OrderClock& clock = Clock(CLOCK_KIND_FINISH);
    EXPECT_EQ(clock.due, Reckon(clock, clock.rule, deadlines_).due.time);
    if (crossing == kExtended) {
      EXPECT_EQ(Show(clock.due), "2026-09-30 20:00");
    } else if (crossing == kResumed) {
      EXPECT_GT(clock.due, moved->due);
    } else {
      EXPECT_EQ(clock.due, before.due) << "as it stood when the desk got it";
    }
    EXPECT_EQ(clock.rule.publication, 2);
    EXPECT_FALSE(MovedTo(order_, clock, 2, deadlines_).has_value()) << "once";
    ExpectExplained(CLOCK_KIND_FINISH);
  }
}

// 古尔邦节, announced after an order was dispatched, and off the days after its deadline: nothing moves, but
// whatever is reckoned from then on is reckoned as for an order that was dispatched after the notice.
TEST_F(WorkingClocksTest, APublicationHoldsForWhatItLeavesWhereItIs) {
  const absl::Time start = At("2026-11-27 11:00");
  const auto holiday = [&](absl::Time at) { return WithHoliday(County(), "2026-12-07", at, "2026-12-09"); };
  const auto publish = [&](absl::Time at) {
    deadlines_ = holiday(at);
    EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-04 19:30");
    EXPECT_FALSE(MovedTo(order_, Clock(CLOCK_KIND_FINISH), 2, deadlines_).has_value());
  };
  const auto begin = [&] {
    order_ = OrderClocks();
    events_.clear();
    deadlines_ = County();
    Dispatch(start);
  };
  const auto expect = [&](const char* due) {
    EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), due);
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).rule.publication, 2);
    ExpectExplained(CLOCK_KIND_FINISH);
    EXPECT_THAT(ExplainedInChinese(CLOCK_KIND_FINISH), HasSubstr("改按第2次发布"));
    ExpectReplayed();
    // What was on its way meanwhile changes nothing.
    const OrderClock before = Clock(CLOCK_KIND_FINISH);
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At("2026-12-31 10:00"));
    event.mutable_deadline_moved()->set_clock(CLOCK_KIND_FINISH);
    event.mutable_deadline_moved()->set_armed_by_sequence(before.armed_by);
    event.mutable_deadline_moved()->set_publication(2);
    *event.mutable_deadline_moved()->mutable_old_due_time() = ToProto(before.due);
    *event.mutable_deadline_moved()->mutable_new_due_time() = ToProto(before.due);
    OrderClocks after = Apply(order_, event, deadlines_, "12345");
    for (OrderClock& clock : after.clocks) {
      if (clock.kind != CLOCK_KIND_FINISH || clock.armed_by != before.armed_by) continue;
      clock.breached = before.breached;
      EXPECT_TRUE(clock == before);
    }
  };
  {
    SCOPED_TRACE("extended");
    begin();
    publish(At("2026-11-28 09:00"));
    Use(Granted(At("2026-11-30 10:00"), type::v1::TIME_KIND_WORKING_DAYS, 3));
    expect("2026-12-14 19:30");
    // As with the notice from the start.
    order_ = OrderClocks();
    deadlines_ = holiday(start - absl::Hours(1));
    for (const type::v1::Event& event : std::exchange(events_, {})) Use(event);
    EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-14 19:30");
  }
  {
    SCOPED_TRACE("resumed");
    begin();
    Use(Suspended(At("2026-11-30 10:00"), At("2026-12-20 10:00")));
    publish(At("2026-11-30 12:00"));
    const absl::Time resume = At("2026-12-04 10:00");
    const v1::Deadline told = Describe(order_, Clock(CLOCK_KIND_FINISH), resume, deadlines_);
    EXPECT_EQ(Show(FromProto(told.due_time())), "2026-12-15 19:30");
    EXPECT_EQ(told.publication(), 2) << "by which it is reckoned";
    Use(make_.Resumed(kId, resume));
    expect("2026-12-15 19:30");
  }
  {
    SCOPED_TRACE("stopped while it stood still");
    begin();
    Use(Suspended(At("2026-11-30 10:00"), At("2026-12-20 10:00")));
    publish(At("2026-11-30 12:00"));
    Use(make_.Replied(kId, At("2026-12-04 10:00")));
    expect("2026-12-15 19:30");
  }
  {
    SCOPED_TRACE("urged");
    begin();
    Climb(CLOCK_KIND_FINISH, At("2026-12-02 10:00"));
    publish(At("2026-12-03 09:00"));
    Climb(CLOCK_KIND_FINISH, At("2026-12-04 19:30"));
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).next_rung, type::v1::RUNG_SUPERVISE);
    EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).next), "2026-12-10 19:30");
    expect("2026-12-04 19:30");
  }
  {
    SCOPED_TRACE("what a file holds from a start on is for clocks armed since");
    begin();
    Publication edited = holiday(At("2026-11-28 09:00")).publications().back();
    edited.moves_open = false;
    deadlines_ = County().With(std::move(edited));
    Use(Granted(At("2026-11-30 10:00"), type::v1::TIME_KIND_WORKING_DAYS, 3));
    EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-09 19:30");
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).rule.publication, 1);
  }
}

TEST_F(WorkingClocksTest, AClockStoppedWhileSuspendedIsExplainedToItsEnd) {
  Dispatch(At("2026-09-21 11:00"));
  Use(Suspended(At("2026-09-22 12:00"), At("2026-10-12 10:00")));
  const absl::Time stop = At("2026-10-09 23:00");
  const absl::Time due = DueAt(Clock(CLOCK_KIND_FINISH), stop, deadlines_);
  Use(make_.Replied(kId, stop));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, due);
  ExpectExplained(CLOCK_KIND_FINISH);
  EXPECT_THAT(ExplainedInChinese(CLOCK_KIND_FINISH), HasSubstr("挂起中终止"));
  v1::ClockDerivation altered = *Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_);
  altered.mutable_steps()->RemoveLast();
  *altered.mutable_result_time() = altered.steps().rbegin()->due_time();
  EXPECT_EQ(error::FieldOf(derivation::VerifyClockDerivation(altered)), "steps");
}

// Its pieces may each rest on days that are not decided, and an instant on none.
TEST_F(WorkingClocksTest, ADeadlineIsAsProvisionalAsAnyOfItsPieces) {
  Dispatch(At("2026-09-21 11:00"));
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).provisional);
  Use(Granted(At("2026-09-22 11:00"), type::v1::TIME_KIND_CLOCK_TIME, 3600));
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).provisional);
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(make_.Extended(kId, At("2026-09-23 11:00"), At("2026-10-15 12:00")));
  EXPECT_FALSE(Clock(CLOCK_KIND_FINISH).provisional);
  ExpectExplained(CLOCK_KIND_FINISH);
}

// The order may not know the deadline that it is asked to extend; its clock does.
TEST_F(WorkingClocksTest, AnExtensionMovesNoDeadlineToAnEarlierTime) {
  const auto granted = [&](const char* at, const char* until) {
    type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At(at));
    event.mutable_extension_decided()->mutable_decision()->set_approved(true);
    *event.mutable_extension_decided()->mutable_decision()->mutable_until_time() = ToProto(At(until));
    return event;
  };
  Dispatch(At("2026-11-27 11:00"));
  const OrderClock before = Clock(CLOCK_KIND_FINISH);
  EXPECT_EQ(Show(before.due), "2026-12-04 19:30");
  Use(granted("2026-11-27 12:00", "2026-11-29 10:00"));
  Use(make_.Extended(kId, At("2026-11-27 13:00"), At("2026-12-04 19:30")));
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH) == before);
  // Resumed on the 3rd, it would end on the 8th.
  Use(Suspended(At("2026-12-01 11:00"), At("2026-12-20 10:00")));
  const absl::Duration left = Clock(CLOCK_KIND_FINISH).remaining;
  Use(granted("2026-12-03 11:00", "2026-12-07 10:00"));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, left);
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(make_.Resumed(kId, At("2026-12-03 11:00")));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-08 19:30");
  Use(granted("2026-12-04 11:00", "2026-12-09 10:00"));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-12-09 10:00");
  ExpectExplained(CLOCK_KIND_FINISH);
  ExpectReplayed();
}

// 110 had it first, and pushed back what remained: 12345 works on that as another of its orders, and of the
// earlier one hears what it did itself.
TEST_F(WorkingClocksTest, AMatterThatCameBackIsADutyOnceOnly) {
  const std::string given = absl::StrCat("12345-", FormatOrderId(kId), "-1");
  const auto told = [&](type::v1::Event event) {
    event.set_handoff_id(given);
    event.set_mirrored(true);
    event.mutable_actor()->set_hotline("110");
    return event;
  };
  const auto give = [&] {
    order_ = {};
    events_.clear();
    type::v1::Event offered = make_.Offered(kId, At("2026-09-21 10:00"));
    offered.set_handoff_id(given);
    offered.mutable_offered()->mutable_handoff()->set_id(given);
    offered.mutable_offered()->mutable_registered()->set_urgency(type::v1::URGENCY_NORMAL);
    offered.mutable_offered()->mutable_registered()->set_type(type::v1::ORDER_TYPE_HELP);
    offered.mutable_offered()->mutable_registered()->set_origin_hotline("12345");
    Use(offered);
    type::v1::Event understood = make_.Understood(kId, At("2026-09-21 10:01"));
    understood.mutable_understood()->mutable_handoff()->set_id(given);
    Use(told(understood));
    Use(told(make_.Accepted(kId, At("2026-09-21 10:05"), "110")));
    EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_FINISH));
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "110");
  };
  // Accepted as the second order.
  const auto come_back = [&] {
    give();
    Use(told(make_.Accepted(kId, At("2026-09-21 10:20"), "12345")));
    EXPECT_THAT(Live(), IsEmpty());
  };
  come_back();
  Use(told(make_.Dispatched(kId, At("2026-09-21 10:30"), "minzhengju", {"shuiwu"})));
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_EQ(order_.lead_unit, "");
  Use(told(Suspended(At("2026-09-21 10:40"), At("2026-09-23 10:40"))));
  EXPECT_THAT(Live(), IsEmpty());
  Use(told(make_.Resumed(kId, At("2026-09-21 10:50"))));
  Use(told(make_.Signed(kId, At("2026-09-21 11:00"), "minzhengju")));
  Use(told(make_.Replied(kId, At("2026-09-21 12:00"))));
  EXPECT_THAT(Live(), IsEmpty()) << "the caller is called back about the second";
  Use(told(make_.Redone(kId, At("2026-09-21 17:00"))));
  EXPECT_THAT(Live(), IsEmpty());
  // Given on from there.
  Use(told(make_.Accepted(kId, At("2026-09-21 17:10"), "119")));
  EXPECT_THAT(Live(), IsEmpty());
  Use(told(make_.Replied(kId, At("2026-09-21 18:00"))));
  EXPECT_THAT(Live(), IsEmpty());
  ExpectReplayed();

  // An earlier release had armed clocks, and not noted that it came back.
  come_back();
  order_.receiver = "110";
  type::v1::Event armed = told(make_.Dispatched(kId, At("2026-09-21 10:30"), "minzhengju"));
  armed.set_mirrored(false);
  Use(armed);
  EXPECT_FALSE(Live().empty());
  Use(told(make_.Replied(kId, At("2026-09-21 12:00"))));
  EXPECT_THAT(Live(), IsEmpty());

  // 12345 disputed what came back instead: then the earlier order is the one to work on.
  give();
  type::v1::Event disputed = told(make_.Accepted(kId, At("2026-09-21 10:20"), "12345"));
  disputed.mutable_disputed();
  Use(disputed);
  EXPECT_THAT(Live(), testing::UnorderedElementsAre(CLOCK_KIND_FINISH, CLOCK_KIND_FIRST_CONTACT));
  type::v1::Event dispatched = make_.Dispatched(kId, At("2026-09-21 10:30"));
  dispatched.set_handoff_id(given);
  Use(dispatched);
  EXPECT_EQ(order_.lead_unit, "chengguan");

  // Of one that others registered, this hotline may give back what it had accepted.
  come_back();
  order_.origin_here = false;
  type::v1::Event returned = told(make_.Accepted(kId, At("2026-09-21 10:40"), "110"));
  returned.mutable_returned();
  Use(returned);
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_FINISH));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "110");
  EXPECT_EQ(order_.receiver, "110");

  // The second order is a job like any.
  order_ = {};
  type::v1::Event back = make_.Understood(8, At("2026-09-21 10:10"), "110");
  back.set_handoff_id("110-0123456789ABC-1");
  back.mutable_understood()->mutable_handoff()->set_id(back.handoff_id());
  back.mutable_understood()->mutable_registered()->set_origin_hotline("12345");
  Use(back);
  const auto own = [&](type::v1::Event event) {
    event.set_handoff_id(back.handoff_id());
    return event;
  };
  Use(own(make_.Accepted(8, At("2026-09-21 10:20"))));
  Use(own(make_.Dispatched(8, At("2026-09-21 10:30"), "minzhengju")));
  EXPECT_THAT(Live(),
              testing::UnorderedElementsAre(CLOCK_KIND_SIGN, CLOCK_KIND_FIRST_CONTACT, CLOCK_KIND_FINISH));
  Use(own(make_.Replied(8, At("2026-09-21 12:00"))));
  EXPECT_THAT(Live(), ElementsAre(CLOCK_KIND_CALL_BACK));
}

// What was done under another order is done again as a job of its own: by the desk, until it is dispatched.
TEST_F(WorkingClocksTest, TheTimeOfAMergedOrderThatIsDoneAgainIsNotTheOtherOrdersUnits) {
  type::v1::Event registered = make_.Registered(kId, At("2026-09-21 10:00"));
  registered.mutable_registered()->set_origin_hotline("12345");
  Use(registered);
  Use(make_.Accepted(kId, At("2026-09-21 10:05")));
  type::v1::Event merged = make_.Make(kId, type::v1::ORDER_STATE_IN_PROGRESS, At("2026-09-21 10:10"));
  merged.mutable_merged()->set_lead_unit("gongpaishui");
  Use(merged);
  const auto party = [&](const char* until) {
    return BuildTimeLedger(events_, deadlines_, "12345", At(until)).stretches().rbegin()->party();
  };
  EXPECT_EQ(party("2026-09-21 11:00"), "gongpaishui");
  Use(make_.Replied(kId, At("2026-09-21 12:00")));
  Use(make_.Redone(kId, At("2026-09-21 17:00")));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).duty_party, "12345");
  EXPECT_EQ(party("2026-09-21 18:00"), "12345");
  Use(make_.Dispatched(kId, At("2026-09-21 18:00")));
  Use(make_.Replied(kId, At("2026-09-21 19:00")));
  Use(make_.Redone(kId, At("2026-09-22 11:00")));
  EXPECT_EQ(party("2026-09-22 12:00"), "chengguan") << "a unit of its own does its work again";
}

// With nothing left, what is granted is all that is left.
TEST_F(WorkingClocksTest, AnExtensionOfAClockThatStandsStillAtItsEndLosesNoSecond) {
  Dispatch(At("2026-09-21 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
  Use(make_.Extended(kId, At("2026-09-22 11:00"), At("2026-09-24 22:00")));
  Use(Suspended(At("2026-09-24 21:00"), At("2026-10-12 10:00")));
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(Granted(At("2026-09-24 21:30"), type::v1::TIME_KIND_WORKING_HOURS, 3600));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(1));
  ExpectExplained(CLOCK_KIND_FINISH);
  Use(make_.Resumed(kId, At("2026-09-28 09:00")));
  EXPECT_EQ(Show(Clock(CLOCK_KIND_FINISH).due), "2026-09-28 11:00");
  ExpectExplained(CLOCK_KIND_FINISH);
}

// Suspended after work, hours before an instant that lies on a day off: no work is left, and nothing has
// passed.
TEST_F(WorkingClocksTest, ADeadlineOnADayOffIsNotMissedWhileItsClockStandsStill) {
  const absl::Time until = At("2026-12-05 00:00");  // a Saturday
  const absl::Time pause = At("2026-12-04 20:00");  // work ended at 19:30
  const auto begin = [&] {
    order_ = {};
    events_.clear();
    Dispatch(At("2026-11-30 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
    Use(make_.Extended(kId, At("2026-12-01 11:00"), until));
    Use(Suspended(pause, At("2026-12-20 10:00")));
    EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), pause), v1::LAMP_GREEN);
    EXPECT_FALSE(Describe(order_, Clock(CLOCK_KIND_FINISH), At("2026-12-06 12:00"), deadlines_).breached());
    ExpectExplained(CLOCK_KIND_FINISH);
  };
  {
    SCOPED_TRACE("replied meanwhile");
    begin();
    Use(make_.Replied(kId, At("2026-12-08 12:00")));
    EXPECT_FALSE(Clock(CLOCK_KIND_FINISH).breached);
    EXPECT_NE(LampAt(Clock(CLOCK_KIND_FINISH), At("2026-12-09 12:00")), v1::LAMP_RED);
    ExpectExplained(CLOCK_KIND_FINISH);
    ExpectReplayed();
  }
  {
    SCOPED_TRACE("resumed");
    begin();
    Use(make_.Resumed(kId, At("2026-12-05 12:00")));
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At("2026-12-07 10:00") + absl::Seconds(1))
        << "the first second of work";
    ExpectExplained(CLOCK_KIND_FINISH);
    ExpectReplayed();
    // As it is derived; not at once.
    v1::ClockDerivation altered = *Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_);
    v1::DerivationStep& step = *altered.mutable_steps()->rbegin();
    step.clear_derivation();
    *step.mutable_due_time() = step.time();
    *altered.mutable_result_time() = step.time();
    EXPECT_EQ(error::FieldOf(derivation::VerifyClockDerivation(altered)).substr(0, 19),
              "steps[2].derivation");
  }
  {
    SCOPED_TRACE("passed to the desk, which works around the clock");
    begin();
    type::v1::Event accused = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At("2026-12-05 12:00"));
    accused.mutable_accused()->mutable_accusation()->add_units("chengguan");
    accused.mutable_accused()->set_recused_lead("chengguan");
    Use(accused);
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(46) + absl::Seconds(1));
    ExpectExplained(CLOCK_KIND_FINISH);
  }
  {
    SCOPED_TRACE("given more, in which no work is done either");
    begin();
    Use(Granted(At("2026-12-04 21:00"), type::v1::TIME_KIND_CLOCK_TIME, 3600));
    EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), At("2026-12-04 22:00")), v1::LAMP_GREEN);
    ExpectExplained(CLOCK_KIND_FINISH);
    Use(Granted(At("2026-12-04 22:00"), type::v1::TIME_KIND_WORKING_HOURS, 3600));
    EXPECT_EQ(Clock(CLOCK_KIND_FINISH).remaining, absl::Hours(1));
    ExpectExplained(CLOCK_KIND_FINISH);
  }
  // At the deadline nothing is left.
  order_ = {};
  events_.clear();
  Dispatch(At("2026-11-30 11:00"), type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_CONSULTATION);
  Use(make_.Extended(kId, At("2026-12-01 11:00"), until));
  Use(Suspended(until, At("2026-12-20 10:00")));
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_FINISH), until), v1::LAMP_RED);
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH).breached);
  ExpectExplained(CLOCK_KIND_FINISH);
}

// A notice that leaves a deadline where it is settles it all the same.
TEST_F(WorkingClocksTest, AnAnnouncedYearSettlesWhatItDoesNotMove) {
  const auto read = [](const std::string& name) {
    std::ifstream file(std::string(HOTLINE_SOURCE_DIR "/deploy/calendars/") + name);
    v1::CalendarFile made;
    made.set_name(name);
    made.set_content({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
    return made;
  };
  const auto file = [](const std::string& name, const std::string& content) {
    v1::CalendarFile made;
    made.set_name(name);
    made.set_content(content);
    return made;
  };
  // The nation alone, whose years are all known up to 2026.
  const auto nation = ChangeCalendars(
      nullptr,
      {file("list.yaml", "version: a\ncalendars:\n  - {code: office, layers: [china.yaml]}\n"),
       read("china.yaml")},
      {});
  ASSERT_TRUE(nation.ok()) << nation.status();
  Publication first = Shipped();
  first.calendars = std::make_shared<const Calendars>(*nation);
  deadlines_ = Deadlines(std::vector<Publication>{first});
  Dispatch(At("2026-12-30 11:00"));
  const OrderClock before = Clock(CLOCK_KIND_FINISH);
  EXPECT_EQ(Show(before.due), "2027-01-06 18:00");
  EXPECT_TRUE(before.provisional);
  v1::CalendarNotice notice;
  notice.set_document("国办发明电〔2026〕9号");
  notice.set_issue_date("2026-11-04");
  const auto announced = ChangeCalendars(
      first.calendars.get(),
      {file("2027.json", "[{\"date\": \"2027-02-05\", \"off\": true, \"name\": \"春节\"}]")}, notice);
  ASSERT_TRUE(announced.ok()) << announced.status();
  Publication next = first;
  next.number = 2;
  next.time = At("2026-12-31 09:00");
  next.calendars = std::make_shared<const Calendars>(*announced);
  deadlines_ = deadlines_.With(std::move(next));
  const auto moved = MovedTo(order_, before, 2, deadlines_);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(moved->due, before.due);
  EXPECT_FALSE(moved->provisional);
  type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At("2026-12-31 09:01"));
  *event.mutable_deadline_moved() = MoveCommand(order_, before, *moved, deadlines_).deadline_move();
  Use(event);
  EXPECT_FALSE(Clock(CLOCK_KIND_FINISH).provisional);
  EXPECT_FALSE(MovedTo(order_, Clock(CLOCK_KIND_FINISH), 2, deadlines_).has_value()) << "once";
  ExpectExplained(CLOCK_KIND_FINISH);
}

TEST_F(WorkingClocksTest, AVerifierIsNotFooled) {
  Dispatch(At("2026-09-14 11:00"));
  Use(Suspended(At("2026-09-15 12:00"), At("2026-09-20 12:00")));
  Use(make_.Resumed(kId, At("2026-09-18 12:00")));
  const v1::ClockDerivation good = *Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_);
  ASSERT_TRUE(derivation::VerifyClockDerivation(good).ok());
  const auto refused = [&](auto change) {
    v1::ClockDerivation altered = good;
    change(&altered);
    return !derivation::VerifyClockDerivation(altered).ok();
  };
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->mutable_result_time()->set_seconds(1); }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->mutable_start_time()->set_seconds(1); }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->mutable_steps()->RemoveLast(); }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->mutable_steps(0)->mutable_time()->set_seconds(1); }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->mutable_steps(0)->set_left_seconds(1); }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->mutable_steps(1)->clear_derivation(); }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) {
    d->mutable_steps(1)->mutable_derivation()->mutable_segments(0)->set_counted(false);
  }));
  EXPECT_TRUE(refused([](v1::ClockDerivation* d) { d->set_paused(true); }));
  // Each derivation in these is sound in itself, with its digest.
  const RuleRef rule = Clock(CLOCK_KIND_FINISH).rule;
  const absl::Time resume = At("2026-09-18 12:00");
  const int64_t left = good.steps(0).left_seconds();
  const auto forged = [&](const v1::ClockDerivation& from, int step, v1::DeadlineDerivation part) {
    v1::ClockDerivation altered = from;
    v1::DerivationStep& changed = *altered.mutable_steps(step);
    if (altered.paused()) {
      changed.set_left_seconds(part.amount().value());
      altered.set_left_seconds(part.amount().value());
    } else {
      *changed.mutable_due_time() = part.result_time();
      *altered.mutable_result_time() = part.result_time();
    }
    *changed.mutable_derivation() = std::move(part);
    return error::FieldOf(derivation::VerifyClockDerivation(altered));
  };
  EXPECT_EQ(forged(good, 1, good.steps(1).derivation()), "");
  EXPECT_EQ(forged(good, 1, calendar::DeriveClockTime(resume, left)), "steps[1].derivation.amount.kind");
  EXPECT_EQ(
      forged(good, 1,
             *deadlines_.CalendarOf(rule, "gongan")->Derive(resume, left, type::v1::TIME_KIND_WORKING_HOURS)),
      "steps[1].derivation.calendar");

  // Until an instant after work: what was left of the day may not vanish.
  const absl::Time pause = At("2026-09-23 19:00");
  const absl::Time until = At("2026-09-24 22:00");
  ASSERT_LT(Clock(CLOCK_KIND_FINISH).due, until);
  Use(make_.Extended(kId, At("2026-09-21 12:00"), until));
  Use(Suspended(pause, At("2026-10-12 10:00")));
  const v1::ClockDerivation still = *Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_);
  ASSERT_TRUE(derivation::VerifyClockDerivation(still).ok());
  const int last = still.steps_size() - 1;
  EXPECT_EQ(still.left_seconds(), 8 * 3600);
  const auto worked = [&](int64_t seconds) {
    return *deadlines_.CalendarOf(rule, "chengguan")
                ->Derive(pause, seconds, type::v1::TIME_KIND_WORKING_HOURS, until);
  };
  const std::string at = absl::StrCat("steps[", last, "].derivation");
  EXPECT_EQ(forged(still, last, worked(8 * 3600)), "");
  EXPECT_EQ(forged(still, last, worked(8 * 3600 - 1)), at + ".amount");
  EXPECT_EQ(forged(still, last, worked(0)), at + ".amount");
  EXPECT_EQ(forged(still, last, worked(8 * 3600 + 1)), at + ".result_time");
  EXPECT_EQ(forged(still, last, calendar::DeriveClockTime(pause, 8 * 3600)), at + ".amount.kind");
  v1::ClockDerivation vanished = still;
  vanished.mutable_steps(last)->clear_derivation();
  vanished.mutable_steps(last)->set_left_seconds(0);
  vanished.set_left_seconds(0);
  EXPECT_EQ(error::FieldOf(derivation::VerifyClockDerivation(vanished)), at);

  // Days that are granted while it stands still hold so much work and no more.
  Use(Granted(At("2026-09-24 10:00"), type::v1::TIME_KIND_WORKING_DAYS, 1));
  v1::ClockDerivation more = *Explain(order_, Clock(CLOCK_KIND_FINISH), deadlines_);
  ASSERT_TRUE(derivation::VerifyClockDerivation(more).ok());
  EXPECT_EQ(more.left_seconds(), 15 * 3600);
  more.mutable_steps(more.steps_size() - 1)->set_left_seconds(16 * 3600);
  more.set_left_seconds(16 * 3600);
  EXPECT_EQ(error::FieldOf(derivation::VerifyClockDerivation(more)),
            absl::StrCat("steps[", more.steps_size() - 1, "].left_seconds"));
}

// Whatever happens to an order, each of its clocks can be reckoned anew from what is kept with it, explained
// and verified, and its time adds up.
RC_GTEST_PROP(WorkingClocksLaw, EveryClockIsExplainedAndEverySecondIsBooked, ()) {
  EventMaker make;
  Deadlines deadlines = County();
  OrderClocks order;
  std::vector<type::v1::Event> events;
  absl::Time now = At("2026-09-10 08:00") + absl::Minutes(*rc::gen::inRange(0, 30 * 24 * 60));
  const auto use = [&](type::v1::Event event) {
    events.push_back(event);
    order = Apply(std::move(order), event, deadlines, "12345");
  };
  const auto urgency = static_cast<type::v1::Urgency>(*rc::gen::inRange(1, 4));
  const auto type = static_cast<type::v1::OrderType>(*rc::gen::inRange(1, 7));
  type::v1::Event registered = make.Registered(kId, now, urgency, type);
  registered.mutable_registered()->set_origin_hotline("12345");
  use(registered);
  use(make.Accepted(kId, now));
  const int steps = *rc::gen::inRange(1, 14);
  for (int i = 0; i < steps; ++i) {
    now += absl::Milliseconds(*rc::gen::inRange<int64_t>(0, 3 * 86'400'000));
    type::v1::Event event = make.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, now);
    switch (*rc::gen::inRange(0, 13)) {
      case 11:
        // Published: what it moves is moved later, or never.
        if (deadlines.publications().size() > 1) continue;
        now += absl::Milliseconds(1);
        deadlines = WithHoliday(
            deadlines, absl::FormatCivilTime(absl::ToCivilDay(now, Beijing()) + *rc::gen::inRange(0, 20)),
            now);
        continue;
      case 12:
        if (order.lead_unit.empty()) continue;
        event.set_state(type::v1::ORDER_STATE_ACCEPTED);
        event.mutable_accused()->mutable_accusation()->add_units(order.lead_unit);
        event.mutable_accused()->set_recused_lead(order.lead_unit);
        break;
      case 0:
        event.set_state(type::v1::ORDER_STATE_DISPATCHED);
        event.mutable_dispatched()->set_lead_unit(*rc::gen::arbitrary<bool>() ? "chengguan" : "gongan");
        break;
      case 1:
        event.mutable_suspended();
        *event.mutable_suspended()->mutable_review_time() = ToProto(now + absl::Hours(50));
        if (order.suspended) continue;
        break;
      case 2:
        if (!order.suspended) continue;
        event.mutable_resumed();
        break;
      case 3:
        *event.mutable_extended()->mutable_until_time() =
            ToProto(now + absl::Minutes(*rc::gen::inRange(1, 20 * 24 * 60)));
        break;
      case 4: {
        event.mutable_extension_decided()->mutable_decision()->set_approved(true);
        auto* length = event.mutable_extension_decided()->mutable_request()->mutable_length();
        length->set_kind(*rc::gen::element(type::v1::TIME_KIND_WORKING_DAYS,
                                           type::v1::TIME_KIND_WORKING_HOURS,
                                           type::v1::TIME_KIND_NATURAL_DAYS, type::v1::TIME_KIND_CLOCK_TIME));
        length->set_value(*rc::gen::inRange(1, 6));
        break;
      }
      case 5:
        event.set_state(type::v1::ORDER_STATE_REPLIED);
        event.mutable_replied();
        break;
      case 6:
        event.set_state(type::v1::ORDER_STATE_REDO);
        event.mutable_redo_demanded();
        break;
      case 7:
        event.set_state(type::v1::ORDER_STATE_ACCEPTED);
        event.mutable_unit_returned();
        break;
      case 8:
        event.set_state(type::v1::ORDER_STATE_CLOSED);
        event.mutable_closed();
        break;
      case 9:
        event.mutable_contacted()->set_reached(*rc::gen::arbitrary<bool>());
        break;
      default: {
        // The rung of some clock.
        const OrderClock* next = nullptr;
        for (const OrderClock& clock : order.clocks) {
          if (clock.next_rung != type::v1::RUNG_UNSPECIFIED) next = &clock;
        }
        if (next == nullptr) continue;
        *event.mutable_escalated() = RungCommand(order, *next, next->next_rung, deadlines).escalation();
        break;
      }
    }
    use(event);
  }
  for (const OrderClock& clock : order.clocks) {
    if (clock.live()) {
      const Reckoned reckoned = Reckon(clock, clock.rule, deadlines);
      RC_ASSERT(reckoned.due.time == clock.due);
      RC_ASSERT(reckoned.remaining == clock.remaining);
    }
    const auto derivation = Explain(order, clock, deadlines);
    RC_ASSERT(derivation.ok());
    const absl::Status verified = derivation::VerifyClockDerivation(*derivation);
    if (!verified.ok()) RC_FAIL(std::string(verified.message()) + derivation->DebugString());
    if (!derivation->paused()) RC_ASSERT(FromProto(derivation->result_time()) == clock.due);
    RC_ASSERT(derivation->provisional() == clock.provisional);
    RC_ASSERT(!ExplainInChinese(*derivation).empty());
  }
  OrderClocks again;
  for (const type::v1::Event& event : events) again = Apply(std::move(again), event, deadlines, "12345");
  RC_ASSERT(again == order);
  const v1::TimeLedger ledger = BuildTimeLedger(events, deadlines, "12345", now + absl::Hours(5));
  const std::string fault = UnsoundLedger(ledger);
  if (!fault.empty()) RC_FAIL(fault + ledger.DebugString());
}

// Whenever an offer is made, read, doubted and the calendar changed: a read ordinary offer waits for its
// peer, no other does, and all of it is explained and the same again.
RC_GTEST_PROP(WorkingClocksLaw, AReadOfferWaitsForThePeersWorkingTime, ()) {
  EventMaker make;
  Deadlines deadlines = County();
  OrderClocks order;
  std::vector<type::v1::Event> events;
  absl::Time now =
      At("2026-09-10 08:00") + absl::Milliseconds(*rc::gen::inRange<int64_t>(0, int64_t{30} * 86'400'000));
  const auto use = [&](type::v1::Event event) {
    events.push_back(event);
    order = Apply(std::move(order), event, deadlines, "12345");
  };
  const auto find = [&](type::v1::ClockKind kind) {
    const auto it = std::find_if(order.clocks.begin(), order.clocks.end(),
                                 [&](const OrderClock& clock) { return clock.kind == kind && clock.live(); });
    return it == order.clocks.end() ? nullptr : &*it;
  };
  const auto urgency = static_cast<type::v1::Urgency>(*rc::gen::inRange(1, 4));
  const bool ordinary = urgency == type::v1::URGENCY_NORMAL;
  const absl::Time confirm_by = now + absl::Minutes(*rc::gen::inRange(1, 300));
  absl::Time keep_by = confirm_by + absl::Minutes(*rc::gen::inRange(1, 300));
  use(make.OfferedUntil(kId, now, confirm_by, keep_by, urgency));
  const int steps = *rc::gen::inRange(1, 9);
  for (int i = 0; i < steps; ++i) {
    now += absl::Milliseconds(*rc::gen::inRange<int64_t>(0, 6 * 3'600'000));
    const int64_t latest = static_cast<int64_t>(deadlines.publications().size());
    const OrderClock* acceptance = find(CLOCK_KIND_PEER_ACCEPTANCE);
    const OrderClock* confirm = find(CLOCK_KIND_CONFIRM);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        if (order.state == type::v1::ORDER_STATE_OFFERED) use(make.Received(kId, now));
        break;
      case 1:
        if (order.state != type::v1::ORDER_STATE_UNDERSTOOD) use(make.Understood(kId, now));
        break;
      case 2:
        now += absl::Milliseconds(1);
        deadlines = WithHoliday(
            deadlines, absl::FormatCivilTime(absl::ToCivilDay(now, Beijing()) + *rc::gen::inRange(0, 4)),
            now);
        break;
      case 3: {
        if (acceptance == nullptr || acceptance->rule.publication == latest) break;
        const auto moved = MovedTo(order, *acceptance, latest, deadlines);
        if (!moved.has_value()) break;
        type::v1::Event event = make.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, now);
        *event.mutable_deadline_moved() = MoveCommand(order, *acceptance, *moved, deadlines).deadline_move();
        use(event);
        break;
      }
      case 4:
        if (acceptance == nullptr || acceptance->next_rung != type::v1::RUNG_REMIND) break;
        now = std::max(now, acceptance->next);
        use(make.Escalated(kId, now,
                           RungCommand(order, *acceptance, acceptance->next_rung, deadlines).escalation()));
        break;
      default: {
        if (confirm->rung != type::v1::RUNG_UNSPECIFIED) break;
        now = std::max(now, confirm->due);
        const type::v1::Escalation doubt =
            RungCommand(order, *confirm, type::v1::RUNG_DOUBT, deadlines).escalation();
        if (doubt.has_rung_time()) keep_by = std::max(keep_by, now + absl::Hours(2));
        use(make.InDoubt(kId, now, doubt, type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE, keep_by));
        break;
      }
    }
    const OrderClock* due = find(CLOCK_KIND_CONFIRM);
    const bool doubted = due->rung != type::v1::RUNG_UNSPECIFIED;
    if (doubted) due = find(CLOCK_KIND_VOICE);
    acceptance = find(CLOCK_KIND_PEER_ACCEPTANCE);
    const absl::Time carried = doubted ? keep_by : confirm_by;
    const bool waits = ordinary && order.state == type::v1::ORDER_STATE_UNDERSTOOD;
    RC_ASSERT(due->due == (waits ? std::max(carried, acceptance->due) : carried));
    const type::v1::Escalation rung = RungCommand(order, *due, due->next_rung, deadlines).escalation();
    RC_ASSERT(FromProto(rung.due_time()) == carried);
    RC_ASSERT((due->due == carried || rung.has_rung_time()));
    if (waits && due->due != carried) RC_ASSERT(due->provisional == acceptance->provisional);
  }
  for (const OrderClock& clock : order.clocks) {
    const auto derivation = Explain(order, clock, deadlines);
    RC_ASSERT(derivation.ok());
    const absl::Status verified = derivation::VerifyClockDerivation(*derivation);
    if (!verified.ok()) RC_FAIL(std::string(verified.message()) + derivation->DebugString());
    RC_ASSERT(FromProto(derivation->result_time()) == clock.due);
    RC_ASSERT(derivation->provisional() == clock.provisional);
  }
  OrderClocks again;
  for (const type::v1::Event& event : events) again = Apply(std::move(again), event, deadlines, "12345");
  RC_ASSERT(again == order);
}

}  // namespace
}  // namespace hotline::escalation
