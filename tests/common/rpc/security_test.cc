// Mutual TLS with the certificates that deploy/certs/make gives.
#include "common/rpc/security.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "absl/time/clock.h"
#include "common/error/error.h"
#include "common/rpc/certificate.h"
#include "common/rpc/client.h"
#include "common/rpc/unary.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "hotline/workorder/v1/ledger_service.grpc.pb.h"

namespace hotline::rpc {
namespace {

using exchange::v1::ExchangeService;
using exchange::v1::GetLinkRequest;
using exchange::v1::GetLinkResponse;
using workorder::v1::LedgerService;
using workorder::v1::ListLinkCursorsRequest;
using workorder::v1::ListLinkCursorsResponse;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Tells the caller who it is taken for, in a field that has room for text.
class WhoAmI final : public ExchangeService::WithRawCallbackMethod_GetLink<ExchangeService::Service> {
 public:
  explicit WhoAmI(Host* host) : get_link_(host, ExchangeService::service_full_name(), "GetLink") {}
  grpc::ServerUnaryReactor* GetLink(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return Unary<GetLinkRequest, GetLinkResponse>(
        context, request, response, get_link_,
        [](const CallContext& call, const GetLinkRequest&, Done<GetLinkResponse> done) {
          GetLinkResponse response;
          response.mutable_incoming()->set_head_hash(call.identity);
          done(std::move(response));
        });
  }

 private:
  Method get_link_;
};

class Ledger final : public LedgerService::WithRawCallbackMethod_ListLinkCursors<LedgerService::Service> {
 public:
  explicit Ledger(Host* host) : list_(host, LedgerService::service_full_name(), "ListLinkCursors") {}
  grpc::ServerUnaryReactor* ListLinkCursors(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override {
    return Unary<ListLinkCursorsRequest, ListLinkCursorsResponse>(
        context, request, response, list_,
        [](const CallContext&, const ListLinkCursorsRequest&, Done<ListLinkCursorsResponse> done) {
          done(ListLinkCursorsResponse());
        });
  }

 private:
  Method list_;
};

class SecurityTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hotline-certs-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = new std::string(pattern);
    ASSERT_TRUE(Make("a", "12345 110 911"));
    ASSERT_TRUE(Make("b", "12345 110"));  // of another CA
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*folder_);
    delete folder_;
  }

  static bool Make(const std::string& set, const std::string& hotlines) {
    const std::string command =
        std::string(HOTLINE_SOURCE_DIR "/deploy/certs/make --role dispatch --role desktop --dir ") +
        *folder_ + "/" + set + " " + hotlines;
    return std::system(command.c_str()) == 0;
  }

  static SecurityOptions Files(const std::string& set, const std::string& hotline, const std::string& role) {
    const std::string folder = *folder_ + "/" + set + "/";
    return {.certificate_file = folder + hotline + "/" + role + ".crt",
            .key_file = folder + hotline + "/" + role + ".key",
            .ca_file = folder + "ca.crt",
            .refresh = absl::Seconds(1)};
  }

