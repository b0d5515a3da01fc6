// The gRPC faces of work_order: one line for each method, nothing decided here.
#ifndef SERVICES_WORK_ORDER_EDGE_H_
#define SERVICES_WORK_ORDER_EDGE_H_

#include <memory>

#include "common/contract/ledger.h"
#include "common/rpc/host.h"
#include "services/work_order/retention.h"
#include "services/work_order/service.h"

namespace grpc {
class Service;
}

namespace hotline::work_order {

// What is passed outlives what is returned.
std::unique_ptr<grpc::Service> NewWorkOrderEdge(WorkOrderService* service, rpc::Host* host);
std::unique_ptr<grpc::Service> NewLedgerEdge(Ledger* ledger, rpc::Host* host);
std::unique_ptr<grpc::Service> NewRetentionEdge(Retention* retention, rpc::Host* host);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_EDGE_H_
