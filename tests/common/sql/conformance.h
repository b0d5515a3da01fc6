// What every driver of the storage seam promises. A driver's test instantiates the suite with how to open it:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SqlConformance, testing::Values(Driver{…}), DriverName);
#ifndef TESTS_COMMON_SQL_CONFORMANCE_H_
#define TESTS_COMMON_SQL_CONFORMANCE_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/sql/database.h"
#include "tests/support/sql_scratch.h"

namespace hotline::sql {

struct Driver {
  std::string name;
  // Opens the database that lives in `folder`, creating it the first time; with `quota_bytes` (0: none) as
  // its size limit.
  std::function<absl::StatusOr<std::unique_ptr<Database>>(const std::string& folder, int64_t quota_bytes)>
      open;
};

inline std::string DriverName(const testing::TestParamInfo<Driver>& info) { return info.param.name; }
inline void PrintTo(const Driver& driver, std::ostream* out) { *out << driver.name; }

class SqlConformance : public testing::TestWithParam<Driver> {
 protected:
  void SetUp() override {
    Open();
    ASSERT_TRUE(writer_->Begin().ok());
    const absl::Status defined = writer_->Execute(
        "CREATE TABLE thing (id {int} PRIMARY KEY, count {int}, name TEXT NOT NULL, bytes {blob}) {rows};"
        "CREATE INDEX thing_count ON thing (count{,id});"
        "CREATE TABLE word (word TEXT PRIMARY KEY, thing {int} NOT NULL CHECK (thing > 0)) {keyed};");
    ASSERT_TRUE(defined.ok()) << defined;
    ASSERT_TRUE(writer_->Commit().ok());
  }

  void Open(int64_t quota_bytes = 0) {
    absl::StatusOr<std::unique_ptr<Database>> database = GetParam().open(folder_.path(), quota_bytes);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    absl::StatusOr<std::unique_ptr<Connection>> writer = database_->OpenWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
  }
  void Close() {
    writer_.reset();
    database_.reset();
  }
  void Reopen(int64_t quota_bytes = 0) {
    Close();
    Open(quota_bytes);
  }

  std::unique_ptr<Connection> Reader() {
    absl::StatusOr<std::unique_ptr<Connection>> reader = database_->OpenReader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }
  static std::unique_ptr<Statement> Prepare(Connection& connection, std::string_view sql) {
    absl::StatusOr<std::unique_ptr<Statement>> statement = connection.Prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.status();
    return *std::move(statement);
  }
  static absl::Status Insert(Connection& connection, int64_t id, std::string_view name,
                             std::string_view bytes = "") {
    std::unique_ptr<Statement> insert =
        Prepare(connection, "INSERT INTO thing (id, count, name, bytes) VALUES (?1, NULL, ?2, ?3)");
    insert->BindInt64(1, id);
    insert->BindText(2, name);
    insert->BindBlob(3, bytes);
    return insert->Run();
  }
  static absl::Status InsertCommitted(Connection& connection, int64_t id, std::string_view name) {
    if (absl::Status status = connection.Begin(); !status.ok()) return status;
    if (absl::Status status = Insert(connection, id, name); !status.ok()) return status;
    return connection.Commit();
  }
  static int64_t Count(Connection& connection) {
    std::unique_ptr<Statement> count = Prepare(connection, "SELECT count(*) FROM thing");
    absl::StatusOr<bool> row = count->Step();
    EXPECT_TRUE(row.ok()) << row.status();
    return row.ok() && *row ? count->Int64(0) : -1;
  }

