#include "common/rpc/host.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <utility>

#include "common/error/error.h"

namespace hotline::rpc {
namespace {

constexpr int kFailuresPerSecond = 10;
// A peer whose signature is refused tries again and again.
constexpr absl::Duration kRefusalAgain = absl::Hours(1);
// Key ids are whatever the peer writes.
constexpr size_t kMostRefusals = 64;

// As gRPC names them on the wire and in other languages' metrics.
constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

// From what an idle site needs (100 µs) to a long poll (60 s).
const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const auto* const buckets = new prometheus::Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
  return *buckets;
}

// Takes one of `limit` places.
bool Enter(std::atomic<int>& count, int limit) {
  if (count.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

Host::Host(HostOptions options) : options_(std::move(options)) {
  prometheus::Registry& registry = *options_.registry;
  started_ =
      &prometheus::BuildCounter().Name("grpc_server_started_total").Help("Calls begun.").Register(registry);
  handled_ = &prometheus::BuildCounter()
                  .Name("grpc_server_handled_total")
                  .Help("Calls ended, by code.")
                  .Register(registry);
  seconds_ = &prometheus::BuildHistogram()
                  .Name("grpc_server_handling_seconds")
                  .Help("Time from a call's arrival to its answer, in seconds.")
                  .Register(registry);
  calls_gauge_ = &prometheus::BuildGauge()
                      .Name("grpc_server_calls_in_flight")
                      .Help("Unary calls under way.")
                      .Register(registry)
                      .Add({});
  streams_gauge_ = &prometheus::BuildGauge()
                        .Name("grpc_server_streams_open")
                        .Help("Server streams open.")
                        .Register(registry)
                        .Add({});
}

absl::Status Host::EnterCall() {
  if (draining()) return error::Draining();
  if (!Enter(calls_, options_.max_calls)) return error::Overloaded("calls", absl::Milliseconds(100));
  calls_gauge_->Increment();
  return absl::OkStatus();
}

void Host::LeaveCall() {
  calls_.fetch_sub(1);
  calls_gauge_->Decrement();
  Left();
}

absl::Status Host::EnterStream() {
  if (draining()) return error::Draining();
  if (!Enter(streams_, options_.max_streams)) return error::Overloaded("streams", absl::Seconds(1));
  streams_gauge_->Increment();
  return absl::OkStatus();
}

void Host::LeaveStream() {
  streams_.fetch_sub(1);
  streams_gauge_->Decrement();
  Left();
}

void Host::Left() {
  if (!draining_.load() || calls_.load() > 0 || streams_.load() > 0) return;
  MutexLock lock(&idle_mu_);
  idle_.NotifyAll();
}

void Host::AwaitIdle(absl::Duration timeout) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  MutexLock lock(&idle_mu_);
  while (calls_.load() > 0 || streams_.load() > 0) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return;
    idle_.WaitFor(&idle_mu_, left);
  }
}

void Host::ReportFailure(CallFailure failure, bool rare) {
  if (!options_.on_failure) return;
  if (rare) return options_.on_failure(failure);
  const int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  if (failure_second_.exchange(second, std::memory_order_relaxed) != second) {
    failures_in_second_.store(0, std::memory_order_relaxed);
  }
  if (failures_in_second_.fetch_add(1, std::memory_order_relaxed) >= kFailuresPerSecond) {
    unreported_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  failure.unreported = unreported_.exchange(0, std::memory_order_relaxed);
  options_.on_failure(failure);
}

bool Host::IsNewRefusal(std::string_view message) {
  const absl::Duration now = options_.clock->Steady();
  MutexLock lock(&refusals_mu_);
  std::erase_if(refusals_, [now](const auto& told) { return now - told.second >= kRefusalAgain; });
  return refusals_.size() < kMostRefusals && refusals_.try_emplace(std::string(message), now).second;
}

Method::Method(Host* host, std::string_view service, std::string_view name, MethodType type,
               std::optional<absl::Duration> max_deadline)
    : host_(host),
      service_(service),
      name_(name),
      max_deadline_(max_deadline.value_or(host->options().max_deadline)) {
  const prometheus::Labels labels = {{"grpc_service", service_},
                                     {"grpc_method", name_},
                                     {"grpc_type", type == MethodType::kUnary ? "unary" : "server_stream"}};
  started_ = &host_->started_->Add(labels);
  seconds_ = &host_->seconds_->Add(labels, Buckets());
  for (size_t code = 0; code < handled_.size(); ++code) {
    prometheus::Labels with_code = labels;
    with_code.emplace("grpc_code", kCodeNames[code]);
    handled_[code] = &host_->handled_->Add(with_code);
  }
}

void Method::Started() { started_->Increment(); }

void Method::Handled(const absl::Status& status, absl::Duration took, std::string_view trace_id) {
  const size_t code = static_cast<size_t>(status.code());  // of an open enum, but absl maps unknown codes
  handled_[code]->Increment();
  seconds_->Observe(absl::ToDoubleSeconds(took));
  if (status.ok()) return;
  const error::Reason reason = error::ReasonOf(status);
  const std::string_view message(status.message().data(), status.message().size());
  bool rare = false;
  switch (status.code()) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      if (reason == type::v1::ERROR_REASON_DRAINING) return;
      break;
    case absl::StatusCode::kFailedPrecondition:
      if (reason != type::v1::ERROR_REASON_SIGNATURE_INVALID &&
          reason != type::v1::ERROR_REASON_SIGNATURE_MISSING) {
        return;
      }
      if (!host_->IsNewRefusal(message)) return;
      rare = true;
      break;
    default:
      return;
  }
  host_->ReportFailure(
      {.service = service_,
       .method = name_,
       .code = kCodeNames[code],
       .reason = reason == type::v1::ERROR_REASON_UNSPECIFIED ? "" : error::ReasonName(reason),
       .message = message,
       .trace_id = trace_id},
      rare);
}

}  // namespace hotline::rpc
