#include "services/dispatch/right_of_way.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

class RightOfWayTest : public testing::Test {
 protected:
  void Yield(char piece) {
    way_.Yield([this, piece] { done_ += piece; });
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  RightOfWay way_{&steps_, steps_.clock()};
  std::string done_;
};

TEST_F(RightOfWayTest, WithNoEmergencyNothingWaits) {
  Yield('a');
  EXPECT_EQ(done_, "a");
  { const RightOfWay::Pass pass = way_.Enter(); }
  Yield('b');
  EXPECT_EQ(done_, "ab");
}

TEST_F(RightOfWayTest, WhatWaitsGoesOnInOrderWhenTheLastEmergencyHasPassed) {
  std::optional<RightOfWay::Pass> first = way_.Enter();
  std::optional<RightOfWay::Pass> second = way_.Enter();
  Yield('a');
  Yield('b');
  first.reset();
  EXPECT_EQ(done_, "");
  second.reset();
  EXPECT_EQ(done_, "ab");
  steps_.Advance(absl::Seconds(1));
  EXPECT_EQ(done_, "ab") << "once";
}

TEST_F(RightOfWayTest, IsTravelledForTwoSecondsAfterTheLastEmergencyCame) {
  EXPECT_FALSE(way_.IsTravelled());
  { const RightOfWay::Pass pass = way_.Enter(); }
  EXPECT_TRUE(way_.IsTravelled());
  steps_.Advance(absl::Milliseconds(1999));
  EXPECT_TRUE(way_.IsTravelled());
  steps_.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(way_.IsTravelled());
}

// A service that ends drops its emergencies: what waited for them does not run in its ruins.
TEST_F(RightOfWayTest, ClosedItRunsNothingMore) {
  int ran = 0;
  std::optional<RightOfWay::Pass> emergency = way_.Enter();
  way_.Yield([&] { ++ran; });
  way_.Close();
  emergency.reset();
  EXPECT_EQ(ran, 0);
  steps_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(ran, 0);
}

TEST_F(RightOfWayTest, NoPieceWaitsForLong) {
  const RightOfWay::Pass pass = way_.Enter();
  Yield('a');
  steps_.Advance(absl::Milliseconds(40));
  const RightOfWay::Pass another = way_.Enter();
  Yield('b');
  EXPECT_EQ(done_, "");
  steps_.Advance(absl::Milliseconds(10));
  EXPECT_EQ(done_, "a");
  steps_.Advance(absl::Milliseconds(40));
  EXPECT_EQ(done_, "ab");
}

TEST_F(RightOfWayTest, AnEmergencyThatGetsNoAnswerIsInNobodysWay) {
  const RightOfWay::Pass pass = way_.Enter();
  steps_.Advance(absl::Milliseconds(50));
  Yield('a');
  EXPECT_EQ(done_, "a");
}

TEST_F(RightOfWayTest, AClockThatIsSetBackHoldsNothing) {
  const RightOfWay::Pass pass = way_.Enter();
  steps_.clock()->Set(steps_.clock()->Now() - absl::Hours(1));
  Yield('a');
  EXPECT_EQ(done_, "a");
}

TEST_F(RightOfWayTest, AMovedPassCountsOnce) {
  std::optional<RightOfWay::Pass> pass = way_.Enter();
  Yield('a');
  std::optional<RightOfWay::Pass> moved = std::move(pass);
  pass.reset();
  EXPECT_EQ(done_, "");
  moved.reset();
  EXPECT_EQ(done_, "a");
}

}  // namespace
}  // namespace hotline::dispatch
