#include "services/work_order/core/decide.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "common/error/error.h"
#include "services/work_order/core/governor.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "services/work_order/core/validate.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using type::v1::Command;
using type::v1::OrderState;
using type::v1::WorkOrder;

// What a command asks for.
enum class Verb {
  kRegister,
  kOffer,
  kAccept,
  kReturn,
  kRecall,
  kDispatch,
  kSign,
  kProgress,
  kExtend,
  kSuspend,
  kResume,
  kFinish,
  kCallBack,
  kRedo,
  kClose,
  kCancel,
  kArchive,
  kEscalate,
  kDoubt,
  kConfirmByVoice,
  kAlarm,
  kCallPartners,
  kDispute,
  kRule,
  kReopen,
  kRecordArrival,
};

// As errors name it. In the order of Verb.
struct VerbName {
  const char* english;
  const char* chinese;
};
constexpr VerbName kVerbNames[] = {
    {"register", "登记"},
    {"push", "推送"},
    {"accept", "受理"},
    {"return", "退回"},
    {"recall", "撤回"},
    {"dispatch", "派单"},
    {"sign", "签收"},
    {"report progress on", "办理"},
    {"extend", "延期"},
    {"suspend", "挂起"},
    {"resume", "恢复"},
    {"finish", "办结答复"},
    {"call back on", "回访"},
    {"redo", "重办"},
    {"close", "办结"},
    {"cancel", "作废"},
    {"archive", "归档"},
    {"escalate", "催办"},
    {"doubt", "存疑处置"},
    {"confirm by voice", "电话确认"},
    {"raise an alarm on", "告警"},
    {"call partners for", "联动"},
    {"dispute", "提出争议"},
    {"rule on", "裁定"},
    {"reopen", "重新办理"},
    {"record an arrival on", "到场登记"},
};

// Which site may do it.
enum class Who {
  kAnyone,        // each site for itself
  kHolder,        // custody.holder
  kOrigin,        // origin_hotline
  kOriginHolder,  // the origin while it is the holder
  kGiver,         // handoff.from_hotline
  kReceiver,      // handoff.to_hotline
  kParty,         // either of the two
};

// Whether a suspension matters.
enum class Pause { kEither, kMustNot, kMust };

constexpr StateSet kNew = In(type::v1::ORDER_STATE_UNSPECIFIED);
constexpr StateSet kRegistered = In(type::v1::ORDER_STATE_REGISTERED);
constexpr StateSet kUnderstood = In(type::v1::ORDER_STATE_UNDERSTOOD);
constexpr StateSet kAccepted = In(type::v1::ORDER_STATE_ACCEPTED);
constexpr StateSet kGivenBack = In(type::v1::ORDER_STATE_RETURNED, type::v1::ORDER_STATE_RECALLED);
constexpr StateSet kDispatched = In(type::v1::ORDER_STATE_DISPATCHED);
constexpr StateSet kSignedOn =
    In(type::v1::ORDER_STATE_SIGNED, type::v1::ORDER_STATE_IN_PROGRESS, type::v1::ORDER_STATE_REDO);
constexpr StateSet kAnswered = In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK);
constexpr StateSet kReturned = In(type::v1::ORDER_STATE_RETURNED);
constexpr StateSet kClosed = In(type::v1::ORDER_STATE_CLOSED);
// At work, and nothing answered yet that would have to be done again: see HasReply in Decide.
constexpr StateSet kPassable = kAtWork & ~In(type::v1::ORDER_STATE_REDO);
constexpr StateSet kDone = In(type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_CANCELLED);
constexpr StateSet kLiving = ~(kEnded | kNew);

// The same state as before, or one that the verb's function chooses.
constexpr OrderState kSame = type::v1::ORDER_STATE_UNSPECIFIED;

