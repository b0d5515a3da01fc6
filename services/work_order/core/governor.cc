#include "services/work_order/core/governor.h"

#include <algorithm>
#include <string>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/validate.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using type::v1::Command;
using type::v1::Hop;
using type::v1::WorkOrder;

bool IsReturned(const Hop& hop) { return hop.ground() != type::v1::RETURN_GROUND_UNSPECIFIED; }

// This site has the order by its handoff: taken, and not passed on.
bool HasByHandoff(const WorkOrder& order, const Site& site) {
  return IsHandedOver(order) && order.handoff().to_hotline() == site.hotline;
}

// It took the order because of danger and nobody has done anything yet. A handoff that was passed on before
// was acted on before.
bool HasToActFirst(const WorkOrder& order, const Site& site) {
  if (!HasByHandoff(order, site) || !order.handoff().danger_first()) return false;
  if (order.state() != type::v1::ORDER_STATE_ACCEPTED || !order.unit_moves().empty()) return false;
  return std::none_of(order.hops().begin(), order.hops().end(),
                      [&](const Hop& hop) { return hop.handoff_id() == order.handoff().id(); });
}

// `12345→110 2026-11-24 09:00, returned`, one after the other, for a person who has to decide.
std::string Way(const WorkOrder& order, bool chinese) {
  std::string way;
  for (const Hop& hop : order.hops()) {
    const std::string time = absl::FormatTime("%Y-%m-%d %H:%M", FromProto(hop.end_time()), Beijing());
    const char* what = IsReturned(hop) ? (chinese ? "退回" : "returned") : (chinese ? "转出" : "passed on");
    way += StrCat(way.empty() ? "" : (chinese ? "；" : "; "), hop.from_hotline(), "→", hop.to_hotline(), " ",
                  time, " ", what, hop.unit().empty() ? "" : StrCat(" ", hop.unit()));
  }
  return way;
}

absl::Status CheckReturnDuty(const WorkOrder& order, std::string_view unit, const Site& site) {
  if (order.facts().ruled_for() == site.hotline) return error::Ruled();
  if (HasToActFirst(order, site)) return error::DangerFirst();
  // Who was not ruled for cannot be made to keep it.
  if (!order.facts().ruled_for().empty()) return absl::OkStatus();
  if (ReturnsBy(order, site.hotline, unit) >= site.free_returns_per_unit) {
    return error::ReturnLimit("unit", "每个单位", site.free_returns_per_unit);
  }
  if (order.facts().return_count() >= site.free_returns_per_order) {
    return error::ReturnLimit("order", "每件工单", site.free_returns_per_order);
  }
  return absl::OkStatus();
}

// A ruling gave the order to a unit of this site's, which has to be one that it can be dispatched to.
bool IsRuledForUnit(const WorkOrder& order, const Site& site) {
  const std::string& unit = order.facts().ruled_unit();
  // A ruling gives nobody a matter that accuses them.
  return order.facts().ruled_for() == site.hotline && !unit.empty() && !IsRecused(order, unit) &&
         (site.units.empty() || site.units.contains(unit));
}

absl::Status CheckUnitReturnDuty(const WorkOrder& order, const Site& site) {
  const std::string& unit = LeadUnit(order);
  if (IsRuledForUnit(order, site)) {
    return unit == order.facts().ruled_unit() ? error::RuledUnit(unit) : absl::OkStatus();
  }
  if (order.facts().unit_return_closed()) return error::ReturnWindowOver(unit);
  const auto returns = std::count_if(
      order.unit_moves().begin(), order.unit_moves().end(),
      [&](const type::v1::UnitMove& move) { return move.has_return_time() && move.unit() == unit; });
  if (returns >= site.free_returns_per_unit) {
    return error::ReturnLimit("unit", "每个单位", site.free_returns_per_unit);
  }
  if (order.facts().unit_return_count() >= site.free_returns_per_order) {
    return error::ReturnLimit("order", "每件工单", site.free_returns_per_order);
  }
  return absl::OkStatus();
}

absl::Status CheckDispatchDuty(const WorkOrder& order, const std::string& lead_unit, const Site& site) {
  const bool other = IsRuledForUnit(order, site) && lead_unit != order.facts().ruled_unit();
  return other ? error::RuledUnit(order.facts().ruled_unit()) : absl::OkStatus();
}

