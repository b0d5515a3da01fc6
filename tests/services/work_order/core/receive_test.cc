// Envelopes and receipts: offers good and broken, the race of recall and acceptance, mirrors, and what a peer
// may not do.
#include <functional>
#include <optional>
#include <string>

#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using exchange::v1::Envelope;
using exchange::v1::MirrorBody;
using exchange::v1::NotUnderstoodBody;
using exchange::v1::OfferBody;
using type::v1::OrderState;
using type::v1::WorkOrder;

constexpr char kTrace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const NewOrder& Fresh() {
  static const auto* const kFresh = new NewOrder{
      .id = "0000000000009", .number = "110-20261123-000009", .content_salt = "never used here.."};
  return *kFresh;
}

template <typename Body>
Envelope Wrap(exchange::v1::EnvelopeKind kind, const std::string& handoff_id, const Body& body) {
  Envelope envelope;
  envelope.set_sequence(7);
  envelope.set_handoff_id(handoff_id);
  envelope.set_kind(kind);
  envelope.set_body(body.SerializeAsString());
  return envelope;
}

// 12345 has pushed an order to 110 and its offer is on the way.
class ReceiveTest : public testing::Test {
 protected:
  void SetUp() override { id_ = world_.Register(0, SampleContent(), true); }
  void TearDown() override { EXPECT_EQ(world_.fault(), ""); }

  // 110 has it, UNDERSTOOD.
  void Arrive() {
    world_.Settle();
    twin_ = world_.Twin(0, id_);
  }
  const WorkOrder& Giver() const { return world_.Order(0, id_); }
  const WorkOrder& Receiver() const { return world_.Order(1, twin_); }
  std::string HandoffOf() const { return Giver().handoff().id(); }

