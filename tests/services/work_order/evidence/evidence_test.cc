// What the collector finds in a store, by whether the evidence made of it verifies.
#include "services/work_order/evidence.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/crypto/statement.h"
#include "common/error/error.h"
#include "common/evidence/verify.h"
#include "hotline/evidence/v1/evidence.pb.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

using evidence::Verdict;

constexpr char kContent[] = "content of the order";
constexpr char kSalt[] = "salt-salt-salt-s";

// Lets something happen right before each reading of an order.
class Disturbed : public Reader {
 public:
  Disturbed(Reader* real, std::function<void()> happens) : real_(real), happens_(std::move(happens)) {}
  absl::StatusOr<std::optional<type::v1::WorkOrder>> FindOrder(int64_t id) override {
    happens_();
    return real_->FindOrder(id);
  }
  absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) override {
    return real_->FindIdByNumber(number);
  }
  absl::StatusOr<std::optional<int64_t>> FindIdByHandoff(std::string_view handoff_id) override {
    return real_->FindIdByHandoff(handoff_id);
  }
  absl::StatusOr<std::string> FindContent(int64_t id) override { return real_->FindContent(id); }
  absl::StatusOr<std::vector<type::v1::WorkOrder>> List(const workorder::v1::ListFilter& filter,
                                                        int64_t before_id, const ListBounds& bounds,
                                                        int64_t* next) override {
    return real_->List(filter, before_id, bounds, next);
  }
  absl::StatusOr<std::vector<EventRow>> ReadEvents(int64_t start, int limit) override {
    return real_->ReadEvents(start, limit);
  }
  absl::StatusOr<std::vector<EnvelopeRow>> ReadOutbox(const LaneKey& key, int64_t after, int limit) override {
    return real_->ReadOutbox(key, after, limit);
  }
  absl::StatusOr<std::vector<EnvelopeRow>> ReadInbox(const LaneKey& key, int64_t after, int limit) override {
    return real_->ReadInbox(key, after, limit);
  }
  absl::StatusOr<std::vector<exchange::v1::SignedBatch>> ReadBatches(const LaneKey& key, int64_t first,
                                                                     int64_t last) override {
    return real_->ReadBatches(key, first, last);
  }
  absl::StatusOr<std::optional<exchange::v1::LinkReceipt>> FindReceipt(const LaneKey& key,
                                                                       int64_t sequence) override {
    return real_->FindReceipt(key, sequence);
  }
  absl::StatusOr<std::vector<LinkRow>> Links() override { return real_->Links(); }
  absl::StatusOr<std::optional<RequestRow>> FindRequest(std::string_view request_id) override {
    return real_->FindRequest(request_id);
  }
  absl::StatusOr<Heads> ReadHeads() override { return real_->ReadHeads(); }
  absl::StatusOr<std::vector<type::v1::WorkOrder>> OrdersBetween(int64_t first, int64_t last,
                                                                 int limit) override {
    return real_->OrdersBetween(first, last, limit);
  }
  absl::StatusOr<std::vector<std::pair<std::string, int64_t>>> HandoffsBetween(std::string_view first,
                                                                               std::string_view end,
                                                                               int limit) override {
    return real_->HandoffsBetween(first, end, limit);
  }
  absl::StatusOr<std::vector<std::pair<int64_t, std::string>>> FindEnvelopes(const LaneKey& key,
                                                                             bool incoming, int64_t order_id,
                                                                             int64_t after,
                                                                             int limit) override {
    return real_->FindEnvelopes(key, incoming, order_id, after, limit);
  }
  absl::StatusOr<std::vector<int64_t>> OutboxOrders(const LaneKey& key, int64_t after, int limit) override {
    return real_->OutboxOrders(key, after, limit);
  }
  absl::StatusOr<std::map<int64_t, DigestSum>> ReadShared(const SharedKey& first, int64_t last) override {
    return real_->ReadShared(first, last);
  }
  absl::StatusOr<std::vector<type::v1::WorkOrder>> ScanOrders(int64_t after_id, int limit) override {
    return real_->ScanOrders(after_id, limit);
  }
  absl::StatusOr<std::vector<int64_t>> FindStrays(absl::Time before, int limit, int64_t* after) override {
    return real_->FindStrays(before, limit, after);
  }
  absl::StatusOr<std::vector<int64_t>> HeldOrders(int limit) override { return real_->HeldOrders(limit); }

 private:
  Reader* const real_;
  const std::function<void()> happens_;
};

