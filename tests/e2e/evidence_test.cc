// Two sites that sign, and what a third person makes of the evidence they hand out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/conformance/wire.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class SignedSitesTest : public testing::Test {
 protected:
  void SetUp() override {
    keys_ = sites_.folder.path() + "/keys";
    // One signs with Ed25519, the other with SM2.
    Make("--id first 12345");
    Make("--id second --sm2 110");
    Make("--id first 119");
    Configure(&sites_.a, "first", "110", "second");
    Configure(&sites_.b, "second", "12345", "first");
  }

  void Make(const std::string& arguments) {
    const std::string command = absl::StrCat(HOTLINE_SOURCE_DIR "/deploy/keys/make --dir ", keys_, " ",
                                             arguments, " > ", sites_.folder.path(), "/keys.log 2>&1");
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  void Configure(Site* site, const std::string& key_id, const std::string& peer,
                 const std::string& peer_key_id) {
    config::v1::SigningKey* own = site->config().mutable_signing()->add_keys();
    own->set_key_id(key_id);
    own->set_private_key_file(absl::StrCat(keys_, "/", site->hotline(), "/", key_id, ".key"));
    config::v1::PublicKey* theirs = site->config().mutable_peers(0)->add_public_keys();
    theirs->set_key_id(peer_key_id);
    theirs->set_file(absl::StrCat(keys_, "/", peer, "/", peer_key_id, ".pub"));
  }

  // Runs hotlinectl; its last line that begins with `{` or `prefix` is in `*line`.
  int Ctl(std::vector<std::string> arguments, std::string* line, const std::string& prefix = "{") {
    arguments.insert(arguments.begin(), BuildFolder() + "/services/hotlinectl/hotlinectl");
    auto process = Process::Start(arguments, sites_.folder.path() + "/ctl.log");
    EXPECT_TRUE(process.ok()) << process.status();
    const absl::StatusOr<std::string> found = (*process)->WaitForLine(prefix, absl::Seconds(30));
    *line = found.ok() ? *found : std::string(found.status().message());
    return (*process)->Wait(absl::Seconds(30));
  }
  int Export(Site& site, const std::string& order, const std::string& file, std::string* line) {
    return Ctl({"--json", "--work-order", site.address(Service::kWorkOrder), "evidence", "export", order,
                "--out", file},
               line);
  }
  int VerifyFile(const std::string& file, std::string* line) {
    return Ctl({"--json", "evidence", "verify", file, "--public-keys", keys_}, line);
  }

  TwoSites sites_;
  std::string keys_;
};

TEST_F(SignedSitesTest, EvidenceOfBothSidesVerifiesOfflineAndNoAlteredByteDoes) {
  ASSERT_TRUE(sites_.StartAll().ok());
  const type::v1::WorkOrder order = Push(sites_.a, MakePush(4711, "110")).order();
  ASSERT_TRUE(Eventually([&] { return Exists(sites_.b, order.handoff().id()); }));
  const std::string theirs = Get(sites_.b, order.handoff().id()).id();
  Accept(sites_.b, theirs);
  ASSERT_TRUE(Eventually([&] { return Get(sites_.a, order.id()).custody().holder() == "110"; }));
  const std::string giver = sites_.folder.path() + "/giver.hev";
  const std::string taker = sites_.folder.path() + "/taker.hev";
  std::string line;
  // The last envelopes' receipts may still be on their way.
  ASSERT_TRUE(Eventually([&] {
    std::filesystem::remove(giver);
    std::filesystem::remove(taker);
    std::string report;
    return Export(sites_.a, order.number(), giver, &line) == 0 &&
           Export(sites_.b, theirs, taker, &line) == 0 && VerifyFile(giver, &report) == 0 &&
           report.find("\"overall\":\"ok\"") != std::string::npos && VerifyFile(taker, &report) == 0 &&
           report.find("\"overall\":\"ok\"") != std::string::npos;
  })) << line
      << "\n"
      << ReadFile(sites_.folder.path() + "/ctl.log");
  EXPECT_EQ(Export(sites_.a, order.number(), giver, &line), 2) << "an existing file is not written over";

  // No service is needed.
  sites_.a.KillAll();
  sites_.b.KillAll();
  for (const std::string& file : {giver, taker}) {
    std::string report;
    EXPECT_EQ(VerifyFile(file, &report), 0);
    EXPECT_THAT(report, HasSubstr("\"overall\":\"ok\",\"keysTrusted\":true"));
    EXPECT_THAT(report, HasSubstr("received, understood and accepted"));
    EXPECT_THAT(report, Not(HasSubstr("\"verdict\":\"gap\"")));
    EXPECT_EQ(Ctl({"--json", "evidence", "verify", file}, &report), 0);
    EXPECT_THAT(report, HasSubstr("\"overall\":\"gap\",\"keysTrusted\":false"));
    EXPECT_EQ(Ctl({"--lang", "zh", "evidence", "verify", file}, &report, "公钥未经核对"), 0) << report;
    // Somebody else's key for a party.
    EXPECT_EQ(Ctl({"--json", "evidence", "verify", file, "--public-key",
                   absl::StrCat("110=", keys_, "/119/first.pub")},
                  &report),
              9);
    std::string bytes = ReadFile(file);
    for (size_t at = 0; at < bytes.size(); at += bytes.size() / 16) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      WriteFile(file + ".changed", changed);
      EXPECT_EQ(VerifyFile(file + ".changed", &report), 9) << at;
    }
  }
  EXPECT_THAT(ReadFile(giver), HasSubstr(MakeContent(4711).title())) << "the content is in it";
}

