#include "services/dispatch/link.h"

#include <algorithm>
#include <utility>

#include "common/base/id.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"

namespace hotline::dispatch {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
// Beyond a long poll, so that a poll that was not answered shows as a failure of its own.
constexpr absl::Duration kPollSlack = absl::Seconds(10);
constexpr absl::Duration kLedgerTimeout = absl::Seconds(10);
// Between two tries that begin early. It is also about as long as one attempt to connect may take, so that
// who stands at the telephone does not wait longer for one.
constexpr absl::Duration kHurryEvery = absl::Seconds(2);
constexpr absl::Duration kPaceGrain = absl::Milliseconds(20);
constexpr int kBackfillBatch = 512;
// Fewer envelopes than this, or as many, do not take long for being so many.
constexpr int kFew = 8;
constexpr size_t kMaxPeerCapabilities = 64;
// Whatever a peer asks for: one that has lost its way must not silence the lane for good.
constexpr absl::Duration kLongestRetryDelay = absl::Minutes(1);

bool IsBehind(const absl::Status& status) {
  return error::ReasonOf(status) == error::Reason::ERROR_REASON_LINK_BEHIND;
}
bool IsErased(const absl::Status& status) {
  return error::ReasonOf(status) == error::Reason::ERROR_REASON_CONTENT_ERASED;
}
bool IsForked(const absl::Status& status) {
  return error::ReasonOf(status) == error::Reason::ERROR_REASON_LINK_FORKED;
}
// gRPC's own refusal has no reason. Who says when to come back is not asking for less.
bool IsTooLarge(const absl::Status& status) {
  const error::Reason reason = error::ReasonOf(status);
  return reason == error::Reason::ERROR_REASON_BATCH_TOO_LARGE ||
         (reason == error::Reason::ERROR_REASON_UNSPECIFIED && absl::IsResourceExhausted(status) &&
          error::RetryDelayOf(status) == absl::ZeroDuration());
}

// Rather than that a batch cannot be handed over now.
bool IsRefusal(const absl::Status& status) {
  return error::ReasonOf(status) != error::Reason::ERROR_REASON_UNSPECIFIED && !absl::IsUnavailable(status) &&
         !absl::IsResourceExhausted(status);
}

absl::Status NotAsked() {
  return error::Internal("the peer handed back other envelopes than those asked for");
}

}  // namespace

std::vector<std::string> Capabilities(const crypto::Signer* signer) {
  std::vector<std::string> capabilities = {"backfill", "reconcile"};
  if (signer != nullptr) capabilities.push_back(StrCat("sign:", crypto::AlgorithmName(signer->algorithm())));
  return capabilities;
}

Link::Link(Ledger* ledger, Peer* peer, const Notary* notary, RightOfWay* way, Executor* executor,
           const Clock* clock, LinkOptions options)
    : ledger_(ledger),
      peer_(peer),
      notary_(notary),
      way_(way),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      backoff_(options_.backoff_min, options_.backoff_max),
      random_(NewJitter(options_.jitter_seed)),
      batch_limit_(options_.delivery_batch),
      backfill_limit_(kBackfillBatch) {
  receipt_.set_lane(options_.lane);
  progress_time_ = absl::InfinitePast();
  send_time_ = absl::InfinitePast();
  health_.acknowledge_time = absl::InfinitePast();
  health_.next_try_time = absl::InfinitePast();
}

void Link::Start() {
  peer_->OnReceipt(options_.lane, [this](exchange::v1::LinkReceipt receipt) { Hear(std::move(receipt)); });
  executor_->Post([this] { Greet(); });
  executor_->PostAfter(kTick, [this] { Tick(); });
}

void Link::Stop() {
  Waits over;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    for (auto& [sequence, wait] : waits_) over.emplace_back(std::move(wait), ReceiptOutcome::kTimedOut);
    waits_.clear();
  }
  Answer(std::move(over));
}

