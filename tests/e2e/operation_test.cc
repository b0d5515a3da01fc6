// What an operator relies on: health, reflection, metrics, configuration checks, certificates, and silence
// about people.
#include <gmock/gmock.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/sql/sqlite.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/operation/ctl.h"
#include "tests/support/desk.h"
#include "tests/support/watch.h"

namespace hotline::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

grpc::health::v1::HealthCheckResponse::ServingStatus HealthOf(Site& site, Service service,
                                                              const std::string& name) {
  const auto stub = grpc::health::v1::Health::NewStub(site.NewChannelTo(service));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(name);
  grpc::health::v1::HealthCheckResponse response;
  Call call;
  const grpc::Status status = stub->Check(&call, request, &response);
  return status.ok() ? response.status() : grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN;
}

// Body of GET `path`.
std::string HttpGet(const std::string& address, const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(address, ':');
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(parts[0].c_str(), parts[1].c_str(), &hints, &found) != 0) return "";
  const int socket_fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
  std::string answer;
  if (connect(socket_fd, found->ai_addr, found->ai_addrlen) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", address, "\r\n\r\n");
    if (write(socket_fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char chunk[65536];
      for (ssize_t n = read(socket_fd, chunk, sizeof(chunk)); n > 0;
           n = read(socket_fd, chunk, sizeof(chunk))) {
        answer.append(chunk, static_cast<size_t>(n));
      }
    }
  }
  close(socket_fd);
  freeaddrinfo(found);
  return answer;
}

// One whole handoff up to the acceptance.
void Handoff(TwoSites& sites) {
  const type::v1::WorkOrder order = Push(sites.a, MakePush(4711, "110")).order();
  ASSERT_TRUE(Eventually([&] { return Exists(sites.b, order.handoff().id()); }));
  Accept(sites.b, Get(sites.b, order.handoff().id()).id());
  ASSERT_TRUE(Eventually([&] { return Get(sites.a, order.id()).custody().holder() == "110"; }));
}

TEST(OperationTest, HealthIsPerServiceAndPerLink) {
  TwoSites sites;
  ASSERT_TRUE(sites.StartAll().ok());
  using grpc::health::v1::HealthCheckResponse;
  EXPECT_EQ(HealthOf(sites.a, Service::kWorkOrder, "hotline.workorder.v1.WorkOrderService"),
            HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(sites.a, Service::kWorkOrder, "hotline.workorder.v1.LedgerService"),
            HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(sites.a, Service::kDispatch, "hotline.dispatch.v1.DispatchService"),
            HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(sites.a, Service::kDispatch, "hotline.exchange.v1.ExchangeService"),
            HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(sites.a, Service::kEscalation, "hotline.escalation.v1.EscalationService"),
            HealthCheckResponse::SERVING);
  for (const Service service : kServices) {
    EXPECT_EQ(HealthOf(sites.a, service, ""), HealthCheckResponse::SERVING) << NameOf(service);
  }
  EXPECT_EQ(HealthOf(sites.a, Service::kDispatch, "no.such.Service"), HealthCheckResponse::SERVICE_UNKNOWN);
  EXPECT_TRUE(Eventually(
      [&] { return HealthOf(sites.a, Service::kDispatch, "peer.110") == HealthCheckResponse::SERVING; }));
  sites.b.Kill(Service::kDispatch);
  EXPECT_TRUE(Eventually(
      [&] { return HealthOf(sites.a, Service::kDispatch, "peer.110") == HealthCheckResponse::NOT_SERVING; }));
  EXPECT_EQ(HealthOf(sites.a, Service::kDispatch, "hotline.dispatch.v1.DispatchService"),
            HealthCheckResponse::SERVING)
      << "a peer that is away is no reason to turn desktops away";
}

