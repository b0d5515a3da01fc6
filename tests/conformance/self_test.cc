// The kit passes a peer that keeps the protocol, and finds what is wrong with one that does not: each defect
// fails the clauses that it breaks, and no other.
#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/conformance/example_peer.h"
#include "tests/conformance/kit.h"

namespace hotline::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

// gRPC 1.51 cleans up in a thread of its own when its last user goes; see tests/support/rich_error.cc.
// Not at load: gRPC is linked into the program, and its own start-up comes after ours.
class HoldGrpc : public testing::Environment {
 public:
  void SetUp() override { grpc_init(); }
};
[[maybe_unused]] const testing::Environment* const kHoldGrpc =
    testing::AddGlobalTestEnvironment(new HoldGrpc);

struct Verdicts {
  std::vector<Finding> findings;
  std::vector<std::string> With(Verdict verdict) const {
    std::vector<std::string> names;
    for (const Finding& finding : findings) {
      if (finding.outcome.verdict == verdict) names.emplace_back(finding.clause.name);
    }
    return names;
  }
  std::string Report() const {
    std::string report;
    for (const Finding& finding : findings) {
      if (finding.outcome.verdict != Verdict::kPass) absl::StrAppend(&report, Line(finding), "\n");
    }
    return report;
  }
};

struct Setup {
  ExampleOptions example = {};  // with hotlines, address and keys still to come
  bool with_keys = true;        // on both sides
  const char* only = "";        // clauses whose name matches
  absl::Duration patience = absl::Seconds(10);
  // What works at the example; itself without.
  std::function<std::unique_ptr<Desk>(ExamplePeer*, Listener*)> desk = nullptr;
};

// The kit against the example.
Verdicts RunAgainst(const Setup& setup) {
  const Key kit_key = Key::Make("kit-1"), site_key = Key::Make("site-1");
  ListenerOptions listening = {.address = "127.0.0.1:0",
                               .as = "990",
                               .target = "110",
                               .credentials = grpc::InsecureServerCredentials(),
                               .slow = absl::Milliseconds(200)};
  ExampleOptions example = setup.example;
  example.hotline = "110";
  example.peer = "990";
  KitOptions options;
  options.patience = setup.patience;
  options.only = std::regex(setup.only);
  if (setup.with_keys) {
    listening.key = kit_key;
    listening.target_key = site_key;
    example.key = site_key;
    example.peer_key = kit_key;
    options.caller.key = kit_key;
    options.caller.target_key = site_key;
  }
  Listener listener(listening);
  EXPECT_TRUE(listener.Start().ok());
  example.peer_address = absl::StrCat("127.0.0.1:", listener.port());
  ExamplePeer peer(example);
  options.caller.target = absl::StrCat("127.0.0.1:", peer.port());
  options.caller.as = "990";
  options.caller.to = "110";
  options.caller.credentials = grpc::InsecureChannelCredentials();
  const std::unique_ptr<Desk> desk = setup.desk ? setup.desk(&peer, &listener) : nullptr;
  const auto findings = RunKit(options, &listener, desk != nullptr ? desk.get() : &peer, nullptr);
  EXPECT_TRUE(findings.ok()) << findings.status().ToString();
  return {findings.ok() ? *findings : std::vector<Finding>()};
}

TEST(ConformanceSelfTest, ExamplePassesEveryClause) {
  const Verdicts run = RunAgainst({});
  EXPECT_EQ(run.With(Verdict::kPass).size(), Clauses().size()) << run.Report();
}

TEST(ConformanceSelfTest, WhoGreetsBeforeEachBatchPassesEveryClause) {
  const Verdicts run = RunAgainst({.example = {.greets_before_each_batch = true}});
  EXPECT_EQ(run.With(Verdict::kPass).size(), Clauses().size()) << run.Report();
}

// UNDERSTOOD is owed within 10 s, not before the receipt.
TEST(ConformanceSelfTest, OrdersMayBeMadeAfterTheReceipt) {
  const Verdicts run = RunAgainst(
      {.example = {.understands_after = absl::Milliseconds(300)}, .only = "X-RECONCILE|X-OFFER-[156]"});
  EXPECT_EQ(run.With(Verdict::kPass).size(), 6u) << run.Report();
}

TEST(ConformanceSelfTest, AttemptsGrowAndMayLeaveNumbersOut) {
  const Verdicts gap = RunAgainst({.example = {.attempt_step = 3}, .only = "X-RECALL-4"});
  EXPECT_THAT(gap.With(Verdict::kPass), ElementsAre("X-RECALL-4")) << gap.Report();
  const Verdicts same = RunAgainst({.example = {.attempt_step = 0}, .only = "X-RECALL-4"});
  EXPECT_THAT(same.With(Verdict::kFail), ElementsAre("X-RECALL-4")) << same.Report();
}

