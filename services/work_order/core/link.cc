#include "services/work_order/core/link.h"

#include "common/base/sha256.h"

namespace hotline::work_order {

std::string EnvelopeHash(std::string_view previous_hash, int64_t sequence, int kind,
                         std::string_view handoff_id, std::string_view body) {
  return Sha256({previous_hash, BigEndian64(static_cast<uint64_t>(sequence)),
                 BigEndian32(static_cast<uint32_t>(kind)),
                 BigEndian32(static_cast<uint32_t>(handoff_id.size())), handoff_id, body});
}

std::string EventHash(std::string_view previous_hash, std::string_view event_bytes) {
  return Sha256({previous_hash, event_bytes});
}

}  // namespace hotline::work_order