TEST(OperationTest, AStoreOfEscalationThatFailsIsToldByHealthAndMetrics) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  using grpc::health::v1::HealthCheckResponse;
  const auto metrics = [&] { return HttpGet(sites.a.metrics_address(Service::kEscalation), "/metrics"); };
  const std::string healthy = "hotline_escalation_store_healthy{store=\"";
  const std::string before = metrics();
  for (const std::string store : {"clocks", "report", "notify", "directory"}) {
    EXPECT_THAT(before, HasSubstr(healthy + store + "\"} 1"));
  }
  // Nobody would find what was written to a file that is not there any more.
  std::filesystem::remove(sites.a.folder() + "/escalation/report.db");
  Push(sites.a, MakePush(1, "110"));
  EXPECT_TRUE(Eventually([&] {
    return HealthOf(sites.a, Service::kEscalation, "report_store") == HealthCheckResponse::NOT_SERVING;
  }));
  const std::string after = metrics();
  EXPECT_THAT(after, HasSubstr(healthy + "report\"} 0"));
  for (const std::string store : {"clocks", "notify", "directory"}) {
    EXPECT_THAT(after, HasSubstr(healthy + store + "\"} 1"));
  }
  EXPECT_EQ(HealthOf(sites.a, Service::kEscalation, ""), HealthCheckResponse::SERVING) << "the clocks go on";
}

// One of them may be deleted and another must never be: what to do begins with which one it is.
TEST(OperationTest, AServiceThatCannotOpenAStoreNamesIt) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  for (const Service service : kServices) EXPECT_EQ(sites.a.Terminate(service), 0) << NameOf(service);
  for (const auto& [service, file] : {std::pair(Service::kWorkOrder, "work_order/work_order.db"),
                                      std::pair(Service::kEscalation, "escalation/escalation.db"),
                                      std::pair(Service::kEscalation, "escalation/report.db"),
                                      std::pair(Service::kEscalation, "escalation/directory.db"),
                                      std::pair(Service::kEscalation, "escalation/notify.db")}) {
    const std::string path = absl::StrCat(sites.a.folder(), "/", file);
    const std::string log = sites.a.log_file(service);
    const std::string good = ReadFile(path);
    WriteFile(path, std::string(10'000, 'x'));
    std::filesystem::remove(log);
    ASSERT_TRUE(sites.a.Launch(service).ok());
    EXPECT_EQ(sites.a.process(service).Wait(absl::Seconds(20)), 1) << path;
    EXPECT_THAT(ReadFile(log), AllOf(HasSubstr(absl::StrCat(NameOf(service), ": ", path, ": ")),
                                     HasSubstr("`hotlinectl doctor` says what to do")));
    WriteFile(path, good);
  }
}

TEST(OperationTest, AStartWaitsForWhoeverReadsTheStore) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  Push(sites.a, MakePush(1, "110"));
  const std::string log = sites.a.log_file(Service::kWorkOrder);
  auto reader = sql::OpenSqliteToRead(sites.a.folder() + "/work_order/work_order.db", /*still=*/false);
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE((*reader)->Begin().ok());
  ASSERT_TRUE(*(*(*reader)->Prepare("SELECT count(*) FROM event"))->Step());
  sites.a.Kill(Service::kWorkOrder);
  const auto launched_and_waits = [&] {
    std::filesystem::remove(log);
    return sites.a.Launch(Service::kWorkOrder).ok() &&
           Eventually([&] { return ReadFile(log).find("waiting until it ends") != std::string::npos; });
  };
  ASSERT_TRUE(launched_and_waits());
  // Nobody has to wait with it.
  EXPECT_EQ(sites.a.Terminate(Service::kWorkOrder), 1);
  ASSERT_TRUE(launched_and_waits());
  reader->reset();
  EXPECT_TRUE(sites.a.AwaitReady(Service::kWorkOrder).ok());
}

TEST(OperationTest, MetricsTellCallsAndNothingAboutPeople) {
  TwoSites sites;
  for (Site* site : {&sites.a, &sites.b})
    site->config().mutable_log()->set_level(config::v1::LOG_LEVEL_DEBUG);
  ASSERT_TRUE(sites.StartAll().ok());
  ASSERT_NO_FATAL_FAILURE(Handoff(sites));
  dispatch::v1::PushWorkOrderRequest bad = MakePush(4711, "110");
  bad.mutable_content()->mutable_caller()->set_contact_phone("139x04711");
  MustFail(sites.a.dispatch(), &dispatch::v1::DispatchService::Stub::PushWorkOrder, bad);

  const std::string metrics = HttpGet(sites.a.metrics_address(Service::kDispatch), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("grpc_server_started_total"));
  EXPECT_THAT(metrics, HasSubstr("grpc_server_handled_total"));
  EXPECT_THAT(metrics, HasSubstr("grpc_server_handling_seconds"));
  EXPECT_THAT(metrics, HasSubstr("PushWorkOrder"));
  const type::v1::OrderContent content = MakeContent(4711);
  for (Site* site : {&sites.a, &sites.b}) {
    for (const Service service : kServices) {
      const std::string told =
          HttpGet(site->metrics_address(service), "/metrics") + ReadFile(site->log_file(service));
      EXPECT_THAT(told, HasSubstr("grpc_server_started_total")) << NameOf(service);
      for (const std::string& personal :
           {content.caller().phone(), content.caller().name(), content.title(), content.place().address(),
            content.text(), std::string("139x04711")}) {
        EXPECT_THAT(told, Not(HasSubstr(personal))) << site->hotline() << " " << NameOf(service);
      }
    }
  }
}

