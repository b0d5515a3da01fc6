// Tables that stay aligned whatever script the cells are in. Pure: nothing here asks the locale or the
// terminal.
#ifndef SERVICES_HOTLINECTL_CORE_TABLE_H_
#define SERVICES_HOTLINECTL_CORE_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

namespace hotline::hotlinectl {

// Columns that `text` takes on a terminal: two for East Asian wide and fullwidth characters (UAX 11;
// ambiguous ones count one), none for combining marks, format and control characters, one for the rest,
// Arabic letters included. A malformed byte counts as the U+FFFD that replaces it.
int DisplayWidth(std::string_view text);

// The longest prefix that fits `width` columns, with `…` in place of what was cut. Never splits a character
// from its combining marks.
std::string TruncateToWidth(std::string_view text, int width);

// `text` made harmless to print: what callers wrote may hold terminal escapes. Control characters become
// spaces (line feeds stay if `keep_lines`), overriding and isolating bidi controls are dropped, malformed
// bytes become U+FFFD.
std::string Printable(std::string_view text, bool keep_lines);

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kCyan };

// `text` in `colour` by ANSI sequences; unchanged if `enabled` is false.
std::string Paint(std::string_view text, Colour colour, bool enabled);

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;

  Cell(std::string t, Colour c = Colour::kNone) : text(std::move(t)), colour(c) {}
  Cell(std::string_view t, Colour c = Colour::kNone) : text(t), colour(c) {}
  Cell(const char* t, Colour c = Colour::kNone) : text(t), colour(c) {}
};

struct Column {
  std::string heading;
  // Numbers.
  bool right_aligned = false;
  // Gives way, down to 8 columns, when the table is wider than allowed.
  bool shrinks = false;
  // At least this many columns, so that lines printed one by one stay aligned.
  int min_width = 0;
};

struct TableStyle {
  bool colour = false;
  // Wraps right-to-left cells in Unicode isolates (UAX 9), so that a terminal that reorders does not mix the
  // columns.
  bool isolate = false;
  // Columns of the terminal; 0 does not limit.
  int max_width = 0;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // Missing cells are empty; more cells than columns are dropped. Texts are made printable, on one line.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  // The heading and all rows, each ended by a line feed, without trailing spaces.
  std::string Render(const TableStyle& style) const;
  // Rows alone: what follows a heading printed before.
  std::string RenderRows(const TableStyle& style) const;
  void ClearRows() { rows_.clear(); }

 private:
  std::vector<int> Widths(const TableStyle& style) const;
  std::string RenderRow(const std::vector<Cell>& row, const std::vector<int>& widths,
                        const TableStyle& style) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_TABLE_H_
