// A database that lies on schedule: forwards to a real one, and fails the commits it is told to. The worst
// lie is a failure reported after the commit was made.
#ifndef COMMON_SQL_FAULTY_H_
#define COMMON_SQL_FAULTY_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "common/sql/database.h"

namespace hotline::sql {

enum class Fault {
  kNone,
  // Rolls back, reports UNAVAILABLE, and the writer is poisoned.
  kFailBeforeCommit,
  // Commits, reports UNAVAILABLE, and the writer is poisoned.
  kFailAfterCommit,
  // Rolls back and reports RESOURCE_EXHAUSTED. May be tried again.
  kDiskFull,
};

// Asked at each Commit of a writer, with the number of the commit since the database was opened, from 1.
// Called on the writer's thread.
using FaultSchedule = std::function<Fault(int64_t commit)>;

// Takes the real database over.
std::unique_ptr<Database> MakeFaulty(std::unique_ptr<Database> real, FaultSchedule schedule);

}  // namespace hotline::sql

#endif  // COMMON_SQL_FAULTY_H_
