// Reads what a user names as a file.
#ifndef SERVICES_HOTLINECTL_CORE_INPUT_H_
#define SERVICES_HOTLINECTL_CORE_INPUT_H_

#include <optional>
#include <string>

#include "services/hotlinectl/core/failure.h"

namespace hotline::hotlinectl {

// A list of people or of examples is far below it.
inline constexpr size_t kMaxListBytes = size_t{16} << 20;

// The bytes of `path`, `-` for standard input: never more is read than one byte beyond `most_bytes`. Wrong
// use of the command line, whichever command it is, if it cannot be read, as a folder cannot, or has more
// bytes; `bytes` is then left alone.
std::optional<Failure> ReadInput(const std::string& path, size_t most_bytes, std::string* bytes);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_INPUT_H_
