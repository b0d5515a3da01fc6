#include "common/boot/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"

#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/base/utf8.h"

namespace hotline::log {
namespace {

constexpr size_t kMaxValueCodePoints = 1000;
constexpr size_t kMaxLineBytes = 8192;
constexpr size_t kRotatedBytes = 64u << 20;
constexpr size_t kMostRotated = 1000;
constexpr std::chrono::seconds kLookEvery{1};

constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// A logger with the names that its lines carry. Replaced whole, so that a line in the making keeps its own.
struct Sink {
  std::string service;
  std::string hotline;
  Level level = Level::kInfo;
  std::shared_ptr<spdlog::logger> logger;
};

std::shared_ptr<spdlog::logger> NewLogger(std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>("hotline", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::trace);  // `Sink::level` decides
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::trace);
  return logger;
}

class Registry {
 public:
  std::shared_ptr<const Sink> sink() {
    MutexLock lock(&mu_);
    return sink_;
  }
  void Replace(Sink sink) {
    auto fresh = std::make_shared<const Sink>(std::move(sink));
    MutexLock lock(&mu_);
    sink_.swap(fresh);
  }

 private:
  Mutex mu_;
  std::shared_ptr<const Sink> sink_ ABSL_GUARDED_BY(mu_) = std::make_shared<const Sink>(Sink{
      .logger = NewLogger({std::make_shared<spdlog::sinks::stderr_sink_mt>()})});
};

Registry& Global() {
  static auto* const registry = new Registry;  // loggers outlive whoever logs
  return *registry;
}

// `text` as a JSON string. What is no UTF-8 is replaced as a whole.
void AppendString(std::string_view text, std::string* line) {
  if (!CountCodePoints(text).has_value()) text = "(not UTF-8)";
  const std::string_view shown = TruncateCodePoints(text, kMaxValueCodePoints);
  line->push_back('"');
  for (const char c : shown) {
    switch (c) {
      case '"':
        line->append("\\\"");
        break;
      case '\\':
        line->append("\\\\");
        break;
      case '\n':
        line->append("\\n");
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(*line), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          line->push_back(c);
        }
    }
  }
  if (shown.size() < text.size()) line->append("…");
  line->push_back('"');
}

// Rotated files of `file` (`name.1.ext` …) that nobody has written to since `limit`.
void RemoveAged(const std::string& file, absl::Time limit) {
  namespace fs = std::filesystem;
  const fs::path path(file);
  const std::string prefix = path.stem().string() + ".";
  const std::string suffix = path.extension().string();
  std::error_code code;
  for (fs::directory_iterator it(path.has_parent_path() ? path.parent_path() : fs::path("."), code), end;
       !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) ||
        !name.ends_with(suffix)) {
      continue;
    }
    const std::string number = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    if (!std::all_of(number.begin(), number.end(), absl::ascii_isdigit)) continue;
    struct stat info;
    if (::stat(it->path().c_str(), &info) == 0 && absl::FromTimeT(info.st_mtime) < limit) {
      std::error_code ignored;
      fs::remove(it->path(), ignored);
    }
  }
}

// A rotating file that is made again once it was removed or moved: nobody would find the lines, nor their
// room on the disk, until the next start.
class FileSink final : public spdlog::sinks::sink {
 public:
  // Throws if the file cannot be opened. `on_open` is called with it whenever one is opened.
  FileSink(std::string file, std::function<void(const std::string&)> on_open)
      : path_(std::move(file)), on_open_(std::move(on_open)), file_(Open()) {}

  void log(const spdlog::details::log_msg& line) override {
    MutexLock lock(&mu_);
    if (const auto now = std::chrono::steady_clock::now(); now >= next_look_) {
      next_look_ = now + kLookEvery;
      if (IsAway()) Reopen();
    }
    file_->log(line);
  }
  void flush() override {
    MutexLock lock(&mu_);
    file_->flush();
  }
  // Lines come as they are to be.
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

 private:
  using Rotating = spdlog::sinks::rotating_file_sink_st;

