// The contract of hotline.exchange.v1.ExchangeService as a C++ interface: the transport of a link. gRPC is
// one, a spool of bundle files can be another; the protocol above cannot tell which it is on.
#ifndef COMMON_CONTRACT_PEER_H_
#define COMMON_CONTRACT_PEER_H_

#include "common/contract/call.h"
#include "hotline/exchange/v1/exchange_service.pb.h"

namespace hotline {

// Thread-safe. Promises and errors are in exchange_service.proto.
class Peer {
 public:
  virtual ~Peer() = default;
  // True for a transport whose Deliver answers when it has stored the batch, with the last receipt it knows
  // of, which may lie behind the batch.
  virtual bool store_and_forward() const { return false; }
  virtual void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                       Done<exchange::v1::DeliverResponse> done) = 0;
  virtual void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
                       Done<exchange::v1::GetLinkResponse> done) = 0;
  virtual void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                        Done<exchange::v1::BackfillResponse> done) = 0;
  virtual void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                         Done<exchange::v1::ReconcileResponse> done) = 0;
};

}  // namespace hotline

#endif  // COMMON_CONTRACT_PEER_H_
