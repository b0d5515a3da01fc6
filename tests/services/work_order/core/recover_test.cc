// What a site restored from an old backup makes of its own envelopes that its peers hand back, in whatever
// order the peers answer.
#include <string>

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
    return DecideRecovered(order, envelope, world_.site(0), world_.now());
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

TEST_F(OfferedTwiceTest, AReceiptThatIsKnownChangesNothing) {
  EXPECT_FALSE(Receive(before_, understood_).changes);
}

}  // namespace
}  // namespace hotline::work_order
