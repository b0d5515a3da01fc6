#include "tests/sim/disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace hotline::sim {
namespace {

constexpr char kVfs[] = "hotline-sim";
constexpr char kPrefix[] = "/sim/";

std::map<std::string, Disk*, std::less<>>& Disks() {
  static auto* const disks = new std::map<std::string, Disk*, std::less<>>();
  return *disks;
}

std::string NextName() {
  static int64_t next = 0;
  return std::to_string(++next);
}

// `/sim/<disk>/<file>`; null if there is no such disk.
Disk* Find(std::string_view path, std::string* file) {
  if (path.substr(0, sizeof(kPrefix) - 1) != kPrefix) return nullptr;
  path.remove_prefix(sizeof(kPrefix) - 1);
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return nullptr;
  const auto found = Disks().find(path.substr(0, slash));
  if (found == Disks().end()) return nullptr;
  *file = std::string(path.substr(slash + 1));
  return found->second;
}

}  // namespace

// Memory and locks that the connections of one process share; gone with it.
struct Disk::Shared {
  std::vector<std::unique_ptr<char[]>> regions;
  int readers[SQLITE_SHM_NLOCK] = {};
  bool writer[SQLITE_SHM_NLOCK] = {};
  // The locks of the file itself.
  int sharing = 0;
  bool reserved = false;
  bool pending = false;
  bool exclusive = false;
};

struct Disk::File {
  // A sector whose synced content is not what is read.
  struct Unsynced {
    uint32_t sector;
    uint32_t synced_bytes;  // of the sector that exist on the disk
    int64_t written;        // order of the first write
    bool forgotten;         // a sync failed on it: no later one writes it unless it is written again
    std::array<char, kSectorBytes> synced;
  };

  std::string data;
  size_t synced_size = 0;
  bool is_synced = false;  // the name is on the disk
  std::vector<Unsynced> unsynced;
  std::vector<int32_t> slot;  // by sector: its place in `unsynced`, or -1
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
};

struct Disk::Handle {
  sqlite3_file base;
  Disk* disk;
  std::shared_ptr<File> file;
  std::shared_ptr<Shared> shared;
  int64_t generation;
  int level = SQLITE_LOCK_NONE;
  uint16_t reading = 0;  // bits of the shared memory's locks
  uint16_t writing = 0;

  static Handle* From(sqlite3_file* file) { return reinterpret_cast<Handle*>(file); }
  bool alive() const { return disk->generation_ == generation; }

