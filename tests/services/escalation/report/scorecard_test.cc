// What each figure counts, on orders whose lives are told event by event.
#include "services/escalation/report/core/scorecard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "services/escalation/core/time_ledger.h"
#include "services/escalation/report/core/document.h"
#include "services/escalation/report/core/names.h"
#include "services/escalation/report/core/pack.h"
#include "services/escalation/report/core/period.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation::report {
namespace {

using type::v1::Event;

// TestPolicy: receipt 60 s, acceptance 600 s, sign 1,200 s, finish 3,600 s.
class ScorecardTest : public testing::Test {
 protected:
  static absl::Time At(int64_t seconds) { return Start() + absl::Seconds(seconds); }
  static int64_t AllHours(const std::string&, absl::Time from, absl::Time to) {
    return absl::ToInt64Seconds(to - from);
  }

  void Add(Event event) { log_.push_back(std::move(event)); }
  History Read(int64_t id, absl::Time knowledge) {
    HistoryReader reader(&deadlines_, "12345");
    for (const Event& event : log_) {
      if (ParseOrderId(event.order_id()) == id && FromProto(event.commit_time()) < knowledge) {
        reader.Add(Condense(event));
      }
    }
    return std::move(reader).Finish(knowledge);
  }
  // Of the seconds `from` to `to`, as known at `to`.
  v1::GetScorecardResponse Compute(int64_t from, int64_t to) {
    ScorecardBuilder builder({At(from), At(to)}, AllHours);
    std::set<std::string> ids;
    for (const Event& event : log_) {
      if (FromProto(event.commit_time()) < At(to)) ids.insert(event.order_id());
    }
    for (const std::string& id : ids) builder.Add(Read(ParseOrderId(id).value(), At(to)));
    v1::GetScorecardResponse response;
    builder.Finish("", &response);
    return response;
  }
  static v1::Scorecard Of(const v1::GetScorecardResponse& response, const std::string& party) {
    for (const v1::Scorecard& card : response.scorecards()) {
      if (card.party() == party) return card;
    }
    return {};
  }
  static std::pair<int64_t, int64_t> R(const v1::Ratio& ratio) {
    return {ratio.numerator(), ratio.denominator()};
  }
  using Pair = std::pair<int64_t, int64_t>;

  // Registered, accepted and dispatched to `unit` at `at`.
  void Dispatch(int64_t id, int64_t at, const std::string& unit = "chengguan") {
    Add(make_.Registered(id, At(at)));
    Add(make_.Accepted(id, At(at)));
    Add(make_.Dispatched(id, At(at), unit));
  }

