// Calendars from files: reads a list of calendars, its layers and the days they import, from the disk or as a
// request brings them, and changes the calendars that hold by some files.
#ifndef SERVICES_ESCALATION_EDGE_CALENDAR_H_
#define SERVICES_ESCALATION_EDGE_CALENDAR_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hotline/config/v1/calendar.pb.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "services/escalation/calendar/calendar.h"
#include "services/escalation/core/deadlines.h"

namespace hotline::escalation {

// Errors of all: NOT_FOUND for a file that cannot be read; INVALID_ARGUMENT (FIELD_INVALID) with
// `file:line:column` of each problem, a line each, in English and Chinese; of an imported file its line.

// A layer of a YAML file, with its imports (relative to it) read into `days`. It passes CheckLayer.
absl::StatusOr<config::v1::CalendarLayer> LoadLayer(const std::string& path);

struct LoadedCalendars {
  std::string version;
  Calendars by_code;
};
// A `CalendarList` and all it names.
absl::StatusOr<LoadedCalendars> LoadCalendars(const std::string& path,
                                              calendar::Calendar::Options options = {});

// A deadline is known by the versions of its layers, so a layer that says something else than before has
// another version. OK if that holds of each layer of `made` against those of `current` (null: there are none)
// with its code. INVALID_ARGUMENT (FIELD_INVALID) of `field`, with the first that breaks it.
absl::Status CheckVersions(const Calendars* current, const Calendars& made, std::string_view field);

// `current` (null: there are none) changed by `files` and, for those that are single days, `notice`, as
// v1::CalendarFile and v1::CalendarNotice say. Files refer to each other by their last name, wherever they
// lie. Errors also: those of CheckVersions, of `calendar_files`. Those of a file are of
// `calendar_files[2].content`.
absl::StatusOr<Calendars> ChangeCalendars(const Calendars* current,
                                          const std::vector<v1::CalendarFile>& files,
                                          const v1::CalendarNotice& notice,
                                          calendar::Calendar::Options options = {});

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_CALENDAR_H_
