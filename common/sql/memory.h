// Memory of the page caches of all SQLite writers of this process.
#ifndef COMMON_SQL_MEMORY_H_
#define COMMON_SQL_MEMORY_H_

#include <cstdint>

namespace hotline::sql {

// Bytes, as of each writer's last commit. Grows with the databases until the caches are full (see
// SqliteOptions), and not beyond that; readers have a bound of their own and are not counted. Thread-safe.
int64_t WriterCacheBytes();

}  // namespace hotline::sql

#endif  // COMMON_SQL_MEMORY_H_
