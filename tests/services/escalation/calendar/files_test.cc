// Layers and calendars from YAML: what is shipped, and what each mistake is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_replace.h"
#include "common/error/error.h"
#include "services/escalation/calendar/layer.h"
#include "tests/services/escalation/calendar/world.h"

namespace hotline::escalation::calendar::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CalendarFilesTest : public ::testing::Test {
 protected:
  CalendarFilesTest() {
    std::string folder = (fs::temp_directory_path() / "calendar_files_test_XXXXXX").string();
    folder_ = mkdtemp(folder.data()) == nullptr ? "" : folder;
  }
  ~CalendarFilesTest() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // The error of a layer, with the folder's name left out.
  std::string LayerError(const std::string& text) {
    const auto layer = LoadLayer(Write("l.yaml", text));
    if (layer.ok()) return "no error";
    EXPECT_NE(error::ChineseOf(layer.status()), "");
    return absl::StrReplaceAll(std::string(layer.status().message()), {{folder_ + "/", ""}});
  }

  std::string folder_;
};

constexpr char kHead[] =
    "level: COUNTY\ncode: c\ndisplay_name: 县\nversion: \"1\"\n"
    "documents:\n"
    "  - {number: a, title: t, issue_date: 2025-01-01, first_date: 2025-01-01, last_date: 2026-12-31}\n"
    "  - {number: b, title: t, issue_date: 2025-01-01, first_date: 2025-06-01}\n"
    "  - {number: c, title: t, issue_date: 2026-01-01, first_date: 2026-01-01}\n";

