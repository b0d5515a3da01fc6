// Laws that hold for any calendar: random layers, against a plain oracle that counts minutes.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "common/base/sha256.h"
#include "common/derivation/verify.h"
#include "google/protobuf/stubs/logging.h"
#include "tests/services/escalation/calendar/world.h"

namespace hotline::escalation::calendar::test {
namespace {

constexpr TimeKind kKinds[] = {TIME_KIND_WORKING_DAYS, TIME_KIND_WORKING_HOURS, TIME_KIND_NATURAL_DAYS,
                               TIME_KIND_CLOCK_TIME};

// An instant around the days that have most exceptions, on the second or within one.
absl::Time RandomTime() {
  const absl::Time time = AtMinute(*rc::gen::inRange(290 * kMinutesADay, 350 * kMinutesADay));
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return time + absl::Seconds(*rc::gen::inRange(0, 60));
    case 1:
      return time + absl::Milliseconds(*rc::gen::inRange(0, 60'000));
    default:
      return time;
  }
}

int64_t RandomAmount(TimeKind kind) {
  const bool days = kind == TIME_KIND_WORKING_DAYS || kind == TIME_KIND_NATURAL_DAYS;
  return days ? *rc::gen::inRange(0, 15) : *rc::gen::inRange(0, 60 * 3600);
}

RC_GTEST_PROP(CalendarLaw, AddingThenMeasuringReturnsTheAmount, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  for (const TimeKind kind : kKinds) {
    const absl::Time start = RandomTime();
    const int64_t amount = RandomAmount(kind);
    const absl::StatusOr<Deadline> deadline = calendar.AddWorkingTime(start, amount, kind);
    // A calendar may have too few working days.
    if (!deadline.ok()) continue;
    RC_ASSERT(deadline->time >= start);
    const absl::StatusOr<Measured> measured = calendar.Measure(start, deadline->time, kind);
    RC_ASSERT(measured.ok());
    RC_ASSERT(measured->amount == amount);
    // And a second earlier it is not used up.
    if (amount == 0) continue;
    const absl::StatusOr<Measured> before = calendar.Measure(start, deadline->time - absl::Seconds(1), kind);
    RC_ASSERT(before.ok());
    RC_ASSERT(before->amount < amount);
  }
}

RC_GTEST_PROP(CalendarLaw, SubtractingIsTheLastInstantFromWhichTheAmountIsLeft, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  const absl::Time end = RandomTime();
  const int64_t amount = *rc::gen::inRange(1, 60 * 3600);
  const auto hours = calendar.SubtractWorkingTime(end, amount, TIME_KIND_WORKING_HOURS);
  // A calendar may have too few working days.
  if (hours.ok()) {
    RC_ASSERT(calendar.Measure(hours->time, end, TIME_KIND_WORKING_HOURS)->amount == amount);
    RC_ASSERT(calendar.Measure(hours->time + absl::Seconds(1), end, TIME_KIND_WORKING_HOURS)->amount <
              amount);
    RC_ASSERT(*calendar.IsWorking(hours->time));
  }
  const int64_t count = *rc::gen::inRange(1, 15);
  const auto days = calendar.SubtractWorkingTime(end, count, TIME_KIND_WORKING_DAYS);
  if (days.ok()) {
    // At an opening, with that many working days that open before the end.
    RC_ASSERT(*calendar.IsWorking(days->time));
    int64_t openings = 0;
    const absl::CivilDay first = absl::ToCivilDay(days->time, Beijing());
    for (absl::CivilDay day = first; absl::FromCivil(day, Beijing()) < end; ++day) {
      const absl::Time midnight = absl::FromCivil(day, Beijing());
      const absl::Time until = std::min(absl::FromCivil(day + 1, Beijing()), end);
      if (calendar.Measure(midnight, until, TIME_KIND_WORKING_HOURS)->amount > 0) ++openings;
    }
    RC_ASSERT(openings == count);
  }
}

RC_GTEST_PROP(CalendarLaw, AddingIsMonotone, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  for (const TimeKind kind : kKinds) {
    absl::Time start = RandomTime();
    absl::Time later = RandomTime();
    if (later < start) std::swap(start, later);
    int64_t amount = RandomAmount(kind);
    int64_t more = RandomAmount(kind);
    if (more < amount) std::swap(amount, more);
    const auto a = calendar.AddWorkingTime(start, amount, kind);
    const auto b = calendar.AddWorkingTime(later, amount, kind);
    const auto c = calendar.AddWorkingTime(start, more, kind);
    if (a.ok() && b.ok()) RC_ASSERT(a->time <= b->time);
    if (a.ok() && c.ok()) RC_ASSERT(a->time <= c->time);
  }
}

RC_GTEST_PROP(CalendarLaw, SplittingASpanAddsUp, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  std::vector<absl::Time> at = {RandomTime(), RandomTime(), RandomTime()};
  std::sort(at.begin(), at.end());
  const auto measure = [&](absl::Time from, absl::Time to, TimeKind kind) {
    const absl::StatusOr<Measured> measured = calendar.Measure(from, to, kind);
    RC_ASSERT(measured.ok());
    return measured->amount;
  };
  for (const TimeKind kind : {TIME_KIND_WORKING_HOURS, TIME_KIND_CLOCK_TIME}) {
    RC_ASSERT(measure(at[0], at[1], kind) + measure(at[1], at[2], kind) == measure(at[0], at[2], kind));
  }
  // Days add up where the spans meet at the end of a day's work.
  const absl::StatusOr<Deadline> close = calendar.AddWorkingTime(at[0], 1, TIME_KIND_WORKING_DAYS);
  if (!close.ok() || close->time > at[2]) return;
  // A close at 24:00 belongs to the next day, which does not count for what starts in it.
  if (absl::ToCivilSecond(close->time, Beijing()) ==
      absl::CivilSecond(absl::ToCivilDay(close->time, Beijing()))) {
    return;
  }
  RC_ASSERT(1 + measure(close->time, at[2], TIME_KIND_WORKING_DAYS) ==
            measure(at[0], at[2], TIME_KIND_WORKING_DAYS));
}

// An amount can be used up in two steps.
RC_GTEST_PROP(CalendarLaw, AddingInTwoStepsIsAddingOnce, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  const absl::Time start = RandomTime();
  for (const TimeKind kind : {TIME_KIND_WORKING_HOURS, TIME_KIND_CLOCK_TIME}) {
    const int64_t a = RandomAmount(kind);
    const int64_t b = RandomAmount(kind);
    const auto once = calendar.AddWorkingTime(start, a + b, kind);
    const auto first = calendar.AddWorkingTime(start, a, kind);
    if (!once.ok() || !first.ok()) continue;
    const auto second = calendar.AddWorkingTime(first->time, b, kind);
    RC_ASSERT(second.ok());
    RC_ASSERT(second->time == once->time);
  }
}

RC_GTEST_PROP(CalendarLaw, TheOracleAgreesMinuteByMinute, ()) {
  const Model model = RandomModel();
  const Calendar calendar = ToCalendar(model);
  const Oracle oracle(model);
  const int begin = *rc::gen::inRange(290 * kMinutesADay, 340 * kMinutesADay);
  const int span = *rc::gen::inRange(1, 20 * kMinutesADay);
  const absl::Time from = AtMinute(begin);

  // IsWorking and NextChange, every minute of three days.
  std::optional<absl::Time> change;
  for (int m = begin; m < begin + 3 * kMinutesADay; ++m) {
    const absl::StatusOr<bool> working = calendar.IsWorking(AtMinute(m));
    RC_ASSERT(working.ok());
    RC_ASSERT(*working == oracle.At(m));
    if (m > begin && oracle.At(m) != oracle.At(m - 1) && !change.has_value()) change = AtMinute(m);
  }
  const absl::StatusOr<absl::Time> next = calendar.NextChange(from);
  RC_ASSERT(next.ok());
  if (change.has_value()) {
    RC_ASSERT(*next == *change);
  } else {
    RC_ASSERT(*next >= AtMinute(begin + 3 * kMinutesADay));
  }

  // Measure.
  const absl::StatusOr<Measured> measured =
      calendar.Measure(from, AtMinute(begin + span), TIME_KIND_WORKING_HOURS);
  RC_ASSERT(measured.ok());
  RC_ASSERT(measured->amount == 60 * oracle.Between(begin, begin + span));

  // AddWorkingTime in working hours; half of the times exactly up to a close.
  int amount = *rc::gen::inRange(1, 40 * 60);
  if (*rc::gen::arbitrary<bool>()) {
    int close = begin + 1 + *rc::gen::inRange(0, 4 * kMinutesADay);
    while (close < begin + 12 * kMinutesADay && !(oracle.At(close - 1) && !oracle.At(close))) ++close;
    amount = std::max<int>(1, static_cast<int>(oracle.Between(begin, close)));
  }
  const absl::StatusOr<Deadline> hours = calendar.AddWorkingTime(from, amount * 60, TIME_KIND_WORKING_HOURS);
  int minute = begin;
  for (int left = amount; left > 0 && minute < kDays * kMinutesADay; ++minute)
    left -= oracle.At(minute) ? 1 : 0;
  if (hours.ok()) {
    RC_ASSERT(hours->time == AtMinute(minute));
  } else {
    RC_ASSERT(minute == kDays * kMinutesADay);
  }

  // And in working days.
  const int days = *rc::gen::inRange(1, 12);
  const absl::StatusOr<Deadline> deadline = calendar.AddWorkingTime(from, days, TIME_KIND_WORKING_DAYS);
  int day = begin / kMinutesADay;
  int close = -1;
  for (int left = days; left > 0 && ++day < kDays;) {
    const Minutes worked = Oracle::HoursOf(model, day);
    if (worked.empty()) continue;
    --left;
    if (left == 0) close = day * kMinutesADay + worked.back().second;
  }
  RC_ASSERT(deadline.ok() == (close >= 0));
  if (close >= 0) RC_ASSERT(deadline->time == AtMinute(close));
}

RC_GTEST_PROP(CalendarLaw, ALaterLayerWinsByDate, ()) {
  Model model = RandomModel();
  const int day = *rc::gen::inRange(300, 340);
  const bool works = *rc::gen::arbitrary<bool>();
  ModelLayer last;
  last.singles[day] = {works, {{600, 660}}};
  if (!works) last.singles[day].hours.clear();
  model.push_back(last);
  const Calendar with = ToCalendar(model);
  const auto worked =
      with.Measure(AtMinute(day * kMinutesADay), AtMinute((day + 1) * kMinutesADay), TIME_KIND_WORKING_HOURS);
  RC_ASSERT(worked.ok());
  RC_ASSERT(worked->amount == (works ? 3600 : 0));
  // No other date is touched.
  model.pop_back();
  const Calendar without = ToCalendar(model);
  for (int other = day - 3; other <= day + 3; ++other) {
    if (other == day) continue;
    const absl::Time from = AtMinute(other * kMinutesADay);
    const absl::Time to = AtMinute((other + 1) * kMinutesADay);
    RC_ASSERT(with.Measure(from, to, TIME_KIND_WORKING_HOURS)->amount ==
              without.Measure(from, to, TIME_KIND_WORKING_HOURS)->amount);
  }
}

RC_GTEST_PROP(CalendarLaw, ALayerThatSaysNothingChangesNothing, ()) {
  Model model = RandomModel();
  const Calendar without = ToCalendar(model);
  const auto where = *rc::gen::inRange<size_t>(0, model.size() + 1);
  model.insert(model.begin() + static_cast<std::ptrdiff_t>(where), ModelLayer());
  const Calendar with = ToCalendar(model);
  const absl::Time start = RandomTime();
  for (const TimeKind kind : kKinds) {
    const int64_t amount = RandomAmount(kind);
    const auto a = without.AddWorkingTime(start, amount, kind);
    const auto b = with.AddWorkingTime(start, amount, kind);
    RC_ASSERT(a.ok() == b.ok());
    if (a.ok()) RC_ASSERT(a->time == b->time);
  }
}

// A layer with what the model leaves out: several documents, validity dates, announcements.
void Complicate(bool base, config::v1::CalendarLayer* layer) {
  const auto date = [](int low, int high) {
    return absl::FormatCivilTime(kFirst + *rc::gen::inRange(low, high));
  };
  const int documents = *rc::gen::inRange(0, 4);
  for (int i = 0; i < documents; ++i) {
    config::v1::CalendarDocument& document = *layer->add_documents();
    document.set_number(absl::StrCat("文〔2027〕", layer->code(), i));
    document.set_title("测试");
    // Issued before and after the first one; each on a day of its own.
    document.set_issue_date(absl::FormatCivilTime(kFirst + (i - 1) * 7 + 1));
    document.set_first_date(date(200, 320));
    if (*rc::gen::arbitrary<bool>()) document.set_last_date(date(320, 400));
    if (*rc::gen::arbitrary<bool>()) {
      config::v1::WeeklyRule& rule = *layer->add_weekly();
      rule.set_document(document.number());
      for (int day = 1; day <= 7; ++day) {
        if (*rc::gen::arbitrary<bool>()) rule.add_working_days(static_cast<config::v1::Weekday>(day));
      }
      rule.set_earlier_days(*rc::gen::arbitrary<bool>() ? config::v1::EARLIER_DAYS_KEEP
                                                        : config::v1::EARLIER_DAYS_OVERRIDE);
    }
    if (*rc::gen::arbitrary<bool>()) {
      ModelLayer model;
      model.seasons[*rc::gen::inRange(1, 13) * 100 + 15] = RandomHours();
      model.seasons[*rc::gen::inRange(1, 13) * 100 + 20] = RandomHours();
      config::v1::CalendarLayer seasons = ToMessage(model, 0);
      for (config::v1::HoursRule& rule : *seasons.mutable_hours()) {
        rule.set_document(document.number());
        *layer->add_hours() = rule;
      }
    }
    if (*rc::gen::arbitrary<bool>()) {
      config::v1::DayRule& rule = *layer->add_days();
      rule.set_document(document.number());
      rule.set_first_date(date(320, 321));
      rule.set_last_date(document.last_date().empty() ? date(321, 330) : document.last_date());
      rule.set_kind(*rc::gen::arbitrary<bool>() ? config::v1::DAY_KIND_OFF : config::v1::DAY_KIND_WORKING);
      rule.set_name("长假");
    }
  }
  // Years of announcement that meet, leave holes, or stop.
  if (!base && *rc::gen::arbitrary<bool>()) return;
  int at = *rc::gen::inRange(250, 320);
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    at += *rc::gen::inRange(0, 10);
    const bool announced = *rc::gen::arbitrary<bool>();
    config::v1::DateSpan& span = announced ? *layer->add_announced() : *layer->add_unknown();
    span.set_first_date(absl::FormatCivilTime(kFirst + at));
    at += *rc::gen::inRange(0, 40);
    span.set_last_date(absl::FormatCivilTime(kFirst + at++));
    if (announced) span.set_document(layer->documents(0).number());
  }
  layer->set_next_notice_days(*rc::gen::inRange(0, 6));
}

RC_GTEST_PROP(CalendarLaw, EveryDerivationIsRecomputed, ()) {
  const Model model = RandomModel();
  std::vector<config::v1::CalendarLayer> layers;
  for (size_t i = 0; i < model.size(); ++i) {
    layers.push_back(ToMessage(model[i], static_cast<int>(i)));
    Complicate(i == 0, &layers.back());
  }
  const absl::StatusOr<Calendar> created =
      Calendar::Create("random", layers, {.first_year = 2026, .last_year = 2027});
  if (!created.ok()) RC_LOG() << created.status().ToString();
  RC_ASSERT(created.ok());
  const Calendar& calendar = *created;
  for (const TimeKind kind : kKinds) {
    const absl::Time start = RandomTime();
    const int64_t amount = RandomAmount(kind);
    const auto deadline = calendar.AddWorkingTime(start, amount, kind);
    const auto derivation = calendar.Derive(start, amount, kind);
    RC_ASSERT(deadline.ok() == derivation.ok());
    if (!deadline.ok()) continue;
    RC_ASSERT(derivation->result_time().seconds() == absl::ToUnixSeconds(deadline->time));
    RC_ASSERT(derivation->provisional() == deadline->certainty.provisional);
    RC_ASSERT(!derivation->gaps().empty() == deadline->certainty.gap);
    if (amount > 0) {
      const auto measured = calendar.Measure(start, deadline->time, kind);
      RC_ASSERT(measured.ok());
      RC_ASSERT(measured->certainty == deadline->certainty);
    }
    const absl::Status verified = derivation::VerifyDerivation(*derivation);
    if (!verified.ok()) RC_LOG() << verified.ToString() << "\n" << derivation->DebugString();
    RC_ASSERT(verified.ok());
  }
}

// What one changes in a derivation, however small, is seen: by recomputing, even if the digest is made anew.
RC_GTEST_PROP(CalendarLaw, NoAlteredDerivationIsVerified, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  const TimeKind kind = kKinds[*rc::gen::inRange(0, 4)];
  const auto made = calendar.Derive(RandomTime(), 1 + RandomAmount(kind), kind);
  if (!made.ok()) return;
  v1::DeadlineDerivation altered = *made;
  const int which = *rc::gen::inRange(0, altered.segments_size());
  v1::DerivationSegment& segment = *altered.mutable_segments(which);
  const int64_t shift = *rc::gen::elementOf(std::vector<int64_t>{-86'400, -1, 1, 60, 86'400});
  switch (*rc::gen::inRange(0, 14)) {
    case 0:
      altered.mutable_start_time()->set_seconds(altered.start_time().seconds() + shift);
      break;
    case 1:
      altered.mutable_result_time()->set_seconds(altered.result_time().seconds() + shift);
      break;
    case 2:
      altered.mutable_amount()->set_value(altered.amount().value() + (shift > 0 ? 1 : -1));
      break;
    case 3:
      altered.mutable_amount()->set_kind(static_cast<TimeKind>(kind % 4 + 1));
      break;
    case 4:
      segment.mutable_begin_time()->set_seconds(segment.begin_time().seconds() + shift);
      break;
    case 5:
      segment.mutable_end_time()->set_seconds(segment.end_time().seconds() + shift);
      break;
    case 6:
      segment.set_counted(!segment.counted());
      break;
    case 7:
      segment.set_reason(static_cast<v1::SegmentReason>(segment.reason() % 8 + 1));
      break;
    case 8:
      segment.mutable_day_rule()->set_document("别的文件");
      break;
    case 9:
      segment.mutable_hours_rule()->set_layer("other");
      break;
    case 10:
      altered.mutable_segments()->DeleteSubrange(which, 1);
      break;
    case 11:
      *altered.add_segments() = segment;
      break;
    case 12:
      altered.set_provisional(!altered.provisional());
      break;
    default:
      altered.add_gaps()->set_layer("layer0");
      break;
  }
  RC_ASSERT(!derivation::VerifyDerivation(altered).ok());
  altered.clear_digest();
  altered.set_digest(Sha256({altered.SerializeAsString()}));
  RC_ASSERT(!derivation::VerifyDerivation(altered).ok());
}

// Changed anywhere, also in a text that no computation needs: the digest tells.
RC_GTEST_PROP(CalendarLaw, NoAlteredByteIsVerified, ()) {
  const Calendar calendar = ToCalendar(RandomModel());
  const TimeKind kind = kKinds[*rc::gen::inRange(0, 4)];
  const auto made = calendar.Derive(RandomTime(), RandomAmount(kind), kind);
  if (!made.ok()) return;
  const std::string bytes = made->SerializeAsString();
  // Texts that are no longer UTF-8 do not parse, which is not worth a line each.
  const google::protobuf::LogSilencer silence;
  for (int i = 0; i < 20; ++i) {
    std::string other = bytes;
    const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
    other[at] = static_cast<char>(other[at] ^ (1 << *rc::gen::inRange(0, 8)));
    v1::DeadlineDerivation altered;
    if (!altered.ParseFromString(other) || altered.SerializeAsString() == bytes) continue;
    RC_ASSERT(!derivation::VerifyDerivation(altered).ok());
  }
}

}  // namespace
}  // namespace hotline::escalation::calendar::test
