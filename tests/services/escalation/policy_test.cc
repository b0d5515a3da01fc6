// The policy file: the default one says what DOMAIN's table says, and a broken one is refused with its line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/boot/config.h"
#include "services/escalation/core/deadlines.h"

namespace hotline::escalation {
namespace {

using testing::HasSubstr;

TEST(PolicyTest, DefaultIsSoundAndSaysWhatTheTableSays) {
  config::v1::Policy policy;
  const absl::Status loaded = boot::LoadYaml(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml", &policy);
  ASSERT_TRUE(loaded.ok()) << loaded;
  for (const boot::Problem& problem : boot::CheckPolicy(policy))
    ADD_FAILURE() << problem.path << problem.message;
  const Deadlines deadlines(policy);
  const auto seconds = [&](type::v1::ClockKind clock, type::v1::Urgency urgency, type::v1::OrderType type) {
    const auto limit = deadlines.Find(clock, urgency, type);
    return limit.has_value() ? absl::ToInt64Seconds(limit->allowed) : -1;
  };
  using type::v1::CLOCK_KIND_FINISH;
  using type::v1::CLOCK_KIND_PEER_ACCEPTANCE;
  using type::v1::CLOCK_KIND_PEER_RECEIPT;
  using type::v1::CLOCK_KIND_SIGN;
  struct Row {
    type::v1::ClockKind clock;
    int64_t normal, urgent, emergency;
  };
  constexpr int64_t kDay = 86'400;
  for (const Row& row :
       {Row{CLOCK_KIND_PEER_RECEIPT, 300, 60, 10}, Row{CLOCK_KIND_PEER_ACCEPTANCE, 7200, 1800, 180},
        Row{CLOCK_KIND_SIGN, kDay, 1800, 600}, Row{CLOCK_KIND_FINISH, 5 * kDay, kDay, 7200}}) {
    EXPECT_EQ(seconds(row.clock, type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_HELP), row.normal);
    EXPECT_EQ(seconds(row.clock, type::v1::URGENCY_URGENT, type::v1::ORDER_TYPE_HELP), row.urgent);
    EXPECT_EQ(seconds(row.clock, type::v1::URGENCY_EMERGENCY, type::v1::ORDER_TYPE_HELP), row.emergency);
  }
  const auto finish = [&](type::v1::OrderType type) {
    return seconds(CLOCK_KIND_FINISH, type::v1::URGENCY_NORMAL, type) / kDay;
  };
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_CONSULTATION), 2);
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_SUGGESTION), 5);
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_COMPLAINT), 10);
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_REPORT), 10);
  // Every order of every kind has every deadline. Those of an offer's confirmation are in the offer.
  for (int clock = 1; clock < type::v1::ClockKind_ARRAYSIZE; ++clock) {
    if (!type::v1::ClockKind_IsValid(clock)) continue;
    if (clock == type::v1::CLOCK_KIND_CONFIRM || clock == type::v1::CLOCK_KIND_VOICE) continue;
    for (int urgency = 1; urgency < type::v1::Urgency_ARRAYSIZE; ++urgency) {
      for (int type = 1; type < type::v1::OrderType_ARRAYSIZE; ++type) {
        EXPECT_GT(seconds(static_cast<type::v1::ClockKind>(clock), static_cast<type::v1::Urgency>(urgency),
                          static_cast<type::v1::OrderType>(type)),
                  0);
      }
    }
  }
}

TEST(PolicyTest, BrokenFilesAreRefused) {
  struct Case {
    const char* yaml;
    const char* problem;
  };
  for (const Case& c : {
           Case{"version: a\nrules:\n  - {clock: SING, limit_s: 5}\n", "policy.yaml:3"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limits: 5}\n", "limits"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit_s: soon}\n", "policy.yaml:3"},
           Case{"version: a\nversion: b\n", "policy.yaml:2"},
       }) {
    config::v1::Policy policy;
    const absl::Status status = boot::ParseYaml(c.yaml, "policy.yaml", &policy);
    EXPECT_FALSE(status.ok()) << c.yaml;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.problem));
  }
  for (const Case& c : {
           Case{"rules:\n  - {clock: SIGN, limit_s: 5}\n", "version"},
           Case{"version: a\nrules:\n  - {limit_s: 5}\n", "rules[0].clock"},
           Case{"version: a\nrules:\n  - {clock: SIGN}\n", "rules[0].limit_s"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit_s: 5, remind_before_s: 5}\n",
                "rules[0].remind_before_s"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit_s: 5}\n  - {clock: SIGN, urgency: URGENT, "
                "limit_s: 3}\n",
                "rules[1]"},
       }) {
    config::v1::Policy policy;
    ASSERT_TRUE(boot::ParseYaml(c.yaml, "policy.yaml", &policy).ok()) << c.yaml;
    const auto problems = boot::CheckPolicy(policy);
    ASSERT_FALSE(problems.empty()) << c.yaml;
    EXPECT_EQ(problems[0].path, c.problem) << problems[0].message;
  }
}

}  // namespace
}  // namespace hotline::escalation
