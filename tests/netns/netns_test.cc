// Two sites of real processes, each in a network namespace of its own, under load from both sides. Between
// them is a wire that loses, doubles, delays, reorders and cuts (or, with --spool, no wire at all: a gateway
// copies files, and loses and repeats some); processes are killed; the disk of one site fills up. What must
// hold at the end is in tests/support/campaign.h, and reconciliation finds no difference.
//
//   netns_test [--spool] [--seconds N | --minutes N] [--seed N]
//
// Exit status 77: this machine has no namespaces for us. All addresses are inside namespaces that it makes
// and that end with it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/conformance/wire.h"
#include "tests/netns/wire.h"
#include "tests/support/campaign.h"

namespace hotline::test {
namespace {

namespace fs = std::filesystem;

constexpr int kSkipped = 77;
constexpr char kInside[] = "HOTLINE_NETNS_INSIDE";

// Copies files from one directory to another as a gatekeeper does that nobody looks after: some get lost,
// some come again later, and in any order.
class Gateway {
 public:
  Gateway(std::vector<std::pair<std::string, std::string>> ways, uint64_t seed)
      : ways_(std::move(ways)), random_(seed), thread_([this] { Run(); }) {}
  ~Gateway() {
    {
      MutexLock lock(&mu_);
      stopped_ = true;
      changed_.NotifyAll();
    }
    thread_.join();
  }

  void Close(bool closed) {
    MutexLock lock(&mu_);
    closed_ = closed;
  }
  // From now on it only copies.
  void Behave() {
    MutexLock lock(&mu_);
    careless_ = false;
  }
  int64_t copied() const { return copied_.load(); }
  int64_t lost() const { return lost_.load(); }

 private:
  void Run() {
    MutexLock lock(&mu_);
    while (!stopped_) {
      changed_.WaitFor(&mu_, std::chrono::milliseconds(50));
      if (closed_ || stopped_) continue;
      for (const auto& [from, to] : ways_) CopyAll(from, to);
    }
  }

  void CopyAll(const std::string& from, const std::string& to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::error_code error;
    std::vector<fs::path> files;
    for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
      if (it->path().filename().string()[0] != '.' && it->is_regular_file(error)) files.push_back(it->path());
    }
    std::shuffle(files.begin(), files.end(), random_);
    for (const fs::path& file : files) {
      const uint64_t dice = careless_ ? random_() % 20 : 19;
      if (dice == 0) {
        ++lost_;
        fs::remove(file, error);
        continue;
      }
      // In place, as cp does: the reader sees it grow.
      fs::copy_file(file, fs::path(to) / file.filename(), fs::copy_options::overwrite_existing, error);
      ++copied_;
      // Else it stays, and is copied once more.
      if (dice > 3 && !error) fs::remove(file, error);
    }
  }

  const std::vector<std::pair<std::string, std::string>> ways_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_);
  std::atomic<int64_t> copied_{0};
  std::atomic<int64_t> lost_{0};
  Mutex mu_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool careless_ ABSL_GUARDED_BY(mu_) = true;
  std::thread thread_;
};

class NetworkCampaign final : public Campaign {
 public:
  NetworkCampaign(bool spool, absl::Duration duration, uint64_t seed)
      : Campaign(spool ? "netns.spool" : "netns.grpc", duration, seed, absl::Milliseconds(60)),
        spool_(spool),
        random_(seed) {}
  ~NetworkCampaign() override {
    for (Site* site : {&sites().a, &sites().b}) site->KillAll();
    if (!disk_.empty()) umount2(disk_.c_str(), MNT_DETACH);
  }

