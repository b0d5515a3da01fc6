// Many seeds of whole sites under bad weather, failing disks and sudden death. A failing seed is run again
// with a trace; alone it runs with HOTLINE_SIM_FIRST=<seed> HOTLINE_SIM_SEEDS=1.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <iostream>

#include "tests/sim/world.h"

namespace hotline::sim {
namespace {

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const value = getenv(name);
  return value == nullptr ? otherwise : atoll(value);
}

struct Totals {
  int64_t steps = 0;
  int64_t pushes = 0;
  int64_t commands = 0;
  int64_t refused = 0;
  int64_t events = 0;
  int64_t deaths = 0;
  int64_t disk_faults = 0;
  int64_t telephoned = 0;
  double simulated_seconds = 0;
};

// The trace of a failing seed.
std::string Explain(int64_t seed, const Witness::Violation& violation) {
  World again(static_cast<uint64_t>(seed), nullptr, /*traced=*/true);
  again.Run();
  return "seed " + std::to_string(seed) + " broke " + violation.invariant + ": " + violation.what +
         "\nits last steps:\n" + again.Trace(60);
}

void RunSeeds(int64_t first, int64_t count) {
  Totals totals;
  const auto begun = std::chrono::steady_clock::now();
  for (int64_t seed = first; seed < first + count; ++seed) {
    World world(static_cast<uint64_t>(seed));
    world.Run();
    if (!world.witness().content()) ADD_FAILURE() << Explain(seed, world.witness().violation());
    totals.steps += world.steps();
    totals.pushes += static_cast<int64_t>(world.desk().acknowledged().size());
    totals.commands += world.desk().done();
    totals.refused += world.desk().refused();
    totals.events += world.witness().events();
    totals.deaths += world.deaths();
    totals.disk_faults += world.disk_faults();
    totals.telephoned += world.desk().telephoned();
    totals.simulated_seconds += world.simulated_seconds();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::cout << "seeds " << first << " to " << first + count - 1 << ": " << totals.steps << " steps, "
            << totals.pushes << " pushes, " << totals.commands << " commands done, " << totals.refused
            << " refused, " << totals.events << " events, " << totals.deaths << " deaths, "
            << totals.disk_faults << " disk faults, " << totals.telephoned << " telephoned; "
            << totals.simulated_seconds << " s simulated in " << seconds << " s\n";
}

TEST(SimTest, Seeds) {
  RunSeeds(FromEnvironment("HOTLINE_SIM_FIRST", 1), FromEnvironment("HOTLINE_SIM_SEEDS", 500));
}

TEST(SimTest, ASeedRepeats) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World once(seed);
    once.Run();
    World again(seed);
    again.Run();
    EXPECT_EQ(once.Digest(), again.Digest()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hotline::sim
