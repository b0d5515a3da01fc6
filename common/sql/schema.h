// Which version of its tables each store has in this release, and the row of the table `site` in which a
// store keeps whose it is and which version wrote it. A store is brought forward when it is opened; one that
// a newer release has written is refused, as is another hotline's.
#ifndef COMMON_SQL_SCHEMA_H_
#define COMMON_SQL_SCHEMA_H_

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sql/database.h"

namespace hotline::sql {

inline constexpr int64_t kWorkOrderSchema = 6;
inline constexpr int64_t kClocksSchema = 9;
inline constexpr int64_t kDirectorySchema = 1;
inline constexpr int64_t kNotifySchema = 4;
inline constexpr int64_t kReportSchema = 8;

// A store with a table `site (id, schema_version, hotline, …)` of one row, whose `id` is 1.
struct StoreMark {
  // Of its file: `escalation.db`.
  std::string_view file;
  // For people: `the escalation store`.
  std::string_view name;
  // Of its tables in this release.
  int64_t version = 0;
  // A further column of `site`, which begins at 0. Empty: none.
  std::string_view counter = {};
  // It is made from the log, and can be deleted.
  bool projection = false;
};

// Version that wrote the tables on `writer`; 0 if there are none. Errors: those of the driver.
absl::StatusOr<int64_t> SchemaOf(Connection* writer);

// Opens a store in one transaction: `make` brings its tables to this release, then the row of `site` is
// checked, and written if there is none. Nothing is changed where one of them fails.
// Errors: those of `make`; SCHEMA_NEWER; FAILED_PRECONDITION for another version or another hotline; those of
// the driver.
absl::Status OpenStore(Connection* writer, const StoreMark& mark, std::string_view hotline,
                       absl::FunctionRef<absl::Status()> make);

// The same for a projection: its `tables` are dropped if an older version wrote them, as the log has it all;
// then `schema`, a script, makes them.
absl::Status OpenProjection(Connection* writer, const StoreMark& mark, std::string_view hotline,
                            std::initializer_list<const char*> tables, std::string_view schema);

}  // namespace hotline::sql

#endif  // COMMON_SQL_SCHEMA_H_
