// A peer site over gRPC.
#ifndef COMMON_RPC_PEER_CLIENT_H_
#define COMMON_RPC_PEER_CLIENT_H_

#include <memory>

#include "common/contract/peer.h"

namespace grpc {
class Channel;
}

namespace hotline::rpc {

// Thread-safe. Nothing is retried here. Errors are the peer's, as it sent them; UNAVAILABLE or
// DEADLINE_EXCEEDED without a reason when the transport failed. Destroying it cancels and answers the calls
// under way, and waits for that: not from within a `done`.
class RpcPeer final : public Peer {
 public:
  explicit RpcPeer(std::shared_ptr<grpc::Channel> channel);
  ~RpcPeer() override;

  // Cancels calls under way and to come.
  void Cancel();

  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override;
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override;
  void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override;
  void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override;

 private:
  struct Stub;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace hotline::rpc

#endif  // COMMON_RPC_PEER_CLIENT_H_
