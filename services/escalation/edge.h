// The gRPC face of escalation: one line for each method, nothing decided here.
#ifndef SERVICES_ESCALATION_EDGE_H_
#define SERVICES_ESCALATION_EDGE_H_

#include <memory>

#include "common/rpc/host.h"
#include "services/escalation/service.h"

namespace grpc {
class Service;
}

namespace hotline::escalation {

// What is passed outlives what is returned.
std::unique_ptr<grpc::Service> NewEscalationEdge(EscalationService* service, rpc::Host* host);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_H_