// The state machine: in `states`, `who` may do `verb`, and the order is in `next` after it. A verb may have
// several rows with disjoint states.
struct Rule {
  Verb verb;
  StateSet states;
  Who who;
  Pause pause;
  OrderState next;
};
constexpr Rule kRules[] = {
    {Verb::kRegister, kNew, Who::kAnyone, Pause::kEither, type::v1::ORDER_STATE_REGISTERED},
    {Verb::kOffer, kNew, Who::kAnyone, Pause::kEither, type::v1::ORDER_STATE_OFFERED},
    {Verb::kOffer, kRegistered | kGivenBack, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_OFFERED},
    {Verb::kOffer, kPassable, Who::kHolder, Pause::kMustNot, type::v1::ORDER_STATE_OFFERED},
    {Verb::kAccept, kUnderstood, Who::kReceiver, Pause::kEither, type::v1::ORDER_STATE_ACCEPTED},
    {Verb::kAccept, kRegistered | kGivenBack, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_ACCEPTED},
    {Verb::kReturn, kUnderstood | kAccepted, Who::kReceiver, Pause::kEither, type::v1::ORDER_STATE_RETURNED},
    {Verb::kRecall, kOnOffer, Who::kGiver, Pause::kEither, kSame},
    {Verb::kDispatch, kAccepted, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_DISPATCHED},
    // Only the lead unit's signature moves the order, and only from DISPATCHED and REDO: see Sign().
    {Verb::kSign, kDispatched | kSignedOn, Who::kHolder, Pause::kEither, kSame},
    {Verb::kProgress, kAccepted | kSignedOn, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_IN_PROGRESS},
    {Verb::kExtend, kAtWork, Who::kHolder, Pause::kEither, kSame},
    {Verb::kSuspend, kAtWork, Who::kHolder, Pause::kMustNot, kSame},
    {Verb::kResume, kAtWork, Who::kHolder, Pause::kMust, kSame},
    {Verb::kFinish, kAccepted | kSignedOn, Who::kHolder, Pause::kMustNot, type::v1::ORDER_STATE_REPLIED},
    {Verb::kCallBack, kAnswered, Who::kOrigin, Pause::kEither, type::v1::ORDER_STATE_CALLED_BACK},
    {Verb::kRedo, kAnswered, Who::kOrigin, Pause::kEither, type::v1::ORDER_STATE_REDO},
    {Verb::kClose, kAnswered, Who::kOrigin, Pause::kEither, type::v1::ORDER_STATE_CLOSED},
    {Verb::kCancel, kRegistered | kAccepted | kGivenBack, Who::kOriginHolder, Pause::kEither,
     type::v1::ORDER_STATE_CANCELLED},
    {Verb::kArchive, kDone, Who::kAnyone, Pause::kEither, type::v1::ORDER_STATE_ARCHIVED},
    {Verb::kEscalate, kLiving, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kDoubt, kOnOffer, Who::kGiver, Pause::kEither, kSame},
    // Moves the order only at the receiver: see ConfirmByVoice().
    {Verb::kConfirmByVoice, kOnOffer, Who::kParty, Pause::kEither, kSame},
    {Verb::kAlarm, kLiving, Who::kGiver, Pause::kEither, kSame},
    {Verb::kCallPartners, kLiving, Who::kHolder, Pause::kEither, kSame},
    // Which copy goes on depends on whose it is: see Dispute().
    {Verb::kDispute, kReturned, Who::kHolder, Pause::kEither, kSame},
    {Verb::kDispute, kUnderstood, Who::kReceiver, Pause::kEither, kSame},
    {Verb::kRule, kRegistered | kGivenBack | kAtWork, Who::kHolder, Pause::kEither, kSame},
    {Verb::kRule, kUnderstood, Who::kReceiver, Pause::kEither, kSame},
    {Verb::kReopen, kClosed, Who::kOrigin, Pause::kEither, type::v1::ORDER_STATE_REDO},
    // Only where a unit was asked for: see RecordArrival().
    {Verb::kRecordArrival, kLiving, Who::kParty, Pause::kEither, kSame},
};

bool IsDoubtRung(type::v1::Rung rung) { return rung == type::v1::RUNG_DOUBT || rung == type::v1::RUNG_KEEP; }

// The action of a command that passed ValidateAction.
Verb VerbOf(const Command& command) {
  if (command.has_offer()) return Verb::kOffer;
  switch (command.action_case()) {
    case Command::kAcceptance:
      return Verb::kAccept;
    case Command::kHandoffReturn:
      return Verb::kReturn;
    case Command::kRecall:
      return Verb::kRecall;
    case Command::kUnitDispatch:
      return Verb::kDispatch;
    case Command::kSignature:
      return Verb::kSign;
    case Command::kProgress:
      return Verb::kProgress;
    case Command::kExtension:
      return Verb::kExtend;
    case Command::kSuspension:
      return Verb::kSuspend;
    case Command::kResumption:
      return Verb::kResume;
    case Command::kCompletion:
      return Verb::kFinish;
    case Command::kCallBackRecord:
      return Verb::kCallBack;
    case Command::kRedoDemand:
      return Verb::kRedo;
    case Command::kClosure:
      return Verb::kClose;
    case Command::kCancellation:
      return Verb::kCancel;
    case Command::kArchival:
      return Verb::kArchive;
    case Command::kEscalation:
      return IsDoubtRung(command.escalation().rung()) ? Verb::kDoubt : Verb::kEscalate;
    case Command::kConfirmByVoice:
      return Verb::kConfirmByVoice;
    case Command::kAlarm:
      return Verb::kAlarm;
    case Command::kPartnerCall:
      return Verb::kCallPartners;
    case Command::kDispute:
      return Verb::kDispute;
    case Command::kRuling:
      return Verb::kRule;
    case Command::kReopening:
      return Verb::kReopen;
    case Command::kSceneArrival:
      return Verb::kRecordArrival;
    case Command::ACTION_NOT_SET:
      break;
  }
  return Verb::kRegister;
}

