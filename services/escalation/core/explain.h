// How a deadline came about, for whoever has to justify it or doubts it: as a message that can be recomputed
// without this program (common/derivation), and in Chinese. Pure.
#ifndef SERVICES_ESCALATION_CORE_EXPLAIN_H_
#define SERVICES_ESCALATION_CORE_EXPLAIN_H_

#include <string>

#include "absl/status/statusor.h"
#include "hotline/escalation/v1/derivation.pb.h"
#include "services/escalation/core/clocks.h"

namespace hotline::escalation {

// Errors: those of Calendar::Derive (TIME_INVALID: the calendar does not reach so far, or too many days).
absl::StatusOr<v1::ClockDerivation> Explain(const OrderClocks& order, const OrderClock& clock,
                                            const Deadlines& deadlines);

// The same in sentences, a line each, with the document of every rule that decided a day.
std::string ExplainInChinese(const v1::ClockDerivation& derivation);

// 办结 etc.
std::string ClockNameZh(type::v1::ClockKind kind);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_EXPLAIN_H_
