// Decisions of the notifier: addresses, signatures, what an answer means, when and in which words somebody is
// told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "absl/strings/escaping.h"
#include "common/base/clock.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/escalation/notify/core/address.h"
#include "services/escalation/notify/core/plan.h"
#include "services/escalation/notify/core/webhook.h"

namespace hotline::escalation::notify {
namespace {

using testing::HasSubstr;

std::string V4(int a, int b, int c, int d) {
  return {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
}
std::string V6(std::initializer_list<int> words) {
  std::string bytes;
  for (const int word : words) bytes += {static_cast<char>(word >> 8), static_cast<char>(word & 0xff)};
  return bytes;
}

TEST(AddressTest, OnlyThePublicInternet) {
  for (const std::string& address : {V4(0, 0, 0, 0),
                                     V4(10, 1, 2, 3),
                                     V4(100, 64, 0, 1),
                                     V4(100, 127, 255, 255),
                                     V4(127, 0, 0, 1),
                                     V4(127, 255, 0, 1),
                                     V4(169, 254, 169, 254),
                                     V4(172, 16, 0, 1),
                                     V4(172, 31, 255, 255),
                                     V4(192, 0, 0, 8),
                                     V4(192, 0, 2, 1),
                                     V4(192, 168, 1, 1),
                                     V4(198, 18, 0, 1),
                                     V4(198, 19, 255, 255),
                                     V4(198, 51, 100, 7),
                                     V4(203, 0, 113, 9),
                                     V4(224, 0, 0, 1),
                                     V4(240, 0, 0, 1),
                                     V4(255, 255, 255, 255),
                                     V6({0, 0, 0, 0, 0, 0, 0, 0}),
                                     V6({0, 0, 0, 0, 0, 0, 0, 1}),
                                     V6({0, 0, 0, 0, 0, 0xffff, 0x7f00, 1}),
                                     V6({0, 0, 0, 0, 0, 0xffff, 0x0a00, 1}),
                                     V6({0x64, 0xff9b, 0, 0, 0, 0, 0xa9fe, 0xa9fe}),
                                     V6({0x2002, 0x7f00, 1, 0, 0, 0, 0, 1}),
                                     V6({0x2001, 0, 0x1234, 0, 0, 0, 0, 1}),
                                     V6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}),
                                     V6({0xfc00, 0, 0, 0, 0, 0, 0, 1}),
                                     V6({0xfd12, 0, 0, 0, 0, 0, 0, 1}),
                                     V6({0xfe80, 0, 0, 0, 0, 0, 0, 1}),
                                     V6({0xfec0, 0, 0, 0, 0, 0, 0, 1}),
                                     V6({0xff02, 0, 0, 0, 0, 0, 0, 1}),
                                     V6({0, 0, 0, 0, 0, 0, 0x7f00, 1}),
                                     std::string(),
                                     std::string("abc"),
                                     std::string(108, 'x')}) {
    EXPECT_FALSE(IsPublicAddress(address)) << absl::BytesToHexString(address);
  }
  for (const std::string& address :
       {V4(1, 1, 1, 1), V4(9, 255, 255, 255), V4(11, 0, 0, 0), V4(100, 63, 255, 255), V4(100, 128, 0, 0),
        V4(126, 0, 0, 1), V4(128, 0, 0, 1), V4(172, 15, 0, 1), V4(172, 32, 0, 1), V4(192, 0, 1, 1),
        V4(192, 167, 0, 1), V4(223, 255, 255, 255), V6({0x2400, 0x3200, 0, 0, 0, 0, 0, 1}),
        V6({0x2001, 0x4860, 0, 0, 0, 0, 0, 0x8888}), V6({0, 0, 0, 0, 0, 0xffff, 0x0101, 0x0101}),
        V6({0x64, 0xff9b, 0, 0, 0, 0, 0x0101, 0x0101})}) {
    EXPECT_TRUE(IsPublicAddress(address)) << absl::BytesToHexString(address);
  }
}

TEST(SignatureTest, OneForEachSecret) {
  const absl::Time at = absl::FromUnixSeconds(1'764'200'000);
  const std::string one = SignatureHeader({{"a", "secret-one-secret-one"}}, "id1", at, "{}");
  EXPECT_EQ(one, "a=" + absl::BytesToHexString(HmacSha256("secret-one-secret-one", {"id1.1764200000.{}"})));
  const std::string both =
      SignatureHeader({{"a", "secret-one-secret-one"}, {"b", "secret-two-secret-two"}}, "id1", at, "{}");
  EXPECT_THAT(both, HasSubstr(one + ", b="));
}

TEST(AnswerTest, WhatEachMeans) {
  const absl::Time now = absl::FromUnixSeconds(1'764'200'000);
  const auto judge = [&](int status, std::string body = "", std::string retry_after = "") {
    return Judge(
        {.status = status, .error = "", .retry_after = std::move(retry_after), .body = std::move(body)}, now);
  };
  EXPECT_EQ(judge(200).verdict, Verdict::kReached);
  EXPECT_EQ(judge(204).verdict, Verdict::kReached);
  EXPECT_EQ(judge(202, R"({"result": "pending"})").verdict, Verdict::kPending);
  EXPECT_EQ(judge(200, R"({"a":1,"result":"not_reached"})").verdict, Verdict::kNotReached);
  EXPECT_EQ(judge(200, R"({"result" : )").verdict, Verdict::kReached);
  for (const int status : {408, 425, 429, 500, 502, 503, 504})
    EXPECT_EQ(judge(status).verdict, Verdict::kRetry) << status;
  for (const int status : {301, 302, 307, 400, 401, 403, 404, 410, 413})
    EXPECT_EQ(judge(status).verdict, Verdict::kDead) << status;
  EXPECT_THAT(judge(302).error, HasSubstr("redirects are not followed"));
  EXPECT_EQ(judge(503, "", "120").retry_after, absl::Seconds(120));
  EXPECT_EQ(judge(503, "", "999999999").retry_after, absl::Hours(24));
  EXPECT_EQ(judge(503, "", "soon").retry_after, absl::ZeroDuration());
  EXPECT_EQ(Judge({.error = "refused", .refused = true, .retry_after = {}, .body = {}}, now).verdict,
            Verdict::kDead);
  EXPECT_EQ(Judge({.error = "timeout", .retry_after = {}, .body = {}}, now).verdict, Verdict::kRetry);
  EXPECT_EQ(ParseRetryAfter("Wed, 26 Nov 2025 23:34:20 GMT", now), absl::Seconds(60));
  EXPECT_EQ(ParseRetryAfter("Wed, 26 Nov 2025 23:30:00 GMT", now), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("-5", now), std::nullopt);
}

RC_GTEST_PROP(AnswerLaw, PausesDoubleWithinTheirBounds, ()) {
  const absl::Duration min = absl::Milliseconds(*rc::gen::inRange(10, 5000));
  const absl::Duration max = min * *rc::gen::inRange(1, 200);
  const int attempt = *rc::gen::inRange(1, 120);
  const double draw = *rc::gen::inRange(0, 101) / 100.0;
  const absl::Duration pause = RetryPause(attempt, min, max, draw);
  RC_ASSERT(pause >= min / 2);
  RC_ASSERT(pause <= max);
  RC_ASSERT(RetryPause(attempt + 1, min, max, draw) >= pause);
}

v1::Notification Sample(int orders) {
  v1::Notification notification;
  notification.set_id("0123456789abcdef01234567");
  notification.set_target("zhang\"3\n");
  notification.set_person_id("a1");
  notification.set_capacity("to");
  notification.set_role("handler");
  notification.set_unit("zhujianju");
  notification.set_rung(type::v1::RUNG_URGE);
  notification.set_urgency(type::v1::URGENCY_NORMAL);
  notification.mutable_create_time()->set_seconds(1'764'200'000);
  for (int i = 0; i < orders; ++i) {
    v1::NotifiedOrder& order = *notification.add_orders();
    order.set_order_number(StrCat("12345-20261123-", 100000 + i));
    order.set_clock(type::v1::CLOCK_KIND_SIGN);
    order.mutable_due_time()->set_seconds(1'764'200'000);
    order.set_round(1);
  }
  WriteTexts("住建局", &notification);
  return notification;
}

TEST(EventTest, IsJsonOfCloudEvents) {
  const std::string body = CloudEvent(Sample(2), "12345");
  google::protobuf::Struct event;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(body, &event).ok()) << body;
  const auto& fields = event.fields();
  EXPECT_EQ(fields.at("specversion").string_value(), "1.0");
  EXPECT_EQ(fields.at("id").string_value(), "0123456789abcdef01234567");
  EXPECT_EQ(fields.at("source").string_value(), "/hotlines/12345/escalation");
  EXPECT_EQ(fields.at("subject").string_value(), "zhujianju/urge");
  EXPECT_EQ(fields.at("time").string_value(), "2025-11-26T23:33:20Z");
  const auto& data = fields.at("data").struct_value().fields();
  EXPECT_EQ(data.at("recipient").string_value(), "zhang\"3\n");
  EXPECT_EQ(data.at("orders").list_value().values_size(), 2);
  EXPECT_EQ(CloudEvent(Sample(2), "12345"), body) << "the same bytes each time";
}

TEST(EventTest, TheTextsSayHowManyAndWhich) {
  EXPECT_THAT(Sample(1).text_zh(),
              HasSubstr("【催办】住建局：工单12345-20261123-100000（签收时限2025-11-27 07:33），已超时限"));
  EXPECT_THAT(Sample(40).text_zh(), HasSubstr("工单共40件"));
  EXPECT_THAT(Sample(40).text_zh(), HasSubstr("等"));
  EXPECT_THAT(Sample(40).text_en(), HasSubstr("40 orders"));
}

config::v1::NotifyConfig Settings() {
  config::v1::NotifyConfig config;
  config.set_quiet_from("22:00");
  config.set_quiet_until("08:00");
  config.mutable_group_window_s()->set_normal(30);
  config.mutable_group_window_s()->set_urgent(2);
  config.mutable_repeat_after_s()->set_normal(14400);
  config.mutable_repeat_after_s()->set_urgent(1800);
  config.mutable_repeat_after_s()->set_emergency(300);
  *config.mutable_acknowledged_for_s() = config.repeat_after_s();
  config.set_rounds(3);
  return config;
}

absl::Time At(int day, int hour, int minute, int second = 0) {
  return absl::FromCivil(absl::CivilSecond(2026, 12, day, hour, minute, second), Beijing());
}

TEST(PolicyTest, NoUrgingAtMidnight) {
  const Policy policy(Settings());
  const auto send = [&](absl::Time t, type::v1::Urgency urgency) {
    return policy.SendTime(t, urgency, type::v1::RUNG_URGE);
  };
  EXPECT_EQ(send(At(1, 12, 0), type::v1::URGENCY_NORMAL), At(1, 12, 0, 30));
  EXPECT_EQ(send(At(1, 23, 0), type::v1::URGENCY_NORMAL), At(2, 8, 0));
  EXPECT_EQ(send(At(2, 0, 0), type::v1::URGENCY_NORMAL), At(2, 8, 0));
  EXPECT_EQ(send(At(2, 7, 59, 59), type::v1::URGENCY_NORMAL), At(2, 8, 0));
  EXPECT_EQ(send(At(1, 22, 0), type::v1::URGENCY_NORMAL), At(2, 8, 0));
  EXPECT_EQ(send(At(1, 21, 59, 50), type::v1::URGENCY_NORMAL), At(1, 21, 59, 50))
      << "not into the night for the sake of a group";
  EXPECT_EQ(send(At(2, 0, 0), type::v1::URGENCY_URGENT), At(2, 0, 0, 2));
  EXPECT_EQ(send(At(2, 0, 0), type::v1::URGENCY_EMERGENCY), At(2, 0, 0));
  EXPECT_EQ(policy.SendTime(At(2, 0, 0), type::v1::URGENCY_NORMAL, type::v1::RUNG_KEEP), At(2, 0, 0, 30));
  config::v1::NotifyConfig never = Settings();
  never.set_quiet_until("22:00");
  EXPECT_EQ(Policy(never).SendTime(At(2, 0, 0), type::v1::URGENCY_NORMAL, type::v1::RUNG_URGE),
            At(2, 0, 0, 30));
}

RC_GTEST_PROP(PolicyLaw, NothingOrdinaryIsSentInQuietHours, ()) {
  config::v1::NotifyConfig config = Settings();
  const auto minute = [](int m) { return StrCat(m / 600, m / 60 % 10, ":", m % 60 / 10, m % 10); };
  config.set_quiet_from(minute(*rc::gen::inRange(0, 1440)));
  config.set_quiet_until(minute(*rc::gen::inRange(0, 1440)));
  config.mutable_group_window_s()->set_normal(*rc::gen::inRange(1, 3600));
  const Policy policy(config);
  const absl::Time t = At(1, 0, 0) + absl::Seconds(*rc::gen::inRange(0, 3 * 86400));
  const absl::Time send = policy.SendTime(t, type::v1::URGENCY_NORMAL, type::v1::RUNG_URGE);
  RC_ASSERT(send >= t);
  RC_ASSERT(send <= t + absl::Hours(24));
  RC_ASSERT(!policy.IsQuiet(send, type::v1::URGENCY_NORMAL, type::v1::RUNG_URGE));
}

TEST(ReportTest, WhatARoundComesTo) {
  const RungRef rung{
      .order_id = 1, .armed_by = 7, .clock = type::v1::CLOCK_KIND_SIGN, .rung = type::v1::RUNG_URGE};
  const auto outcome = [](std::string person, v1::DeliveryState state, std::string channel = "desktop") {
    return Outcome{.person = std::move(person),
                   .role = "handler",
                   .channel = std::move(channel),
                   .unit = "u",
                   .capacity = "to",
                   .state = state};
  };
  using enum v1::DeliveryState;
  // One contact of a person is enough.
  EXPECT_TRUE(IsSettled({outcome("a", DELIVERY_STATE_QUEUED), outcome("a", DELIVERY_STATE_REACHED, "sms")}));
  EXPECT_FALSE(IsSettled({outcome("a", DELIVERY_STATE_REACHED), outcome("b", DELIVERY_STATE_QUEUED)}));
  EXPECT_FALSE(IsSettled({outcome("a", DELIVERY_STATE_PENDING), outcome("a", DELIVERY_STATE_DEAD)}));
  EXPECT_TRUE(IsSettled({outcome("a", DELIVERY_STATE_DEAD), outcome("b", DELIVERY_STATE_NOT_REACHED)}));
  auto report =
      MakeReport(rung, 1, {outcome("a", DELIVERY_STATE_QUEUED), outcome("a", DELIVERY_STATE_REACHED, "sms")},
                 false, false);
  ASSERT_EQ(report.notices_size(), 1);
  EXPECT_EQ(report.notices(0).channel(), "sms");
  EXPECT_EQ(report.notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);
  EXPECT_FALSE(report.unreachable());
  // All failed: unreachable at once.
  EXPECT_TRUE(MakeReport(rung, 1, {outcome("a", DELIVERY_STATE_DEAD, "sms")}, false, false).unreachable());
  // A silent desktop is not, until the last round.
  report = MakeReport(rung, 1, {outcome("a", DELIVERY_STATE_QUEUED)}, true, false);
  EXPECT_EQ(report.notices(0).result(), type::v1::NOTIFICATION_RESULT_NOT_REACHED);
  EXPECT_FALSE(report.unreachable());
  EXPECT_TRUE(MakeReport(rung, 3, {outcome("a", DELIVERY_STATE_QUEUED)}, true, true).unreachable());
  // Nobody.
  report = MakeReport(rung, 1, {Outcome{.unit = "u"}}, true, false);
  EXPECT_EQ(report.notices(0).result(), type::v1::NOTIFICATION_RESULT_NOBODY);
  EXPECT_TRUE(report.unreachable());
  const type::v1::Command command = ReportCommand(report, 1);
  EXPECT_THAT(command.header().request_id(), HasSubstr("notify/"));
  EXPECT_THAT(command.header().request_id(), HasSubstr("/sign/7/urge/1"));
  EXPECT_LE(command.header().request_id().size(), 64u);
}

TEST(AcknowledgementTest, IsAboutWhatWasTakenByThen) {
  const RungRef rung{
      .order_id = 5, .armed_by = 40, .clock = type::v1::CLOCK_KIND_SIGN, .rung = type::v1::RUNG_URGE};
  Acknowledgement known{.ref = rung, .sequence = 60, .until = absl::UnixEpoch()};
  EXPECT_TRUE(Covers(known, rung, 50));
  EXPECT_FALSE(Covers(known, rung, 70)) << "it was taken later";
  RungRef other = rung;
  other.rung = type::v1::RUNG_REMIND;
  EXPECT_TRUE(Covers(known, other, 45)) << "those below it, too";
  other.rung = type::v1::RUNG_SUPERVISE;
  EXPECT_FALSE(Covers(known, other, 50));
  other = rung;
  other.armed_by = 41;
  EXPECT_FALSE(Covers(known, other, 50));
  known.ref.armed_by = 0;
  EXPECT_TRUE(Covers(known, other, 50)) << "any clock of the kind";
  other.assist_unit = "shuiwu";
  EXPECT_FALSE(Covers(known, other, 50));
  other = rung;
  other.order_id = 6;
  EXPECT_FALSE(Covers(known, other, 50));
  other = rung;
  other.clock = type::v1::CLOCK_KIND_FINISH;
  EXPECT_FALSE(Covers(known, other, 50));
}

}  // namespace
}  // namespace hotline::escalation::notify
