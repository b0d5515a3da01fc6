#include "services/escalation/calendar/notice.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/escalation/calendar/civil.h"

namespace hotline::escalation::calendar {
namespace {

using config::v1::CalendarDocument;
using config::v1::CalendarLayer;
using config::v1::DateSpan;
using config::v1::DayRule;
using error::Reason;

struct Range {
  Day first;
  Day last;
};

absl::Status Bad(std::string_view field, std::string_view english, std::string_view chinese) {
  return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, StrCat("calendar_notice.", field), english,
                         chinese);
}

absl::StatusOr<Day> DateOf(std::string_view field, const std::string& text) {
  const std::optional<Day> day = ParseDate(text);
  if (day.has_value()) return *day;
  return Bad(field, "must be a date YYYY-MM-DD from 1970 to 2199",
             "须为1970年至2199年间真实存在的日期，格式为YYYY-MM-DD");
}

Range RangeOf(const DayRule& rule) {
  const Day first = ParseDate(rule.first_date()).value_or(0);
  return {first, rule.last_date().empty() ? first : ParseDate(rule.last_date()).value_or(first)};
}

// From the first to the last of `days`, which are some.
Range Around(const std::vector<DayRule>& days) {
  Range around = RangeOf(days.front());
  for (const DayRule& rule : days) {
    const Range range = RangeOf(rule);
    around = {std::min(around.first, range.first), std::max(around.last, range.last)};
  }
  return around;
}

// The year in which most of `days` lie; nothing if there are several.
std::optional<int> MainYear(const std::vector<DayRule>& days) {
  std::map<int, int64_t> counts;
  for (const DayRule& rule : days) {
    const Range range = RangeOf(rule);
    for (Day day = range.first; day <= range.last; ++day) ++counts[YearOf(day)];
  }
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool alone = std::count_if(counts.begin(), counts.end(),
                                   [&](const auto& one) { return one.second == most->second; }) == 1;
  return alone ? std::optional<int>(most->first) : std::nullopt;
}

// What `notice` announces; nothing if only its days.
absl::StatusOr<std::optional<Range>> Announced(const CalendarLayer& layer, const Notice& notice,
                                               const std::vector<DayRule>& days) {
  const bool given = !notice.first_date.empty() || !notice.last_date.empty();
  if (notice.only_its_days) {
    if (!given) return std::optional<Range>();
    return Bad("only_its_days", "excludes first_date and last_date", "不得与 first_date、last_date 同时填写");
  }
  const Range around = Around(days);
  if (given) {
    const absl::StatusOr<Day> first = DateOf("first_date", notice.first_date);
    if (!first.ok()) return first.status();
    const absl::StatusOr<Day> last = DateOf("last_date", notice.last_date);
    if (!last.ok()) return last.status();
    if (*last < *first) return Bad("last_date", "is before first_date", "早于 first_date");
    if (around.first < *first || *last < around.last) {
      const std::string outside = FormatDate(around.first < *first ? around.first : around.last);
      return Bad("first_date",
                 StrCat("the file speaks of ", outside, ", which is outside of what is announced"),
                 StrCat("文件中的", outside, "不在公布的日期范围内"));
    }
    return std::optional<Range>({*first, *last});
  }
  if (layer.announced().empty() && layer.unknown().empty()) return std::optional<Range>();
  const std::optional<int> year = MainYear(days);
  if (!year.has_value() || YearOf(around.first) < *year - 1 || YearOf(around.last) > *year + 1) {
    return Bad("first_date", "is required: the file's days are not those of one year",
               "必填：文件中的日期不属于同一年，须写明公布的起止日期");
  }
  return std::optional<Range>(
      {std::min(around.first, DayOfDate(*year, 1, 1)), std::max(around.last, DayOfDate(*year, 12, 31))});
}

// `from` without the dates of `spans`, in order.
std::vector<Range> Without(Range from, std::vector<Range> spans) {
  std::sort(spans.begin(), spans.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> rest;
  for (const Range& span : spans) {
    if (span.last < from.first || from.last < span.first) continue;
    if (from.first < span.first) rest.push_back({from.first, span.first - 1});
    from.first = span.last + 1;
  }
  if (from.first <= from.last) rest.push_back(from);
  return rest;
}

Range RangeOf(const DateSpan& span) {
  return {ParseDate(span.first_date()).value_or(0), ParseDate(span.last_date()).value_or(0)};
}

DateSpan SpanOf(Range range, const std::string& document) {
  DateSpan span;
  span.set_first_date(FormatDate(range.first));
  span.set_last_date(FormatDate(range.last));
  span.set_document(document);
  return span;
}

// The dates of `announced` are so by `document`, as far as no other document has announced them.
void Announce(Range announced, const std::string& document, CalendarLayer* layer) {
  std::vector<Range> others;
  for (const DateSpan& span : layer->announced()) {
    if (span.document() != document) others.push_back(RangeOf(span));
  }
  google::protobuf::RepeatedPtrField<DateSpan> spans;
  bool put = false;
  const auto put_spans = [&] {
    if (std::exchange(put, true)) return;
    for (const Range& range : Without(announced, others)) *spans.Add() = SpanOf(range, document);
  };
  for (const DateSpan& span : layer->announced()) {
    if (span.document() == document) {
      put_spans();
    } else {
      *spans.Add() = span;
    }
  }
  put_spans();
  *layer->mutable_announced() = std::move(spans);
  google::protobuf::RepeatedPtrField<DateSpan> unknown;
  for (const DateSpan& span : layer->unknown()) {
    for (const Range& range : Without(RangeOf(span), {announced})) *unknown.Add() = SpanOf(range, "");
  }
  *layer->mutable_unknown() = std::move(unknown);
}

}  // namespace

std::string NextVersion(std::string_view version) {
  const size_t plus = version.rfind('+');
  int64_t number = 0;
  if (plus != std::string_view::npos && absl::SimpleAtoi(ToAbsl(version.substr(plus + 1)), &number) &&
      number >= 0 && number < 1'000'000'000) {
    return StrCat(version.substr(0, plus), "+", number + 1);
  }
  return StrCat(version, "+1");
}

absl::StatusOr<CalendarLayer> WithNotice(const CalendarLayer& layer, const Notice& notice,
                                         const std::vector<DayRule>& days) {
  if (notice.document.empty()) return error::Required("calendar_notice.document");
  if (days.empty()) return Bad("document", "announces no days", "没有任何日期");
  CalendarLayer made = layer;
  CalendarDocument* document = nullptr;
  for (CalendarDocument& one : *made.mutable_documents()) {
    if (one.number() == notice.document) document = &one;
  }
  const bool known = document != nullptr;
  if (!known && notice.issue_date.empty()) return error::Required("calendar_notice.issue_date");
  if (!notice.issue_date.empty()) {
    if (absl::Status status = DateOf("issue_date", notice.issue_date).status(); !status.ok()) return status;
  }
  const absl::StatusOr<std::optional<Range>> announced = Announced(layer, notice, days);
  if (!announced.ok()) return announced.status();

  Range valid = Around(days);
  if (announced->has_value()) {
    valid = {std::min(valid.first, (*announced)->first), std::max(valid.last, (*announced)->last)};
  }
  if (!known) {
    document = made.add_documents();
    document->set_number(notice.document);
    document->set_title(notice.title.empty() ? notice.document : notice.title);
  } else if (!notice.title.empty()) {
    document->set_title(notice.title);
  }
  if (!notice.issue_date.empty()) document->set_issue_date(notice.issue_date);
  if (!known || ParseDate(document->first_date()).value_or(valid.first) > valid.first) {
    document->set_first_date(FormatDate(valid.first));
  }
  if (!known || (!document->last_date().empty() &&
                 ParseDate(document->last_date()).value_or(valid.last) < valid.last)) {
    document->set_last_date(FormatDate(valid.last));
  }

  // Where those of the same document stood, or else at the end.
  google::protobuf::RepeatedPtrField<DayRule> rules;
  bool put = false;
  const auto put_days = [&] {
    if (!std::exchange(put, true)) rules.Add(days.begin(), days.end());
  };
  for (const DayRule& rule : layer.days()) {
    if (rule.document() == notice.document) {
      put_days();
    } else {
      *rules.Add() = rule;
    }
  }
  put_days();
  *made.mutable_days() = std::move(rules);
  if (announced->has_value()) Announce(**announced, notice.document, &made);

  if (made.SerializeAsString() == layer.SerializeAsString()) return made;
  if (notice.version == layer.version()) {
    return Bad("version", StrCat("is that of the layer as it holds, which has other days: ", notice.version),
               StrCat("与现行版本相同而内容不同：", notice.version));
  }
  made.set_version(notice.version.empty() ? NextVersion(layer.version()) : notice.version);
  return made;
}

}  // namespace hotline::escalation::calendar
