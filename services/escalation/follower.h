// Follows the site's log and takes the rungs of the ladder when they are due.
//
// One loop reads the log by long polls, applies what it reads to the clocks, and commits clocks and cursor in
// one transaction. When rungs are due it sends them to the ledger as commands with derived request ids, one
// batch in flight; the rung counts as taken only when its event is read back from the log. So each rung is
// taken exactly once, wherever the process is killed: a command that was sent but not read back is sent again
// with the same id, and gets the same answer.
//
// The urgent go first: they have a queue of their own, which is emptied before the others', and the others
// are taken at a bounded rate, the oldest first, so that the backlog of a downtime is no storm.
//
// A publication (another policy, other calendars) moves the open clocks in batches behind that: each that
// moves has an event of its own (DeadlineMove), sent and read back like a rung. How far that has come is in
// the store, and a clock that was moved says so itself: killed in the midst it goes on, and moves nothing
// twice, whatever else came into force meanwhile. An event from before the publication that is read only
// after it is applied by what held before: its order is looked at again.
//
// A RESULT_BACK rung is for a result that has not arrived: before one is taken the links are looked at, and a
// clock whose result the giver has acknowledged waits for the giver's next move.
//
// A log is followed as long as it is the same: after a start, and whenever work_order did not answer, the
// last event that was read is read again and compared, because a work_order that was restored from a backup
// may have another history by then, shorter or not. Then nothing is followed or taken any more, and the
// listener is told (OnLedger); who deletes the store has it rebuilt.
//
// Rungs are taken only on fresh knowledge of the log (read up to its head, or no more than a few seconds
// behind), so that after a downtime an order that was signed meanwhile is not urged.
#ifndef SERVICES_ESCALATION_FOLLOWER_H_
#define SERVICES_ESCALATION_FOLLOWER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/ledger.h"
#include "common/stream/event_hub.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/store/store.h"

