#include "services/hotlinectl/core/order_form.h"

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

}  // namespace
}  // namespace hotline::hotlinectl
