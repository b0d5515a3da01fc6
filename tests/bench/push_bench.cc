// Durable push at one site, against a bare echo of the same message in the same run. The peer's address
// refuses connections, so nothing but the site itself works.
//   --rounds N --seconds S (of each round) --in_flight N --channels N
#include <stdio.h>

#include "absl/strings/str_format.h"
#include "tests/bench/load.h"

namespace hotline::bench {
namespace {

int Main(int argc, char** argv) {
  const int rounds = static_cast<int>(FlagOr(argc, argv, "rounds", 5));
  const absl::Duration stretch = absl::Seconds(FlagOr(argc, argv, "seconds", 3));
  const int in_flight = static_cast<int>(FlagOr(argc, argv, "in_flight", 64));
  const int channels = static_cast<int>(FlagOr(argc, argv, "channels", 4));

  test::TemporaryFolder folder;
  test::Ports ports;
  test::Site site("12345", &ports, folder.path() + "/12345");
  site.AddPeer("110", absl::StrCat("127.0.0.1:", ports.Take()));
  Check(site.StartAll());
  Echo echo(folder.path() + "/echo.log");
  PushLoad push(&site, "110", in_flight, channels, absl::ZeroDuration());
  CpuMeter cpu;
  cpu.Add("client", getpid());
  for (const test::Service service : test::kServices) {
    cpu.Add(test::NameOf(service), site.process(service).pid());
  }

  push.Run(absl::Seconds(1));
  echo.Measure(absl::Seconds(1));
  std::vector<double> echo_rates, push_rates;
  int64_t pushed = 0;
  for (int round = 0; round < rounds; ++round) {
    echo_rates.push_back(echo.Measure(stretch));
    cpu.Resume();
    const LoadResult result = push.Run(stretch);
    cpu.Pause();
    if (result.failed > 0) Fail(absl::StrCat("push: ", result.failed, " failed: ", result.first_error));
    push_rates.push_back(result.rate());
    pushed += result.answered;
  }
  const double rate = Median(push_rates);
  const double echo_rate = Median(echo_rates);
  absl::PrintF("bench push rate=%.0f echo=%.0f ratio=%.3f goal=0.20 in_flight=%d%s\n", rate, echo_rate,
               rate / echo_rate, in_flight, cpu.PerOperation(pushed));
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
