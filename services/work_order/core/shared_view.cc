#include "services/work_order/core/shared_view.h"

#include <string_view>

#include "common/base/sha256.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

// States that only one of the sites passes through look alike.
std::string_view StateWord(int state) {
  if (Contains(kOnOffer, state)) return "offered";
  if (Contains(kEnded, state)) return "done";
  switch (state) {
    case type::v1::ORDER_STATE_ACCEPTED:
      return "accepted";
    case type::v1::ORDER_STATE_DISPATCHED:
      return "dispatched";
    case type::v1::ORDER_STATE_SIGNED:
      return "signed";
    case type::v1::ORDER_STATE_IN_PROGRESS:
      return "in_progress";
    case type::v1::ORDER_STATE_REPLIED:
      return "replied";
    case type::v1::ORDER_STATE_CALLED_BACK:
      return "called_back";
    case type::v1::ORDER_STATE_REDO:
      return "redo";
    default:
      return "other";
  }
}

void AppendHex(std::string_view digest, std::string* view) {
  constexpr size_t kShown = 8;
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : digest.substr(0, kShown)) {
    view->push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    view->push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
}

}  // namespace

std::string EndedView(const type::v1::Handoff& handoff) {
  // An offer that was not understood left no order at the taker.
  if (handoff.id().empty() || handoff.to_number().empty()) return {};
  return handoff.id() + " ended";
}

namespace {

std::string OpenView(const type::v1::WorkOrder& order, const type::v1::Handoff& handoff, int order_state) {
  const std::string_view state = StateWord(order_state);
  std::string view;
  view.reserve(160);
  view.append(handoff.id()).append(" ").append(state);
  view.append(" holder=").append(order.custody().holder());
  view.append(" epoch=").append(std::to_string(order.custody().epoch()));
  view.append(" from=").append(handoff.from_number());
  view.append(" content=");
  AppendHex(order.content_digest(), &view);
  // The giver learns the taker's number and the rest by the second receipt and later.
  if (Contains(kOnOffer, order_state)) return view;
  view.append(" to=").append(handoff.to_number());
  view.append(" units=");
  for (int i = 0; i < order.units_size(); ++i) {
    const type::v1::UnitTask& task = order.units(i);
    view.append(i == 0 ? "" : ",").append(task.unit()).append(task.has_sign_time() ? "+" : "");
  }
  const type::v1::Facts& facts = order.facts();
  view.append(" extended=").append(std::to_string(facts.extension_count()));
  view.append(" suspended=").append(facts.suspended() ? "1" : "0");
  view.append(" redone=").append(std::to_string(facts.redo_count()));
  view.append(" reply=");
  if (order.has_reply()) AppendHex(Sha256({order.reply().public_reply()}), &view);
  return view;
}

}  // namespace

std::string SharedView(const type::v1::WorkOrder& order) {
  if (!order.has_handoff()) return {};
  if (order.handoff().has_end_time()) return EndedView(order.handoff());
  // The reply is gone, but not that both sites had the same one.
  if (!order.erased_view().empty() && Contains(kEnded, order.state())) return order.erased_view();
  return OpenView(order, order.handoff(), order.state());
}

std::string InboundView(const type::v1::WorkOrder& order) {
  if (!order.has_inbound()) return {};
  return order.inbound().has_end_time() ? EndedView(order.inbound()) : order.inbound_view();
}

std::string ViewForGiver(const type::v1::WorkOrder& order, const Site& site) {
  return OpenView(order, order.inbound(), StateForGiver(order, site));
}

}  // namespace hotline::work_order
