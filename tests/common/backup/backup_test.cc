// What a part of a backup must hold, which backups are the newest, and what a restore refuses to touch.
#include "common/backup/backup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/backup/verify.h"
#include "common/error/error.h"
#include "common/sql/sqlite.h"

namespace hotline::backup {
namespace {

namespace fs = std::filesystem;
using operation::v1::BackupManifest;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

  static Owner Of(const std::string& service) {
    return {.hotline = "110", .service = service, .program_version = ""};
  }
  // A backup of files that have the names of stores. An hour passes.
  BackupManifest Make(const std::string& name, const std::string& service,
                      const std::vector<std::string>& files, const std::string& hotline = "110") {
    const Source source = [&](const std::string& to) {
      for (const std::string& file : files) Put(to + "/" + file);
      return absl::OkStatus();
    };
    clock_.Advance(absl::Hours(1));
    const auto manifest = Write(Backups(), name, {.hotline = hotline, .service = service}, {source}, clock_);
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return manifest.ok() ? *manifest : BackupManifest();
  }
  void MakeEscalation(const std::string& name) {
    Make(name, "escalation", {"directory.db", "escalation.db", "notify.db", "report.db"});
  }
  // Of 5 bytes, in the order of `hotlinectl backup create`.
  void MakeWhole(const std::string& name) {
    MakeEscalation(name);
    Make(name, "work_order", {"work_order.db"});
  }
  // `name` for a whole one, `name/service` for a half; the newest first.
  std::vector<std::string> Found() const {
    std::vector<std::string> found;
    for (const Stored& backup : ListStored(Backups(), "110", clock_.Now())) {
      found.push_back(backup.folder + (backup.parts.size() == 2 ? "" : "/" + backup.parts.front().service()));
    }
    return found;
  }
  std::string Backups() const { return folder_ + "/backups"; }
  std::string Data() const { return folder_ + "/data"; }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const BackupManifest& part : List(Backups(), Of("work_order"), clock_.Now(), 100))
      names.push_back(part.name());
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
      // A path says the same in every language.
      EXPECT_EQ(std::string(status.message()), Data() + "/" + left);
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
  const absl::Status status = CheckRestore(part, Data());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(status.message()), Data() + "/publications");
  fs::remove(Data() + "/publications/2.publication");
  EXPECT_TRUE(Restore(Backups() + "/b/escalation", part, Data()).ok());
}

TEST_F(BackupTest, TheNewestIsTheLastMadeWhateverItsName) {
  for (const char* name : {"vor-dem-umbau", "20261127", "before", "20261128"}) {
    Make(name, "work_order", {"work_order.db"});
  }
  EXPECT_THAT(Names(), ElementsAre("20261128", "before", "20261127", "vor-dem-umbau"));
  EXPECT_EQ(List(Backups(), Of("work_order"), clock_.Now(), 1).front().name(), "20261128");
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 2, "20261128", clock_.Now()), 2);
  EXPECT_THAT(Names(), ElementsAre("20261128", "before"));
}

TEST_F(BackupTest, TheOneJustMadeStaysWhenTheClockWasSetBack) {
  Make("one", "work_order", {"work_order.db"});
  Make("two", "work_order", {"work_order.db"});
  clock_.Set(clock_.Now() - absl::Minutes(62));
  Make("three", "work_order", {"work_order.db"});
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 1, "three", clock_.Now()), 1);
  EXPECT_THAT(Names(), ElementsAre("two", "three"));
}

// By days: what the clock dated ahead would be the newest for as long, and push out what is made since.
TEST_F(BackupTest, WhatAClockThatRanAheadDatedCountsAsTheOldest) {
  MakeWhole("before");
  const absl::Time right = clock_.Now();
  clock_.Advance(absl::Hours(24 * 365));
  for (const char* name : {"ahead1", "ahead2"}) MakeWhole(name);
  clock_.Set(right);
  MakeWhole("after1");
  EXPECT_THAT(Found(), ElementsAre("after1", "before", "ahead2", "ahead1"));
  EXPECT_EQ(List(Backups(), Of("work_order"), clock_.Now(), 1).front().name(), "after1");
  EXPECT_TRUE(ListStored(Backups(), "110", clock_.Now()).back().IsAhead(clock_.Now()));
  EXPECT_FALSE(ListStored(Backups(), "110", clock_.Now()).front().IsAhead(clock_.Now()));
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 2, "after1", clock_.Now()), 2);
  MakeWhole("after2");
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 2, "after2", clock_.Now()), 1);
  EXPECT_THAT(Found(), ElementsAre("after2", "after1"));
  // Two clocks are never quite alike.
  clock_.Set(clock_.Now() - kMostAhead);
  EXPECT_FALSE(ListStored(Backups(), "110", clock_.Now()).front().IsAhead(clock_.Now()));
}

