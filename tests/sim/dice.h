// The one source of chance in a simulated world: seeded, so that a run repeats.
#ifndef TESTS_SIM_DICE_H_
#define TESTS_SIM_DICE_H_

#include <cstdint>

namespace hotline::sim {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  // Any 64 bits (splitmix64: a world is made in no time, and neighbouring seeds have nothing in common).
  uint64_t Draw() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // 0 to n - 1.
  int64_t Below(int64_t n) { return static_cast<int64_t>(Draw() % static_cast<uint64_t>(n)); }
  // `low` to `high`, both included.
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  bool Percent(int percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_DICE_H_
