// Need-to-know with real processes: a clue and a secret caller are shown to whom the configuration names, in
// no read, list, watch, export, log or answer to anybody else, and each showing is an event.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "hotline/escalation/v1/meeting_service.grpc.pb.h"
#include "tests/support/desk.h"
#include "tests/support/process.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::HasSubstr;
using testing::Not;
using type::v1::Event;
using type::v1::WorkOrder;
using workorder::v1::WorkOrderService;

constexpr char kName[] = "托合提汗";
constexpr char kPhone[] = "0908-7654321";

// Calls as `account`; INVALID reasons come back as RichError, success as its default.
template <typename Stub, typename Request, typename Response>
RichError CallAs(const std::string& account, Stub& stub,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 const std::type_identity_t<Request>& request, Response* response) {
  Call call;
  if (!account.empty()) call.AddMetadata("hotline-account", account);
  const grpc::Status status = (stub.*method)(&call, request, response);
  return status.ok() ? RichError() : Rich(status);
}

class ClearanceTest : public testing::Test {
 protected:
  void SetUp() override {
    for (Site* site : {&sites_.a, &sites_.b}) site->config().mutable_need_to_know()->add_accounts("cleared");
    ASSERT_TRUE(sites_.UseKeys().ok());
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  WorkOrder PushClue() {
    auto request = MakePush(5, "110");
    request.mutable_content()->set_urgency(type::v1::URGENCY_URGENT);
    request.mutable_header()->mutable_actor()->set_account("registrar");
    request.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
    const auto pushed = Push(sites_.a, request);
    EXPECT_EQ(pushed.status(), dispatch::v1::DELIVERY_STATUS_RECEIVED) << "its receipt is waited for";
    return pushed.order();
  }
  WorkOrder RegisterSecret() {
    auto request = For<workorder::v1::CreateWorkOrderRequest>("");
    request.mutable_header()->mutable_actor()->set_account("registrar");
    type::v1::OrderContent& content = *request.mutable_registration()->mutable_content();
    content = MakeContent(6);
    content.mutable_caller()->Clear();
    content.mutable_caller()->set_name(kName);
    content.mutable_caller()->set_phone(kPhone);
    content.mutable_caller()->set_secret(true);
    content.set_text(absl::StrCat(kName, "（", kPhone, "）反映路灯不亮"));
    content.set_title(absl::StrCat(kName, "反映路灯不亮"));
    return Must(sites_.a.work_order(), &WorkOrderService::Stub::CreateWorkOrder, request).order();
  }

  RichError GetAs(Site& site, const std::string& account, const std::string& id, WorkOrder* order) {
    workorder::v1::GetWorkOrderRequest request;
    request.set_order_id(id);
    workorder::v1::GetWorkOrderResponse response;
    const RichError error =
        CallAs(account, site.work_order(), &WorkOrderService::Stub::GetWorkOrder, request, &response);
    *order = response.order();
    return error;
  }
  std::set<std::string> ListAs(const std::string& account, const std::string& phone = "") {
    workorder::v1::ListWorkOrdersRequest request;
    request.mutable_filter()->set_caller_phone(phone);
    workorder::v1::ListWorkOrdersResponse response;
    CallAs(account, sites_.a.work_order(), &WorkOrderService::Stub::ListWorkOrders, request, &response);
    std::set<std::string> ids;
    for (const WorkOrder& order : response.orders()) ids.insert(order.id());
    listed_ = response.SerializeAsString();
    return ids;
  }
  std::vector<Event> EventsAs(const std::string& account, const std::string& id, RichError* error) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    workorder::v1::ListOrderEventsResponse response;
    *error =
        CallAs(account, sites_.a.work_order(), &WorkOrderService::Stub::ListOrderEvents, request, &response);
    return {response.events().begin(), response.events().end()};
  }
  // What the meeting answers to somebody who rules that the order is this hotline's after all.
  WorkOrder RuleOnDispute(const std::string& id) {
    using escalation::v1::MeetingService;
    dispatch::v1::PushWorkOrderRequest push;
    NextRequestId(push.mutable_header()->mutable_request_id());
    push.mutable_header()->set_order_id(id);
    push.mutable_header()->mutable_actor()->set_account("registrar");
    push.mutable_offer()->set_to_hotline("110");
    const std::string handoff = Push(sites_.a, push).order().handoff().id();
    EXPECT_TRUE(Eventually([&] { return Exists(sites_.b, handoff); }));
    workorder::v1::GetWorkOrderRequest there;
    there.set_order_id(handoff);
    auto dispute = For<dispatch::v1::DisputeHandoffRequest>(
        Must(sites_.b.work_order(), &WorkOrderService::Stub::GetWorkOrder, there).order().id());
    dispute.mutable_dispute()->set_reason("不属公安职责");
    Must(sites_.b.dispatch(), &DispatchService::Stub::DisputeHandoff, dispute);
    const auto meeting = MeetingService::NewStub(sites_.a.NewChannelTo(Service::kEscalation));
    std::string item;
    EXPECT_TRUE(Eventually([&] {
      const auto docket = Must(*meeting, &MeetingService::Stub::ListDocket, {});
      for (const auto& one : docket.items()) {
        if (one.order_id() == id) item = one.item_id();
      }
      return !item.empty();
    }));
    escalation::v1::RuleDocketItemRequest request;
    NextRequestId(request.mutable_header()->mutable_request_id());
    request.mutable_header()->mutable_actor()->set_account("somebody");
    request.set_item_id(item);
    request.mutable_ruling()->set_to_hotline("12345");
    request.mutable_ruling()->set_ground("路灯由住建部门养护");
    request.mutable_ruling()->set_reference("联席会议纪要〔2026〕3号");
    request.mutable_ruling()->set_ruled_by("somebody");
    return Must(*meeting, &MeetingService::Stub::RuleDocketItem, request).order();
  }
  int Disclosures(const std::string& id, type::v1::DisclosureKind kind, const std::string& account) {
    RichError error;
    int count = 0;
    for (const Event& event : EventsAs("cleared", id, &error)) {
      if (event.disclosed().kind() == kind && event.actor().account() == account) ++count;
    }
    return count;
  }
  // Events of the whole log that a watch by `account` shows, up to the head.
  template <typename Response, typename Stub, typename Method, typename Request>
  std::set<std::string> WatchAs(const std::string& account, Stub& stub, Method method, Request request) {
    std::set<std::string> ids;
    const int64_t head = Verify(sites_.a).head_sequence();
    Call call;
    if (!account.empty()) call.AddMetadata("hotline-account", account);
    request.set_start_sequence(1);
    request.mutable_heartbeat_interval()->set_seconds(1);
    auto reader = (stub.*method)(&call, request);
    Response response;
    while (reader->Read(&response)) {
      for (const Event& event : response.events()) ids.insert(event.order_id());
      watched_ += response.SerializeAsString();
      if (response.watermark() >= head) break;
    }
    call.TryCancel();
    reader->Finish().ok();
    return ids;
  }

