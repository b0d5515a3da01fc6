// The shipped catalogue, for tests of routing.
#ifndef TESTS_SERVICES_DISPATCH_ROUTING_SHIPPED_H_
#define TESTS_SERVICES_DISPATCH_ROUTING_SHIPPED_H_

#include <memory>
#include <string>

#include "common/boot/catalogue_file.h"

namespace hotline::dispatch::routing {

inline const catalogue::Catalogue& Shipped() {
  static const std::shared_ptr<const catalogue::Catalogue> shipped =
      *boot::LoadCatalogue(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml");
  return *shipped;
}

// A day on which the shipped catalogue holds.
inline constexpr absl::CivilDay kDay(2026, 11, 27);
inline absl::Time Noon() { return absl::FromCivil(absl::CivilHour(kDay) + 4, absl::UTCTimeZone()); }

}  // namespace hotline::dispatch::routing

#endif  // TESTS_SERVICES_DISPATCH_ROUTING_SHIPPED_H_
