#include "common/boot/boot.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/boot/certificates.h"
#include "common/boot/log.h"
#include "common/error/error.h"
#include "common/rpc/address.h"

// Read by jemalloc, where the program is linked with it. By default each of 25 threads that work now and then
// is given one of four arenas a core, and each arena keeps what it once needed: memory grew for hours without
// anything being held (a fifth in ten minutes at half of a site's capacity), and a model's training stayed in
// memory twice.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:4,background_thread:true";
}

namespace hotline::boot {
namespace {

constexpr int kMostCallsOfAConnection = 256;

// How much longer than `drain_ms` a drain may take before the process is ended the hard way.
constexpr std::chrono::seconds kDrainGrace(5);

std::string Text(absl::string_view text) { return std::string(text.data(), text.size()); }

// Keeps what is set before there is a server to tell.
class Health final : public HealthSink {
 public:
  void SetServing(std::string_view name, bool serving) override {
    MutexLock lock(&mu_);
    states_[std::string(name)] = serving;
    if (service_ != nullptr) Tell(std::string(name), serving);
  }
  void Attach(grpc::HealthCheckServiceInterface* service) {
    MutexLock lock(&mu_);
    service_ = service;
    for (const auto& [name, serving] : states_) Tell(name, serving);
  }
  // All NOT_SERVING, for good.
  void Shutdown() {
    MutexLock lock(&mu_);
    if (service_ != nullptr) service_->Shutdown();
  }
  // The server goes away.
  void Detach() {
    MutexLock lock(&mu_);
    service_ = nullptr;
  }

 private:
  void Tell(const std::string& name, bool serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    service_->SetServingStatus(name, serving);
  }

