// What lies between sites: paths with weather, and the transports that dispatch sends by. A transport is a
// `Peer`; gRPC's is here. Another one (a spool of bundle files) takes its place in Site::NewTransport.
#ifndef TESTS_SIM_WIRE_H_
#define TESTS_SIM_WIRE_H_

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/contract/peer.h"
#include "tests/sim/dice.h"
#include "tests/sim/kernel.h"

namespace hotline::sim {

class Site;
class Witness;

inline constexpr int kMaxSites = 4;

// One direction between two sites: a site's requests and its answers to the other go by it.
struct Path {
  int lost = 0;     // percent of messages
  int doubled = 0;  // percent of requests
  int late = 0;     // percent of messages that come seconds later than those sent after them
  int64_t max_delay_us = 2'000;
  bool cut = false;

  bool Loses(Dice& dice) const { return cut || (lost > 0 && dice.Percent(lost)); }
  absl::Duration Delay(Dice& dice) const {
    if (late > 0 && dice.Percent(late)) return absl::Milliseconds(dice.Between(500, 6'000));
    return absl::Microseconds(dice.Between(50, max_delay_us));
  }
};

// By sender and receiver.
using Paths = std::array<std::array<Path, kMaxSites>, kMaxSites>;

// Where a message goes and what it meets. Copied into every message: one under way outlives its sender.
struct Route {
  Site* from;
  Site* to;
  Kernel* kernel;
  Dice* dice;
  const Paths* paths;
  Witness* witness;
};

// The gRPC client of a peer, as dispatch knows it.
class GrpcWire : public Peer {
 public:
  explicit GrpcWire(const Route& route) : route_(route) {}
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
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_WIRE_H_
