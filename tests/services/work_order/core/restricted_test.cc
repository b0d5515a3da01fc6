// Restricted orders and secret callers: who may act, what travels, and what a mask leaves.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/contract/clearance.h"
#include "common/error/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/governor.h"
#include "services/work_order/core/mask.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using testing::HasSubstr;
using testing::Not;
using type::v1::Command;
using type::v1::WorkOrder;

// 12345 (site 0) has a clue for 110 (site 1); account 1001 registers it and acts everywhere.
class RestrictedTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(world_.fault(), ""); }

  static Command Clue(type::v1::Urgency urgency) {
    type::v1::OrderContent content = SampleContent();
    content.set_urgency(urgency);
    Command command = MakeRegistration(content, "110");
    command.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
    return command;
  }
  void Push() {
    absl::StatusOr<std::string> id = world_.Execute(0, Clue(type::v1::URGENCY_URGENT));
    ASSERT_TRUE(id.ok()) << id.status().message();
    id_ = *id;
    world_.Settle();
    twin_ = world_.Twin(0, id_);
  }
  Reason Accept(const std::string& account) {
    Command command = MakeCommand(Act::kAccept, twin_, "", world_.now());
    command.mutable_header()->mutable_actor()->set_account(account);
    return error::ReasonOf(world_.Execute(1, command).status());
  }

  World world_;
  std::string id_, twin_;
};

TEST_F(RestrictedTest, AClueIsRestrictedAtBothSitesAndGoesAtOnce) {
  EXPECT_EQ(error::FieldOf(world_.Execute(0, Clue(type::v1::URGENCY_NORMAL)).status()), "content.urgency");
  Push();
  EXPECT_TRUE(world_.Order(0, id_).facts().restricted());
  EXPECT_TRUE(world_.Order(1, twin_).facts().restricted());
  for (int at : {0, 1}) {
    for (const type::v1::Event& event : world_.Log(at)) EXPECT_TRUE(event.restricted());
  }
  // It stays so in whatever handoff the matter goes on, and at whoever gets it.
  world_.mutable_site(1)->cleared_accounts.insert("1001");
  world_.Do(1, Act::kAccept, twin_);
  world_.Do(1, Act::kProgress, twin_);
  Command remains = MakeCommand(Act::kOffer, twin_, "12345", world_.now());
  remains.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_DISPATCH_FIRST);
  ASSERT_TRUE(world_.Execute(1, remains).ok());
  world_.Settle();
  const std::string back = world_.Twin(1, twin_);
  EXPECT_NE(back, id_);
  EXPECT_TRUE(world_.Order(0, back).facts().restricted());
}

TEST_F(RestrictedTest, OnlyWhoNeedsToKnowMayAct) {
  Push();
  EXPECT_EQ(Accept("2002"), Reason::ERROR_REASON_RESTRICTED);
  EXPECT_EQ(Accept("1001"), Reason::ERROR_REASON_RESTRICTED) << "registered it elsewhere, not here";
  world_.mutable_site(1)->cleared_accounts.insert("2002");
  EXPECT_EQ(Accept("2002"), Reason::ERROR_REASON_UNSPECIFIED);
  world_.Settle();
  // Whoever registered it goes on with it; the ladder climbs.
  world_.Do(0, Act::kUrge, id_);
  Command stranger = MakeCommand(Act::kRule, id_, "", world_.now());
  stranger.mutable_header()->mutable_actor()->set_account("3003");
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, stranger).status()), Reason::ERROR_REASON_RESTRICTED);
}

// A role of its own places holds, and its holder need not be one who may know of what.
TEST_F(RestrictedTest, WhoNeedsNotKnowPlacesAHold) {
  Push();
  Command place = MakeCommand(Act::kProgress, id_, "", world_.now());
  place.mutable_header()->mutable_actor()->set_account("3003");
  place.mutable_hold_placement()->set_reason("行政复议");
  place.mutable_hold_placement()->set_reference("恰法〔2026〕12号");
  const auto placed = world_.Execute(0, place);
  EXPECT_TRUE(placed.ok()) << placed.status();
  EXPECT_TRUE(world_.Order(0, id_).has_legal_hold());
  Command release = MakeCommand(Act::kProgress, id_, "", world_.now());
  release.mutable_header()->mutable_actor()->set_account("3003");
  release.mutable_hold_release()->set_reason("已结案");
  EXPECT_TRUE(world_.Execute(0, release).ok());
}

