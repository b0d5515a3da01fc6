// Where hotlinectl writes: results to standard output, everything else to standard error. Colours, progress
// and column limits only on a terminal.
#ifndef SERVICES_HOTLINECTL_CONSOLE_H_
#define SERVICES_HOTLINECTL_CONSOLE_H_

#include <string>
#include <string_view>

#include "services/hotlinectl/core/failure.h"
#include "services/hotlinectl/core/table.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

// Used from one thread.
class Console {
 public:
  Console(Language language, bool json);
  ~Console() { EndProgress(); }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  Language language() const { return language_; }
  // Results are for scripts.
  bool json() const { return json_; }
  // How tables look on standard output.
  const TableStyle& style() const { return style_; }

  // Writes to standard output and flushes, so that who reads a pipe sees each result as it comes.
  void Out(std::string_view text);
  void OutLine(std::string_view text);
  // Writes a line to standard error, above the progress if one is shown.
  void ErrLine(std::string_view text, Colour colour = Colour::kNone);

  // Shows `text` in place of the progress shown before. Nothing unless standard error is a terminal.
  void Progress(std::string_view text);
  void EndProgress();
  bool shows_progress() const { return err_terminal_; }

  // Tells a failure, in words or, for scripts, as JSON, on standard error. Returns the exit code.
  int Fail(const Failure& failure);
  // The same of what was given on the command line.
  int FailUsage(const std::string& message);

  // Something did not get out to standard output, so nothing more will be of use there.
  bool failed() const { return failed_; }
  // The exit code of a command that ended with `code`: another, after saying so, if what it said was lost.
  int Finish(int code);

 private:
  const Language language_;
  const bool json_;
  const bool err_terminal_;
  const bool err_colour_;
  TableStyle style_;
  bool progress_shown_ = false;
  bool failed_ = false;
};

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CONSOLE_H_
