#include "services/escalation/report/core/page.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hotline::escalation::report {
namespace {

// No script, no font and no picture from elsewhere: the page is whole by itself, also on paper.
constexpr char kStyle[] =
    "@page{size:A4;margin:20mm 18mm}"
    "body{font-family:\"Noto Sans CJK SC\",\"Source Han Sans SC\",\"Microsoft YaHei\",\"PingFang "
    "SC\",SimSun,sans-serif;"
    "font-size:11pt;line-height:1.6;color:#111;max-width:174mm;margin:8mm auto;padding:0 4mm}"
    "h1{font-size:18pt;text-align:center;margin:0 0 2mm;font-weight:600}"
    ".sub{text-align:center;color:#444;margin:0 0 6mm}"
    "h2{font-size:13pt;border-bottom:.4mm solid #b3261e;padding-bottom:1mm;margin:7mm 0 "
    "3mm;break-after:avoid}"
    "h3{font-size:11pt;margin:4mm 0 1mm;break-after:avoid}"
    "table{border-collapse:collapse;width:100%;margin:2mm 0 4mm;font-size:9.5pt}"
    "thead{display:table-header-group}tr{break-inside:avoid}"
    "th,td{border:.2mm solid #999;padding:1mm "
    "1.5mm;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#f1f1f1;font-weight:600}td.n,th.n{text-align:right;white-space:nowrap}"
    ".facts th{width:26%}.note{font-size:9pt;color:#555}"
    ".sign{margin-top:14mm;text-align:right;line-height:2.4;break-inside:avoid}"
    "@media "
    "print{body{margin:0;padding:0;max-width:none}th{-webkit-print-color-adjust:exact;print-color-adjust:"
    "exact}}";

bool IsNumeric(const std::vector<size_t>& numeric, size_t column) {
  return std::find(numeric.begin(), numeric.end(), column) != numeric.end();
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

std::string EscapeMarkdown(std::string_view text) {
  constexpr std::string_view kSpecial = "\\`*_{}[]<>#|~&$!";
  // These begin a list or a line of their own only where a line begins, the last two after digits and before
  // a space.
  constexpr std::string_view kLeading = "+-=";
  constexpr std::string_view kAfterDigits = ".)";
  std::string out;
  out.reserve(text.size());
  bool digits = true;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += ' ';
      continue;
    }
    const bool escaped = kSpecial.find(c) != std::string_view::npos ||
                         (i == 0 && kLeading.find(c) != std::string_view::npos) ||
                         (i > 0 && digits && kAfterDigits.find(c) != std::string_view::npos &&
                          (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\t'));
    digits = digits && c >= '0' && c <= '9';
    if (escaped) out += '\\';
    out += c;
  }
  return out;
}

std::string ShareText(const v1::Ratio& ratio) {
  if (ratio.denominator() == 0) return "—";
  return absl::StrFormat(
      "%.1f%%（%d/%d）",
      100.0 * static_cast<double>(ratio.numerator()) / static_cast<double>(ratio.denominator()),
      ratio.numerator(), ratio.denominator());
}

Page::Page(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void Page::Heading(std::string text) { blocks_.push_back({.kind = Kind::kHeading, .text = std::move(text)}); }
void Page::Subheading(std::string text) {
  blocks_.push_back({.kind = Kind::kSubheading, .text = std::move(text)});
}
void Page::Paragraph(std::string text) {
  blocks_.push_back({.kind = Kind::kParagraph, .text = std::move(text)});
}
void Page::Note(std::string text) { blocks_.push_back({.kind = Kind::kNote, .text = std::move(text)}); }

void Page::Table(std::vector<std::string> heads, std::vector<std::vector<std::string>> rows,
                 std::vector<size_t> numeric, std::string empty) {
  if (rows.empty()) return Paragraph(std::move(empty));
  blocks_.push_back({.kind = Kind::kTable,
                     .heads = std::move(heads),
                     .rows = std::move(rows),
                     .numeric = std::move(numeric)});
}

void Page::Facts(std::vector<std::pair<std::string, std::string>> facts) {
  Block block{.kind = Kind::kFacts};
  for (auto& [label, value] : facts) block.rows.push_back({std::move(label), std::move(value)});
  blocks_.push_back(std::move(block));
}

void Page::Signature(std::vector<std::string> lines) {
  blocks_.push_back({.kind = Kind::kSignature, .heads = std::move(lines)});
}

std::string Page::Html() const {
  std::string out = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      EscapeHtml(title_), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<h1>", EscapeHtml(title_),
      "</h1>\n");
  if (!subtitle_.empty()) absl::StrAppend(&out, "<p class=\"sub\">", EscapeHtml(subtitle_), "</p>\n");
  for (const Block& block : blocks_) {
    switch (block.kind) {
      case Kind::kHeading:
        absl::StrAppend(&out, "<h2>", EscapeHtml(block.text), "</h2>\n");
        break;
      case Kind::kSubheading:
        absl::StrAppend(&out, "<h3>", EscapeHtml(block.text), "</h3>\n");
        break;
      case Kind::kParagraph:
        absl::StrAppend(&out, "<p>", EscapeHtml(block.text), "</p>\n");
        break;
      case Kind::kNote:
        absl::StrAppend(&out, "<p class=\"note\">", EscapeHtml(block.text), "</p>\n");
        break;
      case Kind::kTable:
        out += "<table>\n<thead><tr>";
        for (size_t i = 0; i < block.heads.size(); ++i) {
          absl::StrAppend(&out, IsNumeric(block.numeric, i) ? "<th class=\"n\">" : "<th>",
                          EscapeHtml(block.heads[i]), "</th>");
        }
        out += "</tr></thead>\n<tbody>\n";
        for (const auto& row : block.rows) {
          out += "<tr>";
          for (size_t i = 0; i < row.size(); ++i) {
            absl::StrAppend(&out, IsNumeric(block.numeric, i) ? "<td class=\"n\">" : "<td>",
                            EscapeHtml(row[i]), "</td>");
          }
          out += "</tr>\n";
        }
        out += "</tbody>\n</table>\n";
        break;
      case Kind::kFacts:
        out += "<table class=\"facts\">\n<tbody>\n";
        for (const auto& row : block.rows) {
          absl::StrAppend(&out, "<tr><th>", EscapeHtml(row[0]), "</th><td>", EscapeHtml(row[1]),
                          "</td></tr>\n");
        }
        out += "</tbody>\n</table>\n";
        break;
      case Kind::kSignature:
        out += "<div class=\"sign\">\n";
        for (const std::string& line : block.heads)
          absl::StrAppend(&out, "<div>", EscapeHtml(line), "</div>\n");
        out += "</div>\n";
        break;
    }
  }
  out += "</body>\n</html>\n";
  return out;
}

std::string Page::Markdown() const {
  std::string out = absl::StrCat("# ", EscapeMarkdown(title_), "\n");
  if (!subtitle_.empty()) absl::StrAppend(&out, "\n", EscapeMarkdown(subtitle_), "\n");
  for (const Block& block : blocks_) {
    out += '\n';
    switch (block.kind) {
      case Kind::kHeading:
        absl::StrAppend(&out, "## ", EscapeMarkdown(block.text), "\n");
        break;
      case Kind::kSubheading:
        absl::StrAppend(&out, "### ", EscapeMarkdown(block.text), "\n");
        break;
      case Kind::kParagraph:
        absl::StrAppend(&out, EscapeMarkdown(block.text), "\n");
        break;
      case Kind::kNote:
        absl::StrAppend(&out, "> ", EscapeMarkdown(block.text), "\n");
        break;
      case Kind::kTable: {
        std::string rule = "|";
        out += "|";
        for (size_t i = 0; i < block.heads.size(); ++i) {
          absl::StrAppend(&out, " ", EscapeMarkdown(block.heads[i]), " |");
          rule += IsNumeric(block.numeric, i) ? " ---: |" : " --- |";
        }
        absl::StrAppend(&out, "\n", rule, "\n");
        for (const auto& row : block.rows) {
          out += "|";
          for (const std::string& cell : row) absl::StrAppend(&out, " ", EscapeMarkdown(cell), " |");
          out += "\n";
        }
        break;
      }
      case Kind::kFacts:
        out += "| 项目 | 内容 |\n| --- | --- |\n";
        for (const auto& row : block.rows) {
          absl::StrAppend(&out, "| ", EscapeMarkdown(row[0]), " | ", EscapeMarkdown(row[1]), " |\n");
        }
        break;
      case Kind::kSignature:
        for (const std::string& line : block.heads) absl::StrAppend(&out, EscapeMarkdown(line), "\n\n");
        break;
    }
  }
  return out;
}

std::string Page::Render(v1::DocumentFormat format, std::string* media_type) const {
  const bool markdown = format == v1::DOCUMENT_FORMAT_MARKDOWN;
  *media_type = markdown ? "text/markdown" : "text/html";
  return markdown ? Markdown() : Html();
}

}  // namespace hotline::escalation::report
