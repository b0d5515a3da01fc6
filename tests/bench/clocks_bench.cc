// What many clocks cost: the follower on a real store, by the real clock, with a log in memory that answers
// at once.
//
//   clocks_bench [--only timers|burst|arming|recompute] [--clocks N] [--steady_s S] [--burst N] [--orders N]
//                [--moves N] [--directory D]
//
// Prints a line for each:
//   bench timers     N clocks armed: start to the first correct firing, resident memory, lateness at 1,000
//   due a second bench burst      so many due within one second, a tenth of them urgent: worked off in order,
//   the urgent first bench arming     registered, accepted, dispatched from the log, by the county's policy
//   and calendar bench recompute  open clocks moved by a holiday that was announced, while urgent rungs are
//   due
// each with `insert_ratio`, its rate to that at which the store takes rows in the same run, where the store
// lies
// (`storage`), and the goals beside what was measured. Status 1 if a goal is missed: first firing 5 s, memory
// 400 MiB, lateness p99.9 100 ms; burst 10 s, urgent p99.9 250 ms; arming 20,000 clocks/s; recompute 1 M
// clocks in 60 s (in proportion for fewer). Goals are for 10 M clocks, a burst of 100,000 and 1 M moves.
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/loop.h"
#include "common/sql/sqlite.h"
#include "services/escalation/edge_rules.h"
#include "services/escalation/follower.h"
#include "tests/support/partial.h"

namespace hotline::escalation {
namespace {

// Rows in a transaction: where the store's rate is measured, and where a store is only to be filled.
constexpr int kBatch = 128;
constexpr int kBulk = 8192;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "clocks_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double ResidentMib() {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word) {
    if (word != "VmRSS:") continue;
    double kib = 0;
    file >> kib;
    return kib / 1024;
  }
  return 0;
}

// On what `folder` lies: figures of a disk are not those of memory.
const char* StorageOf(const std::string& folder) {
  struct statfs about = {};
  if (statfs(folder.c_str(), &about) != 0) return "unknown";
  return about.f_type == TMPFS_MAGIC ? "tmpfs" : "disk";
}

struct Flags {
  std::string only;
  std::string directory = ".";
  int64_t clocks = 1'000'000;
  int64_t steady_s = 20;
  int64_t burst = 100'000;
  int64_t orders = 100'000;
  int64_t moves = 200'000;
};

// A log in memory. What has been read is dropped.
class MemoryLedger : public test::PartialLedger {
 public:
  struct Fired {
    int64_t order_id;
    bool urgent;
    absl::Time due;
    absl::Time at;
    bool is_move;
  };

  explicit MemoryLedger(Executor* executor) : executor_(executor) {}

  // Before the start: events to be read.
  void Append(std::string bytes) {
    log_.push_back(std::move(bytes));
    ++head_;
  }

  void Execute(const CallContext&, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    workorder::v1::ExecuteResponse response;
    const absl::Time now = SystemClock()->Now();
    for (type::v1::Command& command : *request.mutable_commands()) {
      type::v1::Event event;
      event.set_sequence(++head_);
      event.set_order_id(command.header().order_id());
      event.set_previous_order_sequence(1);
      *event.mutable_commit_time() = ToProto(now);
      event.set_state(type::v1::ORDER_STATE_ACCEPTED);
      event.set_state_before(type::v1::ORDER_STATE_ACCEPTED);
      event.mutable_custody()->set_holder("12345");
      const int64_t id = ParseOrderId(command.header().order_id()).value_or(0);
      if (command.has_deadline_move()) {
        fired_.push_back({id, false, now, now, true});
        *event.mutable_deadline_moved() = std::move(*command.mutable_deadline_move());
      } else {
        const type::v1::Escalation& rung = command.escalation();
        fired_.push_back({id, urgent_.count(id) != 0,
                          FromProto(rung.has_rung_time() ? rung.rung_time() : rung.due_time()), now, false});
        *event.mutable_escalated() = std::move(*command.mutable_escalation());
      }
      log_.push_back(event.SerializeAsString());
      response.add_results()->set_event_sequence(head_);
    }
    done(std::move(response));
    Wake();
  }

