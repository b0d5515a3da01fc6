#include "services/dispatch/link.h"

#include <utility>

#include "common/base/id.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"

namespace hotline::dispatch {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
// Beyond a long poll, so that a poll that was not answered shows as a failure of its own.
constexpr absl::Duration kPollSlack = absl::Seconds(10);

}  // namespace

Link::Link(Ledger* ledger, Peer* peer, Executor* executor, const Clock* clock, LinkOptions options)
    : ledger_(ledger),
      peer_(peer),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      backoff_(options_.backoff_min, options_.backoff_max),
      random_(NewJitter(options_.jitter_seed)) {
  health_.acknowledge_time = absl::InfinitePast();
  health_.next_try_time = absl::InfinitePast();
}

void Link::Start() {
  executor_->Post([this] { Probe(); });
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
    if (health_.acknowledged >= sequence) {
      outcome = ReceiptOutcome::kReceived;
    } else if (stopped_) {
      outcome = ReceiptOutcome::kTimedOut;
    } else if (give_up_when_down && !health_.up) {
      outcome = ReceiptOutcome::kLinkDown;
    } else {
      waits_.emplace(sequence, Wait{deadline - clock_->Now() + kTick, give_up_when_down, std::move(done)});
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
    for (auto it = waits_.begin(); it != waits_.end();) {
      if ((it->second.left -= kTick) > absl::ZeroDuration()) {
        ++it;
        continue;
      }
      over.emplace_back(std::move(it->second), ReceiptOutcome::kTimedOut);
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

// Asks the peer where it stands, with an empty delivery.
void Link::Probe() {
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
  }
  traceparent_ = NewTraceparent();
  Deliver({});
}

void Link::Pull() {
  workorder::v1::PullOutboxRequest request;
  request.set_peer(options_.peer);
  request.set_limit(options_.delivery_batch);
  request.mutable_wait()->set_seconds(absl::ToInt64Seconds(options_.poll));
  request.set_after_sequence(-1);
  if (has_receipt_) {
    *request.mutable_receipt() = receipt_;
    request.set_after_sequence(receipt_.received_through());
  }
  bool news;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    news = has_receipt_ && receipt_.received_through() > health_.acknowledged;
  }
  ledger_->PullOutbox(NewCall(options_.poll + kPollSlack), std::move(request),
                      [this, news](absl::StatusOr<workorder::v1::PullOutboxResponse> response) {
                        if (!response.ok()) {
                          // A fork stops the link; anything else is our own trouble and not the peer's.
                          if (error::ReasonOf(response.status()) == error::Reason::ERROR_REASON_LINK_FORKED) {
                            forked_ = true;
                            return Fail(response.status());
                          }
                          return PullLater();
                        }
                        if (std::exchange(forked_, false)) GoUp();
                        backoff_.Reset();
                        Waits over;
                        {
                          MutexLock lock(&mu_);
                          health_.acknowledged =
                              std::max(health_.acknowledged, response->acknowledged_through());
                          health_.outgoing = response->outgoing_sequence();
                          const auto end = waits_.upper_bound(health_.acknowledged);
                          for (auto it = waits_.begin(); it != end; ++it) {
                            over.emplace_back(std::move(it->second), ReceiptOutcome::kReceived);
                          }
                          waits_.erase(waits_.begin(), end);
                        }
                        if (!response->envelopes().empty()) {
                          Deliver(std::move(*response->mutable_envelopes()));
                        } else if (news) {
                          Pull();
                        } else {
                          Probe();
                        }
                        // After the next step has left: answering takes its time.
                        Answer(std::move(over));
                      });
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
  *request.mutable_send_time() = ToTimestamp(clock_->Now());
  *request.mutable_envelopes() = std::move(envelopes);
  const int count = request.envelopes_size();
  if (count > 0 && IsTraceparent(request.envelopes(0).traceparent())) {
    traceparent_ = request.envelopes(0).traceparent();
  }
  peer_->Deliver(NewCall(options_.delivery_timeout), std::move(request),
                 [this, count](absl::StatusOr<exchange::v1::DeliverResponse> response) {
                   OnDelivered(count, std::move(response));
                 });
}

void Link::OnDelivered(int count, absl::StatusOr<exchange::v1::DeliverResponse> response) {
  if (!response.ok()) {
    {
      MutexLock lock(&mu_);
      ++health_.deliveries;
      ++health_.failed_deliveries;
    }
    return Fail(response.status());
  }
  receipt_ = std::move(*response->mutable_receipt());
  has_receipt_ = true;
  if (!forked_) GoUp();
  {
    MutexLock lock(&mu_);
    ++health_.deliveries;
    health_.envelopes += count;
  }
  Pull();
}

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

// Pauses, then begins anew with a probe: what was under way is still in the outbox.
void Link::Fail(const absl::Status& why) {
  has_receipt_ = false;
  const absl::Duration pause = backoff_.Next(random_);
  bool changed;
  int64_t this_pause;
  Waits over;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
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
  executor_->PostAfter(pause, [this, this_pause] {
    {
      MutexLock lock(&mu_);
      if (!pausing_ || pauses_ != this_pause) return;
      pausing_ = false;
    }
    Probe();
  });
}

void Link::PullLater() {
  executor_->PostAfter(backoff_.Next(random_), [this] { Pull(); });
}

void Link::Nudge() {
  {
    MutexLock lock(&mu_);
    if (!pausing_) return;
    pausing_ = false;
  }
  executor_->Post([this] { Probe(); });
}

}  // namespace hotline::dispatch
