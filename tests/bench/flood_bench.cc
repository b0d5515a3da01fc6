// Emergencies while ordinary pushes flood the site: push to the peer's durable receipt, one at a time, first
// alone and then beside a flood. What the site can take of ordinary pushes is measured in between; the flood
// is a program of its own that begins `--load` times as many a second, answered or not, of which the site
// refuses what it cannot take. On a machine of two cores it does not get to begin so many beside two sites:
// `offered` and `offered_times` (offered by capacity) tell what it did. `--site_cpu` makes each site a
// machine of that share of one core, so that what is left suffices to offer ten times what it can take; as
// root, where control groups can be made.
//   --emergencies N --load TIMES --rate N (pushes a second, instead of --load) --channels N --pause_ms MS
//   --patience_ms MS (after which a push of the flood is given up; 30 s, as a desktop waits. Beyond the
//   capacity all that a site gets from impatient callers is calls that have no time left)
//   --nice N (of the program that floods; 0) --site_cpu PERCENT (of one core; 0, not held)
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/contract/proto_time.h"
#include "tests/bench/load.h"
#include "tests/support/orders.h"

namespace hotline::bench {
namespace {

// Where the time goes, by the times at which the three commits that a push waits for were begun.
struct Stages {
  std::vector<double> whole_ms;
  std::vector<double> offer_ms;    // from the call to the commit at the giver
  std::vector<double> peer_ms;     // from there to the commit at the taker
  std::vector<double> receipt_ms;  // from there to the commit of its receipt at the giver
  std::vector<double> answer_ms;   // from there to the answer

  void Add(absl::Time begin, absl::Time end, const type::v1::Handoff& handoff) {
    const absl::Time offered = FromTimestamp(handoff.offer_time());
    const absl::Time received = FromTimestamp(handoff.receive_time());
    const absl::Time recorded = FromTimestamp(handoff.receipt_record().receive_record_time());
    whole_ms.push_back(absl::ToDoubleMilliseconds(end - begin));
    offer_ms.push_back(absl::ToDoubleMilliseconds(offered - begin));
    peer_ms.push_back(absl::ToDoubleMilliseconds(received - offered));
    receipt_ms.push_back(absl::ToDoubleMilliseconds(recorded - received));
    answer_ms.push_back(absl::ToDoubleMilliseconds(end - recorded));
  }

  std::string Text() const {
    const auto both = [](const std::vector<double>& values) {
      return absl::StrFormat("%.2f/%.2f", Quantile(values, 0.5), Quantile(values, 0.99));
    };
    return absl::StrCat("offer_ms=", both(offer_ms), " peer_ms=", both(peer_ms),
                        " receipt_ms=", both(receipt_ms), " answer_ms=", both(answer_ms));
  }
};

// Holds processes to a share of one processor, by a control group of its own (version 2 or 1, whichever has
// the processor's controller here).
class HeldProcessor {
 public:
  HeldProcessor(const std::string& name, double percent) {
    if (percent > 100) Fail("--site_cpu: at most 100");
    // The least quota, 1 ms, and as short a period as goes with it: who is held is held for moments.
    const int period_us = static_cast<int>(std::min(kQuotaUs * 100 / percent, 1e6));
    const std::string group = absl::StrCat("/hotline-flood-", getpid(), "-", name);
    // Only a group that holds no process may give its controllers to those below: mostly done already.
    Write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu");
    path_ = "/sys/fs/cgroup" + group;
    mkdir(path_.c_str(), 0755);
    if (Write(path_ + "/cpu.max", absl::StrCat(kQuotaUs, " ", period_us))) return;
    rmdir(path_.c_str());
    path_ = "/sys/fs/cgroup/cpu" + group;
    mkdir(path_.c_str(), 0755);
    if (Write(path_ + "/cpu.cfs_period_us", absl::StrCat(period_us)) &&
        Write(path_ + "/cpu.cfs_quota_us", absl::StrCat(kQuotaUs)))
      return;
    rmdir(path_.c_str());
    Fail("--site_cpu: no control group can be made here");
  }
  // Once its processes have ended.
  ~HeldProcessor() { rmdir(path_.c_str()); }
  HeldProcessor(const HeldProcessor&) = delete;
  HeldProcessor& operator=(const HeldProcessor&) = delete;

