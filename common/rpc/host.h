// What all methods of one gRPC server share: clock, bounds, access, metrics. And what one method has resolved
// once.
#ifndef COMMON_RPC_HOST_H_
#define COMMON_RPC_HOST_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/rpc/access.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace hotline::rpc {

// A call that failed in a way a person should look at (INTERNAL, UNAVAILABLE, DATA_LOSS, UNKNOWN; and
// FAILED_PRECONDITION where a signature is refused, which only this site can mend).
struct CallFailure {
  std::string_view service;
  std::string_view method;
  std::string_view code;      // `UNAVAILABLE`
  std::string_view reason;    // `STORE_FAILED`; empty if it has none
  std::string_view message;   // English, without personal data
  std::string_view trace_id;  // 32 hex digits
  int64_t unreported = 0;     // how many before it were left out of the log to keep it readable
};

struct HostOptions {
  const Clock* clock = SystemClock();
  prometheus::Registry* registry = nullptr;  // required; outlives the host
  AccessPolicy access;
  // The server speaks TLS: every call must have an identity that the access table allows. False: plain text,
  // which only loopback can reach; every call is allowed.
  bool tls = false;
  // No unary call may take longer, whatever the client allows, unless its method has a bound of its own.
  absl::Duration max_deadline = absl::Seconds(30);
  // Unary calls under way at once; beyond: OVERLOADED.
  int max_calls = 16384;
  // Streams open at once; beyond: OVERLOADED.
  int max_streams = 4096;
  // Told of failures, at most ten a second; of a signature that is refused once an hour for each peer and
  // key. May be called from any thread. May be empty.
  std::function<void(const CallFailure&)> on_failure;
};

// Thread-safe. Outlives the server and all its methods.
class Host {
 public:
  explicit Host(HostOptions options);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // From now on new calls and streams are refused with DRAINING; those under way go on.
  void BeginDrain() { draining_.store(true); }
  // Waits until no call and no stream is under way, or `timeout`. After BeginDrain.
  void AwaitIdle(absl::Duration timeout);
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  int calls_in_flight() const { return calls_.load(std::memory_order_relaxed); }
  int streams_open() const { return streams_.load(std::memory_order_relaxed); }
  const HostOptions& options() const { return options_; }

  // Takes a place for a call or a stream: OVERLOADED if there is none, DRAINING. Used by the adapters.
  absl::Status EnterCall();
  void LeaveCall();
  absl::Status EnterStream();
  void LeaveStream();
  // Used by the adapters. `rare`: it comes so seldom that it is told beyond the ten a second.
  void ReportFailure(CallFailure failure, bool rare);

 private:
  friend class Method;

  // Wakes AwaitIdle when the last one has left.
  void Left();
  // Whether nobody was told of this refusal of a signature within the hour; its `message` names peer and key.
  bool IsNewRefusal(std::string_view message);

  const HostOptions options_;
  Mutex idle_mu_;
  CondVar idle_;
  std::atomic<bool> draining_ = false;
  std::atomic<int> calls_ = 0;
  std::atomic<int> streams_ = 0;
  std::atomic<int64_t> failure_second_ = 0;
  std::atomic<int> failures_in_second_ = 0;
  std::atomic<int64_t> unreported_ = 0;
  Mutex refusals_mu_;
  std::map<std::string, absl::Duration, std::less<>> refusals_ ABSL_GUARDED_BY(refusals_mu_);  // told when
  prometheus::Gauge* calls_gauge_;
  prometheus::Gauge* streams_gauge_;
  prometheus::Family<prometheus::Counter>* started_;
  prometheus::Family<prometheus::Counter>* handled_;
  prometheus::Family<prometheus::Histogram>* seconds_;
};

enum class MethodType { kUnary, kServerStream };

// One method of one service: its metrics (`grpc_server_started_total`,
// `grpc_server_handled_total{grpc_code}`, `grpc_server_handling_seconds`, all with `grpc_service`,
// `grpc_method`, `grpc_type`), resolved here and not per call. Thread-safe; outlives its calls.
class Method {
 public:
  // `service` is the full name, e.g. `ExchangeService::service_full_name()`. `max_deadline` takes the place
  // of the host's, for what is slow by nature and lets others go on beside it.
  Method(Host* host, std::string_view service, std::string_view name, MethodType type = MethodType::kUnary,
         std::optional<absl::Duration> max_deadline = std::nullopt);
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  Host& host() { return *host_; }
  const std::string& service() const { return service_; }
  const std::string& name() const { return name_; }
  // None of its unary calls may take longer.
  absl::Duration max_deadline() const { return max_deadline_; }

  // Used by the adapters. `took` is by a clock that never steps.
  void Started();
  void Handled(const absl::Status& status, absl::Duration took, std::string_view trace_id);

 private:
  Host* const host_;
  const std::string service_;
  const std::string name_;
  const absl::Duration max_deadline_;
  prometheus::Counter* started_;
  std::array<prometheus::Counter*, 17> handled_;  // by code
  prometheus::Histogram* seconds_;
};

}  // namespace hotline::rpc

#endif  // COMMON_RPC_HOST_H_
