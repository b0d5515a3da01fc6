#include "services/hotlinectl/core/liaisons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotline::hotlinectl {
namespace {

using testing::ElementsAre;

// Noon of 2026-11-27 in Beijing.
const absl::Time kNow = absl::FromCivil(absl::CivilHour(2026, 11, 27, 4), absl::UTCTimeZone());

TEST(LiaisonsTest, OnlyAPersonWithAPartTodayIsOne) {
  const auto found = ReadLiaisons(
      "\xef\xbb\xbfkind,unit,person,role,from,until\r\n"
      "unit,described,,,,\r\n"
      "person,listed,p1,,,\r\n"
      "role,now,p2,handler,2026-01-01,\r\n"
      "role,open,p3,handler,,\r\n"
      "role,nobody,,handler,2026-01-01,\r\n"
      "role,gone,p4,leader,2026-01-01,2026-11-26\r\n"
      "role,last-day,p5,leader,2026-01-01,2026-11-27\r\n"
      "role,not-yet,p6,leader,2026-11-28,\r\n"
      "role,this-year,p7,leader,2026/1/5,2026/12/9\r\n"
      "role,this-hour,p7,leader,2026-11-27 11:00,2026/11/27 12:30\r\n"
      "role,last-hour,p8,leader,,2026-11-27 12:00\r\n"
      "role,no-time,p9,leader,,soon\r\n"
      "\"role\",\"quoted, one\",\"p\"\"10\",handler,,\n",
      kNow);
  ASSERT_TRUE(found.has_value());
  EXPECT_THAT(*found, ElementsAre("last-day", "now", "open", "quoted, one", "this-hour", "this-year"));
}

TEST(LiaisonsTest, ColumnsMayBeInChineseAndMissing) {
  EXPECT_THAT(*ReadLiaisons("单位,人员编号,角色,止\na,p,handler,2026-11-01\nb,p,handler,\n", kNow),
              ElementsAre("b"));
  EXPECT_THAT(*ReadLiaisons("unit\na\n\n", kNow), ElementsAre("a"));
  EXPECT_FALSE(ReadLiaisons("person,role\np,handler\n", kNow).has_value());
  EXPECT_FALSE(ReadLiaisons("", kNow).has_value());
}

}  // namespace
}  // namespace hotline::hotlinectl
