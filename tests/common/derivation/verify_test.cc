// The derivation of a deadline: what it says, and that the verifier refuses each that does not follow.
#include "common/derivation/verify.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/base/sha256.h"
#include "common/error/error.h"
#include "tests/services/escalation/calendar/world.h"

namespace hotline::escalation::calendar::test {
namespace {

// `2024-02-10 00:00 – 2024-02-11 00:00 no DATE_OFF china 国办发明电〔2023〕7号 春节 / hours …`
std::string Line(const v1::DerivationSegment& segment) {
  const auto time = [](const google::protobuf::Timestamp& t) {
    return absl::FormatTime("%m-%d %H:%M", absl::FromUnixSeconds(t.seconds()), Beijing());
  };
  std::string line =
      absl::StrCat(time(segment.begin_time()), " ", time(segment.end_time()), " ",
                   segment.counted() ? "yes " : "no ", v1::SegmentReason_Name(segment.reason()).substr(15));
  for (const v1::RuleCitation* rule : {&segment.day_rule(), &segment.hours_rule()}) {
    if (!rule->layer().empty()) absl::StrAppend(&line, " ", rule->layer(), ":", rule->document());
    if (!rule->name().empty()) absl::StrAppend(&line, ":", rule->name());
  }
  return line;
}

std::string Lines(const v1::DeadlineDerivation& derivation) {
  std::string out;
  for (const v1::DerivationSegment& segment : derivation.segments())
    absl::StrAppend(&out, Line(segment), "\n");
  return out;
}

void Redigest(v1::DeadlineDerivation* derivation) {
  derivation->clear_digest();
  derivation->set_digest(Sha256({derivation->SerializeAsString()}));
}

TEST(DerivationTest, EachDayIsAccountedForWithItsDocument) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  const auto derivation = office.Derive(T("2025-06-05 11:00"), 1, TIME_KIND_WORKING_DAYS);
  ASSERT_TRUE(derivation.ok()) << derivation.status();
  EXPECT_EQ(Lines(*derivation),
            "06-05 11:00 06-06 00:00 no START_DAY\n"
            "06-06 00:00 06-07 00:00 no DATE_OFF xinjiang:新疆2025年节假日放假通知（文号未录）:古尔邦节\n"
            "06-07 00:00 06-08 00:00 no DATE_OFF xinjiang:新疆2025年节假日放假通知（文号未录）:古尔邦节\n"
            "06-08 00:00 06-09 00:00 no DATE_OFF xinjiang:新疆2025年节假日放假通知（文号未录）:古尔邦节\n"
            "06-09 00:00 06-10 00:00 no DATE_OFF xinjiang:新疆2025年节假日放假通知（文号未录）:古尔邦节\n"
            "06-10 00:00 06-11 00:00 no DATE_OFF xinjiang:新疆2025年节假日放假通知（文号未录）:古尔邦节\n"
            "06-11 00:00 06-11 20:00 yes WORKING_DAY china:国务院令第174号 kizilsu:克政办明电〔2022〕35号\n");
  EXPECT_EQ(derivation->calendar(), "test: china@2026-1, xinjiang@2025-1, kizilsu@2023-1");
  // Only what speaks of these days is carried.
  EXPECT_EQ(derivation->layers(0).days_size(), 0);
  ASSERT_EQ(derivation->layers(1).days_size(), 1);
  EXPECT_EQ(derivation->layers(1).days(0).name(), "古尔邦节");
  EXPECT_TRUE(derivation::VerifyDerivation(*derivation).ok()) << derivation::VerifyDerivation(*derivation);
}

TEST(DerivationTest, EachSecondIsAccountedFor) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  const auto derivation = office.Derive(T("2024-02-09 19:00"), 5 * 3600, TIME_KIND_WORKING_HOURS);
  ASSERT_TRUE(derivation.ok()) << derivation.status();
  std::string expected =
      "02-09 19:00 02-09 19:30 yes WORKING_DAY china:国务院令第174号 kizilsu:克政办明电〔2022〕35号\n"
      "02-09 19:30 02-10 00:00 no OFF_HOURS china:国务院令第174号 kizilsu:克政办明电〔2022〕35号\n";
  for (int day = 10; day < 18; ++day) {
    absl::StrAppend(&expected, "02-", day, " 00:00 02-", day + 1,
                    " 00:00 no DATE_OFF china:国办发明电〔2023〕7号:春节\n");
  }
  const std::string make_up = " china:国办发明电〔2023〕7号:春节 kizilsu:克政办明电〔2022〕35号\n";
  absl::StrAppend(&expected, "02-18 00:00 02-18 10:00 no OFF_HOURS", make_up,
                  "02-18 10:00 02-18 14:00 yes WORKING_DATE", make_up, "02-18 14:00 02-18 16:00 no OFF_HOURS",
                  make_up, "02-18 16:00 02-18 16:30 yes WORKING_DATE", make_up);
  EXPECT_EQ(Lines(*derivation), expected);
  // The region's holidays of 2024 are not known.
  ASSERT_EQ(derivation->gaps_size(), 1);
  EXPECT_EQ(derivation->gaps(0).layer(), "xinjiang");
  EXPECT_EQ(derivation->gaps(0).first_date(), "2024-02-09");
  EXPECT_EQ(derivation->gaps(0).last_date(), "2024-02-18");
  EXPECT_FALSE(derivation->provisional());
  EXPECT_TRUE(derivation::VerifyDerivation(*derivation).ok()) << derivation::VerifyDerivation(*derivation);
}

