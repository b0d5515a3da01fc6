// The custody chain: exactly one holder at every instant, without gap or overlap.
#include "services/work_order/core/custody.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using type::v1::Event;
using workorder::v1::CustodyTenure;

std::vector<Event> EventsOf(const World& world, int at, const std::string& id) {
  std::vector<Event> events;
  for (const Event& event : world.Log(at)) {
    if (event.order_id() == id) events.push_back(event);
  }
  return events;
}

TEST(CustodyChain, ATenureForEachMoveAndAnIntervalForEachCondition) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  world.Do(1, Act::kAccept, twin);
  world.Settle();
  world.Do(1, Act::kReturn, twin);
  world.Settle();
  world.Do(0, Act::kDispute, id);
  world.Do(0, Act::kRule, id);
  const std::vector<CustodyTenure> chain = CustodyChain(EventsOf(world, 0, id), "12345", world.now());
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[0].holder(), "12345");
  EXPECT_EQ(chain[0].event_kind(), "offered");
  EXPECT_EQ(chain[0].intervals(0).condition(), workorder::v1::CUSTODY_CONDITION_OFFERED);
  EXPECT_EQ(chain[0].intervals(0).peer(), "110");
  EXPECT_EQ(chain[1].holder(), "110");
  EXPECT_EQ(chain[1].event_kind(), "accepted");
  EXPECT_TRUE(chain[1].mirrored());
  EXPECT_EQ(chain[1].actor().hotline(), "110");
  EXPECT_EQ(chain[1].actor().account(), "1001");
  EXPECT_LT(FromProto(chain[1].hold_time()), FromProto(chain[1].from_time()))
      << "both clocks, and the way between";
  ASSERT_EQ(chain[2].intervals_size(), 3);
  EXPECT_EQ(chain[2].epoch(), 3);
  EXPECT_EQ(chain[2].intervals(0).condition(), workorder::v1::CUSTODY_CONDITION_HELD);
  EXPECT_EQ(chain[2].intervals(1).condition(), workorder::v1::CUSTODY_CONDITION_DISPUTED);
  EXPECT_EQ(chain[2].intervals(2).condition(), workorder::v1::CUSTODY_CONDITION_HELD);
  EXPECT_FALSE(chain[2].has_until_time());
  EXPECT_EQ(world.fault(), "");
}

TEST(CustodyChain, SilenceBeyondConfirmByIsDoubt) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  const std::vector<Event> events = EventsOf(world, 0, id);
  const absl::Time by = FromProto(world.Order(0, id).handoff().confirm_by_time());
  const auto condition = [&](absl::Time at) { return WhoHolds(events, "12345", at)->interval().condition(); };
  EXPECT_EQ(condition(by - absl::Nanoseconds(1)), workorder::v1::CUSTODY_CONDITION_OFFERED);
  EXPECT_EQ(condition(by), workorder::v1::CUSTODY_CONDITION_IN_DOUBT);
  EXPECT_EQ(WhoHolds(events, "12345", by)->holder(), "12345") << "the giver keeps it";
  EXPECT_EQ(FromProto(WhoHolds(events, "12345", by + absl::Hours(1))->interval().from_time()), by);
}

// Until when silence is lawful after that, the events do not say: the one that declares the doubt does.
TEST(CustodyChain, AnOfferThatWasReadIsInDoubtWhenThatIsRecorded) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  const absl::Time by = FromProto(world.Order(0, id).handoff().confirm_by_time());
  world.Settle();
  const auto condition = [&](int at_site, const std::string& order, absl::Time at) {
    return WhoHolds(EventsOf(world, at_site, order), world.site(at_site).hotline, at)->interval().condition();
  };
  EXPECT_EQ(condition(0, id, by + absl::Hours(60)), workorder::v1::CUSTODY_CONDITION_OFFERED);
  EXPECT_EQ(condition(1, world.Twin(0, id), by + absl::Hours(60)), workorder::v1::CUSTODY_CONDITION_OFFERED)
      << "nor does the taker's site know more";
  world.Pass(absl::Hours(62));
  world.Do(0, Act::kDoubt, id);
  const absl::Time doubted = FromProto(world.LastEvent(0).commit_time());
  EXPECT_EQ(condition(0, id, doubted - absl::Nanoseconds(1)), workorder::v1::CUSTODY_CONDITION_OFFERED);
  EXPECT_EQ(condition(0, id, doubted), workorder::v1::CUSTODY_CONDITION_IN_DOUBT);
  world.Do(0, Act::kVoiceAccepts, id);
  EXPECT_EQ(condition(0, id, world.now() + absl::Hours(9)), workorder::v1::CUSTODY_CONDITION_OFFERED)
      << "the desks have spoken";
  world.Do(1, Act::kReturn, world.Twin(0, id));
  world.Settle();
  world.Do(0, Act::kOffer, id);
  EXPECT_EQ(condition(0, id, world.now()), workorder::v1::CUSTODY_CONDITION_OFFERED);
  const absl::Time again = FromProto(world.Order(0, id).handoff().confirm_by_time());
  EXPECT_EQ(condition(0, id, again), workorder::v1::CUSTODY_CONDITION_IN_DOUBT);
  EXPECT_EQ(world.fault(), "");
}

