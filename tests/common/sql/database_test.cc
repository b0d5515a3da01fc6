// The conformance suite on each driver, and what is particular to SQLite and to the fault wrapper.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/sql/faulty.h"
#include "common/sql/sqlite.h"
#include "tests/common/sql/conformance.h"

namespace hotline::sql {
namespace {

absl::StatusOr<std::unique_ptr<Database>> OpenIn(const std::string& folder, int64_t quota_bytes) {
  return OpenSqlite({.path = folder + "/test.db", .max_database_bytes = quota_bytes});
}

absl::StatusOr<std::unique_ptr<Database>> OpenFaultless(const std::string& folder, int64_t quota_bytes) {
  absl::StatusOr<std::unique_ptr<Database>> real = OpenIn(folder, quota_bytes);
  if (!real.ok()) return real;
  return MakeFaulty(*std::move(real), [](int64_t) { return Fault::kNone; });
}

INSTANTIATE_TEST_SUITE_P(Drivers, SqlConformance,
                         testing::Values(Driver{.name = "Sqlite", .open = OpenIn},
                                         Driver{.name = "Faulty", .open = OpenFaultless}),
                         DriverName);

// A copy is a SQLite file, whatever wraps the driver.
TEST_P(SqlConformance, CopyIsOfOneCommitWhileOthersAreMade) {
  const std::string copy = folder_.path() + "/copy.db";
  const std::string large(20'000, 'v');
  for (int64_t id = 1; id <= 50; ++id) ASSERT_TRUE(InsertCommitted(*writer_, id, large).ok());
  std::atomic<bool> over{false};
  std::atomic<int64_t> last{50};
  std::thread writing([&] {
    // Each commit makes two rows: a copy with one of them is of no commit.
    for (int64_t id = 51; !over || id < 61; id += 2) {
      EXPECT_TRUE(writer_->Begin().ok());
      EXPECT_TRUE(Insert(*writer_, id, "a", large).ok());
      EXPECT_TRUE(Insert(*writer_, id + 1, "b", large).ok());
      EXPECT_TRUE(writer_->Commit().ok());
      last = id + 1;
    }
  });
  while (last < 60) std::this_thread::yield();
  const int64_t before = last;
  const absl::Status copied = database_->CopyTo(copy);
  over = true;
  writing.join();
  ASSERT_TRUE(copied.ok()) << copied;
  const int64_t after = last;
  EXPECT_EQ(database_->CopyTo(copy).code(), absl::StatusCode::kAlreadyExists) << "nothing is written over";
  auto reader = OpenSqliteToRead(copy, /*still=*/true);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const int64_t rows = Count(**reader);
  EXPECT_GE(rows, before);
  EXPECT_LE(rows, after);
  EXPECT_EQ(rows % 2, 0);
  EXPECT_EQ(database_->CopyTo(folder_.path() + "/none/copy.db").code(), absl::StatusCode::kUnavailable);
}

// A table with one column, and rows counted.
class Counted {
 public:
  explicit Counted(Database& database) : writer_(*database.OpenWriter()) {
    EXPECT_TRUE(writer_->Begin().ok());
    EXPECT_TRUE(
        writer_->Execute("CREATE TABLE IF NOT EXISTS t (id {int} PRIMARY KEY, bytes {blob}) {rows}").ok());
    EXPECT_TRUE(writer_->Commit().ok());
  }
  absl::Status Add(int64_t id, size_t bytes = 10) {
    if (absl::Status status = writer_->Begin(); !status.ok()) return status;
    std::unique_ptr<Statement> insert = *writer_->Prepare("INSERT INTO t (id, bytes) VALUES (?1, ?2)");
    const std::string value(bytes, 'v');
    insert->BindInt64(1, id);
    insert->BindBlob(2, value);
    if (absl::Status status = insert->Run(); !status.ok()) return status;
    return writer_->Commit();
  }
  int64_t Count() {
    std::unique_ptr<Statement> count = *writer_->Prepare("SELECT count(*) FROM t");
    EXPECT_TRUE(*count->Step());
    return count->Int64(0);
  }
  Connection& writer() { return *writer_; }

 private:
  std::unique_ptr<Connection> writer_;
};

TEST(Sqlite, SecondOwnerIsRefused) {
  const ScratchFolder folder;
  auto first = OpenIn(folder.path(), 0);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(OpenIn(folder.path(), 0).status().code(), absl::StatusCode::kUnavailable);
  first->reset();
  EXPECT_TRUE(OpenIn(folder.path(), 0).ok());
}

TEST(Sqlite, NotADatabase) {
  const ScratchFolder folder;
  std::ofstream(folder.path() + "/test.db") << std::string(10'000, 'x');
  EXPECT_EQ(OpenIn(folder.path(), 0).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(OpenSqlite({.path = folder.path() + "/nosuch/test.db"}).status().code(),
            absl::StatusCode::kUnavailable);
}

mode_t ModeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(Sqlite, FilesAreTheirOwnersAloneWhateverTheFolderAllows) {
  const ScratchFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  const mode_t before = umask(0022);
  auto database = OpenIn(folder.path(), 0);
  umask(before);
  ASSERT_TRUE(database.ok()) << database.status();
  {
    Counted counted(**database);
    ASSERT_TRUE(counted.Add(1).ok());
    for (const char* part : {"test.db", "test.db-wal", "test.db-shm", "test.db.lock"}) {
      EXPECT_EQ(ModeOf(StrCat(folder.path(), "/", part)), mode_t{0600}) << part;
    }
  }
  // As an earlier release left it; what the group may do was given on purpose.
  database->reset();
  ASSERT_EQ(chmod((folder.path() + "/test.db").c_str(), 0644), 0);
  database = OpenIn(folder.path(), 0);
  ASSERT_TRUE(database.ok()) << database.status();
  Counted counted(**database);
  ASSERT_TRUE(counted.Add(2).ok());
  for (const char* part : {"test.db", "test.db-wal", "test.db-shm"}) {
    EXPECT_EQ(ModeOf(StrCat(folder.path(), "/", part)), mode_t{0640}) << part;
  }
}

// Nobody is told of a commit into a file that the next start does not find.
TEST(Sqlite, AFileThatIsTakenAwayIsCommittedToNoMore) {
  const ScratchFolder scratch;
  const std::string folder = scratch.path() + "/data";
  const std::string away = scratch.path() + "/away";
  std::filesystem::create_directory(folder);
  auto database = OpenIn(folder, 0);
  ASSERT_TRUE(database.ok());
  {
    Counted counted(**database);
    ASSERT_TRUE(counted.Add(1).ok());
    std::filesystem::rename(folder, away);
    const absl::Status gone = counted.Add(2);
    EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable) << gone;
    EXPECT_NE(gone.message().find(folder + "/test.db was moved or deleted"), absl::string_view::npos) << gone;
    EXPECT_NE(ToStd(gone.message()).find(error::kUntilRestart), std::string_view::npos) << gone;
    EXPECT_TRUE((*database)->stats().poisoned);
    // Nor is an empty one made in its place, read or copied.
    std::filesystem::create_directory(folder);
    EXPECT_EQ((*database)->OpenReader().status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ((*database)->CopyTo(scratch.path() + "/copy.db").code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    std::ofstream(folder + "/test.db") << "another";
    EXPECT_EQ(counted.Add(2).code(), absl::StatusCode::kUnavailable);
    std::filesystem::remove_all(folder);
    std::filesystem::rename(away, folder);
    const absl::Status back = counted.Add(2);
    EXPECT_EQ(back.code(), absl::StatusCode::kUnavailable) << "who knows what was done to it";
    EXPECT_NE(ToStd(back.message()).find(error::kUntilRestart), std::string_view::npos) << back;
  }
  database->reset();
  database = OpenIn(folder, 0);
  ASSERT_TRUE(database.ok());
  Counted counted(**database);
  EXPECT_EQ(counted.Count(), 1);
  // Between the beginning and the commit.
  ASSERT_TRUE(counted.writer().Begin().ok());
  std::filesystem::remove_all(folder);
  EXPECT_EQ(counted.writer().Commit().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE((*database)->stats().poisoned);
}

TEST(Sqlite, OpeningWaitsForWhoeverStillReads) {
  const ScratchFolder folder;
  const std::string path = folder.path() + "/test.db";
  std::unique_ptr<Connection> reader;
  {
    auto database = OpenIn(folder.path(), 0);
    ASSERT_TRUE(database.ok());
    Counted counted(**database);
    ASSERT_TRUE(counted.Add(1).ok());
    auto opened = OpenSqliteToRead(path, /*still=*/false);
    ASSERT_TRUE(opened.ok()) << opened.status();
    reader = *std::move(opened);
    ASSERT_TRUE(reader->Begin().ok());
    std::unique_ptr<Statement> count = *reader->Prepare("SELECT count(*) FROM t");
    ASSERT_TRUE(*count->Step());
    count->Reset();
    ASSERT_TRUE(counted.Add(2).ok());
  }
  int waits = 0;
  auto database = OpenSqlite({.path = path, .on_wait = [&](const std::string& told) {
                                EXPECT_EQ(told, path);
                                return ++waits < 2;
                              }});
  EXPECT_EQ(waits, 2);
  EXPECT_EQ(database.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(database.status().message().find(path), absl::string_view::npos) << database.status();
  database = OpenSqlite({.path = path, .open_timeout = absl::ZeroDuration()});
  EXPECT_EQ(database.status().code(), absl::StatusCode::kUnavailable);
  database = OpenSqlite({.path = path, .on_wait = [&](const std::string&) {
                           reader.reset();
                           return true;
                         }});
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(reader, nullptr);
  EXPECT_EQ(Counted(**database).Count(), 2);
}

TEST(Sqlite, AFileThatMayOnlyBeReadIsNotOpened) {
  const ScratchFolder folder;
  const std::string path = folder.path() + "/test.db";
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  ASSERT_TRUE(OpenIn(folder.path(), 0).ok());
  ASSERT_EQ(chmod(path.c_str(), 0444), 0);
  ASSERT_EQ(chmod((path + ".lock").c_str(), 0666), 0);
  // What root may do regardless of modes, nobody may not.
  constexpr uid_t kNobody = 65534;
  const int before = setfsuid(kNobody);
  std::error_code code;
  const bool reached = std::filesystem::exists(path, code) && (before != 0 || setfsuid(kNobody) != 0);
  const auto database = OpenIn(folder.path(), 0);
  const auto reader = OpenSqliteToRead(path, /*still=*/true);
  setfsuid(static_cast<uid_t>(before));
  if (!reached) GTEST_SKIP() << "nobody does not get here";
  EXPECT_EQ(database.status().code(), absl::StatusCode::kUnavailable) << database.status();
  EXPECT_NE(database.status().message().find(path + " cannot be written"), absl::string_view::npos)
      << database.status();
  EXPECT_TRUE(reader.ok()) << "whoever looks only: " << reader.status();
}

TEST(Sqlite, IsSetUpAsPromised) {
  const ScratchFolder folder;
  auto database = OpenIn(folder.path(), 0);
  ASSERT_TRUE(database.ok());
  auto writer = (*database)->OpenWriter();
  auto reader = (*database)->OpenReader();
  const auto pragma = [](Connection& connection, std::string_view name) {
    std::unique_ptr<Statement> statement = *connection.Prepare("PRAGMA " + std::string(name));
    const absl::StatusOr<bool> row = statement->Step();
    EXPECT_TRUE(row.ok()) << name << ": " << row.status();
    return std::string(statement->Text(0));
  };
  for (Connection* connection : {writer->get(), reader->get()}) {
    EXPECT_EQ(pragma(*connection, "synchronous"), "2");  // FULL
    EXPECT_EQ(pragma(*connection, "foreign_keys"), "1");
    EXPECT_EQ(pragma(*connection, "trusted_schema"), "0");
    EXPECT_EQ(pragma(*connection, "wal_autocheckpoint"), "0");
  }
  EXPECT_EQ(pragma(**writer, "cache_size"), "-32768");
  EXPECT_EQ(pragma(**reader, "cache_size"), "-4096");
  EXPECT_EQ(pragma(**reader, "query_only"), "1");
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/test.db-wal"));
}

// SQLite's own way to write, with the quota used up while `quota_full`.
std::atomic<bool> quota_full{false};
ssize_t WriteUnderAQuota(int file, const void* from, size_t count, off_t at) {
  if (!quota_full) return pwrite(file, from, count, at);
  errno = EDQUOT;
  return -1;
}

TEST(Sqlite, AFullQuotaPassesLikeAFullDisk) {
  sqlite3_vfs* const system = sqlite3_vfs_find("unix");
  ASSERT_NE(system, nullptr);
  const ScratchFolder folder;
  auto database = OpenIn(folder.path(), 0);
  ASSERT_TRUE(database.ok());
  Counted counted(**database);
  ASSERT_TRUE(counted.Add(1).ok());
  for (const char* name : {"pwrite", "pwrite64"}) {
    system->xSetSystemCall(system, name, reinterpret_cast<sqlite3_syscall_ptr>(&WriteUnderAQuota));
  }
  quota_full = true;
  const absl::Status full = counted.Add(2);
  quota_full = false;
  for (const char* name : {"pwrite", "pwrite64"}) system->xSetSystemCall(system, name, nullptr);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_FALSE((*database)->stats().poisoned);
  EXPECT_EQ(counted.Count(), 1);
  EXPECT_TRUE(counted.Add(2).ok());
}

// The write fails in the middle of a commit: nobody knows what is on the disk, so the writer refuses until
// reopened.
TEST(Sqlite, FailedCommitPoisonsTheWriter) {
  const ScratchFolder folder;
  auto database = OpenIn(folder.path(), 0);
  ASSERT_TRUE(database.ok());
  {
    Counted counted(**database);
    ASSERT_TRUE(counted.Add(1).ok());
    rlimit before;
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{.rlim_cur = 256 << 10, .rlim_max = before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const absl::Status failed = counted.Add(2, 1 << 20);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable) << failed;
    EXPECT_NE(ToStd(failed.message()).find(error::kUntilRestart), std::string_view::npos) << failed;
    EXPECT_TRUE((*database)->stats().poisoned);
    EXPECT_EQ((*database)->stats().commit_failures, 1);
    EXPECT_EQ(counted.Count(), 1) << "reading goes on";
    EXPECT_EQ(counted.Add(3).code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ((*database)->OpenWriter().status().code(), absl::StatusCode::kUnavailable);
  database->reset();
  database = OpenIn(folder.path(), 0);
  ASSERT_TRUE(database.ok());
  Counted counted(**database);
  EXPECT_EQ(counted.Count(), 1);
  EXPECT_TRUE(counted.Add(2).ok());
}

TEST(Sqlite, WriteAheadLogStaysBounded) {
  const ScratchFolder folder;
  auto database = OpenSqlite({.path = folder.path() + "/test.db", .wal_limit_bytes = 1 << 20});
  ASSERT_TRUE(database.ok());
  Counted counted(**database);
  auto reader = (*database)->OpenReader();
  int64_t largest = 0;
  for (int64_t id = 1; id <= 200; ++id) {
    ASSERT_TRUE(counted.Add(id, 50'000).ok());
    largest = std::max(largest, (*database)->stats().wal_bytes);
    if (id % 10 == 0) {
      ASSERT_TRUE((*database)->Checkpoint().ok());
    }
  }
  EXPECT_GT(largest, 500'000);
  EXPECT_LT(largest, 3 << 20);
  EXPECT_LT(std::filesystem::file_size(folder.path() + "/test.db-wal"), 3u << 20);
  EXPECT_EQ((*database)->stats().checkpoints, 20);
  EXPECT_EQ(counted.Count(), 200);
}

TEST(Sqlite, OutgrownLogIsEmptiedBesideABusyWriter) {
  const ScratchFolder folder;
  auto database = OpenSqlite({.path = folder.path() + "/test.db", .wal_limit_bytes = 64 << 10});
  ASSERT_TRUE(database.ok());
  std::atomic<bool> stop{false};
  std::thread checkpoints([&] {
    while (!stop) EXPECT_TRUE((*database)->Checkpoint().ok());
  });
  Counted counted(**database);
  for (int64_t id = 1; id <= 500; ++id) ASSERT_TRUE(counted.Add(id, 5000).ok());
  stop = true;
  checkpoints.join();
  EXPECT_EQ(counted.Count(), 500);
}

// The system's file system, which counts how often a thread could not have a lock of readers for itself.
class CountingReaders {
 public:
  static constexpr const char* kName = "counting-readers";
  static void Register() {
    if (sqlite3_vfs_find(kName) != nullptr) return;
    static sqlite3_vfs vfs = *System();
    vfs.pNext = nullptr;
    vfs.zName = kName;
    vfs.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
      const int code = System()->xOpen(System(), name, file, flags, out_flags);
      if (code != SQLITE_OK || (flags & SQLITE_OPEN_MAIN_DB) == 0) return code;
      static const sqlite3_io_methods* const real = file->pMethods;
      static const sqlite3_io_methods counting = [] {
        sqlite3_io_methods methods = *real;
        methods.xShmLock = [](sqlite3_file* file, int first, int count, int flags) {
          // Before them are those of the writer, of checkpoints and of recovery.
          constexpr int kFirstOfReaders = 3;
          const int code = real->xShmLock(file, first, count, flags);
          if (code == SQLITE_BUSY && first >= kFirstOfReaders) ++refused;
          return code;
        };
        return methods;
      }();
      file->pMethods = &counting;
      return code;
    };
    sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  }
  static inline thread_local int refused = 0;

 private:
  static sqlite3_vfs* System() { return sqlite3_vfs_find("unix"); }
};

// A small log, and a writer that waits for the slowest disk: how long a checkpoint holds it up for the sake
// of readers is told by how often it asks for their locks, as it asks again after a moment.
class OutgrownLog : public testing::Test {
 protected:
  OutgrownLog() : database_(Open(folder_.path() + "/test.db")), counted_(*database_) {}

  static std::unique_ptr<Database> Open(const std::string& path) {
    CountingReaders::Register();
    return *OpenSqlite({.path = path,
                        .wal_limit_bytes = 1 << 20,
                        .busy_timeout = absl::Minutes(1),
                        .vfs = CountingReaders::kName});
  }
  // Beyond the log's bound.
  void Outgrow() {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(counted_.Add(++last_, 1 << 19).ok());
    EXPECT_GT(database_->stats().wal_bytes, 2 << 20);
  }
  // Commits beside checkpoints that cannot begin the log anew.
  void WriteBesideCheckpoints() {
    const int64_t partial = database_->stats().checkpoints_partial;
    std::atomic<bool> over{false};
    std::thread checkpoints([&] {
      for (int i = 0; i < 3; ++i) {
        CountingReaders::refused = 0;
        EXPECT_TRUE(database_->Checkpoint().ok());
        // Of a second it would be thousands.
        EXPECT_LT(CountingReaders::refused, 1000);
      }
      over = true;
    });
    while (!over) {
      const absl::Status added = counted_.Add(++last_);
      EXPECT_TRUE(added.ok()) << added;
    }
    checkpoints.join();
    EXPECT_EQ(database_->stats().checkpoints_partial, partial + 3);
    EXPECT_GT(database_->stats().wal_bytes, 1 << 20);
  }
  void ExpectBegunAnew() {
    EXPECT_TRUE(database_->Checkpoint().ok());
    EXPECT_EQ(database_->stats().wal_bytes, 0);
    EXPECT_TRUE(counted_.Add(++last_).ok());
    EXPECT_LT(database_->stats().wal_bytes, 1 << 20);
    EXPECT_EQ(counted_.Count(), last_);
  }

  const ScratchFolder folder_;
  std::unique_ptr<Database> database_;
  Counted counted_;
  int64_t last_ = 0;
};

int64_t CountOf(Connection& connection) {
  auto count = *connection.Prepare("SELECT count(*) FROM t");
  EXPECT_TRUE(*count->Step());
  const int64_t rows = count->Int64(0);
  count->Reset();
  return rows;
}

TEST_F(OutgrownLog, ALongReaderDoesNotStopTheWriter) {
  // With its snapshot before what is to be moved, in its middle, and at its very end.
  for (const int place : {0, 1, 2}) {
    if (place > 0) Outgrow();
    auto reader = *database_->OpenReader();
    ASSERT_TRUE(reader->Begin().ok());
    const int64_t seen = CountOf(*reader);
    if (place < 2) Outgrow();
    WriteBesideCheckpoints();
    EXPECT_EQ(CountOf(*reader), seen) << "it was there all the while";
    EXPECT_TRUE(reader->Commit().ok());
    ExpectBegunAnew();
  }
}

TEST_F(OutgrownLog, ACopyDoesNotStopTheWriter) {
  Outgrow();
  const int64_t seen = last_;
  int asked = 0;
  absl::Status copied;
  {
    // In the midst of copying: the first question comes before the first piece.
    const ScopedStop stop([&] {
      if (++asked == 2) {
        Outgrow();
        WriteBesideCheckpoints();
      }
      return false;
    });
    copied = database_->CopyTo(folder_.path() + "/copy.db");
  }
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_GE(asked, 2);
  EXPECT_EQ(CountOf(**OpenSqliteToRead(folder_.path() + "/copy.db", /*still=*/true)), seen);
  ExpectBegunAnew();
}

TEST_F(OutgrownLog, ACopyThatIsStoppedLeavesNothing) {
  Outgrow();
  int pieces = 0;
  {
    const ScopedStop stop([&] { return ++pieces > 1; });
    EXPECT_EQ(database_->CopyTo(folder_.path() + "/copy.db").code(), absl::StatusCode::kCancelled);
  }
  EXPECT_EQ(pieces, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/copy.db"));
  EXPECT_TRUE(database_->CopyTo(folder_.path() + "/copy.db").ok()) << "nobody stops it any more";
}

// The system's file system, but for one thing: the log's index does not grow while the disk is `full`.
class FullBesideTheLog {
 public:
  static constexpr const char* kName = "full-beside-the-log";
  static void Register() {
    if (sqlite3_vfs_find(kName) != nullptr) return;
    static sqlite3_vfs vfs = *System();
    vfs.pNext = nullptr;
    vfs.zName = kName;
    vfs.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
      const int code = System()->xOpen(System(), name, file, flags, out_flags);
      if (code != SQLITE_OK || (flags & SQLITE_OPEN_MAIN_DB) == 0) return code;
      static const sqlite3_io_methods* const real = file->pMethods;
      static const sqlite3_io_methods failing = [] {
        sqlite3_io_methods methods = *real;
        methods.xShmMap = [](sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
          if (full && extend != 0) {
            errno = ENOSPC;
            return SQLITE_IOERR_SHMSIZE;
          }
          return real->xShmMap(file, region, size, extend, memory);
        };
        return methods;
      }();
      file->pMethods = &failing;
      return code;
    };
    sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  }
  static inline bool full = false;

 private:
  static sqlite3_vfs* System() { return sqlite3_vfs_find("unix"); }
};

// The commit is in the log by then, and nobody takes it out: that the disk was full does not mean that
// nothing was done.
TEST(Sqlite, ACommitThatFindsNoRoomBesideTheLogMayBeThere) {
  const ScratchFolder folder;
  const auto open = [](const std::string& path) {
    return *OpenSqlite({.path = path, .vfs = FullBesideTheLog::kName});
  };
  FullBesideTheLog::Register();
  const std::string path = folder.path() + "/test.db";
  const std::string killed = folder.path() + "/killed.db";
  {
    auto database = open(path);
    Counted counted(*database);
    ASSERT_TRUE(counted.Add(1).ok());
    FullBesideTheLog::full = true;
    // More pages than a part of the index has room for.
    const absl::Status failed = counted.Add(2, 17 << 20);
    EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable) << failed;
    EXPECT_TRUE(database->stats().poisoned);
    EXPECT_EQ(counted.Count(), 1);
    // As a process that is killed now leaves it.
    for (const char* file : {"", "-wal"}) std::filesystem::copy_file(path + file, killed + file);
    FullBesideTheLog::full = false;
  }
  auto database = open(killed);
  EXPECT_EQ(Counted(*database).Count(), 2);
}

// Fails the commit that it is told to.
std::unique_ptr<Database> FailingAt(const std::string& folder, int64_t commit, Fault fault) {
  absl::StatusOr<std::unique_ptr<Database>> real = OpenIn(folder, 0);
  EXPECT_TRUE(real.ok()) << real.status();
  return MakeFaulty(*std::move(real),
                    [commit, fault](int64_t number) { return number == commit ? fault : Fault::kNone; });
}

// What retention erased is in none of the database's files, byte for byte.
TEST(Sqlite, WhatIsOverwrittenIsGoneFromEveryFile) {
  const ScratchFolder folder;
  auto database = *OpenSqlite({.path = folder.path() + "/test.db"});
  auto writer = *database->OpenWriter();
  const std::string secret = "what nobody may read again";
  ASSERT_TRUE(writer->Begin().ok());
  ASSERT_TRUE(writer->Execute("CREATE TABLE note (id {int} PRIMARY KEY, text TEXT NOT NULL) {rows};").ok());
  ASSERT_TRUE(writer->Commit().ok());
  const auto run = [&](std::string_view sql, int64_t id, std::string_view text) {
    auto statement = *writer->Prepare(sql);
    ASSERT_TRUE(writer->Begin().ok());
    statement->BindInt64(1, id);
    if (!text.empty()) statement->BindText(2, text);
    ASSERT_TRUE(statement->Run().ok());
    ASSERT_TRUE(writer->Commit().ok());
  };
  constexpr int kRows = 200;
  for (int id = 0; id < kRows; ++id)
    run("INSERT INTO note (id, text) VALUES (?1, ?2)", id, StrCat(secret, id));
  const auto holds = [&] {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      files += bytes.find(secret) != std::string::npos;
    }
    return files;
  };
  ASSERT_TRUE(database->Checkpoint().ok());
  ASSERT_EQ(holds(), 2) << "the database and its log";
  for (int id = 0; id < kRows; ++id) {
    if (id % 2 == 0) {
      run("DELETE FROM note WHERE id = ?1", id, "");
    } else {
      run("UPDATE note SET text = ?2 WHERE id = ?1", id, "-");
    }
  }
  database->EmptyLog();
  const auto count = [](Connection& connection) {
    auto statement = *connection.Prepare("SELECT count(*) FROM note");
    return *statement->Step() ? statement->Int64(0) : -1;
  };
  // While somebody reads the old state, nothing can be emptied, and nobody is held up by that.
  auto reader = *database->OpenReader();
  ASSERT_TRUE(reader->Begin().ok());
  EXPECT_EQ(count(*reader), kRows / 2);
  ASSERT_TRUE(database->Checkpoint().ok());
  run("INSERT INTO note (id, text) VALUES (?1, ?2)", kRows, "+");
  ASSERT_TRUE(database->Checkpoint().ok());
  EXPECT_GE(holds(), 1);
  reader->Rollback();
  EXPECT_TRUE(IsCheckpointDue(database->stats(), int64_t{1} << 40)) << "however little there is in the log";
  ASSERT_TRUE(database->Checkpoint().ok());
  EXPECT_EQ(holds(), 0);
  EXPECT_EQ(count(*reader), kRows / 2 + 1);
  EXPECT_FALSE(IsCheckpointDue(database->stats(), int64_t{1} << 40));
}

TEST(Faulty, FailsBeforeTheCommit) {
  const ScratchFolder folder;
  {
    auto database = FailingAt(folder.path(), 3, Fault::kFailBeforeCommit);
    Counted counted(*database);
    ASSERT_TRUE(counted.Add(1).ok());
    EXPECT_EQ(counted.Add(2).code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(database->stats().poisoned);
    EXPECT_EQ(counted.Count(), 1);
    EXPECT_EQ(counted.Add(3).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(database->stats().commit_failures, 1);
  }
  auto database = FailingAt(folder.path(), 0, Fault::kNone);
  EXPECT_EQ(Counted(*database).Count(), 1);
}

TEST(Faulty, CommitsAndSaysThatItFailed) {
  const ScratchFolder folder;
  {
    auto database = FailingAt(folder.path(), 3, Fault::kFailAfterCommit);
    Counted counted(*database);
    ASSERT_TRUE(counted.Add(1).ok());
    EXPECT_EQ(counted.Add(2).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(counted.writer().Begin().code(), absl::StatusCode::kUnavailable);
  }
  auto database = FailingAt(folder.path(), 0, Fault::kNone);
  EXPECT_EQ(Counted(*database).Count(), 2);
}

TEST(Faulty, FullDiskPasses) {
  const ScratchFolder folder;
  auto database = FailingAt(folder.path(), 3, Fault::kDiskFull);
  Counted counted(*database);
  ASSERT_TRUE(counted.Add(1).ok());
  EXPECT_EQ(counted.Add(2).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(database->stats().poisoned);
  EXPECT_EQ(counted.Count(), 1);
  EXPECT_TRUE(counted.Add(2).ok());
}

}  // namespace
}  // namespace hotline::sql
