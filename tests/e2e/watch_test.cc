// WatchHandoffs: resumable without a gap over restarts, alive in silence, and polite when the service goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "tests/support/desk.h"
#include "tests/support/watch.h"

namespace hotline::test {
namespace {

using testing::Each;
using testing::Property;
using testing::SizeIs;
using type::v1::Event;
using type::v1::WorkOrder;

class WatchTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = site_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }
  // With the peer away, each is one event.
  void PushSome(int n) {
    for (int i = 0; i < n; ++i) Push(site_, MakePush(i, "110"));
  }
  static auto AtLeast(size_t n) {
    return [n](const std::vector<Event>& events) { return events.size() >= n; };
  }

  TwoSites sites_;
  Site& site_ = sites_.a;
};

TEST_F(WatchTest, ResumesWithoutGapAfterDispatchWasKilled) {
  PushSome(5);
  int64_t next = 1;
  std::vector<Event> seen;
  for (int round = 0; round < 3; ++round) {
    HandoffWatch watch(&site_, next);
    PushSome(5);
    ASSERT_TRUE(watch.WaitFor(AtLeast(5)));
    site_.Kill(Service::kDispatch);
    EXPECT_FALSE(watch.WaitForEnd().ok());
    for (const Event& event : watch.events()) seen.push_back(event);
    next = watch.watermark() + 1;
    ASSERT_TRUE(site_.Start(Service::kDispatch).ok());
    PushSome(1);
  }
  HandoffWatch rest(&site_, next);
  ASSERT_TRUE(
      rest.WaitFor([&](const std::vector<Event>& events) { return seen.size() + events.size() == 23; }));
  for (const Event& event : rest.events()) seen.push_back(event);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].sequence(), static_cast<int64_t>(i) + 1);
}

TEST_F(WatchTest, FollowsWorkOrderOverItsRestart) {
  HandoffWatch watch(&site_, 1);
  PushSome(2);
  ASSERT_TRUE(watch.WaitFor(AtLeast(2)));
  site_.Kill(Service::kWorkOrder);
  ASSERT_TRUE(site_.Start(Service::kWorkOrder).ok());
  ASSERT_TRUE(Eventually([&] {
    dispatch::v1::PushWorkOrderResponse response;
    Call call;
    return site_.dispatch().PushWorkOrder(&call, MakePush(3, "110"), &response).ok();
  }));
  ASSERT_TRUE(watch.WaitFor(AtLeast(3))) << "the stream must outlive a restart behind it";
}

TEST_F(WatchTest, BeatsInSilenceAndSaysHowFarItIs) {
  PushSome(3);
  HandoffWatch watch(&site_, 0, "", absl::Seconds(1));
  const absl::Time begin = absl::Now();
  ASSERT_TRUE(watch.WaitForHeartbeat(absl::Seconds(5)));
  EXPECT_EQ(watch.watermark(), 3);
  EXPECT_LT(begin - absl::Seconds(2), watch.server_time());
  EXPECT_TRUE(watch.events().empty()) << "0 means from the next event on";
  PushSome(1);
  ASSERT_TRUE(watch.WaitFor(AtLeast(1)));
  EXPECT_EQ(watch.events()[0].sequence(), 4);
}

// It broke before its first heartbeat, and what happened until it began anew, from then on, was lost.
TEST_F(WatchTest, WhoWatchesFromNowOnKnowsAtOnceWhereToResume) {
  PushSome(3);
  int64_t next = 0;
  {
    HandoffWatch watch(&site_, next, "", absl::Seconds(60));
    ASSERT_TRUE(watch.WaitForHeartbeat(absl::Seconds(20))) << "not only after a minute";
    next = watch.watermark() + 1;
  }
  EXPECT_EQ(next, 4);
  PushSome(1);
  HandoffWatch resumed(&site_, next);
  ASSERT_TRUE(resumed.WaitFor(AtLeast(1)));
  EXPECT_EQ(resumed.events()[0].sequence(), 4);
}

TEST_F(WatchTest, AWatchOfANumberIsRefused) {
  const WorkOrder order = Push(site_, MakePush(1, "110")).order();
  HandoffWatch watch(&site_, 1, order.number());
  const RichError error = Rich(watch.WaitForEnd());
  EXPECT_EQ(error.reason, "FIELD_INVALID");
  EXPECT_EQ(error.field, "order_id");
}

TEST_F(WatchTest, FilterLeavesOthersOutButMovesTheWatermark) {
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  PushSome(3);
  // As a person may type it.
  HandoffWatch watch(&site_, 1, absl::AsciiStrToLower(id), absl::Seconds(1));
  ASSERT_TRUE(watch.WaitFor(AtLeast(1)));
  ASSERT_TRUE(Eventually([&] { return watch.watermark() == 4; }));
  EXPECT_THAT(watch.events(), SizeIs(1));
  EXPECT_THAT(watch.events(), Each(Property(&Event::order_id, id)));
}

TEST_F(WatchTest, DrainEndsTheStreamWithAMarkToResumeAt) {
  PushSome(2);
  HandoffWatch watch(&site_, 1);
  ASSERT_TRUE(watch.WaitFor(AtLeast(2)));
  EXPECT_EQ(site_.Terminate(Service::kDispatch), 0);
  const grpc::Status end = watch.WaitForEnd();
  EXPECT_TRUE(end.ok()) << end.error_message();
  EXPECT_TRUE(watch.draining());
  EXPECT_EQ(watch.watermark(), 2);
}

TEST_F(WatchTest, StartBeyondTheHeadIsRefused) {
  PushSome(1);
  HandoffWatch watch(&site_, 100);
  const RichError error = Rich(watch.WaitForEnd());
  EXPECT_EQ(error.code, grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(error.reason, "SEQUENCE_OUT_OF_RANGE");
}

TEST_F(WatchTest, EveryServiceDrainsCleanly) {
  PushSome(3);
  for (const Service service : {Service::kEscalation, Service::kDispatch, Service::kWorkOrder}) {
    EXPECT_EQ(site_.Terminate(service), 0) << NameOf(service);
  }
  ASSERT_TRUE(site_.StartAll().ok());
  EXPECT_THAT(ListAll(site_), SizeIs(3));
}

}  // namespace
}  // namespace hotline::test
