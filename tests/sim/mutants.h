// Planted bugs, to show that the witness sees them: each replaces a seam (a store, the ledger, a peer, the
// disk) by one that is wrong in a way that is easily programmed by mistake.
#ifndef TESTS_SIM_MUTANTS_H_
#define TESTS_SIM_MUTANTS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/mutant.h"

namespace hotline::sim {

struct PlantedBug {
  std::string name;
  std::string what;
  std::function<std::unique_ptr<Mutant>()> make;
  // It is caught within so many seeds, beginning with seed 1,
  int within_seeds = 50;
  // by this invariant. Empty: by whichever comes first, where it breaks several.
  std::string caught_by;
};

const std::vector<PlantedBug>& PlantedBugs();

}  // namespace hotline::sim

#endif  // TESTS_SIM_MUTANTS_H_
