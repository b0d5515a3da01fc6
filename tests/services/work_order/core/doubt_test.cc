// An offer in doubt: each interleaving that decide.h names, the spoken code, alarms, late emergencies, and
// orders of partners.
#include <string>

#include "common/base/sha256.h"
#include "common/error/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using type::v1::WorkOrder;

// 12345 has pushed an order to 110; nothing was delivered yet.
class DoubtTest : public testing::Test {
 protected:
  void SetUp() override { Push(type::v1::URGENCY_NORMAL); }
  void TearDown() override { EXPECT_EQ(world_.fault(), ""); }

  void Push(type::v1::Urgency urgency) {
    type::v1::OrderContent content = SampleContent();
    content.set_urgency(urgency);
    id_ = world_.Register(0, content, true);
  }
  void Arrive() {
    world_.Settle();
    twin_ = world_.Twin(0, id_);
  }
  const WorkOrder& Giver() const { return world_.Order(0, id_); }
  const WorkOrder& Taker() { return world_.Order(1, world_.Twin(0, id_)); }
  Reason ReasonOf(int at, Act act, const std::string& id) {
    return error::ReasonOf(world_.Try(at, act, id).status());
  }
  int Count(int at, type::v1::Event::DetailCase detail) const {
    int count = 0;
    for (const type::v1::Event& event : world_.Log(at)) count += event.detail_case() == detail ? 1 : 0;
    return count;
  }
  void ExpectHolder(const std::string& holder) {
    EXPECT_EQ(Giver().custody().holder(), holder);
    EXPECT_EQ(Taker().custody().holder(), holder);
    EXPECT_EQ(Giver().custody().epoch(), Taker().custody().epoch());
  }

  World world_;
  std::string id_;
  std::string twin_;
};

TEST_F(DoubtTest, UnreadOfferIsTakenBack) {
  world_.Do(0, Act::kDoubt, id_);
  EXPECT_TRUE(Giver().facts().in_doubt());
  EXPECT_TRUE(Giver().facts().recall_requested());
  EXPECT_FALSE(Giver().facts().voice_confirmation_required());
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(Giver().custody().holder(), "12345");
  const type::v1::InDoubtDetail& detail = world_.LastEvent(0).in_doubt();
  EXPECT_EQ(detail.action(), type::v1::DOUBT_ACTION_RECALL);
  EXPECT_NE(detail.recall_reason(), "");
  ASSERT_EQ(world_.Owed(0).size(), 2u);
  EXPECT_EQ(world_.Owed(0)[1].kind(), exchange::v1::ENVELOPE_KIND_RECALL);
  // Both arrive when the link is back: read once, recalled at once, and the doubt is over.
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_FALSE(Giver().facts().in_doubt());
  EXPECT_FALSE(Giver().facts().recall_requested());
  ExpectHolder("12345");
}

TEST_F(DoubtTest, AcceptanceBeforeTheRecallStands) {
  // The offer got there, its receipts did not get back.
  world_.Deliver(0);
  world_.Do(0, Act::kDoubt, id_);
  world_.Do(1, Act::kAccept, world_.Twin(0, id_));
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_FALSE(Giver().facts().in_doubt());
  EXPECT_FALSE(Giver().facts().recall_requested());
  ExpectHolder("110");
  EXPECT_EQ(Count(0, type::v1::Event::kAccepted), 1);
}

TEST_F(DoubtTest, AcceptanceAfterTheRecallIsRefused) {
  world_.Do(0, Act::kDoubt, id_);
  world_.Deliver(0);
  world_.Deliver(0);
  EXPECT_EQ(ReasonOf(1, Act::kAccept, world_.Twin(0, id_)), Reason::ERROR_REASON_WRONG_STATE);
  world_.Settle();
  ExpectHolder("12345");
}

