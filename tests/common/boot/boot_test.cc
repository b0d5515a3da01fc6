// The life of a server and of a service's process.
#include "common/boot/boot.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/stop.h"
#include "common/boot/backup_edge.h"
#include "common/boot/log.h"
#include "common/error/error.h"
#include "common/rpc/address.h"
#include "common/rpc/client.h"
#include "common/rpc/peer_client.h"
#include "common/rpc/unary.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "hotline/operation/v1/backup_service.grpc.pb.h"
#include "tests/support/made_keys.h"
#include "tests/support/sql_scratch.h"

namespace hotline::boot {
namespace {

using exchange::v1::ExchangeService;
using exchange::v1::GetLinkRequest;
using exchange::v1::GetLinkResponse;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// Answers GetLink when the test says so, and Deliver at once.
class Edge final : public ExchangeService::WithRawCallbackMethod_GetLink<
                       ExchangeService::WithRawCallbackMethod_Deliver<ExchangeService::Service>> {
 public:
  explicit Edge(rpc::Host* host)
      : get_link_(host, ExchangeService::service_full_name(), "GetLink"),
        deliver_(host, ExchangeService::service_full_name(), "Deliver") {}
  grpc::ServerUnaryReactor* Deliver(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return rpc::Unary<exchange::v1::DeliverRequest, exchange::v1::DeliverResponse>(
        context, request, response, deliver_,
        [](const CallContext&, const exchange::v1::DeliverRequest&,
           Done<exchange::v1::DeliverResponse> done) { done(exchange::v1::DeliverResponse()); });
  }
  grpc::ServerUnaryReactor* GetLink(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return rpc::Unary<GetLinkRequest, GetLinkResponse>(
        context, request, response, get_link_,
        [this](const CallContext&, const GetLinkRequest& request, Done<GetLinkResponse> done) {
          if (request.from_hotline() == "wait") {
            waiting.set_value(std::move(done));
          } else if (request.from_hotline() == "unsigned") {
            done(error::SignatureInvalid("110", "k2", "the key is not known here", "本平台没有该公钥"));
          } else {
            done(GetLinkResponse());
          }
        });
  }
  std::promise<Done<GetLinkResponse>> waiting;

 private:
  rpc::Method get_link_;
  rpc::Method deliver_;
};

class TestService final : public Service {
 public:
  explicit TestService(Environment& environment) : environment(environment), edge(environment.host) {
    environment.health->SetServing("peer.110", false);
  }
  std::vector<Endpoint> endpoints() override { return {{ExchangeService::service_full_name(), &edge}}; }
  void Start() override {
    ++started;
    if (on_start) on_start();
  }
  void Drain() override {
    ++drained;
    if (on_drain) on_drain();
  }
  Environment environment;
  Edge edge;
  int started = 0;
  int drained = 0;
  std::function<void()> on_start;
  std::function<void()> on_drain;
};

LoadedSite TestSite() {
  LoadedSite loaded;
  const absl::Status status = ParseYaml(R"(hotline: 12345
peers: [{hotline: 110, address: "127.0.0.1:11001"}]
dispatch:
  listen: {address: "127.0.0.1:0", metrics_address: "127.0.0.1:0", drain_ms: 30000}
work_order: {address: "127.0.0.1:1"}
)",
                                        "site.yaml", &loaded.site);
  EXPECT_TRUE(status.ok()) << status;
  ResolveDefaults(&loaded.site);
  return loaded;
}

class BootTest : public ::testing::Test {
 protected:
  void Start() {
    auto server = Server::Start(TestSite(), "dispatch", [](Environment& environment) {
      return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<TestService>(environment));
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    service_ = static_cast<TestService*>(&server_->service());
    security_ = *rpc::Security::Create({});
    channel_ = *security_->NewChannel(server_->address());
  }

  HealthCheckResponse::ServingStatus Health(const std::string& name) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(name);
    HealthCheckResponse response;
    const grpc::Status status =
        grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) return HealthCheckResponse::SERVICE_UNKNOWN;
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  // A connection to `address`, to be closed.
  static int Connect(const std::string& address) {
    const auto parsed = rpc::ParseAddress(address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(parsed->port));
    inet_pton(AF_INET, parsed->host.c_str(), &to.sin_addr);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    return fd;
  }
  // The body of GET /metrics.
  static std::string Scrape(const std::string& address) {
    const int fd = Connect(address);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    close(fd);
    return text;
  }

