// The directory as a CSV file, read and written. Pure; safe on any bytes. The columns are described at
// ImportDirectoryRequest.csv; of a file that WriteCsv made, ReadCsv gives the same entries.
#ifndef SERVICES_ESCALATION_DIRECTORY_CORE_CSV_H_
#define SERVICES_ESCALATION_DIRECTORY_CORE_CSV_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/escalation/directory/core/directory.h"

namespace hotline::escalation::directory {

inline constexpr size_t kMaxCsvBytes = 4 << 20;

struct CsvRow {
  int line = 0;  // in the file, from 1
  v1::DirectoryEntry entry;
};

struct CsvFile {
  std::vector<CsvRow> rows;
  // Of rows that cannot be read. `edit` is the line; `field` the column.
  std::vector<Problem> problems;
};

// Empty lines are skipped.
CsvFile ReadCsv(std::string_view bytes);

// The column in which `field` of an entry stands: `contacts.target` → `webhooks`.
std::string ColumnOf(std::string_view field);

// Without the shifts that had ended at `now`, of which a directory may hold more than a file.
std::string WriteCsv(const Directory& directory, bool chinese, bool byte_order_mark,
                     absl::Time now = absl::InfinitePast());

}  // namespace hotline::escalation::directory

#endif  // SERVICES_ESCALATION_DIRECTORY_CORE_CSV_H_
