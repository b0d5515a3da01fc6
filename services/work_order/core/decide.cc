#include "services/work_order/core/decide.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "common/base/request_id.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/retention/erase.h"
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
  kMerge,
  kSeparate,
  kDisclose,
  kContact,
  kRequestExtension,
  kDecideExtension,
  kReturnFromUnit,
  kReassign,
  kMoveDeadline,
  kAcknowledge,
  kReportNotification,
  kPlaceHold,
  kReleaseHold,
  kErase,
  kAccuse,
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
    {"finish", "答复"},
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
    {"record an arrival on", "登记到场"},
    {"merge", "并单"},
    {"separate", "拆单"},
    {"disclose", "知悉登记"},
    {"record a contact on", "登记联系群众"},
    {"ask for an extension of", "申请延期"},
    {"decide an extension of", "审批延期"},
    {"return from a unit", "退单"},
    {"reassign", "改派"},
    {"move a deadline of", "调整时限"},
    {"acknowledge a rung of", "确认督办信息"},
    {"report a notification of", "登记通知结果"},
    {"place a legal hold on", "法律保全"},
    {"release the legal hold on", "解除保全"},
    {"erase the content of", "到期清除"},
    {"accuse units of", "提出回避"},
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
constexpr StateSet kDispatched = In(type::v1::ORDER_STATE_DISPATCHED);
constexpr StateSet kSignedOn =
    In(type::v1::ORDER_STATE_SIGNED, type::v1::ORDER_STATE_IN_PROGRESS, type::v1::ORDER_STATE_REDO);
constexpr StateSet kWithUnit =
    In(type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED, type::v1::ORDER_STATE_IN_PROGRESS);
constexpr StateSet kAnswered = In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK);
constexpr StateSet kRedo = In(type::v1::ORDER_STATE_REDO);
constexpr StateSet kReturned = In(type::v1::ORDER_STATE_RETURNED);
constexpr StateSet kClosed = In(type::v1::ORDER_STATE_CLOSED);
// At work, and nothing answered yet that would have to be done again: Decide asks for a reply beside it.
constexpr StateSet kPassable = kAtWork & ~In(type::v1::ORDER_STATE_REDO);
constexpr StateSet kDone = In(type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_CANCELLED);
constexpr StateSet kLiving = ~(kEnded | kNew);

// People tell times by the minute, so that what was after another time may seem to lie this much before it.
constexpr absl::Duration kTimeGrain = absl::Minutes(1);
// As ValidateAction has it.
constexpr absl::Duration kMostAhead = absl::Hours(366 * 24);
// What was written on paper while a site was down is typed in later, and so is what was done about it.
constexpr absl::Duration kTypedInLater = absl::Hours(72);

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
    // To be done again by nobody yet: see Dispatch().
    {Verb::kDispatch, kAccepted | kRedo, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_DISPATCHED},
    // Only the lead unit's signature moves the order, and only from DISPATCHED and REDO: see Sign().
    {Verb::kSign, kDispatched | kSignedOn, Who::kHolder, Pause::kEither, kSame},
    // An assisting unit's moves nothing but its own record, and only its is legal in DISPATCHED: see
    // Report().
    {Verb::kProgress, kAccepted | kDispatched | kSignedOn, Who::kHolder, Pause::kEither, kSame},
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
    {Verb::kDisclose, ~kNew, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kMerge, kRegistered | kPassable, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_IN_PROGRESS},
    // Only of a merged order: see Separate().
    {Verb::kSeparate, kAtWork, Who::kHolder, Pause::kEither, type::v1::ORDER_STATE_ACCEPTED},
    // Only where a unit was asked for: see RecordArrival().
    {Verb::kRecordArrival, kLiving, Who::kParty, Pause::kEither, kSame},
    {Verb::kContact, kAtWork, Who::kHolder, Pause::kEither, kSame},
    {Verb::kRequestExtension, kAtWork, Who::kHolder, Pause::kMustNot, kSame},
    {Verb::kDecideExtension, kAtWork, Who::kHolder, Pause::kEither, kSame},
    {Verb::kReturnFromUnit, kWithUnit, Who::kHolder, Pause::kMustNot, type::v1::ORDER_STATE_ACCEPTED},
    {Verb::kReassign, kWithUnit, Who::kHolder, Pause::kMustNot, type::v1::ORDER_STATE_DISPATCHED},
    {Verb::kMoveDeadline, kLiving, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kAcknowledge, kLiving, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kPlaceHold, ~kNew, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kReleaseHold, ~kNew, Who::kAnyone, Pause::kEither, kSame},
    // Of what was given back, only the copy that nobody goes on with: see Erase().
    {Verb::kErase, kEnded | kGivenBack, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kReportNotification, kLiving, Who::kAnyone, Pause::kEither, kSame},
    // Moves the order only where an accused unit leads: see Accuse().
    {Verb::kAccuse, kLiving & ~kGivenBack, Who::kAnyone, Pause::kEither, kSame},
    {Verb::kAccuse, kGivenBack, Who::kHolder, Pause::kEither, kSame},
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
    case Command::kDisclosure:
      return Verb::kDisclose;
    case Command::kMerger:
      return Verb::kMerge;
    case Command::kSeparation:
      return Verb::kSeparate;
    case Command::kCallerContact:
      return Verb::kContact;
    case Command::kExtensionRequest:
      return Verb::kRequestExtension;
    case Command::kExtensionDecision:
      return Verb::kDecideExtension;
    case Command::kUnitReturn:
      return Verb::kReturnFromUnit;
    case Command::kUnitReassignment:
      return Verb::kReassign;
    case Command::kDeadlineMove:
      return Verb::kMoveDeadline;
    case Command::kRungAcknowledgement:
      return Verb::kAcknowledge;
    case Command::kNotificationReport:
      return Verb::kReportNotification;
    case Command::kHoldPlacement:
      return Verb::kPlaceHold;
    case Command::kHoldRelease:
      return Verb::kReleaseHold;
    case Command::kErasure:
      return Verb::kErase;
    case Command::kAccusation:
      return Verb::kAccuse;
    case Command::ACTION_NOT_SET:
      break;
  }
  return Verb::kRegister;
}

// What escalation alone does: a site's own affair, whoever holds the order.
bool IsEscalations(Verb verb) {
  return verb == Verb::kEscalate || verb == Verb::kMoveDeadline || verb == Verb::kReportNotification;
}

// Keeping and erasing what this site has: of each copy on its own.
bool IsRetention(Verb verb) {
  return verb == Verb::kPlaceHold || verb == Verb::kReleaseHold || verb == Verb::kErase;
}

