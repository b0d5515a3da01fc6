// The row in which a store says whose it is, and what happens to tables of another release.
#include "common/sql/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "common/error/error.h"
#include "common/sql/sqlite.h"

namespace hotline::sql {
namespace {

using testing::HasSubstr;

constexpr char kTables[] =
    "CREATE TABLE IF NOT EXISTS site (id {int} PRIMARY KEY, schema_version {int} NOT NULL, hotline TEXT NOT "
    "NULL"
    ", planned {int}) {rows};"
    "CREATE TABLE IF NOT EXISTS thing (id {int} PRIMARY KEY) {rows};";

class SchemaTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "schema_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    auto database = OpenSqlite({.path = folder_ + "/store.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    auto writer = database_->OpenWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
  }
  void TearDown() override {
    writer_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  absl::Status Open(const StoreMark& mark, std::string_view hotline) {
    return OpenProjection(writer_.get(), mark, hotline, {"site", "thing"}, kTables);
  }
  absl::Status Change(std::string_view script) {
    if (absl::Status status = writer_->Begin(); !status.ok()) return status;
    if (absl::Status status = writer_->Execute(script); !status.ok()) return status;
    return writer_->Commit();
  }
  // The first column of the first row; -1: NULL, -2: no row.
  int64_t Ask(std::string_view question) {
    auto select = writer_->Prepare(question);
    if (!select.ok()) return -3;
    ScopedReset reset(select->get());
    const auto row = (*select)->Step();
    if (!row.ok() || !*row) return -2;
    return (*select)->IsNull(0) ? -1 : (*select)->Int64(0);
  }

  std::string folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Connection> writer_;
};

constexpr StoreMark kSecond = {
    .file = "thing.db", .name = "the store of things", .version = 2, .projection = true};

TEST_F(SchemaTest, AFreshStoreIsMarkedAndOpensAgain) {
  EXPECT_EQ(*SchemaOf(writer_.get()), 0) << "there are no tables";
  ASSERT_TRUE(Open(kSecond, "12345").ok());
  EXPECT_EQ(*SchemaOf(writer_.get()), 2);
  EXPECT_EQ(Ask("SELECT planned FROM site"), -1) << "no counter was asked for";
  ASSERT_TRUE(Change("INSERT INTO thing (id) VALUES (7)").ok());
  ASSERT_TRUE(Open(kSecond, "12345").ok());
  EXPECT_EQ(Ask("SELECT id FROM thing"), 7) << "tables of this release stay";
  EXPECT_EQ(Ask("SELECT COUNT(*) FROM site"), 1);
}

TEST_F(SchemaTest, ACounterBeginsAtZero) {
  StoreMark counted = kSecond;
  counted.counter = "planned";
  ASSERT_TRUE(Open(counted, "12345").ok());
  EXPECT_EQ(Ask("SELECT planned FROM site"), 0);
}

TEST_F(SchemaTest, TablesOfAnOlderReleaseAreDropped) {
  StoreMark first = kSecond;
  first.version = 1;
  ASSERT_TRUE(Open(first, "12345").ok());
  ASSERT_TRUE(Change("INSERT INTO thing (id) VALUES (7)").ok());
  ASSERT_TRUE(Open(kSecond, "12345").ok());
  EXPECT_EQ(*SchemaOf(writer_.get()), 2);
  EXPECT_EQ(Ask("SELECT COUNT(*) FROM thing"), 0);
}

TEST_F(SchemaTest, ANewerReleasesStoreIsRefusedAndUntouched) {
  StoreMark third = kSecond;
  third.version = 3;
  ASSERT_TRUE(Open(third, "12345").ok());
  ASSERT_TRUE(Change("INSERT INTO thing (id) VALUES (7)").ok());
  const absl::Status refused = Open(kSecond, "12345");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_SCHEMA_NEWER);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("thing.db"));
  EXPECT_NE(error::ChineseOf(refused), "");
  EXPECT_EQ(Ask("SELECT id FROM thing"), 7);
}

// A store that is brought forward by other means is not to be opened before that was done.
TEST_F(SchemaTest, AnOlderRowThatWasLeftIsRefused) {
  ASSERT_TRUE(Open(kSecond, "12345").ok());
  ASSERT_TRUE(Change("UPDATE site SET schema_version = 1").ok());
  const absl::Status refused = OpenStore(
      writer_.get(), kSecond, "12345", [&] { return writer_->Execute("INSERT INTO thing (id) VALUES (7)"); });
  EXPECT_EQ(std::string(refused.message()),
            "the store of things has schema version 1, this program 2; it can be deleted and is rebuilt from "
            "the log");
  EXPECT_EQ(error::ChineseOf(refused),
            "thing.db 的数据结构版本为 1，本程序为 2；可删除该文件，启动后由日志重建");
  EXPECT_EQ(Ask("SELECT COUNT(*) FROM thing"), 0) << "nothing of it is left";
}

TEST_F(SchemaTest, WhatFailsWhileItIsMadeLeavesNothing) {
  const absl::Status failed = OpenStore(writer_.get(), kSecond, "12345", [&] {
    const absl::Status made = writer_->Execute(kTables);
    return made.ok() ? absl::UnavailableError("full") : made;
  });
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(*SchemaOf(writer_.get()), 0);
  ASSERT_TRUE(Open(kSecond, "12345").ok()) << "the transaction is over";
}

TEST_F(SchemaTest, AnotherHotlinesStoreIsRefused) {
  ASSERT_TRUE(Open(kSecond, "12345").ok());
  const absl::Status refused = Open(kSecond, "110");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(refused.message()),
            "the store of things belongs to hotline 12345, not 110: correct hotline or data_dir in the "
            "configuration");
  EXPECT_EQ(error::ChineseOf(refused),
            "thing.db 属于热线 12345，不属于 110：请核对配置中的 hotline 与 data_dir");
}

}  // namespace
}  // namespace hotline::sql
