#include "common/exchange/chain.h"

#include "common/base/sha256.h"

namespace hotline {

const char* LaneName(exchange::v1::Lane lane) {
  return lane == exchange::v1::LANE_EMERGENCY ? "emergency" : "ordinary";
}

const std::string& LaneStart(exchange::v1::Lane lane) {
  static const std::string emergency(kSha256Bytes, '\x01');
  return lane == exchange::v1::LANE_EMERGENCY ? emergency : ChainStart();
}

std::string EnvelopeLeaf(int kind, int64_t seen_sequence, std::string_view handoff_id,
                         std::string_view body) {
  return Sha256({BigEndian32(static_cast<uint32_t>(kind)), BigEndian64(static_cast<uint64_t>(seen_sequence)),
                 BigEndian32(static_cast<uint32_t>(handoff_id.size())), handoff_id, body});
}

std::string EnvelopeHash(std::string_view previous_hash, int64_t sequence, std::string_view leaf) {
  return Sha256({previous_hash, BigEndian64(static_cast<uint64_t>(sequence)), leaf});
}

std::string EnvelopeHash(const exchange::v1::Envelope& envelope) {
  return EnvelopeHash(
      envelope.previous_hash(), envelope.sequence(),
      EnvelopeLeaf(envelope.kind(), envelope.seen_sequence(), envelope.handoff_id(), envelope.body()));
}

std::string EventHash(std::string_view previous_hash, std::string_view event_bytes) {
  return Sha256({previous_hash, event_bytes});
}

}  // namespace hotline
