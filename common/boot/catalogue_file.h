// Catalogues (see config.v1.Catalogue) from files.
#ifndef COMMON_BOOT_CATALOGUE_FILE_H_
#define COMMON_BOOT_CATALOGUE_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/catalogue/catalogue.h"

namespace hotline::boot {

// Errors of both: NOT_FOUND for what cannot be read; INVALID_ARGUMENT (FIELD_INVALID) with `file:line:column`
// of each problem, a line each, in English and Chinese.

// One version from a YAML file of at most 1 MiB.
absl::StatusOr<std::shared_ptr<const catalogue::Catalogue>> LoadCatalogue(const std::string& path);
// Every `*.yaml` of a directory is one version; other files are not looked at. A directory without any is an
// error, as it is more likely a slip than a wish.
absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>> LoadCatalogues(const std::string& directory);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_CATALOGUE_FILE_H_
