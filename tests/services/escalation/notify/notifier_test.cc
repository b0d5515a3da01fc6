// The notifier under the test's hand: a fake ledger and gateway, real store, killed at any step.
#include "services/escalation/notify/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <set>

#include "common/base/id.h"
#include "common/error/error.h"
#include "common/sql/faulty.h"
#include "common/sql/sqlite.h"
#include "google/protobuf/util/json_util.h"
#include "services/work_order/core/validate.h"
#include "tests/services/escalation/directory/world.h"
#include "tests/support/sql_scratch.h"
#include "tests/support/steps.h"

namespace hotline::escalation::notify {
namespace {

using directory::test::At;
using directory::test::County;
using hotline::test::Steps;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

config::v1::NotifyConfig Settings() {
  config::v1::NotifyConfig config;
  config.set_quiet_from("22:00");
  config.set_quiet_until("08:00");
  config.mutable_group_window_s()->set_normal(30);
  config.mutable_group_window_s()->set_urgent(2);
  config.mutable_repeat_after_s()->set_normal(14'400);
  config.mutable_repeat_after_s()->set_urgent(1800);
  config.mutable_repeat_after_s()->set_emergency(300);
  config.mutable_acknowledged_for_s()->set_normal(86'400);
  config.mutable_acknowledged_for_s()->set_urgent(7200);
  config.mutable_acknowledged_for_s()->set_emergency(1800);
  config.set_rounds(3);
  return config;
}

// Rungs as the clocks would hold them.
class FakeRungs final : public RungSource {
 public:
  bool Ready() override { return ready; }
  int64_t Watermark() override { return watermark; }
  absl::StatusOr<std::vector<RungEvent>> ReadRungs(int64_t start, int64_t end, int limit) override {
    std::vector<RungEvent> found;
    for (const RungEvent& rung : rungs) {
      if (rung.sequence >= start && rung.sequence <= end && static_cast<int>(found.size()) < limit)
        found.push_back(rung);
    }
    return found;
  }
  absl::StatusOr<std::optional<OrderFacts>> FindFacts(const RungRef& ref) override {
    const auto it = facts.find(ref.order_id);
    return it == facts.end() ? std::nullopt : std::optional(it->second);
  }
  absl::StatusOr<int64_t> FindOrderId(const std::string& id) override { return ParseOrderId(id).value_or(0); }
  absl::StatusOr<bool> IsHeld(int64_t order_id) override { return held.contains(order_id); }

  bool ready = true;
  int64_t watermark = 0;
  std::vector<RungEvent> rungs;
  std::map<int64_t, OrderFacts> facts;
  std::set<int64_t> held;
};

// work_order as far as it is asked: refuses what work_order's rules do, keeps each request id once, and
// refuses another body under it.
class FakeLedger final : public Ledger {
 public:
  explicit FakeLedger(Executor* executor) : executor_(executor) {}
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    if (meanwhile) std::exchange(meanwhile, {})();
    if (down) return done(error::WorkOrderUnreachable("test"));
    workorder::v1::ExecuteResponse response;
    for (const type::v1::Command& command : request.commands()) {
      workorder::v1::CommandResult& result = *response.add_results();
      absl::Status valid = work_order::ValidateHeader(command.header());
      if (valid.ok()) valid = work_order::ValidateAction(command, site_, call.now);
      if (!valid.ok()) {
        *result.mutable_error() = error::ToProto(valid);
        continue;
      }
      const auto [it, fresh] = commands.try_emplace(command.header().request_id(), command);
      if (!fresh && it->second.SerializeAsString() != command.SerializeAsString()) {
        *result.mutable_error() = error::ToProto(error::RequestIdReused(command.header().request_id()));
      }
    }
    // The answer may be lost with the process.
    executor_->PostAfter(
        absl::Milliseconds(5),
        [done = std::move(done), response = std::move(response)]() mutable { done(std::move(response)); });
  }
  void ApplyInbox(const CallContext&, workorder::v1::ApplyInboxRequest,
                  Done<workorder::v1::ApplyInboxResponse>) override {}
  void PullOutbox(const CallContext&, workorder::v1::PullOutboxRequest,
                  Done<workorder::v1::PullOutboxResponse>) override {}
  void ReadEvents(const CallContext&, workorder::v1::ReadEventsRequest,
                  Done<workorder::v1::ReadEventsResponse>) override {}
  void ListLinkCursors(const CallContext&, workorder::v1::ListLinkCursorsRequest,
                       Done<workorder::v1::ListLinkCursorsResponse>) override {}
  void ReadInbox(const CallContext&, workorder::v1::ReadInboxRequest,
                 Done<workorder::v1::ReadInboxResponse>) override {}
  void Recover(const CallContext&, workorder::v1::RecoverRequest,
               Done<workorder::v1::RecoverResponse>) override {}
  void ReadDigests(const CallContext&, workorder::v1::ReadDigestsRequest,
                   Done<workorder::v1::ReadDigestsResponse>) override {}
  void Resend(const CallContext&, workorder::v1::ResendRequest,
              Done<workorder::v1::ResendResponse>) override {}

  std::vector<type::v1::NotificationReport> Reports() const {
    std::vector<type::v1::NotificationReport> reports;
    for (const auto& [id, command] : commands) {
      if (command.has_notification_report()) reports.push_back(command.notification_report());
    }
    return reports;
  }

  bool down = false;
  std::function<void()> meanwhile;  // happens once, while a call is under way
  std::map<std::string, type::v1::Command> commands;

 private:
  Executor* const executor_;
  const work_order::Site site_ = {.hotline = "12345", .peers = {"110"}, .units = {}};
};

// A gateway that answers as it is told, after a moment.
class FakeGateway final : public Sender {
 public:
  explicit FakeGateway(Executor* executor) : executor_(executor) {}
  void Send(Outgoing request, absl::AnyInvocable<void(Attempt)> done) override {
    sent.push_back(request.id);
    bodies[request.id].insert(request.body);
    ++attempts[request.id];
    ++open;
    most_open = std::max(most_open, open);
    Attempt answer = next;
    if (!queue.empty()) {
      answer = queue.front();
      queue.pop_front();
    }
    executor_->PostAfter(latency, [this, done = std::move(done), answer = std::move(answer)]() mutable {
      --open;
      done(std::move(answer));
    });
  }
  static Attempt Status(int status, std::string retry_after = "", std::string body = "") {
    return {.status = status, .error = "", .retry_after = std::move(retry_after), .body = std::move(body)};
  }

  Attempt next = Status(200);
  std::deque<Attempt> queue;
  absl::Duration latency = absl::Milliseconds(20);
  std::vector<std::string> sent;  // ids, in order
  std::map<std::string, std::set<std::string>> bodies;
  std::map<std::string, int> attempts;
  int open = 0;
  int most_open = 0;

 private:
  Executor* const executor_;
};

class NotifierTest : public testing::Test, public Listener {
 protected:
  NotifierTest() : steps_(At(2026, 12, 1, 12)), ledger_(&steps_), gateway_(&steps_) {
    EXPECT_TRUE(county_.Fill());
    people_ = std::make_shared<const directory::Directory>(county_.directory);
    Start();
  }
  ~NotifierTest() override { steps_.Clear(); }

  // Again after a kill: what was under way is gone.
  void Start(bool forget = false) {
    steps_.Clear();
    gateway_.open = 0;
    notifier_.reset();
    if (forget) {
      for (const char* end : {"", "-wal", "-shm"})
        std::filesystem::remove(scratch_.path() + "/notify.db" + end);
    }
    auto database = sql::OpenSqlite({.path = scratch_.path() + "/notify.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    auto store =
        Store::Open(sql::MakeFaulty(*std::move(database), [this](int64_t) { return fault_; }), "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    NotifierOptions options;
    options.hotline = "12345";
    if (sms_configured_) {
      options.webhooks["sms"] = {.max_attempts = 4,
                                 .backoff_min = absl::Seconds(1),
                                 .backoff_max = absl::Seconds(60),
                                 .concurrency = concurrency_};
    }
    options.queue_limit = 50;
    options.jitter_seed = 1;
    // The clock here is not set behind its back, and days pass.
    options.look_again = look_again_;
    options.keep = absl::Hours(24) * 180;
    Listener* const listener = this;
    notifier_ = std::make_unique<Notifier>(
        &steps_, steps_.clock(), *std::move(store), Policy(Settings()), &rungs_, [this] { return people_; },
        county_.reach, &ledger_, &gateway_, listener, &discretion_, options);
    ASSERT_TRUE(notifier_->Open().ok());
    notifier_->Start();
    steps_.RunDue();
  }

  // Whether the store still has the reminder of `order`; behind that comes another start.
  bool KeepsReminder(int64_t order) {
    steps_.Clear();
    notifier_.reset();
    bool keeps = false;
    {
      auto database = sql::OpenSqlite({.path = scratch_.path() + "/notify.db"});
      EXPECT_TRUE(database.ok()) << database.status();
      auto store = Store::Open(*std::move(database), "12345");
      EXPECT_TRUE(store.ok()) << store.status();
      const auto told = (*store)->FindTold({.order_id = order,
                                            .armed_by = 1,
                                            .clock = type::v1::CLOCK_KIND_SIGN,
                                            .rung = type::v1::RUNG_REMIND});
      EXPECT_TRUE(told.ok()) << told.status();
      keeps = told->has_value();
    }
    Start();
    return keeps;
  }

  // The handler of housing by SMS instead of a desktop.
  void UseSms() {
    v1::DirectoryEntry handler = directory::test::Somebody("a2", "zhujianju", false);
    v1::Contact& contact = *handler.mutable_person()->add_contacts();
    contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
    contact.set_webhook("sms");
    contact.set_target("000-0001");
    ASSERT_TRUE(county_.Do({directory::test::Put(handler)}));
    people_ = std::make_shared<const directory::Directory>(county_.directory);
  }

  void Rung(int64_t order, type::v1::Rung rung, type::v1::Urgency urgency = type::v1::URGENCY_NORMAL,
            std::string unit = "zhujianju") {
    Add(order, rung, urgency, std::move(unit));
    notifier_->Wake();
    steps_.RunDue();
  }
  void Add(int64_t order, type::v1::Rung rung, type::v1::Urgency urgency, std::string unit) {
    RungEvent event;
    event.sequence = ++rungs_.watermark;
    event.ref = {.order_id = order, .armed_by = 1, .clock = type::v1::CLOCK_KIND_SIGN, .rung = rung};
    event.order_number = "12345-20261201-" + std::to_string(100000 + order);
    event.duty_party = unit;
    event.due = steps_.clock()->Now();
    event.record_time = steps_.clock()->Now();
    rungs_.rungs.push_back(event);
    OrderFacts& facts = rungs_.facts[order];
    facts.urgency = urgency;
    facts.running = true;
    facts.highest = rung;
    facts.due = event.due;
    facts.remind = event.due;
    facts.duty_party = std::move(unit);
  }

  // Somebody takes note of `rung` by another way, as the log says.
  void AcknowledgeElsewhere(int64_t order, type::v1::Rung rung, absl::Time until) {
    notifier_->Acknowledged(
        {.order_id = order, .armed_by = 0, .clock = type::v1::CLOCK_KIND_SIGN, .rung = rung},
        ++rungs_.watermark, until);
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(void (Notifier::*method)(const CallContext&, Request, Done<Response>),
                                Request request, std::string identity = {}) {
    absl::StatusOr<Response> result = absl::UnknownError("not answered");
    (notifier_.get()->*method)({.now = steps_.clock()->Now(), .identity = std::move(identity)},
                               std::move(request),
                               [&](absl::StatusOr<Response> response) { result = std::move(response); });
    steps_.Advance(absl::Milliseconds(10));
    return result;
  }
  std::vector<v1::Delivery> Deliveries(std::string webhook = "",
                                       v1::DeliveryState state = v1::DELIVERY_STATE_UNSPECIFIED) {
    v1::ListDeliveriesRequest request;
    request.set_webhook(std::move(webhook));
    request.set_state(state);
    request.set_page_size(500);
    const auto response = Call(&Notifier::ListDeliveries, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return {response->deliveries().begin(), response->deliveries().end()};
  }
  absl::StatusOr<v1::AcknowledgeNotificationResponse> Acknowledge(const std::string& id) {
    v1::AcknowledgeNotificationRequest request;
    request.set_notification_id(id);
    request.set_account("desk-a2");
    return Call(&Notifier::AcknowledgeNotification, request);
  }

  void OnAttempt(const std::string&, const std::string& result) override { results_.push_back(result); }
  void OnUnreachable(const std::string& order_id, const std::string& unit, type::v1::Rung) override {
    ++unreachable_;
    unreachable_units_[order_id] = unit;
  }
  void OnSkipped(int rungs) override { skipped_ += rungs; }
  void OnTold(const std::string&, int) override {}
  void OnReportRefused(const std::string&, const absl::Status& status) override { ADD_FAILURE() << status; }
  void OnStoreFailed(const absl::Status& status) override {
    if (fault_ == sql::Fault::kNone) ADD_FAILURE() << status;
  }

  ScratchFolder scratch_;
  Steps steps_;
  County county_;
  std::shared_ptr<const directory::Directory> people_;
  FakeRungs rungs_;
  FakeLedger ledger_;
  Discretion discretion_{Clearance(), &ledger_};
  FakeGateway gateway_;
  std::unique_ptr<Notifier> notifier_;
  std::vector<std::string> results_;
  sql::Fault fault_ = sql::Fault::kNone;        // of each commit
  int concurrency_ = 2;                         // of the gateway, from the next start
  bool sms_configured_ = true;                  // from the next start
  absl::Duration look_again_ = absl::Hours(1);  // from the next start
  int skipped_ = 0;
  int unreachable_ = 0;
  std::map<std::string, std::string> unreachable_units_;  // by order, the latest
};

TEST_F(NotifierTest, AWebhookReachesAndTheOrderSaysSo) {
  UseSms();
  Rung(1, type::v1::RUNG_REMIND);
  EXPECT_THAT(gateway_.attempts, IsEmpty()) << "it waits for more of the unit's";
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(gateway_.attempts, SizeIs(1));
  const auto reports = ledger_.Reports();
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0].rung(), type::v1::RUNG_REMIND);
  EXPECT_EQ(reports[0].round(), 1);
  EXPECT_FALSE(reports[0].unreachable());
  ASSERT_EQ(reports[0].notices_size(), 1);
  EXPECT_EQ(reports[0].notices(0).person_id(), "a2");
  EXPECT_EQ(reports[0].notices(0).role(), "handler");
  EXPECT_EQ(reports[0].notices(0).channel(), "sms");
  EXPECT_EQ(reports[0].notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);
  // A reminder is told once.
  steps_.Advance(absl::Hours(48));
  EXPECT_THAT(gateway_.attempts, SizeIs(1));
  EXPECT_THAT(ledger_.commands, SizeIs(1));
}

TEST_F(NotifierTest, FortyOverdueOrdersOfOneUnitAreOneMessage) {
  UseSms();
  for (int order = 1; order <= 40; ++order) {
    Rung(order, type::v1::RUNG_REMIND);
    steps_.Advance(absl::Milliseconds(500));
  }
  steps_.Advance(absl::Seconds(60));
  EXPECT_THAT(gateway_.attempts, SizeIs(1));
  EXPECT_EQ(Deliveries("sms").at(0).notification().orders_size(), 40);
  EXPECT_THAT(ledger_.Reports(), SizeIs(40)) << "each order has it on record";
  // Another unit's are another message; an emergency does not wait for either.
  Rung(41, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(gateway_.attempts, SizeIs(2));
}

TEST_F(NotifierTest, ARestrictedOrderIsToldOfAndNotNamed) {
  UseSms();
  Add(1, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  Add(2, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  rungs_.facts[1].restricted = true;
  rungs_.facts[1].registered_by = "registrar";
  notifier_->Wake();
  steps_.Advance(absl::Seconds(31));
  std::set<std::string> named;
  bool hidden = false;
  for (const v1::Delivery& delivery : Deliveries("sms")) {
    const v1::Notification& message = delivery.notification();
    ASSERT_EQ(message.orders_size(), 1) << "apart from the others";
    hidden |= message.orders(0).restricted();
    if (!message.orders(0).restricted()) named.insert(message.orders(0).order_number());
    EXPECT_THAT(message.SerializeAsString(), Not(HasSubstr("20261201-100001")));
    if (message.orders(0).restricted()) {
      EXPECT_THAT(message.text_zh(), HasSubstr("限制知悉工单"));
    }
  }
  EXPECT_TRUE(hidden);
  EXPECT_THAT(named, SizeIs(1));
  // Nor has the gateway a deadline of it, not even an empty one.
  std::set<std::string> bodies;
  for (const auto& [id, sent] : gateway_.bodies) bodies.insert(sent.begin(), sent.end());
  EXPECT_THAT(bodies,
              UnorderedElementsAre(HasSubstr(R"("orders":[{"restricted":true,"clock":"sign","round":1}])"),
                                   testing::AllOf(HasSubstr(R"("number":"12345-20261201-100002")"),
                                                  HasSubstr(R"("due_time":"2026-12-01T04:00:00Z")"),
                                                  Not(HasSubstr("restricted")))));
  const auto listed = Call(&Notifier::ListNotifications, v1::ListNotificationsRequest());
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->SerializeAsString(), Not(HasSubstr("20261201-100001")));
  v1::ListNotificationsRequest of_it;
  of_it.set_order_id(FormatOrderId(1));
  EXPECT_EQ(error::ReasonOf(Call(&Notifier::ListNotifications, of_it).status()),
            error::Reason::ERROR_REASON_RESTRICTED);
}

// The clocks' store is made anew: what is restricted is known once the log has been read.
TEST_F(NotifierTest, BehindTheLogEveryOrderMayBeRestricted) {
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2));
  rungs_.ready = false;
  const OrderFacts facts = rungs_.facts[1];
  rungs_.facts.clear();
  const v1::ListNotificationsRequest request;
  v1::ListNotificationsRequest of_it;
  of_it.set_order_id(FormatOrderId(1));
  auto listed = Call(&Notifier::ListNotifications, request);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_THAT(listed->notices(), SizeIs(2));
  EXPECT_TRUE(listed->notices(0).order().restricted());
  EXPECT_THAT(listed->SerializeAsString(), Not(HasSubstr("20261201-100001")));
  EXPECT_EQ(error::ReasonOf(Call(&Notifier::ListNotifications, of_it).status()),
            error::Reason::ERROR_REASON_RESTRICTED);
  // Whoever is cleared for every order sees it, and that is recorded.
  const auto disclosures = [this] {
    return std::count_if(ledger_.commands.begin(), ledger_.commands.end(),
                         [](const auto& one) { return one.second.has_disclosure(); });
  };
  EXPECT_EQ(disclosures(), 0);
  listed = Call(&Notifier::ListNotifications, of_it, "12345/supervisor");
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->notices(0).order().order_number(), "12345-20261201-100001");
  EXPECT_EQ(disclosures(), 1);
  rungs_.ready = true;
  rungs_.facts[1] = facts;
  listed = Call(&Notifier::ListNotifications, request);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->notices(0).order().order_number(), "12345-20261201-100001");
  EXPECT_EQ(disclosures(), 1);
}

TEST_F(NotifierTest, NobodyOfAnAccusedUnitIsTold) {
  UseSms();
  Add(1, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  rungs_.facts[1].accused_units = {"elsewhere", "zhujianju"};
  notifier_->Wake();
  steps_.Advance(absl::Seconds(31));
  EXPECT_THAT(Deliveries("sms"), IsEmpty()) << "its handler is passed over";
}

// What waits for the morning was planned before the unit was accused.
TEST_F(NotifierTest, AUnitThatIsAccusedInTheNightIsNotToldInTheMorning) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "120");
  steps_.Advance(absl::Hours(9) + absl::Minutes(58));
  for (int order : {1, 2}) Add(order, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  Rung(3, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  gateway_.next = FakeGateway::Status(200);
  steps_.Advance(absl::Hours(9));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  // Two of the three are passed to the hotline's own desk, under the same arming.
  for (int order : {1, 3}) {
    rungs_.facts[order].accused_units = {"zhujianju"};
    rungs_.facts[order].duty_party = "12345";
  }
  steps_.Advance(absl::Hours(1) + absl::Minutes(10));
  ASSERT_THAT(gateway_.sent, SizeIs(3)) << "of the one that does not accuse it";
  EXPECT_THAT(
      gateway_.bodies[gateway_.sent[2]],
      UnorderedElementsAre(HasSubstr("20261201-100001"),
                           testing::AllOf(HasSubstr("20261201-100002"), Not(HasSubstr("20261201-100001")))));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
  ASSERT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(1)) << "it had no other";
  EXPECT_EQ(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED)[0].notification().orders(0).order_id(),
            FormatOrderId(3));
  // Others are told, and who has it already is not told twice.
  std::map<std::string, std::multiset<std::string>> told;
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    for (const v1::NotifiedOrder& order : delivery.notification().orders()) {
      EXPECT_EQ(order.round(), 1);
      told[order.order_id()].insert(delivery.notification().target());
    }
  }
  EXPECT_THAT(told, UnorderedElementsAre(testing::Pair(FormatOrderId(1),
                                                       UnorderedElementsAre("desk-a1", "desk-h1", "desk-h2")),
                                         testing::Pair(FormatOrderId(2), UnorderedElementsAre("desk-a1")),
                                         testing::Pair(FormatOrderId(3), UnorderedElementsAre("desk-h2"))));
  // The record of the round has them all.
  steps_.Advance(absl::Hours(4));
  std::map<std::string, type::v1::NotificationResult> results;
  for (const auto& [id, command] : ledger_.commands) {
    if (command.header().order_id() != FormatOrderId(3)) continue;
    for (const type::v1::Notice& notice : command.notification_report().notices()) {
      results[notice.person_id()] = notice.result();
    }
  }
  EXPECT_THAT(results, UnorderedElementsAre(testing::Pair("a2", type::v1::NOTIFICATION_RESULT_NOT_REACHED),
                                            testing::Pair("h2", type::v1::NOTIFICATION_RESULT_NOT_REACHED)));
}

// Whoever would be told instead may have it as a copy.
TEST_F(NotifierTest, WhenAUnitIsAccusedWhoHasTheMessageIsNotToldTwice) {
  UseSms();
  // 督办 goes to the leader, with copies to the handler and the hotline's supervisor.
  gateway_.next = FakeGateway::Status(503);
  Rung(1, type::v1::RUNG_SUPERVISE, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Milliseconds(100));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2));
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    v1::ReportDeliveryRequest request;
    request.set_notification_id(delivery.notification().id());
    request.set_state(v1::DELIVERY_STATE_REACHED);
    ASSERT_TRUE(Call(&Notifier::ReportDelivery, request).ok());
  }
  rungs_.facts[1].accused_units = {"zhujianju"};
  gateway_.next = FakeGateway::Status(200);
  steps_.Advance(absl::Minutes(1));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(1));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1)) << "nobody is waited for";
  EXPECT_FALSE(ledger_.Reports()[0].unreachable());
}

