// The log: one JSON object a line. Never personal data: no names, telephone numbers, addresses, titles or
// texts of orders.
//
//   log::Info("link is up", {{"peer", "110"}, {"sequence", 42}}, call.traceparent);
//   {"ts":"2026-11-23T00:00:00.000001Z","level":"info","service":"dispatch","hotline":"12345","msg":"link is
//   up",
//    "trace":"4bf9…","peer":"110","sequence":42}
#ifndef COMMON_BOOT_LOG_H_
#define COMMON_BOOT_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace hotline::log {

enum class Level { kDebug, kInfo, kWarn, kError };

// A named value; both must live until the call returns.
struct Field {
  template <std::integral T>
  Field(std::string_view key, T value) : key(key), value(static_cast<int64_t>(value)) {}
  Field(std::string_view key, bool value) : key(key), value(value) {}
  Field(std::string_view key, double value) : key(key), value(value) {}
  Field(std::string_view key, std::string_view value) : key(key), value(value) {}
  Field(std::string_view key, const std::string& value) : key(key), value(std::string_view(value)) {}
  Field(std::string_view key, const char* value) : key(key), value(std::string_view(value)) {}

  std::string_view key;
  std::variant<std::string_view, int64_t, double, bool> value;
};

struct Options {
  std::string service;
  std::string hotline;
  Level level = Level::kInfo;
  // Written beside standard error, which a supervisor keeps as it likes; rotated at 64 MiB, at most 1,000
  // kept; made again, a second later at most, if it is removed or moved. Empty: standard error alone.
  std::string file;
  // Rotated files whose last line is older are removed at the next rotation or start; -1: none.
  int keep_days = -1;
};

// Before anything is logged; again to change. Until then lines go to standard error. Errors:
// FAILED_PRECONDITION if the file cannot be opened.
absl::Status Configure(const Options& options);

// Thread-safe. `traceparent` or a bare trace id; may be empty. A value is cut after 1,000 characters; fields
// beyond 8 KiB are left out.
void Write(Level level, std::string_view message, std::initializer_list<Field> fields = {},
           std::string_view traceparent = {});
inline void Info(std::string_view message, std::initializer_list<Field> fields = {},
                 std::string_view traceparent = {}) {
  Write(Level::kInfo, message, fields, traceparent);
}
inline void Warn(std::string_view message, std::initializer_list<Field> fields = {},
                 std::string_view traceparent = {}) {
  Write(Level::kWarn, message, fields, traceparent);
}
inline void Error(std::string_view message, std::initializer_list<Field> fields = {},
                  std::string_view traceparent = {}) {
  Write(Level::kError, message, fields, traceparent);
}

// One line without its end: what Write writes. Pure.
std::string JsonLine(absl::Time now, Level level, std::string_view service, std::string_view hotline,
                     std::string_view message, std::initializer_list<Field> fields,
                     std::string_view traceparent);

}  // namespace hotline::log

#endif  // COMMON_BOOT_LOG_H_
