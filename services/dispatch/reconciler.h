// Compares with a peer what both sites share, finds exactly the handoffs that differ, and sends again what
// this site is the one to say. Asks for digests of ranges, and goes on only where they differ: for k
// differences among n handoffs the peer is asked about k·log(n) ranges, several at a time. Holds nothing that
// has to survive a restart.
#ifndef SERVICES_DISPATCH_RECONCILER_H_
#define SERVICES_DISPATCH_RECONCILER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/ledger.h"
#include "common/contract/peer.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"

namespace hotline::dispatch {

struct ReconcilerOptions {
  std::string hotline;  // this site
  // Between two comparisons of its own with each peer, which also repair. Infinite: none.
  absl::Duration interval = absl::InfiniteDuration();
  // Before what differs is looked at for the last time, so that what is under way arrives; half of it before
  // the time before that, and so on.
  absl::Duration pause = absl::Seconds(2);
  absl::Duration call_timeout = absl::Seconds(20);
  // For a transport that stores and forwards.
  absl::Duration slow_call_timeout = absl::Hours(24 * 7);
  // Whether a peer offers to compare, as far as is known. Empty: all do.
  std::function<bool(const std::string& peer)> offers;
};

// How the comparisons with a peer have gone since this process began.
struct ReconcileHealth {
  absl::Time end_time = absl::InfinitePast();  // of the last that came to its end
  int64_t differences = 0;                     // that it left
  int64_t completed = 0;
  int64_t failed = 0;
};

// Thread-safe. `ledger` and `peers` answer every call before this is destroyed, and outlive it; `executor` is
// stopped before.
class Reconciler {
 public:
  Reconciler(Ledger* ledger, std::map<std::string, Peer*> peers, Executor* executor, const Clock* clock,
             ReconcilerOptions options);
  ~Reconciler();

  // Begins to compare on schedule, with the peers that offer it by then.
  void Start();
  // Begins nothing more; what is under way ends with DRAINING.
  void Stop();
  // See DispatchService.ReconcileLink. Answered at the call's deadline at the latest, with DEADLINE_EXCEEDED;
  // the comparison goes on. OVERLOADED where 64 wait for the same one already; PeerDoesNotOffer. What an
  // exchange with the peer fails with is told as error::OfPeer() says.
  void Run(const CallContext& call, v1::ReconcileLinkRequest request, Done<v1::ReconcileLinkResponse> done);
  // `peer` is one of those given.
  ReconcileHealth health(const std::string& peer) const;
  // False for a peer that is known not to offer to compare.
  bool Compares(const std::string& peer) const { return !options_.offers || options_.offers(peer); }

 private:
  class Comparison;
  using Waiting = Done<v1::ReconcileLinkResponse>;

  void Schedule(const std::string& peer);
  // `waiting_` has the peer already.
  void Begin(v1::ReconcileLinkRequest request);
  void Expire(const std::string& peer, int64_t number);
  void Finish(const std::string& peer, absl::StatusOr<v1::ReconcileLinkResponse> result);
  bool stopped() const;

  Ledger* const ledger_;
  const std::map<std::string, Peer*> peers_;
  Executor* const executor_;
  const Clock* const clock_;
  const ReconcilerOptions options_;
  mutable Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  // Who waits for the comparison under way, by peer and in the order in which they came; a peer is here while
  // it is compared with.
  std::map<std::string, std::map<int64_t, Waiting>> waiting_ ABSL_GUARDED_BY(mu_);
  int64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, ReconcileHealth> health_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_RECONCILER_H_
