// Calendars changed by files: the provisional year becomes announced, a layer is replaced, and what is told
// of each mistake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "common/error/error.h"
#include "services/escalation/calendar/notice.h"
#include "tests/services/escalation/calendar/world.h"

namespace hotline::escalation::calendar::test {
namespace {

using error::Reason;
using ::testing::HasSubstr;

std::string Text(const std::string& name) {
  std::ifstream file(Shipped(name));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class CalendarChangeTest : public ::testing::Test {
 protected:
  void File(const std::string& name, const std::string& content) {
    v1::CalendarFile& file = files_.emplace_back();
    file.set_name(name);
    file.set_content(content);
  }
  absl::StatusOr<Calendars> Run() const { return ChangeCalendars(&current_, files_, notice_); }
  // `field: message` of the error.
  std::string Error() const {
    const auto made = Run();
    if (made.ok()) return "no error";
    EXPECT_NE(error::ChineseOf(made.status()), "");
    return std::string(made.status().message());
  }
  const config::v1::CalendarLayer LayerOf(const Calendars& calendars, const std::string& code) const {
    for (const config::v1::CalendarLayer& layer : calendars.at("office").layers()) {
      if (layer.code() == code) return layer;
    }
    ADD_FAILURE() << code;
    return {};
  }

  const Calendars current_ = LoadCalendars(Shipped("wuqia.yaml"))->by_code;
  std::vector<v1::CalendarFile> files_;
  v1::CalendarNotice notice_;
};

constexpr char k2027[] =
    "[{\"date\": \"2027-01-01\", \"off\": true, \"name\": \"元旦\"},\n"
    " {\"date\": \"2027-01-02\", \"off\": true, \"name\": \"元旦\"},\n"
    " {\"date\": \"2027-01-03\", \"off\": false, \"name\": \"元旦\"},\n"
    " {\"date\": \"2027-02-05\", \"off\": true, \"name\": \"春节\"},\n"
    " {\"date\": \"2027-02-08\", \"off\": true, \"name\": \"春节\"}]\n";

// The everyday case.
TEST_F(CalendarChangeTest, TheProvisionalYearBecomesAnnounced) {
  const Calendar& before = current_.at("office");
  const auto provisional = before.AddWorkingTime(T("2027-02-03 11:00"), 3, TIME_KIND_WORKING_DAYS);
  EXPECT_TRUE(provisional->certainty.provisional);
  EXPECT_EQ(Add(before, "2027-02-03 11:00", 3, TIME_KIND_WORKING_DAYS), "2027-02-08 19:30:00 provisional");
  File("/home/somebody/2027.json", k2027);
  notice_.set_document("国办发明电〔2026〕9号");
  notice_.set_title("国务院办公厅关于2027年部分节假日安排的通知");
  notice_.set_issue_date("2026-11-04");
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  const Calendar& after = made->at("office");
  EXPECT_EQ(after.version(), "office: china@2026-1+1, xinjiang@2025-1, kizilsu@2023-1");
  EXPECT_EQ(Add(after, "2027-02-03 11:00", 3, TIME_KIND_WORKING_DAYS), "2027-02-10 19:30:00 provisional");
  const config::v1::CalendarLayer china = LayerOf(*made, "china");
  EXPECT_EQ(china.announced().rbegin()->first_date(), "2027-01-01");
  EXPECT_EQ(china.announced().rbegin()->last_date(), "2027-12-31");
  EXPECT_EQ(china.documents().rbegin()->title(), "国务院办公厅关于2027年部分节假日安排的通知");
  // The nation has decided; the region, whose last notice here is of 2025, has not.
  for (const UncertainSpan& span : after.Uncertain(absl::CivilDay(2027, 1, 1), absl::CivilDay(2027, 12, 1))) {
    EXPECT_EQ(span.layer, "xinjiang");
  }
  // The same again is the same, to the version.
  const auto again = ChangeCalendars(&*made, files_, notice_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->at("office").version(), after.version());
  // Corrected, it takes the place of what the same document said.
  files_[0].set_content(std::string(k2027).substr(0, std::string(k2027).rfind(",\n")) + "]");
  const auto corrected = ChangeCalendars(&*made, files_, notice_);
  ASSERT_TRUE(corrected.ok()) << corrected.status();
  EXPECT_EQ(Add(corrected->at("office"), "2027-02-03 11:00", 3, TIME_KIND_WORKING_DAYS),
            "2027-02-09 19:30:00 provisional");
  EXPECT_EQ(LayerOf(*corrected, "china").version(), "2026-1+2");
  EXPECT_EQ(LayerOf(*corrected, "china").announced_size(), china.announced_size());
}

// The region announces its holidays some days ahead: of 2026, which is not known here.
TEST_F(CalendarChangeTest, AGapIsFilledAndASingleHolidayDecidesNoMore) {
  File("gurban.ics",
       "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260527\r\n"
       "DTEND;VALUE=DATE:20260530\r\nSUMMARY:古尔邦节（休）\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
  notice_.set_document("新政办明电〔2026〕3号");
  notice_.set_issue_date("2026-05-15");
  notice_.set_layer("xinjiang");
  notice_.set_only_its_days(true);
  const auto single = Run();
  ASSERT_TRUE(single.ok()) << single.status();
  EXPECT_EQ(Add(single->at("office"), "2026-05-26 11:00", 1, TIME_KIND_WORKING_DAYS),
            "2026-06-01 20:00:00 gap");
  EXPECT_EQ(LayerOf(*single, "xinjiang").unknown_size(), 2);
  EXPECT_TRUE(
      single->at("office").AddWorkingTime(T("2026-05-28 11:00"), 2, TIME_KIND_WORKING_DAYS)->certainty.gap);

  notice_.set_only_its_days(false);
  notice_.set_version("2026-1");
  const auto whole = Run();
  ASSERT_TRUE(whole.ok()) << whole.status();
  const config::v1::CalendarLayer xinjiang = LayerOf(*whole, "xinjiang");
  EXPECT_EQ(xinjiang.version(), "2026-1");
  ASSERT_EQ(xinjiang.unknown_size(), 1);
  EXPECT_EQ(xinjiang.unknown(0).first_date(), "2024-01-01");
  EXPECT_EQ(xinjiang.announced().rbegin()->first_date(), "2026-01-01");
  const auto settled = whole->at("office").AddWorkingTime(T("2026-05-26 11:00"), 1, TIME_KIND_WORKING_DAYS);
  EXPECT_FALSE(settled->certainty.gap || settled->certainty.provisional);

  // Half of a gap.
  notice_.set_first_date("2026-01-01");
  notice_.set_last_date("2026-06-30");
  const auto half = Run();
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_EQ(LayerOf(*half, "xinjiang").unknown(1).first_date(), "2026-07-01");
}

// A holiday prolonged by a later notice, as in 2020: its dates stay announced by the first.
TEST_F(CalendarChangeTest, ALaterNoticeOfAnAnnouncedYearWins) {
  File("longer.json",
       "[{\"date\": \"2026-02-24\", \"off\": true, \"name\": \"春节延长\"},"
       "{\"date\": \"2026-02-28\", \"off\": true, \"name\": \"春节延长\"}]");
  notice_.set_document("国办发明电〔2026〕1号");
  notice_.set_issue_date("2026-02-20");
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(LayerOf(*made, "china").announced_size(), LayerOf(current_, "china").announced_size());
  EXPECT_EQ(Add(made->at("office"), "2026-02-14 11:00", 1, TIME_KIND_WORKING_DAYS),
            "2026-02-25 19:30:00 gap");
  // Of two of the same day nobody knows which is right.
  notice_.set_issue_date("2025-11-04");
  EXPECT_THAT(Error(), HasSubstr("longer.json: 2026-02-28: speaks of the same dates as days["));
}

TEST_F(CalendarChangeTest, ALayerTakesThePlaceOfTheOneWithItsCode) {
  std::string china = Text("china.yaml");
  File("china.yaml", china);
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Run()->at("office").version(), current_.at("office").version()) << "nothing new";
  const size_t hours = china.find("09:00-12:00");
  china.replace(hours, 5, "08:30");
  files_[0].set_content(china);
  EXPECT_THAT(Error(),
              HasSubstr("calendar_files: the layer china says something else than its version 2026-1, which "
                        "is in force: give it another version"));
  china.replace(china.find("version: \"2026-1\""), 17, "version: \"2026-2\"");
  files_[0].set_content(china);
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(made->at("office").version(), HasSubstr("china@2026-2"));
  EXPECT_EQ(made->at("always").version(), current_.at("always").version());
  // With imports beside it, wherever they lie.
  china += "imports:\n  - {file: holidays/2026-extra.json, document: 国办发明电〔2025〕7号}\n";
  files_[0].set_content(china);
  EXPECT_THAT(Error(), HasSubstr("imports[0].file: china.yaml:"));
  File("2026-extra.json", "[{\"date\": \"2026-03-02\", \"off\": true, \"name\": \"试\"}]");
  EXPECT_EQ(Add(Run()->at("office"), "2026-02-28 11:00", 1, TIME_KIND_WORKING_DAYS),
            "2026-03-03 19:30:00 gap");
}

TEST_F(CalendarChangeTest, AListTakesThePlaceOfAll) {
  File("list.yaml",
       "version: two\ncalendars:\n  - {code: office, layers: [china.yaml]}\n"
       "  - {code: night, layers: [../elsewhere/always.yaml]}\n");
  File("china.yaml", Text("china.yaml"));
  EXPECT_THAT(Error(), HasSubstr("calendars[1].layers[0]: list.yaml:4:28: cannot be read: always.yaml"));
  File("always.yaml", Text("always.yaml"));
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->size(), 2u);
  EXPECT_EQ(made->at("office").version(), "office: china@2026-1");
  EXPECT_EQ(made->at("night").version(), "night: always@1");
  // Where there was none, too.
  EXPECT_TRUE(ChangeCalendars(nullptr, files_, notice_).ok());
  // With what it brings a layer may say something else, but not by the same version.
  std::string china = Text("china.yaml");
  china.replace(china.find("09:00-12:00"), 5, "08:30");
  files_[1].set_content(china);
  EXPECT_THAT(Error(),
              HasSubstr("calendar_files: the layer china says something else than its version 2026-1"));
  EXPECT_TRUE(ChangeCalendars(nullptr, files_, notice_).ok());
  china.replace(china.find("version: \"2026-1\""), 17, "version: \"2026-2\"");
  files_[1].set_content(china);
  EXPECT_EQ(Error(), "no error");
  files_.erase(files_.begin());
  EXPECT_THAT(std::string(ChangeCalendars(nullptr, files_, notice_).status().message()),
              HasSubstr("china.yaml: no calendar has a layer china; there are: -"));
}

TEST_F(CalendarChangeTest, EachMistakeIsTold) {
  struct Case {
    const char* name;
    std::string content;
    const char* message;
  };
  const Case cases[] = {
      {"2027.csv", "x", "calendar_files[0].name: must end in .yaml, .yml, .json or .ics: 2027.csv"},
      {"", "x", "calendar_files[0].name"},
      {"2027.json", "", "2027.json:1: must be a list in [ ]"},
      {"2027.json", "[]", "2027.json:1: has no days"},
      {"2027.json", "[{\"date\": \"2027-02-29\", \"off\": true, \"name\": \"x\"}]",
       "date: 2027.json:1: must be a date YYYY-MM-DD from 1970 to 2199"},
      {"2027.json", std::string((1 << 20) + 1, ' '), "2027.json:1: is larger than 1 MiB"},
      {"a.ics", std::string("BEGIN:VCALENDAR\rEND:VCALENDAR\r"), "VERSION: a.ics:2: is required"},
      {"a.ics", "\xff\xfe", "a.ics:1: is not UTF-8 text"},
      {"x.yaml", "level: MOON\n", "x.yaml:1:"},
      {"x.yaml", "", "x.yaml:1:1: the file is empty"},
      {"x.yaml", "calendars: []\n", "version: x.yaml:1:1: is required"},
      {"unit.yaml",
       "level: UNIT\ncode: ours\ndisplay_name: 本单位\nversion: \"1\"\n"
       "documents:\n  - {number: a, title: t, issue_date: 2025-01-01, first_date: 2025-01-01}\n",
       "unit.yaml: no calendar has a layer ours; there are: always, china, kizilsu, xinjiang. To add one, "
       "give "
       "the list of calendars too"},
  };
  notice_.set_document("n");
  notice_.set_issue_date("2026-11-04");
  for (const Case& c : cases) {
    files_.clear();
    File(c.name, c.content);
    const std::string error = Error();
    EXPECT_THAT(error, HasSubstr(c.message)) << c.name << " " << c.content.substr(0, 80);
  }
  files_.clear();
  File("2027.json", k2027);
  const auto with = [&](auto change) {
    const v1::CalendarNotice before = notice_;
    change(notice_);
    const std::string text = Error();
    notice_ = before;
    return text;
  };
  EXPECT_EQ(with([](auto&) {}), "no error");
  EXPECT_EQ(with([](auto& n) { n.clear_document(); }),
            "calendar_notice.document: is required: the number of the document that 2027.json rests on");
  EXPECT_EQ(with([](auto& n) { n.clear_issue_date(); }), "calendar_notice.issue_date: is required");
  EXPECT_THAT(with([](auto& n) { n.set_issue_date("4.11.2026"); }), HasSubstr("must be a date YYYY-MM-DD"));
  EXPECT_THAT(with([](auto& n) { n.set_issue_date("2026-02-30"); }), HasSubstr("must be a date YYYY-MM-DD"));
  EXPECT_THAT(with([](auto& n) { n.set_first_date("2027-01-01"); }), HasSubstr("calendar_notice.last_date"));
  EXPECT_THAT(with([](auto& n) {
                n.set_first_date("2027-01-02");
                n.set_last_date("2027-12-31");
              }),
              HasSubstr("the file speaks of 2027-01-01, which is outside of what is announced"));
  EXPECT_THAT(with([](auto& n) {
                n.set_first_date("2027-12-31");
                n.set_last_date("2027-01-01");
              }),
              HasSubstr("calendar_notice.last_date: is before first_date"));
  EXPECT_EQ(with([](auto& n) { n.set_layer("moon"); }),
            "calendar_notice.layer: must be one of: always, china, kizilsu, xinjiang");
  EXPECT_THAT(with([](auto& n) { n.set_version("2026-1"); }), HasSubstr("calendar_notice.version"));
  EXPECT_THAT(with([](auto& n) { n.set_version(std::string(65, 'x')); }),
              HasSubstr("calendar_notice: 2027.json"));
  EXPECT_THAT(with([](auto& n) { n.set_document(std::string(65, 'x')); }),
              HasSubstr("calendar_notice: 2027.json"));
  EXPECT_THAT(with([](auto& n) { n.set_document("bad\nnumber"); }), HasSubstr("calendar_notice: 2027.json"));

  File("2027.json", k2027);
  EXPECT_EQ(Error(), "calendar_files[1].name: is there twice: 2027.json");
  files_.clear();
  File("china.yaml", Text("china.yaml"));
  EXPECT_THAT(Error(), HasSubstr("calendar_notice: is only for files of single days"));
  files_[0].set_content(std::string(3 << 20, 'x'));
  EXPECT_EQ(Error(), "calendar_files: are larger than 2 MiB together");
  files_.clear();
  for (int i = 0; i < 65; ++i) File(absl::StrCat(i, ".json"), k2027);
  EXPECT_EQ(Error(), "calendar_files: has more than 64 entries");
}

// The request has no field `date`: it has files.
TEST_F(CalendarChangeTest, AFaultOfAFileNamesItsPlaceInTheRequest) {
  const auto fault = [this] { return Run().status(); };
  notice_.set_document("n");
  notice_.set_issue_date("2026-11-04");
  File("2027.json", k2027);
  File("2028.json", "[{\"date\": \"2028-02-30\", \"off\": true, \"name\": \"x\"}]");
  EXPECT_EQ(error::FieldOf(fault()), "calendar_files[1].content");
  EXPECT_THAT(error::ChineseOf(fault()), HasSubstr("2028.json第1行"));
  files_.clear();
  File("china.yaml", Text("china.yaml"));
  File("x.yaml", "levle: UNIT\n");
  EXPECT_EQ(error::FieldOf(fault()), "calendar_files[1].content");
  EXPECT_THAT(error::ChineseOf(fault()), HasSubstr("x.yaml第1行第1列：未知的键“levle”"));
  files_.clear();
  File("list.yaml", "version: \"2\"\ncalendars:\n  - {code: office, layers: [gone.yaml]}\n");
  EXPECT_EQ(error::FieldOf(fault()), "calendar_files[0].content");
  File("gone.yaml", "level: MOON\n");
  EXPECT_EQ(error::FieldOf(fault()), "calendar_files[1].content");
}

TEST(NoticeTest, TheYearIsThatOfMostDays) {
  config::v1::CalendarLayer layer;
  layer.set_version("7+9");
  layer.add_announced()->set_first_date("2025-01-01");
  layer.mutable_announced(0)->set_last_date("2025-12-31");
  layer.mutable_announced(0)->set_document("old");
  const auto day = [](const char* first, const char* last) {
    config::v1::DayRule rule;
    rule.set_document("n");
    rule.set_first_date(first);
    rule.set_last_date(last);
    rule.set_kind(config::v1::DAY_KIND_OFF);
    return rule;
  };
  const auto span = [&](const std::vector<config::v1::DayRule>& days) {
    const auto made = WithNotice(layer, {.document = "n", .issue_date = "2025-11-01"}, days);
    if (!made.ok()) return std::string(made.status().message());
    const auto& last = *made->announced().rbegin();
    return absl::StrCat(made->version(), " ", last.document(), " ", last.first_date(), " ", last.last_date());
  };
  EXPECT_EQ(span({day("2026-12-30", "2026-12-31"), day("2027-01-01", "2027-01-05")}),
            "7+10 n 2026-12-30 2027-12-31");
  EXPECT_EQ(span({day("2026-02-01", "2026-02-07"), day("2027-01-01", "2027-01-02")}),
            "7+10 n 2026-01-01 2027-01-02");
  // Dates that another document announced are not announced again.
  EXPECT_EQ(span({day("2025-12-31", "2026-01-03")}), "7+10 n 2026-01-01 2026-12-31");
  EXPECT_THAT(span({day("2026-12-31", ""), day("2027-01-01", "")}), HasSubstr("calendar_notice.first_date"));
  EXPECT_THAT(span({day("2026-01-01", "2026-02-01"), day("2029-01-01", "")}),
              HasSubstr("calendar_notice.first_date"));
  // A layer that waits for no announcements is not made to.
  layer.clear_announced();
  const auto made = WithNotice(layer, {.document = "n", .issue_date = "2025-11-01"}, {day("2026-01-01", "")});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->announced_size(), 0);
}

TEST(NoticeTest, VersionsCount) {
  EXPECT_EQ(NextVersion("2026-1"), "2026-1+1");
  EXPECT_EQ(NextVersion("2026-1+1"), "2026-1+2");
  EXPECT_EQ(NextVersion("a+b"), "a+b+1");
  EXPECT_EQ(NextVersion("+"), "++1");
}

}  // namespace
}  // namespace hotline::escalation::calendar::test
