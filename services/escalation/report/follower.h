// Reads the site's log for the reports, behind and apart from the clocks: a loop, a store and a cursor of its
// own. It may be slow, stopped or rebuilt without any deadline being late for it.
//
// Every batch of events is one transaction: the condensed events, each touched order's running clocks and
// docket items as its whole history gives them, and the cursor. What the store holds is a pure function of
// the log up to the cursor and of the deadlines in force.
#ifndef SERVICES_ESCALATION_REPORT_FOLLOWER_H_
#define SERVICES_ESCALATION_REPORT_FOLLOWER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/ledger.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/report/store/store.h"

namespace hotline::escalation::report {

struct FollowerOptions {
  // Events in one read and one transaction, 1 to 1,000.
  int read_limit = 1000;
  // Longest wait of a read at the log's head: so long after a period its figures may have to wait.
  absl::Duration read_wait = absl::Seconds(2);
  // Between two batches. At the head, so that an order that moves several times in a moment is read once:
  absl::Duration head_pause = absl::Seconds(1);
  // Behind it, where the events are of this minute, so that a rush of orders is not slowed down by its own
  // statistics (with full batches 250 events a second; at 1,000 they took 5 % of what two cores can hand
  // over), and where they are older (10,000 a second):
  absl::Duration rush_pause = absl::Seconds(4);
  absl::Duration catch_up_pause = absl::Milliseconds(100);
  // Pauses after a failed read.
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(5);
  // Of the jitter in those pauses. 0: the system's.
  uint32_t jitter_seed = 0;
};

// What others are told. Called on the follower's executor.
class FollowerListener {
 public:
  virtual ~FollowerListener() = default;
  // The store failed; the reports stand still until the process is started again.
  virtual void OnStoreFailed(const absl::Status& status) = 0;
};

// Thread-safe where not said otherwise.
class Follower {
 public:
  struct Stats {
    int64_t cursor = 0;  // log read up to here
    int64_t head = 0;    // of the log, as last heard
    // Everything committed before this instant is known. InfinitePast: nothing is known yet, since the start.
    absl::Time known_until = absl::InfinitePast();
  };

  // All pointers outlive the follower and every task on `executor`. `store` is used on `executor` only, from
  // Start on.
  Follower(Executor* executor, const hotline::Clock* clock, Ledger* ledger, Store* store,
           DeadlinesNow deadlines, std::string site, FollowerListener* listener,
           FollowerOptions options = {});
  ~Follower();

  // Errors: those of reading the store. Once.
  absl::Status Start();
  // Begins nothing any more.
  void Stop();

  Stats stats() const;

 private:
  class State;
  const std::shared_ptr<State> state_;
};

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_FOLLOWER_H_
