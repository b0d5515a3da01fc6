#include "services/escalation/edge_notify.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <atomic>
#include <map>
#include <string>
#include <utility>

#include "common/base/id.h"
#include "common/boot/log.h"
#include "common/rpc/forward.h"
#include "common/rpc/server_stream.h"
#include "hotline/escalation/v1/notification_service.grpc.pb.h"
#include "services/escalation/edge_store.h"
#include "services/escalation/edge_webhook.h"
#include "services/escalation/notify/notifier.h"

namespace hotline::escalation {
namespace {

constexpr absl::Duration kCheckpointEvery = absl::Seconds(5);

class NotificationEdge final
    : public rpc::RawService<v1::NotificationService::Service,
                             v1::NotificationService::WithRawCallbackMethod_WatchNotifications,
                             v1::NotificationService::WithRawCallbackMethod_AcknowledgeNotification,
                             v1::NotificationService::WithRawCallbackMethod_ListNotifications,
                             v1::NotificationService::WithRawCallbackMethod_ListDeliveries,
                             v1::NotificationService::WithRawCallbackMethod_RedeliverDelivery,
                             v1::NotificationService::WithRawCallbackMethod_ReportDelivery> {
 public:
  NotificationEdge(notify::Notifier* notifier, rpc::Host* host) : notifier_(notifier), host_(host) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchNotifications(grpc::CallbackServerContext* context,
                                                                 const grpc::ByteBuffer* request) override {
    return rpc::ServerStream<v1::WatchNotificationsRequest>(
        context, request, watch_,
        [this](const CallContext& call, const v1::WatchNotificationsRequest& request) {
          return notifier_->WatchNotifications(call, request);
        });
  }

 private:
  static const char* service_full_name() { return v1::NotificationService::service_full_name(); }

  notify::Notifier* const notifier_;
  rpc::Host* const host_;
  rpc::Method watch_{host_, service_full_name(), "WatchNotifications", rpc::MethodType::kServerStream};

 public:
  HOTLINE_FORWARD(v1, AcknowledgeNotification, notifier_)
  HOTLINE_FORWARD(v1, ListNotifications, notifier_)
  HOTLINE_FORWARD(v1, ListDeliveries, notifier_)
  HOTLINE_FORWARD(v1, RedeliverDelivery, notifier_)
  HOTLINE_FORWARD(v1, ReportDelivery, notifier_)
};

// What the notifier sees of the clocks' store.
class ClockRungs final : public notify::RungSource {
 public:
  explicit ClockRungs(std::unique_ptr<Reader> reader) : reader_(std::move(reader)) {}

  // Before the log has been read up to its head, clocks that stopped meanwhile still seem to run: nobody is
  // told then.
  void CaughtUp() { ready_ = true; }
  void SetCursor(int64_t cursor) { cursor_ = cursor; }

  bool Ready() override { return ready_; }
  int64_t Watermark() override { return cursor_; }

  absl::StatusOr<std::vector<notify::RungEvent>> ReadRungs(int64_t start, int64_t end, int limit) override {
    const auto rows = reader_->ReadRungs(start, end, limit);
    if (!rows.ok()) return rows.status();
    std::vector<notify::RungEvent> rungs;
    for (const RungRow& row : *rows) {
      v1::EscalationRecord record;
      record.ParseFromString(row.record);
      notify::RungEvent& rung = rungs.emplace_back();
      rung.sequence = row.sequence;
      rung.ref.order_id = ParseOrderId(record.order_id()).value_or(0);
      rung.ref.armed_by = record.escalation().armed_by_sequence();
      rung.ref.clock = record.escalation().clock();
      rung.ref.rung = record.escalation().rung();
      rung.ref.assist_unit = record.escalation().assist_unit();
      rung.order_number = record.order_number();
      rung.duty_party = record.escalation().duty_party();
      rung.due = DeadlineOf(record.escalation());
      rung.record_time = FromProto(record.record_time());
    }
    return rungs;
  }

