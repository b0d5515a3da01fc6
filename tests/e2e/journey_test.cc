// One order through its whole life between two sites, every step seen live at both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/id.h"
#include "tests/support/desk.h"
#include "tests/support/watch.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;
using type::v1::Event;
using workorder::v1::WorkOrderService;

std::vector<Event::DetailCase> DetailsOf(const std::vector<Event>& events) {
  std::vector<Event::DetailCase> details;
  for (const Event& event : events) details.push_back(event.detail_case());
  return details;
}

void ExpectGapFree(const std::vector<Event>& events, int64_t first) {
  for (const Event& event : events) EXPECT_EQ(event.sequence(), first++);
}

class JourneyTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  // The order at 110, once it is there.
  type::v1::WorkOrder AtB(const type::v1::WorkOrder& at_a) {
    EXPECT_TRUE(Eventually([&] { return Exists(sites_.b, at_a.handoff().id()); }));
    return Get(sites_.b, at_a.handoff().id());
  }

  void ExpectBothIntact() {
    for (Site* site : {&sites_.a, &sites_.b}) {
      const auto verdict = Verify(*site);
      EXPECT_TRUE(verdict.intact()) << site->hotline() << ": " << verdict.fault();
    }
  }

  TwoSites sites_;
  Site& a_ = sites_.a;
  Site& b_ = sites_.b;
};

