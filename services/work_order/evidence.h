// Collects what a site's store can prove about one order, for common/evidence.
#ifndef SERVICES_WORK_ORDER_EVIDENCE_H_
#define SERVICES_WORK_ORDER_EVIDENCE_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/evidence/build.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {

// Works in steps of some milliseconds, so that others can read between them. Used from the reader's thread.
//
// The order's envelopes are found by the order that they were stored with, and by its handoffs among those
// that were stored with none, or with an order that is lost. No time tells which they are: a clock may have
// leapt.
class EvidenceCollector {
 public:
  // Of the order with this id; `now` is the time of export. `reader` outlives it.
  EvidenceCollector(Reader* reader, std::string hotline, int64_t id, absl::Time now);

  // True when everything is collected; false: call again. Errors: ORDER_NOT_FOUND,
  // EVIDENCE_TOO_LARGE, STORE_FAILED, INTERNAL.
  absl::StatusOr<bool> Step();

  // Whole after Step has said true.
  const evidence::EvidenceParts& parts() const { return parts_; }

 private:
  // One lane of one direction.
  struct Lane {
    LaneKey key;
    bool incoming = false;
    size_t stored_with = 0;      // of `stored_with_`, at hand
    int64_t after = 0;           // has been looked at up to here
    std::vector<int64_t> found;  // of the order; ascending when all is looked through
  };

  absl::Status Begin();
  absl::Status ReadEvents(int64_t last_sequence);
  absl::StatusOr<std::vector<EnvelopeRow>> Read(const Lane& lane, int64_t after, int limit);
  // The lane's last sequence when the order was read.
  int64_t EndOf(const Lane& lane) const;
  // Looks through the lane's next envelopes that may be the order's; true when there are no more.
  absl::StatusOr<bool> Scan(Lane* lane);
  // Adds the lane's envelopes, and the proofs with the envelopes that they need.
  absl::Status Take(const Lane& lane);

  Reader* const reader_;
  const int64_t id_;
  evidence::EvidenceParts parts_;
  bool begun_ = false;
  std::vector<LinkRow> links_;
  type::v1::WorkOrder order_;
  std::set<std::string> handoff_ids_;
  std::vector<int64_t> stored_with_;  // ids of orders, or 0, that its envelopes may have been stored with
  std::vector<Lane> lanes_;
  size_t lane_ = 0;  // at hand
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_EVIDENCE_H_
