// Emergencies while ordinary pushes flood the site: push to the peer's durable receipt, one at a time, first
// alone and then beside as many ordinary pushes as the client can keep under way, of which the site refuses
// what it cannot take.
//   --emergencies N --in_flight N (ordinary pushes) --channels N --pause_ms MS
#include <random>
#include <thread>

#include "absl/strings/str_format.h"
#include "common/contract/proto_time.h"
#include "tests/bench/load.h"
#include "tests/support/orders.h"

namespace hotline::bench {
namespace {

// Where the time goes, by the times at which the three commits that a push waits for were begun.
struct Stages {
  std::vector<double> offer_ms;    // from the call to the commit at the giver
  std::vector<double> peer_ms;     // from there to the commit at the taker
  std::vector<double> receipt_ms;  // from there to the commit of its receipt at the giver

  void Add(absl::Time begin, const type::v1::Handoff& handoff) {
    const absl::Time offered = FromTimestamp(handoff.offer_time());
    const absl::Time received = FromTimestamp(handoff.receive_time());
    const absl::Time recorded = FromTimestamp(handoff.receipt_record().receive_record_time());
    offer_ms.push_back(absl::ToDoubleMilliseconds(offered - begin));
    peer_ms.push_back(absl::ToDoubleMilliseconds(received - offered));
    receipt_ms.push_back(absl::ToDoubleMilliseconds(recorded - received));
  }
};

int Main(int argc, char** argv) {
  const int emergencies = static_cast<int>(FlagOr(argc, argv, "emergencies", 300));
  const int in_flight = static_cast<int>(FlagOr(argc, argv, "in_flight", 640));
  const int channels = static_cast<int>(FlagOr(argc, argv, "channels", 4));
  const double pause_ms = FlagOr(argc, argv, "pause_ms", 10);
  test::TwoSites sites;
  Check(sites.UseKeys());
  Check(sites.StartAll());
  std::mt19937 random(1);
  std::uniform_real_distribution<double> pause(0, 2 * pause_ms);
  int number = 0;
  int telephoned = 0;
  Stages stages;
  const auto measure = [&](int count) {
    std::vector<double> took_ms;
    stages = Stages();
    for (int n = 0; n < count; ++n) {
      absl::SleepFor(absl::Milliseconds(pause(random)));
      dispatch::v1::PushWorkOrderRequest request = test::MakePush(++number, "110");
      request.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
      dispatch::v1::PushWorkOrderResponse response;
      test::Call call(absl::Seconds(30));
      const absl::Time begin = absl::Now();
      const grpc::Status status = sites.a.dispatch().PushWorkOrder(&call, request, &response);
      took_ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
      if (!status.ok()) Fail(status.error_message());
      telephoned += response.telephone_required() ? 1 : 0;
      workorder::v1::GetWorkOrderRequest get;
      get.set_order_id(response.order().id());
      workorder::v1::GetWorkOrderResponse got;
      test::Call later(absl::Seconds(30));
      if (!sites.a.work_order().GetWorkOrder(&later, get, &got).ok()) Fail("the order cannot be read");
      stages.Add(begin, got.order().handoff());
    }
    return took_ms;
  };
  if (!test::Eventually([&] {
        measure(1);
        return telephoned == 0 || std::exchange(telephoned, 0) == 0;
      })) {
    Fail("the link does not come up");
  }
  measure(50);
  const std::vector<double> idle = measure(emergencies);

  PushLoad flood(&sites.a, "110", in_flight, channels, absl::ZeroDuration());
  std::atomic<bool> stop{false};
  int64_t taken = 0;
  int64_t refused = 0;
  double seconds = 0;
  std::thread ordinary([&] {
    while (!stop) {
      const LoadResult result = flood.Run(absl::Seconds(1));
      taken += result.answered;
      refused += result.failed;
      seconds += result.seconds;
    }
  });
  absl::SleepFor(absl::Seconds(2));
  const std::vector<double> flooded = measure(emergencies);
  stop = true;
  ordinary.join();
  const double idle_p99 = Quantile(idle, 0.99);
  const double flood_p99 = Quantile(flooded, 0.99);
  absl::PrintF(
      "bench flood idle_p50_ms=%.2f idle_p99_ms=%.2f p50_ms=%.2f p99_ms=%.2f ratio_p99=%.2f goal=2 "
      "ordinary_rate=%.0f "
      "refused=%d in_flight=%d telephoned=%d offer_p50_ms=%.2f peer_p50_ms=%.2f receipt_p50_ms=%.2f\n",
      Quantile(idle, 0.5), idle_p99, Quantile(flooded, 0.5), flood_p99, flood_p99 / idle_p99,
      static_cast<double>(taken) / seconds, refused, in_flight, telephoned, Quantile(stages.offer_ms, 0.5),
      Quantile(stages.peer_ms, 0.5), Quantile(stages.receipt_ms, 0.5));
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
