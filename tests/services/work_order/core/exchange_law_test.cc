// Laws of the exchange, tried with random work on both sides and random delays on the link.
#include <cstdint>
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

using type::v1::WorkOrder;

// What both sites have to agree on when nothing is under way.
std::string Shared(const WorkOrder& order) {
  WorkOrder shared;
  // Filing is each site's own affair.
  shared.set_state(order.state() == type::v1::ORDER_STATE_ARCHIVED ? type::v1::ORDER_STATE_CLOSED
                                                                   : order.state());
  *shared.mutable_custody() = order.custody();
  shared.set_origin_hotline(order.origin_hotline());
  *shared.mutable_units() = order.units();
  if (order.has_reply()) *shared.mutable_reply() = order.reply();
  shared.mutable_reply()->clear_internal_reply();
  if (order.has_call_back()) *shared.mutable_call_back() = order.call_back();
  shared.mutable_call_back()->clear_note();
  *shared.mutable_facts() = order.facts();
  shared.mutable_facts()->clear_overdue();
  shared.mutable_facts()->clear_urge_count();
  shared.mutable_facts()->clear_remind_count();
  shared.mutable_facts()->clear_recall_requested();
  shared.mutable_facts()->clear_receipt_alarm();
  shared.mutable_facts()->clear_in_doubt();
  shared.mutable_facts()->clear_voice_confirmation_required();
  *shared.mutable_handoff() = order.handoff();
  // The giver's stamp; the receiver hears of it only with the giver's next move.
  shared.mutable_handoff()->clear_recall_request_time();
  shared.mutable_handoff()->clear_receipt_record();
  // The giver's alarm makes it late at the giver, whatever the receiver's clock says.
  shared.mutable_handoff()->clear_late();
  shared.set_content_digest(order.content_digest());
  return shared.DebugString();
}

// Tries a few things on some order at `at`, chosen by `dice`, until one is legal.
void Work(World& world, int at, uint32_t dice) {
  const std::vector<std::string> ids = world.Orders(at);
  if (ids.empty() || (ids.size() < 4 && dice % 16 == 0)) {
    world.Register(at, SampleContent(), dice % 3 != 0);
    return;
  }
  const std::string id = ids[dice / 16 % ids.size()];
  for (int i = 0; i < 12; ++i) {
    const Act act = static_cast<Act>((dice / 64 + static_cast<uint32_t>(i) * 7) % kActs);
    // Endings are rare, or nothing would live long.
    if ((act == Act::kCancel || act == Act::kClose) && dice % 2 != 0) continue;
    if ((act == Act::kRecall || act == Act::kReturn) && dice % 3 != 0) continue;
    // Always legal, so it would crowd out the rest.
    if ((act == Act::kUrge || act == Act::kRemind || act == Act::kAlarm || act == Act::kCallPartners) &&
        dice % 11 != 0) {
      continue;
    }
    if (act >= Act::kDoubt && act <= Act::kVoiceKeeps && dice % 7 != 0) continue;
    if (world.Try(at, act, id).ok()) return;
  }
}

// Each of the three receipts is a fact of its own: on record at the giver at most once for a handoff, and of
// the current one exactly once if the peer has it.
void CheckReceipts(const World& world) {
  for (int at = 0; at < 2; ++at) {
    std::map<std::string, int> received;
    std::map<std::string, int> understood;
    for (const type::v1::Event& event : world.Log(at)) {
      if (event.has_received()) ++received[event.received().handoff_id()];
      if (event.has_understood() && event.mirrored()) ++understood[event.handoff_id()];
    }
    for (const auto& [id, count] : received) {
      if (count != 1) RC_FAIL("a first receipt twice: " + id);
    }
    for (const auto& [id, count] : understood) {
      if (count != 1) RC_FAIL("a second receipt twice: " + id);
    }
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      if (order.handoff().from_hotline() != world.site(at).hotline) continue;
      const std::string& handoff = order.handoff().id();
      if (order.state() != type::v1::ORDER_STATE_ARCHIVED && received[handoff] != 1) {
        RC_FAIL("no first receipt: " + handoff);
      }
      if (understood[handoff] != 1) RC_FAIL("no second receipt: " + handoff);
    }
  }
}

// At any moment the two sites may see different holders, but then one of them knows a later epoch.
void CheckCustody(const World& world) {
  for (int at = 0; at < 2; ++at) {
    for (const std::string& id : world.Orders(at)) {
      const std::string twin = world.Twin(at, id);
      if (twin.empty()) continue;
      const auto& here = world.Order(at, id).custody();
      const auto& there = world.Order(1 - at, twin).custody();
      if (here.epoch() == there.epoch() && here.holder() != there.holder())
        RC_FAIL("two holders in one epoch");
    }
  }
}

RC_GTEST_PROP(ExchangeLaw, TwoSitesAgreeWhenNothingIsUnderWay, ()) {
  // Long runs: an order needs a dozen steps to come to its end.
  const auto steps = *rc::gen::scale(10.0, rc::gen::arbitrary<std::vector<uint32_t>>());
  World world;
  uint32_t place = 0;
  for (const uint32_t step : steps) {
    // Small numbers come often, and the same step is to mean another thing at another place.
    const uint32_t dice = (step ^ ++place * 0x9e3779b9) * 0x85ebca6b >> 4;
    switch (dice % 8) {
      case 0:
      case 1:
        Work(world, 0, dice / 8);
        break;
      case 2:
      case 3:
        Work(world, 1, dice / 8);
        break;
      case 4:
        world.Deliver(0);
        break;
      case 5:
        world.Deliver(1);
        break;
      case 6:
        world.Receipt(static_cast<int>(dice / 8 % 2));
        break;
      default:
        if (dice / 8 % 4 == 0) world.Settle();
        break;
    }
    // RC_ASSERT writes out its operands even when they are as they should be.
    if (!world.fault().empty()) RC_FAIL(world.fault());
    CheckCustody(world);
  }
  world.Settle();
  RC_ASSERT(world.fault() == "");
  CheckReceipts(world);
  bool ended = false;
  bool spoken = false;
  bool doubted = false;
  for (int at = 0; at < 2; ++at) {
    for (const type::v1::Event& event : world.Log(at)) {
      spoken |= event.has_voice_confirmed() || event.accepted().has_voice();
      doubted |= event.has_in_doubt();
    }
  }
  bool redone = false;
  bool again = false;
  for (int at = 0; at < 2; ++at) {
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      RC_ASSERT(!order.facts().recall_requested());
      RC_ASSERT(order.state() != type::v1::ORDER_STATE_OFFERED);
      RC_ASSERT(order.state() != type::v1::ORDER_STATE_RECEIVED);
      again |= order.past_handoffs_size() > 0;
      const std::string twin = world.Twin(at, id);
      if (twin.empty()) continue;
      if (IsOpen(order)) {
        RC_ASSERT(Shared(order) == Shared(world.Order(1 - at, twin)));
        ended |= Contains(kEnded, order.state());
        redone |= order.facts().redo_count() > 0;
      } else if (order.handoff().to_hotline() == world.site(at).hotline) {
        // What became of the order at the giver after it came back is the giver's affair.
        RC_ASSERT(order.custody().holder() == order.handoff().from_hotline());
      }
    }
  }
  RC_CLASSIFY(ended, "a handoff closed at both sites");
  RC_CLASSIFY(redone, "a handoff redone");
  RC_CLASSIFY(again, "an order pushed again");
  RC_CLASSIFY(doubted, "an offer in doubt");
  RC_CLASSIFY(spoken, "a confirmation by voice");
}

}  // namespace
}  // namespace hotline::work_order
