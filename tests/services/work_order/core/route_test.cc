// How an order was routed, and units that may have no part in it (回避).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "common/error/error.h"
#include "services/work_order/core/decide.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using testing::ElementsAre;
using type::v1::Command;
using type::v1::OrderContent;

// A content of which a person left everything open.
OrderContent Open() {
  OrderContent content = SampleContent();
  content.clear_catalogue();
  content.clear_lead_unit();
  content.clear_assist_units();
  // As routing to a stability clue asks for.
  content.set_urgency(type::v1::URGENCY_URGENT);
  return content;
}

Command Routed(const OrderContent& content, const std::string& to) {
  Command command = MakeRegistration(content, "110");
  command.mutable_offer()->set_to_hotline(to);
  command.mutable_offer()->clear_kind();
  type::v1::RouteRecord* route = command.mutable_registration()->mutable_route();
  route->set_hotline("110");
  route->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  route->mutable_item()->set_item("B7");
  route->mutable_item()->set_version("v1");
  route->set_lead_unit("gongan");
  route->add_assist_units("minzheng");
  route->mutable_advice()->set_hotline("110");
  route->mutable_advice()->set_rule(type::v1::LADDER_RULE_STABILITY_CLUE);
  return command;
}

OrderContent ContentAt(const World& world, int at, const std::string& id) {
  OrderContent content;
  EXPECT_TRUE(content.ParseFromString(world.Content(at, id)));
  return content;
}

TEST(RouteTest, WhatWasLeftOpenIsAsRoutingChoseAndTheEventKeepsTheAdvice) {
  World world;
  OrderContent open = Open();
  open.set_urgency(type::v1::URGENCY_URGENT);  // a clue goes at once
  const auto id = world.Execute(0, Routed(open, ""));
  ASSERT_TRUE(id.ok()) << id.status();
  const type::v1::WorkOrder& order = world.Order(0, *id);
  EXPECT_EQ(order.handoff().to_hotline(), "110");
  EXPECT_EQ(order.handoff().kind(), type::v1::HANDOFF_KIND_STABILITY_CLUE);
  const OrderContent content = ContentAt(world, 0, *id);
  EXPECT_EQ(content.catalogue().item(), "B7");
  EXPECT_EQ(content.catalogue().version(), "v1");
  EXPECT_EQ(content.lead_unit(), "gongan");
  EXPECT_THAT(content.assist_units(), ElementsAre("minzheng"));
  const type::v1::RegisteredDetail& registered = world.LastEvent(0).offered().registered();
  EXPECT_EQ(registered.catalogue().version(), "v1");
  EXPECT_EQ(registered.route().advice().rule(), type::v1::LADDER_RULE_STABILITY_CLUE);
  // The peer gets the same bytes, and no record of how they came about.
  world.Settle();
  const std::string twin = world.Twin(0, *id);
  EXPECT_EQ(world.Content(1, twin), world.Content(0, *id));
  EXPECT_FALSE(world.LastEvent(1).understood().registered().has_route());
  EXPECT_EQ(world.fault(), "");
}

TEST(RouteTest, WhatAPersonWroteStays) {
  World world(3);
  OrderContent content = Open();
  content.mutable_catalogue()->set_item("B2");
  content.set_lead_unit("minzheng");
  Command command = Routed(content, "119");
  command.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_PARTNER_FANOUT);
  const auto id = world.Execute(0, command);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(world.Order(0, *id).handoff().to_hotline(), "119");
  EXPECT_EQ(world.Order(0, *id).handoff().kind(), type::v1::HANDOFF_KIND_PARTNER_FANOUT);
  const OrderContent stored = ContentAt(world, 0, *id);
  EXPECT_EQ(stored.catalogue().item(), "B2");
  EXPECT_EQ(stored.lead_unit(), "minzheng");
  EXPECT_EQ(stored.assist_units_size(), 0);
  // The version of an item that a person chose is filled in.
  command.mutable_registration()->mutable_route()->mutable_item()->set_item("B2");
  const auto other = world.Execute(0, command);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(ContentAt(world, 0, *other).catalogue().version(), "v1");
}

TEST(RouteTest, AnUrgencyIsNeverLessThanRoutingReadOfDanger) {
  World world;
  OrderContent content = Open();
  for (const auto& [stated, read, got] :
       {std::tuple(type::v1::URGENCY_UNSPECIFIED, type::v1::URGENCY_EMERGENCY, type::v1::URGENCY_EMERGENCY),
        {type::v1::URGENCY_NORMAL, type::v1::URGENCY_URGENT, type::v1::URGENCY_URGENT},
        {type::v1::URGENCY_EMERGENCY, type::v1::URGENCY_URGENT, type::v1::URGENCY_EMERGENCY}}) {
    content.set_urgency(stated);
    Command command = Routed(content, "");
    command.mutable_registration()->mutable_route()->set_urgency(read);
    const auto id = world.Execute(0, command);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(world.Order(0, *id).urgency(), got);
    EXPECT_EQ(ContentAt(world, 0, *id).urgency(), got);
  }
  // A record of an earlier release has none.
  content.clear_urgency();
  EXPECT_EQ(error::FieldOf(world.Execute(0, Routed(content, "")).status()), "content.urgency");
}

