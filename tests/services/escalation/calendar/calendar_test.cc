// The shipped calendars: the vectors that were checked by hand, and each kind of time.
#include "services/escalation/calendar/calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error/error.h"
#include "tests/services/escalation/calendar/world.h"

namespace hotline::escalation::calendar::test {
namespace {

using error::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The date on which working days that begin on `date` end.
std::string DateAfter(const Calendar& calendar, const std::string& date, int64_t days) {
  return Add(calendar, date + " 11:00", days, TIME_KIND_WORKING_DAYS).substr(0, 10);
}

std::vector<std::string> Uncertain(const Calendar& calendar, absl::CivilDay first, absl::CivilDay last) {
  std::vector<std::string> out;
  for (const UncertainSpan& span : calendar.Uncertain(first, last)) {
    out.push_back(absl::StrCat(span.layer, " ", absl::FormatCivilTime(span.first), " ",
                               absl::FormatCivilTime(span.last), span.gap ? " gap" : " not announced"));
  }
  return out;
}

TEST(CalendarTest, VectorsOfTheDomain) {
  const Calendar nation = Of({"china"});
  const Calendar region = Of({"china", "xinjiang"});
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  // Over the Spring Festival to the make-up Sunday.
  EXPECT_EQ(DateAfter(nation, "2024-02-09", 1), "2024-02-18");
  EXPECT_EQ(DateAfter(nation, "2025-06-05", 1), "2025-06-06");
  EXPECT_EQ(DateAfter(region, "2025-06-05", 1), "2025-06-11");
  EXPECT_EQ(DateAfter(office, "2025-06-05", 1), "2025-06-11");
  // The region's Friday off is followed by the nation's make-up Sunday.
  EXPECT_EQ(DateAfter(nation, "2023-04-20", 1), "2023-04-21");
  EXPECT_EQ(DateAfter(region, "2023-04-20", 1), "2023-04-23");
  EXPECT_EQ(DateAfter(office, "2023-04-20", 1), "2023-04-23");
}

TEST(CalendarTest, WorkingDaysEndAtTheCloseAndTheStartDoesNotCount) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  // Winter and summer hours, whatever the time of day of the start.
  for (const char* start : {"2025-03-10", "2025-03-10 03:00", "2025-03-10 10:00", "2025-03-10 23:59:59"}) {
    EXPECT_EQ(Add(office, start, 1, TIME_KIND_WORKING_DAYS), "2025-03-11 19:30:00") << start;
  }
  EXPECT_EQ(Add(office, "2025-07-07 12:00", 5, TIME_KIND_WORKING_DAYS), "2025-07-14 20:00:00");
  // Begun on a holiday, on a weekend.
  EXPECT_EQ(Add(office, "2025-10-03 12:00", 1, TIME_KIND_WORKING_DAYS), "2025-10-09 19:30:00");
  EXPECT_EQ(Add(office, "2025-03-15 12:00", 2, TIME_KIND_WORKING_DAYS), "2025-03-18 19:30:00");
  EXPECT_EQ(Add(office, "2025-03-10 12:00", 0, TIME_KIND_WORKING_DAYS), "2025-03-10 12:00:00");
}

TEST(CalendarTest, SeasonsChangeTheHours) {
  const Calendar region = Of({"china", "xinjiang"});
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  const auto hours = [](const Calendar& calendar, const std::string& date) {
    const auto measured = calendar.Measure(T(date), T(date) + absl::Hours(24), TIME_KIND_WORKING_HOURS);
    return measured.ok() ? static_cast<double>(measured->amount) / 3600 : -1;
  };
  EXPECT_EQ(hours(office, "2025-04-30"), 7.5);
  EXPECT_EQ(hours(office, "2025-05-06"), 7);
  EXPECT_EQ(hours(office, "2025-09-30"), 7);
  EXPECT_EQ(hours(office, "2025-10-09"), 7.5);
  EXPECT_EQ(hours(office, "2025-01-02"), 7.5);
  EXPECT_EQ(hours(region, "2025-07-01"), 8);
  EXPECT_EQ(hours(region, "2025-12-01"), 8);
  // A make-up Sunday has the hours of its season.
  EXPECT_EQ(hours(office, "2025-09-28"), 7);
  EXPECT_EQ(hours(office, "2025-09-27"), 0);
}

TEST(CalendarTest, ASeasonBeginsOnItsFirstDay) {
  // Both first days are holidays, so here all days are worked.
  config::v1::CalendarLayer layer = *LoadLayer(Shipped("kizilsu.yaml"));
  config::v1::WeeklyRule& weekly = *layer.add_weekly();
  weekly.set_document(layer.documents(0).number());
  for (int day = 1; day <= 7; ++day) weekly.add_working_days(static_cast<config::v1::Weekday>(day));
  weekly.set_earlier_days(config::v1::EARLIER_DAYS_OVERRIDE);
  const Calendar calendar = *Calendar::Create("c", {layer});
  for (const auto& [date, close] :
       std::vector<std::pair<std::string, std::string>>{{"2025-04-30", "19:30"},
                                                        {"2025-05-01", "20:00"},
                                                        {"2025-09-30", "20:00"},
                                                        {"2025-10-01", "19:30"},
                                                        {"2025-12-31", "19:30"},
                                                        {"2026-01-01", "19:30"}}) {
    EXPECT_TRUE(*calendar.IsWorking(T(date + " " + close) - absl::Seconds(1))) << date;
    EXPECT_FALSE(*calendar.IsWorking(T(date + " " + close))) << date;
  }
}

TEST(CalendarTest, WorkingHoursWalkTheSegments) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  const int64_t hour = 3600;
  // Within a segment, over the midday rest, over the night.
  EXPECT_EQ(Add(office, "2025-07-07 10:15", 2 * hour, TIME_KIND_WORKING_HOURS), "2025-07-07 12:15:00");
  EXPECT_EQ(Add(office, "2025-07-07 12:30", 2 * hour, TIME_KIND_WORKING_HOURS), "2025-07-07 17:30:00");
  EXPECT_EQ(Add(office, "2025-07-07 19:00", 2 * hour, TIME_KIND_WORKING_HOURS), "2025-07-08 11:00:00");
  // Used up exactly at a close: then, and not at the next opening.
  EXPECT_EQ(Add(office, "2025-07-07 10:00", 3 * hour + 1800, TIME_KIND_WORKING_HOURS), "2025-07-07 13:30:00");
  EXPECT_EQ(Add(office, "2025-07-07 10:00", 7 * hour, TIME_KIND_WORKING_HOURS), "2025-07-07 20:00:00");
  EXPECT_EQ(Add(office, "2025-07-07 10:00", 7 * hour + 1, TIME_KIND_WORKING_HOURS), "2025-07-08 10:00:01");
  // Begun at rest, over a weekend, into the National Day with its make-up Sunday.
  EXPECT_EQ(Add(office, "2025-07-11 21:00", hour, TIME_KIND_WORKING_HOURS), "2025-07-14 11:00:00");
  EXPECT_EQ(Add(office, "2025-09-26 19:00", 2 * hour, TIME_KIND_WORKING_HOURS), "2025-09-28 11:00:00");
  EXPECT_EQ(Add(office, "2025-09-30 19:00", 2 * hour, TIME_KIND_WORKING_HOURS), "2025-10-09 11:00:00");
  EXPECT_EQ(Add(office, "2025-07-11 21:00", 0, TIME_KIND_WORKING_HOURS), "2025-07-11 21:00:00");
}

