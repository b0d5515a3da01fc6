#include "services/escalation/calendar/calendar.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/base/text.h"
#include "common/error/error.h"
#include "services/escalation/calendar/civil.h"
#include "services/escalation/calendar/layer.h"
#include "services/escalation/calendar/table.h"

namespace hotline::escalation::calendar {
namespace {

using error::Reason;
using type::v1::TimeKind;

absl::CivilDay Civil(Day day) { return absl::CivilDay(1970, 1, 1) + day; }

absl::Status OutsideYears(std::string_view field, Day first, Day last) {
  return error::BadField(
      Reason::ERROR_REASON_TIME_INVALID, field,
      StrCat("lies outside the calendar, which is from ", FormatDate(first), " to ", FormatDate(last)),
      StrCat("超出工作日历的范围（", FormatDate(first), "至", FormatDate(last), "）"));
}

// Whether `second` may be asked of; years are far below any overflow.
bool Finite(absl::Time time) {
  return time > absl::FromUnixSeconds(0) - absl::Hours(24) && time < absl::FromUnixSeconds(int64_t{1} << 33);
}

absl::Status BadInstant(std::string_view field) {
  return error::BadField(Reason::ERROR_REASON_TIME_INVALID, field, "must be a time from 1970 to 2199",
                         "须为1970年至2199年间的时间");
}

absl::Status CheckAmount(int64_t amount, TimeKind kind) {
  const bool days = kind == type::v1::TIME_KIND_WORKING_DAYS || kind == type::v1::TIME_KIND_NATURAL_DAYS;
  const int64_t most = days ? kMaxAmountDays : kMaxAmountSeconds;
  if (amount >= 0 && amount <= most) return absl::OkStatus();
  return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "amount",
                         StrCat("must be from 0 to ", most, days ? " days" : " seconds"),
                         StrCat("须在0到", most, days ? "天" : "秒", "之间"));
}

}  // namespace

int64_t SecondOf(absl::Time time) {
  const int64_t second = absl::ToUnixSeconds(time);
  return absl::FromUnixSeconds(second) < time ? second + 1 : second;
}

absl::Status CheckKind(TimeKind kind) {
  if (kind >= type::v1::TIME_KIND_WORKING_DAYS && kind <= type::v1::TIME_KIND_CLOCK_TIME) {
    return absl::OkStatus();
  }
  return error::BadEnum("kind", kind);
}

ResolvedDay Calendar::Table::Resolve(Day day) const {
  ResolvedDay result;
  // A single day, of whatever layer so far, has decided.
  bool by_date = false;
  const Hours* own = nullptr;
  int own_layer = -1;
  int own_single = -1;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int layer = static_cast<int>(i);
    const DayView view = layers_[i].At(day);
    if (view.weekly >= 0 && (view.overrides || !by_date)) {
      if (view.overrides) {
        by_date = false;
        own = nullptr;
        result.doubts.clear();
      }
      result.working = view.weekly_works;
      result.layer = layer;
      result.weekly = view.weekly;
      result.single = -1;
    }
    if (view.hours >= 0) {
      result.hours_layer = layer;
      result.hours = view.hours;
      result.segments = view.hours_segments;
    }
    if (view.single >= 0) {
      by_date = true;
      result.doubts.clear();
      result.working = view.single_works;
      result.layer = layer;
      result.single = view.single;
      result.weekly = -1;
      own = view.single_hours;
      own_layer = layer;
      own_single = view.single;
    } else if (view.coverage != Coverage::kSettled) {
      result.doubts.push_back({layer, view.coverage});
    }
  }
  if (own != nullptr) {
    result.segments = own;
    result.hours_layer = own_layer;
    result.hours = -1;
    result.hours_single = own_single;
  }
  return result;
}

