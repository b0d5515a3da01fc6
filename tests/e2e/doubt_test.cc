// Silence between two sites, with real processes and limits of seconds: offers that nobody read, emergencies
// that come late, the telephone, and partners of whom one is away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "common/base/mutex.h"
#include "tests/support/desk.h"
#include "tests/support/process.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using type::v1::Event;
using workorder::v1::WorkOrderService;

std::vector<Event> History(Site& site, const std::string& id) {
  workorder::v1::ListOrderEventsRequest request;
  request.set_order_id(id);
  const auto history = Must(site.work_order(), &WorkOrderService::Stub::ListOrderEvents, request);
  return {history.events().begin(), history.events().end()};
}

int Count(Site& site, const std::string& id, Event::DetailCase detail) {
  int count = 0;
  for (const Event& event : History(site, id)) count += event.detail_case() == detail ? 1 : 0;
  return count;
}

std::vector<type::v1::WorkOrder> InDoubt(Site& site) {
  workorder::v1::ListWorkOrdersRequest request;
  request.mutable_filter()->set_in_doubt(true);
  const auto page = Must(site.work_order(), &WorkOrderService::Stub::ListWorkOrders, request);
  return {page.orders().begin(), page.orders().end()};
}

void SetLimits(Site& site, int confirm_s, int keep_s) {
  for (const bool confirm : {true, false}) {
    config::v1::WorkOrderConfig& part = *site.config().mutable_work_order();
    config::v1::UrgencySeconds& seconds =
        confirm ? *part.mutable_confirm_within_s() : *part.mutable_keep_after_s();
    seconds.set_normal(confirm ? confirm_s : keep_s);
    seconds.set_urgent(seconds.normal());
    seconds.set_emergency(seconds.normal());
  }
}

dispatch::v1::ConfirmHandoffByVoiceRequest Confirm(const type::v1::WorkOrder& order,
                                                   type::v1::VoiceOutcome outcome) {
  auto request = For<dispatch::v1::ConfirmHandoffByVoiceRequest>(order.id());
  request.mutable_confirm_by_voice()->set_code(order.handoff().spoken_code());
  request.mutable_confirm_by_voice()->set_outcome(outcome);
  request.mutable_confirm_by_voice()->set_spoken_with("3001");
  return request;
}

TEST(DoubtTest, UnreadOfferIsTakenBackAndArrivesOnceAsRecalled) {
  TwoSites sites;
  SetLimits(sites.a, 1, 60);
  ASSERT_TRUE(sites.a.StartAll().ok());
  const std::string id = Push(sites.a, MakePush(1, "110")).order().id();
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, id).facts().in_doubt(); }));
  const type::v1::WorkOrder silent = Get(sites.a, id);
  EXPECT_EQ(silent.state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_TRUE(silent.facts().recall_requested());
  EXPECT_EQ(silent.custody().holder(), "12345");
  EXPECT_THAT(InDoubt(sites.a), SizeIs(1));
  // The peer is back: one order there, recalled; one here, and nobody else ever held it.
  ASSERT_TRUE(sites.b.StartAll().ok());
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, id).state() == type::v1::ORDER_STATE_RECALLED; }));
  EXPECT_THAT(ListAll(sites.b), SizeIs(1));
  EXPECT_EQ(ListAll(sites.b)[0].state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_THAT(InDoubt(sites.a), SizeIs(0));
  EXPECT_EQ(Count(sites.a, id, Event::kInDoubt), 1);
  // A fact of its own, whatever overtook it.
  EXPECT_TRUE(Eventually([&] { return Count(sites.a, id, Event::kReceived) == 1; }));
  EXPECT_TRUE(Verify(sites.a).intact());
  EXPECT_TRUE(Verify(sites.b).intact());
}

