// hotlinectl doctor at an installation that works, and at ones that do not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "hotline/operation/v1/backup_service.pb.h"
#include "tests/operation/ctl.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class DoctorTest : public testing::Test {
 protected:
  Said Look(Site& site, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"doctor", "--config", site.config_file()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunCtl(sites_.folder, arguments);
  }
  // The line of a finding, by what stands in it.
  static std::string LineWith(const Said& said, const std::string& text) {
    for (size_t begin = 0; begin < said.out.size();) {
      const size_t end = said.out.find('\n', begin);
      const std::string line = said.out.substr(begin, end - begin);
      if (line.find(text) != std::string::npos) return line;
      begin = end + 1;
    }
    return "";
  }
  // What is told to be typed works at this site, in both languages.
  static void ExpectCommandsOfThisSite(Site& site, const Said& said) {
    const std::string wanted = "--config " + site.config_file();
    const std::vector<std::string> lines = absl::StrSplit(said.out, '\n');
    for (const std::string& line : lines) {
      for (size_t at = 0; (at = line.find("hotlinectl backup", at)) != std::string::npos; ++at) {
        const size_t next = std::min(line.find("hotlinectl backup", at + 1), line.size());
        EXPECT_THAT(line.substr(at, next - at), HasSubstr(wanted)) << line;
      }
    }
  }
  // `doctor` by somebody to whom the modes of files mean something.
  Said LookAsAnybody(Site& site) {
    std::vector<std::string> arguments = {BuildFolder() + "/services/hotlinectl/hotlinectl", "doctor",
                                          "--config", site.config_file(), "--json"};
    // Root looks at everything, unless it gives that up.
    if (geteuid() == 0) {
      const std::string caps = "-dac_override,-dac_read_search";
      arguments.insert(arguments.begin(),
                       {"/usr/bin/setpriv", "--bounding-set=" + caps, "--inh-caps=" + caps});
    }
    return RunProgram(sites_.folder, arguments);
  }
  // `doctor` in the site's own folder, as a person there types it.
  Said LookFromWithin(Site& site) {
    const std::filesystem::path config = site.config_file();
    const std::string build = std::filesystem::absolute(BuildFolder()).string();
    return RunProgram(sites_.folder, {"/usr/bin/env", "-C", config.parent_path().string(),
                                      build + "/services/hotlinectl/hotlinectl", "doctor", "--config",
                                      "./" + config.filename().string(), "--json"});
  }
  // Certificates in `tls`, by which the site is configured; what `deploy/certs/make` exits with.
  int MakeCertificates(const std::vector<std::string>& more = {}) {
    const std::string folder = sites_.folder.path() + "/tls";
    std::vector<std::string> arguments = {HOTLINE_SOURCE_DIR "/deploy/certs/make", "--dir", folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back("12345");
    config::v1::TlsConfig& tls = *sites_.a.config().mutable_tls();
    tls.set_ca_file(folder + "/ca.crt");
    tls.set_certificate_file(folder + "/12345/{role}.crt");
    tls.set_key_file(folder + "/12345/{role}.key");
    auto process = Process::Start(arguments, folder + ".log");
    return process.ok() ? (*process)->Wait(absl::Seconds(60)) : -1;
  }

  TwoSites sites_;
};

