// dispatch: the front door of a site, and its end of each link.
#include <grpcpp/channel.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "common/base/mutex.h"
#include "common/base/text.h"
#include "common/boot/boot.h"
#include "common/boot/catalogue_file.h"
#include "common/boot/log.h"
#include "common/boot/suggest_file.h"
#include "common/catalogue/review.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/rpc/ledger_client.h"
#include "common/rpc/peer_client.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "services/dispatch/edge.h"
#include "services/dispatch/edge_spool.h"
#include "services/dispatch/lazy_reader.h"
#include "services/dispatch/router.h"
#include "services/dispatch/routing/phrase_reader.h"
#include "services/dispatch/service.h"

namespace hotline::dispatch {
namespace {

// How often work_order is asked, for the metrics, what waits for the peers.
constexpr absl::Duration kCursorsEvery = absl::Seconds(5);
// What comes in bulk is in less of a hurry than calls: reading it may cost no emergency its turn on the
// processor.
constexpr int kImportNiceness = 5;

// Makes readers by the model beside the catalogue; by the catalogue's own phrases where no model lies. One
// that lies there and cannot be read is an error: nobody is to lose it unnoticed. Files are read for each set
// of versions once.
class ReaderMaker {
 public:
  // `units` is the site's list, empty if it has none. `stop` is true once the process goes down; null: it
  // never does.
  ReaderMaker(std::string directory, config::v1::UnitList units, const Clock* clock,
              std::shared_ptr<const std::atomic<bool>> stop)
      : directory_(std::move(directory)), units_(std::move(units)), clock_(clock), stop_(std::move(stop)) {}

  absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>> Load() {
    absl::StatusOr<boot::SuggestFiles> files = boot::LoadSuggestFiles(directory_);
    if (!files.ok() && !absl::IsNotFound(files.status())) return files.status();
    material_ = nullptr;
    if (files.ok()) {
      material_ = std::make_shared<const LazyReader::Material>(LazyReader::Material{
          .terms = std::move(files->terms), .examples = std::move(files->examples), .stop = stop_});
    }
    absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>> set = boot::LoadCatalogues(directory_);
    if (!set.ok()) return set;
    absl::Status status = catalogue::CheckNeededUnits(**set, units_, catalogue::DayOf(clock_->Now()));
    if (!status.ok()) return status;
    return set;
  }

  // Of what was loaded last.
  bool has_model() const { return material_ != nullptr; }

  absl::StatusOr<std::shared_ptr<const routing::TextReader>> Make(
      std::shared_ptr<const catalogue::Catalogue> version) {
    if (material_ == nullptr) return std::make_shared<const routing::PhraseReader>();
    return LazyReader::Create(std::move(version), material_);
  }

