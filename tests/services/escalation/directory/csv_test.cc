// The directory as a file: the way out and in again, and what is said of bad rows.
#include "services/escalation/directory/core/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/services/escalation/directory/world.h"

namespace hotline::escalation::directory::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<v1::DirectoryEdit> EditsOf(const CsvFile& file) {
  std::vector<v1::DirectoryEdit> edits;
  for (const CsvRow& row : file.rows) edits.push_back(Put(row.entry));
  return edits;
}

std::vector<std::string> Bodies(const Directory& directory) {
  std::vector<std::string> bodies;
  for (const auto& [key, entry] : directory.entries()) bodies.push_back(entry->ShortDebugString());
  return bodies;
}

TEST(CsvTest, RoundTripKeepsEverything) {
  County county;
  ASSERT_TRUE(county.Fill());
  v1::DirectoryEntry unit = Unit("tuoyun", "zhujianju");
  unit.mutable_unit()->set_display_name("托云乡\"边境\", 派出所");
  unit.mutable_unit()->add_aliases("تويۇن يېزىسى");
  unit.mutable_unit()->add_aliases("托云,派出所");
  *unit.mutable_unit()->mutable_validity() = During(At(2026, 1, 1), At(2027, 1, 1));
  v1::DirectoryEntry person = Somebody("ug.1", "tuoyun");
  person.mutable_person()->set_display_name("ئالىم «مىسال»");
  person.mutable_person()->set_title("所长, \"代\"");
  v1::Contact& contact = *person.mutable_person()->add_contacts();
  contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
  contact.set_webhook("sms");
  contact.set_target("+86=000 1");
  ASSERT_TRUE(county.Do(
      {Put(unit), Put(person), Put(Duty("tuoyun", "ug.1", At(2026, 12, 1, 20, 0, 1), At(2026, 12, 3)))}));
  for (const bool chinese : {false, true}) {
    for (const bool mark : {false, true}) {
      const std::string text = WriteCsv(county.directory, chinese, mark);
      EXPECT_EQ(text.starts_with("\xef\xbb\xbf"), mark);
      const CsvFile file = ReadCsv(text);
      ASSERT_THAT(file.problems, IsEmpty()) << file.problems.front().english;
      County copy;
      ASSERT_TRUE(copy.Do(EditsOf(file)));
      EXPECT_EQ(Bodies(copy.directory), Bodies(county.directory));
      EXPECT_EQ(WriteCsv(copy.directory, chinese, mark), text);
    }
  }
}

TEST(CsvTest, ABareDateInUntilIsItsLastDay) {
  const CsvFile file = ReadCsv(
      "kind,unit,person,role,from,until\r\n"
      "role,zhujianju,a1,leader,2026/12/1,2026-12-31\r\n"
      "值班,zhujianju,a1,,2026-12-01 20:00,2026-12-02T08:00:30\r\n");
  ASSERT_THAT(file.problems, IsEmpty());
  ASSERT_THAT(file.rows, SizeIs(2));
  EXPECT_EQ(file.rows[1].line, 3);
  const Period role = PeriodOf(file.rows[0].entry.role().validity());
  EXPECT_EQ(role.from, At(2026, 12, 1));
  EXPECT_EQ(role.until, At(2027, 1, 1));
  const Period duty = PeriodOf(file.rows[1].entry.duty().validity());
  EXPECT_EQ(duty.from, At(2026, 12, 1, 20));
  EXPECT_EQ(duty.until, At(2026, 12, 2, 8, 0, 30));
}

TEST(CsvTest, BadRowsAreNamedByLineAndColumn) {
  struct Case {
    const char* text;
    int line;
    const char* column;
    const char* part;
  };
  const Case cases[] = {
      {"", 1, "", "empty"},
      {"unit,person\n", 1, "kind", "missing"},
      {"kind,nosuch\n", 1, "", "no column \"nosuch\""},
      {"kind,unit,单位\n", 1, "unit", "twice"},
      {"kind,unit\nunit\n", 2, "", "1 cells"},
      {"kind,unit\n\n  \n,\n", 4, "kind", "must be unit"},
      {"kind,unit\nboss,x\n", 2, "kind", "must be unit"},
      {"kind,unit,role\nunit,x,leader\n", 2, "role", "does not belong"},
      {"kind,unit,person,role\nrole,x,p,boss\n", 2, "role", "must be leader"},
      {"kind,unit,from\nunit,x,2026-02-29\n", 2, "from", "not a time"},
      {"kind,unit,until\nunit,x,tomorrow\n", 2, "until", "not a time"},
      {"kind,unit,from\nunit,x,2026-02-28 7\n", 2, "from", "not a time"},
      {"kind,unit,person,webhooks\nperson,x,p,13900000000\n", 2, "webhooks", "name=recipient"},
      {"kind,unit\nunit,\"x\n", 2, "", "not closed"},
      {"kind,unit\nunit,x\"y\n", 2, "", "quote stands within"},
      {"kind,unit\nunit,\"x\"y\n", 2, "", "text after a closing quote"},
      {"kind,unit\nunit,\"x\ny\"\nboss,x\n", 4, "kind", "must be unit"},
      {"kind,unit\nunit,x\nunit,\xff\n", 3, "", "UTF-8"},
  };
  for (const Case& one : cases) {
    const CsvFile file = ReadCsv(one.text);
    ASSERT_FALSE(file.problems.empty()) << one.text;
    EXPECT_EQ(file.problems.front().edit, one.line) << one.text;
    EXPECT_EQ(file.problems.front().field, one.column) << one.text;
    EXPECT_THAT(file.problems.front().english, HasSubstr(one.part)) << one.text;
    EXPECT_FALSE(file.problems.front().chinese.empty()) << one.text;
  }
}

}  // namespace
}  // namespace hotline::escalation::directory::test
