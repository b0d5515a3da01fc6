#include "services/work_order/digests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/sql/sqlite.h"
#include "services/work_order/engine.h"
#include "tests/support/sql_scratch.h"
#include "tests/support/steps.h"

namespace hotline::work_order {
namespace {

using type::v1::Command;

TEST(DigestSumTest, IsASumModulo2To256) {
  DigestSum sum;
  EXPECT_EQ(sum.Bytes(), std::string(32, '\0'));
  sum.Subtract(std::string(31, '\0') + '\x01');
  EXPECT_EQ(sum.Bytes(), std::string(32, '\xff'));
  EXPECT_EQ(sum.count, -1);
  sum.Add(std::string(31, '\0') + '\x02');
  EXPECT_EQ(sum.Bytes(), std::string(31, '\0') + '\x01');
  std::mt19937_64 random(7);
  std::vector<std::string> digests;
  for (int i = 0; i < 200; ++i) digests.push_back(Sha256({std::to_string(random())}));
  DigestSum forward, backward;
  for (const std::string& digest : digests) forward.Add(digest);
  std::reverse(digests.begin(), digests.end());
  for (const std::string& digest : digests) backward.Add(digest);
  EXPECT_EQ(forward, backward);
  EXPECT_EQ(DigestSum::Of(forward.count, forward.Bytes()), forward);
  for (const std::string& digest : digests) forward.Subtract(digest);
  EXPECT_EQ(forward, DigestSum());
}

TEST(DigestSumTest, RangesAreAlignedOrNone) {
  for (int level = kLevelStep; level <= kTopLevel; level += kLevelStep) {
    const auto range = RangeAt("110", (int64_t{1} << 61) + 12'345'678, level);
    EXPECT_EQ(LevelOf(range), level);
    auto shifted = range;
    shifted.set_first_order_id(range.first_order_id() + 1);
    shifted.set_last_order_id(range.last_order_id() + 1);
    EXPECT_EQ(LevelOf(shifted), std::nullopt);
  }
  EXPECT_EQ(LevelOf(RangeAt("110", 5, kAllIdsLevel)), kAllIdsLevel);
  EXPECT_EQ(LevelOf({}), std::nullopt);
  EXPECT_EQ(SharedOrderId("110", "110-0000000000011-2"), 33);
  EXPECT_EQ(SharedOrderId("110", "110-0000000000011-"), std::nullopt);
  EXPECT_EQ(SharedOrderId("110", "12345-0000000000011-2"), std::nullopt);
  EXPECT_EQ(SharedOrderId("110", "110-whatever-1"), std::nullopt);
}

// One of two sites, on a real store.
class DigestSite {
 public:
  DigestSite(const std::string& hotline, const std::string& peer, test::Steps* steps)
      : hotline_(hotline), peer_(peer), steps_(steps) {
    Open();
  }
  void Open() {
    auto store = Store::Open({.directory = folder_.path(), .hotline = hotline_});
    ASSERT_TRUE(store.ok()) << store.status();
    EngineOptions options;
    options.site.hotline = hotline_;
    options.site.peers = {peer_};
    options.draw_salt = [] { return std::string(16, 's'); };
    auto engine = Engine::Create(*std::move(store), std::move(options), steps_->clock(), steps_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }
  // Alters the store behind the program's back.
  void Damage(const std::string& statement) {
    steps_->Clear();
    engine_.reset();
    {
      auto database = sql::OpenSqlite({.path = folder_.path() + "/work_order.db"});
      ASSERT_TRUE(database.ok()) << database.status();
      auto writer = (*database)->OpenWriter();
      ASSERT_TRUE(writer.ok() && (*writer)->Begin().ok());
      auto prepared = (*writer)->Prepare(statement);
      ASSERT_TRUE(prepared.ok()) << prepared.status();
      ASSERT_TRUE((*prepared)->Run().ok());
      ASSERT_TRUE((*writer)->Commit().ok());
    }
    Open();
  }

  Engine& engine() { return *engine_; }

  void Commit() {
    while (engine_->RunBatch()) {
    }
    steps_->RunDue();
  }
  absl::StatusOr<type::v1::WorkOrder> Do(Command command) {
    command.mutable_header()->set_request_id(StrCat("request-", ++requests_));
    command.mutable_header()->mutable_actor()->set_account("1001");
    workorder::v1::ExecuteRequest request;
    *request.add_commands() = std::move(command);
    absl::StatusOr<type::v1::WorkOrder> got = absl::InternalError("none");
    engine_->Execute({}, std::move(request), [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
      if (!response.ok()) {
        got = response.status();
      } else if (response->results(0).has_error()) {
        got = error::FromProto(response->results(0).error());
      } else {
        got = response->results(0).order();
      }
    });
    Commit();
    return got;
  }
  absl::StatusOr<type::v1::WorkOrder> Push() {
    Command command;
    command.mutable_offer()->set_to_hotline(peer_);
    type::v1::OrderContent& content = *command.mutable_registration()->mutable_content();
    content.set_type(type::v1::ORDER_TYPE_HELP);
    content.set_channel(type::v1::CHANNEL_PHONE);
    content.set_urgency(type::v1::URGENCY_NORMAL);
    content.set_title("路灯不亮");
    content.set_text("小区门口的路灯坏了三天");
    content.mutable_caller()->set_anonymous(true);
    return Do(std::move(command));
  }
  exchange::v1::RangeAnswer Digest(const std::string& giver, bool recount = false, int level = kAllIdsLevel,
                                   int64_t at = 0) {
    workorder::v1::ReadDigestsRequest request;
    request.set_peer(peer_);
    request.set_recount(recount);
    *request.add_ranges() = RangeAt(giver, at, level);
    absl::StatusOr<workorder::v1::ReadDigestsResponse> got = absl::InternalError("none");
    engine_->ReadDigests({}, request, [&](auto response) { got = std::move(response); });
    steps_->RunDue();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? got->answers(0) : exchange::v1::RangeAnswer();
  }
  // What is kept, counted up without a look at any order.
  DigestSum Kept(const std::string& giver, int level) {
    auto sums = engine_->store().reader().ReadShared(
        {.peer = peer_, .given = giver != peer_, .level = level, .bucket = 0}, kLargestOrderId >> level);
    DigestSum all;
    for (const auto& [bucket, sum] : *sums) all.Add(sum);
    return all;
  }
  workorder::v1::ResendResponse Resend(const std::string& handoff_id) {
    workorder::v1::ResendRequest request;
    request.set_peer(peer_);
    request.add_handoff_ids(handoff_id);
    absl::StatusOr<workorder::v1::ResendResponse> got = absl::InternalError("none");
    engine_->Resend({}, request, [&](auto response) { got = std::move(response); });
    Commit();
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : workorder::v1::ResendResponse();
  }

  // Hands everything that `from` owes to `to`, and the receipts back.
  static void Deliver(DigestSite& from, DigestSite& to) {
    workorder::v1::PullOutboxRequest pull;
    pull.set_peer(from.peer_);
    pull.set_after_sequence(-1);
    pull.set_limit(500);
    absl::StatusOr<workorder::v1::PullOutboxResponse> owed = absl::InternalError("none");
    from.engine_->PullOutbox({}, pull, [&](auto response) { owed = std::move(response); });
    from.Commit();
    ASSERT_TRUE(owed.ok()) << owed.status();
    if (owed->envelopes_size() == 0) return;
    workorder::v1::ApplyInboxRequest inbox;
    inbox.set_peer(to.peer_);
    *inbox.mutable_envelopes() = owed->envelopes();
    absl::StatusOr<workorder::v1::ApplyInboxResponse> applied = absl::InternalError("none");
    to.engine_->ApplyInbox({}, inbox, [&](auto response) { applied = std::move(response); });
    to.Commit();
    ASSERT_TRUE(applied.ok()) << applied.status();
    *pull.mutable_receipt() = applied->receipt();
    from.engine_->PullOutbox({}, pull, [](auto) {});
    from.Commit();
  }

 private:
  const std::string hotline_;
  const std::string peer_;
  test::Steps* const steps_;
  ScratchFolder folder_;
  std::unique_ptr<Engine> engine_;
  int requests_ = 0;
};

class DigestsTest : public testing::Test {
 protected:
  ~DigestsTest() override { steps_.Clear(); }

