// What a site restored from an old backup makes of its own envelopes that its peers hand back, in whatever
// order the peers answer.
#include <initializer_list>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using exchange::v1::Envelope;
using type::v1::WorkOrder;

// 12345 has offered an order to 110, which gave it back, and then to 119.
class OfferedTwiceTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string id = world_.Register(0, SampleContent(), true);
    first_ = world_.Owed(0, 1).front();
    world_.Deliver(0, 1);
    understood_ = world_.Owed(1, 0).front();
    ASSERT_EQ(understood_.kind(), exchange::v1::ENVELOPE_KIND_UNDERSTOOD);
    world_.Do(1, Act::kReturn, world_.Twin(0, id));
    world_.Settle();
    world_.Push(0, id, 2);
    second_ = world_.Owed(0, 2).front();
    world_.Settle();
    before_ = world_.Order(0, id);
    ASSERT_EQ(before_.handoff().id(), second_.handoff_id());
    ASSERT_EQ(world_.fault(), "");
  }

  Received Recover(const WorkOrder* order, const Envelope& envelope) const {
    return DecideRecovered(order, envelope, {}, world_.site(0), world_.now());
  }
  Received Receive(const WorkOrder& order, const Envelope& envelope) const {
    return DecideEnvelope(&order, envelope, "110", {}, world_.site(0), world_.now());
  }

  World world_{3};
  Envelope first_;
  Envelope understood_;
  Envelope second_;
  WorkOrder before_;
};

TEST_F(OfferedTwiceTest, TheEarlierOfferIsAmongThePastOnesWhenItComesBackLater) {
  const Received second = Recover(nullptr, second_);
  ASSERT_TRUE(second.changes);
  const Received first = Recover(&second.change.after, first_);
  ASSERT_TRUE(first.changes);
  const WorkOrder& after = first.change.after;
  EXPECT_EQ(after.handoff().id(), second_.handoff_id());
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(after.custody().epoch(), second.change.after.custody().epoch());
  ASSERT_EQ(after.past_handoffs_size(), 1);
  EXPECT_EQ(after.past_handoffs(0).id(), first_.handoff_id());
  EXPECT_EQ(after.past_handoffs(0).to_hotline(), "110");
  EXPECT_EQ(first.change.event.offered().handoff().id(), first_.handoff_id());
  EXPECT_EQ(first.change.event.handoff_id(), second_.handoff_id());
  EXPECT_TRUE(first.change.event.recovered());
  // Its taker may hold it still, if it was the one that the site forgot: then it gives it back.
  ASSERT_EQ(first.change.envelopes.size(), 1u);
  EXPECT_EQ(first.change.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_RECALL);
  EXPECT_EQ(first.change.envelopes[0].peer, "110");
  EXPECT_EQ(first.change.envelopes[0].handoff_id, first_.handoff_id());
  // Once.
  EXPECT_FALSE(Recover(&after, first_).changes);
}

// Where batches are not signed, nobody vouches that what a peer hands back was this site's.
TEST_F(OfferedTwiceTest, AnOfferThatCannotHaveBeenThisSitesIsNone) {
  const Received second = Recover(nullptr, second_);
  ASSERT_TRUE(second.changes);
  exchange::v1::OfferBody body;
  ASSERT_TRUE(body.ParseFromString(first_.body()));
  const auto with = [&](const char* from, const char* to) {
    body.mutable_handoff()->set_from_hotline(from);
    body.mutable_handoff()->set_to_hotline(to);
    Envelope forged = first_;
    forged.set_body(body.SerializeAsString());
    return Recover(&second.change.after, forged).changes;
  };
  EXPECT_FALSE(with("12345", "zzz")) << "no such peer: nobody could be told that it is over";
  EXPECT_FALSE(with("12345", "12345"));
  EXPECT_FALSE(with("110", "12345"));
  EXPECT_TRUE(with("12345", "110"));
}

TEST_F(OfferedTwiceTest, TheSecondReceiptOfAnEarlierOfferNamesThePeersOrder) {
  for (const bool in_order : {true, false}) {
    const Received one = Recover(nullptr, in_order ? first_ : second_);
    const Received other = Recover(&one.change.after, in_order ? second_ : first_);
    ASSERT_TRUE(other.changes);
    const WorkOrder& order = other.change.after;
    ASSERT_EQ(order.past_handoffs_size(), 1);
    EXPECT_EQ(order.handoff().id(), second_.handoff_id());
    EXPECT_EQ(EndedView(order.past_handoffs(0)), "");
    const Received received = Receive(order, understood_);
    ASSERT_TRUE(received.changes);
    const WorkOrder& after = received.change.after;
    EXPECT_EQ(after.past_handoffs(0).to_number(), before_.past_handoffs(0).to_number());
    EXPECT_EQ(EndedView(after.past_handoffs(0)), EndedView(before_.past_handoffs(0)));
    EXPECT_EQ(SharedView(after), SharedView(order));
    EXPECT_EQ(after.state(), order.state());
    EXPECT_TRUE(received.envelopes.empty());
    EXPECT_FALSE(Receive(after, understood_).changes);
  }
}