TEST(OperationTest, MisspeltKeyRefusesToStartAndNamesTheLine) {
  TwoSites sites;
  ASSERT_TRUE(sites.a.StartAll().ok());
  sites.a.KillAll();
  const std::string good = ReadFile(sites.a.config_file());
  const auto check = [&](const std::string& yaml, std::string* log) {
    const std::string file = sites.a.folder() + "/checked.yaml";
    const std::string log_file = sites.a.folder() + "/check.log";
    WriteFile(file, yaml);
    std::filesystem::remove(log_file);
    auto process = Process::Start(
        {BuildFolder() + "/services/dispatch/dispatch", "--config", file, "--check"}, log_file);
    EXPECT_TRUE(process.ok());
    const int status = (*process)->Wait(absl::Seconds(20));
    *log = ReadFile(log_file);
    return status;
  };
  std::string log;
  EXPECT_EQ(check(good, &log), 0) << log;
  EXPECT_NE(check("hotlin: \"12345\"\n" + good, &log), 0);
  EXPECT_THAT(log, HasSubstr("hotlin"));
  EXPECT_THAT(log, HasSubstr("checked.yaml:1"));
  EXPECT_NE(check("", &log), 0);
}

// Status and output of `service --check` with the site's configuration.
std::pair<int, std::string> Check(const Site& site, const std::string& service = "dispatch") {
  const std::string log_file = site.folder() + "/check.log";
  std::filesystem::remove(log_file);
  auto process = Process::Start({absl::StrCat(BuildFolder(), "/services/", service, "/", service), "--config",
                                 site.config_file(), "--check"},
                                log_file);
  EXPECT_TRUE(process.ok());
  const int status = (*process)->Wait(absl::Seconds(20));
  return {status, ReadFile(log_file)};
}

TEST(OperationTest, ACheckFindsWhatAStartWouldFindInTheFilesOfAdvice) {
  namespace fs = std::filesystem;
  TwoSites sites;
  const std::string folder = sites.folder.path() + "/catalogue";
  fs::copy(HOTLINE_SOURCE_DIR "/deploy/catalogue", folder, fs::copy_options::recursive);
  sites.a.config().mutable_dispatch()->set_catalogue_dir(folder);
  ASSERT_TRUE(sites.a.StartAll().ok());
  sites.a.KillAll();
  const auto check = [&] { return Check(sites.a); };
  EXPECT_EQ(check().first, 0);
  WriteFile(folder + "/suggest/examples-own.jsonl",
            "{\"id\": \"own-1\", \"text\": \"路灯坏了\", \"hotline\": \"119\"}\n");
  const auto [status, log] = check();
  EXPECT_EQ(status, 1);
  EXPECT_THAT(log, HasSubstr("hotline"));
}

TEST(OperationTest, ACheckNamesTheUnitsOfTheCatalogueThatTheSiteDoesNotHave) {
  TwoSites sites;
  sites.UseCatalogue();
  const std::string units = HOTLINE_SOURCE_DIR "/deploy/units/wuqia.yaml";
  sites.a.config().set_units_file(units);
  const auto check = [&] {
    // Writes the configuration.
    EXPECT_TRUE(sites.a.Launch(Service::kWorkOrder).ok());
    sites.a.Kill(Service::kWorkOrder);
    return Check(sites.a);
  };
  const auto [good, nothing] = check();
  EXPECT_EQ(good, 0) << nothing;
  const std::string fewer = sites.a.folder() + "/fewer.yaml";
  WriteFile(fewer, absl::StrReplaceAll(ReadFile(units), {{"code: chengguan,", "code: another,"}}));
  sites.a.config().set_units_file(fewer);
  const auto [status, log] = check();
  EXPECT_EQ(status, 1);
  EXPECT_THAT(log, HasSubstr("catalogue wuqia-2024-6: not in units_file: chengguan"));
  EXPECT_THAT(log, HasSubstr("清单 wuqia-2024-6 的单位不在 units_file 中：chengguan"));
  // Nor does it start.
  EXPECT_FALSE(sites.a.Start(Service::kDispatch).ok());
}

