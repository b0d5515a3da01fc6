#include "services/hotlinectl/core/render.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "google/protobuf/util/json_util.h"
#include "services/hotlinectl/core/failure.h"
#include "services/hotlinectl/core/text_catalogue.h"

namespace hotline::hotlinectl {
namespace {

using type::v1::Event;
using type::v1::OrderState;
using type::v1::WorkOrder;

// Wide enough for what usually comes, so that lines printed one by one stay aligned.
constexpr int kNumberWidth = 21;
constexpr int kStateWidth = 12;
constexpr int kEventWidth = 18;
constexpr int kTitleWidth = 24;
constexpr int kActorWidth = 16;

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& items) {
  return absl::StrJoin(items, ", ");
}

// `first`, and `second` behind it if there is one.
std::string With(std::string first, std::string_view separator, std::string_view second) {
  return second.empty() ? first : StrCat(first, first.empty() ? "" : separator, second);
}

std::string UnitsText(Language language, const std::string& lead,
                      const google::protobuf::RepeatedPtrField<std::string>& assist) {
  return assist.empty() ? Say(language, say::kLeadOnly, lead)
                        : Say(language, say::kLeadAssist, lead, Join(assist));
}

std::string HandoffText(Language language, const type::v1::Handoff& handoff) {
  return With(
      StrCat(handoff.from_hotline(), " → ", handoff.to_hotline(), "  ", EnumLabel(language, handoff.kind())),
      ": ", handoff.note());
}

std::string CallBackText(Language language, const type::v1::CallBack& call_back) {
  std::string text(Say(language, call_back.reached() ? say::kReached : say::kCallerNotReached));
  if (call_back.reached()) {
    text = With(text, ", ", Say(language, call_back.settled() ? say::kSettled : say::kNotSettled));
  }
  if (call_back.satisfaction() > 0) {
    text = With(text, ", ", Say(language, say::kSatisfaction, call_back.satisfaction()));
  }
  return text;
}

std::string VoiceText(Language language, const type::v1::VoiceConfirmation& voice) {
  return With(Say(language, say::kVoice, EnumLabel(language, voice.outcome()), voice.by_hotline(),
                  TimeText(voice.confirm_time()), voice.spoken_with()),
              ": ", voice.note());
}

std::string MergedOrderText(Language language, const type::v1::MergedOrder& order) {
  return Say(language, say::kMergedOrder, order.number(), EnumLabel(language, order.state()),
             order.origin_hotline());
}

std::string OutcomeText(Language language, const type::v1::PartnerOutcome& outcome) {
  std::string text =
      StrCat(outcome.hotline(), " ", outcome.number(), " ", EnumLabel(language, outcome.state()));
  if (outcome.disposition() != type::v1::DISPOSITION_UNSPECIFIED) {
    text = With(text, " ", EnumLabel(language, outcome.disposition()));
  }
  return With(text, ": ", outcome.note());
}

std::string SceneText(Language language, const type::v1::SceneReferral& scene) {
  const std::string request = EnumLabel(language, scene.request());
  if (scene.request() != type::v1::SCENE_REQUEST_BRING_UNIT) return request;
  const auto or_none = [](const std::string& text) { return text.empty() ? std::string("-") : text; };
  return Say(language, say::kScene, request, or_none(scene.asked_of()), or_none(scene.wanted_unit()));
}

std::string SceneRecordText(Language language, const type::v1::SceneRecord& record) {
  const type::v1::SceneArrival& arrival = record.arrival();
  std::string text = With(EnumLabel(language, arrival.outcome()), " ", arrival.unit());
  if (arrival.has_arrive_time()) text = With(text, " ", TimeText(arrival.arrive_time()));
  return With(Say(language, say::kSceneRecord, text, record.by_hotline(), TimeText(record.record_time())),
              ": ", arrival.note());
}

// A span with its sign, to the millisecond.
std::string SpanText(const google::protobuf::Duration& span) {
  return absl::FormatDuration(
      absl::Trunc(absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos()), absl::Milliseconds(1)));
}

std::string ReturnText(Language language, const type::v1::HandoffReturn& returned) {
  std::string text = With(EnumLabel(language, returned.ground()), ": ", returned.reason());
  text = With(text, "; ", returned.legal_basis());
  text = With(text, "; → ", returned.proposed_hotline());
  text = With(text, "; → ", returned.proposed_unit());
  return With(text, "; ", returned.proposed_item());
}

std::string ActorText(const type::v1::Actor& actor) {
  const std::string person = With(actor.account(), "/", actor.unit());
  if (actor.acting_hotline().empty()) return With(person, "@", actor.hotline());
  return StrCat(With(person, "@", actor.acting_hotline()), " (", actor.hotline(), ")");
}

Colour StateColour(OrderState state) {
  switch (state) {
    case type::v1::ORDER_STATE_CLOSED:
    case type::v1::ORDER_STATE_ARCHIVED:
    case type::v1::ORDER_STATE_CALLED_BACK:
    case type::v1::ORDER_STATE_REPLIED:
      return Colour::kGreen;
    case type::v1::ORDER_STATE_RETURNED:
    case type::v1::ORDER_STATE_RECALLED:
    case type::v1::ORDER_STATE_REDO:
      return Colour::kYellow;
    case type::v1::ORDER_STATE_CANCELLED:
      return Colour::kDim;
    default:
      return Colour::kCyan;
  }
}

Cell UrgencyCell(Language language, type::v1::Urgency urgency) {
  const Colour colour = urgency == type::v1::URGENCY_EMERGENCY ? Colour::kRed
                        : urgency == type::v1::URGENCY_URGENT  ? Colour::kYellow
                                                               : Colour::kNone;
  return Cell(EnumLabel(language, urgency), colour);
}

