// doctor: what an installation is in need of, looked for on its own machine.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/backup/backup.h"
#include "common/backup/verify.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/boot/backup_edge.h"
#include "common/boot/certificates.h"
#include "common/boot/config.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/rpc/address.h"
#include "common/rpc/certificate.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/store_fault.h"
#include "services/hotlinectl/core/text_operation.h"

namespace hotline::hotlinectl {
namespace {

namespace fs = std::filesystem;
using backup::Words;

constexpr char kDefaultConfig[] = "/etc/hotline-handoff/site.yaml";
constexpr absl::Duration kCertificateSoon = absl::Hours(30 * 24);
// As the alert HotlineBackupOld.
constexpr absl::Duration kBackupOld = absl::Hours(26);
constexpr absl::Duration kSkewMuch = absl::Seconds(2);
constexpr int64_t kDiskLow = int64_t{1} << 30;
constexpr int kDiskLowPercent = 10;
constexpr absl::Duration kHealthTimeout = absl::Seconds(2);
constexpr size_t kMostMetricBytes = 1 << 20;

enum class Verdict { kOk, kLook, kFailed };

struct Finding {
  Verdict verdict = Verdict::kOk;
  Words what;
  Words found;
  Words advice;  // empty if there is nothing to do
};

struct Program {
  std::string_view name;  // as its section and role are called
  std::string_view unit;  // of systemd
  Target target;
};
constexpr Program kPrograms[] = {{"work_order", "hotline-work-order", Target::kWorkOrder},
                                 {"dispatch", "hotline-dispatch", Target::kDispatch},
                                 {"escalation", "hotline-escalation", Target::kEscalation}};

// What a call failed with.
Words InBoth(const Failure& failure) {
  return {FailureMessage(failure, Language::kEnglish), FailureMessage(failure, Language::kChinese)};
}

// What to do about it.
Words AdviceFor(const Failure& failure) {
  if (error::ReasonOf(failure.status) == type::v1::ERROR_REASON_ROLE_FORBIDDEN) {
    return {"ask as the role admin or supervisor", "请以admin或supervisor角色查询"};
  }
  return {FailureAdvice(failure, Language::kEnglish), FailureAdvice(failure, Language::kChinese)};
}

// What `GET /metrics` at `address` answers; empty if nothing does.
std::string FetchMetrics(const std::string& address) {
  const auto parsed = rpc::ParseAddress(address);
  if (!parsed) return "";
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(parsed->host.c_str(), StrCat(parsed->port).c_str(), &hints, &list) != 0) return "";
  std::string answer;
  const int socket = ::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience = {.tv_sec = 2, .tv_usec = 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const std::string request =
      StrCat("GET /metrics HTTP/1.1\r\nHost: ", parsed->host, "\r\nConnection: close\r\n\r\n");
  if (connect(socket, list->ai_addr, list->ai_addrlen) == 0 &&
      send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char piece[16384];
    for (ssize_t got = 0;
         answer.size() < kMostMetricBytes && (got = recv(socket, piece, sizeof(piece), 0)) > 0;) {
      answer.append(piece, static_cast<size_t>(got));
    }
  }
  close(socket);
  freeaddrinfo(list);
  return answer;
}

// The release of a running service, from its metric `build_info`; empty if it does not say.
std::string VersionAt(const std::string& metrics_address) {
  const std::string metrics = FetchMetrics(Reachable(metrics_address));
  const size_t info = metrics.find("build_info{");
  if (info == std::string::npos) return "";
  const std::string line = metrics.substr(info, metrics.find('\n', info) - info);
  constexpr std::string_view kLabel = "version=\"";
  const size_t begin = line.find(kLabel);
  if (begin == std::string::npos) return "";
  const size_t from = begin + kLabel.size();
  return line.substr(from, line.find('"', from) - from);
}

// What is told to be typed with it is typed elsewhere: by a timer, by another user. Links in it are followed
// first, as `..` after a link is not the folder that it stands in.
std::string FromAnywhere(const std::string& config) {
  const fs::path file(config);
  if (file.is_absolute()) return config;
  std::error_code code;
  const fs::path folder = fs::canonical(fs::absolute(file, code).parent_path(), code);
  return code ? config : (folder / file.filename()).string();
}

// What a service makes in its data_dir, but for what begins with the name of a store: its write-ahead log,
// its lock, and what people keep of it beside it.
constexpr std::string_view kMadeInData[] = {"publications", "lost+found"};
constexpr std::string_view kStoreFiles[] = {"work_order.db", "escalation.db", "report.db", "directory.db",
                                            "notify.db"};
bool IsStoresFile(const std::string& name) {
  return std::any_of(std::begin(kStoreFiles), std::end(kStoreFiles),
                     [&](std::string_view store) { return name.starts_with(store); });
}
bool IsOfData(const std::string& name) {
  // A database of another name is told of as such.
  return IsStoresFile(name) || name.ends_with(".db") ||
         std::find(std::begin(kMadeInData), std::end(kMadeInData), name) != std::end(kMadeInData);
}

// What lets the services read a file that is not theirs, as those under /etc; and what makes theirs again
// what they write.
constexpr Phrase kLetRead = {"chgrp hotline, chmod 640 (its folder 750)",
                             "请执行 chgrp hotline、chmod 640（所在目录为750）"};
constexpr Phrase kLetWrite = {"chown -R hotline:hotline, chmod -R u+rwX",
                              "请执行 chown -R hotline:hotline、chmod -R u+rwX"};

class Examination {
 public:
  Examination(Session& session, const std::string& config)
      : session_(session), config_(FromAnywhere(config)) {}

  std::vector<Finding> Run() {
    if (!LookAtConfig()) {
      LookAtTime();
      return std::move(findings_);
    }
    LookAtCertificates();
    LookAtSigning();
    LookAtTime();
    LookAtServices();
    LookAtClock();
    LookAtPeople();
    LookAtPeers();
    LookAtStores();
    LookAtLogs();
    LookAtDisk();
    LookAtBackups();
    return std::move(findings_);
  }

 private:
  void Add(Verdict verdict, Words what, Words found, Words advice = {}) {
    findings_.push_back({verdict, std::move(what), std::move(found), std::move(advice)});
  }

  const config::v1::ListenConfig& ListenOf(const Program& program) const {
    if (program.target == Target::kWorkOrder) return site_.work_order().listen();
    if (program.target == Target::kDispatch) return site_.dispatch().listen();
    return site_.escalation().listen();
  }
  bool Has(const Program& program) const {
    if (program.target == Target::kWorkOrder) return site_.has_work_order();
    if (program.target == Target::kDispatch) return site_.has_dispatch();
    return site_.has_escalation();
  }

  // The end of a command to be typed here: at this site, with its certificates.
  std::string WithConfig() const { return StrCat(" --config ", config_); }

  // Whether a file that could not be read may only not be read by this user.
  static bool IsDenied(const std::string& text) {
    return text.find(std::generic_category().message(EACCES)) != std::string::npos;
  }
  // Who may look; and what is to be done if that was the services' user, as they then cannot either.
  Words AsRoot(const Phrase& mend) const {
    return {StrCat("not looked at: run doctor as root, or as the services' user (sudo -u hotline hotlinectl "
                   "doctor",
                   WithConfig(), "); if that user ran it, the services cannot read it either: ", mend.en),
            StrCat("未能检查：请以root或服务用户运行（sudo -u hotline hotlinectl doctor", WithConfig(),
                   "）；若已是服务用户，则各服务同样无法读取：", mend.zh)};
  }

