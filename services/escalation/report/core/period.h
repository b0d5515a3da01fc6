// Periods as people name them: a year, quarter, month, week, day or range of days, in Beijing time. Pure.
#ifndef SERVICES_ESCALATION_REPORT_CORE_PERIOD_H_
#define SERVICES_ESCALATION_REPORT_CORE_PERIOD_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hotline::escalation::report {

// Half open.
struct Period {
  absl::Time start;
  absl::Time end;
  bool Holds(absl::Time t) const { return start <= t && t < end; }
};

// `2026`, `2026-Q3`, `2026-09`, `2026-W36` (ISO 8601: weeks begin on Monday, the first one has the year's
// first Thursday), `2026-09-01`, or two days with `..` between them, both included, at most ten years apart.
// Nothing for anything else.
std::optional<Period> ParsePeriod(std::string_view text);
// The same; INVALID_ARGUMENT (FIELD_REQUIRED, FIELD_INVALID) for `field`.
absl::StatusOr<Period> CheckPeriod(std::string_view field, std::string_view text);

// The ISO week of `t`: `2026-W36`.
std::string WeekOf(absl::Time t);
// `2026年9月1日 16:05`, in Beijing time.
std::string ChineseTime(absl::Time t);
// `2026年9月1日`.
std::string ChineseDate(absl::Time t);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_PERIOD_H_
