// Who is shown what is restricted (限制知悉) or secret (保密) at a site. Pure.
#ifndef COMMON_CONTRACT_CLEARANCE_H_
#define COMMON_CONTRACT_CLEARANCE_H_

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "common/contract/call.h"
#include "common/retention/erase.h"
#include "hotline/type/v1/actor.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline {

// Whom the configuration names; see hotline.config.v1.NeedToKnowConfig.
struct Clearance {
  absl::flat_hash_set<std::string> accounts;
  absl::flat_hash_set<std::string> roles = {"supervisor", "admin"};

  // The caller is cleared for every order of the site.
  bool Covers(const CallContext& call) const {
    return accounts.contains(call.account) || roles.contains(std::string(RoleOf(call)));
  }
  // The same of who acts in the call, which a desktop says.
  bool Covers(const CallContext& call, const type::v1::Actor& actor) const {
    return Covers(call) || accounts.contains(actor.account());
  }
  static std::string_view RoleOf(const CallContext& call) {
    const std::string_view identity = call.identity;
    const size_t slash = identity.find('/');
    return slash == std::string_view::npos ? std::string_view() : identity.substr(slash + 1);
  }
};

// How much of an order somebody is shown.
enum class Sight {
  kNothing,   // it is restricted
  kNoCaller,  // not who the caller is
  kWhole,
};

// What `account`, cleared for the whole site or not, is shown of `order`. Who works for a unit that the
// matter accuses (`unit`) is never shown who complained.
inline Sight SightOf(const type::v1::WorkOrder& order, std::string_view account, bool cleared,
                     std::string_view unit = {}) {
  const bool known = cleared || (!account.empty() && account == order.registered_by());
  if (order.facts().restricted() && !known) return Sight::kNothing;
  for (const std::string& accused : order.facts().recused_units()) {
    if (accused == unit) return Sight::kNoCaller;
  }
  return order.facts().secret() && !known ? Sight::kNoCaller : Sight::kWhole;
}

// An answer to a command holds an order without content, so that nobody knows which words in it tell of the
// caller. For somebody who may not know them it is left without all that was written: the title, what was
// answered, noted and given as a reason, and the salt with which the content's digest could be tried.
inline void HideCallerInAnswer(const type::v1::Actor& actor, bool cleared, type::v1::WorkOrder* order) {
  if (SightOf(*order, actor.account(), cleared, actor.unit()) == Sight::kWhole) return;
  retention::EraseTexts(order);
}

}  // namespace hotline

#endif  // COMMON_CONTRACT_CLEARANCE_H_