void Link::AwaitReceipt(int64_t sequence, absl::Time deadline, bool give_up_when_down,
                        absl::AnyInvocable<void(ReceiptOutcome)> done) {
  ReceiptOutcome outcome;
  {
    MutexLock lock(&mu_);
    if (sequence > stale_through_ && recorded_ >= sequence) {
      outcome = ReceiptOutcome::kReceived;
    } else if (stopped_ || sequence <= stale_through_) {
      outcome = ReceiptOutcome::kTimedOut;
    } else if (give_up_when_down && !health_.up && !Hurry()) {
      outcome = ReceiptOutcome::kLinkDown;
    } else {
      const absl::Duration now = clock_->Steady();
      const absl::Duration up_by =
          give_up_when_down && !health_.up ? now + kHurryEvery : absl::InfiniteDuration();
      waits_.emplace(sequence,
                     Wait{now + (deadline - clock_->Now()), up_by, give_up_when_down, std::move(done)});
      return;
    }
  }
  done(outcome);
}

LinkHealth Link::health() const {
  MutexLock lock(&mu_);
  return health_;
}

int64_t Link::waits() const {
  MutexLock lock(&mu_);
  return static_cast<int64_t>(waits_.size());
}

void Link::Answer(Waits waits) {
  for (auto& [wait, outcome] : waits) wait.done(outcome);
}

void Link::Tick() {
  Waits over;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    // On a busy machine ticks come late: what passed is read, not counted. A wait that ends before the next
    // one ends now, as an answer that comes too late is none.
    const absl::Duration next = clock_->Steady() + kTick;
    for (auto it = waits_.begin(); it != waits_.end();) {
      const bool late = it->second.end <= next;
      if (!late && (health_.up || it->second.up_by > next)) {
        ++it;
        continue;
      }
      over.emplace_back(std::move(it->second), late ? ReceiptOutcome::kTimedOut : ReceiptOutcome::kLinkDown);
      it = waits_.erase(it);
    }
  }
  Answer(std::move(over));
  executor_->PostAfter(kTick, [this] { Tick(); });
}

CallContext Link::NewCall(absl::Duration timeout) const {
  CallContext call;
  call.now = clock_->Now();
  call.deadline = call.now + timeout;
  call.traceparent = traceparent_;
  return call;
}

// Asks the peer where it stands and what it speaks. Where a link begins, and begins anew.
void Link::Greet() {
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
  }
  traceparent_ = NewTraceparent();
  exchange::v1::GetLinkRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_from_hotline(options_.hotline);
  request.set_to_hotline(options_.peer);
  request.add_supported_versions(kProtocolVersion);
  for (std::string& one : Capabilities(notary_->signer(clock_->Now())))
    request.add_capabilities(std::move(one));
  peer_->GetLink(
      NewCall(options_.delivery_timeout), std::move(request),
      [this](absl::StatusOr<exchange::v1::GetLinkResponse> response) { OnGreeted(std::move(response)); });
}

void Link::OnGreeted(absl::StatusOr<exchange::v1::GetLinkResponse> response) {
  greeted_ = response.ok();
  if (!response.ok()) return Fail(response.status());
  if (response->protocol_version() != kProtocolVersion) {
    return Fail(error::ProtocolVersionUnsupported(response->protocol_version(), kProtocolVersion));
  }
  {
    MutexLock lock(&mu_);
    health_.peer_version = response->protocol_version();
    health_.peer_capabilities.clear();
    for (std::string& one : *response->mutable_capabilities()) {
      if (health_.peer_capabilities.size() == kMaxPeerCapabilities) break;
      if (one.size() <= 64) health_.peer_capabilities.push_back(std::move(one));
    }
  }
  for (exchange::v1::LanePosition& position : *response->mutable_lanes()) {
    if (LaneOf(position.lane()) != options_.lane) continue;
    if (Tells(position.has_incoming()) && !Adopt(std::move(*position.mutable_incoming()))) return;
    if (!forked_ && !refused_) GoUp();
    return Pull();
  }
  Fail(absl::UnavailableError(StrCat("the peer's work_order has no lane ", LaneName(options_.lane),
                                     " for this site yet: it has to be restarted")));
}

bool Link::Tells(bool has_receipt) const { return has_receipt || !peer_->store_and_forward(); }

bool Link::Adopt(exchange::v1::LinkReceipt receipt) {
  // A transport that stores and forwards tells the same one again and again, and to check a signature is
  // dear.
  if (has_receipt_ && receipt.SerializeAsString() == receipt_.SerializeAsString()) return true;
  const absl::Time now = clock_->Now();
  if (absl::Status status = notary_->CheckReceipt(options_.peer, options_.lane, receipt, now); !status.ok()) {
    // What is kept from an idle time may be signed by a key that has ended since. It is as good as not told:
    // what it says is on record here, or the peer says it again with the next envelope, and signs it anew.
    if (peer_->store_and_forward() && notary_->IsByFormerKey(options_.peer, receipt, now)) return true;
    Fail(status);
    return false;
  }
  if (receipt.received_through() > receipt_.received_through() || !has_receipt_) progress_time_ = now;
  receipt_ = std::move(receipt);
  has_receipt_ = true;
  return true;
}

