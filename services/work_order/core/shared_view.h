// What both sites of a handoff hold alike once nothing is under way between them, as a text: what
// reconciliation compares. Pure. Its form is written in section 10 of the protocol document.
#ifndef SERVICES_WORK_ORDER_CORE_SHARED_VIEW_H_
#define SERVICES_WORK_ORDER_CORE_SHARED_VIEW_H_

#include <string>

#include "hotline/type/v1/work_order.pb.h"
#include "services/work_order/core/decide.h"

namespace hotline::work_order {

// Of the order's current handoff. Empty if the order has none, or one that the peer never registered. No
// personal data: contents and replies are in it by the first 8 bytes of a digest.
std::string SharedView(const type::v1::WorkOrder& order);
// The same of the handoff by which the order came to a site that passes it on; empty if it has none.
std::string InboundView(const type::v1::WorkOrder& order);
// What the giver of an open `order.inbound` holds once it has been told how the order stands.
std::string ViewForGiver(const type::v1::WorkOrder& order, const Site& site);
// Of a handoff that has ended, on its own; empty as above.
std::string EndedView(const type::v1::Handoff& handoff);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_SHARED_VIEW_H_
