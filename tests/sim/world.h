// Two to four sites under one seed: operators act, the weather changes, machines fail, and at the end all is
// healed and inspected.
#ifndef TESTS_SIM_WORLD_H_
#define TESTS_SIM_WORLD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/carrier.h"
#include "tests/sim/desk.h"
#include "tests/sim/dice.h"
#include "tests/sim/kernel.h"
#include "tests/sim/mutant.h"
#include "tests/sim/site.h"
#include "tests/sim/watcher.h"
#include "tests/sim/wire.h"
#include "tests/sim/witness.h"

namespace hotline::sim {

// What can go wrong in a run. Every seed has some of it, so that each kind is seen alone and in company.
struct Climate {
  bool rough_paths = false;    // loss, doubling, delay
  bool late_messages = false;  // seconds late
  bool partitions = false;     // one way or both
  bool kills = false;          // between any two tasks
  bool disk_kills = false;     // in the midst of a write or a sync
  bool power_losses = false;
  bool disk_errors = false;  // failed syncs, writes, reads; syncs that lie
  bool full_disks = false;
  bool slow_disks = false;
  bool clock_jumps = false;
  bool lost_projections = false;
  bool old_backups = false;
  bool partners = false;       // incidents go to several partners at once
  bool spool_trouble = false;  // directories that cannot be used, disks for them that are full
};

struct WorldOptions {
  // Takes the place of seams. May be null; outlives the world.
  Mutant* mutant = nullptr;
  // Keeps a record of what it does.
  bool traced = false;
  // In how many percent of worlds sites are restored from old backups and must get their history from peers.
  int old_backups_percent = 0;
  // All sites are joined by gRPC, and desks do what is most common.
  bool plain = false;
  // Desks do nothing with units that help or return late, as before they could: for seeds of that time.
  bool without_units = false;
  // In a chain of so many sites, whose desks pass on what they can; 0: as it is drawn.
  int chain = 0;
};

class World {
 public:
  explicit World(uint64_t seed, const WorldOptions& options = {});
  ~World();

  // All of it: up to `steps` random steps (about 120 if 0), healing, inspection. Ends at the first violation.
  void Run(int steps = 0);

  const Witness& witness() const { return witness_; }
  const Desk& desk() const { return desk_; }
  int64_t steps() const { return steps_; }
  int64_t deaths() const { return deaths_; }
  int64_t disk_faults();
  double simulated_seconds() const { return static_cast<double>(kernel_.now()) * 1e-9; }
  // The last lines of the trace.
  std::string Trace(size_t lines) const;
  // A number that two runs of one seed share, and others do not.
  uint64_t Digest() const;

 private:
  struct Move;
  static const Move kMoves[];

  void Build();
  // Of a site that is joined by spools; null if there is none.
  Site* AnySpooled();
  void Step();
  // Lets time pass.
  void Pass(absl::Duration time);
  void AfterTask();
  void Heal();
  void AwaitQuiet();
  void Reconcile();
  std::string CompareAtRest(bool repair);
  std::string CompareAll(bool repair, bool* in_motion);
  bool AllUp() const;
  bool IsQuiet();
  void Verify();
  Site& AnySite();
  Part AnyPart() { return kParts[static_cast<size_t>(dice_.Below(kParts.size()))]; }
  // As the machine's init does: what is down is started after a while, again and again.
  void Supervise();
  void ReviveLater(Site* site, Part part);
  void Restart(Site* site, Part part);
  void CalmDown();
  static void MendSpool(Site* site);
  void Say(const std::function<std::string()>& line);

  const uint64_t seed_;
  Dice dice_;
  Kernel kernel_;
  const WorldOptions options_;
  Witness witness_;
  Paths paths_;
  Climate climate_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::vector<std::unique_ptr<Carrier>> carriers_;
  Site* backed_up_ = nullptr;
  Disk::Image backup_;                              // of its work_order's disk
  std::vector<std::unique_ptr<Watcher>> watchers_;  // one for each site, or none
  Desk desk_;
  int64_t steps_ = 0;
  int64_t deaths_ = 0;
  int64_t tasks_ = 0;
  int stopping_ = 0;  // processes that were told to stop and have not yet
  // A kill after so many more tasks; -1 if none is meant.
  int64_t kill_after_ = -1;
  Site* victim_ = nullptr;
  Part victim_part_ = Part::kWorkOrder;
  std::vector<std::string> trace_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_WORLD_H_
