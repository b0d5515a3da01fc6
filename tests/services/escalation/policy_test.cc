// The policy file: the default one says what DOMAIN's table says, and a broken one is refused with its line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/boot/config.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/edge_rules.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using testing::HasSubstr;

TEST(PolicyTest, DefaultIsSoundAndSaysWhatTheTableSays) {
  config::v1::EscalationConfig config;
  config.set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  const absl::StatusOr<Publication> rules = LoadRules(config, "");
  ASSERT_TRUE(rules.ok()) << rules.status();
  const Deadlines deadlines({*rules}, Parties());
  using type::v1::ClockKind;
  using type::v1::OrderType;
  using type::v1::TIME_KIND_CLOCK_TIME;
  using type::v1::TIME_KIND_WORKING_DAYS;
  using type::v1::TIME_KIND_WORKING_HOURS;
  using type::v1::Urgency;
  const auto limit = [&](ClockKind clock, Urgency urgency, OrderType type) {
    return deadlines.Limit(deadlines.Find(clock, {.type = type, .urgency = urgency}, Start()));
  };
  struct Row {
    ClockKind clock;
    Amount normal, urgent, emergency;
  };
  const auto seconds = [](int64_t value) { return Amount{TIME_KIND_CLOCK_TIME, value}; };
  const auto days = [](int64_t value) { return Amount{TIME_KIND_WORKING_DAYS, value}; };
  for (const Row& row : {
           Row{type::v1::CLOCK_KIND_PEER_RECEIPT, seconds(300), seconds(60), seconds(10)},
           Row{type::v1::CLOCK_KIND_PEER_ACCEPTANCE,
               {TIME_KIND_WORKING_HOURS, 7200},
               seconds(1800),
               seconds(180)},
           Row{type::v1::CLOCK_KIND_SIGN, days(1), seconds(1800), seconds(600)},
           Row{type::v1::CLOCK_KIND_FIRST_CONTACT, days(1), seconds(7200), seconds(1800)},
           Row{type::v1::CLOCK_KIND_FINISH, days(5), seconds(86'400), seconds(7200)},
           Row{type::v1::CLOCK_KIND_RESULT_BACK, days(1), seconds(7200), seconds(1800)},
           Row{type::v1::CLOCK_KIND_CALL_BACK, days(1), days(1), days(1)},
       }) {
    EXPECT_EQ(limit(row.clock, type::v1::URGENCY_NORMAL, type::v1::ORDER_TYPE_HELP), row.normal) << row.clock;
    EXPECT_EQ(limit(row.clock, type::v1::URGENCY_URGENT, type::v1::ORDER_TYPE_HELP), row.urgent) << row.clock;
    EXPECT_EQ(limit(row.clock, type::v1::URGENCY_EMERGENCY, type::v1::ORDER_TYPE_HELP), row.emergency)
        << row.clock;
  }
  const auto finish = [&](OrderType type) {
    return limit(type::v1::CLOCK_KIND_FINISH, type::v1::URGENCY_NORMAL, type);
  };
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_CONSULTATION), days(2));
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_SUGGESTION), days(5));
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_COMPLAINT), days(10));
  EXPECT_EQ(finish(type::v1::ORDER_TYPE_REPORT), days(10));
  // Every order of every kind has every deadline. Those of an offer's confirmation are in the offer, that of
  // a suspension's review in the suspension.
  for (int clock = 1; clock < type::v1::ClockKind_ARRAYSIZE; ++clock) {
    if (clock == type::v1::CLOCK_KIND_CONFIRM || clock == type::v1::CLOCK_KIND_VOICE ||
        clock == type::v1::CLOCK_KIND_SUSPENSION_REVIEW || !type::v1::ClockKind_IsValid(clock)) {
      continue;
    }
    for (int urgency = 1; urgency < type::v1::Urgency_ARRAYSIZE; ++urgency) {
      for (int type = 1; type < type::v1::OrderType_ARRAYSIZE; ++type) {
        EXPECT_GT(
            limit(static_cast<ClockKind>(clock), static_cast<Urgency>(urgency), static_cast<OrderType>(type))
                .value,
            0);
      }
    }
  }
}