absl::Status CheckPushDuty(const WorkOrder& order, const type::v1::Offer& offer, const Site& site) {
  const std::string& target = offer.to_hotline();
  if (HandoffCount(order) >= kMaxHandoffs) {
    return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "header.order_id",
                           StrCat("was handed over ", kMaxHandoffs,
                                  " times, as often as one order can be: this hotline handles it"),
                           StrCat("该工单已移交", kMaxHandoffs, "次，不能再移交，应由本平台办理"));
  }
  if (order.facts().disputed()) return error::Disputed();
  if (order.facts().ruled_for() == site.hotline) return error::Ruled();
  if (HasToActFirst(order, site)) return error::DangerFirst();
  const bool first = HasByHandoff(order, site) && order.handoff().danger_first();
  if (first && offer.kind() != type::v1::HANDOFF_KIND_UNSPECIFIED &&
      offer.kind() != type::v1::HANDOFF_KIND_DISPATCH_FIRST) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "offer.kind",
                           "must be DISPATCH_FIRST: it was taken over because of danger",
                           "危险先处后移交的，应为先期处置");
  }
  if (offer.confirm_bounce() || order.facts().ruled_for() == target) return absl::OkStatus();
  const bool remains = first || offer.kind() == type::v1::HANDOFF_KIND_DISPATCH_FIRST;
  const bool gave = HasByHandoff(order, site) && order.handoff().from_hotline() == target;
  const bool bounces =
      (gave && !remains) || std::any_of(order.hops().begin(), order.hops().end(), [&](const Hop& hop) {
        return IsReturned(hop) ? hop.to_hotline() == target : hop.from_hotline() == target && !remains;
      });
  if (bounces) return error::Bounce(target, Way(order, false), Way(order, true));
  return absl::OkStatus();
}

}  // namespace

void NoteHop(const type::v1::Handoff& handoff, absl::Time end_time, type::v1::ReturnGround ground,
             WorkOrder* order) {
  auto* hops = order->mutable_hops();
  const auto known = std::find_if(hops->begin(), hops->end(),
                                  [&](const Hop& hop) { return hop.handoff_id() == handoff.id(); });
  if (known != hops->end()) hops->erase(known);
  while (hops->size() >= kMaxHops) hops->erase(hops->begin());
  Hop* hop = hops->Add();
  hop->set_handoff_id(handoff.id());
  hop->set_from_hotline(handoff.from_hotline());
  hop->set_to_hotline(handoff.to_hotline());
  if (handoff.has_offer_time()) *hop->mutable_offer_time() = handoff.offer_time();
  ToProto(end_time, hop->mutable_end_time());
  hop->set_ground(ground);
  if (IsReturned(*hop)) hop->set_unit(handoff.returned().returned_by_unit());
}

int ReturnsBy(const WorkOrder& order, std::string_view hotline, std::string_view unit) {
  return static_cast<int>(std::count_if(order.hops().begin(), order.hops().end(), [&](const Hop& hop) {
    return IsReturned(hop) && hop.to_hotline() == hotline && hop.unit() == unit;
  }));
}

