// How much time a duty has, and by which calendar: policies and calendars, ready to be asked. Pure.
//
// What holds changes by publication: each has a number, from 1, and an instant from which clocks are armed by
// it. A clock keeps its publication and rule (RuleRef), so that a later publication does not rewrite what was
// armed before; moving open clocks to it is an act of its own (see Follower::Publish). A policy has versions
// with dates side by side, and temporary rules that win over the others.
#ifndef SERVICES_ESCALATION_CORE_DEADLINES_H_
#define SERVICES_ESCALATION_CORE_DEADLINES_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/escalation/calendar/calendar.h"
#include "services/escalation/calendar/civil.h"

namespace hotline::escalation {

// By their codes.
using Calendars = std::map<std::string, calendar::Calendar, std::less<>>;

// Who works by which calendar.
struct Parties {
  // Code of a unit → code of its calendar. A unit that is not here works by `office`.
  std::map<std::string, std::string, std::less<>> units;
  // Code of this hotline, and those of its peers: they work around the clock.
  std::string site;
  std::set<std::string, std::less<>> peers;
};

// A policy, calendars and who works by which of them, put into force together.
struct Publication {
  int64_t number = 1;
  // Clocks that are armed from then on go by it.
  absl::Time time = absl::InfinitePast();
  config::v1::Policy policy;
  // Null: working time is around the clock.
  std::shared_ptr<const Calendars> calendars;
  Parties parties;
  // Why, in words, as given with it.
  std::string note;
  // Account that published it.
  std::string account;
  // Open clocks are moved to it; else it holds for those armed since.
  bool moves_open = true;
  // SHA-256 of the policy and of the calendars that the configured files held then; empty if not known.
  std::string configured_policy;
  std::string configured_calendars;
};

// What rules ask of an order.
struct Traits {
  type::v1::OrderType type = type::v1::ORDER_TYPE_UNSPECIFIED;
  type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
  type::v1::Channel channel = type::v1::CHANNEL_UNSPECIFIED;
  std::string_view item;
  // Each between blanks: ` typhoon flood `.
  std::string_view tags;
  // The clock is an assisting unit's.
  bool assist = false;
  // Whose duty it is: another hotline's has rules of its own.
  std::string_view duty_party = {};
};

// A length of time: whole days, or seconds.
struct Amount {
  type::v1::TimeKind kind = type::v1::TIME_KIND_CLOCK_TIME;
  int64_t value = 0;
  friend bool operator==(const Amount&, const Amount&) = default;
};

// A rule of a publication. No rule (-1): working time is around the clock, and only the deadline has a rung.
struct RuleRef {
  int32_t publication = 1;
  int32_t rule = -1;
  friend bool operator==(const RuleRef&, const RuleRef&) = default;
};

struct DueTime {
  absl::Time time;
  // It rests on days that no notice has decided yet, or whose notices are not known.
  bool provisional = false;
  friend bool operator==(const DueTime&, const DueTime&) = default;
};

// Copyable (copies share), immutable, thread-safe.
class Deadlines {
 public:
  struct Step {
    type::v1::Rung rung = type::v1::RUNG_UNSPECIFIED;
    Amount after;
  };

  // One publication, from the beginning on, without calendars and parties.
  explicit Deadlines(const config::v1::Policy& policy);
  // `publications`: at least one, with numbers from 1 on and growing times. Policies keep the rules written
  // beside their fields (CheckPolicy in common/boot); a rule whose calendar is not there works around the
  // clock.
  explicit Deadlines(std::vector<Publication> publications);
  // With one more, the next.
  Deadlines With(Publication next) const;

  const std::vector<Publication>& publications() const;

  // The rule for a clock that is armed at `at`; `rule` is -1 if this clock is not kept for such orders. An
  // urgency or a type that this version does not know matches only rules for any.
  RuleRef Find(type::v1::ClockKind clock, const Traits& traits, absl::Time at) const;
  // The same as if the publication with this number had been in force then.
  RuleRef FindIn(int64_t publication, type::v1::ClockKind clock, const Traits& traits, absl::Time at) const;
  // Number of the latest publication in force at `at` that open clocks are moved to; 1 if there is no other.
  int64_t OpenAt(absl::Time at) const;

  // The arithmetic of a rule for whoever has the duty. Where a calendar has no such dates it goes on around
  // the clock, and the result is provisional.

