#include "services/hotlinectl/core/input.h"

#include <fstream>
#include <vector>

#include "common/base/text.h"

namespace hotline::hotlinectl {

absl::StatusOr<std::string> ReadInput(const std::string& path, size_t most_bytes, Language language) {
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  std::string bytes;
  std::vector<char> chunk(size_t{1} << 20);
  // By read(), which says in the stream's state what an iterator over it would throw.
  while (file && bytes.size() <= most_bytes) {
    file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    bytes.append(chunk.data(), static_cast<size_t>(file.gcount()));
  }
  // A folder opens but cannot be read.
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(ToAbsl(Say(language, say::kCannotRead, path)));
  }
  if (bytes.size() > most_bytes) {
    return absl::InvalidArgumentError(ToAbsl(Say(language, say::kInputTooLarge, path, most_bytes >> 20)));
  }
  return bytes;
}

}  // namespace hotline::hotlinectl
