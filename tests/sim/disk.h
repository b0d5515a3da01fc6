// A disk in memory that knows what was synced and what was not, and that can be full, fail, lie, tear and
// lose. The production storage code runs on it unchanged: it is a SQLite VFS.
//
// What a process has written, others read at once (the page cache). What was not synced since is at the mercy
// of a power loss, sector by sector: lost, kept or torn. A kill loses nothing that was written.
#ifndef TESTS_SIM_DISK_H_
#define TESTS_SIM_DISK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/dice.h"

namespace hotline::sim {

class Disk {
 public:
  static constexpr size_t kSectorBytes = 512;

  // What happens to the operation that a fault hits.
  enum class Fault {
    kNone,
    kKill,        // the process dies in it; a part of a write may be done
    kPowerLoss,   // and the machine with it
    kSyncFails,   // the next sync reports failure, and what it was to sync may be lost although it reads
                  // well (as after a failed fsync on Linux)
    kSyncLies,    // the next sync works and reports failure: a commit that succeeds and is not told so
    kWriteFails,  // an I/O error
    kReadFails,   // an I/O error
  };

  // Synced content by file name.
  using Image = std::map<std::string, std::string>;

  // `dice` outlives it. `on_death` is told when a fault kills the process: with true, by a power loss.
  explicit Disk(Dice* dice);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  void set_on_death(std::function<void(bool power)> on_death) { on_death_ = std::move(on_death); }

  // For sql::SqliteOptions.
  static const char* Vfs();
  std::string Path(std::string_view file) const;

  // Puts the files of `image` there, synced; all others go.
  void Install(const Image& image);
  Image Snapshot() const;

  // The process that has files open is killed: its locks are gone and nothing it still does reaches the disk.
  void Kill();
  // And the power goes.
  void LosePower();
  // The fault hits the `after`-th operation of its kind from now on, counted from 0. Replaces what was armed.
  void Arm(Fault fault, int64_t after);
  // No more bytes than this in all files: then "disk full".
  void set_capacity(int64_t bytes) { capacity_ = bytes; }
  int64_t used() const { return used_; }
  // A planted bug: from now on a sync does nothing and reports success.
  void ForgetSyncs() { forgets_syncs_ = true; }
  int64_t faults() const { return faults_; }  // that have hit, full disks included

  // The VFS's side; in disk.cc.
  struct File;
  struct Handle;

 private:
  friend struct Handle;
  struct Shared;

  int Open(const std::string& name, bool create, Handle* handle);
  int Delete(const std::string& name);
  bool Exists(const std::string& name) const { return files_.count(name) > 0; }
  int Read(File& file, char* to, int count, int64_t offset);
  int Write(File& file, const char* from, int count, int64_t offset);
  int Truncate(File& file, int64_t size);
  int Sync(File& file);
  // True if the armed fault is `fault` and hits now.
  bool Hits(Fault fault);
  // A deadly fault hits now; true if so, and the process is dead then.
  bool Dies();
  void LoseUnsynced(File& file);
  void Put(File& file, const char* from, size_t count, size_t offset);

  Dice* const dice_;
  const std::string name_;
  std::function<void(bool)> on_death_;
  std::map<std::string, std::shared_ptr<File>> files_;
  // Deleted, but the deletion may be undone by a power loss.
  std::map<std::string, std::shared_ptr<File>> deleted_;
  int64_t generation_ = 0;  // of the process that has files open
  int64_t writes_ = 0;
  int64_t used_ = 0;
  int64_t capacity_ = INT64_MAX;
  int64_t faults_ = 0;
  Fault fault_ = Fault::kNone;
  int64_t fault_after_ = 0;
  bool forgets_syncs_ = false;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_DISK_H_