// Whether the command is refused because the order's content was erased: nobody can work on what nobody can
// read, nor hand it on. An order whose origin has it still, and reopens it, is done again by what that says.
bool NeedsContent(Verb verb, const WorkOrder& order) {
  if (verb == Verb::kArchive || verb == Verb::kDisclose || verb == Verb::kPlaceHold ||
      verb == Verb::kReleaseHold || IsEscalations(verb)) {
    return false;
  }
  if (verb == Verb::kErase) return FromProto(order.update_time()) <= FromProto(order.erase_time());
  return verb == Verb::kOffer || Contains(kEnded | kGivenBack, order.state());
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

// The hotline of RoleName's role; empty for the holder, which error::NotHolder names anyway.
std::string_view HotlineOf(std::string_view role, const WorkOrder& order) {
  if (role == "origin") return order.origin_hotline();
  if (role == "giver") return order.handoff().from_hotline();
  if (role == "receiver") return order.handoff().to_hotline();
  return {};
}

// The row for `verb` on `order`, or why there is none: first the role, then the state, then a suspension. For
// a site that may do it in another state it is the state that is wrong, whoever may do it in this one: the
// order has moved on under its hands (returned, or recalled, while it was to be accepted). So it is for an
// order that never was handed over and has neither giver nor receiver. But what waits for the receiver is in
// the right state: the giver is told that it is not its turn.
absl::StatusOr<const Rule*> FindRule(Verb verb, const WorkOrder& order, const Site& site) {
  const VerbName& name = kVerbNames[static_cast<int>(verb)];
  const Rule* row = nullptr;
  Who needed = Who::kAnyone;
  bool may_somewhere = false;
  StateSet possible{};
  for (const Rule& rule : kRules) {
    if (rule.verb != verb) continue;
    if (!order.has_handoff() &&
        (rule.who == Who::kGiver || rule.who == Who::kReceiver || rule.who == Who::kParty)) {
      may_somewhere = true;
      continue;
    }
    if (Contains(rule.states, order.state())) row = &rule;
    if (MayDo(rule.who, order, site)) possible |= rule.states & ~kNew;
    needed = rule.who;
  }
  may_somewhere |= possible != 0;
  const bool may_here = row != nullptr && MayDo(row->who, order, site);
  const bool receivers = row != nullptr && row->who == Who::kReceiver;
  if (!may_here && (!may_somewhere || receivers)) {
    const char* const role = RoleName(row != nullptr ? row->who : needed, order, site);
    return error::NotHolder(name.chinese, order.custody().holder(), role, HotlineOf(role, order));
  }
  if (!may_here) {
    std::vector<type::v1::OrderState> states;
    for (int state = type::v1::OrderState_MIN; state <= type::v1::OrderState_MAX; ++state) {
      const auto one = static_cast<type::v1::OrderState>(state);
      if (type::v1::OrderState_IsValid(state) && Contains(possible, one)) states.push_back(one);
    }
    return error::WrongState(name.english, name.chinese, order.state(), states);
  }
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
  Step(const WorkOrder* before, const Command& command, const NewOrder& fresh, const Site& site,
       absl::Time now, Change* change)
      : before_(before),
        command_(command),
        fresh_(fresh),
        site_(site),
        now_(now),
        change_(change),
        after_(change->after),
        event_(change->event) {}

  // `content` is what `bytes` say.
  void Register(const type::v1::OrderContent& content, std::string bytes) {
    const NewOrder& fresh = fresh_;
    change_->creates = true;
    change_->content = std::move(bytes);
    change_->caller_phone = NormalizePhone(content.caller().phone());
    after_.set_id(fresh.id);
    after_.set_number(fresh.number);
    after_.set_origin_hotline(site_.hotline);
    // Who registers a copy of what somebody else was told knows it no better for that.
    after_.set_registered_by(command_.registration().has_content() ? command_.header().actor().account()
                                                                   : fresh.parent->registered_by());
    MoveCustody(&after_, site_.hotline, now_);
    ToProto(now_, after_.mutable_register_time());
    AdoptContent(content, change_->content, fresh.content_salt, &after_);
    after_.set_state(type::v1::ORDER_STATE_REGISTERED);
    after_.mutable_facts()->set_restricted(command_.registration().restricted());
    if (!command_.registration().parent_order_id().empty()) {
      after_.set_parent_id(fresh.parent->id());
      after_.set_parent_number(fresh.parent->number());
      if (fresh.parent->facts().restricted()) after_.mutable_facts()->set_restricted(true);
      Recuse(fresh.parent->facts().recused_units(), &after_);
    }
    type::v1::RegisteredDetail* const detail =
        command_.has_offer() ? event_.mutable_offered()->mutable_registered() : event_.mutable_registered();
    DescribeContent(content, after_, detail);
    if (command_.registration().has_route()) *detail->mutable_route() = command_.registration().route();
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
        if (Contains(kRedo, before_->state()) && !before_->units().empty()) {
          return NotThisOffer(Verb::kDispatch);
        }
        Dispatch(command_.unit_dispatch());
        *event_.mutable_dispatched() = command_.unit_dispatch();
        *event_.mutable_dispatched()->mutable_recused_units() = after_.facts().recused_units();
        break;
      case Verb::kSign:
        return Sign();
      case Verb::kProgress:
        return Report();
      case Verb::kExtend:
        return Extend();
      case Verb::kSuspend:
        return Suspend();
      case Verb::kResume:
        after_.mutable_facts()->clear_suspended();
        after_.mutable_facts()->clear_suspend_time();
        after_.mutable_facts()->clear_review_time();
        *event_.mutable_resumed() = command_.resumption();
        break;
      case Verb::kFinish:
        return Finish();
      case Verb::kCallBack:
        return CallBack();
      case Verb::kRedo:
        return Redo();
      case Verb::kClose:
        return Close();
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
        return Rule();
      case Verb::kReopen:
        return Reopen();
      case Verb::kRecordArrival:
        return RecordArrival();
      case Verb::kDisclose:
        *event_.mutable_disclosed() = command_.disclosure();
        break;
      case Verb::kMerge:
        return Merge();
      case Verb::kSeparate:
        return Separate();
      case Verb::kContact:
        return Contact();
      case Verb::kRequestExtension:
        return RequestExtension();
      case Verb::kDecideExtension:
        return DecideExtension();
      case Verb::kReturnFromUnit:
        return ReturnFromUnit();
      case Verb::kReassign:
        return Reassign();
      case Verb::kMoveDeadline:
        MoveDeadline();
        break;
      case Verb::kAcknowledge:
        return Acknowledge();
      case Verb::kReportNotification:
        ReportNotification();
        break;
      case Verb::kPlaceHold:
        return PlaceHold();
      case Verb::kReleaseHold:
        return ReleaseHold();
      case Verb::kErase:
        return Erase();
      case Verb::kAccuse:
        return Accuse();
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
    const bool behind = verb == Verb::kConfirmByVoice || (verb == Verb::kAccuse && IsOpen(*before_));
    if (restored_ || HasCounterpart(*before_) || behind) {
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
    const bool news = !HasOpenInbound(after_) || verb == Verb::kAccuse ||
                      ViewForGiver(after_, site_) != ViewForGiver(*before_, site_);
    if (!restored_ && HasOpenInbound(*before_) && news) {
      OweMirror(site_, after_.inbound(), StateForGiver(after_, site_), change_);
    }
  }

 private:
  absl::Status PlaceHold() {
    if (after_.has_legal_hold()) return error::LegalHold(after_.legal_hold().reference());
    type::v1::LegalHold* const hold = after_.mutable_legal_hold();
    hold->set_reason(command_.hold_placement().reason());
    hold->set_reference(command_.hold_placement().reference());
    hold->set_account(command_.header().actor().account());
    ToProto(now_, hold->mutable_place_time());
    *event_.mutable_hold_placed() = command_.hold_placement();
    return absl::OkStatus();
  }

  absl::Status ReleaseHold() {
    if (!after_.has_legal_hold()) return error::NotHeld();
    after_.clear_legal_hold();
    *event_.mutable_hold_released() = command_.hold_release();
    return absl::OkStatus();
  }

  // What stays is what happened and what both sites compare: the digest of the reply goes with the view.
  absl::Status Erase() {
    const bool goes_on =
        Contains(kGivenBack, before_->state()) && before_->custody().holder() == site_.hotline;
    if (goes_on) {
      const VerbName& name = kVerbNames[static_cast<int>(Verb::kErase)];
      return error::WrongState(name.english, name.chinese, before_->state());
    }
    if (before_->has_legal_hold()) return error::LegalHold(before_->legal_hold().reference());
    if (FromProto(before_->update_time()) >= FromProto(command_.erasure().unchanged_since_time())) {
      return error::RetentionRunning();
    }
    after_.set_erased_view(SharedView(*before_));
    ToProto(now_, after_.mutable_erase_time());
    retention::EraseTexts(&after_);
    *event_.mutable_erased() = command_.erasure();
    change_->erases = true;
    return absl::OkStatus();
  }

  void Offer() {
    const type::v1::Offer& offer = command_.offer();
    const int attempt = LastAttempt(after_) + 1 + fresh_.attempt_gap;
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
    DropExtensions(&after_);
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
    if (handoff->kind() == type::v1::HANDOFF_KIND_STABILITY_CLUE) {
      after_.mutable_facts()->set_restricted(true);
    }
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
    body.set_restricted(after_.facts().restricted());
    *body.mutable_recused_units() = after_.facts().recused_units();
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
    DropExtensions(&after_);
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

  absl::Status Rule() {
    if (absl::Status status =
            CheckNotOwn("may not rule on its own work: the joint meeting does, and the hotline records it",
                        "裁定由平台登记，承办单位不得自行裁定");
        !status.ok()) {
      return status;
    }
    const type::v1::Ruling& ruling = command_.ruling();
    type::v1::Facts* facts = after_.mutable_facts();
    facts->clear_disputed();
    facts->set_ruled_for(ruling.to_hotline().empty() ? site_.hotline : ruling.to_hotline());
    facts->set_ruled_unit(ruling.unit());
    *event_.mutable_ruled() = ruling;
    event_.mutable_ruled()->set_to_hotline(facts->ruled_for());
    return absl::OkStatus();
  }

  // To be done again: by whom gave the reply, wherever the order has come to by the last handoff.
  void GiveBackToReplier() {
    MoveCustody(&after_, IsHandedOver(after_) ? TakerOf(after_.handoff()) : site_.hotline, now_);
    after_.mutable_facts()->set_redo_count(after_.facts().redo_count() + 1);
    // What is to be done again has a deadline of its own.
    after_.mutable_facts()->clear_extend_until_time();
    for (type::v1::UnitTask& task : *after_.mutable_units()) {
      task.clear_finish_time();
      // An assisting unit may take it anew. The lead unit's signature stands until it does.
      if (task.lead()) continue;
      task.clear_sign_time();
      task.clear_handler();
    }
    // Not by a unit that has been accused since.
    DropRecusedUnits(site_, &after_, nullptr);
  }

  absl::Status Redo() {
    if (absl::Status status = CheckNotOwn("may not demand its own work once more: the hotline does",
                                          "重办由平台提出，承办单位不得自行重办");
        !status.ok()) {
      return status;
    }
    GiveBackToReplier();
    *event_.mutable_redo_demanded() = command_.redo_demand();
    return absl::OkStatus();
  }

  absl::Status Reopen() {
    if (absl::Status status = CheckNotOwn("may not reopen its own work: the hotline does",
                                          "重新办理由平台提出，承办单位不得自行重新办理");
        !status.ok()) {
      return status;
    }
    GiveBackToReplier();
    *event_.mutable_reopened() = command_.reopening();
    return absl::OkStatus();
  }

  absl::Status Accuse() {
    const type::v1::Accusation& accusation = command_.accusation();
    if (before_->facts().recused_units_size() + accusation.units_size() > kMaxRecusedUnits) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "accusation.units",
                             "make more than 64 units that are recused", "回避单位合计超过64个");
    }
    type::v1::AccusedDetail* detail = event_.mutable_accused();
    *detail->mutable_accusation() = accusation;
    if (!Recuse(accusation.units(), &after_)) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "accusation.units",
                             "are known to be accused already", "均已登记为被反映单位");
    }
    EndRecusedWork(site_, &after_, detail);
    if (!accusation.has_dispatch()) return absl::OkStatus();
    if (detail->recused_lead().empty()) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "accusation.dispatch",
                             "is only for the holder, when the unit that leads is accused",
                             "仅适用于持有方，且被反映单位正在主办");
    }
    Dispatch(accusation.dispatch());
    after_.set_state(type::v1::ORDER_STATE_DISPATCHED);
    *detail->mutable_accusation()->mutable_dispatch()->mutable_recused_units() =
        after_.facts().recused_units();
    return absl::OkStatus();
  }

  void Recall() {
    RequestRecall(*before_, now_, &after_);
    type::v1::RecallRequestedDetail* detail = event_.mutable_recall_requested();
    detail->set_handoff_id(after_.handoff().id());
    *detail->mutable_recall() = command_.recall();
    change_->envelopes.push_back(RecallDraft(after_.handoff(), command_.recall().reason()));
  }

  void Dispatch(const type::v1::UnitDispatch& dispatch) {
    if (!after_.unit_moves().empty()) {
      type::v1::UnitMove& last = *after_.mutable_unit_moves()->rbegin();
      if (!last.has_end_time()) ToProto(now_, last.mutable_end_time());
      // Of the unit before.
      DropExtensions(&after_);
    }
    after_.mutable_facts()->clear_finish_due_time();
    after_.mutable_facts()->clear_last_tenth_time();
    after_.mutable_facts()->clear_unit_return_closed();
    after_.clear_units();
    const auto add = [&](const std::string& unit, bool lead) {
      type::v1::UnitTask* task = after_.add_units();
      task->set_unit(unit);
      task->set_lead(lead);
      ToProto(now_, task->mutable_dispatch_time());
    };
    add(dispatch.lead_unit(), true);
    for (const std::string& unit : dispatch.assist_units()) add(unit, false);
  }

  // Who does the work: the unit that the command names, else that of whoever acts, while units are at work;
  // else nobody is named, and it is the lead unit, or the hotline's own desk.
  const std::string& ActingUnit(const std::string& named) const {
    return named.empty() && !before_->units().empty() ? command_.header().actor().unit() : named;
  }

  // A desk acts for whichever unit it names; who acts for a unit, in that one's name alone.
  absl::Status CheckOwnName(const std::string& named) const {
    const std::string& own = command_.header().actor().unit();
    if (named.empty() || own.empty() || named == own) return absl::OkStatus();
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.actor.unit",
                           "is not the unit that is named: nobody does the work in another unit's name",
                           "与所填单位不一致，不得以其他单位名义办理");
  }

  bool IsAtWork(const std::string& unit) const {
    const auto& units = before_->units();
    return std::any_of(units.begin(), units.end(),
                       [&](const type::v1::UnitTask& task) { return task.unit() == unit; });
  }

  // Who does the work, or asked for more time (`asking`), does not judge that: `english` and `chinese` say
  // what is the hotline's alone.
  absl::Status CheckNotOwn(const char* english, const char* chinese, const std::string& asking = "") const {
    const std::string& unit = command_.header().actor().unit();
    if (unit.empty() || (unit != asking && !IsAtWork(unit))) return absl::OkStatus();
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.actor.unit", english, chinese);
  }

  absl::Status ReturnFromUnit() {
    const type::v1::UnitReturn& returned = command_.unit_return();
    if (absl::Status status = CheckOwnName(returned.unit()); !status.ok()) return status;
    const std::string& lead = LeadUnit(after_);
    const std::string& unit = ActingUnit(returned.unit());
    if (lead.empty() || (!unit.empty() && !IsAtWork(unit))) return error::UnitNotAssigned(unit);
    if (!unit.empty() && unit != lead) return error::NotLeadUnit(unit);
    type::v1::UnitMove* move = EndTurn(&after_);
    ToProto(now_, move->mutable_return_time());
    move->set_ground(returned.ground());
    after_.mutable_facts()->set_unit_return_count(after_.facts().unit_return_count() + 1);
    *event_.mutable_unit_returned() = returned;
    event_.mutable_unit_returned()->set_unit(lead);
    after_.clear_units();
    return absl::OkStatus();
  }

  absl::Status Reassign() {
    const type::v1::UnitReassignment& reassignment = command_.unit_reassignment();
    if (after_.units().empty()) return error::UnitNotAssigned("");
    if (absl::Status status =
            CheckNotOwn("may not give its own work to another: it returns it to the hotline",
                        "改派由平台办理，承办单位应当退单");
        !status.ok()) {
      return status;
    }
    if (reassignment.dispatch().lead_unit() == LeadUnit(after_)) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "unit_reassignment.dispatch.lead_unit",
                             "is the lead unit already", "已是主办单位");
    }
    EndTurn(&after_);
    Dispatch(reassignment.dispatch());
    *event_.mutable_reassigned() = reassignment;
    return absl::OkStatus();
  }

  // When this site, or whoever it has the order from, had it first; by whichever clock says the earliest.
  absl::Time KnownSince() const {
    absl::Time known = FromProto(before_->register_time());
    if (before_->has_handoff()) known = std::min(known, FromProto(before_->handoff().offer_time()));
    if (before_->has_inbound()) known = std::min(known, FromProto(before_->inbound().offer_time()));
    for (const type::v1::Hop& hop : before_->hops()) {
      if (hop.has_offer_time()) known = std::min(known, FromProto(hop.offer_time()));
    }
    return known;
  }

  absl::Status Contact() {
    if (absl::Status status = CheckOwnName(command_.caller_contact().unit()); !status.ok()) return status;
    const std::string& unit = ActingUnit(command_.caller_contact().unit());
    if (!unit.empty() && !before_->units().empty() && !IsAtWork(unit)) return error::UnitNotAssigned(unit);
    if (command_.caller_contact().has_contact_time() &&
        FromProto(command_.caller_contact().contact_time()) < KnownSince() - kTypedInLater) {
      return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "caller_contact.contact_time",
                             "lies more than three days before the order was registered",
                             "早于工单登记时间三天以上");
    }
    type::v1::CallerContact* contact = after_.mutable_last_contact();
    *contact = command_.caller_contact();
    contact->set_unit(unit);
    if (!contact->has_contact_time()) ToProto(now_, contact->mutable_contact_time());
    type::v1::Facts* facts = after_.mutable_facts();
    facts->set_contact_count(facts->contact_count() + 1);
    if (contact->reached() && !facts->has_first_contact_time()) {
      *facts->mutable_first_contact_time() = contact->contact_time();
    }
    *event_.mutable_contacted() = *contact;
    event_.mutable_contacted()->clear_note();
    return absl::OkStatus();
  }

  // More time never takes any away: whether `until` is later than the deadline, as far as the order knows
  // that.
  absl::Status CheckLater(const google::protobuf::Timestamp& until, const char* field) const {
    const type::v1::Facts& facts = before_->facts();
    const auto refused = [&](const char* english, const char* chinese) {
      return error::BadField(Reason::ERROR_REASON_TIME_INVALID, field, english, chinese);
    };
    if (facts.has_finish_due_time()) {
      return FromProto(until) > FromProto(facts.finish_due_time())
                 ? absl::OkStatus()
                 : refused("must be later than the deadline", "必须晚于现有时限");
    }
    if (facts.has_extend_until_time()) {
      return FromProto(until) > FromProto(facts.extend_until_time())
                 ? absl::OkStatus()
                 : refused("must be later than any earlier extension", "必须晚于此前的延期时间");
    }
    // An extension before a redo was of another deadline; the order cannot tell which.
    return facts.extension_count() == 0 || facts.redo_count() > 0
               ? absl::OkStatus()
               : refused(
                     "cannot be compared: the deadline is the end of an extension by length, which no "
                     "rung has told yet; ask for a length",
                     "此前已按时长延期，新时限尚未通知，无法比较；请按时长申请延期");
  }

  absl::Status RequestExtension() {
    const type::v1::Facts& facts = before_->facts();
    const std::string& unit = command_.header().actor().unit();
    if (!unit.empty() && !before_->units().empty() && !IsAtWork(unit)) return error::UnitNotAssigned(unit);
    if (before_->has_extension_request()) return error::ExtensionPending(true);
    if (facts.extension_count() >= site_.extensions_per_order) {
      return error::ExtensionLimit(site_.extensions_per_order);
    }
    type::v1::ExtensionRequest request = command_.extension_request();
    if (facts.has_finish_due_time() && FromProto(facts.finish_due_time()) <= now_) {
      return error::ExtensionTooLate();
    }
    if (request.has_until_time()) {
      if (absl::Status status = CheckLater(request.until_time(), "extension_request.until_time");
          !status.ok()) {
        return status;
      }
    }
    if (facts.has_finish_due_time()) {
      // A reminder comes before the last tenth (the policy sees to that), so until it there is nothing to
      // mark.
      request.set_last_minute(facts.has_last_tenth_time() && FromProto(facts.last_tenth_time()) <= now_);
    }
    ToProto(now_, request.mutable_request_time());
    request.set_account(command_.header().actor().account());
    request.set_unit(unit.empty() ? LeadUnit(*before_) : unit);
    if (request.last_minute()) {
      after_.mutable_facts()->set_last_minute_count(facts.last_minute_count() + 1);
    }
    *event_.mutable_extension_requested() = request;
    *after_.mutable_extension_request() = std::move(request);
    return absl::OkStatus();
  }

  absl::Status DecideExtension() {
    if (!before_->has_extension_request()) return error::ExtensionPending(false);
    const type::v1::ExtensionDecision& decision = command_.extension_decision();
    const type::v1::ExtensionRequest& request = before_->extension_request();
    if (absl::Status status = CheckNotOwn("may not decide on its own request: the hotline does",
                                          "延期由平台审批，承办单位不得自行审批", request.unit());
        !status.ok()) {
      return status;
    }
    type::v1::ExtensionDecidedDetail* detail = event_.mutable_extension_decided();
    *detail->mutable_decision() = decision;
    *detail->mutable_request() = request;
    after_.clear_extension_request();
    if (!decision.approved()) return absl::OkStatus();
    type::v1::Facts* facts = after_.mutable_facts();
    facts->set_extension_count(facts->extension_count() + 1);
    // The end of a length is escalation's to reckon: it knows the calendar.
    facts->clear_finish_due_time();
    facts->clear_last_tenth_time();
    facts->clear_extend_until_time();
    if (decision.has_until_time() || request.has_until_time()) {
      const auto& until = decision.has_until_time() ? decision.until_time() : request.until_time();
      // An earlier release let any time be asked for.
      if (FromProto(until) <= now_ || FromProto(until) > now_ + kMostAhead) {
        return error::BadField(
            Reason::ERROR_REASON_TIME_INVALID, "extension_decision.until_time",
            "must be given, as what was asked for has passed or is more than 366 days away",
            "申请的时间已过或超过366天，须另行指定");
      }
      if (absl::Status status = CheckLater(until, "extension_decision.until_time"); !status.ok()) {
        return status;
      }
      *facts->mutable_extend_until_time() = until;
      *detail->mutable_decision()->mutable_until_time() = until;
    }
    return absl::OkStatus();
  }

  void MoveDeadline() {
    const type::v1::DeadlineMove& move = command_.deadline_move();
    type::v1::Facts* facts = after_.mutable_facts();
    if (move.clock() == type::v1::CLOCK_KIND_FINISH && facts->has_finish_due_time() &&
        move.duty_party() == FinishDuty(*before_)) {
      // One that only settles the day (its year was announced) leaves what has been reminded of it.
      const bool moved = FromProto(facts->finish_due_time()) != FromProto(move.new_due_time());
      *facts->mutable_finish_due_time() = move.new_due_time();
      if (moved) facts->clear_last_tenth_time();
    }
    *event_.mutable_deadline_moved() = move;
  }

  absl::Status Acknowledge() {
    const type::v1::Facts& facts = before_->facts();
    if (facts.remind_count() + facts.urge_count() + facts.supervise_count() == 0) {
      return NotThisOffer(Verb::kAcknowledge);
    }
    *event_.mutable_rung_acknowledged() = command_.rung_acknowledgement();
    return absl::OkStatus();
  }

  void ReportNotification() {
    const type::v1::NotificationReport& report = command_.notification_report();
    const bool reached =
        std::any_of(report.notices().begin(), report.notices().end(), [](const type::v1::Notice& notice) {
          return notice.result() == type::v1::NOTIFICATION_RESULT_REACHED;
        });
    if (report.unreachable()) {
      after_.mutable_facts()->set_rung_unreached(true);
    } else if (reached) {
      after_.mutable_facts()->clear_rung_unreached();
    }
    *event_.mutable_notification_reported() = report;
  }

  // Whose FINISH clock runs at this site.
  static const std::string& FinishDuty(const WorkOrder& order) {
    return order.units().empty() ? order.custody().holder() : order.units(0).unit();
  }

  absl::Status Sign() {
    if (absl::Status status = CheckOwnName(command_.signature().unit()); !status.ok()) return status;
    const std::string& wanted = ActingUnit(command_.signature().unit());
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
    } else if (task->has_sign_time()) {
      // The first one says who took it, and whether in time.
      return NotThisOffer(Verb::kSign);
    }
    ToProto(now_, task->mutable_sign_time());
    task->set_handler(command_.header().actor().account());
    event_.mutable_signed_()->set_unit(task->unit());
    return absl::OkStatus();
  }

  absl::Status Report() {
    const type::v1::Progress& progress = command_.progress();
    if (absl::Status status = CheckOwnName(progress.unit()); !status.ok()) return status;
    const std::string& reporter = ActingUnit(progress.unit());
    *event_.mutable_progressed() = progress;
    event_.mutable_progressed()->set_unit(reporter);
    if (reporter.empty() || reporter == LeadUnit(after_)) {
      if (progress.part_done()) {
        return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "progress.part_done",
                               "is for assisting units: the lead unit gives the reply",
                               "仅适用于协办单位，主办单位应办结答复");
      }
      if (Contains(kDispatched, before_->state())) {
        const VerbName& name = kVerbNames[static_cast<int>(Verb::kProgress)];
        return error::WrongState(name.english, name.chinese, before_->state());
      }
      after_.set_state(type::v1::ORDER_STATE_IN_PROGRESS);
      return absl::OkStatus();
    }
    const auto task = std::find_if(after_.mutable_units()->begin(), after_.mutable_units()->end(),
                                   [&](const type::v1::UnitTask& unit) { return unit.unit() == reporter; });
    if (task == after_.mutable_units()->end()) return error::UnitNotAssigned(reporter);
    // Said once more, it was done when it was said first.
    if (progress.part_done() && !task->has_finish_time()) ToProto(now_, task->mutable_finish_time());
    return absl::OkStatus();
  }

  absl::Status Extend() {
    const type::v1::Extension& extension = command_.extension();
    if (absl::Status status = CheckNotOwn("may not extend its own time: the hotline does",
                                          "延期由平台审批，承办单位不得自行延期");
        !status.ok()) {
      return status;
    }
    if (absl::Status status = CheckLater(extension.until_time(), "extension.until_time"); !status.ok()) {
      return status;
    }
    type::v1::Facts* facts = after_.mutable_facts();
    facts->set_extension_count(facts->extension_count() + 1);
    *facts->mutable_extend_until_time() = extension.until_time();
    facts->clear_finish_due_time();
    facts->clear_last_tenth_time();
    *event_.mutable_extended() = extension;
    return absl::OkStatus();
  }

  // To resume is no favour: a unit may start its own time again.
  absl::Status Suspend() {
    if (absl::Status status = CheckNotOwn("may not stop its own time: the hotline does",
                                          "挂起由平台审批，承办单位不得自行挂起");
        !status.ok()) {
      return status;
    }
    type::v1::Facts* facts = after_.mutable_facts();
    facts->set_suspended(true);
    ToProto(now_, facts->mutable_suspend_time());
    *facts->mutable_review_time() = command_.suspension().review_time();
    // While the clocks stand still nobody knows when they will end; what has passed has passed for good.
    if (FromProto(facts->finish_due_time()) > now_) {
      facts->clear_finish_due_time();
      facts->clear_last_tenth_time();
    }
    *event_.mutable_suspended() = command_.suspension();
    return absl::OkStatus();
  }

  absl::Status Finish() {
    const type::v1::Reply& reply = command_.completion().reply();
    if (absl::Status status = CheckOwnName(reply.unit()); !status.ok()) return status;
    const std::string& unit = ActingUnit(reply.unit());
    if (!unit.empty() && !before_->units().empty() && !IsAtWork(unit)) return error::UnitNotAssigned(unit);
    *after_.mutable_reply() = reply;
    after_.mutable_reply()->set_unit(unit);
    // A call-back was about an earlier reply.
    after_.clear_call_back();
    *event_.mutable_replied()->mutable_reply() = after_.reply();
    event_.mutable_replied()->mutable_reply()->clear_internal_reply();
    return absl::OkStatus();
  }

  absl::Status CallBack() {
    if (absl::Status status = CheckNotOwn("may not call back on its own work: the hotline does",
                                          "回访由平台负责，承办单位不得自行回访");
        !status.ok()) {
      return status;
    }
    MoveCustody(&after_, site_.hotline, now_);
    type::v1::CallBack* call_back = after_.mutable_call_back();
    *call_back = command_.call_back_record().call_back();
    if (!call_back->has_record_time()) ToProto(now_, call_back->mutable_record_time());
    *event_.mutable_called_back() = *call_back;
    event_.mutable_called_back()->clear_note();
    return absl::OkStatus();
  }

  void Escalate() {
    const type::v1::Escalation& escalation = command_.escalation();
    type::v1::Facts* facts = after_.mutable_facts();
    *event_.mutable_escalated() = escalation;
    switch (escalation.rung()) {
      case type::v1::RUNG_CLOSE_RETURN:
        // One that crossed the order's next dispatch is of a time before it, even if that went to the same
        // unit.
        if (escalation.duty_party() == LeadUnit(after_) &&
            FromProto(escalation.due_time()) > FromProto(after_.units(0).dispatch_time())) {
          facts->set_unit_return_closed(true);
        }
        return;
      case type::v1::RUNG_REMIND:
        facts->set_remind_count(facts->remind_count() + 1);
        break;
      case type::v1::RUNG_SUPERVISE:
        facts->set_supervise_count(facts->supervise_count() + 1);
        break;
      case type::v1::RUNG_CIRCULATE:
        facts->set_circulate_count(facts->circulate_count() + 1);
        break;
      case type::v1::RUNG_DISCIPLINE:
        facts->set_discipline_count(facts->discipline_count() + 1);
        break;
      default:
        facts->set_urge_count(facts->urge_count() + 1);
    }
    if (escalation.rung() != type::v1::RUNG_REMIND) facts->set_overdue(true);
    // A rung can cross the order's next dispatch: then it is of another's clock.
    if (escalation.clock() == type::v1::CLOCK_KIND_FINISH && Contains(kAtWork, before_->state()) &&
        escalation.duty_party() == FinishDuty(*before_)) {
      *facts->mutable_finish_due_time() = escalation.due_time();
      facts->clear_last_tenth_time();
      if (escalation.has_last_tenth_time()) {
        *facts->mutable_last_tenth_time() = escalation.last_tenth_time();
      }
    }
  }

  // Why a rung, a record or an alarm is not for this offer.
  absl::Status NotThisOffer(Verb verb) const {
    const VerbName& name = kVerbNames[static_cast<int>(verb)];
    return error::WrongState(name.english, name.chinese, before_->state());
  }

  // The confirm-by or the keep-by time passed in silence, or the peer's time to accept after that; the table
  // is at Decide.
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
      // A doubt that waited for the peer's time to accept leaves the desks all of theirs.
      const absl::Time keep_by = now_ + site_.keep_after[UrgencyIndex(after_)];
      if (escalation.has_rung_time() && keep_by > FromProto(handoff.keep_by_time())) {
        ToProto(keep_by, after_.mutable_handoff()->mutable_keep_by_time());
      }
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

  absl::Status Close() {
    if (absl::Status status = CheckNotOwn("may not close its own work: the hotline does",
                                          "办结由平台确认，承办单位不得自行办结");
        !status.ok()) {
      return status;
    }
    std::string numbers;
    type::v1::Closure closure = command_.closure();
    closure.clear_unanswered_numbers();
    for (const type::v1::MergedOrder& merged : before_->merged_orders()) {
      if (IsAnswered(merged.state())) continue;
      closure.add_unanswered_numbers(merged.number());
      numbers.append(numbers.empty() ? "" : ", ").append(merged.number());
    }
    if (!numbers.empty() && !closure.confirm_unanswered()) return error::UnansweredCallers(numbers);
    MoveCustody(&after_, site_.hotline, now_);
    *event_.mutable_closed() = std::move(closure);
    return absl::OkStatus();
  }

  // The other order was looked at before: see CheckMerger.
  absl::Status Merge() {
    if (absl::Status status =
            CheckNotOwn("may not merge its own work away: the hotline does, the unit returns it",
                        "并单由平台办理，承办单位应当退单");
        !status.ok()) {
      return status;
    }
    const WorkOrder& kept = *fresh_.kept;
    type::v1::MergedInto* into = after_.mutable_merged_into();
    into->set_order_id(kept.id());
    into->set_number(kept.number());
    ToProto(now_, into->mutable_merge_time());
    into->set_reason(command_.merger().reason());
    after_.clear_units();
    *event_.mutable_merged()->mutable_into() = *into;
    if (kept.units_size() > 0) event_.mutable_merged()->set_lead_unit(kept.units(0).unit());
    return absl::OkStatus();
  }

  absl::Status Separate() {
    if (!after_.has_merged_into()) return NotThisOffer(Verb::kSeparate);
    type::v1::SeparatedDetail* detail = event_.mutable_separated();
    *detail->mutable_separation() = command_.separation();
    detail->mutable_from()->Swap(after_.mutable_merged_into());
    after_.clear_merged_into();
    return absl::OkStatus();
  }

  // When a unit was first asked to the scene: by the giver's clock, but if that is ahead no later than the
  // taker had the request by its own. What was asked once and given back may have been done all the same
  // before it was asked again.
  absl::Time AskedAt(const type::v1::Handoff& handoff) const {
    absl::Time asked = FromProto(handoff.offer_time());
    if (handoff.to_hotline() == site_.hotline && handoff.has_receive_time()) {
      asked = std::min(asked, FromProto(handoff.receive_time()));
    }
    for (const type::v1::Hop& hop : before_->hops()) {
      if (hop.from_hotline() == handoff.from_hotline() && hop.to_hotline() == handoff.to_hotline() &&
          hop.has_offer_time()) {
        asked = std::min(asked, FromProto(hop.offer_time()));
      }
    }
    return asked;
  }

  absl::Status CheckArrival(const type::v1::Handoff& handoff) const {
    const type::v1::SceneArrival& arrival = command_.scene_arrival();
    // The asked hotline knows its units; the asking one does not, nor does who passed the order on know whose
    // unit came.
    const bool asked_here = handoff.to_hotline() == site_.hotline && handoff.id() == after_.handoff().id();
    if (asked_here && !arrival.unit().empty() && !site_.units.empty() &&
        !site_.units.contains(arrival.unit())) {
      return error::BadField(Reason::ERROR_REASON_UNIT_UNKNOWN, "scene_arrival.unit",
                             "is not in this site's list of units", "不在本平台的单位名录中");
    }
    if (arrival.has_arrive_time() && FromProto(arrival.arrive_time()) < AskedAt(handoff) - kTimeGrain) {
      return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "scene_arrival.arrive_time",
                             "lies before the unit was asked to the scene", "早于请求协调到场的时间");
    }
    return absl::OkStatus();
  }

  absl::Status RecordArrival() {
    type::v1::Handoff* handoff = SceneHandoff(&after_);
    if (handoff == nullptr) return NotThisOffer(Verb::kRecordArrival);
    if (absl::Status status = CheckArrival(*handoff); !status.ok()) return status;
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
  const NewOrder& fresh_;
  const Site& site_;
  const absl::Time now_;
  Change* const change_;
  WorkOrder& after_;
  type::v1::Event& event_;
  // The site has the order again by the handoff that it came by.
  bool restored_ = false;
};

