// YAML into messages: what is read, and what each mistake is told.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "common/boot/config.h"

namespace hotline::boot {
namespace {

using config::v1::Policy;
using config::v1::SiteConfig;
using config::v1::UnitList;

constexpr char kSite[] = R"(# 12345
hotline: 12345
display_name: "乌恰县12345政务服务便民热线"
peers:
  - hotline: "110"
    address: 127.0.0.1:11001
  - {hotline: 119, address: '127.0.0.1:11901', display_name: 消防}
work_order:
  listen:
    address: 127.0.0.1:12302
    max_message_bytes: 1048576
  data_dir: data/work_order
log:
  level: WARN
)";

template <typename M>
std::string Error(const std::string& text) {
  M message;
  const absl::Status status = ParseYaml(text, "f.yaml", &message);
  return std::string(status.message());
}

TEST(YamlTest, ReadsASite) {
  SiteConfig site;
  Positions positions;
  const absl::Status status = ParseYaml(kSite, "site.yaml", &site, &positions);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(site.hotline(), "12345");  // a number may be text
  EXPECT_EQ(site.display_name(), "乌恰县12345政务服务便民热线");
  ASSERT_EQ(site.peers_size(), 2);
  EXPECT_EQ(site.peers(0).hotline(), "110");
  EXPECT_EQ(site.peers(1).display_name(), "消防");
  EXPECT_EQ(site.work_order().listen().max_message_bytes(), 1 << 20);
  EXPECT_EQ(site.log().level(), config::v1::LOG_LEVEL_WARN);
  EXPECT_FALSE(site.has_tls());
  EXPECT_EQ(positions["hotline"].line, 2);
  EXPECT_EQ(positions["peers[1].address"].line, 7);
  EXPECT_EQ(positions["work_order.listen.address"].line, 10);
  EXPECT_EQ(positions["work_order.listen.address"].column, 5);
}

TEST(YamlTest, NamesOfValuesAreReadInEitherCase) {
  for (const char* level : {"WARN", "warn", "Warn", "LOG_LEVEL_WARN", "log_level_warn"}) {
    SiteConfig site;
    const absl::Status status = ParseYaml(std::string("log: {level: ") + level + "}\n", "f.yaml", &site);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(site.log().level(), config::v1::LOG_LEVEL_WARN) << level;
  }
  EXPECT_EQ(Error<SiteConfig>("log: {level: wran}\n"),
            "f.yaml:1:14: \"log.level\" has no value \"wran\" in LogLevel; did you mean \"WARN\"?");
}

TEST(YamlTest, ReadsAPolicyAndUnits) {
  Policy policy;
  absl::Status status = ParseYaml(R"(version: "1"
rules:
  - clock: PEER_RECEIPT
    urgency: EMERGENCY
    limit_s: 10
  - clock: CLOCK_KIND_FINISH
    types: [CONSULTATION, ORDER_TYPE_COMPLAINT]
    limit_s: 864000
    remind_before_s: 86400
)",
                                  "policy.yaml", &policy);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(policy.rules(0).clock(), type::v1::CLOCK_KIND_PEER_RECEIPT);
  EXPECT_EQ(policy.rules(0).urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(policy.rules(1).types_size(), 2);
  EXPECT_TRUE(CheckPolicy(policy).empty());

  UnitList units;
  status = ParseYaml("units:\n- {code: scjgj, display_name: 市场监督管理局, aliases: [市监局]}\n",
                     "units.yaml", &units);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(units.units(0).aliases(0), "市监局");
  EXPECT_TRUE(CheckUnits(units).empty());
}

TEST(YamlTest, EachMistakeIsToldWithItsPlace) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      // Keys.
      {"hotline: 1\npeers:\n- hotline: 2\n  adress: x:1\n",
       "f.yaml:4:3: unknown key \"adress\" in PeerConfig; did you mean \"address\"?"},
      {"hotlien: 1\n", "f.yaml:1:1: unknown key \"hotlien\" in SiteConfig; did you mean \"hotline\"?"},
      {"log: {zzz: 1}\n", "f.yaml:1:7: unknown key \"zzz\" in LogConfig; known are level, file"},
      {"hotline: 1\nhotline: 2\n", "f.yaml:2:1: key \"hotline\" is written twice"},
      {"? [a]\n: 1\n", "f.yaml:1:3: a key must be a name"},
      {"hotline:\n", "f.yaml:1:1: \"hotline\" has no value"},
      {"work_order: ~\n", "f.yaml:1:1: \"work_order\" has no value"},
      // Shapes.
      {"- 1\n", "f.yaml:1:1: the file must be a map of fields of SiteConfig"},
      {"work_order: 7\n", "f.yaml:1:13: \"work_order\" must be a map of fields of WorkOrderConfig"},
      {"peers: {hotline: 1}\n", "f.yaml:1:8: \"peers\" must be a list"},
      {"peers: [7]\n", "f.yaml:1:9: \"peers[0]\" must be a map of fields of PeerConfig"},
      {"hotline: [1]\n", "f.yaml:1:10: \"hotline\" must be text"},
      // Numbers.
      {"dispatch:\n  queue_limit: many\n",
       "f.yaml:2:16: \"dispatch.queue_limit\" must be a whole number, not \"many\""},
      {"dispatch: {queue_limit: \"8\"}\n",
       "f.yaml:1:25: \"dispatch.queue_limit\" must be a whole number, not \"8\""},
      {"dispatch: {queue_limit: 1.5}\n",
       "f.yaml:1:25: \"dispatch.queue_limit\" must be a whole number, not \"1.5\""},
      {"dispatch: {queue_limit: 0x10}\n",
       "f.yaml:1:25: \"dispatch.queue_limit\" must be a whole number, not \"0x10\""},
      {"dispatch: {queue_limit: 2147483648}\n",
       "f.yaml:1:25: \"dispatch.queue_limit\" must be from -2147483648 to 2147483647, not 2147483648"},
      // Enums.
      {"log: {level: WRAN}\n",
       "f.yaml:1:14: \"log.level\" has no value \"WRAN\" in LogLevel; did you mean \"WARN\"?"},
      {"log: {level: LOG_LEVEL_INF}\n",
       "f.yaml:1:14: \"log.level\" has no value \"LOG_LEVEL_INF\" in LogLevel; did you mean \"INFO\"?"},
      {"log: {level: UNSPECIFIED}\n",
       "f.yaml:1:14: \"log.level\" has no value \"UNSPECIFIED\" in LogLevel; known are DEBUG, INFO, WARN, "
       "ERROR"},
      {"log: {level: 2}\n",
       "f.yaml:1:14: \"log.level\" has no value \"2\" in LogLevel; known are DEBUG, INFO, WARN, ERROR"},
      // YAML that is not for configuration.
      {"hotline: &a 1\ndisplay_name: *a\n", "f.yaml:1:10: anchors and aliases are not allowed"},
      {"peers: &a\n- *a\n", "f.yaml:1:8: anchors and aliases are not allowed"},
      {"hotline: !!str 1\n", "f.yaml:1:10: tags are not allowed"},
      {"hotline: 1\n---\nhotline: 2\n", "f.yaml:1:1: the file holds more than one document"},
      {"", "f.yaml:1:1: the file is empty"},
      {"# nothing\n", "f.yaml:1:1: the file is empty"},
      {"hotline: 1\ndisplay_name: \xff\n",
       "f.yaml:2:1: this line is not UTF-8 text without control characters"},
      {"hotline: \x01\n", "f.yaml:1:1: this line is not UTF-8 text without control characters"},
  };
  for (const Case& c : cases) EXPECT_EQ(Error<SiteConfig>(c.text), c.message) << c.text;
}