  absl::StatusOr<std::optional<notify::OrderFacts>> FindFacts(const notify::RungRef& ref) override {
    const auto order = reader_->FindOrder(ref.order_id);
    if (!order.ok()) return order.status();
    if (!order->has_value()) return std::optional<notify::OrderFacts>();
    for (const OrderClock& clock : (*order)->clocks) {
      if (clock.kind != ref.clock || clock.armed_by != ref.armed_by || clock.assist_unit != ref.assist_unit) {
        continue;
      }
      notify::OrderFacts facts;
      facts.urgency = (*order)->urgency;
      facts.running = clock.state == v1::CLOCK_STATE_RUNNING;
      facts.paused = clock.state == v1::CLOCK_STATE_PAUSED;
      facts.highest = clock.rung;
      facts.due = clock.due;
      facts.remind = clock.remind;
      facts.duty_party = clock.duty_party;
      facts.accused_units = (*order)->accused_units;
      facts.restricted = (*order)->restricted;
      facts.registered_by = (*order)->registered_by;
      return std::optional<notify::OrderFacts>(std::move(facts));
    }
    return std::optional<notify::OrderFacts>();
  }

  absl::StatusOr<bool> IsHeld(int64_t order_id) override {
    const auto order = reader_->FindOrder(order_id);
    if (!order.ok()) return order.status();
    return order->has_value() && (*order)->held;
  }

  absl::StatusOr<int64_t> FindOrderId(const std::string& id_or_number) override {
    if (const auto id = ParseOrderId(id_or_number)) return *id;
    const auto found = reader_->FindIdByNumber(id_or_number);
    if (!found.ok()) return found.status();
    return found->value_or(0);
  }

 private:
  const std::unique_ptr<Reader> reader_;
  std::atomic<bool> ready_ = false;
  std::atomic<int64_t> cursor_ = 0;
};

class NotifyProcess final : public Notifications, public notify::Listener {
 public:
  NotifyProcess(const boot::Environment& environment, std::unique_ptr<Reader> clocks)
      : environment_(environment), rungs_(std::move(clocks)) {}

  ~NotifyProcess() override { Stop(); }

  absl::Status Open(const directory::Service* people, Ledger* ledger, const Discretion* discretion,
                    std::unique_ptr<notify::Store> store) {
    const config::v1::SiteConfig& config = environment_.site->site;
    const config::v1::NotifyConfig& settings = config.escalation().notify();
    notify::NotifierOptions options;
    options.hotline = config.hotline();
    options.queue_limit = settings.queue_limit();
    if (const int days = config.retention().notification_days(); days >= 0) {
      options.keep = absl::Hours(24) * days;
    }
    std::map<std::string, WebhookTarget> targets;
    for (const config::v1::WebhookConfig& one : settings.webhooks()) {
      options.webhooks[one.name()] = {.max_attempts = one.max_attempts(),
                                      .backoff_min = absl::Milliseconds(one.backoff_min_ms()),
                                      .backoff_max = absl::Milliseconds(one.backoff_max_ms()),
                                      .concurrency = one.concurrency()};
      WebhookTarget& target = targets[one.name()];
      target.url = one.url();
      target.timeout = absl::Milliseconds(one.timeout_ms());
      target.ca_file = one.ca_file();
      target.allow_private_network = one.allow_private_network();
      target.allow_http = one.insecure_allow_http();
      for (const auto& [key_id, bytes] : environment_.site->webhook_secrets.at(one.name())) {
        target.secrets.push_back({key_id, bytes});
      }
      environment_.health->SetServing("webhook." + one.name(), true);
    }
    auto sender = WebhookSender::Create(std::move(targets), environment_.clock);
    if (!sender.ok()) return sender.status();
    sender_ = *std::move(sender);
    Measure(settings);
    notify::Listener* const listener = this;
    notifier_ = std::make_unique<notify::Notifier>(
        &loop_, environment_.clock, std::move(store), notify::Policy(settings), &rungs_,
        [people] { return people->snapshot(); }, people->reach(), ledger, sender_.get(), listener, discretion,
        std::move(options));
    if (absl::Status status = notifier_->Open(); !status.ok()) return status;
    edge_ = std::make_unique<NotificationEdge>(notifier_.get(), environment_.host);
    return absl::OkStatus();
  }

  std::vector<boot::Endpoint> endpoints() override {
    return {{v1::NotificationService::service_full_name(), edge_.get()}};
  }

