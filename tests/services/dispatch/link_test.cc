#include "services/dispatch/link.h"

#include <gtest/gtest.h>

#include <optional>

#include "common/error/error.h"
#include "tests/services/dispatch/fakes.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

class LinkTest : public testing::Test {
 protected:
  LinkTest() {
    LinkOptions options;
    options.hotline = "12345";
    options.peer = "110";
    options.on_change = [this](bool up, const absl::Status&) { changes_.push_back(up); };
    link_ = std::make_unique<Link>(&ledger_, &peer_, &steps_, steps_.clock(), options);
    link_->Start();
    steps_.RunDue();
  }
  ~LinkTest() override { steps_.Clear(); }

  // The peer has everything up to `through`.
  void Acknowledge(int64_t through) {
    exchange::v1::DeliverResponse response;
    response.mutable_receipt()->set_received_through(through);
    Take(peer_.deliveries).done(std::move(response));
  }
  // work_order hands out `count` envelopes after `after`.
  void HandOut(int64_t acknowledged, int64_t after, int count) {
    workorder::v1::PullOutboxResponse response;
    response.set_acknowledged_through(acknowledged);
    response.set_outgoing_sequence(after + count);
    for (int i = 1; i <= count; ++i) response.add_envelopes()->set_sequence(after + i);
    Take(ledger_.pulls).done(std::move(response));
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  FakeLedger ledger_;
  FakePeer peer_;
  std::vector<bool> changes_;
  std::unique_ptr<Link> link_;
};

TEST_F(LinkTest, ProbesThenPullsThenDelivers) {
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes_size(), 0);
  EXPECT_EQ(peer_.deliveries.front().request.from_hotline(), "12345");
  EXPECT_EQ(peer_.deliveries.front().request.to_hotline(), "110");
  EXPECT_EQ(peer_.deliveries.front().request.protocol_version(), kProtocolVersion);
  Acknowledge(0);
  EXPECT_TRUE(link_->health().up);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 0);
  HandOut(0, 0, 3);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes_size(), 3);
  Acknowledge(3);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.receipt().received_through(), 3);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 3);
}

TEST_F(LinkTest, GoesOnFromWhereThePeerSaysItStands) {
  Acknowledge(0);
  HandOut(0, 0, 5);
  Acknowledge(2);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 2);
}

TEST_F(LinkTest, AReceiptIsToldOnceItIsRecorded) {
  std::optional<ReceiptOutcome> outcome;
  Acknowledge(0);
  HandOut(0, 0, 1);
  link_->AwaitReceipt(1, steps_.clock()->Now() + absl::Seconds(5), true,
                      [&](ReceiptOutcome o) { outcome = o; });
  Acknowledge(1);
  EXPECT_FALSE(outcome.has_value()) << "not before work_order has it";
  HandOut(1, 1, 0);
  EXPECT_EQ(outcome, ReceiptOutcome::kReceived);
  // News was recorded and nothing waits: the next poll leaves without a probe.
  EXPECT_EQ(peer_.deliveries.size(), 0u);
  EXPECT_EQ(ledger_.pulls.size(), 1u);
  link_->AwaitReceipt(1, steps_.clock()->Now(), false, [&](ReceiptOutcome o) { outcome = o; });
  EXPECT_EQ(outcome, ReceiptOutcome::kReceived);
}

TEST_F(LinkTest, AWaitEndsAtItsDeadline) {
  std::optional<ReceiptOutcome> outcome;
  Acknowledge(0);
  link_->AwaitReceipt(1, steps_.clock()->Now() + absl::Seconds(1), false,
                      [&](ReceiptOutcome o) { outcome = o; });
  steps_.Advance(absl::Milliseconds(900));
  EXPECT_FALSE(outcome.has_value());
  steps_.Advance(absl::Milliseconds(200));
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
}

