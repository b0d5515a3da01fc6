// work_order: the system of record of a site.
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <thread>

#include "common/base/id.h"
#include "common/base/text.h"
#include "common/boot/backup_edge.h"
#include "common/boot/boot.h"
#include "common/boot/log.h"
#include "common/boot/stores.h"
#include "common/error/error.h"
#include "common/sql/memory.h"
#include "common/sql/sync_times.h"
#include "hotline/operation/v1/retention_service.grpc.pb.h"
#include "hotline/workorder/v1/ledger_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "services/work_order/edge.h"
#include "services/work_order/engine.h"
#include "services/work_order/service.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {
namespace {

constexpr absl::Duration kCheckpointEvery = absl::Milliseconds(250);
// A page that many commits touch is written once by a checkpoint, so under load they come later; a short log
// is written over sooner, which makes single commits faster.
constexpr int64_t kCheckpointWalBytes = 8 << 20;
constexpr int64_t kBusyCheckpointWalBytes = 32 << 20;
constexpr int64_t kBusyEventsPerCommit = 8;
constexpr size_t kSaltBytes = 16;
// Of a store that failed, whether it commits again; and with less room than that on its disk nobody asks.
constexpr absl::Duration kProbeEvery = absl::Seconds(5);
constexpr int64_t kProbeFreeBytes = 1 << 20;

Site SiteOf(const boot::LoadedSite& loaded) {
  Site site;
  site.hotline = loaded.site.hotline();
  for (const auto& peer : loaded.site.peers()) site.peers.insert(peer.hotline());
  for (const auto& unit : loaded.units.units()) site.units.insert(unit.code());
  const auto limits = [](const config::v1::UrgencySeconds& seconds, absl::Duration(&limits)[3]) {
    limits[0] = absl::Seconds(seconds.normal());
    limits[1] = absl::Seconds(seconds.urgent());
    limits[2] = absl::Seconds(seconds.emergency());
  };
  limits(loaded.site.work_order().confirm_within_s(), site.confirm_within);
  limits(loaded.site.work_order().keep_after_s(), site.keep_after);
  // dispatch's part may be in another file on another machine.
  if (loaded.site.has_dispatch()) {
    site.emergency_receipt = absl::Seconds(loaded.site.dispatch().emergency_receipt_s());
  }
  const config::v1::WorkOrderConfig& config = loaded.site.work_order();
  site.dispatches_first = config.dispatches_first();
  if (config.has_free_returns_per_unit()) site.free_returns_per_unit = config.free_returns_per_unit();
  if (config.has_free_returns_per_order()) site.free_returns_per_order = config.free_returns_per_order();
  for (const std::string& account : loaded.site.need_to_know().accounts()) {
    site.cleared_accounts.insert(account);
  }
  if (config.has_extensions_per_order()) site.extensions_per_order = config.extensions_per_order();
  return site;
}

// Nothing of what the peer says in words: that may be anything.
void LogRefusal(const Refusal& refusal) {
  const std::string kind = exchange::v1::EnvelopeKind_IsValid(refusal.body.kind())
                               ? exchange::v1::EnvelopeKind_Name(refusal.body.kind())
                               : StrCat(static_cast<int>(refusal.body.kind()));
  log::Warn("a peer has not understood an envelope of this site, which had no effect there",
            {{"peer", refusal.peer},
             {"handoff", refusal.handoff_id},
             {"kind", kind},
             {"sequence", refusal.body.sequence()},
             {"reason", refusal.body.reason()}});
}

class WorkOrderProcess final : public boot::Service {
 public:
  static absl::StatusOr<std::unique_ptr<boot::Service>> Create(boot::Environment& environment) {
    const config::v1::SiteConfig& config = environment.site->site;
    const std::string file = config.work_order().data_dir() + "/work_order.db";
    // On a full disk it is begun again and again.
    bool told = false;
    const auto tell_remake = [&](bool done) {
      if (done) {
        log::Info("the store has been brought to this release and key", {{"store", file}});
      } else if (!std::exchange(told, true)) {
        log::Info(
            "the store was written by an earlier release or with another caller_key_file: its orders and "
            "envelopes are read once before the service is ready, which takes ten seconds or more for a "
            "million orders",
            {{"store", file}});
      }
    };
    absl::StatusOr<std::unique_ptr<Store>> store = boot::OpenWithRoom(file, [&] {
      return Store::Open({.directory = config.work_order().data_dir(),
                          .hotline = config.hotline(),
                          .caller_key = environment.site->caller_key,
                          .on_wait = boot::WaitForReaders(),
                          .on_remake = tell_remake});
    });
    if (!store.ok()) return boot::At(file, store.status());
    std::unique_ptr<WorkOrderProcess> process(new WorkOrderProcess(environment));
    absl::StatusOr<std::unique_ptr<Reader>> reader = (*store)->NewReader();
    if (!reader.ok()) return boot::At(file, reader.status());
    const absl::StatusOr<Heads> heads = (*reader)->ReadHeads();
    if (!heads.ok()) return boot::At(file, heads.status());
    if (heads->last_order_id >= FirstOrderIdAt(environment.clock->Now() + absl::Hours(24))) {
      log::Error(
          "the last order was registered while the clock was ahead, or the clock is behind: ids and "
          "numbers go on from there until its time has come",
          {{"order", FormatOrderId(heads->last_order_id)}});
    }
    if (heads->last_order_id == 0) {
      log::Warn(
          "the store is empty: if this site has had orders, its data_dir was moved or its disk is not "
          "mounted: stop the service, put it back, and only then start it",
          {{"data_dir", config.work_order().data_dir()}});
    }
    EngineOptions options;
    options.site = SiteOf(*environment.site);
    options.queue_limit = config.work_order().queue_limit();
    options.commit_batch = config.work_order().commit_batch();
    options.draw_salt = [] { return RandomBytes(kSaltBytes); };
    absl::StatusOr<std::unique_ptr<Engine>> engine =
        Engine::Create(*std::move(store), std::move(options), environment.clock, &process->readers_);
    if (!engine.ok()) return boot::At(file, engine.status());
    process->engine_ = *std::move(engine);
    for (const auto& [peer, count] : process->engine_->OwedToFormerPeers()) {
      log::Error("envelopes wait for a peer that is no longer configured: nothing delivers them",
                 {{"peer", peer}, {"envelopes", count}});
    }
    process->service_ = std::make_unique<WorkOrderService>(
        process->engine_.get(), *std::move(reader), &process->readers_, &process->hub_, environment.clock,
        EvidenceKeys{.signing = environment.site->signing, .ring = environment.site->keys},
        boot::ClearanceOf(config));
    if (config.need_to_know().accounts().empty()) {
      log::Info("need_to_know names no account: restricted orders are seen by who registered them alone");
    }
    process->work_order_edge_ = NewWorkOrderEdge(process->service_.get(), environment.host);
    process->ledger_edge_ = NewLedgerEdge(process->engine_.get(), environment.host);
    reader = process->engine_->store().NewReader();
    if (!reader.ok()) return boot::At(file, reader.status());
    RetentionOptions retention;
    retention.hotline = config.hotline();
    for (const auto& peer : config.peers()) retention.peers.insert(peer.hotline());
    retention.content_days = config.retention().content_days();
    retention.hour = config.retention().hour();
    retention.erase_strays = [engine = process->engine_.get()](std::vector<int64_t> places,
                                                               absl::AnyInvocable<void(absl::Status)> done) {
      engine->EraseStrays(std::move(places), std::move(done));
    };
    retention.on_run = [](int64_t erased) {
      log::Info("what was due has been erased", {{"orders", erased}});
    };
    retention.on_failure = [](const absl::Status& status) {
      log::Error("what is due cannot be erased", {{"error", ToStd(status.message())}});
    };
    process->retention_ =
        std::make_unique<Retention>(process->engine_.get(), *std::move(reader), &process->retained_,
                                    environment.clock, std::move(retention));
    process->retention_edge_ = NewRetentionEdge(process->retention_.get(), environment.host);
    process->backup_ =
        boot::NewBackupEdge(process->environment_, {[raw = process.get()](const std::string& folder) {
                              return raw->engine_->store().CopyTo(folder + "/work_order.db");
                            }});
    process->Measure();
    return process;
  }

