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

void Write(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
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
  Write(stdout, text);
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

}  // namespace hotline::hotlinectl
