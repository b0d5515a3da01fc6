#include "services/escalation/edge_report.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "common/base/mutex.h"
#include "common/boot/log.h"
#include "common/rpc/forward.h"
#include "hotline/escalation/v1/meeting_service.grpc.pb.h"
#include "hotline/escalation/v1/report_service.grpc.pb.h"
#include "services/escalation/edge_store.h"
#include "services/escalation/report/archive.h"
#include "services/escalation/report/follower.h"
#include "services/escalation/report/service.h"

namespace hotline::escalation {
namespace {

constexpr int kFollowerNiceness = 15;
constexpr absl::Duration kCheckpointEvery = absl::Seconds(2);
constexpr int64_t kCheckpointWalBytes = 8 << 20;
// How often the deadlines that run are counted for the metrics, and the share of the time it may take.
constexpr absl::Duration kCountEvery = absl::Seconds(5);
constexpr int kCountShare = 50;

class ReportEdge final : public rpc::RawService<v1::ReportService::Service,
                                                v1::ReportService::WithRawCallbackMethod_GetScorecard,
                                                v1::ReportService::WithRawCallbackMethod_ListLamps,
                                                v1::ReportService::WithRawCallbackMethod_ListOverdue,
                                                v1::ReportService::WithRawCallbackMethod_ListDueSoon,
                                                v1::ReportService::WithRawCallbackMethod_RenderDocument> {
 public:
  ReportEdge(report::ReportService* service, rpc::Host* host) : service_(service), host_(host) {}

 private:
  static const char* service_full_name() { return v1::ReportService::service_full_name(); }
  report::ReportService* const service_;
  rpc::Host* const host_;

 public:
  HOTLINE_FORWARD(v1, GetScorecard, service_)
  HOTLINE_FORWARD(v1, ListLamps, service_)
  HOTLINE_FORWARD(v1, ListOverdue, service_)
  HOTLINE_FORWARD(v1, ListDueSoon, service_)
  HOTLINE_FORWARD(v1, RenderDocument, service_)
};

class MeetingEdge final : public rpc::RawService<v1::MeetingService::Service,
                                                 v1::MeetingService::WithRawCallbackMethod_ListDocket,
                                                 v1::MeetingService::WithRawCallbackMethod_RuleDocketItem,
                                                 v1::MeetingService::WithRawCallbackMethod_RenderPack,
                                                 v1::MeetingService::WithRawCallbackMethod_ExportProposal> {
 public:
  MeetingEdge(report::MeetingService* service, rpc::Host* host) : service_(service), host_(host) {}

 private:
  static const char* service_full_name() { return v1::MeetingService::service_full_name(); }
  report::MeetingService* const service_;
  rpc::Host* const host_;

 public:
  HOTLINE_FORWARD(v1, ListDocket, service_)
  HOTLINE_FORWARD(v1, RuleDocketItem, service_)
  HOTLINE_FORWARD(v1, RenderPack, service_)
  HOTLINE_FORWARD(v1, ExportProposal, service_)
};

report::Names NamesOf(const boot::LoadedSite& loaded) {
  report::Names names;
  names.site = loaded.site.hotline();
  for (const auto& unit : loaded.units.units()) {
    names.Add(unit.code(), unit.display_name(), unit.aliases());
  }
  names.has_units = !loaded.units.units().empty();
  const std::vector<std::string> none;
  for (const auto& peer : loaded.site.peers()) names.Add(peer.hotline(), peer.display_name(), none);
  names.Add(loaded.site.hotline(), loaded.site.display_name(), none);
  return names;
}

class Part final : public ReportPart, private report::FollowerListener {
 public:
  explicit Part(boot::Environment& environment)
      : environment_(environment),
        names_(NamesOf(*environment.site)),
        loop_("report_follower"),
        reads_("report_reads"),
        checkpoints_("report_checkpoints") {
    // Nobody waits for what is counted for reports, and it takes more than the clocks do.
    loop_.Post([] { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kFollowerNiceness); });
  }

  ~Part() override {
    loop_.Stop();
    reads_.Stop();
    checkpoints_.Stop();
  }

  absl::Status Init(Ledger* ledger, DeadlinesNow deadlines, DirectoryNow people, const Discretion* discretion,
                    std::unique_ptr<sql::Database> database) {
    const std::string& hotline = environment_.site->site.hotline();
    auto store = report::Store::Open(std::move(database), hotline);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    auto reader = store_->NewReader();
    if (!reader.ok()) return reader.status();
    report::FollowerListener* const listener = this;
    follower_ = std::make_unique<report::Follower>(&loop_, environment_.clock, ledger, store_.get(),
                                                   deadlines, hotline, listener);
    archive_ = std::make_unique<report::Archive>(*std::move(reader), environment_.clock, deadlines, hotline,
                                                 [this] { return follower_->stats(); });
    const report::WorkedSeconds worked = report::WorkedBy(deadlines);
    people_ = std::move(people);
    const report::NamesNow names([this] { return NamesHere(); });
    report_ = std::make_unique<report::ReportService>(&reads_, environment_.clock, archive_.get(), worked,
                                                      names, discretion);
    meeting_ =
        std::make_unique<report::MeetingService>(&reads_, archive_.get(), ledger, worked, names, discretion);
    report_edge_ = std::make_unique<ReportEdge>(report_.get(), environment_.host);
    meeting_edge_ = std::make_unique<MeetingEdge>(meeting_.get(), environment_.host);
    Measure();
    return absl::OkStatus();
  }