  // What 110 says to `envelope` from 12345, or the other way round (`at` 0).
  Received At(int at, const Envelope& envelope) {
    const WorkOrder* before = at == 0 ? &Giver() : twin_.empty() ? nullptr : &Receiver();
    return DecideEnvelope(before, envelope, world_.site(1 - at).hotline, Fresh(), world_.site(at),
                          world_.now());
  }
  // The answer must be one NOT_UNDERSTOOD and nothing else.
  static NotUnderstoodBody Refusal(const Received& received) {
    NotUnderstoodBody body;
    EXPECT_FALSE(received.changes);
    EXPECT_EQ(received.envelopes.size(), 1u);
    if (received.envelopes.size() != 1) return body;
    EXPECT_EQ(received.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
    EXPECT_TRUE(body.ParseFromString(received.envelopes[0].body));
    return body;
  }
  static void ExpectNothing(const Received& received) {
    EXPECT_FALSE(received.changes);
    EXPECT_TRUE(received.envelopes.empty());
  }
  // The offer that is on its way, changed by `edit`.
  Envelope OfferWith(const std::function<void(OfferBody&)>& edit) {
    Envelope envelope = world_.Owed(0).front();
    OfferBody body;
    EXPECT_TRUE(body.ParseFromString(envelope.body()));
    edit(body);
    envelope.set_body(body.SerializeAsString());
    return envelope;
  }
  Envelope OfferOf(const std::function<void(type::v1::OrderContent&)>& edit) {
    return OfferWith([&](OfferBody& body) {
      type::v1::OrderContent content;
      EXPECT_TRUE(content.ParseFromString(body.content()));
      edit(content);
      body.set_content(content.SerializeAsString());
    });
  }
  // The newest envelope that `from` owes, as a mirror changed by `edit`.
  Envelope MirrorWith(int from, const std::function<void(MirrorBody&)>& edit) {
    Envelope envelope = world_.Owed(from).back();
    EXPECT_EQ(envelope.kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
    MirrorBody body;
    EXPECT_TRUE(body.ParseFromString(envelope.body()));
    edit(body);
    envelope.set_body(body.SerializeAsString());
    return envelope;
  }

  World world_;
  std::string id_;
  std::string twin_;
};

TEST_F(ReceiveTest, AnOfferBecomesAnOrderHeldByTheGiver) {
  Envelope offer = world_.Owed(0).front();
  offer.set_traceparent(kTrace);
  const Received received = At(1, offer);
  ASSERT_TRUE(received.changes);
  const Change& change = received.change;
  EXPECT_TRUE(change.creates);
  EXPECT_EQ(change.after.id(), Fresh().id);
  EXPECT_EQ(change.after.state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_EQ(change.after.custody().holder(), "12345");
  EXPECT_EQ(change.after.origin_hotline(), "12345");
  EXPECT_EQ(change.after.handoff().to_number(), Fresh().number);
  EXPECT_EQ(change.after.handoff().from_number(), Giver().number());
  EXPECT_EQ(change.content, world_.Content(0, id_));
  EXPECT_EQ(change.after.content_digest(), Giver().content_digest());
  EXPECT_EQ(change.after.content_salt(), Giver().content_salt());
  EXPECT_TRUE(change.event.has_understood());
  EXPECT_TRUE(change.event.understood().has_registered());
  EXPECT_FALSE(change.event.mirrored());
  EXPECT_EQ(change.event.traceparent(), kTrace);
  EXPECT_EQ(change.event.actor().hotline(), "110");
  ASSERT_EQ(change.envelopes.size(), 1u);
  EXPECT_EQ(change.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_UNDERSTOOD);
  EXPECT_EQ(change.envelopes[0].peer, "12345");
}

TEST_F(ReceiveTest, UnknownFieldsOfAnOfferSurvive) {
  const std::string unknown =
      "\xda\x3e\x05"
      "later";  // field 1003, a string
  const Envelope offer = OfferWith([&](OfferBody& body) {
    body.set_content(unknown + body.content() + unknown);
    EXPECT_TRUE(body.mutable_handoff()->MergeFromString(unknown));
  });
  const Received received = At(1, offer);
  ASSERT_TRUE(received.changes);
  OfferBody sent;
  ASSERT_TRUE(sent.ParseFromString(offer.body()));
  EXPECT_EQ(received.change.content, sent.content()) << "byte for byte, in the sender's order";
  EXPECT_EQ(received.change.after.content_digest(), Sha256({sent.content_salt(), sent.content()}));
  EXPECT_NE(received.change.after.handoff().SerializeAsString().find(unknown), std::string::npos);
}

TEST_F(ReceiveTest, ANewerPeersOfferIsUnderstood) {
  const Received received = At(1, OfferOf([&](type::v1::OrderContent& content) {
                                 content.set_type(static_cast<type::v1::OrderType>(99));
                                 content.set_channel(static_cast<type::v1::Channel>(98));
                                 content.set_urgency(static_cast<type::v1::Urgency>(97));
                                 content.set_lead_unit("unit-of-another-county");
                                 content.mutable_catalogue()->set_item("C7");
                                 ToProto(world_.now() + absl::Hours(1), content.mutable_occur_time());
                               }));
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(received.change.after.type(), 99);
  EXPECT_EQ(received.change.event.understood().registered().channel(), 98);
}

TEST_F(ReceiveTest, ABrokenOfferIsNotUnderstood) {
  const auto refusal = [&](const Envelope& envelope) {
    const NotUnderstoodBody body = Refusal(At(1, envelope));
    EXPECT_EQ(body.sequence(), envelope.sequence());
    EXPECT_EQ(body.kind(), exchange::v1::ENVELOPE_KIND_OFFER);
    EXPECT_NE(body.message(), "");
    return body.reason() + " " + body.field();
  };
  Envelope garbage = world_.Owed(0).front();
  garbage.set_body("\x0a\xff");
  EXPECT_EQ(refusal(garbage), "FIELD_INVALID body");
  garbage.set_body(std::string((256 << 10) + 1, 'x'));
  EXPECT_EQ(refusal(garbage), "FIELD_INVALID body");
  const auto offer = [&](const std::function<void(OfferBody&)>& edit) { return refusal(OfferWith(edit)); };
  EXPECT_EQ(offer([](OfferBody& b) { b.clear_handoff(); }), "FIELD_INVALID handoff.id");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->set_attempt(0); }),
            "FIELD_INVALID handoff.attempt");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->set_attempt(2); }), "FIELD_INVALID handoff.id");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->set_from_hotline("911"); }),
            "FIELD_INVALID handoff.from_hotline");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->set_to_hotline("119"); }),
            "FIELD_INVALID handoff.to_hotline");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->clear_from_number(); }),
            "FIELD_REQUIRED handoff.from_number");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->set_note(std::string(501, 'x')); }),
            "TEXT_TOO_LONG handoff.note");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_handoff()->mutable_offer_time()->set_nanos(-1); }),
            "TIME_INVALID handoff.offer_time");
  EXPECT_EQ(offer([](OfferBody& b) { b.clear_origin_hotline(); }), "FIELD_REQUIRED origin_hotline");
  EXPECT_EQ(offer([](OfferBody& b) { b.set_content_salt("short"); }), "FIELD_INVALID content_salt");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_custody()->set_holder("110"); }),
            "FIELD_INVALID custody.holder");
  EXPECT_EQ(offer([](OfferBody& b) { b.mutable_custody()->set_epoch(0); }), "FIELD_INVALID custody.epoch");
  EXPECT_EQ(offer([](OfferBody& b) { b.set_content("\x0a\xff"); }), "FIELD_INVALID content");
  const auto content = [&](const std::function<void(type::v1::OrderContent&)>& edit) {
    return refusal(OfferOf(edit));
  };
  EXPECT_EQ(content([](type::v1::OrderContent& c) { c.clear_title(); }), "FIELD_REQUIRED content.title");
  EXPECT_EQ(content([](type::v1::OrderContent& c) { c.clear_urgency(); }), "FIELD_REQUIRED content.urgency");
  EXPECT_EQ(content([](type::v1::OrderContent& c) { c.mutable_caller()->set_phone("12a"); }),
            "PHONE_INVALID content.caller.phone");
  // Somebody else's id cannot be taken.
  Envelope stolen = OfferWith([](OfferBody& b) { b.mutable_handoff()->set_id("110-0000000000001-1"); });
  stolen.set_handoff_id("110-0000000000001-1");
  EXPECT_EQ(refusal(stolen), "FIELD_INVALID handoff.id");
}

// Such orders were taken, and reconciliation never saw them.
TEST_F(ReceiveTest, AHandoffsIdNamesAnOrderInOneSpelling) {
  const auto offer = [&](const std::string& id) {
    Envelope envelope = OfferWith([&](OfferBody& body) { body.mutable_handoff()->set_id(id); });
    envelope.set_handoff_id(id);
    return At(1, envelope);
  };
  for (const char* id : {"12345-hello-1", "12345-a b-1", "12345-ZZZZZZZZZZZZZ-1", "12345-06hqz2a400000-1"}) {
    EXPECT_EQ(Refusal(offer(id)).field(), "handoff.id") << id;
  }
  EXPECT_TRUE(offer("12345-06HQZ2A400000-1").changes);
}