// The log keeps it for good.
TEST(RouteTest, AReasonIsAtMostFiveHundredCharacters) {
  World world;
  Command command = Routed(Open(), "");
  std::string& reason = *command.mutable_registration()->mutable_route()->mutable_reason();
  for (int i = 0; i < 500; ++i) reason += "因";
  const auto id = world.Execute(0, command);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(world.LastEvent(0).offered().registered().route().reason(), reason);
  reason += "因";
  const auto refused = world.Execute(0, command);
  EXPECT_EQ(error::ReasonOf(refused.status()), Reason::ERROR_REASON_TEXT_TOO_LONG);
  EXPECT_EQ(error::FieldOf(refused.status()), "registration.route.reason");
  reason = std::string("a\0b", 3);
  EXPECT_EQ(error::ReasonOf(world.Execute(0, command).status()), Reason::ERROR_REASON_TEXT_INVALID);
}

TEST(RouteTest, WithoutATargetThereIsNoPush) {
  World world;
  Command command = MakeRegistration(Open(), "110");
  command.mutable_offer()->clear_to_hotline();
  const auto refused = world.Execute(0, command);
  EXPECT_EQ(error::ReasonOf(refused.status()), Reason::ERROR_REASON_FIELD_REQUIRED);
  EXPECT_EQ(error::FieldOf(refused.status()), "offer.to_hotline");
}

TEST(RecusalTest, AnAccusedUnitNeitherLeadsNorAssists) {
  World world;
  OrderContent content = Open();
  content.add_accused_units("gongan");
  content.set_lead_unit("gongan");
  const auto lead = world.Execute(0, MakeRegistration(content, "110"));
  EXPECT_EQ(error::ReasonOf(lead.status()), Reason::ERROR_REASON_UNIT_RECUSED);
  EXPECT_EQ(error::FieldOf(lead.status()), "content.lead_unit");
  EXPECT_NE(error::ChineseOf(lead.status()).find("回避"), std::string::npos);
  content.set_lead_unit("minzheng");
  content.add_assist_units("gongan");
  const auto assist = world.Execute(0, MakeRegistration(content, "110"));
  EXPECT_EQ(error::FieldOf(assist.status()), "content.assist_units[0]");
  EXPECT_EQ(error::FieldOf(world.Execute(0, MakeRegistration(content, "")).status()),
            "registration.content.assist_units[0]");
  content.clear_assist_units();

  const auto id = world.Execute(0, MakeRegistration(content, "110"));
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_THAT(world.LastEvent(0).offered().registered().accused_units(), ElementsAre("gongan"));
  world.Settle();
  const std::string twin = world.Twin(0, *id);
  // Across sites too: the taker knows from the content.
  EXPECT_THAT(world.Order(1, twin).facts().recused_units(), ElementsAre("gongan"));
  world.Do(1, Act::kAccept, twin);
  Command dispatch = MakeCommand(Act::kDispatch, twin, "", world.now());
  dispatch.mutable_unit_dispatch()->clear_assist_units();
  dispatch.mutable_unit_dispatch()->set_lead_unit("gongan");
  EXPECT_EQ(error::FieldOf(world.Execute(1, dispatch).status()), "unit_dispatch.lead_unit");
  dispatch.mutable_unit_dispatch()->set_lead_unit("minzheng");
  dispatch.mutable_unit_dispatch()->add_assist_units("gongan");
  EXPECT_EQ(error::FieldOf(world.Execute(1, dispatch).status()), "unit_dispatch.assist_units[0]");
  dispatch.mutable_unit_dispatch()->clear_assist_units();
  ASSERT_TRUE(world.Execute(1, dispatch).ok());
  // The recusal is on record, at both sites.
  EXPECT_THAT(world.LastEvent(1).dispatched().recused_units(), ElementsAre("gongan"));
  world.Settle();
  EXPECT_THAT(world.Order(0, *id).facts().recused_units(), ElementsAre("gongan"));
  EXPECT_EQ(world.fault(), "");
}

