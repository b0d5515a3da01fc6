// Keeps the index of open orders' texts up with the store, and looks orders up
// in it.
#ifndef SERVICES_WORK_ORDER_SIMILAR_ORDERS_H_
#define SERVICES_WORK_ORDER_SIMILAR_ORDERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/loop.h"
#include "services/work_order/core/similar.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {

// Costs nothing until the first Find; from then on it follows the log, apart
// from the commits. Used on the readers' thread alone, but for bytes().
class SimilarOrders {
 public:
  // Both outlive it; `reader` is used on `readers` only, which is stopped
  // before this is destroyed.
  SimilarOrders(Reader* reader, Executor* readers) : reader_(reader), readers_(readers) {}

  struct Found {
    std::vector<Likeness> likely;  // the likeliest first
    bool incomplete = false;       // the index is behind
  };
  // Open orders like `query`, without `except`; some hundreds at most.
  absl::StatusOr<Found> Find(const Sketch& query, int64_t except);
  // What it takes, about; 0 before the first Find. Any thread.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  // A slice of what is left to do; false if nothing is.
  absl::StatusOr<bool> Step();
  absl::StatusOr<bool> Scan();
  absl::Status ListOpen();
  absl::StatusOr<bool> Follow();
  absl::StatusOr<Sketch> Read(int64_t id, absl::Time registered);
  // Goes on in the background.
  void Pump();

  Reader* const reader_;
  Executor* const readers_;
  SimilarIndex index_;
  bool begun_ = false;
  bool listed_ = false;      // all that were open then are in `waiting_`, or have been
  bool scanned_ = false;     // and none is left there
  int64_t scan_before_ = 0;  // orders from here on have been looked at
  int64_t next_event_ = 0;
  // Newest first, while the scan goes on: the index takes the oldest first.
  std::deque<std::pair<int64_t, Sketch>> waiting_;
  size_t waiting_bytes_ = 0;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_SIMILAR_ORDERS_H_
