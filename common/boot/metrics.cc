#include "common/boot/metrics.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <future>
#include <optional>
#include <sstream>
#include <utility>

#include "common/rpc/address.h"

namespace hotline::boot {
namespace {

// What /proc/self tells, read at each scrape.
class ProcessCollector final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> families;
    if (const std::optional<Stat> stat = ReadStat()) {
      const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
      families.push_back(Family("process_cpu_seconds_total", "User and system time used, in seconds.",
                                prometheus::MetricType::Counter, stat->cpu_ticks / ticks));
      families.push_back(Family("process_resident_memory_bytes", "Resident memory, in bytes.",
                                prometheus::MetricType::Gauge,
                                stat->resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE))));
      families.push_back(Family("process_virtual_memory_bytes", "Virtual memory, in bytes.",
                                prometheus::MetricType::Gauge, stat->virtual_bytes));
      families.push_back(Family("process_threads", "Threads.", prometheus::MetricType::Gauge, stat->threads));
      if (const std::optional<double> boot = BootTime()) {
        families.push_back(Family("process_start_time_seconds", "Start, in seconds since 1970.",
                                  prometheus::MetricType::Gauge, *boot + stat->start_ticks / ticks));
      }
    }
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
      families.push_back(Family("process_max_fds", "Most file descriptors that may be open.",
                                prometheus::MetricType::Gauge, static_cast<double>(files.rlim_cur)));
    }
    if (const std::optional<double> open = OpenFiles()) {
      families.push_back(
          Family("process_open_fds", "Open file descriptors.", prometheus::MetricType::Gauge, *open));
    }
    return families;
  }

 private:
  struct Stat {
    double cpu_ticks = 0;
    double threads = 0;
    double start_ticks = 0;
    double virtual_bytes = 0;
    double resident_pages = 0;
  };

  static prometheus::MetricFamily Family(std::string name, std::string help, prometheus::MetricType type,
                                         double value) {
    prometheus::MetricFamily family;
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    family.metric.resize(1);
    (type == prometheus::MetricType::Counter ? family.metric[0].counter.value
                                             : family.metric[0].gauge.value) = value;
    return family;
  }

  // proc(5). Fields are counted from 1; the second is the name in parentheses, which may hold anything.
  static std::optional<Stat> ReadStat() {
    std::ifstream file("/proc/self/stat");
    std::string text;
    if (!std::getline(file, text)) return std::nullopt;
    const size_t end = text.rfind(')');
    if (end == std::string::npos) return std::nullopt;
    std::istringstream words(text.substr(end + 1));
    Stat stat;
    std::string word;
    for (int field = 3; field <= 24 && words >> word; ++field) {
      const double value = std::strtod(word.c_str(), nullptr);
      if (field == 14 || field == 15) stat.cpu_ticks += value;
      if (field == 20) stat.threads = value;
      if (field == 22) stat.start_ticks = value;
      if (field == 23) stat.virtual_bytes = value;
      if (field == 24) stat.resident_pages = value;
    }
    return stat;
  }

  // When the machine was started, in seconds since 1970.
  static std::optional<double> BootTime() {
    std::ifstream file("/proc/stat");
    std::string word;
    while (file >> word) {
      double value = 0;
      if (word == "btime" && file >> value) return value;
    }
    return std::nullopt;
  }

  static std::optional<double> OpenFiles() {
    DIR* const folder = opendir("/proc/self/fd");
    if (folder == nullptr) return std::nullopt;
    int count = -1;  // the folder itself is open now
    while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
  }
};

// Connects to `address`, which is IPv4 in numbers, and hangs up.
void Knock(const rpc::Address& address) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(address.port));
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) != 1) return;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  // Whether it succeeds does not matter: the next knock may, or nobody is there any more.
  static_cast<void>(connect(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof(v4)));
  close(fd);
}

}  // namespace

