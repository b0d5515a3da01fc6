// Taking out of an order and its events what tells who its caller is (保密). Pure.
#ifndef SERVICES_WORK_ORDER_CORE_MASK_H_
#define SERVICES_WORK_ORDER_CORE_MASK_H_

#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::work_order {

// Leaves `order`, which has its content, without its caller: name and numbers, the call and its recording,
// and wherever the name or a number stands in what was written; also the salt, with which guesses could be
// tried against the content's digest. Who may not know the caller sees what was asked, where and when.
void MaskCaller(type::v1::WorkOrder* order);

// The same of an event of an order with this content; also the keyed hash of the number. Null: the content is
// gone, and nobody knows what to look for: then all that was written is left out.
void MaskEvent(const type::v1::OrderContent* content, type::v1::Event* event);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_MASK_H_