  Deadlines deadlines_{TestPolicy()};
  EventMaker make_;
  std::vector<Event> log_;
};

TEST_F(ScorecardTest, ADutyIsJudgedOnceInThePeriodOfItsInstant) {
  Dispatch(1, 0);  // signed in time, finished in time
  Add(make_.Signed(1, At(100)));
  Add(make_.Replied(1, At(3000)));
  Dispatch(2, 0);  // signed late, finished late
  Add(make_.Signed(2, At(1300)));
  Add(make_.Replied(2, At(4000)));
  Dispatch(3, 0);  // never signed
  const auto first = Of(Compute(0, 1250), "chengguan");
  EXPECT_EQ(first.assigned(), 3);
  // Order 1 at 100 s; orders 2 and 3 at their deadline.
  EXPECT_EQ(R(first.sign_on_time()), Pair(1, 3));
  EXPECT_EQ(R(first.finish_on_time()), Pair(0, 0));
  const auto second = Of(Compute(1250, 5000), "chengguan");
  EXPECT_EQ(second.assigned(), 0);
  // The late signature is not judged a second time.
  EXPECT_EQ(R(second.sign_on_time()), Pair(0, 0));
  EXPECT_EQ(R(second.finish_on_time()), Pair(1, 3));
  // Half open: at the deadline it is over.
  EXPECT_EQ(R(Of(Compute(0, 1200), "chengguan").sign_on_time()), Pair(1, 1));
  EXPECT_EQ(R(Of(Compute(0, 1201), "chengguan").sign_on_time()), Pair(1, 3));
  // Parts add up to the whole.
  const auto whole = Of(Compute(0, 5000), "chengguan");
  EXPECT_EQ(R(whole.sign_on_time()), Pair(1, 3));
  EXPECT_EQ(R(whole.finish_on_time()), Pair(1, 3));
}

// Whoever assists is asked to sign and to do its part as the lead unit is; both are told apart.
TEST_F(ScorecardTest, AssistingUnitsAreCountedByTheirOwn) {
  for (const int64_t id : {1, 2}) {
    Add(make_.Registered(id, At(0)));
    Add(make_.Accepted(id, At(0)));
    Add(make_.Dispatched(id, At(0), "chengguan", {"shuiwu"}));
  }
  Add(make_.Signed(1, At(100)));
  Add(make_.Signed(1, At(200), "shuiwu"));
  Add(make_.PartDone(1, At(300), "shuiwu"));
  Add(make_.Replied(1, At(3000)));
  Add(make_.Signed(2, At(150)));
  // shuiwu never signs the second; it leads a third.
  Dispatch(3, 0, "shuiwu");
  Add(make_.Signed(3, At(50)));
  const auto response = Compute(0, 2000);
  const auto helper = Of(response, "shuiwu");
  EXPECT_EQ(helper.assigned(), 1);
  EXPECT_EQ(helper.assisted(), 2);
  EXPECT_EQ(R(helper.sign_on_time()), Pair(2, 3));
  EXPECT_EQ(R(helper.assist_sign_on_time()), Pair(1, 2));
  EXPECT_EQ(R(helper.assist_finish_on_time()), Pair(1, 1));
  const auto lead = Of(response, "chengguan");
  EXPECT_EQ(lead.assigned(), 2);
  EXPECT_EQ(lead.assisted(), 0);
  EXPECT_EQ(R(lead.sign_on_time()), Pair(2, 2));
  EXPECT_EQ(R(lead.assist_sign_on_time()), Pair(0, 0));
  EXPECT_EQ(response.total().assisted(), 2);
  EXPECT_EQ(R(response.total().assist_sign_on_time()), Pair(1, 2));
  EXPECT_EQ(R(response.total().sign_on_time()), Pair(4, 5));
}

TEST_F(ScorecardTest, AnOfferFoundAgainTakesNoWorkFromWhoDoesIt) {
  Dispatch(1, 0);
  Add(make_.Signed(1, At(10)));
  Add(make_.OfferedFound(1, At(100)));
  Add(make_.UnderstoodLate(1, At(110)));
  Add(make_.Replied(1, At(3000)));
  const History history = Read(1, At(5000));
  ASSERT_EQ(history.stretches.size(), 2u);  // the desk's until it was dispatched
  EXPECT_EQ(history.stretches[1].party, "chengguan");
  EXPECT_EQ(history.stretches[1].end, At(3000));
  EXPECT_EQ(history.stretches[1].how, StretchEnd::kResult);
  EXPECT_EQ(R(Of(Compute(0, 5000), "chengguan").finish_on_time()), Pair(1, 1));
}

TEST_F(ScorecardTest, TheAnswerForAPastPeriodStays) {
  Dispatch(1, 0);
  Dispatch(2, 10);
  Add(make_.Signed(1, At(100)));
  const std::string before = Compute(0, 2000).SerializeAsString();
  // Whatever happens since: late signatures, extensions, redos, closings, new orders.
  Add(make_.Signed(2, At(2500)));
  Add(make_.Extended(1, At(2500), At(9000)));
  Add(make_.Replied(1, At(2600)));
  Add(make_.Redone(1, At(2700)));
  Add(make_.Returned(2, At(2800)));
  Dispatch(3, 2900);
  EXPECT_EQ(Compute(0, 2000).SerializeAsString(), before);
}

TEST_F(ScorecardTest, WhatWasTakenAwayInTimeIsNotJudged) {
  Dispatch(1, 0);
  Add(make_.Signed(1, At(100)));
  Event cancelled = make_.Make(1, type::v1::ORDER_STATE_CANCELLED, At(200));
  cancelled.mutable_cancelled();
  Add(cancelled);
  const auto card = Of(Compute(0, 10000), "chengguan");
  EXPECT_EQ(R(card.sign_on_time()), Pair(1, 1));
  EXPECT_EQ(R(card.finish_on_time()), Pair(0, 0));
  EXPECT_EQ(card.handled(), 0);
  // The hotline's own finish clock was taken over by the unit's at the dispatch.
  EXPECT_EQ(R(Of(Compute(0, 10000), "12345").finish_on_time()), Pair(0, 0));
}

TEST_F(ScorecardTest, ExtensionsMoveTheJudgementAndAreCounted) {
  Dispatch(1, 0);
  Add(make_.Signed(1, At(100)));
  Add(make_.Extended(1, At(1000), At(7200)));  // early
  Add(make_.Replied(1, At(7000)));
  Dispatch(2, 0);
  Add(make_.Signed(2, At(100)));
  Add(make_.Extended(2, At(3300), At(7200)));  // in the last tenth of 3,600 s
  Add(make_.Replied(2, At(7300)));
  Dispatch(3, 0);
  Add(make_.Signed(3, At(100)));
  Add(make_.Replied(3, At(3000)));
  const auto card = Of(Compute(0, 10000), "chengguan");
  EXPECT_EQ(R(card.finish_on_time()), Pair(2, 3));
  EXPECT_EQ(R(card.extension_rate()), Pair(2, 3));
  EXPECT_EQ(R(card.last_minute_rate()), Pair(1, 2));
  // A breach before the extension stays one.
  Dispatch(4, 20000);
  Add(make_.Extended(4, At(24000), At(30000)));
  Add(make_.Replied(4, At(25000)));
  EXPECT_EQ(R(Of(Compute(20000, 40000), "chengguan").finish_on_time()), Pair(0, 1));
}

// Whoever assists may work by other days: when the order was asked to be extended is told by the lead unit's.
TEST_F(ScorecardTest, TheLastMinuteIsThatOfWhoLeads) {
  config::v1::Policy policy = TestPolicy();
  config::v1::DeadlineRule assisting;
  assisting.set_clock(type::v1::CLOCK_KIND_FINISH);
  assisting.set_role(config::v1::UNIT_ROLE_ASSIST);
  assisting.set_limit_s(7200);
  *policy.add_rules() = assisting;
  std::rotate(policy.mutable_rules()->begin(), std::prev(policy.mutable_rules()->end()),
              policy.mutable_rules()->end());
  deadlines_ = Deadlines(policy);
  Add(make_.Registered(1, At(0)));
  Add(make_.Accepted(1, At(0)));
  Add(make_.Dispatched(1, At(0), "chengguan", {"shuiwu"}));
  Add(make_.Extended(1, At(3300), At(9000)));  // in the last tenth of 3,600 s, not of 7,200 s
  Add(make_.Replied(1, At(8000)));
  EXPECT_EQ(R(Of(Compute(0, 10000), "chengguan").last_minute_rate()), Pair(1, 1));
}

TEST_F(ScorecardTest, HandlingIsInWorkingTimeWithoutSuspensions) {
  for (int64_t id = 1; id <= 10; ++id) {
    Dispatch(id, 0);
    Add(make_.Signed(id, At(1)));
    Add(make_.Replied(id, At(60 * id + 30)));  // id minutes and a half
  }
  auto card = Of(Compute(0, 5000), "chengguan");
  EXPECT_EQ(card.handled(), 10);
  EXPECT_EQ(card.median_handling().seconds(), 5 * 60);  // rank 5 of 10
  EXPECT_EQ(card.p90_handling().seconds(), 9 * 60);
  Dispatch(11, 5000);
  Add(make_.Signed(11, At(5001)));
  Add(make_.Suspended(11, At(5060)));
  Add(make_.Resumed(11, At(9000)));
  Add(make_.Replied(11, At(9060)));
  card = Of(Compute(5000, 10000), "chengguan");
  EXPECT_EQ(card.median_handling().seconds(), 120);
  // The pause moved the deadline too.
  EXPECT_EQ(R(card.finish_on_time()), Pair(1, 1));
}

// Three days off are announced while a unit works: they move its deadline, and are not its working time.
TEST_F(ScorecardTest, DaysThatAreAnnouncedMeanwhileAreNotHandlingTime) {
  // Eight hours a day.
  config::v1::CalendarLayer layer;
  layer.set_level(config::v1::LAYER_LEVEL_UNIT);
  layer.set_code("office");
  layer.set_display_name("机关");
  layer.set_version("1");
  config::v1::CalendarDocument& document = *layer.add_documents();
  document.set_number("测试〔2026〕1号");
  document.set_title("工作时间");
  document.set_issue_date("2026-01-01");
  document.set_first_date("2026-01-01");
  config::v1::WeeklyRule& weekly = *layer.add_weekly();
  weekly.set_document(document.number());
  for (int day = 1; day <= 7; ++day) weekly.add_working_days(static_cast<config::v1::Weekday>(day));
  weekly.set_earlier_days(config::v1::EARLIER_DAYS_KEEP);
  config::v1::HoursRule& hours = *layer.add_hours();
  hours.set_document(document.number());
  hours.add_segments("09:00-17:00");
  const auto calendars = [&] {
    auto made = calendar::Calendar::Create("office", {layer});
    EXPECT_TRUE(made.ok()) << made.status();
    Calendars by_code;
    by_code.emplace("office", *std::move(made));
    return std::make_shared<const Calendars>(std::move(by_code));
  };
  const auto on = [](int day, int hour) {
    return absl::FromCivil(absl::CivilHour(2026, 9, day, hour), Beijing());
  };
  Publication publication{
      .policy = TestPolicy(), .calendars = calendars(), .parties = {.site = "12345", .peers = {"110"}}};
  deadlines_ = Deadlines(std::vector<Publication>{publication});
  layer.set_version("2");
  config::v1::DayRule& off = *layer.add_days();
  off.set_document(document.number());
  off.set_first_date("2026-09-24");
  off.set_last_date("2026-09-26");
  off.set_kind(config::v1::DAY_KIND_OFF);
  off.set_name("临时放假");
  publication.number = 2;
  publication.time = on(23, 12);
  publication.calendars = calendars();
  deadlines_ = deadlines_.With(publication);

  for (Event event :
       {make_.Registered(1, on(22, 9)), make_.Accepted(1, on(22, 9)), make_.Dispatched(1, on(22, 9)),
        make_.Signed(1, on(22, 10)), make_.Replied(1, on(28, 10))}) {
    Add(std::move(event));
  }
  const Period september{on(1, 0), on(30, 0)};
  ScorecardBuilder builder(september, WorkedBy(&deadlines_));
  builder.Add(Read(1, september.end));
  v1::GetScorecardResponse response;
  builder.Finish("", &response);
  constexpr int64_t kWorked = (8 + 8 + 8 + 1) * 3600;  // on 22, 23, 27 and 28 September
  EXPECT_EQ(Of(response, "chengguan").median_handling().seconds(), kWorked);
  int64_t booked = 0;
  const v1::TimeLedger ledger = BuildTimeLedger(log_, deadlines_, "12345", on(28, 10));
  for (const v1::TimeSum& sum : ledger.sums()) {
    if (sum.party() == "chengguan" && sum.use() == v1::TIME_USE_WORKING) booked += sum.length().seconds();
  }
  EXPECT_EQ(booked, kWorked);
}

TEST_F(ScorecardTest, WhoIsGivenASuspendedOrderWaitsUntilItGoesOn) {
  Add(make_.Registered(1, At(0)));
  Add(make_.Accepted(1, At(0)));
  Add(make_.Suspended(1, At(10)));
  Add(make_.Dispatched(1, At(100)));
  Add(make_.Resumed(1, At(5000)));
  Add(make_.Signed(1, At(5010)));
  Add(make_.Replied(1, At(5060)));
  EXPECT_EQ(Of(Compute(0, 10000), "chengguan").median_handling().seconds(), 60);
  // Who takes it up as one that is not suspended any more waits for nothing.
  Dispatch(2, 0);
  Add(make_.Suspended(2, At(10)));
  Event disputed = make_.Make(2, type::v1::ORDER_STATE_ACCEPTED, At(100));
  disputed.mutable_disputed();
  Add(disputed);
  const History history = Read(2, At(10000));
  ASSERT_EQ(history.stretches.size(), 3u);
  EXPECT_EQ(history.stretches[1].pauses, (std::vector{std::pair(At(10), At(100))}));
  EXPECT_TRUE(history.stretches[2].pauses.empty());
}

TEST_F(ScorecardTest, VerdictsAndMovesGoToWhoGaveTheResult) {
  Dispatch(1, 0);
  Add(make_.Signed(1, At(1)));
  Add(make_.Replied(1, At(100)));
  Add(make_.Redone(1, At(200)));
  Add(make_.Replied(1, At(300)));
  Add(make_.Closed(1, At(400)));
  Dispatch(2, 0);
  Add(make_.Signed(2, At(1)));
  Add(make_.Replied(2, At(100)));
  Add(make_.Closed(2, At(400)));
  const auto card = Of(Compute(0, 1000), "chengguan");
  EXPECT_EQ(R(card.redo_rate()), Pair(1, 3));
  EXPECT_EQ(R(card.moves_per_order()), Pair(2, 2));  // one dispatch each
  EXPECT_EQ(R(card.return_rate()), Pair(0, 3));      // three results
  EXPECT_EQ(card.handled(), 3);
}

TEST_F(ScorecardTest, APeerIsAPartyToo) {
  // Accepted by 110 in time, then worked on there and answered late.
  Add(make_.Offered(1, At(0)));
  Add(make_.Understood(1, At(30)));
  Add(make_.Accepted(1, At(300), "110"));
  log_.back().mutable_accepted()->set_handoff_id("h");
  Add(make_.Replied(1, At(300 + 3700)));
  // Returned by 110 after its deadline.
  Add(make_.Offered(2, At(0)));
  Add(make_.Understood(2, At(30)));
  Event returned = make_.Returned(2, At(700));
  returned.mutable_returned()->mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  Add(returned);
  const auto response = Compute(0, 10000);
  const auto card = Of(response, "110");
  EXPECT_EQ(card.assigned(), 2);
  EXPECT_EQ(R(card.return_rate()), Pair(1, 2));
  EXPECT_EQ(R(card.finish_on_time()), Pair(0, 1));
  EXPECT_EQ(card.handled(), 1);
  ASSERT_EQ(card.clocks_size(), 3);
  for (const v1::ClockFigure& figure : card.clocks()) {
    const Pair expected = figure.clock() == type::v1::CLOCK_KIND_PEER_RECEIPT      ? Pair(2, 2)
                          : figure.clock() == type::v1::CLOCK_KIND_PEER_ACCEPTANCE ? Pair(1, 2)
                                                                                   : Pair(0, 1);
    EXPECT_EQ(R(figure.on_time()), expected) << figure.clock();
  }
  EXPECT_EQ(R(card.breach_share()), Pair(2, 2));
  EXPECT_EQ(R(response.total().breach_share()), Pair(2, 2));
}

// A duty that was taken away is not called fulfilled at that time.
TEST_F(ScorecardTest, ADocumentSaysWhatWasFulfilledAndWhatWasNot) {
  Dispatch(1, 0, "rensheju");
  Event reassigned = make_.Make(1, type::v1::ORDER_STATE_DISPATCHED, At(5000));
  reassigned.mutable_reassigned()->mutable_dispatch()->set_lead_unit("minzhengju");
  Add(reassigned);
  Add(make_.Signed(1, At(6500)));
  Add(make_.Replied(1, At(7000)));
  const History history = Read(1, At(9000));
  std::vector<bool> fulfilled;
  for (const Duty& duty : history.duties) {
    if (duty.outcome == Outcome::kMissed) fulfilled.push_back(duty.fulfilled);
  }
  EXPECT_EQ(fulfilled, (std::vector{false, false, true}));
  const auto page = DocumentPage(v1::DOCUMENT_KIND_CIRCULATE, history, log_, At(9000), Names());
  ASSERT_TRUE(page.has_value());
  const std::string text = page->Markdown();
  for (const std::string& cells :
       {absl::StrCat("| ", ChineseTime(At(1200)), " | 未完成（", ChineseTime(At(5000)), "终止） |"),
        absl::StrCat("| ", ChineseTime(At(3600)), " | 未完成（", ChineseTime(At(5000)), "终止） |"),
        absl::StrCat("| ", ChineseTime(At(6200)), " | ", ChineseTime(At(6500)), " |")}) {
    EXPECT_NE(text.find(cells), std::string::npos) << cells << "\n" << text;
  }
}

// When a late result arrived the other hotline alone knows: what it did next says nothing of that.
TEST_F(ScorecardTest, ADocumentDoesNotSayWhenALateResultArrived) {
  config::v1::Policy policy = TestPolicy();
  config::v1::DeadlineRule& rule = *policy.add_rules();
  rule.set_clock(type::v1::CLOCK_KIND_RESULT_BACK);
  rule.set_limit_s(1800);
  deadlines_ = Deadlines(policy);
  Event understood = make_.Understood(1, At(0), "110");
  understood.mutable_understood()->mutable_registered()->set_origin_hotline("110");
  Add(understood);
  Add(make_.Accepted(1, At(0)));
  const Event replied = make_.Replied(1, At(100));
  Add(replied);
  type::v1::Escalation rung;
  rung.set_clock(type::v1::CLOCK_KIND_RESULT_BACK);
  rung.set_rung(type::v1::RUNG_URGE);
  rung.set_armed_by_sequence(replied.sequence());
  Add(make_.Escalated(1, At(1901), rung));
  const Event closed = make_.Closed(1, At(1900 + 3 * 86'400));
  for (const bool over : {false, true}) {
    SCOPED_TRACE(over);
    if (over) Add(closed);
    const absl::Time now = At(over ? 4 * 86'400 : 2 * 86'400);
    const auto page = DocumentPage(v1::DOCUMENT_KIND_CIRCULATE, Read(1, now), log_, now, Names());
    ASSERT_TRUE(page.has_value());
    const std::string text = page->Markdown();
    const std::string cells =
        absl::StrCat("| ", ChineseTime(At(1900)), " | 到期时未送达（送达时间以对方热线记录为准） | — |");
    EXPECT_NE(text.find(cells), std::string::npos) << cells << "\n" << text;
  }
}

TEST_F(ScorecardTest, EveryRungHasAName) {
  for (int rung = 1; rung < type::v1::Rung_ARRAYSIZE; ++rung) {
    if (!type::v1::Rung_IsValid(rung)) continue;
    EXPECT_EQ(RungZh(static_cast<type::v1::Rung>(rung)).find("第"), std::string::npos) << rung;
  }
}

TEST_F(ScorecardTest, ThePackCountsSpotsCallersAndDisputes) {
  for (int64_t id = 1; id <= 4; ++id) {
    Event event = make_.Registered(id, At(id));
    event.mutable_registered()->mutable_catalogue()->set_item(id == 4 ? "A3" : "A1");
    event.mutable_registered()->set_township_code("653024100");
    event.mutable_registered()->set_caller_hash(id <= 3 ? "CALLER01" : "CALLER02");
    Add(event);
  }
  // Both say that it is not theirs.
  Add(make_.Offered(5, At(10)));
  Add(make_.Understood(5, At(20)));
  Event returned = make_.Returned(5, At(30));
  auto& detail = *returned.mutable_returned()->mutable_handoff_return();
  detail.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  detail.set_reason("不属警务");
  detail.set_proposed_unit("zhujianju");
  Add(returned);
  Event disputed = make_.Make(5, type::v1::ORDER_STATE_ACCEPTED, At(40));
  disputed.mutable_actor()->set_hotline("12345");
  disputed.mutable_disputed()->mutable_dispute()->set_reason("涉及治安");
  Add(disputed);

  const auto compute = [&](int64_t to) {
    PackBuilder builder({At(0), At(to)}, At(to));
    for (int64_t id = 1; id <= 5; ++id) builder.Add(Read(id, At(to)));
    return builder;
  };
  const PackBuilder open = compute(100);
  const v1::PackFigures figures = open.Figures();
  EXPECT_EQ(figures.registered(), 5);
  EXPECT_EQ(figures.to_peers(), 1);
  EXPECT_EQ(figures.disputes(), 1);
  EXPECT_EQ(figures.rulings(), 0);
  ASSERT_EQ(figures.hot_spots_size(), 1);
  EXPECT_EQ(figures.hot_spots(0).item(), "A1");
  EXPECT_EQ(figures.hot_spots(0).count(), 3);
  EXPECT_EQ(figures.repeat_caller_count(), 1);
  ASSERT_EQ(figures.repeat_callers_size(), 1);
  EXPECT_EQ(figures.repeat_callers(0).caller(), "43414c4c");  // hexadecimal of the first four bytes
  ASSERT_EQ(open.Disputes().size(), 1u);
  const v1::DocketItem item = open.Disputes()[0];
  ASSERT_EQ(item.grounds_size(), 2);
  EXPECT_EQ(item.grounds(0).party(), "110");
  EXPECT_EQ(item.grounds(0).reason(), "不属警务");
  EXPECT_EQ(item.grounds(1).party(), "12345");
  EXPECT_EQ(item.grounds(1).reason(), "涉及治安");
  EXPECT_EQ(item.state(), v1::DOCKET_STATE_OPEN);

  Event ruled = make_.Make(5, type::v1::ORDER_STATE_ACCEPTED, At(500));
  ruled.mutable_ruled()->set_unit("zhujianju");
  ruled.mutable_ruled()->set_reference("联席〔2026〕\"3\"号");
  Add(ruled);
  EXPECT_EQ(compute(100).Disputes()[0].state(), v1::DOCKET_STATE_OPEN);  // as known then
  const PackBuilder settled = compute(1000);
  EXPECT_EQ(settled.Figures().rulings(), 1);
  EXPECT_EQ(settled.Disputes()[0].state(), v1::DOCKET_STATE_RULED);
  const std::string yaml = ProposalYaml(settled.Disputes()[0], Names{.site = "12345"});
  EXPECT_NE(yaml.find("lead_unit: \"zhujianju\""), std::string::npos);
  EXPECT_NE(yaml.find("reference: \"联席〔2026〕\\\"3\\\"号\""), std::string::npos);
}

// 110 had it first, and pushed back what remained: 12345 works on that as a second order, and the first one
// hears all of it once more.
TEST_F(ScorecardTest, AMatterThatCameBackIsCountedInOneOfItsOrders) {
  const std::string given = absl::StrCat("12345-", FormatOrderId(1), "-1");
  const auto told = [&](Event event) {
    event.set_handoff_id(given);
    event.set_mirrored(true);
    event.mutable_actor()->set_hotline("110");
    Add(event);
  };
  Event offered = make_.Offered(1, At(0));
  offered.set_handoff_id(given);
  offered.mutable_offered()->mutable_handoff()->set_id(given);
  offered.mutable_offered()->mutable_registered()->set_origin_hotline("12345");
  Add(offered);
  Event understood = make_.Understood(1, At(1));
  understood.mutable_understood()->mutable_handoff()->set_id(given);
  understood.mutable_understood()->mutable_handoff()->set_to_hotline("110");
  told(understood);
  Event taken = make_.Accepted(1, At(10), "110");
  taken.mutable_accepted()->set_handoff_id(given);
  told(taken);
  Event back = make_.Understood(2, At(20), "110");
  back.set_handoff_id("110-0123456789ABC-1");
  back.mutable_understood()->mutable_handoff()->set_id(back.handoff_id());
  back.mutable_understood()->mutable_handoff()->set_previous_handoff_id(given);
  back.mutable_understood()->mutable_registered()->set_origin_hotline("12345");
  Add(back);
  // What 12345 does from here on 110 tells it again.
  const auto both = [&](const std::function<Event(int64_t)>& make) {
    Event event = make(2);
    event.set_handoff_id(back.handoff_id());
    Add(event);
    told(make(1));
  };
  both([&](int64_t id) {
    Event event = make_.Accepted(id, At(30), "12345");
    event.mutable_accepted()->set_handoff_id(id == 1 ? given : back.handoff_id());
    return event;
  });
  both([&](int64_t id) { return make_.Dispatched(id, At(40), "minzhengju", {"shuiwu"}); });
  both([&](int64_t id) { return make_.Signed(id, At(100), "minzhengju"); });
  both([&](int64_t id) { return make_.Extended(id, At(110), At(4000)); });
  both([&](int64_t id) { return make_.Replied(id, At(200)); });
  both([&](int64_t id) { return make_.Redone(id, At(300)); });
  both([&](int64_t id) { return make_.Replied(id, At(5000)); });
  both([&](int64_t id) { return make_.Closed(id, At(5100)); });
  const auto response = Compute(0, 10000);
  const auto unit = Of(response, "minzhengju");
  EXPECT_EQ(unit.assigned(), 1);
  EXPECT_EQ(R(unit.sign_on_time()), Pair(1, 1));
  EXPECT_EQ(R(unit.finish_on_time()), Pair(1, 2)) << "what it did again was late";
  EXPECT_EQ(R(unit.breach_share()).first, 1);
  EXPECT_EQ(R(unit.redo_rate()), Pair(1, 2));
  EXPECT_EQ(R(unit.extension_rate()), Pair(1, 2));
  EXPECT_EQ(R(unit.moves_per_order()), Pair(2, 1));
  EXPECT_EQ(unit.handled(), 2);
  EXPECT_EQ(Of(response, "shuiwu").assisted(), 1);
  EXPECT_EQ(R(Of(response, "12345").return_rate()), Pair(0, 1));
  EXPECT_EQ(R(Of(response, "110").return_rate()), Pair(0, 1));
  EXPECT_EQ(Of(response, "12345").handled(), 0);

  // The joint meeting has it once, too.
  PackBuilder pack({At(0), At(10000)}, At(10000));
  for (int64_t id = 1; id <= 2; ++id) pack.Add(Read(id, At(10000)));
  EXPECT_EQ(pack.Figures().registered(), 1);
  EXPECT_EQ(pack.Figures().from_peers(), 0);
}

// Two people called once each: for one police assistance was asked twice, the other's order came from 110,
// was returned and pushed again.
TEST_F(ScorecardTest, ThePackTakesNoOrderOfAHotlinesForACall) {
  const auto describe = [](const char* caller, type::v1::RegisteredDetail* registered) {
    registered->mutable_catalogue()->set_item("A1");
    registered->set_township_code("653024100");
    registered->set_caller_hash(caller);
  };
  Event incident = make_.Registered(1, At(0));
  describe("CALLER01", incident.mutable_registered());
  Add(incident);
  for (const int64_t id : {2, 3}) {
    Event asked = make_.Offered(id, At(10 * id));
    asked.mutable_offered()->mutable_handoff()->set_kind(id == 2 ? type::v1::HANDOFF_KIND_POLICE_ASSIST
                                                                 : type::v1::HANDOFF_KIND_PARTNER_FANOUT);
    describe("CALLER01", asked.mutable_offered()->mutable_registered());
    Add(asked);
  }
  for (const int64_t id : {4, 5}) {
    Event came = make_.Understood(id, At(10 * id), "110");
    came.set_handoff_id(absl::StrCat("110-0123456789ABC-", id - 3));
    came.mutable_understood()->mutable_handoff()->set_id(came.handoff_id());
    describe("CALLER02", came.mutable_understood()->mutable_registered());
    Add(came);
  }
  const auto figures = [&](int64_t from) {
    PackBuilder pack({At(from), At(100)}, At(100));
    for (int64_t id = 1; id <= 5; ++id) {
      History history = Read(id, At(100));
      history.came_again = id == 5;  // as the archive says
      pack.Add(history);
    }
    return pack.Figures();
  };
  EXPECT_EQ(figures(0).registered(), 2);
  EXPECT_EQ(figures(0).from_peers(), 1);
  EXPECT_EQ(figures(0).to_peers(), 2) << "orders of help were pushed";
  EXPECT_EQ(figures(0).repeat_caller_count(), 0);
  EXPECT_EQ(figures(0).hot_spots_size(), 0);
  ASSERT_EQ(figures(0).items_size(), 1);
  EXPECT_EQ(figures(0).items(0).count(), 2);
  EXPECT_EQ(figures(45).registered(), 0) << "it is counted where it first came";
}

// A merger ends with what is to be done again: that is the desk's until it is dispatched.
TEST_F(ScorecardTest, AMergedOrderThatIsDoneAgainIsNotTheOtherOrdersUnits) {
  Add(make_.Registered(1, At(0)));
  Add(make_.Accepted(1, At(0)));
  Event merged = make_.Make(1, type::v1::ORDER_STATE_IN_PROGRESS, At(10));
  merged.mutable_merged()->set_lead_unit("gongpaishui");
  Add(merged);
  Add(make_.Replied(1, At(100)));
  Add(make_.Redone(1, At(200)));
  Add(make_.Replied(1, At(300)));
  const History history = Read(1, At(1000));
  ASSERT_EQ(history.stretches.size(), 3u);
  EXPECT_EQ(history.stretches[1].party, "gongpaishui");
  EXPECT_EQ(history.stretches[2].party, "12345");
  ASSERT_EQ(history.verdicts.size(), 1u);
  EXPECT_EQ(history.verdicts[0].party, "gongpaishui") << "whose result it was";
}

TEST_F(ScorecardTest, TheLogsTextsStayOut) {
  Dispatch(1, 0);
  Event progress = make_.Progressed(1, At(10));
  progress.mutable_progressed()->set_note("张三家门口");
  progress.set_traceparent("00-trace");
  progress.mutable_actor()->set_account("8001");
  const std::string kept = Condense(progress).SerializeAsString();
  EXPECT_EQ(kept.find("张三"), std::string::npos);
  EXPECT_EQ(kept.find("8001"), std::string::npos);
  Event replied = make_.Replied(1, At(20));
  replied.mutable_replied()->mutable_reply()->set_public_reply("李四您好");
  EXPECT_EQ(Condense(replied).SerializeAsString().find("李四"), std::string::npos);
}

}  // namespace
}  // namespace hotline::escalation::report