bool MayDo(Who who, const WorkOrder& order, const Site& site) {
  switch (who) {
    case Who::kAnyone:
      return true;
    case Who::kHolder:
      return order.custody().holder() == site.hotline;
    case Who::kOrigin:
      return order.origin_hotline() == site.hotline;
    case Who::kOriginHolder:
      return order.origin_hotline() == site.hotline && order.custody().holder() == site.hotline;
    case Who::kGiver:
      return order.handoff().from_hotline() == site.hotline;
    case Who::kReceiver:
      return order.handoff().to_hotline() == site.hotline;
    case Who::kParty:
      return order.has_handoff();
  }
  return false;
}

// As `needed` of error::NotHolder.
const char* RoleName(Who who, const WorkOrder& order, const Site& site) {
  switch (who) {
    case Who::kOrigin:
      return "origin";
    case Who::kOriginHolder:
      return order.origin_hotline() == site.hotline ? "holder" : "origin";
    case Who::kGiver:
      return "giver";
    case Who::kReceiver:
      return "receiver";
    default:
      return "holder";
  }
}

// The row for `verb` on `order`, or why there is none: first the role, then the state, then a suspension. An
// order that never was handed over has neither giver nor receiver: there it is the state that is wrong.
absl::StatusOr<const Rule*> FindRule(Verb verb, const WorkOrder& order, const Site& site) {
  const VerbName& name = kVerbNames[static_cast<int>(verb)];
  const Rule* row = nullptr;
  Who needed = Who::kAnyone;
  bool may_somewhere = false;
  for (const Rule& rule : kRules) {
    if (rule.verb != verb) continue;
    if (!order.has_handoff() &&
        (rule.who == Who::kGiver || rule.who == Who::kReceiver || rule.who == Who::kParty)) {
      may_somewhere = true;
      continue;
    }
    if (Contains(rule.states, order.state())) row = &rule;
    may_somewhere |= (rule.states & ~kNew) != 0 && MayDo(rule.who, order, site);
    needed = rule.who;
  }
  if (row != nullptr ? !MayDo(row->who, order, site) : !may_somewhere) {
    return error::NotHolder(name.chinese, order.custody().holder(),
                            RoleName(row != nullptr ? row->who : needed, order, site));
  }
  if (row == nullptr) return error::WrongState(name.english, name.chinese, order.state());
  if (row->pause == Pause::kMustNot && order.facts().suspended()) return error::Suspended();
  if (row->pause == Pause::kMust && !order.facts().suspended()) {
    return error::WrongState(name.english, name.chinese, order.state());
  }
  return row;
}

// One command at work on one order. Each verb's function writes what only it changes, and the event's detail;
// state, custody's other rules, version and envelopes follow in Decide.
class Step {
 public:
  Step(const WorkOrder* before, const Command& command, const Site& site, absl::Time now, Change* change)
      : before_(before),
        command_(command),
        site_(site),
        now_(now),
        change_(change),
        after_(change->after),
        event_(change->event) {}

  // `content` is what `bytes` say.
  void Register(const NewOrder& fresh, const type::v1::OrderContent& content, std::string bytes) {
    change_->creates = true;
    change_->content = std::move(bytes);
    change_->caller_phone = NormalizePhone(content.caller().phone());
    after_.set_id(fresh.id);
    after_.set_number(fresh.number);
    after_.set_origin_hotline(site_.hotline);
    MoveCustody(&after_, site_.hotline, now_);
    ToProto(now_, after_.mutable_register_time());
    AdoptContent(content, change_->content, fresh.content_salt, &after_);
    after_.set_state(type::v1::ORDER_STATE_REGISTERED);
    if (!command_.registration().parent_order_id().empty()) {
      after_.set_parent_id(fresh.parent->id());
      after_.set_parent_number(fresh.parent->number());
    }
    DescribeContent(
        content, after_,
        command_.has_offer() ? event_.mutable_offered()->mutable_registered() : event_.mutable_registered());
  }