// Written before that, and sent, listed and streamed after.
TEST_F(NotifierTest, AMessageNamesNoOrderThatHasBecomeRestricted) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "120");
  steps_.Advance(absl::Hours(9) + absl::Minutes(58));
  Rung(1, type::v1::RUNG_URGE);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  gateway_.next = FakeGateway::Status(200);
  const auto streamed = [&] {
    v1::WatchNotificationsRequest request;
    request.set_start_sequence(1);
    auto stream = notifier_->WatchNotifications({.now = steps_.clock()->Now()}, request);
    EXPECT_TRUE(stream.ok()) << stream.status();
    v1::WatchNotificationsResponse response;
    (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
      ASSERT_TRUE(message.ok()) << message.status();
      EXPECT_TRUE(response.ParseFromString(**message));
    });
    steps_.Advance(absl::Seconds(1));
    return response;
  };
  const auto named = HasSubstr("20261201-100001");
  EXPECT_THAT(streamed().SerializeAsString(), named);
  ASSERT_THAT(Deliveries(), SizeIs(2));
  for (const v1::Delivery& delivery : Deliveries()) EXPECT_THAT(delivery.SerializeAsString(), named);

  steps_.Advance(absl::Hours(9));
  rungs_.facts[1].restricted = true;
  ++rungs_.watermark;  // the event that says so
  steps_.Advance(absl::Hours(1) + absl::Minutes(10));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(gateway_.bodies, SizeIs(1)) << "under its old id";
  EXPECT_THAT(gateway_.bodies.begin()->second, UnorderedElementsAre(named, Not(named)));
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) Start();
    const v1::WatchNotificationsResponse response = streamed();
    ASSERT_THAT(response.notifications(), SizeIs(1));
    EXPECT_TRUE(response.notifications(0).orders(0).restricted());
    EXPECT_THAT(response.notifications(0).text_zh(), HasSubstr("限制知悉工单"));
    EXPECT_THAT(response.SerializeAsString(), Not(named));
    EXPECT_THAT(response.SerializeAsString(), Not(HasSubstr(FormatOrderId(1))));
    for (const v1::Delivery& delivery : Deliveries()) {
      EXPECT_THAT(delivery.SerializeAsString(), Not(named));
      EXPECT_THAT(delivery.SerializeAsString(), Not(HasSubstr(FormatOrderId(1))));
    }
  }
  const auto acknowledged = Acknowledge(Deliveries("desktop").at(0).notification().id());
  ASSERT_TRUE(acknowledged.ok()) << acknowledged.status();
  EXPECT_EQ(acknowledged->recorded_count(), 1) << "its id is enough for that";
  EXPECT_THAT(acknowledged->SerializeAsString(), Not(named));
}

