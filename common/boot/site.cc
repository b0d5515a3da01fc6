// The rules of a site's configuration beyond its form.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/boot/catalogue_file.h"
#include "common/boot/certificates.h"
#include "common/boot/config.h"
#include "common/rpc/access.h"
#include "common/rpc/address.h"

namespace hotline::boot {
namespace {

using config::v1::ListenConfig;
using config::v1::SiteConfig;

constexpr int kMaxKeys = 16;
// Between attempts of a webhook, unless it says otherwise.
constexpr int kBackoffMinMs = 1000;
constexpr int kBackoffMaxMs = 600'000;
constexpr int kMaxNeedingAccounts = 1000;
constexpr int kMaxNeedingRoles = 16;

// Collects problems under paths.
class Checker {
 public:
  template <typename... Args>
  void Add(std::string path, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back(
        {.path = std::move(path), .message = fmt::format(format, std::forward<Args>(args)...)});
  }

  void Required(std::string path, std::string_view value) {
    if (value.empty()) Add(std::move(path), "is required");
  }

  // 0, where it stands for a default, or within the bounds.
  void Range(std::string path, int64_t value, int64_t min, int64_t max, bool zero_is_default = true) {
    if ((value == 0 && zero_is_default) || (value >= min && value <= max)) return;
    Add(std::move(path), "must be from {} to {}, not {}", min, max, value);
  }

  void Text(std::string path, std::string_view value, int64_t max_code_points) {
    if (CountCodePoints(value).value_or(max_code_points + 1) > max_code_points) {
      Add(std::move(path), "has more than {} characters", max_code_points);
    }
  }

  void Hotline(std::string path, std::string_view code) {
    if (code.empty()) {
      Add(std::move(path), "is required");
    } else if (code.size() > 16 || !std::all_of(code.begin(), code.end(), [](char c) {
                 return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
               })) {
      Add(std::move(path), "must be 1 to 16 letters or digits");
    }
  }

  // What a reader may do about plain text beyond loopback.
  static constexpr std::string_view kPlainGrpc =
      "{} is not on loopback and would be plain text: configure tls, or start with --insecure-listen";
  static constexpr std::string_view kPlainMetrics =
      "{} is not on loopback, and metrics are plain text whatever tls says: keep them on loopback, or start "
      "with "
      "--insecure-metrics on a network where everybody may read them";

  // `any_port`: port 0 takes a free one.
  std::optional<rpc::Address> HostPort(std::string path, std::string_view text, bool any_port,
                                       bool plain_text, std::string_view advice = kPlainGrpc) {
    std::optional<rpc::Address> address = rpc::ParseAddress(text);
    if (!address.has_value() || (address->port == 0 && !any_port)) {
      Add(std::move(path), "\"{}\" is not host:port", text);
      return std::nullopt;
    }
    if (plain_text && !rpc::IsLoopback(address->host)) {
      Add(std::move(path), fmt::runtime(advice), text);
    }
    return address;
  }

  std::vector<Problem> Take() { return std::move(problems_); }