// What is done under the order that is kept, while this one is merged into it.
bool IsWork(Verb verb) {
  switch (verb) {
    case Verb::kOffer:
    case Verb::kReturn:
    case Verb::kDispatch:
    case Verb::kSign:
    case Verb::kProgress:
    case Verb::kFinish:
    case Verb::kDispute:
    case Verb::kReturnFromUnit:
    case Verb::kReassign:
    case Verb::kMerge:
      return true;
    default:
      return false;
  }
}

// Who needs to know of a restricted order may act on it.
bool MayAct(const WorkOrder& order, const std::string& account, const Site& site) {
  return account == order.registered_by() || site.cleared_accounts.contains(account);
}

// The service of this site that alone does it; null for what people do.
const char* ServiceFor(Verb verb) {
  if (IsEscalations(verb) || verb == Verb::kDoubt) return kEscalationAccount;
  if (verb == Verb::kAlarm) return kAlarmAccount;
  if (verb == Verb::kErase) return kRetentionAccount;
  return nullptr;
}

// What a service does, nobody else does; and nobody acts under the name of one, which would be cleared to do
// so, and would leave no person to answer for it.
absl::Status CheckActor(const std::string& account, const char* service) {
  if (service != nullptr && account != service) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.actor.account",
                           StrCat("must be ", service), StrCat("只能由系统服务（", service, "）执行"));
  }
  if (service == nullptr && account.starts_with("service/")) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "header.actor.account",
                           "must be a person's: no service of the site does this",
                           "须为人员账号，不得使用系统服务账号");
  }
  return absl::OkStatus();
}