  absl::Status Apply(Verb verb) {
    switch (verb) {
      case Verb::kRegister:
        break;
      case Verb::kOffer:
        Offer();
        break;
      case Verb::kAccept:
        Accept();
        break;
      case Verb::kReturn:
        Return();
        break;
      case Verb::kRecall:
        Recall();
        break;
      case Verb::kDispatch:
        Dispatch();
        break;
      case Verb::kSign:
        return Sign();
      case Verb::kProgress:
        *event_.mutable_progressed() = command_.progress();
        break;
      case Verb::kExtend:
        return Extend();
      case Verb::kSuspend:
        Suspend();
        break;
      case Verb::kResume:
        after_.mutable_facts()->clear_suspended();
        after_.mutable_facts()->clear_suspend_time();
        after_.mutable_facts()->clear_review_time();
        *event_.mutable_resumed() = command_.resumption();
        break;
      case Verb::kFinish:
        Finish();
        break;
      case Verb::kCallBack:
        CallBack();
        break;
      case Verb::kRedo:
        GiveBackToReplier();
        *event_.mutable_redo_demanded() = command_.redo_demand();
        break;
      case Verb::kClose:
        MoveCustody(&after_, site_.hotline, now_);
        *event_.mutable_closed() = command_.closure();
        break;
      case Verb::kCancel:
        *event_.mutable_cancelled() = command_.cancellation();
        break;
      case Verb::kArchive:
        *event_.mutable_archived() = command_.archival();
        break;
      case Verb::kEscalate:
        Escalate();
        break;
      case Verb::kDoubt:
        return Doubt();
      case Verb::kConfirmByVoice:
        return ConfirmByVoice();
      case Verb::kAlarm:
        return Alarm();
      case Verb::kCallPartners:
        after_.set_partner_count(after_.partner_count() + command_.partner_call().to_hotlines_size());
        *event_.mutable_partners_called() = command_.partner_call();
        break;
      case Verb::kDispute:
        return Dispute();
      case Verb::kRule:
        Rule();
        break;
      case Verb::kReopen:
        GiveBackToReplier();
        *event_.mutable_reopened() = command_.reopening();
        break;
      case Verb::kRecordArrival:
        return RecordArrival();
    }
    return absl::OkStatus();
  }

  // Tells the other sites of the handoffs that the sealed change touches.
  void Tell(Verb verb) {
    if (verb == Verb::kRecordArrival) {
      // Behind the offer, whether the peer has read that or not; to nobody else.
      const type::v1::Handoff& handoff = *SceneHandoff(&after_);
      const bool current = handoff.id() == after_.handoff().id();
      OweMirror(site_, handoff, current ? after_.state() : StateForGiver(after_, site_), change_);
      return;
    }
    // A record of the desks goes behind the offer, whether the peer has read that or not.
    if (restored_ || HasCounterpart(*before_) || verb == Verb::kConfirmByVoice) {
      OweMirror(site_, after_.handoff(), after_.state(), change_);
    }
    // A handoff that ended by a return is over, but its dispute and the ruling on that concern its taker.
    const bool disputed_now = verb == Verb::kDispute && before_->state() == type::v1::ORDER_STATE_RETURNED;
    if (disputed_now || (verb == Verb::kRule && EndedInDispute(*before_))) {
      const type::v1::Handoff& over = restored_ ? *after_.past_handoffs().rbegin() : after_.handoff();
      // What the peer could not read is no order there.
      if (over.from_hotline() == site_.hotline && over.has_understand_time()) {
        OweMirror(site_, over, type::v1::ORDER_STATE_RETURNED, change_);
      }
    }
    // Whom the order came from need not know of doubts, telephone calls and the like about where it goes; a
    // ruling while this site is the holder reaches it with the next move.
    const bool news = !HasOpenInbound(after_) || ViewForGiver(after_, site_) != ViewForGiver(*before_, site_);
    if (!restored_ && HasOpenInbound(*before_) && news) {
      OweMirror(site_, after_.inbound(), StateForGiver(after_, site_), change_);
    }
  }

 private:
  void Offer() {
    const type::v1::Offer& offer = command_.offer();
    const int attempt = LastAttempt(after_) + 1;
    if (IsHandedOver(after_)) {
      // Passed on: whom it came from is told what becomes of it.
      NoteHop(after_.handoff(), now_, type::v1::RETURN_GROUND_UNSPECIFIED, &after_);
      after_.set_inbound_view(SharedView(*before_));
      after_.mutable_inbound()->Swap(after_.mutable_handoff());
      after_.clear_handoff();
    } else if (after_.has_handoff()) {
      KeepPastHandoff(&after_);
    }
    // What was granted to this site and to its units is nobody else's.
    after_.clear_units();
    after_.mutable_facts()->clear_extension_count();
    after_.mutable_facts()->clear_extend_until_time();
    type::v1::Handoff* handoff = after_.mutable_handoff();
    handoff->set_id(HandoffId(site_.hotline, after_.id(), attempt));
    handoff->set_from_hotline(site_.hotline);
    handoff->set_to_hotline(offer.to_hotline());
    const type::v1::HandoffKind usual = after_.inbound().danger_first()
                                            ? type::v1::HANDOFF_KIND_DISPATCH_FIRST
                                            : type::v1::HANDOFF_KIND_ORDER_PUSH;
    handoff->set_kind(offer.has_scene() ? type::v1::HANDOFF_KIND_ON_SCENE_REFERRAL
                      : offer.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED ? usual
                                                                           : offer.kind());
    if (offer.has_scene()) *handoff->mutable_scene() = offer.scene();
    handoff->set_attempt(attempt);
    handoff->set_previous_handoff_id(after_.inbound().id());
    handoff->set_from_number(after_.number());
    handoff->set_note(offer.note());
    ToProto(now_, handoff->mutable_offer_time());
    const int urgency = UrgencyIndex(after_);
    const absl::Time confirm_by = now_ + site_.confirm_within[urgency];
    ToProto(confirm_by, handoff->mutable_confirm_by_time());
    ToProto(confirm_by + site_.keep_after[urgency], handoff->mutable_keep_by_time());
    handoff->set_spoken_code(SpokenCode(handoff->id(), after_.content_digest()));
    // Of the handoff before.
    after_.mutable_facts()->clear_receipt_alarm();

    *event_.mutable_offered()->mutable_handoff() = *handoff;
    exchange::v1::OfferBody body;
    *body.mutable_handoff() = *handoff;
    body.mutable_handoff()->clear_spoken_code();
    body.set_parent_number(after_.parent_number());
    body.set_origin_hotline(after_.origin_hotline());
    body.set_content_salt(after_.content_salt());
    *body.mutable_custody() = after_.custody();
    *body.mutable_hops() = after_.hops();
    body.set_return_count(after_.facts().return_count());
    body.set_ruled_for(after_.facts().ruled_for());
    body.set_ruled_unit(after_.facts().ruled_unit());
    change_->envelopes.push_back({.peer = handoff->to_hotline(),
                                  .handoff_id = handoff->id(),
                                  .kind = exchange::v1::ENVELOPE_KIND_OFFER,
                                  .body = body.SerializeAsString()});
  }

