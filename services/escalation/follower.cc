#include "services/escalation/follower.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "common/base/backoff.h"
#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/contract/alarm.h"
#include "common/error/error.h"

namespace hotline::escalation {
namespace {

using type::v1::Event;
using Events = google::protobuf::RepeatedPtrField<Event>;
using workorder::v1::CommandResult;

// Older rungs are history being read again.
constexpr absl::Duration kLatenessWindow = absl::Minutes(1);

google::protobuf::Duration ToDuration(absl::Duration duration) {
  google::protobuf::Duration proto;
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return proto;
}

void Count(const OrderClocks& order, int sign, Tallies* tallies) {
  for (const OrderClock& clock : order.clocks) {
    if (!clock.live()) continue;
    Tally& tally = (*tallies)[clock.kind];
    tally.live += sign;
    if (clock.rung >= type::v1::RUNG_URGE) tally.overdue += sign;
  }
}

// True if the call may succeed when it is made again as it is.
bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

}  // namespace

class Follower::State : public std::enable_shared_from_this<Follower::State> {
 public:
  State(Executor* executor, const hotline::Clock* clock, Ledger* ledger, Store* store, Deadlines deadlines,
        std::string site, FollowerListener* listener, FollowerOptions options)
      : executor_(executor),
        clock_(clock),
        ledger_(ledger),
        store_(store),
        deadlines_(std::move(deadlines)),
        site_(std::move(site)),
        listener_(listener),
        options_(options),
        random_(NewJitter(options.jitter_seed)),
        read_backoff_(options.backoff_min, options.backoff_max),
        fire_backoff_(options.backoff_min, options.backoff_max) {}

  absl::Status Start() {
    auto progress = store_->reader().ReadProgress();
    if (!progress.ok()) return progress.status();
    progress_ = *std::move(progress);
    committed_ = progress_;
    head_ = progress_.cursor;
    Show();
    listener_->OnProgress(progress_.cursor);
    Post([](State& self) { self.Read(); });
    return absl::OkStatus();
  }

  void Stop() {
    Post([](State& self) { self.stopped_ = true; });
  }

  Stats stats() const {
    MutexLock lock(&mu_);
    return shown_;
  }

 private:
  // One order within a batch.
  struct Touched {
    std::optional<OrderClocks> before;
    OrderClocks after;
  };
  // A rung on its way.
  struct Shot {
    DueClock due;
    type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
    absl::Time rung_time;
    type::v1::Command command;
    // Goes before it in the same batch, so in the same commit or not at all.
    std::optional<type::v1::Command> alarm;
  };

  template <typename Fn>
  void Post(Fn fn) {
    executor_->Post([weak = weak_from_this(), fn = std::move(fn)]() mutable {
      if (const auto self = weak.lock(); self != nullptr && !self->stopped_) fn(*self);
    });
  }
  template <typename Fn>
  void PostAfter(absl::Duration delay, Fn fn) {
    executor_->PostAfter(delay, [weak = weak_from_this(), fn = std::move(fn)]() mutable {
      if (const auto self = weak.lock(); self != nullptr && !self->stopped_) fn(*self);
    });
  }
  // Brings an answer to the executor.
  template <typename Response, typename Fn>
  Done<Response> Back(Fn fn) {
    return [weak = weak_from_this(), fn = std::move(fn)](absl::StatusOr<Response> response) mutable {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->Post([response = std::move(response), fn = std::move(fn)](State& state) mutable {
        fn(state, std::move(response));
      });
    };
  }

  // Reading.

  void Read() {
    const absl::Time now = clock_->Now();
    workorder::v1::ReadEventsRequest request;
    request.set_start_sequence(progress_.cursor + 1);
    request.set_limit(options_.read_limit);
    // The first answer, and the first after a failure, says where the head is: not to be waited for.
    *request.mutable_wait() = ToDuration(fresh_ ? options_.read_wait : absl::ZeroDuration());
    const CallContext call{
        .now = now, .deadline = now + options_.read_wait + absl::Seconds(5), .traceparent = NewTraceparent()};
    ledger_->ReadEvents(call, std::move(request),
                        Back<workorder::v1::ReadEventsResponse>(
                            [](State& self, absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
                              self.OnRead(std::move(response));
                            }));
  }