// Says that an offer is made only when it has arrived, as a person may, and a platform whose answer waits for
// its sender.
class LateDesk final : public Desk {
 public:
  LateDesk(Desk* desk, Listener* listener) : desk_(desk), listener_(listener) {}

  absl::Status Accept(const std::string& number) override { return desk_->Accept(number); }
  absl::Status Return(const std::string& number) override { return desk_->Return(number); }
  absl::Status Finish(const std::string& number) override { return desk_->Finish(number); }
  absl::Status Push() override {
    return UntilArrived([&] { return desk_->Push(); });
  }
  absl::Status PushAgain(const std::string& number) override {
    return UntilArrived([&] { return desk_->PushAgain(number); });
  }
  absl::Status Recall(const std::string& number) override { return desk_->Recall(number); }
  absl::Status Restart() override { return desk_->Restart(); }

 private:
  absl::Status UntilArrived(const std::function<absl::Status()>& push) {
    const size_t before = listener_->arrived();
    const absl::Status status = push();
    const auto is_offer = [](const Arrived& one) {
      return one.envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER;
    };
    EXPECT_TRUE(listener_->Await(is_offer, absl::Seconds(10), before).has_value());
    return status;
  }

  Desk* const desk_;
  Listener* const listener_;
};

TEST(ConformanceSelfTest, AnOfferMayArriveBeforeTheDeskIsDone) {
  const Verdicts run =
      RunAgainst({.only = "X-OFFER-7|X-RECALL-4", .desk = [](ExamplePeer* peer, Listener* listener) {
                    return std::make_unique<LateDesk>(peer, listener);
                  }});
  EXPECT_THAT(run.With(Verdict::kPass), UnorderedElementsAre("X-OFFER-7", "X-RECALL-4")) << run.Report();
}

TEST(ConformanceSelfTest, WithoutKeysOnlySignaturesAreSkipped) {
  const Verdicts run = RunAgainst({.with_keys = false});
  EXPECT_THAT(run.With(Verdict::kFail), IsEmpty()) << run.Report();
  EXPECT_THAT(run.With(Verdict::kSkipped),
              UnorderedElementsAre("X-SIGN-1", "X-SIGN-2", "X-SIGN-3", "X-SIGN-4", "X-SIGN-5", "X-SIGN-6",
                                   "X-SIGN-7", "X-BACKFILL-4"));
}

TEST(ConformanceSelfTest, NobodyThereIsNoVerdict) {
  KitOptions options;
  options.caller.target = "127.0.0.1:1";
  options.caller.as = "990";
  options.caller.to = "110";
  options.caller.timeout = absl::Milliseconds(300);
  options.caller.credentials = grpc::InsecureChannelCredentials();
  const auto findings = RunKit(options, nullptr, nullptr, nullptr);
  ASSERT_FALSE(findings.ok());
  EXPECT_THAT(std::string(findings.status().message()), HasSubstr("refused"));
}

// The kit once blamed a target for 45 clauses whose keys alone it had not been told of.
TEST(ConformanceSelfTest, KeyIdsThatDoNotFitAreNoVerdict) {
  const Key kit_key = Key::Make("kit-1"), site_key = Key::Make("site-1");
  ExamplePeer peer(
      {.hotline = "110", .peer = "990", .peer_address = "127.0.0.1:1", .key = site_key, .peer_key = kit_key});
  KitOptions options;
  options.caller.target = absl::StrCat("127.0.0.1:", peer.port());
  options.caller.as = "990";
  options.caller.to = "110";
  options.caller.credentials = grpc::InsecureChannelCredentials();
  options.only = std::regex("X-CHAIN-1|X-SIGN");
  const auto run = [&](const Key& own, const Key& target) {
    options.caller.key = own;
    options.caller.target_key = target;
    bool judged = false;
    const absl::Status status =
        RunKit(options, nullptr, nullptr, [&](const Finding&) { judged = true; }).status();
    EXPECT_EQ(judged, status.ok());
    EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status.ToString();
    return std::string(status.message());
  };
  EXPECT_THAT(run(kit_key, Key::Make("site")),
              HasSubstr("110 signed under key id 'site-1', expected 'site': --peer-key-id"));
  EXPECT_THAT(run(Key::Make("kit"), site_key), HasSubstr("refuses what is signed under key id 'kit': --key"));
  EXPECT_EQ(run(kit_key, site_key), "");
}

