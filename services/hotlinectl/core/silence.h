// Cancels what has been silent for too long.
#ifndef SERVICES_HOTLINECTL_CORE_SILENCE_H_
#define SERVICES_HOTLINECTL_CORE_SILENCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "common/base/loop.h"

namespace hotline::hotlinectl {

// Looks every `longest` whether anything was heard since the look before, the first time since it was made;
// if not, calls `cancel` once and looks no more. So a silence is ended after `longest` at the least, and
// twice that at the most. `cancel` is called by the executor, which is destroyed with this.
class SilenceGuard {
 public:
  SilenceGuard(std::unique_ptr<Executor> executor, absl::Duration longest, std::function<void()> cancel)
      : longest_(longest), cancel_(std::move(cancel)), executor_(std::move(executor)) {
    LookLater(0);
  }
  SilenceGuard(const SilenceGuard&) = delete;
  SilenceGuard& operator=(const SilenceGuard&) = delete;

  // Thread-safe, as is `cancelled`.
  void Heard() { heard_.fetch_add(1); }
  bool cancelled() const { return cancelled_.load(); }

 private:
  // `heard_then`: how often it was heard by now, before the silence that is looked for.
  void LookLater(int64_t heard_then) {
    executor_->PostAfter(longest_, [this, heard_then] {
      const int64_t heard_now = heard_.load();
      if (heard_now != heard_then) {
        LookLater(heard_now);
        return;
      }
      cancelled_.store(true);
      cancel_();
    });
  }

  const absl::Duration longest_;
  const std::function<void()> cancel_;
  std::atomic<int64_t> heard_ = 0;
  std::atomic<bool> cancelled_ = false;
  // Last, so that nothing runs any more when the rest is destroyed.
  const std::unique_ptr<Executor> executor_;
};

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_SILENCE_H_