TEST_F(DoubtTest, OfferThatWasReadCallsForTheTelephone) {
  Arrive();
  world_.Do(0, Act::kDoubt, id_);
  EXPECT_TRUE(Giver().facts().in_doubt());
  EXPECT_TRUE(Giver().facts().voice_confirmation_required());
  EXPECT_FALSE(Giver().facts().recall_requested());
  EXPECT_TRUE(world_.Owed(0).empty());
  const type::v1::InDoubtDetail& detail = world_.LastEvent(0).in_doubt();
  EXPECT_EQ(detail.action(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE);
  EXPECT_EQ(detail.spoken_code(), Taker().handoff().spoken_code());
  EXPECT_EQ(FromProto(detail.keep_by_time()), FromProto(Giver().handoff().keep_by_time()));
  // Silence again: the giver keeps it.
  world_.Do(0, Act::kKeep, id_);
  EXPECT_EQ(world_.LastEvent(0).in_doubt().action(), type::v1::DOUBT_ACTION_KEEP);
  EXPECT_TRUE(Giver().facts().recall_requested());
  EXPECT_TRUE(Giver().facts().in_doubt());
  EXPECT_FALSE(Giver().facts().voice_confirmation_required());
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_RECALLED);
  ExpectHolder("12345");
}

// The peer had until Monday to accept: a doubt that begins then once had its telephone time behind it, and
// the next rung took the order back at once.
TEST_F(DoubtTest, ADoubtThatWaitedForThePeerLeavesTheDesksTheirTime) {
  Arrive();
  const absl::Time confirm_by = FromProto(Giver().handoff().confirm_by_time());
  const google::protobuf::Timestamp offered_keep_by = Giver().handoff().keep_by_time();
  world_.Pass(absl::Hours(64));
  type::v1::Command doubt = MakeCommand(Act::kDoubt, id_, "110", world_.now());
  FitTo(Giver(), &doubt);
  ToProto(confirm_by + absl::Hours(62), doubt.mutable_escalation()->mutable_rung_time());
  ASSERT_TRUE(world_.Execute(0, doubt).ok());
  const type::v1::Event& event = world_.LastEvent(0);
  const absl::Time keep_by = FromProto(event.in_doubt().keep_by_time());
  EXPECT_EQ(event.in_doubt().action(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE);
  EXPECT_EQ(keep_by, FromProto(event.commit_time()) + world_.site(0).keep_after[0]);
  EXPECT_EQ(FromProto(Giver().handoff().keep_by_time()), keep_by);
  EXPECT_EQ(FromProto(Giver().handoff().confirm_by_time()), confirm_by);
  // The next rung names the offer by the time that is in the order.
  type::v1::Command keep = MakeCommand(Act::kKeep, id_, "110", world_.now());
  FitTo(Giver(), &keep);
  type::v1::Command early = keep;
  *early.mutable_escalation()->mutable_due_time() = offered_keep_by;
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, early).status()), Reason::ERROR_REASON_WRONG_STATE);
  ASSERT_TRUE(world_.Execute(0, keep).ok());
  world_.Settle();
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_RECALLED);
  ExpectHolder("12345");
}

TEST_F(DoubtTest, ADoubtThatWaitedForNobodyPutsNothingOff) {
  for (const auto urgency :
       {type::v1::URGENCY_NORMAL, type::v1::URGENCY_URGENT, type::v1::URGENCY_EMERGENCY}) {
    Push(urgency);
    Arrive();
    const std::string keep_by = Giver().handoff().keep_by_time().SerializeAsString();
    world_.Pass(absl::Hours(3));
    world_.Do(0, Act::kDoubt, id_);
    EXPECT_EQ(Giver().handoff().keep_by_time().SerializeAsString(), keep_by) << urgency;
    EXPECT_EQ(world_.LastEvent(0).in_doubt().keep_by_time().SerializeAsString(), keep_by) << urgency;
  }
}

TEST_F(DoubtTest, EmergencyIsNotTakenBackBySilenceAlone) {
  Push(type::v1::URGENCY_EMERGENCY);
  world_.Do(0, Act::kDoubt, id_);
  EXPECT_TRUE(Giver().facts().voice_confirmation_required());
  EXPECT_FALSE(Giver().facts().recall_requested());
  EXPECT_EQ(world_.LastEvent(0).in_doubt().action(), type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE);
}

