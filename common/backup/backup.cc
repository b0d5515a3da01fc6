#include "common/backup/backup.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"

namespace hotline::backup {
namespace {

namespace fs = std::filesystem;
using operation::v1::BackupFile;
using operation::v1::BackupManifest;

constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMaxManifestBytes = 1 << 20;
constexpr size_t kPieceBytes = 1 << 20;
constexpr int64_t kMostReserve = int64_t{1} << 30;
constexpr int64_t kReserveShare = 10;  // one part in so many
constexpr size_t kFewestWhole = 2;     // that are left when room is made
constexpr std::string_view kServices[] = {"escalation", "work_order"};

absl::Status SystemError(std::string_view what, const std::string& path, int number) {
  const std::string message = StrCat(what, " ", path, ": ", std::generic_category().message(number));
  return number == ENOSPC || number == EDQUOT ? absl::ResourceExhaustedError(message)
                                              : absl::UnavailableError(message);
}

absl::Status SystemError(std::string_view what, const std::string& path, std::error_code code) {
  return SystemError(what, path, code.value());
}

// As the catalogue says it.
absl::Status Explain(const absl::Status& status) {
  if (status.ok() || error::ReasonOf(status) != error::Reason::ERROR_REASON_UNSPECIFIED) return status;
  if (status.code() == absl::StatusCode::kResourceExhausted) return error::DiskFull();
  return error::StoreFailed(ToStd(status.message()));
}

class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status Sync(const std::string& path) {
  const File file(path, O_RDONLY);
  if (file.fd() < 0 || fsync(file.fd()) != 0) return SystemError("cannot sync", path, errno);
  return absl::OkStatus();
}

// Makes a folder that its owner alone can enter. OK if it is there.
absl::Status MakeFolder(const std::string& path) {
  std::error_code code;
  if (fs::create_directories(path, code)) fs::permissions(path, fs::perms::owner_all, code);
  return code ? SystemError("cannot create", path, code) : absl::OkStatus();
}

// Whose files a folder holds.
struct Holder {
  uid_t user = 0;
  gid_t group = 0;
};

// Whoever has `path` or, if it is not there, the first folder above it that is. Nothing unless that is
// another than who asks, and who asks is root.
std::optional<Holder> HolderOf(const std::string& path) {
  if (geteuid() != 0) return std::nullopt;
  struct stat info;
  for (fs::path at = fs::absolute(path);; at = at.parent_path()) {
    if (stat(at.c_str(), &info) == 0) break;
    if (at == at.parent_path()) return std::nullopt;
  }
  if (info.st_uid == 0) return std::nullopt;
  return Holder{info.st_uid, info.st_gid};
}

// Gives the file to the holder: root restores what a service will open.
absl::Status Give(const std::string& path, const std::optional<Holder>& holder) {
  if (!holder.has_value() || lchown(path.c_str(), holder->user, holder->group) == 0) return absl::OkStatus();
  return SystemError("cannot give away", path, errno);
}

// Reads `from` to its end, in pieces.
template <typename Take>
absl::Status ReadPieces(const std::string& from, Take take) {
  const File in(from, O_RDONLY);
  if (in.fd() < 0) return SystemError("cannot read", from, errno);
  const auto piece = std::make_unique<char[]>(kPieceBytes);
  for (;;) {
    if (ScopedStop::IsAsked()) return absl::CancelledError(StrCat("stopped while reading ", from));
    const ssize_t got = read(in.fd(), piece.get(), kPieceBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read", from, errno);
    if (got == 0) return absl::OkStatus();
    if (absl::Status status = take(std::string_view(piece.get(), static_cast<size_t>(got))); !status.ok()) {
      return status;
    }
  }
}

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void Add(std::string_view piece) { EVP_DigestUpdate(context_.get(), piece.data(), piece.size()); }
  std::string Hex() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), bytes, &size);
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(bytes), size));
  }

 private:
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

