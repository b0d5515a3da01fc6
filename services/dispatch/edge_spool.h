// The spools of a dispatch process: one for each peer that files are carried to.
#ifndef SERVICES_DISPATCH_EDGE_SPOOL_H_
#define SERVICES_DISPATCH_EDGE_SPOOL_H_

#include <memory>
#include <string>
#include <vector>

#include "common/base/loop.h"
#include "common/boot/boot.h"
#include "services/dispatch/notary.h"
#include "services/dispatch/spool/files.h"
#include "services/dispatch/spool/spool_inbox.h"
#include "services/dispatch/spool/spool_peer.h"

namespace hotline::dispatch {

class Spools {
 public:
  // `environment` and what it points to outlive this.
  explicit Spools(boot::Environment* environment);

  // A peer with a `spool`. Nothing is read or written before it is used. `notary` signs the receipts and
  // outlives this.
  Peer* Add(const config::v1::PeerConfig& peer, const Notary* notary);
  // Registers the metrics of all of them.
  void Measure();
  // Begins to hand to `local` what the peers wrote.
  void Start(Peer* local);
  // No further bundle is begun.
  void Drain();
  // Nothing runs any more. What is unanswered is dropped. Before `local` goes.
  void Stop() { loop_.Stop(); }

 private:
  boot::Environment* const environment_;
  const std::unique_ptr<SpoolFiles> files_ = NewPosixFiles();
  std::vector<std::unique_ptr<KeySealer>> sealers_;
  std::vector<std::unique_ptr<SpoolPeer>> peers_;
  std::vector<std::unique_ptr<SpoolInbox>> inboxes_;
  std::vector<SpoolOptions> options_;
  // Of its own: it blocks on the disk. Last, so that it ends first.
  Loop loop_{"spool"};
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_EDGE_SPOOL_H_
