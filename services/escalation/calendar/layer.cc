#include "services/escalation/calendar/layer.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/base/text.h"
#include "common/base/utf8.h"

namespace hotline::escalation::calendar {
namespace {

using config::v1::CalendarDocument;
using config::v1::CalendarLayer;
using config::v1::DateSpan;
using config::v1::DayRule;
using config::v1::HoursRule;
using config::v1::WeeklyRule;

constexpr size_t kMaxProblems = 64;

struct Range {
  Day first = 0;
  Day last = kForever;
  bool Overlaps(const Range& other) const { return first <= other.last && other.first <= last; }
};

class Checker {
 public:
  explicit Checker(const CalendarLayer& layer) : layer_(layer) {}

  std::vector<Problem> Run() {
    if (!config::v1::LayerLevel_IsValid(layer_.level()) || layer_.level() == 0) Required("level");
    Code("code", layer_.code());
    Text("display_name", layer_.display_name(), kMaxTextCodePoints);
    Text("version", layer_.version(), kMaxTextCodePoints);
    Count("documents", layer_.documents_size(), kMaxDocuments);
    Count("weekly", layer_.weekly_size(), kMaxRules);
    Count("hours", layer_.hours_size(), kMaxRules);
    Count("days", layer_.days_size(), kMaxRules);
    Count("announced", layer_.announced_size(), kMaxRules);
    Count("unknown", layer_.unknown_size(), kMaxRules);
    if (layer_.next_notice_days() < 0 || layer_.next_notice_days() > 31) {
      Add("next_notice_days", "must be from 0 to 31", "须在0到31之间");
    }
    if (!layer_.imports().empty()) {
      Add("imports", "must be read into days first", "须先导入为 days");
    }
    // A list beyond its bound is not looked through.
    if (!problems_.empty()) return std::move(problems_);
    Documents();
    Weekly();
    Hours();
    Days();
    Spans();
    return std::move(problems_);
  }

 private:
  void Add(std::string path, std::string english, std::string chinese) {
    if (problems_.size() < kMaxProblems) {
      problems_.push_back({std::move(path), std::move(english), std::move(chinese)});
    }
  }
  void Required(std::string path) { Add(std::move(path), "is required", "必填"); }
  void Count(const char* path, int count, int most) {
    if (count > most) Add(path, StrCat("has more than ", most, " entries"), StrCat("超过", most, "项"));
  }

  void Text(const std::string& path, std::string_view text, int64_t most) {
    if (text.empty()) return Required(path);
    const std::optional<int64_t> count = CountCodePoints(text);
    const bool control = std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
    if (!count.has_value() || control) {
      Add(path, "is not valid UTF-8 or has control characters", "不是有效的UTF-8文本，或含有控制字符");
    } else if (*count > most) {
      Add(path, StrCat("is longer than ", most, " characters"), StrCat("超过", most, "个字符"));
    }
  }

  void Code(const std::string& path, std::string_view code) {
    if (code.empty()) return Required(path);
    const bool good = code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                      });
    if (!good) {
      Add(path, "must be 1 to 32 of a-z, 0-9 and _", "须为1至32个小写字母、数字或下划线");
    }
  }

  std::optional<Day> Date(const std::string& path, std::string_view text) {
    if (text.empty()) {
      Required(path);
      return std::nullopt;
    }
    const std::optional<Day> day = ParseDate(text);
    if (!day.has_value()) {
      Add(path, "must be a date YYYY-MM-DD from 1970 to 2199",
          "须为1970年至2199年间真实存在的日期，格式为YYYY-MM-DD");
    }
    return day;
  }

  // First and last date, both given, in order.
  std::optional<Range> Dates(const std::string& path, std::string_view first, std::string_view last,
                             Day otherwise_last) {
    const std::optional<Day> from = Date(path + ".first_date", first);
    const std::optional<Day> to =
        last.empty() ? std::optional<Day>(otherwise_last) : Date(path + ".last_date", last);
    if (!from.has_value() || !to.has_value()) return std::nullopt;
    if (*to < *from) {
      Add(path + ".last_date", "is before first_date", "早于 first_date");
      return std::nullopt;
    }
    return Range{*from, *to};
  }

  // -1: not there, and told so.
  int Document(const std::string& path, const std::string& number) {
    if (number.empty()) {
      Required(path + ".document");
      return -1;
    }
    const auto it = documents_.find(number);
    if (it == documents_.end()) {
      Add(path + ".document", StrCat("is not the number of one of `documents`: ", number),
          StrCat("文号“", number, "”不在 documents 中"));
      return -1;
    }
    return it->second;
  }