TEST_F(CalendarFilesTest, WhatIsShippedLoads) {
  const auto loaded = LoadCalendars(Shipped("wuqia.yaml"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->version, "wuqia-2026-1");
  ASSERT_EQ(loaded->by_code.size(), 2u);
  const Calendar& office = loaded->by_code.at("office");
  EXPECT_EQ(office.version(), "office: china@2026-1, xinjiang@2025-1, kizilsu@2023-1");
  EXPECT_EQ(Add(office, "2025-06-05 11:00", 1, TIME_KIND_WORKING_DAYS), "2025-06-11 20:00:00");
  EXPECT_EQ(Add(loaded->by_code.at("always"), "2025-06-05 11:00", 60, TIME_KIND_WORKING_HOURS),
            "2025-06-05 11:01:00");
}

// As many days off as the notices name, and working days a year as they follow from them.
TEST_F(CalendarFilesTest, TheShippedYearsAddUp) {
  const Calendar nation = Of({"china"});
  const Calendar region = Of({"china", "xinjiang"});
  const auto days = [](const Calendar& calendar, int year) {
    return calendar
        .Measure(T(absl::StrCat(year - 1, "-12-31")), T(absl::StrCat(year + 1, "-01-01")),
                 TIME_KIND_WORKING_DAYS)
        ->amount;
  };
  EXPECT_EQ(days(nation, 2023), 249);
  EXPECT_EQ(days(nation, 2024), 251);
  EXPECT_EQ(days(nation, 2025), 248);
  EXPECT_EQ(days(nation, 2026), 248);
  // One and three days; one and three of five on working days.
  EXPECT_EQ(days(nation, 2023) - days(region, 2023), 4);
  EXPECT_EQ(days(nation, 2025) - days(region, 2025), 4);
}

TEST_F(CalendarFilesTest, ImportsAreReadBesideTheLayer) {
  Write("days.json", "[{\"date\": \"2026-08-03\", \"off\": true, \"name\": \"县庆\"}]");
  Write("days.ics",
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260808\nSUMMARY:县庆（班）\n"
        "END:VEVENT\nEND:VCALENDAR\n");
  const std::string path = Write("l.yaml", std::string(kHead) +
                                               "imports:\n  - {file: days.json, document: a}\n"
                                               "  - {file: days.ics, document: b}\n");
  const auto layer = LoadLayer(path);
  ASSERT_TRUE(layer.ok()) << layer.status();
  ASSERT_EQ(layer->days_size(), 2);
  EXPECT_EQ(layer->days(0).document(), "a");
  EXPECT_EQ(layer->days(1).first_date(), "2026-08-08");
  EXPECT_EQ(layer->imports_size(), 0);
}

TEST_F(CalendarFilesTest, EachMistakeIsToldWithItsPlace) {
  Write("bad.json", "[\n{\"date\": \"x\"}]");
  Write("early.json", "[{\"date\": \"2020-08-03\", \"off\": true, \"name\": \"县庆\"}]");
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"hour: []\n", "l.yaml:9:1: unknown key \"hour\" in CalendarLayer; did you mean \"hours\"?"},
      {"next_notice_days: 32\n", "next_notice_days: l.yaml:9:1: must be from 0 to 31"},
      // Documents and dates.
      {"days:\n  - {document: z, first_date: 2025-01-01, kind: OFF, name: x}\n",
       "days[0].document: l.yaml:10:6: is not the number of one of `documents`: z"},
      {"days:\n  - {first_date: 2025-01-01, kind: OFF, name: x}\n",
       "days[0].document: l.yaml:10:5: is required"},
      {"days:\n  - {document: a, first_date: 2025-02-29, kind: OFF, name: x}\n",
       "days[0].first_date: l.yaml:10:19: must be a date YYYY-MM-DD from 1970 to 2199"},
      {"days:\n  - {document: a, first_date: 2025-02-02, last_date: 2025-02-01, kind: OFF, name: x}\n",
       "days[0].last_date: l.yaml:10:43: is before first_date"},
      {"days:\n  - {document: a, first_date: 2025-01-01, last_date: 2026-06-01, kind: OFF, name: x}\n",
       "days[0].last_date: l.yaml:10:43: makes more than 366 days"},
      {"days:\n  - {document: b, first_date: 2025-01-01, kind: OFF, name: x}\n",
       "days[0]: l.yaml:10:5: holds outside the validity of its document"},
      {"days:\n  - {document: a, first_date: 2025-01-01, name: x}\n",
       "days[0].kind: l.yaml:10:5: is required"},
      {"days:\n  - {document: a, first_date: 2025-01-01, kind: OFF}\n",
       "days[0].name: l.yaml:10:5: is required"},
      {"days:\n  - {document: a, first_date: 2025-01-01, kind: OFF, name: x, segments: [\"10:00-11:00\"]}\n",
       "days[0].segments: l.yaml:10:63: is only for WORKING days"},
      {"days:\n  - {document: a, first_date: 2025-07-01, kind: OFF, name: x}\n"
       "  - {document: b, first_date: 2025-06-30, last_date: 2025-07-02, kind: WORKING, name: y}\n",
       "days[1]: l.yaml:11:5: speaks of the same dates as days[0] (2025-07-01), and neither document was "
       "issued "
       "later: end the validity of one"},
      // Weeks.
      {"weekly:\n  - {document: a, working_days: [MONDAY]}\n",
       "weekly[0].earlier_days: l.yaml:10:5: is required: KEEP the holidays of the layers before, or "
       "OVERRIDE "
       "them and work through"},
      {"weekly:\n  - {document: a, working_days: [MONDAY, MONDAY], earlier_days: KEEP}\n",
       "weekly[0].working_days[1]: l.yaml:10:42: is there twice"},
      {"weekly:\n  - {document: a, earlier_days: KEEP}\n  - {document: b, earlier_days: KEEP}\n",
       "weekly[1]: l.yaml:11:5: speaks of the same dates as weekly[0], and neither document was issued "
       "later: end "
       "the validity of one"},
      // Hours.
      {"hours:\n  - {document: a}\n", "hours[0].segments: l.yaml:10:5: is required"},
      {"hours:\n  - {document: a, segments: [\"10:00-9:00\"]}\n",
       "hours[0].segments[0]: l.yaml:10:30: must be HH:MM-HH:MM, from 00:00 to 24:00, with an end after its "
       "begin"},
      {"hours:\n  - {document: a, segments: [\"10:00-24:01\"]}\n",
       "hours[0].segments[0]: l.yaml:10:30: must be HH:MM-HH:MM, from 00:00 to 24:00, with an end after its "
       "begin"},
      {"hours:\n  - {document: a, segments: [\"10:00-12:00\", \"11:00-13:00\"]}\n",
       "hours[0].segments[1]: l.yaml:10:45: begins before the one ahead of it ends"},
      {"hours:\n  - {document: a, season_from: 02-29, segments: [\"10:00-12:00\"]}\n",
       "hours[0].season_from: l.yaml:10:19: must be MM-DD, a day that every year has"},
      {"hours:\n  - {document: a, segments: [\"10:00-12:00\"]}\n  - {document: b, season_from: 05-01, "
       "segments: "
       "[\"10:00-12:00\"]}\n",
       "hours[1]: l.yaml:11:5: speaks of the same dates as hours[0], and neither document was issued later: "
       "end "
       "the validity of one"},
      // What is announced.
      {"announced:\n  - {first_date: 2025-01-01, last_date: 2025-12-31}\n",
       "announced[0].document: l.yaml:10:5: is required"},
      {"announced:\n  - {document: a, first_date: 2025-01-01}\n",
       "announced[0].last_date: l.yaml:10:5: is required"},
      {"unknown:\n  - {first_date: 2025-01-01, last_date: 2025-12-31}\n  - {first_date: 2025-12-31, "
       "last_date: "
       "2026-12-31}\n",
       "unknown[1]: l.yaml:11:5: overlaps unknown[0]"},
      // Imports.
      {"imports:\n  - {file: x.csv, document: a}\n",
       "imports[0].file: l.yaml:10:6: must end in .json or .ics"},
      {"imports:\n  - {file: x.ics, document: a}\n", "imports[0].file: l.yaml:10:6: cannot be read: x.ics"},
      {"imports:\n  - {file: bad.json, document: a}\n",
       "date: bad.json:2: must be a date YYYY-MM-DD from 1970 to 2199"},
      {"imports:\n  - {file: early.json, document: a}\n",
       "imports[0].file: l.yaml:10:6: its day 2020-08-03: holds outside the validity of its document"},
  };
  for (const Case& c : cases) EXPECT_EQ(LayerError(std::string(kHead) + c.text), c.message) << c.text;
  EXPECT_EQ(LayerError("level: COUNTY\ncode: C\nversion: \"1\"\n"),
            "code: l.yaml:2:1: must be 1 to 32 of a-z, 0-9 and _\ndisplay_name: l.yaml:1:1: is required");
  EXPECT_EQ(LoadLayer(folder_ + "/none.yaml").status().code(), absl::StatusCode::kNotFound);
}

