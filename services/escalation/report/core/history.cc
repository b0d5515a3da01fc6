#include "services/escalation/report/core/history.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hotline::escalation::report {

using type::v1::ClockKind;
using type::v1::Event;

HistoryReader::HistoryReader(const Deadlines* deadlines, std::string site)
    : deadlines_(deadlines), site_(std::move(site)) {}

void HistoryReader::Add(const Event& event) {
  const absl::Time at = FromProto(event.commit_time());
  Judge(at);
  // An extension is judged by the deadline that it moves.
  Read(event, at);
  // Who handles it meanwhile.
  for (Dispute& dispute : history_.disputes) {
    if (dispute.item.state() == v1::DOCKET_STATE_OPEN) dispute.item.set_holder(event.custody().holder());
  }
  Follow(event, at);
  Pause(at);
  history_.state = event.state();
  history_.last_event = at;
}

History HistoryReader::Finish(absl::Time knowledge) && {
  Judge(knowledge - absl::Nanoseconds(1));
  history_.id = history_.clocks.id;
  history_.number = history_.clocks.number;
  for (const OrderClock& clock : history_.clocks.clocks) {
    history_.policy_versions.push_back(deadlines_->VersionOf(clock.rule));
  }
  return std::move(history_);
}

// Deadlines that have passed by `at` while their clocks ran.
void HistoryReader::Judge(absl::Time at) {
  for (size_t i = 0; i < history_.duties.size(); ++i) {
    const OrderClock& clock = history_.clocks.clocks[i];
    Duty& duty = history_.duties[i];
    // Of RESULT_BACK only a rung tells that it was missed (see Follow).
    if (duty.clock == type::v1::CLOCK_KIND_RESULT_BACK) continue;
    if (duty.outcome != Outcome::kOpen || clock.state != v1::CLOCK_STATE_RUNNING || clock.due > at) continue;
    duty.due = clock.due;
    duty.outcome = Outcome::kMissed;
    duty.judged = clock.due;
  }
}

// Lets the clocks go on, and keeps a duty beside each of them.
void HistoryReader::Follow(const Event& event, absl::Time at) {
  history_.clocks = Apply(std::move(history_.clocks), event, *deadlines_, site_);
  const std::vector<OrderClock>& clocks = history_.clocks.clocks;
  for (size_t i = history_.duties.size(); i < clocks.size(); ++i) {
    history_.duties.push_back({.clock = clocks[i].kind,
                               .armed_by = clocks[i].armed_by,
                               .assist_unit = clocks[i].assist_unit,
                               .party = clocks[i].duty_party,
                               .start = clocks[i].start,
                               .due = clocks[i].due});
  }
  for (size_t i = 0; i < clocks.size(); ++i) {
    Duty& duty = history_.duties[i];
    if (duty.outcome == Outcome::kOpen) {
      duty.due = clocks[i].due;
      duty.party = clocks[i].duty_party;
    }
    // When the result was back is known to the other hotline alone; that it was not when it was due, by the
    // rung that said so.
    if (duty.clock == type::v1::CLOCK_KIND_RESULT_BACK && clocks[i].breached &&
        duty.outcome == Outcome::kOpen) {
      duty.outcome = Outcome::kMissed;
      duty.judged = at;
    }
    if (clocks[i].live() || duty.stop != absl::InfiniteFuture()) continue;
    duty.stop = at;
    duty.fulfilled = Fulfils(duty.clock, event);
    if (duty.outcome != Outcome::kOpen) continue;
    duty.outcome = duty.fulfilled ? Outcome::kMet : Outcome::kLapsed;
    if (duty.fulfilled) duty.judged = at;
  }
}

void HistoryReader::Register(const type::v1::RegisteredDetail& detail, absl::Time at) {
  history_.registration = detail;
  history_.register_time = at;
}

Stretch* HistoryReader::current() {
  if (history_.stretches.empty() || history_.stretches.back().how != StretchEnd::kOpen) return nullptr;
  return &history_.stretches.back();
}

