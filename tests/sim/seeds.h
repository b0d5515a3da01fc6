// One seed after another, and what they added up to.
#ifndef TESTS_SIM_SEEDS_H_
#define TESTS_SIM_SEEDS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/sim/world.h"

namespace hotline::sim {

// In the order of `kCounts`.
struct Totals {
  int64_t seeds = 0;
  int64_t steps = 0;
  int64_t pushes = 0;   // acknowledged
  int64_t done = 0;     // commands carried out
  int64_t refused = 0;  // commands refused for good
  int64_t events = 0;
  int64_t deaths = 0;       // of processes
  int64_t disk_faults = 0;  // that hit
  int64_t in_doubt = 0;     // events whose commit was not known to have been made until a restart showed them
  int64_t telephoned = 0;   // emergencies answered "use the telephone"
  int64_t rungs = 0;        // of the ladder
  int64_t simulated_ms = 0;

  void Add(const Totals& more);
  // `name=value` for each.
  std::string Text() const;
};

// Runs one seed and adds it to `totals`. Empty if every promise held; else what was broken, and the seed's
// last steps; if `whole`, all of them and every site's log.
std::string RunSeed(int64_t seed, const WorldOptions& options, Totals* totals, bool whole = false);

}  // namespace hotline::sim

#endif  // TESTS_SIM_SEEDS_H_
