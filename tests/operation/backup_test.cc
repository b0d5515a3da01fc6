// A backup that was taken under load brings a site back whose machine is lost: it rejoins its peer, and
// nothing is lost or doubled.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "common/base/mutex.h"
#include "hotline/client.h"
#include "hotline/operation/v1/backup_service.grpc.pb.h"
#include "tests/operation/ctl.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

namespace fs = std::filesystem;
using dispatch::v1::DispatchService;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    for (Site* site : {&sites_.a, &sites_.b}) {
      site->config().mutable_dispatch()->set_backoff_max_ms(200);
      site->config().mutable_backup()->set_directory(site->folder() + "/backups");
    }
  }

  std::string Backups(const Site& site) { return site.folder() + "/backups"; }

  // Handoff id → state, of every order of a site.
  static std::map<std::string, std::string> States(Site& site) {
    std::map<std::string, std::string> states;
    for (const type::v1::WorkOrder& order : ListAll(site)) {
      const bool first =
          states.emplace(order.handoff().id(), type::v1::OrderState_Name(order.state())).second;
      EXPECT_TRUE(first) << order.handoff().id() << " has two orders at " << site.hotline();
    }
    return states;
  }

  bool Quiet() {
    for (Site* site : {&sites_.a, &sites_.b}) {
      const auto response = Must(site->dispatch(), &DispatchService::Stub::ListLinks, {});
      for (const auto& link : response.links()) {
        if (!link.up() || link.recovering() || link.acknowledged_sequence() != link.outgoing_sequence()) {
          return false;
        }
      }
    }
    return true;
  }

  // A service's part alone, as nobody should make it.
  static void MakePart(Site& site, Service service, const std::string& name) {
    const auto stub = operation::v1::BackupService::NewStub(site.NewChannelTo(service));
    operation::v1::CreateBackupRequest request;
    request.set_name(name);
    Must(*stub, &operation::v1::BackupService::Stub::CreateBackup, request);
  }
  // `work_order` and `escalation`, or what of them a backup has.
  std::set<std::string> PartsOf(const Site& site, const std::string& name) {
    std::set<std::string> parts;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(Backups(site) + "/" + name, code)) {
      parts.insert(entry.path().filename().string());
    }
    return parts;
  }

  Said Ctl(Site& site, std::vector<std::string> arguments) {
    return RunCtl(sites_.folder, site, std::move(arguments));
  }

  TwoSites sites_;
};

