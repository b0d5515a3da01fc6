#include "services/dispatch/batcher.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
  void Submit(const std::string& id, bool emergency = false, absl::Time deadline = absl::InfiniteFuture()) {
    batcher_.Submit(Named(id), emergency, deadline,
                    [this, id](absl::StatusOr<workorder::v1::CommandResult> result) {
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

// Who floods a site and gives up leaves nothing behind that others wait for.
TEST_F(BatcherTest, WhatNobodyWaitsForAnyMoreNeverLeaves) {
  const absl::Time soon = clock_.Now() + absl::Seconds(1);
  Submit("a");
  Submit("given up", false, soon);
  Submit("patient", false, soon + absl::Milliseconds(1));
  Submit("an emergency", /*emergency=*/true, soon);
  clock_.Advance(absl::Seconds(1));
  auto first = Take(ledger_.executes);
  auto emergency = Take(ledger_.executes);
  EXPECT_EQ(Ids(emergency.request), (std::vector<std::string>{"an emergency"}));
  first.done(AnswersFor(first.request));
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(error::ReasonOf(failures_[0]), error::Reason::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(batcher_.rejected(), 1);
  auto second = Take(ledger_.executes);
  EXPECT_EQ(Ids(second.request), (std::vector<std::string>{"patient"}));
  Submit("given up too", false, clock_.Now() + absl::Milliseconds(1));
  Submit("and this", false, clock_.Now() + absl::Milliseconds(1));
  EXPECT_EQ(failures_.size(), 1u) << "they came a moment ago";
  clock_.Advance(absl::Seconds(1));
  Submit("in vain", false, clock_.Now() + absl::Milliseconds(999));
  ASSERT_EQ(failures_.size(), 2u) << "the next one has waited a second";
  EXPECT_EQ(error::ReasonOf(failures_[1]), error::Reason::ERROR_REASON_OVERLOADED);
  second.done(AnswersFor(second.request));
  EXPECT_EQ(failures_.size(), 4u);
  EXPECT_EQ(batcher_.waiting(), 0);
  EXPECT_TRUE(ledger_.executes.empty());
  Submit("b");
  ASSERT_EQ(ledger_.executes.size(), 1u) << "the place under way is free again";
}

// Some hundreds at a time, as the thread is somebody's who waits.
TEST_F(BatcherTest, ManyThatAreTooLateAreRefusedInParts) {
  Batcher many(&ledger_, &way_, &clock_, {.queue_limit = 1000, .batch_limit = 2, .batches = 1});
  int refused = 0;
  const absl::Time soon = clock_.Now() + absl::Seconds(1);
  for (int i = 0; i < 301; ++i) {
    many.Submit(Named(absl::StrCat("number ", i)), false, i == 0 ? absl::InfiniteFuture() : soon,
                [&](absl::StatusOr<workorder::v1::CommandResult> result) { refused += result.ok() ? 0 : 1; });
  }
  clock_.Advance(absl::Seconds(2));
  auto first = Take(ledger_.executes);
  first.done(AnswersFor(first.request));
  EXPECT_EQ(refused, 256);
  steps_.RunDue();
  EXPECT_EQ(refused, 300);
  EXPECT_EQ(many.rejected(), 300);
  // The place under way is free.
  many.Submit(Named("another"), false, absl::InfiniteFuture(), [](auto) {});
  EXPECT_EQ(ledger_.executes.size(), 1u);
}

TEST_F(BatcherTest, ASecondBatchLeavesWhileTheFirstWaitsForTheDisk) {
  Batcher two(&ledger_, &way_, &clock_, {.queue_limit = 8, .batches = 2});
  int answered = 0;
  const auto submit = [&](const std::string& id) {
    two.Submit(Named(id), false, absl::InfiniteFuture(),
               [&](absl::StatusOr<workorder::v1::CommandResult> result) {
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
  EXPECT_EQ(batcher_.rejected(), 1) << "the alarm of an overload counts these";
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

// What is under way when an emergency comes is in its way at both sites.
TEST_F(BatcherTest, WhereThereAreEmergenciesOrdinaryBatchesAreFewAndSmall) {
  Batcher two(&ledger_, &way_, &clock_, {.queue_limit = 16, .batch_limit = 4, .batches = 2});
  const auto submit = [&](const std::string& id) {
    two.Submit(Named(id), false, absl::InfiniteFuture(), [](absl::StatusOr<workorder::v1::CommandResult>) {});
  };
  const auto answer = [&] {
    auto batch = Take(ledger_.executes);
    batch.done(AnswersFor(batch.request));
  };
  for (const char* id : {"a", "b", "c", "d", "e", "f", "g"}) submit(id);
  ASSERT_EQ(ledger_.executes.size(), 2u);
  { const RightOfWay::Pass emergency = way_.Enter(); }
  answer();
  ASSERT_EQ(ledger_.executes.size(), 1u) << "one of the two is not followed";
  answer();
  ASSERT_EQ(ledger_.executes.size(), 1u);
  EXPECT_EQ(Ids(ledger_.executes.front().request), (std::vector<std::string>{"c", "d"}));
  submit("h");
  EXPECT_EQ(ledger_.executes.size(), 1u);
  steps_.Advance(absl::Seconds(2));
  submit("i");
  ASSERT_EQ(ledger_.executes.size(), 2u);
  EXPECT_EQ(Ids(ledger_.executes.back().request), (std::vector<std::string>{"e", "f", "g", "h"}));
  answer();
  EXPECT_EQ(Ids(ledger_.executes.back().request), (std::vector<std::string>{"i"}));
  while (!ledger_.executes.empty()) answer();
  EXPECT_EQ(two.waiting(), 0);
}

TEST_F(BatcherTest, BesideEmergenciesABatchRestsFourTimesAsLongAsTheLastOneTook) {
  const auto answer = [this](absl::Duration after) {
    clock_.Advance(after);
    auto batch = Take(ledger_.executes);
    batch.done(AnswersFor(batch.request));
  };
  Submit("a");
  Submit("b");
  { const RightOfWay::Pass emergency = way_.Enter(); }
  answer(absl::Milliseconds(5));
  EXPECT_EQ(answered_, (std::vector<std::string>{"a"})) << "answers do not wait";
  steps_.Advance(absl::Milliseconds(19));
  EXPECT_TRUE(ledger_.executes.empty());
  steps_.Advance(absl::Milliseconds(1));
  ASSERT_EQ(ledger_.executes.size(), 1u);
  Submit("c");
  Submit("an emergency", true);
  ASSERT_EQ(ledger_.executes.size(), 2u) << "which rests from nothing";
  answer(absl::Seconds(1));
  steps_.Advance(absl::Milliseconds(80));
  ASSERT_EQ(ledger_.executes.size(), 2u) << "no longer than that";
  Submit("d");
  answer(absl::ZeroDuration());
  answer(-absl::Seconds(1));
  ASSERT_EQ(ledger_.executes.size(), 1u) << "the clock was set back";
  EXPECT_EQ(Ids(ledger_.executes.front().request), (std::vector<std::string>{"d"}));
  // Without emergencies none does.
  steps_.Advance(absl::Seconds(2));
  Submit("e");
  answer(absl::Milliseconds(5));
  EXPECT_EQ(ledger_.executes.size(), 1u);
}

type::v1::Command WithText(const std::string& id, size_t bytes) {
  type::v1::Command command = Named(id);
  command.mutable_registration()->mutable_content()->set_text(std::string(bytes, 'x'));
  return command;
}

// Work_order refuses a request that is too large without a word about any of its commands.
TEST_F(BatcherTest, ABatchEndsBeforeItIsTooLarge) {
  Batcher batcher(&ledger_, &way_, &clock_, {.queue_limit = 8, .batch_bytes = 1000, .batches = 1});
  const auto submit = [&](const std::string& id, size_t bytes) {
    batcher.Submit(WithText(id, bytes), false, absl::InfiniteFuture(),
                   [](absl::StatusOr<workorder::v1::CommandResult>) {});
  };
  submit("a", 1);
  submit("b", 400);
  submit("c", 400);
  submit("large", 5000);
  submit("d", 400);
  std::vector<std::vector<std::string>> batches;
  while (!ledger_.executes.empty()) {
    auto batch = Take(ledger_.executes);
    batches.push_back(Ids(batch.request));
    batch.done(AnswersFor(batch.request));
  }
  EXPECT_EQ(batches, (std::vector<std::vector<std::string>>{{"a"}, {"b", "c"}, {"large"}, {"d"}}));
}

TEST_F(BatcherTest, ACommandLargerThanAnyGoodOneIsRefusedByItsLargestField) {
  std::optional<absl::Status> status;
  type::v1::Command command = WithText("a", kMaxCommandBytes);
  command.mutable_offer()->set_note("note");
  batcher_.Submit(std::move(command), true, absl::InfiniteFuture(),
                  [&](absl::StatusOr<workorder::v1::CommandResult> result) { status = result.status(); });
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(error::ReasonOf(*status), error::Reason::ERROR_REASON_TEXT_TOO_LONG);
  EXPECT_EQ(error::FieldOf(*status), "content");
  EXPECT_NE(error::ChineseOf(*status), "");
  EXPECT_TRUE(ledger_.executes.empty());
}

TEST_F(BatcherTest, TheQueueIsBoundedByBytesToo) {
  Batcher batcher(&ledger_, &way_, &clock_,
                  {.queue_limit = 100, .queue_bytes = 1000, .emergency_bytes = 1000, .batches = 1});
  std::optional<absl::Status> last;
  const auto submit = [&](const std::string& id, size_t bytes, bool emergency) {
    last.reset();
    batcher.Submit(WithText(id, bytes), emergency, absl::InfiniteFuture(),
                   [&](absl::StatusOr<workorder::v1::CommandResult> result) { last = result.status(); });
  };
  submit("under way", 900, false);
  submit("waits", 900, false);
  EXPECT_FALSE(last.has_value());
  submit("full", 900, false);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(error::ReasonOf(*last), error::Reason::ERROR_REASON_OVERLOADED);
  submit("emergency", 900, true);
  EXPECT_FALSE(last.has_value());
  // What has left makes room.
  auto first = Take(ledger_.executes);
  first.done(AnswersFor(first.request));
  submit("fits", 900, false);
  EXPECT_FALSE(last.has_value());
  while (!ledger_.executes.empty()) {
    auto batch = Take(ledger_.executes);
    batch.done(AnswersFor(batch.request));
  }
}

TEST_F(BatcherTest, ABatchOfEmergenciesSaysSo) {
  Submit("a");
  Submit("b", /*emergency=*/true);
  ASSERT_EQ(ledger_.executes.size(), 2u);
  EXPECT_FALSE(ledger_.executes[0].request.emergency());
  EXPECT_TRUE(ledger_.executes[1].request.emergency());
  while (!ledger_.executes.empty()) {
    auto call = Take(ledger_.executes);
    call.done(AnswersFor(call.request));
  }
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
