// A text for people, and its two forms: a self-contained HTML page that prints on A4, and Markdown. Pure.
// Whatever is put in is text, never markup.
#ifndef SERVICES_ESCALATION_REPORT_CORE_PAGE_H_
#define SERVICES_ESCALATION_REPORT_CORE_PAGE_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotline/escalation/v1/report_service.pb.h"

namespace hotline::escalation::report {

class Page {
 public:
  // `title` heads the page and names the document; `subtitle` may be empty.
  Page(std::string title, std::string subtitle);

  void Heading(std::string text);
  void Subheading(std::string text);
  void Paragraph(std::string text);
  // Small print.
  void Note(std::string text);
  // Columns of numbers are right-aligned: `numeric` has their indexes. `empty` is written instead of a table
  // without rows.
  void Table(std::vector<std::string> heads, std::vector<std::vector<std::string>> rows,
             std::vector<size_t> numeric, std::string empty);
  // Pairs of a label and what it says.
  void Facts(std::vector<std::pair<std::string, std::string>> facts);
  // Lines to be filled in by hand, at the right.
  void Signature(std::vector<std::string> lines);

  std::string Html() const;
  std::string Markdown() const;
  // In the form asked for; UNSPECIFIED is HTML. Sets `*media_type`.
  std::string Render(v1::DocumentFormat format, std::string* media_type) const;

 private:
  enum class Kind { kHeading, kSubheading, kParagraph, kNote, kTable, kFacts, kSignature };
  struct Block {
    Kind kind;
    std::string text;
    std::vector<std::string> heads;
    std::vector<std::vector<std::string>> rows;
    std::vector<size_t> numeric;
  };

  const std::string title_;
  const std::string subtitle_;
  std::vector<Block> blocks_;
};

// `text` with what has a meaning in HTML written as references; control characters become spaces.
std::string EscapeHtml(std::string_view text);
// `text` on one line with what has a meaning in Markdown escaped, also within a table.
std::string EscapeMarkdown(std::string_view text);
// A share in words: `92.3%（120/130）`; `—` if there was nothing to judge.
std::string ShareText(const v1::Ratio& ratio);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_PAGE_H_
