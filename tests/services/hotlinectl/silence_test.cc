#include "services/hotlinectl/core/silence.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "tests/support/steps.h"

namespace hotline::hotlinectl {
namespace {

constexpr absl::Duration kLongest = absl::Seconds(15);

class SilenceTest : public testing::Test {
 protected:
  SilenceTest() {
    auto steps = std::make_unique<test::Steps>(absl::FromUnixSeconds(1'796'000'000));
    steps_ = steps.get();
    guard_ = std::make_unique<SilenceGuard>(std::move(steps), kLongest, [this] { ++cancels_; });
  }

  test::Steps* steps_;
  int cancels_ = 0;
  std::unique_ptr<SilenceGuard> guard_;
};

TEST_F(SilenceTest, WhatIsHeardIsNotCancelled) {
  // A heartbeat each 5 s: at the end of the first period too it was heard.
  for (int i = 0; i < 20; ++i) {
    steps_->Advance(absl::Seconds(5) - absl::Milliseconds(1));
    guard_->Heard();
    steps_->Advance(absl::Milliseconds(1));
    ASSERT_FALSE(guard_->cancelled()) << "after " << 5 * (i + 1) << " s";
  }
  EXPECT_EQ(cancels_, 0);
}

TEST_F(SilenceTest, OneWordInTheFirstPeriodIsEnoughForIt) {
  guard_->Heard();
  steps_->Advance(kLongest);
  EXPECT_FALSE(guard_->cancelled());
  steps_->Advance(kLongest);
  EXPECT_TRUE(guard_->cancelled()) << "nothing was heard since";
}

TEST_F(SilenceTest, SilenceIsCancelledOnce) {
  steps_->Advance(kLongest - absl::Milliseconds(1));
  EXPECT_FALSE(guard_->cancelled());
  steps_->Advance(absl::Milliseconds(1));
  EXPECT_TRUE(guard_->cancelled());
  guard_->Heard();
  steps_->Advance(10 * kLongest);
  EXPECT_EQ(cancels_, 1);
}

}  // namespace
}  // namespace hotline::hotlinectl
