// On-scene referrals: what is refused, what travels, and arrivals recorded by either desk in any order.
#include <string>
#include <utility>

#include "common/error/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using type::v1::Command;
using type::v1::WorkOrder;

// 110 (site 1) refers to 12345 (site 0).
class SceneTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(world_.fault(), ""); }

  static Command Referral(type::v1::SceneRequest request) {
    type::v1::OrderContent content = SampleContent();
    content.set_channel(type::v1::CHANNEL_ON_SCENE);
    Command command = MakeRegistration(content, "12345");
    type::v1::SceneReferral* scene = command.mutable_offer()->mutable_scene();
    scene->set_request(request);
    scene->set_guidance("已向报警人解释，引导拨打12345");
    if (request == type::v1::SCENE_REQUEST_BRING_UNIT) {
      scene->set_asked_of("center-head");
      scene->set_wanted_unit("housing");
    }
    return command;
  }
  static Command Arrival(const std::string& order_id, type::v1::SceneOutcome outcome) {
    Command command = MakeCommand(Act::kProgress, order_id, "", absl::UnixEpoch());
    command.mutable_scene_arrival()->set_outcome(outcome);
    command.mutable_scene_arrival()->set_unit("housing");
    if (outcome != type::v1::SCENE_OUTCOME_ARRIVED) command.mutable_scene_arrival()->set_note("人员均在外");
    return command;
  }
  void Refer(type::v1::SceneRequest request) {
    absl::StatusOr<std::string> id = world_.Execute(1, Referral(request));
    ASSERT_TRUE(id.ok()) << id.status().message();
    id_ = *id;
  }
  absl::Status Refused(const Command& command) { return world_.Execute(1, command).status(); }
  const WorkOrder& Giver() const { return world_.Order(1, id_); }
  const WorkOrder& Taker() { return world_.Order(0, world_.Twin(1, id_)); }

  World world_;
  std::string id_;
};

TEST_F(SceneTest, OneCommitRegistersRefersAndAsks) {
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  ASSERT_EQ(world_.Log(1).size(), 1u);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(Giver().handoff().kind(), type::v1::HANDOFF_KIND_ON_SCENE_REFERRAL);
  const type::v1::OfferedDetail& offered = world_.LastEvent(1).offered();
  EXPECT_TRUE(offered.has_registered());
  EXPECT_EQ(offered.handoff().scene().request(), type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  EXPECT_EQ(Taker().handoff().scene().guidance(), Giver().handoff().scene().guidance());
  EXPECT_EQ(Taker().handoff().scene().wanted_unit(), "housing");
  EXPECT_FALSE(Taker().handoff().has_scene_record());
}

TEST_F(SceneTest, WhatIsWrongIsRefusedWithItsField) {
  const auto expect = [&](const Command& command, Reason reason, const std::string& field) {
    const absl::Status status = Refused(command);
    EXPECT_EQ(error::ReasonOf(status), reason) << status.message();
    EXPECT_EQ(error::FieldOf(status), field);
  };
  const Command good = Referral(type::v1::SCENE_REQUEST_BRING_UNIT);
  Command bad = good;
  bad.mutable_offer()->mutable_scene()->clear_guidance();
  expect(bad, Reason::ERROR_REASON_FIELD_REQUIRED, "offer.scene.guidance");
  bad = good;
  bad.mutable_offer()->mutable_scene()->clear_request();
  expect(bad, Reason::ERROR_REASON_FIELD_REQUIRED, "offer.scene.request");
  bad = good;
  bad.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_POLICE_ASSIST);
  expect(bad, Reason::ERROR_REASON_FIELD_INVALID, "offer.kind");
  bad = good;
  bad.mutable_registration()->mutable_content()->clear_place();
  expect(bad, Reason::ERROR_REASON_FIELD_REQUIRED, "content.place");
  bad = good;
  bad.mutable_registration()->mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  expect(bad, Reason::ERROR_REASON_FIELD_INVALID, "content.urgency");
  bad = Referral(type::v1::SCENE_REQUEST_PUSH);
  bad.mutable_offer()->mutable_scene()->set_asked_of("center-head");
  expect(bad, Reason::ERROR_REASON_FIELD_INVALID, "offer.scene.asked_of");
  EXPECT_TRUE(world_.Log(1).empty());
}