  static int Close(sqlite3_file* raw) {
    Handle* handle = From(raw);
    if (handle->alive()) {
      Unlock(raw, SQLITE_LOCK_NONE);
      ShmUnmap(raw, 0);
    }
    handle->~Handle();
    return SQLITE_OK;
  }
  static int Read(sqlite3_file* raw, void* to, int count, sqlite3_int64 offset) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_READ;
    return handle->disk->Read(*handle->file, static_cast<char*>(to), count, offset);
  }
  static int Write(sqlite3_file* raw, const void* from, int count, sqlite3_int64 offset) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_WRITE;
    return handle->disk->Write(*handle->file, static_cast<const char*>(from), count, offset);
  }
  static int Truncate(sqlite3_file* raw, sqlite3_int64 size) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_TRUNCATE;
    return handle->disk->Truncate(*handle->file, size);
  }
  static int Sync(sqlite3_file* raw, int) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_FSYNC;
    return handle->disk->Sync(*handle->file);
  }
  static int FileSize(sqlite3_file* raw, sqlite3_int64* size) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_FSTAT;
    *size = static_cast<sqlite3_int64>(handle->file->data.size());
    return SQLITE_OK;
  }
  static int Lock(sqlite3_file* raw, int level) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_LOCK;
    Shared& shared = *handle->shared;
    if (handle->level >= level) return SQLITE_OK;
    if (handle->level == SQLITE_LOCK_NONE) {
      if (shared.pending || shared.exclusive) return SQLITE_BUSY;
      ++shared.sharing;
      handle->level = SQLITE_LOCK_SHARED;
    }
    if (level >= SQLITE_LOCK_RESERVED && handle->level < SQLITE_LOCK_RESERVED) {
      if (shared.reserved) return SQLITE_BUSY;
      shared.reserved = true;
      handle->level = SQLITE_LOCK_RESERVED;
    }
    if (level == SQLITE_LOCK_EXCLUSIVE) {
      shared.pending = true;
      handle->level = SQLITE_LOCK_PENDING;
      if (shared.sharing > 1) return SQLITE_BUSY;
      shared.exclusive = true;
      handle->level = SQLITE_LOCK_EXCLUSIVE;
    }
    return SQLITE_OK;
  }
  static int Unlock(sqlite3_file* raw, int level) {
    Handle* handle = From(raw);
    if (!handle->alive() || handle->level <= level) return SQLITE_OK;
    Shared& shared = *handle->shared;
    if (handle->level >= SQLITE_LOCK_RESERVED) shared.reserved = shared.pending = shared.exclusive = false;
    if (level == SQLITE_LOCK_NONE) --shared.sharing;
    handle->level = level;
    return SQLITE_OK;
  }
  static int CheckReservedLock(sqlite3_file* raw, int* reserved) {
    *reserved = From(raw)->shared->reserved;
    return SQLITE_OK;
  }
  static int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int SectorSize(sqlite3_file*) { return kSectorBytes; }
  // Sectors that a write does not touch are not harmed by it: what SQLite assumes of every disk.
  static int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

  static int ShmMap(sqlite3_file* raw, int region, int size, int extend, void volatile** memory) {
    Handle* handle = From(raw);
    *memory = nullptr;
    if (!handle->alive()) return SQLITE_IOERR_SHMMAP;
    auto& regions = handle->shared->regions;
    while (static_cast<int>(regions.size()) <= region) {
      if (extend == 0) return SQLITE_OK;
      regions.emplace_back(new char[static_cast<size_t>(size)]());
    }
    *memory = regions[static_cast<size_t>(region)].get();
    return SQLITE_OK;
  }
  static int ShmLock(sqlite3_file* raw, int offset, int count, int flags) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_IOERR_SHMLOCK;
    Shared& shared = *handle->shared;
    for (int pass = 0; pass < 2; ++pass) {
      for (int i = offset; i < offset + count; ++i) {
        const uint16_t bit = static_cast<uint16_t>(1 << i);
        if ((flags & SQLITE_SHM_UNLOCK) != 0) {
          if (pass == 0) continue;
          if ((handle->reading & bit) != 0) --shared.readers[i];
          if ((handle->writing & bit) != 0) shared.writer[i] = false;
          handle->reading &= static_cast<uint16_t>(~bit);
          handle->writing &= static_cast<uint16_t>(~bit);
        } else if ((flags & SQLITE_SHM_SHARED) != 0) {
          if ((handle->reading & bit) != 0) continue;
          if (pass == 0 && shared.writer[i]) return SQLITE_BUSY;
          if (pass == 0) continue;
          ++shared.readers[i];
          handle->reading |= bit;
        } else {
          if ((handle->writing & bit) != 0) continue;
          const int others = shared.readers[i] - ((handle->reading & bit) != 0 ? 1 : 0);
          if (pass == 0 && (shared.writer[i] || others > 0)) return SQLITE_BUSY;
          if (pass == 0) continue;
          shared.writer[i] = true;
          handle->writing |= bit;
        }
      }
    }
    return SQLITE_OK;
  }
  static void ShmBarrier(sqlite3_file*) {}
  static int ShmUnmap(sqlite3_file* raw, int) {
    Handle* handle = From(raw);
    if (!handle->alive()) return SQLITE_OK;
    ShmLock(raw, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
    return SQLITE_OK;
  }

  // The VFS itself.
  static int VfsOpen(sqlite3_vfs*, const char* path, sqlite3_file* raw, int flags, int* out_flags) {
    raw->pMethods = nullptr;
    std::string name;
    Disk* const disk = path == nullptr ? nullptr : Find(path, &name);
    if (disk == nullptr) return SQLITE_CANTOPEN;
    Handle* handle = new (raw) Handle();
    handle->base.pMethods = nullptr;
    const int code = disk->Open(name, (flags & SQLITE_OPEN_CREATE) != 0, handle);
    if (code != SQLITE_OK) {
      handle->~Handle();
      return code;
    }
    static const sqlite3_io_methods kMethods = {.iVersion = 2,
                                                .xClose = Close,
                                                .xRead = Read,
                                                .xWrite = Write,
                                                .xTruncate = Truncate,
                                                .xSync = Sync,
                                                .xFileSize = FileSize,
                                                .xLock = Lock,
                                                .xUnlock = Unlock,
                                                .xCheckReservedLock = CheckReservedLock,
                                                .xFileControl = FileControl,
                                                .xSectorSize = SectorSize,
                                                .xDeviceCharacteristics = DeviceCharacteristics,
                                                .xShmMap = ShmMap,
                                                .xShmLock = ShmLock,
                                                .xShmBarrier = ShmBarrier,
                                                .xShmUnmap = ShmUnmap};
    handle->base.pMethods = &kMethods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
  }
  static int VfsDelete(sqlite3_vfs*, const char* path, int) {
    std::string name;
    Disk* const disk = Find(path, &name);
    return disk == nullptr ? SQLITE_IOERR_DELETE : disk->Delete(name);
  }
  static int VfsAccess(sqlite3_vfs*, const char* path, int, int* exists) {
    std::string name;
    Disk* const disk = Find(path, &name);
    *exists = disk != nullptr && disk->Exists(name);
    return SQLITE_OK;
  }
};