TEST(YamlTest, BrokenYamlIsToldWithItsPlace) {
  for (const char* text : {"a: [1\n", "a: 'x\n", "a:\n\t- b\n", "{", "a: b: c\n", "%YAML 9\n---\n", "*a\n"}) {
    const std::string message = Error<SiteConfig>(text);
    EXPECT_EQ(message.rfind("f.yaml:", 0), 0u) << text << " → " << message;
  }
}

TEST(YamlTest, AllMistakesAreToldTogether) {
  const std::string message = Error<SiteConfig>("hotlien: 1\nlog: {level: X}\npeers: 3\n");
  EXPECT_NE(message.find("f.yaml:1:1:"), std::string::npos);
  EXPECT_NE(message.find("\nf.yaml:2:14:"), std::string::npos);
  EXPECT_NE(message.find("\nf.yaml:3:8:"), std::string::npos);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "x" + std::to_string(i) + ": 1\n";
  EXPECT_NE(Error<SiteConfig>(many).find("and 980 more"), std::string::npos);
}

TEST(YamlTest, SizeAndDepthAreBounded) {
  EXPECT_EQ(Error<SiteConfig>(std::string(kMaxConfigBytes + 1, ' ')), "f.yaml: larger than 1 MiB");
  std::string deep = "peers: ";
  for (int i = 0; i < 100; ++i) deep += '[';
  EXPECT_NE(Error<SiteConfig>(deep).find("f.yaml:1:"), std::string::npos);
  for (const char* open : {"[", "{a: ", "- ", "? "}) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += open;
    EXPECT_NE(Error<SiteConfig>(text), "") << open;
  }
}

TEST(YamlTest, TheMessageIsClearedFirst) {
  SiteConfig site;
  site.set_hotline("old");
  site.add_peers();
  ASSERT_TRUE(ParseYaml("display_name: x\n", "f.yaml", &site).ok());
  EXPECT_EQ(site.hotline(), "");
  EXPECT_EQ(site.peers_size(), 0);
}

// Whatever the text, there is an answer; and it names the file when it is a mistake.
TEST(YamlTest, AnyTextIsAnswered) {
  std::mt19937 random(20261123);
  const std::string alphabet = "abhotline:-[]{},'\"#|>&*!%@`~?\n  \t01";
  for (int round = 0; round < 3000; ++round) {
    std::string text = kSite;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < edits; ++i) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        default:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    SiteConfig site;
    const absl::Status status = ParseYaml(text, "f.yaml", &site);
    if (!status.ok()) {
      EXPECT_EQ(std::string(status.message()).rfind("f.yaml:", 0), 0u) << text << "\n" << status;
    }
  }
}

}  // namespace
}  // namespace hotline::boot