TEST(PolicyTest, RulesMatchByItemChannelDateAndTag) {
  config::v1::Policy policy;
  ASSERT_TRUE(boot::ParseYaml(R"(
versions:
  - version: old
    last_date: "2026-09-30"
    rules: [{clock: FINISH, limit: {hours: 50}}]
  - version: new
    first_date: "2026-10-01"
    document: 新办法
    rules:
      - {clock: FINISH, items: [A3, "B*"], limit: {hours: 1}}
      - {clock: FINISH, channels: [WEB], limit: {hours: 2}, document: 网上办法}
      - {clock: FINISH, limit: {hours: 3}}
    temporary:
      - tag: typhoon
        first_date: "2026-10-05"
        last_date: "2026-10-06"
        document: 防台风令
        rules: [{clock: FINISH, items: [A3], limit: {hours: 4}}]
      - tag: flood
        first_date: "2026-10-01"
        last_date: "2026-12-31"
        only_tagged: true
        document: 防汛令
        rules: [{clock: FINISH, limit: {hours: 5}}]
)",
                              "policy.yaml", &policy)
                  .ok());
  for (const boot::Problem& problem : boot::CheckPolicy(policy))
    ADD_FAILURE() << problem.path << problem.message;
  const Deadlines deadlines(policy);
  struct Case {
    const char* at;
    const char* item;
    type::v1::Channel channel;
    const char* tags;
    int64_t hours;
    const char* version;
    const char* document;
  };
  for (const Case& c : {
           Case{"2026-09-30T23:59:59+08:00", "A3", type::v1::CHANNEL_PHONE, "", 50, "old", ""},
           Case{"2026-10-01T00:00:00+08:00", "A3", type::v1::CHANNEL_PHONE, "", 1, "new", "新办法"},
           Case{"2026-10-02T00:00:00+08:00", "B7", type::v1::CHANNEL_WEB, "", 1, "new", "新办法"},
           Case{"2026-10-02T00:00:00+08:00", "A30", type::v1::CHANNEL_WEB, "", 2, "new", "网上办法"},
           Case{"2026-10-02T00:00:00+08:00", "", type::v1::CHANNEL_PHONE, "", 3, "new", "新办法"},
           Case{"2026-10-05T00:00:00+08:00", "A3", type::v1::CHANNEL_PHONE, "", 4, "new+typhoon", "防台风令"},
           Case{"2026-10-07T00:00:00+08:00", "A3", type::v1::CHANNEL_PHONE, "", 1, "new", "新办法"},
           Case{"2026-10-07T00:00:00+08:00", "A3", type::v1::CHANNEL_PHONE, " wind flood ", 5, "new+flood",
                "防汛令"},
           Case{"2026-10-07T00:00:00+08:00", "A3", type::v1::CHANNEL_PHONE, " floods ", 1, "new", "新办法"},
       }) {
    absl::Time at;
    ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, c.at, &at, nullptr));
    const RuleRef rule = deadlines.Find(type::v1::CLOCK_KIND_FINISH,
                                        {.channel = c.channel, .item = c.item, .tags = c.tags}, at);
    EXPECT_EQ(deadlines.Limit(rule).value, c.hours * 3600) << c.at << c.item << c.tags;
    EXPECT_EQ(deadlines.VersionOf(rule), c.version);
    EXPECT_EQ(deadlines.DocumentOf(rule), c.document);
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
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {hours: 5, minutes: 1}}\n", "rules[0].limit"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {}}\n", "rules[0].limit"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit_s: 5, limit: {hours: 5}}\n", "rules[0].limit_s"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {working_days: 4000}}\n", "rules[0].limit"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {hours: -1}}\n", "rules[0].limit.hours"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}, remind_before: {hours: 1}}\n",
                "rules[0].remind_before"},
           Case{"version: a\nrules:\n  - {clock: FINISH, limit: {hours: 20}, remind_before: {hours: 1}}\n",
                "rules[0].remind_before"},
           Case{"version: a\nrules:\n  - {clock: SUSPENSION_REVIEW, limit: {hours: 1}}\n", "rules[0].limit"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}, ladder: nosuch}\n",
                "rules[0].ladder"},
           Case{"version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}, calendar: \"A B\"}\n",
                "rules[0].calendar"},
           Case{"version: a\nfirst_date: \"2026-02-30\"\nrules:\n  - {clock: SIGN, limit: {hours: 1}}\n",
                "first_date"},
           Case{"version: a\nladders: [{code: l, steps: [{rung: SUPERVISE}]}]\nrules:\n  - {clock: SIGN, "
                "limit_s: 5}\n",
                "ladders[0].steps[0].after"},
           Case{"version: a\nladders: [{code: l, steps: [{rung: URGE, after: {hours: 1}}]}]\nrules:\n  - "
                "{clock: "
                "SIGN, limit_s: 5}\n",
                "ladders[0].steps[0].after"},
           Case{"version: a\nladders: [{code: l, steps: [{rung: CIRCULATE, after: {hours: 2}}, {rung: "
                "SUPERVISE, "
                "after: {hours: 3}}]}]\nrules:\n  - {clock: SIGN, limit_s: 5}\n",
                "ladders[0].steps[1].rung"},
           Case{"version: a\ntemporary: [{tag: t, first_date: \"2026-01-02\", last_date: \"2026-01-01\", "
                "document: d, rules: [{clock: SIGN, limit_s: 5}]}]\nrules:\n  - {clock: SIGN, limit_s: 5}\n",
                "temporary[0].last_date"},
           Case{"version: a\nversions: [{version: b, rules: [{clock: SIGN, limit_s: 5}]}]\n", "versions"},
           Case{"versions: [{version: b, rules: [{clock: SIGN, limit_s: 5}]}, {version: c, rules: [{clock: "
                "SIGN, "
                "limit_s: 5}]}]\n",
                "versions[1].first_date"},
       }) {
    config::v1::Policy policy;
    ASSERT_TRUE(boot::ParseYaml(c.yaml, "policy.yaml", &policy).ok()) << c.yaml;
    const auto problems = boot::CheckPolicy(policy);
    ASSERT_FALSE(problems.empty()) << c.yaml;
    EXPECT_EQ(problems[0].path, c.problem) << problems[0].message;
  }
}