 private:
  absl::Status Prepare() override {
    const std::string log = sites().folder.path() + "/netns.log";
    if (absl::Status up = RunCommand({"/usr/sbin/ip", "link", "set", "lo", "up"}, log); !up.ok()) return up;
    int number = 0;
    for (Site* site : {&sites().a, &sites().b}) {
      auto space = Namespace::Make(log);
      if (!space.ok()) return space.status();
      spaces_[number] = *std::move(space);
      // The desks reach the site by a cable of their own, which stays whole.
      const std::string desk = absl::StrCat("desk", number), base = absl::StrCat("10.253.", number, ".");
      for (const std::vector<std::string>& command :
           std::vector<std::vector<std::string>>{{"link", "add", desk, "type", "veth", "peer", "name", "desk",
                                                  "netns", absl::StrCat(spaces_[number]->pid())},
                                                 {"addr", "add", base + "1/30", "dev", desk},
                                                 {"link", "set", desk, "up"}}) {
        std::vector<std::string> whole = {"/usr/sbin/ip"};
        whole.insert(whole.end(), command.begin(), command.end());
        if (absl::Status done = RunCommand(whole, log); !done.ok()) return done;
      }
      for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
               {"/usr/sbin/ip", "addr", "add", base + "2/30", "dev", "desk"},
               {"/usr/sbin/ip", "link", "set", "desk", "up"}}) {
        if (absl::Status done = spaces_[number]->Run(command); !done.ok()) return done;
      }
      site->config().mutable_dispatch()->set_backoff_max_ms(500);
      site->MoveTo(base + "2", spaces_[number]->Launcher());
      ++number;
    }
    UseKeys();
    // The small disk of site 110, a memory of its own in our mount namespace.
    disk_ = sites().b.folder() + "/disk";
    fs::create_directories(disk_);
    const std::string size = absl::StrCat("size=", 256 + 128 * absl::ToInt64Minutes(duration()), "m");
    if (mount("hotline-netns", disk_.c_str(), "tmpfs", 0, size.c_str()) != 0) {
      return absl::UnavailableError(absl::StrCat("mount: ", strerror(errno)));
    }
    sites().b.config().mutable_work_order()->set_data_dir(disk_ + "/work_order");
    sites().b.config().mutable_escalation()->set_data_dir(disk_ + "/escalation");
    if (spool_) {
      UseSpool();
      return absl::OkStatus();
    }
    auto wire = Wire::Make(*spaces_[0], "10.253.9.1", *spaces_[1], "10.253.9.2", seed());
    if (!wire.ok()) return wire.status();
    wire_ = *std::move(wire);
    for (int i = 0; i < 2; ++i) {
      Site& site = i == 0 ? sites().a : sites().b;
      Site& other = i == 0 ? sites().b : sites().a;
      const std::string address = other.address(Service::kDispatch);
      site.config().mutable_peers(0)->set_address(
          absl::StrCat("10.253.9.", 2 - i, address.substr(address.rfind(':'))));
    }
    return absl::OkStatus();
  }

  // Both sites sign, and take nothing unsigned.
  void UseKeys() {
    for (int i = 0; i < 2; ++i) {
      Site& site = i == 0 ? sites().a : sites().b;
      Site& other = i == 0 ? sites().b : sites().a;
      const conformance::Key key = conformance::Key::Make("key-1");
      const std::string file = sites().folder.path() + "/" + site.hotline();
      WriteFile(file + ".key", key.PrivatePem());
      fs::permissions(file + ".key", fs::perms::owner_read | fs::perms::owner_write);
      WriteFile(file + ".pub", key.PublicPem());
      config::v1::SigningKey* own = site.config().mutable_signing()->add_keys();
      own->set_key_id("key-1");
      own->set_private_key_file(file + ".key");
      config::v1::PublicKey* known = other.config().mutable_peers(0)->add_public_keys();
      known->set_key_id("key-1");
      known->set_file(file + ".pub");
    }
  }

  void UseSpool() {
    std::vector<std::pair<std::string, std::string>> ways;
    for (int i = 0; i < 2; ++i) {
      Site& site = i == 0 ? sites().a : sites().b;
      Site& other = i == 0 ? sites().b : sites().a;
      config::v1::PeerConfig* peer = site.config().mutable_peers(0);
      peer->clear_address();
      peer->mutable_spool()->set_out_directory(site.folder() + "/out");
      peer->mutable_spool()->set_in_directory(site.folder() + "/in");
      peer->mutable_spool()->set_scan_interval_ms(50);
      peer->mutable_spool()->set_resend_after_s(2);
      fs::create_directories(site.folder() + "/out");
      fs::create_directories(site.folder() + "/in");
      ways.emplace_back(site.folder() + "/out", other.folder() + "/in");
    }
    gateway_ = std::make_unique<Gateway>(std::move(ways), seed());
  }

  void Pause(int64_t least_ms, int64_t most_ms) {
    absl::SleepFor(absl::Milliseconds(
        least_ms + static_cast<int64_t>(random_() % static_cast<uint64_t>(most_ms - least_ms))));
  }

  void Disturb() override {
    const absl::Time until = absl::Now() + duration();
    while (absl::Now() < until && !Failed()) {
      switch (random_() % 8) {
        case 0:
        case 1:
        case 2:
          NewWeather();
          break;
        case 3:
        case 4:
          Cut();
          break;
        case 5:
          FillDisk();
          break;
        default:
          Count("kill");
          KillAndRestart(random_);
      }
      Pause(100, 900);
    }
    if (wire_ != nullptr) {
      wire_->Set(0, {});
      wire_->Set(1, {});
    }
    if (gateway_ != nullptr) gateway_->Behave();
    if (wire_ != nullptr) {
      printf("packets carried=%lld lost=%lld\n", static_cast<long long>(wire_->carried()),
             static_cast<long long>(wire_->lost()));
    } else {
      printf("files copied=%lld lost=%lld\n", static_cast<long long>(gateway_->copied()),
             static_cast<long long>(gateway_->lost()));
    }
    fflush(stdout);
  }

  void NewWeather() {
    if (wire_ == nullptr) return;
    Count("weather");
    for (int from = 0; from < 2; ++from) {
      wire_->Set(from, {.loss = static_cast<double>(random_() % 80) / 1000,
                        .doubled = static_cast<double>(random_() % 20) / 1000,
                        .delay = absl::Milliseconds(static_cast<int64_t>(random_() % 40)),
                        .jitter = absl::Milliseconds(static_cast<int64_t>(random_() % 20))});
    }
  }

  // Nothing passes for a while: both ways, or only one.
  void Cut() {
    if (wire_ == nullptr) {
      Count("cut");
      gateway_->Close(true);
      Pause(300, 3000);
      gateway_->Close(false);
      return;
    }
    const uint64_t which = random_() % 3;
    Count(which == 2 ? "cut" : "cut_one_way");
    for (int from = 0; from < 2; ++from) {
      if (which == 2 || which == static_cast<uint64_t>(from)) wire_->Set(from, {.cut = true});
    }
    Pause(300, 3000);
    wire_->Set(0, {});
    wire_->Set(1, {});
  }

  void FillDisk() {
    Count("disk_full");
    const std::string filler = disk_ + "/filler";
    {
      std::ofstream file(filler, std::ios::binary);
      const std::string block(1 << 16, 'x');
      while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
      }
    }
    Pause(300, 2000);
    std::error_code error;
    fs::remove(filler, error);
  }

  // Each site is asked as its peer what it holds, of both givers.
  void CompareMore() override {
    const auto digests = [&](Site& site, const std::string& peer) {
      exchange::v1::ReconcileRequest request;
      request.set_protocol_version(1);
      request.set_from_hotline(peer);
      request.set_to_hotline(site.hotline());
      for (const char* giver : {"110", "12345"}) {
        exchange::v1::DigestRange* range = request.add_ranges();
        range->set_giver(giver);
        range->set_last_order_id(std::numeric_limits<int64_t>::max());
      }
      exchange::v1::ReconcileResponse response;
      Call call(absl::Minutes(2));
      const grpc::Status status = site.exchange().Reconcile(&call, request, &response);
      if (!status.ok()) Fault("reconcile: " + status.error_message());
      return response;
    };
    const auto a = digests(sites().a, "110"), b = digests(sites().b, "12345");
    if (Failed()) return;
    for (int i = 0; i < 2; ++i) {
      const auto& at_a = a.answers(i).whole();
      const auto& at_b = b.answers(i).whole();
      if (at_a.count() != at_b.count() || at_a.digest() != at_b.digest()) {
        Fault(absl::StrCat("reconciliation: what ", at_a.range().giver(), " gave differs: ", at_a.count(),
                           " and ", at_b.count(), " handoffs"));
      }
      printf("reconciliation: given by %s: %lld handoffs, 0 differences\n", at_a.range().giver().c_str(),
             static_cast<long long>(at_a.count()));
    }
  }

  const bool spool_;
  std::mt19937_64 random_;
  std::string disk_;
  std::array<std::unique_ptr<Namespace>, 2> spaces_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Gateway> gateway_;
};