void Link::Hear(exchange::v1::LinkReceipt receipt) {
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    heard_ = std::move(receipt);
    // Else the step under way comes to it. A poll that only waits is left to itself, and what it answers is
    // not looked at, so nothing reads or writes the step's own fields.
    if (!std::exchange(polling_, false)) return;
    ++polls_;
  }
  executor_->Post([this] { Pull(); });
}

void Link::Pull() {
  std::optional<exchange::v1::LinkReceipt> heard;
  {
    MutexLock lock(&mu_);
    heard = std::exchange(heard_, std::nullopt);
  }
  if (heard.has_value() && !Adopt(*std::move(heard))) return;
  workorder::v1::PullOutboxRequest request;
  request.set_peer(options_.peer);
  request.set_lane(options_.lane);
  request.set_limit(batch_limit_);
  request.mutable_wait()->set_seconds(absl::ToInt64Seconds(options_.poll));
  int64_t after = -1;
  if (has_receipt_) {
    *request.mutable_receipt() = receipt_;
    after = receipt_.received_through();
  }
  if (peer_->store_and_forward() && handed_over_ > std::max<int64_t>(after, 0)) {
    // What was handed over and has brought no receipt for so long is taken for lost.
    const absl::Time now = clock_->Now();
    progress_time_ = std::min(progress_time_, now);  // the clock may have been set back
    if (now - progress_time_ > options_.resend_after) {
      handed_over_ = std::max<int64_t>(after, 0);
      progress_time_ = now;
    } else {
      after = handed_over_;
    }
  }
  request.set_after_sequence(after);
  const CallContext call = NewCall(options_.poll + kPollSlack);
  bool news;
  bool again;
  int64_t poll = 0;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    again = heard_.has_value();
    news = has_receipt_ && receipt_.received_through() > health_.acknowledged;
    if (has_receipt_ && health_.clock_uncertainty != absl::InfiniteDuration()) {
      *request.mutable_clock_skew() = ToProtoDuration(health_.clock_skew);
      *request.mutable_clock_uncertainty() = ToProtoDuration(health_.clock_uncertainty);
    }
    if (!again) {
      poll = ++polls_;
      // One that brings news is answered as soon as that is recorded.
      polling_ = !news;
    }
  }
  if (again) return Pull();
  ledger_->PullOutbox(call, std::move(request),
                      [this, poll, news](absl::StatusOr<workorder::v1::PullOutboxResponse> response) {
                        OnPulled(poll, news, std::move(response));
                      });
}

void Link::OnPulled(int64_t poll, bool news, absl::StatusOr<workorder::v1::PullOutboxResponse> response) {
  {
    MutexLock lock(&mu_);
    if (poll != polls_) return;
    polling_ = false;
  }
  if (!response.ok()) {
    {
      MutexLock lock(&mu_);
      recorded_ = 0;
    }
    if (IsBehind(response.status())) return StartRecovery(response.status());
    // Anything else is our own trouble and not the peer's.
    return PullLater();
  }
  // A peer that greets but takes no delivery is not up, and not to be tried any faster.
  if (response->envelopes().empty()) refused_ = false;
  if (std::exchange(forked_, false) && !refused_) GoUp();
  if (!refused_) backoff_.Reset();
  incoming_ = std::move(*response->mutable_incoming());
  Waits over;
  {
    MutexLock lock(&mu_);
    health_.forked_at = 0;
    recorded_ = health_.acknowledged = response->acknowledged_through();
    health_.outgoing = response->outgoing_sequence();
    const auto end = waits_.upper_bound(recorded_);
    for (auto it = waits_.begin(); it != end; ++it) {
      over.emplace_back(std::move(it->second), ReceiptOutcome::kReceived);
    }
    waits_.erase(waits_.begin(), end);
  }
  if (!response->envelopes().empty() && options_.lane == exchange::v1::LANE_ORDINARY) {
    way_->Yield([this, envelopes = std::move(*response->mutable_envelopes())]() mutable {
      DeliverPaced(std::move(envelopes));
    });
  } else if (!response->envelopes().empty()) {
    DeliverPaced(std::move(*response->mutable_envelopes()));
  } else if (news) {
    Pull();
  } else {
    traceparent_ = NewTraceparent();
    Deliver({});
  }
  // After the next step has left: answering takes its time.
  Answer(std::move(over));
}

