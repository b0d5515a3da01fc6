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

}  // namespace
}  // namespace hotline::boot
