// Who has to take an order: free returns, bounces, disputes, rulings, danger first, passing on.
#include "services/work_order/core/governor.h"

#include <algorithm>
#include <functional>
#include <string>

#include "common/error/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using type::v1::Command;
using type::v1::WorkOrder;

class GovernorTest : public testing::Test {
 protected:
  explicit GovernorTest(int sites = 3) : world_(sites) {
    world_.BeStrict();
    for (int at = 0; at < world_.size(); ++at) {
      world_.mutable_site(at)->free_returns_per_unit = 1;
      world_.mutable_site(at)->free_returns_per_order = 2;
    }
    world_.mutable_site(1)->dispatches_first = true;
  }

  ~GovernorTest() override { EXPECT_EQ(world_.fault(), ""); }

  // 12345 registers an order and pushes it to 110; both know of each other's copy.
  void Push() {
    mine_ = world_.Register(0, SampleContent(), false);
    PushTo(1);
  }
  void PushTo(int to) {
    world_.Push(0, mine_, to);
    world_.Settle();
    theirs_ = world_.Twin(0, mine_);
  }
  void Do(int at, Act act, const std::string& id) {
    world_.Do(at, act, id);
    world_.Settle();
  }
  // A push that the order's way forbids, or not.
  Reason TryPush(int at, const std::string& id, int to, bool confirm = false) {
    Command command = MakeCommand(Act::kOffer, id, world_.site(to).hotline, world_.now());
    command.mutable_offer()->set_confirm_bounce(confirm);
    return error::ReasonOf(world_.Execute(at, command).status());
  }
  Reason Try(int at, Act act, const std::string& id, const std::string& unit = "") {
    Command command = MakeCommand(act, id, "", world_.now() + absl::Seconds(2));
    command.mutable_header()->mutable_actor()->set_unit(unit);
    return error::ReasonOf(world_.Execute(at, command).status());
  }
  // Of the latest acceptance in the log of `at`: who told of it, and whose act it was if not theirs.
  std::string Acceptor(int at) const {
    const std::vector<type::v1::Event>& log = world_.Log(at);
    const auto latest = std::find_if(log.rbegin(), log.rend(),
                                     [](const type::v1::Event& event) { return event.has_accepted(); });
    if (latest == log.rend()) return "nobody";
    const type::v1::Actor& actor = latest->actor();
    return actor.hotline() + (actor.acting_hotline().empty() ? "" : " of " + actor.acting_hotline());
  }
  const WorkOrder& Mine() const { return world_.Order(0, mine_); }
  const WorkOrder& Theirs(int at = 1) const { return world_.Order(at, theirs_); }
  workorder::v1::PreviewReturnResponse Preview(int at, const std::string& id, const std::string& unit = "") {
    workorder::v1::PreviewReturnRequest request;
    request.set_unit(unit);
    auto response = PreviewReturn(world_.Order(at, id), request, world_.site(at), world_.now());
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : workorder::v1::PreviewReturnResponse();
  }

  World world_;
  std::string mine_;
  std::string theirs_;
};

TEST_F(GovernorTest, AReturnIsTypedAndReachesBothSitesAndTheirLogs) {
  Push();
  Command command = MakeCommand(Act::kReturn, theirs_, "", world_.now());
  command.mutable_header()->mutable_actor()->set_unit("traffic");
  type::v1::HandoffReturn& returned = *command.mutable_handoff_return();
  returned.set_legal_basis("规定 二(三)");
  returned.set_proposed_unit("housing");
  returned.set_proposed_hotline("119");
  ASSERT_TRUE(world_.Execute(1, command).ok());
  world_.Settle();
  for (const int at : {0, 1}) {
    const type::v1::HandoffReturn& known = world_.Order(at, at == 0 ? mine_ : theirs_).handoff().returned();
    EXPECT_EQ(known.ground(), type::v1::RETURN_GROUND_NOT_OUR_DUTY);
    EXPECT_EQ(known.legal_basis(), "规定 二(三)");
    EXPECT_EQ(known.proposed_unit(), "housing");
    EXPECT_EQ(known.proposed_item(), "A5");
    EXPECT_EQ(known.proposed_hotline(), "119");
    EXPECT_EQ(known.returned_by_unit(), "traffic");
    EXPECT_EQ(world_.LastEvent(at).returned().handoff_return().SerializeAsString(),
              known.SerializeAsString());
  }
  ASSERT_EQ(Mine().hops_size(), 1);
  EXPECT_EQ(Mine().hops(0).SerializeAsString(), Theirs().hops(0).SerializeAsString());
  EXPECT_EQ(Mine().hops(0).unit(), "traffic");
  EXPECT_EQ(Mine().facts().return_count(), 1);
}