TEST(RecusalTest, AnAccusedUnitDoesNoneOfTheWorkNorSpeaksToWhomComplained) {
  World world;
  OrderContent content = SampleContent();
  content.add_accused_units("gongan");
  const std::string id = world.Register(0, content, /*push=*/false);
  world.Do(0, Act::kAccept, id);
  const auto refused = [&](const Command& command) {
    const absl::Status status = world.Execute(0, command).status();
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_UNIT_RECUSED) << command.DebugString();
    EXPECT_NE(error::ChineseOf(status).find("回避"), std::string::npos);
    return error::FieldOf(status);
  };
  Command progress = MakeCommand(Act::kProgress, id, "", world.now());
  progress.mutable_progress()->set_unit("gongan");
  EXPECT_EQ(refused(progress), "progress.unit");
  Command contact = MakeCommand(Act::kContact, id, "", world.now());
  contact.mutable_caller_contact()->set_unit("gongan");
  EXPECT_EQ(refused(contact), "caller_contact.unit");
  Command finish = MakeCommand(Act::kFinish, id, "", world.now());
  finish.mutable_completion()->mutable_reply()->set_unit("gongan");
  EXPECT_EQ(refused(finish), "completion.reply.unit");
  // Nor in somebody else's name.
  for (const Act act : {Act::kProgress, Act::kContact, Act::kFinish, Act::kAskExtension}) {
    Command command = MakeCommand(act, id, "", world.now());
    command.mutable_header()->mutable_actor()->set_unit("gongan");
    EXPECT_EQ(refused(command), "header.actor.unit");
    command.mutable_header()->mutable_actor()->set_unit("housing");
    EXPECT_TRUE(Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).ok());
  }
  world.Do(0, Act::kDispatch, id);
  Command sign = MakeCommand(Act::kSign, id, "", world.now());
  sign.mutable_header()->mutable_actor()->set_unit("gongan");
  EXPECT_EQ(refused(sign), "header.actor.unit");
  world.Do(0, Act::kSign, id);
  world.Do(0, Act::kFinish, id);
  Command call_back = MakeCommand(Act::kCallBack, id, "", world.now());
  call_back.mutable_header()->mutable_actor()->set_unit("gongan");
  EXPECT_EQ(refused(call_back), "header.actor.unit");
  world.Do(0, Act::kCallBack, id);
  EXPECT_EQ(world.fault(), "");
}

TEST(RecusalTest, AnAccusedUnitTakesNoStep) {
  World world;
  OrderContent content = SampleContent();
  content.add_accused_units("gongan");
  const std::string id = world.Register(0, content, /*push=*/false);
  // Each is legal, for whoever is not accused, as far as it is theirs: `housing` leads.
  using Units = std::initializer_list<const char*>;
  const auto expect = [&](std::initializer_list<Act> acts, Units others = {"", "housing", "minzheng"}) {
    for (const Act act : acts) {
      Command command = MakeCommand(act, id, "110", world.now());
      const auto by = [&](const char* unit) {
        command.mutable_header()->mutable_actor()->set_unit(unit);
        return Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).status();
      };
      const absl::Status refused = by("gongan");
      EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED) << command.DebugString();
      EXPECT_EQ(error::FieldOf(refused), "header.actor.unit");
      for (const char* unit : others) {
        const absl::Status status = by(unit);
        EXPECT_TRUE(status.ok()) << status << command.DebugString();
      }
    }
  };
  expect({Act::kCancel, Act::kAccept, Act::kRule, Act::kCallPartners});
  Command offer = MakeCommand(Act::kOffer, id, "", world.now());
  offer.mutable_offer()->set_to_hotline("110");
  offer.mutable_header()->mutable_actor()->set_unit("gongan");
  const absl::Status pushed =
      Decide(&world.Order(0, id), offer, NewOrder(), world.site(0), world.now()).status();
  EXPECT_EQ(error::ReasonOf(pushed), Reason::ERROR_REASON_UNIT_RECUSED) << pushed;
  world.Do(0, Act::kAccept, id);
  expect({Act::kDispatch, Act::kProgress, Act::kContact, Act::kFinish, Act::kExtend, Act::kAskExtension,
          Act::kSuspend, Act::kCancel, Act::kRule});
  world.Do(0, Act::kRemind, id);
  expect({Act::kAcknowledge});
  world.Do(0, Act::kAskExtension, id);
  expect({Act::kGrantExtension});
  world.Do(0, Act::kSuspend, id);
  expect({Act::kResume});
  world.Do(0, Act::kResume, id);
  world.Do(0, Act::kDispatch, id);
  expect({Act::kSign, Act::kReturnFromUnit}, {"", "housing"});
  expect({Act::kAssist}, {"", "water"});
  expect({Act::kReassign}, {"", "minzheng"});
  world.Do(0, Act::kSign, id);
  world.Do(0, Act::kFinish, id);
  expect({Act::kRedo, Act::kCallBack, Act::kClose}, {"", "minzheng"});
  world.Do(0, Act::kClose, id);
  expect({Act::kReopen}, {"", "minzheng"});
  EXPECT_EQ(world.fault(), "");
}