// Nor does anybody else take an id that a service derives, which would then be refused to the service. What
// is made for a person bears that person's account, so that its verb alone tells.
absl::Status CheckRequestId(const std::string& request_id, Verb verb, const char* service) {
  const std::string_view derived = DerivedIds(request_id);
  if (derived.empty() || service != nullptr ||
      (derived == kAcknowledgementIds && verb == Verb::kAcknowledge) ||
      (derived == kDisclosureIds && verb == Verb::kDisclose)) {
    return absl::OkStatus();
  }
  return error::BadField(Reason::ERROR_REASON_REQUEST_ID_INVALID, "header.request_id",
                         StrCat("must not begin with ", derived, ": services of the site derive such ids"),
                         StrCat("不得以", derived, "开头，该前缀由系统服务专用"));
}

// Whether `order` may be merged into the one that the command names.
absl::Status CheckMerger(const WorkOrder& order, const WorkOrder* kept, const Command& command,
                         const Site& site) {
  if (kept == nullptr) return error::OrderNotFound(command.merger().into_order_id());
  // What is told of the kept order is told of the merged one.
  if (kept->facts().restricted() && !MayAct(*kept, command.header().actor().account(), site)) {
    return error::Restricted();
  }
  if (kept->id() == order.id()) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "merger.into_order_id", "is the order itself",
                           "不能并入自身");
  }
  if (kept->has_merged_into()) return error::Merged(kept->merged_into().number());
  if (order.merged_orders_size() > 0) {
    return error::HasMerged(order.merged_orders(0).number(), "be merged into another", "再并入其他工单");
  }
  if (kept->merged_orders_size() >= kMaxMergedOrders) {
    return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "merger.into_order_id",
                           "has 32 merged orders already", "该工单已并入32件");
  }
  if (kept->facts().restricted() != order.facts().restricted()) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "merger.into_order_id",
                           "is restricted and the order is not, or the other way round",
                           "限制知悉的工单不能与普通工单并单");
  }
  // 回避: whom the merged matter accuses may not be who works on it.
  for (const type::v1::UnitTask& task : kept->units()) {
    if (IsRecused(order, task.unit())) return error::UnitRecused("merger.into_order_id", task.unit());
  }
  // Worked on, to be worked on, or on its way to whoever will: from here. What was given back goes on where
  // it is held; after a dispute that is the origin.
  constexpr StateSet kGoesOn = kRegistered | kOnOffer | kAtWork;
  const bool held = kept->custody().holder() == site.hotline;
  const bool goes_on =
      held ? Contains(kGoesOn | kGivenBack, kept->state())
           : Contains(kGoesOn, kept->state()) && kept->handoff().from_hotline() == site.hotline;
  if (!goes_on || FollowsAnotherCopy(*kept, site)) {
    const VerbName& name = kVerbNames[static_cast<int>(Verb::kMerge)];
    return error::WrongState(name.english, name.chinese, kept->state());
  }
  // Who gives the kept order to a unit elsewhere is not told of a merger: an accusation of that order is what
  // tells them, and has to come first.
  if (!held || Contains(kOnOffer, kept->state())) {
    for (const std::string& unit : order.facts().recused_units()) {
      if (!IsRecused(*kept, unit)) return error::UnitRecused("merger.into_order_id", unit);
    }
  }
  return absl::OkStatus();
}

