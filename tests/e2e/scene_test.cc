// An officer on the spot, with real processes: one call refers the matter, both sites watch for the arrival,
// and either desk records it; hotlinectl does all of it.
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
using escalation::v1::Deadline;
using escalation::v1::EscalationService;
using testing::HasSubstr;
using type::v1::Event;
using type::v1::WorkOrder;
using workorder::v1::WorkOrderService;

class SceneTest : public testing::Test {
 protected:
  void Start(int64_t limit_s) {
    for (Site* site : {&sites_.a, &sites_.b}) {
      config::v1::DeadlineRule* rule = site->policy().add_rules();
      rule->set_clock(type::v1::CLOCK_KIND_SCENE_ARRIVAL);
      rule->set_limit_s(limit_s);
    }
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  static dispatch::v1::ReferFromSceneRequest Referral() {
    auto request = For<dispatch::v1::ReferFromSceneRequest>("");
    type::v1::OrderContent& content = *request.mutable_content();
    content = MakeContent(3);
    content.clear_channel();
    content.mutable_place()->set_township_code("653024100");
    content.mutable_place()->mutable_automatic_coordinates()->set_latitude(39.72);
    content.mutable_place()->mutable_automatic_coordinates()->set_longitude(75.25);
    type::v1::Attachment& photo = *content.add_attachments();
    photo.set_uri("police-media://110/2026/scene-1.jpg");
    photo.set_sha256(std::string(32, 'p'));
    request.mutable_scene()->set_request(type::v1::SCENE_REQUEST_BRING_UNIT);
    request.mutable_scene()->set_guidance("已向报警人解释清楚，引导拨打12345");
    request.mutable_scene()->set_wanted_unit("housing");
    return request;
  }

  const Deadline* SceneClock(Site& site, const std::string& id, bool stopped) {
    escalation::v1::ListDeadlinesRequest request;
    request.set_order_id(id);
    request.set_include_stopped(stopped);
    deadlines_ = Must(site.escalation(), &EscalationService::Stub::ListDeadlines, request);
    for (const Deadline& deadline : deadlines_.deadlines()) {
      if (deadline.clock() == type::v1::CLOCK_KIND_SCENE_ARRIVAL) return &deadline;
    }
    return nullptr;
  }

  // The order at 12345 of the only handoff.
  std::string Twin() {
    std::string id;
    EXPECT_TRUE(Eventually([&] {
      const std::vector<WorkOrder> all = ListAll(sites_.a);
      if (all.empty()) return false;
      id = all.front().id();
      return true;
    }));
    return id;
  }

  // Runs hotlinectl at `site`; its output.
  std::string Ctl(Site& site, std::vector<std::string> arguments, int expected_status = 0) {
    arguments.insert(arguments.begin(),
                     {absl::StrCat(BuildFolder(), "/services/hotlinectl/hotlinectl"), "--dispatch",
                      site.address(Service::kDispatch), "--work-order", site.address(Service::kWorkOrder),
                      "--escalation", site.address(Service::kEscalation), "--account", "2001"});
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
  escalation::v1::ListDeadlinesResponse deadlines_;
};

TEST_F(SceneTest, OneCallAsksForTheUnitAndBothSitesWaitForIt) {
  Start(600);
  const dispatch::v1::ReferFromSceneRequest request = Referral();
  const auto referred = Must(sites_.b.dispatch(), &DispatchService::Stub::ReferFromScene, request).push();
  const std::string id = referred.order().id();
  EXPECT_EQ(referred.status(), dispatch::v1::DELIVERY_STATUS_RECEIVED) << "somebody waits on the spot";
  EXPECT_EQ(Get(sites_.b, id).content().channel(), type::v1::CHANNEL_ON_SCENE);
  // Again: the same answer, no second order.
  const auto again = Must(sites_.b.dispatch(), &DispatchService::Stub::ReferFromScene, request).push();
  EXPECT_EQ(again.order().id(), id);
  EXPECT_EQ(ListAll(sites_.b).size(), 1u);

  const std::string twin = Twin();
  EXPECT_EQ(Get(sites_.a, twin).content().attachments(0).sha256(), std::string(32, 'p'));
  EXPECT_EQ(Get(sites_.a, twin).handoff().scene().wanted_unit(), "housing");
  for (auto [site, order] : {std::pair(&sites_.a, twin), std::pair(&sites_.b, id)}) {
    ASSERT_TRUE(Eventually([&] { return SceneClock(*site, order, false) != nullptr; }));
    EXPECT_EQ(SceneClock(*site, order, false)->duty_party(), "12345");
  }
  Accept(sites_.a, twin);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.b, id).state() == type::v1::ORDER_STATE_ACCEPTED; }));
  EXPECT_NE(SceneClock(sites_.b, id, false), nullptr) << "an acceptance is not an arrival";

  auto arrival = For<dispatch::v1::RecordSceneArrivalRequest>(id);
  arrival.mutable_scene_arrival()->set_outcome(type::v1::SCENE_OUTCOME_ARRIVED);
  arrival.mutable_scene_arrival()->set_unit("housing");
  Must(sites_.b.dispatch(), &DispatchService::Stub::RecordSceneArrival, arrival);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.a, twin).handoff().has_scene_record(); }));
  for (auto [site, order] : {std::pair(&sites_.a, twin), std::pair(&sites_.b, id)}) {
    ASSERT_TRUE(Eventually([&] { return SceneClock(*site, order, false) == nullptr; }));
    const Deadline* stopped = SceneClock(*site, order, true);
    ASSERT_NE(stopped, nullptr);
    EXPECT_FALSE(stopped->breached());
  }
  EXPECT_TRUE(Verify(sites_.a).intact());
  EXPECT_TRUE(Verify(sites_.b).intact());
}

