// escalation: the clocks of a site and the ladder that a missed deadline climbs.
#include <grpcpp/channel.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/boot/backup_edge.h"
#include "common/boot/boot.h"
#include "common/boot/log.h"
#include "common/boot/stores.h"
#include "common/rpc/client.h"
#include "common/rpc/ledger_client.h"
#include "common/sql/memory.h"
#include "common/sql/sqlite.h"
#include "common/sql/sync_times.h"
#include "hotline/escalation/v1/escalation_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "services/escalation/discretion.h"
#include "services/escalation/edge.h"
#include "services/escalation/edge_notify.h"
#include "services/escalation/edge_people.h"
#include "services/escalation/edge_report.h"
#include "services/escalation/edge_rules.h"
#include "services/escalation/edge_store.h"
#include "services/escalation/follower.h"
#include "services/escalation/service.h"

namespace hotline::escalation {
namespace {

constexpr int kFollowerNiceness = 5;
// Events from which the time of one order is booked.
constexpr size_t kMaxLedgerEvents = 100'000;
constexpr absl::Duration kCheckpointEvery = absl::Seconds(1);
constexpr int64_t kCheckpointWalBytes = 8 << 20;

// `RUNG_URGE` as `urge`.
template <typename Enum>
std::string Word(Enum value, absl::string_view prefix) {
  const google::protobuf::EnumValueDescriptor* const known =
      google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  return known == nullptr ? absl::StrCat(static_cast<int>(value))
                          : absl::AsciiStrToLower(absl::StripPrefix(known->name(), prefix));
}

// As metrics call a clock.
struct ClockName {
  type::v1::ClockKind kind;
  std::string name;
  // Rungs that it can have.
  std::vector<type::v1::Rung> rungs;
};
// Every kind there is.
const std::vector<ClockName>& ClockNames() {
  static const auto* const names = [] {
    auto* const made = new std::vector<ClockName>;
    const google::protobuf::EnumDescriptor& kinds = *type::v1::ClockKind_descriptor();
    for (int i = 0; i < kinds.value_count(); ++i) {
      const auto kind = static_cast<type::v1::ClockKind>(kinds.value(i)->number());
      if (kind == type::v1::CLOCK_KIND_UNSPECIFIED) continue;
      ClockName& one = made->emplace_back(ClockName{.kind = kind, .name = Word(kind, "CLOCK_KIND_")});
      if (kind == type::v1::CLOCK_KIND_CONFIRM) {
        one.rungs = {type::v1::RUNG_DOUBT};
      } else if (kind == type::v1::CLOCK_KIND_VOICE) {
        one.rungs = {type::v1::RUNG_KEEP};
      } else if (kind == type::v1::CLOCK_KIND_UNIT_RETURN) {
        one.rungs = {type::v1::RUNG_CLOSE_RETURN};
      } else {
        one.rungs = {type::v1::RUNG_REMIND, type::v1::RUNG_URGE, type::v1::RUNG_SUPERVISE,
                     type::v1::RUNG_CIRCULATE, type::v1::RUNG_DISCIPLINE};
      }
    }
    return made;
  }();
  return *names;
}

// The numbers of the census as they are shown.
class CensusView {
 public:
  using Samples = std::vector<boot::Metrics::Sample>;

  explicit CensusView(std::shared_ptr<const Census> census) : census_(std::move(census)) {}

