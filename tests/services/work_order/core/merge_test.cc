// Merged orders: what is refused, what follows the order that is kept, and who has still to be answered.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/error/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using testing::ElementsAre;
using testing::IsEmpty;
using type::v1::Command;
using type::v1::Event;
using type::v1::WorkOrder;

// At 12345 (site 0): `kept_` is worked on there, `own_` is another caller's, `theirs_` came from 110.
class MergeTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.BeStrict();
    kept_ = world_.Register(0, SampleContent(), false);
    own_ = world_.Register(0, SampleContent(), false);
    given_ = world_.Register(1, SampleContent(), true);
    world_.Settle();
    theirs_ = world_.Twin(1, given_);
    world_.Do(0, Act::kAccept, kept_);
    world_.Do(0, Act::kAccept, theirs_);
    world_.Settle();
  }
  void TearDown() override {
    world_.Settle();
    EXPECT_EQ(world_.fault(), "");
  }

  static Command Merger(const std::string& order_id, const std::string& kept) {
    Command command = MakeCommand(Act::kProgress, order_id, "", absl::UnixEpoch());
    command.mutable_merger()->set_into_order_id(kept);
    command.mutable_merger()->set_reason("同一地点同一事项");
    return command;
  }
  static Command Separation(const std::string& order_id) {
    Command command = MakeCommand(Act::kProgress, order_id, "", absl::UnixEpoch());
    command.mutable_separation()->set_reason("并非同一事项");
    return command;
  }
  void Merge(const std::string& order_id) {
    const absl::Status merged = world_.Execute(0, Merger(order_id, kept_)).status();
    ASSERT_TRUE(merged.ok()) << merged.message();
    world_.Settle();
  }
  void Finish() {
    world_.Do(0, Act::kDispatch, kept_);
    world_.Do(0, Act::kSign, kept_);
    world_.Do(0, Act::kFinish, kept_);
    world_.Settle();
  }
  Reason Refused(const Command& command) { return error::ReasonOf(world_.Execute(0, command).status()); }
  Reason Refused(Act act, const std::string& id) { return error::ReasonOf(world_.Try(0, act, id).status()); }
  const WorkOrder& At0(const std::string& id) const { return world_.Order(0, id); }
  std::vector<std::string> MergedIds() const {
    std::vector<std::string> ids;
    for (const type::v1::MergedOrder& merged : At0(kept_).merged_orders()) ids.push_back(merged.order_id());
    return ids;
  }

  World world_;
  std::string kept_, own_, theirs_, given_;
};

