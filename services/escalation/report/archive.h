// Orders' histories as of an instant, read from the reports' store.
#ifndef SERVICES_ESCALATION_REPORT_ARCHIVE_H_
#define SERVICES_ESCALATION_REPORT_ARCHIVE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/contract/call.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/report/core/history.h"
#include "services/escalation/report/core/period.h"
#include "services/escalation/report/follower.h"
#include "services/escalation/report/store/store.h"

namespace hotline::escalation::report {

// Used by one thread at a time.
class Archive {
 public:
  // Orders that one figure may be computed from. A county has about 40,000 a year.
  static constexpr int64_t kMaxOrders = 1'000'000;
  // Parties that are told apart where their number must be bounded, and what the others go by.
  static constexpr size_t kMaxParties = 1000;
  static constexpr char kOtherParties[] = "other";

  // `clock` and `deadlines` outlive it. `progress` tells how far the store follows the log.
  Archive(std::unique_ptr<Reader> reader, const hotline::Clock* clock, DeadlinesNow deadlines,
          std::string site, std::function<Follower::Stats()> progress);

  // Until when events count for a figure of `period`: its end, or what is known by now if it goes on.
  // REPORT_BEHIND if the log has not been read that far.
  absl::StatusOr<absl::Time> KnowledgeFor(const Period& period, absl::Time now) const;
  // Gives each order that the period may concern to `visit`, as known at `knowledge`. Errors:
  // REPORT_TOO_LARGE for the field `period`, DEADLINE_EXCEEDED, STORE_FAILED.
  absl::Status Visit(const Period& period, absl::Time knowledge, const CallContext& call,
                     absl::FunctionRef<void(const History&)> visit);
  // The order as known at `knowledge`; nothing if it had no event by then.
  absl::StatusOr<std::optional<History>> Read(int64_t id, absl::Time knowledge);
  // By id or number; ORDER_NOT_FOUND.
  absl::StatusOr<History> Find(const std::string& id_or_number);
  // The order's condensed events.
  absl::StatusOr<std::vector<type::v1::Event>> Events(int64_t id);

  // As the reader's, with a bounded number of parties: the first that are seen, for as long as it lives, and
  // the others together.
  absl::StatusOr<std::vector<DeadlineCount>> CountDeadlines(absl::Time now);

  Reader& reader() { return *reader_; }
  Follower::Stats progress() const { return progress_(); }

 private:
  const std::unique_ptr<Reader> reader_;
  const hotline::Clock* const clock_;
  const DeadlinesNow deadlines_;
  const std::string site_;
  const std::function<Follower::Stats()> progress_;
  std::set<std::string> named_;  // by CountDeadlines
};

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_ARCHIVE_H_