// Whoever called himself a service of the site acted on what he was not to know of, and no person had done
// it.
TEST_F(RestrictedTest, NobodyActsUnderTheNameOfAService) {
  Push();
  for (const char* name : {kEscalationAccount, kAlarmAccount, kRetentionAccount, "service/work_order"}) {
    const auto act = [&](Command command) {
      command.mutable_header()->mutable_actor()->set_account(name);
      return world_.Execute(0, command).status();
    };
    Command merge = MakeCommand(Act::kProgress, id_, "", world_.now());
    merge.mutable_merger()->set_into_order_id(id_);
    merge.mutable_merger()->set_reason("同一事项");
    Command part = MakeRegistration(SampleContent(), "110");
    part.mutable_registration()->clear_content();
    part.mutable_registration()->set_parent_order_id(id_);
    for (const Command& command : {MakeCommand(Act::kRecall, id_, "", world_.now()),
                                   MakeCommand(Act::kProgress, id_, "", world_.now()),
                                   MakeRegistration(SampleContent(), ""), merge, part}) {
      EXPECT_EQ(error::FieldOf(act(command)), "header.actor.account")
          << name << ": " << command.ShortDebugString();
    }
    const Reason accepted = Accept(name);
    EXPECT_EQ(accepted, Reason::ERROR_REASON_FIELD_INVALID);
  }
  // To be shown is no act: it is recorded by whatever name.
  Command shown = MakeCommand(Act::kProgress, id_, "", world_.now());
  shown.mutable_header()->mutable_actor()->set_account("service/analytics");
  shown.mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_CONTENT);
  shown.mutable_disclosure()->set_role("supervisor");
  EXPECT_TRUE(world_.Execute(0, shown).ok());
  // What is theirs they do, whoever may read the order.
  world_.Do(0, Act::kAlarm, id_);
  world_.Do(0, Act::kRemind, id_);
  EXPECT_EQ(world_.Log(0).back().actor().account(), kEscalationAccount);
}

TEST_F(RestrictedTest, WhatBelongsToItIsRestrictedAndNothingElseIsMergedWithIt) {
  Command own = MakeRegistration(SampleContent(), "");
  own.mutable_registration()->set_restricted(true);
  absl::StatusOr<std::string> incident = world_.Execute(0, own);
  ASSERT_TRUE(incident.ok());
  Command child = MakeRegistration(SampleContent(), "110");
  child.mutable_registration()->clear_content();
  child.mutable_registration()->set_parent_order_id(*incident);
  absl::StatusOr<std::string> part = world_.Execute(0, child);
  ASSERT_TRUE(part.ok()) << part.status().message();
  EXPECT_TRUE(world_.Order(0, *part).facts().restricted());
  const std::string plain = world_.Register(0, SampleContent(), false);
  Command merge = MakeCommand(Act::kProgress, plain, "", world_.now());
  merge.mutable_merger()->set_into_order_id(*incident);
  merge.mutable_merger()->set_reason("同一事项");
  EXPECT_EQ(error::FieldOf(world_.Execute(0, merge).status()), "merger.into_order_id");
}

TEST_F(RestrictedTest, AnOfferThatIsSentAgainSaysAllThatTheFirstSaid) {
  Command command = MakeRegistration(SampleContent(), "110");
  command.mutable_registration()->set_restricted(true);
  const absl::StatusOr<std::string> id = world_.Execute(0, command);
  ASSERT_TRUE(id.ok()) << id.status().message();
  exchange::v1::OfferBody first, again;
  ASSERT_TRUE(first.ParseFromString(world_.Owed(0).back().body()));
  const WorkOrder& order = world_.Order(0, *id);
  const auto drafts = DecideResend(order, order.handoff().id(), "110", world_.site(0), world_.now());
  ASSERT_EQ(drafts.size(), 1u);
  ASSERT_TRUE(again.ParseFromString(drafts[0].body));
  EXPECT_TRUE(again.restricted());
  // The content is put to it where it is stored.
  first.clear_content();
  for (exchange::v1::OfferBody* body : {&first, &again}) {
    body->mutable_handoff()->clear_link_sequence();
    body->mutable_handoff()->clear_spoken_code();
  }
  EXPECT_EQ(first.DebugString(), again.DebugString());
}