  // When a rule holds: its own dates, within those of its document.
  std::optional<Range> Validity(const std::string& path, int document, std::string_view first,
                                std::string_view last) {
    Range validity = ranges_[document];
    const Range whole = validity;
    if (!first.empty()) {
      const std::optional<Day> day = Date(path + ".first_date", first);
      if (!day.has_value()) return std::nullopt;
      validity.first = *day;
    }
    if (!last.empty()) {
      const std::optional<Day> day = Date(path + ".last_date", last);
      if (!day.has_value()) return std::nullopt;
      validity.last = *day;
    }
    if (validity.last < validity.first) {
      Add(path + ".last_date", "is before first_date", "早于 first_date");
      return std::nullopt;
    }
    if (validity.first < whole.first || validity.last > whole.last) {
      Add(path, "holds outside the validity of its document", "超出所依据文件的有效期");
      return std::nullopt;
    }
    return validity;
  }

  void Segments(const std::string& path, const google::protobuf::RepeatedPtrField<std::string>& segments) {
    if (segments.size() > kMaxSegments) {
      Add(path, StrCat("has more than ", kMaxSegments, " entries"), StrCat("超过", kMaxSegments, "项"));
      return;
    }
    int32_t end = 0;
    for (int i = 0; i < segments.size(); ++i) {
      const std::string item = StrCat(path, "[", i, "]");
      const std::optional<Segment> segment = ParseSegment(segments[i]);
      if (!segment.has_value()) {
        Add(item, "must be HH:MM-HH:MM, from 00:00 to 24:00, with an end after its begin",
            "须为HH:MM-HH:MM，在00:00至24:00之间，且止晚于起");
        return;
      }
      if (segment->open < end) {
        Add(item, "begins before the one ahead of it ends", "与前一时段重叠或次序颠倒");
        return;
      }
      end = segment->close;
    }
  }

  void Documents() {
    for (int i = 0; i < layer_.documents_size(); ++i) {
      const CalendarDocument& document = layer_.documents(i);
      const std::string path = StrCat("documents[", i, "]");
      Text(path + ".number", document.number(), kMaxTextCodePoints);
      Text(path + ".title", document.title(), kMaxTitleCodePoints);
      const std::optional<Day> issue = Date(path + ".issue_date", document.issue_date());
      const std::optional<Range> range = Dates(path, document.first_date(), document.last_date(), kForever);
      // Rules of a document that is not understood would only repeat its problem.
      ranges_.push_back(range.value_or(Range{}));
      issues_.push_back(issue.value_or(0));
      if (!documents_.emplace(document.number(), i).second) {
        Add(path + ".number", "is there twice", "重复");
      }
    }
  }

  void Tied(const std::string& path, std::string_view other) {
    Add(path,
        StrCat("speaks of the same dates as ", other,
               ", and neither document was issued later: end the validity of one"),
        StrCat("与 ", other, " 适用于相同日期，且两者发文日期相同，无法确定以何为准"));
  }

  void Weekly() {
    std::vector<std::optional<Range>> ranges;
    std::vector<int> documents;
    for (int i = 0; i < layer_.weekly_size(); ++i) {
      const WeeklyRule& rule = layer_.weekly(i);
      const std::string path = StrCat("weekly[", i, "]");
      const int document = Document(path, rule.document());
      documents.push_back(document);
      ranges.push_back(document < 0 ? std::nullopt
                                    : Validity(path, document, rule.first_date(), rule.last_date()));
      std::set<int> seen;
      for (int d = 0; d < rule.working_days_size(); ++d) {
        const int day = rule.working_days(d);
        const std::string item = StrCat(path, ".working_days[", d, "]");
        if (day < 1 || day > 7) {
          Add(item, "is no day of the week", "不是星期几");
        } else if (!seen.insert(day).second) {
          Add(item, "is there twice", "重复");
        }
      }
      const bool known = rule.earlier_days() == config::v1::EARLIER_DAYS_KEEP ||
                         rule.earlier_days() == config::v1::EARLIER_DAYS_OVERRIDE;
      if (!known && (layer_.level() != config::v1::LAYER_LEVEL_NATION || rule.earlier_days() != 0)) {
        Add(path + ".earlier_days",
            "is required: KEEP the holidays of the layers before, or OVERRIDE them and work through",
            "必填：KEEP 为保留上级的放假和调休，OVERRIDE 为全部替换（节假日照常上班）");
      }
      for (int e = 0; e < i; ++e) {
        if (!ranges[e].has_value() || !ranges[i].has_value() || !ranges[e]->Overlaps(*ranges[i])) continue;
        if (issues_[documents[e]] == issues_[document]) {
          Tied(path, StrCat("weekly[", e, "]"));
          break;
        }
      }
    }
  }