TEST_F(GovernorTest, OneFreeReturnPerUnitAndTwoPerOrderThenARuling) {
  Push();
  EXPECT_EQ(Preview(1, theirs_).free_returns_of_unit(), 1);
  EXPECT_EQ(Preview(1, theirs_).free_returns_of_order(), 2);
  EXPECT_TRUE(Preview(1, theirs_).allowed());
  EXPECT_FALSE(Preview(1, theirs_).bounce());
  EXPECT_EQ(Preview(1, theirs_).hops_size(), 1) << "with this return as the last";
  Do(1, Act::kReturn, theirs_);

  EXPECT_EQ(TryPush(0, mine_, 1), Reason::ERROR_REASON_BOUNCE);
  PushTo(1);  // confirmed
  EXPECT_EQ(Theirs().facts().return_count(), 1) << "the offer carries what was used";
  EXPECT_EQ(Try(1, Act::kReturn, theirs_), Reason::ERROR_REASON_RETURN_LIMIT);
  EXPECT_EQ(Preview(1, theirs_).reason(), "RETURN_LIMIT");
  EXPECT_TRUE(Preview(1, theirs_).ruling_required());
  EXPECT_TRUE(Preview(1, theirs_).bounce()) << "it went back from here before";
  EXPECT_THAT(Preview(1, theirs_).message_zh(), testing::HasSubstr("裁定"));
  // Another unit there has one of its own.
  EXPECT_TRUE(Preview(1, theirs_, "traffic").allowed());
  EXPECT_EQ(Try(1, Act::kReturn, theirs_, "traffic"), Reason::ERROR_REASON_UNSPECIFIED);
  world_.Settle();

  // Now the order's are used up, for a third site too.
  EXPECT_EQ(TryPush(0, mine_, 2), Reason::ERROR_REASON_UNSPECIFIED) << "it never was at 119";
  world_.Settle();
  theirs_ = world_.Twin(0, mine_);
  EXPECT_EQ(Theirs(2).facts().return_count(), 2);
  EXPECT_EQ(Try(2, Act::kReturn, theirs_), Reason::ERROR_REASON_RETURN_LIMIT);

  // The meeting rules for 110: then 119 may give it back once more, and 110 may not.
  Command ruling = MakeCommand(Act::kRule, theirs_, "", world_.now());
  ruling.mutable_ruling()->set_to_hotline("110");
  ASSERT_TRUE(world_.Execute(2, ruling).ok());
  world_.Settle();
  EXPECT_EQ(Mine().facts().ruled_for(), "110");
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  EXPECT_FALSE(Mine().handoff().has_accept_time()) << "a ruling accepts nothing";
  Do(2, Act::kReturn, theirs_);
  EXPECT_EQ(TryPush(0, mine_, 1), Reason::ERROR_REASON_UNSPECIFIED) << "a ruling needs no confirmation";
  world_.Settle();
  theirs_ = world_.Twin(0, mine_);
  EXPECT_EQ(Try(1, Act::kReturn, theirs_), Reason::ERROR_REASON_RULED);
  EXPECT_EQ(Try(1, Act::kDispute, theirs_), Reason::ERROR_REASON_RULED);
  EXPECT_EQ(Preview(1, theirs_).ruled_for(), "110");
  Do(1, Act::kAccept, theirs_);
  EXPECT_EQ(Try(1, Act::kReturn, theirs_), Reason::ERROR_REASON_RULED);
  EXPECT_EQ(TryPush(1, theirs_, 2), Reason::ERROR_REASON_RULED) << "passing on is no way out";
  Do(1, Act::kFinish, theirs_);
  Do(0, Act::kClose, mine_);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_CLOSED);
}

