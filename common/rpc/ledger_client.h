// work_order's ledger over gRPC.
#ifndef COMMON_RPC_LEDGER_CLIENT_H_
#define COMMON_RPC_LEDGER_CLIENT_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/contract/finder.h"
#include "common/contract/ledger.h"
#include "common/error/error.h"

namespace grpc {
class Channel;
}

namespace hotline::rpc {

// `done` of a call to work_order: a status that work_order did not make is the transport's, and becomes
// WORK_ORDER_UNREACHABLE.
template <typename Response>
Done<Response> Reached(Done<Response> done) {
  return [done = std::move(done)](absl::StatusOr<Response> response) mutable {
    if (!response.ok() && error::ReasonOf(response.status()) == type::v1::ERROR_REASON_UNSPECIFIED &&
        (response.status().code() == absl::StatusCode::kUnavailable ||
         response.status().code() == absl::StatusCode::kDeadlineExceeded ||
         response.status().code() == absl::StatusCode::kCancelled)) {
      done(error::WorkOrderUnreachable(std::string(response.status().message())));
      return;
    }
    done(std::move(response));
  };
}

// Thread-safe. Nothing is retried here. Errors are the ledger's, as it sent them; WORK_ORDER_UNREACHABLE when
// the transport failed, so that the outcome is unknown. Destroying it cancels and answers the calls under
// way, and waits for that: not from within a `done`.
class RpcLedger final : public Ledger, public OrderFinder {
 public:
  // `commands` carries Execute and ApplyInbox, `reads` the rest, so that a large read delays no commit. May
  // be the same.
  RpcLedger(std::shared_ptr<grpc::Channel> commands, std::shared_ptr<grpc::Channel> reads);
  ~RpcLedger() override;

  // Cancels calls under way and to come, long polls first of all. For a drain.
  void Cancel();

  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override;
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override;
  void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override;
  void ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override;
  void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override;
  void ReadInbox(const CallContext& call, workorder::v1::ReadInboxRequest request,
                 Done<workorder::v1::ReadInboxResponse> done) override;
  void Recover(const CallContext& call, workorder::v1::RecoverRequest request,
               Done<workorder::v1::RecoverResponse> done) override;
  void ReadDigests(const CallContext& call, workorder::v1::ReadDigestsRequest request,
                   Done<workorder::v1::ReadDigestsResponse> done) override;
  void Resend(const CallContext& call, workorder::v1::ResendRequest request,
              Done<workorder::v1::ResendResponse> done) override;

  void FindSimilarOrders(const CallContext& call, workorder::v1::FindSimilarOrdersRequest request,
                         Done<workorder::v1::FindSimilarOrdersResponse> done) override;

 private:
  struct Stubs;
  const std::unique_ptr<Stubs> stubs_;
};

}  // namespace hotline::rpc

#endif  // COMMON_RPC_LEDGER_CLIENT_H_
