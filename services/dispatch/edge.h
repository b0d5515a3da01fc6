// The gRPC faces of dispatch: one line for each method, nothing decided here.
#ifndef SERVICES_DISPATCH_EDGE_H_
#define SERVICES_DISPATCH_EDGE_H_

#include <memory>

#include "common/rpc/host.h"
#include "services/dispatch/service.h"

namespace grpc {
class Service;
}

namespace hotline::dispatch {

// What is passed outlives what is returned.
std::unique_ptr<grpc::Service> NewDispatchEdge(DispatchService* service, rpc::Host* host);
std::unique_ptr<grpc::Service> NewExchangeEdge(DispatchService* service, rpc::Host* host);

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_EDGE_H_
