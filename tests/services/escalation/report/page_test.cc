#include "services/escalation/report/core/page.h"

#include <gtest/gtest.h>

namespace hotline::escalation::report {
namespace {

constexpr char kEvil[] = "<script>alert(1)</script> & \"x\" 'y' | a*b_c [z](http://e) `q`\n# h\x01";

TEST(PageTest, NothingThatIsPutInBecomesMarkup) {
  Page page(kEvil, kEvil);
  page.Heading(kEvil);
  page.Subheading(kEvil);
  page.Paragraph(kEvil);
  page.Note(kEvil);
  page.Table({kEvil, "n"}, {{kEvil, "1"}}, {1}, "");
  page.Facts({{kEvil, kEvil}});
  page.Signature({kEvil});
  const std::string html = page.Html();
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("alert(1)</"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; &#39;y&#39;"),
            std::string::npos);
  EXPECT_EQ(html.find('\x01'), std::string::npos);
  // By itself: nothing is fetched.
  EXPECT_EQ(html.find("src="), std::string::npos);
  EXPECT_EQ(html.find("href="), std::string::npos);
  EXPECT_NE(html.find("@page{size:A4"), std::string::npos);

  const std::string markdown = page.Markdown();
  for (size_t at = markdown.find("<script"); at != std::string::npos; at = markdown.find("<script", at + 1)) {
    EXPECT_EQ(markdown[at - 1], '\\') << at;
  }
  EXPECT_NE(markdown.find("\\<script\\>"), std::string::npos);
  EXPECT_NE(markdown.find("\\|"), std::string::npos);
  EXPECT_NE(markdown.find("\\[z\\](http://e)"), std::string::npos);
  // A line feed within a text would begin a heading.
  EXPECT_EQ(markdown.find("\n# h"), std::string::npos);
}

TEST(PageTest, MarkdownKeepsWhatMeansNothing) {
  EXPECT_EQ(EscapeMarkdown("12345-20260901-000007（办结）3.5"), "12345-20260901-000007（办结）3.5");
  EXPECT_EQ(EscapeMarkdown("1. x"), "1\\. x");
  EXPECT_EQ(EscapeMarkdown("7."), "7\\.");
  EXPECT_EQ(EscapeMarkdown("100.0%（3/3）"), "100.0%（3/3）") << "a number is no list";
  EXPECT_EQ(EscapeMarkdown("- x"), "\\- x");
}

TEST(PageTest, TablesWithoutRowsSaySo) {
  Page page("题", "");
  page.Table({"a"}, {}, {}, "没有");
  EXPECT_EQ(page.Html().find("<table"), std::string::npos);
  EXPECT_NE(page.Markdown().find("没有"), std::string::npos);
}

TEST(PageTest, Shares) {
  v1::Ratio ratio;
  EXPECT_EQ(ShareText(ratio), "—");
  ratio.set_numerator(120);
  ratio.set_denominator(130);
  EXPECT_EQ(ShareText(ratio), "92.3%（120/130）");
}

}  // namespace
}  // namespace hotline::escalation::report