TEST_F(DoctorTest, ASiteThatWorksNeedsNothingButABackup) {
  sites_.a.config().mutable_backup()->set_directory(sites_.a.folder() + "/backups");
  ASSERT_TRUE(sites_.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  ASSERT_TRUE(Eventually([&] { return Look(sites_.a).exit == 0; })) << Look(sites_.a).out;
  const Said first = Look(sites_.a, {"--json"});
  EXPECT_THAT(LineWith(first, "backup create"), HasSubstr("\"look\""));
  ExpectCommandsOfThisSite(sites_.a, first);
  EXPECT_THAT(LineWith(first, "\"service work_order\""),
              AllOf(HasSubstr("\"ok\""), HasSubstr("release 0.1.0")));
  EXPECT_THAT(LineWith(first, "\"peer 110\""), AllOf(HasSubstr("\"ok\""), HasSubstr("protocol version 1")));
  ASSERT_EQ(RunCtl(sites_.folder, sites_.a, {"backup", "create"}).exit, 0);
  const Said second = Look(sites_.a, {"--deep", "--json"});
  EXPECT_EQ(second.exit, 0) << second.out;
  EXPECT_THAT(LineWith(second, "hash chain of the log"), HasSubstr("\"ok\""));
  EXPECT_THAT(LineWith(second, "database integrity"), HasSubstr("\"ok\""));
  EXPECT_THAT(LineWith(second, "\"backups\""), HasSubstr("\"ok\""));
  // Without its other half it brings no site back.
  const std::string backups = sites_.a.folder() + "/backups";
  const std::string name = std::filesystem::directory_iterator(backups)->path().string();
  std::filesystem::rename(name + "/escalation", backups + "/.away");
  const Said half = Look(sites_.a, {"--json"});
  EXPECT_THAT(LineWith(half, "\"backups\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("has no part of escalation")));
  ExpectCommandsOfThisSite(sites_.a, half);
  // Unless its stores are on another machine, where it is backed up.
  std::filesystem::rename(sites_.a.folder() + "/escalation", sites_.a.folder() + "/.elsewhere");
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"backups\""), HasSubstr("\"ok\""));
  std::filesystem::rename(sites_.a.folder() + "/.elsewhere", sites_.a.folder() + "/escalation");
  std::filesystem::rename(backups + "/.away", name + "/escalation");
  EXPECT_THAT(second.out, Not(HasSubstr("\"failed\"")));
  // Nobody has been named who could be told of what is late.
  EXPECT_THAT(LineWith(second, "\"directory of people\""),
              AllOf(HasSubstr("\"look\""), HasSubstr("directory import --file"), HasSubstr("无人可达")));
  EXPECT_EQ(LineWith(second, "\"clock of escalation\""), "") << "it can be trusted";
  // Looking is not touching.
  EXPECT_EQ(ListAll(sites_.a).size(), 1u);
}

TEST_F(DoctorTest, WhatIsDownIsToldWithWhatToDo) {
  ASSERT_TRUE(sites_.a.StartAll().ok());  // the peer is not there
  Push(sites_.a, MakePush(1, "110"));
  EXPECT_EQ(sites_.a.Terminate(Service::kEscalation), 0);
  const Said said = Look(sites_.a, {"--json"});
  EXPECT_EQ(said.exit, 9);
  EXPECT_THAT(LineWith(said, "\"service escalation\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("systemctl start hotline-escalation")));
  EXPECT_THAT(LineWith(said, "\"peer 110\""), AllOf(HasSubstr("\"failed\""), HasSubstr("1 envelopes wait")));
  const Said zh = Look(sites_.a, {"--lang", "zh"});
  EXPECT_THAT(zh.out, AllOf(HasSubstr("服务 escalation"), HasSubstr("无应答"), HasSubstr("未通过")));
  // With everything down the stores can still be looked at.
  EXPECT_EQ(sites_.a.Terminate(Service::kDispatch), 0);
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  const Said down = Look(sites_.a, {"--deep", "--json"});
  EXPECT_EQ(down.exit, 9);
  EXPECT_THAT(LineWith(down, "hash chain of the log"), HasSubstr("\"ok\""));
}

TEST_F(DoctorTest, APeerThatIsNotInForceIsFound) {
  ASSERT_TRUE(sites_.StartAll().ok());
  // Only escalation is started again, with the new configuration.
  sites_.a.AddPeer("119", sites_.b.address(Service::kDispatch));
  EXPECT_EQ(sites_.a.Terminate(Service::kEscalation), 0);
  ASSERT_TRUE(sites_.a.Start(Service::kEscalation).ok());
  const Said said = Look(sites_.a, {"--json"});
  EXPECT_EQ(said.exit, 9);
  EXPECT_THAT(LineWith(said, "\"peer 119\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("do not know it"), HasSubstr("尚未启用"),
                    HasSubstr("systemctl restart hotline-work-order hotline-dispatch")));
}

TEST_F(DoctorTest, WhoeverCannotBeToldIsCounted) {
  config::v1::Unit* unit = sites_.a.units().add_units();
  sites_.a.units().set_version("1");
  unit->set_code("chengguan");
  unit->set_display_name("城管局");
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const auto said = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"directory of people\""); };
  // The two hotlines are units too.
  EXPECT_TRUE(Eventually([&] { return said().find("rungs at 3 units reach nobody") != std::string::npos; }))
      << said();
  EXPECT_THAT(said(), AllOf(HasSubstr("\"look\""), HasSubstr("3个单位的"), HasSubstr("directory preflight")));
  // With somebody for each rung there is nothing to do.
  const std::string people = sites_.folder.path() + "/people.csv";
  std::string rows = "kind,unit,person,display_name,account,role\n";
  for (const std::string code : {"12345", "110", "chengguan"}) {
    rows += "person," + code + "," + code + ".p,甲（示例）," + code + ".p,\n";
    for (const std::string role : {"leader", "handler", "supervisor"}) {
      if (role == "supervisor" && code == "chengguan") continue;
      rows += "role," + code + "," + code + ".p,,," + role + "\n";
    }
  }
  WriteFile(people, rows);
  const Said imported =
      RunCtl(sites_.folder, sites_.a,
             {"--account", "1", "directory", "import", "--file", people, "--reported-by", "县政府办"});
  ASSERT_EQ(imported.exit, 0) << imported.out << imported.err;
  EXPECT_THAT(said(), HasSubstr("\"ok\""));
}

// The process goes on without it, and its whole is well.
TEST_F(DoctorTest, AStoreThatFailedOrIsGoneIsNamed) {
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const std::string store = sites_.a.folder() + "/escalation/report.db";
  const std::string away = sites_.folder.path() + "/report.db";
  EXPECT_EQ(LineWith(Look(sites_.a, {"--json"}), "while in use"), "");
  std::filesystem::rename(store, away);
  Push(sites_.a, MakePush(1, "110"));
  const auto service = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"service escalation\""); };
  ASSERT_TRUE(Eventually([&] { return service().find("its report_store failed") != std::string::npos; }))
      << service();
  EXPECT_THAT(service(), AllOf(HasSubstr("\"failed\""), HasSubstr("systemctl restart hotline-escalation"),
                               HasSubstr("report_store 故障")));
  const Said gone = Look(sites_.a, {"--json"});
  EXPECT_EQ(gone.exit, 9);
  EXPECT_THAT(LineWith(gone, "\"store " + store),
              AllOf(HasSubstr("\"failed\""), HasSubstr("was moved, deleted or replaced while in use"),
                    HasSubstr("systemctl stop hotline-escalation, put back"), HasSubstr("放回原来的文件")));
  EXPECT_EQ(LineWith(gone, "\"store " + sites_.a.folder() + "/work_order"), "") << "that one is there";
  // Nobody misses it while nothing runs: the next start makes it anew.
  EXPECT_EQ(sites_.a.Terminate(Service::kEscalation), 0);
  EXPECT_EQ(LineWith(Look(sites_.a, {"--json"}), "while in use"), "");
  std::filesystem::rename(away, store);
  ASSERT_TRUE(sites_.a.Start(Service::kEscalation).ok());
  EXPECT_TRUE(Eventually([&] { return service().find("\"ok\"") != std::string::npos; })) << service();
  // The folder with everything in it.
  const std::string folder = sites_.a.folder() + "/work_order";
  std::filesystem::rename(folder, folder + ".away");
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"data " + folder),
              AllOf(HasSubstr("\"failed\""), HasSubstr("while in use")));
  // Another one in its place, as a restore beside the running service would put there.
  std::filesystem::copy(folder + ".away", folder, std::filesystem::copy_options::recursive);
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"store " + folder),
              AllOf(HasSubstr("\"failed\""), HasSubstr("while in use")));
  std::filesystem::remove_all(folder);
  std::filesystem::rename(folder + ".away", folder);
}