TEST_F(GovernorTest, APreviewNamesTheGroundThatTheReturnWouldName) {
  Push();
  EXPECT_EQ(Preview(1, theirs_).hops(0).ground(), type::v1::RETURN_GROUND_OTHER);
  workorder::v1::PreviewReturnRequest request;
  request.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  const auto preview = PreviewReturn(Theirs(), request, world_.site(1), world_.now());
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_TRUE(preview->allowed());
  EXPECT_EQ(preview->hops(0).ground(), type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  request.set_ground(static_cast<type::v1::ReturnGround>(999));
  EXPECT_EQ(error::ReasonOf(PreviewReturn(Theirs(), request, world_.site(1), world_.now()).status()),
            Reason::ERROR_REASON_ENUM_INVALID);
}

// It named fields of the command that it is decided by.
TEST_F(GovernorTest, APreviewNamesItsOwnFields) {
  Push();
  const auto refused = [&](const std::function<void(workorder::v1::PreviewReturnRequest&)>& edit) {
    workorder::v1::PreviewReturnRequest request;
    edit(request);
    const absl::Status status = PreviewReturn(Theirs(), request, world_.site(1), world_.now()).status();
    const std::string field = error::FieldOf(status);
    EXPECT_EQ(status.message().find(field + ": "), 0u) << status;
    EXPECT_EQ(error::ChineseOf(status).find("字段 " + field + "："), 0u) << status;
    return field;
  };
  EXPECT_EQ(refused([](auto& r) { r.set_unit(std::string(33, 'x')); }), "unit");
  EXPECT_EQ(refused([](auto& r) { r.set_ground(static_cast<type::v1::ReturnGround>(999)); }), "ground");
  EXPECT_EQ(refused([](auto& r) { r.set_proposed_unit(std::string(33, 'x')); }), "proposed_unit");
  EXPECT_EQ(refused([](auto& r) { r.set_proposed_hotline(std::string(33, 'x')); }), "proposed_hotline");
}

TEST_F(GovernorTest, WhatAPeersMachineCannotReadIsNoReturn) {
  Push();
  Do(1, Act::kReturn, theirs_);
  EXPECT_EQ(Mine().facts().return_count(), 1);
  world_.Push(0, mine_, 1);
  exchange::v1::NotUnderstoodBody body;
  body.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
  exchange::v1::Envelope envelope;
  envelope.set_handoff_id(Mine().handoff().id());
  envelope.set_kind(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
  envelope.set_body(body.SerializeAsString());
  const Received received =
      DecideEnvelope(&Mine(), envelope, "110", NewOrder(), world_.site(0), world_.now());
  ASSERT_TRUE(received.changes);
  EXPECT_EQ(received.change.after.state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(received.change.after.facts().return_count(), 1);
  EXPECT_EQ(received.change.after.hops_size(), 1);
}

TEST_F(GovernorTest, DisputedByTheReceiverTheOriginHandlesIt) {
  Push();
  Do(1, Act::kDispute, theirs_);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_RETURNED);
  for (const WorkOrder* order : {&Mine(), &Theirs()}) {
    EXPECT_EQ(order->custody().holder(), "12345");
    EXPECT_EQ(order->custody().epoch(), 1) << "it never left";
    EXPECT_TRUE(order->facts().disputed());
    EXPECT_TRUE(order->handoff().has_dispute_time());
    EXPECT_TRUE(order->handoff().has_end_time());
  }
  EXPECT_EQ(TryPush(0, mine_, 2), Reason::ERROR_REASON_DISPUTED);
  // 首接先办: it is worked on all the same, and the ruling settles it.
  Do(0, Act::kProgress, mine_);
  Command ruling = MakeCommand(Act::kRule, mine_, "", world_.now());
  ruling.mutable_ruling()->set_to_hotline("110");
  ruling.mutable_ruling()->set_unit("traffic");
  ASSERT_TRUE(world_.Execute(0, ruling).ok());
  world_.Settle();
  EXPECT_FALSE(Mine().facts().disputed());
  EXPECT_FALSE(Theirs().facts().disputed()) << "whom it was disputed with hears of it";
  EXPECT_EQ(Theirs().facts().ruled_for(), "110");
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_RETURNED);
  PushTo(1);
  EXPECT_EQ(Theirs().facts().ruled_for(), "110");
  EXPECT_EQ(Theirs().facts().ruled_unit(), "traffic");
}

TEST_F(GovernorTest, DisputedByTheGiverAfterAReturn) {
  Push();
  EXPECT_EQ(Try(0, Act::kDispute, mine_), Reason::ERROR_REASON_NOT_HOLDER) << "the receiver has the word";
  Do(1, Act::kReturn, theirs_);
  Do(0, Act::kDispute, mine_);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_TRUE(Mine().facts().disputed());
  EXPECT_TRUE(Theirs().facts().disputed());
  EXPECT_TRUE(Theirs().handoff().has_dispute_time());
  Do(0, Act::kFinish, mine_);
  Do(0, Act::kClose, mine_);
}

TEST_F(GovernorTest, DisputedBeyondTheGiverItGoesBackToTheOrigin) {
  Push();
  Do(1, Act::kAccept, theirs_);
  world_.Push(1, theirs_, 2);
  world_.Settle();
  const std::string third = world_.Twin(1, theirs_);
  ASSERT_NE(third, "");
  Do(2, Act::kDispute, third);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(world_.Order(2, third).state(), type::v1::ORDER_STATE_RETURNED);
  for (const WorkOrder* order : {&Mine(), &Theirs(), &world_.Order(2, third)}) {
    EXPECT_EQ(order->custody().holder(), "12345");
    EXPECT_EQ(order->custody().epoch(), 3);
    EXPECT_TRUE(order->facts().disputed());
  }
  Do(0, Act::kRule, mine_);
  EXPECT_FALSE(Theirs().facts().disputed());
  EXPECT_FALSE(world_.Order(2, third).facts().disputed()) << "told on along the way";
}

TEST_F(GovernorTest, DangerFirstActsFirst) {
  world_.mutable_site(2)->dispatches_first = false;
  Push();
  Command take = MakeCommand(Act::kAccept, theirs_, "", world_.now());
  take.mutable_acceptance()->set_danger_first(true);
  ASSERT_TRUE(world_.Execute(1, take).ok());
  world_.Settle();
  EXPECT_TRUE(Mine().handoff().danger_first());
  EXPECT_EQ(Mine().custody().holder(), "110");
  EXPECT_EQ(Try(1, Act::kReturn, theirs_), Reason::ERROR_REASON_DANGER_FIRST);
  EXPECT_EQ(TryPush(1, theirs_, 0), Reason::ERROR_REASON_DANGER_FIRST);
  Do(1, Act::kProgress, theirs_);
  Command push = MakeCommand(Act::kOffer, theirs_, "12345", world_.now());
  push.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
  const absl::Status wrong = world_.Execute(1, push).status();
  EXPECT_EQ(error::FieldOf(wrong), "offer.kind");

  // What remains goes back to 12345, without a confirmation: handing over what remains is no bounce.
  EXPECT_EQ(TryPush(1, theirs_, 0), Reason::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(Theirs().handoff().kind(), type::v1::HANDOFF_KIND_DISPATCH_FIRST);
  EXPECT_EQ(Theirs().handoff().previous_handoff_id(), Mine().handoff().id());
  EXPECT_EQ(Theirs().handoff().attempt(), 2);
  world_.Settle();
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_IN_PROGRESS)
      << "an offer that nobody accepted is 110's affair";
  const std::string again = world_.Twin(1, theirs_);
  ASSERT_NE(again, mine_) << "a matter that comes back is a copy of its own";
  Do(0, Act::kAccept, again);
  const WorkOrder& later = world_.Order(0, again);
  EXPECT_EQ(later.handoff().previous_handoff_id(), Mine().handoff().id());
  EXPECT_EQ(Mine().handoff().onward_handoff_id(), later.handoff().id());
  EXPECT_EQ(Mine().handoff().origin_handoff_id(), later.handoff().id());
  for (const WorkOrder* order : {&Mine(), &Theirs(), &later}) {
    EXPECT_EQ(order->custody().holder(), "12345");
    EXPECT_EQ(order->custody().epoch(), 3);
    EXPECT_EQ(order->state(), type::v1::ORDER_STATE_ACCEPTED);
  }
  EXPECT_EQ(Acceptor(1), "12345");
  EXPECT_EQ(Acceptor(0), "110 of 12345") << "the first copy hears of it from 110, whose act it was not";
  // To be shown is no work, also of a copy that nobody works with.
  Command disclosure = MakeCommand(Act::kProgress, mine_, "", world_.now());
  disclosure.mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_WATCH);
  EXPECT_TRUE(world_.Execute(0, disclosure).ok());
  // Only the later copy is worked with; the first one follows it to the end.
  EXPECT_EQ(Try(0, Act::kProgress, mine_), Reason::ERROR_REASON_NOT_HOLDER);
  EXPECT_EQ(Try(0, Act::kReturn, again), Reason::ERROR_REASON_WRONG_STATE) << "首接负责";
  Do(0, Act::kFinish, again);
  Do(0, Act::kCallBack, again);
  EXPECT_EQ(Try(0, Act::kRedo, mine_), Reason::ERROR_REASON_NOT_HOLDER);
  Do(0, Act::kClose, again);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_CLOSED);
}