  std::unique_ptr<Server> server_;
  TestService* service_ = nullptr;
  std::unique_ptr<rpc::Security> security_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(BootTest, AKeyThatEverybodyMayReadIsRefused) {
  const std::string key = (std::filesystem::temp_directory_path() / "boot_test_key").string();
  std::ofstream(key) << "key\n";
  std::filesystem::permissions(key, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  LoadedSite site = TestSite();
  site.site.mutable_tls()->set_certificate_file(key);
  site.site.mutable_tls()->set_key_file(key);
  site.site.mutable_tls()->set_ca_file(key);
  const auto server = Server::Start(std::move(site), "dispatch", [](Environment& environment) {
    return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<TestService>(environment));
  });
  EXPECT_EQ(std::string(server.status().message()),
            key + ": a private key must not be open to everybody: chmod o= it");
  std::filesystem::remove(key);
}

TEST_F(BootTest, ServesHealthOfTheWholeAndOfItsParts) {
  Start();
  EXPECT_EQ(service_->started, 1);
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("hotline.exchange.v1.ExchangeService"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("peer.110"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("peer.119"), HealthCheckResponse::SERVICE_UNKNOWN);
  service_->environment.health->SetServing("peer.110", true);
  EXPECT_EQ(Health("peer.110"), HealthCheckResponse::SERVING);
  service_->environment.health->SetServing("", false);
  EXPECT_EQ(Health(""), HealthCheckResponse::NOT_SERVING);
}

TEST_F(BootTest, ServesMetrics) {
  Start();
  auto& gauge = prometheus::BuildGauge()
                    .Name("hotline_test_depth")
                    .Help("Of the test.")
                    .Register(service_->environment.metrics->registry())
                    .Add({});
  service_->environment.metrics->OnScrape([&] { gauge.Set(7); });
  grpc::ClientContext context;
  GetLinkResponse response;
  ASSERT_TRUE(ExchangeService::NewStub(channel_)->GetLink(&context, {}, &response).ok());
  const std::string text = Scrape(server_->metrics_address());
  for (const char* part :
       {"hotline_test_depth 7", "build_info{compiler=", "service=\"dispatch\"",
        "process_resident_memory_bytes ", "process_open_fds ", "process_cpu_seconds_total ",
        "process_start_time_seconds ", "# TYPE process_cpu_seconds_total counter",
        "# TYPE grpc_server_handling_seconds histogram",
        "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"GetLink\","}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

TEST_F(BootTest, WhoConnectsAndSaysNothingDoesNotHideTheMetrics) {
  Start();
  const int idle[] = {Connect(server_->metrics_address()), Connect(server_->metrics_address())};
  EXPECT_NE(Scrape(server_->metrics_address()).find("process_open_fds "), std::string::npos);
  for (const int fd : idle) close(fd);
}

TEST_F(BootTest, ABatchAsLargeAsTheContractAllowsIsTaken) {
  Start();
  exchange::v1::DeliverRequest request;
  size_t bytes = 0;
  for (int i = 0; i < 512; ++i) {
    exchange::v1::Envelope* envelope = request.add_envelopes();
    envelope->set_sequence(i + 1);
    envelope->set_hash(std::string(32, 'h'));
    envelope->set_body(std::string(size_t{8} << 10, 'b'));
    // To 8 KiB each, 4 MiB together.
    envelope->mutable_body()->resize(2 * envelope->body().size() - envelope->ByteSizeLong());
    bytes += envelope->ByteSizeLong();
  }
  ASSERT_EQ(bytes, size_t{4} << 20);
  request.set_statement(std::string(512, 's'));
  request.mutable_signature()->set_value(std::string(64, 's'));
  request.mutable_receipt()->set_statement(std::string(512, 's'));
  grpc::ClientContext context;
  exchange::v1::DeliverResponse response;
  const grpc::Status status = ExchangeService::NewStub(channel_)->Deliver(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// 256 orders of 8,000 characters, whatever is in them: the bound is the listener's.
TEST_F(BootTest, ABatchOfTheLongestPushesIsTaken) {
  Start();
  exchange::v1::DeliverRequest request;
  request.set_statement(std::string(size_t{256} * (8'000 * 3 + 1'000), 's'));
  grpc::ClientContext context;
  exchange::v1::DeliverResponse response;
  const grpc::Status status = ExchangeService::NewStub(channel_)->Deliver(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  // But not more than is in any.
  request.set_statement(std::string(size_t{9} << 20, 's'));
  grpc::ClientContext another;
  EXPECT_EQ(ExchangeService::NewStub(channel_)->Deliver(&another, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(BootTest, DrainFinishesWhatWasAccepted) {
  Start();
  auto first = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    GetLinkRequest request;
    request.set_from_hotline("wait");
    GetLinkResponse response;
    return rpc::FromGrpc(ExchangeService::NewStub(channel_)->GetLink(&context, request, &response));
  });
  Done<GetLinkResponse> done = service_->edge.waiting.get_future().get();
  absl::Status during;
  HealthCheckResponse::ServingStatus health = HealthCheckResponse::SERVING;
  service_->on_drain = [&] {
    health = Health("");
    grpc::ClientContext context;
    GetLinkResponse response;
    during = rpc::FromGrpc(ExchangeService::NewStub(channel_)->GetLink(&context, {}, &response));
    done(GetLinkResponse());
  };
  server_->Drain();
  EXPECT_EQ(service_->drained, 1);
  EXPECT_EQ(health, HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(error::ReasonOf(during), type::v1::ERROR_REASON_DRAINING);
  EXPECT_TRUE(first.get().ok());
  server_->Drain();
  EXPECT_EQ(service_->drained, 1);
}

// A service with nothing but backups in `folder`.
class BackedUp final : public Service {
 public:
  static std::unique_ptr<Server> Serve(const std::string& folder, std::vector<backup::Source> sources) {
    LoadedSite site = TestSite();
    site.site.mutable_backup()->set_directory(folder);
    auto server = Server::Start(std::move(site), "dispatch", [&](Environment& environment) {
      return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<BackedUp>(environment, sources));
    });
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  BackedUp(const Environment& environment, std::vector<backup::Source> sources)
      : edge_(NewBackupEdge(environment, std::move(sources))) {}
  std::vector<Endpoint> endpoints() override { return {edge_->endpoint()}; }

 private:
  const std::unique_ptr<BackupEdge> edge_;
};

constexpr std::chrono::seconds kPatience{20};

// To whoever reads the FIFO, or will soon, it is empty. False if nobody does.
bool EndFifo(const std::string& path) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    // Not to be opened before somebody reads it.
    const int fd = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) return close(fd) == 0;
    std::this_thread::yield();
  }
  return false;
}

TEST_F(BootTest, ABackupDirectoryThatHangsKeepsNoServiceFromServing) {
  const ScratchFolder folder;
  const std::string part = folder.path() + "/nightly/dispatch";
  const std::string manifest = part + "/" + backup::kManifest;
  std::filesystem::create_directories(part);
  // Who reads it waits for somebody who writes it.
  ASSERT_EQ(mkfifo(manifest.c_str(), 0600), 0);
  auto starting = std::async(std::launch::async, [&] { return BackedUp::Serve(folder.path(), {}); });
  const bool in_time = starting.wait_for(kPatience) == std::future_status::ready;
  if (!in_time) EndFifo(manifest);
  server_ = starting.get();
  ASSERT_TRUE(in_time) << "it waited for the directory";
  ASSERT_NE(server_, nullptr);
  security_ = *rpc::Security::Create({});
  channel_ = *security_->NewChannel(server_->address());
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_TRUE(EndFifo(manifest)) << "it is being read, and ends here";
}

TEST_F(BootTest, ADrainEndsABackup) {
  const ScratchFolder folder;
  const std::string backups = folder.path() + "/backups";
  std::filesystem::create_directories(folder.path() + "/publications");
  std::ofstream(folder.path() + "/publications/1.publication") << "x";
  std::promise<void> copying;
  server_ = BackedUp::Serve(backups, {[&](const std::string& to) {
                              copying.set_value();
                              // A piece that takes as long as the disk pleases, and the next one.
                              const auto until = std::chrono::steady_clock::now() + kPatience;
                              while (!ScopedStop::IsAsked() && std::chrono::steady_clock::now() < until)
                                std::this_thread::yield();
                              return backup::PlainFolder(folder.path() + "/publications")(to);
                            }});
  ASSERT_NE(server_, nullptr);
  security_ = *rpc::Security::Create({});
  channel_ = *security_->NewChannel(server_->address());
  auto made = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 2 * kPatience);
    operation::v1::CreateBackupRequest request;
    request.set_name("nightly");
    operation::v1::CreateBackupResponse response;
    return rpc::FromGrpc(
        operation::v1::BackupService::NewStub(channel_)->CreateBackup(&context, request, &response));
  });
  if (copying.get_future().wait_for(kPatience) != std::future_status::ready) {
    FAIL() << "nothing is copied: " << made.get();
  }
  EXPECT_FALSE(std::filesystem::is_empty(backups)) << "what is not whole yet";
  server_->Drain();
  EXPECT_EQ(error::ReasonOf(made.get()), type::v1::ERROR_REASON_DRAINING);
  EXPECT_TRUE(std::filesystem::is_empty(backups));
}

TEST_F(BootTest, ATakenPortIsRefused) {
  Start();
  LoadedSite site = TestSite();
  site.site.mutable_dispatch()->mutable_listen()->set_address(server_->address());
  const auto create = [](Environment& environment) {
    return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<TestService>(environment));
  };
  auto second = Server::Start(site, "dispatch", create);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string taken = "address already in use (`ss -ltnp` shows by whom)";
  EXPECT_EQ(std::string(second.status().message()),
            fmt::format("cannot listen on {} (dispatch.listen.address): {}", server_->address(), taken));
  site = TestSite();
  site.site.mutable_dispatch()->mutable_listen()->set_metrics_address(server_->metrics_address());
  second = Server::Start(site, "dispatch", create);
  EXPECT_EQ(std::string(second.status().message()),
            fmt::format("cannot listen on {} (dispatch.listen.metrics_address): {}",
                        server_->metrics_address(), taken));
}

// 192.0.2.0/24 is for documentation.
TEST_F(BootTest, AnAddressOfAnotherMachineIsNamed) {
  const auto start = [&](const LoadedSite& site) {
    const auto server = Server::Start(
        site, "dispatch",
        [](Environment& environment) {
          return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<TestService>(environment));
        },
        {.insecure_listen = true});
    return std::string(server.status().message());
  };
  LoadedSite site = TestSite();
  site.site.mutable_dispatch()->mutable_listen()->set_address("192.0.2.1:0");
  EXPECT_NE(start(site).find("(dispatch.listen.address): 192.0.2.1 is no address of this machine"),
            std::string::npos)
      << start(site);
  site = TestSite();
  site.site.mutable_dispatch()->mutable_listen()->set_metrics_address("192.0.2.1:0");
  EXPECT_NE(start(site).find("(dispatch.listen.metrics_address): 192.0.2.1 is no address of this machine"),
            std::string::npos)
      << start(site);
}

// Who sends it is told, and can do nothing.
TEST_F(BootTest, ARefusedSignatureIsLoggedWithWhatToDo) {
  Start();
  testing::internal::CaptureStderr();
  grpc::ClientContext context;
  GetLinkRequest request;
  request.set_from_hotline("unsigned");
  GetLinkResponse response;
  EXPECT_FALSE(ExchangeService::NewStub(channel_)->GetLink(&context, request, &response).ok());
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("\"warn\""), std::string::npos) << log;
  EXPECT_NE(log.find("add the public key under peers[].public_keys and restart"), std::string::npos) << log;
  EXPECT_NE(log.find("by key 'k2' of 110"), std::string::npos) << log;
}

// Certificates as deploy/certs/make gives them, gone at the end.
class Certificates {
 public:
  Certificates() {
    const std::string command = fmt::format(
        HOTLINE_SOURCE_DIR "/deploy/certs/make --role dispatch --role work_order --dir {} 12345 110",
        folder_.path());
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  std::string File(std::string_view name) const { return fmt::format("{}/{}", folder_.path(), name); }
  // The same party's certificate by the same authority, from `start` (`20390101`) to `end`.
  void Reissue(std::string_view hotline, std::string_view role, std::string_view start,
               std::string_view end) const {
    const std::string own = File(fmt::format("{}/{}", hotline, role));
    std::ofstream(File("index.txt"));
    std::ofstream(File("ca.cnf")) << fmt::format(R"([ca]
default_ca = a
[a]
database = {0}/index.txt
new_certs_dir = {0}
rand_serial = yes
default_md = sha256
policy = p
x509_extensions = e
certificate = {0}/ca.crt
private_key = {0}/ca.key
[p]
commonName = supplied
[e]
subjectAltName = URI:spiffe://hotline/{1}/{2}
)",
                                                 folder_.path(), hotline, role);
    const std::string command = fmt::format(
        "openssl req -new -key {0}.key -subj /CN=x -out {0}.csr 2>/dev/null && openssl ca -batch -notext "
        "-config "
        "{1} "
        "-startdate {2}000000Z -enddate {3}000000Z -in {0}.csr -out {0}.new 2>/dev/null && mv {0}.new "
        "{0}.crt",
        own, File("ca.cnf"), start, end);
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  // Files of `name`, `12345/dispatch`.
  config::v1::TlsConfig Tls(std::string_view name) const {
    config::v1::TlsConfig tls;
    tls.set_certificate_file(File(fmt::format("{}.crt", name)));
    tls.set_key_file(File(fmt::format("{}.key", name)));
    tls.set_ca_file(File("ca.crt"));
    return tls;
  }

 private:
  const ScratchFolder folder_;
};

TEST_F(BootTest, AnotherPartysCertificateDoesNotStart) {
  const Certificates certificates;
  const auto start = [&](std::string_view name) {
    LoadedSite site = TestSite();
    *site.site.mutable_tls() = certificates.Tls(name);
    const auto server = Server::Start(site, "dispatch", [](Environment& environment) {
      return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<TestService>(environment));
    });
    return std::string(server.status().message());
  };
  EXPECT_EQ(start("12345/dispatch"), "");
  for (const std::string name : {"110/dispatch", "12345/work_order"}) {
    EXPECT_NE(
        start(name).find(fmt::format("names spiffe://hotline/{}, not spiffe://hotline/12345/dispatch", name)),
        std::string::npos)
        << start(name);
  }
}

// gRPC reads it again and says nothing of it.
TEST_F(BootTest, AnEndedCertificateThatIsPutInPlaceIsWarnedOf) {
  const Certificates certificates;
  const std::string file = certificates.File("log");
  ASSERT_TRUE(log::Configure({.file = file}).ok());
  LoadedSite site = TestSite();
  *site.site.mutable_tls() = certificates.Tls("12345/dispatch");
  auto server = Server::Start(
      site, "dispatch",
      [](Environment& environment) {
        return absl::StatusOr<std::unique_ptr<Service>>(std::make_unique<TestService>(environment));
      },
      {.certificate_refresh = absl::Milliseconds(1)});
  ASSERT_TRUE(server.ok()) << server.status();
  certificates.Reissue("12345", "dispatch", "20200101", "20210101");
  const std::string wanted = "12345/dispatch.crt ended on 2021-01-01 00:00:00 UTC";
  const auto written = [&] {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (written().find(wanted) == std::string::npos && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  server->reset();
  EXPECT_TRUE(log::Configure({}).ok());
  const std::string text = written();
  ASSERT_NE(text.find(wanted), std::string::npos) << text;
  EXPECT_EQ(text.find(wanted, text.find(wanted) + 1), std::string::npos) << "once";
}

TEST_F(BootTest, AServiceThatCannotBeMadeDoesNotStart) {
  const auto server = Server::Start(TestSite(), "dispatch", [](Environment&) {
    return absl::StatusOr<std::unique_ptr<Service>>(error::StoreFailed("test"));
  });
  EXPECT_EQ(error::ReasonOf(server.status()), type::v1::ERROR_REASON_STORE_FAILED);
}

// The process: each runs in a process of its own, started afresh.
class RunServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    // Also of the processes that tests start, which end by std::exit.
    static const ScratchFolder folder;
    path_ = folder.path() + "/site.yaml";
    Put(R"(hotline: 12345
work_order: {listen: {address: "127.0.0.1:0"}, data_dir: data, address: "127.0.0.1:1"}
dispatch: {listen: {address: "127.0.0.1:0", metrics_address: "127.0.0.1:0"}}
)");
  }
  void Put(const std::string& text) { std::ofstream(path_) << text; }

  // Runs to the end of the process. READY goes to standard error here, where the test can see it.
  [[noreturn]] static void Run(std::vector<std::string> arguments, std::function<void()> on_start = nullptr,
                               std::function<void()> on_drain = nullptr) {
    dup2(STDERR_FILENO, STDOUT_FILENO);
    arguments.insert(arguments.begin(), "dispatch");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    const int status =
        RunService(static_cast<int>(argv.size()), argv.data(), "dispatch", [&](Environment& environment) {
          auto service = std::make_unique<TestService>(environment);
          service->on_start = on_start;
          service->on_drain = on_drain;
          return absl::StatusOr<std::unique_ptr<Service>>(std::move(service));
        });
    std::exit(status);
  }
  static void Terminate() { kill(getpid(), SIGTERM); }

  std::string path_;
};

TEST_F(RunServiceTest, ServesAndDrains) {
  EXPECT_EXIT(
      Run({"--config", path_}, Terminate), ::testing::ExitedWithCode(0),
      "READY dispatch 12345 grpc=127.0.0.1:[0-9]+ metrics=127.0.0.1:[0-9]+\n(.|\n)*\"msg\":\"stopped\"");
}

TEST_F(RunServiceTest, WhatItWritesIsNotForEverybody) {
  // What the group may do is left to whoever starts it.
  for (const auto& [before, after] : {std::pair<mode_t, mode_t>{0022, 0027}, {0077, 0077}, {0, 0007}}) {
    EXPECT_EXIT(
        {
          umask(before);
          Run({"--config", path_}, [wanted = after] {
            if (umask(0) != wanted) std::_Exit(3);
            Terminate();
          });
        },
        ::testing::ExitedWithCode(0), "READY")
        << before;
  }
}

TEST_F(RunServiceTest, AHangUpEndsNothing) {
  EXPECT_EXIT(Run({"--config", path_},
                  [] {
                    kill(getpid(), SIGHUP);
                    Terminate();
                  }),
              ::testing::ExitedWithCode(0), "\"signal\":\"SIGTERM\"(.|\n)*\"msg\":\"stopped\"");
}

TEST_F(RunServiceTest, ASecondSignalExitsAtOnce) {
  EXPECT_EXIT(Run({"--config=" + path_}, Terminate,
                  [] {
                    Terminate();
                    std::promise<void>().get_future().wait();
                  }),
              ::testing::ExitedWithCode(1), "second signal");
}

TEST_F(RunServiceTest, ChecksWithoutServing) {
  EXPECT_EXIT(Run({"--config", path_, "--check"}, Terminate), ::testing::ExitedWithCode(0), "is fine");
  Put("hotline: 12345\ndispach: {}\n");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(1),
              ":2:1: unknown key \"dispach\" in SiteConfig; did you mean \"dispatch\"");
  EXPECT_EXIT(Run({"--config", path_}), ::testing::ExitedWithCode(1), "unknown key");
}

