#include "services/dispatch/edge.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include "absl/time/time.h"
#include "common/contract/peek.h"
#include "common/rpc/forward.h"
#include "common/rpc/server_stream.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"

namespace hotline::dispatch {
namespace {

// A model is trained first, for 13 s of a core: on a machine with much else to do it takes several times
// that.
constexpr absl::Duration kLongestReload = absl::Minutes(3);

bool IsEmergency(const grpc::ByteBuffer& push) {
  constexpr int kUrgency[] = {v1::PushWorkOrderRequest::kContentFieldNumber,
                              type::v1::OrderContent::kUrgencyFieldNumber};
  grpc::ByteBuffer copy(push);  // another reference to the same bytes
  grpc::ProtoBufferReader reader(&copy);
  return reader.status().ok() && PeekVarint(reader, kUrgency) == type::v1::URGENCY_EMERGENCY;
}

// Of a push of an order that exists, by id or number; empty if it registers one.
std::string OrderIdOf(const grpc::ByteBuffer& push) {
  grpc::ByteBuffer copy(push);
  grpc::Slice whole;
  if (!copy.DumpToSingleSlice(&whole).ok()) return {};
  const std::string_view bytes(reinterpret_cast<const char*>(whole.begin()), whole.size());
  const auto header = PeekBytes(bytes, v1::PushWorkOrderRequest::kHeaderFieldNumber);
  return std::string(
      PeekBytes(header.value_or(""), type::v1::CommandHeader::kOrderIdFieldNumber).value_or(""));
}

class DispatchEdge final
    : public rpc::RawService<v1::DispatchService::Service,
                             v1::DispatchService::WithRawCallbackMethod_WatchHandoffs,
                             v1::DispatchService::WithRawCallbackMethod_AcceptHandoff,
                             v1::DispatchService::WithRawCallbackMethod_ReturnHandoff,
                             v1::DispatchService::WithRawCallbackMethod_RecallHandoff,
                             v1::DispatchService::WithRawCallbackMethod_ReportHandoffProgress,
                             v1::DispatchService::WithRawCallbackMethod_FinishHandoff,
                             v1::DispatchService::WithRawCallbackMethod_PushWorkOrder,
                             v1::DispatchService::WithRawCallbackMethod_BatchPushWorkOrders,
                             v1::DispatchService::WithRawCallbackMethod_PushToPartners,
                             v1::DispatchService::WithRawCallbackMethod_ReferFromScene,
                             v1::DispatchService::WithRawCallbackMethod_RecordSceneArrival,
                             v1::DispatchService::WithRawCallbackMethod_ConfirmHandoffByVoice,
                             v1::DispatchService::WithRawCallbackMethod_ListLinks,
                             v1::DispatchService::WithRawCallbackMethod_DisputeHandoff,
                             v1::DispatchService::WithRawCallbackMethod_SuggestRoute,
                             v1::DispatchService::WithRawCallbackMethod_ReloadCatalogue,
                             v1::DispatchService::WithRawCallbackMethod_GetCatalogue,
                             v1::DispatchService::WithRawCallbackMethod_ReconcileLink> {
 public:
  DispatchEdge(DispatchService* service, rpc::Host* host) : service_(service), host_(host) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchHandoffs(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) override {
    return rpc::ServerStream<v1::WatchHandoffsRequest>(
        context, request, watch_, [this](const CallContext& call, const v1::WatchHandoffsRequest& request) {
          return service_->WatchHandoffs(call, request);
        });
  }

  // A flood is refused by a look at the urgency, not by reading what it brings.
  grpc::ServerUnaryReactor* PushWorkOrder(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override {
    return rpc::Unary<v1::PushWorkOrderRequest, v1::PushWorkOrderResponse>(
        context, request, response, push_,
        [this](const CallContext& call, v1::PushWorkOrderRequest&& request,
               Done<v1::PushWorkOrderResponse> done) {
          service_->PushWorkOrder(call, std::move(request), std::move(done));
        },
        [this](const grpc::ByteBuffer& request) {
          const bool refused =
              service_->full() && !IsEmergency(request) && !service_->IsKnownEmergency(OrderIdOf(request));
          if (refused) service_->NoteRejected();
          return refused ? &full_ : nullptr;
        });
  }

 private:
  static const char* service_full_name() { return v1::DispatchService::service_full_name(); }

  DispatchService* const service_;
  rpc::Host* const host_;
  const rpc::Refusal full_{Batcher::Full()};
  rpc::Method push_{host_, service_full_name(), "PushWorkOrder"};
  rpc::Method watch_{host_, service_full_name(), "WatchHandoffs", rpc::MethodType::kServerStream};

 public:
  HOTLINE_FORWARD(v1, BatchPushWorkOrders, service_)
  HOTLINE_FORWARD(v1, PushToPartners, service_)
  HOTLINE_FORWARD(v1, ReferFromScene, service_)
  HOTLINE_COMMAND(v1, service_, RecordSceneArrival, scene_arrival)
  HOTLINE_FORWARD(v1, ListLinks, service_)
  HOTLINE_FORWARD(v1, ReconcileLink, service_)
  HOTLINE_FORWARD(v1, SuggestRoute, service_)
  HOTLINE_FORWARD(v1, ReloadCatalogue, service_, rpc::MethodType::kUnary, kLongestReload)
  HOTLINE_FORWARD(v1, GetCatalogue, service_)
  HOTLINE_COMMAND(v1, service_, AcceptHandoff, acceptance)
  HOTLINE_COMMAND(v1, service_, ReturnHandoff, handoff_return)
  HOTLINE_COMMAND(v1, service_, RecallHandoff, recall)
  HOTLINE_COMMAND(v1, service_, ConfirmHandoffByVoice, confirm_by_voice)
  HOTLINE_COMMAND(v1, service_, ReportHandoffProgress, progress)
  HOTLINE_COMMAND(v1, service_, FinishHandoff, completion)
  HOTLINE_COMMAND(v1, service_, DisputeHandoff, dispute)
};

class ExchangeEdge final
    : public rpc::RawService<exchange::v1::ExchangeService::Service,
                             exchange::v1::ExchangeService::WithRawCallbackMethod_Deliver,
                             exchange::v1::ExchangeService::WithRawCallbackMethod_GetLink,
                             exchange::v1::ExchangeService::WithRawCallbackMethod_Backfill,
                             exchange::v1::ExchangeService::WithRawCallbackMethod_Reconcile> {
 public:
  ExchangeEdge(DispatchService* service, rpc::Host* host) : service_(service), host_(host) {}

 private:
  static const char* service_full_name() { return exchange::v1::ExchangeService::service_full_name(); }

  DispatchService* const service_;
  rpc::Host* const host_;

 public:
  HOTLINE_FORWARD(exchange::v1, Deliver, service_)
  HOTLINE_FORWARD(exchange::v1, GetLink, service_)
  HOTLINE_FORWARD(exchange::v1, Backfill, service_)
  HOTLINE_FORWARD(exchange::v1, Reconcile, service_)
};

}  // namespace

std::unique_ptr<grpc::Service> NewDispatchEdge(DispatchService* service, rpc::Host* host) {
  return std::make_unique<DispatchEdge>(service, host);
}

std::unique_ptr<grpc::Service> NewExchangeEdge(DispatchService* service, rpc::Host* host) {
  return std::make_unique<ExchangeEdge>(service, host);
}

}  // namespace hotline::dispatch
