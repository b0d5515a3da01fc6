// A site's log, time and threads under a test's hand, and a follower on a real store that can be killed at
// any moment.
#ifndef TESTS_SERVICES_ESCALATION_WORLD_H_
#define TESTS_SERVICES_ESCALATION_WORLD_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/loop.h"
#include "common/error/error.h"
#include "common/sql/faulty.h"
#include "common/sql/sqlite.h"
#include "services/escalation/follower.h"
#include "services/escalation/service.h"
#include "services/escalation/store/store.h"
#include "tests/support/partial.h"

namespace hotline::escalation {

// A time in 2026 to begin with.
inline absl::Time Start() { return absl::FromUnixSeconds(1'790'000'000); }

// Deadlines that are easy to reckon with: each clock has its own limit and half of it until the reminder.
// Receipts have no reminder.
inline config::v1::Policy TestPolicy(const std::string& version = "test-1") {
  config::v1::Policy policy;
  policy.set_version(version);
  const auto add = [&](type::v1::ClockKind clock, int64_t limit, int64_t remind) {
    config::v1::DeadlineRule* rule = policy.add_rules();
    rule->set_clock(clock);
    rule->set_limit_s(limit);
    rule->set_remind_before_s(remind);
  };
  add(type::v1::CLOCK_KIND_PEER_RECEIPT, 60, 0);
  add(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, 600, 300);
  add(type::v1::CLOCK_KIND_SIGN, 1200, 600);
  add(type::v1::CLOCK_KIND_FINISH, 3600, 1800);
  return policy;
}

// Makes the events of orders, as work_order's log would have them.
class EventMaker {
 public:
  explicit EventMaker(std::string site = "12345") : site_(std::move(site)) {}

  // An event of order `id` at `at`, moving it to `state`. The caller sets the detail.
  type::v1::Event Make(int64_t id, type::v1::OrderState state, absl::Time at) {
    Known& order = orders_[id];
    type::v1::Event event;
    event.set_sequence(++sequence_);
    event.set_order_id(FormatOrderId(id));
    event.set_order_number(absl::StrCat(site_, "-20260921-", id));
    event.set_previous_order_sequence(order.last);
    *event.mutable_commit_time() = ToProto(at);
    event.set_state_before(order.state);
    event.set_state(state == type::v1::ORDER_STATE_UNSPECIFIED ? order.state : state);
    if (order.holder.empty()) order.holder = site_;
    event.mutable_custody()->set_holder(order.holder);
    order.last = event.sequence();
    order.state = event.state();
    return event;
  }
  type::v1::Event Registered(int64_t id, absl::Time at, type::v1::Urgency urgency = type::v1::URGENCY_NORMAL,
                             type::v1::OrderType type = type::v1::ORDER_TYPE_HELP) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_REGISTERED, at);
    event.mutable_registered()->set_urgency(urgency);
    event.mutable_registered()->set_type(type);
    return event;
  }
  type::v1::Event Offered(int64_t id, absl::Time at, type::v1::Urgency urgency = type::v1::URGENCY_NORMAL) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_OFFERED, at);
    event.mutable_offered()->mutable_handoff()->set_from_hotline(site_);
    event.mutable_offered()->mutable_handoff()->set_to_hotline("110");
    if (event.previous_order_sequence() == 0) {
      event.mutable_offered()->mutable_registered()->set_urgency(urgency);
      event.mutable_offered()->mutable_registered()->set_type(type::v1::ORDER_TYPE_HELP);
    }
    return event;
  }
  // An offer to 110 and its second receipt, as a restored site finds them after the order has gone on.
  type::v1::Event OfferedFound(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_offered()->mutable_handoff()->set_from_hotline(site_);
    event.mutable_offered()->mutable_handoff()->set_to_hotline("110");
    event.set_recovered(true);
    return event;
  }
  type::v1::Event UnderstoodLate(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_understood();
    return event;
  }
  // An offer with the deadlines that its handoff carries.
  type::v1::Event OfferedUntil(int64_t id, absl::Time at, absl::Time confirm_by, absl::Time keep_by,
                               type::v1::Urgency urgency = type::v1::URGENCY_NORMAL) {
    type::v1::Event event = Offered(id, at, urgency);
    *event.mutable_offered()->mutable_handoff()->mutable_confirm_by_time() = ToProto(confirm_by);
    *event.mutable_offered()->mutable_handoff()->mutable_keep_by_time() = ToProto(keep_by);
    return event;
  }
  type::v1::Event InDoubt(int64_t id, absl::Time at, const type::v1::Escalation& escalation,
                          type::v1::DoubtAction action, absl::Time keep_by) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    *event.mutable_in_doubt()->mutable_escalation() = escalation;
    event.mutable_in_doubt()->set_action(action);
    *event.mutable_in_doubt()->mutable_keep_by_time() = ToProto(keep_by);
    return event;
  }
  type::v1::Event VoiceConfirmed(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_voice_confirmed();
    return event;
  }
  // A receipt that the second one overtook.
  type::v1::Event ReceivedLate(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_received();
    return event;
  }
  type::v1::Event Received(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_RECEIVED, at);
    event.mutable_received();
    return event;
  }
  // At the giver, or (`taken_from` is the giver) the first event of an order at the receiver.
  type::v1::Event Understood(int64_t id, absl::Time at, const std::string& taken_from = "") {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNDERSTOOD, at);
    type::v1::UnderstoodDetail& detail = *event.mutable_understood();
    if (!taken_from.empty()) {
      detail.mutable_handoff()->set_from_hotline(taken_from);
      detail.mutable_handoff()->set_to_hotline(site_);
      detail.mutable_registered()->set_urgency(type::v1::URGENCY_NORMAL);
      detail.mutable_registered()->set_type(type::v1::ORDER_TYPE_HELP);
      SetHolder(id, taken_from, &event);
    }
    return event;
  }
  type::v1::Event Accepted(int64_t id, absl::Time at, const std::string& by = "") {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_ACCEPTED, at);
    event.mutable_accepted();
    SetHolder(id, by.empty() ? site_ : by, &event);
    return event;
  }
  type::v1::Event Dispatched(int64_t id, absl::Time at, const std::string& unit = "chengguan",
                             const std::vector<std::string>& assist = {}) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_DISPATCHED, at);
    event.mutable_dispatched()->set_lead_unit(unit);
    for (const std::string& one : assist) event.mutable_dispatched()->add_assist_units(one);
    return event;
  }
  // An assisting unit's part is done.
  type::v1::Event PartDone(int64_t id, absl::Time at, const std::string& unit) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_progressed()->set_unit(unit);
    event.mutable_progressed()->set_part_done(true);
    return event;
  }
  type::v1::Event Signed(int64_t id, absl::Time at, const std::string& unit = "") {
    const bool lead = unit.empty() || unit == "chengguan";
    type::v1::Event event =
        Make(id, lead ? type::v1::ORDER_STATE_SIGNED : type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_signed_()->set_unit(unit);
    return event;
  }
  type::v1::Event Extended(int64_t id, absl::Time at, absl::Time until) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    *event.mutable_extended()->mutable_until_time() = ToProto(until);
    return event;
  }
  type::v1::Event Suspended(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_suspended();
    return event;
  }
  type::v1::Event Resumed(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    event.mutable_resumed();
    return event;
  }
  type::v1::Event Progressed(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_IN_PROGRESS, at);
    event.mutable_progressed();
    return event;
  }
  type::v1::Event Replied(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_REPLIED, at);
    event.mutable_replied();
    return event;
  }
  type::v1::Event Redone(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_REDO, at);
    event.mutable_redo_demanded();
    return event;
  }
  type::v1::Event Returned(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_RETURNED, at);
    event.mutable_returned();
    SetHolder(id, site_, &event);
    return event;
  }
  type::v1::Event Closed(int64_t id, absl::Time at) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_CLOSED, at);
    event.mutable_closed();
    return event;
  }
  type::v1::Event Escalated(int64_t id, absl::Time at, const type::v1::Escalation& escalation) {
    type::v1::Event event = Make(id, type::v1::ORDER_STATE_UNSPECIFIED, at);
    *event.mutable_escalated() = escalation;
    return event;
  }
  type::v1::OrderState state(int64_t id) const {
    const auto it = orders_.find(id);
    return it == orders_.end() ? type::v1::ORDER_STATE_UNSPECIFIED : it->second.state;
  }

 private:
  struct Known {
    int64_t last = 0;
    type::v1::OrderState state = type::v1::ORDER_STATE_UNSPECIFIED;
    std::string holder;
  };
  void SetHolder(int64_t id, const std::string& holder, type::v1::Event* event) {
    orders_[id].holder = holder;
    event->mutable_custody()->set_holder(holder);
  }

  const std::string site_;
  int64_t sequence_ = 0;
  std::map<int64_t, Known> orders_;
};