// A peer that wrote enough made all of it too large for a message.
TEST_F(SignedSitesTest, WhatAPeerReportsAtLengthIsShownAndProvenAllTheSame) {
  constexpr int kReports = 72;
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const type::v1::WorkOrder order = Push(sites_.a, MakePush(4712, "110")).order();
  int64_t sequence = 0;
  std::string previous = conformance::StartOf(exchange::v1::LANE_ORDINARY);
  const auto tell = [&](exchange::v1::EnvelopeKind kind, const google::protobuf::MessageLite& body) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    request.set_lane(exchange::v1::LANE_ORDINARY);
    exchange::v1::Envelope& envelope = *request.add_envelopes();
    envelope.set_sequence(++sequence);
    envelope.set_kind(kind);
    envelope.set_handoff_id(order.handoff().id());
    envelope.set_body(body.SerializeAsString());
    conformance::Chain(previous, &envelope);
    previous = envelope.hash();
    Must(sites_.a.ledger(), &workorder::v1::LedgerService::Stub::ApplyInbox, request);
  };
  exchange::v1::UnderstoodBody understood;
  understood.set_to_number("110-20261123-000001");
  tell(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, understood);
  exchange::v1::MirrorBody mirror;
  mirror.set_state(type::v1::ORDER_STATE_ACCEPTED);
  mirror.mutable_custody()->set_holder("110");
  mirror.mutable_custody()->set_epoch(2);
  mirror.mutable_custody()->mutable_hold_time()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  mirror.mutable_event()->mutable_accepted();
  tell(exchange::v1::ENVELOPE_KIND_MIRROR, mirror);
  mirror.set_state(type::v1::ORDER_STATE_IN_PROGRESS);
  for (int i = 0; i < kReports; ++i) {
    auto* const detail = mirror.mutable_event()->mutable_progressed();
    detail->set_note(absl::StrCat(i));
    // Texts are bounded. A newer peer's fields are kept as they are.
    google::protobuf::UnknownFieldSet* const newer = detail->GetReflection()->MutableUnknownFields(detail);
    newer->Clear();
    newer->AddLengthDelimited(9999, std::string(240 << 10, 'x'));
    tell(exchange::v1::ENVELOPE_KIND_MIRROR, mirror);
  }
  const std::string file = sites_.folder.path() + "/large.hev";
  std::string line;
  ASSERT_EQ(Export(sites_.a, order.number(), file, &line), 0) << line;
  EXPECT_GT(std::filesystem::file_size(file), uintmax_t{2 * 16} << 20);
  EXPECT_EQ(VerifyFile(file, &line), 0) << line;
  // A line of as many bytes goes to a file.
  const std::string shown = sites_.folder.path() + "/shown.json";
  const std::string show =
      absl::StrCat(BuildFolder(), "/services/hotlinectl/hotlinectl --json --work-order ",
                   sites_.a.address(Service::kWorkOrder), " show ", order.number(), " > ", shown);
  ASSERT_EQ(std::system(show.c_str()), 0);
  const std::string text = ReadFile(shown);
  int reports = 0;
  for (size_t at = text.find("\"progressed\""); at != std::string::npos;
       at = text.find("\"progressed\"", at + 1)) {
    ++reports;
  }
  EXPECT_EQ(reports, kReports);
}

TEST_F(SignedSitesTest, NobodyElseSpeaksForAPeer) {
  // 110 holds another key for 12345 than 12345 signs with.
  sites_.b.config().mutable_peers(0)->mutable_public_keys(0)->set_file(keys_ + "/119/first.pub");
  ASSERT_TRUE(sites_.StartAll().ok());
  dispatch::v1::PushWorkOrderRequest push = MakePush(1, "110");
  const type::v1::WorkOrder order = Push(sites_.a, push).order();
  EXPECT_TRUE(Eventually([&] {
    dispatch::v1::ListLinksResponse links;
    Call call;
    return sites_.a.dispatch().ListLinks(&call, {}, &links).ok() && links.links_size() > 0 &&
           !links.links(0).up() && links.links(0).last_error().find("signature by key") != std::string::npos;
  }));
  EXPECT_FALSE(Exists(sites_.b, order.handoff().id()));
}

TEST_F(SignedSitesTest, WithoutAKeyThereIsNoEvidence) {
  sites_.a.config().clear_signing();
  sites_.b.config().mutable_peers(0)->clear_public_keys();
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const type::v1::WorkOrder order = Push(sites_.a, MakePush(2, "110")).order();
  workorder::v1::ExportEvidenceRequest request;
  request.set_order_id(order.id());
  EXPECT_EQ(
      MustFail(sites_.a.work_order(), &workorder::v1::WorkOrderService::Stub::ExportEvidence, request).reason,
      "NO_SIGNING_KEY");
}

}  // namespace
}  // namespace hotline::test