namespace hotline::escalation {

struct FollowerOptions {
  // Events in one read, 1 to 1,000.
  int read_limit = 1000;
  // As long as reads are full they are gathered up to so many events and applied in one transaction: an order
  // moves several times within moments, and is then loaded and written once.
  int gather_limit = 4000;
  // Longest wait of a read at the log's head.
  absl::Duration read_wait = absl::Seconds(10);
  // When a read gave `busy_events` or more, but not all it could have, the next one waits for `busy_pause`:
  // an order that moves several times in a moment is then loaded and written once.
  int busy_events = 1;
  absl::Duration busy_pause = absl::Milliseconds(200);
  // Rungs in one batch of commands, 1 to 256: each may have an alarm beside it.
  int fire_limit = 256;
  // Most rungs of ordinary orders in a second.
  int rungs_per_s = 20'000;
  // Clocks looked at in one step of moving them to a publication, 1 to 512.
  int move_limit = 512;
  // Clocks that are expected to show a firing's lateness without an order: see Canary in the metrics. How
  // often.
  absl::Duration canary_every = absl::Seconds(10);
  // A system clock that departs from the monotonic one by more than this between two looks was stepped.
  absl::Duration step_tolerance = absl::Milliseconds(500);
  // Beyond this difference from work_order's clock neither can be trusted.
  absl::Duration skew_tolerance = absl::Seconds(2);
  // Knowledge of the log that is older than this takes no rungs.
  absl::Duration stale_after = absl::Seconds(5);
  // Longest sleep before looking at the wall clock again, which may have been set.
  absl::Duration look_again = absl::Seconds(1);
  // Pauses after a failed read or a failed batch of commands.
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(5);
  // A rung that work_order refuses is tried again after it has been late for as long as it was, between
  // these.
  absl::Duration refused_min = absl::Seconds(30);
  absl::Duration refused_max = absl::Hours(1);
  // Of the jitter in those pauses. 0: the system's.
  uint32_t jitter_seed = 0;
};

// How far the system clock can be trusted.
struct ClockTrust {
  bool trusted = true;
  // Steps seen since the start, and the last one's size (forwards is positive).
  int64_t steps = 0;
  absl::Duration last_step = absl::ZeroDuration();
  // work_order's clock minus this one, as the last event showed that tells: it was committed before it was
  // read, and, if it was waited for, after it was asked for. As it was known before, as far
  // as these allow.
  absl::Duration skew = absl::ZeroDuration();
  // A peer's clock minus work_order's, as the receipt of an offer measured it last, taken as near to zero as
  // the measurement allows; zero once that is old.
  absl::Duration peer_skew = absl::ZeroDuration();
};

// What others are told. Called on the follower's executor.
class FollowerListener {
 public:
  virtual ~FollowerListener() = default;
  // The log has been read up to its head for the first time since start; `cursor` is that head.
  virtual void OnCaughtUp(int64_t cursor) = 0;
  // These events, consecutive, have been applied and committed; a rung's `bytes` are its
  // v1::EscalationRecord, other events are not shown. Only after OnCaughtUp.
  virtual void OnApplied(EventHub::Items items) = 0;
  // The ledger answers (OK), or it does not, or its log is another than the one that was followed (INTERNAL).
  // Told on every change.
  virtual void OnLedger(const absl::Status& status) = 0;
  // The log is followed up to here. Told before OnApplied.
  virtual void OnProgress(int64_t cursor) = 0;
  // A person took note of a rung. Told as the log is read, so again when it is read again.
  virtual void OnAcknowledged(const type::v1::Event&) {}
  // A rung of a clock was recorded, so long after it was due. Not told of rungs older than a minute, which
  // are history being read again.
  virtual void OnRung(absl::Duration late) = 0;
  // A clock without an order, armed a while ahead, was looked at so long after it was due.
  virtual void OnCanary(absl::Duration) {}
  // Whether the system clock can be trusted: it was not stepped against the monotonic one lately, and agrees
  // with work_order's and with the peers'. Told on every change.
  virtual void OnClockTrust(const ClockTrust&) {}
  // The clocks have been moved so far to the latest publication.
  virtual void OnMoved(const MoveProgress&) {}
  // work_order refused to record `count` rungs; `order_id` (an id) and `status` are the first one's.
  virtual void OnRefused(int64_t count, const std::string& order_id, const absl::Status& status) = 0;
  // The store failed; nothing is followed any more until the process is started again.
  virtual void OnStoreFailed(const absl::Status& status) = 0;
};

// Thread-safe where not said otherwise.
class Follower {
 public:
  // What metrics show.
  struct Stats {
    int64_t cursor = 0;  // log followed up to here
    int64_t head = 0;    // of the log, as last heard
    bool fresh = false;  // rungs may be taken
    int64_t refused = 0;
    Tallies tallies;
    std::shared_ptr<const Census> census = std::make_shared<const Census>();
    MoveProgress moving;
    ClockTrust trust;
  };

  // All pointers outlive the follower and every task on `executor`. `store` is used on `executor` only, from
  // Start on.
  Follower(Executor* executor, const hotline::Clock* clock, Ledger* ledger, Store* store, Deadlines deadlines,
           std::string site, FollowerListener* listener, FollowerOptions options = {});
  ~Follower();

  // What holds now. Thread-safe.
  std::shared_ptr<const Deadlines> deadlines() const;
  // Puts `next`, the publication after the latest, into force and begins to move the open clocks. `keep`
  // writes it down for good and is called first, on the executor; `next.time` is set before it is: not before
  // the latest event that was applied. Errors: PUBLICATION_RUNNING, PREVIEW_STALE (its number is not the
  // next), those of `keep`.
  void Publish(Publication next, std::function<absl::Status(const Publication&)> keep, Done<int64_t> done);

  // Errors: those of reading the store. Once.
  absl::Status Start();
  // Begins nothing any more. Answers under way are dropped when they come.
  void Stop();

  Stats stats() const;

 private:
  class State;
  const std::shared_ptr<State> state_;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_FOLLOWER_H_
