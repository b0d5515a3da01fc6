// Evidence made from parts and checked as a third person would, whole and altered.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/crypto/statement.h"
#include "common/evidence/build.h"
#include "common/evidence/verify.h"
#include "common/exchange/chain.h"
#include "hotline/evidence/v1/evidence.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "tests/support/made_keys.h"

namespace hotline::evidence {
namespace {

constexpr char kOwn[] = "12345";
constexpr char kPeer[] = "110";
constexpr char kOrder[] = "12345-20261123-000007";
constexpr char kOrderId[] = "0001K2B3C4D5E";
constexpr char kHandoff[] = "12345-0001K2B3C4D5E-1";
constexpr char kTheirNumber[] = "110-20261123-000009";
constexpr exchange::v1::Lane kLane = exchange::v1::LANE_ORDINARY;

absl::Time At(int second) { return absl::FromUnixSeconds(1'795'000'000 + second); }

// One direction of a lane that carries other people's envelopes too.
class LaneMaker {
 public:
  LaneMaker(std::string from, std::string to, const crypto::Signer* sender, const crypto::Signer* receiver)
      : sender_(sender), receiver_(receiver) {
    part_.from_hotline = std::move(from);
    part_.to_hotline = std::move(to);
    part_.lane = kLane;
  }

  void Add(exchange::v1::EnvelopeKind kind, const std::string& handoff, const std::string& body, bool own) {
    exchange::v1::Envelope envelope;
    envelope.set_sequence(static_cast<int64_t>(part_.envelopes.size()) + 1);
    envelope.set_handoff_id(handoff);
    envelope.set_kind(kind);
    envelope.set_body(body);
    envelope.set_seen_sequence(3);
    envelope.set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    envelope.set_previous_hash(part_.envelopes.empty() ? LaneStart(kLane)
                                                       : part_.envelopes.back().envelope.hash());
    envelope.set_hash(EnvelopeHash(envelope));
    part_.envelopes.push_back({std::move(envelope), own});
  }
  void AddOthers(int count) {
    for (int i = 0; i < count; ++i) {
      Add(exchange::v1::ENVELOPE_KIND_MIRROR, StrCat("110-OTHER-", part_.envelopes.size()), "other", false);
    }
  }
  void Sign(int64_t first, int64_t last, int second) {
    exchange::v1::BatchStatement statement;
    statement.set_protocol_version(1);
    statement.set_from_hotline(part_.from_hotline);
    statement.set_to_hotline(part_.to_hotline);
    statement.set_lane(kLane);
    statement.set_first_sequence(first);
    statement.set_last_sequence(last);
    statement.set_previous_hash(part_.envelopes[first - 1].envelope.previous_hash());
    statement.set_head_hash(part_.envelopes[last - 1].envelope.hash());
    *statement.mutable_send_time() = ToTimestamp(At(second));
    exchange::v1::SignedBatch batch;
    batch.set_statement(statement.SerializeAsString());
    *batch.mutable_signature() = *crypto::SignStatement(*sender_, crypto::kBatchDomain, batch.statement());
    part_.batches.push_back(std::move(batch));
  }
  void Receive(int64_t through, int second) {
    exchange::v1::ReceiptStatement statement;
    statement.set_protocol_version(1);
    statement.set_from_hotline(part_.to_hotline);
    statement.set_to_hotline(part_.from_hotline);
    statement.set_lane(kLane);
    statement.set_received_through(through);
    statement.set_head_hash(part_.envelopes[through - 1].envelope.hash());
    *statement.mutable_receive_time() = ToTimestamp(At(second));
    exchange::v1::LinkReceipt receipt;
    receipt.set_received_through(through);
    receipt.set_head_hash(statement.head_hash());
    receipt.set_statement(statement.SerializeAsString());
    *receipt.mutable_signature() =
        *crypto::SignStatement(*receiver_, crypto::kReceiptDomain, receipt.statement());
    part_.receipts.push_back(std::move(receipt));
  }
  const LanePart& part() const { return part_; }

 private:
  const crypto::Signer* sender_;
  const crypto::Signer* receiver_;
  LanePart part_;
};

// Events of the order, with other orders' events between them.
class LogMaker {
 public:
  void Add(type::v1::Event event, type::v1::OrderState state, const std::string& holder, int64_t epoch) {
    Others(2);
    event.set_sequence(sequence_ + 1);
    event.set_order_id(kOrderId);
    event.set_order_number(kOrder);
    event.set_order_version(static_cast<int64_t>(parts_.size()) + 1);
    event.set_previous_order_sequence(parts_.empty() ? 0 : parts_.back().sequence);
    *event.mutable_commit_time() = ToTimestamp(At(static_cast<int>(sequence_)));
    event.set_state_before(state_);
    event.set_state(state);
    event.mutable_custody()->set_holder(holder);
    event.mutable_custody()->set_epoch(epoch);
    state_ = state;
    const std::string bytes = event.SerializeAsString();
    const std::string hash = EventHash(hash_, bytes);
    parts_.push_back({.sequence = ++sequence_, .bytes = bytes, .previous_hash = hash_, .hash = hash});
    hash_ = hash;
  }
  void Others(int count) {
    for (; count > 0; --count) hash_ = EventHash(hash_, StrCat("other ", ++sequence_));
  }
  const std::vector<EventPart>& parts() const { return parts_; }
  int64_t sequence() const { return sequence_; }
  const std::string& hash() const { return hash_; }

 private:
  std::vector<EventPart> parts_;
  int64_t sequence_ = 0;
  std::string hash_ = ChainStart();
  type::v1::OrderState state_ = type::v1::ORDER_STATE_UNSPECIFIED;
};

class EvidenceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { keys_ = new test::MadeKeys({"--id a 12345 110", "--id s --sm2 12345 110"}); }
  static void TearDownTestSuite() { delete keys_; }

  static crypto::Signer Key(const std::string& party, const std::string& id) {
    return keys_->Signer(party, id);
  }

  void SetUp() override {
    ASSERT_TRUE(ring_.Add(kOwn, "a", own_.public_key()).ok());
    ASSERT_TRUE(ring_.Add(kPeer, "a", peer_.public_key()).ok());
    MakeLog();
    MakeLinks();
  }

  void MakeLog() {
    type::v1::Event event;
    event.mutable_registered()->set_content_digest(Sha256({"salt-salt-salt-s", "content of the order"}));
    log_.Add(event, type::v1::ORDER_STATE_REGISTERED, kOwn, 1);
    event.Clear();
    event.set_handoff_id(kHandoff);
    type::v1::Handoff& handoff = *event.mutable_offered()->mutable_handoff();
    handoff.set_id(kHandoff);
    *handoff.mutable_offer_time() = ToTimestamp(At(5));
    log_.Add(event, type::v1::ORDER_STATE_OFFERED, kOwn, 1);
    event.set_mirrored(true);
    event.mutable_actor()->set_hotline(kPeer);
    event.mutable_received()->set_handoff_id(kHandoff);
    *event.mutable_received()->mutable_receive_time() = ToTimestamp(At(6));
    log_.Add(event, type::v1::ORDER_STATE_RECEIVED, kOwn, 1);
    type::v1::Handoff& understood = *event.mutable_understood()->mutable_handoff();
    understood.set_id(kHandoff);
    understood.set_to_number(kTheirNumber);
    *understood.mutable_understand_time() = ToTimestamp(At(6));
    event.set_received_sequence(3);
    log_.Add(event, type::v1::ORDER_STATE_UNDERSTOOD, kOwn, 1);
    event.mutable_accepted()->set_handoff_id(kHandoff);
    event.set_received_sequence(5);
    log_.Add(event, type::v1::ORDER_STATE_ACCEPTED, kPeer, 2);
    log_.Others(3);
  }

  static std::string UnderstoodBody() {
    exchange::v1::UnderstoodBody body;
    body.set_to_number(kTheirNumber);
    *body.mutable_understand_time() = ToTimestamp(At(6));
    return body.SerializeAsString();
  }
  static exchange::v1::MirrorBody AcceptedBody() {
    exchange::v1::MirrorBody body;
    body.set_state(type::v1::ORDER_STATE_ACCEPTED);
    body.mutable_custody()->set_holder(kPeer);
    body.mutable_custody()->set_epoch(2);
    body.mutable_event()->mutable_accepted();
    return body;
  }

  void MakeLinks() {
    exchange::v1::OfferBody offer;
    offer.mutable_handoff()->set_id(kHandoff);
    offer.set_content_salt("salt-salt-salt-s");
    offer.set_content("content of the order");
    out_.AddOthers(4);
    out_.Add(exchange::v1::ENVELOPE_KIND_OFFER, kHandoff, offer.SerializeAsString(), true);
    out_.AddOthers(3);
    out_.Receive(7, 6);
    in_.AddOthers(2);
    in_.Add(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, kHandoff, UnderstoodBody(), true);
    in_.AddOthers(1);
    in_.Add(exchange::v1::ENVELOPE_KIND_MIRROR, kHandoff, AcceptedBody().SerializeAsString(), true);
    in_.AddOthers(2);
    in_.Sign(2, 3, 7);
    in_.Sign(4, 6, 8);
  }

  EvidenceParts Parts() const {
    EvidenceParts parts;
    parts.hotline = kOwn;
    parts.order_id = kOrderId;
    parts.order_number = kOrder;
    parts.export_time = At(100);
    parts.events = log_.parts();
    parts.head_sequence = log_.sequence();
    parts.head_hash = log_.hash();
    parts.lanes = {out_.part(), in_.part()};
    return parts;
  }
  std::string Build(const EvidenceParts& parts) const {
    const absl::StatusOr<std::string> file = BuildEvidence(parts, ring_, own_);
    EXPECT_TRUE(file.ok()) << file.status();
    return *file;
  }
  // The exporter itself alters what the bundle says, and signs it.
  std::string Forge(const std::function<void(v1::EvidenceBundle*)>& change) const {
    v1::SignedEvidence file;
    v1::EvidenceBundle bundle;
    v1::EvidenceStatement statement;
    EXPECT_TRUE(file.ParseFromString(Build(Parts())));
    EXPECT_TRUE(bundle.ParseFromString(file.bundle()));
    EXPECT_TRUE(statement.ParseFromString(file.statement()));
    change(&bundle);
    file.set_bundle(bundle.SerializeAsString());
    statement.set_bundle_sha256(Sha256({file.bundle()}));
    file.set_statement(statement.SerializeAsString());
    *file.mutable_signature() = *crypto::SignStatement(own_, crypto::kEvidenceDomain, file.statement());
    return file.SerializeAsString();
  }

  static std::string Text(const EvidenceReport& report, Verdict verdict) {
    std::string text;
    for (const Check& check : report.checks) {
      EXPECT_FALSE(check.what.chinese.empty());
      EXPECT_FALSE(check.why.chinese.empty());
      if (check.verdict == verdict) {
        text += StrCat(check.what.english, " | ", check.where, " | ", check.why.english, "\n");
      }
    }
    return text;
  }

  static test::MadeKeys* keys_;
  const crypto::Signer own_ = Key(kOwn, "a");
  const crypto::Signer peer_ = Key(kPeer, "a");
  crypto::KeyRing ring_;
  LogMaker log_;
  LaneMaker out_{kOwn, kPeer, &own_, &peer_};
  LaneMaker in_{kPeer, kOwn, &peer_, &own_};
};
test::MadeKeys* EvidenceTest::keys_ = nullptr;

TEST_F(EvidenceTest, AWholeFileIsGood) {
  const EvidenceReport report = VerifyEvidence(Build(Parts()), ring_);
  EXPECT_EQ(Text(report, Verdict::kFailed), "");
  EXPECT_EQ(Text(report, Verdict::kGap), "");
  EXPECT_EQ(report.overall(), Verdict::kOk);
  EXPECT_TRUE(report.keys_trusted);
  EXPECT_EQ(report.hotline, kOwn);
  EXPECT_EQ(report.order_number, kOrder);
  EXPECT_EQ(report.export_time, At(100));
  const std::string good = Text(report, Verdict::kOk);
  for (const char* part :
       {"exporter's signature | key a | 12345 signed every byte", "events | #3 … #15 | 5 events",
        "custody | #3 … #15 | exactly one holder at each event; 110 at the last, epoch 2",
        "three receipts | 12345-0001K2B3C4D5E-1 | received, understood and accepted",
        "others' acts |  | 3 events tell what others did, each shown by what they signed",
        "content | 12345 → 110 ordinary #5 | it is what the log recorded",
        "receipt | 12345 → 110 ordinary … #7 | 110 signed that it had it at 2026-11-18T",
        "batch | 110 → 12345 ordinary #2 … #3 | 110 signed it", "batch | 110 → 12345 ordinary #4 … #6 |",
        "link | 110 → 12345 ordinary | 2 envelopes of the order, 3 leaves of others"}) {
    EXPECT_NE(good.find(part), std::string::npos) << part << "\n" << good;
  }
}

TEST_F(EvidenceTest, WhereIsToldInChinese) {
  EXPECT_EQ(WhereZh("key 2026-11"), "密钥 2026-11");
  EXPECT_EQ(WhereZh("12345 → 110 emergency #1"), "12345 → 110 紧急 #1");
  EXPECT_EQ(WhereZh("110 → 12345 ordinary … #7"), "110 → 12345 普通 … #7");
  EXPECT_EQ(WhereZh("#3 … #15"), "#3 … #15");
  // As custody has it elsewhere.
  bool told = false;
  for (const Check& check : VerifyEvidence(Build(Parts()), ring_).checks) {
    told |= check.why.chinese == "每一事件均只有一个持有方；最后为110，第2轮";
  }
  EXPECT_TRUE(told);
}

TEST_F(EvidenceTest, OthersMattersStayOut) {
  const std::string file = Build(Parts());
  EXPECT_EQ(file.find("OTHER"), std::string::npos);
  EXPECT_EQ(file.find("0af7651916cd43dd"), std::string::npos);
  v1::SignedEvidence read;
  v1::EvidenceBundle bundle;
  ASSERT_TRUE(read.ParseFromString(file));
  ASSERT_TRUE(bundle.ParseFromString(read.bundle()));
  // No more than the proofs need.
  ASSERT_EQ(bundle.lanes_size(), 2);
  EXPECT_EQ(bundle.lanes(0).links_size(), 3);  // 5 to 7
  EXPECT_EQ(bundle.lanes(1).links_size(), 5);  // 2 to 6
  EXPECT_EQ(EvidenceFileName(kOrder), "12345-20261123-000007.hev");
}

TEST_F(EvidenceTest, EveryAlteredByteIsSeen) {
  const std::string good = Build(Parts());
  const crypto::KeyRing nobody;
  ASSERT_GT(good.size(), 1500u);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string file = good;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(VerifyEvidence(file, ring_).overall(), Verdict::kFailed) << bit;
    ASSERT_EQ(VerifyEvidence(file, nobody).overall(), Verdict::kFailed) << bit;
  }
}

TEST_F(EvidenceTest, NothingCutAddedOrRandomPasses) {
  const std::string good = Build(Parts());
  for (size_t size = 0; size < good.size(); size += 7) {
    EXPECT_EQ(VerifyEvidence(good.substr(0, size), ring_).overall(), Verdict::kFailed) << size;
  }
  // Repeated and unknown fields parse; they must not pass.
  for (const std::string& tail : {std::string("\0", 1), std::string("\x0a\x00", 2),
                                  std::string("\x78\x01", 2), std::string("\x1a\x00", 2), good}) {
    EXPECT_EQ(VerifyEvidence(good + tail, ring_).overall(), Verdict::kFailed) << tail.size();
  }
  EXPECT_TRUE(rc::check("changes of any kind are seen", [&] {
    std::string file = good;
    const int changes = *rc::gen::inRange(1, 5);
    for (int i = 0; i < changes; ++i) {
      file[*rc::gen::inRange<size_t>(0, file.size())] = *rc::gen::arbitrary<char>();
    }
    RC_PRE(file != good);
    RC_ASSERT(VerifyEvidence(file, ring_).overall() == Verdict::kFailed);
  }));
}

TEST_F(EvidenceTest, TheExporterCannotForgeWhatIsNotItsOwn) {
  struct Case {
    const char* part;
    std::function<void(v1::EvidenceBundle*)> change;
  };
  // The exporter recomputes an envelope's own hash.
  const auto rehash = [](v1::EvidenceLink* link) {
    link->mutable_envelope()->set_hash(EnvelopeHash(link->envelope()));
  };
  const Case cases[] = {
      {"event | #3 | its hash is not that",
       [](auto* b) { b->mutable_events(0)->mutable_event()->back() ^= 1; }},
      {"does not follow #3", [](auto* b) { b->mutable_events()->DeleteSubrange(1, 1); }},
      {"the head of the log is not after", [](auto* b) { b->set_head_sequence(14); }},
      {"there is none", [](auto* b) { b->clear_events(); }},
      {"is about another order", [](auto* b) { b->set_order_id("0001K2B3C4D5F"); }},
      {"envelope | 110 → 12345 ordinary #3 | its hash is not that",
       [](auto* b) { b->mutable_lanes(1)->mutable_links(1)->mutable_envelope()->set_body("no"); }},
      {"batch | 110 → 12345 ordinary #2 … #3 | the envelopes are not those that 110 signed",
       [&](auto* b) {
         b->mutable_lanes(1)->mutable_links(1)->mutable_envelope()->set_body("no");
         rehash(b->mutable_lanes(1)->mutable_links(1));
         for (int i = 2; i < 5; ++i) {
           // The whole rest of the chain follows.
           auto* link = b->mutable_lanes(1)->mutable_links(i);
           const auto& before = b->lanes(1).links(i - 1);
           link->set_previous_hash(before.has_envelope() ? before.envelope().hash()
                                                         : EnvelopeHash(before.previous_hash(),
                                                                        before.sequence(), before.leaf()));
           if (link->has_envelope()) {
             link->mutable_envelope()->set_previous_hash(link->previous_hash());
             rehash(link);
           }
         }
       }},
      {"the envelopes are not those that 110 received",
       [&](auto* b) {
         b->mutable_lanes(0)->mutable_links(1)->mutable_leaf()->front() ^= 1;
         b->mutable_lanes(0)->mutable_links(2)->set_previous_hash(
             EnvelopeHash(b->lanes(0).links(1).previous_hash(), b->lanes(0).links(1).sequence(),
                          b->lanes(0).links(1).leaf()));
       }},
      {"does not continue the chain",
       [](auto* b) { b->mutable_lanes(1)->mutable_links(2)->clear_previous_hash(); }},
      {"neither an envelope nor a leaf",
       [](auto* b) { b->mutable_lanes(1)->mutable_links(0)->clear_leaf(); }},
      {"it is not in order", [](auto* b) { b->mutable_lanes(1)->mutable_links(1)->set_sequence(2); }},
      {"is about no handoff of this order",
       [&](auto* b) {
         b->mutable_lanes(1)->mutable_links(1)->mutable_envelope()->set_handoff_id("12345-X-1");
         rehash(b->mutable_lanes(1)->mutable_links(1));
       }},
      {"signature is not by this key over these bytes",
       [](auto* b) { b->mutable_lanes(1)->mutable_batches(0)->mutable_statement()->back() ^= 1; }},
      {"signature is not by this key over these bytes",
       [](auto* b) {
         b->mutable_lanes(0)->mutable_receipts(0)->mutable_signature()->mutable_value()->back() ^= 1;
       }},
      {"it is not what the log recorded",
       [&](auto* b) {
         exchange::v1::OfferBody offer;
         auto* link = b->mutable_lanes(0)->mutable_links(0);
         offer.ParseFromString(link->envelope().body());
         offer.set_content("another content");
         link->mutable_envelope()->set_body(offer.SerializeAsString());
       }},
      {"not one of the exporter's", [](auto* b) { b->mutable_lanes(1)->set_to_hotline("119"); }},
      {"it was signed for another link",
       [](auto* b) { b->mutable_lanes(1)->set_lane(exchange::v1::LANE_EMERGENCY); }},
      {"public key | 110 a | it cannot be read",
       [](auto* b) {
         for (auto& key : *b->mutable_keys()) {
           if (key.party() == kPeer) key.set_public_key("x");
         }
       }},
  };
  EXPECT_EQ(VerifyEvidence(Forge([](auto*) {}), ring_).overall(), Verdict::kOk);
  for (const Case& c : cases) {
    const EvidenceReport report = VerifyEvidence(Forge(c.change), ring_);
    EXPECT_EQ(report.overall(), Verdict::kFailed) << c.part;
    const std::string text = Text(report, Verdict::kFailed);
    EXPECT_NE(text.find(c.part), std::string::npos) << c.part << "\n" << text;
  }
}

TEST_F(EvidenceTest, EventsThatContradictEachOtherAreSeen) {
  struct Case {
    const char* part;
    std::function<void(type::v1::Event*)> change;  // of the last event
  };
  const Case cases[] = {
      {"custody | #15 | nobody holds the order", [](auto* e) { e->clear_custody(); }},
      {"custody | #15 | its epoch goes back", [](auto* e) { e->mutable_custody()->set_epoch(0); }},
      {"the holder changes within an epoch", [](auto* e) { e->mutable_custody()->set_epoch(1); }},
      {"starts from another state", [](auto* e) { e->set_state_before(type::v1::ORDER_STATE_CLOSED); }},
      {"does not follow #12", [](auto* e) { e->set_order_version(4); }},
      {"place of the log", [](auto* e) { e->set_sequence(16); }},
  };
  for (const Case& c : cases) {
    EvidenceParts parts = Parts();
    type::v1::Event event;
    EventPart& last = parts.events.back();
    ASSERT_TRUE(event.ParseFromString(last.bytes));
    c.change(&event);
    last.bytes = event.SerializeAsString();
    last.hash = EventHash(last.previous_hash, last.bytes);
    const std::string text = Text(VerifyEvidence(Build(parts), ring_), Verdict::kFailed);
    EXPECT_NE(text.find(c.part), std::string::npos) << c.part << "\n" << text;
  }
}

TEST_F(EvidenceTest, WhatIsNotProvenIsAGapAndNamed) {
  EvidenceParts parts = Parts();
  parts.events.pop_back();  // not accepted, it says
  parts.lanes[0].receipts.clear();
  parts.lanes[1].batches.erase(parts.lanes[1].batches.begin());
  const EvidenceReport report = VerifyEvidence(Build(parts), ring_);
  EXPECT_EQ(Text(report, Verdict::kFailed), "");
  EXPECT_EQ(Text(report, Verdict::kGap),
            "receipt | 12345 → 110 ordinary #5 | no receipt signed by 110 covers it\n"
            "batch | 110 → 12345 ordinary #3 | no batch signed by 110 covers it\n"
            "event | #9 | nothing signed by 110 shows it\n"
            "event | #12 | nothing signed by 110 shows it\n"
            "envelope | 110 → 12345 ordinary #5 | no event tells what 110 signed here\n"
            "three receipts | 12345-0001K2B3C4D5E-1 | not there: received, understood, accepted\n");
  EXPECT_EQ(report.overall(), Verdict::kGap);
  // All that the peer ever said is left out.
  parts = Parts();
  parts.lanes.pop_back();
  EXPECT_EQ(Text(VerifyEvidence(Build(parts), ring_), Verdict::kGap),
            "event | #12 | nothing signed by 110 shows it\n"
            "event | #15 | nothing signed by 110 shows it\n"
            "three receipts | 12345-0001K2B3C4D5E-1 | not there: understood, accepted\n");
}

// A site alone once made a file that said that the other had accepted: it wrote the acceptance into its own
// log, and left out the lane on which it never came.
TEST_F(EvidenceTest, NobodyIsMadeAccountableByWhatAnotherWrites) {
  struct Case {
    const char* name;
    std::function<void(type::v1::Event*)> change;  // of the acceptance
  };
  const Case cases[] = {
      {"as it comes by a mirror", [](auto*) {}},
      {"as its own act",
       [](auto* e) {
         e->clear_mirrored();
         e->mutable_actor()->set_hotline(kOwn);
       }},
      {"as an acceptance without a handoff",
       [](auto* e) {
         e->clear_mirrored();
         e->mutable_accepted()->clear_handoff_id();
       }},
      {"as something else",
       [](auto* e) {
         e->clear_mirrored();
         e->mutable_progressed();
       }},
      {"as a demand to do again what was never done",
       [](auto* e) {
         e->clear_mirrored();
         e->mutable_redo_demanded();
       }},
      {"with an envelope about something else", [](auto* e) { e->set_received_sequence(6); }},
  };
  for (const Case& c : cases) {
    EvidenceParts parts = Parts();
    parts.lanes.pop_back();
    type::v1::Event event;
    EventPart& last = parts.events.back();
    ASSERT_TRUE(event.ParseFromString(last.bytes));
    c.change(&event);
    last.bytes = event.SerializeAsString();
    last.hash = EventHash(last.previous_hash, last.bytes);
    const EvidenceReport report = VerifyEvidence(Build(parts), ring_);
    EXPECT_EQ(report.overall(), Verdict::kGap) << c.name << "\n" << Text(report, Verdict::kFailed);
    const std::string gaps = Text(report, Verdict::kGap);
    EXPECT_NE(gaps.find("event | #15 | nothing signed by "), std::string::npos) << c.name << "\n" << gaps;
    EXPECT_NE(gaps.find("accepted\n"), std::string::npos) << c.name << "\n" << gaps;
  }
  // An order that was the other's from its first event on.
  EvidenceParts parts = Parts();
  parts.lanes.clear();
  parts.events.resize(1);
  type::v1::Event first;
  ASSERT_TRUE(first.ParseFromString(parts.events[0].bytes));
  first.mutable_custody()->set_holder(kPeer);
  parts.events[0].bytes = first.SerializeAsString();
  parts.events[0].hash = EventHash(parts.events[0].previous_hash, parts.events[0].bytes);
  EXPECT_EQ(Text(VerifyEvidence(Build(parts), ring_), Verdict::kGap),
            "event | #3 | nothing signed by 110 shows it\n");
}

TEST_F(EvidenceTest, AnEventThatTheOthersEnvelopeContradictsIsSeen) {
  struct Case {
    const char* part;
    std::function<void(exchange::v1::MirrorBody*)> change;
  };
  const Case cases[] = {
      {"event | #15 | what 110 sent says something else",
       [](auto* b) { b->mutable_custody()->set_holder(kOwn); }},
      {"event | #15 | what 110 sent says something else",
       [](auto* b) { b->mutable_custody()->set_epoch(3); }},
      {"event | #15 | what 110 sent says something else",
       [](auto* b) { b->set_state(type::v1::ORDER_STATE_RETURNED); }},
      {"event | #15 | what 110 sent says something else",
       [](auto* b) { b->mutable_event()->mutable_progressed(); }},
  };
  for (const Case& c : cases) {
    exchange::v1::MirrorBody body = AcceptedBody();
    c.change(&body);
    LaneMaker in(kPeer, kOwn, &peer_, &own_);
    in.AddOthers(2);
    in.Add(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, kHandoff, UnderstoodBody(), true);
    in.AddOthers(1);
    in.Add(exchange::v1::ENVELOPE_KIND_MIRROR, kHandoff, body.SerializeAsString(), true);
    in.Sign(2, 5, 7);
    EvidenceParts parts = Parts();
    parts.lanes[1] = in.part();
    const std::string text = Text(VerifyEvidence(Build(parts), ring_), Verdict::kFailed);
    EXPECT_NE(text.find(c.part), std::string::npos) << text;
  }
  // The event points at an envelope of another kind, or tells other times than it.
  const std::function<void(type::v1::Event*)> changes[] = {
      [](auto* e) { e->set_received_sequence(5); },
      [](auto* e) { e->mutable_understood()->mutable_handoff()->set_to_number("110-20261123-000010"); },
      [](auto* e) {
        *e->mutable_understood()->mutable_handoff()->mutable_understand_time() = ToTimestamp(At(1));
      },
  };
  for (const auto& change : changes) {
    EvidenceParts parts = Parts();
    parts.events.pop_back();
    type::v1::Event event;
    EventPart& last = parts.events.back();
    ASSERT_TRUE(event.ParseFromString(last.bytes));
    change(&event);
    last.bytes = event.SerializeAsString();
    last.hash = EventHash(last.previous_hash, last.bytes);
    EXPECT_EQ(Text(VerifyEvidence(Build(parts), ring_), Verdict::kFailed),
              "event | #12 | what 110 sent says something else\n");
  }
}

// An order's life at the taker, as its envelopes tell it, and as the giver's events have it.
class StoryTest : public EvidenceTest {
 protected:
  void SetUp() override {
    EvidenceTest::SetUp();
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(events_.emplace_back().ParseFromString(log_.parts()[static_cast<size_t>(i)].bytes));
    }
    exchange::v1::UnderstoodBody understood;
    understood.set_to_number(kTheirNumber);
    *understood.mutable_receive_time() = ToTimestamp(At(6));
    *understood.mutable_understand_time() = ToTimestamp(At(7));
    Tell(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, understood.SerializeAsString());
    type::v1::Event event;
    event.mutable_actor()->set_account("service/work_order");
    type::v1::Handoff& handoff = *event.mutable_understood()->mutable_handoff();
    handoff.set_id(kHandoff);
    handoff.set_to_number(kTheirNumber);
    *handoff.mutable_receive_time() = ToTimestamp(At(6));
    *handoff.mutable_understand_time() = ToTimestamp(At(7));
    Write(event, type::v1::ORDER_STATE_UNDERSTOOD, Custody(kOwn, 1));

