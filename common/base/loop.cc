#include "common/base/loop.h"

#include <pthread.h>

#include <chrono>

namespace hotline {
namespace {

int64_t SteadyNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Loop::Loop(std::string name) : thread_([this] { Run(); }) {
  // The kernel keeps 15 characters.
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

Loop::~Loop() { Stop(); }

void Loop::Post(Task task) {
  bool wake;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    wake = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (wake) wake_.NotifyOne();
}

void Loop::PostAfter(absl::Duration delay, Task task) {
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    timers_.emplace(SteadyNanos() + absl::ToInt64Nanoseconds(delay), std::move(task));
  }
  wake_.NotifyOne();
}

void Loop::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
  }
  wake_.NotifyOne();
  if (thread_.joinable()) thread_.join();
  // Tasks are destroyed outside the lock: they may own things that post.
  std::deque<Task> tasks;
  std::multimap<int64_t, Task> timers;
  MutexLock lock(&mu_);
  tasks.swap(tasks_);
  timers.swap(timers_);
}

void Loop::Run() {
  std::deque<Task> batch;
  while (true) {
    {
      MutexLock lock(&mu_);
      while (true) {
        if (stopped_) return;
        const int64_t now = timers_.empty() ? 0 : SteadyNanos();
        while (!timers_.empty() && timers_.begin()->first <= now) {
          tasks_.push_back(std::move(timers_.begin()->second));
          timers_.erase(timers_.begin());
        }
        if (!tasks_.empty()) break;
        if (timers_.empty()) {
          wake_.Wait(&mu_);
        } else {
          wake_.WaitFor(&mu_, std::chrono::nanoseconds(timers_.begin()->first - now));
        }
      }
      batch.swap(tasks_);
    }
    for (Task& task : batch) {
      task();
      task = nullptr;
    }
    batch.clear();
  }
}

}  // namespace hotline
