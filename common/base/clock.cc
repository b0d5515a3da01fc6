#include "common/base/clock.h"

#include <chrono>

namespace hotline {
namespace {

class RealClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  absl::Duration Steady() const override {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

const Clock* SystemClock() {
  static const RealClock* const clock = new RealClock;
  return clock;
}

absl::TimeZone Beijing() {
  // Looking it up takes a lock and a formatted name.
  static const absl::TimeZone zone = absl::FixedTimeZone(8 * 60 * 60);
  return zone;
}

}  // namespace hotline