    exchange::v1::MirrorBody body = Body(type::v1::ORDER_STATE_ACCEPTED);
    body.mutable_event()->mutable_accepted()->mutable_acceptance()->set_note("yes");
    *body.mutable_handoff()->mutable_accept_time() = ToTimestamp(At(9));
    event = TellAndTake(body);
    event.mutable_accepted()->set_handoff_id(kHandoff);
    *event.mutable_accepted()->mutable_accept_time() = ToTimestamp(At(9));
    event.mutable_accepted()->mutable_clock_skew()->set_seconds(1);
    Write(event, body);

    body = Body(type::v1::ORDER_STATE_DISPATCHED);
    body.mutable_event()->mutable_dispatched()->set_lead_unit("jiaojing");
    Write(TellAndTake(body), body);

    body = Body(type::v1::ORDER_STATE_DISPATCHED);
    type::v1::VoiceConfirmation& voice = *body.mutable_event()->mutable_voice_confirmed()->mutable_voice();
    voice.set_outcome(type::v1::VOICE_OUTCOME_PEER_ACCEPTS);
    voice.set_note(std::string(600, 'n'));
    event = TellAndTake(body);
    event.mutable_voice_confirmed()->set_handoff_id(kHandoff);
    event.mutable_voice_confirmed()->mutable_voice()->set_by_hotline(kPeer);
    event.mutable_voice_confirmed()->mutable_voice()->set_note(std::string(500, 'n'));
    Write(event, body);

