#include "services/hotlinectl/core/store_fault.h"

#include <gtest/gtest.h>

namespace hotline::hotlinectl {
namespace {

TEST(StoreFaultTest, OnlyDamageIsDamage) {
  const struct {
    const char* why;
    StoreFault fault;
  } kCases[] = {
      {"disk I/O error (SQLite 4874, No space left on device)", StoreFault::kDiskFull},
      {"database or disk is full (SQLite 13)", StoreFault::kDiskFull},
      {"disk I/O error (SQLite 778, Disk quota exceeded)", StoreFault::kDiskFull},
      {"unable to open database file (SQLite 14, Too many open files)", StoreFault::kTooManyFiles},
      {"unable to open database file (SQLite 14, Permission denied)", StoreFault::kDenied},
      {"unable to open database file (SQLite 14, Read-only file system)", StoreFault::kReadOnly},
      {"attempt to write a readonly database (SQLite 8)", StoreFault::kNotRead},
      {"disk I/O error (SQLite 266, Input/output error)", StoreFault::kNotRead},
      {"database is locked (SQLite 5)", StoreFault::kNotRead},
      {"database disk image is malformed (SQLite 11)", StoreFault::kDamaged},
      {"database disk image is malformed (SQLite 779, No space left on device)", StoreFault::kDamaged},
      {"file is not a database (SQLite 26)", StoreFault::kDamaged},
      {"no such table: meta (SQLite 1)", StoreFault::kDamaged},
      {"broken at event 2", StoreFault::kDamaged},
      {"row 7 missing from index work_order_number", StoreFault::kDamaged},
  };
  for (const auto& c : kCases) EXPECT_EQ(StoreFaultOf(c.why), c.fault) << c.why;
}

}  // namespace
}  // namespace hotline::hotlinectl