TEST_F(OfferedTwiceTest, ARecallOfTheEarlierOfferIsNoRecallOfTheLater) {
  WorkOrder recalled = Recover(nullptr, first_).change.after;
  recalled.mutable_facts()->set_recall_requested(true);
  recalled.mutable_facts()->set_in_doubt(true);
  const Received received = Recover(&recalled, second_);
  ASSERT_TRUE(received.changes);
  EXPECT_FALSE(received.change.after.facts().recall_requested());
  EXPECT_FALSE(received.change.after.facts().in_doubt());
}

// The clock of a doubt runs to the keep-by time that is in the order: what comes back brings no earlier one.
TEST(RecoverDoubtTest, TheKeepByTimeOfADoubtStays) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  world.Do(0, Act::kAccuse, id);
  const Envelope mirror = world.Owed(0).back();
  ASSERT_EQ(mirror.kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
  type::v1::Command doubt = MakeCommand(Act::kDoubt, id, "110", world.now());
  FitTo(world.Order(0, id), &doubt);
  world.Pass(absl::Hours(64));
  ToProto(world.now(), doubt.mutable_escalation()->mutable_rung_time());
  ASSERT_TRUE(world.Execute(0, doubt).ok());
  const WorkOrder before = world.Order(0, id);
  const Received received = DecideRecovered(&before, mirror, {}, world.site(0), world.now());
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_TRUE(after.facts().in_doubt());
  EXPECT_TRUE(after.facts().voice_confirmation_required());
  EXPECT_EQ(FromProto(after.handoff().keep_by_time()), FromProto(before.handoff().keep_by_time()));
}

// Not knowing that it had offered the order, the site did the work itself.
TEST_F(OfferedTwiceTest, AnOfferOfAnOrderThatIsAnsweredSinceIsRecalled) {
  for (const bool was_offered : {true, false}) {
    World world{3};
    const std::string id = world.Register(0, SampleContent(), was_offered);
    if (was_offered) {
      world.Deliver(0, 1);
      world.Do(1, Act::kReturn, world.Twin(0, id));
      world.Settle();
    }
    world.Do(0, Act::kAccept, id);
    world.Do(0, Act::kFinish, id);
    ASSERT_EQ(world.fault(), "");
    const WorkOrder& answered = world.Order(0, id);
    const Envelope& lost = was_offered ? second_ : first_;
    const Received received = DecideRecovered(&answered, lost, {}, world.site(0), world.now());
    ASSERT_TRUE(received.changes);
    const WorkOrder& after = received.change.after;
    EXPECT_EQ(after.state(), type::v1::ORDER_STATE_REPLIED);
    EXPECT_EQ(after.custody().SerializeAsString(), answered.custody().SerializeAsString());
    EXPECT_EQ(after.past_handoffs_size(), was_offered ? 1 : 0);
    EXPECT_TRUE(after.handoff().has_end_time());
    ASSERT_EQ(received.change.envelopes.size(), 1u);
    EXPECT_EQ(received.change.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_RECALL);
    EXPECT_EQ(received.change.envelopes[0].handoff_id, lost.handoff_id());
    EXPECT_EQ(Unsound(after, world.site(0)), "");
  }
}

// 110 had not returned it: that is what the site, not knowing of the offer, made up for with the second one.
TEST_F(OfferedTwiceTest, WhoAcceptedTheOfferThatWasLeftBehindHasTheOrder) {
  World world{3};
  const std::string id = world.Register(0, SampleContent(), true);
  world.Deliver(0, 1);
  world.Do(1, Act::kAccept, world.Twin(0, id));
  const Envelope accepted = world.Owed(1, 0).back();
  ASSERT_EQ(accepted.handoff_id(), first_.handoff_id());
  const WorkOrder second = Recover(nullptr, second_).change.after;
  const WorkOrder order = Recover(&second, first_).change.after;
  const Received received = Receive(order, accepted);
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(after.handoff().id(), first_.handoff_id());
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(after.custody().holder(), "110");
  ASSERT_EQ(after.past_handoffs_size(), 1);
  EXPECT_EQ(after.past_handoffs(0).id(), second_.handoff_id());
  EXPECT_EQ(received.change.event.state_before(), order.state());
  EXPECT_EQ(Unsound(after, world_.site(0)), "");
  // And 119 is not to have it too.
  ASSERT_EQ(received.change.envelopes.size(), 1u);
  EXPECT_EQ(received.change.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_RECALL);
  EXPECT_EQ(received.change.envelopes[0].peer, "119");
  EXPECT_FALSE(Receive(after, accepted).changes);
}

