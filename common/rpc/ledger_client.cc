#include "common/rpc/ledger_client.h"

#include <grpcpp/channel.h>

#include <utility>

#include "common/rpc/client.h"
#include "hotline/workorder/v1/ledger_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"

namespace hotline::rpc {
namespace {

using workorder::v1::LedgerService;
using Async = LedgerService::StubInterface::async_interface;

}  // namespace

struct RpcLedger::Stubs {
  std::unique_ptr<LedgerService::Stub> commands;
  std::unique_ptr<LedgerService::Stub> reads;
  std::unique_ptr<workorder::v1::WorkOrderService::Stub> orders;
  Calls calls;  // last: its destructor waits for what uses the stubs
};

RpcLedger::RpcLedger(std::shared_ptr<grpc::Channel> commands, std::shared_ptr<grpc::Channel> reads)
    : stubs_(std::make_unique<Stubs>()) {
  stubs_->commands = LedgerService::NewStub(std::move(commands));
  stubs_->orders = workorder::v1::WorkOrderService::NewStub(reads);
  stubs_->reads = LedgerService::NewStub(std::move(reads));
}

RpcLedger::~RpcLedger() = default;

void RpcLedger::Cancel() { stubs_->calls.Cancel(); }

void RpcLedger::Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
                        Done<workorder::v1::ExecuteResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->commands->async()), &Async::Execute, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                           Done<workorder::v1::ApplyInboxResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->commands->async()), &Async::ApplyInbox, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                           Done<workorder::v1::PullOutboxResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->reads->async()), &Async::PullOutbox, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                           Done<workorder::v1::ReadEventsResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->reads->async()), &Async::ReadEvents, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                                Done<workorder::v1::ListLinkCursorsResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->reads->async()), &Async::ListLinkCursors, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::ReadInbox(const CallContext& call, workorder::v1::ReadInboxRequest request,
                          Done<workorder::v1::ReadInboxResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->reads->async()), &Async::ReadInbox, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::Recover(const CallContext& call, workorder::v1::RecoverRequest request,
                        Done<workorder::v1::RecoverResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->commands->async()), &Async::Recover, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::ReadDigests(const CallContext& call, workorder::v1::ReadDigestsRequest request,
                            Done<workorder::v1::ReadDigestsResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->reads->async()), &Async::ReadDigests, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::Resend(const CallContext& call, workorder::v1::ResendRequest request,
                       Done<workorder::v1::ResendResponse> done) {
  Call(stubs_->calls, static_cast<Async*>(stubs_->commands->async()), &Async::Resend, call,
       std::move(request), Reached(std::move(done)));
}

void RpcLedger::FindSimilarOrders(const CallContext& call, workorder::v1::FindSimilarOrdersRequest request,
                                  Done<workorder::v1::FindSimilarOrdersResponse> done) {
  using Orders = workorder::v1::WorkOrderService::StubInterface::async_interface;
  Call(stubs_->calls, static_cast<Orders*>(stubs_->orders->async()), &Orders::FindSimilarOrders, call,
       std::move(request), Reached(std::move(done)));
}

}  // namespace hotline::rpc