    body = Body(type::v1::ORDER_STATE_DISPATCHED);
    type::v1::AccusedDetail& accused = *body.mutable_event()->mutable_accused();
    accused.mutable_accusation()->add_units("zhujianju");
    accused.mutable_accusation()->mutable_dispatch()->set_lead_unit("jiaojing");
    accused.set_recused_lead("zhujianju");
    event = TellAndTake(body);
    event.mutable_accused()->mutable_accusation()->clear_dispatch();
    event.mutable_accused()->clear_recused_lead();
    Write(event, body);

    body = Body(type::v1::ORDER_STATE_REPLIED);
    body.mutable_event()->mutable_actor()->set_hotline("119");  // whose act 110 passes on
    type::v1::Reply& reply = *body.mutable_event()->mutable_replied()->mutable_reply();
    reply.set_disposition(type::v1::DISPOSITION_UNRESOLVED);
    reply.set_unresolved_reason("NOMONEY");
    reply.set_public_reply("No.");
    reply.set_internal_reply("not for others");
    event = TellAndTake(body);
    event.mutable_replied()->mutable_reply()->clear_internal_reply();
    event.mutable_actor()->set_acting_hotline("119");
    Write(event, body);
  }

  static type::v1::Custody Custody(const std::string& holder, int64_t epoch) {
    type::v1::Custody custody;
    custody.set_holder(holder);
    custody.set_epoch(epoch);
    if (epoch > 1) *custody.mutable_hold_time() = ToTimestamp(At(9));
    return custody;
  }
  // What 110 tells while it has the order.
  exchange::v1::MirrorBody Body(type::v1::OrderState state) const {
    exchange::v1::MirrorBody body;
    body.set_state(state);
    *body.mutable_custody() = Custody(kPeer, 2);
    type::v1::Event& event = *body.mutable_event();
    event.mutable_actor()->set_hotline(kPeer);
    event.mutable_actor()->set_account("110007");
    event.mutable_actor()->set_unit("jiaojing");
    event.set_told_key(static_cast<uint64_t>(told_) + 100);
    event.set_order_version(told_ + 1);
    return body;
  }
  void Tell(exchange::v1::EnvelopeKind kind, const std::string& body) {
    lane_.Add(kind, kHandoff, body, true);
    ++told_;
  }
  void Tell(const exchange::v1::MirrorBody& body) {
    Tell(exchange::v1::ENVELOPE_KIND_MIRROR, body.SerializeAsString());
  }
  type::v1::Event TellAndTake(const exchange::v1::MirrorBody& body) {
    Tell(body);
    type::v1::Event event = body.event();
    event.mutable_actor()->set_hotline(kPeer);
    return event;
  }
  void Write(const type::v1::Event& event, const exchange::v1::MirrorBody& body) {
    Write(event, body.state(), body.custody());
  }
  void Write(type::v1::Event event, type::v1::OrderState state, const type::v1::Custody& custody) {
    event.set_mirrored(true);
    event.mutable_actor()->set_hotline(kPeer);
    event.set_handoff_id(kHandoff);
    event.set_received_sequence(told_);
    event.set_state(state);
    *event.mutable_custody() = custody;
    events_.push_back(std::move(event));
  }

