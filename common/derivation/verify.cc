// Includes nothing of the engine (services/escalation/calendar): what it gets wrong must show here.
#include "common/derivation/verify.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::derivation {
namespace {

namespace v1 = escalation::v1;
using config::v1::CalendarDocument;
using config::v1::CalendarLayer;
using v1::DeadlineDerivation;
using v1::DerivationSegment;
using v1::RuleCitation;

constexpr int kMaxDays = 1102;
constexpr int64_t kMaxSeconds = int64_t{3660} * 86'400;
constexpr absl::CivilDay kNoDay(1, 1, 1);
constexpr absl::CivilDay kEndOfDays(9999, 12, 31);

absl::TimeZone Beijing() { return absl::FixedTimeZone(8 * 60 * 60); }

absl::Status Refuse(std::string_view path, std::string_view english, std::string_view chinese) {
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, path, english, chinese);
}

absl::Status DoesNotFollow(std::string_view path) {
  return Refuse(path, "does not follow from the start, the amount and the rules",
                "与起始时间、时限和规则推算的结果不一致");
}

absl::CivilDay Date(const std::string& text, absl::CivilDay unset) {
  absl::CivilDay day;
  return text.empty() || !absl::ParseCivilTime(text, &day) ? unset : day;
}

absl::Time At(absl::CivilDay day, int64_t second) {
  return absl::FromCivil(absl::CivilSecond(day), Beijing()) + absl::Seconds(second);
}

const CalendarDocument* Document(const CalendarLayer& layer, const std::string& number) {
  for (const CalendarDocument& document : layer.documents()) {
    if (document.number() == number) return &document;
  }
  return nullptr;
}

absl::CivilDay Issued(const CalendarLayer& layer, const std::string& number) {
  const CalendarDocument* document = Document(layer, number);
  return document == nullptr ? kNoDay : Date(document->issue_date(), kNoDay);
}

// Whether a weekly or hours rule is in force.
template <typename Rule>
bool InForce(const CalendarLayer& layer, const Rule& rule, absl::CivilDay day) {
  const CalendarDocument* document = Document(layer, rule.document());
  if (document == nullptr) return false;
  const absl::CivilDay first =
      std::max(Date(document->first_date(), kNoDay), Date(rule.first_date(), kNoDay));
  const absl::CivilDay last =
      std::min(Date(document->last_date(), kEndOfDays), Date(rule.last_date(), kEndOfDays));
  return first <= day && day <= last;
}

using Hours = std::vector<std::pair<int64_t, int64_t>>;

