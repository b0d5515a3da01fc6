// The contract of hotline.workorder.v1.LedgerService as a C++ interface: work_order's engine implements it,
// the gRPC client implements it in dispatch and escalation, and the simulation joins the two without a wire.
#ifndef COMMON_CONTRACT_LEDGER_H_
#define COMMON_CONTRACT_LEDGER_H_

#include "common/contract/call.h"
#include "hotline/workorder/v1/ledger_service.pb.h"

namespace hotline {

// Thread-safe. Promises and errors of each method are in ledger_service.proto. No method blocks: what has to
// wait (for a commit, for the next event) calls `done` later.
class Ledger {
 public:
  virtual ~Ledger() = default;
  virtual void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
                       Done<workorder::v1::ExecuteResponse> done) = 0;
  virtual void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                          Done<workorder::v1::ApplyInboxResponse> done) = 0;
  virtual void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                          Done<workorder::v1::PullOutboxResponse> done) = 0;
  virtual void ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                          Done<workorder::v1::ReadEventsResponse> done) = 0;
  virtual void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                               Done<workorder::v1::ListLinkCursorsResponse> done) = 0;
  virtual void ReadInbox(const CallContext& call, workorder::v1::ReadInboxRequest request,
                         Done<workorder::v1::ReadInboxResponse> done) = 0;
  virtual void Recover(const CallContext& call, workorder::v1::RecoverRequest request,
                       Done<workorder::v1::RecoverResponse> done) = 0;
  virtual void ReadDigests(const CallContext& call, workorder::v1::ReadDigestsRequest request,
                           Done<workorder::v1::ReadDigestsResponse> done) = 0;
  virtual void Resend(const CallContext& call, workorder::v1::ResendRequest request,
                      Done<workorder::v1::ResendResponse> done) = 0;
};

}  // namespace hotline

#endif  // COMMON_CONTRACT_LEDGER_H_