// Pushes and recalls have envelopes of their own; filing, the ladder, alarms, calls of partners and what is
// asked for but not granted are each site's own affair.
bool IsMirrored(Verb verb) {
  switch (verb) {
    case Verb::kOffer:
    case Verb::kRecall:
    case Verb::kArchive:
    case Verb::kEscalate:
    case Verb::kDoubt:
    case Verb::kAlarm:
    case Verb::kCallPartners:
    case Verb::kDisclose:
    case Verb::kRequestExtension:
    case Verb::kMoveDeadline:
    case Verb::kAcknowledge:
    case Verb::kReportNotification:
    case Verb::kPlaceHold:
    case Verb::kReleaseHold:
    case Verb::kErase:
      return false;
    default:
      return true;
  }
}

// What the person left open is as routing chose.
Command WithRoute(Command command) {
  const type::v1::RouteRecord& route = command.registration().route();
  if (command.has_offer()) {
    type::v1::Offer& offer = *command.mutable_offer();
    if (offer.to_hotline().empty()) offer.set_to_hotline(route.hotline());
    if (offer.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED) offer.set_kind(route.kind());
  }
  if (!command.registration().has_content()) return command;
  type::v1::OrderContent& content = *command.mutable_registration()->mutable_content();
  if (route.has_item() &&
      (content.catalogue().item().empty() || content.catalogue().item() == route.item().item())) {
    *content.mutable_catalogue() = route.item();
  }
  if (content.lead_unit().empty() && content.assist_units().empty()) {
    content.set_lead_unit(route.lead_unit());
    *content.mutable_assist_units() = route.assist_units();
  }
  // Left open, or less than danger demands.
  if (content.urgency() < route.urgency()) content.set_urgency(route.urgency());
  return command;
}

