// What a part of a backup must hold, which backups are the newest, and what a restore refuses to touch.
#include "common/backup/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/backup/verify.h"

namespace hotline::backup {
namespace {

namespace fs = std::filesystem;
using operation::v1::BackupManifest;
using testing::ElementsAre;
using testing::HasSubstr;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::string folder = (fs::temp_directory_path() / "backup_test_XXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~BackupTest() override { fs::remove_all(folder_); }

  static void Put(const std::string& path) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << "x";
  }

  // A backup of files that have the names of stores. An hour passes.
  BackupManifest Make(const std::string& name, const std::string& service,
                      const std::vector<std::string>& files) {
    const Source source = [&](const std::string& to) {
      for (const std::string& file : files) Put(to + "/" + file);
      return absl::OkStatus();
    };
    clock_.Advance(absl::Hours(1));
    const auto manifest = Write(Backups(), name, {.hotline = "110", .service = service}, {source}, clock_);
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return manifest.ok() ? *manifest : BackupManifest();
  }
  std::string Backups() const { return folder_ + "/backups"; }
  std::string Data() const { return folder_ + "/data"; }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const BackupManifest& part : List(Backups(), "work_order", 100)) names.push_back(part.name());
    return names;
  }

  // What was found wrong, in English.
  static std::string Faults(const Report& report) {
    std::string text;
    for (const Check& check : report.checks) {
      if (!check.ok) text += check.where + ": " + check.why.english + "\n";
    }
    return text;
  }

  std::string folder_;
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
};

TEST_F(BackupTest, AStoresLeftoversAreNotMixedIntoWhatIsRestored) {
  const BackupManifest part = Make("b", "work_order", {"work_order.db"});
  const std::string from = Backups() + "/b/work_order";
  for (const char* left : {"work_order.db", "work_order.db-wal", "work_order.db-shm", "work_order.db-journal",
                           "report.db-wal"}) {
    Put(Data() + "/" + left);
    for (const absl::Status& status : {CheckRestore(part, Data()), Restore(from, part, Data())}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << left;
      EXPECT_THAT(std::string(status.message()), HasSubstr(left));
    }
    fs::remove(Data() + "/" + left);
  }
  // What is in any data_dir: a lock that is held by nobody, and what the file system makes.
  Put(Data() + "/work_order.db.lock");
  fs::create_directory(Data() + "/lost+found");
  EXPECT_TRUE(Restore(from, part, Data()).ok());
  EXPECT_TRUE(fs::exists(Data() + "/work_order.db"));
}

TEST_F(BackupTest, AFolderThatComesBackMustBeEmpty) {
  const BackupManifest part =
      Make("b", "escalation",
           {"directory.db", "escalation.db", "notify.db", "report.db", "publications/1.publication"});
  Put(Data() + "/publications/2.publication");
  EXPECT_EQ(CheckRestore(part, Data()).code(), absl::StatusCode::kFailedPrecondition);
  fs::remove(Data() + "/publications/2.publication");
  EXPECT_TRUE(Restore(Backups() + "/b/escalation", part, Data()).ok());
}

TEST_F(BackupTest, TheNewestIsTheLastMadeWhateverItsName) {
  for (const char* name : {"vor-dem-umbau", "20261127", "before", "20261128"}) {
    Make(name, "work_order", {"work_order.db"});
  }
  EXPECT_THAT(Names(), ElementsAre("20261128", "before", "20261127", "vor-dem-umbau"));
  EXPECT_EQ(List(Backups(), "work_order", 1).front().name(), "20261128");
  EXPECT_EQ(Prune(Backups(), "work_order", 2, "20261128"), 2);
  EXPECT_THAT(Names(), ElementsAre("20261128", "before"));
}

TEST_F(BackupTest, TheOneJustMadeStaysWhenTheClockWasSetBack) {
  Make("one", "work_order", {"work_order.db"});
  Make("two", "work_order", {"work_order.db"});
  clock_.Set(absl::FromUnixSeconds(1'700'000'000));
  Make("three", "work_order", {"work_order.db"});
  EXPECT_EQ(Prune(Backups(), "work_order", 1, "three"), 1);
  EXPECT_THAT(Names(), ElementsAre("two", "three"));
}

TEST_F(BackupTest, ARenamedBackupIsRemovedByItsFolder) {
  Make("one", "work_order", {"work_order.db"});
  fs::rename(Backups() + "/one", Backups() + "/kept");
  Make("two", "work_order", {"work_order.db"});
  EXPECT_EQ(Prune(Backups(), "work_order", 1, "two"), 1);
  EXPECT_FALSE(fs::exists(Backups() + "/kept"));
}

TEST_F(BackupTest, APartWithoutItsDatabasesIsNotWhole) {
  const BackupManifest empty = Make("empty", "work_order", {});
  EXPECT_THAT(Faults(Verify(Backups() + "/empty")),
              HasSubstr("work_order: the manifest does not name work_order.db"));
  EXPECT_EQ(Restore(Backups() + "/empty/work_order", empty, Data()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(Data()));

  Make("half", "escalation", {"escalation.db", "report.db", "notify.db"});
  const std::string half = Faults(Verify(Backups() + "/half"));
  EXPECT_THAT(half, HasSubstr("escalation: the manifest does not name directory.db"));
  EXPECT_THAT(half, HasSubstr("no part of work_order"));

  BackupManifest other = empty;
  other.set_service("dispatch");
  EXPECT_FALSE(Lacking(other).has_value());
}

}  // namespace
}  // namespace hotline::backup
