// Looking for orders of the same matter, as services of a site use each other for it. Thread-safe.
#ifndef COMMON_CONTRACT_FINDER_H_
#define COMMON_CONTRACT_FINDER_H_

#include "common/contract/call.h"
#include "hotline/workorder/v1/work_order_service.pb.h"

namespace hotline {

class OrderFinder {
 public:
  virtual ~OrderFinder() = default;
  virtual void FindSimilarOrders(const CallContext& call, workorder::v1::FindSimilarOrdersRequest request,
                                 Done<workorder::v1::FindSimilarOrdersResponse> done) = 0;
};

}  // namespace hotline

#endif  // COMMON_CONTRACT_FINDER_H_
