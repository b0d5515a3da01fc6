// How an order was routed, and units that may have no part in it (回避).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error/error.h"
#include "services/work_order/core/decide.h"
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
