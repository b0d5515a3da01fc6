#include "common/rpc/access.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::rpc {
namespace {

enum class Who {
  kOwn,   // a part of this site
  kPeer,  // a configured peer
};

struct Rule {
  std::string_view service;
  Who who;
  std::array<std::string_view, 6> roles;
  std::string_view method = {};  // empty: all that no rule before this one names
};

// What is not here is refused. Of several rules for a method the first holds.
constexpr std::array<std::string_view, 6> kSiteRoles = {"desktop",  "supervisor", "admin",
                                                        "dispatch", "escalation", "work_order"};
constexpr Rule kRules[] = {
    {"hotline.workorder.v1.LedgerService", Who::kOwn, {"dispatch", "escalation", "admin"}},
    {"hotline.exchange.v1.ExchangeService", Who::kPeer, {"dispatch"}},
    // What advice and deadlines of the whole site rest on is not for everybody at a desktop to change.
    {"hotline.dispatch.v1.DispatchService", Who::kOwn, {"supervisor", "admin"}, "ReloadCatalogue"},
    {"hotline.dispatch.v1.DispatchService", Who::kOwn, kSiteRoles},
    {"hotline.workorder.v1.WorkOrderService", Who::kOwn, kSiteRoles},
    {"hotline.escalation.v1.EscalationService", Who::kOwn, {"supervisor", "admin"}, "PublishRules"},
    {"hotline.escalation.v1.EscalationService", Who::kOwn, kSiteRoles},
    {"hotline.escalation.v1.NotificationService", Who::kOwn, kSiteRoles},
    // Whoever edits the directory decides who is told, and sees how staff are reached.
    {"hotline.escalation.v1.DirectoryService", Who::kOwn, {"supervisor", "admin"}},
    {"hotline.escalation.v1.ReportService", Who::kOwn, kSiteRoles},
    {"hotline.escalation.v1.MeetingService", Who::kOwn, kSiteRoles},
    // A backup holds everything; who erases or keeps evidence answers for it.
    {"hotline.operation.v1.BackupService", Who::kOwn, {"admin"}},
    {"hotline.operation.v1.RetentionService", Who::kOwn, {"supervisor", "admin"}},
};

// Whose certificates would do, as `12345/supervisor, 12345/admin`.
std::string WhoMay(const Rule& rule, const AccessPolicy& policy) {
  std::string may;
  for (const std::string& hotline :
       rule.who == Who::kPeer ? policy.peers : std::vector<std::string>{policy.hotline}) {
    for (const std::string_view role : rule.roles) {
      if (!role.empty()) may += StrCat(may.empty() ? "" : ", ", hotline, "/", role);
    }
  }
  return may;
}

}  // namespace

std::optional<Identity> ParseSpiffeId(std::string_view uri) {
  constexpr std::string_view kPrefix = "spiffe://hotline/";
  if (!uri.starts_with(kPrefix)) return std::nullopt;
  uri.remove_prefix(kPrefix.size());
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view hotline = uri.substr(0, slash);
  const std::string_view role = uri.substr(slash + 1);
  if (hotline.empty() || hotline.size() > 16 || role.empty() || role.size() > 32) return std::nullopt;
  if (!std::all_of(hotline.begin(), hotline.end(), [](char c) { return absl::ascii_isalnum(c); }) ||
      !std::all_of(role.begin(), role.end(), [](char c) { return absl::ascii_islower(c) || c == '_'; })) {
    return std::nullopt;
  }
  return Identity{.hotline = std::string(hotline), .role = std::string(role)};
}

std::string FormatIdentity(const Identity& identity) { return identity.hotline + "/" + identity.role; }

std::string_view HotlineOf(std::string_view identity) {
  const size_t slash = identity.find('/');
  return slash == std::string_view::npos ? std::string_view() : identity.substr(0, slash);
}

absl::Status CheckAccess(const AccessPolicy& policy, const Identity& identity, std::string_view service,
                         std::string_view method) {
  const Rule* broken = nullptr;
  for (const Rule& rule : kRules) {
    if (rule.service != service || (!rule.method.empty() && rule.method != method)) continue;
    broken = &rule;
    if (rule.who == Who::kPeer) {
      if (std::find(policy.peers.begin(), policy.peers.end(), identity.hotline) == policy.peers.end()) {
        return error::PeerUnknown(identity.hotline);
      }
    } else if (identity.hotline != policy.hotline) {
      break;
    }
    // An empty role would find the unused places of a rule.
    if (identity.role.empty() ||
        std::find(rule.roles.begin(), rule.roles.end(), identity.role) == rule.roles.end()) {
      break;
    }
    return absl::OkStatus();
  }
  return error::RoleForbidden(FormatIdentity(identity), StrCat(service, "/", method),
                              broken == nullptr ? "" : WhoMay(*broken, policy));
}

}  // namespace hotline::rpc