// An emergency waited for as long as the clock had been set back (simulation, with clock jumps and slow
// disks).
TEST_F(LinkTest, AClockThatIsSetBackMakesNobodyWaitLonger) {
  ManualClock wall(absl::FromUnixSeconds(1'795'000'000));
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  Link link(&ledger_, &peer_, &steps_, &wall, options);
  link.Start();
  std::optional<ReceiptOutcome> outcome;
  link.AwaitReceipt(1, wall.Now() + absl::Seconds(1), false, [&](ReceiptOutcome o) { outcome = o; });
  wall.Advance(-absl::Hours(1));
  steps_.Advance(absl::Milliseconds(900));
  EXPECT_FALSE(outcome.has_value());
  steps_.Advance(absl::Milliseconds(200));
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
}

TEST_F(LinkTest, AnEmergencyHearsAtOnceThatTheLinkIsDown) {
  std::optional<ReceiptOutcome> emergency;
  std::optional<ReceiptOutcome> ordinary;
  Acknowledge(0);
  HandOut(0, 0, 2);
  const absl::Time deadline = steps_.clock()->Now() + absl::Seconds(5);
  link_->AwaitReceipt(1, deadline, true, [&](ReceiptOutcome o) { emergency = o; });
  link_->AwaitReceipt(2, deadline, false, [&](ReceiptOutcome o) { ordinary = o; });
  Take(peer_.deliveries).done(absl::UnavailableError("connection refused"));
  EXPECT_EQ(emergency, ReceiptOutcome::kLinkDown);
  EXPECT_FALSE(ordinary.has_value());
  EXPECT_FALSE(link_->health().up);
  emergency.reset();
  link_->AwaitReceipt(2, deadline, true, [&](ReceiptOutcome o) { emergency = o; });
  EXPECT_EQ(emergency, ReceiptOutcome::kLinkDown);
}

TEST_F(LinkTest, TriesAgainWithGrowingPausesUpToTheCap) {
  absl::Duration longest;
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(peer_.deliveries.size(), 1u) << i;
    Take(peer_.deliveries).done(absl::UnavailableError("connection refused"));
    const absl::Time failed = steps_.clock()->Now();
    while (peer_.deliveries.empty()) steps_.Advance(absl::Milliseconds(10));
    longest = std::max(longest, steps_.clock()->Now() - failed);
    EXPECT_LE(longest, absl::Seconds(10) + absl::Milliseconds(20));
  }
  EXPECT_GT(longest, absl::Seconds(4));
  Acknowledge(0);
  EXPECT_TRUE(link_->health().up);
  EXPECT_EQ(changes_, (std::vector<bool>{false, true}));
}

TEST_F(LinkTest, HearingFromThePeerEndsThePause) {
  Take(peer_.deliveries).done(absl::UnavailableError("connection refused"));
  link_->Nudge();
  link_->Nudge();
  steps_.RunDue();
  ASSERT_EQ(peer_.deliveries.size(), 1u) << "one probe, at once";
  steps_.Advance(absl::Seconds(20));
  EXPECT_EQ(peer_.deliveries.size(), 1u) << "the pause that was cut short does not end a second time";
  Acknowledge(0);
  link_->Nudge();
  steps_.RunDue();
  EXPECT_EQ(peer_.deliveries.size(), 0u);
}

TEST_F(LinkTest, OurOwnTroubleIsNotThePeers) {
  Acknowledge(0);
  Take(ledger_.pulls).done(error::WorkOrderUnreachable("connection refused"));
  EXPECT_TRUE(link_->health().up);
  EXPECT_TRUE(ledger_.pulls.empty()) << "not at once";
  steps_.Advance(absl::Seconds(1));
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  Take(ledger_.pulls).done(error::LinkForked("110", 7));
  EXPECT_FALSE(link_->health().up);
  while (peer_.deliveries.empty()) steps_.Advance(absl::Milliseconds(50));
  Acknowledge(0);
  EXPECT_FALSE(link_->health().up) << "being reachable does not mend a fork";
  EXPECT_EQ(changes_, (std::vector<bool>{true, false}));
}

TEST_F(LinkTest, StopAnswersWhoWaitsAndBeginsNothing) {
  std::optional<ReceiptOutcome> outcome;
  Acknowledge(0);
  link_->AwaitReceipt(1, absl::InfiniteFuture(), false, [&](ReceiptOutcome o) { outcome = o; });
  link_->Stop();
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
  HandOut(0, 0, 1);
  EXPECT_EQ(peer_.deliveries.size(), 0u);
}

}  // namespace
}  // namespace hotline::dispatch
