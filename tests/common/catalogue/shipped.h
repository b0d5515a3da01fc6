// The shipped catalogue, for tests.
#ifndef TESTS_COMMON_CATALOGUE_SHIPPED_H_
#define TESTS_COMMON_CATALOGUE_SHIPPED_H_

#include <memory>
#include <string>

#include "common/boot/catalogue_file.h"

namespace hotline::catalogue {

inline const std::shared_ptr<const Catalogue>& SharedShipped() {
  static const std::shared_ptr<const Catalogue> shipped =
      *boot::LoadCatalogue(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml");
  return shipped;
}

inline const Catalogue& Shipped() { return *SharedShipped(); }

}  // namespace hotline::catalogue

#endif  // TESTS_COMMON_CATALOGUE_SHIPPED_H_
