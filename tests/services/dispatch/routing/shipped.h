// The shipped catalogue, for tests of routing.
#ifndef TESTS_SERVICES_DISPATCH_ROUTING_SHIPPED_H_
#define TESTS_SERVICES_DISPATCH_ROUTING_SHIPPED_H_

#include "tests/common/catalogue/shipped.h"

namespace hotline::dispatch::routing {

using catalogue::Shipped;

// A day on which the shipped catalogue holds.
inline constexpr absl::CivilDay kDay(2026, 11, 27);
inline absl::Time Noon() { return absl::FromCivil(absl::CivilHour(kDay) + 4, absl::UTCTimeZone()); }

}  // namespace hotline::dispatch::routing

#endif  // TESTS_SERVICES_DISPATCH_ROUTING_SHIPPED_H_
