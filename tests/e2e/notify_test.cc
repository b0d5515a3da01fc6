// Real processes: a rung leads to a message at a real gateway, and what came of it stands on the order;
// whoever is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "hotline/escalation/v1/directory_service.grpc.pb.h"
#include "hotline/escalation/v1/notification_service.grpc.pb.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using escalation::v1::DirectoryService;
using escalation::v1::NotificationService;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using workorder::v1::WorkOrderService;

constexpr char kOldSecret[] = "the-old-secret-of-the-gateway";
constexpr char kNewSecret[] = "the-new-secret-of-the-gateway";

// A request as the gateway took it.
struct Taken {
  std::string id;
  std::string answer;
  std::vector<std::string> signed_by;
  std::string event;  // JSON
  size_t orders = 0;
};

// The members of an object may come in any order.
bool SameEvent(const std::string& a, const std::string& b) {
  google::protobuf::Struct one;
  google::protobuf::Struct other;
  return google::protobuf::util::JsonStringToMessage(a, &one).ok() &&
         google::protobuf::util::JsonStringToMessage(b, &other).ok() &&
         google::protobuf::util::MessageDifferencer::Equals(one, other);
}

class NotifyTest : public testing::Test {
 protected:
  NotifyTest() {
    gateway_folder_ = sites_.folder.path() + "/gateway";
    std::filesystem::create_directories(gateway_folder_);
    for (config::v1::DeadlineRule& rule : *sites_.a.policy().mutable_rules()) {
      if (rule.clock() != type::v1::CLOCK_KIND_PEER_ACCEPTANCE) continue;
      // Reminded after a second; the next rung is far.
      rule.set_limit_s(120);
      rule.set_remind_before_s(119);
    }
    config::v1::NotifyConfig& notify = *site_.config().mutable_escalation()->mutable_notify();
    // Whenever the test runs.
    notify.set_quiet_from("00:00");
    notify.set_quiet_until("00:00");
    notify.mutable_group_window_s()->set_normal(1);
  }

  void StartGateway() {
    auto gateway =
        Process::Start({"/usr/bin/python3", HOTLINE_SOURCE_DIR "/tests/e2e/gateway.py", gateway_folder_,
                        std::string("old=") + kOldSecret, std::string("new=") + kNewSecret},
                       gateway_folder_ + "/log");
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    const auto ready = gateway_->WaitForLine("READY ", absl::Seconds(20));
    ASSERT_TRUE(ready.ok()) << ready.status();
    gateway_port_ = ready->substr(6);
  }

  config::v1::WebhookConfig& AddWebhook() {
    config::v1::WebhookConfig& webhook =
        *site_.config().mutable_escalation()->mutable_notify()->add_webhooks();
    webhook.set_name("sms");
    webhook.set_url("http://127.0.0.1:" + gateway_port_ + "/send");
    webhook.set_insecure_allow_http(true);
    webhook.set_allow_private_network(true);
    webhook.set_timeout_ms(1000);
    webhook.set_backoff_min_ms(50);
    webhook.set_backoff_max_ms(200);
    webhook.set_max_attempts(20);
    for (const auto& [id, secret] : {std::pair("old", kOldSecret), std::pair("new", kNewSecret)}) {
      const std::string file = gateway_folder_ + "/" + id + ".secret";
      WriteFile(file, std::string(secret) + "\n");
      chmod(file.c_str(), 0600);
      config::v1::WebhookSecret& one = *webhook.add_secrets();
      one.set_key_id(id);
      one.set_file(file);
    }
    return webhook;
  }

  void Answer(const std::string& words) { WriteFile(gateway_folder_ + "/answers", words); }

  void StartSites() {
    const absl::Status started = sites_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
    Connect();
  }
  void Connect() {
    directory_ = DirectoryService::NewStub(site_.NewChannelTo(Service::kEscalation));
    notifications_ = NotificationService::NewStub(site_.NewChannelTo(Service::kEscalation));
  }