  void Hours() {
    std::vector<std::optional<Range>> ranges;
    std::vector<int> documents;
    std::vector<int> seasons;
    for (int i = 0; i < layer_.hours_size(); ++i) {
      const HoursRule& rule = layer_.hours(i);
      const std::string path = StrCat("hours[", i, "]");
      const int document = Document(path, rule.document());
      documents.push_back(document);
      ranges.push_back(document < 0 ? std::nullopt
                                    : Validity(path, document, rule.first_date(), rule.last_date()));
      int season = 101;
      if (!rule.season_from().empty()) {
        const std::optional<int> parsed = ParseMonthDay(rule.season_from());
        if (!parsed.has_value()) {
          Add(path + ".season_from", "must be MM-DD, a day that every year has",
              "须为MM-DD，且为每年都有的日期");
        }
        season = parsed.value_or(101);
      }
      seasons.push_back(season);
      if (rule.segments().empty()) Required(path + ".segments");
      Segments(path + ".segments", rule.segments());
      for (int e = 0; e < i; ++e) {
        if (!ranges[e].has_value() || !ranges[i].has_value() || !ranges[e]->Overlaps(*ranges[i])) continue;
        if (issues_[documents[e]] != issues_[document]) continue;
        if (documents[e] != document || seasons[e] == season) {
          Tied(path, StrCat("hours[", e, "]"));
          break;
        }
      }
    }
  }

  void Days() {
    std::map<Day, int> taken;
    for (int i = 0; i < layer_.days_size(); ++i) {
      const DayRule& rule = layer_.days(i);
      const std::string path = StrCat("days[", i, "]");
      const int document = Document(path, rule.document());
      Text(path + ".name", rule.name(), kMaxTextCodePoints);
      if (rule.kind() != config::v1::DAY_KIND_OFF && rule.kind() != config::v1::DAY_KIND_WORKING) {
        Required(path + ".kind");
      }
      if (rule.kind() == config::v1::DAY_KIND_OFF && !rule.segments().empty()) {
        Add(path + ".segments", "is only for WORKING days", "仅用于 WORKING（上班）的日期");
      }
      Segments(path + ".segments", rule.segments());
      const std::optional<Day> first = Date(path + ".first_date", rule.first_date());
      if (!first.has_value() || document < 0) continue;
      const std::optional<Day> last =
          rule.last_date().empty() ? first : Date(path + ".last_date", rule.last_date());
      if (!last.has_value()) continue;
      if (*last < *first) {
        Add(path + ".last_date", "is before first_date", "早于 first_date");
        continue;
      }
      if (*last - *first >= kMaxRangeDays) {
        Add(path + ".last_date", StrCat("makes more than ", kMaxRangeDays, " days"),
            StrCat("超过", kMaxRangeDays, "天"));
        continue;
      }
      if (*first < ranges_[document].first || *last > ranges_[document].last) {
        Add(path, "holds outside the validity of its document", "超出所依据文件的有效期");
        continue;
      }
      for (Day day = *first; day <= *last; ++day) {
        const auto [it, fresh] = taken.emplace(day, i);
        if (fresh) continue;
        const int other = documents_.at(layer_.days(it->second).document());
        if (issues_[other] == issues_[document]) {
          Tied(path, StrCat("days[", it->second, "] (", FormatDate(day), ")"));
          break;
        }
        if (issues_[document] > issues_[other]) it->second = i;
      }
    }
  }

  void Spans() {
    std::vector<std::pair<Range, std::string>> seen;
    const auto check = [&](const char* list, int i, const DateSpan& span, bool announced) {
      const std::string path = StrCat(list, "[", i, "]");
      if (announced) {
        Document(path, span.document());
      } else if (!span.document().empty()) {
        Add(path + ".document", "must not be set here", "此处不应填写");
      }
      if (span.last_date().empty()) {
        Required(path + ".last_date");
        return;
      }
      const std::optional<Range> range = Dates(path, span.first_date(), span.last_date(), kForever);
      if (!range.has_value()) return;
      for (const auto& [other, name] : seen) {
        if (other.Overlaps(*range)) {
          Add(path, StrCat("overlaps ", name), StrCat("与 ", name, " 重叠"));
          return;
        }
      }
      seen.emplace_back(*range, path);
    };
    for (int i = 0; i < layer_.announced_size(); ++i) check("announced", i, layer_.announced(i), true);
    for (int i = 0; i < layer_.unknown_size(); ++i) check("unknown", i, layer_.unknown(i), false);
  }

  const CalendarLayer& layer_;
  std::vector<Problem> problems_;
  std::map<std::string, int> documents_;
  std::vector<Range> ranges_;
  std::vector<Day> issues_;
};

// Of what has been checked.
Day DateOr(std::string_view text, Day otherwise) {
  if (text.empty()) return otherwise;
  return ParseDate(text).value_or(otherwise);
}

Hours HoursOf(const google::protobuf::RepeatedPtrField<std::string>& segments) {
  Hours hours;
  for (const std::string& text : segments) hours.push_back(ParseSegment(text).value_or(Segment{}));
  return hours;
}

}  // namespace

