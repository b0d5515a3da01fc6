#include "services/hotlinectl/core/table.h"

#include <gtest/gtest.h>

#include <string>

namespace hotline::hotlinectl {
namespace {

TEST(TableTest, WidthsOfScripts) {
  EXPECT_EQ(DisplayWidth(""), 0);
  EXPECT_EQ(DisplayWidth("order"), 5);
  EXPECT_EQ(DisplayWidth("工单"), 4);
  EXPECT_EQ(DisplayWidth("工单A，１"), 4 + 1 + 2 + 2);  // fullwidth comma and digit
  EXPECT_EQ(DisplayWidth("ئۇيغۇر"), 6);                 // Uyghur letters, one column each
  EXPECT_EQ(DisplayWidth("كِتَاب"), 4);                   // Arabic vowel marks take none
  EXPECT_EQ(DisplayWidth("Кыргыз"), 6);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1);  // e and a combining accent
  EXPECT_EQ(DisplayWidth("한국"), 4);
  EXPECT_EQ(DisplayWidth("😀"), 2);
  EXPECT_EQ(DisplayWidth("𠮷"), 2);            // beyond the first plane
  EXPECT_EQ(DisplayWidth("\xe2\x80\x8b"), 0);  // zero width space
  EXPECT_EQ(DisplayWidth("\x1b\x07"), 0);
  EXPECT_EQ(DisplayWidth("\xff\xfe"), 2);  // two replacement characters
  EXPECT_EQ(DisplayWidth("\xe5\xb7"), 2);  // a character cut off
}

TEST(TableTest, TruncatesWithoutSplitting) {
  EXPECT_EQ(TruncateToWidth("天山路口", 8), "天山路口");
  EXPECT_EQ(TruncateToWidth("天山路口", 7), "天山路…");
  EXPECT_EQ(TruncateToWidth("天山路口", 6), "天山…");  // one column is left over
  EXPECT_EQ(TruncateToWidth("abc", 2), "a…");
  EXPECT_EQ(TruncateToWidth("abc", 0), "");
  EXPECT_EQ(TruncateToWidth("e\xcc\x81xyz", 2), "e\xcc\x81…");
}

TEST(TableTest, MakesCallersTextHarmless) {
  EXPECT_EQ(Printable("a\x1b[31mb\tc\nd", false), "a [31mb c d");
  EXPECT_EQ(Printable("a\nb", true), "a\nb");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m",
                      false),
            " 31m");                                    // C1: another way to begin an escape
  EXPECT_EQ(Printable("x\xe2\x80\xaey", false), "xy");  // right-to-left override
  EXPECT_EQ(Printable("x\xffy", false), "x\xef\xbf\xbdy");
  EXPECT_EQ(Printable("ئۇيغۇر 工单", false), "ئۇيغۇر 工单");
}

TEST(TableTest, AlignsChineseWithLatin) {
  Table table({{.heading = "编号"}, {.heading = "n", .right_aligned = true}, {.heading = "标题"}});
  table.AddRow({"12345-1", "7", "路灯"});
  table.AddRow({"110", "120", "two words"});
  table.AddRow({"特", "1"});
  EXPECT_EQ(table.Render({}),
            "编号       n  标题\n"
            "12345-1    7  路灯\n"
            "110      120  two words\n"
            "特         1\n");
}

TEST(TableTest, EveryLineOfARightToLeftTableKeepsItsColumns) {
  Table table({{.heading = "title"}, {.heading = "state"}});
  table.AddRow({"ئۇيغۇر", "closed"});
  table.AddRow({"路灯", "closed"});
  EXPECT_EQ(table.Render({}), "title   state\nئۇيغۇر  closed\n路灯    closed\n");
  // On a terminal the cell is isolated, which takes no columns.
  EXPECT_EQ(table.Render({.isolate = true}),
            "title   state\n\xe2\x81\xa8ئۇيغۇر\xe2\x81\xa9  closed\n路灯    closed\n");
}

TEST(TableTest, ShrinksToTheTerminal) {
  Table table({{.heading = "a"}, {.heading = "b", .shrinks = true}});
  table.AddRow({"12345", "天山路口两车相撞有人受伤"});
  EXPECT_EQ(table.Render({.max_width = 20}), "a      b\n12345  天山路口两车…\n");
  // Not below what can be read.
  EXPECT_EQ(table.Render({.max_width = 3}), "a      b\n12345  天山路…\n");
}

TEST(TableTest, ColoursOnlyWhenTold) {
  Table table({{.heading = "a"}});
  table.AddRow({Cell("x", Colour::kRed)});
  EXPECT_EQ(table.Render({}), "a\nx\n");
  EXPECT_EQ(table.Render({.colour = true}), "\x1b[2ma\x1b[0m\n\x1b[31mx\x1b[0m\n");
  EXPECT_EQ(Paint("x", Colour::kGreen, false), "x");
}

TEST(TableTest, RowsAloneFollowAHeading) {
  Table table({{.heading = "a", .min_width = 4}, {.heading = "b"}});
  table.AddRow({"1", "2", "dropped"});
  EXPECT_EQ(table.RenderRows({}), "1     2\n");
  table.ClearRows();
  EXPECT_TRUE(table.empty());
}

}  // namespace
}  // namespace hotline::hotlinectl