  // Serves as 110's dispatch, which knows 12345 as its peer.
  void Serve(const SecurityOptions& files) {
    auto security = Security::Create(files);
    ASSERT_TRUE(security.ok()) << security.status();
    security_ = *std::move(security);
    HostOptions options;
    options.registry = &registry_;
    options.access = {.hotline = "110", .peers = {"12345"}};
    options.tls = security_->tls();
    host_ = std::make_unique<Host>(options);
    who_am_i_ = std::make_unique<WhoAmI>(host_.get());
    ledger_ = std::make_unique<Ledger>(host_.get());
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", *security_->ForServer("127.0.0.1:0"), &port);
    builder.RegisterService(who_am_i_.get());
    builder.RegisterService(ledger_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    target_ = "127.0.0.1:" + std::to_string(port);
  }

  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  std::shared_ptr<grpc::Channel> Channel(const SecurityOptions& files, const std::string& expected = "110",
                                         const std::string& role = "") {
    clients_.push_back(*Security::Create(files));
    return *clients_.back()->NewChannel(target_, {.expected_hotline = expected, .expected_role = role});
  }

  // The identity the server saw.
  static absl::StatusOr<std::string> Ask(const std::shared_ptr<grpc::Channel>& channel,
                                         bool patient = false) {
    grpc::ClientContext context;
    context.set_wait_for_ready(patient);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    GetLinkResponse response;
    const grpc::Status status = ExchangeService::NewStub(channel)->GetLink(&context, {}, &response);
    if (!status.ok()) return FromGrpc(status);
    return response.incoming().head_hash();
  }

  static absl::Status ListCursors(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    ListLinkCursorsResponse response;
    return FromGrpc(LedgerService::NewStub(channel)->ListLinkCursors(&context, {}, &response));
  }

  static std::string* folder_;
  prometheus::Registry registry_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<WhoAmI> who_am_i_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Security> security_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
  std::vector<std::unique_ptr<Security>> clients_;
};

std::string* SecurityTest::folder_ = nullptr;

TEST_F(SecurityTest, TheRightRoleOfThePeerPasses) {
  Serve(Files("a", "110", "dispatch"));
  const auto identity = Ask(Channel(Files("a", "12345", "dispatch")));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, "12345/dispatch");
  EXPECT_TRUE(ListCursors(Channel(Files("a", "110", "dispatch"))).ok());
}

TEST_F(SecurityTest, OtherRolesAndPartiesAreRefused) {
  Serve(Files("a", "110", "dispatch"));
  const auto reason = [](const absl::Status& status) { return error::ReasonOf(status); };
  EXPECT_EQ(reason(Ask(Channel(Files("a", "12345", "desktop"))).status()),
            type::v1::ERROR_REASON_ROLE_FORBIDDEN);
  EXPECT_EQ(reason(Ask(Channel(Files("a", "911", "dispatch"))).status()),
            type::v1::ERROR_REASON_PEER_UNKNOWN);
  EXPECT_EQ(reason(ListCursors(Channel(Files("a", "12345", "dispatch")))),
            type::v1::ERROR_REASON_ROLE_FORBIDDEN);
  EXPECT_EQ(reason(ListCursors(Channel(Files("a", "110", "desktop")))),
            type::v1::ERROR_REASON_ROLE_FORBIDDEN);
}