  // As the exporter hands it out, with a log of its own making.
  EvidenceReport Verify(const std::vector<type::v1::Event>& events) const {
    LogMaker log;
    for (const type::v1::Event& event : events) {
      log.Add(event, event.state(), event.custody().holder(), event.custody().epoch());
    }
    LaneMaker lane = lane_;
    lane.Sign(1, told_, 30);
    EvidenceParts parts = Parts();
    parts.events = log.parts();
    parts.head_sequence = log.sequence();
    parts.head_hash = log.hash();
    parts.lanes = {out_.part(), lane.part()};
    return VerifyEvidence(Build(parts), ring_);
  }
  static std::string Faults(const EvidenceReport& report) {
    return Text(report, Verdict::kFailed) + Text(report, Verdict::kGap);
  }
  static type::v1::Event* Find(std::vector<type::v1::Event>& events, type::v1::Event::DetailCase detail) {
    return &*std::find_if(events.begin(), events.end(),
                          [&](const type::v1::Event& event) { return event.detail_case() == detail; });
  }

  LaneMaker lane_{kPeer, kOwn, &peer_, &own_};
  int told_ = 0;
  std::vector<type::v1::Event> events_;
};

TEST_F(StoryTest, TheExporterCannotRewordWhatTheOtherSigned) {
  using type::v1::Event;
  using Events = std::vector<Event>;
  struct Case {
    const char* name;
    Verdict verdict;
    const char* part;
    std::function<void(Events&)> change;
  };
  constexpr char kElse[] = "what 110 sent says something else";
  constexpr char kNothing[] = "nothing signed by 110 shows it";
  constexpr char kUntold[] = "no event tells what 110 signed here";
  const Case cases[] = {
      {"another reply", Verdict::kFailed, kElse,
       [](Events& events) {
         type::v1::Reply& reply = *Find(events, Event::kReplied)->mutable_replied()->mutable_reply();
         reply.set_disposition(type::v1::DISPOSITION_RESOLVED);
         reply.clear_unresolved_reason();
       }},
      {"a reply with an internal text", Verdict::kFailed, kElse,
       [](Events& events) {
         Find(events, Event::kReplied)->mutable_replied()->mutable_reply()->set_internal_reply("x");
       }},
      {"another lead unit", Verdict::kFailed, kElse,
       [](Events& events) {
         Find(events, Event::kDispatched)->mutable_dispatched()->set_lead_unit("gonganju");
       }},
      {"another acceptance", Verdict::kFailed, kElse,
       [](Events& events) {
         Find(events, Event::kAccepted)->mutable_accepted()->mutable_acceptance()->set_note("no");
       }},
      {"accepted a day later", Verdict::kFailed, kElse,
       [](Events& events) {
         *Find(events, Event::kAccepted)->mutable_accepted()->mutable_accept_time() =
             ToTimestamp(At(9 + 86400));
       }},
      {"held since a day later", Verdict::kFailed, kElse,
       [](Events& events) {
         for (Event& event : events) {
           if (event.custody().epoch() < 2) continue;
           *event.mutable_custody()->mutable_hold_time() = ToTimestamp(At(9 + 86400));
         }
       }},
      {"held since a day later, by the reply alone", Verdict::kFailed, kElse,
       [](Events& events) {
         *Find(events, Event::kReplied)->mutable_custody()->mutable_hold_time() = ToTimestamp(At(10));
       }},
      {"another state", Verdict::kFailed, kElse,
       [](Events& events) { events.back().set_state(type::v1::ORDER_STATE_CLOSED); }},
      {"another account", Verdict::kFailed, kElse,
       [](Events& events) { Find(events, Event::kReplied)->mutable_actor()->set_account("110008"); }},
      {"another unit of the actor", Verdict::kFailed, kElse,
       [](Events& events) { Find(events, Event::kDispatched)->mutable_actor()->set_unit("gonganju"); }},
      {"another site's act", Verdict::kFailed, kElse,
       [](Events& events) { Find(events, Event::kReplied)->mutable_actor()->set_acting_hotline("120"); }},
      {"its own act said to be passed on", Verdict::kFailed, kElse,
       [](Events& events) { Find(events, Event::kDispatched)->mutable_actor()->set_acting_hotline("119"); }},
      {"a person for an answer", Verdict::kFailed, kElse,
       [](Events& events) { Find(events, Event::kUnderstood)->mutable_actor()->set_account("110007"); }},
      {"another record of the telephone", Verdict::kFailed, kElse,
       [](Events& events) {
         Find(events, Event::kVoiceConfirmed)->mutable_voice_confirmed()->mutable_voice()->set_note("yes");
       }},
      {"another accusation", Verdict::kFailed, kElse,
       [](Events& events) {
         *Find(events, Event::kAccused)->mutable_accused()->mutable_accusation()->mutable_units(0) =
             "jiaoyuju";
       }},
      {"one envelope for another", Verdict::kFailed, kElse,
       [](Events& events) { Find(events, Event::kReplied)->set_received_sequence(2); }},
      {"received two hours later", Verdict::kGap, kNothing,
       [](Events& events) {
         *Find(events, Event::kReceived)->mutable_received()->mutable_receive_time() =
             ToTimestamp(At(6 + 7200));
       }},
      {"received by a person", Verdict::kGap, kNothing,
       [](Events& events) { Find(events, Event::kReceived)->mutable_actor()->set_account("110007"); }},
      {"received two hours later, with the second receipt", Verdict::kGap, kNothing,
       [](Events& events) {
         type::v1::Handoff& handoff =
             *Find(events, Event::kUnderstood)->mutable_understood()->mutable_handoff();
         *handoff.mutable_receive_time() = ToTimestamp(At(6 + 7200));
       }},
      {"the dispatch twice", Verdict::kGap, kNothing,
       [](Events& events) { events.insert(events.begin() + 5, Event(events[5])); }},
      {"without the reply", Verdict::kGap, kUntold, [](Events& events) { events.pop_back(); }},
      {"without the dispatch", Verdict::kGap, kUntold,
       [](Events& events) { events.erase(events.begin() + 5); }},
      {"without the second receipt", Verdict::kGap, kUntold,
       [](Events& events) { events.erase(events.begin() + 3); }},
      {"without the telephone call", Verdict::kGap, kUntold,
       [](Events& events) { events.erase(events.begin() + 6); }},
      {"without all that 110 did", Verdict::kGap, kUntold, [](Events& events) { events.resize(3); }},
      {"the reply as its own", Verdict::kGap, kUntold,
       [](Events& events) {
         events.back().set_mirrored(false);
         events.back().mutable_actor()->set_hotline(kOwn);
       }},
  };
  EXPECT_EQ(Faults(Verify(events_)), "");
  for (const Case& c : cases) {
    std::vector<Event> events = events_;
    c.change(events);
    const EvidenceReport report = Verify(events);
    EXPECT_EQ(report.overall(), c.verdict) << c.name << "\n" << Faults(report);
    EXPECT_NE(Text(report, c.verdict).find(c.part), std::string::npos) << c.name << "\n" << Faults(report);
  }
}

TEST_F(StoryTest, WhatIsRightlyWrittenDownOtherwiseIsNoFault) {
  using type::v1::Event;
  // The other site's desk is not always named, nor whose act it was, and when it accepted.
  Find(events_, Event::kReplied)->mutable_actor()->clear_acting_hotline();
  Find(events_, Event::kReceived)->mutable_received()->clear_receive_time();
  // What the giver asked for, and the taker's unit that lost the order, at once.
  Find(events_, Event::kVoiceConfirmed)->mutable_voice_confirmed()->set_recall_requested(true);
  Find(events_, Event::kAccused)->mutable_accused()->set_recused_lead("jiaoyuju");
  EXPECT_EQ(Faults(Verify(events_)), "");
  // A record, and an accusation, leave the order as it is at the site that hears of them.
  Find(events_, Event::kAccused)->set_state(type::v1::ORDER_STATE_SIGNED);
  EXPECT_EQ(Faults(Verify(events_)), "");
}

TEST_F(StoryTest, WhatMayChangeNothingNeedsNoEvent) {
  const exchange::v1::MirrorBody moves = Body(type::v1::ORDER_STATE_SIGNED);
  const auto tell = [&](const std::function<void(exchange::v1::MirrorBody*)>& change) {
    exchange::v1::MirrorBody body = moves;
    body.mutable_event()->mutable_signed_()->set_unit("jiaojing");
    change(&body);
    Tell(body);
  };
  tell([](auto* body) { body->mutable_event()->set_told_key(101); });  // the acceptance once more
  tell([](auto* body) { body->mutable_custody()->set_epoch(1); });
  tell([](auto* body) { body->set_resync(true); });
  tell([](auto* body) { body->mutable_event()->mutable_scene_recorded(); });
  tell([](auto* body) { body->mutable_event()->mutable_accused(); });
  Tell(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, UnderstoodBody());
  EXPECT_EQ(Faults(Verify(events_)), "");
  // What the exporter did not understand, it said.
  tell([](auto*) {});
  const std::string gap =
      StrCat("envelope | 110 → 12345 ordinary #", told_, " | no event tells what 110 signed here\n");
  EXPECT_EQ(Faults(Verify(events_)), gap);
  exchange::v1::NotUnderstoodBody refusal;
  refusal.set_sequence(told_);
  refusal.set_kind(exchange::v1::ENVELOPE_KIND_MIRROR);
  out_.Add(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, kHandoff, refusal.SerializeAsString(), true);
  out_.Receive(9, 8);
  EXPECT_EQ(Faults(Verify(events_)), "");
  // Or it came while a restored site took back what it had lost.
  tell([](auto*) {});
  EXPECT_NE(Faults(Verify(events_)), "");
  type::v1::Event own;
  own.set_recovered(true);
  own.set_handoff_id(kHandoff);
  own.mutable_actor()->set_hotline(kOwn);
  own.mutable_resent()->set_handoff_id(kHandoff);
  own.set_state(type::v1::ORDER_STATE_REPLIED);
  *own.mutable_custody() = Custody(kPeer, 2);
  events_.push_back(own);
  EXPECT_EQ(Faults(Verify(events_)), "");
  // Or the order had been offered anew.
  events_.back().clear_recovered();
  events_.back().set_handoff_id("12345-0001K2B3C4D5E-2");
  EXPECT_EQ(Faults(Verify(events_)),
            "three receipts | 12345-0001K2B3C4D5E-2 | not there: received, understood, accepted\n"
            "offer | 12345-0001K2B3C4D5E-2 | the envelope that carried it is not there\n");
}

TEST_F(EvidenceTest, AnAnswerThatRefusedIsNotReworded) {
  exchange::v1::NotUnderstoodBody refusal;
  refusal.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
  refusal.set_sequence(5);
  refusal.set_reason("FIELD_INVALID");
  refusal.set_field("content.title");
  LaneMaker in(kPeer, kOwn, &peer_, &own_);
  in.Add(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, kHandoff, refusal.SerializeAsString(), true);
  in.Sign(1, 1, 7);
  const auto verify = [&](const std::function<void(type::v1::HandoffReturn*)>& change) {
    EvidenceParts parts = Parts();
    parts.events.resize(3);
    LogMaker log;
    for (const EventPart& part : parts.events) {
      type::v1::Event event;
      EXPECT_TRUE(event.ParseFromString(part.bytes));
      log.Add(event, event.state(), kOwn, 1);
    }
    type::v1::Event event;
    event.set_mirrored(true);
    event.set_handoff_id(kHandoff);
    event.set_received_sequence(1);
    event.mutable_actor()->set_hotline(kPeer);
    event.mutable_returned()->set_handoff_id(kHandoff);
    type::v1::HandoffReturn* returned = event.mutable_returned()->mutable_handoff_return();
    returned->set_ground(type::v1::RETURN_GROUND_NOT_UNDERSTOOD);
    returned->set_reason("FIELD_INVALID: content.title");
    change(returned);
    log.Add(event, type::v1::ORDER_STATE_RETURNED, kOwn, 1);
    parts.events = log.parts();
    parts.head_sequence = log.sequence();
    parts.head_hash = log.hash();
    parts.lanes = {out_.part(), in.part()};
    const EvidenceReport report = VerifyEvidence(Build(parts), ring_);
    return Text(report, Verdict::kFailed) + Text(report, Verdict::kGap);
  };
  constexpr char kElse[] = "event | #12 | what 110 sent says something else\n";
  EXPECT_EQ(verify([](auto*) {}), "") << "as an earlier release wrote it down";
  EXPECT_EQ(verify([](auto* returned) {
              returned->set_reason("字段 content.title：内容不符合要求（FIELD_INVALID）");
            }),
            "");
  EXPECT_NE(verify([](auto* returned) { returned->set_reason("no"); }).find(kElse), std::string::npos);
  EXPECT_NE(
      verify([](auto* returned) { returned->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY); }).find(kElse),
      std::string::npos);
}

