// What a change of the directory may be, and who is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/services/escalation/directory/world.h"

namespace hotline::escalation::directory::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace type::v1;  // NOLINT(google-build-using-namespace): its enums

const absl::Time kNoon = At(2026, 12, 1, 12);
const absl::Time kMidnight = At(2026, 12, 2, 0);

ErrorReason ReasonOf(const Outcome& outcome) {
  return outcome.problems.empty() ? ERROR_REASON_UNSPECIFIED : outcome.problems.front().reason;
}

TEST(DirectoryTest, WhoIsToldOfEachRung) {
  County county;
  ASSERT_TRUE(county.Fill());
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, kNoon), "a2/to/handler");
  EXPECT_EQ(county.Who("zhujianju", RUNG_URGE, kNoon), "a2/to/handler a1/copy/leader");
  EXPECT_EQ(county.Who("zhujianju", RUNG_SUPERVISE, kNoon),
            "a1/to/leader a2/copy/handler h3/copy/supervisor");
  EXPECT_EQ(county.Who("zhujianju", RUNG_CIRCULATE, kNoon), "h3/to/supervisor h1/copy/leader");
  EXPECT_EQ(county.Who("zhujianju", RUNG_DISCIPLINE, kNoon), "h3/to/supervisor h1/copy/leader");
  EXPECT_EQ(county.Who("12345", RUNG_KEEP, kNoon), "h2/to/handler h1/copy/leader");
}

TEST(DirectoryTest, OutOfHoursTheRosterComesFirst) {
  County county;
  ASSERT_TRUE(county.Fill());
  EXPECT_EQ(county.Who("zhujianju", RUNG_URGE, kMidnight), "a2/to/handler a1/copy/leader");
  ASSERT_TRUE(county.Do({Put(Somebody("night", "zhujianju")),
                         Put(Duty("zhujianju", "night", At(2026, 12, 1, 20), At(2026, 12, 2, 10)))}));
  EXPECT_EQ(county.Who("zhujianju", RUNG_URGE, kMidnight), "night/to/duty a1/copy/leader");
  EXPECT_EQ(county.Who("zhujianju", RUNG_URGE, kNoon), "a2/to/handler a1/copy/leader");
  // Half open at both ends.
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, At(2026, 12, 1, 20)), "night/to/duty");
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, At(2026, 12, 1, 19, 59, 59)), "a2/to/handler");
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, At(2026, 12, 2, 9, 59, 59)), "night/to/duty");
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, At(2026, 12, 2, 10)), "a2/to/handler");
}

TEST(DirectoryTest, FallsBackAndThenIsEmpty) {
  County county;
  ASSERT_TRUE(county.Fill());
  // The handler without a contact: the deputy.
  ASSERT_TRUE(county.Do({Put(Somebody("a2", "zhujianju", /*reachable=*/false))}));
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, kNoon), "a3/to/deputy");
  // A contact by a webhook that the site has, and one that it has not.
  v1::DirectoryEntry person = Somebody("a2", "zhujianju", false);
  v1::Contact& contact = *person.mutable_person()->add_contacts();
  contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
  contact.set_webhook("wecom");
  contact.set_target("zhang3");
  ASSERT_TRUE(county.Do({Put(person)}));
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, kNoon), "a3/to/deputy");
  contact.set_webhook("sms");
  ASSERT_TRUE(county.Do({Put(person)}));
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, kNoon), "a2/to/handler");
  // Nobody at the station: its leader's seat is filled from above, its handler's is empty, and the copy does
  // not make up for it.
  EXPECT_EQ(county.Who("station", RUNG_SUPERVISE, kNoon), "a1/to/parent h3/copy/supervisor");
  EXPECT_EQ(county.Who("station", RUNG_URGE, kNoon), "");
  const Answer answer = Resolve(county.directory, county.reach, {"station", RUNG_URGE, kNoon});
  EXPECT_THAT(answer.passed_over.front().english, HasSubstr("station has no handler"));
  EXPECT_THAT(answer.passed_over.front().chinese, HasSubstr("具体负责干部"));
}

