#include "services/dispatch/routing/advisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "common/boot/suggest_file.h"
#include "common/error/error.h"
#include "common/suggest/suggester.h"
#include "services/dispatch/routing/model_reader.h"
#include "services/dispatch/routing/phrase_reader.h"
#include "tests/services/dispatch/routing/shipped.h"

namespace hotline::dispatch::routing {
namespace {

const PhraseReader kReader;

Advice At(const std::string& hotline, const v1::SuggestRouteRequest& request, std::string_view item = "") {
  AdvisorInput input;
  input.catalogue = &Shipped();
  input.reader = &kReader;
  input.hotline = hotline;
  input.now = Noon();
  return Advise(input, request, ReadMatter(input, request), item);
}
v1::SuggestRouteRequest Of(const std::string& text) {
  v1::SuggestRouteRequest request;
  request.set_text(text);
  return request;
}

TEST(AdvisorTest, EveryItemIsReachableByEachOfItsPhrases) {
  for (const config::v1::CatalogueItem& item : Shipped().message().items()) {
    int first = 0;
    for (const std::string& phrase : item.phrases()) {
      const auto response = At("110", Of(phrase)).response;
      ASSERT_GT(response.suggestions_size(), 0) << item.code() << " " << phrase;
      first += response.suggestions(0).advice().item().item() == item.code();
      std::set<std::string> codes;
      for (const auto& suggestion : response.suggestions()) codes.insert(suggestion.advice().item().item());
      EXPECT_TRUE(codes.contains(item.code())) << item.code() << " " << phrase;
    }
    EXPECT_GT(first, item.phrases_size() / 2) << item.code();
  }
}

TEST(AdvisorTest, EverySignIsAnEmergencyOrAClueThatGoesToThePolice) {
  for (const config::v1::CatalogueSign& sign : Shipped().message().signs()) {
    for (const std::string& phrase : sign.phrases()) {
      const auto response = At("12345", Of(phrase)).response;
      EXPECT_EQ(response.decision().hotline(), "110") << phrase;
      EXPECT_NE(response.why().find(phrase), std::string::npos) << phrase;
    }
    for (const std::string& denial : sign.denials()) {
      EXPECT_FALSE(At("12345", Of(denial)).response.emergency()) << denial;
    }
  }
}

RC_GTEST_PROP(AdvisorLaw, NoSuggestionWithoutItemAndLegalBasis, ()) {
  // Texts of phrases, signs and other words, at either site, with anything said beside them.
  const auto& items = Shipped().message().items();
  const auto& signs = Shipped().message().signs();
  std::string text;
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
    const auto& item = items[*rc::gen::inRange(0, items.size())];
    text += item.phrases(*rc::gen::inRange(0, item.phrases_size())) +
            *rc::gen::element<std::string>("，", "", "了 ", "ئۇ");
  }
  if (*rc::gen::arbitrary<bool>()) text += signs[*rc::gen::inRange(0, signs.size())].phrases(0);
  v1::SuggestRouteRequest request = Of(text);
  request.mutable_facts()->set_danger(static_cast<type::v1::Answer>(*rc::gen::inRange(0, 3)));
  request.mutable_facts()->set_belongs_to(*rc::gen::element<std::string>("", "110", "12345"));
  request.set_max_suggestions(*rc::gen::inRange(0, 11));
  RC_ASSERT(CheckSuggestRequest(request, Shipped()).ok());
  const std::string here = *rc::gen::element<std::string>("110", "12345");
  const Advice advice = At(here, request);
  const v1::SuggestRouteResponse& response = advice.response;
  for (const auto& suggestion : response.suggestions()) {
    const config::v1::CatalogueItem* item = Shipped().FindItem(suggestion.advice().item().item());
    RC_ASSERT(item != nullptr);
    RC_ASSERT(suggestion.advice().item().version() == Shipped().version());
    RC_ASSERT(suggestion.advice().legal_basis() == Shipped().LegalBasis(*item));
    RC_ASSERT(!suggestion.advice().legal_basis().empty());
    RC_ASSERT(suggestion.item_text() == item->text());
    RC_ASSERT(suggestion.advice().hotline() == item->to_hotline());
    RC_ASSERT(suggestion.advice().rule() != type::v1::LADDER_RULE_UNSPECIFIED);
    RC_ASSERT(!suggestion.words().empty());
    const auto& advised = suggestion.advice();
    RC_ASSERT(item->unit_rule() != config::v1::UNIT_RULE_TO_BE_DECIDED || advised.lead_unit().empty());
  }
  RC_ASSERT(!response.decision().legal_basis().empty());
  RC_ASSERT(response.decision().rule() == advice.outcome.rule);
  RC_ASSERT((advice.outcome.step == Step::kAsk) == response.decision().hotline().empty());
  RC_ASSERT(advice.outcome.step != Step::kAsk || !response.question().empty());
  // The same again.
  RC_ASSERT(At(here, request).response.SerializeAsString() == response.SerializeAsString());
}

TEST(AdvisorTest, SaysWhatDecidedAndWhere) {
  const auto response = At("110", Of("我们小区后头那个工地还在打桩，吵死了")).response;
  EXPECT_EQ(response.verdict(), v1::ROUTE_VERDICT_HOTLINE);
  EXPECT_EQ(response.hotline(), "12345");
  ASSERT_GT(response.suggestions_size(), 0);
  const v1::RouteSuggestion& best = response.suggestions(0);
  EXPECT_EQ(best.advice().item().item(), "A1");
  EXPECT_EQ(best.advice().lead_unit(), "zhujianju");
  EXPECT_EQ(best.unit_names(0), "住建局");
  EXPECT_EQ(best.words(0).text(), "还在打桩");
  EXPECT_EQ(best.words(0).begin(), 10);
  EXPECT_NE(response.why().find("附件一(1)"), std::string::npos) << response.why();
  EXPECT_EQ(response.decision().kind(), type::v1::HANDOFF_KIND_ORDER_PUSH);
}

TEST(AdvisorTest, DangerComesFirstWhateverElseIsSaid) {
  const auto response = At("12345", Of("拖欠工资，几十号人堵了大门，打起来了，有人受伤")).response;
  EXPECT_TRUE(response.emergency());
  EXPECT_EQ(response.decision().hotline(), "110");
  EXPECT_EQ(response.decision().rule(), type::v1::LADDER_RULE_DANGER_FIRST);
  EXPECT_EQ(response.decision().urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(response.suggestions(0).advice().item().item()[0], 'B');
  EXPECT_NE(response.advice().find("110先行派警"), std::string::npos);
  // At 110 it stays, and the wages are handed over afterwards.
  const Advice at_110 = At("110", Of("没系安全绳，有人受伤"));
  EXPECT_EQ(at_110.outcome.step, Step::kHandleHere);
}

TEST(AdvisorTest, AThreatIsAClue) {
  const auto response = At("12345", Of("他扬言要把煤气罐抱到大厅点了")).response;
  EXPECT_EQ(response.decision().kind(), type::v1::HANDOFF_KIND_STABILITY_CLUE);
  EXPECT_EQ(response.suggestions(0).advice().item().item(), "B7");
}

TEST(AdvisorTest, WhatIsUnclearIsAskedAndAThreeWayCallProposed) {
  for (const char* text : {"你好", "", "ئەسسالامۇ ئەلەيكۇم", "I lost my way", "喂喂听得见吗"}) {
    const auto response = At("12345", Of(text)).response;
    EXPECT_EQ(response.verdict(), v1::ROUTE_VERDICT_UNCLEAR) << text;
    EXPECT_TRUE(response.three_way_call());
    EXPECT_NE(response.question(), "");
    EXPECT_EQ(response.decision().hotline(), "");
    EXPECT_EQ(response.confidence(), 0);
  }
}

TEST(AdvisorTest, AnExclusionOfTheAnnexMovesTheMatter) {
  // 除公安机关以外.
  EXPECT_EQ(At("110", Of("派出所的工作人员态度不好")).response.suggestions(0).advice().item().item(), "B8");
  // 非暴力纠纷.
  EXPECT_EQ(At("12345", Of("邻居占地界，拿刀出来了")).response.decision().hotline(), "110");
  // 已进入司法程序: nobody's to push.
  const Advice in_court = At("110", Of("欠钱不还，已经起诉了，法院还没判"));
  EXPECT_EQ(in_court.response.verdict(), v1::ROUTE_VERDICT_NEITHER);
  EXPECT_EQ(in_court.outcome.step, Step::kAsk);
  EXPECT_NE(in_court.response.question().find("司法程序"), std::string::npos);
  ASSERT_EQ(in_court.response.exclusions_size(), 1);
  EXPECT_EQ(in_court.response.exclusions(0).item(), "A19");
  EXPECT_EQ(in_court.response.exclusions(0).kind(), config::v1::EXCLUSION_KIND_IN_COURT);
  EXPECT_EQ(in_court.response.exclusions(0).instead_item(), "");
  EXPECT_NE(in_court.response.exclusions(0).note().find("不予受理"), std::string::npos);
  EXPECT_TRUE(At("110", Of("欠钱不还，还没起诉")).response.exclusions().empty());
}

TEST(AdvisorTest, APersonKnowsBetter) {
  v1::SuggestRouteRequest request = Of("打架");
  request.mutable_facts()->set_danger(type::v1::ANSWER_NO);
  request.mutable_facts()->set_belongs_to("12345");
  EXPECT_EQ(At("110", request).response.decision().hotline(), "12345");
  // An item that a person chose.
  EXPECT_EQ(At("110", Of("说不清楚"), "A13").response.decision().lead_unit(), "sifaju");
  // What the two agreed on, and what they did not.
  request = Of("说不清楚");
  request.mutable_facts()->set_agreement(type::v1::AGREEMENT_STATE_FAILED);
  request.mutable_facts()->set_agreed_by("1001");
  EXPECT_EQ(error::FieldOf(CheckSuggestRequest(request, Shipped())), "facts.agreement_reason");
  request.mutable_facts()->set_agreement_reason("各执一词");
  EXPECT_TRUE(CheckSuggestRequest(request, Shipped()).ok());
  EXPECT_EQ(At("110", request).response.decision().rule(), type::v1::LADDER_RULE_FIRST_RECEIVER);
  EXPECT_EQ(At("110", request).response.decision().hotline(), "110");
}

// The deadlines shown are those of the decision.
TEST(AdvisorTest, WhatAPersonSaysOfDangerReachesTheSuggestions) {
  config::v1::Policy policy;
  policy.set_version("p1");
  for (const auto& [urgency, seconds] :
       {std::pair(type::v1::URGENCY_EMERGENCY, 60), std::pair(type::v1::URGENCY_UNSPECIFIED, 7200)}) {
    config::v1::DeadlineRule* rule = policy.add_rules();
    rule->set_clock(type::v1::CLOCK_KIND_SIGN);
    rule->set_urgency(urgency);
    rule->set_limit_s(seconds);
  }
  AdvisorInput input;
  input.catalogue = &Shipped();
  input.reader = &kReader;
  input.policy = &policy;
  input.hotline = "12345";
  input.now = Noon();
  const auto advise = [&](const std::string& text, type::v1::Answer danger) {
    v1::SuggestRouteRequest request = Of(text);
    request.mutable_facts()->set_danger(danger);
    return Advise(input, request, ReadMatter(input, request)).response;
  };
  // The text says nothing of danger, the person does.
  const auto stated = advise("派出所的工作人员态度不好", type::v1::ANSWER_YES);
  ASSERT_EQ(stated.suggestions(0).advice().item().item()[0], 'B');
  EXPECT_TRUE(stated.suggestions(0).advice().emergency());
  EXPECT_EQ(stated.suggestions(0).advice().urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(stated.suggestions(0).deadlines(0).limit(), "1分钟");
  EXPECT_EQ(stated.decision().urgency(), type::v1::URGENCY_EMERGENCY);
  // The text reads as danger, and the person knows that there is none.
  const auto denied = advise("餐馆里打起来了，有人受伤", type::v1::ANSWER_NO);
  EXPECT_FALSE(denied.emergency());
  EXPECT_FALSE(denied.suggestions(0).advice().emergency());
  EXPECT_NE(denied.suggestions(0).advice().urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(denied.suggestions(0).deadlines(0).limit(), "2小时");
  EXPECT_NE(denied.decision().urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_FALSE(denied.decision().emergency());
}

TEST(AdvisorTest, PlaceAndAccusedUnitsCount) {
  v1::SuggestRouteRequest request = Of("吉根乡，家里没钱看病");
  auto response = At("110", request).response;
  EXPECT_EQ(response.township_code(), "653024208");
  EXPECT_THAT(response.suggestions(0).advice().assist_units(), testing::ElementsAre("jigenxiang"));
  request.add_accused_units("minzhengju");
  response = At("110", request).response;
  EXPECT_EQ(response.suggestions(0).advice().lead_unit(), "");
  EXPECT_NE(response.question().find("回避"), std::string::npos);
}

TEST(AdvisorTest, TellsTheDeadlinesOfThePolicy) {
  config::v1::Policy policy;
  policy.set_version("p1");
  config::v1::DeadlineRule* rule = policy.add_rules();
  rule->set_clock(type::v1::CLOCK_KIND_SIGN);
  rule->set_limit_s(7200);
  AdvisorInput input;
  input.catalogue = &Shipped();
  input.reader = &kReader;
  input.policy = &policy;
  input.hotline = "110";
  input.now = Noon();
  const auto response = Advise(input, Of("工资没发"), ReadMatter(input, Of("工资没发"))).response;
  ASSERT_EQ(response.suggestions(0).deadlines_size(), 1);
  EXPECT_EQ(response.suggestions(0).deadlines(0).limit(), "2小时");

  // Versions side by side, working time, rules of one item.
  config::v1::Policy versions;
  *versions.add_versions() = policy;
  config::v1::Policy* later = versions.add_versions();
  later->set_version("p2");
  later->set_first_date("2026-01-01");
  later->add_rules()->set_clock(type::v1::CLOCK_KIND_FINISH);
  later->mutable_rules(0)->add_items("B*");
  later->mutable_rules(0)->mutable_limit()->set_minutes(5);
  later->add_rules()->set_clock(type::v1::CLOCK_KIND_FINISH);
  later->mutable_rules(1)->mutable_limit()->set_working_days(10);
  input.policy = &versions;
  const auto told = Advise(input, Of("工资没发"), ReadMatter(input, Of("工资没发"))).response.suggestions(0);
  ASSERT_EQ(told.deadlines_size(), 1);
  EXPECT_EQ(told.deadlines(0).limit(), "10个工作日");
  EXPECT_EQ(told.deadlines(0).policy_version(), "p2");
}

// Of a call about wages it said that a suspension is reviewed within 0 days and a unit brought to the scene.
TEST(AdvisorTest, TellsNoDeadlineOfWhatIsNotThere) {
  config::v1::Policy policy;
  policy.set_version("p1");
  config::v1::DeadlineRule* const review = policy.add_rules();
  review->set_clock(type::v1::CLOCK_KIND_SUSPENSION_REVIEW);
  review->mutable_remind_before()->set_hours(4);
  config::v1::DeadlineRule* const arrival = policy.add_rules();
  arrival->set_clock(type::v1::CLOCK_KIND_SCENE_ARRIVAL);
  arrival->mutable_limit()->set_minutes(45);
  AdvisorInput input;
  input.catalogue = &Shipped();
  input.reader = &kReader;
  input.policy = &policy;
  input.hotline = "110";
  input.now = Noon();
  v1::SuggestRouteRequest request = Of("工资没发");
  EXPECT_EQ(Advise(input, request, ReadMatter(input, request)).response.suggestions(0).deadlines_size(), 0);
  request.set_channel(type::v1::CHANNEL_ON_SCENE);
  const auto told = Advise(input, request, ReadMatter(input, request)).response.suggestions(0);
  ASSERT_EQ(told.deadlines_size(), 1);
  EXPECT_EQ(told.deadlines(0).clock(), type::v1::CLOCK_KIND_SCENE_ARRIVAL);
  EXPECT_EQ(told.deadlines(0).limit(), "45分钟");
}

// Rules that come first in the policy, for units that assist and for what certain other hotlines owe, are not
// those of who leads here.
TEST(AdvisorTest, TellsTheDeadlinesOfWhoLeads) {
  config::v1::Policy policy;
  policy.set_version("p1");
  for (const auto& [role, hours] : {std::pair(config::v1::UNIT_ROLE_ASSIST, 1),
                                    {config::v1::UNIT_ROLE_UNSPECIFIED, 3},
                                    {config::v1::UNIT_ROLE_LEAD, 2}}) {
    config::v1::DeadlineRule* const rule = policy.add_rules();
    rule->set_clock(type::v1::CLOCK_KIND_SIGN);
    rule->set_role(role);
    if (role == config::v1::UNIT_ROLE_UNSPECIFIED) rule->add_peers("12345");
    rule->mutable_limit()->set_hours(hours);
  }
  AdvisorInput input;
  input.catalogue = &Shipped();
  input.reader = &kReader;
  input.policy = &policy;
  input.hotline = "110";
  input.now = Noon();
  const auto response = Advise(input, Of("工资没发"), ReadMatter(input, Of("工资没发"))).response;
  const auto elsewhere = response.suggestions(0);
  ASSERT_EQ(elsewhere.advice().hotline(), "12345");
  ASSERT_EQ(elsewhere.deadlines_size(), 1);
  EXPECT_EQ(elsewhere.deadlines(0).limit(), "3小时");
  policy.mutable_rules(1)->set_peers(0, "119");
  const auto unnamed =
      Advise(input, Of("工资没发"), ReadMatter(input, Of("工资没发"))).response.suggestions(0);
  ASSERT_EQ(unnamed.deadlines_size(), 1);
  EXPECT_EQ(unnamed.deadlines(0).limit(), "2小时") << "the rule is for another peer";
  policy.mutable_rules(1)->set_peers(0, "12345");
  input.hotline = "12345";
  const auto here = Advise(input, Of("工资没发"), ReadMatter(input, Of("工资没发"))).response.suggestions(0);
  ASSERT_EQ(here.deadlines_size(), 1);
  EXPECT_EQ(here.deadlines(0).limit(), "2小时");
}

// What a push is decided by: without what a person would read, of one reading for both the advice and the
// decision with the person's item.
void ExpectTheSameDecision(const TextReader& reader, const std::string& hotline, const std::string& text) {
  v1::SuggestRouteRequest request = Of(text);
  AdvisorInput full;
  full.catalogue = &Shipped();
  full.reader = &reader;
  full.hotline = hotline;
  full.now = Noon();
  AdvisorInput brief = full;
  brief.explain = false;
  const Matter matter = ReadMatter(brief, request);
  for (const std::string_view item : {"", "A3", "B2"}) {
    const Advice a = Advise(full, request, ReadMatter(full, request), item);
    const Advice b = Advise(brief, request, matter, item);
    EXPECT_EQ(a.response.decision().SerializeAsString(), b.response.decision().SerializeAsString())
        << text << "\n"
        << a.response.decision().ShortDebugString() << "\n"
        << b.response.decision().ShortDebugString();
    EXPECT_EQ(a.outcome.step, b.outcome.step) << text;
    EXPECT_EQ(a.outcome.question, b.outcome.question) << text;
    EXPECT_EQ(a.response.advice(), b.response.advice()) << text;
    EXPECT_EQ(a.response.question(), b.response.question()) << text;
    EXPECT_EQ(a.response.emergency(), b.response.emergency()) << text;
    EXPECT_EQ(a.response.verdict(), b.response.verdict()) << text;
  }
}

TEST(AdvisorTest, APushIsDecidedAsItIsAdvised) {
  const auto files = boot::LoadSuggestFiles(HOTLINE_SOURCE_DIR "/deploy/catalogue");
  ASSERT_TRUE(files.ok()) << files.status();
  // A tenth of the examples teach enough to read the others by.
  std::vector<config::v1::SuggestExample> few;
  std::vector<std::string> texts = {"", "。", "喂", "有人拿刀砍人", "Неизвестно"};
  for (size_t i = 0; i < files->examples.size(); ++i) {
    if (i % 10 == 0) few.push_back(files->examples[i]);
    if (i % 40 == 1) texts.push_back(files->examples[i].text());
  }
  const auto suggester = suggest::Suggester::Create(catalogue::SharedShipped(), files->terms, few);
  ASSERT_TRUE(suggester.ok()) << suggester.status();
  const ModelReader model(*suggester);
  for (const std::string& text : texts) {
    for (const std::string hotline : {"12345", "110"}) {
      ExpectTheSameDecision(model, hotline, text);
      ExpectTheSameDecision(kReader, hotline, text);
    }
  }
}

// The call-taker's word takes away all that rested on danger, and not the urgency alone.
TEST(AdvisorTest, WhereAPersonSaysThatThereIsNoDangerNothingRestsOnIt) {
  const auto files = boot::LoadSuggestFiles(HOTLINE_SOURCE_DIR "/deploy/catalogue");
  ASSERT_TRUE(files.ok()) << files.status();
  const auto suggester =
      suggest::Suggester::Create(catalogue::SharedShipped(), files->terms, files->examples);
  ASSERT_TRUE(suggester.ok()) << suggester.status();
  const ModelReader model(*suggester);
  const auto advise = [](const TextReader& reader, const std::string& text, type::v1::Answer danger) {
    AdvisorInput input;
    input.catalogue = &Shipped();
    input.reader = &reader;
    input.hotline = "12345";
    input.now = Noon();
    v1::SuggestRouteRequest request = Of(text);
    request.mutable_facts()->set_danger(danger);
    return Advise(input, request, ReadMatter(input, request)).response;
  };
  // Read by the model, and by the phrases. What is no emergency to it has nothing to take back.
  const std::pair<const TextReader*, std::string> read[] = {{&model, "路上井盖没了，有人摔伤了，赶紧来补"},
                                                            {&model, "煤气味很大，头晕，请燃气公司来看看"},
                                                            {&model, "暖气管爆了烫伤人了，物业不来修"},
                                                            {&model, "树倒了砸到人了，林业局管不管"},
                                                            // A clause of the annex names the danger.
                                                            {&model, "老板拖欠工资，还拿刀砍人"},
                                                            {&kReader, "停水了，有人受伤"}};
  int taken_back = 0;
  for (const auto& [reader, text] : read) {
    const auto heard = advise(*reader, text, type::v1::ANSWER_UNSPECIFIED);
    if (!heard.emergency()) continue;
    ++taken_back;
    EXPECT_EQ(heard.decision().hotline(), "110") << text;
    const auto denied = advise(*reader, text, type::v1::ANSWER_NO);
    EXPECT_FALSE(denied.emergency()) << text;
    EXPECT_FALSE(denied.decision().hotline() == "110" &&
                 denied.decision().rule() == type::v1::LADDER_RULE_CLEAR_DUTY)
        << denied.decision().ShortDebugString();
    EXPECT_TRUE(std::any_of(denied.suggestions().begin(), denied.suggestions().end(), [](const auto& one) {
      return one.advice().hotline() == "12345";
    })) << text;
  }
  EXPECT_GE(taken_back, 3);
  // What is the police's without danger stays theirs.
  const auto police = advise(model, "我在网上被诈骗了三万块钱", type::v1::ANSWER_NO);
  EXPECT_EQ(police.decision().hotline(), "110") << police.decision().ShortDebugString();
}

TEST(AdvisorTest, BoundsOfARequest) {
  const auto field = [](auto change) {
    v1::SuggestRouteRequest request = Of("工资");
    change(request);
    return error::FieldOf(CheckSuggestRequest(request, Shipped()));
  };
  using R = v1::SuggestRouteRequest;
  EXPECT_EQ(field([](R&) {}), "");
  EXPECT_EQ(field([](R& r) { r.set_text("\xff"); }), "text");
  EXPECT_EQ(field([](R& r) { r.set_text(std::string(8001, 'a')); }), "text");
  EXPECT_EQ(field([](R& r) { r.set_text(std::string("工资\0", 7)); }), "text");
  EXPECT_EQ(field([](R& r) { r.set_text("工资\n拖欠"); }), "");
  // Half typed, a number is no fault; what no number can be is one.
  EXPECT_EQ(field([](R& r) { r.set_caller_phone("09"); }), "");
  EXPECT_EQ(field([](R& r) { r.set_caller_phone(std::string(65, '1')); }), "caller_phone");
  EXPECT_EQ(field([](R& r) { r.set_account(std::string(64, 'a')); }), "");
  EXPECT_EQ(field([](R& r) { r.set_account(std::string(65, 'a')); }), "account");
  EXPECT_EQ(field([](R& r) { r.set_account("a\nb"); }), "account");
  EXPECT_EQ(field([](R& r) { r.set_max_suggestions(11); }), "max_suggestions");
  EXPECT_EQ(field([](R& r) { r.set_received_by("119"); }), "received_by");
  EXPECT_EQ(field([](R& r) { r.mutable_facts()->set_belongs_to("119"); }), "facts.belongs_to");
  EXPECT_EQ(field([](R& r) { r.mutable_facts()->set_agreed_hotline("110"); }), "facts.agreed_hotline");
  EXPECT_EQ(field([](R& r) { r.mutable_facts()->set_agreement(type::v1::AGREEMENT_STATE_AGREED); }),
            "facts.agreed_hotline");
  EXPECT_EQ(field([](R& r) { r.set_channel(static_cast<type::v1::Channel>(99)); }), "channel");
  // A place, as an order's.
  EXPECT_EQ(field([](R& r) { r.mutable_place()->set_township_code("6530242080"); }), "place.township_code");
  EXPECT_EQ(field([](R& r) { r.mutable_place()->set_township_code("65302420x"); }), "place.township_code");
  EXPECT_EQ(field([](R& r) { r.mutable_place()->set_address(std::string(201, 'a')); }), "place.address");
  EXPECT_EQ(field([](R& r) { r.mutable_place()->set_address("\xff"); }), "place.address");
  EXPECT_EQ(field([](R& r) { r.mutable_place()->set_address("a\nb"); }), "place.address");
  EXPECT_EQ(field([](R& r) { r.mutable_place()->set_address(std::string(200, 'a')); }), "");
  EXPECT_EQ(field([](R& r) { r.mutable_place()->mutable_manual_coordinates()->set_latitude(90.5); }),
            "place.manual_coordinates");
  EXPECT_EQ(field([](R& r) {
              r.mutable_place()->mutable_automatic_coordinates()->set_longitude(
                  std::numeric_limits<double>::quiet_NaN());
            }),
            "place.automatic_coordinates");
  // Whatever its length, it is refused at a look.
  v1::SuggestRouteRequest huge = Of("工资");
  for (int i = 0; i < 100'000; ++i) huge.mutable_place()->mutable_address()->append("康苏");
  const absl::Status refused = CheckSuggestRequest(huge, Shipped());
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_TEXT_TOO_LONG);
  EXPECT_EQ(error::FieldOf(refused), "place.address");
  EXPECT_NE(error::ChineseOf(refused), "");
}

TEST(AdvisorTest, WithoutAListOfUnitsTheFormOfTheAccusedCounts) {
  v1::SuggestRouteRequest request = Of("工资");
  request.add_accused_units("rensheju");
  request.add_accused_units("Rensheju");
  const absl::Status refused = CheckAccusedUnits(request, {});
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(refused), "accused_units[1]");
  request.mutable_accused_units()->RemoveLast();
  EXPECT_TRUE(CheckAccusedUnits(request, {}).ok());
}

// A clause's word that the caller spelled otherwise stands nowhere in the text.
TEST(ModelReaderTest, TellsWhereAClausesWordStands) {
  const auto files = boot::LoadSuggestFiles(HOTLINE_SOURCE_DIR "/deploy/catalogue");
  ASSERT_TRUE(files.ok()) << files.status();
  std::vector<config::v1::SuggestExample> few;
  for (size_t i = 0; i < files->examples.size(); i += 10) few.push_back(files->examples[i]);
  const auto suggester = suggest::Suggester::Create(catalogue::SharedShipped(), files->terms, few);
  ASSERT_TRUE(suggester.ok()) << suggester.status();
  const ModelReader reader(*suggester);
  int spelled_otherwise = 0;
  for (const char* text : {"欠钱不还，两家扯皮，已经起诉了", "欠钱不还，两家扯皮，已 经 起 诉 了",
                           "派出所的工作人员态度恶劣，不给办", "派 出 所的工作人员态度恶劣，不给办"}) {
    const Reading reading = reader.Read(Shipped(), kDay, {.text = text, .explain = true});
    for (const ReadExclusion& exclusion : reading.exclusions) {
      const bool stands = std::string_view(text).find(exclusion.word.text) != std::string_view::npos;
      EXPECT_EQ(exclusion.word.begin >= 0, stands) << text;
      spelled_otherwise += stands ? 0 : 1;
    }
    for (const ReadWord& word : reading.words) EXPECT_GE(word.begin, 0) << text;
  }
  EXPECT_GT(spelled_otherwise, 0);
}

}  // namespace
}  // namespace hotline::dispatch::routing