  void Start() override {
    store_health_.Set(true);
    notifier_->Start();
    ScheduleCheckpoint();
  }

  void Drain() override { notifier_->Drain(); }

  void Stop() override {
    loop_.Stop();
    checkpoints_.Stop();
  }

  void OnProgress(int64_t cursor) override {
    rungs_.SetCursor(cursor);
    notifier_->Wake();
  }

  void OnCaughtUp() override {
    rungs_.CaughtUp();
    notifier_->Wake();
  }

  void OnAcknowledged(const type::v1::Event& event) override {
    const type::v1::RungAcknowledgement& acknowledgement = event.rung_acknowledged();
    notifier_->Acknowledged({.order_id = ParseOrderId(event.order_id()).value_or(0),
                             .armed_by = acknowledgement.armed_by_sequence(),
                             .clock = acknowledgement.clock(),
                             .rung = acknowledgement.rung(),
                             .assist_unit = acknowledgement.assist_unit()},
                            event.sequence(), FromProto(acknowledgement.until_time()));
  }

 private:
  void OnAttempt(const std::string& webhook, const std::string& result) override {
    attempts_->Add({{"webhook", webhook}, {"result", result}}).Increment();
    // Told when it changes, not for each attempt.
    const bool good = result != "retry" && result != "dead";
    bool& was_good = webhooks_[webhook];
    if (good == was_good) return;
    was_good = good;
    environment_.health->SetServing("webhook." + webhook, good);
    if (good) {
      log::Info("the webhook takes messages", {{"webhook", webhook}});
    } else {
      log::Warn("the webhook does not take a message; see hotlinectl notifications deliveries",
                {{"webhook", webhook}, {"result", result}});
    }
  }

  void OnUnreachable(const std::string& order_id, const std::string& unit, type::v1::Rung rung) override {
    unreachable_->Increment();
    log::Warn("ALARM a rung reached nobody",
              {{"order", order_id}, {"unit", unit}, {"rung", type::v1::Rung_Name(rung)}});
  }

  void OnSkipped(int rungs) override {
    skipped_->Increment(rungs);
    log::Warn("old rungs are told to nobody", {{"rungs", std::to_string(rungs)}});
  }

  void OnTold(const std::string& channel, int orders) override {
    messages_->Add({{"channel", channel}}).Increment();
    notices_->Add({{"channel", channel}}).Increment(orders);
  }

  void OnReportRefused(const std::string& order_id, const absl::Status& status) override {
    refused_->Increment();
    // An order that has ended meanwhile takes no report; one that breaks work_order's rules is this program's
    // fault, and the rung counts as told although nobody was.
    log::Warn(absl::IsInvalidArgument(status) ? "ALARM work_order refuses what came of telling people"
                                              : "work_order did not record what came of telling people",
              {{"order", order_id}, {"error", std::string(status.message())}});
  }

  void OnStoreFailed(const absl::Status& status) override {
    store_health_.Set(false);
    log::Error("the notification store failed; nobody is told until this process is started again",
               {{"error", std::string(status.message())}});
  }

  // Checkpoints are slow, so they run apart from the notifier.
  void ScheduleCheckpoint() {
    checkpoints_.PostAfter(kCheckpointEvery, [this] {
      if (const absl::Status status = notifier_->Checkpoint(); !status.ok()) {
        log::Warn("checkpoint failed", {{"error", std::string(status.message())}});
      }
      ScheduleCheckpoint();
    });
  }

