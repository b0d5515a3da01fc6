#include "services/escalation/core/deadlines.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/base/text.h"

namespace hotline::escalation {
namespace {

using calendar::Calendar;
using calendar::Day;
using type::v1::TimeKind;

constexpr absl::Duration kDay = absl::Hours(24);

bool IsWorkingKind(TimeKind kind) {
  return kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_WORKING_HOURS;
}

bool IsInDays(TimeKind kind) {
  return kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_NATURAL_DAYS;
}

Day DayOfTime(absl::Time time) {
  if (time == absl::InfinitePast()) return std::numeric_limits<Day>::min();
  return calendar::DayOf(absl::ToUnixSeconds(time));
}

Day ParseDay(const std::string& date, Day otherwise) {
  return date.empty() ? otherwise : calendar::ParseDate(date).value_or(otherwise);
}

const std::string& Nothing() {
  static const auto* const kNothing = new std::string();
  return *kNothing;
}

const std::vector<Deadlines::Step>& PlainLadder() {
  static const auto* const kPlain =
      new std::vector<Deadlines::Step>{{.rung = type::v1::RUNG_URGE, .after = {}}};
  return *kPlain;
}

}  // namespace

absl::Time SecondUp(absl::Time time) {
  const absl::Time second = absl::FromUnixSeconds(absl::ToUnixSeconds(time));
  return second < time ? second + absl::Seconds(1) : second;
}

Amount AmountOf(const config::v1::Span& span) {
  using type::v1::TIME_KIND_CLOCK_TIME;
  using type::v1::TIME_KIND_WORKING_HOURS;
  if (span.working_days() != 0) return {type::v1::TIME_KIND_WORKING_DAYS, span.working_days()};
  if (span.working_hours() != 0) return {TIME_KIND_WORKING_HOURS, span.working_hours() * 3600};
  if (span.working_minutes() != 0) return {TIME_KIND_WORKING_HOURS, span.working_minutes() * 60};
  if (span.natural_days() != 0) return {type::v1::TIME_KIND_NATURAL_DAYS, span.natural_days()};
  if (span.hours() != 0) return {TIME_KIND_CLOCK_TIME, span.hours() * 3600};
  if (span.minutes() != 0) return {TIME_KIND_CLOCK_TIME, span.minutes() * 60};
  return {TIME_KIND_CLOCK_TIME, span.seconds()};
}

absl::Time MoreFrom(absl::Time due, TimeKind kind) {
  const int64_t second = absl::ToUnixSeconds(due);
  const bool midnight = due == absl::FromUnixSeconds(second) && calendar::SecondOfDay(second) == 0;
  return midnight && IsInDays(kind) ? due - absl::Seconds(1) : due;
}

absl::Duration ClockLength(Amount amount) {
  return IsInDays(amount.kind) ? amount.value * kDay : absl::Seconds(amount.value);
}

struct Deadlines::Rule {
  type::v1::ClockKind clock;
  type::v1::Urgency urgency;  // unspecified: any
  config::v1::UnitRole role;  // unspecified: any
  uint32_t types = 0;         // bit n: type n; zero: any
  uint32_t channels = 0;
  std::vector<std::string> items;
  std::vector<std::string> peers;  // only if the duty is one of these other hotlines'; empty: any
  // Of temporary rules: when, and whose tag an order must carry (between blanks).
  Day first = std::numeric_limits<Day>::min();
  Day last = std::numeric_limits<Day>::max();
  std::string tag;
  std::optional<Amount> limit;
  std::optional<Amount> remind_before;
  std::string calendar;  // `unit`, or a code
  int publication = 0;   // index
  int version = 0;       // index
  int ladder = -1;       // index; -1: 催办 alone
  std::string version_name;
  std::string document;