void HistoryReader::Begin(const std::string& party, absl::Time at) {
  // Whoever has it already goes on.
  if (const Stretch* stretch = current(); stretch != nullptr && stretch->party == party) return;
  End(StretchEnd::kOther, at);
  history_.stretches.push_back({.party = party, .unit = !unit_.empty() && party == unit_, .begin = at});
}

void HistoryReader::Give(const type::v1::UnitDispatch& dispatch, absl::Time at) {
  End(StretchEnd::kOther, at);
  unit_ = dispatch.lead_unit();
  merged_ = false;
  history_.assignments.push_back({unit_, at});
  for (const std::string& unit : dispatch.assist_units()) history_.assists.push_back({unit, at});
  Begin(unit_, at);
}

void HistoryReader::End(StretchEnd how, absl::Time at) {
  Stretch* const stretch = current();
  if (stretch == nullptr) return;
  stretch->end = at;
  stretch->how = how;
  if (!stretch->pauses.empty()) stretch->pauses.back().second = std::min(stretch->pauses.back().second, at);
}

// After the clocks have gone on: whoever has the order while it is suspended waits, though it was given to
// them only meanwhile; and an event that ends the suspension by the way ends the waiting too.
void HistoryReader::Pause(absl::Time at) {
  Stretch* const stretch = current();
  if (stretch == nullptr) return;
  auto& pauses = stretch->pauses;
  const bool waits = !pauses.empty() && pauses.back().second == absl::InfiniteFuture();
  if (waits && !history_.clocks.suspended) pauses.back().second = at;
  if (!waits && history_.clocks.suspended) pauses.emplace_back(at, absl::InfiniteFuture());
}

// Whose work it is: the unit's at the holder's own site, else the holder's.
const std::string& HistoryReader::PartyAt(const Event& event) const {
  const std::string& holder = event.custody().holder();
  return holder == site_ && !unit_.empty() ? unit_ : holder;
}

void HistoryReader::Extend(const Event& event, absl::Time at) {
  bool last_minute = false;
  for (const OrderClock& clock : history_.clocks.clocks) {
    // The order's is that of whoever leads.
    if (clock.kind != type::v1::CLOCK_KIND_FINISH || !clock.live() || !clock.assist_unit.empty()) continue;
    last_minute = at >= deadlines_->LastTenth(clock.rule, clock.duty_party, clock.start, clock.due);
  }
  if (Stretch* const stretch = current(); stretch != nullptr) ++stretch->extensions;
  history_.extensions.push_back({PartyAt(event), at, last_minute});
}

void HistoryReader::State(v1::DocketGround ground) {
  if (v1::DocketItem* const item = OpenItem(); item != nullptr) *item->add_grounds() = ground;
  grounds_.push_back(std::move(ground));
}

void HistoryReader::Open(const Event& event, absl::Time at) {
  Dispute dispute;
  dispute.sequence = event.sequence();
  v1::DocketItem& item = dispute.item;
  item.set_item_id(absl::StrCat(event.order_id(), "-", event.sequence()));
  item.set_order_id(event.order_id());
  item.set_order_number(event.order_number());
  item.set_state(v1::DOCKET_STATE_OPEN);
  *item.mutable_open_time() = ToProto(at);
  item.set_holder(event.custody().holder());
  if (history_.registration.has_catalogue()) *item.mutable_catalogue() = history_.registration.catalogue();
  item.set_township_code(history_.registration.township_code());
  item.set_type(history_.registration.type());
  for (const v1::DocketGround& ground : grounds_) *item.add_grounds() = ground;
  history_.disputes.push_back(std::move(dispute));
}

v1::DocketItem* HistoryReader::OpenItem() {
  for (Dispute& dispute : history_.disputes) {
    if (dispute.item.state() == v1::DOCKET_STATE_OPEN) return &dispute.item;
  }
  return nullptr;
}

