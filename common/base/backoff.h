// How long to pause after a failure: doubling from a minimum to a cap, with jitter so that many do not return
// at once.
#ifndef COMMON_BASE_BACKOFF_H_
#define COMMON_BASE_BACKOFF_H_

#include <algorithm>
#include <cstdint>
#include <random>

#include "absl/random/bit_gen_ref.h"
#include "absl/random/random.h"
#include "absl/time/time.h"

namespace hotline {

// Draws the jitter. Seeded by the system if `seed` is 0; a seed makes the pauses repeat.
inline std::minstd_rand NewJitter(uint32_t seed) {
  if (seed != 0) return std::minstd_rand(seed);
  absl::BitGen random;
  return std::minstd_rand(absl::Uniform<uint32_t>(random));
}

class Backoff {
 public:
  Backoff(absl::Duration min, absl::Duration max) : min_(min), max_(max), next_(min) {}
  // The next pause: between half and all of min·2^failures, at most the cap.
  absl::Duration Next(absl::BitGenRef random) {
    const absl::Duration pause = next_ * absl::Uniform(random, 0.5, 1.0);
    next_ = std::min(next_ * 2, max_);
    return pause;
  }
  // Something worked: start over.
  void Reset() { next_ = min_; }

 private:
  absl::Duration min_;
  absl::Duration max_;
  absl::Duration next_;
};

}  // namespace hotline

#endif  // COMMON_BASE_BACKOFF_H_