// As editors of other systems write it.
TEST_F(CalendarFilesTest, AByteOrderMarkAndCarriageReturnsAreNoFault) {
  const std::string text = absl::StrCat(
      "\xef\xbb\xbf", kHead, "days:\n  - {document: a, first_date: 2025-02-03, kind: OFF, name: 县庆}\n");
  const auto layer = LoadLayer(Write("l.yaml", absl::StrReplaceAll(text, {{"\n", "\r\n"}})));
  ASSERT_TRUE(layer.ok()) << layer.status();
  EXPECT_EQ(layer->code(), "c");
  EXPECT_EQ(layer->days(0).name(), "县庆");
}

// What was issued later wins where two documents of a layer speak of the same dates.
TEST_F(CalendarFilesTest, TheLaterDocumentWinsWithinALayer) {
  const std::string path = Write(
      "l.yaml", std::string(kHead) +
                    "weekly:\n  - {document: a, working_days: [MONDAY, TUESDAY], earlier_days: KEEP}\n"
                    "  - {document: c, working_days: [TUESDAY], earlier_days: KEEP, first_date: 2026-02-01}\n"
                    "hours:\n  - {document: c, season_from: 05-01, segments: [\"11:00-12:00\"]}\n"
                    "  - {document: a, season_from: 08-01, segments: [\"10:00-12:00\"]}\n"
                    "days:\n  - {document: c, first_date: 2026-07-07, kind: WORKING, name: y}\n"
                    "  - {document: a, first_date: 2026-07-06, last_date: 2026-07-07, kind: OFF, name: x}\n");
  auto layer = LoadLayer(path);
  ASSERT_TRUE(layer.ok()) << layer.status();
  const auto calendar = Calendar::Create("c", {*layer}, {.first_year = 2025, .last_year = 2026});
  ASSERT_TRUE(calendar.ok()) << calendar.status();
  // Monday counts until February 2026.
  EXPECT_EQ(Add(*calendar, "2025-12-30 10:00", 1, TIME_KIND_WORKING_DAYS), "2026-01-05 12:00:00");
  EXPECT_EQ(Add(*calendar, "2026-02-04 10:00", 1, TIME_KIND_WORKING_DAYS), "2026-02-10 12:00:00");
  EXPECT_EQ(Add(*calendar, "2026-07-01 10:00", 1, TIME_KIND_WORKING_DAYS), "2026-07-07 12:00:00");
  // The hours are all those of the later document; its season of August does not exist.
  EXPECT_EQ(Add(*calendar, "2026-08-10 09:00", 1800, TIME_KIND_WORKING_HOURS), "2026-08-11 11:30:00");
}

