#include "services/hotlinectl/core/render.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "google/protobuf/util/json_util.h"

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
  std::string text(Say(language, call_back.reached() ? say::kReached : say::kNotReached));
  if (call_back.reached()) {
    text = With(text, ", ", Say(language, call_back.settled() ? say::kSettled : say::kNotSettled));
  }
  if (call_back.satisfaction() > 0) {
    text = With(text, ", ", Say(language, say::kSatisfaction, call_back.satisfaction()));
  }
  return text;
}

std::string ReturnText(Language language, const type::v1::HandoffReturn& returned) {
  std::string text = With(EnumLabel(language, returned.ground()), ": ", returned.reason());
  text = With(text, "; ", returned.legal_basis());
  text = With(text, "; → ", returned.proposed_unit());
  return With(text, "; ", returned.proposed_item());
}

std::string ActorText(const type::v1::Actor& actor) {
  return With(With(actor.account(), "/", actor.unit()), "@", actor.hotline());
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

std::string TasksText(Language language, const WorkOrder& order) {
  std::string text;
  for (const auto& unit : order.units()) {
    std::string one = Say(language, unit.lead() ? say::kLead : say::kAssist, unit.unit());
    if (unit.has_sign_time()) {
      one = With(one, " ",
                 Say(language, say::kSignedBy, With(unit.handler(), " ", TimeText(unit.sign_time()))));
    }
    text = With(text, "; ", one);
  }
  return text;
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
  add(facts.secret(), Say(language, say::kMarkSecret));
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
      case Event::kResent:
        return say::kEvResent;
      case Event::DETAIL_NOT_SET:
        return say::kEvUnknown;
    }
    return say::kEvUnknown;
  };
  return Say(language, name());
}

std::string EventDetail(Language language, const Event& event) {
  switch (event.detail_case()) {
    case Event::kRegistered:
      return With(StrCat(EnumLabel(language, event.registered().type()), ", ",
                         EnumLabel(language, event.registered().urgency())),
                  ", ", event.registered().catalogue().item());
    case Event::kOffered:
      return HandoffText(language, event.offered().handoff());
    case Event::kReceived:
      return TimeText(event.received().receive_time());
    case Event::kUnderstood: {
      const auto& handoff = event.understood().handoff();
      const bool here = event.understood().has_registered();
      const std::string& number = here ? handoff.from_number() : handoff.to_number();
      std::string text = here ? HandoffText(language, handoff) : "";
      return number.empty() ? text : With(text, ", ", Say(language, say::kPeerNumber, number));
    }
    case Event::kAccepted:
      return event.accepted().acceptance().note();
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
      return event.progressed().note();
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
    case Event::kClosed:
      return event.closed().note();
    case Event::kCancelled:
      return event.cancelled().reason();
    case Event::kArchived:
      return event.archived().note();
    case Event::kEscalated: {
      const auto& escalated = event.escalated();
      return Say(language, say::kDueBy,
                 StrCat(EnumLabel(language, escalated.rung()), " ", EnumLabel(language, escalated.clock())),
                 TimeText(escalated.due_time()), escalated.duty_party());
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
       Cell(EnumLabel(language, deadline.clock())), Cell(deadline.duty_party()),
       Cell(TimeText(deadline.due_time())), Cell(stopped ? "-" : absl::FormatDuration(left)),
       Cell(EnumLabel(language, deadline.clock_state())), Cell(EnumLabel(language, deadline.rung())),
       UrgencyCell(language, deadline.urgency()), StateCell(language, deadline.order_state()),
       Cell(deadline.breached() ? std::string(Say(language, say::kMarkBreached)) : "", Colour::kRed)});
}

Table LinkTable(Language language) {
  return Table({Heading(language, say::kColPeer), Heading(language, say::kColUp),
                RightAligned(language, say::kColOutgoing), RightAligned(language, say::kColAcknowledged),
                RightAligned(language, say::kColIncoming), Heading(language, say::kColAcknowledgeTime),
                Shrinking(language, say::kColError)});
}

void AddLink(Language language, const dispatch::v1::LinkStatus& link, Table& table) {
  table.AddRow(
      {Cell(link.peer()),
       Cell(Say(language, link.up() ? say::kUp : say::kDown), link.up() ? Colour::kGreen : Colour::kRed),
       Cell(StrCat(link.outgoing_sequence())), Cell(StrCat(link.acknowledged_sequence())),
       Cell(StrCat(link.incoming_sequence())), Cell(TimeText(link.acknowledge_time())),
       Cell(link.last_error())});
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
    const absl::Duration off =
        absl::Seconds(link.clock_skew().seconds()) + absl::Nanoseconds(link.clock_skew().nanos());
    skew = absl::FormatDuration(absl::Trunc(off, absl::Milliseconds(1)));
  }
  std::string note;
  const auto add = [&note](std::string text) { note += StrCat(note.empty() ? "" : "; ", text); };
  if (link.forked_sequence() > 0) add(Say(language, say::kLinkForked, link.forked_sequence()));
  if (link.recovering()) add(Say(language, say::kLinkRecovering, link.recovered_count()));
  if (link.reconcile_differences() > 0) {
    add(Say(language, say::kLinkDiffers, link.reconcile_differences(), TimeText(link.reconcile_time())));
  }
  if (!link.last_error().empty()) add(link.last_error());
  const bool emergency = link.lane() == exchange::v1::LANE_EMERGENCY;
  const bool files = link.transport() == dispatch::v1::LINK_TRANSPORT_SPOOL;
  const int64_t lag = link.outgoing_sequence() - link.acknowledged_sequence();
  table.AddRow(
      {Cell(link.peer()), Cell(Say(language, emergency ? say::kEmergencyLane : say::kOrdinaryLane)),
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
  if (order.has_handoff()) {
    add(say::kLabelHandoff, HandoffText(language, order.handoff()));
    const bool giver = order.handoff().from_number() == order.number();
    add(say::kLabelPeerNumber, giver ? order.handoff().to_number() : order.handoff().from_number());
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

}  // namespace hotline::hotlinectl
