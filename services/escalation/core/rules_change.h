// A change of rules as a request brings it.
#ifndef SERVICES_ESCALATION_CORE_RULES_CHANGE_H_
#define SERVICES_ESCALATION_CORE_RULES_CHANGE_H_

#include <string>
#include <vector>

#include "hotline/escalation/v1/escalation_service.pb.h"

namespace hotline::escalation {

// See v1::PreviewRulesRequest. Empty: whatever the configured files have that is new.
struct RulesChange {
  std::string policy_yaml;
  std::vector<v1::CalendarFile> calendar_files;
  v1::CalendarNotice calendar_notice;
};

// Of a v1::PreviewRulesRequest or a v1::PublishRulesRequest.
template <typename Request>
RulesChange ChangeOf(const Request& request) {
  return {.policy_yaml = request.policy_yaml(),
          .calendar_files = {request.calendar_files().begin(), request.calendar_files().end()},
          .calendar_notice = request.calendar_notice()};
}

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_RULES_CHANGE_H_
