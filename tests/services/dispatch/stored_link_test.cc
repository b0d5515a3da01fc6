// A link on a transport that stores and forwards: Deliver answers before the peer has anything.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>

#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "services/dispatch/link.h"
#include "services/dispatch/service.h"
#include "tests/services/dispatch/fakes.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

struct StoringPeer : FakePeer {
  bool store_and_forward() const override { return true; }
  absl::Time known_time() const override { return heard; }
  void OnReceipt(exchange::v1::Lane lane, std::function<void(exchange::v1::LinkReceipt)> told) override {
    on_receipt[lane] = std::move(told);
  }
  absl::Time heard = absl::InfinitePast();
  std::map<exchange::v1::Lane, std::function<void(exchange::v1::LinkReceipt)>> on_receipt;
};

class StoredLinkTest : public testing::Test {
 protected:
  StoredLinkTest() {
    LinkOptions options;
    options.hotline = "12345";
    options.peer = "110";
    options.resend_after = absl::Seconds(60);
    link_ = std::make_unique<Link>(&ledger_, &peer_, &notary_, &way_, &steps_, steps_.clock(), options);
    link_->Start();
    steps_.RunDue();
  }
  ~StoredLinkTest() override { steps_.Clear(); }

  // No bundle of the peer has been read.
  void GreetUnheard() {
    exchange::v1::GetLinkResponse response = Standing();
    for (exchange::v1::LanePosition& position : *response.mutable_lanes()) position.clear_incoming();
    Take(peer_.questions).done(std::move(response));
  }
  // Stored; the peer is known to have everything up to `known`, or nothing is known of it.
  void Store(std::optional<int64_t> known) {
    exchange::v1::DeliverResponse response;
    if (known.has_value()) response.mutable_receipt()->set_received_through(*known);
    Take(peer_.deliveries).done(std::move(response));
  }
  // A bundle of the peer has been read.
  void Hear(int64_t through) {
    exchange::v1::LinkReceipt receipt;
    receipt.set_lane(exchange::v1::LANE_ORDINARY);
    receipt.set_received_through(through);
    peer_.on_receipt.at(exchange::v1::LANE_ORDINARY)(std::move(receipt));
    steps_.RunDue();
  }
  // work_order hands out what comes after what it was asked for; the request is returned.
  workorder::v1::PullOutboxRequest HandOut(int count) {
    auto pull = Take(ledger_.pulls);
    workorder::v1::PullOutboxResponse response;
    const int64_t after = std::max<int64_t>(pull.request.after_sequence(), 0);
    response.set_outgoing_sequence(after + count);
    response.set_acknowledged_through(pull.request.receipt().received_through());
    for (int i = 1; i <= count; ++i) response.add_envelopes()->set_sequence(after + i);
    pull.done(std::move(response));
    return pull.request;
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  RightOfWay way_{&steps_, steps_.clock()};
  FakeLedger ledger_;
  StoringPeer peer_;
  const Notary notary_{"12345", {}, {}};
  std::unique_ptr<Link> link_;
};

TEST_F(StoredLinkTest, HandsOverBeforeThePeerWasEverHeard) {
  GreetUnheard();
  EXPECT_TRUE(link_->health().up);
  EXPECT_EQ(HandOut(3).after_sequence(), -1);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  Store(std::nullopt);
  EXPECT_TRUE(link_->health().up);
  const workorder::v1::PullOutboxRequest next = HandOut(2);
  EXPECT_EQ(next.after_sequence(), 3) << "not the same again";
  EXPECT_FALSE(next.has_receipt());
  Store(std::nullopt);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 5);
  EXPECT_EQ(link_->health().acknowledged, 0);
}

TEST_F(StoredLinkTest, RecordsReceiptsThatLieBehind) {
  GreetUnheard();
  HandOut(5);
  Store(std::nullopt);
  HandOut(5);
  Store(3);
  const workorder::v1::PullOutboxRequest request = HandOut(0);
  EXPECT_EQ(request.receipt().received_through(), 3);
  EXPECT_EQ(request.after_sequence(), 10);
  EXPECT_EQ(link_->health().acknowledged, 3);
}

// It once waited until work_order had had nothing to hand out for five seconds.
TEST_F(StoredLinkTest, AReceiptThatComesOfItselfIsRecordedAtOnce) {
  GreetUnheard();
  HandOut(3);
  Store(std::nullopt);
  std::optional<ReceiptOutcome> outcome;
  link_->AwaitReceipt(3, steps_.clock()->Now() + absl::Seconds(9), true,
                      [&](ReceiptOutcome o) { outcome = o; });
  auto waiting = Take(ledger_.pulls);
  EXPECT_FALSE(waiting.request.has_receipt());
  Hear(3);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.receipt().received_through(), 3);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 3);
  // The poll that was given up is answered all the same.
  workorder::v1::PullOutboxResponse late;
  late.set_outgoing_sequence(4);
  late.add_envelopes()->set_sequence(4);
  waiting.done(std::move(late));
  EXPECT_TRUE(peer_.deliveries.empty()) << "one step at a time";
  EXPECT_FALSE(outcome.has_value()) << "not before work_order has it";
  HandOut(1);
  EXPECT_EQ(outcome, ReceiptOutcome::kReceived);
  EXPECT_EQ(link_->health().acknowledged, 3);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes(0).sequence(), 4);
}