TEST_F(DoctorTest, ADayWithoutABackupIsTold) {
  sites_.a.config().mutable_backup()->set_directory(sites_.a.folder() + "/backups");
  ASSERT_TRUE(sites_.a.StartAll().ok());
  ASSERT_EQ(RunCtl(sites_.folder, sites_.a, {"backup", "create", "b"}).exit, 0);
  const auto said = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"backups\""); };
  const auto age = [&](absl::Duration by) {
    for (const std::string part : {"work_order", "escalation"}) {
      const std::string file = sites_.a.folder() + "/backups/b/" + part + "/manifest.json";
      operation::v1::BackupManifest manifest;
      ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(ReadFile(file), &manifest).ok()) << file;
      manifest.mutable_end_time()->set_seconds(absl::ToUnixSeconds(absl::Now() - by));
      std::string text;
      ASSERT_TRUE(google::protobuf::util::MessageToJsonString(manifest, &text).ok());
      WriteFile(file, text);
    }
  };
  ASSERT_NO_FATAL_FAILURE(age(absl::Hours(25)));
  EXPECT_THAT(said(), HasSubstr("\"ok\""));
  ASSERT_NO_FATAL_FAILURE(age(absl::Hours(30)));
  EXPECT_THAT(said(),
              AllOf(HasSubstr("\"look\""), HasSubstr("older than 26 hours"), HasSubstr("超过26小时")));
  ExpectCommandsOfThisSite(sites_.a, Look(sites_.a, {"--json"}));
  // Made while the clock ran ahead: for two days it would stand for what is not there.
  ASSERT_NO_FATAL_FAILURE(age(absl::Hours(-48)));
  EXPECT_THAT(said(), AllOf(HasSubstr("\"look\""), HasSubstr("b is dated"), HasSubstr("which is to come"),
                            HasSubstr("晚于现在")));
  EXPECT_THAT(Look(sites_.a, {"--json"}).out, Not(HasSubstr("the last whole one is")));
  ExpectCommandsOfThisSite(sites_.a, Look(sites_.a, {"--json"}));
  ASSERT_NO_FATAL_FAILURE(age(absl::Hours(30)));
  // A timer runs it elsewhere.
  const Said within = LookFromWithin(sites_.a);
  EXPECT_THAT(LineWith(within, "\"backups\""), HasSubstr("hotlinectl backup create")) << within.err;
  EXPECT_THAT(LineWith(within, "\"configuration\""),
              AllOf(HasSubstr("\"ok\""), HasSubstr("\"" + sites_.a.config_file() + "\"")));
  ExpectCommandsOfThisSite(sites_.a, within);
}

// Where two services are given one port under two names, the second cannot listen, and the first answers.
TEST_F(DoctorTest, AnotherServiceThatAnswersIsNotTakenForIt) {
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  const std::string address = sites_.a.address(Service::kWorkOrder);
  const std::vector<std::string> everywhere = {"--dispatch",   address, "--work-order", address,
                                               "--escalation", address, "--json"};
  const Said said = Look(sites_.a, everywhere);
  EXPECT_EQ(said.exit, 9);
  EXPECT_THAT(LineWith(said, "\"service work_order\""), HasSubstr("\"ok\""));
  EXPECT_THAT(LineWith(said, "\"service dispatch\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("at " + address + " another program does"),
                    HasSubstr("应答的是其他程序"), HasSubstr("systemctl restart hotline-dispatch")));
  std::vector<std::string> health = everywhere;
  health.emplace_back("health");
  const Said asked = RunCtl(sites_.folder, health);
  EXPECT_EQ(asked.exit, 6) << asked.out;
  EXPECT_THAT(LineWith(asked, "\"dispatch\""), HasSubstr("\"serving\":false"));
  EXPECT_THAT(LineWith(asked, "\"work_order\""), HasSubstr("\"serving\":true"));
  EXPECT_THAT(asked.err, HasSubstr("is not dispatch"));
}

