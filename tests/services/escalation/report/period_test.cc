#include "services/escalation/report/core/period.h"

#include <gtest/gtest.h>

#include "common/error/error.h"

namespace hotline::escalation::report {
namespace {

absl::Time Beijing(int year, int month, int day, int hour = 0) {
  return absl::FromCivil(absl::CivilHour(year, month, day, hour), absl::FixedTimeZone(8 * 3600));
}

void ExpectPeriod(const char* text, absl::Time start, absl::Time end) {
  const auto period = ParsePeriod(text);
  ASSERT_TRUE(period.has_value()) << text;
  EXPECT_EQ(period->start, start) << text;
  EXPECT_EQ(period->end, end) << text;
}

TEST(PeriodTest, ReadsWhatPeopleWrite) {
  ExpectPeriod("2026", Beijing(2026, 1, 1), Beijing(2027, 1, 1));
  ExpectPeriod("2026-Q3", Beijing(2026, 7, 1), Beijing(2026, 10, 1));
  ExpectPeriod("2026-Q4", Beijing(2026, 10, 1), Beijing(2027, 1, 1));
  ExpectPeriod("2026-02", Beijing(2026, 2, 1), Beijing(2026, 3, 1));
  ExpectPeriod("2026-12", Beijing(2026, 12, 1), Beijing(2027, 1, 1));
  ExpectPeriod("2026-09-30", Beijing(2026, 9, 30), Beijing(2026, 10, 1));
  ExpectPeriod("2026-09-01..2026-09-15", Beijing(2026, 9, 1), Beijing(2026, 9, 16));
  // 1 January 2026 is a Thursday: its week is the first, and begins in December. 2026 has 53 weeks, 2027
  // begins after.
  ExpectPeriod("2026-W01", Beijing(2025, 12, 29), Beijing(2026, 1, 5));
  ExpectPeriod("2026-W53", Beijing(2026, 12, 28), Beijing(2027, 1, 4));
}

TEST(PeriodTest, RefusesTheRest) {
  for (const char* text : {"",
                           "26",
                           "2026-",
                           "2026-Q0",
                           "2026-Q5",
                           "2026-13",
                           "2026-00",
                           "2025-W53",
                           "2026-W00",
                           "2026-W54",
                           "2026-02-30",
                           "2026-9-1",
                           "2026-09-15..2026-09-01",
                           "2026-01-01..2040-01-01",
                           "..",
                           "2026-01-01..",
                           "2026-Qx",
                           "1900",
                           "9999",
                           "2026-W1",
                           "2026-09-01 ",
                           "二〇二六"}) {
    EXPECT_FALSE(ParsePeriod(text).has_value()) << text;
  }
  EXPECT_EQ(error::ReasonOf(CheckPeriod("period", "").status()), error::Reason::ERROR_REASON_FIELD_REQUIRED);
  const auto bad = CheckPeriod("period", "2026-Q9");
  EXPECT_EQ(error::ReasonOf(bad.status()), error::Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(bad.status()), "period");
  EXPECT_NE(error::ChineseOf(bad.status()).find("统计周期"), std::string::npos);
}

TEST(PeriodTest, WeeksAndTimesInBeijing) {
  EXPECT_EQ(WeekOf(Beijing(2025, 12, 29)), "2026-W01");
  EXPECT_EQ(WeekOf(Beijing(2027, 1, 3, 23)), "2026-W53");
  EXPECT_EQ(WeekOf(Beijing(2027, 1, 4)), "2027-W01");
  EXPECT_EQ(ChineseTime(Beijing(2026, 9, 1, 16)), "2026年9月1日 16:00");
  EXPECT_EQ(ChineseDate(Beijing(2026, 9, 1) - absl::Seconds(1)), "2026年8月31日");
}

}  // namespace
}  // namespace hotline::escalation::report
