// Offers a site ordinary pushes, whatever becomes of them: with `--rate`, so many begin in a second however
// many have been answered; with `--in_flight`, each answer is followed by the next push. One thread, requests
// made of one serialized template, so that it takes little from the site beside it.
//
//   flood_load --address HOST:PORT --to HOTLINE (--rate N | --in_flight N) [--channels N] [--nice N]
//     [--patience_ms MS]
//
// Runs until SIGTERM, then prints
// `DONE begun=… taken=… refused=… given_up=… failed=… seconds=… taken_p50_ms=…`.
// A push that was refused is one answered with RESOURCE_EXHAUSTED; one is given up that is not answered
// within the patience (30 s), as who offers more than is taken would else offer no more once so many wait.
// What is due and cannot be begun because this program is short of processor time is not made up for in a
// burst: `begun` tells what was offered.
#include <grpcpp/generic/generic_stub.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/load.h"
#include "tests/support/orders.h"

namespace hotline::bench {
namespace {

constexpr char kMethod[] = "/hotline.dispatch.v1.DispatchService/PushWorkOrder";
// Most that may be under way; most of them wait in this program, as a connection carries 256 at once.
constexpr size_t kMostUnderWay = 300'000;
constexpr double kMostDebtSeconds = 0.02;

volatile sig_atomic_t stop = 0;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Serialized pushes that differ in request id and telephone number.
class Requests {
 public:
  explicit Requests(const std::string& to_hotline) {
    for (int64_t n = 0; n < 4; ++n) {
      dispatch::v1::PushWorkOrderRequest request = test::MakePush(n, to_hotline);
      Template& one = templates_.emplace_back();
      id_ = request.header().request_id();
      test::PhoneOf(n, &phone_);
      one.bytes = request.SerializeAsString();
      one.id_at = one.bytes.find(id_);
      one.phone_at = one.bytes.find(phone_);
    }
  }

  grpc::ByteBuffer Next() {
    Template& one = templates_[static_cast<size_t>(next_) % templates_.size()];
    test::NextRequestId(&id_);
    test::PhoneOf(next_++, &phone_);
    one.bytes.replace(one.id_at, id_.size(), id_);
    one.bytes.replace(one.phone_at, phone_.size(), phone_);
    const grpc::Slice slice(one.bytes);
    return grpc::ByteBuffer(&slice, 1);
  }

 private:
  struct Template {
    std::string bytes;
    size_t id_at = 0;
    size_t phone_at = 0;
  };
  std::vector<Template> templates_;
  std::string id_;
  std::string phone_;
  int64_t next_ = 0;
};

struct Push {
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  grpc::Status status;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  double begin = 0;
};

std::string TextFlag(int argc, char** argv, std::string_view name) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == name) return argv[i + 1];
  }
  Fail(absl::StrCat(std::string(name), " is missing"));
}

int Main(int argc, char** argv) {
  const std::string address = TextFlag(argc, argv, "--address");
  const double rate = FlagOr(argc, argv, "rate", 0);
  const auto in_flight = static_cast<size_t>(FlagOr(argc, argv, "in_flight", 0));
  const int channels = static_cast<int>(FlagOr(argc, argv, "channels", 4));
  const std::chrono::milliseconds patience(static_cast<int64_t>(FlagOr(argc, argv, "patience_ms", 30'000)));
  if ((rate > 0) == (in_flight > 0)) Fail("one of --rate and --in_flight");
  setpriority(PRIO_PROCESS, 0, static_cast<int>(FlagOr(argc, argv, "nice", 0)));
  signal(SIGTERM, [](int) { stop = 1; });

  Requests requests(TextFlag(argc, argv, "--to"));
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  for (int i = 0; i < channels; ++i) {
    stubs.push_back(std::make_unique<grpc::GenericStub>(test::NewChannel(address)));
  }
  grpc::CompletionQueue queue;
  int64_t begun = 0, taken = 0, refused = 0, given_up = 0, failed = 0;
  size_t under_way = 0;
  std::vector<double> taken_ms;
  std::string first_failure;
  const auto begin_one = [&](double now) {
    auto* const push = new Push;
    push->begin = now;
    push->context.set_deadline(std::chrono::system_clock::now() + patience);
    push->reader = stubs[static_cast<size_t>(begun) % stubs.size()]->PrepareUnaryCall(
        &push->context, kMethod, requests.Next(), &queue);
    push->reader->StartCall();
    push->reader->Finish(&push->response, &push->status, push);
    ++begun;
    ++under_way;
  };
  const auto end_one = [&](Push* raw) {
    const std::unique_ptr<Push> push(raw);
    --under_way;
    if (push->status.ok()) {
      ++taken;
      taken_ms.push_back((Now() - push->begin) * 1e3);
    } else if (push->status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      ++refused;
    } else if (push->status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      ++given_up;
    } else {
      ++failed;
      if (first_failure.empty()) first_failure = push->status.error_message();
    }
  };

  puts("READY");
  fflush(stdout);
  const double start = Now();
  double due = start;
  while (stop == 0) {
    double now = Now();
    due = std::max(due, now - kMostDebtSeconds);
    // Between two looks at the answers no more than a few, so that they leave evenly.
    for (int burst = 0; burst < 32; ++burst) {
      if (in_flight > 0 ? under_way >= in_flight : due > now || under_way >= kMostUnderWay) break;
      begin_one(now);
      if (rate > 0) due += 1 / rate;
    }
    now = Now();
    const double wait = in_flight > 0 || due > now ? 0.001 : 0;
    void* tag = nullptr;
    bool ok = false;
    auto until =
        std::chrono::system_clock::now() + std::chrono::microseconds(static_cast<int64_t>(wait * 1e6));
    for (int i = 0; i < 64 && queue.AsyncNext(&tag, &ok, until) == grpc::CompletionQueue::GOT_EVENT; ++i) {
      end_one(static_cast<Push*>(tag));
      until = {};
    }
  }
  const double seconds = Now() - start;
  printf(
      "DONE begun=%lld taken=%lld refused=%lld given_up=%lld failed=%lld seconds=%.3f "
      "taken_p50_ms=%.1f\n",
      static_cast<long long>(begun), static_cast<long long>(taken), static_cast<long long>(refused),
      static_cast<long long>(given_up), static_cast<long long>(failed), seconds, Quantile(taken_ms, 0.5));
  if (failed > 0) fprintf(stderr, "flood_load: first failure: %s\n", first_failure.c_str());
  fflush(stdout);
  // Calls may still be under way.
  _exit(0);
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
