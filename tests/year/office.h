// Working time in Wuqia in 2025 as the notices of that year read to a person: written down again here, day by
// day, so that the calendar engine is not asked what it should answer.
#ifndef TESTS_YEAR_OFFICE_H_
#define TESTS_YEAR_OFFICE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace hotline::year {

// `always`: works around the clock.

// Seconds worked between two instants.
int64_t Worked(absl::Time from, absl::Time to, bool always);
// The first instant up to which `seconds` were worked from `from` on.
absl::Time AddWorked(absl::Time from, int64_t seconds, bool always);
// The last instant from which on `seconds` are worked until `to`.
absl::Time SubtractWorked(absl::Time to, int64_t seconds, bool always);
// The close of the n-th working day after the day of `start`.
absl::Time CloseAfter(absl::Time start, int n, bool always);

}  // namespace hotline::year

#endif  // TESTS_YEAR_OFFICE_H_