TEST_F(EvidenceTest, WhatIsGivenBackNeedsNoOthersSignature) {
  // The taker's own file: what it was offered, accepted and gave back.
  constexpr char kTheirs[] = "110-0001K2B3C4D5E-1";
  LogMaker log;
  type::v1::Event event;
  event.mutable_actor()->set_hotline(kOwn);
  event.set_handoff_id(kTheirs);
  event.set_received_sequence(1);
  type::v1::Handoff& handoff = *event.mutable_understood()->mutable_handoff();
  handoff.set_id(kTheirs);
  *handoff.mutable_receive_time() = ToTimestamp(At(1));
  *handoff.mutable_understand_time() = ToTimestamp(At(1));
  event.mutable_understood()->mutable_registered()->set_content_digest(
      Sha256({"salt-salt-salt-s", "content"}));
  log.Add(event, type::v1::ORDER_STATE_UNDERSTOOD, kPeer, 1);
  event.clear_received_sequence();
  event.mutable_accepted()->set_handoff_id(kTheirs);
  log.Add(event, type::v1::ORDER_STATE_ACCEPTED, kOwn, 2);
  event.mutable_returned()->set_handoff_id(kTheirs);
  log.Add(event, type::v1::ORDER_STATE_RETURNED, kPeer, 3);
  const auto make = [&](const std::string& giver) {
    exchange::v1::OfferBody offer;
    offer.mutable_handoff()->set_id(kTheirs);
    offer.mutable_custody()->set_holder(giver);
    offer.mutable_custody()->set_epoch(1);
    offer.set_content_salt("salt-salt-salt-s");
    offer.set_content("content");
    LaneMaker in(kPeer, kOwn, &peer_, &own_);
    in.Add(exchange::v1::ENVELOPE_KIND_OFFER, kTheirs, offer.SerializeAsString(), true);
    in.Sign(1, 1, 1);
    EvidenceParts parts = Parts();
    parts.events = log.parts();
    parts.head_sequence = log.sequence();
    parts.head_hash = log.hash();
    parts.lanes = {in.part()};
    return parts;
  };
  const auto first = [&](const std::string& note) {
    EventPart part = log.parts()[0];
    type::v1::Event altered;
    EXPECT_TRUE(altered.ParseFromString(part.bytes));
    altered.mutable_understood()->mutable_handoff()->set_note(note);
    part.bytes = altered.SerializeAsString();
    part.hash = EventHash(part.previous_hash, part.bytes);
    return part;
  };
  EvidenceParts parts = make(kPeer);
  const EvidenceReport report = VerifyEvidence(Build(parts), ring_);
  EXPECT_EQ(report.overall(), Verdict::kOk) << Text(report, Verdict::kGap) << Text(report, Verdict::kFailed);
  // But not that it was the giver's before, or was offered otherwise, if the giver's offer says otherwise or
  // is not there.
  parts.events[0] = first("a note that the giver never wrote");
  EXPECT_EQ(Text(VerifyEvidence(Build(parts), ring_), Verdict::kFailed),
            "event | #3 | what 110 sent says something else\n");
  parts.events[0] = log.parts()[0];
  EXPECT_EQ(Text(VerifyEvidence(Build(make(kOwn)), ring_), Verdict::kFailed),
            "event | #3 | what 110 sent says something else\n");
  parts.lanes.clear();
  EXPECT_EQ(Text(VerifyEvidence(Build(parts), ring_), Verdict::kGap),
            "event | #3 | nothing signed by 110 shows it\n"
            "offer | 110-0001K2B3C4D5E-1 | the envelope that carried it is not there\n");
}