// Two sites on one machine, or one share for both.
TEST_F(BackupTest, AnotherHotlinesBackupsAreNotTouched) {
  const std::vector<std::string> of_escalation = {"directory.db", "escalation.db", "notify.db", "report.db"};
  for (const char* name : {"theirs1", "theirs2"}) {
    Make(name, "escalation", of_escalation, "12345");
    Make(name, "work_order", {"work_order.db"}, "12345");
  }
  for (const char* name : {"ours1", "ours2"}) MakeWhole(name);
  EXPECT_THAT(Found(), ElementsAre("ours2", "ours1"));
  EXPECT_THAT(Names(), ElementsAre("ours2", "ours1"));
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 1, "ours2", clock_.Now()), 1);
  // Five bytes are wanted, and a backup of theirs has as many.
  const auto full = [](const std::string&) { return std::optional(Disk{.free = 0, .size = 0}); };
  EXPECT_FALSE(
      MakeRoom(Backups(), Of("work_order"), "ours3", 5, clock_.Now(), {.may_remove = true, .disk = full})
          .status.ok());
  EXPECT_EQ(ListStored(Backups(), "12345", clock_.Now()).size(), 2u);
  EXPECT_THAT(Found(), ElementsAre("ours2"));
  // A name that is theirs is taken for both parts.
  EXPECT_EQ(error::ReasonOf(CheckWrite(Backups(), "theirs1", Of("escalation"))),
            error::Reason::ERROR_REASON_BACKUP_EXISTS);
  fs::remove_all(Backups() + "/theirs1/escalation");
  EXPECT_EQ(error::ReasonOf(CheckWrite(Backups(), "theirs1", Of("escalation"))),
            error::Reason::ERROR_REASON_BACKUP_EXISTS);
  // Where an earlier release let both into one folder, each takes its own away.
  fs::rename(Backups() + "/ours2/escalation", Backups() + "/theirs1/escalation");
  MakeEscalation("ours4");
  EXPECT_EQ(Prune(Backups(), Of("escalation"), 1, "ours4", clock_.Now()), 1);
  EXPECT_FALSE(fs::exists(Backups() + "/theirs1/escalation"));
  EXPECT_TRUE(fs::exists(Backups() + "/theirs1/work_order/work_order.db"));
}

TEST_F(BackupTest, ARenamedBackupIsRemovedByItsFolder) {
  Make("one", "work_order", {"work_order.db"});
  fs::rename(Backups() + "/one", Backups() + "/kept");
  Make("two", "work_order", {"work_order.db"});
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 1, "two", clock_.Now()), 1);
  EXPECT_FALSE(fs::exists(Backups() + "/kept"));
}

// work_order is down: escalation's parts alone must not push out what brings a site back.
TEST_F(BackupTest, HalvesGoBeforeWholeOnesAndTakeNoneApart) {
  MakeWhole("good1");
  MakeWhole("good2");
  MakeEscalation("half1");
  EXPECT_EQ(Prune(Backups(), Of("escalation"), 2, "half1", clock_.Now()), 0);
  EXPECT_THAT(Found(), ElementsAre("half1/escalation", "good2", "good1"));
  MakeEscalation("half2");
  EXPECT_EQ(Prune(Backups(), Of("escalation"), 2, "half2", clock_.Now()), 1);
  EXPECT_THAT(Found(), ElementsAre("half2/escalation", "good2", "good1"));
  // The next whole one: of the oldest nothing is left, by whichever service's doing.
  MakeEscalation("good3");
  EXPECT_EQ(Prune(Backups(), Of("escalation"), 2, "good3", clock_.Now()), 1);
  EXPECT_THAT(Found(), ElementsAre("good3/escalation", "good2", "good1"));
  Make("good3", "work_order", {"work_order.db"});
  EXPECT_EQ(Prune(Backups(), Of("work_order"), 2, "good3", clock_.Now()), 1);
  EXPECT_THAT(Found(), ElementsAre("good3", "good2"));
  EXPECT_FALSE(fs::exists(Backups() + "/good1"));
}