// `10:00-13:30` in seconds since midnight; nothing if it is none.
std::optional<std::pair<int64_t, int64_t>> ParseHours(const std::string& text) {
  int64_t parts[2] = {0, 0};
  int side = 0;
  int64_t number = 0;
  int fields = 0;
  constexpr int64_t kUnit[] = {3600, 60, 1};
  for (const char c : text + ";") {
    if (c >= '0' && c <= '9') {
      number = number * 10 + (c - '0');
      if (number > 99) return std::nullopt;
      continue;
    }
    if (fields > 2) return std::nullopt;
    parts[side] += number * kUnit[fields++];
    number = 0;
    if (c == ':') continue;
    if (fields < 2) return std::nullopt;
    if (c == '-' && side == 0) {
      side = 1;
      fields = 0;
    } else if (c != ';') {
      return std::nullopt;
    }
  }
  if (side != 1 || parts[0] >= parts[1] || parts[1] > 86'400) return std::nullopt;
  return std::make_pair(parts[0], parts[1]);
}

Hours HoursOf(const google::protobuf::RepeatedPtrField<std::string>& segments) {
  Hours hours;
  for (const std::string& text : segments) {
    if (const auto parsed = ParseHours(text)) hours.push_back(*parsed);
  }
  return hours;
}

// What the rules make of one day.
struct Verdict {
  bool worked = false;
  bool by_date = false;
  RuleCitation day_rule;
  Hours hours;
  RuleCitation hours_rule;
  bool not_announced = false;
  std::vector<std::string> gaps;  // codes of layers
};

enum class Known { kYes, kNotYet, kGap };

Known SpanOf(const CalendarLayer& layer, absl::CivilDay day) {
  absl::CivilDay end = kNoDay;
  for (const auto* list : {&layer.announced(), &layer.unknown()}) {
    for (const config::v1::DateSpan& span : *list) {
      const absl::CivilDay last = Date(span.last_date(), kNoDay);
      end = std::max(end, last);
      if (Date(span.first_date(), kEndOfDays) <= day && day <= last) {
        return list == &layer.announced() ? Known::kYes : Known::kGap;
      }
    }
  }
  return day > end ? Known::kNotYet : Known::kGap;
}

Known KnownAt(const CalendarLayer& layer, absl::CivilDay day) {
  if (layer.announced().empty() && layer.unknown().empty()) return Known::kYes;
  const Known known = SpanOf(layer, day);
  return known == Known::kYes ? SpanOf(layer, day + layer.next_notice_days()) : known;
}

// The hours rule of `layer` for `day`: the latest document, in it the season that began last.
const config::v1::HoursRule* HoursRuleAt(const CalendarLayer& layer, absl::CivilDay day) {
  const config::v1::HoursRule* found = nullptr;
  absl::CivilDay found_issue;
  absl::CivilDay found_begin;
  for (const config::v1::HoursRule& rule : layer.hours()) {
    if (!InForce(layer, rule, day)) continue;
    const absl::CivilDay issue = Issued(layer, rule.document());
    const std::string from = rule.season_from().empty() ? "01-01" : rule.season_from();
    absl::CivilDay begin = Date(StrCat(day.year(), "-", from), kNoDay);
    if (begin > day) begin = Date(StrCat(day.year() - 1, "-", from), kNoDay);
    if (found == nullptr || issue > found_issue || (issue == found_issue && begin > found_begin)) {
      found = &rule;
      found_issue = issue;
      found_begin = begin;
    }
  }
  return found;
}

Verdict Judge(const DeadlineDerivation& derivation, absl::CivilDay day) {
  Verdict verdict;
  const CalendarLayer* week_layer = nullptr;
  const config::v1::WeeklyRule* week = nullptr;
  const CalendarLayer* single_layer = nullptr;
  const config::v1::DayRule* single = nullptr;
  for (int i = derivation.layers_size() - 1; i >= 0 && single == nullptr; --i) {
    const CalendarLayer& layer = derivation.layers(i);
    for (const config::v1::DayRule& rule : layer.days()) {
      const absl::CivilDay first = Date(rule.first_date(), kEndOfDays);
      if (day < first || day > Date(rule.last_date(), first)) continue;
      if (single != nullptr && Issued(layer, single->document()) > Issued(layer, rule.document())) continue;
      single_layer = &layer;
      single = &rule;
    }
    if (single != nullptr) break;
    const Known known = KnownAt(layer, day);
    if (known == Known::kNotYet) verdict.not_announced = true;
    if (known == Known::kGap) verdict.gaps.push_back(layer.code());
    const config::v1::WeeklyRule* own = nullptr;
    for (const config::v1::WeeklyRule& rule : layer.weekly()) {
      if (!InForce(layer, rule, day)) continue;
      if (own == nullptr || Issued(layer, rule.document()) > Issued(layer, own->document())) own = &rule;
    }
    if (own == nullptr) continue;
    if (week == nullptr) {
      week_layer = &layer;
      week = own;
    }
    if (own->earlier_days() == config::v1::EARLIER_DAYS_OVERRIDE) break;
  }
  if (single != nullptr) {
    verdict.by_date = true;
    verdict.worked = single->kind() == config::v1::DAY_KIND_WORKING;
    verdict.day_rule.set_layer(single_layer->code());
    verdict.day_rule.set_document(single->document());
    verdict.day_rule.set_name(single->name());
  } else if (week != nullptr) {
    // absl counts from Monday, too.
    const int weekday = static_cast<int>(absl::GetWeekday(day)) + 1;
    verdict.worked = std::find(week->working_days().begin(), week->working_days().end(), weekday) !=
                     week->working_days().end();
    verdict.day_rule.set_layer(week_layer->code());
    verdict.day_rule.set_document(week->document());
  }
  if (!verdict.worked) return verdict;
  if (single != nullptr && !single->segments().empty()) {
    verdict.hours = HoursOf(single->segments());
    verdict.hours_rule = verdict.day_rule;
    return verdict;
  }
  for (int i = derivation.layers_size() - 1; i >= 0; --i) {
    const CalendarLayer& layer = derivation.layers(i);
    if (const config::v1::HoursRule* rule = HoursRuleAt(layer, day)) {
      verdict.hours = HoursOf(rule->segments());
      verdict.hours_rule.set_layer(layer.code());
      verdict.hours_rule.set_document(rule->document());
      break;
    }
  }
  return verdict;
}

// The derivation once more, from its inputs.
class Recomputation {
 public:
  explicit Recomputation(const DeadlineDerivation& derivation) : given_(derivation) {}

  absl::Status Run() {
    if (given_.start_time().nanos() != 0 || given_.start_time().seconds() < 0 ||
        given_.start_time().seconds() > int64_t{1} << 33) {
      return Refuse("start_time", "must be whole seconds from 1970 to 2199", "须为1970年至2199年间的整秒");
    }
    const int64_t value = given_.amount().value();
    const type::v1::TimeKind kind = given_.amount().kind();
    const bool days = kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_NATURAL_DAYS;
    if (value < 0 || value > (days ? kMaxDays : kMaxSeconds)) {
      return Refuse("amount.value", "is out of range", "超出范围");
    }
    start_ = absl::FromUnixSeconds(given_.start_time().seconds());
    end_ = start_;
    if (value > 0) {
      switch (kind) {
        case type::v1::TIME_KIND_CLOCK_TIME:
          Add(start_, start_ + absl::Seconds(value), true, v1::SEGMENT_REASON_CLOCK_TIME, nullptr);
          break;
        case type::v1::TIME_KIND_NATURAL_DAYS:
        case type::v1::TIME_KIND_WORKING_DAYS:
          if (!WalkDays(value, kind == type::v1::TIME_KIND_WORKING_DAYS)) return DoesNotFollow("amount");
          break;
        case type::v1::TIME_KIND_WORKING_HOURS:
          if (!WalkHours(value)) return DoesNotFollow("amount");
          break;
        default:
          return Refuse("amount.kind", "is not known", "类型未知");
      }
    } else if (kind < type::v1::TIME_KIND_WORKING_DAYS || kind > type::v1::TIME_KIND_CLOCK_TIME) {
      return Refuse("amount.kind", "is not known", "类型未知");
    }
    return Compare();
  }

 private:
  void Add(absl::Time begin, absl::Time end, bool counted, v1::SegmentReason reason, const Verdict* verdict) {
    if (begin >= end) return;
    DerivationSegment& segment = *made_.add_segments();
    segment.mutable_begin_time()->set_seconds(absl::ToUnixSeconds(begin));
    segment.mutable_end_time()->set_seconds(absl::ToUnixSeconds(end));
    segment.set_counted(counted);
    segment.set_reason(reason);
    if (verdict != nullptr && !verdict->day_rule.layer().empty()) {
      *segment.mutable_day_rule() = verdict->day_rule;
      if (verdict->worked) *segment.mutable_hours_rule() = verdict->hours_rule;
    }
    end_ = end;
  }

  void Note(const Verdict& verdict, absl::CivilDay day) {
    if (verdict.not_announced) made_.set_provisional(true);
    for (const std::string& layer : verdict.gaps) gaps_.emplace_back(layer, day);
  }

  static v1::SegmentReason ReasonOf(const Verdict& verdict) {
    if (verdict.worked) {
      return verdict.by_date ? v1::SEGMENT_REASON_WORKING_DATE : v1::SEGMENT_REASON_WORKING_DAY;
    }
    return verdict.by_date ? v1::SEGMENT_REASON_DATE_OFF : v1::SEGMENT_REASON_WEEKLY_REST;
  }

  bool WalkDays(int64_t count, bool working) {
    absl::CivilDay day = absl::ToCivilDay(start_, Beijing());
    Add(start_, At(day + 1, 0), false, v1::SEGMENT_REASON_START_DAY, nullptr);
    for (int walked = 0; count > 0; ++walked) {
      if (walked > kMaxDays) return false;
      ++day;
      if (!working) {
        Add(At(day, 0), At(day + 1, 0), true, v1::SEGMENT_REASON_NATURAL_DAY, nullptr);
        --count;
        continue;
      }
      const Verdict verdict = Judge(given_, day);
      Note(verdict, day);
      if (verdict.worked && verdict.hours.empty()) return false;
      if (verdict.worked) --count;
      const bool last = count == 0;
      Add(At(day, 0), last ? At(day, verdict.hours.back().second) : At(day + 1, 0), verdict.worked,
          ReasonOf(verdict), &verdict);
    }
    return true;
  }

  bool WalkHours(int64_t seconds) {
    absl::Duration left = absl::Seconds(seconds);
    absl::CivilDay day = absl::ToCivilDay(start_, Beijing());
    for (int walked = 0; left > absl::ZeroDuration(); ++walked, ++day) {
      if (walked > kMaxDays) return false;
      const Verdict verdict = Judge(given_, day);
      Note(verdict, day);
      absl::Time now = std::max(start_, At(day, 0));
      if (!verdict.worked) {
        Add(now, At(day + 1, 0), false, ReasonOf(verdict), &verdict);
        continue;
      }
      for (const auto& [open, close] : verdict.hours) {
        if (At(day, close) <= now) continue;
        if (left == absl::ZeroDuration()) break;
        const absl::Time from = std::max(now, At(day, open));
        const absl::Time to = std::min(At(day, close), from + left);
        Add(now, from, false, v1::SEGMENT_REASON_OFF_HOURS, &verdict);
        Add(from, to, true, ReasonOf(verdict), &verdict);
        left -= to - from;
        now = to;
      }
      if (left > absl::ZeroDuration()) {
        Add(now, At(day + 1, 0), false, v1::SEGMENT_REASON_OFF_HOURS, &verdict);
      }
    }
    return true;
  }

  absl::Status Compare() {
    for (int i = 0; i < std::max(made_.segments_size(), given_.segments_size()); ++i) {
      if (i >= made_.segments_size() || i >= given_.segments_size() ||
          made_.segments(i).SerializeAsString() != given_.segments(i).SerializeAsString()) {
        return DoesNotFollow(StrCat("segments[", i, "]"));
      }
    }
    made_.mutable_result_time()->set_seconds(absl::ToUnixSeconds(end_));
    if (made_.result_time().SerializeAsString() != given_.result_time().SerializeAsString()) {
      return DoesNotFollow("result_time");
    }
    if (made_.provisional() != given_.provisional()) return DoesNotFollow("provisional");
    Gaps();
    DeadlineDerivation gaps;
    *gaps.mutable_gaps() = given_.gaps();
    DeadlineDerivation own;
    *own.mutable_gaps() = made_.gaps();
    if (gaps.SerializeAsString() != own.SerializeAsString()) return DoesNotFollow("gaps");

    std::string versions;
    for (const CalendarLayer& layer : given_.layers()) {
      versions += StrCat(versions.empty() ? "" : ", ", layer.code(), "@", layer.version());
    }
    const size_t colon = given_.calendar().find(": ");
    if (!versions.empty() &&
        (colon == std::string::npos || given_.calendar().substr(colon + 2) != versions)) {
      return DoesNotFollow("calendar");
    }
    DeadlineDerivation bytes = given_;
    bytes.clear_digest();
    if (Sha256({bytes.SerializeAsString()}) != given_.digest()) {
      return Refuse("digest", "is not that of this message: a text in it was altered",
                    "与内容不符，推算依据的文字已被改动");
    }
    return absl::OkStatus();
  }

  // By layer, dates that follow each other together.
  void Gaps() {
    for (const CalendarLayer& layer : given_.layers()) {
      absl::CivilDay last;
      v1::CalendarGap* open = nullptr;
      for (const auto& [code, day] : gaps_) {
        if (code != layer.code()) continue;
        if (open == nullptr || last + 1 != day) {
          open = made_.add_gaps();
          open->set_layer(code);
          open->set_first_date(absl::FormatCivilTime(day));
        }
        open->set_last_date(absl::FormatCivilTime(day));
        last = day;
      }
    }
  }

  const DeadlineDerivation& given_;
  DeadlineDerivation made_;
  absl::Time start_;
  absl::Time end_;
  std::vector<std::pair<std::string, absl::CivilDay>> gaps_;
};

}  // namespace