TEST_F(NotifierTest, WhatWaitsForAWebhookThatIsNoMoreIsGivenUp) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "120");
  Rung(1, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  ASSERT_THAT(Deliveries("sms", v1::DELIVERY_STATE_QUEUED), SizeIs(1));
  sms_configured_ = false;
  Start();
  steps_.Advance(absl::Seconds(1));
  const std::vector<v1::Delivery> dead = Deliveries("sms", v1::DELIVERY_STATE_DEAD);
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_THAT(dead[0].last_error(), HasSubstr("not configured"));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_TRUE(ledger_.Reports()[0].unreachable());
  EXPECT_EQ(unreachable_, 1);
  // Its name comes back.
  sms_configured_ = true;
  gateway_.next = FakeGateway::Status(200);
  Start();
  steps_.Advance(absl::Hours(3));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
  v1::RedeliverDeliveryRequest request;
  request.set_notification_id(dead[0].notification().id());
  ASSERT_TRUE(Call(&Notifier::RedeliverDelivery, request).ok());
  steps_.Advance(absl::Seconds(1));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
}

TEST_F(NotifierTest, ARungThatCameToNothingIsForgottenToo) {
  steps_.Advance(absl::Hours(11));  // 23:00
  for (int order : {1, 2}) {
    Rung(order, type::v1::RUNG_REMIND);
    rungs_.facts[order].running = false;
  }
  rungs_.held = {2};
  steps_.Advance(absl::Hours(24) * 179);
  EXPECT_THAT(Deliveries(), IsEmpty());
  EXPECT_TRUE(KeepsReminder(1));
  steps_.Advance(absl::Hours(24) * 2);
  EXPECT_FALSE(KeepsReminder(1));
  EXPECT_TRUE(KeepsReminder(2));
  rungs_.held.clear();
  steps_.Advance(absl::Hours(25));
  EXPECT_FALSE(KeepsReminder(2));
}

TEST_F(NotifierTest, WhatWasToldLongAgoIsForgottenAndNoNumberComesTwice) {
  UseSms();
  for (int order = 1; order <= 3; ++order) {
    Rung(order, type::v1::RUNG_REMIND);
    steps_.Advance(absl::Seconds(60));
  }
  std::set<std::string> ids;
  for (const v1::Delivery& delivery : Deliveries("sms")) ids.insert(delivery.notification().id());
  ASSERT_THAT(ids, SizeIs(3));
  steps_.Advance(absl::Hours(24) * 178);
  EXPECT_THAT(Deliveries("sms"), SizeIs(3));
  Rung(4, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Hours(24) * 4);
  const auto left = Deliveries("sms");
  ASSERT_THAT(left, SizeIs(1)) << "the young one";
  EXPECT_FALSE(ids.contains(left[0].notification().id()));
  // The newest stays, however old, so that the next number is another.
  steps_.Advance(absl::Hours(24) * 200);
  EXPECT_THAT(Deliveries("sms"), SizeIs(1));
  Start();
  Rung(5, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(60));
  EXPECT_NE(Deliveries("sms").at(0).notification().id(), left[0].notification().id());
  EXPECT_EQ(Deliveries("sms").at(0).notification().orders(0).order_number(), "12345-20261201-100005");
}

TEST_F(NotifierTest, WhoWasToldOfAHeldOrderStays) {
  UseSms();
  for (int order = 1; order <= 4; ++order) {
    Rung(order, type::v1::RUNG_REMIND);
    steps_.Advance(absl::Seconds(60));
  }
  rungs_.held = {2};
  const auto orders = [this] {
    std::set<std::string> numbers;
    for (const v1::Delivery& delivery : Deliveries("sms")) {
      for (const auto& order : delivery.notification().orders()) numbers.insert(order.order_number());
    }
    return numbers;
  };
  ASSERT_THAT(orders(), SizeIs(4));
  steps_.Advance(absl::Hours(24) * 183);
  // The newest stays in any case.
  EXPECT_THAT(orders(), testing::ElementsAre("12345-20261201-100002", "12345-20261201-100004"));
  rungs_.held.clear();
  steps_.Advance(absl::Hours(24) * 2);
  EXPECT_THAT(orders(), testing::ElementsAre("12345-20261201-100004"));
}