TEST(DoubtTest, OfferThatWasReadIsConfirmedByTelephone) {
  TwoSites sites;
  SetLimits(sites.a, 1, 60);
  ASSERT_TRUE(sites.StartAll().ok());
  const type::v1::WorkOrder pushed = Push(sites.a, MakePush(1, "110")).order();
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, pushed.id()).facts().voice_confirmation_required(); }));
  const type::v1::WorkOrder here = Get(sites.a, pushed.id());
  const type::v1::WorkOrder there = Get(sites.b, pushed.handoff().id());
  EXPECT_THAT(here.handoff().spoken_code(), testing::MatchesRegex("[0-9]{4}"));
  EXPECT_EQ(here.handoff().spoken_code(), there.handoff().spoken_code()) << "both desks see the same code";
  // That it reached nobody, as the directory is empty, may stand behind it by now.
  std::vector<std::string> codes;
  for (const Event& event : History(sites.a, here.id())) {
    if (event.has_in_doubt()) codes.push_back(event.in_doubt().spoken_code());
  }
  EXPECT_THAT(codes, ElementsAre(here.handoff().spoken_code()));

  auto wrong = Confirm(here, type::v1::VOICE_OUTCOME_PEER_ACCEPTS);
  wrong.mutable_confirm_by_voice()->set_code(here.handoff().spoken_code() == "0000" ? "0001" : "0000");
  const RichError error = MustFail(sites.a.dispatch(), &DispatchService::Stub::ConfirmHandoffByVoice, wrong);
  EXPECT_EQ(error.reason, "SPOKEN_CODE_WRONG");
  EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(error.chinese, HasSubstr("口令"));

  // The giver's record moves nothing; the taker's is the acceptance.
  const auto recorded = Must(sites.a.dispatch(), &DispatchService::Stub::ConfirmHandoffByVoice,
                             Confirm(here, type::v1::VOICE_OUTCOME_PEER_ACCEPTS));
  EXPECT_EQ(recorded.order().custody().holder(), "12345");
  EXPECT_FALSE(recorded.order().facts().in_doubt());
  ASSERT_TRUE(Eventually([&] { return Count(sites.b, there.id(), Event::kVoiceConfirmed) == 1; }));
  const auto accepted = Must(sites.b.dispatch(), &DispatchService::Stub::ConfirmHandoffByVoice,
                             Confirm(there, type::v1::VOICE_OUTCOME_PEER_ACCEPTS));
  EXPECT_EQ(accepted.order().state(), type::v1::ORDER_STATE_ACCEPTED);
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, here.id()).custody().holder() == "110"; }));
  // Three receipts, each a fact of its own with the times of both clocks.
  ASSERT_TRUE(Eventually([&] { return Count(sites.a, here.id(), Event::kReceived) == 1; }));
  const type::v1::WorkOrder done = Get(sites.a, here.id());
  EXPECT_TRUE(done.handoff().has_receive_time());
  EXPECT_TRUE(done.handoff().has_understand_time());
  EXPECT_TRUE(done.handoff().has_accept_time());
  EXPECT_TRUE(done.handoff().receipt_record().has_receive_record_time());
  EXPECT_TRUE(done.handoff().receipt_record().has_understand_record_time());
  EXPECT_TRUE(done.handoff().receipt_record().has_accept_record_time());
  EXPECT_TRUE(done.handoff().receipt_record().has_clock_skew());
  const auto& uncertainty = done.handoff().receipt_record().clock_uncertainty();
  EXPECT_TRUE(uncertainty.seconds() > 0 || uncertainty.nanos() > 0);
  for (const auto detail : {Event::kReceived, Event::kUnderstood, Event::kAccepted}) {
    EXPECT_EQ(Count(sites.a, here.id(), detail), 1) << detail;
  }
  // The code is for the two desks, never for a log.
  for (Site* site : {&sites.a, &sites.b}) {
    for (const Service service : {Service::kDispatch, Service::kWorkOrder, Service::kEscalation}) {
      EXPECT_THAT(ReadFile(site->log_file(service)), testing::Not(HasSubstr("spoken")));
    }
  }
}

TEST(DoubtTest, NobodyAnswersAndTheGiverKeepsIt) {
  TwoSites sites;
  SetLimits(sites.a, 1, 1);
  ASSERT_TRUE(sites.StartAll().ok());
  const type::v1::WorkOrder pushed = Push(sites.a, MakePush(1, "110")).order();
  ASSERT_TRUE(
      Eventually([&] { return Get(sites.a, pushed.id()).state() == type::v1::ORDER_STATE_RECALLED; }));
  std::vector<type::v1::DoubtAction> actions;
  for (const Event& event : History(sites.a, pushed.id())) {
    if (event.has_in_doubt()) actions.push_back(event.in_doubt().action());
    EXPECT_EQ(event.custody().holder(), "12345");
  }
  EXPECT_THAT(actions, ElementsAre(type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE, type::v1::DOUBT_ACTION_KEEP));
  EXPECT_EQ(Get(sites.b, pushed.handoff().id()).state(), type::v1::ORDER_STATE_RECALLED);
}

