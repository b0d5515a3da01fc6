// A planted bug: takes the place of a seam. Without one the world runs the production classes bare.
#ifndef TESTS_SIM_MUTANT_H_
#define TESTS_SIM_MUTANT_H_

#include <memory>
#include <string>
#include <vector>

#include "common/contract/ledger.h"
#include "common/contract/peer.h"
#include "services/dispatch/service.h"
#include "services/escalation/store/store.h"
#include "services/work_order/store/store.h"
#include "tests/sim/dice.h"
#include "tests/sim/disk.h"

namespace hotline::sim {

class Mutant {
 public:
  virtual ~Mutant() = default;
  // Called before a world is built, with dice of its own.
  virtual void Begin(Dice*) {}
  virtual void Format(Disk*) {}
  // How a site's dispatch is set up.
  virtual void Tune(dispatch::DispatchOptions*) {}
  // Whether it is looked for where sites are joined by spools and desks do all that there is to do. Elsewhere
  // worlds are as plain as they can be.
  virtual bool in_full_worlds() const { return false; }
  // Names of actions (desk.cc) that desks think of more often: those that lead to where it bites.
  virtual std::vector<std::string> favours() const { return {}; }
  virtual std::unique_ptr<work_order::Store> Wrap(std::unique_ptr<work_order::Store> store) { return store; }
  virtual std::unique_ptr<escalation::Store> Wrap(std::unique_ptr<escalation::Store> store) { return store; }
  // The work_order of a site as its clients reach it, and as one of its clients does. Null: no change.
  virtual std::unique_ptr<Ledger> WrapServer(int /*site*/, Ledger*) { return nullptr; }
  virtual std::unique_ptr<Ledger> WrapDispatchClient(Ledger*) { return nullptr; }
  virtual std::unique_ptr<Ledger> WrapEscalationClient(Ledger*) { return nullptr; }
  // A peer of a site, and another one with its name.
  virtual std::unique_ptr<Peer> WrapPeer(Peer*, Peer* /*other*/, const std::string& /*other_name*/) {
    return nullptr;
  }
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_MUTANT_H_