// 首接先办 after a three-way call in vain: who received it first handles it meanwhile, and the call-taker was
// told that the joint meeting has the dispute.
void HistoryReader::OpenIfNobodyAgreed(const type::v1::RouteRecord& route, const Event& event,
                                       absl::Time at) {
  if (route.advice().rule() != type::v1::LADDER_RULE_FIRST_RECEIVER ||
      route.facts().agreement() != type::v1::AGREEMENT_STATE_FAILED) {
    return;
  }
  v1::DocketGround ground;
  ground.set_party(site_);
  ground.set_reason(route.facts().agreement_reason());
  *ground.mutable_state_time() = ToProto(at);
  grounds_.push_back(std::move(ground));
  Open(event, at);
}

void HistoryReader::Settle(v1::DocketState state, absl::Time at) {
  for (Dispute& dispute : history_.disputes) {
    if (dispute.item.state() != v1::DOCKET_STATE_OPEN) continue;
    dispute.item.set_state(state);
    *dispute.item.mutable_settle_time() = ToProto(at);
  }
}

// Of an order that only follows another one: that one tells who works on it, and how well.
void HistoryReader::Mirror(const Event& event, absl::Time at) {
  End(StretchEnd::kOther, at);
  unit_.clear();
  switch (event.detail_case()) {
    case Event::kReplied:
      replier_.clear();
      return;
    case Event::kRuled:
      // Of a dispute that was opened before it came back.
      for (Dispute& dispute : history_.disputes) {
        if (dispute.item.state() == v1::DOCKET_STATE_OPEN) *dispute.item.mutable_ruling() = event.ruled();
      }
      return Settle(v1::DOCKET_STATE_RULED, at);
    case Event::kClosed:
    case Event::kCancelled:
    case Event::kArchived:
      return Settle(v1::DOCKET_STATE_LAPSED, at);
    default:
      return;
  }
}

