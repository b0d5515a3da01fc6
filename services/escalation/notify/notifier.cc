#include "services/escalation/notify/notifier.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"

namespace hotline::escalation::notify {
namespace {

using error::Reason;

constexpr int kForgetBatch = 200;
constexpr int kPlanBatch = 500;
constexpr int kTellBatch = 200;
constexpr int kOrdersAMessage = 100;
constexpr int kReportBatch = 64;
constexpr int64_t kMaxUnwritten = 10'000;
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 500;
constexpr absl::Duration kCountEvery = absl::Seconds(2);
constexpr absl::Duration kQueueFullPause = absl::Seconds(5);
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(10);
// Nothing is kept to be sent: an order that a message names may have become restricted since.
constexpr EventHub::Options kReadAnew = {.ring_items = 0, .batch_items = 64};

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

absl::Status CheckText(std::string_view field, const std::string& text, int64_t max, bool required) {
  const std::optional<int64_t> length = CountCodePoints(text);
  if (!length.has_value() || HasControlCharacters(text, false)) return error::BadText(field);
  if (*length > max) return error::TooLong(field, max);
  if (required && *length == 0) return error::Required(field);
  return absl::OkStatus();
}

// What is looked for has the form of a text. The store would refuse it as if it had failed itself.
absl::Status CheckForm(std::string_view field, const std::string& text) {
  const bool good = CountCodePoints(text).has_value() && !HasControlCharacters(text, false);
  return good ? absl::OkStatus() : error::BadText(field);
}

// The limit of a page, and the number below which it begins (0: the latest).
template <typename Request>
absl::StatusOr<std::pair<int, int64_t>> ReadPage(const Request& request) {
  if (request.page_size() < 0 || request.page_size() > kMaxPageSize) {
    return error::BadField(Reason::ERROR_REASON_PAGE_SIZE_INVALID, "page_size", "must be between 0 and 500",
                           "应在0至500之间");
  }
  const int limit = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  if (request.page_token().empty()) return std::pair<int, int64_t>(limit, 0);
  Request filter = request;
  filter.clear_page_size();
  filter.clear_page_token();
  const std::string mark = Sha256({filter.SerializeAsString()}).substr(0, 8);
  std::string text;
  int64_t before = 0;
  if (!absl::WebSafeBase64Unescape(request.page_token(), &text) || !text.starts_with(mark) ||
      !absl::SimpleAtoi(text.substr(mark.size()), &before) || before <= 0) {
    return error::BadField(Reason::ERROR_REASON_PAGE_TOKEN_INVALID, "page_token",
                           "is not one that this service gave for this filter",
                           "不是本服务为该筛选条件给出的分页标记");
  }
  return std::pair<int, int64_t>(limit, before);
}

template <typename Request>
std::string WriteToken(const Request& request, int64_t number) {
  Request filter = request;
  filter.clear_page_size();
  filter.clear_page_token();
  return absl::WebSafeBase64Escape(ToAbsl(StrCat(Sha256({filter.SerializeAsString()}).substr(0, 8), number)));
}

// `hidden`: only that there is one.
v1::NotifiedOrder OrderIn(const RungRef& ref, const std::string& number, absl::Time due, int round,
                          bool hidden) {
  v1::NotifiedOrder order;
  order.set_clock(ref.clock);
  order.set_round(round);
  order.set_restricted(hidden);
  if (hidden) return order;
  order.set_order_id(FormatOrderId(ref.order_id));
  order.set_order_number(number);
  order.set_armed_by_sequence(ref.armed_by);
  order.set_assist_unit(ref.assist_unit);
  *order.mutable_due_time() = ToTimestamp(due);
  return order;
}

// The directory's code of whoever has a duty.
std::string CodeOf(const directory::Directory& people, const std::string& duty_party) {
  const v1::DirectoryUnit* unit = people.FindUnit(duty_party);
  return unit == nullptr ? duty_party : unit->code();
}

// As it is called in messages.
std::string NameOf(const directory::Directory& people, const std::string& code) {
  const v1::DirectoryUnit* unit = people.FindUnit(code);
  return unit == nullptr ? code : unit->display_name();
}

// Whoever `notice` is for works for an accused unit, and is not told: see directory::Resolve.
bool IsOfAccused(const directory::Directory& people, const NoticeRow& notice,
                 const std::vector<std::string>& accused_units) {
  const auto accused = [&](std::string_view unit) {
    return std::any_of(accused_units.begin(), accused_units.end(),
                       [&](const std::string& one) { return people.IsWithin(unit, one); });
  };
  const auto is_his = [&](const auto* seat) {
    return seat->person() == notice.person && directory::PeriodOf(seat->validity()).Holds(notice.send_at);
  };
  const v1::Person* person = people.FindPerson(notice.person);
  if (person != nullptr && accused(person->unit())) return true;
  // The hotline's own supervisor is told of a unit that missed a duty, without being of it.
  if (!accused(notice.unit) || notice.role == RoleWord(v1::RECIPIENT_VIA_SUPERVISOR)) return false;
  // Who is gone from the directory is not known to be of another.
  const auto& roles = people.RolesAt(notice.unit);
  const auto& duties = people.DutiesAt(notice.unit);
  return person == nullptr || std::any_of(roles.begin(), roles.end(), is_his) ||
         std::any_of(duties.begin(), duties.end(), is_his);
}

// The role that a person of a notice has; UNSPECIFIED for who is on duty.
v1::StaffRole StaffRoleOf(std::string_view role) {
  for (const auto& [via, staff_role] : {std::pair(v1::RECIPIENT_VIA_LEADER, v1::STAFF_ROLE_LEADER),
                                        std::pair(v1::RECIPIENT_VIA_HANDLER, v1::STAFF_ROLE_HANDLER),
                                        std::pair(v1::RECIPIENT_VIA_DEPUTY, v1::STAFF_ROLE_DEPUTY),
                                        std::pair(v1::RECIPIENT_VIA_SUPERVISOR, v1::STAFF_ROLE_SUPERVISOR),
                                        std::pair(v1::RECIPIENT_VIA_PARENT, v1::STAFF_ROLE_LEADER)}) {
    if (RoleWord(via) == role) return staff_role;
  }
  return v1::STAFF_ROLE_UNSPECIFIED;
}

// Whoever `notice` is for has not the seat any more by which he was to be told, or not the contact at which
// `message` would reach him. `hotline`: code of its own unit.
bool HasLeft(const directory::Directory& people, const std::string& hotline, const NoticeRow& notice,
             const v1::Notification& message, absl::Time now) {
  const v1::Person* person = people.FindPerson(notice.person);
  if (person == nullptr || !directory::PeriodOf(person->validity()).Holds(now)) return true;
  const bool reachable =
      std::any_of(person->contacts().begin(), person->contacts().end(), [&](const v1::Contact& contact) {
        return contact.webhook() == message.webhook() && contact.target() == message.target();
      });
  if (!reachable) return true;
  const auto is_his = [&](const auto* seat) {
    return seat->person() == notice.person && directory::PeriodOf(seat->validity()).Holds(now);
  };
  if (notice.role == RoleWord(v1::RECIPIENT_VIA_DUTY)) {
    const auto& duties = people.DutiesAt(notice.unit);
    return std::none_of(duties.begin(), duties.end(), is_his);
  }
  const v1::StaffRole wanted = StaffRoleOf(notice.role);
  const auto has_role = [&](const std::string& unit) {
    const auto& roles = people.RolesAt(unit);
    return std::any_of(roles.begin(), roles.end(), [&](const v1::RoleAssignment* role) {
      return role->role() == wanted && is_his(role);
    });
  };
  // The hotline's own people stand in for some, and are told of some rungs themselves.
  if (has_role(notice.unit) || has_role(hotline)) return false;
  if (notice.role != RoleWord(v1::RECIPIENT_VIA_PARENT)) return true;
  const v1::DirectoryUnit* unit = people.FindUnit(notice.unit);
  while (unit != nullptr && !unit->parent().empty()) {
    if (has_role(unit->parent())) return false;
    unit = people.FindUnit(unit->parent());
  }
  return true;
}

// Before this a message of `rung` would not be true: the deadline has not passed, or does not pass soon.
// Extended, or moved by a publication, a clock runs on with the rungs that it has taken.
absl::Time TrueFrom(type::v1::Rung rung, const OrderFacts& facts) {
  if (!NeedsRunningClock(rung)) return absl::InfinitePast();
  return rung == type::v1::RUNG_REMIND ? facts.remind : facts.due;
}

// A round whose report says neither that somebody was reached nor that nobody can be was not the last when it
// was settled, or its deadline was ahead again.
bool MayBeTheLast(const std::string& report) {
  type::v1::NotificationReport sent;
  sent.ParseFromString(report);
  // Of many only the first are in it, and those who were reached may be among the rest.
  return sent.unreachable() || sent.notices_size() >= static_cast<int>(kMaxNotices) ||
         std::any_of(sent.notices().begin(), sent.notices().end(), [](const type::v1::Notice& notice) {
           return notice.result() == type::v1::NOTIFICATION_RESULT_REACHED;
         });
}

// Of a round that has `notices`, nobody was told: each was taken out, given up, or did not get to its person.
// A desktop that nobody read in time may have been seen.
bool NobodyWasTold(const std::vector<NoticeRow>& notices) {
  return !notices.empty() && std::all_of(notices.begin(), notices.end(), [](const NoticeRow& notice) {
    switch (notice.state) {
      case v1::DELIVERY_STATE_UNSPECIFIED:
        // In no message any more.
        return !notice.person.empty();
      case v1::DELIVERY_STATE_CANCELLED:
      case v1::DELIVERY_STATE_DEAD:
        return true;
      case v1::DELIVERY_STATE_NOT_REACHED:
        return notice.channel != "desktop";
      default:
        return false;
    }
  });
}

std::vector<Outcome> OutcomesOf(const std::vector<NoticeRow>& notices) {
  std::vector<Outcome> outcomes;
  for (const NoticeRow& notice : notices) {
    outcomes.push_back({.person = notice.person,
                        .role = notice.role,
                        .channel = notice.channel,
                        .unit = notice.unit,
                        .capacity = notice.capacity,
                        .state = notice.state});
  }
  return outcomes;
}

}  // namespace

Notifier::Notifier(Executor* executor, const Clock* clock, std::unique_ptr<Store> store, Policy policy,
                   RungSource* source, std::function<std::shared_ptr<const directory::Directory>()> people,
                   directory::Reach reach, Ledger* ledger, Sender* sender, Listener* listener,
                   const Discretion* discretion, NotifierOptions options)
    : executor_(executor),
      clock_(clock),
      store_(std::move(store)),
      policy_(std::move(policy)),
      source_(source),
      people_(std::move(people)),
      reach_(std::move(reach)),
      ledger_(ledger),
      sender_(sender),
      listener_(listener),
      discretion_(discretion),
      options_(std::move(options)),
      random_(NewJitter(options_.jitter_seed)),
      by_account_(
          executor, clock,
          [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
            ReadHistory(false, start, limit, std::move(done));
          },
          kReadAnew),
      by_unit_(
          executor, clock,
          [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
            ReadHistory(true, start, limit, std::move(done));
          },
          kReadAnew) {
  for (const auto& [name, webhook] : options_.webhooks) webhook_names_.push_back(name);
}

Notifier::~Notifier() = default;

absl::Status Notifier::Open() {
  for (const auto& [read, into] :
       {std::pair(&Store::ReadCursor, &planned_), std::pair(&Store::ReadHistoryEnd, &history_),
        std::pair(&Store::LastNotice, &last_notice_), std::pair(&Store::LastDelivery, &last_delivery_),
        std::pair(&Store::LastSequence, &last_sequence_)}) {
    const auto number = (store_.get()->*read)();
    if (!number.ok()) return number.status();
    *into = *number;
  }
  committed_ = planned_;
  by_account_.SetHead(last_sequence_);
  by_unit_.SetHead(last_sequence_);
  return CountAll(clock_->Now());
}

void Notifier::Start() { Wake(); }

void Notifier::Wake() {
  executor_->Post([this] {
    if (step_posted_ || failed_ || stopped_) return;
    step_posted_ = true;
    executor_->Post([this] { Step(); });
  });
}

void Notifier::Acknowledged(const RungRef& ref, int64_t sequence, absl::Time until) {
  executor_->Post([this, ref, sequence, until] {
    // Most of a log that is read anew is history.
    if (failed_ || until <= clock_->Now()) return;
    unkept_.push_back({.ref = ref, .sequence = sequence, .until = until});
    // With those that come at the same time.
    if (unkept_.size() > 1) return;
    executor_->Post([this] {
      if (failed_) return;
      if (const absl::Status status = KeepAcknowledgements(); !status.ok()) Fail(status);
    });
  });
}

absl::Status Notifier::KeepAcknowledgements() {
  if (unkept_.empty()) return absl::OkStatus();
  const absl::Status status = InTransaction([&]() -> absl::Status {
    if (absl::Status drop = store_->DropAcknowledgements(clock_->Now()); !drop.ok()) return drop;
    for (const Acknowledgement& acknowledgement : unkept_) {
      if (absl::Status add = store_->AddAcknowledgement(acknowledgement); !add.ok()) return add;
      auto all = store_->ToldOf(acknowledgement.ref.order_id);
      if (!all.ok()) return all.status();
      for (Told& told : *all) {
        if (!Covers(acknowledgement, told.ref, told.sequence)) continue;
        PutOff(acknowledgement.until, &told);
        if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      }
    }
    return absl::OkStatus();
  });
  if (status.ok()) unkept_.clear();
  return status;
}

void Notifier::PutOff(absl::Time until, Told* told) {
  told->acknowledged_until = std::max(told->acknowledged_until, until);
  if (told->stage == Stage::kResting) told->at = std::max(told->at, until);
}

void Notifier::Drain() {
  executor_->Post([this] { stopped_ = true; });
  by_account_.Drain();
  by_unit_.Drain();
}

void Notifier::Step() {
  step_posted_ = false;
  if (failed_) return;
  // What a full disk kept from being written.
  if (const absl::Status status = KeepAcknowledgements(); !status.ok()) return Fail(status);
  // Woken again when the log has been read.
  if (stopped_ || !source_->Ready()) return;
  const absl::Time now = clock_->Now();
  bool more = false;
  for (const auto part :
       {&Notifier::Plan, &Notifier::Resume, &Notifier::Tell, &Notifier::Settle, &Notifier::GiveUp,
        &Notifier::Forget, &Notifier::KeepAttempts, &Notifier::Deliver}) {
    const auto again = (this->*part)(now);
    if (!again.ok()) return Fail(again.status());
    more |= *again;
  }
  for (const auto part : {&Notifier::Report, &Notifier::CountAll}) {
    if (const absl::Status status = (this->*part)(now); !status.ok()) return Fail(status);
  }
  if (more) return Wake();
  const auto next = store_->NextDue(now, webhook_names_);
  if (!next.ok()) return Fail(next.status());
  const absl::Duration pause = std::min(options_.look_again, *next - now);
  executor_->PostAfter(pause, [this, timer = ++timer_] {
    if (timer == timer_) Wake();
  });
}

// Of a full disk the next look may find an end.
void Notifier::Fail(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) {
    executor_->PostAfter(options_.look_again, [this] { Wake(); });
    return;
  }
  failed_ = true;
  listener_->OnStoreFailed(status);
}