  bool Matches(const Traits& traits, bool of_peer, Day day) const {
    if (!peers.empty() &&
        (!of_peer || std::find(peers.begin(), peers.end(), traits.duty_party) == peers.end()))
      return false;
    if (urgency != type::v1::URGENCY_UNSPECIFIED && urgency != traits.urgency) return false;
    if (role != config::v1::UNIT_ROLE_UNSPECIFIED && (role == config::v1::UNIT_ROLE_ASSIST) != traits.assist)
      return false;
    if (types != 0 && (traits.type <= 0 || traits.type >= 32 || (types >> traits.type & 1) == 0))
      return false;
    if (channels != 0 &&
        (traits.channel <= 0 || traits.channel >= 32 || (channels >> traits.channel & 1) == 0))
      return false;
    if (day < first || last < day) return false;
    if (!tag.empty() && traits.tags.find(tag) == std::string_view::npos) return false;
    return items.empty() || std::any_of(items.begin(), items.end(), [&](const std::string& item) {
             return item.ends_with('*')
                        ? traits.item.starts_with(std::string_view(item).substr(0, item.size() - 1))
                        : traits.item == item;
           });
  }
};

struct Deadlines::Version {
  Day first;
  Day last;
  std::array<std::vector<int32_t>, type::v1::ClockKind_ARRAYSIZE>
      rules;  // by clock, in the order they are asked
  std::vector<std::vector<Step>> ladders;
};

struct Deadlines::Book {
  std::vector<Publication> publications;
  struct Compiled {
    std::vector<Rule> rules;
    std::vector<Version> versions;
  };
  std::vector<std::shared_ptr<const Compiled>> compiled;

  static std::shared_ptr<const Compiled> Compile(const Publication& publication, int index) {
    auto made = std::make_shared<Compiled>();
    const config::v1::Policy& policy = publication.policy;
    if (policy.versions().empty()) {
      AddVersion(policy, index, made.get());
    } else {
      for (const config::v1::Policy& version : policy.versions()) AddVersion(version, index, made.get());
    }
    return made;
  }

