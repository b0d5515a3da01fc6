// Orders as callers speak them, and cheap unique request ids, for tests and benchmarks.
#ifndef TESTS_SUPPORT_ORDERS_H_
#define TESTS_SUPPORT_ORDERS_H_

#include <cstdint>
#include <string>

#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::test {

// A valid order of about 600 bytes on the wire; `n` varies text, type and caller.
type::v1::OrderContent MakeContent(int64_t n);

// A valid push of MakeContent(n) to `to_hotline`, with a request id of its own.
dispatch::v1::PushWorkOrderRequest MakePush(int64_t n, const std::string& to_hotline);

// A version-7 UUID that grows with each call in this process and differs between processes. Costs no system
// call but the clock. Thread-safe.
void NextRequestId(std::string* id);
std::string NextRequestId();

// 11 digits that differ for each `n` below a hundred million.
void PhoneOf(int64_t n, std::string* phone);

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_ORDERS_H_
