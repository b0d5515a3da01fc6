// What a site promises while its peer, or its own processes, are away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "tests/support/desk.h"
#include "tests/support/watch.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

dispatch::v1::LinkStatus LinkOf(Site& site, exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY) {
  const auto links = Must(site.dispatch(), &DispatchService::Stub::ListLinks, {});
  EXPECT_THAT(links.links(), SizeIs(2));
  for (const dispatch::v1::LinkStatus& link : links.links()) {
    if (link.lane() == lane) return link;
  }
  return {};
}

TEST(OutageTest, PushesWaitForAnAbsentPeerAndArriveOnce) {
  TwoSites sites;
  sites.a.config().mutable_dispatch()->set_emergency_receipt_s(1);
  ASSERT_TRUE(sites.a.StartAll().ok());

  const auto queued = Push(sites.a, MakePush(1, "110"));
  EXPECT_EQ(queued.status(), dispatch::v1::DELIVERY_STATUS_QUEUED);
  EXPECT_FALSE(queued.telephone_required());
  EXPECT_EQ(queued.order().state(), type::v1::ORDER_STATE_OFFERED);

  dispatch::v1::PushWorkOrderRequest patient = MakePush(2, "110");
  patient.mutable_receipt_wait()->set_nanos(200'000'000);
  EXPECT_EQ(Push(sites.a, patient).status(), dispatch::v1::DELIVERY_STATUS_QUEUED);

  dispatch::v1::PushWorkOrderRequest emergency = MakePush(3, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  const auto by_telephone = Push(sites.a, emergency);
  EXPECT_EQ(by_telephone.status(), dispatch::v1::DELIVERY_STATUS_QUEUED);
  EXPECT_TRUE(by_telephone.telephone_required());
  EXPECT_THAT(by_telephone.advice(), Not(IsEmpty()));

  const dispatch::v1::LinkStatus down = LinkOf(sites.a);
  EXPECT_EQ(down.peer(), "110");
  EXPECT_FALSE(down.up());
  EXPECT_THAT(down.last_error(), Not(IsEmpty()));
  EXPECT_EQ(down.outgoing_sequence(), 2);
  EXPECT_TRUE(down.has_oldest_unacknowledged_time());
  EXPECT_EQ(LinkOf(sites.a, exchange::v1::LANE_EMERGENCY).outgoing_sequence(), 1);
  EXPECT_EQ(down.acknowledged_sequence(), 0);

  ASSERT_TRUE(sites.b.StartAll().ok());
  ASSERT_TRUE(Eventually([&] { return ListAll(sites.b).size() == 3; }));
  ASSERT_TRUE(Eventually([&] {
    const dispatch::v1::LinkStatus link = LinkOf(sites.a);
    const dispatch::v1::LinkStatus urgent = LinkOf(sites.a, exchange::v1::LANE_EMERGENCY);
    return link.up() && link.acknowledged_sequence() == link.outgoing_sequence() && urgent.up() &&
           urgent.acknowledged_sequence() == urgent.outgoing_sequence();
  }));
  std::map<std::string, int> arrived;
  for (const type::v1::WorkOrder& order : ListAll(sites.b)) ++arrived[order.handoff().id()];
  EXPECT_THAT(arrived, testing::UnorderedElementsAre(testing::Pair(queued.order().handoff().id(), 1),
                                                     testing::Pair(testing::_, 1),
                                                     testing::Pair(by_telephone.order().handoff().id(), 1)));
  EXPECT_TRUE(Verify(sites.a).intact());
  EXPECT_TRUE(Verify(sites.b).intact());
}

TEST(OutageTest, EmergencyWithPeerUpNeedsNoTelephone) {
  TwoSites sites;
  ASSERT_TRUE(sites.StartAll().ok());
  ASSERT_TRUE(Eventually([&] { return LinkOf(sites.a, exchange::v1::LANE_EMERGENCY).up(); }));
  dispatch::v1::PushWorkOrderRequest emergency = MakePush(1, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  const auto pushed = Push(sites.a, emergency);
  EXPECT_EQ(pushed.status(), dispatch::v1::DELIVERY_STATUS_RECEIVED);
  EXPECT_FALSE(pushed.telephone_required());
}

TEST(OutageTest, SameRequestIdGivesSameAnswerAfterRestart) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  const dispatch::v1::PushWorkOrderRequest push = MakePush(1, "110");
  const auto first = Push(sites.a, push);
  const auto again = Push(sites.a, push);
  sites.a.KillAll();
  ASSERT_TRUE(sites.a.StartAll().ok());
  const auto after_restart = Push(sites.a, push);
  for (const auto& answer : {again, after_restart}) {
    EXPECT_EQ(answer.order().SerializeAsString(), first.order().SerializeAsString());
    EXPECT_EQ(answer.event_sequence(), first.event_sequence());
  }
  EXPECT_THAT(ListAll(sites.a), SizeIs(1));

  dispatch::v1::PushWorkOrderRequest other = push;
  other.mutable_content()->set_title("另一件事");
  const RichError error = MustFail(sites.a.dispatch(), &DispatchService::Stub::PushWorkOrder, other);
  EXPECT_EQ(error.code, grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(error.reason, "REQUEST_ID_REUSED");
  EXPECT_THAT(ListAll(sites.a), SizeIs(1));
}

TEST(OutageTest, WorkOrderAwayIsUnavailableAndComesBack) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  escalation::v1::GetTimeLedgerRequest ledger;
  ledger.set_order_id(Push(sites.a, MakePush(1, "110")).order().id());
  EXPECT_TRUE(Eventually([&] {
    escalation::v1::GetTimeLedgerResponse response;
    Call call;
    return sites.a.escalation().GetTimeLedger(&call, ledger, &response).ok();
  }));
  sites.a.Kill(Service::kWorkOrder);
  const dispatch::v1::PushWorkOrderRequest push = MakePush(2, "110");
  for (const RichError& error :
       {MustFail(sites.a.dispatch(), &DispatchService::Stub::PushWorkOrder, push),
        MustFail(sites.a.escalation(), &escalation::v1::EscalationService::Stub::GetTimeLedger, ledger)}) {
    EXPECT_EQ(error.code, grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(error.reason, "WORK_ORDER_UNREACHABLE");
    EXPECT_THAT(error.chinese, Not(IsEmpty()));
  }
  ASSERT_TRUE(sites.a.Start(Service::kWorkOrder).ok());
  EXPECT_TRUE(Eventually([&] {
    dispatch::v1::PushWorkOrderResponse response;
    Call call;
    return sites.a.dispatch().PushWorkOrder(&call, push, &response).ok();
  }));
  EXPECT_THAT(ListAll(sites.a), SizeIs(2));
}

TEST(OutageTest, FullQueueSaysWhenToTryAgainButTakesAnEmergency) {
  TwoSites sites;
  sites.a.config().mutable_dispatch()->set_queue_limit(4);
  sites.a.config().mutable_work_order()->set_queue_limit(4);
  sites.a.config().mutable_work_order()->set_commit_batch(1);
  ASSERT_TRUE(sites.a.StartAll().ok());
  // By the first heartbeat dispatch follows the log, and what it shows of that it knows itself.
  HandoffWatch watch(&sites.a, 0, "", absl::Seconds(1));
  ASSERT_TRUE(watch.WaitForHeartbeat(absl::Seconds(20)));
  dispatch::v1::PushWorkOrderRequest emergency = MakePush(0, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  const std::string known = Push(sites.a, emergency).order().id();
  ASSERT_TRUE(watch.WaitFor([&](const std::vector<type::v1::Event>& events) {
    return std::any_of(events.begin(), events.end(),
                       [&](const type::v1::Event& event) { return event.order_id() == known; });
  }));
  constexpr int kPushes = 400;
  // Every so many pushes one is of that order, and does not say again how urgent it is.
  constexpr int kKnownEvery = 16;
  struct Try {
    Call call{absl::Seconds(30)};
    dispatch::v1::PushWorkOrderRequest request;
    dispatch::v1::PushWorkOrderResponse response;
    grpc::Status status;
  };
  std::deque<Try> tries(kPushes);
  Mutex mu;
  CondVar answered;
  int open = kPushes;
  for (int i = 0; i < kPushes; ++i) {
    Try& one = tries[static_cast<size_t>(i)];
    one.request = MakePush(i + 1, "110");
    if (i % kKnownEvery == 0) {
      one.request.clear_content();
      one.request.mutable_header()->set_order_id(known);
    }
    sites.a.dispatch().async()->PushWorkOrder(&one.call, &one.request, &one.response,
                                              [&](grpc::Status status) {
                                                MutexLock lock(&mu);
                                                one.status = status;
                                                --open;
                                                answered.NotifyAll();
                                              });
  }
  // Of which only the urgency is looked at before it is let in.
  emergency = MakePush(kPushes + 1, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  dispatch::v1::PushWorkOrderResponse taken;
  Call call(absl::Seconds(30));
  const grpc::Status status = sites.a.dispatch().PushWorkOrder(&call, emergency, &taken);
  EXPECT_TRUE(status.ok()) << status.error_message();
  {
    MutexLock lock(&mu);
    while (open > 0) answered.Wait(&mu);
  }
  size_t accepted = 0;
  for (const Try& one : tries) {
    if (!one.request.header().order_id().empty()) {
      // It was offered before; what counts is that work_order says so, and not the door.
      EXPECT_EQ(Rich(one.status).reason, "WRONG_STATE");
      continue;
    }
    if (one.status.ok()) {
      ++accepted;
      continue;
    }
    const RichError error = Rich(one.status);
    EXPECT_EQ(error.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(error.reason, "OVERLOADED");
    EXPECT_GT(error.retry_after, absl::ZeroDuration());
    EXPECT_THAT(error.chinese, Not(IsEmpty()));
  }
  EXPECT_LT(accepted, static_cast<size_t>(kPushes)) << "the queue was never full";
  EXPECT_GT(accepted, 0u);
  EXPECT_THAT(ListAll(sites.a), SizeIs(accepted + 2)) << "what was refused must not be there";
}

}  // namespace
}  // namespace hotline::test