// The peer's machine stands still: its connections are there, and nothing answers.
TEST(DoubtTest, EmergencyToAFrozenPeerRaisesOneAlarmAndComesLate) {
  TwoSites sites;
  sites.a.config().mutable_dispatch()->set_emergency_receipt_s(1);
  sites.b.config().mutable_dispatch()->set_emergency_receipt_s(1);
  for (config::v1::DeadlineRule& rule : *sites.a.policy().mutable_rules()) {
    if (rule.clock() != type::v1::CLOCK_KIND_PEER_RECEIPT) continue;
    rule.set_limit_s(2);
    rule.set_remind_before_s(0);
  }
  ASSERT_TRUE(sites.StartAll().ok());
  // The taker marks it late by itself only once it knows how far the clocks are apart.
  ASSERT_TRUE(Eventually([&] {
    const auto links = Must(sites.b.dispatch(), &DispatchService::Stub::ListLinks, {});
    return std::all_of(links.links().begin(), links.links().end(),
                       [](const auto& link) { return link.has_clock_skew(); });
  }));
  sites.b.process(Service::kDispatch).Signal(SIGSTOP);
  dispatch::v1::PushWorkOrderRequest emergency = MakePush(1, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  const auto answer = Push(sites.a, emergency);
  EXPECT_TRUE(answer.telephone_required());
  const std::string id = answer.order().id();
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, id).facts().receipt_alarm(); }));
  // escalation finds the same, and has nothing to add but its own rung.
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, id).facts().urge_count() == 1; }));
  EXPECT_EQ(Count(sites.a, id, Event::kAlarmed), 1);
  sites.b.process(Service::kDispatch).Signal(SIGCONT);
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, id).handoff().has_understand_time(); }));
  EXPECT_TRUE(Get(sites.a, id).handoff().late());
  EXPECT_THAT(ListAll(sites.b), SizeIs(1)) << "once";
  EXPECT_TRUE(ListAll(sites.b)[0].handoff().late());
  EXPECT_EQ(Count(sites.a, id, Event::kAlarmed), 1);
}

TEST(DoubtTest, AlarmSurvivesTheDeathOfDispatch) {
  TwoSites sites;
  sites.a.config().mutable_dispatch()->set_emergency_receipt_s(30);
  for (config::v1::DeadlineRule& rule : *sites.a.policy().mutable_rules()) {
    if (rule.clock() != type::v1::CLOCK_KIND_PEER_RECEIPT) continue;
    rule.set_limit_s(1);
    rule.set_remind_before_s(0);
  }
  ASSERT_TRUE(sites.a.StartAll().ok());
  dispatch::v1::PushWorkOrderRequest emergency = MakePush(1, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  dispatch::v1::PushWorkOrderResponse response;
  Call call(absl::Seconds(20));
  // The call waits for a receipt when dispatch dies.
  Mutex mu;
  CondVar answered;
  bool done = false;
  sites.a.dispatch().async()->PushWorkOrder(&call, &emergency, &response, [&](grpc::Status) {
    MutexLock lock(&mu);
    done = true;
    answered.NotifyAll();
  });
  ASSERT_TRUE(Eventually([&] { return ListAll(sites.a).size() == 1; }));
  sites.a.Kill(Service::kDispatch);
  {
    MutexLock lock(&mu);
    while (!done) answered.Wait(&mu);
  }
  const std::string id = ListAll(sites.a)[0].id();
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, id).facts().receipt_alarm(); }));
  EXPECT_EQ(Count(sites.a, id, Event::kAlarmed), 1);
}

// 12345 with three partners that know only it.
struct FourSites {
  FourSites() {
    for (const char* hotline : {"12345", "110", "119", "120"}) {
      all.push_back(std::make_unique<Site>(hotline, &ports, folder.path() + "/" + hotline));
      // They start one after the other: who starts last is not to be waited for as long as that took.
      all.back()->config().mutable_dispatch()->set_backoff_max_ms(200);
    }
    for (size_t i = 1; i < all.size(); ++i) {
      hub().AddPeer(all[i]->hotline(), all[i]->address(Service::kDispatch));
      all[i]->AddPeer("12345", hub().address(Service::kDispatch));
    }
  }
  Site& hub() { return *all[0]; }

  TemporaryFolder folder;
  Ports ports;
  std::vector<std::unique_ptr<Site>> all;
};