  // The end of the limit.
  DueTime DueAfter(RuleRef rule, std::string_view duty_party, absl::Time start) const;
  // Counted from the end of the second that `from` lies in.
  DueTime Add(RuleRef rule, std::string_view duty_party, absl::Time from, Amount amount) const;
  // `amount` after a deadline: counted from MoreFrom.
  DueTime AddToDue(RuleRef rule, std::string_view duty_party, absl::Time due, Amount amount) const;
  // What is left at `at` until `due`: of a limit in working time its seconds of work, else the time between;
  // negative, in clock time, once it has passed.
  absl::Duration Left(RuleRef rule, std::string_view duty_party, absl::Time at, absl::Time due) const;
  // What a clock keeps that stands still from `at` on: Left, but never zero, to be told from a clock that
  // runs: kNothingLeft at the deadline, kNoWorkLeft where it is ahead and no work is done before it.
  static constexpr absl::Duration kNothingLeft = -absl::Nanoseconds(1);
  static constexpr absl::Duration kNoWorkLeft = absl::Nanoseconds(1);
  absl::Duration Keep(RuleRef rule, std::string_view duty_party, absl::Time at, absl::Time due) const;
  // What it keeps of `kept` when the deadline `due` becomes `more`, which is later.
  absl::Duration KeepMore(RuleRef rule, std::string_view duty_party, absl::Duration kept, absl::Time due,
                          absl::Time more) const;
  // When what is left is used up again, from `at` on. kNoWorkLeft is with the first second of work.
  DueTime Resume(RuleRef rule, std::string_view duty_party, absl::Time at, absl::Duration left) const;
  // The reminder for `due`; InfiniteFuture if there is none.
  absl::Time RemindTime(RuleRef rule, std::string_view duty_party, absl::Time due) const;
  // From when on a tenth of the limit is left.
  absl::Time LastTenth(RuleRef rule, std::string_view duty_party, absl::Time start, absl::Time due) const;
  // The rungs from URGE on.
  const std::vector<Step>& Ladder(RuleRef rule) const;
  bool has_limit(RuleRef rule) const { return rule.rule >= 0; }
  Amount Limit(RuleRef rule) const;
  // `wuqia-2026-2`, with the tag of temporary rules: `wuqia-2026-2+typhoon`.
  const std::string& VersionOf(RuleRef rule) const;
  const std::string& DocumentOf(RuleRef rule) const;
  // The calendar that the rule counts by; null if around the clock.
  const calendar::Calendar* CalendarOf(RuleRef rule, std::string_view duty_party) const;
  // The same if the limit is in working time; null if it runs on also while nobody works.
  const calendar::Calendar* WorkCalendarOf(RuleRef rule, std::string_view duty_party) const;
  // That of a party as such, for booking time; null if around the clock.
  const calendar::Calendar* CalendarOfParty(std::string_view party, absl::Time at) const;

 private:
  struct Book;
  struct Rule;
  struct Version;
  explicit Deadlines(std::shared_ptr<const Book> book) : book_(std::move(book)) {}
  const Rule* Get(RuleRef rule) const;
  // Days of a calendar count from `day_from`, all else from `from`.
  DueTime Count(RuleRef rule, std::string_view duty_party, absl::Time from, absl::Time day_from,
                Amount amount) const;
  std::shared_ptr<const Book> book_;
};

// What holds at the moment: the same always, or whatever a function says. Copyable, thread-safe if the
// function is.
class DeadlinesNow {
 public:
  // `fixed` outlives it.
  DeadlinesNow(const Deadlines* fixed) : fixed_(fixed) {}  // NOLINT: what does not change is a source too
  explicit DeadlinesNow(std::function<std::shared_ptr<const Deadlines>()> source)
      : source_(std::move(source)) {}

  std::shared_ptr<const Deadlines> Get() const {
    return fixed_ != nullptr ? std::shared_ptr<const Deadlines>(std::shared_ptr<void>(), fixed_) : source_();
  }

 private:
  const Deadlines* fixed_ = nullptr;
  std::function<std::shared_ptr<const Deadlines>()> source_;
};

Amount AmountOf(const config::v1::Span& span);
// The end of the second that `time` lies in: deadlines have a grain of one second, and nobody gets less than
// the limit.
absl::Time SecondUp(absl::Time time);
// From where the calendar counts what comes after a deadline. One at midnight is the end of the day before:
// days count from that one.
absl::Time MoreFrom(absl::Time due, type::v1::TimeKind kind);
// `value` as a span of clock time; days have 24 hours.
absl::Duration ClockLength(Amount amount);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_DEADLINES_H_
