// A notice of single days put into a layer: the provisional year becomes announced, or one more holiday does.
// Pure.
#ifndef SERVICES_ESCALATION_CALENDAR_NOTICE_H_
#define SERVICES_ESCALATION_CALENDAR_NOTICE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hotline/config/v1/calendar.pb.h"

namespace hotline::escalation::calendar {

// An official document and what it announces. Dates are `YYYY-MM-DD`.
struct Notice {
  std::string document;    // its number; required
  std::string title;       // empty: the number
  std::string issue_date;  // required, unless the layer has the document
  // Both or none. None: the whole year that most of its days lie in, and as much of the years beside it as it
  // speaks of.
  std::string first_date;
  std::string last_date;
  // It announces no dates but its days.
  bool only_its_days = false;
  // Of the layer that has it. Empty: NextVersion.
  std::string version;
};

// `layer` with `days`, all of `notice`. They take the place of those that it holds of the same document.
// Dates that another document has announced stay announced by that; dates that were unknown are so no more. A
// layer that waits for no announcements gets none, unless dates are given. The same again changes nothing,
// not even the version. The result may break rules of CheckLayer, which is for the caller to ask.
//
// Errors: INVALID_ARGUMENT with the path of a field of `calendar_notice`, in English and Chinese.
absl::StatusOr<config::v1::CalendarLayer> WithNotice(const config::v1::CalendarLayer& layer,
                                                     const Notice& notice,
                                                     const std::vector<config::v1::DayRule>& days);

// `2026-1` → `2026-1+1` → `2026-1+2`.
std::string NextVersion(std::string_view version);

}  // namespace hotline::escalation::calendar

#endif  // SERVICES_ESCALATION_CALENDAR_NOTICE_H_