Column Heading(Language language, const Phrase& phrase, int min_width = 0) {
  return {.heading = std::string(Say(language, phrase)), .min_width = min_width};
}
Column Shrinking(Language language, const Phrase& phrase, int min_width = 0) {
  Column column = Heading(language, phrase, min_width);
  column.shrinks = true;
  return column;
}
Column RightAligned(Language language, const Phrase& phrase, int min_width = 0) {
  Column column = Heading(language, phrase, min_width);
  column.right_aligned = true;
  return column;
}

std::string CoordinatesText(const type::v1::Place& place) {
  if (!place.has_manual_coordinates() && !place.has_automatic_coordinates()) return "";
  const auto& point =
      place.has_manual_coordinates() ? place.manual_coordinates() : place.automatic_coordinates();
  return absl::StrFormat("%.6f, %.6f", point.latitude(), point.longitude());
}

std::string CallerText(Language language, const type::v1::Caller& caller) {
  std::string text = caller.anonymous() ? std::string(Say(language, say::kAnonymous)) : caller.name();
  if (!caller.language().empty()) text = StrCat(text, " (", caller.language(), ")");
  return text;
}

// Days are days; what the contract counts in seconds is told in the largest unit that it is a whole number
// of.
std::string AmountText(Language language, const type::v1::TimeAmount& amount) {
  const bool work = amount.kind() == type::v1::TIME_KIND_WORKING_HOURS;
  if (!work && amount.kind() != type::v1::TIME_KIND_CLOCK_TIME) {
    return StrCat(amount.value(), " ", EnumLabel(language, amount.kind()));
  }
  if (amount.value() % 3600 == 0) {
    return StrCat(amount.value() / 3600, " ", Say(language, work ? say::kWorkingHours : say::kHours));
  }
  if (amount.value() % 60 == 0) {
    return StrCat(amount.value() / 60, " ", Say(language, work ? say::kWorkingMinutes : say::kMinutes));
  }
  return StrCat(amount.value(), " ", Say(language, work ? say::kWorkingSeconds : say::kSeconds));
}

std::string ExtensionText(Language language, const type::v1::ExtensionRequest& request) {
  if (request.has_until_time()) return StrCat("→ ", TimeText(request.until_time()));
  return StrCat("+", AmountText(language, request.length()));
}

std::string DutyText(Language language, const std::string& party, bool assists) {
  return assists ? Say(language, say::kAssist, party) : party;
}

std::string TasksText(Language language, const WorkOrder& order) {
  std::string text;
  for (const auto& unit : order.units()) {
    std::string one = Say(language, unit.lead() ? say::kLead : say::kAssist, unit.unit());
    if (unit.has_sign_time()) {
      one = With(one, " ",
                 Say(language, say::kSignedBy, With(unit.handler(), " ", TimeText(unit.sign_time()))));
    }
    if (unit.has_finish_time()) {
      one = With(one, ", ", StrCat(Say(language, say::kPartDone), " ", TimeText(unit.finish_time())));
    }
    text = With(text, "; ", one);
  }
  return text;
}

// The two lanes of a peer go up and down each by itself.
Cell LaneCell(Language language, const dispatch::v1::LinkStatus& link) {
  const bool emergency = link.lane() == exchange::v1::LANE_EMERGENCY;
  return Cell(Say(language, emergency ? say::kEmergencyLane : say::kOrdinaryLane));
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  // Fails only for messages that JSON cannot hold, such as an Any of an unknown type: then the plain form is
  // better than nothing.
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
    options.always_print_primitive_fields = false;
    json.clear();
    if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "{}";
  }
  return json;
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", ToTime(time), Beijing());
}

std::string FactsText(Language language, const type::v1::Facts& facts) {
  std::string text;
  const auto add = [&](bool holds, std::string_view mark) {
    if (holds) text = With(text, " ", mark);
  };
  add(facts.overdue(), Say(language, say::kMarkOverdue));
  add(facts.remind_count() > 0, Say(language, say::kMarkReminded, facts.remind_count()));
  add(facts.urge_count() > 0, Say(language, say::kMarkUrged, facts.urge_count()));
  add(facts.suspended(), Say(language, say::kMarkSuspended));
  add(facts.extension_count() > 0, Say(language, say::kMarkExtended, facts.extension_count()));
  add(facts.redo_count() > 0, Say(language, say::kMarkRedo, facts.redo_count()));
  add(facts.recall_requested(), Say(language, say::kMarkRecall));
  add(facts.in_doubt(), Say(language, say::kMarkInDoubt));
  add(facts.voice_confirmation_required(), Say(language, say::kMarkByVoice));
  add(facts.receipt_alarm(), Say(language, say::kMarkAlarm));
  add(facts.return_count() > 0, Say(language, say::kMarkReturned, facts.return_count()));
  add(facts.unit_return_count() > 0, Say(language, say::kMarkUnitReturned, facts.unit_return_count()));
  add(facts.supervise_count() > 0, Say(language, say::kMarkSupervised, facts.supervise_count()));
  add(facts.circulate_count() > 0, Say(language, say::kMarkCirculated, facts.circulate_count()));
  add(facts.discipline_count() > 0, Say(language, say::kMarkDisciplined, facts.discipline_count()));
  add(facts.rung_unreached(), Say(language, say::kMarkUnreached));
  add(facts.disputed(), Say(language, say::kMarkDisputed));
  add(!facts.ruled_for().empty(), Say(language, say::kMarkRuled, facts.ruled_for()));
  add(facts.secret(), Say(language, say::kMarkSecret));
  add(facts.restricted(), Say(language, say::kMarkRestricted));
  return text;
}