// Whoever follows what is advised for data_dir as root must not change what is the system's.
TEST_F(DoctorTest, AFolderThatIsNoneOfThisSoftwaresIsLeftAsItIs) {
  ASSERT_TRUE(sites_.a.Launch(Service::kWorkOrder).ok());
  sites_.a.Kill(Service::kWorkOrder);
  const std::string config = ReadFile(sites_.a.config_file());
  const auto name = [&](const std::string& path) {
    std::string text = config;
    const std::string own = sites_.a.folder() + "/work_order";
    ASSERT_NE(text.find(own), std::string::npos) << text;
    for (size_t at; (at = text.find(own)) != std::string::npos;) text.replace(at, own.size(), path);
    WriteFile(sites_.a.config_file(), text);
  };
  const std::string other = sites_.folder.path() + "/lib";
  std::filesystem::create_directory(other);
  WriteFile(other + "/dpkg", "x");
  ASSERT_EQ(chmod(other.c_str(), 0755), 0);
  ASSERT_NO_FATAL_FAILURE(name(other));
  const auto look = [&](const std::string& path) {
    const Said said = Look(sites_.a, {"--json"});
    EXPECT_EQ(said.exit, 9);
    EXPECT_THAT(said.out, AllOf(Not(HasSubstr("chmod 700")), Not(HasSubstr("chown -R"))));
    return LineWith(said, "\"data " + path + "\"");
  };
  EXPECT_THAT(look(other),
              AllOf(HasSubstr("\"failed\""), HasSubstr("is no folder of this software: it holds dpkg"),
                    HasSubstr("correct work_order.data_dir"), HasSubstr("不是本软件的目录")));
  // A service that root started there once.
  WriteFile(other + "/work_order.db.lock", "");
  EXPECT_THAT(look(other), AllOf(HasSubstr("\"failed\""), HasSubstr("holds other things too: dpkg"),
                                 HasSubstr("into a folder of their own"), HasSubstr("其中还有其他内容")));
  ASSERT_NO_FATAL_FAILURE(name(other + "/dpkg"));
  EXPECT_THAT(look(other + "/dpkg"),
              AllOf(HasSubstr("\"failed\""), HasSubstr("is not a folder"), HasSubstr("不是目录")));
}

// No network helps where there is none.
TEST_F(DoctorTest, APeerBehindASpoolIsLookedForInItsDirectories) {
  ASSERT_TRUE(sites_.UseKeys().ok());
  config::v1::PeerConfig& peer = *sites_.a.config().mutable_peers(0);
  peer.clear_address();
  const std::string out = sites_.folder.path() + "/spool-out";
  peer.mutable_spool()->set_out_directory(out);
  peer.mutable_spool()->set_in_directory(sites_.folder.path() + "/spool-in");
  peer.mutable_spool()->set_scan_interval_ms(20);
  WriteFile(out, "a file where a directory should be");
  ASSERT_TRUE(sites_.a.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  const auto said = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"peer 110\""); };
  ASSERT_TRUE(Eventually([&] { return said().find("the spool failed") != std::string::npos; })) << said();
  EXPECT_THAT(said(), AllOf(HasSubstr("\"failed\""), HasSubstr("spool.out_directory"), HasSubstr("摆渡工具"),
                            Not(HasSubstr("network")), Not(HasSubstr("the store failed"))));
}

TEST_F(DoctorTest, HealthAsksForEveryPart) {
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const auto said = [&] { return RunCtl(sites_.folder, sites_.a, {"--json", "health"}); };
  ASSERT_TRUE(Eventually([&] { return said().exit == 0; })) << said().out;
  for (const std::string part : {"clock", "report_store", "store", "directory", "notify", "work_order"}) {
    EXPECT_THAT(LineWith(said(), "\"escalation/" + part + "\""), HasSubstr("\"serving\":true")) << part;
  }
}

