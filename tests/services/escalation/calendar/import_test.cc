// Days from holiday JSON and iCalendar: what is read, what each mistake is told, and the way back.
#include "services/escalation/calendar/import.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/error/error.h"
#include "tests/services/escalation/calendar/world.h"

namespace hotline::escalation::calendar::test {
namespace {

using config::v1::DAY_KIND_OFF;
using config::v1::DAY_KIND_WORKING;
using config::v1::DayRule;
using error::Reason;

std::string Show(const std::vector<DayRule>& days) {
  std::string out;
  for (const DayRule& day : days) {
    absl::StrAppend(&out, day.first_date(), day.last_date().empty() ? "" : "/", day.last_date(),
                    day.kind() == DAY_KIND_OFF ? " off " : " works ", day.name());
    for (const std::string& segment : day.segments()) absl::StrAppend(&out, " ", segment);
    absl::StrAppend(&out, "\n");
  }
  return out;
}

// `field: message`, as a person sees it.
template <typename Result>
std::string Error(const Result& result) {
  if (result.ok()) return "no error";
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(error::ChineseOf(result.status()), "");
  return std::string(result.status().message());
}

TEST(HolidayJsonTest, IsRead) {
  const auto days = ParseHolidayJson(
      "\xef\xbb\xbf[\r\n{\"date\": \"2026-02-14\", \"off\": false, \"name\": \"春节\"},\n"
      "{\"name\":\"\\u6625\\u8282\\ud83c\\udfee\",\"off\":true,\"date\":\"2026-02-15\"}]\n",
      "f.json", "国办发明电〔2025〕7号");
  ASSERT_TRUE(days.ok()) << days.status();
  EXPECT_EQ(Show(*days), "2026-02-14 works 春节\n2026-02-15 off 春节🏮\n");
  EXPECT_EQ(days->front().document(), "国办发明电〔2025〕7号");
}

TEST(HolidayJsonTest, EachMistakeIsToldWithLineAndField) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "file: f.json:1: must be a list in [ ]"},
      {"[]", "file: f.json:1: has no days"},
      {"{}", "file: f.json:1: must be a list in [ ]"},
      {"[\n1]", "file: f.json:2: must be a day in { }"},
      {"[{\"date\":\"2026-01-01\",\n\"off\":1}]", "off: f.json:2: must be true or false"},
      {"[\n{\"date\":\"2026-02-30\"}]", "date: f.json:2: must be a date YYYY-MM-DD from 1970 to 2199"},
      {"[{\"date\":\"2026-1-1\"}]", "date: f.json:1: must be a date YYYY-MM-DD from 1970 to 2199"},
      {"[{\"date\":20260101}]", "date: f.json:1: must be a text in quotes"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"\"}]",
       "name: f.json:1: must name the day in 1 to 64 characters without line breaks"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"a\\nb\"}]",
       "name: f.json:1: must name the day in 1 to 64 characters without line breaks"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"\\x\"}]",
       "name: f.json:1: must be a text in quotes"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"\\ud800\"}]",
       "name: f.json:1: must be a text in quotes"},
      {"[{\"date\":\"2026-01-01\",\n\"isOffDay\":true}]", "key: f.json:2: must be date, off or name"},
      {"[{\"date\":\"2026-01-01\",\"date\":\"2026-01-02\"}]", "date: f.json:1: is there twice"},
      {"[\n{\"date\":\"2026-01-01\",\"off\":true}]", "name: f.json:2: is required"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"x\"},\n{\"off\":true,\"name\":\"x\",\"date\":"
       "\"2026-01-01\"}]",
       "date: f.json:2: 2026-01-01 is there twice"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"x\"}\n", "file: f.json:2: must be `,` or `]`"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"x\"}]\n]", "file: f.json:2: must be nothing more"},
      {"[{\"date\":\"2026-01-01\",\"off\":true,\"name\":\"x\"},]", "file: f.json:1: must be a day in { }"},
      {"[\n\"\xff\"]", "file: f.json:2: is not UTF-8 text"},
  };
  for (const Case& c : cases) EXPECT_EQ(Error(ParseHolidayJson(c.text, "f.json", "x")), c.message) << c.text;
  EXPECT_EQ(error::ChineseOf(ParseHolidayJson("[\n{\"date\":\"x\"}]", "f.json", "x").status()),
            "字段 date：f.json第2行：须为1970年至2199年间真实存在的日期，格式为YYYY-MM-DD");
  EXPECT_EQ(error::ReasonOf(ParseHolidayJson(std::string(kMaxImportBytes + 1, ' '), "f.json", "x").status()),
            Reason::ERROR_REASON_LIST_INVALID);
}

