// Upgrades: the stores of an earlier release are brought forward by this one, those of a later one are
// refused; and each service can be restarted under load without a push failing.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "common/base/mutex.h"
#include "common/sql/schema.h"
#include "hotline/client.h"
#include "tests/operation/ctl.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

namespace fs = std::filesystem;
using dispatch::v1::DispatchService;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

// One text that a statement gives; `<error>` in front of what went wrong.
std::string Sql(const std::string& file, const std::string& sql) {
  sqlite3* db = nullptr;
  std::string answer;
  char* error = nullptr;
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) answer = "<error>" + file;
  const auto take = [](void* to, int columns, char** values, char**) {
    for (int i = 0; i < columns; ++i) {
      absl::StrAppend(static_cast<std::string*>(to), static_cast<std::string*>(to)->empty() ? "" : " ",
                      values[i] == nullptr ? "NULL" : values[i]);
    }
    return 0;
  };
  if (sqlite3_exec(db, sql.c_str(), take, &answer, &error) != SQLITE_OK) {
    answer = absl::StrCat("<error>", error == nullptr ? "" : error);
  }
  sqlite3_free(error);
  sqlite3_close(db);
  return answer;
}

// Order number → state, as the release that wrote the stores saw it.
std::map<std::string, std::string> Recorded(const std::string& folder, const std::string& hotline) {
  google::protobuf::Struct all;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(ReadFile(folder + "/orders.json"), &all).ok());
  std::map<std::string, std::string> orders;
  for (const auto& [number, state] : all.fields().at(hotline).struct_value().fields()) {
    orders[number] = state.string_value();
  }
  return orders;
}

std::map<std::string, std::string> Numbers(Site& site) {
  std::map<std::string, std::string> orders;
  for (const type::v1::WorkOrder& order : ListAll(site)) {
    orders[order.number()] = type::v1::OrderState_Name(order.state());
  }
  return orders;
}

// Stores get older, and an offer that nobody accepted is taken back by the rules of doubt once it is: what
// was on offer then may be recalled now, as soon as the services run.
std::map<std::string, std::string> Undoubted(std::map<std::string, std::string> orders) {
  for (auto& [number, state] : orders) {
    if (state == "ORDER_STATE_UNDERSTOOD" || state == "ORDER_STATE_RECALLED") state = "on offer, or recalled";
  }
  return orders;
}

class UpgradeTest : public testing::Test {
 protected:
  // Puts the stores of `release` where the site's programs look for them.
  static void Install(const std::string& release, Site& site) {
    const std::string from = absl::StrCat(release, "/", site.hotline());
    for (const auto& entry : fs::recursive_directory_iterator(from)) {
      if (entry.path().extension() != ".sql") continue;
      const std::string folder =
          absl::StrCat(site.folder(), "/", entry.path().parent_path().filename().string());
      fs::create_directories(folder);
      const std::string to = absl::StrCat(folder, "/", entry.path().stem().string(), ".db");
      ASSERT_EQ(Sql(to, ReadFile(entry.path().string())), "") << to;
    }
  }

  static std::vector<std::string> Releases() {
    std::vector<std::string> folders;
    for (const auto& entry : fs::directory_iterator(HOTLINE_SOURCE_DIR "/tests/operation/stores")) {
      folders.push_back(entry.path().string());
    }
    return folders;
  }

  static bool Quiet(TwoSites& sites) {
    for (Site* site : {&sites.a, &sites.b}) {
      const auto listed = Must(site->dispatch(), &DispatchService::Stub::ListLinks, {});
      for (const auto& link : listed.links()) {
        if (!link.up() || link.acknowledged_sequence() != link.outgoing_sequence()) return false;
      }
    }
    return true;
  }
};