TEST_F(SceneTest, AnOrderOfPolicesOwnIsReferredToo) {
  id_ = world_.Register(1, SampleContent(), false);
  world_.Do(1, Act::kAccept, id_);
  Command command = MakeCommand(Act::kOffer, id_, "12345", world_.now());
  *command.mutable_offer()->mutable_scene() = Referral(type::v1::SCENE_REQUEST_BRING_UNIT).offer().scene();
  ASSERT_TRUE(world_.Execute(1, command).ok());
  world_.Settle();
  EXPECT_EQ(Taker().handoff().scene().request(), type::v1::SCENE_REQUEST_BRING_UNIT);
}

TEST_F(SceneTest, ArrivalIsRecordedByEitherDeskAndSeenByBoth) {
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  world_.Do(0, Act::kAccept, Taker().id());
  world_.Settle();
  ASSERT_TRUE(world_.Execute(0, Arrival(Taker().id(), type::v1::SCENE_OUTCOME_REFUSED)).ok());
  world_.Settle();
  EXPECT_EQ(Giver().handoff().scene_record().arrival().outcome(), type::v1::SCENE_OUTCOME_REFUSED);
  EXPECT_EQ(Giver().handoff().scene_record().by_hotline(), "12345");
  EXPECT_TRUE(world_.LastEvent(1).mirrored());
  EXPECT_EQ(world_.LastEvent(1).actor().account(), "1001");
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(Giver().custody().holder(), "12345");
  // It came after all; the officer saw it.
  ASSERT_TRUE(world_.Execute(1, Arrival(id_, type::v1::SCENE_OUTCOME_ARRIVED)).ok());
  world_.Settle();
  for (const WorkOrder* order : {&Giver(), &Taker()}) {
    EXPECT_EQ(order->handoff().scene_record().arrival().outcome(), type::v1::SCENE_OUTCOME_ARRIVED);
    EXPECT_TRUE(order->handoff().scene_record().arrival().has_arrive_time());
    EXPECT_EQ(order->handoff().scene_record().by_hotline(), "110");
  }
}

TEST_F(SceneTest, TheOfficersWordWinsWhenTheRecordsCross) {
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  ASSERT_TRUE(world_.Execute(0, Arrival(Taker().id(), type::v1::SCENE_OUTCOME_ARRIVED)).ok());
  ASSERT_TRUE(world_.Execute(1, Arrival(id_, type::v1::SCENE_OUTCOME_NOT_ARRIVED)).ok());
  world_.Settle();
  // A later move of the taker's, with its older view, does not bring its record back.
  world_.Do(0, Act::kAccept, Taker().id());
  world_.Settle();
  for (const WorkOrder* order : {&Giver(), &Taker()}) {
    EXPECT_EQ(order->handoff().scene_record().by_hotline(), "110");
    EXPECT_EQ(order->handoff().scene_record().arrival().outcome(), type::v1::SCENE_OUTCOME_NOT_ARRIVED);
  }
}

TEST_F(SceneTest, ARecordGoesBehindAnOfferThatNobodyHasRead) {
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  ASSERT_TRUE(world_.Execute(1, Arrival(id_, type::v1::SCENE_OUTCOME_NOT_ARRIVED)).ok());
  world_.BeStrict();
  world_.Settle();
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_EQ(Taker().handoff().scene_record().arrival().outcome(), type::v1::SCENE_OUTCOME_NOT_ARRIVED);
}

TEST_F(SceneTest, NoArrivalWithoutARequest) {
  Refer(type::v1::SCENE_REQUEST_PUSH);
  EXPECT_EQ(error::ReasonOf(Refused(Arrival(id_, type::v1::SCENE_OUTCOME_ARRIVED))),
            Reason::ERROR_REASON_WRONG_STATE);
  Command unfounded = Arrival(id_, type::v1::SCENE_OUTCOME_REFUSED);
  unfounded.mutable_scene_arrival()->clear_note();
  EXPECT_EQ(error::FieldOf(Refused(unfounded)), "scene_arrival.note");
  // A return ends the request.
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  world_.Do(0, Act::kReturn, Taker().id());
  world_.Settle();
  EXPECT_EQ(error::ReasonOf(Refused(Arrival(id_, type::v1::SCENE_OUTCOME_ARRIVED))),
            Reason::ERROR_REASON_WRONG_STATE);
}

