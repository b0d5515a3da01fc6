// hotline.escalation.v1.EscalationService without its wire: lists and explains deadlines from the store,
// streams rungs, tells who used an order's time, and previews and publishes rules.
#ifndef SERVICES_ESCALATION_SERVICE_H_
#define SERVICES_ESCALATION_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/call.h"
#include "common/contract/stream.h"
#include "common/stream/event_hub.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "services/escalation/core/rules_change.h"
#include "services/escalation/discretion.h"
#include "services/escalation/store/store.h"

namespace hotline::escalation {

// Where rules come from and go to. Thread-safe.
struct RulesAccess {
  // What holds.
  std::function<std::shared_ptr<const Deadlines>()> current;
  // What would come after what holds (NextRules in edge_rules.h), without number and time. Takes note of what
  // the configured files hold. May block for a moment, and is called on the service's executor.
  std::function<absl::StatusOr<Publication>(const RulesChange& change)> load;
  std::function<std::string(const Publication&)> digest;
  // As Follower::Publish, without `keep`.
  std::function<void(Publication, Done<int64_t>)> publish;
  // How far the clocks have been moved.
  std::function<MoveProgress()> progress;
};

// Reads the events of an order (an id), oldest first.
using EventsOfOrder =
    std::function<void(const CallContext&, const std::string& order_id, Done<std::vector<type::v1::Event>>)>;

// Thread-safe. Promises and errors of the methods are in escalation_service.proto.
class EscalationService {
 public:
  // Rows that one page of a list looks at. A page that finds few of what it is asked for can be short or
  // empty and still have a next one.
  static constexpr int kScanLimit = 20'000;

  // `executor` is for reading: it is not the follower's, and is stopped before this object is destroyed.
  // `reader` is used on it only, and lives no longer than its store. `discretion` outlives
  // this. `site` is this hotline's code. `is_party`: whether a code is a unit's or a hotline's by the site's
  // lists; without it, each may be.
  EscalationService(Executor* executor, const hotline::Clock* clock, std::unique_ptr<Reader> reader,
                    RulesAccess rules, EventsOfOrder events, const Discretion* discretion, std::string site,
                    std::function<bool(const std::string& code)> is_party = nullptr);

  void ListDeadlines(const CallContext& call, v1::ListDeadlinesRequest request,
                     Done<v1::ListDeadlinesResponse> done);
  // Until the log has been read up to its head once after the start, a stream is silent.
  absl::StatusOr<std::unique_ptr<MessageStream>> WatchEscalations(const CallContext& call,
                                                                  const v1::WatchEscalationsRequest& request);

  void ExplainDeadline(const CallContext& call, v1::ExplainDeadlineRequest request,
                       Done<v1::ExplainDeadlineResponse> done);
  void GetTimeLedger(const CallContext& call, v1::GetTimeLedgerRequest request,
                     Done<v1::GetTimeLedgerResponse> done);
  // Works in slices, so that other reads go on beside it.
  void PreviewRules(const CallContext& call, v1::PreviewRulesRequest request,
                    Done<v1::PreviewRulesResponse> done);
  void PublishRules(const CallContext& call, v1::PublishRulesRequest request,
                    Done<v1::PublishRulesResponse> done);
  void ListPublications(const CallContext& call, v1::ListPublicationsRequest request,
                        Done<v1::ListPublicationsResponse> done);
  void ListCalendars(const CallContext& call, v1::ListCalendarsRequest request,
                     Done<v1::ListCalendarsResponse> done);

  // From the follower: it stands at `cursor`, the log's head, and what comes after that.
  void CaughtUp(int64_t cursor);
  void Applied(EventHub::Items items);
  // How far the log is followed, asked for with each list.
  void set_watermark(int64_t watermark) { watermark_.store(watermark); }
  // Ends the streams with a last message.
  void Drain() { hub_.Drain(); }
  int64_t open_streams() const { return hub_.open_streams(); }

 private:
  struct Preview;

  absl::StatusOr<int64_t> Resolve(const std::string& order_id);
  // `restricted`: ids of the restricted orders that the answer shows.
  absl::StatusOr<v1::ExplainDeadlineResponse> ExplainOne(const CallContext& call,
                                                         const v1::ExplainDeadlineRequest& request,
                                                         std::set<std::string>* restricted);
  void PreviewSlice(std::shared_ptr<Preview> preview);
  // What has `digest` is the latest, and open clocks have been moved to it, or are being moved.
  bool Holds(const Publication& latest, const std::string& digest) const {
    return latest.moves_open && rules_.digest(latest) == digest;
  }
  absl::StatusOr<v1::ListDeadlinesResponse> List(const CallContext& call,
                                                 const v1::ListDeadlinesRequest& request,
                                                 std::set<std::string>* restricted);
  absl::StatusOr<EventHub::Items> ReadHistory(int64_t start, int limit);

  Executor* const executor_;
  const hotline::Clock* const clock_;
  const std::unique_ptr<Reader> reader_;
  const RulesAccess rules_;
  const EventsOfOrder events_;
  const Discretion* const discretion_;
  const std::string site_;
  const std::function<bool(const std::string& code)> is_party_;
  std::atomic<int64_t> watermark_{0};
  EventHub hub_;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_SERVICE_H_
