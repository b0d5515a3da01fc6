// Handoff between two sites up to the peer's durable receipt recorded at the giver, against a bare echo in
// the same run. Seven processes: two sites of three services, and this client.
//   --rounds N --seconds S (of each round) --in_flight N --channels N
//   --catalogue 1 (each push is read and routed, as at a site with the regulation's list; 0)
#include <unistd.h>

#include "absl/strings/str_format.h"
#include "tests/bench/load.h"

namespace hotline::bench {
namespace {

int Main(int argc, char** argv) {
  const int rounds = static_cast<int>(FlagOr(argc, argv, "rounds", 5));
  const absl::Duration stretch = absl::Seconds(FlagOr(argc, argv, "seconds", 3));
  const int in_flight = static_cast<int>(FlagOr(argc, argv, "in_flight", 256));
  const int channels = static_cast<int>(FlagOr(argc, argv, "channels", 4));

  const bool catalogue = FlagOr(argc, argv, "catalogue", 0) != 0;

  test::TwoSites sites;
  Check(sites.UseKeys());
  if (catalogue) sites.UseCatalogue();
  Check(sites.StartAll());
  Echo echo(sites.folder.path() + "/echo.log");
  PushLoad push(&sites.a, "110", in_flight, channels, absl::Seconds(30));
  CpuMeter cpu;
  cpu.Add("client", getpid());
  for (test::Site* site : {&sites.a, &sites.b}) {
    for (const test::Service service : test::kServices) {
      cpu.Add(site->hotline() + "_" + test::NameOf(service), site->process(service).pid());
    }
  }

  push.Run(absl::Seconds(1));
  echo.Measure(absl::Seconds(1));
  std::vector<double> echo_rates, rates, latencies;
  int64_t pushed = 0;
  for (int round = 0; round < rounds; ++round) {
    echo_rates.push_back(echo.Measure(stretch));
    cpu.Resume();
    const LoadResult result = push.Run(stretch, /*keep_latencies=*/true);
    cpu.Pause();
    if (result.failed > 0) Fail(absl::StrCat("handoff: ", result.failed, " failed: ", result.first_error));
    rates.push_back(result.rate());
    pushed += result.answered;
    latencies.insert(latencies.end(), result.latencies_ms.begin(), result.latencies_ms.end());
  }
  const double rate = Median(rates);
  const double echo_rate = Median(echo_rates);
  absl::PrintF(
      "bench handoff catalogue=%d rate=%.0f echo=%.0f ratio=%.3f goal=0.09 in_flight=%d p50_ms=%.1f "
      "p99_ms=%.1f%s\n",
      catalogue, rate, echo_rate, rate / echo_rate, in_flight, Quantile(latencies, 0.5),
      Quantile(latencies, 0.99), cpu.PerOperation(pushed));
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
