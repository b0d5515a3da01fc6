// The decision ladder of 国办发〔2022〕12号 and the regulation: who takes a matter, on which ground, and when
// a person has to say something first. Pure, total, deterministic.
#ifndef SERVICES_DISPATCH_ROUTING_LADDER_H_
#define SERVICES_DISPATCH_ROUTING_LADDER_H_

#include <string_view>

#include "hotline/type/v1/routing.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::dispatch::routing {

// The two hotlines that the ladder is about.
enum class Side { kPolice, kGovernment };

// Whose matter it is.
enum class Scope { kUnclear, kPolice, kGovernment, kBoth, kNeither };

// How a three-way call ended.
enum class Agreement { kNone, kPolice, kGovernment, kFailed };

struct LadderFacts {
  // Where the question is asked.
  Side here = Side::kGovernment;
  // Who received the matter first.
  Side first_receiver = Side::kGovernment;
  type::v1::Answer danger = type::v1::ANSWER_UNSPECIFIED;
  type::v1::Answer stability_clue = type::v1::ANSWER_UNSPECIFIED;
  Scope scope = Scope::kUnclear;
  Agreement agreement = Agreement::kNone;
  // The caller is on the line, so that the call itself can be handed over.
  bool live_call = false;
  // More than 普通.
  bool urgent = false;
};

enum class Step {
  kHandleHere,  // 本方受理
  kHandOver,    // 转对方
  kAsk,         // a person says something first
};

// What a person is asked.
enum class Question {
  kNone,
  kDanger,     // is anybody in danger?
  kAgreement,  // a three-way call: whose is it?
  kNeither,    // is it really nobody's?
};

struct LadderOutcome {
  Step step = Step::kAsk;
  // Who takes it. With kAsk: who keeps it meanwhile, which is `here`.
  Side to = Side::kGovernment;
  // With kHandOver: on which ground. Else unset.
  type::v1::HandoffKind kind = type::v1::HANDOFF_KIND_UNSPECIFIED;
  // The rung that says so; with kAsk the rung that waits for the answer. Always set.
  type::v1::LadderRule rule = type::v1::LADDER_RULE_AGREEMENT;
  // With kAsk.
  Question question = Question::kNone;
  // Only who needs to may see it, and the peer confirms that it has it.
  bool restricted = false;

  bool operator==(const LadderOutcome&) const = default;
};

// | rung | when | what |
// | --- | --- | --- |
// | DANGER_FIRST | danger | the police act first; nobody waits for agreement |
// | STABILITY_CLUE | a clue, no danger | to the police at once, restricted |
// | CLEAR_DUTY | one side's | that side's: the live call if it is urgent, else an order |
// | AGREEMENT | unclear, both or neither, and the two agreed | as agreed |
// | FIRST_RECEIVER | the same, and not agreed | the first receiver; the joint meeting hears the dispute |
// | AGREEMENT, asked | unclear or both, nobody spoke yet | danger, if nobody said; else a three-way call |
// | AGREEMENT, asked | neither, nobody spoke yet | is it really nobody's? No three-way call |
//
// Danger and a clue together: the police act first, restricted.
LadderOutcome DecideLadder(const LadderFacts& facts);

// The article that a rung rests on, as catalogues name it (`国办-危险先处`, `二(三)`).
std::string_view ArticleOf(const LadderOutcome& outcome);
// What the rung says, for the person at the telephone.
std::string_view AdviceZh(const LadderOutcome& outcome);
std::string_view AdviceEn(const LadderOutcome& outcome);
// What to ask. Empty for kNone.
std::string_view QuestionZh(Question question);
std::string_view QuestionEn(Question question);

}  // namespace hotline::dispatch::routing

#endif  // SERVICES_DISPATCH_ROUTING_LADDER_H_