std::string_view EventName(Language language, const Event& event) {
  const auto name = [&]() -> const Phrase& {
    switch (event.detail_case()) {
      case Event::kRegistered:
        return say::kEvRegistered;
      case Event::kOffered:
        return say::kEvOffered;
      case Event::kReceived:
        return say::kEvReceived;
      case Event::kUnderstood:
        // At the receiver this event begins the order.
        return event.understood().has_registered() ? say::kEvArrived : say::kEvUnderstood;
      case Event::kAccepted:
        return say::kEvAccepted;
      case Event::kReturned:
        return say::kEvReturned;
      case Event::kRecallRequested:
        return say::kEvRecallRequested;
      case Event::kRecalled:
        return say::kEvRecalled;
      case Event::kRecallRefused:
        return say::kEvRecallRefused;
      case Event::kDispatched:
        return say::kEvDispatched;
      case Event::kSigned:
        return say::kEvSigned;
      case Event::kProgressed:
        return say::kEvProgressed;
      case Event::kExtended:
        return say::kEvExtended;
      case Event::kSuspended:
        return say::kEvSuspended;
      case Event::kResumed:
        return say::kEvResumed;
      case Event::kReplied:
        return say::kEvReplied;
      case Event::kCalledBack:
        return say::kEvCalledBack;
      case Event::kRedoDemanded:
        return say::kEvRedoDemanded;
      case Event::kClosed:
        return say::kEvClosed;
      case Event::kCancelled:
        return say::kEvCancelled;
      case Event::kArchived:
        return say::kEvArchived;
      case Event::kEscalated:
        return say::kEvEscalated;
      case Event::kInDoubt:
        return say::kEvInDoubt;
      case Event::kVoiceConfirmed:
        return say::kEvVoiceConfirmed;
      case Event::kAlarmed:
        return say::kEvAlarmed;
      case Event::kPartnersCalled:
        return say::kEvPartnersCalled;
      case Event::kDisputed:
        return say::kEvDisputed;
      case Event::kRuled:
        return say::kEvRuled;
      case Event::kReopened:
        return say::kEvReopened;
      case Event::kSceneRecorded:
        return say::kEvSceneRecorded;
      case Event::kMerged:
        return say::kEvMerged;
      case Event::kSeparated:
        return say::kEvSeparated;
      case Event::kMergedOrder:
        return event.merged_order().separated() ? say::kEvMergedOrderGone : say::kEvMergedOrder;
      case Event::kPartnerEnded:
        return say::kEvPartnerEnded;
      case Event::kDisclosed:
        return say::kEvDisclosed;
      case Event::kResent:
        return say::kEvResent;
      case Event::kContacted:
        return say::kEvContacted;
      case Event::kExtensionRequested:
        return say::kEvExtensionRequested;
      case Event::kExtensionDecided:
        return say::kEvExtensionDecided;
      case Event::kUnitReturned:
        return say::kEvUnitReturned;
      case Event::kReassigned:
        return say::kEvReassigned;
      case Event::kAccused:
        return say::kEvAccused;
      case Event::kDeadlineMoved:
        return say::kEvDeadlineMoved;
      case Event::kRungAcknowledged:
        return say::kEvRungAcknowledged;
      case Event::kNotificationReported:
        return say::kEvNotified;
      case Event::kHoldPlaced:
        return say::kEvHoldPlaced;
      case Event::kHoldReleased:
        return say::kEvHoldReleased;
      case Event::kErased:
        return say::kEvErased;
      case Event::DETAIL_NOT_SET:
        return say::kEvUnknown;
    }
    return say::kEvUnknown;
  };
  return Say(language, name());
}

// What was advised, and whether the choice differs. Empty if nothing was.
std::string RouteText(Language language, const type::v1::RouteRecord& route) {
  if (!route.has_advice()) return {};
  const type::v1::RouteAdvice& advice = route.advice();
  const std::string what = With(advice.hotline().empty() ? "?" : advice.hotline(), " ", advice.item().item());
  return With(
      StrCat(Say(language, say::kLabelAdvice), " ", what, " (", EnumLabel(language, advice.rule()), ")"),
      ", ",
      route.against_advice() ? With(std::string(Say(language, say::kAgainstAdvice)), ": ", route.reason())
                             : "");
}