int Skip(const char* why) {
  printf("SKIPPED: %s\n", why);
  return kSkipped;
}

int Main(int argc, char** argv) {
  double seconds = 40;
  uint64_t seed = std::random_device{}();
  bool spool = false;
  const auto more = [&spool](const std::string& flag) {
    spool = spool || flag == "--spool";
    return flag == "--spool";
  };
  if (!ReadCampaignFlags(argc, argv, &seconds, &seed, more)) return 2;
  if (getenv(kInside) == nullptr) {
    // Everything from here on happens in a network and a mount namespace of our own.
    if (access("/usr/bin/unshare", X_OK) != 0 || access("/usr/bin/nsenter", X_OK) != 0 ||
        access("/usr/sbin/ip", X_OK) != 0) {
      return Skip("needs unshare, nsenter and ip (util-linux, iproute2)");
    }
    if (access("/dev/net/tun", R_OK | W_OK) != 0) return Skip("/dev/net/tun cannot be used");
    if (!RunCommand({"/usr/bin/unshare", "--net", "--mount", "/usr/bin/true"}, "/dev/null").ok()) {
      return Skip("no namespaces: unshare --net --mount is not allowed here");
    }
    setenv(kInside, "1", 1);
    std::vector<char*> command;
    std::vector<std::string> words = {"/usr/bin/unshare", "--net", "--mount", "--"};
    for (int i = 0; i < argc; ++i) words.emplace_back(i == 0 ? "/proc/self/exe" : argv[i]);
    words[4] = fs::read_symlink("/proc/self/exe").string();
    for (std::string& word : words) command.push_back(word.data());
    command.push_back(nullptr);
    execv(command[0], command.data());
    return Skip("unshare cannot be run");
  }
  printf("netns%s seed=%llu\n", spool ? ".spool" : ".grpc", static_cast<unsigned long long>(seed));
  fflush(stdout);
  return NetworkCampaign(spool, absl::Seconds(seconds), seed).Run();
}

}  // namespace
}  // namespace hotline::test

int main(int argc, char** argv) { return hotline::test::Main(argc, argv); }