TEST_F(DoubtTest, RungForAnotherOfferOrAfterTheAnswerIsRefused) {
  type::v1::Command early = MakeCommand(Act::kDoubt, id_, "110", world_.now());
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, early).status()), Reason::ERROR_REASON_WRONG_STATE)
      << "its deadline is not this offer's";
  EXPECT_EQ(ReasonOf(0, Act::kKeep, id_), Reason::ERROR_REASON_WRONG_STATE) << "not in doubt yet";
  type::v1::Command doubt = MakeCommand(Act::kDoubt, id_, "110", world_.now());
  FitTo(Giver(), &doubt);
  Arrive();
  world_.Do(1, Act::kReturn, twin_);
  world_.Settle();
  world_.Do(0, Act::kOffer, id_);
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, doubt).status()), Reason::ERROR_REASON_WRONG_STATE)
      << "the offer before";
  world_.Do(0, Act::kDoubt, id_);
  EXPECT_EQ(ReasonOf(0, Act::kDoubt, id_), Reason::ERROR_REASON_WRONG_STATE) << "once";
  doubt.mutable_header()->mutable_actor()->set_account("1001");
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, doubt).status()), Reason::ERROR_REASON_FIELD_INVALID);
}

TEST_F(DoubtTest, VoiceBeforeTheRungMakesItVain) {
  Arrive();
  world_.Do(0, Act::kVoiceAccepts, id_);
  EXPECT_EQ(ReasonOf(0, Act::kDoubt, id_), Reason::ERROR_REASON_WRONG_STATE);
}

TEST_F(DoubtTest, PeerAcceptsAtTheGiverMovesNothing) {
  Arrive();
  world_.Do(0, Act::kDoubt, id_);
  world_.Do(0, Act::kVoiceAccepts, id_);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_FALSE(Giver().facts().in_doubt());
  EXPECT_FALSE(Giver().facts().voice_confirmation_required());
  EXPECT_EQ(Giver().custody().holder(), "12345");
  world_.Settle();
  ExpectHolder("12345");
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_TRUE(world_.LastEvent(1).has_voice_confirmed());
  EXPECT_TRUE(world_.LastEvent(1).mirrored());
  EXPECT_EQ(world_.LastEvent(1).actor().hotline(), "12345");
  EXPECT_EQ(Taker().handoff().voice().by_hotline(), "12345");
  EXPECT_EQ(ReasonOf(0, Act::kKeep, id_), Reason::ERROR_REASON_WRONG_STATE) << "the desks have spoken";
  world_.Do(1, Act::kAccept, twin_);
  world_.Settle();
  ExpectHolder("110");
}

TEST_F(DoubtTest, PeerAcceptsAtTheTakerIsTheAcceptance) {
  Arrive();
  world_.Do(0, Act::kDoubt, id_);
  world_.Do(1, Act::kVoiceAccepts, twin_);
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_TRUE(world_.LastEvent(1).accepted().has_voice());
  EXPECT_EQ(Giver().custody().holder(), "12345") << "until the giver hears of it";
  world_.Settle();
  ExpectHolder("110");
  EXPECT_FALSE(Giver().facts().in_doubt());
  EXPECT_EQ(world_.LastEvent(0).accepted().voice().by_hotline(), "110");
  EXPECT_EQ(Giver().handoff().voice().outcome(), type::v1::VOICE_OUTCOME_PEER_ACCEPTS);
}

TEST_F(DoubtTest, BothDesksRecordTheAcceptance) {
  Arrive();
  world_.Do(0, Act::kVoiceAccepts, id_);
  world_.Do(1, Act::kVoiceAccepts, twin_);
  world_.Settle();
  ExpectHolder("110");
  EXPECT_EQ(Count(0, type::v1::Event::kAccepted), 1);
  EXPECT_EQ(Count(1, type::v1::Event::kAccepted), 1);
  EXPECT_EQ(Giver().handoff().voice().by_hotline(), "12345") << "the giver's record wins";
  EXPECT_EQ(Taker().handoff().voice().by_hotline(), "12345");
}

TEST_F(DoubtTest, EchoOfAnOlderRecordDoesNotWin) {
  world_.Do(0, Act::kVoiceAccepts, id_);
  world_.Deliver(0);
  world_.Deliver(0);
  world_.Do(0, Act::kVoiceAccepts, id_);
  const std::string latest = Giver().handoff().voice().SerializeAsString();
  // The acceptance knows the first record only, and reaches the giver before the taker has the second.
  world_.Do(1, Act::kAccept, world_.Twin(0, id_));
  while (world_.Deliver(1)) {
  }
  EXPECT_EQ(Giver().handoff().voice().SerializeAsString(), latest);
  world_.Settle();
  EXPECT_EQ(Taker().handoff().voice().SerializeAsString(), latest);
}