// A peer that comes back after an outage is not to be flooded. A debt that no timer can tell apart is carried
// on. The pause is never longer than what was sent is worth, wherever the clock was set meanwhile.
void Link::DeliverPaced(google::protobuf::RepeatedPtrField<exchange::v1::Envelope> envelopes) {
  const absl::Time now = clock_->Now();
  const absl::Duration elapsed = std::max(now - send_time_, absl::ZeroDuration());
  absl::Duration debt = std::max(send_worth_ - elapsed, absl::ZeroDuration());
  const absl::Duration worth = absl::Seconds(static_cast<double>(envelopes.size()) / options_.catch_up_per_s);
  if (debt < kPaceGrain) {
    send_time_ = now;
    send_worth_ = debt + worth;
    return Deliver(std::move(envelopes));
  }
  send_time_ = now + debt;
  send_worth_ = worth;
  executor_->PostAfter(debt,
                       [this, envelopes = std::move(envelopes)]() mutable { Deliver(std::move(envelopes)); });
}

void Link::Deliver(google::protobuf::RepeatedPtrField<exchange::v1::Envelope> envelopes) {
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
  }
  exchange::v1::DeliverRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_from_hotline(options_.hotline);
  request.set_to_hotline(options_.peer);
  request.set_lane(options_.lane);
  const absl::Time now = clock_->Now();
  *request.mutable_send_time() = ToTimestamp(now);
  *request.mutable_receipt() = incoming_;
  *request.mutable_envelopes() = std::move(envelopes);
  const int count = request.envelopes_size();
  int64_t last = 0;
  if (count > 0) {
    last = request.envelopes(count - 1).sequence();
    if (IsTraceparent(request.envelopes(0).traceparent())) traceparent_ = request.envelopes(0).traceparent();
  }
  if (absl::Status status = notary_->SignBatch(&request, now); !status.ok()) return Fail(status);
  peer_->Deliver(NewCall(options_.delivery_timeout), std::move(request),
                 [this, count, last, now](absl::StatusOr<exchange::v1::DeliverResponse> response) {
                   OnDelivered(count, last, now, std::move(response));
                 });
}

void Link::OnDelivered(int count, int64_t last, absl::Time sent,
                       absl::StatusOr<exchange::v1::DeliverResponse> response) {
  {
    MutexLock lock(&mu_);
    ++health_.deliveries;
    if (!response.ok()) ++health_.failed_deliveries;
  }
  if (!response.ok()) {
    // The peer holds other envelopes of ours than we do: what we have lost, or a fork.
    if (IsForked(response.status())) return StartRecovery(response.status());
    // A transport that stores and forwards tells of what was handed over before.
    int64_t batch = count;
    if (peer_->store_and_forward()) {
      batch = std::clamp<int64_t>(handed_over_ - receipt_.received_through(), count, batch_limit_);
    }
    // Of one envelope there is no half. It is refused until the peer takes as much as it has to.
    if (batch > 1 && IsTooLarge(response.status())) {
      batch_limit_ = static_cast<int>(batch / 2);
      if (peer_->store_and_forward()) handed_over_ = receipt_.received_through();
      return Pull();
    }
    // A slow line carries fewer in that time: the same again would fail for ever.
    if (batch > 1 && absl::IsDeadlineExceeded(response.status())) {
      batch_limit_ = static_cast<int>(batch / 2);
    }
    refused_ |= count > 0;
    if (peer_->store_and_forward() && handed_over_ > receipt_.received_through() &&
        IsRefusal(response.status())) {
      // What the peer has refused brings no receipt, and is not waited for: it goes again, at the pace of a
      // person who mends what it was refused for.
      handed_over_ = receipt_.received_through();
      refused_ = true;
      return Fail(response.status(), std::min(options_.resend_after, kLongestRetryDelay));
    }
    return Fail(response.status());
  }
  refused_ = false;
  MeasureSkew(*response, sent);
  if (Tells(response->has_receipt()) && !Adopt(std::move(*response->mutable_receipt()))) return;
  if (last > 0) {
    // What took long is long enough: with more it would soon fail, and the link be down for nothing. A peer
    // that takes as long for a few may take it for each batch, whatever is in it: then fewer are no help, and
    // one more is tried, if it would get through were each to take its part of the time. Of one alone nothing
    // tells which it is.
    const absl::Duration took = clock_->Now() - sent;
    const bool took_long =
        !peer_->store_and_forward() && took > options_.delivery_timeout / 2 &&
        (count > kFew || (count > 1 && took * (count + 1) > options_.delivery_timeout * count));
    if (!took_long) batch_limit_ = std::min(batch_limit_ + 1, options_.delivery_batch);
    if (handed_over_ <= receipt_.received_through()) progress_time_ = clock_->Now();
    handed_over_ = std::max(last, receipt_.received_through());
  }
  if (!forked_) GoUp();
  {
    MutexLock lock(&mu_);
    health_.envelopes += count;
  }
  Pull();
}