 private:
  const std::string directory_;
  const config::v1::UnitList units_;
  const Clock* const clock_;
  const std::shared_ptr<const std::atomic<bool>> stop_;
  std::shared_ptr<const LazyReader::Material> material_;
};

// What a peer writes into an error may hold anything, also about persons, so that of its words none go into
// the log (`hotlinectl link status` shows them). gRPC's own about a connection that fails are welcome.
std::string OwnWords(const absl::Status& why) {
  const std::string_view words = ToStd(why.message());
  const bool own =
      why.code() == absl::StatusCode::kUnavailable && words.starts_with("failed to connect to all addresses");
  return std::string(own ? words : "see link status");
}

// What a start would find wrong with the files that advice is made from; nothing is trained.
absl::Status CheckAdvice(const boot::LoadedSite& site) {
  const std::string& directory = site.site.dispatch().catalogue_dir();
  if (directory.empty()) return absl::OkStatus();
  ReaderMaker maker(directory, site.units, SystemClock(), nullptr);
  const absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>> set = maker.Load();
  if (!set.ok()) return set.status();
  for (const auto& [name, version] : (*set)->versions()) {
    if (absl::Status made = maker.Make(version).status(); !made.ok()) return made;
  }
  return absl::OkStatus();
}

class DispatchProcess final : public boot::Service {
 public:
  static absl::StatusOr<std::unique_ptr<boot::Service>> Create(boot::Environment& environment) {
    const config::v1::SiteConfig& config = environment.site->site;
    std::unique_ptr<DispatchProcess> process(new DispatchProcess(environment));
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

    process->notary_ =
        std::make_unique<Notary>(config.hotline(), environment.site->signing, environment.site->keys);
    DispatchOptions options;
    std::map<std::string, Peer*> peers;
    for (const config::v1::PeerConfig& peer : config.peers()) {
      if (peer.has_spool()) {
        peers.emplace(peer.hotline(), process->spools_.Add(peer, process->notary_.get()));
        continue;
      }
      rpc::ChannelOptions theirs;
      theirs.expected_hotline = peer.hotline();
      theirs.expected_role = "dispatch";
      // A connection for each lane: on a slow line no emergency queues behind a batch.
      for (const exchange::v1::Lane lane : kLanes) {
        absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
            environment.security->NewChannel(peer.address(), theirs);
        if (!channel.ok()) return channel.status();
        process->peers_.push_back(std::make_unique<rpc::RpcPeer>(*std::move(channel)));
        (lane == exchange::v1::LANE_EMERGENCY ? options.emergency_peers : peers)
            .emplace(peer.hotline(), process->peers_.back().get());
      }
    }

    options.hotline = config.hotline();
    options.emergency_receipt = absl::Seconds(config.dispatch().emergency_receipt_s());
    options.batcher.queue_limit = config.dispatch().queue_limit();
    // What work_order takes at once may be configured.
    options.batcher.batch_bytes =
        std::min<size_t>(options.batcher.batch_bytes,
                         static_cast<size_t>(config.work_order().listen().max_message_bytes()) / 2);
    options.link.delivery_batch = config.dispatch().delivery_batch();
    options.link.catch_up_per_s = config.dispatch().catch_up_per_s();
    options.link.backoff_min = absl::Milliseconds(config.dispatch().backoff_min_ms());
    options.link.backoff_max = absl::Milliseconds(config.dispatch().backoff_max_ms());
    if (config.dispatch().reconcile_interval_s() > 0) {
      options.reconciler.interval = absl::Seconds(config.dispatch().reconcile_interval_s());
    }
    for (const config::v1::PeerConfig& peer : config.peers()) {
      if (!peer.has_spool()) continue;
      options.resend_after[peer.hotline()] = absl::Seconds(peer.spool().resend_after_s());
    }
    options.importer = &process->imports_;
    options.clearance = boot::ClearanceOf(config);
    options.finder = process->ledger_.get();
    if (const std::string& directory = config.dispatch().catalogue_dir(); !directory.empty()) {
      const auto maker = std::make_shared<ReaderMaker>(directory, environment.site->units, environment.clock,
                                                       process->stop_training_);
      absl::StatusOr<std::unique_ptr<Router>> router = Router::Create(
          config.hotline(),
          [maker] {
            auto set = maker->Load();
            if (set.ok()) {
              log::Info("files of advice were read",
                        {{"advice_by", maker->has_model() ? "model" : "phrases"}});
            }
            return set;
          },
          [maker](std::shared_ptr<const catalogue::Catalogue> version) {
            return maker->Make(std::move(version));
          },
          environment.site->policy, environment.site->units);
      if (!router.ok()) return router.status();
      process->router_ = *std::move(router);
      options.router = process->router_.get();
      options.reloader = &process->reloads_;
      // While the rest starts; who asks before the version in force is prepared waits for that.
      process->router_->PrepareOn(&process->reloads_, environment.clock, [](const std::string& version) {
        log::Info("catalogue is in force", {{"version", version}});
      });
    }
    options.on_link_change = [health = environment.health](const std::string& peer, bool up,
                                                           const absl::Status& why) {
      health->SetServing("peer." + peer, up);
      if (up) {
        log::Info("link is up", {{"peer", peer}});
      } else {
        log::Warn("link is down", {{"peer", peer},
                                   {"grpc_code", absl::StatusCodeToString(why.code())},
                                   {"reason", error::ReasonName(error::ReasonOf(why))},
                                   {"error", OwnWords(why)}});
      }
    };
    process->service_ =
        std::make_unique<DispatchService>(process->ledger_.get(), std::move(peers), process->notary_.get(),
                                          &process->loop_, environment.clock, std::move(options));
    process->dispatch_edge_ = NewDispatchEdge(process->service_.get(), environment.host);
    process->exchange_edge_ = NewExchangeEdge(process->service_.get(), environment.host);
    for (const config::v1::PeerConfig& peer : config.peers()) {
      environment.health->SetServing("peer." + peer.hotline(), false);
    }
    process->Measure();
    process->spools_.Measure();
    return process;
  }

