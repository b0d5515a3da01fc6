// What a site shares with a peer, read from its store for reconciliation: sums that the engine keeps with
// every commit, and where those are too coarse the orders themselves.
#ifndef SERVICES_WORK_ORDER_DIGESTS_H_
#define SERVICES_WORK_ORDER_DIGESTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/exchange/digest_sum.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {

// Sums are kept for ranges of these levels; shorter ranges are counted.
inline constexpr int kSharedLevels[] = {40, 45, 50, 55};
inline constexpr int kFinestSharedLevel = 40;

// Changes of the sums, by what was shared with whom: at the finest level, from which the others follow.
using SharedDeltas = std::map<SharedKey, DigestSum>;

// Adds what a change of an order means for the sums of site `own`. `before` is null for a new order.
void CountChange(const type::v1::WorkOrder* before, const type::v1::WorkOrder& after, std::string_view own,
                 SharedDeltas* deltas);
// Writes them. Between Begin and Commit.
absl::Status WriteDeltas(const SharedDeltas& deltas, Store& store);

// Orders that an envelope is about which the peer has not acknowledged. `all`: more than are looked at.
struct InMotion {
  bool all = false;
  absl::flat_hash_set<int64_t> orders;
  bool Contains(int64_t order_id) const { return all || orders.contains(order_id); }
};
// `acknowledged` is the peer's cursor in each lane.
absl::StatusOr<InMotion> FindInMotion(Reader& reader,
                                      const std::vector<std::pair<LaneKey, int64_t>>& acknowledged);

// Counts the handoffs of a range one by one, some hundred orders at a step.
class SharedScan {
 public:
  // `range` has a level. `own` is this site.
  SharedScan(std::string_view own, std::string_view peer, exchange::v1::DigestRange range);
  // True: there is more.
  absl::StatusOr<bool> Step(Reader& reader, const InMotion& in_motion);

  const DigestSum& whole() const { return whole_; }
  // Sums at the finest level, by bucket.
  const std::map<int64_t, DigestSum>& buckets() const { return buckets_; }
  // Once all steps are done.
  exchange::v1::RangeAnswer Answer();

 private:
  void Count(const std::string& handoff_id, int64_t giver_order_id, const std::string& view, int64_t order_id,
             const InMotion& in_motion);
  absl::StatusOr<bool> StepGiven(Reader& reader, const InMotion& in_motion);
  absl::StatusOr<bool> StepIndexed(Reader& reader, const InMotion& in_motion);

  const std::string own_;
  const std::string peer_;
  const exchange::v1::DigestRange range_;
  const int level_;
  int64_t next_order_ = 0;
  std::string next_handoff_;
  bool lost_scanned_ = false;  // of those that this site gave
  DigestSum whole_;
  std::map<int64_t, DigestSum> parts_;
  std::map<int64_t, DigestSum> buckets_;
  std::vector<exchange::v1::SharedItem> items_;  // not all, if there are too many to be told
};

// Answers for a range of a level, as ReconcileRequest says, from the sums as far as they go.
absl::StatusOr<exchange::v1::RangeAnswer> AnswerRange(Reader& reader, std::string_view own,
                                                      std::string_view peer,
                                                      const exchange::v1::DigestRange& range,
                                                      const InMotion& in_motion);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_DIGESTS_H_
