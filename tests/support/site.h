// A whole site of real processes for a test: configuration, start, kill, restart on the same ports, and stubs
// to talk to it.
#ifndef TESTS_SUPPORT_SITE_H_
#define TESTS_SUPPORT_SITE_H_

#include <grpcpp/grpcpp.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/config/v1/site.pb.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "hotline/escalation/v1/escalation_service.grpc.pb.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "hotline/workorder/v1/ledger_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "tests/support/process.h"

namespace hotline::test {

// In the order of starting.
enum class Service { kWorkOrder = 0, kDispatch = 1, kEscalation = 2 };
inline constexpr std::array<Service, 3> kServices = {Service::kWorkOrder, Service::kDispatch,
                                                     Service::kEscalation};
// `work_order`, `dispatch`, `escalation`.
std::string NameOf(Service service);

// Where the programs are: the build folder, or HOTLINE_BUILD_DIR.
std::string BuildFolder();

// `message` as YAML with its field names, enum values without their prefix; unset fields are left out.
std::string ToYaml(const google::protobuf::Message& message);

// A channel that shares its connection with no other. Insecure unless `credentials` is given.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr);

// Certificates that a client of the site shows.
struct ClientTls {
  std::string certificate_file, key_file, ca_file;
};

class Site {
 public:
  // `config` is complete but for addresses and folders, which are filled in: everything listens on reserved
  // loopback ports. Policy and units are written beside it.
  Site(std::string hotline, Ports* ports, std::string folder);
  ~Site();

  // To change before the first Start; both are written to files at each Start.
  config::v1::SiteConfig& config() { return config_; }
  config::v1::Policy& policy() { return policy_; }
  config::v1::UnitList& units() { return units_; }
  // Adds `peer` as a peer of this site.
  void AddPeer(std::string_view hotline, const std::string& address);
  // Before the first Start: the services run behind `launcher` (a command that runs its arguments, such as
  // `nsenter`), listen everywhere there in plain text, and are reached at `host`.
  void MoveTo(const std::string& host, std::vector<std::string> launcher);
  // Uses certificates towards the site.
  void UseTls(const ClientTls& tls);

  // Starts one service, or those that do not run, and waits until each is ready. The stubs are made anew:
  // connections of the life before notice its end only with the next call.
  absl::Status Start(Service service);
  absl::Status StartAll();
  // The two halves of Start: between them the service may be anywhere in its start.
  absl::Status Launch(Service service);
  absl::Status AwaitReady(Service service);
  // kill -9.
  void Kill(Service service);
  void KillAll();
  // SIGTERM; returns the exit status (a kill after 20 s counts as 137).
  int Terminate(Service service);
  bool Running(Service service);
  Process& process(Service service) { return *processes_[static_cast<size_t>(service)]; }

  const std::string& hotline() const { return hotline_; }
  const std::string& folder() const { return folder_; }
  std::string config_file() const;
  std::string address(Service service) const;
  std::string metrics_address(Service service) const;
  std::string log_file(Service service) const;
  // A channel to a service; it reconnects within 100 ms after a restart.
  std::shared_ptr<grpc::Channel> NewChannelTo(Service service) const;

  dispatch::v1::DispatchService::Stub& dispatch() { return *dispatch_; }
  workorder::v1::WorkOrderService::Stub& work_order() { return *work_order_; }
  workorder::v1::LedgerService::Stub& ledger() { return *ledger_; }
  escalation::v1::EscalationService::Stub& escalation() { return *escalation_; }
  exchange::v1::ExchangeService::Stub& exchange() { return *exchange_; }
  // Makes the stubs above, which must not be in use.
  void Connect();

 private:
  void WriteConfig() const;

  const std::string hotline_;
  const std::string folder_;
  config::v1::SiteConfig config_;
  config::v1::Policy policy_;
  config::v1::UnitList units_;
  std::string host_ = "127.0.0.1";
  std::vector<std::string> launcher_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::array<int, 3> ports_;
  std::array<int, 3> metrics_ports_;
  std::array<std::unique_ptr<Process>, 3> processes_;
  std::unique_ptr<dispatch::v1::DispatchService::Stub> dispatch_;
  std::unique_ptr<workorder::v1::WorkOrderService::Stub> work_order_;
  std::unique_ptr<workorder::v1::LedgerService::Stub> ledger_;
  std::unique_ptr<escalation::v1::EscalationService::Stub> escalation_;
  std::unique_ptr<exchange::v1::ExchangeService::Stub> exchange_;
};

// Sites 12345 and 110, peers of each other, in one temporary folder. Nothing runs yet.
struct TwoSites {
  TwoSites();
  // Gives each site a key to sign with, and the other's public one: from then on batches and receipts are
  // signed. Before the first Start.
  absl::Status UseKeys();
  // Both route by the shipped catalogue. Before the first Start.
  void UseCatalogue();
  // All six; the first failure.
  absl::Status StartAll();

  TemporaryFolder folder;
  Ports ports;
  Site a;  // 12345
  Site b;  // 110
};

// Waits up to `timeout` for `condition`, looking every few milliseconds. False if it never held.
bool Eventually(const std::function<bool()>& condition, absl::Duration timeout = absl::Seconds(20));

// A client context with a deadline.
struct Call : grpc::ClientContext {
  explicit Call(absl::Duration timeout = absl::Seconds(30)) {
    set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
};

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_SITE_H_