TEST_F(RestrictedTest, WhoNeedsNotKnowTheKeptOrderMergesNothingIntoIt) {
  Push();
  Command own = MakeRegistration(SampleContent(), "");
  own.mutable_registration()->set_restricted(true);
  own.mutable_header()->mutable_actor()->set_account("9009");
  const absl::StatusOr<std::string> mine = world_.Execute(0, own);
  ASSERT_TRUE(mine.ok());
  Command merge = MakeCommand(Act::kProgress, *mine, "", world_.now());
  merge.mutable_header()->mutable_actor()->set_account("9009");
  merge.mutable_merger()->set_into_order_id(id_);
  merge.mutable_merger()->set_reason("同一事项");
  EXPECT_EQ(error::ReasonOf(world_.Execute(0, merge).status()), Reason::ERROR_REASON_RESTRICTED);
  world_.mutable_site(0)->cleared_accounts.insert("9009");
  EXPECT_TRUE(world_.Execute(0, merge).ok());
}

TEST_F(RestrictedTest, WhatItSaysStaysOutOfWhatIsNotRestricted) {
  const std::string incident = world_.Register(0, SampleContent(), false);
  Command child = MakeRegistration(SampleContent(), "110");
  child.mutable_registration()->clear_content();
  child.mutable_registration()->set_parent_order_id(incident);
  child.mutable_registration()->set_restricted(true);
  const absl::StatusOr<std::string> part = world_.Execute(0, child);
  ASSERT_TRUE(part.ok()) << part.status().message();
  world_.Settle();
  world_.mutable_site(1)->cleared_accounts.insert("1001");
  const std::string theirs = world_.Twin(0, *part);
  for (const Act act : {Act::kAccept, Act::kFinish}) world_.Do(1, act, theirs);
  world_.Settle();
  ASSERT_EQ(world_.Order(0, *part).state(), type::v1::ORDER_STATE_REPLIED);
  ASSERT_EQ(world_.Order(0, incident).partner_outcomes_size(), 1);
  EXPECT_EQ(world_.Order(0, incident).partner_outcomes(0).state(), type::v1::ORDER_STATE_REPLIED);
  EXPECT_EQ(world_.Order(0, incident).partner_outcomes(0).note(), "");

  // A job that others were merged into does not become a clue: they would be told of it.
  type::v1::OrderContent urgent = SampleContent();
  urgent.set_urgency(type::v1::URGENCY_URGENT);
  const std::string kept = world_.Register(0, urgent, false);
  const std::string merged = world_.Register(0, urgent, false);
  Command merge = MakeCommand(Act::kProgress, merged, "", world_.now());
  merge.mutable_merger()->set_into_order_id(kept);
  merge.mutable_merger()->set_reason("同一事项");
  ASSERT_TRUE(world_.Execute(0, merge).ok());
  Command clue = MakeCommand(Act::kOffer, kept, "110", world_.now());
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  const absl::Status told = world_.Execute(0, clue).status();
  EXPECT_EQ(error::ReasonOf(told), Reason::ERROR_REASON_MERGED);
  EXPECT_EQ(error::ChineseOf(told), absl::StrCat("已有工单（", world_.Order(0, merged).number(),
                                                 "等）并入本工单，不能作为涉稳线索推送；请先将其拆出"));
}

TEST_F(RestrictedTest, WhoIsLetInMaySeeWhatAReturnWouldDo) {
  Push();
  workorder::v1::PreviewReturnRequest request;
  request.set_order_id(twin_);
  const auto preview = PreviewReturn(world_.Order(1, twin_), request, world_.site(1), world_.now());
  ASSERT_TRUE(preview.ok()) << preview.status().message();
  EXPECT_TRUE(preview->allowed()) << preview->message();
}

