// Many desktops watching one site: from the commit of an event (its commit_time) to its arrival at every
// watcher. Client and server share the clock.
//   --watchers N --channels N --rate EVENTS_PER_S --seconds S
#include <unistd.h>

#include <deque>

#include "absl/strings/str_format.h"
#include "tests/bench/load.h"
#include "tests/support/orders.h"

namespace hotline::bench {
namespace {

// One desktop's stream. Counts on every event in its place.
class Watcher : public grpc::ClientReadReactor<dispatch::v1::WatchHandoffsResponse> {
 public:
  Watcher(dispatch::v1::DispatchService::Stub* stub, int64_t start_sequence, std::atomic<int64_t>* deliveries)
      : deliveries_(deliveries), next_(start_sequence) {
    request_.set_start_sequence(start_sequence);
    stub->async()->WatchHandoffs(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadInitialMetadataDone(bool) override {}

  void OnReadDone(bool ok) override {
    if (!ok) return;
    const absl::Time now = absl::Now();
    for (const type::v1::Event& event : response_.events()) {
      if (event.sequence() != next_) Fail(absl::StrCat("expected event ", next_, ", got ", event.sequence()));
      ++next_;
      const absl::Time commit = absl::FromUnixSeconds(event.commit_time().seconds()) +
                                absl::Nanoseconds(event.commit_time().nanos());
      latencies_ms.push_back(absl::ToDoubleMilliseconds(now - commit));
    }
    deliveries_->fetch_add(response_.events_size());
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    MutexLock lock(&mu_);
    if (!cancelled_) Fail(absl::StrCat("stream ended: ", status.error_message()));
    done_ = true;
    ended_.NotifyAll();
  }

  void Finish() {
    MutexLock lock(&mu_);
    cancelled_ = true;
    context_.TryCancel();
    while (!done_) ended_.Wait(&mu_);
  }

  std::vector<double> latencies_ms;

 private:
  std::atomic<int64_t>* const deliveries_;
  int64_t next_;
  grpc::ClientContext context_;
  dispatch::v1::WatchHandoffsRequest request_;
  dispatch::v1::WatchHandoffsResponse response_;
  Mutex mu_;
  CondVar ended_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
};

int Main(int argc, char** argv) {
  const int watchers = static_cast<int>(FlagOr(argc, argv, "watchers", 1000));
  const int channels = static_cast<int>(FlagOr(argc, argv, "channels", 20));
  const double rate = FlagOr(argc, argv, "rate", 20);
  const double seconds = FlagOr(argc, argv, "seconds", 15);

  test::TemporaryFolder folder;
  test::Ports ports;
  test::Site site("12345", &ports, folder.path() + "/12345");
  // The peer is away: a push is one event.
  site.AddPeer("110", absl::StrCat("127.0.0.1:", ports.Take()));
  Check(site.StartAll());
  std::vector<std::unique_ptr<dispatch::v1::DispatchService::Stub>> stubs;
  for (int i = 0; i < channels; ++i) {
    stubs.push_back(dispatch::v1::DispatchService::NewStub(site.NewChannelTo(test::Service::kDispatch)));
  }
  std::atomic<int64_t> deliveries{0};
  std::deque<Watcher> desks;
  for (int i = 0; i < watchers; ++i)
    desks.emplace_back(stubs[static_cast<size_t>(i) % stubs.size()].get(), 1, &deliveries);

  int64_t pushed = 0;
  const auto push = [&] {
    dispatch::v1::PushWorkOrderResponse response;
    test::Call call;
    const grpc::Status status =
        site.dispatch().PushWorkOrder(&call, test::MakePush(pushed, "110"), &response);
    if (!status.ok()) Fail(status.error_message());
    ++pushed;
  };
  // The first event is waited for by all: then every stream is up.
  push();
  if (!test::Eventually([&] { return deliveries == watchers; }, absl::Seconds(30)))
    Fail("streams did not come up");
  for (Watcher& desk : desks) desk.latencies_ms.clear();

  CpuMeter cpu;
  cpu.Add("client", getpid());
  for (const test::Service service : test::kServices)
    cpu.Add(test::NameOf(service), site.process(service).pid());
  cpu.Resume();
  const absl::Time begin = absl::Now();
  const int64_t events = static_cast<int64_t>(rate * seconds);
  for (int64_t i = 0; i < events; ++i) {
    absl::SleepFor(begin + absl::Seconds(static_cast<double>(i) / rate) - absl::Now());
    push();
  }
  const bool complete = test::Eventually([&] { return deliveries == watchers * pushed; }, absl::Seconds(30));
  cpu.Pause();
  if (!complete) Fail(absl::StrCat(deliveries.load(), " of ", watchers * pushed, " deliveries"));
  std::vector<double> latencies;
  for (Watcher& desk : desks) {
    desk.Finish();
    latencies.insert(latencies.end(), desk.latencies_ms.begin(), desk.latencies_ms.end());
  }
  absl::PrintF(
      "bench watch watchers=%d events=%d rate=%.0f p50_ms=%.1f p99_ms=%.1f max_ms=%.1f goal_p99_ms=250%s\n",
      watchers, events, rate, Quantile(latencies, 0.5), Quantile(latencies, 0.99), Quantile(latencies, 1),
      cpu.PerOperation(events * watchers));
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