TEST_F(NotifierTest, AStreamGoesOnOverWhatIsForgotten) {
  for (int order = 1; order <= 4; ++order) {
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY, "12345");
    steps_.Advance(absl::Seconds(60));
  }
  ASSERT_THAT(Deliveries("desktop"), SizeIs(4));
  rungs_.held = {2};
  steps_.Advance(absl::Hours(24) * 183);
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2)) << "of what is held, and the newest";
  v1::WatchNotificationsRequest request;
  request.set_start_sequence(1);
  auto stream = notifier_->WatchNotifications({.now = steps_.clock()->Now()}, request);
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::vector<int64_t> seen;
  for (int i = 0; i < 2; ++i) {
    (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
      ASSERT_TRUE(message.ok()) << message.status();
      v1::WatchNotificationsResponse response;
      ASSERT_TRUE(response.ParseFromString(**message));
      for (const auto& one : response.notifications()) seen.push_back(one.sequence());
    });
    steps_.Advance(absl::Seconds(11));
  }
  EXPECT_THAT(seen, ElementsAre(2, 4));
}

TEST_F(NotifierTest, NobodyIsUrgedAtMidnightForAnOrdinaryOrder) {
  UseSms();
  steps_.Advance(absl::Hours(11));  // 23:00
  Rung(1, type::v1::RUNG_REMIND);
  Rung(2, type::v1::RUNG_REMIND, type::v1::URGENCY_URGENT);
  steps_.Advance(absl::Seconds(3));
  ASSERT_THAT(gateway_.attempts, SizeIs(1)) << "the urgent one";
  steps_.Advance(absl::Hours(8));
  EXPECT_THAT(gateway_.attempts, SizeIs(1));
  // Done in the night: in the morning there is nothing to say of it.
  Rung(3, type::v1::RUNG_REMIND);
  rungs_.facts[3].running = false;
  steps_.Advance(absl::Hours(1) + absl::Minutes(1));
  ASSERT_THAT(gateway_.attempts, SizeIs(2));
  for (const v1::Delivery& delivery : Deliveries("sms")) EXPECT_EQ(delivery.notification().orders_size(), 1);
}

// However it comes to be due in the night.
TEST_F(NotifierTest, WhatIsHeldUpIntoTheNightWaitsForTheMorning) {
  // Its acknowledgement ends at 23:00.
  Rung(1, type::v1::RUNG_URGE);
  AcknowledgeElsewhere(1, type::v1::RUNG_URGE, steps_.clock()->Now() + absl::Hours(11));
  steps_.Advance(absl::Hours(9) + absl::Minutes(50));
  // Killed before it was told, and started again at 23:20.
  Rung(2, type::v1::RUNG_REMIND);
  steps_.clock()->Advance(absl::Minutes(90));
  Start();
  steps_.Advance(absl::Hours(8));
  EXPECT_THAT(Deliveries("desktop"), IsEmpty());
  steps_.Advance(absl::Hours(1));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(3)) << "two of the urged order, one of the other";
}

TEST_F(NotifierTest, AQueueThatTakesMoreAtNightGetsNothingOrdinary) {
  UseSms();
  gateway_.latency = absl::Hours(1);
  steps_.Advance(absl::Hours(9) + absl::Minutes(55));
  for (int order = 1; order <= 50; ++order) {
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_URGENT);
    steps_.Advance(absl::Seconds(3));
  }
  ASSERT_THAT(Deliveries("sms", v1::DELIVERY_STATE_QUEUED), SizeIs(50));
  Rung(100, type::v1::RUNG_REMIND);  // 21:57
  const auto ordinary = [this] {
    int count = 0;
    for (const v1::Delivery& delivery : Deliveries("sms")) {
      count += delivery.notification().urgency() == type::v1::URGENCY_NORMAL;
    }
    return count;
  };
  // What is told at night too waits for no room.
  Rung(101, type::v1::RUNG_DOUBT);
  steps_.Advance(absl::Minutes(40));
  EXPECT_EQ(ordinary(), 1);
  steps_.Advance(absl::Hours(9) - absl::Minutes(40));
  EXPECT_LT(Deliveries("sms", v1::DELIVERY_STATE_QUEUED).size(), 50u);
  EXPECT_EQ(ordinary(), 1);
  steps_.Advance(absl::Hours(2));
  EXPECT_EQ(ordinary(), 2);
}

TEST_F(NotifierTest, AGatewayThatFailsInTheEveningGetsItAgainInTheMorning) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "120");
  steps_.Advance(absl::Hours(9) + absl::Minutes(58));
  Rung(1, type::v1::RUNG_REMIND);
  Rung(2, type::v1::RUNG_REMIND, type::v1::URGENCY_URGENT);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(gateway_.attempts, SizeIs(2));
  gateway_.next = FakeGateway::Status(200);
  steps_.Advance(absl::Hours(9));
  EXPECT_THAT(gateway_.sent, SizeIs(3)) << "the urgent one again";
  EXPECT_EQ(unreachable_, 0) << "nobody has been given up: the round goes on in the morning";
  ASSERT_THAT(Deliveries("sms", v1::DELIVERY_STATE_QUEUED), SizeIs(1));
  steps_.Advance(absl::Hours(1) + absl::Minutes(10));
  EXPECT_THAT(gateway_.sent, SizeIs(4));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(2));
  steps_.Advance(absl::Hours(24));
  EXPECT_EQ(unreachable_, 0);
  for (const type::v1::NotificationReport& report : ledger_.Reports()) {
    EXPECT_EQ(report.notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);
  }
  EXPECT_THAT(ledger_.Reports(), SizeIs(2));
}

TEST_F(NotifierTest, WhoHasLeftInTheNightIsNotToldInTheMorning) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "120");
  steps_.Advance(absl::Hours(9) + absl::Minutes(58));
  Rung(1, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  gateway_.next = FakeGateway::Status(200);
  // Another handler, from midnight on.
  v1::DirectoryEntry handler = directory::test::Somebody("a4", "zhujianju", false);
  v1::Contact& contact = *handler.mutable_person()->add_contacts();
  contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
  contact.set_webhook("sms");
  contact.set_target("000-0004");
  ASSERT_TRUE(
      county_.Do({directory::test::Put(handler),
                  directory::test::Remove(directory::test::Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2")),
                  directory::test::Put(directory::test::Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a4"))}));
  steps_.Advance(absl::Hours(2));
  people_ = std::make_shared<const directory::Directory>(county_.directory);
  steps_.Advance(absl::Hours(8) + absl::Minutes(10));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(gateway_.bodies[gateway_.sent[0]], ElementsAre(HasSubstr("000-0001")));
  EXPECT_THAT(gateway_.bodies[gateway_.sent[1]], ElementsAre(HasSubstr("000-0004")));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(1));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_EQ(unreachable_, 0);
}

// His seat is his, and his telephone is another.
TEST_F(NotifierTest, AMessageThatWaitsGoesToTheNewTelephone) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "120");
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  gateway_.next = FakeGateway::Status(200);
  v1::DirectoryEntry handler = directory::test::Somebody("a2", "zhujianju", false);
  v1::Contact& contact = *handler.mutable_person()->add_contacts();
  contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
  contact.set_webhook("sms");
  contact.set_target("000-0002");
  ASSERT_TRUE(county_.Do({directory::test::Put(handler)}));
  people_ = std::make_shared<const directory::Directory>(county_.directory);
  steps_.Advance(absl::Minutes(3));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(gateway_.bodies[gateway_.sent[1]], ElementsAre(HasSubstr("000-0002")));
  EXPECT_EQ(unreachable_, 0);
}

// Nobody else is told of it any more.
TEST_F(NotifierTest, OfARoundThatIsOverTheMessageGoesToTheOldTelephone) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "400");
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Minutes(6));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  gateway_.next = FakeGateway::Status(200);
  people_ = std::make_shared<const directory::Directory>();
  steps_.Advance(absl::Minutes(3));
  EXPECT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
}

TEST_F(NotifierTest, OfARungThatWasOvertakenWhoHasLeftHearsNothing) {
  UseSms();
  gateway_.next = FakeGateway::Status(503, "400");
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Minutes(6));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  gateway_.next = FakeGateway::Status(200);
  people_ = std::make_shared<const directory::Directory>();
  rungs_.facts[1].highest = type::v1::RUNG_URGE;
  steps_.Advance(absl::Minutes(3));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(1));
}

TEST_F(NotifierTest, AnEmptyRungIsReportedAtOnceAlsoAtNight) {
  ASSERT_TRUE(county_.Do({directory::test::Put(directory::test::Unit("empty"))}));
  people_ = std::make_shared<const directory::Directory>(county_.directory);
  steps_.Advance(absl::Hours(11));
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "empty");
  steps_.Advance(absl::Milliseconds(10));
  const auto reports = ledger_.Reports();
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_TRUE(reports[0].unreachable());
  EXPECT_EQ(reports[0].notices(0).result(), type::v1::NOTIFICATION_RESULT_NOBODY);
  EXPECT_EQ(unreachable_, 1);
}

TEST_F(NotifierTest, RetriesWithTheSameIdAndBodyAndHonoursRetryAfter) {
  UseSms();
  gateway_.queue = {FakeGateway::Status(503, "100"), FakeGateway::Status(0), FakeGateway::Status(200)};
  Rung(1, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(31));
  EXPECT_THAT(results_, ElementsAre("retry"));
  steps_.Advance(absl::Seconds(95));
  EXPECT_THAT(results_, SizeIs(1)) << "not before the gateway said";
  steps_.Advance(absl::Seconds(60));
  EXPECT_THAT(results_, ElementsAre("retry", "retry", "reached"));
  ASSERT_THAT(gateway_.bodies, SizeIs(1));
  EXPECT_THAT(gateway_.bodies.begin()->second, SizeIs(1));
  EXPECT_EQ(gateway_.attempts.begin()->second, 3);
}

