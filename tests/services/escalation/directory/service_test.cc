// The service over a real store: idempotency, versions, history, files, restart.
#include "services/escalation/directory/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "common/error/error.h"
#include "common/sql/faulty.h"
#include "common/sql/sqlite.h"
#include "tests/services/escalation/directory/world.h"
#include "tests/support/sql_scratch.h"
#include "tests/support/steps.h"

namespace hotline::escalation::directory::test {
namespace {

using error::ReasonOf;
using hotline::test::Steps;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DirectoryServiceTest : public testing::Test, public Listener {
 protected:
  DirectoryServiceTest() : steps_(kNow) { Start(); }

  void Start() {
    service_.reset();
    auto database = sql::OpenSqlite({.path = scratch_.path() + "/directory.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    auto store =
        Store::Open(sql::MakeFaulty(*std::move(database), [this](int64_t) { return fault_; }), "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    service_ =
        std::make_unique<Service>(&steps_, steps_.clock(), *std::move(store),
                                  Reach{.hotline = "12345", .webhooks = {"sms"}, .hours = &hours_}, this);
    config::v1::UnitList units;
    units.set_version("v1");
    config::v1::Unit& unit = *units.add_units();
    unit.set_code("zhujianju");
    unit.set_display_name("住建局");
    unit.add_aliases("县住建局");
    ASSERT_TRUE(service_->Open(units, {{"12345", "热线"}, {"110", "110"}}).ok());
    service_->Start();
    steps_.RunDue();
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(void (Service::*method)(const CallContext&, Request, Done<Response>),
                                Request request) {
    absl::StatusOr<Response> result = absl::UnknownError("not answered");
    (service_.get()->*method)({.now = steps_.clock()->Now()}, std::move(request),
                              [&](absl::StatusOr<Response> response) { result = std::move(response); });
    steps_.RunDue();
    return result;
  }

  v1::ChangeDirectoryRequest Change(const std::vector<v1::DirectoryEdit>& edits) {
    v1::ChangeDirectoryRequest request;
    request.mutable_header()->set_request_id("change-" + std::to_string(1000 + ++requests_));
    request.mutable_header()->set_account("2001");
    request.mutable_header()->set_reported_by("住建局办公室");
    request.mutable_header()->set_reference("乌建字〔2026〕1号");
    request.mutable_edits()->Assign(edits.begin(), edits.end());
    return request;
  }
  std::vector<v1::DirectoryEdit> Staff() {
    return {Put(Somebody("a1", "县住建局")), Put(Somebody("a2", "zhujianju")),
            Put(Role("住建局", v1::STAFF_ROLE_LEADER, "a1")),
            Put(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2"))};
  }
  v1::ImportDirectoryRequest Import(std::string csv, bool replace = false) {
    v1::ImportDirectoryRequest request;
    *request.mutable_header() = Change({}).header();
    request.set_csv(std::move(csv));
    request.set_replace(replace);
    return request;
  }

  void OnPreflight(const PreflightSummary& summary) override { preflights_.push_back(summary); }
  void OnSeedFailed(const absl::Status& status) override { ADD_FAILURE() << status; }
  void OnStoreFailed(const absl::Status& status) override {
    if (fault_ == sql::Fault::kNone) ADD_FAILURE() << status;
    store_.emplace_back("failed");
  }
  void OnStoreWorks() override { store_.emplace_back("works"); }

  ScratchFolder scratch_;
  Steps steps_;
  PlainHours hours_;
  std::unique_ptr<Service> service_;
  std::vector<PreflightSummary> preflights_;
  sql::Fault fault_ = sql::Fault::kNone;  // of each commit
  std::vector<std::string> store_;        // what was said of it
  int requests_ = 0;
};

TEST_F(DirectoryServiceTest, AChangeIsKeptWithWhoReportedIt) {
  const v1::ChangeDirectoryRequest request = Change(Staff());
  const auto first = Call(&Service::ChangeDirectory, request);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->version(), 2) << "the seed was the first";
  EXPECT_THAT(first->changes(), SizeIs(4));
  // Again: the same answer, and nothing more.
  Start();
  const auto again = Call(&Service::ChangeDirectory, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  // The same id with another body.
  v1::ChangeDirectoryRequest other = request;
  other.mutable_edits()->RemoveLast();
  EXPECT_EQ(ReasonOf(Call(&Service::ChangeDirectory, other).status()),
            type::v1::ERROR_REASON_REQUEST_ID_REUSED);
  // On an old version.
  v1::ChangeDirectoryRequest stale = Change({Remove(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2"))});
  stale.mutable_header()->set_expected_version(1);
  EXPECT_EQ(ReasonOf(Call(&Service::ChangeDirectory, stale).status()), type::v1::ERROR_REASON_STALE_VERSION);

  v1::ListDirectoryChangesRequest history;
  history.set_unit("住建局");
  history.set_page_size(3);
  auto page = Call(&Service::ListDirectoryChanges, history);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_THAT(page->changes(), SizeIs(3));
  EXPECT_EQ(page->changes(0).header().reported_by(), "住建局办公室");
  EXPECT_EQ(page->changes(0).header().report_time().seconds(), absl::ToUnixSeconds(kNow));
  history.set_page_token(page->next_page_token());
  page = Call(&Service::ListDirectoryChanges, history);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_THAT(page->changes(), SizeIs(2)) << "the rest, and the seed";
  EXPECT_EQ(page->changes(1).header().account(), "service/escalation");
  EXPECT_THAT(page->next_page_token(), IsEmpty());
}

TEST_F(DirectoryServiceTest, PagesOfEntries) {
  ASSERT_TRUE(Call(&Service::ChangeDirectory, Change(Staff())).ok());
  v1::ListDirectoryRequest request;
  request.set_page_size(2);
  std::vector<std::string> keys;
  do {
    const auto page = Call(&Service::ListDirectory, request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& entry : page->entries()) keys.push_back(KeyOf(entry));
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(keys, SizeIs(7)) << "three units, two persons, two roles";
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  request.set_unit("12345");
  request.set_page_token("x");
  EXPECT_EQ(ReasonOf(Call(&Service::ListDirectory, request).status()),
            type::v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  request.clear_page_token();
  request.set_unit("nosuch");
  EXPECT_EQ(ReasonOf(Call(&Service::ListDirectory, request).status()),
            type::v1::ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN);
}

TEST_F(DirectoryServiceTest, BadHeadersAndEditsAreRefused) {
  v1::ChangeDirectoryRequest request = Change(Staff());
  request.mutable_header()->set_request_id("x");
  EXPECT_EQ(ReasonOf(Call(&Service::ChangeDirectory, request).status()),
            type::v1::ERROR_REASON_REQUEST_ID_INVALID);
  request = Change(Staff());
  request.mutable_header()->clear_reported_by();
  EXPECT_EQ(error::FieldOf(Call(&Service::ChangeDirectory, request).status()), "header.reported_by");
  request = Change(Staff());
  request.mutable_header()->mutable_report_time()->set_seconds(absl::ToUnixSeconds(kNow) + 3600);
  EXPECT_EQ(ReasonOf(Call(&Service::ChangeDirectory, request).status()), type::v1::ERROR_REASON_TIME_INVALID);
  EXPECT_EQ(
      error::FieldOf(Call(&Service::ChangeDirectory, Change({Put(Somebody("a b", "zhujianju"))})).status()),
      "edits[0].put.person.id");
  const absl::Status status = Call(&Service::ChangeDirectory,
                                   Change({Put(Somebody("ok", "zhujianju")), Put(Somebody("p", "nosuch"))}))
                                  .status();
  EXPECT_EQ(error::FieldOf(status), "edits[1].put.person.unit");
  EXPECT_THAT(error::ChineseOf(status), HasSubstr("没有该单位"));
}

// The store refuses such a text as if it had failed itself, and a client would ask again and again.
TEST_F(DirectoryServiceTest, WhatCannotBeATextIsTheClientsFault) {
  v1::ListDirectoryChangesRequest request;
  request.set_unit(std::string("a\0b", 3));
  const absl::Status status = Call(&Service::ListDirectoryChanges, request).status();
  EXPECT_EQ(ReasonOf(status), type::v1::ERROR_REASON_TEXT_INVALID);
  EXPECT_EQ(error::FieldOf(status), "unit");
  request.set_unit("gone");
  EXPECT_TRUE(Call(&Service::ListDirectoryChanges, request).ok())
      << "a unit that is no more may have history";
}

TEST_F(DirectoryServiceTest, AFileIsTakenWholeOrNotAtAll) {
  const std::string header = "kind,unit,display_name,person,account,role,from,until\r\n";
  const std::string good = header +
                           "person,zhujianju,张三,a1,desk1,,,\r\n"
                           "person,zhujianju,李四,a2,desk2,,,\r\n"
                           "role,zhujianju,,a1,,leader,,\r\n"
                           "role,zhujianju,,a2,,handler,,\r\n";
  // Two bad rows: both are named, nothing is done.
  auto refused =
      Call(&Service::ImportDirectory,
           Import(good + "role,zhujianju,,nobody,,deputy,,\r\nperson,nosuch,王五,a3,desk3,,,\r\n"));
  EXPECT_EQ(error::FieldOf(refused.status()), "rows[7].unit") << "persons come before roles";
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("rows[6].person"));
  EXPECT_EQ(service_->snapshot()->version(), 1);
  refused = Call(&Service::ImportDirectory, Import(good + "boss,,,,,,,\r\n"));
  EXPECT_EQ(error::FieldOf(refused.status()), "rows[6].kind");
  // Only asked.
  v1::ImportDirectoryRequest dry = Import(good);
  dry.set_validate_only(true);
  ASSERT_TRUE(Call(&Service::ImportDirectory, dry).ok());
  EXPECT_EQ(service_->snapshot()->version(), 1);

  const auto done = Call(&Service::ImportDirectory, Import(good));
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->added_count(), 4);
  EXPECT_EQ(done->row_count(), 4);
  // What comes out goes in again and changes nothing.
  const auto out = Call(&Service::ExportDirectory, v1::ExportDirectoryRequest());
  ASSERT_TRUE(out.ok());
  const auto same = Call(&Service::ImportDirectory, Import(out->csv(), /*replace=*/true));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->version(), done->version());
  EXPECT_EQ(same->added_count() + same->changed_count() + same->removed_count(), 0);
  // Replaced by less.
  const auto less =
      Call(&Service::ImportDirectory, Import("kind,unit,display_name\r\nunit,12345,热线\r\n", true));
  ASSERT_TRUE(less.ok()) << less.status();
  EXPECT_EQ(less->removed_count(), 6);
  EXPECT_THAT(service_->snapshot()->entries(), SizeIs(1));
}

// A file of today's directory neither has the shifts of the past nor takes them away.
TEST_F(DirectoryServiceTest, ShiftsThatHaveEndedStayThoughNoFileHasThem) {
  ASSERT_TRUE(Call(&Service::ChangeDirectory, Change(Staff())).ok());
  const auto shifts =
      Call(&Service::ChangeDirectory,
           Change({Put(Duty("zhujianju", "a2", kNow, kNow + absl::Hours(8))),
                   Put(Duty("zhujianju", "a1", kNow + absl::Hours(8), kNow + absl::Hours(16)))}));
  ASSERT_TRUE(shifts.ok()) << shifts.status();
  const size_t entries = service_->snapshot()->entries().size();
  steps_.Advance(absl::Hours(9));
  const auto out = Call(&Service::ExportDirectory, v1::ExportDirectoryRequest());
  ASSERT_TRUE(out.ok());
  size_t duties = 0;
  for (size_t at = 0; (at = out->csv().find("duty,", at)) != std::string::npos; ++at) ++duties;
  EXPECT_EQ(duties, 1u) << out->csv();
  const auto same = Call(&Service::ImportDirectory, Import(out->csv(), /*replace=*/true));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->removed_count(), 0);
  EXPECT_THAT(service_->snapshot()->entries(), SizeIs(entries));
}

TEST_F(DirectoryServiceTest, LooksAheadAtTheStartAfterChangesAndEveryHour) {
  ASSERT_THAT(preflights_, SizeIs(1));
  EXPECT_GT(preflights_.back().unreachable_rungs, 0);
  EXPECT_EQ(preflights_.back().units, 3);
  const int before = preflights_.back().unreachable_rungs;
  ASSERT_TRUE(Call(&Service::ChangeDirectory, Change(Staff())).ok());
  ASSERT_THAT(preflights_, SizeIs(2));
  EXPECT_LT(preflights_.back().unreachable_rungs, before);
  steps_.Advance(absl::Hours(1));
  EXPECT_THAT(preflights_, SizeIs(3));
  v1::RunPreflightRequest request;
  const auto answer = Call(&Service::RunPreflight, request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->unreachable_rungs(), preflights_.back().unreachable_rungs);
  EXPECT_EQ(answer->end_time().seconds() - answer->start_time().seconds(), 7 * 86400);
}

// The gaps of sixty units without anybody in a month were 8 MB, which ordinary clients do not take.
TEST_F(DirectoryServiceTest, APreflightTellsOfEveryUnitAndFitsIntoAnAnswer) {
  std::vector<v1::DirectoryEdit> units;
  for (int i = 10; i < 70; ++i) units.push_back(Put(Unit("unit-without-anybody-" + std::to_string(i))));
  ASSERT_TRUE(Call(&Service::ChangeDirectory, Change(units)).ok());
  v1::RunPreflightRequest request;
  request.set_days(31);
  const auto answer = Call(&Service::RunPreflight, request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_LT(answer->ByteSizeLong(), 4u << 20);
  EXPECT_GT(answer->ByteSizeLong(), 1u << 20);
  std::map<std::pair<std::string, int>, int> gaps;
  for (const v1::PreflightGap& gap : answer->gaps()) ++gaps[{gap.unit(), gap.rung()}];
  EXPECT_THAT(gaps, SizeIs(answer->unreachable_rungs()));
  request.set_unit("unit-without-anybody-69");
  const auto one = Call(&Service::RunPreflight, request);
  ASSERT_TRUE(one.ok()) << one.status();
  int shown = 0;
  for (const auto& [rung, count] : gaps) {
    if (rung.first == request.unit()) shown += count;
  }
  EXPECT_GT(one->gaps_size(), shown) << "asked for alone it is told whole";
}

// A request has to know what of it is at fault.
TEST_F(DirectoryServiceTest, AFullDirectoryIsTheFaultOfWhatWasSent) {
  std::string file = "kind,unit,display_name,person,account,from,until\r\n";
  file += "person,zhujianju,某,d1,9,,\r\n";
  absl::Time from = At(2027, 1, 1);
  const auto shift = [&from] {
    const std::string begin = absl::FormatTime("%Y-%m-%d %H:%M", from, Beijing());
    from += absl::Hours(1);
    return "duty,zhujianju,,d1,," + begin + "," + absl::FormatTime("%Y-%m-%d %H:%M", from, Beijing()) +
           "\r\n";
  };
  for (int i = 0; i < 19'990; ++i) file += shift();
  ASSERT_TRUE(Call(&Service::ImportDirectory, Import(file, false)).ok());
  std::vector<v1::DirectoryEdit> edits;
  for (int i = 100; i < 120; ++i) edits.push_back(Put(Somebody("p" + std::to_string(i), "zhujianju")));
  const absl::Status change = Call(&Service::ChangeDirectory, Change(edits)).status();
  EXPECT_EQ(ReasonOf(change), type::v1::ERROR_REASON_LIST_INVALID) << change;
  EXPECT_EQ(error::FieldOf(change), "edits");
  file = "kind,unit,display_name,person,account,from,until\r\n";
  for (int i = 0; i < 20; ++i) file += shift();
  const absl::Status import = Call(&Service::ImportDirectory, Import(file, false)).status();
  EXPECT_EQ(ReasonOf(import), type::v1::ERROR_REASON_LIST_INVALID) << import;
  EXPECT_EQ(error::FieldOf(import), "csv");
}

TEST_F(DirectoryServiceTest, AfterAFullDiskTheStoreWorksAgain) {
  const v1::ChangeDirectoryRequest change = Change(Staff());
  fault_ = sql::Fault::kDiskFull;
  EXPECT_EQ(ReasonOf(Call(&Service::ChangeDirectory, change).status()), type::v1::ERROR_REASON_DISK_FULL);
  EXPECT_THAT(store_, ElementsAre("failed"));
  fault_ = sql::Fault::kNone;
  ASSERT_TRUE(Call(&Service::ChangeDirectory, change).ok());
  EXPECT_THAT(store_, ElementsAre("failed", "works"));
  // Nobody changes anything: the next look finds out.
  fault_ = sql::Fault::kDiskFull;
  EXPECT_FALSE(Call(&Service::ChangeDirectory, Change({Put(Somebody("a4", "zhujianju"))})).ok());
  fault_ = sql::Fault::kNone;
  steps_.Advance(absl::Hours(1));
  EXPECT_THAT(store_, ElementsAre("failed", "works", "failed", "works"));
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(store_, SizeIs(4)) << "told on a change only";
}

TEST_F(DirectoryServiceTest, AfterAFailedCommitACheckpointProvesNothing) {
  fault_ = sql::Fault::kFailBeforeCommit;
  EXPECT_EQ(ReasonOf(Call(&Service::ChangeDirectory, Change(Staff())).status()),
            type::v1::ERROR_REASON_STORE_FAILED);
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(store_, ElementsAre("failed"));
}

TEST_F(DirectoryServiceTest, OfAFailedCommitNobodyIsToldThatNothingWasDone) {
  fault_ = sql::Fault::kFailAfterCommit;
  const v1::ChangeDirectoryRequest change = Change(Staff());
  const absl::Status failed = Call(&Service::ChangeDirectory, change).status();
  EXPECT_EQ(error::ChineseOf(failed).find("未生效"), std::string::npos) << "it is there";
  const absl::Status other = Call(&Service::ChangeDirectory, Change(Staff())).status();
  EXPECT_NE(error::ChineseOf(other).find("未生效"), std::string::npos) << "it was refused at once";
}

TEST_F(DirectoryServiceTest, WhoRepeatsAChangeInDoubtIsNotToldWhatBecameOfIt) {
  const v1::ChangeDirectoryRequest older = Change(Staff());
  ASSERT_TRUE(Call(&Service::ChangeDirectory, older).ok());
  for (const sql::Fault fault : {sql::Fault::kFailBeforeCommit, sql::Fault::kFailAfterCommit}) {
    fault_ = sql::Fault::kNone;
    Start();
    fault_ = fault;
    const v1::ChangeDirectoryRequest change = Change({Put(Somebody("a4", "zhujianju"))});
    for (int i = 0; i < 2; ++i) {
      const absl::Status failed = Call(&Service::ChangeDirectory, change).status();
      EXPECT_EQ(ReasonOf(failed), type::v1::ERROR_REASON_STORE_FAILED);
      EXPECT_NE(error::ChineseOf(failed).find("结果未知"), std::string::npos) << "time " << i;
    }
    EXPECT_TRUE(Call(&Service::ChangeDirectory, older).ok()) << "of it there is no doubt";
  }
}

TEST_F(DirectoryServiceTest, ResolvesByAnyName) {
  ASSERT_TRUE(Call(&Service::ChangeDirectory, Change(Staff())).ok());
  v1::ResolveRecipientsRequest request;
  request.set_unit("县住建局");
  request.set_rung(type::v1::RUNG_URGE);
  const auto answer = Call(&Service::ResolveRecipients, request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_THAT(answer->recipients(), SizeIs(2));
  EXPECT_EQ(answer->recipients(0).person().id(), "a2");
  request.set_rung(type::v1::RUNG_UNSPECIFIED);
  EXPECT_EQ(ReasonOf(Call(&Service::ResolveRecipients, request).status()),
            type::v1::ERROR_REASON_ENUM_INVALID);
}

TEST_F(DirectoryServiceTest, AnotherHotlinesStoreIsRefused) {
  service_.reset();
  auto database = sql::OpenSqlite({.path = scratch_.path() + "/directory.db"});
  ASSERT_TRUE(database.ok());
  EXPECT_FALSE(Store::Open(*std::move(database), "110").ok());
}

}  // namespace
}  // namespace hotline::escalation::directory::test