// Every start of three years, in steps that meet all hours of a day, over all announced years and beyond.
TEST(DerivationTest, TheVerifierAgreesOnTheShippedCalendars) {
  for (const std::vector<std::string>& layers :
       std::vector<std::vector<std::string>>{{"china"},
                                             {"china", "xinjiang", "kizilsu"},
                                             {"always"},
                                             {"china", "xinjiang", "kizilsu", "always"}}) {
    const Calendar calendar = Of(layers);
    for (absl::Time start = T("2022-06-01"); start < T("2027-06-01");
         start += absl::Hours(24 * 13) + absl::Minutes(97)) {
      for (const auto& [kind, amount] :
           std::vector<std::pair<TimeKind, int64_t>>{{TIME_KIND_WORKING_DAYS, 10},
                                                     {TIME_KIND_WORKING_HOURS, 100'000},
                                                     {TIME_KIND_NATURAL_DAYS, 15},
                                                     {TIME_KIND_CLOCK_TIME, 7200},
                                                     {TIME_KIND_WORKING_DAYS, 0}}) {
        const auto derivation = calendar.Derive(start, amount, kind);
        ASSERT_TRUE(derivation.ok()) << derivation.status();
        ASSERT_TRUE(derivation::VerifyDerivation(*derivation).ok())
            << derivation::VerifyDerivation(*derivation) << "\n"
            << derivation->DebugString();
      }
    }
  }
}

TEST(DerivationTest, WhatDoesNotFollowIsNamed) {
  const Calendar office = Of({"china", "xinjiang", "kizilsu"});
  const v1::DeadlineDerivation good = *office.Derive(T("2025-06-05 11:00"), 2, TIME_KIND_WORKING_DAYS);
  struct Case {
    const char* field;
    std::function<void(v1::DeadlineDerivation*)> alter;
  };
  const Case cases[] = {
      {"segments[0]", [](auto* d) { d->mutable_start_time()->set_seconds(d->start_time().seconds() + 1); }},
      {"start_time", [](auto* d) { d->mutable_start_time()->set_nanos(1); }},
      {"start_time", [](auto* d) { d->mutable_start_time()->set_seconds(-1); }},
      {"result_time", [](auto* d) { d->mutable_result_time()->set_seconds(d->result_time().seconds() - 1); }},
      {"segments[7]", [](auto* d) { d->mutable_amount()->set_value(3); }},
      {"amount.value", [](auto* d) { d->mutable_amount()->set_value(-1); }},
      {"amount.value", [](auto* d) { d->mutable_amount()->set_value(int64_t{1} << 60); }},
      {"amount.kind", [](auto* d) { d->mutable_amount()->set_kind(type::v1::TIME_KIND_UNSPECIFIED); }},
      // The holiday is taken out, shortened, moved to another layer's rank, made to work.
      {"segments[1]", [](auto* d) { d->mutable_layers(1)->clear_days(); }},
      {"segments[5]", [](auto* d) { d->mutable_layers(1)->mutable_days(0)->set_last_date("2025-06-09"); }},
      {"segments[1]",
       [](auto* d) { d->mutable_layers(1)->mutable_days(0)->set_kind(config::v1::DAY_KIND_WORKING); }},
      {"segments[1]", [](auto* d) { d->mutable_layers()->DeleteSubrange(1, 1); }},
      {"segments[6]", [](auto* d) { d->mutable_layers(2)->clear_hours(); }},
      {"segments[7]",
       [](auto* d) { d->mutable_layers(2)->mutable_hours(0)->set_segments(1, "16:30-19:00"); }},
      {"amount", [](auto* d) { d->clear_layers(); }},
      {"provisional", [](auto* d) { d->set_provisional(true); }},
      {"provisional", [](auto* d) { d->mutable_layers(0)->mutable_announced()->DeleteSubrange(2, 2); }},
      {"gaps", [](auto* d) { d->add_gaps()->set_layer("xinjiang"); }},
      {"gaps", [](auto* d) { d->mutable_layers(1)->mutable_announced()->DeleteSubrange(2, 1); }},
      {"calendar", [](auto* d) { d->set_calendar("test: china@2026-2"); }},
  };
  for (const Case& c : cases) {
    v1::DeadlineDerivation altered = good;
    c.alter(&altered);
    Redigest(&altered);
    const absl::Status status = derivation::VerifyDerivation(altered);
    EXPECT_EQ(error::FieldOf(status), c.field) << status;
    EXPECT_NE(error::ChineseOf(status), "");
  }
  // Texts: by the digest.
  v1::DeadlineDerivation renamed = good;
  renamed.mutable_layers(1)->mutable_documents(0)->set_title("别的标题");
  EXPECT_EQ(error::FieldOf(derivation::VerifyDerivation(renamed)), "digest");
  EXPECT_EQ(error::FieldOf(derivation::VerifyDerivation(v1::DeadlineDerivation())), "amount.kind");
}

}  // namespace
}  // namespace hotline::escalation::calendar::test