TEST_F(ReceiveTest, AnOfferByTheOtherLaneIsNotUnderstood) {
  const auto offer = [&](type::v1::Urgency urgency, exchange::v1::Lane lane) {
    const Envelope envelope = OfferOf([&](type::v1::OrderContent& content) { content.set_urgency(urgency); });
    return DecideEnvelope(nullptr, envelope, "12345", Fresh(), world_.site(1), world_.now(), std::nullopt,
                          lane);
  };
  const NotUnderstoodBody slow = Refusal(offer(type::v1::URGENCY_EMERGENCY, exchange::v1::LANE_ORDINARY));
  EXPECT_EQ(slow.reason() + " " + slow.field(), "FIELD_INVALID content.urgency");
  const NotUnderstoodBody fast = Refusal(offer(type::v1::URGENCY_URGENT, exchange::v1::LANE_EMERGENCY));
  EXPECT_EQ(fast.reason() + " " + fast.field(), "FIELD_INVALID content.urgency");
  EXPECT_TRUE(offer(type::v1::URGENCY_EMERGENCY, exchange::v1::LANE_EMERGENCY).changes);
  EXPECT_TRUE(offer(type::v1::URGENCY_URGENT, exchange::v1::LANE_ORDINARY).changes);
}

TEST_F(ReceiveTest, TheSameOfferAgainChangesNothing) {
  const Envelope offer = world_.Owed(0).front();
  Arrive();
  ExpectNothing(At(1, offer));
}

TEST_F(ReceiveTest, AnOrderThatComesBackIsANewOneHere) {
  // Another vendor's site gives back, by an offer of its own, what this site registered first.
  Envelope offer = OfferWith([](OfferBody& body) {
    body.mutable_handoff()->set_id("110-00000000000AB-1");
    body.mutable_handoff()->set_from_hotline("110");
    body.mutable_handoff()->set_to_hotline("12345");
    body.mutable_custody()->set_holder("110");
    body.set_origin_hotline("12345");
  });
  offer.set_handoff_id("110-00000000000AB-1");
  const Received received = DecideEnvelope(nullptr, offer, "110", Fresh(), world_.site(0), world_.now());
  ASSERT_TRUE(received.changes);
  EXPECT_TRUE(received.change.creates);
  EXPECT_EQ(received.change.after.origin_hotline(), "12345");
  EXPECT_EQ(received.change.after.custody().holder(), "110");
}

TEST_F(ReceiveTest, TheThreeReceiptsInTurn) {
  world_.Deliver(0);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_OFFERED);
  world_.Receipt(0);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECEIVED);
  EXPECT_TRUE(world_.LastEvent(0).has_received());
  EXPECT_EQ(world_.LastEvent(0).actor().hotline(), "110");
  world_.Deliver(1);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_TRUE(world_.LastEvent(0).mirrored());
  twin_ = world_.Twin(0, id_);
  EXPECT_EQ(Giver().handoff().to_number(), Receiver().number());
  world_.Do(1, Act::kAccept, twin_);
  world_.Deliver(1);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_TRUE(world_.LastEvent(0).mirrored());
  EXPECT_EQ(world_.LastEvent(0).accepted().acceptance().note(), "收到");
  EXPECT_EQ(world_.LastEvent(0).actor().hotline(), "110");
  EXPECT_EQ(world_.LastEvent(0).actor().account(), "1001");
  EXPECT_EQ(world_.LastEvent(0).actor().seat(), "");
  EXPECT_EQ(FromProto(Giver().handoff().accept_time()), FromProto(Receiver().handoff().accept_time()));
}

