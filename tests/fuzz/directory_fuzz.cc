// A file of the directory: what is taken comes out again, and goes in again the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "services/escalation/directory/core/csv.h"

namespace {

using namespace hotline::escalation::directory;  // NOLINT(google-build-using-namespace)

void Law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

class AlwaysOpen final : public OfficeHours {
 public:
  bool Knows(std::string_view) const override { return true; }
  bool IsOpen(std::string_view, absl::Time) const override { return true; }
  absl::Time NextChange(std::string_view, absl::Time) const override { return absl::InfiniteFuture(); }
};

Outcome Take(const CsvFile& file) {
  static const AlwaysOpen hours;
  std::vector<hotline::escalation::v1::DirectoryEdit> edits;
  for (const CsvRow& row : file.rows) *edits.emplace_back().mutable_put() = row.entry;
  return Judge(Directory(), edits, {.now = absl::UnixEpoch(), .allow_missing_roles = true, .hours = &hours});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const CsvFile file = ReadCsv(std::string_view(reinterpret_cast<const char*>(data), size));
  for (const Problem& problem : file.problems)
    Law(!problem.english.empty() && !problem.chinese.empty(), "no reason");
  if (!file.problems.empty()) return 0;
  const Outcome taken = Take(file);
  if (!taken.problems.empty()) return 0;
  const std::string text = WriteCsv(taken.after, size % 2 == 0, size % 3 == 0);
  const CsvFile again = ReadCsv(text);
  Law(again.problems.empty(), "what was written cannot be read");
  const Outcome same = Take(again);
  Law(same.problems.empty(), "what was written is not taken");
  Law(same.after.entries().size() == taken.after.entries().size(), "entries are lost");
  for (const auto& [key, entry] : taken.after.entries()) {
    const auto it = same.after.entries().find(key);
    Law(it != same.after.entries().end() && it->second->SerializeAsString() == entry->SerializeAsString(),
        "an entry reads differently");
  }
  return 0;
}