  std::vector<boot::Endpoint> endpoints() override {
    return {{v1::ReportService::service_full_name(), report_edge_.get()},
            {v1::MeetingService::service_full_name(), meeting_edge_.get()}};
  }

  bool IsParty(const std::string& code) const override {
    const std::shared_ptr<const report::Names> names = NamesHere();
    return !names->has_units || names->parties.contains(code);
  }

  void Start() override {
    store_health_.Set(true);
    if (const absl::Status status = follower_->Start(); !status.ok()) OnStoreFailed(status);
    ScheduleCheckpoint();
    reads_.Post([this] { CountDeadlines(); });
  }

  void Drain() override { follower_->Stop(); }

 private:
  std::shared_ptr<const report::Names> NamesHere() const {
    return std::make_shared<const report::Names>(report::WithDirectory(names_, *people_()));
  }
  void OnStoreFailed(const absl::Status& status) override {
    // The clocks go on: only the figures stand still.
    store_health_.Set(false);
    log::Error("the store of reports failed; figures stand still until this process is started again",
               {{"error", std::string(status.message())}});
  }

  void ScheduleCheckpoint() {
    checkpoints_.PostAfter(kCheckpointEvery, [this] {
      if (sql::IsCheckpointDue(store_->stats(), kCheckpointWalBytes)) {
        if (const absl::Status status = store_->Checkpoint(); !status.ok()) {
          log::Warn("checkpoint of the reports failed", {{"error", std::string(status.message())}});
        }
      }
      ScheduleCheckpoint();
    });
  }

  // A county's clocks take a millisecond, ten million of them seconds: then it is done more seldom.
  void CountDeadlines() {
    const absl::Time start = SystemClock()->Now();
    auto counts = archive_->CountDeadlines(environment_.clock->Now());
    if (counts.ok()) {
      MutexLock lock(&counts_mu_);
      counts_ = *std::move(counts);
    }
    const absl::Duration took = SystemClock()->Now() - start;
    reads_.PostAfter(std::max(kCountEvery, kCountShare * took), [this] { CountDeadlines(); });
  }

  std::vector<boot::Metrics::Sample> Deadlines() {
    std::vector<boot::Metrics::Sample> samples;
    MutexLock lock(&counts_mu_);
    for (const report::DeadlineCount& count : counts_) {
      const std::string clock = absl::AsciiStrToLower(absl::StripPrefix(
          type::v1::ClockKind_Name(static_cast<type::v1::ClockKind>(count.kind)), "CLOCK_KIND_"));
      const auto add = [&](const char* lamp, int64_t value) {
        if (value != 0) {
          samples.push_back(
              {{{"unit", count.party}, {"clock", clock}, {"lamp", lamp}}, static_cast<double>(value)});
        }
      };
      add("green", count.green);
      add("yellow", count.yellow);
      add("red", count.red);
      add("paused", count.paused);
    }
    return samples;
  }

  void Measure() {
    environment_.metrics->Show(
        "hotline_deadlines",
        "Deadlines that run, by who owes them, and their lamp: yellow is due soon, red overdue.",
        boot::Metrics::Kind::kGauge, [this] { return Deadlines(); });
    prometheus::Registry& registry = environment_.metrics->registry();
    auto& lag = prometheus::BuildGauge()
                    .Name("hotline_report_lag_events")
                    .Help("Events of the log that the reports have not read.")
                    .Register(registry)
                    .Add({});
    auto& bytes = prometheus::BuildGauge()
                      .Name("hotline_report_store_bytes")
                      .Help("Size of the reports' database.")
                      .Register(registry)
                      .Add({});
    environment_.metrics->OnScrape([this, &lag, &bytes] {
      const report::Follower::Stats stats = follower_->stats();
      lag.Set(static_cast<double>(stats.head - stats.cursor));
      bytes.Set(static_cast<double>(store_->stats().database_bytes));
    });
  }

  boot::Environment environment_;
  StoreHealth store_health_{environment_, "report_store", "report"};
  const report::Names names_;
  DirectoryNow people_;
  Loop loop_;
  Loop reads_;
  Loop checkpoints_;
  std::unique_ptr<report::Store> store_;
  std::unique_ptr<report::Follower> follower_;
  std::unique_ptr<report::Archive> archive_;
  std::unique_ptr<report::ReportService> report_;
  std::unique_ptr<report::MeetingService> meeting_;
  std::unique_ptr<ReportEdge> report_edge_;
  std::unique_ptr<MeetingEdge> meeting_edge_;
  Mutex counts_mu_;
  std::vector<report::DeadlineCount> counts_ ABSL_GUARDED_BY(counts_mu_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<ReportPart>> ReportPart::Create(boot::Environment& environment, Ledger* ledger,
                                                               DeadlinesNow deadlines, DirectoryNow people,
                                                               const Discretion* discretion,
                                                               std::unique_ptr<sql::Database> database) {
  auto part = std::make_unique<Part>(environment);
  if (absl::Status status = part->Init(ledger, deadlines, std::move(people), discretion, std::move(database));
      !status.ok()) {
    return status;
  }
  return part;
}

}  // namespace hotline::escalation