  ~WorkOrderProcess() override {
    backup_.reset();
    retained_.Stop();
    engine_->Stop();
    if (committer_.joinable()) committer_.join();
    readers_.Stop();
    hub_.Stop();
    checkpoints_.Stop();
  }

  std::vector<boot::Endpoint> endpoints() override {
    return {{workorder::v1::WorkOrderService::service_full_name(), work_order_edge_.get()},
            {workorder::v1::LedgerService::service_full_name(), ledger_edge_.get()},
            {operation::v1::RetentionService::service_full_name(), retention_edge_.get()},
            backup_->endpoint()};
  }

  void Start() override {
    environment_.health->SetServing("store", true);
    committer_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "committer");
      while (engine_->WaitForWork()) {
        engine_->RunBatch();
        if (engine_->healthy() != told_healthy_) {
          told_healthy_ = engine_->healthy();
          environment_.health->SetServing("store", told_healthy_);
          environment_.health->SetServing("", told_healthy_);
          if (told_healthy_) {
            log::Info("the store commits again");
          } else {
            const absl::Status& why = engine_->last_failure();
            log::Error("the store refuses to commit", {{"reason", error::ReasonName(error::ReasonOf(why))},
                                                       {"error", ToStd(why.message())}});
          }
        }
      }
    });
    ScheduleCheckpoint();
    retention_->Start();
  }

  void Drain() override {
    service_->Drain();
    engine_->Drain();
  }

 private:
  explicit WorkOrderProcess(boot::Environment& environment)
      : environment_(environment),
        readers_("readers"),
        hub_("watches"),
        checkpoints_("checkpoints"),
        retained_("retention") {}

  // Checkpoints are the store's latency spikes, so they run apart from the committing thread.
  void ScheduleCheckpoint() {
    checkpoints_.PostAfter(kCheckpointEvery, [this] {
      const sql::Stats stats = engine_->store().stats();
      const int64_t events = engine_->counters().events;
      const bool busy = events - seen_events_ >= kBusyEventsPerCommit * (stats.commits - seen_commits_) &&
                        events > seen_events_;
      seen_events_ = events;
      seen_commits_ = stats.commits;
      if (sql::IsCheckpointDue(stats, busy ? kBusyCheckpointWalBytes : kCheckpointWalBytes)) {
        if (absl::Status status = engine_->store().Checkpoint(); !status.ok()) {
          log::Warn("checkpoint failed", {{"error", ToStd(status.message())}});
        }
      }
      ProbeIfFailed(stats);
      ScheduleCheckpoint();
    });
  }

  // What made the store fail may be over, a full disk above all. Nobody else would find out while nobody
  // pushes, and who waits for this service to serve never does.
  void ProbeIfFailed(const sql::Stats& stats) {
    if (engine_->healthy() || stats.poisoned || stats.free_disk_bytes < kProbeFreeBytes) return;
    const absl::Time now = environment_.clock->Now();
    if (absl::AbsDuration(now - probe_time_) < kProbeEvery) return;
    probe_time_ = now;
    engine_->Probe();
  }

  void Measure() {
    prometheus::Registry& registry = environment_.metrics->registry();
    auto& batch =
        prometheus::BuildHistogram()
            .Name("hotline_commit_batch_size")
            .Help("Commands, envelopes and receipts in one commit.")
            .Register(registry)
            .Add({}, prometheus::Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256, 512});
    auto& seconds =
        prometheus::BuildHistogram()
            .Name("hotline_commit_seconds")
            .Help("Time of the store's commit, sync included.")
            .Register(registry)
            .Add({}, prometheus::Histogram::BucketBoundaries{0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025,
                                                             0.05, 0.1, 0.25, 0.5, 1});
    engine_->set_on_commit([this, &batch, &seconds](const Committed& committed) {
      batch.Observe(committed.weight);
      seconds.Observe(absl::ToDoubleSeconds(committed.took));
      if (!committed.events.empty()) service_->Publish(committed.events);
      for (const Refusal& refusal : committed.refusals) LogRefusal(refusal);
    });

    struct Row {
      const char* name;
      const char* help;
      std::function<double()> read;
    };
    const auto count = [](const std::atomic<int64_t>& counter) {
      return [&counter] { return static_cast<double>(counter.load()); };
    };
    const EngineCounters& counters = engine_->counters();
    const std::vector<Row> gauges = {
        {"hotline_commit_queue_length", "Commands and envelopes that wait for a commit.",
         count(counters.queue_length)},
        {"hotline_log_head_sequence", "Sequence of the latest event.",
         [this] { return static_cast<double>(engine_->head_sequence()); }},
        {"hotline_watch_streams", "Watches open.",
         [this] { return static_cast<double>(service_->open_watches()); }},
        {"hotline_similar_index_bytes", "Memory that the index of similar orders takes, about.",
         [this] { return static_cast<double>(service_->similar_bytes()); }},
        {"hotline_store_wal_bytes", "Size of the write-ahead log.",
         [this] { return static_cast<double>(engine_->store().stats().wal_bytes); }},
        {"hotline_store_database_bytes", "Size of the database.",
         [this] { return static_cast<double>(engine_->store().stats().database_bytes); }},
        {"hotline_store_free_bytes", "Free space on the store's disk.",
         [this] { return static_cast<double>(engine_->store().stats().free_disk_bytes); }},
        {"hotline_store_cache_bytes", "Page cache of the store's writer.",
         [] { return static_cast<double>(sql::WriterCacheBytes()); }},
        {"hotline_store_healthy", "1 while the store commits.",
         [this] { return engine_->healthy() ? 1.0 : 0.0; }},
    };
    const std::vector<Row> totals = {
        {"hotline_commands_total", "Commands committed.", count(counters.commands)},
        {"hotline_commands_refused_total", "Commands decided and refused.", count(counters.refused)},
        {"hotline_commands_replayed_total", "Commands answered from a known request id.",
         count(counters.replayed)},
        {"hotline_commands_rejected_total", "Commands refused because the queue was full.",
         count(counters.rejected)},
        {"hotline_events_total", "Events written.", count(counters.events)},
        {"hotline_envelopes_in_total", "Envelopes of peers applied.", count(counters.envelopes_in)},
        {"hotline_envelopes_doubled_total", "Envelopes skipped as known.", count(counters.envelopes_doubled)},
        {"hotline_envelopes_refused_total",
         "Envelopes of this site's, offers and recalls left out, that a peer did not understand.",
         count(counters.envelopes_refused)},
        {"hotline_envelopes_out_total", "Envelopes committed for peers.", count(counters.envelopes_out)},
        {"hotline_erased_orders_total", "Orders whose content retention has erased.",
         [this] { return static_cast<double>(retention_->erased()); }},
        {"hotline_commits_failed_total", "Commits that failed.", count(counters.failed_commits)},
        {"hotline_store_syncs_total", "Syncs of the write-ahead log.",
         [] { return static_cast<double>(sql::GetSyncTimes().count); }},
        {"hotline_store_sync_seconds_total", "Time that those took.",
         [] { return absl::ToDoubleSeconds(sql::GetSyncTimes().total); }},
        {"hotline_store_checkpoints_total", "Checkpoints of the write-ahead log that moved all there was.",
         [this] { return static_cast<double>(engine_->store().stats().checkpoints); }},
    };
    std::vector<std::pair<prometheus::Gauge*, std::function<double()>>> gauge_reads;
    for (const Row& row : gauges) {
      gauge_reads.emplace_back(
          &prometheus::BuildGauge().Name(row.name).Help(row.help).Register(registry).Add({}), row.read);
    }
    std::vector<std::pair<prometheus::Counter*, std::function<double()>>> total_reads;
    for (const Row& row : totals) {
      total_reads.emplace_back(
          &prometheus::BuildCounter().Name(row.name).Help(row.help).Register(registry).Add({}), row.read);
    }
    environment_.metrics->OnScrape([gauge_reads, total_reads] {
      for (const auto& [gauge, read] : gauge_reads) gauge->Set(read());
      for (const auto& [counter, read] : total_reads)
        counter->Increment(std::max(0.0, read() - counter->Value()));
    });
  }

  boot::Environment environment_;
  Loop readers_;
  Loop hub_;
  Loop checkpoints_;
  Loop retained_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<WorkOrderService> service_;
  std::unique_ptr<grpc::Service> work_order_edge_;
  std::unique_ptr<grpc::Service> ledger_edge_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<grpc::Service> retention_edge_;
  std::unique_ptr<boot::BackupEdge> backup_;
  std::thread committer_;
  bool told_healthy_ = true;
  // At the last look of the checkpoints' thread.
  int64_t seen_events_ = 0;
  int64_t seen_commits_ = 0;
  absl::Time probe_time_ = absl::InfinitePast();  // of the checkpoints' thread
};

}  // namespace
}  // namespace hotline::work_order

int main(int argc, char** argv) {
  return hotline::boot::RunService(argc, argv, "work_order", hotline::work_order::WorkOrderProcess::Create);
}