TEST_F(RunServiceTest, ACheckNamesTheCertificateOfAnotherParty) {
  // The process that runs ends by std::exit.
  static const Certificates certificates;
  const auto put = [&](std::string_view name) {
    const config::v1::TlsConfig tls = certificates.Tls(name);
    Put(fmt::format(R"(hotline: 12345
tls: {{certificate_file: {}, key_file: {}, ca_file: {}}}
work_order: {{listen: {{address: "127.0.0.1:0"}}, data_dir: data, address: "127.0.0.1:1"}}
dispatch: {{listen: {{address: "127.0.0.1:0"}}}}
)",
                    tls.certificate_file(), tls.key_file(), tls.ca_file()));
  };
  put("12345/dispatch");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(0), "is fine");
  put("110/dispatch");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(1),
              "names spiffe://hotline/110/dispatch, not spiffe://hotline/12345/dispatch");
  put("12345/work_order");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(1),
              "names spiffe://hotline/12345/work_order, not spiffe://hotline/12345/dispatch");
}

// A clock that is behind, or what is for later: nothing else would say why nobody can connect.
TEST_F(RunServiceTest, WhatIsNotInForceYetIsWarnedOf) {
  static const Certificates certificates;
  static const hotline::test::MadeKeys keys({"--id k 12345"});
  certificates.Reissue("12345", "dispatch", "20390101", "20400101");
  const config::v1::TlsConfig tls = certificates.Tls("12345/dispatch");
  Put(fmt::format(R"(hotline: 12345
tls: {{certificate_file: {}, key_file: {}, ca_file: {}}}
signing: {{keys: [{{key_id: k, private_key_file: {}, not_before_time: "2099-01-01T00:00:00Z"}}]}}
work_order: {{listen: {{address: "127.0.0.1:0"}}, data_dir: data, address: "127.0.0.1:1"}}
dispatch: {{listen: {{address: "127.0.0.1:0"}}}}
)",
                  tls.certificate_file(), tls.key_file(), tls.ca_file(), keys.PrivateFile("12345", "k")));
  const std::string certificate =
      "is not valid before 2039-01-01 00:00:00 UTC, or this machine's clock is behind";
  const std::string key = "none of signing.keys has begun, or this machine's clock is behind";
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(0),
              fmt::format("warning: .*{}\n.*warning: {}(.|\n)*is fine", certificate, key));
  EXPECT_EXIT(Run({"--config", path_}, Terminate), ::testing::ExitedWithCode(0),
              fmt::format("\"warn.*{}(.|\n)*\"warn.*{}(.|\n)*READY", certificate, key));
}

