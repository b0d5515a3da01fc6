#include "tests/year/office.h"

#include <algorithm>
#include <iterator>

namespace hotline::year {
namespace {

const absl::TimeZone kBeijing = absl::FixedTimeZone(8 * 3600);

struct Range {
  int first, last;  // month × 100 + day
};
// 元旦, 春节, 肉孜节, 清明, 劳动节, 端午, 古尔邦节, 国庆; and the Saturdays and Sundays worked instead.
constexpr Range kOff2025[] = {{101, 101}, {128, 131}, {201, 204}, {329, 331}, {404, 406},
                              {501, 505}, {531, 531}, {601, 602}, {606, 610}, {1001, 1008}};
constexpr int kWorked2025[] = {126, 208, 427, 928, 1011};
constexpr Range kOff2026[] = {{101, 103}, {215, 223}};
constexpr int kWorked2026[] = {104, 214, 228};

template <typename Off, typename Made>
bool IsWorkday(int month_day, absl::Weekday weekday, const Off& off, const Made& made) {
  for (const int day : made) {
    if (day == month_day) return true;
  }
  for (const Range& range : off) {
    if (range.first <= month_day && month_day <= range.last) return false;
  }
  return weekday != absl::Weekday::saturday && weekday != absl::Weekday::sunday;
}

struct Span {
  absl::Time open, close;
};

// The hours of `day`, morning and afternoon; none on a day off.
int HoursOf(absl::CivilDay day, bool always, Span (&spans)[2]) {
  const absl::Time midnight = absl::FromCivil(day, kBeijing);
  if (always) {
    spans[0] = {midnight, midnight + absl::Hours(24)};
    return 1;
  }
  const int month_day = day.month() * 100 + day.day();
  const absl::Weekday weekday = absl::GetWeekday(day);
  const bool works = day.year() == 2025 ? IsWorkday(month_day, weekday, kOff2025, kWorked2025)
                                        : IsWorkday(month_day, weekday, kOff2026, kWorked2026);
  if (!works) return 0;
  const bool summer = month_day >= 501 && month_day < 1001;
  spans[0] = {midnight + absl::Hours(10),
              midnight + (summer ? absl::Minutes(13 * 60 + 30) : absl::Hours(14))};
  spans[1] = {midnight + (summer ? absl::Minutes(16 * 60 + 30) : absl::Hours(16)),
              midnight + (summer ? absl::Hours(20) : absl::Minutes(19 * 60 + 30))};
  return 2;
}

absl::CivilDay DayOf(absl::Time time) { return absl::CivilDay(kBeijing.At(time).cs); }

}  // namespace

int64_t Worked(absl::Time from, absl::Time to, bool always) {
  int64_t seconds = 0;
  for (absl::CivilDay day = DayOf(from); absl::FromCivil(day, kBeijing) < to; ++day) {
    Span spans[2];
    const int count = HoursOf(day, always, spans);
    for (int i = 0; i < count; ++i) {
      const absl::Time open = std::max(spans[i].open, from);
      const absl::Time close = std::min(spans[i].close, to);
      if (open < close) seconds += absl::ToInt64Seconds(close - open);
    }
  }
  return seconds;
}

absl::Time AddWorked(absl::Time from, int64_t seconds, bool always) {
  if (seconds <= 0) return from;
  for (absl::CivilDay day = DayOf(from);; ++day) {
    Span spans[2];
    const int count = HoursOf(day, always, spans);
    for (int i = 0; i < count; ++i) {
      const absl::Time open = std::max(spans[i].open, from);
      if (open >= spans[i].close) continue;
      const int64_t here = absl::ToInt64Seconds(spans[i].close - open);
      if (seconds <= here) return open + absl::Seconds(seconds);
      seconds -= here;
    }
  }
}

absl::Time SubtractWorked(absl::Time to, int64_t seconds, bool always) {
  if (seconds <= 0) return to;
  for (absl::CivilDay day = DayOf(to);; --day) {
    Span spans[2];
    for (int i = HoursOf(day, always, spans) - 1; i >= 0; --i) {
      const absl::Time close = std::min(spans[i].close, to);
      if (spans[i].open >= close) continue;
      const int64_t here = absl::ToInt64Seconds(close - spans[i].open);
      if (seconds <= here) return close - absl::Seconds(seconds);
      seconds -= here;
    }
  }
}

absl::Time CloseAfter(absl::Time start, int n, bool always) {
  absl::CivilDay day = DayOf(start);
  while (true) {
    Span spans[2];
    const int count = HoursOf(++day, always, spans);
    if (count > 0 && --n == 0) return spans[count - 1].close;
  }
}

}  // namespace hotline::year
