#include "services/hotlinectl/core/store_fault.h"

#include <cerrno>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <system_error>

namespace hotline::hotlinectl {
namespace {

// https://www.sqlite.org/rescode.html: the low byte of an extended code.
constexpr int kBusy = 5;
constexpr int kLocked = 6;
constexpr int kNoMemory = 7;
constexpr int kReadOnlyCode = 8;
constexpr int kInterrupted = 9;
constexpr int kInputOutput = 10;
constexpr int kCorrupt = 11;
constexpr int kFull = 13;
constexpr int kCannotOpen = 14;
constexpr int kProtocol = 15;
constexpr int kNotADatabase = 26;

// Of `… (SQLite 4874, No space left on device)`.
std::optional<int> SqliteCodeIn(std::string_view why) {
  constexpr std::string_view kMark = "(SQLite ";
  const size_t at = why.rfind(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  int code = 0;
  std::from_chars(why.data() + at + kMark.size(), why.data() + why.size(), code);
  return code & 0xff;
}

}  // namespace

StoreFault StoreFaultOf(std::string_view why) {
  const std::optional<int> code = SqliteCodeIn(why);
  // Whatever the system said last beside it.
  if (code == kCorrupt || code == kNotADatabase) return StoreFault::kDamaged;
  if (code == kFull) return StoreFault::kDiskFull;
  const auto tells = [&](std::initializer_list<int> numbers) {
    for (const int number : numbers) {
      if (why.find(std::generic_category().message(number)) != std::string_view::npos) return true;
    }
    return false;
  };
  if (tells({ENOSPC, EDQUOT})) return StoreFault::kDiskFull;
  if (tells({EROFS})) return StoreFault::kReadOnly;
  if (tells({EACCES, EPERM})) return StoreFault::kDenied;
  if (tells({EMFILE, ENFILE})) return StoreFault::kTooManyFiles;
  switch (code.value_or(0)) {
    case kBusy:
    case kLocked:
    case kNoMemory:
    case kReadOnlyCode:
    case kInterrupted:
    case kInputOutput:
    case kCannotOpen:
    case kProtocol:
      return StoreFault::kNotRead;
    default:
      return StoreFault::kDamaged;
  }
}

}  // namespace hotline::hotlinectl
