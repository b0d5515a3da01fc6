// The policy file: the default one says what DOMAIN's table says, and a broken one is refused with its line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/str_replace.h"
#include "common/boot/config.h"
#include "common/error/error.h"
#include "hotline/escalation/v1/stored_publication.pb.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/core/explain.h"
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
  const Deadlines deadlines(std::vector<Publication>{*rules});
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
           Case{"version: a\nrules:\n  - {clock: FIRST_CONTACT, role: ASSIST, limit_s: 5}\n",
                "rules[0].role"},
           Case{"version: a\nrules:\n  - {clock: SIGN, peers: [\"110\"], limit_s: 5}\n", "rules[0].peers"},
           Case{"version: a\nrules:\n  - {clock: FINISH, peers: [\"110\"], role: ASSIST, limit_s: 5}\n",
                "rules[0].peers"},
           Case{"version: a\nrules:\n  - {clock: FINISH, limit_s: 5}\n  - {clock: FINISH, peers: [\"110\"], "
                "limit_s: 3}\n",
                "rules[1]"},
           Case{"version: a\nrules:\n  - {clock: FINISH, peers: [\"110\", \"119\"], limit_s: 5}\n  - {clock: "
                "FINISH, "
                "peers: [\"119\"], limit_s: 3}\n",
                "rules[1]"},
           Case{"version: a\nrules:\n  - {clock: FINISH, peers: [\"1 10\"], limit_s: 5}\n",
                "rules[0].peers[0]"},
           Case{"version: a\nrules:\n  - {clock: FINISH, peers: [\"110\", \"110\"], limit_s: 5}\n",
                "rules[0].peers[1]"},
           Case{
               "version: a\nrules:\n  - {clock: SIGN, role: LEAD, limit_s: 5}\n  - {clock: SIGN, role: LEAD, "
               "urgency: URGENT, limit_s: 5}\n",
               "rules[1]"},
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

