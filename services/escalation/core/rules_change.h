// A change of rules as a request brings it, and what calendars rest on before and after it.
#ifndef SERVICES_ESCALATION_CORE_RULES_CHANGE_H_
#define SERVICES_ESCALATION_CORE_RULES_CHANGE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "services/escalation/core/deadlines.h"

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

// `layer: number` of each document that `calendars` (null: there are none) rest on.
inline std::set<std::string> DocumentsOf(const Calendars* calendars) {
  std::set<std::string> documents;
  if (calendars == nullptr) return documents;
  for (const auto& [code, calendar] : *calendars) {
    for (const config::v1::CalendarLayer& layer : calendar.layers()) {
      for (const config::v1::CalendarDocument& document : layer.documents()) {
        documents.insert(absl::StrCat(layer.code(), ": ", document.number()));
      }
    }
  }
  return documents;
}

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_RULES_CHANGE_H_