TEST_F(SceneTest, NothingArrivesBeforeItWasAskedFor) {
  absl::Duration shift;
  const auto arrive = [&](int at, const std::string& order, absl::Time time) {
    Command command = Arrival(order, type::v1::SCENE_OUTCOME_ARRIVED);
    ToProto(time, command.mutable_scene_arrival()->mutable_arrive_time());
    return Decide(&world_.Order(at, order), command, NewOrder(), world_.site(at),
                  world_.now() + (at == 0 ? shift : absl::ZeroDuration()))
        .status();
  };
  const auto expect_refused = [&](int at, const std::string& order, absl::Time time) {
    const absl::Status refused = arrive(at, order, time);
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_TIME_INVALID) << refused;
    EXPECT_EQ(error::FieldOf(refused), "scene_arrival.arrive_time");
    EXPECT_EQ(error::ChineseOf(refused), "字段 scene_arrival.arrive_time：早于请求协调到场的时间");
  };
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  const absl::Time asked = FromProto(Giver().handoff().offer_time());
  for (const auto& [at, order] : {std::pair(1, id_), std::pair(0, Taker().id())}) {
    EXPECT_TRUE(arrive(at, order, asked).ok());
    EXPECT_TRUE(arrive(at, order, asked - absl::Minutes(1)).ok()) << "it was told by the minute";
    expect_refused(at, order, asked - absl::Minutes(1) - absl::Nanoseconds(1));
  }

  // Given back and asked for once more: it may have come between.
  world_.Pass(absl::Hours(1));
  world_.Do(0, Act::kReturn, Taker().id());
  world_.Settle();
  Command again = MakeCommand(Act::kOffer, id_, "12345", world_.now());
  *again.mutable_offer()->mutable_scene() = Referral(type::v1::SCENE_REQUEST_BRING_UNIT).offer().scene();
  ASSERT_TRUE(world_.Execute(1, again).ok());
  world_.Settle();
  for (const auto& [at, order] : {std::pair(1, id_), std::pair(0, Taker().id())}) {
    EXPECT_TRUE(arrive(at, order, asked + absl::Minutes(30)).ok());
    expect_refused(at, order, asked - absl::Minutes(2));
  }

  // By a clock that is behind the one it was asked by.
  shift = -absl::Minutes(30);
  world_.Shift(0, shift);
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  const absl::Time received = FromProto(Taker().handoff().receive_time());
  EXPECT_LT(received, FromProto(Giver().handoff().offer_time()) - absl::Minutes(20));
  EXPECT_TRUE(arrive(0, Taker().id(), received).ok()) << arrive(0, Taker().id(), received);
  expect_refused(0, Taker().id(), received - absl::Minutes(2));
}

TEST_F(SceneTest, TheAskedHotlineKnowsItsUnits) {
  Refer(type::v1::SCENE_REQUEST_BRING_UNIT);
  world_.Settle();
  world_.mutable_site(0)->units = {"housing", "water"};
  world_.mutable_site(1)->units = {"patrol"};
  const auto come = [&](int at, const std::string& order, const std::string& unit) {
    Command command = Arrival(order, type::v1::SCENE_OUTCOME_ARRIVED);
    command.mutable_scene_arrival()->set_unit(unit);
    return Decide(&world_.Order(at, order), command, NewOrder(), world_.site(at), world_.now()).status();
  };
  const absl::Status refused = come(0, Taker().id(), "nosuch");
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_UNKNOWN) << refused;
  EXPECT_EQ(error::FieldOf(refused), "scene_arrival.unit");
  for (const char* unit : {"housing", ""}) EXPECT_TRUE(come(0, Taker().id(), unit).ok()) << unit;
  EXPECT_TRUE(come(1, id_, "housing").ok()) << "that list is another one";
}

TEST_F(SceneTest, WhoPassesTheOrderOnStillAnswersForTheScene) {
  World three(3);
  absl::StatusOr<std::string> id = three.Execute(1, Referral(type::v1::SCENE_REQUEST_BRING_UNIT));
  ASSERT_TRUE(id.ok());
  three.BeStrict();
  three.Settle();
  const std::string twin = three.Twin(1, *id);
  three.Do(0, Act::kAccept, twin);
  three.Push(0, twin, 2);
  three.Settle();
  // Whose unit came is not for its list to say.
  three.mutable_site(0)->units = {"water"};
  ASSERT_TRUE(three.Execute(0, Arrival(twin, type::v1::SCENE_OUTCOME_ARRIVED)).ok());
  three.Settle();
  EXPECT_EQ(three.Order(1, *id).handoff().scene_record().by_hotline(), "12345");
  EXPECT_EQ(three.fault(), "");
}

}  // namespace
}  // namespace hotline::work_order
