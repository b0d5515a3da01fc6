#include "services/hotlinectl/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "common/base/text.h"

namespace hotline::hotlinectl {
namespace {

// https://no-color.org: set and not empty means no.
bool ColourWanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && (term == nullptr || std::string_view(term) != "dumb");
}

int TerminalWidth() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool Write(std::FILE* file, std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fflush(file) == 0 && whole;
}

}  // namespace

Console::Console(Language language, bool json)
    : language_(language),
      json_(json),
      err_terminal_(isatty(STDERR_FILENO) != 0),
      err_colour_(err_terminal_ && ColourWanted()) {
  if (isatty(STDOUT_FILENO) != 0) {
    style_ = {.colour = ColourWanted(), .isolate = true, .max_width = TerminalWidth()};
  }
}

void Console::Out(std::string_view text) {
  EndProgress();
  if (!Write(stdout, text)) failed_ = true;
}

void Console::OutLine(std::string_view text) { Out(StrCat(text, "\n")); }

void Console::ErrLine(std::string_view text, Colour colour) {
  EndProgress();
  Write(stderr, StrCat(Paint(text, colour, err_colour_), "\n"));
}

void Console::Progress(std::string_view text) {
  if (!err_terminal_) return;
  // Back to the first column, and the rest of the line erased.
  Write(stderr, StrCat("\r", text, "\x1b[K"));
  progress_shown_ = true;
}

void Console::EndProgress() {
  if (!progress_shown_) return;
  Write(stderr, "\r\x1b[K");
  progress_shown_ = false;
}

int Console::Fail(const Failure& failure) {
  EndProgress();
  if (json_) {
    Write(stderr, StrCat(FailureJson(failure), "\n"));
  } else {
    const std::string text = DescribeFailure(failure, language_);
    const size_t line = text.find('\n');
    Write(stderr, StrCat(Paint(text.substr(0, line), Colour::kRed, err_colour_), text.substr(line)));
  }
  return ExitCodeOf(failure);
}

int Console::FailUsage(const std::string& message) {
  return Fail({.status = absl::InvalidArgumentError(message), .usage = true});
}

int Console::Finish(int code) {
  // A script that kept half a result must not take it for the whole.
  if (code != kExitOk || !failed_) return code;
  const Failure failure = {.status = absl::InternalError(ToAbsl(Say(Language::kEnglish, say::kOutputLost))),
                           .chinese = std::string(Say(Language::kChinese, say::kOutputLost))};
  if (json_) return Fail(failure);
  // Without the advice for an internal error: the text has its own.
  ErrLine(Say(language_, say::kError, FailureMessage(failure, language_)), Colour::kRed);
  return ExitCodeOf(failure);
}

}  // namespace hotline::hotlinectl
