// The checker bites: every planted bug is caught within its number of seeds, by the invariant that is there
// for it.
#include "tests/sim/mutants.h"

#include <gtest/gtest.h>

#include <iostream>

#include "tests/sim/world.h"

namespace hotline::sim {
namespace {

class PlantedBugTest : public testing::TestWithParam<size_t> {};

TEST_P(PlantedBugTest, IsCaught) {
  const PlantedBug& bug = PlantedBugs()[GetParam()];
  for (int seed = 1; seed <= bug.within_seeds; ++seed) {
    const std::unique_ptr<Mutant> mutant = bug.make();
    World world(static_cast<uint64_t>(seed), {.mutant = mutant.get()});
    world.Run();
    if (world.witness().content()) continue;
    const Witness::Violation& violation = world.witness().violation();
    // In some worlds another promise is broken first.
    if (!bug.caught_by.empty() && violation.invariant != bug.caught_by) continue;
    std::cout << bug.name << " (" << bug.what << "): caught by " << violation.invariant << " at seed " << seed
              << ": " << violation.what << "\n";
    return;
  }
  FAIL() << bug.name << " (" << bug.what << ") was not caught within " << bug.within_seeds << " seeds";
}

std::vector<size_t> All() {
  std::vector<size_t> all;
  for (size_t i = 0; i < PlantedBugs().size(); ++i) all.push_back(i);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBugTest, testing::ValuesIn(All()),
                         [](const testing::TestParamInfo<size_t>& info) {
                           return PlantedBugs()[info.param].name;
                         });

}  // namespace
}  // namespace hotline::sim
