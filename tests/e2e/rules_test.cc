// Rules that change while orders are open, with real processes: previewed, published, carried out through
// kill -9, explained, and the same after the store is deleted; policies by their text, calendars by the files
// that hotlinectl is given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/civil_time.h"
#include "google/protobuf/util/json_util.h"
#include "hotline/escalation/v1/directory_service.pb.h"
#include "tests/support/desk.h"
#include "tests/support/process.h"

namespace hotline::test {
namespace {

using escalation::v1::Deadline;
using escalation::v1::EscalationService;
using testing::HasSubstr;
using workorder::v1::WorkOrderService;

constexpr int kOrders = 40;

class RulesTest : public testing::Test {
 protected:
  void SetUp() override {
    config::v1::Policy& policy = site_.policy();
    policy.Clear();
    policy.set_version("days-5");
    policy.set_document("试行办法");
    config::v1::DeadlineRule* rule = policy.add_rules();
    rule->set_clock(type::v1::CLOCK_KIND_FINISH);
    SetPolicy(rule);
    site_.config().mutable_escalation()->set_calendars_file(HOTLINE_SOURCE_DIR
                                                            "/deploy/calendars/wuqia.yaml");
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
    for (int i = 0; i < kOrders; ++i) {
      workorder::v1::CreateWorkOrderRequest request;
      request.mutable_header()->set_request_id(absl::StrCat("create-rules-", i));
      request.mutable_header()->mutable_actor()->set_account("1001");
      *request.mutable_registration()->mutable_content() = MakePush(i, "110").content();
      const auto created = Must(site_.work_order(), &WorkOrderService::Stub::CreateWorkOrder, request);
      Accept(site_, created.order().id());
      ids_.push_back(created.order().id());
    }
    ASSERT_TRUE(Eventually([&] { return Finish().size() == kOrders; }));
  }

  virtual void SetPolicy(config::v1::DeadlineRule* rule) { rule->mutable_limit()->set_working_days(5); }

  // By order.
  std::map<std::string, Deadline> Finish() {
    escalation::v1::ListDeadlinesRequest request;
    request.set_page_size(500);
    std::map<std::string, Deadline> found;
    const auto answer = Must(site_.escalation(), &EscalationService::Stub::ListDeadlines, request);
    for (const Deadline& one : answer.deadlines()) {
      found.emplace(one.order_id(), one);
    }
    return found;
  }

  int Moves(const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    int moves = 0;
    while (true) {
      const auto answer = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, request);
      for (const auto& event : answer.events()) {
        moves += event.has_deadline_moved() ? 1 : 0;
      }
      if (answer.events().empty() || answer.events(0).previous_order_sequence() == 0) return moves;
      request.set_before_sequence(answer.events(0).sequence());
    }
  }

  bool Settled() {
    const auto list = Must(site_.escalation(), &EscalationService::Stub::ListPublications,
                           escalation::v1::ListPublicationsRequest());
    return list.publications_size() == 2 && list.settled();
  }

