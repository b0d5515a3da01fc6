#include "tests/support/site.h"

#include <grpcpp/security/credentials.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace hotline::test {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// YAML's double quotes take C escapes; UTF-8 stays as it is.
std::string Quote(const std::string& text) { return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\""); }

std::string EnumName(const EnumDescriptor& type, int number) {
  const std::string zero = type.FindValueByNumber(0)->name();
  const std::string prefix = zero.substr(0, zero.size() - std::string_view("UNSPECIFIED").size());
  return type.FindValueByNumber(number)->name().substr(prefix.size());
}

std::string Scalar(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return Quote(repeated ? reflection.GetRepeatedString(message, &field, index)
                            : reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(repeated ? reflection.GetRepeatedInt32(message, &field, index)
                                   : reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(repeated ? reflection.GetRepeatedInt64(message, &field, index)
                                   : reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumName(*field.enum_type(), repeated ? reflection.GetRepeatedEnumValue(message, &field, index)
                                                   : reflection.GetEnumValue(message, &field));
    default:
      fprintf(stderr, "tests/support: no YAML form for %s\n", field.full_name().c_str());
      abort();
  }
}

void AppendYaml(const Message& message, const std::string& indent, std::string* out) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool nested = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!field->is_repeated()) {
      if (!nested) {
        absl::StrAppend(out, indent, field->name(), ": ", Scalar(message, *field, -1), "\n");
        continue;
      }
      absl::StrAppend(out, indent, field->name(), ":\n");
      AppendYaml(reflection.GetMessage(message, field), indent + "  ", out);
      continue;
    }
    absl::StrAppend(out, indent, field->name(), ":\n");
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (!nested) {
        absl::StrAppend(out, indent, "  - ", Scalar(message, *field, i), "\n");
        continue;
      }
      std::string item;
      AppendYaml(reflection.GetRepeatedMessage(message, field, i), indent + "    ", &item);
      item[indent.size() + 2] = '-';
      out->append(item);
    }
  }
}

std::string Loopback(int port) { return absl::StrCat("127.0.0.1:", port); }

}  // namespace

std::string NameOf(Service service) {
  constexpr const char* kNames[] = {"work_order", "dispatch", "escalation"};
  return kNames[static_cast<size_t>(service)];
}

std::string BuildFolder() {
  const char* folder = getenv("HOTLINE_BUILD_DIR");
  return folder == nullptr ? HOTLINE_BINARY_DIR : folder;
}

std::string ToYaml(const Message& message) {
  std::string yaml;
  AppendYaml(message, "", &yaml);
  return yaml;
}

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          std::shared_ptr<grpc::ChannelCredentials> credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  if (credentials == nullptr) credentials = grpc::InsecureChannelCredentials();
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

Site::Site(std::string hotline, Ports* ports, std::string folder)
    : hotline_(std::move(hotline)), folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  for (size_t i = 0; i < kServices.size(); ++i) {
    ports_[i] = ports->Take();
    metrics_ports_[i] = ports->Take();
  }
  config_.set_hotline(hotline_);
  config_.mutable_work_order()->set_data_dir(folder_ + "/work_order");
  config_.mutable_escalation()->set_data_dir(folder_ + "/escalation");
  config_.mutable_escalation()->set_policy_file(folder_ + "/policy.yaml");
  config::v1::ListenConfig* listens[] = {config_.mutable_work_order()->mutable_listen(),
                                         config_.mutable_dispatch()->mutable_listen(),
                                         config_.mutable_escalation()->mutable_listen()};
  for (const Service service : kServices) {
    const size_t i = static_cast<size_t>(service);
    listens[i]->set_address(Loopback(ports_[i]));
    listens[i]->set_metrics_address(Loopback(metrics_ports_[i]));
  }
  config_.mutable_work_order()->set_address(Loopback(ports_[0]));
  config_.mutable_dispatch()->set_backoff_max_ms(500);
  policy_.set_version("test-1");
  for (const auto clock : {type::v1::CLOCK_KIND_PEER_RECEIPT, type::v1::CLOCK_KIND_PEER_ACCEPTANCE,
                           type::v1::CLOCK_KIND_SIGN, type::v1::CLOCK_KIND_FINISH}) {
    config::v1::DeadlineRule* rule = policy_.add_rules();
    rule->set_clock(clock);
    rule->set_limit_s(7200);
    rule->set_remind_before_s(600);
  }
  Connect();
}

Site::~Site() { KillAll(); }

void Site::AddPeer(std::string_view hotline, const std::string& address) {
  config::v1::PeerConfig* peer = config_.add_peers();
  peer->set_hotline(std::string(hotline));
  peer->set_address(address);
}

void Site::MoveTo(const std::string& host, std::vector<std::string> launcher) {
  host_ = host;
  launcher_ = std::move(launcher);
  config::v1::ListenConfig* listens[] = {config_.mutable_work_order()->mutable_listen(),
                                         config_.mutable_dispatch()->mutable_listen(),
                                         config_.mutable_escalation()->mutable_listen()};
  for (const Service service : kServices) {
    const size_t i = static_cast<size_t>(service);
    listens[i]->set_address(absl::StrCat("0.0.0.0:", ports_[i]));
  }
  Connect();
}

