// Laws of merging, tried with random mergers, separations and work at two sites and random delays on the
// link: nobody is forgotten, nobody is doubled, and each caller's clock is served by that caller's own reply.
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using type::v1::Command;
using type::v1::Event;
using type::v1::WorkOrder;

constexpr Act kWork[] = {Act::kAccept, Act::kDispatch, Act::kSign,   Act::kProgress,
                         Act::kFinish, Act::kCallBack, Act::kRedo,   Act::kClose,
                         Act::kCancel, Act::kSuspend,  Act::kResume, Act::kExtend,
                         Act::kReturn, Act::kRecall,   Act::kReopen, Act::kDispute};

// One step that may be refused; refusals change nothing.
void Step(World& world, uint32_t dice) {
  const int at = static_cast<int>(dice & 1);
  const std::vector<std::string> ids = world.Orders(at);
  const std::string& id = ids[(dice >> 1) % ids.size()];
  const std::string& other = ids[(dice >> 6) % ids.size()];
  switch ((dice >> 12) % 8) {
    case 0:
    case 1: {
      Command merge = MakeCommand(Act::kProgress, id, "", world.now());
      merge.mutable_merger()->set_into_order_id(other);
      merge.mutable_merger()->set_reason("同一事项");
      (void)world.Execute(at, merge);
      return;
    }
    case 2: {
      Command separate = MakeCommand(Act::kProgress, id, "", world.now());
      separate.mutable_separation()->set_reason("并非同一事项");
      (void)world.Execute(at, separate);
      return;
    }
    case 3:
      (void)world.Try(at, Act::kOffer, id);
      return;
    default:
      (void)world.Try(at, kWork[(dice >> 16) % std::size(kWork)], id);
      return;
  }
}

// What must hold between the orders of a site at every instant.
void CheckSite(const World& world, int at) {
  const std::string& hotline = world.site(at).hotline;
  std::map<std::string, int> listed;
  for (const std::string& id : world.Orders(at)) {
    const WorkOrder& order = world.Order(at, id);
    RC_ASSERT(Unsound(order, world.site(at)).empty());
    for (const type::v1::MergedOrder& merged : order.merged_orders()) {
      ++listed[merged.order_id()];
      // The list is true: it names what was merged into it, with the state that it has.
      const WorkOrder& member = world.Order(at, merged.order_id());
      RC_ASSERT(member.merged_into().order_id() == id);
      RC_ASSERT(member.state() == merged.state());
    }
  }
  for (const std::string& id : world.Orders(at)) {
    const WorkOrder& order = world.Order(at, id);
    RC_ASSERT(listed[id] == (order.has_merged_into() ? 1 : 0));
    if (!IsMergedAtWork(order)) continue;
    // Held here, and the job goes on where this site will hear of its end.
    RC_ASSERT(order.custody().holder() == hotline);
    const WorkOrder& kept = world.Order(at, order.merged_into().order_id());
    RC_ASSERT(!kept.has_merged_into());
    RC_ASSERT(!Contains(In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK) | kEnded,
                        kept.state()));
    const bool lost = Contains(kGivenBack, kept.state()) && kept.custody().holder() != hotline;
    RC_ASSERT(!lost);
  }
}

RC_GTEST_PROP(MergeLaw, NobodyIsForgottenOrDoubled, (const std::vector<uint32_t>& dices)) {
  World world;
  for (int i = 0; i < 3; ++i) {
    world.Register(0, SampleContent(), false);
    world.Register(1, SampleContent(), i > 0);
  }
  world.Settle();
  for (const uint32_t dice : dices) {
    if (dice % 5 == 0) {
      (void)world.Deliver(static_cast<int>(dice >> 8 & 1));
    } else {
      Step(world, dice / 5);
    }
    for (int at : {0, 1}) CheckSite(world, at);
    RC_ASSERT(world.fault().empty());
  }
  world.Settle();
  RC_ASSERT(world.fault().empty());
  for (int at : {0, 1}) {
    CheckSite(world, at);
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      const std::string twin = world.Twin(at, id);
      if (twin.empty() || !IsOpen(order)) continue;
      // Custody is single: both copies name one holder.
      const WorkOrder& copy = world.Order(1 - at, twin);
      if (copy.handoff().id() != order.handoff().id()) continue;
      RC_ASSERT(copy.custody().holder() == order.custody().holder());
      RC_ASSERT(copy.custody().epoch() == order.custody().epoch());
    }
  }
}

// Each caller is replied to by an event of their own order, once for each time that it was at work: that is
// what stops the order's FINISH clock.
RC_GTEST_PROP(MergeLaw, EveryReplyIsAnEventOfTheCallersOwnOrder, (const std::vector<uint32_t>& dices)) {
  World world;
  for (int i = 0; i < 4; ++i) world.Register(0, SampleContent(), false);
  for (const uint32_t dice : dices) Step(world, dice & ~1U);
  std::map<std::string, type::v1::OrderState> state;
  for (const Event& event : world.Log(0)) {
    RC_ASSERT(event.state_before() == state[event.order_id()]);
    const bool replies =
        event.state() == type::v1::ORDER_STATE_REPLIED && event.state_before() != event.state();
    RC_ASSERT(replies == event.has_replied());
    state[event.order_id()] = event.state();
  }
  for (const auto& [id, last] : state) RC_ASSERT(world.Order(0, id).state() == last);
}

}  // namespace
}  // namespace hotline::work_order
