// Repeats, similar orders and merged ones between real processes: found, made one job, answered one by one;
// and police assistance and danger first, end to end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/support/desk.h"
#include "tests/support/process.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::HasSubstr;
using testing::Not;
using type::v1::WorkOrder;
using workorder::v1::WorkOrderService;

class MergeTest : public testing::Test {
 protected:
  void SetUp() override {
    sites_.b.config().mutable_work_order()->set_dispatches_first(true);
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  static type::v1::OrderContent Matter(const std::string& text, const std::string& phone) {
    type::v1::OrderContent content = MakeContent(1);
    content.clear_catalogue();
    content.set_title(text);
    content.set_text(text);
    content.mutable_caller()->Clear();
    content.mutable_caller()->set_phone(phone);
    content.mutable_place()->Clear();
    content.mutable_place()->set_township_code("653024100");
    return content;
  }
  std::string Register(const type::v1::OrderContent& content) {
    auto request = For<workorder::v1::CreateWorkOrderRequest>("");
    *request.mutable_registration()->mutable_content() = content;
    return Must(sites_.a.work_order(), &WorkOrderService::Stub::CreateWorkOrder, request).order().id();
  }
  WorkOrder Finish(Site& site, const std::string& id) {
    auto request = For<workorder::v1::FinishWorkOrderRequest>(id);
    request.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
    request.mutable_completion()->mutable_reply()->set_public_reply("水管已修好");
    return Must(site.work_order(), &WorkOrderService::Stub::FinishWorkOrder, request).order();
  }
  void Accept12345(const std::string& id) {
    Must(sites_.a.work_order(), &WorkOrderService::Stub::AcceptWorkOrder,
         For<workorder::v1::AcceptWorkOrderRequest>(id));
  }
  bool Reaches(Site& site, const std::string& id, type::v1::OrderState state) {
    return Eventually([&] { return Get(site, id).state() == state; });
  }
  // Runs hotlinectl at 12345; its output.
  std::string Ctl(std::vector<std::string> arguments, int expected_status = 0) {
    arguments.insert(arguments.begin(),
                     {absl::StrCat(BuildFolder(), "/services/hotlinectl/hotlinectl"), "--dispatch",
                      sites_.a.address(Service::kDispatch), "--work-order",
                      sites_.a.address(Service::kWorkOrder), "--account", "2001", "--lang", "zh"});
    const std::string log = absl::StrCat(sites_.folder.path(), "/ctl.log");
    std::filesystem::remove(log);
    // The log takes what it prints too.
    arguments.insert(arguments.begin(), {"/bin/sh", "-c", "exec \"$@\" >&2", "sh"});
    auto process = Process::Start(arguments, log);
    EXPECT_TRUE(process.ok()) << process.status();
    EXPECT_EQ((*process)->Wait(absl::Seconds(30)), expected_status);
    std::ifstream file(log);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  TwoSites sites_;
};

TEST_F(MergeTest, TwoCallersOneJobTwoReplies) {
  const std::string kept = Register(Matter("北门路口自来水管爆了，路都淹了", "0908-1000001"));
  Accept12345(kept);
  // The second caller called 110, which hands it over.
  auto push = MakePush(1, "12345");
  *push.mutable_content() = Matter("北门十字路口水管爆裂，马路上全是水", "0908-1000002");
  const std::string given = Push(sites_.b, push).order().id();
  std::string theirs;
  ASSERT_TRUE(Eventually([&] {
    for (const WorkOrder& order : ListAll(sites_.a)) {
      if (order.id() != kept) theirs = order.id();
    }
    return !theirs.empty();
  }));
  Accept12345(theirs);

  workorder::v1::FindSimilarOrdersRequest similar;
  similar.set_order_id(theirs);
  const auto found = Must(sites_.a.work_order(), &WorkOrderService::Stub::FindSimilarOrders, similar);
  ASSERT_EQ(found.similar_orders_size(), 1);
  EXPECT_EQ(found.similar_orders(0).order().id(), kept);
  EXPECT_GE(found.similar_orders(0).score(), 0.5);
  EXPECT_TRUE(found.similar_orders(0).same_township());
  EXPECT_EQ(found.earlier_orders_size(), 0);

  EXPECT_THAT(Ctl({"merge", theirs, "--into", kept, "--reason", "同一处水管"}), HasSubstr("办理中"));
  ASSERT_TRUE(Reaches(sites_.b, given, type::v1::ORDER_STATE_IN_PROGRESS));
  EXPECT_EQ(Get(sites_.a, theirs).custody().holder(), "12345");
  Finish(sites_.a, kept);
  ASSERT_TRUE(Reaches(sites_.b, given, type::v1::ORDER_STATE_REPLIED));
  EXPECT_EQ(Get(sites_.b, given).reply().public_reply(), "水管已修好");
  EXPECT_THAT(Ctl({"close", kept}, 5), HasSubstr(Get(sites_.a, theirs).number()));
  EXPECT_THAT(Ctl({"show", kept}), HasSubstr("由 110 答复"));
  // 110 answers its own caller; then nobody waits.
  auto back = For<workorder::v1::RecordCallBackRequest>(given);
  back.mutable_call_back_record()->mutable_call_back()->set_reached(true);
  Must(sites_.b.work_order(), &WorkOrderService::Stub::RecordCallBack, back);
  ASSERT_TRUE(Reaches(sites_.a, theirs, type::v1::ORDER_STATE_CALLED_BACK));
  Ctl({"close", kept});
  EXPECT_TRUE(Verify(sites_.a).intact());
  EXPECT_TRUE(Verify(sites_.b).intact());
  dispatch::v1::ReconcileLinkRequest compare;
  compare.set_peer("110");
  EXPECT_EQ(Must(sites_.a.dispatch(), &DispatchService::Stub::ReconcileLink, compare).difference_count(), 0);

  const auto like = [&] {
    return Must(sites_.a.work_order(), &WorkOrderService::Stub::FindSimilarOrders, similar)
        .similar_orders_size();
  };
  EXPECT_EQ(like(), 0) << "it is over";
  Ctl({"reopen", kept, "--reason", "又漏水了"});
  EXPECT_EQ(like(), 1);
}

TEST_F(MergeTest, UnmergedOnTheCommandLineItGoesOnAlone) {
  const std::string kept = Register(Matter("团结路路灯不亮", "0908-1000003"));
  const std::string other = Register(Matter("团结路的路灯坏了", "0908-1000004"));
  Accept12345(kept);
  Ctl({"merge", other, "--into", kept, "--reason", "同一处路灯"});
  EXPECT_THAT(Ctl({"dispatch", other, "--unit", "housing"}, 5), HasSubstr("并单"));
  Ctl({"unmerge", other, "--reason", "是另一条路"});
  EXPECT_EQ(Get(sites_.a, other).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(Get(sites_.a, kept).merged_orders_size(), 0);
  Ctl({"dispatch", other, "--unit", "housing"});
}

TEST_F(MergeTest, RepeatsAndLikeOrdersAreShownOnPush) {
  const std::string first = Register(Matter("天合小区停水两天", "0908-1000005"));
  auto push = MakePush(1, "110");
  *push.mutable_content() = Matter("天合小区停水三天了", "09081000005");
  EXPECT_FALSE(Push(sites_.a, push).has_similar()) << "only if asked for";
  NextRequestId(push.mutable_header()->mutable_request_id());
  push.set_find_similar(true);
  const auto pushed = Push(sites_.a, push);
  ASSERT_TRUE(pushed.has_similar());
  EXPECT_EQ(pushed.similar().earlier_orders_size(), 2);
  ASSERT_GE(pushed.similar().similar_orders_size(), 1);
  EXPECT_TRUE(pushed.similar().similar_orders(0).same_caller());
  const std::string shown =
      Ctl({"similar", "--text", "天合小区没水了，停水", "--township", "653024100", "--phone", "09081000005"});
  EXPECT_THAT(shown, HasSubstr("同一号码"));
  EXPECT_THAT(shown, HasSubstr(Get(sites_.a, first).number()));
  EXPECT_THAT(shown, Not(HasSubstr("1000005"))) << "the number itself is nowhere";
  workorder::v1::FindSimilarOrdersRequest nothing;
  EXPECT_EQ(MustFail(sites_.a.work_order(), &WorkOrderService::Stub::FindSimilarOrders, nothing).field,
            "content");
}

TEST(SuggestTest, AdviceTellsOfRepeatsIfItIsAskedTo) {
  TwoSites sites;
  sites.a.config().mutable_dispatch()->set_catalogue_dir(HOTLINE_SOURCE_DIR "/deploy/catalogue");
  const absl::Status started = sites.a.StartAll();
  ASSERT_TRUE(started.ok()) << started.message();
  auto create = For<workorder::v1::CreateWorkOrderRequest>("");
  type::v1::OrderContent& content = *create.mutable_registration()->mutable_content();
  content = MakeContent(1);
  content.clear_catalogue();
  content.set_text("团结路路灯全不亮，晚上看不见路");
  content.mutable_caller()->Clear();
  content.mutable_caller()->set_phone("0908-2000001");
  content.mutable_place()->Clear();
  content.mutable_place()->set_township_code("653024100");
  const std::string id =
      Must(sites.a.work_order(), &WorkOrderService::Stub::CreateWorkOrder, create).order().id();
  dispatch::v1::SuggestRouteRequest request;
  request.set_text("团结路的路灯坏了，晚上黑");
  request.mutable_place()->set_township_code("653024100");
  request.set_caller_phone("09082000001");
  // While the model is trained there is no advice, which takes its time where others are at work.
  Call patient(absl::Minutes(2));
  dispatch::v1::SuggestRouteResponse first;
  ASSERT_TRUE(sites.a.dispatch().SuggestRoute(&patient, request, &first).ok());
  EXPECT_FALSE(first.has_similar());
  request.set_find_similar(true);
  const auto advised = Must(sites.a.dispatch(), &DispatchService::Stub::SuggestRoute, request);
  ASSERT_TRUE(advised.has_similar());
  ASSERT_EQ(advised.similar().earlier_orders_size(), 1);
  EXPECT_EQ(advised.similar().earlier_orders(0).id(), id);
}

TEST_F(MergeTest, TheIndexIsBuiltFromWhatIsThereAndForgetsWhatEnded) {
  const std::string old = Register(Matter("建设路井盖丢了", "0908-1000006"));
  sites_.a.KillAll();
  ASSERT_TRUE(sites_.a.StartAll().ok());
  workorder::v1::FindSimilarOrdersRequest request;
  *request.mutable_content() = Matter("建设路的井盖丢失，很危险", "");
  const auto find = [&] {
    return Must(sites_.a.work_order(), &WorkOrderService::Stub::FindSimilarOrders, request);
  };
  ASSERT_TRUE(Eventually([&] { return find().similar_orders_size() == 1; }));
  auto cancel = For<workorder::v1::CancelWorkOrderRequest>(old);
  cancel.mutable_cancellation()->set_reason("重复登记");
  Must(sites_.a.work_order(), &WorkOrderService::Stub::CancelWorkOrder, cancel);
  EXPECT_EQ(find().similar_orders_size(), 0);
}

TEST_F(MergeTest, PoliceAssistAndTheParentStaysOpen) {
  const std::string parent = Register(Matter("占道摊贩不听劝阻", "0908-1000007"));
  Accept12345(parent);
  auto progress = For<workorder::v1::ReportProgressRequest>(parent);
  progress.mutable_progress()->set_note("现场发生推搡");
  Must(sites_.a.work_order(), &WorkOrderService::Stub::ReportProgress, progress);
  Ctl({"partners", "push", parent, "--to", "110", "--kind", "police-assist", "--note", "请派警协助"});
  std::string assist;
  ASSERT_TRUE(Eventually([&] {
    const std::vector<WorkOrder> there = ListAll(sites_.b);
    if (!there.empty()) assist = there.front().id();
    return !assist.empty();
  }));
  EXPECT_EQ(Get(sites_.b, assist).handoff().kind(), type::v1::HANDOFF_KIND_POLICE_ASSIST);
  EXPECT_EQ(Get(sites_.a, parent).state(), type::v1::ORDER_STATE_IN_PROGRESS);
  test::Accept(sites_.b, assist);
  Finish(sites_.b, assist);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.a, parent).partner_outcomes_size() == 1; }));
  EXPECT_EQ(Get(sites_.a, parent).partner_outcomes(0).note(), "水管已修好");
  EXPECT_EQ(Get(sites_.a, parent).state(), type::v1::ORDER_STATE_IN_PROGRESS);
  EXPECT_THAT(Ctl({"show", parent}), HasSubstr("联动结果"));
  Finish(sites_.a, parent);
}

