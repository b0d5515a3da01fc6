#include "common/boot/catalogue_file.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/boot/config.h"
#include "common/boot/yaml_text.h"
#include "common/error/error.h"

namespace hotline::boot {
namespace {

using error::Reason;

// Where `path` stands in its file, or else the nearest thing around it that does.
Position PlaceOf(const Positions& positions, std::string path) {
  while (true) {
    if (const auto it = positions.find(path); it != positions.end()) return it->second;
    if (path.empty()) return {1, 1};
    const size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const catalogue::Catalogue>> LoadCatalogue(const std::string& path) {
  config::v1::Catalogue message;
  Positions positions;
  if (absl::Status status = LoadYaml(path, &message, &positions); !status.ok()) {
    if (absl::IsNotFound(status)) return status;
    const std::string faults(ToStd(status.message()));
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "", faults,
                           StrCat("清单文件有误：", YamlFaultsZh(faults, path)));
  }
  const std::vector<catalogue::Problem> problems = catalogue::CheckCatalogue(message);
  if (problems.empty()) return catalogue::Catalogue::Create(std::move(message));
  std::string english;
  std::string chinese;
  for (const catalogue::Problem& problem : problems) {
    const Position at = PlaceOf(positions, problem.path);
    const std::string place = StrCat(path, ":", at.line, ":", at.column, ": ");
    if (&problem != &problems.front()) {
      english += StrCat("\n", problem.path, ": ");
      chinese += StrCat("\n字段 ", problem.path, "：");
    }
    english += place + problem.english;
    chinese += place + problem.chinese;
  }
  return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, problems.front().path, english, chinese);
}

absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>> LoadCatalogues(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code failed;
  for (std::filesystem::directory_iterator it(directory, failed), end; !failed && it != end;
       it.increment(failed)) {
    if (it->path().extension() == ".yaml") files.push_back(it->path().string());
  }
  if (failed) return absl::NotFoundError(ToAbsl(StrCat("cannot read ", directory, ": ", failed.message())));
  if (files.empty()) return absl::NotFoundError(ToAbsl(StrCat("no *.yaml in ", directory)));
  std::sort(files.begin(), files.end());
  std::vector<std::shared_ptr<const catalogue::Catalogue>> versions;
  for (const std::string& file : files) {
    absl::StatusOr<std::shared_ptr<const catalogue::Catalogue>> version = LoadCatalogue(file);
    if (!version.ok()) return version.status();
    versions.push_back(*std::move(version));
  }
  return catalogue::CatalogueSet::Create(std::move(versions));
}

}  // namespace hotline::boot
