// The process's metrics and the port that shows them.
#ifndef COMMON_BOOT_METRICS_H_
#define COMMON_BOOT_METRICS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"

namespace prometheus {
class Collectable;
class Exposer;
class Registry;
}  // namespace prometheus

namespace hotline::boot {

// Thread-safe.
class Metrics {
 public:
  // With process metrics (`process_resident_memory_bytes`, `process_open_fds`, `process_max_fds`,
  // `process_cpu_seconds_total`, `process_start_time_seconds`) and `build_info{service, hotline, version,
  // compiler}`.
  Metrics(std::string_view service, std::string_view hotline, std::string_view version);
  ~Metrics();

  prometheus::Registry& registry() { return *registry_; }
  // Runs before each scrape, on a scraping thread: where gauges are set from what a service knows. It must be
  // quick, and stay valid until StopServing.
  void OnScrape(absl::AnyInvocable<void()> refresh);

  // One value of a metric whose labels come and go.
  struct Sample {
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
  };
  enum class Kind { kGauge, kCounter };
  // At each scrape shows what `read` gives then, and nothing of what it gave before. As OnScrape otherwise.
  void Show(std::string name, std::string help, Kind kind, absl::AnyInvocable<std::vector<Sample>()> read);

  // Serves /metrics over plain HTTP at `address`, which the configuration has under `key`; port 0 takes a
  // free one. Errors: FAILED_PRECONDITION if it cannot listen.
  absl::Status Serve(const std::string& address, std::string_view key);
  // `host:port`; empty while nothing is served.
  const std::string& address() const { return address_; }
  // No refresh runs after it returns.
  void StopServing();

 private:
  class Refresher;

  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<Refresher> refresher_;
  std::shared_ptr<prometheus::Collectable> process_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string address_;
};

}  // namespace hotline::boot

#endif  // COMMON_BOOT_METRICS_H_