  TwoSites sites_;
  Site& site_ = sites_.a;
  std::vector<std::string> ids_;
};

TEST_F(RulesTest, AChangeIsPreviewedCarriedOutThroughKillsAndOutlivesTheStore) {
  const std::string yaml = "version: days-7\nrules:\n  - {clock: FINISH, limit: {working_days: 7}}\n";
  escalation::v1::PreviewRulesRequest preview;
  preview.set_policy_yaml(yaml);
  const auto shown = Must(site_.escalation(), &EscalationService::Stub::PreviewRules, preview);
  EXPECT_EQ(shown.publication(), 2);
  EXPECT_EQ(shown.clock_count(), kOrders);
  EXPECT_EQ(shown.moved_count(), kOrders);
  EXPECT_EQ(shown.later_count(), kOrders);
  EXPECT_EQ(shown.moves_size(), 20);
  EXPECT_THAT(shown.summary_zh(), HasSubstr("40个时限将调整"));
  const auto before = Finish();

  escalation::v1::PublishRulesRequest publish;
  publish.set_policy_yaml(yaml);
  publish.set_digest("something else");
  publish.set_note("办法修订");
  publish.mutable_actor()->set_account("2001");
  escalation::v1::PublishRulesResponse published;
  {
    Call call;
    EXPECT_EQ(site_.escalation().PublishRules(&call, publish, &published).error_code(),
              grpc::StatusCode::FAILED_PRECONDITION);
  }
  publish.set_digest(shown.digest());
  EXPECT_EQ(Must(site_.escalation(), &EscalationService::Stub::PublishRules, publish).publication(), 2);
  // Killed in the midst of it, and once more.
  for (int i = 0; i < 2; ++i) {
    site_.Kill(Service::kEscalation);
    ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  }
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  // Settled: all moves are in the log, and the clocks go by them.
  std::map<std::string, Deadline> after = Finish();
  for (const std::string& id : ids_) {
    EXPECT_EQ(Moves(id), 1) << id;
    EXPECT_GT(after.at(id).due_time().seconds(), before.at(id).due_time().seconds());
    EXPECT_EQ(after.at(id).policy_version(), "days-7");
    EXPECT_EQ(after.at(id).publication(), 2);
  }

  escalation::v1::ExplainDeadlineRequest explain;
  explain.set_order_id(ids_[0]);
  const auto explained = Must(site_.escalation(), &EscalationService::Stub::ExplainDeadline, explain);
  EXPECT_THAT(explained.text_zh(), HasSubstr("7个工作日"));
  EXPECT_EQ(explained.derivation().result_time().seconds(), after.at(ids_[0]).due_time().seconds());
  EXPECT_GT(explained.derivation().limit().segments_size(), 5);

  escalation::v1::GetTimeLedgerRequest request;
  request.set_order_id(ids_[0]);
  const auto ledger = Must(site_.escalation(), &EscalationService::Stub::GetTimeLedger, request).ledger();
  ASSERT_GE(ledger.sums_size(), 1);
  EXPECT_EQ(ledger.sums(0).party(), "12345");

  // An order with more events than one answer holds: its time is booked from its first event on.
  for (int batch = 0; batch < 5; ++batch) {
    workorder::v1::ExecuteRequest execute;
    for (int i = 0; i < 250; ++i) {
      type::v1::Command& command = *execute.add_commands();
      command.mutable_header()->set_order_id(ids_[1]);
      command.mutable_header()->set_request_id(absl::StrCat("progress-", batch, "-", i));
      command.mutable_header()->mutable_actor()->set_account("1001");
      command.mutable_progress()->set_note("仍在办理");
    }
    const auto executed = Must(site_.ledger(), &workorder::v1::LedgerService::Stub::Execute, execute);
    for (const auto& result : executed.results()) ASSERT_FALSE(result.has_error());
  }
  workorder::v1::ListOrderEventsRequest page;
  page.set_order_id(ids_[1]);
  const auto latest = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, page);
  ASSERT_EQ(latest.events_size(), 1000);
  page.set_before_sequence(latest.events(0).sequence());
  const auto earlier = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, page);
  ASSERT_GT(earlier.events_size(), 250);
  EXPECT_TRUE(earlier.events(0).has_registered());
  EXPECT_EQ(earlier.events(earlier.events_size() - 1).sequence(), latest.events(0).previous_order_sequence());
  request.set_order_id(ids_[1]);
  const auto whole = Must(site_.escalation(), &EscalationService::Stub::GetTimeLedger, request).ledger();
  EXPECT_EQ(whole.begin_time().seconds(), earlier.events(0).commit_time().seconds());

  // The store is a projection of the log and the publications.
  site_.Kill(Service::kEscalation);
  for (const auto& entry : std::filesystem::directory_iterator(site_.folder() + "/escalation")) {
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  }
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  ASSERT_TRUE(Eventually([&] { return Finish().size() == kOrders && Settled(); }));
  for (const auto& [id, deadline] : Finish()) {
    EXPECT_EQ(deadline.due_time().seconds(), after.at(id).due_time().seconds());
    EXPECT_EQ(Moves(id), 1) << "nothing is moved again";
  }
}

// Working time that changes while orders are open, by files that somebody at a terminal has: the year that
// was provisional becomes announced.
class CalendarRulesTest : public RulesTest {
 protected:
  // So many working days reach beyond what is shipped, whenever this runs.
  static constexpr int kDays = 300;
  static constexpr char kNotice[] = "国办发明电〔2026〕9号";

