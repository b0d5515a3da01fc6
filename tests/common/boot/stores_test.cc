// What a start says of a store that it cannot open, and what it waits for.
#include "common/boot/stores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <string>

#include "absl/status/statusor.h"
#include "common/error/error.h"

namespace hotline::boot {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kPause = absl::Milliseconds(1);

TEST(StoresTest, WhatTheSeamReportsIsSaidInTheWordsOfTheCatalogue) {
  const absl::Status full =
      At("/d/report.db", absl::ResourceExhaustedError("database or disk is full (SQLite 13)"));
  EXPECT_EQ(error::ReasonOf(full), error::Reason::ERROR_REASON_DISK_FULL);
  EXPECT_THAT(std::string(full.message()), HasSubstr("/d/report.db: the disk is full"));
  EXPECT_THAT(error::ChineseOf(full), HasSubstr("磁盘已满"));
  for (const absl::Status& seam : {absl::UnavailableError("locked"), absl::DataLossError("locked")}) {
    const absl::Status failed = At("/d/report.db", seam);
    EXPECT_EQ(error::ReasonOf(failed), error::Reason::ERROR_REASON_STORE_FAILED);
    EXPECT_THAT(std::string(failed.message()), HasSubstr("locked"));
    EXPECT_THAT(error::ChineseOf(failed), HasSubstr("/d/report.db 无法打开（locked）"));
    EXPECT_EQ(error::RetryDelayOf(failed), absl::ZeroDuration()) << "nothing was asked of it";
  }
  const absl::Status known = At("/d/report.db", error::WorkOrderUnreachable("x"));
  EXPECT_EQ(error::ReasonOf(known), error::ReasonOf(error::WorkOrderUnreachable("x")));
  EXPECT_EQ(At("/d/report.db", absl::InternalError("x")).code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(At("/d/report.db", absl::OkStatus()).ok());
}

TEST(StoresTest, WhoStartsItIsToldTheCauseInChinese) {
  const absl::Status running = At("/d/work_order.db", error::StoreFailed("in use by another process"));
  EXPECT_EQ(error::ReasonOf(running), error::Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_THAT(error::ChineseOf(running), HasSubstr("in use by another process"));
  EXPECT_THAT(error::ChineseOf(running), HasSubstr("hotlinectl doctor"));
  const absl::Status other = At("/d/report.db", error::StoreNotOpened("another's", "属于热线 110"));
  EXPECT_EQ(error::ChineseOf(other), "属于热线 110") << "it has its own words";
  EXPECT_THAT(std::string(other.message()), HasSubstr("`hotlinectl doctor` says what to do"));
  const absl::Status newer = At("/d/report.db", error::SchemaNewer("report.db", 9, 5));
  EXPECT_THAT(std::string(newer.message()), HasSubstr("start the newer release again"));
  EXPECT_EQ(std::string(newer.message()).find("doctor"), std::string::npos) << "it has no answer to that";
}

TEST(StoresTest, AStartOnAFullDiskWaitsUntilThereIsRoom) {
  int tries = 0;
  const auto open = [&]() -> absl::StatusOr<int> {
    if (++tries < 4) return error::DiskFull();
    return tries;
  };
  const absl::StatusOr<int> opened = OpenWithRoom("/d/work_order.db", open, kPause);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, 4);
  // What no room mends is told at once.
  int failures = 0;
  const auto fail = [&]() -> absl::StatusOr<int> {
    ++failures;
    return error::StoreFailed("damaged");
  };
  EXPECT_FALSE(OpenWithRoom("/d/work_order.db", fail, kPause).ok());
  EXPECT_EQ(failures, 1);
}

TEST(StoresTest, WhoWaitsForRoomEndsWhenItIsToldTo) {
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
  int tries = 0;
  const auto open = [&]() -> absl::StatusOr<int> {
    if (++tries == 2) raise(SIGTERM);
    return error::DiskFull();
  };
  const absl::StatusOr<int> opened = OpenWithRoom("/d/work_order.db", open, kPause);
  int received = 0;
  sigwait(&signals, &received);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(error::ReasonOf(opened.status()), error::Reason::ERROR_REASON_DISK_FULL);
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(received, SIGTERM);
}

}  // namespace
}  // namespace hotline::boot
