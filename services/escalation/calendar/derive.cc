// The derivation of a deadline: the same table and rules as AddWorkingTime, with each stretch written down.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/escalation/calendar/calendar.h"
#include "services/escalation/calendar/civil.h"
#include "services/escalation/calendar/layer.h"
#include "services/escalation/calendar/table.h"

namespace hotline::escalation::calendar {
namespace {

using config::v1::CalendarLayer;
using type::v1::TimeKind;

bool Overlaps(std::string_view first, std::string_view last, Day begin, Day end) {
  const Day from = first.empty() ? 0 : ParseDate(first).value_or(0);
  const Day to = last.empty() ? kForever : ParseDate(last).value_or(kForever);
  return from <= end && begin <= to;
}

// `layer` with what speaks of the dates from `begin` to `end` only. Spans of announcement stay: it is their
// ends that say what is not announced yet.
CalendarLayer Excerpt(const CalendarLayer& layer, Day begin, Day end) {
  CalendarLayer excerpt;
  excerpt.set_level(layer.level());
  excerpt.set_code(layer.code());
  excerpt.set_display_name(layer.display_name());
  excerpt.set_version(layer.version());
  std::set<std::string> cited;
  for (const auto& rule : layer.weekly()) {
    if (!Overlaps(rule.first_date(), rule.last_date(), begin, end)) continue;
    *excerpt.add_weekly() = rule;
    cited.insert(rule.document());
  }
  for (const auto& rule : layer.hours()) {
    if (!Overlaps(rule.first_date(), rule.last_date(), begin, end)) continue;
    *excerpt.add_hours() = rule;
    cited.insert(rule.document());
  }
  for (const auto& rule : layer.days()) {
    const std::string& last = rule.last_date().empty() ? rule.first_date() : rule.last_date();
    if (!Overlaps(rule.first_date(), last, begin, end)) continue;
    *excerpt.add_days() = rule;
    cited.insert(rule.document());
  }
  for (const auto& span : layer.announced()) {
    *excerpt.add_announced() = span;
    cited.insert(span.document());
  }
  *excerpt.mutable_unknown() = layer.unknown();
  excerpt.set_next_notice_days(layer.next_notice_days());
  for (const auto& document : layer.documents()) {
    if (cited.contains(document.number())) *excerpt.add_documents() = document;
  }
  return excerpt;
}

class Writer {
 public:
  Writer(const std::vector<Layer>& layers, v1::DeadlineDerivation* derivation)
      : layers_(layers), derivation_(*derivation) {}

  // From `begin` to `end`; `day` and its rules are cited unless null.
  void Add(int64_t begin, int64_t end, bool counted, v1::SegmentReason reason, const ResolvedDay* day) {
    if (begin >= end) return;
    v1::DerivationSegment& segment = *derivation_.add_segments();
    segment.mutable_begin_time()->set_seconds(begin);
    segment.mutable_end_time()->set_seconds(end);
    segment.set_counted(counted);
    segment.set_reason(reason);
    if (day == nullptr || day->layer < 0) return;
    const CalendarLayer& layer = layers_[day->layer].message();
    Cite(layer, day->single, day->single >= 0 ? "" : layer.weekly(day->weekly).document(),
         segment.mutable_day_rule());
    if (!day->working) return;
    const CalendarLayer& hours = layers_[day->hours_layer].message();
    Cite(hours, day->hours_single, day->hours_single >= 0 ? "" : hours.hours(day->hours).document(),
         segment.mutable_hours_rule());
  }

 private:
  static void Cite(const CalendarLayer& layer, int single, const std::string& document,
                   v1::RuleCitation* citation) {
    citation->set_layer(layer.code());
    citation->set_document(single >= 0 ? layer.days(single).document() : document);
    if (single >= 0) citation->set_name(layer.days(single).name());
  }

