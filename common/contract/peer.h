// The contract of hotline.exchange.v1.ExchangeService as a C++ interface: the transport of a link. gRPC is
// one, a spool of bundle files can be another; the protocol above cannot tell which it is on.
#ifndef COMMON_CONTRACT_PEER_H_
#define COMMON_CONTRACT_PEER_H_

#include <functional>

#include "common/contract/call.h"
#include "hotline/exchange/v1/exchange_service.pb.h"

namespace hotline {

// Thread-safe. Promises and errors are in exchange_service.proto.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                       Done<exchange::v1::DeliverResponse> done) = 0;
  virtual void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
                       Done<exchange::v1::GetLinkResponse> done) = 0;
  virtual void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                        Done<exchange::v1::BackfillResponse> done) = 0;
  virtual void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                         Done<exchange::v1::ReconcileResponse> done) = 0;

  // True if Deliver answers as soon as it has stored the batch for carrying, with the last receipt that the
  // peer is known to have given, which may lie behind the batch; without a receipt if none is known. An empty
  // Deliver then only asks for that receipt. What was handed over may get lost on the way: hand it over again
  // if no receipt comes.
  virtual bool store_and_forward() const { return false; }
  // On such a transport: from now on `told` is called, on any thread, with each receipt of `lane` that has
  // come and acknowledges something else than the one before, so that nobody has to ask for it. Replaces what
  // was there. No other transport has anything to tell but its answers.
  virtual void OnReceipt(exchange::v1::Lane /*lane*/,
                         std::function<void(exchange::v1::LinkReceipt)> /*told*/) {}
  // The peer's clock when it last wrote what this site has read, for such a transport; else, and if it never
  // did, InfinitePast. Thread-safe.
  virtual absl::Time known_time() const { return absl::InfinitePast(); }
};

}  // namespace hotline

#endif  // COMMON_CONTRACT_PEER_H_