  void OnRead(absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
    TellLedger(response.status());
    if (!response.ok()) return ReadLater();
    Events events;
    bool readable = true;
    for (const std::string& bytes : response->events()) readable &= events.Add()->ParseFromString(bytes);
    if (!readable || (!events.empty() && events.begin()->sequence() != progress_.cursor + 1)) {
      TellLedger(error::Internal("the log did not give the events asked for"));
      return ReadLater();
    }
    if (const absl::Status status = ApplyBatch(events); !status.ok()) {
      if (!absl::IsResourceExhausted(status)) return Fail(status);
      TellLedger(status);
      return ReadLater();
    }
    read_backoff_.Reset();
    head_ = std::max(response->head_sequence(), progress_.cursor);
    const absl::Time now = clock_->Now();
    const bool at_head = progress_.cursor == head_;
    fresh_ = at_head ||
             (!events.empty() && now - FromProto(events.rbegin()->commit_time()) <= options_.stale_after);
    Show();
    if (at_head && !caught_up_) {
      caught_up_ = true;
      listener_->OnCaughtUp(progress_.cursor);
    }
    Fire();
    const bool awaited = firing_ || progress_.cursor < read_back_;
    if (!awaited && events.size() >= options_.busy_events && events.size() < options_.read_limit) {
      PostAfter(options_.busy_pause, [](State& self) { self.Read(); });
    } else {
      Post([](State& self) { self.Read(); });
    }
  }

  void ReadLater() {
    fresh_ = false;
    Show();
    PostAfter(read_backoff_.Next(random_), [](State& self) { self.Read(); });
  }

  // Applies events in one transaction. On failure nothing has changed, in the store or here.
  absl::Status ApplyBatch(const Events& events) {
    if (events.empty()) return absl::OkStatus();
    // Reads too are cheaper inside.
    if (absl::Status status = store_->Begin(); !status.ok()) return status;
    const absl::Status status = ApplyInTransaction(events);
    store_->Rollback();  // of what was not committed
    return status;
  }

  absl::Status ApplyInTransaction(const Events& events) {
    Progress after = progress_;
    after.cursor = events.rbegin()->sequence();
    touched_.clear();
    std::vector<std::pair<int64_t, SharedMessage>> rungs;
    for (const Event& event : events) {
      if (event.has_rung_acknowledged()) listener_->OnAcknowledged(event);
      if (!Concerns(event)) continue;
      const auto touched = Touch(event);
      if (!touched.ok()) return touched.status();
      if (*touched == nullptr) continue;
      if (const type::v1::Escalation* rung = RungOf(event); rung != nullptr) {
        rungs.emplace_back(event.sequence(), std::make_shared<const std::string>(Record(event, *rung)));
        NoteRung(event, *rung, (*touched)->after, &after);
      }
      (*touched)->after = Apply(std::move((*touched)->after), event, deadlines_, site_);
    }
    std::vector<const Touched*> changed;
    for (const auto& [id, touched] : touched_) {
      if (touched.before.has_value() && *touched.before == touched.after) continue;
      if (touched.before.has_value()) Count(*touched.before, -1, &after.tallies);
      Count(touched.after, +1, &after.tallies);
      changed.push_back(&touched);
    }
    // What changes nothing need not be written: after a restart it is read again, and changes nothing again.
    if (!changed.empty() || !rungs.empty() || after.cursor - committed_.cursor >= kMaxUnwritten) {
      // In the order of ids, as the tables are.
      std::sort(changed.begin(), changed.end(),
                [](const Touched* a, const Touched* b) { return a->after.id < b->after.id; });
      if (absl::Status status = Write(changed, rungs, after); !status.ok()) return status;
      committed_ = after;
    }
    progress_ = after;
    listener_->OnProgress(progress_.cursor);
    if (caught_up_) listener_->OnApplied(ItemsOf(events, rungs));
    return absl::OkStatus();
  }

