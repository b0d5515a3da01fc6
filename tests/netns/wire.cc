#include "tests/netns/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <queue>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tests/support/site.h"

namespace hotline::test {
namespace {

constexpr size_t kMaxPacket = 2048;
constexpr size_t kMaxWaiting = 4096;  // packets; more are lost, as in a router

std::string NamespaceOf(const std::string& who) {
  char link[64];
  const std::string path = absl::StrCat("/proc/", who, "/ns/net");
  const ssize_t size = readlink(path.c_str(), link, sizeof(link));
  return size <= 0 ? std::string() : std::string(link, static_cast<size_t>(size));
}

// One end of the wire, moved into `inside` under `name`.
absl::StatusOr<int> OpenEnd(const std::string& name, const Namespace& inside, const std::string& address,
                            const std::string& other) {
  const int end = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (end < 0) return absl::UnavailableError(absl::StrCat("/dev/net/tun: ", strerror(errno)));
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  absl::Status status;
  if (ioctl(end, TUNSETIFF, &request) != 0) {
    status = absl::UnavailableError(absl::StrCat("TUNSETIFF: ", strerror(errno)));
  }
  if (status.ok()) {
    status =
        RunCommand({"/usr/sbin/ip", "link", "set", name, "netns", absl::StrCat(inside.pid())}, "/dev/null");
  }
  if (status.ok()) status = inside.Run({"/usr/sbin/ip", "addr", "add", address, "peer", other, "dev", name});
  if (status.ok()) status = inside.Run({"/usr/sbin/ip", "link", "set", name, "up"});
  if (status.ok()) return end;
  close(end);
  return status;
}

}  // namespace

absl::Status RunCommand(const std::vector<std::string>& command, const std::string& log_file) {
  auto process = Process::Start(command, log_file);
  if (!process.ok()) return process.status();
  if ((*process)->Wait(absl::Seconds(10)) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("failed: ", absl::StrJoin(command, " ")));
}

absl::StatusOr<std::unique_ptr<Namespace>> Namespace::Make(const std::string& log_file) {
  auto holder = Process::Start({"/usr/bin/unshare", "--net", "/usr/bin/tail", "-f", "/dev/null"}, log_file);
  if (!holder.ok()) return holder.status();
  std::unique_ptr<Namespace> made(new Namespace(*std::move(holder), log_file));
  const std::string ours = NamespaceOf("self");
  const bool apart = Eventually(
      [&] {
        const std::string theirs = NamespaceOf(absl::StrCat(made->pid()));
        return (!theirs.empty() && theirs != ours) || !made->holder_->Running();
      },
      absl::Seconds(10));
  if (!apart || !made->holder_->Running()) return absl::UnavailableError("unshare --net failed");
  if (absl::Status up = made->Run({"/usr/sbin/ip", "link", "set", "lo", "up"}); !up.ok()) return up;
  return made;
}

std::vector<std::string> Namespace::Launcher() const {
  return {"/usr/bin/nsenter", absl::StrCat("--net=/proc/", pid(), "/ns/net")};
}

absl::Status Namespace::Run(const std::vector<std::string>& command) const {
  std::vector<std::string> inside = Launcher();
  inside.insert(inside.end(), command.begin(), command.end());
  return RunCommand(inside, log_file_);
}

absl::StatusOr<std::unique_ptr<Wire>> Wire::Make(const Namespace& a, const std::string& address_a,
                                                 const Namespace& b, const std::string& address_b,
                                                 uint64_t seed) {
  const absl::StatusOr<int> end_a = OpenEnd("wire_a", a, address_a, address_b);
  if (!end_a.ok()) return end_a.status();
  const absl::StatusOr<int> end_b = OpenEnd("wire_b", b, address_b, address_a);
  if (!end_b.ok()) {
    close(*end_a);
    return end_b.status();
  }
  return std::unique_ptr<Wire>(new Wire({*end_a, *end_b}, seed));
}

Wire::Wire(std::array<int, 2> ends, uint64_t seed)
    : ends_(ends), seed_(seed), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Carry(); });
}

Wire::~Wire() {
  stopped_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
  thread_.join();
  for (const int end : ends_) close(end);
  close(wake_);
}

void Wire::Set(int from, const Weather& weather) {
  MutexLock lock(&mu_);
  weather_[static_cast<size_t>(from)] = weather;
}

void Wire::Carry() {
  struct Packet {
    absl::Time due;
    int64_t number;
    int to;
    std::string bytes;
    bool operator<(const Packet& other) const {
      return std::tie(due, number) > std::tie(other.due, other.number);
    }
  };
  std::priority_queue<Packet> waiting;
  std::mt19937_64 random(seed_);
  std::uniform_real_distribution<double> chance(0, 1);
  int64_t number = 0;
  std::string buffer(kMaxPacket, '\0');
  while (!stopped_) {
    absl::Time now = absl::Now();
    while (!waiting.empty() && waiting.top().due <= now) {
      const Packet& packet = waiting.top();
      if (write(packet.to, packet.bytes.data(), packet.bytes.size()) < 0) lost_.fetch_add(1);
      carried_.fetch_add(1);
      waiting.pop();
    }
    const absl::Duration left = waiting.empty() ? absl::Seconds(1) : waiting.top().due - now;
    pollfd polls[] = {{ends_[0], POLLIN, 0}, {ends_[1], POLLIN, 0}, {wake_, POLLIN, 0}};
    timespec timeout = absl::ToTimespec(std::max(left, absl::ZeroDuration()));
    ppoll(polls, 3, &timeout, nullptr);
    now = absl::Now();
    for (size_t from = 0; from < 2; ++from) {
      Weather weather;
      {
        MutexLock lock(&mu_);
        weather = weather_[from];
      }
      for (;;) {
        const ssize_t size = read(ends_[from], buffer.data(), buffer.size());
        if (size <= 0) break;
        const bool drop = weather.cut || chance(random) < weather.loss || waiting.size() >= kMaxWaiting;
        if (drop) {
          lost_.fetch_add(1);
          continue;
        }
        const int copies = chance(random) < weather.doubled ? 2 : 1;
        for (int copy = 0; copy < copies; ++copy) {
          waiting.push({now + weather.delay + weather.jitter * chance(random), ++number, ends_[1 - from],
                        buffer.substr(0, static_cast<size_t>(size))});
        }
      }
    }
  }
}

}  // namespace hotline::test
