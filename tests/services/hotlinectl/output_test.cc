#include "services/hotlinectl/core/output.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace hotline::hotlinectl {
namespace {

namespace fs = std::filesystem;

class OutputTest : public testing::Test {
 protected:
  OutputTest() : mask_(umask(0)) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  ~OutputTest() override {
    umask(mask_);
    fs::remove_all(folder_);
  }

  static fs::perms ModeOf(const std::string& path) { return fs::status(path).permissions(); }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static constexpr fs::perms kOwnersAlone = fs::perms::owner_read | fs::perms::owner_write;
  const std::string folder_ = testing::TempDir() + "hotline_output_test";
  const std::string path_ = folder_ + "/rows.csv";
  const mode_t mask_;
};

TEST_F(OutputTest, AFileIsItsOwnersAloneWhateverTheUmask) {
  ASSERT_TRUE(WritePrivate(path_, "13900000001", IfExists::kReplace));
  EXPECT_EQ(ModeOf(path_), kOwnersAlone);
  EXPECT_EQ(Read(path_), "13900000001");
}

TEST_F(OutputTest, WhatIsReplacedIsClosedToOthersToo) {
  std::ofstream(path_) << "longer than what comes";
  fs::permissions(path_, fs::perms::all);
  ASSERT_TRUE(WritePrivate(path_, "short", IfExists::kReplace));
  EXPECT_EQ(ModeOf(path_), kOwnersAlone);
  EXPECT_EQ(Read(path_), "short");
}

TEST_F(OutputTest, WhatMayNotBeReplacedStays) {
  std::ofstream(path_) << "before";
  EXPECT_FALSE(WritePrivate(path_, "after", IfExists::kRefuse));
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(Read(path_), "before");
}

TEST_F(OutputTest, WhatIsNoFileIsWrittenToAsItIs) {
  const fs::perms before = ModeOf("/dev/null");
  EXPECT_TRUE(WritePrivate("/dev/null", "x", IfExists::kReplace));
  EXPECT_EQ(ModeOf("/dev/null"), before);
  EXPECT_FALSE(WritePrivate(folder_, "x", IfExists::kReplace));
  EXPECT_FALSE(WritePrivate("/dev/full", "x", IfExists::kReplace));
  EXPECT_EQ(errno, ENOSPC);
}

}  // namespace
}  // namespace hotline::hotlinectl