TEST_F(RunServiceTest, AnEndedCertificateIsWarnedOfAndAStrangersRefused) {
  static const Certificates certificates;
  static const Certificates others;
  const auto put = [&](const std::string& ca_file) {
    const config::v1::TlsConfig tls = certificates.Tls("12345/dispatch");
    Put(fmt::format(R"(hotline: 12345
tls: {{certificate_file: {}, key_file: {}, ca_file: {}}}
work_order: {{listen: {{address: "127.0.0.1:0"}}, data_dir: data, address: "127.0.0.1:1"}}
dispatch: {{listen: {{address: "127.0.0.1:0"}}}}
)",
                    tls.certificate_file(), tls.key_file(), ca_file));
  };
  put(others.File("ca.crt"));
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--check"}, {}}) {
    std::vector<std::string> arguments = {"--config", path_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EXIT(Run(arguments, Terminate), ::testing::ExitedWithCode(1),
                "dispatch.crt is not issued by .*ca.crt: others would refuse it");
  }
  put(certificates.File("ca.crt"));
  certificates.Reissue("12345", "dispatch", "20200101", "20210101");
  const std::string ended = "dispatch.crt ended on 2021-01-01 00:00:00 UTC";
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(0),
              fmt::format("warning: .*{}(.|\n)*is fine", ended));
  EXPECT_EXIT(Run({"--config", path_}, Terminate), ::testing::ExitedWithCode(0),
              fmt::format("\"warn.*{}(.|\n)*READY", ended));
}

