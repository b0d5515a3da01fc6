// Which units the directory's CSV file names somebody for. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_LIAISONS_H_
#define SERVICES_HOTLINECTL_CORE_LIAISONS_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace hotline::hotlinectl {

// Codes of units for which a row of `csv` (RFC 4180, see `hotlinectl help directory`) gives a person a part
// at `now`. A row counts if it names a person and, where the file has the columns, a role, and if `from` and
// `until` (the last day) hold `now`; one with a time that cannot be read does not, as the directory would
// refuse it. Nothing if the file has no column for units.
std::optional<std::set<std::string>> ReadLiaisons(std::string_view csv, absl::Time now);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_LIAISONS_H_