TEST(CalendarTest, NaturalDaysAndClockTimeIgnoreTheCalendar) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  EXPECT_EQ(Add(office, "2024-02-09 16:00", 3, TIME_KIND_NATURAL_DAYS), "2024-02-13 00:00:00");
  EXPECT_EQ(Add(office, "2024-02-09 16:00", 86'400, TIME_KIND_CLOCK_TIME), "2024-02-10 16:00:00");
  // Also where the calendar is uncertain, and beyond its years.
  EXPECT_EQ(Add(office, "2027-02-09 16:00", 3, TIME_KIND_NATURAL_DAYS), "2027-02-13 00:00:00");
  EXPECT_EQ(Add(office, "2090-02-09 16:00", 10, TIME_KIND_CLOCK_TIME), "2090-02-09 16:00:10");
}

TEST(CalendarTest, AlwaysIsClockTime) {
  const Calendar always = Of({"always"});
  EXPECT_EQ(Add(always, "2024-02-10 03:04:05", 7200, TIME_KIND_WORKING_HOURS), "2024-02-10 05:04:05");
  EXPECT_EQ(Add(always, "2024-02-10 03:04:05", 1, TIME_KIND_WORKING_DAYS), "2024-02-12 00:00:00");
  EXPECT_EQ(*always.NextChange(T("2024-02-10 03:04:05")), absl::InfiniteFuture());
  EXPECT_TRUE(*always.IsWorking(T("2027-02-10")));
  // Over other layers it works through their holidays, and waits for no notice.
  const Calendar police = Of({"china", "xinjiang", "kizilsu", "always"});
  EXPECT_EQ(Add(police, "2027-02-10 03:04:05", 7200, TIME_KIND_WORKING_HOURS), "2027-02-10 05:04:05");
  EXPECT_EQ(Add(police, "2024-02-10 03:04:05", 7200, TIME_KIND_WORKING_HOURS), "2024-02-10 05:04:05");
}

TEST(CalendarTest, IntervalsAreHalfOpen) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  EXPECT_FALSE(*office.IsWorking(T("2025-07-07 09:59:59")));
  EXPECT_TRUE(*office.IsWorking(T("2025-07-07 10:00")));
  EXPECT_TRUE(*office.IsWorking(T("2025-07-07 13:29:59") + absl::Milliseconds(999)));
  EXPECT_FALSE(*office.IsWorking(T("2025-07-07 13:30")));
  EXPECT_EQ(Show(*office.NextChange(T("2025-07-07 09:59:59"))), "2025-07-07 10:00:00");
  EXPECT_EQ(Show(*office.NextChange(T("2025-07-07 10:00"))), "2025-07-07 13:30:00");
  EXPECT_EQ(Show(*office.NextChange(T("2025-07-07 13:30"))), "2025-07-07 16:30:00");
  EXPECT_EQ(Show(*office.NextChange(T("2025-09-30 20:00"))), "2025-10-09 10:00:00");
}

