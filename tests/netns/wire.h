// A wire between two network namespaces that the test holds in its hand: every packet passes through this
// process, which loses, doubles, delays and cuts as told. It needs no queueing discipline of the kernel (`tc
// netem` is not in every one), only /dev/net/tun, and is gone with the process.
#ifndef TESTS_NETNS_WIRE_H_
#define TESTS_NETNS_WIRE_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "tests/support/process.h"

namespace hotline::test {

// A network namespace without a name: it ends with the process that holds it, which ends with this one.
class Namespace {
 public:
  static absl::StatusOr<std::unique_ptr<Namespace>> Make(const std::string& log_file);
  pid_t pid() const { return holder_->pid(); }
  // What runs its arguments inside.
  std::vector<std::string> Launcher() const;
  // Runs `command` inside and waits for it.
  absl::Status Run(const std::vector<std::string>& command) const;

 private:
  Namespace(std::unique_ptr<Process> holder, std::string log_file)
      : holder_(std::move(holder)), log_file_(std::move(log_file)) {}

  const std::unique_ptr<Process> holder_;
  const std::string log_file_;
};

// Runs a program of the machine and waits for its end; not OK unless its exit status is 0.
absl::Status RunCommand(const std::vector<std::string>& command, const std::string& log_file);

// What happens to packets on their way.
struct Weather {
  double loss = 0;     // 0 to 1
  double doubled = 0;  // 0 to 1
  absl::Duration delay;
  absl::Duration jitter;  // up to this is added, so that packets overtake each other
  bool cut = false;
};

// Thread-safe.
class Wire {
 public:
  // Joins `a` at address `address_a` with `b` at `address_b`.
  static absl::StatusOr<std::unique_ptr<Wire>> Make(const Namespace& a, const std::string& address_a,
                                                    const Namespace& b, const std::string& address_b,
                                                    uint64_t seed);
  ~Wire();

  // `from`: 0 for packets that leave a, 1 for those that leave b.
  void Set(int from, const Weather& weather);
  int64_t carried() const { return carried_.load(); }
  int64_t lost() const { return lost_.load(); }

 private:
  Wire(std::array<int, 2> ends, uint64_t seed);
  void Carry();

  const std::array<int, 2> ends_;
  const uint64_t seed_;
  int wake_ = -1;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> carried_{0};
  std::atomic<int64_t> lost_{0};
  Mutex mu_;
  std::array<Weather, 2> weather_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace hotline::test

#endif  // TESTS_NETNS_WIRE_H_
