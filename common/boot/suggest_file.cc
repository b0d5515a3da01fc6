#include "common/boot/suggest_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "common/base/text.h"
#include "common/boot/config.h"
#include "common/suggest/examples.h"

namespace hotline::boot {
namespace {

// Twenty thousand long examples.
constexpr uintmax_t kMaxExampleBytes = 16 << 20;

}  // namespace

absl::StatusOr<SuggestFiles> LoadSuggestFiles(const std::string& directory) {
  namespace fs = std::filesystem;
  SuggestFiles files;
  const fs::path folder = fs::path(directory) / "suggest";
  const absl::Status read = LoadYaml((folder / "terms.yaml").string(), &files.terms);
  if (!read.ok()) return read;
  const std::string problems = suggest::CheckTerms(files.terms);
  if (!problems.empty())
    return absl::InvalidArgumentError(StrCat((folder / "terms.yaml").string(), ":\n", problems));
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name == "examples.jsonl" || (name.starts_with("examples-") && name.ends_with(".jsonl"))) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::set<std::string> ids;
  for (const fs::path& path : paths) {
    const uintmax_t size = fs::file_size(path, error);
    if (!error && size > kMaxExampleBytes)
      return absl::InvalidArgumentError(StrCat(path.string(), ": more than 16 MiB"));
    // By read(), which says in the stream's state what an iterator over it would throw.
    std::string text(error ? 0 : size, '\0');
    std::ifstream in(path, std::ios::binary);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (error || !in) return absl::NotFoundError(StrCat("cannot read ", path.string()));
    auto examples = suggest::ParseExamples(text, path.string());
    if (!examples.ok()) return examples.status();
    for (auto& example : *examples) {
      if (!ids.insert(example.id()).second) {
        return absl::InvalidArgumentError(
            StrCat(path.string(), ": id ", example.id(), " is in another file too"));
      }
      files.examples.push_back(std::move(example));
    }
  }
  return files;
}

}  // namespace hotline::boot
