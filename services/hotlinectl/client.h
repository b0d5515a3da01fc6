// Calls to a site's three services, each retried with the same request id while that is safe and useful.
#ifndef SERVICES_HOTLINECTL_CLIENT_H_
#define SERVICES_HOTLINECTL_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/time/time.h"
#include "common/rpc/security.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "hotline/config/v1/site.pb.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "hotline/escalation/v1/directory_service.grpc.pb.h"
#include "hotline/escalation/v1/escalation_service.grpc.pb.h"
#include "hotline/escalation/v1/meeting_service.grpc.pb.h"
#include "hotline/escalation/v1/notification_service.grpc.pb.h"
#include "hotline/escalation/v1/report_service.grpc.pb.h"
#include "hotline/operation/v1/backup_service.grpc.pb.h"
#include "hotline/operation/v1/retention_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "services/hotlinectl/core/arguments.h"
#include "services/hotlinectl/core/failure.h"

namespace hotline::hotlinectl {

using dispatch::v1::DispatchService;
using escalation::v1::DirectoryService;
using escalation::v1::EscalationService;
using escalation::v1::MeetingService;
using escalation::v1::NotificationService;
using escalation::v1::ReportService;
using operation::v1::BackupService;
using operation::v1::RetentionService;
using workorder::v1::WorkOrderService;

enum class Target { kDispatch, kWorkOrder, kEscalation };

// Blocks the thread for about that long.
void Pause(absl::Duration duration);

// What is listened on everywhere is reached on its own machine by loopback; else the address itself.
std::string Reachable(const std::string& address);
// `arguments` with what nobody named filled in from the configuration of this machine's site: where its
// services are (what listens everywhere is reached by loopback), and its certificate of the role that `site`
// was loaded for.
Arguments AtSite(const Arguments& arguments, const config::v1::SiteConfig& site);

// Used from one thread. With TLS it calls the services of its own certificate's hotline alone: a call that
// came upon another party is not made, and fails with UNKNOWN and whose certificate it was.
class Client {
 public:
  // Connects to nothing yet. `arguments` outlives it.
  explicit Client(const Arguments& arguments);

