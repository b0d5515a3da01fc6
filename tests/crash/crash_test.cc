// Two sites of real processes under load from both sides, each process killed with SIGKILL again and again at
// random. What must hold at the end is in tests/support/campaign.h.
//
//   crash_test [--seconds N | --minutes N] [--seed N]
#include <stdio.h>

#include <random>

#include "absl/time/clock.h"
#include "tests/support/campaign.h"

namespace hotline::test {
namespace {

class CrashCampaign final : public Campaign {
 public:
  using Campaign::Campaign;

 private:
  void Disturb() override {
    std::mt19937_64 random(seed());
    const absl::Time until = absl::Now() + duration();
    while (absl::Now() < until && !Failed()) {
      absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(100 + random() % 600)));
      KillAndRestart(random);
    }
  }
};

int Main(int argc, char** argv) {
  double seconds = 25;
  uint64_t seed = std::random_device{}();
  if (!ReadCampaignFlags(argc, argv, &seconds, &seed)) return 2;
  printf("crash seed=%llu\n", static_cast<unsigned long long>(seed));
  fflush(stdout);
  return CrashCampaign("crash", absl::Seconds(seconds), seed, absl::Milliseconds(6)).Run();
}

}  // namespace
}  // namespace hotline::test

int main(int argc, char** argv) { return hotline::test::Main(argc, argv); }