// One hotline's units work by other hours than another's.
TEST(PolicyTest, ARuleForOneHotlineIsForNoOther) {
  Publication rules;
  ASSERT_TRUE(boot::ParseYaml("version: a\nrules:\n"
                              "  - {clock: FINISH, peers: [\"12345\"], limit: {hours: 1}}\n"
                              "  - {clock: FINISH, peers: [\"12345\", \"120\"], limit: {hours: 2}}\n"
                              "  - {clock: FINISH, limit: {hours: 3}}\n",
                              "policy.yaml", &rules.policy)
                  .ok());
  for (const boot::Problem& problem : boot::CheckPolicy(rules.policy)) {
    ADD_FAILURE() << problem.path << problem.message;
  }
  rules.parties = {.site = "119", .peers = {"110", "120", "12345"}};
  const auto hours = [](const Publication& publication, const char* party) {
    const Deadlines deadlines(std::vector<Publication>{publication});
    const Amount limit =
        deadlines.Limit(deadlines.Find(type::v1::CLOCK_KIND_FINISH, {.duty_party = party}, Start()));
    return limit.value / 3600;
  };
  EXPECT_EQ(hours(rules, "12345"), 1);
  EXPECT_EQ(hours(rules, "120"), 2);
  EXPECT_EQ(hours(rules, "110"), 3);
  EXPECT_EQ(hours(rules, "chengguan"), 3);
  // What 12345 owes itself goes by the rules of its own.
  rules.parties = {.site = "12345", .peers = {"110"}};
  EXPECT_EQ(hours(rules, "12345"), 3);
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

// A desktop marks the field, and its user reads Chinese.
TEST(PolicyTest, AFaultOfARequestNamesItsField) {
  config::v1::EscalationConfig config;
  config.set_policy_file("nosuch.yaml");
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  const absl::Status unread =
      LoadRules(config, "version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}, urgency: URGANT}\n")
          .status();
  EXPECT_EQ(error::FieldOf(unread), "policy_yaml");
  EXPECT_EQ(
      error::ChineseOf(unread),
      "字段 "
      "policy_yaml：时限规则有误：policy_yaml第3行第47列：“rules[0].urgency”的值“URGANT”无效（Urgency），"
      "是否应为“URGENT”？");
  const absl::Status unfit =
      LoadRules(config, "version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}, calendar: moon}\n")
          .status();
  EXPECT_EQ(error::FieldOf(unfit), "policy_yaml");
  EXPECT_THAT(error::ChineseOf(unfit),
              HasSubstr("policy_yaml第3行第38列“rules[0].calendar”：工作日历“moon”不存在"));
  // What the site's own file says is no fault of the request.
  EXPECT_EQ(error::FieldOf(LoadRules(config, "").status()), "");
  EXPECT_THAT(error::ChineseOf(LoadRules(config, "").status()), HasSubstr("无法读取nosuch.yaml"));
}

TEST(PolicyTest, AUnitsCalendarIsThere) {
  config::v1::EscalationConfig config;
  config.set_policy_file("nosuch.yaml");
  const char* policy = "version: a\nrules:\n  - {clock: SIGN, limit: {hours: 1}}\n";
  config::v1::UnitList units;
  units.add_units()->set_code("chengguan");
  config::v1::Unit& power = *units.add_units();
  power.set_code("dianli");
  power.set_calendar("allways");
  EXPECT_TRUE(LoadRules(config, policy, units).ok()) << "without calendars all work around the clock";
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  const absl::Status refused = LoadRules(config, policy, units).status();
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("units[1].calendar: allways (of dianli) is not in escalation.calendars_file"));
  EXPECT_NE(error::ChineseOf(refused), "");
  power.set_calendar("always");
  EXPECT_TRUE(LoadRules(config, policy, units).ok());
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

// What a request holds is taken, and nothing else changes; without one it is what was edited in the files.
class NextRulesTest : public testing::Test {
 protected:
  NextRulesTest() {
    for (const char* name : {"china.yaml", "xinjiang.yaml", "kizilsu.yaml", "wuqia.yaml", "always.yaml"}) {
      std::filesystem::copy_file(std::string(HOTLINE_SOURCE_DIR "/deploy/calendars/") + name, Path(name));
    }
    Write("policy.yaml", kPolicy);
    config_.set_policy_file(Path("policy.yaml"));
    config_.set_calendars_file(Path("wuqia.yaml"));
    published_.push_back(*LoadRules(config_, ""));
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) { std::ofstream(Path(name)) << text; }
  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void Publish(Publication next) {
    next.number = static_cast<int64_t>(published_.size()) + 1;
    published_.push_back(std::move(next));
  }
  // Number of the same rules as what `change` gives; 0 if they are new.
  int64_t Same(const RulesChange& change) {
    const auto next = NextRules(config_, published_, change);
    EXPECT_TRUE(next.ok()) << next.status();
    if (!next.ok()) return -1;
    for (const Publication& one : published_) {
      if (DigestOf(one) == DigestOf(*next)) return one.number;
    }
    return 0;
  }
  static RulesChange Holidays2027() {
    RulesChange change;
    v1::CalendarFile& file = change.calendar_files.emplace_back();
    file.set_name("2027.json");
    file.set_content("[{\"date\": \"2027-01-04\", \"off\": true, \"name\": \"元旦\"}]");
    change.calendar_notice.set_document("国办发明电〔2026〕9号");
    change.calendar_notice.set_issue_date("2026-11-04");
    return change;
  }

  static constexpr char kPolicy[] =
      "version: days-5\nrules:\n  - {clock: FINISH, limit: {working_days: 5}}\n";
  TemporaryFolder folder_;
  config::v1::EscalationConfig config_;
  std::vector<Publication> published_;
};

TEST_F(NextRulesTest, OfTheFilesOnlyWhatWasEdited) {
  EXPECT_EQ(Same({}), 1);
  Publish(*NextRules(config_, published_, Holidays2027()));
  EXPECT_EQ(published_[1].policy.version(), "days-5");
  EXPECT_EQ(Same({}), 2) << "the files say what they said: what was published stands";
  EXPECT_EQ(Same(Holidays2027()), 2) << "the same notice again changes nothing";
  // Another policy: the notice stands.
  Write("policy.yaml", "version: days-7\nrules:\n  - {clock: FINISH, limit: {working_days: 7}}\n");
  const auto edited = NextRules(config_, published_, {});
  ASSERT_TRUE(edited.ok()) << edited.status();
  EXPECT_EQ(edited->policy.version(), "days-7");
  EXPECT_THAT(edited->calendars->at("office").version(), HasSubstr("china@2026-1+1"));
  // A notice alone does not take the edited policy with it, nor forget that it was edited.
  RulesChange other = Holidays2027();
  other.calendar_notice.set_title("关于2027年部分节假日安排的通知");
  const auto noticed = NextRules(config_, published_, other);
  ASSERT_TRUE(noticed.ok()) << noticed.status();
  EXPECT_EQ(noticed->policy.version(), "days-5");
  Publish(*noticed);
  EXPECT_EQ(NextRules(config_, published_, {})->policy.version(), "days-7");
  // A policy alone likewise.
  RulesChange policy;
  policy.policy_yaml = "version: days-9\nrules:\n  - {clock: FINISH, limit: {working_days: 9}}\n";
  Publish(*NextRules(config_, published_, policy));
  EXPECT_EQ(published_.back().policy.version(), "days-9");
  EXPECT_THAT(published_.back().calendars->at("office").version(), HasSubstr("china@2026-1+2"));
  EXPECT_EQ(Same({}), published_.back().number) << "it took the place of the file as it is";
  // Whoever edits the calendars after that has the word.
  Write("china.yaml",
        absl::StrReplaceAll(Read("china.yaml"), {{"version: \"2026-1\"", "version: \"2026-9\""}}));
  const auto calendars = NextRules(config_, published_, {});
  EXPECT_THAT(calendars->calendars->at("office").version(), HasSubstr("china@2026-9"));
  EXPECT_EQ(calendars->policy.version(), "days-9");
}

// What was published from elsewhere is put into the files afterwards, which changes nothing; then the files
// are put back.
TEST_F(NextRulesTest, FilesThatArePutBackAreTaken) {
  const std::string china = Read("china.yaml");
  const auto edit = [&] {
    Write("policy.yaml", "version: days-7\nrules:\n  - {clock: FINISH, limit: {working_days: 7}}\n");
    Write("china.yaml", absl::StrReplaceAll(china, {{"version: \"2026-1\"", "version: \"2026-9\""}}));
  };
  edit();
  Publication elsewhere = *LoadRules(config_, "");
  elsewhere.configured_policy = published_[0].configured_policy;
  elsewhere.configured_calendars = published_[0].configured_calendars;
  Publish(std::move(elsewhere));
  const PublicationFiles files(Path("publications"));
  for (const Publication& one : published_) ASSERT_TRUE(files.Keep(one).ok());
  Write("policy.yaml", kPolicy);
  Write("china.yaml", china);
  EXPECT_EQ(Same({}), 2) << "the files say what they said";

  edit();
  const auto same = NextRules(config_, published_, {});
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(DigestOf(*same), DigestOf(published_[1]));
  ASSERT_TRUE(files.Note(*same, &published_.back()).ok());
  // With a start in between, and without.
  const auto loaded = files.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->size(), 2u);
  for (const std::vector<Publication>& known : {published_, *loaded}) {
    published_ = known;
    EXPECT_EQ(published_.back().number, 2);
    edit();
    EXPECT_EQ(Same({}), 2);
    Write("policy.yaml", kPolicy);
    const auto policy = NextRules(config_, published_, {});
    ASSERT_TRUE(policy.ok()) << policy.status();
    EXPECT_EQ(policy->policy.version(), "days-5");
    EXPECT_THAT(policy->calendars->at("office").version(), HasSubstr("china@2026-9"));
    Write("china.yaml", china);
    EXPECT_EQ(Same({}), 1);
  }
  // Other rules than what holds are not noted but published.
  const auto next = NextRules(config_, published_, {});
  ASSERT_TRUE(next.ok()) << next.status();
  ASSERT_TRUE(files.Note(*next, &published_.back()).ok());
  EXPECT_EQ(Same({}), 1);
}

