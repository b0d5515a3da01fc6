// Laws that hold for any directory: random people, roles and rosters, against an oracle that asks each
// minute.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "services/escalation/directory/core/csv.h"
#include "tests/services/escalation/directory/world.h"

namespace hotline::escalation::directory::test {
namespace {

constexpr const char* kUnits[] = {"12345", "east", "west"};
constexpr int kPeople = 5;
constexpr int kMinutes = 24 * 60;
const absl::Time kStart = At(2026, 12, 1);

absl::Time RandomMinute() { return kStart + absl::Minutes(*rc::gen::inRange(-300, kMinutes + 300)); }

v1::Validity RandomValidity() {
  Period period;
  if (*rc::gen::inRange(0, 3) > 0) period.from = RandomMinute();
  if (*rc::gen::inRange(0, 3) > 0) period.until = RandomMinute();
  return ToValidity(period);
}

std::string RandomPerson() { return std::string("p") + std::to_string(*rc::gen::inRange(0, kPeople)); }
std::string RandomUnit() { return kUnits[*rc::gen::inRange(0, 3)]; }

v1::DirectoryEntry RandomEntry() {
  switch (*rc::gen::inRange(0, 5)) {
    case 0: {
      v1::DirectoryEntry person = Somebody(RandomPerson(), RandomUnit(), *rc::gen::inRange(0, 4) > 0);
      if (*rc::gen::inRange(0, 2) > 0) *person.mutable_person()->mutable_validity() = RandomValidity();
      return person;
    }
    case 1: {
      v1::DirectoryEntry unit = Unit(RandomUnit(), *rc::gen::inRange(0, 2) > 0 ? RandomUnit() : "",
                                     *rc::gen::inRange(0, 2) > 0 ? "office" : "");
      if (*rc::gen::inRange(0, 3) == 0) *unit.mutable_unit()->mutable_validity() = RandomValidity();
      return unit;
    }
    case 2: {
      const absl::Time from = RandomMinute();
      return Duty(RandomUnit(), RandomPerson(), from, from + absl::Minutes(*rc::gen::inRange(1, 1200)));
    }
    default:
      return Role(RandomUnit(), static_cast<v1::StaffRole>(*rc::gen::inRange(1, 5)), RandomPerson(),
                  RandomValidity());
  }
}

// What is allowed of a run of random changes, on top of a few people.
void Fill(County* county) {
  std::vector<v1::DirectoryEdit> first;
  for (const char* unit : kUnits) first.push_back(Put(Unit(unit)));
  for (int i = 0; i < kPeople; ++i) first.push_back(Put(Somebody("p" + std::to_string(i), kUnits[i % 3])));
  RC_ASSERT(county->Do(first));
  const int changes = *rc::gen::inRange(0, 40);
  for (int i = 0; i < changes; ++i) county->Do({Put(RandomEntry())}, /*allow_missing_roles=*/true);
}

RC_GTEST_PROP(DirectoryLaw, ResolutionIsTotal, ()) {
  County county;
  Fill(&county);
  for (const std::string unit : {"12345", "east", "west", "nosuch"}) {
    for (const type::v1::Rung rung : Rungs()) {
      const std::string accused = *rc::gen::inRange(0, 3) == 0 ? RandomUnit() : "";
      const absl::Time at = RandomMinute();
      Query query{unit, rung, at};
      if (!accused.empty()) query.accused_units = {accused};
      const Answer answer = Resolve(county.directory, county.reach, query);
      if (answer.recipients.empty()) {
        RC_ASSERT(!answer.passed_over.empty());
        continue;
      }
      RC_ASSERT(answer.recipients.front().capacity() == v1::RECIPIENT_CAPACITY_TO);
      std::set<std::string> ids;
      for (const v1::Recipient& one : answer.recipients) {
        RC_ASSERT(ids.insert(one.person().id()).second);
        RC_ASSERT(one.person().contacts_size() > 0);
        RC_ASSERT(PeriodOf(one.person().validity()).Holds(at));
        if (!accused.empty()) RC_ASSERT(!county.directory.IsWithin(one.person().unit(), accused));
      }
    }
  }
}

RC_GTEST_PROP(DirectoryLaw, PreflightAgreesWithAskingEachMinute, ()) {
  County county;
  Fill(&county);
  const absl::Time end = kStart + absl::Minutes(kMinutes);
  const std::vector<Gap> gaps = Preflight(county.directory, county.reach, kStart, end);
  for (const Gap& gap : gaps) RC_ASSERT(kStart <= gap.start && gap.start < gap.end && gap.end <= end);
  for (const char* unit : kUnits) {
    const Period exists = PeriodOf(county.directory.FindUnit(unit)->validity());
    for (const type::v1::Rung rung : Rungs()) {
      const bool of_offers = rung == type::v1::RUNG_DOUBT || rung == type::v1::RUNG_KEEP;
      if (of_offers && std::string_view(unit) != "12345") continue;
      for (int minute = 0; minute < kMinutes; ++minute) {
        const absl::Time at = kStart + absl::Minutes(minute);
        const bool empty =
            exists.Holds(at) && Resolve(county.directory, county.reach, {unit, rung, at}).recipients.empty();
        const bool found = std::any_of(gaps.begin(), gaps.end(), [&](const Gap& gap) {
          return gap.unit == unit && gap.rung == rung && gap.start <= at && at < gap.end;
        });
        RC_ASSERT(empty == found);
      }
    }
  }
}

RC_GTEST_PROP(DirectoryLaw, NoTwoLeadersOrHandlersAtOnce, ()) {
  County county;
  Fill(&county);
  for (const char* unit : kUnits) {
    for (int minute = -60; minute < kMinutes + 60; ++minute) {
      int leaders = 0;
      int handlers = 0;
      for (const v1::RoleAssignment* role : county.directory.RolesAt(unit)) {
        if (!PeriodOf(role->validity()).Holds(kStart + absl::Minutes(minute))) continue;
        leaders += role->role() == v1::STAFF_ROLE_LEADER;
        handlers += role->role() == v1::STAFF_ROLE_HANDLER;
      }
      RC_ASSERT(leaders <= 1 && handlers <= 1);
    }
  }
}

RC_GTEST_PROP(DirectoryLaw, AFileBringsBackTheSameDirectory, ()) {
  County county;
  Fill(&county);
  const CsvFile file =
      ReadCsv(WriteCsv(county.directory, *rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>()));
  RC_ASSERT(file.problems.empty());
  County copy;
  std::vector<v1::DirectoryEdit> edits;
  for (const CsvRow& row : file.rows) edits.push_back(Put(row.entry));
  RC_ASSERT(copy.Do(edits, /*allow_missing_roles=*/true));
  RC_ASSERT(copy.directory.entries().size() == county.directory.entries().size());
  for (const auto& [key, entry] : county.directory.entries()) {
    RC_ASSERT(copy.directory.entries().at(key)->SerializeAsString() == entry->SerializeAsString());
  }
}

}  // namespace
}  // namespace hotline::escalation::directory::test
