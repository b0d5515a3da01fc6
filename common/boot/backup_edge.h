// BackupService of a process: its gRPC face, and the thread that copies.
#ifndef COMMON_BOOT_BACKUP_EDGE_H_
#define COMMON_BOOT_BACKUP_EDGE_H_

#include <memory>
#include <vector>

#include "common/backup/backup.h"
#include "common/boot/boot.h"

namespace hotline::boot {

// Copies on a thread of its own, one backup at a time, and goes on when the caller has gone; a drain ends it
// before the next piece is copied, and answers DRAINING. On that thread, too, the directory is looked at at
// the start, and what an earlier life was killed over is cleared from it: a disk that hangs keeps no service
// from serving. Destroyed after the server is down and before what the sources copy from. Where backups are
// configured it measures `hotline_backup_last_time_seconds`, which is 0 until the directory was looked at.
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