TEST_F(DoctorTest, DamageAndMistakesAreFound) {
  ASSERT_TRUE(sites_.a.StartAll().ok());
  Push(sites_.a, MakePush(1, "110"));
  for (const Service service : {Service::kEscalation, Service::kDispatch, Service::kWorkOrder}) {
    EXPECT_EQ(sites_.a.Terminate(service), 0);
  }
  struct Case {
    const char* file;
    const char* newer;  // what makes it a newer release's
    const char* advice;
    const char* advice_zh;
  };
  constexpr char kOfSite[] = "UPDATE site SET schema_version = 999";
  // Orders that were taken since the last backup are in none: only what nothing else holds comes from one.
  const Case cases[] = {
      {"work_order/work_order.db",
       "UPDATE meta SET value = CAST('999' AS BLOB) WHERE name = 'schema_version'",
       "restore FOLDER --only work_order", "恢复其最近的备份"},
      {"escalation/directory.db", kOfSite, "restore FOLDER --only escalation", "工单不受影响"},
      {"escalation/notify.db", kOfSite, "restore FOLDER --only escalation", "工单不受影响"},
      {"escalation/escalation.db", kOfSite, "escalation.db-wal and ", "无需恢复备份"},
      {"escalation/report.db", kOfSite, "report.db-wal and ", "无需恢复备份"},
  };
  for (const Case& one : cases) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((sites_.a.folder() + "/" + one.file).c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, one.newer, nullptr, nullptr, nullptr), SQLITE_OK)
        << one.file << ": " << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  const Said newer = Look(sites_.a, {"--json"});
  for (const Case& one : cases) {
    EXPECT_THAT(LineWith(newer, sites_.a.folder() + "/" + one.file),
                AllOf(HasSubstr("\"failed\""), HasSubstr("install the release that wrote it"),
                      HasSubstr("请重新安装写入该文件的版本"), Not(HasSubstr("restore"))))
        << one.file;
  }
  for (const Case& one : cases) {
    WriteFile(sites_.a.folder() + "/" + one.file, std::string(100'000, 'x'));
  }
  const Said damaged = Look(sites_.a, {"--json"});
  for (const Case& one : cases) {
    const std::string line = LineWith(damaged, sites_.a.folder() + "/" + one.file);
    EXPECT_THAT(line, AllOf(HasSubstr("\"failed\""), HasSubstr(one.advice), HasSubstr(one.advice_zh)))
        << one.file;
    const bool restores = line.find("backup restore") != std::string::npos;
    EXPECT_EQ(restores, std::string(one.advice).find("--only") != std::string::npos) << line;
  }
  ExpectCommandsOfThisSite(sites_.a, damaged);
  std::filesystem::rename(sites_.a.folder() + "/work_order", sites_.a.folder() + "/.away");
  const Said none_yet = Look(sites_.a, {"--json"});
  EXPECT_THAT(LineWith(none_yet, "there is none yet"),
              HasSubstr("hotlinectl backup restore FOLDER --config"));
  ExpectCommandsOfThisSite(sites_.a, none_yet);
  // Left half edited it keeps escalation down; the rest is looked at all the same.
  const std::string policy = sites_.a.config().escalation().policy_file();
  const std::string whole = ReadFile(policy);
  WriteFile(policy, "version: x\nrules:\n- {clo\n");
  const Said half = Look(sites_.a, {"--json"});
  EXPECT_THAT(LineWith(half, "\"configuration\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("escalation: "), HasSubstr("policy.yaml:")));
  EXPECT_THAT(LineWith(half, "\"service work_order\""), HasSubstr("\"failed\""));
  WriteFile(policy, whole);
  // A key that nobody knows.
  WriteFile(sites_.a.config_file(), ReadFile(sites_.a.config_file()) + "backups: {directory: /x}\n");
  const Said said = Look(sites_.a);
  EXPECT_EQ(said.exit, 9);
  EXPECT_THAT(said.out, HasSubstr("did you mean \"backup\""));
  const Said none = RunCtl(sites_.folder, {"doctor", "--config", sites_.folder.path() + "/none.yaml"});
  EXPECT_EQ(none.exit, 9);
  EXPECT_THAT(none.out, HasSubstr("there is no file"));
}

// What a person mixes up when certificates are put in place.
TEST_F(DoctorTest, CertificatesThatDoNotFitAreFound) {
  const std::string folder = sites_.folder.path() + "/tls";
  ASSERT_EQ(MakeCertificates(), 0);
  // Writes the configuration; whether it starts is not the question.
  ASSERT_TRUE(sites_.a.Launch(Service::kWorkOrder).ok());
  sites_.a.Kill(Service::kWorkOrder);
  const std::string own = folder + "/12345/dispatch";
  const auto said = [&] { return LineWith(Look(sites_.a, {"--json"}), "certificate " + own + ".crt"); };
  EXPECT_THAT(said(), HasSubstr("\"ok\""));
  const auto swap = [&](const std::string& end, const std::string& with) {
    std::filesystem::copy_file(own + end, own + end + ".kept",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(folder + "/12345/" + with + end, own + end,
                               std::filesystem::copy_options::overwrite_existing);
  };
  const auto back = [&](const std::string& end) { std::filesystem::rename(own + end + ".kept", own + end); };
  swap(".key", "desktop");
  EXPECT_THAT(said(), AllOf(HasSubstr("\"failed\""), HasSubstr("dispatch.key is not its private key")));
  back(".key");
  swap(".crt", "desktop");
  EXPECT_THAT(said(),
              AllOf(HasSubstr("\"failed\""),
                    HasSubstr("spiffe://hotline/12345/desktop, not spiffe://hotline/12345/dispatch")));
  back(".crt");
  // The one that doctor itself asks with.
  const auto admin = [&](const std::string& what) {
    return LineWith(Look(sites_.a, {"--json"}), what + folder + "/12345/admin");
  };
  EXPECT_THAT(admin("certificate "), HasSubstr("\"ok\""));
  ASSERT_EQ(MakeCertificates({"--days", "-1", "--role", "admin"}), 0);
  EXPECT_THAT(admin("certificate "),
              AllOf(HasSubstr("\"failed\""), HasSubstr("ended on"), HasSubstr("到期")));
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"service work_order\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("the certificate that doctor asks with"),
                    HasSubstr("查询所用的证书"), Not(HasSubstr("systemctl start"))));
  ASSERT_EQ(MakeCertificates({"--role", "admin"}), 0);
  EXPECT_THAT(admin("certificate "), HasSubstr("\"ok\""));
  EXPECT_EQ(admin("key "), "");
  ASSERT_EQ(chmod((folder + "/12345/admin.key").c_str(), 0644), 0);
  EXPECT_THAT(admin("key "), AllOf(HasSubstr("\"failed\""), HasSubstr("everybody on this machine"),
                                   HasSubstr("chmod o= " + folder + "/12345/admin.key")));
  // With an open key one can ask: what does not answer is down.
  const auto service = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"service work_order\""); };
  EXPECT_THAT(service(), AllOf(HasSubstr("\"failed\""), HasSubstr("systemctl start hotline-work-order"),
                               Not(HasSubstr("the certificate that doctor asks with"))));
  ASSERT_EQ(chmod((folder + "/12345/admin.key").c_str(), 0600), 0);
  // The authority's own end, which is looked at for the first program.
  const std::string authority = ReadFile(folder + "/ca.crt");
  const Said ended =
      RunProgram(sites_.folder, {"/usr/bin/openssl", "x509", "-in", folder + "/ca.crt", "-signkey",
                                 folder + "/ca.key", "-days", "-1", "-out", folder + "/ended.crt"});
  ASSERT_EQ(ended.exit, 0) << ended.err;
  std::filesystem::rename(folder + "/ended.crt", folder + "/ca.crt");
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "certificate " + folder + "/ca.crt"),
              AllOf(HasSubstr("\"failed\""), HasSubstr("ended on")));
  EXPECT_THAT(service(), AllOf(HasSubstr("\"failed\""), HasSubstr("the certificate that doctor asks with"),
                               Not(HasSubstr("systemctl start"))));
  WriteFile(folder + "/ca.crt", authority);
  // Another authority's.
  std::filesystem::rename(folder + "/ca.key", folder + "/old.key");
  std::filesystem::copy_file(folder + "/ca.crt", folder + "/old.crt");
  ASSERT_EQ(MakeCertificates(), 0);
  // While one authority takes over from the other, the file holds both.
  const std::string fresh = ReadFile(folder + "/ca.crt");
  WriteFile(folder + "/ca.crt", ReadFile(folder + "/old.crt") + fresh);
  EXPECT_THAT(said(), HasSubstr("\"ok\""));
  std::filesystem::copy_file(folder + "/old.crt", folder + "/ca.crt",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(said(), AllOf(HasSubstr("\"failed\""), HasSubstr("is not issued by")));
  std::filesystem::remove(own + ".crt");
  EXPECT_THAT(said(), AllOf(HasSubstr("\"failed\""), HasSubstr("cannot read")));
}

