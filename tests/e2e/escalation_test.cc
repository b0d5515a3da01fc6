// Deadlines of seconds: the reminder and the urging are recorded once each, whoever is killed meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/desk.h"
#include "tests/support/watch.h"

namespace hotline::test {
namespace {

using escalation::v1::Deadline;
using escalation::v1::EscalationService;
using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;
using type::v1::Event;
using workorder::v1::WorkOrderService;

class EscalationTest : public testing::Test {
 protected:
  // Only the peer's acceptance is short.
  void StartWithLimits(int64_t limit_s, int64_t remind_before_s) {
    for (config::v1::DeadlineRule& rule : *sites_.a.policy().mutable_rules()) {
      if (rule.clock() != type::v1::CLOCK_KIND_PEER_ACCEPTANCE) continue;
      rule.set_limit_s(limit_s);
      rule.set_remind_before_s(remind_before_s);
    }
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  // Rungs that the order's log at 12345 holds, in order.
  std::vector<std::pair<type::v1::ClockKind, type::v1::Rung>> Rungs(const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    std::vector<std::pair<type::v1::ClockKind, type::v1::Rung>> rungs;
    const auto history = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, request);
    for (const Event& event : history.events()) {
      if (event.has_escalated()) rungs.emplace_back(event.escalated().clock(), event.escalated().rung());
    }
    return rungs;
  }

  bool WaitForRungs(const std::string& id, size_t n) {
    return Eventually([&] { return Rungs(id).size() >= n; });
  }

  std::vector<Deadline> Deadlines(const std::string& id, bool include_stopped = false) {
    escalation::v1::ListDeadlinesRequest request;
    request.set_order_id(id);
    request.set_include_stopped(include_stopped);
    const auto answer = Must(site_.escalation(), &EscalationService::Stub::ListDeadlines, request);
    return {answer.deadlines().begin(), answer.deadlines().end()};
  }

  const Deadline* Acceptance(const std::vector<Deadline>& deadlines) {
    for (const Deadline& deadline : deadlines) {
      if (deadline.clock() == type::v1::CLOCK_KIND_PEER_ACCEPTANCE) return &deadline;
    }
    return nullptr;
  }

  TwoSites sites_;
  Site& site_ = sites_.a;
};

const auto kRemindThenUrge = ElementsAre(Pair(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, type::v1::RUNG_REMIND),
                                         Pair(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, type::v1::RUNG_URGE));

TEST_F(EscalationTest, SilentPeerIsRemindedAndUrgedOnce) {
  StartWithLimits(2, 1);
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(WaitForRungs(id, 2));
  EXPECT_THAT(Rungs(id), kRemindThenUrge);
  const type::v1::WorkOrder order = Get(site_, id);
  EXPECT_TRUE(order.facts().overdue());
  EXPECT_EQ(order.facts().remind_count(), 1);
  EXPECT_EQ(order.facts().urge_count(), 1);
  EXPECT_EQ(order.state(), type::v1::ORDER_STATE_UNDERSTOOD) << "facts change, the state does not";

  ASSERT_TRUE(Eventually([&] {
    const std::vector<Deadline> deadlines = Deadlines(id);
    const Deadline* acceptance = Acceptance(deadlines);
    return acceptance != nullptr && acceptance->rung() == type::v1::RUNG_URGE;
  }));
  const std::vector<Deadline> deadlines = Deadlines(id);
  const Deadline& overdue = *Acceptance(deadlines);
  EXPECT_EQ(overdue.lamp(), escalation::v1::LAMP_RED);
  EXPECT_EQ(overdue.duty_party(), "110");
  EXPECT_TRUE(overdue.breached());
  EXPECT_EQ(overdue.policy_version(), "test-1");
  EXPECT_EQ(overdue.order_number(), order.number());

  // Late acceptance stops the clock; the breach stays.
  ASSERT_TRUE(Eventually([&] { return Exists(sites_.b, order.handoff().id()); }));
  Accept(sites_.b, Get(sites_.b, order.handoff().id()).id());
  ASSERT_TRUE(Eventually([&] {
    const std::vector<Deadline> all = Deadlines(id, true);
    const Deadline* acceptance = Acceptance(all);
    return acceptance != nullptr && acceptance->clock_state() == escalation::v1::CLOCK_STATE_STOPPED;
  }));
  const std::vector<Deadline> stopped = Deadlines(id, true);
  EXPECT_TRUE(Acceptance(stopped)->breached());
  EXPECT_TRUE(Get(site_, id).facts().overdue());
  EXPECT_THAT(Rungs(id), SizeIs(2));
}

TEST_F(EscalationTest, AcceptedInTimeIsLeftAlone) {
  StartWithLimits(3, 1);
  const type::v1::WorkOrder order = Push(site_, MakePush(1, "110")).order();
  ASSERT_TRUE(Eventually([&] { return Exists(sites_.b, order.handoff().id()); }));
  Accept(sites_.b, Get(sites_.b, order.handoff().id()).id());
  // A second order that nobody accepts passes the same deadlines after the first one would have.
  const std::string silent = Push(site_, MakePush(2, "110")).order().id();
  ASSERT_TRUE(WaitForRungs(silent, 2));
  EXPECT_THAT(Rungs(order.id()), SizeIs(0));
  EXPECT_FALSE(Get(site_, order.id()).facts().overdue());
}

TEST_F(EscalationTest, KillsDoNotDoubleOrLoseARung) {
  StartWithLimits(4, 3);
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(WaitForRungs(id, 1));
  site_.Kill(Service::kEscalation);
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  // Down over the deadline: it is caught up with after the start.
  site_.Kill(Service::kEscalation);
  const std::string other = Push(site_, MakePush(2, "110")).order().id();
  ASSERT_TRUE(Eventually([&] {
    const absl::Duration age =
        absl::Now() - absl::FromUnixSeconds(Get(site_, other).register_time().seconds());
    return age > absl::Seconds(5);
  }));
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  ASSERT_TRUE(WaitForRungs(id, 2));
  ASSERT_TRUE(WaitForRungs(other, 2));
  // Its store is a projection: without it everything is found again in the log, and nothing is done again.
  site_.Kill(Service::kEscalation);
  std::filesystem::remove_all(site_.config().escalation().data_dir());
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  ASSERT_TRUE(Eventually([&] {
    const std::vector<Deadline> deadlines = Deadlines(other);
    const Deadline* acceptance = Acceptance(deadlines);
    return acceptance != nullptr && acceptance->rung() == type::v1::RUNG_URGE;
  }));
  const std::string third = Push(site_, MakePush(3, "110")).order().id();
  ASSERT_TRUE(WaitForRungs(third, 2)) << "it works on after the rebuild";
  for (const std::string& one : {id, other, third}) EXPECT_THAT(Rungs(one), kRemindThenUrge);

  escalation::v1::WatchEscalationsRequest request;
  request.set_start_sequence(1);
  request.mutable_heartbeat_interval()->set_seconds(1);
  Call call;
  const auto stream = site_.escalation().WatchEscalations(&call, request);
  escalation::v1::WatchEscalationsResponse message;
  std::vector<escalation::v1::EscalationRecord> records;
  while (records.size() < 6 && stream->Read(&message)) {
    records.insert(records.end(), message.escalations().begin(), message.escalations().end());
  }
  ASSERT_THAT(records, SizeIs(6));
  for (size_t i = 1; i < records.size(); ++i) EXPECT_GT(records[i].sequence(), records[i - 1].sequence());
  EXPECT_TRUE(Verify(site_).intact());
}

}  // namespace
}  // namespace hotline::test