  TwoSites sites_;
  std::string listed_;
  std::string watched_;  // all that watches showed
};

TEST_F(ClearanceTest, AClueIsKnownToThoseWhoNeedToKnow) {
  const WorkOrder clue = PushClue();
  const std::string open = Push(sites_.a, MakePush(7, "110")).order().id();
  WorkOrder order;
  for (const char* account : {"", "somebody"}) {
    EXPECT_EQ(GetAs(sites_.a, account, clue.number(), &order).reason, "RESTRICTED");
    EXPECT_EQ(ListAs(account), std::set<std::string>{open});
    RichError error;
    EXPECT_TRUE(EventsAs(account, clue.id(), &error).empty());
    EXPECT_EQ(error.reason, "RESTRICTED");
    EXPECT_EQ(WatchAs<workorder::v1::WatchWorkOrdersResponse>(account, sites_.a.work_order(),
                                                              &WorkOrderService::Stub::WatchWorkOrders,
                                                              workorder::v1::WatchWorkOrdersRequest()),
              std::set<std::string>{open});
    EXPECT_EQ(WatchAs<dispatch::v1::WatchHandoffsResponse>(account, sites_.a.dispatch(),
                                                           &DispatchService::Stub::WatchHandoffs,
                                                           dispatch::v1::WatchHandoffsRequest()),
              std::set<std::string>{open});
    workorder::v1::ExportEvidenceRequest evidence;
    evidence.set_order_id(clue.id());
    workorder::v1::ExportEvidenceResponse file;
    EXPECT_EQ(CallAs(account, sites_.a.work_order(), &WorkOrderService::Stub::ExportEvidence, evidence, &file)
                  .reason,
              "RESTRICTED");
    workorder::v1::WhoHoldsRequest who;
    who.set_order_id(clue.id());
    workorder::v1::WhoHoldsResponse holder;
    EXPECT_EQ(CallAs(account, sites_.a.work_order(), &WorkOrderService::Stub::WhoHolds, who, &holder).reason,
              "RESTRICTED");
  }
  auto cancel = For<workorder::v1::ReportProgressRequest>(clue.id());
  cancel.mutable_progress()->set_note("越权");
  EXPECT_EQ(MustFail(sites_.a.work_order(), &WorkOrderService::Stub::ReportProgress, cancel).reason,
            "RESTRICTED");

  // Whoever registered it, and whom the configuration names.
  for (const char* account : {"registrar", "cleared"}) {
    EXPECT_EQ(GetAs(sites_.a, account, clue.id(), &order).reason, "");
    EXPECT_NE(order.content().text(), "");
    EXPECT_TRUE(ListAs(account).contains(clue.id()));
    EXPECT_EQ(Disclosures(clue.id(), type::v1::DISCLOSURE_KIND_CONTENT, account), 1);
    EXPECT_EQ(Disclosures(clue.id(), type::v1::DISCLOSURE_KIND_LIST, account), 1);
  }
  EXPECT_TRUE(WatchAs<workorder::v1::WatchWorkOrdersResponse>("cleared", sites_.a.work_order(),
                                                              &WorkOrderService::Stub::WatchWorkOrders,
                                                              workorder::v1::WatchWorkOrdersRequest())
                  .contains(clue.id()));
  // At the other site too.
  EXPECT_EQ(GetAs(sites_.b, "somebody", clue.handoff().id(), &order).reason, "RESTRICTED");
  EXPECT_EQ(GetAs(sites_.b, "cleared", clue.handoff().id(), &order).reason, "");
  auto accept = For<dispatch::v1::AcceptHandoffRequest>(order.id());
  EXPECT_EQ(MustFail(sites_.b.dispatch(), &DispatchService::Stub::AcceptHandoff, accept).reason,
            "RESTRICTED");
  accept.mutable_header()->mutable_actor()->set_account("cleared");
  NextRequestId(accept.mutable_header()->mutable_request_id());
  Must(sites_.b.dispatch(), &DispatchService::Stub::AcceptHandoff, accept);
  EXPECT_TRUE(Verify(sites_.a).intact());
  EXPECT_TRUE(Verify(sites_.b).intact());
}

