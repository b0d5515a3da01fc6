// SQLite behind the storage seam: write-ahead log, synchronous=FULL, STRICT tables, no automatic checkpoints.
//
// One process owns a database: a second one that opens it is refused (lock file `<path>.lock`).
#ifndef COMMON_SQL_SQLITE_H_
#define COMMON_SQL_SQLITE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sql/database.h"

namespace hotline::sql {

struct SqliteOptions {
  // File, created if missing; its folder exists.
  std::string path;
  // Page cache of the writer: holds the hot ends of tables and indexes and one transaction's changes.
  int64_t writer_cache_bytes = 32 << 20;
  // Page cache of each reader. Pages missed come from the system's cache. Nothing is memory-mapped, so that
  // an I/O error is a status and not a signal, and the memory of the process is what is counted here.
  int64_t reader_cache_bytes = 4 << 20;
  // Checkpoint lets the write-ahead log begin anew when it is larger than this, as soon as no reader is in
  // the way. Readers slow down as it grows, and the file keeps about this size, because overwriting it syncs
  // faster than growing it.
  int64_t wal_limit_bytes = 64 << 20;
  // How long to wait for a lock.
  absl::Duration busy_timeout = absl::Seconds(5);
  // Another process that reads what has to be moved first (`hotlinectl doctor --deep`, a shell) holds up the
  // opening, for no longer than this.
  absl::Duration open_timeout = absl::Minutes(10);
  // Told of that about every second, on the thread that opens. False gives up at once.
  std::function<bool(const std::string& path)> on_wait = nullptr;
  // Main file no larger than this: then RESOURCE_EXHAUSTED. 0: as large as the disk.
  int64_t max_database_bytes = 0;
  // Name of the registered SQLite VFS that has the file. Empty: the system's files. Another one has to keep
  // other processes out by itself, and the sizes in Stats that the system would tell are unknown.
  std::string vfs;
};

// Opens and, if need be, recovers: what the write-ahead log holds is moved to the main file and synced, so
// that what a failed sync left in doubt is settled. The file is its owner's alone, whatever its folder and
// the umask allow; what an earlier release left open to everybody is closed to them. Errors: UNAVAILABLE
// (cannot be opened or written, in use by another process), DATA_LOSS (not a database, damaged).
absl::StatusOr<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options);

// A reader of the file `path`, which exists. With `still` nobody writes to it meanwhile, as to a backup: then
// nothing is created beside it. Without, it may be another process's, of which the last commit is read.
// Errors: UNAVAILABLE, DATA_LOSS.
absl::StatusOr<std::unique_ptr<Connection>> OpenSqliteToRead(const std::string& path, bool still);

}  // namespace hotline::sql

#endif  // COMMON_SQL_SQLITE_H_