TEST_F(NotifierTest, AnAttemptThatAFullDiskDoesNotTakeIsNotMadeAgain) {
  look_again_ = absl::Seconds(1);
  Start();
  UseSms();
  gateway_.next = FakeGateway::Status(503);
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  fault_ = sql::Fault::kDiskFull;
  steps_.Advance(absl::Seconds(60));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
  EXPECT_THAT(results_, ElementsAre("retry")) << "counted all the same";
  fault_ = sql::Fault::kNone;
  steps_.Advance(absl::Milliseconds(500));
  EXPECT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(results_, ElementsAre("retry", "retry"));
  ASSERT_THAT(Deliveries("sms"), SizeIs(1));
  EXPECT_EQ(Deliveries("sms")[0].attempt_count(), 2);
  // Somebody takes note before what came of the last attempt is written down.
  gateway_.latency = absl::Seconds(5);
  steps_.Advance(absl::Seconds(3));
  ASSERT_THAT(gateway_.sent, SizeIs(3));
  fault_ = sql::Fault::kDiskFull;
  steps_.Advance(absl::Seconds(6));
  ASSERT_THAT(results_, SizeIs(3));
  const std::string id = Deliveries("sms").at(0).notification().id();
  fault_ = sql::Fault::kNone;
  ASSERT_TRUE(Acknowledge(id).ok());
  steps_.Advance(absl::Minutes(1));
  EXPECT_THAT(gateway_.sent, SizeIs(3));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
}

TEST_F(NotifierTest, WhileTheDiskIsFullNoFurtherMessageIsSent) {
  concurrency_ = 1;
  look_again_ = absl::Seconds(1);
  Start();
  UseSms();
  gateway_.latency = absl::Seconds(5);
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  Rung(2, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(Deliveries("sms"), SizeIs(2));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  fault_ = sql::Fault::kDiskFull;
  steps_.Advance(absl::Seconds(60));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
  fault_ = sql::Fault::kNone;
  steps_.Advance(absl::Seconds(7));
  EXPECT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(2));
}

TEST_F(NotifierTest, GivesUpAfterTheLastAttemptAndTriesAgainWhenTold) {
  UseSms();
  gateway_.next = FakeGateway::Status(500);
  Rung(1, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Minutes(10));
  EXPECT_THAT(results_, ElementsAre("retry", "retry", "retry", "dead"));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_TRUE(ledger_.Reports()[0].unreachable());
  EXPECT_EQ(unreachable_, 1);
  const std::vector<v1::Delivery> dead = Deliveries("sms", v1::DELIVERY_STATE_DEAD);
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].attempt_count(), 4);
  EXPECT_EQ(dead[0].last_status(), 500);
  gateway_.next = FakeGateway::Status(200);
  v1::RedeliverDeliveryRequest request;
  request.set_notification_id(dead[0].notification().id());
  ASSERT_TRUE(Call(&Notifier::RedeliverDelivery, request).ok());
  steps_.Advance(absl::Seconds(1));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
  EXPECT_EQ(gateway_.attempts.size(), 1u) << "under its old id";
  EXPECT_EQ(error::ReasonOf(Call(&Notifier::RedeliverDelivery, request).status()),
            type::v1::ERROR_REASON_DELIVERY_NOT_DEAD);
  request.set_notification_id("nosuch");
  EXPECT_EQ(error::ReasonOf(Call(&Notifier::RedeliverDelivery, request).status()),
            type::v1::ERROR_REASON_NOTIFICATION_UNKNOWN);
}

TEST_F(NotifierTest, NoMoreAtOnceThanTheGatewayTakes) {
  UseSms();
  gateway_.latency = absl::Seconds(5);
  for (int order = 1; order <= 9; ++order) {
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
    steps_.Advance(absl::Milliseconds(10));
  }
  steps_.Advance(absl::Minutes(2));
  EXPECT_THAT(gateway_.attempts, SizeIs(9));
  EXPECT_EQ(gateway_.most_open, 2);
}

TEST_F(NotifierTest, AnEmergencyIsTheNextThatTheGatewayGets) {
  concurrency_ = 1;
  Start();
  UseSms();
  gateway_.latency = absl::Hours(1);
  for (int order = 1; order <= 20; ++order) {
    Rung(order, type::v1::RUNG_REMIND);
    steps_.Advance(absl::Seconds(61));
  }
  ASSERT_THAT(Deliveries("sms", v1::DELIVERY_STATE_QUEUED), SizeIs(20));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  Rung(100, type::v1::RUNG_REMIND, type::v1::URGENCY_URGENT);
  steps_.Advance(absl::Seconds(3));
  Rung(101, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  std::map<std::string, std::string> numbers;  // by id of the message
  for (const v1::Delivery& delivery : Deliveries("sms")) {
    numbers[delivery.notification().id()] = delivery.notification().orders(0).order_number();
  }
  steps_.Advance(absl::Hours(3));
  ASSERT_GE(gateway_.sent.size(), 4u);
  EXPECT_EQ(numbers[gateway_.sent[1]], "12345-20261201-100101");
  EXPECT_EQ(numbers[gateway_.sent[2]], "12345-20261201-100100");
  EXPECT_EQ(numbers[gateway_.sent[3]], "12345-20261201-100002") << "then the oldest";
  EXPECT_EQ(gateway_.most_open, 1);
}

TEST_F(NotifierTest, OfSeveralPlacesAtTheGatewayOneIsKeptForEmergencies) {
  UseSms();
  gateway_.latency = absl::Hours(1);
  for (int order = 1; order <= 3; ++order) {
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_URGENT);
    steps_.Advance(absl::Seconds(3));
  }
  EXPECT_EQ(gateway_.open, 1);
  Rung(4, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Milliseconds(10));
  EXPECT_EQ(gateway_.open, 2) << "at once";
}

TEST_F(NotifierTest, ADesktopThatIsNotReadIsToldAgainUntilTheLastRound) {
  Rung(1, type::v1::RUNG_URGE);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2)) << "the handler, and the leader for his information";
  EXPECT_THAT(ledger_.Reports(), IsEmpty());
  steps_.Advance(absl::Hours(4) + absl::Minutes(1));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_FALSE(ledger_.Reports()[0].unreachable());
  EXPECT_THAT(Deliveries("desktop"), SizeIs(4)) << "the second round";
  steps_.Advance(absl::Hours(72));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(6)) << "three in all";
  ASSERT_THAT(ledger_.Reports(), SizeIs(3));
  EXPECT_TRUE(ledger_.Reports()[2].unreachable()) << "silence to the end";
  EXPECT_EQ(unreachable_, 1);
}

TEST_F(NotifierTest, EachRoundGoesToWhoeverHasTheDutyThen) {
  Add(1, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  Add(2, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  Add(3, type::v1::RUNG_CIRCULATE, type::v1::URGENCY_NORMAL, "zhujianju");
  notifier_->Wake();
  rungs_.facts[3].duty_party = "12345";
  steps_.Advance(absl::Seconds(31));
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    EXPECT_EQ(delivery.notification().unit(), "zhujianju") << "a draft is about who missed the deadline";
  }
  // It was merged into a job of the hotline's own desk.
  rungs_.facts[1].duty_party = "12345";
  steps_.Advance(absl::Hours(4) + absl::Minutes(1));
  std::map<std::string, std::set<std::string>> told;  // of the second round
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    const v1::Notification& message = delivery.notification();
    if (message.orders(0).round() != 2) continue;
    ASSERT_EQ(message.orders_size(), 1);
    told[message.unit() + " " + message.orders(0).order_id()].insert(message.target());
  }
  const std::string one = FormatOrderId(1);
  const std::string two = FormatOrderId(2);
  EXPECT_THAT(told, UnorderedElementsAre(
                        testing::Pair("12345 " + one, UnorderedElementsAre("desk-h1", "desk-h2")),
                        testing::Pair("zhujianju " + two, UnorderedElementsAre("desk-a1", "desk-a2"))));
  steps_.Advance(absl::Hours(72));
  EXPECT_EQ(unreachable_units_[one], "12345");
  EXPECT_EQ(unreachable_units_[two], "zhujianju");
}

TEST_F(NotifierTest, AnAcknowledgementStopsTheRoundsUntilItTimesOut) {
  Rung(1, type::v1::RUNG_URGE);
  steps_.Advance(absl::Seconds(31));
  const std::vector<v1::Delivery> first = Deliveries("desktop");
  ASSERT_THAT(first, SizeIs(2));
  for (const v1::Delivery& delivery : first) {
    const auto acknowledged = Acknowledge(delivery.notification().id());
    ASSERT_TRUE(acknowledged.ok()) << acknowledged.status();
    EXPECT_EQ(acknowledged->recorded_count(), 1);
    EXPECT_EQ(acknowledged->delivery().state(), v1::DELIVERY_STATE_REACHED);
  }
  // Again: the same.
  ASSERT_TRUE(Acknowledge(first[0].notification().id()).ok());
  int acknowledgements = 0;
  for (const auto& [id, command] : ledger_.commands) acknowledgements += command.has_rung_acknowledgement();
  EXPECT_EQ(acknowledgements, 2);
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_EQ(ledger_.Reports()[0].notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);
  steps_.Advance(absl::Hours(23));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2));
  // A day later it is still not done.
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(4));
  // Done: no third round.
  rungs_.facts[1].running = false;
  steps_.Advance(absl::Hours(72));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(4));
}

TEST_F(NotifierTest, AnAcknowledgementMadeElsewhereCountsAsWell) {
  Rung(1, type::v1::RUNG_URGE);
  Rung(2, type::v1::RUNG_URGE);
  AcknowledgeElsewhere(1, type::v1::RUNG_SUPERVISE, steps_.clock()->Now() + absl::Hours(30));
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2)) << "of the second order alone";
  EXPECT_EQ(Deliveries("desktop")[0].notification().orders(0).order_id(), FormatOrderId(2));
  rungs_.facts[2].running = false;
  steps_.Advance(absl::Hours(29));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2));
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(4));
}