TEST(RecusalTest, AnAccusedUnitSettlesNothingBetweenHotlines) {
  World world;
  OrderContent content = SampleContent();
  content.add_accused_units("gongan");
  const std::string id = world.Register(0, content, /*push=*/true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  const auto expect = [&](int at, const std::string& order, Act act) {
    Command command = MakeCommand(act, order, "", world.now());
    FitTo(world.Order(at, order), &command);
    const auto by = [&](const char* unit) {
      command.mutable_header()->mutable_actor()->set_unit(unit);
      return Decide(&world.Order(at, order), command, NewOrder(), world.site(at), world.now()).status();
    };
    const absl::Status refused = by("gongan");
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED) << command.DebugString();
    EXPECT_EQ(error::FieldOf(refused), "header.actor.unit");
    EXPECT_TRUE(by("minzheng").ok()) << command.DebugString();
  };
  expect(0, id, Act::kRecall);
  expect(0, id, Act::kVoiceReturns);
  for (const Act act : {Act::kAccept, Act::kDispute, Act::kVoiceAccepts}) expect(1, twin, act);
  EXPECT_EQ(world.fault(), "");
}

// Each partner gets an order of its own, which no step on the incident need have come before.
TEST(RecusalTest, AnAccusedUnitCallsNobodyToTheIncident) {
  World world;
  OrderContent content = SampleContent();
  content.add_accused_units("gongan");
  const std::string incident = world.Register(0, content, /*push=*/false);
  Command call = MakeRegistration(SampleContent(), "110");
  call.mutable_registration()->set_parent_order_id(incident);
  for (const bool own_content : {true, false}) {
    if (!own_content) call.mutable_registration()->clear_content();
    call.mutable_header()->mutable_actor()->set_unit("gongan");
    const absl::Status refused = world.Execute(0, call).status();
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED) << refused;
    EXPECT_EQ(error::FieldOf(refused), "header.actor.unit");
    call.mutable_header()->mutable_actor()->set_unit("minzheng");
    const absl::Status called = world.Execute(0, call).status();
    EXPECT_TRUE(called.ok()) << called;
  }
  EXPECT_EQ(world.fault(), "");
}

TEST(RecusalTest, AnAccusedUnitDoesNotSeparateWhatWasMerged) {
  World world;
  OrderContent content = SampleContent();
  content.add_accused_units("gongan");
  const std::string id = world.Register(0, content, /*push=*/false);
  const std::string kept = world.Register(0, SampleContent(), /*push=*/false);
  Command merger = MakeCommand(Act::kProgress, id, "", world.now());
  merger.mutable_merger()->set_into_order_id(kept);
  merger.mutable_merger()->set_reason("同一事项");
  ASSERT_TRUE(world.Execute(0, merger).ok());
  Command separation = MakeCommand(Act::kProgress, id, "", world.now());
  separation.mutable_separation()->set_reason("并非同一事项");
  separation.mutable_header()->mutable_actor()->set_unit("gongan");
  EXPECT_EQ(error::ReasonOf(world.Execute(0, separation).status()), Reason::ERROR_REASON_UNIT_RECUSED);
  separation.mutable_header()->mutable_actor()->set_unit("minzheng");
  EXPECT_TRUE(world.Execute(0, separation).ok());
  EXPECT_EQ(world.fault(), "");
}

TEST(RecusalTest, ARulingMayNotNameTheAccused) {
  World world;
  OrderContent content = Open();
  content.add_accused_units("gongan");
  const std::string id = world.Register(0, content, /*push=*/false);
  Command ruling = MakeCommand(Act::kRule, id, "", world.now());
  ruling.mutable_ruling()->set_unit("gongan");
  EXPECT_EQ(error::FieldOf(world.Execute(0, ruling).status()), "ruling.unit");
  ruling.mutable_ruling()->set_unit("minzheng");
  EXPECT_TRUE(world.Execute(0, ruling).ok());
}

Command Accusation(const std::string& id, std::initializer_list<const char*> units) {
  Command command = MakeCommand(Act::kAccuse, id, "", absl::UnixEpoch());
  command.mutable_accusation()->clear_units();
  for (const char* unit : units) command.mutable_accusation()->add_units(unit);
  return command;
}

