#include "common/boot/suggest_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "common/base/text.h"
#include "common/boot/config.h"
#include "common/boot/yaml_text.h"
#include "common/error/error.h"
#include "common/suggest/examples.h"

namespace hotline::boot {
namespace {

// Some eighty thousand examples.
constexpr uintmax_t kMaxExampleBytes = 16 << 20;

absl::Status Wrong(std::string_view english, std::string_view chinese) {
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "", english, chinese);
}

absl::Status Unreadable(const std::string& path, std::string_view why) {
  return Wrong(StrCat("cannot read ", path, ": ", why), StrCat("无法读取 ", path, "：", why));
}

}  // namespace

absl::StatusOr<SuggestFiles> LoadSuggestFiles(const std::string& directory) {
  namespace fs = std::filesystem;
  SuggestFiles files;
  const fs::path folder = fs::path(directory) / "suggest";
  std::error_code error;
  // A link that leads nowhere is there, and wrong.
  if (fs::symlink_status(folder, error).type() == fs::file_type::not_found) {
    return absl::NotFoundError(StrCat("there is no ", folder.string()));
  }
  const std::string terms = (folder / "terms.yaml").string();
  if (const absl::Status read = LoadYaml(terms, &files.terms); !read.ok()) {
    const std::string faults(ToStd(read.message()));
    return Wrong(faults, absl::IsNotFound(read) ? StrCat("无法读取 ", terms) : YamlFaultsZh(faults, terms));
  }
  const std::string problems = suggest::CheckTerms(files.terms);
  if (!problems.empty()) return absl::InvalidArgumentError(StrCat(terms, ":\n", problems));
  std::vector<fs::path> paths;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "examples.jsonl" || (name.starts_with("examples-") && name.ends_with(".jsonl"))) {
      paths.push_back(it->path());
    }
  }
  if (error) return Unreadable(folder.string(), error.message());
  if (paths.empty()) {
    return Wrong(StrCat("no examples*.jsonl in ", folder.string()),
                 StrCat(folder.string(), " 中没有 examples*.jsonl"));
  }
  std::sort(paths.begin(), paths.end());
  std::set<std::string> ids;
  for (const fs::path& path : paths) {
    const uintmax_t size = fs::file_size(path, error);
    if (error) return Unreadable(path.string(), error.message());
    if (size > kMaxExampleBytes)
      return Wrong(StrCat(path.string(), ": more than 16 MiB"), StrCat(path.string(), "：超过 16 MiB"));
    // By read(), which says in the stream's state what an iterator over it would throw.
    std::string text(size, '\0');
    std::ifstream in(path, std::ios::binary);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in) return Unreadable(path.string(), strerror(errno));
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
