#include "services/dispatch/reconciler.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/exchange/digest_sum.h"
#include "tests/support/partial.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

using exchange::v1::DigestRange;
using exchange::v1::RangeAnswer;

// What a site shares with the other: handoffs and views.
struct Share {
  std::map<std::string, std::string> views;
  std::set<std::string> in_motion;

  RangeAnswer Answer(const DigestRange& range) const {
    RangeAnswer answer;
    const int level = *LevelOf(range);
    DigestSum whole;
    std::map<int64_t, DigestSum> parts;
    for (const auto& [id, view] : views) {
      const auto order = SharedOrderId(range.giver(), id);
      if (!order.has_value() || *order < range.first_order_id() || *order > range.last_order_id()) continue;
      whole.Add(Sha256({view}));
      if (level > kLevelStep) parts[*order >> PartLevel(level)].Add(Sha256({view}));
      auto* item = answer.add_items();
      item->set_handoff_id(id);
      item->set_view(view);
      item->set_digest(Sha256({view}));
      item->set_in_motion(in_motion.contains(id));
    }
    *answer.mutable_whole()->mutable_range() = range;
    answer.mutable_whole()->set_count(whole.count);
    answer.mutable_whole()->set_digest(whole.Bytes());
    if (whole.count <= kMaxRangeItems || level == kLevelStep) return answer;
    answer.clear_items();
    for (const auto& [bucket, sum] : parts) {
      auto* part = answer.add_parts();
      *part->mutable_range() = RangeAt(range.giver(), bucket << PartLevel(level), PartLevel(level));
      part->set_count(sum.count);
      part->set_digest(sum.Bytes());
    }
    return answer;
  }
};

struct HereLedger : test::PartialLedger {
  Share share;
  Share* there = nullptr;      // what a repair reaches
  std::set<std::string> ours;  // to say
  std::vector<std::string> resent;
  void ReadDigests(const CallContext&, workorder::v1::ReadDigestsRequest request,
                   Done<workorder::v1::ReadDigestsResponse> done) override {
    workorder::v1::ReadDigestsResponse response;
    for (const auto& range : request.ranges()) *response.add_answers() = share.Answer(range);
    done(std::move(response));
  }
  void Resend(const CallContext&, workorder::v1::ResendRequest request,
              Done<workorder::v1::ResendResponse> done) override {
    workorder::v1::ResendResponse response;
    for (const std::string& id : request.handoff_ids()) {
      if (!ours.contains(id)) {
        response.add_skipped(id);
        continue;
      }
      resent.push_back(id);
      there->views[id] = share.views[id];
      response.set_owed(response.owed() + 1);
    }
    done(std::move(response));
  }
};

