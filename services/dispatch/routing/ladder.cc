#include "services/dispatch/routing/ladder.h"

namespace hotline::dispatch::routing {
namespace {

using type::v1::HandoffKind;
using type::v1::LadderRule;

HandoffKind LiveCallTo(Side side) {
  return side == Side::kPolice ? type::v1::HANDOFF_KIND_LIVE_CALL_TO_POLICE
                               : type::v1::HANDOFF_KIND_LIVE_CALL_TO_GOVERNMENT;
}

// `to` takes it by `rule`; `kind` is the ground if that is not here.
LadderOutcome Settle(const LadderFacts& facts, Side to, LadderRule rule, HandoffKind kind) {
  LadderOutcome outcome;
  outcome.to = to;
  outcome.rule = rule;
  outcome.step = to == facts.here ? Step::kHandleHere : Step::kHandOver;
  if (outcome.step == Step::kHandOver) outcome.kind = kind;
  return outcome;
}

LadderOutcome Ask(const LadderFacts& facts, Question question) {
  LadderOutcome outcome;
  outcome.to = facts.here;
  outcome.question = question;
  return outcome;
}

}  // namespace

LadderOutcome DecideLadder(const LadderFacts& facts) {
  const bool clue = facts.stability_clue == type::v1::ANSWER_YES;
  if (facts.danger == type::v1::ANSWER_YES) {
    const HandoffKind kind = clue              ? type::v1::HANDOFF_KIND_STABILITY_CLUE
                             : facts.live_call ? LiveCallTo(Side::kPolice)
                                               : type::v1::HANDOFF_KIND_ORDER_PUSH;
    LadderOutcome outcome = Settle(facts, Side::kPolice, type::v1::LADDER_RULE_DANGER_FIRST, kind);
    outcome.restricted = clue;
    return outcome;
  }
  if (clue) {
    LadderOutcome outcome = Settle(facts, Side::kPolice, type::v1::LADDER_RULE_STABILITY_CLUE,
                                   type::v1::HANDOFF_KIND_STABILITY_CLUE);
    outcome.restricted = true;
    return outcome;
  }
  if (facts.scope == Scope::kPolice || facts.scope == Scope::kGovernment) {
    const Side owner = facts.scope == Scope::kPolice ? Side::kPolice : Side::kGovernment;
    return Settle(facts, owner, type::v1::LADDER_RULE_CLEAR_DUTY,
                  facts.live_call && facts.urgent ? LiveCallTo(owner) : type::v1::HANDOFF_KIND_ORDER_PUSH);
  }
  switch (facts.agreement) {
    case Agreement::kPolice:
    case Agreement::kGovernment:
      return Settle(facts, facts.agreement == Agreement::kPolice ? Side::kPolice : Side::kGovernment,
                    type::v1::LADDER_RULE_AGREEMENT, type::v1::HANDOFF_KIND_THREE_WAY);
    case Agreement::kFailed:
      return Settle(facts, facts.first_receiver, type::v1::LADDER_RULE_FIRST_RECEIVER,
                    type::v1::HANDOFF_KIND_ORDER_PUSH);
    case Agreement::kNone:
      break;
  }
  if (facts.scope == Scope::kNeither) return Ask(facts, Question::kNeither);
  return Ask(facts, facts.danger == type::v1::ANSWER_UNSPECIFIED ? Question::kDanger : Question::kAgreement);
}

std::string_view ArticleOf(const LadderOutcome& outcome) {
  switch (outcome.rule) {
    case type::v1::LADDER_RULE_DANGER_FIRST:
      return "国办-危险先处";
    case type::v1::LADDER_RULE_STABILITY_CLUE:
      return "国办-稳定线索";
    case type::v1::LADDER_RULE_FIRST_RECEIVER:
      return "国办-首接先办";
    case type::v1::LADDER_RULE_CLEAR_DUTY:
      if (outcome.step == Step::kHandleHere) return "一";
      if (outcome.kind == type::v1::HANDOFF_KIND_LIVE_CALL_TO_POLICE) return "二(一)";
      return outcome.kind == type::v1::HANDOFF_KIND_LIVE_CALL_TO_GOVERNMENT ? "二(二)" : "二(三)";
    default:
      // There is nobody to agree with on what is nobody's.
      return outcome.question == Question::kNeither ? "一" : "国办-三方通话";
  }
}

std::string_view AdviceZh(const LadderOutcome& outcome) {
  const bool here = outcome.step == Step::kHandleHere;
  switch (outcome.rule) {
    case type::v1::LADDER_RULE_DANGER_FIRST:
      return here ? "有危险：110先行派警处置，不等协商；余下事项处置后再转"
                  : "有危险：110先行派警处置，立即一键转接或三方通话，同时推送";
    case type::v1::LADDER_RULE_STABILITY_CLUE:
      return here ? "涉稳线索：由本方处置，限定知悉范围" : "涉稳线索：立即推送110，限定知悉范围，须有回执";
    case type::v1::LADDER_RULE_CLEAR_DUTY:
      return here ? "职责明确：属本方受理范围，由本方受理" : "职责明确：属对方受理范围，一键转接或推送工单";
    case type::v1::LADDER_RULE_FIRST_RECEIVER:
      return here ? "协商不成：本方首接，先行办理，争议提交联席会议"
                  : "协商不成：对方首接，由对方先行办理，争议提交联席会议";
    default:
      if (outcome.question == Question::kNeither) {
        return "看来不属于双方受理范围：核实后向来电人说明，不必与对方商定";
      }
      if (outcome.step == Step::kAsk) return "职责不清：先问明，再三方通话商定";
      return here ? "三方通话商定由本方受理" : "三方通话商定由对方受理，推送工单并记录商定情况";
  }
}

std::string_view AdviceEn(const LadderOutcome& outcome) {
  const bool here = outcome.step == Step::kHandleHere;
  switch (outcome.rule) {
    case type::v1::LADDER_RULE_DANGER_FIRST:
      return here ? "danger: 110 dispatches first, without waiting for agreement; what remains is handed "
                    "over after"
                  : "danger: 110 dispatches first; transfer the call now, and push";
    case type::v1::LADDER_RULE_STABILITY_CLUE:
      return here ? "a clue touching social stability: handled here, restricted"
                  : "a clue touching social stability: push it to 110 at once, restricted, with a receipt";
    case type::v1::LADDER_RULE_CLEAR_DUTY:
      return here ? "clearly this hotline's: handle it here"
                  : "clearly the other hotline's: transfer the call or push the order";
    case type::v1::LADDER_RULE_FIRST_RECEIVER:
      return here ? "no agreement: this hotline received it first and handles it; the joint meeting settles "
                    "the dispute"
                  : "no agreement: the other hotline received it first and handles it; the joint meeting "
                    "settles "
                    "the dispute";
    default:
      if (outcome.question == Question::kNeither) {
        return "it looks like neither hotline's: make sure, then tell the caller; nothing to agree on";
      }
      if (outcome.step == Step::kAsk) return "unclear: ask, then agree in a three-way call";
      return here ? "agreed in a three-way call: handled here"
                  : "agreed in a three-way call: push the order and record what was agreed";
  }
}

std::string_view QuestionZh(Question question) {
  switch (question) {
    case Question::kNone:
      return "";
    case Question::kDanger:
      return "现在有没有人受伤或有危险？事情是不是正在发生？";
    case Question::kAgreement:
      return "请三方通话商定由谁受理（记录由谁、因何商定）";
    case Question::kNeither:
      return "看来不属于两个平台的受理范围，请核实具体是什么事、需要什么帮助";
  }
  return "";
}

std::string_view QuestionEn(Question question) {
  switch (question) {
    case Question::kNone:
      return "";
    case Question::kDanger:
      return "is anybody hurt or in danger, is it happening now?";
    case Question::kAgreement:
      return "agree in a three-way call on who takes it, and record by whom and why";
    case Question::kNeither:
      return "it looks like neither hotline's: find out what it is and what help is needed";
  }
  return "";
}

}  // namespace hotline::dispatch::routing
