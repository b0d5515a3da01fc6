// A site of this project keeps every clause of its own protocol, signed and unsigned; and the program around
// the kit says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/example_peer.h"
#include "tests/conformance/kit.h"
#include "tests/support/site.h"

namespace hotline::conformance {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// The site's dispatch does what a desk can do; the test itself restarts it.
class SiteDesk final : public Desk {
 public:
  explicit SiteDesk(test::Site* site) : site_(site) {}

  absl::Status Accept(const std::string& number) override { return desk_->Accept(number); }
  absl::Status Return(const std::string& number) override { return desk_->Return(number); }
  absl::Status Finish(const std::string& number) override { return desk_->Finish(number); }
  absl::Status Push() override { return desk_->Push(); }
  absl::Status PushAgain(const std::string& number) override { return desk_->PushAgain(number); }
  absl::Status Recall(const std::string& number) override { return desk_->Recall(number); }
  absl::Status Restart() override {
    site_->KillAll();
    return site_->StartAll();
  }

 private:
  test::Site* const site_;
  const std::unique_ptr<Desk> desk_ = NewDispatchDesk("990", site_->NewChannelTo(test::Service::kDispatch));
};

std::string Program() { return absl::StrCat(test::BuildFolder(), "/tests/conformance/hotline_conformance"); }

class SiteTest : public testing::Test {
 protected:
  SiteTest() : site_("110", &ports_, folder_.path() + "/110") {
    listening_.address = absl::StrCat("127.0.0.1:", ports_.Take());
    listening_.as = "990";
    listening_.target = "110";
    listening_.credentials = grpc::InsecureServerCredentials();
    site_.AddPeer("990", listening_.address);
    options_.caller.target = site_.address(test::Service::kDispatch);
    options_.caller.as = "990";
    options_.caller.to = "110";
    options_.caller.credentials = grpc::InsecureChannelCredentials();
  }

  std::string File(const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(folder_.path(), "/", name);
    test::WriteFile(path, text);
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }

  void UseKeys(bool sm2) {
    const Key kit = Key::Make("kit-1", sm2), site = Key::Make("site-1", sm2);
    options_.caller.key = listening_.key = kit;
    options_.caller.target_key = listening_.target_key = site;
    config::v1::SigningKey* own = site_.config().mutable_signing()->add_keys();
    own->set_key_id("site-1");
    own->set_private_key_file(File("site.key", site.PrivatePem()));
    config::v1::PublicKey* theirs = site_.config().mutable_peers(0)->add_public_keys();
    theirs->set_key_id("kit-1");
    theirs->set_file(File("kit.pub", kit.PublicPem()));
  }

  // Runs a command; its exit status.
  int Run(const std::vector<std::string>& command) {
    auto run = test::Process::Start(command, log_file());
    return run.ok() ? (*run)->Wait(absl::Seconds(60)) : -1;
  }
  std::string log_file() const { return folder_.path() + "/kit.log"; }

  // The names with this verdict.
  std::vector<std::string> RunFor(Verdict verdict) {
    const absl::Status started = site_.StartAll();
    EXPECT_TRUE(started.ok()) << started.ToString();
    Listener listener(listening_);
    EXPECT_TRUE(listener.Start().ok());
    SiteDesk desk(&site_);
    const auto findings = RunKit(options_, &listener, &desk, nullptr);
    EXPECT_TRUE(findings.ok()) << findings.status().ToString();
    std::vector<std::string> names;
    if (!findings.ok()) return names;
    for (const Finding& finding : *findings) {
      EXPECT_NE(finding.outcome.verdict, Verdict::kFail) << Line(finding);
      if (finding.outcome.verdict == verdict) names.emplace_back(finding.clause.name);
    }
    return names;
  }