absl::Status VerifyDerivation(const DeadlineDerivation& derivation) {
  return Recomputation(derivation).Run();
}

namespace {

int64_t SecondUp(const google::protobuf::Timestamp& time) {
  return time.seconds() + (time.nanos() > 0 ? 1 : 0);
}

absl::Status Within(const std::string& path, const absl::Status& status) {
  return status.ok() ? status : error::WithFieldPrefix(status, path);
}

bool IsMidnight(int64_t second) {
  const absl::Time time = absl::FromUnixSeconds(second);
  return At(absl::ToCivilDay(time, Beijing()), 0) == time;
}

bool IsWork(type::v1::TimeKind kind) {
  return kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_WORKING_HOURS;
}

// Seconds of work from `from` to `to` by the rules in `derivation`; nothing if these do not speak of each day
// between.
std::optional<int64_t> WorkBetween(const DeadlineDerivation& derivation, int64_t from, int64_t to) {
  int64_t seconds = 0;
  absl::CivilDay day = absl::ToCivilDay(absl::FromUnixSeconds(from), Beijing());
  for (int walked = 0; absl::ToUnixSeconds(At(day, 0)) < to; ++walked, ++day) {
    if (walked > kMaxDays) return std::nullopt;
    const Verdict verdict = Judge(derivation, day);
    if (verdict.day_rule.layer().empty()) return std::nullopt;
    if (!verdict.worked) continue;
    for (const auto& [open, close] : verdict.hours) {
      const int64_t opens = std::max(from, absl::ToUnixSeconds(At(day, open)));
      const int64_t closes = std::min(to, absl::ToUnixSeconds(At(day, close)));
      seconds += std::max<int64_t>(0, closes - opens);
    }
  }
  return seconds;
}

// Goes through the steps of a clock with a deadline, and with what is left while it stands still.
class Replay {
 public:
  explicit Replay(const v1::ClockDerivation& given) : given_(given) {}

