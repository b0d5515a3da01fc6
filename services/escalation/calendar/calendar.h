// Working time: adding to an instant, measuring between two, and saying how a result came about. Pure: no
// clock, no store; layers come in as data (edge_calendar.h reads them from files).
//
// A date is resolved through the layers in order, nation → region → prefecture → county → unit:
//   * what is said of the single date (holiday, make-up working day, exception) wins over what is said of its
//     day of the week, and of two layers that speak of the single date the later one wins;
//   * a later layer's week replaces an earlier one's week; its single days only with OVERRIDE;
//   * the hours of a working day are those of the last layer that has hours for it; hours given for the
//     single date win over them.
//
// All intervals are half open and have a grain of one second; an instant within a second counts as the end of
// it, so that nobody gets less than the limit. The time zone is Beijing's (UTC+8, no daylight saving).
//
// What a result rests on is said with it: *provisional* if it depends on dates that no notice of some layer
// has decided yet, *gap* if on dates whose notices are not known here. It is then computed from the other
// rules alone.
#ifndef SERVICES_ESCALATION_CALENDAR_CALENDAR_H_
#define SERVICES_ESCALATION_CALENDAR_CALENDAR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/config/v1/calendar.pb.h"
#include "hotline/escalation/v1/derivation.pb.h"
#include "hotline/type/v1/working_time.pb.h"

namespace hotline::escalation::calendar {

// Ten years; a longer one is a slip of units.
inline constexpr int64_t kMaxAmountDays = 3660;
inline constexpr int64_t kMaxAmountSeconds = kMaxAmountDays * 86'400;
// A derivation holds at most so many days between start and result.
inline constexpr int kMaxDerivedDays = 1100;

// How far a result can be relied on; neither: for good.
struct Certainty {
  bool provisional = false;
  bool gap = false;
  friend bool operator==(const Certainty&, const Certainty&) = default;
};

struct Deadline {
  absl::Time time;
  Certainty certainty;
};

struct Measured {
  // In whole days or in seconds, by kind.
  int64_t amount = 0;
  Certainty certainty;
};

// Dates for which a layer's single days are not decided or not known.
struct UncertainSpan {
  std::string layer;  // its code
  absl::CivilDay first;
  absl::CivilDay last;
  bool gap = false;  // not known here; else: not announced yet
  friend bool operator==(const UncertainSpan&, const UncertainSpan&) = default;
};

// Copyable (copies share), immutable, thread-safe.
class Calendar {
 public:
  // The years that the table of days covers, from 1970 to 2199 and at most 100. A year takes about 9 KiB.
  struct Options {
    int first_year = 2015;
    int last_year = 2050;
  };

  // `layers`: from 1 to 16, in the order of their levels (several of one level: in the order given), with
  // different codes; `imports` already read into `days`. `code` names the calendar in derivations.
  //
  // INVALID_ARGUMENT (FIELD_INVALID, FIELD_REQUIRED, LIST_INVALID) with the path of the first bad field,
  // `layers[1].days[3].first_date`; also if a working day within the years has no hours.
  static absl::StatusOr<Calendar> Create(std::string code, std::vector<config::v1::CalendarLayer> layers,
                                         Options options);
  static absl::StatusOr<Calendar> Create(std::string code, std::vector<config::v1::CalendarLayer> layers) {
    return Create(std::move(code), std::move(layers), Options());
  }

  // The instant at which `amount` is used up, from `start` on:
  //   WORKING_DAYS   the close of the amount-th working day after the day of the start;
  //   WORKING_HOURS  the first instant up to which that many seconds were worked (so a close, not the next
  //                  opening);
  //   NATURAL_DAYS   24:00 of the amount-th day after the day of the start;
  //   CLOCK_TIME     that many seconds later.
  // An amount of 0 is used up at once. It never decreases when `start` or `amount` grow.
  //
  // INVALID_ARGUMENT: kind unknown (ENUM_INVALID), amount negative or beyond ten years (FIELD_INVALID), start
  // infinite, or start or result outside the table's years (TIME_INVALID).
  absl::StatusOr<Deadline> AddWorkingTime(absl::Time start, int64_t amount, type::v1::TimeKind kind) const;

  // The last instant from which `amount` is left until `end`, as far as whole units go:
  //   WORKING_DAYS   the opening of the amount-th working day, counted back from the last one that opens
  //   before
  //                  `end`, which is the first;
  //   WORKING_HOURS  so that that many seconds are worked between it and `end`; at an opening rather than at
  //                  the close before it;
  //   NATURAL_DAYS   24 hours each, CLOCK_TIME seconds.
  // Errors as of AddWorkingTime; the certainty is that of the dates from the result to `end`.
  absl::StatusOr<Deadline> SubtractWorkingTime(absl::Time end, int64_t amount, type::v1::TimeKind kind) const;

  // How much has been used up at `to` when it began to run at `from`, with the rules of AddWorkingTime, of
  // which it is the inverse. Seconds of two adjoining spans add up; days do if the spans meet at the end of a
  // day's work, as the day of a start never counts.
  //
  // INVALID_ARGUMENT as above; also if `to` is before `from`.
  absl::StatusOr<Measured> Measure(absl::Time from, absl::Time to, type::v1::TimeKind kind) const;

  // Whether work is on at `t`. INVALID_ARGUMENT outside the table's years.
  absl::StatusOr<bool> IsWorking(absl::Time t) const;
  // The first instant after `t` at which IsWorking changes; InfiniteFuture if it does not within the table's
  // years. INVALID_ARGUMENT outside them.
  absl::StatusOr<absl::Time> NextChange(absl::Time t) const;

  // Which dates from `first` to `last` (both included) are uncertain, by layer. Dates outside the table's
  // years are left out. Slow: walks the days.
  std::vector<UncertainSpan> Uncertain(absl::CivilDay first, absl::CivilDay last) const;

  // AddWorkingTime with its derivation, which VerifyDerivation (common/derivation) recomputes. Of working
  // time the rules in it speak of the dates from `start` to the result, or to `until` if that is later: then
  // it also shows what is worked between the two. INVALID_ARGUMENT as there; also for more than
  // kMaxDerivedDays days between start and result.
  absl::StatusOr<v1::DeadlineDerivation> Derive(absl::Time start, int64_t amount, type::v1::TimeKind kind,
                                                absl::Time until = absl::InfinitePast()) const;

  // As they were given to Create.
  std::vector<config::v1::CalendarLayer> layers() const;
  const std::string& code() const;
  // `office: china@2026-1, xinjiang@2025-1`: what to pin a deadline to.
  const std::string& version() const;

 private:
  class Table;
  explicit Calendar(std::shared_ptr<const Table> table) : table_(std::move(table)) {}
  std::shared_ptr<const Table> table_;
};

// The derivation of `seconds` of clock time, which needs no calendar.
v1::DeadlineDerivation DeriveClockTime(absl::Time start, int64_t seconds);

}  // namespace hotline::escalation::calendar

#endif  // SERVICES_ESCALATION_CALENDAR_CALENDAR_H_
