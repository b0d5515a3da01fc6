// A small county for tests of the directory: short ways to write entries, and office hours without calendars.
#ifndef TESTS_SERVICES_ESCALATION_DIRECTORY_WORLD_H_
#define TESTS_SERVICES_ESCALATION_DIRECTORY_WORLD_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"
#include "common/base/clock.h"
#include "services/escalation/directory/core/resolve.h"

namespace hotline::escalation::directory::test {

// Beijing time.
inline absl::Time At(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second), Beijing());
}

// `office` is at work from 10:00 to 13:30 and from 16:30 to 20:00, every day.
class PlainHours final : public OfficeHours {
 public:
  bool Knows(std::string_view calendar) const override { return calendar == "office"; }
  bool IsOpen(std::string_view calendar, absl::Time t) const override {
    if (calendar != "office") return true;
    const absl::CivilSecond civil = absl::ToCivilSecond(t, Beijing());
    const int minute = civil.hour() * 60 + civil.minute();
    return (minute >= 600 && minute < 810) || (minute >= 990 && minute < 1200);
  }
  absl::Time NextChange(std::string_view calendar, absl::Time t) const override {
    if (calendar != "office") return absl::InfiniteFuture();
    const absl::Time day = absl::FromCivil(absl::ToCivilDay(t, Beijing()), Beijing());
    for (const int minute : {600, 810, 990, 1200, 1440 + 600}) {
      if (day + absl::Minutes(minute) > t) return day + absl::Minutes(minute);
    }
    return absl::InfiniteFuture();
  }
};

inline v1::Validity During(absl::Time from, absl::Time until = absl::InfiniteFuture()) {
  return ToValidity({from, until});
}

inline v1::DirectoryEntry Unit(std::string code, std::string parent = "", std::string calendar = "office") {
  v1::DirectoryEntry entry;
  entry.mutable_unit()->set_code(code);
  entry.mutable_unit()->set_display_name("单位" + code);
  entry.mutable_unit()->set_parent(std::move(parent));
  entry.mutable_unit()->set_calendar(std::move(calendar));
  return entry;
}

// With a desktop, unless told otherwise.
inline v1::DirectoryEntry Somebody(std::string id, std::string unit, bool reachable = true) {
  v1::DirectoryEntry entry;
  entry.mutable_person()->set_id(id);
  entry.mutable_person()->set_display_name("某" + id);
  entry.mutable_person()->set_unit(std::move(unit));
  if (reachable) {
    v1::Contact& contact = *entry.mutable_person()->add_contacts();
    contact.set_channel(v1::CONTACT_CHANNEL_DESKTOP);
    contact.set_target("desk-" + id);
  }
  return entry;
}

inline v1::DirectoryEntry Role(std::string unit, v1::StaffRole role, std::string person,
                               v1::Validity validity = {}) {
  v1::DirectoryEntry entry;
  entry.mutable_role()->set_unit(std::move(unit));
  entry.mutable_role()->set_role(role);
  entry.mutable_role()->set_person(std::move(person));
  if (validity.ByteSizeLong() > 0) *entry.mutable_role()->mutable_validity() = std::move(validity);
  return entry;
}

inline v1::DirectoryEntry Duty(std::string unit, std::string person, absl::Time from, absl::Time until) {
  v1::DirectoryEntry entry;
  entry.mutable_duty()->set_unit(std::move(unit));
  entry.mutable_duty()->set_person(std::move(person));
  *entry.mutable_duty()->mutable_validity() = During(from, until);
  return entry;
}

inline v1::DirectoryEdit Put(v1::DirectoryEntry entry) {
  v1::DirectoryEdit edit;
  *edit.mutable_put() = std::move(entry);
  return edit;
}
inline v1::DirectoryEdit Remove(v1::DirectoryEntry entry) {
  v1::DirectoryEdit edit;
  *edit.mutable_remove() = std::move(entry);
  return edit;
}

inline const absl::Time kNow = At(2026, 11, 30, 9);

struct County {
  PlainHours hours;
  Directory directory;
  Reach reach{.hotline = "12345", .webhooks = {"sms"}, .hours = &hours};

  Outcome Try(const std::vector<v1::DirectoryEdit>& edits, bool allow_missing_roles = false) {
    return Judge(directory, edits,
                 {.now = kNow, .allow_missing_roles = allow_missing_roles, .hours = &hours});
  }
  // True if it was allowed; then it is done.
  bool Do(const std::vector<v1::DirectoryEdit>& edits, bool allow_missing_roles = false) {
    Outcome outcome = Try(edits, allow_missing_roles);
    if (!outcome.problems.empty()) return false;
    directory = std::move(outcome.after);
    return true;
  }
  // The hotline with leader h1, handler h2, supervisor h3; housing with leader a1, handler a2, deputy a3; a
  // station below it without anybody.
  bool Fill() {
    return Do({Put(Unit("12345", "", "")), Put(Unit("zhujianju")), Put(Unit("station", "zhujianju")),
               Put(Somebody("h1", "12345")), Put(Somebody("h2", "12345")), Put(Somebody("h3", "12345")),
               Put(Somebody("a1", "zhujianju")), Put(Somebody("a2", "zhujianju")),
               Put(Somebody("a3", "zhujianju")), Put(Role("12345", v1::STAFF_ROLE_LEADER, "h1")),
               Put(Role("12345", v1::STAFF_ROLE_HANDLER, "h2")),
               Put(Role("12345", v1::STAFF_ROLE_SUPERVISOR, "h3")),
               Put(Role("zhujianju", v1::STAFF_ROLE_LEADER, "a1")),
               Put(Role("zhujianju", v1::STAFF_ROLE_HANDLER, "a2")),
               Put(Role("zhujianju", v1::STAFF_ROLE_DEPUTY, "a3"))});
  }
  // `a1/to/leader a2/copy/handler`.
  std::string Who(std::string unit, type::v1::Rung rung, absl::Time at, std::string accused = "") const {
    Query query{std::move(unit), rung, at};
    if (!accused.empty()) query.accused_units = {std::move(accused)};
    const Answer answer = Resolve(directory, reach, query);
    std::string who;
    for (const v1::Recipient& one : answer.recipients) {
      static constexpr const char* kVia[] = {"?",    "leader",     "handler", "deputy",
                                             "duty", "supervisor", "parent"};
      if (!who.empty()) who += ' ';
      who += one.person().id();
      who += one.capacity() == v1::RECIPIENT_CAPACITY_TO ? "/to/" : "/copy/";
      who += kVia[one.via()];
    }
    return who;
  }
};

}  // namespace hotline::escalation::directory::test

#endif  // TESTS_SERVICES_ESCALATION_DIRECTORY_WORLD_H_