// The log is read faster than rungs are planned.
TEST_F(NotifierTest, AnAcknowledgementIsKnownWhenItsRungIsPlanned) {
  Add(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY, "zhujianju");
  Add(2, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY, "zhujianju");
  AcknowledgeElsewhere(1, type::v1::RUNG_SUPERVISE, steps_.clock()->Now() + absl::Hours(10));
  steps_.RunDue();
  // Killed before it is planned.
  rungs_.ready = false;
  Start();
  rungs_.ready = true;
  notifier_->Wake();
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2)) << "of the second order alone";
  EXPECT_EQ(Deliveries("desktop")[0].notification().orders(0).order_id(), FormatOrderId(2));
  // Of a rung that was taken since then nobody has taken note.
  Add(1, type::v1::RUNG_SUPERVISE, type::v1::URGENCY_EMERGENCY, "zhujianju");
  notifier_->Wake();
  steps_.Advance(absl::Seconds(1));
  EXPECT_EQ(Deliveries("desktop")[0].notification().orders(0).order_id(), FormatOrderId(1));
  EXPECT_EQ(Deliveries("desktop")[0].notification().rung(), type::v1::RUNG_SUPERVISE);
}

TEST_F(NotifierTest, AnAcknowledgementIsKeptOverAFullDisk) {
  Rung(1, type::v1::RUNG_URGE);
  fault_ = sql::Fault::kDiskFull;
  AcknowledgeElsewhere(1, type::v1::RUNG_URGE, steps_.clock()->Now() + absl::Hours(30));
  steps_.RunDue();
  fault_ = sql::Fault::kNone;
  steps_.Advance(absl::Hours(9));
  EXPECT_THAT(Deliveries("desktop"), IsEmpty());
  steps_.Advance(absl::Hours(24));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2)) << "when it is over";
}

TEST_F(NotifierTest, WhoRepeatsAnAcknowledgementInDoubtIsNotToldWhatBecameOfIt) {
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  const std::vector<v1::Delivery> told = Deliveries("desktop");
  ASSERT_FALSE(told.empty());
  for (const sql::Fault fault : {sql::Fault::kFailBeforeCommit, sql::Fault::kFailAfterCommit}) {
    fault_ = sql::Fault::kNone;
    Start();
    fault_ = fault;
    for (int i = 0; i < 2; ++i) {
      const absl::Status failed = Acknowledge(told.front().notification().id()).status();
      EXPECT_EQ(error::ReasonOf(failed), type::v1::ERROR_REASON_STORE_FAILED) << failed;
      EXPECT_NE(error::ChineseOf(failed).find("结果未知"), std::string::npos) << "time " << i;
      EXPECT_EQ(error::ChineseOf(failed).find("请求编号"), std::string::npos) << "it has none";
    }
  }
}

TEST_F(NotifierTest, WhoRepeatsARedeliveryOrAReportInDoubtIsNotToldWhatBecameOfIt) {
  UseSms();
  gateway_.next = FakeGateway::Status(202, "", R"({"result":"pending"})");
  Rung(1, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(31));
  v1::ReportDeliveryRequest report;
  report.set_notification_id(Deliveries("sms", v1::DELIVERY_STATE_PENDING).at(0).notification().id());
  report.set_state(v1::DELIVERY_STATE_REACHED);
  gateway_.next = FakeGateway::Status(500);
  Rung(2, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Minutes(10));
  v1::RedeliverDeliveryRequest redelivery;
  redelivery.set_notification_id(Deliveries("sms", v1::DELIVERY_STATE_DEAD).at(0).notification().id());
  for (const sql::Fault fault : {sql::Fault::kFailBeforeCommit, sql::Fault::kFailAfterCommit}) {
    for (const bool reports : {true, false}) {
      SCOPED_TRACE(reports);
      fault_ = sql::Fault::kNone;
      Start();
      fault_ = fault;
      for (int i = 0; i < 2; ++i) {
        const absl::Status failed = reports ? Call(&Notifier::ReportDelivery, report).status()
                                            : Call(&Notifier::RedeliverDelivery, redelivery).status();
        EXPECT_EQ(error::ReasonOf(failed), type::v1::ERROR_REASON_STORE_FAILED) << failed;
        EXPECT_NE(error::ChineseOf(failed).find("结果未知"), std::string::npos) << "time " << i;
      }
    }
  }
  fault_ = sql::Fault::kNone;
  Start();
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_PENDING), IsEmpty()) << "the last of each was kept";
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_DEAD), IsEmpty());
}

TEST_F(NotifierTest, AShortAcknowledgementLeavesALongerOne) {
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  const std::vector<v1::Delivery> first = Deliveries("desktop");
  ASSERT_THAT(first, SizeIs(2));
  AcknowledgeElsewhere(1, type::v1::RUNG_URGE, steps_.clock()->Now() + absl::Hours(10));
  // By the message itself it is half an hour.
  for (const v1::Delivery& delivery : first) ASSERT_TRUE(Acknowledge(delivery.notification().id()).ok());
  steps_.Advance(absl::Hours(9));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2));
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(testing::Gt(2u)));
}

TEST_F(NotifierTest, AHigherRungEndsTheLowerOnesRounds) {
  Rung(1, type::v1::RUNG_URGE);
  steps_.Advance(absl::Seconds(31));
  Rung(1, type::v1::RUNG_SUPERVISE);
  steps_.Advance(absl::Hours(90));
  std::map<type::v1::Rung, int> rounds;
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    if (delivery.notification().capacity() == "to") ++rounds[delivery.notification().rung()];
  }
  EXPECT_EQ(rounds[type::v1::RUNG_URGE], 1);
  EXPECT_EQ(rounds[type::v1::RUNG_SUPERVISE], 3);
}

TEST_F(NotifierTest, WhatIsDoneBeforeTheGatewayTakesItIsNotSent) {
  UseSms();
  gateway_.next = FakeGateway::Status(503);
  Rung(1, type::v1::RUNG_REMIND);
  // Told after half a minute, and not tried again before half a second later.
  steps_.Advance(absl::Seconds(30) + absl::Milliseconds(100));
  rungs_.facts[1].running = false;
  gateway_.next = FakeGateway::Status(200);
  steps_.Advance(absl::Minutes(10));
  EXPECT_EQ(gateway_.attempts.begin()->second, 1);
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(1));
}

// Extended, or moved by a publication, the clock runs on with the rung that it has taken.
TEST_F(NotifierTest, NobodyIsToldOfADeadlineThatIsAheadAgain) {
  Rung(1, type::v1::RUNG_URGE);
  steps_.Advance(absl::Seconds(31));
  ASSERT_THAT(Deliveries("desktop"), SizeIs(2));
  const absl::Time due = At(2026, 12, 10, 12);
  rungs_.facts[1].due = due;
  steps_.Advance(absl::Hours(11));
  Rung(2, type::v1::RUNG_URGE);
  rungs_.facts[2].due = due;
  steps_.Advance(absl::Hours(72));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2)) << "neither again nor in the morning";
  EXPECT_THAT(ledger_.Reports(), IsEmpty()) << "of a round without silence";
  EXPECT_EQ(unreachable_, 0);
  // It is missed after all; the clock takes no rung twice.
  steps_.Advance(due + absl::Minutes(2) - steps_.clock()->Now());
  std::set<std::pair<std::string, int>> told;
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    for (const v1::NotifiedOrder& order : delivery.notification().orders()) {
      if (order.due_time().seconds() != absl::ToUnixSeconds(due)) continue;
      EXPECT_THAT(delivery.notification().text_zh(), HasSubstr("时限2026-12-10 12:00"));
      told.insert({order.order_id(), order.round()});
    }
  }
  EXPECT_THAT(told,
              UnorderedElementsAre(testing::Pair(FormatOrderId(1), 2), testing::Pair(FormatOrderId(2), 1)));
}

TEST_F(NotifierTest, WhatIsExtendedBeforeTheGatewayTakesItIsNotSent) {
  UseSms();
  gateway_.next = FakeGateway::Status(503);
  Rung(1, type::v1::RUNG_URGE);
  Rung(2, type::v1::RUNG_REMIND);
  Rung(3, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(30) + absl::Milliseconds(100));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  rungs_.facts[1].due = At(2026, 12, 10, 12);
  rungs_.facts[2].remind = At(2026, 12, 9, 12);
  gateway_.next = FakeGateway::Status(200);
  steps_.Advance(absl::Minutes(10));
  ASSERT_THAT(gateway_.sent, SizeIs(3)) << "of the one whose deadline is where it was";
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(1));
  const std::vector<v1::Delivery> reached = Deliveries("sms", v1::DELIVERY_STATE_REACHED);
  ASSERT_THAT(reached, SizeIs(1));
  ASSERT_THAT(reached[0].notification().orders(), SizeIs(1));
  EXPECT_EQ(reached[0].notification().orders(0).order_id(), FormatOrderId(3));
  EXPECT_EQ(unreachable_, 0);
  ASSERT_THAT(ledger_.Reports(), SizeIs(1)) << "of the two others it is not said that nobody was reached";
  // They are told when the new times have come, the reminder too, which is told once.
  steps_.Advance(At(2026, 12, 9, 12) + absl::Minutes(1) - steps_.clock()->Now());
  ASSERT_THAT(gateway_.sent, SizeIs(4));
  const v1::Notification reminder = Deliveries("sms")[0].notification();
  EXPECT_EQ(reminder.rung(), type::v1::RUNG_REMIND);
  ASSERT_THAT(reminder.orders(), SizeIs(1));
  EXPECT_EQ(reminder.orders(0).order_id(), FormatOrderId(2));
  EXPECT_EQ(reminder.orders(0).round(), 2);
  steps_.Advance(At(2026, 12, 10, 12) + absl::Minutes(2) - steps_.clock()->Now());
  ASSERT_THAT(gateway_.sent, SizeIs(5));
  EXPECT_EQ(Deliveries("sms")[0].notification().orders(0).order_id(), FormatOrderId(1));
  EXPECT_EQ(unreachable_, 0);
}