  const ScratchFolder folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Connection> writer_;
};

TEST_P(SqlConformance, ValuesComeBackAsTheyWere) {
  const std::string bytes("\0a\0\xff\x80\n", 6);
  const std::string text = "牧民 قويچى 𠮷 'quoted'; -- ?1";
  ASSERT_TRUE(writer_->Begin().ok());
  auto insert = Prepare(*writer_, "INSERT INTO thing (id, count, name, bytes) VALUES (?1, ?2, ?3, ?4)");
  insert->BindInt64(1, std::numeric_limits<int64_t>::max());
  insert->BindInt64(2, std::numeric_limits<int64_t>::min());
  insert->BindText(3, text);
  insert->BindBlob(4, bytes);
  ASSERT_TRUE(insert->Run().ok());
  insert->BindInt64(1, 1);
  insert->BindNull(2);
  insert->BindText(3, "");
  insert->BindBlob(4, "");
  ASSERT_TRUE(insert->Run().ok());
  insert->BindInt64(1, 2);
  insert->BindInt64(2, 0);
  insert->BindText(3, "x");
  insert->BindNull(4);
  ASSERT_TRUE(insert->Run().ok());
  ASSERT_TRUE(writer_->Commit().ok());

  auto reader = Reader();
  auto select = Prepare(*reader, "SELECT id, count, name, bytes FROM thing ORDER BY id DESC");
  ASSERT_TRUE(*select->Step());
  EXPECT_EQ(select->Int64(0), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(select->Int64(1), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(select->Text(2), text);
  EXPECT_EQ(select->Blob(3), bytes);
  ASSERT_TRUE(*select->Step());
  EXPECT_EQ(select->Int64(0), 2);
  EXPECT_FALSE(select->IsNull(1));
  EXPECT_EQ(select->Int64(1), 0);
  EXPECT_TRUE(select->IsNull(3));
  EXPECT_EQ(select->Blob(3), "");
  ASSERT_TRUE(*select->Step());
  EXPECT_TRUE(select->IsNull(1));
  EXPECT_EQ(select->Int64(1), 0);
  EXPECT_FALSE(select->IsNull(2));
  EXPECT_EQ(select->Text(2), "");
  EXPECT_FALSE(select->IsNull(3)) << "no bytes are not NULL";
  EXPECT_FALSE(*select->Step());
}

TEST_P(SqlConformance, LargeValues) {
  std::string bytes(3 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "恰";
  ASSERT_TRUE(writer_->Begin().ok());
  ASSERT_TRUE(Insert(*writer_, 1, text, bytes).ok());
  ASSERT_TRUE(writer_->Commit().ok());
  Reopen();
  auto select = Prepare(*writer_, "SELECT name, bytes FROM thing WHERE id = 1");
  ASSERT_TRUE(*select->Step());
  EXPECT_TRUE(select->Text(0) == text);
  EXPECT_TRUE(select->Blob(1) == bytes);
}

TEST_P(SqlConformance, StatementsAreUsedAgain) {
  ASSERT_TRUE(writer_->Begin().ok());
  auto insert = Prepare(*writer_, "INSERT INTO thing (id, name) VALUES (?1, ?2)");
  for (int64_t id = 1; id <= 100; ++id) {
    insert->BindInt64(1, id);
    insert->BindText(2, "n");
    ASSERT_TRUE(insert->Run().ok());
  }
  ASSERT_TRUE(writer_->Commit().ok());
  auto select = Prepare(*writer_, "SELECT id FROM thing WHERE id > ?1 ORDER BY id LIMIT ?2");
  for (int64_t after : {0, 40, 95, 100}) {
    select->BindInt64(1, after);
    select->BindInt64(2, 10);
    int64_t rows = 0;
    for (;;) {
      absl::StatusOr<bool> row = select->Step();
      ASSERT_TRUE(row.ok());
      if (!*row) break;
      EXPECT_EQ(select->Int64(0), after + ++rows);
    }
    EXPECT_EQ(rows, std::min<int64_t>(10, 100 - after));
  }
  // Left in the middle.
  select->BindInt64(1, 0);
  select->BindInt64(2, 10);
  ASSERT_TRUE(*select->Step());
  select->Reset();
  select->BindInt64(1, 50);
  select->BindInt64(2, 1);
  ASSERT_TRUE(*select->Step());
  EXPECT_EQ(select->Int64(0), 51);
}

TEST_P(SqlConformance, ParametersAreNumbered) {
  auto select = Prepare(*writer_, "SELECT ?2, ?1, ?2");
  select->BindInt64(1, 1);
  select->BindInt64(2, 2);
  ASSERT_TRUE(*select->Step());
  EXPECT_EQ(select->Int64(0), 2);
  EXPECT_EQ(select->Int64(1), 1);
  EXPECT_EQ(select->Int64(2), 2);
}

TEST_P(SqlConformance, ParameterThatDoesNotExist) {
  auto select = Prepare(*writer_, "SELECT ?1");
  select->BindInt64(2, 1);
  EXPECT_FALSE(select->Step().ok());
  select->BindInt64(1, 7);
  ASSERT_TRUE(*select->Step()) << "the fault is forgotten once it was reported";
  EXPECT_EQ(select->Int64(0), 7);
}

TEST_P(SqlConformance, RollbackLeavesNothing) {
  ASSERT_TRUE(writer_->Begin().ok());
  ASSERT_TRUE(Insert(*writer_, 1, "a").ok());
  EXPECT_EQ(Count(*writer_), 1) << "the writer sees its own transaction";
  writer_->Rollback();
  EXPECT_EQ(Count(*writer_), 0);
  writer_->Rollback();
  ASSERT_TRUE(InsertCommitted(*writer_, 1, "b").ok());
}

TEST_P(SqlConformance, ClosingRollsBack) {
  ASSERT_TRUE(writer_->Begin().ok());
  ASSERT_TRUE(Insert(*writer_, 1, "a").ok());
  Reopen();
  EXPECT_EQ(Count(*writer_), 0);
}

TEST_P(SqlConformance, ReadersSeeOnlyWhatIsCommitted) {
  auto reader = Reader();
  auto kept = Prepare(*reader, "SELECT count(*) FROM thing");
  const auto count = [&] {
    EXPECT_TRUE(*kept->Step());
    const int64_t value = kept->Int64(0);
    kept->Reset();
    return value;
  };
  ASSERT_TRUE(writer_->Begin().ok());
  ASSERT_TRUE(Insert(*writer_, 1, "a").ok());
  EXPECT_EQ(count(), 0);
  ASSERT_TRUE(writer_->Commit().ok());
  EXPECT_EQ(count(), 1);
  ASSERT_TRUE(writer_->Begin().ok());
  ASSERT_TRUE(Insert(*writer_, 2, "b").ok());
  writer_->Rollback();
  EXPECT_EQ(count(), 1);
}

TEST_P(SqlConformance, SnapshotOfAReader) {
  auto reader = Reader();
  ASSERT_TRUE(InsertCommitted(*writer_, 1, "a").ok());
  ASSERT_TRUE(reader->Begin().ok());
  EXPECT_EQ(Count(*reader), 1);
  ASSERT_TRUE(InsertCommitted(*writer_, 2, "b").ok());
  EXPECT_EQ(Count(*reader), 1);
  ASSERT_TRUE(database_->Checkpoint().ok()) << "held up by the reader, which is no error";
  EXPECT_EQ(Count(*reader), 1);
  ASSERT_TRUE(reader->Commit().ok());
  EXPECT_EQ(Count(*reader), 2);
}

TEST_P(SqlConformance, ManyReadersBesideTheWriter) {
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      auto reader = Reader();
      auto select = Prepare(*reader, "SELECT count(*), min(count), max(count) FROM thing");
      while (!stop) {
        absl::StatusOr<bool> row = select->Step();
        ASSERT_TRUE(row.ok()) << row.status();
        EXPECT_EQ(select->Int64(1), select->Int64(2)) << "half a transaction is seen";
        select->Reset();
        ++reads;
      }
    });
  }
  std::thread checkpoints([&] {
    while (!stop) EXPECT_TRUE(database_->Checkpoint().ok());
  });
  ASSERT_TRUE(writer_->Begin().ok());
  for (int64_t id = 1; id <= 10; ++id) ASSERT_TRUE(Insert(*writer_, id, "n").ok());
  ASSERT_TRUE(writer_->Commit().ok());
  auto update = Prepare(*writer_, "UPDATE thing SET count = ?1");
  for (int64_t round = 0; round < 200 || reads < 100; ++round) {
    ASSERT_TRUE(writer_->Begin().ok());
    update->BindInt64(1, round);
    ASSERT_TRUE(update->Run().ok());
    ASSERT_TRUE(writer_->Commit().ok());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  checkpoints.join();
}

TEST_P(SqlConformance, Constraints) {
  ASSERT_TRUE(InsertCommitted(*writer_, 1, "a").ok());
  struct Case {
    std::string_view sql;
    absl::StatusCode code;
  };
  for (const Case& one : {
           Case{"INSERT INTO thing (id, name) VALUES (1, 'b')", absl::StatusCode::kAlreadyExists},
           Case{"INSERT INTO thing (id, name) VALUES (2, NULL)", absl::StatusCode::kInvalidArgument},
           Case{"INSERT INTO thing (id) VALUES (2)", absl::StatusCode::kInvalidArgument},
           Case{"INSERT INTO thing (id, name, count) VALUES (2, 'b', 'many')",
                absl::StatusCode::kInvalidArgument},
           Case{"INSERT INTO word (word, thing) VALUES ('a', 0)", absl::StatusCode::kInvalidArgument},
           Case{"INSERT INTO word (word, thing) VALUES (NULL, 1)", absl::StatusCode::kInvalidArgument},
           Case{"INSERT INTO word (word, thing) VALUES ('a', 1), ('a', 2)", absl::StatusCode::kAlreadyExists},
       }) {
    ASSERT_TRUE(writer_->Begin().ok());
    const absl::Status status = Prepare(*writer_, one.sql)->Run();
    EXPECT_EQ(status.code(), one.code) << one.sql << ": " << status;
    writer_->Rollback();
  }
}

TEST_P(SqlConformance, NoSilentConversion) {
  auto insert = Prepare(*writer_, "INSERT INTO thing (id, count, name, bytes) VALUES (?1, ?2, ?3, ?4)");
  const auto attempt = [&](const std::function<void()>& bind) {
    EXPECT_TRUE(writer_->Begin().ok());
    insert->BindInt64(1, 1);
    insert->BindInt64(2, 1);
    insert->BindText(3, "n");
    insert->BindBlob(4, "b");
    bind();
    const absl::StatusCode code = insert->Run().code();
    writer_->Rollback();
    return code;
  };
  EXPECT_EQ(attempt([] {}), absl::StatusCode::kOk);
  EXPECT_EQ(attempt([&] { insert->BindText(2, "seven"); }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attempt([&] { insert->BindBlob(2, "7"); }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attempt([&] { insert->BindBlob(3, "name"); }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attempt([&] { insert->BindText(4, "text"); }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attempt([&] { insert->BindInt64(4, 7); }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attempt([&] { insert->BindText(3, std::string_view("a\0b", 3)); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attempt([&] { insert->BindText(3, "\xff\xfe"); }), absl::StatusCode::kInvalidArgument);
}

TEST_P(SqlConformance, FailedStatementDoomsItsTransaction) {
  ASSERT_TRUE(writer_->Begin().ok());
  ASSERT_TRUE(Insert(*writer_, 1, "a").ok());
  EXPECT_EQ(Insert(*writer_, 1, "again").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Insert(*writer_, 2, "b").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Prepare(*writer_, "SELECT 1")->Step().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer_->Commit().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Count(*writer_), 0);
  EXPECT_TRUE(InsertCommitted(*writer_, 1, "a").ok());
  EXPECT_FALSE(database_->stats().poisoned);
}

TEST_P(SqlConformance, UsedWrongly) {
  EXPECT_EQ(Insert(*writer_, 1, "a").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer_->Execute("DELETE FROM thing").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer_->Commit().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(writer_->Begin().ok());
  EXPECT_EQ(writer_->Begin().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(writer_->Commit().ok());
  EXPECT_EQ(writer_->Prepare("SELEKT 1").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(writer_->Prepare("SELECT 1; SELECT 2").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(writer_->Prepare("SELECT nosuch FROM thing").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(writer_->Prepare("SELECT \"not a column\" FROM thing").status().code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(database_->OpenWriter().status().code(), absl::StatusCode::kFailedPrecondition);
  auto reader = Reader();
  EXPECT_EQ(reader->Prepare("DELETE FROM thing").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(reader->Execute("DELETE FROM thing").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(SqlConformance, Upsert) {
  auto put = Prepare(
      *writer_, "INSERT INTO word (word, thing) VALUES (?1, ?2) ON CONFLICT (word) DO UPDATE SET thing = ?2");
  for (int64_t thing : {1, 2, 3}) {
    ASSERT_TRUE(writer_->Begin().ok());
    put->BindText(1, "w");
    put->BindInt64(2, thing);
    ASSERT_TRUE(put->Run().ok());
    ASSERT_TRUE(writer_->Commit().ok());
  }
  auto select = Prepare(*writer_, "SELECT thing FROM word WHERE word = ?1");
  select->BindText(1, "w");
  ASSERT_TRUE(*select->Step());
  EXPECT_EQ(select->Int64(0), 3);
  EXPECT_FALSE(*select->Step());
}

TEST_P(SqlConformance, CommittedIsThereAfterReopening) {
  ASSERT_TRUE(InsertCommitted(*writer_, 1, "a").ok());
  Reopen();
  EXPECT_EQ(Count(*writer_), 1);
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(InsertCommitted(*writer_, 2, "b").ok());
  Reopen();
  EXPECT_EQ(Count(*writer_), 2);
}

TEST_P(SqlConformance, CommittedIsThereAfterAnAbruptEnd) {
  Close();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // No assertions and no destructors here: it ends as a killed process does.
    absl::StatusOr<std::unique_ptr<Database>> database = GetParam().open(folder_.path(), 0);
    if (!database.ok()) _exit(1);
    absl::StatusOr<std::unique_ptr<Connection>> writer = (*database)->OpenWriter();
    if (!writer.ok()) _exit(2);
    for (int64_t id = 1; id <= 50; ++id) {
      if (!InsertCommitted(**writer, id, "committed").ok()) _exit(3);
      if (id == 25 && !(*database)->Checkpoint().ok()) _exit(4);
    }
    if (!(*writer)->Begin().ok() || !Insert(**writer, 51, "not committed").ok()) _exit(5);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  Open();
  EXPECT_EQ(Count(*writer_), 50);
  EXPECT_TRUE(InsertCommitted(*writer_, 51, "next").ok());
}

TEST_P(SqlConformance, FullDiskIsAnAnswer) {
  Reopen(/*quota_bytes=*/1 << 20);
  const std::string big(100'000, 'x');
  int64_t id = 0;
  absl::Status status;
  while (status.ok() && id < 100) {
    ASSERT_TRUE(writer_->Begin().ok());
    status = Insert(*writer_, id + 1, "n", big);
    if (status.ok()) status = writer_->Commit();
    if (status.ok()) ++id;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  writer_->Rollback();
  EXPECT_FALSE(database_->stats().poisoned);
  EXPECT_GT(id, 2);
  EXPECT_EQ(Count(*writer_), id) << "nothing of what failed is there";
  EXPECT_EQ(Count(*Reader()), id);
  EXPECT_TRUE(InsertCommitted(*writer_, 1000, "small things still fit, and the writer goes on").ok());
  ASSERT_TRUE(database_->Checkpoint().ok());

  Reopen();
  ASSERT_TRUE(writer_->Begin().ok());
  EXPECT_TRUE(Insert(*writer_, id + 1, "n", big).ok()) << "there is room again";
  EXPECT_TRUE(writer_->Commit().ok());
}

TEST_P(SqlConformance, Statistics) {
  const Stats before = database_->stats();
  for (int64_t id = 1; id <= 20; ++id) ASSERT_TRUE(InsertCommitted(*writer_, id, "n").ok());
  ASSERT_TRUE(writer_->Begin().ok());
  writer_->Rollback();
  const Stats after = database_->stats();
  EXPECT_EQ(after.commits - before.commits, 20);
  EXPECT_EQ(after.commit_failures, 0);
  EXPECT_GT(after.commit_seconds_sum, before.commit_seconds_sum);
  EXPECT_GT(after.free_disk_bytes, 0);
  ASSERT_TRUE(database_->Checkpoint().ok());
  EXPECT_EQ(database_->stats().checkpoints, after.checkpoints + 1);
  EXPECT_GT(database_->stats().database_bytes, 0);
}

}  // namespace hotline::sql

#endif  // TESTS_COMMON_SQL_CONFORMANCE_H_
