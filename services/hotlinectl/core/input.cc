#include "services/hotlinectl/core/input.h"

#include <fstream>
#include <utility>
#include <vector>

namespace hotline::hotlinectl {

std::optional<Failure> ReadInput(const std::string& path, size_t most_bytes, std::string* bytes) {
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  std::string read;
  std::vector<char> chunk(size_t{1} << 20);
  // By read(), which says in the stream's state what an iterator over it would throw.
  while (file && read.size() <= most_bytes) {
    file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    read.append(chunk.data(), static_cast<size_t>(file.gcount()));
  }
  // A folder opens but cannot be read.
  if (!file.is_open() || file.bad()) return Misuse(say::kCannotRead, path);
  if (read.size() > most_bytes) return Misuse(say::kInputTooLarge, path, most_bytes >> 20);
  *bytes = std::move(read);
  return std::nullopt;
}

}  // namespace hotline::hotlinectl
