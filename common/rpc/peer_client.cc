#include "common/rpc/peer_client.h"

#include <grpcpp/channel.h>

#include <utility>

#include "common/rpc/client.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"

namespace hotline::rpc {

using exchange::v1::ExchangeService;
using Async = ExchangeService::StubInterface::async_interface;

struct RpcPeer::Stub {
  std::unique_ptr<ExchangeService::Stub> stub;
  Calls calls;  // last: its destructor waits for what uses the stub
};

RpcPeer::RpcPeer(std::shared_ptr<grpc::Channel> channel) : stub_(std::make_unique<Stub>()) {
  stub_->stub = ExchangeService::NewStub(std::move(channel));
}

RpcPeer::~RpcPeer() = default;

void RpcPeer::Cancel() { stub_->calls.Cancel(); }

void RpcPeer::Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                      Done<exchange::v1::DeliverResponse> done) {
  Call(stub_->calls, static_cast<Async*>(stub_->stub->async()), &Async::Deliver, call, std::move(request),
       std::move(done));
}

void RpcPeer::GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
                      Done<exchange::v1::GetLinkResponse> done) {
  Call(stub_->calls, static_cast<Async*>(stub_->stub->async()), &Async::GetLink, call, std::move(request),
       std::move(done));
}

void RpcPeer::Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                       Done<exchange::v1::BackfillResponse> done) {
  Call(stub_->calls, static_cast<Async*>(stub_->stub->async()), &Async::Backfill, call, std::move(request),
       std::move(done));
}

void RpcPeer::Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                        Done<exchange::v1::ReconcileResponse> done) {
  Call(stub_->calls, static_cast<Async*>(stub_->stub->async()), &Async::Reconcile, call, std::move(request),
       std::move(done));
}

}  // namespace hotline::rpc
