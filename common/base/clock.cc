#include "common/base/clock.h"

namespace hotline {
namespace {

class RealClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace

const Clock* SystemClock() {
  static const RealClock* const clock = new RealClock;
  return clock;
}

absl::TimeZone Beijing() { return absl::FixedTimeZone(8 * 60 * 60); }

}  // namespace hotline