TEST_F(NextRulesTest, FaultyFilesStandInNobodysWayWhoDoesNotNeedThem) {
  Write("policy.yaml", "version: [\n");
  EXPECT_FALSE(NextRules(config_, published_, {}).ok());
  EXPECT_EQ(Same(Holidays2027()), 0);
  Write("policy.yaml", kPolicy);
  Write("china.yaml", "level: MOON\n");
  RulesChange policy;
  policy.policy_yaml = "version: days-9\nrules:\n  - {clock: FINISH, limit: {working_days: 9}}\n";
  EXPECT_EQ(Same(policy), 0);
  const absl::Status refused = NextRules(config_, published_, {}).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("china.yaml:1:"));
  EXPECT_NE(error::ChineseOf(refused), "");
}

// Publications of older releases do not say what the files held.
TEST_F(NextRulesTest, WhatAnOlderReleasePublishedStandsToo) {
  for (Publication& one : published_) one.configured_policy = one.configured_calendars = "";
  Publish(*NextRules(config_, published_, Holidays2027()));
  published_[1].configured_policy = published_[1].configured_calendars = "";
  EXPECT_EQ(Same({}), 2);
  Write("policy.yaml", "version: days-7\nrules:\n  - {clock: FINISH, limit: {working_days: 7}}\n");
  EXPECT_EQ(Same({}), 0);
}