  // The order of `event`, loaded at most once a batch. Null if the event names none.
  absl::StatusOr<Touched*> Touch(const Event& event) {
    const int64_t id = ParseOrderId(event.order_id()).value_or(0);
    if (id == 0) return nullptr;
    const auto [it, added] = touched_.try_emplace(id);
    Touched& touched = it->second;
    if (added && event.previous_order_sequence() != 0) {
      auto order = store_->reader().FindOrder(id);
      if (!order.ok()) return order.status();
      if (order->has_value()) {
        touched.after = **order;
        touched.before = *std::move(order);
      }
    }
    return &touched;
  }

  static std::string Record(const Event& event, const type::v1::Escalation& escalation) {
    v1::EscalationRecord record;
    record.set_sequence(event.sequence());
    record.set_order_id(event.order_id());
    record.set_order_number(event.order_number());
    *record.mutable_escalation() = escalation;
    *record.mutable_record_time() = event.commit_time();
    return record.SerializeAsString();
  }

  void NoteRung(const Event& event, const type::v1::Escalation& escalation, const OrderClocks& order,
                Progress* progress) {
    const size_t kind = escalation.clock();
    if (kind < progress->tallies.size()) {
      ++(escalation.rung() == type::v1::RUNG_REMIND ? progress->tallies[kind].reminded
                                                    : progress->tallies[kind].urged);
    }
    const absl::Time at = FromProto(event.commit_time());
    if (clock_->Now() - at > kLatenessWindow) return;
    for (const OrderClock& clock : order.clocks) {
      if (clock.kind != escalation.clock() || clock.armed_by != escalation.armed_by_sequence()) continue;
      const absl::Time due = FromProto(escalation.due_time());
      const absl::Time rung = escalation.rung() == type::v1::RUNG_REMIND ? due - clock.remind_before : due;
      listener_->OnRung(std::max(absl::ZeroDuration(), at - rung));
    }
  }

  absl::Status Write(const std::vector<const Touched*>& changed,
                     const std::vector<std::pair<int64_t, SharedMessage>>& rungs, const Progress& after) {
    for (const Touched* touched : changed) {
      const OrderClocks* before = touched->before.has_value() ? &*touched->before : nullptr;
      if (absl::Status status = store_->PutOrder(before, touched->after); !status.ok()) return status;
    }
    for (const auto& [sequence, record] : rungs) {
      if (absl::Status status = store_->PutRung(sequence, *record); !status.ok()) return status;
    }
    if (absl::Status status = store_->PutProgress(committed_, after); !status.ok()) return status;
    return store_->Commit();
  }

  static EventHub::Items ItemsOf(const Events& events,
                                 const std::vector<std::pair<int64_t, SharedMessage>>& rungs) {
    static const SharedMessage* const kNothing = new SharedMessage(std::make_shared<const std::string>());
    EventHub::Items items(static_cast<size_t>(events.size()));
    for (int i = 0; i < events.size(); ++i) {
      items[i].sequence = events[i].sequence();
      items[i].shown = false;
      items[i].bytes = *kNothing;
    }
    for (const auto& [sequence, record] : rungs) {
      EventHub::Item& item = items[sequence - events[0].sequence()];
      item.shown = true;
      item.bytes = record;
    }
    return items;
  }

  // Taking rungs.

