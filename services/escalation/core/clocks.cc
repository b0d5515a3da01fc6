#include "services/escalation/core/clocks.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/id.h"
#include "common/base/request_id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"

namespace hotline::escalation {

// Short, because a request id has at most 64 characters.
const char* ClockName(type::v1::ClockKind kind) {
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
    case type::v1::CLOCK_KIND_FIRST_CONTACT:
      return "contact";
    case type::v1::CLOCK_KIND_RESULT_BACK:
      return "result";
    case type::v1::CLOCK_KIND_CALL_BACK:
      return "callback";
    case type::v1::CLOCK_KIND_SUSPENSION_REVIEW:
      return "review";
    case type::v1::CLOCK_KIND_SCENE_ARRIVAL:
      return "scene";
    case type::v1::CLOCK_KIND_UNIT_RETURN:
      return "return";
    default:
      return "unknown";
  }
}

const char* RungName(type::v1::Rung rung) {
  switch (rung) {
    case type::v1::RUNG_REMIND:
      return "remind";
    case type::v1::RUNG_SUPERVISE:
      return "supervise";
    case type::v1::RUNG_CIRCULATE:
      return "circulate";
    case type::v1::RUNG_DISCIPLINE:
      return "discipline";
    case type::v1::RUNG_DOUBT:
      return "doubt";
    case type::v1::RUNG_KEEP:
      return "keep";
    case type::v1::RUNG_CLOSE_RETURN:
      return "close";
    default:
      return "urge";
  }
}

std::string ArmingName(int64_t armed_by, std::string_view assist_unit) {
  if (assist_unit.empty()) return absl::StrCat(armed_by);
  return absl::StrCat(armed_by, ".", absl::BytesToHexString(Sha256({assist_unit}).substr(0, 4)));
}

