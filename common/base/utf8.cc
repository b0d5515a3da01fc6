#include "common/base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace hotline {
namespace {

// Length of the well-formed sequence at the front of `text`, which is not empty; 0 if there is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](size_t i, unsigned char low = 0x80, unsigned char high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  // The bounds on the second byte keep out overlong forms, surrogates and what lies beyond U+10FFFF.
  if (lead >= 0xe0 && lead <= 0xef) {
    return tail(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    return tail(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// The code point that a well-formed sequence stands for.
char32_t CodePointOf(std::string_view sequence) {
  const unsigned char lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead;
  char32_t code_point = lead & (0x7f >> sequence.size());
  for (const char tail : sequence.substr(1)) {
    code_point = code_point << 6 | (static_cast<unsigned char>(tail) & 0x3f);
  }
  return code_point;
}

// Unicode's White_Space and Default_Ignorable_Code_Point, first and last of each run. Sorted.
struct Run {
  char32_t first;
  char32_t last;
};
constexpr Run kBlank[] = {{0x0009, 0x000d},   {0x0020, 0x0020},   {0x0085, 0x0085},  {0x00a0, 0x00a0},
                          {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x061c, 0x061c},  {0x115f, 0x1160},
                          {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},  {0x2000, 0x200f},
                          {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},  {0x3164, 0x3164},
                          {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},  {0xfff0, 0xfff8},
                          {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};

// Identifiers, times and most of what is bound to a statement are ASCII: so many bytes are looked at
// together.
constexpr size_t kWord = 8;
bool BeginsWithAsciiWord(std::string_view text) {
  if (text.size() < kWord) return false;
  uint64_t word;
  std::memcpy(&word, text.data(), kWord);
  return (word & 0x8080'8080'8080'8080u) == 0;
}

// Whether one of these bytes may be a control character or begin one. Without an exit, so that it is done for
// all of them at once.
constexpr size_t kBlock = 16;
bool MayHaveControlCharacters(const char* block) {
  unsigned suspects = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto c = static_cast<unsigned char>(block[i]);
    suspects |= static_cast<unsigned>(c < 0x20) | static_cast<unsigned>(c == 0x7f) |
                static_cast<unsigned>(c == 0xc2) | static_cast<unsigned>(c == 0xef);
  }
  return suspects != 0;
}

}  // namespace

std::optional<int64_t> CountCodePoints(std::string_view text) {
  int64_t count = 0;
  while (!text.empty()) {
    // Chinese is most of what is read here.
    if (text.size() >= 3 && static_cast<unsigned char>(text[0]) - 0xe1u <= 0xecu - 0xe1u &&
        (text[1] & 0xc0) == 0x80 && (text[2] & 0xc0) == 0x80) {
      text.remove_prefix(3);
      ++count;
      continue;
    }
    if (BeginsWithAsciiWord(text)) {
      text.remove_prefix(kWord);
      count += kWord;
      continue;
    }
    const size_t length = SequenceLength(text);
    if (length == 0) return std::nullopt;
    text.remove_prefix(length);
    ++count;
  }
  return count;
}

bool HasControlCharacters(std::string_view text, bool allow_line_breaks) {
  for (size_t i = 0; i < text.size(); ++i) {
    while (text.size() - i > kBlock && !MayHaveControlCharacters(text.data() + i)) i += kBlock;
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && !(allow_line_breaks && (c == '\n' || c == '\t' || c == '\r'))) return true;
    if (c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
    if (c == 0xef && text.substr(i, 3) == "\xef\xbb\xbf") return true;
  }
  return false;
}

bool HasLineSeparators(std::string_view text) {
  return text.find("\xe2\x80\xa8") != std::string_view::npos ||
         text.find("\xe2\x80\xa9") != std::string_view::npos;
}

bool IsBlank(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    const char32_t code_point = CodePointOf(text.substr(0, length));
    const Run* const run =
        std::find_if(std::begin(kBlank), std::end(kBlank),
                     [code_point](const Run& candidate) { return code_point <= candidate.last; });
    if (run == std::end(kBlank) || code_point < run->first) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view TruncateCodePoints(std::string_view text, int64_t max_code_points) {
  size_t end = 0;
  while (end < text.size() && max_code_points-- > 0) {
    const size_t length = SequenceLength(text.substr(end));
    if (length == 0) break;
    end += length;
  }
  return text.substr(0, end);
}

}  // namespace hotline
