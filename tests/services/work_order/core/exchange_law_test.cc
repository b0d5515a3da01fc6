// Laws of the exchange, tried with random work at all sites and random delays on the links.
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using type::v1::WorkOrder;

// What both sites have to agree on when nothing is under way.
std::string Shared(const WorkOrder& order) {
  WorkOrder shared;
  // Filing is each site's own affair.
  const bool filed = order.state() == type::v1::ORDER_STATE_ARCHIVED;
  shared.set_state(!filed              ? order.state()
                   : order.has_reply() ? type::v1::ORDER_STATE_CLOSED
                                       : type::v1::ORDER_STATE_CANCELLED);
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
  // What this site's units, ladder and callers did here: an offer does not tell of it.
  shared.mutable_facts()->clear_contact_count();
  shared.mutable_facts()->clear_first_contact_time();
  shared.mutable_facts()->clear_unit_return_count();
  shared.mutable_facts()->clear_supervise_count();
  shared.mutable_facts()->clear_circulate_count();
  shared.mutable_facts()->clear_discipline_count();
  shared.mutable_facts()->clear_rung_unreached();
  shared.mutable_facts()->clear_last_minute_count();
  shared.mutable_facts()->clear_finish_due_time();
  shared.mutable_facts()->clear_last_tenth_time();
  *shared.mutable_handoff() = order.handoff();
  // The giver's stamp; the receiver hears of it only with the giver's next move.
  shared.mutable_handoff()->clear_recall_request_time();
  shared.mutable_handoff()->clear_receipt_record();
  // The giver's alarm makes it late at the giver, whatever the receiver's clock says.
  shared.mutable_handoff()->clear_late();
  // What crosses the end is on record where it was said: a filed order takes no note of a telephone call, and
  // an accusation goes no further than the next site, as nobody works on the order. If it is reopened, the
  // mirror that tells so brings what its teller knows.
  if (shared.state() == type::v1::ORDER_STATE_CLOSED || shared.state() == type::v1::ORDER_STATE_CANCELLED) {
    shared.mutable_facts()->clear_recused_units();
    shared.mutable_handoff()->clear_voice();
  }
  *shared.mutable_hops() = order.hops();
  shared.set_content_digest(order.content_digest());
  return shared.DebugString();
}

// Tries a few things on some order at `at`, chosen by `dice`, until one is legal.
void Work(World& world, int at, uint32_t dice) {
  const std::vector<std::string> ids = world.Orders(at);
  const auto other = [&](uint32_t number) {
    const int step = 1 + static_cast<int>(number % static_cast<uint32_t>(world.size() - 1));
    return world.site((at + step) % world.size()).hotline;
  };
  if (ids.empty() || (ids.size() < 4 && dice % 16 == 0)) {
    const std::string to = dice % 3 != 0 ? other(dice / 48) : "";
    if (!world.Execute(at, MakeRegistration(SampleContent(), to)).ok()) RC_FAIL("no registration");
    return;
  }
  const std::string id = ids[dice / 16 % ids.size()];
  for (int i = 0; i < 12; ++i) {
    const Act act = static_cast<Act>((dice / 64 + static_cast<uint32_t>(i) * 7) % kActs);
    // Endings are rare, or nothing would live long.
    if ((act == Act::kCancel || act == Act::kClose) && dice % 2 != 0) continue;
    if (act == Act::kDispute && dice % 7 != 0) continue;
    if ((act == Act::kRecall || act == Act::kReturn) && dice % 3 != 0) continue;
    // Always legal, so it would crowd out the rest.
    if ((act == Act::kUrge || act == Act::kRemind || act == Act::kRule || act == Act::kAlarm ||
         act == Act::kCallPartners || act == Act::kMoveDeadline || act == Act::kAcknowledge ||
         act == Act::kNotify) &&
        dice % 11 != 0) {
      continue;
    }
    if (act >= Act::kDoubt && act <= Act::kVoiceKeeps && dice % 7 != 0) continue;
    type::v1::Command command = MakeCommand(act, id, other(dice / 7), world.now() + absl::Seconds(1));
    FitTo(world.Order(at, id), &command);
    if (act == Act::kAccept && dice % 5 == 0) command.mutable_acceptance()->set_danger_first(true);
    if (act == Act::kRule && dice % 5 != 0) command.mutable_ruling()->set_to_hotline(other(dice / 13));
    if (world.Execute(at, command).ok()) return;
  }
}

