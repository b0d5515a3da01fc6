// Latency with nothing else to do: one push at a time, from the call to the answer that the peer has it
// durably.
//   --pushes N --pause_ms MS (mean between two)
#include <random>

#include "absl/strings/str_format.h"
#include "tests/bench/load.h"
#include "tests/support/orders.h"

namespace hotline::bench {
namespace {

int Main(int argc, char** argv) {
  const int pushes = static_cast<int>(FlagOr(argc, argv, "pushes", 1000));
  const double pause_ms = FlagOr(argc, argv, "pause_ms", 5);
  test::TwoSites sites;
  Check(sites.UseKeys());
  Check(sites.StartAll());
  const double fdatasync_ms = FdatasyncMs(sites.folder.path());
  // A pause of random length, so that the calls fall in step with no timer.
  std::mt19937 random(1);
  std::uniform_real_distribution<double> pause(0, 2 * pause_ms);
  std::vector<double> receipt_ms;
  constexpr int kWarmUp = 50;
  for (int n = -kWarmUp; n < pushes; ++n) {
    absl::SleepFor(absl::Milliseconds(pause(random)));
    dispatch::v1::PushWorkOrderRequest request = test::MakePush(n + kWarmUp, "110");
    request.mutable_receipt_wait()->set_seconds(10);
    dispatch::v1::PushWorkOrderResponse response;
    test::Call call;
    const absl::Time begin = absl::Now();
    const grpc::Status status = sites.a.dispatch().PushWorkOrder(&call, request, &response);
    const double took_ms = absl::ToDoubleMilliseconds(absl::Now() - begin);
    if (!status.ok()) Fail(status.error_message());
    if (response.status() != dispatch::v1::DELIVERY_STATUS_RECEIVED) Fail("no receipt");
    if (n >= 0) receipt_ms.push_back(took_ms);
  }
  absl::PrintF(
      "bench idle p50_ms=%.2f p99_ms=%.2f max_ms=%.2f goal_p50_ms=3 goal_p99_ms=15 fdatasync_p50_ms=%.3f "
      "pushes=%d\n",
      Quantile(receipt_ms, 0.5), Quantile(receipt_ms, 0.99), Quantile(receipt_ms, 1), fdatasync_ms, pushes);
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