// As NTP does. A clock that was set meanwhile shows as an impossible round trip and is not believed.
void Link::MeasureSkew(const exchange::v1::DeliverResponse& response, absl::Time sent) {
  if (!response.has_arrive_time() || !response.has_answer_time()) return;
  const absl::Time heard = clock_->Now();
  const absl::Time arrived = FromTimestamp(response.arrive_time());
  const absl::Time answered = FromTimestamp(response.answer_time());
  const absl::Duration round_trip = (heard - sent) - (answered - arrived);
  if (round_trip < absl::ZeroDuration() || answered < arrived) return;
  const absl::Duration skew = ((arrived - sent) + (answered - heard)) / 2;
  const absl::Duration uncertainty = round_trip / 2;
  MutexLock lock(&mu_);
  health_.clock_skew = skew;
  health_.clock_uncertainty = uncertainty;
  health_.clock_off = std::clamp(health_.clock_off, skew - uncertainty, skew + uncertainty);
}

// ---- Recovery
// ------------------------------------------------------------------------------------------------

void Link::StartRecovery(absl::Status why) {
  recovery_cause_ = std::move(why);
  regained_ = false;
  Waits over;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    health_.recovering = true;
    recorded_ = 0;
    // The sequences they wait for may be given to other envelopes.
    for (auto& [sequence, wait] : waits_) over.emplace_back(std::move(wait), ReceiptOutcome::kLinkDown);
    waits_.clear();
  }
  Answer(std::move(over));
  workorder::v1::PullOutboxRequest request;
  request.set_peer(options_.peer);
  request.set_lane(options_.lane);
  request.set_after_sequence(-1);
  ledger_->PullOutbox(NewCall(kLedgerTimeout), std::move(request),
                      [this](absl::StatusOr<workorder::v1::PullOutboxResponse> response) {
                        if (!response.ok()) return Fail(response.status());
                        acknowledged_before_ = response->acknowledged_through();
                        outgoing_before_ = response->outgoing_sequence();
                        AskBackfill(acknowledged_before_);
                      });
}

void Link::AskBackfill(int64_t after) {
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
  }
  exchange::v1::BackfillRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_from_hotline(options_.hotline);
  request.set_to_hotline(options_.peer);
  request.set_lane(options_.lane);
  request.set_after_sequence(after);
  request.set_limit(backfill_limit_);
  peer_->Backfill(
      NewCall(options_.delivery_timeout), std::move(request),
      [this, after](absl::StatusOr<exchange::v1::BackfillResponse> response) {
        if (response.ok()) {
          backfill_limit_ = std::min(backfill_limit_ + 1, kBackfillBatch);
          return Recover(after, *std::move(response));
        }
        // As with a batch. Files take no longer with more in them.
        if (absl::IsDeadlineExceeded(response.status()) && !peer_->store_and_forward()) {
          backfill_limit_ = std::max(backfill_limit_ / 2, 1);
          return FailRecovery(response.status());
        }
        // It has less than it acknowledged: it has lost its own history, and gets it again from us.
        if (error::ReasonOf(response.status()) == error::Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE) {
          return FindFork(0, after);
        }
        Fail(response.status());
      });
}

