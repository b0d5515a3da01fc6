#include "common/base/id.h"

#include <gtest/gtest.h>

#include <set>

namespace hotline {
namespace {

TEST(OrderIdTest, TextAndNumberSortAlike) {
  const int64_t ids[] = {
      0, 1, 31, 32, int64_t{1} << 40, FirstOrderIdAt(absl::FromUnixSeconds(1'795'000'000)), INT64_MAX};
  std::string last;
  for (int64_t id : ids) {
    const std::string text = FormatOrderId(id);
    EXPECT_EQ(text.size(), 13u);
    EXPECT_GT(text, last);
    EXPECT_EQ(ParseOrderId(text), id);
    last = text;
  }
}

TEST(OrderIdTest, RefusesWhatIsNoId) {
  for (const char* text :
       {"", "1M84FCQDX000", "1M84FCQDX00000", "1M84FCQDX000U", "1M84FCQDX000-", "ZZZZZZZZZZZZZ"}) {
    EXPECT_EQ(ParseOrderId(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseOrderId("1m84fcqdx0000"), ParseOrderId("1M84FCQDX0000"));
}

TEST(OrderIdTest, GrowsEvenWhenTheClockGoesBack) {
  const absl::Time now = absl::FromUnixSeconds(1'795'000'000);
  const int64_t first = NextOrderId(0, now);
  EXPECT_EQ(first, FirstOrderIdAt(now));
  EXPECT_EQ(NextOrderId(first, now), first + 1);
  EXPECT_EQ(NextOrderId(first, now - absl::Hours(1)), first + 1);
  EXPECT_GT(NextOrderId(first, now + absl::Milliseconds(1)), first + 1);
  EXPECT_EQ(NextOrderId(0, now, 77), first + 77);
  EXPECT_EQ(NextOrderId(first + 99, now, 77), first + 100);
  EXPECT_LT(NextOrderId(0, now, (1 << 19) - 1), FirstOrderIdAt(now + absl::Milliseconds(1)));
}

TEST(OrderNumberTest, HasTheDayAndSixDigits) {
  EXPECT_EQ(FormatOrderNumber("12345", absl::CivilDay(2026, 11, 23), 123), "12345-20261123-000123");
  EXPECT_EQ(FormatOrderNumber("110", absl::CivilDay(2026, 1, 2), 1'234'567), "110-20260102-1234567");
}

TEST(OrderNumberTest, ADayThatDoesNotExistNamesNothing) {
  EXPECT_EQ(ParseOrderNumber("110", "110-20261130-000045"),
            std::pair(absl::CivilDay(2026, 11, 30), int64_t{45}));
  for (const char* slip : {"110-20261131-000045", "110-20260229-000045", "110-20261301-000045",
                           "110-20261200-000045", "110-20260001-000045", "110-99999999-000045"}) {
    EXPECT_EQ(ParseOrderNumber("110", slip), std::nullopt) << slip;
  }
  EXPECT_TRUE(ParseOrderNumber("110", "110-20240229-000045").has_value());
}

TEST(RequestIdTest, IsATimeOrderedUuid) {
  const absl::Time now = absl::FromUnixMillis(1'795'000'000'123);
  const std::string a = NewRequestId(now);
  const std::string b = NewRequestId(now + absl::Milliseconds(1));
  EXPECT_EQ(a.size(), 36u);
  EXPECT_EQ(a[14], '7');
  EXPECT_LT(a, b);
}

TEST(TraceparentTest, IsRecognised) {
  const std::string fresh = NewTraceparent();
  EXPECT_TRUE(IsTraceparent(fresh)) << fresh;
  EXPECT_EQ(TraceId(fresh).size(), 32u);
  EXPECT_TRUE(IsTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  for (const char* bad : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                          "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                          "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(IsTraceparent(bad)) << bad;
    EXPECT_EQ(TraceId(bad), "");
  }
}

// Small draws come out of one stock, which is filled again; none comes twice, whatever its size.
TEST(RandomBytesTest, NoDrawComesTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    for (const size_t size : {16u, 13u, 256u, 257u, 2000u}) {
      const std::string bytes = RandomBytes(size);
      ASSERT_EQ(bytes.size(), size);
      EXPECT_TRUE(seen.insert(bytes.substr(0, 13)).second) << size;
    }
  }
  EXPECT_EQ(RandomBytes(0), "");
}

}  // namespace
}  // namespace hotline