  void Hold(pid_t pid) {
    if (!Write(path_ + "/cgroup.procs", absl::StrCat(pid))) Fail("--site_cpu: a process cannot be held");
  }

 private:
  static constexpr int kQuotaUs = 1000;
  static bool Write(const std::string& path, const std::string& text) {
    // Also for reading, so that no file is made where there is none.
    std::fstream file(path, std::ios::in | std::ios::out);
    file << text << std::flush;
    return file.good();
  }
  std::string path_;
};

// The program that floods, and what it counted.
class Flood {
 public:
  Flood(test::TwoSites& sites, const std::vector<std::string>& flags)
      : log_(sites.folder.path() + "/flood.log") {
    std::vector<std::string> argv = {absl::StrCat(test::BuildFolder(), "/tests/bench/flood_load"),
                                     "--address", sites.a.config().dispatch().listen().address(), "--to",
                                     "110"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    auto started = test::Process::Start(argv, log_);
    Check(started.status());
    process_ = *std::move(started);
    Check(process_->WaitForLine("READY", absl::Seconds(10)).status());
  }
  void End() {
    process_->Signal(SIGTERM);
    const absl::StatusOr<std::string> line = process_->WaitForLine("DONE ", absl::Seconds(30));
    Check(line.status());
    for (const auto& field : absl::StrSplit(*line, ' ')) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(field, absl::MaxSplits('=', 1));
      double value = 0;
      if (absl::SimpleAtod(parts.second, &value)) counted_[parts.first] = value;
    }
    process_->Wait(absl::Seconds(10));
    if (counted_["failed"] > 0) Fail("ordinary pushes failed: " + test::ReadFile(log_));
  }
  double each_second(const std::string& name) const { return counted_.at(name) / counted_.at("seconds"); }
  pid_t pid() const { return process_->pid(); }

