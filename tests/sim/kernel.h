// Time, threads and the life of processes in a simulated world. One thread runs every task, in one order.
#ifndef TESTS_SIM_KERNEL_H_
#define TESTS_SIM_KERNEL_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"

namespace hotline::sim {

// Tasks in the order they were posted, and timers. Its time never steps; a site's clock may (SiteClock).
class Kernel : public Executor {
 public:
  int64_t now() const { return now_; }  // nanoseconds since the world began
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override {
    const int64_t at = now_ + std::max<int64_t>(0, absl::ToInt64Nanoseconds(delay));
    timers_.push_back({at, next_timer_++, std::move(task)});
    std::push_heap(timers_.begin(), timers_.end());
  }
  // Runs the next task that is due by `end`, moving time on if need be; false when there is none, and it is
  // `end`.
  bool RunOne(int64_t end) {
    if (tasks_.empty()) {
      if (timers_.empty() || timers_.front().at > end) {
        now_ = std::max(now_, end);
        return false;
      }
      now_ = std::max(now_, timers_.front().at);
      std::pop_heap(timers_.begin(), timers_.end());
      Task task = std::move(timers_.back().task);
      timers_.pop_back();
      task();
      return true;
    }
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  // Drops everything that has not run. What is dropped may post once more: that is dropped too.
  void Clear() {
    while (!tasks_.empty() || !timers_.empty()) {
      std::deque<Task> tasks = std::exchange(tasks_, {});
      std::vector<Timer> timers = std::exchange(timers_, {});
    }
  }

 private:
  struct Timer {
    int64_t at;
    int64_t order;
    Task task;
    // The heap's top is the earliest, and of those the first set.
    bool operator<(const Timer& other) const { return at != other.at ? at > other.at : order > other.order; }
  };
  int64_t now_ = 0;
  int64_t next_timer_ = 0;
  std::deque<Task> tasks_;
  std::vector<Timer> timers_;
};

// What a machine believes the time to be: off by an offset that jumps, and running a little fast or slow.
class SiteClock : public Clock {
 public:
  SiteClock(const Kernel* kernel, int64_t offset_nanos, int64_t drift_ppm)
      : kernel_(kernel), offset_(offset_nanos), drift_ppm_(drift_ppm) {}
  absl::Time Now() const override { return absl::FromUnixNanos(kStart + offset_) + Steady(); }
  absl::Duration Steady() const override {
    return absl::Nanoseconds(kernel_->now() + kernel_->now() / 1'000'000 * drift_ppm_);
  }
  void Jump(int64_t nanos) { offset_ += nanos; }

 private:
  static constexpr int64_t kStart = 1'795'000'000'000'000'000;  // 2026-11-18
  const Kernel* const kernel_;
  int64_t offset_;
  const int64_t drift_ppm_;
};

// One life of one process: its tasks run until it dies, and nobody hears from it afterwards.
class Process : public Executor {
 public:
  explicit Process(Kernel* kernel) : kernel_(kernel) {}
  void Post(Task task) override {
    kernel_->Post([life = life(), task = std::move(task)]() mutable {
      if (!life.expired()) task();
    });
  }
  void PostAfter(absl::Duration delay, Task task) override {
    kernel_->PostAfter(delay, [life = life(), task = std::move(task)]() mutable {
      if (!life.expired()) task();
    });
  }
  // At once, although its code may still be on the stack: that code runs on to its next return, and nothing
  // it does counts.
  void Die() { life_.reset(); }
  bool dead() const { return life_ == nullptr; }
  std::weak_ptr<const int> life() const { return life_; }

 private:
  Kernel* const kernel_;
  std::shared_ptr<const int> life_ = std::make_shared<const int>(0);
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_KERNEL_H_