TEST_F(NextRulesTest, ACalendarThatThePolicyNeedsCannotGo) {
  Publish(
      *NextRules(config_, published_,
                 {.policy_yaml = "version: a\nrules:\n  - {clock: SIGN, limit: {working_days: 1}, calendar: "
                                 "office}\n"}));
  RulesChange change;
  for (const char* name : {"list.yaml", "always.yaml"}) {
    v1::CalendarFile& file = change.calendar_files.emplace_back();
    file.set_name(name);
    file.set_content(std::string(name) == "list.yaml"
                         ? "version: \"2\"\ncalendars:\n  - {code: always, layers: [always.yaml]}\n"
                         : Read(name));
  }
  EXPECT_THAT(
      std::string(NextRules(config_, published_, change).status().message()),
      HasSubstr("the policy that holds: rules[0].calendar: office is not in escalation.calendars_file"));
  EXPECT_EQ(error::FieldOf(NextRules(config_, published_, change).status()), "calendar_files");
}

TEST_F(NextRulesTest, ACalendarThatAUnitWorksByCannotGo) {
  config::v1::UnitList units;
  config::v1::Unit& power = *units.add_units();
  power.set_code("dianli");
  power.set_calendar("always");
  EXPECT_TRUE(NextRules(config_, published_, {}, units).ok());
  Write("wuqia.yaml", "version: \"2\"\ncalendars:\n  - {code: office, layers: [china.yaml]}\n");
  EXPECT_TRUE(NextRules(config_, published_, {}).ok());
  EXPECT_THAT(std::string(NextRules(config_, published_, {}, units).status().message()),
              HasSubstr("units[0].calendar: always (of dianli) is not in escalation.calendars_file"));
}