  static void AddVersion(const config::v1::Policy& policy, int publication, Compiled* made) {
    Version version;
    version.first = ParseDay(policy.first_date(), std::numeric_limits<Day>::min());
    version.last = ParseDay(policy.last_date(), std::numeric_limits<Day>::max());
    std::map<std::string, int> ladders;
    for (const config::v1::Ladder& ladder : policy.ladders()) {
      ladders.emplace(ladder.code(), static_cast<int>(version.ladders.size()));
      std::vector<Step>& steps = version.ladders.emplace_back();
      bool urges = false;
      for (const config::v1::LadderStep& step : ladder.steps()) {
        urges |= step.rung() == type::v1::RUNG_URGE;
        steps.push_back({.rung = step.rung(), .after = AmountOf(step.after())});
      }
      // The deadline itself is always a rung.
      if (!urges) steps.push_back({.rung = type::v1::RUNG_URGE, .after = {}});
      std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.rung < b.rung; });
    }
    const auto add = [&](const config::v1::DeadlineRule& from, const config::v1::TemporaryRules* temporary) {
      Rule rule;
      rule.clock = from.clock();
      rule.urgency = from.urgency();
      rule.role = from.role();
      for (const int type : from.types()) rule.types |= uint32_t{1} << (type & 31);
      for (const int channel : from.channels()) rule.channels |= uint32_t{1} << (channel & 31);
      rule.items = {from.items().begin(), from.items().end()};
      rule.peers = {from.peers().begin(), from.peers().end()};
      if (from.limit_s() > 0) rule.limit = {type::v1::TIME_KIND_CLOCK_TIME, from.limit_s()};
      if (from.has_limit()) rule.limit = AmountOf(from.limit());
      if (from.remind_before_s() > 0) {
        rule.remind_before = {type::v1::TIME_KIND_CLOCK_TIME, from.remind_before_s()};
      }
      if (from.has_remind_before()) rule.remind_before = AmountOf(from.remind_before());
      rule.calendar = from.calendar().empty() ? "unit" : from.calendar();
      rule.publication = publication;
      rule.version = static_cast<int>(made->versions.size());
      if (const auto it = ladders.find(from.ladder()); it != ladders.end()) rule.ladder = it->second;
      rule.version_name = policy.version();
      rule.document = from.document().empty() ? policy.document() : from.document();
      if (temporary != nullptr) {
        rule.first = ParseDay(temporary->first_date(), rule.first);
        rule.last = ParseDay(temporary->last_date(), rule.last);
        if (temporary->only_tagged()) rule.tag = StrCat(" ", temporary->tag(), " ");
        rule.version_name += StrCat("+", temporary->tag());
        if (from.document().empty()) rule.document = temporary->document();
      }
      if (rule.clock > 0 && rule.clock < type::v1::ClockKind_ARRAYSIZE) {
        version.rules[rule.clock].push_back(static_cast<int32_t>(made->rules.size()));
      }
      made->rules.push_back(std::move(rule));
    };
    for (const config::v1::TemporaryRules& temporary : policy.temporary()) {
      for (const config::v1::DeadlineRule& rule : temporary.rules()) add(rule, &temporary);
    }
    for (const config::v1::DeadlineRule& rule : policy.rules()) add(rule, nullptr);
    made->versions.push_back(std::move(version));
  }

  const Calendar* FindCalendar(int publication, std::string_view code) const {
    const auto& calendars = publications[static_cast<size_t>(publication)].calendars;
    if (calendars == nullptr) return nullptr;
    const auto it = calendars->find(code);
    return it == calendars->end() ? nullptr : &it->second;
  }

  std::string_view CalendarCodeOf(int publication, std::string_view party) const {
    const Parties& parties = publications[static_cast<size_t>(publication)].parties;
    if (party == parties.site || parties.peers.contains(party)) return "always";
    const auto it = parties.units.find(party);
    return it == parties.units.end() || it->second.empty() ? "office" : std::string_view(it->second);
  }

  int IndexAt(absl::Time at) const {
    int index = static_cast<int>(publications.size()) - 1;
    while (index > 0 && at < publications[static_cast<size_t>(index)].time) --index;
    return index;
  }
};

Deadlines::Deadlines(const config::v1::Policy& policy)
    : Deadlines(std::vector<Publication>{{.policy = policy}}) {}

Deadlines::Deadlines(std::vector<Publication> publications) {
  auto book = std::make_shared<Book>();
  book->publications = std::move(publications);
  for (size_t i = 0; i < book->publications.size(); ++i) {
    book->compiled.push_back(Book::Compile(book->publications[i], static_cast<int>(i)));
  }
  book_ = std::move(book);
}

Deadlines Deadlines::With(Publication next) const {
  auto book = std::make_shared<Book>(*book_);
  book->publications.push_back(std::move(next));
  book->compiled.push_back(
      Book::Compile(book->publications.back(), static_cast<int>(book->publications.size()) - 1));
  return Deadlines(std::move(book));
}

const std::vector<Publication>& Deadlines::publications() const { return book_->publications; }

const Deadlines::Rule* Deadlines::Get(RuleRef rule) const {
  const size_t index = static_cast<size_t>(rule.publication - 1);
  if (rule.rule < 0 || rule.publication < 1 || index >= book_->compiled.size()) return nullptr;
  const std::vector<Rule>& rules = book_->compiled[index]->rules;
  return static_cast<size_t>(rule.rule) < rules.size() ? &rules[static_cast<size_t>(rule.rule)] : nullptr;
}

RuleRef Deadlines::Find(type::v1::ClockKind clock, const Traits& traits, absl::Time at) const {
  return FindIn(book_->IndexAt(at) + 1, clock, traits, at);
}