// escalation was taken from this machine: its last parts make no halves of what is made without it.
TEST_F(BackupTest, AServiceThatIsNoMoreMakesNoHalves) {
  for (const char* name : {"a1", "a2", "a3"}) MakeWhole(name);
  for (const char* name : {"b1", "b2", "b3", "b4"}) {
    Make(name, "work_order", {"work_order.db"});
    EXPECT_EQ(Prune(Backups(), Of("work_order"), 3, name, clock_.Now(), {"work_order"}), 1) << name;
  }
  EXPECT_THAT(Names(), ElementsAre("b4", "b3", "b2"));
  int64_t free = 100;
  const auto disk = [&](const std::string&) {
    int64_t left = free;
    for (const Stored& backup : ListStored(Backups(), "110", clock_.Now())) left -= backup.bytes();
    return std::optional(Disk{.free = left, .size = 100});
  };
  for (const Stored& backup : ListStored(Backups(), "110", clock_.Now())) free += backup.bytes();
  free -= 89;  // one byte more than the tenth that stays free
  EXPECT_TRUE(MakeRoom(Backups(), Of("work_order"), "b5", 2, clock_.Now(),
                       {.may_remove = true, .configured = {"work_order"}, .disk = disk})
                  .status.ok());
  EXPECT_THAT(Names(), ElementsAre("b4", "b3"));
}

TEST_F(BackupTest, AHalfWhoseOtherPartIsBeingWrittenStays) {
  MakeWhole("good");
  MakeEscalation("slow");
  fs::create_directory(Backups() + "/.slow.work_order.partial");
  MakeEscalation("next");
  EXPECT_EQ(Prune(Backups(), Of("escalation"), 1, "next", clock_.Now()), 0);
  EXPECT_THAT(Found(), ElementsAre("next/escalation", "slow/escalation", "good"));
}

TEST_F(BackupTest, WhatAKilledProcessLeftGoesAndWhatALivingOneWritesStays) {
  for (const char* name : {"dead", "alive"}) {
    Put(Backups() + "/." + name + ".work_order.partial/work_order.db");
  }
  Put(Backups() + "/.other.escalation.partial/report.db");
  const std::string alive = Backups() + "/.alive.work_order.partial";
  const int lock = open(alive.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);
  // A failure is enough to clear it: nothing need succeed first.
  const auto failed = Write(Backups(), "alive", {.hotline = "110", .service = "work_order"}, {}, clock_);
  EXPECT_EQ(error::ReasonOf(failed.status()), error::Reason::ERROR_REASON_BACKUP_RUNNING) << failed.status();
  EXPECT_FALSE(fs::exists(Backups() + "/.dead.work_order.partial"));
  EXPECT_TRUE(fs::exists(alive + "/work_order.db"));
  EXPECT_TRUE(fs::exists(Backups() + "/.other.escalation.partial")) << "the other service's own affair";
  close(lock);
  RemoveLeftovers(Backups(), "work_order");
  EXPECT_FALSE(fs::exists(alive));
  // Locked while it is written, so that none of these takes it.
  bool locked = false;
  const Source source = [&](const std::string& folder) {
    RemoveLeftovers(Backups(), "work_order");
    locked = fs::exists(folder);
    Put(folder + "/work_order.db");
    return absl::OkStatus();
  };
  EXPECT_TRUE(Write(Backups(), "b", {.hotline = "110", .service = "work_order"}, {source}, clock_).ok());
  EXPECT_TRUE(locked);
}