// At 12345 (site 0) a matter that 110 (site 1) took and its unit `housing` has, with `water` to help.
class AccusationTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.BeStrict();
    id_ = world_.Register(0, SampleContent(), /*push=*/true);
    world_.Settle();
    twin_ = world_.Twin(0, id_);
    world_.Do(1, Act::kAccept, twin_);
    world_.Do(1, Act::kDispatch, twin_);
    world_.Do(1, Act::kSign, twin_);
    world_.Settle();
  }
  void TearDown() override {
    world_.Settle();
    EXPECT_EQ(world_.fault(), "");
  }
  void Accuse(int at, std::initializer_list<const char*> units) {
    const absl::Status accused = world_.Execute(at, Accusation(at == 0 ? id_ : twin_, units)).status();
    ASSERT_TRUE(accused.ok()) << accused;
  }
  Command Dispatch(const char* lead) const {
    Command dispatch = MakeCommand(Act::kDispatch, twin_, "", world_.now());
    dispatch.mutable_unit_dispatch()->clear_assist_units();
    dispatch.mutable_unit_dispatch()->set_lead_unit(lead);
    return dispatch;
  }
  static std::string UnitsOf(const type::v1::WorkOrder& order) {
    std::string units;
    for (const type::v1::UnitTask& task : order.units()) units += task.unit() + " ";
    return units;
  }

  World world_;
  std::string id_, twin_;
};

// 110 told 12345 that its unit's part had ended, and has lost that; the accusation it has again.
TEST_F(AccusationTest, WhatItEndedIsToldOnceAlsoAfterALoss) {
  Accuse(0, {"housing"});
  ASSERT_TRUE(world_.Deliver(0, 1));
  const exchange::v1::Envelope answer = world_.Owed(1, 0).back();
  exchange::v1::MirrorBody body;
  ASSERT_TRUE(body.ParseFromString(answer.body()));
  ASSERT_EQ(body.event().actor().account(), "service/work_order");
  const type::v1::WorkOrder& order = world_.Order(1, twin_);
  EXPECT_TRUE(WasTold(order, body.event().told_key()));
  const Received again = DecideRecovered(&order, answer, {}, world_.site(1), world_.now());
  EXPECT_FALSE(again.changes && again.change.event.has_accused());
}

