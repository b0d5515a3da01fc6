#include "services/escalation/core/clocks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/id.h"
#include "common/base/sha256.h"

namespace hotline::escalation {
namespace {

using type::v1::ClockKind;
using type::v1::Event;
using type::v1::Rung;

// Names in request ids; short, because an id has at most 64 characters.
const char* ClockName(ClockKind kind) {
  switch (kind) {
    case type::v1::CLOCK_KIND_PEER_RECEIPT:
      return "receipt";
    case type::v1::CLOCK_KIND_PEER_ACCEPTANCE:
      return "acceptance";
    case type::v1::CLOCK_KIND_SIGN:
      return "sign";
    case type::v1::CLOCK_KIND_FINISH:
      return "finish";
    case type::v1::CLOCK_KIND_CONFIRM:
      return "confirm";
    case type::v1::CLOCK_KIND_VOICE:
      return "voice";
    case type::v1::CLOCK_KIND_SCENE_ARRIVAL:
      return "scene";
    default:
      return "unknown";
  }
}

const char* RungName(Rung rung) {
  switch (rung) {
    case type::v1::RUNG_REMIND:
      return "remind";
    case type::v1::RUNG_DOUBT:
      return "doubt";
    case type::v1::RUNG_KEEP:
      return "keep";
    default:
      return "urge";
  }
}

// The rung at the deadline of a clock.
Rung LastRung(ClockKind kind) {
  switch (kind) {
    case type::v1::CLOCK_KIND_CONFIRM:
      return type::v1::RUNG_DOUBT;
    case type::v1::CLOCK_KIND_VOICE:
      return type::v1::RUNG_KEEP;
    default:
      return type::v1::RUNG_URGE;
  }
}

// One event being applied to one order.
class Step {
 public:
  Step(OrderClocks* order, const Event& event, const Deadlines& deadlines, std::string_view site)
      : order_(*order),
        event_(event),
        deadlines_(deadlines),
        site_(site),
        at_(FromProto(event.commit_time())) {}

  void Run() {
    if (order_.id == 0) {
      order_.id = ParseOrderId(event_.order_id()).value_or(0);
      order_.number = event_.order_number();
    }
    order_.state = event_.state();
    switch (event_.detail_case()) {
      case Event::kRegistered:
        return Register(event_.registered());
      case Event::kOffered:
        return Offer();
      case Event::kReceived:
        // A receipt that a later one overtook moves nothing.
        if (event_.state_before() != event_.state()) StartAcceptance();
        return;
      case Event::kUnderstood:
        return Understand();
      case Event::kAccepted:
        // Whoever accepts the matter has not yet come to the scene.
        End(/*scene_too=*/false);
        return StartWork();
      case Event::kDispatched:
        return Dispatch();
      case Event::kSigned:
        return Sign();
      case Event::kExtended:
        return Extend();
      case Event::kSuspended:
        return Pause();
      case Event::kResumed:
        return Resume();
      case Event::kRedoDemanded:
      case Event::kReopened:
        return Redo();
      case Event::kDisputed:
        // The origin handles it from now on; elsewhere the order has ended.
        return event_.state() == type::v1::ORDER_STATE_ACCEPTED ? Accept() : End();
      case Event::kEscalated:
        return Climb(event_.escalated());
      case Event::kInDoubt:
        return Doubt();
      case Event::kVoiceConfirmed:
        Stop(type::v1::CLOCK_KIND_CONFIRM);
        Stop(type::v1::CLOCK_KIND_VOICE);
        return;
      case Event::kSceneRecorded:
        return Stop(type::v1::CLOCK_KIND_SCENE_ARRIVAL);
      case Event::kMerged:
        return Merge();
      case Event::kSeparated:
        return WorkPasses(event_.custody().holder());
      case Event::kResent:
        return SetRight();
      case Event::kReturned:
        // From beyond whom this site gave it to, who has it again.
        return event_.state() == type::v1::ORDER_STATE_ACCEPTED ? Accept() : End();
      case Event::kRecalled:
      case Event::kReplied:
      case Event::kClosed:
      case Event::kCancelled:
      case Event::kArchived:
        return End();
      default:
        return;
    }
  }

 private:
  void Register(const type::v1::RegisteredDetail& detail) {
    order_.type = detail.type();
    order_.urgency = detail.urgency();
  }