absl::Status Calendar::Table::Fill(Day first, Day last) {
  version_ = StrCat(code_, ": ");
  for (const Layer& layer : layers_) {
    if (&layer != &layers_.front()) version_ += ", ";
    version_ += StrCat(layer.message().code(), "@", layer.message().version());
  }
  first_ = first;
  last_ = last;
  rows_.reserve(last - first + 2);
  std::map<std::vector<std::pair<int32_t, int32_t>>, int32_t> known;
  Row row;
  for (Day day = first; day <= last; ++day) {
    const ResolvedDay resolved = Resolve(day);
    int64_t seconds = 0;
    row.hours = -1;
    if (resolved.working) {
      if (resolved.segments == nullptr) {
        return error::BadField(Reason::ERROR_REASON_FIELD_REQUIRED, "layers",
                               StrCat(FormatDate(day), " is a working day, and no layer has hours for it"),
                               StrCat(FormatDate(day), "为工作日，但各层均未规定当日的上下班时间"));
      }
      std::vector<std::pair<int32_t, int32_t>> key;
      for (const Segment& segment : *resolved.segments) {
        key.emplace_back(segment.open, segment.close);
        seconds += segment.close - segment.open;
      }
      const auto [it, fresh] = known.emplace(std::move(key), static_cast<int32_t>(hours_.size()));
      if (fresh) hours_.push_back(*resolved.segments);
      row.hours = it->second;
      working_days_.push_back(day);
    }
    rows_.push_back(row);
    row.seconds += seconds;
    row.working_days += resolved.working ? 1 : 0;
    bool not_announced = false;
    bool gap = false;
    for (const ResolvedDay::Doubt& doubt : resolved.doubts) {
      (doubt.coverage == Coverage::kGap ? gap : not_announced) = true;
    }
    row.not_announced += not_announced ? 1 : 0;
    row.gaps += gap ? 1 : 0;
  }
  row.hours = -1;
  rows_.push_back(row);
  return absl::OkStatus();
}

int64_t Calendar::Table::WorkedBefore(int64_t second) const {
  const Day day = DayOf(second);
  const Row& at = row(day);
  int64_t worked = at.seconds;
  if (at.hours < 0) return worked;
  const auto within = static_cast<int32_t>(second - Midnight(day));
  for (const Segment& segment : hours(at)) {
    if (within <= segment.open) break;
    worked += std::min(within, segment.close) - segment.open;
  }
  return worked;
}

Certainty Calendar::Table::CertaintyOf(Day first, Day last) const {
  if (last < first) return {};
  const Row& begin = row(first);
  const Row& end = row(last + 1);
  return {.provisional = end.not_announced != begin.not_announced, .gap = end.gaps != begin.gaps};
}

absl::StatusOr<Calendar> Calendar::Create(std::string code, std::vector<config::v1::CalendarLayer> layers,
                                          Options options) {
  if (options.first_year < 1970 || options.last_year > 2199 || options.last_year < options.first_year ||
      options.last_year - options.first_year >= 100) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "options",
                           "years must be from 1970 to 2199, at most 100 of them",
                           "年份须在1970至2199之间，且不超过100年");
  }
  if (layers.empty()) return error::Required("layers");
  if (layers.size() > kMaxLayers) {
    return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "layers",
                           StrCat("has more than ", kMaxLayers, " entries"),
                           StrCat("超过", kMaxLayers, "项"));
  }
  std::set<std::string> codes;
  std::vector<Layer> ready;
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string path = StrCat("layers[", i, "]");
    if (const std::vector<Problem> problems = CheckLayer(layers[i]); !problems.empty()) {
      const Problem& first = problems.front();
      const Reason reason = first.english == "is required" ? Reason::ERROR_REASON_FIELD_REQUIRED
                                                           : Reason::ERROR_REASON_FIELD_INVALID;
      return error::BadField(reason, StrCat(path, ".", first.path), first.english, first.chinese);
    }
    if (!codes.insert(layers[i].code()).second) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, path + ".code", "is there twice", "重复");
    }
    if (i > 0 && layers[i].level() < ready.back().message().level()) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, path + ".level",
                             "must not come after a later level: nation, region, prefecture, county, unit",
                             "层级次序须为国家、自治区、自治州、县、单位");
    }
    ready.emplace_back(std::move(layers[i]));
  }
  auto table = std::make_shared<Table>(std::move(code), std::move(ready));
  if (absl::Status status =
          table->Fill(DayOfDate(options.first_year, 1, 1), DayOfDate(options.last_year, 12, 31));
      !status.ok()) {
    return status;
  }
  return Calendar(std::move(table));
}