  bool LookAtConfig() {
    const Words what = {"configuration", "配置"};
    absl::StatusOr<boot::LoadedSite> site =
        boot::LoadSite(config_, {.role = "admin", .insecure_listen = true});
    std::error_code unknown;
    if (!site.ok() && !std::filesystem::exists(config_, unknown) && !unknown) {
      Add(Verdict::kFailed, what, {StrCat("there is no file ", config_), StrCat("文件不存在：", config_)},
          {"name the file with --config", "用 --config 指定配置文件"});
      return false;
    }
    if (!site.ok()) {
      const std::string text(site.status().message());
      Add(Verdict::kFailed, what, {text, text},
          IsDenied(text)
              ? AsRoot(kLetRead)
              : Words{"correct the lines named; every key is in README.md, or name the file with --config",
                      "按所指行号修改（各项含义见README.md），或用 --config 指定配置文件"});
      return false;
    }
    site_ = site->site;
    bool good = true;
    for (const Program& program : kPrograms) {
      if (!Has(program)) continue;
      // What each reads for itself: keys, secrets, catalogues.
      const absl::StatusOr<boot::LoadedSite> own =
          boot::LoadSite(config_, {.role = std::string(program.name), .insecure_listen = true});
      if (own.ok()) {
        if (const std::string& file = own->site.log().file(); !file.empty()) logs_.insert(file);
        continue;
      }
      good = false;
      const std::string text = StrCat(program.name, ": ", ToStd(own.status().message()));
      Add(Verdict::kFailed, what, {text, text},
          IsDenied(text) ? AsRoot(kLetRead)
                         : Words{StrCat("correct it; then `", program.name, WithConfig(), " --check`"),
                                 StrCat("修改后用 ", program.name, WithConfig(), " --check 复查")});
    }
    if (good) Add(Verdict::kOk, what, {config_, config_});
    return true;
  }

  // The private key of the certificate, if it can be read; else nothing is said here.
  static bool IsItsKey(X509* certificate, const std::string& key_file) {
    const auto file = rpc::OpenFile(key_file);
    if (!file.ok()) return true;
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(file->get(), nullptr, &rpc::NoPassPhrase, nullptr), &EVP_PKEY_free);
    return key != nullptr && X509_check_private_key(certificate, key.get()) == 1;
  }