// Issued for later; or the clock is a year behind, which makes of every certificate such a one.
TEST_F(DoctorTest, WhatIsNotValidYetIsFound) {
  ASSERT_TRUE(sites_.UseKeys().ok());
  sites_.a.config().mutable_signing()->mutable_keys(0)->set_not_before_time("2039-01-01T00:00:00+08:00");
  const std::string folder = sites_.folder.path() + "/tls";
  ASSERT_EQ(MakeCertificates(), 0);
  ASSERT_TRUE(sites_.a.Launch(Service::kWorkOrder).ok());
  sites_.a.Kill(Service::kWorkOrder);
  const std::string own = folder + "/12345/dispatch";
  WriteFile(folder + "/index.txt", "");
  WriteFile(folder + "/ca.cnf",
            "[ca]\ndefault_ca = a\n[a]\ndatabase = " + folder + "/index.txt\nnew_certs_dir = " + folder +
                "\nrand_serial = yes\ndefault_md = sha256\npolicy = p\ncertificate = " + folder +
                "/ca.crt\nprivate_key = " + folder + "/ca.key\n[p]\ncommonName = supplied\n");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"/usr/bin/openssl", "req", "-new", "-key", own + ".key", "-subj",
                                 "/CN=dispatch", "-out", own + ".csr"},
        {"/usr/bin/openssl", "ca", "-batch", "-notext", "-config", folder + "/ca.cnf", "-startdate",
         "20390101000000Z", "-enddate", "20400101000000Z", "-in", own + ".csr", "-out", own + ".crt"}}) {
    const Said made = RunProgram(sites_.folder, command);
    ASSERT_EQ(made.exit, 0) << made.err;
  }
  const Said said = Look(sites_.a, {"--json"});
  EXPECT_EQ(said.exit, 9);
  EXPECT_THAT(
      LineWith(said, "certificate " + own + ".crt"),
      AllOf(HasSubstr("\"failed\""), HasSubstr("not valid before 2039-01-01 08:00, or this clock is behind"),
            HasSubstr("本机时钟偏慢")));
  EXPECT_THAT(LineWith(said, "\"signing keys\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("none is valid before 2039-01-01 00:00"),
                    HasSubstr("目前无法签名")));
  // The next authority beside the one of today is no fault.
  WriteFile(folder + "/ca.crt", ReadFile(folder + "/ca.crt") + ReadFile(own + ".crt"));
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "certificate " + folder + "/ca.crt"), HasSubstr("\"ok\""));
}