  Samples Orders() const {
    return Of(Figure::kOrders, [](const CensusKey& key) -> Labels {
      return {{"state", Word(Number<type::v1::OrderState>(key.first), "ORDER_STATE_")},
              {"direction", key.second}};
    });
  }
  Samples OpenByItem() const {
    return Of(Figure::kOpenByItem, [](const CensusKey& key) -> Labels { return {{"item", key.first}}; });
  }
  Samples OpenByUnit() const {
    return Of(Figure::kOpenByUnit, [](const CensusKey& key) -> Labels { return {{"unit", key.first}}; });
  }
  Samples Handoffs() const {
    return Of(Figure::kHandoffs, [](const CensusKey& key) -> Labels {
      return {{"direction", key.first}, {"item", key.second}};
    });
  }
  // With zeros for those that have not come yet, so that the first one is seen as an increase.
  Samples Rungs() const {
    std::map<std::pair<std::string, std::string>, double> values;
    for (const ClockName& clock : ClockNames()) {
      for (const type::v1::Rung rung : clock.rungs) values[{clock.name, Word(rung, "RUNG_")}] = 0;
    }
    for (const auto& [key, count] : *census_) {
      if (key.figure != Figure::kRungs) continue;
      values[{Word(Number<type::v1::ClockKind>(key.first), "CLOCK_KIND_"),
              Word(Number<type::v1::Rung>(key.second), "RUNG_")}] = static_cast<double>(count);
    }
    Samples samples;
    for (const auto& [names, value] : values) {
      samples.push_back({{{"clock", names.first}, {"rung", names.second}}, value});
    }
    return samples;
  }
  Samples Breaches() const {
    return Of(Figure::kBreaches, [](const CensusKey& key) -> Labels {
      return {{"unit", key.first}, {"clock", Word(Number<type::v1::ClockKind>(key.second), "CLOCK_KIND_")}};
    });
  }

 private:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  template <typename Enum>
  static Enum Number(const std::string& text) {
    int number = 0;
    return absl::SimpleAtoi(text, &number) ? static_cast<Enum>(number) : static_cast<Enum>(0);
  }
  template <typename MakeLabels>
  Samples Of(Figure figure, MakeLabels labels) const {
    Samples samples;
    for (const auto& [key, count] : *census_) {
      if (key.figure == figure) samples.push_back({labels(key), static_cast<double>(count)});
    }
    return samples;
  }

  const std::shared_ptr<const Census> census_;
};

// What `open`, a function of the database, makes of the store `path`, which it may write: see
// boot::OpenWithRoom. `copied` is the database.
template <typename Open>
auto OpenDatabase(const std::string& path, sql::Database** copied, Open open) {
  using Opened = decltype(open(std::unique_ptr<sql::Database>()));
  Opened opened = boot::OpenWithRoom(path, [&]() -> Opened {
    auto database = sql::OpenSqlite({.path = path, .on_wait = boot::WaitForReaders()});
    if (!database.ok()) return database.status();
    *copied = database->get();
    return open(*std::move(database));
  });
  if (!opened.ok()) return Opened(boot::At(path, opened.status()));
  return opened;
}

class EscalationProcess final : public boot::Service, private FollowerListener {
 public:
  static absl::StatusOr<std::unique_ptr<boot::Service>> Create(boot::Environment& environment) {
    const config::v1::SiteConfig& config = environment.site->site;
    const std::string& folder = config.escalation().data_dir();
    std::error_code failure;
    if (std::filesystem::create_directories(folder, failure)) {
      // Who is told of what is in it, and how they are reached.
      std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failure);
    }
    if (failure) {
      return absl::FailedPreconditionError("cannot create the folder " + folder + ": " + failure.message());
    }
    const auto open = [&](auto& make) {
      return [&](std::unique_ptr<sql::Database> database) {
        return make(std::move(database), config.hotline());
      };
    };
    sql::Database* clocks_copied = nullptr;
    absl::StatusOr<std::unique_ptr<Store>> store =
        OpenDatabase(folder + "/escalation.db", &clocks_copied, open(Store::Open));
    if (!store.ok()) return store.status();
    absl::StatusOr<std::unique_ptr<Reader>> reader = (*store)->NewReader();
    if (!reader.ok()) return boot::At(folder + "/escalation.db", reader.status());

