#include "services/hotlinectl/core/csv.h"

#include "services/hotlinectl/core/flag.h"

namespace hotline::hotlinectl {
namespace {

bool IsFormula(std::string_view text) {
  if (text.empty()) return false;
  constexpr std::string_view kStarts = "=+-@\t\r\n|%";
  if (kStarts.find(text.front()) == std::string_view::npos) {
    // ＝ ＋ － ＠, which some spreadsheets read as their narrow forms.
    for (const std::string_view wide : {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"}) {
      if (text.starts_with(wide)) return true;
    }
    return false;
  }
  // A negative number is one.
  return !(text.front() == '-' && ParseNumber(text).has_value());
}

}  // namespace

std::string CsvCell(std::string_view text) {
  std::string cell = IsFormula(text) ? "'" : "";
  cell += text;
  const bool quoted = cell.find_first_of("\",\r\n") != std::string::npos ||
                      (!cell.empty() && (cell.front() == ' ' || cell.back() == ' '));
  if (!quoted) return cell;
  std::string out = "\"";
  for (const char c : cell) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string CsvLine(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    line += CsvCell(cells[i]);
  }
  return line + "\r\n";
}

}  // namespace hotline::hotlinectl