  const std::vector<Layer>& layers_;
  v1::DeadlineDerivation& derivation_;
};

v1::SegmentReason ReasonOf(const ResolvedDay& day) {
  if (day.single >= 0) {
    return day.working ? v1::SEGMENT_REASON_WORKING_DATE : v1::SEGMENT_REASON_DATE_OFF;
  }
  return day.working ? v1::SEGMENT_REASON_WORKING_DAY : v1::SEGMENT_REASON_WEEKLY_REST;
}

}  // namespace

v1::DeadlineDerivation DeriveClockTime(absl::Time start, int64_t seconds) {
  v1::DeadlineDerivation derivation;
  const int64_t begin = SecondOf(start);
  derivation.mutable_start_time()->set_seconds(begin);
  derivation.mutable_amount()->set_kind(type::v1::TIME_KIND_CLOCK_TIME);
  derivation.mutable_amount()->set_value(seconds);
  derivation.mutable_result_time()->set_seconds(begin + seconds);
  Writer({}, &derivation).Add(begin, begin + seconds, true, v1::SEGMENT_REASON_CLOCK_TIME, nullptr);
  derivation.set_digest(Sha256({derivation.SerializeAsString()}));
  return derivation;
}

absl::StatusOr<v1::DeadlineDerivation> Calendar::Derive(absl::Time start, int64_t amount, TimeKind kind,
                                                        absl::Time until) const {
  const absl::StatusOr<Deadline> deadline = AddWorkingTime(start, amount, kind);
  if (!deadline.ok()) return deadline.status();
  const int64_t begin = SecondOf(start);
  const int64_t result = absl::ToUnixSeconds(deadline->time);
  const Day first = DayOf(begin);
  const Day last = amount > 0 ? DayOf(result - 1) : first;
  if (last - first > kMaxDerivedDays && kind != type::v1::TIME_KIND_CLOCK_TIME) {
    return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "amount",
                           StrCat("takes more than ", kMaxDerivedDays, " days, too many to write down"),
                           StrCat("跨度超过", kMaxDerivedDays, "天，无法逐日列出"));
  }

  v1::DeadlineDerivation derivation;
  derivation.set_calendar(version());
  derivation.mutable_start_time()->set_seconds(begin);
  derivation.mutable_amount()->set_kind(kind);
  derivation.mutable_amount()->set_value(amount);
  derivation.mutable_result_time()->set_seconds(result);
  Writer writer(table_->layers_, &derivation);
  const bool by_calendar =
      kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_WORKING_HOURS;
  const bool in_days = kind != type::v1::TIME_KIND_WORKING_HOURS;

  if (kind == type::v1::TIME_KIND_CLOCK_TIME) {
    writer.Add(begin, result, true, v1::SEGMENT_REASON_CLOCK_TIME, nullptr);
  } else if (amount > 0) {
    for (Day day = first; day <= last; ++day) {
      const int64_t from = std::max(begin, Midnight(day));
      const int64_t to = std::min(result, Midnight(day + 1));
      if (in_days && day == first) {
        writer.Add(from, to, false, v1::SEGMENT_REASON_START_DAY, nullptr);
        continue;
      }
      if (!by_calendar) {
        writer.Add(from, to, true, v1::SEGMENT_REASON_NATURAL_DAY, nullptr);
        continue;
      }
      const ResolvedDay resolved = table_->Resolve(day);
      if (in_days || !resolved.working) {
        writer.Add(from, to, resolved.working, ReasonOf(resolved), &resolved);
        continue;
      }
      int64_t at = from;
      for (const Segment& segment : *resolved.segments) {
        const int64_t opens = std::clamp(Midnight(day) + segment.open, at, to);
        const int64_t closes = std::clamp(Midnight(day) + segment.close, at, to);
        writer.Add(at, opens, false, v1::SEGMENT_REASON_OFF_HOURS, &resolved);
        writer.Add(opens, closes, true, ReasonOf(resolved), &resolved);
        at = closes;
      }
      writer.Add(at, to, false, v1::SEGMENT_REASON_OFF_HOURS, &resolved);
    }
  }

  const bool further = until > absl::FromUnixSeconds(result);
  if (by_calendar && (amount > 0 || further)) {
    const Day end = further ? DayOf(SecondOf(until) - 1) : last;
    for (const Layer& layer : table_->layers_) {
      *derivation.add_layers() = Excerpt(layer.message(), first, end);
    }
    derivation.set_provisional(deadline->certainty.provisional);
    if (deadline->certainty.gap) {
      const absl::CivilDay epoch(1970, 1, 1);
      for (const UncertainSpan& span : Uncertain(epoch + (in_days ? first + 1 : first), epoch + last)) {
        if (!span.gap) continue;
        v1::CalendarGap& gap = *derivation.add_gaps();
        gap.set_layer(span.layer);
        gap.set_first_date(FormatDate(static_cast<Day>(span.first - epoch)));
        gap.set_last_date(FormatDate(static_cast<Day>(span.last - epoch)));
      }
    }
  }
  derivation.set_digest(Sha256({derivation.SerializeAsString()}));
  return derivation;
}

}  // namespace hotline::escalation::calendar
