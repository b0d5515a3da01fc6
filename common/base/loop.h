// One thread that runs tasks in the order they were posted, and timers. The only place in the services that
// waits.
#ifndef COMMON_BASE_LOOP_H_
#define COMMON_BASE_LOOP_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace hotline {

// What services schedule work on. The simulation has an implementation of its own.
class Executor {
 public:
  using Task = absl::AnyInvocable<void()>;
  virtual ~Executor() = default;
  // Runs `task` soon, after all that was posted before. Thread-safe. Ignored once stopped.
  virtual void Post(Task task) = 0;
  // Runs `task` once, no earlier than `delay` from now by a clock that never steps. Thread-safe. Ignored once
  // stopped.
  virtual void PostAfter(absl::Duration delay, Task task) = 0;
};

class Loop : public Executor {
 public:
  // Starts the thread.
  explicit Loop(std::string name);
  // Stops it; tasks not begun are dropped.
  ~Loop() override;
  void Post(Task task) override;
  void PostAfter(absl::Duration delay, Task task) override;
  // Drops what has not begun and joins the thread. Not to be called from a task. Idempotent.
  void Stop();

 private:
  void Run();

  Mutex mu_;
  CondVar wake_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  std::multimap<int64_t, Task> timers_ ABSL_GUARDED_BY(mu_);  // by steady nanoseconds
  std::thread thread_;
};

}  // namespace hotline

#endif  // COMMON_BASE_LOOP_H_
