// Time and threads under a test's hand: nothing runs until the test says so, and then in a fixed order.
#ifndef TESTS_SUPPORT_STEPS_H_
#define TESTS_SUPPORT_STEPS_H_

#include <deque>
#include <map>
#include <utility>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"

namespace hotline::test {

class Steps : public Executor {
 public:
  explicit Steps(absl::Time start) : clock_(start) {}

  ManualClock* clock() { return &clock_; }
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override {
    // Whole nanoseconds, as the clock has them.
    timers_.emplace(clock_.Now() + absl::Nanoseconds(absl::ToInt64Nanoseconds(delay)), std::move(task));
  }

  // Runs one task that is due; false if there is none.
  bool RunOne() {
    while (!timers_.empty() && timers_.begin()->first <= clock_.Now()) {
      tasks_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    if (tasks_.empty()) return false;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  void RunDue() {
    while (RunOne()) {
    }
  }
  // Moves time on, from timer to timer, running what falls due.
  void Advance(absl::Duration by) {
    const absl::Time end = clock_.Now() + by;
    RunDue();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      clock_.Advance(timers_.begin()->first - clock_.Now());
      RunDue();
    }
    clock_.Advance(end - clock_.Now());
    RunDue();
  }
  // Drops everything that has not run, as a kill does.
  void Clear() {
    tasks_.clear();
    timers_.clear();
  }

 private:
  ManualClock clock_;
  std::deque<Task> tasks_;
  std::multimap<absl::Time, Task> timers_;
};

// A clock that goes as another does, and is set.
class SetClock : public Clock {
 public:
  explicit SetClock(const Clock* clock) : clock_(clock) {}
  absl::Time Now() const override { return clock_->Now() + by_; }
  absl::Duration Steady() const override { return clock_->Steady(); }
  // So far from the other.
  void Set(absl::Duration by) { by_ = by; }

 private:
  const Clock* const clock_;
  absl::Duration by_;
};

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_STEPS_H_