  std::unique_ptr<Rotating> Open() {
    spdlog::file_event_handlers handlers;
    handlers.after_open = [this](const spdlog::filename_t& file, std::FILE* opened) {
      struct stat info = {};
      fstat(fileno(opened), &info);
      device_ = info.st_dev;
      number_ = info.st_ino;
      on_open_(file);
    };
    auto file = std::make_unique<Rotating>(path_, kRotatedBytes, kMostRotated, /*rotate_on_open=*/false,
                                           std::move(handlers));
    file->set_pattern("%v");
    return file;
  }
  bool IsAway() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    struct stat info = {};
    if (stat(path_.c_str(), &info) != 0) return errno == ENOENT || errno == ENOTDIR;
    return info.st_dev != device_ || info.st_ino != number_;
  }
  void Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    try {
      file_ = Open();
    } catch (const spdlog::spdlog_ex&) {
      // Standard error has the line too; the next look tries again.
    }
  }

  const std::string path_;
  const std::function<void(const std::string&)> on_open_;
  Mutex mu_;
  // Written while a file is opened: at the start, or under mu_.
  dev_t device_ = 0;
  ino_t number_ = 0;
  std::chrono::steady_clock::time_point next_look_ ABSL_GUARDED_BY(mu_);  // at once
  std::unique_ptr<Rotating> file_ ABSL_GUARDED_BY(mu_);  // last: opening it notes which file it is
};

void AppendKey(std::string_view key, std::string* line) {
  line->push_back(',');
  AppendString(key, line);
  line->push_back(':');
}

}  // namespace

absl::Status Configure(const Options& options) {
  std::vector<spdlog::sink_ptr> sinks = {std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  if (!options.file.empty()) {
    try {
      sinks.push_back(
          std::make_shared<FileSink>(options.file, [days = options.keep_days](const std::string& file) {
            if (days >= 0) RemoveAged(file, SystemClock()->Now() - absl::Hours(24) * days);
          }));
    } catch (const spdlog::spdlog_ex& exception) {
      return absl::FailedPreconditionError(
          fmt::format("cannot log to {}: {}", options.file, exception.what()));
    }
  }
  Global().Replace({.service = options.service,
                    .hotline = options.hotline,
                    .level = options.level,
                    .logger = NewLogger(std::move(sinks))});
  return absl::OkStatus();
}

void Write(Level level, std::string_view message, std::initializer_list<Field> fields,
           std::string_view traceparent) {
  const std::shared_ptr<const Sink> sink = Global().sink();
  if (level < sink->level) return;
  sink->logger->log(ToSpdlog(level), JsonLine(SystemClock()->Now(), level, sink->service, sink->hotline,
                                              message, fields, traceparent));
}

std::string JsonLine(absl::Time now, Level level, std::string_view service, std::string_view hotline,
                     std::string_view message, std::initializer_list<Field> fields,
                     std::string_view traceparent) {
  std::string line = "{\"ts\":\"";
  line += absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
  line += "\",\"level\":\"";
  line += kLevels[static_cast<size_t>(level)];
  line += '"';
  if (!service.empty()) {
    AppendKey("service", &line);
    AppendString(service, &line);
  }
  if (!hotline.empty()) {
    AppendKey("hotline", &line);
    AppendString(hotline, &line);
  }
  AppendKey("msg", &line);
  AppendString(message, &line);
  if (!traceparent.empty()) {
    const std::string_view trace_id = TraceId(traceparent);
    AppendKey("trace", &line);
    AppendString(trace_id.empty() ? traceparent : trace_id, &line);
  }
  for (const Field& field : fields) {
    if (line.size() > kMaxLineBytes) break;
    AppendKey(field.key, &line);
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      AppendString(*text, &line);
    } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
      fmt::format_to(std::back_inserter(line), "{}", *number);
    } else if (const auto* real = std::get_if<double>(&field.value)) {
      // JSON has no infinities.
      line += std::isfinite(*real) ? fmt::format("{}", *real) : "null";
    } else {
      line += std::get<bool>(field.value) ? "true" : "false";
    }
  }
  line += '}';
  return line;
}

}  // namespace hotline::log
