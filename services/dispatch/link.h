// Drives one lane of a link: takes from work_order what it owes a peer, delivers it, and brings back the
// peer's receipt, one batch under way at a time. Holds nothing that is not in work_order: kill it at any
// instant and nothing is lost.
//
//   greet ──ok──► pull (records the last receipt, long poll) ──envelopes──► deliver ──ok──► pull …
//     ▲            │        ├─ nothing for a while ─► deliver nothing: asks for the receipt
//     │            │        └─ a receipt came of itself (spool) ─► pull, and records it
//     │            └─ the peer holds what we do not know ─► backfill ─► recover ─► … ─► greet
//     └───────────── pause (doubling, with a cap) ◄──── failed ─────┘
//
// When it is our own work_order that cannot be reached, the link stays as it was and only pulls again. A fork
// is named by its first envelope and stops the lane: it is looked at again after each pause, but nothing is
// sent. A recovery by which nothing came back is a failure. A batch that is too large for the peer is none:
// fewer envelopes go in its place at once. One that is too large alone is, and stops its lane as any refusal
// does. One that is not answered in time is a failure, after which fewer go too: the line may be slow.
#ifndef SERVICES_DISPATCH_LINK_H_
#define SERVICES_DISPATCH_LINK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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
#include "common/exchange/chain.h"
#include "services/dispatch/notary.h"
#include "services/dispatch/right_of_way.h"

namespace hotline::dispatch {

// What a site can do beyond the least that the protocol asks. `signer` is what it signs with; null: nothing.
std::vector<std::string> Capabilities(const crypto::Signer* signer = nullptr);

struct LinkOptions {
  std::string hotline;  // this site
  std::string peer;
  exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY;
  int delivery_batch = 256;
  int catch_up_per_s = 20'000;  // most envelopes delivered in a second
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(10);
  absl::Duration poll = absl::Seconds(5);  // long poll of work_order; idle probes come as often
  absl::Duration delivery_timeout = absl::Seconds(10);
  absl::Duration resend_after = absl::Seconds(60);  // on a transport that stores and forwards
  uint32_t jitter_seed = 0;                         // of the pauses after failures; 0: the system's
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
  int64_t recovered = 0;  // own envelopes taken back from the peer
  int64_t forked_at = 0;  // first envelope on which the two sites disagree; 0 if they do not
  bool recovering = false;
  int peer_version = 0;  // of the protocol; 0 until the peer has answered once
  std::vector<std::string> peer_capabilities;
  // The peer's clock minus ours, and how far off that can be. Uncertainty is infinite if it was not measured.
  absl::Duration clock_skew;
  absl::Duration clock_uncertainty = absl::InfiniteDuration();
  // What of it is certain: a batch that is long on its way looks like a clock that is ahead. 0 while the
  // measurements allow that; else each moves it no further than it has to.
  absl::Duration clock_off;
};

// What a push that waits for its receipt hears.
enum class ReceiptOutcome { kReceived, kTimedOut, kLinkDown };

// Thread-safe. The ledger and the peer answer every call before this is destroyed, and the peer tells of no
// receipt any more; the executor is stopped before.
class Link {
 public:
  // On the ordinary lane, deliveries wait while `way` is not clear.
  Link(Ledger* ledger, Peer* peer, const Notary* notary, RightOfWay* way, Executor* executor,
       const Clock* clock, LinkOptions options);

  void Start();
  // Begins nothing more; waits are answered as timed out.
  void Stop();

  // The peer has just been heard: if the link pauses because it could not be reached, it tries again now, or
  // within two seconds if it tried early a moment ago: a peer that calls again and again sets no pace.
  void Nudge();
  // Calls `done` once the peer's receipt of envelope `sequence` is recorded in work_order, or at `deadline`,
  // at most 50 ms before it. It is reckoned by the clock as it stands now: setting it later makes nobody wait
  // longer. If `give_up_when_down`, also as soon as the link is down. If it already is, that is at once,
  // unless a try to reach the peer can be made now: then when that has failed, or has taken two seconds. A
  // recovery of lost history numbers envelopes anew: then the outcome is that of the deadline, at once.
  void AwaitReceipt(int64_t sequence, absl::Time deadline, bool give_up_when_down,
                    absl::AnyInvocable<void(ReceiptOutcome)> done);
  LinkHealth health() const;
  int64_t waits() const;
  // What carries it.
  const Peer& transport() const { return *peer_; }

 private:
  struct Wait {
    absl::Duration end;    // by the clock that never steps
    absl::Duration up_by;  // and if the link is not up by then
    bool give_up_when_down;
    absl::AnyInvocable<void(ReceiptOutcome)> done;
  };
  using Waits = std::vector<std::pair<Wait, ReceiptOutcome>>;

