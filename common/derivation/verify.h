// Recomputes a deadline from its derivation alone. For whoever doubts the engine: it shares no code with it,
// resolves the rules the other way round, from the unit up to the nation, and uses no table.
#ifndef COMMON_DERIVATION_VERIFY_H_
#define COMMON_DERIVATION_VERIFY_H_

#include "absl/status/status.h"
#include "hotline/escalation/v1/derivation.pb.h"

namespace hotline::derivation {

// OK if the start, the amount and the rules in `derivation` give exactly its segments with their rules, its
// result, its gaps and whether it is provisional, and its digest is that of its bytes. Safe on any message.
//
// INVALID_ARGUMENT, FIELD_INVALID with the path of the first field that does not follow (`segments[3]`,
// `result_time`), in English and Chinese. That a rule was left out, or changed before the derivation was
// made, it cannot see.
absl::Status VerifyDerivation(const escalation::v1::DeadlineDerivation& derivation);

// OK if the limit and each step in `derivation` verify, follow each other, and give exactly its result:
// pauses keep all that was left, in the unit of the limit; extensions begin at the deadline before them (of
// days: with the second before a midnight, which is the end of its day); work is counted by one
// calendar as long as one party has the duty; a CONFIRM or VOICE clock that waits for a peer ends at the
// later of what the order carried and the end of the peer's time, which begins at one instant. Safe on any
// message. Errors as above, with paths like `steps[2].derivation.segments[3]`. How much work an extension by
// clock time or natural days adds to a limit in working time while it stands still it can only bound.
absl::Status VerifyClockDerivation(const escalation::v1::ClockDerivation& derivation);

}  // namespace hotline::derivation

#endif  // COMMON_DERIVATION_VERIFY_H_