  void Settle() {
    for (int i = 0; i < 4; ++i) {
      DigestSite::Deliver(a_, b_);
      DigestSite::Deliver(b_, a_);
    }
  }
  static Command On(const std::string& order_id) {
    Command command;
    command.mutable_header()->set_order_id(order_id);
    return command;
  }
  // The order at the taker.
  std::string Twin(const std::string& handoff_id) {
    return FormatOrderId(b_.engine().store().reader().FindIdByHandoff(handoff_id)->value_or(0));
  }
  void ExpectAgreement() {
    const auto ours = a_.Digest("12345");
    const auto theirs = b_.Digest("12345");
    EXPECT_EQ(ours.whole().digest(), theirs.whole().digest());
    EXPECT_EQ(ours.whole().count(), theirs.whole().count());
    for (DigestSite* site : {&a_, &b_}) {
      const auto counted = site->Digest("12345", /*recount=*/true);
      for (const int level : kSharedLevels) {
        EXPECT_EQ(site->Kept("12345", level).Bytes(), counted.whole().digest()) << level;
        EXPECT_EQ(site->Kept("12345", level).count, counted.whole().count()) << level;
      }
    }
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  DigestSite a_{"12345", "110", &steps_};
  DigestSite b_{"110", "12345", &steps_};
};

TEST_F(DigestsTest, AnyHistoryLeavesBothSitesWithTheSumsThatACountFinds) {
  std::mt19937 random(20261124);
  std::vector<std::pair<std::string, std::string>> orders;  // id, handoff id
  for (int step = 0; step < 600; ++step) {
    steps_.clock()->Advance(absl::Seconds(static_cast<int64_t>(random() % 4000)));
    if (orders.empty() || random() % 4 == 0) {
      const auto pushed = a_.Push();
      ASSERT_TRUE(pushed.ok()) << pushed.status();
      orders.emplace_back(pushed->id(), pushed->handoff().id());
    } else if (random() % 3 == 0) {
      Settle();
    } else {
      auto& [id, handoff] = orders[random() % orders.size()];
      const bool at_taker = random() % 2 == 0;
      Command command = On(at_taker ? Twin(handoff) : id);
      switch (random() % 9) {
        case 0:
          command.mutable_acceptance();
          break;
        case 1:
          command.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
          command.mutable_handoff_return()->set_reason("不属于本单位职责");
          break;
        case 2:
          command.mutable_recall()->set_reason("误推");
          break;
        case 3:
          command.mutable_offer()->set_to_hotline("110");
          break;
        case 4:
          command.mutable_unit_dispatch()->set_lead_unit("street_lights");
          break;
        case 5:
          command.mutable_progress()->set_note("已到现场");
          break;
        case 6:
          command.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
          command.mutable_completion()->mutable_reply()->set_public_reply("已修复");
          break;
        case 7:
          command.mutable_closure();
          break;
        case 8:
          command.mutable_archival();
          break;
      }
      const auto done = (at_taker ? b_ : a_).Do(std::move(command));  // many are not legal
      if (done.ok() && !at_taker) handoff = done->handoff().id();
    }
  }
  Settle();
  EXPECT_GT(a_.Digest("12345").whole().count(), 100);
  ExpectAgreement();
}

// The taker has an order of every offer, for good.
TEST_F(DigestsTest, AnOrderOfferedTwelveTimesIsCountedAlikeAtBothSites) {
  const auto pushed = a_.Push();
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  Settle();
  for (int attempt = 2; attempt <= 12; ++attempt) {
    Command recall = On(pushed->id());
    recall.mutable_recall()->set_reason("误推");
    const auto recalled = a_.Do(std::move(recall));
    ASSERT_TRUE(recalled.ok()) << recalled.status();
    Settle();
    Command offer = On(pushed->id());
    offer.mutable_offer()->set_to_hotline("110");
    const auto offered = a_.Do(std::move(offer));
    ASSERT_TRUE(offered.ok()) << offered.status();
    ASSERT_EQ(offered->handoff().attempt(), attempt);
    Settle();
  }
  EXPECT_EQ(a_.Digest("12345").whole().count(), 12);
  ExpectAgreement();
  const auto ours = a_.Digest("12345", /*recount=*/true);
  const auto theirs = b_.Digest("12345", /*recount=*/true);
  EXPECT_EQ(ours.whole().count(), 12);
  EXPECT_EQ(ours.SerializeAsString(), theirs.SerializeAsString());
}

TEST_F(DigestsTest, PartsAndItemsAddUpToTheWholeAtEveryLevel) {
  for (int i = 0; i < 400; ++i) {
    if (i % 5 == 0) steps_.clock()->Advance(absl::Minutes(7));
    ASSERT_TRUE(a_.Push().ok());
  }
  Settle();
  std::vector<exchange::v1::DigestRange> open = {RangeAt("12345", 0, kAllIdsLevel)};
  int64_t items = 0;
  while (!open.empty()) {
    const auto range = open.back();
    open.pop_back();
    const auto answer = a_.Digest("12345", false, *LevelOf(range), range.first_order_id());
    EXPECT_EQ(answer.SerializeAsString(),
              a_.Digest("12345", true, *LevelOf(range), range.first_order_id()).SerializeAsString());
    DigestSum sum;
    for (const auto& part : answer.parts()) {
      sum.Add(DigestSum::Of(part.count(), part.digest()));
      open.push_back(part.range());
    }
    for (const auto& item : answer.items()) sum.Add(item.digest());
    EXPECT_EQ(sum, DigestSum::Of(answer.whole().count(), answer.whole().digest()));
    items += answer.items_size();
  }
  EXPECT_EQ(items, 400);
}

TEST_F(DigestsTest, WhatIsNotYetAcknowledgedIsInMotion) {
  ASSERT_TRUE(a_.Push().ok());
  ASSERT_EQ(a_.Digest("12345").items_size(), 1);
  EXPECT_TRUE(a_.Digest("12345").items(0).in_motion());
  EXPECT_EQ(b_.Digest("12345").items_size(), 0);
  Settle();
  EXPECT_FALSE(a_.Digest("12345").items(0).in_motion());
  ExpectAgreement();
}

TEST_F(DigestsTest, RefusesWhatIsNoRange) {
  workorder::v1::ReadDigestsRequest request;
  request.set_peer("110");
  *request.add_ranges() = RangeAt("999", 0, 40);
  absl::Status refused;
  a_.engine().ReadDigests({}, request, [&](auto response) { refused = response.status(); });
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_FIELD_INVALID);
  request.mutable_ranges(0)->set_giver("110");
  request.mutable_ranges(0)->set_last_order_id(77);
  a_.engine().ReadDigests({}, request, [&](auto response) { refused = response.status(); });
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_FIELD_INVALID);
  for (int i = 0; i < 256; ++i) *request.add_ranges() = RangeAt("110", 0, 40);
  a_.engine().ReadDigests({}, request, [&](auto response) { refused = response.status(); });
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_BATCH_TOO_LARGE);
}

TEST_F(DigestsTest, AnOfferThatThePeerLostIsSentAgainAndMadeAnew) {
  const auto pushed = a_.Push();
  ASSERT_TRUE(a_.Push().ok());
  Settle();
  const std::string handoff = pushed->handoff().id();
  b_.Damage(StrCat("DELETE FROM work_order WHERE id = ", *ParseOrderId(Twin(handoff))));
  ASSERT_EQ(b_.Digest("12345").items_size(), 1);
  EXPECT_EQ(a_.Resend(handoff).owed(), 1);
  Settle();
  EXPECT_EQ(b_.Digest("12345").items_size(), 2);
  EXPECT_EQ(b_.Kept("12345", 55).count, 3) << "the sums were not told of the loss";
  b_.Digest("12345", /*recount=*/true);
  b_.Commit();
  ExpectAgreement();
  EXPECT_EQ(a_.Resend("12345-0000000000000-1").skipped_size(), 1);
}

TEST_F(DigestsTest, TheHoldersViewIsInstalledAgain) {
  const auto pushed = a_.Push();
  Settle();
  const std::string handoff = pushed->handoff().id();
  const std::string twin = Twin(handoff);
  Command accept = On(twin);
  accept.mutable_acceptance();
  ASSERT_TRUE(b_.Do(accept).ok());
  EXPECT_EQ(a_.Resend(handoff).owed(), 1) << "as far as this site knows nobody has decided";
  EXPECT_EQ(b_.Resend(handoff).owed(), 1);
  Settle();
  ExpectAgreement();
  EXPECT_EQ(a_.Resend(handoff).skipped_size(), 1) << "the peer holds it";
  const int64_t events = a_.engine().head_sequence();
  EXPECT_EQ(b_.Resend(handoff).owed(), 1);
  Settle();
  EXPECT_EQ(a_.engine().head_sequence(), events) << "what agrees is not installed twice";
}

}  // namespace
}  // namespace hotline::work_order