// It is edited in place, and orders are taken without it.
TEST(OperationTest, AHalfWrittenPolicyKeepsEscalationAloneFromStarting) {
  TwoSites sites;
  sites.UseCatalogue();
  // Writes the configuration.
  ASSERT_TRUE(sites.a.Launch(Service::kWorkOrder).ok());
  sites.a.Kill(Service::kWorkOrder);
  WriteFile(sites.a.config().escalation().policy_file(), "version: x\nrules:\n- {clo\n");
  const auto [orders, silence] = Check(sites.a, "work_order");
  EXPECT_EQ(orders, 0) << silence;
  EXPECT_THAT(silence, Not(HasSubstr("policy")));
  const auto [advice, warning] = Check(sites.a, "dispatch");
  EXPECT_EQ(advice, 0) << warning;
  EXPECT_THAT(warning,
              AllOf(HasSubstr("dispatch: warning: advice names no deadlines"), HasSubstr("policy.yaml:")));
  const auto [deadlines, fault] = Check(sites.a, "escalation");
  EXPECT_EQ(deadlines, 1);
  EXPECT_THAT(fault, HasSubstr("policy.yaml:"));
}

// Certificates of the development CA: the whole chain with mutual TLS, and who is kept out.
class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    certificates_ = sites_.folder.path() + "/certs";
    auto make =
        Process::Start({HOTLINE_SOURCE_DIR "/deploy/certs/make", "--dir", certificates_, "12345", "110"},
                       sites_.folder.path() + "/certs.log");
    ASSERT_TRUE(make.ok()) << make.status().message();
    ASSERT_EQ((*make)->Wait(absl::Seconds(60)), 0) << ReadFile(sites_.folder.path() + "/certs.log");
    for (Site* site : {&sites_.a, &sites_.b}) {
      config::v1::TlsConfig& tls = *site->config().mutable_tls();
      tls.set_certificate_file(absl::StrCat(certificates_, "/", site->hotline(), "/{role}.crt"));
      tls.set_key_file(absl::StrCat(certificates_, "/", site->hotline(), "/{role}.key"));
      tls.set_ca_file(certificates_ + "/ca.crt");
      site->UseTls(As(site->hotline(), "desktop"));
    }
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  ClientTls As(const std::string& hotline, const std::string& role) const {
    const std::string file = absl::StrCat(certificates_, "/", hotline, "/", role);
    return {
        .certificate_file = file + ".crt", .key_file = file + ".key", .ca_file = certificates_ + "/ca.crt"};
  }

  TwoSites sites_;
  std::string certificates_;
};

TEST_F(TlsTest, WholeHandoff) { Handoff(sites_); }

// Who is cleared by the role of their certificate alone is known to be so by every service, also where one
// asks another; nobody else can claim that role.
TEST_F(TlsTest, ARoleAloneIsClearedForATimeLedger) {
  using escalation::v1::EscalationService;
  auto clue = MakePush(5, "110");
  clue.mutable_content()->set_urgency(type::v1::URGENCY_URGENT);
  clue.mutable_header()->mutable_actor()->set_account("registrar");
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  const std::string id = Push(sites_.a, clue).order().id();
  escalation::v1::GetTimeLedgerRequest request;
  request.set_order_id(id);
  const auto ask = [&](const std::string& claimed_role) {
    Call call;
    if (!claimed_role.empty()) call.AddMetadata("hotline-role", claimed_role);
    escalation::v1::GetTimeLedgerResponse response;
    const grpc::Status status = sites_.a.escalation().GetTimeLedger(&call, request, &response);
    return status.ok() ? response.ledger().order_id() : Rich(status).reason;
  };
  EXPECT_EQ(ask(""), "RESTRICTED");
  EXPECT_EQ(ask("supervisor"), "RESTRICTED") << "a desktop is a desktop, whatever it says";
  sites_.a.UseTls(As("12345", "supervisor"));
  EXPECT_EQ(ask(""), id);
  EXPECT_EQ(ask("desktop"), id) << "what it says of itself is not looked at";
  // The record says who it was shown to.
  workorder::v1::ListOrderEventsRequest events;
  events.set_order_id(id);
  int shown = 0;
  const auto history =
      Must(sites_.a.work_order(), &workorder::v1::WorkOrderService::Stub::ListOrderEvents, events);
  for (const auto& event : history.events()) {
    if (event.has_disclosed() && event.disclosed().kind() == type::v1::DISCLOSURE_KIND_HISTORY) {
      EXPECT_EQ(event.disclosed().role(), "supervisor");
      ++shown;
    }
  }
  EXPECT_GE(shown, 2);
}