RuleRef Deadlines::FindIn(int64_t publication, type::v1::ClockKind clock, const Traits& traits,
                          absl::Time at) const {
  RuleRef found{.publication = static_cast<int32_t>(publication), .rule = -1};
  const size_t index = static_cast<size_t>(publication - 1);
  if (publication < 1 || index >= book_->compiled.size() || clock <= 0 ||
      clock >= type::v1::ClockKind_ARRAYSIZE) {
    return found;
  }
  const Book::Compiled& compiled = *book_->compiled[index];
  const Day day = DayOfTime(at);
  const Version* version = nullptr;
  for (const Version& one : compiled.versions) {
    if (day < one.first || one.last < day) continue;
    if (version == nullptr || version->first < one.first) version = &one;
  }
  if (version == nullptr) return found;
  const bool of_peer = book_->publications[index].parties.peers.contains(traits.duty_party);
  for (const int32_t rule : version->rules[clock]) {
    if (!compiled.rules[static_cast<size_t>(rule)].Matches(traits, of_peer, day)) continue;
    found.rule = rule;
    break;
  }
  return found;
}

int64_t Deadlines::OpenAt(absl::Time at) const {
  int index = book_->IndexAt(at);
  while (index > 0 && !book_->publications[static_cast<size_t>(index)].moves_open) --index;
  return index + 1;
}

const Calendar* Deadlines::CalendarOf(RuleRef ref, std::string_view duty_party) const {
  const Rule* rule = Get(ref);
  if (rule == nullptr) return nullptr;
  const std::string_view code = rule->calendar == "unit"
                                    ? book_->CalendarCodeOf(rule->publication, duty_party)
                                    : std::string_view(rule->calendar);
  return book_->FindCalendar(rule->publication, code);
}

const Calendar* Deadlines::WorkCalendarOf(RuleRef ref, std::string_view duty_party) const {
  const Rule* rule = Get(ref);
  const bool working = rule != nullptr && rule->limit.has_value() && IsWorkingKind(rule->limit->kind);
  return working ? CalendarOf(ref, duty_party) : nullptr;
}

const Calendar* Deadlines::CalendarOfParty(std::string_view party, absl::Time at) const {
  const int publication = book_->IndexAt(at);
  return book_->FindCalendar(publication, book_->CalendarCodeOf(publication, party));
}

DueTime Deadlines::Count(RuleRef ref, std::string_view duty_party, absl::Time from, absl::Time day_from,
                         Amount amount) const {
  const Calendar* calendar =
      amount.kind == type::v1::TIME_KIND_CLOCK_TIME ? nullptr : CalendarOf(ref, duty_party);
  if (calendar == nullptr) return {from + ClockLength(amount), false};
  const auto due = calendar->AddWorkingTime(day_from, amount.value, amount.kind);
  if (!due.ok()) return {from + ClockLength(amount), true};
  return {due->time, due->certainty.provisional || due->certainty.gap};
}

DueTime Deadlines::Add(RuleRef ref, std::string_view duty_party, absl::Time from, Amount amount) const {
  return Count(ref, duty_party, SecondUp(from), SecondUp(from), amount);
}

DueTime Deadlines::AddToDue(RuleRef ref, std::string_view duty_party, absl::Time due, Amount amount) const {
  return Count(ref, duty_party, SecondUp(due), MoreFrom(SecondUp(due), amount.kind), amount);
}

DueTime Deadlines::DueAfter(RuleRef ref, std::string_view duty_party, absl::Time start) const {
  const Rule* rule = Get(ref);
  if (rule == nullptr || !rule->limit.has_value()) return {start, false};
  return Add(ref, duty_party, start, *rule->limit);
}

absl::Duration Deadlines::Left(RuleRef ref, std::string_view duty_party, absl::Time at,
                               absl::Time due) const {
  const Calendar* calendar = WorkCalendarOf(ref, duty_party);
  at = SecondUp(at);
  if (calendar == nullptr || due <= at) return due - at;
  const auto left = calendar->Measure(at, due, type::v1::TIME_KIND_WORKING_HOURS);
  return left.ok() ? absl::Seconds(left->amount) : due - at;
}

