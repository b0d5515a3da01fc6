// What a site restored from an old backup makes of its own envelopes that its peers hand back, in whatever
// order the peers answer.
#include <initializer_list>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using exchange::v1::Envelope;
using type::v1::WorkOrder;

// 12345 has offered an order to 110, which gave it back, and then to 119.
class OfferedTwiceTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string id = world_.Register(0, SampleContent(), true);
    first_ = world_.Owed(0, 1).front();
    world_.Deliver(0, 1);
    understood_ = world_.Owed(1, 0).front();
    ASSERT_EQ(understood_.kind(), exchange::v1::ENVELOPE_KIND_UNDERSTOOD);
    world_.Do(1, Act::kReturn, world_.Twin(0, id));
    world_.Settle();
    world_.Push(0, id, 2);
    second_ = world_.Owed(0, 2).front();
    world_.Settle();
    before_ = world_.Order(0, id);
    ASSERT_EQ(before_.handoff().id(), second_.handoff_id());
    ASSERT_EQ(world_.fault(), "");
  }

  Received Recover(const WorkOrder* order, const Envelope& envelope) const {
    return DecideRecovered(order, envelope, {}, world_.site(0), world_.now());
  }
  Received Receive(const WorkOrder& order, const Envelope& envelope) const {
    return DecideEnvelope(&order, envelope, "110", {}, world_.site(0), world_.now());
  }

  World world_{3};
  Envelope first_;
  Envelope understood_;
  Envelope second_;
  WorkOrder before_;
};

TEST_F(OfferedTwiceTest, TheEarlierOfferIsAmongThePastOnesWhenItComesBackLater) {
  const Received second = Recover(nullptr, second_);
  ASSERT_TRUE(second.changes);
  const Received first = Recover(&second.change.after, first_);
  ASSERT_TRUE(first.changes);
  const WorkOrder& after = first.change.after;
  EXPECT_EQ(after.handoff().id(), second_.handoff_id());
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(after.custody().epoch(), second.change.after.custody().epoch());
  ASSERT_EQ(after.past_handoffs_size(), 1);
  EXPECT_EQ(after.past_handoffs(0).id(), first_.handoff_id());
  EXPECT_EQ(after.past_handoffs(0).to_hotline(), "110");
  EXPECT_EQ(first.change.event.offered().handoff().id(), first_.handoff_id());
  EXPECT_EQ(first.change.event.handoff_id(), second_.handoff_id());
  EXPECT_TRUE(first.change.event.recovered());
  // Once.
  EXPECT_FALSE(Recover(&after, first_).changes);
}

TEST_F(OfferedTwiceTest, TheSecondReceiptOfAnEarlierOfferNamesThePeersOrder) {
  for (const bool in_order : {true, false}) {
    const Received one = Recover(nullptr, in_order ? first_ : second_);
    const Received other = Recover(&one.change.after, in_order ? second_ : first_);
    ASSERT_TRUE(other.changes);
    const WorkOrder& order = other.change.after;
    ASSERT_EQ(order.past_handoffs_size(), 1);
    EXPECT_EQ(order.handoff().id(), second_.handoff_id());
    EXPECT_EQ(EndedView(order.past_handoffs(0)), "");
    const Received received = Receive(order, understood_);
    ASSERT_TRUE(received.changes);
    const WorkOrder& after = received.change.after;
    EXPECT_EQ(after.past_handoffs(0).to_number(), before_.past_handoffs(0).to_number());
    EXPECT_EQ(EndedView(after.past_handoffs(0)), EndedView(before_.past_handoffs(0)));
    EXPECT_EQ(SharedView(after), SharedView(order));
    EXPECT_EQ(after.state(), order.state());
    EXPECT_TRUE(received.envelopes.empty());
    EXPECT_FALSE(Receive(after, understood_).changes);
  }
}

TEST_F(OfferedTwiceTest, ARecallOfTheEarlierOfferIsNoRecallOfTheLater) {
  WorkOrder recalled = Recover(nullptr, first_).change.after;
  recalled.mutable_facts()->set_recall_requested(true);
  recalled.mutable_facts()->set_in_doubt(true);
  const Received received = Recover(&recalled, second_);
  ASSERT_TRUE(received.changes);
  EXPECT_FALSE(received.change.after.facts().recall_requested());
  EXPECT_FALSE(received.change.after.facts().in_doubt());
}

TEST_F(OfferedTwiceTest, AReceiptThatIsKnownChangesNothing) {
  EXPECT_FALSE(Receive(before_, understood_).changes);
}

// 110 has read an order of 12345's. What it did after that it has lost, and does something else.
class TwoHistoriesTest : public testing::Test {
 protected:
  // The order at 110 and the last envelope about it for 12345, after `acts` there.
  std::pair<WorkOrder, Envelope> After(std::initializer_list<Act> acts) {
    World world;
    const std::string id = world.Register(0, SampleContent(), true);
    world.Deliver(0);
    const std::string twin = world.Twin(0, id);
    for (const Act act : acts) world.Do(1, act, twin);
    EXPECT_EQ(world.fault(), "");
    site_ = world.site(1);
    return {world.Order(1, twin), world.Owed(1).back()};
  }
  Received Recover(const WorkOrder& order, const Envelope& envelope, bool goes_on) const {
    return DecideRecovered(&order, envelope, {.goes_on = goes_on}, site_, absl::FromUnixSeconds(1'800'000'000));
  }

  Site site_;
};

TEST_F(TwoHistoriesTest, AnEndThatThePeerKnowsOfWinsOverWorkAndReply) {
  const Envelope returned = After({Act::kReturn}).second;
  for (const auto& acts :
       {std::initializer_list<Act>{Act::kAccept}, std::initializer_list<Act>{Act::kAccept, Act::kFinish}}) {
    const WorkOrder stale = After(acts).first;
    const Received received = Recover(stale, returned, true);
    ASSERT_TRUE(received.changes);
    const WorkOrder& after = received.change.after;
    EXPECT_EQ(after.state(), type::v1::ORDER_STATE_RETURNED);
    EXPECT_EQ(after.custody().holder(), "12345");
    EXPECT_GT(after.custody().epoch(), stale.custody().epoch());
    EXPECT_TRUE(after.handoff().has_end_time());
    EXPECT_FALSE(after.has_reply());
    EXPECT_EQ(Unsound(after, site_), "");
  }
}

TEST_F(TwoHistoriesTest, WorkDoneSinceStandsWhereThePeerTakesItOnTop) {
  const Envelope accepted = After({Act::kAccept}).second;
  const WorkOrder stale = After({Act::kAccept, Act::kDispatch}).first;
  EXPECT_FALSE(Recover(stale, accepted, /*goes_on=*/true).changes);
  // A backup that is only older has nothing to say.
  const Received received = Recover(After({Act::kAccept}).first, After({Act::kAccept, Act::kDispatch}).second,
                                    /*goes_on=*/false);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_DISPATCHED);
}

TEST_F(TwoHistoriesTest, AReplyThatThePeerHasWinsOverWorkDoneSince) {
  const auto [replied, reply] = After({Act::kAccept, Act::kFinish});
  const Received received = Recover(After({Act::kAccept, Act::kDispatch}).first, reply, /*goes_on=*/true);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(SharedView(received.change.after), SharedView(replied));
}

}  // namespace
}  // namespace hotline::work_order
