#include "common/sql/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "common/sql/memory.h"
#include "common/sql/sync_times.h"

namespace hotline::sql {
namespace {

constexpr int kPageBytes = 4096;
constexpr int kCopiedAtOncePages = 256;
constexpr int kFrameBytes = kPageBytes + 24;  // a page in the write-ahead log
constexpr int kMostPasses = 4;
constexpr int kShortPassFrames = 64;
constexpr int kMostRestFrames = 1024;  // some commits: what readers of a moment keep the passes from
constexpr Dialect kDialect = {.integer = "INTEGER",
                              .blob = "BLOB",
                              .rows = "STRICT",
                              .keyed = "STRICT, WITHOUT ROWID",
                              .and_id = ""};  // the rowid ends every index of its own

// Only for how long something took and how long to wait: never stored, never decided on.
using SteadyClock = std::chrono::steady_clock;

int64_t NanosSince(SteadyClock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyClock::now() - start).count();
}

bool IsFull(int code, int system_errno) {
  if ((code & 0xff) == SQLITE_FULL) return true;
  // The file system's own words for it, which SQLite passes on as I/O errors. A failed sync is never taken
  // for one.
  return (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMSIZE) &&
         (system_errno == ENOSPC || system_errno == EDQUOT);
}

absl::Status ToStatus(int code, sqlite3* db) {
  const int system_errno = db == nullptr ? 0 : sqlite3_system_errno(db);
  // SQLite's messages hold names of tables and columns, and pieces of SQL, which has no values in it.
  const std::string message =
      absl::StrCat(db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db), " (SQLite ", code,
                   system_errno == 0 ? "" : absl::StrCat(", ", strerror(system_errno)), ")");
  if (IsFull(code, system_errno)) return absl::ResourceExhaustedError(message);
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::AlreadyExistsError(message);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return absl::FailedPreconditionError(message);
    default:
      break;
  }
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
    // Of the files: what a reader may not do is refused before SQLite hears of it.
    case SQLITE_READONLY:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

std::atomic<int64_t> sync_count{0};
std::atomic<int64_t> sync_nanos{0};

// While it lives, what this thread writes to a main file is on its way to the disk a quarter of a megabyte
// later. Left to the sync at the end of a checkpoint, tens of megabytes would stand in the disk's queue at
// once, and the commit behind them would take ten times as long as another.
class Trickle {
 public:
  // `file`: open, that which is written to; -1 for none.
  explicit Trickle(int file) : file_(file) { current_ = this; }
  Trickle(const Trickle&) = delete;
  Trickle& operator=(const Trickle&) = delete;
  ~Trickle() { current_ = nullptr; }

  static void Wrote(int bytes) {
    if (current_ != nullptr) current_->Count(bytes);
  }

 private:
  static constexpr int kAtOnceBytes = 256 << 10;

  // Begins the writing and does not wait for it. A hint: the sync at the end is what counts.
  void Count(int bytes) {
    written_ += bytes;
    if (file_ < 0 || written_ < kAtOnceBytes) return;
    written_ = 0;
    sync_file_range(file_, 0, 0, SYNC_FILE_RANGE_WRITE);
  }

  static thread_local Trickle* current_;
  const int file_;
  int written_ = 0;
};
thread_local Trickle* Trickle::current_ = nullptr;

// A file system for SQLite that is the system's own, but for the write-ahead log: what is written to that is
// gathered until it is synced, read or looked at, and goes out in one call. SQLite makes two calls for each
// page of a commit, which together cost more than deciding and storing it. Nobody can tell the difference: a
// commit shows to other connections after its sync only, and before that a crash may lose it in either case.
// And a Trickle hears of what is written to a main file, which only a checkpoint does.
class GatheringLog {
 public:
  static constexpr const char* kName = "hotline-gathering";

  static void Register() {
    static sqlite3_vfs vfs = *System();
    vfs.szOsFile = static_cast<int>(sizeof(GatheringLog)) + System()->szOsFile;
    vfs.pNext = nullptr;
    vfs.zName = kName;
    vfs.xOpen = Open;
    sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  }

 private:
  static constexpr size_t kMostGathered = 1 << 20;
  static constexpr size_t kMostAtOnce = 64 << 10;  // SQLite's writing keeps 17 bits of a length