void Link::Recover(int64_t after, exchange::v1::BackfillResponse response) {
  if (response.envelopes().empty()) {
    if (after == acknowledged_before_) return FindFork(0, after);
    handed_over_ = 0;
    // This site had all that the peer holds: to begin anew at once would only end here again.
    if (!regained_) return FailRecovery(std::exchange(recovery_cause_, absl::OkStatus()));
    {
      MutexLock lock(&mu_);
      health_.recovering = false;
    }
    has_receipt_ = false;
    return Greet();
  }
  if (response.envelopes(0).sequence() != after + 1) return FailRecovery(NotAsked());
  workorder::v1::RecoverRequest request;
  request.set_peer(options_.peer);
  request.set_lane(options_.lane);
  if (notary_->signs()) {
    // With keys there is proof, and no need to believe.
    const int proven = notary_->CountProven(options_.peer, response);
    if (proven == 0) return FindFork(0, after + response.envelopes_size());
    response.mutable_envelopes()->DeleteSubrange(proven, response.envelopes_size() - proven);
    request.set_proven(true);
  }
  *request.mutable_envelopes() = std::move(*response.mutable_envelopes());
  const int count = request.envelopes_size();
  const int64_t last = request.envelopes(count - 1).sequence();
  ledger_->Recover(NewCall(kLedgerTimeout), std::move(request),
                   [this, count, last](absl::StatusOr<workorder::v1::RecoverResponse> recovered) {
                     if (!recovered.ok()) {
                       if (IsForked(recovered.status())) return FindFork(0, last);
                       return Fail(recovered.status());
                     }
                     regained_ |=
                         last > outgoing_before_ || recovered->orders() > 0 || recovered->renumbered() > 0;
                     Waits over;
                     {
                       MutexLock lock(&mu_);
                       health_.recovered += count;
                       stale_through_ = recovered->outgoing_sequence();
                       for (auto& [sequence, wait] : waits_) {
                         over.emplace_back(std::move(wait), ReceiptOutcome::kTimedOut);
                       }
                       waits_.clear();
                     }
                     Answer(std::move(over));
                     AskBackfill(last);
                   });
}

// Halves the stretch between an envelope on which both sites agree and one on which they do not, until it
// knows the first of these. As the hashes are chained, they agree on all before one on which they agree. What
// retention has erased at either site cannot be compared, nor mended: it is looked for above that.
void Link::FindFork(int64_t same, int64_t other) {
  if (other <= same + 1) return FailForked(std::max(same + 1, other));
  const int64_t middle = same + (other - same) / 2;
  exchange::v1::BackfillRequest theirs;
  theirs.set_protocol_version(kProtocolVersion);
  theirs.set_from_hotline(options_.hotline);
  theirs.set_to_hotline(options_.peer);
  theirs.set_lane(options_.lane);
  theirs.set_after_sequence(middle - 1);
  theirs.set_limit(1);
  workorder::v1::PullOutboxRequest ours;
  ours.set_peer(options_.peer);
  ours.set_lane(options_.lane);
  ours.set_after_sequence(middle - 1);
  ours.set_limit(1);
  ledger_->PullOutbox(
      NewCall(kLedgerTimeout), std::move(ours),
      [this, same, other, middle,
       theirs = std::move(theirs)](absl::StatusOr<workorder::v1::PullOutboxResponse> ours) mutable {
        if (IsErased(ours.status())) return FindFork(middle, other);
        if (!ours.ok() &&
            error::ReasonOf(ours.status()) != error::Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE) {
          return Fail(ours.status());
        }
        if (!ours.ok() || ours->envelopes().empty()) return FindFork(same, middle);
        peer_->Backfill(
            NewCall(options_.delivery_timeout), std::move(theirs),
            [this, same, other, middle,
             hash = ours->envelopes(0).hash()](absl::StatusOr<exchange::v1::BackfillResponse> response) {
              if (IsErased(response.status())) return FindFork(middle, other);
              const bool short_of = !response.ok() && error::ReasonOf(response.status()) ==
                                                          error::Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE;
              if (!response.ok() && !short_of) return Fail(response.status());
              if (!short_of && !response->envelopes().empty() &&
                  response->envelopes(0).sequence() != middle) {
                return FailRecovery(NotAsked());
              }
              const bool agree =
                  !short_of && !response->envelopes().empty() && response->envelopes(0).hash() == hash;
              agree ? FindFork(middle, other) : FindFork(same, middle);
            });
      });
}

