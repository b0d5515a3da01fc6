// The custody chain of an order: who was accountable when, read from the order's events in one site's log.
// Pure.
//
// The chain is this site's view. A move that a peer made counts from when this site's log has it
// (`commit_time`), as before that nobody here could know; the holder's own time of the move is given beside
// it (`hold_time`). So at the two sites of a handoff the chains differ by what was under way, and each of
// them is complete.
#ifndef SERVICES_WORK_ORDER_CORE_CUSTODY_H_
#define SERVICES_WORK_ORDER_CORE_CUSTODY_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"

namespace hotline::work_order {

// The tenures that `events` (all of one order at `hotline`, oldest first, at least one) amount to at `at`,
// oldest first. They tile the time from the first event on: the first begins with it, each begins where the
// one before ends, only the last has no end. What came after `at` is left out. Empty if `at` lies before the
// first event.
//
// A clock that was set back does not tear the chain: an event counts as happening no earlier than the one
// before it.
std::vector<workorder::v1::CustodyTenure> CustodyChain(const std::vector<type::v1::Event>& events,
                                                       std::string_view hotline, absl::Time at);

// The one party that was accountable at `at`. Errors: TIME_INVALID if that lies before the first event.
absl::StatusOr<workorder::v1::WhoHoldsResponse> WhoHolds(const std::vector<type::v1::Event>& events,
                                                         std::string_view hotline, absl::Time at);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_CUSTODY_H_
