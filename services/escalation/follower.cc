#include "services/escalation/follower.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "common/base/backoff.h"
#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/base/text.h"
#include "common/contract/alarm.h"
#include "common/error/error.h"
#include "hotline/escalation/v1/clock_history.pb.h"
#include "services/escalation/core/log_mark.h"

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

// Names of one figure that are told apart; what comes later is counted as "other". Items and units are
// configured, so that this is for sites that take any unit code, and for mistakes.
constexpr int kMostRead = 1000;  // events that work_order gives at once
constexpr int64_t kMostNames = 1000;
constexpr const char* kOther = "other";

// Changes of the census in one transaction.
class CensusTaker {
 public:
  explicit CensusTaker(std::shared_ptr<const Census> before) : before_(std::move(before)) {}

  void Add(Figure figure, std::string_view first, std::string_view second, int64_t count) {
    const Census& known = changed_.has_value() ? *changed_ : *before_;
    CensusKey key{.figure = figure, .first = std::string(first), .second = std::string(second)};
    // A name stays for good once it is known, so what was counted under it is also taken away under it.
    if (!known.contains(key) &&
        std::distance(known.lower_bound({.figure = figure}),
                      known.lower_bound({.figure = static_cast<Figure>(static_cast<int>(figure) + 1)})) >=
            kMostNames) {
      key.first = kOther;
      key.second = second.empty() ? "" : kOther;
    }
    if (!changed_.has_value()) changed_ = *before_;
    (*changed_)[std::move(key)] += count;
  }

  // `sign` is +1 for an order as it is now and -1 as it was.
  void CountOrder(const OrderClocks& order, int sign) {
    const bool out = order.origin_here && !order.receiver.empty();
    Add(Figure::kOrders, absl::StrCat(static_cast<int>(order.state)),
        !order.origin_here ? "in" : (out ? "out" : "own"), sign);
    if (IsOver(order.state)) return;
    Add(Figure::kOpenByItem, NameOf(order.item), "", sign);
    Add(Figure::kOpenByUnit, NameOf(order.lead_unit), "", sign);
  }

  // Handed over by what happened between the two; `before` is null for an order that is new here.
  void CountHandoff(const OrderClocks* before, const OrderClocks& after) {
    if (!after.origin_here) {
      if (before == nullptr) Add(Figure::kHandoffs, "in", NameOf(after.item), 1);
    } else if (!after.receiver.empty() && (before == nullptr || before->receiver.empty())) {
      Add(Figure::kHandoffs, "out", NameOf(after.item), 1);
    }
  }

  std::shared_ptr<const Census> Finish() && {
    return changed_.has_value() ? std::make_shared<const Census>(*std::move(changed_)) : before_;
  }

 private:
  static bool IsOver(type::v1::OrderState state) {
    return state == type::v1::ORDER_STATE_CLOSED || state == type::v1::ORDER_STATE_CANCELLED ||
           state == type::v1::ORDER_STATE_ARCHIVED;
  }
  static std::string_view NameOf(std::string_view name) {
    return name.empty() ? std::string_view("none") : name;
  }

  const std::shared_ptr<const Census> before_;
  std::optional<Census> changed_;
};

void Count(const OrderClocks& order, int sign, Tallies* tallies) {
  for (const OrderClock& clock : order.clocks) {
    if (!clock.live()) continue;
    Tally& tally = (*tallies)[clock.kind];
    tally.live += sign;
    if (clock.rung >= type::v1::RUNG_URGE) tally.overdue += sign;
  }
}

