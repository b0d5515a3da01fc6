// The bounce governor: which returns are free, which pushes and returns send an order to and fro, and who has
// to keep it. Pure. The order itself carries what is needed (`hops`, `facts.return_count`,
// `facts.ruled_for`), so that both sites of a handoff count the same.
#ifndef SERVICES_WORK_ORDER_CORE_GOVERNOR_H_
#define SERVICES_WORK_ORDER_CORE_GOVERNOR_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"
#include "services/work_order/core/decide.h"

namespace hotline::work_order {

inline constexpr int kMaxHops = 16;

// Notes that `handoff` ended at `end_time`, by a return on `ground` or, if that is UNSPECIFIED, as its taker
// passed the order on. What was noted of the same handoff before is replaced. The oldest beyond kMaxHops are
// dropped.
void NoteHop(const type::v1::Handoff& handoff, absl::Time end_time, type::v1::ReturnGround ground,
             type::v1::WorkOrder* order);
// Returns of this order by `unit` (empty: the hotline's own desk) of `hotline`.
int ReturnsBy(const type::v1::WorkOrder& order, std::string_view hotline, std::string_view unit);

// Whether the rules of duty allow a command that the state machine allows. Each refusal has its own reason:
//  - a return: RULED if this site was ruled for; DANGER_FIRST if it took the order so and has not acted;
//  RETURN_LIMIT
//    if the unit's or the order's free returns are used up and no ruling names another;
//  - a return by the lead unit to this site's desk: RULED if it was ruled for, RETURN_WINDOW_OVER,
//  RETURN_LIMIT;
//  - the work, who does it, whose it is and the end of the matter: UNIT_RECUSED for a unit that it accuses,
//  named or acting;
//  - a dispute: RULED;
//  - a push: LIST_INVALID beyond kMaxHandoffs; DISPUTED before a ruling; RULED if this site was ruled for and
//  another is meant; DANGER_FIRST as above;
//    BOUNCE without `confirm_bounce` if the target gave the order back before, or is whom this site has it
//    from (unless the kind is DISPATCH_FIRST: then it hands over what remains) — a target that was ruled for
//    needs no confirmation; FIELD_INVALID if a danger-first holder names another kind than DISPATCH_FIRST;
//  - an acceptance as danger-first: FIELD_INVALID where the site does not dispatch first or nothing was
//  offered to it;
//  - a ruling: TARGET_UNKNOWN for a hotline that is neither this site nor a peer nor the origin.
// `order` is the order before.
absl::Status CheckDuty(const type::v1::WorkOrder& order, const type::v1::Command& command, const Site& site);

// LIST_INVALID if one of `partners`, which are orders of the incident, is still with a partner that is called
// once more on the same ground: it would get a second order of one matter.
absl::Status CheckPartners(const type::v1::PartnerCall& call,
                           const std::vector<type::v1::WorkOrder>& partners);

// Answers PreviewReturn for the order as it is.
absl::StatusOr<workorder::v1::PreviewReturnResponse> PreviewReturn(
    const type::v1::WorkOrder& order, const workorder::v1::PreviewReturnRequest& request, const Site& site,
    absl::Time now);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_GOVERNOR_H_
