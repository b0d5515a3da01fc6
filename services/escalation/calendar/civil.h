// Dates and times of day as numbers, in Beijing time (UTC+8, no daylight saving), and as they are written.
#ifndef SERVICES_ESCALATION_CALENDAR_CIVIL_H_
#define SERVICES_ESCALATION_CALENDAR_CIVIL_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace hotline::escalation::calendar {

// Days since 1970-01-01, in Beijing time.
using Day = int32_t;
inline constexpr Day kForever = std::numeric_limits<Day>::max();
inline constexpr int64_t kDaySeconds = 86'400;
inline constexpr int64_t kUtcOffsetSeconds = 8 * 3600;

// The day of a second since the Unix epoch, and its seconds since midnight.
constexpr Day DayOf(int64_t unix_second) {
  const int64_t local = unix_second + kUtcOffsetSeconds;
  return static_cast<Day>(local >= 0 ? local / kDaySeconds : (local + 1) / kDaySeconds - 1);
}
constexpr int64_t Midnight(Day day) { return int64_t{day} * kDaySeconds - kUtcOffsetSeconds; }
constexpr int32_t SecondOfDay(int64_t unix_second) {
  return static_cast<int32_t>(unix_second - Midnight(DayOf(unix_second)));
}
// From 0, Monday, to 6, Sunday.
constexpr int WeekdayOf(Day day) { return static_cast<int>(((int64_t{day} + 3) % 7 + 7) % 7); }

Day DayOfDate(int year, int month, int day);
int YearOf(Day day);
// Month × 100 + day of the month: 501 is 1 May.
int MonthDayOf(Day day);

// `YYYY-MM-DD`, from 1970 to 2199, a date that exists.
std::optional<Day> ParseDate(std::string_view text);
// `YYYYMMDD`, likewise.
std::optional<Day> ParseBasicDate(std::string_view text);
std::string FormatDate(Day day);
std::string FormatBasicDate(Day day);
// `MM-DD` that every year has, as MonthDayOf.
std::optional<int> ParseMonthDay(std::string_view text);

// Part of a day, half open, in seconds since midnight.
struct Segment {
  int32_t open = 0;
  int32_t close = 0;
  friend bool operator==(const Segment&, const Segment&) = default;
};
// `HH:MM-HH:MM`, also with `:SS`; up to 24:00; not empty.
std::optional<Segment> ParseSegment(std::string_view text);

}  // namespace hotline::escalation::calendar

#endif  // SERVICES_ESCALATION_CALENDAR_CIVIL_H_