  Mutex mu_;
  std::map<std::string, bool> states_ ABSL_GUARDED_BY(mu_);
  grpc::HealthCheckServiceInterface* service_ ABSL_GUARDED_BY(mu_) = nullptr;
};

constexpr absl::Duration kLastAnswers = absl::Milliseconds(200);

const config::v1::ListenConfig& ListenOf(const config::v1::SiteConfig& site, std::string_view service) {
  if (service == "work_order") return site.work_order().listen();
  if (service == "dispatch") return site.dispatch().listen();
  return site.escalation().listen();
}

rpc::SecurityOptions SecurityOf(const config::v1::SiteConfig& site, std::string_view service,
                                bool insecure_listen, absl::Duration refresh) {
  return {.certificate_file = site.tls().certificate_file(),
          .key_file = site.tls().key_file(),
          .ca_file = site.tls().ca_file(),
          .identity = fmt::format("spiffe://hotline/{}/{}", site.hotline(), service),
          .insecure_beyond_loopback = insecure_listen,
          .refresh = refresh};
}

// gRPC takes any key; one that everybody on the machine can read proves nobody. Nor does it ask whether the
// party's own certificate is by an authority that it trusts.
absl::StatusOr<std::unique_ptr<rpc::Security>> MakeSecurity(const config::v1::SiteConfig& site,
                                                            std::string_view service, bool insecure_listen,
                                                            absl::Duration refresh) {
  if (absl::Status status = CheckPrivate(site.tls().key_file()); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<rpc::Security>> security =
      rpc::Security::Create(SecurityOf(site, service, insecure_listen, refresh));
  if (!security.ok() || !(*security)->tls()) return security;
  const absl::StatusOr<bool> issued = IsIssuedBy(site.tls().certificate_file(), site.tls().ca_file());
  if (!issued.ok()) return issued.status();
  if (!*issued) {
    return absl::FailedPreconditionError(
        fmt::format("{} is not issued by {}: others would refuse it; put the certificate of the authority in "
                    "tls.ca_file, or have another issued",
                    site.tls().certificate_file(), site.tls().ca_file()));
  }
  return security;
}

// Looks at the files again and again while they may be replaced, and warns of what has come to be wrong.
class CertificateWatch {
 public:
  CertificateWatch(const config::v1::TlsConfig& tls, const Clock* clock, absl::Duration pause)
      : tls_(tls), clock_(clock), pause_(pause), told_(Faults()), loop_("certificates") {
    Schedule();
  }

 private:
  std::vector<std::string> Faults() const {
    return FaultsOf(tls_.certificate_file(), tls_.ca_file(), clock_->Now());
  }
  void Schedule() {
    loop_.PostAfter(pause_, [this] {
      std::vector<std::string> found = Faults();
      for (const std::string& fault : found) {
        if (std::find(told_.begin(), told_.end(), fault) == told_.end()) log::Warn(fault);
      }
      told_ = std::move(found);
      Schedule();
    });
  }

  const config::v1::TlsConfig tls_;
  const Clock* const clock_;
  const absl::Duration pause_;
  std::vector<std::string> told_;  // at the start by RunService
  Loop loop_;                      // last: its task uses the others
};

// Whether the folder can be written to, or made, tried in it or in what there is of the way to it; nothing is
// left there. `key` names it in the configuration.
absl::Status CheckWritable(const std::string& folder, std::string_view key) {
  namespace fs = std::filesystem;
  std::error_code code;
  const fs::path wanted = fs::absolute(folder, code);
  fs::path there = wanted;
  while (!code && !fs::exists(there, code) && there.has_relative_path()) there = there.parent_path();
  std::string trial = (there / ".hotline-check-XXXXXX").string();
  int failure = code ? code.value() : 0;
  if (failure == 0 && mkdtemp(trial.data()) == nullptr) failure = errno;
  // A start waits until there is room on a full disk.
  if (failure == ENOSPC || failure == EDQUOT) return absl::OkStatus();
  if (failure == 0) {
    rmdir(trial.c_str());
    return absl::OkStatus();
  }
  const bool is_there = there == wanted;
  return absl::FailedPreconditionError(fmt::format(
      "{}: cannot {} {}: {}: {}`chown` it to the user that the service runs as (hotline); under "
      "systemd ReadWritePaths= must name it too",
      key, is_there ? "write to" : "make", folder, strerror(failure), is_there ? "" : "make it and "));
}

// What a service keeps, it must be able to write.
absl::Status CheckFolders(const config::v1::SiteConfig& site, std::string_view service) {
  std::vector<std::pair<std::string, std::string>> folders;
  if (service == "work_order") folders.emplace_back(site.work_order().data_dir(), "work_order.data_dir");
  if (service == "escalation") folders.emplace_back(site.escalation().data_dir(), "escalation.data_dir");
  if (const std::string& file = site.log().file(); !file.empty()) {
    const std::string folder = std::filesystem::path(file).parent_path().string();
    folders.emplace_back(folder.empty() ? "." : folder, "log.file");
    if (access(file.c_str(), W_OK) != 0 && errno != ENOENT && errno != ENOTDIR) {
      return absl::FailedPreconditionError(
          fmt::format("log.file: cannot write to {}: {}: `chown` it to the user that the service runs as "
                      "(hotline)",
                      file, strerror(errno)));
    }
  }
  for (const auto& [folder, key] : folders) {
    if (absl::Status status = CheckWritable(folder, key); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void LogFailure(const rpc::CallFailure& failure) {
  // Who sends it can do nothing: it is this site that lacks the key.
  const bool refused = failure.code == "FAILED_PRECONDITION";
  log::Write(refused || failure.code == "UNAVAILABLE" ? log::Level::kWarn : log::Level::kError,
             refused ? "a peer's signature is refused: if that is its new key, add the public key under "
                       "peers[].public_keys and restart"
                     : "call failed",
             {{"grpc_service", failure.service},
              {"grpc_method", failure.method},
              {"grpc_code", failure.code},
              {"reason", failure.reason},
              {"error", failure.message},
              {"unreported", failure.unreported}},
             failure.trace_id);
}

// Once for the process, before its first server: plugins of each server, and where gRPC and Protobuf log to.
void PrepareGrpc() {
  static const bool done = [] {
    // The packaged Abseil looks for lock cycles at every lock, which costs gRPC some 3 % of its time.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    gpr_set_log_function([](gpr_log_func_args* args) {
      const log::Level level =
          args->severity == GPR_LOG_SEVERITY_ERROR ? log::Level::kWarn : log::Level::kDebug;
      log::Write(level, "grpc", {{"detail", args->message}});
    });
    google::protobuf::SetLogHandler(
        [](google::protobuf::LogLevel level, const char*, int, const std::string& message) {
          log::Write(level >= google::protobuf::LOGLEVEL_ERROR ? log::Level::kWarn : log::Level::kDebug,
                     "protobuf", {{"detail", message}});
        });
    return true;
  }();
  static_cast<void>(done);
}

class ServerImpl final : public Server {
 public:
  ServerImpl(LoadedSite site, std::string_view service, const ServerOptions& options)
      : name_(service),
        site_(std::move(site)),
        listen_(ListenOf(site_.site, name_)),
        options_(options),
        metrics_(name_, site_.site.hotline(), HOTLINE_VERSION) {}

  ~ServerImpl() override {
    Drain();
    // The service goes before what it was given.
    service_.reset();
  }

  absl::Status Start(const CreateService& create) {
    PrepareGrpc();
    absl::StatusOr<std::unique_ptr<rpc::Security>> security =
        MakeSecurity(site_.site, name_, options_.insecure_listen, options_.certificate_refresh);
    if (!security.ok()) return security.status();
    security_ = *std::move(security);
    absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials =
        security_->ForServer(listen_.address());
    if (!credentials.ok()) return credentials.status();

    rpc::HostOptions host;
    host.clock = options_.clock;
    host.registry = &metrics_.registry();
    host.access.hotline = site_.site.hotline();
    for (const config::v1::PeerConfig& peer : site_.site.peers()) host.access.peers.push_back(peer.hotline());
    host.tls = security_->tls();
    host.max_deadline = absl::Milliseconds(listen_.max_deadline_ms());
    host.max_streams = listen_.max_streams();
    host.on_failure = LogFailure;
    host_.emplace(std::move(host));

    environment_ = {.service = name_,
                    .site = &site_,
                    .listen = listen_,
                    .clock = options_.clock,
                    .metrics = &metrics_,
                    .health = &health_,
                    .security = security_.get(),
                    .host = &*host_};
    absl::StatusOr<std::unique_ptr<Service>> service = create(environment_);
    if (!service.ok()) return service.status();
    service_ = *std::move(service);
    if (absl::Status status = Listen(std::move(*credentials)); !status.ok()) return status;
    if (security_->tls()) {
      MeasureCertificates();
      certificates_.emplace(site_.site.tls(), options_.clock, options_.certificate_refresh);
    }
    if (!listen_.metrics_address().empty()) {
      if (absl::Status status =
              metrics_.Serve(listen_.metrics_address(), fmt::format("{}.listen.metrics_address", name_));
          !status.ok())
        return status;
    }
    service_->Start();
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }
  const std::string& metrics_address() const override { return metrics_.address(); }
  Service& service() override { return *service_; }

  void Drain() override {
    MutexLock lock(&drain_mu_);
    if (drained_) return;
    drained_ = true;
    health_.Shutdown();
    if (host_.has_value()) host_->BeginDrain();
    if (service_ != nullptr) service_->Drain();
    if (host_.has_value()) host_->AwaitIdle(absl::Milliseconds(listen_.drain_ms()));
    // gRPC would wait for idle clients to hang up. Nothing of ours is under way any more; what is left are
    // last answers on their way out.
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(SystemClock()->Now() + kLastAnswers));
    metrics_.StopServing();
    health_.Detach();
  }

 private:
  absl::Status Listen(std::shared_ptr<grpc::ServerCredentials> credentials) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(listen_.address(), std::move(credentials), &port);
    builder.SetMaxReceiveMessageSize(listen_.max_message_bytes());
    // Answers may be larger than requests (batches of envelopes and events); their bounds are the services'.
    builder.SetMaxSendMessageSize(rpc::kMaxAnswerBytes);
    // Two processes on one port would share its calls without either knowing.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    // Clients of our own ping every 20 s, with and without calls.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    // What one connection has beyond that waits at its sender and costs this site nothing.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostCallsOfAConnection);
    const std::vector<Endpoint> endpoints = service_->endpoints();
    for (const Endpoint& endpoint : endpoints) builder.RegisterService(endpoint.service);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return rpc::CannotListen(listen_.address(), fmt::format("{}.listen.address", name_));
    }
    const std::optional<rpc::Address> wanted = rpc::ParseAddress(listen_.address());
    address_ = rpc::FormatAddress(wanted.has_value() ? wanted->host : "", port);
    health_.Attach(server_->GetHealthCheckService());
    for (const Endpoint& endpoint : endpoints) health_.SetServing(endpoint.name, true);
    return absl::OkStatus();
  }