TEST_F(JourneyTest, WholeLifeIsSeenLiveAtBothSites) {
  HandoffWatch watch_a(&a_, 1);
  HandoffWatch watch_b(&b_, 1);

  dispatch::v1::PushWorkOrderRequest push = MakePush(1, "110");
  push.mutable_receipt_wait()->set_seconds(10);
  const auto pushed = Push(a_, push);
  EXPECT_EQ(pushed.status(), dispatch::v1::DELIVERY_STATUS_RECEIVED);
  EXPECT_FALSE(pushed.telephone_required());
  EXPECT_EQ(pushed.event_sequence(), 1);
  const type::v1::WorkOrder& at_a = pushed.order();
  EXPECT_THAT(at_a.id(), MatchesRegex("[0-9A-HJKMNP-TV-Z]+"));
  EXPECT_THAT(at_a.id(), SizeIs(13));
  EXPECT_THAT(at_a.number(), MatchesRegex("12345-20[0-9]+-000001"));
  EXPECT_EQ(at_a.origin_hotline(), "12345");
  EXPECT_EQ(at_a.custody().holder(), "12345");
  EXPECT_FALSE(at_a.has_content()) << "answers to commands are without content";
  EXPECT_EQ(at_a.handoff().id(), "12345-" + at_a.id() + "-1");
  EXPECT_EQ(at_a.handoff().from_hotline(), "12345");
  EXPECT_EQ(at_a.handoff().to_hotline(), "110");
  EXPECT_EQ(at_a.handoff().attempt(), 1);
  EXPECT_EQ(at_a.handoff().kind(), type::v1::HANDOFF_KIND_ORDER_PUSH);
  EXPECT_EQ(at_a.handoff().from_number(), at_a.number());

  const type::v1::WorkOrder at_b = AtB(at_a);
  EXPECT_THAT(at_b.number(), MatchesRegex("110-20[0-9]+-000001"));
  EXPECT_EQ(at_b.state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_EQ(at_b.custody().holder(), "12345") << "the giver keeps it until somebody accepts";
  EXPECT_EQ(at_b.origin_hotline(), "12345");
  EXPECT_EQ(at_b.handoff().to_number(), at_b.number());
  EXPECT_EQ(at_b.content().SerializeAsString(), Get(a_, at_a.id()).content().SerializeAsString());
  EXPECT_EQ(at_b.content().SerializeAsString(), push.content().SerializeAsString());
  EXPECT_EQ(at_b.content_digest(), Get(a_, at_a.id()).content_digest());

  ASSERT_TRUE(watch_a.WaitForDetail(Event::kUnderstood));
  const type::v1::WorkOrder understood = Get(a_, at_a.number());
  EXPECT_EQ(understood.state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_EQ(understood.handoff().to_number(), at_b.number());
  EXPECT_TRUE(understood.handoff().has_receive_time());
  EXPECT_TRUE(understood.handoff().has_understand_time());
  EXPECT_FALSE(understood.handoff().has_accept_time());

  EXPECT_EQ(Accept(b_, at_b.id()).custody().holder(), "110");
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kAccepted));
  const type::v1::WorkOrder accepted = Get(a_, at_a.id());
  EXPECT_EQ(accepted.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(accepted.custody().holder(), "110");
  EXPECT_THAT(accepted.custody().epoch(), Gt(at_a.custody().epoch()));
  EXPECT_TRUE(accepted.handoff().has_accept_time());

  auto units = For<workorder::v1::DispatchWorkOrderRequest>(at_b.id());
  units.mutable_unit_dispatch()->set_lead_unit("police_station_1");
  units.mutable_unit_dispatch()->add_assist_units("traffic_police");
  Must(b_.work_order(), &WorkOrderService::Stub::DispatchWorkOrder, units);
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kDispatched));

  auto sign = For<workorder::v1::SignWorkOrderRequest>(at_b.id());
  sign.mutable_header()->mutable_actor()->set_unit("police_station_1");
  Must(b_.work_order(), &WorkOrderService::Stub::SignWorkOrder, sign);
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kSigned));

  auto progress = For<dispatch::v1::ReportHandoffProgressRequest>(at_b.id());
  progress.mutable_progress()->set_note("民警已到场，正在劝导摊主收摊");
  Must(b_.dispatch(), &DispatchService::Stub::ReportHandoffProgress, progress);
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kProgressed));

  auto finish = For<dispatch::v1::FinishHandoffRequest>(at_b.id());
  type::v1::Reply& reply = *finish.mutable_completion()->mutable_reply();
  reply.set_disposition(type::v1::DISPOSITION_RESOLVED);
  reply.set_public_reply("摊位已迁至夜市规划区，恢复人行道通行");
  reply.set_internal_reply("内部办理情况不出本单位");
  reply.set_caller_contacted(true);
  Must(b_.dispatch(), &DispatchService::Stub::FinishHandoff, finish);
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kReplied));
  EXPECT_EQ(Get(a_, at_a.id()).reply().public_reply(), reply.public_reply());
  EXPECT_THAT(Get(a_, at_a.id()).reply().internal_reply(), IsEmpty());
  EXPECT_EQ(Get(b_, at_b.id()).reply().internal_reply(), reply.internal_reply());

  auto call_back = For<workorder::v1::RecordCallBackRequest>(at_a.id());
  call_back.mutable_call_back_record()->mutable_call_back()->set_reached(true);
  call_back.mutable_call_back_record()->mutable_call_back()->set_settled(true);
  call_back.mutable_call_back_record()->mutable_call_back()->set_satisfaction(5);
  Must(a_.work_order(), &WorkOrderService::Stub::RecordCallBack, call_back);
  auto close = For<workorder::v1::CloseWorkOrderRequest>(at_a.id());
  EXPECT_EQ(Must(a_.work_order(), &WorkOrderService::Stub::CloseWorkOrder, close).order().custody().holder(),
            "12345");
  ASSERT_TRUE(watch_b.WaitForDetail(Event::kClosed));
  EXPECT_EQ(Get(b_, at_b.id()).state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(Get(b_, at_b.id()).custody().holder(), "12345");

  // Filing is each site's own affair.
  auto archive = For<workorder::v1::ArchiveWorkOrderRequest>(at_a.id());
  Must(a_.work_order(), &WorkOrderService::Stub::ArchiveWorkOrder, archive);
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kArchived));
  EXPECT_EQ(Get(b_, at_b.id()).state(), type::v1::ORDER_STATE_CLOSED);

  // The first receipt may be overtaken by the second, which says as much and more.
  std::vector<Event> seen_a = watch_a.events();
  ExpectGapFree(seen_a, 1);
  std::vector<Event::DetailCase> details = DetailsOf(seen_a);
  std::erase(details, Event::kReceived);
  EXPECT_THAT(details, ElementsAre(Event::kOffered, Event::kUnderstood, Event::kAccepted, Event::kDispatched,
                                   Event::kSigned, Event::kProgressed, Event::kReplied, Event::kCalledBack,
                                   Event::kClosed, Event::kArchived));
  ExpectGapFree(watch_b.events(), 1);
  EXPECT_THAT(DetailsOf(watch_b.events()),
              ElementsAre(Event::kUnderstood, Event::kAccepted, Event::kDispatched, Event::kSigned,
                          Event::kProgressed, Event::kReplied, Event::kCalledBack, Event::kClosed));
  for (const Event& event : seen_a) {
    // A receipt is what the peer did; the origin's own are the offer and what ends the order.
    const bool by_peer = event.detail_case() != Event::kOffered &&
                         event.detail_case() != Event::kCalledBack && event.detail_case() != Event::kClosed &&
                         event.detail_case() != Event::kArchived;
    EXPECT_EQ(event.mirrored(), by_peer) << event.detail_case();
  }
  workorder::v1::ListOrderEventsRequest history;
  history.set_order_id(at_a.number());
  const auto listed = Must(a_.work_order(), &WorkOrderService::Stub::ListOrderEvents, history);
  ASSERT_EQ(static_cast<size_t>(listed.events_size()), seen_a.size());
  for (int i = 0; i < listed.events_size(); ++i) {
    EXPECT_EQ(listed.events(i).SerializeAsString(), seen_a[static_cast<size_t>(i)].SerializeAsString());
  }
  ExpectBothIntact();
}

