// Directories in memory, with the troubles that disks have.
#ifndef TESTS_SUPPORT_MEMORY_FILES_H_
#define TESTS_SUPPORT_MEMORY_FILES_H_

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/text.h"
#include "services/dispatch/spool/files.h"

namespace hotline::test {

// Single-threaded. What Write has answered with OK stays; there is nothing unsynced to lose.
class MemoryFiles : public dispatch::SpoolFiles {
 public:
  using Directory = std::map<std::string, std::string>;

  // ---- Under the test's hand.

  Directory& at(const std::string& directory) { return directories_[directory]; }
  // Bytes that all files together may have; a Write beyond it finds the disk full.
  void SetCapacity(int64_t bytes) { capacity_ = bytes; }
  // Everything in `directory` fails until it is mended.
  void Break(const std::string& directory) { broken_.insert(directory); }
  void Mend(const std::string& directory) { broken_.erase(directory); }
  // Nothing can be removed from `directory`, nor moved.
  void Pin(const std::string& directory, bool pinned) {
    pinned ? static_cast<void>(pinned_.insert(directory)) : static_cast<void>(pinned_.erase(directory));
  }
  // The next Write leaves half of the file under its temporary name, as a process does that is killed in it.
  void TearNextWrite() { tear_ = true; }
  int64_t reads() const { return reads_; }

  // ---- SpoolFiles

  absl::Status Make(const std::string& directory) override {
    if (broken_.contains(directory)) return Broken(directory);
    directories_[directory];
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<dispatch::SpoolFile>> List(const std::string& directory, int limit) override {
    if (broken_.contains(directory)) return Broken(directory);
    std::vector<dispatch::SpoolFile> files;
    for (const auto& [name, bytes] : directories_[directory]) {
      if (name[0] == '.') continue;
      if (static_cast<int>(files.size()) == limit) break;
      files.push_back({.name = name, .bytes = static_cast<int64_t>(bytes.size())});
    }
    return files;
  }
  absl::StatusOr<std::string> Read(const std::string& directory, const std::string& name,
                                   int64_t limit) override {
    ++reads_;
    if (broken_.contains(directory)) return Broken(directory);
    const Directory& files = directories_[directory];
    const auto it = files.find(name);
    if (it == files.end()) return absl::NotFoundError(name);
    return it->second.substr(0, static_cast<size_t>(limit));
  }
  absl::Status Write(const std::string& directory, const std::string& name, std::string_view bytes) override {
    if (broken_.contains(directory)) return Broken(directory);
    if (tear_) {
      tear_ = false;
      directories_[directory][StrCat(dispatch::kTemporaryPrefix, name)] =
          std::string(bytes.substr(0, bytes.size() / 2));
      return absl::UnavailableError("torn");
    }
    int64_t used = 0;
    for (const auto& [folder, files] : directories_) {
      for (const auto& [other, content] : files) used += static_cast<int64_t>(content.size());
    }
    if (used + static_cast<int64_t>(bytes.size()) > capacity_) return absl::ResourceExhaustedError("full");
    directories_[directory][name] = std::string(bytes);
    return absl::OkStatus();
  }
  absl::Status DropUnfinished(const std::string& directory) override {
    std::erase_if(directories_[directory],
                  [](const auto& file) { return file.first.starts_with(dispatch::kTemporaryPrefix); });
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& directory, const std::string& name) override {
    if (broken_.contains(directory) || pinned_.contains(directory)) return Broken(directory);
    if (directories_[directory].erase(name) == 0) return absl::NotFoundError(name);
    return absl::OkStatus();
  }
  absl::Status Move(const std::string& directory, const std::string& name, const std::string& to_directory,
                    const std::string& to_name) override {
    if (broken_.contains(directory) || pinned_.contains(directory)) return Broken(directory);
    auto file = directories_[directory].extract(name);
    if (file.empty()) return absl::NotFoundError(name);
    directories_[to_directory][to_name] = std::move(file.mapped());
    return absl::OkStatus();
  }

 private:
  static absl::Status Broken(const std::string& directory) {
    return absl::UnavailableError(StrCat("cannot use ", directory));
  }

  std::map<std::string, Directory> directories_;
  std::set<std::string> broken_;
  std::set<std::string> pinned_;
  int64_t capacity_ = std::numeric_limits<int64_t>::max();
  bool tear_ = false;
  int64_t reads_ = 0;
};

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_MEMORY_FILES_H_