// A calendar with `event` in it, a line each.
std::string Ics(const std::string& event) {
  return absl::StrReplaceAll(absl::StrCat("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//EN\nBEGIN:VEVENT\n",
                                          event, "END:VEVENT\nEND:VCALENDAR\n"),
                             {{"\n", "\r\n"}});
}

TEST(ICalendarTest, IsRead) {
  const std::string text =
      "BEGIN:VCALENDAR\r\nPRODID:-//Apple Inc.//EN\r\nVERSION:2.0\r\nCALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\n"
      "X-WR-CALNAME:中国大陆节假日\r\n"
      "BEGIN:VTIMEZONE\r\nTZID:Asia/"
      "Shanghai\r\nBEGIN:STANDARD\r\nRRULE:FREQ=YEARLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
      "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20251104T000000Z\r\nDTSTART;VALUE=DATE:20260215\r\n"
      "DTEND;VALUE=DATE:20260224\r\nSUMMARY;LANGUAGE=\"zh;:CN\":春节（休）\r\nTRANSP:TRANSPARENT\r\n"
      "BEGIN:VALARM\r\nTRIGGER:-PT1H\r\nEND:VALARM\r\nEND:VEVENT\r\n"
      // Folded within a character's neighbours, lower case, no DTEND, escapes.
      "begin:vevent\r\ndtstart;value=date:20260214\r\nsummary:春节\\, 一\\;二\\\\三\r\n  "
      "（\r\n\t班）\r\nend:vevent\r\n"
      "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260228\r\nSUMMARY:春节\r\nX-APPLE-SPECIAL-DAY:ALTERNATE-"
      "WORKDAY\r\n"
      "X-HOTLINE-HOURS:10:00-12:00,13:00-14:00\r\nEND:VEVENT\r\n"
      "END:VCALENDAR\r\n";
  const auto days = ParseICalendar(text, "f.ics", "国办发明电〔2025〕7号");
  ASSERT_TRUE(days.ok()) << days.status();
  EXPECT_EQ(Show(*days),
            "2026-02-15/2026-02-23 off 春节\n2026-02-14 works 春节, 一;二\\三 \n"
            "2026-02-28 works 春节 10:00-12:00 13:00-14:00\n");
  // The same with bare line feeds.
  for (const char* end : {"\n", "\r", "\r\r\n"}) {
    const auto again = ParseICalendar(absl::StrReplaceAll(text, {{"\r\n", end}}), "f.ics", "x");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(Show(*again), Show(*days));
  }
}