// Its missed deadline is somebody's failing. What was not decided in time is in doubt, and the time for a
// return ends: that is no duty that was missed.
bool IsUrged(type::v1::ClockKind kind) {
  return kind != type::v1::CLOCK_KIND_CONFIRM && kind != type::v1::CLOCK_KIND_VOICE &&
         kind != type::v1::CLOCK_KIND_UNIT_RETURN;
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
        deadlines_(std::make_shared<const Deadlines>(std::move(deadlines))),
        site_(std::move(site)),
        listener_(listener),
        options_(options),
        random_(NewJitter(options.jitter_seed)),
        read_backoff_(options.backoff_min, options.backoff_max),
        fire_backoff_(options.backoff_min, options.backoff_max),
        move_backoff_(options.backoff_min, options.backoff_max) {}

  absl::Status Start() {
    auto progress = store_->reader().ReadProgress();
    if (!progress.ok()) return progress.status();
    progress_ = *std::move(progress);
    committed_ = progress_;
    head_ = progress_.cursor;
    auto moving = store_->reader().ReadMoveProgress();
    if (!moving.ok()) return moving.status();
    moving_ = *moving;
    // Published, and killed before the first step was written down. What a changed file put into force at a
    // start moves nothing, and so ends no move that was interrupted.
    const int64_t latest = deadlines_->OpenAt(absl::InfiniteFuture());
    if (moving_.publication < latest) {
      moving_ = {.publication = latest, .order_id = 0, .done = latest == 1, .moved = 0};
    }
    Show();
    listener_->OnProgress(progress_.cursor);
    listener_->OnClockTrust(trust_);
    canary_ = clock_->Now() + options_.canary_every;
    Post([](State& self) {
      self.Fire();
      self.Read();
    });
    return absl::OkStatus();
  }

  void Stop() {
    Post([](State& self) { self.stopped_ = true; });
  }

  Stats stats() const {
    MutexLock lock(&mu_);
    return shown_;
  }

  std::shared_ptr<const Deadlines> deadlines() const {
    MutexLock lock(&mu_);
    return deadlines_;
  }

  void Publish(Publication next, std::function<absl::Status(const Publication&)> keep, Done<int64_t> done) {
    Post([next = std::move(next), keep = std::move(keep), done = std::move(done)](State& self) mutable {
      done(self.PutInForce(std::move(next), keep));
      self.Move();
    });
  }

 private:
  // One order within a batch.
  struct Touched {
    std::optional<OrderClocks> before;
    OrderClocks after;
    // An event was among them that was committed before the publication that clocks are moved to.
    bool behind = false;
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

  absl::StatusOr<int64_t> PutInForce(Publication next,
                                     const std::function<absl::Status(const Publication&)>& keep) {
    const int64_t latest = static_cast<int64_t>(deadlines_->publications().size());
    if (failed_) return error::StoreFailed(StrCat("a commit failed; ", error::kUntilRestart));
    if (!moving_.done) return error::PublicationRunning(moving_.publication);
    if (next.number != latest + 1) {
      return error::PreviewStale("another publication came before", "已有其他发布在先");
    }
    // Whatever was applied was armed by what held before.
    next.time = std::max(clock_->Now(), applied_time_ + absl::Nanoseconds(1));
    if (absl::Status status = keep(next); !status.ok()) return status;
    moving_ = {.publication = next.number, .order_id = 0, .done = false, .moved = 0};
    auto with = std::make_shared<const Deadlines>(deadlines_->With(std::move(next)));
    {
      MutexLock lock(&mu_);
      deadlines_ = std::move(with);
    }
    Show();
    return moving_.publication;
  }

  // Reading.

  void Read() {
    const absl::Time now = clock_->Now();
    workorder::v1::ReadEventsRequest request;
    // Behind a start or a failure may stand another log: then the last event that is known is read again.
    const bool again = compares_ && !progress_.digest.empty();
    request.set_start_sequence(again ? progress_.cursor : NextSequence());
    request.set_limit(std::min(options_.read_limit + (again ? 1 : 0), kMostRead));
    // The first answer, and the first after a failure, says where the head is: not to be waited for.
    *request.mutable_wait() = ToDuration(fresh_ ? options_.read_wait : absl::ZeroDuration());
    asked_ = now;
    // Behind the head there may be a backlog.
    waited_ = fresh_ && !again && progress_.cursor == head_;
    const CallContext call{
        .now = now, .deadline = now + options_.read_wait + absl::Seconds(5), .traceparent = NewTraceparent()};
    ledger_->ReadEvents(call, std::move(request),
                        Back<workorder::v1::ReadEventsResponse>(
                            [again](State& self, absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
                              self.OnRead(again, std::move(response));
                            }));
  }

  // First event that is not here yet.
  int64_t NextSequence() const {
    return (gathered_.empty() ? progress_.cursor : gathered_.rbegin()->sequence()) + 1;
  }

  // `again`: it begins with the last event that is known.
  void OnRead(bool again, absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
    if (response.ok() && again && !IsContinued(*response)) {
      // Reading on would mix two histories.
      fresh_ = false;
      Show();
      TellLedger(error::Internal(absl::StrCat(
          "work_order's log is not the one that was followed up to #", progress_.cursor,
          ": it has been restored; delete escalation's stores, which are read anew from the log")));
      return ReadLater();
    }
    TellLedger(response.status());
    compares_ = !response.ok();
    if (!response.ok()) return ReadLater();
    if (again) response->mutable_events()->DeleteSubrange(0, 1);
    const int64_t expected = NextSequence();
    const int gathered = gathered_.size();
    bool readable = true;
    for (const std::string& bytes : response->events()) readable &= gathered_.Add()->ParseFromString(bytes);
    if (!readable || (gathered_.size() > gathered && gathered_.Get(gathered).sequence() != expected)) {
      TellLedger(error::Internal("the log did not give the events asked for"));
      return ReadLater();
    }
    const bool more = response->events_size() == options_.read_limit;
    if (more && gathered_.size() < options_.gather_limit) {
      Post([](State& self) { self.Read(); });
      return;
    }
    Events events;
    events.Swap(&gathered_);
    const std::string digest = events.empty() ? progress_.digest : LogMarkOf(*events.rbegin());
    if (const absl::Status status = ApplyBatch(events, digest); !status.ok()) {
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
    NoteSkew(events, now);
    Fire();
    Move();
    const bool awaited = firing_ || move_flight_ || progress_.cursor < std::max(read_back_, moved_back_);
    if (!awaited && events.size() >= options_.busy_events && !more) {
      read_resting_ = true;
      PostAfter(options_.busy_pause, [rest = ++read_rest_](State& self) {
        if (self.read_rest_ == rest) self.ReadOn();
      });
    } else {
      Post([](State& self) { self.Read(); });
    }
  }

  bool IsContinued(const workorder::v1::ReadEventsResponse& response) const {
    Event event;
    return !response.events().empty() && event.ParseFromString(response.events(0)) &&
           LogMarkOf(event) == progress_.digest;
  }

  // Ends the pause between two reads, if there is one: what was just sent is awaited.
  void ReadOn() {
    if (!read_resting_) return;
    read_resting_ = false;
    Read();
  }

  void ReadLater() {
    gathered_.Clear();
    fresh_ = false;
    Show();
    PostAfter(read_backoff_.Next(random_), [](State& self) { self.Read(); });
  }

  // Applies events in one transaction; `digest` is the last one's. On failure nothing has changed, in the
  // store or here.
  absl::Status ApplyBatch(const Events& events, const std::string& digest) {
    if (events.empty()) return absl::OkStatus();
    // Reads too are cheaper inside.
    if (absl::Status status = store_->Begin(); !status.ok()) return status;
    const absl::Status status = ApplyInTransaction(events, digest);
    store_->Rollback();  // of what was not committed
    return status;
  }

  absl::Status ApplyInTransaction(const Events& events, const std::string& digest) {
    Progress after = progress_;
    after.cursor = events.rbegin()->sequence();
    after.digest = digest;
    touched_.clear();
    CensusTaker census(after.census);
    std::vector<std::pair<int64_t, SharedMessage>> rungs;
    const absl::Time published = PublishedTime();
    for (const Event& event : events) {
      if (event.has_rung_acknowledged()) listener_->OnAcknowledged(event);
      if (event.has_received() && event.received().has_clock_skew()) NotePeerSkew(event);
      if (!Concerns(event)) continue;
      const auto touched = Touch(event);
      if (!touched.ok()) return touched.status();
      if (*touched == nullptr) continue;
      const type::v1::Escalation* const rung = RungOf(event);
      if (rung != nullptr) {
        rungs.emplace_back(event.sequence(), std::make_shared<const std::string>(Record(event, *rung)));
        NoteRung(event, *rung, (*touched)->after, &census);
      }
      (*touched)->behind |= FromProto(event.commit_time()) < published;
      const std::vector<bool> breached = BreachedOf((*touched)->after);
      (*touched)->after = Apply(std::move((*touched)->after), event, *deadlines_, site_);
      NoteBreaches(breached, (*touched)->after, rung, &census);
    }
    std::vector<const Touched*> changed;
    int64_t again = kNone;
    for (const auto& [id, touched] : touched_) {
      if (touched.before.has_value() && *touched.before == touched.after) continue;
      if (touched.before.has_value()) Count(*touched.before, -1, &after.tallies);
      Count(touched.after, +1, &after.tallies);
      if (touched.before.has_value()) census.CountOrder(*touched.before, -1);
      census.CountOrder(touched.after, +1);
      census.CountHandoff(touched.before.has_value() ? &*touched.before : nullptr, touched.after);
      changed.push_back(&touched);
      if (touched.behind && IsBehind(touched.after)) again = std::min(again, id - 1);
    }
    MoveProgress moving = moving_;
    if (again != kNone) {
      moving.order_id = std::min(moving.order_id, again);
      moving.done = false;
    }
    after.census = std::move(census).Finish();
    // What changes nothing need not be written: after a restart it is read again, and changes nothing again.
    if (!changed.empty() || !rungs.empty() || after.cursor - committed_.cursor >= kMaxUnwritten) {
      // In the order of ids, as the tables are.
      std::sort(changed.begin(), changed.end(),
                [](const Touched* a, const Touched* b) { return a->after.id < b->after.id; });
      if (absl::Status status = Write(changed, rungs, after, moving); !status.ok()) return status;
      committed_ = after;
    }
    move_again_ = std::min(move_again_, again);
    moving_ = moving;
    progress_ = after;
    applied_time_ = std::max(applied_time_, FromProto(events.rbegin()->commit_time()));
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
    record.set_restricted(event.restricted());
    record.set_order_id(event.order_id());
    record.set_order_number(event.order_number());
    *record.mutable_escalation() = escalation;
    *record.mutable_record_time() = event.commit_time();
    return record.SerializeAsString();
  }

  void NoteRung(const Event& event, const type::v1::Escalation& escalation, const OrderClocks& order,
                CensusTaker* census) {
    const std::string clock_kind = absl::StrCat(static_cast<int>(escalation.clock()));
    census->Add(Figure::kRungs, clock_kind, absl::StrCat(static_cast<int>(escalation.rung())), 1);
    const absl::Time at = FromProto(event.commit_time());
    if (clock_->Now() - at > kLatenessWindow) return;
    for (const OrderClock& clock : order.clocks) {
      if (!IsAbout(escalation, clock)) continue;
      const absl::Time rung =
          FromProto(escalation.has_rung_time() ? escalation.rung_time() : escalation.due_time());
      listener_->OnRung(std::max(absl::ZeroDuration(), at - rung));
    }
  }

  static std::vector<bool> BreachedOf(const OrderClocks& order) {
    std::vector<bool> breached;
    breached.reserve(order.clocks.size());
    for (const OrderClock& clock : order.clocks) breached.push_back(clock.breached);
    return breached;
  }

  // Counts the deadlines that an event showed to be missed: mostly its rung, or whatever came first in a
  // downtime. `before` is BreachedOf the order before it; clocks stay where they are, and breached.
  static void NoteBreaches(const std::vector<bool>& before, const OrderClocks& order,
                           const type::v1::Escalation* rung, CensusTaker* census) {
    for (size_t i = 0; i < order.clocks.size(); ++i) {
      const OrderClock& clock = order.clocks[i];
      if (!clock.breached || (i < before.size() && before[i]) || !IsUrged(clock.kind)) continue;
      // Who missed it is told by the rung, also if somebody else has the duty by now.
      const bool told = rung != nullptr && IsAbout(*rung, clock);
      census->Add(Figure::kBreaches, told ? rung->duty_party() : clock.duty_party,
                  absl::StrCat(static_cast<int>(clock.kind)), 1);
    }
  }

  // When the publication came into force that clocks are moved to.
  absl::Time PublishedTime() const {
    const std::vector<Publication>& all = deadlines_->publications();
    const auto number = static_cast<size_t>(moving_.publication);
    return number < 1 || number > all.size() ? absl::InfinitePast() : all[number - 1].time;
  }
  bool IsBehind(const OrderClocks& order) const {
    return std::any_of(order.clocks.begin(), order.clocks.end(), [this](const OrderClock& clock) {
      return clock.live() && clock.rule.publication < moving_.publication;
    });
  }

  absl::Status Write(const std::vector<const Touched*>& changed,
                     const std::vector<std::pair<int64_t, SharedMessage>>& rungs, const Progress& after,
                     const MoveProgress& moving) {
    for (const Touched* touched : changed) {
      const OrderClocks* before = touched->before.has_value() ? &*touched->before : nullptr;
      if (absl::Status status = store_->PutOrder(before, touched->after); !status.ok()) return status;
    }
    for (const auto& [sequence, record] : rungs) {
      if (absl::Status status = store_->PutRung(sequence, *record); !status.ok()) return status;
    }
    if (absl::Status status = store_->PutProgress(committed_, after); !status.ok()) return status;
    if (moving != moving_) {
      if (absl::Status status = store_->PutMoveProgress(moving); !status.ok()) return status;
    }
    return store_->Commit();
  }

  static EventHub::Items ItemsOf(const Events& events,
                                 const std::vector<std::pair<int64_t, SharedMessage>>& rungs) {
    static const SharedMessage* const kNothing = new SharedMessage(std::make_shared<const std::string>());
    EventHub::Items items(static_cast<size_t>(events.size()));
    for (int i = 0; i < events.size(); ++i) {
      items[i].sequence = events[i].sequence();
      // Of each event, so that one that restricts its order restricts the rungs before it.
      items[i].order_id = events[i].order_id();
      items[i].previous = events[i].previous_order_sequence();
      items[i].restricted = events[i].restricted();
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
    if (failed_) return;
    const absl::Time now = clock_->Now();
    Look(now);
    // The clock is watched all the same: a work_order that starts again makes nothing late here.
    if (!fresh_ || firing_ || fire_pause_ || progress_.cursor < read_back_) {
      return LookAgain(absl::InfiniteFuture(), now);
    }
    auto due = store_->Due(FireLane::kUrgent, now, options_.fire_limit);
    if (!due.ok()) return Fail(due.status());
    absl::Time next = absl::InfiniteFuture();
    const int room = options_.fire_limit - static_cast<int>(due->size());
    if (const int allowed = std::min(room, Allowance(now)); allowed > 0) {
      auto ordinary = store_->Due(FireLane::kOrdinary, now, allowed);
      if (!ordinary.ok()) return Fail(ordinary.status());
      due->insert(due->end(), ordinary->begin(), ordinary->end());
      allowance_ -= static_cast<double>(ordinary->size());
    } else if (room > 0) {
      next = now + kAllowancePause;
    }
    if (due->empty()) {
      for (const FireLane lane : {FireLane::kUrgent, FireLane::kOrdinary}) {
        const auto first = store_->NextDue(lane);
        if (!first.ok()) return Fail(first.status());
        // What is due and not allowed yet has its own time.
        if (*first > now || lane == FireLane::kUrgent) next = std::min(next, *first);
      }
      return LookAgain(next, now);
    }
    if (const absl::Status status = store_->Begin(); !status.ok()) return Fail(status);
    std::vector<std::pair<DueClock, absl::Time>> later;
    auto shots = Aim(*std::move(due), now, &later);
    store_->Rollback();  // it only read
    if (!shots.ok()) return Fail(shots.status());
    if (!later.empty()) {
      if (const absl::Status status = Postpone(later); !status.ok()) {
        if (!absl::IsResourceExhausted(status)) return Fail(status);
        return FireLater();
      }
      if (shots->empty()) return Post([](State& self) { self.Fire(); });
    }
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

  // How many rungs of ordinary orders may be taken now.
  int Allowance(absl::Time now) {
    const double rate = options_.rungs_per_s;
    if (now > allowance_time_) {
      allowance_ = std::min(
          std::max(rate / 10, static_cast<double>(options_.fire_limit)),
          allowance_ + rate * absl::ToDoubleSeconds(std::min(now - allowance_time_, absl::Seconds(1))));
    }
    // The clock may have been set back.
    allowance_time_ = now;
    return static_cast<int>(allowance_);
  }

  // The commands for what is due: the urgent first.
  // Those that are to wait, and until when, come into `later`.
  absl::StatusOr<std::vector<Shot>> Aim(std::vector<DueClock> due, absl::Time now,
                                        std::vector<std::pair<DueClock, absl::Time>>* later) {
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
        if (!one.Is(clock)) continue;
        const type::v1::Rung rung = NextRung(clock);
        if (clock.kind == type::v1::CLOCK_KIND_RESULT_BACK) {
          if (const absl::Time until = WaitForResult(it->second, clock, now); until > now) {
            later->emplace_back(one, until);
            continue;
          }
        }
        shots.push_back({.due = one,
                         .urgency = it->second.urgency,
                         .rung_time = NextRungTime(clock),
                         .command = RungCommand(it->second, clock, rung, *deadlines_)});
        if (NeedsAlarm(it->second, clock, rung)) {
          shots.back().alarm = ReceiptAlarm(FormatOrderId(it->second.id), ToProto(OfferTime(clock)));
        }
      }
    }
    std::stable_sort(shots.begin(), shots.end(),
                     [](const Shot& a, const Shot& b) { return a.urgency > b.urgency; });
    return shots;
  }

  // Until when a rung about a result on its way is to wait; `now` if it has not arrived.
  absl::Time WaitForResult(const OrderClocks& order, const OrderClock& clock, absl::Time now) {
    v1::ClockHistory history;
    history.ParseFromString(clock.history);
    if (history.sent_sequence() == 0) return now + kResultThere;
    if (links_time_ < clock.next) {
      ReadLinks(now);
      return now + kResultUnknown;
    }
    const bool emergency = order.urgency == type::v1::URGENCY_EMERGENCY;
    const auto lane = emergency ? exchange::v1::LANE_EMERGENCY : exchange::v1::LANE_ORDINARY;
    const auto it = links_.find({history.sent_to(), lane});
    return it != links_.end() && it->second >= history.sent_sequence() ? now + kResultThere : now;
  }

  void ReadLinks(absl::Time now) {
    if (links_flight_) return;
    links_flight_ = true;
    const CallContext call{.now = now, .deadline = now + absl::Seconds(5), .traceparent = NewTraceparent()};
    ledger_->ListLinkCursors(
        call, workorder::v1::ListLinkCursorsRequest(),
        Back<workorder::v1::ListLinkCursorsResponse>(
            [now](State& self, absl::StatusOr<workorder::v1::ListLinkCursorsResponse> response) {
              self.links_flight_ = false;
              if (!response.ok()) return;
              self.links_time_ = now;
              for (const workorder::v1::LinkCursor& link : response->links()) {
                self.links_[{link.peer(), link.lane()}] = link.acknowledged_sequence();
              }
            }));
  }

  absl::Status Postpone(const std::vector<std::pair<DueClock, absl::Time>>& later) {
    absl::Status status = store_->Begin();
    for (const auto& [clock, until] : later) {
      if (status.ok()) status = store_->Defer(clock, until);
    }
    if (status.ok()) status = store_->Commit();
    if (!status.ok()) store_->Rollback();
    return status;
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
    if (progress_.cursor < read_back_) ReadOn();
    if (transient) return FireLater();
    fire_backoff_.Reset();
    Fire();
  }

  // Moving open clocks to the latest publication that moves them.

  // One step: looks at some clocks and sends what moves. The next one follows when that is read back.
  void Move() {
    if (failed_ || !fresh_ || moving_.done || move_flight_ || move_pause_ || progress_.cursor < moved_back_) {
      return;
    }
    if (const absl::Status status = store_->Begin(); !status.ok()) return Fail(status);
    auto scan = store_->reader().ScanOrders(moving_.order_id, options_.move_limit);
    store_->Rollback();  // it only read
    if (!scan.ok()) return Fail(scan.status());
    move_again_ = kNone;
    workorder::v1::ExecuteRequest request;
    for (const OrderClocks& order : scan->orders) {
      for (const OrderClock& clock : order.clocks) {
        if (clock.rule.publication >= moving_.publication) continue;
        const auto moved = MovedTo(order, clock, moving_.publication, *deadlines_);
        if (moved.has_value()) *request.add_commands() = MoveCommand(order, clock, *moved, *deadlines_);
      }
    }
    MoveProgress after = moving_;
    after.order_id = scan->last_id;
    // What was sent has to be read back first: then the rest, if only of what is new, has nothing to move.
    after.done = scan->end && request.commands().empty();
    if (request.commands().empty()) return StepTo(after);
    move_flight_ = true;
    const absl::Time now = clock_->Now();
    const CallContext call{.now = now, .deadline = now + absl::Seconds(10), .traceparent = NewTraceparent()};
    ledger_->Execute(call, std::move(request),
                     Back<workorder::v1::ExecuteResponse>(
                         [after](State& self, absl::StatusOr<workorder::v1::ExecuteResponse> response) {
                           self.OnMoveSent(after, std::move(response));
                         }));
  }

  void OnMoveSent(MoveProgress after, absl::StatusOr<workorder::v1::ExecuteResponse> response) {
    move_flight_ = false;
    bool transient = !response.ok();
    if (response.ok()) {
      for (const CommandResult& result : response->results()) {
        const absl::Status status = error::FromProto(result.error());
        // One that is refused has been closed a moment ago: it has no open clock.
        if (IsTransient(status)) transient = true;
        if (!status.ok()) continue;
        moved_back_ = std::max(moved_back_, result.event_sequence());
        if (!result.replayed()) ++after.moved;
      }
    }
    if (progress_.cursor < moved_back_) ReadOn();
    if (transient) {
      move_pause_ = true;
      return PostAfter(move_backoff_.Next(random_), [](State& self) {
        self.move_pause_ = false;
        self.Move();
      });
    }
    move_backoff_.Reset();
    StepTo(after);
  }

  // Writes down how far it has come, and goes on.
  void StepTo(MoveProgress after) {
    // What came in since the orders were looked at.
    after.order_id = std::min(after.order_id, move_again_);
    after.done = after.done && move_again_ == kNone;
    absl::Status status = store_->Begin();
    if (status.ok()) status = store_->PutMoveProgress(after);
    if (status.ok()) status = store_->Commit();
    if (!status.ok()) {
      store_->Rollback();
      if (!absl::IsResourceExhausted(status)) return Fail(status);
      // What was sent is sent again, and gets the same answer.
      move_pause_ = true;
      return PostAfter(move_backoff_.Next(random_), [](State& self) {
        self.move_pause_ = false;
        self.Move();
      });
    }
    moving_ = after;
    Show();
    listener_->OnMoved(moving_);
    if (!moving_.done) Post([](State& self) { self.Move(); });
  }

  // Watching the clock.

  // The system clock against the monotonic one, and the canary: a clock without an order.
  void Look(absl::Time now) {
    const absl::Duration steady = clock_->Steady();
    if (looked_ != absl::InfinitePast()) {
      const absl::Duration step = (now - looked_) - (steady - looked_steady_);
      if (absl::AbsDuration(step) > options_.step_tolerance) {
        ++trust_.steps;
        trust_.last_step = step;
        stepped_ = steady;
        // What was reckoned by the clock before holds no more.
        timer_ = absl::InfinitePast();
        canary_ = now + options_.canary_every;
        allowance_time_ = now;
      }
    }
    looked_ = now;
    looked_steady_ = steady;
    JudgeTrust();
    if (now >= canary_) {
      listener_->OnCanary(now - canary_);
      canary_ = now + options_.canary_every;
    }
  }

  // When the last event was committed is told by work_order's clock.
  void NoteSkew(const Events& events, absl::Time now) {
    if (events.empty() || !fresh_ || events.size() >= options_.read_limit) return;
    const absl::Time commit = FromProto(events.rbegin()->commit_time());
    // A commit in the future is skew. One in the past may be of a backlog: only what was committed after it
    // was asked for tells; how long its answer took says nothing.
    absl::Duration skew = commit - now;
    if (skew < absl::ZeroDuration()) {
      if (!waited_) return;
      // The clock may have been set back since. What was known, and may still be so, stands.
      const absl::Duration most = std::min(absl::ZeroDuration(), commit - std::min(asked_, now));
      skew = std::clamp(trust_.skew, skew, most);
      // Several may have gathered before they were asked for. They can still show that the clocks agree.
      if (events.size() > 1 && -skew > options_.skew_tolerance) return;
    }
    trust_.skew = skew;
    JudgeTrust();
  }

  // The receipt of an offer told by how much the peer's clock differs, give or take what the way took.
  void NotePeerSkew(const Event& event) {
    const absl::Time at = FromProto(event.commit_time());
    if (clock_->Now() - at > kSkewMemory) return;
    const auto duration = [](const google::protobuf::Duration& proto) {
      return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
    };
    const absl::Duration skew = duration(event.received().clock_skew());
    const absl::Duration sure = std::max(
        absl::ZeroDuration(), absl::AbsDuration(skew) - duration(event.received().clock_uncertainty()));
    trust_.peer_skew = skew < absl::ZeroDuration() ? -sure : sure;
    peer_skew_time_ = at;
  }

  void JudgeTrust() {
    const bool stepped = stepped_.has_value() && looked_steady_ - *stepped_ < kStepMemory;
    if (looked_ - peer_skew_time_ > kSkewMemory) trust_.peer_skew = absl::ZeroDuration();
    const bool trusted = !stepped && absl::AbsDuration(trust_.skew) <= options_.skew_tolerance &&
                         absl::AbsDuration(trust_.peer_skew) <= options_.skew_tolerance;
    if (trusted == trust_.trusted && trust_.steps == told_steps_) return;
    trust_.trusted = trusted;
    told_steps_ = trust_.steps;
    Show();
    listener_->OnClockTrust(trust_);
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
    const absl::Duration delay =
        std::clamp(std::min(next, canary_) - now, absl::Milliseconds(1), options_.look_again);
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
    if (told_ledger_ == status.code()) return;
    told_ledger_ = status.code();
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
    shown_ = {progress_.cursor, head_,   fresh_, refused_, progress_.tallies,
              progress_.census, moving_, trust_};
  }

  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  // Events that change nothing and are not written down at once.
  static constexpr int64_t kMaxUnwritten = 10'000;
  // How soon to look again when the rate is used up.
  static constexpr absl::Duration kAllowancePause = absl::Milliseconds(10);
  // A result whose arrival is not known is asked for again after so long; one that arrived need not be.
  static constexpr absl::Duration kResultUnknown = absl::Seconds(1);
  static constexpr absl::Duration kResultThere = absl::Hours(24);
  // A clock that was stepped is not trusted for so long.
  static constexpr absl::Duration kStepMemory = absl::Minutes(10);
  // What was measured of a peer's clock says nothing any more after so long.
  static constexpr absl::Duration kSkewMemory = absl::Minutes(10);

  Executor* const executor_;
  const hotline::Clock* const clock_;
  Ledger* const ledger_;
  Store* const store_;
  // Written on the executor, under `mu_`; read there without.
  std::shared_ptr<const Deadlines> deadlines_;
  const std::string site_;
  FollowerListener* const listener_;
  const FollowerOptions options_;

  // On the executor only.
  std::minstd_rand random_;
  Backoff read_backoff_;
  Backoff fire_backoff_;
  Backoff move_backoff_;
  bool stopped_ = false;
  bool failed_ = false;
  bool fresh_ = false;
  bool caught_up_ = false;
  bool compares_ = true;  // the next read makes sure that the log is still the one that was followed
  Events gathered_;       // read, to be applied with what follows
  absl::Time asked_ = absl::InfinitePast();  // when the last read was sent
  bool waited_ = false;                      // it was sent when all there was had been read
  bool read_resting_ = false;                // the next read waits for more to read
  int64_t read_rest_ = 0;                    // which pause it is
  std::optional<absl::StatusCode> told_ledger_;
  Progress progress_;   // what has been applied
  Progress committed_;  // what the store has
  int64_t head_ = 0;
  absl::flat_hash_map<int64_t, Touched> touched_;
  bool firing_ = false;      // commands are under way
  bool fire_pause_ = false;  // after a failure
  int64_t read_back_ = 0;    // the log must have been read up to here before more is sent
  int64_t refused_ = 0;
  // Last envelope acknowledged, by peer and lane, and when that was read.
  std::map<std::pair<std::string, exchange::v1::Lane>, int64_t> links_;
  absl::Time links_time_ = absl::InfinitePast();
  bool links_flight_ = false;
  double allowance_ = 0;
  absl::Time allowance_time_ = absl::UnixEpoch();
  MoveProgress moving_;
  bool move_flight_ = false;
  bool move_pause_ = false;
  // Orders beyond this id are to be looked at again, as of the last look. kNone: none.
  int64_t move_again_ = kNone;
  int64_t moved_back_ = 0;  // the log must have been read up to here before more is moved
  absl::Time applied_time_ = absl::InfinitePast();  // latest commit time that was applied
  // Of the last look.
  absl::Time looked_ = absl::InfinitePast();
  absl::Duration looked_steady_ = absl::ZeroDuration();
  std::optional<absl::Duration> stepped_;  // by the monotonic clock
  absl::Time peer_skew_time_ = absl::InfinitePast();
  int64_t told_steps_ = 0;
  ClockTrust trust_;
  absl::Time canary_ = absl::InfiniteFuture();
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
std::shared_ptr<const Deadlines> Follower::deadlines() const { return state_->deadlines(); }
void Follower::Publish(Publication next, std::function<absl::Status(const Publication&)> keep,
                       Done<int64_t> done) {
  state_->Publish(std::move(next), std::move(keep), std::move(done));
}
Follower::Stats Follower::stats() const { return state_->stats(); }

}  // namespace hotline::escalation
