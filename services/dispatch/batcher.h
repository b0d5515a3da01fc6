// Gathers commands for work_order: few batches are under way, the next collects meanwhile. No timers, so
// nothing waits when nothing is under way.
#ifndef SERVICES_DISPATCH_BATCHER_H_
#define SERVICES_DISPATCH_BATCHER_H_

#include <atomic>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/contract/ledger.h"
#include "services/dispatch/right_of_way.h"

namespace hotline::dispatch {

struct BatcherOptions {
  int queue_limit = 8192;     // commands that may wait
  int emergency_room = 1024;  // more, for emergencies only
  // Most commands in one batch: small, so that little is in an emergency's way anywhere. Work_order commits
  // several at once.
  int batch_limit = 32;
  // And their bytes, of which work_order takes 5 MiB at once; a single command may have more.
  size_t batch_bytes = size_t{1} << 20;
  // Bytes that may wait, and how many more for emergencies only.
  size_t queue_bytes = size_t{64} << 20;
  size_t emergency_bytes = size_t{8} << 20;
  // Batches under way at once. A second one keeps both sides busy while the first waits for the disk. One of
  // emergencies comes on top. Where there are emergencies there is one ordinary batch only, of half the size,
  // and a rest of four times as long after each, up to `longest_rest`: the next emergency meets less of it,
  // at this site and at the peer, and a processor that has time for it.
  int batches = 2;
  absl::Duration longest_rest = absl::Milliseconds(80);
  absl::Duration timeout = absl::Seconds(20);
};

// More than any command that work_order could accept.
inline constexpr size_t kMaxCommandBytes = size_t{512} << 10;

// Thread-safe. `done` is called on the ledger's thread; at once if the queue is full or too long for the
// command's deadline (OVERLOADED) or the command larger than kMaxCommandBytes (TEXT_TOO_LONG for its largest
// field); or, once that deadline has passed in the queue (OVERLOADED), on whatever thread sends the next
// batch. The ledger answers every call before this is destroyed.
class Batcher {
 public:
  Batcher(Ledger* ledger, RightOfWay* way, const Clock* clock, BatcherOptions options)
      : ledger_(ledger), way_(way), clock_(clock), options_(options) {}

  // Emergencies go ahead of what waits, in batches of their own; while one is under way, ordinary batches
  // wait. An ordinary command whose turn would not come by `deadline`, as long as they wait now, is refused
  // at once; one that has not left by then all the same never does, and is refused then. Its caller has gone
  // or is going, and what is done for nobody is in the way of who still waits: beyond its capacity a site
  // would soon do nothing else.
  void Submit(type::v1::Command command, bool emergency, absl::Time deadline,
              Done<workorder::v1::CommandResult> done);

  int64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  // An ordinary command would be refused now, whatever its deadline.
  bool full() const {
    return waiting() >= options_.queue_limit ||
           waiting_bytes_.load(std::memory_order_relaxed) >= options_.queue_bytes;
  }
  // With what.
  static absl::Status Full();
  // Commands that were refused with it; who refuses one before it is submitted says so.
  int64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }
  void NoteRejected(int64_t count) { rejected_.fetch_add(count, std::memory_order_relaxed); }

 private:
  struct Waiting {
    type::v1::Command command;
    Done<workorder::v1::CommandResult> done;
    size_t bytes;
    // By the clock that nobody sets.
    absl::Duration came;
    absl::Duration late_at;
  };
  // Commands that wait, and how many batches of them are under way.
  struct Queue {
    std::deque<Waiting> waiting;
    size_t bytes = 0;  // of them
    int under_way = 0;
  };
  // How many batches of a queue may be under way now, and how many commands each may have.
  struct Room {
    int batches;
    size_t commands;
  };
  Room RoomOf(bool emergency) const;
  // How long no ordinary batch leaves after one that left then and is answered now.
  absl::Duration RestAfter(absl::Time sent) const;
  // Sends the next batch of the queue; called with one place under way taken.
  void Send(bool emergency);
  void SendOrdinary() {
    way_->Yield([this] { Send(false); });
  }
  using Dones = std::vector<Done<workorder::v1::CommandResult>>;
  void Execute(bool emergency, absl::Time sent, workorder::v1::ExecuteRequest request, Dones dones);
  static void Answer(Dones dones, absl::StatusOr<workorder::v1::ExecuteResponse> response);
  // Moves commands of the queue to `request` and `dones`, at most as `room` has it, and those that are too
  // late to `late`, some hundreds at most.
  void TakeFrom(Queue& queue, const Room& room, absl::Duration now, workorder::v1::ExecuteRequest* request,
                Dones* dones, std::vector<Waiting>* late) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Ledger* const ledger_;
  RightOfWay* const way_;
  const Clock* const clock_;
  const BatcherOptions options_;
  std::atomic<int64_t> waiting_{0};
  std::atomic<size_t> waiting_bytes_{0};
  std::atomic<int64_t> rejected_{0};
  Mutex mu_;
  Queue ordinary_ ABSL_GUARDED_BY(mu_);
  Queue emergencies_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_BATCHER_H_