 private:
  const std::string log_;
  std::unique_ptr<test::Process> process_;
  std::map<std::string, double> counted_;
};

int Main(int argc, char** argv) {
  const int emergencies = static_cast<int>(FlagOr(argc, argv, "emergencies", 500));
  const double load = FlagOr(argc, argv, "load", 10);
  const double fixed_rate = FlagOr(argc, argv, "rate", 0);
  const int channels = static_cast<int>(FlagOr(argc, argv, "channels", 4));
  const double pause_ms = FlagOr(argc, argv, "pause_ms", 10);
  const double niceness = FlagOr(argc, argv, "nice", 0);
  const double patience_ms = FlagOr(argc, argv, "patience_ms", 30'000);
  const double site_cpu = FlagOr(argc, argv, "site_cpu", 0);
  // Before the sites, as their groups end after them.
  std::vector<std::unique_ptr<HeldProcessor>> held;
  test::TwoSites sites;
  Check(sites.UseKeys());
  Check(sites.StartAll());
  if (site_cpu > 0) {
    for (test::Site* site : {&sites.a, &sites.b}) {
      held.push_back(std::make_unique<HeldProcessor>(site->hotline(), site_cpu));
      for (const test::Service service : test::kServices) held.back()->Hold(site->process(service).pid());
    }
  }
  std::mt19937 random(1);
  std::uniform_real_distribution<double> pause(0, 2 * pause_ms);
  int number = 0;
  int telephoned = 0;
  const auto measure = [&](int count) {
    Stages stages;
    for (int n = 0; n < count; ++n) {
      absl::SleepFor(absl::Milliseconds(pause(random)));
      dispatch::v1::PushWorkOrderRequest request = test::MakePush(++number, "110");
      request.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
      dispatch::v1::PushWorkOrderResponse response;
      test::Call call(absl::Seconds(30));
      const absl::Time begin = absl::Now();
      const grpc::Status status = sites.a.dispatch().PushWorkOrder(&call, request, &response);
      const absl::Time end = absl::Now();
      if (!status.ok()) Fail(status.error_message());
      telephoned += response.telephone_required() ? 1 : 0;
      workorder::v1::GetWorkOrderRequest get;
      get.set_order_id(response.order().id());
      workorder::v1::GetWorkOrderResponse got;
      test::Call later(absl::Seconds(30));
      if (!sites.a.work_order().GetWorkOrder(&later, get, &got).ok()) Fail("the order cannot be read");
      stages.Add(begin, end, got.order().handoff());
    }
    return stages;
  };
  if (!test::Eventually([&] {
        measure(1);
        return telephoned == 0 || std::exchange(telephoned, 0) == 0;
      })) {
    Fail("the link does not come up");
  }
  measure(50);
  const Stages idle = measure(emergencies);

  const std::vector<std::string> common = {"--channels", absl::StrCat(channels), "--nice",
                                           absl::StrCat(niceness)};
  const auto with = [&common](const std::string& flag, double value) {
    std::vector<std::string> flags = common;
    flags.push_back(flag);
    flags.push_back(absl::StrCat(value));
    return flags;
  };
  double capacity = 0;
  {
    // Where an emergency was a moment ago, a site takes less of what is ordinary.
    absl::SleepFor(absl::Seconds(3));
    Flood alone(sites, with("--in_flight", 256));
    absl::SleepFor(absl::Seconds(3));
    alone.End();
    capacity = alone.each_second("taken");
  }
  std::vector<std::string> flags = with("--rate", fixed_rate > 0 ? fixed_rate : load * capacity);
  flags.insert(flags.end(), {"--patience_ms", absl::StrCat(patience_ms)});
  Flood flood(sites, flags);
  absl::SleepFor(absl::Seconds(2));
  CpuMeter cpu;
  cpu.Add("client", getpid());
  cpu.Add("flood", flood.pid());
  for (test::Site* site : {&sites.a, &sites.b}) {
    for (const test::Service service : test::kServices) {
      cpu.Add(site->hotline() + "_" + test::NameOf(service), site->process(service).pid());
    }
  }
  cpu.Resume();
  const absl::Time begin = absl::Now();
  const Stages flooded = measure(emergencies);
  const absl::Duration took = absl::Now() - begin;
  cpu.Pause();
  flood.End();
  const double idle_p99 = Quantile(idle.whole_ms, 0.99);
  const double flood_p99 = Quantile(flooded.whole_ms, 0.99);
  absl::PrintF("bench flood_stages idle %s\n", idle.Text());
  absl::PrintF("bench flood_stages flooded %s\n", flooded.Text());
  // Microseconds of processor time in a millisecond of the flood.
  absl::PrintF("bench flood_cpu%s\n", cpu.PerOperation(absl::ToInt64Milliseconds(took)));
  absl::PrintF(
      "bench flood idle_p50_ms=%.2f idle_p99_ms=%.2f p50_ms=%.2f p99_ms=%.2f max_ms=%.2f ratio_p99=%.2f "
      "goal=2 site_cpu=%.0f "
      "capacity=%.0f offered=%.0f offered_times=%.1f taken=%.0f refused=%.0f given_up=%.0f telephoned=%d\n",
      Quantile(idle.whole_ms, 0.5), idle_p99, Quantile(flooded.whole_ms, 0.5), flood_p99,
      Quantile(flooded.whole_ms, 1), flood_p99 / idle_p99, site_cpu, capacity, flood.each_second("begun"),
      flood.each_second("begun") / capacity, flood.each_second("taken"), flood.each_second("refused"),
      flood.each_second("given_up"), telephoned);
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
