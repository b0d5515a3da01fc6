#include "services/dispatch/routing/ladder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/services/dispatch/routing/shipped.h"

namespace hotline::dispatch::routing {
namespace {

using type::v1::ANSWER_NO;
using type::v1::ANSWER_UNSPECIFIED;
using type::v1::ANSWER_YES;

// All there are: the ladder is small enough to try every one.
std::vector<LadderFacts> AllFacts() {
  std::vector<LadderFacts> all;
  for (const Side here : {Side::kPolice, Side::kGovernment})
    for (const Side first : {Side::kPolice, Side::kGovernment})
      for (const auto danger : {ANSWER_UNSPECIFIED, ANSWER_YES, ANSWER_NO})
        for (const auto clue : {ANSWER_UNSPECIFIED, ANSWER_YES, ANSWER_NO})
          for (const Scope scope :
               {Scope::kUnclear, Scope::kPolice, Scope::kGovernment, Scope::kBoth, Scope::kNeither})
            for (const Agreement agreement :
                 {Agreement::kNone, Agreement::kPolice, Agreement::kGovernment, Agreement::kFailed})
              for (const bool live : {false, true})
                for (const bool urgent : {false, true}) {
                  all.push_back({.here = here,
                                 .first_receiver = first,
                                 .danger = danger,
                                 .stability_clue = clue,
                                 .scope = scope,
                                 .agreement = agreement,
                                 .live_call = live,
                                 .urgent = urgent});
                }
  return all;
}

LadderFacts At(Side here) {
  LadderFacts facts;
  facts.here = facts.first_receiver = here;
  return facts;
}

TEST(LadderTest, IsTotalAndEachOutcomeNamesItsRuleAndArticle) {
  const std::vector<LadderFacts> all = AllFacts();
  EXPECT_EQ(all.size(), 2u * 2 * 3 * 3 * 5 * 4 * 2 * 2);
  for (const LadderFacts& facts : all) {
    const LadderOutcome outcome = DecideLadder(facts);
    EXPECT_NE(outcome.rule, type::v1::LADDER_RULE_UNSPECIFIED);
    EXPECT_NE(Shipped().FindArticle(ArticleOf(outcome)), nullptr) << ArticleOf(outcome);
    EXPECT_FALSE(AdviceZh(outcome).empty());
    EXPECT_FALSE(AdviceEn(outcome).empty());
    EXPECT_EQ(outcome.step == Step::kAsk, outcome.question != Question::kNone);
    EXPECT_EQ(QuestionZh(outcome.question).empty(), outcome.question == Question::kNone);
    EXPECT_EQ(QuestionEn(outcome.question).empty(), outcome.question == Question::kNone);
    EXPECT_EQ(outcome.step == Step::kHandOver, outcome.to != facts.here);
    EXPECT_EQ(outcome.step == Step::kHandOver, outcome.kind != type::v1::HANDOFF_KIND_UNSPECIFIED);
  }
}

TEST(LadderTest, DangerAndCluesNeverWaitAndNeverLeaveThePolice) {
  for (const LadderFacts& facts : AllFacts()) {
    const LadderOutcome outcome = DecideLadder(facts);
    if (facts.danger == ANSWER_YES) {
      EXPECT_EQ(outcome.rule, type::v1::LADDER_RULE_DANGER_FIRST);
    } else if (facts.stability_clue == ANSWER_YES) {
      EXPECT_EQ(outcome.rule, type::v1::LADDER_RULE_STABILITY_CLUE);
    } else {
      EXPECT_FALSE(outcome.restricted);
      continue;
    }
    EXPECT_EQ(outcome.to, Side::kPolice);
    EXPECT_NE(outcome.step, Step::kAsk);
    EXPECT_EQ(outcome.restricted, facts.stability_clue == ANSWER_YES);
  }
}

// What nobody said and nobody agreed on is asked, and only that.
TEST(LadderTest, AsksExactlyWhatOnlyAPersonCanSay) {
  for (const LadderFacts& facts : AllFacts()) {
    const bool settled = facts.danger == ANSWER_YES || facts.stability_clue == ANSWER_YES ||
                         facts.scope == Scope::kPolice || facts.scope == Scope::kGovernment ||
                         facts.agreement != Agreement::kNone;
    EXPECT_EQ(DecideLadder(facts).step == Step::kAsk, !settled);
  }
}

// Nobody is held on the line for a three-way call about what is nobody's.
TEST(LadderTest, AdvisesAThreeWayCallOnlyWhereThereIsSomebodyToAgreeWith) {
  int asked = 0;
  for (const LadderFacts& facts : AllFacts()) {
    const LadderOutcome outcome = DecideLadder(facts);
    if (outcome.step != Step::kAsk) continue;
    ++asked;
    const bool call = outcome.question != Question::kNeither;
    EXPECT_EQ(AdviceZh(outcome).find("三方通话") != std::string_view::npos, call) << AdviceZh(outcome);
    EXPECT_EQ(AdviceEn(outcome).find("three-way call") != std::string_view::npos, call) << AdviceEn(outcome);
    EXPECT_EQ(ArticleOf(outcome) == "国办-三方通话", call) << ArticleOf(outcome);
  }
  EXPECT_GT(asked, 0);
}

RC_GTEST_PROP(LadderLaw, IsDeterministicAndBlindToWhatAnEarlierRungSettled, ()) {
  const std::vector<LadderFacts> all = AllFacts();
  LadderFacts facts = all[*rc::gen::inRange<size_t>(0, all.size())];
  const LadderOutcome outcome = DecideLadder(facts);
  RC_ASSERT(DecideLadder(facts) == outcome);
  const LadderFacts other = all[*rc::gen::inRange<size_t>(0, all.size())];
  if (outcome.rule == type::v1::LADDER_RULE_CLEAR_DUTY) {
    facts.agreement = other.agreement;
    facts.first_receiver = other.first_receiver;
    RC_ASSERT(DecideLadder(facts) == outcome);
  }
  if (outcome.rule == type::v1::LADDER_RULE_DANGER_FIRST) {
    facts.agreement = other.agreement;
    facts.first_receiver = other.first_receiver;
    facts.urgent = other.urgent;
    RC_ASSERT(DecideLadder(facts) == outcome);
  }
}

TEST(LadderTest, WorkedExamples) {
  LadderFacts facts = At(Side::kGovernment);
  facts.danger = ANSWER_YES;
  facts.live_call = true;
  EXPECT_EQ(DecideLadder(facts).kind, type::v1::HANDOFF_KIND_LIVE_CALL_TO_POLICE);
  facts.live_call = false;
  EXPECT_EQ(DecideLadder(facts).kind, type::v1::HANDOFF_KIND_ORDER_PUSH);
  facts.stability_clue = ANSWER_YES;
  EXPECT_EQ(DecideLadder(facts).kind, type::v1::HANDOFF_KIND_STABILITY_CLUE);

  // The police act first on what is the government's.
  facts = At(Side::kPolice);
  facts.danger = ANSWER_YES;
  facts.scope = Scope::kGovernment;
  EXPECT_EQ(DecideLadder(facts).step, Step::kHandleHere);

  facts.danger = ANSWER_NO;
  EXPECT_EQ(DecideLadder(facts).kind, type::v1::HANDOFF_KIND_ORDER_PUSH);
  facts.live_call = facts.urgent = true;
  EXPECT_EQ(DecideLadder(facts).kind, type::v1::HANDOFF_KIND_LIVE_CALL_TO_GOVERNMENT);

  facts.scope = Scope::kBoth;
  EXPECT_EQ(DecideLadder(facts).question, Question::kAgreement);
  facts.danger = ANSWER_UNSPECIFIED;
  EXPECT_EQ(DecideLadder(facts).question, Question::kDanger);
  facts.agreement = Agreement::kGovernment;
  EXPECT_EQ(DecideLadder(facts).kind, type::v1::HANDOFF_KIND_THREE_WAY);
  facts.agreement = Agreement::kFailed;
  EXPECT_EQ(DecideLadder(facts).step, Step::kHandleHere);
  EXPECT_EQ(DecideLadder(facts).rule, type::v1::LADDER_RULE_FIRST_RECEIVER);
  facts.first_receiver = Side::kGovernment;
  EXPECT_EQ(DecideLadder(facts).step, Step::kHandOver);
}

}  // namespace
}  // namespace hotline::dispatch::routing