  // When the first certificate of each file ends, read from the files as they are at the scrape: 0 for a file
  // that cannot be read, which is long past and so alarms as an expired one does.
  void MeasureCertificates() {
    auto& ends = prometheus::BuildGauge()
                     .Name("hotline_certificate_expiry_time_seconds")
                     .Help(
                         "When the certificate in this file of the configuration ends, the first if it holds "
                         "several, in seconds since 1970.")
                     .Register(metrics_.registry());
    const config::v1::TlsConfig& tls = site_.site.tls();
    metrics_.OnScrape([own_file = tls.certificate_file(), ca_file = tls.ca_file(),
                       &own = ends.Add({{"file", "certificate"}}), &ca = ends.Add({{"file", "ca"}})] {
      own.Set(static_cast<double>(absl::ToUnixSeconds(EarliestExpiry(own_file).value_or(absl::UnixEpoch()))));
      ca.Set(static_cast<double>(absl::ToUnixSeconds(EarliestExpiry(ca_file).value_or(absl::UnixEpoch()))));
    });
  }

  const std::string name_;
  const LoadedSite site_;
  const config::v1::ListenConfig listen_;
  const ServerOptions options_;
  std::unique_ptr<rpc::Security> security_;
  std::optional<CertificateWatch> certificates_;
  Metrics metrics_;
  std::optional<rpc::Host> host_;
  Health health_;
  Environment environment_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  Mutex drain_mu_;
  bool drained_ ABSL_GUARDED_BY(drain_mu_) = false;
};

struct Flags {
  std::string config;
  std::optional<log::Level> log_level;
  bool check = false;
  bool insecure_listen = false;
  bool insecure_metrics = false;
  bool version = false;
  bool help = false;
};

// In either case, as in the configuration.
std::optional<log::Level> ParseLevel(std::string_view any_case) {
  const std::string text = absl::AsciiStrToLower({any_case.data(), any_case.size()});
  if (text == "debug") return log::Level::kDebug;
  if (text == "info") return log::Level::kInfo;
  if (text == "warn") return log::Level::kWarn;
  if (text == "error") return log::Level::kError;
  return std::nullopt;
}

log::Level LevelOf(config::v1::LogLevel level) {
  switch (level) {
    case config::v1::LOG_LEVEL_DEBUG:
      return log::Level::kDebug;
    case config::v1::LOG_LEVEL_WARN:
      return log::Level::kWarn;
    case config::v1::LOG_LEVEL_ERROR:
      return log::Level::kError;
    default:
      return log::Level::kInfo;
  }
}

// `--name value` and `--name=value`. Errors: INVALID_ARGUMENT in plain words.
absl::StatusOr<Flags> ParseFlags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    std::optional<std::string_view> value;
    if (const size_t equals = name.find('='); equals != std::string_view::npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const bool takes_value = name == "--config" || name == "--log-level";
    if (takes_value && !value.has_value() && i + 1 < argc) value = argv[++i];
    if (takes_value != value.has_value()) {
      return absl::InvalidArgumentError(takes_value ? fmt::format("{} needs a value", name)
                                                    : fmt::format("unknown flag {}", argv[i]));
    }
    if (name == "--config") {
      flags.config = *value;
    } else if (name == "--log-level") {
      flags.log_level = ParseLevel(*value);
      if (!flags.log_level.has_value()) {
        return absl::InvalidArgumentError("--log-level is one of debug, info, warn, error");
      }
    } else if (name == "--check") {
      flags.check = true;
    } else if (name == "--insecure-listen") {
      flags.insecure_listen = true;
    } else if (name == "--insecure-metrics") {
      flags.insecure_metrics = true;
    } else if (name == "--version") {
      flags.version = true;
    } else if (name == "--help" || name == "-h") {
      flags.help = true;
    } else {
      return absl::InvalidArgumentError(fmt::format("unknown flag {}", argv[i]));
    }
  }
  if (flags.config.empty() && !flags.help && !flags.version) {
    return absl::InvalidArgumentError("--config is required");
  }
  return flags;
}