const char* Disk::Vfs() {
  static const bool registered = [] {
    // Before SQLite starts: one thread, and nobody counts its memory.
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    static sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);  // randomness and time are the system's
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(Handle);
    vfs.mxPathname = 256;
    vfs.pNext = nullptr;
    vfs.zName = kVfs;
    vfs.xOpen = Handle::VfsOpen;
    vfs.xDelete = Handle::VfsDelete;
    vfs.xAccess = Handle::VfsAccess;
    vfs.xFullPathname = [](sqlite3_vfs*, const char* path, int count, char* full) {
      sqlite3_snprintf(count, full, "%s", path);
      return SQLITE_OK;
    };
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  if (!registered) abort();
  return kVfs;
}

Disk::Disk(Dice* dice) : dice_(dice), name_(NextName()) { Disks().emplace(name_, this); }

Disk::~Disk() { Disks().erase(name_); }

std::string Disk::Path(std::string_view file) const {
  return std::string(kPrefix).append(name_).append("/").append(file);
}

void Disk::Install(const Image& image) {
  Kill();
  files_.clear();
  deleted_.clear();
  used_ = 0;
  for (const auto& [name, data] : image) {
    auto file = std::make_shared<File>();
    file->data = data;
    file->synced_size = data.size();
    file->is_synced = true;
    used_ += static_cast<int64_t>(data.size());
    files_.emplace(name, std::move(file));
  }
}

Disk::Image Disk::Snapshot() const {
  Image image;
  for (const auto& [name, file] : files_) image.emplace(name, file->data);
  return image;
}

void Disk::Arm(Fault fault, int64_t after) {
  fault_ = fault;
  fault_after_ = after;
}

bool Disk::Hits(Fault fault) {
  if (fault_ != fault || fault_after_-- > 0) return false;
  fault_ = Fault::kNone;
  ++faults_;
  return true;
}

bool Disk::Dies() {
  if (fault_ != Fault::kKill && fault_ != Fault::kPowerLoss) return false;
  const bool power = fault_ == Fault::kPowerLoss;
  if (!Hits(fault_)) return false;
  if (power) {
    LosePower();
  } else {
    Kill();
  }
  if (on_death_) on_death_(power);
  return true;
}

void Disk::Kill() {
  ++generation_;
  for (auto& [name, file] : files_) file->shared = std::make_shared<Shared>();
}