    std::unique_ptr<EscalationProcess> process(new EscalationProcess(environment));
    process->store_ = *std::move(store);
    process->files_ = std::make_unique<PublicationFiles>(folder + "/publications");
    absl::StatusOr<Deadlines> deadlines = process->LoadDeadlines();
    if (!deadlines.ok()) return deadlines.status();
    rpc::ChannelOptions own;
    own.expected_hotline = config.hotline();
    own.expected_role = "work_order";
    std::shared_ptr<grpc::Channel> channels[2];
    for (auto& channel : channels) {
      absl::StatusOr<std::shared_ptr<grpc::Channel>> made =
          environment.security->NewChannel(config.work_order().address(), own);
      if (!made.ok()) return made.status();
      channel = *std::move(made);
    }
    process->ledger_ = std::make_unique<rpc::RpcLedger>(channels[0], channels[1]);
    process->discretion_ = std::make_unique<Discretion>(boot::ClearanceOf(config), process->ledger_.get());
    process->orders_ = workorder::v1::WorkOrderService::NewStub(channels[1]);
    FollowerListener* const listener = process.get();
    FollowerOptions options;
    options.rungs_per_s = config.escalation().rungs_per_s();
    process->follower_ = std::make_unique<Follower>(
        &process->loop_, environment.clock, process->ledger_.get(), process->store_.get(),
        *std::move(deadlines), config.hotline(), listener, options);
    process->service_ = std::make_unique<EscalationService>(
        &process->reads_, environment.clock, *std::move(reader), process->Rules(),
        [raw = process.get()](const CallContext& call, const std::string& order_id,
                              Done<std::vector<type::v1::Event>> done) {
          raw->ReadOrder(call, order_id, {}, std::move(done));
        },
        process->discretion_.get(), config.hotline(),
        [raw = process.get()](const std::string& code) { return raw->reports_->IsParty(code); });
    // Following is in less of a hurry than what is followed: it may cost no push its turn on the processor.
    process->loop_.Post([] { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kFollowerNiceness); });
    sql::Database* report_copied = nullptr;
    auto reports =
        OpenDatabase(folder + "/report.db", &report_copied, [&](std::unique_ptr<sql::Database> database) {
          return ReportPart::Create(
              environment, process->ledger_.get(),
              DeadlinesNow([raw = process.get()] { return raw->follower_->deadlines(); }),
              [raw = process.get()] { return raw->people_->directory().snapshot(); },
              process->discretion_.get(), std::move(database));
        });
    if (!reports.ok()) return reports.status();
    process->reports_ = *std::move(reports);
    process->edge_ = NewEscalationEdge(process->service_.get(), environment.host);
    sql::Database* directory_copied = nullptr;
    auto directory_store =
        OpenDatabase(folder + "/directory.db", &directory_copied, open(directory::Store::Open));
    if (!directory_store.ok()) return directory_store.status();
    auto people = People::Create(
        process->environment_,
        [raw = process.get()] { return raw->follower_->deadlines()->publications().back().calendars; },
        *std::move(directory_store));
    if (!people.ok()) return boot::At(folder + "/directory.db", people.status());
    process->people_ = *std::move(people);
    reader = process->store_->NewReader();
    if (!reader.ok()) return boot::At(folder + "/escalation.db", reader.status());
    sql::Database* notify_copied = nullptr;
    auto notify_store = OpenDatabase(folder + "/notify.db", &notify_copied, open(notify::Store::Open));
    if (!notify_store.ok()) return notify_store.status();
    auto notifications =
        Notifications::Create(process->environment_, &process->people_->directory(), *std::move(reader),
                              process->ledger_.get(), process->discretion_.get(), *std::move(notify_store));
    if (absl::IsUnavailable(notifications.status())) {
      return boot::At(folder + "/notify.db", notifications.status());
    }
    if (!notifications.ok()) return notifications.status();
    process->notifications_ = *std::move(notifications);
    // Whoever follows is copied before whom it follows: the notifier the clocks', and what clocks name after
    // them.
    std::vector<backup::Source> sources;
    for (const auto& [source, name] : {std::pair<sql::Database*, std::string>(notify_copied, "notify.db"),
                                       {report_copied, "report.db"},
                                       {clocks_copied, "escalation.db"},
                                       {directory_copied, "directory.db"}}) {
      sources.push_back(
          [from = source, file = name](const std::string& to) { return from->CopyTo(to + "/" + file); });
    }
    sources.push_back(backup::PlainFolder(folder + "/publications"));
    process->backup_ = boot::NewBackupEdge(process->environment_, std::move(sources));
    process->Measure();
    return process;
  }