// The gateway takes nothing until the last round is over. What is due may move with the reminder or, by a
// publication, stay.
TEST_F(NotifierTest, WhatIsPutOffAfterItsLastRoundIsToldOfInTheEnd) {
  UseSms();
  for (const bool due_too : {true, false}) {
    SCOPED_TRACE(due_too);
    const size_t before = gateway_.sent.size();
    const int64_t order = due_too ? 1 : 2;
    gateway_.next = FakeGateway::Status(503, "400");
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
    steps_.Advance(absl::Minutes(6));
    ASSERT_THAT(gateway_.sent, SizeIs(before + 1));
    gateway_.next = FakeGateway::Status(200);
    OrderFacts& facts = rungs_.facts[order];
    facts.remind = steps_.clock()->Now() + absl::Hours(2);
    if (due_too) facts.due = facts.remind;
    steps_.Advance(absl::Hours(1));
    EXPECT_THAT(gateway_.sent, SizeIs(before + 1));
    EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_CANCELLED), SizeIs(due_too ? 1 : 2));
    steps_.Advance(absl::Hours(1) + absl::Minutes(1));
    EXPECT_THAT(gateway_.sent, SizeIs(before + 2));
    const std::vector<v1::Delivery> reached = Deliveries("sms", v1::DELIVERY_STATE_REACHED);
    ASSERT_THAT(reached, SizeIs(due_too ? 1 : 2));
    for (const v1::Delivery& delivery : reached) {
      EXPECT_EQ(delivery.notification().orders(0).round(), 2);
    }
    if (due_too) {
      EXPECT_EQ(reached[0].notification().orders(0).due_time().seconds(), absl::ToUnixSeconds(facts.due));
    }
    // Once.
    steps_.Advance(absl::Hours(5));
    EXPECT_THAT(gateway_.sent, SizeIs(before + 2));
  }
}

// The deadline moves on while the last attempt is under way, which fails: nobody was told, and there is time.
TEST_F(NotifierTest, WhatFailsWhileItsDeadlineMovesIsToldOfInTheEnd) {
  for (const Attempt& failure :
       {FakeGateway::Status(400), FakeGateway::Status(200, "", R"({"result":"not_reached"})")}) {
    UseSms();
    const size_t before = gateway_.sent.size();
    const int64_t order = 1 + static_cast<int64_t>(before);
    gateway_.latency = absl::Seconds(5);
    gateway_.next = failure;
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
    steps_.Advance(absl::Seconds(2));
    ASSERT_THAT(gateway_.sent, SizeIs(before + 1));
    OrderFacts& facts = rungs_.facts[order];
    facts.remind = facts.due = steps_.clock()->Now() + absl::Hours(2);
    gateway_.next = FakeGateway::Status(200);
    steps_.Advance(absl::Hours(1));
    EXPECT_THAT(gateway_.sent, SizeIs(before + 1));
    steps_.Advance(absl::Hours(2));
    EXPECT_THAT(gateway_.sent, SizeIs(before + 2));
    EXPECT_EQ(unreachable_, 0);
  }
}

TEST_F(NotifierTest, KilledWhileAMessageIsPutOffItTellsOfTheNewDeadline) {
  UseSms();
  // Kills after n tasks; the new deadline passes before the next start.
  int kills_before = 0;
  int kills_after = 0;
  for (int tasks = 0; tasks < 16; ++tasks) {
    SCOPED_TRACE(tasks);
    const size_t cancelled = Deliveries("sms", v1::DELIVERY_STATE_CANCELLED).size();
    gateway_.next = FakeGateway::Status(503, "120");
    Rung(1 + tasks, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
    steps_.Advance(absl::Seconds(1));
    gateway_.next = FakeGateway::Status(200);
    OrderFacts& facts = rungs_.facts[1 + tasks];
    facts.remind = facts.due = steps_.clock()->Now() + absl::Minutes(3);
    steps_.Advance(absl::Seconds(115));
    steps_.clock()->Advance(absl::Seconds(10));
    for (int ran = 0; ran < tasks && steps_.RunOne();) ++ran;
    steps_.clock()->Advance(absl::Minutes(2));
    Start();
    steps_.Advance(absl::Seconds(10));
    const bool withdrawn = Deliveries("sms", v1::DELIVERY_STATE_CANCELLED).size() > cancelled;
    ++(withdrawn ? kills_after : kills_before);
    EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(tasks + 1));
  }
  EXPECT_GT(kills_before, 0);
  EXPECT_GT(kills_after, 0);
  EXPECT_EQ(unreachable_, 0);
}

TEST_F(NotifierTest, ADeadlineThatComesBackIsToldOf) {
  UseSms();
  Rung(1, type::v1::RUNG_REMIND);
  rungs_.facts[1].remind = absl::InfiniteFuture();
  steps_.Advance(absl::Hours(1));
  EXPECT_THAT(gateway_.sent, IsEmpty());
  rungs_.facts[1].remind = steps_.clock()->Now();
  steps_.Advance(absl::Hours(4));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
}

TEST_F(NotifierTest, AGatewayMaySayLaterWhatCameOfIt) {
  UseSms();
  gateway_.next = FakeGateway::Status(202, "", R"({"result":"pending"})");
  Rung(1, type::v1::RUNG_REMIND);
  steps_.Advance(absl::Seconds(31));
  EXPECT_THAT(ledger_.Reports(), IsEmpty());
  v1::ReportDeliveryRequest request;
  request.set_notification_id(Deliveries("sms", v1::DELIVERY_STATE_PENDING).at(0).notification().id());
  EXPECT_FALSE(Call(&Notifier::ReportDelivery, request).ok()) << "no state";
  request.set_state(v1::DELIVERY_STATE_REACHED);
  ASSERT_TRUE(Call(&Notifier::ReportDelivery, request).ok());
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_EQ(ledger_.Reports()[0].notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);
}

TEST_F(NotifierTest, WhatTheGatewaySaysLaterEndsNoRoundsTooEarly) {
  UseSms();
  v1::DirectoryEntry leader = directory::test::Somebody("a1", "zhujianju", false);
  v1::Contact& contact = *leader.mutable_person()->add_contacts();
  contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
  contact.set_webhook("sms");
  contact.set_target("000-0002");
  ASSERT_TRUE(county_.Do({directory::test::Put(leader)}));
  people_ = std::make_shared<const directory::Directory>(county_.directory);
  gateway_.next = FakeGateway::Status(503, "120");
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(gateway_.sent, SizeIs(2));
  // Before the gateway takes it the deadline is extended: the first of three rounds was none.
  gateway_.next = FakeGateway::Status(202, "", R"({"result":"pending"})");
  rungs_.facts[1].due = steps_.clock()->Now() + absl::Hours(1);
  steps_.Advance(absl::Hours(1) + absl::Minutes(1));
  std::set<int> rounds;
  for (int i = 0; i < 4; ++i) {
    for (const v1::Delivery& delivery : Deliveries("sms", v1::DELIVERY_STATE_PENDING)) {
      rounds.insert(delivery.notification().orders(0).round());
      v1::ReportDeliveryRequest request;
      request.set_notification_id(delivery.notification().id());
      request.set_state(v1::DELIVERY_STATE_NOT_REACHED);
      ASSERT_TRUE(Call(&Notifier::ReportDelivery, request).ok());
    }
    steps_.Advance(absl::Minutes(6));
  }
  EXPECT_THAT(rounds, ElementsAre(2, 3, 4));
}

TEST_F(NotifierTest, KilledAtAnyStepItTellsEachRungOnceUnderOneId) {
  UseSms();
  // Kills after n tasks, for every n until a life gets through without one.
  bool through = false;
  for (int tasks = 0; !through; ++tasks) {
    const size_t before = gateway_.attempts.size();
    Add(1000 + tasks, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY, "zhujianju");
    notifier_->Wake();
    int ran = 0;
    for (int ms = 0; ran < tasks && ms < 100;) {
      if (steps_.RunOne()) {
        ++ran;
      } else {
        steps_.clock()->Advance(absl::Milliseconds(1));
        ++ms;
      }
    }
    through = ran < tasks;
    Start();
    steps_.Advance(absl::Minutes(1));
    EXPECT_EQ(gateway_.attempts.size(), before + 1) << tasks;
    EXPECT_EQ(ledger_.Reports().size(), static_cast<size_t>(tasks) + 1) << tasks;
    ASSERT_LT(tasks, 100);
  }
  for (const auto& [id, bodies] : gateway_.bodies) EXPECT_THAT(bodies, SizeIs(1)) << id;
}