TEST_F(EvidenceTest, ABatchWhoseEnvelopesAreNotAllThereIsLeftOut) {
  EvidenceParts parts = Parts();
  parts.lanes[1].envelopes.erase(parts.lanes[1].envelopes.begin() + 5);  // 6, of 4 to 6
  const EvidenceReport report = VerifyEvidence(Build(parts), ring_);
  EXPECT_EQ(Text(report, Verdict::kGap),
            "batch | 110 → 12345 ordinary #5 | no batch signed by 110 covers it\n"
            "event | #15 | nothing signed by 110 shows it\n"
            "three receipts | 12345-0001K2B3C4D5E-1 | not there: accepted\n");
}

TEST_F(EvidenceTest, KeysOfTheFileItselfAreSaidToBeUnchecked) {
  const std::string file = Build(Parts());
  const EvidenceReport alone = VerifyEvidence(file, crypto::KeyRing());
  EXPECT_EQ(alone.overall(), Verdict::kGap);
  EXPECT_FALSE(alone.keys_trusted);
  const std::string gaps = Text(alone, Verdict::kGap);
  EXPECT_NE(gaps.find("KEY NOT CHECKED | 110 a | it is taken from the file itself"), std::string::npos)
      << gaps;
  EXPECT_NE(gaps.find(own_.public_key().Fingerprint()), std::string::npos) << gaps;
  // One party vouched for, the other not.
  crypto::KeyRing half;
  ASSERT_TRUE(half.Add(kPeer, "file-1", peer_.public_key()).ok());
  const EvidenceReport partly = VerifyEvidence(file, half);
  EXPECT_FALSE(partly.keys_trusted);
  EXPECT_EQ(Text(partly, Verdict::kGap).find("110 a"), std::string::npos);
  // Under another id than in the file, it is the same key.
  ASSERT_TRUE(half.Add(kOwn, "file-2", own_.public_key()).ok());
  EXPECT_EQ(VerifyEvidence(file, half).overall(), Verdict::kOk);
  // Somebody else's keys in the file do not help.
  crypto::KeyRing wrong;
  ASSERT_TRUE(wrong.Add(kOwn, "a", Key(kOwn, "s").public_key()).ok());
  const EvidenceReport forged = VerifyEvidence(file, wrong);
  EXPECT_EQ(forged.overall(), Verdict::kFailed);
  EXPECT_NE(Text(forged, Verdict::kFailed).find("signed with key 'a', which is not one given for 12345"),
            std::string::npos);
  // A key that was not valid when it signed.
  crypto::KeyRing expired;
  ASSERT_TRUE(expired.Add(kOwn, "a", own_.public_key(), absl::InfinitePast(), At(100)).ok());
  EXPECT_EQ(VerifyEvidence(file, expired).overall(), Verdict::kFailed);
}

TEST_F(EvidenceTest, Sm2SignsToo) {
  const crypto::Signer sm2 = Key(kOwn, "s");
  const absl::StatusOr<std::string> file = BuildEvidence(Parts(), ring_, sm2);
  ASSERT_TRUE(file.ok()) << file.status();
  crypto::KeyRing trusted = ring_;
  ASSERT_TRUE(trusted.Add(kOwn, "s", sm2.public_key()).ok());
  EXPECT_EQ(VerifyEvidence(*file, trusted).overall(), Verdict::kOk);
}

TEST_F(EvidenceTest, AnOrderThatNeverWasPushedIsEventsAlone) {
  EvidenceParts parts = Parts();
  parts.events.resize(1);
  parts.lanes.clear();
  EXPECT_EQ(VerifyEvidence(Build(parts), ring_).overall(), Verdict::kOk);
}

}  // namespace
}  // namespace hotline::evidence
