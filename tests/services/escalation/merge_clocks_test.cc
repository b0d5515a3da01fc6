// The law of a merged order's clock, over random histories: a merger neither stops, restarts nor moves the
// FINISH clock, and what serves it is the order's own reply. And how a deadline is explained whose duty
// passed to somebody who works by other days.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/derivation/verify.h"
#include "common/error/error.h"
#include "hotline/escalation/v1/clock_history.pb.h"
#include "services/escalation/core/clocks.h"
#include "services/escalation/core/explain.h"
#include "services/escalation/edge_rules.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using type::v1::CLOCK_KIND_FINISH;
using type::v1::CLOCK_KIND_SIGN;
using type::v1::Event;

constexpr int64_t kId = 7;

std::vector<OrderClock> LiveOf(const OrderClocks& order, type::v1::ClockKind kind) {
  std::vector<OrderClock> live;
  for (const OrderClock& clock : order.clocks) {
    if (clock.kind == kind && clock.live()) live.push_back(clock);
  }
  return live;
}

RC_GTEST_PROP(MergeClocksLaw, AMergerLeavesTheDeadlineAsItIs, (const std::vector<uint8_t>& steps)) {
  EventMaker make;
  const Deadlines deadlines(TestPolicy());
  OrderClocks order;
  int64_t second = 0;
  const auto at = [&] { return Start() + absl::Seconds(second); };
  const auto use = [&](Event event) { order = Apply(order, event, deadlines, "12345"); };
  Event accepted = make.Accepted(kId, at(), "12345");
  use(accepted);
  bool merged = false;
  for (const uint8_t step : steps) {
    second += 1 + step / 8;
    const std::vector<OrderClock> before = LiveOf(order, CLOCK_KIND_FINISH);
    RC_ASSERT(before.size() == 1u);
    switch (step % 4) {
      case 0: {
        if (merged) break;
        Event event = make.Progressed(kId, at());
        event.clear_progressed();
        event.mutable_custody()->set_holder("12345");
        event.mutable_merged()->mutable_into()->set_order_id("kept");
        if (step % 8 == 0) event.mutable_merged()->set_lead_unit("housing");
        use(event);
        merged = true;
        const std::vector<OrderClock> after = LiveOf(order, CLOCK_KIND_FINISH);
        RC_ASSERT(after.size() == 1u);
        RC_ASSERT(after[0].armed_by == before[0].armed_by);
        RC_ASSERT(after[0].due == before[0].due);
        RC_ASSERT(after[0].duty_party == (step % 8 == 0 ? "housing" : "12345"));
        RC_ASSERT(LiveOf(order, CLOCK_KIND_SIGN).empty());
        break;
      }
      case 1: {
        if (!merged) break;
        Event event = make.Progressed(kId, at());
        event.clear_progressed();
        event.mutable_custody()->set_holder("12345");
        event.mutable_separated();
        use(event);
        merged = false;
        const std::vector<OrderClock> after = LiveOf(order, CLOCK_KIND_FINISH);
        RC_ASSERT(after.size() == 1u);
        RC_ASSERT(after[0].due == before[0].due);
        RC_ASSERT(after[0].duty_party == "12345");
        break;
      }
      case 2: {
        // A unit is sent only while the order is a job of its own.
        if (!merged) {
          use(make.Dispatched(kId, at()));
          break;
        }
        // The job it was merged into is given to another: the duty moves, the deadline stands.
        Event event = make.Progressed(kId, at());
        event.clear_progressed();
        event.mutable_custody()->set_holder("12345");
        event.mutable_merged()->mutable_into()->set_order_id("kept");
        event.mutable_merged()->set_lead_unit("roads");
        use(event);
        const std::vector<OrderClock> after = LiveOf(order, CLOCK_KIND_FINISH);
        RC_ASSERT(after.size() == 1u);
        RC_ASSERT(after[0].armed_by == before[0].armed_by);
        RC_ASSERT(after[0].due == before[0].due);
        RC_ASSERT(after[0].duty_party == "roads");
        break;
      }
      default:
        // The kept order's own events are not this order's: nothing to apply.
        break;
    }
  }
  second += 1;
  const absl::Time due = LiveOf(order, CLOCK_KIND_FINISH)[0].due;
  use(make.Replied(kId, at()));
  RC_ASSERT(LiveOf(order, CLOCK_KIND_FINISH).empty());
  const OrderClock* last = nullptr;
  for (const OrderClock& clock : order.clocks) {
    if (clock.kind == CLOCK_KIND_FINISH) last = &clock;
  }
  RC_ASSERT(last != nullptr && last->stop == at());
  RC_ASSERT(last->breached == (due <= at()));
}

