// The simulated disk keeps what was synced and nothing more, and SQLite lives on it as on any other.
#include "tests/sim/disk.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <optional>

#include "common/sql/sqlite.h"

namespace hotline::sim {
namespace {

class DiskTest : public testing::Test {
 protected:
  struct Session {
    std::unique_ptr<sql::Database> database;
    std::unique_ptr<sql::Connection> writer;
    ~Session() {
      writer.reset();
      database.reset();
    }
  };

  absl::StatusOr<std::unique_ptr<Session>> Open() {
    auto session = std::make_unique<Session>();
    auto database = sql::OpenSqlite(
        {.path = disk_.Path("t.db"), .busy_timeout = absl::ZeroDuration(), .vfs = Disk::Vfs()});
    if (!database.ok()) return database.status();
    session->database = *std::move(database);
    auto writer = session->database->OpenWriter();
    if (!writer.ok()) return writer.status();
    session->writer = *std::move(writer);
    return session;
  }

  static absl::Status Insert(Session& session, int64_t key) {
    if (absl::Status status = session.writer->Begin(); !status.ok()) return status;
    if (absl::Status status =
            session.writer->Execute("CREATE TABLE IF NOT EXISTS t (k {int} PRIMARY KEY, v TEXT) {rows}");
        !status.ok()) {
      session.writer->Rollback();
      return status;
    }
    auto insert = session.writer->Prepare("INSERT INTO t (k, v) VALUES (?1, ?2)");
    if (!insert.ok()) {
      session.writer->Rollback();
      return insert.status();
    }
    const std::string value(static_cast<size_t>(dice_value_.Between(1, 3000)), 'v');
    (*insert)->BindInt64(1, key);
    (*insert)->BindText(2, value);
    absl::Status status = (*insert)->Run();
    if (!status.ok()) {
      session.writer->Rollback();
      return status;
    }
    return session.writer->Commit();
  }

  // Largest key and count; nothing if there is no table.
  static std::pair<int64_t, int64_t> Read(Session& session) {
    auto reader = session.database->OpenReader();
    if (!reader.ok()) return {-1, -1};
    auto select = (*reader)->Prepare("SELECT max(k), count(*) FROM t");
    if (!select.ok()) return {0, 0};
    const auto row = (*select)->Step();
    if (!row.ok() || !*row) return {-1, -1};
    return {(*select)->Int64(0), (*select)->Int64(1)};
  }

  Dice dice_{7};
  static inline Dice dice_value_{8};
  Disk disk_{&dice_};
};

TEST_F(DiskTest, ACommitSurvivesAKillAndAPowerLoss) {
  auto session = Open();
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(Insert(**session, 1).ok());
  disk_.Kill();
  EXPECT_FALSE(Insert(**session, 2).ok()) << "a dead process writes nothing";
  session->reset();
  session = Open();
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(Read(**session), std::make_pair(int64_t{1}, int64_t{1}));
  ASSERT_TRUE(Insert(**session, 2).ok());
  disk_.LosePower();
  session->reset();
  session = Open();
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(Read(**session), std::make_pair(int64_t{2}, int64_t{2}));
}

TEST_F(DiskTest, ADiskThatForgetsSyncsLosesCommits) {
  disk_.ForgetSyncs();
  int lost = 0;
  for (int round = 0; round < 20; ++round) {
    disk_.Install({});
    auto session = Open();
    ASSERT_TRUE(session.ok()) << session.status();
    ASSERT_TRUE(Insert(**session, 1).ok());
    disk_.LosePower();
    session->reset();
    session = Open();
    lost += !session.ok() || Read(**session).second != 1 ? 1 : 0;
  }
  EXPECT_GT(lost, 5);
}

TEST_F(DiskTest, AFullDiskIsAnAnswerAndRoomEndsIt) {
  auto session = Open();
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(Insert(**session, 1).ok());
  disk_.set_capacity(disk_.used());
  EXPECT_TRUE(absl::IsResourceExhausted(Insert(**session, 2)));
  disk_.set_capacity(INT64_MAX);
  EXPECT_TRUE(Insert(**session, 2).ok());
  EXPECT_EQ(Read(**session), std::make_pair(int64_t{2}, int64_t{2}));
}

TEST_F(DiskTest, AFailedSyncPoisonsAndLeavesTheOutcomeInDoubt) {
  for (const auto fault : {Disk::Fault::kSyncFails, Disk::Fault::kSyncLies}) {
    disk_.Install({});
    auto session = Open();
    ASSERT_TRUE(session.ok()) << session.status();
    ASSERT_TRUE(Insert(**session, 1).ok());
    disk_.Arm(fault, 0);
    EXPECT_TRUE(absl::IsUnavailable(Insert(**session, 2)));
    EXPECT_TRUE(absl::IsUnavailable(Insert(**session, 3))) << "poisoned until it is opened again";
    session->reset();
    session = Open();
    ASSERT_TRUE(session.ok()) << session.status();
    EXPECT_GE(Read(**session).second, 1);
    EXPECT_TRUE(Insert(**session, 4).ok());
  }
}

// Wherever the machine dies: what was committed is there, what follows is there whole or not at all, and no
// two opinions about it.
TEST_F(DiskTest, AnyDeathLeavesACommittedPrefix) {
  for (int round = 0; round < 300; ++round) {
    disk_.Install({});
    int64_t committed = 0;
    int64_t tried = 0;
    for (int life = 0; life < 4; ++life) {
      bool dead = false;
      disk_.set_on_death([&](bool) { dead = true; });
      disk_.Arm(dice_.Percent(50) ? Disk::Fault::kKill : Disk::Fault::kPowerLoss, dice_.Below(40));
      if (auto session = Open(); session.ok()) {
        const auto there = Read(**session);
        if (there.first >= 0 && !dead) {
          EXPECT_GE(there.first, committed) << "round " << round;
          EXPECT_LE(there.first, tried) << "round " << round;
          EXPECT_EQ(there.first, there.second) << "round " << round;
          committed = tried = there.first;
          while (!dead && tried < 60) {
            ++tried;
            if (!Insert(**session, tried).ok()) break;
            if (!dead) committed = tried;
            if (dice_.Percent(20)) (*session)->database->Checkpoint().IgnoreError();
          }
        }
        if (!dead) disk_.Kill();
      }
      disk_.Arm(Disk::Fault::kNone, 0);
    }
  }
}

}  // namespace
}  // namespace hotline::sim