TEST_F(RestrictedTest, ADisclosureIsRecordedInEveryStateAndTellsNobody) {
  Push();
  Command disclosure = MakeCommand(Act::kProgress, id_, "", world_.now());
  disclosure.mutable_header()->mutable_actor()->set_account("2002");
  disclosure.mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_CONTENT);
  disclosure.mutable_disclosure()->set_role("supervisor");
  const type::v1::OrderState state = world_.Order(0, id_).state();
  ASSERT_TRUE(world_.Execute(0, disclosure).ok());
  EXPECT_TRUE(world_.Owed(0).empty());
  EXPECT_EQ(world_.Order(0, id_).state(), state);
  EXPECT_EQ(world_.LastEvent(0).disclosed().role(), "supervisor");
  EXPECT_EQ(world_.LastEvent(0).actor().account(), "2002");
  disclosure.mutable_disclosure()->clear_kind();
  EXPECT_EQ(error::FieldOf(world_.Execute(0, disclosure).status()), "disclosure.kind");
}

TEST_F(RestrictedTest, WhoIsShownItDoesNotMakeItStaleForOthers) {
  Push();
  const WorkOrder read = world_.Order(0, id_);
  const auto disclose = [&] {
    Command disclosure = MakeCommand(Act::kProgress, id_, "", world_.now());
    disclosure.mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_CONTENT);
    ASSERT_TRUE(world_.Execute(0, disclosure).ok());
  };
  const auto recall = [&](int64_t version) {
    Command command = MakeCommand(Act::kRecall, id_, "", world_.now());
    command.mutable_header()->set_expected_version(version);
    return error::ReasonOf(
        Decide(&world_.Order(0, id_), command, NewOrder(), world_.site(0), world_.now()).status());
  };
  disclose();
  disclose();
  const WorkOrder& shown = world_.Order(0, id_);
  EXPECT_EQ(shown.version(), read.version() + 2) << "the log counts them";
  EXPECT_EQ(FromProto(shown.update_time()), FromProto(read.update_time())) << "nothing has changed";
  EXPECT_EQ(FromProto(world_.LastEvent(0).commit_time()), world_.now());
  EXPECT_EQ(recall(read.version() - 1), Reason::ERROR_REASON_STALE_VERSION);
  for (int64_t version = read.version(); version <= shown.version(); ++version) {
    EXPECT_EQ(recall(version), Reason::ERROR_REASON_UNSPECIFIED) << version;
  }
  EXPECT_EQ(recall(shown.version() + 1), Reason::ERROR_REASON_STALE_VERSION);
  world_.Do(0, Act::kUrge, id_);
  EXPECT_EQ(recall(read.version()), Reason::ERROR_REASON_STALE_VERSION) << "that was a change";
  EXPECT_EQ(recall(world_.Order(0, id_).version()), Reason::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(world_.Order(0, id_).changed_version(), 0);
}

TEST(SightTest, WhoSeesWhat) {
  WorkOrder order;
  order.set_registered_by("1001");
  EXPECT_EQ(SightOf(order, "", false), Sight::kWhole);
  order.mutable_facts()->set_secret(true);
  EXPECT_EQ(SightOf(order, "", false), Sight::kNoCaller);
  EXPECT_EQ(SightOf(order, "1001", false), Sight::kWhole);
  EXPECT_EQ(SightOf(order, "2002", true), Sight::kWhole);
  // 被反映单位 is never shown who complained, whoever asks for it.
  order.mutable_facts()->add_recused_units("chengguan");
  EXPECT_EQ(SightOf(order, "2002", true, "chengguan"), Sight::kNoCaller);
  EXPECT_EQ(SightOf(order, "1001", false, "chengguan"), Sight::kNoCaller);
  EXPECT_EQ(SightOf(order, "2002", true, "zhujianju"), Sight::kWhole);
  order.mutable_facts()->set_restricted(true);
  EXPECT_EQ(SightOf(order, "2002", false), Sight::kNothing);
  EXPECT_EQ(SightOf(order, "1001", false), Sight::kWhole);
  order.clear_registered_by();
  EXPECT_EQ(SightOf(order, "", false), Sight::kNothing) << "nobody is not the one who registered it";
  Clearance clearance;
  EXPECT_TRUE(clearance.Covers({.identity = "110/supervisor"}));
  EXPECT_FALSE(clearance.Covers({.identity = "110/desktop"}));
  EXPECT_FALSE(clearance.Covers({}));
  clearance.accounts.insert("3003");
  EXPECT_TRUE(clearance.Covers({.identity = "110/desktop", .account = "3003"}));
}