struct TherePeer : test::PartialPeer {
  Share share;
  int calls = 0;
  int ranges = 0;
  absl::Status failure;
  std::function<void()> after_call;
  std::function<void(RangeAnswer*)> alter;  // each answer before it leaves
  bool late = false;                        // keeps what it is asked
  std::vector<std::pair<exchange::v1::ReconcileRequest, Done<exchange::v1::ReconcileResponse>>> held;
  void Reconcile(const CallContext&, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override {
    ++calls;
    ranges += request.ranges_size();
    if (!failure.ok()) return done(failure);
    if (late) {
      held.emplace_back(std::move(request), std::move(done));
      return;
    }
    Answer(request, std::move(done));
  }
  void AnswerHeld() {
    for (auto& [request, done] : std::exchange(held, {})) Answer(request, std::move(done));
  }

 private:
  void Answer(const exchange::v1::ReconcileRequest& request, Done<exchange::v1::ReconcileResponse> done) {
    exchange::v1::ReconcileResponse response;
    for (const auto& range : request.ranges()) {
      RangeAnswer* answer = response.add_answers();
      *answer = share.Answer(range);
      if (alter) alter(answer);
    }
    if (after_call) after_call();
    done(std::move(response));
  }
};

class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest() {
    ledger_.there = &peer_.share;
    ReconcilerOptions options;
    options.hotline = "12345";
    options.interval = absl::Minutes(15);
    options.offers = [this](const std::string&) { return offered_; };
    reconciler_ = std::make_unique<Reconciler>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &steps_, steps_.clock(), options);
  }
  ~ReconcilerTest() override { steps_.Clear(); }

  static std::string Id(int64_t order, const std::string& giver = "12345") {
    return StrCat(giver, "-", FormatOrderId(order), "-1");
  }
  // `count` handoffs each way, some seconds apart, alike at both sites.
  void Fill(int count) {
    for (int i = 0; i < count; ++i) {
      const int64_t order = (int64_t{1'795'000'000'000} + i * int64_t{7'000}) << 20;
      for (const char* giver : {"12345", "110"}) {
        ledger_.share.views[Id(order, giver)] = peer_.share.views[Id(order, giver)] =
            StrCat(Id(order, giver), " done");
        ids_.push_back(Id(order, giver));
      }
    }
  }
  absl::StatusOr<v1::ReconcileLinkResponse> Run(bool repair = false) {
    v1::ReconcileLinkRequest request;
    request.set_peer("110");
    request.set_repair(repair);
    std::optional<absl::StatusOr<v1::ReconcileLinkResponse>> got;
    reconciler_->Run({}, request, [&got](auto response) { got = std::move(response); });
    steps_.RunDue();
    for (int i = 0; i < 100 && !got.has_value(); ++i) steps_.Advance(absl::Seconds(1));
    return got.has_value() ? *std::move(got)
                           : absl::StatusOr<v1::ReconcileLinkResponse>(absl::InternalError("none"));
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  HereLedger ledger_;
  TherePeer peer_;
  bool offered_ = true;  // by the peer, to compare
  std::vector<std::string> ids_;
  std::unique_ptr<Reconciler> reconciler_;
};

TEST_F(ReconcilerTest, SitesThatAgreeAreAskedOnce) {
  Fill(2000);
  const auto response = Run();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->handoff_count(), 4000);
  EXPECT_EQ(response->difference_count(), 0);
  EXPECT_EQ(response->differences_size(), 0);
  EXPECT_EQ(peer_.calls, 1);
  EXPECT_EQ(reconciler_->health("110").completed, 1);
}

TEST_F(ReconcilerTest, ExactlyWhatDiffersIsListed) {
  Fill(2000);
  const std::string lost_here = ids_[10], lost_there = ids_[901], other = ids_[3000];
  ledger_.share.views.erase(lost_here);
  peer_.share.views.erase(lost_there);
  ledger_.share.views[other] = StrCat(other, " accepted");
  const auto response = Run();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->difference_count(), 3);
  std::map<std::string, v1::HandoffDifference> told;
  for (const auto& one : response->differences()) told[one.handoff_id()] = one;
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[lost_here].kind(), v1::DIFFERENCE_KIND_MISSING_HERE);
  EXPECT_EQ(told[lost_there].kind(), v1::DIFFERENCE_KIND_MISSING_THERE);
  EXPECT_EQ(told[other].kind(), v1::DIFFERENCE_KIND_VIEWS_DIFFER);
  EXPECT_EQ(told[other].view_here(), StrCat(other, " accepted"));
  EXPECT_EQ(told[other].view_there(), StrCat(other, " done"));
  EXPECT_EQ(reconciler_->health("110").differences, 3);
}

TEST_F(ReconcilerTest, CostGrowsWithTheDifferencesAndNotWithTheHistory) {
  Fill(20'000);
  for (int k : {1, 4, 16}) {
    for (int i = 0; i < k; ++i) peer_.share.views.erase(ids_[static_cast<size_t>(i) * 40'000 / 17 + 5]);
    peer_.ranges = 0;
    const auto response = Run();
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->difference_count(), k);
    // Two wholes, at most 12 levels for each difference, and three looks at the shortest range for both
    // givers.
    EXPECT_LE(peer_.ranges, 2 + k * (12 + 3)) << k;
  }
}

TEST_F(ReconcilerTest, WhatIsOnlyUnderWayIsNoDifference) {
  Fill(10);
  const std::string late = ids_[3];
  peer_.share.views[late] = "older";
  peer_.after_call = [&] { peer_.share.views[late] = ledger_.share.views[late]; };
  const auto response = Run();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->differences_size(), 0);
  EXPECT_EQ(peer_.calls, 2) << "it is looked at again";
}

// After a restore two of 65 were said to have been compared: what had been taken back meanwhile did not
// count.
TEST_F(ReconcilerTest, WhatIsHereAtTheLastLookIsCounted) {
  Fill(300);
  const std::map<std::string, std::string> whole = ledger_.share.views;
  ledger_.share.views = {{ids_[0], whole.at(ids_[0])}};
  bool first = true;
  peer_.after_call = [&] {
    // The rest comes back before the look again.
    if (!std::exchange(first, false)) ledger_.share.views = whole;
  };
  const auto response = Run();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->difference_count(), 0);
  EXPECT_EQ(response->handoff_count(), 600);
}

