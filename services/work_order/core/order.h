// What commands and envelopes share: reading an order as a site sees it, and building the change. Internal to
// core.
#ifndef SERVICES_WORK_ORDER_CORE_ORDER_H_
#define SERVICES_WORK_ORDER_CORE_ORDER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/work_order/core/decide.h"

namespace hotline::work_order {

// A set of states as bits, so that a rule is one comparison.
using StateSet = uint32_t;
template <typename... State>
constexpr StateSet In(State... states) {
  return ((StateSet{1} << static_cast<int>(states)) | ...);
}
constexpr bool Contains(StateSet set, int state) {
  return state >= 0 && state < 32 && (set >> state & 1) != 0;
}

// Where an order can be suspended and extended: somebody is at work on it.
inline constexpr StateSet kAtWork =
    In(type::v1::ORDER_STATE_ACCEPTED, type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED,
       type::v1::ORDER_STATE_IN_PROGRESS, type::v1::ORDER_STATE_REDO);
// Offered to a peer that has not answered with a decision.
inline constexpr StateSet kOnOffer =
    In(type::v1::ORDER_STATE_OFFERED, type::v1::ORDER_STATE_RECEIVED, type::v1::ORDER_STATE_UNDERSTOOD);
inline constexpr StateSet kEnded =
    In(type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_CANCELLED, type::v1::ORDER_STATE_ARCHIVED);
inline constexpr int kMaxPastHandoffs = 8;

// Times of protobuf: years 1 to 9999, nanoseconds not negative.
bool IsValidTime(const google::protobuf::Timestamp& timestamp);
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
void ToProto(absl::Time time, google::protobuf::Timestamp* timestamp);

// The current handoff has not ended by a return or a recall.
inline bool IsOpen(const type::v1::WorkOrder& order) {
  return order.has_handoff() && !order.handoff().has_end_time();
}
// The peer of the current handoff took responsibility and did not give it back.
inline bool IsHandedOver(const type::v1::WorkOrder& order) {
  return IsOpen(order) && order.handoff().has_accept_time();
}
// The other site of the current handoff, as this site sees it. The order has one.
inline const std::string& OtherSite(const type::v1::WorkOrder& order, const Site& site) {
  return order.handoff().from_hotline() == site.hotline ? order.handoff().to_hotline()
                                                        : order.handoff().from_hotline();
}
// Who has to hold an order in this state; empty if the state does not say.
const std::string& ExpectedHolder(const type::v1::WorkOrder& order, const Site& site);

// Gives the order to `holder`. The epoch grows only if that is another.
void MoveCustody(type::v1::WorkOrder* order, const std::string& holder, absl::Time now);
// Takes back what the new state does not allow: a suspension, a recall that is answered.
void DropFactsOfOtherStates(type::v1::WorkOrder* order);
// What the content gives to the order: type, urgency, title, secrecy, salt and digest.
void AdoptContent(const type::v1::OrderContent& content, std::string_view bytes, std::string_view salt,
                  type::v1::WorkOrder* order);
// What the log keeps of a content. No personal data.
void DescribeContent(const type::v1::OrderContent& content, const type::v1::WorkOrder& order,
                     type::v1::RegisteredDetail* detail);

// Fills what every change has: version and update time of `after`, and the event's place, time, states and
// custody. The event's actor, trace and detail are the caller's.
void Seal(const type::v1::WorkOrder* before, absl::Time now, Change* change);
// True if `change` has to be told to the other site of the handoff that `before` is in.
bool HasCounterpart(const type::v1::WorkOrder& before);
// Adds the MIRROR envelope for a sealed change; `resync`: it is to be installed in any state.
void OweMirror(const Site& site, Change* change, bool resync = false);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_ORDER_H_
