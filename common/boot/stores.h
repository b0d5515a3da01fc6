// Opening the stores of a service at its start: what whoever starts it has to hear.
#ifndef COMMON_BOOT_STORES_H_
#define COMMON_BOOT_STORES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace hotline::boot {

// What became of opening the store `path`. A failure is the last that a service says before it ends: it names
// the file, since what may be done differs from store to store, and where to read on, unless it says that
// itself. What the storage seam reported in its own words is said in those of the catalogue, with its cause
// also for whoever reads Chinese; code and payloads of other failures stay.
absl::Status At(const std::string& path, const absl::Status& status);

// For sql::SqliteOptions::on_wait: says once in the log what the start waits for, and goes on waiting until
// the process is told to end. RunService holds those signals back until it serves.
std::function<bool(const std::string& path)> WaitForReaders();

// For a start on a full disk, which would end at once, and as often as it is tried again until nobody tries
// any more: waits for `pause`, after saying so in the log unless `*told`. False as soon as the process is
// told to end, as above.
bool WaitForRoom(const std::string& path, absl::Duration pause, bool* told);

// What `open` makes of the store `path`, a StatusOr, once its disk is not full any more.
template <typename Open>
auto OpenWithRoom(const std::string& path, Open open, absl::Duration pause = absl::Seconds(1)) {
  for (bool told = false;;) {
    auto opened = open();
    if (!absl::IsResourceExhausted(opened.status()) || !WaitForRoom(path, pause, &told)) return opened;
  }
}

}  // namespace hotline::boot

#endif  // COMMON_BOOT_STORES_H_