  void Greet();
  void OnGreeted(absl::StatusOr<exchange::v1::GetLinkResponse> response);
  void Pull();
  void OnPulled(int64_t poll, bool news, absl::StatusOr<workorder::v1::PullOutboxResponse> response);
  // A receipt came of itself. What waits for something to send does not go on waiting: work_order is told.
  void Hear(exchange::v1::LinkReceipt receipt);
  void Deliver(google::protobuf::RepeatedPtrField<exchange::v1::Envelope> envelopes);
  void DeliverPaced(google::protobuf::RepeatedPtrField<exchange::v1::Envelope> envelopes);
  void OnDelivered(int count, int64_t last, absl::Time sent,
                   absl::StatusOr<exchange::v1::DeliverResponse> response);
  // A transport that stores and forwards may know of no receipt yet; any other owes one.
  bool Tells(bool has_receipt) const;
  // True if the link may go on: the receipt is the peer's, or as good as not told; else the link has failed.
  bool Adopt(exchange::v1::LinkReceipt receipt);
  void MeasureSkew(const exchange::v1::DeliverResponse& response, absl::Time sent);

  // Takes back from the peer what this site once sent and no longer knows. `why` says that there is such.
  void StartRecovery(absl::Status why);
  void AskBackfill(int64_t after);
  void Recover(int64_t after, exchange::v1::BackfillResponse response);
  void FindFork(int64_t same, int64_t other);

  void Fail(const absl::Status& why, absl::Duration least_pause = absl::ZeroDuration());
  void EndPause(int64_t pause);
  // Ends the pause under way early. True if a try that began so is under way, or begins now.
  bool Hurry() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The peer can be reached, but what it says does not bring the two sites together.
  void FailRecovery(const absl::Status& why);
  // Learns what has been committed for the peer meanwhile: while the link is down nobody pulls it.
  void CountWaiting(const CallContext& call);
  void FailForked(int64_t sequence);
  void PullLater();
  void GoUp();
  void Tick();
  CallContext NewCall(absl::Duration timeout) const;
  static void Answer(Waits waits);

  Ledger* const ledger_;
  Peer* const peer_;
  const Notary* const notary_;
  RightOfWay* const way_;
  Executor* const executor_;
  const Clock* const clock_;
  const LinkOptions options_;

  mutable Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  LinkHealth health_ ABSL_GUARDED_BY(mu_);
  int64_t pauses_ ABSL_GUARDED_BY(mu_) = 0;  // begun so far
  bool pausing_ ABSL_GUARDED_BY(mu_) = false;
  int64_t hurried_ ABSL_GUARDED_BY(mu_) = -1;  // last pause that ends early
  // When it does, by the clock that never steps.
  absl::Duration hurry_time_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
  int64_t polls_ ABSL_GUARDED_BY(mu_) = 0;     // begun so far
  bool polling_ ABSL_GUARDED_BY(mu_) = false;  // and the last one does nothing but wait
  std::optional<exchange::v1::LinkReceipt> heard_ ABSL_GUARDED_BY(mu_);  // came of itself, not yet adopted
  std::multimap<int64_t, Wait> waits_ ABSL_GUARDED_BY(mu_);              // by sequence
  // What work_order says the peer has received, as of its last answer; 0 while it gives none: its store may
  // have been set back meanwhile, and the number be another envelope's.
  int64_t recorded_ ABSL_GUARDED_BY(mu_) = 0;
  // Up to here a recovery may have numbered envelopes anew, so a number alone says nothing.
  int64_t stale_through_ ABSL_GUARDED_BY(mu_) = 0;
  // Touched by the one step under way.
  Backoff backoff_;
  std::minstd_rand random_;
  bool has_receipt_ = false;
  // Halved when a batch is too large or not answered in time, one more with each that is taken, unless it
  // took more than half of that time and was many, or with one more would probably take all of it.
  int batch_limit_;
  int backfill_limit_;    // of what is taken back: halved when not answered in time, else one more each time
  bool greeted_ = false;  // the peer answered the last greeting
  bool refused_ = false;  // the last delivery of envelopes failed
  bool forked_ = false;   // reachable, but what it says does not continue the chain
  exchange::v1::LinkReceipt receipt_;
  exchange::v1::LinkReceipt incoming_;  // what we have received from the peer, for it to check itself by
  int64_t handed_over_ = 0;             // on a transport that stores and forwards: last envelope given to it
  absl::Time progress_time_;            // and when the receipt last moved, or all was acknowledged
  absl::Time send_time_;                // of the last batch with envelopes
  absl::Duration send_worth_;           // and the time that the rate allows it
  // Of the recovery under way.
  int64_t acknowledged_before_ = 0;
  int64_t outgoing_before_ = 0;
  bool regained_ = false;  // something was taken back
  absl::Status recovery_cause_;
  std::string traceparent_;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_LINK_H_
