// The directory as a value: its entries, found by key and by unit, and what a change makes of them. Pure; the
// service keeps one snapshot and replaces it whole.
//
// Periods are half open and in whole seconds. The rules of an entry, of the whole and of a change are those
// of directory_service.proto.
#ifndef SERVICES_ESCALATION_DIRECTORY_CORE_DIRECTORY_H_
#define SERVICES_ESCALATION_DIRECTORY_CORE_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "hotline/config/v1/site.pb.h"
#include "hotline/escalation/v1/directory_service.pb.h"
#include "hotline/type/v1/error_reason.pb.h"

namespace hotline::escalation::directory {

// Rows of a file, and entries that are not shifts that have ended: a year of nights in a county is as many
// shifts.
inline constexpr size_t kMaxEntries = 20'000;
// With the shifts that have ended, which say who was on duty until somebody removes them.
inline constexpr size_t kMaxEntriesEver = 100'000;

// A period with its open ends made infinite.
struct Period {
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  bool Holds(absl::Time t) const { return from <= t && t < until; }
  bool Overlaps(const Period& other) const { return from < other.until && other.from < until; }
};
Period PeriodOf(const v1::Validity& validity);
v1::Validity ToValidity(const Period& period);

// Sorts units before persons before roles before duties, and each by its key.
std::string KeyOf(const v1::DirectoryEntry& entry);
// The unit that an entry is about.
const std::string& UnitOf(const v1::DirectoryEntry& entry);
const v1::Validity& ValidityOf(const v1::DirectoryEntry& entry);
// A shift that had ended at `now`.
bool HasEnded(const v1::DirectoryEntry& entry, absl::Time now);

// Office hours of units, by the code of a calendar.
class OfficeHours {
 public:
  virtual ~OfficeHours() = default;
  // A unit may name this calendar. Where a site has no calendars, it may name any.
  virtual bool Knows(std::string_view calendar) const = 0;
  // Work is on at `t`; always where the calendar is empty or not known.
  virtual bool IsOpen(std::string_view calendar, absl::Time t) const = 0;
  // The first instant after `t` at which that changes; InfiniteFuture if none is known.
  virtual absl::Time NextChange(std::string_view calendar, absl::Time t) const = 0;
};

// Immutable once made; copies share the entries.
class Directory {
 public:
  using Entry = std::shared_ptr<const v1::DirectoryEntry>;
  using Entries = std::map<std::string, Entry, std::less<>>;

  Directory() = default;
  // The entries keep the rules.
  Directory(Entries entries, int64_t version);

  const Entries& entries() const { return entries_; }
  int64_t version() const { return version_; }

  // By code, name or alias; null if there is none.
  const v1::DirectoryUnit* FindUnit(std::string_view name) const;
  const v1::Person* FindPerson(std::string_view id) const;
  const std::vector<const v1::RoleAssignment*>& RolesAt(std::string_view unit) const;
  const std::vector<const v1::DutyShift*>& DutiesAt(std::string_view unit) const;
  // True if `unit` (a code) is `above`, or below it.
  bool IsWithin(std::string_view unit, std::string_view above) const;
  std::vector<const v1::DirectoryUnit*> Units() const;

 private:
  Entries entries_;
  int64_t version_ = 0;
  std::map<std::string, const v1::DirectoryUnit*, std::less<>> units_by_name_;
  std::map<std::string, const v1::Person*, std::less<>> persons_;
  std::map<std::string, std::vector<const v1::RoleAssignment*>, std::less<>> roles_;
  std::map<std::string, std::vector<const v1::DutyShift*>, std::less<>> duties_;
};

// Why a change is not allowed.
struct Problem {
  int edit = -1;      // which edit; -1: the whole
  std::string field;  // in the entry: `person`; empty: the entry
  type::v1::ErrorReason reason;
  std::string english;
  std::string chinese;
};

struct Change {
  Directory::Entry before;  // null: it is new
  Directory::Entry after;   // null: it was removed
};

struct Outcome {
  std::vector<Problem> problems;  // with any, the rest means nothing
  Directory after;
  std::vector<Change> changes;  // by key
};

struct JudgeOptions {
  absl::Time now;
  bool allow_missing_roles = false;
  const OfficeHours* hours = nullptr;  // required
};

// What `edits` make of `before`. Names of units in entries are replaced by codes.
Outcome Judge(const Directory& before, const std::vector<v1::DirectoryEdit>& edits,
              const JudgeOptions& options);

// `problems`, of which there is at least one, as an error: the first decides the code, the message has a line
// for each of the first 20. `places[n]` names the entry of edit n: `edits[3].put.role`, or `rows[5]`.
absl::Status ToStatus(const std::vector<Problem>& problems, const std::vector<std::string>& places);

// The edits that bring the units of a site's list in: those that are missing, and those that nobody has
// edited since an earlier version of the list. A unit of the list that names no calendar gets `calendar`.
// `hotlines` (code and name) are the site itself and its peers.
std::vector<v1::DirectoryEdit> Seed(const Directory& before, const config::v1::UnitList& units,
                                    std::string_view calendar,
                                    const std::vector<std::pair<std::string, std::string>>& hotlines);

}  // namespace hotline::escalation::directory

#endif  // SERVICES_ESCALATION_DIRECTORY_CORE_DIRECTORY_H_
