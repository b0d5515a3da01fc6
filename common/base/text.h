// Putting texts together. The packaged Abseil has a string_view of its own, which std::string_view does not
// convert to; these two bridge the gap, so that everything else uses std::string_view.
#ifndef COMMON_BASE_TEXT_H_
#define COMMON_BASE_TEXT_H_

#include <concepts>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace hotline {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

namespace internal {
inline void Append(std::string* out, std::string_view text) { out->append(text); }
inline void Append(std::string* out, absl::string_view text) { out->append(text.data(), text.size()); }
inline void Append(std::string* out, const char* text) { out->append(text); }
inline void Append(std::string* out, const std::string& text) { out->append(text); }
template <std::integral T>
void Append(std::string* out, T value) {
  out->append(std::to_string(value));
}
}  // namespace internal

// The pieces, texts and whole numbers, one after the other.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (internal::Append(&out, pieces), ...);
  return out;
}

}  // namespace hotline

#endif  // COMMON_BASE_TEXT_H_
