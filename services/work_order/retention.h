// Erases what is over and has been kept long enough, and keeps what is under a legal hold. Implements
// RetentionService; the edge serves it.
//
// The job reads on an executor of its own and erases by commands, a few in a commit, so that it holds up no
// push for longer than any other command does. An order is due when it has ended here, has not changed for
// the days of the configuration, is under no hold, and nothing about it is still owed to a peer. What a peer
// sent and no order was made of, an offer that was not understood above all, is due so many days after it
// came.
//
// Nothing brings back what a wrong clock has erased. So the job puts it off, for a person to look at the
// time, unless the log's latest event of more than a week ago is not older than two weeks, or the clock has
// gone for a week since the start without a leap. It says so once a day, be it that the clock leapt or that
// nothing happened here for so long. That is a delay and proves nothing: after a week of events by a wrong
// clock the job erases by it. Who calls RunRetention has looked at the time.
#ifndef SERVICES_WORK_ORDER_RETENTION_H_
#define SERVICES_WORK_ORDER_RETENTION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/call.h"
#include "common/contract/ledger.h"
#include "common/retention/erase.h"
#include "hotline/operation/v1/retention_service.pb.h"
#include "hotline/workorder/v1/ledger_service.pb.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {

struct RetentionOptions {
  std::string hotline;
  // That are configured. What is owed to another keeps no order: nobody delivers it.
  std::set<std::string> peers;
  int content_days = 1095;  // -1: nothing is erased
  int hour = 3;             // of the day in Beijing at which the job begins
  // Engine::EraseStrays: what peers sent and no order was made of goes so long after it came. None: it stays.
  std::function<void(std::vector<int64_t> places, absl::AnyInvocable<void(absl::Status)> done)> erase_strays;
  std::function<void(int64_t erased)> on_run = [](int64_t) {};  // a run of the job has ended
  // A run of the job could not go on, and is tried again in five minutes; or it has ended, but some orders
  // cannot be erased, the first of them for this reason; or there was none today, as the clock is in doubt
  // (FAILED_PRECONDITION). No personal data.
  std::function<void(const absl::Status&)> on_failure = [](const absl::Status&) {};
};

// Methods are thread-safe. `executor` is stopped before this is destroyed.
class Retention {
 public:
  // All but the reader outlive it.
  Retention(Ledger* ledger, std::unique_ptr<Reader> reader, Executor* executor, const Clock* clock,
            RetentionOptions options);

  // Begins the daily job.
  void Start();

  // PlaceHold and ReleaseHold. Of what was written the answer's order has the hold alone.
  void Execute(const CallContext& call, type::v1::Command command, Done<workorder::v1::CommandResult> done);
  void ListHolds(const CallContext& call, operation::v1::ListHoldsRequest request,
                 Done<operation::v1::ListHoldsResponse> done);
  void GetRetention(const CallContext& call, operation::v1::GetRetentionRequest request,
                    Done<operation::v1::GetRetentionResponse> done);
  void RunRetention(const CallContext& call, operation::v1::RunRetentionRequest request,
                    Done<operation::v1::RunRetentionResponse> done);

  int64_t erased() const { return erased_.load(); }

 private:
  // A run: by the job, or for a call that waits for it.
  struct Run {
    absl::Time now;
    absl::Time deadline = absl::InfiniteFuture();
    int64_t after_id = 0;
    int64_t after_place = 0;  // of what no order was made of
    int64_t erased = 0;
    int64_t failed = 0;                   // orders that were passed over
    absl::Status failure;                 // why the first of them was
    std::set<int64_t> owed;               // orders with envelopes that a peer has not acknowledged
    std::set<std::string> unclear_peers;  // with more of them than are looked through
    std::function<void(const absl::Status&, const Run&, bool done)> ended;
  };
  // Orders that are due, at most `limit`, from `run.after_id` on; sets that. `*end`: there are no more.
  absl::StatusOr<std::vector<type::v1::WorkOrder>> NextDue(Run& run, int limit, bool* end);
  absl::Status LookAtLinks(Run& run);
  // What the erasure of an order will leave of its events, the latest of which is `last_sequence`.
  absl::StatusOr<retention::Attestation> Attest(int64_t last_sequence);
  bool IsDue(const type::v1::WorkOrder& order, const Run& run) const;
  // One that cannot be erased does not keep the later ones.
  static void PassOver(Run& run, const absl::Status& why);
  void Step(std::shared_ptr<Run> run);
  void StepStrays(std::shared_ptr<Run> run);
  // After a step, `all` the last one of the run.
  void GoOn(std::shared_ptr<Run> run, bool all, void (Retention::*step)(std::shared_ptr<Run>));
  void Watch();
  // A run of the job.
  void Begin(absl::Time now);
  // FAILED_PRECONDITION if `now` may come of a leap.
  absl::Status CheckClock(absl::Time now);
  // When an event was committed; InfiniteFuture if it cannot be read.
  absl::StatusOr<absl::Time> TimeOf(int64_t sequence);

  Ledger* const ledger_;
  const std::unique_ptr<Reader> reader_;  // on `executor_` only
  Executor* const executor_;
  const Clock* const clock_;
  const RetentionOptions options_;
  std::atomic<int64_t> erased_{0};
  // On `executor_` only.
  absl::CivilDay last_day_;
  absl::Time last_run_ = absl::InfinitePast();
  absl::Time steady_origin_ = absl::InfinitePast();  // the clock's time at 0 of its Steady, at the last look
  absl::Duration steady_since_;                      // by Steady: no leap since
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_RETENTION_H_