  void Offer() {
    if (event_.offered().has_registered()) Register(event_.offered().registered());
    const type::v1::Handoff& handoff = event_.offered().handoff();
    // An earlier one, found again after the order has gone on.
    if (handoff.id() != event_.handoff_id()) return;
    End();
    order_.receiver = handoff.to_hotline();
    Arm(type::v1::CLOCK_KIND_PEER_RECEIPT, order_.receiver);
    if (handoff.has_confirm_by_time()) {
      ArmUntil(type::v1::CLOCK_KIND_CONFIRM, FromProto(handoff.confirm_by_time()));
    }
    AwaitArrival(handoff);
  }

  // A unit was asked to the scene, through whoever takes the order.
  void AwaitArrival(const type::v1::Handoff& handoff) {
    if (handoff.scene().request() != type::v1::SCENE_REQUEST_BRING_UNIT) return;
    Arm(type::v1::CLOCK_KIND_SCENE_ARRIVAL, handoff.to_hotline());
  }

  void Understand() {
    if (event_.understood().has_registered()) {
      Register(event_.understood().registered());
      order_.receiver = event_.understood().handoff().to_hotline();
      AwaitArrival(event_.understood().handoff());
    }
    // Of an earlier one, found again after the order has gone on.
    if (event_.understood().handoff().id() != event_.handoff_id()) return;
    StartAcceptance();
  }

  // The receipts: whichever comes first starts the clock.
  void StartAcceptance() {
    Stop(type::v1::CLOCK_KIND_PEER_RECEIPT);
    if (Live(type::v1::CLOCK_KIND_PEER_ACCEPTANCE) == nullptr) {
      Arm(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, order_.receiver);
    }
  }

  void Accept() {
    End();
    StartWork();
  }

  void StartWork() { Arm(type::v1::CLOCK_KIND_FINISH, event_.custody().holder()); }

  void Dispatch() {
    const bool here = event_.custody().holder() == site_;
    const std::string duty = here ? event_.dispatched().lead_unit() : event_.custody().holder();
    if (here) {
      order_.lead_unit = duty;
      Arm(type::v1::CLOCK_KIND_SIGN, duty);
    }
    Arm(type::v1::CLOCK_KIND_FINISH, duty);
  }

  void Sign() {
    OrderClock* clock = Live(type::v1::CLOCK_KIND_SIGN);
    if (clock == nullptr) return;
    // An assisting unit's signature is not the lead unit's.
    const std::string& unit = event_.signed_().unit();
    if (unit.empty() || unit == clock->duty_party) StopClock(clock);
  }

  void Extend() {
    OrderClock* clock = Live(type::v1::CLOCK_KIND_FINISH);
    if (clock == nullptr) return;
    MarkBreach(clock);
    const absl::Time until = FromProto(event_.extended().until_time());
    if (clock->state == v1::CLOCK_STATE_PAUSED) clock->remaining = until - at_;
    clock->due = until;
  }

  void Pause() {
    order_.suspended = true;
    for (OrderClock& clock : order_.clocks) {
      if (clock.state != v1::CLOCK_STATE_RUNNING) continue;
      MarkBreach(&clock);
      clock.state = v1::CLOCK_STATE_PAUSED;
      clock.remaining = clock.due - at_;
    }
  }

  void Resume() {
    order_.suspended = false;
    for (OrderClock& clock : order_.clocks) {
      if (clock.state != v1::CLOCK_STATE_PAUSED) continue;
      clock.state = v1::CLOCK_STATE_RUNNING;
      clock.due = at_ + clock.remaining;
      clock.remaining = absl::ZeroDuration();
    }
  }

  // Its job is done under another order. The deadline is its own caller's and stands; the duty is that of
  // whoever works there.
  void Merge() {
    Stop(type::v1::CLOCK_KIND_SIGN);
    order_.lead_unit.clear();
    const bool here = event_.custody().holder() == site_ && !event_.merged().lead_unit().empty();
    WorkPasses(here ? event_.merged().lead_unit() : event_.custody().holder());
  }

  void WorkPasses(const std::string& duty_party) {
    if (OrderClock* clock = Live(type::v1::CLOCK_KIND_FINISH); clock != nullptr) {
      clock->duty_party = duty_party;
    } else {
      Arm(type::v1::CLOCK_KIND_FINISH, duty_party);
    }
  }

  void Redo() {
    const std::string& holder = event_.custody().holder();
    const bool unit = holder == site_ && !order_.lead_unit.empty();
    Arm(type::v1::CLOCK_KIND_FINISH, unit ? order_.lead_unit : holder);
  }