void HistoryReader::Read(const Event& event, absl::Time at) {
  const std::string& holder = event.custody().holder();
  if (FollowsAnotherCopy(history_.clocks, event, site_)) return Mirror(event, at);
  switch (event.detail_case()) {
    case Event::kRegistered:
      Register(event.registered(), at);
      return OpenIfNobodyAgreed(event.registered().route(), event, at);
    case Event::kOffered: {
      if (event.offered().has_registered()) {
        Register(event.offered().registered(), at);
        const type::v1::HandoffKind kind = event.offered().handoff().kind();
        history_.of_another =
            kind == type::v1::HANDOFF_KIND_POLICE_ASSIST || kind == type::v1::HANDOFF_KIND_PARTNER_FANOUT;
        OpenIfNobodyAgreed(event.offered().registered().route(), event, at);
      }
      const type::v1::Handoff& handoff = event.offered().handoff();
      // One found again after the order has gone on.
      if (handoff.id() != event.handoff_id()) return;
      receiver_ = handoff.to_hotline();
      // The order's own, found again after what became of it: whoever works on it goes on.
      if (event.state() != type::v1::ORDER_STATE_OFFERED) return;
      history_.first_offer = std::min(history_.first_offer, at);
      End(StretchEnd::kOther, at);
      unit_.clear();
      return;
    }
    case Event::kUnderstood: {
      const type::v1::UnderstoodDetail& detail = event.understood();
      if (detail.has_registered()) {
        Register(detail.registered(), at);
        history_.from_peer = true;
        const std::string& id = detail.handoff().id();
        history_.came_as = id.substr(0, id.rfind('-'));
        history_.of_another = detail.registered().origin_hotline() == site_ ||
                              detail.handoff().previous_handoff_id().starts_with(absl::StrCat(site_, "-"));
        receiver_ = detail.handoff().to_hotline();
      }
      if (detail.handoff().id() != event.handoff_id()) return;
      history_.assignments.push_back({receiver_, at});
      return;
    }
    case Event::kAccepted:
      if (event.accepted().handoff_id().empty()) {
        history_.assignments.push_back({holder, at});
      } else {
        ++moves_;
        history_.answers.push_back({holder, at});
      }
      return Begin(holder, at);
    case Event::kDispatched:
      ++moves_;
      if (holder != site_) return;
      return Give(event.dispatched(), at);
    case Event::kReturned: {
      const type::v1::HandoffReturn& detail = event.returned().handoff_return();
      // By a machine that could not read the offer: nobody's answer.
      if (detail.ground() != type::v1::RETURN_GROUND_NOT_UNDERSTOOD) {
        ++moves_;
        returned_since_ruling_ = true;
        history_.answers.push_back({receiver_, at, true});
        v1::DocketGround ground;
        ground.set_party(detail.returned_by_unit().empty() ? receiver_ : detail.returned_by_unit());
        ground.set_ground(detail.ground());
        ground.set_reason(detail.reason());
        ground.set_legal_basis(detail.legal_basis());
        ground.set_proposed_unit(detail.proposed_unit());
        ground.set_proposed_item(detail.proposed_item());
        *ground.mutable_state_time() = ToProto(at);
        State(std::move(ground));
      }
      const Stretch* const stretch = current();
      const bool own =
          stretch != nullptr && (stretch->party == receiver_ || stretch->party == detail.returned_by_unit());
      End(own ? StretchEnd::kReturned : StretchEnd::kOther, at);
      unit_.clear();
      // From beyond whom this site gave it to, who has it again.
      if (event.state() == type::v1::ORDER_STATE_ACCEPTED) Begin(holder, at);
      return;
    }
    case Event::kDisputed: {
      v1::DocketGround ground;
      ground.set_party(event.actor().hotline().empty() ? site_ : event.actor().hotline());
      ground.set_reason(event.disputed().dispute().reason());
      *ground.mutable_state_time() = ToProto(at);
      const bool open = OpenItem() != nullptr;
      State(std::move(ground));
      if (!open) Open(event, at);
      End(StretchEnd::kOther, at);
      unit_.clear();
      if (event.state() == type::v1::ORDER_STATE_ACCEPTED) Begin(holder, at);
      return;
    }
    case Event::kRuled: {
      const bool open = OpenItem() != nullptr;
      // The ruling before is corrected: nobody has taken the matter up again since.
      if (!open && !history_.disputes.empty() && !returned_since_ruling_) {
        v1::DocketItem& item = history_.disputes.back().item;
        if (item.state() == v1::DOCKET_STATE_RULED) {
          *item.mutable_ruling() = event.ruled();
          *item.mutable_settle_time() = ToProto(at);
          item.set_holder(holder);
          return;
        }
      }
      // Ruled without a dispute, e.g. because the free returns were used up.
      if (!open) Open(event, at);
      returned_since_ruling_ = false;
      for (Dispute& dispute : history_.disputes) {
        if (dispute.item.state() == v1::DOCKET_STATE_OPEN) *dispute.item.mutable_ruling() = event.ruled();
      }
      return Settle(v1::DOCKET_STATE_RULED, at);
    }
    case Event::kMerged:
      // From now on it goes with the other order, by whoever works on that.
      unit_ = holder == site_ ? event.merged().lead_unit() : "";
      merged_ = true;
      return Begin(PartyAt(event), at);
    case Event::kSeparated:
      unit_.clear();
      return Begin(holder, at);
    case Event::kUnitReturned: {
      ++moves_;
      returned_since_ruling_ = true;
      const type::v1::UnitReturn& detail = event.unit_returned();
      v1::DocketGround ground;
      ground.set_party(detail.unit().empty() ? unit_ : detail.unit());
      ground.set_ground(detail.ground());
      ground.set_reason(detail.reason());
      ground.set_legal_basis(detail.legal_basis());
      ground.set_proposed_unit(detail.proposed_unit());
      *ground.mutable_state_time() = ToProto(at);
      State(std::move(ground));
      End(StretchEnd::kReturned, at);
      unit_.clear();
      return Begin(holder, at);
    }
    case Event::kReassigned:
      ++moves_;
      if (holder != site_) return;
      return Give(event.reassigned().dispatch(), at);
    case Event::kAccused: {
      // It did not give the order back: its duties are not judged, and no return is counted.
      const type::v1::Accusation& accusation = event.accused().accusation();
      const auto& units = accusation.units();
      const bool had_it = std::find(units.begin(), units.end(), unit_) != units.end();
      if (accusation.has_dispatch()) {
        ++moves_;
        if (holder == site_) Give(accusation.dispatch(), at);
      } else if (had_it) {
        const bool at_work = current() != nullptr;
        End(StretchEnd::kOther, at);
        unit_.clear();
        if (at_work) Begin(holder, at);
      }
      return;
    }
    case Event::kExtensionRequested: {
      const type::v1::ExtensionRequest& request = event.extension_requested();
      history_.extensions.push_back(
          {request.unit().empty() ? PartyAt(event) : request.unit(), at, request.last_minute()});
      return;
    }
    case Event::kExtensionDecided:
      if (Stretch* const stretch = current();
          stretch != nullptr && event.extension_decided().decision().approved()) {
        ++stretch->extensions;
      }
      return;
    case Event::kExtended:
      return Extend(event, at);
    case Event::kReplied:
      replier_ = PartyAt(event);
      return End(StretchEnd::kResult, at);
    case Event::kRedoDemanded:
    case Event::kReopened:
      if (!replier_.empty()) history_.verdicts.push_back({replier_, at, true});
      // A job of its own again.
      if (std::exchange(merged_, false)) unit_.clear();
      return Begin(PartyAt(event), at);
    case Event::kClosed:
      if (!replier_.empty()) {
        history_.verdicts.push_back({replier_, at, false});
        history_.closings.push_back({replier_, at, moves_});
      }
      End(StretchEnd::kOther, at);
      return Settle(v1::DOCKET_STATE_LAPSED, at);
    case Event::kRecalled:
      unit_.clear();
      return End(StretchEnd::kOther, at);
    case Event::kCancelled:
    case Event::kArchived:
      End(StretchEnd::kOther, at);
      return Settle(v1::DOCKET_STATE_LAPSED, at);
    case Event::kResent:
      // A reconciliation installed a state in which nobody works here any more.
      switch (event.state()) {
        case type::v1::ORDER_STATE_RETURNED:
        case type::v1::ORDER_STATE_RECALLED:
        case type::v1::ORDER_STATE_REPLIED:
        case type::v1::ORDER_STATE_CALLED_BACK:
        case type::v1::ORDER_STATE_CLOSED:
        case type::v1::ORDER_STATE_CANCELLED:
          return End(StretchEnd::kOther, at);
        default:
          return;
      }
    default:
      return;
  }
}

