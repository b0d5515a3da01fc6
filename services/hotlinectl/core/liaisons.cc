#include "services/hotlinectl/core/liaisons.h"

#include <algorithm>
#include <vector>

#include "services/hotlinectl/core/flag.h"

namespace hotline::hotlinectl {
namespace {

using Row = std::vector<std::string>;

// The cells of a row; `*at` moves behind it.
Row NextRow(std::string_view text, size_t* at) {
  Row cells(1);
  bool quoted = false;
  for (; *at < text.size(); ++*at) {
    const char c = text[*at];
    if (quoted && c == '"' && *at + 1 < text.size() && text[*at + 1] == '"') {
      cells.back() += '"';
      ++*at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c == '\n' && !quoted) {
      ++*at;
      break;
    } else if (c != '\r' || quoted) {
      cells.back() += c;
    }
  }
  return cells;
}

// Where a column stands, or nothing.
std::optional<size_t> ColumnOf(const Row& head, std::string_view english, std::string_view chinese) {
  const auto it = std::find_if(head.begin(), head.end(), [&](const std::string& name) {
    return Trim(name) == english || Trim(name) == chinese;
  });
  if (it == head.end()) return std::nullopt;
  return static_cast<size_t>(it - head.begin());
}

std::string_view CellOf(const Row& row, std::optional<size_t> column) {
  return column && *column < row.size() ? Trim(row[*column]) : std::string_view();
}

// True if the time in a cell is not before `now` (of an end: after it); an empty cell leaves that side open.
bool Begun(std::string_view from, absl::Time now) {
  if (from.empty()) return true;
  const auto time = ParseTime(from, std::nullopt);
  return time && *time <= now;
}
bool NotEnded(std::string_view until, absl::Time now) {
  if (until.empty()) return true;
  const auto time = ParseTime(until, std::nullopt);
  constexpr size_t kDateOnly = 10;
  return time && now < (until.size() <= kDateOnly ? *time + absl::Hours(24) : *time);
}

// Spreadsheets write 2026/1/5.
std::string WithDashes(std::string_view time) {
  const auto digit = [&](size_t i) { return i < time.size() && time[i] >= '0' && time[i] <= '9'; };
  std::string text;
  for (size_t i = 0; i < time.size(); ++i) {
    if (text.ends_with('-') && digit(i) && !digit(i + 1)) text += '0';
    text += time[i] == '/' ? '-' : time[i];
  }
  return text;
}

}  // namespace

std::optional<std::set<std::string>> ReadLiaisons(std::string_view csv, absl::Time now) {
  size_t at = csv.starts_with("\xef\xbb\xbf") ? 3 : 0;
  const Row head = NextRow(csv, &at);
  const auto unit = ColumnOf(head, "unit", "单位");
  if (!unit) return std::nullopt;
  const auto person = ColumnOf(head, "person", "人员编号");
  const auto role = ColumnOf(head, "role", "角色");
  const auto from = ColumnOf(head, "from", "起");
  const auto until = ColumnOf(head, "until", "止");
  std::set<std::string> liaisons;
  while (at < csv.size()) {
    const Row row = NextRow(csv, &at);
    // A row that only describes a unit or a person gives nobody a part.
    if ((person && CellOf(row, person).empty()) || (role && CellOf(row, role).empty())) continue;
    if (!Begun(WithDashes(CellOf(row, from)), now) || !NotEnded(WithDashes(CellOf(row, until)), now))
      continue;
    if (!CellOf(row, unit).empty()) liaisons.emplace(CellOf(row, unit));
  }
  return liaisons;
}

}  // namespace hotline::hotlinectl
