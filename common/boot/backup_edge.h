// BackupService of a process: its gRPC face, and the thread that copies.
#ifndef COMMON_BOOT_BACKUP_EDGE_H_
#define COMMON_BOOT_BACKUP_EDGE_H_

#include <memory>
#include <vector>

#include "common/backup/backup.h"
#include "common/boot/boot.h"

namespace hotline::boot {

// Copies on a thread of its own, one backup at a time, and goes on when the caller has gone. On it, too, what
// an earlier life was killed over is cleared from the disk at the start. Destroyed after the server is down
// and before what the sources copy from; then it waits for a copy that is being made. Where backups are
// configured it measures `hotline_backup_last_time_seconds`.
class BackupEdge {
 public:
  virtual ~BackupEdge() = default;
  virtual Endpoint endpoint() = 0;
};

// `sources` are run in their order. `environment` outlives it.
std::unique_ptr<BackupEdge> NewBackupEdge(const Environment& environment,
                                          std::vector<backup::Source> sources);

// The release that this is.
const char* ProgramVersion();

}  // namespace hotline::boot

#endif  // COMMON_BOOT_BACKUP_EDGE_H_
