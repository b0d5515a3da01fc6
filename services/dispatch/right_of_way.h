// Lets emergencies pass: while one is under way, ordinary work is not begun, each piece for a bounded time.
#ifndef SERVICES_DISPATCH_RIGHT_OF_WAY_H_
#define SERVICES_DISPATCH_RIGHT_OF_WAY_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"

namespace hotline::dispatch {

// Thread-safe. The executor is stopped before this is destroyed; pieces that wait then are dropped.
class RightOfWay {
  struct State;

 public:
  RightOfWay(Executor* executor, const Clock* clock);
  ~RightOfWay();

  // An emergency is under way for as long as this lives. It may outlive the RightOfWay.
  class Pass {
   public:
    Pass(Pass&&) = default;
    Pass& operator=(Pass&&) = delete;
    ~Pass();

   private:
    friend class RightOfWay;
    explicit Pass(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };
  Pass Enter();

  // Calls `piece` of ordinary work: at once if nothing is in its way, else once it is clear or 50 ms later.
  // On the caller's thread, an emergency's or the executor's. An emergency of which nothing has been heard
  // for 50 ms is in nobody's way any more: its peer does not answer.
  void Yield(absl::AnyInvocable<void()> piece);

  // Yield, after a rest. It is dropped if the executor stops before that.
  void YieldAfter(absl::Duration rest, absl::AnyInvocable<void()> piece);

  // Whether one entered within the last two seconds: where there was an emergency there are more.
  bool IsTravelled() const;

  // What waits is dropped, and is not called when the last emergency ends: whom it belongs to is going.
  void Close();

 private:
  void Late(int64_t number);

  Executor* const executor_;
  const Clock* const clock_;
  const std::shared_ptr<State> state_;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_RIGHT_OF_WAY_H_