TEST_F(MergeTest, DangerFirstThenWhatRemainsIsHandedOver) {
  const std::string given = Push(sites_.a, MakePush(2, "110")).order().id();
  std::string there;
  ASSERT_TRUE(Eventually([&] {
    const std::vector<WorkOrder> all = ListAll(sites_.b);
    if (!all.empty()) there = all.front().id();
    return !there.empty();
  }));
  auto accept = For<dispatch::v1::AcceptHandoffRequest>(there);
  accept.mutable_acceptance()->set_danger_first(true);
  Must(sites_.b.dispatch(), &DispatchService::Stub::AcceptHandoff, accept);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.a, given).custody().holder() == "110"; }));
  dispatch::v1::PushWorkOrderRequest remains;
  NextRequestId(remains.mutable_header()->mutable_request_id());
  remains.mutable_header()->set_order_id(there);
  remains.mutable_header()->mutable_actor()->set_account("2001");
  remains.mutable_offer()->set_to_hotline("12345");
  remains.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_DISPATCH_FIRST);
  EXPECT_EQ(MustFail(sites_.b.dispatch(), &DispatchService::Stub::PushWorkOrder, remains).reason,
            "DANGER_FIRST")
      << "before anybody acted";
  auto progress = For<workorder::v1::ReportProgressRequest>(there);
  progress.mutable_progress()->set_note("险情已排除");
  Must(sites_.b.work_order(), &WorkOrderService::Stub::ReportProgress, progress);
  NextRequestId(remains.mutable_header()->mutable_request_id());
  const WorkOrder handed = Push(sites_.b, remains).order();
  ASSERT_TRUE(Eventually([&] { return Exists(sites_.a, handed.handoff().id()); }));
  const std::string back = Get(sites_.a, handed.handoff().id()).id();
  EXPECT_NE(back, given);
  Accept12345(back);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.b, there).custody().holder() == "12345"; }));
  Finish(sites_.a, back);
  auto close = For<workorder::v1::CloseWorkOrderRequest>(back);
  Must(sites_.a.work_order(), &WorkOrderService::Stub::CloseWorkOrder, close);
  ASSERT_TRUE(Reaches(sites_.b, there, type::v1::ORDER_STATE_CLOSED));
  ASSERT_TRUE(Reaches(sites_.a, given, type::v1::ORDER_STATE_CLOSED));
}

}  // namespace
}  // namespace hotline::test