  absl::Status Run() {
    if (given_.has_limit() == given_.has_carried_time()) return DoesNotFollow("limit");
    if (given_.has_limit()) {
      if (absl::Status status = Part("limit", given_.limit(), SecondUp(given_.start_time())); !status.ok()) {
        return status;
      }
      work_ = IsWork(given_.limit().amount().kind());
      due_ = given_.limit().result_time().seconds();
    } else {
      due_ = given_.carried_time().seconds();
      due_nanos_ = given_.carried_time().nanos();
    }
    for (int i = 0; i < given_.steps_size(); ++i) {
      const std::string path = StrCat("steps[", i, "]");
      if (absl::Status status = Step(path, i); !status.ok()) return status;
    }
    if (given_.result_time().seconds() != due_ || given_.result_time().nanos() != due_nanos_) {
      return DoesNotFollow("result_time");
    }
    // Stopped while it stood still, its deadline is what the last step makes of it.
    if (paused_ && given_.has_stop_time()) return DoesNotFollow("steps");
    if (given_.paused() != paused_) return DoesNotFollow("paused");
    if (given_.paused() && given_.left_seconds() != left_) return DoesNotFollow("left_seconds");
    if (given_.provisional() != provisional_) return DoesNotFollow("provisional");
    return absl::OkStatus();
  }