TEST_F(ReceiveTest, TheSecondReceiptMayOvertakeTheFirst) {
  world_.Deliver(0);
  world_.Deliver(1);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_TRUE(Giver().handoff().has_receive_time());
  EXPECT_FALSE(Giver().handoff().receipt_record().has_receive_record_time());
  const google::protobuf::Timestamp told = Giver().handoff().receive_time();
  // The receipt is a fact of its own: recorded when it comes, without moving the order back.
  world_.Receipt(0);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_TRUE(world_.LastEvent(0).has_received());
  EXPECT_EQ(world_.LastEvent(0).state_before(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_EQ(FromProto(Giver().handoff().receipt_record().receive_record_time()), world_.now());
  EXPECT_EQ(FromProto(Giver().handoff().receive_time()), FromProto(told));
  const Received again = DecideReceipt(Giver(), HandoffOf(), world_.now(), world_.site(0), world_.now());
  EXPECT_FALSE(again.changes) << "once";
}

TEST_F(ReceiveTest, AReceiptOfAnEarlierHandoffIsRecordedThere) {
  world_.Deliver(0);
  world_.Deliver(1);
  twin_ = world_.Twin(0, id_);
  world_.Do(1, Act::kReturn, twin_);
  world_.Deliver(1);
  const std::string first = HandoffOf();
  world_.Do(0, Act::kOffer, id_);
  world_.Receipt(0);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(world_.LastEvent(0).received().handoff_id(), first);
  EXPECT_TRUE(Giver().past_handoffs(0).receipt_record().has_receive_record_time());
  EXPECT_FALSE(Giver().handoff().has_receive_time());
}

TEST_F(ReceiveTest, ThreeReceiptsCarryTheTimesOfBothClocksAndTheSkew) {
  world_.Deliver(0);
  const absl::Time arrived = world_.now();
  world_.Receipt(0, ClockSkew{absl::Milliseconds(-1500), absl::Milliseconds(20)});
  const type::v1::Event received = world_.LastEvent(0);
  EXPECT_EQ(FromProto(received.received().receive_time()), arrived);
  EXPECT_EQ(FromProto(received.commit_time()), world_.now());
  EXPECT_EQ(received.received().clock_skew().seconds(), -1);
  EXPECT_EQ(received.received().clock_skew().nanos(), -500'000'000);
  EXPECT_EQ(received.received().clock_uncertainty().nanos(), 20'000'000);
  world_.Deliver(1);
  EXPECT_EQ(FromProto(Giver().handoff().understand_time()), arrived);
  EXPECT_EQ(FromProto(Giver().handoff().receipt_record().understand_record_time()), world_.now());
  twin_ = world_.Twin(0, id_);
  world_.Do(1, Act::kAccept, twin_);
  const absl::Time accepted = world_.now();
  EXPECT_EQ(FromProto(world_.LastEvent(1).accepted().accept_time()), accepted);
  world_.Deliver(1);
  const type::v1::Event third = world_.LastEvent(0);
  EXPECT_EQ(FromProto(third.accepted().accept_time()), accepted);
  EXPECT_EQ(FromProto(third.commit_time()), world_.now());
  EXPECT_EQ(third.accepted().clock_skew().seconds(), -1);
  EXPECT_EQ(FromProto(Giver().handoff().receipt_record().accept_record_time()), world_.now());
  EXPECT_FALSE(world_.LastEvent(1).accepted().has_clock_skew());
}

TEST_F(ReceiveTest, AReceiptForAnotherHandoffChangesNothing) {
  EXPECT_FALSE(DecideReceipt(Giver(), "12345-other-1", world_.now(), world_.site(0), world_.now()).changes);
  EXPECT_TRUE(DecideReceipt(Giver(), HandoffOf(), world_.now(), world_.site(0), world_.now()).changes);
  const Received mad =
      DecideReceipt(Giver(), HandoffOf(), absl::InfiniteFuture(), world_.site(0), world_.now());
  EXPECT_EQ(FromProto(mad.change.after.handoff().receive_time()), world_.now());
}

TEST_F(ReceiveTest, AnOfferNotUnderstoodComesBack) {
  NotUnderstoodBody body;
  body.set_reason("PHONE_INVALID");
  body.set_field("content.caller.phone");
  body.set_message("must be digits");
  body.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
  const Received received = At(0, Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, HandoffOf(), body));
  ASSERT_TRUE(received.changes);
  EXPECT_TRUE(received.envelopes.empty());
  EXPECT_TRUE(received.change.envelopes.empty());
  EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(received.change.after.custody().holder(), "12345");
  const type::v1::HandoffReturn& returned = received.change.event.returned().handoff_return();
  EXPECT_EQ(returned.ground(), type::v1::RETURN_GROUND_NOT_UNDERSTOOD);
  EXPECT_EQ(returned.reason(),
            "字段 content.caller.phone：电话号码格式有误（PHONE_INVALID: must be digits）");
  EXPECT_FALSE(received.refusal.has_value()) << "the desk has it";
}

// The desk read English, and the path twice.
TEST_F(ReceiveTest, TheDeskIsToldInChineseWhatThePeerCannotRead) {
  const auto reason = [&](const NotUnderstoodBody& body) {
    const Received received = At(0, Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, HandoffOf(), body));
    return received.change.event.returned().handoff_return().reason();
  };
  // What this software answers.
  const NotUnderstoodBody answer = Refusal(At(1, OfferOf([](auto& content) { content.clear_title(); })));
  EXPECT_EQ(reason(answer), "字段 content.title：必填（FIELD_REQUIRED: is required）");
  NotUnderstoodBody body;
  EXPECT_EQ(reason(body), "对方未说明原因（NOT_UNDERSTOOD）");
  body.set_message("try again");
  EXPECT_EQ(reason(body), "对方未说明原因（NOT_UNDERSTOOD: try again）");
  body.set_reason("NEWER_REASON");
  body.set_field("content.colour");
  EXPECT_EQ(reason(body), "字段 content.colour：对方无法识别（NEWER_REASON: try again）");
  body.set_field(std::string(1000, 'f'));
  body.set_message(std::string(1000, 'm'));
  EXPECT_EQ(CountCodePoints(reason(body)), 500);
}

