#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "common/base/text.h"
#include "services/dispatch/spool/files.h"

namespace hotline::dispatch {
namespace {

absl::Status Failure(int error, std::string_view what, const std::string& path) {
  const std::string text = StrCat(what, " ", path, ": ", strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(text);
  return absl::UnavailableError(text);
}

// Closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Close() {
    const int fd = fd_;
    fd_ = -1;
    return close(fd);
  }

 private:
  int fd_;
};

class PosixFiles final : public SpoolFiles {
 public:
  absl::Status Make(const std::string& directory) override {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return Failure(error.value(), "cannot make", directory);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<SpoolFile>> List(const std::string& directory, int limit) override {
    return Entries(directory, limit, [](std::string_view name) { return name[0] != '.'; });
  }

  absl::StatusOr<std::string> Read(const std::string& directory, const std::string& name,
                                   int64_t limit) override {
    const std::string path = StrCat(directory, "/", name);
    // Nobody makes us follow a link out of the directory, or wait for a pipe.
    Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.get() < 0) return Failure(errno, "cannot open", path);
    struct stat info;
    if (fstat(file.get(), &info) != 0) return Failure(errno, "cannot look at", path);
    if (!S_ISREG(info.st_mode)) return absl::UnavailableError(StrCat("not a file: ", path));
    std::string bytes(static_cast<size_t>(std::min<int64_t>(limit, info.st_size)), '\0');
    size_t have = 0;
    while (have < bytes.size()) {
      const ssize_t got = read(file.get(), bytes.data() + have, bytes.size() - have);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Failure(errno, "cannot read", path);
      if (got == 0) break;
      have += static_cast<size_t>(got);
    }
    bytes.resize(have);
    return bytes;
  }

  absl::Status Write(const std::string& directory, const std::string& name, std::string_view bytes) override {
    const std::string path = StrCat(directory, "/", name);
    const std::string temporary = StrCat(directory, "/", kTemporaryPrefix, name);
    absl::Status status = WriteTemporary(temporary, bytes);
    if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
      status = Failure(errno, "cannot rename", temporary);
    }
    if (!status.ok()) {
      unlink(temporary.c_str());
      return status;
    }
    Descriptor folder(open(directory.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
    if (folder.get() < 0 || fsync(folder.get()) != 0) return Failure(errno, "cannot sync", directory);
    return absl::OkStatus();
  }

  absl::Status DropUnfinished(const std::string& directory) override {
    const auto unfinished = Entries(directory, kMaxUnfinished,
                                    [](std::string_view name) { return name.starts_with(kTemporaryPrefix); });
    if (!unfinished.ok()) return unfinished.status();
    for (const SpoolFile& file : *unfinished) {
      if (absl::Status status = Remove(directory, file.name); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& directory, const std::string& name) override {
    const std::string path = StrCat(directory, "/", name);
    if (unlink(path.c_str()) != 0) return Failure(errno, "cannot remove", path);
    return absl::OkStatus();
  }

  absl::Status Move(const std::string& directory, const std::string& name, const std::string& to_directory,
                    const std::string& to_name) override {
    const std::string path = StrCat(directory, "/", name);
    const std::string to = StrCat(to_directory, "/", to_name);
    if (rename(path.c_str(), to.c_str()) != 0) return Failure(errno, "cannot move", path);
    return absl::OkStatus();
  }

 private:
  static constexpr int kMaxUnfinished = 100'000;

  template <typename Wanted>
  static absl::StatusOr<std::vector<SpoolFile>> Entries(const std::string& directory, int limit,
                                                        Wanted wanted) {
    DIR* const stream = opendir(directory.c_str());
    if (stream == nullptr) return Failure(errno, "cannot open", directory);
    std::vector<SpoolFile> files;
    int error = 0;
    while (static_cast<int>(files.size()) < limit) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) {
        error = errno;
        break;
      }
      if (!wanted(std::string_view(entry->d_name))) continue;
      struct stat info;
      // It may have gone since it was listed.
      if (fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (!S_ISREG(info.st_mode)) continue;
      files.push_back({.name = entry->d_name, .bytes = info.st_size});
    }
    closedir(stream);
    if (error != 0) return Failure(error, "cannot list", directory);
    return files;
  }

  static absl::Status WriteTemporary(const std::string& path, std::string_view bytes) {
    // Whatever copies it may be another user of the same group; the rest of the machine may not read it.
    Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (file.get() < 0) return Failure(errno, "cannot make", path);
    while (!bytes.empty()) {
      const ssize_t put = write(file.get(), bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Failure(errno, "cannot write", path);
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    if (fsync(file.get()) != 0) return Failure(errno, "cannot sync", path);
    if (file.Close() != 0) return Failure(errno, "cannot close", path);
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<SpoolFiles> NewPosixFiles() { return std::make_unique<PosixFiles>(); }

}  // namespace hotline::dispatch
