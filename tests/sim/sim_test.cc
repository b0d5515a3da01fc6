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
    const std::string failure = RunSeed(seed, {.old_backups_percent = kOldBackups}, &totals);
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
  // In some four of a hundred worlds, which come in bunches.
  if (totals.seeds >= 500) {
    EXPECT_GT(totals.in_doubt, 0);
  }
  EXPECT_GT(totals.telephoned, totals.seeds);
  EXPECT_GT(totals.rungs, totals.seeds);
}

INSTANTIATE_TEST_SUITE_P(Part, SimTest, testing::Range(0, kParts));

// Worlds in which a promise was broken once, as they were then.
struct Pinned {
  uint64_t seed;
  int old_backups;  // percent
  const char* bug;
  bool plain = true;          // of the time before desks did all that there is to do
  bool without_units = true;  // and before units helped and returned late
  int chain = 0;
};
constexpr Pinned kPinned[] = {
    {100885, 0,
     "an emergency asked for again while the disk was slow was held to have waited since its commit"},
    {1951, 20, "an order that was passed on and lost came back as two"},
    {200067, 100, "an acceptance that an earlier recovery had numbered anew was logged twice"},
    {200878, 100, "the same, of another peer"},
    {201469, 100, "a return was logged twice"},
    {201764, 100, "an acceptance was told twice"},
    {202114, 100, "an acceptance on top of a recovered one was told twice"},
    {203602, 100, "an acceptance was told twice after four restores"},
    {201232, 100, "two sites that both were the ones to say changed their minds for ever"},
    {202655, 100, "an order that was passed on and came back from whom it went to forgot whom it came from"},
    {203638, 100, "an epoch that moved to and fro in lost history was held to have jumped"},
    {2001357, 20, "an offer that came back after its acceptance was held to be over", /*plain=*/false},
    {357, 20, "a push that was lost and the next one, to another peer, were one handoff by their ids",
     /*plain=*/false, /*without_units=*/false},
    {1916, 20, "an order that was answered after a push of it was lost left the peer with an offer",
     /*plain=*/false, /*without_units=*/false},
    {5000464, 20, "what was told before the receipts took them back when it was recovered",
     /*plain=*/false, /*without_units=*/false},
    {7103299, 20, "a push asked for again was told received by the number it had before a recovery",
     /*plain=*/false, /*without_units=*/false},
    {7106729, 20,
     "an emergency asked for twice before a slow disk took it was held to have waited since then",
     /*plain=*/false, /*without_units=*/false},
    {7119558, 20, "what was recovered took back the doubt that had come since, and its clock ran for ever",
     /*plain=*/false, /*without_units=*/false},
    {311088, 20,
     "what a store had not lost was acknowledged by a recovery and never on record: a link stood still",
     /*plain=*/false, /*without_units=*/false},
    {5200022, 100, "the same", /*plain=*/false, /*without_units=*/false},
    {7128353, 20, "what was recovered brought a doubt without its rung, and the rung was refused for ever",
     /*plain=*/false, /*without_units=*/false},
    {7146215, 20,
     "an emergency asked for again behind one under way was held to have waited since its commit",
     /*plain=*/false, /*without_units=*/false},
    {7170863, 20, "the same, of one that was first pushed together with others", /*plain=*/false,
     /*without_units=*/false},
    {8307418, 20, "a lane whose only envelopes were lost was held to be at rest", /*plain=*/false,
     /*without_units=*/false},
    {7158379, 20, "what a site took up itself after its offer had ended was not recovered", /*plain=*/false,
     /*without_units=*/false},
    {8600051, 20, "an order filed before its first receipt was held to lack it", /*plain=*/false,
     /*without_units=*/false},
    {8700784, 100, "what a restored site gave back stayed passed on", /*plain=*/false,
     /*without_units=*/false},
    {9101426, 100, "a unit's return that came back after a restore was held to be late", /*plain=*/false,
     /*without_units=*/false},
    {20040377, 20, "a site restored to an empty spool heard nothing of what it lacked", /*plain=*/false,
     /*without_units=*/false},
    {20024274, 20, "an accusation told to whom had filed the order was held to be lost", /*plain=*/false,
     /*without_units=*/false},
    {10000689, 20, "a site set back twice accepted what had ended", /*plain=*/false,
     /*without_units=*/false},
    {10401834, 100, "an acceptance that the peer had heard of was taken for one behind the end",
     /*plain=*/false,
     /*without_units=*/false},
    {10103869, 100, "an order cancelled after a restore was at work at the peer for ever", /*plain=*/false,
     /*without_units=*/false},
    {6001718, 20, "an accusation that was recovered took back the return of the offer", /*plain=*/false,
     /*without_units=*/false},
    {7, 100, "what came of an accusation was told as the accusation once more", /*plain=*/false,
     /*without_units=*/false, /*chain=*/3},
    {1289, 100, "what a restored site in the middle of three had passed on was told twice", /*plain=*/false,
     /*without_units=*/false, /*chain=*/3},
    {20809, 100, "an offer that was left behind and accepted all the same had two holders", /*plain=*/false,
     /*without_units=*/false, /*chain=*/3},
    {21801, 100, "an order that was passed on was recalled before that came back", /*plain=*/false,
     /*without_units=*/false, /*chain=*/3},
    {22275, 100, "an order that came back accepted beyond did not say who has it", /*plain=*/false,
     /*without_units=*/false, /*chain=*/3},
};

TEST(SimPinnedTest, WhatWasMendedStaysMended) {
  for (const Pinned& pinned : kPinned) {
    World world(pinned.seed, {.old_backups_percent = pinned.old_backups,
                              .plain = pinned.plain,
                              .without_units = pinned.without_units,
                              .chain = pinned.chain});
    world.Run();
    EXPECT_TRUE(world.witness().content())
        << "seed " << pinned.seed << " (" << pinned.bug << ") broke " << world.witness().violation().invariant
        << ": " << world.witness().violation().what;
  }
}

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