absl::StatusOr<Deadline> Calendar::AddWorkingTime(absl::Time start, int64_t amount, TimeKind kind) const {
  if (absl::Status status = CheckKind(kind); !status.ok()) return status;
  if (absl::Status status = CheckAmount(amount, kind); !status.ok()) return status;
  if (!Finite(start)) return BadInstant("start");
  const Table& table = *table_;
  const int64_t begin = SecondOf(start);
  const Day day = DayOf(begin);
  const auto at = [](int64_t second, Certainty certainty = {}) {
    return Deadline{absl::FromUnixSeconds(second), certainty};
  };
  if (kind == type::v1::TIME_KIND_CLOCK_TIME || amount == 0) return at(begin + amount);
  if (kind == type::v1::TIME_KIND_NATURAL_DAYS) return at(Midnight(day + static_cast<Day>(amount) + 1));
  if (!table.Holds(day)) return OutsideYears("start", table.first_, table.last_);

  if (kind == type::v1::TIME_KIND_WORKING_DAYS) {
    const int64_t index = table.row(day + 1).working_days + amount - 1;
    if (index >= static_cast<int64_t>(table.working_days_.size())) {
      return OutsideYears("result", table.first_, table.last_);
    }
    const Day last = table.working_days_[index];
    return at(Midnight(last) + table.hours(table.row(last)).back().close, table.CertaintyOf(day + 1, last));
  }

  const int64_t target = table.WorkedBefore(begin) + amount;
  if (target > table.rows_.back().seconds) return OutsideYears("result", table.first_, table.last_);
  // The last day before which less was worked. Limits are short: step up from the start, then halve.
  const auto& rows = table.rows_;
  size_t low = day - table.first_;
  size_t step = 1;
  while (low + step < rows.size() && rows[low + step].seconds < target) {
    low += step;
    step *= 2;
  }
  size_t high = std::min(low + step, rows.size() - 1);
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (rows[middle].seconds < target ? low : high) = middle;
  }
  const Day last = table.first_ + static_cast<Day>(low);
  int64_t rest = target - rows[low].seconds;
  for (const Segment& segment : table.hours(rows[low])) {
    const int64_t length = segment.close - segment.open;
    if (rest <= length) return at(Midnight(last) + segment.open + rest, table.CertaintyOf(day, last));
    rest -= length;
  }
  return error::Internal("the table of working days does not add up");
}

absl::StatusOr<Deadline> Calendar::SubtractWorkingTime(absl::Time end, int64_t amount, TimeKind kind) const {
  if (absl::Status status = CheckKind(kind); !status.ok()) return status;
  if (absl::Status status = CheckAmount(amount, kind); !status.ok()) return status;
  if (!Finite(end)) return BadInstant("end");
  const Table& table = *table_;
  const int64_t until = SecondOf(end);
  const auto at = [](int64_t second, Certainty certainty = {}) {
    return Deadline{absl::FromUnixSeconds(second), certainty};
  };
  if (kind == type::v1::TIME_KIND_CLOCK_TIME || amount == 0) return at(until - amount);
  if (kind == type::v1::TIME_KIND_NATURAL_DAYS) return at(until - amount * kDaySeconds);
  // The day that the second before the end lies in, so that a midnight belongs to the day it ends.
  const Day day = DayOf(until - 1);
  if (!table.Holds(day)) return OutsideYears("end", table.first_, table.last_);

  if (kind == type::v1::TIME_KIND_WORKING_DAYS) {
    const Table::Row& row = table.row(day);
    const bool open = row.hours >= 0 && Midnight(day) + table.hours(row).front().open < until;
    const int64_t index = row.working_days + (open ? 1 : 0) - amount;
    if (index < 0) return OutsideYears("result", table.first_, table.last_);
    const Day first = table.working_days_[static_cast<size_t>(index)];
    return at(Midnight(first) + table.hours(table.row(first)).front().open, table.CertaintyOf(first, day));
  }

  const int64_t target = table.WorkedBefore(until) - amount;
  if (target < 0) return OutsideYears("result", table.first_, table.last_);
  // The first day until whose end more was worked.
  const auto& rows = table.rows_;
  size_t low = 0;
  size_t high = static_cast<size_t>(day - table.first_);
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (rows[middle + 1].seconds > target) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const Day first = table.first_ + static_cast<Day>(low);
  if (rows[low].hours < 0) return error::Internal("the table of working days does not add up");
  int64_t rest = target - rows[low].seconds;
  for (const Segment& segment : table.hours(rows[low])) {
    const int64_t length = segment.close - segment.open;
    if (rest < length) return at(Midnight(first) + segment.open + rest, table.CertaintyOf(first, day));
    rest -= length;
  }
  return error::Internal("the table of working days does not add up");
}

