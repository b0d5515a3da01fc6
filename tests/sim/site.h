// One hotline's installation: the production classes of work_order, dispatch and escalation, each a process
// that dies and starts again on its own, with stores on simulated disks.
#ifndef TESTS_SIM_SITE_H_
#define TESTS_SIM_SITE_H_

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/dispatch/notary.h"
#include "services/dispatch/service.h"
#include "services/dispatch/spool/spool_inbox.h"
#include "services/dispatch/spool/spool_peer.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/follower.h"
#include "services/escalation/store/store.h"
#include "services/work_order/engine.h"
#include "services/work_order/service.h"
#include "tests/sim/carrier.h"
#include "tests/sim/dice.h"
#include "tests/sim/disk.h"
#include "tests/sim/kernel.h"
#include "tests/sim/mutant.h"
#include "tests/sim/wire.h"
#include "tests/sim/witness.h"
#include "tests/support/memory_files.h"

namespace hotline::sim {

enum class Part { kWorkOrder, kDispatch, kEscalation };
inline constexpr std::array<Part, 3> kParts = {Part::kWorkOrder, Part::kDispatch, Part::kEscalation};
const char* NameOf(Part part);

// How a site is set up. Small sizes, so that the paths past memory are walked too.
struct Setup {
  std::string hotline;
  int index = 0;
  int ring_items = 8;
  int cached_orders = 16;
  int commit_batch = 4;
  int queue_limit = 8192;
  int delivery_batch = 5;
  int64_t cache_bytes = 1 << 20;
  int64_t wal_limit_bytes = 1 << 20;
  int64_t clock_offset_nanos = 0;
  int64_t clock_drift_ppm = 0;
  config::v1::Policy policy;
  // Begin with empty disks instead of stores that were made before.
  bool fresh_disks = false;
  // Batches and receipts are signed; without that a site that has lost its history can only be stopped.
  bool signs = false;
  // By a keyed hash instead of Ed25519; all sites alike.
  bool quick_keys = false;
  // Peers that are reached by a spool of files instead of gRPC, by hotline; those sites say the same. Needs
  // `signs`.
  std::set<std::string> spools;
  // How long an offer may stay silent, and how long after that the desks may confirm by voice.
  absl::Duration confirm_within = absl::Hours(2);
  absl::Duration keep_after = absl::Hours(2);
  // Acts first where there is danger.
  bool dispatches_first = false;
};

class Site {
 public:
  Site(Setup setup, Kernel* kernel, Dice* dice, const Paths* paths, Witness* witness, Mutant* mutant);
  ~Site();
  // Before the first start; both ways.
  void LinkTo(Site* peer) { peers_.push_back(peer); }

  // False if its store does not open now.
  bool Start(Part part);
  // kill -9: what was not written is gone, and so is everyone who waited.
  void Kill(Part part);
  // SIGTERM in two parts: it takes no more work, and later it closes its store in order and is gone.
  void Drain(Part part);
  void Stop(Part part);
  void LosePower();
  bool up(Part part) const;
  // Processes that a fault killed in the midst of a task are taken away; only between tasks. True if any was.
  bool Bury();
  bool has_dead() const { return has_dead_; }
  // Runs, but its store refuses until it is started again.
  bool sick(Part part) const;
  // How long the disk may take for a commit.
  void set_commit_delay_us(int64_t delay) { commit_delay_us_ = delay; }
  // Turns that work_order's committer has taken, and when the one under way will be over (kernel time; past
  // if none is).
  int64_t turns() const { return turns_; }
  int64_t turn_end() const { return turn_end_; }
  // Told just before dispatch is taken away, so that its clients let go of it.
  void set_on_dispatch_end(std::function<void()> told) { on_dispatch_end_ = std::move(told); }
  // As the process's own thread for it would.
  void Checkpoint(Part part);
  // work_order's store is replaced by an older one, and escalation's by an empty one. Not while it is up.
  void Restore(const Disk::Image& backup);
  // Counts restores: what was sent before one does not arrive after it, because a restore takes longer.
  int restores() const { return restores_; }
  // Its store is lost; work_order's log rebuilds it. Not while it is up.
  void ForgetEscalation();

