#include "services/escalation/calendar/civil.h"

#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"

namespace hotline::escalation::calendar {
namespace {

absl::CivilDay Civil(Day day) { return absl::CivilDay(1970, 1, 1) + day; }

// Exactly `count` digits from `*text`, which they are taken from.
std::optional<int> Digits(std::string_view* text, size_t count) {
  if (text->size() < count) return std::nullopt;
  int value = 0;
  for (const char c : text->substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(count);
  return value;
}

bool Take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

std::optional<Day> ParseParts(std::string_view text, bool dashes) {
  const std::optional<int> year = Digits(&text, 4);
  if (!year.has_value() || (dashes && !Take(&text, '-'))) return std::nullopt;
  const std::optional<int> month = Digits(&text, 2);
  if (!month.has_value() || (dashes && !Take(&text, '-'))) return std::nullopt;
  const std::optional<int> day = Digits(&text, 2);
  if (!day.has_value() || !text.empty() || *year < 1970 || *year > 2199) return std::nullopt;
  const absl::CivilDay civil(*year, *month, *day);
  // A date that does not exist comes back as another one.
  if (civil.month() != *month || civil.day() != *day) return std::nullopt;
  return static_cast<Day>(civil - absl::CivilDay(1970, 1, 1));
}

std::optional<int32_t> ParseTimeOfDay(std::string_view text) {
  const std::optional<int> hour = Digits(&text, 2);
  if (!hour.has_value() || !Take(&text, ':')) return std::nullopt;
  const std::optional<int> minute = Digits(&text, 2);
  if (!minute.has_value() || *minute > 59) return std::nullopt;
  int second = 0;
  if (!text.empty()) {
    if (!Take(&text, ':')) return std::nullopt;
    const std::optional<int> read = Digits(&text, 2);
    if (!read.has_value() || *read > 59 || !text.empty()) return std::nullopt;
    second = *read;
  }
  const int32_t value = *hour * 3600 + *minute * 60 + second;
  if (value > kDaySeconds) return std::nullopt;
  return value;
}

}  // namespace

Day DayOfDate(int year, int month, int day) {
  return static_cast<Day>(absl::CivilDay(year, month, day) - absl::CivilDay(1970, 1, 1));
}

int YearOf(Day day) { return static_cast<int>(Civil(day).year()); }

int MonthDayOf(Day day) {
  const absl::CivilDay civil = Civil(day);
  return civil.month() * 100 + civil.day();
}

std::optional<Day> ParseDate(std::string_view text) { return ParseParts(text, /*dashes=*/true); }
std::optional<Day> ParseBasicDate(std::string_view text) { return ParseParts(text, /*dashes=*/false); }

std::string FormatDate(Day day) {
  const absl::CivilDay civil = Civil(day);
  return absl::StrFormat("%04d-%02d-%02d", civil.year(), civil.month(), civil.day());
}

std::string FormatBasicDate(Day day) {
  const absl::CivilDay civil = Civil(day);
  return absl::StrFormat("%04d%02d%02d", civil.year(), civil.month(), civil.day());
}

std::optional<int> ParseMonthDay(std::string_view text) {
  // 2001 has no 29 February.
  if (text.size() != 5) return std::nullopt;
  const std::optional<Day> day = ParseDate("2001-" + std::string(text));
  if (!day.has_value()) return std::nullopt;
  return MonthDayOf(*day);
}

std::optional<Segment> ParseSegment(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::optional<int32_t> open = ParseTimeOfDay(text.substr(0, dash));
  const std::optional<int32_t> close = ParseTimeOfDay(text.substr(dash + 1));
  if (!open.has_value() || !close.has_value() || *open >= *close) return std::nullopt;
  return Segment{*open, *close};
}

}  // namespace hotline::escalation::calendar