TEST_F(DoubtTest, GiverKeeps) {
  Arrive();
  world_.Do(0, Act::kVoiceKeeps, id_);
  EXPECT_TRUE(world_.LastEvent(0).voice_confirmed().recall_requested());
  EXPECT_TRUE(Giver().facts().recall_requested());
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(Count(1, type::v1::Event::kVoiceConfirmed), 1);
  ExpectHolder("12345");
}

TEST_F(DoubtTest, TakersRecordMakesTheGiverAskForTheOfferBack) {
  Arrive();
  world_.Do(0, Act::kDoubt, id_);
  world_.Do(1, Act::kVoiceReturns, twin_);
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  world_.Deliver(1);
  EXPECT_TRUE(Giver().facts().recall_requested());
  EXPECT_FALSE(Giver().facts().in_doubt());
  EXPECT_TRUE(world_.LastEvent(0).voice_confirmed().recall_requested());
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RECALLED);
  ExpectHolder("12345");
}

TEST_F(DoubtTest, TakerThatAcceptsAfterAllWins) {
  Arrive();
  world_.Do(1, Act::kVoiceReturns, twin_);
  world_.Do(1, Act::kAccept, twin_);
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_ACCEPTED);
  ExpectHolder("110");
  EXPECT_FALSE(Giver().facts().recall_requested());
}

TEST_F(DoubtTest, RecordMadeWhileTheLinkIsDownFollowsTheOffer) {
  Push(type::v1::URGENCY_EMERGENCY);
  world_.Do(0, Act::kDoubt, id_);
  world_.Do(0, Act::kVoiceAccepts, id_);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_FALSE(Giver().facts().in_doubt());
  world_.Settle();
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_EQ(Taker().handoff().voice().outcome(), type::v1::VOICE_OUTCOME_PEER_ACCEPTS);
  ExpectHolder("12345");
}

TEST_F(DoubtTest, RecordThatCrossesTheReturnIsKeptAsARecord) {
  Arrive();
  world_.Do(0, Act::kVoiceAccepts, id_);
  world_.Do(1, Act::kReturn, twin_);
  world_.Settle();
  EXPECT_EQ(Taker().state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(Count(1, type::v1::Event::kVoiceConfirmed), 1);
  ExpectHolder("12345");
}

TEST_F(DoubtTest, WrongCodeIsRefusedAtEitherSite) {
  Arrive();
  for (const int at : {0, 1}) {
    const std::string& id = at == 0 ? id_ : twin_;
    type::v1::Command command = MakeCommand(Act::kVoiceAccepts, id, "110", world_.now());
    std::string code = Giver().handoff().spoken_code();
    code[0] = code[0] == '9' ? '0' : static_cast<char>(code[0] + 1);
    command.mutable_confirm_by_voice()->set_code(code);
    const absl::Status status = world_.Execute(at, command).status();
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_SPOKEN_CODE_WRONG);
    EXPECT_EQ(error::FieldOf(status), "confirm_by_voice.code");
    EXPECT_EQ(std::string(status.message()).find(Giver().handoff().spoken_code()), std::string::npos);
  }
}

TEST_F(DoubtTest, SpokenCodeIsThatOfTheContract) {
  Arrive();
  EXPECT_EQ(Giver().handoff().spoken_code(), Taker().handoff().spoken_code());
  EXPECT_EQ(Giver().handoff().spoken_code(), SpokenCode(Giver().handoff().id(), Giver().content_digest()));
  // It does not travel: a peer that saw an envelope without the content could not say it.
  EXPECT_EQ(SpokenCode("12345-0000000000001-1", std::string(32, 'x')).size(), 4u);
  EXPECT_NE(SpokenCode("12345-0000000000001-1", std::string(32, 'x')),
            SpokenCode("12345-0000000000001-2", std::string(32, 'x')));
  // sha256("hotline.exchange.v1/spoken-code" "a" "b"), reckoned by another program.
  EXPECT_EQ(SpokenCode("a", "b"), "8008");
}