bool Fulfils(ClockKind kind, const Event& event) {
  const Event::DetailCase detail = event.detail_case();
  switch (kind) {
    case type::v1::CLOCK_KIND_PEER_RECEIPT:
      return detail == Event::kReceived || detail == Event::kUnderstood || detail == Event::kAccepted ||
             detail == Event::kReturned || detail == Event::kDisputed;
    case type::v1::CLOCK_KIND_PEER_ACCEPTANCE:
    case type::v1::CLOCK_KIND_CONFIRM:
    case type::v1::CLOCK_KIND_VOICE:
      return detail == Event::kAccepted || detail == Event::kReturned || detail == Event::kDisputed ||
             detail == Event::kVoiceConfirmed;
    case type::v1::CLOCK_KIND_SIGN:
      return detail == Event::kSigned;
    case type::v1::CLOCK_KIND_FINISH:
      // A part that is done ends the clock of its own unit alone.
      return detail == Event::kReplied || detail == Event::kProgressed;
    case type::v1::CLOCK_KIND_SCENE_ARRIVAL:
      return detail == Event::kSceneRecorded;
    case type::v1::CLOCK_KIND_FIRST_CONTACT:
      return detail == Event::kContacted;
    case type::v1::CLOCK_KIND_RESULT_BACK:
      return detail != Event::kCancelled && detail != Event::kArchived;
    case type::v1::CLOCK_KIND_CALL_BACK:
      return detail == Event::kCalledBack;
    case type::v1::CLOCK_KIND_SUSPENSION_REVIEW:
      return detail == Event::kResumed;
    default:
      return false;
  }
}