TEST(PolicyTest, AnotherPolicyThanTheFilesIsCheckedAgainstTheCalendars) {
  config::v1::EscalationConfig config;
  config.set_policy_file("nosuch.yaml");
  const auto fault = [&](const char* yaml) {
    return std::string(LoadRules(config, yaml).status().message());
  };
  EXPECT_THAT(fault("version: a\nrules:\n  - {clock: SIGN, limit: {working_days: 1}}\n"),
              HasSubstr("policy_yaml:3:"));
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  EXPECT_TRUE(LoadRules(config, "version: a\nrules:\n  - {clock: SIGN, limit: {working_days: 1}}\n").ok());
  EXPECT_THAT(fault("version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}, calendar: moon}\n"),
              HasSubstr("moon is not in escalation.calendars_file"));
}

TEST(PolicyTest, PublicationsAreKeptWholeAndInOrder) {
  TemporaryFolder folder;
  config::v1::EscalationConfig config;
  config.set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  Publication first = *LoadRules(config, "");
  Publication second = first;
  second.number = 2;
  second.time = Start();
  second.note = "试验";
  second.account = "2001";
  second.policy.set_version("other");
  const PublicationFiles files(folder.path() + "/publications");
  EXPECT_TRUE(files.Load()->empty());
  ASSERT_TRUE(files.Keep(first).ok());
  ASSERT_TRUE(files.Keep(second).ok());
  const auto loaded = files.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->size(), 2u);
  EXPECT_EQ((*loaded)[0].time, absl::InfinitePast());
  EXPECT_EQ((*loaded)[1].time, Start());
  EXPECT_EQ((*loaded)[1].note, "试验");
  EXPECT_EQ(DigestOf((*loaded)[0]), DigestOf(first));
  EXPECT_EQ(DigestOf((*loaded)[1]), DigestOf(second));
  EXPECT_NE(DigestOf(first), DigestOf(second));
  std::filesystem::remove(folder.path() + "/publications/000001.publication");
  EXPECT_FALSE(files.Load().ok()) << "one that is missing is not passed over";
}

}  // namespace
}  // namespace hotline::escalation