  void SetPolicy(config::v1::DeadlineRule* rule) override {
    rule->mutable_limit()->set_working_days(kDays);
    rule->set_calendar("office");
    config::v1::Unit* unit = site_.units().add_units();
    unit->set_code("minzheng");
    unit->set_display_name("民政局");
  }
  // Whether the unit's office is open, as whoever is to be told is found.
  bool IsOpenAt(const std::string& time) {
    const std::string text = Ctl({"--json", "directory", "who", "minzheng", "--rung", "urge", "--at", time},
                                 /*nobody is named*/ 4);
    escalation::v1::ResolveRecipientsResponse response;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text, &response).ok()) << text;
    return response.office_hours();
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(sites_.folder.path() + "/" + name) << text;
  }
  // Runs hotlinectl in the test's folder; what it prints.
  std::string Ctl(const std::vector<std::string>& arguments, int expected_status = 0) {
    const std::string log = sites_.folder.path() + "/ctl.log";
    std::filesystem::remove(log);
    // The log takes what it prints too.
    std::vector<std::string> command = {"/bin/sh",
                                        "-c",
                                        "cd \"$0\" && exec \"$@\" >&2",
                                        sites_.folder.path(),
                                        BuildFolder() + "/services/hotlinectl/hotlinectl",
                                        "--work-order",
                                        site_.address(Service::kWorkOrder),
                                        "--escalation",
                                        site_.address(Service::kEscalation),
                                        "--account",
                                        "2001"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    auto process = Process::Start(command, log);
    EXPECT_TRUE(process.ok()) << process.status();
    const int status = (*process)->Wait(absl::Seconds(60));
    std::ifstream file(log);
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_EQ(status, expected_status) << text;
    return text;
  }
  escalation::v1::PreviewRulesResponse Preview(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--json", "calendar", "preview"});
    escalation::v1::PreviewRulesResponse shown;
    const std::string text = Ctl(arguments);
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text, &shown).ok()) << text;
    return shown;
  }
  // Of each move of an order's deadlines.
  std::vector<type::v1::DeadlineMove> MovesOf(const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    std::vector<type::v1::DeadlineMove> moves;
    const auto history = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, request);
    for (const auto& event : history.events()) {
      if (event.has_deadline_moved()) moves.push_back(event.deadline_moved());
    }
    return moves;
  }
  bool SettledAt(int64_t publication) {
    const auto list = Must(site_.escalation(), &EscalationService::Stub::ListPublications,
                           escalation::v1::ListPublicationsRequest());
    return !list.publications().empty() && list.publications(0).number() == publication && list.settled();
  }
  std::string Event(const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    return Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, request).SerializeAsString();
  }
};

