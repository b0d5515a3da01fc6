#include "services/work_order/edge.h"

#include <utility>

#include "common/rpc/forward.h"
#include "common/rpc/server_stream.h"
#include "hotline/operation/v1/retention_service.grpc.pb.h"
#include "hotline/workorder/v1/ledger_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"

namespace hotline::work_order {
namespace {

namespace v1 = hotline::workorder::v1;

// The walk over a large log takes minutes, in slices between which others go on.
constexpr absl::Duration kLongestVerification = absl::Minutes(10);

class WorkOrderEdge final
    : public rpc::RawService<v1::WorkOrderService::Service,
                             v1::WorkOrderService::WithRawCallbackMethod_WatchWorkOrders,
                             v1::WorkOrderService::WithRawCallbackMethod_CreateWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_AcceptWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_DispatchWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_SignWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_ReportProgress,
                             v1::WorkOrderService::WithRawCallbackMethod_ExtendWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_SuspendWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_ResumeWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_FinishWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_RecordCallBack,
                             v1::WorkOrderService::WithRawCallbackMethod_RedoWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_CloseWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_CancelWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_ArchiveWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_GetWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_ListWorkOrders,
                             v1::WorkOrderService::WithRawCallbackMethod_ListOrderEvents,
                             v1::WorkOrderService::WithRawCallbackMethod_VerifyLog,
                             v1::WorkOrderService::WithRawCallbackMethod_ExportEvidence,
                             v1::WorkOrderService::WithRawCallbackMethod_RuleOnWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_ReopenWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_FindSimilarOrders,
                             v1::WorkOrderService::WithRawCallbackMethod_MergeWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_SeparateWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_GetCustodyChain,
                             v1::WorkOrderService::WithRawCallbackMethod_WhoHolds,
                             v1::WorkOrderService::WithRawCallbackMethod_RecordContact,
                             v1::WorkOrderService::WithRawCallbackMethod_RequestExtension,
                             v1::WorkOrderService::WithRawCallbackMethod_DecideExtension,
                             v1::WorkOrderService::WithRawCallbackMethod_ReturnFromUnit,
                             v1::WorkOrderService::WithRawCallbackMethod_ReassignWorkOrder,
                             v1::WorkOrderService::WithRawCallbackMethod_AcknowledgeRung,
                             v1::WorkOrderService::WithRawCallbackMethod_AccuseUnits,
                             v1::WorkOrderService::WithRawCallbackMethod_PreviewReturn> {
 public:
  WorkOrderEdge(WorkOrderService* service, rpc::Host* host) : service_(service), host_(host) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchWorkOrders(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request) override {
    return rpc::ServerStream<v1::WatchWorkOrdersRequest>(
        context, request, watch_, [this](const CallContext& call, const v1::WatchWorkOrdersRequest& request) {
          return service_->WatchWorkOrders(call, request);
        });
  }

 private:
  static const char* service_full_name() { return v1::WorkOrderService::service_full_name(); }

  WorkOrderService* const service_;
  rpc::Host* const host_;
  rpc::Method watch_{host_, service_full_name(), "WatchWorkOrders", rpc::MethodType::kServerStream};

 public:
  HOTLINE_COMMAND(v1, service_, CreateWorkOrder, registration)
  HOTLINE_COMMAND(v1, service_, AcceptWorkOrder, acceptance)
  HOTLINE_COMMAND(v1, service_, DispatchWorkOrder, unit_dispatch)
  HOTLINE_COMMAND(v1, service_, SignWorkOrder, signature)
  HOTLINE_COMMAND(v1, service_, ReportProgress, progress)
  HOTLINE_COMMAND(v1, service_, ExtendWorkOrder, extension)
  HOTLINE_COMMAND(v1, service_, SuspendWorkOrder, suspension)
  HOTLINE_COMMAND(v1, service_, ResumeWorkOrder, resumption)
  HOTLINE_COMMAND(v1, service_, FinishWorkOrder, completion)
  HOTLINE_COMMAND(v1, service_, RecordCallBack, call_back_record)
  HOTLINE_COMMAND(v1, service_, RedoWorkOrder, redo_demand)
  HOTLINE_FORWARD(v1, CloseWorkOrder, service_)
  HOTLINE_COMMAND(v1, service_, CancelWorkOrder, cancellation)
  HOTLINE_COMMAND(v1, service_, ArchiveWorkOrder, archival)
  HOTLINE_FORWARD(v1, GetWorkOrder, service_)
  HOTLINE_FORWARD(v1, ListWorkOrders, service_)
  HOTLINE_FORWARD(v1, ListOrderEvents, service_)
  HOTLINE_FORWARD(v1, VerifyLog, service_, rpc::MethodType::kUnary, kLongestVerification)
  HOTLINE_FORWARD(v1, ExportEvidence, service_)
  HOTLINE_COMMAND(v1, service_, RuleOnWorkOrder, ruling)
  HOTLINE_COMMAND(v1, service_, ReopenWorkOrder, reopening)
  HOTLINE_FORWARD(v1, FindSimilarOrders, service_)
  HOTLINE_COMMAND(v1, service_, MergeWorkOrder, merger)
  HOTLINE_COMMAND(v1, service_, SeparateWorkOrder, separation)
  HOTLINE_FORWARD(v1, GetCustodyChain, service_)
  HOTLINE_FORWARD(v1, WhoHolds, service_)
  HOTLINE_FORWARD(v1, PreviewReturn, service_)
  HOTLINE_COMMAND(v1, service_, RecordContact, caller_contact)
  HOTLINE_COMMAND(v1, service_, RequestExtension, extension_request)
  HOTLINE_COMMAND(v1, service_, DecideExtension, extension_decision)
  HOTLINE_COMMAND(v1, service_, ReturnFromUnit, unit_return)
  HOTLINE_COMMAND(v1, service_, ReassignWorkOrder, unit_reassignment)
  HOTLINE_COMMAND(v1, service_, AcknowledgeRung, rung_acknowledgement)
  HOTLINE_COMMAND(v1, service_, AccuseUnits, accusation)
};

class LedgerEdge final
    : public rpc::RawService<v1::LedgerService::Service, v1::LedgerService::WithRawCallbackMethod_Execute,
                             v1::LedgerService::WithRawCallbackMethod_ApplyInbox,
                             v1::LedgerService::WithRawCallbackMethod_PullOutbox,
                             v1::LedgerService::WithRawCallbackMethod_ReadEvents,
                             v1::LedgerService::WithRawCallbackMethod_ListLinkCursors,
                             v1::LedgerService::WithRawCallbackMethod_ReadInbox,
                             v1::LedgerService::WithRawCallbackMethod_Recover,
                             v1::LedgerService::WithRawCallbackMethod_ReadDigests,
                             v1::LedgerService::WithRawCallbackMethod_Resend> {
 public:
  LedgerEdge(Ledger* ledger, rpc::Host* host) : ledger_(ledger), host_(host) {}

 private:
  static const char* service_full_name() { return v1::LedgerService::service_full_name(); }

  Ledger* const ledger_;
  rpc::Host* const host_;

 public:
  HOTLINE_FORWARD(v1, Execute, ledger_)
  HOTLINE_FORWARD(v1, ApplyInbox, ledger_)
  HOTLINE_FORWARD(v1, PullOutbox, ledger_)
  HOTLINE_FORWARD(v1, ReadEvents, ledger_)
  HOTLINE_FORWARD(v1, ListLinkCursors, ledger_)
  HOTLINE_FORWARD(v1, ReadInbox, ledger_)
  HOTLINE_FORWARD(v1, Recover, ledger_)
  HOTLINE_FORWARD(v1, ReadDigests, ledger_)
  HOTLINE_FORWARD(v1, Resend, ledger_)
};

namespace operation = hotline::operation::v1;

class RetentionEdge final
    : public rpc::RawService<operation::RetentionService::Service,
                             operation::RetentionService::WithRawCallbackMethod_PlaceHold,
                             operation::RetentionService::WithRawCallbackMethod_ReleaseHold,
                             operation::RetentionService::WithRawCallbackMethod_ListHolds,
                             operation::RetentionService::WithRawCallbackMethod_GetRetention,
                             operation::RetentionService::WithRawCallbackMethod_RunRetention> {
 public:
  RetentionEdge(Retention* retention, rpc::Host* host) : retention_(retention), host_(host) {}

 private:
  static const char* service_full_name() { return operation::RetentionService::service_full_name(); }

  Retention* const retention_;
  rpc::Host* const host_;

 public:
  HOTLINE_COMMAND(operation, retention_, PlaceHold, hold_placement)
  HOTLINE_COMMAND(operation, retention_, ReleaseHold, hold_release)
  HOTLINE_FORWARD(operation, ListHolds, retention_)
  HOTLINE_FORWARD(operation, GetRetention, retention_)
  HOTLINE_FORWARD(operation, RunRetention, retention_)
};

}  // namespace

std::unique_ptr<grpc::Service> NewRetentionEdge(Retention* retention, rpc::Host* host) {
  return std::make_unique<RetentionEdge>(retention, host);
}

std::unique_ptr<grpc::Service> NewWorkOrderEdge(WorkOrderService* service, rpc::Host* host) {
  return std::make_unique<WorkOrderEdge>(service, host);
}

std::unique_ptr<grpc::Service> NewLedgerEdge(Ledger* ledger, rpc::Host* host) {
  return std::make_unique<LedgerEdge>(ledger, host);
}

}  // namespace hotline::work_order
