// Many seeds of two sites under bad weather and sudden death. A seed that fails is printed; pin it in a test
// of its own.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <iostream>

#include "tests/sim/world.h"

namespace hotline::sim {
namespace {

// HOTLINE_SIM_SEEDS and HOTLINE_SIM_FIRST choose a campaign.
int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const value = getenv(name);
  return value == nullptr ? otherwise : atoll(value);
}

TEST(HandoffSimTest, NothingIsLostDoubledOrOwnerless) {
  const int64_t seeds = FromEnvironment("HOTLINE_SIM_SEEDS", 40);
  const int64_t first = FromEnvironment("HOTLINE_SIM_FIRST", 1);
  int64_t acknowledged = 0;
  int64_t kills = 0;
  int64_t transitions = 0;
  for (int64_t seed = first; seed < first + seeds; ++seed) {
    World world(static_cast<uint64_t>(seed));
    world.Run(120);
    world.Heal();
    ASSERT_EQ(world.Fault(), "") << "seed " << seed;
    acknowledged += world.acknowledged();
    kills += world.kills();
    transitions += world.transitions();
  }
  std::cout << "seeds " << first << " to " << first + seeds - 1 << ": " << acknowledged << " pushes, "
            << transitions << " transitions, " << kills << " kills\n";
  EXPECT_GT(acknowledged, seeds);
  EXPECT_GT(kills, seeds);
}

}  // namespace
}  // namespace hotline::sim