// The order lay with nobody until the deadline to confirm, and no site said so.
TEST_F(ReceiveTest, AnOfferComesBackWhateverIsSaidOfIt) {
  Envelope envelope = Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, HandoffOf(), NotUnderstoodBody());
  const auto reason = [&](const std::string& bytes) {
    envelope.set_body(bytes);
    const Received received = At(0, envelope);
    EXPECT_TRUE(received.changes);
    EXPECT_TRUE(received.envelopes.empty());
    EXPECT_FALSE(received.refusal.has_value());
    EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_RETURNED);
    const std::string& text = received.change.event.returned().handoff_return().reason();
    EXPECT_TRUE(CountCodePoints(text).has_value() && !HasControlCharacters(text, true));
    return text;
  };
  EXPECT_EQ(reason(""), "对方未说明原因（NOT_UNDERSTOOD）");
  EXPECT_EQ(reason("no body"), "对方未说明原因（NOT_UNDERSTOOD）");
  EXPECT_EQ(reason("\x12\x01\xff"), "对方未说明原因（NOT_UNDERSTOOD）") << "a message that is no UTF-8";
  EXPECT_EQ(reason(std::string(257 << 10, '\xff')), "对方未说明原因（NOT_UNDERSTOOD）");
  NotUnderstoodBody body;
  body.set_reason("FIELD_INVALID");
  body.set_message(std::string("nul\0", 4));
  for (const int kind : {0, 1, 42}) {
    body.set_kind(static_cast<exchange::v1::EnvelopeKind>(kind));
    body.set_sequence(kind == 1 ? 1000 : 0);
    EXPECT_EQ(reason(body.SerializeAsString()), "内容不符合要求（FIELD_INVALID）") << kind;
  }
  body.set_message("as it is");
  body.set_reason("please call 张三");
  EXPECT_EQ(reason(body.SerializeAsString()), "对方未说明原因（NOT_UNDERSTOOD: as it is）");
  // The lane's receipt, which came first, changes nothing of that.
  WorkOrder order = Giver();
  order.set_state(type::v1::ORDER_STATE_RECEIVED);
  order.mutable_handoff()->set_link_sequence(7);
  const auto changes = [&](const std::string& bytes) {
    envelope.set_body(bytes);
    return DecideEnvelope(&order, envelope, "110", Fresh(), world_.site(0), world_.now()).changes;
  };
  EXPECT_TRUE(changes(""));
  // A recall behind the offer that the peer has no order for yet, of which it says no kind.
  body.clear_kind();
  body.set_sequence(8);
  EXPECT_FALSE(changes(body.SerializeAsString()));
  body.set_sequence(7);
  EXPECT_TRUE(changes(body.SerializeAsString()));
}

// A mirror that a peer refused left no trace at all.
TEST_F(ReceiveTest, WhatElseWasNotUnderstoodIsForTheOperator) {
  NotUnderstoodBody body;
  body.set_kind(exchange::v1::ENVELOPE_KIND_MIRROR);
  body.set_reason("WRONG_STATE");
  body.set_sequence(3);
  const auto refusal = [&](const std::string& handoff_id) {
    const Received received = At(0, Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, handoff_id, body));
    ExpectNothing(received);
    return received.refusal.value_or(NotUnderstoodBody());
  };
  // Behind an offer that has no answer yet, too.
  EXPECT_EQ(refusal(HandoffOf()).reason(), "WRONG_STATE");
  Arrive();
  EXPECT_EQ(refusal(HandoffOf()).reason(), "WRONG_STATE");
  EXPECT_EQ(refusal(HandoffOf()).kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
  EXPECT_EQ(refusal(HandoffOf()).sequence(), 3);
  EXPECT_EQ(refusal("12345-nosuch-1").reason(), "WRONG_STATE");
  body.set_kind(exchange::v1::ENVELOPE_KIND_RECALL);
  EXPECT_EQ(refusal(HandoffOf()).reason(), "WRONG_STATE") << "nobody recalled it";
  body.set_reason("words");
  EXPECT_EQ(refusal(HandoffOf()).reason(), "");
}

TEST_F(ReceiveTest, WhatIsNotUnderstoodLaterMovesNothing) {
  Arrive();
  NotUnderstoodBody body;
  body.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
  ExpectNothing(At(0, Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, HandoffOf(), body)));
  body.set_kind(exchange::v1::ENVELOPE_KIND_MIRROR);
  ExpectNothing(At(0, Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, HandoffOf(), body)));
}

TEST_F(ReceiveTest, NotUnderstoodIsNeverAnsweredSo) {
  Envelope envelope = Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, "110-nosuch-1", NotUnderstoodBody());
  ExpectNothing(DecideEnvelope(nullptr, envelope, "110", Fresh(), world_.site(0), world_.now()));
  envelope.set_handoff_id(HandoffOf());
  envelope.set_body("\x0a\xff");
  EXPECT_TRUE(At(0, envelope).envelopes.empty());
  Arrive();
  ExpectNothing(At(0, envelope));
}

TEST_F(ReceiveTest, UnknownKindsAreAnswered) {
  Arrive();
  Envelope envelope = Wrap(static_cast<exchange::v1::EnvelopeKind>(42), HandoffOf(), NotUnderstoodBody());
  const NotUnderstoodBody body = Refusal(At(1, envelope));
  EXPECT_EQ(body.reason(), "ENUM_INVALID");
  EXPECT_EQ(body.field(), "kind");
  EXPECT_EQ(body.kind(), 42);
  EXPECT_EQ(body.sequence(), 7);
}

// A newer peer's kind, where nothing else would be answered.
TEST_F(ReceiveTest, UnknownKindsAboutWhatIsOverOrPassedOnAreAnswered) {
  constexpr exchange::v1::EnvelopeKind kUnknown[] = {static_cast<exchange::v1::EnvelopeKind>(99),
                                                     exchange::v1::ENVELOPE_KIND_UNSPECIFIED};
  Arrive();
  const std::string first = HandoffOf();
  world_.Do(1, Act::kReturn, twin_);
  world_.Settle();
  world_.Do(0, Act::kOffer, id_);
  ASSERT_EQ(Giver().past_handoffs_size(), 1);
  for (const auto kind : kUnknown) {
    const NotUnderstoodBody body = Refusal(At(0, Wrap(kind, first, NotUnderstoodBody())));
    EXPECT_EQ(body.reason(), "ENUM_INVALID");
    EXPECT_EQ(body.kind(), kind);
  }

  World chain(3);
  const std::string given = chain.Register(0, SampleContent(), true);
  chain.Settle();
  const std::string taken = chain.Twin(0, given);
  chain.Do(1, Act::kAccept, taken);
  chain.Push(1, taken, 2);
  chain.Settle();
  const WorkOrder& order = chain.Order(1, taken);
  ASSERT_TRUE(order.has_inbound());
  for (const auto kind : kUnknown) {
    const NotUnderstoodBody body =
        Refusal(DecideEnvelope(&order, Wrap(kind, order.inbound().id(), NotUnderstoodBody()), "12345",
                               Fresh(), chain.site(1), chain.now()));
    EXPECT_EQ(body.reason(), "ENUM_INVALID");
    EXPECT_EQ(body.field(), "kind");
    EXPECT_EQ(body.kind(), kind);
  }
  EXPECT_EQ(chain.fault(), "");
}