  void Doubt() {
    const type::v1::InDoubtDetail& detail = event_.in_doubt();
    Climb(detail.escalation());
    if (detail.action() == type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE && detail.has_keep_by_time()) {
      ArmUntil(type::v1::CLOCK_KIND_VOICE, FromProto(detail.keep_by_time()));
    }
  }

  void Climb(const type::v1::Escalation& escalation) {
    for (OrderClock& clock : order_.clocks) {
      if (clock.kind != escalation.clock() || clock.armed_by != escalation.armed_by_sequence()) continue;
      clock.rung = std::max(clock.rung, escalation.rung());
      if (escalation.rung() >= type::v1::RUNG_URGE) clock.breached = true;
    }
  }

  // The offer or the work is over. After a reply the same unit may have to do it again.
  void End(bool scene_too = true) {
    for (OrderClock& clock : order_.clocks) {
      if (scene_too || clock.kind != type::v1::CLOCK_KIND_SCENE_ARRIVAL) StopClock(&clock);
    }
    order_.suspended = false;
    if (event_.detail_case() != Event::kReplied) order_.lead_unit.clear();
  }

  // A reconciliation installed the peer's view: clocks of what is over stop. Those of work go on as they
  // were, because when it began is not told.
  void SetRight() {
    switch (event_.state()) {
      case type::v1::ORDER_STATE_RETURNED:
      case type::v1::ORDER_STATE_RECALLED:
      case type::v1::ORDER_STATE_REPLIED:
      case type::v1::ORDER_STATE_CALLED_BACK:
      case type::v1::ORDER_STATE_CLOSED:
      case type::v1::ORDER_STATE_CANCELLED:
      case type::v1::ORDER_STATE_ARCHIVED:
        return End();
      default:
        return;
    }
  }

  void Arm(ClockKind kind, const std::string& duty_party) {
    Stop(kind);
    const auto limit = deadlines_.Find(kind, order_.urgency, order_.type);
    if (limit.has_value()) Add(kind, duty_party, at_ + limit->allowed, limit->remind_before);
  }

  // A clock of this hotline whose deadline the order itself carries.
  void ArmUntil(ClockKind kind, absl::Time due) {
    Stop(kind);
    Add(kind, std::string(site_), due, absl::ZeroDuration());
  }

  void Add(ClockKind kind, const std::string& duty_party, absl::Time due, absl::Duration remind_before) {
    OrderClock clock;
    clock.kind = kind;
    clock.armed_by = event_.sequence();
    // Somebody always has the duty, if only this hotline.
    clock.duty_party = duty_party.empty() ? std::string(site_) : duty_party;
    clock.start = at_;
    clock.due = due;
    clock.remind_before = remind_before;
    clock.policy_version = deadlines_.version();
    if (order_.suspended) {
      clock.state = v1::CLOCK_STATE_PAUSED;
      clock.remaining = due - at_;
    }
    order_.clocks.push_back(std::move(clock));
  }

  OrderClock* Live(ClockKind kind) {
    for (OrderClock& clock : order_.clocks) {
      if (clock.kind == kind && clock.live()) return &clock;
    }
    return nullptr;
  }

  void Stop(ClockKind kind) {
    if (OrderClock* clock = Live(kind); clock != nullptr) StopClock(clock);
  }

  void StopClock(OrderClock* clock) {
    if (!clock->live()) return;
    if (clock->state == v1::CLOCK_STATE_PAUSED) {
      clock->due = at_ + clock->remaining;
      clock->remaining = absl::ZeroDuration();
    }
    MarkBreach(clock);
    clock->state = v1::CLOCK_STATE_STOPPED;
    clock->stop = at_;
  }

  // Time is half-open: at the deadline it is over.
  void MarkBreach(OrderClock* clock) const {
    if (DueAt(*clock, at_) <= at_) clock->breached = true;
  }