TEST_F(ReconcilerTest, WhatStaysUnderWayIsToldAndNotCounted) {
  Fill(10);
  peer_.share.views.erase(ids_[3]);
  ledger_.share.in_motion.insert(ids_[3]);
  ledger_.ours.insert(ids_[3]);
  const auto response = Run(/*repair=*/true);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->difference_count(), 0);
  ASSERT_EQ(response->differences_size(), 1);
  EXPECT_TRUE(response->differences(0).in_motion());
  EXPECT_TRUE(ledger_.resent.empty());
}

TEST_F(ReconcilerTest, RepairSendsAgainWhatThisSiteMaySay) {
  Fill(1000);
  const std::string ours = ids_[100], theirs = ids_[301];
  peer_.share.views.erase(ours);
  peer_.share.views[theirs] = "newer";
  ledger_.ours.insert(ours);
  const auto response = Run(/*repair=*/true);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(ledger_.resent, std::vector<std::string>{ours});
  EXPECT_EQ(response->difference_count(), 1) << "the other is the peer's to say";
  for (const auto& one : response->differences()) {
    EXPECT_EQ(one.resent(), one.handoff_id() == ours);
    EXPECT_EQ(one.repaired(), one.handoff_id() == ours);
  }
  EXPECT_EQ(Run()->differences_size(), 1);
}

TEST_F(ReconcilerTest, AFailureIsToldAndTheNextRunStartsAnew) {
  Fill(3);
  peer_.failure = absl::UnavailableError("down");
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(reconciler_->health("110").failed, 1);
  peer_.failure = absl::OkStatus();
  EXPECT_TRUE(Run().ok());
  v1::ReconcileLinkRequest stranger;
  stranger.set_peer("999");
  absl::Status refused;
  reconciler_->Run({}, stranger, [&](auto response) { refused = response.status(); });
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_PEER_UNKNOWN);
}

TEST_F(ReconcilerTest, APeersFailureIsToldWithoutItsWords) {
  peer_.failure = error::Internal("王某某 13900000000");
  const absl::Status broken = Run().status();
  EXPECT_EQ(error::ReasonOf(broken), error::Reason::ERROR_REASON_INTERNAL);
  EXPECT_EQ(error::ToProto(broken).SerializeAsString().find("13900000000"), std::string::npos)
      << "it goes into the log";
  peer_.failure = absl::UnavailableError("failed to connect to all addresses");
  const absl::Status unreachable = Run().status();
  EXPECT_EQ(error::ReasonOf(unreachable), error::Reason::ERROR_REASON_PEER_UNREACHABLE);
  EXPECT_NE(error::ChineseOf(unreachable), "");
  EXPECT_GT(error::RetryDelayOf(unreachable), absl::ZeroDuration());
}

TEST_F(ReconcilerTest, APeerThatDoesNotOfferItIsNotCompared) {
  Fill(3);
  offered_ = false;
  EXPECT_FALSE(reconciler_->Compares("110"));
  const absl::Status refused = Run().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_PEER_CAPABILITY_MISSING);
  EXPECT_NE(error::ChineseOf(refused).find("110"), std::string::npos);
  // Nor on schedule, until it does.
  reconciler_->Start();
  steps_.Advance(absl::Minutes(46));
  EXPECT_EQ(peer_.calls, 0);
  EXPECT_EQ(reconciler_->health("110").failed, 0);
  offered_ = true;
  steps_.Advance(absl::Minutes(15));
  EXPECT_EQ(reconciler_->health("110").completed, 1);
}