  void Accept() {
    type::v1::AcceptedDetail* detail = event_.mutable_accepted();
    *detail->mutable_acceptance() = command_.acceptance();
    if (before_->state() != type::v1::ORDER_STATE_UNDERSTOOD) {
      restored_ = RestoreInbound(&after_);
      return;
    }
    MoveCustody(&after_, site_.hotline, now_);
    ToProto(now_, after_.mutable_handoff()->mutable_accept_time());
    after_.mutable_handoff()->set_danger_first(command_.acceptance().danger_first());
    detail->set_handoff_id(after_.handoff().id());
    *detail->mutable_accept_time() = after_.handoff().accept_time();
  }

  void Return() {
    type::v1::Handoff* handoff = after_.mutable_handoff();
    MoveCustody(&after_, handoff->from_hotline(), now_);
    *handoff->mutable_returned() = command_.handoff_return();
    handoff->mutable_returned()->set_returned_by_unit(command_.header().actor().unit());
    ToProto(now_, handoff->mutable_end_time());
    NoteHop(*handoff, now_, handoff->returned().ground(), &after_);
    after_.mutable_facts()->set_return_count(after_.facts().return_count() + 1);
    // Time granted to the returner is nobody else's.
    after_.mutable_facts()->clear_extension_count();
    after_.mutable_facts()->clear_extend_until_time();
    type::v1::ReturnedDetail* detail = event_.mutable_returned();
    detail->set_handoff_id(handoff->id());
    *detail->mutable_handoff_return() = handoff->returned();
  }

  absl::Status Dispute() {
    const bool given_back = before_->state() == type::v1::ORDER_STATE_RETURNED;
    if (given_back && before_->facts().return_count() == 0) {
      // The peer's machine could not read it: nobody said that it is not theirs.
      const VerbName& name = kVerbNames[static_cast<int>(Verb::kDispute)];
      return error::WrongState(name.english, name.chinese, before_->state());
    }
    type::v1::Handoff* handoff = after_.mutable_handoff();
    type::v1::DisputedDetail* detail = event_.mutable_disputed();
    detail->set_handoff_id(handoff->id());
    *detail->mutable_dispute() = command_.dispute();
    if (!given_back) NoteHop(*handoff, now_, type::v1::RETURN_GROUND_NOT_OUR_DUTY, &after_);
    MoveCustody(&after_, after_.origin_hotline(), now_);
    EndInDispute(now_, handoff);
    after_.mutable_facts()->set_disputed(true);
    if (given_back && after_.origin_hotline() == site_.hotline) {
      after_.set_state(type::v1::ORDER_STATE_ACCEPTED);
      restored_ = RestoreInbound(&after_);
    } else {
      // The origin's own earlier copy goes on, if this is the origin.
      after_.set_state(type::v1::ORDER_STATE_RETURNED);
      if (HasOpenInbound(after_)) EndInDispute(now_, after_.mutable_inbound());
    }
    return absl::OkStatus();
  }

  void Rule() {
    const type::v1::Ruling& ruling = command_.ruling();
    type::v1::Facts* facts = after_.mutable_facts();
    facts->clear_disputed();
    facts->set_ruled_for(ruling.to_hotline().empty() ? site_.hotline : ruling.to_hotline());
    facts->set_ruled_unit(ruling.unit());
    *event_.mutable_ruled() = ruling;
    event_.mutable_ruled()->set_to_hotline(facts->ruled_for());
  }

  // To be done again: by whom gave the reply, wherever the order has come to by the last handoff.
  void GiveBackToReplier() {
    MoveCustody(&after_, IsHandedOver(after_) ? TakerOf(after_.handoff()) : site_.hotline, now_);
    after_.mutable_facts()->set_redo_count(after_.facts().redo_count() + 1);
  }