std::string EventDetail(Language language, const Event& event) {
  switch (event.detail_case()) {
    case Event::kRegistered:
      return With(With(StrCat(EnumLabel(language, event.registered().type()), ", ",
                              EnumLabel(language, event.registered().urgency())),
                       ", ", event.registered().catalogue().item()),
                  "; ", RouteText(language, event.registered().route()));
    case Event::kOffered:
      return With(HandoffText(language, event.offered().handoff()), "; ",
                  RouteText(language, event.offered().registered().route()));
    case Event::kReceived:
      return With(TimeText(event.received().receive_time()), ", ",
                  event.received().late() ? Say(language, say::kMarkLate) : "");
    case Event::kUnderstood: {
      const auto& handoff = event.understood().handoff();
      const bool here = event.understood().has_registered();
      const std::string& number = here ? handoff.from_number() : handoff.to_number();
      std::string text = here ? HandoffText(language, handoff) : "";
      if (!number.empty()) text = With(text, ", ", Say(language, say::kPeerNumber, number));
      return With(text, ", ", handoff.late() ? Say(language, say::kMarkLate) : "");
    }
    case Event::kAccepted: {
      const auto& accepted = event.accepted();
      std::string text = accepted.acceptance().note();
      return accepted.has_voice() ? With(text, "; ", VoiceText(language, accepted.voice())) : text;
    }
    case Event::kInDoubt: {
      const auto& doubt = event.in_doubt();
      const std::string action = EnumLabel(language, doubt.action());
      if (doubt.action() != type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE) {
        return With(action, ": ", doubt.recall_reason());
      }
      return Say(language, say::kCodeAndKeepBy, action, doubt.spoken_code(), TimeText(doubt.keep_by_time()));
    }
    case Event::kVoiceConfirmed:
      return With(VoiceText(language, event.voice_confirmed().voice()), "; ",
                  event.voice_confirmed().recall_requested() ? Say(language, say::kRecallAsked) : "");
    case Event::kAlarmed:
      return EnumLabel(language, event.alarmed().kind());
    case Event::kPartnersCalled:
      return With(Join(event.partners_called().to_hotlines()), ": ", event.partners_called().note());
    case Event::kReturned:
      return ReturnText(language, event.returned().handoff_return());
    case Event::kRecallRequested:
      return event.recall_requested().recall().reason();
    case Event::kRecalled:
      return event.recalled().recall().reason();
    case Event::kDispatched:
      return With(UnitsText(language, event.dispatched().lead_unit(), event.dispatched().assist_units()),
                  ": ", event.dispatched().note());
    case Event::kSigned:
      return event.signed_().unit();
    case Event::kProgressed:
      return With(With(event.progressed().unit(), " ",
                       event.progressed().part_done() ? Say(language, say::kPartDone) : ""),
                  ": ", event.progressed().note());
    case Event::kExtended:
      return Say(language, say::kUntil, TimeText(event.extended().until_time()), event.extended().ground());
    case Event::kSuspended:
      return Say(language, say::kReview, TimeText(event.suspended().review_time()),
                 event.suspended().reason());
    case Event::kResumed:
      return event.resumed().note();
    case Event::kReplied:
      return With(EnumLabel(language, event.replied().reply().disposition()), ": ",
                  event.replied().reply().public_reply());
    case Event::kCalledBack:
      return CallBackText(language, event.called_back());
    case Event::kRedoDemanded:
      return event.redo_demanded().reason();
    case Event::kClosed: {
      const auto& waiting = event.closed().unanswered_numbers();
      return With(event.closed().note(), "; ",
                  waiting.empty() ? "" : Say(language, say::kUnanswered, Join(waiting)));
    }
    case Event::kCancelled:
      return event.cancelled().reason();
    case Event::kArchived:
      return event.archived().note();
    case Event::kEscalated: {
      const auto& escalated = event.escalated();
      return Say(language, say::kDueBy,
                 StrCat(EnumLabel(language, escalated.rung()), " ", EnumLabel(language, escalated.clock())),
                 TimeText(escalated.due_time()),
                 DutyText(language, escalated.duty_party(), !escalated.assist_unit().empty()));
    }
    case Event::kDisputed:
      return event.disputed().dispute().reason();
    case Event::kRuled:
      return With(StrCat("→ ", With(event.ruled().to_hotline(), " ", event.ruled().unit()), "; ",
                         event.ruled().reference(), ", ", event.ruled().ruled_by()),
                  ": ", event.ruled().ground());
    case Event::kReopened:
      return event.reopened().reason();
    case Event::kSceneRecorded:
      return SceneRecordText(language, event.scene_recorded().record());
    case Event::kMerged:
      return With(StrCat("→ ", event.merged().into().number(), event.merged().lead_unit().empty() ? "" : " ",
                         event.merged().lead_unit()),
                  ": ", event.merged().into().reason());
    case Event::kSeparated:
      return With(StrCat("← ", event.separated().from().number()), ": ",
                  event.separated().separation().reason());
    case Event::kMergedOrder:
      return MergedOrderText(language, event.merged_order().order());
    case Event::kPartnerEnded:
      return OutcomeText(language, event.partner_ended().outcome());
    case Event::kDisclosed:
      return With(EnumLabel(language, event.disclosed().kind()), ", ", event.disclosed().role());
    case Event::kContacted:
      return With(
          std::string(Say(language, event.contacted().reached() ? say::kReachedIt : say::kCallerNotReached)),
          ", ", event.contacted().unit());
    case Event::kExtensionRequested: {
      const auto& request = event.extension_requested();
      return With(With(ExtensionText(language, request), ", ",
                       request.last_minute() ? Say(language, say::kLastMinute) : ""),
                  ": ", request.ground());
    }
    case Event::kExtensionDecided: {
      const auto& decision = event.extension_decided().decision();
      std::string text(Say(language, decision.approved() ? say::kGranted : say::kRefusedIt));
      if (decision.has_until_time()) {
        text = With(text, " ", TimeText(decision.until_time()));
      } else if (decision.approved()) {
        text = With(text, " ", ExtensionText(language, event.extension_decided().request()));
      }
      return With(text, ": ", decision.note());
    }
    case Event::kUnitReturned:
      return With(
          With(event.unit_returned().unit(), ", ", EnumLabel(language, event.unit_returned().ground())), ": ",
          event.unit_returned().reason());
    case Event::kReassigned: {
      const auto& dispatch = event.reassigned().dispatch();
      return With(UnitsText(language, dispatch.lead_unit(), dispatch.assist_units()), ": ",
                  event.reassigned().reason());
    }
    case Event::kAccused: {
      const auto& accusation = event.accused().accusation();
      std::string text = Join(accusation.units());
      if (accusation.has_dispatch()) {
        text += " → ";
        text += UnitsText(language, accusation.dispatch().lead_unit(), accusation.dispatch().assist_units());
      }
      return With(text, ": ", accusation.reason());
    }
    case Event::kDeadlineMoved: {
      const auto& move = event.deadline_moved();
      return With(StrCat(EnumLabel(language, move.clock()), " ", TimeText(move.old_due_time()), " → ",
                         TimeText(move.new_due_time()), ", ", EnumLabel(language, move.reason())),
                  ": ", move.note());
    }
    case Event::kRungAcknowledged:
      return StrCat(EnumLabel(language, event.rung_acknowledged().rung()), " ",
                    EnumLabel(language, event.rung_acknowledged().clock()), " → ",
                    TimeText(event.rung_acknowledged().until_time()));
    case Event::kHoldPlaced:
      return With(event.hold_placed().reference(), ": ", event.hold_placed().reason());
    case Event::kHoldReleased:
      return event.hold_released().reason();
    case Event::kErased:
      return StrCat("< ", TimeText(event.erased().unchanged_since_time()));
    case Event::kNotificationReported: {
      const auto& report = event.notification_reported();
      std::string text = StrCat(EnumLabel(language, report.rung()), " ", EnumLabel(language, report.clock()));
      for (const auto& notice : report.notices()) {
        text = With(text, "; ",
                    StrCat(With(notice.role(), " ", notice.person_id()), " ", notice.channel(), " ",
                           EnumLabel(language, notice.result())));
      }
      return With(text, "; ", report.unreachable() ? Say(language, say::kNobodyReachable) : "");
    }
    case Event::kResent:
    case Event::kRecallRefused:
    case Event::DETAIL_NOT_SET:
      return "";
  }
  return "";
}

