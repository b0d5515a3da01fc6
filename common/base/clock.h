// Time as a dependency. Edges stamp `Now()` once and pass it on as data; decisions take `absl::Time now`.
#ifndef COMMON_BASE_CLOCK_H_
#define COMMON_BASE_CLOCK_H_

#include <atomic>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hotline {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time, which may step. Thread-safe.
  virtual absl::Time Now() const = 0;
  // Time since some instant, which never steps: what wall-clock time is checked against. Thread-safe.
  virtual absl::Duration Steady() const { return Now() - absl::UnixEpoch(); }
};

// The machine's clock. Lives as long as the process.
const Clock* SystemClock();

// A clock that stands still until told. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time start) : nanos_(absl::ToUnixNanos(start)) {}
  absl::Time Now() const override { return absl::FromUnixNanos(nanos_.load()); }
  absl::Duration Steady() const override { return absl::Nanoseconds(steady_nanos_.load()); }
  // A step: no time passes.
  void Set(absl::Time now) { nanos_.store(absl::ToUnixNanos(now)); }
  void Advance(absl::Duration by) {
    steady_nanos_.fetch_add(absl::ToInt64Nanoseconds(by));
    nanos_.fetch_add(absl::ToInt64Nanoseconds(by));
  }

 private:
  std::atomic<int64_t> nanos_;
  std::atomic<int64_t> steady_nanos_{0};
};

// Beijing time, UTC+8 without daylight saving: what deadlines and numbers are reckoned in.
absl::TimeZone Beijing();

}  // namespace hotline

#endif  // COMMON_BASE_CLOCK_H_