TEST_F(DoubtTest, EmergencyThatComesLateIsMarkedAtBothSites) {
  Push(type::v1::URGENCY_EMERGENCY);
  world_.Pass(absl::Seconds(11));
  world_.Do(0, Act::kAlarm, id_);
  EXPECT_TRUE(Giver().facts().receipt_alarm());
  EXPECT_EQ(world_.LastEvent(0).alarmed().kind(), type::v1::ALARM_KIND_RECEIPT_LATE);
  world_.Settle();
  EXPECT_TRUE(Taker().handoff().late());
  EXPECT_TRUE(Giver().handoff().late());
  EXPECT_EQ(Count(1, type::v1::Event::kUnderstood), 2) << "this one and the one of SetUp, once each";
  EXPECT_TRUE(world_.LastEvent(1).understood().handoff().late());
}

// Two clocks that are an hour apart once made every emergency late, or none.
TEST_F(DoubtTest, ClocksThatAreApartMakeNoEmergencyLateAndHideNone) {
  for (const absl::Duration shift : {absl::Hours(1), -absl::Hours(1)}) {
    world_.Shift(1, shift);
    Push(type::v1::URGENCY_EMERGENCY);
    world_.Settle();
    EXPECT_FALSE(Taker().handoff().late()) << shift;
    EXPECT_FALSE(Giver().handoff().late()) << shift;
    Push(type::v1::URGENCY_EMERGENCY);
    world_.Pass(absl::Seconds(11));
    world_.Settle();
    EXPECT_TRUE(Taker().handoff().late()) << shift;
    EXPECT_TRUE(Giver().handoff().late()) << shift << ": by the receipts' times, without an alarm";
  }
}

TEST_F(DoubtTest, WithoutKnowingTheClocksTheGiversAlarmAloneSaysWhatIsLate) {
  world_.ForgetClocks();
  for (const absl::Duration shift : {absl::Hours(1), -absl::Hours(1)}) {
    world_.Shift(1, shift);
    Push(type::v1::URGENCY_EMERGENCY);
    world_.Settle();
    EXPECT_FALSE(Taker().handoff().late()) << shift;
    EXPECT_FALSE(Giver().handoff().late()) << shift;
    Push(type::v1::URGENCY_EMERGENCY);
    world_.Do(0, Act::kAlarm, id_);
    world_.Settle();
    EXPECT_TRUE(Giver().handoff().late()) << shift;
  }
}

TEST_F(DoubtTest, TheReceiptsTimeIsReckonedByTheMeasuredClock) {
  for (const absl::Duration shift : {absl::Hours(1), -absl::Hours(1)}) {
    const ClockSkew skew = {.offset = shift, .uncertainty = absl::Seconds(1)};
    for (const bool late : {false, true}) {
      Push(type::v1::URGENCY_EMERGENCY);
      const absl::Time arrived = world_.now() + absl::Seconds(late ? 12 : 10);
      const Received received = DecideReceipt(Giver(), Giver().handoff().id(), arrived + shift,
                                              world_.site(0), arrived + absl::Seconds(60), skew);
      ASSERT_TRUE(received.changes);
      EXPECT_EQ(received.change.after.handoff().late(), late) << shift;
      EXPECT_EQ(received.change.event.received().late(), late) << shift;
    }
  }
}