TEST_F(GovernorTest, OnlyASiteThatDispatchesFirstTakesItSo) {
  Push();
  world_.mutable_site(1)->dispatches_first = false;
  Command take = MakeCommand(Act::kAccept, theirs_, "", world_.now());
  take.mutable_acceptance()->set_danger_first(true);
  EXPECT_EQ(error::FieldOf(world_.Execute(1, take).status()), "acceptance.danger_first");
  world_.mutable_site(0)->dispatches_first = true;
  const std::string local = world_.Register(0, SampleContent(), false);
  take.mutable_header()->set_order_id(local);
  EXPECT_EQ(error::FieldOf(world_.Execute(0, take).status()), "acceptance.danger_first");
}

TEST_F(GovernorTest, PassedOnToAThirdSiteTheOriginFollows) {
  Push();
  Do(1, Act::kAccept, theirs_);
  Do(1, Act::kDispatch, theirs_);
  EXPECT_EQ(TryPush(1, theirs_, 0), Reason::ERROR_REASON_BOUNCE) << "that is a return";
  world_.Push(1, theirs_, 2);
  world_.Settle();
  const std::string third = world_.Twin(1, theirs_);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_DISPATCHED);
  EXPECT_EQ(world_.Order(2, third).hops(0).from_hotline(), "12345") << "it knows the way";
  Do(2, Act::kAccept, third);
  EXPECT_EQ(Mine().custody().holder(), "119");
  EXPECT_EQ(Acceptor(1), "119");
  EXPECT_EQ(Acceptor(0), "110 of 119");
  EXPECT_EQ(Mine().handoff().onward_hotline(), "119");
  Do(2, Act::kFinish, third);
  EXPECT_EQ(Mine().reply().public_reply(), "已责令停工");
  Do(0, Act::kRedo, mine_);
  EXPECT_EQ(world_.Order(2, third).state(), type::v1::ORDER_STATE_REDO);
  EXPECT_EQ(world_.Order(2, third).custody().holder(), "119") << "back to whom gave the reply";
  Do(2, Act::kFinish, third);
  Do(0, Act::kCallBack, mine_);
  Do(0, Act::kClose, mine_);
  EXPECT_EQ(world_.Order(2, third).state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_CLOSED);
}

