// Single days from other people's files: holiday JSON and iCalendar (RFC 5545), and back to iCalendar. Pure;
// safe on any bytes.
#ifndef SERVICES_ESCALATION_CALENDAR_IMPORT_H_
#define SERVICES_ESCALATION_CALENDAR_IMPORT_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/config/v1/calendar.pb.h"

namespace hotline::escalation::calendar {

inline constexpr size_t kMaxImportBytes = 1 << 20;
inline constexpr int kMaxImportDays = 4096;

// Errors of both, INVALID_ARGUMENT (FIELD_INVALID; FIELD_REQUIRED; LIST_INVALID for too much or nothing): the
// field is the key or property, the message has `name:line`; in English and Chinese. What is not understood
// is an error, never skipped, but for what the format says may be ignored. `document` is the number that the
// days rest on.

// A list of `{"date": "2026-02-14", "off": false, "name": "春节"}`; no other keys, each date once.
absl::StatusOr<std::vector<config::v1::DayRule>> ParseHolidayJson(std::string_view text,
                                                                  std::string_view name,
                                                                  std::string_view document);

// One VCALENDAR (lines end in CR LF, LF or CR) of VEVENTs of whole days: DTSTART and DTEND (excluded; unset:
// one day) with VALUE=DATE; SUMMARY is the day's name and ends in （休） or （班）, unless
// X-APPLE-SPECIAL-DAY says WORK-HOLIDAY or ALTERNATE-WORKDAY. X-HOTLINE-HOURS holds hours of these days only.
// Lines may be folded anywhere, within a character too. A METHOD is PUBLISH or REQUEST. Recurrence,
// durations, cancelled events and times of day are refused; VTIMEZONE, VALARM, other X- properties and those
// without bearing on dates are passed over.
absl::StatusOr<std::vector<config::v1::DayRule>> ParseICalendar(std::string_view text, std::string_view name,
                                                                std::string_view document);

// A file that ParseICalendar reads again to the same days (`last_date` unset where it is the first one).
// `days` pass CheckLayer; `stamp` is when it is made.
std::string WriteICalendar(const std::vector<config::v1::DayRule>& days, absl::Time stamp);

}  // namespace hotline::escalation::calendar

#endif  // SERVICES_ESCALATION_CALENDAR_IMPORT_H_
