#include "services/dispatch/link.h"

#include <google/rpc/error_details.pb.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/contract/proto_time.h"
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
    link_ = std::make_unique<Link>(&ledger_, &peer_, &notary_, &way_, &steps_, steps_.clock(), options);
    link_->Start();
    steps_.RunDue();
  }
  ~LinkTest() override { steps_.Clear(); }

  void Greet(int64_t through = 0) { Take(peer_.questions).done(Standing(through)); }
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
  RightOfWay way_{&steps_, steps_.clock()};
  FakeLedger ledger_;
  FakePeer peer_;
  const Notary notary_{"12345", {}, {}};
  std::vector<bool> changes_;
  std::unique_ptr<Link> link_;
};

TEST_F(LinkTest, GreetsThenPullsThenDelivers) {
  ASSERT_EQ(peer_.questions.size(), 1u);
  const exchange::v1::GetLinkRequest& question = peer_.questions.front().request;
  EXPECT_EQ(question.from_hotline(), "12345");
  EXPECT_EQ(question.to_hotline(), "110");
  EXPECT_EQ(question.supported_versions_size(), 1);
  EXPECT_GT(question.capabilities_size(), 0);
  Greet();
  EXPECT_TRUE(link_->health().up);
  EXPECT_EQ(link_->health().peer_version, 1);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 0);
  HandOut(0, 0, 3);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes_size(), 3);
  EXPECT_EQ(peer_.deliveries.front().request.lane(), exchange::v1::LANE_ORDINARY);
  Acknowledge(3);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.receipt().received_through(), 3);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 3);
}

TEST_F(LinkTest, AnOrdinaryDeliveryWaitsUntilTheEmergencyHasPassed) {
  Greet();
  std::optional<RightOfWay::Pass> pass = way_.Enter();
  HandOut(0, 0, 3);
  EXPECT_TRUE(peer_.deliveries.empty());
  pass.reset();
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes_size(), 3);
}

TEST_F(LinkTest, APeerOfAnotherVersionIsRefused) {
  exchange::v1::GetLinkResponse response = Standing();
  response.set_protocol_version(2);
  Take(peer_.questions).done(std::move(response));
  EXPECT_FALSE(link_->health().up);
  EXPECT_EQ(error::ReasonOf(link_->health().last_error),
            error::Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED);
  EXPECT_TRUE(ledger_.pulls.empty());
}

TEST_F(LinkTest, APeerWhoseWorkOrderDoesNotKnowThisSiteYetIsToldToRestartIt) {
  exchange::v1::GetLinkResponse response = Standing();
  response.clear_lanes();
  Take(peer_.questions).done(std::move(response));
  EXPECT_FALSE(link_->health().up);
  EXPECT_EQ(link_->health().last_error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(link_->health().last_error.message()),
            "the peer's work_order has no lane ordinary for this site yet: it has to be restarted");
}

TEST_F(LinkTest, WhileItIsDownItStillSaysWhatWaits) {
  Take(peer_.questions).done(absl::UnavailableError("refused"));
  EXPECT_FALSE(link_->health().up);
  workorder::v1::ListLinkCursorsResponse response;
  workorder::v1::LinkCursor& other = *response.add_links();
  other.set_peer("110");
  other.set_lane(exchange::v1::LANE_EMERGENCY);
  other.set_outgoing_sequence(9);
  workorder::v1::LinkCursor& own = *response.add_links();
  own.set_peer("110");
  own.set_lane(exchange::v1::LANE_ORDINARY);
  own.set_outgoing_sequence(4);
  Take(ledger_.cursors).done(std::move(response));
  EXPECT_EQ(link_->health().outgoing, 4);
  EXPECT_EQ(link_->health().acknowledged, 0);
}

TEST_F(LinkTest, TellsThePeerWhatItHasOfIt) {
  Greet();
  workorder::v1::PullOutboxResponse response;
  response.mutable_incoming()->set_received_through(7);
  Take(ledger_.pulls).done(std::move(response));
  ASSERT_EQ(peer_.deliveries.size(), 1u) << "nothing to hand out: asks for the receipt";
  EXPECT_EQ(peer_.deliveries.front().request.receipt().received_through(), 7);
}

TEST_F(LinkTest, MeasuresHowFarTheClocksAreApart) {
  Greet();
  HandOut(0, 0, 1);
  const absl::Time sent = steps_.clock()->Now();
  steps_.Advance(absl::Milliseconds(30));
  exchange::v1::DeliverResponse response;
  response.mutable_receipt()->set_received_through(1);
  *response.mutable_arrive_time() = ToTimestamp(sent + absl::Seconds(90) + absl::Milliseconds(10));
  *response.mutable_answer_time() = ToTimestamp(sent + absl::Seconds(90) + absl::Milliseconds(20));
  Take(peer_.deliveries).done(std::move(response));
  EXPECT_EQ(link_->health().clock_skew, absl::Seconds(90));
  EXPECT_EQ(link_->health().clock_uncertainty, absl::Milliseconds(10));
  EXPECT_EQ(link_->health().clock_off, absl::Seconds(90) - absl::Milliseconds(10));
  EXPECT_EQ(ledger_.pulls.front().request.clock_skew().seconds(), 90);
}

