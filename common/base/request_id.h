// How the ids of requests begin that the site's own services derive, so that a request made twice is one. A
// client that took such an id first for something else would silence what it is for: an alarm, a rung of the
// ladder, a notice. So what begins like this is refused to clients, but in an acknowledgement, which a person
// makes either way. Of what they derive from their own ids themselves (`<request>/<partner>` of a call of
// partners, hotlinectl's `file-<digest>-<row>`) nothing is kept.
#ifndef COMMON_BASE_REQUEST_ID_H_
#define COMMON_BASE_REQUEST_ID_H_

#include <algorithm>
#include <iterator>
#include <string_view>

namespace hotline {

// See common/contract/alarm.h.
inline constexpr std::string_view kAlarmIds = "alarm/";
// A rung: services/escalation/core/clocks.cc.
inline constexpr std::string_view kRungIds = "escalate/";
// A deadline moved: the same.
inline constexpr std::string_view kMoveIds = "move/";
// Who was told of a rung: services/escalation/notify/core/plan.cc.
inline constexpr std::string_view kNotificationIds = "notify/";
// An erasure: services/work_order/retention.cc.
inline constexpr std::string_view kRetentionIds = "retention/";
// These two are made for a person, whose account they bear. A rung taken note of in a notification:
// services/escalation/notify/core/plan.cc.
inline constexpr std::string_view kAcknowledgementIds = "ack/";
// A showing: common/contract/disclosure.h, services/escalation/discretion.cc.
inline constexpr std::string_view kDisclosureIds = "disclose/";

// The one that `request_id` begins with; empty if it is a client's own.
inline std::string_view DerivedIds(std::string_view request_id) {
  constexpr std::string_view kAll[] = {
      kAlarmIds, kRungIds, kMoveIds, kNotificationIds, kRetentionIds, kAcknowledgementIds, kDisclosureIds};
  const auto* const it =
      std::find_if(std::begin(kAll), std::end(kAll),
                   [request_id](std::string_view prefix) { return request_id.starts_with(prefix); });
  return it == std::end(kAll) ? std::string_view() : *it;
}

}  // namespace hotline

#endif  // COMMON_BASE_REQUEST_ID_H_