  // The peer's people, as 12345 knows them: the handler by `contact`, the leader by the desktop; and the own
  // hotline's.
  void Staff(const std::string& account, const std::string& webhooks) {
    escalation::v1::ImportDirectoryRequest request;
    NextRequestId(request.mutable_header()->mutable_request_id());
    request.mutable_header()->set_account("2001");
    request.mutable_header()->set_reported_by("公安局");
    request.set_csv(
        "kind,unit,display_name,person,account,webhooks,role\n"
        "person,110,甲（示例）,p1,desk-p1,,\n"
        "person,110,乙（示例）,p2," +
        account + "," + webhooks +
        ",\n"
        "role,110,,p1,,,leader\nrole,110,,p2,,,handler\n"
        "person,12345,丙（示例）,h1,desk-h1,,\nperson,12345,丁（示例）,h2,desk-h2,,\n"
        "role,12345,,h1,,,leader\nrole,12345,,h2,,,handler\nrole,12345,,h1,,,supervisor\n");
    const auto response = Must(*directory_, &DirectoryService::Stub::ImportDirectory, request);
    EXPECT_EQ(response.added_count(), 9);
  }

  std::vector<Taken> Requests() {
    std::vector<Taken> requests;
    std::ifstream file(gateway_folder_ + "/requests.jsonl");
    for (std::string line; std::getline(file, line);) {
      google::protobuf::Struct request;
      // The last line may be half written.
      if (!google::protobuf::util::JsonStringToMessage(line, &request).ok()) continue;
      Taken& taken = requests.emplace_back();
      taken.id = request.fields().at("id").string_value();
      taken.answer = request.fields().at("answer").string_value();
      for (const auto& one : request.fields().at("signed_by").list_value().values())
        taken.signed_by.push_back(one.string_value());
      const auto& event = request.fields().at("event").struct_value();
      google::protobuf::util::MessageToJsonString(event, &taken.event);
      taken.orders =
          event.fields().at("data").struct_value().fields().at("orders").list_value().values_size();
    }
    return requests;
  }

  std::vector<type::v1::NotificationReport> Reports(const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    std::vector<type::v1::NotificationReport> reports;
    const auto answer = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, request);
    for (const type::v1::Event& event : answer.events()) {
      if (event.has_notification_reported()) reports.push_back(event.notification_reported());
    }
    return reports;
  }
  bool WaitForReports(const std::string& id, size_t n) {
    return Eventually([&] { return Reports(id).size() >= n; });
  }

  std::vector<type::v1::Rung> Rungs(const std::string& id) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(id);
    std::vector<type::v1::Rung> rungs;
    const auto answer = Must(site_.work_order(), &WorkOrderService::Stub::ListOrderEvents, request);
    for (const type::v1::Event& event : answer.events()) {
      if (event.has_escalated()) rungs.push_back(event.escalated().rung());
    }
    return rungs;
  }

  std::vector<escalation::v1::Delivery> Deliveries(const std::string& webhook,
                                                   escalation::v1::DeliveryState state) {
    escalation::v1::ListDeliveriesRequest request;
    request.set_webhook(webhook);
    request.set_state(state);
    const auto response = Must(*notifications_, &NotificationService::Stub::ListDeliveries, request);
    return {response.deliveries().begin(), response.deliveries().end()};
  }

  TwoSites sites_;
  Site& site_ = sites_.a;
  std::string gateway_folder_;
  std::string gateway_port_;
  std::unique_ptr<Process> gateway_;
  std::unique_ptr<DirectoryService::Stub> directory_;
  std::unique_ptr<NotificationService::Stub> notifications_;
};

TEST_F(NotifyTest, ARungReachesTheGatewayAndTheOrderSaysSo) {
  StartGateway();
  AddWebhook();
  // It fails, delays and hangs up before it takes the first message.
  Answer("503 drop 503:1 200");
  StartSites();
  Staff("", "sms=000-0002");
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(WaitForReports(id, 1));
  const type::v1::NotificationReport report = Reports(id)[0];
  EXPECT_EQ(report.clock(), type::v1::CLOCK_KIND_PEER_ACCEPTANCE);
  EXPECT_EQ(report.rung(), type::v1::RUNG_REMIND);
  EXPECT_FALSE(report.unreachable());
  ASSERT_THAT(report.notices(), SizeIs(1));
  EXPECT_EQ(report.notices(0).person_id(), "p2");
  EXPECT_EQ(report.notices(0).channel(), "sms");
  EXPECT_EQ(report.notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);

  std::vector<Taken> requests = Requests();
  ASSERT_GE(requests.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(requests[i].id, requests[0].id) << "the same delivery each time";
    EXPECT_TRUE(SameEvent(requests[i].event, requests[0].event));
    EXPECT_THAT(requests[i].signed_by, ElementsAre("old", "new"))
        << "by both secrets, so that one can be exchanged";
  }
  EXPECT_THAT(requests[0].event, HasSubstr("000-0002"));
  EXPECT_THAT(requests[0].event, HasSubstr(Get(site_, id).number()));
  // Staff's contacts are in no log.
  for (const char* secret : {"000-0002", "desk-p1", kOldSecret, "乙"}) {
    EXPECT_THAT(ReadFile(site_.log_file(Service::kEscalation)), Not(HasSubstr(secret)));
  }
  EXPECT_TRUE(Verify(site_).intact());
}

