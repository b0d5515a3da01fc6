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
  const std::string program = absl::StrCat(test::BuildFolder(), "/tests/conformance/hotline_conformance");
  auto run = test::Process::Start(
      {program, "--target", options_.caller.target, "--as", "990", "--to", "110", "--listen",
       listening_.address, "--desk", options_.caller.target, "--only", "X-(LINK|OFFER|CUSTODY)"},
      folder_.path() + "/kit.log");
  ASSERT_TRUE(run.ok());
  const auto first = (*run)->WaitForLine("pass     X-LINK-1", absl::Seconds(60));
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const auto last = (*run)->WaitForLine("16 clauses: ", absl::Seconds(60));
  ASSERT_TRUE(last.ok()) << last.status().ToString();
  EXPECT_THAT(*last, HasSubstr("16 passed, 0 failed, 0 skipped"));
  EXPECT_EQ((*run)->Wait(absl::Seconds(20)), 0);

  auto nobody = test::Process::Start(
      {program, "--target", "127.0.0.1:1", "--as", "990", "--to", "110", "--patience", "0.2"},
      folder_.path() + "/kit.log");
  ASSERT_TRUE(nobody.ok());
  EXPECT_EQ((*nobody)->Wait(absl::Seconds(20)), 3);
  auto misused = test::Process::Start({program, "--target", "127.0.0.1:1"}, folder_.path() + "/kit.log");
  ASSERT_TRUE(misused.ok());
  EXPECT_EQ((*misused)->Wait(absl::Seconds(20)), 2);
}

}  // namespace
}  // namespace hotline::conformance
