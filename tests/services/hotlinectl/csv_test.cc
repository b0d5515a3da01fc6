#include "services/hotlinectl/core/csv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "services/hotlinectl/core/report_view.h"

namespace hotline::hotlinectl {
namespace {

TEST(CsvTest, QuotesAsRfc4180Says) {
  EXPECT_EQ(CsvLine({"a", "", "住建局", "1.5"}), "a,,住建局,1.5\r\n");
  EXPECT_EQ(CsvCell("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvCell("say \"yes\""), "\"say \"\"yes\"\"\"");
  EXPECT_EQ(CsvCell("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(CsvCell(" lead"), "\" lead\"");
}

TEST(CsvTest, NoCellIsAFormula) {
  EXPECT_EQ(CsvCell("=1+1"), "'=1+1");
  EXPECT_EQ(CsvCell("=HYPERLINK(\"http://x\",\"y\")"), "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
  EXPECT_EQ(CsvCell("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(CsvCell("+8613900000000"), "'+8613900000000");
  EXPECT_EQ(CsvCell("-2+3"), "'-2+3");
  EXPECT_EQ(CsvCell("\t=1"), "'\t=1");
  EXPECT_EQ(CsvCell("＝1+1"), "'＝1+1");
  EXPECT_EQ(CsvCell("\r=1"), "\"'\r=1\"");
  // Numbers stay numbers.
  EXPECT_EQ(CsvCell("-3.5"), "-3.5");
  EXPECT_EQ(CsvCell("12345-20260901-000001"), "12345-20260901-000001");
}

TEST(CsvTest, AScorecardHasNumeratorsAndDenominators) {
  escalation::v1::GetScorecardResponse response;
  auto& card = *response.add_scorecards();
  card.set_party("=evil()");
  card.set_assigned(3);
  card.mutable_sign_on_time()->set_numerator(2);
  card.mutable_sign_on_time()->set_denominator(3);
  card.set_handled(1);
  card.set_assisted(4);
  card.mutable_assist_sign_on_time()->set_numerator(1);
  card.mutable_assist_sign_on_time()->set_denominator(4);
  card.mutable_median_handling()->set_seconds(3600);
  card.mutable_p90_handling()->set_seconds(7200);
  const std::string csv = ScorecardCsv(Language::kChinese, response);
  const size_t first = csv.find("\r\n");
  const std::string row = csv.substr(first + 2, csv.find("\r\n", first + 2) - first - 2);
  EXPECT_TRUE(row.starts_with("'=evil(),3,2,3,0.6667,0,0,,")) << row;
  EXPECT_TRUE(row.ends_with(",1,60,120,4,1,4,0.2500,0,0,")) << row;
  // As many cells in each line.
  const auto cells = [&](const std::string& line) { return std::count(line.begin(), line.end(), ','); };
  EXPECT_EQ(cells(csv.substr(0, first)), cells(row));
  EXPECT_NE(csv.find("合计"), std::string::npos);
}

}  // namespace
}  // namespace hotline::hotlinectl