 private:
  absl::Status Part(const std::string& path, const DeadlineDerivation& part, int64_t start) {
    if (absl::Status status = Within(path, VerifyDerivation(part)); !status.ok()) return status;
    if (part.start_time().seconds() != start) return DoesNotFollow(path + ".start_time");
    if (IsWork(part.amount().kind())) {
      // All of it is by one rule, so by one calendar as long as one party has the duty.
      if (!calendar_.empty() && calendar_ != part.calendar()) return DoesNotFollow(path + ".calendar");
      calendar_ = part.calendar();
    }
    provisional_ |= part.provisional() || part.gaps_size() > 0;
    return absl::OkStatus();
  }

  // Part over something that is left, which is kept in the unit of the limit.
  absl::Status LeftPart(const std::string& path, const DeadlineDerivation& part, int64_t start) {
    if (absl::Status status = Part(path, part, start); !status.ok()) return status;
    const auto kind = work_ ? type::v1::TIME_KIND_WORKING_HOURS : type::v1::TIME_KIND_CLOCK_TIME;
    return part.amount().kind() == kind ? absl::OkStatus() : DoesNotFollow(path + ".amount.kind");
  }

  // What is left at the step, until the deadline as it is.
  absl::Status Stand(const std::string& path, const v1::DerivationStep& step) {
    const int64_t now = SecondUp(step.time());
    ahead_ = due_ > now;
    if (!ahead_) {
      if (step.has_derivation()) return DoesNotFollow(path + ".derivation");
      left_ = due_ - now;
      return absl::OkStatus();
    }
    if (!step.has_derivation()) return DoesNotFollow(path + ".derivation");
    const DeadlineDerivation& part = step.derivation();
    if (absl::Status status = LeftPart(path + ".derivation", part, now); !status.ok()) return status;
    const int64_t result = part.result_time().seconds();
    if (work_ && by_instant_ && result < due_) {
      // A deadline that was set to an instant can lie where no work is done before it: a second more of work
      // would pass it.
      const std::optional<int64_t> more = WorkBetween(part, result, due_);
      if (!more.has_value() || *more > 0) return DoesNotFollow(path + ".derivation.amount");
    } else if (result != due_) {
      return DoesNotFollow(path + ".derivation.result_time");
    }
    left_ = part.amount().value();
    return absl::OkStatus();
  }