// The directory has the unit and nobody in it.
TEST_F(NotifyTest, ARungThatFindsNobodyIsOnTheOrderAndTheNextComesAtOnce) {
  config::v1::Ladder& ladder = *sites_.a.policy().add_ladders();
  ladder.set_code("slow");
  ladder.add_steps()->set_rung(type::v1::RUNG_URGE);
  config::v1::LadderStep& supervise = *ladder.add_steps();
  supervise.set_rung(type::v1::RUNG_SUPERVISE);
  supervise.mutable_after()->set_hours(24);
  for (config::v1::DeadlineRule& rule : *sites_.a.policy().mutable_rules()) {
    if (rule.clock() != type::v1::CLOCK_KIND_PEER_ACCEPTANCE) continue;
    rule.set_limit_s(2);
    rule.set_remind_before_s(0);
    rule.set_ladder("slow");
  }
  StartSites();
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(WaitForReports(id, 1));
  const type::v1::NotificationReport report = Reports(id)[0];
  EXPECT_EQ(report.rung(), type::v1::RUNG_URGE);
  EXPECT_TRUE(report.unreachable());
  ASSERT_THAT(report.notices(), SizeIs(1));
  EXPECT_EQ(report.notices(0).result(), type::v1::NOTIFICATION_RESULT_NOBODY);
  EXPECT_TRUE(Get(site_, id).facts().rung_unreached());
  ASSERT_TRUE(Eventually([&] { return Rungs(id).size() >= 2; })) << "it was to come a day later";
  EXPECT_THAT(Rungs(id), ElementsAre(type::v1::RUNG_URGE, type::v1::RUNG_SUPERVISE));
}

TEST_F(NotifyTest, KillsNeitherLoseNorDoubleAMessage) {
  StartGateway();
  AddWebhook();
  // Deaf until the service has been killed with the message in its hands.
  Answer("hang");
  StartSites();
  Staff("", "sms=000-0002");
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(Eventually([&] { return !Requests().empty(); }));
  site_.Kill(Service::kEscalation);
  Answer("200");
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  Connect();
  ASSERT_TRUE(WaitForReports(id, 1));
  EXPECT_EQ(Requests().front().id, Requests()[1].id);
  // The clocks' store is rebuilt from the log; nobody is told again of what was told.
  site_.Kill(Service::kEscalation);
  for (const char* end : {"", "-wal", "-shm"}) {
    std::filesystem::remove(site_.config().escalation().data_dir() + "/escalation.db" + end);
  }
  ASSERT_TRUE(site_.Start(Service::kEscalation).ok());
  Connect();
  const std::string other = Push(site_, MakePush(2, "110")).order().id();
  ASSERT_TRUE(WaitForReports(other, 1));
  std::map<std::string, std::set<std::string>> rungs;  // by order and rung: ids
  for (const Taken& taken : Requests()) {
    google::protobuf::Struct event;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(taken.event, &event).ok());
    const std::string subject = event.fields().at("subject").string_value();
    for (const auto& order :
         event.fields().at("data").struct_value().fields().at("orders").list_value().values()) {
      rungs[order.struct_value().fields().at("id").string_value() + subject].insert(taken.id);
    }
  }
  EXPECT_GE(rungs.size(), 2u);
  for (const auto& [rung, ids] : rungs) EXPECT_THAT(ids, SizeIs(1)) << rung;
  // The directory is no projection: it is still there.
  escalation::v1::ListDirectoryRequest list;
  list.set_unit("110");
  EXPECT_THAT(Must(*directory_, &DirectoryService::Stub::ListDirectory, list).entries(), SizeIs(5));
}