TEST_F(CalendarRulesTest, TheProvisionalYearBecomesAnnounced) {
  // One whose work is over before.
  const std::string closed = ids_.back();
  ids_.pop_back();
  auto cancel = For<workorder::v1::CancelWorkOrderRequest>(closed);
  cancel.mutable_cancellation()->set_reason("重复");
  Must(site_.work_order(), &WorkOrderService::Stub::CancelWorkOrder, cancel);
  ASSERT_TRUE(Eventually([&] { return Finish().size() == ids_.size(); }));
  const int open = static_cast<int>(ids_.size());
  const std::string history = Event(closed);

  const std::map<std::string, Deadline> before = Finish();
  int64_t latest = 0;
  for (const auto& [id, deadline] : before) {
    EXPECT_TRUE(deadline.provisional()) << "no notice has decided those dates";
    latest = std::max(latest, deadline.due_time().seconds());
  }
  // A week off just before they are due, as holidays are published.
  const absl::TimeZone beijing = absl::FixedTimeZone(8 * 3600);
  const absl::CivilDay due(beijing.At(absl::FromUnixSeconds(latest)).cs);
  std::string json = "[";
  for (int i = 7; i > 0; --i) {
    absl::StrAppend(&json, json.size() > 1 ? ",\n " : "", R"({"date": ")", absl::FormatCivilTime(due - i),
                    R"(", "off": true, "name": "春节"})");
  }
  Write("holidays.json", json + "]\n");
  const std::string until = absl::FormatCivilTime(due + 120);
  const std::vector<std::string> notice = {"holidays.json", "--document", kNotice,   "--issued", "2026-11-04",
                                           "--from",        "2027-01-01", "--until", until};

  absl::CivilDay holiday = due - 1;
  while (absl::GetWeekday(holiday) >= absl::Weekday::saturday) --holiday;
  const std::string that_day = absl::StrCat(absl::FormatCivilTime(holiday), " 11:00");
  EXPECT_TRUE(IsOpenAt(that_day));

  const auto shown = Preview(notice);
  EXPECT_EQ(shown.publication(), 2);
  EXPECT_EQ(shown.clock_count(), open);
  EXPECT_EQ(shown.moved_count(), open);
  EXPECT_EQ(shown.later_count(), open);
  EXPECT_EQ(shown.become_overdue_count(), 0);
  EXPECT_EQ(shown.summary(), absl::StrCat(open, " deadlines move, 0 become overdue, 0 are no longer"));
  EXPECT_THAT(shown.added_documents(), testing::ElementsAre(absl::StrCat("china: ", kNotice)));
  EXPECT_THAT(shown.dropped_documents(), testing::IsEmpty());
  EXPECT_EQ(shown.moves_size(), 20);
  std::vector<std::string> said = {"--lang", "zh", "calendar", "preview", "--limit", "3"};
  said.insert(said.end(), notice.begin(), notice.end());
  const std::string text = Ctl(said);
  EXPECT_THAT(text, HasSubstr(absl::StrCat(open, "个时限将调整，其中0个将转为超期，0个不再超期")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("新增依据：china: ", kNotice)));
  EXPECT_THAT(text, HasSubstr(shown.digest()));
  EXPECT_TRUE(Finish().begin()->second.provisional()) << "a preview changes nothing";

  std::vector<std::string> publish = {"calendar", "publish", "--digest",
                                      "0123",     "--note",  "公布2027年放假安排"};
  publish.insert(publish.end(), notice.begin(), notice.end());
  EXPECT_THAT(Ctl(publish, 5), HasSubstr("PREVIEW_STALE"));
  publish[3] = shown.digest();
  EXPECT_THAT(Ctl(publish), HasSubstr("number 2"));
  site_.Kill(Service::kEscalation);
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  ASSERT_TRUE(Eventually([&] { return SettledAt(2); }));
  EXPECT_THAT(Ctl(publish), HasSubstr("number 2")) << "asked again";
  std::map<std::string, Deadline> after = Finish();
  ASSERT_EQ(after.size(), before.size());
  for (const std::string& id : ids_) {
    const auto moves = MovesOf(id);
    ASSERT_EQ(moves.size(), 1u) << id;
    EXPECT_EQ(moves[0].reason(), type::v1::DEADLINE_MOVE_REASON_CALENDAR);
    EXPECT_EQ(moves[0].note(), "公布2027年放假安排");
    EXPECT_EQ(moves[0].old_due_time().seconds(), before.at(id).due_time().seconds());
    EXPECT_EQ(moves[0].new_due_time().seconds(), after.at(id).due_time().seconds());
    EXPECT_GT(after.at(id).due_time().seconds(), before.at(id).due_time().seconds());
    EXPECT_THAT(after.at(id).calendar_version(), HasSubstr("china@2026-1+1"));
  }
  EXPECT_EQ(Event(closed), history) << "what is over is not touched";
  EXPECT_FALSE(IsOpenAt(that_day)) << "nor is anybody looked for at a closed office";
  const std::string explained = Ctl({"--lang", "en", "explain", ids_[0]});
  EXPECT_THAT(explained, HasSubstr(kNotice));
  EXPECT_THAT(explained, HasSubstr("Recomputed here"));

  // The region's year, as somebody writes it who keeps the file: nothing moves, and all is decided.
  std::ifstream file(HOTLINE_SOURCE_DIR "/deploy/calendars/xinjiang.yaml");
  std::string yaml{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string known =
      "  - {number: 新疆放假通知（试）, title: 试, issue_date: 2026-11-20, first_date: 2026-01-01}\n";
  yaml = absl::StrReplaceAll(
      yaml, {{"version: \"2025-1\"", "version: \"2027-1\""},
             {"documents:\n", absl::StrCat("documents:\n", known)},
             {"  - {first_date: 2026-01-01, last_date: 2026-12-31}\n", ""},
             {"announced:\n", absl::StrCat("announced:\n  - {document: 新疆放假通知（试）, first_date: "
                                           "2026-01-01, last_date: ",
                                           until, "}\n")}});
  Write("xinjiang.yaml", yaml);
  const auto settling = Preview({"xinjiang.yaml"});
  EXPECT_EQ(settling.publication(), 3);
  EXPECT_EQ(settling.moved_count(), 0);
  EXPECT_EQ(settling.settled_count(), open);
  EXPECT_THAT(
      Ctl({"calendar", "publish", "xinjiang.yaml", "--digest", settling.digest(), "--note", "自治区通知"}),
      HasSubstr("number 3"));
  ASSERT_TRUE(Eventually([&] { return SettledAt(3); }));
  for (const auto& [id, deadline] : Finish()) {
    EXPECT_FALSE(deadline.provisional()) << id;
    EXPECT_EQ(deadline.due_time().seconds(), after.at(id).due_time().seconds());
  }

  // The configured files know nothing of it; it stands all the same, also when the store is made anew.
  site_.Kill(Service::kEscalation);
  for (const auto& entry : std::filesystem::directory_iterator(site_.folder() + "/escalation")) {
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  }
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  ASSERT_TRUE(Eventually([&] { return Finish().size() == before.size() && SettledAt(3); }));
  EXPECT_TRUE(Must(site_.escalation(), &EscalationService::Stub::PreviewRules, {}).unchanged());
  for (const auto& [id, deadline] : Finish()) {
    EXPECT_EQ(deadline.due_time().seconds(), after.at(id).due_time().seconds());
    EXPECT_FALSE(deadline.provisional());
    EXPECT_EQ(MovesOf(id).size(), 2u);
  }
  escalation::v1::ListCalendarsResponse calendars;
  const std::string listed = Ctl({"--json", "calendar", "list"});
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(listed, &calendars).ok()) << listed;
  EXPECT_EQ(calendars.publication(), 3);
  ASSERT_EQ(calendars.calendars_size(), 2);
  EXPECT_EQ(calendars.calendars(1).code(), "office");
  EXPECT_EQ(calendars.calendars(1).version(), "office: china@2026-1+1, xinjiang@2027-1, kizilsu@2023-1");
  const std::string table = Ctl({"--lang", "zh", "calendar", "list"});
  EXPECT_THAT(table, HasSubstr(kNotice));
  EXPECT_THAT(table, HasSubstr(until));

  // What is wrong is told with its place, in the user's language.
  Write("bad.json", "[{\"date\": \"2027-02-30\", \"off\": true, \"name\": \"春节\"}]");
  EXPECT_THAT(
      Ctl({"--lang", "zh", "calendar", "preview", "bad.json", "--document", "x", "--issued", "2026-11-04"},
          3),
      HasSubstr("bad.json第1行"));
  EXPECT_THAT(Ctl({"calendar", "preview", "none.json"}, 2), HasSubstr("none.json"));
}