  static sqlite3_vfs* System() {
    static sqlite3_vfs* const system = sqlite3_vfs_find(nullptr);
    return system;
  }
  static GatheringLog* Self(sqlite3_file* file) { return reinterpret_cast<GatheringLog*>(file); }
  // SQLite gives room for both.
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }

  static int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    if ((flags & SQLITE_OPEN_WAL) == 0) {
      const int code = System()->xOpen(System(), name, file, flags, out_flags);
      if (code == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) TellWrites(file);
      return code;
    }
    auto* const self = new (file) GatheringLog;
    const int code = System()->xOpen(System(), name, self->real(), flags, out_flags);
    static constexpr sqlite3_io_methods kMethods = {
        .iVersion = 1,
        .xClose = Close,
        .xRead =
            [](sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
              const int code = Self(file)->Flush();
              return code != SQLITE_OK ? code : Real(file)->pMethods->xRead(Real(file), to, count, at);
            },
        .xWrite = Write,
        .xTruncate =
            [](sqlite3_file* file, sqlite3_int64 size) {
              const int code = Self(file)->Flush();
              return code != SQLITE_OK ? code : Real(file)->pMethods->xTruncate(Real(file), size);
            },
        .xSync =
            [](sqlite3_file* file, int flags) {
              if (const int code = Self(file)->Flush(); code != SQLITE_OK) return code;
              const SteadyClock::time_point start = SteadyClock::now();
              const int code = Real(file)->pMethods->xSync(Real(file), flags);
              sync_nanos.fetch_add(NanosSince(start), std::memory_order_relaxed);
              sync_count.fetch_add(1, std::memory_order_relaxed);
              return code;
            },
        .xFileSize =
            [](sqlite3_file* file, sqlite3_int64* size) {
              const int code = Self(file)->Flush();
              return code != SQLITE_OK ? code : Real(file)->pMethods->xFileSize(Real(file), size);
            },
        .xLock = [](sqlite3_file* file, int lock) { return Real(file)->pMethods->xLock(Real(file), lock); },
        .xUnlock = [](sqlite3_file* file,
                      int lock) { return Real(file)->pMethods->xUnlock(Real(file), lock); },
        .xCheckReservedLock =
            [](sqlite3_file* file, int* held) {
              return Real(file)->pMethods->xCheckReservedLock(Real(file), held);
            },
        .xFileControl =
            [](sqlite3_file* file, int what, void* argument) {
              return Real(file)->pMethods->xFileControl(Real(file), what, argument);
            },
        .xSectorSize = [](sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); },
        .xDeviceCharacteristics =
            [](sqlite3_file* file) { return Real(file)->pMethods->xDeviceCharacteristics(Real(file)); },
    };
    if (self->real()->pMethods == nullptr) {
      // Nothing that SQLite would close.
      self->~GatheringLog();
      file->pMethods = nullptr;
    } else {
      self->base_.pMethods = &kMethods;
    }
    return code;
  }
  static sqlite3_file* Real(sqlite3_file* file) { return Self(file)->real(); }

  static void TellWrites(sqlite3_file* file) {
    static const sqlite3_io_methods* const real = file->pMethods;
    static const sqlite3_io_methods telling = [] {
      sqlite3_io_methods methods = *real;
      methods.xWrite = [](sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
        const int code = real->xWrite(file, from, count, at);
        if (code == SQLITE_OK) Trickle::Wrote(count);
        return code;
      };
      return methods;
    }();
    // Files that SQLite locks in some other way have other methods, and do without.
    if (file->pMethods == real) file->pMethods = &telling;
  }

  static int Close(sqlite3_file* file) {
    GatheringLog* const self = Self(file);
    const int flushed = self->Flush();
    const int closed = self->real()->pMethods->xClose(self->real());
    self->~GatheringLog();
    return flushed != SQLITE_OK ? flushed : closed;
  }

  static int Write(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
    GatheringLog* const self = Self(file);
    const bool goes_on = at == self->start_ + static_cast<int64_t>(self->bytes_.size());
    if (!goes_on || self->bytes_.size() >= kMostGathered) {
      if (const int code = self->Flush(); code != SQLITE_OK) return code;
      self->start_ = at;
    }
    self->bytes_.append(static_cast<const char*>(from), static_cast<size_t>(count));
    return SQLITE_OK;
  }

  // What cannot be written is forgotten: the transaction it is of fails, and its place is written anew.
  int Flush() {
    int code = SQLITE_OK;
    for (size_t at = 0; at < bytes_.size() && code == SQLITE_OK; at += kMostAtOnce) {
      const size_t count = std::min(bytes_.size() - at, kMostAtOnce);
      code = real()->pMethods->xWrite(real(), bytes_.data() + at, static_cast<int>(count),
                                      start_ + static_cast<int64_t>(at));
    }
    // SQLite knows one errno for "full", and forgets the errno of a commit that failed: a quota is told here.
    if (code == SQLITE_IOERR_WRITE) {
      int system_errno = 0;
      real()->pMethods->xFileControl(real(), SQLITE_FCNTL_LAST_ERRNO, &system_errno);
      if (IsFull(code, system_errno)) code = SQLITE_FULL;
    }
    start_ += static_cast<int64_t>(bytes_.size());
    bytes_.clear();
    return code;
  }

  sqlite3_file base_{};  // first: SQLite knows the object by it
  int64_t start_ = 0;
  std::string bytes_;  // to be written from `start_` on
};