TEST(CustodyChain, NobodyHeldItBeforeItsRegistration) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  const std::vector<Event> events = EventsOf(world, 0, id);
  const absl::Time start = FromProto(events[0].commit_time());
  EXPECT_TRUE(CustodyChain(events, "12345", start - absl::Nanoseconds(1)).empty());
  const absl::Status status = WhoHolds(events, "12345", start - absl::Nanoseconds(1)).status();
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_TIME_INVALID);
  EXPECT_EQ(error::FieldOf(status), "at_time");
  EXPECT_EQ(WhoHolds(events, "12345", start)->holder(), "12345");
}

// What must hold of the chain of `events` seen at `at`.
void CheckTiles(const std::vector<CustodyTenure>& chain, absl::Time first, absl::Time at) {
  RC_ASSERT(!chain.empty());
  RC_ASSERT(FromProto(chain.front().from_time()) == first);
  for (size_t i = 0; i < chain.size(); ++i) {
    const CustodyTenure& tenure = chain[i];
    const bool last = i + 1 == chain.size();
    RC_ASSERT(!tenure.holder().empty());
    RC_ASSERT(tenure.has_until_time() != last);
    RC_ASSERT(FromProto(tenure.from_time()) <= at);
    if (!last) {
      RC_ASSERT(FromProto(tenure.until_time()) == FromProto(chain[i + 1].from_time()));
      RC_ASSERT(tenure.epoch() < chain[i + 1].epoch());
    }
    RC_ASSERT(tenure.intervals_size() > 0);
    RC_ASSERT(FromProto(tenure.intervals(0).from_time()) == FromProto(tenure.from_time()));
    for (int j = 0; j < tenure.intervals_size(); ++j) {
      const auto& interval = tenure.intervals(j);
      RC_ASSERT(interval.condition() != workorder::v1::CUSTODY_CONDITION_UNSPECIFIED);
      if (j + 1 < tenure.intervals_size()) {
        RC_ASSERT(FromProto(interval.from_time()) <= FromProto(interval.until_time()));
        RC_ASSERT(FromProto(interval.until_time()) == FromProto(tenure.intervals(j + 1).from_time()));
      } else {
        RC_ASSERT(interval.has_until_time() != last);
        if (!last) RC_ASSERT(FromProto(interval.until_time()) == FromProto(tenure.until_time()));
      }
    }
  }
}

RC_GTEST_PROP(CustodyLaw, ExactlyOneHolderAtEveryInstant, ()) {
  const auto steps = *rc::gen::scale(4.0, rc::gen::arbitrary<std::vector<uint32_t>>());
  World world(3);
  uint32_t place = 0;
  for (const uint32_t step : steps) {
    const uint32_t dice = (step ^ ++place * 0x9e3779b9) * 0x85ebca6b >> 4;
    const int at = static_cast<int>(dice % 3);
    const std::vector<std::string> ids = world.Orders(at);
    if (ids.empty()) {
      const bool pushed = dice / 3 % 4 != 0;
      RC_ASSERT(
          world.Execute(at, MakeRegistration(SampleContent(), pushed ? world.site((at + 1) % 3).hotline : ""))
              .ok());
      continue;
    }
    const std::string other = world.site((at + 1 + static_cast<int>(dice / 64 % 2)) % 3).hotline;
    for (int i = 0; i < 8; ++i) {
      const Act act = static_cast<Act>((dice / 256 + static_cast<uint32_t>(i) * 7) % kActs);
      if (world
              .Execute(at,
                       MakeCommand(act, ids[dice / 16 % ids.size()], other, world.now() + absl::Seconds(1)))
              .ok())
        break;
    }
    if (dice / 8 % 3 != 0) world.Settle();
  }
  if (!world.fault().empty()) RC_FAIL(world.fault());
  // A site's clock may be set back now and then: by up to `back` seconds at every other event.
  const int back = *rc::gen::inRange(0, 120);
  for (int at = 0; at < world.size(); ++at) {
    for (const std::string& id : world.Orders(at)) {
      std::vector<Event> events = EventsOf(world, at, id);
      for (size_t i = 1; i < events.size(); i += 2) {
        ToProto(FromProto(events[i].commit_time()) - absl::Seconds(back), events[i].mutable_commit_time());
      }
      const std::string& hotline = world.site(at).hotline;
      const absl::Time first = FromProto(events.front().commit_time());
      const absl::Time end = std::max(world.now(), first) + absl::Hours(*rc::gen::inRange(0, 4));
      const std::vector<CustodyTenure> chain = CustodyChain(events, hotline, end);
      CheckTiles(chain, first, end);
      RC_ASSERT(chain.back().holder() == world.Order(at, id).custody().holder());
      RC_ASSERT(chain.back().epoch() == world.Order(at, id).custody().epoch());
      // At any instant the chain as it stood then says what the whole chain says of it.
      const absl::Time instant = first + absl::Milliseconds(*rc::gen::inRange<int64_t>(
                                             0, absl::ToInt64Milliseconds(end - first) + 1));
      const auto held = WhoHolds(events, hotline, instant);
      RC_ASSERT(held.ok());
      CheckTiles(CustodyChain(events, hotline, instant), first, instant);
      int holders = 0;
      for (const CustodyTenure& tenure : chain) {
        const bool covers = FromProto(tenure.from_time()) <= instant &&
                            (!tenure.has_until_time() || instant < FromProto(tenure.until_time()));
        if (!covers) continue;
        ++holders;
        RC_ASSERT(tenure.holder() == held->holder());
        RC_ASSERT(tenure.epoch() == held->tenure().epoch());
      }
      RC_ASSERT(holders == 1);
    }
  }
}

}  // namespace
}  // namespace hotline::work_order
