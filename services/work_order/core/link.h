// The hash chain of a link's envelopes and of the event log. Pure.
#ifndef SERVICES_WORK_ORDER_CORE_LINK_H_
#define SERVICES_WORK_ORDER_CORE_LINK_H_

#include <string>
#include <string_view>

#include "hotline/exchange/v1/exchange_service.pb.h"

namespace hotline::work_order {

// 32 bytes; the rule is written at `Envelope.hash` in exchange_service.proto.
std::string EnvelopeHash(std::string_view previous_hash, int64_t sequence, int kind,
                         std::string_view handoff_id, std::string_view body);

// 32 bytes: SHA-256(previous_hash ‖ event bytes as stored).
std::string EventHash(std::string_view previous_hash, std::string_view event_bytes);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_LINK_H_