TEST_F(NextRulesTest, ACheckAsksWhatAStartAsks) {
  config_.set_data_dir(Path("data"));
  config::v1::UnitList units;
  config::v1::Unit& power = *units.add_units();
  power.set_code("dianli");
  power.set_calendar("night");
  const auto check = [&] { return CheckRulesInForce(config_, units); };
  EXPECT_FALSE(check().ok()) << "nothing is published, and no file has it";
  // Published without the files: a start goes by what was published.
  const std::string list = Read("wuqia.yaml");
  Write("wuqia.yaml", list + "  - {code: night, layers: [always.yaml]}\n");
  const auto with_night = LoadRules(config_, "");
  ASSERT_TRUE(with_night.ok()) << with_night.status();
  EXPECT_TRUE(check().ok()) << check();
  Publication published = *with_night;
  published.number = 1;
  published.time = Start();
  std::filesystem::create_directories(Path("data/publications"));
  ASSERT_TRUE(PublicationFiles(Path("data/publications")).Keep(published).ok());
  EXPECT_TRUE(check().ok()) << check();
  EXPECT_EQ(check(), NextRules(config_, {published}, {}, units).status());
  Write("wuqia.yaml", list);
  EXPECT_FALSE(check().ok()) << "the file has changed since, and it holds";
}

// A deadline names the versions of its layers: one name for two calendars would tell nothing.
TEST_F(NextRulesTest, ALayerThatSaysSomethingElseHasAnotherVersion) {
  const std::string china = Read("china.yaml");
  const std::string edited = absl::StrReplaceAll(china, {{"09:00-12:00", "08:30-12:00"}});
  ASSERT_NE(edited, china);
  Write("china.yaml", edited);
  const absl::Status refused = NextRules(config_, published_, {}).status();
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(refused), "escalation.calendars_file");
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("the layer china says something else than its version 2026-1"));
  EXPECT_NE(error::ChineseOf(refused), "");
  // A start takes it, and tells.
  StartFindings found;
  const auto taken = NextRules(config_, published_, {}, {}, &found);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(found.unversioned, refused);
  EXPECT_NE(DigestOf(*taken), DigestOf(published_[0]));
  Write("china.yaml", absl::StrReplaceAll(edited, {{"version: \"2026-1\"", "version: \"2026-2\""}}));
  EXPECT_EQ(Same({}), 0);
}