  ~EscalationProcess() override {
    backup_.reset();
    // Callbacks run on the loops and on the client's threads: all end before what they use.
    if (ledger_ != nullptr) ledger_->Cancel();
    calls_.Cancel();
    loop_.Stop();
    reads_.Stop();
    checkpoints_.Stop();
    if (notifications_ != nullptr) notifications_->Stop();
    reports_.reset();
    ledger_.reset();
  }

  std::vector<boot::Endpoint> endpoints() override {
    std::vector<boot::Endpoint> endpoints = people_->endpoints();
    for (const boot::Endpoint& endpoint : notifications_->endpoints()) endpoints.push_back(endpoint);
    for (const boot::Endpoint& endpoint : reports_->endpoints()) endpoints.push_back(endpoint);
    endpoints.push_back({v1::EscalationService::service_full_name(), edge_.get()});
    endpoints.push_back(backup_->endpoint());
    return endpoints;
  }

  void Start() override {
    store_health_.Set(true);
    environment_.health->SetServing("work_order", false);
    environment_.health->SetServing("clock", true);
    if (const absl::Status status = follower_->Start(); !status.ok()) OnStoreFailed(status);
    reports_->Start();
    ScheduleCheckpoint();
    people_->Start();
    notifications_->Start();
  }

  void Drain() override {
    service_->Drain();
    notifications_->Drain();
    follower_->Stop();
    reports_->Drain();
    ledger_->Cancel();
    calls_.Cancel();
  }

 private:
  explicit EscalationProcess(boot::Environment& environment)
      : environment_(environment), loop_("follower"), reads_("reads"), checkpoints_("checkpoints") {}

  absl::StatusOr<Deadlines> LoadDeadlines() {
    absl::StatusOr<std::vector<Publication>> publications =
        RulesAtStart(*files_, environment_.site->site, environment_.site->units, environment_.clock->Now());
    if (!publications.ok()) return publications.status();
    return Deadlines(*std::move(publications));
  }

  RulesAccess Rules() {
    return {.current = [this] { return follower_->deadlines(); },
            .load = [this](const RulesChange& change) { return Load(change); },
            .digest = DigestOf,
            .publish =
                [this](Publication next, Done<int64_t> done) {
                  follower_->Publish(
                      std::move(next), [this](const Publication& made) { return files_->Keep(made); },
                      std::move(done));
                },
            .progress = [this] { return follower_->stats().moving; }};
  }

  // On `reads_`.
  absl::StatusOr<Publication> Load(const RulesChange& change) {
    std::vector<Publication> publications = follower_->deadlines()->publications();
    Publication& latest = publications.back();
    if (latest.number == noted_.number) latest = noted_;
    absl::StatusOr<Publication> next =
        NextRules(environment_.site->site.escalation(), publications, change, environment_.site->units);
    // What a request holds says nothing of the files.
    if (!next.ok() || !change.policy_yaml.empty() || !change.calendar_files.empty()) return next;
    if (absl::Status status = files_->Note(*next, &latest); !status.ok()) return status;
    noted_ = latest;
    return next;
  }

  // The order's events before those that are `known`, and these: page by page, the latest first.
  void ReadOrder(const CallContext& call, const std::string& order_id, std::vector<type::v1::Event> known,
                 Done<std::vector<type::v1::Event>> done) {
    using Async = workorder::v1::WorkOrderService::StubInterface::async_interface;
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(order_id);
    if (!known.empty()) request.set_before_sequence(known.front().sequence());
    Done<workorder::v1::ListOrderEventsResponse> page =
        [this, call, order_id, known = std::move(known),
         done = std::move(done)](absl::StatusOr<workorder::v1::ListOrderEventsResponse> response) mutable {
          if (!response.ok()) return done(response.status());
          std::vector<type::v1::Event> events(response->events().begin(), response->events().end());
          events.insert(events.end(), std::make_move_iterator(known.begin()),
                        std::make_move_iterator(known.end()));
          const bool complete = response->events().empty() || events.front().previous_order_sequence() == 0 ||
                                events.size() >= kMaxLedgerEvents;
          if (complete) return done(std::move(events));
          ReadOrder(call, order_id, std::move(events), std::move(done));
        };
    rpc::Call(calls_, static_cast<Async*>(orders_->async()), &Async::ListOrderEvents, call,
              std::move(request), rpc::Reached(std::move(page)));
  }

