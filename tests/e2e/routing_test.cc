// Orders pushed by their text between real processes, and a catalogue that changes under them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

namespace fs = std::filesystem;
using dispatch::v1::DispatchService;
using testing::HasSubstr;
using Dispatch = DispatchService::Stub;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class RoutingTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(directory());
    shipped_ = ReadAll(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml");
    Write("wuqia.yaml", shipped_);
    for (Site* site : {&sites_.a, &sites_.b})
      site->config().mutable_dispatch()->set_catalogue_dir(directory());
    ASSERT_TRUE(sites_.StartAll().ok());
  }
  std::string directory() const { return sites_.folder.path() + "/catalogue"; }
  // Whole or not at all, as an operator should.
  void Write(const std::string& name, const std::string& text) {
    const std::string path = directory() + "/" + name;
    std::ofstream(path + ".new", std::ios::binary) << text;
    fs::rename(path + ".new", path);
  }
  // The shipped version under another name, with another lead unit for A1.
  std::string Other(const std::string& version) const {
    return absl::StrReplaceAll(
        shipped_, {{"version: wuqia-2024-6", "version: " + version},
                   {"units: [{unit: zhujianju, role: LEAD}]", "units: [{unit: chengguan, role: LEAD}]"}});
  }
  // A push by what the caller said, and nothing else.
  static dispatch::v1::PushWorkOrderRequest ByText(int n, const std::string& text) {
    dispatch::v1::PushWorkOrderRequest push = MakePush(n, "");
    push.mutable_content()->clear_catalogue();
    push.mutable_content()->clear_lead_unit();
    push.mutable_content()->clear_assist_units();
    push.mutable_content()->set_urgency(type::v1::URGENCY_NORMAL);
    push.mutable_content()->set_title("来电");
    push.mutable_content()->set_text(text);
    return push;
  }
  static type::v1::Event FirstEvent(Site& site, const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    return Must(site.work_order(), &workorder::v1::WorkOrderService::Stub::ListOrderEvents, request)
        .events(0);
  }
  // Runs hotlinectl against site 110; its exit status, and what it printed in `*output`.
  int Ctl(std::vector<std::string> arguments, std::string* output) {
    arguments.insert(arguments.begin(), {BuildFolder() + "/services/hotlinectl/hotlinectl", "--dispatch",
                                         sites_.b.address(Service::kDispatch), "--work-order",
                                         sites_.b.address(Service::kWorkOrder)});
    auto process = Process::Start(arguments, sites_.folder.path() + "/hotlinectl.log");
    EXPECT_TRUE(process.ok()) << process.status();
    output->clear();
    while (true) {
      const auto line = (*process)->WaitForLine("", absl::Seconds(20));
      if (!line.ok()) break;
      absl::StrAppend(output, *line, "\n");
    }
    return (*process)->Wait(absl::Seconds(20));
  }

  TwoSites sites_;
  std::string shipped_;
};

TEST_F(RoutingTest, AnOrderPushedByItsTextLandsWhereTheAnnexSaysAndKeepsItsVersion) {
  const auto push = ByText(1, "工地半夜还在打桩");
  const auto pushed = Push(sites_.b, push);
  EXPECT_EQ(pushed.order().handoff().to_hotline(), "12345");
  const type::v1::WorkOrder order = Get(sites_.b, pushed.order().id());
  EXPECT_EQ(order.content().catalogue().item(), "A1");
  EXPECT_EQ(order.content().catalogue().version(), "wuqia-2024-6");
  EXPECT_EQ(order.content().lead_unit(), "zhujianju");
  const type::v1::RouteRecord route = FirstEvent(sites_.b, order.id()).offered().registered().route();
  EXPECT_EQ(route.advice().rule(), type::v1::LADDER_RULE_CLEAR_DUTY);
  EXPECT_FALSE(route.chosen_by_person());
  ASSERT_TRUE(Eventually([&] { return ListAll(sites_.a).size() == 1; }));
  EXPECT_EQ(Get(sites_.a, ListAll(sites_.a)[0].id()).content().lead_unit(), "zhujianju");

  // A later version: the order keeps its own, a repeat of the request its answer, a new order gets the new
  // one.
  Write("wuqia-b.yaml", Other("wuqia-2024-6b"));
  const auto reloaded = Must(sites_.b.dispatch(), &Dispatch::ReloadCatalogue, {});
  ASSERT_EQ(reloaded.versions_size(), 2);
  EXPECT_TRUE(reloaded.versions(1).in_force());
  EXPECT_EQ(Push(sites_.b, push).order().id(), order.id());
  EXPECT_EQ(Get(sites_.b, order.id()).content().catalogue().version(), "wuqia-2024-6");
  const auto next = Push(sites_.b, ByText(2, "工地半夜还在打桩"));
  EXPECT_EQ(Get(sites_.b, next.order().id()).content().catalogue().version(), "wuqia-2024-6b");
  EXPECT_EQ(Get(sites_.b, next.order().id()).content().lead_unit(), "chengguan");
}

