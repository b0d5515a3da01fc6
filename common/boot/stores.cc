#include "common/boot/stores.h"

#include <signal.h>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/base/text.h"
#include "common/boot/log.h"
#include "common/error/error.h"

namespace hotline::boot {
namespace {

absl::Status Explain(const std::string& path, const absl::Status& status) {
  const error::Reason reason = error::ReasonOf(status);
  const bool told = reason != error::Reason::ERROR_REASON_UNSPECIFIED;
  // What a running service says of its store is for people whose request it refused, and names no cause.
  if ((reason == error::Reason::ERROR_REASON_STORE_FAILED && absl::IsUnavailable(status)) ||
      (!told && (absl::IsUnavailable(status) || absl::IsDataLoss(status)))) {
    return error::StoreNotOpened(
        ToStd(status.message()),
        StrCat(path, " 无法打开（", status.message(), "），处理办法请运行 hotlinectl doctor 查看"));
  }
  if (!told && absl::IsResourceExhausted(status)) return error::DiskFull();
  return status;
}

bool IsToldToEnd() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) != 0 || sigismember(&pending, SIGINT) != 0;
}

}  // namespace

absl::Status At(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  const absl::Status why = Explain(path, status);
  // A newer release's store says by itself what to do, and doctor knows no more.
  const bool asks_doctor = error::ReasonOf(why) != error::Reason::ERROR_REASON_SCHEMA_NEWER;
  absl::Status told(why.code(), absl::StrCat(path, ": ", why.message(),
                                             asks_doctor ? "; `hotlinectl doctor` says what to do" : ""));
  why.ForEachPayload(
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
    return !IsToldToEnd();
  };
}

bool WaitForRoom(const std::string& path, absl::Duration pause, bool* told) {
  if (!*told) {
    log::Error("the disk is full: the start waits until there is room on it", {{"store", path}});
  }
  *told = true;
  if (IsToldToEnd()) return false;
  Mutex mu;
  CondVar never;
  // A wake-up before time only makes the pause shorter.
  MutexLock lock(&mu);
  never.WaitFor(&mu, absl::ToChronoNanoseconds(pause));
  return !IsToldToEnd();
}

}  // namespace hotline::boot