// Into the new file `to`, synced. The digest of what was copied. What fails leaves no file of its making.
absl::StatusOr<std::string> CopyFile(const std::string& from, const std::string& to) {
  const File out(to, O_WRONLY | O_CREAT | O_EXCL);
  if (out.fd() < 0) return SystemError("cannot create", to, errno);
  Digest digest;
  absl::Status status = ReadPieces(from, [&](std::string_view piece) {
    digest.Add(piece);
    while (!piece.empty()) {
      const ssize_t wrote = write(out.fd(), piece.data(), piece.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return SystemError("cannot write", to, errno);
      piece.remove_prefix(static_cast<size_t>(wrote));
    }
    return absl::OkStatus();
  });
  if (status.ok() && fsync(out.fd()) != 0) status = SystemError("cannot sync", to, errno);
  if (!status.ok()) {
    unlink(to.c_str());
    return status;
  }
  return digest.Hex();
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  const File out(path, O_WRONLY | O_CREAT | O_EXCL);
  if (out.fd() < 0) return SystemError("cannot create", path, errno);
  while (!bytes.empty()) {
    const ssize_t wrote = write(out.fd(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return SystemError("cannot write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return fsync(out.fd()) == 0 ? absl::OkStatus() : SystemError("cannot sync", path, errno);
}

// Everything in `folder` and the folders in it, by name; folders are synced.
absl::Status Describe(const std::string& folder, BackupManifest* manifest) {
  std::vector<std::string> paths;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    if (it->is_directory()) {
      if (absl::Status status = Sync(it->path().string()); !status.ok()) return status;
    } else {
      paths.push_back(fs::relative(it->path(), folder).generic_string());
    }
  }
  if (code) return SystemError("cannot read", folder, code);
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const std::string whole = folder + "/" + path;
    absl::StatusOr<std::string> digest = DigestFile(whole);
    if (!digest.ok()) return digest.status();
    BackupFile* const file = manifest->add_files();
    file->set_path(path);
    file->set_bytes(static_cast<int64_t>(fs::file_size(whole, code)));
    file->set_sha256(*digest);
    file->set_database(path.ends_with(".db"));
  }
  return absl::OkStatus();
}

std::string PartialName(std::string_view name, std::string_view service) {
  return StrCat(".", name, ".", service, ".partial");
}

// A part that is there, by the name of its backup's folder.
struct Part {
  std::string folder;
  BackupManifest manifest;
};

bool IsAheadOf(absl::Time now, absl::Time end) { return end > now + kMostAhead; }

// Orders what ended at `one` before what ended at `other`: the newest first.
bool IsNewer(absl::Time one, absl::Time other, absl::Time now) {
  const bool ahead = IsAheadOf(now, one);
  if (ahead != IsAheadOf(now, other)) return !ahead;
  return one > other;
}

// The newest first, by when they were finished: a name says nothing of that, people give backups names.
std::vector<Part> PartsIn(const std::string& directory, const Owner& owner, absl::Time now) {
  std::vector<Part> parts;
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (!IsName(name)) continue;
    absl::StatusOr<BackupManifest> manifest = ReadManifest(directory + "/" + name + "/" + owner.service);
    if (!manifest.ok() || manifest->hotline() != owner.hotline) continue;
    parts.push_back({name, *std::move(manifest)});
  }
  std::sort(parts.begin(), parts.end(), [&](const Part& one, const Part& other) {
    const absl::Time ended = FromTimestamp(one.manifest.end_time());
    const absl::Time other_ended = FromTimestamp(other.manifest.end_time());
    return ended != other_ended ? IsNewer(ended, other_ended, now) : one.folder > other.folder;
  });
  return parts;
}

// A backup that may go, in the order in which they go: halves first, each time the oldest first.
struct Candidate {
  const Stored* backup = nullptr;
  size_t newer_whole = 0;  // whole ones that are newer; of a half, not counted
  bool whole = false;
};

bool IsBeingMade(const std::string& directory, const std::string& folder) {
  std::error_code code;
  return std::any_of(std::begin(kServices), std::end(kServices), [&](std::string_view service) {
    return fs::exists(directory + "/" + PartialName(folder, service), code);
  });
}

// Those of `stored` that have a part of `service`, but for `spared`. Whole is what has a part of each service
// that any of them has one of: where the services have disks of their own, each part is a whole. But a
// service that is not `configured` any more (empty: all are) is no part of a whole.
std::vector<Candidate> CandidatesOf(const std::string& directory, const std::vector<Stored>& stored,
                                    const std::string& service, std::string_view spared,
                                    const std::vector<std::string>& configured) {
  std::vector<std::string_view> parties;
  for (std::string_view one : kServices) {
    if (!configured.empty() && std::find(configured.begin(), configured.end(), one) == configured.end()) {
      continue;
    }
    if (std::any_of(stored.begin(), stored.end(), [&](const Stored& backup) { return backup.Has(one); })) {
      parties.push_back(one);
    }
  }
  std::vector<Candidate> candidates;
  size_t whole_ones = 0;
  for (const Stored& backup : stored) {
    const bool whole = std::all_of(parties.begin(), parties.end(),
                                   [&](std::string_view party) { return backup.Has(party); });
    const size_t newer = whole_ones;
    if (whole) ++whole_ones;
    if (!backup.Has(service) || backup.folder == spared || IsBeingMade(directory, backup.folder)) continue;
    candidates.push_back({.backup = &backup, .newer_whole = newer, .whole = whole});
  }
  std::reverse(candidates.begin(), candidates.end());
  std::stable_partition(candidates.begin(), candidates.end(),
                        [](const Candidate& candidate) { return !candidate.whole; });
  return candidates;
}

// Takes a backup away. By a rename first: what is half gone is no backup, and the next leftovers' removal
// ends what was begun. A part that is another user's, and cannot be moved, stays, and so does another
// hotline's.
bool Remove(const std::string& directory, const Stored& backup, const std::string& service) {
  const std::string whole = directory + "/" + backup.folder;
  const std::string away = directory + "/" + PartialName(backup.folder, service);
  std::error_code code;
  fs::remove_all(away, code);
  if (backup.shared || rename(whole.c_str(), away.c_str()) != 0) {
    if (rename((whole + "/" + service).c_str(), away.c_str()) != 0) return false;
    rmdir(whole.c_str());
  }
  fs::remove_all(away, code);
  return !code;
}

// A path that stays within the folder it is joined to.
bool IsInside(const std::string& path) {
  const fs::path parsed(path);
  return !path.empty() && parsed.is_relative() &&
         std::none_of(parsed.begin(), parsed.end(), [](const fs::path& part) { return part == ".."; });
}

int64_t BytesOf(const BackupManifest& manifest) {
  int64_t bytes = 0;
  for (const BackupFile& file : manifest.files()) bytes += file.bytes();
  return bytes;
}

// Whether what the parts take is free where they go: together, where they share a disk.
absl::Status CheckFits(const std::vector<Placement>& parts,
                       const std::function<std::optional<Disk>(const std::string& path)>& disk) {
  std::map<uint64_t, int64_t> needed;
  for (const Placement& part : parts) {
    const std::optional<Disk> one = disk(part.data_dir);
    // Then the copy itself finds out.
    if (!one.has_value()) continue;
    int64_t& bytes = needed[one->id];
    bytes += BytesOf(part.manifest);
    if (bytes <= one->free) continue;
    return absl::ResourceExhaustedError(
        StrCat("the disk of ", part.data_dir, " has ", one->free, " bytes free, ", bytes, " are needed"));
  }
  return absl::OkStatus();
}

// Held as a store holds them (common/sql/sqlite.h): no service opens what is half there.
using Locks = std::vector<std::unique_ptr<File>>;

// Those of the databases of a part, in `data_dir`, which is made. They stay there, as a store's do.
absl::StatusOr<Locks> LockStores(const BackupManifest& manifest, const std::string& data_dir) {
  const std::optional<Holder> holder = HolderOf(data_dir);
  if (absl::Status status = MakeFolder(data_dir); !status.ok()) return status;
  if (absl::Status status = Give(data_dir, holder); !status.ok()) return status;
  Locks locks;
  for (const BackupFile& file : manifest.files()) {
    if (!file.database()) continue;
    const std::string database = data_dir + "/" + file.path();
    const std::string path = database + ".lock";
    locks.push_back(std::make_unique<File>(path, O_RDWR | O_CREAT | O_NOFOLLOW));
    if (locks.back()->fd() < 0) return SystemError("cannot create", path, errno);
    if (absl::Status status = Give(path, holder); !status.ok()) return status;
    if (flock(locks.back()->fd(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      return absl::AbortedError(database);
    }
  }
  return locks;
}

// Under the part's locks.
absl::Status RestoreLocked(const std::string& folder, const BackupManifest& manifest,
                           const std::string& data_dir) {
  std::error_code code;
  const std::optional<Holder> holder = HolderOf(data_dir);
  if (absl::Status status = CheckRestore(manifest, data_dir); !status.ok()) return status;
  std::vector<std::string> made;
  const auto copy = [&]() -> absl::Status {
    for (const BackupFile& file : manifest.files()) {
      const std::string to = data_dir + "/" + file.path();
      const std::string parent = fs::path(to).parent_path().string();
      if (absl::Status status = MakeFolder(parent); !status.ok()) return status;
      absl::StatusOr<std::string> digest = CopyFile(folder + "/" + file.path(), to);
      if (!digest.ok()) return digest.status();
      // Not before: what was there is somebody else's.
      made.push_back(to);
      if (*digest != file.sha256()) return absl::DataLossError(file.path() + " is not what was backed up");
      if (absl::Status status = Give(to, holder); !status.ok()) return status;
      for (std::string above = parent; above.size() > data_dir.size();
           above = fs::path(above).parent_path().string()) {
        if (absl::Status status = Give(above, holder); !status.ok()) return status;
      }
      if (absl::Status status = Sync(parent); !status.ok()) return status;
    }
    return Sync(data_dir);
  };
  absl::Status status = copy();
  if (!status.ok()) {
    for (const std::string& path : made) fs::remove(path, code);
  }
  return status;
}

}  // namespace

Source PlainFolder(std::string path) {
  return [path = std::move(path)](const std::string& folder) -> absl::Status {
    std::error_code code;
    if (!fs::exists(path, code)) return absl::OkStatus();
    const std::string to = folder + "/" + fs::path(path).filename().string();
    if (absl::Status status = MakeFolder(to); !status.ok()) return status;
    for (fs::directory_iterator it(path, code), end; !code && it != end; it.increment(code)) {
      const std::string name = it->path().filename().string();
      // A draft is still being written.
      if (!it->is_regular_file() || name.starts_with(".") || name.ends_with(".new")) continue;
      if (absl::StatusOr<std::string> copied = CopyFile(it->path().string(), to + "/" + name); !copied.ok()) {
        return copied.status();
      }
    }
    return code ? SystemError("cannot read", path, code) : absl::OkStatus();
  };
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
}

absl::StatusOr<std::string> DigestFile(const std::string& path) {
  Digest digest;
  absl::Status status = ReadPieces(path, [&](std::string_view piece) {
    digest.Add(piece);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return digest.Hex();
}

std::optional<Disk> DiskOf(const std::string& path) {
  struct statvfs info;
  struct stat file;
  for (fs::path at = fs::absolute(path);; at = at.parent_path()) {
    if (statvfs(at.c_str(), &info) == 0 && stat(at.c_str(), &file) == 0) break;
    if (at == at.parent_path()) return std::nullopt;
  }
  const auto unit = static_cast<int64_t>(info.f_frsize);
  return Disk{.free = static_cast<int64_t>(info.f_bavail) * unit,
              .size = static_cast<int64_t>(info.f_blocks) * unit,
              .id = file.st_dev};
}

int64_t ReserveOf(const Disk& disk) { return std::min(kMostReserve, disk.size / kReserveShare); }

int64_t BytesIn(const std::string& folder) {
  int64_t bytes = 0;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    // A store's own files come and go.
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    const auto size = it->file_size(gone);
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

absl::Status CheckWrite(const std::string& directory, const std::string& name, const Owner& owner) {
  if (!IsName(name)) {
    return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "name",
                           "must be 1 to 64 characters of A-Z a-z 0-9 _ -", "应为1到64个字母、数字、_或-");
  }
  std::error_code code;
  if (fs::exists(directory + "/" + name + "/" + owner.service, code)) return error::BackupExists(name);
  // Parts of two hotlines in one folder bring neither back.
  for (std::string_view other : kServices) {
    const absl::StatusOr<BackupManifest> manifest = ReadManifest(StrCat(directory, "/", name, "/", other));
    if (manifest.ok() && manifest->hotline() != owner.hotline) return error::BackupExists(name);
  }
  return absl::OkStatus();
}

absl::StatusOr<BackupManifest> Write(const std::string& directory, const std::string& name,
                                     const Owner& owner, const std::vector<Source>& sources,
                                     const Clock& clock, const std::function<bool()>& is_stopped) {
  if (absl::Status status = CheckWrite(directory, name, owner); !status.ok()) return status;
  if (absl::Status status = MakeFolder(directory); !status.ok()) return Explain(status);
  const std::string whole = directory + "/" + name;
  const std::string part = whole + "/" + owner.service;
  const std::string partial = directory + "/" + PartialName(name, owner.service);
  std::error_code code;
  RemoveLeftovers(directory, owner.service);
  if (fs::exists(partial, code)) return error::BackupRunning();

  if (absl::Status status = MakeFolder(partial); !status.ok()) return Explain(status);
  // Held until it has its name: see RemoveLeftovers.
  const File lock(partial, O_RDONLY | O_DIRECTORY);
  if (lock.fd() >= 0) flock(lock.fd(), LOCK_EX | LOCK_NB);
  BackupManifest manifest;
  const auto write = [&]() -> absl::Status {
    manifest.set_format_version(kFormatVersion);
    manifest.set_name(name);
    manifest.set_hotline(owner.hotline);
    manifest.set_service(owner.service);
    manifest.set_program_version(owner.program_version);
    *manifest.mutable_start_time() = ToTimestamp(clock.Now());
    for (const Source& source : sources) {
      if (absl::Status status = source(partial); !status.ok()) return status;
    }
    if (absl::Status status = Describe(partial, &manifest); !status.ok()) return status;
    *manifest.mutable_end_time() = ToTimestamp(clock.Now());
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = true;
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(manifest, &json, options).ok()) {
      return error::Internal("a manifest cannot be written as JSON");
    }
    if (absl::Status status = WriteFile(partial + "/" + kManifest, json); !status.ok()) return status;
    if (absl::Status status = Sync(partial); !status.ok()) return status;
    if (absl::Status status = MakeFolder(whole); !status.ok()) return status;
    if (rename(partial.c_str(), part.c_str()) != 0) return SystemError("cannot rename to", part, errno);
    if (absl::Status status = Sync(whole); !status.ok()) return status;
    return Sync(directory);
  };
  absl::Status written;
  {
    const ScopedStop stop(is_stopped);
    written = write();
  }
  if (!written.ok()) {
    fs::remove_all(partial, code);
    return is_stopped() ? error::Draining() : Explain(written);
  }
  return manifest;
}

std::vector<BackupManifest> List(const std::string& directory, const Owner& owner, absl::Time now,
                                 int limit) {
  std::vector<BackupManifest> manifests;
  for (Part& part : PartsIn(directory, owner, now)) {
    if (static_cast<int>(manifests.size()) >= limit) break;
    manifests.push_back(std::move(part.manifest));
  }
  return manifests;
}

bool Stored::Has(std::string_view service) const {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const BackupManifest& part) { return part.service() == service; });
}

absl::Time Stored::end_time() const {
  absl::Time end = absl::InfinitePast();
  for (const BackupManifest& part : parts) end = std::max(end, FromTimestamp(part.end_time()));
  return end;
}

int64_t Stored::bytes() const {
  int64_t bytes = 0;
  for (const BackupManifest& part : parts) bytes += BytesOf(part);
  return bytes;
}

bool Stored::IsAhead(absl::Time now) const { return IsAheadOf(now, end_time()); }

std::vector<Stored> ListStored(const std::string& directory, std::string_view hotline, absl::Time now) {
  std::vector<Stored> stored;
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    Stored backup = {.folder = it->path().filename().string(), .parts = {}};
    if (!IsName(backup.folder)) continue;
    for (std::string_view service : kServices) {
      absl::StatusOr<BackupManifest> manifest = ReadManifest(StrCat(it->path().string(), "/", service));
      // By the folder, as a part is found by it.
      if (!manifest.ok() || manifest->service() != service) continue;
      if (manifest->hotline() != hotline) {
        backup.shared = true;
        continue;
      }
      backup.parts.push_back(*std::move(manifest));
    }
    if (!backup.parts.empty()) stored.push_back(std::move(backup));
  }
  std::sort(stored.begin(), stored.end(), [&](const Stored& one, const Stored& other) {
    const absl::Time ended = one.end_time();
    const absl::Time other_ended = other.end_time();
    return ended != other_ended ? IsNewer(ended, other_ended, now) : one.folder > other.folder;
  });
  return stored;
}

int Prune(const std::string& directory, const Owner& owner, int keep, std::string_view made, absl::Time now,
          const std::vector<std::string>& configured) {
  const std::vector<Stored> stored = ListStored(directory, owner.hotline, now);
  auto count = std::count_if(stored.begin(), stored.end(),
                             [&](const Stored& backup) { return backup.Has(owner.service); });
  int gone = 0;
  // `made` is spared even where a clock that was set back a little makes it the oldest.
  for (const Candidate& candidate : CandidatesOf(directory, stored, owner.service, made, configured)) {
    if (count <= keep) break;
    if (candidate.whole && candidate.newer_whole < static_cast<size_t>(keep)) continue;
    if (!Remove(directory, *candidate.backup, owner.service)) continue;
    --count;
    ++gone;
  }
  return gone;
}

void RemoveLeftovers(const std::string& directory, const std::string& service) {
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(".") || !name.ends_with(StrCat(".", service, ".partial"))) continue;
    // The system takes the lock from a process that died. A file system that knows no locks says so
    // otherwise; a service has its store to itself, so there only another hotline that uses this directory
    // could be writing one of these.
    const File file(it->path().string(), O_RDONLY | O_DIRECTORY);
    if (file.fd() >= 0 && flock(file.fd(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) continue;
    std::error_code removed;
    fs::remove_all(it->path(), removed);
  }
}

Room MakeRoom(const std::string& directory, const Owner& owner, const std::string& name, int64_t bytes,
              absl::Time now, const RoomOptions& options) {
  Room room;
  std::optional<Disk> disk = options.disk(directory);
  // Then the copy itself finds out.
  if (!disk.has_value()) return room;
  room.free = disk->free;
  room.reserve = ReserveOf(*disk);
  const int64_t needed = bytes + room.reserve;
  if (disk->free >= needed) return room;
  room.status = error::DiskFull();
  if (!options.may_remove) return room;
  const std::vector<Stored> stored = ListStored(directory, owner.hotline, now);
  std::vector<Candidate> candidates =
      CandidatesOf(directory, stored, owner.service, name, options.configured);
  std::erase_if(candidates, [](const Candidate& candidate) {
    return candidate.whole && candidate.newer_whole < kFewestWhole;
  });
  int64_t to_gain = 0;
  for (const Candidate& candidate : candidates) to_gain += candidate.backup->bytes();
  if (disk->free + to_gain < needed) return room;
  if (options.only_ask) {
    room.status = absl::OkStatus();
    return room;
  }
  for (const Candidate& candidate : candidates) {
    if (!Remove(directory, *candidate.backup, owner.service)) continue;
    ++room.removed;
    disk = options.disk(directory);
    if (disk.has_value() && disk->free < needed) continue;
    room.status = absl::OkStatus();
    break;
  }
  return room;
}

absl::StatusOr<BackupManifest> ReadManifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(StrCat("cannot read ", path));
  std::string text(kMaxManifestBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  BackupManifest manifest;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  if (text.size() > kMaxManifestBytes ||
      !google::protobuf::util::JsonStringToMessage(text, &manifest, options).ok()) {
    return absl::InvalidArgumentError(StrCat(path, " is no manifest of a backup"));
  }
  if (manifest.format_version() != kFormatVersion) {
    return absl::InvalidArgumentError(StrCat(path, " has format version ", manifest.format_version(),
                                             ", this release reads ", kFormatVersion));
  }
  const bool inside = std::all_of(manifest.files().begin(), manifest.files().end(),
                                  [](const BackupFile& file) { return IsInside(file.path()); });
  if (!inside) return absl::InvalidArgumentError(StrCat(path, " names a file outside its folder"));
  return manifest;
}

std::optional<std::vector<std::string>> Lacking(const BackupManifest& manifest) {
  std::vector<std::string> names;
  if (manifest.service() == "work_order") {
    names = {"work_order.db"};
  } else if (manifest.service() == "escalation") {
    names = {"directory.db", "escalation.db", "notify.db", "report.db"};
  } else {
    return std::nullopt;
  }
  for (const BackupFile& file : manifest.files()) {
    if (file.database()) std::erase(names, file.path());
  }
  return names;
}

absl::Status CheckRestore(const BackupManifest& manifest, const std::string& data_dir) {
  const std::optional<std::vector<std::string>> lacking = Lacking(manifest);
  if (!lacking.has_value() || !lacking->empty()) {
    return absl::InvalidArgumentError(StrCat("the part ", manifest.service(), " of the backup has no ",
                                             lacking.has_value() ? lacking->front() : "known store"));
  }
  // Not only databases: a store's write-ahead log that was left behind would be played into what is restored.
  std::error_code code;
  for (fs::directory_iterator it(data_dir, code), end; !code && it != end; it.increment(code)) {
    std::error_code unknown;
    if (it->is_directory(unknown) || it->path().string().ends_with(".db.lock")) continue;
    return absl::FailedPreconditionError(it->path().string());
  }
  if (code && code != std::errc::no_such_file_or_directory) return SystemError("cannot read", data_dir, code);
  for (const BackupFile& file : manifest.files()) {
    if (!IsInside(file.path())) return absl::InvalidArgumentError("a file outside the backup");
    const fs::path to = fs::path(data_dir) / file.path();
    if (fs::exists(to, code)) return absl::FailedPreconditionError(to.string());
    // What is in a folder that comes back would be taken for a part of it.
    if (fs::path(file.path()).has_parent_path() && fs::is_directory(to.parent_path(), code) &&
        !fs::is_empty(to.parent_path(), code)) {
      return absl::FailedPreconditionError(to.parent_path().string());
    }
  }
  return absl::OkStatus();
}

absl::Status Restore(const std::string& folder, const BackupManifest& manifest, const std::string& data_dir) {
  if (absl::Status status = CheckRestore(manifest, data_dir); !status.ok()) return status;
  absl::StatusOr<Locks> locks = LockStores(manifest, data_dir);
  if (!locks.ok()) return locks.status();
  return RestoreLocked(folder, manifest, data_dir);
}

absl::Status RestoreAll(const std::string& folder, const std::vector<Placement>& parts,
                        const std::function<std::optional<Disk>(const std::string& path)>& disk) {
  for (const Placement& part : parts) {
    if (absl::Status status = CheckRestore(part.manifest, part.data_dir); !status.ok()) return status;
  }
  if (absl::Status status = CheckFits(parts, disk); !status.ok()) return status;
  // Of all until the end: no service starts on a part that may have to go again.
  std::vector<Locks> locks;
  for (const Placement& part : parts) {
    absl::StatusOr<Locks> taken = LockStores(part.manifest, part.data_dir);
    if (!taken.ok()) return taken.status();
    locks.push_back(*std::move(taken));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string from = StrCat(folder, "/", parts[i].manifest.service());
    absl::Status status = RestoreLocked(from, parts[i].manifest, parts[i].data_dir);
    if (status.ok()) continue;
    // Half a restored site is worse than none.
    for (size_t done = 0; done < i; ++done) {
      for (const BackupFile& file : parts[done].manifest.files()) {
        std::error_code code;
        fs::remove(parts[done].data_dir + "/" + file.path(), code);
      }
    }
    return status;
  }
  return absl::OkStatus();
}

}  // namespace hotline::backup