TEST_F(NotifyTest, ForbiddenTargetsGetNothing) {
  StartGateway();
  // By name, so that only what it resolves to gives it away.
  config::v1::WebhookConfig& webhook = AddWebhook();
  webhook.set_url("http://localhost:" + gateway_port_ + "/send");
  webhook.set_allow_private_network(false);
  StartSites();
  Staff("", "sms=000-0002");
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(WaitForReports(id, 1));
  EXPECT_TRUE(Reports(id)[0].unreachable());
  const auto dead = Deliveries("sms", escalation::v1::DELIVERY_STATE_DEAD);
  ASSERT_FALSE(dead.empty());
  EXPECT_THAT(dead[0].last_error(), HasSubstr("private network"));
  EXPECT_EQ(dead[0].attempt_count(), 1) << "trying again would not help";
  EXPECT_THAT(Requests(), IsEmpty());
}

TEST_F(NotifyTest, RedirectsAreNotFollowed) {
  StartGateway();
  AddWebhook();
  Answer("302");
  StartSites();
  Staff("", "sms=000-0002");
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  ASSERT_TRUE(WaitForReports(id, 1));
  EXPECT_TRUE(Reports(id)[0].unreachable());
  const auto dead = Deliveries("sms", escalation::v1::DELIVERY_STATE_DEAD);
  ASSERT_FALSE(dead.empty());
  EXPECT_THAT(dead.back().last_error(), HasSubstr("redirects"));
  EXPECT_THAT(ReadFile(gateway_folder_ + "/requests.jsonl"), Not(HasSubstr("elsewhere")));
  // The gateway is mended, and somebody has it tried again.
  Answer("200");
  escalation::v1::RedeliverDeliveryRequest again;
  again.set_notification_id(dead.back().notification().id());
  Must(*notifications_, &NotificationService::Stub::RedeliverDelivery, again);
  EXPECT_TRUE(Eventually([&] { return !Deliveries("sms", escalation::v1::DELIVERY_STATE_REACHED).empty(); }));
}

TEST_F(NotifyTest, ADesktopReadsAndAcknowledges) {
  StartSites();
  Staff("desk-p2", "");
  const std::string id = Push(site_, MakePush(1, "110")).order().id();
  escalation::v1::WatchNotificationsRequest watch;
  watch.set_start_sequence(1);
  watch.set_account("desk-p2");
  watch.mutable_heartbeat_interval()->set_seconds(1);
  Call call(absl::Seconds(30));
  const auto stream = notifications_->WatchNotifications(&call, watch);
  escalation::v1::WatchNotificationsResponse message;
  while (stream->Read(&message) && message.notifications().empty()) {
  }
  ASSERT_FALSE(message.notifications().empty());
  const escalation::v1::Notification notification = message.notifications(0);
  call.TryCancel();
  EXPECT_EQ(notification.orders(0).order_id(), id);
  EXPECT_THAT(notification.text_zh(), HasSubstr("提醒"));
  EXPECT_THAT(Reports(id), IsEmpty());
  escalation::v1::AcknowledgeNotificationRequest acknowledge;
  acknowledge.set_notification_id(notification.id());
  acknowledge.set_account("desk-p2");
  const auto acknowledged =
      Must(*notifications_, &NotificationService::Stub::AcknowledgeNotification, acknowledge);
  EXPECT_EQ(acknowledged.delivery().state(), escalation::v1::DELIVERY_STATE_REACHED);
  ASSERT_TRUE(WaitForReports(id, 1));
  EXPECT_EQ(Reports(id)[0].notices(0).result(), type::v1::NOTIFICATION_RESULT_REACHED);
  EXPECT_EQ(Reports(id)[0].notices(0).channel(), "desktop");
}

TEST_F(NotifyTest, BadSecretsStopTheStart) {
  StartGateway();
  config::v1::WebhookConfig& webhook = AddWebhook();
  chmod(webhook.secrets(0).file().c_str(), 0644);
  ASSERT_TRUE(site_.Start(Service::kWorkOrder).ok());
  const absl::Status status = site_.Start(Service::kEscalation);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("open to everybody"));
}

}  // namespace
}  // namespace hotline::test