struct CloseHandle {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Handle = std::unique_ptr<sqlite3, CloseHandle>;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

// Waits in short steps: what holds a lock here holds it for a millisecond or two, and SQLite's own handler
// sleeps longer.
struct BusyWait {
  explicit BusyWait(absl::Duration timeout) : limit(absl::ToChronoNanoseconds(timeout)) {}
  static int Handle(void* self, int tries) {
    auto* wait = static_cast<BusyWait*>(self);
    if (tries == 0) wait->start = SteadyClock::now();
    if (SteadyClock::now() - wait->start >= wait->limit) return 0;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    return 1;
  }
  const std::chrono::nanoseconds limit;
  SteadyClock::time_point start;
};

// The same for a checkpoint that begins the log anew. For the writer's commit it waits as long as it takes;
// what it then waits for, with the write lock in its own hands, are readers: the writer waits with it, so no
// longer than a short read takes. A long one lets a later checkpoint do it.
struct RestartWait {
  static constexpr std::chrono::milliseconds kForWriter{1000};
  static constexpr std::chrono::milliseconds kForReaders{5};

  explicit RestartWait(const std::atomic<bool>* is_writing) : is_writing(is_writing) {}
  static int Handle(void* self, int tries) {
    auto* wait = static_cast<RestartWait*>(self);
    const SteadyClock::time_point now = SteadyClock::now();
    if (tries == 0) wait->start = now;
    if (tries == 0 || *wait->is_writing) wait->readers_start = now;
    if (now - wait->start >= kForWriter || now - wait->readers_start >= kForReaders) return 0;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    return 1;
  }
  const std::atomic<bool>* const is_writing;
  SteadyClock::time_point start;
  SteadyClock::time_point readers_start;
};

absl::Status RunScript(sqlite3* db, const std::string& script) {
  const int code = sqlite3_exec(db, script.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ToStatus(sqlite3_extended_errcode(db), db);
}

// Which file a path leads to. A file that is open is never mistaken for a later one.
struct FileIdentity {
  std::string path;  // empty: none of the system's files
  dev_t device = 0;
  ino_t number = 0;

  static FileIdentity Of(const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return {.path = path};
    return {.path = path, .device = info.st_dev, .number = info.st_ino};
  }
  // Whether the path leads elsewhere now, or nowhere. That it may not be followed just now says nothing.
  bool IsGone() const {
    if (path.empty()) return false;
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return errno == ENOENT || errno == ENOTDIR;
    return info.st_dev != device || info.st_ino != number;
  }
  absl::Status GoneError() const {
    return absl::UnavailableError(absl::StrCat(path,
                                               " was moved or deleted while in use: stop the service, put it "
                                               "back, and only then start it (a start without it "
                                               "makes an empty store); ",
                                               ToAbsl(error::kUntilRestart)));
  }
};

// What connections share with their database, which outlives them.
struct Shared {
  // OK if the writer may go on.
  absl::Status CheckWriter() {
    if (file.IsGone()) {
      poisoned = true;
      return file.GoneError();
    }
    if (!poisoned) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("a commit failed, or the file was away for a while; ", ToAbsl(error::kUntilRestart)));
  }

  FileIdentity file;  // set before there are connections
  std::atomic<bool> has_writer{false};
  // The writer has the write lock. Set when it has it, cleared when it is gone.
  std::atomic<bool> is_writing{false};
  std::atomic<bool> poisoned{false};
  std::atomic<int64_t> wal_frames{0};
  std::atomic<int64_t> commits{0};
  std::atomic<int64_t> commit_failures{0};
  std::atomic<int64_t> commit_nanos_sum{0};
  std::atomic<int64_t> checkpoints{0};
  std::atomic<int64_t> checkpoints_partial{0};
};

// Of all writers of the process.
std::atomic<int64_t> writer_cache_bytes{0};

class SqliteConnection;

class SqliteStatement : public Statement {
 public:
  SqliteStatement(SqliteConnection* connection, StatementHandle statement)
      : connection_(connection),
        statement_(std::move(statement)),
        writes_(sqlite3_stmt_readonly(statement_.get()) == 0) {}

  void BindInt64(int parameter, int64_t value) override {
    Check(sqlite3_bind_int64(statement_.get(), parameter, value));
  }
  void BindText(int parameter, std::string_view value) override {
    if (!IsText(value)) {
      not_text_ = true;
      return;
    }
    Check(sqlite3_bind_text64(statement_.get(), parameter, value.empty() ? "" : value.data(), value.size(),
                              SQLITE_STATIC, SQLITE_UTF8));
  }
  void BindBlob(int parameter, std::string_view value) override {
    Check(sqlite3_bind_blob64(statement_.get(), parameter, value.empty() ? "" : value.data(), value.size(),
                              SQLITE_STATIC));
  }
  void BindNull(int parameter) override { Check(sqlite3_bind_null(statement_.get(), parameter)); }