TEST(ICalendarTest, EachMistakeIsToldWithLineAndProperty) {
  const std::string start = "DTSTART;VALUE=DATE:20260101\n";
  const std::string good = start + "SUMMARY:元旦（休）\n";
  struct Case {
    std::string text;
    const char* message;
  };
  const Case cases[] = {
      {"", "BEGIN: f.ics:1: must be VCALENDAR"},
      {"DTSTART:1\n", "DTSTART: f.ics:1: stands outside VCALENDAR"},
      {"BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n", "file: f.ics:1: has no days"},
      {"BEGIN:VCALENDAR\nVERSION:1.0\n", "VERSION: f.ics:2: must be 2.0"},
      {"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "VERSION: f.ics:2: is required"},
      {"BEGIN:VCALENDAR\nCALSCALE:CHINESE\n", "CALSCALE: f.ics:2: must be GREGORIAN"},
      {"BEGIN:VCALENDAR\nMETHOD:CANCEL\n", "METHOD: f.ics:2: must be PUBLISH or REQUEST"},
      {"BEGIN:VCALENDAR\nMETHOD:REPLY\n", "METHOD: f.ics:2: must be PUBLISH or REQUEST"},
      {"BEGIN:VCALENDAR\nBEGIN:VTODO\n", "BEGIN: f.ics:2: opens a component that is not understood here"},
      {"BEGIN:VCALENDAR\nEND:VEVENT\n", "END: f.ics:2: does not close the component that is open"},
      {"BEGIN:VCALENDAR\nVERSION:2.0\n", "VCALENDAR: f.ics:3: has no END"},
      {"BEGIN:VCALENDAR\nno line\n", "line: f.ics:2: is no content line NAME;PARAMETER=…:VALUE"},
      {"BEGIN:VCALENDAR\nA;B=\"c:d\n", "line: f.ics:2: is no content line NAME;PARAMETER=…:VALUE"},
      {Ics(good) + "BEGIN:VCALENDAR\n", "BEGIN: f.ics:9: opens a component that is not understood here"},
      {Ics("SUMMARY:元旦（休）\n"), "DTSTART: f.ics:4: is required"},
      {Ics(start), "SUMMARY: f.ics:4: is required"},
      {Ics("DTSTART:20260101T000000\nSUMMARY:元旦（休）\n"),
       "DTSTART: f.ics:5: must be ;VALUE=DATE:YYYYMMDD, a date from 1970 to 2199"},
      {Ics("DTSTART;VALUE=DATE:20260230\n"),
       "DTSTART: f.ics:5: must be ;VALUE=DATE:YYYYMMDD, a date from 1970 to 2199"},
      {Ics("DTSTART;TZID=Asia/Shanghai:20260101T000000\n"),
       "DTSTART: f.ics:5: has the parameter TZID, only VALUE=DATE may be"},
      {Ics(good + start), "DTSTART: f.ics:7: is there twice"},
      {Ics(good + "DTEND;VALUE=DATE:20260101\n"),
       "DTEND: f.ics:7: must be 1 to 366 days after DTSTART; it is excluded"},
      {Ics(good + "DTEND;VALUE=DATE:20280101\n"),
       "DTEND: f.ics:7: must be 1 to 366 days after DTSTART; it is excluded"},
      {Ics(start + "SUMMARY:元旦\n"),
       "SUMMARY: f.ics:6: must end in （休） or （班）, and agree with X-APPLE-SPECIAL-DAY"},
      {Ics(good + "X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY\n"),
       "SUMMARY: f.ics:6: must end in （休） or （班）, and agree with X-APPLE-SPECIAL-DAY"},
      {Ics(start + "SUMMARY:（休）\n"),
       "SUMMARY: f.ics:6: must name the day in 1 to 64 characters without line breaks"},
      {Ics(start + "SUMMARY:元\\n旦（休）\n"),
       "SUMMARY: f.ics:6: must name the day in 1 to 64 characters without line breaks"},
      {Ics(start + "SUMMARY:元\\t旦（休）\n"),
       "SUMMARY: f.ics:6: has an escape that is not \\\\ \\; \\, or \\n"},
      {Ics(good + "RRULE:FREQ=YEARLY\n"),
       "RRULE: f.ics:7: is not understood here: days may be meant that it changes"},
      {Ics(good + "DURATION:P1D\n"),
       "DURATION: f.ics:7: is not understood here: days may be meant that it changes"},
      {Ics(good + "EXDATE;VALUE=DATE:20260101\n"),
       "EXDATE: f.ics:7: is not understood here: days may be meant that it changes"},
      {Ics(good + "STATUS:CANCELLED\n"), "STATUS: f.ics:7: must be CONFIRMED"},
      {Ics(good + "X-HOTLINE-HOURS:10:00-12:00\n"), "X-HOTLINE-HOURS: f.ics:7: is only for working days"},
      {Ics(start + "SUMMARY:元旦（班）\nX-HOTLINE-HOURS:12:00-10:00\n"),
       "X-HOTLINE-HOURS: f.ics:7: must be HH:MM-HH:MM, up to 8, in order, with commas between"},
      // A folded line is counted by where it begins.
      {Ics("DTSTART;VALUE=DATE\n :2026\n 0101\nSUMMARY:元旦（休\n ）\nRRULE:X\n"),
       "RRULE: f.ics:10: is not understood here: days may be meant that it changes"},
      {"BEGIN:VCALENDAR\n\xff\n", "file: f.ics:2: is not UTF-8 text"},
      {Ics(start + "SUMMARY:\xe5\n \x85\n（休）\n"), "file: f.ics:6: is not UTF-8 text"},
  };
  for (const Case& c : cases) EXPECT_EQ(Error(ParseICalendar(c.text, "f.ics", "x")), c.message) << c.text;
  EXPECT_EQ(error::ChineseOf(ParseICalendar(Ics(good + "RRULE:X\n"), "f.ics", "x").status()),
            "字段 RRULE：f.ics第7行：无法识别，可能影响日期，已拒绝导入");
}

// As writers do that count bytes and know of no characters.
TEST(ICalendarTest, ALineMayBeFoldedWithinACharacter) {
  const std::string summary = "SUMMARY:元旦（休）";
  for (size_t at = 1; at < summary.size(); ++at) {
    const std::string folded = absl::StrCat(summary.substr(0, at), "\n ", summary.substr(at), "\n");
    const auto days = ParseICalendar(absl::StrReplaceAll(Ics("DTSTART;VALUE=DATE:20260101\n" + folded),
                                                         {{"PRODID", "METHOD:request\nPRODID"}}),
                                     "f.ics", "x");
    ASSERT_TRUE(days.ok()) << at << ": " << days.status();
    EXPECT_EQ(Show(*days), "2026-01-01 off 元旦\n");
  }
}

TEST(ICalendarTest, LinesAreFoldedAt75BytesBetweenCharacters) {
  DayRule day;
  day.set_document("x");
  day.set_first_date("2026-01-01");
  day.set_kind(DAY_KIND_OFF);
  std::string name;
  for (int i = 0; i < 64; ++i) name += i % 7 == 0 ? "," : "节";
  day.set_name(name);
  const std::string text = WriteICalendar({day}, absl::UnixEpoch());
  for (const absl::string_view line : absl::StrSplit(text, "\r\n")) {
    EXPECT_LE(line.size(), 75u);
    EXPECT_TRUE(line.empty() || (static_cast<unsigned char>(line[line[0] == ' ']) & 0xc0) != 0x80) << line;
  }
  const auto again = ParseICalendar(text, "f.ics", "x");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->front().SerializeAsString(), day.SerializeAsString());
}

