#include "services/dispatch/batcher.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "tests/services/dispatch/fakes.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

type::v1::Command Named(const std::string& id) {
  type::v1::Command command;
  command.mutable_header()->set_request_id(id);
  return command;
}

workorder::v1::ExecuteResponse AnswersFor(const workorder::v1::ExecuteRequest& request) {
  workorder::v1::ExecuteResponse response;
  for (const auto& command : request.commands()) {
    response.add_results()->mutable_order()->set_id("order of " + command.header().request_id());
  }
  return response;
}

class BatcherTest : public testing::Test {
 protected:
  void Submit(const std::string& id, bool emergency = false) {
    batcher_.Submit(Named(id), emergency, [this, id](absl::StatusOr<workorder::v1::CommandResult> result) {
      if (!result.ok()) {
        failures_.push_back(result.status());
      } else {
        EXPECT_EQ(result->order().id(), "order of " + id);
        answered_.push_back(id);
      }
    });
  }
  static std::vector<std::string> Ids(const workorder::v1::ExecuteRequest& request) {
    std::vector<std::string> ids;
    for (const auto& command : request.commands()) ids.push_back(command.header().request_id());
    return ids;
  }

  ManualClock clock_{absl::FromUnixSeconds(1'795'000'000)};
  FakeLedger ledger_;
  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  RightOfWay way_{&steps_, steps_.clock()};
  Batcher batcher_{
      &ledger_, &way_, &clock_, {.queue_limit = 3, .emergency_room = 1, .batch_limit = 2, .batches = 1}};
  std::vector<std::string> answered_;
  std::vector<absl::Status> failures_;
};

TEST_F(BatcherTest, SendsAtOnceWhenIdleAndGathersMeanwhile) {
  Submit("a");
  ASSERT_EQ(ledger_.executes.size(), 1u);
  Submit("b");
  Submit("c");
  EXPECT_EQ(ledger_.executes.size(), 1u) << "one batch under way";
  EXPECT_EQ(batcher_.waiting(), 2);
  auto first = Take(ledger_.executes);
  first.done(AnswersFor(first.request));
  EXPECT_EQ(answered_, (std::vector<std::string>{"a"}));
  ASSERT_EQ(ledger_.executes.size(), 1u);
  EXPECT_EQ(Ids(ledger_.executes.front().request), (std::vector<std::string>{"b", "c"}));
}

TEST_F(BatcherTest, ASecondBatchLeavesWhileTheFirstWaitsForTheDisk) {
  Batcher two(&ledger_, &way_, &clock_, {.queue_limit = 8, .batches = 2});
  int answered = 0;
  const auto submit = [&](const std::string& id) {
    two.Submit(Named(id), false, [&](absl::StatusOr<workorder::v1::CommandResult> result) {
      EXPECT_TRUE(result.ok());
      ++answered;
    });
  };
  for (const char* id : {"a", "b", "c", "d"}) submit(id);
  ASSERT_EQ(ledger_.executes.size(), 2u);
  EXPECT_EQ(two.waiting(), 2);
  while (!ledger_.executes.empty()) {
    auto batch = Take(ledger_.executes);
    batch.done(AnswersFor(batch.request));
  }
  EXPECT_EQ(answered, 4);
}

TEST_F(BatcherTest, EmergenciesGoAheadAndHaveRoomOfTheirOwn) {
  Submit("a");
  Submit("b");
  Submit("c");
  Submit("d");
  Submit("full");
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(error::ReasonOf(failures_[0]), error::Reason::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(failures_[0]), absl::ZeroDuration());
  Submit("emergency", true);
  ASSERT_EQ(ledger_.executes.size(), 2u) << "it does not wait for the batch under way";
  EXPECT_EQ(Ids(ledger_.executes.back().request), (std::vector<std::string>{"emergency"}));
  auto first = Take(ledger_.executes);
  first.done(AnswersFor(first.request));
  EXPECT_EQ(Ids(ledger_.executes.back().request), (std::vector<std::string>{"b", "c"}));
}

TEST_F(BatcherTest, OrdinaryBatchesWaitWhileAnEmergencyIsUnderWay) {
  std::optional<RightOfWay::Pass> pass = way_.Enter();
  Submit("a");
  EXPECT_TRUE(ledger_.executes.empty());
  Submit("b", /*emergency=*/true);
  ASSERT_EQ(ledger_.executes.size(), 1u);
  EXPECT_EQ(Ids(ledger_.executes.front().request), (std::vector<std::string>{"b"}));
  pass.reset();
  ASSERT_EQ(ledger_.executes.size(), 2u);
  // Its answers wait too, but neither for ever.
  pass.emplace(way_.Enter());
  auto ordinary = std::move(ledger_.executes.back());
  ledger_.executes.pop_back();
  ordinary.done(AnswersFor(ordinary.request));
  EXPECT_TRUE(answered_.empty());
  steps_.Advance(absl::Milliseconds(50));
  EXPECT_EQ(answered_, (std::vector<std::string>{"a"}));
}

TEST_F(BatcherTest, EachCommandHasItsOwnOutcome) {
  Submit("a");
  Submit("good");
  Submit("bad");
  auto first = Take(ledger_.executes);
  first.done(AnswersFor(first.request));
  auto second = Take(ledger_.executes);
  workorder::v1::ExecuteResponse response = AnswersFor(second.request);
  response.mutable_results(1)->Clear();
  *response.mutable_results(1)->mutable_error() = error::ToProto(error::Required("content.title"));
  second.done(std::move(response));
  EXPECT_EQ(answered_, (std::vector<std::string>{"a", "good"}));
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(error::FieldOf(failures_[0]), "content.title");
}

TEST_F(BatcherTest, AFailedCallFailsItsCommandsOnly) {
  Submit("a");
  Submit("b");
  Take(ledger_.executes).done(error::WorkOrderUnreachable("connection refused"));
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(error::ReasonOf(failures_[0]), error::Reason::ERROR_REASON_WORK_ORDER_UNREACHABLE);
  auto second = Take(ledger_.executes);
  second.done(AnswersFor(second.request));
  EXPECT_EQ(answered_, (std::vector<std::string>{"b"}));
}

}  // namespace
}  // namespace hotline::dispatch