  ~DispatchProcess() override {
    // The service's callbacks run on the loop and on the clients' threads: both end before it does.
    *stop_training_ = true;
    reloads_.Stop();
    imports_.Stop();
    loop_.Stop();
    spools_.Stop();
    for (const auto& peer : peers_) peer->Cancel();
    ledger_->Cancel();
    peers_.clear();
    ledger_.reset();
  }

  std::vector<boot::Endpoint> endpoints() override {
    return {{v1::DispatchService::service_full_name(), dispatch_edge_.get()},
            {exchange::v1::ExchangeService::service_full_name(), exchange_edge_.get()}};
  }

  void Start() override {
    loop_.Post([this] { AskCursors(); });
    service_->Start();
    spools_.Start(service_.get());
  }
  void Drain() override {
    spools_.Drain();
    service_->Drain();
    // Who waited for a model has been answered, so that nothing is sent by a lesser reading now.
    *stop_training_ = true;
  }

 private:
  explicit DispatchProcess(boot::Environment& environment)
      : environment_(environment),
        spools_(&environment_),
        loop_("dispatch"),
        reloads_("reload"),
        imports_("import") {
    imports_.Post([] { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kImportNiceness); });
  }

  // Only work_order knows when what waits for a peer was committed.
  void AskCursors() {
    const absl::Time now = environment_.clock->Now();
    ledger_->ListLinkCursors(
        CallContext{.now = now, .deadline = now + kCursorsEvery}, workorder::v1::ListLinkCursorsRequest(),
        [this](absl::StatusOr<workorder::v1::ListLinkCursorsResponse> response) {
          if (response.ok()) {
            MutexLock lock(&oldest_mu_);
            oldest_.clear();
            for (const workorder::v1::LinkCursor& link : response->links()) {
              if (!link.has_oldest_unacknowledged_time()) continue;
              oldest_[LaneKey{link.peer(), link.lane()}] = FromTimestamp(link.oldest_unacknowledged_time());
            }
          }
          loop_.PostAfter(kCursorsEvery, [this] { AskCursors(); });
        });
  }

