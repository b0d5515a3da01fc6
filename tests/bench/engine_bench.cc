// What a handoff costs the two committers alone, step by step: no network, no threads, and with a
// temporary folder in memory (TMPDIR=/dev/shm) no disk. Batches of a fixed size go giver → taker → giver as
// under load. Meant for instruction counts too: `valgrind --tool=callgrind build/tests/bench/engine_bench
// --handoffs 2000`.
//   --handoffs N --batch N
//
// Prints `bench engine handoffs=… offer_us=… apply_us=… receipt_us=… understood_us=… whole_us=…` of the
// thread's processor time for each handoff.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/base/id.h"
#include "services/work_order/engine.h"
#include "tests/bench/load.h"
#include "tests/support/orders.h"
#include "tests/support/steps.h"

namespace hotline::work_order {
namespace {

double CpuMicros() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

struct Site {
  Site(const std::string& hotline, const std::string& peer, const std::string& folder) : peer(peer) {
    auto store = Store::Open({.directory = folder + "/" + hotline, .hotline = hotline});
    bench::Check(store.status());
    EngineOptions options;
    options.site.hotline = hotline;
    options.site.peers = {peer};
    options.draw_salt = [] { return RandomBytes(16); };
    auto made = Engine::Create(*std::move(store), std::move(options), SystemClock(), &steps);
    bench::Check(made.status());
    engine = *std::move(made);
  }
  void Commit() {
    while (engine->RunBatch()) {
    }
  }
  // What the peer has not been handed yet. `receipt` is the peer's newest.
  workorder::v1::PullOutboxResponse Pull(const exchange::v1::LinkReceipt& receipt) {
    workorder::v1::PullOutboxRequest request;
    request.set_peer(peer);
    request.set_limit(512);
    request.set_after_sequence(receipt.received_through());
    *request.mutable_receipt() = receipt;
    workorder::v1::PullOutboxResponse pulled;
    engine->PullOutbox({}, std::move(request),
                       [&](absl::StatusOr<workorder::v1::PullOutboxResponse> response) {
                         bench::Check(response.status());
                         pulled = *std::move(response);
                       });
    Commit();
    return pulled;
  }
  exchange::v1::LinkReceipt Apply(workorder::v1::PullOutboxResponse pulled) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer(peer);
    *request.mutable_envelopes() = std::move(*pulled.mutable_envelopes());
    exchange::v1::LinkReceipt receipt;
    engine->ApplyInbox({}, std::move(request),
                       [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
                         bench::Check(response.status());
                         receipt = std::move(*response->mutable_receipt());
                       });
    Commit();
    return receipt;
  }

  const std::string peer;
  test::Steps steps{absl::Now()};
  std::unique_ptr<Engine> engine;
};

int Main(int argc, char** argv) {
  const int handoffs = static_cast<int>(bench::FlagOr(argc, argv, "handoffs", 50'000));
  const int batch = static_cast<int>(bench::FlagOr(argc, argv, "batch", 64));
  test::TemporaryFolder folder;
  Site giver("12345", "110", folder.path());
  Site taker("110", "12345", folder.path());
  exchange::v1::LinkReceipt at_taker, at_giver;
  double offer = 0, apply = 0, receipt = 0, understood = 0;
  int done = 0;
  while (done < handoffs) {
    workorder::v1::ExecuteRequest request;
    for (int i = 0; i < batch; ++i) {
      dispatch::v1::PushWorkOrderRequest push = test::MakePush(done + i, "110");
      type::v1::Command& command = *request.add_commands();
      *command.mutable_header() = std::move(*push.mutable_header());
      *command.mutable_offer() = std::move(*push.mutable_offer());
      *command.mutable_registration()->mutable_content() = std::move(*push.mutable_content());
      command.set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }
    double begin = CpuMicros();
    giver.engine->Execute({}, std::move(request),
                          [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
                            bench::Check(response.status());
                            for (const auto& result : response->results()) {
                              if (result.has_error()) bench::Fail(result.error().message());
                            }
                          });
    giver.Commit();
    workorder::v1::PullOutboxResponse offers = giver.Pull(at_taker);
    double end = CpuMicros();
    offer += end - std::exchange(begin, end);
    at_taker = taker.Apply(std::move(offers));
    workorder::v1::PullOutboxResponse answers = taker.Pull(at_giver);
    end = CpuMicros();
    apply += end - std::exchange(begin, end);
    giver.Pull(at_taker);
    end = CpuMicros();
    receipt += end - std::exchange(begin, end);
    at_giver = giver.Apply(std::move(answers));
    taker.Pull(at_giver);
    understood += CpuMicros() - begin;
    done += batch;
    if (done % (64 * batch) == 0) {
      bench::Check(giver.engine->store().Checkpoint());
      bench::Check(taker.engine->store().Checkpoint());
    }
  }
  const double each = 1.0 / done;
  std::printf(
      "bench engine handoffs=%d batch=%d offer_us=%.1f apply_us=%.1f receipt_us=%.1f understood_us=%.1f "
      "whole_us=%.1f\n",
      done, batch, offer * each, apply * each, receipt * each, understood * each,
      (offer + apply + receipt + understood) * each);
  return 0;
}

}  // namespace
}  // namespace hotline::work_order

int main(int argc, char** argv) { return hotline::work_order::Main(argc, argv); }