Cell StateCell(Language language, OrderState state) {
  return Cell(EnumLabel(language, state), StateColour(state));
}

Table OrderTable(Language language) {
  return Table({Heading(language, say::kColNumber), Heading(language, say::kColState),
                Heading(language, say::kColHolder), Heading(language, say::kColType),
                Heading(language, say::kColUrgency), Heading(language, say::kColRegistered),
                Shrinking(language, say::kColTitle), Heading(language, say::kColFacts)});
}

void AddOrder(Language language, const WorkOrder& order, Table& table) {
  const Colour marks = order.facts().overdue() ? Colour::kRed : Colour::kYellow;
  table.AddRow({Cell(order.number()), StateCell(language, order.state()), Cell(order.custody().holder()),
                Cell(EnumLabel(language, order.type())), UrgencyCell(language, order.urgency()),
                Cell(TimeText(order.register_time())), Cell(order.title()),
                Cell(FactsText(language, order.facts()), marks)});
}

Table EventTable(Language language, bool numbers, bool titles) {
  std::vector<Column> columns = {RightAligned(language, say::kColSequence, numbers ? 6 : 0),
                                 Heading(language, say::kColTime)};
  columns.back().min_width = 19;
  if (numbers) columns.push_back(Heading(language, say::kColNumber, kNumberWidth));
  if (titles) columns.push_back(Shrinking(language, say::kColTitle, kTitleWidth));
  columns.push_back(Heading(language, say::kColEvent, numbers ? kEventWidth : 0));
  columns.push_back(Heading(language, say::kColState, numbers ? kStateWidth : 0));
  columns.push_back(Heading(language, say::kColHolder));
  columns.push_back(Heading(language, say::kColActor, numbers ? kActorWidth : 0));
  columns.push_back(Shrinking(language, say::kColDetail));
  return Table(std::move(columns));
}

void AddEvent(Language language, const Event& event, bool numbers, const std::string* title, Table& table) {
  std::vector<Cell> cells = {Cell(StrCat(event.sequence())),
                             Cell(TimeText(event.commit_time()), Colour::kDim)};
  if (numbers) cells.emplace_back(event.order_number());
  if (title != nullptr) cells.emplace_back(TruncateToWidth(Printable(*title, false), kTitleWidth));
  const Colour colour = event.has_escalated() ? Colour::kRed : Colour::kBold;
  cells.emplace_back(EventName(language, event), colour);
  cells.push_back(StateCell(language, event.state()));
  cells.emplace_back(event.custody().holder());
  cells.emplace_back(ActorText(event.actor()), Colour::kDim);
  cells.emplace_back(EventDetail(language, event));
  table.AddRow(std::move(cells));
}

Table DeadlineTable(Language language) {
  return Table({Heading(language, say::kColLamp), Heading(language, say::kColNumber),
                Heading(language, say::kColClock), Heading(language, say::kColParty),
                Heading(language, say::kColDue), RightAligned(language, say::kColLeft),
                Heading(language, say::kColClockState), Heading(language, say::kColRung),
                Heading(language, say::kColUrgency), Heading(language, say::kColState),
                Heading(language, say::kColFacts)});
}

void AddDeadline(Language language, const escalation::v1::Deadline& deadline, absl::Time now, Table& table) {
  Colour lamp = Colour::kNone;
  if (deadline.lamp() == escalation::v1::LAMP_GREEN) lamp = Colour::kGreen;
  if (deadline.lamp() == escalation::v1::LAMP_YELLOW) lamp = Colour::kYellow;
  if (deadline.lamp() == escalation::v1::LAMP_RED) lamp = Colour::kRed;
  const bool stopped = deadline.clock_state() == escalation::v1::CLOCK_STATE_STOPPED;
  const absl::Duration left = absl::Trunc(ToTime(deadline.due_time()) - now, absl::Seconds(1));
  table.AddRow(
      {Cell(EnumLabel(language, deadline.lamp()), lamp), Cell(deadline.order_number()),
       Cell(EnumLabel(language, deadline.clock())),
       Cell(DutyText(language, deadline.duty_party(), !deadline.assist_unit().empty())),
       Cell(TimeText(deadline.due_time())), Cell(stopped ? "-" : absl::FormatDuration(left)),
       Cell(EnumLabel(language, deadline.clock_state())), Cell(EnumLabel(language, deadline.rung())),
       UrgencyCell(language, deadline.urgency()), StateCell(language, deadline.order_state()),
       Cell(deadline.breached() ? std::string(Say(language, say::kMarkBreached)) : "", Colour::kRed)});
}

Table CustodyTable(Language language) {
  return Table({Heading(language, say::kColHolder), RightAligned(language, say::kColEpoch),
                Heading(language, say::kColFrom), Heading(language, say::kColUntil),
                Heading(language, say::kColCondition), Heading(language, say::kColBy),
                RightAligned(language, say::kColSequence), Heading(language, say::kColActor),
                Heading(language, say::kColHoldTime), Heading(language, say::kColPeer),
                Shrinking(language, say::kColHandoff)});
}

