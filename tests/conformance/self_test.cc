// The kit passes a peer that keeps the protocol, and finds what is wrong with one that does not: each defect
// fails the clauses that it breaks, and no other.
#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/example_peer.h"
#include "tests/conformance/kit.h"

namespace hotline::conformance {
namespace {

using testing::IsEmpty;
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

// The whole kit against the example, with keys on both sides.
Verdicts RunAgainst(Defect defect, bool with_keys = true) {
  const Key kit_key = Key::Make("kit-1"), site_key = Key::Make("site-1");
  ListenerOptions listening = {.address = "127.0.0.1:0",
                               .as = "990",
                               .target = "110",
                               .credentials = grpc::InsecureServerCredentials(),
                               .slow = absl::Milliseconds(200)};
  ExampleOptions example = {.hotline = "110", .peer = "990", .defect = defect};
  KitOptions options;
  options.patience = absl::Seconds(defect == Defect::kNone ? 10 : 2);
  if (with_keys) {
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
  const auto findings = RunKit(options, &listener, &peer, nullptr);
  EXPECT_TRUE(findings.ok()) << findings.status().ToString();
  return {findings.ok() ? *findings : std::vector<Finding>()};
}

TEST(ConformanceSelfTest, ExamplePassesEveryClause) {
  const Verdicts run = RunAgainst(Defect::kNone);
  EXPECT_EQ(run.With(Verdict::kPass).size(), Clauses().size()) << run.Report();
}

TEST(ConformanceSelfTest, WithoutKeysOnlySignaturesAreSkipped) {
  const Verdicts run = RunAgainst(Defect::kNone, /*with_keys=*/false);
  EXPECT_THAT(run.With(Verdict::kFail), IsEmpty()) << run.Report();
  EXPECT_THAT(run.With(Verdict::kSkipped),
              testing::UnorderedElementsAre("X-SIGN-1", "X-SIGN-2", "X-SIGN-3", "X-SIGN-4", "X-SIGN-5",
                                            "X-SIGN-6", "X-SIGN-7", "X-BACKFILL-4"));
}

TEST(ConformanceSelfTest, NobodyThereIsNoVerdict) {
  KitOptions options;
  options.caller.target = "127.0.0.1:1";
  options.caller.as = "990";
  options.caller.to = "110";
  options.caller.timeout = absl::Milliseconds(300);
  options.caller.credentials = grpc::InsecureChannelCredentials();
  EXPECT_FALSE(RunKit(options, nullptr, nullptr, nullptr).ok());
}

struct Case {
  Defect defect;
  const char* name;
  std::vector<std::string> clauses;
};

class DefectTest : public testing::TestWithParam<Case> {};

TEST_P(DefectTest, FailsTheRightClauses) {
  const Verdicts run = RunAgainst(GetParam().defect);
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
        Case{Defect::kKeepsEpoch, "KeepsEpoch", {"X-CUSTODY-1"}},
        Case{Defect::kIgnoresEpoch, "IgnoresEpoch", {"X-CUSTODY-3"}},
        Case{Defect::kSendsInternalReply, "SendsInternalReply", {"X-CUSTODY-5"}},
        Case{Defect::kRefusesForClock, "RefusesForClock", {"X-TIME-2"}},
        Case{Defect::kIgnoresRetryInfo, "IgnoresRetryInfo", {"X-SEND-4"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace hotline::conformance