TEST_F(AccusationTest, TheHoldersDeskTakesItFromItsLeadUnit) {
  Accuse(1, {"housing"});
  const type::v1::WorkOrder& order = world_.Order(1, twin_);
  EXPECT_EQ(order.state(), type::v1::ORDER_STATE_ACCEPTED) << "the desk has the duty";
  EXPECT_EQ(order.units_size(), 0);
  EXPECT_THAT(order.facts().recused_units(), ElementsAre("housing"));
  ASSERT_EQ(order.unit_moves_size(), 1);
  EXPECT_TRUE(order.unit_moves(0).recused());
  EXPECT_EQ(order.facts().unit_return_count(), 0) << "it gave nothing back";
  EXPECT_EQ(world_.LastEvent(1).accused().recused_lead(), "housing");
  world_.Settle();
  EXPECT_EQ(world_.Order(0, id_).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_THAT(world_.Order(0, id_).facts().recused_units(), ElementsAre("housing"));
  EXPECT_TRUE(world_.LastEvent(0).mirrored());
  EXPECT_EQ(world_.LastEvent(0).accused().accusation().reason(), "来电人称承办单位即被反映单位");

  const absl::Status again = world_.Execute(1, Dispatch("housing")).status();
  EXPECT_EQ(error::ReasonOf(again), Reason::ERROR_REASON_UNIT_RECUSED);
  EXPECT_NE(error::ChineseOf(again).find("回避"), std::string::npos);
  EXPECT_TRUE(world_.Execute(1, Dispatch("chengguan")).ok());
}

TEST_F(AccusationTest, AnotherUnitHasItAtOnce) {
  Command accusation = Accusation(twin_, {"housing"});
  accusation.mutable_accusation()->mutable_dispatch()->set_lead_unit("housing");
  EXPECT_EQ(error::FieldOf(world_.Execute(1, accusation).status()), "accusation.dispatch.lead_unit");
  accusation.mutable_accusation()->mutable_dispatch()->set_lead_unit("chengguan");
  ASSERT_TRUE(world_.Execute(1, accusation).ok());
  EXPECT_EQ(world_.Order(1, twin_).state(), type::v1::ORDER_STATE_DISPATCHED);
  EXPECT_EQ(UnitsOf(world_.Order(1, twin_)), "chengguan ");
  world_.Settle();
  EXPECT_EQ(UnitsOf(world_.Order(0, id_)), "chengguan ");
  // Only whom the accused had it from can say who has it instead.
  Command vain = Accusation(twin_, {"water"});
  vain.mutable_accusation()->mutable_dispatch()->set_lead_unit("housing2");
  EXPECT_EQ(error::FieldOf(world_.Execute(1, vain).status()), "accusation.dispatch");
}

TEST_F(AccusationTest, AnAssistingUnitsPartEndsAndNothingElse) {
  Accuse(1, {"water"});
  EXPECT_EQ(world_.Order(1, twin_).state(), type::v1::ORDER_STATE_SIGNED);
  EXPECT_EQ(UnitsOf(world_.Order(1, twin_)), "housing ");
  EXPECT_THAT(world_.LastEvent(1).accused().recused_assists(), ElementsAre("water"));
  world_.Settle();
  EXPECT_EQ(UnitsOf(world_.Order(0, id_)), "housing ");
}

// The caller tells the hotline that was called first, which does not hold the order.
TEST_F(AccusationTest, TheOriginTellsAndTheHoldersSiteActs) {
  Accuse(0, {"housing"});
  EXPECT_EQ(world_.Order(0, id_).state(), type::v1::ORDER_STATE_SIGNED) << "not its to say";
  world_.Settle();
  EXPECT_EQ(world_.Order(1, twin_).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(world_.Order(1, twin_).units_size(), 0);
  EXPECT_EQ(world_.Order(0, id_).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_THAT(world_.Order(1, twin_).facts().recused_units(), ElementsAre("housing"));
  // Whom to give it to instead is the holder's affair.
  Command vain = Accusation(id_, {"water"});
  vain.mutable_accusation()->mutable_dispatch()->set_lead_unit("chengguan");
  EXPECT_EQ(error::FieldOf(world_.Execute(0, vain).status()), "accusation.dispatch");
}

TEST_F(AccusationTest, BothSitesAtOnceComeToOneView) {
  Accuse(0, {"housing"});
  Accuse(1, {"water", "housing"});
  world_.Settle();
  for (const type::v1::WorkOrder* order : {&world_.Order(0, id_), &world_.Order(1, twin_)}) {
    EXPECT_THAT(order->facts().recused_units(), testing::UnorderedElementsAre("housing", "water"));
    EXPECT_EQ(order->state(), type::v1::ORDER_STATE_ACCEPTED);
    EXPECT_EQ(order->units_size(), 0);
  }
  // Known at both: nothing new.
  const absl::Status known = world_.Execute(0, Accusation(id_, {"water"})).status();
  EXPECT_EQ(error::FieldOf(known), "accusation.units");
}

TEST_F(AccusationTest, WhatIsToBeDoneAgainIsAnothersToDo) {
  world_.Do(1, Act::kFinish, twin_);
  world_.Settle();
  Accuse(0, {"housing"});
  world_.Settle();
  EXPECT_EQ(world_.Order(1, twin_).state(), type::v1::ORDER_STATE_REPLIED);
  world_.Do(0, Act::kRedo, id_);
  EXPECT_EQ(world_.Order(0, id_).units_size(), 0);
  world_.Settle();
  const type::v1::WorkOrder& order = world_.Order(1, twin_);
  EXPECT_EQ(order.state(), type::v1::ORDER_STATE_REDO);
  EXPECT_EQ(order.units_size(), 0);
  ASSERT_EQ(order.unit_moves_size(), 1);
  EXPECT_TRUE(order.unit_moves(0).recused());
  EXPECT_EQ(error::ReasonOf(world_.Execute(1, Dispatch("housing")).status()),
            Reason::ERROR_REASON_UNIT_RECUSED);
  ASSERT_TRUE(world_.Execute(1, Dispatch("chengguan")).ok());
  world_.Settle();
  EXPECT_EQ(world_.Order(0, id_).state(), type::v1::ORDER_STATE_DISPATCHED);
}

// What the two do at once, when the result is already there: the demand stands.
TEST_F(AccusationTest, CrossesTheDemandToDoItAgain) {
  world_.Do(1, Act::kFinish, twin_);
  world_.Settle();
  world_.Do(0, Act::kRedo, id_);
  Accuse(1, {"xinfang"});
  world_.Settle();
  for (const type::v1::WorkOrder* order : {&world_.Order(0, id_), &world_.Order(1, twin_)}) {
    EXPECT_EQ(order->state(), type::v1::ORDER_STATE_REDO);
    EXPECT_EQ(order->facts().redo_count(), 1);
    EXPECT_THAT(order->facts().recused_units(), ElementsAre("xinfang"));
  }
}

// The peer demands it again from whom it knows to have done it, before it hears whom the matter accuses.
TEST_F(AccusationTest, WhomItAccusesDoesNotGetItBackByADemandThatCrosses) {
  world_.Do(1, Act::kFinish, twin_);
  world_.Settle();
  world_.Do(0, Act::kRedo, id_);
  Accuse(1, {"housing"});
  world_.Settle();
  EXPECT_EQ(UnitsOf(world_.Order(1, twin_)), "");
  ASSERT_EQ(world_.Order(1, twin_).unit_moves_size(), 1);
  EXPECT_TRUE(world_.Order(1, twin_).unit_moves(0).recused());
  EXPECT_EQ(UnitsOf(world_.Order(0, id_)), "") << "the peer hears of it";
  EXPECT_EQ(SharedView(world_.Order(0, id_)), SharedView(world_.Order(1, twin_)));
  EXPECT_EQ(world_.Order(1, twin_).state(), type::v1::ORDER_STATE_REDO);
  EXPECT_TRUE(world_.Execute(1, Dispatch("chengguan")).ok());
}

TEST_F(AccusationTest, APeersListDoesNotDisplaceThisSites) {
  world_.Do(1, Act::kFinish, twin_);
  world_.Settle();
  world_.Do(0, Act::kRedo, id_);
  Accuse(1, {"housing"});
  exchange::v1::Envelope& demand = world_.Owed(0).back();
  exchange::v1::MirrorBody body;
  ASSERT_TRUE(body.ParseFromString(demand.body()));
  body.mutable_facts()->add_recused_units("");
  body.mutable_facts()->add_recused_units(std::string(5000, 'x'));
  for (int i = 0; i < 100; ++i) body.mutable_facts()->add_recused_units("unit" + std::to_string(i));
  demand.set_body(body.SerializeAsString());
  ASSERT_TRUE(world_.Deliver(0));
  const auto& recused = world_.Order(1, twin_).facts().recused_units();
  EXPECT_EQ(recused.size(), kMaxRecusedUnits);
  EXPECT_EQ(recused.Get(0), "housing");
  EXPECT_EQ(recused.Get(1), "unit0") << "what is no name is left out";
  EXPECT_EQ(UnitsOf(world_.Order(1, twin_)), "");
}

TEST_F(AccusationTest, ARulingDoesNotStandInTheWay) {
  ASSERT_TRUE(world_.Try(1, Act::kRule, twin_).ok()) << "for housing";
  EXPECT_EQ(error::FieldOf(world_.Execute(1, Accusation(twin_, {})).status()), "accusation.units");
  Accuse(1, {"housing"});
  EXPECT_TRUE(world_.Execute(1, Dispatch("chengguan")).ok());
}

TEST(AccusationsTest, GoWithTheOrderWhereverItGoes) {
  World world(3);
  world.BeStrict();
  const std::string id = world.Register(0, SampleContent(), /*push=*/false);
  ASSERT_TRUE(world.Execute(0, Accusation(id, {"water"})).ok());
  world.Push(0, id, 1);
  // Behind an offer that the peer has not read.
  ASSERT_TRUE(world.Execute(0, Accusation(id, {"housing"})).ok());
  world.Settle();
  const std::string second = world.Twin(0, id);
  EXPECT_THAT(world.Order(1, second).facts().recused_units(), ElementsAre("water", "housing"));
  // Passed on, and accused at the end and at the beginning of the way.
  world.Do(1, Act::kAccept, second);
  world.Settle();
  world.Push(1, second, 2);
  world.Settle();
  const std::string third = world.Twin(1, second);
  EXPECT_THAT(world.Order(2, third).facts().recused_units(), ElementsAre("water", "housing"));
  world.Do(2, Act::kAccept, third);
  world.Settle();
  Command dispatch = MakeCommand(Act::kDispatch, third, "", world.now());
  dispatch.mutable_unit_dispatch()->set_lead_unit("chengguan");
  dispatch.mutable_unit_dispatch()->clear_assist_units();
  ASSERT_TRUE(world.Execute(2, dispatch).ok());
  world.Settle();
  ASSERT_TRUE(world.Execute(0, Accusation(id, {"chengguan"})).ok());
  world.Settle();
  EXPECT_EQ(world.Order(2, third).state(), type::v1::ORDER_STATE_ACCEPTED);
  ASSERT_TRUE(world.Execute(2, Accusation(third, {"xinfang"})).ok());
  world.Settle();
  const std::vector<std::string> copies = {id, second, third};
  for (int at = 0; at < 3; ++at) {
    EXPECT_THAT(world.Order(at, copies[at]).facts().recused_units(),
                ElementsAre("water", "housing", "chengguan", "xinfang"))
        << at;
    EXPECT_EQ(world.Order(at, copies[at]).state(), type::v1::ORDER_STATE_ACCEPTED) << at;
  }
  EXPECT_EQ(world.fault(), "");
}

// Neither giving it back nor hiding it in another order is a step of whom it accuses.
TEST_F(AccusationTest, WhomItAccusesNeitherReturnsNorMergesIt) {
  const std::string offered = world_.Register(0, SampleContent(), /*push=*/true);
  world_.Settle();
  const std::string here = world_.Twin(0, offered);
  ASSERT_TRUE(world_.Execute(1, Accusation(here, {"gongan"})).ok());
  const auto decide = [&](Command command, const char* unit) {
    command.mutable_header()->mutable_actor()->set_unit(unit);
    NewOrder fresh;
    fresh.kept = &world_.Order(1, twin_);
    return Decide(&world_.Order(1, here), command, fresh, world_.site(1), world_.now()).status();
  };
  Command merger = MakeCommand(Act::kProgress, here, "", world_.now());
  merger.mutable_merger()->set_into_order_id(twin_);
  merger.mutable_merger()->set_reason("同一事项");
  const auto expect = [&](const Command& command) {
    const absl::Status refused = decide(command, "gongan");
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED) << refused;
    EXPECT_EQ(error::FieldOf(refused), "header.actor.unit");
    EXPECT_TRUE(decide(command, "minzheng").ok()) << decide(command, "minzheng");
  };
  expect(MakeCommand(Act::kReturn, here, "", world_.now()));
  world_.Do(1, Act::kAccept, here);
  world_.Settle();
  expect(merger);
}

// The giver gets it back with all that is known by then, and may give it to none of them.
TEST(AccusationsTest, StandWhenTheOrderComesBack) {
  World world;
  world.BeStrict();
  OrderContent content = SampleContent();
  content.add_accused_units("gongan");
  const std::string id = world.Register(0, content, /*push=*/true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  ASSERT_TRUE(world.Execute(1, Accusation(twin, {"housing"})).ok());
  ASSERT_TRUE(world.Execute(0, Accusation(id, {"water"})).ok()) << "crosses it";
  world.Do(1, Act::kReturn, twin);
  world.Settle();
  EXPECT_EQ(world.Order(0, id).state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_THAT(world.Order(0, id).facts().recused_units(),
              testing::UnorderedElementsAre("gongan", "water", "housing"));
  // Not in the new offer, and not here.
  world.Push(0, id, 1);
  world.Settle();
  const std::string again = world.Twin(0, id);
  EXPECT_THAT(world.Order(1, again).facts().recused_units(),
              testing::UnorderedElementsAre("gongan", "water", "housing"));
  world.Do(1, Act::kAccept, again);
  for (const char* unit : {"gongan", "water", "housing"}) {
    Command dispatch = MakeCommand(Act::kDispatch, again, "", world.now());
    dispatch.mutable_unit_dispatch()->clear_assist_units();
    dispatch.mutable_unit_dispatch()->set_lead_unit(unit);
    const absl::Status refused = world.Execute(1, dispatch).status();
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED) << unit << refused;
  }
  world.Settle();
  EXPECT_EQ(world.fault(), "");
}

// The order comes back to its first site and is worked on there in a second copy: the first one only follows,
// though its site is the holder.
TEST(AccusationsTest, TheCopyThatFollowsTakesWhatIsToldAndEndsNothing) {
  for (const bool onward : {false, true}) {
    SCOPED_TRACE(onward);
    World world(3);
    world.BeStrict();
    const std::string first = world.Register(0, SampleContent(), /*push=*/false);
    world.Push(0, first, 1);
    world.Settle();
    const std::string second = world.Twin(0, first);
    world.Do(1, Act::kAccept, second);
    world.Settle();
    world.Push(1, second, 0);
    world.Settle();
    const std::string third = world.Twin(1, second);
    world.Do(0, Act::kAccept, third);
    world.Settle();
    world.Do(0, Act::kDispatch, third);
    world.Settle();
    ASSERT_EQ(world.Order(0, first).state(), type::v1::ORDER_STATE_DISPATCHED);
    ASSERT_EQ(world.Order(0, third).units(0).unit(), "housing");
    // On offer to somebody else nothing ends by it; in hand the lead unit's turn does.
    if (onward) world.Push(0, third, 2);
    ASSERT_TRUE(world.Execute(0, Accusation(third, {"housing"})).ok());
    world.Settle();
    const type::v1::OrderState state =
        onward ? type::v1::ORDER_STATE_DISPATCHED : type::v1::ORDER_STATE_ACCEPTED;
    EXPECT_EQ(world.Order(1, second).state(), state);
    EXPECT_EQ(world.Order(0, first).state(), state);
    EXPECT_EQ(world.Order(0, first).units_size(), onward ? 2 : 0);
    EXPECT_EQ(world.Order(1, second).units_size(), onward ? 2 : 0);
    EXPECT_THAT(world.Order(0, first).facts().recused_units(), ElementsAre("housing"));
    EXPECT_EQ(world.fault(), "");
  }
}

TEST(RecusalTest, AccusedUnitsAreKnownAndNamedOnce) {
  World world;
  OrderContent content = Open();
  content.add_accused_units("gongan");
  content.add_accused_units("gongan");
  EXPECT_EQ(error::FieldOf(world.Execute(0, MakeRegistration(content, "110")).status()),
            "content.accused_units[1]");
  content.mutable_accused_units()->Clear();
  content.add_accused_units("No Unit");
  EXPECT_EQ(error::ReasonOf(world.Execute(0, MakeRegistration(content, "110")).status()),
            Reason::ERROR_REASON_FIELD_INVALID);
}

}  // namespace
}  // namespace hotline::work_order