  void Measure(const config::v1::NotifyConfig& settings) {
    prometheus::Registry& registry = environment_.metrics->registry();
    const auto total = [&registry](const char* name,
                                   const char* help) -> prometheus::Family<prometheus::Counter>& {
      return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    };
    const auto gauge = [&registry](const char* name,
                                   const char* help) -> prometheus::Family<prometheus::Gauge>& {
      return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
    };
    attempts_ = &total("hotline_notify_attempts_total", "Attempts at webhooks, by how they ended.");
    messages_ = &total("hotline_notify_messages_total", "Messages made, each for one person and contact.");
    notices_ = &total("hotline_notify_notices_total", "Orders in them.");
    unreachable_ =
        &total("hotline_notify_unreachable_total", "Rungs that could tell nobody or reached nobody.").Add({});
    skipped_ = &total("hotline_notify_skipped_rungs_total",
                      "Rungs that were history when they were first seen, and are told to nobody.")
                    .Add({});
    refused_ =
        &total("hotline_notify_reports_refused_total", "Results that work_order did not record.").Add({});
    auto& waiting =
        gauge("hotline_notify_waiting_rungs", "Rungs that are to be told: grouped, or in quiet hours.")
            .Add({});
    auto& reporting =
        gauge("hotline_notify_reporting_rungs", "Results that are to be recorded on their orders.").Add({});
    auto& streams = gauge("hotline_notify_watch_streams", "Desktops that watch.").Add({});
    auto& queued =
        gauge("hotline_notify_queue_length", "Messages that wait for a webhook, or on a desktop to be read.");
    auto& dead = gauge("hotline_notify_dead_messages", "Messages that were given up.");
    auto& oldest = gauge("hotline_notify_oldest_seconds", "Age of the oldest message that waits.");
    std::vector<std::string> channels = {""};
    for (const config::v1::WebhookConfig& one : settings.webhooks()) {
      channels.push_back(one.name());
      webhooks_[one.name()] = true;
    }
    struct Gauges {
      prometheus::Gauge *queued, *dead, *oldest;
    };
    std::map<std::string, Gauges> by_channel;
    for (const std::string& channel : channels) {
      const prometheus::Labels labels = {{"channel", channel.empty() ? "desktop" : channel}};
      by_channel[channel] = {&queued.Add(labels), &dead.Add(labels), &oldest.Add(labels)};
      // At zero from the start, so that the first of each is seen as an increase.
      messages_->Add(labels);
      notices_->Add(labels);
      if (channel.empty()) continue;
      for (const char* result : {"reached", "pending", "not_reached", "retry", "dead"}) {
        attempts_->Add({{"webhook", channel}, {"result", result}});
      }
    }
    environment_.metrics->OnScrape(
        [this, &waiting, &reporting, &streams, by_channel = std::move(by_channel)] {
          const notify::Counts counts = notifier_->counts();
          waiting.Set(static_cast<double>(counts.waiting_rungs));
          reporting.Set(static_cast<double>(counts.reporting_rungs));
          streams.Set(static_cast<double>(notifier_->open_streams()));
          const absl::Time now = environment_.clock->Now();
          for (const auto& [channel, gauges] : by_channel) {
            const auto it = counts.channels.find(channel);
            const notify::Counts::Channel count =
                it == counts.channels.end() ? notify::Counts::Channel() : it->second;
            gauges.queued->Set(static_cast<double>(count.queued));
            gauges.dead->Set(static_cast<double>(count.dead));
            gauges.oldest->Set(count.queued == 0 ? 0 : absl::ToDoubleSeconds(now - count.oldest));
          }
        });
  }

  const boot::Environment environment_;
  StoreHealth store_health_{environment_, "notify", "notify"};
  ClockRungs rungs_;
  prometheus::Family<prometheus::Counter>* attempts_ = nullptr;
  prometheus::Family<prometheus::Counter>* messages_ = nullptr;
  prometheus::Family<prometheus::Counter>* notices_ = nullptr;
  prometheus::Counter* unreachable_ = nullptr;
  prometheus::Counter* skipped_ = nullptr;
  prometheus::Counter* refused_ = nullptr;
  std::map<std::string, bool> webhooks_;  // took the last message; on the notifier's loop
  Loop loop_{"notify"};
  Loop checkpoints_{"notify-disk"};
  std::unique_ptr<notify::Notifier> notifier_;
  // After what its callbacks use, so that it ends before.
  std::unique_ptr<WebhookSender> sender_;
  std::unique_ptr<grpc::Service> edge_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Notifications>> Notifications::Create(
    const boot::Environment& environment, const directory::Service* people, std::unique_ptr<Reader> clocks,
    Ledger* ledger, const Discretion* discretion, std::unique_ptr<notify::Store> store) {
  auto notifications = std::make_unique<NotifyProcess>(environment, std::move(clocks));
  if (absl::Status status = notifications->Open(people, ledger, discretion, std::move(store)); !status.ok())
    return status;
  return notifications;
}

}  // namespace hotline::escalation