TEST_F(GovernorTest, WhatTheThirdSiteReturnsIsTakenUpAgainAndMayGoBack) {
  Push();
  Do(1, Act::kAccept, theirs_);
  world_.Push(1, theirs_, 2);
  world_.Settle();
  const std::string third = world_.Twin(1, theirs_);
  Do(2, Act::kAccept, third);
  Do(2, Act::kReturn, third);
  EXPECT_EQ(Mine().custody().holder(), "110");
  EXPECT_EQ(Mine().handoff().onward_hotline(), "");
  EXPECT_EQ(Mine().facts().return_count(), 1);
  Do(1, Act::kAccept, theirs_);
  EXPECT_FALSE(Theirs().has_inbound());
  EXPECT_EQ(Theirs().handoff().id(), Mine().handoff().id()) << "the handoff by which it came";
  Do(1, Act::kReturn, theirs_);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(Mine().facts().return_count(), 2);
  world_.Push(0, mine_, 2);
  world_.Settle();
  EXPECT_EQ(Mine().handoff().attempt(), 2);
}

TEST_F(GovernorTest, ClosedOrdersAreReopenedAtWhomGaveTheReply) {
  Push();
  Do(1, Act::kAccept, theirs_);
  Do(1, Act::kUrge, theirs_);
  Do(1, Act::kFinish, theirs_);
  Do(0, Act::kClose, mine_);
  // The other site has filed it meanwhile.
  Do(1, Act::kArchive, theirs_);
  EXPECT_EQ(Try(1, Act::kReopen, theirs_), Reason::ERROR_REASON_NOT_HOLDER);
  Do(0, Act::kReopen, mine_);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_REDO);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_REDO);
  EXPECT_EQ(Theirs().custody().holder(), "110");
  EXPECT_EQ(Mine().custody().epoch(), 4);
  EXPECT_TRUE(Theirs().facts().overdue()) << "a breach stays a breach";
  EXPECT_EQ(world_.LastEvent(1).reopened().reason(), "群众再次反映");
  Do(1, Act::kFinish, theirs_);
  Do(0, Act::kClose, mine_);
  Do(0, Act::kArchive, mine_);
  EXPECT_EQ(Try(0, Act::kReopen, mine_), Reason::ERROR_REASON_WRONG_STATE);
}