TEST_F(BackupTest, ACopyThatDoesNotFitIsRefusedOrOldOnesMakeRoom) {
  MakeEscalation("half");
  for (const char* name : {"one", "two", "three", "four"}) MakeWhole(name);
  MakeEscalation("new");
  // 100 of 1,000 bytes stay free; what is stored is 20 in whole ones and 4 in each half.
  const auto disk = [&](const std::string&) {
    int64_t free = 140;
    for (const Stored& backup : ListStored(Backups(), "110", clock_.Now())) free -= backup.bytes();
    return std::optional(Disk{.free = free, .size = 1000});
  };
  const auto make_room = [&](int64_t bytes, bool may_remove, bool only_ask = false) {
    return MakeRoom(Backups(), Of("work_order"), "new", bytes, clock_.Now(),
                    {.may_remove = may_remove, .only_ask = only_ask, .disk = disk});
  };
  const std::vector<std::string> all = Found();
  const Room fits = make_room(12, true);
  EXPECT_TRUE(fits.status.ok()) << fits.status;
  EXPECT_EQ(fits.free, 112);
  EXPECT_EQ(fits.reserve, 100);
  EXPECT_EQ(fits.removed, 0);
  // None may go; or all that may would not do.
  for (const Room& full : {make_room(13, false), make_room(23, true), make_room(23, true, true)}) {
    EXPECT_EQ(error::ReasonOf(full.status), error::Reason::ERROR_REASON_DISK_FULL) << full.status;
    EXPECT_EQ(full.removed, 0);
  }
  EXPECT_TRUE(make_room(22, true, /*only_ask=*/true).status.ok());
  EXPECT_EQ(Found(), all);
  const Room one = make_room(17, true);
  EXPECT_TRUE(one.status.ok()) << one.status;
  EXPECT_EQ(one.removed, 1);
  EXPECT_THAT(Found(), ElementsAre("new/escalation", "four", "three", "two", "half/escalation"))
      << "the half has no part of work_order's to take away";
  EXPECT_TRUE(make_room(22, true).status.ok());
  EXPECT_THAT(Found(), ElementsAre("new/escalation", "four", "three", "half/escalation"));
  EXPECT_FALSE(make_room(23, true).status.ok()) << "two whole ones stay";
  // escalation's halves go before whole ones.
  MakeWhole("five");
  const Room of_half =
      MakeRoom(Backups(), Of("escalation"), "new", 20, clock_.Now(), {.may_remove = true, .disk = disk});
  EXPECT_TRUE(of_half.status.ok()) << of_half.status;
  EXPECT_THAT(Found(), ElementsAre("five", "new/escalation", "four", "three"));
  // What the system does not tell is found out by the copy.
  EXPECT_TRUE(MakeRoom(Backups(), Of("escalation"), "x", 1 << 30, clock_.Now(),
                       {.disk = [](const std::string&) { return std::optional<Disk>(); }})
                  .status.ok());
}

TEST_F(BackupTest, TheDiskOfAFolderThatIsNotThereYetIsKnown) {
  const std::optional<Disk> disk = DiskOf(folder_ + "/not/yet");
  ASSERT_TRUE(disk.has_value());
  EXPECT_GT(disk->size, 0);
  EXPECT_EQ(ReserveOf({.free = 0, .size = 1000}), 100);
  EXPECT_EQ(ReserveOf({.free = 0, .size = int64_t{1} << 50}), int64_t{1} << 30);
  Put(Data() + "/a.db");
  Put(Data() + "/publications/1.publication");
  EXPECT_EQ(BytesIn(Data()), 2);
  EXPECT_EQ(BytesIn(folder_ + "/none"), 0);
  EXPECT_THAT(ListStored(folder_ + "/none", "110", clock_.Now()), IsEmpty());
}