// Nor is it cancelled while the peer works on it (simulation, seed 10103869 with old backups).
TEST_F(OfferedTwiceTest, WhoAcceptedTheOfferOfACancelledOrderHasIt) {
  World world{3};
  const std::string id = world.Register(0, SampleContent(), true);
  world.Deliver(0, 1);
  world.Do(1, Act::kReturn, world.Twin(0, id));
  world.Settle();
  world.Do(0, Act::kCancel, id);
  const WorkOrder cancelled = world.Order(0, id);
  ASSERT_EQ(cancelled.state(), type::v1::ORDER_STATE_CANCELLED);
  ASSERT_EQ(cancelled.handoff().id(), first_.handoff_id());
  const Received received = Recover(&cancelled, second_);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_CANCELLED);
  ASSERT_EQ(received.change.after.past_handoffs_size(), 1);
  world_.Do(2, Act::kAccept, world_.Twin(0, id));
  const Envelope accepted = world_.Owed(2, 0).back();
  const Received taken =
      DecideEnvelope(&received.change.after, accepted, "119", {}, world_.site(0), world_.now());
  ASSERT_TRUE(taken.changes);
  const WorkOrder& after = taken.change.after;
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(after.custody().holder(), "119");
  EXPECT_EQ(after.handoff().id(), second_.handoff_id());
  EXPECT_EQ(Unsound(after, world_.site(0)), "");
}

// An accusation may come without the acceptance before it, where the peer was restored too. It moves nothing,
// and does not say which offer the order is held by.
TEST_F(OfferedTwiceTest, AnAccusationTakesNoOfferUp) {
  World world{3};
  const std::string id = world.Register(0, SampleContent(), true);
  world.Deliver(0, 1);
  world.Do(1, Act::kAccept, world.Twin(0, id));
  const Envelope accepted = world.Owed(1, 0).back();
  const WorkOrder second = Recover(nullptr, second_).change.after;
  const WorkOrder order = Recover(&second, first_).change.after;
  exchange::v1::MirrorBody body;
  ASSERT_TRUE(body.ParseFromString(accepted.body()));
  const auto told = [&](void (*detail)(type::v1::Event*)) {
    exchange::v1::MirrorBody other = body;
    detail(other.mutable_event());
    Envelope envelope = accepted;
    envelope.set_body(other.SerializeAsString());
    return Receive(order, envelope).changes;
  };
  EXPECT_FALSE(told([](type::v1::Event* event) {
    event->mutable_accused()->mutable_accusation()->add_units("housing");
    event->mutable_accused()->mutable_accusation()->set_reason("来电人称");
  }));
  EXPECT_TRUE(told([](type::v1::Event* event) { event->mutable_progressed(); }));
}

// Nobody vouches for what an unsigned link hands back. A column of text would refuse it, and with it the
// commit of everybody else's commands.
TEST_F(OfferedTwiceTest, WhatTheStoreCannotHoldWasNeverThisSites) {
  exchange::v1::OfferBody body;
  ASSERT_TRUE(body.ParseFromString(first_.body()));
  type::v1::OrderContent content;
  ASSERT_TRUE(content.ParseFromString(body.content()));
  content.set_lead_unit(std::string("a\0b", 3));
  body.set_content(content.SerializeAsString());
  Envelope offer = first_;
  offer.set_body(body.SerializeAsString());
  EXPECT_TRUE(Recover(nullptr, first_).changes);
  EXPECT_FALSE(Recover(nullptr, offer).changes);
}

TEST_F(OfferedTwiceTest, AReceiptThatIsKnownChangesNothing) {
  EXPECT_FALSE(Receive(before_, understood_).changes);
}

