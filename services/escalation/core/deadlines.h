// How much time a duty has: the policy file, ready to be asked. Pure.
#ifndef SERVICES_ESCALATION_CORE_DEADLINES_H_
#define SERVICES_ESCALATION_CORE_DEADLINES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::escalation {

// Time allowed, and how long before its end the reminder comes (zero: no reminder).
struct Limit {
  absl::Duration allowed;
  absl::Duration remind_before;
};

// Copyable, immutable, thread-safe.
class Deadlines {
 public:
  // `policy` keeps the rules written beside its fields; the loading of the configuration has checked them.
  explicit Deadlines(const config::v1::Policy& policy);

  // The limit of the first rule that matches. Nothing: this clock is not kept for such orders. An urgency or
  // a type that this version does not know matches only rules for any.
  std::optional<Limit> Find(type::v1::ClockKind clock, type::v1::Urgency urgency,
                            type::v1::OrderType type) const;
  // Kept with every clock that is armed.
  const std::string& version() const { return version_; }

 private:
  struct Rule {
    type::v1::ClockKind clock;
    type::v1::Urgency urgency;  // unspecified: any
    uint32_t types;             // bit n: type n; zero: any
    Limit limit;
  };
  std::string version_;
  std::vector<Rule> rules_;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_DEADLINES_H_
