// Opening the stores of a service at its start: what whoever starts it has to hear.
#ifndef COMMON_BOOT_STORES_H_
#define COMMON_BOOT_STORES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace hotline::boot {

// What became of opening the store `path`. A failure is the last that a service says before it ends: it names
// the file, since what may be done differs from store to store, and where to read on. Code and payloads stay.
absl::Status At(const std::string& path, const absl::Status& status);

// For sql::SqliteOptions::on_wait: says once in the log what the start waits for, and goes on waiting until
// the process is told to end. RunService holds those signals back until it serves.
std::function<bool(const std::string& path)> WaitForReaders();

}  // namespace hotline::boot

#endif  // COMMON_BOOT_STORES_H_