void PrintUsage(std::FILE* to, std::string_view service) {
  fmt::print(
      to,
      "Usage: {} --config FILE [options]\n"
      "\n"
      "  --config FILE       configuration of the site (YAML)\n"
      "  --check             check the configuration, the files it names and its folders, then exit\n"
      "  --log-level LEVEL   debug, info, warn or error; overrides the configuration\n"
      "  --insecure-listen   allow plain text beyond loopback: anyone on the network can read and forge it\n"
      "  --insecure-metrics  allow /metrics beyond loopback: there is no TLS for it, anyone on the network "
      "can read it\n"
      "  --version           print the version\n"
      "  --help              print this\n",
      service);
}

int Fail(std::string_view service, const absl::Status& status) {
  fmt::print(stderr, "{}: {}\n", service, Text(status.message()));
  // Who reads it at the console may read no English.
  if (const std::string chinese = error::ChineseOf(status); !chinese.empty()) {
    fmt::print(stderr, "{}: {}\n", service, chinese);
  }
  return 1;
}

// Ends the process at the second signal, or when the drain takes too long.
void GuardDrain(const sigset_t& signals, std::chrono::nanoseconds patience) {
  std::thread([signals, patience] {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    int signal = 0;
    do {
      const std::chrono::nanoseconds left = std::max(
          std::chrono::nanoseconds(0), std::chrono::nanoseconds(deadline - std::chrono::steady_clock::now()));
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
      const timespec timeout = {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
      signal = sigtimedwait(&signals, nullptr, &timeout);
    } while (signal < 0 && errno == EINTR);  // e.g. by a debugger
    log::Error(signal > 0 ? "second signal: exiting at once" : "drain overran: exiting");
    std::_Exit(1);
  }).detach();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(LoadedSite site, std::string_view service,
                                                      const CreateService& create,
                                                      const ServerOptions& options) {
  auto server = std::make_unique<ServerImpl>(std::move(site), service, options);
  if (absl::Status status = server->Start(create); !status.ok()) return status;
  return server;
}

namespace {

// What the service goes on without; and what of the configuration is not in force, or soon is not any more,
// or is not by this machine's clock: nobody can connect then, or nothing is signed, and no error says why.
std::vector<std::string> Warnings(const LoadedSite& site, std::string_view service, absl::Time now) {
  std::vector<std::string> found = site.warnings;
  if (site.site.has_tls()) {
    const config::v1::TlsConfig& tls = site.site.tls();
    for (std::string& fault : FaultsOf(tls.certificate_file(), tls.ca_file(), now)) {
      found.push_back(std::move(fault));
    }
  }
  // Escalation signs nothing, and has not read them.
  if (service != "escalation" && !site.site.signing().keys().empty() && site.signing.At(now) == nullptr) {
    found.push_back("none of signing.keys has begun, or this machine's clock is behind: nothing is signed");
  }
  return found;
}

}  // namespace

int RunService(int argc, char** argv, std::string_view service, const CreateService& create,
               const std::function<absl::Status(const LoadedSite&)>& check) {
  const absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    Fail(service, flags.status());
    PrintUsage(stderr, service);
    return 2;
  }
  if (flags->help) {
    PrintUsage(stdout, service);
    return 0;
  }
  if (flags->version) {
    fmt::print("{} {}\n", service, HOTLINE_VERSION);
    return 0;
  }

  // Nothing that a service writes is for everybody on the machine. What its group may read stays as it is: a
  // gatekeeper may be of it.
  umask(umask(0) | S_IRWXO);

  // Blocked here, they are blocked in every thread to come, and wait for sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Of a terminal that closes, or of somebody who is used to reloading so: it must not end the hotline, and
  // systemd would take it for a wish and not start it again.
  signal(SIGHUP, SIG_IGN);

  absl::StatusOr<LoadedSite> site = LoadSite(flags->config, {.role = std::string(service),
                                                             .insecure_listen = flags->insecure_listen,
                                                             .insecure_metrics = flags->insecure_metrics});
  if (!site.ok()) return Fail(service, site.status());
  if (const absl::Status status = CheckFolders(site->site, service); !status.ok()) {
    return Fail(service, status);
  }
  if (flags->check) {
    const absl::StatusOr<std::unique_ptr<rpc::Security>> security =
        MakeSecurity(site->site, service, flags->insecure_listen, absl::Seconds(5));
    if (!security.ok()) return Fail(service, security.status());
    if (check != nullptr) {
      if (const absl::Status status = check(*site); !status.ok()) return Fail(service, status);
    }
    for (const std::string& what : Warnings(*site, service, SystemClock()->Now())) {
      fmt::print(stderr, "{}: warning: {}\n", service, what);
    }
    fmt::print("{}: {} is fine\n", service, flags->config);
    return 0;
  }
  const std::string hotline = site->site.hotline();
  const std::chrono::milliseconds drain(ListenOf(site->site, service).drain_ms());
  if (absl::Status status =
          log::Configure({.service = std::string(service),
                          .hotline = hotline,
                          .level = flags->log_level.value_or(LevelOf(site->site.log().level())),
                          .file = site->site.log().file(),
                          .keep_days = site->site.retention().log_days()});
      !status.ok()) {
    return Fail(service, status);
  }
  const bool plain_text = !site->site.has_tls();
  if (flags->insecure_listen && plain_text) {
    log::Warn("plain text is allowed beyond loopback: anyone on the network can read and forge it");
  }
  if (flags->insecure_metrics)
    log::Warn("metrics are allowed beyond loopback: anyone on the network can read them");
  for (const std::string& what : Warnings(*site, service, SystemClock()->Now())) log::Warn(what);
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(*std::move(site), service, create, {.insecure_listen = flags->insecure_listen});
  if (!server.ok()) {
    log::Error("cannot start", {{"error", Text(server.status().message())}});
    return Fail(service, server.status());
  }
  log::Info("serving", {{"grpc", (*server)->address()},
                        {"metrics", (*server)->metrics_address()},
                        {"tls", !plain_text},
                        {"version", HOTLINE_VERSION}});
  fmt::print("READY {} {} grpc={} metrics={}\n", service, hotline, (*server)->address(),
             (*server)->metrics_address());
  std::fflush(stdout);

  int received = 0;
  sigwait(&signals, &received);
  log::Info("draining", {{"signal", received == SIGTERM ? "SIGTERM" : "SIGINT"}});
  GuardDrain(signals, drain + kDrainGrace);
  (*server)->Drain();
  server->reset();
  log::Info("stopped");
  return 0;
}

}  // namespace hotline::boot