std::vector<Problem> CheckLayer(const CalendarLayer& layer) { return Checker(layer).Run(); }

Layer::Layer(CalendarLayer message) : message_(std::move(message)) {
  absl::flat_hash_map<std::string, int> numbers;
  std::vector<Validity> documents;
  for (const CalendarDocument& document : message_.documents()) {
    numbers.emplace(document.number(), static_cast<int>(documents.size()));
    documents.push_back({DateOr(document.first_date(), 0), DateOr(document.last_date(), kForever),
                         DateOr(document.issue_date(), 0)});
  }
  const auto validity = [&](const auto& rule) {
    Validity result = documents[numbers[rule.document()]];
    result.first = DateOr(rule.first_date(), result.first);
    result.last = DateOr(rule.last_date(), result.last);
    return result;
  };
  for (const WeeklyRule& rule : message_.weekly()) {
    uint32_t worked = 0;
    for (const int day : rule.working_days()) worked |= uint32_t{1} << (day - 1);
    weekly_.push_back({validity(rule), worked, rule.earlier_days() == config::v1::EARLIER_DAYS_OVERRIDE});
  }
  for (const HoursRule& rule : message_.hours()) {
    seasons_.push_back({validity(rule), numbers[rule.document()],
                        rule.season_from().empty() ? 101 : ParseMonthDay(rule.season_from()).value_or(101),
                        HoursOf(rule.segments())});
  }
  for (int i = 0; i < message_.days_size(); ++i) {
    const DayRule& rule = message_.days(i);
    single_hours_.push_back(HoursOf(rule.segments()));
    const Day first = DateOr(rule.first_date(), 0);
    const Day last = DateOr(rule.last_date(), first);
    const Day issue = documents[numbers[rule.document()]].issue;
    for (Day day = first; day <= last; ++day) {
      const auto [it, fresh] = singles_.emplace(day, i);
      if (!fresh && documents[numbers[message_.days(it->second).document()]].issue < issue) it->second = i;
    }
  }
  for (const DateSpan& span : message_.announced()) {
    spans_.push_back({DateOr(span.first_date(), 0), DateOr(span.last_date(), 0), true});
  }
  for (const DateSpan& span : message_.unknown()) {
    spans_.push_back({DateOr(span.first_date(), 0), DateOr(span.last_date(), 0), false});
  }
  for (const Span& span : spans_) last_span_ = std::max(last_span_, span.last);
}

Coverage Layer::SpanAt(Day day) const {
  for (const Span& span : spans_) {
    if (span.first <= day && day <= span.last) return span.announced ? Coverage::kSettled : Coverage::kGap;
  }
  return day > last_span_ ? Coverage::kNotAnnounced : Coverage::kGap;
}

Coverage Layer::CoverageAt(Day day) const {
  if (spans_.empty()) return Coverage::kSettled;
  const Coverage own = SpanAt(day);
  return own == Coverage::kSettled ? SpanAt(day + message_.next_notice_days()) : own;
}

DayView Layer::At(Day day) const {
  DayView view;
  if (const auto it = singles_.find(day); it != singles_.end()) {
    view.single = it->second;
    view.single_works = message_.days(it->second).kind() == config::v1::DAY_KIND_WORKING;
    if (const Hours& hours = single_hours_[it->second]; !hours.empty()) view.single_hours = &hours;
  } else {
    view.coverage = CoverageAt(day);
  }
  for (size_t i = 0; i < weekly_.size(); ++i) {
    const Weekly& rule = weekly_[i];
    if (!rule.validity.Holds(day)) continue;
    if (view.weekly >= 0 && weekly_[view.weekly].validity.issue > rule.validity.issue) continue;
    view.weekly = static_cast<int>(i);
    view.weekly_works = (rule.worked >> WeekdayOf(day) & 1) != 0;
    view.overrides = rule.overrides;
  }
  // First the document, then its season: the one that began last, around the turn of the year.
  int document = -1;
  Day issue = 0;
  for (const Season& season : seasons_) {
    if (season.validity.Holds(day) && (document < 0 || season.validity.issue > issue)) {
      document = season.document;
      issue = season.validity.issue;
    }
  }
  const int today = MonthDayOf(day);
  int best = -1;
  for (size_t i = 0; i < seasons_.size(); ++i) {
    const Season& season = seasons_[i];
    if (season.document != document || !season.validity.Holds(day)) continue;
    const int age = season.from <= today ? today - season.from : today - season.from + 10'000;
    if (best >= 0 && age >= best) continue;
    best = age;
    view.hours = static_cast<int>(i);
    view.hours_segments = &season.segments;
  }
  return view;
}

}  // namespace hotline::escalation::calendar