  absl::StatusOr<bool> Step() override;
  void Reset() override {
    sqlite3_reset(statement_.get());
    bind_code_ = SQLITE_OK;
    not_text_ = false;
  }

  int64_t Int64(int column) const override { return sqlite3_column_int64(statement_.get(), column); }
  std::string_view Text(int column) const override {
    const unsigned char* text = sqlite3_column_text(statement_.get(), column);
    if (text == nullptr) return {};
    return {reinterpret_cast<const char*>(text),
            static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }
  std::string_view Blob(int column) const override {
    const void* blob = sqlite3_column_blob(statement_.get(), column);
    if (blob == nullptr) return {};
    return {static_cast<const char*>(blob),
            static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }
  bool IsNull(int column) const override {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }

 private:
  void Check(int code) {
    if (code != SQLITE_OK) bind_code_ = code;
  }

  SqliteConnection* const connection_;
  const StatementHandle statement_;
  const bool writes_;
  int bind_code_ = SQLITE_OK;
  bool not_text_ = false;
};

class SqliteConnection : public Connection {
 public:
  SqliteConnection(Handle db, std::unique_ptr<BusyWait> wait, bool writer, Shared* shared)
      : wait_(std::move(wait)), db_(std::move(db)), writer_(writer), shared_(shared) {
    if (writer_) sqlite3_wal_hook(db_.get(), &SqliteConnection::OnCommit, shared_);
  }
  ~SqliteConnection() override {
    Rollback();
    if (writer_) shared_->has_writer = false;
    writer_cache_bytes -= cache_bytes_;
  }

  absl::Status Init() {
    for (auto [sql, statement] : {std::pair(writer_ ? "BEGIN IMMEDIATE" : "BEGIN", &begin_),
                                  std::pair("COMMIT", &commit_), std::pair("ROLLBACK", &rollback_)}) {
      absl::StatusOr<StatementHandle> prepared = PrepareHandle(sql);
      if (!prepared.ok()) return prepared.status();
      *statement = *std::move(prepared);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Statement>> Prepare(std::string_view sql) override {
    absl::StatusOr<StatementHandle> prepared = PrepareHandle(sql);
    if (!prepared.ok()) return prepared.status();
    if (!writer_ && sqlite3_stmt_readonly(prepared->get()) == 0) {
      return absl::FailedPreconditionError("a reader does not write");
    }
    return std::make_unique<SqliteStatement>(this, *std::move(prepared));
  }

  absl::Status Execute(std::string_view script) override {
    if (!writer_) return absl::FailedPreconditionError("a reader does not write");
    if (absl::Status ready = ReadyFor(/*writes=*/true); !ready.ok()) return ready;
    absl::Status done = RunScript(db_.get(), Expand(kDialect, script));
    if (!done.ok()) failed_ = true;
    return done;
  }

  absl::Status Begin() override {
    if (in_transaction_) return absl::FailedPreconditionError("already in a transaction");
    if (writer_) {
      if (absl::Status status = shared_->CheckWriter(); !status.ok()) return status;
    }
    if (int code = RunHandle(begin_.get()); code != SQLITE_DONE) return ToStatus(code, db_.get());
    in_transaction_ = true;
    failed_ = false;
    if (writer_) shared_->is_writing = true;
    return absl::OkStatus();
  }

  absl::Status Commit() override {
    if (!in_transaction_) return absl::FailedPreconditionError("not in a transaction");
    if (failed_) {
      Rollback();
      return absl::FailedPreconditionError("rolled back, because a statement in the transaction failed");
    }
    const SteadyClock::time_point start = SteadyClock::now();
    const int code = RunHandle(commit_.get());
    if (!writer_) {
      in_transaction_ = false;
      return code == SQLITE_DONE ? absl::OkStatus() : ToStatus(code, db_.get());
    }
    const int64_t nanos = NanosSince(start);
    shared_->commit_nanos_sum += nanos;
    NoteCache();
    if (code == SQLITE_DONE) {
      in_transaction_ = false;
      shared_->is_writing = false;
      // Once more: nobody is told of a commit that went to a file which is not there any more.
      if (shared_->file.IsGone()) {
        ++shared_->commit_failures;
        shared_->poisoned = true;
        return shared_->file.GoneError();
      }
      ++shared_->commits;
      return absl::OkStatus();
    }
    ++shared_->commit_failures;
    absl::Status failure = ToStatus(code, db_.get());
    // The index of the log grows when the log is written and synced already, so a commit that finds no room
    // for that may be there after a restart.
    if (code == SQLITE_IOERR_SHMSIZE) failure = absl::UnavailableError(failure.message());
    if (!absl::IsResourceExhausted(failure)) {
      shared_->poisoned = true;
      failure =
          absl::Status(failure.code(), absl::StrCat(failure.message(), "; ", ToAbsl(error::kUntilRestart)));
    }
    Rollback();
    return failure;
  }

  void Rollback() override {
    if (!in_transaction_) return;
    in_transaction_ = false;
    failed_ = false;
    // Some failures have rolled back already.
    if (sqlite3_get_autocommit(db_.get()) == 0) RunHandle(rollback_.get());
    if (writer_) shared_->is_writing = false;
  }

  // Whether a statement may run now.
  absl::Status ReadyFor(bool writes) const {
    if (failed_) return absl::FailedPreconditionError("a statement in the transaction failed; roll back");
    if (writes && !in_transaction_) return absl::FailedPreconditionError("a write needs a transaction");
    return absl::OkStatus();
  }
  // Doom the transaction.
  void Fail() { failed_ = in_transaction_; }
  sqlite3* db() const { return db_.get(); }

 private:
  // What the page cache holds. The counter of all of SQLite's memory would take a lock for each allocation.
  void NoteCache() {
    int used = 0;
    int highest = 0;
    if (sqlite3_db_status(db_.get(), SQLITE_DBSTATUS_CACHE_USED, &used, &highest, 0) != SQLITE_OK) return;
    writer_cache_bytes += used - cache_bytes_;
    cache_bytes_ = used;
  }

  static int OnCommit(void* shared, sqlite3*, const char*, int frames) {
    static_cast<Shared*>(shared)->wal_frames = frames;
    return SQLITE_OK;
  }

  absl::StatusOr<StatementHandle> PrepareHandle(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, &rest);
    StatementHandle owned(statement);
    if (code != SQLITE_OK) return ToStatus(code, db_.get());
    if (statement == nullptr) return absl::InternalError("no statement to prepare");
    const std::string_view tail(rest, static_cast<size_t>(sql.data() + sql.size() - rest));
    if (tail.find_first_not_of(" \n\t;") != std::string_view::npos) {
      return absl::InternalError("more than one statement to prepare");
    }
    return owned;
  }

  // The extended code of stepping once; the statement is reset.
  static int RunHandle(sqlite3_stmt* statement) {
    const int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code;
  }

  const std::unique_ptr<BusyWait> wait_;
  const Handle db_;
  const bool writer_;
  Shared* const shared_;
  StatementHandle begin_;
  StatementHandle commit_;
  StatementHandle rollback_;
  int64_t cache_bytes_ = 0;
  bool in_transaction_ = false;
  bool failed_ = false;
};

// A reader with what it needs, without a database that owns the file.
class LoneReader : public Connection {
 public:
  LoneReader() = default;
  absl::Status Open(const std::string& path, bool still) {
    // As a URI, in which these would mean something else.
    std::string name;
    for (const char c : path) {
      if (c == '%' || c == '?' || c == '#') {
        absl::StrAppend(&name, "%", absl::Hex(c, absl::kZeroPad2));
      } else {
        name.push_back(c);
      }
    }
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(
        absl::StrCat("file:", name, still ? "?mode=ro&immutable=1" : "?mode=ro").c_str(), &raw,
        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
            SQLITE_OPEN_EXRESCODE,
        nullptr);
    Handle db(raw);
    if (code != SQLITE_OK) return ToStatus(code, raw);
    auto wait = std::make_unique<BusyWait>(absl::Seconds(5));
    sqlite3_busy_handler(raw, &BusyWait::Handle, wait.get());
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    absl::Status status =
        RunScript(raw, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0;");
    if (!status.ok()) return status;
    connection_ =
        std::make_unique<SqliteConnection>(std::move(db), std::move(wait), /*writer=*/false, &shared_);
    return connection_->Init();
  }

  absl::StatusOr<std::unique_ptr<Statement>> Prepare(std::string_view sql) override {
    return connection_->Prepare(sql);
  }
  absl::Status Execute(std::string_view script) override { return connection_->Execute(script); }
  absl::Status Begin() override { return connection_->Begin(); }
  absl::Status Commit() override { return connection_->Commit(); }
  void Rollback() override { connection_->Rollback(); }

 private:
  Shared shared_;
  std::unique_ptr<SqliteConnection> connection_;
};

absl::StatusOr<bool> SqliteStatement::Step() {
  absl::Status status = connection_->ReadyFor(writes_);
  if (status.ok() && not_text_) status = absl::InvalidArgumentError("a text is not UTF-8 or holds a NUL");
  if (status.ok() && bind_code_ != SQLITE_OK) status = ToStatus(bind_code_, nullptr);
  if (status.ok()) {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) {
      sqlite3_reset(statement_.get());
      return false;
    }
    status = ToStatus(code, connection_->db());
  }
  Reset();
  connection_->Fail();
  return status;
}

// Holds `<path>.lock` for as long as it lives; the system lets go of it when the process dies.
class FileLock {
 public:
  explicit FileLock(int file) : file_(file) {}
  ~FileLock() { close(file_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  static absl::StatusOr<std::unique_ptr<FileLock>> Take(const std::string& path) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return absl::UnavailableError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
    auto lock = std::make_unique<FileLock>(file);
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      return absl::UnavailableError(absl::StrCat(path, " is locked: another process uses this database"));
    }
    return lock;
  }

 private:
  const int file_;
};

class SqliteDatabase : public Database {
 public:
  SqliteDatabase(SqliteOptions options, std::unique_ptr<FileLock> lock)
      : options_(std::move(options)), lock_(std::move(lock)), restart_wait_(&shared_.is_writing) {}

  ~SqliteDatabase() override {
    {
      MutexLock lock(&checkpoint_mu_);
      checkpoint_db_.reset();
    }
    // Last: to close a file gives up all locks that the process has on it.
    if (main_file_ >= 0) close(main_file_);
  }

  absl::Status Init() {
    if (options_.vfs.empty()) {
      // Made here and not by SQLite, which would let the umask decide who may read it. The files beside it
      // take after it.
      main_file_ = open(options_.path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
      if (main_file_ < 0) {
        return absl::UnavailableError(absl::StrCat("cannot open ", options_.path, ": ", strerror(errno)));
      }
    }
    BusyWait wait(absl::Seconds(1));
    absl::StatusOr<Handle> db = OpenHandle(&wait, 64 * kPageBytes);
    if (!db.ok()) return db.status();
    // Page size: set before the file has a page; no effect on one that has.
    absl::Status status = RunScript(
        db->get(),
        absl::StrCat("PRAGMA page_size=", kPageBytes, "; PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL;"));
    if (!status.ok()) return status;
    // Where the file system cannot share memory SQLite goes on without a write-ahead log; what is promised
    // here would not hold.
    bool logged = false;
    sqlite3_exec(
        db->get(), "PRAGMA journal_mode",
        [](void* found, int columns, char** values, char**) {
          *static_cast<bool*>(found) = columns == 1 && std::string_view(values[0]) == "wal";
          return 0;
        },
        &logged, nullptr);
    if (!logged) return absl::UnavailableError("the file system does not support a write-ahead log");
    if (absl::Status status = MoveLog(db->get()); !status.ok()) return status;
    if (options_.vfs.empty()) {
      const std::string file = sqlite3_db_filename(db->get(), "main");  // links followed
      for (const char* part : {"", "-wal", "-shm"}) CloseToOthers(file + part);
      shared_.file = FileIdentity::Of(options_.path);
    }
    sqlite3_busy_handler(db->get(), &RestartWait::Handle, &restart_wait_);
    MutexLock lock(&checkpoint_mu_);
    checkpoint_db_ = *std::move(db);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Connection>> OpenWriter() override {
    if (absl::Status status = shared_.CheckWriter(); !status.ok()) return status;
    if (shared_.has_writer.exchange(true)) return absl::FailedPreconditionError("there is a writer");
    absl::StatusOr<std::unique_ptr<Connection>> writer = OpenConnection(/*writer=*/true);
    if (!writer.ok()) shared_.has_writer = false;
    return writer;
  }

  absl::StatusOr<std::unique_ptr<Connection>> OpenReader() override {
    return OpenConnection(/*writer=*/false);
  }

  absl::Status Checkpoint() override {
    MutexLock lock(&checkpoint_mu_);
    const Trickle trickle(main_file_);
    int frames = 0;
    int moved = 0;
    sqlite3* const db = checkpoint_db_.get();
    const auto pass = [db, &frames, &moved] {
      return sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
    };
    int code = pass();
    if (code == SQLITE_OK && int64_t{frames} * kFrameBytes > options_.wal_limit_bytes) {
      // The writer has been faster than the passes. It must wait while the last one is written and synced, so
      // that is to be a short one: each leaves only what was committed during it.
      int came = INT_MAX;
      for (int passes = 0; passes < kMostPasses && came > kShortPassFrames && code == SQLITE_OK; ++passes) {
        const int before = frames;
        code = pass();
        came = frames - before;
      }
    }
    // What a long reader kept them from is left until it is gone: then they move it, and not this.
    if (code == SQLITE_OK && int64_t{frames} * kFrameBytes > options_.wal_limit_bytes &&
        frames - moved <= kMostRestFrames) {
      code = sqlite3_wal_checkpoint_v2(checkpoint_db_.get(), nullptr, SQLITE_CHECKPOINT_RESTART, &frames,
                                       &moved);
      if (code == SQLITE_OK) shared_.wal_frames = 0;
    }
    if (code == SQLITE_OK && moved == frames && empty_log_.exchange(false)) {
      // Nobody waits for this: while a reader or the writer is in the way, a later pass does it.
      sqlite3_busy_handler(checkpoint_db_.get(), nullptr, nullptr);
      const int emptied = sqlite3_wal_checkpoint_v2(checkpoint_db_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE,
                                                    nullptr, nullptr);
      sqlite3_busy_handler(checkpoint_db_.get(), &RestartWait::Handle, &restart_wait_);
      if (emptied == SQLITE_OK) {
        shared_.wal_frames = 0;
      } else if ((emptied & 0xff) == SQLITE_BUSY) {
        empty_log_ = true;
      } else {
        code = emptied;
      }
    }
    if ((code & 0xff) == SQLITE_BUSY) {
      ++shared_.checkpoints_partial;
      return absl::OkStatus();
    }
    if (code != SQLITE_OK) return ToStatus(code, checkpoint_db_.get());
    ++(moved == frames ? shared_.checkpoints : shared_.checkpoints_partial);
    return absl::OkStatus();
  }

  void EmptyLog() override { empty_log_ = true; }

  absl::Status CopyTo(const std::string& path) override {
    // Made here and not by SQLite, so that nobody else can read it for a moment.
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
      const std::string message = absl::StrCat("cannot create ", path, ": ", strerror(errno));
      return errno == EEXIST   ? absl::AlreadyExistsError(message)
             : errno == ENOSPC ? absl::ResourceExhaustedError(message)
                               : absl::UnavailableError(message);
    }
    absl::Status status = CopyPages(path);
    if (status.ok() && fsync(file) != 0) {
      status = absl::UnavailableError(absl::StrCat("cannot sync ", path, ": ", strerror(errno)));
    }
    close(file);
    if (!status.ok()) unlink(path.c_str());
    return status;
  }

  Stats stats() const override {
    Stats stats;
    stats.commits = shared_.commits;
    stats.commit_failures = shared_.commit_failures;
    stats.commit_seconds_sum = static_cast<double>(shared_.commit_nanos_sum) * 1e-9;
    stats.checkpoints = shared_.checkpoints;
    stats.checkpoints_partial = shared_.checkpoints_partial;
    stats.wal_bytes = shared_.wal_frames * kFrameBytes;
    stats.empties_log = empty_log_;
    stats.poisoned = shared_.poisoned;
    if (!options_.vfs.empty()) {
      stats.free_disk_bytes = -1;
      return stats;
    }
    struct stat file;
    if (stat(options_.path.c_str(), &file) == 0) stats.database_bytes = file.st_size;
    struct statvfs disk;
    stats.free_disk_bytes = statvfs(options_.path.c_str(), &disk) == 0
                                ? static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize)
                                : -1;
    return stats;
  }

 private:
  // What the log holds to the main file, and the log empty. Waits for whoever reads it.
  absl::Status MoveLog(sqlite3* db) {
    const SteadyClock::time_point start = SteadyClock::now();
    for (;;) {
      const int code = sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
      if (code == SQLITE_OK) return absl::OkStatus();
      if ((code & 0xff) != SQLITE_BUSY) return ToStatus(code, db);
      const bool over = NanosSince(start) >= absl::ToInt64Nanoseconds(options_.open_timeout);
      if (over || (options_.on_wait != nullptr && !options_.on_wait(options_.path))) {
        return absl::UnavailableError(
            absl::StrCat("another process (hotlinectl doctor --deep, sqlite3) still reads ", options_.path,
                         ": end it, then start again"));
      }
    }
  }

  // What an earlier release made with a careless umask. Nothing if it is not ours to change, or not there.
  static void CloseToOthers(const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
      chmod(path.c_str(), info.st_mode & 07777 & ~static_cast<mode_t>(S_IRWXO));
    }
  }

  // Into the empty file `path`.
  absl::Status CopyPages(const std::string& path) {
    BusyWait wait(options_.busy_timeout);
    absl::StatusOr<Handle> from = OpenHandle(&wait, 64 * kPageBytes);
    if (!from.ok()) return from.status();
    sqlite3* raw = nullptr;
    const int opened =
        sqlite3_open_v2(path.c_str(), &raw,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, System()->zName);
    const Handle to(raw);
    if (opened != SQLITE_OK) return ToStatus(opened, raw);
    // The caller syncs once at the end; a copy that is interrupted is no copy.
    if (absl::Status status = RunScript(raw, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
        !status.ok()) {
      return status;
    }
    // Holding one snapshot from the first page to the last: commits meanwhile do not start the copy anew.
    if (absl::Status status = RunScript(from->get(), "BEGIN; SELECT count(*) FROM sqlite_schema");
        !status.ok()) {
      return status;
    }
    sqlite3_backup* const backup = sqlite3_backup_init(raw, "main", from->get(), "main");
    if (backup == nullptr) return ToStatus(sqlite3_extended_errcode(raw), raw);
    int code = SQLITE_OK;
    while (code == SQLITE_OK && !ScopedStop::IsAsked()) {
      code = sqlite3_backup_step(backup, kCopiedAtOncePages);
    }
    const int finished = sqlite3_backup_finish(backup);
    if (code == SQLITE_OK) return absl::CancelledError("the copy was stopped");
    if (code != SQLITE_DONE) return ToStatus(code, raw);
    return finished == SQLITE_OK ? absl::OkStatus() : ToStatus(finished, raw);
  }

  static sqlite3_vfs* System() { return sqlite3_vfs_find(nullptr); }

  absl::StatusOr<Handle> OpenHandle(BusyWait* wait, int64_t cache_bytes) {
    if (shared_.file.IsGone()) return shared_.file.GoneError();
    sqlite3* raw = nullptr;
    // A file of the system's is there by now; if it is not, an empty one in its place would hide that.
    const int create = options_.vfs.empty() ? 0 : SQLITE_OPEN_CREATE;
    const int code = sqlite3_open_v2(options_.path.c_str(), &raw,
                                     SQLITE_OPEN_READWRITE | create | SQLITE_OPEN_NOMUTEX |
                                         SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
                                     options_.vfs.empty() ? GatheringLog::kName : options_.vfs.c_str());
    Handle db(raw);
    if (code != SQLITE_OK) return ToStatus(code, raw);
    // SQLite falls back to reading.
    if (sqlite3_db_readonly(raw, "main") == 1) {
      return absl::UnavailableError(
          absl::StrCat(options_.path, " cannot be written: give it to the service's user, mode 0600"));
    }
    sqlite3_busy_handler(raw, &BusyWait::Handle, wait);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    absl::Status status = RunScript(
        raw, absl::StrCat("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                          "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0;"
                          "PRAGMA journal_size_limit=",
                          // Somewhat more than its bound: it is beyond that when it begins anew.
                          options_.wal_limit_bytes + options_.wal_limit_bytes / 4, "; PRAGMA cache_size=-",
                          cache_bytes / 1024));
    if (!status.ok()) return status;
    return db;
  }

  absl::StatusOr<std::unique_ptr<Connection>> OpenConnection(bool writer) {
    auto wait = std::make_unique<BusyWait>(options_.busy_timeout);
    absl::StatusOr<Handle> db =
        OpenHandle(wait.get(), writer ? options_.writer_cache_bytes : options_.reader_cache_bytes);
    if (!db.ok()) return db.status();
    // What retention deletes is not to be found in the file's free space.
    std::string script = writer ? "PRAGMA secure_delete=ON;" : "PRAGMA query_only=ON;";
    if (writer && options_.max_database_bytes > 0) {
      absl::StrAppend(&script, "PRAGMA max_page_count=", options_.max_database_bytes / kPageBytes);
    }
    if (absl::Status status = RunScript(db->get(), script); !status.ok()) return status;
    auto connection = std::make_unique<SqliteConnection>(*std::move(db), std::move(wait), writer, &shared_);
    if (absl::Status status = connection->Init(); !status.ok()) return status;
    return connection;
  }

  const SqliteOptions options_;
  const std::unique_ptr<FileLock> lock_;
  Shared shared_;
  std::atomic<bool> empty_log_{false};
  int main_file_ = -1;  // to make it, and for a hint to the system; -1: none
  Mutex checkpoint_mu_;
  RestartWait restart_wait_;
  Handle checkpoint_db_ ABSL_GUARDED_BY(checkpoint_mu_);
};

// Once for the process, before the first database is opened.
void Configure() {
  static absl::once_flag configured;
  // Counting every allocation takes a lock that all connections share.
  absl::call_once(configured, [] {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
    GatheringLog::Register();
  });
}

}  // namespace

int64_t WriterCacheBytes() { return writer_cache_bytes; }

absl::StatusOr<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options) {
  Configure();
  std::unique_ptr<FileLock> lock;
  if (options.vfs.empty()) {
    absl::StatusOr<std::unique_ptr<FileLock>> taken = FileLock::Take(options.path + ".lock");
    if (!taken.ok()) return taken.status();
    lock = *std::move(taken);
  }
  auto database = std::make_unique<SqliteDatabase>(options, std::move(lock));
  if (absl::Status status = database->Init(); !status.ok()) return status;
  return database;
}

SyncTimes GetSyncTimes() {
  return {.count = sync_count.load(std::memory_order_relaxed),
          .total = absl::Nanoseconds(sync_nanos.load(std::memory_order_relaxed))};
}

absl::StatusOr<std::unique_ptr<Connection>> OpenSqliteToRead(const std::string& path, bool still) {
  Configure();
  auto reader = std::make_unique<LoneReader>();
  if (absl::Status status = reader->Open(path, still); !status.ok()) return status;
  return reader;
}

}  // namespace hotline::sql