// A peer refuses bodies of more than 256 KiB. The rest of an offer (its note, scene and units, the way of the
// order) takes less than 32 of them.
constexpr size_t kMaxContentBytes = 224 << 10;

// The content of a new order: its own, or that of the incident it belongs to, byte for byte.
struct NewContent {
  type::v1::OrderContent content;
  std::string bytes;
};
absl::StatusOr<NewContent> ContentOf(const Command& command, const NewOrder& fresh, const Site& site) {
  const type::v1::Registration& registration = command.registration();
  const type::v1::Actor& actor = command.header().actor();
  NewContent result;
  if (!registration.parent_order_id().empty()) {
    if (fresh.parent == nullptr) return error::OrderNotFound(registration.parent_order_id());
    if (fresh.parent->facts().restricted() && !MayAct(*fresh.parent, actor.account(), site))
      return error::Restricted();
    if (absl::StatusOr<const Rule*> rule = FindRule(Verb::kCallPartners, *fresh.parent, site); !rule.ok()) {
      return rule.status();
    }
    // 回避: whom the incident accuses calls nobody to it.
    if (IsRecused(*fresh.parent, actor.unit())) {
      return error::UnitRecused("header.actor.unit", actor.unit());
    }
    if (!registration.has_content()) {
      if (fresh.parent->has_erase_time()) return error::ContentErased();
      result.bytes = fresh.parent_content;
      if (!result.content.ParseFromString(result.bytes)) {
        return error::Internal("a stored content cannot be read");
      }
      return result;
    }
  }
  result.content = registration.content();
  result.bytes = result.content.SerializeAsString();
  if (result.bytes.size() > kMaxContentBytes) {
    return error::BadField(Reason::ERROR_REASON_TEXT_TOO_LONG, ContentPath(command),
                           StrCat("is larger than ", kMaxContentBytes >> 10, " KiB"),
                           StrCat("超过", kMaxContentBytes >> 10, " KiB"));
  }
  return result;
}

}  // namespace

