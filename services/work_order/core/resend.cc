// What a site sends again of a handoff on which a peer holds something else. Declared in decide.h.
#include <string>
#include <utility>

#include "services/work_order/core/decide.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

using type::v1::WorkOrder;

constexpr char kReconciler[] = "service/dispatch";

// Whether this site is the one to say how the order stands: it holds it, or ended the handoff.
bool IsOursToSay(const WorkOrder& order, const Site& site) {
  if (order.custody().holder() == site.hotline) return true;
  return order.handoff().has_end_time() && order.handoff().to_hotline() == site.hotline;
}

}  // namespace

std::vector<EnvelopeDraft> DecideResend(const WorkOrder& order, std::string_view handoff_id,
                                        std::string_view peer, const Site& site, absl::Time now) {
  if (!order.has_handoff() || order.handoff().id() != handoff_id || OtherSite(order, site) != peer) return {};
  const type::v1::Handoff& handoff = order.handoff();
  if (handoff.from_hotline() == site.hotline && Contains(kOnOffer, order.state())) {
    exchange::v1::OfferBody body;
    *body.mutable_handoff() = handoff;
    body.mutable_handoff()->clear_link_sequence();
    body.set_origin_hotline(order.origin_hotline());
    body.set_content_salt(order.content_salt());
    *body.mutable_custody() = order.custody();
    return {{.peer = std::string(peer),
             .handoff_id = std::string(handoff_id),
             .kind = exchange::v1::ENVELOPE_KIND_OFFER,
             .body = body.SerializeAsString()}};
  }
  // An offer that was not understood left nothing at the peer to be set right.
  if (!IsOursToSay(order, site) || handoff.to_number().empty()) return {};
  Change change;
  change.after = order;
  change.after.clear_content();
  if (handoff.has_end_time()) {
    // After it the giver goes on by itself; the taker's order stands.
    change.after.set_state(handoff.has_returned() ? type::v1::ORDER_STATE_RETURNED
                                                  : type::v1::ORDER_STATE_RECALLED);
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
  event.set_state(change.after.state());
  *event.mutable_custody() = order.custody();
  event.set_handoff_id(handoff.id());
  event.mutable_resent()->set_handoff_id(handoff.id());
  OweMirror(site, &change, /*resync=*/true);
  return std::move(change.envelopes);
}

}  // namespace hotline::work_order
