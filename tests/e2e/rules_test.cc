// Rules that change while orders are open, with real processes: previewed, published, carried out through
// kill -9, explained, and the same after the store is deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "tests/support/desk.h"

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
    rule->mutable_limit()->set_working_days(5);
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

}  // namespace
}  // namespace hotline::test