TEST_F(BackupTest, ALostMachineComesBackFromABackupTakenUnderLoad) {
  ASSERT_TRUE(sites_.StartAll().ok());
  // Two desks push all the while.
  std::atomic<bool> over{false};
  Mutex mu;
  std::set<std::string> pushed;
  std::atomic<int> failed{0};
  std::vector<std::thread> desks;
  for (int desk = 0; desk < 2; ++desk) {
    desks.emplace_back([&, desk] {
      client::Client client({.dispatch = sites_.a.address(Service::kDispatch)});
      for (int n = desk; !over; n += 2) {
        dispatch::v1::PushWorkOrderResponse response;
        if (!client.Push(MakePush(n, "110"), &response).ok()) {
          ++failed;
          continue;
        }
        MutexLock lock(&mu);
        pushed.insert(response.order().handoff().id());
      }
    });
  }
  const auto count = [&] {
    MutexLock lock(&mu);
    return pushed.size();
  };
  const bool begun = Eventually([&] { return count() > 50; });
  const Said made = Ctl(sites_.a, {"--json", "backup", "create", "nightly"});
  const size_t at_backup = count();
  // The history that will be lost.
  const bool more = Eventually([&] { return count() > at_backup + 50; });
  over = true;
  for (std::thread& desk : desks) desk.join();
  ASSERT_TRUE(begun && more);
  EXPECT_EQ(failed, 0);
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_THAT(made.out,
              AllOf(HasSubstr("\"service\":\"escalation\""), HasSubstr("\"service\":\"work_order\""),
                    HasSubstr("directory.db"), HasSubstr(".publication")));
  const Said listed = Ctl(sites_.a, {"backup", "list"});
  EXPECT_EQ(listed.exit, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("nightly"));
  EXPECT_EQ(Ctl(sites_.a, {"backup", "create", "nightly"}).exit, 5) << "a backup is never written over";

  // What the peer did with some of the lost ones.
  ASSERT_TRUE(Eventually([&] { return States(sites_.b).size() == pushed.size(); }));
  const std::vector<type::v1::WorkOrder> theirs = ListAll(sites_.b);  // newest first
  for (size_t i = 0; i < 10; ++i) Accept(sites_.b, theirs[i].id());
  Accept(sites_.b, theirs.back().id());
  ASSERT_TRUE(Eventually([&] { return Quiet() && States(sites_.a) == States(sites_.b); }));
  const std::map<std::string, std::string> before = States(sites_.a);

  // The machine is gone; the backup lies on another one.
  sites_.a.KillAll();
  const std::string backup = sites_.folder.path() + "/carried/nightly";
  fs::create_directories(sites_.folder.path() + "/carried");
  fs::rename(Backups(sites_.a) + "/nightly", backup);
  fs::remove_all(sites_.a.folder() + "/work_order");
  fs::remove_all(sites_.a.folder() + "/escalation");

  const Said verified = RunCtl(sites_.folder, {"backup", "verify", backup});
  EXPECT_EQ(verified.exit, 0) << verified.out << verified.err;
  const Said zh = RunCtl(sites_.folder, {"--lang", "zh", "backup", "verify", backup});
  EXPECT_THAT(zh.out, AllOf(HasSubstr("日志哈希链"), HasSubstr("完整")));
  const std::vector<std::string> restore = {"backup", "restore", backup, "--config", sites_.a.config_file()};
  // What is left of the old store would be played into the new one; no part is copied before all may be.
  fs::create_directory(sites_.a.folder() + "/work_order");
  const std::string left = sites_.a.folder() + "/work_order/work_order.db-wal";
  WriteFile(left, "x");
  const Said refused = RunCtl(sites_.folder, restore);
  EXPECT_EQ(refused.exit, 5) << refused.out;
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr(left + " exists already"), HasSubstr("move the whole folder away")));
  std::vector<std::string> in_chinese = restore;
  in_chinese.insert(in_chinese.begin(), {"--lang", "zh"});
  EXPECT_THAT(RunCtl(sites_.folder, in_chinese).err,
              AllOf(HasSubstr(left + "已存在"), Not(HasSubstr(" exist"))));
  EXPECT_FALSE(fs::exists(sites_.a.folder() + "/escalation"));
  fs::remove(left);
  const std::string store = sites_.a.folder() + "/work_order/work_order.db";
  // As a service that somebody started meanwhile.
  const int lock = open((store + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);
  const Said in_use = RunCtl(sites_.folder, restore);
  EXPECT_EQ(in_use.exit, 5) << in_use.out;
  EXPECT_THAT(in_use.err, AllOf(HasSubstr(store + " is used"), HasSubstr("stop the services first"),
                                Not(HasSubstr("address"))));
  EXPECT_THAT(RunCtl(sites_.folder, in_chinese).err,
              AllOf(HasSubstr(store + "正被"), HasSubstr("请先停止各服务")));
  close(lock);
  const Said restored = RunCtl(sites_.folder, restore);
  ASSERT_EQ(restored.exit, 0) << restored.out << restored.err;
  // What would make an order a second time.
  EXPECT_THAT(restored.out, HasSubstr("Requests made since the backup are not known any more"));
  EXPECT_EQ(fs::status(store).permissions() & fs::perms::all, fs::perms::owner_read | fs::perms::owner_write);
  const auto written = fs::last_write_time(store);
  const Said again = RunCtl(sites_.folder, restore);
  EXPECT_EQ(again.exit, 5) << again.out;
  EXPECT_THAT(again.err,
              AllOf(HasSubstr("nothing is written over"), HasSubstr("restore into another data_dir"),
                    Not(HasSubstr("hotlinectl show"))));
  EXPECT_EQ(fs::last_write_time(store), written);

  // Without dispatch nobody tells it what it lacks.
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_LT(States(sites_.a).size(), before.size()) << "the backup is older";
  ASSERT_TRUE(sites_.a.Start(Service::kDispatch).ok());
  ASSERT_TRUE(sites_.a.Start(Service::kEscalation).ok());
  ASSERT_TRUE(
      Eventually([&] { return Quiet() && States(sites_.a).size() == before.size(); }, absl::Seconds(60)));
  ASSERT_TRUE(Eventually([&] { return States(sites_.a) == States(sites_.b); }));
  EXPECT_EQ(States(sites_.a), before) << "nothing lost, doubled or changed";
  for (const std::string& handoff : pushed) EXPECT_TRUE(before.contains(handoff)) << handoff;
  EXPECT_THAT(Verify(sites_.a).fault(), IsEmpty());
  EXPECT_THAT(Verify(sites_.b).fault(), IsEmpty());
  const Said reconciled = Ctl(sites_.a, {"--json", "link", "reconcile", "110"});
  EXPECT_EQ(reconciled.exit, 0) << reconciled.out << reconciled.err;
  // And the site works on: a push, and the clocks of what came back.
  const std::string fresh = Push(sites_.a, MakePush(1'000'000, "110")).order().handoff().id();
  ASSERT_TRUE(Eventually([&] { return States(sites_.b).contains(fresh); }));
  ASSERT_TRUE(Eventually([&] {
    escalation::v1::ListDeadlinesRequest request;
    request.set_page_size(500);
    const auto page =
        Must(sites_.a.escalation(), &escalation::v1::EscalationService::Stub::ListDeadlines, request);
    return page.deadlines_size() >= 100;
  }));
}