  void Recall() {
    RequestRecall(*before_, now_, &after_);
    type::v1::RecallRequestedDetail* detail = event_.mutable_recall_requested();
    detail->set_handoff_id(after_.handoff().id());
    *detail->mutable_recall() = command_.recall();
    change_->envelopes.push_back(RecallDraft(after_.handoff(), command_.recall().reason()));
  }

  void Dispatch() {
    const type::v1::UnitDispatch& dispatch = command_.unit_dispatch();
    after_.clear_units();
    const auto add = [&](const std::string& unit, bool lead) {
      type::v1::UnitTask* task = after_.add_units();
      task->set_unit(unit);
      task->set_lead(lead);
      ToProto(now_, task->mutable_dispatch_time());
    };
    add(dispatch.lead_unit(), true);
    for (const std::string& unit : dispatch.assist_units()) add(unit, false);
    *event_.mutable_dispatched() = dispatch;
  }

  absl::Status Sign() {
    const std::string& wanted = command_.signature().unit();
    const auto task = std::find_if(
        after_.mutable_units()->begin(), after_.mutable_units()->end(),
        [&](const type::v1::UnitTask& unit) { return wanted.empty() ? unit.lead() : unit.unit() == wanted; });
    if (task == after_.mutable_units()->end()) return error::UnitNotAssigned(wanted);
    if (task->lead()) {
      if (!Contains(kDispatched | In(type::v1::ORDER_STATE_REDO), before_->state())) {
        const VerbName& name = kVerbNames[static_cast<int>(Verb::kSign)];
        return error::WrongState(name.english, name.chinese, before_->state());
      }
      after_.set_state(type::v1::ORDER_STATE_SIGNED);
    }
    ToProto(now_, task->mutable_sign_time());
    task->set_handler(command_.header().actor().account());
    event_.mutable_signed_()->set_unit(task->unit());
    return absl::OkStatus();
  }

