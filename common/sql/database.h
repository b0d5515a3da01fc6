// The storage seam: what the stores need of a database, and nothing more. SQLite is one driver (sqlite.h), a
// fault wrapper another (faulty.h); tests/common/sql/conformance.h is the suite that every driver passes.
//
// One SQL text serves SQLite and PostgreSQL: parameters are `?1`, `?2` …; upserts are `ON CONFLICT (key) DO
// …`; definitions use the words of `Dialect`. Columns are integers of 64 bits, UTF-8 text without NUL, or
// bytes; a value of another type is refused, never converted silently.
//
// Errors, on every driver:
// * RESOURCE_EXHAUSTED: the disk or the quota is full. The transaction is rolled back and may be tried again.
// * UNAVAILABLE: locked for longer than the busy timeout, an I/O error, files that may not be written, or the
//   writer is poisoned (below).
// * ALREADY_EXISTS: a primary key or unique index has the value.
// * INVALID_ARGUMENT: wrong type, NULL where none may be, failed CHECK, malformed UTF-8, too large.
// * FAILED_PRECONDITION: used wrongly: a write outside a transaction or on a reader, a statement in a
//   transaction that has failed.
// * DATA_LOSS: the database is damaged.
// * INTERNAL: malformed SQL.
// Messages name tables and columns, never values.
//
// As in PostgreSQL, a statement that fails dooms its transaction: the next statements are refused and Commit
// rolls back.
//
// After a Commit that failed for another reason than a full disk, the outcome is unknown (the failed sync may
// have reached the disk), so the writer is poisoned: it refuses Begin until the database is opened again,
// which settles what is there. The same when the database's file is not where it was opened any more (moved,
// deleted, replaced): a commit into it would be found by nobody.
#ifndef COMMON_SQL_DATABASE_H_
#define COMMON_SQL_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotline::sql {

// Totals since the database was opened, and sizes as of now.
struct Stats {
  int64_t commits = 0;              // writing transactions committed
  int64_t commit_failures = 0;      // and those whose commit failed, full disks included
  double commit_seconds_sum = 0;    // time in Commit, the sync included, of both kinds
  int64_t checkpoints = 0;          // Checkpoint calls that moved all there was
  int64_t checkpoints_partial = 0;  // and those that readers or the writer kept from it
  int64_t wal_bytes = 0;            // write-ahead log not yet reused
  int64_t database_bytes = 0;       // main file
  int64_t free_disk_bytes = 0;      // on the file system of the database; -1 if unknown
  bool poisoned = false;            // the writer refuses until reopened
  bool empties_log = false;         // EmptyLog was asked for, and no checkpoint has done it yet
};

// Whether a loop that looks every second should call Checkpoint now: the log has grown beyond `wal_bytes`, or
// what was erased is still to be read in it.
inline bool IsCheckpointDue(const Stats& stats, int64_t wal_bytes) {
  return stats.empties_log || stats.wal_bytes > wal_bytes;
}

// Words in which databases differ. Execute replaces `{int}` by `integer` and so on.
struct Dialect {
  const char* integer;  // `{int}`: 64 bits
  const char* blob;     // `{blob}`
  const char* rows;     // `{rows}`, after a table's closing parenthesis
  const char* keyed;    // `{keyed}`, the same for a table that is stored in the order of its primary key
  const char*
      and_id;  // `{,id}`, in an index of a table with `id {int} PRIMARY KEY`: makes `id` its last column
};

std::string Expand(const Dialect& dialect, std::string_view definition);

// Whether a column of text holds it, and thus may be looked up there: SQLite would take what PostgreSQL
// refuses.
bool IsText(std::string_view value);

// A prepared statement. Lives no longer than its connection, on the same thread.
class Statement {
 public:
  virtual ~Statement() = default;
  Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Bind all parameters, counted from 1, before each first Step. Text and bytes are not copied: they must
  // stay where they are until the statement is reset. A fault shows at Step.
  virtual void BindInt64(int parameter, int64_t value) = 0;
  // What is not IsText is a fault.
  virtual void BindText(int parameter, std::string_view value) = 0;
  virtual void BindBlob(int parameter, std::string_view value) = 0;
  virtual void BindNull(int parameter) = 0;

  // True: there is a row. False: done, and the statement is reset; so it is after an error.
  virtual absl::StatusOr<bool> Step() = 0;
  // Drops what is left of the result. A reader that has not stepped to the end and is not reset holds up
  // checkpoints.
  virtual void Reset() = 0;

  // Of the current row, columns counted from 0. Views are valid until the next Step or Reset. NULL reads as 0
  // or empty.
  virtual int64_t Int64(int column) const = 0;
  virtual std::string_view Text(int column) const = 0;
  virtual std::string_view Blob(int column) const = 0;
  virtual bool IsNull(int column) const = 0;

  // Steps to the end, ignoring rows.
  absl::Status Run();
};

// Resets a statement at the end of a scope that may leave rows unread.
class ScopedReset {
 public:
  explicit ScopedReset(Statement* statement) : statement_(statement) {}
  ~ScopedReset() { statement_->Reset(); }
  ScopedReset(const ScopedReset&) = delete;
  ScopedReset& operator=(const ScopedReset&) = delete;

 private:
  Statement* const statement_;
};

// One session. Used by one thread at a time. Lives no longer than its database.
class Connection {
 public:
  virtual ~Connection() = default;
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One statement.
  virtual absl::StatusOr<std::unique_ptr<Statement>> Prepare(std::string_view sql) = 0;
  // A script without parameters, in a transaction; see `Dialect`.
  virtual absl::Status Execute(std::string_view script) = 0;

  // On the writer: takes the write lock; every write happens between Begin and Commit. On a reader: the reads
  // until Commit or Rollback see one snapshot; without Begin each statement sees the last commit when it
  // first steps.
  virtual absl::Status Begin() = 0;
  // When it returns OK all is durable: synced to the disk.
  virtual absl::Status Commit() = 0;
  // Nothing since Begin is there. No effect outside a transaction.
  virtual void Rollback() = 0;
};

// An open database. Methods are thread-safe.
class Database {
 public:
  virtual ~Database() = default;
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // The only connection that writes; FAILED_PRECONDITION while there is another.
  virtual absl::StatusOr<std::unique_ptr<Connection>> OpenWriter() = 0;
  // Readers neither wait for the writer nor hold it up.
  virtual absl::StatusOr<std::unique_ptr<Connection>> OpenReader() = 0;
  // Moves committed pages from the write-ahead log to the main file, where there is such a thing. Blocks for
  // as long as the disk takes, so it has a thread of its own; call it about every second. The writer is held
  // up (for milliseconds) only when the log has outgrown its bound. Not having moved all is no error.
  virtual absl::Status Checkpoint() = 0;
  // What was deleted or overwritten up to now is to be gone from the log's file too, not only from the
  // tables: a Checkpoint to come empties that file, as soon as no reader is in the way.
  virtual void EmptyLog() = 0;
  // A copy as of one commit in the new file `path`, synced, readable for its owner alone. Takes as long as
  // the disk does; neither the writer nor readers wait for it, but the write-ahead log grows until it is
  // done. Errors: ALREADY_EXISTS if `path` exists; CANCELLED by a ScopedStop (common/base/stop.h); whatever
  // fails leaves no file.
  virtual absl::Status CopyTo(const std::string& path) = 0;
  virtual Stats stats() const = 0;
};

}  // namespace hotline::sql

#endif  // COMMON_SQL_DATABASE_H_
