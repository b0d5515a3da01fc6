// The reports' store follows the log beside the clocks, dies and is rebuilt, and its services answer from it.
#include "services/escalation/report/follower.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "common/retention/erase.h"
#include "services/escalation/report/archive.h"
#include "services/escalation/report/service.h"
#include "tests/services/escalation/directory/world.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation::report {
namespace {

using type::v1::Event;

class ReportWorld : public testing::Test, private report::FollowerListener {
 protected:
  explicit ReportWorld(const config::v1::Policy& policy = TestPolicy()) : deadlines_(policy) { Open(); }
  ~ReportWorld() override { Close(); }

  void Open(sql::FaultSchedule faults = nullptr) {
    auto database = sql::OpenSqlite({.path = folder_.path() + "/report.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    auto store = Store::Open(
        faults == nullptr ? *std::move(database) : sql::MakeFaulty(*std::move(database), std::move(faults)),
        "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto reader = store_->NewReader();
    ASSERT_TRUE(reader.ok()) << reader.status();
    report::FollowerListener* const listener = this;
    follower_ = std::make_unique<Follower>(executor_.get(), &clock_, &ledger_, store_.get(), &deadlines_,
                                           "12345", listener);
    archive_ = std::make_unique<Archive>(*std::move(reader), &clock_, &deadlines_, "12345",
                                         [this] { return follower_->stats(); });
    const WorkedSeconds worked = [](const std::string&, absl::Time from, absl::Time to) {
      return absl::ToInt64Seconds(to - from);
    };
    const NamesNow names(
        [this] { return std::make_shared<const Names>(WithDirectory(names_, county_.directory)); });
    report_ = std::make_unique<ReportService>(executor_.get(), &clock_, archive_.get(), worked, names,
                                              &discretion_);
    meeting_ = std::make_unique<MeetingService>(executor_.get(), archive_.get(), &ledger_, worked, names,
                                                &discretion_);
    ASSERT_TRUE(follower_->Start().ok());
  }
  // kill -9.
  void Close() {
    meeting_.reset();
    report_.reset();
    archive_.reset();
    follower_.reset();
    store_.reset();
  }

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(Service& service,
                                void (Service::*method)(const CallContext&, Request, Done<Response>),
                                Request request) {
    absl::StatusOr<Response> answer = absl::UnknownError("no answer");
    (service.*method)({.now = clock_.Now()}, std::move(request),
                      [&](absl::StatusOr<Response> response) { answer = std::move(response); });
    executor_->Run();
    return answer;
  }
  v1::GetScorecardResponse Scorecard(const std::string& period) {
    v1::GetScorecardRequest request;
    request.set_period(period);
    auto response = Call(*report_, &ReportService::GetScorecard, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(v1::GetScorecardResponse());
  }
  // Some orders of two units: the first signed in time, the second never.
  void Fill(int orders) {
    for (int64_t id = 1; id <= orders; ++id) {
      const absl::Time at = clock_.Now();
      const std::string unit = id % 2 == 0 ? "chengguan" : "shuiwu";
      ledger_.Append(ledger_.make.Registered(id, at));
      ledger_.Append(ledger_.make.Accepted(id, at));
      ledger_.Append(ledger_.make.Dispatched(id, at, unit));
      if (id % 2 == 0) ledger_.Append(ledger_.make.Signed(id, at + absl::Seconds(1), unit));
    }
  }
  std::string Dump() {
    std::string all;
    const auto page = store_->reader().ListRunning({.limit = 100'000, .scan_limit = 100'000});
    EXPECT_TRUE(page.ok());
    for (const RunningRow& row : page->rows) {
      all += absl::StrCat(row.order_id, "/", row.kind, "/", absl::ToUnixNanos(row.due), "/", row.bytes, "\n");
    }
    const auto ids = store_->reader().FindOrders(absl::InfinitePast(), absl::InfiniteFuture(), 100'000);
    EXPECT_TRUE(ids.ok());
    for (const int64_t id : *ids) {
      const auto entries = store_->reader().ReadEntries(id);
      EXPECT_TRUE(entries.ok());
      for (const std::string& entry : *entries) all += entry;
    }
    return all + absl::StrCat(*store_->reader().ReadCursor());
  }

  void OnStoreFailed(const absl::Status&) override { failed_ = true; }

  TemporaryFolder folder_;
  ManualClock clock_{Start()};
  std::unique_ptr<ManualExecutor> executor_ = std::make_unique<ManualExecutor>(&clock_);
  FakeLedger ledger_{executor_.get(), &clock_};
  const Deadlines deadlines_;
  Names names_{.site = "12345", .parties = {{"shuiwu", "水务局"}}};
  directory::test::County county_;
  bool failed_ = false;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<Archive> archive_;
  Discretion discretion_{Clearance(), &ledger_};
  std::unique_ptr<ReportService> report_;
  std::unique_ptr<MeetingService> meeting_;
};

TEST_F(ReportWorld, DeletedItIsRebuiltTheSame) {
  Fill(40);
  executor_->Advance(absl::Minutes(10));
  const std::string before = Dump();
  const std::string figures = Scorecard("2026-09-01..2026-09-30").total().SerializeAsString();
  Close();
  std::filesystem::remove(folder_.path() + "/report.db");
  std::filesystem::remove(folder_.path() + "/report.db-wal");
  std::filesystem::remove(folder_.path() + "/report.db-shm");
  Open();
  executor_->Advance(absl::Minutes(1));
  EXPECT_EQ(Dump(), before);
  Close();
  Open();
  executor_->Advance(absl::Minutes(1));
  EXPECT_EQ(Dump(), before);
  EXPECT_EQ(Scorecard("2026-09-01..2026-09-30").total().assigned(), [&] {
    v1::Scorecard card;
    card.ParseFromString(figures);
    return card.assigned();
  }());
}

TEST_F(ReportWorld, AFailedCommitIsReadAgain) {
  Close();
  Open([](int64_t commit) { return commit == 3 ? sql::Fault::kDiskFull : sql::Fault::kNone; });
  Fill(10);
  executor_->Advance(absl::Minutes(5));
  Fill(10);
  executor_->Advance(absl::Minutes(5));
  EXPECT_FALSE(failed_);
  EXPECT_EQ(*store_->reader().ReadCursor(), static_cast<int64_t>(ledger_.log().size()));
}

TEST_F(ReportWorld, ARestoredLogIsNotReadOnWithTheOldFigures) {
  Fill(4);
  executor_->Advance(absl::Minutes(1));
  Close();
  std::vector<type::v1::Event> log = ledger_.log();
  log.back().mutable_commit_time()->set_nanos(log.back().commit_time().nanos() + 1);
  ledger_.Restore(log);
  Fill(4);
  Open();
  executor_->Advance(absl::Minutes(1));
  EXPECT_TRUE(failed_);
  EXPECT_EQ(*store_->reader().ReadCursor(), static_cast<int64_t>(log.size()));
}

// work_order's retention takes the texts from the last event that was read.
TEST_F(ReportWorld, AnEventThatWasErasedIsKnownAgain) {
  Fill(4);
  executor_->Advance(absl::Minutes(1));
  type::v1::Event closed = ledger_.make.Closed(4, clock_.Now());
  closed.mutable_closed()->set_note("来电人张三");
  ledger_.Append(closed);
  executor_->Advance(absl::Minutes(1));
  Close();
  std::vector<type::v1::Event> log = ledger_.log();
  const auto erased = retention::EventWithoutTexts(log.back().SerializeAsString());
  ASSERT_TRUE(erased.has_value());
  ASSERT_TRUE(log.back().ParseFromString(*erased));
  ledger_.Restore(log);
  Open();
  executor_->Advance(absl::Minutes(1));
  EXPECT_FALSE(failed_);
}

// Version 2 knew the log again by the bytes of an event.
TEST_F(ReportWorld, AStoreOfAnOlderReleaseIsMadeAnew) {
  Fill(4);
  executor_->Advance(absl::Minutes(1));
  const std::string before = Dump();
  Close();
  {
    auto database = sql::OpenSqlite({.path = folder_.path() + "/report.db"});
    ASSERT_TRUE(database.ok());
    auto writer = (*database)->OpenWriter();
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Begin().ok());
    for (const char* change : {"UPDATE site SET schema_version = 2", "UPDATE log_mark SET digest = x'00'"}) {
      ASSERT_TRUE((*writer)->Execute(change).ok()) << change;
    }
    ASSERT_TRUE((*writer)->Commit().ok());
  }
  Open();
  executor_->Advance(absl::Minutes(1));
  EXPECT_FALSE(failed_);
  EXPECT_EQ(Dump(), before);
}

TEST_F(ReportWorld, ListsAndLampsAgreeWithTheClock) {
  Fill(40);
  executor_->Advance(absl::Minutes(15));  // the reminders of SIGN have come: 600 s
  auto lamps = Call(*report_, &ReportService::ListLamps, v1::ListLampsRequest());
  ASSERT_TRUE(lamps.ok()) << lamps.status();
  ASSERT_EQ(lamps->counts_size(), 2);
  EXPECT_EQ(lamps->total().yellow(), 20);  // SIGN of the unsigned ones
  EXPECT_EQ(lamps->total().green(), 40);   // FINISH
  executor_->Advance(absl::Minutes(10));   // 1,200 s are over
  lamps = Call(*report_, &ReportService::ListLamps, v1::ListLampsRequest());
  EXPECT_EQ(lamps->total().red(), 20);

  std::set<std::string> seen;
  v1::ListOverdueRequest request;
  request.set_page_size(7);
  request.set_clock(type::v1::CLOCK_KIND_SIGN);
  for (int page = 0; page < 10; ++page) {
    const auto response = Call(*report_, &ReportService::ListOverdue, request);
    ASSERT_TRUE(response.ok()) << response.status();
    for (const v1::Deadline& deadline : response->deadlines()) {
      EXPECT_EQ(deadline.lamp(), v1::LAMP_RED);
      EXPECT_EQ(deadline.duty_party(), "shuiwu");
      EXPECT_TRUE(seen.insert(deadline.order_id()).second);
    }
    request.set_page_token(response->next_page_token());
    if (response->next_page_token().empty()) break;
  }
  EXPECT_EQ(seen.size(), 20u);
  // A token belongs to its filter.
  request.set_page_size(7);
  request.clear_page_token();
  const auto first = Call(*report_, &ReportService::ListOverdue, request);
  request.set_party("chengguan");
  request.set_page_token(first->next_page_token());
  EXPECT_EQ(error::ReasonOf(Call(*report_, &ReportService::ListOverdue, request).status()),
            error::Reason::ERROR_REASON_PAGE_TOKEN_INVALID);

  // One whose word was altered is the client's fault, not the store's.
  request.clear_party();
  std::string token;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(first->next_page_token(), &token));
  for (const std::string& end : {std::string("\xff"), std::string(1, '\0')}) {
    request.set_page_token(absl::WebSafeBase64Escape(token + end));
    EXPECT_EQ(error::ReasonOf(Call(*report_, &ReportService::ListOverdue, request).status()),
              error::Reason::ERROR_REASON_PAGE_TOKEN_INVALID);
  }

  v1::ListDueSoonRequest soon;
  soon.mutable_within()->set_seconds(7200);
  const auto due = Call(*report_, &ReportService::ListDueSoon, soon);
  ASSERT_TRUE(due.ok()) << due.status();
  EXPECT_EQ(due->deadlines_size(), 40);
  for (const v1::Deadline& deadline : due->deadlines()) EXPECT_NE(deadline.lamp(), v1::LAMP_RED);
  soon.mutable_within()->set_seconds(-1);
  EXPECT_EQ(error::FieldOf(Call(*report_, &ReportService::ListDueSoon, soon).status()), "within");
}

// A name, or a code that was mistyped, showed nothing, as if nothing were late.
TEST_F(ReportWorld, APartyThatNobodyKnowsIsRefused) {
  using directory::test::Put;
  using directory::test::Unit;
  Fill(2);
  executor_->Advance(absl::Minutes(1));
  const auto faults = [this](const std::string& party) {
    std::set<std::string> all;
    const auto add = [&](const absl::Status& status) {
      all.insert(status.ok() ? "" : absl::StrCat(error::ReasonOf(status), " ", error::FieldOf(status)));
    };
    v1::ListLampsRequest lamps;
    lamps.set_party(party);
    add(Call(*report_, &ReportService::ListLamps, lamps).status());
    v1::ListOverdueRequest overdue;
    overdue.set_party(party);
    add(Call(*report_, &ReportService::ListOverdue, overdue).status());
    v1::ListDueSoonRequest soon;
    soon.set_party(party);
    add(Call(*report_, &ReportService::ListDueSoon, soon).status());
    v1::GetScorecardRequest scorecard;
    scorecard.set_party(party);
    scorecard.set_period("2026-08");
    add(Call(*report_, &ReportService::GetScorecard, scorecard).status());
    return all;
  };
  const std::set<std::string> taken = {""};
  EXPECT_EQ(faults("nosuch"), taken) << "there is no list of units";
  names_.has_units = true;
  ASSERT_TRUE(county_.Do({Put(Unit("zhujianju"))}, true));
  const std::set<std::string> unknown = {absl::StrCat(error::Reason::ERROR_REASON_UNIT_UNKNOWN, " party")};
  EXPECT_EQ(faults("nosuch"), unknown);
  EXPECT_EQ(faults("住建局"), unknown);
  for (const char* party : {"", "zhujianju", "shuiwu"}) EXPECT_EQ(faults(party), taken) << party;
  EXPECT_EQ(faults("chengguan"), taken) << "it is in no list any more, but has deadlines";
}

class ResultWorld : public ReportWorld {
 protected:
  ResultWorld() : ReportWorld(Policy()) {}
  static config::v1::Policy Policy() {
    config::v1::Policy policy = TestPolicy();
    config::v1::DeadlineRule& rule = *policy.add_rules();
    rule.set_clock(type::v1::CLOCK_KIND_RESULT_BACK);
    rule.set_limit_s(1800);
    rule.set_remind_before_s(600);
    return policy;
  }
};

// The other hotline has had a result for long, and has not acted on it: nobody is late.
TEST_F(ResultWorld, AResultIsOverdueOnlyWhenItsRungSaysSo) {
  Event understood = ledger_.make.Understood(1, clock_.Now(), "110");
  understood.mutable_understood()->mutable_registered()->set_origin_hotline("110");
  ledger_.Append(understood);
  ledger_.Append(ledger_.make.Accepted(1, clock_.Now()));
  ledger_.Append(ledger_.make.Replied(1, clock_.Now()));
  type::v1::Escalation rung;
  rung.set_clock(type::v1::CLOCK_KIND_RESULT_BACK);
  rung.set_armed_by_sequence(ledger_.log().back().sequence());
  const auto lamps = [&] {
    const auto response = Call(*report_, &ReportService::ListLamps, v1::ListLampsRequest());
    EXPECT_TRUE(response.ok()) << response.status();
    const v1::LampCount total = response.ok() ? response->total() : v1::LampCount();
    const auto counts = store_->reader().CountDeadlines(clock_.Now());
    EXPECT_TRUE(counts.ok());
    EXPECT_EQ(counts->size(), 1u);
    EXPECT_EQ(counts->front().red, total.red());
    return std::vector<int64_t>{total.green(), total.yellow(), total.red()};
  };
  const auto overdue = [&] {
    const auto response = Call(*report_, &ReportService::ListOverdue, v1::ListOverdueRequest());
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(v1::ListOverdueResponse());
  };
  executor_->Advance(absl::Minutes(5));
  EXPECT_EQ(lamps(), (std::vector<int64_t>{1, 0, 0}));
  const auto soon = Call(*report_, &ReportService::ListDueSoon, v1::ListDueSoonRequest());
  ASSERT_TRUE(soon.ok()) << soon.status();
  EXPECT_EQ(soon->deadlines_size(), 0);
  executor_->Advance(absl::Hours(30));
  EXPECT_EQ(lamps(), (std::vector<int64_t>{1, 0, 0}));
  EXPECT_EQ(overdue().deadlines_size(), 0);
  // It had not arrived when it was reminded of, and had when it was due.
  rung.set_rung(type::v1::RUNG_REMIND);
  ledger_.Append(ledger_.make.Escalated(1, clock_.Now(), rung));
  executor_->Advance(absl::Minutes(1));
  EXPECT_EQ(lamps(), (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(overdue().deadlines_size(), 0);
  rung.set_rung(type::v1::RUNG_URGE);
  ledger_.Append(ledger_.make.Escalated(1, clock_.Now(), rung));
  executor_->Advance(absl::Minutes(1));
  EXPECT_EQ(lamps(), (std::vector<int64_t>{0, 0, 1}));
  const v1::ListOverdueResponse late = overdue();
  ASSERT_EQ(late.deadlines_size(), 1);
  EXPECT_EQ(late.deadlines(0).lamp(), v1::LAMP_RED);
  EXPECT_TRUE(late.deadlines(0).breached());
  EXPECT_EQ(FromProto(late.deadlines(0).due_time()), Start() + absl::Minutes(30));
}

// A state, urgency or clock that is not known was answered with an empty list: nothing overdue.
TEST_F(ReportWorld, WhatIsNotKnownIsRefusedNotNotFound) {
  const auto fault = [](const absl::Status& status) {
    return std::string(error::ReasonName(error::ReasonOf(status))) + " " + error::FieldOf(status);
  };
  const auto urgency = static_cast<type::v1::Urgency>(99);
  const auto clock = static_cast<type::v1::ClockKind>(99);
  v1::ListOverdueRequest overdue;
  overdue.set_urgency(urgency);
  EXPECT_EQ(fault(Call(*report_, &ReportService::ListOverdue, overdue).status()), "ENUM_INVALID urgency");
  v1::ListDueSoonRequest soon;
  soon.set_clock(clock);
  EXPECT_EQ(fault(Call(*report_, &ReportService::ListDueSoon, soon).status()), "ENUM_INVALID clock");
  v1::ListLampsRequest lamps;
  lamps.set_clock(clock);
  EXPECT_EQ(fault(Call(*report_, &ReportService::ListLamps, lamps).status()), "ENUM_INVALID clock");
  v1::ListDocketRequest docket;
  docket.set_state(static_cast<v1::DocketState>(99));
  EXPECT_EQ(fault(Call(*meeting_, &MeetingService::ListDocket, docket).status()), "ENUM_INVALID state");
}

TEST_F(ReportWorld, FiguresWaitForTheLog) {
  Fill(4);
  // Not a single read has come back since the start.
  ledger_.reads_fail = true;
  v1::GetScorecardRequest request;
  request.set_period("2026-08");
  EXPECT_EQ(error::ReasonOf(Call(*report_, &ReportService::GetScorecard, request).status()),
            error::Reason::ERROR_REASON_REPORT_BEHIND);
  ledger_.reads_fail = false;
  executor_->Advance(absl::Minutes(1));
  request.set_period("2026-Q7");
  EXPECT_EQ(error::FieldOf(Call(*report_, &ReportService::GetScorecard, request).status()), "period");
  request.set_period("2026-09");
  const auto card = Call(*report_, &ReportService::GetScorecard, request);
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_EQ(card->watermark(), static_cast<int64_t>(ledger_.log().size()));
  EXPECT_EQ(card->total().assigned(), 8);  // four acceptances by the hotline, four dispatches
}

TEST_F(ReportWorld, DocumentsNeedABreach) {
  Fill(2);
  executor_->Advance(absl::Minutes(1));
  v1::RenderDocumentRequest request;
  request.set_order_id(FormatOrderId(1));
  request.set_kind(v1::DOCUMENT_KIND_CIRCULATE);
  EXPECT_EQ(error::ReasonOf(Call(*report_, &ReportService::RenderDocument, request).status()),
            error::Reason::ERROR_REASON_NO_BREACH);
  executor_->Advance(absl::Minutes(30));
  auto document = Call(*report_, &ReportService::RenderDocument, request);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->media_type(), "text/html");
  for (const char* needed :
       {"通报批评", "水务局", "签收", "第四条", "至今未完成", "签发人", "12345-20260921-1", "test-1"}) {
    EXPECT_NE(document->text().find(needed), std::string::npos) << needed;
  }
  request.set_kind(v1::DOCUMENT_KIND_DISCIPLINE);
  request.set_format(v1::DOCUMENT_FORMAT_MARKDOWN);
  request.set_order_id("12345-20260921-1");
  document = Call(*report_, &ReportService::RenderDocument, request);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_NE(document->text().find("派驻纪检"), std::string::npos);
  request.set_order_id("12345-20260921-999");
  EXPECT_EQ(error::ReasonOf(Call(*report_, &ReportService::RenderDocument, request).status()),
            error::Reason::ERROR_REASON_ORDER_NOT_FOUND);
  request.clear_kind();
  EXPECT_EQ(error::FieldOf(Call(*report_, &ReportService::RenderDocument, request).status()), "kind");
}

// The directory is changed while the site runs; the list of units is read at its start.
TEST_F(ReportWorld, DocumentsCallAUnitAsTheDirectoryDoesNow) {
  Fill(1);
  executor_->Advance(absl::Hours(1));
  v1::RenderDocumentRequest request;
  request.set_order_id(FormatOrderId(1));
  request.set_kind(v1::DOCUMENT_KIND_CIRCULATE);
  const auto text = [&] {
    const auto document = Call(*report_, &ReportService::RenderDocument, request);
    EXPECT_TRUE(document.ok()) << document.status();
    return document.ok() ? document->text() : "";
  };
  EXPECT_NE(text().find("水务局"), std::string::npos) << "it is not in the directory";
  v1::DirectoryEntry renamed = directory::test::Unit("shuiwu");
  renamed.mutable_unit()->set_display_name("水利局");
  renamed.mutable_unit()->add_aliases("653024100");
  ASSERT_TRUE(county_.Do({directory::test::Put(renamed)}, /*allow_missing_roles=*/true));
  EXPECT_NE(text().find("水利局"), std::string::npos);
  EXPECT_EQ(text().find("水务局"), std::string::npos);
  EXPECT_EQ(WithDirectory(names_, county_.directory).Township("653024100"), "水利局");
}

// At the hotline that refused nothing is left to do; the meeting of the next quarter has it on the table
// still.
TEST_F(ReportWorld, AnOldDisputeIsInThePackUntilItIsSettled) {
  ledger_.Append(ledger_.make.Understood(1, clock_.Now(), "110"));
  Event disputed = ledger_.make.Make(1, type::v1::ORDER_STATE_RETURNED, clock_.Now());
  disputed.mutable_disputed()->mutable_dispute()->set_reason("应由对方承办");
  ledger_.Append(disputed);
  executor_->Advance(absl::Minutes(1));
  clock_.Advance(absl::Hours(24 * 30));
  ledger_.Append(ledger_.make.Registered(2, clock_.Now()));
  executor_->Advance(absl::Minutes(1));
  const auto page = store_->reader().ListRunning({.limit = 10, .scan_limit = 10});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_TRUE(page->rows.empty());
  const auto pack = [&](const std::string& period) {
    v1::RenderPackRequest request;
    request.set_period(period);
    const auto paper = Call(*meeting_, &MeetingService::RenderPack, request);
    EXPECT_TRUE(paper.ok()) << paper.status();
    return paper.ok() ? paper->text() : "";
  };
  EXPECT_NE(pack("2026-Q4").find("应由对方承办"), std::string::npos);
  Event ended = ledger_.make.Make(1, type::v1::ORDER_STATE_ARCHIVED, clock_.Now());
  ended.mutable_archived();
  ledger_.Append(ended);
  executor_->Advance(absl::Minutes(1));
  EXPECT_EQ(pack("2026-Q4").find("应由对方承办"), std::string::npos) << "it was settled without the meeting";
}

// 110 pushes a matter in September, it is returned and pushed again in October: months add up to what they
// are together.
TEST_F(ReportWorld, AMatterThatIsPushedAgainIsCountedWhereItFirstCame) {
  const auto push = [&](int64_t id, const std::string& handoff) {
    Event came = ledger_.make.Understood(id, clock_.Now(), "110");
    came.set_handoff_id(handoff);
    came.mutable_understood()->mutable_handoff()->set_id(handoff);
    came.mutable_understood()->mutable_registered()->mutable_catalogue()->set_item("A1");
    ledger_.Append(came);
  };
  const absl::Time october = absl::FromCivil(absl::CivilDay(2026, 10, 1), Beijing());
  ASSERT_LT(clock_.Now(), october);
  // The later order has the lower id, and they are read in the order of their last events.
  push(2, "110-0123456789ABC-1");
  push(3, "110-0123456789ABD-1");
  executor_->Advance(absl::Minutes(1));
  clock_.Advance(october + absl::Hours(1) - clock_.Now());
  push(1, "110-0123456789ABC-2");
  push(4, "110-0123456789ABE-1");
  Event again = ledger_.make.Returned(2, clock_.Now());
  ledger_.Append(again);
  executor_->Advance(absl::Minutes(1));
  clock_.Advance(absl::FromCivil(absl::CivilDay(2026, 12, 1), Beijing()) - clock_.Now());
  executor_->Advance(absl::Minutes(1));
  const auto figures = [&](const std::string& period) {
    v1::RenderPackRequest request;
    request.set_period(period);
    const auto paper = Call(*meeting_, &MeetingService::RenderPack, request);
    EXPECT_TRUE(paper.ok()) << paper.status();
    return paper.ok() ? paper->figures() : v1::PackFigures();
  };
  EXPECT_EQ(figures("2026-09").registered(), 2);
  EXPECT_EQ(figures("2026-10").registered(), 1);
  const v1::PackFigures both = figures("2026-09-01..2026-10-31");
  EXPECT_EQ(both.registered(), 3);
  EXPECT_EQ(both.from_peers(), 3);
  ASSERT_EQ(both.items_size(), 1);
  EXPECT_EQ(both.items(0).count(), 3);
}

// A site that takes any unit code keeps the labels of its metrics bounded.
TEST_F(ReportWorld, DeadlinesAreCountedByABoundedNumberOfParties) {
  constexpr int64_t kUnits = 1100;
  for (int64_t id = 1; id <= kUnits; ++id) {
    const absl::Time at = clock_.Now();
    ledger_.Append(ledger_.make.Registered(id, at));
    ledger_.Append(ledger_.make.Accepted(id, at));
    ledger_.Append(ledger_.make.Dispatched(id, at, id == 1 ? "other" : absl::StrCat("unit", id)));
  }
  executor_->Advance(absl::Minutes(1));
  ASSERT_EQ(*store_->reader().ReadCursor(), static_cast<int64_t>(ledger_.log().size()));
  const auto sums = [](const std::vector<DeadlineCount>& counts) {
    std::map<int, int64_t> all;
    for (const DeadlineCount& count : counts) {
      all[count.kind] += count.green + count.yellow + count.red + count.paused;
    }
    return all;
  };
  std::set<std::string> named;
  for (int round = 0; round < 2; ++round) {
    const auto counts = archive_->CountDeadlines(clock_.Now());
    ASSERT_TRUE(counts.ok()) << counts.status();
    std::set<std::string> parties;
    std::set<std::pair<std::string, int>> series;
    for (const DeadlineCount& count : *counts) {
      parties.insert(count.party);
      EXPECT_TRUE(series.emplace(count.party, count.kind).second) << count.party << " twice";
    }
    EXPECT_EQ(parties.size(), 1001u);
    EXPECT_TRUE(parties.contains("other"));
    EXPECT_EQ(sums(*counts), sums(*store_->reader().CountDeadlines(clock_.Now())));
    if (round > 0) {
      EXPECT_EQ(parties, named);
      break;
    }
    named = parties;
    // One that comes before all by its name takes nobody's place.
    ledger_.Append(ledger_.make.Registered(kUnits + 1, clock_.Now()));
    ledger_.Append(ledger_.make.Accepted(kUnits + 1, clock_.Now()));
    ledger_.Append(ledger_.make.Dispatched(kUnits + 1, clock_.Now(), "aaa"));
    executor_->Advance(absl::Minutes(1));
  }
}

TEST_F(ReportWorld, ADisputeBecomesAnItemUntilItIsRuled) {
  ledger_.Append(ledger_.make.Offered(1, clock_.Now()));
  ledger_.Append(ledger_.make.Understood(1, clock_.Now()));
  ledger_.Append(ledger_.make.Returned(1, clock_.Now()));
  Event disputed = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  disputed.mutable_disputed()->mutable_dispute()->set_reason("<b>不是我们的</b>");
  ledger_.Append(disputed);
  executor_->Advance(absl::Minutes(1));
  auto docket = Call(*meeting_, &MeetingService::ListDocket, v1::ListDocketRequest());
  ASSERT_TRUE(docket.ok()) << docket.status();
  ASSERT_EQ(docket->items_size(), 1);
  const std::string item = docket->items(0).item_id();
  EXPECT_EQ(docket->items(0).state(), v1::DOCKET_STATE_OPEN);
  v1::ExportProposalRequest proposal;
  proposal.set_item_id(item);
  EXPECT_EQ(error::ReasonOf(Call(*meeting_, &MeetingService::ExportProposal, proposal).status()),
            error::Reason::ERROR_REASON_NOT_RULED);
  v1::RenderPackRequest pack;
  pack.set_period("2026-Q3");
  const auto paper = Call(*meeting_, &MeetingService::RenderPack, pack);
  ASSERT_TRUE(paper.ok()) << paper.status();
  EXPECT_NE(paper->text().find("&lt;b&gt;不是我们的&lt;/b&gt;"), std::string::npos);

  Event ruled = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  ruled.mutable_ruled()->set_unit("shuiwu");
  ruled.mutable_ruled()->set_ground("权责清单");
  ledger_.Append(ruled);
  executor_->Advance(absl::Minutes(1));
  v1::ListDocketRequest open;
  open.set_state(v1::DOCKET_STATE_OPEN);
  EXPECT_EQ(Call(*meeting_, &MeetingService::ListDocket, open)->items_size(), 0);
  const auto yaml = Call(*meeting_, &MeetingService::ExportProposal, proposal);
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  EXPECT_NE(yaml->yaml().find("lead_unit: \"shuiwu\""), std::string::npos);
  // The same matter once more: a correction of that ruling, not another item; and only by whoever ruled it
  // so.
  v1::RuleDocketItemRequest again;
  again.set_item_id(item);
  again.mutable_ruling()->set_unit("chengguan");
  EXPECT_EQ(error::ReasonOf(Call(*meeting_, &MeetingService::RuleDocketItem, again).status()),
            error::Reason::ERROR_REASON_DOCKET_SETTLED);
  Event corrected = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  corrected.mutable_ruled()->set_unit("chengguan");
  ledger_.Append(corrected);
  executor_->Advance(absl::Minutes(1));
  docket = Call(*meeting_, &MeetingService::ListDocket, v1::ListDocketRequest());
  ASSERT_EQ(docket->items_size(), 1);
  EXPECT_EQ(docket->items(0).ruling().unit(), "chengguan");
  // Returned since, it is another matter.
  Event returned = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  returned.mutable_unit_returned()->set_unit("chengguan");
  ledger_.Append(returned);
  Event final = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  final.mutable_ruled()->set_unit("shuiwu");
  ledger_.Append(final);
  executor_->Advance(absl::Minutes(1));
  EXPECT_EQ(Call(*meeting_, &MeetingService::ListDocket, v1::ListDocketRequest())->items_size(), 2);
  proposal.set_item_id("nonsense");
  EXPECT_EQ(error::ReasonOf(Call(*meeting_, &MeetingService::ExportProposal, proposal).status()),
            error::Reason::ERROR_REASON_DOCKET_ITEM_NOT_FOUND);
}

// Keeps what it is asked to execute.
struct AskedLedger final : test::PartialLedger {
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    static_cast<void>(call);
    for (const type::v1::Command& command : request.commands()) commands.push_back(command);
    workorder::v1::ExecuteResponse response;
    for (int i = 0; i < request.commands_size(); ++i) response.add_results();
    done(std::move(response));
  }
  std::vector<type::v1::Command> commands;
};

// What an accused unit may not rule it may not either where its desktop names it beside the request alone.
TEST_F(ReportWorld, ARulingIsOfTheUnitThatTheCallNames) {
  ledger_.Append(ledger_.make.Understood(1, clock_.Now(), "110"));
  Event disputed = ledger_.make.Make(1, type::v1::ORDER_STATE_RETURNED, clock_.Now());
  disputed.mutable_disputed()->mutable_dispute()->set_reason("应由对方承办");
  ledger_.Append(disputed);
  executor_->Advance(absl::Minutes(1));
  const auto docket = Call(*meeting_, &MeetingService::ListDocket, v1::ListDocketRequest());
  ASSERT_TRUE(docket.ok()) << docket.status();
  ASSERT_EQ(docket->items_size(), 1);
  AskedLedger asked;
  MeetingService meeting(
      executor_.get(), archive_.get(), &asked, [](const std::string&, absl::Time, absl::Time) { return 0; },
      &names_, &discretion_);
  const auto unit_of_ruling = [&](const std::string& in_call, const std::string& in_request) {
    v1::RuleDocketItemRequest request;
    request.set_item_id(docket->items(0).item_id());
    request.mutable_header()->mutable_actor()->set_account("1001");
    request.mutable_header()->mutable_actor()->set_unit(in_request);
    request.mutable_ruling()->set_unit("shuiwu");
    absl::Status status = absl::UnknownError("no answer");
    meeting.RuleDocketItem(
        {.now = clock_.Now(), .unit = in_call}, request,
        [&](const absl::StatusOr<v1::RuleDocketItemResponse>& response) { status = response.status(); });
    executor_->Run();
    EXPECT_TRUE(status.ok()) << status;
    if (asked.commands.empty()) return std::string("nothing was asked");
    EXPECT_EQ(asked.commands.back().header().actor().account(), "1001");
    return asked.commands.back().header().actor().unit();
  };
  EXPECT_EQ(unit_of_ruling("gongan", ""), "gongan");
  EXPECT_EQ(unit_of_ruling("gongan", "minzheng"), "minzheng") << "what the request names stands";
  EXPECT_EQ(unit_of_ruling("", ""), "") << "a hotline's own desk";
}

// The call-taker was told that the joint meeting has it.
TEST_F(ReportWorld, AThreeWayCallThatFailedIsOnTheDocket) {
  Event registered = ledger_.make.Registered(1, clock_.Now());
  type::v1::RouteRecord& route = *registered.mutable_registered()->mutable_route();
  route.mutable_advice()->set_rule(type::v1::LADDER_RULE_FIRST_RECEIVER);
  route.mutable_facts()->set_agreement(type::v1::AGREEMENT_STATE_FAILED);
  route.mutable_facts()->set_agreement_reason("双方都认为不归自己");
  ledger_.Append(registered);
  Event agreed = ledger_.make.Registered(2, clock_.Now());
  agreed.mutable_registered()->mutable_route()->mutable_facts()->set_agreement(
      type::v1::AGREEMENT_STATE_AGREED);
  ledger_.Append(agreed);
  executor_->Advance(absl::Minutes(1));
  const auto docket = [&] { return *Call(*meeting_, &MeetingService::ListDocket, v1::ListDocketRequest()); };
  ASSERT_EQ(docket().items_size(), 1);
  ASSERT_EQ(docket().items(0).grounds_size(), 1);
  EXPECT_EQ(docket().items(0).grounds(0).party(), "12345");
  EXPECT_EQ(docket().items(0).grounds(0).reason(), "双方都认为不归自己");
  // Disputed after that too, it is the same matter.
  Event disputed = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  disputed.mutable_disputed()->mutable_dispute()->set_reason("不是我们的");
  ledger_.Append(disputed);
  executor_->Advance(absl::Minutes(1));
  ASSERT_EQ(docket().items_size(), 1);
  EXPECT_EQ(docket().items(0).grounds_size(), 2);
  // One that went to 110 at once: the meeting reads what 110 and a unit say after that too.
  Event offered = ledger_.make.Offered(3, clock_.Now());
  *offered.mutable_offered()->mutable_registered()->mutable_route() = route;
  ledger_.Append(offered);
  ledger_.Append(ledger_.make.Understood(3, clock_.Now()));
  Event returned = ledger_.make.Returned(3, clock_.Now());
  type::v1::HandoffReturn& handoff_return = *returned.mutable_returned()->mutable_handoff_return();
  handoff_return.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  handoff_return.set_reason("不属警务");
  handoff_return.set_legal_basis("《人民警察法》第六条");
  ledger_.Append(returned);
  Event again = ledger_.make.Make(3, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  again.mutable_disputed()->mutable_dispute()->set_reason("涉及治安");
  ledger_.Append(again);
  Event by_unit = ledger_.make.Make(3, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  by_unit.mutable_unit_returned()->set_unit("chengguan");
  by_unit.mutable_unit_returned()->set_reason("不属城管");
  ledger_.Append(by_unit);
  executor_->Advance(absl::Minutes(1));
  const v1::ListDocketResponse all = docket();
  ASSERT_EQ(all.items_size(), 2);
  const v1::DocketItem& item = all.items(0).order_id() == offered.order_id() ? all.items(0) : all.items(1);
  ASSERT_EQ(item.order_id(), offered.order_id());
  ASSERT_EQ(item.grounds_size(), 4);
  EXPECT_EQ(item.grounds(0).party(), "12345");
  EXPECT_EQ(item.grounds(1).party(), "110");
  EXPECT_EQ(item.grounds(1).legal_basis(), "《人民警察法》第六条");
  EXPECT_EQ(item.grounds(2).reason(), "涉及治安");
  EXPECT_EQ(item.grounds(3).party(), "chengguan");
}

// A restricted order is counted for everybody and named to nobody who need not know.
TEST_F(ReportWorld, ARestrictedOrderIsCountedAndNotNamed) {
  for (int64_t id = 1; id <= 2; ++id) {
    Event registered = ledger_.make.Registered(id, clock_.Now());
    registered.mutable_actor()->set_account("registrar");
    registered.set_restricted(id == 1);
    ledger_.Append(registered);
    for (Event event : {ledger_.make.Accepted(id, clock_.Now()), ledger_.make.Dispatched(id, clock_.Now())}) {
      event.set_restricted(id == 1);
      ledger_.Append(event);
    }
  }
  executor_->Advance(absl::Hours(2));
  const auto overdue = [&](const std::string& account) {
    absl::StatusOr<v1::ListOverdueResponse> answer = absl::UnknownError("no answer");
    report_->ListOverdue(
        {.now = clock_.Now(), .account = account}, v1::ListOverdueRequest(),
        [&](absl::StatusOr<v1::ListOverdueResponse> response) { answer = std::move(response); });
    executor_->Run();
    std::set<std::string> numbers;
    if (!answer.ok()) return numbers;
    for (const v1::Deadline& deadline : answer->deadlines()) numbers.insert(deadline.order_number());
    return numbers;
  };
  EXPECT_EQ(overdue("").size(), 1u);
  EXPECT_EQ(overdue("somebody").size(), 1u);
  EXPECT_EQ(overdue("registrar").size(), 2u);
  int disclosures = 0;
  for (const std::string& order : ledger_.order_of_commands) disclosures += order == FormatOrderId(1);
  EXPECT_EQ(disclosures, 1) << "each showing is recorded";
  EXPECT_EQ(Call(*report_, &ReportService::ListLamps, v1::ListLampsRequest())->total().red(), 4);
  v1::RenderDocumentRequest document;
  document.set_order_id(FormatOrderId(1));
  document.set_kind(v1::DOCUMENT_KIND_CIRCULATE);
  document.set_format(v1::DOCUMENT_FORMAT_HTML);
  EXPECT_EQ(error::ReasonOf(Call(*report_, &ReportService::RenderDocument, document).status()),
            error::Reason::ERROR_REASON_RESTRICTED);
}

// It named the order, its deadline and its clock.
TEST_F(ReportWorld, APageTokenTellsNothingOfWhatIsHidden) {
  const auto hidden = [](int64_t id) { return id % 2 == 0 || id % 100 > 15; };
  for (int64_t id = 1; id <= 20; ++id) {
    for (Event event : {ledger_.make.Registered(id, clock_.Now()), ledger_.make.Accepted(id, clock_.Now()),
                        ledger_.make.Dispatched(id, clock_.Now())}) {
      event.set_restricted(hidden(id));
      ledger_.Append(event);
    }
  }
  executor_->Advance(absl::Hours(2));
  v1::ListOverdueRequest request;
  request.set_page_size(1);
  std::set<std::string> seen;
  do {
    const auto page = Call(*report_, &ReportService::ListOverdue, request);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_EQ(page->deadlines_size(), 1) << "what goes on has something to show";
    seen.insert(page->deadlines(0).order_id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen.size(), 8u);
  // Nor where a page ends because it has looked at enough.
  RunningQuery query{.limit = 100, .scan_limit = 11, .may_know = [&](const RunningRow& row) {
                       return !hidden(row.order_id);
                     }};
  seen.clear();
  for (std::optional<RunningKey> next = RunningKey(); next.has_value();) {
    query.after = *next;
    const auto page = store_->reader().ListRunning(query);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const RunningRow& row : page->rows) seen.insert(FormatOrderId(row.order_id));
    next = page->next;
    EXPECT_FALSE(next.has_value() && hidden(next->order_id));
  }
  EXPECT_EQ(seen.size(), 8u);

  for (int64_t id = 101; id <= 120; ++id) {
    for (Event event : {ledger_.make.Offered(id, clock_.Now()), ledger_.make.Understood(id, clock_.Now()),
                        ledger_.make.Returned(id, clock_.Now()),
                        ledger_.make.Make(id, type::v1::ORDER_STATE_ACCEPTED, clock_.Now())}) {
      if (event.detail_case() == Event::DETAIL_NOT_SET) {
        event.mutable_disputed()->mutable_dispute()->set_reason("不是我们的");
      }
      event.set_restricted(hidden(id));
      ledger_.Append(event);
    }
  }
  executor_->Advance(absl::Minutes(1));
  v1::ListDocketRequest docket;
  docket.set_page_size(1);
  seen.clear();
  do {
    const auto page = Call(*meeting_, &MeetingService::ListDocket, docket);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_EQ(page->items_size(), 1) << "what goes on has something to show";
    seen.insert(page->items(0).order_id());
    docket.set_page_token(page->next_page_token());
  } while (!docket.page_token().empty());
  EXPECT_EQ(seen.size(), 8u);
}

TEST_F(ReportWorld, AProposalOfARestrictedOrderIsRecordedAsShown) {
  Event registered = ledger_.make.Registered(1, clock_.Now());
  registered.mutable_actor()->set_account("registrar");
  Event disputed = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  disputed.mutable_disputed()->mutable_dispute()->set_reason("不是我们的");
  Event ruled = ledger_.make.Make(1, type::v1::ORDER_STATE_ACCEPTED, clock_.Now());
  ruled.mutable_ruled()->set_unit("shuiwu");
  for (Event event : {registered, disputed, ruled}) {
    event.set_restricted(true);
    ledger_.Append(event);
  }
  executor_->Advance(absl::Minutes(1));
  const auto shown = [&] {
    return std::count(ledger_.order_of_commands.begin(), ledger_.order_of_commands.end(), FormatOrderId(1));
  };
  const auto before = shown();
  const auto yaml = [&](const std::string& account) {
    v1::ExportProposalRequest request;
    request.set_item_id(absl::StrCat(FormatOrderId(1), "-", disputed.sequence()));
    absl::StatusOr<v1::ExportProposalResponse> answer = absl::UnknownError("no answer");
    meeting_->ExportProposal(
        {.now = clock_.Now(), .account = account}, request,
        [&](absl::StatusOr<v1::ExportProposalResponse> response) { answer = std::move(response); });
    executor_->Run();
    return answer;
  };
  EXPECT_EQ(error::ReasonOf(yaml("somebody").status()), error::Reason::ERROR_REASON_RESTRICTED);
  EXPECT_EQ(shown(), before);
  const auto answer = yaml("registrar");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->yaml().find("lead_unit: \"shuiwu\""), std::string::npos);
  EXPECT_EQ(shown(), before + 1) << "as each showing is";
  // What cannot be recorded is not shown.
  ledger_.refuse_calls = 1;
  EXPECT_FALSE(yaml("registrar").ok());
}

}  // namespace
}  // namespace hotline::escalation::report
