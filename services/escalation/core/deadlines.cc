#include "services/escalation/core/deadlines.h"

namespace hotline::escalation {

Deadlines::Deadlines(const config::v1::Policy& policy) : version_(policy.version()) {
  for (const config::v1::DeadlineRule& rule : policy.rules()) {
    uint32_t types = 0;
    for (const int type : rule.types()) types |= uint32_t{1} << (type & 31);
    rules_.push_back({rule.clock(),
                      rule.urgency(),
                      types,
                      {absl::Seconds(rule.limit_s()), absl::Seconds(rule.remind_before_s())}});
  }
}

std::optional<Limit> Deadlines::Find(type::v1::ClockKind clock, type::v1::Urgency urgency,
                                     type::v1::OrderType type) const {
  const uint32_t bit = type > 0 && type < 32 ? uint32_t{1} << type : 0;
  for (const Rule& rule : rules_) {
    if (rule.clock != clock) continue;
    if (rule.urgency != type::v1::URGENCY_UNSPECIFIED && rule.urgency != urgency) continue;
    if (rule.types != 0 && (rule.types & bit) == 0) continue;
    return rule.limit;
  }
  return std::nullopt;
}

}  // namespace hotline::escalation