TEST_F(ReceiveTest, UnknownHandoffsAreAnswered) {
  for (const auto kind : {exchange::v1::ENVELOPE_KIND_UNDERSTOOD, exchange::v1::ENVELOPE_KIND_RECALL,
                          exchange::v1::ENVELOPE_KIND_MIRROR, exchange::v1::ENVELOPE_KIND_RECALL_REFUSED}) {
    EXPECT_EQ(Refusal(At(1, Wrap(kind, "12345-nosuch-1", NotUnderstoodBody()))).reason(), "ORDER_NOT_FOUND");
  }
}

TEST_F(ReceiveTest, AnotherPeerHasNoSayInTheHandoff) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  world_.mutable_site(0)->peers.insert("119");
  const Received received =
      DecideEnvelope(&Giver(), world_.Owed(1).front(), "119", Fresh(), world_.site(0), world_.now());
  EXPECT_EQ(Refusal(received).reason(), "ORDER_NOT_FOUND");
}

TEST_F(ReceiveTest, AnAnswerInAnEarlierHandoffChangesNothing) {
  Arrive();
  const std::string first = HandoffOf();
  world_.Do(1, Act::kReturn, twin_);
  const Envelope mirror = world_.Owed(1).front();
  world_.Settle();
  world_.Do(0, Act::kOffer, id_);
  ASSERT_NE(HandoffOf(), first);
  ExpectNothing(At(0, mirror));
}

TEST_F(ReceiveTest, RecallBeforeAcceptanceTakesTheOrderBack) {
  Arrive();
  world_.Do(0, Act::kRecall, id_);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_UNDERSTOOD) << "nothing moves before the peer answers";
  EXPECT_TRUE(Giver().facts().recall_requested());
  EXPECT_TRUE(world_.LastEvent(0).has_recall_requested());
  world_.Deliver(0);
  EXPECT_EQ(Receiver().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(world_.LastEvent(1).recalled().recall().reason(), "推送有误");
  // Too late for the desk at 110.
  EXPECT_FALSE(world_.Execute(1, MakeCommand(Act::kAccept, twin_, "12345", world_.now())).ok());
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_FALSE(Giver().facts().recall_requested());
  EXPECT_TRUE(Giver().handoff().has_end_time());
  EXPECT_EQ(Giver().custody().epoch(), 1);
  EXPECT_TRUE(world_.LastEvent(0).has_recalled());
}

TEST_F(ReceiveTest, RecallRightBehindTheOffer) {
  world_.Do(0, Act::kRecall, id_);
  world_.Settle();
  twin_ = world_.Twin(0, id_);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(Receiver().state(), type::v1::ORDER_STATE_RECALLED);
}

TEST_F(ReceiveTest, RecallThatCrossesAnAcceptanceIsRefused) {
  Arrive();
  world_.Do(0, Act::kRecall, id_);
  world_.Do(1, Act::kAccept, twin_);
  world_.Deliver(0);
  EXPECT_EQ(Receiver().state(), type::v1::ORDER_STATE_ACCEPTED);
  world_.Deliver(1);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_TRUE(Giver().facts().recall_requested()) << "not answered yet";
  world_.Deliver(1);
  EXPECT_FALSE(Giver().facts().recall_requested());
  EXPECT_TRUE(world_.LastEvent(0).has_recall_refused());
  EXPECT_EQ(Giver().custody().holder(), "110");
  EXPECT_EQ(Giver().custody().epoch(), 2);
}

TEST_F(ReceiveTest, RecallThatCrossesAReturnFindsItReturned) {
  Arrive();
  world_.Do(0, Act::kRecall, id_);
  world_.Do(1, Act::kReturn, twin_);
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_FALSE(Giver().facts().recall_requested());
  EXPECT_EQ(Giver().handoff().returned().proposed_item(), "A5");
  EXPECT_TRUE(world_.LastEvent(0).has_returned()) << "the refusal that followed said nothing new";
}

TEST_F(ReceiveTest, APeerWithoutRecallRefusesIt) {
  Arrive();
  world_.Do(0, Act::kRecall, id_);
  NotUnderstoodBody body;
  body.set_kind(exchange::v1::ENVELOPE_KIND_RECALL);
  const Received received = At(0, Wrap(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, HandoffOf(), body));
  ASSERT_TRUE(received.changes);
  EXPECT_FALSE(received.change.after.facts().recall_requested());
  EXPECT_TRUE(received.change.event.has_recall_refused());
}

TEST_F(ReceiveTest, OnlyTheGiverRecalls) {
  Arrive();
  exchange::v1::RecallBody body;
  EXPECT_EQ(Refusal(At(0, Wrap(exchange::v1::ENVELOPE_KIND_RECALL, HandoffOf(), body))).reason(),
            "ORDER_NOT_FOUND");
}