TEST(ConformanceSelfTest, AReceiptForNothingHasNoTime) {
  const Key site_key = Key::Make("site-1");
  exchange::v1::LinkReceipt receipt;
  SignReceipt(site_key, "110", "990", &receipt);
  exchange::v1::ReceiptStatement statement;
  ASSERT_TRUE(statement.ParseFromString(receipt.statement()));
  EXPECT_FALSE(statement.has_receive_time());
  EXPECT_EQ(FaultOfReceipt(site_key, "110", "990", receipt), "");
}

type::v1::OrderContent ContentOf(const exchange::v1::OfferBody& body) {
  type::v1::OrderContent content;
  content.ParseFromString(body.content());
  return content;
}

// Whether it has a content that can be read, of which `is` is true.
bool HasContent(const exchange::v1::OfferBody& body,
                const std::function<bool(const type::v1::OrderContent&)>& is) {
  type::v1::OrderContent content;
  return !body.content().empty() && content.ParseFromString(body.content()) && is(content);
}

// A rule of the table of offers that the example does not insist on, and what the kit says of it.
struct Overlooked {
  const char* name;
  const char* what;
  bool (*holds)(const exchange::v1::OfferBody& body);
};

class OverlookedTest : public testing::TestWithParam<Overlooked> {};

TEST_P(OverlookedTest, FailsAsTheTableIsNotKept) {
  const Verdicts run = RunAgainst(
      {.example = {.overlooks = GetParam().holds}, .only = "X-OFFER", .patience = absl::Seconds(2)});
  EXPECT_THAT(run.With(Verdict::kFail), ElementsAre("X-OFFER-3")) << run.Report();
  EXPECT_THAT(run.Report(), HasSubstr(absl::StrCat("an offer ", GetParam().what, "\n")));
}

INSTANTIATE_TEST_SUITE_P(
    All, OverlookedTest,
    testing::Values(
        Overlooked{"Type", "without a type",
                   [](const auto& body) {
                     return HasContent(body, [](const auto& content) { return content.type() == 0; });
                   }},
        Overlooked{"Channel", "without a channel",
                   [](const auto& body) {
                     return HasContent(body, [](const auto& content) { return content.channel() == 0; });
                   }},
        Overlooked{"Urgency", "without an urgency",
                   [](const auto& body) {
                     return HasContent(body, [](const auto& content) { return content.urgency() == 0; });
                   }},
        Overlooked{"Text", "without a text",
                   [](const auto& body) {
                     return HasContent(body, [](const auto& content) { return content.text().empty(); });
                   }},
        Overlooked{"LongTitle", "with a title of 101 characters",
                   [](const auto& body) {
                     return HasContent(body,
                                       [](const auto& content) { return content.title().size() > 100; });
                   }},
        Overlooked{"NulInText", "with a NUL in its text",
                   [](const auto& body) {
                     return HasContent(body, [](const auto& content) {
                       return content.text().find('\0') != std::string::npos;
                     });
                   }},
        Overlooked{"Phone", "whose caller's phone is no number",
                   [](const auto& body) {
                     return HasContent(body,
                                       [](const auto& content) { return !content.caller().phone().empty(); });
                   }},
        Overlooked{"NameOfNobody", "with the name of an anonymous caller",
                   [](const auto& body) {
                     return HasContent(body,
                                       [](const auto& content) { return !content.caller().name().empty(); });
                   }},
        Overlooked{"Address", "with an address of 201 characters",
                   [](const auto& body) {
                     return HasContent(
                         body, [](const auto& content) { return content.place().address().size() > 200; });
                   }},
        Overlooked{"UnitCode", "whose lead unit is no code",
                   [](const auto& body) {
                     return HasContent(body,
                                       [](const auto& content) { return content.lead_unit() == "A Unit"; });
                   }},
        Overlooked{"UnitTwice", "with an assisting unit twice",
                   [](const auto& body) {
                     return HasContent(body,
                                       [](const auto& content) { return content.assist_units_size() > 1; });
                   }},
        Overlooked{"Attachment", "with an attachment whose hash has 31 bytes",
                   [](const auto& body) {
                     return HasContent(body,
                                       [](const auto& content) { return content.attachments_size() > 0; });
                   }},
        Overlooked{"LongNumber", "whose number has 65 characters",
                   [](const auto& body) { return body.handoff().from_number().size() > 64; }},
        Overlooked{"LongOrigin", "with an origin of 33 characters",
                   [](const auto& body) { return body.origin_hotline().size() > 32; }}),
    [](const auto& info) { return std::string(info.param.name); });