TEST_F(MergeTest, OneJobAndEveryCallersOwnReply) {
  Merge(own_);
  Merge(theirs_);
  EXPECT_THAT(MergedIds(), ElementsAre(own_, theirs_));
  EXPECT_EQ(At0(own_).state(), type::v1::ORDER_STATE_IN_PROGRESS);
  EXPECT_EQ(world_.Order(1, given_).state(), type::v1::ORDER_STATE_IN_PROGRESS) << "the giver sees it";
  EXPECT_EQ(At0(theirs_).custody().holder(), "12345");
  Finish();
  for (const std::string& id : {own_, theirs_}) {
    EXPECT_EQ(At0(id).state(), type::v1::ORDER_STATE_REPLIED);
    EXPECT_EQ(At0(id).reply().public_reply(), At0(kept_).reply().public_reply());
    EXPECT_FALSE(At0(id).reply().caller_contacted());
  }
  const WorkOrder& given = world_.Order(1, given_);
  EXPECT_EQ(given.state(), type::v1::ORDER_STATE_REPLIED);
  EXPECT_EQ(given.reply().public_reply(), At0(kept_).reply().public_reply());
  EXPECT_EQ(given.reply().internal_reply(), "") << "it never leaves the site";

  // Each caller is answered by whoever has them.
  world_.Do(0, Act::kCallBack, kept_);
  EXPECT_EQ(Refused(Act::kClose, kept_), Reason::ERROR_REASON_UNANSWERED_CALLERS);
  world_.Do(0, Act::kCallBack, own_);
  const absl::Status waits = world_.Try(0, Act::kClose, kept_).status();
  EXPECT_EQ(error::ReasonOf(waits), Reason::ERROR_REASON_UNANSWERED_CALLERS);
  EXPECT_THAT(std::string(waits.message()), testing::HasSubstr(At0(theirs_).number()));
  EXPECT_THAT(std::string(waits.message()), testing::Not(testing::HasSubstr(At0(own_).number())));
  world_.Do(1, Act::kCallBack, given_);
  world_.Settle();
  EXPECT_EQ(At0(kept_).merged_orders(1).state(), type::v1::ORDER_STATE_CALLED_BACK);
  world_.Do(0, Act::kClose, kept_);
  EXPECT_EQ(At0(kept_).state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(At0(own_).state(), type::v1::ORDER_STATE_CALLED_BACK) << "closing one closes no other";
}

TEST_F(MergeTest, CloseWithUnansweredCallersIsConfirmedAndNamesThem) {
  Merge(own_);
  Finish();
  Command close = MakeCommand(Act::kClose, kept_, "", world_.now());
  EXPECT_EQ(Refused(close), Reason::ERROR_REASON_UNANSWERED_CALLERS);
  close.mutable_closure()->set_confirm_unanswered(true);
  ASSERT_TRUE(world_.Execute(0, close).ok());
  EXPECT_THAT(world_.LastEvent(0).closed().unanswered_numbers(), ElementsAre(At0(own_).number()));
  // Still owed, and still seen.
  world_.Do(0, Act::kCallBack, own_);
  EXPECT_EQ(At0(kept_).merged_orders(0).state(), type::v1::ORDER_STATE_CALLED_BACK);
  close.mutable_closure()->add_unanswered_numbers("x");
  EXPECT_EQ(error::FieldOf(world_.Execute(0, close).status()), "closure.unanswered_numbers");
}

TEST_F(MergeTest, ProgressOfTheJobIsEverybodys) {
  Merge(theirs_);
  world_.Do(0, Act::kProgress, kept_);
  world_.Settle();
  EXPECT_TRUE(world_.LastEvent(1).has_progressed());
  EXPECT_EQ(world_.LastEvent(1).order_id(), given_);
  EXPECT_TRUE(world_.LastEvent(1).mirrored());
}

TEST_F(MergeTest, WhomAMergedMatterAccusesLosesTheJob) {
  Merge(own_);
  Merge(theirs_);
  world_.Do(0, Act::kDispatch, kept_);
  world_.Settle();
  // 110's caller says so, and 110 knows nothing of the merger.
  Command accusation = MakeCommand(Act::kAccuse, given_, "", world_.now());
  ASSERT_TRUE(world_.Execute(1, accusation).ok());
  world_.Settle();
  EXPECT_EQ(At0(kept_).state(), type::v1::ORDER_STATE_ACCEPTED);
  for (const std::string& id : {kept_, theirs_}) {
    EXPECT_THAT(At0(id).facts().recused_units(), ElementsAre("housing")) << id;
  }
  EXPECT_EQ(Refused(Act::kDispatch, kept_), Reason::ERROR_REASON_UNIT_RECUSED);
}

TEST_F(MergeTest, WhoeverIsGivenTheJobLaterHasEverybodysDuty) {
  Merge(own_);
  Merge(theirs_);
  world_.Do(0, Act::kDispatch, kept_);
  world_.Settle();
  const std::string lead = At0(kept_).units(0).unit();
  int told = 0;
  for (const Event& event : world_.Log(0)) {
    if (!event.has_merged() || event.merged().lead_unit() != lead) continue;
    ++told;
    EXPECT_THAT((std::vector<std::string>{own_, theirs_}), testing::Contains(event.order_id()));
    EXPECT_EQ(event.merged().into().order_id(), kept_);
    EXPECT_EQ(event.state(), type::v1::ORDER_STATE_IN_PROGRESS);
  }
  EXPECT_EQ(told, 2);
}

TEST_F(MergeTest, WorkOnAMergedOrderIsRefused) {
  Merge(own_);
  for (const Act act : {Act::kOffer, Act::kDispatch, Act::kSign, Act::kProgress, Act::kFinish}) {
    EXPECT_EQ(Refused(act, own_), Reason::ERROR_REASON_MERGED) << static_cast<int>(act);
  }
  EXPECT_EQ(Refused(Merger(own_, theirs_)), Reason::ERROR_REASON_MERGED);
  EXPECT_EQ(Refused(Merger(theirs_, own_)), Reason::ERROR_REASON_MERGED) << "not into a merged one";
  EXPECT_EQ(Refused(Merger(kept_, theirs_)), Reason::ERROR_REASON_MERGED) << "others were merged into it";
  // Each is told of the other: where the work is, and what is in the way.
  EXPECT_EQ(error::ChineseOf(world_.Execute(0, Merger(own_, theirs_)).status()),
            absl::StrCat("工单已与", At0(kept_).number(), "并单，请在保留的工单上办理，或先拆单"));
  EXPECT_EQ(
      error::ChineseOf(world_.Execute(0, Merger(kept_, theirs_)).status()),
      absl::StrCat("已有工单（", At0(own_).number(), "等）并入本工单，不能再并入其他工单；请先将其拆出"));
  // Its caller's own time is its own.
  world_.Do(0, Act::kExtend, own_);
  world_.Do(0, Act::kSuspend, own_);
  world_.Do(0, Act::kResume, own_);
  EXPECT_FALSE(At0(kept_).facts().suspended());
}

TEST_F(MergeTest, OnlyWhatGoesOnHereIsMergedInto) {
  EXPECT_EQ(Refused(Merger(own_, own_)), Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(Refused(Merger(own_, "nosuch")), Reason::ERROR_REASON_ORDER_NOT_FOUND);
  Command blank = Merger(own_, kept_);
  blank.mutable_merger()->clear_reason();
  EXPECT_EQ(error::FieldOf(world_.Execute(0, blank).status()), "merger.reason");
  Finish();
  EXPECT_EQ(Refused(Merger(own_, kept_)), Reason::ERROR_REASON_WRONG_STATE) << "the job is done";
  // One that 110 offers and nobody here has accepted is not this site's yet.
  const std::string offered = world_.Register(1, SampleContent(), true);
  world_.Settle();
  EXPECT_EQ(Refused(Merger(own_, world_.Twin(1, offered))), Reason::ERROR_REASON_WRONG_STATE);
  EXPECT_EQ(Refused(Merger(world_.Twin(1, offered), own_)), Reason::ERROR_REASON_NOT_HOLDER);
}

TEST_F(MergeTest, WhomAMergedMatterAccusesDoesNotGetTheJob) {
  type::v1::OrderContent content = SampleContent();
  content.add_accused_units("housing");
  const std::string accuses = world_.Register(0, content, false);
  ASSERT_TRUE(world_.Execute(0, Merger(accuses, kept_)).ok());
  EXPECT_EQ(Refused(Act::kDispatch, kept_), Reason::ERROR_REASON_UNIT_RECUSED) << "its lead would be housing";
  const std::string other = world_.Register(0, SampleContent(), false);
  world_.Do(0, Act::kAccept, other);
  world_.Do(0, Act::kDispatch, other);
  const std::string too = world_.Register(0, content, false);
  EXPECT_EQ(Refused(Merger(too, other)), Reason::ERROR_REASON_UNIT_RECUSED) << "housing has it already";
}

// Who gives the job to its units is another site, which hears of accusations but not of mergers.
TEST_F(MergeTest, AJobElsewhereIsAccusedBeforeItIsMergedInto) {
  world_.Push(0, kept_, 1);
  world_.Settle();
  const std::string there = world_.Twin(0, kept_);
  type::v1::OrderContent content = SampleContent();
  content.add_accused_units("housing");
  const std::string accuses = world_.Register(0, content, false);
  const auto expect_refused = [&] {
    const absl::Status refused = world_.Execute(0, Merger(accuses, kept_)).status();
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED) << refused;
    EXPECT_EQ(error::FieldOf(refused), "merger.into_order_id");
  };
  expect_refused();
  world_.Do(1, Act::kAccept, there);
  world_.Settle();
  expect_refused();
  ASSERT_TRUE(world_.Execute(0, MakeCommand(Act::kAccuse, kept_, "", world_.now())).ok());
  Merge(accuses);
  EXPECT_EQ(error::ReasonOf(world_.Try(1, Act::kDispatch, there).status()),
            Reason::ERROR_REASON_UNIT_RECUSED);
  Merge(own_);
}

// What the merged matter said of a unit stays true of the job, also once it is a job of its own again.
TEST_F(MergeTest, WhomAMergedMatterAccusesStaysRecusedAfterIt) {
  type::v1::OrderContent content = SampleContent();
  content.add_accused_units("housing");
  const std::string accuses = world_.Register(0, content, false);
  Merge(accuses);
  EXPECT_THAT(At0(kept_).facts().recused_units(), ElementsAre("housing"));
  ASSERT_TRUE(world_.Execute(0, Separation(accuses)).ok());
  world_.Settle();
  for (const std::string& id : {kept_, accuses}) {
    EXPECT_THAT(At0(id).facts().recused_units(), ElementsAre("housing")) << id;
    EXPECT_EQ(Refused(Act::kDispatch, id), Reason::ERROR_REASON_UNIT_RECUSED) << id;
  }
}

TEST_F(MergeTest, SeparatedItIsAJobOfItsOwn) {
  Merge(theirs_);
  EXPECT_EQ(Refused(Separation(own_)), Reason::ERROR_REASON_WRONG_STATE);
  ASSERT_TRUE(world_.Execute(0, Separation(theirs_)).ok());
  world_.Settle();
  EXPECT_THAT(MergedIds(), IsEmpty());
  EXPECT_TRUE(world_.LastEvent(0).merged_order().separated());
  EXPECT_EQ(At0(theirs_).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(world_.Order(1, given_).state(), type::v1::ORDER_STATE_ACCEPTED);
  Finish();
  EXPECT_EQ(At0(theirs_).state(), type::v1::ORDER_STATE_ACCEPTED);
  world_.Do(0, Act::kDispatch, theirs_);
  world_.Settle();
  EXPECT_EQ(world_.Order(1, given_).state(), type::v1::ORDER_STATE_DISPATCHED);
}

TEST_F(MergeTest, ARedoOfOneCallerIsThatCallersAlone) {
  Merge(theirs_);
  Finish();
  world_.Do(1, Act::kRedo, given_);
  world_.Settle();
  EXPECT_EQ(At0(theirs_).state(), type::v1::ORDER_STATE_REDO);
  EXPECT_FALSE(At0(theirs_).has_merged_into());
  EXPECT_THAT(MergedIds(), IsEmpty());
  EXPECT_EQ(At0(kept_).state(), type::v1::ORDER_STATE_REPLIED);
  world_.Do(0, Act::kFinish, theirs_);
  world_.Settle();
  EXPECT_EQ(world_.Order(1, given_).state(), type::v1::ORDER_STATE_REPLIED);
}

TEST_F(MergeTest, WhatIsDoneAgainIsNotMergedAgain) {
  Merge(theirs_);
  Finish();
  world_.Do(1, Act::kRedo, given_);
  world_.Settle();
  world_.Do(0, Act::kDispatch, theirs_);
  world_.Settle();
  const std::string other = world_.Register(0, SampleContent(), false);
  world_.Do(0, Act::kAccept, other);
  EXPECT_EQ(Refused(Merger(theirs_, other)), Reason::ERROR_REASON_WRONG_STATE);
  ASSERT_TRUE(world_.Execute(0, Merger(own_, other)).ok());
}

TEST_F(MergeTest, NoUnitMergesItsOwnWorkAway) {
  world_.Do(0, Act::kAccept, own_);
  world_.Do(0, Act::kDispatch, own_);
  Command merger = Merger(own_, kept_);
  for (const char* unit : {"housing", "water"}) {
    merger.mutable_header()->mutable_actor()->set_unit(unit);
    const absl::Status refused = world_.Execute(0, merger).status();
    EXPECT_EQ(error::FieldOf(refused), "header.actor.unit") << refused;
    EXPECT_EQ(error::ChineseOf(refused), "字段 header.actor.unit：并单由平台办理，承办单位应当退单");
  }
  Merge(own_);
}

TEST_F(MergeTest, AJobThatIsCancelledLeavesNobodyForgotten) {
  Merge(own_);
  world_.Do(0, Act::kCancel, kept_);
  EXPECT_EQ(At0(own_).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_FALSE(At0(own_).has_merged_into());
}

TEST_F(MergeTest, AJobThatWasHandedOverBringsItsReplyBack) {
  // A second caller about what 12345 has pushed to 110.
  world_.Push(0, kept_, 1);
  world_.Settle();
  Merge(own_);
  EXPECT_EQ(At0(own_).custody().holder(), "12345") << "the job moved, this caller's order did not";
  const std::string there = world_.Twin(0, kept_);
  world_.Do(1, Act::kAccept, there);
  world_.Do(1, Act::kProgress, there);
  world_.Do(1, Act::kFinish, there);
  world_.Settle();
  EXPECT_EQ(At0(own_).state(), type::v1::ORDER_STATE_REPLIED);
  EXPECT_EQ(At0(own_).reply().public_reply(), At0(kept_).reply().public_reply());
  world_.Do(0, Act::kCallBack, own_);
  world_.Do(0, Act::kClose, own_);
}

TEST_F(MergeTest, AJobThatGoesBackToItsGiverLetsGo) {
  const std::string another = world_.Register(1, SampleContent(), true);
  world_.Settle();
  kept_ = world_.Twin(1, another);
  world_.Do(0, Act::kAccept, kept_);
  Merge(own_);
  world_.Do(0, Act::kReturn, kept_);
  world_.Settle();
  EXPECT_EQ(At0(own_).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_THAT(MergedIds(), IsEmpty());
}

// Passed back to its origin, which disputed: this site's copy has ended, and nobody would hear of the job.
TEST_F(MergeTest, ACopyThatEndedInADisputeIsNotMergedInto) {
  const std::string another = world_.Register(1, SampleContent(), true);
  world_.Settle();
  const std::string ended = world_.Twin(1, another);
  world_.Do(0, Act::kAccept, ended);
  world_.Settle();
  world_.Push(0, ended, 1);
  world_.Settle();
  world_.Do(1, Act::kDispute, world_.Twin(0, ended));
  world_.Settle();
  ASSERT_EQ(At0(ended).state(), type::v1::ORDER_STATE_RETURNED);
  ASSERT_EQ(At0(ended).custody().holder(), "110");
  EXPECT_EQ(Refused(Merger(own_, ended)), Reason::ERROR_REASON_WRONG_STATE);
  EXPECT_EQ(world_.Order(1, another).state(), type::v1::ORDER_STATE_ACCEPTED);
}

TEST_F(MergeTest, TheEndOfAnAssistanceIsShownOnItsParent) {
  world_.Do(0, Act::kDispatch, kept_);
  world_.Do(0, Act::kSign, kept_);
  const int64_t version = At0(kept_).version();
  Command call = MakeCommand(Act::kCallPartners, kept_, "110", world_.now());
  call.mutable_partner_call()->set_kind(type::v1::HANDOFF_KIND_POLICE_ASSIST);
  ASSERT_TRUE(world_.Execute(0, call).ok());
  Command assist = MakeRegistration(SampleContent(), "110");
  assist.mutable_registration()->clear_content();
  assist.mutable_registration()->set_parent_order_id(kept_);
  assist.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_POLICE_ASSIST);
  absl::StatusOr<std::string> child = world_.Execute(0, assist);
  ASSERT_TRUE(child.ok()) << child.status().message();
  world_.Settle();
  EXPECT_EQ(At0(kept_).state(), type::v1::ORDER_STATE_SIGNED) << "the parent stays open";
  const std::string there = world_.Twin(0, *child);
  world_.Do(1, Act::kAccept, there);
  world_.Do(1, Act::kProgress, there);
  world_.Settle();
  EXPECT_THAT(At0(kept_).partner_outcomes(), IsEmpty());
  world_.Do(1, Act::kFinish, there);
  world_.Settle();
  ASSERT_EQ(At0(kept_).partner_outcomes_size(), 1);
  const type::v1::PartnerOutcome& outcome = At0(kept_).partner_outcomes(0);
  EXPECT_EQ(outcome.hotline(), "110");
  EXPECT_EQ(outcome.kind(), type::v1::HANDOFF_KIND_POLICE_ASSIST);
  EXPECT_EQ(outcome.state(), type::v1::ORDER_STATE_REPLIED);
  EXPECT_EQ(outcome.disposition(), type::v1::DISPOSITION_RESOLVED);
  EXPECT_EQ(At0(kept_).state(), type::v1::ORDER_STATE_SIGNED);
  EXPECT_GT(At0(kept_).version(), version);
  world_.Do(0, Act::kClose, *child);
  EXPECT_EQ(At0(kept_).partner_outcomes(0).state(), type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(At0(kept_).partner_outcomes_size(), 1);
}

TEST_F(MergeTest, APartnerThatDeclinesSaysWhyOnTheIncident) {
  Command assist = MakeRegistration(SampleContent(), "110");
  assist.mutable_registration()->set_parent_order_id(kept_);
  absl::StatusOr<std::string> child = world_.Execute(0, assist);
  ASSERT_TRUE(child.ok());
  world_.Settle();
  world_.Do(1, Act::kReturn, world_.Twin(0, *child));
  world_.Settle();
  ASSERT_EQ(At0(kept_).partner_outcomes_size(), 1);
  EXPECT_EQ(At0(kept_).partner_outcomes(0).state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(At0(kept_).partner_outcomes(0).note(), "不属于我方职责");
}

}  // namespace
}  // namespace hotline::work_order