TEST_F(UpgradeTest, StoresOfEarlierReleasesAreBroughtForward) {
  const std::vector<std::string> releases = Releases();
  ASSERT_FALSE(releases.empty());
  for (const std::string& release : releases) {
    SCOPED_TRACE(release);
    TwoSites sites;
    for (Site* site : {&sites.a, &sites.b}) {
      ASSERT_NO_FATAL_FAILURE(Install(release, *site));
      site->config().mutable_dispatch()->set_backoff_max_ms(200);
    }
    ASSERT_TRUE(sites.StartAll().ok());
    for (Site* site : {&sites.a, &sites.b}) {
      EXPECT_EQ(Undoubted(Numbers(*site)), Undoubted(Recorded(release, site->hotline())));
      EXPECT_THAT(Verify(*site).fault(), IsEmpty());
    }
    ASSERT_TRUE(Eventually([&] { return Quiet(sites); }));

    // What was found then is found now.
    workorder::v1::ListWorkOrdersRequest by_caller;
    by_caller.mutable_filter()->set_caller_phone("13900000001");
    EXPECT_EQ(Must(sites.b.work_order(), &workorder::v1::WorkOrderService::Stub::ListWorkOrders, by_caller)
                  .orders_size(),
              5);
    // Old orders and new ones go on.
    std::string accepted;
    for (const type::v1::WorkOrder& order : ListAll(sites.a)) {
      if (order.state() == type::v1::ORDER_STATE_ACCEPTED) accepted = order.id();
    }
    auto finish = For<dispatch::v1::FinishHandoffRequest>(accepted);
    finish.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
    finish.mutable_completion()->mutable_reply()->set_public_reply("已处理");
    Must(sites.a.dispatch(), &DispatchService::Stub::FinishHandoff, finish);
    const std::string fresh = Push(sites.b, MakePush(1, "12345")).order().handoff().id();
    ASSERT_TRUE(Eventually([&] { return Quiet(sites) && Exists(sites.a, fresh); }));
    const Said reconciled = RunCtl(sites.folder, sites.a, {"link", "reconcile", "110"});
    EXPECT_EQ(reconciled.exit, 0) << reconciled.out << reconciled.err;
    // A hold is of this release only.
    const std::string number = Get(sites.a, accepted).number();
    EXPECT_EQ(
        RunCtl(sites.folder, sites.a, {"hold", "place", number, "--reason", "r", "--reference", "1"}).exit,
        0);
    EXPECT_THAT(Verify(sites.a).fault(), IsEmpty());

    for (const Service service : {Service::kEscalation, Service::kDispatch, Service::kWorkOrder}) {
      EXPECT_EQ(sites.a.Terminate(service), 0);
    }
    const std::string store = sites.a.folder() + "/work_order/work_order.db";
    EXPECT_EQ(Sql(store, "SELECT CAST(value AS TEXT) FROM meta WHERE name = 'schema_version'"),
              absl::StrCat(sql::kWorkOrderSchema));
    EXPECT_EQ(Sql(store, "SELECT version, previous FROM schema_history"),
              absl::StrCat(sql::kWorkOrderSchema, " 3"));
    EXPECT_EQ(Sql(store, "PRAGMA integrity_check"), "ok");
  }
}

TEST_F(UpgradeTest, StoresOfALaterReleaseAreRefusedInBothLanguages) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  const std::string number = Push(sites.a, MakePush(1, "110")).order().number();
  for (const Service service : {Service::kEscalation, Service::kDispatch, Service::kWorkOrder}) {
    EXPECT_EQ(sites.a.Terminate(service), 0);
  }
  const std::string data = sites.a.folder() + "/work_order/work_order.db";
  ASSERT_EQ(Sql(data, "UPDATE meta SET value = CAST('99' AS BLOB) WHERE name = 'schema_version'"), "");
  for (const char* name : {"escalation", "directory", "notify", "report"}) {
    ASSERT_EQ(Sql(absl::StrCat(sites.a.folder(), "/escalation/", name, ".db"),
                  "UPDATE site SET schema_version = 99"),
              "");
  }
  const std::string before = Sql(data, "SELECT count(*), max(length(hash)) FROM event");
  for (const Service service : {Service::kWorkOrder, Service::kEscalation}) {
    ASSERT_TRUE(sites.a.Launch(service).ok());
    EXPECT_EQ(sites.a.process(service).Wait(absl::Seconds(20)), 1);
    const std::string log = ReadFile(sites.a.log_file(service));
    EXPECT_THAT(log, AllOf(HasSubstr("schema version 99 of a newer release"), HasSubstr("restore a backup"),
                           HasSubstr("由更新的软件版本写入")))
        << NameOf(service);
  }
  EXPECT_EQ(Sql(data, "SELECT count(*), max(length(hash)) FROM event"), before) << "nothing was touched";
  const Said said = RunCtl(sites.folder, {"doctor", "--config", sites.a.config_file()});
  EXPECT_EQ(said.exit, 9);
  EXPECT_THAT(said.out, HasSubstr("99 of a newer release"));
  // The newer release again, as it were.
  ASSERT_EQ(Sql(data, absl::StrCat("UPDATE meta SET value = CAST('", sql::kWorkOrderSchema,
                                   "' AS BLOB) WHERE name = 'schema_version'")),
            "");
  ASSERT_TRUE(sites.a.Start(Service::kWorkOrder).ok());
  EXPECT_EQ(Numbers(sites.a).count(number), 1u);
}