// A person restores as root what the services' own user will open.
TEST_F(BackupTest, WhatRootRestoresBelongsToTheServices) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_TRUE(sites_.a.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  ASSERT_EQ(Ctl(sites_.a, {"backup", "create", "b"}).exit, 0);
  sites_.a.KillAll();
  constexpr uid_t kUser = 65534;
  fs::remove_all(sites_.a.folder() + "/work_order");
  fs::remove_all(sites_.a.folder() + "/escalation");
  // One folder is there, the other is made.
  fs::create_directory(sites_.a.folder() + "/escalation");
  ASSERT_EQ(chown((sites_.a.folder() + "/escalation").c_str(), kUser, kUser), 0);
  const Said restored = RunCtl(
      sites_.folder, {"backup", "restore", Backups(sites_.a) + "/b", "--config", sites_.a.config_file()});
  ASSERT_EQ(restored.exit, 0) << restored.out << restored.err;
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(sites_.a.folder() + "/escalation")) {
    struct stat info;
    ASSERT_EQ(lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, kUser) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 4);
  struct stat info;
  ASSERT_EQ(stat((sites_.a.folder() + "/work_order/work_order.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u) << "its folder's folder is root's";
}

TEST_F(BackupTest, WhatWasAlteredIsFound) {
  ASSERT_TRUE(sites_.a.StartAll().ok());
  for (int n = 0; n < 3; ++n) Push(sites_.a, MakePush(n, "110"));
  ASSERT_EQ(Ctl(sites_.a, {"backup", "create", "b"}).exit, 0);
  const std::string backup = Backups(sites_.a) + "/b";
  const auto verify = [&](const std::string& folder) {
    return RunCtl(sites_.folder, {"backup", "verify", folder});
  };
  ASSERT_EQ(verify(backup).exit, 0);
  int copies = 0;
  const auto copy = [&] {
    const std::string to = absl::StrCat(sites_.folder.path(), "/copy-", ++copies);
    fs::copy(backup, to, fs::copy_options::recursive);
    return to;
  };
  {
    const std::string folder = copy();
    std::fstream file(folder + "/work_order/work_order.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file.put('!');
    file.close();
    const Said said = verify(folder);
    EXPECT_EQ(said.exit, 9);
    EXPECT_THAT(said.out, HasSubstr("work_order.db was altered"));
    const Said restored =
        RunCtl(sites_.folder, {"backup", "restore", folder, "--config", sites_.a.config_file()});
    EXPECT_EQ(restored.exit, 9);
  }
  {
    const std::string folder = copy();
    fs::remove(folder + "/escalation/directory.db");
    const Said said = verify(folder);
    EXPECT_EQ(said.exit, 9);
    EXPECT_THAT(said.out, HasSubstr("directory.db is missing"));
  }
  {
    const std::string folder = copy();
    std::ofstream(folder + "/work_order/more.db") << "x";
    EXPECT_THAT(verify(folder).out, HasSubstr("more.db is not in the manifest"));
  }
  // Somebody who knows how writes digests that fit: the log's chain tells.
  {
    const std::string folder = copy();
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((folder + "/work_order/work_order.db").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(
        sqlite3_exec(
            db, "UPDATE event SET bytes = (SELECT bytes FROM event WHERE sequence = 1) WHERE sequence = 2",
            nullptr, nullptr, nullptr),
        SQLITE_OK);
    sqlite3_close(db);
    EXPECT_THAT(verify(folder).out, HasSubstr("broken at event 2"));
  }
  EXPECT_EQ(verify(sites_.folder.path() + "/nothing").exit, 9);
}

TEST_F(BackupTest, OnlyTheNewestAreKeptAndNamesAreNoPaths) {
  sites_.a.config().mutable_backup()->set_keep(2);
  ASSERT_TRUE(sites_.a.StartAll().ok());
  for (const char* name : {"one", "three", "two"})
    ASSERT_EQ(Ctl(sites_.a, {"backup", "create", name}).exit, 0);
  const Said listed = Ctl(sites_.a, {"--json", "backup", "list"});
  EXPECT_THAT(listed.out, AllOf(HasSubstr("\"two\""), HasSubstr("\"three\""), Not(HasSubstr("\"one\""))));
  EXPECT_FALSE(fs::exists(Backups(sites_.a) + "/one"));
  for (const char* name : {"../evil", "a/b", ".hidden", "名"}) {
    const Said said = Ctl(sites_.a, {"backup", "create", name});
    EXPECT_EQ(said.exit, 3) << name << said.err;
  }
  // Without a folder on its own disk a service copies nothing.
  sites_.b.config().clear_backup();
  ASSERT_TRUE(sites_.b.StartAll().ok());
  const Said none = Ctl(sites_.b, {"--lang", "zh", "backup", "create"});
  EXPECT_EQ(none.exit, 5);
  EXPECT_THAT(none.err, HasSubstr("未配置备份目录"));
}

// What one service cannot give is not begun by the other, and what is there whole stays whole.
TEST_F(BackupTest, AHalfIsNoBackup) {
  const std::set<std::string> both = {"work_order", "escalation"};
  sites_.a.config().mutable_backup()->set_keep(2);
  ASSERT_TRUE(sites_.a.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  for (const char* name : {"good1", "good2"}) ASSERT_EQ(Ctl(sites_.a, {"backup", "create", name}).exit, 0);
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  EXPECT_EQ(Ctl(sites_.a, {"--timeout", "2s", "backup", "create", "half"}).exit, 6);
  EXPECT_FALSE(fs::exists(Backups(sites_.a) + "/half"));
  for (const char* name : {"half1", "half2"}) MakePart(sites_.a, Service::kEscalation, name);
  for (const char* name : {"good1", "good2"}) EXPECT_EQ(PartsOf(sites_.a, name), both) << name;
  EXPECT_FALSE(fs::exists(Backups(sites_.a) + "/half1"));
  EXPECT_EQ(RunCtl(sites_.folder, {"backup", "verify", Backups(sites_.a) + "/half2"}).exit, 9);

  // The other half: the log is whole, and the people of the directory are missing.
  sites_.a.KillAll();
  const std::string torso = sites_.folder.path() + "/torso/good2";
  fs::create_directories(sites_.folder.path() + "/torso");
  fs::copy(Backups(sites_.a) + "/good2", torso, fs::copy_options::recursive);
  fs::remove_all(torso + "/escalation");
  const std::vector<std::string> config = {"--config", sites_.a.config_file()};
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), config.begin(), config.end());
    return RunCtl(sites_.folder, arguments);
  };
  const Said alone = RunCtl(sites_.folder, {"backup", "verify", torso});
  EXPECT_EQ(alone.exit, 0) << alone.out;
  EXPECT_THAT(alone.err, HasSubstr("no part of escalation"));
  const Said verified = run({"backup", "verify", torso});
  EXPECT_EQ(verified.exit, 9) << verified.out;
  EXPECT_THAT(verified.out, HasSubstr("no part of escalation, whose data_dir the site configures"));
  EXPECT_EQ(run({"backup", "verify", Backups(sites_.a) + "/good2"}).exit, 0);
  for (const char* service : {"work_order", "escalation"}) {
    fs::remove_all(sites_.a.folder() + "/" + service);
  }
  const Said refused = run({"--lang", "zh", "backup", "restore", torso});
  EXPECT_EQ(refused.exit, 9) << refused.out;
  EXPECT_THAT(refused.out, HasSubstr("缺少escalation部分"));
  EXPECT_THAT(refused.err, HasSubstr("--only work_order"));
  EXPECT_FALSE(fs::exists(sites_.a.folder() + "/work_order"));
  const Said restored = run({"backup", "restore", torso, "--only", "work_order"});
  EXPECT_EQ(restored.exit, 0) << restored.out << restored.err;
  EXPECT_THAT(restored.err, HasSubstr("delete escalation.db and report.db"));
  EXPECT_TRUE(fs::exists(sites_.a.folder() + "/work_order/work_order.db"));
  EXPECT_FALSE(fs::exists(sites_.a.folder() + "/escalation"));
  EXPECT_EQ(run({"backup", "restore", torso, "--only", "escalation"}).exit, 2);
  // The people come back from a whole one, and the orders stay as they are: also if the other part lies
  // elsewhere, or is damaged; not if their own is.
  const std::string people = sites_.folder.path() + "/people";
  const auto restore_people = [&] {
    fs::remove_all(sites_.a.folder() + "/escalation");
    return run({"backup", "restore", people, "--only", "escalation"}).exit;
  };
  fs::copy(Backups(sites_.a) + "/good1", people, fs::copy_options::recursive);
  EXPECT_EQ(restore_people(), 0);
  EXPECT_TRUE(fs::exists(sites_.a.folder() + "/escalation/directory.db"));
  fs::remove(people + "/work_order/work_order.db");
  EXPECT_EQ(restore_people(), 0);
  fs::remove_all(people + "/work_order");
  EXPECT_EQ(restore_people(), 0);
  fs::remove(people + "/escalation/notify.db");
  EXPECT_EQ(restore_people(), 9);
  EXPECT_FALSE(fs::exists(sites_.a.folder() + "/escalation/directory.db"));
}

// A disk of its own for what is in a folder, while this lives.
class SmallDisk {
 public:
  SmallDisk(std::string folder, int64_t bytes) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    const std::string options = absl::StrCat("size=", bytes);
    made_ = geteuid() == 0 && mount("tmpfs", folder_.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (made_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool made() const { return made_; }
  // Fills it until `left` bytes are free.
  void FillBut(int64_t left) {
    struct statvfs disk;
    ASSERT_EQ(statvfs(folder_.c_str(), &disk), 0);
    const auto bytes = static_cast<int64_t>(disk.f_bavail * disk.f_frsize) - left;
    const int file = open((folder_ + "/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    EXPECT_EQ(posix_fallocate(file, 0, bytes), 0);
    close(file);
  }

 private:
  const std::string folder_;
  bool made_ = false;
};

TEST_F(BackupTest, ACopyThatDoesNotFitIsNotBegun) {
  constexpr int64_t kDisk = 64 << 20;
  SmallDisk disk(Backups(sites_.a), kDisk);
  if (!disk.made()) GTEST_SKIP() << "only root can make a disk";
  sites_.a.config().mutable_backup()->set_keep(48);
  ASSERT_TRUE(sites_.a.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  ASSERT_EQ(Ctl(sites_.a, {"backup", "create", "fits"}).exit, 0);
  // Room for the copy, but not beside what is to stay free for orders.
  disk.FillBut(kDisk / 10);
  const Said said = Ctl(sites_.a, {"--json", "--timeout", "5s", "backup", "create", "more"});
  EXPECT_EQ(said.exit, 7) << said.out << said.err;
  EXPECT_THAT(said.out + said.err, HasSubstr("DISK_FULL"));
  int entries = 0;
  for (const auto& entry : fs::directory_iterator(Backups(sites_.a))) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(name == "fits" || name == "ballast") << name;
    ++entries;
  }
  EXPECT_EQ(entries, 2);
  EXPECT_EQ(PartsOf(sites_.a, "fits").size(), 2u);
  fs::remove(Backups(sites_.a) + "/ballast");
  EXPECT_EQ(Ctl(sites_.a, {"backup", "create", "more"}).exit, 0) << "it does not stop for good";
}

// At night nobody pushes, and who waits for the service to serve would wait until morning.
TEST_F(BackupTest, AFullDiskEndsWithoutAPush) {
  SmallDisk disk(sites_.a.folder() + "/work_order", 24 << 20);
  if (!disk.made()) GTEST_SKIP() << "only root can make a disk";
  ASSERT_TRUE(sites_.a.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  const auto serves = [&] { return Ctl(sites_.a, {"health", "--service", "work_order"}).exit == 0; };
  ASSERT_TRUE(Eventually(serves));
  // Too little for the service to ask whether there is room.
  disk.FillBut(256 << 10);
  int pushes = 1;
  ASSERT_TRUE(Eventually([&] {
    dispatch::v1::PushWorkOrderResponse response;
    Call call;
    return Rich(sites_.a.dispatch().PushWorkOrder(&call, MakePush(++pushes, "110"), &response)).reason ==
           "DISK_FULL";
  }));
  EXPECT_TRUE(Eventually([&] { return !serves(); }));
  fs::remove(sites_.a.folder() + "/work_order/ballast");
  EXPECT_TRUE(Eventually(serves)) << "with nobody asking for anything";
  EXPECT_EQ(Verify(sites_.a).fault(), "");
}

TEST_F(BackupTest, WhatAKilledServiceLeftIsClearedWhenItStarts) {
  const std::string left = Backups(sites_.a) + "/.nightly.work_order.partial";
  fs::create_directories(left);
  WriteFile(left + "/work_order.db", "x");
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_TRUE(Eventually([&] { return !fs::exists(left); }));
}

// As the unit of the timer does it: nothing but the configuration says where the services are, and who asks.
TEST_F(BackupTest, TheConfigurationSaysWhereAndWho) {
  const std::string folder = sites_.folder.path() + "/tls";
  auto make =
      Process::Start({HOTLINE_SOURCE_DIR "/deploy/certs/make", "--dir", folder, "12345"}, folder + ".log");
  ASSERT_TRUE(make.ok()) << make.status();
  ASSERT_EQ((*make)->Wait(absl::Seconds(60)), 0);
  config::v1::TlsConfig& tls = *sites_.a.config().mutable_tls();
  tls.set_ca_file(folder + "/ca.crt");
  tls.set_certificate_file(folder + "/12345/{role}.crt");
  tls.set_key_file(folder + "/12345/{role}.key");
  const std::string desktop = folder + "/12345/desktop";
  sites_.a.UseTls(
      {.certificate_file = desktop + ".crt", .key_file = desktop + ".key", .ca_file = tls.ca_file()});
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const auto backup = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "backup");
    arguments.insert(arguments.end(), {"--config", sites_.a.config_file()});
    return RunCtl(sites_.folder, arguments);
  };
  const Said made = backup({"create", "hourly"});
  EXPECT_EQ(made.exit, 0) << made.out << made.err;
  EXPECT_EQ(PartsOf(sites_.a, "hourly").size(), 2u);
  EXPECT_THAT(backup({"list"}).out, HasSubstr("hourly"));
  fs::rename(folder + "/12345/admin.crt", folder + "/12345/admin.old");
  const Said nobody = backup({"create", "more"});
  EXPECT_NE(nobody.exit, 0);
  EXPECT_THAT(nobody.err, HasSubstr("admin.crt"));
}

TEST_F(BackupTest, HoldsAreKeptAndToldOf) {
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const std::string number = Push(sites_.a, MakePush(1, "110")).order().number();
  const Said placed =
      Ctl(sites_.a, {"hold", "place", number, "--reason", "行政复议", "--reference", "恰法〔2026〕12号"});
  EXPECT_EQ(placed.exit, 0) << placed.err;
  EXPECT_EQ(Ctl(sites_.a, {"hold", "place", number, "--reason", "x", "--reference", "y"}).exit, 5);
  EXPECT_THAT(Ctl(sites_.a, {"hold", "list"}).out, AllOf(HasSubstr(number), HasSubstr("恰法〔2026〕12号")));
  EXPECT_THAT(Ctl(sites_.a, {"retention", "show"}).out,
              AllOf(HasSubstr("1095"), HasSubstr("under a hold: 1")));
  EXPECT_EQ(Ctl(sites_.a, {"retention", "run"}).exit, 0);
  EXPECT_EQ(Ctl(sites_.a, {"hold", "release", number, "--reason", "已结案"}).exit, 0);
  EXPECT_EQ(Ctl(sites_.a, {"hold", "release", number, "--reason", "again"}).exit, 5);
  EXPECT_THAT(Ctl(sites_.a, {"hold", "list"}).out, Not(HasSubstr(number)));
  const Said history = Ctl(sites_.a, {"show", number});
  EXPECT_THAT(history.out, AllOf(HasSubstr("legal hold"), HasSubstr("hold released")));
  EXPECT_THAT(Verify(sites_.a).fault(), IsEmpty());
}

}  // namespace
}  // namespace hotline::test
