// Drives one link: takes from work_order what it owes a peer, delivers it, and brings back the peer's
// receipt, one batch under way at a time. Holds nothing that is not in work_order: kill it at any instant and
// nothing is lost.
//
//   probe ──ok──► pull (records the last receipt, long poll) ──envelopes──► deliver ──ok──► pull …
//     ▲                     └─ nothing for a while ─► probe         │
//     └───────────── pause (doubling, with a cap) ◄──── failed ─────┘
//
// When it is our own work_order that cannot be reached, the link stays as it was and only pulls again.
#ifndef SERVICES_DISPATCH_LINK_H_
#define SERVICES_DISPATCH_LINK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/ledger.h"
#include "common/contract/peer.h"

namespace hotline::dispatch {

inline constexpr int kProtocolVersion = 1;

struct LinkOptions {
  std::string hotline;  // this site
  std::string peer;
  int delivery_batch = 256;
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(10);
  absl::Duration poll = absl::Seconds(5);  // long poll of work_order; idle probes come as often
  absl::Duration delivery_timeout = absl::Seconds(10);
  uint32_t jitter_seed = 0;  // of the pauses after failures; 0: the system's
  // Told when the link goes up or down, with the failure that took it down. May be empty.
  std::function<void(bool up, const absl::Status& why)> on_change;
};

// How the link is doing, as this process knows it.
struct LinkHealth {
  bool up = false;
  absl::Time acknowledge_time;  // InfinitePast if never
  absl::Time next_try_time;     // InfinitePast if up
  absl::Status last_error;
  int64_t acknowledged = 0;
  int64_t outgoing = 0;
  int64_t deliveries = 0;
  int64_t failed_deliveries = 0;
  int64_t envelopes = 0;  // delivered, repeats included
};

// What a push that waits for its receipt hears.
enum class ReceiptOutcome { kReceived, kTimedOut, kLinkDown };

// Thread-safe. The ledger and the peer answer every call before this is destroyed; the executor is stopped
// before.
class Link {
 public:
  Link(Ledger* ledger, Peer* peer, Executor* executor, const Clock* clock, LinkOptions options);

  void Start();
  // Begins nothing more; waits are answered as timed out.
  void Stop();

  // The peer has just been heard: if the link pauses after a failure, it tries again now.
  void Nudge();
  // Calls `done` once the peer's receipt of envelope `sequence` is recorded in work_order, or at `deadline`
  // as the clock stands now: setting the clock makes nobody wait longer. If `give_up_when_down`, also as soon
  // as the link is down, at once if it already is.
  void AwaitReceipt(int64_t sequence, absl::Time deadline, bool give_up_when_down,
                    absl::AnyInvocable<void(ReceiptOutcome)> done);
  LinkHealth health() const;
  int64_t waits() const;

 private:
  struct Wait {
    absl::Duration left;
    bool give_up_when_down;
    absl::AnyInvocable<void(ReceiptOutcome)> done;
  };
  using Waits = std::vector<std::pair<Wait, ReceiptOutcome>>;

  void Probe();
  void Pull();
  void Deliver(google::protobuf::RepeatedPtrField<exchange::v1::Envelope> envelopes);
  void OnDelivered(int count, absl::StatusOr<exchange::v1::DeliverResponse> response);
  void Fail(const absl::Status& why);
  void PullLater();
  void GoUp();
  void Tick();
  CallContext NewCall(absl::Duration timeout) const;
  static void Answer(Waits waits);

  Ledger* const ledger_;
  Peer* const peer_;
  Executor* const executor_;
  const Clock* const clock_;
  const LinkOptions options_;

  mutable Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  LinkHealth health_ ABSL_GUARDED_BY(mu_);
  int64_t pauses_ ABSL_GUARDED_BY(mu_) = 0;  // begun so far
  bool pausing_ ABSL_GUARDED_BY(mu_) = false;
  std::multimap<int64_t, Wait> waits_ ABSL_GUARDED_BY(mu_);  // by sequence
  // Touched by the one step under way.
  Backoff backoff_;
  std::minstd_rand random_;
  bool has_receipt_ = false;
  bool forked_ = false;  // reachable, but what it says does not continue the chain
  exchange::v1::LinkReceipt receipt_;
  std::string traceparent_;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_LINK_H_
