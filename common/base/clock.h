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
};

// The machine's clock. Lives as long as the process.
const Clock* SystemClock();

// A clock that stands still until told. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time start) : nanos_(absl::ToUnixNanos(start)) {}
  absl::Time Now() const override { return absl::FromUnixNanos(nanos_.load()); }
  void Set(absl::Time now) { nanos_.store(absl::ToUnixNanos(now)); }
  void Advance(absl::Duration by) { nanos_.fetch_add(absl::ToInt64Nanoseconds(by)); }

 private:
  std::atomic<int64_t> nanos_;
};

// Beijing time, UTC+8 without daylight saving: what deadlines and numbers are reckoned in.
absl::TimeZone Beijing();

}  // namespace hotline

#endif  // COMMON_BASE_CLOCK_H_