// The seconds that a batch took over a slow line were shown, and alarmed, as the peer's wrong clock.
TEST_F(LinkTest, WhatABatchTakesIsNoWrongClock) {
  Greet();
  int64_t sequence = 0;
  // The peer's clock is off by `off`; a batch comes to it after `way`, and its answer at once.
  const auto deliver = [&](absl::Duration off, absl::Duration way) {
    HandOut(sequence, sequence, 1);
    const absl::Time sent = steps_.clock()->Now();
    steps_.Advance(way);
    exchange::v1::DeliverResponse response;
    response.mutable_receipt()->set_received_through(++sequence);
    *response.mutable_arrive_time() = ToTimestamp(sent + way + off);
    *response.mutable_answer_time() = response.arrive_time();
    Take(peer_.deliveries).done(std::move(response));
    return link_->health().clock_off;
  };
  EXPECT_EQ(deliver(absl::ZeroDuration(), absl::Seconds(9)), absl::ZeroDuration());
  EXPECT_EQ(link_->health().clock_uncertainty, absl::Milliseconds(4'500));
  EXPECT_EQ(deliver(-absl::Seconds(8), absl::Milliseconds(10)), -absl::Seconds(8) + absl::Milliseconds(10));
  EXPECT_EQ(deliver(-absl::Seconds(8), absl::Seconds(9)), -absl::Seconds(8) + absl::Milliseconds(10))
      << "what is certain stays so";
  EXPECT_EQ(deliver(absl::ZeroDuration(), absl::ZeroDuration()), absl::ZeroDuration());
}

TEST_F(LinkTest, CatchingUpKeepsARate) {
  link_->Stop();
  steps_.Clear();
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  options.catch_up_per_s = 10;
  link_ = std::make_unique<Link>(&ledger_, &peer_, &notary_, &way_, &steps_, steps_.clock(), options);
  link_->Start();
  steps_.RunDue();
  peer_.questions.pop_front();
  Greet();
  HandOut(0, 0, 5);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  Acknowledge(5);
  HandOut(5, 5, 5);
  steps_.Advance(absl::Milliseconds(400));
  EXPECT_EQ(peer_.deliveries.size(), 0u);
  steps_.Advance(absl::Milliseconds(150));
  EXPECT_EQ(peer_.deliveries.size(), 1u);
}

// ---- A site that has lost its latest history
// ------------------------------------------------------------------

TEST_F(LinkTest, WhatThePeerHoldsOfOursIsTakenBack) {
  Greet(5);
  std::optional<ReceiptOutcome> outcome;
  link_->AwaitReceipt(4, absl::InfiniteFuture(), false, [&](ReceiptOutcome o) { outcome = o; });
  Take(ledger_.pulls).done(error::LinkBehind("110", 5, 3));
  EXPECT_EQ(outcome, ReceiptOutcome::kLinkDown) << "its sequence may be another envelope's";
  EXPECT_TRUE(link_->health().recovering);
  HandOut(2, 2, 0);  // where this store believes to stand
  ASSERT_EQ(peer_.backfills.size(), 1u);
  EXPECT_EQ(peer_.backfills.front().request.after_sequence(), 2);
  exchange::v1::BackfillResponse lost;
  for (int64_t sequence : {3, 4, 5}) lost.add_envelopes()->set_sequence(sequence);
  Take(peer_.backfills).done(lost);
  ASSERT_EQ(ledger_.recoveries.size(), 1u);
  EXPECT_EQ(ledger_.recoveries.front().request.envelopes_size(), 3);
  EXPECT_FALSE(ledger_.recoveries.front().request.proven()) << "without keys there is no proof";
  Take(ledger_.recoveries).done(workorder::v1::RecoverResponse());
  ASSERT_EQ(peer_.backfills.size(), 1u);
  EXPECT_EQ(peer_.backfills.front().request.after_sequence(), 5);
  Take(peer_.backfills).done(exchange::v1::BackfillResponse());
  EXPECT_FALSE(link_->health().recovering);
  EXPECT_EQ(link_->health().recovered, 3);
  Greet(5);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 5);
}

TEST_F(LinkTest, AForkIsNamedByItsFirstEnvelope) {
  Greet(8);
  Take(ledger_.pulls).done(error::LinkBehind("110", 8, 8));
  HandOut(2, 2, 0);
  exchange::v1::BackfillResponse theirs;
  for (int64_t sequence = 3; sequence <= 8; ++sequence) theirs.add_envelopes()->set_sequence(sequence);
  Take(peer_.backfills).done(theirs);
  Take(ledger_.recoveries).done(error::LinkForked("110", 3));
  // From here it looks for the place: the two sites agree up to 5.
  while (!ledger_.pulls.empty()) {
    const int64_t asked = ledger_.pulls.front().request.after_sequence() + 1;
    workorder::v1::PullOutboxResponse ours;
    ours.add_envelopes()->set_hash("ours");
    Take(ledger_.pulls).done(ours);
    exchange::v1::BackfillResponse answer;
    answer.add_envelopes()->set_hash(asked <= 5 ? "ours" : "theirs");
    answer.mutable_envelopes(0)->set_sequence(asked);
    Take(peer_.backfills).done(answer);
  }
  EXPECT_EQ(link_->health().forked_at, 6);
  EXPECT_FALSE(link_->health().up);
  EXPECT_EQ(error::ReasonOf(link_->health().last_error), error::Reason::ERROR_REASON_LINK_FORKED);
  EXPECT_NE(link_->health().last_error.message().find("at 6"), absl::string_view::npos);
  steps_.Advance(absl::Seconds(1));
  EXPECT_TRUE(peer_.deliveries.empty());
}

// A peer that counts from `after_sequence` itself was asked 1,100 times a second, and the lane called up.
TEST_F(LinkTest, APeerThatHandsBackOtherEnvelopesThanAskedIsLeftAlone) {
  Greet();
  HandOut(0, 0, 3);
  Take(peer_.deliveries).done(error::LinkForked("110", 3));
  HandOut(2, 2, 1);
  ASSERT_EQ(peer_.backfills.size(), 1u);
  exchange::v1::BackfillResponse inclusive;
  for (int64_t sequence : {2, 3}) inclusive.add_envelopes()->set_sequence(sequence);
  Take(peer_.backfills).done(inclusive);
  EXPECT_TRUE(ledger_.recoveries.empty());
  EXPECT_TRUE(peer_.backfills.empty());
  EXPECT_FALSE(link_->health().up);
  EXPECT_FALSE(link_->health().recovering);
  EXPECT_EQ(error::ReasonOf(link_->health().last_error), error::Reason::ERROR_REASON_INTERNAL);
  EXPECT_TRUE(peer_.questions.empty()) << "not at once";
  steps_.Advance(absl::Seconds(1));
  Greet();
  EXPECT_FALSE(link_->health().up) << "to greet is not enough";
}

TEST_F(LinkTest, NoForkIsNamedByEnvelopesThatWereNotAskedFor) {
  Greet(8);
  Take(ledger_.pulls).done(error::LinkBehind("110", 8, 8));
  HandOut(2, 2, 0);
  exchange::v1::BackfillResponse theirs;
  for (int64_t sequence = 3; sequence <= 8; ++sequence) theirs.add_envelopes()->set_sequence(sequence);
  Take(peer_.backfills).done(theirs);
  Take(ledger_.recoveries).done(error::LinkForked("110", 3));
  workorder::v1::PullOutboxResponse ours;
  ours.add_envelopes()->set_hash("ours");
  const int64_t asked = ledger_.pulls.front().request.after_sequence() + 1;
  Take(ledger_.pulls).done(ours);
  exchange::v1::BackfillResponse answer;
  answer.add_envelopes()->set_sequence(asked - 1);
  Take(peer_.backfills).done(answer);
  EXPECT_EQ(link_->health().forked_at, 0);
  EXPECT_FALSE(link_->health().up);
  EXPECT_EQ(error::ReasonOf(link_->health().last_error), error::Reason::ERROR_REASON_INTERNAL);
}

// One that takes nothing and holds nothing else was greeted 270 times a second.
TEST_F(LinkTest, APeerThatSpeaksOfAForkWhereThereIsNoneIsTriedWithGrowingPauses) {
  Greet();
  absl::Duration longest;
  for (int i = 0; i < 8; ++i) {
    HandOut(0, 0, 3);
    ASSERT_EQ(peer_.deliveries.size(), 1u) << i;
    Take(peer_.deliveries).done(error::LinkForked("110", 1));
    HandOut(0, 0, 3);
    exchange::v1::BackfillResponse known;
    for (int64_t sequence : {1, 2}) known.add_envelopes()->set_sequence(sequence);
    Take(peer_.backfills).done(known);
    workorder::v1::RecoverResponse nothing;
    nothing.set_outgoing_sequence(3);
    Take(ledger_.recoveries).done(nothing);
    Take(peer_.backfills).done(exchange::v1::BackfillResponse());
    EXPECT_EQ(error::ReasonOf(link_->health().last_error), error::Reason::ERROR_REASON_LINK_FORKED);
    ASSERT_TRUE(peer_.questions.empty()) << "not at once";
    const absl::Time failed = steps_.clock()->Now();
    while (peer_.questions.empty()) steps_.Advance(absl::Milliseconds(10));
    longest = std::max(longest, steps_.clock()->Now() - failed);
    Greet();
    EXPECT_FALSE(link_->health().up) << i;
  }
  EXPECT_GT(longest, absl::Seconds(1));
  EXPECT_EQ(changes_, (std::vector<bool>{true, false}));
  // As soon as it takes something it is up.
  HandOut(0, 0, 3);
  Acknowledge(3);
  EXPECT_TRUE(link_->health().up);
}

// Halving once ended at the first envelope that retention had erased: the fork was never named.
TEST_F(LinkTest, AForkIsNamedAboveWhatIsErasedAtEitherSite) {
  Greet(32);
  Take(ledger_.pulls).done(error::LinkBehind("110", 32, 32));
  HandOut(2, 2, 0);
  exchange::v1::BackfillResponse theirs;
  for (int64_t sequence = 3; sequence <= 32; ++sequence) theirs.add_envelopes()->set_sequence(sequence);
  Take(peer_.backfills).done(theirs);
  Take(ledger_.recoveries).done(error::LinkForked("110", 3));
  // They agree up to 21; this site has erased all up to 16, the peer up to 20.
  while (!ledger_.pulls.empty()) {
    const int64_t asked = ledger_.pulls.front().request.after_sequence() + 1;
    if (asked <= 16) {
      Take(ledger_.pulls).done(error::ContentErased());
      continue;
    }
    workorder::v1::PullOutboxResponse ours;
    ours.add_envelopes()->set_hash("ours");
    Take(ledger_.pulls).done(ours);
    if (asked <= 20) {
      Take(peer_.backfills).done(error::ContentErased());
      continue;
    }
    exchange::v1::BackfillResponse answer;
    answer.add_envelopes()->set_hash(asked <= 21 ? "ours" : "theirs");
    answer.mutable_envelopes(0)->set_sequence(asked);
    Take(peer_.backfills).done(answer);
  }
  EXPECT_EQ(link_->health().forked_at, 22);
  EXPECT_EQ(error::ReasonOf(link_->health().last_error), error::Reason::ERROR_REASON_LINK_FORKED);
}

TEST_F(LinkTest, GoesOnFromWhereThePeerSaysItStands) {
  Greet();
  HandOut(0, 0, 5);
  Acknowledge(2);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 2);
}