TEST_F(DoctorTest, WhatIsAdvisedWorksAtASiteWithTls) {
  ASSERT_EQ(MakeCertificates(), 0);
  sites_.a.config().mutable_backup()->set_directory(sites_.a.folder() + "/backups");
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const std::string line = LineWith(Look(sites_.a, {"--json"}), "hotlinectl backup create");
  const size_t begin = line.find("hotlinectl backup create");
  ASSERT_NE(begin, std::string::npos) << line;
  const std::string command = line.substr(begin, line.find(';', begin) - begin);
  const std::vector<std::string> words = absl::StrSplit(command, ' ');
  const Said made = RunCtl(sites_.folder, {words.begin() + 1, words.end()});
  EXPECT_EQ(made.exit, 0) << command << "\n" << made.out << made.err;
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"backups\""), HasSubstr("\"ok\""));
}

TEST_F(DoctorTest, PlainTextOnTheNetworkIsFound) {
  ASSERT_TRUE(sites_.a.Launch(Service::kWorkOrder).ok());
  sites_.a.Kill(Service::kWorkOrder);
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"certificates\""),
              AllOf(HasSubstr("\"ok\""), HasSubstr("loopback")));
  std::string text = ReadFile(sites_.a.config_file());
  const std::string own = sites_.a.address(Service::kWorkOrder);
  const std::string open = "0.0.0.0" + own.substr(own.rfind(':'));
  ASSERT_NE(text.find(own), std::string::npos) << text;
  for (size_t at; (at = text.find(own)) != std::string::npos;) text.replace(at, own.size(), open);
  WriteFile(sites_.a.config_file(), text);
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "\"certificates\""),
              AllOf(HasSubstr("\"failed\""), HasSubstr("plain text beyond loopback: " + open)));
}

TEST_F(DoctorTest, WhatMayNotBeLookedAtIsTold) {
  sites_.a.config().mutable_backup()->set_directory(sites_.a.folder() + "/backups");
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  const std::string data = sites_.a.folder() + "/work_order";
  const std::string backups = sites_.a.folder() + "/backups";
  std::filesystem::create_directory(backups);
  for (const std::string& folder : {data, backups}) ASSERT_EQ(chmod(folder.c_str(), 0), 0);
  const Said said = LookAsAnybody(sites_.a);
  for (const std::string& folder : {data, backups}) EXPECT_EQ(chmod(folder.c_str(), 0700), 0);
  EXPECT_EQ(said.exit, 9) << said.err;
  for (const std::string& what : {"\"data " + data, std::string("\"backups\"")}) {
    EXPECT_THAT(LineWith(said, what), AllOf(HasSubstr("\"failed\""), HasSubstr("cannot be read"),
                                            HasSubstr("run doctor as root"), HasSubstr("未能检查")));
  }
  // Nothing in them is to be corrected.
  const auto expect_denied = [](const std::string& line) {
    EXPECT_THAT(line, AllOf(HasSubstr("\"failed\""), HasSubstr("Permission denied"), HasSubstr("as root"),
                            HasSubstr("以root"), Not(HasSubstr("correct")), Not(HasSubstr("issued anew"))));
  };
  ASSERT_EQ(chmod(sites_.a.config_file().c_str(), 0), 0);
  expect_denied(LineWith(LookAsAnybody(sites_.a), "\"configuration\""));
  ASSERT_EQ(chmod(sites_.a.config_file().c_str(), 0600), 0);
  ASSERT_EQ(MakeCertificates(), 0);
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  const std::string tls = sites_.folder.path() + "/tls";
  ASSERT_EQ(chmod(tls.c_str(), 0), 0);
  const Said shut = LookAsAnybody(sites_.a);
  EXPECT_EQ(chmod(tls.c_str(), 0700), 0);
  expect_denied(LineWith(shut, "certificate " + tls + "/12345/dispatch.crt"));
  expect_denied(LineWith(shut, "certificate " + tls + "/12345/admin.crt"));
  expect_denied(LineWith(shut, "key " + tls + "/12345/dispatch.key"));
  // One that root renewed, in a folder that is open: the services' user is told what to do, not to ask
  // itself.
  const std::string key = tls + "/12345/dispatch.key";
  ASSERT_EQ(chmod(key.c_str(), 0), 0);
  const std::string renewed = LineWith(LookAsAnybody(sites_.a), "key " + key);
  EXPECT_EQ(chmod(key.c_str(), 0600), 0);
  expect_denied(renewed);
  EXPECT_THAT(renewed, AllOf(HasSubstr("cannot read it either: chgrp hotline, chmod 640"),
                             HasSubstr("同样无法读取：请执行 chgrp hotline、chmod 640")));
}

TEST_F(DoctorTest, FilesOfAnotherUserAreFound) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  const std::string store = sites_.a.folder() + "/work_order/work_order.db";
  ASSERT_EQ(chown(store.c_str(), 65534, 65534), 0);
  EXPECT_THAT(LineWith(Look(sites_.a, {"--json"}), "belongs to another user"),
              AllOf(HasSubstr("\"failed\""), HasSubstr("chown -R --reference")));
}