TEST_F(DoubtTest, TheTakersMarkIsNotTheGivers) {
  Push(type::v1::URGENCY_EMERGENCY);
  while (world_.Deliver(0)) {
  }
  exchange::v1::Envelope& answer = world_.Owed(1).back();
  ASSERT_EQ(answer.kind(), exchange::v1::ENVELOPE_KIND_UNDERSTOOD);
  exchange::v1::UnderstoodBody body;
  ASSERT_TRUE(body.ParseFromString(answer.body()));
  body.set_late(true);
  answer.set_body(body.SerializeAsString());
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_FALSE(Giver().handoff().late());
  // Nor does it come with a later mirror.
  twin_ = world_.Twin(0, id_);
  world_.Do(1, Act::kAccept, twin_);
  exchange::v1::MirrorBody mirror;
  ASSERT_TRUE(mirror.ParseFromString(world_.Owed(1).back().body()));
  mirror.mutable_handoff()->set_late(true);
  world_.Owed(1).back().set_body(mirror.SerializeAsString());
  world_.Settle();
  EXPECT_EQ(Giver().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_FALSE(Giver().handoff().late());
}

TEST_F(DoubtTest, AlarmIsOfOneOffer) {
  type::v1::Command alarm = MakeCommand(Act::kAlarm, id_, "110", world_.now());
  FitTo(Giver(), &alarm);
  Arrive();
  world_.Do(1, Act::kReturn, twin_);
  world_.Settle();
  world_.Do(0, Act::kOffer, id_);
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, alarm).status()), Reason::ERROR_REASON_WRONG_STATE);
  world_.Do(0, Act::kAlarm, id_);
  world_.Settle();
  world_.Do(1, Act::kReturn, world_.Twin(0, id_));
  world_.Settle();
  world_.Do(0, Act::kOffer, id_);
  EXPECT_FALSE(Giver().facts().receipt_alarm()) << "the new offer has not been late";
  alarm.mutable_header()->mutable_actor()->set_account("1001");
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, alarm).status()), Reason::ERROR_REASON_FIELD_INVALID);
}

// Registers an order for a partner, as the engine would: with the incident and its content at hand.
absl::StatusOr<Change> CallPartner(const WorkOrder* parent, const std::string& content, const Site& site,
                                   absl::Time now) {
  type::v1::Command command = MakeRegistration(SampleContent(), "110");
  command.mutable_registration()->clear_content();
  command.mutable_registration()->set_parent_order_id("12345-20261123-000001");
  command.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_PARTNER_FANOUT);
  return Decide(nullptr, command,
                {.id = "0000000000099",
                 .number = "12345-20261123-000099",
                 .content_salt = std::string(16, 'z'),
                 .parent = parent,
                 .parent_content = content},
                site, now);
}

TEST_F(DoubtTest, PartnersOrderHasTheIncidentsContentByteForByte) {
  // With a field that this version does not know.
  std::string content = world_.Content(0, id_);
  content.append("\xfa\x3f\x03xyz", 6);
  const absl::StatusOr<Change> change = CallPartner(&Giver(), content, world_.site(0), world_.now());
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_TRUE(change->creates);
  EXPECT_EQ(change->content, content);
  EXPECT_EQ(change->after.content_digest(), Sha256({std::string(16, 'z'), content}));
  EXPECT_EQ(change->after.parent_id(), id_);
  EXPECT_EQ(change->after.parent_number(), Giver().number());
  EXPECT_EQ(change->after.title(), Giver().title());
  EXPECT_EQ(change->caller_phone, "09084621234");
  EXPECT_EQ(change->event.offered().registered().type(), type::v1::ORDER_TYPE_COMPLAINT);
  exchange::v1::OfferBody body;
  ASSERT_EQ(change->envelopes.size(), 1u);
  ASSERT_TRUE(body.ParseFromString(change->envelopes[0].body));
  EXPECT_EQ(body.parent_number(), Giver().number());
  EXPECT_EQ(body.handoff().spoken_code(), "") << "it does not travel";
}

TEST_F(DoubtTest, PartnersAreCalledByTheHolderOfALivingIncident) {
  const std::string& content = world_.Content(0, id_);
  EXPECT_EQ(error::ReasonOf(CallPartner(nullptr, "", world_.site(0), world_.now()).status()),
            Reason::ERROR_REASON_ORDER_NOT_FOUND);
  Arrive();
  world_.Do(1, Act::kAccept, twin_);
  world_.Settle();
  EXPECT_EQ(error::ReasonOf(CallPartner(&Giver(), content, world_.site(0), world_.now()).status()),
            Reason::ERROR_REASON_NOT_HOLDER);
  const std::string own = world_.Register(0, SampleContent(), false);
  world_.Do(0, Act::kCallPartners, own);
  EXPECT_EQ(world_.Order(0, own).partner_count(), 1);
  EXPECT_EQ(world_.LastEvent(0).partners_called().to_hotlines(0), "110");
  world_.Do(0, Act::kCancel, own);
  EXPECT_EQ(
      error::ReasonOf(CallPartner(&world_.Order(0, own), content, world_.site(0), world_.now()).status()),
      Reason::ERROR_REASON_WRONG_STATE);
}

}  // namespace
}  // namespace hotline::work_order