// The log is not rewritten, but what it says of an order is the order's to be shown.
TEST_F(ClearanceTest, AWatchShowsNothingOfAnOrderThatBecameRestrictedAndIsRecorded) {
  auto create = For<workorder::v1::CreateWorkOrderRequest>("");
  create.mutable_header()->mutable_actor()->set_account("registrar");
  *create.mutable_registration()->mutable_content() = MakeContent(8);
  create.mutable_registration()->mutable_content()->set_urgency(type::v1::URGENCY_URGENT);
  const std::string id =
      Must(sites_.a.work_order(), &WorkOrderService::Stub::CreateWorkOrder, create).order().id();
  dispatch::v1::PushWorkOrderRequest push;
  NextRequestId(push.mutable_header()->mutable_request_id());
  push.mutable_header()->set_order_id(id);
  push.mutable_header()->mutable_actor()->set_account("registrar");
  push.mutable_offer()->set_to_hotline("110");
  push.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  Push(sites_.a, push);
  const auto orders = [&](const std::string& account) {
    return WatchAs<workorder::v1::WatchWorkOrdersResponse>(account, sites_.a.work_order(),
                                                           &WorkOrderService::Stub::WatchWorkOrders,
                                                           workorder::v1::WatchWorkOrdersRequest());
  };
  const auto handoffs = [&](const std::string& account) {
    return WatchAs<dispatch::v1::WatchHandoffsResponse>(account, sites_.a.dispatch(),
                                                        &DispatchService::Stub::WatchHandoffs,
                                                        dispatch::v1::WatchHandoffsRequest());
  };
  for (const char* from : {"memory", "the store"}) {
    for (const char* account : {"", "somebody"}) {
      EXPECT_FALSE(orders(account).contains(id)) << from;
      EXPECT_FALSE(handoffs(account).contains(id)) << from;
    }
    if (from == std::string("the store")) break;
    sites_.a.KillAll();
    ASSERT_TRUE(sites_.a.StartAll().ok());
  }
  EXPECT_EQ(Disclosures(id, type::v1::DISCLOSURE_KIND_WATCH, "cleared"), 0);
  EXPECT_TRUE(orders("cleared").contains(id));
  EXPECT_EQ(Disclosures(id, type::v1::DISCLOSURE_KIND_WATCH, "cleared"), 1);
  EXPECT_TRUE(handoffs("cleared").contains(id));
  EXPECT_EQ(Disclosures(id, type::v1::DISCLOSURE_KIND_WATCH, "cleared"), 2) << "once for a watch";
  EXPECT_TRUE(Verify(sites_.a).intact());
}