// Written and read again, days are the same.
RC_GTEST_PROP(ICalendarLaw, RoundTrip, ()) {
  std::vector<DayRule> days;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    DayRule& day = days.emplace_back();
    day.set_document("x");
    const absl::CivilDay first = absl::CivilDay(1970, 1, 1) + *rc::gen::inRange(0, 84'000 - 366);
    day.set_first_date(absl::FormatCivilTime(first));
    if (const int more = *rc::gen::inRange(0, 366); more > 0 && *rc::gen::arbitrary<bool>()) {
      day.set_last_date(absl::FormatCivilTime(first + more));
    }
    day.set_kind(*rc::gen::arbitrary<bool>() ? DAY_KIND_OFF : DAY_KIND_WORKING);
    const std::vector<std::string> pieces = {"春", "节", "a",  ";",      ",", "\\",
                                             ":",  " ",  "\"", "（休）", "n", "🏮"};
    std::string name;
    for (int j = *rc::gen::inRange(1, 12); j > 0; --j) name += *rc::gen::elementOf(pieces);
    day.set_name(name);
    if (day.kind() == DAY_KIND_WORKING && *rc::gen::arbitrary<bool>()) {
      day.add_segments("09:00-12:00");
      day.add_segments("13:00:30-24:00");
    }
  }
  const auto again = ParseICalendar(WriteICalendar(days, absl::UnixEpoch()), "f.ics", "x");
  RC_ASSERT(again.ok());
  RC_ASSERT(again->size() == days.size());
  for (size_t i = 0; i < days.size(); ++i) {
    RC_ASSERT((*again)[i].SerializeAsString() == days[i].SerializeAsString());
  }
}

// The shipped holidays go out and come back.
TEST(ICalendarTest, TheShippedDaysGoRound) {
  for (const char* file : {"china.yaml", "xinjiang.yaml"}) {
    const auto layer = LoadLayer(Shipped(file));
    ASSERT_TRUE(layer.ok()) << layer.status();
    const std::vector<DayRule> days(layer->days().begin(), layer->days().end());
    const auto again = ParseICalendar(WriteICalendar(days, absl::UnixEpoch()), "f.ics", "x");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(Show(*again), Show(days));
  }
}

}  // namespace
}  // namespace hotline::escalation::calendar::test