  // Sends what is due, unless a batch is under way or not read back yet; else sees that it is called again in
  // time.
  void Fire() {
    if (failed_ || !fresh_ || firing_ || fire_pause_ || progress_.cursor < read_back_) return;
    const absl::Time now = clock_->Now();
    auto due = store_->Due(now, options_.fire_limit);
    if (!due.ok()) return Fail(due.status());
    if (due->empty()) {
      const auto next = store_->NextDue();
      if (!next.ok()) return Fail(next.status());
      return LookAgain(*next, now);
    }
    if (const absl::Status status = store_->Begin(); !status.ok()) return Fail(status);
    auto shots = Aim(*std::move(due));
    store_->Rollback();  // it only read
    if (!shots.ok()) return Fail(shots.status());
    workorder::v1::ExecuteRequest request;
    // Of alarms nothing is read back: dispatch may have raised them before, or the order may be elsewhere.
    int alarms = 0;
    for (Shot& shot : *shots) {
      if (!shot.alarm.has_value()) continue;
      *request.add_commands() = *std::move(shot.alarm);
      ++alarms;
    }
    for (Shot& shot : *shots) *request.add_commands() = std::move(shot.command);
    firing_ = true;
    const CallContext call{.now = now, .deadline = now + absl::Seconds(10), .traceparent = NewTraceparent()};
    ledger_->Execute(call, std::move(request),
                     Back<workorder::v1::ExecuteResponse>(
                         [shots = *std::move(shots), alarms, cursor = progress_.cursor](
                             State& self, absl::StatusOr<workorder::v1::ExecuteResponse> response) {
                           self.OnFired(shots, alarms, cursor, std::move(response));
                         }));
  }

  // The commands for what is due: the urgent first.
  absl::StatusOr<std::vector<Shot>> Aim(std::vector<DueClock> due) {
    std::vector<Shot> shots;
    absl::flat_hash_map<int64_t, OrderClocks> orders;
    for (const DueClock& one : due) {
      auto it = orders.find(one.order_id);
      if (it == orders.end()) {
        auto order = store_->reader().FindOrder(one.order_id);
        if (!order.ok()) return order.status();
        if (!order->has_value()) return error::StoreFailed("a clock has no order");
        it = orders.emplace(one.order_id, **std::move(order)).first;
      }
      for (const OrderClock& clock : it->second.clocks) {
        if (clock.kind != one.kind || clock.armed_by != one.armed_by) continue;
        const type::v1::Rung rung = NextRung(clock);
        shots.push_back({.due = one,
                         .urgency = it->second.urgency,
                         .rung_time = NextRungTime(clock),
                         .command = RungCommand(it->second, clock, rung)});
        if (NeedsAlarm(it->second, clock, rung)) {
          shots.back().alarm = ReceiptAlarm(FormatOrderId(it->second.id), ToProto(clock.start));
        }
      }
    }
    std::stable_sort(shots.begin(), shots.end(),
                     [](const Shot& a, const Shot& b) { return a.urgency > b.urgency; });
    return shots;
  }

  // `cursor` is where the log had been read up to when the commands were made; `alarms` went first.
  void OnFired(const std::vector<Shot>& shots, int alarms, int64_t cursor,
               absl::StatusOr<workorder::v1::ExecuteResponse> response) {
    firing_ = false;
    if (response.ok() && response->results_size() != alarms + static_cast<int>(shots.size())) {
      response = error::Internal("the ledger did not answer every command");
    }
    if (!response.ok()) return FireLater();
    bool transient = false;
    std::vector<const Shot*> refused;
    absl::Status first_refusal;
    for (size_t i = 0; i < shots.size(); ++i) {
      const CommandResult& result = response->results(alarms + static_cast<int>(i));
      const Shot& shot = shots[i];
      absl::Status status = error::FromProto(result.error());
      // Recorded before that, but not for this clock: the store does not fit the log.
      if (status.ok() && result.event_sequence() <= cursor) {
        status = error::Internal("the log has the rung, the store has not");
      }
      if (status.ok()) {
        read_back_ = std::max(read_back_, result.event_sequence());
      } else if (IsTransient(status)) {
        transient = true;
      } else {
        if (refused.empty()) first_refusal = status;
        refused.push_back(&shot);
      }
    }
    if (!refused.empty()) {
      listener_->OnRefused(static_cast<int64_t>(refused.size()), FormatOrderId(refused[0]->due.order_id),
                           first_refusal);
      if (const absl::Status status = DeferAll(refused); !status.ok()) {
        if (!absl::IsResourceExhausted(status)) return Fail(status);
        transient = true;
      }
    }
    if (transient) return FireLater();
    fire_backoff_.Reset();
    Fire();
  }