TEST(DirectoryTest, NobodyIsToldOfAComplaintAboutHimself) {
  County county;
  ASSERT_TRUE(county.Fill());
  EXPECT_EQ(county.Who("zhujianju", RUNG_URGE, kNoon, "zhujianju"), "h3/to/supervisor");
  EXPECT_EQ(county.Who("station", RUNG_URGE, kNoon, "zhujianju"), "h3/to/supervisor")
      << "nor the units below";
  EXPECT_EQ(county.Who("zhujianju", RUNG_URGE, kNoon, "station"), "a2/to/handler a1/copy/leader");
  // Somebody of the accused unit who serves elsewhere is passed over as well.
  ASSERT_TRUE(county.Do({Put(Somebody("a2", "station"))}));
  EXPECT_EQ(county.Who("zhujianju", RUNG_REMIND, kNoon, "station"), "a3/to/deputy");
}

TEST(DirectoryTest, TwoLeadersAtOnceAreRefused) {
  County county;
  ASSERT_TRUE(county.Fill());
  const Outcome outcome =
      county.Try({Put(Role("zhujianju", v1::STAFF_ROLE_LEADER, "a3", During(At(2027, 1, 1))))});
  ASSERT_THAT(outcome.problems, SizeIs(1));
  EXPECT_EQ(ReasonOf(outcome), ERROR_REASON_DIRECTORY_ROLE_OVERLAP);
  EXPECT_THAT(outcome.problems[0].english, HasSubstr("a1 and a3 both from 2027-01-01"));
  EXPECT_THAT(outcome.problems[0].chinese, HasSubstr("分管领导重叠"));
  EXPECT_EQ(outcome.problems[0].edit, 0);
  // One that lies within an earlier, longer one, with a third between them.
  County nested;
  ASSERT_TRUE(nested.Fill());
  ASSERT_TRUE(
      nested.Do({Remove(Role("zhujianju", v1::STAFF_ROLE_LEADER, "a1")),
                 Put(Role("zhujianju", v1::STAFF_ROLE_LEADER, "a1", During(At(2026, 1, 1), At(2028, 1, 1))))},
                true));
  EXPECT_EQ(ReasonOf(nested.Try({Put(
                Role("zhujianju", v1::STAFF_ROLE_LEADER, "a2", During(At(2027, 12, 31), At(2028, 6, 1))))})),
            ERROR_REASON_DIRECTORY_ROLE_OVERLAP);
  EXPECT_EQ(ReasonOf(nested.Try({Put(Role("zhujianju", v1::STAFF_ROLE_LEADER, "a2", During(At(2028, 1, 1))))},
                                true)),
            ERROR_REASON_UNSPECIFIED)
      << "half open: one ends where the other begins";
}

TEST(DirectoryTest, ASuccessorEndsThePredecessor) {
  County county;
  ASSERT_TRUE(county.Fill());
  v1::DirectoryEdit edit = Put(Role("zhujianju", v1::STAFF_ROLE_LEADER, "a3", During(At(2027, 1, 1))));
  edit.set_supersede(true);
  const Outcome outcome = county.Try({edit});
  ASSERT_THAT(outcome.problems, IsEmpty());
  ASSERT_THAT(outcome.changes, SizeIs(2));
  ASSERT_TRUE(county.Do({edit}));
  EXPECT_EQ(county.Who("zhujianju", RUNG_SUPERVISE, At(2026, 12, 31, 12)),
            "a1/to/leader a2/copy/handler h3/copy/supervisor");
  EXPECT_EQ(county.Who("zhujianju", RUNG_SUPERVISE, At(2027, 1, 1, 12)),
            "a3/to/leader a2/copy/handler h3/copy/supervisor");
}