TEST(CalendarTest, APartOfASecondCountsAsTheWhole) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  const absl::Time start = T("2025-07-07 10:00") + absl::Milliseconds(1);
  EXPECT_EQ(Show(office.AddWorkingTime(start, 10, TIME_KIND_CLOCK_TIME)->time), "2025-07-07 10:00:11");
  EXPECT_EQ(Show(office.AddWorkingTime(start, 10, TIME_KIND_WORKING_HOURS)->time), "2025-07-07 10:00:11");
}

TEST(CalendarTest, BeyondTheLastNoticeIsProvisional) {
  const Calendar nation = Of({"china"});
  EXPECT_EQ(Add(nation, "2026-12-24 10:00", 2, TIME_KIND_WORKING_DAYS), "2026-12-28 18:00:00");
  // The last days of December may come with next year's notice.
  EXPECT_EQ(Add(nation, "2026-12-24 10:00", 3, TIME_KIND_WORKING_DAYS), "2026-12-29 18:00:00 provisional");
  EXPECT_EQ(Add(nation, "2026-12-31 10:00", 1, TIME_KIND_WORKING_DAYS), "2027-01-01 18:00:00 provisional");
  EXPECT_EQ(Add(nation, "2027-06-01 09:00", 3600, TIME_KIND_WORKING_HOURS),
            "2027-06-01 10:00:00 provisional");
  EXPECT_TRUE(
      nation.Measure(T("2026-12-01"), T("2027-01-05"), TIME_KIND_WORKING_HOURS)->certainty.provisional);
  EXPECT_FALSE(
      nation.Measure(T("2026-11-01"), T("2026-12-01"), TIME_KIND_WORKING_HOURS)->certainty.provisional);
  EXPECT_THAT(Uncertain(nation, absl::CivilDay(2026, 12, 1), absl::CivilDay(2027, 1, 5)),
              ElementsAre("china 2026-12-29 2027-01-05 not announced"));
  // A December that the next notice has decided is settled, also the day before the first notice known here.
  EXPECT_EQ(Add(nation, "2023-12-28 10:00", 3, TIME_KIND_WORKING_DAYS), "2024-01-03 18:00:00");
  EXPECT_THAT(Uncertain(nation, absl::CivilDay(2022, 12, 29), absl::CivilDay(2023, 1, 5)),
              ElementsAre("china 2022-12-29 2022-12-30 gap"));
}