// A site 12345 whose order was handed to 110 in the middle of much other traffic.
class CollectorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hotline-collector-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = new std::string(pattern);
    ASSERT_EQ(system((HOTLINE_SOURCE_DIR "/deploy/keys/make --id a --dir " + pattern + " 12345 110 > " +
                      pattern + "/log 2>&1")
                         .c_str()),
              0);
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*folder_);
    delete folder_;
  }
  static crypto::Signer Key(const std::string& party) {
    auto signer = crypto::Signer::Load("a", StrCat(*folder_, "/", party, "/a.key"));
    EXPECT_TRUE(signer.ok()) << signer.status();
    return *signer;
  }

  void SetUp() override {
    ASSERT_TRUE(ring_.Add("12345", "a", own_.public_key()).ok());
    ASSERT_TRUE(ring_.Add("110", "a", peer_.public_key()).ok());
    data_ = StrCat(*folder_, "/", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    absl::StatusOr<std::unique_ptr<Store>> store = Store::Open({.directory = data_, .hotline = "12345"});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    ASSERT_TRUE(store_->Begin().ok());
    id_ = FirstOrderIdAt(now_);
    received_as_ = id_;
    others_as_ = id_ + 1;
    handoff_ = StrCat("12345-", FormatOrderId(id_), "-1");
  }

  // An envelope at the end of a lane, of the order or of somebody else's.
  void Append(bool incoming, exchange::v1::EnvelopeKind kind, std::string body, bool own) {
    LinkRow& link = link_;
    EnvelopeRow row;
    exchange::v1::Envelope& envelope = row.envelope;
    envelope.set_sequence((incoming ? link.incoming_sequence : link.outgoing_sequence) + 1);
    envelope.set_handoff_id(own ? handoff_ : StrCat("110-OTHER-", envelope.sequence()));
    envelope.set_kind(kind);
    envelope.set_body(std::move(body));
    envelope.set_previous_hash(incoming ? link.incoming_hash : link.outgoing_hash);
    envelope.set_hash(EnvelopeHash(envelope));
    row.order_id = !own ? others_as_ : incoming ? received_as_ : id_;
    row.commit_time = now_;
    if (incoming) {
      link.incoming_sequence = envelope.sequence();
      link.incoming_hash = envelope.hash();
      link.incoming_time = now_;
      ASSERT_TRUE(store_->AppendInbox(link.key, row, "").ok());
    } else {
      link.outgoing_sequence = envelope.sequence();
      link.outgoing_hash = envelope.hash();
      const bool offer = kind == exchange::v1::ENVELOPE_KIND_OFFER;
      ASSERT_TRUE(store_->AppendOutbox(link.key, row, offer ? kContent : "").ok());
    }
  }
  void Others(bool incoming, int count) {
    for (int i = 0; i < count; ++i) {
      now_ += absl::Seconds(30);
      Append(incoming, exchange::v1::ENVELOPE_KIND_MIRROR, "other", false);
    }
  }
  // The peer signs a batch of its last `count` envelopes; `previous` is the hash before them.
  void SignBatch(int count, const std::string& previous) {
    exchange::v1::BatchStatement statement;
    statement.set_from_hotline("110");
    statement.set_to_hotline("12345");
    statement.set_lane(link_.key.lane);
    statement.set_first_sequence(link_.incoming_sequence - count + 1);
    statement.set_last_sequence(link_.incoming_sequence);
    statement.set_previous_hash(previous);
    statement.set_head_hash(link_.incoming_hash);
    *statement.mutable_send_time() = ToTimestamp(now_);
    exchange::v1::SignedBatch batch;
    batch.set_statement(statement.SerializeAsString());
    *batch.mutable_signature() = *crypto::SignStatement(peer_, crypto::kBatchDomain, batch.statement());
    ASSERT_TRUE(
        store_->PutBatch(link_.key, statement.first_sequence(), statement.last_sequence(), batch).ok());
  }
  void SignReceipt() {
    exchange::v1::ReceiptStatement statement;
    statement.set_from_hotline("110");
    statement.set_to_hotline("12345");
    statement.set_lane(link_.key.lane);
    statement.set_received_through(link_.outgoing_sequence);
    statement.set_head_hash(link_.outgoing_hash);
    *statement.mutable_receive_time() = ToTimestamp(now_);
    exchange::v1::LinkReceipt receipt;
    receipt.set_received_through(link_.outgoing_sequence);
    receipt.set_head_hash(link_.outgoing_hash);
    receipt.set_statement(statement.SerializeAsString());
    *receipt.mutable_signature() = *crypto::SignStatement(peer_, crypto::kReceiptDomain, receipt.statement());
    ASSERT_TRUE(store_->PutReceipt(link_.key, receipt).ok());
  }
  void Event(type::v1::Event event, type::v1::OrderState state, const std::string& holder, int64_t epoch) {
    for (int i = 0; i < 3; ++i) AppendEvent("other");
    event.set_sequence(sequence_ + 1);
    event.set_order_id(order_.id());
    event.set_order_number(order_.number());
    event.set_order_version(order_.version() + 1);
    event.set_previous_order_sequence(order_.last_event_sequence());
    event.set_state_before(order_.state());
    event.set_state(state);
    order_.mutable_custody()->set_holder(holder);
    order_.mutable_custody()->set_epoch(epoch);
    *event.mutable_custody() = order_.custody();
    order_.set_version(event.order_version());
    order_.set_state(state);
    AppendEvent(event.SerializeAsString());
    order_.set_last_event_sequence(sequence_);
    *order_.mutable_update_time() = ToTimestamp(now_);
  }
  void AppendEvent(const std::string& bytes) {
    hash_ = EventHash(hash_, bytes);
    ASSERT_TRUE(store_->AppendEvent(++sequence_, bytes, hash_).ok());
  }

  // The whole story: registered, offered, received, understood, accepted by 110.
  void Tell() {
    order_.set_id(FormatOrderId(id_));
    order_.set_number("12345-20261123-000001");
    *order_.mutable_register_time() = ToTimestamp(now_);
    order_.set_urgency(type::v1::URGENCY_NORMAL);
    type::v1::Handoff& handoff = *order_.mutable_handoff();
    handoff.set_id(handoff_);
    handoff.set_from_hotline("12345");
    handoff.set_to_hotline("110");
    type::v1::Event event;
    event.set_handoff_id(handoff_);
    type::v1::OfferedDetail& offered = *event.mutable_offered();
    offered.mutable_registered()->set_content_digest(Sha256({kSalt, kContent}));
    offered.mutable_handoff()->set_id(handoff_);
    Event(event, type::v1::ORDER_STATE_OFFERED, "12345", 1);
    // The content of an offer is kept with the order, so that is there first.
    ASSERT_TRUE(store_->InsertOrder(id_, order_, kContent, "").ok());
    exchange::v1::OfferBody offer;
    offer.mutable_handoff()->set_id(handoff_);
    offer.set_content_salt(kSalt);
    Append(false, exchange::v1::ENVELOPE_KIND_OFFER,
           OfferBodyWithContent(offer.SerializeAsString(), kContent), true);
    Others(false, 5);
    SignReceipt();
    event.set_mirrored(true);
    event.mutable_actor()->set_hotline("110");
    event.mutable_received()->set_handoff_id(handoff_);
    *event.mutable_received()->mutable_receive_time() = ToTimestamp(now_);
    Event(event, type::v1::ORDER_STATE_RECEIVED, "12345", 1);
    const std::string previous = link_.incoming_hash;
    Others(true, 2);
    Append(true, exchange::v1::ENVELOPE_KIND_UNDERSTOOD, "", true);
    event.mutable_understood()->mutable_handoff()->set_id(handoff_);
    *event.mutable_understood()->mutable_handoff()->mutable_understand_time() = ToTimestamp(now_);
    event.set_received_sequence(link_.incoming_sequence);
    Event(event, type::v1::ORDER_STATE_UNDERSTOOD, "12345", 1);
    Others(true, 2);
    exchange::v1::MirrorBody mirror;
    mirror.set_state(type::v1::ORDER_STATE_ACCEPTED);
    mirror.mutable_custody()->set_holder("110");
    mirror.mutable_custody()->set_epoch(2);
    mirror.mutable_event()->mutable_accepted();
    Append(true, exchange::v1::ENVELOPE_KIND_MIRROR, mirror.SerializeAsString(), true);
    SignBatch(6, previous);
    event.mutable_accepted()->set_handoff_id(handoff_);
    event.set_received_sequence(link_.incoming_sequence);
    Event(event, type::v1::ORDER_STATE_ACCEPTED, "110", 2);
    ASSERT_TRUE(store_->UpdateOrder(id_, order_).ok());
  }
  // 110 tells how far it is.
  void Report() {
    now_ += absl::Seconds(1);
    const std::string previous = link_.incoming_hash;
    exchange::v1::MirrorBody mirror;
    mirror.set_state(type::v1::ORDER_STATE_IN_PROGRESS);
    *mirror.mutable_custody() = order_.custody();
    mirror.mutable_event()->mutable_progressed()->set_note("正在办理");
    Append(true, exchange::v1::ENVELOPE_KIND_MIRROR, mirror.SerializeAsString(), true);
    SignBatch(1, previous);
    type::v1::Event event = mirror.event();
    event.set_handoff_id(handoff_);
    event.set_mirrored(true);
    event.mutable_actor()->set_hotline("110");
    event.set_received_sequence(link_.incoming_sequence);
    Event(event, mirror.state(), "110", 2);
    ASSERT_TRUE(store_->UpdateOrder(id_, order_).ok());
  }
  void Commit() {
    ASSERT_TRUE(store_->PutLink(link_).ok());
    ASSERT_TRUE(store_->Commit().ok());
  }

  // Steps that it took are in `*steps`.
  evidence::EvidenceParts Collect(int* steps) {
    absl::StatusOr<std::unique_ptr<Reader>> reader = store_->NewReader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    EvidenceCollector collector(reader->get(), "12345", id_, now_ + absl::Hours(24));
    for (*steps = 1;; ++*steps) {
      const absl::StatusOr<bool> complete = collector.Step();
      EXPECT_TRUE(complete.ok()) << complete.status();
      if (!complete.ok() || *complete) return collector.parts();
    }
  }
  std::string Faults(const evidence::EvidenceParts& parts) {
    const absl::StatusOr<std::string> file = evidence::BuildEvidence(parts, ring_, own_);
    EXPECT_TRUE(file.ok()) << file.status();
    std::string text;
    const evidence::EvidenceReport report = evidence::VerifyEvidence(*file, ring_);
    for (const evidence::Check& check : report.checks) {
      if (check.verdict == Verdict::kOk) continue;
      text += StrCat(check.what.english, " | ", check.where, " | ", check.why.english, "\n");
    }
    return text;
  }

  static std::string* folder_;
  const crypto::Signer own_ = Key("12345");
  const crypto::Signer peer_ = Key("110");
  crypto::KeyRing ring_;
  std::string data_;
  std::unique_ptr<Store> store_;
  absl::Time now_ = absl::FromUnixSeconds(1'795'392'000);
  int64_t id_ = 0;
  // Orders that envelopes are stored with: what 110 sends of the order, and others'.
  int64_t received_as_ = 0;
  int64_t others_as_ = 0;
  std::string handoff_;
  type::v1::WorkOrder order_;
  LinkRow link_ = LinkRow::New({.peer = "110", .lane = exchange::v1::LANE_ORDINARY});
  int64_t sequence_ = 0;
  std::string hash_ = ChainStart();
};
std::string* CollectorTest::folder_ = nullptr;

TEST_F(CollectorTest, FindsAllInTheMidstOfOthers) {
  Others(false, 900);
  Others(true, 700);
  Tell();
  Others(false, 900);
  Others(true, 300);
  AppendEvent("other");
  Commit();
  int steps = 0;
  const evidence::EvidenceParts parts = Collect(&steps);
  EXPECT_EQ(Faults(parts), "");
  ASSERT_EQ(parts.lanes.size(), 2u);
  EXPECT_EQ(parts.lanes[0].envelopes.size(), 6u);
  EXPECT_EQ(parts.lanes[1].envelopes.size(), 6u);
  EXPECT_EQ(parts.events.size(), 4u);
  EXPECT_EQ(parts.head_sequence, sequence_);
  // It did not walk through the whole of both lanes.
  EXPECT_LE(steps, 8);
}

// The first of many went to another peer, whose lane holds what proves it.
TEST_F(CollectorTest, FindsTheFirstOfManyOffers) {
  Tell();
  type::v1::Handoff last = order_.handoff();
  const LinkRow link = link_;
  link_ = LinkRow::New({.peer = "119", .lane = exchange::v1::LANE_ORDINARY});
  Append(false, exchange::v1::ENVELOPE_KIND_OFFER, OfferBodyWithContent("", kContent), true);
  ASSERT_TRUE(store_->PutLink(link_).ok());
  link_ = link;
  for (int attempt = 1; attempt <= 10; ++attempt) {
    type::v1::Handoff& handoff = *order_.mutable_handoff();
    handoff.set_id(StrCat("12345-", order_.id(), "-", attempt));
    handoff.set_attempt(attempt);
    handoff.set_from_hotline("12345");
    handoff.set_to_hotline(attempt == 1 ? "119" : "110");
    *handoff.mutable_end_time() = ToTimestamp(now_);
    KeepPastHandoff(&order_);
  }
  last.set_attempt(11);
  *order_.mutable_handoff() = std::move(last);
  ASSERT_TRUE(store_->UpdateOrder(id_, order_).ok());
  Commit();
  int steps = 0;
  const evidence::EvidenceParts parts = Collect(&steps);
  const auto lane = std::find_if(parts.lanes.begin(), parts.lanes.end(),
                                 [](const evidence::LanePart& one) { return one.to_hotline == "119"; });
  ASSERT_NE(lane, parts.lanes.end());
  EXPECT_EQ(lane->envelopes.size(), 1u);
}

TEST_F(CollectorTest, WhatComesAfterTheOrderWasReadIsLeftOut) {
  Tell();
  Commit();
  absl::StatusOr<std::unique_ptr<Reader>> reader = store_->NewReader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EvidenceCollector collector(reader->get(), "12345", id_, now_ + absl::Hours(24));
  ASSERT_TRUE(collector.Step().ok());  // its events
  // Committed with an event that is not among those.
  ASSERT_TRUE(store_->Begin().ok());
  Append(true, exchange::v1::ENVELOPE_KIND_MIRROR, "mirror", true);
  Commit();
  absl::StatusOr<bool> complete = collector.Step();
  while (complete.ok() && !*complete) complete = collector.Step();
  ASSERT_TRUE(complete.ok()) << complete.status();
  ASSERT_EQ(collector.parts().lanes.size(), 2u);
  EXPECT_EQ(collector.parts().lanes[1].envelopes.size(), 6u);
  EXPECT_EQ(Faults(collector.parts()), "");
}

// While an order is read it can move; then it is read again, until links and order are of one instant.
TEST_F(CollectorTest, ReadsOnceMoreWhatMovedMeanwhile) {
  Tell();
  Commit();
  absl::StatusOr<std::unique_ptr<Reader>> reader = store_->NewReader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  int moves = 0;
  Disturbed disturbed(reader->get(), [&] {
    if (moves == 2) return;
    ++moves;
    ASSERT_TRUE(store_->Begin().ok());
    Report();
    Commit();
  });
  EvidenceCollector collector(&disturbed, "12345", id_, now_ + absl::Hours(24));
  absl::StatusOr<bool> complete = collector.Step();
  while (complete.ok() && !*complete) complete = collector.Step();
  ASSERT_TRUE(complete.ok()) << complete.status();
  ASSERT_EQ(moves, 2);
  EXPECT_EQ(collector.parts().events.size(), 6u);
  ASSERT_EQ(collector.parts().lanes.size(), 2u);
  EXPECT_EQ(collector.parts().lanes[1].envelopes.size(), 8u) << "none of an event without its envelope";
  EXPECT_EQ(Faults(collector.parts()), "");
}

// A handoff may have had no order when an envelope of it came.
TEST_F(CollectorTest, LooksThroughWhatIsOfNoOrderInSlices) {
  received_as_ = others_as_ = 0;
  Others(false, 1000);
  Tell();
  Others(false, 1000);
  Commit();
  int steps = 0;
  const evidence::EvidenceParts parts = Collect(&steps);
  EXPECT_EQ(Faults(parts), "");
  ASSERT_EQ(parts.lanes.size(), 2u);
  EXPECT_EQ(parts.lanes[0].envelopes.size(), 6u);
  EXPECT_EQ(parts.lanes[1].envelopes.size(), 6u);
  EXPECT_GE(steps, 8);
}

// One that was stamped by it ended the search, or hid what came before.
TEST_F(CollectorTest, FindsAllThoughTheClockLeapt) {
  for (const bool incoming : {false, true}) {
    Others(incoming, 3);
    now_ += absl::Hours(24) * 300;
    Others(incoming, 1);
    now_ -= absl::Hours(24) * 300;
  }
  Tell();
  Commit();
  int steps = 0;
  const evidence::EvidenceParts parts = Collect(&steps);
  EXPECT_EQ(Faults(parts), "");
  ASSERT_EQ(parts.lanes.size(), 2u);
  EXPECT_EQ(parts.lanes[0].envelopes.size(), 6u);
  EXPECT_EQ(parts.lanes[1].envelopes.size(), 6u);
}

// By `reconcile --repair`.
TEST_F(CollectorTest, FindsWhatWasToldAgainLongAfterTheLastChange) {
  Tell();
  now_ += absl::Hours(240);
  Append(false, exchange::v1::ENVELOPE_KIND_MIRROR, "again", true);
  Commit();
  int steps = 0;
  const evidence::EvidenceParts parts = Collect(&steps);
  ASSERT_EQ(parts.lanes.size(), 2u);
  ASSERT_EQ(parts.lanes[0].envelopes.size(), 7u);
  EXPECT_EQ(parts.lanes[0].envelopes.back().envelope.body(), "again");
}

TEST_F(CollectorTest, SaysWhatIsNotProven) {
  Tell();
  now_ += absl::Seconds(1);
  Append(true, exchange::v1::ENVELOPE_KIND_MIRROR, "mirror", true);
  *order_.mutable_update_time() = ToTimestamp(now_);
  ASSERT_TRUE(store_->UpdateOrder(id_, order_).ok());
  Commit();
  int steps = 0;
  EXPECT_EQ(Faults(Collect(&steps)), "batch | 110 → 12345 ordinary #7 | no batch signed by 110 covers it\n");
}

// Rather than a file that nobody can check, or a process without memory.
TEST_F(CollectorTest, SaysThatAPeerWroteMoreThanAFileHolds) {
  Tell();
  type::v1::Event event;
  event.set_mirrored(true);
  event.mutable_progressed()->set_note(std::string(250 << 10, 'x'));
  for (int i = 0; i < 270; ++i) Event(event, type::v1::ORDER_STATE_IN_PROGRESS, "110", 2);
  ASSERT_TRUE(store_->UpdateOrder(id_, order_).ok());
  Commit();
  absl::StatusOr<std::unique_ptr<Reader>> reader = store_->NewReader();
  ASSERT_TRUE(reader.ok());
  EvidenceCollector collector(reader->get(), "12345", id_, now_);
  EXPECT_EQ(error::ReasonOf(collector.Step().status()), error::Reason::ERROR_REASON_EVIDENCE_TOO_LARGE);
}

TEST_F(CollectorTest, ReportsAnOrderThatIsNotThere) {
  Commit();
  absl::StatusOr<std::unique_ptr<Reader>> reader = store_->NewReader();
  ASSERT_TRUE(reader.ok());
  EvidenceCollector collector(reader->get(), "12345", id_, now_);
  EXPECT_EQ(error::ReasonOf(collector.Step().status()), error::Reason::ERROR_REASON_ORDER_NOT_FOUND);
}

}  // namespace
}  // namespace hotline::work_order
