// How long disks take to make commits durable, counted over all SQLite databases of this process.
#ifndef COMMON_SQL_SYNC_TIMES_H_
#define COMMON_SQL_SYNC_TIMES_H_

#include <cstdint>

#include "absl/time/time.h"

namespace hotline::sql {

struct SyncTimes {
  int64_t count = 0;  // syncs of write-ahead logs, failed ones included
  absl::Duration total;
};

// Since the process began. Thread-safe.
SyncTimes GetSyncTimes();

}  // namespace hotline::sql

#endif  // COMMON_SQL_SYNC_TIMES_H_