TEST_F(ReceiveTest, AMirrorKeepsWhatIsThisSitesOwn) {
  Arrive();
  world_.Do(0, Act::kUrge, id_);
  world_.Do(0, Act::kRemind, id_);
  world_.Do(1, Act::kAccept, twin_);
  const Envelope envelope = MirrorWith(1, [](MirrorBody& body) {
    body.mutable_facts()->set_secret(true);
    body.mutable_facts()->set_recall_requested(true);
    body.mutable_facts()->set_urge_count(40);
    body.mutable_handoff()->set_link_sequence(99);
    body.mutable_handoff()->set_note("改过的备注");
    body.mutable_handoff()->mutable_offer_time()->set_seconds(1);
  });
  const Received received = At(0, envelope);
  ASSERT_TRUE(received.changes);
  const type::v1::Facts& facts = received.change.after.facts();
  EXPECT_TRUE(facts.overdue());
  EXPECT_EQ(facts.urge_count(), 1);
  EXPECT_EQ(facts.remind_count(), 1);
  EXPECT_FALSE(facts.secret());
  EXPECT_FALSE(facts.recall_requested());
  const type::v1::Handoff& handoff = received.change.after.handoff();
  EXPECT_EQ(handoff.link_sequence(), Giver().handoff().link_sequence());
  EXPECT_EQ(handoff.note(), Giver().handoff().note());
  EXPECT_EQ(handoff.offer_time().seconds(), Giver().handoff().offer_time().seconds());
}

TEST_F(ReceiveTest, UnknownFieldsOfAMirrorSurvive) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  const std::string unknown =
      "\xda\x3e\x05"
      "later";
  const Envelope envelope = MirrorWith(1, [&](MirrorBody& body) {
    for (google::protobuf::Message* part : {static_cast<google::protobuf::Message*>(body.mutable_facts()),
                                            static_cast<google::protobuf::Message*>(body.mutable_custody()),
                                            static_cast<google::protobuf::Message*>(body.mutable_handoff()),
                                            static_cast<google::protobuf::Message*>(body.mutable_event())}) {
      ASSERT_TRUE(part->MergeFromString(unknown));
    }
  });
  const Received received = At(0, envelope);
  ASSERT_TRUE(received.changes);
  const auto kept = [&](const google::protobuf::Message& part) {
    return part.SerializeAsString().find(unknown) != std::string::npos;
  };
  EXPECT_TRUE(kept(received.change.after.facts()));
  EXPECT_TRUE(kept(received.change.after.custody()));
  EXPECT_TRUE(kept(received.change.after.handoff()));
  EXPECT_TRUE(kept(received.change.event));
  // And they do not pile up when the peer sends them with every move.
  Envelope next = envelope;
  MirrorBody body;
  ASSERT_TRUE(body.ParseFromString(envelope.body()));
  body.mutable_event()->set_told_key(body.event().told_key() + 1);
  next.set_body(body.SerializeAsString());
  const Received again =
      DecideEnvelope(&received.change.after, next, "110", Fresh(), world_.site(0), world_.now());
  ASSERT_TRUE(again.changes);
  EXPECT_EQ(again.change.after.handoff().SerializeAsString(),
            received.change.after.handoff().SerializeAsString());
}

TEST_F(ReceiveTest, AMoveOfANewerPeerIsRecordedEvenIfItsDetailIsUnknown) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  const std::string detail =
      "\xd2\x0f\x03"
      "new";  // field 250, a message
  const Received received = At(0, MirrorWith(1, [&](MirrorBody& body) {
                                 body.mutable_event()->clear_detail();
                                 ASSERT_TRUE(body.mutable_event()->MergeFromString(detail));
                               }));
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_NE(received.change.event.SerializeAsString().find(detail), std::string::npos);
}

TEST_F(ReceiveTest, ASparseMirrorIsCompleted) {
  // Another vendor's site that says only the least.
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  const auto sparse = [](MirrorBody& body) {
    body.clear_facts();
    body.clear_handoff();
    body.clear_event();
  };
  const Received accepted = At(0, MirrorWith(1, sparse));
  ASSERT_TRUE(accepted.changes);
  EXPECT_TRUE(accepted.change.after.handoff().has_accept_time());
  EXPECT_EQ(accepted.change.after.handoff().to_number(), Receiver().number());
  world_.Do(1, Act::kReturn, twin_);
  const Received returned = At(0, MirrorWith(1, [](MirrorBody& body) { body.clear_handoff(); }));
  ASSERT_TRUE(returned.changes);
  EXPECT_TRUE(returned.change.after.handoff().has_end_time());
  EXPECT_EQ(returned.change.after.handoff().returned().ground(), type::v1::RETURN_GROUND_NOT_OUR_DUTY)
      << "taken from the event";
}

// A giver once did not count what a platform that says only the least gave back, and could not dispute it.
TEST_F(ReceiveTest, ASparseReturnCountsAndMayBeDisputed) {
  Arrive();
  world_.Do(1, Act::kReturn, twin_);
  const Received returned = At(0, MirrorWith(1, [](MirrorBody& body) {
                                 body.clear_facts();
                                 body.clear_event();
                               }));
  ASSERT_TRUE(returned.changes);
  EXPECT_EQ(returned.change.after.facts().return_count(), 1);
  const type::v1::Command dispute = MakeCommand(Act::kDispute, id_, "110", world_.now());
  const absl::StatusOr<Change> disputed =
      Decide(&returned.change.after, dispute, Fresh(), world_.site(0), world_.now());
  EXPECT_TRUE(disputed.ok()) << disputed.status();
  // Whoever counts is not counted for; and what was not understood, nobody gave back.
  EXPECT_EQ(At(0, MirrorWith(1, [](MirrorBody&) {})).change.after.facts().return_count(), 1);
  const Received not_read =
      At(0, MirrorWith(1, [](MirrorBody& body) {
           body.clear_facts();
           body.mutable_handoff()->mutable_returned()->set_ground(type::v1::RETURN_GROUND_NOT_UNDERSTOOD);
         }));
  ASSERT_TRUE(not_read.changes);
  EXPECT_EQ(not_read.change.after.facts().return_count(), 0);
}