  double OldestAge(const LaneKey& lane) {
    MutexLock lock(&oldest_mu_);
    const auto oldest = oldest_.find(lane);
    if (oldest == oldest_.end()) return 0;
    return std::max(0.0, absl::ToDoubleSeconds(environment_.clock->Now() - oldest->second));
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
    auto& up = gauge("hotline_link_up", "1 while the last delivery to the peer succeeded.");
    auto& lag =
        gauge("hotline_link_lag_envelopes", "Envelopes committed for the peer that it has not acknowledged.");
    auto& acknowledged =
        gauge("hotline_link_acknowledged_sequence", "Last envelope that the peer acknowledged.");
    auto& behind = gauge("hotline_link_lag_seconds",
                         "Age of the oldest envelope that the peer has not acknowledged; 0 if it has all.");
    auto& known = gauge("hotline_link_acknowledged_time_seconds",
                        "When the peer last acknowledged something, in seconds since 1970; 0 if never.");
    auto& skew = gauge("hotline_link_clock_skew_seconds",
                       "The peer's clock minus this one, as far as it is certain; 0 until it was measured.");
    auto& waits = gauge("hotline_receipt_waits", "Pushes that wait for the peer's receipt.");
    auto& deliveries = total("hotline_deliveries_total", "Deliveries to the peer.");
    auto& envelopes =
        total("hotline_envelopes_delivered_total", "Envelopes delivered to the peer, repeats included.");
    const auto raise = [](prometheus::Counter& counter, int64_t value) {
      counter.Increment(std::max(0.0, static_cast<double>(value) - counter.Value()));
    };
    for (const auto& [key, link] : service_->links()) {
      const prometheus::Labels labels = {{"peer", key.peer}, {"lane", LaneName(key.lane)}};
      environment_.metrics->OnScrape(
          [this, raise, key = key, link = link.get(), &up = up.Add(labels), &lag = lag.Add(labels),
           &behind = behind.Add(labels), &known = known.Add(labels), &skew = skew.Add(labels),
           &acknowledged = acknowledged.Add(labels), &waits = waits.Add(labels),
           &good = deliveries.Add({{"peer", key.peer}, {"lane", LaneName(key.lane)}, {"result", "ok"}}),
           &bad = deliveries.Add({{"peer", key.peer}, {"lane", LaneName(key.lane)}, {"result", "failed"}}),
           &envelopes = envelopes.Add(labels)] {
            const LinkHealth health = link->health();
            up.Set(health.up ? 1 : 0);
            lag.Set(static_cast<double>(health.outgoing - health.acknowledged));
            // The link knows at once that nothing waits; work_order is asked only now and then.
            behind.Set(health.outgoing > health.acknowledged ? OldestAge(key) : 0);
            known.Set(health.acknowledge_time > absl::InfinitePast()
                          ? absl::ToDoubleSeconds(health.acknowledge_time - absl::UnixEpoch())
                          : 0);
            skew.Set(absl::ToDoubleSeconds(health.clock_off));
            acknowledged.Set(static_cast<double>(health.acknowledged));
            waits.Set(static_cast<double>(link->waits()));
            raise(good, health.deliveries - health.failed_deliveries);
            raise(bad, health.failed_deliveries);
            raise(envelopes, health.envelopes);
          });
    }
    auto& differences =
        gauge("hotline_reconcile_differences",
              "Handoffs on which the last comparison with the peer left the sites apart; 0 is good.");
    auto& compared =
        gauge("hotline_reconcile_last_run_time_seconds",
              "When the last comparison with the peer ended, in seconds since 1970; 0 if never, -1 if the "
              "peer does not offer it.");
    auto& runs = total("hotline_reconcile_runs_total", "Comparisons with the peer.");
    for (const config::v1::PeerConfig& peer : environment_.site->site.peers()) {
      const prometheus::Labels labels = {{"peer", peer.hotline()}};
      environment_.metrics->OnScrape(
          [this, raise, hotline = peer.hotline(), &differences = differences.Add(labels),
           &compared = compared.Add(labels), &good = runs.Add({{"peer", peer.hotline()}, {"result", "ok"}}),
           &bad = runs.Add({{"peer", peer.hotline()}, {"result", "failed"}})] {
            const ReconcileHealth health = service_->reconciler().health(hotline);
            differences.Set(static_cast<double>(health.differences));
            const bool ran = health.end_time > absl::InfinitePast();
            const double ended = ran ? absl::ToDoubleSeconds(health.end_time - absl::UnixEpoch()) : 0;
            // So that nobody is alarmed for what cannot be had.
            compared.Set(service_->reconciler().Compares(hotline) ? ended : -1);
            raise(good, health.completed);
            raise(bad, health.failed);
          });
    }
    auto& queue = gauge("hotline_dispatch_queue_length", "Commands that wait for work_order.").Add({});
    auto& imports =
        gauge("hotline_dispatch_import_queue_length",
              "Pushes in bulk whose texts are still to be read, and what waits for the model of advice.")
            .Add({});
    auto& rejected =
        total("hotline_commands_rejected_total",
              "Commands refused because the queue was full, or too long for their callers' deadlines.")
            .Add({});
    auto& watches = gauge("hotline_watch_streams", "Watches open.").Add({});
    auto& pushes = total("hotline_pushes_total", "Pushes committed.").Add({});
    auto& received =
        total("hotline_pushes_received_total", "Pushes answered with the peer's receipt.").Add({});
    auto& telephone = total("hotline_telephone_required_total",
                            "Emergencies, clues and calls to the scene answered without the peer's receipt.")
                          .Add({});
    auto& alarms_failed =
        total("hotline_alarms_failed_total", "Alarms of those that were left to escalation.").Add({});
    auto& deliveries_in = total("hotline_deliveries_in_total", "Deliveries taken from peers.").Add({});
    if (router_ != nullptr) {
      auto& suggestions = total("hotline_suggestions_total", "Routes suggested.").Add({});
      auto& routed = total("hotline_pushes_routed_total", "Pushes whose target the ladder chose.").Add({});
      auto& asked =
          total("hotline_pushes_asked_total", "Pushes that a person had to say something about first.")
              .Add({});
      auto& against =
          total("hotline_pushes_against_advice_total", "Pushes by which a person chose otherwise.").Add({});
      auto& reloads = total("hotline_catalogue_reloads_total", "Reloads of the catalogue.");
      environment_.metrics->OnScrape([this, raise, &suggestions, &routed, &asked, &against,
                                      &good = reloads.Add({{"result", "ok"}}),
                                      &bad = reloads.Add({{"result", "failed"}})] {
        const RouterCounters& counters = router_->counters();
        raise(suggestions, counters.suggestions);
        raise(routed, counters.routed);
        raise(asked, counters.asked);
        raise(against, counters.against_advice);
        raise(good, counters.reloads);
        raise(bad, counters.failed_reloads);
      });
    }
    environment_.metrics->OnScrape([this, raise, &queue, &imports, &watches, &pushes, &received, &telephone,
                                    &alarms_failed, &deliveries_in, &rejected] {
      queue.Set(static_cast<double>(service_->waiting_commands()));
      imports.Set(static_cast<double>(service_->waiting_imports()));
      watches.Set(static_cast<double>(service_->open_watches()));
      raise(rejected, service_->rejected_commands());
      const DispatchCounters& counters = service_->counters();
      raise(pushes, counters.pushes);
      raise(received, counters.pushes_received);
      raise(telephone, counters.telephone_required);
      raise(alarms_failed, counters.alarms_failed);
      raise(deliveries_in, counters.deliveries_in);
    });
  }

  boot::Environment environment_;
  Spools spools_;
  Loop loop_;
  Loop reloads_;  // so that links and calls do not wait for a model to be made
  Loop imports_;  // so that they do not wait for the texts of pushes in bulk to be read
  // Making one takes longer than a drain may.
  const std::shared_ptr<std::atomic<bool>> stop_training_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<rpc::RpcLedger> ledger_;
  std::vector<std::unique_ptr<rpc::RpcPeer>> peers_;
  std::unique_ptr<Notary> notary_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<DispatchService> service_;
  std::unique_ptr<grpc::Service> dispatch_edge_;
  std::unique_ptr<grpc::Service> exchange_edge_;
  Mutex oldest_mu_;
  std::map<LaneKey, absl::Time> oldest_ ABSL_GUARDED_BY(oldest_mu_);
};

}  // namespace
}  // namespace hotline::dispatch

int main(int argc, char** argv) {
  return hotline::boot::RunService(argc, argv, "dispatch", hotline::dispatch::DispatchProcess::Create,
                                   hotline::dispatch::CheckAdvice);
}
