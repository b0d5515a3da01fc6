// The sender against a real server with TLS: certificates are verified, addresses are looked at, schemes are
// held to.
#include "services/escalation/edge_webhook.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdarg>
#include <future>

#include "tests/support/process.h"

// Which authorities a library that was built with a folder of them trusts cannot be tried out without one of
// those: what it is told is looked at instead, and passed on.
static std::atomic<bool> no_folder = false;  // set: the latest request takes no authority from a folder

#undef curl_easy_setopt
extern "C" CURLcode curl_easy_setopt(CURL* easy, CURLoption option, ...) {
  // Options are of the size of a pointer at most.
  std::va_list values;
  va_start(values, option);
  void* const value = va_arg(values, void*);
  va_end(values);
  if (option == CURLOPT_URL) no_folder = false;
  if (option == CURLOPT_CAPATH) no_folder = value == nullptr;
  using Setter = CURLcode (*)(CURL*, CURLoption, ...);
  static const auto real = reinterpret_cast<Setter>(dlsym(RTLD_NEXT, "curl_easy_setopt"));
  return real(easy, option, value);
}

namespace hotline::escalation {
namespace {

using hotline::test::Process;
using testing::HasSubstr;

class WebhookTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = folder_.path();
    // A certificate of its own for the name `localhost`.
    auto made = Process::Start({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                                "2", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem", "-subj",
                                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"},
                               folder + "/openssl.log");
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_EQ((*made)->Wait(absl::Seconds(60)), 0);
    auto server = Process::Start(
        {"/usr/bin/python3", HOTLINE_SOURCE_DIR "/tests/services/escalation/notify/https_server.py",
         folder + "/cert.pem", folder + "/key.pem"},
        folder + "/server.log");
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto ready = server_->WaitForLine("READY ", absl::Seconds(30));
    ASSERT_TRUE(ready.ok()) << ready.status();
    port_ = ready->substr(6);
  }

  notify::Attempt Send(WebhookTarget target) {
    target.timeout = absl::Seconds(10);
    target.secrets = {{"k", "sixteen bytes or more"}};
    auto sender = WebhookSender::Create({{"sms", std::move(target)}}, SystemClock());
    EXPECT_TRUE(sender.ok()) << sender.status();
    auto answer = std::make_shared<std::promise<notify::Attempt>>();
    std::future<notify::Attempt> result = answer->get_future();
    (*sender)->Send({.webhook = "sms", .id = "0123", .body = "{}"},
                    [answer](notify::Attempt attempt) { answer->set_value(std::move(attempt)); });
    return result.get();
  }
  std::string Url(const std::string& host, int status) {
    return "https://" + host + ":" + port_ + "/" + std::to_string(status);
  }
  std::string Certificate() { return folder_.path() + "/cert.pem"; }

  hotline::test::TemporaryFolder folder_;
  std::unique_ptr<Process> server_;
  std::string port_;
};

TEST_F(WebhookTest, CertificatesAreVerified) {
  EXPECT_EQ(Send({.url = Url("localhost", 204),
                  .secrets = {},
                  .ca_file = Certificate(),
                  .allow_private_network = true})
                .status,
            204);
  EXPECT_EQ(Send({.url = Url("localhost", 503),
                  .secrets = {},
                  .ca_file = Certificate(),
                  .allow_private_network = true})
                .status,
            503);
  // Of an authority that is not trusted.
  const notify::Attempt unknown =
      Send({.url = Url("localhost", 204), .secrets = {}, .ca_file = {}, .allow_private_network = true});
  EXPECT_EQ(unknown.status, 0);
  EXPECT_FALSE(unknown.error.empty());
  // For another name.
  EXPECT_EQ(Send({.url = Url("127.0.0.1", 204),
                  .secrets = {},
                  .ca_file = Certificate(),
                  .allow_private_network = true})
                .status,
            0);
}

TEST_F(WebhookTest, AnAuthorityOfItsOwnStandsInForTheSystems) {
  Send(
      {.url = Url("localhost", 204), .secrets = {}, .ca_file = Certificate(), .allow_private_network = true});
  EXPECT_TRUE(no_folder);
  Send({.url = Url("localhost", 204), .secrets = {}, .ca_file = {}, .allow_private_network = true});
  EXPECT_FALSE(no_folder);
}

TEST_F(WebhookTest, PrivateAddressesAndOtherSchemesAreRefused) {
  for (const char* host :
       {"localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1"}) {
    const notify::Attempt attempt = Send({.url = Url(host, 204), .secrets = {}, .ca_file = Certificate()});
    EXPECT_EQ(attempt.status, 0) << host;
    EXPECT_TRUE(attempt.refused) << host << " " << attempt.error;
    EXPECT_THAT(attempt.error, HasSubstr("private network")) << host;
  }
  for (const char* url : {"http://localhost/", "file:///etc/passwd", "gopher://localhost/"}) {
    const notify::Attempt attempt =
        Send({.url = url, .secrets = {}, .ca_file = {}, .allow_private_network = true});
    EXPECT_TRUE(attempt.refused) << url << " " << attempt.error;
  }
}

TEST_F(WebhookTest, NobodyThereIsNoAnswer) {
  server_->Kill();
  const notify::Attempt attempt = Send(
      {.url = Url("localhost", 204), .secrets = {}, .ca_file = Certificate(), .allow_private_network = true});
  EXPECT_EQ(attempt.status, 0);
  EXPECT_FALSE(attempt.refused);
  EXPECT_EQ(attempt.error.find("localhost"), std::string::npos) << attempt.error;
}

}  // namespace
}  // namespace hotline::escalation