  test::TemporaryFolder folder_;
  test::Ports ports_;
  test::Site site_;
  ListenerOptions listening_;
  KitOptions options_;
};

TEST_F(SiteTest, SignedSitePassesEveryClause) {
  UseKeys(/*sm2=*/false);
  EXPECT_EQ(RunFor(Verdict::kPass).size(), Clauses().size());
}

TEST_F(SiteTest, UnsignedSitePassesAllButSignatures) {
  EXPECT_THAT(RunFor(Verdict::kSkipped),
              UnorderedElementsAre("X-SIGN-1", "X-SIGN-2", "X-SIGN-3", "X-SIGN-4", "X-SIGN-5", "X-SIGN-6",
                                   "X-SIGN-7", "X-BACKFILL-4"));
}

TEST_F(SiteTest, SignsWithSm2AsWell) {
  UseKeys(/*sm2=*/true);
  options_.only = std::regex("X-SIGN|X-OFFER-1|X-BACKFILL");
  EXPECT_THAT(RunFor(Verdict::kSkipped), IsEmpty());
}

// What vendors read is enough to be a peer of a site that takes nothing unsigned.
TEST_F(SiteTest, SignedExampleIsAPeerOfASignedSite) {
  UseKeys(/*sm2=*/false);
  ExamplePeer example({.hotline = "990",
                       .peer = "110",
                       .peer_address = options_.caller.target,
                       .key = options_.caller.key,
                       .peer_key = options_.caller.target_key});
  site_.config().mutable_peers(0)->set_address(absl::StrCat("127.0.0.1:", example.port()));
  const absl::Status started = site_.StartAll();
  ASSERT_TRUE(started.ok()) << started.ToString();

  dispatch::v1::ListLinksResponse links;
  const auto all = [&](const std::function<bool(const dispatch::v1::LinkStatus&)>& holds) {
    return test::Eventually([&] {
      test::Call call;
      return site_.dispatch().ListLinks(&call, {}, &links).ok() && links.links_size() == 2 &&
             std::all_of(links.links().begin(), links.links().end(), holds);
    });
  };
  ASSERT_TRUE(all([](const auto& link) { return link.up(); })) << links.ShortDebugString();
  // Each gives the other an order, and hears that it is understood there.
  ASSERT_TRUE(SiteDesk(&site_).Push().ok());
  ASSERT_TRUE(example.Push().ok());
  EXPECT_TRUE(all([](const auto& link) {
    const int64_t envelopes = link.lane() == exchange::v1::LANE_ORDINARY ? 2 : 0;
    return link.up() && link.incoming_sequence() == envelopes && link.acknowledged_sequence() == envelopes;
  })) << links.ShortDebugString();
}

TEST_F(SiteTest, ProgramPrintsALineForEachClause) {
  ASSERT_TRUE(site_.StartAll().ok());
  auto run = test::Process::Start(
      {Program(), "--target", options_.caller.target, "--as", "990", "--to", "110", "--listen",
       listening_.address, "--desk", options_.caller.target, "--only", "X-(LINK|OFFER|CUSTODY)"},
      log_file());
  ASSERT_TRUE(run.ok());
  const auto first = (*run)->WaitForLine("pass     X-LINK-1", absl::Seconds(60));
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const auto last = (*run)->WaitForLine("16 clauses: ", absl::Seconds(60));
  ASSERT_TRUE(last.ok()) << last.status().ToString();
  EXPECT_THAT(*last, HasSubstr("16 passed, 0 failed, 0 skipped"));
  EXPECT_EQ((*run)->Wait(absl::Seconds(20)), 0);

  std::vector<std::string> nobody = {Program(), "--target", "127.0.0.1:1", "--as", "990",
                                     "--to",    "110",      "--patience",  "0.2"};
  EXPECT_EQ(Run(nobody), 3);
  EXPECT_EQ(Run({Program(), "--target", "127.0.0.1:1"}), 2);
  // A typing error is no green result.
  nobody.insert(nobody.end(), {"--only", "X-CHIAN"});
  EXPECT_EQ(Run(nobody), 2);
  EXPECT_THAT(test::ReadFile(log_file()), HasSubstr("--only X-CHIAN matches no clause"));
  nobody.back() = "X-CHAIN|[";
  EXPECT_EQ(Run(nobody), 2);
  EXPECT_THAT(test::ReadFile(log_file()), HasSubstr("is no regular expression"));
}

// Not a fault of the platform, and not judged as one.
TEST_F(SiteTest, ProgramEndsWhereKeyIdsDoNotFit) {
  UseKeys(/*sm2=*/false);
  const absl::Status started = site_.StartAll();
  ASSERT_TRUE(started.ok()) << started.ToString();
  std::vector<std::string> command = {Program(),
                                      "--target",
                                      options_.caller.target,
                                      "--as",
                                      "990",
                                      "--to",
                                      "110",
                                      "--only",
                                      "X-SIGN",
                                      "--key",
                                      File("kit.key", options_.caller.key->PrivatePem()),
                                      "--peer-key",
                                      File("site.pub", options_.caller.target_key->PublicPem())};
  EXPECT_EQ(Run(command), 2);
  EXPECT_THAT(test::ReadFile(log_file()), HasSubstr("110 signed under key id 'site-1', expected 'site'"));
  command.insert(command.end(), {"--peer-key-id", "site-1"});
  EXPECT_EQ(Run(command), 2);
  EXPECT_THAT(test::ReadFile(log_file()), HasSubstr("110 refuses what is signed under key id 'kit'"));
  command.insert(command.end(), {"--key-id", "kit-1"});
  EXPECT_EQ(Run(command), 0);
}

// By certificates with nothing but the name that X-LINK-5 asks for: nobody's host is in them.
TEST_F(SiteTest, ProgramKnowsTheSiteByTheUriOfItsCertificate) {
  const std::string tls = folder_.path() + "/tls";
  ASSERT_EQ(Run({HOTLINE_SOURCE_DIR "/deploy/certs/make", "--dir", tls, "--role", "work_order", "--role",
                 "dispatch", "--role", "escalation", "110", "990"}),
            0);
  for (const std::string hotline : {"110", "990"}) {
    const std::string own = absl::StrCat(tls, "/", hotline, "/dispatch");
    ASSERT_EQ(Run({"/usr/bin/openssl", "req", "-new", "-key", own + ".key", "-subj", "/CN=dispatch",
                   "-addext", absl::StrCat("subjectAltName=URI:spiffe://hotline/", hotline, "/dispatch"),
                   "-out", own + ".csr"}),
              0);
    ASSERT_EQ(Run({"/usr/bin/openssl", "x509", "-req", "-in", own + ".csr", "-CA", tls + "/ca.crt", "-CAkey",
                   tls + "/ca.key", "-copy_extensions", "copyall", "-days", "30", "-out", own + ".crt"}),
              0);
  }
  config::v1::TlsConfig& config = *site_.config().mutable_tls();
  config.set_ca_file(tls + "/ca.crt");
  config.set_certificate_file(tls + "/110/{role}.crt");
  config.set_key_file(tls + "/110/{role}.key");
  const absl::Status started = site_.StartAll();
  ASSERT_TRUE(started.ok()) << started.ToString();

  std::vector<std::string> command = {Program(),
                                      "--target",
                                      options_.caller.target,
                                      "--as",
                                      "990",
                                      "--tls-cert",
                                      tls + "/990/dispatch.crt",
                                      "--tls-key",
                                      tls + "/990/dispatch.key",
                                      "--tls-ca",
                                      tls + "/ca.crt",
                                      "--listen",
                                      listening_.address,
                                      "--only",
                                      "X-LINK|X-OFFER-1",
                                      "--to",
                                      "110"};
  auto run = test::Process::Start(command, log_file());
  ASSERT_TRUE(run.ok());
  const auto last = (*run)->WaitForLine("5 clauses: ", absl::Seconds(60));
  ASSERT_TRUE(last.ok()) << last.status().ToString();
  EXPECT_THAT(*last, HasSubstr("5 passed, 0 failed, 0 skipped"));
  EXPECT_EQ((*run)->Wait(absl::Seconds(20)), 0);

  // Whose certificate it is counts, and who it is not is said.
  command.back() = "12345";
  command.insert(command.end(), {"--patience", "3"});
  EXPECT_EQ(Run(command), 3);
  EXPECT_THAT(test::ReadFile(log_file()),
              HasSubstr("the target's certificate names spiffe://hotline/110/dispatch, not "
                        "spiffe://hotline/12345/dispatch"));
}

}  // namespace
}  // namespace hotline::conformance
