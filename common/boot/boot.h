// One bootstrapping for all services: flags, configuration, log, metrics, TLS, health, reflection, the gRPC
// server, signals and the drain. A service's main:
//
//   int main(int argc, char** argv) {
//     return hotline::boot::RunService(argc, argv, "dispatch", [](hotline::boot::Environment& environment) {
//       return DispatchProcess::Create(environment);  // absl::StatusOr<std::unique_ptr<boot::Service>>
//     });
//   }
#ifndef COMMON_BOOT_BOOT_H_
#define COMMON_BOOT_BOOT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/boot/config.h"
#include "common/boot/health.h"
#include "common/boot/metrics.h"
#include "common/rpc/host.h"
#include "common/rpc/security.h"

namespace grpc {
class Service;
}

namespace hotline::boot {

// What a service gets. All of it outlives the service.
struct Environment {
  std::string service;              // `dispatch`
  const LoadedSite* site;           // checked, defaults filled in
  config::v1::ListenConfig listen;  // this service's
  const Clock* clock;
  Metrics* metrics;
  HealthSink* health;
  const rpc::Security* security;
  rpc::Host* host;
};

// A gRPC service to serve. `name` is its full name, which health checks know it by.
struct Endpoint {
  std::string name;
  grpc::Service* service;
};

// A service, made before its server listens and destroyed after the server is down.
class Service {
 public:
  virtual ~Service() = default;
  // What to serve; it lives as long as this object. Asked once.
  virtual std::vector<Endpoint> endpoints() = 0;
  // The server listens and calls come in. Must not block.
  virtual void Start() {}
  // The process goes down: end the streams with a last message that says so, cancel long polls of one's own,
  // finish what was accepted. New calls are already refused. May block for a while within the configured
  // `drain_ms`.
  virtual void Drain() {}
};

using CreateService = std::function<absl::StatusOr<std::unique_ptr<Service>>(Environment&)>;

struct ServerOptions {
  const Clock* clock = SystemClock();
  bool insecure_listen = false;
  absl::Duration certificate_refresh = absl::Seconds(5);
};

// A service that serves: gRPC with health, reflection, bounds and credentials, and the metrics port. Several
// may live in one process. Thread-safe.
class Server {
 public:
  // `service` is `dispatch`, `work_order` or `escalation`: its section of `site` says where to listen.
  // Errors: FAILED_PRECONDITION when an address cannot be listened on or the certificates are bad; what
  // `create` fails with.
  static absl::StatusOr<std::unique_ptr<Server>> Start(LoadedSite site, std::string_view service,
                                                       const CreateService& create,
                                                       const ServerOptions& options = {});
  // Drains if nobody has.
  virtual ~Server() = default;

  // `host:port`, with the port that was taken. `metrics_address` is empty if there is none.
  virtual const std::string& address() const = 0;
  virtual const std::string& metrics_address() const = 0;
  virtual Service& service() = 0;
  // Health NOT_SERVING, new calls refused, Service::Drain, then the server stops: calls and streams that are
  // left after the configured `drain_ms` are cancelled. Returns when all is down. Idempotent.
  virtual void Drain() = 0;
};

// The whole life of a service's process. Flags: `--config FILE` (required), `--check` (checks the
// configuration and the files it names, and whether its folders can be written to, then exits),
// `--insecure-listen` (plain text beyond loopback),
// `--log-level LEVEL`, `--version`, `--help`. Serving, it prints `READY <service> <hotline> grpc=<host:port>
// metrics=<host:port>` to standard output; SIGTERM or SIGINT drains; a second one exits at once with 1, as
// does a drain that overruns `drain_ms` by 5 s. Nothing it writes is open to everybody on the machine.
// Returns the exit status: 0 drained or checked, 1 failed, 2 wrong usage. Call it from main, before there are
// threads. `check`, if given, is a service's own check of what its configuration names, for `--check`.
int RunService(int argc, char** argv, std::string_view service, const CreateService& create,
               const std::function<absl::Status(const LoadedSite&)>& check = nullptr);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_BOOT_H_
