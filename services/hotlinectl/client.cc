#include "services/hotlinectl/client.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/random/random.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/base/text.h"
#include "common/boot/certificates.h"
#include "common/error/error.h"
#include "common/rpc/address.h"
#include "common/rpc/client.h"
#include "services/hotlinectl/core/order_form.h"

namespace hotline::hotlinectl {
namespace {

constexpr int kMaxAttempts = 6;
constexpr absl::Duration kFirstPause = absl::Milliseconds(200);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
// A hint is worth no longer.
constexpr absl::Duration kUnitTimeout = absl::Seconds(2);

std::string_view NameOf(Target target) {
  switch (target) {
    case Target::kDispatch:
      return "dispatch";
    case Target::kWorkOrder:
      return "work_order";
    case Target::kEscalation:
      return "escalation";
  }
  return "";
}

constexpr Phrase kOtherCertificate{"the certificate at $0 names $1, not $2", "$0 处的证书标识为 $1，应为 $2"};
constexpr Phrase kDoCertificate{
    "check the address (--site, --dispatch, --work-order, --escalation) and the certificates, this program's "
    "(--cert) too: it calls its own hotline's services alone",
    "请核对地址（--site、--dispatch、--work-order、--escalation）及双方证书（本程序的为 "
    "--cert）：本程序只调用本热线的服务"};

constexpr Phrase kDoTls{
    "if it was just restarted, try again; else check the certificates (--ca, --cert, --key): the authority "
    "of the site, this program's of the same and "
    "not ended, as the service's own must not be (`hotlinectl doctor` there tells)",
    "若服务刚刚重启，请重试；否则请核对证书（--ca、--cert、--"
    "key）：CA须为该平台的CA，本程序的证书须由其签发且在有效期内；"
    "服务自身的证书也不得到期（可在该平台执行 hotlinectl doctor 查看）"};
constexpr Phrase kDoGiveTls{
    "the service wants TLS, it seems: give --ca, --cert and --key (or HOTLINE_CA, HOTLINE_CERT, "
    "HOTLINE_KEY); else check the address",
    "该服务可能要求TLS：请给出 --ca、--cert、--key（或环境变量 HOTLINE_CA、HOTLINE_CERT、HOTLINE_KEY）；"
    "否则请核对地址"};
constexpr Phrase kWithOwnFault{"$0; this program's certificate $1", "$0；本程序的证书 $1"};
constexpr Phrase kOwnEnded{"$0 ended on $1", "$0 已于 $1 到期"};
constexpr Phrase kOwnNotBegun{"$0 is not valid before $1", "$0 自 $1 起才有效"};
constexpr Phrase kOwnOfAnother{"$0 is not issued by $1", "$0 不是由 $1 签发"};

// What is wrong with the certificate that this program shows, as far as its files say; empty if nothing is.
std::string FaultOfOwnCertificate(const Arguments& arguments, Language language) {
  const std::string& file = arguments.cert_file;
  if (file.empty()) return "";
  const absl::Time now = SystemClock()->Now();
  const auto text = [](absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M", time, Beijing()); };
  if (const absl::StatusOr<absl::Time> expiry = boot::EarliestExpiry(file); expiry.ok() && *expiry <= now)
    return Say(language, kOwnEnded, file, text(*expiry));
  if (const absl::StatusOr<boot::Starts> starts = boot::StartsOf(file); starts.ok() && starts->last > now)
    return Say(language, kOwnNotBegun, file, text(starts->last));
  const absl::StatusOr<bool> issued = boot::IsIssuedBy(file, arguments.ca_file);
  return issued.ok() && !*issued ? Say(language, kOwnOfAnother, file, arguments.ca_file) : std::string();
}

Failure WrongUse(std::string message) {
  return {.status = absl::InvalidArgumentError(message), .usage = true};
}

}  // namespace

std::string Reachable(const std::string& address) {
  const auto parsed = rpc::ParseAddress(address);
  if (!parsed || (parsed->host != "0.0.0.0" && parsed->host != "::")) return address;
  return rpc::FormatAddress("127.0.0.1", parsed->port);
}

Arguments AtSite(const Arguments& arguments, const config::v1::SiteConfig& site) {
  Arguments own = arguments;
  if (!arguments.site_named) own.dispatch = Reachable(site.dispatch().listen().address());
  if (!arguments.work_order_named) own.work_order = Reachable(site.work_order().address());
  if (!arguments.escalation_named) own.escalation = Reachable(site.escalation().listen().address());
  if (own.ca_file.empty() && site.has_tls()) {
    own.ca_file = site.tls().ca_file();
    own.cert_file = site.tls().certificate_file();
    own.key_file = site.tls().key_file();
  }
  return own;
}

void Pause(absl::Duration duration) {
  Mutex mu;
  CondVar never;
  // A wake-up before time only makes the pause shorter.
  MutexLock lock(&mu);
  never.WaitFor(&mu, absl::ToChronoNanoseconds(duration));
}

Client::Client(const Arguments& arguments)
    : arguments_(arguments),
      traceparent_(NewTraceparent()),
      // A longer one is refused in a command; here it would be nobody's.
      account_(arguments.account) {}

const std::string& Client::AddressOf(Target target) const {
  switch (target) {
    case Target::kDispatch:
      return arguments_.dispatch;
    case Target::kWorkOrder:
      return arguments_.work_order;
    case Target::kEscalation:
      break;
  }
  return arguments_.escalation;
}

std::optional<Failure> Client::Connect(Target target) {
  auto& channel = channels_[static_cast<int>(target)];
  if (channel != nullptr) return std::nullopt;
  const std::string& text = AddressOf(target);
  const auto address = rpc::ParseAddress(text);
  if (!address || address->port == 0) return WrongUse(Say(arguments_.language, say::kBadAddress, text));
  if (security_ == nullptr) {
    auto security = rpc::Security::Create({.certificate_file = arguments_.cert_file,
                                           .key_file = arguments_.key_file,
                                           .ca_file = arguments_.ca_file,
                                           .insecure_beyond_loopback = arguments_.insecure});
    if (!security.ok()) return Failure{.status = security.status(), .usage = true};
    security_ = *std::move(security);
  }
  if (!security_->tls() && !arguments_.insecure && !rpc::IsLoopback(address->host)) {
    return WrongUse(Say(arguments_.language, say::kNotLoopback, text));
  }
  // Peers trust the same authorities: anybody's certificate would do otherwise, also a desktop's.
  auto made = security_->NewChannel(text, {.expected_hotline = security_->hotline(),
                                           .expected_role = std::string(NameOf(target)),
                                           .max_message_bytes = rpc::kMaxAnswerBytes});
  if (!made.ok()) return Failure{.status = made.status(), .usage = true};
  channel = *std::move(made);
  return std::nullopt;
}

Failure Client::Describe(Target target, const grpc::Status& status) const {
  Failure failure = {
      .status = rpc::FromGrpc(status), .service = std::string(NameOf(target)), .address = AddressOf(target)};
  const std::optional<std::string> other = rpc::OtherPartyOf(failure.status);
  if (!other.has_value()) {
    const std::string error(ToStd(failure.status.message()));
    if (!absl::IsUnavailable(failure.status) ||
        error::ReasonOf(failure.status) != type::v1::ERROR_REASON_UNSPECIFIED || !IsTlsFault(error)) {
      return failure;
    }
    const auto words = [&](Language language) {
      const std::string met = PlainLinkError(error, language);
      const std::string own = FaultOfOwnCertificate(arguments_, language);
      return own.empty() ? met : Say(language, kWithOwnFault, met, own);
    };
    // As one that cannot be reached, but for what is to be done.
    return {.status = absl::UnavailableError(words(Language::kEnglish)),
            .chinese = words(Language::kChinese),
            .advice = security_->tls() ? &kDoTls : &kDoGiveTls};
  }
  const std::string wanted = StrCat("spiffe://hotline/", security_->hotline(), "/", failure.service);
  // Not that it cannot be reached: to wait, or to start it, mends nothing.
  return {.status =
              absl::UnknownError(Say(Language::kEnglish, kOtherCertificate, failure.address, *other, wanted)),
          .chinese = Say(Language::kChinese, kOtherCertificate, failure.address, *other, wanted),
          .advice = &kDoCertificate};
}

void Client::Trace(grpc::ClientContext* context) const {
  rpc::Propagate(CallContext{.now = SystemClock()->Now(),
                             .traceparent = traceparent_,
                             .account = account_,
                             .unit = arguments_.for_unit},
                 context);
}

std::optional<Failure> Client::Retry(Target target, absl::Duration timeout, const std::string& request_id,
                                     const std::function<grpc::Status(grpc::ClientContext*)>& call) {
  absl::InsecureBitGen random;
  Backoff backoff(kFirstPause, kLongestPause);
  const absl::Time start = SystemClock()->Now();
  const absl::Time deadline = start + timeout;
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    rpc::Propagate(CallContext{.now = start,
                               .deadline = deadline,
                               .traceparent = traceparent_,
                               .account = account_,
                               .unit = arguments_.for_unit},
                   &context);
    const grpc::Status status = call(&context);
    if (status.ok()) return std::nullopt;
    Failure failure = Describe(target, status);
    failure.request_id = request_id;
    const absl::Duration pause = std::max(backoff.Next(random), error::RetryDelayOf(failure.status));
    if (!IsWorthRetrying(failure.status) || attempt >= kMaxAttempts ||
        SystemClock()->Now() + pause >= deadline) {
      ExplainUnit("", &failure);
      return failure;
    }
    Pause(pause);
  }
}

std::string Client::UnitCodeOf(const std::string& name) {
  const auto [known, fresh] = unit_codes_.try_emplace(name);
  if (!fresh || name.empty() || directory_lost_) return known->second;
  escalation::v1::ListDirectoryRequest request;
  request.set_unit(name);
  // Units come first.
  request.set_page_size(1);
  escalation::v1::ListDirectoryResponse response;
  const auto failure =
      Call(&DirectoryService::StubInterface::ListDirectory, request, &response, kUnitTimeout, kUnitTimeout);
  directory_lost_ = failure.has_value() && !absl::IsNotFound(failure->status);
  if (failure || response.entries().empty()) return known->second;
  return known->second = response.entries(0).unit().code();
}

void Client::ExplainUnit(const std::string& named, Failure* failure) {
  if (error::ReasonOf(failure->status) != type::v1::ERROR_REASON_UNIT_UNKNOWN) return;
  const std::vector<std::string> names =
      named.empty() ? UnitsGivenFor(error::FieldOf(failure->status)) : std::vector<std::string>{named};
  for (const std::string& name : names) {
    std::string code = UnitCodeOf(name);
    // Of a list, some are codes; and one may be in the directory that the site's list lacks.
    if (code.empty() || code == name) continue;
    failure->unit_name = name;
    failure->unit_code = std::move(code);
    return;
  }
}

std::vector<std::string> Client::UnitsGivenFor(const std::string& field) const {
  if (field == "header.actor.unit") return {arguments_.for_unit};
  const std::string_view flag = FlagForPath(PathInPush(field));
  std::vector<std::string> units;
  for (const std::string& value : arguments_.All(flag)) {
    for (std::string& unit : SplitUnits(value)) units.push_back(std::move(unit));
  }
  return units;
}

std::optional<Failure> Client::Check(Target target, const std::string& part,
                                     grpc::health::v1::HealthCheckResponse* response) {
  if (auto failure = Connect(target); failure) return failure;
  const auto stub = grpc::health::v1::Health::NewStub(channels_[static_cast<int>(target)]);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(part);
  grpc::ClientContext context;
  const absl::Time now = SystemClock()->Now();
  rpc::Propagate(CallContext{.now = now,
                             .deadline = now + arguments_.timeout.value_or(absl::Seconds(5)),
                             .traceparent = traceparent_},
                 &context);
  const grpc::Status status = stub->Check(&context, request, response);
  if (status.ok()) return std::nullopt;
  return Describe(target, status);
}

bool Client::AnotherAnswers(Target target) {
  const char* const name = target == Target::kDispatch    ? DispatchService::service_full_name()
                           : target == Target::kWorkOrder ? WorkOrderService::service_full_name()
                                                          : EscalationService::service_full_name();
  grpc::health::v1::HealthCheckResponse response;
  const auto failure = Check(target, name, &response);
  return failure.has_value() && absl::IsNotFound(failure->status);
}

}  // namespace hotline::hotlinectl
