// Backups of a service's stores, as folders:
//
//   <directory>/<name>/<service>/manifest.json     what is there, with sizes and digests
//   <directory>/<name>/<service>/work_order.db …   a copy of each file of the service's `data_dir`
//
// A backup of a site is the folder `<directory>/<name>`, with a part for each service that has a store. A
// part is written as `<directory>/.<name>.<service>.partial` and renamed when it is whole and synced, so what
// has its name is complete; on its way out it is renamed back first. It holds what the stores hold: personal
// data, and the key of callers' hashes. Folders and files are open to their owner alone.
//
// The sites of several hotlines may share a directory: a part of another hotline is nobody's here. It is not
// listed, not counted and not removed.
#ifndef COMMON_BACKUP_BACKUP_H_
#define COMMON_BACKUP_BACKUP_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "hotline/operation/v1/backup_service.pb.h"

namespace hotline::backup {

inline constexpr char kManifest[] = "manifest.json";
inline constexpr int kFormatVersion = 1;
// A backup that was finished later than this after now was dated by a clock that ran ahead, and nobody knows
// how old it is: it counts as the oldest.
inline constexpr absl::Duration kMostAhead = absl::Minutes(5);

// Writes its part of a store into `folder`, which exists, as it is to be found in `data_dir` again.
using Source = std::function<absl::Status(const std::string& folder)>;
// A source that copies the plain files of folder `path`, if it exists, under its own name.
Source PlainFolder(std::string path);

// Whose backup it is.
struct Owner {
  std::string hotline;
  std::string service;
  std::string program_version;
};

// How full a file system is, in bytes.
struct Disk {
  int64_t free = 0;  // for who is not root
  int64_t size = 0;
  uint64_t id = 0;  // of the file system
};
// Of the one that `path` is on, or will be. Nothing if the system does not say.
std::optional<Disk> DiskOf(const std::string& path);
// What a copy leaves free, as orders may be written on the same disk: 10 %, and 1 GiB is enough.
int64_t ReserveOf(const Disk& disk);
// Bytes of the files in `folder` and the folders in it: what a backup of a `data_dir` takes at most.
int64_t BytesIn(const std::string& folder);

// False for a name that could be anything but a folder of its own: see CreateBackupRequest.name.
bool IsName(std::string_view name);

// Whether the owner could write its part under this name. Errors: FIELD_INVALID (`name`), BACKUP_EXISTS, also
// where the name is another hotline's.
absl::Status CheckWrite(const std::string& directory, const std::string& name, const Owner& owner);

// Runs the sources in their order, and does not return before all is on the disk. `directory` is created if
// it is missing. Once `is_stopped` says so it ends before the next piece. Errors: those of CheckWrite;
// BACKUP_RUNNING if another process writes it; DISK_FULL, STORE_FAILED; DRAINING when it was stopped. Nothing
// is left of what failed.
absl::StatusOr<operation::v1::BackupManifest> Write(
    const std::string& directory, const std::string& name, const Owner& owner,
    const std::vector<Source>& sources, const Clock& clock,
    const std::function<bool()>& is_stopped = [] { return false; });

// The owner's parts in `directory`, at most `limit`, the newest first: by `end_time`, whatever they are
// called; see kMostAhead. One that cannot be read is left out.
std::vector<operation::v1::BackupManifest> List(const std::string& directory, const Owner& owner,
                                                absl::Time now, int limit);

// A backup of one hotline that is there: the parts that can be read in one folder.
struct Stored {
  std::string folder;  // its name in the directory; people rename folders
  std::vector<operation::v1::BackupManifest> parts;
  bool shared = false;  // the folder holds a part of another hotline too
  bool Has(std::string_view service) const;
  // Of the part that was finished last.
  absl::Time end_time() const;
  int64_t bytes() const;
  // Dated later than kMostAhead after `now`.
  bool IsAhead(absl::Time now) const;
};
// All of `hotline`, the newest first: by `end_time`, whatever they are called; see kMostAhead.
std::vector<Stored> ListStored(const std::string& directory, std::string_view hotline, absl::Time now);

// Removes backups that have a part of the owner's and are too many: first halves, which lack the part of
// another service that has parts in this directory, then whole ones, each time the oldest; but no whole one
// to which not `keep` newer whole ones are there, nor `made`, the name of the one just made, nor one that is
// being made. What goes goes with all that is in its folder but what is another hotline's. `configured`: the
// services that the site has
// (empty: all that have parts here); one that it has no more makes no half of what is made without it.
// Returns how many went.
int Prune(const std::string& directory, const Owner& owner, int keep, std::string_view made, absl::Time now,
          const std::vector<std::string>& configured = {});

// Removes what processes left behind that were killed while they wrote parts of `service`. What a living one
// writes is locked, and stays.
void RemoveLeftovers(const std::string& directory, const std::string& service);

// Whether a part of `bytes` under `name` fits on the disk of `directory` beside ReserveOf it.
struct Room {
  absl::Status status;  // OK or DISK_FULL
  int64_t free = 0;     // as it was found
  int64_t reserve = 0;
  int removed = 0;  // backups that went for it
};
struct RoomOptions {
  // Backups may go for it, in the order of Prune, down to two whole ones; none goes if all would not do.
  bool may_remove = false;
  // Only says whether it could be had.
  bool only_ask = false;
  // As for Prune.
  std::vector<std::string> configured = {};
  std::function<std::optional<Disk>(const std::string& path)> disk = &DiskOf;
};
Room MakeRoom(const std::string& directory, const Owner& owner, const std::string& name, int64_t bytes,
              absl::Time now, const RoomOptions& options);

// The manifest of the part `folder`. Errors: NOT_FOUND, INVALID_ARGUMENT if it is none that this release
// reads.
absl::StatusOr<operation::v1::BackupManifest> ReadManifest(const std::string& folder);

// The databases that a part of its service must have and this manifest does not name. Nothing if no service
// of this name has a store.
std::optional<std::vector<std::string>> Lacking(const operation::v1::BackupManifest& manifest);

// Whether Restore would put the part into `data_dir`. Errors: INVALID_ARGUMENT for a manifest that lacks a
// database; FAILED_PRECONDITION if `data_dir` holds any file but the locks (`*.db.lock`) that stores leave
// behind, or a file in a folder that the part fills: the message is the path of that file or folder, and no
// more.
absl::Status CheckRestore(const operation::v1::BackupManifest& manifest, const std::string& data_dir);

// Puts the files of the part `folder` into `data_dir`, which is created if it is missing, synced and open to
// their owner alone: who asks, or, if that is root, whoever has `data_dir` or the folder that it comes into.
// Check the backup before: what is copied is compared with its digest, and no more. Until it is done it holds
// the databases' locks, which stay behind, so that no service opens what is half there. Errors: those of
// CheckRestore, so that nothing is written over or beside what is there; DATA_LOSS if a file is not what the
// manifest says; RESOURCE_EXHAUSTED if the disk is full, UNAVAILABLE if it refuses otherwise; ABORTED if a
// service or another restore uses a database: the message is its path, and no more. What was copied until a
// failure is removed again, and nothing else.
absl::Status Restore(const std::string& folder, const operation::v1::BackupManifest& manifest,
                     const std::string& data_dir);

// A part, and the `data_dir` that it goes into.
struct Placement {
  operation::v1::BackupManifest manifest;
  std::string data_dir;
};
// Restores the parts of the backup `folder`, all or none: each is checked as by CheckRestore, and the room
// for them, before the first is copied; a failure takes back what was copied of any. Errors: those of
// Restore; RESOURCE_EXHAUSTED, which names the disk, if they do not fit.
absl::Status RestoreAll(const std::string& folder, const std::vector<Placement>& parts,
                        const std::function<std::optional<Disk>(const std::string& path)>& disk = &DiskOf);

// SHA-256 of a file, in hexadecimal. Errors: UNAVAILABLE.
absl::StatusOr<std::string> DigestFile(const std::string& path);

}  // namespace hotline::backup

#endif  // COMMON_BACKUP_BACKUP_H_
