// Taking out of an order what tells who its caller is (保密). Pure.
#ifndef SERVICES_WORK_ORDER_CORE_MASK_H_
#define SERVICES_WORK_ORDER_CORE_MASK_H_

#include "hotline/type/v1/work_order.pb.h"

namespace hotline::work_order {

// Leaves `order`, which has its content, without its caller: name and numbers, the call and its recording,
// and wherever the name or a number stands in what was written; also the salt, with which guesses could be
// tried against the content's digest. Who may not know the caller sees what was asked, where and when.
void MaskCaller(type::v1::WorkOrder* order);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_MASK_H_
