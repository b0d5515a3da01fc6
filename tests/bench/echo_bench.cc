// The yardstick alone: what a bare unary call of a push's request costs here, beside the disk's fdatasync.
//   --rounds N --seconds S
#include "absl/strings/str_format.h"
#include "tests/bench/load.h"

namespace hotline::bench {
namespace {

int Main(int argc, char** argv) {
  const int rounds = static_cast<int>(FlagOr(argc, argv, "rounds", 3));
  const absl::Duration stretch = absl::Seconds(FlagOr(argc, argv, "seconds", 2));
  test::TemporaryFolder folder;
  Echo echo(folder.path() + "/echo.log");
  CpuMeter cpu;
  cpu.Add("client", getpid());
  cpu.Add("server", echo.process().pid());
  echo.Measure(absl::Seconds(1));
  std::vector<double> rates;
  cpu.Resume();
  for (int round = 0; round < rounds; ++round) rates.push_back(echo.Measure(stretch));
  cpu.Pause();
  const double rate = Median(rates);
  const double calls = rate * absl::ToDoubleSeconds(stretch) * rounds;
  absl::PrintF("bench echo rate=%.0f fdatasync_p50_ms=%.3f%s\n", rate, FdatasyncMs(folder.path()),
               cpu.PerOperation(static_cast<int64_t>(calls)));
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