template <typename Body>
absl::Status Notifier::InTransaction(Body body) {
  const int64_t notice = last_notice_;
  const int64_t delivery = last_delivery_;
  const int64_t sequence = last_sequence_;
  absl::Status status = store_->Begin();
  if (status.ok()) status = body();
  if (status.ok()) status = store_->Commit();
  const std::vector<DeliveryRow> fresh = std::exchange(fresh_, {});
  const std::vector<std::function<void()>> told = std::exchange(told_, {});
  if (!status.ok()) {
    store_->Rollback();
    last_notice_ = notice;
    last_delivery_ = delivery;
    last_sequence_ = sequence;
    return status;
  }
  Publish(fresh);
  for (const auto& tell : told) tell();
  return absl::OkStatus();
}

absl::StatusOr<bool> Notifier::Forget(absl::Time now) {
  if (options_.keep == absl::InfiniteDuration() || now < forget_at_) return false;
  // Holds are known only when the log has been read.
  if (!source_->Ready()) return false;
  const absl::Time before = now - options_.keep;
  const auto held = [this](int64_t order_id) { return source_->IsHeld(order_id); };
  std::optional<int64_t> next;
  std::optional<absl::Time> next_untold;
  const absl::Status status = InTransaction([&]() -> absl::Status {
    const auto pruned = store_->Prune(before, forgotten_through_, kForgetBatch, held);
    if (!pruned.ok()) return pruned.status();
    next = *pruned;
    const auto untold = store_->PruneUntold(before, untold_through_, kForgetBatch, held);
    if (!untold.ok()) return untold.status();
    next_untold = *untold;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  const bool more = next.has_value() || next_untold.has_value();
  // The one that is through waits at its end for the other.
  if (next.has_value() || !more) forgotten_through_ = next.value_or(0);
  if (next_untold.has_value() || !more) untold_through_ = next_untold.value_or(absl::InfinitePast());
  if (!more) forget_at_ = now + absl::Hours(24);
  return more;
}

absl::StatusOr<bool> Notifier::Plan(absl::Time now) {
  const int64_t watermark = source_->Watermark();
  if (watermark <= planned_) return false;
  auto rungs = source_->ReadRungs(planned_ + 1, watermark, kPlanBatch);
  if (!rungs.ok()) return rungs.status();
  const bool full = static_cast<int>(rungs->size()) == kPlanBatch;
  const int64_t planned = full ? rungs->back().sequence : watermark;
  const bool first = planned_ == 0;
  if (first) history_ = watermark;  // written down with the first of it, as a start may come in between
  // A store of a site at which no rung was ever taken is not one that was begun anew.
  if (first || !rungs->empty() || planned - committed_ >= kMaxUnwritten) {
    const std::shared_ptr<const directory::Directory> people = people_();
    int skipped = 0;
    const absl::Status status = InTransaction([&]() -> absl::Status {
      for (const RungEvent& rung : *rungs) {
        // That a return is late is said to who tries it.
        if (rung.ref.rung == type::v1::RUNG_CLOSE_RETURN) continue;
        const auto facts = source_->FindFacts(rung.ref);
        if (!facts.ok()) return facts.status();
        if (now - rung.record_time > options_.max_age) {
          const bool open = facts->has_value() &&
                            (!NeedsRunningClock(rung.ref.rung) ||
                             (((*facts)->running || (*facts)->paused) && (*facts)->highest <= rung.ref.rung));
          if (rung.sequence <= history_ || !open) {
            ++skipped;
            continue;
          }
        }
        Told told;
        told.ref = rung.ref;
        told.sequence = rung.sequence;
        told.number = rung.order_number;
        told.unit = CodeOf(*people, rung.duty_party);
        told.urgency = facts->has_value() ? (*facts)->urgency : type::v1::URGENCY_NORMAL;
        told.due = rung.due;
        told.round_at = absl::UnixEpoch();
        // The log told of it before the rung was planned.
        const auto acknowledgements = store_->AcknowledgementsOf(rung.ref.order_id);
        if (!acknowledgements.ok()) return acknowledgements.status();
        for (const Acknowledgement& one : *acknowledgements) {
          if (Covers(one, rung.ref, rung.sequence)) PutOff(one.until, &told);
        }
        told.at = policy_.SendTime(now, told.urgency, told.ref.rung);
        if (told.at > now) {
          // Whom nobody could be told in the morning is known now: the next rung need not wait for it.
          const directory::Query query{
              .unit = told.unit,
              .rung = told.ref.rung,
              .at = told.at,
              .accused_units = facts->has_value() ? (*facts)->accused_units : std::vector<std::string>()};
          if (directory::Resolve(*people, reach_, query).recipients.empty()) told.at = now;
        }
        if (const auto added = store_->AddTold(told); !added.ok()) return added.status();
      }
      if (first) {
        if (absl::Status put = store_->PutHistory(history_); !put.ok()) return put;
      }
      return store_->PutCursor(planned);
    });
    if (!status.ok()) return status;
    committed_ = planned;
    if (skipped > 0) listener_->OnSkipped(skipped);
  }
  planned_ = planned;
  return full;
}

absl::StatusOr<bool> Notifier::Resume(absl::Time now) {
  const auto due = store_->Due(Stage::kResting, now, kTellBatch);
  if (!due.ok()) return due.status();
  if (due->empty()) return false;
  const absl::Status status = InTransaction([&]() -> absl::Status {
    for (Told told : *due) {
      const auto facts = source_->FindFacts(told.ref);
      if (!facts.ok()) return facts.status();
      const bool superseded = facts->has_value() && (*facts)->highest > told.ref.rung;
      if (!facts->has_value() || superseded || (!(*facts)->running && !(*facts)->paused)) {
        told.stage = Stage::kDone;
        told.at = absl::InfiniteFuture();
      } else if ((*facts)->paused) {
        told.at = now + policy_.RoundTime(told.urgency);
      } else if (told.acknowledged_until > now) {
        told.at = told.acknowledged_until;
      } else if (const absl::Time from = TrueFrom(told.ref.rung, **facts); from > now) {
        // It may come back.
        told.at = std::min(from, now + policy_.RoundTime(told.urgency));
      } else {
        told.stage = Stage::kWaiting;
        ++told.round;
        told.report.clear();
        told.at = policy_.SendTime(now, told.urgency, told.ref.rung);
      }
      if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return static_cast<int>(due->size()) == kTellBatch;
}

absl::StatusOr<bool> Notifier::Tell(absl::Time now) {
  const auto due = store_->Due(Stage::kWaiting, now, kTellBatch);
  if (!due.ok()) return due.status();
  if (due->empty()) return false;
  // One group at a time; an urgent one that comes meanwhile is looked for in between.
  const Told& first = due->front();
  auto group = store_->Group(first, now + policy_.Window(first.urgency), kTellBatch);
  if (!group.ok()) return group.status();
  const absl::Status status =
      InTransaction([&]() -> absl::Status { return TellGroup(now, *std::move(group)); });
  if (!status.ok()) return status;
  return true;
}

absl::Status Notifier::TellGroup(absl::Time now, std::vector<Told> group) {
  const std::shared_ptr<const directory::Directory> people = people_();
  // Mostly all of them; apart are those of which units are accused, as others are told, restricted ones,
  // which are not named, and those whose duty has passed to another unit since they were planned.
  // So is one whose round was begun (Withdraw), by the ids of the notices there are: these are not sent
  // again.
  using Key = std::tuple<std::vector<std::string>, bool, std::string, std::vector<std::string>>;
  std::map<Key, std::vector<Told>> alike;
  for (Told& told : group) {
    const auto facts = source_->FindFacts(told.ref);
    if (!facts.ok()) return facts.status();
    const auto notices = store_->NoticesOf(told.ref, told.round);
    if (!notices.ok()) return notices.status();
    const bool over = NeedsRunningClock(told.ref.rung) && facts->has_value() &&
                      ((!(*facts)->running && !(*facts)->paused) || (*facts)->highest > told.ref.rung);
    const absl::Time from = facts->has_value() ? TrueFrom(told.ref.rung, **facts) : absl::InfinitePast();
    if (!notices->empty() && (over || told.acknowledged_until > now || from > now)) {
      if (absl::Status status = GoOn(std::move(told), *notices, now); !status.ok()) return status;
      continue;
    }
    if (over) {
      told.stage = Stage::kDone;
      told.at = absl::InfiniteFuture();
      if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      continue;
    }
    // Somebody has taken note before he was told.
    if (told.acknowledged_until > now) {
      const bool again = policy_.Rounds(told.ref.rung) > 1;
      told.stage = again ? Stage::kWaiting : Stage::kDone;
      told.at = again ? told.acknowledged_until : absl::InfiniteFuture();
      if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      continue;
    }
    if (from > now) {
      // It may come back.
      told.at = std::min(from, now + policy_.RoundTime(told.urgency));
      if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      continue;
    }
    // A draft stays about the unit that missed the deadline, and about that deadline.
    if (facts->has_value() && NeedsRunningClock(told.ref.rung)) {
      told.unit = CodeOf(*people, (*facts)->duty_party);
      told.due = (*facts)->due;
    }
    std::vector<std::string> sent;
    for (const NoticeRow& notice : *notices) sent.push_back(notice.id);
    std::string unit = told.unit;
    if (!facts->has_value()) {
      // It may be restricted.
      alike[{{}, true, std::move(unit), std::move(sent)}].push_back(std::move(told));
    } else {
      alike[{(*facts)->accused_units, (*facts)->restricted, std::move(unit), std::move(sent)}].push_back(
          std::move(told));
    }
  }
  for (auto& [key, rows] : alike) {
    const auto& [accused, restricted, code, notice_ids] = key;
    const std::vector<std::string>& sent = notice_ids;
    const Told like = rows.front();
    // What became due in the quiet hours, or was held up into them, waits for the morning; not if nobody
    // could be told then either.
    const bool quiet = policy_.IsQuiet(now, like.urgency, like.ref.rung);
    const absl::Time at = quiet ? policy_.SendTime(now, like.urgency, like.ref.rung) : now;
    directory::Answer answer = directory::Resolve(
        *people, reach_, {.unit = code, .rung = like.ref.rung, .at = at, .accused_units = accused});
    if (!sent.empty()) {
      for (v1::Recipient& recipient : answer.recipients) {
        auto& contacts = *recipient.mutable_person()->mutable_contacts();
        const auto has_it = [&](const v1::Contact& contact) {
          const std::string id = NoticeId(like.ref, like.round, recipient, contact);
          return std::find(sent.begin(), sent.end(), id) != sent.end();
        };
        contacts.erase(std::remove_if(contacts.begin(), contacts.end(), has_it), contacts.end());
      }
      std::erase_if(answer.recipients, [](const auto& one) { return one.person().contacts().empty(); });
      if (answer.recipients.empty()) {
        const auto notices = store_->NoticesOf(like.ref, like.round);
        if (!notices.ok()) return notices.status();
        if (absl::Status status = GoOn(like, *notices, now); !status.ok()) return status;
        continue;
      }
    }
    if (answer.recipients.empty()) {
      for (Told& told : rows) {
        if (absl::Status status = TellNobody(now, std::move(told)); !status.ok()) return status;
      }
      continue;
    }
    if (quiet) {
      for (Told& told : rows) {
        told.at = at;
        if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      }
      continue;
    }
    // What a gateway cannot take yet waits here, where it can still be grouped or come to nothing.
    bool full = false;
    for (const v1::Recipient& recipient : answer.recipients) {
      for (const v1::Contact& contact : recipient.person().contacts()) {
        full |= !contact.webhook().empty() && queued_[contact.webhook()] >= options_.queue_limit;
      }
    }
    // What is told at night too does not wait behind what waits for the morning.
    const bool by_night = like.ref.rung == type::v1::RUNG_DOUBT || like.ref.rung == type::v1::RUNG_KEEP;
    if (full && like.urgency <= type::v1::URGENCY_NORMAL && !by_night) {
      for (Told& told : rows) {
        told.at = now + kQueueFullPause;
        if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      }
      continue;
    }
    const std::string name = NameOf(*people, like.unit);
    for (size_t begin = 0; begin < rows.size(); begin += kOrdersAMessage) {
      const size_t end = std::min(rows.size(), begin + kOrdersAMessage);
      for (const v1::Recipient& recipient : answer.recipients) {
        for (const v1::Contact& contact : recipient.person().contacts()) {
          DeliveryRow delivery;
          delivery.number = ++last_delivery_;
          v1::Notification& notification = delivery.notification;
          notification.set_target(contact.target());
          notification.set_webhook(contact.webhook());
          notification.set_person_id(recipient.person().id());
          notification.set_capacity(CapacityWord(recipient.capacity()));
          notification.set_role(RoleWord(recipient.via()));
          notification.set_unit(like.unit);
          notification.set_rung(like.ref.rung);
          notification.set_urgency(like.urgency);
          *notification.mutable_create_time() = ToTimestamp(now);
          std::vector<std::string> ids;
          for (size_t i = begin; i < end; ++i) {
            const Told& told = rows[i];
            NoticeRow notice;
            notice.number = ++last_notice_;
            notice.id = NoticeId(told.ref, told.round, recipient, contact);
            notice.ref = told.ref;
            notice.order_number = told.number;
            notice.due = told.due;
            notice.round = told.round;
            notice.unit = told.unit;
            notice.person = recipient.person().id();
            notice.role = notification.role();
            notice.capacity = notification.capacity();
            notice.channel = ChannelWord(contact);
            notice.delivery = delivery.number;
            notice.send_at = now;
            if (absl::Status status = store_->AddNotice(notice); !status.ok()) return status;
            *notification.add_orders() =
                OrderIn(told.ref, told.number, told.due, told.round, /*hidden=*/restricted);
            ids.push_back(std::move(notice.id));
          }
          notification.set_id(NotificationId(ids));
          WriteTexts(name, &notification);
          if (contact.webhook().empty()) {
            delivery.sequence = ++last_sequence_;
            notification.set_sequence(delivery.sequence);
            fresh_.push_back(delivery);
          } else {
            delivery.next_at = now;
            ++queued_[contact.webhook()];
          }
          if (absl::Status status = store_->AddDelivery(delivery); !status.ok()) return status;
          told_.push_back([this, channel = ChannelWord(contact), orders = static_cast<int>(end - begin)] {
            listener_->OnTold(channel, orders);
          });
        }
      }
      for (size_t i = begin; i < end; ++i) {
        Told& told = rows[i];
        told.stage = Stage::kTold;
        told.round_at = now;
        told.at = now + policy_.RoundTime(told.urgency);
        if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Notifier::TellNobody(absl::Time now, Told told) {
  NoticeRow notice;
  notice.number = ++last_notice_;
  notice.id = NoticeId(told.ref, told.round, v1::Recipient(), v1::Contact());
  notice.ref = told.ref;
  notice.order_number = told.number;
  notice.due = told.due;
  notice.round = told.round;
  notice.unit = told.unit;
  notice.send_at = now;
  if (absl::Status status = store_->AddNotice(notice); !status.ok()) return status;
  told.round_at = now;
  return SettleRound(std::move(told), {notice}, now, /*over=*/true);
}

absl::Status Notifier::GoOn(Told told, const std::vector<NoticeRow>& notices, absl::Time now) {
  told.stage = Stage::kTold;
  told.at = std::max(now, told.round_at + policy_.RoundTime(told.urgency));
  if (IsSettled(OutcomesOf(notices))) return SettleRound(std::move(told), notices, now, /*over=*/false);
  return store_->UpdateTold(told);
}

absl::StatusOr<bool> Notifier::Settle(absl::Time now) {
  const auto due = store_->Due(Stage::kTold, now, kTellBatch);
  if (!due.ok()) return due.status();
  if (due->empty()) return false;
  const absl::Status status = InTransaction([&]() -> absl::Status {
    for (const Told& told : *due) {
      const auto notices = store_->NoticesOf(told.ref, told.round);
      if (!notices.ok()) return notices.status();
      if (absl::Status settled = SettleRound(told, *notices, now, /*over=*/true); !settled.ok())
        return settled;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return static_cast<int>(due->size()) == kTellBatch;
}

absl::Status Notifier::SettleRound(Told told, const std::vector<NoticeRow>& notices, absl::Time now,
                                   bool over) {
  const auto facts = source_->FindFacts(told.ref);
  if (!facts.ok()) return facts.status();
  // Who did his duty without reading the message was reached somehow: silence is told of nobody then. Nor
  // while there is time again.
  const bool done = NeedsRunningClock(told.ref.rung) && facts->has_value() &&
                    ((!(*facts)->running && !(*facts)->paused) || TrueFrom(told.ref.rung, **facts) > now);
  const auto last = IsLast(told, *facts, now);
  if (!last.ok()) return last.status();
  type::v1::NotificationReport report =
      MakeReport(told.ref, told.round, OutcomesOf(notices), over && !done, *last);
  if (done) report.set_unreachable(false);
  if (over) {
    for (const NoticeRow& notice : notices) {
      const bool open = notice.state == v1::DELIVERY_STATE_PENDING ||
                        (notice.state == v1::DELIVERY_STATE_QUEUED && notice.channel == "desktop");
      if (!open) continue;
      auto delivery = store_->FindDeliveryByNumber(notice.delivery);
      if (!delivery.ok()) return delivery.status();
      if (!delivery->has_value() || (*delivery)->state == v1::DELIVERY_STATE_NOT_REACHED) continue;
      (*delivery)->state = v1::DELIVERY_STATE_NOT_REACHED;
      if (absl::Status put = store_->UpdateDelivery(**delivery); !put.ok()) return put;
    }
  }
  if (report.notices().empty() && !report.unreachable()) {
    AfterRound(*facts, *last, now, &told);
  } else {
    told.stage = Stage::kReporting;
    told.at = now;
    told.report = report.SerializeAsString();
  }
  if (report.unreachable()) {
    told_.push_back([this, order = FormatOrderId(told.ref.order_id), unit = told.unit, rung = told.ref.rung] {
      listener_->OnUnreachable(order, unit, rung);
    });
  }
  return store_->UpdateTold(told);
}

absl::StatusOr<bool> Notifier::IsLast(const Told& told, const std::optional<OrderFacts>& facts,
                                      absl::Time now) {
  const int rounds = policy_.Rounds(told.ref.rung);
  if (told.round < rounds || !facts.has_value() || !NeedsRunningClock(told.ref.rung)) {
    return told.round >= rounds;
  }
  int counted = 0;
  for (int round = 1; round <= told.round; ++round) {
    const auto notices = store_->NoticesOf(told.ref, round);
    if (!notices.ok()) return notices.status();
    // What is reminded of may move without what is due.
    const bool put_off =
        NobodyWasTold(*notices) &&
        (notices->front().due < facts->due || (round == told.round && TrueFrom(told.ref.rung, *facts) > now));
    if (!put_off) ++counted;
  }
  return counted >= rounds;
}

void Notifier::AfterRound(const std::optional<OrderFacts>& facts, bool last, absl::Time now, Told* told) {
  const bool open =
      facts.has_value() && (facts->running || facts->paused) && facts->highest <= told->ref.rung;
  if (!open || last) {
    told->stage = Stage::kDone;
    told->at = absl::InfiniteFuture();
    return;
  }
  told->stage = Stage::kResting;
  told->at = std::max({now, told->round_at + policy_.RoundTime(told->urgency), told->acknowledged_until});
}

absl::Status Notifier::SettleRoundsOf(const DeliveryRow& delivery, absl::Time now) {
  const auto notices = store_->NoticesIn(delivery.number);
  if (!notices.ok()) return notices.status();
  for (const NoticeRow& notice : *notices) {
    const auto told = store_->FindTold(notice.ref);
    if (!told.ok()) return told.status();
    if (!told->has_value() || (*told)->stage != Stage::kTold || (*told)->round != notice.round) continue;
    const auto all = store_->NoticesOf(notice.ref, notice.round);
    if (!all.ok()) return all.status();
    if (!IsSettled(OutcomesOf(*all))) continue;
    if (absl::Status status = SettleRound(**told, *all, now, /*over=*/false); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Notifier::IsMoot(int64_t delivery) {
  const auto notices = store_->NoticesIn(delivery);
  if (!notices.ok()) return notices.status();
  for (const NoticeRow& notice : *notices) {
    if (!NeedsRunningClock(notice.ref.rung)) return false;
    const auto facts = source_->FindFacts(notice.ref);
    if (!facts.ok()) return facts.status();
    if (!facts->has_value() || (*facts)->running || (*facts)->paused) return false;
  }
  return true;
}

absl::StatusOr<bool> Notifier::IsToldOn(const Told& told, const std::optional<OrderFacts>& facts, int round,
                                        absl::Time now) {
  if (told.round > round || told.stage == Stage::kTold || told.stage == Stage::kWaiting ||
      told.stage == Stage::kResting)
    return true;
  if (told.stage != Stage::kReporting) return false;
  const auto last = IsLast(told, facts, now);
  if (!last.ok()) return last.status();
  return !*last;
}

absl::StatusOr<bool> Notifier::Withdraw(DeliveryRow delivery, absl::Time now) {
  const auto notices = store_->NoticesIn(delivery.number);
  if (!notices.ok()) return notices.status();
  const std::shared_ptr<const directory::Directory> people = people_();
  v1::Notification& message = delivery.notification;
  std::vector<const NoticeRow*> withdrawn;
  google::protobuf::RepeatedPtrField<v1::NotifiedOrder> left;
  for (size_t i = 0; i < notices->size(); ++i) {
    const NoticeRow& notice = (*notices)[i];
    const auto facts = source_->FindFacts(notice.ref);
    if (!facts.ok()) return facts.status();
    const bool wrong = facts->has_value() && (TrueFrom(notice.ref.rung, **facts) > now ||
                                              IsOfAccused(*people, notice, (*facts)->accused_units));
    bool left_out = wrong;
    if (!wrong && HasLeft(*people, reach_.hotline, notice, message, now)) {
      const auto told = store_->FindTold(notice.ref);
      if (!told.ok()) return told.status();
      // Of a rung that nobody else is told of any more it is better that he hears than that nobody does; but
      // whoever the next rung is told to is somebody else.
      const bool overtaken = facts->has_value() && (*facts)->highest > notice.ref.rung;
      if (told->has_value()) {
        const auto told_on = IsToldOn(**told, *facts, notice.round, now);
        if (!told_on.ok()) return told_on.status();
        left_out = overtaken || *told_on;
      }
    }
    if (left_out) {
      withdrawn.push_back(&notice);
    } else if (static_cast<int>(i) < message.orders_size()) {
      // Its orders and its notices were made in one order.
      *left.Add() = message.orders(static_cast<int>(i));
    }
  }
  if (withdrawn.empty()) return false;
  const absl::Status status = InTransaction([&]() -> absl::Status {
    if (left.empty()) {
      delivery.state = v1::DELIVERY_STATE_CANCELLED;
      delivery.next_at = absl::InfiniteFuture();
      if (absl::Status put = store_->UpdateDelivery(delivery); !put.ok()) return put;
    } else {
      message.mutable_orders()->Swap(&left);
      WriteTexts(NameOf(*people, message.unit()), &message);
      if (absl::Status put = store_->UpdateMessage(delivery); !put.ok()) return put;
      for (const NoticeRow* notice : withdrawn) {
        if (absl::Status put = store_->TakeOut(notice->number); !put.ok()) return put;
      }
    }
    for (const NoticeRow* notice : withdrawn) {
      if (absl::Status put = AfterWithdrawal(*notice, now); !put.ok()) return put;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return true;
}

absl::Status Notifier::AfterWithdrawal(const NoticeRow& notice, absl::Time now) {
  auto found = store_->FindTold(notice.ref);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return absl::OkStatus();
  Told& told = **found;
  const auto facts = source_->FindFacts(notice.ref);
  if (!facts.ok()) return facts.status();
  if (told.stage == Stage::kDone) {
    // The last round may not count any more: then there is another when the new deadline is missed.
    const auto last = IsLast(told, *facts, now);
    if (!last.ok()) return last.status();
    AfterRound(*facts, *last, now, &told);
    return store_->UpdateTold(told);
  }
  // Of a round that is over the next one, if there is any, is told to others anyway. It waits already if
  // another message of the round was withdrawn just now.
  if ((told.stage != Stage::kTold && told.stage != Stage::kWaiting) || told.round != notice.round) {
    return absl::OkStatus();
  }
  const auto notices = store_->NoticesOf(notice.ref, notice.round);
  if (!notices.ok()) return notices.status();
  told.stage = Stage::kWaiting;
  told.at = now;
  // The ids of this round are used up: what is told when that deadline is missed has others.
  if (facts->has_value() && TrueFrom(notice.ref.rung, **facts) > now && NobodyWasTold(*notices)) {
    ++told.round;
    told.round_at = absl::UnixEpoch();
  }
  return store_->UpdateTold(told);
}

absl::Status Notifier::Hide(v1::Notification* message) {
  bool hidden = false;
  for (v1::NotifiedOrder& order : *message->mutable_orders()) {
    if (order.restricted()) continue;
    const RungRef ref{.order_id = ParseOrderId(order.order_id()).value_or(0),
                      .armed_by = order.armed_by_sequence(),
                      .clock = order.clock(),
                      .rung = message->rung(),
                      .assist_unit = order.assist_unit()};
    const auto facts = source_->FindFacts(ref);
    if (!facts.ok()) return facts.status();
    if (facts->has_value() && !(*facts)->restricted) continue;
    order = OrderIn(ref, "", absl::UnixEpoch(), order.round(), /*hidden=*/true);
    hidden = true;
  }
  if (hidden) WriteTexts(NameOf(*people_(), message->unit()), message);
  return absl::OkStatus();
}

// Messages for a webhook that is not configured any more: they would wait for good, and go out as news if its
// name came back months later.
absl::StatusOr<bool> Notifier::GiveUp(absl::Time now) {
  bool more = false;
  for (auto& [name, count] : queued_) {
    if (count == 0 || name.empty() || options_.webhooks.contains(name)) continue;
    auto stranded = store_->DueDeliveries(name, absl::InfiniteFuture(), kTellBatch);
    if (!stranded.ok()) return stranded.status();
    if (static_cast<int>(stranded->size()) < kTellBatch) {
      count = 0;
    } else {
      more = true;
    }
    if (stranded->empty()) continue;
    const absl::Status status = InTransaction([&]() -> absl::Status {
      for (DeliveryRow& delivery : *stranded) {
        delivery.state = v1::DELIVERY_STATE_DEAD;
        delivery.next_at = absl::InfiniteFuture();
        delivery.last_error = "the webhook is not configured any more";
        if (absl::Status put = store_->UpdateDelivery(delivery); !put.ok()) return put;
        if (absl::Status settled = SettleRoundsOf(delivery, now); !settled.ok()) return settled;
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  return more;
}

absl::StatusOr<bool> Notifier::Deliver(absl::Time now) {
  bool more = false;
  for (const auto& [name, webhook] : options_.webhooks) {
    std::set<int64_t>& in_flight = in_flight_[name];
    const auto due =
        store_->DueDeliveries(name, now, webhook.concurrency + static_cast<int>(in_flight.size()));
    if (!due.ok()) return due.status();
    for (DeliveryRow delivery : *due) {
      if (in_flight.contains(delivery.number)) continue;
      const v1::Notification& notification = delivery.notification;
      // Emergencies come first, and find a place free where there are several.
      const bool emergency = notification.urgency() == type::v1::URGENCY_EMERGENCY;
      const int places = emergency ? webhook.concurrency : std::max(1, webhook.concurrency - 1);
      if (static_cast<int>(in_flight.size()) >= places) break;
      const auto moot = IsMoot(delivery.number);
      if (!moot.ok()) return moot.status();
      if (*moot) {
        delivery.state = v1::DELIVERY_STATE_CANCELLED;
        delivery.next_at = absl::InfiniteFuture();
        const absl::Status status = InTransaction([&]() -> absl::Status {
          if (absl::Status put = store_->UpdateDelivery(delivery); !put.ok()) return put;
          return SettleRoundsOf(delivery, now);
        });
        if (!status.ok()) return status;
        more = true;
        continue;
      }
      const auto withdrawn = Withdraw(delivery, now);
      if (!withdrawn.ok()) return withdrawn.status();
      if (*withdrawn) {
        more = true;
        continue;
      }
      // It was told of before the quiet hours, and is tried again within them.
      if (policy_.IsQuiet(now, notification.urgency(), notification.rung())) {
        delivery.next_at = policy_.SendTime(now, notification.urgency(), notification.rung());
        const absl::Status status = InTransaction([&] { return WaitForMorning(delivery); });
        if (!status.ok()) return status;
        more = true;
        continue;
      }
      v1::Notification message = notification;
      if (absl::Status status = Hide(&message); !status.ok()) return status;
      in_flight.insert(delivery.number);
      sender_->Send(
          {.webhook = name, .id = message.id(), .body = CloudEvent(message, options_.hotline)},
          [this, alive = std::weak_ptr<int>(alive_), executor = executor_,
           number = delivery.number](Attempt attempt) mutable {
            executor->Post([this, alive = std::move(alive), number, attempt = std::move(attempt)]() mutable {
              if (alive.lock() != nullptr) OnAttempt(number, std::move(attempt));
            });
          });
    }
  }
  return more;
}

absl::Status Notifier::WaitForMorning(const DeliveryRow& delivery) {
  if (absl::Status put = store_->UpdateDelivery(delivery); !put.ok()) return put;
  // Nobody is said to be out of reach whom it has not been tried to reach.
  const auto notices = store_->NoticesIn(delivery.number);
  if (!notices.ok()) return notices.status();
  for (const NoticeRow& notice : *notices) {
    auto told = store_->FindTold(notice.ref);
    if (!told.ok()) return told.status();
    if (!told->has_value() || (*told)->stage != Stage::kTold || (*told)->round != notice.round) continue;
    (*told)->at = std::max((*told)->at, delivery.next_at + policy_.RoundTime((*told)->urgency));
    if (absl::Status put = store_->UpdateTold(**told); !put.ok()) return put;
  }
  return absl::OkStatus();
}

void Notifier::OnAttempt(int64_t number, Attempt attempt) {
  if (failed_ || stopped_) return;
  const absl::Time now = clock_->Now();
  auto found = store_->FindDeliveryByNumber(number);
  if (!found.ok()) return Fail(found.status());
  if (!found->has_value()) return;
  DeliveryRow& delivery = **found;
  const std::string& name = delivery.notification.webhook();
  in_flight_[name].erase(number);
  if (delivery.state != v1::DELIVERY_STATE_QUEUED) return Wake();
  const auto webhook = options_.webhooks.find(name);
  const Webhook settings = webhook == options_.webhooks.end() ? Webhook() : webhook->second;
  const Judged judged = Judge(attempt, now);
  ++delivery.attempts;
  delivery.last_at = now;
  delivery.last_status = attempt.status;
  delivery.last_error = judged.error;
  delivery.next_at = absl::InfiniteFuture();
  std::string result;
  switch (judged.verdict) {
    case Verdict::kReached:
      delivery.state = v1::DELIVERY_STATE_REACHED;
      delivery.reach_at = now;
      result = "reached";
      break;
    case Verdict::kPending:
      delivery.state = v1::DELIVERY_STATE_PENDING;
      result = "pending";
      break;
    case Verdict::kNotReached:
      delivery.state = v1::DELIVERY_STATE_NOT_REACHED;
      result = "not_reached";
      break;
    case Verdict::kRetry:
      result = "retry";
      if (delivery.attempts < settings.max_attempts) {
        delivery.next_at = now + std::max(judged.retry_after,
                                          RetryPause(delivery.attempts, settings.backoff_min,
                                                     settings.backoff_max, absl::Uniform(random_, 0.0, 1.0)));
        break;
      }
      [[fallthrough]];
    case Verdict::kDead:
      delivery.state = v1::DELIVERY_STATE_DEAD;
      result = "dead";
      break;
  }
  listener_->OnAttempt(name, result);
  attempted_.insert_or_assign(number, std::move(delivery));
  if (const auto kept = KeepAttempts(now); !kept.ok()) return Fail(kept.status());
  Wake();
}

absl::StatusOr<bool> Notifier::KeepAttempts(absl::Time now) {
  if (attempted_.empty()) return false;
  std::vector<std::string> left;  // webhooks, of each message that does not wait any more
  const absl::Status status = InTransaction([&]() -> absl::Status {
    for (const auto& [number, delivery] : attempted_) {
      const auto found = store_->FindDeliveryByNumber(number);
      if (!found.ok()) return found.status();
      // It may have been reported on meanwhile, while the disk was full.
      if (!found->has_value() || (*found)->state != v1::DELIVERY_STATE_QUEUED) continue;
      if (absl::Status put = store_->UpdateDelivery(delivery); !put.ok()) return put;
      if (delivery.state == v1::DELIVERY_STATE_QUEUED) continue;
      left.push_back(delivery.notification.webhook());
      if (delivery.state == v1::DELIVERY_STATE_PENDING) continue;
      if (absl::Status settled = SettleRoundsOf(delivery, now); !settled.ok()) return settled;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  for (const std::string& name : left) queued_[name] = std::max<int64_t>(0, queued_[name] - 1);
  attempted_.clear();
  return true;
}

absl::Status Notifier::Report(absl::Time now) {
  if (reporting_) return absl::OkStatus();
  auto due = store_->Due(Stage::kReporting, now, kReportBatch);
  if (!due.ok()) return due.status();
  if (due->empty()) return absl::OkStatus();
  workorder::v1::ExecuteRequest request;
  for (const Told& told : *due) {
    type::v1::NotificationReport report;
    report.ParseFromString(told.report);
    *request.add_commands() = ReportCommand(std::move(report), told.ref.order_id);
  }
  reporting_ = true;
  const CallContext call{.now = now, .deadline = now + absl::Seconds(10), .traceparent = NewTraceparent()};
  ledger_->Execute(call, std::move(request),
                   [this, alive = std::weak_ptr<int>(alive_), executor = executor_,
                    sent = *std::move(due)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                     executor->Post([this, alive = std::move(alive), sent = std::move(sent),
                                     response = std::move(response)]() mutable {
                       if (alive.lock() != nullptr) OnReported(std::move(sent), std::move(response));
                     });
                   });
  return absl::OkStatus();
}

void Notifier::OnReported(std::vector<Told> sent, absl::StatusOr<workorder::v1::ExecuteResponse> response) {
  reporting_ = false;
  if (failed_ || stopped_) return;
  const absl::Time now = clock_->Now();
  if (response.ok() && response->results_size() != static_cast<int>(sent.size())) {
    response = error::Internal("the ledger did not answer every command");
  }
  bool transient = false;
  const absl::Duration pause = report_backoff_.Next(random_);
  const absl::Status status = InTransaction([&]() -> absl::Status {
    for (size_t i = 0; i < sent.size(); ++i) {
      Told& told = sent[i];
      const absl::Status result = response.ok()
                                      ? error::FromProto(response->results(static_cast<int>(i)).error())
                                      : response.status();
      // Since it was sent somebody may have taken note.
      const auto known = store_->FindTold(told.ref);
      if (!known.ok()) return known.status();
      if (known->has_value()) told.acknowledged_until = (*known)->acknowledged_until;
      if (!result.ok() && (IsTransient(result) || !response.ok())) {
        transient = true;
        told.at = now + pause;
      } else {
        // A store that was begun anew may tell a round again with another outcome: the first one stands.
        if (!result.ok() && error::ReasonOf(result) != Reason::ERROR_REASON_REQUEST_ID_REUSED) {
          told_.push_back([this, id = FormatOrderId(told.ref.order_id), result] {
            listener_->OnReportRefused(id, result);
          });
        }
        const auto facts = source_->FindFacts(told.ref);
        if (!facts.ok()) return facts.status();
        const auto last = IsLast(told, *facts, now);
        if (!last.ok()) return last.status();
        // The deadline may have come while the report was on its way.
        AfterRound(*facts, *last && MayBeTheLast(told.report), now, &told);
      }
      if (absl::Status put = store_->UpdateTold(told); !put.ok()) return put;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return Fail(status);
  if (!transient) report_backoff_.Reset();
  Wake();
}

absl::Status Notifier::CountAll(absl::Time now) {
  if (now >= counted_at_ && now - counted_at_ < kCountEvery) return absl::OkStatus();
  auto counts = store_->Count();
  if (!counts.ok()) return counts.status();
  counted_at_ = now;
  queued_.clear();
  for (const auto& [name, channel] : counts->channels) queued_[name] = channel.queued;
  MutexLock lock(&mu_);
  counts_ = *std::move(counts);
  return absl::OkStatus();
}

Counts Notifier::counts() const {
  MutexLock lock(&mu_);
  return counts_;
}

int64_t Notifier::open_streams() const { return by_account_.open_streams() + by_unit_.open_streams(); }

absl::StatusOr<v1::Delivery> Notifier::Describe(DeliveryRow row) {
  if (absl::Status status = Hide(&row.notification); !status.ok()) return status;
  v1::Delivery delivery;
  *delivery.mutable_notification() = std::move(row.notification);
  delivery.set_state(row.state);
  delivery.set_attempt_count(row.attempts);
  if (row.next_at != absl::InfiniteFuture()) *delivery.mutable_next_attempt_time() = ToTimestamp(row.next_at);
  if (row.last_at != absl::UnixEpoch()) *delivery.mutable_last_attempt_time() = ToTimestamp(row.last_at);
  delivery.set_last_status(row.last_status);
  delivery.set_last_error(row.last_error);
  if (row.reach_at != absl::UnixEpoch()) *delivery.mutable_reach_time() = ToTimestamp(row.reach_at);
  delivery.set_acknowledged_by(row.acknowledged_by);
  return delivery;
}

// Only that they are there: ReadHistory reads what they say.
void Notifier::Publish(const std::vector<DeliveryRow>& deliveries) {
  if (deliveries.empty()) return;
  const auto nothing = std::make_shared<const std::string>();
  for (EventHub* const hub : {&by_account_, &by_unit_}) {
    EventHub::Items items(deliveries.size());
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].sequence = deliveries[i].sequence;
      items[i].bytes = nothing;
    }
    hub->Publish(std::move(items));
  }
}

void Notifier::ReadHistory(bool by_unit, int64_t start, int limit,
                           absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
  if (start > last_sequence_ + 1) return done(error::SequenceOutOfRange(start, last_sequence_));
  // Every stream that is at the head asks for the same: what hides an order comes with the log.
  LastRead& last = last_read_[by_unit ? 1 : 0];
  const LastRead asked{.start = start,
                       .limit = limit,
                       .head = last_sequence_,
                       .watermark = source_->Ready() ? source_->Watermark() : -1};
  if (asked.watermark >= 0 && last.IsOf(asked)) return done(last.items);
  auto rows = store_->ReadStream(start, limit);
  if (!rows.ok()) return done(rows.status());
  // Messages that are too old are gone, and leave gaps.
  const int64_t end = std::min(start + limit - 1, last_sequence_);
  const auto nothing = std::make_shared<const std::string>();
  EventHub::Items items(static_cast<size_t>(std::max<int64_t>(0, end - start + 1)));
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].sequence = start + static_cast<int64_t>(i);
    items[i].shown = false;
    items[i].bytes = nothing;
  }
  for (DeliveryRow& row : *rows) {
    if (row.sequence > end) break;
    v1::Notification& message = row.notification;
    if (absl::Status status = Hide(&message); !status.ok()) return done(std::move(status));
    EventHub::Item& item = items[static_cast<size_t>(row.sequence - start)];
    item.shown = true;
    item.order_id = by_unit ? message.unit() : message.target();
    item.bytes = std::make_shared<const std::string>(message.SerializeAsString());
  }
  last = asked;
  last.items = items;
  done(std::move(items));
}

absl::StatusOr<std::unique_ptr<MessageStream>> Notifier::WatchNotifications(
    const CallContext&, const v1::WatchNotificationsRequest& request) {
  if (request.start_sequence() < 0)
    return error::SequenceOutOfRange(request.start_sequence(), by_account_.head());
  absl::Duration heartbeat = kDefaultHeartbeat;
  if (request.has_heartbeat_interval()) {
    heartbeat = FromProtoDuration(request.heartbeat_interval());
    if (heartbeat < absl::Seconds(1) || heartbeat > absl::Seconds(60)) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "heartbeat_interval",
                             "must be between 1 and 60 seconds", "应在1至60秒之间");
    }
  }
  if (!request.account().empty() && !request.unit().empty()) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "unit", "does not go with account",
                           "不能与account同时填写");
  }
  if (!request.unit().empty()) {
    const std::shared_ptr<const directory::Directory> people = people_();
    const v1::DirectoryUnit* unit = people->FindUnit(request.unit());
    return by_unit_.Open(request.start_sequence(), unit == nullptr ? request.unit() : unit->code(),
                         heartbeat);
  }
  return by_account_.Open(request.start_sequence(), request.account(), heartbeat);
}

absl::StatusOr<DeliveryRow> Notifier::Find(const std::string& id) {
  if (id.empty()) return error::Required("notification_id");
  if (absl::Status status = CheckForm("notification_id", id); !status.ok()) return status;
  // What that commit wrote this connection may see, and nobody after it.
  if (absl::Status status = store_->CheckDoubt(); !status.ok()) return status;
  auto found = store_->FindDelivery(id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) {
    return error::NoticeUnknown(Reason::ERROR_REASON_NOTIFICATION_UNKNOWN, "notification", "通知",
                                TruncateCodePoints(id, 64));
  }
  return **std::move(found);
}

void Notifier::AcknowledgeNotification(const CallContext& call, v1::AcknowledgeNotificationRequest request,
                                       Done<v1::AcknowledgeNotificationResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    for (const absl::Status& status :
         {CheckText("account", request.account(), 64, true), CheckText("note", request.note(), 500, false)}) {
      if (!status.ok()) return done(status);
    }
    auto delivery = Find(request.notification_id());
    if (!delivery.ok()) return done(delivery.status());
    const auto notices = store_->NoticesIn(delivery->number);
    if (!notices.ok()) return done(notices.status());
    const bool first = delivery->acknowledged_by.empty();
    if (first) {
      delivery->state = v1::DELIVERY_STATE_REACHED;
      delivery->reach_at = call.now;
      delivery->next_at = absl::InfiniteFuture();
      delivery->acknowledged_by = request.account();
    }
    const absl::Time until = delivery->reach_at + policy_.AcknowledgedFor(delivery->notification.urgency());
    if (first) {
      const absl::Status status = InTransaction([&]() -> absl::Status {
        if (absl::Status put = store_->UpdateDelivery(*delivery); !put.ok()) return put;
        for (const NoticeRow& notice : *notices) {
          auto told = store_->FindTold(notice.ref);
          if (!told.ok()) return told.status();
          if (!told->has_value()) continue;
          PutOff(until, &**told);
          if (absl::Status put = store_->UpdateTold(**told); !put.ok()) return put;
        }
        return SettleRoundsOf(*delivery, call.now);
      });
      if (!status.ok()) {
        Fail(status);
        return done(status);
      }
      Wake();
    }
    workorder::v1::ExecuteRequest commands;
    for (const NoticeRow& notice : *notices) {
      const auto facts = source_->FindFacts(notice.ref);
      // Of a clock that stopped there is nothing to put off.
      if (!facts.ok() || !facts->has_value() || (!(*facts)->running && !(*facts)->paused)) continue;
      *commands.add_commands() = AcknowledgeCommand(notice.ref, delivery->notification.id(), until,
                                                    delivery->acknowledged_by, request.note());
    }
    auto described = Describe(*delivery);
    if (!described.ok()) return done(described.status());
    v1::AcknowledgeNotificationResponse response;
    *response.mutable_delivery() = *std::move(described);
    if (commands.commands().empty() || until <= call.now) return done(std::move(response));
    ledger_->Execute(call, std::move(commands),
                     [response = std::move(response), done = std::move(done)](
                         absl::StatusOr<workorder::v1::ExecuteResponse> executed) mutable {
                       if (!executed.ok()) return done(executed.status());
                       for (const workorder::v1::CommandResult& result : executed->results()) {
                         const absl::Status status = error::FromProto(result.error());
                         if (IsTransient(status)) return done(status);
                         if (status.ok()) response.set_recorded_count(response.recorded_count() + 1);
                       }
                       done(std::move(response));
                     });
  });
}

void Notifier::ListNotifications(const CallContext& call, v1::ListNotificationsRequest request,
                                 Done<v1::ListNotificationsResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    const auto page = ReadPage(request);
    if (!page.ok()) return done(page.status());
    for (const absl::Status& status :
         {CheckForm("order_id", request.order_id()), CheckForm("unit", request.unit()),
          CheckForm("person_id", request.person_id())}) {
      if (!status.ok()) return done(status);
    }
    NoticeQuery query{.unit = request.unit(),
                      .person = request.person_id(),
                      .before = page->second,
                      .limit = page->first + 1};
    if (!request.order_id().empty()) {
      const auto id = source_->FindOrderId(request.order_id());
      if (!id.ok()) return done(id.status());
      if (*id == 0) return done(error::OrderNotFound(TruncateCodePoints(request.order_id(), 64)));
      query.order_id = *id;
    }
    if (!query.unit.empty()) {
      const std::shared_ptr<const directory::Directory> people = people_();
      if (const v1::DirectoryUnit* unit = people->FindUnit(query.unit); unit != nullptr)
        query.unit = unit->code();
    }
    const auto rows = store_->ListNotices(query);
    if (!rows.ok()) return done(rows.status());
    v1::ListNotificationsResponse response;
    std::set<std::string> restricted;
    for (size_t i = 0; i < rows->size(); ++i) {
      const NoticeRow& row = (*rows)[i];
      if (static_cast<int>(i) == page->first) {
        response.set_next_page_token(WriteToken(request, (*rows)[i - 1].number));
        break;
      }
      const auto facts = source_->FindFacts(row.ref);
      if (!facts.ok()) return done(facts.status());
      // Until the log has been read an order that is not known may be restricted; afterwards there is none
      // such, of which anything could be recorded.
      const bool known = facts->has_value();
      const bool hidden = known ? !discretion_->MayKnow(call, (*facts)->restricted, (*facts)->registered_by)
                                : source_->Ready() || !discretion_->Covers(call);
      // Asked for by its order, it would be named after all.
      if (hidden && query.order_id != 0) return done(error::Restricted());
      if (!hidden && (!known || (*facts)->restricted)) restricted.insert(FormatOrderId(row.ref.order_id));
      v1::Notice& notice = *response.add_notices();
      notice.set_id(row.id);
      *notice.mutable_order() = OrderIn(row.ref, row.order_number, row.due, row.round, hidden);
      notice.set_rung(row.ref.rung);
      notice.set_unit(row.unit);
      notice.set_person_id(row.person);
      notice.set_role(row.role);
      notice.set_capacity(row.capacity);
      notice.set_channel(row.channel);
      notice.set_state(row.state);
      notice.set_notification_id(row.notification_id);
      *notice.mutable_send_time() = ToTimestamp(row.send_at);
    }
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_LIST, std::move(response),
                      std::move(done));
  });
}

void Notifier::ListDeliveries(const CallContext&, v1::ListDeliveriesRequest request,
                              Done<v1::ListDeliveriesResponse> done) {
  executor_->Post([this, request = std::move(request), done = std::move(done)]() mutable {
    const auto page = ReadPage(request);
    if (!page.ok()) return done(page.status());
    if (absl::Status status = CheckForm("webhook", request.webhook()); !status.ok()) return done(status);
    if (!v1::DeliveryState_IsValid(request.state())) return done(error::BadEnum("state", request.state()));
    DeliveryQuery query{
        .webhook = std::nullopt, .state = request.state(), .before = page->second, .limit = page->first + 1};
    if (!request.webhook().empty()) query.webhook = request.webhook() == "desktop" ? "" : request.webhook();
    const auto rows = store_->ListDeliveries(query);
    if (!rows.ok()) return done(rows.status());
    v1::ListDeliveriesResponse response;
    for (size_t i = 0; i < rows->size(); ++i) {
      if (static_cast<int>(i) == page->first) {
        response.set_next_page_token(WriteToken(request, (*rows)[i - 1].number));
        break;
      }
      auto described = Describe((*rows)[i]);
      if (!described.ok()) return done(described.status());
      *response.add_deliveries() = *std::move(described);
    }
    done(std::move(response));
  });
}

void Notifier::RedeliverDelivery(const CallContext& call, v1::RedeliverDeliveryRequest request,
                                 Done<v1::RedeliverDeliveryResponse> done) {
  executor_->Post([this, now = call.now, request = std::move(request), done = std::move(done)]() mutable {
    auto delivery = Find(request.notification_id());
    if (!delivery.ok()) return done(delivery.status());
    if (delivery->state != v1::DELIVERY_STATE_DEAD || delivery->sequence != 0) {
      return done(error::DeliveryNotDead(request.notification_id()));
    }
    delivery->state = v1::DELIVERY_STATE_QUEUED;
    delivery->attempts = 0;
    delivery->next_at = now;
    const absl::Status status = InTransaction([&] { return store_->UpdateDelivery(*delivery); });
    if (!status.ok()) {
      Fail(status);
      return done(status);
    }
    Wake();
    auto described = Describe(*std::move(delivery));
    if (!described.ok()) return done(described.status());
    v1::RedeliverDeliveryResponse response;
    *response.mutable_delivery() = *std::move(described);
    done(std::move(response));
  });
}

void Notifier::ReportDelivery(const CallContext& call, v1::ReportDeliveryRequest request,
                              Done<v1::ReportDeliveryResponse> done) {
  executor_->Post([this, now = call.now, request = std::move(request), done = std::move(done)]() mutable {
    if (request.state() != v1::DELIVERY_STATE_REACHED && request.state() != v1::DELIVERY_STATE_NOT_REACHED) {
      return done(error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "state",
                                  "must be REACHED or NOT_REACHED", "须为已送达或未送达"));
    }
    auto delivery = Find(request.notification_id());
    if (!delivery.ok()) return done(delivery.status());
    // What a person has read stays read.
    if (delivery->state != request.state() && delivery->acknowledged_by.empty()) {
      delivery->state = request.state();
      delivery->next_at = absl::InfiniteFuture();
      if (request.state() == v1::DELIVERY_STATE_REACHED) delivery->reach_at = now;
      const absl::Status status = InTransaction([&]() -> absl::Status {
        if (absl::Status put = store_->UpdateDelivery(*delivery); !put.ok()) return put;
        return SettleRoundsOf(*delivery, now);
      });
      if (!status.ok()) {
        Fail(status);
        return done(status);
      }
      Wake();
    }
    auto described = Describe(*std::move(delivery));
    if (!described.ok()) return done(described.status());
    v1::ReportDeliveryResponse response;
    *response.mutable_delivery() = *std::move(described);
    done(std::move(response));
  });
}

}  // namespace hotline::escalation::notify
