#include "services/escalation/report/follower.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "common/base/backoff.h"
#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/error/error.h"
#include "common/retention/erase.h"
#include "services/escalation/core/log_mark.h"
#include "services/escalation/report/core/history.h"

namespace hotline::escalation::report {
namespace {

using type::v1::Event;

// Events of the last so long are those of a rush under way.
constexpr int kMostRead = 1000;  // events that work_order gives at once
constexpr absl::Duration kRecent = absl::Minutes(1);

RunningRow RunningOf(const History& history, const OrderClock& clock, absl::Time now,
                     const Deadlines& deadlines) {
  v1::Deadline deadline = Describe(history.clocks, clock, now, deadlines);
  deadline.clear_lamp();
  const bool urged = KnownOpenAt(clock, type::v1::RUNG_URGE);
  const bool reminded = deadline.has_remind_time() && KnownOpenAt(clock, type::v1::RUNG_REMIND);
  return {.order_id = history.id,
          .armed_by = clock.armed_by,
          .kind = clock.kind,
          .party = clock.duty_party,
          .urgency = history.clocks.urgency,
          .paused = clock.state == v1::CLOCK_STATE_PAUSED,
          .due = urged ? FromProto(deadline.due_time()) : absl::InfiniteFuture(),
          .remind = reminded ? FromProto(deadline.remind_time()) : absl::InfiniteFuture(),
          .bytes = deadline.SerializeAsString(),
          .restricted = history.clocks.restricted,
          .registered_by = history.clocks.registered_by};
}

}  // namespace

class Follower::State : public std::enable_shared_from_this<Follower::State> {
 public:
  State(Executor* executor, const hotline::Clock* clock, Ledger* ledger, Store* store, DeadlinesNow deadlines,
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
        backoff_(options.backoff_min, options.backoff_max) {}

  absl::Status Start() {
    const auto cursor = store_->reader().ReadCursor();
    if (!cursor.ok()) return cursor.status();
    cursor_ = head_ = *cursor;
    auto digest = store_->reader().ReadDigest();
    if (!digest.ok()) return digest.status();
    digest_ = *std::move(digest);
    Show();
    executor_->Post(Task([](State& self) { self.Read(); }));
    return absl::OkStatus();
  }
  void Stop() {
    executor_->Post(Task([](State& self) { self.stopped_ = true; }));
  }
  Stats stats() const {
    MutexLock lock(&mu_);
    return shown_;
  }

 private:
  template <typename Fn>
  Executor::Task Task(Fn fn) {
    return [weak = weak_from_this(), fn = std::move(fn)]() mutable {
      if (const auto self = weak.lock(); self != nullptr && !self->stopped_) fn(*self);
    };
  }

  void Read() {
    asked_ = clock_->Now();
    workorder::v1::ReadEventsRequest request;
    // Behind a start or a failure may stand another log: then the last event that is known is read again.
    const bool again = compares_ && !digest_.empty();
    request.set_start_sequence(cursor_ + (again ? 0 : 1));
    request.set_limit(std::min(options_.read_limit + (again ? 1 : 0), kMostRead));
    const int64_t nanos = at_head_ ? absl::ToInt64Nanoseconds(options_.read_wait) : 0;
    request.mutable_wait()->set_seconds(nanos / 1'000'000'000);
    request.mutable_wait()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    const CallContext call{.now = asked_,
                           .deadline = asked_ + options_.read_wait + absl::Seconds(5),
                           .traceparent = NewTraceparent()};
    ledger_->ReadEvents(
        call, std::move(request),
        [weak = weak_from_this(), again](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
          const auto self = weak.lock();
          if (self == nullptr) return;
          self->executor_->Post(self->Task([again, response = std::move(response)](State& state) mutable {
            state.OnRead(again, std::move(response));
          }));
        });
  }

  // `again`: it begins with the last event that is known.
  void OnRead(bool again, absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
    compares_ = !response.ok();
    if (!response.ok()) return ReadLater();
    if (again) {
      Event event;
      if (response->events().empty() || !event.ParseFromString(response->events(0)) ||
          LogMarkOf(event) != digest_) {
        return listener_->OnStoreFailed(error::Internal(absl::StrCat(
            "work_order's log is not the one that was read up to #", cursor_,
            ": it has been restored; delete escalation's stores, which are read anew from the log")));
      }
      response->mutable_events()->DeleteSubrange(0, 1);
    }
    std::vector<Event> events(static_cast<size_t>(response->events_size()));
    bool readable = true;
    for (int i = 0; i < response->events_size(); ++i)
      readable &= events[i].ParseFromString(response->events(i));
    if (!readable || (!events.empty() && events.front().sequence() != cursor_ + 1)) return ReadLater();
    std::string digest = events.empty() ? digest_ : LogMarkOf(events.back());
    if (const absl::Status status = ApplyBatch(std::move(events), std::move(digest)); !status.ok()) {
      if (absl::IsResourceExhausted(status)) return ReadLater();
      return listener_->OnStoreFailed(status);
    }
    backoff_.Reset();
    head_ = std::max(response->head_sequence(), cursor_);
    at_head_ = cursor_ == head_;
    // The head was told after it was asked for.
    if (at_head_) known_until_ = std::max(known_until_, asked_);
    Show();
    const bool recent = clock_->Now() - known_until_ < kRecent;
    executor_->PostAfter(at_head_ ? options_.head_pause
                         : recent ? options_.rush_pause
                                  : options_.catch_up_pause,
                         Task([](State& self) { self.Read(); }));
  }

  void ReadLater() {
    at_head_ = false;
    Show();
    executor_->PostAfter(backoff_.Next(random_), Task([](State& self) { self.Read(); }));
  }

  // `digest` is the last one's.
  absl::Status ApplyBatch(std::vector<Event> events, std::string digest) {
    if (events.empty()) return absl::OkStatus();
    if (absl::Status status = store_->Begin(); !status.ok()) return status;
    const int64_t last = events.back().sequence();
    const absl::Time last_commit = FromProto(events.back().commit_time());
    const absl::Status status = ApplyInTransaction(std::move(events), digest);
    store_->Rollback();  // of what was not committed
    if (!status.ok()) return status;
    cursor_ = last;
    digest_ = std::move(digest);
    known_until_ = std::max(known_until_, last_commit);
    return absl::OkStatus();
  }

  absl::Status ApplyInTransaction(std::vector<Event> events, const std::string& digest) {
    const int64_t last = events.back().sequence();
    std::map<int64_t, std::vector<Event>> by_order;
    for (Event& event : events) {
      const int64_t id = ParseOrderId(event.order_id()).value_or(0);
      if (id != 0) by_order[id].push_back(Condense(std::move(event)));
    }
    for (auto& [id, added] : by_order) {
      if (absl::Status status = ApplyOrder(id, added); !status.ok()) return status;
    }
    if (absl::Status status = store_->PutCursor(last, digest); !status.ok()) return status;
    return store_->Commit();
  }

  absl::Status ApplyOrder(int64_t id, std::vector<Event>& added) {
    const std::shared_ptr<const Deadlines> rules = deadlines_.Get();
    HistoryReader reader(rules.get(), site_);
    const bool erased =
        std::any_of(added.begin(), added.end(), [](const Event& event) { return event.has_erased(); });
    if (added.front().previous_order_sequence() != 0) {
      const auto entries = store_->reader().ReadEntries(id);
      if (!entries.ok()) return entries.status();
      Event event;
      for (const std::string& entry : *entries) {
        if (!event.ParseFromString(entry)) continue;
        // What the log does not hold any more is not kept here either.
        if (erased && retention::EraseTexts(&event)) {
          if (absl::Status status = store_->RewriteEntry(id, event.sequence(), event.SerializeAsString());
              !status.ok()) {
            return status;
          }
        }
        reader.Add(event);
      }
    }
    for (Event& event : added) {
      if (erased) retention::EraseTexts(&event);
      reader.Add(event);
      if (absl::Status status = store_->AddEntry(id, event.sequence(), event.SerializeAsString());
          !status.ok()) {
        return status;
      }
    }
    // As of its last event: what the store holds must not depend on when it was written.
    const absl::Time now = FromProto(added.back().commit_time());
    const History history = std::move(reader).Finish(now);
    std::vector<RunningRow> running;
    for (const OrderClock& clock : history.clocks.clocks) {
      // The time for a return is nobody's duty.
      if (!clock.live() || clock.kind == type::v1::CLOCK_KIND_UNIT_RETURN) continue;
      running.push_back(RunningOf(history, clock, now, *rules));
    }
    // A dispute that nobody has settled is on every meeting's table, at a hotline with nothing to do, too.
    const bool disputed =
        std::any_of(history.disputes.begin(), history.disputes.end(),
                    [](const Dispute& one) { return one.item.state() == v1::DOCKET_STATE_OPEN; });
    TrackedRow order{.id = id,
                     .number = history.number,
                     .first = std::min(history.register_time, now),
                     .last = running.empty() && !disputed ? now : absl::InfiniteFuture(),
                     .came_as = history.came_as};
    if (absl::Status status = store_->PutOrder(order); !status.ok()) return status;
    if (absl::Status status = store_->PutRunning(id, running); !status.ok()) return status;
    for (const Dispute& dispute : history.disputes) {
      const DocketRow row{.sequence = dispute.sequence,
                          .order_id = id,
                          .state = dispute.item.state(),
                          .opened = FromProto(dispute.item.open_time())};
      if (absl::Status status = store_->PutDocket(row); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  void Show() {
    MutexLock lock(&mu_);
    shown_ = {cursor_, head_, known_until_};
  }

  Executor* const executor_;
  const hotline::Clock* const clock_;
  Ledger* const ledger_;
  Store* const store_;
  const DeadlinesNow deadlines_;
  const std::string site_;
  FollowerListener* const listener_;
  const FollowerOptions options_;

  // On the executor only.
  std::minstd_rand random_;
  Backoff backoff_;
  bool stopped_ = false;
  bool at_head_ = false;
  int64_t cursor_ = 0;
  std::string digest_;    // of the event there
  bool compares_ = true;  // the next read makes sure that the log is still the one that was read
  int64_t head_ = 0;
  absl::Time asked_ = absl::InfinitePast();
  absl::Time known_until_ = absl::InfinitePast();

  mutable Mutex mu_;
  Stats shown_ ABSL_GUARDED_BY(mu_);
};

Follower::Follower(Executor* executor, const hotline::Clock* clock, Ledger* ledger, Store* store,
                   DeadlinesNow deadlines, std::string site, FollowerListener* listener,
                   FollowerOptions options)
    : state_(std::make_shared<State>(executor, clock, ledger, store, std::move(deadlines), std::move(site),
                                     listener, options)) {}

Follower::~Follower() = default;

absl::Status Follower::Start() { return state_->Start(); }
void Follower::Stop() { state_->Stop(); }
Follower::Stats Follower::stats() const { return state_->stats(); }

}  // namespace hotline::escalation::report
