// A planted bug: takes the place of a seam. Without one the world runs the production classes bare.
#ifndef TESTS_SIM_MUTANT_H_
#define TESTS_SIM_MUTANT_H_

#include <memory>

#include "common/contract/ledger.h"
#include "common/contract/peer.h"
#include "services/escalation/store/store.h"
#include "services/work_order/store/store.h"
#include "tests/sim/dice.h"
#include "tests/sim/disk.h"

namespace hotline::sim {

class Site;

class Mutant {
 public:
  virtual ~Mutant() = default;
  // Called before a world is built, with dice of its own.
  virtual void Begin(Dice*) {}
  virtual void Format(Disk*) {}
  virtual std::unique_ptr<work_order::Store> Wrap(std::unique_ptr<work_order::Store> store) { return store; }
  virtual std::unique_ptr<escalation::Store> Wrap(std::unique_ptr<escalation::Store> store) { return store; }
  // The work_order of a site as its clients reach it, and as one of its clients does. Null: no change.
  virtual std::unique_ptr<Ledger> WrapServer(Ledger*) { return nullptr; }
  virtual std::unique_ptr<Ledger> WrapDispatchClient(Ledger*) { return nullptr; }
  virtual std::unique_ptr<Ledger> WrapEscalationClient(Ledger*) { return nullptr; }
  // The peer that `site` sends to. `wrong` is another peer of its.
  virtual std::unique_ptr<Peer> WrapPeer(const Site&, Peer*, Peer* /*wrong*/) { return nullptr; }
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_MUTANT_H_