  // Names of parties in the certificate: its URIs.
  static std::vector<std::string> UrisOf(X509* certificate) {
    std::vector<std::string> uris;
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free);
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
      const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
      if (name->type != GEN_URI) continue;
      const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
      uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                        static_cast<size_t>(ASN1_STRING_length(uri)));
    }
    return uris;
  }

  // What is wrong with whose it is and with its key; nothing if it is right.
  std::optional<std::pair<Words, Words>> FaultOfOwn(X509* certificate, const std::string& role,
                                                    const std::string& key_file) const {
    const std::string wanted = StrCat("spiffe://hotline/", site_.hotline(), "/", role);
    const std::vector<std::string> uris = UrisOf(certificate);
    if (std::find(uris.begin(), uris.end(), wanted) == uris.end()) {
      const std::string found = uris.empty() ? std::string("-") : uris.front();
      return std::pair(
          Words{StrCat("names ", found, ", not ", wanted), StrCat("证书标识为 ", found, "，应为 ", wanted)},
          Words{"have it issued for this hotline and program; others refuse it as it is",
                "请按本热线与该程序重新签发，否则会被其他方拒绝"});
    }
    if (!IsItsKey(certificate, key_file)) {
      return std::pair(Words{StrCat(key_file, " is not its private key"), StrCat(key_file, " 不是它的私钥")},
                       Words{"put certificate and key in place together, as they were issued",
                             "请将同时签发的证书与私钥一并替换"});
    }
    return std::nullopt;
  }

  // Adds one finding, whatever there is to find. Of `authority` one certificate that is valid is enough: the
  // other may be the next one's.
  void LookAtCertificate(const std::string& file, const std::string& role, const std::string& key_file,
                         bool authority) {
    const Words what = {StrCat("certificate ", file), StrCat("证书 ", file)};
    const Words renew = {"have it issued anew and put in its place; services read it again by themselves",
                         "请重新签发并替换该文件，各服务会自动重新读取"};
    const absl::StatusOr<absl::Time> expiry = boot::EarliestExpiry(file);
    if (!expiry.ok()) {
      const std::string text(expiry.status().message());
      return Add(Verdict::kFailed, what, {text, text}, IsDenied(text) ? AsRoot(kLetRead) : renew);
    }
    if (const absl::StatusOr<boot::Starts> starts = boot::StartsOf(file); starts.ok()) {
      if (const absl::Time start = authority ? starts->first : starts->last; start > session_.now) {
        const std::string when = absl::FormatTime("%Y-%m-%d %H:%M", start, Beijing());
        return Add(
            Verdict::kFailed, what,
            {StrCat("not valid before ", when, ", or this clock is behind"),
             StrCat(when, "起才有效，或本机时钟偏慢")},
            {"compare the clock (`timedatectl`); if it is right, put back the certificate that is valid "
             "by now",
             "请核对本机时钟（timedatectl）；若时钟无误，请换回当前有效的证书"});
      }
    }
    const std::string day = absl::FormatTime("%Y-%m-%d", *expiry, Beijing());
    if (*expiry <= session_.now)
      return Add(Verdict::kFailed, what, {"ended on " + day, "已于" + day + "到期"}, renew);
    if (*expiry <= session_.now + kCertificateSoon) {
      return Add(Verdict::kLook, what, {"ends on " + day, day + "到期"}, renew);
    }
    if (!role.empty()) {
      const auto certificate = rpc::ReadCertificate(file);
      const absl::StatusOr<bool> issued = boot::IsIssuedBy(file, site_.tls().ca_file());
      if (issued.ok() && !*issued) {
        return Add(Verdict::kFailed, what,
                   {StrCat("is not issued by ", site_.tls().ca_file()),
                    StrCat("不是由 ", site_.tls().ca_file(), " 签发")},
                   {"use a certificate of the authority that the site trusts, or correct tls.ca_file",
                    "请使用本平台信任的机构签发的证书，或改正 tls.ca_file"});
      }
      if (certificate.ok()) {
        if (const auto fault = FaultOfOwn(certificate->get(), role, key_file); fault.has_value()) {
          return Add(Verdict::kFailed, what, fault->first, fault->second);
        }
      }
    }
    Add(Verdict::kOk, what, {"valid until " + day, "有效期至" + day});
  }

  // A program's certificate, its key and the authorities that it trusts; what was looked at is left out.
  void LookAtTls(const std::string& role, const config::v1::TlsConfig& tls, std::set<std::string>* seen) {
    const auto look = [&](const std::string& file, const std::string& whose, const std::string& key_file,
                          bool authority) {
      if (!seen->insert(file).second) return;
      LookAtCertificate(file, whose, key_file, authority);
      if (findings_.back().verdict == Verdict::kFailed) unusable_.insert(file);
    };
    look(tls.certificate_file(), role, tls.key_file(), /*authority=*/false);
    look(tls.ca_file(), "", "", /*authority=*/true);
    if (!seen->insert(tls.key_file()).second) return;
    struct stat info;
    const Words what = {StrCat("key ", tls.key_file()), StrCat("私钥 ", tls.key_file())};
    if (stat(tls.key_file().c_str(), &info) != 0) {
      unusable_.insert(tls.key_file());
      if (errno == EACCES) return AddUnreadable(what, tls.key_file(), errno, kLetRead);
      Add(Verdict::kFailed, what, {"cannot be read", "无法读取"},
          {"put it there, readable for its user alone", "请放置该文件，仅限其用户读取"});
    } else if ((info.st_mode & 0007) != 0) {
      Add(Verdict::kFailed, what, {"everybody on this machine can read it", "本机所有用户均可读取"},
          {StrCat("chmod o= ", tls.key_file()), StrCat("执行 chmod o= ", tls.key_file())});
    } else if (access(tls.key_file().c_str(), R_OK) != 0) {
      unusable_.insert(tls.key_file());
      AddUnreadable(what, tls.key_file(), errno, kLetRead);
    }
  }

  // Those that doctor asks with: with an expired one every service seems to be down. And those of the role
  // admin, with which backups are asked for.
  void LookAtOwnTls(std::set<std::string>* seen) {
    const Arguments& arguments = session_.arguments;
    const bool given = !arguments.ca_file.empty();
    config::v1::TlsConfig tls = site_.tls();
    if (given) {
      tls.set_certificate_file(arguments.cert_file);
      tls.set_key_file(arguments.key_file);
      tls.set_ca_file(arguments.ca_file);
    }
    LookAtTls(given ? "" : "admin", tls, seen);
    own_tls_fails_ = unusable_.contains(tls.certificate_file()) || unusable_.contains(tls.ca_file()) ||
                     unusable_.contains(tls.key_file());
    std::error_code code;
    if (fs::exists(site_.tls().certificate_file(), code)) LookAtTls("admin", site_.tls(), seen);
  }

  void LookAtCertificates() {
    if (!site_.has_tls()) {
      std::string beyond;
      for (const std::string& address :
           {site_.work_order().listen().address(), site_.dispatch().listen().address(),
            site_.escalation().listen().address()}) {
        const auto parsed = rpc::ParseAddress(address);
        if (parsed.has_value() && !rpc::IsLoopback(parsed->host)) {
          beyond += StrCat(beyond.empty() ? "" : ", ", address);
        }
      }
      if (!beyond.empty()) {
        return Add(Verdict::kFailed, {"certificates", "证书"},
                   {StrCat("none, and plain text beyond loopback: ", beyond),
                    StrCat("未启用TLS，却以明文监听本机以外的地址：", beyond)},
                   {"configure tls: anyone on the network can read and forge what goes there",
                    "请配置 tls：网络上任何人都可读取、伪造其内容"});
      }
      return Add(Verdict::kOk, {"certificates", "证书"},
                 {"none: everything listens on loopback", "未启用TLS，仅监听本机"});
    }
    std::set<std::string> seen;
    for (const Program& program : kPrograms) {
      if (!Has(program)) continue;
      const auto site = boot::LoadSite(config_, {.role = std::string(program.name), .insecure_listen = true});
      if (!site.ok()) continue;  // told above
      LookAtTls(std::string(program.name), site->site.tls(), &seen);
    }
    LookAtOwnTls(&seen);
  }

  // Of several keys the one that began last signs; one that has not begun is for later.
  void LookAtSigning() {
    if (site_.signing().keys().empty()) return;
    absl::Time first = absl::InfiniteFuture();
    for (const config::v1::SigningKey& key : site_.signing().keys()) {
      // Checked with the configuration; without one it is valid from ever.
      absl::Time begin = absl::InfinitePast();
      absl::ParseTime(absl::RFC3339_full, key.not_before_time(), &begin, nullptr);
      first = std::min(first, begin);
    }
    const Words what = {"signing keys", "签名密钥"};
    if (first <= session_.now) return Add(Verdict::kOk, what, {"one is valid", "有有效的密钥"});
    const std::string when = absl::FormatTime("%Y-%m-%d %H:%M", first, Beijing());
    Add(Verdict::kFailed, what,
        {StrCat("none is valid before ", when, ", or this clock is behind: nothing is signed"),
         StrCat("均自", when, "起才有效，或本机时钟偏慢：目前无法签名")},
        {"compare the clock (`timedatectl`); if it is right, keep a key under signing.keys that has begun, "
         "beside the next one",
         "请核对本机时钟（timedatectl）；若时钟无误，请在 signing.keys "
         "中保留已生效的密钥，与下一把密钥并存"});
  }

  void LookAtTime() {
    timex state = {};
    const int code = adjtimex(&state);
    const Words what = {"time synchronisation", "时间同步"};
    if (code == -1) {
      return Add(Verdict::kLook, what, {"the system does not say", "系统未提供状态"},
                 {"look with `timedatectl`", "请用 timedatectl 查看"});
    }
    if (code == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
      return Add(
          Verdict::kLook, what, {"the clock is not synchronised", "系统时钟未同步"},
          {"install chrony (or systemd-timesyncd) with a time server that the site may reach; deadlines go "
           "by this clock",
           "请安装chrony（或systemd-timesyncd）并配置可达的时间服务器：各项时限以本机时钟为准"});
    }
    Add(Verdict::kOk, what,
        {StrCat("synchronised, within ", state.maxerror / 1000, " ms"),
         StrCat("已同步，误差在", state.maxerror / 1000, "毫秒以内")});
  }

  // Asks this machine's services, by what the configuration says of them unless the command line says
  // otherwise.
  Client& client() {
    if (own_client_ == nullptr) {
      own_arguments_ = AtSite(session_.arguments, site_);
      if (!own_arguments_.timeout.has_value()) own_arguments_.timeout = kHealthTimeout;
      own_client_ = std::make_unique<Client>(own_arguments_);
    }
    return *own_client_;
  }

  // Those of escalation's stores that failed while it runs: the rest of it goes on without them. A release
  // that does not know a name is passed over.
  std::string FailedStores() {
    std::string failed;
    for (const char* const part : {"store", "directory", "notify", "report_store"}) {
      grpc::health::v1::HealthCheckResponse response;
      if (client().Check(Target::kEscalation, part, &response)) continue;
      if (response.status() != grpc::health::v1::HealthCheckResponse::NOT_SERVING) continue;
      failed += StrCat(failed.empty() ? "" : ", ", part);
    }
    return failed;
  }

  bool FollowsTheLog() {
    grpc::health::v1::HealthCheckResponse response;
    return !client().Check(Target::kEscalation, "work_order", &response) &&
           response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  }

  void LookAtServices() {
    const std::string own = boot::ProgramVersion();
    for (const Program& program : kPrograms) {
      if (!Has(program)) continue;
      const Words what = {StrCat("service ", program.name), StrCat("服务 ", program.name)};
      grpc::health::v1::HealthCheckResponse response;
      const auto failure = client().Check(program.target, "", &response);
      if (failure) {
        // What has an advice of its own answers, but with a certificate that does not fit.
        const bool down = failure->advice == nullptr &&
                          (absl::IsUnavailable(failure->status) || absl::IsDeadlineExceeded(failure->status));
        if (own_tls_fails_) {
          Add(Verdict::kFailed, what,
              {"cannot be asked: something is wrong with the certificate that doctor asks with (above)",
               "无法查询：查询所用的证书有问题（见上）"},
              {"mend that first, then look again", "请先处理该证书，再重新检查"});
          continue;
        }
        Add(Verdict::kFailed, what, down ? Words{"does not answer", "无应答"} : InBoth(*failure),
            down ? Words{StrCat("systemctl start ", program.unit, "; if it ends again: journalctl -u ",
                                program.unit),
                         StrCat("执行 systemctl start ", program.unit, "；若再次退出，用 journalctl -u ",
                                program.unit, " 查看原因")}
            : failure->advice != nullptr
                ? AdviceFor(*failure)
                : Words{"name addresses and certificates (--dispatch …, --ca, --cert, --key)",
                        "请指定地址与证书（--dispatch 等，--ca、--cert、--key）"});
        continue;
      }
      if (client().AnotherAnswers(program.target)) {
        const std::string& address = client().AddressOf(program.target);
        Add(Verdict::kFailed, what,
            {StrCat("does not answer: at ", address, " another program does"),
             StrCat("无应答：", address, " 处应答的是其他程序")},
            {StrCat("give each service an address of its own, then systemctl restart ", program.unit,
                    "; journalctl -u ", program.unit, " says whether it could not listen"),
             StrCat("请为各服务配置各自的地址，再执行 systemctl restart ", program.unit,
                    "；用 journalctl -u ", program.unit, " 查看是否未能监听")});
        continue;
      }
      running_.emplace(program.name);
      if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
        // Dispatch has no store; it serves when work_order does.
        const std::string_view unit = program.target == Target::kDispatch ? kPrograms[0].unit : program.unit;
        Add(Verdict::kFailed, what, {"runs, but does not serve", "已运行，但不能提供服务"},
            {StrCat(
                 "journalctl -u ", unit,
                 " says why: usually a store that failed or a full disk; mend that, then systemctl restart ",
                 unit),
             StrCat("用 journalctl -u ", unit,
                    " 查看原因（通常是数据库故障或磁盘已满），处理后执行 systemctl restart ", unit)});
        continue;
      }
      if (const std::string failed = program.target == Target::kEscalation ? FailedStores() : "";
          !failed.empty()) {
        Add(Verdict::kFailed, what,
            {StrCat("runs, but its ", failed, " failed"), StrCat("已运行，但其 ", failed, " 故障")},
            {StrCat("systemctl restart ", program.unit,
                    ", then look again (--deep); runbook HotlineEscalationStoreFailed"),
             StrCat("执行 systemctl restart ", program.unit,
                    " 后再次检查（--deep）；参见处置手册 HotlineEscalationStoreFailed")});
        continue;
      }
      if (program.target == Target::kEscalation && !FollowsTheLog()) {
        Add(Verdict::kFailed, what,
            {"runs, but cannot follow work_order's log", "已运行，但无法跟随工单日志"},
            {"if work_order does not answer, start it; if its data_dir was moved or its disk is not mounted, "
             "an "
             "empty store runs: stop it, move what lies there aside, put the folder back, start it; if it "
             "was restored without escalation's "
             "stores, stop "
             "escalation, remove escalation.db and report.db from its data_dir (they are rebuilt), put "
             "notify.db aside, leave directory.db and publications/, and start it",
             "若work_order未运行请先启动；若其data_dir曾被移走或磁盘未挂载，现运行的是空库：请停止该服务，"
             "移开现有目录，放回原目录再启动；若只恢复了work_order，请停止escalation，删除其data_dir中的"
             "escalation.db、report.db（将自动重建），移走notify.db，保留directory.db和publications/"
             "，再启动"});
        continue;
      }
      const std::string version = VersionAt(ListenOf(program).metrics_address());
      if (!version.empty() && version != own) {
        Add(Verdict::kLook, what,
            {StrCat("serves, release ", version, "; hotlinectl is ", own),
             StrCat("运行正常，版本", version, "；hotlinectl版本为", own)},
            {StrCat("systemctl restart ", program.unit, ": the release that is installed does not run yet"),
             StrCat("执行 systemctl restart ", program.unit, "：已安装的版本尚未启用")});
        continue;
      }
      Add(Verdict::kOk, what,
          {StrCat("serves", version.empty() ? "" : ", release ", version),
           StrCat("运行正常", version.empty() ? "" : "，版本", version)});
    }
  }

  // What escalation thinks of the clock; a release that does not say is passed over.
  void LookAtClock() {
    if (!running_.contains("escalation")) return;  // told above
    grpc::health::v1::HealthCheckResponse response;
    if (client().Check(Target::kEscalation, "clock", &response)) return;
    if (response.status() == grpc::health::v1::HealthCheckResponse::SERVING) return;
    Add(Verdict::kLook, {"clock of escalation", "escalation的时钟"},
        {"cannot be trusted: it was stepped, or differs from work_order's or a peer's",
         "不可信：发生过跳变，或与work_order、对端的时钟相差"},
        {"look with `timedatectl` at each machine; runbook HotlineClockUntrusted",
         "请在各机器上用 timedatectl 核对；参见处置手册 HotlineClockUntrusted"});
  }

  // Whether anybody is told: as installed, the directory holds units and no people.
  void LookAtPeople() {
    if (!running_.contains("escalation")) return;  // told above
    const Words what = {"directory of people", "通讯录"};
    escalation::v1::RunPreflightResponse response;
    if (auto failure = client().Call(&DirectoryService::StubInterface::RunPreflight, {}, &response);
        failure) {
      return Add(Verdict::kFailed, what, InBoth(*failure), AdviceFor(*failure));
    }
    const Words advice = {
        "hotlinectl directory import --file … --reported-by …; hotlinectl directory preflight says which",
        "执行 hotlinectl directory import --file … --reported-by …；用 hotlinectl directory preflight "
        "查看明细"};
    if (response.unit_count() == 0) {
      return Add(Verdict::kLook, what, {"empty: rungs reach nobody", "为空：催办无人可达"}, advice);
    }
    if (response.unreachable_rungs() > 0) {
      std::set<std::string> units;
      for (const escalation::v1::PreflightGap& gap : response.gaps()) units.insert(gap.unit());
      return Add(Verdict::kLook, what,
                 {StrCat(response.unreachable_rungs(), " rungs at ", units.size(),
                         " units reach nobody at some time of the next seven days"),
                  StrCat("今后七天内，", units.size(), "个单位的", response.unreachable_rungs(),
                         "级催办有时无人可达")},
                 advice);
    }
    Add(Verdict::kOk, what,
        {StrCat("every rung of ", response.unit_count(), " units reaches somebody for seven days"),
         StrCat("今后七天内，", response.unit_count(), "个单位各级催办均有人可达")});
  }

  void LookAtPeers() {
    if (site_.peers().empty()) {
      return Add(Verdict::kLook, {"peers", "对端"}, {"none is configured", "未配置对端"},
                 {"name the other hotline under `peers` once it can be reached",
                  "对端可达后，在配置的 peers 中登记"});
    }
    if (!running_.contains("dispatch")) return;  // told above
    dispatch::v1::ListLinksResponse links;
    if (auto failure = client().Call(&DispatchService::StubInterface::ListLinks, {}, &links); failure) {
      return Add(Verdict::kFailed, {"peers", "对端"}, InBoth(*failure), AdviceFor(*failure));
    }
    // Work_order names the links; one that dispatch does not have has no transport.
    std::set<std::string> known, missing;
    for (const auto& link : links.links()) {
      if (link.transport() != dispatch::v1::LINK_TRANSPORT_UNSPECIFIED) known.insert(link.peer());
    }
    for (const config::v1::PeerConfig& peer : site_.peers()) {
      if (known.contains(peer.hotline())) continue;
      missing.insert(peer.hotline());
      Add(Verdict::kFailed, {StrCat("peer ", peer.hotline()), StrCat("对端 ", peer.hotline())},
          {"is configured, but the running services do not know it", "已配置，但运行中的服务尚未启用"},
          {"systemctl restart hotline-work-order hotline-dispatch",
           "执行 systemctl restart hotline-work-order hotline-dispatch"});
    }
    for (const auto& link : links.links()) {
      if (missing.contains(link.peer())) continue;  // told above
      const bool ordinary = link.lane() != exchange::v1::LANE_EMERGENCY;
      const Words what = {StrCat("peer ", link.peer(), ordinary ? "" : ", emergencies"),
                          StrCat("对端 ", link.peer(), ordinary ? "" : "（特急）")};
      const int64_t waiting = link.outgoing_sequence() - link.acknowledged_sequence();
      if (!link.up()) {
        if (const std::string advice = LinkErrorAdvice(link, Language::kEnglish); !advice.empty()) {
          Add(Verdict::kFailed, what,
              {StrCat("takes nothing: ", LinkErrorText(link, Language::kEnglish), "; ", waiting,
                      " envelopes wait"),
               StrCat("无法送达：", LinkErrorText(link, Language::kChinese), "；", waiting,
                      "个信封等待送达")},
              {StrCat(advice, "; emergencies go by telephone meanwhile"),
               StrCat(LinkErrorAdvice(link, Language::kChinese), "；其间特急事项请电话联系")});
          continue;
        }
        Add(Verdict::kFailed, what,
            {StrCat("cannot be reached: ", LinkErrorText(link, Language::kEnglish), "; ", waiting,
                    " envelopes wait"),
             StrCat("无法连通：", LinkErrorText(link, Language::kChinese), "；", waiting, "个信封等待送达")},
            link.transport() == dispatch::v1::LINK_TRANSPORT_SPOOL
                ? Words{"look at spool.out_directory and spool.in_directory: are they there, writable for "
                        "the services' user and not full; does the tool that copies them run; emergencies go "
                        "by telephone meanwhile",
                        "检查 spool.out_directory 和 "
                        "spool.in_directory：是否存在、服务用户可否写入、是否已满，摆渡工具是否在运行；其间特"
                        "急事项请电话联系"}
                : Words{"look at the network, the address under `peers` and both certificates; emergencies "
                        "go by telephone meanwhile",
                        "检查网络、peers中的地址及双方证书；其间特急事项请电话联系"});
        continue;
      }
      // What of it is certain: a batch that is long on its way looks like a clock that is ahead.
      const absl::Duration skew = absl::AbsDuration(FromProtoDuration(link.clock_skew())) -
                                  FromProtoDuration(link.clock_uncertainty());
      if (link.has_clock_skew() && skew > kSkewMuch) {
        Add(Verdict::kLook, what,
            {StrCat("the clocks are at least ", absl::ToInt64Milliseconds(skew), " ms apart"),
             StrCat("双方时钟至少相差", absl::ToInt64Milliseconds(skew), "毫秒")},
            {"one of the two sites is not synchronised: compare with `timedatectl` at both",
             "其中一方时钟未同步，请双方用 timedatectl 核对"});
      } else if (link.reconcile_differences() > 0) {
        Add(Verdict::kLook, what,
            {StrCat(link.reconcile_differences(), " handoffs differ"),
             StrCat(link.reconcile_differences(), "件流转两侧不一致")},
            {StrCat("hotlinectl link reconcile ", link.peer(), " --repair"),
             StrCat("执行 hotlinectl link reconcile ", link.peer(), " --repair")});
      } else {
        Add(Verdict::kOk, what,
            {StrCat("up, protocol version ", link.protocol_version(), ", ", waiting, " envelopes wait"),
             StrCat("已连通，协议版本", link.protocol_version(), "，", waiting, "个信封等待送达")});
      }
    }
  }

  // What this user may not look at is not known to be well.
  void AddUnreadable(const Words& what, const std::string& path, int number, const Phrase& mend) {
    const std::string why = std::generic_category().message(number);
    Add(Verdict::kFailed, what,
        {StrCat(path, " cannot be read: ", why), StrCat("无法读取 ", path, "：", why)}, AsRoot(mend));
  }

  // Of what somebody made as root in a folder of the services' user, who can do nothing with it. False if
  // `path` is no such thing, or cannot be looked at.
  bool AddRoots(const Words& what, const std::string& path) {
    fs::path file(path);
    if (!file.has_filename()) file = file.parent_path();
    const std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
    struct stat own;
    struct stat above;
    if (stat(path.c_str(), &own) != 0 || own.st_uid != 0 || stat(folder.c_str(), &above) != 0 ||
        above.st_uid == 0) {
      return false;
    }
    Add(Verdict::kFailed, what,
        {StrCat("belongs to root, and ", folder, " to another user"),
         StrCat("属主为root，而 ", folder, " 属于其他用户")},
        {StrCat("chown -R --reference=", folder, " ", path, ", then start the services"),
         StrCat("执行 chown -R --reference=", folder, " ", path, "，再启动各服务")});
    return true;
  }

  // 0, or why what is in the folder cannot be listed.
  static int FaultOfListing(const std::string& folder) {
    std::error_code code;
    const fs::directory_iterator first(folder, code);
    return code.value();
  }

  // What to do about a store that a check failed of. Only what is nowhere else comes from a backup, and no
  // more of it than must: orders taken since then are in no backup.
  Words AdviceForStore(const std::string& path, const backup::Check& check) const {
    const fs::path file(path);
    const std::string name = file.filename().string();
    const std::string folder = file.parent_path().string();
    if (check.newer) {
      return {
          "install the release that wrote it, or a later one, again (`apt install`), and leave the file "
          "as it is: nothing is lost",
          "请重新安装写入该文件的版本或更新的版本（apt install），不要改动该文件：数据并未丢失"};
    }
    if (name == "escalation.db" || name == "report.db") {
      return {
          StrCat("systemctl stop hotline-escalation; delete ", path, ", ", path, "-wal and ", path,
                 "-shm; systemctl start hotline-escalation: it is rebuilt from work_order's log; needs no "
                 "backup"),
          StrCat("执行 systemctl stop hotline-escalation，删除 ", path, "、", path, "-wal、", path,
                 "-shm，再 systemctl start hotline-escalation：将由工单日志自动重建，无需恢复备份")};
    }
    if (name == "work_order.db") {
      return {StrCat("stop the services, move ", folder,
                     " away, bring back the last backup of it: hotlinectl backup restore FOLDER --only "
                     "work_order",
                     WithConfig(), ", and do what that says of escalation's stores"),
              StrCat("停止各服务，移走 ", folder,
                     "，恢复其最近的备份：hotlinectl backup restore 目录 --only work_order", WithConfig(),
                     "，并按提示处理escalation的数据库")};
    }
    if (name == "directory.db" || name == "notify.db") {
      return {StrCat("systemctl stop hotline-escalation, move ", folder,
                     " away, bring back the last backup of it: hotlinectl backup restore FOLDER --only "
                     "escalation",
                     WithConfig(), "; the orders stay as they are"),
              StrCat("执行 systemctl stop hotline-escalation，移走 ", folder,
                     "，恢复其最近的备份：hotlinectl backup restore 目录 --only escalation", WithConfig(),
                     "；工单不受影响")};
    }
    return {"it is none of this software's stores: move it elsewhere", "不是本软件的数据库：请移到其他位置"};
  }

  // What to do where a store could not be looked at. It is not known to be damaged, so that nothing is moved,
  // deleted or brought back for it.
  Words AdviceForUnread(StoreFault fault) const {
    switch (fault) {
      case StoreFault::kDiskFull:
        return {
            "the disk is full: make room (old backups, rotated logs) and look again; the store is not known "
            "to be damaged, leave it as it is",
            "磁盘已满：请清理空间（旧备份、已轮转的日志）后再次检查；并未发现该数据库损坏，请勿改动"};
      case StoreFault::kReadOnly:
        return {
            "its file system is mounted read-only (see `disk of …`): mend that and look again; the store is "
            "not known to be damaged, leave it as it is",
            "所在文件系统以只读方式挂载（见“磁盘”一行）：处理后再次检查；并未发现该数据库损坏，请勿改动"};
      case StoreFault::kDenied:
        return AsRoot(kLetWrite);
      case StoreFault::kTooManyFiles:
        return {
            "too many files are open: raise the limit (ulimit -n) and look again; the store is not known to "
            "be damaged, leave it as it is",
            "打开的文件过多：请提高上限（ulimit -n）后再次检查；并未发现该数据库损坏，请勿改动"};
      case StoreFault::kNotRead:
      case StoreFault::kDamaged:
        break;
    }
    return {
        "look again; if it stays so, see whether the disk fails (dmesg): the store is not known to be "
        "damaged, leave it as it is",
        "请再次检查；若仍如此，请查看磁盘是否故障（dmesg）：并未发现该数据库损坏，请勿改动"};
  }

  // SQLite does not always say why it could not write beside a store that it reads.
  static StoreFault FaultOf(const std::string& path, const backup::Check& check) {
    const StoreFault fault = StoreFaultOf(check.why.english);
    struct statvfs disk;
    const bool full = statvfs(path.c_str(), &disk) == 0 && disk.f_bavail == 0;
    return fault == StoreFault::kNotRead && full ? StoreFault::kDiskFull : fault;
  }

  // Nobody holds the lock beside a store that no process has open.
  static bool IsOpenElsewhere(const std::string& path) {
    const int file = open((path + ".lock").c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const bool free = flock(file, LOCK_EX | LOCK_NB) == 0;
    close(file);
    return !free;
  }

  // A service that runs, and on this machine: only then are its stores to be found here.
  bool RunsHere(const Program& program) {
    if (!running_.contains(program.name)) return false;
    const auto address = rpc::ParseAddress(client().AddressOf(program.target));
    return address.has_value() && rpc::IsLoopback(address->host);
  }

  void AddGone(const Words& what, const Program& program) {
    Add(Verdict::kFailed, what, {"was moved, deleted or replaced while in use", "使用中被移走、删除或替换"},
        {StrCat("systemctl stop ", program.unit,
                ", put back what it had (or leave what was restored), systemctl start ", program.unit,
                ": what is written meanwhile goes nowhere"),
         StrCat("执行 systemctl stop ", program.unit,
                "，放回原来的文件（或保留已恢复的），再 systemctl start ", program.unit,
                "：此间写入的内容无处保存")});
  }

  // Something in the folder that is no service's of this software; empty if there is none. `stores`: whether
  // it holds a store too.
  std::string StrangerIn(const std::string& folder, bool* stores) const {
    // A spool may lie in it.
    const auto is_spool = [this](const std::string& path) {
      for (const config::v1::PeerConfig& peer : site_.peers()) {
        for (const std::string* one : {&peer.spool().out_directory(), &peer.spool().in_directory()}) {
          if (StrCat(*one, "/").starts_with(StrCat(path, "/"))) return true;
        }
      }
      return false;
    };
    std::string stranger;
    std::error_code code;
    for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
      const std::string name = it->path().filename().string();
      *stores = *stores || IsStoresFile(name);
      if (!IsOfData(name) && !is_spool(it->path().string()) && (stranger.empty() || name < stranger)) {
        stranger = name;
      }
    }
    return stranger;
  }

  // A folder that others use too is nobody's to close, to give away or to move.
  void AddNotOurs(const Words& what, const std::string& folder, const Program& program,
                  const std::string& stranger, bool stores) {
    const std::string field = StrCat(program.name, ".data_dir");
    if (stores) {
      Add(Verdict::kFailed, what,
          {StrCat("holds other things too: ", stranger), StrCat("其中还有其他内容：", stranger)},
          {StrCat("stop the services, move the stores (NAME.db, NAME.db-wal, publications) out of ", folder,
                  " into a folder of their own, name that as ", field, ", and change nothing else there"),
           StrCat("停止各服务，将其中的数据库（名称.db、名称.db-wal、publications）移到单独的目录，把 ",
                  field, " 改为该目录；不要改动 ", folder, " 中的其他内容")});
      return;
    }
    Add(Verdict::kFailed, what,
        {StrCat("is no folder of this software: it holds ", stranger),
         StrCat("不是本软件的目录：其中有 ", stranger)},
        {StrCat("correct ", field, " and change nothing there"),
         StrCat("请改正 ", field, "，不要改动该目录的内容")});
  }

  // Stores that a running service must have open, and that are not there.
  void LookForStores(const std::string& folder, const Program& program) {
    std::vector<std::string> names = {"work_order.db"};
    if (program.target == Target::kEscalation) {
      names = {"escalation.db", "report.db", "directory.db", "notify.db"};
    }
    for (const std::string& name : names) {
      const std::string path = StrCat(folder, "/", name);
      std::error_code code;
      if (fs::exists(path, code) || code) continue;
      // Its lock is held as long as the service runs, wherever that listens.
      if (!RunsHere(program) && !IsOpenElsewhere(path)) continue;
      AddGone({StrCat("store ", path), StrCat("数据库 ", path)}, program);
    }
  }

  void LookAtStores() {
    const bool deep = session_.arguments.Has("deep");
    for (const Program& program : kPrograms) {
      if (program.target == Target::kDispatch) continue;  // has no store
      const std::string* const folder = program.target == Target::kWorkOrder ? &site_.work_order().data_dir()
                                                                             : &site_.escalation().data_dir();
      if (folder->empty()) continue;
      struct stat info;
      const Words data = {StrCat("data ", *folder), StrCat("数据 ", *folder)};
      if (stat(folder->c_str(), &info) != 0) {
        if (errno != ENOENT) {
          AddUnreadable(data, *folder, errno, kLetWrite);
          continue;
        }
        if (RunsHere(program)) {
          AddGone(data, program);
          continue;
        }
        Add(Verdict::kLook, data, {"there is none yet", "尚无数据"},
            {StrCat("it is made at the first start; to bring a backup back: hotlinectl backup restore FOLDER",
                    WithConfig()),
             StrCat("首次启动时自动建立；恢复备份用 hotlinectl backup restore 目录", WithConfig())});
        continue;
      }
      if (!S_ISDIR(info.st_mode)) {
        Add(Verdict::kFailed, data, {"is not a folder", "不是目录"},
            {StrCat("correct ", program.name, ".data_dir"), StrCat("请改正 ", program.name, ".data_dir")});
        continue;
      }
      bool stores = false;
      const std::string stranger = StrangerIn(*folder, &stores);
      const bool ours = stranger.empty();
      if (!ours && !stores) {
        AddNotOurs(data, *folder, program, stranger, stores);
        continue;
      }
      const bool open = (info.st_mode & 0007) != 0;
      if (open && ours) {
        Add(Verdict::kFailed, data, {"everybody on this machine can read it", "本机所有用户均可读取"},
            {StrCat("chmod 700 ", *folder), StrCat("执行 chmod 700 ", *folder)});
      }
      const bool roots = ours && AddRoots(data, *folder);
      if (const int fault = FaultOfListing(*folder); fault != 0) {
        AddUnreadable(data, *folder, fault, kLetWrite);
        continue;
      }
      std::error_code code;
      std::vector<std::string> files;
      std::string strange;
      for (fs::directory_iterator it(*folder, code), end; !code && it != end; it.increment(code)) {
        if (it->path().extension() == ".db") files.push_back(it->path().string());
        // The root of a file system has a folder of root's in any case.
        struct stat inner;
        if (it->path().filename() != "lost+found" && lstat(it->path().c_str(), &inner) == 0 &&
            inner.st_uid != info.st_uid) {
          strange = it->path().string();
        }
      }
      std::sort(files.begin(), files.end());
      LookForStores(*folder, program);
      if (!ours && (open || !strange.empty())) {
        AddNotOurs(data, *folder, program, stranger, stores);
      } else if (!strange.empty() && !roots) {
        Add(Verdict::kFailed, data,
            {StrCat(strange, " belongs to another user than the folder"),
             StrCat(strange, " 与所在目录属主不同")},
            {StrCat("chown -R --reference=", *folder, " ", *folder),
             StrCat("执行 chown -R --reference=", *folder, " ", *folder)});
      }
      for (const std::string& file : files) {
        if (access(file.c_str(), R_OK) != 0) {
          AddUnreadable({StrCat("store ", file), StrCat("数据库 ", file)}, file, errno, kLetWrite);
          continue;
        }
        const bool open_elsewhere = IsOpenElsewhere(file);
        const bool still = !open_elsewhere && !fs::exists(file + "-wal", code);
        const Words store = {StrCat("store ", file), StrCat("数据库 ", file)};
        if (!open_elsewhere && RunsHere(program) && access((file + ".lock").c_str(), R_OK) == 0) {
          AddGone(store, program);
        }
        if (open_elsewhere && !running_.contains(program.name) && !own_tls_fails_) {
          Add(Verdict::kLook, store,
              {StrCat("a process has it open, though no ", program.name, " serves at its address"),
               StrCat("正被某进程使用，而", program.name, "未在其地址提供服务")},
              {StrCat("fuser -v ", file, ".lock names it; a second ", program.unit,
                      " cannot start beside it: end it if it is none of this site's"),
               StrCat("用 fuser -v ", file, ".lock 查看该进程；它在运行时 ", program.unit,
                      " 无法启动：若不是本平台的进程，请将其结束")});
        }
        if (const std::string hotline = backup::HotlineOfStore(file, still);
            !hotline.empty() && hotline != site_.hotline()) {
          Add(Verdict::kFailed, store,
              {StrCat("belongs to hotline ", hotline, ", the configuration to ", site_.hotline()),
               StrCat("属于热线", hotline, "，而配置属于", site_.hotline())},
              {StrCat("correct `hotline` or ", program.name, ".data_dir in ", config_,
                      "; leave the store as it is"),
               StrCat("请改正 ", config_, " 中的 hotline 或 ", program.name, ".data_dir，不要改动该数据库")});
        }
        for (const backup::Check& check : backup::VerifyStore(file, still, deep)) {
          const Words what = {StrCat(check.what.english, ", ", file), StrCat(check.what.chinese, "，", file)};
          if (check.ok) {
            Add(Verdict::kOk, what, check.why);
          } else if (const StoreFault fault = FaultOf(file, check); fault != StoreFault::kDamaged) {
            Add(Verdict::kFailed, what,
                {StrCat("not looked at: ", check.why.english), StrCat("未能检查：", check.why.chinese)},
                AdviceForUnread(fault));
          } else {
            Add(Verdict::kFailed, what, check.why, AdviceForStore(file, check));
          }
        }
      }
    }
  }

  void LookAtLogs() {
    for (const std::string& file : logs_) AddRoots({StrCat("log ", file), StrCat("日志 ", file)}, file);
  }

  void LookAtDisk() {
    std::set<std::string> folders;
    for (const std::string& folder :
         {site_.work_order().data_dir(), site_.escalation().data_dir(), site_.backup().directory(),
          fs::path(site_.log().file()).parent_path().string()}) {
      if (!folder.empty()) folders.insert(folder);
    }
    for (const std::string& folder : folders) {
      struct statvfs disk;
      if (statvfs(folder.c_str(), &disk) != 0) continue;
      const int64_t free = static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
      const int64_t all = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
      const int64_t percent = all == 0 ? 0 : free * 100 / all;
      const Words what = {StrCat("disk of ", folder), StrCat("磁盘 ", folder)};
      if ((disk.f_flag & ST_RDONLY) != 0) {
        Add(Verdict::kFailed, what, {"is mounted read-only", "以只读方式挂载"},
            {StrCat("see why (dmesg: a disk that fails is made read-only), mend it, mount -o remount,rw its "
                    "mount point (findmnt -T ",
                    folder, "), start the services"),
             StrCat("查看原因（dmesg：磁盘出错时会被改为只读），修复后对其挂载点（findmnt -T ", folder,
                    "）执行 mount -o remount,rw，再启动各服务")});
        continue;
      }
      const Words found = {StrCat(free >> 20, " MiB free, ", percent, " %"),
                           StrCat("剩余", free >> 20, "MiB，占", percent, "%")};
      const Words advice = {"make room: old backups, rotated logs; a full disk refuses new orders",
                            "请清理空间（旧备份、已轮转的日志）：磁盘写满后将无法受理新工单"};
      if (free < kDiskLow) {
        Add(Verdict::kFailed, what, found, advice);
      } else if (percent < kDiskLowPercent) {
        Add(Verdict::kLook, what, found, advice);
      } else {
        Add(Verdict::kOk, what, found);
      }
    }
  }

  void LookAtBackups() {
    const Words what = {"backups", "备份"};
    const std::string& directory = site_.backup().directory();
    if (directory.empty()) {
      return Add(Verdict::kLook, what, {"no backup.directory is configured", "未配置 backup.directory"},
                 {StrCat("configure one, and let a timer run `hotlinectl backup create", WithConfig(),
                         "` every night"),
                  StrCat("请配置备份目录，并定时每晚执行 hotlinectl backup create", WithConfig())});
    }
    if (const int fault = FaultOfListing(directory); fault != 0 && fault != ENOENT) {
      return AddUnreadable(what, directory, fault, kLetWrite);
    }
    std::vector<backup::Stored> stored = backup::ListStored(directory, site_.hotline(), session_.now);
    // Nobody knows when it was made, so it is not the last.
    if (const auto ahead = std::find_if(stored.begin(), stored.end(),
                                        [&](const backup::Stored& one) { return one.IsAhead(session_.now); });
        ahead != stored.end()) {
      const std::string when = absl::FormatTime("%Y-%m-%d %H:%M", ahead->end_time(), Beijing());
      Add(Verdict::kLook, what,
          {StrCat(ahead->folder, " is dated ", when, ", which is to come: the clock was ahead, or is behind"),
           StrCat(ahead->folder, " 的时间为", when, "，晚于现在：时钟曾偏快，或现在偏慢")},
          {StrCat("compare the clock (`timedatectl`), then hotlinectl backup create", WithConfig(),
                  "; it counts as the oldest and goes first"),
           StrCat("请核对本机时钟（timedatectl），再执行 hotlinectl backup create", WithConfig(),
                  "；该备份按最旧的处理，最先清理")});
      stored.erase(ahead, stored.end());
    }
    if (stored.empty()) {
      return Add(Verdict::kLook, what, {"there is none", "尚无备份"},
                 {StrCat("hotlinectl backup create", WithConfig(), "; copy it to another machine"),
                  StrCat("执行 hotlinectl backup create", WithConfig(), "，并复制到其他机器")});
    }
    // What lacks the part of a service brings no site back.
    // A service that has its stores on another machine is backed up there.
    std::error_code code;
    std::vector<std::string_view> wanted;
    if (fs::exists(site_.work_order().data_dir(), code)) wanted.push_back("work_order");
    if (fs::exists(site_.escalation().data_dir(), code)) wanted.push_back("escalation");
    const auto lacks = [&](const backup::Stored& one) {
      const auto lacking = std::find_if(wanted.begin(), wanted.end(),
                                        [&](std::string_view service) { return !one.Has(service); });
      return lacking == wanted.end() ? std::string_view() : *lacking;
    };
    const auto last = std::find_if(stored.begin(), stored.end(),
                                   [&](const backup::Stored& one) { return lacks(one).empty(); });
    if (last == stored.end()) {
      const std::string_view lacking = lacks(stored.front());
      return Add(
          Verdict::kFailed, what,
          {StrCat("none is whole: the last, ", stored.front().folder, ", has no part of ", lacking),
           StrCat("没有完整的备份：最近的 ", stored.front().folder, " 缺少", lacking, "部分")},
          {StrCat("hotlinectl backup create", WithConfig(),
                  " while both services run (where they have disks of their own, their parts lie apart)"),
           StrCat("请在两个服务都运行时执行 hotlinectl backup create", WithConfig(),
                  "（若两者各用自己的磁盘，则各部分分开存放）")});
    }
    const absl::Time made = last->end_time();
    const std::string when = absl::FormatTime("%Y-%m-%d %H:%M", made, Beijing());
    const Words found = {StrCat("the last whole one is ", last->folder, " of ", when),
                         StrCat("最近一次完整备份为 ", last->folder, "（", when, "）")};
    if (made < session_.now - kBackupOld) {
      return Add(Verdict::kLook, what, found,
                 {StrCat("older than 26 hours: look at the timer that should run `hotlinectl backup create",
                         WithConfig(), "`"),
                  StrCat("已超过26小时：请检查定时备份任务（hotlinectl backup create", WithConfig(), "）")});
    }
    Add(Verdict::kOk, what, found);
  }

  Session& session_;
  const std::string config_;
  config::v1::SiteConfig site_;
  std::vector<Finding> findings_;
  std::set<std::string, std::less<>> running_;
  std::set<std::string> logs_;  // each program's own
  // Certificates, authorities and keys with which nobody can ask; a key that is open to everybody is none.
  std::set<std::string> unusable_;
  bool own_tls_fails_ = false;  // one of those is what doctor asks with
  Arguments own_arguments_;
  std::unique_ptr<Client> own_client_;
};