// Runs tasks on the test's thread, in order, and timers by a time of its own that moves the wall clock along.
class ManualExecutor : public Executor {
 public:
  explicit ManualExecutor(ManualClock* clock) : clock_(clock) {}
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override { timers_.emplace(now_ + delay, std::move(task)); }

  // Runs at most `limit` tasks that are ready. Returns how many.
  int Run(int limit = 1'000'000) {
    int count = 0;
    while (!tasks_.empty() && count < limit) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
      ++count;
    }
    return count;
  }
  // Lets `by` pass: timers run at their instants.
  void Advance(absl::Duration by) {
    const absl::Time end = now_ + by;
    Run();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      auto node = timers_.extract(timers_.begin());
      Move(std::max(node.key(), now_));
      Post(std::move(node.mapped()));
      Run();
    }
    Move(end);
    Run();
  }

 private:
  void Move(absl::Time to) {
    clock_->Advance(to - now_);
    now_ = to;
  }

  ManualClock* const clock_;
  absl::Time now_ = absl::UnixEpoch();
  std::deque<Task> tasks_;
  std::multimap<absl::Time, Task> timers_;
};

// work_order's ledger, as far as escalation uses it: a log in memory.
class FakeLedger : public test::PartialLedger {
 public:
  FakeLedger(Executor* executor, const hotline::Clock* clock) : executor_(executor), clock_(clock) {}

