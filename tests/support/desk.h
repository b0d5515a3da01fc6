// Calls in one line for tests: what must work, and what must fail with which details.
#ifndef TESTS_SUPPORT_DESK_H_
#define TESTS_SUPPORT_DESK_H_

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

#include "tests/support/orders.h"
#include "tests/support/rich_error.h"
#include "tests/support/site.h"

namespace hotline::test {

// A command on an order by a person at the desk, with a request id of its own.
template <typename Request>
Request For(const std::string& order_id) {
  Request request;
  NextRequestId(request.mutable_header()->mutable_request_id());
  request.mutable_header()->set_order_id(order_id);
  request.mutable_header()->mutable_actor()->set_account("2001");
  return request;
}

// Calls and records a failure if it does not work.
template <typename Stub, typename Request, typename Response>
Response Must(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const std::type_identity_t<Request>& request) {
  Response response;
  Call call;
  const grpc::Status status = (stub.*method)(&call, request, &response);
  EXPECT_TRUE(status.ok()) << Request::descriptor()->full_name() << ": " << status.error_code() << " "
                           << status.error_message();
  return response;
}

// Calls and records a failure if it works.
template <typename Stub, typename Request, typename Response>
RichError MustFail(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const std::type_identity_t<Request>& request) {
  Response response;
  Call call;
  const grpc::Status status = (stub.*method)(&call, request, &response);
  EXPECT_FALSE(status.ok()) << Request::descriptor()->full_name() << " was expected to fail";
  return Rich(status);
}

inline type::v1::WorkOrder Get(Site& site, const std::string& id) {
  workorder::v1::GetWorkOrderRequest request;
  request.set_order_id(id);
  return Must(site.work_order(), &workorder::v1::WorkOrderService::Stub::GetWorkOrder, request).order();
}

inline bool Exists(Site& site, const std::string& id) {
  workorder::v1::GetWorkOrderRequest request;
  request.set_order_id(id);
  workorder::v1::GetWorkOrderResponse response;
  Call call;
  return site.work_order().GetWorkOrder(&call, request, &response).ok();
}

inline dispatch::v1::PushWorkOrderResponse Push(Site& site,
                                                const dispatch::v1::PushWorkOrderRequest& request) {
  return Must(site.dispatch(), &dispatch::v1::DispatchService::Stub::PushWorkOrder, request);
}

inline type::v1::WorkOrder Accept(Site& site, const std::string& id) {
  auto request = For<dispatch::v1::AcceptHandoffRequest>(id);
  return Must(site.dispatch(), &dispatch::v1::DispatchService::Stub::AcceptHandoff, request).order();
}

inline workorder::v1::VerifyLogResponse Verify(Site& site) {
  return Must(site.work_order(), &workorder::v1::WorkOrderService::Stub::VerifyLog, {});
}

// Everything the site has, newest first.
inline std::vector<type::v1::WorkOrder> ListAll(Site& site) {
  std::vector<type::v1::WorkOrder> orders;
  workorder::v1::ListWorkOrdersRequest request;
  request.set_page_size(500);
  do {
    const auto page =
        Must(site.work_order(), &workorder::v1::WorkOrderService::Stub::ListWorkOrders, request);
    orders.insert(orders.end(), page.orders().begin(), page.orders().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && !testing::Test::HasFailure());
  return orders;
}

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_DESK_H_