TEST(PartnersTest, OneIncidentToThreePartnersOfWhomOneIsAway) {
  FourSites sites;
  Site& hub = sites.hub();
  for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(sites.all[i]->StartAll().ok());  // 120 is down
  dispatch::v1::ListLinksResponse links;
  ASSERT_TRUE(Eventually([&] {
    links = Must(hub.dispatch(), &DispatchService::Stub::ListLinks, {});
    // Both lanes of both.
    return std::all_of(links.links().begin(), links.links().end(),
                       [](const auto& link) { return link.up() || link.peer() == "120"; });
  })) << links.DebugString();
  auto create = For<workorder::v1::CreateWorkOrderRequest>("");
  *create.mutable_registration()->mutable_content() = MakePush(1, "110").content();
  create.mutable_registration()->mutable_content()->set_urgency(type::v1::URGENCY_URGENT);
  const type::v1::WorkOrder incident =
      Must(hub.work_order(), &WorkOrderService::Stub::CreateWorkOrder, create).order();
  auto fan_out = For<dispatch::v1::PushToPartnersRequest>(incident.id());
  for (const char* hotline : {"110", "119", "120"}) fan_out.mutable_partner_call()->add_to_hotlines(hotline);
  fan_out.mutable_partner_call()->set_note("多车相撞，有人被困");
  fan_out.mutable_receipt_wait()->set_seconds(2);
  const auto called = Must(hub.dispatch(), &DispatchService::Stub::PushToPartners, fan_out);
  EXPECT_EQ(called.order().partner_count(), 3);
  ASSERT_THAT(called.results(), SizeIs(3));
  EXPECT_EQ(called.results(0).response().status(), dispatch::v1::DELIVERY_STATUS_RECEIVED);
  EXPECT_EQ(called.results(1).response().status(), dispatch::v1::DELIVERY_STATUS_RECEIVED);
  EXPECT_EQ(called.results(2).response().status(), dispatch::v1::DELIVERY_STATUS_QUEUED);
  for (const auto& result : called.results()) {
    const type::v1::WorkOrder& child = result.response().order();
    EXPECT_EQ(child.parent_id(), incident.id());
    EXPECT_EQ(child.handoff().to_hotline(), result.hotline());
    EXPECT_EQ(child.handoff().kind(), type::v1::HANDOFF_KIND_PARTNER_FANOUT);
    // Content byte for byte, so the partners read what was registered.
    EXPECT_EQ(Get(hub, child.id()).content().SerializeAsString(),
              Get(hub, incident.id()).content().SerializeAsString());
  }
  // Again with the same id: the same answers, nothing more.
  const auto again = Must(hub.dispatch(), &DispatchService::Stub::PushToPartners, fan_out);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(again.results(i).response().order().id(), called.results(i).response().order().id());
  }
  auto other = fan_out;
  other.mutable_partner_call()->mutable_to_hotlines()->RemoveLast();
  EXPECT_EQ(MustFail(hub.dispatch(), &DispatchService::Stub::PushToPartners, other).reason,
            "REQUEST_ID_REUSED");
  workorder::v1::ListWorkOrdersRequest list;
  list.mutable_filter()->set_parent_id(incident.id());
  const auto children = [&] {
    return Must(hub.work_order(), &WorkOrderService::Stub::ListWorkOrders, list).orders();
  };
  EXPECT_THAT(children(), SizeIs(3));

  // Each partner acknowledges on its own: 110 accepts, 119 returns, 120 comes back and accepts.
  ASSERT_TRUE(
      Eventually([&] { return Exists(*sites.all[1], called.results(0).response().order().handoff().id()); }));
  const type::v1::WorkOrder at_police =
      Get(*sites.all[1], called.results(0).response().order().handoff().id());
  EXPECT_EQ(at_police.parent_number(), incident.number());
  Accept(*sites.all[1], at_police.id());
  auto returned = For<dispatch::v1::ReturnHandoffRequest>(
      Get(*sites.all[2], called.results(1).response().order().handoff().id()).id());
  returned.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  returned.mutable_handoff_return()->set_reason("无火情");
  Must(sites.all[2]->dispatch(), &DispatchService::Stub::ReturnHandoff, returned);
  ASSERT_TRUE(sites.all[3]->StartAll().ok());
  const std::string ambulance = called.results(2).response().order().handoff().id();
  ASSERT_TRUE(Eventually([&] { return Exists(*sites.all[3], ambulance); }));
  Accept(*sites.all[3], Get(*sites.all[3], ambulance).id());
  ASSERT_TRUE(Eventually([&] {
    std::map<std::string, std::string> holders;
    for (const type::v1::WorkOrder& child : children()) {
      holders[child.handoff().to_hotline()] = child.custody().holder();
    }
    return holders == std::map<std::string, std::string>{{"110", "110"}, {"119", "12345"}, {"120", "120"}};
  }));
  EXPECT_THAT(ListAll(*sites.all[3]), SizeIs(1));
  EXPECT_EQ(Get(hub, incident.id()).state(), type::v1::ORDER_STATE_REGISTERED) << "the incident stays open";

  // Closing it warns of what is still open.
  Must(hub.work_order(), &WorkOrderService::Stub::AcceptWorkOrder,
       For<workorder::v1::AcceptWorkOrderRequest>(incident.id()));
  auto finish = For<workorder::v1::FinishWorkOrderRequest>(incident.id());
  finish.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
  finish.mutable_completion()->mutable_reply()->set_public_reply("已处置");
  Must(hub.work_order(), &WorkOrderService::Stub::FinishWorkOrder, finish);
  const auto closed = Must(hub.work_order(), &WorkOrderService::Stub::CloseWorkOrder,
                           For<workorder::v1::CloseWorkOrderRequest>(incident.id()));
  EXPECT_EQ(closed.order().state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_THAT(closed.open_partner_orders(), SizeIs(3));
  for (const auto& site : sites.all) EXPECT_TRUE(Verify(*site).intact()) << site->hotline();
}

}  // namespace
}  // namespace hotline::test