 private:
  std::vector<Problem> problems_;
};

// Nothing if `text` is no time of RFC 3339.
std::optional<absl::Time> ParseTime(std::string_view text) {
  absl::Time time;
  // The parser also knows words, which the standard does not.
  const bool digit = !text.empty() && text.front() >= '0' && text.front() <= '9';
  if (!digit || !absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, nullptr)) return std::nullopt;
  return time;
}

// `text`, which was checked, or what its absence means.
absl::Time TimeOr(std::string_view text, absl::Time fallback) { return ParseTime(text).value_or(fallback); }

void CheckKeyId(const std::string& path, const std::string& key_id, std::set<std::string_view>* taken,
                Checker* check) {
  if (key_id.empty()) {
    check->Add(path, "is required");
  } else if (!crypto::IsKeyId(key_id)) {
    check->Add(path, "must be 1 to 64 of A-Z a-z 0-9 . _ -");
  } else if (!taken->insert(key_id).second) {
    check->Add(path, "{} is there twice", key_id);
  }
}

void CheckTime(std::string path, const std::string& text, Checker* check) {
  if (text.empty() || ParseTime(text).has_value()) return;
  check->Add(std::move(path), "\"{}\" is not a time like 2026-12-01T00:00:00+08:00", text);
}

void CheckPublicKeys(const std::string& path,
                     const google::protobuf::RepeatedPtrField<config::v1::PublicKey>& keys,
                     std::set<std::string_view>* taken, Checker* check) {
  if (keys.size() > kMaxKeys) check->Add(path, "has more than {} entries", kMaxKeys);
  for (int i = 0; i < keys.size(); ++i) {
    const config::v1::PublicKey& key = keys[i];
    const std::string item = fmt::format("{}[{}]", path, i);
    CheckKeyId(item + ".key_id", key.key_id(), taken, check);
    check->Required(item + ".file", key.file());
    CheckTime(item + ".not_before_time", key.not_before_time(), check);
    CheckTime(item + ".not_after_time", key.not_after_time(), check);
    if (TimeOr(key.not_before_time(), absl::InfinitePast()) >=
        TimeOr(key.not_after_time(), absl::InfiniteFuture())) {
      check->Add(item + ".not_after_time", "must be after not_before_time");
    }
  }
}

void CheckSigning(const config::v1::SigningConfig& signing, Checker* check) {
  if (signing.keys().empty()) check->Add("signing.keys", "is required");
  if (signing.keys_size() > kMaxKeys) check->Add("signing.keys", "has more than {} entries", kMaxKeys);
  std::set<std::string_view> ids;
  std::map<absl::Time, int> starts;
  for (int i = 0; i < signing.keys_size(); ++i) {
    const config::v1::SigningKey& key = signing.keys(i);
    const std::string item = fmt::format("signing.keys[{}]", i);
    CheckKeyId(item + ".key_id", key.key_id(), &ids, check);
    check->Required(item + ".private_key_file", key.private_key_file());
    CheckTime(item + ".not_before_time", key.not_before_time(), check);
    const auto [it, fresh] = starts.try_emplace(TimeOr(key.not_before_time(), absl::InfinitePast()), i);
    if (!fresh) check->Add(item + ".not_before_time", "is that of signing.keys[{}] too", it->second);
  }
  CheckPublicKeys("signing.retired_keys", signing.retired_keys(), &ids, check);
}

// One spelling of a folder's path: `./x//out/` is `x/out`.
std::string Normal(const std::string& folder) {
  std::filesystem::path named = std::filesystem::path(folder).lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  return named.string();
}

bool IsWithin(const std::string& folder, const std::string& other) {
  return (Normal(folder) + "/").starts_with(Normal(other) + "/");
}

// Folders of what this site keeps, each under the field that names it.
std::vector<std::pair<std::string, std::string>> OwnFolders(const SiteConfig& site) {
  const auto folder_of = [](const std::string& file) {
    return std::filesystem::path(file).parent_path().string();
  };
  std::vector<std::pair<std::string, std::string>> folders = {
      {"work_order.data_dir", site.work_order().data_dir()},
      {"escalation.data_dir", site.escalation().data_dir()},
      {"dispatch.catalogue_dir", site.dispatch().catalogue_dir()},
      {"backup.directory", site.backup().directory()},
      {"log.file", folder_of(site.log().file())},
      {"tls.key_file", folder_of(site.tls().key_file())}};
  for (const config::v1::SigningKey& key : site.signing().keys()) {
    folders.emplace_back("signing.keys", folder_of(key.private_key_file()));
  }
  std::erase_if(folders, [](const auto& entry) { return entry.second.empty(); });
  return folders;
}

void CheckSpool(const std::string& path, const config::v1::PeerConfig& peer, const SiteConfig& site,
                std::map<std::string, std::string>* directories, Checker* check) {
  const config::v1::SpoolConfig& spool = peer.spool();
  if (!peer.address().empty()) check->Add(path + ".spool", "excludes address: a peer is reached one way");
  if (!site.has_signing()) check->Add(path + ".spool", "needs signing: bundles are signed");
  if (peer.public_keys().empty()) {
    check->Add(path + ".spool", "needs public_keys: bundles are taken only with the peer's signature");
  }
  for (const auto& [field, directory] : {std::pair(".spool.out_directory", &spool.out_directory()),
                                         std::pair(".spool.in_directory", &spool.in_directory())}) {
    check->Required(path + field, *directory);
    if (directory->empty()) continue;
    const auto [it, fresh] = directories->try_emplace(Normal(*directory), path + field);
    if (!fresh) check->Add(path + field, "{} is taken by {}", *directory, it->second);
    // What lies in a spool is carried to another network, or put aside if it is no bundle.
    for (const auto& [owner, folder] : OwnFolders(site)) {
      if (IsWithin(folder, *directory)) {
        check->Add(path + field, "{} holds the folder of {}: a spool needs one of its own", *directory,
                   owner);
      }
    }
  }
  if (!spool.in_directory().empty()) {
    // Of what is put aside there only the latest is kept.
    const auto [it, fresh] =
        directories->try_emplace(Normal(spool.in_directory() + "/rejected"), path + ".spool.in_directory");
    if (!fresh) {
      check->Add(path + ".spool.in_directory", "{}/rejected is taken by {}", spool.in_directory(),
                 it->second);
    }
  }
  check->Range(path + ".spool.max_bundle_bytes", spool.max_bundle_bytes(), 5 << 20, 64 << 20);
  const int64_t bundle = spool.max_bundle_bytes() == 0 ? 8 << 20 : spool.max_bundle_bytes();
  check->Range(path + ".spool.quota_bytes", spool.quota_bytes(), 4 * bundle, int64_t{1} << 40);
  check->Range(path + ".spool.scan_interval_ms", spool.scan_interval_ms(), 10, 3'600'000);
  check->Range(path + ".spool.resend_after_s", spool.resend_after_s(), 1, 2'592'000);
}

// What the HTTP server of metrics can listen on.
bool IsForMetrics(const std::string& host) {
  in_addr v4;
  return host == "localhost" || inet_pton(AF_INET, host.c_str(), &v4) == 1;
}

// Whether one process that listens at `one` leaves no place for another at `other`.
bool Overlap(const rpc::Address& one, const rpc::Address& other) {
  if (one.port != other.port) return false;
  const auto everywhere = [](const std::string& host) { return host == "0.0.0.0" || host == "::"; };
  const auto localhost = [](const std::string& host, const std::string& name) {
    return name == "localhost" && (host == "127.0.0.1" || host == "::1");
  };
  return one.host == other.host || everywhere(one.host) || everywhere(other.host) ||
         localhost(one.host, other.host) || localhost(other.host, one.host);
}

void CheckListen(const std::string& path, const ListenConfig& listen, const SiteConfig& site,
                 const CheckOptions& options, std::map<std::string, std::string>* taken, Checker* check) {
  const auto take = [&](const std::string& field, const std::string& address, bool plain_text,
                        std::string_view advice) {
    std::optional<rpc::Address> parsed =
        check->HostPort(field, address, /*any_port=*/true, plain_text, advice);
    if (!parsed.has_value() || parsed->port == 0) return parsed;
    for (const auto& [other, owner] : *taken) {
      const std::optional<rpc::Address> its = rpc::ParseAddress(other);
      if (!its.has_value() || !Overlap(*parsed, *its)) continue;
      check->Add(field, "{} is taken by {}", address, owner);
      return parsed;
    }
    taken->emplace(address, field);
    return parsed;
  };
  if (listen.address().empty()) {
    check->Add(path + ".address", "is required");
  } else {
    take(path + ".address", listen.address(), !site.has_tls() && !options.insecure_listen,
         Checker::kPlainGrpc);
  }
  if (!listen.metrics_address().empty()) {
    const std::optional<rpc::Address> parsed =
        take(path + ".metrics_address", listen.metrics_address(),
             !options.insecure_listen && !options.insecure_metrics, Checker::kPlainMetrics);
    if (parsed.has_value() && !IsForMetrics(parsed->host)) {
      check->Add(path + ".metrics_address",
                 "{} must be `localhost` or an IPv4 address in numbers: the HTTP server of metrics knows no "
                 "names and no IPv6",
                 listen.metrics_address());
    }
  }
  check->Range(path + ".max_message_bytes", listen.max_message_bytes(), 64 << 10, 16 << 20);
  check->Range(path + ".max_deadline_ms", listen.max_deadline_ms(), 100, 600'000);
  check->Range(path + ".drain_ms", listen.drain_ms(), 1, 300'000);
  check->Range(path + ".max_streams", listen.max_streams(), 1, 1'000'000);
}

bool IsUnitCode(std::string_view code) {
  return !code.empty() && code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
  });
}

// True if every order that `later` is for has found `earlier` first.
bool Hides(const config::v1::DeadlineRule& earlier, const config::v1::DeadlineRule& later) {
  if (earlier.clock() != later.clock()) return false;
  // Whether one list of items or channels takes in another is not looked into.
  if (!earlier.items().empty() || !earlier.channels().empty()) return false;
  if (earlier.urgency() != 0 && earlier.urgency() != later.urgency()) return false;
  if (earlier.role() != 0 && earlier.role() != later.role()) return false;
  const auto& peers = earlier.peers();
  if (!peers.empty() &&
      (later.peers().empty() ||
       !std::all_of(later.peers().begin(), later.peers().end(), [&](const std::string& peer) {
         return std::find(peers.begin(), peers.end(), peer) != peers.end();
       }))) {
    return false;
  }
  if (earlier.types().empty()) return true;
  return !later.types().empty() && std::all_of(later.types().begin(), later.types().end(), [&](int type) {
    return std::find(earlier.types().begin(), earlier.types().end(), type) != earlier.types().end();
  });
}

void Default(int32_t value, int32_t fallback, void (ListenConfig::*set)(int32_t), ListenConfig* listen) {
  if (value == 0) (listen->*set)(fallback);
}

void ResolveListen(ListenConfig* listen) {
  // A peer's largest batch is 4 MiB of envelopes; framing, statement and receipt come on top.
  Default(listen->max_message_bytes(), 5 << 20, &ListenConfig::set_max_message_bytes, listen);
  Default(listen->max_deadline_ms(), 30'000, &ListenConfig::set_max_deadline_ms, listen);
  Default(listen->drain_ms(), 10'000, &ListenConfig::set_drain_ms, listen);
  Default(listen->max_streams(), 4096, &ListenConfig::set_max_streams, listen);
}

void CheckUrgencySeconds(const std::string& path, const config::v1::UrgencySeconds& seconds, Checker* check) {
  constexpr int64_t kMonth = 30 * 24 * 3600;
  check->Range(path + ".normal", seconds.normal(), 1, kMonth);
  check->Range(path + ".urgent", seconds.urgent(), 1, kMonth);
  check->Range(path + ".emergency", seconds.emergency(), 1, kMonth);
}

// `HH:MM`.
bool IsTimeOfDay(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  return text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4) &&
         text.substr(0, 2) < "24" && text.substr(3) < "60";
}

// `host`, `host:port`, `[v6]` or `[v6]:port`.
bool IsAuthority(std::string_view text) {
  const bool named = text.front() == '[' ? text.find("]:") != std::string_view::npos
                                         : text.find(':') != std::string_view::npos;
  const std::optional<rpc::Address> address =
      rpc::ParseAddress(named ? std::string(text) : StrCat(text, ":443"));
  return address.has_value() && address->port != 0;
}

void CheckWebhook(const std::string& path, const config::v1::WebhookConfig& webhook,
                  std::set<std::string_view>* names, Checker* check) {
  const std::string& name = webhook.name();
  const bool good = !name.empty() && name.size() <= 32 && name != "desktop" &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             c == '_' || c == '-';
                    });
  if (!good) {
    check->Add(path + ".name", "must be 1 to 32 of A-Z a-z 0-9 _ -, and not desktop");
  } else if (!names->insert(name).second) {
    check->Add(path + ".name", "{} is there twice", name);
  }
  std::string_view url = webhook.url();
  const bool http = url.starts_with("http://");
  if (!http && !url.starts_with("https://")) {
    check->Add(path + ".url", "must begin with https://");
  } else {
    if (http && !webhook.insecure_allow_http()) {
      check->Add(path + ".url", "is plain http: use https, or say insecure_allow_http: true");
    }
    url.remove_prefix(url.find("//") + 2);
    const std::string_view host = url.substr(0, url.find_first_of("/?#"));
    if (host.empty() || url.find_first_of(" \"<>\\") != std::string_view::npos) {
      check->Add(path + ".url", "has no host, or characters that a URL may not have");
    } else if (host.find('@') == std::string_view::npos && !IsAuthority(host)) {
      check->Add(path + ".url", "\"{}\" is not a host, perhaps with a port from 1 to 65535", host);
    }
    // Would be in what is shown of the configuration; a gateway that wants them takes the signature instead.
    if (host.find('@') != std::string_view::npos) check->Add(path + ".url", "must not hold a user name");
  }
  if (webhook.secrets().empty()) check->Add(path + ".secrets", "is required");
  if (webhook.secrets_size() > 4) check->Add(path + ".secrets", "has more than 4 entries");
  std::set<std::string_view> ids;
  for (int i = 0; i < webhook.secrets_size(); ++i) {
    const std::string item = fmt::format("{}.secrets[{}]", path, i);
    CheckKeyId(item + ".key_id", webhook.secrets(i).key_id(), &ids, check);
    check->Required(item + ".file", webhook.secrets(i).file());
  }
  check->Range(path + ".timeout_ms", webhook.timeout_ms(), 100, 120'000);
  check->Range(path + ".max_attempts", webhook.max_attempts(), 1, 100);
  check->Range(path + ".backoff_min_ms", webhook.backoff_min_ms(), 10, 3'600'000);
  check->Range(path + ".backoff_max_ms", webhook.backoff_max_ms(), 10, 86'400'000);
  const int min = webhook.backoff_min_ms() == 0 ? kBackoffMinMs : webhook.backoff_min_ms();
  const int max = webhook.backoff_max_ms() == 0 ? kBackoffMaxMs : webhook.backoff_max_ms();
  if (min > max) {
    check->Add(path + ".backoff_max_ms", "must not be less than backoff_min_ms ({} < {})", max, min);
  }
  check->Range(path + ".concurrency", webhook.concurrency(), 1, 64);
}

void CheckNotify(const config::v1::NotifyConfig& notify, Checker* check) {
  const std::string path = "escalation.notify";
  for (const auto& [field, text] :
       {std::pair(".quiet_from", &notify.quiet_from()), std::pair(".quiet_until", &notify.quiet_until())}) {
    if (!text->empty() && !IsTimeOfDay(*text))
      check->Add(path + field, "\"{}\" is not a time like 22:00", *text);
  }
  if (notify.quiet_from().empty() != notify.quiet_until().empty()) {
    check->Add(path + ".quiet_until", "goes with quiet_from: both or neither");
  }
  check->Range(path + ".group_window_s.normal", notify.group_window_s().normal(), 1, 3600);
  check->Range(path + ".group_window_s.urgent", notify.group_window_s().urgent(), 1, 3600);
  if (notify.group_window_s().emergency() != 0) {
    check->Add(path + ".group_window_s.emergency", "an emergency never waits: leave it out");
  }
  CheckUrgencySeconds(path + ".repeat_after_s", notify.repeat_after_s(), check);
  CheckUrgencySeconds(path + ".acknowledged_for_s", notify.acknowledged_for_s(), check);
  check->Range(path + ".rounds", notify.rounds(), 1, 100);
  check->Range(path + ".queue_limit", notify.queue_limit(), 1, 1'000'000);
  if (notify.webhooks_size() > 16) check->Add(path + ".webhooks", "has more than 16 entries");
  std::set<std::string_view> names;
  for (int i = 0; i < notify.webhooks_size(); ++i) {
    CheckWebhook(fmt::format("{}.webhooks[{}]", path, i), notify.webhooks(i), &names, check);
  }
}

void ResolveUrgencySeconds(const config::v1::UrgencySeconds& standard, config::v1::UrgencySeconds* seconds) {
  if (seconds->normal() == 0) seconds->set_normal(standard.normal());
  if (seconds->urgent() == 0) seconds->set_urgent(standard.urgent());
  if (seconds->emergency() == 0) seconds->set_emergency(standard.emergency());
}

void ResolveNotify(config::v1::NotifyConfig* notify) {
  if (notify->quiet_from().empty()) {
    notify->set_quiet_from("22:00");
    notify->set_quiet_until("08:00");
  }
  const auto seconds = [](int32_t normal, int32_t urgent, int32_t emergency) {
    config::v1::UrgencySeconds standard;
    standard.set_normal(normal);
    standard.set_urgent(urgent);
    standard.set_emergency(emergency);
    return standard;
  };
  ResolveUrgencySeconds(seconds(30, 2, 0), notify->mutable_group_window_s());
  ResolveUrgencySeconds(seconds(14'400, 1800, 300), notify->mutable_repeat_after_s());
  ResolveUrgencySeconds(seconds(86'400, 7200, 1800), notify->mutable_acknowledged_for_s());
  if (notify->rounds() == 0) notify->set_rounds(3);
  if (notify->queue_limit() == 0) notify->set_queue_limit(10'000);
  for (config::v1::WebhookConfig& webhook : *notify->mutable_webhooks()) {
    if (webhook.timeout_ms() == 0) webhook.set_timeout_ms(10'000);
    if (webhook.max_attempts() == 0) webhook.set_max_attempts(12);
    if (webhook.backoff_min_ms() == 0) webhook.set_backoff_min_ms(kBackoffMinMs);
    if (webhook.backoff_max_ms() == 0) webhook.set_backoff_max_ms(kBackoffMaxMs);
    if (webhook.concurrency() == 0) webhook.set_concurrency(4);
  }
}

// Where `path`, or what it should have been in, was written.
Position Locate(const Positions& positions, std::string_view path) {
  while (true) {
    if (const auto it = positions.find(path); it != positions.end()) return it->second;
    const size_t cut = path.find_last_of(".[");
    if (cut == std::string_view::npos) break;
    path = path.substr(0, cut);
  }
  const auto root = positions.find("");
  return root == positions.end() ? Position{.line = 1, .column = 1} : root->second;
}

absl::Status Report(const std::string& file, const Positions& positions,
                    const std::vector<Problem>& problems) {
  if (problems.empty()) return absl::OkStatus();
  std::string text;
  for (const Problem& problem : problems) {
    const Position at = Locate(positions, problem.path);
    fmt::format_to(std::back_inserter(text), "{}{}:{}:{}: {}: {}", text.empty() ? "" : "\n", file, at.line,
                   at.column, problem.path, problem.message);
  }
  return absl::InvalidArgumentError(text);
}

// Reads `file` into `*message`, which stays empty if anything is wrong with it.
template <typename Message>
absl::Status LoadChecked(const std::string& file, std::vector<Problem> (*check)(const Message&),
                         Message* message) {
  Message read;
  Positions positions;
  if (absl::Status status = LoadYaml(file, &read, &positions); !status.ok()) return status;
  if (absl::Status status = Report(file, positions, check(read)); !status.ok()) return status;
  *message = std::move(read);
  return absl::OkStatus();
}

void Replace(std::string_view what, std::string_view with, std::string* text) {
  for (size_t at = text->find(what); at != std::string::npos; at = text->find(what, at + with.size())) {
    text->replace(at, what.size(), with);
  }
}

void ResolvePaths(const std::filesystem::path& folder, const std::string& role, SiteConfig* site) {
  const auto resolve = [&](std::string* path) {
    if (!path->empty()) *path = (folder / *path).lexically_normal().string();
  };
  if (!site->units_file().empty()) resolve(site->mutable_units_file());
  if (site->has_tls()) {
    for (std::string* path :
         {site->mutable_tls()->mutable_certificate_file(), site->mutable_tls()->mutable_key_file(),
          site->mutable_tls()->mutable_ca_file()}) {
      Replace("{role}", role, path);
      resolve(path);
    }
  }
  for (config::v1::PeerConfig& peer : *site->mutable_peers()) {
    for (config::v1::PublicKey& key : *peer.mutable_public_keys()) resolve(key.mutable_file());
    if (!peer.has_spool()) continue;
    resolve(peer.mutable_spool()->mutable_out_directory());
    resolve(peer.mutable_spool()->mutable_in_directory());
  }
  if (site->has_signing()) {
    for (config::v1::SigningKey& key : *site->mutable_signing()->mutable_keys()) {
      resolve(key.mutable_private_key_file());
    }
    for (config::v1::PublicKey& key : *site->mutable_signing()->mutable_retired_keys()) {
      resolve(key.mutable_file());
    }
  }
  if (site->has_work_order()) {
    resolve(site->mutable_work_order()->mutable_data_dir());
    resolve(site->mutable_work_order()->mutable_caller_key_file());
  }
  if (site->has_dispatch()) resolve(site->mutable_dispatch()->mutable_catalogue_dir());
  if (site->has_escalation()) {
    resolve(site->mutable_escalation()->mutable_data_dir());
    resolve(site->mutable_escalation()->mutable_policy_file());
    resolve(site->mutable_escalation()->mutable_calendars_file());
    for (config::v1::WebhookConfig& webhook :
         *site->mutable_escalation()->mutable_notify()->mutable_webhooks()) {
      resolve(webhook.mutable_ca_file());
      for (config::v1::WebhookSecret& secret : *webhook.mutable_secrets()) resolve(secret.mutable_file());
    }
  }
  if (site->has_log()) {
    Replace("{role}", role, site->mutable_log()->mutable_file());
    resolve(site->mutable_log()->mutable_file());
  }
  if (site->has_backup()) resolve(site->mutable_backup()->mutable_directory());
}

// The public keys of one party, from files.
void LoadPublicKeys(const std::string& path, const std::string& party,
                    const google::protobuf::RepeatedPtrField<config::v1::PublicKey>& keys, Checker* check,
                    crypto::KeyRing* ring) {
  for (int i = 0; i < keys.size(); ++i) {
    const config::v1::PublicKey& key = keys[i];
    absl::StatusOr<crypto::PublicKey> loaded = crypto::PublicKey::Load(key.file());
    absl::Status status = loaded.status();
    if (status.ok()) {
      status = ring->Add(party, key.key_id(), *std::move(loaded),
                         TimeOr(key.not_before_time(), absl::InfinitePast()),
                         TimeOr(key.not_after_time(), absl::InfiniteFuture()));
    }
    if (!status.ok()) check->Add(fmt::format("{}[{}].file", path, i), "{}", ToStd(status.message()));
  }
}

// All keys that `loaded->site` names.
std::vector<Problem> LoadKeys(LoadedSite* loaded) {
  Checker check;
  const SiteConfig& site = loaded->site;
  for (int i = 0; i < site.signing().keys_size(); ++i) {
    const config::v1::SigningKey& key = site.signing().keys(i);
    absl::StatusOr<crypto::Signer> signer = crypto::Signer::Load(key.key_id(), key.private_key_file());
    absl::Status status = signer.status();
    if (status.ok()) {
      // Valid from ever: peers decide for how long they trust it.
      status = loaded->keys.Add(site.hotline(), key.key_id(), signer->public_key());
    }
    if (status.ok()) {
      status = loaded->signing.Add(*std::move(signer), TimeOr(key.not_before_time(), absl::InfinitePast()));
    }
    if (!status.ok()) {
      check.Add(fmt::format("signing.keys[{}].private_key_file", i), "{}", ToStd(status.message()));
    }
  }
  LoadPublicKeys("signing.retired_keys", site.hotline(), site.signing().retired_keys(), &check,
                 &loaded->keys);
  for (int i = 0; i < site.peers_size(); ++i) {
    LoadPublicKeys(fmt::format("peers[{}].public_keys", i), site.peers(i).hotline(),
                   site.peers(i).public_keys(), &check, &loaded->keys);
  }
  return check.Take();
}

// Why the secret in `file` cannot be used; empty if it is in `*secret`.
std::string LoadSecret(const std::string& file, std::string* secret) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fmt::format("{}: cannot read it: {}", file, strerror(errno));
  // Asked of what was opened, so that nobody can change it in between.
  struct stat info = {};
  std::string fault;
  std::string text(2048, '\0');
  ssize_t size = 0;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    fault = "is not a file";
  } else if ((info.st_mode & S_IRWXO) != 0) {
    fault = "a secret must not be open to everybody: chmod o= it";
  } else if (size = read(fd, text.data(), text.size()); size < 0) {
    fault = fmt::format("cannot read it: {}", strerror(errno));
  }
  close(fd);
  if (!fault.empty()) return fmt::format("{}: {}", file, fault);
  text.resize(static_cast<size_t>(size));
  if (text.ends_with('\n')) text.pop_back();
  if (text.size() < 16 || text.size() > 1024) return fmt::format("{}: must hold 16 to 1,024 bytes", file);
  *secret = std::move(text);
  return "";
}

// The secrets of all webhooks; and the authorities that they trust, which nobody would miss before the first
// message.
std::vector<Problem> LoadSecrets(LoadedSite* loaded) {
  Checker check;
  const config::v1::NotifyConfig& notify = loaded->site.escalation().notify();
  for (int w = 0; w < notify.webhooks_size(); ++w) {
    if (const std::string& file = notify.webhooks(w).ca_file(); !file.empty()) {
      if (const absl::Status status = ReadCertificates(file).status(); !status.ok()) {
        check.Add(fmt::format("escalation.notify.webhooks[{}].ca_file", w), "{}", ToStd(status.message()));
      }
    }
    auto& secrets = loaded->webhook_secrets[notify.webhooks(w).name()];
    for (int i = 0; i < notify.webhooks(w).secrets_size(); ++i) {
      const config::v1::WebhookSecret& one = notify.webhooks(w).secrets(i);
      std::string bytes;
      if (const std::string fault = LoadSecret(one.file(), &bytes); !fault.empty()) {
        check.Add(fmt::format("escalation.notify.webhooks[{}].secrets[{}].file", w, i), "{}", fault);
      }
      secrets.emplace_back(one.key_id(), std::move(bytes));
    }
  }
  return check.Take();
}

}  // namespace

std::vector<Problem> CheckSite(const SiteConfig& site, const CheckOptions& options) {
  Checker check;
  check.Hotline("hotline", site.hotline());
  check.Text("display_name", site.display_name(), 64);

  const bool plain_text = !site.has_tls() && !options.insecure_listen;
  std::set<std::string_view> peers;
  std::map<std::string, std::string> directories;
  if (site.peers_size() > 64) check.Add("peers", "has more than 64 entries");
  for (int i = 0; i < site.peers_size(); ++i) {
    const config::v1::PeerConfig& peer = site.peers(i);
    const std::string path = fmt::format("peers[{}]", i);
    check.Hotline(path + ".hotline", peer.hotline());
    if (!peer.hotline().empty()) {
      if (peer.hotline() == site.hotline())
        check.Add(path + ".hotline", "{} is this site itself", peer.hotline());
      if (!peers.insert(peer.hotline()).second)
        check.Add(path + ".hotline", "{} is there twice", peer.hotline());
    }
    if (peer.has_spool()) {
      CheckSpool(path, peer, site, &directories, &check);
    } else if (peer.address().empty()) {
      check.Add(path + ".address", "is required");
    } else {
      check.HostPort(path + ".address", peer.address(), /*any_port=*/false, plain_text);
    }
    check.Text(path + ".display_name", peer.display_name(), 64);
    std::set<std::string_view> key_ids;
    CheckPublicKeys(path + ".public_keys", peer.public_keys(), &key_ids, &check);
  }
  if (site.has_signing()) CheckSigning(site.signing(), &check);

  const config::v1::NeedToKnowConfig& need = site.need_to_know();
  if (need.accounts_size() > kMaxNeedingAccounts) {
    check.Add("need_to_know.accounts", "has more than {} entries", kMaxNeedingAccounts);
  }
  if (need.roles_size() > kMaxNeedingRoles) {
    check.Add("need_to_know.roles", "has more than {} entries", kMaxNeedingRoles);
  }
  for (int i = 0; i < need.accounts_size(); ++i) {
    const std::string path = fmt::format("need_to_know.accounts[{}]", i);
    check.Required(path, need.accounts(i));
    check.Text(path, need.accounts(i), 64);
  }
  for (int i = 0; i < need.roles_size(); ++i) {
    const std::string path = fmt::format("need_to_know.roles[{}]", i);
    check.Required(path, need.roles(i));
    // What every part of the site may call, every role that there is may call.
    const rpc::AccessPolicy policy = {.hotline = "0", .peers = {}};
    if (!need.roles(i).empty() && !rpc::CheckAccess(policy, {.hotline = "0", .role = need.roles(i)},
                                                    "hotline.workorder.v1.WorkOrderService", "")
                                       .ok()) {
      check.Add(path, "no certificate has the role \"{}\"", need.roles(i));
    }
  }

  if (site.has_tls()) {
    check.Required("tls.certificate_file", site.tls().certificate_file());
    check.Required("tls.key_file", site.tls().key_file());
    check.Required("tls.ca_file", site.tls().ca_file());
  }

  std::map<std::string, std::string> taken;
  if (site.has_work_order()) {
    const config::v1::WorkOrderConfig& part = site.work_order();
    CheckListen("work_order.listen", part.listen(), site, options, &taken, &check);
    check.Required("work_order.data_dir", part.data_dir());
    if (!part.address().empty()) {
      check.HostPort("work_order.address", part.address(), /*any_port=*/false, plain_text);
    }
    check.Range("work_order.queue_limit", part.queue_limit(), 1, 1'000'000);
    check.Range("work_order.commit_batch", part.commit_batch(), 1, 4096);
    CheckUrgencySeconds("work_order.confirm_within_s", part.confirm_within_s(), &check);
    CheckUrgencySeconds("work_order.keep_after_s", part.keep_after_s(), &check);
    check.Range("work_order.free_returns_per_unit", part.free_returns_per_unit(), 0, 100);
    check.Range("work_order.free_returns_per_order", part.free_returns_per_order(), 0, 100);
    check.Range("work_order.extensions_per_order", part.extensions_per_order(), 0, 100);
  }
  if (site.has_dispatch()) {
    const config::v1::DispatchConfig& part = site.dispatch();
    CheckListen("dispatch.listen", part.listen(), site, options, &taken, &check);
    check.Range("dispatch.queue_limit", part.queue_limit(), 1, 1'000'000);
    check.Range("dispatch.delivery_batch", part.delivery_batch(), 1, 512);
    check.Range("dispatch.backoff_min_ms", part.backoff_min_ms(), 1, 3'600'000);
    check.Range("dispatch.backoff_max_ms", part.backoff_max_ms(), 1, 3'600'000);
    const int min = part.backoff_min_ms() == 0 ? 100 : part.backoff_min_ms();
    const int max = part.backoff_max_ms() == 0 ? 10'000 : part.backoff_max_ms();
    if (min > max)
      check.Add("dispatch.backoff_max_ms", "must not be less than backoff_min_ms ({} < {})", max, min);
    check.Range("dispatch.emergency_receipt_s", part.emergency_receipt_s(), 1, 3600);
    check.Range("dispatch.catch_up_per_s", part.catch_up_per_s(), 1, 1'000'000);
    if (part.reconcile_interval_s() != -1) {
      check.Range("dispatch.reconcile_interval_s", part.reconcile_interval_s(), 60, 604'800);
    }
  }
  if (site.has_escalation()) {
    const config::v1::EscalationConfig& part = site.escalation();
    CheckListen("escalation.listen", part.listen(), site, options, &taken, &check);
    check.Required("escalation.data_dir", part.data_dir());
    check.Required("escalation.policy_file", part.policy_file());
    check.Range("escalation.rungs_per_s", part.rungs_per_s(), 1, 100'000);
    CheckNotify(part.notify(), &check);
    if (site.has_work_order() && !part.data_dir().empty() &&
        Normal(part.data_dir()) == Normal(site.work_order().data_dir())) {
      check.Add("escalation.data_dir", "must not be the folder of work_order");
    }
  }

  // Each rotates its file by what it has written itself, under the others.
  const int programs =
      (site.has_work_order() ? 1 : 0) + (site.has_dispatch() ? 1 : 0) + (site.has_escalation() ? 1 : 0);
  const std::string& log_file = site.log().file();
  if (programs > 1 && !log_file.empty() && log_file.find("{role}") == std::string::npos) {
    check.Add("log.file", "must hold {{role}}: {} programs would write and rotate one file", programs);
  }

  if (site.has_backup()) {
    const std::string& directory = site.backup().directory();
    check.Required("backup.directory", directory);
    for (const std::string* data_dir : {&site.work_order().data_dir(), &site.escalation().data_dir()}) {
      if (directory.empty() || data_dir->empty()) continue;
      if (IsWithin(directory, *data_dir)) {
        check.Add("backup.directory", "must not be within a data_dir");
      }
    }
    check.Range("backup.keep", site.backup().keep(), 0, 1000);
  }
  for (const auto& [path, days] : {std::pair("retention.content_days", site.retention().content_days()),
                                   {"retention.notification_days", site.retention().notification_days()},
                                   {"retention.log_days", site.retention().log_days()}}) {
    if (days != -1) check.Range(path, days, 180, 36'500);
  }
  check.Range("retention.hour", site.retention().hour(), 0, 23);

  if (options.role == "work_order" && !site.has_work_order()) check.Add("work_order", "is required");
  if (options.role == "dispatch" && !site.has_dispatch()) check.Add("dispatch", "is required");
  if (options.role == "escalation" && !site.has_escalation()) check.Add("escalation", "is required");
  if (options.role == "dispatch" || options.role == "escalation") {
    const std::optional<rpc::Address> listen = rpc::ParseAddress(site.work_order().listen().address());
    if (site.work_order().address().empty() && (!listen.has_value() || listen->port == 0)) {
      check.Add("work_order.address", "is required: its listen.address has no fixed port");
    }
  }
  return check.Take();
}

std::vector<Problem> CheckUnits(const config::v1::UnitList& units) {
  Checker check;
  std::set<std::string_view> codes;
  std::set<std::string_view> names;
  for (int i = 0; i < units.units_size(); ++i) {
    const config::v1::Unit& unit = units.units(i);
    const std::string path = fmt::format("units[{}]", i);
    if (!IsUnitCode(unit.code())) {
      check.Add(path + ".code", "must be 1 to 32 of a-z 0-9 _ -, not \"{}\"", unit.code());
    } else if (!codes.insert(unit.code()).second) {
      check.Add(path + ".code", "{} is there twice", unit.code());
    }
    const auto name = [&](std::string field, const std::string& text) {
      if (text.empty()) {
        check.Add(std::move(field), "is required");
      } else if (!names.insert(text).second) {
        check.Add(std::move(field), "{} is there twice", text);
      } else {
        check.Text(std::move(field), text, 64);
      }
    };
    name(path + ".display_name", unit.display_name());
    if (!unit.calendar().empty() && !IsUnitCode(unit.calendar())) {
      check.Add(path + ".calendar", "must be a calendar's code, not \"{}\"", unit.calendar());
    }
    for (int a = 0; a < unit.aliases_size(); ++a)
      name(fmt::format("{}.aliases[{}]", path, a), unit.aliases(a));
  }
  return check.Take();
}

namespace {

// Days since 1970, or nothing if `text` is no date `YYYY-MM-DD` from 1970 to 2199.
std::optional<absl::CivilDay> ParseDate(std::string_view text) {
  absl::CivilDay day;
  if (text.size() != 10 || !absl::ParseCivilTime(ToAbsl(text), &day) || day.year() < 1970 ||
      day.year() > 2199) {
    return std::nullopt;
  }
  return day;
}

// The rules of one version of a policy; `prefix` is empty or `versions[2].`.
class PolicyChecker {
 public:
  PolicyChecker(const config::v1::Policy& policy, std::string prefix, Checker* check)
      : policy_(policy), prefix_(std::move(prefix)), check_(*check) {}

  void Run() {
    check_.Required(prefix_ + "version", policy_.version());
    check_.Text(prefix_ + "version", policy_.version(), 64);
    check_.Text(prefix_ + "document", policy_.document(), 64);
    Dates(prefix_, policy_.first_date(), policy_.last_date(), /*required=*/false);
    Ladders();
    std::set<std::string_view> tags;
    for (int i = 0; i < policy_.temporary_size(); ++i) {
      const config::v1::TemporaryRules& temporary = policy_.temporary(i);
      const std::string path = fmt::format("{}temporary[{}]", prefix_, i);
      if (!IsUnitCode(temporary.tag())) {
        check_.Add(path + ".tag", "must be 1 to 32 of a-z 0-9 _ -, not \"{}\"", temporary.tag());
      } else if (!tags.insert(temporary.tag()).second) {
        check_.Add(path + ".tag", "{} is there twice", temporary.tag());
      }
      Dates(path + ".", temporary.first_date(), temporary.last_date(), /*required=*/true);
      check_.Required(path + ".document", temporary.document());
      check_.Text(path + ".document", temporary.document(), 64);
      Rules(path + ".rules", temporary.rules());
    }
    Rules(prefix_ + "rules", policy_.rules());
  }

 private:
  void Dates(const std::string& path, const std::string& first, const std::string& last, bool required) {
    for (const auto& [field, text] : {std::pair("first_date", &first), std::pair("last_date", &last)}) {
      if (text->empty() ? required : !ParseDate(*text).has_value()) {
        check_.Add(path + field, "must be a date from 1970-01-01 to 2199-12-31, not \"{}\"", *text);
      }
    }
    const auto begin = ParseDate(first);
    const auto end = ParseDate(last);
    if (begin.has_value() && end.has_value() && *end < *begin) {
      check_.Add(path + "last_date", "is before first_date");
    }
  }

  void Ladders() {
    for (int i = 0; i < policy_.ladders_size(); ++i) {
      const config::v1::Ladder& ladder = policy_.ladders(i);
      const std::string path = fmt::format("{}ladders[{}]", prefix_, i);
      if (!IsUnitCode(ladder.code())) {
        check_.Add(path + ".code", "must be 1 to 32 of a-z 0-9 _ -, not \"{}\"", ladder.code());
      } else if (!ladders_.insert(ladder.code()).second) {
        check_.Add(path + ".code", "{} is there twice", ladder.code());
      }
      int before = 0;
      int64_t length_before = 0;
      for (int s = 0; s < ladder.steps_size(); ++s) {
        const config::v1::LadderStep& step = ladder.steps(s);
        const std::string at = fmt::format("{}.steps[{}]", path, s);
        const bool higher = step.rung() >= type::v1::RUNG_SUPERVISE;
        if (step.rung() < type::v1::RUNG_REMIND || step.rung() > type::v1::RUNG_DISCIPLINE) {
          check_.Add(at + ".rung", "must be REMIND, URGE, SUPERVISE, CIRCULATE or DISCIPLINE");
        } else if (step.rung() <= before) {
          check_.Add(at + ".rung", "must come after the rung before it");
        }
        before = step.rung();
        if (higher != step.has_after()) {
          check_.Add(at + ".after", "{}",
                     higher ? "is required" : "is not for REMIND and URGE, which have their own times");
        }
        if (step.has_after()) {
          const int64_t length = Length(at + ".after", step.after());
          if (length < length_before)
            check_.Add(at + ".after", "must not be less than that of the rung before it");
          length_before = length;
        }
      }
    }
  }

  // About how many seconds `span` is, with eight hours to a working day; for comparing.
  int64_t Length(const std::string& path, const config::v1::Span& span) {
    constexpr int64_t kMost = 100'000;
    int set = 0;
    int64_t length = 0;
    const auto add = [&](const char* field, int64_t value, int64_t seconds) {
      if (value == 0) return;
      ++set;
      if (value < 1 || value > kMost) {
        check_.Add(fmt::format("{}.{}", path, field), "must be from 1 to {}, not {}", kMost, value);
        return;
      }
      length = value * seconds;
    };
    add("working_days", span.working_days(), 8 * 3600);
    add("working_hours", span.working_hours(), 3600);
    add("working_minutes", span.working_minutes(), 60);
    add("natural_days", span.natural_days(), 24 * 3600);
    add("hours", span.hours(), 3600);
    add("minutes", span.minutes(), 60);
    add("seconds", span.seconds(), 1);
    if (set != 1) check_.Add(path, "must have exactly one of its fields");
    // Ten years: a longer one is a slip of units.
    const bool days = span.working_days() != 0 || span.natural_days() != 0;
    if (days ? span.working_days() + span.natural_days() > 3660 : length > int64_t{3660} * 86'400) {
      check_.Add(path, "must be at most ten years");
    }
    return length;
  }

  static bool CountsWork(const config::v1::Span& span) {
    return span.working_days() != 0 || span.working_hours() != 0 || span.working_minutes() != 0;
  }

  void Rules(const std::string& field,
             const google::protobuf::RepeatedPtrField<config::v1::DeadlineRule>& rules) {
    if (rules.empty()) check_.Add(field, "is required");
    for (int i = 0; i < rules.size(); ++i) {
      const std::string path = fmt::format("{}[{}]", field, i);
      Rule(path, rules[i]);
      for (int e = 0; e < i; ++e) {
        if (rules[i].clock() != 0 && Hides(rules[e], rules[i])) {
          check_.Add(path, "never applies: {}[{}] comes first and takes all it is for", field, e);
          break;
        }
      }
    }
  }

  void Rule(const std::string& path, const config::v1::DeadlineRule& rule) {
    if (rule.clock() == 0) check_.Add(path + ".clock", "is required");
    if (rule.clock() == type::v1::CLOCK_KIND_CONFIRM || rule.clock() == type::v1::CLOCK_KIND_VOICE) {
      check_.Add(path + ".clock",
                 "has no rule here: its deadline is in each offer, see work_order.confirm_within_s");
    }
    if (rule.role() == config::v1::UNIT_ROLE_ASSIST && rule.clock() != 0 &&
        rule.clock() != type::v1::CLOCK_KIND_SIGN && rule.clock() != type::v1::CLOCK_KIND_FINISH) {
      check_.Add(path + ".role", "ASSIST is for SIGN and FINISH alone: assisting units have no other clocks");
    }
    const bool against_peers = rule.clock() == type::v1::CLOCK_KIND_PEER_RECEIPT ||
                               rule.clock() == type::v1::CLOCK_KIND_PEER_ACCEPTANCE ||
                               rule.clock() == type::v1::CLOCK_KIND_SCENE_ARRIVAL ||
                               rule.clock() == type::v1::CLOCK_KIND_FINISH;
    if (!rule.peers().empty() && rule.clock() != 0 &&
        (!against_peers || rule.role() == config::v1::UNIT_ROLE_ASSIST)) {
      check_.Add(path + ".peers",
                 "is for PEER_RECEIPT, PEER_ACCEPTANCE, SCENE_ARRIVAL and FINISH alone: no other clock runs "
                 "against another hotline");
    }
    std::set<std::string_view> peers;
    for (int i = 0; i < rule.peers_size(); ++i) {
      const std::string at = fmt::format("{}.peers[{}]", path, i);
      check_.Hotline(at, rule.peers(i));
      if (!peers.insert(rule.peers(i)).second) check_.Add(at, "{} is there twice", rule.peers(i));
    }
    const bool review = rule.clock() == type::v1::CLOCK_KIND_SUSPENSION_REVIEW;
    int64_t limit = 0;
    if (review) {
      if (rule.has_limit() || rule.limit_s() != 0) {
        check_.Add(path + ".limit",
                   "is not for SUSPENSION_REVIEW, which is due at the suspension's review time");
      }
    } else if (rule.has_limit()) {
      if (rule.limit_s() != 0) check_.Add(path + ".limit_s", "excludes limit: a rule has one limit");
      limit = Length(path + ".limit", rule.limit());
    } else {
      check_.Range(path + ".limit_s", rule.limit_s(), 1, int64_t{10} * 366 * 86'400,
                   /*zero_is_default=*/false);
      limit = rule.limit_s();
    }
    if (rule.has_remind_before()) {
      if (rule.remind_before_s() != 0) check_.Add(path + ".remind_before_s", "excludes remind_before");
      const int64_t remind = Length(path + ".remind_before", rule.remind_before());
      if (!review && remind >= limit) check_.Add(path + ".remind_before", "must be less than limit");
      if (rule.clock() == type::v1::CLOCK_KIND_FINISH && remind * 10 < limit) {
        check_.Add(path + ".remind_before", "must be at least a tenth of limit");
      }
    } else if (!review &&
               (rule.remind_before_s() < 0 || rule.remind_before_s() >= std::max<int64_t>(limit, 1))) {
      check_.Add(path + ".remind_before_s", "must be from 0 to less than limit_s, not {}",
                 rule.remind_before_s());
    }
    if (CountsWork(rule.remind_before()) && rule.has_limit() && !CountsWork(rule.limit())) {
      check_.Add(path + ".remind_before", "is in working time, and limit is not");
    }
    std::set<std::string_view> items;
    for (int i = 0; i < rule.items_size(); ++i) {
      const std::string& item = rule.items(i);
      const std::string at = fmt::format("{}.items[{}]", path, i);
      check_.Required(at, item);
      check_.Text(at, item, 64);
      if (!items.insert(item).second) check_.Add(at, "{} is there twice", item);
    }
    if (!rule.ladder().empty() && !ladders_.contains(rule.ladder())) {
      check_.Add(path + ".ladder", "{} is not among the ladders", rule.ladder());
    }
    check_.Text(path + ".document", rule.document(), 64);
    if (!rule.calendar().empty() && !IsUnitCode(rule.calendar())) {
      check_.Add(path + ".calendar", "must be `unit` or a calendar's code, not \"{}\"", rule.calendar());
    }
  }

  const config::v1::Policy& policy_;
  const std::string prefix_;
  Checker& check_;
  std::set<std::string> ladders_;
};

}  // namespace

std::vector<Problem> CheckPolicy(const config::v1::Policy& policy) {
  Checker check;
  if (policy.versions().empty()) {
    PolicyChecker(policy, "", &check).Run();
    return check.Take();
  }
  config::v1::Policy rest = policy;
  rest.clear_versions();
  if (rest.ByteSizeLong() != 0) check.Add("versions", "excludes all fields beside it");
  if (policy.versions_size() > 64) check.Add("versions", "has more than 64 entries");
  std::map<std::string, int> names;
  std::map<std::string, int> starts;
  for (int i = 0; i < policy.versions_size(); ++i) {
    const std::string prefix = fmt::format("versions[{}].", i);
    const config::v1::Policy& version = policy.versions(i);
    if (!version.versions().empty()) check.Add(prefix + "versions", "must not be in a version");
    PolicyChecker(version, prefix, &check).Run();
    if (!names.emplace(version.version(), i).second) check.Add(prefix + "version", "is there twice");
    if (!starts.emplace(version.first_date(), i).second) {
      check.Add(prefix + "first_date", "is that of another version too");
    }
  }
  return check.Take();
}

Clearance ClearanceOf(const SiteConfig& site) {
  Clearance clearance;
  for (const std::string& account : site.need_to_know().accounts()) clearance.accounts.insert(account);
  if (!site.need_to_know().roles().empty()) clearance.roles.clear();
  for (const std::string& role : site.need_to_know().roles()) clearance.roles.insert(role);
  return clearance;
}

void ResolveDefaults(SiteConfig* site) {
  for (config::v1::PeerConfig& peer : *site->mutable_peers()) {
    if (!peer.has_spool()) continue;
    config::v1::SpoolConfig& spool = *peer.mutable_spool();
    if (spool.max_bundle_bytes() == 0) spool.set_max_bundle_bytes(8 << 20);
    if (spool.quota_bytes() == 0) spool.set_quota_bytes(1 << 30);
    if (spool.scan_interval_ms() == 0) spool.set_scan_interval_ms(500);
    if (spool.resend_after_s() == 0) spool.set_resend_after_s(60);
  }
  if (site->has_work_order()) {
    config::v1::WorkOrderConfig& part = *site->mutable_work_order();
    ResolveListen(part.mutable_listen());
    if (part.address().empty()) part.set_address(part.listen().address());
    if (part.queue_limit() == 0) part.set_queue_limit(8192);
    if (part.commit_batch() == 0) part.set_commit_batch(256);
    config::v1::UrgencySeconds standard;
    standard.set_normal(7200);
    standard.set_urgent(1800);
    standard.set_emergency(180);
    ResolveUrgencySeconds(standard, part.mutable_confirm_within_s());
    ResolveUrgencySeconds(part.confirm_within_s(), part.mutable_keep_after_s());
  }
  if (site->has_dispatch()) {
    config::v1::DispatchConfig& part = *site->mutable_dispatch();
    // What BatchPushWorkOrders may hold: 256 orders of 8,000 characters, of three bytes each, and what else
    // is in them.
    Default(part.listen().max_message_bytes(), 8 << 20, &ListenConfig::set_max_message_bytes,
            part.mutable_listen());
    ResolveListen(part.mutable_listen());
    if (part.queue_limit() == 0) part.set_queue_limit(8192);
    if (part.delivery_batch() == 0) part.set_delivery_batch(256);
    if (part.backoff_min_ms() == 0) part.set_backoff_min_ms(100);
    if (part.backoff_max_ms() == 0) part.set_backoff_max_ms(10'000);
    if (part.emergency_receipt_s() == 0) part.set_emergency_receipt_s(10);
    if (part.catch_up_per_s() == 0) part.set_catch_up_per_s(20'000);
    if (part.reconcile_interval_s() == 0) part.set_reconcile_interval_s(900);
  }
  if (site->has_escalation()) {
    ResolveListen(site->mutable_escalation()->mutable_listen());
    if (site->escalation().rungs_per_s() == 0) site->mutable_escalation()->set_rungs_per_s(20'000);
    ResolveNotify(site->mutable_escalation()->mutable_notify());
  }
  config::v1::RetentionConfig& retention = *site->mutable_retention();
  if (retention.content_days() == 0) retention.set_content_days(1095);
  if (retention.notification_days() == 0) retention.set_notification_days(180);
  if (retention.log_days() == 0) retention.set_log_days(180);
  if (!retention.has_hour()) retention.set_hour(3);
  if (site->log().level() == config::v1::LOG_LEVEL_UNSPECIFIED) {
    site->mutable_log()->set_level(config::v1::LOG_LEVEL_INFO);
  }
}

absl::StatusOr<LoadedSite> LoadSite(const std::string& path, const CheckOptions& options) {
  LoadedSite loaded;
  Positions positions;
  if (absl::Status status = LoadYaml(path, &loaded.site, &positions); !status.ok()) return status;
  if (absl::Status status = Report(path, positions, CheckSite(loaded.site, options)); !status.ok())
    return status;
  ResolvePaths(std::filesystem::path(path).parent_path(), options.role, &loaded.site);
  if (options.role == "work_order" || options.role == "escalation") {
    const std::string& folder = options.role == "work_order" ? loaded.site.work_order().data_dir()
                                                             : loaded.site.escalation().data_dir();
    // What is not there is made.
    std::error_code unknown;
    const std::filesystem::file_status found = std::filesystem::status(folder, unknown);
    if (std::filesystem::exists(found) && !std::filesystem::is_directory(found)) {
      const Problem problem{.path = options.role + ".data_dir", .message = folder + " is not a folder"};
      return Report(path, positions, {problem});
    }
  }
  if (options.role == "dispatch" || options.role == "work_order") {
    if (absl::Status status = Report(path, positions, LoadKeys(&loaded)); !status.ok()) return status;
  }
  if (options.role == "escalation") {
    if (absl::Status status = Report(path, positions, LoadSecrets(&loaded)); !status.ok()) return status;
  }
  if (const std::string& file = loaded.site.work_order().caller_key_file();
      options.role == "work_order" && !file.empty()) {
    absl::StatusOr<std::string> key = crypto::LoadHashKey(file);
    if (!key.ok()) {
      const Problem problem{.path = "work_order.caller_key_file",
                            .message = std::string(ToStd(key.status().message()))};
      return Report(path, positions, {problem});
    }
    loaded.caller_key = *std::move(key);
  }
  // What dispatch advises by can be mended while orders are taken; what others work by cannot.
  const bool advises = options.role == "dispatch" && !loaded.site.dispatch().catalogue_dir().empty();
  const auto load = [&](const std::string& file, auto check, auto* message, bool needed,
                        std::string_view without) {
    if (file.empty() || !(needed || advises)) return absl::OkStatus();
    absl::Status status = LoadChecked(file, check, message);
    if (status.ok() || needed) return status;
    loaded.warnings.push_back(StrCat(without, ": ", ToStd(status.message())));
    return absl::OkStatus();
  };
  const bool escalates = options.role == "escalation";
  if (absl::Status status =
          load(loaded.site.units_file(), CheckUnits, &loaded.units, escalates || options.role == "work_order",
               "units that the site does not have are not looked for in the catalogue until dispatch is "
               "started again, as units_file cannot be used");
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          load(loaded.site.escalation().policy_file(), CheckPolicy, &loaded.policy, escalates,
               "advice names no deadlines until dispatch is started again, as escalation.policy_file cannot "
               "be used");
      !status.ok()) {
    return status;
  }
  if (const std::string& directory = loaded.site.dispatch().catalogue_dir();
      !directory.empty() && options.role == "dispatch") {
    // dispatch reads them itself, again and again; a start, or a check, is not to find out late.
    if (absl::Status status = LoadCatalogues(directory).status(); !status.ok()) return status;
  }
  ResolveDefaults(&loaded.site);
  return loaded;
}

}  // namespace hotline::boot