// What the start would refuse. Nobody can make a folder in /proc, whoever he is.
TEST_F(RunServiceTest, AFolderThatCannotBeWrittenIsRefusedWithTheRemedy) {
  const auto put = [&](const std::string& log_file) {
    Put(fmt::format(R"(hotline: 12345
work_order: {{listen: {{address: "127.0.0.1:0"}}, data_dir: /proc/nope, address: "127.0.0.1:1"}}
dispatch: {{listen: {{address: "127.0.0.1:0", metrics_address: "127.0.0.1:0"}}}}
log: {{file: "{}", level: warn}}
)",
                    log_file));
  };
  put("/proc/nope/{role}.log");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(1),
              "log.file: cannot make /proc/nope: .*make it and `chown` it.*ReadWritePaths");
  EXPECT_EXIT(Run({"--config", path_}, Terminate), ::testing::ExitedWithCode(1),
              "log.file: cannot make /proc/nope: .*chown");
  // One that is there, and takes nothing.
  put("/proc/{role}.log");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(1),
              "log.file: cannot write to /proc: .*: `chown` it");
  // The data of another service is not this one's matter; nor does a check make what is not there.
  put("logs/{role}.log");
  EXPECT_EXIT(Run({"--config", path_, "--check"}), ::testing::ExitedWithCode(0), "is fine");
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  EXPECT_FALSE(std::filesystem::exists(folder / "logs"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "the configuration";
  const auto check_work_order = [&] {
    std::string config = path_, program = "work_order", name = "--config", check = "--check";
    char* argv[] = {program.data(), name.data(), config.data(), check.data()};
    std::exit(RunService(4, argv, "work_order", nullptr));
  };
  EXPECT_EXIT(check_work_order(), ::testing::ExitedWithCode(1),
              "work_order.data_dir: cannot make /proc/nope: .*chown");
}

TEST_F(RunServiceTest, PlainTextBeyondLoopbackNeedsTheFlag) {
  Put(R"(hotline: 12345
work_order: {listen: {address: "127.0.0.1:0"}, data_dir: data, address: "127.0.0.1:1"}
dispatch: {listen: {address: "0.0.0.0:0"}}
)");
  EXPECT_EXIT(Run({"--config", path_}), ::testing::ExitedWithCode(1), "--insecure-listen");
  EXPECT_EXIT(Run({"--config", path_, "--insecure-listen"}, Terminate), ::testing::ExitedWithCode(0),
              "plain text is allowed(.|\n)*READY");
}

TEST_F(RunServiceTest, MetricsBeyondLoopbackNeedAFlagOfTheirOwn) {
  Put(R"(hotline: 12345
work_order: {listen: {address: "127.0.0.1:0"}, data_dir: data, address: "127.0.0.1:1"}
dispatch: {listen: {address: "127.0.0.1:0", metrics_address: "0.0.0.0:0"}}
)");
  // Advice that helps: TLS would not.
  EXPECT_EXIT(Run({"--config", path_}), ::testing::ExitedWithCode(1),
              "dispatch.listen.metrics_address: .*plain text whatever tls says.*--insecure-metrics");
  EXPECT_EXIT(Run({"--config", path_, "--insecure-metrics"}, Terminate), ::testing::ExitedWithCode(0),
              "anyone on the network can read them(.|\n)*READY");
  // It opens nothing but metrics.
  Put(R"(hotline: 12345
work_order: {listen: {address: "127.0.0.1:0"}, data_dir: data, address: "127.0.0.1:1"}
dispatch: {listen: {address: "0.0.0.0:0", metrics_address: "0.0.0.0:0"}}
)");
  EXPECT_EXIT(Run({"--config", path_, "--insecure-metrics"}), ::testing::ExitedWithCode(1),
              "dispatch.listen.address: .*--insecure-listen");
}

TEST_F(RunServiceTest, WrongUsageIsTold) {
  EXPECT_EXIT(Run({}), ::testing::ExitedWithCode(2), "--config is required(.|\n)*Usage");
  EXPECT_EXIT(Run({"--confg", "x"}), ::testing::ExitedWithCode(2), "unknown flag --confg");
  EXPECT_EXIT(Run({"--config"}), ::testing::ExitedWithCode(2), "--config needs a value");
  EXPECT_EXIT(Run({"--check=1", "--config=x"}), ::testing::ExitedWithCode(2), "unknown flag --check=1");
  EXPECT_EXIT(Run({"--config=x", "--log-level", "loud"}), ::testing::ExitedWithCode(2), "one of debug");
  EXPECT_EXIT(Run({"--config", path_, "--log-level", "ERROR", "--check"}), ::testing::ExitedWithCode(0),
              "is fine");
  EXPECT_EXIT(Run({"--help"}), ::testing::ExitedWithCode(0), "Usage: dispatch --config FILE");
  EXPECT_EXIT(Run({"--version"}), ::testing::ExitedWithCode(0), "dispatch [0-9.]+\n");
}

}  // namespace
}  // namespace hotline::boot