// Asked first at each scrape; gives only what is shown by Show.
class Metrics::Refresher final : public prometheus::Collectable {
 public:
  void Add(absl::AnyInvocable<void()> refresh) {
    MutexLock lock(&mu_);
    refreshes_.push_back(std::move(refresh));
  }
  void Add(prometheus::MetricFamily family, absl::AnyInvocable<std::vector<Sample>()> read) {
    MutexLock lock(&mu_);
    shown_.push_back({std::move(family), std::move(read)});
  }
  void Clear() {
    MutexLock lock(&mu_);
    refreshes_.clear();
    shown_.clear();
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    MutexLock lock(&mu_);
    for (absl::AnyInvocable<void()>& refresh : refreshes_) refresh();
    std::vector<prometheus::MetricFamily> families;
    for (Shown& shown : shown_) {
      prometheus::MetricFamily& family = families.emplace_back(shown.family);
      for (const Sample& sample : shown.read()) {
        prometheus::ClientMetric& metric = family.metric.emplace_back();
        for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
        (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) =
            sample.value;
      }
    }
    return families;
  }

 private:
  struct Shown {
    prometheus::MetricFamily family;
    absl::AnyInvocable<std::vector<Sample>()> read;
  };

  mutable Mutex mu_;
  mutable std::vector<absl::AnyInvocable<void()>> refreshes_ ABSL_GUARDED_BY(mu_);
  mutable std::vector<Shown> shown_ ABSL_GUARDED_BY(mu_);
};

Metrics::Metrics(std::string_view service, std::string_view hotline, std::string_view version)
    : registry_(std::make_shared<prometheus::Registry>()),
      refresher_(std::make_shared<Refresher>()),
      process_(std::make_shared<ProcessCollector>()) {
  prometheus::BuildGauge()
      .Name("build_info")
      .Help("Always 1; the labels tell what runs.")
      .Register(*registry_)
      .Add({{"service", std::string(service)},
            {"hotline", std::string(hotline)},
            {"version", std::string(version)},
            {"compiler", __VERSION__}})
      .Set(1);
}

Metrics::~Metrics() { StopServing(); }

void Metrics::OnScrape(absl::AnyInvocable<void()> refresh) { refresher_->Add(std::move(refresh)); }

void Metrics::Show(std::string name, std::string help, Kind kind,
                   absl::AnyInvocable<std::vector<Sample>()> read) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = kind == Kind::kCounter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  refresher_->Add(std::move(family), std::move(read));
}

absl::Status Metrics::Serve(const std::string& address, std::string_view key) {
  const std::optional<rpc::Address> parsed = rpc::ParseAddress(address);
  if (!parsed.has_value()) return rpc::CannotListen(address, key);
  // The HTTP server knows IPv4 in numbers only.
  const std::string host = parsed->host == "localhost" ? "127.0.0.1" : parsed->host;
  try {
    // Who connects and says nothing holds a thread until it times out.
    exposer_ = std::make_unique<prometheus::Exposer>(
        std::vector<std::string>{"listening_ports", rpc::FormatAddress(host, parsed->port), "num_threads",
                                 "4", "request_timeout_ms", "2000"});
  } catch (const std::exception&) {
    return rpc::CannotListen(address, key, "metrics need localhost or an IPv4 address in numbers");
  }
  exposer_->RegisterCollectable(refresher_);
  exposer_->RegisterCollectable(process_);
  exposer_->RegisterCollectable(registry_);
  address_ = rpc::FormatAddress(host, exposer_->GetListeningPorts().at(0));
  return absl::OkStatus();
}

void Metrics::StopServing() {
  if (exposer_ != nullptr) {
    // The HTTP server's accepting thread looks every two seconds whether it should stop; a connection wakes
    // it.
    const std::optional<rpc::Address> address = rpc::ParseAddress(address_);
    auto stopped =
        std::async(std::launch::async, [exposer = std::move(exposer_)]() mutable { exposer.reset(); });
    do {
      if (address.has_value()) Knock(*address);
    } while (stopped.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready);
  }
  refresher_->Clear();
}

}  // namespace hotline::boot
