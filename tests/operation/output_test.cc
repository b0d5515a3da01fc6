// Whom the files that hotlinectl writes are for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/operation/ctl.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The umask is the usual one, under which everybody may read.
TEST(OutputTest, WhatHoldsPeopleIsItsOwnersAlone) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  const mode_t mask = umask(022);
  const auto folder = [&](const std::string& name) { return sites.folder.path() + "/" + name; };
  WriteFile(folder("orders.csv"),
            "title,text,type,channel,urgency,name,phone,to\n"
            "路灯不亮,示例,help,phone,normal,古丽（示例）,139x0004711,110\n");
  const Said pushed = RunCtl(sites.folder, sites.a,
                             {"push", "--file", folder("orders.csv"), "--rejects", folder("rejects.csv")});
  EXPECT_NE(pushed.exit, 0) << pushed.out;
  const Said exported =
      RunCtl(sites.folder, sites.a, {"--account", "1", "directory", "export", "--out", folder("people.csv")});
  EXPECT_EQ(exported.exit, 0) << exported.err;
  const Said listed =
      RunCtl(sites.folder, sites.a, {"due-soon", "--within", "30d", "--csv", "--out", folder("due.csv")});
  EXPECT_EQ(listed.exit, 0) << listed.err;
  umask(mask);
  EXPECT_THAT(ReadFile(folder("rejects.csv")), HasSubstr("古丽（示例）"));
  for (const std::string name : {"rejects.csv", "people.csv", "due.csv"}) {
    EXPECT_EQ(fs::status(folder(name)).permissions(), fs::perms::owner_read | fs::perms::owner_write) << name;
  }
}

}  // namespace
}  // namespace hotline::test