// A newer package brings files that know nothing of a notice that was published since.
TEST_F(NextRulesTest, AStartDropsNoNoticeThatWasPublished) {
  config::v1::SiteConfig site;
  site.set_hotline("12345");
  *site.mutable_escalation() = config_;
  const config::v1::UnitList units;
  const PublicationFiles files(Path("publications"));
  const auto start = [&] {
    auto made = RulesAtStart(files, site, units, Start());
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) published_ = *std::move(made);
  };
  const auto is_off = [&] {
    const absl::Time begin = absl::FromCivil(absl::CivilDay(2027, 1, 4), Beijing());
    const auto worked = published_.back().calendars->at("office").Measure(begin, begin + absl::Hours(24),
                                                                          type::v1::TIME_KIND_WORKING_HOURS);
    return worked.ok() && worked->amount == 0;
  };
  const auto edit = [&](const std::string& name, const std::string& version) {
    const std::string layer = Read(name);
    const size_t at = layer.find("version: ");
    ASSERT_NE(at, std::string::npos);
    Write(name, absl::StrCat(layer.substr(0, at), "version: \"", version, "\"",
                             layer.substr(layer.find('\n', at))));
  };
  published_.clear();
  start();
  EXPECT_FALSE(is_off());
  Publication notice = *NextRules(config_, published_, Holidays2027());
  notice.number = 2;
  notice.time = Start() - absl::Hours(1);
  ASSERT_TRUE(files.Keep(notice).ok());
  start();
  EXPECT_EQ(published_.size(), 2u);
  ASSERT_TRUE(is_off());

  edit("xinjiang.yaml", "newer");
  StartFindings found;
  ASSERT_TRUE(NextRules(config_, published_, {}, units, &found).ok());
  EXPECT_THAT(found.not_in_files, testing::ElementsAre("china: 国办发明电〔2026〕9号"));
  EXPECT_FALSE(found.dropped);
  testing::internal::CaptureStderr();
  start();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("china: 国办发明电〔2026〕9号"));
  EXPECT_EQ(published_.size(), 2u);
  EXPECT_TRUE(is_off());
  // With another policy, too; and at each start.
  Write("policy.yaml", "version: days-7\nrules:\n  - {clock: FINISH, limit: {working_days: 7}}\n");
  start();
  ASSERT_EQ(published_.size(), 3u);
  EXPECT_EQ(published_.back().policy.version(), "days-7");
  EXPECT_TRUE(is_off());
  found = {};
  ASSERT_TRUE(NextRules(config_, published_, {}, units, &found).ok());
  EXPECT_EQ(found.not_in_files.size(), 1u);
  // A further notice does not bury the files.
  RulesChange titled = Holidays2027();
  titled.calendar_notice.set_title("关于2027年部分节假日安排的通知");
  auto further = NextRules(config_, published_, titled);
  ASSERT_TRUE(further.ok()) << further.status();
  further->number = 4;
  further->time = Start() + absl::Hours(1);
  ASSERT_TRUE(files.Keep(*further).ok());
  start();
  ASSERT_EQ(published_.size(), 4u);
  found = {};
  ASSERT_TRUE(NextRules(config_, published_, {}, units, &found).ok());
  EXPECT_EQ(found.not_in_files.size(), 1u);

  // Where it does not fit the rest of the configuration a start is not refused for it.
  config::v1::UnitList with_night;
  with_night.add_units()->set_code("dianli");
  with_night.mutable_units(0)->set_calendar("night");
  const std::string list = Read("wuqia.yaml");
  Write("wuqia.yaml", list + "  - {code: night, layers: [always.yaml]}\n");
  found = {};
  const auto fitting = NextRules(config_, published_, {}, with_night, &found);
  ASSERT_TRUE(fitting.ok()) << fitting.status();
  EXPECT_TRUE(found.dropped);
  EXPECT_EQ(found.not_in_files.size(), 1u);
  EXPECT_TRUE(fitting->calendars->contains("night"));
  Write("wuqia.yaml", list);

  // Whoever asks for the files gets them. What they had themselves can be taken out of them.
  const auto asked = NextRules(config_, published_, {});
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_THAT(asked->calendars->at("office").version(), HasSubstr("xinjiang@newer"));
  Publish(*asked);
  ASSERT_FALSE(is_off());
  Write("wuqia.yaml", "version: \"2\"\ncalendars:\n  - {code: office, layers: [china.yaml]}\n");
  found = {};
  const auto fewer = NextRules(config_, published_, {}, units, &found);
  ASSERT_TRUE(fewer.ok()) << fewer.status();
  EXPECT_TRUE(found.not_in_files.empty());
  EXPECT_EQ(fewer->calendars->size(), 1u);
}