void Disk::LosePower() {
  Kill();
  for (auto it = files_.begin(); it != files_.end();) {
    LoseUnsynced(*it->second);
    // The name of a file that never was synced may be gone with the rest.
    it = !it->second->is_synced && dice_->Percent(50) ? files_.erase(it) : std::next(it);
  }
  for (auto& [name, file] : deleted_) {
    if (dice_->Percent(50)) files_.insert_or_assign(name, file);
  }
  deleted_.clear();
  used_ = 0;
  for (auto& [name, file] : files_) {
    file->is_synced = true;
    used_ += static_cast<int64_t>(file->data.size());
  }
}

void Disk::LoseUnsynced(File& file) {
  // All is lost, all but what a failed sync forgot is kept, what was written first is kept, or each sector
  // has its own fate.
  enum { kNothing, kEverything, kFirst, kSome };
  const int64_t fate = dice_->Below(4);
  int64_t last = 0;
  if (fate == kFirst && !file.unsynced.empty()) {
    const auto by_time = [](const File::Unsynced& a, const File::Unsynced& b) {
      return a.written < b.written;
    };
    std::sort(file.unsynced.begin(), file.unsynced.end(), by_time);
    last =
        file.unsynced[static_cast<size_t>(dice_->Below(static_cast<int64_t>(file.unsynced.size())))].written;
  }
  const auto is_kept = [&](const File::Unsynced& one) {
    if (one.forgotten) return false;
    switch (fate) {
      case kNothing:
        return false;
      case kEverything:
        return true;
      case kFirst:
        return one.written < last;
      default:
        return dice_->Percent(50);
    }
  };
  const size_t size = file.data.size();
  size_t end = fate == kEverything ? size : std::min(size, file.synced_size);
  // A file that was cut may be whole again.
  if (size < file.synced_size && fate != kEverything && dice_->Percent(50)) end = file.synced_size;
  file.data.resize(std::max(size, file.synced_size));
  for (const File::Unsynced& one : file.unsynced) {
    const size_t begin = size_t{one.sector} * kSectorBytes;
    const size_t until = std::min(begin + kSectorBytes, file.data.size());
    if (begin >= file.data.size()) continue;
    if (is_kept(one) && begin < size) {
      end = std::max(end, std::min(until, size));
      continue;
    }
    const size_t synced = std::min<size_t>(one.synced_bytes, until - begin);
    memcpy(&file.data[begin], one.synced.data(), synced);
    memset(&file.data[begin] + synced, 0, until - begin - synced);
  }
  file.data.resize(end);
  file.synced_size = end;
  file.unsynced.clear();
  file.slot.clear();
}

int Disk::Open(const std::string& name, bool create, Handle* handle) {
  auto found = files_.find(name);
  if (found == files_.end()) {
    if (!create) return SQLITE_CANTOPEN;
    found = files_.emplace(name, std::make_shared<File>()).first;
  }
  handle->disk = this;
  handle->file = found->second;
  handle->shared = found->second->shared;
  handle->generation = generation_;
  return SQLITE_OK;
}

int Disk::Delete(const std::string& name) {
  const auto found = files_.find(name);
  if (found == files_.end()) return SQLITE_IOERR_DELETE_NOENT;
  used_ -= static_cast<int64_t>(found->second->data.size());
  if (found->second->is_synced) deleted_.insert_or_assign(name, found->second);
  files_.erase(found);
  return SQLITE_OK;
}

int Disk::Read(File& file, char* to, int count, int64_t offset) {
  if (Hits(Fault::kReadFails)) return SQLITE_IOERR_READ;
  const size_t begin = std::min(static_cast<size_t>(offset), file.data.size());
  const size_t there = std::min(static_cast<size_t>(count), file.data.size() - begin);
  memcpy(to, file.data.data() + begin, there);
  if (there == static_cast<size_t>(count)) return SQLITE_OK;
  memset(to + there, 0, static_cast<size_t>(count) - there);
  return SQLITE_IOERR_SHORT_READ;
}

