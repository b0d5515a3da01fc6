// Many seeds of whole sites under bad weather, failing disks and sudden death. HOTLINE_SIM_FIRST and
// HOTLINE_SIM_SEEDS choose others than the first 2,000; a failing seed prints its last steps.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

namespace hotline::sim {
namespace {

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const value = getenv(name);
  return value == nullptr ? otherwise : atoll(value);
}

// In parts, so that they run beside each other.
constexpr int kParts = 4;
// Of the worlds, so many in a hundred restore a site from an old backup.
constexpr int kOldBackups = 20;

class SimTest : public testing::TestWithParam<int> {};

TEST_P(SimTest, SeedsKeepEveryPromise) {
  const int64_t first = FromEnvironment("HOTLINE_SIM_FIRST", 1);
  const int64_t seeds = FromEnvironment("HOTLINE_SIM_SEEDS", 2000);
  const int64_t begin = first + seeds * GetParam() / kParts;
  const int64_t end = first + seeds * (GetParam() + 1) / kParts;
  Totals totals;
  const auto begun = std::chrono::steady_clock::now();
  for (int64_t seed = begin; seed < end; ++seed) {
    const std::string failure = RunSeed(seed, kOldBackups, &totals);
    ASSERT_EQ(failure, "");
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::cout << totals.Text() << " seconds=" << seconds << "\n";
  // A world in which nothing happens keeps its promises too.
  if (totals.seeds < 100) return;
  EXPECT_GT(totals.pushes, totals.seeds * 10);
  EXPECT_GT(totals.done, totals.seeds * 20);
  EXPECT_GT(totals.deaths, totals.seeds);
  EXPECT_GT(totals.disk_faults, totals.seeds);
  EXPECT_GT(totals.in_doubt, 0);
  EXPECT_GT(totals.telephoned, totals.seeds);
  EXPECT_GT(totals.rungs, totals.seeds);
}

INSTANTIATE_TEST_SUITE_P(Part, SimTest, testing::Range(0, kParts));

TEST(SimDeterminismTest, ASeedRepeats) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World once(seed, {.old_backups_percent = kOldBackups});
    once.Run();
    World again(seed, {.traced = true, .old_backups_percent = kOldBackups});
    again.Run();
    EXPECT_EQ(once.Digest(), again.Digest()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hotline::sim
