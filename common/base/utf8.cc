#include "common/base/utf8.h"

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
    const size_t length = SequenceLength(text);
    if (length == 0) return std::nullopt;
    text.remove_prefix(length);
    ++count;
  }
  return count;
}

bool HasControlCharacters(std::string_view text, bool allow_line_breaks) {
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && !(allow_line_breaks && (c == '\n' || c == '\t' || c == '\r'))) return true;
    if (c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
    if (c == 0xef && text.substr(i, 3) == "\xef\xbb\xbf") return true;
  }
  return false;
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
