// A file that cannot be read is the same mistake in every command of hotlinectl that takes one.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/operation/ctl.h"

namespace hotline::test {
namespace {

TEST(InputFileTest, WhatCannotBeReadIsWrongUseInEveryCommand) {
  const TemporaryFolder folder;
  const std::string none = folder.path() + "/none.yaml";
  const std::string catalogue = std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue";
  const std::vector<std::vector<std::string>> commands = {
      {"push", "--to", "110", "--file", none},
      {"refer-from-scene", "--request", "bring-unit", "--guidance", "g", "--title", "t", "--text", "x",
       "--type", "complaint", "--anonymous", "--township", "653024100", "--photo", "a://1=" + none},
      {"policy", "preview", "--file", none},
      {"calendar", "preview", none, "--document", "d", "--issued", "2026-11-04"},
      {"directory", "import", "--file", none, "--reported-by", "desk"},
      {"catalogue", "check", "--file", none},
      {"catalogue", "check", "--file", catalogue + "/wuqia.yaml", "--units", none},
      {"catalogue", "check", "--file", catalogue + "/wuqia.yaml", "--directory", none},
      {"catalogue", "diff", none, catalogue + "/wuqia.yaml"},
      {"suggest", "--catalogue", catalogue, "--file", none},
      {"suggest", "evaluate", "--catalogue", catalogue, "--file", none},
      {"evidence", "verify", none},
  };
  for (const std::vector<std::string>& command : commands) {
    const std::string name = command[0] + " " + command[1];
    const auto said = [&](std::vector<std::string> before) {
      before.insert(before.end(), command.begin(), command.end());
      const Said said = RunCtl(folder, before);
      EXPECT_EQ(said.exit, 2) << name << ": " << said.err;
      EXPECT_EQ(said.out, "") << name;
      return said.err;
    };
    EXPECT_EQ(said({"--lang", "en"}), "error: cannot read " + none + "\n") << name;
    EXPECT_EQ(said({"--lang", "zh"}), "错误：无法读取 " + none + "\n") << name;
    const std::string json = said({"--lang", "en", "--json"});
    EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1) << json;
    google::protobuf::Struct object;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &object).ok()) << name << ": " << json;
    EXPECT_EQ(object.fields().at("message").string_value(), "cannot read " + none);
    EXPECT_EQ(object.fields().at("messageZh").string_value(), "无法读取 " + none);
  }
}

}  // namespace
}  // namespace hotline::test