// A unit whose calendar was edited works by the other one from then on; what came before was reckoned by the
// one that held.
TEST_F(NextRulesTest, WhoWorksByWhichCalendarIsPublishedToo) {
  config::v1::SiteConfig site;
  site.set_hotline("12345");
  site.add_peers()->set_hotline("110");
  *site.mutable_escalation() = config_;
  config::v1::UnitList units;
  units.add_units()->set_code("rensheju");
  const PublicationFiles files(Path("publications"));
  const auto start = [&](absl::Duration after) {
    auto made = RulesAtStart(files, site, units, Start() + after);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : std::vector<Publication>{Publication()};
  };
  const auto order_by = [](const Deadlines& deadlines) {
    EventMaker make;
    OrderClocks order;
    for (const type::v1::Event& event :
         {make.Registered(7, Start()), make.Accepted(7, Start()), make.Dispatched(7, Start(), "rensheju")}) {
      order = Apply(order, event, deadlines, "12345");
    }
    return order;
  };
  const std::vector<Publication> first = start({});
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].parties.site, "12345");
  EXPECT_EQ(first[0].parties.peers.count("110"), 1u);
  const Deadlines before(first);
  const OrderClocks order = order_by(before);
  const OrderClock& clock = order.clocks.back();
  EXPECT_EQ(clock.duty_party, "rensheju");
  const calendar::Calendar* const office = before.CalendarOfParty("rensheju", Start());
  ASSERT_NE(office, nullptr);

  config::v1::Unit& added = *units.add_units();
  added.set_code("minzhengju");
  added.set_calendar("office");
  EXPECT_EQ(start(absl::Hours(1)).size(), 1u) << "it works as if it were not named";
  units.mutable_units(0)->set_calendar("always");
  const std::vector<Publication> edited = start(absl::Hours(2));
  ASSERT_EQ(edited.size(), 2u);
  EXPECT_FALSE(edited[1].moves_open);
  EXPECT_EQ(edited[1].time, Start() + absl::Hours(2));
  EXPECT_EQ(start(absl::Hours(3)).size(), 2u) << "once";
  const Deadlines after(edited);
  EXPECT_EQ(order_by(after), order) << "a store that is rebuilt says the same";
  EXPECT_EQ(Explain(order, clock, after)->SerializeAsString(),
            Explain(order, clock, before)->SerializeAsString());
  EXPECT_EQ(after.CalendarOfParty("rensheju", Start())->code(), office->code());
  EXPECT_EQ(after.CalendarOfParty("rensheju", Start() + absl::Hours(2))->code(), "always");
  const auto moved = MovedTo(order, clock, 2, after);
  ASSERT_TRUE(moved.has_value()) << "a preview lists it";
  EXPECT_LT(moved->due, clock.due);
}

// Publications of the release before do not say who works by which calendar: what is configured at the first
// start is theirs from then on.
TEST_F(NextRulesTest, APublicationWithoutPartiesTakesThoseOfTheNextStart) {
  config::v1::SiteConfig site;
  site.set_hotline("12345");
  *site.mutable_escalation() = config_;
  config::v1::UnitList units;
  config::v1::Unit& unit = *units.add_units();
  unit.set_code("dianli");
  unit.set_calendar("always");
  const PublicationFiles files(Path("publications"));
  ASSERT_TRUE(files.Keep(published_[0]).ok());
  const std::string path = Path("publications/000001.publication");
  v1::StoredPublication stored;
  const auto change = [&](const std::function<void()>& edit) {
    {
      std::ifstream file(path, std::ios::binary);
      ASSERT_TRUE(stored.ParseFromIstream(&file));
    }
    edit();
    std::ofstream file(path, std::ios::binary);
    ASSERT_TRUE(stored.SerializeToOstream(&file));
  };
  change([&] {
    stored.clear_hotline();
    stored.clear_parties_digest();
  });
  ASSERT_TRUE(RulesAtStart(files, site, units, Start()).ok());
  EXPECT_EQ((*files.Load())[0].parties.units.count("dianli"), 1u);
  unit.clear_calendar();
  const auto later = RulesAtStart(files, site, units, Start());
  ASSERT_TRUE(later.ok()) << later.status();
  ASSERT_EQ(later->size(), 2u);
  EXPECT_EQ((*later)[0].parties.units.count("dianli"), 1u) << "theirs for good";
  EXPECT_EQ((*later)[1].parties.units.count("dianli"), 0u);
  change([&] { stored.mutable_units(0)->set_calendar("office"); });
  EXPECT_THAT(std::string(files.Load().status().message()), HasSubstr("who worked by which calendar"));
}

}  // namespace
}  // namespace hotline::escalation
