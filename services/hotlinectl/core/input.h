// Reads what a user names as a file.
#ifndef SERVICES_HOTLINECTL_CORE_INPUT_H_
#define SERVICES_HOTLINECTL_CORE_INPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

// A list of people or of examples is far below it.
inline constexpr size_t kMaxListBytes = size_t{16} << 20;

// The bytes of `path`, `-` for standard input: never more is read than one byte beyond `most_bytes`. Errors,
// in `language`: NOT_FOUND if it cannot be read, as a folder cannot; INVALID_ARGUMENT if it has more bytes.
absl::StatusOr<std::string> ReadInput(const std::string& path, size_t most_bytes, Language language);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_INPUT_H_