// The clocks tell no more than the orders do.
TEST_F(ClearanceTest, DeadlinesOfAClueAreNotForEverybody) {
  using escalation::v1::EscalationService;
  const WorkOrder clue = PushClue();
  const std::string open = Push(sites_.a, MakePush(7, "110")).order().id();
  const auto list = [&](const std::string& account, const std::string& order) {
    escalation::v1::ListDeadlinesRequest request;
    request.set_order_id(order);
    request.set_include_stopped(true);
    escalation::v1::ListDeadlinesResponse response;
    const RichError error =
        CallAs(account, sites_.a.escalation(), &EscalationService::Stub::ListDeadlines, request, &response);
    EXPECT_EQ(error.reason, "");
    std::set<std::string> ids;
    for (const auto& deadline : response.deadlines()) ids.insert(deadline.order_id());
    return ids;
  };
  ASSERT_TRUE(Eventually([&] { return list("cleared", "").contains(clue.id()); }));
  ASSERT_TRUE(Eventually([&] { return list("", "").contains(open); }));
  EXPECT_GE(Disclosures(clue.id(), type::v1::DISCLOSURE_KIND_LIST, "cleared"), 1);
  escalation::v1::ExplainDeadlineRequest explain;
  explain.set_order_id(clue.number());
  explain.set_clock(type::v1::CLOCK_KIND_PEER_RECEIPT);
  escalation::v1::ExplainDeadlineResponse explained;
  escalation::v1::GetTimeLedgerRequest ledger;
  ledger.set_order_id(clue.number());
  escalation::v1::GetTimeLedgerResponse booked;
  for (const char* account : {"", "somebody"}) {
    EXPECT_FALSE(list(account, "").contains(clue.id()));
    EXPECT_TRUE(list(account, clue.number()).empty());
    EXPECT_EQ(
        CallAs(account, sites_.a.escalation(), &EscalationService::Stub::ExplainDeadline, explain, &explained)
            .reason,
        "RESTRICTED");
    EXPECT_EQ(CallAs(account, sites_.a.escalation(), &EscalationService::Stub::GetTimeLedger, ledger, &booked)
                  .reason,
              "RESTRICTED");
  }
  // Whoever registered it may know.
  EXPECT_TRUE(list("registrar", "").contains(clue.id()));
  EXPECT_EQ(CallAs("registrar", sites_.a.escalation(), &EscalationService::Stub::ExplainDeadline, explain,
                   &explained)
                .reason,
            "");
  EXPECT_EQ(CallAs("cleared", sites_.a.escalation(), &EscalationService::Stub::GetTimeLedger, ledger, &booked)
                .reason,
            "");
  EXPECT_TRUE(Verify(sites_.a).intact());
}