// A configuration that was edited holds for new clocks from the next start on, and for open ones once it is
// published.
TEST_F(RulesTest, EditedFilesArePublishedForOpenClocksToo) {
  site_.Kill(Service::kEscalation);
  site_.policy().set_version("days-6");
  site_.policy().mutable_rules(0)->mutable_limit()->set_working_days(6);
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  ASSERT_TRUE(Eventually([&] { return Finish().size() == kOrders; }));
  EXPECT_EQ(Finish().begin()->second.policy_version(), "days-5")
      << "open clocks go by what they were armed with";
  const auto shown = Must(site_.escalation(), &EscalationService::Stub::PreviewRules, {});
  EXPECT_FALSE(shown.unchanged());
  EXPECT_EQ(shown.publication(), 3);
  EXPECT_EQ(shown.moved_count(), kOrders);
  escalation::v1::PublishRulesRequest publish;
  publish.set_digest(shown.digest());
  publish.set_note("办法修订");
  publish.mutable_actor()->set_account("2001");
  EXPECT_EQ(Must(site_.escalation(), &EscalationService::Stub::PublishRules, publish).publication(), 3);
  EXPECT_EQ(Must(site_.escalation(), &EscalationService::Stub::PublishRules, publish).publication(), 3);
  ASSERT_TRUE(Eventually([&] {
    const auto list = Must(site_.escalation(), &EscalationService::Stub::ListPublications, {});
    return list.publications_size() == 3 && list.settled();
  }));
  for (const auto& [id, deadline] : Finish()) EXPECT_EQ(deadline.policy_version(), "days-6") << id;
}

}  // namespace
}  // namespace hotline::test