absl::StatusOr<Measured> Calendar::Measure(absl::Time from, absl::Time to, TimeKind kind) const {
  if (absl::Status status = CheckKind(kind); !status.ok()) return status;
  if (!Finite(from)) return BadInstant("from");
  if (!Finite(to)) return BadInstant("to");
  const int64_t begin = SecondOf(from);
  const int64_t end = SecondOf(to);
  if (end < begin) {
    return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "to", "is before from", "早于起始时间");
  }
  if (kind == type::v1::TIME_KIND_CLOCK_TIME) return Measured{end - begin, {}};
  const Day first = DayOf(begin);
  const Day last = DayOf(end);
  if (kind == type::v1::TIME_KIND_NATURAL_DAYS) return Measured{std::max(0, last - first - 1), {}};
  const Table& table = *table_;
  if (begin == end) return Measured{};
  // The end may be the midnight that ends the table.
  const bool whole = end == Midnight(table.last_ + 1);
  if (!table.Holds(first)) return OutsideYears("from", table.first_, table.last_);
  if (!table.Holds(last) && !whole) return OutsideYears("to", table.first_, table.last_);

  if (kind == type::v1::TIME_KIND_WORKING_DAYS) {
    if (last == first) return Measured{};
    int64_t days = table.row(last).working_days - table.row(first + 1).working_days;
    const Table::Row& row = table.row(last);
    if (row.hours >= 0 && Midnight(last) + table.hours(row).back().close <= end) ++days;
    return Measured{days, table.CertaintyOf(first + 1, DayOf(end - 1))};
  }
  const int64_t worked = whole ? table.rows_.back().seconds : table.WorkedBefore(end);
  return Measured{worked - table.WorkedBefore(begin), table.CertaintyOf(first, DayOf(end - 1))};
}

absl::StatusOr<bool> Calendar::IsWorking(absl::Time t) const {
  if (!Finite(t)) return BadInstant("time");
  const int64_t second = absl::ToUnixSeconds(t);
  const Day day = DayOf(second);
  if (!table_->Holds(day)) return OutsideYears("time", table_->first_, table_->last_);
  const Table::Row& row = table_->row(day);
  if (row.hours < 0) return false;
  const int32_t within = SecondOfDay(second);
  for (const Segment& segment : table_->hours(row)) {
    if (segment.open <= within && within < segment.close) return true;
  }
  return false;
}

absl::StatusOr<absl::Time> Calendar::NextChange(absl::Time t) const {
  const absl::StatusOr<bool> working = IsWorking(t);
  if (!working.ok()) return working.status();
  const int64_t second = absl::ToUnixSeconds(t);
  // Where work that is on at the moment ends, if it is not taken up again at once.
  std::optional<int64_t> close;
  for (Day day = DayOf(second); day <= table_->last_; ++day) {
    const Table::Row& row = table_->row(day);
    if (*working && close.has_value() && (row.hours < 0 || *close < Midnight(day))) break;
    if (row.hours < 0) continue;
    for (const Segment& segment : table_->hours(row)) {
      const int64_t opens = Midnight(day) + segment.open;
      const int64_t closes = Midnight(day) + segment.close;
      if (!*working) {
        if (opens > second) return absl::FromUnixSeconds(opens);
        continue;
      }
      if (closes <= second) continue;
      if (close.has_value() && opens > *close) return absl::FromUnixSeconds(*close);
      close = closes;
    }
  }
  if (close.has_value() && *close <= Midnight(table_->last_) + kDaySeconds - 1) {
    return absl::FromUnixSeconds(*close);
  }
  return absl::InfiniteFuture();
}

std::vector<UncertainSpan> Calendar::Uncertain(absl::CivilDay first, absl::CivilDay last) const {
  std::vector<UncertainSpan> spans;
  const absl::CivilDay begin = std::max(first, Civil(table_->first_));
  const absl::CivilDay end = std::min(last, Civil(table_->last_));
  if (end < begin) return spans;
  for (size_t layer = 0; layer < table_->layers_.size(); ++layer) {
    for (absl::CivilDay civil = begin; civil <= end; ++civil) {
      const ResolvedDay day = table_->Resolve(static_cast<Day>(civil - absl::CivilDay(1970, 1, 1)));
      for (const ResolvedDay::Doubt& doubt : day.doubts) {
        if (doubt.layer != static_cast<int>(layer)) continue;
        const bool gap = doubt.coverage == Coverage::kGap;
        const std::string& code = table_->layers_[layer].message().code();
        if (!spans.empty() && spans.back().layer == code && spans.back().gap == gap &&
            spans.back().last + 1 == civil) {
          spans.back().last = civil;
        } else {
          spans.push_back({code, civil, civil, gap});
        }
      }
    }
  }
  return spans;
}

std::vector<config::v1::CalendarLayer> Calendar::layers() const {
  std::vector<config::v1::CalendarLayer> layers;
  for (const Layer& layer : table_->layers_) layers.push_back(layer.message());
  return layers;
}

const std::string& Calendar::code() const { return table_->code_; }
const std::string& Calendar::version() const { return table_->version_; }

}  // namespace hotline::escalation::calendar