// Over a spool, which takes its time, each call kept its place for a week.
TEST_F(ReconcilerTest, NobodyWaitsBeyondTheCallsDeadline) {
  Fill(3);
  peer_.late = true;
  reconciler_->Start();
  v1::ReconcileLinkRequest request;
  request.set_peer("110");
  const auto call = [this](absl::Duration patience) {
    return CallContext{.now = steps_.clock()->Now(), .deadline = steps_.clock()->Now() + patience};
  };
  std::optional<absl::Status> hasty;
  std::optional<absl::Status> patient;
  reconciler_->Run(call(absl::Seconds(30)), request, [&](auto response) { hasty = response.status(); });
  reconciler_->Run(call(absl::Hours(9)), request, [&](auto response) { patient = response.status(); });
  steps_.Advance(absl::Seconds(29));
  EXPECT_FALSE(hasty.has_value());
  steps_.Advance(absl::Seconds(1));
  ASSERT_TRUE(hasty.has_value());
  EXPECT_EQ(hasty->code(), absl::StatusCode::kDeadlineExceeded);
  // Nor does the schedule begin another one meanwhile.
  steps_.Advance(absl::Hours(8));
  EXPECT_FALSE(patient.has_value());
  EXPECT_EQ(peer_.calls, 1);
  // As many as there may be, and one more.
  int answered = 0;
  std::optional<absl::Status> refused;
  for (int i = 0; i < 63; ++i) reconciler_->Run({}, request, [&](auto) { ++answered; });
  reconciler_->Run({}, request, [&](auto response) { refused = response.status(); });
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(error::ReasonOf(*refused), error::Reason::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(*refused), absl::ZeroDuration());
  peer_.late = false;
  peer_.AnswerHeld();
  steps_.RunDue();
  ASSERT_TRUE(patient.has_value());
  EXPECT_TRUE(patient->ok()) << *patient;
  EXPECT_EQ(answered, 63);
  EXPECT_EQ(reconciler_->health("110").completed, 1);
  steps_.Advance(absl::Hours(1));
}

TEST_F(ReconcilerTest, AnAnswerAboutAnotherRangeIsRefused) {
  Fill(2000);
  peer_.share.views.erase(ids_[10]);
  peer_.alter = [](RangeAnswer* answer) {
    if (answer->parts().empty() || *LevelOf(answer->whole().range()) == kAllIdsLevel) return;
    const int level = *LevelOf(answer->parts(0).range());
    *answer->mutable_parts(0)->mutable_range() = RangeAt(answer->whole().range().giver(), 0, level);
  };
  EXPECT_FALSE(Run().ok());
  // The same told one by one.
  peer_.alter = [](RangeAnswer* answer) {
    if (answer->parts().empty() || *LevelOf(answer->whole().range()) == kAllIdsLevel) return;
    answer->clear_parts();
    answer->mutable_whole()->set_count(1);
    answer->add_items()->set_handoff_id(Id(1, answer->whole().range().giver()));
  };
  EXPECT_FALSE(Run().ok());
}

// A peer may say of every part of every range that it differs, 32 times as many at each step.
TEST_F(ReconcilerTest, WhatAPeerClaimsToDifferIsBounded) {
  Fill(3);
  peer_.alter = [this](RangeAnswer* answer) {
    const DigestRange range = answer->whole().range();
    const int level = *LevelOf(range);
    if (peer_.calls > 40 || level == kLevelStep) return;
    answer->clear_items();
    answer->mutable_whole()->set_count(1000);
    answer->mutable_whole()->set_digest(std::string(32, 'x'));
    const int part_level = PartLevel(level);
    const int64_t first = range.first_order_id() >> part_level;
    for (int64_t bucket = first; bucket <= range.last_order_id() >> part_level; ++bucket) {
      auto* part = answer->add_parts();
      *part->mutable_range() = RangeAt(range.giver(), bucket << part_level, part_level);
      part->set_count(1);
      part->set_digest(std::string(32, 'x'));
    }
  };
  const auto response = Run();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->truncated());
  EXPECT_LT(peer_.calls, 1000);
}

TEST_F(ReconcilerTest, RunsOnScheduleAndOneAtATime) {
  Fill(3);
  reconciler_->Start();
  steps_.Advance(absl::Minutes(46));
  EXPECT_EQ(reconciler_->health("110").completed, 3);
  const int before = peer_.calls;
  int answered = 0;
  v1::ReconcileLinkRequest request;
  request.set_peer("110");
  for (int i = 0; i < 3; ++i)
    reconciler_->Run({}, request, [&](auto response) { answered += response.ok() ? 1 : 0; });
  steps_.RunDue();
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(peer_.calls, before + 1);
  reconciler_->Stop();
  absl::Status refused;
  reconciler_->Run({}, request, [&](auto response) { refused = response.status(); });
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_DRAINING);
}

}  // namespace
}  // namespace hotline::dispatch
