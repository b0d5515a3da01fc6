// A closed loop of unary calls for the benchmarks: a fixed number under way, each answer at once followed by
// the next call.
#ifndef TESTS_BENCH_LOAD_H_
#define TESTS_BENCH_LOAD_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "tests/bench/echo.grpc.pb.h"
#include "tests/support/process.h"
#include "tests/support/site.h"

namespace hotline::bench {

// Values of a sorted or unsorted sample at `quantile` (0 to 1); 0 if it is empty.
double Quantile(std::vector<double> values, double quantile);
inline double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

struct LoadResult {
  int64_t answered = 0;
  int64_t failed = 0;
  std::string first_error;
  double seconds = 0;
  std::vector<double> latencies_ms;  // filled only if asked for
  double rate() const { return seconds > 0 ? static_cast<double>(answered) / seconds : 0; }
};

// Calls `start(context, request, response, done)` with `in_flight` calls under way for `duration`.
// `prepare(request, slot)` makes each next request from the one its slot sent before. A slot is used by one
// call at a time.
template <typename Request, typename Response>
class ClosedLoop {
 public:
  using Done = std::function<void(grpc::Status)>;
  using StartCall = std::function<void(int slot, grpc::ClientContext*, const Request*, Response*, Done)>;
  using Prepare = std::function<void(Request*, int slot)>;
  using Check = std::function<bool(const Response&)>;

  ClosedLoop(int in_flight, StartCall start, Prepare prepare, Check check = nullptr)
      : start_(std::move(start)), prepare_(std::move(prepare)), check_(std::move(check)) {
    for (int i = 0; i < in_flight; ++i) slots_.push_back(std::make_unique<Slot>());
  }

  // `keep_latencies` costs two clock reads a call.
  LoadResult Run(absl::Duration duration, bool keep_latencies = false) {
    keep_latencies_ = keep_latencies;
    answered_ = failed_ = 0;
    const absl::Time begin = absl::Now();
    stop_ = false;
    {
      MutexLock lock(&mu_);
      open_ = static_cast<int>(slots_.size());
      first_error_.clear();
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
      slots_[i]->latencies_ms.clear();
      Issue(static_cast<int>(i));
    }
    absl::SleepFor(duration);
    LoadResult result;
    result.answered = answered_;
    result.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    stop_ = true;
    MutexLock lock(&mu_);
    while (open_ > 0) all_back_.Wait(&mu_);
    result.failed = failed_;
    result.first_error = first_error_;
    for (const auto& slot : slots_) {
      result.latencies_ms.insert(result.latencies_ms.end(), slot->latencies_ms.begin(),
                                 slot->latencies_ms.end());
    }
    return result;
  }

 private:
  struct Slot {
    std::optional<grpc::ClientContext> context;
    Request request;
    Response response;
    absl::Time begin;
    std::vector<double> latencies_ms;
  };

  void Issue(int index) {
    Slot& slot = *slots_[static_cast<size_t>(index)];
    slot.context.emplace();
    prepare_(&slot.request, index);
    if (keep_latencies_) slot.begin = absl::Now();
    start_(index, &*slot.context, &slot.request, &slot.response,
           [this, index](grpc::Status status) { Answered(index, status); });
  }

  void Answered(int index, const grpc::Status& status) {
    Slot& slot = *slots_[static_cast<size_t>(index)];
    if (status.ok() && (check_ == nullptr || check_(slot.response))) {
      answered_.fetch_add(1, std::memory_order_relaxed);
      if (keep_latencies_) slot.latencies_ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - slot.begin));
    } else {
      failed_.fetch_add(1, std::memory_order_relaxed);
      MutexLock lock(&mu_);
      if (first_error_.empty()) {
        first_error_ = status.ok() ? "answer is not the expected one"
                                   : absl::StrCat(status.error_code(), " ", status.error_message());
      }
    }
    if (!stop_.load(std::memory_order_relaxed)) return Issue(index);
    MutexLock lock(&mu_);
    if (--open_ == 0) all_back_.NotifyAll();
  }

  const StartCall start_;
  const Prepare prepare_;
  const Check check_;
  std::vector<std::unique_ptr<Slot>> slots_;
  bool keep_latencies_ = false;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> answered_{0};
  std::atomic<int64_t> failed_{0};
  Mutex mu_;
  CondVar all_back_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::string first_error_ ABSL_GUARDED_BY(mu_);
};

// The yardstick: an echo server in a process of its own, called with 64 in flight over 4 channels.
class Echo {
 public:
  explicit Echo(const std::string& log_file);
  // Calls per second over `duration`.
  double Measure(absl::Duration duration);
  test::Process& process() { return *server_; }

 private:
  std::unique_ptr<test::Process> server_;
  std::vector<std::unique_ptr<v1::EchoService::Stub>> stubs_;
  std::unique_ptr<ClosedLoop<dispatch::v1::PushWorkOrderRequest, dispatch::v1::PushWorkOrderRequest>> loop_;
};

// Pushes of new orders to a site.
class PushLoad {
 public:
  // `receipt_wait` zero: the answer comes at the commit; else it must say RECEIVED to count.
  PushLoad(test::Site* site, std::string to_hotline, int in_flight, int channels,
           absl::Duration receipt_wait);
  LoadResult Run(absl::Duration duration, bool keep_latencies = false) {
    return loop_->Run(duration, keep_latencies);
  }

 private:
  std::vector<std::unique_ptr<dispatch::v1::DispatchService::Stub>> stubs_;
  std::atomic<int64_t> next_{0};
  std::unique_ptr<ClosedLoop<dispatch::v1::PushWorkOrderRequest, dispatch::v1::PushWorkOrderResponse>> loop_;
};

// Processor time of processes over a stretch, as ` cpu_NAME_us=…` per operation.
class CpuMeter {
 public:
  void Add(std::string name, pid_t pid) { processes_.push_back({std::move(name), pid, {}, {}}); }
  // Begins or goes on counting.
  void Resume();
  void Pause();
  std::string PerOperation(int64_t operations) const;

 private:
  struct Entry {
    std::string name;
    pid_t pid;
    absl::Duration begin;
    absl::Duration used;
  };
  std::vector<Entry> processes_;
};

// Median milliseconds of writing 4 KiB and fdatasync in `folder`.
double FdatasyncMs(const std::string& folder);

// Prints `message` and ends the program with status 1.
[[noreturn]] void Fail(const std::string& message);
void Check(const absl::Status& status);

// `--name=value` or `--name value` among the arguments, or `otherwise`.
double FlagOr(int argc, char** argv, const std::string& name, double otherwise);

}  // namespace hotline::bench

#endif  // TESTS_BENCH_LOAD_H_