  void OnCaughtUp(int64_t cursor) override {
    log::Info("the log has been read up to its head", {{"cursor", cursor}});
    service_->CaughtUp(cursor);
    notifications_->OnCaughtUp();
  }

  void OnApplied(EventHub::Items items) override { service_->Applied(std::move(items)); }

  void OnProgress(int64_t cursor) override {
    service_->set_watermark(cursor);
    notifications_->OnProgress(cursor);
  }

  void OnLedger(const absl::Status& status) override {
    environment_.health->SetServing("work_order", status.ok());
    if (status.ok()) {
      log::Info("work_order answers");
    } else {
      log::Warn("the log cannot be followed", {{"error", std::string(status.message())}});
    }
  }

  void OnAcknowledged(const type::v1::Event& event) override { notifications_->OnAcknowledged(event); }

  void OnRung(absl::Duration late) override { lateness_->Observe(absl::ToDoubleSeconds(late)); }

  void OnCanary(absl::Duration late) override { canary_->Observe(absl::ToDoubleSeconds(late)); }

  void OnClockTrust(const ClockTrust& trust) override {
    environment_.health->SetServing("clock", trust.trusted);
    if (trust.trusted) {
      log::Info("the system clock can be trusted");
    } else {
      log::Warn("the system clock cannot be trusted: it was set, or is not work_order's or the peers'",
                {{"steps", trust.steps},
                 {"last_step_ms", absl::ToInt64Milliseconds(trust.last_step)},
                 {"skew_ms", absl::ToInt64Milliseconds(trust.skew)},
                 {"peer_skew_ms", absl::ToInt64Milliseconds(trust.peer_skew)}});
    }
  }

  void OnMoved(const MoveProgress& progress) override {
    if (!progress.done) return;
    log::Info("the open clocks go by the latest publication",
              {{"publication", progress.publication}, {"moved", progress.moved}});
  }

  void OnRefused(int64_t count, const std::string& order_id, const absl::Status& status) override {
    log::Warn("work_order refused to record rungs",
              {{"count", count}, {"first_order", order_id}, {"first_error", std::string(status.message())}});
  }

  void OnStoreFailed(const absl::Status& status) override {
    store_health_.Set(false);
    environment_.health->SetServing("", false);
    log::Error("the store failed; no deadline is watched until this process is started again",
               {{"error", std::string(status.message())}});
  }

  // Checkpoints are slow, so they run apart from the follower.
  void ScheduleCheckpoint() {
    checkpoints_.PostAfter(kCheckpointEvery, [this] {
      if (sql::IsCheckpointDue(store_->stats(), kCheckpointWalBytes)) {
        if (const absl::Status status = store_->Checkpoint(); !status.ok()) {
          log::Warn("checkpoint failed", {{"error", std::string(status.message())}});
        }
      }
      ScheduleCheckpoint();
    });
  }

