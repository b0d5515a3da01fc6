#include "services/dispatch/right_of_way.h"

#include <map>

#include "common/base/mutex.h"

namespace hotline::dispatch {

namespace {

constexpr absl::Duration kMostHeld = absl::Milliseconds(50);
constexpr absl::Duration kTravelled = absl::Seconds(2);
using Pieces = std::map<int64_t, absl::AnyInvocable<void()>>;

}  // namespace

struct RightOfWay::State {
  Mutex mu;
  int under_way ABSL_GUARDED_BY(mu) = 0;
  absl::Time last_enter ABSL_GUARDED_BY(mu) = absl::InfinitePast();
  int64_t next_number ABSL_GUARDED_BY(mu) = 0;
  Pieces waiting ABSL_GUARDED_BY(mu);
};

RightOfWay::RightOfWay(Executor* executor, const Clock* clock)
    : executor_(executor), clock_(clock), state_(std::make_shared<State>()) {}

RightOfWay::~RightOfWay() { Close(); }

void RightOfWay::Close() {
  Pieces dropped;
  MutexLock lock(&state_->mu);
  dropped.swap(state_->waiting);
}

RightOfWay::Pass RightOfWay::Enter() {
  MutexLock lock(&state_->mu);
  ++state_->under_way;
  state_->last_enter = clock_->Now();
  return Pass(state_);
}

bool RightOfWay::IsTravelled() const {
  MutexLock lock(&state_->mu);
  // The clock may have been set back meanwhile.
  const absl::Duration since = clock_->Now() - state_->last_enter;
  return since >= absl::ZeroDuration() && since < kTravelled;
}

RightOfWay::Pass::~Pass() {
  if (state_ == nullptr) return;
  Pieces pieces;
  {
    MutexLock lock(&state_->mu);
    if (--state_->under_way > 0) return;
    pieces.swap(state_->waiting);
  }
  for (auto& [number, piece] : pieces) piece();
}

void RightOfWay::Yield(absl::AnyInvocable<void()> piece) {
  int64_t number;
  {
    MutexLock lock(&state_->mu);
    // The clock may have been set back meanwhile: then nothing is held.
    const absl::Duration since = clock_->Now() - state_->last_enter;
    const bool hold = state_->under_way > 0 && since >= absl::ZeroDuration() && since < kMostHeld;
    number = hold ? state_->next_number++ : -1;
    if (hold) state_->waiting.emplace(number, std::move(piece));
  }
  if (number < 0) return piece();
  executor_->PostAfter(kMostHeld, [this, number] { Late(number); });
}

void RightOfWay::YieldAfter(absl::Duration rest, absl::AnyInvocable<void()> piece) {
  executor_->PostAfter(rest, [this, piece = std::move(piece)]() mutable { Yield(std::move(piece)); });
}

void RightOfWay::Late(int64_t number) {
  absl::AnyInvocable<void()> piece;
  {
    MutexLock lock(&state_->mu);
    const auto it = state_->waiting.find(number);
    if (it == state_->waiting.end()) return;
    piece = std::move(it->second);
    state_->waiting.erase(it);
  }
  piece();
}

}  // namespace hotline::dispatch