// Changes what is read, and keeps what was synced there.
void Disk::Put(File& file, const char* from, size_t count, size_t offset) {
  const size_t end = offset + count;
  const size_t first = offset / kSectorBytes;
  const size_t last = (end - 1) / kSectorBytes;
  if (file.slot.size() <= last) file.slot.resize(std::max(last + 1, file.slot.size() * 2), -1);
  for (size_t sector = first; sector <= last; ++sector) {
    int32_t& slot = file.slot[sector];
    if (slot >= 0) {
      file.unsynced[static_cast<size_t>(slot)].forgotten = false;
      continue;
    }
    slot = static_cast<int32_t>(file.unsynced.size());
    File::Unsynced& one = file.unsynced.emplace_back();
    one.sector = static_cast<uint32_t>(sector);
    one.written = writes_;
    one.forgotten = false;
    const size_t begin = sector * kSectorBytes;
    one.synced_bytes = 0;
    if (begin < file.data.size()) {
      one.synced_bytes = static_cast<uint32_t>(std::min(kSectorBytes, file.data.size() - begin));
      memcpy(one.synced.data(), file.data.data() + begin, one.synced_bytes);
    }
  }
  if (end > file.data.size()) {
    used_ += static_cast<int64_t>(end - file.data.size());
    file.data.resize(end);
  }
  memcpy(&file.data[offset], from, count);
}

int Disk::Write(File& file, const char* from, int count, int64_t offset) {
  ++writes_;
  const size_t size = static_cast<size_t>(count);
  const size_t begin = static_cast<size_t>(offset);
  if (fault_ == Fault::kKill || fault_ == Fault::kPowerLoss || fault_ == Fault::kWriteFails) {
    const bool hits = fault_after_ == 0;
    if (hits && dice_->Percent(50)) {
      // Torn: whole sectors of the beginning.
      const size_t part = static_cast<size_t>(dice_->Below(count)) / kSectorBytes * kSectorBytes;
      if (part > 0) Put(file, from, part, begin);
    }
    if (Hits(Fault::kWriteFails)) return SQLITE_IOERR_WRITE;
    if (Dies()) return SQLITE_IOERR_WRITE;
  }
  const int64_t grows =
      std::max<int64_t>(0, static_cast<int64_t>(begin + size) - static_cast<int64_t>(file.data.size()));
  if (grows > 0 && used_ + grows > capacity_) {
    ++faults_;
    return SQLITE_FULL;
  }
  Put(file, from, size, begin);
  return SQLITE_OK;
}

int Disk::Truncate(File& file, int64_t size) {
  ++writes_;
  if (Dies()) return SQLITE_IOERR_TRUNCATE;
  const size_t end = static_cast<size_t>(size);
  if (end >= file.data.size()) return SQLITE_OK;
  // What is cut off may come back: it is kept like what is overwritten.
  const size_t cut = std::min(file.data.size(), file.synced_size);
  if (cut > end) {
    const std::string gone = file.data.substr(end, cut - end);
    Put(file, gone.data(), gone.size(), end);
  }
  used_ -= static_cast<int64_t>(file.data.size() - end);
  file.data.resize(end);
  return SQLITE_OK;
}

int Disk::Sync(File& file) {
  if (Dies()) return SQLITE_IOERR_FSYNC;
  if (forgets_syncs_) return SQLITE_OK;
  if (Hits(Fault::kSyncFails)) {
    if (dice_->Percent(50)) {
      for (File::Unsynced& one : file.unsynced) one.forgotten = true;
    }
    return SQLITE_IOERR_FSYNC;
  }
  const bool lies = Hits(Fault::kSyncLies);
  size_t left = 0;
  for (size_t i = 0; i < file.unsynced.size(); ++i) {
    const uint32_t sector = file.unsynced[i].sector;
    if (!file.unsynced[i].forgotten) {
      file.slot[sector] = -1;
      continue;
    }
    if (left != i) file.unsynced[left] = file.unsynced[i];
    file.slot[sector] = static_cast<int32_t>(left++);
  }
  file.unsynced.resize(left);
  file.synced_size = file.data.size();
  // The first sync of a file syncs its folder too (SQLite asks for that), so what was deleted is gone for
  // good.
  if (!std::exchange(file.is_synced, true)) deleted_.clear();
  return lies ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

}  // namespace hotline::sim