Event Condense(Event event) {
  event.clear_traceparent();
  event.clear_sent_sequence();
  event.clear_received_sequence();
  const bool registration = event.has_registered() || event.offered().has_registered();
  type::v1::Actor actor;
  // Who registered what is restricted may know of it.
  if (event.restricted() && registration) actor.set_account(event.actor().account());
  actor.set_hotline(event.actor().hotline());
  actor.set_unit(event.actor().unit());
  *event.mutable_actor() = std::move(actor);
  const auto handoff = [](type::v1::Handoff* handoff) {
    handoff->clear_note();
    handoff->clear_spoken_code();
    handoff->clear_voice();
    handoff->clear_receipt_record();
    handoff->clear_returned();
  };
  const auto registered = [](type::v1::RegisteredDetail* detail) { detail->clear_content_digest(); };
  switch (event.detail_case()) {
    case Event::kRegistered:
      registered(event.mutable_registered());
      break;
    case Event::kOffered:
      handoff(event.mutable_offered()->mutable_handoff());
      if (event.offered().has_registered()) registered(event.mutable_offered()->mutable_registered());
      break;
    case Event::kUnderstood:
      handoff(event.mutable_understood()->mutable_handoff());
      if (event.understood().has_registered()) registered(event.mutable_understood()->mutable_registered());
      break;
    case Event::kAccepted:
      event.mutable_accepted()->mutable_acceptance()->clear_note();
      event.mutable_accepted()->clear_voice();
      break;
    case Event::kDispatched:
      event.mutable_dispatched()->clear_note();
      break;
    case Event::kProgressed:
      event.mutable_progressed()->clear_note();
      break;
    case Event::kReplied: {
      type::v1::Reply* const reply = event.mutable_replied()->mutable_reply();
      reply->clear_public_reply();
      reply->clear_internal_reply();
      reply->clear_unresolved_reason();
      break;
    }
    case Event::kCalledBack:
      event.mutable_called_back()->clear_note();
      break;
    case Event::kVoiceConfirmed:
      event.mutable_voice_confirmed()->clear_voice();
      break;
    case Event::kClosed:
      event.mutable_closed()->clear_note();
      break;
    case Event::kArchived:
      event.mutable_archived()->clear_note();
      break;
    case Event::kResumed:
      event.mutable_resumed()->clear_note();
      break;
    case Event::kPartnersCalled:
      event.mutable_partners_called()->clear_note();
      break;
    case Event::kContacted:
      event.mutable_contacted()->clear_note();
      break;
    case Event::kAccused:
      event.mutable_accused()->mutable_accusation()->clear_reason();
      break;
    case Event::kExtensionRequested:
      event.mutable_extension_requested()->clear_account();
      break;
    case Event::kExtensionDecided:
      event.mutable_extension_decided()->mutable_decision()->clear_note();
      event.mutable_extension_decided()->mutable_request()->clear_account();
      break;
    case Event::kNotificationReported:
      // Who was told stays in the log.
      event.mutable_notification_reported()->clear_notices();
      break;
    case Event::kHoldPlaced:
      event.mutable_hold_placed()->clear_reason();
      break;
    case Event::kHoldReleased:
      event.mutable_hold_released()->clear_reason();
      break;
    case Event::kRungAcknowledged:
      event.mutable_rung_acknowledged()->clear_note();
      break;
    default:
      break;
  }
  return event;
}

}  // namespace hotline::escalation::report