absl::Duration Deadlines::Keep(RuleRef ref, std::string_view duty_party, absl::Time at,
                               absl::Time due) const {
  const absl::Duration left = Left(ref, duty_party, at, due);
  if (left != absl::ZeroDuration()) return left;
  return due > SecondUp(at) ? kNoWorkLeft : kNothingLeft;
}

absl::Duration Deadlines::KeepMore(RuleRef ref, std::string_view duty_party, absl::Duration kept,
                                   absl::Time due, absl::Time more) const {
  // Without what only stands for nothing.
  const absl::Duration before = absl::Trunc(kept, absl::Seconds(1));
  const absl::Duration left = before + Left(ref, duty_party, due, more);
  if (left != absl::ZeroDuration()) return left;
  return before < absl::ZeroDuration() ? kNothingLeft : kNoWorkLeft;
}

DueTime Deadlines::Resume(RuleRef ref, std::string_view duty_party, absl::Time at,
                          absl::Duration left) const {
  left = left == kNoWorkLeft ? absl::Seconds(1) : absl::Trunc(left, absl::Seconds(1));
  if (left <= absl::ZeroDuration() || WorkCalendarOf(ref, duty_party) == nullptr) {
    return {SecondUp(at) + left, false};
  }
  return Add(ref, duty_party, at, {type::v1::TIME_KIND_WORKING_HOURS, absl::ToInt64Seconds(left)});
}

absl::Time Deadlines::RemindTime(RuleRef ref, std::string_view duty_party, absl::Time due) const {
  const Rule* rule = Get(ref);
  if (rule == nullptr || !rule->remind_before.has_value()) return absl::InfiniteFuture();
  const Amount& before = *rule->remind_before;
  if (IsWorkingKind(before.kind)) {
    if (const Calendar* calendar = CalendarOf(ref, duty_party); calendar != nullptr) {
      const auto at = calendar->SubtractWorkingTime(due, before.value, before.kind);
      if (at.ok()) return at->time;
    }
  }
  return due - ClockLength(before);
}

absl::Time Deadlines::LastTenth(RuleRef ref, std::string_view duty_party, absl::Time start,
                                absl::Time due) const {
  const absl::Duration limit = Left(ref, duty_party, start, DueAfter(ref, duty_party, start).time);
  if (const Calendar* calendar = WorkCalendarOf(ref, duty_party); calendar != nullptr) {
    const auto at = calendar->SubtractWorkingTime(due, absl::ToInt64Seconds(limit / 10),
                                                  type::v1::TIME_KIND_WORKING_HOURS);
    if (at.ok()) return at->time;
  }
  return due - limit / 10;
}

const std::vector<Deadlines::Step>& Deadlines::Ladder(RuleRef ref) const {
  const Rule* rule = Get(ref);
  if (rule == nullptr || rule->ladder < 0) return PlainLadder();
  return book_->compiled[static_cast<size_t>(rule->publication)]
      ->versions[static_cast<size_t>(rule->version)]
      .ladders[static_cast<size_t>(rule->ladder)];
}

Amount Deadlines::Limit(RuleRef ref) const {
  const Rule* rule = Get(ref);
  return rule != nullptr && rule->limit.has_value() ? *rule->limit : Amount();
}

const std::string& Deadlines::VersionOf(RuleRef ref) const {
  if (const Rule* rule = Get(ref); rule != nullptr) return rule->version_name;
  // Armed without a rule: by what was in force.
  const size_t index = static_cast<size_t>(std::max(ref.publication, 1) - 1);
  if (index >= book_->publications.size()) return Nothing();
  const config::v1::Policy& policy = book_->publications[index].policy;
  return policy.versions().empty() ? policy.version() : policy.versions().rbegin()->version();
}

const std::string& Deadlines::DocumentOf(RuleRef ref) const {
  const Rule* rule = Get(ref);
  return rule == nullptr ? Nothing() : rule->document;
}

}  // namespace hotline::escalation
