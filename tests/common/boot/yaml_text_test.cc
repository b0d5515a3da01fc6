#include "common/boot/yaml_text.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "common/boot/catalogue_file.h"
#include "common/boot/config.h"

namespace hotline::boot {
namespace {

using google::protobuf::util::MessageDifferencer;

TEST(YamlTextTest, WhatIsWrittenReadsBackTheSame) {
  const auto catalogue = LoadCatalogue(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml");
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  config::v1::Catalogue message = (*catalogue)->message();
  // Boundaries, and texts that a careless writer would spoil.
  type::v1::Coordinates* point = message.mutable_townships(0)->add_boundary()->add_points();
  point->set_latitude(39.25);
  message.mutable_items(0)->set_question("“a”: \"b\" \\ # c\n- d\t: {e} [f]");
  message.mutable_items(0)->set_title("true");
  message.mutable_items(1)->set_title("10");
  config::v1::Catalogue back;
  const absl::Status status = ParseYaml(ToYaml(message), "exported", &back);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(MessageDifferencer::Equals(message, back));
}

TEST(YamlTextTest, NumbersSwitchesAndEmptyMessages) {
  config::v1::SiteConfig site;
  site.set_hotline("110");
  site.mutable_work_order()->set_dispatches_first(true);
  site.mutable_work_order()->set_free_returns_per_unit(0);
  site.mutable_dispatch();
  site.add_peers();
  site.mutable_log()->set_level(config::v1::LOG_LEVEL_WARN);
  EXPECT_EQ(
      ToYaml(site),
      "hotline: \"110\"\npeers:\n  - {}\nwork_order:\n  dispatches_first: true\n  free_returns_per_unit: 0\n"
      "dispatch: {}\nlog:\n  level: WARN\n");
  config::v1::SiteConfig back;
  ASSERT_TRUE(ParseYaml(ToYaml(site), "site", &back).ok());
  EXPECT_TRUE(MessageDifferencer::Equals(site, back));
}

std::string FaultZh(const std::string& text) {
  config::v1::SiteConfig site;
  return YamlFaultsZh(std::string(ParseYaml(text, "f.yaml", &site).message()), "f.yaml");
}

TEST(YamlTextTest, FaultsAreToldInChinese) {
  EXPECT_EQ(FaultZh("hotline: 1\npeers:\n- hotline: 2\n  adress: x:1\n"),
            "f.yaml第4行第3列：未知的键“adress”（PeerConfig），是否应为“address”？");
  EXPECT_EQ(FaultZh("log: {zzz: 1}\n"), "f.yaml第1行第7列：未知的键“zzz”（LogConfig），可用：level, file");
  EXPECT_EQ(FaultZh("hotline: 1\nhotline: 2\n"), "f.yaml第2行第1列：键“hotline”重复");
  EXPECT_EQ(FaultZh("log: {level: WRAN}\n"),
            "f.yaml第1行第14列：“log.level”的值“WRAN”无效（LogLevel），是否应为“WARN”？");
  EXPECT_EQ(FaultZh("hotline:\n"), "f.yaml第1行第1列：“hotline”没有填写");
  EXPECT_EQ(FaultZh("dispatch:\n  queue_limit: many\n"),
            "f.yaml第2行第16列：“dispatch.queue_limit”须为整数，现为“many”");
  EXPECT_EQ(FaultZh("hotline: [1]\n"), "f.yaml第1行第10列：“hotline”须为文本");
  EXPECT_NE(FaultZh("a: [1\n").find("列：YAML格式有误："), std::string::npos) << FaultZh("a: [1\n");
  EXPECT_EQ(FaultZh("hotlien: 1\npeers: 3\n"),
            "f.yaml第1行第1列：未知的键“hotlien”（SiteConfig），是否应为“hotline”？\n"
            "f.yaml第2行第8列：“peers”须为列表");
  EXPECT_EQ(FaultZh(std::string(kMaxConfigBytes + 1, ' ')), "f.yaml：超过1MiB");
  EXPECT_EQ(YamlFaultsZh("cannot read a.yaml: why", "a.yaml"), "无法读取a.yaml: why");
  EXPECT_EQ(YamlFaultsZh("what else", "a.yaml"), "what else");
}

// Each of the reader's own sentences has its form: what is new there comes here too.
TEST(YamlTextTest, NoUsualFaultIsLeftInEnglish) {
  std::string many;
  for (int i = 0; i < 30; ++i) many += "x" + std::to_string(i) + "aaaaaaaaaaaaaaaaaa: 1\n";
  std::string deep = "peers: ";
  for (int i = 0; i < 40; ++i) deep += "[";
  for (const std::string& text :
       {std::string("? [a]\n: 1\n"), std::string("work_order: 7\n"), std::string("- 1\n"),
        std::string("dispatch: {queue_limit: 2147483648}\n"), std::string("log: {level: UNSPECIFIED}\n"),
        std::string("log: {level: [1]}\n"), std::string("work_order: {dispatches_first: 1}\n"),
        std::string("work_order: {dispatches_first: [1]}\n"), std::string("dispatch: {queue_limit: [1]}\n"),
        std::string("hotline: &a 1\n"), std::string("hotline: !!str 1\n"), std::string(),
        std::string("hotline: 1\n---\nhotline: 2\n"), std::string("hotline: \x01\n"), many, deep}) {
    const std::string chinese = FaultZh(text);
    EXPECT_EQ(chinese.find("YAML格式有误"), std::string::npos) << chinese;
    EXPECT_EQ(chinese.find("f.yaml:"), std::string::npos) << chinese;
    EXPECT_EQ(chinese.find(" more"), std::string::npos) << chinese;
  }
}

}  // namespace
}  // namespace hotline::boot