// Each of the three receipts is a fact of its own: on record at the giver at most once for a handoff, and of
// the current one exactly once if the peer has it.
void CheckReceipts(const World& world) {
  for (int at = 0; at < world.size(); ++at) {
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

// A copy that the desk at `at` may work with as the holder.
bool IsWorkable(const World& world, int at, const WorkOrder& order) {
  return order.custody().holder() == world.site(at).hotline && !FollowsAnotherCopy(order, world.site(at));
}

// At any moment sites may see different holders of a matter, but then they know of different epochs; and no
// two copies are to be worked with in the same one.
void CheckCustody(const World& world) {
  std::map<std::pair<std::string, int64_t>, std::string> holders;
  std::map<std::pair<std::string, int64_t>, int> workable;
  for (int at = 0; at < world.size(); ++at) {
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      const auto key = std::pair(order.content_digest(), order.custody().epoch());
      const std::string& holder = order.custody().holder();
      if (holders.try_emplace(key, holder).first->second != holder) RC_FAIL("two holders in one epoch");
      if (IsWorkable(world, at, order) && ++workable[key] > 1)
        RC_FAIL("two copies to work with in one epoch");
    }
  }
}

// When nothing is under way, the holder of the latest epoch has exactly one copy to work with, and nobody
// else has any.
void CheckOneCopyIsWorkedWith(const World& world) {
  std::map<std::string, int64_t> latest;
  std::map<std::string, int> workable;
  for (int at = 0; at < world.size(); ++at) {
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      int64_t& epoch = latest[order.content_digest()];
      epoch = std::max(epoch, order.custody().epoch());
    }
  }
  for (int at = 0; at < world.size(); ++at) {
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      if (!IsWorkable(world, at, order)) continue;
      ++workable[order.content_digest()];
      if (order.custody().epoch() != latest[order.content_digest()]) RC_FAIL("an old copy to work with");
    }
  }
  for (const auto& [matter, epoch] : latest) {
    if (workable[matter] != 1) RC_FAIL("not one copy to work with");
  }
}

// What the giver of `handoff` has to see of it, when nothing is under way.
void CheckHandoff(const World& world, int at, const WorkOrder& order, const type::v1::Handoff& handoff) {
  const std::string twin_id = world.Twin(at, handoff);
  RC_ASSERT(!twin_id.empty());
  const int other = world.OtherSiteOf(at, handoff);
  const WorkOrder& twin = world.Order(other, twin_id);
  if (twin.handoff().id() == handoff.id()) {
    RC_ASSERT(Shared(order) == Shared(twin));
    RC_ASSERT(SharedView(order) == SharedView(twin));
    return;
  }
  // Passed on: only that it is, and what becomes of it beyond, is told.
  RC_ASSERT(twin.inbound().id() == handoff.id());
  RC_ASSERT(SharedView(order) == InboundView(twin));
  RC_ASSERT(order.custody().SerializeAsString() == twin.custody().SerializeAsString());
  const type::v1::OrderState state = StateForGiver(twin, world.site(other));
  RC_ASSERT(order.state() == state || order.state() == type::v1::ORDER_STATE_ARCHIVED ||
            state == type::v1::ORDER_STATE_ARCHIVED ||
            (state == type::v1::ORDER_STATE_ACCEPTED && Contains(kAtWork, order.state())));
  RC_ASSERT(handoff.onward_hotline() == (IsHandedOver(twin) ? TakerOf(twin.handoff()) : std::string()));
}