namespace {

// 回避: a unit that the matter accuses may neither lead nor assist.
absl::Status CheckRecusal(const google::protobuf::RepeatedPtrField<std::string>& recused,
                          std::string_view prefix, const std::string& lead,
                          const google::protobuf::RepeatedPtrField<std::string>& assists) {
  for (const std::string& unit : recused) {
    if (unit == lead) return error::UnitRecused(StrCat(prefix, ".lead_unit"), unit);
    for (int i = 0; i < assists.size(); ++i) {
      if (assists[i] == unit) return error::UnitRecused(StrCat(prefix, ".assist_units[", i, "]"), unit);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUnits(const WorkOrder& order, std::string_view prefix,
                        const type::v1::UnitDispatch& dispatch, const Site& site) {
  if (absl::Status status =
          CheckRecusal(order.facts().recused_units(), prefix, dispatch.lead_unit(), dispatch.assist_units());
      !status.ok()) {
    return status;
  }
  return CheckDispatchDuty(order, dispatch.lead_unit(), site);
}

// 回避: a unit that the matter accuses does none of the work, gives it to nobody, does not say whose it is,
// does not speak to whom complained and does not end the matter, whether it is named (in `field`) or whoever
// acts works for it.
absl::Status CheckPart(const WorkOrder& order, std::string_view field, const std::string& unit,
                       const Command& command) {
  if (IsRecused(order, unit)) return error::UnitRecused(field, unit);
  const std::string& own = command.header().actor().unit();
  return IsRecused(order, own) ? error::UnitRecused("header.actor.unit", own) : absl::OkStatus();
}

}  // namespace

absl::Status CheckPartners(const type::v1::PartnerCall& call, const std::vector<WorkOrder>& partners) {
  const type::v1::HandoffKind kind =
      call.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED ? type::v1::HANDOFF_KIND_PARTNER_FANOUT : call.kind();
  for (int i = 0; i < call.to_hotlines_size(); ++i) {
    for (const WorkOrder& order : partners) {
      const type::v1::Handoff& handoff = order.handoff();
      if (!IsOpen(order) || !Contains(kOnOffer | kAtWork, order.state()) || handoff.kind() != kind ||
          handoff.to_hotline() != call.to_hotlines(i)) {
        continue;
      }
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, StrCat("partner_call.to_hotlines[", i, "]"),
                             StrCat("has an order of this incident already: ", order.number()),
                             StrCat("已就本事件受邀联动，工单", order.number(), "尚未答复"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDuty(const WorkOrder& order, const Command& command, const Site& site) {
  if (command.registration().has_content()) {
    const type::v1::OrderContent& content = command.registration().content();
    if (absl::Status status = CheckRecusal(content.accused_units(), ContentPath(command), content.lead_unit(),
                                           content.assist_units());
        !status.ok()) {
      return status;
    }
  }
  if (command.has_offer()) {
    if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
    return CheckPushDuty(order, command.offer(), site);
  }
  switch (command.action_case()) {
    case Command::kHandoffReturn:
      if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
      return CheckReturnDuty(order, command.header().actor().unit(), site);
    case Command::kUnitReturn:
      if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
      // The limits are the lead unit's: who may not return it in any case is told that.
      for (const std::string* unit : {&command.unit_return().unit(), &command.header().actor().unit()}) {
        if (!unit->empty() && *unit != LeadUnit(order)) return absl::OkStatus();
      }
      return CheckUnitReturnDuty(order, site);
    case Command::kUnitDispatch:
      if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
      return CheckUnits(order, "unit_dispatch", command.unit_dispatch(), site);
    case Command::kUnitReassignment:
      if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
      return CheckUnits(order, "unit_reassignment.dispatch", command.unit_reassignment().dispatch(), site);
    case Command::kSignature:
      return CheckPart(order, "signature.unit", command.signature().unit(), command);
    case Command::kProgress:
      return CheckPart(order, "progress.unit", command.progress().unit(), command);
    case Command::kCompletion:
      return CheckPart(order, "completion.reply.unit", command.completion().reply().unit(), command);
    case Command::kCallerContact:
      return CheckPart(order, "caller_contact.unit", command.caller_contact().unit(), command);
    case Command::kCallBackRecord:
    case Command::kExtensionRequest:
    case Command::kExtensionDecision:
    case Command::kExtension:
    case Command::kSuspension:
    case Command::kResumption:
    case Command::kRedoDemand:
    case Command::kClosure:
    case Command::kCancellation:
    case Command::kMerger:
    case Command::kSeparation:
    case Command::kPartnerCall:
    case Command::kRecall:
    case Command::kReopening:
    case Command::kRungAcknowledgement:
    // The taker's is an acceptance.
    case Command::kConfirmByVoice:
      return CheckPart(order, "", "", command);
    case Command::kAccusation: {
      if (!command.accusation().has_dispatch()) return absl::OkStatus();
      WorkOrder accused;
      *accused.mutable_facts() = order.facts();
      Recuse(command.accusation().units(), &accused);
      if (absl::Status status = CheckPart(accused, "", "", command); !status.ok()) return status;
      return CheckUnits(accused, "accusation.dispatch", command.accusation().dispatch(), site);
    }
    case Command::kDispute:
      if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
      return order.facts().ruled_for() == site.hotline ? error::Ruled() : absl::OkStatus();
    case Command::kAcceptance:
      if (absl::Status status = CheckPart(order, "", "", command); !status.ok()) return status;
      if (!command.acceptance().danger_first()) return absl::OkStatus();
      if (!site.dispatches_first) {
        return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "acceptance.danger_first",
                               "this site does not dispatch first", "本平台未配置为危险先处平台");
      }
      if (order.state() != type::v1::ORDER_STATE_UNDERSTOOD) {
        return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "acceptance.danger_first",
                               "only for an order that a peer offers", "仅适用于对方推送的工单");
      }
      return absl::OkStatus();
    case Command::kRuling: {
      const std::string& unit = command.ruling().unit();
      if (absl::Status status = CheckPart(order, "ruling.unit", unit, command); !status.ok()) return status;
      const std::string& hotline = command.ruling().to_hotline();
      if (hotline.empty() || hotline == site.hotline || hotline == order.origin_hotline() ||
          site.peers.contains(hotline)) {
        return absl::OkStatus();
      }
      return error::BadField(Reason::ERROR_REASON_TARGET_UNKNOWN, "ruling.to_hotline",
                             "is neither this site nor a peer nor the origin",
                             "不是本平台、联动平台或首接平台");
    }
    default:
      return absl::OkStatus();
  }
}

absl::StatusOr<workorder::v1::PreviewReturnResponse> PreviewReturn(
    const WorkOrder& order, const workorder::v1::PreviewReturnRequest& request, const Site& site,
    absl::Time now) {
  // The return itself, decided and thrown away: what it would say is what it will say.
  Command command;
  command.mutable_header()->set_request_id("preview-return");
  command.mutable_header()->set_order_id(order.id());
  command.mutable_header()->mutable_actor()->set_account("preview");
  command.mutable_header()->mutable_actor()->set_unit(request.unit());
  type::v1::HandoffReturn* returned = command.mutable_handoff_return();
  returned->set_ground(request.ground() == type::v1::RETURN_GROUND_UNSPECIFIED ? type::v1::RETURN_GROUND_OTHER
                                                                               : request.ground());
  returned->set_reason("preview");
  returned->set_proposed_hotline(request.proposed_hotline());
  returned->set_proposed_unit(request.proposed_unit());
  // Whoever asks has been let in.
  WorkOrder open = order;
  open.mutable_facts()->clear_restricted();
  const absl::StatusOr<Change> change = Decide(&open, command, NewOrder(), site, now);
  // Whoever asks has named what the command has in its parts.
  const absl::Status refused =
      error::WithoutFieldPrefix(error::WithoutFieldPrefix(change.status(), "handoff_return"), "header.actor");
  if (absl::IsInvalidArgument(refused)) return refused;

  workorder::v1::PreviewReturnResponse response;
  response.set_allowed(change.ok());
  if (!refused.ok()) {
    response.set_reason(std::string(error::ReasonName(error::ReasonOf(refused))));
    response.set_message(std::string(ToStd(refused.message())));
    response.set_message_zh(error::ChineseOf(refused));
    response.set_ruling_required(error::ReasonOf(refused) == Reason::ERROR_REASON_RETURN_LIMIT);
  }
  *response.mutable_hops() = change.ok() ? change->after.hops() : order.hops();
  response.set_free_returns_of_unit(
      std::max(0, site.free_returns_per_unit - ReturnsBy(order, site.hotline, request.unit())));
  response.set_free_returns_of_order(
      std::max(0, site.free_returns_per_order - static_cast<int>(order.facts().return_count())));
  response.set_ruled_for(order.facts().ruled_for());
  for (const Hop& hop : order.hops()) {
    const bool here = hop.from_hotline() == site.hotline || hop.to_hotline() == site.hotline;
    const bool proposed =
        IsReturned(hop) &&
        ((!request.proposed_hotline().empty() && hop.to_hotline() == request.proposed_hotline()) ||
         (!request.proposed_unit().empty() && hop.unit() == request.proposed_unit()));
    if (here || proposed) response.set_bounce(true);
  }
  return response;
}

}  // namespace hotline::work_order
