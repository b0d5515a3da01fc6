// The directories of a spool as the protocol sees them. Files there may come, go and change at any moment:
// other people's tools copy them.
#ifndef SERVICES_DISPATCH_SPOOL_FILES_H_
#define SERVICES_DISPATCH_SPOOL_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotline::dispatch {

// What a writer calls a file until it is whole.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";

struct SpoolFile {
  std::string name;
  int64_t bytes = 0;
};

// May block on the disk. Used from one thread at a time. Names hold no `/`. Errors: NOT_FOUND for a file or
// a directory that is not there, RESOURCE_EXHAUSTED for a full disk, else UNAVAILABLE.
class SpoolFiles {
 public:
  virtual ~SpoolFiles() = default;
  // Makes a directory, with those above it, unless it is there.
  virtual absl::Status Make(const std::string& directory) = 0;
  // The regular files whose names do not begin with a dot, in no order; at most `limit`. Links, pipes and
  // directories are left out.
  virtual absl::StatusOr<std::vector<SpoolFile>> List(const std::string& directory, int limit) = 0;
  // The first `limit` bytes.
  virtual absl::StatusOr<std::string> Read(const std::string& directory, const std::string& name,
                                           int64_t limit) = 0;
  // Puts a file there, whole or not at all, whatever happens meanwhile; on OK it survives a power failure. A
  // file of that name gives way. After an error it may be there or not.
  virtual absl::Status Write(const std::string& directory, const std::string& name,
                             std::string_view bytes) = 0;
  // What an interrupted Write has left in a directory goes.
  virtual absl::Status DropUnfinished(const std::string& directory) = 0;
  virtual absl::Status Remove(const std::string& directory, const std::string& name) = 0;
  // To another directory of the same file system.
  virtual absl::Status Move(const std::string& directory, const std::string& name,
                            const std::string& to_directory, const std::string& to_name) = 0;
};

// The machine's files. Thread-safe.
std::unique_ptr<SpoolFiles> NewPosixFiles();

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SPOOL_FILES_H_
