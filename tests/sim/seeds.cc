#include "tests/sim/seeds.h"

#include <utility>

#include "common/base/text.h"

namespace hotline::sim {
namespace {

constexpr std::pair<const char*, int64_t Totals::*> kCounts[] = {
    {"seeds", &Totals::seeds},       {"steps", &Totals::steps},
    {"pushes", &Totals::pushes},     {"commands", &Totals::done},
    {"refused", &Totals::refused},   {"events", &Totals::events},
    {"deaths", &Totals::deaths},     {"disk_faults", &Totals::disk_faults},
    {"in_doubt", &Totals::in_doubt}, {"telephoned", &Totals::telephoned},
    {"rungs", &Totals::rungs},       {"simulated_ms", &Totals::simulated_ms},
};
constexpr size_t kTraceLines = 60;

}  // namespace

void Totals::Add(const Totals& more) {
  for (const auto& [name, count] : kCounts) this->*count += more.*count;
}

std::string Totals::Text() const {
  std::string text;
  for (const auto& [name, count] : kCounts) text += StrCat(text.empty() ? "" : " ", name, "=", this->*count);
  return text;
}

std::string RunSeed(int64_t seed, const WorldOptions& options, Totals* totals, bool whole) {
  World world(static_cast<uint64_t>(seed), options);
  world.Run();
  totals->Add({.seeds = 1,
               .steps = world.steps(),
               .pushes = static_cast<int64_t>(world.desk().acknowledged().size()),
               .done = world.desk().done(),
               .refused = world.desk().refused(),
               .events = world.witness().events(),
               .deaths = world.deaths(),
               .disk_faults = world.disk_faults(),
               .in_doubt = world.witness().in_doubt(),
               .telephoned = world.desk().telephoned(),
               .rungs = world.witness().rungs(),
               .simulated_ms = static_cast<int64_t>(world.simulated_seconds() * 1000)});
  if (world.witness().content()) return "";
  const Witness::Violation& violation = world.witness().violation();
  // A seed repeats, so the trace is made only when it is wanted.
  WorldOptions traced = options;
  traced.traced = true;
  World again(static_cast<uint64_t>(seed), traced);
  again.Run();
  return StrCat("seed ", seed, " broke ", violation.invariant, ": ", violation.what, "\n",
                "alone: sim_campaign --first ", seed, " --seeds 1 --whole 1 --old-backups ",
                options.old_backups_percent, options.chain > 0 ? StrCat(" --chain ", options.chain) : "",
                "\n", whole ? "its steps:\n" : "its last steps:\n",
                again.Trace(whole ? SIZE_MAX : kTraceLines), whole ? again.witness().Logs() : "");
}

}  // namespace hotline::sim