absl::StatusOr<Change> Decide(const WorkOrder* before, const Command& given, const NewOrder& fresh,
                              const Site& site, absl::Time now) {
  std::optional<Command> routed;
  const Command& command = given.registration().has_route() ? routed.emplace(WithRoute(given)) : given;
  const type::v1::CommandHeader& header = command.header();
  if (absl::Status status = ValidateHeader(header); !status.ok()) return status;
  if (absl::Status status = ValidateAction(command, site, now); !status.ok()) return status;
  const Verb verb = VerbOf(command);
  const char* const service = ServiceFor(verb);
  // To be shown is no act: who reads is recorded by whatever name.
  if (verb != Verb::kDisclose) {
    if (absl::Status status = CheckActor(header.actor().account(), service); !status.ok()) return status;
  }
  if (absl::Status status = CheckRequestId(header.request_id(), verb, service); !status.ok()) return status;
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
  const WorkOrder& standing = before == nullptr ? WorkOrder::default_instance() : *before;
  // Whoever read it before others were shown it has read all there is.
  const int64_t changed = standing.changed_version() == 0 ? standing.version() : standing.changed_version();
  if (header.expected_version() != 0 &&
      (header.expected_version() < changed || header.expected_version() > standing.version())) {
    return error::StaleVersion(header.expected_version(), standing.version());
  }
  // Nor is to hold one: who places holds is told nothing that was written, and need not be one who may know.
  if (standing.facts().restricted() && verb != Verb::kDisclose && !IsRetention(verb) && service == nullptr &&
      !MayAct(standing, header.actor().account(), site)) {
    return error::Restricted();
  }
  if (standing.has_erase_time() && NeedsContent(verb, standing)) return error::ContentErased();
  // To be shown is no work: see Disclosure.
  if (verb != Verb::kArchive && verb != Verb::kAcknowledge && verb != Verb::kDisclose &&
      !IsEscalations(verb) && !IsRetention(verb) && FollowsAnotherCopy(standing, site)) {
    return error::OtherCopy(CopyToWorkWith(standing, site));
  }
  if (IsMergedAtWork(standing) && IsWork(verb) && MayDo(Who::kHolder, standing, site)) {
    return error::Merged(standing.merged_into().number());
  }
  absl::StatusOr<const Rule*> rule = FindRule(verb, standing, site);
  if (!rule.ok()) return rule.status();
  if (verb == Verb::kMerge) {
    if (absl::Status status = CheckMerger(standing, fresh.kept, command, site); !status.ok()) return status;
  }
  if ((verb == Verb::kOffer || verb == Verb::kReturn || verb == Verb::kMerge) && standing.has_reply()) {
    // What has been answered is done again by whom answered it, as a job of its own.
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
  if (verb == Verb::kCallPartners) {
    if (absl::Status status = CheckPartners(command.partner_call(), fresh.partners); !status.ok()) {
      return status;
    }
  }
  // A partner's order may have its incident's content.
  const type::v1::Urgency urgency = before != nullptr ? standing.urgency()
                                    : command.registration().has_content()
                                        ? command.registration().content().urgency()
                                    : fresh.parent != nullptr ? fresh.parent->urgency()
                                                              : type::v1::URGENCY_UNSPECIFIED;
  if (command.offer().kind() == type::v1::HANDOFF_KIND_STABILITY_CLUE &&
      urgency == type::v1::URGENCY_NORMAL) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "content.urgency",
                           "must be URGENT or EMERGENCY: a clue touching stability goes at once",
                           "涉稳线索应立即推送，紧急程度应为紧急或特急");
  }
  // A partner helps by an order of its own, which alone may be offered so once more.
  if ((command.offer().kind() == type::v1::HANDOFF_KIND_POLICE_ASSIST ||
       command.offer().kind() == type::v1::HANDOFF_KIND_PARTNER_FANOUT) &&
      Contains(kAtWork, standing.state()) && standing.parent_id().empty()) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "offer.kind",
                           "would hand the order itself over: call partners to it instead (CallPartners)",
                           "将移交工单本身：请改用联动（partners push）");
  }
  // Whoever sees a merged order is told what comes of this one.
  if (command.offer().kind() == type::v1::HANDOFF_KIND_STABILITY_CLUE && standing.merged_orders_size() > 0 &&
      !standing.facts().restricted()) {
    return error::HasMerged(standing.merged_orders(0).number(), "go as a clue touching stability",
                            "作为涉稳线索推送");
  }
  if (command.offer().has_scene()) {
    if (urgency == type::v1::URGENCY_EMERGENCY) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "content.urgency",
                             "must not be EMERGENCY: danger on the scene is police's own",
                             "现场引导移交不适用于特急：现场险情应由公安机关先行处置");
    }
  }

  Change change;
  Step step(before, command, fresh, site, now, &change);
  if (before != nullptr) {
    change.after = *before;
    change.after.clear_content();
  } else {
    absl::StatusOr<NewContent> content = ContentOf(command, fresh, site);
    if (!content.ok()) return content.status();
    step.Register(content->content, std::move(content->bytes));
  }
  if (absl::Status status = step.Apply(verb); !status.ok()) return status;
  if ((*rule)->next != kSame) change.after.set_state((*rule)->next);
  DropFactsOfOtherStates(&change.after);
  *change.event.mutable_actor() = header.actor();
  change.event.mutable_actor()->set_hotline(site.hotline);
  change.event.mutable_actor()->clear_acting_hotline();
  change.event.set_traceparent(command.traceparent());
  Seal(before, now, &change);
  if (before != nullptr && IsMirrored(verb)) step.Tell(verb);
  return change;
}

}  // namespace hotline::work_order