  // A refusal (the order was closed a moment ago) is mostly followed by the event that stops the clock. Until
  // then the clock waits, longer each time, and the others go on.
  absl::Status DeferAll(const std::vector<const Shot*>& refused) {
    const absl::Time now = clock_->Now();
    absl::Status status = store_->Begin();
    for (const Shot* shot : refused) {
      if (!status.ok()) break;
      const absl::Duration pause =
          std::clamp(now - shot->rung_time, options_.refused_min, options_.refused_max);
      status = store_->Defer(shot->due, now + pause);
    }
    if (!status.ok()) {
      store_->Rollback();
      return status;
    }
    if (status = store_->Commit(); !status.ok()) return status;
    refused_ += static_cast<int64_t>(refused.size());
    Show();
    return absl::OkStatus();
  }

  void FireLater() {
    fire_pause_ = true;
    PostAfter(fire_backoff_.Next(random_), [](State& self) {
      self.fire_pause_ = false;
      self.Fire();
    });
  }

  // Fires at `next`, or looks at the clock again a while before.
  void LookAgain(absl::Time next, absl::Time now) {
    const absl::Duration delay = std::clamp(next - now, absl::Milliseconds(1), options_.look_again);
    if (timer_ > now && timer_ <= now + delay) return;
    timer_ = now + delay;
    PostAfter(delay, [generation = ++timer_generation_](State& self) {
      if (self.timer_generation_ != generation) return;
      self.timer_ = absl::InfinitePast();
      self.Fire();
    });
  }

  // Telling.

  void TellLedger(const absl::Status& status) {
    if (ledger_ok_.has_value() && *ledger_ok_ == status.ok()) return;
    ledger_ok_ = status.ok();
    listener_->OnLedger(status);
  }

  void Fail(const absl::Status& status) {
    failed_ = true;
    fresh_ = false;
    Show();
    listener_->OnStoreFailed(status);
  }

  void Show() {
    MutexLock lock(&mu_);
    shown_ = {progress_.cursor, head_, fresh_, refused_, progress_.tallies};
  }

  // Events that change nothing and are not written down at once.
  static constexpr int64_t kMaxUnwritten = 10'000;

  Executor* const executor_;
  const hotline::Clock* const clock_;
  Ledger* const ledger_;
  Store* const store_;
  const Deadlines deadlines_;
  const std::string site_;
  FollowerListener* const listener_;
  const FollowerOptions options_;

  // On the executor only.
  std::minstd_rand random_;
  Backoff read_backoff_;
  Backoff fire_backoff_;
  bool stopped_ = false;
  bool failed_ = false;
  bool fresh_ = false;
  bool caught_up_ = false;
  std::optional<bool> ledger_ok_;
  Progress progress_;   // what has been applied
  Progress committed_;  // what the store has
  int64_t head_ = 0;
  absl::flat_hash_map<int64_t, Touched> touched_;
  bool firing_ = false;      // commands are under way
  bool fire_pause_ = false;  // after a failure
  int64_t read_back_ = 0;    // the log must have been read up to here before more is sent
  int64_t refused_ = 0;
  absl::Time timer_ = absl::InfinitePast();  // when the pending look is due
  int64_t timer_generation_ = 0;

  mutable Mutex mu_;
  Stats shown_ ABSL_GUARDED_BY(mu_);
};

Follower::Follower(Executor* executor, const hotline::Clock* clock, Ledger* ledger, Store* store,
                   Deadlines deadlines, std::string site, FollowerListener* listener, FollowerOptions options)
    : state_(std::make_shared<State>(executor, clock, ledger, store, std::move(deadlines), std::move(site),
                                     listener, options)) {}

Follower::~Follower() = default;

absl::Status Follower::Start() { return state_->Start(); }
void Follower::Stop() { state_->Stop(); }
Follower::Stats Follower::stats() const { return state_->stats(); }

}  // namespace hotline::escalation
