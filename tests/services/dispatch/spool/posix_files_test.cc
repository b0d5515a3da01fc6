// The spool's directories on the machine's file system.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "services/dispatch/spool/files.h"

namespace hotline::dispatch {
namespace {

namespace fs = std::filesystem;

class PosixFilesTest : public testing::Test {
 protected:
  PosixFilesTest() {
    std::string pattern = (fs::temp_directory_path() / "spool-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~PosixFilesTest() override { fs::remove_all(folder_); }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto listed = files_->List(folder_, 100);
    EXPECT_TRUE(listed.ok()) << listed.status();
    if (listed.ok()) {
      for (const SpoolFile& file : *listed) names.push_back(file.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string folder_;
  std::unique_ptr<SpoolFiles> files_ = NewPosixFiles();
};

TEST_F(PosixFilesTest, WhatIsWrittenIsThereWhole) {
  ASSERT_TRUE(files_->Write(folder_, "a", "one").ok());
  ASSERT_TRUE(files_->Write(folder_, "a", "two, longer").ok());
  ASSERT_TRUE(files_->Write(folder_, ".state", "kept").ok());
  EXPECT_THAT(Names(), testing::ElementsAre("a"));
  EXPECT_EQ(*files_->Read(folder_, "a", 100), "two, longer");
  EXPECT_EQ(*files_->Read(folder_, "a", 3), "two");
  EXPECT_EQ(*files_->Read(folder_, ".state", 100), "kept");
  EXPECT_EQ(files_->Read(folder_, "b", 100).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixFilesTest, OnlyPlainFilesAreListed) {
  ASSERT_TRUE(files_->Write(folder_, "a", "one").ok());
  ASSERT_TRUE(files_->Make(folder_ + "/directory/within").ok());
  fs::create_symlink("/etc/passwd", folder_ + "/link");
  ASSERT_EQ(mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Names(), testing::ElementsAre("a"));
  // Asked for by name they are refused, and nobody waits for a pipe.
  EXPECT_FALSE(files_->Read(folder_, "link", 100).ok());
  EXPECT_FALSE(files_->Read(folder_, "pipe", 100).ok());
  EXPECT_FALSE(files_->Read(folder_, "directory", 100).ok());
}

TEST_F(PosixFilesTest, ListStopsAtItsLimit) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(files_->Write(folder_, std::to_string(i), "x").ok());
  EXPECT_EQ(files_->List(folder_, 4)->size(), 4u);
}

TEST_F(PosixFilesTest, LeftoversOfAnInterruptedWriteGo) {
  std::ofstream(folder_ + "/.tmp-a") << "half";
  std::ofstream(folder_ + "/.other") << "kept";
  ASSERT_TRUE(files_->DropUnfinished(folder_).ok());
  EXPECT_FALSE(fs::exists(folder_ + "/.tmp-a"));
  EXPECT_TRUE(fs::exists(folder_ + "/.other"));
}

TEST_F(PosixFilesTest, MovesAndRemoves) {
  ASSERT_TRUE(files_->Write(folder_, "a", "one").ok());
  ASSERT_TRUE(files_->Make(folder_ + "/to").ok());
  ASSERT_TRUE(files_->Move(folder_, "a", folder_ + "/to", "b").ok());
  EXPECT_EQ(*files_->Read(folder_ + "/to", "b", 100), "one");
  EXPECT_EQ(files_->Move(folder_, "a", folder_ + "/to", "b").code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(files_->Remove(folder_ + "/to", "b").ok());
  EXPECT_EQ(files_->Remove(folder_ + "/to", "b").code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixFilesTest, AMissingDirectoryIsAnAnswer) {
  EXPECT_EQ(files_->List(folder_ + "/none", 100).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(files_->Write(folder_ + "/none", "a", "one").ok());
  EXPECT_FALSE(files_->DropUnfinished(folder_ + "/none").ok());
  std::ofstream(folder_ + "/file") << "in the way";
  EXPECT_FALSE(files_->Make(folder_ + "/file/below").ok());
}

TEST_F(PosixFilesTest, ADirectoryThatMayNotBeReadIsAnAnswer) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  ASSERT_TRUE(files_->Write(folder_, "a", "one").ok());
  fs::permissions(folder_, fs::perms::none);
  EXPECT_EQ(files_->List(folder_, 100).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(files_->Write(folder_, "b", "two").code(), absl::StatusCode::kUnavailable);
  fs::permissions(folder_, fs::perms::owner_all);
}

// A file that cannot be written whole leaves nothing behind: the process's largest file stands in for a full
// disk.
TEST_F(PosixFilesTest, WhatFindsNoRoomIsNotThere) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = files_->Write(folder_, "a", std::string(10'000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(PosixFilesTest, ALinkPutInTheWayIsNotFollowed) {
  std::ofstream(folder_ + "/.victim") << "kept";
  fs::create_symlink(folder_ + "/.victim", folder_ + "/.tmp-a");
  EXPECT_FALSE(files_->Write(folder_, "a", "x").ok());
  EXPECT_EQ(*files_->Read(folder_, ".victim", 100), "kept");
}

}  // namespace
}  // namespace hotline::dispatch