TEST(CalendarTest, AnUnknownYearIsAGapAndNoGuess) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  EXPECT_EQ(Add(office, "2024-06-13 11:00", 2, TIME_KIND_WORKING_DAYS), "2024-06-17 20:00:00 gap");
  EXPECT_EQ(Add(office, "2026-11-24 11:00", 2, TIME_KIND_WORKING_DAYS), "2026-11-26 19:30:00 gap");
  EXPECT_EQ(Add(office, "2025-12-30 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-12-31 19:30:00");
  EXPECT_EQ(Add(office, "2025-12-30 11:00", 2, TIME_KIND_WORKING_DAYS), "2026-01-04 19:30:00 gap");
  // Of 2027 neither the nation nor the region has said anything yet.
  EXPECT_EQ(Add(office, "2027-03-01 11:00", 1, TIME_KIND_WORKING_DAYS), "2027-03-02 19:30:00 provisional");
  EXPECT_EQ(Add(office, "2026-12-31 11:00", 1, TIME_KIND_WORKING_DAYS), "2027-01-01 19:30:00 provisional");
  EXPECT_EQ(Add(office, "2026-12-30 11:00", 2, TIME_KIND_WORKING_DAYS),
            "2027-01-01 19:30:00 provisional gap");
  EXPECT_THAT(Uncertain(office, absl::CivilDay(2023, 12, 30), absl::CivilDay(2025, 1, 2)),
              ElementsAre("xinjiang 2024-01-01 2024-12-31 gap"));
  EXPECT_THAT(Uncertain(office, absl::CivilDay(2025, 1, 1), absl::CivilDay(2025, 12, 31)), IsEmpty());
}