// Whether a page goes on, and where, told whose number it was and which orders there are.
TEST_F(ClearanceTest, APageTokenTellsNothingOfWhatIsHidden) {
  using escalation::v1::EscalationService;
  const std::string clue = PushClue().id();
  const std::string secret = RegisterSecret().id();
  const std::string open = Push(sites_.a, MakePush(7, "110")).order().id();
  // The orders of all pages, each of which has one.
  const auto orders = [&](const std::string& account, const workorder::v1::ListFilter& filter) {
    workorder::v1::ListWorkOrdersRequest request;
    *request.mutable_filter() = filter;
    request.set_page_size(1);
    std::vector<std::string> ids;
    do {
      workorder::v1::ListWorkOrdersResponse page;
      CallAs(account, sites_.a.work_order(), &WorkOrderService::Stub::ListWorkOrders, request, &page);
      EXPECT_TRUE(page.orders_size() == 1 || page.next_page_token().empty());
      for (const WorkOrder& order : page.orders()) ids.push_back(order.id());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty() && !HasFailure());
    return ids;
  };
  using Ids = std::vector<std::string>;
  workorder::v1::ListFilter filter;
  EXPECT_EQ(orders("somebody", filter), (Ids{open, secret}));
  EXPECT_EQ(orders("cleared", filter), (Ids{open, secret, clue}));
  filter.set_caller_phone(kPhone);
  EXPECT_EQ(orders("somebody", filter), Ids{});
  EXPECT_EQ(orders("cleared", filter), Ids{secret});
  filter.Clear();
  filter.set_urgency(type::v1::URGENCY_URGENT);
  EXPECT_EQ(orders("somebody", filter), Ids{});
  EXPECT_EQ(orders("cleared", filter), Ids{clue});

  const auto deadlines = [&](const std::string& account) {
    escalation::v1::ListDeadlinesRequest request;
    request.set_duty_party("110");
    request.set_include_stopped(true);
    request.set_page_size(1);
    std::set<std::string> ids;
    do {
      escalation::v1::ListDeadlinesResponse page;
      CallAs(account, sites_.a.escalation(), &EscalationService::Stub::ListDeadlines, request, &page);
      EXPECT_TRUE(page.deadlines_size() == 1 || page.next_page_token().empty());
      for (const auto& deadline : page.deadlines()) ids.insert(deadline.order_id());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty() && !HasFailure());
    return ids;
  };
  EXPECT_TRUE(Eventually([&] { return deadlines("cleared").contains(clue); }));
  EXPECT_TRUE(Eventually([&] { return deadlines("somebody").contains(open); }));
  EXPECT_FALSE(deadlines("somebody").contains(clue));
}