// The heating company works around the clock, the market office does not.
class PassedClocksTest : public testing::Test {
 protected:
  static Deadlines County() {
    config::v1::EscalationConfig config;
    config.set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
    config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
    auto rules = LoadRules(config, "");
    EXPECT_TRUE(rules.ok()) << rules.status();
    rules->parties = {.units = {{"gongre", "always"}}, .site = "12345", .peers = {"110"}};
    return Deadlines(std::vector<Publication>{*std::move(rules)});
  }
  static absl::Time At(const std::string& text) {
    absl::Time time;
    EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, Beijing(), &time, nullptr)) << text;
    return time;
  }
  static std::string Show(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M", time, Beijing()); }

  void Use(const Event& event) { order_ = Apply(order_, event, deadlines_, "12345"); }
  // With the heating company: five days of it, up to midnight.
  void Dispatch() {
    Use(make_.Registered(kId, At("2026-11-27 11:00")));
    Use(make_.Accepted(kId, At("2026-11-27 11:00"), "12345"));
    Use(make_.Dispatched(kId, At("2026-11-27 11:00"), "gongre"));
    EXPECT_EQ(Show(Finish().due), "2026-12-03 00:00");
  }
  void Merge(absl::Time at) {
    Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_merged()->mutable_into()->set_order_id("kept");
    event.mutable_merged()->set_lead_unit("shijianju");
    Use(event);
    EXPECT_EQ(Finish().duty_party, "shijianju");
  }
  const OrderClock& Finish() const {
    const OrderClock* found = nullptr;
    for (const OrderClock& clock : order_.clocks) {
      if (clock.kind == CLOCK_KIND_FINISH) found = &clock;
    }
    EXPECT_NE(found, nullptr);
    static const OrderClock none;
    return found == nullptr ? none : *found;
  }
  // Explained, and verified.
  v1::ClockDerivation Explained() {
    const auto derivation = Explain(order_, Finish(), deadlines_);
    EXPECT_TRUE(derivation.ok()) << derivation.status();
    if (!derivation.ok()) return {};
    const absl::Status verified = derivation::VerifyClockDerivation(*derivation);
    EXPECT_TRUE(verified.ok()) << verified << derivation->DebugString();
    if (!derivation->paused()) {
      EXPECT_EQ(FromProto(derivation->result_time()), Finish().due);
    }
    EXPECT_EQ(derivation->provisional(), Finish().provisional);
    return *derivation;
  }

  EventMaker make_;
  const Deadlines deadlines_ = County();
  OrderClocks order_;
};

TEST_F(PassedClocksTest, ADutyThatPassesToOtherDaysIsNoExtension) {
  Dispatch();
  Merge(At("2026-11-28 10:00"));
  EXPECT_EQ(Show(Finish().due), "2026-12-03 00:00");
  const v1::ClockDerivation derivation = Explained();
  EXPECT_THAT(derivation.limit().calendar(), testing::StartsWith("always: "));
  EXPECT_EQ(FromProto(derivation.limit().result_time()), Finish().due);
  ASSERT_EQ(derivation.steps_size(), 1);
  EXPECT_EQ(derivation.steps(0).kind(), v1::DERIVATION_STEP_KIND_PASSED);
  EXPECT_EQ(derivation.steps(0).duty_party(), "shijianju");
  EXPECT_THAT(derivation.steps(0).calendar(), testing::StartsWith("office: "));
  const std::string text = ExplainInChinese(derivation);
  EXPECT_THAT(text, testing::HasSubstr("责任转由shijianju，时限不变"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("延期")));
  // It stands, and that can be recomputed.
  v1::ClockDerivation altered = derivation;
  altered.mutable_steps(0)->mutable_until_time()->set_seconds(derivation.result_time().seconds() + 86'400);
  *altered.mutable_steps(0)->mutable_due_time() = altered.steps(0).until_time();
  *altered.mutable_result_time() = altered.steps(0).until_time();
  EXPECT_EQ(error::FieldOf(derivation::VerifyClockDerivation(altered)), "steps[0].until_time");
  // What comes after is counted by the days of whoever has it now, from Wednesday, which its midnight ends.
  Event granted = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At("2026-12-01 10:00"));
  granted.mutable_extension_decided()->mutable_decision()->set_approved(true);
  type::v1::TimeAmount& length = *granted.mutable_extension_decided()->mutable_request()->mutable_length();
  length.set_kind(type::v1::TIME_KIND_WORKING_DAYS);
  length.set_value(1);
  Use(granted);
  EXPECT_EQ(Show(Finish().due), "2026-12-03 19:30");
  EXPECT_THAT(Explained().steps(1).derivation().calendar(), testing::StartsWith("office: "));
}

TEST_F(PassedClocksTest, ASuspendedClockPassesWithTheDeadlineItWouldHave) {
  Dispatch();
  Use(make_.Suspended(kId, At("2026-11-28 09:00")));
  Merge(At("2026-11-29 09:00"));
  // A day later, as it stood still for one: Friday, midnight.
  const v1::ClockDerivation derivation = Explained();
  ASSERT_EQ(derivation.steps_size(), 2);
  EXPECT_EQ(Show(FromProto(derivation.steps(1).until_time())), "2026-12-04 00:00");
  EXPECT_EQ(Finish().remaining, absl::Minutes(4 * 450)) << "from Monday to Thursday";
  v1::ClockDerivation altered = derivation;
  altered.mutable_steps(1)->clear_standing();
  EXPECT_FALSE(derivation::VerifyClockDerivation(altered).ok());
  Use(make_.Resumed(kId, At("2026-11-30 09:00")));
  EXPECT_EQ(Show(Finish().due), "2026-12-03 19:30");
  Explained();
}

// As the last release kept it.
TEST_F(PassedClocksTest, APassingThatWasKeptAsAnExtensionIsStillRead) {
  Dispatch();
  const absl::Time due = Finish().due;
  const auto found = std::find_if(order_.clocks.rbegin(), order_.clocks.rend(),
                                  [](const OrderClock& one) { return one.kind == CLOCK_KIND_FINISH; });
  ASSERT_NE(found, order_.clocks.rend());
  OrderClock& clock = *found;
  v1::ClockHistory history;
  v1::ClockAdjustment& adjustment = *history.add_adjustments();
  adjustment.set_sequence(9);
  *adjustment.mutable_time() = ToProto(At("2026-11-28 10:00"));
  *adjustment.mutable_until_time() = ToProto(due);
  history.SerializeToString(&clock.history);
  clock.duty_party = "shijianju";
  clock.provisional = false;
  EXPECT_EQ(Reckon(clock, clock.rule, deadlines_).due.time, due);
  EXPECT_EQ(Explained().steps(0).kind(), v1::DERIVATION_STEP_KIND_EXTENDED_UNTIL);
}

}  // namespace
}  // namespace hotline::escalation