TEST(CalendarTest, AUnitThatAlsoOpensOnSaturdaysKeepsTheHolidays) {
  config::v1::CalendarLayer unit;
  unit.set_level(config::v1::LAYER_LEVEL_UNIT);
  unit.set_code("zhengwuzhongxin");
  unit.set_display_name("政务服务中心");
  unit.set_version("1");
  auto& document = *unit.add_documents();
  document.set_number("测试〔2025〕1号");
  document.set_title("周六服务");
  document.set_issue_date("2025-01-01");
  document.set_first_date("2025-02-01");
  auto& weekly = *unit.add_weekly();
  weekly.set_document(document.number());
  for (int day = 1; day <= 6; ++day) weekly.add_working_days(static_cast<config::v1::Weekday>(day));
  weekly.set_earlier_days(config::v1::EARLIER_DAYS_KEEP);
  // One day with hours of its own.
  auto& single = *unit.add_days();
  single.set_document(document.number());
  single.set_first_date("2025-06-07");
  single.set_kind(config::v1::DAY_KIND_WORKING);
  single.set_name("开放日");
  single.add_segments("12:00:30-14:00");

  std::vector<config::v1::CalendarLayer> layers;
  for (const char* name : {"china", "xinjiang", "kizilsu"}) {
    layers.push_back(*LoadLayer(Shipped(absl::StrCat(name, ".yaml"))));
  }
  layers.push_back(unit);
  Calendar center = *Calendar::Create("center", layers);
  EXPECT_EQ(center.version(), "center: china@2026-1, xinjiang@2025-1, kizilsu@2023-1, zhengwuzhongxin@1");
  // Before the document holds; a Saturday; the Saturday of a holiday; the exception within a holiday.
  EXPECT_EQ(Add(center, "2025-01-17 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-01-20 19:30:00");
  EXPECT_EQ(Add(center, "2025-03-14 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-03-15 19:30:00");
  EXPECT_EQ(Add(center, "2025-10-03 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-10-09 19:30:00");
  EXPECT_EQ(Add(center, "2025-06-05 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-06-07 14:00:00");
  EXPECT_EQ(Add(center, "2025-06-06 11:00", 60, TIME_KIND_WORKING_HOURS), "2025-06-07 12:01:30");
  // With OVERRIDE it works on the other days of the holiday, too, but its own single day stays.
  layers.back().mutable_weekly(0)->set_earlier_days(config::v1::EARLIER_DAYS_OVERRIDE);
  center = *Calendar::Create("center", layers);
  EXPECT_EQ(Add(center, "2025-06-05 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-06-06 20:00:00");
  EXPECT_EQ(Add(center, "2025-06-05 11:00", 2, TIME_KIND_WORKING_DAYS), "2025-06-07 14:00:00");
}

TEST(CalendarTest, WhatCannotBeAskedIsToldSo) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  struct Case {
    absl::Status status;
    Reason reason;
    const char* field;
  };
  const absl::Time start = T("2025-07-07 10:00");
  const Case cases[] = {
      {office.AddWorkingTime(start, -1, TIME_KIND_WORKING_DAYS).status(), Reason::ERROR_REASON_FIELD_INVALID,
       "amount"},
      {office.AddWorkingTime(start, 3661, TIME_KIND_NATURAL_DAYS).status(),
       Reason::ERROR_REASON_FIELD_INVALID, "amount"},
      {office.AddWorkingTime(start, 1, type::v1::TIME_KIND_UNSPECIFIED).status(),
       Reason::ERROR_REASON_ENUM_INVALID, "kind"},
      {office.AddWorkingTime(absl::InfiniteFuture(), 1, TIME_KIND_CLOCK_TIME).status(),
       Reason::ERROR_REASON_TIME_INVALID, "start"},
      {office.AddWorkingTime(T("2051-01-01"), 1, TIME_KIND_WORKING_DAYS).status(),
       Reason::ERROR_REASON_TIME_INVALID, "start"},
      {office.AddWorkingTime(T("2050-12-31"), 1, TIME_KIND_WORKING_DAYS).status(),
       Reason::ERROR_REASON_TIME_INVALID, "result"},
      {office.AddWorkingTime(T("2050-12-31 19:00"), 3600, TIME_KIND_WORKING_HOURS).status(),
       Reason::ERROR_REASON_TIME_INVALID, "result"},
      {office.Measure(start, start - absl::Seconds(1), TIME_KIND_CLOCK_TIME).status(),
       Reason::ERROR_REASON_TIME_INVALID, "to"},
      {office.Measure(start, T("2051-01-02"), TIME_KIND_WORKING_HOURS).status(),
       Reason::ERROR_REASON_TIME_INVALID, "to"},
      {office.IsWorking(T("2014-12-31 23:59:59")).status(), Reason::ERROR_REASON_TIME_INVALID, "time"},
      {office.NextChange(absl::InfinitePast()).status(), Reason::ERROR_REASON_TIME_INVALID, "time"},
      {office.Derive(start, 1000, TIME_KIND_WORKING_DAYS).status(), Reason::ERROR_REASON_FIELD_INVALID,
       "amount"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(error::ReasonOf(c.status), c.reason) << c.status;
    EXPECT_EQ(error::FieldOf(c.status), c.field) << c.status;
    EXPECT_NE(error::ChineseOf(c.status), "") << c.status;
  }
  // The whole of the table can be measured, to its last midnight.
  EXPECT_TRUE(office.Measure(T("2015-01-01"), T("2051-01-01"), TIME_KIND_WORKING_HOURS).ok());
  EXPECT_TRUE(office.Measure(T("2015-01-01"), T("2051-01-01"), TIME_KIND_WORKING_DAYS).ok());
}

}  // namespace
}  // namespace hotline::escalation::calendar::test