  // How much is left when it runs on. A deadline that is ahead without any work before it has not passed: it
  // is used up by the first second of work.
  int64_t RunsOn() const { return left_ == 0 && ahead_ ? 1 : left_; }

  // What was left is used up from the step on.
  absl::Status RunAgain(const std::string& path, const v1::DerivationStep& step) {
    if (!paused_) return DoesNotFollow(path + ".kind");
    const int64_t now = SecondUp(step.time());
    if (RunsOn() > 0) {
      if (absl::Status status = LeftPart(path + ".derivation", step.derivation(), now); !status.ok()) {
        return status;
      }
      if (step.derivation().amount().value() != RunsOn()) return DoesNotFollow(path + ".derivation.amount");
      due_ = step.derivation().result_time().seconds();
    } else {
      if (step.has_derivation()) return DoesNotFollow(path + ".derivation");
      due_ = now + left_;
    }
    due_nanos_ = 0;
    left_ = 0;
    paused_ = false;
    by_instant_ = false;
    return absl::OkStatus();
  }

  // The deadline became an instant, which rests on no days.
  absl::Status Fix(const std::string& path, const v1::DerivationStep& step) {
    due_ = SecondUp(step.until_time());
    due_nanos_ = 0;
    by_instant_ = true;
    provisional_ = false;
    return paused_ ? Stand(path, step) : absl::OkStatus();
  }

  absl::Status Pass(const std::string& path, int index) {
    const v1::DerivationStep& step = given_.steps(index);
    int64_t standing = due_;
    if (step.has_standing() != (paused_ && RunsOn() > 0)) return DoesNotFollow(path + ".standing");
    if (paused_) {
      standing = SecondUp(step.time()) + left_;
      if (RunsOn() > 0) {
        const std::string part = path + ".standing";
        if (absl::Status status = LeftPart(part, step.standing(), SecondUp(step.time())); !status.ok()) {
          return status;
        }
        if (step.standing().amount().value() != RunsOn()) return DoesNotFollow(part + ".amount");
        standing = step.standing().result_time().seconds();
      }
    }
    // It stands as it was by the rules of then: all but a later publication gives the same.
    bool moved = false;
    for (int i = index + 1; i < given_.steps_size(); ++i) {
      moved |= given_.steps(i).kind() == v1::DERIVATION_STEP_KIND_MOVED;
    }
    if (!moved && SecondUp(step.until_time()) != standing) return DoesNotFollow(path + ".until_time");
    work_ = !step.calendar().empty();
    calendar_ = work_ ? step.calendar() : "";
    return Fix(path, step);
  }

  absl::Status ExtendBy(const std::string& path, const v1::DerivationStep& step) {
    const DeadlineDerivation& part = step.derivation();
    const auto kind = part.amount().kind();
    const bool days = kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_NATURAL_DAYS;
    // 24:00 is the end of its day, and days count from there.
    const int64_t start = days && IsMidnight(due_) ? due_ - 1 : due_;
    if (absl::Status status = Part(path + ".derivation", part, start); !status.ok()) return status;
    const int64_t result = part.result_time().seconds();
    if (paused_) {
      ahead_ = left_ >= 0;
      if (!work_) {
        left_ += result - due_;
      } else if (IsWork(kind)) {
        const std::optional<int64_t> more = WorkBetween(part, due_, result);
        if (!more.has_value()) return DoesNotFollow(path + ".derivation");
        left_ += *more;
      } else {
        // How much work there is in clock time, its derivation does not tell.
        const int64_t more = step.left_seconds() - left_;
        if (more < 0 || more > result - due_) return DoesNotFollow(path + ".left_seconds");
        left_ = step.left_seconds();
      }
    }
    due_ = result;
    due_nanos_ = 0;
    by_instant_ = !IsWork(kind);
    return absl::OkStatus();
  }