  void Measure() {
    prometheus::Registry& registry = environment_.metrics->registry();
    const auto gauge = [&registry](const char* name,
                                   const char* help) -> prometheus::Family<prometheus::Gauge>& {
      return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
    };
    const auto total = [&registry](const char* name,
                                   const char* help) -> prometheus::Family<prometheus::Counter>& {
      return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    };
    const auto raise = [](prometheus::Counter& counter, int64_t value) {
      counter.Increment(std::max(0.0, static_cast<double>(value) - counter.Value()));
    };
    auto& armed = gauge("hotline_clocks_armed", "Clocks that run or are paused.");
    auto& overdue = gauge("hotline_clocks_overdue", "Those of them that have been urged.");
    for (const ClockName& clock : ClockNames()) {
      const prometheus::Labels labels = {{"clock", clock.name}};
      environment_.metrics->OnScrape(
          [this, kind = clock.kind, &armed = armed.Add(labels), &overdue = overdue.Add(labels)] {
            const Tally tally = follower_->stats().tallies[kind];
            armed.Set(static_cast<double>(tally.live));
            overdue.Set(static_cast<double>(tally.overdue));
          });
    }
    using Kind = boot::Metrics::Kind;
    const auto show = [this](const char* name, const char* help, Kind kind,
                             CensusView::Samples (CensusView::*read)() const) {
      environment_.metrics->Show(name, help, kind,
                                 [this, read] { return (CensusView(follower_->stats().census).*read)(); });
    };
    show("hotline_orders",
         "Orders of this site by state; registered here and kept (own) or handed over (out), or a peer's "
         "(in).",
         Kind::kGauge, &CensusView::Orders);
    show("hotline_open_orders_by_item", "Orders that are not over, by item of the catalogue.", Kind::kGauge,
         &CensusView::OpenByItem);
    show("hotline_open_orders_by_unit", "Orders that are not over, by the lead unit they are dispatched to.",
         Kind::kGauge, &CensusView::OpenByUnit);
    show("hotline_handoffs_total", "Orders handed over to a peer (out) and by one (in), since the log began.",
         Kind::kCounter, &CensusView::Handoffs);
    show("hotline_rungs_total", "Rungs in the log, since its beginning.", Kind::kCounter, &CensusView::Rungs);
    show("hotline_deadlines_breached_total", "Deadlines missed, by who missed them, since the log began.",
         Kind::kCounter, &CensusView::Breaches);
    auto& syncs = total("hotline_store_syncs_total", "Syncs of write-ahead logs.").Add({});
    auto& sync_seconds = total("hotline_store_sync_seconds_total", "Time that those took.").Add({});
    auto& cache = gauge("hotline_store_cache_bytes", "Page caches of the stores' writers.").Add({});
    environment_.metrics->OnScrape([&syncs, &sync_seconds, &cache] {
      cache.Set(static_cast<double>(sql::WriterCacheBytes()));
      const sql::SyncTimes times = sql::GetSyncTimes();
      syncs.Increment(std::max(0.0, static_cast<double>(times.count) - syncs.Value()));
      sync_seconds.Increment(std::max(0.0, absl::ToDoubleSeconds(times.total) - sync_seconds.Value()));
    });
    auto& in_doubt = gauge("hotline_offers_in_doubt", "Offers recorded as in doubt.").Add({});
    environment_.metrics->OnScrape([this, &in_doubt] {
      in_doubt.Set(static_cast<double>(follower_->stats().tallies[type::v1::CLOCK_KIND_CONFIRM].overdue));
    });
    lateness_ = &prometheus::BuildHistogram()
                     .Name("hotline_firing_lateness_seconds")
                     .Help("From the instant a rung was due to its recording in the log.")
                     .Register(registry)
                     .Add({}, prometheus::Histogram::BucketBoundaries{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
                                                                      60, 300, 3600});
    canary_ =
        &prometheus::BuildHistogram()
             .Name("hotline_canary_lateness_seconds")
             .Help("From the instant a clock without an order was due to its being noticed.")
             .Register(registry)
             .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 1, 5});
    auto& trusted = gauge("hotline_clock_trusted", "1 while the system clock can be trusted.").Add({});
    auto& steps =
        total("hotline_clock_steps_total", "Steps of the system clock against the monotonic one.").Add({});
    auto& skew =
        gauge("hotline_clock_skew_seconds", "work_order's clock minus this one, as last seen in an event.")
            .Add({});
    auto& publication = gauge("hotline_rules_publication", "Number of the rules that hold.").Add({});
    auto& settled = gauge("hotline_rules_settled", "1 when the open clocks have been moved to them.").Add({});
    auto& moved = gauge("hotline_rules_moved_clocks", "Clocks moved to the latest rules so far.").Add({});
    auto& peer_skew =
        gauge("hotline_clock_peer_skew_seconds",
              "A peer's clock minus work_order's, as last measured by a receipt; 0 once that is old.")
            .Add({});
    environment_.metrics->OnScrape(
        [this, raise, &trusted, &steps, &skew, &peer_skew, &publication, &settled, &moved] {
          const Follower::Stats stats = follower_->stats();
          trusted.Set(stats.trust.trusted ? 1 : 0);
          raise(steps, stats.trust.steps);
          skew.Set(absl::ToDoubleSeconds(stats.trust.skew));
          peer_skew.Set(absl::ToDoubleSeconds(stats.trust.peer_skew));
          publication.Set(static_cast<double>(follower_->deadlines()->publications().back().number));
          settled.Set(stats.moving.done ? 1 : 0);
          moved.Set(static_cast<double>(stats.moving.moved));
        });
    auto& cursor = gauge("hotline_escalation_cursor_sequence", "The log is followed up to here.").Add({});
    auto& lag = gauge("hotline_escalation_lag_events", "Events of the log that have not been read.").Add({});
    auto& fresh =
        gauge("hotline_escalation_fresh", "1 while the log is known well enough to take rungs.").Add({});
    auto& refused = total("hotline_rungs_refused_total", "Rungs that work_order refused to record.").Add({});
    auto& watches = gauge("hotline_watch_streams", "Watches open.").Add({});
    auto& wal = gauge("hotline_store_wal_bytes", "Size of the write-ahead log.").Add({});
    auto& bytes = gauge("hotline_store_database_bytes", "Size of the database.").Add({});
    auto& free = gauge("hotline_store_free_bytes", "Free space on the store's disk.").Add({});
    environment_.metrics->OnScrape(
        [this, raise, &cursor, &lag, &fresh, &refused, &watches, &wal, &bytes, &free] {
          const Follower::Stats stats = follower_->stats();
          cursor.Set(static_cast<double>(stats.cursor));
          lag.Set(static_cast<double>(stats.head - stats.cursor));
          fresh.Set(stats.fresh ? 1 : 0);
          raise(refused, stats.refused);
          watches.Set(static_cast<double>(service_->open_streams()));
          const sql::Stats store = store_->stats();
          wal.Set(static_cast<double>(store.wal_bytes));
          bytes.Set(static_cast<double>(store.database_bytes));
          free.Set(static_cast<double>(store.free_disk_bytes));
        });
  }

  boot::Environment environment_;
  StoreHealth store_health_{environment_, "store", "clocks"};
  prometheus::Histogram* lateness_ = nullptr;
  prometheus::Histogram* canary_ = nullptr;
  Loop loop_;
  Loop reads_;
  Loop checkpoints_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PublicationFiles> files_;
  // The latest publication, with what the configured files held when they were last read. On `reads_` only.
  Publication noted_ = {.number = 0};
  std::unique_ptr<rpc::RpcLedger> ledger_;
  std::unique_ptr<Discretion> discretion_;
  std::unique_ptr<workorder::v1::WorkOrderService::Stub> orders_;
  rpc::Calls calls_;
  std::unique_ptr<EscalationService> service_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<ReportPart> reports_;
  std::unique_ptr<grpc::Service> edge_;
  std::unique_ptr<People> people_;
  std::unique_ptr<Notifications> notifications_;
  std::unique_ptr<boot::BackupEdge> backup_;
};

}  // namespace
}  // namespace hotline::escalation

int main(int argc, char** argv) {
  return hotline::boot::RunService(argc, argv, "escalation", hotline::escalation::EscalationProcess::Create,
                                   [](const hotline::boot::LoadedSite& site) {
                                     return hotline::escalation::CheckRulesInForce(site.site.escalation(),
                                                                                   site.units);
                                   });
}