  // Calls a method of the service that `method` belongs to, e.g.
  //   client.Call(&DispatchService::StubInterface::ListLinks, request, &response)
  // within `--timeout` (`timeout` if that was not given), and within `limit` in any case. UNAVAILABLE,
  // CANCELLED (a server went down), and overload that says when to come back, are retried a few times with
  // growing pauses: a change carries its request id, so that the service answers a repetition as it answered
  // the first time. Nothing: it succeeded.
  template <typename Interface, typename Request, typename Response>
  std::optional<Failure> Call(grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&,
                                                                Response*),
                              const std::type_identity_t<Request>& request, Response* response,
                              absl::Duration timeout = kDefaultTimeout,
                              absl::Duration limit = absl::InfiniteDuration()) {
    return CallAt(TargetOf(static_cast<Interface*>(nullptr)), method, request, response, timeout, limit);
  }
  // The same of a service that several of the site's programs have.
  template <typename Interface, typename Request, typename Response>
  std::optional<Failure> CallAt(
      Target target, grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&, Response*),
      const std::type_identity_t<Request>& request, Response* response,
      absl::Duration timeout = kDefaultTimeout, absl::Duration limit = absl::InfiniteDuration()) {
    std::unique_ptr<Interface> stub;
    if (auto failure = Connect(target); failure) return failure;
    if constexpr (std::is_same_v<Interface, BackupService::StubInterface>) {
      stub = BackupService::NewStub(channels_[static_cast<int>(target)]);
    } else {
      stub = NewStub(static_cast<Interface*>(nullptr));
    }
    const absl::Duration within = std::min(arguments_.timeout.value_or(timeout), limit);
    return Retry(target, within, RequestIdOf(request), [&](grpc::ClientContext* context) {
      response->Clear();
      return (stub.get()->*method)(context, request, response);
    });
  }

  // Health of a part of a service, by grpc.health.v1. `part` is empty for the whole. Not retried.
  std::optional<Failure> Check(Target target, const std::string& part,
                               grpc::health::v1::HealthCheckResponse* response);

  // Whether it is another program that answers at the address of `target`: each answers for the whole of a
  // process, but only its own for the name of its service. False if nothing is said.
  bool AnotherAnswers(Target target);

  // For streams: a stub of the service, connected when first used.
  template <typename Interface>
  std::optional<Failure> Stub(std::unique_ptr<Interface>* stub) {
    if (auto failure = Connect(TargetOf(static_cast<Interface*>(nullptr))); failure) return failure;
    *stub = NewStub(static_cast<Interface*>(nullptr));
    return std::nullopt;
  }
  // `status` of a call to `target` as a failure.
  Failure Describe(Target target, const grpc::Status& status) const;
  // Lets a call be followed through the services' logs.
  void Trace(grpc::ClientContext* context) const;

  const std::string& AddressOf(Target target) const;

  // The code of the unit that `name` (a name, an alias or a code) is in the directory; empty if it is none's
  // there, or the directory cannot be asked, which is not waited for long. Asked once for each name.
  std::string UnitCodeOf(const std::string& name);
  // Where `failure` is about a unit of no such code, and `named`, or if that is empty what the command line
  // gave there, is the name of one: whose.
  void ExplainUnit(const std::string& named, Failure* failure);

  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(15);

 private:
  static Target TargetOf(DispatchService::StubInterface*) { return Target::kDispatch; }
  static Target TargetOf(WorkOrderService::StubInterface*) { return Target::kWorkOrder; }
  static Target TargetOf(RetentionService::StubInterface*) { return Target::kWorkOrder; }
  static Target TargetOf(EscalationService::StubInterface*) { return Target::kEscalation; }
  static Target TargetOf(DirectoryService::StubInterface*) { return Target::kEscalation; }
  static Target TargetOf(NotificationService::StubInterface*) { return Target::kEscalation; }
  static Target TargetOf(ReportService::StubInterface*) { return Target::kEscalation; }
  static Target TargetOf(MeetingService::StubInterface*) { return Target::kEscalation; }
  std::unique_ptr<DispatchService::StubInterface> NewStub(DispatchService::StubInterface*) {
    return DispatchService::NewStub(channels_[0]);
  }
  std::unique_ptr<WorkOrderService::StubInterface> NewStub(WorkOrderService::StubInterface*) {
    return WorkOrderService::NewStub(channels_[1]);
  }
  std::unique_ptr<RetentionService::StubInterface> NewStub(RetentionService::StubInterface*) {
    return RetentionService::NewStub(channels_[1]);
  }
  std::unique_ptr<EscalationService::StubInterface> NewStub(EscalationService::StubInterface*) {
    return EscalationService::NewStub(channels_[2]);
  }
  std::unique_ptr<DirectoryService::StubInterface> NewStub(DirectoryService::StubInterface*) {
    return DirectoryService::NewStub(channels_[2]);
  }
  std::unique_ptr<NotificationService::StubInterface> NewStub(NotificationService::StubInterface*) {
    return NotificationService::NewStub(channels_[2]);
  }
  std::unique_ptr<ReportService::StubInterface> NewStub(ReportService::StubInterface*) {
    return ReportService::NewStub(channels_[2]);
  }
  std::unique_ptr<MeetingService::StubInterface> NewStub(MeetingService::StubInterface*) {
    return MeetingService::NewStub(channels_[2]);
  }

  template <typename Request>
  static std::string RequestIdOf(const Request& request) {
    if constexpr (requires { request.header().request_id(); }) {
      return request.header().request_id();
    } else {
      return "";
    }
  }

  // Makes the channel to `target` if there is none.
  std::optional<Failure> Connect(Target target);
  std::optional<Failure> Retry(Target target, absl::Duration timeout, const std::string& request_id,
                               const std::function<grpc::Status(grpc::ClientContext*)>& call);
  // What the command line gave for `field`, if it takes units.
  std::vector<std::string> UnitsGivenFor(const std::string& field) const;

  const Arguments& arguments_;
  const std::string traceparent_;
  const std::string account_;
  std::unique_ptr<rpc::Security> security_;  // null until the first connection
  std::shared_ptr<grpc::Channel> channels_[3];
  std::map<std::string, std::string> unit_codes_;
  // It could not be asked: a file with many names does not wait for it again and again.
  bool directory_lost_ = false;
};

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CLIENT_H_