// It was read as one of an older epoch, and the acceptance was lost without a word.
TEST_F(ReceiveTest, AMirrorThatNamesNoHolderIsAnswered) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  for (const bool resync : {false, true}) {
    const NotUnderstoodBody body = Refusal(At(0, MirrorWith(1, [&](MirrorBody& mirror) {
                                                mirror.clear_custody();
                                                mirror.set_resync(resync);
                                              })));
    EXPECT_EQ(body.reason(), "FIELD_REQUIRED");
    EXPECT_EQ(body.field(), "custody");
  }
  const NotUnderstoodBody empty =
      Refusal(At(0, MirrorWith(1, [](MirrorBody& mirror) { mirror.mutable_custody()->Clear(); })));
  EXPECT_EQ(empty.field(), "custody.epoch");
}

TEST_F(ReceiveTest, ARecordNeedNotNameTheHolder) {
  Arrive();
  world_.Do(1, Act::kVoiceReturns, twin_);
  const Received received = At(0, MirrorWith(1, [](MirrorBody& mirror) { mirror.clear_custody(); }));
  ASSERT_TRUE(received.changes);
  EXPECT_TRUE(received.change.event.has_voice_confirmed());
}

TEST_F(ReceiveTest, AnOlderEpochChangesNothing) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  const Envelope accepted = world_.Owed(1).back();
  world_.Settle();
  world_.Do(1, Act::kReturn, twin_);
  world_.Settle();
  world_.Do(0, Act::kAccept, id_);
  ExpectNothing(At(0, accepted));
}

// Found by ExchangeLaw: the mirror of an extension in REDO was refused, and the giver never heard of it.
TEST_F(ReceiveTest, WorkThatLeavesTheOrderToBeRedoneIsMirrored) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  world_.Do(1, Act::kFinish, twin_);
  world_.Settle();
  world_.Do(0, Act::kRedo, id_);
  world_.Settle();
  world_.Do(1, Act::kExtend, twin_);
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_REDO);
  EXPECT_EQ(Giver().facts().extension_count(), 1);
}

TEST_F(ReceiveTest, MovesThatAreNotThePeersAreRefused) {
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  const auto refusal = [&](int at, const std::function<void(MirrorBody&)>& edit) {
    const NotUnderstoodBody body = Refusal(At(at, MirrorWith(1 - at, edit)));
    return body.reason() + " " + body.field();
  };
  for (const OrderState state :
       {type::v1::ORDER_STATE_UNSPECIFIED, type::v1::ORDER_STATE_REGISTERED, type::v1::ORDER_STATE_OFFERED,
        type::v1::ORDER_STATE_UNDERSTOOD, type::v1::ORDER_STATE_CALLED_BACK, type::v1::ORDER_STATE_REDO,
        type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_CANCELLED, type::v1::ORDER_STATE_ARCHIVED,
        static_cast<OrderState>(77)}) {
    EXPECT_EQ(refusal(0, [&](MirrorBody& b) { b.set_state(state); }), "WRONG_STATE ") << state;
  }
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_custody()->set_holder("12345"); }), "FIELD_INVALID body")
      << "a peer cannot make this site the holder of what it accepted itself";
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_custody()->set_holder("911"); }), "FIELD_INVALID body");
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_custody()->set_epoch(1); }),
            "FIELD_INVALID custody.holder");
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_custody()->set_epoch(int64_t{1} << 62); }),
            "FIELD_INVALID custody.epoch");
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_handoff()->set_attempt(5); }), "FIELD_INVALID handoff");
  EXPECT_EQ(refusal(0,
                    [](MirrorBody& b) {
                      for (int i = 0; i < 18; ++i) b.add_units()->set_unit("u");
                    }),
            "LIST_INVALID units");
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_reply()->set_public_reply("早了"); }),
            "FIELD_INVALID body");
  EXPECT_EQ(refusal(0, [](MirrorBody& b) { b.mutable_event()->mutable_actor()->set_account("\x1b[2J"); }),
            "TEXT_INVALID event.actor.account");
  EXPECT_EQ(
      refusal(0, [](MirrorBody& b) { b.mutable_facts()->mutable_review_time()->set_nanos(1'000'000'000); }),
      "TIME_INVALID facts.review_time");
  // The origin cannot close over the holder's head.
  world_.Settle();
  world_.Do(1, Act::kFinish, twin_);
  world_.Settle();
  world_.Do(0, Act::kClose, id_);
  const Envelope closed = world_.Owed(0).back();
  ASSERT_TRUE(At(1, closed).changes);
  WorkOrder working = Receiver();
  working.set_state(type::v1::ORDER_STATE_IN_PROGRESS);
  EXPECT_EQ(
      Refusal(DecideEnvelope(&working, closed, "12345", Fresh(), world_.site(1), world_.now())).reason(),
      "WRONG_STATE");
}

TEST_F(ReceiveTest, AnUntracedOrForgedTraceIsLeftOut) {
  Envelope offer = world_.Owed(0).front();
  offer.set_traceparent("张三 0908-4621234");
  EXPECT_EQ(At(1, offer).change.event.traceparent(), "");
}

}  // namespace
}  // namespace hotline::work_order