  EventMaker make;
  // Faults. Asked at each Execute, in this order.
  int refuse_calls = 0;  // fails without doing anything
  int lose_answers = 0;  // does it, then reports UNAVAILABLE
  int hold_answers = 0;  // does it, and never answers: the caller was killed
  bool reads_fail = false;
  absl::Duration hold_reads = absl::ZeroDuration();  // how long an answer that was waited for is under way
  std::set<int64_t> refused_orders;                  // WRONG_STATE for these
  absl::Time keep_by;                                // of offers in doubt
  int64_t execute_calls = 0;
  int64_t commands = 0;
  int64_t largest_batch = 0;
  std::vector<std::string> order_of_commands;  // order ids as they came

  void Append(type::v1::Event event) {
    log_.push_back(std::move(event));
    Wake();
  }
  const std::vector<type::v1::Event>& log() const { return log_; }
  // A backup was restored: this is the log from now on.
  void Restore(std::vector<type::v1::Event> log) { log_ = std::move(log); }

  // How often each rung is in the log: by `<order>/<clock>/<armed by>/<rung>`, of an assisting unit's clock
  // with
  // `/<unit>` behind it.
  std::map<std::string, int> Rungs() const {
    std::map<std::string, int> rungs;
    for (const type::v1::Event& event : log_) {
      const type::v1::Escalation* rung = RungOf(event);
      if (rung == nullptr) continue;
      const type::v1::Escalation& e = *rung;
      ++rungs[absl::StrCat(ParseOrderId(event.order_id()).value(), "/", e.clock(), "/", e.armed_by_sequence(),
                           "/", e.rung(), e.assist_unit().empty() ? "" : "/", e.assist_unit())];
    }
    return rungs;
  }

