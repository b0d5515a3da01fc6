// The law of a merged order's clock, over random histories: a merger neither stops, restarts nor moves the
// FINISH clock, and what serves it is the order's own reply.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "services/escalation/core/clocks.h"
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

}  // namespace
}  // namespace hotline::escalation