void AddTenure(Language language, const workorder::v1::CustodyTenure& tenure, Table& table) {
  // The kind is the name of the event's field, so an event with that field set is called the same as in a
  // history.
  Event event;
  if (const auto* field = Event::descriptor()->FindFieldByName(tenure.event_kind());
      field != nullptr && field->message_type() != nullptr && field->containing_oneof() != nullptr) {
    event.GetReflection()->MutableMessage(&event, field);
  }
  bool first = true;
  for (const auto& interval : tenure.intervals()) {
    const Colour colour = interval.condition() == workorder::v1::CUSTODY_CONDITION_HELD ? Colour::kNone
                          : interval.condition() == workorder::v1::CUSTODY_CONDITION_OFFERED
                              ? Colour::kCyan
                              : Colour::kYellow;
    table.AddRow({Cell(first ? tenure.holder() : "", Colour::kBold),
                  Cell(first ? StrCat(tenure.epoch()) : ""), Cell(TimeText(interval.from_time())),
                  interval.has_until_time() ? Cell(TimeText(interval.until_time()))
                                            : Cell(Say(language, say::kGoesOn), Colour::kGreen),
                  Cell(EnumLabel(language, interval.condition()), colour),
                  Cell(first ? EventName(language, event) : std::string_view()),
                  Cell(first ? StrCat(tenure.event_sequence()) : ""),
                  Cell(first ? ActorText(tenure.actor()) : "", Colour::kDim),
                  Cell(first ? TimeText(tenure.hold_time()) : "", Colour::kDim), Cell(interval.peer()),
                  Cell(interval.handoff_id(), Colour::kDim)});
    first = false;
  }
}

std::string PreviewSheet(Language language, const workorder::v1::PreviewReturnResponse& preview,
                         const TableStyle& style) {
  std::string out;
  const auto line = [&](std::string_view text, Colour colour) {
    out += StrCat(Paint(Printable(text, false), colour, style.colour), "\n");
  };
  const bool chinese = language == Language::kChinese && !preview.message_zh().empty();
  if (preview.allowed()) {
    line(Say(language, say::kPreviewAllowed), Colour::kGreen);
  } else {
    line(Say(language, say::kPreviewRefused, chinese ? preview.message_zh() : preview.message()),
         Colour::kRed);
  }
  if (preview.bounce()) line(Say(language, say::kPreviewBounce), Colour::kYellow);
  line(Say(language, say::kPreviewLeft, preview.free_returns_of_unit(), preview.free_returns_of_order()),
       Colour::kNone);
  if (preview.ruling_required()) line(Say(language, say::kPreviewRuling), Colour::kYellow);
  if (!preview.ruled_for().empty()) {
    line(Say(language, say::kPreviewRuled, preview.ruled_for()), Colour::kYellow);
  }
  Table table({Heading(language, say::kColFromTo), Heading(language, say::kEvOffered),
               Heading(language, say::kColUntil), Heading(language, say::kColOutcome),
               Shrinking(language, say::kLabelUnits)});
  for (const auto& hop : preview.hops()) {
    table.AddRow(
        {Cell(StrCat(hop.from_hotline(), " → ", hop.to_hotline())), Cell(TimeText(hop.offer_time())),
         Cell(TimeText(hop.end_time())),
         Cell(hop.ground() == type::v1::RETURN_GROUND_UNSPECIFIED
                  ? std::string(Say(language, say::kPassedOn))
                  : StrCat(Say(language, say::kEvReturned), ": ", EnumLabel(language, hop.ground()))),
         Cell(hop.unit())});
  }
  if (!table.empty()) out += table.Render(style);
  return out;
}

std::string LinkPart(const dispatch::v1::LinkStatus& link) {
  return StrCat("peer/", link.peer(), link.lane() == exchange::v1::LANE_EMERGENCY ? "/emergency" : "");
}

Table LinkTable(Language language) {
  return Table({Heading(language, say::kColPeer), Heading(language, say::kColLane),
                Heading(language, say::kColUp), RightAligned(language, say::kColOutgoing),
                RightAligned(language, say::kColAcknowledged), RightAligned(language, say::kColIncoming),
                Heading(language, say::kColAcknowledgeTime), Shrinking(language, say::kColError)});
}

void AddLink(Language language, const dispatch::v1::LinkStatus& link, Table& table) {
  table.AddRow(
      {Cell(link.peer()), LaneCell(language, link),
       Cell(Say(language, link.up() ? say::kUp : say::kDown), link.up() ? Colour::kGreen : Colour::kRed),
       Cell(StrCat(link.outgoing_sequence())), Cell(StrCat(link.acknowledged_sequence())),
       Cell(StrCat(link.incoming_sequence())), Cell(TimeText(link.acknowledge_time())),
       Cell(LinkErrorText(link, language))});
}

Table LinkStatusTable(Language language) {
  return Table({Heading(language, say::kColPeer), Heading(language, say::kColLane),
                Heading(language, say::kColUp), RightAligned(language, say::kColOutgoing),
                RightAligned(language, say::kColAcknowledged), RightAligned(language, say::kColLag),
                RightAligned(language, say::kColLagSeconds), RightAligned(language, say::kColIncoming),
                Heading(language, say::kColPeerKnows), RightAligned(language, say::kColSkew),
                Heading(language, say::kColNextTry), Heading(language, say::kColTransport),
                Shrinking(language, say::kColNote)});
}

