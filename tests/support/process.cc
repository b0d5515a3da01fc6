#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace hotline::test {
namespace {

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "tests/support: %s: %s\n", what.c_str(), strerror(errno));
  abort();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& argv,
                                                        const std::string& log_file) {
  if (access(argv[0].c_str(), X_OK) != 0) return absl::NotFoundError(absl::StrCat("no program ", argv[0]));
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) return absl::InternalError("pipe2");
  const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return absl::InternalError(absl::StrCat("cannot write ", log_file));
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::InternalError("fork");
  if (pid == 0) {
    // Only async-signal-safe calls until exec: the parent has threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(output[1]);
  close(log);
  return std::unique_ptr<Process>(new Process(pid, output[0], log_file));
}

Process::Process(pid_t pid, int output, std::string log_file)
    : pid_(pid), output_(output), log_file_(std::move(log_file)) {}

Process::~Process() {
  Kill();
  close(output_);
}

absl::StatusOr<std::string> Process::WaitForLine(const std::string& prefix, absl::Duration timeout) {
  const absl::Time until = absl::Now() + timeout;
  while (true) {
    for (size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.starts_with(prefix)) return line;
    }
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat("no line ", prefix, " in time; log:\n", LogTail()));
    }
    pollfd ready = {.fd = output_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) continue;
    char chunk[4096];
    const ssize_t n = read(output_, chunk, sizeof(chunk));
    if (n <= 0) return absl::UnavailableError(absl::StrCat("it ended early; log:\n", LogTail()));
    buffer_.append(chunk, static_cast<size_t>(n));
  }
}

void Process::Signal(int signal) {
  if (Running()) kill(pid_, signal);
}

void Process::Kill() {
  Signal(SIGKILL);
  Wait(absl::Seconds(30));
}

int Process::Wait(absl::Duration timeout) {
  const absl::Time until = absl::Now() + timeout;
  while (Running()) {
    if (absl::Now() > until) kill(pid_, SIGKILL);
    absl::SleepFor(absl::Milliseconds(2));
  }
  return exit_status_;
}

int Process::Terminate(absl::Duration timeout) {
  Signal(SIGTERM);
  return Wait(timeout);
}

bool Process::Running() {
  if (ended_) return false;
  int status = 0;
  const pid_t done = waitpid(pid_, &status, WNOHANG);
  if (done == 0) return true;
  ended_ = true;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

Usage Process::ReadUsage() const { return test::ReadUsage(pid_); }

std::string Process::LogTail() const {
  const std::string log = ReadFile(log_file_);
  return log.substr(log.size() > 4000 ? log.size() - 4000 : 0);
}

Usage ReadUsage(pid_t pid) {
  Usage usage;
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return usage;
  // proc(5): after the name, state is field 3, utime 14, stime 15, rss (pages) 24.
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 2), ' ');
  int64_t user = 0, system = 0, pages = 0;
  if (fields.size() < 22 || !absl::SimpleAtoi(fields[11], &user) || !absl::SimpleAtoi(fields[12], &system) ||
      !absl::SimpleAtoi(fields[21], &pages)) {
    return usage;
  }
  usage.cpu = absl::Seconds(static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
  usage.rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
  return usage;
}

TemporaryFolder::TemporaryFolder() {
  const char* base = getenv("TMPDIR");
  path_ = absl::StrCat(base == nullptr ? "/tmp" : base, "/hotline-test-XXXXXX");
  if (mkdtemp(path_.data()) == nullptr) Die("mkdtemp");
}

TemporaryFolder::~TemporaryFolder() {
  if (getenv("HOTLINE_KEEP_FILES") != nullptr) {
    fprintf(stderr, "kept %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Ports::~Ports() {
  for (const int lock : locks_) close(lock);
}

int Ports::Take() {
  static std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<int> port_of(13000, 32000);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int port = port_of(random);
    // An abstract socket's name is a lock that the kernel releases when its owner ends, however it ends.
    const int lock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    const std::string text = absl::StrCat("hotline-test-port-", port);
    memcpy(name.sun_path + 1, text.data(), text.size());
    const socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    if (bind(lock, reinterpret_cast<const sockaddr*>(&name), length) != 0) {
      close(lock);
      continue;
    }
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(probe);
    if (!free) {
      close(lock);
      continue;
    }
    locks_.push_back(lock);
    return port;
  }
  Die("no free port");
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

void WriteFile(const std::string& path, std::string_view contents) {
  const std::string draft = path + ".draft";
  std::ofstream file(draft, std::ios::binary | std::ios::trunc);
  file << contents;
  file.close();
  if (!file || rename(draft.c_str(), path.c_str()) != 0) Die(absl::StrCat("write ", path));
}

}  // namespace hotline::test