TEST_F(RoutingTest, WhatAPersonHasToSayIsAskedAndTheChoiceAgainstTheAdviceIsOnRecord) {
  const RichError asked = MustFail(sites_.b.dispatch(), &Dispatch::PushWorkOrder, ByText(1, "你们帮帮忙"));
  EXPECT_EQ(asked.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(asked.reason, "ROUTE_UNDECIDED");
  EXPECT_EQ(asked.field, "offer.to_hotline");
  EXPECT_THAT(asked.chinese, HasSubstr("有没有人受伤"));
  const RichError own = MustFail(sites_.b.dispatch(), &Dispatch::PushWorkOrder, ByText(2, "餐馆里打起来了"));
  EXPECT_EQ(own.reason, "OWN_MATTER");
  EXPECT_TRUE(ListAll(sites_.b).empty());

  auto push = ByText(3, "餐馆里打起来了");
  push.mutable_offer()->set_to_hotline("12345");
  push.set_route_reason("已平息，属消费纠纷");
  const auto pushed = Push(sites_.b, push);
  const type::v1::Event event = FirstEvent(sites_.b, pushed.order().id());
  const type::v1::RouteRecord& route = event.offered().registered().route();
  EXPECT_TRUE(route.against_advice());
  EXPECT_TRUE(route.chosen_by_person());
  EXPECT_EQ(route.advice().hotline(), "110");
  EXPECT_EQ(route.reason(), "已平息，属消费纠纷");
  EXPECT_FALSE(event.actor().account().empty());

  // Nor may the accused handle it, whoever says so.
  push = ByText(4, "工资没发，人社局的人不管");
  push.mutable_content()->add_accused_units("rensheju");
  push.mutable_content()->set_lead_unit("rensheju");
  const RichError recused = MustFail(sites_.b.dispatch(), &Dispatch::PushWorkOrder, push);
  EXPECT_EQ(recused.reason, "UNIT_RECUSED");
  EXPECT_EQ(recused.field, "content.lead_unit");
}

// 提出回避 over the exchange: 110 hears it, 12345 acts; and hotlinectl at the holder's.
TEST_F(RoutingTest, AnOrderInHandTurnsOutToAccuseWhoHasIt) {
  const auto pushed = Push(sites_.b, ByText(1, "工地半夜还在打桩"));
  ASSERT_TRUE(Eventually([&] { return ListAll(sites_.a).size() == 1; }));
  const std::string here = ListAll(sites_.a)[0].id();
  using Orders = workorder::v1::WorkOrderService::Stub;
  Must(sites_.a.dispatch(), &Dispatch::AcceptHandoff, For<dispatch::v1::AcceptHandoffRequest>(here));
  auto dispatch = For<workorder::v1::DispatchWorkOrderRequest>(here);
  dispatch.mutable_unit_dispatch()->set_lead_unit("zhujianju");
  Must(sites_.a.work_order(), &Orders::DispatchWorkOrder, dispatch);
  ASSERT_TRUE(Eventually(
      [&] { return Get(sites_.b, pushed.order().id()).state() == type::v1::ORDER_STATE_DISPATCHED; }));

  auto accuse = For<workorder::v1::AccuseUnitsRequest>(pushed.order().id());
  accuse.mutable_accusation()->add_units("zhujianju");
  accuse.mutable_accusation()->set_reason("来电人称工地就是该单位自己的");
  const auto accused = Must(sites_.b.work_order(), &Orders::AccuseUnits, accuse);
  EXPECT_EQ(accused.order().state(), type::v1::ORDER_STATE_DISPATCHED) << "12345 holds it";
  EXPECT_EQ(Must(sites_.b.work_order(), &Orders::AccuseUnits, accuse).event_sequence(),
            accused.event_sequence())
      << "the same request, the same answer";
  for (auto [site, id] : {std::pair(&sites_.a, here), std::pair(&sites_.b, pushed.order().id())}) {
    const auto ended = [site = site, id = id] {
      return Get(*site, id).state() == type::v1::ORDER_STATE_ACCEPTED;
    };
    ASSERT_TRUE(Eventually(ended)) << id;
    EXPECT_EQ(Get(*site, id).units_size(), 0);
    EXPECT_THAT(Get(*site, id).facts().recused_units(), testing::ElementsAre("zhujianju"));
  }
  dispatch = For<workorder::v1::DispatchWorkOrderRequest>(here);
  dispatch.mutable_unit_dispatch()->set_lead_unit("zhujianju");
  const RichError recused = MustFail(sites_.a.work_order(), &Orders::DispatchWorkOrder, dispatch);
  EXPECT_EQ(recused.reason, "UNIT_RECUSED");
  EXPECT_THAT(recused.chinese, HasSubstr("回避"));

  // At 110, of an order that is its own: by the command line, in both languages.
  const auto own = Must(sites_.b.work_order(), &Orders::CreateWorkOrder, [] {
    auto request = For<workorder::v1::CreateWorkOrderRequest>("");
    *request.mutable_registration()->mutable_content() = MakeContent(2);
    request.mutable_registration()->mutable_content()->clear_lead_unit();
    request.mutable_registration()->mutable_content()->clear_assist_units();
    return request;
  }());
  const std::string number = own.order().number();
  std::string output;
  ASSERT_EQ(Ctl({"accept", number}, &output), 0) << output;
  ASSERT_EQ(Ctl({"dispatch", number, "--unit", "gonganju"}, &output), 0) << output;
  ASSERT_EQ(
      Ctl({"accuse", number, "--unit", "gonganju", "--reason", "投诉的就是该局", "--to", "sifaju", "--json"},
          &output),
      0)
      << output;
  EXPECT_THAT(output, HasSubstr("ORDER_STATE_DISPATCHED"));
  EXPECT_THAT(output, HasSubstr("\"recusedUnits\":[\"gonganju\"]"));
  // Nor does anybody who works there answer the complaint.
  ASSERT_EQ(Ctl({"sign", number, "--unit", "sifaju"}, &output), 0) << output;
  EXPECT_EQ(Ctl({"finish", number, "--for-unit", "gonganju", "--disposition", "unfounded", "--reply",
                 "经核查不属实", "--json"},
                &output),
            5);
  EXPECT_THAT(ReadAll(sites_.folder.path() + "/hotlinectl.log"), HasSubstr("UNIT_RECUSED"));
  ASSERT_EQ(Ctl({"show", number, "--lang", "zh"}, &output), 0);
  EXPECT_THAT(output, HasSubstr("被反映单位回避"));
  EXPECT_NE(Ctl({"accuse", number, "--unit", "gonganju", "--reason", "再次"}, &output), 0) << "it is known";
}

// The record of how an order was routed is dispatch's to write.
TEST_F(RoutingTest, NobodyElseWritesTheRecordOfTheRoute) {
  auto request = For<workorder::v1::CreateWorkOrderRequest>("");
  *request.mutable_registration()->mutable_content() = MakeContent(1);
  request.mutable_registration()->mutable_route()->set_hotline("12345");
  const RichError refused =
      MustFail(sites_.b.work_order(), &workorder::v1::WorkOrderService::Stub::CreateWorkOrder, request);
  EXPECT_EQ(refused.reason, "FIELD_INVALID");
  EXPECT_EQ(refused.field, "registration.route");
}

// Files change, versions are reloaded; meanwhile desks type and push. Nobody sees an error, and every order
// has the unit of the version that it keeps.
TEST_F(RoutingTest, ReloadsUnderLoadWithoutAnError) {
  std::atomic<bool> stop{false};
  std::atomic<int> errors{0}, suggested{0}, numbers{0};
  std::vector<std::thread> desks;
  for (int d = 0; d < 3; ++d) {
    desks.emplace_back([&, d] {
      const auto stub = DispatchService::NewStub(sites_.b.NewChannelTo(Service::kDispatch));
      while (!stop) {
        dispatch::v1::SuggestRouteRequest request;
        request.set_text("工地半夜还在打桩");
        dispatch::v1::SuggestRouteResponse response;
        Call call;
        const bool good =
            stub->SuggestRoute(&call, request, &response).ok() && response.suggestions_size() > 0;
        if (!good) ++errors;
        ++suggested;
        if (d == 0) {
          dispatch::v1::PushWorkOrderResponse pushed;
          Call push_call;
          if (!stub->PushWorkOrder(&push_call, ByText(100 + numbers++, "工地半夜还在打桩"), &pushed).ok())
            ++errors;
        }
      }
    });
  }
  for (int reload = 0; reload < 40 || suggested < 100 || numbers < 20; ++reload) {
    Write("wuqia-b.yaml", reload % 2 == 0 ? Other("wuqia-2024-6b") : Other("wuqia-2024-6c"));
    Must(sites_.b.dispatch(), &Dispatch::ReloadCatalogue, {});
    if (testing::Test::HasFailure()) break;
  }
  // A file that is wrong changes nothing.
  Write("wuqia-b.yaml", "version: [\n");
  const RichError wrong = MustFail(sites_.b.dispatch(), &Dispatch::ReloadCatalogue, {});
  EXPECT_EQ(wrong.reason, "CATALOGUE_INVALID");
  EXPECT_THAT(wrong.chinese, HasSubstr("wuqia-b.yaml第"));
  stop = true;
  for (std::thread& desk : desks) desk.join();
  EXPECT_EQ(errors, 0);
  for (const type::v1::WorkOrder& listed : ListAll(sites_.b)) {
    const type::v1::WorkOrder order = Get(sites_.b, listed.id());
    EXPECT_EQ(order.content().lead_unit(),
              order.content().catalogue().version() == "wuqia-2024-6" ? "zhujianju" : "chengguan");
  }
}

// Only who takes the folder away wants none.
TEST_F(RoutingTest, AReloadThatCannotReadTheModelLeavesTheOneThatIsLoaded) {
  const std::string shipped = std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/suggest/";
  const std::string folder = directory() + "/suggest";
  const std::string examples = folder + "/examples.jsonl";
  fs::create_directory(folder);
  fs::copy_file(shipped + "terms.yaml", folder + "/terms.yaml");
  {
    // A tenth of them teach enough, with all that are like the one below.
    std::ifstream all(shipped + "examples.jsonl", std::ios::binary);
    std::ofstream few(examples, std::ios::binary);
    std::string line;
    for (int n = 0; std::getline(all, line); ++n) {
      if (n % 10 == 0 || line.find("拿着刀") != std::string::npos) few << line << "\n";
    }
  }
  dispatch::v1::SuggestRouteRequest question;
  question.set_text("有个男的拿着刀在学校门口转悠");
  const auto heard = [&] { return Must(sites_.b.dispatch(), &Dispatch::SuggestRoute, question).emergency(); };
  const auto log = [&] { return ReadAll(sites_.b.log_file(Service::kDispatch)); };
  EXPECT_THAT(log(), HasSubstr("\"advice_by\":\"phrases\""));
  Must(sites_.b.dispatch(), &Dispatch::ReloadCatalogue, {});
  EXPECT_THAT(log(), HasSubstr("\"advice_by\":\"model\""));
  EXPECT_TRUE(heard());

  // A file that is there and cannot be opened, whoever tries.
  fs::remove(examples);
  fs::create_symlink(directory() + "/none", examples);
  const RichError refused = MustFail(sites_.b.dispatch(), &Dispatch::ReloadCatalogue, {});
  EXPECT_EQ(refused.reason, "CATALOGUE_INVALID");
  EXPECT_THAT(refused.chinese, HasSubstr(examples));
  EXPECT_TRUE(heard());

  fs::remove_all(folder);
  Must(sites_.b.dispatch(), &Dispatch::ReloadCatalogue, {});
  EXPECT_FALSE(heard()) << "by the phrases alone";
}

TEST_F(RoutingTest, TheCatalogueFromTheCommandLine) {
  std::string out;
  EXPECT_EQ(Ctl({"catalogue", "check"}, &out), 0);
  EXPECT_THAT(out, HasSubstr("31 items, nothing found"));
  EXPECT_EQ(Ctl({"catalogue", "show"}, &out), 0);
  EXPECT_THAT(out, HasSubstr("A18"));
  EXPECT_EQ(Ctl({"--json", "catalogue", "show", "A2"}, &out), 0);
  EXPECT_THAT(out, HasSubstr("无现场或非现场发生的劳资纠纷、工伤鉴定等"));
  EXPECT_EQ(Ctl({"--lang", "zh", "catalogue", "show", "B7"}, &out), 0);
  EXPECT_THAT(out, HasSubstr("扬言危害公共安全的来电"));
  EXPECT_EQ(Ctl({"catalogue", "show", "Z1"}, &out), 2);

  // Exported, it is the same; changed, it differs; reloaded, it is in force.
  const std::string exported = sites_.folder.path() + "/exported.yaml";
  EXPECT_EQ(Ctl({"catalogue", "export", "--out", exported}, &out), 0);
  EXPECT_EQ(Ctl({"--json", "catalogue", "diff", "wuqia-2024-6", exported}, &out), 0);
  EXPECT_EQ(out, "");
  EXPECT_EQ(Ctl({"catalogue", "export", "--out", exported}, &out), 2)
      << "an existing file is not overwritten";
  Write("wuqia-b.yaml", Other("wuqia-2024-6b"));
  EXPECT_EQ(Ctl({"catalogue", "reload"}, &out), 0);
  EXPECT_THAT(out, HasSubstr("wuqia-2024-6b"));
  EXPECT_EQ(Ctl({"--json", "catalogue", "diff", "wuqia-2024-6", "wuqia-2024-6b"}, &out), 0);
  EXPECT_THAT(out, HasSubstr("\"entry\":\"A1\",\"field\":\"units\""));

  // Findings: who has no liaison, and a broken file with its place.
  const std::string directory = sites_.folder.path() + "/directory.csv";
  std::ofstream(directory) << "kind,unit,person,role\nrole,rensheju,p1,handler\n\"unit\",\"minzhengju\",,\n";
  EXPECT_EQ(Ctl({"--json", "catalogue", "check", "--directory", directory}, &out), 3);
  EXPECT_THAT(out, HasSubstr("unit minzhengju has no liaison"));
  EXPECT_THAT(out, testing::Not(HasSubstr("unit rensheju has no liaison")));
  std::ofstream(exported, std::ios::trunc) << "version: x\nitems:\n  - {code: A1, titel: y}\n";
  EXPECT_EQ(Ctl({"catalogue", "check", "--file", exported}, &out), 3);
  EXPECT_THAT(ReadAll(sites_.folder.path() + "/hotlinectl.log"), HasSubstr("exported.yaml:3:"));

  // A push without a target.
  EXPECT_EQ(
      Ctl({"push", "--type", "help", "--title", "来电", "--text", "包工头跑了，工资没发", "--anonymous"},
          &out),
      0);
  EXPECT_THAT(out, HasSubstr("110 → 12345"));
}

TEST(RoutingUnitsTest, ACatalogueWithAUnitThatTheSiteDoesNotHaveIsNotReloaded) {
  TwoSites sites;
  const std::string directory = sites.folder.path() + "/catalogue";
  fs::create_directory(directory);
  const std::string shipped = ReadAll(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml");
  std::ofstream(directory + "/wuqia.yaml", std::ios::binary) << shipped;
  sites.a.config().mutable_dispatch()->set_catalogue_dir(directory);
  sites.a.config().set_units_file(HOTLINE_SOURCE_DIR "/deploy/units/wuqia.yaml");
  ASSERT_TRUE(sites.a.Start(Service::kDispatch).ok());
  std::ofstream(directory + "/wuqia-b.yaml", std::ios::binary) << absl::StrReplaceAll(
      shipped, {{"version: wuqia-2024-6", "version: wuqia-2024-6b"}, {"zhujianju", "zhujianju2"}});
  const RichError wrong = MustFail(sites.a.dispatch(), &Dispatch::ReloadCatalogue, {});
  EXPECT_EQ(wrong.reason, "CATALOGUE_INVALID");
  EXPECT_THAT(wrong.chinese, HasSubstr("清单 wuqia-2024-6b 的单位不在 units_file 中：zhujianju2"));
  EXPECT_EQ(Must(sites.a.dispatch(), &Dispatch::GetCatalogue, {}).catalogue().version(), "wuqia-2024-6");
}

// Each version has a model, which takes seconds to make; together they take longer than a drain may.
TEST(RoutingModelTest, WhoEndsTheProcessDoesNotWaitForItsModels) {
  TwoSites sites;
  const std::string directory = sites.folder.path() + "/catalogue";
  fs::copy(HOTLINE_SOURCE_DIR "/deploy/catalogue", directory, fs::copy_options::recursive);
  const std::string shipped = ReadAll(directory + "/wuqia.yaml");
  for (char other = 'b'; other <= 'i'; ++other) {
    const std::string name(1, other);
    std::ofstream(directory + "/wuqia-" + name + ".yaml", std::ios::binary)
        << absl::StrReplaceAll(shipped, {{"version: wuqia-2024-6", "version: wuqia-2024-6" + name}});
  }
  sites.a.config().mutable_dispatch()->set_catalogue_dir(directory);
  ASSERT_TRUE(sites.a.StartAll().ok());
  EXPECT_EQ(sites.a.Terminate(Service::kDispatch), 0);
}

}  // namespace
}  // namespace hotline::test