TEST_F(StoredLinkTest, AReceiptThatComesDuringAStepIsRecordedAfterIt) {
  GreetUnheard();
  HandOut(3);
  Hear(1);
  EXPECT_TRUE(ledger_.pulls.empty());
  Store(std::nullopt);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.receipt().received_through(), 1);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 3);
  // Nor does one that comes while another is recorded put that off.
  Hear(3);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  HandOut(0);
  EXPECT_EQ(link_->health().acknowledged, 1);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.receipt().received_through(), 3);
  link_->Stop();
  Hear(2);
  EXPECT_EQ(ledger_.pulls.size(), 1u);
}

// The peer's refusal comes by files, and so with the answer to whatever is handed over next.
TEST_F(StoredLinkTest, WhatWasTooLargeGoesAgainInHalves) {
  GreetUnheard();
  HandOut(6);
  Store(std::nullopt);
  HandOut(0);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_TRUE(peer_.deliveries.front().request.envelopes().empty());
  Take(peer_.deliveries)
      .done(
          error::BadField(error::Reason::ERROR_REASON_BATCH_TOO_LARGE, "envelopes", "has too much", "超过"));
  EXPECT_TRUE(link_->health().up);
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.limit(), 3);
  EXPECT_EQ(HandOut(3).after_sequence(), -1);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes_size(), 3);
}

// On a carried disk `resend_after` is days.
TEST_F(StoredLinkTest, WhatThePeerRefusedGoesAgainWithoutWaitingForItsReceipt) {
  link_->Stop();
  steps_.Clear();
  peer_.questions.clear();
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  options.resend_after = absl::Hours(48);
  link_ = std::make_unique<Link>(&ledger_, &peer_, &notary_, &way_, &steps_, steps_.clock(), options);
  link_->Start();
  steps_.RunDue();
  GreetUnheard();
  HandOut(3);
  Store(std::nullopt);
  // A full directory is none of the peer's doing.
  HandOut(0);
  Take(peer_.deliveries).done(error::Overloaded("spool", absl::ZeroDuration()));
  steps_.Advance(absl::Seconds(1));
  GreetUnheard();
  EXPECT_EQ(HandOut(0).after_sequence(), 3);
  Take(peer_.deliveries).done(error::SignatureInvalid("12345", "old", "has ended", "已失效"));
  EXPECT_FALSE(link_->health().up);
  steps_.Advance(absl::Seconds(59));
  EXPECT_TRUE(peer_.questions.empty()) << "not as fast as files are copied";
  steps_.Advance(absl::Seconds(1));
  ASSERT_EQ(peer_.questions.size(), 1u);
  GreetUnheard();
  EXPECT_FALSE(link_->health().up);
  EXPECT_EQ(HandOut(3).after_sequence(), -1);
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes_size(), 3);
  Store(std::nullopt);
  EXPECT_TRUE(link_->health().up);
}

TEST_F(StoredLinkTest, HandsOverAgainWhatBringsNoReceipt) {
  GreetUnheard();
  HandOut(5);
  Store(2);
  HandOut(0);  // records the receipt
  steps_.clock()->Advance(absl::Seconds(50));
  HandOut(0);
  Store(2);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 5) << "not yet";
  steps_.clock()->Advance(absl::Seconds(20));
  HandOut(0);
  Store(2);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 2);
  HandOut(3);
  EXPECT_EQ(peer_.deliveries.front().request.envelopes(0).sequence(), 3);
  Store(2);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), 5) << "once for each wait";
}

TEST_F(StoredLinkTest, HandsOverAgainEvenIfNothingWasEverHeard) {
  GreetUnheard();
  HandOut(5);
  Store(std::nullopt);
  steps_.clock()->Advance(absl::Seconds(70));
  HandOut(0);
  Store(std::nullopt);
  EXPECT_EQ(ledger_.pulls.front().request.after_sequence(), -1);
}

TEST(StoredLinkStatusTest, ListLinksTellsWhatCarriesThem) {
  test::Steps steps(absl::FromUnixSeconds(1'795'000'000));
  FakeLedger ledger;
  StoringPeer stored;
  FakePeer connected;
  stored.heard = absl::FromUnixSeconds(1'794'000'000);
  const Notary notary("12345", {}, {});
  DispatchOptions options;
  options.hotline = "12345";
  DispatchService service(&ledger, std::map<std::string, Peer*>{{"110", &stored}, {"119", &connected}},
                          &notary, &steps, steps.clock(), options);
  service.Start();
  steps.RunDue();
  absl::StatusOr<v1::ListLinksResponse> answer = absl::UnknownError("not answered");
  service.ListLinks(CallContext(), {}, [&](auto response) { answer = std::move(response); });
  workorder::v1::ListLinkCursorsResponse cursors;
  for (const char* peer : {"110", "119"}) {
    workorder::v1::LinkCursor& cursor = *cursors.add_links();
    cursor.set_peer(peer);
    cursor.set_lane(exchange::v1::LANE_ORDINARY);
    cursor.mutable_acknowledge_time()->set_seconds(1'793'000'000);
  }
  Take(ledger.cursors).done(std::move(cursors));
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->links_size(), 2);
  EXPECT_EQ(answer->links(0).transport(), v1::LINK_TRANSPORT_SPOOL);
  EXPECT_EQ(answer->links(0).peer_known_time().seconds(), 1'794'000'000);
  EXPECT_EQ(answer->links(1).transport(), v1::LINK_TRANSPORT_GRPC);
  EXPECT_EQ(answer->links(1).peer_known_time().seconds(), 1'793'000'000);
  steps.Clear();
}

}  // namespace
}  // namespace hotline::dispatch
