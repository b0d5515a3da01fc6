#include "common/boot/stores.h"

#include <signal.h>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/boot/log.h"

namespace hotline::boot {

absl::Status At(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status told(status.code(),
                    absl::StrCat(path, ": ", status.message(), "; `hotlinectl doctor` says what to do"));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { told.SetPayload(type, payload); });
  return told;
}

std::function<bool(const std::string& path)> WaitForReaders() {
  return [told = false](const std::string& path) mutable {
    if (!told) {
      log::Warn("another process (hotlinectl doctor --deep, sqlite3) reads the store: waiting until it ends",
                {{"store", path}});
    }
    told = true;
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) == 0 && sigismember(&pending, SIGINT) == 0;
  };
}

}  // namespace hotline::boot
