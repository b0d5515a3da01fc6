#include "services/escalation/report/core/period.h"

#include <cstdint>

#include "absl/strings/str_format.h"
#include "common/error/error.h"
#include "services/escalation/calendar/civil.h"

namespace hotline::escalation::report {
namespace {

using calendar::Day;

constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2198;
constexpr Day kMaxRangeDays = 3660;

absl::Time StartOf(Day day) { return absl::FromUnixSeconds(calendar::Midnight(day)); }
Period Days(Day first, Day after_last) { return {StartOf(first), StartOf(after_last)}; }

// Exactly `digits` decimal digits.
std::optional<int> Number(std::string_view text, size_t digits) {
  if (text.size() != digits) return std::nullopt;
  int number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

// The Monday of the year's first ISO week: the week with 4 January in it.
Day FirstMonday(int year) {
  const Day fourth = calendar::DayOfDate(year, 1, 4);
  return fourth - calendar::WeekdayOf(fourth);
}

Day FirstOfMonth(int year, int month) {
  return calendar::DayOfDate(year + (month - 1) / 12, (month - 1) % 12 + 1, 1);
}

}  // namespace

std::optional<Period> ParsePeriod(std::string_view text) {
  if (const size_t dots = text.find(".."); dots != std::string_view::npos) {
    const auto first = calendar::ParseDate(text.substr(0, dots));
    const auto last = calendar::ParseDate(text.substr(dots + 2));
    if (!first.has_value() || !last.has_value() || *first > *last || *last - *first >= kMaxRangeDays) {
      return std::nullopt;
    }
    return Days(*first, *last + 1);
  }
  if (text.size() == 10) {
    const auto day = calendar::ParseDate(text);
    return day.has_value() ? std::optional(Days(*day, *day + 1)) : std::nullopt;
  }
  const auto year = Number(text.substr(0, 4), 4);
  if (!year.has_value() || *year < kFirstYear || *year > kLastYear) return std::nullopt;
  if (text.size() == 4) {
    return Days(calendar::DayOfDate(*year, 1, 1), calendar::DayOfDate(*year + 1, 1, 1));
  }
  if (text[4] != '-') return std::nullopt;
  const std::string_view part = text.substr(5);
  if (part.size() == 2 && part[0] == 'Q') {
    const auto quarter = Number(part.substr(1), 1);
    if (!quarter.has_value() || *quarter < 1 || *quarter > 4) return std::nullopt;
    return Days(FirstOfMonth(*year, *quarter * 3 - 2), FirstOfMonth(*year, *quarter * 3 + 1));
  }
  if (part.size() == 3 && part[0] == 'W') {
    const auto week = Number(part.substr(1), 2);
    if (!week.has_value() || *week < 1) return std::nullopt;
    const Day monday = FirstMonday(*year) + 7 * (*week - 1);
    if (monday >= FirstMonday(*year + 1)) return std::nullopt;
    return Days(monday, monday + 7);
  }
  const auto month = Number(part, 2);
  if (!month.has_value() || *month < 1 || *month > 12) return std::nullopt;
  return Days(FirstOfMonth(*year, *month), FirstOfMonth(*year, *month + 1));
}

absl::StatusOr<Period> CheckPeriod(std::string_view field, std::string_view text) {
  if (text.empty()) return error::Required(field);
  const auto period = ParsePeriod(text);
  if (period.has_value()) return *period;
  return error::BadField(
      error::Reason::ERROR_REASON_FIELD_INVALID, field,
      "is not a period such as 2026, 2026-Q3, 2026-09, 2026-W36, 2026-09-01 or "
      "2026-09-01..2026-09-15",
      "不是有效的统计周期，如 2026、2026-Q3、2026-09、2026-W36、2026-09-01 或 2026-09-01..2026-09-15");
}

std::string WeekOf(absl::Time t) {
  const Day day = calendar::DayOf(absl::ToUnixSeconds(t));
  const Day thursday = day - calendar::WeekdayOf(day) + 3;
  const int year = calendar::YearOf(thursday);
  return absl::StrFormat("%04d-W%02d", year, (thursday - FirstMonday(year)) / 7 + 1);
}

std::string ChineseDate(absl::Time t) {
  const Day day = calendar::DayOf(absl::ToUnixSeconds(t));
  const int month_day = calendar::MonthDayOf(day);
  return absl::StrFormat("%d年%d月%d日", calendar::YearOf(day), month_day / 100, month_day % 100);
}

std::string ChineseTime(absl::Time t) {
  const int32_t second = calendar::SecondOfDay(absl::ToUnixSeconds(t));
  return absl::StrFormat("%s %02d:%02d", ChineseDate(t), second / 3600, second / 60 % 60);
}

}  // namespace hotline::escalation::report
