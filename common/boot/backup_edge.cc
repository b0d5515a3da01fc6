#include "common/boot/backup_edge.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>
#include <utility>

#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/boot/log.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/rpc/forward.h"
#include "hotline/operation/v1/backup_service.grpc.pb.h"

namespace hotline::boot {
namespace {

namespace v1 = hotline::operation::v1;

constexpr int kMostListed = 1000;

class BackupMaker {
 public:
  BackupMaker(const Environment& environment, std::vector<backup::Source> sources)
      : clock_(environment.clock),
        config_(environment.site->site.backup()),
        owner_{.hotline = environment.site->site.hotline(),
               .service = environment.service,
               .program_version = ProgramVersion()},
        data_dir_(DataDirOf(environment)),
        configured_(ServicesOf(environment.site->site)),
        sources_(std::move(sources)),
        host_(environment.host),
        loop_("backup") {
    if (config_.directory().empty()) return;
    last_ =
        &prometheus::BuildGauge()
             .Name("hotline_backup_last_time_seconds")
             .Help(
                 "When the service's part of the last backup was on the disk, in seconds since 1970; 0 if "
                 "there is none.")
             .Register(environment.metrics->registry())
             .Add({});
    // Not here: the directory may be on another machine, and what hangs there is not to keep the service from
    // serving.
    loop_.Post([this] {
      const auto newest = backup::List(config_.directory(), owner_, clock_->Now(), 1);
      if (!newest.empty()) Measure(newest.front());
      backup::RemoveLeftovers(config_.directory(), owner_.service);
    });
  }

  ~BackupMaker() { loop_.Stop(); }

  void CreateBackup(const CallContext&, v1::CreateBackupRequest request,
                    Done<v1::CreateBackupResponse> done) {
    if (config_.directory().empty()) return done(error::BackupNotConfigured());
    {
      MutexLock lock(&mu_);
      if (!running_.empty()) return done(error::BackupRunning());
      running_ = request.name().empty() ? "?" : request.name();
    }
    loop_.Post([this, request = std::move(request), done = std::move(done)]() mutable {
      absl::StatusOr<v1::CreateBackupResponse> response = Make(request.name(), request.validate_only());
      {
        MutexLock lock(&mu_);
        running_.clear();
      }
      if (!response.ok()) {
        log::Error("a backup failed", {{"error", std::string(response.status().message())}});
      } else if (config_.keep() > 0 && !request.validate_only()) {
        const int gone = backup::Prune(config_.directory(), owner_, config_.keep(), request.name(),
                                       clock_->Now(), configured_);
        if (gone > 0) log::Info("older backups were removed", {{"count", gone}});
      }
      done(std::move(response));
    });
  }

  void ListBackups(const CallContext&, v1::ListBackupsRequest, Done<v1::ListBackupsResponse> done) {
    if (config_.directory().empty()) return done(error::BackupNotConfigured());
    v1::ListBackupsResponse response;
    response.set_directory(config_.directory());
    {
      MutexLock lock(&mu_);
      response.set_running(running_);
    }
    for (v1::BackupManifest& manifest :
         backup::List(config_.directory(), owner_, clock_->Now(), kMostListed)) {
      *response.add_backups() = std::move(manifest);
    }
    done(std::move(response));
  }

 private:
  static std::string DataDirOf(const Environment& environment) {
    const config::v1::SiteConfig& site = environment.site->site;
    return environment.service == "work_order" ? site.work_order().data_dir() : site.escalation().data_dir();
  }

  // Those that have stores.
  static std::vector<std::string> ServicesOf(const config::v1::SiteConfig& site) {
    std::vector<std::string> services;
    if (site.has_work_order()) services.push_back("work_order");
    if (site.has_escalation()) services.push_back("escalation");
    return services;
  }

  absl::StatusOr<v1::CreateBackupResponse> Make(const std::string& name, bool validate_only) {
    // It may have waited; older backups do not go for one that is not even begun.
    if (host_->draining()) return error::Draining();
    if (absl::Status status = MakeRoom(name, validate_only); !status.ok()) return status;
    v1::CreateBackupResponse response;
    if (validate_only) return response;
    absl::StatusOr<v1::BackupManifest> manifest =
        backup::Write(config_.directory(), name, owner_, sources_, *clock_,
                      /*is_stopped=*/[this] { return host_->draining(); });
    if (!manifest.ok()) return manifest.status();
    Measure(*manifest);
    int64_t bytes = 0;
    for (const v1::BackupFile& file : manifest->files()) bytes += file.bytes();
    log::Info("a backup was made", {{"name", name}, {"files", manifest->files_size()}, {"bytes", bytes}});
    response.set_folder(config_.directory() + "/" + name + "/" + owner_.service);
    *response.mutable_manifest() = *std::move(manifest);
    return response;
  }

  // Before anything is copied, so that a copy that cannot end does not fill the disk that orders are written
  // on.
  absl::Status MakeRoom(const std::string& name, bool only_ask) {
    backup::RemoveLeftovers(config_.directory(), owner_.service);
    if (absl::Status status = backup::CheckWrite(config_.directory(), name, owner_); !status.ok()) {
      return status;
    }
    const int64_t bytes = backup::BytesIn(data_dir_);
    const backup::Room room =
        backup::MakeRoom(config_.directory(), owner_, name, bytes, clock_->Now(),
                         {.may_remove = config_.keep() > 0, .only_ask = only_ask, .configured = configured_});
    if (room.removed > 0) log::Warn("older backups made room for a new one", {{"count", room.removed}});
    if (!room.status.ok()) {
      log::Error("no room for a backup",
                 {{"bytes", bytes}, {"free", room.free}, {"to_stay_free", room.reserve}});
    }
    return room.status;
  }

  void Measure(const v1::BackupManifest& manifest) {
    last_->Set(absl::ToDoubleSeconds(FromTimestamp(manifest.end_time()) - absl::UnixEpoch()));
  }

  const Clock* const clock_;
  const config::v1::BackupConfig config_;
  const backup::Owner owner_;
  const std::string data_dir_;
  const std::vector<std::string> configured_;
  const std::vector<backup::Source> sources_;
  const rpc::Host* const host_;
  prometheus::Gauge* last_ = nullptr;  // null without a directory
  Mutex mu_;
  std::string running_ ABSL_GUARDED_BY(mu_);
  Loop loop_;
};

class BackupEdgeImpl final : public BackupEdge,
                             public rpc::RawService<v1::BackupService::Service,
                                                    v1::BackupService::WithRawCallbackMethod_CreateBackup,
                                                    v1::BackupService::WithRawCallbackMethod_ListBackups> {
 public:
  BackupEdgeImpl(const Environment& environment, std::vector<backup::Source> sources)
      : maker_(environment, std::move(sources)), host_(environment.host) {}

  Endpoint endpoint() override { return {v1::BackupService::service_full_name(), this}; }

 private:
  static const char* service_full_name() { return v1::BackupService::service_full_name(); }

  BackupMaker maker_;
  rpc::Host* const host_;

 public:
  HOTLINE_FORWARD(v1, CreateBackup, (&maker_))
  HOTLINE_FORWARD(v1, ListBackups, (&maker_))
};

}  // namespace

const char* ProgramVersion() { return HOTLINE_VERSION; }

std::unique_ptr<BackupEdge> NewBackupEdge(const Environment& environment,
                                          std::vector<backup::Source> sources) {
  return std::make_unique<BackupEdgeImpl>(environment, std::move(sources));
}

}  // namespace hotline::boot