// By the detour of a unit's return: its giver could offer it to nobody.
TEST_F(GovernorTest, WhatIsToBeDoneAgainIsNotGivenBack) {
  Push();
  for (const Act act : {Act::kAccept, Act::kDispatch, Act::kSign, Act::kFinish}) Do(1, act, theirs_);
  Do(0, Act::kRedo, mine_);
  Do(1, Act::kSign, theirs_);
  Do(1, Act::kReturnFromUnit, theirs_);
  ASSERT_EQ(Theirs().state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(Try(1, Act::kReturn, theirs_), Reason::ERROR_REASON_WRONG_STATE);
  EXPECT_EQ(Preview(1, theirs_).reason(), "WRONG_STATE");
  Do(1, Act::kDispatch, theirs_);
  Do(1, Act::kSign, theirs_);
  Do(1, Act::kFinish, theirs_);
  EXPECT_EQ(Mine().state(), type::v1::ORDER_STATE_REPLIED);
}

// Each site keeps contents for as long as it says itself.
TEST_F(GovernorTest, WhatTheReplierHasErasedIsDoneAgainByWhatTheOriginSays) {
  Push();
  Do(1, Act::kAccept, theirs_);
  Do(1, Act::kFinish, theirs_);
  Do(0, Act::kClose, mine_);
  Command erase;
  erase.mutable_header()->set_request_id("retention/1");
  erase.mutable_header()->set_order_id(theirs_);
  erase.mutable_header()->mutable_actor()->set_account("service/retention");
  ToProto(world_.now() + absl::Hours(1), erase.mutable_erasure()->mutable_unchanged_since_time());
  ASSERT_TRUE(world_.Execute(1, erase).ok());
  EXPECT_EQ(Theirs().reply().public_reply(), "");
  EXPECT_EQ(SharedView(Mine()), SharedView(Theirs()));
  EXPECT_EQ(error::ReasonOf(world_.Execute(1, erase).status()), Reason::ERROR_REASON_CONTENT_ERASED)
      << "nothing was written since";

  Do(0, Act::kReopen, mine_);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_REDO);
  EXPECT_TRUE(Theirs().has_erase_time()) << "the content is gone";
  EXPECT_EQ(Try(1, Act::kProgress, theirs_), Reason::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(TryPush(1, theirs_, 2), Reason::ERROR_REASON_CONTENT_ERASED) << "there is nothing to hand on";
  world_.Settle();
  EXPECT_EQ(SharedView(Mine()), SharedView(Theirs()));
  Do(1, Act::kFinish, theirs_);
  Do(0, Act::kClose, mine_);
  EXPECT_EQ(Theirs().state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(SharedView(Mine()), SharedView(Theirs())) << "with the later reply";
  ToProto(world_.now() + absl::Hours(1), erase.mutable_erasure()->mutable_unchanged_since_time());
  ASSERT_TRUE(world_.Execute(1, erase).ok());
  EXPECT_EQ(Theirs().reply().public_reply(), "");
  EXPECT_EQ(SharedView(Mine()), SharedView(Theirs()));
}

TEST_F(GovernorTest, HopsAreBounded) {
  WorkOrder order;
  for (int i = 0; i < kMaxHops + 4; ++i) {
    type::v1::Handoff handoff;
    handoff.set_id(std::to_string(i));
    NoteHop(handoff, world_.now(), type::v1::RETURN_GROUND_OTHER, &order);
    NoteHop(handoff, world_.now(), type::v1::RETURN_GROUND_DUPLICATE, &order);
  }
  ASSERT_EQ(order.hops_size(), kMaxHops);
  EXPECT_EQ(order.hops(0).handoff_id(), "4");
  EXPECT_EQ(order.hops(0).ground(), type::v1::RETURN_GROUND_DUPLICATE) << "one entry for a handoff";
}

TEST_F(GovernorTest, ARulingNamesSomebodyKnown) {
  Push();
  Command ruling = MakeCommand(Act::kRule, theirs_, "", world_.now());
  ruling.mutable_ruling()->set_to_hotline("911");
  EXPECT_EQ(error::ReasonOf(world_.Execute(1, ruling).status()), Reason::ERROR_REASON_TARGET_UNKNOWN);
  ruling.mutable_ruling()->clear_to_hotline();
  ruling.mutable_ruling()->clear_unit();
  EXPECT_EQ(error::FieldOf(world_.Execute(1, ruling).status()), "ruling.to_hotline");
}

}  // namespace
}  // namespace hotline::work_order
