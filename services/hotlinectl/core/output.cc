#include "services/hotlinectl/core/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace hotline::hotlinectl {
namespace {

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(file, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

}  // namespace

bool WritePrivate(const std::string& path, std::string_view bytes, IfExists if_exists) {
  const int create = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  int file = open(path.c_str(), create, 0600);
  const bool made = file >= 0;
  if (!made && errno == EEXIST && if_exists == IfExists::kReplace) {
    file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (file < 0) return false;
  struct stat info = {};
  bool whole = fstat(file, &info) == 0;
  const bool regular = S_ISREG(info.st_mode);
  if (whole && regular && !made) {
    // Of one's own file this fails only where the file system knows no modes, as on a memory stick.
    const bool closed = fchmod(file, 0600) == 0 || info.st_uid == geteuid();
    whole = closed && ftruncate(file, 0) == 0;
  }
  whole = whole && WriteAll(file, bytes) && (!regular || fsync(file) == 0);
  const int error = errno;
  close(file);
  // Half a file would only be found out at its use.
  if (!whole && made) unlink(path.c_str());
  errno = error;
  return whole;
}

}  // namespace hotline::hotlinectl