void AddLinkStatus(Language language, const dispatch::v1::LinkStatus& link, absl::Time now, Table& table) {
  const auto time_of = [](const google::protobuf::Timestamp& time) {
    return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  };
  int64_t lag_seconds = 0;
  if (link.has_oldest_unacknowledged_time()) {
    lag_seconds =
        std::max<int64_t>(0, absl::ToInt64Seconds(now - time_of(link.oldest_unacknowledged_time())));
  }
  std::string skew = "-";
  if (link.has_clock_skew()) {
    const auto span_of = [](const google::protobuf::Duration& span) {
      return absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos());
    };
    // What of it is certain: a batch that is long on its way looks like a clock that is ahead.
    const absl::Duration off = span_of(link.clock_skew());
    const absl::Duration uncertainty = span_of(link.clock_uncertainty());
    skew = absl::FormatDuration(
        absl::Trunc(off - std::clamp(off, -uncertainty, uncertainty), absl::Milliseconds(1)));
  }
  std::string note;
  const auto add = [&note](std::string text) { note += StrCat(note.empty() ? "" : "; ", text); };
  if (link.forked_sequence() > 0) add(Say(language, say::kLinkForked, link.forked_sequence()));
  if (link.recovering()) add(Say(language, say::kLinkRecovering, link.recovered_count()));
  if (link.reconcile_differences() > 0) {
    add(Say(language, say::kLinkDiffers, link.reconcile_differences(), TimeText(link.reconcile_time())));
  }
  if (!link.last_error().empty()) add(LinkErrorText(link, language));
  const bool files = link.transport() == dispatch::v1::LINK_TRANSPORT_SPOOL;
  const int64_t lag = link.outgoing_sequence() - link.acknowledged_sequence();
  table.AddRow(
      {Cell(link.peer()), LaneCell(language, link),
       Cell(Say(language, link.up() ? say::kUp : say::kDown), link.up() ? Colour::kGreen : Colour::kRed),
       Cell(StrCat(link.outgoing_sequence())), Cell(StrCat(link.acknowledged_sequence())), Cell(StrCat(lag)),
       Cell(StrCat(lag_seconds)), Cell(StrCat(link.incoming_sequence())),
       Cell(TimeText(link.peer_known_time())), Cell(skew), Cell(TimeText(link.next_try_time())),
       Cell(Say(language, files ? say::kByFiles : say::kByConnection)), Cell(note)});
}

Table DifferenceTable(Language language) {
  return Table({Heading(language, say::kColHandoff), Heading(language, say::kColDifference),
                Heading(language, say::kColNote), Shrinking(language, say::kColHere),
                Shrinking(language, say::kColThere)});
}

void AddDifference(Language language, const dispatch::v1::HandoffDifference& difference, Table& table) {
  const Phrase& kind = difference.kind() == dispatch::v1::DIFFERENCE_KIND_MISSING_HERE    ? say::kMissingHere
                       : difference.kind() == dispatch::v1::DIFFERENCE_KIND_MISSING_THERE ? say::kMissingThere
                                                                                          : say::kViewsDiffer;
  std::string note;
  if (difference.repaired()) {
    note = Say(language, say::kNoteRepaired);
  } else if (difference.resent()) {
    note = Say(language, say::kNoteResent);
  } else if (difference.in_motion()) {
    note = Say(language, say::kNoteInMotion);
  }
  table.AddRow({Cell(difference.handoff_id()),
                Cell(Say(language, kind), difference.repaired() ? Colour::kGreen : Colour::kRed), Cell(note),
                Cell(difference.view_here()), Cell(difference.view_there())});
}