  void Execute(const CallContext&, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    ++execute_calls;
    commands += request.commands_size();
    largest_batch = std::max<int64_t>(largest_batch, request.commands_size());
    if (refuse_calls > 0) {
      --refuse_calls;
      return done(error::Overloaded("test", absl::Seconds(1)));
    }
    workorder::v1::ExecuteResponse response;
    for (const type::v1::Command& command : request.commands()) {
      order_of_commands.push_back(command.header().order_id());
      *response.add_results() = Decide(command);
    }
    Wake();
    if (lose_answers > 0) {
      --lose_answers;
      return done(error::WorkOrderUnreachable("test"));
    }
    if (hold_answers > 0) {
      --hold_answers;
      held_.push_back(std::move(done));
      return;
    }
    done(std::move(response));
  }

  void ReadEvents(const CallContext&, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override {
    if (reads_fail) return done(error::WorkOrderUnreachable("test"));
    if (request.start_sequence() > static_cast<int64_t>(log_.size()) + 1) {
      return done(error::SequenceOutOfRange(request.start_sequence(), static_cast<int64_t>(log_.size())));
    }
    if (request.start_sequence() <= static_cast<int64_t>(log_.size())) return done(Answer(request));
    const int64_t ticket = ++tickets_;
    waiting_.emplace(ticket, std::make_pair(request, std::move(done)));
    executor_->PostAfter(absl::Seconds(request.wait().seconds()), [this, ticket] { Release(ticket); });
  }

  void ApplyInbox(const CallContext&, workorder::v1::ApplyInboxRequest,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    done(error::Internal("not used"));
  }
  void PullOutbox(const CallContext&, workorder::v1::PullOutboxRequest,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    done(error::Internal("not used"));
  }
  void ListLinkCursors(const CallContext&, workorder::v1::ListLinkCursorsRequest,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override {
    done(error::Internal("not used"));
  }

 private:
  workorder::v1::CommandResult Decide(const type::v1::Command& command) {
    workorder::v1::CommandResult result;
    type::v1::Command body = command;
    body.clear_traceparent();
    const std::string bytes = body.SerializeAsString();
    const auto known = requests_.find(command.header().request_id());
    if (known != requests_.end()) {
      if (known->second.first != bytes) {
        *result.mutable_error() = error::ToProto(error::RequestIdReused(command.header().request_id()));
        return result;
      }
      result = known->second.second;
      result.set_replayed(true);
      return result;
    }
    const int64_t id = ParseOrderId(command.header().order_id()).value();
    if (make.state(id) == type::v1::ORDER_STATE_CLOSED || refused_orders.count(id) != 0) {
      *result.mutable_error() = error::ToProto(error::WrongState("escalate", "催办", make.state(id)));
      return result;
    }
    const type::v1::Rung rung = command.escalation().rung();
    if (command.has_deadline_move()) {
      log_.push_back(make.Make(id, type::v1::ORDER_STATE_UNSPECIFIED, clock_->Now()));
      *log_.back().mutable_deadline_moved() = command.deadline_move();
    } else if (command.has_alarm()) {
      log_.push_back(make.Make(id, type::v1::ORDER_STATE_UNSPECIFIED, clock_->Now()));
      log_.back().mutable_alarmed()->set_kind(command.alarm().kind());
    } else if (command.has_disclosure()) {
      log_.push_back(make.Make(id, type::v1::ORDER_STATE_UNSPECIFIED, clock_->Now()));
      log_.back().set_restricted(true);
      *log_.back().mutable_disclosed() = command.disclosure();
    } else if (rung == type::v1::RUNG_DOUBT || rung == type::v1::RUNG_KEEP) {
      log_.push_back(make.InDoubt(
          id, clock_->Now(), command.escalation(),
          rung == type::v1::RUNG_KEEP ? type::v1::DOUBT_ACTION_KEEP : type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE,
          keep_by));
    } else {
      log_.push_back(make.Escalated(id, clock_->Now(), command.escalation()));
    }
    result.set_event_sequence(log_.back().sequence());
    requests_.emplace(command.header().request_id(), std::make_pair(bytes, result));
    return result;
  }

  workorder::v1::ReadEventsResponse Answer(const workorder::v1::ReadEventsRequest& request) const {
    workorder::v1::ReadEventsResponse response;
    for (size_t i = request.start_sequence() - 1; i < log_.size() && response.events_size() < request.limit();
         ++i) {
      response.add_events(log_[i].SerializeAsString());
    }
    response.set_head_sequence(static_cast<int64_t>(log_.size()));
    return response;
  }

  void Wake() {
    while (!waiting_.empty()) Release(waiting_.begin()->first);
  }
  void Release(int64_t ticket) {
    const auto it = waiting_.find(ticket);
    if (it == waiting_.end()) return;
    auto [request, done] = std::move(it->second);
    waiting_.erase(it);
    if (hold_reads == absl::ZeroDuration()) return done(Answer(request));
    executor_->PostAfter(hold_reads, [answer = Answer(request), done = std::move(done)]() mutable {
      done(std::move(answer));
    });
  }

  Executor* const executor_;
  const hotline::Clock* const clock_;
  std::vector<type::v1::Event> log_;
  std::map<std::string, std::pair<std::string, workorder::v1::CommandResult>> requests_;
  int64_t tickets_ = 0;
  std::map<int64_t, std::pair<workorder::v1::ReadEventsRequest, Done<workorder::v1::ReadEventsResponse>>>
      waiting_;
  std::vector<Done<workorder::v1::ExecuteResponse>> held_;
};

// A folder of its own, gone at the end. In memory where there is such a place: the kills of these tests lose
// no page that the process wrote, so syncing would only make them slow.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const std::string memory = "/dev/shm";
    std::string pattern =
        (std::filesystem::is_directory(memory) ? memory : ::testing::TempDir()) + "/escalation-XXXXXX";
    const char* made = mkdtemp(pattern.data());
    EXPECT_NE(made, nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A follower with its store and service. Killed by destroying it: what it had not committed is gone.
class Incarnation : public FollowerListener {
 public:
  // `log` is what the service reads an order's events from. `deadlines`, if not null, hold instead of
  // `policy`.
  Incarnation(const std::string& folder, ManualExecutor* executor, ManualClock* clock, Ledger* ledger,
              const std::vector<type::v1::Event>* log, const config::v1::Policy& policy,
              const Deadlines* deadlines = nullptr, FollowerOptions options = {},
              sql::FaultSchedule faults = nullptr) {
    auto database = sql::OpenSqlite({.path = folder + "/escalation.db"});
    EXPECT_TRUE(database.ok()) << database.status();
    auto store = Store::Open(
        faults == nullptr ? *std::move(database) : sql::MakeFaulty(*std::move(database), std::move(faults)),
        "12345");
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto reader = store_->NewReader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    follower_ = std::make_unique<Follower>(executor, clock, ledger, store_.get(),
                                           deadlines != nullptr ? *deadlines : Deadlines(policy), "12345",
                                           this, options);
    RulesAccess rules{.current = [this] { return follower_->deadlines(); },
                      .load = [this](const RulesChange&) -> absl::StatusOr<Publication> {
                        if (next_rules == nullptr) return absl::NotFoundError("no rules");
                        return *next_rules;
                      },
                      .digest =
                          [](const Publication& publication) {
                            return absl::StrCat(publication.policy.version(), "/",
                                                reinterpret_cast<uintptr_t>(publication.calendars.get()));
                          },
                      .publish =
                          [this](Publication next, Done<int64_t> done) {
                            follower_->Publish(
                                std::move(next),
                                [this](const Publication& made) {
                                  kept.push_back(made);
                                  return absl::OkStatus();
                                },
                                std::move(done));
                          },
                      .progress = [this] { return follower_->stats().moving; }};
    discretion_ = std::make_unique<const Discretion>(Clearance(), ledger);
    service_ = std::make_unique<EscalationService>(
        executor, clock, *std::move(reader), std::move(rules),
        [log](const CallContext&, const std::string& order_id, Done<std::vector<type::v1::Event>> done) {
          std::vector<type::v1::Event> events;
          for (const type::v1::Event& event : *log) {
            if (event.order_id() == order_id) events.push_back(event);
          }
          done(std::move(events));
        },
        discretion_.get(), "12345", [](const std::string& code) { return code != "nosuch"; });
    EXPECT_TRUE(follower_->Start().ok());
  }

  Store& store() { return *store_; }
  EscalationService& service() { return *service_; }
  Follower& follower() { return *follower_; }
  // What the service reads when it is asked for rules, and what was published.
  std::unique_ptr<Publication> next_rules;
  std::vector<Publication> kept;
  int64_t canaries = 0;
  absl::Duration latest_canary = absl::ZeroDuration();
  ClockTrust trust;
  int64_t rungs = 0;
  absl::Duration latest = absl::ZeroDuration();
  int64_t refused = 0;
  bool store_failed = false;
  bool ledger_ok = false;

 private:
  void OnCaughtUp(int64_t cursor) override { service_->CaughtUp(cursor); }
  void OnApplied(EventHub::Items items) override { service_->Applied(std::move(items)); }
  void OnLedger(const absl::Status& status) override { ledger_ok = status.ok(); }
  void OnProgress(int64_t cursor) override { service_->set_watermark(cursor); }
  void OnRung(absl::Duration late) override {
    ++rungs;
    latest = std::max(latest, late);
  }
  void OnCanary(absl::Duration late) override {
    ++canaries;
    latest_canary = std::max(latest_canary, late);
  }
  void OnClockTrust(const ClockTrust& now) override { trust = now; }
  void OnRefused(int64_t count, const std::string&, const absl::Status&) override { refused += count; }
  void OnStoreFailed(const absl::Status&) override { store_failed = true; }

  std::unique_ptr<Store> store_;
  std::unique_ptr<const Discretion> discretion_;
  std::unique_ptr<EscalationService> service_;
  std::unique_ptr<Follower> follower_;
};

struct World {
  TemporaryFolder folder;
  ManualClock clock{Start()};
  // Tasks of the dead die with it, after the incarnation and before the ledger.
  std::unique_ptr<ManualExecutor> executor = std::make_unique<ManualExecutor>(&clock);
  FakeLedger ledger{executor.get(), &clock};
  config::v1::Policy policy = TestPolicy();
  std::unique_ptr<Deadlines> deadlines;  // instead of the policy
  FollowerOptions options;
  std::unique_ptr<Incarnation> alive;

  // kill -9, and a start.
  void Restart(sql::FaultSchedule faults = nullptr) {
    Kill();
    alive = std::make_unique<Incarnation>(folder.path(), executor.get(), &clock, &ledger, &ledger.log(),
                                          policy, deadlines.get(), options, std::move(faults));
  }
  void Kill() { alive.reset(); }
  void Advance(absl::Duration by) { executor->Advance(by); }
  absl::Time now() const { return clock.Now(); }

  // Everything in the store, for comparing.
  std::vector<std::pair<OrderClocks, OrderClock>> Dump() {
    auto page = alive->store().reader().List(
        {.include_stopped = true, .now = now(), .limit = 1'000'000, .scan_limit = 1'000'000});
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::pair<OrderClocks, OrderClock>> all;
    for (auto& row : page->rows) all.emplace_back(std::move(row.order), std::move(row.clock));
    return all;
  }
  OrderClocks Find(int64_t id) {
    auto order = alive->store().reader().FindOrder(id);
    EXPECT_TRUE(order.ok() && order->has_value());
    return order.ok() && order->has_value() ? **order : OrderClocks();
  }
};

}  // namespace hotline::escalation

#endif  // TESTS_SERVICES_ESCALATION_WORLD_H_