std::string_view VerdictName(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kLook ? "look" : "failed";
}

}  // namespace

int Doctor(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  Examination examination(
      session, session.arguments.Has("config") ? session.arguments.Text("config") : kDefaultConfig);
  const std::vector<Finding> findings = examination.Run();
  const auto words = [&](const Words& both) {
    return language == Language::kChinese ? both.chinese : both.english;
  };
  Table table({{.heading = std::string(Say(language, say::kColVerdict))},
               {.heading = std::string(Say(language, say::kColCheck))},
               {.heading = std::string(Say(language, say::kColFound))},
               {.heading = std::string(Say(language, say::kColToDo))}});
  Verdict worst = Verdict::kOk;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.verdict);
    if (console.json()) {
      const auto both = [](std::string_view name, const Words& text) {
        return StrCat(",\"", name, "\":", JsonString(text.english), ",\"", name,
                      "Zh\":", JsonString(text.chinese));
      };
      console.OutLine(StrCat("{\"verdict\":\"", VerdictName(finding.verdict), "\"",
                             both("what", finding.what), both("found", finding.found),
                             both("advice", finding.advice), "}"));
      continue;
    }
    const Phrase& word = finding.verdict == Verdict::kOk     ? say::kVerdictOk
                         : finding.verdict == Verdict::kLook ? say::kVerdictLook
                                                             : say::kVerdictFailed;
    const Colour colour = finding.verdict == Verdict::kOk     ? Colour::kGreen
                          : finding.verdict == Verdict::kLook ? Colour::kYellow
                                                              : Colour::kRed;
    table.AddRow({Cell(Say(language, word), colour), Cell(words(finding.what)), Cell(words(finding.found)),
                  Cell(words(finding.advice))});
  }
  if (!console.json()) {
    console.Out(table.Render(console.style()));
    const Phrase& said = worst == Verdict::kOk     ? say::kDoctorGood
                         : worst == Verdict::kLook ? say::kDoctorWarns
                                                   : say::kDoctorFails;
    console.OutLine(Say(language, said));
  }
  return worst == Verdict::kFailed ? kExitVerifyFailed : kExitOk;
}

}  // namespace hotline::hotlinectl