// What is wrong with the example's own offers.
struct Spoiled {
  const char* name;
  void (*spoil)(exchange::v1::OfferBody* body);
  std::vector<std::string> clauses = {"X-OFFER-7"};
};

void SetContent(exchange::v1::OfferBody* body, const std::function<void(type::v1::OrderContent*)>& change) {
  type::v1::OrderContent content = ContentOf(*body);
  change(&content);
  body->set_content(content.SerializeAsString());
}

std::string Repeated(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

class SpoiledTest : public testing::TestWithParam<Spoiled> {};

TEST_P(SpoiledTest, FailsTheClausesOfOffers) {
  const Verdicts run = RunAgainst({.example = {.spoils = GetParam().spoil}, .only = "X-OFFER-7|X-LANE-4"});
  EXPECT_THAT(run.With(Verdict::kFail), UnorderedElementsAreArray(GetParam().clauses)) << run.Report();
}

INSTANTIATE_TEST_SUITE_P(
    All, SpoiledTest,
    testing::Values(
        Spoiled{"Channel",
                [](auto* body) { SetContent(body, [](auto* content) { content->clear_channel(); }); }},
        Spoiled{"LongTitle",
                [](auto* body) {
                  SetContent(body, [](auto* content) { content->set_title(Repeated(101, "字")); });
                }},
        Spoiled{"LongText",
                [](auto* body) {
                  SetContent(body, [](auto* content) { content->set_text(Repeated(8001, "字")); });
                }},
        Spoiled{"LongNote", [](auto* body) { body->mutable_handoff()->set_note(Repeated(501, "字")); }},
        Spoiled{"LongNumber",
                [](auto* body) { body->mutable_handoff()->set_from_number(Repeated(65, "1")); }},
        Spoiled{"LongOrigin", [](auto* body) { body->set_origin_hotline(Repeated(33, "1")); }},
        Spoiled{"OriginNoCode", [](auto* body) { body->set_origin_hotline("工单"); }},
        Spoiled{"Phone",
                [](auto* body) {
                  SetContent(body, [](auto* content) { content->mutable_caller()->set_contact_phone("12"); });
                }},
        Spoiled{"Tags",
                [](auto* body) { SetContent(body, [](auto* content) { content->add_tags("Typhoon"); }); }},
        Spoiled{"LargeEpoch", [](auto* body) { body->mutable_custody()->set_epoch((int64_t{1} << 40) + 1); }},
        Spoiled{"OtherLane",
                [](auto* body) {
                  SetContent(body, [](auto* content) { content->set_urgency(type::v1::URGENCY_EMERGENCY); });
                },
                {"X-OFFER-7", "X-LANE-4"}},
        Spoiled{"AsLongAsMayBe",
                [](auto* body) {
                  SetContent(body, [](auto* content) {
                    content->set_title(Repeated(100, "字"));
                    content->set_text(Repeated(8000, "字"));
                    content->mutable_caller()->set_contact_phone("+86-991-1234567");
                    content->mutable_place()->set_township_code("653024100");
                    content->mutable_place()->set_address(Repeated(200, "字"));
                    content->set_lead_unit("water");
                    content->add_assist_units("roads");
                    content->add_attachments()->set_uri("https://peer.example/1");
                    content->mutable_attachments(0)->set_sha256(Repeated(32, "h"));
                    content->add_tags("typhoon");
                  });
                  body->mutable_handoff()->set_note(Repeated(500, "字"));
                },
                {}}),
    [](const auto& info) { return std::string(info.param.name); });

struct Case {
  Defect defect;
  const char* name;
  std::vector<std::string> clauses;
};

class DefectTest : public testing::TestWithParam<Case> {};

TEST_P(DefectTest, FailsTheRightClauses) {
  const Verdicts run = RunAgainst({.example = {.defect = GetParam().defect}, .patience = absl::Seconds(2)});
  EXPECT_THAT(run.With(Verdict::kFail), UnorderedElementsAreArray(GetParam().clauses)) << run.Report();
}

INSTANTIATE_TEST_SUITE_P(
    All, DefectTest,
    testing::Values(
        Case{Defect::kAcknowledgesBeforeApplying, "AcknowledgesBeforeApplying", {"X-RECEIPT-4"}},
        Case{Defect::kForgetsCursor, "ForgetsCursor", {"X-RECEIPT-4"}},
        Case{Defect::kAcceptsWrongHash, "AcceptsWrongHash", {"X-CHAIN-2"}},
        Case{Defect::kIgnoresChain, "IgnoresChain", {"X-CHAIN-2", "X-CHAIN-3"}},
        Case{Defect::kAcceptsFork, "AcceptsFork", {"X-CHAIN-4"}},
        Case{Defect::kAcceptsGap, "AcceptsGap", {"X-BATCH-4", "X-BATCH-5", "X-BATCH-6"}},
        Case{Defect::kReceiptAhead, "ReceiptAhead", {"X-RECEIPT-1", "X-RECEIPT-3", "X-LINK-3"}},
        Case{Defect::kReceiptWithWrongHash, "ReceiptWithWrongHash", {"X-RECEIPT-3", "X-LINK-3"}},
        Case{Defect::kReceiptWithoutTime, "ReceiptWithoutTime", {"X-RECEIPT-5"}},
        Case{Defect::kIgnoresSignature, "IgnoresSignature", {"X-SIGN-1", "X-SIGN-2", "X-SIGN-3", "X-SIGN-6"}},
        Case{Defect::kSignsNothing, "SignsNothing", {"X-SIGN-4", "X-SIGN-5"}},
        Case{Defect::kSignsNoPosition, "SignsNoPosition", {"X-SIGN-4"}},
        Case{Defect::kRefusesRepeats, "RefusesRepeats", {"X-BATCH-2", "X-BATCH-3"}},
        Case{Defect::kAppliesRepeats, "AppliesRepeats", {"X-OFFER-6"}},
        Case{Defect::kNewOrderForKnownHandoff, "NewOrderForKnownHandoff", {"X-OFFER-5"}},
        Case{Defect::kStopsAtBadOffer, "StopsAtBadOffer", {"X-OFFER-2", "X-OFFER-3", "X-OFFER-4"}},
        Case{Defect::kTakesAnyVersion, "TakesAnyVersion", {"X-VERSION-1", "X-VERSION-3"}},
        Case{Defect::kOverlooksVersionList, "OverlooksVersionList", {"X-VERSION-3"}},
        Case{Defect::kTakesAnyBatchSize, "TakesAnyBatchSize", {"X-BATCH-8"}},
        Case{Defect::kTakesSmallMessages, "TakesSmallMessages", {"X-BATCH-10"}},
        Case{Defect::kTakesAnyHandoffId, "TakesAnyHandoffId", {"X-OFFER-3"}},
        Case{Defect::kTakesAnyLane, "TakesAnyLane", {"X-OFFER-3"}},
        Case{Defect::kAnswersInOrdinaryLane, "AnswersInOrdinaryLane", {"X-LANE-4"}},
        Case{Defect::kSeesNothing, "SeesNothing", {"X-CHAIN-8"}},
        Case{Defect::kAnswersNotUnderstood, "AnswersNotUnderstood", {"X-KIND-3"}},
        Case{Defect::kDropsUnknownFields, "DropsUnknownFields", {"X-UNKNOWN-3"}},
        Case{Defect::kRefusesUnknownEnums, "RefusesUnknownEnums", {"X-UNKNOWN-2"}},
        Case{Defect::kHoldsPeersToItsLists, "HoldsPeersToItsLists", {"X-OFFER-1"}},
        Case{Defect::kKeepsEpoch, "KeepsEpoch", {"X-CUSTODY-1"}},
        Case{Defect::kIgnoresEpoch, "IgnoresEpoch", {"X-CUSTODY-3"}},
        Case{Defect::kSendsInternalReply, "SendsInternalReply", {"X-CUSTODY-5"}},
        Case{Defect::kRefusesForClock, "RefusesForClock", {"X-TIME-2"}},
        Case{Defect::kIgnoresRetryInfo, "IgnoresRetryInfo", {"X-SEND-4"}},
        Case{Defect::kDropsWhatIsRefusedForVersion, "DropsWhatIsRefusedForVersion", {"X-VERSION-6"}},
        Case{Defect::kStaleIncoming, "StaleIncoming", {"X-LINK-3"}},
        Case{Defect::kTellsNothingOutgoing, "TellsNothingOutgoing", {"X-LINK-3"}},
        Case{Defect::kOutgoingNotRepeated, "OutgoingNotRepeated", {"X-LINK-3"}},
        Case{Defect::kTakesAnyLimit, "TakesAnyLimit", {"X-BACKFILL-3"}},
        Case{Defect::kTakesAnyAlgorithm, "TakesAnyAlgorithm", {"X-SIGN-2"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace hotline::conformance
