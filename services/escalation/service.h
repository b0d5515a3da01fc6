// hotline.escalation.v1.EscalationService without its wire: lists deadlines from the store and streams rungs.
#ifndef SERVICES_ESCALATION_SERVICE_H_
#define SERVICES_ESCALATION_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/call.h"
#include "common/contract/stream.h"
#include "common/stream/event_hub.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "services/escalation/store/store.h"

namespace hotline::escalation {

// Thread-safe. Promises and errors of the methods are in escalation_service.proto.
class EscalationService {
 public:
  // Rows that one page of a list looks at. A page that finds few of what it is asked for can be short or
  // empty and still have a next one.
  static constexpr int kScanLimit = 20'000;

  // `executor` is for reading: it is not the follower's, and is stopped before this object is destroyed.
  // `reader` is used on it only, and lives no longer than its store.
  EscalationService(Executor* executor, const hotline::Clock* clock, std::unique_ptr<Reader> reader);

  void ListDeadlines(const CallContext& call, v1::ListDeadlinesRequest request,
                     Done<v1::ListDeadlinesResponse> done);
  // Until the log has been read up to its head once after the start, a stream is silent.
  absl::StatusOr<std::unique_ptr<MessageStream>> WatchEscalations(const CallContext& call,
                                                                  const v1::WatchEscalationsRequest& request);

  // From the follower: it stands at `cursor`, the log's head, and what comes after that.
  void CaughtUp(int64_t cursor);
  void Applied(EventHub::Items items);
  // How far the log is followed, asked for with each list.
  void set_watermark(int64_t watermark) { watermark_.store(watermark); }
  // Ends the streams with a last message.
  void Drain() { hub_.Drain(); }
  int64_t open_streams() const { return hub_.open_streams(); }

 private:
  absl::StatusOr<v1::ListDeadlinesResponse> List(const v1::ListDeadlinesRequest& request);
  absl::StatusOr<EventHub::Items> ReadHistory(int64_t start, int limit);

  Executor* const executor_;
  const hotline::Clock* const clock_;
  const std::unique_ptr<Reader> reader_;
  std::atomic<int64_t> watermark_{0};
  EventHub hub_;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_SERVICE_H_
