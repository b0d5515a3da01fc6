// Which version of its tables each store has in this release. A store is brought forward when it is opened;
// one that a newer release has written is refused.
#ifndef COMMON_SQL_SCHEMA_H_
#define COMMON_SQL_SCHEMA_H_

#include <cstdint>

namespace hotline::sql {

inline constexpr int64_t kWorkOrderSchema = 4;
inline constexpr int64_t kClocksSchema = 4;
inline constexpr int64_t kDirectorySchema = 1;
inline constexpr int64_t kNotifySchema = 2;
inline constexpr int64_t kReportSchema = 2;

}  // namespace hotline::sql

#endif  // COMMON_SQL_SCHEMA_H_