void Site::UseTls(const ClientTls& tls) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ReadFile(tls.ca_file);
  options.pem_private_key = ReadFile(tls.key_file);
  options.pem_cert_chain = ReadFile(tls.certificate_file);
  credentials_ = grpc::SslCredentials(options);
  Connect();
}

void Site::Connect() {
  dispatch_ = dispatch::v1::DispatchService::NewStub(NewChannelTo(Service::kDispatch));
  exchange_ = exchange::v1::ExchangeService::NewStub(NewChannelTo(Service::kDispatch));
  work_order_ = workorder::v1::WorkOrderService::NewStub(NewChannelTo(Service::kWorkOrder));
  ledger_ = workorder::v1::LedgerService::NewStub(NewChannelTo(Service::kWorkOrder));
  escalation_ = escalation::v1::EscalationService::NewStub(NewChannelTo(Service::kEscalation));
}

void Site::WriteConfig() const {
  config::v1::SiteConfig config = config_;
  if (units_.units_size() > 0) {
    config.set_units_file(folder_ + "/units.yaml");
    WriteFile(config.units_file(), ToYaml(units_));
  }
  WriteFile(config.escalation().policy_file(), ToYaml(policy_));
  WriteFile(config_file(), ToYaml(config));
}

absl::Status Site::Launch(Service service) {
  WriteConfig();
  const std::string name = NameOf(service);
  std::vector<std::string> command = launcher_;
  command.insert(command.end(),
                 {absl::StrCat(BuildFolder(), "/services/", name, "/", name), "--config", config_file()});
  if (!launcher_.empty()) command.push_back("--insecure-listen");
  auto process = Process::Start(command, log_file(service));
  if (!process.ok()) return process.status();
  processes_[static_cast<size_t>(service)] = *std::move(process);
  return absl::OkStatus();
}

absl::Status Site::AwaitReady(Service service) {
  const auto ready = process(service).WaitForLine("READY ", absl::Seconds(60));
  if (ready.ok()) return absl::OkStatus();
  return absl::Status(ready.status().code(),
                      absl::StrCat(hotline_, " ", NameOf(service), ": ", ready.status().message()));
}

absl::Status Site::Start(Service service) {
  absl::Status status = Launch(service);
  if (status.ok()) status = AwaitReady(service);
  Connect();
  return status;
}

absl::Status Site::StartAll() {
  for (const Service service : kServices) {
    if (Running(service)) continue;
    const absl::Status status = Start(service);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Site::Kill(Service service) { processes_[static_cast<size_t>(service)].reset(); }

void Site::KillAll() {
  for (auto& process : processes_) process.reset();
}

int Site::Terminate(Service service) {
  auto& process = processes_[static_cast<size_t>(service)];
  const int status = process->Terminate(absl::Seconds(20));
  process.reset();
  return status;
}

bool Site::Running(Service service) {
  const auto& process = processes_[static_cast<size_t>(service)];
  return process != nullptr && process->Running();
}

std::string Site::config_file() const { return folder_ + "/site.yaml"; }

std::string Site::address(Service service) const {
  return absl::StrCat(host_, ":", ports_[static_cast<size_t>(service)]);
}

std::string Site::metrics_address(Service service) const {
  return Loopback(metrics_ports_[static_cast<size_t>(service)]);
}

std::string Site::log_file(Service service) const {
  return absl::StrCat(folder_, "/", NameOf(service), ".log");
}

std::shared_ptr<grpc::Channel> Site::NewChannelTo(Service service) const {
  return NewChannel(address(service), credentials_);
}

TwoSites::TwoSites()
    : a("12345", &ports, folder.path() + "/12345"), b("110", &ports, folder.path() + "/110") {
  a.AddPeer("110", b.address(Service::kDispatch));
  b.AddPeer("12345", a.address(Service::kDispatch));
}

absl::Status TwoSites::UseKeys() {
  const std::string keys = folder.path() + "/keys";
  auto made =
      Process::Start({HOTLINE_SOURCE_DIR "/deploy/keys/make", "--dir", keys, "--id", "test", "12345", "110"},
                     folder.path() + "/keys.log");
  if (!made.ok()) return made.status();
  if ((*made)->Wait(absl::Seconds(30)) != 0) return absl::InternalError("deploy/keys/make failed");
  for (const auto& [site, peer] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    config::v1::SigningKey& own = *site->config().mutable_signing()->add_keys();
    own.set_key_id("test");
    own.set_private_key_file(absl::StrCat(keys, "/", site->hotline(), "/test.key"));
    config::v1::PublicKey& theirs = *site->config().mutable_peers(0)->add_public_keys();
    theirs.set_key_id("test");
    theirs.set_file(absl::StrCat(keys, "/", peer->hotline(), "/test.pub"));
  }
  return absl::OkStatus();
}

void TwoSites::UseCatalogue() {
  for (Site* site : {&a, &b}) {
    site->config().mutable_dispatch()->set_catalogue_dir(HOTLINE_SOURCE_DIR "/deploy/catalogue");
  }
}

absl::Status TwoSites::StartAll() {
  const absl::Status status = a.StartAll();
  return status.ok() ? b.StartAll() : status;
}

bool Eventually(const std::function<bool()>& condition, absl::Duration timeout) {
  const absl::Time until = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

}  // namespace hotline::test