// Made by a person at work as root: the services' user may go where it is, and do nothing with it.
TEST_F(DoctorTest, WhatRootMadeInTheServicesFolderIsFound) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const std::string logs = sites_.a.folder() + "/logs";
  std::filesystem::create_directory(logs);
  sites_.a.config().mutable_log()->set_file(logs + "/{role}.log");
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  EXPECT_EQ(LineWith(Look(sites_.a, {"--json"}), "belongs to root"), "") << "so does all that is around it";
  for (const std::string& folder : {sites_.a.folder(), logs}) {
    ASSERT_EQ(chown(folder.c_str(), 65534, 65534), 0);
  }
  const Said said = Look(sites_.a, {"--json"});
  EXPECT_EQ(said.exit, 9);
  for (const std::string& path : {sites_.a.folder() + "/work_order", logs + "/work_order.log"}) {
    EXPECT_THAT(LineWith(said, path + "\""),
                AllOf(HasSubstr("\"failed\""), HasSubstr("belongs to root"), HasSubstr("属主为root"),
                      HasSubstr("chown -R --reference="), HasSubstr(" " + path + ", then start")));
  }
}

// A disk that failed: the kernel lets nobody write to it any more.
TEST_F(DoctorTest, ADiskThatIsReadOnlyIsFound) {
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  const std::string folder = sites_.a.folder() + "/work_order";
  const auto disk = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"disk of " + folder + "\""); };
  EXPECT_EQ(disk().find("read-only"), std::string::npos);
  if (geteuid() != 0 || mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "only root can mount";
  }
  const bool shut = mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
  const std::string said = disk();
  // Not by number.
  EXPECT_FALSE(sites_.a.Start(Service::kWorkOrder).ok());
  sites_.a.Kill(Service::kWorkOrder);
  EXPECT_EQ(umount2(folder.c_str(), MNT_DETACH), 0);
  ASSERT_TRUE(shut);
  EXPECT_THAT(said, AllOf(HasSubstr("\"failed\""), HasSubstr("is mounted read-only"),
                          HasSubstr("以只读方式挂载"), HasSubstr("remount,rw")));
  EXPECT_THAT(ReadFile(sites_.a.log_file(Service::kWorkOrder)), HasSubstr("Read-only file system"));
  EXPECT_EQ(disk().find("read-only"), std::string::npos);
}

// Whoever is told to bring back a backup loses the orders since; and there is nothing wrong with the store.
TEST_F(DoctorTest, AStoreOnAFullDiskIsLeftAsItIs) {
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  sites_.a.Kill(Service::kWorkOrder);  // its write-ahead log stays
  const std::string folder = sites_.a.folder() + "/work_order";
  std::filesystem::rename(folder, folder + ".kept");
  std::filesystem::create_directory(folder);
  if (geteuid() != 0 || mount("none", folder.c_str(), "tmpfs", 0, "size=64m,mode=700") != 0) {
    GTEST_SKIP() << "only root can mount";
  }
  for (const char* name : {"/work_order.db", "/work_order.db-wal"}) {
    std::filesystem::copy_file(folder + ".kept" + name, folder + name);
  }
  const std::string rest = folder + "/work_order.db-rest";
  const int file = open(rest.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string page(4096, 'x');
  while (write(file, page.data(), page.size()) == static_cast<ssize_t>(page.size())) continue;
  close(file);
  const auto line = [&] { return LineWith(Look(sites_.a, {"--json"}), folder + "/work_order.db\""); };
  const std::string full = line();
  std::filesystem::remove(rest);
  const std::string room = line();
  EXPECT_EQ(umount2(folder.c_str(), MNT_DETACH), 0);
  EXPECT_THAT(full, AllOf(HasSubstr("\"failed\""), HasSubstr("not looked at: "),
                          HasSubstr("the disk is full: make room"), HasSubstr("磁盘已满"),
                          Not(HasSubstr("backup restore"))));
  EXPECT_THAT(room, HasSubstr("\"ok\""));
}

TEST_F(DoctorTest, AStoreOfAnotherHotlineOrProcessIsFound) {
  ASSERT_TRUE(sites_.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(sites_.a.Terminate(Service::kWorkOrder), 0);
  const std::string path = sites_.a.folder() + "/work_order/work_order.db";
  const auto line = [&] { return LineWith(Look(sites_.a, {"--json"}), "\"store " + path); };
  EXPECT_EQ(line(), "");
  const int lock = open((path + ".lock").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(line(), AllOf(HasSubstr("\"look\""), HasSubstr("a process has it open"),
                            HasSubstr("正被某进程使用"), HasSubstr("fuser -v " + path + ".lock")));
  close(lock);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "UPDATE meta SET value = CAST('110' AS BLOB) WHERE name = 'hotline'", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  EXPECT_THAT(line(),
              AllOf(HasSubstr("\"failed\""), HasSubstr("belongs to hotline 110"), HasSubstr("属于热线110"),
                    HasSubstr("work_order.data_dir"), Not(HasSubstr("backup restore"))));
}

}  // namespace
}  // namespace hotline::test