namespace {

using type::v1::ClockKind;
using type::v1::Event;
using type::v1::Rung;

// The one rung of a clock that has no ladder; else UNSPECIFIED.
Rung OwnRung(ClockKind kind) {
  switch (kind) {
    case type::v1::CLOCK_KIND_CONFIRM:
      return type::v1::RUNG_DOUBT;
    case type::v1::CLOCK_KIND_VOICE:
      return type::v1::RUNG_KEEP;
    case type::v1::CLOCK_KIND_UNIT_RETURN:
      return type::v1::RUNG_CLOSE_RETURN;
    default:
      return type::v1::RUNG_UNSPECIFIED;
  }
}

// Its deadline is in the order, not in the policy.
bool IsCarried(ClockKind kind) {
  return kind == type::v1::CLOCK_KIND_CONFIRM || kind == type::v1::CLOCK_KIND_VOICE;
}

v1::ClockHistory HistoryOf(const OrderClock& clock) {
  v1::ClockHistory history;
  history.ParseFromString(clock.history);
  return history;
}

// The deadline that the order carries for such a clock.
absl::Time CarriedTime(const OrderClock& clock, const v1::ClockHistory& history) {
  return history.has_carried_time() ? FromProto(history.carried_time()) : clock.due;
}

// This hotline gave the order away by its handoff: `<giver>-<its order>-<attempt>`.
bool IsGivenBy(const Event& event, std::string_view site) {
  const std::string_view handoff = event.handoff_id();
  return handoff.size() > site.size() && handoff.starts_with(site) && handoff[site.size()] == '-';
}

// What `duty_party`'s clock asks; `assist`: it is an assisting unit's. Outlived by both.
Traits TraitsOf(const OrderClocks& order, bool assist, std::string_view duty_party) {
  return {.type = order.type,
          .urgency = order.urgency,
          .channel = order.channel,
          .item = order.item,
          .tags = order.tags,
          .assist = assist,
          .duty_party = duty_party};
}

Traits TraitsOf(const OrderClocks& order, const OrderClock& clock) {
  return TraitsOf(order, !clock.assist_unit.empty(), clock.duty_party);
}

// Finds the rung that comes next, and when.
void Plan(const Deadlines& deadlines, OrderClock* clock) {
  clock->next_rung = type::v1::RUNG_UNSPECIFIED;
  clock->next = absl::InfiniteFuture();
  if (clock->state != v1::CLOCK_STATE_RUNNING) return;
  if (const Rung own = OwnRung(clock->kind); own != type::v1::RUNG_UNSPECIFIED) {
    if (clock->rung >= own) return;
    clock->next_rung = own;
    clock->next = clock->due;
    return;
  }
  if (clock->rung < type::v1::RUNG_REMIND && clock->remind != absl::InfiniteFuture()) {
    clock->next_rung = type::v1::RUNG_REMIND;
    clock->next = clock->remind;
    return;
  }
  for (const Deadlines::Step& step : deadlines.Ladder(clock->rule)) {
    if (step.rung < type::v1::RUNG_URGE || step.rung <= clock->rung) continue;
    clock->next_rung = step.rung;
    clock->next = step.after.value == 0
                      ? clock->due
                      : deadlines.AddToDue(clock->rule, clock->duty_party, clock->due, step.after).time;
    break;
  }
  if (clock->history.empty() || clock->next_rung == type::v1::RUNG_UNSPECIFIED) return;
  const v1::ClockHistory history = HistoryOf(*clock);
  if (history.hurried_rung() == clock->next_rung && history.has_hurry_time()) {
    clock->next = std::min(clock->next, std::max(FromProto(history.hurry_time()), clock->due));
  }
}

// `adjustment` of a clock whose deadline is `*due` and of which `*remaining` is left if it stands still, by
// the days of `duty`, who has it from then on.
void ApplyAdjustment(const v1::ClockAdjustment& adjustment, std::string_view duty, RuleRef rule,
                     const Deadlines& deadlines, absl::Time* due, absl::Duration* remaining,
                     bool* provisional) {
  const absl::Time at = FromProto(adjustment.time());
  const bool paused = *remaining != absl::ZeroDuration();
  // Each piece of a deadline may rest on days that are not decided.
  const auto set_due = [&](DueTime time) {
    *due = time.time;
    *provisional |= time.provisional;
  };
  const auto stand = [&] {
    *remaining = deadlines.Keep(rule, duty, at, *due);
    // Where no work is left nothing is counted yet.
    if (*remaining != Deadlines::kNoWorkLeft) {
      *provisional |= deadlines.Resume(rule, duty, at, *remaining).provisional;
    }
  };
  const auto fix = [&](const google::protobuf::Timestamp& until) {
    *due = SecondUp(FromProto(until));
    // An instant rests on no days; what is left until it does.
    *provisional = false;
    if (paused) stand();
  };
  switch (adjustment.change_case()) {
    case v1::ClockAdjustment::kPause:
      return stand();
    case v1::ClockAdjustment::kResume:
      set_due(deadlines.Resume(rule, duty, at, *remaining));
      *remaining = absl::ZeroDuration();
      return;
    case v1::ClockAdjustment::kUntilTime:
      return fix(adjustment.until_time());
    case v1::ClockAdjustment::kPassed:
      return fix(adjustment.passed().until_time());
    case v1::ClockAdjustment::kMore: {
      const DueTime more =
          deadlines.AddToDue(rule, duty, *due, {adjustment.more().kind(), adjustment.more().value()});
      if (paused) *remaining = deadlines.KeepMore(rule, duty, *remaining, *due, more.time);
      set_due(more);
      return;
    }
    default:
      return;
  }
}

// The rule by which `clock` goes on at `at`: see the head of clocks.h.
struct Basis {
  RuleRef rule;
  bool provisional = false;
};
Basis BasisAt(const OrderClocks& order, const OrderClock& clock, absl::Time at, const Deadlines& deadlines) {
  const Basis own = {clock.rule, clock.provisional};
  const int64_t latest = deadlines.OpenAt(at);
  if (!clock.live() || IsCarried(clock.kind) || clock.rule.publication >= latest) return own;
  const RuleRef rule = deadlines.FindIn(latest, clock.kind, TraitsOf(order, clock), clock.start);
  if (rule.rule < 0) return own;
  const Reckoned reckoned = Reckon(clock, rule, deadlines);
  if (reckoned.due.time != clock.due || reckoned.remaining != clock.remaining) return own;
  return {rule, reckoned.due.provisional};
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
    follows_ = FollowsAnotherCopy(order_, event_, site_);
    if (follows_) {
      order_.receiver = std::string(site_);
    } else if (event_.mirrored() && IsGivenBy(event_, site_) && order_.receiver == site_) {
      // Whom it was given to has it again, and tells so.
      order_.receiver = event_.actor().hotline();
    }
    order_.state = event_.state();
    order_.restricted = event_.restricted();
    switch (event_.detail_case()) {
      case Event::kRegistered:
        order_.registered_by = event_.actor().account();
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
      case Event::kReassigned:
        return Dispatch();
      case Event::kProgressed:
        if (event_.progressed().part_done()) EndPart(event_.progressed().unit());
        return;
      case Event::kUnitReturned:
        // It has reacted; but the time runs on at its cost until somebody else has the order.
        Stop(type::v1::CLOCK_KIND_UNIT_RETURN);
        EndAssistance();
        // What begins after that is no longer its.
        order_.lead_unit.clear();
        return Stop(type::v1::CLOCK_KIND_SIGN);
      case Event::kAccused:
        return Accuse();
      case Event::kContacted:
        if (!event_.contacted().reached()) return;
        order_.contacted = true;
        return Stop(type::v1::CLOCK_KIND_FIRST_CONTACT);
      case Event::kExtended:
        return ExtendUntil(event_.extended().until_time());
      case Event::kExtensionDecided:
        return DecideExtension(event_.extension_decided());
      case Event::kDeadlineMoved:
        return Move(event_.deadline_moved());
      case Event::kNotificationReported:
        return Told(event_.notification_reported());
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
      case Event::kHoldPlaced:
        order_.held = true;
        break;
      case Event::kHoldReleased:
        order_.held = false;
        break;
      case Event::kReplied:
        return Reply();
      case Event::kCalledBack:
        // Whoever gave the result may have to do it again.
        Stop(type::v1::CLOCK_KIND_CALL_BACK);
        return Stop(type::v1::CLOCK_KIND_RESULT_BACK);
      case Event::kRecalled:
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
    order_.channel = detail.channel();
    order_.item = detail.catalogue().item();
    order_.anonymous = detail.anonymous();
    order_.origin_here = detail.origin_hotline() == site_;
    order_.tags.clear();
    for (const std::string& tag : detail.tags())
      absl::StrAppend(&order_.tags, order_.tags.empty() ? " " : "", tag, " ");
    order_.accused_units.assign(detail.accused_units().begin(), detail.accused_units().end());
  }

  void Offer() {
    if (event_.offered().has_registered()) {
      order_.registered_by = event_.actor().account();
      Register(event_.offered().registered());
    }
    const type::v1::Handoff& handoff = event_.offered().handoff();
    // An earlier one, found again after the order has gone on.
    if (handoff.id() != event_.handoff_id()) return;
    order_.receiver = handoff.to_hotline();
    // The order's own, found again after what became of it: nothing is on offer, and what runs goes on.
    if (event_.state() != type::v1::ORDER_STATE_OFFERED) return;
    End();
    const size_t before = order_.clocks.size();
    Arm(type::v1::CLOCK_KIND_PEER_RECEIPT, order_.receiver);
    if (order_.clocks.size() > before && handoff.has_offer_time() &&
        FromProto(handoff.offer_time()) != order_.clocks.back().start) {
      v1::ClockHistory history;
      *history.mutable_offer_time() = handoff.offer_time();
      history.SerializeToString(&order_.clocks.back().history);
    }
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
    // Of an earlier one, or of the order's own, found again after the order has gone on.
    if (event_.understood().handoff().id() != event_.handoff_id() ||
        event_.state() != type::v1::ORDER_STATE_UNDERSTOOD) {
      return;
    }
    StartAcceptance();
    AwaitAcceptance();
  }

  // The receipts: whichever comes first starts the clock.
  void StartAcceptance() {
    Stop(type::v1::CLOCK_KIND_PEER_RECEIPT);
    if (Live(type::v1::CLOCK_KIND_PEER_ACCEPTANCE) == nullptr) {
      Arm(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, order_.receiver);
    }
  }

  // A peer that has read the offer may use all the working time that it has to accept it: until then its
  // silence says nothing, so the giver neither doubts the offer nor takes it back. A limit around the clock
  // is what the site chose beside its confirm-by time, and is left to that.
  void AwaitAcceptance() {
    const OrderClock* acceptance = Live(type::v1::CLOCK_KIND_PEER_ACCEPTANCE);
    if (order_.state != type::v1::ORDER_STATE_UNDERSTOOD || acceptance == nullptr) return;
    const bool works = deadlines_.WorkCalendarOf(acceptance->rule, acceptance->duty_party) != nullptr;
    for (OrderClock& clock : order_.clocks) {
      if (!IsCarried(clock.kind) || !clock.live() || clock.rung != type::v1::RUNG_UNSPECIFIED) continue;
      v1::ClockHistory history = HistoryOf(clock);
      // What was waited for once is followed also to a rule around the clock.
      if (!works && !history.has_carried_time()) continue;
      const absl::Time carried = CarriedTime(clock, history);
      const absl::Time due = std::max(carried, acceptance->due);
      const bool provisional = due > carried && acceptance->provisional;
      if (due == clock.due && provisional == clock.provisional) continue;
      MarkBreach(&clock);
      *history.mutable_carried_time() = ToProto(carried);
      history.SerializeToString(&clock.history);
      v1::ClockAdjustment adjustment;
      v1::AwaitedAdjustment& awaited = *adjustment.mutable_awaited();
      awaited.set_duty_party(acceptance->duty_party);
      *awaited.mutable_start_time() = ToProto(acceptance->start);
      awaited.set_publication(acceptance->rule.publication);
      awaited.set_rule(acceptance->rule.rule);
      Note(&adjustment, &clock);
      clock.due = due;
      clock.provisional = provisional;
      Schedule(&clock);
    }
  }

  void Accept() {
    End();
    StartWork();
  }

  void StartWork() {
    order_.contacted = false;
    const std::string& holder = event_.custody().holder();
    Arm(type::v1::CLOCK_KIND_FINISH, holder);
    if (holder == site_) ArmContact(holder);
  }

  // Those who are accused are told nothing more of it and have no duty in it: what was the lead unit's is the
  // desk's until another unit has it, with the deadline that stands.
  void Accuse() {
    const auto& accused = event_.accused().accusation().units();
    const auto is_accused = [&](const std::string& unit) {
      return std::find(accused.begin(), accused.end(), unit) != accused.end();
    };
    for (const std::string& unit : accused) {
      auto& known = order_.accused_units;
      if (std::find(known.begin(), known.end(), unit) == known.end()) known.push_back(unit);
    }
    for (const std::string& unit : order_.assist_units) {
      if (is_accused(unit)) EndPart(unit);
    }
    std::erase_if(order_.assist_units, is_accused);
    const bool led = is_accused(order_.lead_unit);
    if (led) order_.lead_unit.clear();
    if (event_.accused().accusation().has_dispatch()) return Dispatch();
    if (!led || event_.accused().recused_lead().empty()) return;
    Stop(type::v1::CLOCK_KIND_UNIT_RETURN);
    Stop(type::v1::CLOCK_KIND_SIGN);
    EndAssistance();
    for (const ClockKind kind : {type::v1::CLOCK_KIND_FINISH, type::v1::CLOCK_KIND_FIRST_CONTACT}) {
      if (OrderClock* clock = Live(kind); clock != nullptr) PassTo(std::string(site_), clock);
    }
  }

  void Dispatch() {
    const bool here = event_.custody().holder() == site_ && !follows_;
    const type::v1::UnitDispatch& dispatch = event_.has_accused() ? event_.accused().accusation().dispatch()
                                             : event_.has_reassigned() ? event_.reassigned().dispatch()
                                                                       : event_.dispatched();
    const std::string duty = here ? dispatch.lead_unit() : event_.custody().holder();
    EndAssistance();
    if (here) {
      order_.lead_unit = duty;
      order_.assist_units.assign(dispatch.assist_units().begin(), dispatch.assist_units().end());
      Arm(type::v1::CLOCK_KIND_SIGN, duty);
      Arm(type::v1::CLOCK_KIND_UNIT_RETURN, duty);
      ArmContact(duty);
      ArmAssisting(type::v1::CLOCK_KIND_SIGN);
    }
    Arm(type::v1::CLOCK_KIND_FINISH, duty);
    ArmAssisting(type::v1::CLOCK_KIND_FINISH);
  }

  void ArmAssisting(ClockKind kind) {
    for (const std::string& unit : order_.assist_units) Arm(kind, unit, unit);
  }

  // The part of an assisting unit is done.
  void EndPart(const std::string& unit) {
    Stop(type::v1::CLOCK_KIND_SIGN, unit);
    Stop(type::v1::CLOCK_KIND_FINISH, unit);
  }

  // Nobody assists any more.
  void EndAssistance() {
    for (const std::string& unit : std::exchange(order_.assist_units, {})) EndPart(unit);
  }

  // The result is on its way to whom the order came from: `<giver>-<its order>-<attempt>` is the handoff.
  void ReportBack() {
    const size_t before = order_.clocks.size();
    Arm(type::v1::CLOCK_KIND_RESULT_BACK, std::string(site_));
    if (order_.clocks.size() == before || event_.sent_sequence() == 0) return;
    v1::ClockHistory history;
    history.set_sent_sequence(event_.sent_sequence());
    history.set_sent_to(event_.handoff_id().substr(0, event_.handoff_id().find('-')));
    history.SerializeToString(&order_.clocks.back().history);
  }

  void ArmContact(const std::string& duty) {
    if (!order_.contacted && !order_.anonymous) Arm(type::v1::CLOCK_KIND_FIRST_CONTACT, duty);
  }

  void Reply() {
    End();
    if (!order_.origin_here) {
      if (!event_.mirrored()) ReportBack();
    } else if (!order_.anonymous) {
      Arm(type::v1::CLOCK_KIND_CALL_BACK, std::string(site_));
    }
  }

  void Sign() {
    // An assisting unit's signature is not the lead unit's.
    const std::string& unit = event_.signed_().unit();
    OrderClock* clock = Live(type::v1::CLOCK_KIND_SIGN);
    if (clock != nullptr && (unit.empty() || unit == clock->duty_party)) return StopClock(clock);
    if (!unit.empty()) Stop(type::v1::CLOCK_KIND_SIGN, unit);
  }

  void ExtendUntil(const google::protobuf::Timestamp& until) {
    v1::ClockAdjustment adjustment;
    *adjustment.mutable_until_time() = until;
    Extend(adjustment);
  }

  // The order is given more time: whoever leads and whoever assists. It takes none from whom has more anyhow:
  // the order itself may not know the deadline that it is asked to extend.
  void Extend(const v1::ClockAdjustment& adjustment) {
    for (OrderClock& clock : order_.clocks) {
      if (clock.kind != type::v1::CLOCK_KIND_FINISH || !clock.live()) continue;
      MarkBreach(&clock);
      Rebase(&clock);
      if (adjustment.has_until_time() &&
          SecondUp(FromProto(adjustment.until_time())) <= DueAt(clock, at_, deadlines_)) {
        continue;
      }
      Adjust(adjustment, &clock);
    }
  }

  void DecideExtension(const type::v1::ExtensionDecidedDetail& detail) {
    if (!detail.decision().approved()) return;
    if (detail.decision().has_until_time()) return ExtendUntil(detail.decision().until_time());
    v1::ClockAdjustment adjustment;
    *adjustment.mutable_more() = detail.request().length();
    Extend(adjustment);
  }

  void Pause() {
    order_.suspended = true;
    for (OrderClock& clock : order_.clocks) {
      if (clock.state != v1::CLOCK_STATE_RUNNING) continue;
      MarkBreach(&clock);
      Rebase(&clock);
      clock.state = v1::CLOCK_STATE_PAUSED;
      v1::ClockAdjustment adjustment;
      adjustment.mutable_pause();
      Adjust(std::move(adjustment), &clock);
    }
    // Only the holder can resume it.
    if (event_.custody().holder() == site_ && event_.suspended().has_review_time()) {
      ArmUntil(type::v1::CLOCK_KIND_SUSPENSION_REVIEW, FromProto(event_.suspended().review_time()));
    }
  }

  void Resume() {
    order_.suspended = false;
    Stop(type::v1::CLOCK_KIND_SUSPENSION_REVIEW);
    for (OrderClock& clock : order_.clocks) {
      if (clock.state != v1::CLOCK_STATE_PAUSED) continue;
      Rebase(&clock);
      clock.state = v1::CLOCK_STATE_RUNNING;
      v1::ClockAdjustment adjustment;
      adjustment.mutable_resume();
      Adjust(std::move(adjustment), &clock);
    }
  }

  // Notes what happened to `clock` and reckons anew.
  void Adjust(v1::ClockAdjustment adjustment, OrderClock* clock) {
    Note(&adjustment, clock);
    ApplyAdjustment(adjustment, clock->duty_party, clock->rule, deadlines_, &clock->due, &clock->remaining,
                    &clock->provisional);
    Schedule(clock);
  }

  void Note(v1::ClockAdjustment* adjustment, OrderClock* clock) {
    adjustment->set_sequence(event_.sequence());
    *adjustment->mutable_time() = event_.commit_time();
    v1::ClockHistory history = HistoryOf(*clock);
    *history.add_adjustments() = *adjustment;
    history.SerializeToString(&clock->history);
  }

  // Before anything is reckoned anew: a publication that left its deadline where it was holds for it, too.
  void Rebase(OrderClock* clock) {
    const Basis basis = BasisAt(order_, *clock, at_, deadlines_);
    if (basis.rule == clock->rule) return;
    v1::ClockAdjustment adjustment;
    adjustment.set_publication(basis.rule.publication);
    Note(&adjustment, clock);
    clock->rule = basis.rule;
    clock->provisional = basis.provisional;
    Schedule(clock);
  }

  // After the deadline changed.
  void Schedule(OrderClock* clock) {
    clock->remind = deadlines_.RemindTime(clock->rule, clock->duty_party, clock->due);
    if (clock->remind <= clock->start) clock->remind = absl::InfiniteFuture();
    Plan(deadlines_, clock);
  }

  // A newly published rule holds for it; the log says what that comes to.
  void Move(const type::v1::DeadlineMove& move) {
    for (OrderClock& clock : order_.clocks) {
      if (!IsAbout(move, clock) || !clock.live()) continue;
      MarkBreach(&clock);
      // It went by that already, as something came in between: the deadline was the same.
      if (clock.rule.publication >= move.publication()) continue;
      const RuleRef rule =
          deadlines_.FindIn(move.publication(), clock.kind, TraitsOf(order_, clock), clock.start);
      v1::ClockAdjustment adjustment;
      adjustment.set_publication(move.publication());
      Note(&adjustment, &clock);
      // What crossed the move (an extension, a resumption, another duty party) is not in what the log says.
      const bool crossed =
          FromProto(move.old_due_time()) != clock.due || move.duty_party() != clock.duty_party;
      absl::Time due = FromProto(move.new_due_time());
      if (rule.rule >= 0) {
        const Reckoned reckoned = Reckon(clock, rule, deadlines_);
        if (crossed) due = reckoned.due.time;
        clock.rule = rule;
        clock.provisional = reckoned.due.provisional;
        clock.remaining = reckoned.remaining;
      }
      clock.due = due;
      Schedule(&clock);
    }
    AwaitAcceptance();
  }

  // A rung that reached nobody makes the next one due. Nothing is urged before it is due, though, and
  // nobody's absence makes a breach graver: the two documents come at their own times.
  void Told(const type::v1::NotificationReport& report) {
    if (!report.unreachable() || report.rung() < type::v1::RUNG_URGE) return;
    for (OrderClock& clock : order_.clocks) {
      if (!IsAbout(report, clock)) continue;
      // Of a rung that a higher one has overtaken nothing follows, nor of the last.
      if (!clock.live() || report.rung() != clock.rung || clock.next_rung == type::v1::RUNG_UNSPECIFIED)
        continue;
      if (clock.next_rung >= type::v1::RUNG_CIRCULATE) continue;
      Rebase(&clock);
      v1::ClockHistory history = HistoryOf(clock);
      history.set_hurried_rung(clock.next_rung);
      *history.mutable_hurry_time() = event_.commit_time();
      history.SerializeToString(&clock.history);
      Plan(deadlines_, &clock);
    }
    AwaitAcceptance();
  }

  // Its job is done under another order. The deadline is its own caller's and stands; the duty is that of
  // whoever works there.
  void Merge() {
    Stop(type::v1::CLOCK_KIND_SIGN);
    Stop(type::v1::CLOCK_KIND_UNIT_RETURN);
    EndAssistance();
    order_.lead_unit.clear();
    const bool here = event_.custody().holder() == site_ && !event_.merged().lead_unit().empty();
    const bool began = Live(type::v1::CLOCK_KIND_FINISH) != nullptr;
    WorkPasses(here ? event_.merged().lead_unit() : event_.custody().holder());
    if (event_.custody().holder() != site_) return;
    // Each caller is spoken to by themselves: by the desk, as no unit is at work on this order.
    if (OrderClock* contact = Live(type::v1::CLOCK_KIND_FIRST_CONTACT); contact != nullptr) {
      PassTo(std::string(site_), contact);
    } else if (!began) {
      ArmContact(std::string(site_));
    }
  }

  void WorkPasses(const std::string& duty_party) {
    if (OrderClock* clock = Live(type::v1::CLOCK_KIND_FINISH); clock != nullptr) {
      PassTo(duty_party, clock);
    } else {
      Arm(type::v1::CLOCK_KIND_FINISH, duty_party);
    }
  }

  // The deadline stands, though whoever has the duty now may work by other days.
  void PassTo(const std::string& duty_party, OrderClock* clock) {
    Rebase(clock);
    const bool other_calendar = deadlines_.CalendarOf(clock->rule, clock->duty_party) !=
                                deadlines_.CalendarOf(clock->rule, duty_party);
    // By the days of whoever had it so far.
    const absl::Time due = DueAt(*clock, at_, deadlines_);
    const std::string from = std::exchange(clock->duty_party, duty_party);
    if (!other_calendar) return;
    v1::ClockAdjustment adjustment;
    adjustment.mutable_passed()->set_from_party(from);
    adjustment.mutable_passed()->set_to_party(duty_party);
    *adjustment.mutable_passed()->mutable_until_time() = ToProto(due);
    Adjust(std::move(adjustment), clock);
  }

  void Redo() {
    const std::string& holder = event_.custody().holder();
    const bool unit = holder == site_ && !order_.lead_unit.empty();
    const std::string duty = unit ? order_.lead_unit : holder;
    Stop(type::v1::CLOCK_KIND_CALL_BACK);
    Stop(type::v1::CLOCK_KIND_RESULT_BACK);
    order_.contacted = false;
    Arm(type::v1::CLOCK_KIND_FINISH, duty);
    if (unit) ArmAssisting(type::v1::CLOCK_KIND_FINISH);
    if (holder == site_) ArmContact(duty);
  }

  void Doubt() {
    const type::v1::InDoubtDetail& detail = event_.in_doubt();
    Climb(detail.escalation());
    if (detail.action() == type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE && detail.has_keep_by_time()) {
      ArmUntil(type::v1::CLOCK_KIND_VOICE, FromProto(detail.keep_by_time()));
      // The peer may have read it since the rung was sent.
      AwaitAcceptance();
    }
  }

  void Climb(const type::v1::Escalation& escalation) {
    for (OrderClock& clock : order_.clocks) {
      if (!IsAbout(escalation, clock)) continue;
      if (escalation.rung() == type::v1::RUNG_CLOSE_RETURN) {
        clock.rung = escalation.rung();
        StopClock(&clock);
        continue;
      }
      if (escalation.rung() >= type::v1::RUNG_URGE) clock.breached = true;
      if (escalation.rung() <= clock.rung) continue;
      Rebase(&clock);
      clock.rung = escalation.rung();
      Plan(deadlines_, &clock);
    }
    AwaitAcceptance();
  }

  // The offer or the work is over. After a reply, and after a closing, the same units may have to do it
  // again.
  void End(bool scene_too = true) {
    for (OrderClock& clock : order_.clocks) {
      if (scene_too || clock.kind != type::v1::CLOCK_KIND_SCENE_ARRIVAL) StopClock(&clock);
    }
    order_.suspended = false;
    if (event_.detail_case() == Event::kReplied || event_.detail_case() == Event::kClosed) return;
    order_.lead_unit.clear();
    order_.assist_units.clear();
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

  // `assist_unit`: the duty party is that, beside whoever has the order.
  void Arm(ClockKind kind, const std::string& duty_party, std::string_view assist_unit = {}) {
    Stop(kind, assist_unit);
    if (follows_) return;
    // Somebody always has the duty, if only this hotline.
    const std::string duty = duty_party.empty() ? std::string(site_) : duty_party;
    const RuleRef rule = deadlines_.Find(kind, TraitsOf(order_, !assist_unit.empty(), duty), at_);
    if (!deadlines_.has_limit(rule)) return;
    Add(kind, duty, rule, deadlines_.DueAfter(rule, duty, at_), assist_unit);
  }

  // A clock of this hotline whose deadline the order itself carries.
  void ArmUntil(ClockKind kind, absl::Time due) {
    Stop(kind);
    if (follows_) return;
    RuleRef rule = deadlines_.Find(kind, TraitsOf(order_, /*assist=*/false, site_), at_);
    if (IsCarried(kind)) rule.rule = -1;
    Add(kind, std::string(site_), rule, {due, false}, {});
  }

  void Add(ClockKind kind, std::string duty_party, RuleRef rule, DueTime due, std::string_view assist_unit) {
    OrderClock& clock = order_.clocks.emplace_back();
    clock.kind = kind;
    clock.armed_by = event_.sequence();
    clock.assist_unit = std::string(assist_unit);
    clock.duty_party = std::move(duty_party);
    clock.start = at_;
    clock.due = due.time;
    clock.provisional = due.provisional;
    clock.rule = rule;
    if (order_.suspended && kind != type::v1::CLOCK_KIND_SUSPENSION_REVIEW) {
      clock.state = v1::CLOCK_STATE_PAUSED;
      v1::ClockAdjustment adjustment;
      adjustment.mutable_pause();
      return Adjust(std::move(adjustment), &clock);
    }
    Schedule(&clock);
  }

  OrderClock* Live(ClockKind kind, std::string_view assist_unit = {}) {
    for (OrderClock& clock : order_.clocks) {
      if (clock.kind == kind && clock.live() && clock.assist_unit == assist_unit) return &clock;
    }
    return nullptr;
  }

  void Stop(ClockKind kind, std::string_view assist_unit = {}) {
    if (OrderClock* clock = Live(kind, assist_unit); clock != nullptr) StopClock(clock);
  }

  void StopClock(OrderClock* clock) {
    if (!clock->live()) return;
    // While what is left is still known: a clock that stands still misses nothing.
    MarkBreach(clock);
    if (clock->state == v1::CLOCK_STATE_PAUSED) {
      Rebase(clock);
      const DueTime due = deadlines_.Resume(clock->rule, clock->duty_party, at_, clock->remaining);
      clock->due = due.time;
      clock->provisional |= due.provisional;
      clock->remaining = absl::ZeroDuration();
    }
    clock->state = v1::CLOCK_STATE_STOPPED;
    clock->stop = at_;
    clock->next_rung = type::v1::RUNG_UNSPECIFIED;
    clock->next = absl::InfiniteFuture();
  }

  // Time is half-open: at the deadline it is over.
  void MarkBreach(OrderClock* clock) const {
    // Of RESULT_BACK nobody here knows when it was fulfilled, only that it was: it is breached if a rung said
    // so.
    if (clock->kind == type::v1::CLOCK_KIND_RESULT_BACK) return;
    if (clock->kind == type::v1::CLOCK_KIND_UNIT_RETURN) return;
    if (DueAt(*clock, at_) <= at_) clock->breached = true;
  }

  OrderClocks& order_;
  const Event& event_;
  const Deadlines& deadlines_;
  const std::string_view site_;
  const absl::Time at_;
  // The order only follows another one here.
  bool follows_ = false;
};

}  // namespace

bool FollowsAnotherCopy(const OrderClocks& before, const Event& event, std::string_view site) {
  if (!IsGivenBy(event, site)) return false;
  switch (event.state()) {
    case type::v1::ORDER_STATE_REGISTERED:
    case type::v1::ORDER_STATE_OFFERED:
    case type::v1::ORDER_STATE_RECEIVED:
    case type::v1::ORDER_STATE_UNDERSTOOD:
    case type::v1::ORDER_STATE_RETURNED:
    case type::v1::ORDER_STATE_RECALLED:
      return false;
    default:
      break;
  }
  const bool followed = before.receiver == site;
  // Nobody here may act on it, and what is told of it names this hotline as whom it was given on to.
  const bool here = event.mirrored() && event.custody().holder() == site;
  switch (event.detail_case()) {
    case Event::kOffered:
      return followed && event.offered().handoff().id() != event.handoff_id();
    case Event::kAccepted:
    case Event::kDispatched:
    case Event::kSigned:
    case Event::kReassigned:
    case Event::kProgressed:
    case Event::kSuspended:
    case Event::kUnitReturned:
    case Event::kMerged:
    case Event::kSeparated:
    case Event::kReplied:
    case Event::kRedoDemanded:
    case Event::kReopened:
      return here || (followed && event.mirrored());
    case Event::kReturned:
      // By somebody beyond. The origin does not give back what it has accepted.
      return here || (followed && before.origin_here);
    default:
      // Neither a dispute nor what the desks record tells of work: the handoff may be over, and the order
      // this hotline's own again.
      return followed;
  }
}

bool Concerns(const Event& event) {
  switch (event.detail_case()) {
    case Event::kProgressed:
      return event.progressed().part_done() || event.state_before() != event.state();
    case Event::kExtensionRequested:
    case Event::kRungAcknowledged:
    case Event::kErased:
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
  const size_t known = before.clocks.size();
  Step(&before, event, deadlines, site).Run();
  // Those that one event armed, in the order in which the store has them.
  std::sort(before.clocks.begin() + static_cast<ptrdiff_t>(known), before.clocks.end(),
            [](const OrderClock& a, const OrderClock& b) {
              return std::tie(a.kind, a.assist_unit) < std::tie(b.kind, b.assist_unit);
            });
  return before;
}

absl::Time DueAt(const OrderClock& clock, absl::Time now) {
  return clock.state == v1::CLOCK_STATE_PAUSED ? now + clock.remaining : clock.due;
}

absl::Time DueAt(const OrderClock& clock, absl::Time now, const Deadlines& deadlines) {
  if (clock.state != v1::CLOCK_STATE_PAUSED) return clock.due;
  return deadlines.Resume(clock.rule, clock.duty_party, now, clock.remaining).time;
}

bool KnownOpenAt(const OrderClock& clock, Rung rung) {
  return clock.kind != type::v1::CLOCK_KIND_RESULT_BACK || clock.rung >= rung;
}

v1::Lamp LampAt(const OrderClock& clock, absl::Time now) {
  if (clock.kind == type::v1::CLOCK_KIND_UNIT_RETURN) return v1::LAMP_GREEN;
  if (clock.state == v1::CLOCK_STATE_PAUSED) {
    if (clock.remaining <= absl::ZeroDuration()) return v1::LAMP_RED;
    return clock.rung >= type::v1::RUNG_REMIND ? v1::LAMP_YELLOW : v1::LAMP_GREEN;
  }
  const absl::Time at = clock.live() ? now : clock.stop;
  if (at >= clock.due && KnownOpenAt(clock, type::v1::RUNG_URGE)) return v1::LAMP_RED;
  return at >= clock.remind && KnownOpenAt(clock, type::v1::RUNG_REMIND) ? v1::LAMP_YELLOW : v1::LAMP_GREEN;
}

std::string_view DutyAt(const v1::ClockHistory& history, int index, std::string_view duty_party) {
  for (int i = index; i < history.adjustments_size(); ++i) {
    if (history.adjustments(i).has_passed()) return history.adjustments(i).passed().from_party();
  }
  return duty_party;
}

Reckoned Reckon(const OrderClock& clock, RuleRef rule, const Deadlines& deadlines) {
  Reckoned reckoned;
  // A deadline that the order itself carried stays that.
  const bool carried = deadlines.Limit(clock.rule).value == 0;
  const v1::ClockHistory history = HistoryOf(clock);
  reckoned.due = carried ? DueTime{clock.due, false}
                         : deadlines.DueAfter(rule, DutyAt(history, 0, clock.duty_party), clock.start);
  if (carried || clock.history.empty()) {
    reckoned.remaining = clock.remaining;
    return reckoned;
  }
  for (int i = 0; i < history.adjustments_size(); ++i) {
    ApplyAdjustment(history.adjustments(i), DutyAt(history, i + 1, clock.duty_party), rule, deadlines,
                    &reckoned.due.time, &reckoned.remaining, &reckoned.due.provisional);
  }
  return reckoned;
}

std::optional<OrderClock> MovedTo(const OrderClocks& order, const OrderClock& clock, int64_t publication,
                                  const Deadlines& deadlines) {
  if (!clock.live() || IsCarried(clock.kind)) return std::nullopt;
  const RuleRef rule = deadlines.FindIn(publication, clock.kind, TraitsOf(order, clock), clock.start);
  if (rule.rule < 0) return std::nullopt;
  OrderClock moved = clock;
  const Reckoned reckoned = Reckon(clock, rule, deadlines);
  moved.rule = rule;
  moved.due = reckoned.due.time;
  moved.provisional = reckoned.due.provisional;
  moved.remaining = reckoned.remaining;
  moved.remind = deadlines.RemindTime(rule, moved.duty_party, moved.due);
  if (moved.remind <= moved.start) moved.remind = absl::InfiniteFuture();
  Plan(deadlines, &moved);
  const bool reminder_moves = moved.rung < type::v1::RUNG_REMIND && moved.remind != clock.remind;
  if (moved.due == clock.due && moved.remaining == clock.remaining && !reminder_moves &&
      moved.next == clock.next && moved.next_rung == clock.next_rung &&
      moved.provisional == clock.provisional) {
    return std::nullopt;
  }
  return moved;
}

namespace {

void SetEscalationHeader(const std::string& order_id, const std::string& request_id,
                         type::v1::Command* command) {
  type::v1::CommandHeader& header = *command->mutable_header();
  header.set_order_id(order_id);
  header.set_request_id(request_id);
  header.mutable_actor()->set_account("service/escalation");
  const std::string trace = absl::BytesToHexString(Sha256({request_id}));
  command->set_traceparent(absl::StrCat("00-", trace.substr(0, 32), "-", trace.substr(32, 16), "-01"));
}

std::string CalendarVersion(const OrderClock& clock, RuleRef rule, const Deadlines& deadlines) {
  const calendar::Calendar* calendar = deadlines.WorkCalendarOf(rule, clock.duty_party);
  return calendar == nullptr ? std::string() : calendar->version();
}

}  // namespace

type::v1::Command MoveCommand(const OrderClocks& order, const OrderClock& clock, const OrderClock& moved,
                              const Deadlines& deadlines) {
  type::v1::Command command;
  const std::string id = FormatOrderId(order.id);
  SetEscalationHeader(
      id,
      absl::StrCat(ToAbsl(kMoveIds), id, "/", ClockName(clock.kind), "/",
                   ArmingName(clock.armed_by, clock.assist_unit), "/", moved.rule.publication),
      &command);
  type::v1::DeadlineMove& move = *command.mutable_deadline_move();
  move.set_clock(clock.kind);
  move.set_armed_by_sequence(clock.armed_by);
  *move.mutable_old_due_time() = ToProto(clock.due);
  *move.mutable_new_due_time() = ToProto(moved.due);
  move.set_policy_version(deadlines.VersionOf(moved.rule));
  move.set_calendar_version(CalendarVersion(clock, moved.rule, deadlines));
  // If the calendar alone would have moved it, it was the calendar.
  const bool same_rule = deadlines.VersionOf(moved.rule) == deadlines.VersionOf(clock.rule) &&
                         deadlines.Limit(moved.rule) == deadlines.Limit(clock.rule);
  move.set_reason(same_rule ? type::v1::DEADLINE_MOVE_REASON_CALENDAR
                            : type::v1::DEADLINE_MOVE_REASON_POLICY);
  move.set_note(deadlines.publications()[static_cast<size_t>(moved.rule.publication - 1)].note);
  move.set_duty_party(clock.duty_party);
  move.set_publication(moved.rule.publication);
  move.set_assist_unit(clock.assist_unit);
  return command;
}

type::v1::Command RungCommand(const OrderClocks& order, const OrderClock& clock, Rung rung,
                              const Deadlines& deadlines) {
  type::v1::Command command;
  const std::string id = FormatOrderId(order.id);
  SetEscalationHeader(id,
                      absl::StrCat(ToAbsl(kRungIds), id, "/", ClockName(clock.kind), "/",
                                   ArmingName(clock.armed_by, clock.assist_unit), "/", RungName(rung)),
                      &command);
  type::v1::Escalation& escalation = *command.mutable_escalation();
  escalation.set_clock(clock.kind);
  escalation.set_rung(rung);
  escalation.set_armed_by_sequence(clock.armed_by);
  *escalation.mutable_due_time() = ToProto(clock.due);
  escalation.set_duty_party(clock.duty_party);
  escalation.set_assist_unit(clock.assist_unit);
  if (IsCarried(clock.kind)) {
    // What the order carries names the offer; the rung may have waited for the peer. If a publication has
    // taken that back since, the desks are still to have their time to telephone.
    const v1::ClockHistory history = HistoryOf(clock);
    *escalation.mutable_due_time() = ToProto(CarriedTime(clock, history));
    if (history.has_carried_time()) *escalation.mutable_rung_time() = ToProto(clock.due);
    return command;
  }
  if (clock.next != clock.due) *escalation.mutable_rung_time() = ToProto(clock.next);
  escalation.set_policy_version(deadlines.VersionOf(clock.rule));
  escalation.set_calendar_version(CalendarVersion(clock, clock.rule, deadlines));
  if (clock.kind == type::v1::CLOCK_KIND_FINISH && clock.assist_unit.empty()) {
    *escalation.mutable_last_tenth_time() =
        ToProto(deadlines.LastTenth(clock.rule, clock.duty_party, clock.start, clock.due));
  }
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

absl::Time DeadlineOf(const type::v1::Escalation& escalation) {
  return FromProto(IsCarried(escalation.clock()) && escalation.has_rung_time() ? escalation.rung_time()
                                                                               : escalation.due_time());
}

absl::Time OfferTime(const OrderClock& clock) {
  const v1::ClockHistory history = HistoryOf(clock);
  return history.has_offer_time() ? FromProto(history.offer_time()) : clock.start;
}

v1::Deadline Describe(const OrderClocks& order, const OrderClock& clock, absl::Time now,
                      const Deadlines& deadlines) {
  v1::Deadline deadline;
  deadline.set_order_id(FormatOrderId(order.id));
  deadline.set_order_number(order.number);
  deadline.set_clock(clock.kind);
  deadline.set_duty_party(clock.duty_party);
  // As it would be resumed now.
  const Basis basis = clock.state == v1::CLOCK_STATE_PAUSED ? BasisAt(order, clock, now, deadlines)
                                                            : Basis{clock.rule, clock.provisional};
  const RuleRef rule = basis.rule;
  const absl::Time due = clock.state == v1::CLOCK_STATE_PAUSED
                             ? deadlines.Resume(rule, clock.duty_party, now, clock.remaining).time
                             : clock.due;
  *deadline.mutable_start_time() = ToProto(clock.start);
  *deadline.mutable_due_time() = ToProto(due);
  const absl::Time remind =
      due == clock.due ? clock.remind : deadlines.RemindTime(rule, clock.duty_party, due);
  if (remind != absl::InfiniteFuture()) *deadline.mutable_remind_time() = ToProto(remind);
  deadline.set_clock_state(clock.state);
  deadline.set_lamp(LampAt(clock, now));
  deadline.set_rung(clock.rung);
  deadline.set_urgency(order.urgency);
  deadline.set_order_state(order.state);
  if (!clock.live()) *deadline.mutable_stop_time() = ToProto(clock.stop);
  deadline.set_breached(clock.breached ||
                        (clock.live() && due <= now && clock.kind != type::v1::CLOCK_KIND_UNIT_RETURN &&
                         KnownOpenAt(clock, type::v1::RUNG_URGE)));
  deadline.set_policy_version(deadlines.VersionOf(rule));
  deadline.set_calendar_version(CalendarVersion(clock, rule, deadlines));
  deadline.set_provisional(basis.provisional);
  deadline.set_publication(rule.publication);
  deadline.set_armed_by_sequence(clock.armed_by);
  deadline.set_assist_unit(clock.assist_unit);
  if (clock.next != absl::InfiniteFuture()) {
    deadline.set_next_rung(clock.next_rung);
    *deadline.mutable_next_rung_time() = ToProto(clock.next);
  }
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