TEST_F(NotifierTest, ForgettingItsStoreItTellsNothingUnderANewId) {
  UseSms();
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  steps_.Advance(absl::Hours(20));
  Rung(2, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(gateway_.attempts, SizeIs(2));
  steps_.Advance(absl::Hours(5));
  Start(/*forget=*/true);
  steps_.Advance(absl::Minutes(1));
  EXPECT_THAT(gateway_.attempts, SizeIs(2)) << "the second again under its id, the first is of yesterday";
  EXPECT_THAT(ledger_.Reports(), SizeIs(2));
}

TEST_F(NotifierTest, WhatWasTakenWhileItWasDownIsToldHoweverLongThatTook) {
  UseSms();
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  for (int order : {2, 3, 4}) Add(order, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  rungs_.facts[3].running = false;
  rungs_.facts[4].highest = type::v1::RUNG_SUPERVISE;
  // A draft is to be decided on though the duty was done since.
  Add(5, type::v1::RUNG_CIRCULATE, type::v1::URGENCY_NORMAL, "zhujianju");
  rungs_.facts[5].running = false;
  steps_.clock()->Advance(absl::Hours(30));
  Start();
  steps_.Advance(absl::Seconds(31));
  EXPECT_THAT(gateway_.sent, SizeIs(2));
  ASSERT_THAT(Deliveries("sms"), SizeIs(2));
  const v1::Notification message = Deliveries("sms")[0].notification();
  ASSERT_THAT(message.orders(), SizeIs(1));
  EXPECT_EQ(message.orders(0).order_id(), FormatOrderId(2));
  EXPECT_EQ(skipped_, 2) << "nothing follows from the others";
  std::set<std::string> on_desktops;
  for (const v1::Delivery& delivery : Deliveries("desktop")) {
    on_desktops.insert(delivery.notification().orders(0).order_id());
  }
  EXPECT_TRUE(on_desktops.contains(FormatOrderId(5)));
  // To a store that is begun anew all of them are history.
  Start(/*forget=*/true);
  steps_.Advance(absl::Minutes(1));
  EXPECT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_EQ(skipped_, 7);
}

TEST_F(NotifierTest, HistoryStaysHistoryIfAStartCutsTheFirstLookOff) {
  // More than are looked at in one go.
  for (int order = 1; order <= 600; ++order) {
    Add(order, type::v1::RUNG_URGE, type::v1::URGENCY_NORMAL, "zhujianju");
  }
  steps_.clock()->Advance(absl::Hours(30));
  notifier_->Wake();
  while (skipped_ == 0) ASSERT_TRUE(steps_.RunOne());
  ASSERT_LT(skipped_, 600);
  Start();
  steps_.Advance(absl::Minutes(1));
  EXPECT_EQ(skipped_, 600);
  EXPECT_THAT(Deliveries(), IsEmpty());
}

TEST_F(NotifierTest, ASiteWithoutARungBeforeHasNoStoreThatWasBegunAnew) {
  UseSms();
  rungs_.watermark = 3;
  notifier_->Wake();
  steps_.RunDue();
  Add(1, type::v1::RUNG_REMIND, type::v1::URGENCY_NORMAL, "zhujianju");
  steps_.clock()->Advance(absl::Hours(30));
  Start();
  steps_.Advance(absl::Seconds(31));
  EXPECT_THAT(gateway_.sent, SizeIs(1));
  EXPECT_EQ(skipped_, 0);
}

TEST_F(NotifierTest, WorkOrderDownOnlyDelaysTheRecord) {
  UseSms();
  ledger_.down = true;
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Minutes(5));
  EXPECT_THAT(gateway_.attempts, SizeIs(1));
  EXPECT_THAT(ledger_.Reports(), IsEmpty());
  ledger_.down = false;
  steps_.Advance(absl::Seconds(30));
  EXPECT_THAT(ledger_.Reports(), SizeIs(1));
}

// Only the reminder moves, which a reminder's last round is over for; the new one passes before work_order
// has the report.
TEST_F(NotifierTest, WhatComesDueWhileTheRecordIsOnItsWayIsToldOfInTheEnd) {
  UseSms();
  gateway_.latency = absl::Seconds(5);
  gateway_.next = FakeGateway::Status(400);
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(2));
  ASSERT_THAT(gateway_.sent, SizeIs(1));
  rungs_.facts[1].remind = steps_.clock()->Now() + absl::Minutes(10);
  gateway_.next = FakeGateway::Status(200);
  ledger_.down = true;
  steps_.Advance(absl::Minutes(15));
  ledger_.down = false;
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(ledger_.Reports(), SizeIs(2));
  EXPECT_THAT(gateway_.sent, SizeIs(2));
  EXPECT_THAT(Deliveries("sms", v1::DELIVERY_STATE_REACHED), SizeIs(1));
  EXPECT_EQ(unreachable_, 0);
}

TEST_F(NotifierTest, AnAcknowledgementThatComesWhileTheRecordFailsCounts) {
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  ledger_.down = true;
  const absl::Time until = steps_.clock()->Now() + absl::Hours(10);
  ledger_.meanwhile = [&] { AcknowledgeElsewhere(1, type::v1::RUNG_URGE, until); };
  steps_.Advance(absl::Minutes(6));
  ASSERT_FALSE(ledger_.meanwhile) << "the round is over, and to be recorded";
  ledger_.down = false;
  steps_.Advance(absl::Hours(9));
  EXPECT_THAT(ledger_.Reports(), SizeIs(1));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(2)) << "no second round yet";
  steps_.Advance(absl::Hours(2));
  EXPECT_THAT(Deliveries("desktop"), SizeIs(testing::Gt(2u)));
}

TEST_F(NotifierTest, BehindTheLogNobodyIsTold) {
  UseSms();
  rungs_.ready = false;
  Rung(1, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Minutes(1));
  EXPECT_THAT(gateway_.attempts, IsEmpty());
  // It was signed for meanwhile, as the log says once it has been read.
  rungs_.facts[1].running = false;
  rungs_.ready = true;
  notifier_->Wake();
  steps_.Advance(absl::Minutes(1));
  EXPECT_THAT(gateway_.attempts, IsEmpty());
}

TEST_F(NotifierTest, AFullQueueHoldsUpWhatIsOrdinary) {
  UseSms();
  gateway_.latency = absl::Hours(1);
  for (int order = 1; order <= 60; ++order) {
    Rung(order, type::v1::RUNG_REMIND, type::v1::URGENCY_NORMAL, "zhujianju");
    steps_.Advance(absl::Seconds(61));
  }
  EXPECT_LE(Deliveries("sms", v1::DELIVERY_STATE_QUEUED).size(), 51u);
  const auto latest = [this] { return Deliveries("sms").at(0).notification().urgency(); };
  ASSERT_EQ(latest(), type::v1::URGENCY_NORMAL);
  Rung(100, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  EXPECT_EQ(latest(), type::v1::URGENCY_EMERGENCY);
  Rung(101, type::v1::RUNG_REMIND, type::v1::URGENCY_URGENT);
  steps_.Advance(absl::Seconds(3));
  EXPECT_EQ(latest(), type::v1::URGENCY_URGENT);
}

TEST_F(NotifierTest, DesktopsWatchFromAnySequenceByAccountOrUnit) {
  const auto read = [&](v1::WatchNotificationsRequest request) {
    request.mutable_heartbeat_interval()->set_seconds(1);
    auto stream = notifier_->WatchNotifications({.now = steps_.clock()->Now()}, request);
    EXPECT_TRUE(stream.ok()) << stream.status();
    std::vector<std::string> seen;
    for (int i = 0; i < 3; ++i) {
      (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
        ASSERT_TRUE(message.ok()) << message.status();
        v1::WatchNotificationsResponse response;
        ASSERT_TRUE(response.ParseFromString(**message));
        for (const auto& one : response.notifications()) {
          seen.push_back(std::to_string(one.sequence()) + one.target());
        }
      });
      steps_.Advance(absl::Seconds(2));
    }
    return seen;
  };
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  Rung(2, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY, "12345");
  steps_.Advance(absl::Seconds(1));
  v1::WatchNotificationsRequest request;
  request.set_start_sequence(1);
  EXPECT_THAT(read(request), ElementsAre("1desk-a2", "2desk-a1", "3desk-h2"));
  request.set_account("desk-a1");
  EXPECT_THAT(read(request), ElementsAre("2desk-a1"));
  request.clear_account();
  request.set_unit("单位zhujianju");
  EXPECT_THAT(read(request), ElementsAre("1desk-a2", "2desk-a1"));
  request.set_start_sequence(2);
  EXPECT_THAT(read(request), ElementsAre("2desk-a1"));
  request.set_account("x");
  EXPECT_FALSE(notifier_->WatchNotifications({}, request).ok()) << "one or the other";
}

// The store refuses such a text as if it had failed itself, and a client would ask again and again.
TEST_F(NotifierTest, WhatCannotBeATextIsTheClientsFault) {
  const std::string bad("a\0b", 3);
  const auto fault = [](const absl::Status& status) {
    return std::string(error::ReasonName(error::ReasonOf(status))) + " " + error::FieldOf(status);
  };
  const auto list = [&](auto set) {
    v1::ListNotificationsRequest request;
    set(request);
    return fault(Call(&Notifier::ListNotifications, request).status());
  };
  EXPECT_EQ(list([&](auto& request) { request.set_order_id(bad); }), "TEXT_INVALID order_id");
  EXPECT_EQ(list([&](auto& request) { request.set_unit(bad); }), "TEXT_INVALID unit");
  EXPECT_EQ(list([&](auto& request) { request.set_person_id(bad); }), "TEXT_INVALID person_id");
  v1::ListDeliveriesRequest deliveries;
  deliveries.set_webhook(bad);
  EXPECT_EQ(fault(Call(&Notifier::ListDeliveries, deliveries).status()), "TEXT_INVALID webhook");
  deliveries.clear_webhook();
  deliveries.set_state(static_cast<v1::DeliveryState>(99));
  EXPECT_EQ(fault(Call(&Notifier::ListDeliveries, deliveries).status()), "ENUM_INVALID state");
  EXPECT_EQ(fault(Acknowledge(bad).status()), "TEXT_INVALID notification_id");
  v1::RedeliverDeliveryRequest redelivery;
  redelivery.set_notification_id(bad);
  EXPECT_EQ(fault(Call(&Notifier::RedeliverDelivery, redelivery).status()), "TEXT_INVALID notification_id");
  v1::ReportDeliveryRequest report;
  report.set_notification_id(bad);
  report.set_state(v1::DELIVERY_STATE_REACHED);
  EXPECT_EQ(fault(Call(&Notifier::ReportDelivery, report).status()), "TEXT_INVALID notification_id");
}

TEST_F(NotifierTest, ListsWhoWasToldOfWhat) {
  Rung(1, type::v1::RUNG_URGE, type::v1::URGENCY_EMERGENCY);
  Rung(2, type::v1::RUNG_REMIND, type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Seconds(1));
  v1::ListNotificationsRequest request;
  request.set_page_size(2);
  auto page = Call(&Notifier::ListNotifications, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->notices(), SizeIs(2));
  request.set_page_token(page->next_page_token());
  page = Call(&Notifier::ListNotifications, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->notices(), SizeIs(1));
  EXPECT_THAT(page->next_page_token(), IsEmpty());
  v1::ListNotificationsRequest of_order;
  of_order.set_order_id(FormatOrderId(1));
  page = Call(&Notifier::ListNotifications, of_order);
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->notices(), SizeIs(2));
  EXPECT_EQ(page->notices(0).capacity(), "copy");
  EXPECT_EQ(page->notices(1).person_id(), "a2");
  EXPECT_EQ(page->notices(1).state(), v1::DELIVERY_STATE_QUEUED);
  of_order.set_order_id("nosuch");
  EXPECT_EQ(error::ReasonOf(Call(&Notifier::ListNotifications, of_order).status()),
            type::v1::ERROR_REASON_ORDER_NOT_FOUND);
}

}  // namespace
}  // namespace hotline::escalation::notify