TEST_F(CalendarFilesTest, MistakesOfAListAreToldWithTheirPlace) {
  const auto list_error = [&](const std::string& text) {
    const auto loaded = LoadCalendars(Write("list.yaml", text), {.first_year = 2025, .last_year = 2026});
    if (loaded.ok()) return std::string("no error");
    EXPECT_NE(error::ChineseOf(loaded.status()), "");
    return absl::StrReplaceAll(std::string(loaded.status().message()), {{folder_ + "/", ""}});
  };
  Write("good.yaml", std::string(kHead) + "hours:\n  - {document: a, segments: [\"10:00-12:00\"]}\n");
  Write("no_hours.yaml",
        "level: UNIT\ncode: n\ndisplay_name: 无\nversion: \"1\"\n"
        "documents:\n  - {number: a, title: t, issue_date: 2025-01-01, first_date: 2025-01-01}\n"
        "weekly:\n  - {document: a, working_days: [MONDAY], earlier_days: OVERRIDE}\n");
  EXPECT_EQ(list_error("version: \"1\"\ncalendars:\n  - {code: a, layers: [good.yaml]}\n"), "no error");
  EXPECT_EQ(list_error("calendars:\n  - {code: a, layers: [good.yaml]}\n"),
            "version: list.yaml:1:1: is required");
  EXPECT_EQ(list_error("version: \"1\"\n"), "calendars: list.yaml:1:1: is required");
  EXPECT_EQ(
      list_error("version: \"1\"\ncalendars:\n  - {code: a, layers: [good.yaml]}\n  - {code: a, layers: "
                 "[good.yaml]}\n  - {code: B, layers: [good.yaml]}\n"),
      "calendars[1].code: list.yaml:4:6: is there twice\n"
      "calendars[2].code: list.yaml:5:6: must be 1 to 32 of a-z, 0-9 and _");
  EXPECT_EQ(list_error("version: \"1\"\ncalendars:\n  - {code: a, layers: [none.yaml]}\n"),
            "calendars[0].layers[0]: list.yaml:3:24: cannot be read: none.yaml");
  EXPECT_EQ(
      list_error("version: \"1\"\ncalendars:\n  - {code: a, layers: [no_hours.yaml, good.yaml]}\n"),
      "calendars[0]: list.yaml:3:5: layers[1].level: must not come after a later level: nation, region, "
      "prefecture, county, unit");
  EXPECT_EQ(list_error("version: \"1\"\ncalendars:\n  - {code: a, layers: [good.yaml, good.yaml]}\n"),
            "calendars[0]: list.yaml:3:5: layers[1].code: is there twice");
  EXPECT_EQ(
      list_error("version: \"1\"\ncalendars:\n  - {code: a, layers: [no_hours.yaml]}\n"),
      "calendars[0]: list.yaml:3:5: layers: 2025-01-06 is a working day, and no layer has hours for it");
}

}  // namespace
}  // namespace hotline::escalation::calendar::test
