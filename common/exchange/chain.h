// The hash chains: of a lane's envelopes, and of a site's event log. Pure. What a vendor needs to follow a
// lane, and what an offline check of evidence needs.
#ifndef COMMON_EXCHANGE_CHAIN_H_
#define COMMON_EXCHANGE_CHAIN_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline {

// One lane of the link with a peer.
struct LaneKey {
  std::string peer;
  exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY;
  auto operator<=>(const LaneKey&) const = default;
};

inline constexpr exchange::v1::Lane kLanes[] = {exchange::v1::LANE_ORDINARY, exchange::v1::LANE_EMERGENCY};

// The lane that a message names: ORDINARY if it names none.
inline exchange::v1::Lane LaneOf(exchange::v1::Lane lane) {
  return lane == exchange::v1::LANE_UNSPECIFIED ? exchange::v1::LANE_ORDINARY : lane;
}
// The lane of all envelopes about an order of this urgency.
inline exchange::v1::Lane LaneFor(type::v1::Urgency urgency) {
  return urgency == type::v1::URGENCY_EMERGENCY ? exchange::v1::LANE_EMERGENCY : exchange::v1::LANE_ORDINARY;
}
// `ordinary` or `emergency`: for metrics and messages.
const char* LaneName(exchange::v1::Lane lane);

// What the first envelope of a lane follows: 32 bytes. Anything but LANE_EMERGENCY starts as the ordinary
// lane does.
const std::string& LaneStart(exchange::v1::Lane lane);

// 32 bytes: what an envelope says, without its place. The rule is written at `Envelope.hash` in
// exchange_service.proto.
std::string EnvelopeLeaf(int kind, int64_t seen_sequence, std::string_view handoff_id, std::string_view body);
// 32 bytes: the envelope in its place.
std::string EnvelopeHash(std::string_view previous_hash, int64_t sequence, std::string_view leaf);
// The same of a whole envelope, by its own fields except `hash`.
std::string EnvelopeHash(const exchange::v1::Envelope& envelope);

// 32 bytes: SHA-256(previous_hash ‖ event bytes as stored).
std::string EventHash(std::string_view previous_hash, std::string_view event_bytes);

}  // namespace hotline

#endif  // COMMON_EXCHANGE_CHAIN_H_
