#include "common/base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

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

// Runs are looked at together: what is found must not depend on where in them it stands.
TEST(Utf8Test, FindsThemWhereverTheyStand) {
  for (const std::string_view around : {"a", "乌", "ч", "ە"}) {
    for (int before = 0; before < 40; ++before) {
      std::string text;
      for (int i = 0; i < before; ++i) text += around;
      const std::string front = text;
      for (int i = 0; i < 20; ++i) text += around;
      const std::string back = text.substr(front.size());
      EXPECT_EQ(CountCodePoints(text), before + 20);
      EXPECT_FALSE(HasControlCharacters(text, false));
      for (const std::string_view bad : {"\x1f", "\x7f", "\xc2\x80", "\xc2\x9f", "\xef\xbb\xbf", "\n"}) {
        EXPECT_TRUE(HasControlCharacters(front + std::string(bad) + back, false)) << before;
        EXPECT_TRUE(HasControlCharacters(front + std::string(bad), false)) << before;
      }
      for (const std::string_view good : {"\xc2\xa0", "\xef\xbc\x8c", " ", "~"}) {
        EXPECT_FALSE(HasControlCharacters(front + std::string(good) + back, false)) << before;
        EXPECT_EQ(CountCodePoints(front + std::string(good) + back), before + 21);
      }
      EXPECT_EQ(CountCodePoints(front + "\xff" + back), std::nullopt);
      EXPECT_EQ(CountCodePoints(front + "\xe4\xb9"), std::nullopt);
    }
  }
}

TEST(Utf8Test, FindsLineSeparators) {
  EXPECT_TRUE(HasLineSeparators("一行\u2028两行"));
  EXPECT_TRUE(HasLineSeparators("\u2029"));
  EXPECT_FALSE(HasLineSeparators("一行\n"));
  EXPECT_FALSE(HasLineSeparators("\u2027\u202a"));
}

TEST(Utf8Test, BlankIsWhatShowsNothing) {
  for (const char* blank :
       {"", " \t\r\n", "\u3000", "\u00a0\u1680\u2003\u205f", "\u200b\u200c\u200d\u200e", "\u2028\u2029\u202f",
        "\u2060\ufeff\u00ad", "\u3164\u115f\uffa0", "\ufe0f", "\U000e0041", "\u3000 \u200b"}) {
    EXPECT_TRUE(IsBlank(blank)) << blank;
  }
  for (const char* seen :
       {"a", " a", "乌", "\u3000乌", "ئۇيغۇر\u200cچە", "\u2027", "\u3001", "\u061b", "😀", "\xff"}) {
    EXPECT_FALSE(IsBlank(seen)) << seen;
  }
}

TEST(Utf8Test, TruncatesBetweenCodePoints) {
  EXPECT_EQ(TruncateCodePoints("乌恰县", 2), "乌恰");
  EXPECT_EQ(TruncateCodePoints("乌恰县", 9), "乌恰县");
}

}  // namespace
}  // namespace hotline