// 110 has read an order of 12345's. What it did after that it has lost, and does something else.
class TwoHistoriesTest : public testing::Test {
 protected:
  // The order at 110 and the last envelope about it for 12345, after `acts` there.
  std::pair<WorkOrder, Envelope> After(std::initializer_list<Act> acts) {
    World world;
    const std::string id = world.Register(0, SampleContent(), true);
    world.Deliver(0);
    const std::string twin = world.Twin(0, id);
    for (const Act act : acts) world.Do(1, act, twin);
    EXPECT_EQ(world.fault(), "");
    site_ = world.site(1);
    return {world.Order(1, twin), world.Owed(1).back()};
  }
  Received Recover(const WorkOrder& order, const Envelope& envelope, bool goes_on) const {
    return DecideRecovered(&order, envelope, {.goes_on = goes_on}, site_,
                           absl::FromUnixSeconds(1'800'000'000));
  }

  Site site_;
};

TEST_F(TwoHistoriesTest, AnEndThatThePeerKnowsOfWinsOverWorkAndReply) {
  const Envelope returned = After({Act::kReturn}).second;
  for (const auto& acts :
       {std::initializer_list<Act>{Act::kAccept}, std::initializer_list<Act>{Act::kAccept, Act::kFinish}}) {
    const WorkOrder stale = After(acts).first;
    const Received received = Recover(stale, returned, true);
    ASSERT_TRUE(received.changes);
    const WorkOrder& after = received.change.after;
    EXPECT_EQ(after.state(), type::v1::ORDER_STATE_RETURNED);
    EXPECT_EQ(after.custody().holder(), "12345");
    EXPECT_GT(after.custody().epoch(), stale.custody().epoch());
    EXPECT_TRUE(after.handoff().has_end_time());
    EXPECT_FALSE(after.has_reply());
    EXPECT_EQ(Unsound(after, site_), "");
  }
}

TEST_F(TwoHistoriesTest, WorkDoneSinceStandsWhereThePeerTakesItOnTop) {
  const Envelope accepted = After({Act::kAccept}).second;
  const WorkOrder stale = After({Act::kAccept, Act::kDispatch}).first;
  EXPECT_FALSE(Recover(stale, accepted, /*goes_on=*/true).changes);
  // A backup that is only older has nothing to say.
  const Received received = Recover(After({Act::kAccept}).first, After({Act::kAccept, Act::kDispatch}).second,
                                    /*goes_on=*/false);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_DISPATCHED);
}

TEST_F(TwoHistoriesTest, AReplyThatThePeerHasWinsOverWorkDoneSince) {
  const auto [replied, reply] = After({Act::kAccept, Act::kFinish});
  const Received received = Recover(After({Act::kAccept, Act::kDispatch}).first, reply, /*goes_on=*/true);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(SharedView(received.change.after), SharedView(replied));
}

// The desks spoke of an offer that the peer had not confirmed yet. Its receipts come back before that does
// (simulation, seed 5000464 with old backups).
TEST_F(TwoHistoriesTest, WhatWasToldBeforeTheReceiptsTakesThemNotBack) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  const WorkOrder offered = world.Order(0, id);
  world.Do(0, Act::kVoiceAccepts, id);
  const Envelope spoken = world.Owed(0).back();
  ASSERT_EQ(spoken.kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
  world.Settle();
  const WorkOrder understood = world.Order(0, id);
  ASSERT_EQ(understood.state(), type::v1::ORDER_STATE_UNDERSTOOD);
  const absl::Time now = world.now();
  EXPECT_FALSE(DecideRecovered(&understood, spoken, {.logged = true}, world.site(0), now).changes);

  // The same where the words are lost too.
  WorkOrder silent = understood;
  silent.mutable_handoff()->clear_voice();
  const Received received = DecideRecovered(&silent, spoken, {}, world.site(0), now);
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_TRUE(after.handoff().has_voice());
  EXPECT_EQ(after.handoff().to_number(), understood.handoff().to_number());
  EXPECT_TRUE(after.handoff().has_understand_time());
  EXPECT_EQ(SharedView(after), SharedView(understood));
  // Nothing has come back yet: then it is as the site told it.
  const Received first = DecideRecovered(&offered, spoken, {}, world.site(0), now);
  ASSERT_TRUE(first.changes);
  EXPECT_EQ(first.change.after.state(), type::v1::ORDER_STATE_OFFERED);
}

// Not knowing that it had recorded an accusation, the site returned the offer (simulation, seed 6001718 with
// old backups).
TEST_F(TwoHistoriesTest, WhatWasToldOfAnOfferDoesNotTakeItsEndBack) {
  const Envelope accused = After({Act::kAccuse}).second;
  ASSERT_EQ(accused.kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
  const WorkOrder returned = After({Act::kReturn}).first;
  for (const bool goes_on : {true, false}) {
    const Received received = Recover(returned, accused, goes_on);
    ASSERT_TRUE(received.changes);
    const WorkOrder& after = received.change.after;
    EXPECT_EQ(after.state(), type::v1::ORDER_STATE_RETURNED);
    EXPECT_TRUE(after.handoff().has_end_time());
    EXPECT_EQ(after.facts().recused_units_size(), 1);
    EXPECT_EQ(SharedView(after), SharedView(returned));
    EXPECT_FALSE(Recover(after, accused, goes_on).changes) << "it is known by now";
  }
}

// Twice restored: the offer ended, the site forgot that and accepted it, which the peer did not heed, and
// forgot both (simulation, seed 10000689 with old backups).
TEST_F(TwoHistoriesTest, AnAcceptanceBehindAnEndThatWasToldIsNone) {
  const WorkOrder unread = After({}).first;
  const Envelope accepted = After({Act::kAccept}).second;
  const std::pair<WorkOrder, Envelope> returned = After({Act::kReturn});
  for (const bool goes_on : {true, false}) {
    const Received end = Recover(unread, returned.second, goes_on);
    ASSERT_TRUE(end.changes);
    ASSERT_EQ(end.change.after.state(), type::v1::ORDER_STATE_RETURNED);
    EXPECT_FALSE(Recover(end.change.after, accepted, goes_on).changes);
    // An end of the time since is none where the peer has heard of the acceptance before it (seed 10401834).
    const Received received = Recover(returned.first, accepted, goes_on);
    ASSERT_TRUE(received.changes);
    EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_ACCEPTED);
  }
}

TEST_F(TwoHistoriesTest, WhatTheStoreCannotHoldWasNeverTold) {
  const WorkOrder unread = After({}).first;
  Envelope accepted = After({Act::kAccept}).second;
  ASSERT_TRUE(Recover(unread, accepted, false).changes);
  exchange::v1::MirrorBody body;
  ASSERT_TRUE(body.ParseFromString(accepted.body()));
  body.mutable_event()->mutable_actor()->set_account(std::string("op\0", 3));
  accepted.set_body(body.SerializeAsString());
  EXPECT_FALSE(Recover(unread, accepted, false).changes);
}

// Restored a second time, it has the end back before the accusation of the time between.
TEST_F(TwoHistoriesTest, WhomTheMatterAccusesIsKnownAgainBehindAnEndThatWasTold) {
  const WorkOrder unread = After({}).first;
  const Received end = Recover(unread, After({Act::kReturn}).second, true);
  ASSERT_TRUE(end.changes);
  const Received received = Recover(end.change.after, After({Act::kAccuse}).second, true);
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_TRUE(after.handoff().has_end_time());
  EXPECT_EQ(after.facts().recused_units_size(), 1);
  EXPECT_FALSE(Recover(after, After({Act::kAccuse}).second, true).changes);
}

// A backup from before a recovery knows by its own number what that recovery has numbered anew.
TEST_F(TwoHistoriesTest, AnEventThatIsLoggedIsNotLoggedTwice) {
  const std::pair<WorkOrder, Envelope> after_acceptance = After({Act::kAccept});
  const WorkOrder& accepted = after_acceptance.first;
  const Envelope& acceptance = after_acceptance.second;
  const auto recover = [&](const WorkOrder& order) {
    return DecideRecovered(&order, acceptance, {.logged = true}, site_, absl::FromUnixSeconds(1'800'000'000));
  };
  EXPECT_FALSE(recover(accepted).changes);
  // What came back before it is undone.
  const Received received = recover(After({Act::kAccept, Act::kDispatch}).first);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(SharedView(received.change.after), SharedView(accepted));
  EXPECT_TRUE(received.change.event.has_resent());
  EXPECT_EQ(received.change.event.actor().account(), "service/work_order");
}

// 110 was offered an order by 12345, accepted it and passed it on to 119, and has lost some or all of it.
class LostPassingOnTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string id = world_.Register(0, SampleContent(), true);
    offer_ = world_.Owed(0, 1).front();
    world_.Deliver(0, 1);
    const std::string here = world_.Twin(0, id);
    unread_ = world_.Order(1, here);
    world_.Do(1, Act::kAccept, here);
    world_.Push(1, here, 2);
    onward_ = world_.Owed(1, 2).front();
    world_.Settle();
    before_ = world_.Order(1, here);
    giver_ = world_.Order(0, id);
    ASSERT_EQ(world_.fault(), "");
    ASSERT_EQ(before_.inbound().id(), offer_.handoff_id());
  }
  Received Recover(const WorkOrder* order) const {
    return DecideRecovered(order, onward_, {}, world_.site(1), world_.now());
  }
  // What 110 sends again of the handoff by which the order came is what 12345 has.
  void ExpectAgreed(const WorkOrder& order) const {
    EXPECT_EQ(InboundView(order), SharedView(giver_));
    const auto drafts = DecideResend(order, offer_.handoff_id(), "12345", world_.site(1), world_.now());
    ASSERT_EQ(drafts.size(), 1u);
    Envelope envelope;
    envelope.set_handoff_id(drafts[0].handoff_id);
    envelope.set_kind(drafts[0].kind);
    envelope.set_body(drafts[0].body);
    const Received received = DecideEnvelope(&giver_, envelope, "110", {}, world_.site(0), world_.now());
    EXPECT_FALSE(received.changes);
    EXPECT_TRUE(received.envelopes.empty());
  }

  World world_{3};
  Envelope offer_;
  Envelope onward_;
  WorkOrder unread_;
  WorkOrder before_;
  WorkOrder giver_;
};

TEST_F(LostPassingOnTest, WhoPassedItOnHadAcceptedIt) {
  const Received received = Recover(&unread_);
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(after.handoff().id(), onward_.handoff_id());
  EXPECT_EQ(after.inbound().id(), offer_.handoff_id());
  EXPECT_TRUE(after.inbound().has_accept_time());
  EXPECT_EQ(after.past_handoffs_size(), 0);
  EXPECT_EQ(Unsound(after, world_.site(1)), "");
  ExpectAgreed(after);
}

TEST_F(LostPassingOnTest, ItIsOneOrderInWhateverOrderThePeersAnswer) {
  const Received onward = Recover(nullptr);
  ASSERT_TRUE(onward.changes);
  EXPECT_FALSE(onward.change.after.has_inbound());
  const Received offer =
      DecideEnvelope(&onward.change.after, offer_, "12345", {}, world_.site(1), world_.now());
  ASSERT_TRUE(offer.changes);
  EXPECT_FALSE(offer.change.creates);
  const WorkOrder& after = offer.change.after;
  EXPECT_EQ(after.id(), before_.id());
  EXPECT_EQ(after.state(), onward.change.after.state());
  EXPECT_EQ(after.inbound().id(), offer_.handoff_id());
  EXPECT_EQ(after.inbound().to_number(), after.number());
  EXPECT_EQ(Unsound(after, world_.site(1)), "");
  ExpectAgreed(after);
  ASSERT_EQ(offer.change.envelopes.size(), 1u);
  exchange::v1::UnderstoodBody understood;
  ASSERT_TRUE(understood.ParseFromString(offer.change.envelopes[0].body));
  EXPECT_EQ(understood.to_order_id(), before_.id());
  // Once.
  EXPECT_FALSE(DecideEnvelope(&after, offer_, "12345", {}, world_.site(1), world_.now()).changes);
}

// What this site told its giver, that the taker has it, comes back before the offer by which it went there.
TEST_F(LostPassingOnTest, WhatTheTakerAcceptedIsNotOverWhenTheOfferComesBackLast) {
  const std::string& here = before_.id();
  const Envelope understood = [&] {
    World world{3};
    const std::string id = world.Register(0, SampleContent(), true);
    world.Deliver(0, 1);
    world.Do(1, Act::kAccept, world.Twin(0, id));
    world.Push(1, world.Twin(0, id), 2);
    world.Deliver(1, 2);
    return world.Owed(2, 1).front();
  }();
  ASSERT_EQ(understood.kind(), exchange::v1::ENVELOPE_KIND_UNDERSTOOD);
  ASSERT_EQ(understood.handoff_id(), onward_.handoff_id());
  const WorkOrder accepted = [&] {
    World world{3};
    const std::string id = world.Register(0, SampleContent(), true);
    world.Deliver(0, 1);
    world.Do(1, Act::kAccept, world.Twin(0, id));
    return world.Order(1, world.Twin(0, id));
  }();
  world_.Do(2, Act::kAccept, world_.Twin(1, here));
  world_.Deliver(2, 1);
  const Envelope told = world_.Owed(1, 0).back();
  world_.Settle();
  ASSERT_EQ(world_.fault(), "");
  const Received beyond = DecideRecovered(&accepted, told, {}, world_.site(1), world_.now());
  ASSERT_TRUE(beyond.changes);
  ASSERT_EQ(beyond.change.after.custody().holder(), "119");

  const Received received = Recover(&beyond.change.after);
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(after.handoff().id(), onward_.handoff_id());
  EXPECT_EQ(after.inbound().id(), offer_.handoff_id());
  EXPECT_EQ(after.past_handoffs_size(), 0);
  EXPECT_EQ(after.custody().SerializeAsString(), beyond.change.after.custody().SerializeAsString());
  EXPECT_EQ(Unsound(after, world_.site(1)), "");
  giver_ = world_.Order(0, world_.Twin(1, before_.inbound()));
  ExpectAgreed(after);

  const Received numbered = DecideEnvelope(&after, understood, "119", {}, world_.site(1), world_.now());
  ASSERT_TRUE(numbered.changes);
  EXPECT_EQ(SharedView(numbered.change.after), SharedView(world_.Order(2, world_.Twin(1, here))));
  EXPECT_FALSE(
      DecideEnvelope(&numbered.change.after, understood, "119", {}, world_.site(1), world_.now()).changes);
}

// 119 has signed. 110 passed that on to 12345, has lost it and hears it once more.
TEST_F(LostPassingOnTest, WhatWasPassedOnTwiceIsTakenOnce) {
  const std::string& here = before_.id();
  const std::string there = world_.Twin(1, here);
  for (const Act act : {Act::kAccept, Act::kDispatch}) {
    world_.Do(2, act, there);
    world_.Settle();
  }
  const WorkOrder restored = world_.Order(1, here);
  world_.Do(2, Act::kSign, there);
  const Envelope heard = world_.Owed(2, 1).front();
  const auto pass_on = [&](absl::Time now) {
    const Received received = DecideEnvelope(&restored, heard, "119", {}, world_.site(1), now);
    EXPECT_EQ(received.change.envelopes.size(), 1u);
    Envelope told;
    told.set_kind(received.change.envelopes[0].kind);
    told.set_handoff_id(received.change.envelopes[0].handoff_id);
    told.set_body(received.change.envelopes[0].body);
    return std::make_pair(received.change.after, told);
  };
  const auto [first, told_first] = pass_on(world_.now());
  const auto [again, told_again] = pass_on(world_.now() + absl::Hours(1));
  EXPECT_NE(told_first.body(), told_again.body()) << "110 has its own time for it";
  const WorkOrder& giver = world_.Order(0, world_.Twin(1, before_.inbound()));
  const auto at_giver = [&](const WorkOrder& order, const Envelope& told) {
    return DecideEnvelope(&order, told, "110", {}, world_.site(0), world_.now());
  };
  const Received taken = at_giver(giver, told_first);
  ASSERT_TRUE(taken.changes);
  EXPECT_NE(taken.change.event.told_key(), 0u);
  const Received echo = at_giver(taken.change.after, told_again);
  EXPECT_FALSE(echo.changes);
  EXPECT_TRUE(echo.envelopes.empty());
  // Nor where the first is what 110 gets back from 12345, before 119 tells it.
  EXPECT_FALSE(DecideEnvelope(&first, heard, "119", {}, world_.site(1), world_.now()).changes);
}

// A platform that does not number its events may do the same twice in one second.
TEST_F(LostPassingOnTest, WhatIsNotNumberedIsNews) {
  const std::string there = world_.Twin(1, before_.id());
  for (const Act act : {Act::kAccept, Act::kDispatch, Act::kSign}) {
    world_.Settle();
    world_.Do(2, act, there);
  }
  Envelope heard = world_.Owed(2, 1).front();
  exchange::v1::MirrorBody body;
  ASSERT_TRUE(body.ParseFromString(heard.body()));
  body.mutable_event()->clear_order_version();
  body.mutable_event()->clear_told_key();
  heard.set_body(body.SerializeAsString());
  const Received once =
      DecideEnvelope(&world_.Order(1, before_.id()), heard, "119", {}, world_.site(1), world_.now());
  ASSERT_TRUE(once.changes);
  EXPECT_TRUE(DecideEnvelope(&once.change.after, heard, "119", {}, world_.site(1), world_.now()).changes);
}

TEST_F(LostPassingOnTest, WhatWasGivenBackIsNotPassedOnAnyMore) {
  const std::string& here = before_.id();
  world_.Do(2, Act::kReturn, world_.Twin(1, here));
  world_.Settle();
  world_.Do(1, Act::kAccept, here);
  world_.Do(1, Act::kReturn, here);
  const Envelope returned = world_.Owed(1, 0).back();
  ASSERT_EQ(world_.fault(), "");
  const Received received = DecideRecovered(&before_, returned, {}, world_.site(1), world_.now());
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(SharedView(after), SharedView(world_.Order(1, here)));
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_FALSE(after.has_inbound());
  EXPECT_EQ(Unsound(after, world_.site(1)), "");
}

// 119 gave it back and 110 took it up itself, told 12345 so, and has lost that.
TEST_F(LostPassingOnTest, WhatWasTakenUpItselfIsAtWorkAgain) {
  const std::string& here = before_.id();
  world_.Do(2, Act::kReturn, world_.Twin(1, here));
  world_.Settle();
  const WorkOrder given_back = world_.Order(1, here);
  ASSERT_EQ(given_back.state(), type::v1::ORDER_STATE_RETURNED);
  world_.Do(1, Act::kAccept, here);
  const Envelope told = world_.Owed(1, 0).back();
  ASSERT_EQ(world_.fault(), "");
  const Received received = DecideRecovered(&given_back, told, {}, world_.site(1), world_.now());
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(SharedView(after), SharedView(world_.Order(1, here)));
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(after.handoff().id(), offer_.handoff_id());
  EXPECT_FALSE(after.has_inbound());
  EXPECT_EQ(Unsound(after, world_.site(1)), "");
  // While its offer stands for all that it knows, 119 may have the order.
  EXPECT_FALSE(DecideRecovered(&before_, told, {}, world_.site(1), world_.now()).changes);
}

// 12345, which never heard that 110 had accepted, was granted its recall before 119 handed the offer back
// (simulation, seed 8700784 with old backups).
TEST_F(LostPassingOnTest, WhatTheGiverTookBackSinceIsNotPassedOnAnyMore) {
  Envelope recall;
  recall.set_handoff_id(offer_.handoff_id());
  recall.set_kind(exchange::v1::ENVELOPE_KIND_RECALL);
  recall.set_body(exchange::v1::RecallBody().SerializeAsString());
  world_.Pass(absl::Minutes(1));
  const Received recalled = DecideEnvelope(&unread_, recall, "12345", {}, world_.site(1), world_.now());
  ASSERT_TRUE(recalled.changes);
  ASSERT_EQ(recalled.change.after.state(), type::v1::ORDER_STATE_RECALLED);
  const Received received = Recover(&recalled.change.after);
  ASSERT_TRUE(received.changes);
  const WorkOrder& after = received.change.after;
  EXPECT_EQ(after.state(), type::v1::ORDER_STATE_RECALLED);
  EXPECT_EQ(after.custody().holder(), "12345");
  EXPECT_EQ(after.handoff().id(), offer_.handoff_id());
  ASSERT_EQ(after.past_handoffs_size(), 1);
  EXPECT_EQ(after.past_handoffs(0).id(), onward_.handoff_id());
  EXPECT_EQ(Unsound(after, world_.site(1)), "");
  // 119 gives it back.
  ASSERT_EQ(received.change.envelopes.size(), 1u);
  EXPECT_EQ(received.change.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_RECALL);
  EXPECT_EQ(received.change.envelopes[0].peer, "119");
}

TEST_F(LostPassingOnTest, AnotherContentUnderTheSameHandoffIsNotTakenForIt) {
  WorkOrder other = Recover(nullptr).change.after;
  other.set_content_salt(std::string(16, 'x'));
  const Received offer = DecideEnvelope(&other, offer_, "12345", {}, world_.site(1), world_.now());
  EXPECT_FALSE(offer.changes);
  ASSERT_EQ(offer.envelopes.size(), 1u);
  EXPECT_EQ(offer.envelopes[0].kind, exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
}

// Both sites are the ones to say, each as it knows the order: the taker has lost that it had replied, and
// gave the order back; the giver has closed it on the reply.
TEST(TwoMindsTest, AGiverThatHoldsTheOrderAndWentOnHasTheLastWord) {
  const auto history = [](std::initializer_list<Act> at_taker, std::initializer_list<Act> at_giver) {
    World world;
    const std::string id = world.Register(0, SampleContent(), true);
    world.Deliver(0);
    const std::string twin = world.Twin(0, id);
    for (const Act act : at_taker) world.Do(1, act, twin);
    if (at_giver.size() > 0) world.Settle();
    for (const Act act : at_giver) world.Do(0, act, id);
    EXPECT_EQ(world.fault(), "");
    return std::make_pair(world.Order(0, id), world.Order(1, twin));
  };
  const WorkOrder giver = history({Act::kAccept, Act::kFinish}, {Act::kClose}).first;
  const WorkOrder taker = history({Act::kAccept, Act::kReturn}, {}).second;
  ASSERT_EQ(giver.custody().epoch(), taker.custody().epoch());
  const World world;
  const auto resent = [&](const WorkOrder& from, int at, const WorkOrder& to) {
    const auto drafts =
        DecideResend(from, from.handoff().id(), world.site(1 - at).hotline, world.site(at), world.now());
    EXPECT_EQ(drafts.size(), 1u);
    Envelope envelope;
    envelope.set_handoff_id(drafts[0].handoff_id);
    envelope.set_kind(drafts[0].kind);
    envelope.set_body(drafts[0].body);
    return DecideEnvelope(&to, envelope, world.site(at).hotline, {}, world.site(1 - at), world.now());
  };
  EXPECT_FALSE(resent(taker, 1, giver).changes);
  const Received received = resent(giver, 0, taker);
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(SharedView(received.change.after), SharedView(giver));
}

}  // namespace
}  // namespace hotline::work_order
