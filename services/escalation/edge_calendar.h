// Calendars from files: reads a list of calendars, its layers and the days they import.
#ifndef SERVICES_ESCALATION_EDGE_CALENDAR_H_
#define SERVICES_ESCALATION_EDGE_CALENDAR_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "hotline/config/v1/calendar.pb.h"
#include "services/escalation/calendar/calendar.h"

namespace hotline::escalation {

// Errors of all: NOT_FOUND for a file that cannot be read; INVALID_ARGUMENT (FIELD_INVALID) with
// `file:line:column` of each problem, a line each, in English and Chinese; of an imported file its line.

// A layer of a YAML file, with its imports (relative to it) read into `days`. It passes CheckLayer.
absl::StatusOr<config::v1::CalendarLayer> LoadLayer(const std::string& path);

struct LoadedCalendars {
  std::string version;
  std::map<std::string, calendar::Calendar, std::less<>> by_code;
};
// A `CalendarList` and all it names.
absl::StatusOr<LoadedCalendars> LoadCalendars(const std::string& path,
                                              calendar::Calendar::Options options = {});

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_CALENDAR_H_