  OrderClocks& order_;
  const Event& event_;
  const Deadlines& deadlines_;
  const std::string_view site_;
  const absl::Time at_;
};

}  // namespace

bool Concerns(const Event& event) {
  switch (event.detail_case()) {
    case Event::kProgressed:
    case Event::kCalledBack:
    case Event::kRecallRequested:
    case Event::kRecallRefused:
    case Event::kReceived:
    case Event::kAlarmed:
    case Event::kPartnersCalled:
    case Event::kPartnerEnded:
    case Event::kMergedOrder:
    case Event::kDisclosed:
    case Event::kRuled:
    case Event::DETAIL_NOT_SET:
      return event.state_before() != event.state();
    default:
      return true;
  }
}

OrderClocks Apply(OrderClocks before, const Event& event, const Deadlines& deadlines, std::string_view site) {
  Step(&before, event, deadlines, site).Run();
  return before;
}

Rung NextRung(const OrderClock& clock) {
  if (clock.state != v1::CLOCK_STATE_RUNNING) return type::v1::RUNG_UNSPECIFIED;
  if (clock.rung < type::v1::RUNG_REMIND && clock.remind_before > absl::ZeroDuration())
    return type::v1::RUNG_REMIND;
  if (const Rung last = LastRung(clock.kind); clock.rung < last) return last;
  return type::v1::RUNG_UNSPECIFIED;
}

absl::Time NextRungTime(const OrderClock& clock) {
  switch (NextRung(clock)) {
    case type::v1::RUNG_REMIND:
      return clock.due - clock.remind_before;
    case type::v1::RUNG_UNSPECIFIED:
      return absl::InfiniteFuture();
    default:
      return clock.due;
  }
}

absl::Time DueAt(const OrderClock& clock, absl::Time now) {
  return clock.state == v1::CLOCK_STATE_PAUSED ? now + clock.remaining : clock.due;
}

v1::Lamp LampAt(const OrderClock& clock, absl::Time now) {
  const absl::Time at = clock.live() ? now : clock.stop;
  const absl::Time due = DueAt(clock, at);
  if (at >= due) return v1::LAMP_RED;
  if (clock.remind_before > absl::ZeroDuration() && at >= due - clock.remind_before) return v1::LAMP_YELLOW;
  return v1::LAMP_GREEN;
}

type::v1::Command RungCommand(const OrderClocks& order, const OrderClock& clock, Rung rung) {
  type::v1::Command command;
  type::v1::CommandHeader& header = *command.mutable_header();
  const std::string id = FormatOrderId(order.id);
  header.set_order_id(id);
  header.set_request_id(
      absl::StrCat("escalate/", id, "/", ClockName(clock.kind), "/", clock.armed_by, "/", RungName(rung)));
  header.mutable_actor()->set_account("service/escalation");
  const std::string trace = absl::BytesToHexString(Sha256({header.request_id()}));
  command.set_traceparent(absl::StrCat("00-", trace.substr(0, 32), "-", trace.substr(32, 16), "-01"));
  type::v1::Escalation& escalation = *command.mutable_escalation();
  escalation.set_clock(clock.kind);
  escalation.set_rung(rung);
  escalation.set_armed_by_sequence(clock.armed_by);
  *escalation.mutable_due_time() = ToProto(clock.due);
  escalation.set_duty_party(clock.duty_party);
  return command;
}

const type::v1::Escalation* RungOf(const Event& event) {
  if (event.has_escalated()) return &event.escalated();
  if (event.has_in_doubt()) return &event.in_doubt().escalation();
  return nullptr;
}

bool NeedsAlarm(const OrderClocks& order, const OrderClock& clock, Rung rung) {
  return clock.kind == type::v1::CLOCK_KIND_PEER_RECEIPT && rung == type::v1::RUNG_URGE &&
         order.urgency == type::v1::URGENCY_EMERGENCY;
}

v1::Deadline Describe(const OrderClocks& order, const OrderClock& clock, absl::Time now) {
  v1::Deadline deadline;
  deadline.set_order_id(FormatOrderId(order.id));
  deadline.set_order_number(order.number);
  deadline.set_clock(clock.kind);
  deadline.set_duty_party(clock.duty_party);
  const absl::Time due = DueAt(clock, now);
  *deadline.mutable_start_time() = ToProto(clock.start);
  *deadline.mutable_due_time() = ToProto(due);
  if (clock.remind_before > absl::ZeroDuration())
    *deadline.mutable_remind_time() = ToProto(due - clock.remind_before);
  deadline.set_clock_state(clock.state);
  deadline.set_lamp(LampAt(clock, now));
  deadline.set_rung(clock.rung);
  deadline.set_urgency(order.urgency);
  deadline.set_order_state(order.state);
  if (!clock.live()) *deadline.mutable_stop_time() = ToProto(clock.stop);
  deadline.set_breached(clock.breached || (clock.live() && due <= now));
  deadline.set_policy_version(clock.policy_version);
  return deadline;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  proto.set_seconds(absl::ToUnixSeconds(time));
  proto.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(proto.seconds()))));
  return proto;
}

}  // namespace hotline::escalation