  absl::Status Extend() {
    const type::v1::Extension& extension = command_.extension();
    type::v1::Facts* facts = after_.mutable_facts();
    if (facts->has_extend_until_time() &&
        FromProto(extension.until_time()) <= FromProto(facts->extend_until_time())) {
      return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "extension.until_time",
                             "must be later than any earlier extension", "必须晚于此前的延期时间");
    }
    facts->set_extension_count(facts->extension_count() + 1);
    *facts->mutable_extend_until_time() = extension.until_time();
    *event_.mutable_extended() = extension;
    return absl::OkStatus();
  }

  void Suspend() {
    type::v1::Facts* facts = after_.mutable_facts();
    facts->set_suspended(true);
    ToProto(now_, facts->mutable_suspend_time());
    *facts->mutable_review_time() = command_.suspension().review_time();
    *event_.mutable_suspended() = command_.suspension();
  }

  void Finish() {
    *after_.mutable_reply() = command_.completion().reply();
    // A call-back was about an earlier reply.
    after_.clear_call_back();
    *event_.mutable_replied()->mutable_reply() = after_.reply();
    event_.mutable_replied()->mutable_reply()->clear_internal_reply();
  }

  void CallBack() {
    MoveCustody(&after_, site_.hotline, now_);
    type::v1::CallBack* call_back = after_.mutable_call_back();
    *call_back = command_.call_back_record().call_back();
    if (!call_back->has_record_time()) ToProto(now_, call_back->mutable_record_time());
    *event_.mutable_called_back() = *call_back;
    event_.mutable_called_back()->clear_note();
  }

  void Escalate() {
    const type::v1::Escalation& escalation = command_.escalation();
    type::v1::Facts* facts = after_.mutable_facts();
    if (escalation.rung() == type::v1::RUNG_REMIND) {
      facts->set_remind_count(facts->remind_count() + 1);
    } else {
      facts->set_urge_count(facts->urge_count() + 1);
      facts->set_overdue(true);
    }
    *event_.mutable_escalated() = escalation;
  }

  // Why a rung, a record or an alarm is not for this offer.
  absl::Status NotThisOffer(Verb verb) const {
    const VerbName& name = kVerbNames[static_cast<int>(verb)];
    return error::WrongState(name.english, name.chinese, before_->state());
  }

  // The confirm-by or the keep-by time passed in silence; the table is at Decide.
  absl::Status Doubt() {
    const type::v1::Escalation& escalation = command_.escalation();
    const type::v1::Handoff& handoff = after_.handoff();
    const bool first = escalation.rung() == type::v1::RUNG_DOUBT;
    const google::protobuf::Timestamp& due = first ? handoff.confirm_by_time() : handoff.keep_by_time();
    if (FromProto(escalation.due_time()) != FromProto(due) || handoff.has_voice() ||
        before_->facts().in_doubt() == first) {
      return NotThisOffer(Verb::kDoubt);
    }
    type::v1::Facts* facts = after_.mutable_facts();
    facts->set_in_doubt(true);
    type::v1::InDoubtDetail* detail = event_.mutable_in_doubt();
    detail->set_handoff_id(handoff.id());
    *detail->mutable_escalation() = escalation;
    const char* reason = nullptr;
    if (!first) {
      detail->set_action(type::v1::DOUBT_ACTION_KEEP);
      facts->clear_voice_confirmation_required();
      reason = "超过确认时限，未得到对方受理或电话确认，本方继续负责";
    } else if (before_->state() == type::v1::ORDER_STATE_OFFERED &&
               before_->urgency() != type::v1::URGENCY_EMERGENCY) {
      detail->set_action(type::v1::DOUBT_ACTION_RECALL);
      reason = "超过确认时限，对方尚未接收，系统自动撤回";
    } else {
      detail->set_action(type::v1::DOUBT_ACTION_CONFIRM_BY_VOICE);
      detail->set_spoken_code(SpokenCode(handoff.id(), after_.content_digest()));
      *detail->mutable_keep_by_time() = handoff.keep_by_time();
      facts->set_voice_confirmation_required(true);
    }
    if (reason != nullptr && RequestRecall(*before_, now_, &after_)) {
      detail->set_recall_reason(reason);
      change_->envelopes.push_back(RecallDraft(handoff, reason));
    }
    return absl::OkStatus();
  }

  absl::Status ConfirmByVoice() {
    const type::v1::ConfirmByVoice& spoken = command_.confirm_by_voice();
    type::v1::Handoff* handoff = after_.mutable_handoff();
    if (spoken.code() != SpokenCode(handoff->id(), after_.content_digest())) return error::SpokenCodeWrong();
    type::v1::VoiceConfirmation voice;
    voice.set_outcome(spoken.outcome());
    ToProto(now_, voice.mutable_confirm_time());
    voice.set_by_hotline(site_.hotline);
    voice.set_spoken_with(spoken.spoken_with());
    voice.set_note(spoken.note());
    InstallVoice(voice, handoff);
    const bool giver = handoff->from_hotline() == site_.hotline;
    if (!giver && spoken.outcome() == type::v1::VOICE_OUTCOME_PEER_ACCEPTS) {
      after_.set_state(type::v1::ORDER_STATE_ACCEPTED);
      Accept();
      event_.mutable_accepted()->mutable_acceptance()->set_note(spoken.note());
      *event_.mutable_accepted()->mutable_voice() = std::move(voice);
      return absl::OkStatus();
    }
    type::v1::VoiceConfirmedDetail* detail = event_.mutable_voice_confirmed();
    detail->set_handoff_id(handoff->id());
    *detail->mutable_voice() = voice;
    EndDoubt(after_.mutable_facts());
    if (giver && spoken.outcome() != type::v1::VOICE_OUTCOME_PEER_ACCEPTS &&
        RequestRecall(*before_, now_, &after_)) {
      detail->set_recall_requested(true);
      change_->envelopes.push_back(RecallDraft(*handoff, VoiceRecallReason(voice)));
    }
    return absl::OkStatus();
  }

  absl::Status Alarm() {
    const type::v1::Handoff& handoff = after_.handoff();
    if (FromProto(command_.alarm().offer_time()) != FromProto(handoff.offer_time())) {
      return NotThisOffer(Verb::kAlarm);
    }
    after_.mutable_facts()->set_receipt_alarm(true);
    event_.mutable_alarmed()->set_handoff_id(handoff.id());
    event_.mutable_alarmed()->set_kind(command_.alarm().kind());
    return absl::OkStatus();
  }

  absl::Status RecordArrival() {
    type::v1::Handoff* handoff = SceneHandoff(&after_);
    if (handoff == nullptr) return NotThisOffer(Verb::kRecordArrival);
    type::v1::SceneRecord record;
    *record.mutable_arrival() = command_.scene_arrival();
    if (record.arrival().outcome() == type::v1::SCENE_OUTCOME_ARRIVED &&
        !record.arrival().has_arrive_time()) {
      ToProto(now_, record.mutable_arrival()->mutable_arrive_time());
    }
    ToProto(now_, record.mutable_record_time());
    record.set_by_hotline(site_.hotline);
    InstallSceneRecord(record, handoff);
    type::v1::SceneRecordedDetail* detail = event_.mutable_scene_recorded();
    detail->set_handoff_id(handoff->id());
    *detail->mutable_record() = std::move(record);
    return absl::OkStatus();
  }

  const WorkOrder* const before_;
  const Command& command_;
  const Site& site_;
  const absl::Time now_;
  Change* const change_;
  WorkOrder& after_;
  type::v1::Event& event_;
  // The site has the order again by the handoff that it came by.
  bool restored_ = false;
};