TEST(SightTest, AnAnswerTellsNothingOfWhatWasWritten) {
  WorkOrder order;
  order.mutable_facts()->set_secret(true);
  order.set_registered_by("1001");
  order.set_title("阿依努尔反映噪音");
  order.set_content_salt("salt");
  order.mutable_reply()->set_public_reply("已电话告知阿依努尔");
  order.mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
  order.mutable_call_back()->set_note("阿依努尔满意");
  order.mutable_last_contact()->set_note("与阿依努尔通话");
  order.add_partner_outcomes()->set_note("已回复阿依努尔");
  order.mutable_handoff()->set_note("请回阿依努尔电话");
  order.mutable_handoff()->mutable_returned()->set_reason("阿依努尔称已解决");
  order.mutable_extension_request()->set_ground("阿依努尔要求延后");
  order.mutable_merged_into()->set_reason("均为阿依努尔反映");
  type::v1::Actor actor;
  actor.set_account("1001");
  WorkOrder whole = order;
  HideCallerInAnswer(actor, false, &whole);
  EXPECT_EQ(whole.SerializeAsString(), order.SerializeAsString()) << "whoever registered it knows";
  actor.set_account("2002");
  HideCallerInAnswer(actor, false, &order);
  EXPECT_THAT(order.SerializeAsString(), Not(HasSubstr("阿依努尔")));
  EXPECT_EQ(order.content_salt(), "");
  EXPECT_EQ(order.reply().disposition(), type::v1::DISPOSITION_RESOLVED) << "how it stands is told";
}

TEST(MaskTest, AnEventTellsNothingOfTheCaller) {
  type::v1::OrderContent content = SampleContent();
  content.mutable_caller()->set_name("阿依努尔");
  type::v1::Event event;
  event.mutable_replied()->mutable_reply()->set_public_reply("已电话0908-4621234告知阿依努尔：路灯已修好");
  type::v1::Event masked = event;
  MaskEvent(&content, &masked);
  EXPECT_EQ(masked.replied().reply().public_reply(), "已电话＊＊＊告知＊＊＊：路灯已修好");
  masked = event;
  MaskEvent(nullptr, &masked);
  EXPECT_EQ(masked.replied().reply().public_reply(), "") << "nobody knows what to look for";
  event.mutable_offered()->mutable_handoff()->set_note("请回09084621234");
  event.mutable_offered()->mutable_registered()->set_caller_hash("12345678");
  MaskEvent(&content, &event);
  EXPECT_EQ(event.offered().handoff().note(), "请回＊＊＊");
  EXPECT_EQ(event.offered().registered().caller_hash(), "") << "it leads to the caller's other orders";
}

TEST(MaskTest, NothingOfTheCallerIsLeft) {
  WorkOrder order;
  type::v1::OrderContent* content = order.mutable_content();
  *content = SampleContent();
  content->mutable_caller()->set_name("阿依努尔");
  content->mutable_caller()->set_contact_phone("139-0000-1234");
  content->mutable_caller()->set_secret(true);
  content->mutable_call()->set_recording_id("rec-1");
  content->set_title("阿依努尔反映噪音");
  content->set_text("我是阿依努尔，电话13900001234，也可打0908-4621234或09084621234。工地在北门路口。");
  order.set_title(content->title());
  order.set_content_salt("salt");
  order.mutable_reply()->set_public_reply("已电话告知阿依努尔");
  order.mutable_reply()->set_unresolved_reason("阿依努尔不在家");
  order.mutable_last_contact()->set_note("与其丈夫通话，号码另记");
  order.mutable_handoff()->set_note("请回阿依努尔电话");
  order.add_past_handoffs()->mutable_returned()->set_reason("阿依努尔称已解决");
  order.mutable_extension_request()->set_ground("阿依努尔要求延后");
  MaskCaller(&order);
  const std::string left = order.DebugString();
  for (const char* trace : {"阿依努尔", "13900001234", "139-0000-1234", "4621234", "rec-1", "salt", "丈夫"}) {
    EXPECT_THAT(order.SerializeAsString(), Not(HasSubstr(trace))) << left;
  }
  EXPECT_THAT(order.content().text(), HasSubstr("工地在北门路口"));
  EXPECT_TRUE(order.content().caller().secret());
  EXPECT_EQ(order.content().place().township_code(), "653024100");
}

}  // namespace
}  // namespace hotline::work_order
