// UTF-8 (RFC 3629).
#ifndef COMMON_BASE_UTF8_H_
#define COMMON_BASE_UTF8_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hotline {

// Number of code points, or nothing if `text` is not well-formed UTF-8.
std::optional<int64_t> CountCodePoints(std::string_view text);

// True if `text` holds a C0 or C1 control character or U+FEFF; tab and line feed count unless
// `allow_line_breaks`, carriage return likewise. `text` is well-formed.
bool HasControlCharacters(std::string_view text, bool allow_line_breaks);

// True if `text` holds U+2028 or U+2029, which end a line without being control characters.
bool HasLineSeparators(std::string_view text);

// True if `text` shows nothing to whoever reads it: it is empty, or made of white space and of code points
// that are not drawn of themselves (Unicode's White_Space and Default_Ignorable_Code_Point). `text` is
// well-formed.
bool IsBlank(std::string_view text);

// The longest prefix of well-formed `text` with at most `max_code_points`.
std::string_view TruncateCodePoints(std::string_view text, int64_t max_code_points);

}  // namespace hotline

#endif  // COMMON_BASE_UTF8_H_