// Pushes and recalls have envelopes of their own; filing, the ladder, alarms and calls of partners are each
// site's own affair.
bool IsMirrored(Verb verb) {
  switch (verb) {
    case Verb::kOffer:
    case Verb::kRecall:
    case Verb::kArchive:
    case Verb::kEscalate:
    case Verb::kDoubt:
    case Verb::kAlarm:
    case Verb::kCallPartners:
      return false;
    default:
      return true;
  }
}

// The content of a new order: its own, or that of the incident it belongs to, byte for byte.
struct NewContent {
  type::v1::OrderContent content;
  std::string bytes;
};
absl::StatusOr<NewContent> ContentOf(const type::v1::Registration& registration, const NewOrder& fresh,
                                     const Site& site) {
  NewContent result;
  if (!registration.parent_order_id().empty()) {
    if (fresh.parent == nullptr) return error::OrderNotFound(registration.parent_order_id());
    if (absl::StatusOr<const Rule*> rule = FindRule(Verb::kCallPartners, *fresh.parent, site); !rule.ok()) {
      return rule.status();
    }
    if (!registration.has_content()) {
      result.bytes = fresh.parent_content;
      if (!result.content.ParseFromString(result.bytes)) {
        return error::Internal("a stored content cannot be read");
      }
      return result;
    }
  }
  result.content = registration.content();
  result.bytes = result.content.SerializeAsString();
  return result;
}

}  // namespace

absl::StatusOr<Change> Decide(const WorkOrder* before, const Command& command, const NewOrder& fresh,
                              const Site& site, absl::Time now) {
  const type::v1::CommandHeader& header = command.header();
  if (absl::Status status = ValidateHeader(header); !status.ok()) return status;
  if (absl::Status status = ValidateAction(command, site, now); !status.ok()) return status;
  const Verb verb = VerbOf(command);
  if ((verb == Verb::kEscalate || verb == Verb::kDoubt) && header.actor().account() != kEscalationAccount) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.actor.account",
                           "must be the escalation service", "只能由督办服务执行");
  }
  if (verb == Verb::kAlarm && header.actor().account() != kAlarmAccount) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.actor.account",
                           "must be service/alarm", "只能由系统告警执行");
  }
  if (command.has_registration()) {
    if (!header.order_id().empty()) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.order_id",
                             "must be empty for a new order", "登记新工单时应为空");
    }
    before = nullptr;
  } else {
    if (header.order_id().empty()) return error::Required("header.order_id");
    if (before == nullptr) return error::OrderNotFound(header.order_id());
  }
  const int64_t version = before == nullptr ? 0 : before->version();
  if (header.expected_version() != 0 && header.expected_version() != version) {
    return error::StaleVersion(header.expected_version(), version);
  }
  const WorkOrder& standing = before == nullptr ? WorkOrder::default_instance() : *before;
  if (verb != Verb::kArchive && verb != Verb::kEscalate && FollowsAnotherCopy(standing, site)) {
    return error::OtherCopy(CopyToWorkWith(standing, site));
  }
  absl::StatusOr<const Rule*> rule = FindRule(verb, standing, site);
  if (!rule.ok()) return rule.status();
  if (verb == Verb::kOffer && standing.has_reply()) {
    // What has been answered is done again by whom answered it.
    const VerbName& name = kVerbNames[static_cast<int>(verb)];
    return error::WrongState(name.english, name.chinese, standing.state());
  }
  if (verb == Verb::kReturn && standing.state() == type::v1::ORDER_STATE_ACCEPTED &&
      standing.origin_hotline() == site.hotline) {
    // 首接负责: the first receiver has nobody before it.
    const VerbName& name = kVerbNames[static_cast<int>(verb)];
    return error::WrongState(name.english, name.chinese, standing.state());
  }
  if (absl::Status status = CheckDuty(standing, command, site); !status.ok()) return status;
  if (command.offer().has_scene()) {
    const type::v1::Urgency urgency =
        before == nullptr ? command.registration().content().urgency() : standing.urgency();
    if (urgency == type::v1::URGENCY_EMERGENCY) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "content.urgency",
                             "must not be EMERGENCY: danger on the scene is police's own",
                             "现场引导移交不适用于特急：现场险情应由公安机关先行处置");
    }
  }

  Change change;
  Step step(before, command, site, now, &change);
  if (before != nullptr) {
    change.after = *before;
    change.after.clear_content();
  } else {
    absl::StatusOr<NewContent> content = ContentOf(command.registration(), fresh, site);
    if (!content.ok()) return content.status();
    step.Register(fresh, content->content, std::move(content->bytes));
  }
  if (absl::Status status = step.Apply(verb); !status.ok()) return status;
  if ((*rule)->next != kSame) change.after.set_state((*rule)->next);
  DropFactsOfOtherStates(&change.after);
  *change.event.mutable_actor() = header.actor();
  change.event.mutable_actor()->set_hotline(site.hotline);
  change.event.set_traceparent(command.traceparent());
  Seal(before, now, &change);
  if (before != nullptr && IsMirrored(verb)) step.Tell(verb);
  return change;
}

}  // namespace hotline::work_order
