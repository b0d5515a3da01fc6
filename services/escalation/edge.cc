#include "services/escalation/edge.h"

#include "common/rpc/forward.h"
#include "common/rpc/server_stream.h"
#include "hotline/escalation/v1/escalation_service.grpc.pb.h"

namespace hotline::escalation {
namespace {

class EscalationEdge final
    : public rpc::RawService<v1::EscalationService::Service,
                             v1::EscalationService::WithRawCallbackMethod_WatchEscalations,
                             v1::EscalationService::WithRawCallbackMethod_ListDeadlines,
                             v1::EscalationService::WithRawCallbackMethod_ExplainDeadline,
                             v1::EscalationService::WithRawCallbackMethod_GetTimeLedger,
                             v1::EscalationService::WithRawCallbackMethod_PreviewRules,
                             v1::EscalationService::WithRawCallbackMethod_PublishRules,
                             v1::EscalationService::WithRawCallbackMethod_ListPublications,
                             v1::EscalationService::WithRawCallbackMethod_ListCalendars> {
 public:
  EscalationEdge(EscalationService* service, rpc::Host* host) : service_(service), host_(host) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchEscalations(grpc::CallbackServerContext* context,
                                                               const grpc::ByteBuffer* request) override {
    return rpc::ServerStream<v1::WatchEscalationsRequest>(
        context, request, watch_,
        [this](const CallContext& call, const v1::WatchEscalationsRequest& request) {
          return service_->WatchEscalations(call, request);
        });
  }

 private:
  static const char* service_full_name() { return v1::EscalationService::service_full_name(); }

  EscalationService* const service_;
  rpc::Host* const host_;
  rpc::Method watch_{host_, service_full_name(), "WatchEscalations", rpc::MethodType::kServerStream};

 public:
  HOTLINE_FORWARD(v1, ListDeadlines, service_)
  HOTLINE_FORWARD(v1, ExplainDeadline, service_)
  HOTLINE_FORWARD(v1, GetTimeLedger, service_)
  HOTLINE_FORWARD(v1, PreviewRules, service_)
  HOTLINE_FORWARD(v1, PublishRules, service_)
  HOTLINE_FORWARD(v1, ListPublications, service_)
  HOTLINE_FORWARD(v1, ListCalendars, service_)
};

}  // namespace

std::unique_ptr<grpc::Service> NewEscalationEdge(EscalationService* service, rpc::Host* host) {
  return std::make_unique<EscalationEdge>(service, host);
}

}  // namespace hotline::escalation