std::string OrderSheet(Language language, const WorkOrder& order, const TableStyle& style) {
  std::vector<std::pair<std::string_view, std::string>> lines;
  const auto add = [&](const Phrase& label, std::string value) {
    if (!value.empty() && value != "-") lines.emplace_back(Say(language, label), std::move(value));
  };
  const auto& content = order.content();
  add(say::kColNumber, order.number());
  add(say::kColId, order.id());
  add(say::kColTitle, order.title());
  add(say::kColState, EnumLabel(language, order.state()));
  add(say::kColFacts, FactsText(language, order.facts()));
  add(say::kColHolder, order.custody().holder());
  add(say::kLabelOrigin, order.origin_hotline());
  add(say::kLabelVersion, StrCat(order.version()));
  add(say::kColType, EnumLabel(language, order.type()));
  add(say::kColUrgency, EnumLabel(language, order.urgency()));
  add(say::kLabelChannel, EnumLabel(language, content.channel()));
  add(say::kLabelItem, With(content.catalogue().item(), " ", content.catalogue().version()));
  if (!content.lead_unit().empty() && order.units().empty()) {
    add(say::kLabelUnits, UnitsText(language, content.lead_unit(), content.assist_units()));
  }
  add(say::kLabelUnits, TasksText(language, order));
  add(say::kLabelAccused, Join(order.facts().recused_units()));
  if (order.has_handoff()) {
    add(say::kLabelHandoff, HandoffText(language, order.handoff()));
    const bool giver = order.handoff().from_number() == order.number();
    add(say::kLabelPeerNumber, giver ? order.handoff().to_number() : order.handoff().from_number());
  }
  if (order.has_handoff()) {
    const auto& handoff = order.handoff();
    const auto& record = handoff.receipt_record();
    const auto receipt = [&](const Phrase& label, const google::protobuf::Timestamp& taker,
                             const google::protobuf::Timestamp& giver) {
      const std::string by_taker = TimeText(taker);
      if (by_taker == "-") return;
      const std::string by_giver = TimeText(giver);
      add(label, by_giver == "-" ? Say(language, say::kReceiptTime, by_taker, handoff.to_hotline())
                                 : Say(language, say::kReceiptTimes, by_taker, handoff.to_hotline(),
                                       handoff.from_hotline(), by_giver));
    };
    receipt(say::kLabelReceived, handoff.receive_time(), record.receive_record_time());
    receipt(say::kLabelUnderstood, handoff.understand_time(), record.understand_record_time());
    receipt(say::kLabelAccepted, handoff.accept_time(), record.accept_record_time());
    if (record.has_clock_skew()) {
      add(say::kLabelSkew, Say(language, say::kSkew, handoff.to_hotline(), handoff.from_hotline(),
                               SpanText(record.clock_skew()), SpanText(record.clock_uncertainty())));
    }
    if (handoff.late()) add(say::kLabelReceived, std::string(Say(language, say::kMarkLate)));
    const bool on_offer = order.state() == type::v1::ORDER_STATE_OFFERED ||
                          order.state() == type::v1::ORDER_STATE_RECEIVED ||
                          order.state() == type::v1::ORDER_STATE_UNDERSTOOD;
    if (on_offer) {
      // Who has understood an ordinary offer has their working time to accept it: `deadlines` knows its end.
      const bool waits =
          order.state() == type::v1::ORDER_STATE_UNDERSTOOD && order.urgency() == type::v1::URGENCY_NORMAL;
      if (!waits) add(say::kLabelConfirmBy, TimeText(handoff.confirm_by_time()));
      add(say::kLabelSpokenCode, handoff.spoken_code());
    }
    if (handoff.has_voice()) add(say::kLabelVoice, VoiceText(language, handoff.voice()));
    if (handoff.has_scene()) {
      add(say::kLabelScene, SceneText(language, handoff.scene()));
      add(say::kLabelGuidance, handoff.scene().guidance());
    }
    if (handoff.has_scene_record()) {
      add(say::kLabelSceneRecord, SceneRecordText(language, handoff.scene_record()));
    }
  }
  if (order.has_legal_hold()) {
    add(say::kEvHoldPlaced, With(order.legal_hold().reference(), ": ", order.legal_hold().reason()));
  }
  if (order.has_erase_time()) add(say::kEvErased, TimeText(order.erase_time()));
  add(say::kLabelParent, order.parent_number());
  if (order.partner_count() > 0) add(say::kLabelPartners, StrCat(order.partner_count()));
  for (const auto& outcome : order.partner_outcomes()) {
    add(say::kLabelOutcomes, OutcomeText(language, outcome));
  }
  if (order.has_merged_into()) {
    add(say::kLabelMergedInto, With(order.merged_into().number(), ": ", order.merged_into().reason()));
  }
  for (const auto& merged : order.merged_orders()) {
    add(say::kLabelMergedOrders, MergedOrderText(language, merged));
  }
  add(say::kLabelCaller, CallerText(language, content.caller()));
  add(say::kLabelPhone, With(content.caller().phone(), ", ", content.caller().contact_phone()));
  add(say::kLabelPlace, With(content.place().township_code(), " ", content.place().address()));
  add(say::kLabelCoordinates, CoordinatesText(content.place()));
  add(say::kLabelOccur, TimeText(content.occur_time()));
  add(say::kColRegistered, TimeText(order.register_time()));
  add(say::kColUpdated, TimeText(order.update_time()));
  add(say::kLabelText, content.text());
  if (order.has_reply()) {
    add(say::kLabelDisposition, EnumLabel(language, order.reply().disposition()));
    add(say::kLabelReply, order.reply().public_reply());
    add(say::kLabelInternal, order.reply().internal_reply());
  }
  if (order.has_call_back()) {
    add(say::kLabelCallBack, With(CallBackText(language, order.call_back()), ": ", order.call_back().note()));
  }
  int width = 0;
  for (const auto& [label, value] : lines) width = std::max(width, DisplayWidth(label));
  std::string out;
  const std::string indent(width + 2, ' ');
  for (const auto& [label, value] : lines) {
    out +=
        StrCat(Paint(label, Colour::kDim, style.colour), std::string(width + 2 - DisplayWidth(label), ' '));
    // Long texts keep their lines, under one another.
    for (const char c : Printable(value, /*keep_lines=*/true)) {
      out += c;
      if (c == '\n') out += indent;
    }
    out += '\n';
  }
  return out;
}

Table SimilarTable(Language language) {
  return Table({RightAligned(language, say::kColScore), Heading(language, say::kColNumber),
                Heading(language, say::kColState), RightAligned(language, say::kColDistance),
                RightAligned(language, say::kColApart), Shrinking(language, say::kColTitle)});
}

void AddSimilar(Language language, const workorder::v1::SimilarOrder& similar, Table& table) {
  std::string distance(similar.same_township() ? Say(language, say::kSameTownship) : "");
  if (similar.has_distance_m()) distance = absl::StrFormat("%.0f m", similar.distance_m());
  constexpr double kLikely = 0.5;
  table.AddRow({Cell(absl::StrFormat("%.2f", similar.score()),
                     similar.score() >= kLikely ? Colour::kYellow : Colour::kNone),
                Cell(similar.order().number()), StateCell(language, similar.order().state()), Cell(distance),
                Cell(absl::FormatDuration(
                    absl::Trunc(absl::Seconds(similar.time_apart().seconds()), absl::Minutes(1)))),
                Cell(similar.order().title())});
}

Table PartnerTable(Language language) {
  return Table({Heading(language, say::kColPeer), Heading(language, say::kColNumber),
                Heading(language, say::kColState), Heading(language, say::kColHolder),
                Heading(language, say::kColDelivery), Shrinking(language, say::kColError)});
}

void AddPartner(Language language, const std::string& hotline, const WorkOrder& order,
                const std::string& delivery, const std::string& error, Table& table) {
  table.AddRow({Cell(hotline), Cell(order.number()), StateCell(language, order.state()),
                Cell(order.custody().holder()), Cell(delivery), Cell(error, Colour::kRed)});
}

}  // namespace hotline::hotlinectl