TEST_F(JourneyTest, ReturnedOrderGoesOutAgainAsSecondAttempt) {
  HandoffWatch watch_a(&a_, 1);
  const type::v1::WorkOrder at_a = Push(a_, MakePush(1, "110")).order();
  const type::v1::WorkOrder at_b = AtB(at_a);

  auto give_back = For<dispatch::v1::ReturnHandoffRequest>(at_b.id());
  give_back.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  give_back.mutable_handoff_return()->set_reason("属于城管职责");
  give_back.mutable_handoff_return()->set_proposed_unit("urban_management");
  give_back.mutable_handoff_return()->set_proposed_item("A3");
  Must(b_.dispatch(), &DispatchService::Stub::ReturnHandoff, give_back);
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kReturned));
  const type::v1::WorkOrder returned = Get(a_, at_a.id());
  EXPECT_EQ(returned.state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(returned.custody().holder(), "12345");
  EXPECT_EQ(returned.handoff().returned().ground(), type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  EXPECT_EQ(returned.handoff().returned().proposed_unit(), "urban_management");
  EXPECT_TRUE(returned.handoff().has_end_time());

  dispatch::v1::PushWorkOrderRequest again = MakePush(1, "110");
  again.clear_content();
  again.mutable_header()->set_order_id(at_a.id());
  const RichError bounce = MustFail(a_.dispatch(), &DispatchService::Stub::PushWorkOrder, again);
  EXPECT_EQ(bounce.reason, "BOUNCE");
  NextRequestId(again.mutable_header()->mutable_request_id());
  again.mutable_offer()->set_confirm_bounce(true);
  const type::v1::WorkOrder second = Push(a_, again).order();
  EXPECT_EQ(second.handoff().attempt(), 2);
  EXPECT_THAT(second.past_handoffs(), SizeIs(1));
  EXPECT_TRUE(Eventually([&] { return Get(a_, at_a.id()).state() == type::v1::ORDER_STATE_UNDERSTOOD; }));
  ExpectBothIntact();
}

TEST_F(JourneyTest, DisputedOrderIsTheOriginsUntilARuling) {
  const absl::Time before = absl::Now();
  const type::v1::WorkOrder at_a = Push(a_, MakePush(1, "110")).order();
  const type::v1::WorkOrder at_b = AtB(at_a);
  workorder::v1::PreviewReturnRequest preview;
  preview.set_order_id(at_b.id());
  const auto previewed = Must(b_.work_order(), &WorkOrderService::Stub::PreviewReturn, preview);
  EXPECT_TRUE(previewed.allowed());
  EXPECT_EQ(previewed.free_returns_of_unit(), 1);
  EXPECT_EQ(previewed.free_returns_of_order(), 2);

  auto dispute = For<dispatch::v1::DisputeHandoffRequest>(at_b.id());
  dispute.mutable_dispute()->set_reason("双方均认为不属本单位职责");
  Must(b_.dispatch(), &DispatchService::Stub::DisputeHandoff, dispute);
  EXPECT_TRUE(Eventually([&] { return Get(a_, at_a.id()).facts().disputed(); }));
  const type::v1::WorkOrder kept = Get(a_, at_a.id());
  EXPECT_EQ(kept.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(kept.custody().holder(), "12345");

  workorder::v1::GetCustodyChainRequest chain;
  chain.set_order_id(at_a.number());
  const auto tenures = Must(a_.work_order(), &WorkOrderService::Stub::GetCustodyChain, chain).tenures();
  ASSERT_THAT(tenures, SizeIs(1));
  EXPECT_EQ(tenures[0].intervals().rbegin()->condition(), workorder::v1::CUSTODY_CONDITION_DISPUTED);
  workorder::v1::WhoHoldsRequest who;
  who.set_order_id(at_a.handoff().id());
  EXPECT_EQ(Must(a_.work_order(), &WorkOrderService::Stub::WhoHolds, who).holder(), "12345");
  who.mutable_at_time()->set_seconds(absl::ToUnixSeconds(before) - 60);
  EXPECT_EQ(MustFail(a_.work_order(), &WorkOrderService::Stub::WhoHolds, who).field, "at_time");

  auto rule = For<workorder::v1::RuleOnWorkOrderRequest>(at_a.id());
  rule.mutable_ruling()->set_unit("chengguan");
  rule.mutable_ruling()->set_ground("按属地管理原则");
  rule.mutable_ruling()->set_reference("联席会议纪要〔2026〕3号");
  rule.mutable_ruling()->set_ruled_by("2001");
  EXPECT_EQ(Must(a_.work_order(), &WorkOrderService::Stub::RuleOnWorkOrder, rule).order().facts().ruled_for(),
            "12345");
  EXPECT_TRUE(Eventually([&] { return Get(b_, at_b.id()).facts().ruled_for() == "12345"; }));

  // Done, closed, and taken up once more.
  auto finish = For<workorder::v1::FinishWorkOrderRequest>(at_a.id());
  finish.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_EXPLAINED);
  finish.mutable_completion()->mutable_reply()->set_public_reply("已向来电人解释");
  Must(a_.work_order(), &WorkOrderService::Stub::FinishWorkOrder, finish);
  Must(a_.work_order(), &WorkOrderService::Stub::CloseWorkOrder,
       For<workorder::v1::CloseWorkOrderRequest>(at_a.id()));
  auto reopen = For<workorder::v1::ReopenWorkOrderRequest>(at_a.id());
  reopen.mutable_reopening()->set_reason("群众再次反映");
  EXPECT_EQ(Must(a_.work_order(), &WorkOrderService::Stub::ReopenWorkOrder, reopen).order().state(),
            type::v1::ORDER_STATE_REDO);
  ExpectBothIntact();
}

TEST_F(JourneyTest, UnacceptedOfferIsRecalledAndAcceptedOneStays) {
  HandoffWatch watch_a(&a_, 1);
  const type::v1::WorkOrder at_a = Push(a_, MakePush(1, "110")).order();
  const type::v1::WorkOrder at_b = AtB(at_a);
  auto recall = For<dispatch::v1::RecallHandoffRequest>(at_a.id());
  recall.mutable_recall()->set_reason("来电人已自行解决");
  EXPECT_TRUE(
      Must(a_.dispatch(), &DispatchService::Stub::RecallHandoff, recall).order().facts().recall_requested());
  ASSERT_TRUE(watch_a.WaitForDetail(Event::kRecalled));
  EXPECT_EQ(Get(a_, at_a.id()).custody().holder(), "12345");
  EXPECT_EQ(Get(b_, at_b.id()).state(), type::v1::ORDER_STATE_RECALLED);

  // The acceptance is on its way when the recall is asked for: it stands.
  const type::v1::WorkOrder kept_a = Push(a_, MakePush(2, "110")).order();
  const type::v1::WorkOrder kept_b = AtB(kept_a);
  b_.Kill(Service::kDispatch);
  auto accept = For<workorder::v1::AcceptWorkOrderRequest>(kept_b.id());
  Must(b_.work_order(), &WorkOrderService::Stub::AcceptWorkOrder, accept);
  recall = For<dispatch::v1::RecallHandoffRequest>(kept_a.id());
  recall.mutable_recall()->set_reason("误推");
  Must(a_.dispatch(), &DispatchService::Stub::RecallHandoff, recall);
  ASSERT_TRUE(b_.Start(Service::kDispatch).ok());
  EXPECT_TRUE(Eventually([&] {
    const type::v1::WorkOrder order = Get(a_, kept_a.id());
    return order.state() == type::v1::ORDER_STATE_ACCEPTED && !order.facts().recall_requested();
  }));
  EXPECT_EQ(Get(a_, kept_a.id()).custody().holder(), "110");
  EXPECT_EQ(Get(b_, kept_b.id()).custody().holder(), "110");
  ExpectBothIntact();
}

TEST_F(JourneyTest, UnknownFieldsReachThePeer) {
  dispatch::v1::PushWorkOrderRequest push = MakePush(1, "110");
  // A later version of the contract: a text beside the content's fields and a number inside the place.
  type::v1::OrderContent& content = *push.mutable_content();
  content.GetReflection()->MutableUnknownFields(&content)->AddLengthDelimited(9001, "来自未来版本");
  type::v1::Place& place = *content.mutable_place();
  place.GetReflection()->MutableUnknownFields(&place)->AddVarint(9002, 653024);
  const type::v1::WorkOrder at_a = Push(a_, push).order();
  const type::v1::OrderContent there = AtB(at_a).content();
  const auto& unknown = there.GetReflection()->GetUnknownFields(there);
  ASSERT_EQ(unknown.field_count(), 1);
  EXPECT_EQ(unknown.field(0).number(), 9001);
  EXPECT_EQ(unknown.field(0).length_delimited(), "来自未来版本");
  const auto& in_place = there.place().GetReflection()->GetUnknownFields(there.place());
  ASSERT_EQ(in_place.field_count(), 1);
  EXPECT_EQ(in_place.field(0).varint(), 653024u);
  EXPECT_EQ(there.SerializeAsString(), content.SerializeAsString());
}

TEST_F(JourneyTest, TraceCrossesServicesAndSites) {
  const std::string traceparent = NewTraceparent();
  dispatch::v1::PushWorkOrderResponse pushed;
  Call call;
  call.AddMetadata("traceparent", traceparent);
  const grpc::Status status = a_.dispatch().PushWorkOrder(&call, MakePush(1, "110"), &pushed);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const type::v1::WorkOrder at_b = AtB(pushed.order());
  workorder::v1::ListOrderEventsRequest history;
  history.set_order_id(pushed.order().id());
  const auto at_giver = Must(a_.work_order(), &WorkOrderService::Stub::ListOrderEvents, history);
  EXPECT_EQ(TraceId(at_giver.events(0).traceparent()), TraceId(traceparent));
  history.set_order_id(at_b.id());
  const auto at_taker = Must(b_.work_order(), &WorkOrderService::Stub::ListOrderEvents, history);
  EXPECT_EQ(TraceId(at_taker.events(0).traceparent()), TraceId(traceparent));
}

}  // namespace
}  // namespace hotline::test
