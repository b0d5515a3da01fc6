#include "services/hotlinectl/core/order_form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotline::hotlinectl {
namespace {

TEST(OrderFormTest, WhatASiteAwaitsNeedsTheTelephone) {
  using Request = dispatch::v1::PushWorkOrderRequest;
  EXPECT_FALSE(NeedsTelephone(Request()));
  Request request;
  request.mutable_content()->set_urgency(type::v1::URGENCY_URGENT);
  request.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_POLICE_ASSIST);
  request.mutable_offer()->mutable_scene()->set_request(type::v1::SCENE_REQUEST_PUSH);
  request.mutable_facts()->set_danger(type::v1::ANSWER_NO);
  request.mutable_facts()->set_stability_clue(type::v1::ANSWER_NO);
  EXPECT_FALSE(NeedsTelephone(request));
  const auto needs = [&](auto change) {
    Request changed = request;
    change(changed);
    return NeedsTelephone(changed);
  };
  EXPECT_TRUE(needs([](Request& r) { r.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY); }));
  EXPECT_TRUE(needs([](Request& r) { r.mutable_facts()->set_danger(type::v1::ANSWER_YES); }));
  EXPECT_TRUE(needs([](Request& r) { r.mutable_facts()->set_stability_clue(type::v1::ANSWER_YES); }));
  EXPECT_TRUE(needs([](Request& r) { r.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE); }));
  EXPECT_TRUE(needs([](Request& r) {
    r.mutable_offer()->mutable_scene()->set_request(type::v1::SCENE_REQUEST_BRING_UNIT);
  }));
}

TEST(OrderFormTest, UnitsOfAPush) {
  dispatch::v1::PushWorkOrderRequest request;
  request.mutable_content()->set_lead_unit("a");
  request.mutable_content()->add_assist_units("b");
  request.mutable_content()->add_assist_units("c");
  request.mutable_content()->add_accused_units("d");
  request.mutable_header()->mutable_actor()->set_unit("e");
  EXPECT_EQ(UnitAt(request, "content.lead_unit"), "a");
  EXPECT_EQ(UnitAt(request, "requests[12].content.assist_units[1]"), "c");
  EXPECT_EQ(UnitAt(request, "content.accused_units[0]"), "d");
  EXPECT_EQ(UnitAt(request, "header.actor.unit"), "e");
  for (const char* none : {"", "content.title", "content.assist_units", "content.assist_units[2]",
                           "content.assist_units[", "content.assist_units[x]", "requests[3]"}) {
    EXPECT_EQ(UnitAt(request, none), "") << none;
  }
  EXPECT_THAT(SplitUnits(" a，b、c;; d "), testing::ElementsAre("a", "b", "c", "d"));
}

}  // namespace
}  // namespace hotline::hotlinectl