TEST_F(LinkTest, AReceiptIsToldOnceItIsRecorded) {
  std::optional<ReceiptOutcome> outcome;
  Greet();
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

// With work_order set back to a backup under a running dispatch, an emergency was called received because
// another envelope once had its number.
TEST_F(LinkTest, AReceiptIsBelievedOnlyWhileWorkOrderKnowsOfIt) {
  std::optional<ReceiptOutcome> outcome;
  const auto await = [&](int64_t sequence) {
    outcome.reset();
    link_->AwaitReceipt(sequence, steps_.clock()->Now() + absl::Seconds(30), true,
                        [&](ReceiptOutcome o) { outcome = o; });
  };
  Greet();
  HandOut(0, 0, 3);
  Acknowledge(3);
  HandOut(3, 3, 0);
  await(3);
  EXPECT_EQ(outcome, ReceiptOutcome::kReceived);
  Take(ledger_.pulls).done(error::WorkOrderUnreachable("connection reset"));
  await(3);
  EXPECT_FALSE(outcome.has_value()) << "its store may be another one when it is back";
  steps_.Advance(absl::Seconds(1));
  HandOut(1, 1, 0);
  EXPECT_FALSE(outcome.has_value());
  EXPECT_EQ(link_->health().acknowledged, 1) << "what it says now, not the most it ever said";
  Acknowledge(3);
  HandOut(3, 3, 0);
  EXPECT_EQ(outcome, ReceiptOutcome::kReceived);
}

TEST_F(LinkTest, NoReceiptIsBelievedWhileHistoryIsRecovered) {
  Greet();
  HandOut(0, 0, 3);
  Acknowledge(3);
  HandOut(3, 3, 0);
  HandOut(3, 3, 1);
  Take(peer_.deliveries).done(error::LinkForked("110", 4));
  EXPECT_TRUE(link_->health().recovering);
  std::optional<ReceiptOutcome> outcome;
  link_->AwaitReceipt(2, steps_.clock()->Now() + absl::Seconds(30), false,
                      [&](ReceiptOutcome o) { outcome = o; });
  EXPECT_FALSE(outcome.has_value());
}

TEST_F(LinkTest, AWaitEndsAtItsDeadline) {
  std::optional<ReceiptOutcome> outcome;
  Greet();
  link_->AwaitReceipt(1, steps_.clock()->Now() + absl::Seconds(1), false,
                      [&](ReceiptOutcome o) { outcome = o; });
  steps_.Advance(absl::Milliseconds(900));
  EXPECT_FALSE(outcome.has_value());
  steps_.Advance(absl::Milliseconds(200));
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
}

// Runs what is to be done later another 30 ms late.
class BusyExecutor final : public Executor {
 public:
  explicit BusyExecutor(Executor* executor) : executor_(executor) {}
  void Post(Task task) override { executor_->Post(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override {
    executor_->PostAfter(delay + absl::Milliseconds(30), std::move(task));
  }

 private:
  Executor* const executor_;
};

// On a busy machine an emergency was answered after its client's deadline, as each tick counted for 50 ms.
TEST_F(LinkTest, TicksThatComeLateMakeNobodyWaitLonger) {
  BusyExecutor busy(&steps_);
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  Link link(&ledger_, &peer_, &notary_, &way_, &busy, steps_.clock(), options);
  link.Start();
  steps_.Advance(absl::Milliseconds(35));
  std::optional<ReceiptOutcome> outcome;
  link.AwaitReceipt(1, steps_.clock()->Now() + absl::Seconds(10), false,
                    [&](ReceiptOutcome o) { outcome = o; });
  steps_.Advance(absl::Milliseconds(9'850));
  EXPECT_FALSE(outcome.has_value());
  steps_.Advance(absl::Milliseconds(250));
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
}

// An emergency waited for as long as the clock had been set back (simulation, with clock jumps and slow
// disks).
TEST_F(LinkTest, AClockThatIsSetBackMakesNobodyWaitLonger) {
  test::SetClock wall(steps_.clock());
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  Link link(&ledger_, &peer_, &notary_, &way_, &steps_, &wall, options);
  link.Start();
  std::optional<ReceiptOutcome> outcome;
  link.AwaitReceipt(1, wall.Now() + absl::Seconds(1), false, [&](ReceiptOutcome o) { outcome = o; });
  wall.Set(-absl::Hours(1));
  steps_.Advance(absl::Milliseconds(900));
  EXPECT_FALSE(outcome.has_value());
  steps_.Advance(absl::Milliseconds(200));
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
}

TEST_F(LinkTest, AnEmergencyHearsAtOnceThatTheLinkIsDown) {
  std::optional<ReceiptOutcome> emergency;
  std::optional<ReceiptOutcome> ordinary;
  Greet();
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
    ASSERT_EQ(peer_.questions.size(), 1u) << i;
    Take(peer_.questions).done(absl::UnavailableError("connection refused"));
    const absl::Time failed = steps_.clock()->Now();
    while (peer_.questions.empty()) steps_.Advance(absl::Milliseconds(10));
    longest = std::max(longest, steps_.clock()->Now() - failed);
    EXPECT_LE(longest, absl::Seconds(10) + absl::Milliseconds(20));
  }
  EXPECT_GT(longest, absl::Seconds(4));
  Greet();
  EXPECT_TRUE(link_->health().up);
  EXPECT_EQ(changes_, (std::vector<bool>{false, true}));
}

TEST_F(LinkTest, HearingFromThePeerEndsThePause) {
  Take(peer_.questions).done(absl::UnavailableError("connection refused"));
  link_->Nudge();
  link_->Nudge();
  steps_.RunDue();
  ASSERT_EQ(peer_.questions.size(), 1u) << "one greeting, at once";
  steps_.Advance(absl::Seconds(20));
  EXPECT_EQ(peer_.questions.size(), 1u) << "the pause that was cut short does not end a second time";
  Greet();
  link_->Nudge();
  steps_.RunDue();
  EXPECT_EQ(peer_.questions.size(), 0u);
}

// A peer that calls in a loop and cannot be called back would set the pace.
TEST_F(LinkTest, APeerThatCallsInALoopIsNotTriedInALoop) {
  int tries = 0;
  for (int i = 0; i < 2'000; ++i) {
    while (!peer_.questions.empty()) {
      Take(peer_.questions).done(absl::UnavailableError("connection refused"));
      ++tries;
    }
    link_->Nudge();
    steps_.Advance(absl::Milliseconds(10));
  }
  EXPECT_GE(tries, 10) << "in 20 s";
  EXPECT_LE(tries, 100);
}

// What a delivery under way broke off with said no more of the peer once it could not be reached at all.
TEST_F(LinkTest, HearingFromThePeerEndsThePauseAlsoAfterADeliveryThatBrokeOff) {
  Greet();
  HandOut(0, 0, 1);
  Take(peer_.deliveries).done(absl::UnavailableError("connection reset"));
  for (int i = 0; i < 10; ++i) {
    while (peer_.questions.empty()) steps_.Advance(absl::Milliseconds(10));
    Take(peer_.questions).done(absl::UnavailableError("connection refused"));
  }
  link_->Nudge();
  steps_.RunDue();
  EXPECT_EQ(peer_.questions.size(), 1u);
}

class EmergencyOnAPausedLinkTest : public LinkTest {
 protected:
  EmergencyOnAPausedLinkTest() {
    for (int i = 0; i < 10; ++i) {
      Take(peer_.questions).done(absl::UnavailableError("connection refused"));
      while (i < 9 && peer_.questions.empty()) steps_.Advance(absl::Milliseconds(10));
    }
  }
  void Await() {
    link_->AwaitReceipt(1, steps_.clock()->Now() + absl::Seconds(8), true,
                        [this](ReceiptOutcome outcome) { outcome_ = outcome; });
    steps_.RunDue();
  }
  std::optional<ReceiptOutcome> outcome_;
};

// The peer had been up for seconds, and the call-taker was sent to the telephone.
TEST_F(EmergencyOnAPausedLinkTest, TriesThePeerBeforeItSaysTelephone) {
  Await();
  EXPECT_FALSE(outcome_.has_value());
  ASSERT_EQ(peer_.questions.size(), 1u) << "at once";
  Greet();
  HandOut(0, 0, 1);
  steps_.Advance(absl::Seconds(3));
  EXPECT_FALSE(outcome_.has_value()) << "up, it may take its whole time";
  Acknowledge(1);
  HandOut(1, 1, 0);
  EXPECT_EQ(outcome_, ReceiptOutcome::kReceived);
}

TEST_F(EmergencyOnAPausedLinkTest, HearsAtOnceWhereTheTryFails) {
  Await();
  ASSERT_EQ(peer_.questions.size(), 1u);
  Take(peer_.questions).done(absl::UnavailableError("connection refused"));
  EXPECT_EQ(outcome_, ReceiptOutcome::kLinkDown);
  // The next emergency does not wait for what has just been tried.
  outcome_.reset();
  Await();
  EXPECT_EQ(outcome_, ReceiptOutcome::kLinkDown);
}

TEST_F(EmergencyOnAPausedLinkTest, HearsWithinTwoSecondsWhereNothingAnswers) {
  Await();
  steps_.Advance(absl::Milliseconds(1'900));
  EXPECT_FALSE(outcome_.has_value());
  steps_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(outcome_, ReceiptOutcome::kLinkDown);
}

TEST_F(LinkTest, HearingFromThePeerDoesNotHurryWhatItRefuses) {
  Take(peer_.questions).done(error::PeerUnknown("12345"));
  link_->Nudge();
  steps_.RunDue();
  EXPECT_TRUE(peer_.questions.empty());
  steps_.Advance(absl::Seconds(1));
  Greet();
  // It greets, and then takes no delivery: the same again would be no better.
  HandOut(0, 0, 1);
  Take(peer_.deliveries).done(absl::ResourceExhaustedError("larger than max"));
  link_->Nudge();
  steps_.RunDue();
  EXPECT_TRUE(peer_.questions.empty());
}

// A peer that asked for 30 s was asked again forty times within them.
TEST_F(LinkTest, RetryInfoIsTheLeastPause) {
  Greet();
  HandOut(0, 0, 1);
  Take(peer_.deliveries).done(error::Overloaded("commit queue", absl::Seconds(30)));
  EXPECT_EQ(link_->health().next_try_time, steps_.clock()->Now() + absl::Seconds(30));
  link_->Nudge();
  steps_.Advance(absl::Seconds(29));
  EXPECT_TRUE(peer_.questions.empty());
  steps_.Advance(absl::Seconds(1));
  ASSERT_EQ(peer_.questions.size(), 1u);
  // Nobody's clock or mistake silences a lane for longer than a minute.
  Take(peer_.questions).done(error::Overloaded("commit queue", absl::Hours(24)));
  steps_.Advance(absl::Seconds(59));
  EXPECT_TRUE(peer_.questions.empty());
  steps_.Advance(absl::Seconds(1));
  ASSERT_EQ(peer_.questions.size(), 1u);
  Greet();
  HandOut(0, 0, 0);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  // Nor does one that says when, but not why, want to be asked sooner because it calls itself.
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(20);
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(absl::StatusCode::kUnavailable));
  wire.add_details()->PackFrom(retry);
  Take(peer_.deliveries).done(error::FromProto(wire));
  link_->Nudge();
  steps_.Advance(absl::Seconds(19));
  EXPECT_TRUE(peer_.questions.empty());
  steps_.Advance(absl::Seconds(1));
  EXPECT_EQ(peer_.questions.size(), 1u);
}

// Six orders that each fit waited for ever, as together they did not.
TEST_F(LinkTest, ABatchThatIsTooLargeIsHalved) {
  const absl::Status from_grpc =
      absl::ResourceExhaustedError("Received message larger than max (144490 vs. 65536)");
  Greet();
  std::optional<ReceiptOutcome> outcome;
  link_->AwaitReceipt(6, steps_.clock()->Now() + absl::Seconds(9), true,
                      [&](ReceiptOutcome o) { outcome = o; });
  HandOut(0, 0, 6);
  Take(peer_.deliveries)
      .done(
          error::BadField(error::Reason::ERROR_REASON_BATCH_TOO_LARGE, "envelopes", "has too much", "超过"));
  ASSERT_EQ(ledger_.pulls.size(), 1u) << "at once";
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 0);
  EXPECT_EQ(ledger_.pulls.front().request.limit(), 3);
  HandOut(0, 0, 3);
  Acknowledge(3);
  EXPECT_EQ(ledger_.pulls.front().request.limit(), 4) << "a little more each time";
  HandOut(3, 3, 3);
  Take(peer_.deliveries).done(from_grpc);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 3);
  EXPECT_EQ(ledger_.pulls.front().request.limit(), 1);
  EXPECT_EQ(changes_, (std::vector<bool>{true}));
  EXPECT_FALSE(outcome.has_value()) << "nobody is told to telephone for that";
  // One that is too large alone is a refusal like any other.
  HandOut(3, 3, 1);
  Take(peer_.deliveries).done(from_grpc);
  EXPECT_FALSE(link_->health().up);
  EXPECT_EQ(link_->health().last_error, from_grpc);
  EXPECT_EQ(outcome, ReceiptOutcome::kLinkDown);
  EXPECT_TRUE(ledger_.pulls.empty());
  steps_.Advance(absl::Seconds(1));
  Greet(3);
  EXPECT_EQ(ledger_.pulls.front().request.limit(), 1);
}

// Three hundred orders over a slow line: the same 256 were sent, too many for the time, for ever.
TEST_F(LinkTest, ABatchThatIsTooLongOnItsWayIsHalved) {
  constexpr int kOrders = 300;
  Greet();
  std::optional<ReceiptOutcome> outcome;
  link_->AwaitReceipt(kOrders, absl::InfiniteFuture(), true, [&](ReceiptOutcome o) { outcome = o; });
  int64_t received = 0;
  int failures = 0;
  while (received < kOrders) {
    ASSERT_EQ(ledger_.pulls.size(), 1u);
    const int limit = static_cast<int>(ledger_.pulls.front().request.limit());
    HandOut(received, received, std::min<int>(limit, kOrders - static_cast<int>(received)));
    // On the ordinary lane they are paced.
    while (peer_.deliveries.empty()) steps_.Advance(absl::Milliseconds(1));
    const int count = peer_.deliveries.front().request.envelopes_size();
    if (count <= 64) {
      received += count;
      Acknowledge(received);
      EXPECT_TRUE(link_->health().up);
      continue;
    }
    ASSERT_LT(++failures, 10);
    Take(peer_.deliveries).done(absl::DeadlineExceededError("Deadline Exceeded"));
    EXPECT_FALSE(link_->health().up) << "a peer that is silent may be gone";
    EXPECT_TRUE(ledger_.pulls.empty()) << "not at once";
    while (peer_.questions.empty()) steps_.Advance(absl::Milliseconds(10));
    Greet(received);
  }
  EXPECT_EQ(outcome, ReceiptOutcome::kLinkDown);
  EXPECT_GT(ledger_.pulls.front().request.limit(), 32) << "a little more each time";
}

// How many envelopes are asked for behind batches that took their time.
class LinkLimitTest : public LinkTest {
 protected:
  // Halves the limit to `limit`.
  void Begin(int limit) {
    Greet();
    HandOut(0, 0, 2 * limit);
    Take(peer_.deliveries)
        .done(error::BadField(error::Reason::ERROR_REASON_BATCH_TOO_LARGE, "envelopes", "has too much",
                              "超过"));
    EXPECT_EQ(Limit(), limit);
  }
  int Limit() { return static_cast<int>(ledger_.pulls.front().request.limit()); }
  // The limit behind a batch of `count` that took `time`.
  int LimitAfter(int count, absl::Duration time) {
    HandOut(received_, received_, count);
    // On the ordinary lane they are paced.
    while (peer_.deliveries.empty()) steps_.Advance(absl::Milliseconds(1));
    steps_.Advance(time);
    Acknowledge(received_ += count);
    return Limit();
  }

 private:
  int64_t received_ = 0;
};

// A peer that takes its time for whatever it is sent never got more than a few again.
TEST_F(LinkLimitTest, WhatTakesLongGrowsOnlyWhileItIsFew) {
  Begin(8);
  EXPECT_EQ(LimitAfter(8, absl::Seconds(6)), 9) << "so few do not take long for being many";
  EXPECT_EQ(LimitAfter(9, absl::Seconds(6)), 9) << "with more it would soon be too long";
  EXPECT_EQ(LimitAfter(9, absl::Seconds(4)), 10);
  EXPECT_TRUE(link_->health().up);
}

TEST_F(LinkLimitTest, OneAloneTellsNotWhatTwoWouldTake) {
  Begin(1);
  EXPECT_EQ(LimitAfter(1, absl::Seconds(6)), 2);
  EXPECT_EQ(LimitAfter(2, absl::Seconds(6)), 3) << "so it takes that for each batch";
}

// Each envelope takes a slow line its time: it is never offered more than gets through.
TEST_F(LinkLimitTest, ASlowLineIsNotDrivenUntilItFails) {
  Begin(1);
  for (int batch = 0; batch < 12; ++batch) {
    EXPECT_LE(Limit(), 5);
    LimitAfter(Limit(), Limit() * absl::Milliseconds(1800));
  }
  EXPECT_EQ(Limit(), 5) << "which takes 9 s of 10: six would fail";
  EXPECT_TRUE(link_->health().up);
}

TEST_F(LinkTest, WhatIsTakenBackComesInPartsThatTheLineCarries) {
  Greet(5);
  for (const int limit : {512, 256, 128}) {
    Take(ledger_.pulls).done(error::LinkBehind("110", 5, 3));
    HandOut(2, 2, 0);
    ASSERT_EQ(peer_.backfills.size(), 1u);
    EXPECT_EQ(peer_.backfills.front().request.limit(), limit);
    if (limit == 128) break;
    Take(peer_.backfills).done(absl::DeadlineExceededError("Deadline Exceeded"));
    while (peer_.questions.empty()) steps_.Advance(absl::Milliseconds(10));
    Greet(5);
    EXPECT_FALSE(link_->health().up) << "to greet is not enough";
  }
  exchange::v1::BackfillResponse lost;
  for (int64_t sequence : {3, 4, 5}) lost.add_envelopes()->set_sequence(sequence);
  Take(peer_.backfills).done(lost);
  Take(ledger_.recoveries).done(workorder::v1::RecoverResponse());
  ASSERT_EQ(peer_.backfills.size(), 1u);
  EXPECT_EQ(peer_.backfills.front().request.limit(), 129) << "a little more each time";
}

// Keeps the trace of each call.
struct TracingLedger : FakeLedger {
  void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest,
                       Done<workorder::v1::ListLinkCursorsResponse>) override {
    traces.push_back(call.traceparent);
  }
  std::vector<std::string> traces;
};
struct TracingPeer : FakePeer {
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override {
    traces.push_back(call.traceparent);
    FakePeer::GetLink(call, std::move(request), std::move(done));
  }
  std::vector<std::string> traces;
};

// The next step, on another thread, wrote what the failed one still read.
TEST_F(LinkTest, APauseThatIsCutShortAtOnceLeavesTheFailedStepItsTrace) {
  TracingLedger ledger;
  TracingPeer peer;
  Link* begun = nullptr;
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  options.on_change = [&](bool, const absl::Status&) {
    begun->Nudge();
    steps_.RunDue();
  };
  Link link(&ledger, &peer, &notary_, &way_, &steps_, steps_.clock(), options);
  begun = &link;
  link.Start();
  steps_.RunDue();
  Take(peer.questions).done(absl::UnavailableError("connection refused"));
  ASSERT_EQ(peer.traces.size(), 2u) << "it greets again before the failure has been told to all";
  ASSERT_EQ(ledger.traces.size(), 1u);
  EXPECT_EQ(ledger.traces[0], peer.traces[0]);
  EXPECT_NE(peer.traces[0], peer.traces[1]);
}

TEST_F(LinkTest, OurOwnTroubleIsNotThePeers) {
  Greet();
  Take(ledger_.pulls).done(error::WorkOrderUnreachable("connection refused"));
  EXPECT_TRUE(link_->health().up);
  EXPECT_TRUE(ledger_.pulls.empty()) << "not at once";
  steps_.Advance(absl::Seconds(1));
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(changes_, (std::vector<bool>{true}));
}

TEST_F(LinkTest, StopAnswersWhoWaitsAndBeginsNothing) {
  std::optional<ReceiptOutcome> outcome;
  Greet();
  link_->AwaitReceipt(1, absl::InfiniteFuture(), false, [&](ReceiptOutcome o) { outcome = o; });
  link_->Stop();
  EXPECT_EQ(outcome, ReceiptOutcome::kTimedOut);
  HandOut(0, 0, 1);
  EXPECT_EQ(peer_.deliveries.size(), 0u);
}

}  // namespace
}  // namespace hotline::dispatch
