// A child process of a test: started, watched, killed. Ends only what it started, and what it started ends
// with it.
#ifndef TESTS_SUPPORT_PROCESS_H_
#define TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hotline::test {

// Processor time and memory of a process so far.
struct Usage {
  absl::Duration cpu;
  int64_t rss_kib = 0;
};

// Not thread-safe. The child dies with the thread that started it (PR_SET_PDEATHSIG), so start it from one
// that lasts.
class Process {
 public:
  // Runs `argv` with standard error appended to `log_file` and standard output read here.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& argv,
                                                        const std::string& log_file);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The next line of standard output that starts with `prefix`; lines before it are skipped. Fails when the
  // output ends or `timeout` has passed; the message then holds the end of the log.
  absl::StatusOr<std::string> WaitForLine(const std::string& prefix, absl::Duration timeout);
  // Sends `signal`; nothing if it has ended.
  void Signal(int signal);
  // SIGKILL, and waits until it is gone.
  void Kill();
  // Waits for the end and returns the exit status, or 128 + signal. After `timeout` it is killed.
  int Wait(absl::Duration timeout);
  // SIGTERM, then `Wait`.
  int Terminate(absl::Duration timeout);
  // True until the end has been seen.
  bool Running();

  pid_t pid() const { return pid_; }
  Usage ReadUsage() const;

 private:
  Process(pid_t pid, int output, std::string log_file);
  std::string LogTail() const;

  const pid_t pid_;
  const int output_;
  const std::string log_file_;
  std::string buffer_;
  bool ended_ = false;
  int exit_status_ = 0;
};

// Processor time and memory of process `pid`; zeros if there is none.
Usage ReadUsage(pid_t pid);

// A folder of its own under the temporary folder, removed with all in it at the end unless HOTLINE_KEEP_FILES
// is set.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Free loopback ports below the ephemeral range, so that no outgoing connection takes one while its service
// is down, each reserved for this object's life against other users of this class on the machine.
class Ports {
 public:
  Ports() = default;
  ~Ports();
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;
  int Take();

 private:
  std::vector<int> locks_;
};

// Whole contents; empty if it cannot be read.
std::string ReadFile(const std::string& path);
// Replaces the file at once: a reader sees the old or the new one. Dies if it cannot.
void WriteFile(const std::string& path, std::string_view contents);

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_PROCESS_H_