TEST_F(TlsTest, StrangersAndWrongRolesAreKeptOut) {
  // Plain text.
  const auto plain = dispatch::v1::DispatchService::NewStub(NewChannel(sites_.a.address(Service::kDispatch)));
  dispatch::v1::ListLinksResponse links;
  Call call(absl::Seconds(3));
  EXPECT_FALSE(plain->ListLinks(&call, {}, &links).ok());

  // A desktop has no business with the ledger or with the exchange.
  RichError error = MustFail(sites_.a.ledger(), &workorder::v1::LedgerService::Stub::ListLinkCursors, {});
  EXPECT_EQ(error.code, grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(error.reason, "ROLE_FORBIDDEN");
  error = MustFail(sites_.a.exchange(), &exchange::v1::ExchangeService::Stub::GetLink, {});
  EXPECT_EQ(error.code, grpc::StatusCode::PERMISSION_DENIED);

  // Nor has the other hotline's desktop at this one's front door.
  sites_.a.UseTls(As("110", "desktop"));
  error =
      MustFail(sites_.a.dispatch(), &dispatch::v1::DispatchService::Stub::PushWorkOrder, MakePush(1, "110"));
  EXPECT_EQ(error.code, grpc::StatusCode::PERMISSION_DENIED);

  // A peer speaks for itself only.
  sites_.a.UseTls(As("110", "dispatch"));
  exchange::v1::DeliverRequest deliver;
  deliver.set_protocol_version(1);
  deliver.set_from_hotline("119");
  deliver.set_to_hotline("12345");
  error = MustFail(sites_.a.exchange(), &exchange::v1::ExchangeService::Stub::Deliver, deliver);
  EXPECT_EQ(error.code, grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(error.reason, "PEER_UNKNOWN");
}

// Both trust the same authorities: it pushed, with all that the caller had said, to whoever had any
// certificate of theirs and stood at the address.
TEST_F(TlsTest, HotlinectlCallsTheServicesOfItsOwnHotlineAlone) {
  const ClientTls desktop = As("12345", "desktop");
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--ca", desktop.ca_file, "--cert", desktop.certificate_file, "--key",
                                         desktop.key_file, "--account", "1001"});
    return RunCtl(sites_.folder, std::move(arguments));
  };
  const auto push = [&](const std::string& address, const std::string& language, const std::string& urgency) {
    return run({"--lang", language, "--dispatch", address, "push", "--to", "110", "--title", "路灯不亮",
                "--text", "示例", "--type", "help", "--urgency", urgency, "--anonymous"});
  };
  const std::string others = sites_.b.address(Service::kDispatch);
  const Said refused = push(others, "en", "normal");
  EXPECT_EQ(refused.exit, 1) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr(absl::StrCat("the certificate at ", others,
                                                  " names spiffe://hotline/110/dispatch, not "
                                                  "spiffe://hotline/12345/dispatch")));
  const Said chinese = push(others, "zh", "normal");
  EXPECT_THAT(chinese.err, HasSubstr("证书标识为 spiffe://hotline/110/dispatch，应为 "
                                     "spiffe://hotline/12345/dispatch"));
  EXPECT_EQ(push(others, "en", "emergency").exit, 8) << "the peer does not know of it";
  // Nor to another of its own site's programs.
  const std::string own = sites_.a.address(Service::kDispatch);
  const Said other_role = run({"--lang", "en", "--work-order", own, "list"});
  EXPECT_EQ(other_role.exit, 1) << other_role.err;
  EXPECT_THAT(other_role.err, HasSubstr("names spiffe://hotline/12345/dispatch, not "
                                        "spiffe://hotline/12345/work_order"));
  EXPECT_TRUE(ListAll(sites_.a).empty());
  const Said pushed = push(own, "en", "normal");
  EXPECT_EQ(pushed.exit, 0) << pushed.err;
  EXPECT_EQ(ListAll(sites_.a).size(), 1u);
}

}  // namespace
}  // namespace hotline::test