  void ReadEvents(const CallContext&, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override {
    if (request.start_sequence() <= head_ || request.wait().seconds() == 0) return done(Answer(request));
    waiting_ = std::make_pair(request, std::move(done));
    executor_->PostAfter(absl::Seconds(1), [this, ticket = ++ticket_] {
      if (ticket == ticket_) Wake();
    });
  }

  // Used on the loop, or when it stands still.
  std::map<int64_t, bool> urgent_;
  std::vector<Fired> fired_;

 private:
  workorder::v1::ReadEventsResponse Answer(const workorder::v1::ReadEventsRequest& request) {
    workorder::v1::ReadEventsResponse response;
    response.set_head_sequence(head_);
    while (!log_.empty() && head_ - static_cast<int64_t>(log_.size()) + 1 < request.start_sequence())
      log_.pop_front();
    for (size_t i = 0; i < log_.size() && response.events_size() < request.limit(); ++i)
      response.add_events(log_[i]);
    return response;
  }

  void Wake() {
    if (!waiting_.has_value()) return;
    auto [request, done] = *std::move(waiting_);
    waiting_.reset();
    done(Answer(request));
  }

  Executor* const executor_;
  int64_t head_ = 0;
  std::deque<std::string> log_;
  int64_t ticket_ = 0;
  std::optional<std::pair<workorder::v1::ReadEventsRequest, Done<workorder::v1::ReadEventsResponse>>>
      waiting_;
};

class Quiet : public FollowerListener {
 public:
  void OnCaughtUp(int64_t) override { caught_up = WallSeconds(); }
  void OnApplied(EventHub::Items) override {}
  void OnLedger(const absl::Status&) override {}
  void OnProgress(int64_t) override {}
  void OnRung(absl::Duration) override {}
  void OnRefused(int64_t, const std::string&, const absl::Status&) override {}
  void OnStoreFailed(const absl::Status& status) override { Check(status); }
  void OnMoved(const MoveProgress& progress) override {
    if (progress.done) settled = WallSeconds();
  }
  std::atomic<double> caught_up{0};
  std::atomic<double> settled{0};
};

std::unique_ptr<Store> Open(const std::string& folder) {
  auto database = sql::OpenSqlite({.path = folder + "/escalation.db"});
  Check(database.status());
  auto store = Store::Open(*std::move(database), "12345");
  Check(store.status());
  return *std::move(store);
}

Publication Shipped() {
  config::v1::EscalationConfig config;
  config.set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  auto rules = LoadRules(config, "");
  Check(rules.status());
  return *std::move(rules);
}

// An order with one clock that has only its deadline's rung to come.
OrderClocks MakeOrder(int64_t id, absl::Time due, bool urgent) {
  OrderClocks order;
  order.id = id;
  order.number = absl::StrCat("12345-20261127-", id);
  order.type = type::v1::ORDER_TYPE_HELP;
  order.urgency = urgent ? type::v1::URGENCY_EMERGENCY : type::v1::URGENCY_NORMAL;
  order.state = type::v1::ORDER_STATE_ACCEPTED;
  order.lead_unit = "chengguan";
  OrderClock& clock = order.clocks.emplace_back();
  clock.kind = type::v1::CLOCK_KIND_FINISH;
  clock.armed_by = id;
  clock.duty_party = "chengguan";
  clock.start = due - absl::Hours(50);
  clock.due = due;
  clock.next_rung = type::v1::RUNG_URGE;
  clock.next = due;
  return order;
}

// Puts `count` orders; returns rows a second, measured on the last of them: the store is as large then as it
// will be.
template <typename Make>
double Fill(Store& store, int64_t count, Make make) {
  const int64_t measured = std::min<int64_t>(count, 50'000);
  double start = 0;
  Progress before;
  Progress after;
  after.tallies[type::v1::CLOCK_KIND_FINISH].live = count;
  int64_t first = 0;
  int64_t unchecked = 0;
  for (int64_t i = 0; i < count;) {
    const bool bulk = i + kBulk <= count - measured;
    if (!bulk && start == 0) {
      Check(store.Checkpoint());
      start = WallSeconds();
      first = i;
    }
    Check(store.Begin());
    const int64_t end = std::min<int64_t>(count, i + (bulk ? kBulk : kBatch));
    for (; i < end; ++i, ++unchecked) Check(store.PutOrder(nullptr, make(i)));
    if (i >= count) Check(store.PutProgress(before, after));
    Check(store.Commit());
    if (unchecked >= 64 * kBatch) {
      Check(store.Checkpoint());
      unchecked = 0;
    }
  }
  return static_cast<double>(count - first) / (WallSeconds() - start);
}

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

// A follower on a loop of its own, until it is destroyed.
class Running {
 public:
  Running(const std::string& folder, Deadlines deadlines, FollowerOptions options = {})
      : loop("follower"), ledger(&loop), store(Open(folder)) {
    follower = std::make_unique<Follower>(&loop, SystemClock(), &ledger, store.get(), std::move(deadlines),
                                          "12345", &quiet, options);
  }
  ~Running() {
    follower->Stop();
    loop.Stop();
  }
  // Runs `fn` on the loop and waits.
  template <typename Fn>
  void On(Fn fn) {
    std::mutex mu;
    std::condition_variable done_cv;
    bool done = false;
    loop.Post([&] {
      fn();
      std::lock_guard<std::mutex> lock(mu);
      done = true;
      done_cv.notify_one();
    });
    std::unique_lock<std::mutex> lock(mu);
    done_cv.wait(lock, [&] { return done; });
  }
  size_t Count() {
    size_t count = 0;
    On([&] { count = ledger.fired_.size(); });
    return count;
  }

  Loop loop;
  MemoryLedger ledger;
  Quiet quiet;
  std::unique_ptr<Store> store;
  std::unique_ptr<Follower> follower;
};

void WaitUntil(const std::function<bool()>& holds, double seconds) {
  const double end = WallSeconds() + seconds;
  while (!holds() && WallSeconds() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

config::v1::Policy Plain() {
  config::v1::Policy policy;
  policy.set_version("bench");
  config::v1::DeadlineRule* rule = policy.add_rules();
  rule->set_clock(type::v1::CLOCK_KIND_FINISH);
  rule->set_limit_s(3600);
  return policy;
}

bool Timers(const Flags& flags, const std::string& folder) {
  const int64_t due_count = flags.steady_s * 1000;
  const int64_t count = std::max(flags.clocks, due_count + 1);
  double rate = 0;
  const absl::Time base = SystemClock()->Now();
  // How long filling takes is not known before: the steady stream is moved to its time below.
  {
    auto store = Open(folder);
    uint64_t dice = 88172645463325252u;
    rate = Fill(*store, count - due_count, [&](int64_t i) {
      dice ^= dice << 13;
      dice ^= dice >> 7;
      dice ^= dice << 17;
      // One is overdue; the others come within a month, in the order of their making give or take a day.
      const absl::Duration ahead =
          absl::Hours(48) + absl::Seconds(28 * 86'400 * i / count + static_cast<int64_t>(dice % 86'400));
      return MakeOrder(i + 1, i == 0 ? base - absl::Hours(1) : base + ahead, false);
    });
    const absl::Time first = SystemClock()->Now() + absl::Seconds(12 + due_count / 20'000);
    Fill(*store, due_count,
         [&](int64_t i) { return MakeOrder(count + i, first + absl::Milliseconds(i), false); });
    Check(store->Checkpoint());
  }
  const double start = WallSeconds();
  Running running(folder, Deadlines(Plain()));
  Check(running.follower->Start());
  WaitUntil([&] { return running.Count() >= 1; }, 60);
  const double first_s = WallSeconds() - start;
  bool correct = false;
  running.On([&] { correct = !running.ledger.fired_.empty() && running.ledger.fired_[0].order_id == 1; });
  WaitUntil([&] { return running.Count() >= static_cast<size_t>(due_count) + 1; },
            60 + static_cast<double>(flags.steady_s));
  std::vector<double> late;
  running.On([&] {
    for (size_t i = 1; i < running.ledger.fired_.size(); ++i) {
      late.push_back(absl::ToDoubleMilliseconds(running.ledger.fired_[i].at - running.ledger.fired_[i].due));
    }
  });
  const double p999 = Quantile(late, 0.999);
  const double rss = ResidentMib();
  std::printf(
      "bench timers clocks=%lld storage=%s first_firing_s=%.3f goal_first_firing_s=5 correct=%d rss_mib=%.0f "
      "goal_rss_mib=400 steady_per_s=1000 fired=%zu late_p50_ms=%.1f late_p999_ms=%.1f goal_late_p999_ms=100 "
      "insert_per_s=%.0f insert_ratio=%.3f\n",
      static_cast<long long>(count), StorageOf(folder), first_s, correct, rss, late.size(),
      Quantile(late, 0.5), p999, rate, 1000 / rate);
  std::fflush(stdout);
  return correct && first_s <= 5 && rss <= 400 && p999 <= 100 &&
         late.size() == static_cast<size_t>(due_count);
}

bool Burst(const Flags& flags, const std::string& folder) {
  double rate = 0;
  absl::Time begin;
  {
    auto store = Open(folder);
    // All within one second, some time after filling is over.
    begin = SystemClock()->Now() + absl::Seconds(5 + flags.burst / 8000);
    rate = Fill(*store, flags.burst, [&](int64_t i) {
      return MakeOrder(i + 1,
                       begin + absl::Nanoseconds(1'000'000'000 * ((i * 7919) % flags.burst) / flags.burst),
                       i % 10 == 0);
    });
    Check(store->Checkpoint());
  }
  Running running(folder, Deadlines(Plain()));
  for (int64_t i = 0; i < flags.burst; i += 10) running.ledger.urgent_[i + 1] = true;
  Check(running.follower->Start());
  if (SystemClock()->Now() > begin)
    std::fprintf(stderr, "clocks_bench: the burst began before the follower\n");
  WaitUntil([&] { return running.Count() >= static_cast<size_t>(flags.burst); },
            absl::ToDoubleSeconds(begin - SystemClock()->Now()) + 60);
  std::vector<double> urgent;
  absl::Time last = begin;
  bool ordered = true;
  absl::Time before[2] = {absl::InfinitePast(), absl::InfinitePast()};
  running.On([&] {
    for (const MemoryLedger::Fired& one : running.ledger.fired_) {
      last = std::max(last, one.at);
      if (one.urgent) urgent.push_back(absl::ToDoubleMilliseconds(one.at - one.due));
      ordered = ordered && before[one.urgent] <= one.due;
      before[one.urgent] = one.due;
    }
  });
  const double took = absl::ToDoubleSeconds(last - begin);
  const double p999 = Quantile(urgent, 0.999);
  const size_t fired = running.Count();
  std::printf(
      "bench burst due=%lld storage=%s fired=%zu took_s=%.2f goal_took_s=10 per_s=%.0f ordered=%d "
      "urgent_late_p999_ms=%.1f goal_urgent_late_p999_ms=250 insert_per_s=%.0f insert_ratio=%.3f\n",
      static_cast<long long>(flags.burst), StorageOf(folder), fired, took, static_cast<double>(fired) / took,
      ordered, p999, rate, static_cast<double>(fired) / took / rate);
  std::fflush(stdout);
  return fired == static_cast<size_t>(flags.burst) && took <= 10 && ordered && p999 <= 250;
}

// Registered, accepted by this site and dispatched, as work_order's log has it.
std::vector<type::v1::Event> Life(int64_t id, int64_t* sequence, absl::Time at) {
  std::vector<type::v1::Event> events(3);
  int64_t before = 0;
  for (type::v1::Event& event : events) {
    event.set_sequence(++*sequence);
    event.set_order_id(FormatOrderId(id));
    event.set_order_number(absl::StrCat("12345-20261127-", id));
    event.set_previous_order_sequence(before);
    *event.mutable_commit_time() = ToProto(at);
    event.mutable_custody()->set_holder("12345");
    before = event.sequence();
  }
  events[0].set_state(type::v1::ORDER_STATE_REGISTERED);
  events[0].mutable_registered()->set_type(static_cast<type::v1::OrderType>(1 + id % 5));
  events[0].mutable_registered()->set_urgency(id % 20 == 0 ? type::v1::URGENCY_URGENT
                                                           : type::v1::URGENCY_NORMAL);
  events[0].mutable_registered()->set_origin_hotline("12345");
  events[1].set_state(type::v1::ORDER_STATE_ACCEPTED);
  events[1].mutable_accepted();
  events[2].set_state(type::v1::ORDER_STATE_DISPATCHED);
  events[2].mutable_dispatched()->set_lead_unit("chengguan");
  for (size_t i = 1; i < events.size(); ++i) events[i].set_state_before(events[i - 1].state());
  return events;
}

bool Arming(const Flags& flags, const std::string& folder) {
  const Deadlines deadlines(std::vector<Publication>{Shipped()});
  double rate = 0;
  {
    std::filesystem::create_directories(folder + "/raw");
    auto store = Open(folder + "/raw");
    rate = Fill(*store, flags.orders,
                [](int64_t i) { return MakeOrder(i + 1, absl::FromUnixSeconds(1'800'000'000 + i), false); });
  }
  Running running(folder, deadlines);
  // In the past, so that nothing is due within the run but all is armed; the calendar does the same work.
  const absl::Time at = SystemClock()->Now();
  int64_t sequence = 0;
  int64_t armed = 0;
  for (int64_t id = 1; id <= flags.orders; ++id) {
    OrderClocks order;
    for (const type::v1::Event& event : Life(id, &sequence, at + absl::Milliseconds(id % 1000))) {
      running.ledger.Append(event.SerializeAsString());
      if (id == 1) order = Apply(std::move(order), event, deadlines, "12345");
    }
    if (id == 1) armed = static_cast<int64_t>(order.clocks.size());
  }
  const double start = WallSeconds();
  Check(running.follower->Start());
  WaitUntil([&] { return running.quiet.caught_up > 0; }, 600);
  const double took = running.quiet.caught_up - start;
  const double per_s = static_cast<double>(armed * flags.orders) / took;
  std::printf(
      "bench arming orders=%lld storage=%s clocks=%lld clocks_per_s=%.0f goal_clocks_per_s=20000 "
      "events_per_s=%.0f insert_per_s=%.0f insert_ratio=%.3f\n",
      static_cast<long long>(flags.orders), StorageOf(folder), static_cast<long long>(armed * flags.orders),
      per_s, static_cast<double>(sequence) / took, rate, per_s / rate);
  std::fflush(stdout);
  return per_s >= 20'000;
}

bool Recompute(const Flags& flags, const std::string& folder) {
  Publication first = Shipped();
  const Deadlines deadlines(std::vector<Publication>{first});
  const absl::Time now = SystemClock()->Now();
  int64_t sequence = 0;
  double rate = 0;
  absl::Time urgent_begin;
  constexpr int64_t kUrgent = 3000;
  {
    auto store = Open(folder);
    rate = Fill(*store, flags.moves, [&](int64_t i) {
      OrderClocks order;
      std::vector<type::v1::Event> life = Life(i + 1, &sequence, now - absl::Minutes(i % 1440));
      life[0].mutable_registered()->set_urgency(type::v1::URGENCY_NORMAL);
      life[0].mutable_registered()->set_type(type::v1::ORDER_TYPE_COMPLAINT);
      life[0].mutable_registered()->set_anonymous(true);
      life.pop_back();
      for (const type::v1::Event& event : life) order = Apply(std::move(order), event, deadlines, "12345");
      return order;
    });
    urgent_begin = SystemClock()->Now() + absl::Seconds(3);
    Fill(*store, kUrgent, [&](int64_t i) {
      return MakeOrder(flags.moves + i + 1, urgent_begin + absl::Milliseconds(10 * i), true);
    });
    Check(store->Checkpoint());
  }
  // Another holiday a week ahead: each deadline moves by a day.
  Publication next = first;
  next.number = 2;
  next.note = "bench";
  auto calendars = std::make_shared<Calendars>();
  for (const auto& [code, calendar] : *first.calendars) {
    std::vector<config::v1::CalendarLayer> layers = calendar.layers();
    if (code == "office") {
      for (int day = 2; day < 9; ++day) {
        const std::string date = absl::FormatTime("%Y-%m-%d", now + absl::Hours(24 * day), Beijing());
        config::v1::DayRule* rule = layers.back().add_days();
        rule->set_document(layers.back().documents(0).number());
        rule->set_first_date(date);
        rule->set_kind(config::v1::DAY_KIND_OFF);
        rule->set_name("bench");
      }
    }
    auto made = calendar::Calendar::Create(code, std::move(layers));
    Check(made.status());
    calendars->emplace(code, *std::move(made));
  }
  next.calendars = std::move(calendars);
  Running running(folder, deadlines);
  for (int64_t i = 0; i < kUrgent; ++i) running.ledger.urgent_[flags.moves + i + 1] = true;
  Check(running.follower->Start());
  WaitUntil([&] { return running.quiet.caught_up > 0 && SystemClock()->Now() > urgent_begin; }, 60);
  const double start = WallSeconds();
  running.follower->Publish(
      std::move(next), [](const Publication&) { return absl::OkStatus(); },
      [](absl::StatusOr<int64_t> number) { Check(number.status()); });
  WaitUntil([&] { return running.quiet.settled > 0; }, 600);
  const double took = running.quiet.settled - start;
  std::vector<double> urgent;
  int64_t moved = 0;
  running.On([&] {
    for (const MemoryLedger::Fired& one : running.ledger.fired_) {
      // The urgent ones' clocks move too.
      moved += one.is_move && one.order_id <= flags.moves ? 1 : 0;
      // Those that were due while clocks were moved.
      if (one.urgent && one.due > urgent_begin + absl::Milliseconds(500)) {
        urgent.push_back(absl::ToDoubleMilliseconds(one.at - one.due));
      }
    }
  });
  const double p999 = Quantile(urgent, 0.999);
  const double per_s = static_cast<double>(moved) / took;
  std::printf(
      "bench recompute clocks=%lld storage=%s moved=%lld took_s=%.2f per_s=%.0f million_s=%.1f "
      "goal_million_s=60 "
      "urgent_fired=%zu urgent_late_p999_ms=%.1f goal_urgent_late_p999_ms=250 insert_per_s=%.0f "
      "insert_ratio=%.3f\n",
      static_cast<long long>(flags.moves), StorageOf(folder), static_cast<long long>(moved), took, per_s,
      1e6 / per_s, urgent.size(), p999, rate, per_s / rate);
  std::fflush(stdout);
  return moved == flags.moves && 1e6 / per_s <= 60 && p999 <= 250;
}

int Main(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const auto number = [&](int64_t* value) { return absl::SimpleAtoi(argv[i + 1], value); };
    bool good = true;
    if (name == "--only") {
      flags.only = argv[i + 1];
    } else if (name == "--directory") {
      flags.directory = argv[i + 1];
    } else if (name == "--clocks") {
      good = number(&flags.clocks);
    } else if (name == "--steady_s") {
      good = number(&flags.steady_s);
    } else if (name == "--burst") {
      good = number(&flags.burst);
    } else if (name == "--orders") {
      good = number(&flags.orders);
    } else if (name == "--moves") {
      good = number(&flags.moves);
    } else {
      good = false;
    }
    if (!good) {
      std::fprintf(stderr, "clocks_bench: %s %s?\n", argv[i], argv[i + 1]);
      return 2;
    }
  }
  bool good = true;
  const std::pair<const char*, bool (*)(const Flags&, const std::string&)> kAll[] = {
      {"timers", Timers}, {"burst", Burst}, {"arming", Arming}, {"recompute", Recompute}};
  for (const auto& [name, run] : kAll) {
    if (!flags.only.empty() && flags.only != name) continue;
    std::string folder = flags.directory + "/clocks-bench-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) Check(absl::UnavailableError("no folder"));
    good = run(flags, folder) && good;
    std::filesystem::remove_all(folder);
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace hotline::escalation

int main(int argc, char** argv) { return hotline::escalation::Main(argc, argv); }