TEST(DirectoryTest, MissingRolesAreRefusedUnlessAllowed) {
  County county;
  ASSERT_TRUE(county.Fill());
  const auto remove = Remove(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2"));
  const Outcome outcome = county.Try({remove});
  EXPECT_EQ(ReasonOf(outcome), ERROR_REASON_DIRECTORY_ROLE_MISSING);
  EXPECT_THAT(outcome.problems[0].english, HasSubstr("no handler"));
  EXPECT_THAT(county.Try({remove}, /*allow_missing_roles=*/true).problems, IsEmpty());
  EXPECT_THAT(county.Try({remove, Put(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a3"))}).problems, IsEmpty());
  // A gap next year counts, one of last year does not.
  EXPECT_EQ(ReasonOf(county.Try({remove, Put(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2",
                                                  During(At(2020, 1, 1), At(2027, 6, 1))))})),
            ERROR_REASON_DIRECTORY_ROLE_MISSING);
  EXPECT_THAT(
      county.Try({remove, Put(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2", During(At(2026, 11, 1))))})
          .problems,
      IsEmpty());
  // Units without anybody are no affair of a change, nor is another unit's want.
  ASSERT_TRUE(county.Do({remove}, true));
  EXPECT_THAT(county.Try({Put(Unit("new")), Put(Somebody("n", "new"))}).problems, IsEmpty());
}

TEST(DirectoryTest, ReferencesAndNamesHold) {
  County county;
  ASSERT_TRUE(county.Fill());
  EXPECT_EQ(ReasonOf(county.Try({Put(Somebody("x", "nosuch"))})), ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN);
  EXPECT_EQ(ReasonOf(county.Try({Put(Role("zhujianju", v1::STAFF_ROLE_DEPUTY, "nobody"))})),
            ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN);
  EXPECT_EQ(ReasonOf(county.Try({Remove(Somebody("a1", ""))})), ERROR_REASON_DIRECTORY_ENTRY_IN_USE);
  EXPECT_EQ(ReasonOf(county.Try({Remove(Unit("zhujianju"))})), ERROR_REASON_DIRECTORY_ENTRY_IN_USE);
  EXPECT_EQ(ReasonOf(county.Try({Remove(Unit("nosuch"))})), ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN);
  EXPECT_EQ(ReasonOf(county.Try({Put(Unit("zhujianju", "station"))})), ERROR_REASON_FIELD_INVALID)
      << "above itself";
  EXPECT_EQ(ReasonOf(county.Try({Put(Unit("x", "", "lunar"))})), ERROR_REASON_FIELD_INVALID);
  v1::DirectoryEntry unit = Unit("x");
  unit.mutable_unit()->add_aliases("zhujianju");
  EXPECT_EQ(ReasonOf(county.Try({Put(unit)})), ERROR_REASON_LIST_INVALID);
  EXPECT_EQ(ReasonOf(county.Try({Put(Unit("x")), Put(Unit("x"))})), ERROR_REASON_LIST_INVALID);
  EXPECT_EQ(ReasonOf(county.Try({Put(Duty("zhujianju", "a1", At(2026, 1, 1), At(2026, 3, 1)))})),
            ERROR_REASON_TIME_INVALID);
  EXPECT_EQ(ReasonOf(county.Try({Put(Duty("zhujianju", "a1", At(2026, 1, 2), At(2026, 1, 1)))})),
            ERROR_REASON_TIME_INVALID);
  EXPECT_EQ(ReasonOf(county.Try({Put(v1::DirectoryEntry())})), ERROR_REASON_FIELD_REQUIRED);
  // By another name it is the same unit, in the same batch too.
  unit.mutable_unit()->set_aliases(0, "别名");
  ASSERT_TRUE(county.Do({Put(Somebody("x", "别名")), Put(unit),
                         Put(Duty("单位zhujianju", "x", At(2026, 1, 1), At(2026, 1, 2)))}));
  EXPECT_EQ(county.directory.FindPerson("x")->unit(), "x");
  EXPECT_THAT(county.directory.DutiesAt("zhujianju"), SizeIs(1));
  EXPECT_EQ(county.directory.FindUnit("别名")->code(), "x");
}

// A year of nights in each unit filled the directory, and then nothing could be changed any more.
TEST(DirectoryTest, ShiftsThatHaveEndedDoNotFillIt) {
  County county;
  ASSERT_TRUE(county.Fill());
  const auto shifts = [](absl::Time first, size_t count) {
    std::vector<v1::DirectoryEdit> edits;
    for (size_t i = 0; i < count; ++i) {
      const absl::Time from = first + static_cast<int64_t>(i) * absl::Hours(1);
      edits.push_back(Put(Duty("zhujianju", "a1", from, from + absl::Hours(1))));
    }
    return edits;
  };
  const absl::Time past = kNow - static_cast<int64_t>(kMaxEntries) * absl::Hours(1);
  ASSERT_TRUE(county.Do(shifts(past, kMaxEntries))) << "all are over";
  ASSERT_TRUE(county.Do({Put(Somebody("b1", "zhujianju"))}));
  ASSERT_TRUE(county.Do(shifts(kNow, 2 * kMaxEntries - county.directory.entries().size())));
  const Outcome full = county.Try({Put(Somebody("c1", "zhujianju"))});
  ASSERT_EQ(ReasonOf(full), ERROR_REASON_LIST_INVALID);
  EXPECT_EQ(full.problems[0].field, "edits");
  EXPECT_THAT(full.problems[0].chinese, HasSubstr("20000条"));
  // Those that are over have a bound too.
  const absl::Time long_ago = kNow - static_cast<int64_t>(2 * kMaxEntriesEver) * absl::Minutes(10);
  std::vector<v1::DirectoryEdit> many;
  for (size_t i = 0; i < kMaxEntriesEver - kMaxEntries; ++i) {
    const absl::Time from = long_ago + static_cast<int64_t>(i) * absl::Minutes(10);
    many.push_back(Put(Duty("zhujianju", "a2", from, from + absl::Minutes(10))));
  }
  EXPECT_THAT(county.Try(many).problems[0].chinese, HasSubstr("100000条"));
}

TEST(DirectoryTest, SeedingBringsInWhatNobodyEdited) {
  County county;
  config::v1::UnitList list;
  list.set_version("v1");
  const auto add = [&](const char* code, const char* name, const char* alias) {
    config::v1::Unit& unit = *list.add_units();
    unit.set_code(code);
    unit.set_display_name(name);
    unit.add_aliases(alias);
  };
  add("shijianju", "市场监督管理局", "市监局");
  add("xiaofang", "消防救援大队", "119");
  ASSERT_TRUE(county.Do(Seed(county.directory, list, "office", {{"12345", "热线"}, {"119", "消防"}})));
  EXPECT_EQ(county.directory.FindUnit("市监局")->code(), "shijianju");
  EXPECT_EQ(county.directory.FindUnit("119")->code(), "xiaofang") << "the peer is that unit";
  EXPECT_NE(county.directory.FindUnit("12345"), nullptr);
  EXPECT_THAT(Seed(county.directory, list, "office", {{"12345", "热线"}, {"119", "消防"}}), IsEmpty())
      << "nothing new";
  // A person edits one; the next version of the list leaves it alone and changes the other.
  v1::DirectoryEntry edited;
  *edited.mutable_unit() = *county.directory.FindUnit("shijianju");
  edited.mutable_unit()->clear_units_version();
  edited.mutable_unit()->set_calendar("office");
  ASSERT_TRUE(county.Do({Put(edited)}));
  list.set_version("v2");
  list.mutable_units(0)->set_display_name("市监局甲");
  list.mutable_units(1)->set_display_name("消防大队");
  ASSERT_TRUE(county.Do(Seed(county.directory, list, "office", {})));
  EXPECT_EQ(county.directory.FindUnit("shijianju")->display_name(), "市场监督管理局");
  EXPECT_EQ(county.directory.FindUnit("xiaofang")->display_name(), "消防大队");
}

TEST(DirectoryTest, PreflightNamesTheHoleInTheRoster) {
  County county;
  ASSERT_TRUE(county.Fill());
  const absl::Time start = At(2026, 12, 1);
  const auto of = [&](const char* unit) {
    return Preflight(county.directory, county.reach, start, start + absl::Hours(48), unit);
  };
  EXPECT_THAT(of("zhujianju"), IsEmpty());
  EXPECT_THAT(of("12345"), IsEmpty());
  // The station has a night roster alone, with an hour missing.
  ASSERT_TRUE(county.Do({Put(Somebody("n", "station")),
                         Put(Duty("station", "n", At(2026, 12, 1), At(2026, 12, 1, 22))),
                         Put(Duty("station", "n", At(2026, 12, 1, 23), At(2026, 12, 3)))}));
  const std::vector<Gap> gaps = of("station");
  ASSERT_THAT(gaps, SizeIs(2)) << "提醒 and 催办; 督办 goes to the leader above";
  EXPECT_EQ(gaps[0].rung, RUNG_REMIND);
  EXPECT_EQ(gaps[1].rung, RUNG_URGE);
  EXPECT_EQ(gaps[0].start, At(2026, 12, 1, 22));
  EXPECT_EQ(gaps[0].end, At(2026, 12, 1, 23));
  EXPECT_THAT(gaps[0].reason.english, HasSubstr("no person on duty"));
}

}  // namespace
}  // namespace hotline::escalation::directory::test