// Half a restored site is worse than none, and in the way of the next attempt.
TEST_F(BackupTest, ASiteIsRestoredWholeOrNotAtAll) {
  MakeWhole("b");
  std::vector<Placement> parts;
  for (const char* service : {"escalation", "work_order"}) {
    const auto manifest = ReadManifest(Backups() + "/b/" + service);
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    parts.push_back({.manifest = *manifest, .data_dir = Data() + "/" + service});
  }
  // The second part turns out to be damaged while it is copied.
  const std::string store = Backups() + "/b/work_order/work_order.db";
  std::ofstream(store) << "y";
  EXPECT_EQ(RestoreAll(Backups() + "/b", parts).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(fs::exists(Data() + "/escalation/report.db"));
  Put(store);
  // Together they do not fit where each alone does.
  const auto free_bytes = [](int64_t free, bool one_disk) {
    return [=](const std::string& path) {
      const bool second = !one_disk && path.ends_with("work_order");
      return std::optional(Disk{.free = free, .size = 1000, .id = second ? 2u : 1u});
    };
  };
  const absl::Status full = RestoreAll(Backups() + "/b", parts, free_bytes(4, true));
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_THAT(std::string(full.message()), HasSubstr(Data() + "/work_order has 4 bytes free, 5 are needed"));
  EXPECT_EQ(RestoreAll(Backups() + "/b", parts, free_bytes(3, false)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(fs::exists(Data() + "/escalation/report.db"));
  // Nothing is in the way once there is room.
  const absl::Status restored = RestoreAll(Backups() + "/b", parts, free_bytes(4, false));
  EXPECT_TRUE(restored.ok()) << restored;
  EXPECT_TRUE(fs::exists(Data() + "/escalation/report.db"));
  EXPECT_TRUE(fs::exists(Data() + "/work_order/work_order.db"));
  // What is there is never taken for what was copied.
  EXPECT_EQ(RestoreAll(Backups() + "/b", parts).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(fs::exists(Data() + "/escalation/report.db"));
}

// Runs `meanwhile` while the file `path` of a backup, which is "x", is being copied.
class WhileCopied {
 public:
  WhileCopied(const std::string& path, std::function<void()> meanwhile) : path_(path) {
    fs::remove(path);
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    thread_ = std::thread([path, meanwhile = std::move(meanwhile)] {
      // Not before somebody reads it.
      const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
      meanwhile();
      EXPECT_EQ(write(file, "x", 1), 1);
      close(file);
    });
  }
  ~WhileCopied() {
    // If nobody has read it.
    const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    thread_.join();
    close(reader);
  }

 private:
  const std::string path_;
  std::thread thread_;
};

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(BackupTest, AFailedRestoreLeavesWhatItDidNotMake) {
  const BackupManifest part = Make("b", "work_order", {"a.bin", "work_order.db"});
  const std::string from = Backups() + "/b/work_order";
  const std::string store = Data() + "/work_order.db";
  absl::Status status;
  {
    const WhileCopied other(from + "/a.bin", [&] { std::ofstream(store) << "orders"; });
    status = Restore(from, part, Data());
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(ContentOf(store), "orders");
  EXPECT_FALSE(fs::exists(Data() + "/a.bin"));
}

TEST_F(BackupTest, NoServiceOpensAStoreOfASiteThatIsBeingRestored) {
  MakeWhole("b");
  std::vector<Placement> parts;
  for (const char* service : {"escalation", "work_order"}) {
    parts.push_back(
        {.manifest = *ReadManifest(Backups() + "/b/" + service), .data_dir = Data() + "/" + service});
  }
  const auto open = [&](const std::string& store) {
    return sql::OpenSqlite({.path = Data() + "/" + store}).status();
  };
  absl::Status status;
  {
    // The first part is there by then, and goes again if the second fails.
    const WhileCopied started(Backups() + "/b/work_order/work_order.db", [&] {
      for (const char* store : {"escalation/escalation.db", "work_order/work_order.db"}) {
        const absl::Status refused = open(store);
        EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << store;
        EXPECT_THAT(std::string(refused.message()), HasSubstr("locked")) << store;
      }
    });
    status = RestoreAll(Backups() + "/b", parts);
  }
  EXPECT_TRUE(status.ok()) << status;
  // Nor is anything restored into what a service has just begun to make.
  fs::remove(Data() + "/work_order/work_order.db");
  const int lock = ::open((Data() + "/work_order/work_order.db.lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0) << "it is free again";
  EXPECT_EQ(Restore(Backups() + "/b/work_order", parts[1].manifest, parts[1].data_dir),
            absl::AbortedError(Data() + "/work_order/work_order.db"));
  EXPECT_FALSE(fs::exists(Data() + "/work_order/work_order.db"));
  close(lock);
}

TEST_F(BackupTest, ABackupThatIsStoppedLeavesNothing) {
  for (const char* file : {"1.publication", "2.publication"}) Put(folder_ + "/publications/" + file);
  int asked = 0;
  const auto stopped =
      Write(Backups(), "b", Of("escalation"), {PlainFolder(folder_ + "/publications")}, clock_,
            /*is_stopped=*/[&] { return ++asked > 1; });
  EXPECT_EQ(error::ReasonOf(stopped.status()), error::Reason::ERROR_REASON_DRAINING) << stopped.status();
  EXPECT_TRUE(fs::is_empty(Backups()));
  EXPECT_TRUE(Write(Backups(), "b", Of("escalation"), {PlainFolder(folder_ + "/publications")}, clock_).ok());
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