TEST_F(SecurityTest, NoCertificateOrAStrangersIsRefused) {
  Serve(Files("a", "110", "dispatch"));
  // Another CA's: neither side trusts the other.
  EXPECT_EQ(Ask(Channel(Files("b", "12345", "dispatch"))).status().code(), absl::StatusCode::kUnavailable);
  // Another CA's, by a client that trusts the server.
  SecurityOptions forged = Files("b", "12345", "dispatch");
  forged.ca_file = Files("a", "12345", "dispatch").ca_file;
  EXPECT_EQ(Ask(Channel(forged)).status().code(), absl::StatusCode::kUnavailable);
  // None.
  grpc::SslCredentialsOptions bare;
  bare.pem_root_certs = ReadFile(*folder_ + "/a/ca.crt");
  EXPECT_EQ(Ask(grpc::CreateChannel(target_, grpc::SslCredentials(bare))).status().code(),
            absl::StatusCode::kUnavailable);
  // Plain text.
  EXPECT_EQ(Ask(grpc::CreateChannel(target_, grpc::InsecureChannelCredentials())).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(SecurityTest, AClientRefusesAServerOfAnotherParty) {
  Serve(Files("a", "911", "dispatch"));
  const absl::Status refused = Ask(Channel(Files("a", "12345", "dispatch"), "110")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(OtherPartyOf(refused), "spiffe://hotline/911/dispatch") << refused;
  EXPECT_TRUE(Ask(Channel(Files("a", "12345", "dispatch"), "911")).ok());
  server_->Shutdown(std::chrono::system_clock::now());
  const absl::Status nobody = Ask(Channel(Files("a", "12345", "dispatch"), "911")).status();
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(OtherPartyOf(nobody), std::nullopt) << nobody;
}

// Whoever has a desktop's certificate could stand where the peer's dispatch is expected, and be told
// everything.
TEST_F(SecurityTest, AClientRefusesAServerOfAnotherRole) {
  Serve(Files("a", "110", "desktop"));
  EXPECT_EQ(Ask(Channel(Files("a", "12345", "dispatch"), "110", "dispatch")).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Ask(Channel(Files("a", "12345", "dispatch"), "110", "desktop")).ok());
  EXPECT_TRUE(Ask(Channel(Files("a", "12345", "dispatch"), "110")).ok());
}

TEST_F(SecurityTest, NewCertificatesServeWithoutARestart) {
  // The files that the server reads are another CA's at first.
  const std::string folder = *folder_ + "/live";
  const auto install = [&](const std::string& set) {
    const SecurityOptions from = Files(set, "110", "dispatch");
    std::filesystem::create_directories(folder);
    for (const auto& [source, name] : {std::pair{from.certificate_file, "crt"},
                                       std::pair{from.key_file, "key"}, std::pair{from.ca_file, "ca"}}) {
      std::filesystem::copy_file(source, folder + "/new");
      std::filesystem::rename(folder + "/new", folder + "/" + name);
    }
  };
  install("b");
  Serve({.certificate_file = folder + "/crt",
         .key_file = folder + "/key",
         .ca_file = folder + "/ca",
         .refresh = absl::Seconds(1)});
  EXPECT_TRUE(Ask(Channel(Files("b", "12345", "dispatch"))).ok());
  const auto channel = Channel(Files("a", "12345", "dispatch"));
  EXPECT_FALSE(Ask(channel).ok());
  install("a");
  // It connects again and again until the server shows the new one.
  EXPECT_TRUE(Ask(channel, /*patient=*/true).ok());
}

TEST_F(SecurityTest, BadFilesAreNamed) {
  const auto message = [](SecurityOptions options) {
    const auto security = Security::Create(std::move(options));
    EXPECT_EQ(security.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(security.status().message());
  };
  const SecurityOptions good = Files("a", "110", "dispatch");
  const auto made = Security::Create(good);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ((*made)->hotline(), "110");
  SecurityOptions bad = good;
  bad.certificate_file += ".missing";
  EXPECT_EQ(message(bad), "cannot read " + bad.certificate_file + ": No such file or directory");
  bad = good;
  bad.certificate_file = good.key_file;
  EXPECT_EQ(message(bad), "no PEM certificate in " + good.key_file);
  bad = good;
  bad.certificate_file = good.ca_file;
  EXPECT_NE(message(bad).find("spiffe://hotline/<hotline>/<role>"), std::string::npos);
  bad = good;
  bad.key_file = Files("a", "110", "desktop").key_file;
  EXPECT_NE(message(bad).find("does not belong to"), std::string::npos);
  bad = good;
  bad.ca_file = "";
  EXPECT_NE(message(bad).find("cannot read"), std::string::npos);
  bad = good;
  bad.identity = "spiffe://hotline/110/work_order";
  EXPECT_NE(message(bad).find("names spiffe://hotline/110/dispatch, not spiffe://hotline/110/work_order"),
            std::string::npos);
  bad.identity = "spiffe://hotline/110/dispatch";
  EXPECT_TRUE(Security::Create(bad).ok());
}

TEST_F(SecurityTest, PlainTextStaysOnLoopback) {
  const auto plain = *Security::Create({});
  EXPECT_FALSE(plain->tls());
  EXPECT_EQ(plain->hotline(), "");
  for (const char* address : {"127.0.0.1:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(plain->ForServer(address).ok()) << address;
    EXPECT_TRUE(plain->NewChannel(address).ok()) << address;
  }
  for (const char* address : {"0.0.0.0:1", "10.0.0.1:1", "peer.example.cn:1", "nonsense"}) {
    EXPECT_EQ(plain->ForServer(address).status().code(), absl::StatusCode::kFailedPrecondition) << address;
    EXPECT_EQ(plain->NewChannel(address).status().code(), absl::StatusCode::kFailedPrecondition) << address;
  }
  const auto insecure = *Security::Create({.insecure_beyond_loopback = true});
  EXPECT_TRUE(insecure->ForServer("0.0.0.0:1").ok());
  EXPECT_TRUE(insecure->NewChannel("10.0.0.1:1").ok());
}

}  // namespace
}  // namespace hotline::rpc
