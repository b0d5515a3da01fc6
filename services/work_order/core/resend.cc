// What a site sends again of a handoff on which a peer holds something else. Declared in decide.h.
#include <string>
#include <utility>

#include "services/work_order/core/decide.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"

namespace hotline::work_order {
namespace {

using type::v1::WorkOrder;

constexpr char kReconciler[] = "service/dispatch";

// Whether this site is the one to say how the order stands in `handoff`: it has ended it, or the holder is on
// its side of it.
bool IsOursToSay(const WorkOrder& order, const type::v1::Handoff& handoff, const Site& site) {
  const std::string& holder = order.custody().holder();
  if (handoff.from_hotline() == site.hotline) {
    return !handoff.has_end_time() && holder != handoff.to_hotline() && holder != TakerOf(handoff);
  }
  const bool beyond =
      HasOpenInbound(order) && order.inbound().id() == handoff.id() && holder == TakerOf(order.handoff());
  return handoff.has_end_time() || holder == site.hotline || beyond;
}

}  // namespace

std::vector<EnvelopeDraft> DecideResend(const WorkOrder& order, std::string_view handoff_id,
                                        std::string_view peer, const Site& site, absl::Time now) {
  if (!order.has_handoff()) return {};
  const bool inbound = order.has_inbound() && order.inbound().id() == handoff_id;
  const type::v1::Handoff& handoff = inbound ? order.inbound() : order.handoff();
  if (handoff.id() != handoff_id || OtherSite(handoff, site) != peer) return {};
  if (handoff.from_hotline() == site.hotline && Contains(kOnOffer, order.state())) {
    exchange::v1::OfferBody body;
    *body.mutable_handoff() = handoff;
    body.mutable_handoff()->clear_link_sequence();
    body.mutable_handoff()->clear_spoken_code();
    body.set_parent_number(order.parent_number());
    *body.mutable_hops() = order.hops();
    body.set_return_count(order.facts().return_count());
    body.set_restricted(order.facts().restricted());
    body.set_ruled_for(order.facts().ruled_for());
    body.set_ruled_unit(order.facts().ruled_unit());
    *body.mutable_recused_units() = order.facts().recused_units();
    body.set_origin_hotline(order.origin_hotline());
    body.set_content_salt(order.content_salt());
    *body.mutable_custody() = order.custody();
    return {{.peer = std::string(peer),
             .handoff_id = std::string(handoff_id),
             .kind = exchange::v1::ENVELOPE_KIND_OFFER,
             .body = body.SerializeAsString()}};
  }
  // An offer that was not understood left nothing at the peer to be set right.
  if (!IsOursToSay(order, handoff, site) || handoff.to_number().empty()) return {};
  // While the order is offered on, its giver is told nothing that it has not heard before.
  if (inbound && HasOpenInbound(order) && ViewForGiver(order, site) != order.inbound_view()) return {};
  Change change;
  change.after = order;
  change.after.clear_content();
  type::v1::OrderState state = inbound ? StateForGiver(order, site) : order.state();
  if (handoff.has_end_time()) {
    // After it the giver goes on by itself; the taker's order stands.
    const bool returned = handoff.has_returned() || handoff.has_dispute_time();
    state = returned ? type::v1::ORDER_STATE_RETURNED : type::v1::ORDER_STATE_RECALLED;
    change.after.clear_units();
    change.after.clear_reply();
    change.after.clear_call_back();
    change.after.clear_facts();
  }
  type::v1::Event& event = change.event;
  event.mutable_actor()->set_hotline(site.hotline);
  event.mutable_actor()->set_account(kReconciler);
  ToProto(now, event.mutable_commit_time());
  event.set_order_version(order.version());
  event.set_state_before(order.state());
  event.set_state(state);
  *event.mutable_custody() = order.custody();
  event.set_handoff_id(handoff.id());
  event.mutable_resent()->set_handoff_id(handoff.id());
  OweMirror(site, handoff, state, &change, /*resync=*/true);
  return std::move(change.envelopes);
}

}  // namespace hotline::work_order