  int index() const { return setup_.index; }
  const std::string& hotline() const { return setup_.hotline; }
  const std::vector<Site*>& peers() const { return peers_; }
  SiteClock* clock() { return &clock_; }
  Disk& disk(Part part) { return part == Part::kEscalation ? escalation_disk_ : work_order_disk_; }
  const config::v1::Policy& policy() const { return setup_.policy; }
  // Where its spools' directories are.
  test::MemoryFiles& spool_disk() { return spool_disk_; }
  bool spools_to(const Site& peer) const { return setup_.spools.contains(peer.hotline()); }
  bool dispatches_first() const { return setup_.dispatches_first; }
  // Null while down.
  work_order::Engine* engine() { return engine_.get(); }
  dispatch::DispatchService* dispatch() { return dispatch_.get(); }
  const dispatch::Notary* notary() const { return notary_.get(); }
  escalation::Follower* follower() { return follower_.get(); }
  escalation::Store* escalation_store() { return escalation_store_.get(); }
  // While work_order is up, until it goes down; made when first asked for.
  work_order::WorkOrderService* orders();
  std::weak_ptr<const int> life(Part part) const;

 private:
  class Line;
  class Listener;

  Process* process(Part part) const { return processes_[static_cast<size_t>(part)].get(); }
  absl::Status StartWorkOrder();
  void StartDispatch();
  absl::Status StartEscalation();
  void Remove(Part part);
  void Wake();
  // How dispatch reaches a peer.
  std::unique_ptr<Peer> NewTransport(Site* peer);
  dispatch::SpoolOptions SpoolTo(const Site& peer) const;

  const Setup setup_;
  Kernel* const kernel_;
  Dice* const dice_;
  const Paths* const paths_;
  Witness* const witness_;
  Mutant* const mutant_;
  SiteClock clock_;
  std::vector<Site*> peers_;
  Disk work_order_disk_;
  Disk escalation_disk_;
  test::MemoryFiles spool_disk_;
  std::array<std::unique_ptr<Process>, kParts.size()> processes_;
  bool has_dead_ = false;
  int restores_ = 0;
  uint64_t salt_ = 0;

  // work_order.
  std::unique_ptr<work_order::Engine> engine_;
  std::unique_ptr<Ledger> server_;  // in front of the engine, if a bug is planted there
  std::unique_ptr<work_order::WorkOrderService> orders_;
  bool committing_ = false;
  int64_t commit_delay_us_ = 1'000;
  int64_t turns_ = 0;
  int64_t turn_end_ = 0;

  // dispatch.
  std::unique_ptr<Ledger> dispatch_line_;
  std::unique_ptr<Ledger> dispatch_line_wrap_;
  std::vector<std::unique_ptr<Peer>> transports_;
  std::vector<std::unique_ptr<Peer>> transport_wraps_;
  std::unique_ptr<dispatch::Notary> notary_;
  crypto::SigningKeys own_keys_;
  crypto::KeyRing keys_;
  std::vector<std::unique_ptr<dispatch::BundleSealer>> sealers_;
  std::vector<std::unique_ptr<SpoolDoor>> doors_;
  std::vector<std::unique_ptr<dispatch::SpoolInbox>> inboxes_;
  std::unique_ptr<dispatch::DispatchService> dispatch_;
  std::function<void()> on_dispatch_end_;

  // escalation.
  std::unique_ptr<Ledger> escalation_line_;
  std::unique_ptr<Ledger> escalation_line_wrap_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<escalation::Store> escalation_store_;
  std::unique_ptr<escalation::Follower> follower_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_SITE_H_