void Run(int sites, bool governed) {
  // Long runs: an order needs a dozen steps to come to its end.
  const auto steps = *rc::gen::scale(10.0, rc::gen::arbitrary<std::vector<uint32_t>>());
  World world(sites);
  world.BeStrict();
  world.mutable_site(1)->dispatches_first = true;
  for (int at = 0; at < sites && governed; ++at) {
    world.mutable_site(at)->free_returns_per_unit = 1;
    world.mutable_site(at)->free_returns_per_order = 2;
  }
  uint32_t place = 0;
  for (const uint32_t step : steps) {
    // Small numbers come often, and the same step is to mean another thing at another place.
    const uint32_t dice = (step ^ ++place * 0x9e3779b9) * 0x85ebca6b >> 4;
    const int at = static_cast<int>(dice / 8 % static_cast<uint32_t>(sites));
    switch (dice % 8) {
      case 0:
      case 1:
      case 2:
      case 3:
        Work(world, at, dice / 32);
        break;
      case 4:
      case 5: {
        const int step = 1 + static_cast<int>(dice / 64 % static_cast<uint32_t>(sites - 1));
        world.Deliver(at, (at + step) % sites);
        break;
      }
      case 6:
        world.Receipt(at);
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
  if (!world.fault().empty()) RC_FAIL(world.fault());
  CheckReceipts(world);
  CheckCustody(world);
  CheckOneCopyIsWorkedWith(world);
  bool ended = false;
  bool spoken = false;
  bool doubted = false;
  for (int at = 0; at < world.size(); ++at) {
    for (const type::v1::Event& event : world.Log(at)) {
      spoken |= event.has_voice_confirmed() || event.accepted().has_voice();
      doubted |= event.has_in_doubt();
    }
  }
  bool redone = false;
  bool again = false;
  bool passed_on = false;
  bool came_back = false;
  bool disputed = false;
  for (int at = 0; at < sites; ++at) {
    for (const std::string& id : world.Orders(at)) {
      const WorkOrder& order = world.Order(at, id);
      RC_ASSERT(!order.facts().recall_requested());
      RC_ASSERT(order.state() != type::v1::ORDER_STATE_OFFERED);
      RC_ASSERT(order.state() != type::v1::ORDER_STATE_RECEIVED);
      again |= order.past_handoffs_size() > 0;
      disputed |= order.facts().disputed();
      if (governed) RC_ASSERT(order.facts().return_count() <= 2 || !order.facts().ruled_for().empty());
      if (IsOpen(order) && order.handoff().from_hotline() == world.site(at).hotline) {
        CheckHandoff(world, at, order, order.handoff());
        ended |= Contains(kEnded, order.state());
        redone |= order.facts().redo_count() > 0;
        passed_on |= !order.handoff().onward_hotline().empty();
        came_back |= !order.handoff().origin_handoff_id().empty();
      } else if (order.has_handoff() && order.handoff().to_hotline() == world.site(at).hotline &&
                 !IsOpen(order)) {
        // What became of the order at the giver after it came back is the giver's affair.
        RC_ASSERT(order.custody().holder() ==
                  (EndedInDispute(order) ? order.origin_hotline() : order.handoff().from_hotline()));
      }
    }
  }
  RC_CLASSIFY(ended, "a handoff closed at both sites");
  RC_CLASSIFY(redone, "a handoff redone");
  RC_CLASSIFY(again, "an order pushed again");
  RC_CLASSIFY(doubted, "an offer in doubt");
  RC_CLASSIFY(spoken, "a confirmation by voice");
  RC_CLASSIFY(passed_on, "an order passed on");
  RC_CLASSIFY(came_back, "an order back where it was");
  RC_CLASSIFY(disputed, "an order disputed");
}

RC_GTEST_PROP(ExchangeLaw, TwoSitesAgreeWhenNothingIsUnderWay, ()) { Run(2, false); }
RC_GTEST_PROP(ExchangeLaw, ThreeSitesAgreeWhenNothingIsUnderWay, ()) { Run(3, false); }
RC_GTEST_PROP(ExchangeLaw, FourSitesAgreeWhenReturnsAreCounted, ()) { Run(4, true); }

}  // namespace
}  // namespace hotline::work_order
