// Tables as CSV for spreadsheets: RFC 4180, and no cell that a spreadsheet would run as a formula. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_CSV_H_
#define SERVICES_HOTLINECTL_CORE_CSV_H_

#include <string>
#include <string_view>
#include <vector>

namespace hotline::hotlinectl {

// One cell: quoted if it holds a quote, a comma or a line break, or begins or ends with a space. A text that
// a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return, also
// full-width ones) gets an apostrophe before it, unless it is a number.
std::string CsvCell(std::string_view text);
// A record, ended by CR LF.
std::string CsvLine(const std::vector<std::string>& cells);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_CSV_H_
