#include "common/boot/backup_edge.h"

#include <string>
#include <utility>

#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/boot/log.h"
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
        sources_(std::move(sources)),
        loop_("backup") {}

  ~BackupMaker() { loop_.Stop(); }

  void CreateBackup(const CallContext&, v1::CreateBackupRequest request,
                    Done<v1::CreateBackupResponse> done) {
    if (config_.directory().empty()) return done(error::BackupNotConfigured());
    {
      MutexLock lock(&mu_);
      if (!running_.empty()) return done(error::BackupRunning());
      running_ = request.name().empty() ? "?" : request.name();
    }
    loop_.Post([this, name = request.name(), done = std::move(done)]() mutable {
      absl::StatusOr<v1::BackupManifest> manifest =
          backup::Write(config_.directory(), name, owner_, sources_, *clock_);
      {
        MutexLock lock(&mu_);
        running_.clear();
      }
      if (!manifest.ok()) {
        log::Error("a backup failed", {{"error", std::string(manifest.status().message())}});
        return done(manifest.status());
      }
      int64_t bytes = 0;
      for (const v1::BackupFile& file : manifest->files()) bytes += file.bytes();
      log::Info("a backup was made", {{"name", name}, {"files", manifest->files_size()}, {"bytes", bytes}});
      if (config_.keep() > 0) {
        if (const int gone = backup::Prune(config_.directory(), owner_.service, config_.keep(), name);
            gone > 0) {
          log::Info("older backups were removed", {{"count", gone}});
        }
      }
      v1::CreateBackupResponse response;
      response.set_folder(config_.directory() + "/" + name + "/" + owner_.service);
      *response.mutable_manifest() = *std::move(manifest);
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
    for (v1::BackupManifest& manifest : backup::List(config_.directory(), owner_.service, kMostListed)) {
      *response.add_backups() = std::move(manifest);
    }
    done(std::move(response));
  }

 private:
  const Clock* const clock_;
  const config::v1::BackupConfig config_;
  const backup::Owner owner_;
  const std::vector<backup::Source> sources_;
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