  // The deadline waits for the peer's time to accept, from one receipt on, whatever its days are by now.
  absl::Status Await(const std::string& path, const v1::DerivationStep& step) {
    const bool awaits =
        given_.clock() == type::v1::CLOCK_KIND_CONFIRM || given_.clock() == type::v1::CLOCK_KIND_VOICE;
    if (!awaits || paused_ || !given_.has_carried_time()) return DoesNotFollow(path + ".kind");
    const DeadlineDerivation& part = step.derivation();
    if (absl::Status status = Within(path + ".derivation", VerifyDerivation(part)); !status.ok()) {
      return status;
    }
    const int64_t start = part.start_time().seconds();
    if (start > SecondUp(step.time()) || start != awaited_.value_or(start)) {
      return DoesNotFollow(path + ".derivation.start_time");
    }
    // Only for working time a deadline begins to wait.
    if (!awaited_.has_value() && !IsWork(part.amount().kind())) {
      return DoesNotFollow(path + ".derivation.amount.kind");
    }
    awaited_ = start;
    const int64_t result = part.result_time().seconds();
    const bool later = result > given_.carried_time().seconds();
    due_ = later ? result : given_.carried_time().seconds();
    due_nanos_ = later ? 0 : given_.carried_time().nanos();
    provisional_ = later && (part.provisional() || part.gaps_size() > 0);
    return absl::OkStatus();
  }

  absl::Status Step(const std::string& path, int index) {
    const v1::DerivationStep& step = given_.steps(index);
    const int64_t now = SecondUp(step.time());
    if (now < now_) return DoesNotFollow(path + ".time");
    now_ = now;
    absl::Status status;
    switch (step.kind()) {
      case v1::DERIVATION_STEP_KIND_PAUSED:
        if (paused_) return DoesNotFollow(path + ".kind");
        paused_ = true;
        status = Stand(path, step);
        break;
      case v1::DERIVATION_STEP_KIND_RESUMED:
        status = RunAgain(path, step);
        break;
      case v1::DERIVATION_STEP_KIND_EXTENDED_UNTIL:
        status = Fix(path, step);
        break;
      case v1::DERIVATION_STEP_KIND_EXTENDED_BY:
        status = ExtendBy(path, step);
        break;
      case v1::DERIVATION_STEP_KIND_MOVED:
        break;
      case v1::DERIVATION_STEP_KIND_PASSED:
        status = Pass(path, index);
        break;
      case v1::DERIVATION_STEP_KIND_AWAITED:
        status = Await(path, step);
        break;
      case v1::DERIVATION_STEP_KIND_STOPPED:
        if (!given_.has_stop_time() || index + 1 != given_.steps_size()) return DoesNotFollow(path + ".kind");
        if (step.time().SerializeAsString() != given_.stop_time().SerializeAsString()) {
          return DoesNotFollow(path + ".time");
        }
        status = RunAgain(path, step);
        break;
      default:
        return DoesNotFollow(path + ".kind");
    }
    if (!status.ok()) return status;
    if (step.due_time().seconds() != due_) return DoesNotFollow(path + ".due_time");
    if (paused_ && step.left_seconds() != left_) return DoesNotFollow(path + ".left_seconds");
    return absl::OkStatus();
  }

  const v1::ClockDerivation& given_;
  int64_t now_ = INT64_MIN;
  int64_t due_ = 0;
  int32_t due_nanos_ = 0;
  int64_t left_ = 0;
  bool ahead_ = false;  // while it stands still: the deadline had not come
  // What is left is counted as work, by `calendar_`; that is empty before the first part by one.
  bool work_ = false;
  std::string calendar_;
  bool paused_ = false;
  bool by_instant_ = false;
  bool provisional_ = false;
  std::optional<int64_t> awaited_;  // when the peer's time began that the deadline waits for
};

}  // namespace

absl::Status VerifyClockDerivation(const v1::ClockDerivation& derivation) { return Replay(derivation).Run(); }

}  // namespace hotline::derivation