TEST_F(SceneTest, NobodyComesAndIsUrgedAtBothSites) {
  Start(1);
  const auto referred = Must(sites_.b.dispatch(), &DispatchService::Stub::ReferFromScene, Referral()).push();
  const std::string twin = Twin();
  ASSERT_TRUE(Eventually([&] {
    return Get(sites_.a, twin).facts().urge_count() > 0 &&
           Get(sites_.b, referred.order().id()).facts().urge_count() > 0;
  }));
  auto refusal = For<dispatch::v1::RecordSceneArrivalRequest>(twin);
  refusal.mutable_scene_arrival()->set_outcome(type::v1::SCENE_OUTCOME_REFUSED);
  refusal.mutable_scene_arrival()->set_note("单位无人值守");
  Must(sites_.a.dispatch(), &DispatchService::Stub::RecordSceneArrival, refusal);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.b, referred.order().id()).handoff().has_scene_record(); }));
  const Deadline* stopped = SceneClock(sites_.a, twin, true);
  ASSERT_NE(stopped, nullptr);
  EXPECT_TRUE(stopped->breached()) << "a breach is never erased";
}

TEST_F(SceneTest, WithoutTheOtherSiteTheTelephoneIsCalledFor) {
  ASSERT_TRUE(sites_.b.StartAll().ok());
  dispatch::v1::ReferFromSceneRequest request = Referral();
  request.mutable_receipt_wait()->set_nanos(1'000'000);
  const auto referred = Must(sites_.b.dispatch(), &DispatchService::Stub::ReferFromScene, request).push();
  EXPECT_TRUE(referred.telephone_required());
  EXPECT_THAT(referred.advice(), HasSubstr("政务服务中心负责人"));
  request = Referral();
  request.mutable_scene()->clear_guidance();
  EXPECT_EQ(MustFail(sites_.b.dispatch(), &DispatchService::Stub::ReferFromScene, request).field,
            "scene.guidance");
}

TEST_F(SceneTest, OnTheCommandLine) {
  Start(600);
  const std::string photo = absl::StrCat(sites_.folder.path(), "/photo.jpg");
  std::ofstream(photo, std::ios::binary) << "not really a picture";
  const std::string pushed =
      Ctl(sites_.b, {"refer-from-scene", "--request", "bring-unit", "--guidance", "已解释并引导", "--title",
                     "占道经营", "--text", "路口摊位占道，无违法犯罪", "--type", "complaint", "--anonymous",
                     "--township", "653024100", "--wanted-unit", "housing", "--photo",
                     absl::StrCat("police-media://110/1.jpg=", photo)});
  EXPECT_THAT(pushed, HasSubstr("110 → 12345"));
  const std::string twin = Twin();
  EXPECT_EQ(Get(sites_.a, twin).content().attachments(0).size_bytes(), 20);
  EXPECT_EQ(Get(sites_.a, twin).content().attachments(0).media_type(), "image/jpeg");
  Ctl(sites_.a, {"arrival", twin, "--outcome", "arrived", "--unit", "housing"});
  const std::string shown = Ctl(sites_.a, {"--lang", "zh", "show", twin});
  EXPECT_THAT(shown, HasSubstr("协调到场"));
  EXPECT_THAT(shown, HasSubstr("已到场 housing"));
}

}  // namespace
}  // namespace hotline::test