TEST_F(ClearanceTest, ASecretCallerIsNobodyElsesToKnow) {
  const WorkOrder registered = RegisterSecret();
  EXPECT_NE(registered.title(), "") << "whoever registers it knows";
  WorkOrder order;
  ASSERT_EQ(GetAs(sites_.a, "somebody", registered.id(), &order).reason, "");
  for (const char* trace : {kName, kPhone, "09087654321", "7654321"}) {
    EXPECT_THAT(order.SerializeAsString(), Not(HasSubstr(trace)));
  }
  EXPECT_THAT(order.content().text(), HasSubstr("路灯不亮")) << "the matter itself is there";
  EXPECT_EQ(order.content_salt(), "");
  EXPECT_TRUE(ListAs("somebody").contains(registered.id()));
  EXPECT_THAT(listed_, Not(HasSubstr(kName)));
  EXPECT_FALSE(ListAs("somebody", kPhone).contains(registered.id())) << "a number is not a way to its owner";
  EXPECT_TRUE(ListAs("cleared", kPhone).contains(registered.id()));
  workorder::v1::ExportEvidenceRequest evidence;
  evidence.set_order_id(registered.id());
  workorder::v1::ExportEvidenceResponse file;
  EXPECT_EQ(
      CallAs("somebody", sites_.a.work_order(), &WorkOrderService::Stub::ExportEvidence, evidence, &file)
          .reason,
      "RESTRICTED");
  // An answer to a command of somebody else's does not tell either.
  auto accept = For<workorder::v1::AcceptWorkOrderRequest>(registered.id());
  accept.mutable_acceptance()->set_note(absl::StrCat(kName, "的来电已受理"));
  const WorkOrder accepted =
      Must(sites_.a.work_order(), &WorkOrderService::Stub::AcceptWorkOrder, accept).order();
  EXPECT_THAT(accepted.SerializeAsString(), Not(HasSubstr(kName)));
  EXPECT_EQ(accepted.content_salt(), "");
  // Nor does what is read of its history, afterwards or as it happens.
  const auto history = [&](const std::string& account) {
    RichError error;
    std::string text;
    for (const Event& event : EventsAs(account, registered.id(), &error)) text += event.SerializeAsString();
    EXPECT_EQ(error.reason, "");
    return text;
  };
  EXPECT_THAT(history("somebody"), Not(HasSubstr(kName)));
  EXPECT_THAT(history("somebody"), HasSubstr("的来电已受理")) << "the rest of it is there";
  EXPECT_THAT(history("cleared"), HasSubstr(kName));
  const auto watch = [&](const std::string& account) {
    watched_.clear();
    EXPECT_TRUE(WatchAs<workorder::v1::WatchWorkOrdersResponse>(account, sites_.a.work_order(),
                                                                &WorkOrderService::Stub::WatchWorkOrders,
                                                                workorder::v1::WatchWorkOrdersRequest())
                    .contains(registered.id()));
    return watched_;
  };
  EXPECT_THAT(watch("somebody"), Not(HasSubstr(kName)));
  EXPECT_THAT(watch("cleared"), HasSubstr(kName));
  EXPECT_EQ(Disclosures(registered.id(), type::v1::DISCLOSURE_KIND_LIST, "cleared"), 1)
      << "found by the number";

  ASSERT_EQ(GetAs(sites_.a, "cleared", registered.id(), &order).reason, "");
  EXPECT_EQ(order.content().caller().phone(), kPhone);
  EXPECT_EQ(Disclosures(registered.id(), type::v1::DISCLOSURE_KIND_CONTENT, "cleared"), 1);
  EXPECT_EQ(CallAs("cleared", sites_.a.work_order(), &WorkOrderService::Stub::ExportEvidence, evidence, &file)
                .reason,
            "");
  EXPECT_EQ(Disclosures(registered.id(), type::v1::DISCLOSURE_KIND_EVIDENCE, "cleared"), 1);
  // Nor the answer to a ruling, by which the number could be tried.
  const WorkOrder ruled = RuleOnDispute(registered.id());
  EXPECT_EQ(ruled.id(), registered.id());
  EXPECT_EQ(ruled.content_salt(), "");
  EXPECT_EQ(ruled.title(), "");
  EXPECT_THAT(ruled.SerializeAsString(), Not(HasSubstr(kName)));
  for (const Service service : kServices) {
    std::ifstream log(sites_.a.log_file(service));
    const std::string text{std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()};
    EXPECT_THAT(text, Not(HasSubstr(kName)));
    EXPECT_THAT(text, Not(HasSubstr("7654321")));
  }
}

}  // namespace
}  // namespace hotline::test
