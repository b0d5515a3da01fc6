// What carries a spool's files one way between two sites: somebody's tool that copies what it finds in one
// directory to another, now and then, and badly. It loses, repeats, delays, reorders, cuts off and alters
// files, and leaves others there that are none. Where the path is good it copies all of them, whole.
#ifndef TESTS_SIM_CARRIER_H_
#define TESTS_SIM_CARRIER_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "common/contract/peer.h"
#include "tests/sim/dice.h"
#include "tests/sim/kernel.h"
#include "tests/sim/wire.h"

namespace hotline::sim {

std::string SpoolOut(const std::string& peer);
std::string SpoolIn(const std::string& peer);

class Carrier {
 public:
  // From `route.from` to `route.to`; all that it names outlives this.
  explicit Carrier(const Route& route);
  void Start();

 private:
  void Round();
  void Carry(const std::string& name, const std::string& bytes);

  const Route route_;
  const absl::Duration interval_;
  const bool moves_;  // takes the file away from where it was
  const std::shared_ptr<int> life_ = std::make_shared<int>(0);
  std::set<std::string> carried_;  // as it believes
  int64_t strangers_ = 0;
};

// The receiving end of a site as its spool's inbox sees it: tells the witness of the receipts that leave.
class SpoolDoor : public Peer {
 public:
  // `route.from` is the peer whose bundles are read.
  SpoolDoor(const Route& route, Peer* local) : route_(route), local_(local) {}
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override;
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override;
  void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override;
  void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override;

 private:
  const Route route_;
  Peer* const local_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_CARRIER_H_
