#include "services/escalation/edge_people.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <atomic>
#include <utility>

#include "common/boot/log.h"
#include "common/rpc/forward.h"
#include "hotline/escalation/v1/directory_service.grpc.pb.h"
#include "services/escalation/edge_store.h"

namespace hotline::escalation {
namespace {

class DirectoryEdge final
    : public rpc::RawService<v1::DirectoryService::Service,
                             v1::DirectoryService::WithRawCallbackMethod_ListDirectory,
                             v1::DirectoryService::WithRawCallbackMethod_ChangeDirectory,
                             v1::DirectoryService::WithRawCallbackMethod_ListDirectoryChanges,
                             v1::DirectoryService::WithRawCallbackMethod_ResolveRecipients,
                             v1::DirectoryService::WithRawCallbackMethod_RunPreflight,
                             v1::DirectoryService::WithRawCallbackMethod_ImportDirectory,
                             v1::DirectoryService::WithRawCallbackMethod_ExportDirectory> {
 public:
  DirectoryEdge(directory::Service* service, rpc::Host* host) : service_(service), host_(host) {}

 private:
  static const char* service_full_name() { return v1::DirectoryService::service_full_name(); }

  directory::Service* const service_;
  rpc::Host* const host_;

 public:
  HOTLINE_FORWARD(v1, ListDirectory, service_)
  HOTLINE_FORWARD(v1, ChangeDirectory, service_)
  HOTLINE_FORWARD(v1, ListDirectoryChanges, service_)
  HOTLINE_FORWARD(v1, ResolveRecipients, service_)
  HOTLINE_FORWARD(v1, RunPreflight, service_)
  HOTLINE_FORWARD(v1, ImportDirectory, service_)
  HOTLINE_FORWARD(v1, ExportDirectory, service_)
};

class PeopleProcess final : public People, private directory::Listener {
 public:
  PeopleProcess(const boot::Environment& environment, CalendarsNow calendars)
      : environment_(environment), hours_(std::move(calendars)) {}

  ~PeopleProcess() override { directory_loop_.Stop(); }

  absl::Status Open(std::unique_ptr<directory::Store> store) {
    const config::v1::SiteConfig& config = environment_.site->site;
    directory::Reach reach{.hotline = config.hotline(), .webhooks = {}, .hours = &hours_};
    for (const config::v1::WebhookConfig& webhook : config.escalation().notify().webhooks()) {
      reach.webhooks.insert(webhook.name());
    }
    directory::Listener* const listener = this;
    directory_ = std::make_unique<directory::Service>(&directory_loop_, environment_.clock, std::move(store),
                                                      std::move(reach), listener);
    Measure();
    std::vector<std::pair<std::string, std::string>> hotlines = {{config.hotline(), config.display_name()}};
    for (const config::v1::PeerConfig& peer : config.peers()) {
      hotlines.emplace_back(peer.hotline(), peer.display_name());
    }
    if (absl::Status status = directory_->Open(environment_.site->units, hotlines); !status.ok())
      return status;
    directory_edge_ = std::make_unique<DirectoryEdge>(directory_.get(), environment_.host);
    return absl::OkStatus();
  }

  std::vector<boot::Endpoint> endpoints() override {
    return {{v1::DirectoryService::service_full_name(), directory_edge_.get()}};
  }

  void Start() override {
    store_health_.Set(true);
    directory_->Start();
  }

  const directory::Service& directory() const override { return *directory_; }

 private:
  void OnPreflight(const directory::PreflightSummary& summary) override {
    const int32_t before = unreachable_.exchange(summary.unreachable_rungs);
    version_ = directory_->snapshot()->version();
    entries_ = static_cast<int64_t>(directory_->snapshot()->entries().size());
    if (summary.unreachable_rungs == before) return;
    if (summary.unreachable_rungs == 0) {
      log::Info("preflight: every rung reaches somebody for the next 7 days",
                {{"units", summary.unit_count}});
    } else {
      log::Warn(
          "ALARM preflight: rungs that reach nobody within the next 7 days; see hotlinectl directory "
          "preflight",
          {{"rungs", summary.unreachable_rungs},
           {"units", summary.units},
           {"of_units", summary.unit_count},
           {"first_unit", summary.first_unit},
           {"first_rung", type::v1::Rung_Name(summary.first_rung)}});
    }
  }

  void OnSeedFailed(const absl::Status& status) override {
    log::Error("the units of units_file were not brought into the directory",
               {{"error", std::string(status.message())}});
  }

  void OnStoreFailed(const absl::Status& status) override {
    store_health_.Set(false);
    log::Error("the directory's store failed", {{"error", std::string(status.message())}});
  }

  void OnStoreWorks() override {
    store_health_.Set(true);
    log::Info("the directory's store takes changes again");
  }

  void Measure() {
    prometheus::Registry& registry = environment_.metrics->registry();
    const auto gauge = [&registry](const char* name, const char* help) -> prometheus::Gauge& {
      return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
    };
    auto& unreachable =
        gauge("hotline_directory_unreachable_rungs",
              "Units and rungs with an interval in the next 7 days in which nobody can be told.");
    auto& version = gauge("hotline_directory_version", "Version of the directory.");
    auto& entries = gauge("hotline_directory_entries", "Units, persons, roles and duties in the directory.");
    environment_.metrics->OnScrape([this, &unreachable, &version, &entries] {
      unreachable.Set(unreachable_.load());
      version.Set(static_cast<double>(version_.load()));
      entries.Set(static_cast<double>(entries_.load()));
    });
  }

  const boot::Environment environment_;
  StoreHealth store_health_{environment_, "directory", "directory"};
  const CalendarHours hours_;
  std::atomic<int32_t> unreachable_ = 0;
  std::atomic<int64_t> version_ = 0;
  std::atomic<int64_t> entries_ = 0;
  Loop directory_loop_{"directory"};
  std::unique_ptr<directory::Service> directory_;
  std::unique_ptr<grpc::Service> directory_edge_;
};

}  // namespace

bool CalendarHours::Knows(std::string_view calendar) const {
  const std::shared_ptr<const Calendars> now = calendars_();
  return now == nullptr || now->empty() || now->find(calendar) != now->end();
}

bool CalendarHours::IsOpen(std::string_view calendar, absl::Time t) const {
  const std::shared_ptr<const Calendars> now = calendars_();
  if (now == nullptr) return true;
  const auto it = now->find(calendar);
  // Beyond the calendar's years nobody keeps office hours yet.
  return it == now->end() || it->second.IsWorking(t).value_or(true);
}

absl::Time CalendarHours::NextChange(std::string_view calendar, absl::Time t) const {
  const std::shared_ptr<const Calendars> now = calendars_();
  if (now == nullptr) return absl::InfiniteFuture();
  const auto it = now->find(calendar);
  return it == now->end() ? absl::InfiniteFuture()
                          : it->second.NextChange(t).value_or(absl::InfiniteFuture());
}

absl::StatusOr<std::unique_ptr<People>> People::Create(const boot::Environment& environment,
                                                       CalendarsNow calendars,
                                                       std::unique_ptr<directory::Store> store) {
  auto people = std::make_unique<PeopleProcess>(environment, std::move(calendars));
  if (absl::Status status = people->Open(std::move(store)); !status.ok()) return status;
  return people;
}

}  // namespace hotline::escalation