// A service that goes down cancels what comes while it does, and a watch begins again soon enough for that.
TEST_F(UpgradeTest, AWatchOnTheCommandLineOutlivesEveryRestart) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  auto watch =
      Process::Start({BuildFolder() + "/services/hotlinectl/hotlinectl", "--dispatch",
                      sites.a.address(Service::kDispatch), "watch", "--handoffs", "--from", "1", "--json"},
                     sites.folder.path() + "/watch.log");
  ASSERT_TRUE(watch.ok()) << watch.status();
  constexpr int kRestarts = 6;
  for (int n = 1; n <= kRestarts + 1; ++n) {
    // With the peer away, each is one event.
    Push(sites.a, MakePush(n, "110"));
    const absl::StatusOr<std::string> line = (*watch)->WaitForLine("", absl::Seconds(60));
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_THAT(*line, HasSubstr(absl::StrCat("{\"sequence\":\"", n, "\",")));
    if (n > kRestarts) break;
    EXPECT_EQ(sites.a.Terminate(Service::kDispatch), 0);
    ASSERT_TRUE(sites.a.Start(Service::kDispatch).ok());
  }
  EXPECT_TRUE((*watch)->Running());
}

TEST_F(UpgradeTest, EachServiceIsRestartedUnderLoadAndNoPushFails) {
  TwoSites sites;
  for (Site* site : {&sites.a, &sites.b}) site->config().mutable_dispatch()->set_backoff_max_ms(200);
  ASSERT_TRUE(sites.StartAll().ok());
  std::atomic<bool> over{false};
  std::atomic<int> failed{0};
  std::atomic<int> done{0};
  Mutex mu;
  std::set<std::string> pushed;
  std::string first_failure;
  std::vector<std::thread> desks;
  for (int desk = 0; desk < 4; ++desk) {
    desks.emplace_back([&, desk] {
      Site& site = desk % 2 == 0 ? sites.a : sites.b;
      client::Client client({.dispatch = site.address(Service::kDispatch)});
      for (int n = desk; !over; n += 4) {
        dispatch::v1::PushWorkOrderResponse response;
        const grpc::Status status = client.Push(MakePush(n, desk % 2 == 0 ? "110" : "12345"), &response);
        MutexLock lock(&mu);
        if (!status.ok()) {
          ++failed;
          first_failure = absl::StrCat(status.error_code(), " ", status.error_message());
          continue;
        }
        EXPECT_TRUE(pushed.insert(response.order().handoff().id()).second) << "one order for one request";
        ++done;
      }
    });
  }
  // A desktop at 12345 sees every event once and in order, whatever is restarted.
  client::Client desktop({.dispatch = sites.a.address(Service::kDispatch)});
  std::vector<int64_t> seen;
  std::set<std::string> offered;
  std::thread watch([&] {
    const grpc::Status ended = desktop.Watch(1, [&](const type::v1::Event& event) {
      MutexLock lock(&mu);
      seen.push_back(event.sequence());
      offered.insert(event.handoff_id());
      return true;
    });
    EXPECT_EQ(ended.error_code(), grpc::StatusCode::CANCELLED) << ended.error_message();
  });
  const auto more = [&](int pushes) {
    const int from = done;
    return Eventually([&] { return done >= from + pushes; }, absl::Seconds(60));
  };
  bool went_on = more(40);
  for (Site* site : {&sites.a, &sites.b}) {
    for (const Service service : kServices) {
      EXPECT_EQ(site->Terminate(service), 0) << site->hotline() << " " << NameOf(service);
      const absl::Status started = site->Start(service);
      EXPECT_TRUE(started.ok()) << started;
      went_on = more(40) && went_on;
    }
  }
  over = true;
  for (std::thread& desk : desks) desk.join();
  EXPECT_TRUE(went_on);
  EXPECT_EQ(failed, 0) << first_failure;
  ASSERT_TRUE(Eventually([&] { return Quiet(sites); }, absl::Seconds(60)));
  const bool saw_all = Eventually(
      [&] {
        MutexLock lock(&mu);
        return std::includes(offered.begin(), offered.end(), pushed.begin(), pushed.end());
      },
      absl::Seconds(30));
  desktop.Stop();
  watch.join();
  EXPECT_TRUE(saw_all);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(), std::less_equal<>())) << "each once, in order";
  EXPECT_EQ(ListAll(sites.a).size(), pushed.size());
  EXPECT_EQ(ListAll(sites.b).size(), pushed.size());
  for (Site* site : {&sites.a, &sites.b}) EXPECT_THAT(Verify(*site).fault(), IsEmpty());
  printf("%d pushes over six restarts, none failed; %zu events seen\n", done.load(), seen.size());
}

}  // namespace
}  // namespace hotline::test
