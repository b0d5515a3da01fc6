#include "common/base/utf8.h"

#include <gtest/gtest.h>

namespace hotline {
namespace {

TEST(Utf8Test, CountsCodePoints) {
  EXPECT_EQ(CountCodePoints(""), 0);
  EXPECT_EQ(CountCodePoints("abc"), 3);
  EXPECT_EQ(CountCodePoints("乌恰县"), 3);
  EXPECT_EQ(CountCodePoints("ئۇيغۇرچە"), 8);
  EXPECT_EQ(CountCodePoints("кыргызча"), 8);
  EXPECT_EQ(CountCodePoints("😀"), 1);
}

TEST(Utf8Test, RefusesWhatIsNotWellFormed) {
  // A stray tail, an overlong slash, a surrogate, beyond U+10FFFF, a cut sequence.
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe4\xb9", "\xff"}) {
    EXPECT_EQ(CountCodePoints(bad), std::nullopt);
  }
}

TEST(Utf8Test, FindsControlCharacters) {
  EXPECT_FALSE(HasControlCharacters("一行\n两行\t", true));
  EXPECT_TRUE(HasControlCharacters("一行\n两行", false));
  EXPECT_TRUE(HasControlCharacters(std::string_view("a\0b", 3), true));
  EXPECT_TRUE(HasControlCharacters("\x1b[31m", true));
  EXPECT_TRUE(HasControlCharacters("\xc2\x85", true));
  EXPECT_TRUE(
      HasControlCharacters("\xef\xbb\xbf"
                           "a",
                           true));
  EXPECT_FALSE(HasControlCharacters("ئۇيغۇرچە", false));
}

TEST(Utf8Test, TruncatesBetweenCodePoints) {
  EXPECT_EQ(TruncateCodePoints("乌恰县", 2), "乌恰");
  EXPECT_EQ(TruncateCodePoints("乌恰县", 9), "乌恰县");
}

}  // namespace
}  // namespace hotline