void Link::FailForked(int64_t sequence) {
  forked_ = true;
  {
    MutexLock lock(&mu_);
    health_.forked_at = sequence;
  }
  Fail(error::LinkForked(options_.peer, sequence));
}

// ---- Ups and downs
// -------------------------------------------------------------------------------------------

void Link::GoUp() {
  backoff_.Reset();
  bool changed;
  {
    MutexLock lock(&mu_);
    changed = !std::exchange(health_.up, true);
    health_.acknowledge_time = clock_->Now();
    health_.next_try_time = absl::InfinitePast();
    health_.last_error = absl::OkStatus();
  }
  if (changed && options_.on_change) options_.on_change(true, absl::OkStatus());
}

// Pauses, then begins anew with a greeting: what was under way is still in the outbox.
void Link::Fail(const absl::Status& why, absl::Duration least_pause) {
  // While it pauses the peer can wake it on another thread, and then the step's own fields are the next
  // one's.
  const CallContext counting = NewCall(kPollSlack);
  has_receipt_ = false;
  const absl::Duration pause =
      std::max({backoff_.Next(random_), std::min(error::RetryDelayOf(why), kLongestRetryDelay), least_pause});
  bool changed;
  int64_t this_pause;
  Waits over;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    health_.recovering = false;
    changed = std::exchange(health_.up, false) || health_.last_error.ok();
    health_.last_error = why;
    health_.next_try_time = clock_->Now() + pause;
    pausing_ = true;
    this_pause = ++pauses_;
    for (auto it = waits_.begin(); it != waits_.end();) {
      if (!it->second.give_up_when_down) {
        ++it;
        continue;
      }
      over.emplace_back(std::move(it->second), ReceiptOutcome::kLinkDown);
      it = waits_.erase(it);
    }
  }
  if (changed && options_.on_change) options_.on_change(false, why);
  Answer(std::move(over));
  CountWaiting(counting);
  executor_->PostAfter(pause, [this, this_pause] { EndPause(this_pause); });
}

void Link::EndPause(int64_t pause) {
  {
    MutexLock lock(&mu_);
    if (!pausing_ || pauses_ != pause) return;
    pausing_ = false;
  }
  Greet();
}

void Link::FailRecovery(const absl::Status& why) {
  // Else it would go up with each greeting, and never wait longer.
  refused_ = true;
  Fail(why);
}

void Link::CountWaiting(const CallContext& call) {
  ledger_->ListLinkCursors(call, {}, [this](absl::StatusOr<workorder::v1::ListLinkCursorsResponse> response) {
    if (!response.ok()) return;
    for (const workorder::v1::LinkCursor& cursor : response->links()) {
      if (cursor.peer() != options_.peer || LaneOf(cursor.lane()) != options_.lane) continue;
      MutexLock lock(&mu_);
      health_.outgoing = std::max(health_.outgoing, cursor.outgoing_sequence());
    }
  });
}

void Link::PullLater() {
  executor_->PostAfter(backoff_.Next(random_), [this] { Pull(); });
}

void Link::Nudge() {
  MutexLock lock(&mu_);
  Hurry();
}

bool Link::Hurry() {
  if (pausing_ && hurried_ != pauses_) {
    // Who is heard and refuses all the same is not to be tried any faster: only a connection is worth trying.
    // While it pauses no step is under way, so nothing else reads or writes the step's own fields.
    if ((refused_ && greeted_) || forked_ ||
        error::ReasonOf(health_.last_error) != error::Reason::ERROR_REASON_UNSPECIFIED ||
        error::RetryDelayOf(health_.last_error) > absl::ZeroDuration()) {
      return false;
    }
    const absl::Duration now = clock_->Steady();
    hurried_ = pauses_;
    // One that is still to come is as good for this pause.
    if (hurry_time_ <= now) {
      hurry_time_ = std::max(now, hurry_time_ + kHurryEvery);
      // gRPC waits before it connects anew, and until then fails each try at once: short pauses come upon it.
      backoff_.Reset();
    }
    health_.next_try_time = std::min(health_.next_try_time, clock_->Now() + (hurry_time_ - now));
    executor_->PostAfter(hurry_time_ - now, [this, pause = pauses_] { EndPause(pause); });
  }
  return hurried_ == pauses_ && hurry_time_ <= clock_->Steady();
}

}  // namespace hotline::dispatch
