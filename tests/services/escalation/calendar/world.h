// Calendars for tests: those that are shipped, and random ones with a plain oracle beside them.
#ifndef TESTS_SERVICES_ESCALATION_CALENDAR_WORLD_H_
#define TESTS_SERVICES_ESCALATION_CALENDAR_WORLD_H_

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "services/escalation/calendar/calendar.h"
#include "services/escalation/edge_calendar.h"

namespace hotline::escalation::calendar::test {

using type::v1::TIME_KIND_CLOCK_TIME;
using type::v1::TIME_KIND_NATURAL_DAYS;
using type::v1::TIME_KIND_WORKING_DAYS;
using type::v1::TIME_KIND_WORKING_HOURS;
using type::v1::TimeKind;

inline absl::TimeZone Beijing() { return absl::FixedTimeZone(8 * 3600); }

// `2024-02-09 16:30`, also with `:SS`, in Beijing time.
inline absl::Time T(const std::string& text) {
  absl::Time time;
  std::string error;
  const std::string full = text.size() == 10 ? text + " 00:00:00" : text.size() == 16 ? text + ":00" : text;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%S", full, Beijing(), &time, &error)) << error;
  return time;
}
inline std::string Show(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, Beijing()); }

inline std::string Shipped(const std::string& name) {
  return std::string(HOTLINE_SOURCE_DIR) + "/deploy/calendars/" + name;
}

// A calendar of shipped layers.
inline Calendar Of(const std::vector<std::string>& names) {
  std::vector<config::v1::CalendarLayer> layers;
  for (const std::string& name : names) {
    absl::StatusOr<config::v1::CalendarLayer> layer = LoadLayer(Shipped(name + ".yaml"));
    EXPECT_TRUE(layer.ok()) << layer.status();
    layers.push_back(*std::move(layer));
  }
  absl::StatusOr<Calendar> calendar = Calendar::Create("test", std::move(layers));
  EXPECT_TRUE(calendar.ok()) << calendar.status();
  return *std::move(calendar);
}

inline std::string Add(const Calendar& calendar, const std::string& start, int64_t amount, TimeKind kind) {
  const absl::StatusOr<Deadline> deadline = calendar.AddWorkingTime(T(start), amount, kind);
  if (!deadline.ok()) return std::string(deadline.status().message());
  return absl::StrCat(Show(deadline->time), deadline->certainty.provisional ? " provisional" : "",
                      deadline->certainty.gap ? " gap" : "");
}

// --- Random calendars --------------------------------------------------------------------------------------

// All days of random calendars; the first is a Thursday.
inline constexpr absl::CivilDay kFirst(2026, 1, 1);
inline constexpr int kDays = 730;
inline constexpr int kMinutesADay = 1440;

using Minutes = std::vector<std::pair<int, int>>;  // half open, of a day

struct ModelLayer {
  std::optional<int> week;  // bit n: weekday n, from Monday
  bool overrides = false;
  std::map<int, Minutes> seasons;  // by month × 100 + day
  struct Single {
    bool works;
    Minutes hours;  // empty: as any day
  };
  std::map<int, Single> singles;  // by day from kFirst
};
using Model = std::vector<ModelLayer>;

inline Minutes RandomHours() {
  Minutes hours;
  int at = 0;
  const int count = *rc::gen::inRange(1, 4);
  for (int i = 0; i < count; ++i) {
    // Half hours, so that shifts touch now and then; sometimes the whole day.
    const int open = at + 30 * *rc::gen::inRange(0, 12);
    if (open >= kMinutesADay) break;
    const int close = std::min(kMinutesADay, open + 30 * *rc::gen::inRange(1, 20));
    hours.emplace_back(open, close);
    at = close;
  }
  if (*rc::gen::inRange(0, 8) == 0) hours = {{0, kMinutesADay}};
  return hours;
}

inline ModelLayer RandomLayer(bool base) {
  ModelLayer layer;
  if (base || *rc::gen::inRange(0, 3) == 0) {
    layer.week = base ? *rc::gen::inRange(1, 128) : *rc::gen::inRange(0, 128);
    layer.overrides = *rc::gen::inRange(0, 3) == 0;
  }
  const int seasons = base ? *rc::gen::inRange(1, 4) : *rc::gen::inRange(0, 3);
  for (int i = 0; i < seasons; ++i) {
    // Some begin within the days that are looked at.
    const int month = *rc::gen::arbitrary<bool>() ? 11 : *rc::gen::inRange(1, 13);
    layer.seasons[month * 100 + *rc::gen::inRange(1, 29)] = RandomHours();
  }
  const int singles = *rc::gen::inRange(0, 12);
  for (int i = 0; i < singles; ++i) {
    // Many of them where the probes are.
    const int day = *rc::gen::inRange(0, 3) == 0 ? *rc::gen::inRange(0, kDays) : *rc::gen::inRange(300, 340);
    ModelLayer::Single single{*rc::gen::arbitrary<bool>(), {}};
    if (single.works && *rc::gen::inRange(0, 3) == 0) single.hours = RandomHours();
    layer.singles[day] = single;
  }
  return layer;
}

inline Model RandomModel() {
  Model model = {RandomLayer(true)};
  const int more = *rc::gen::inRange(0, 5);
  for (int i = 0; i < more; ++i) model.push_back(RandomLayer(false));
  return model;
}

inline config::v1::CalendarLayer ToMessage(const ModelLayer& model, int index) {
  const auto written = [](const Minutes& hours, auto* out) {
    for (const auto& [open, close] : hours) {
      out->Add(absl::StrFormat("%02d:%02d-%02d:%02d", open / 60, open % 60, close / 60, close % 60));
    }
  };
  config::v1::CalendarLayer layer;
  layer.set_level(static_cast<config::v1::LayerLevel>(std::min(index + 1, 5)));
  layer.set_code(absl::StrCat("layer", index));
  layer.set_display_name(absl::StrCat("第", index, "层"));
  layer.set_version("1");
  config::v1::CalendarDocument& document = *layer.add_documents();
  document.set_number(absl::StrCat("文〔2026〕", index, "号"));
  document.set_title("测试");
  document.set_issue_date("2026-01-01");
  document.set_first_date("1970-01-01");
  if (model.week.has_value()) {
    config::v1::WeeklyRule& rule = *layer.add_weekly();
    rule.set_document(document.number());
    for (int day = 0; day < 7; ++day) {
      if ((*model.week >> day & 1) != 0) rule.add_working_days(static_cast<config::v1::Weekday>(day + 1));
    }
    rule.set_earlier_days(model.overrides ? config::v1::EARLIER_DAYS_OVERRIDE
                                          : config::v1::EARLIER_DAYS_KEEP);
  }
  for (const auto& [from, hours] : model.seasons) {
    config::v1::HoursRule& rule = *layer.add_hours();
    rule.set_document(document.number());
    rule.set_season_from(absl::StrFormat("%02d-%02d", from / 100, from % 100));
    written(hours, rule.mutable_segments());
  }
  for (const auto& [day, single] : model.singles) {
    config::v1::DayRule& rule = *layer.add_days();
    rule.set_document(document.number());
    rule.set_first_date(absl::FormatCivilTime(kFirst + day));
    rule.set_kind(single.works ? config::v1::DAY_KIND_WORKING : config::v1::DAY_KIND_OFF);
    rule.set_name("某日");
    written(single.hours, rule.mutable_segments());
  }
  return layer;
}

inline Calendar ToCalendar(const Model& model) {
  std::vector<config::v1::CalendarLayer> layers;
  for (size_t i = 0; i < model.size(); ++i) layers.push_back(ToMessage(model[i], static_cast<int>(i)));
  absl::StatusOr<Calendar> calendar =
      Calendar::Create("random", std::move(layers), {.first_year = 2026, .last_year = 2027});
  RC_ASSERT(calendar.ok());
  return *std::move(calendar);
}

// Minute by minute, from the model alone.
class Oracle {
 public:
  explicit Oracle(const Model& model) : worked_(kDays * kMinutesADay) {
    for (int day = 0; day < kDays; ++day) {
      for (const auto& [open, close] : HoursOf(model, day)) {
        for (int m = open; m < close; ++m) worked_[day * kMinutesADay + m] = true;
      }
    }
  }

  // Hours of a day; empty: not worked.
  static Minutes HoursOf(const Model& model, int day) {
    // The last word: a single day, or a week that overrides; else the last week.
    const ModelLayer::Single* single = nullptr;
    bool works = false;
    bool decided = false;
    for (size_t i = model.size(); i-- > 0;) {
      const ModelLayer& layer = model[i];
      if (const auto it = layer.singles.find(day); it != layer.singles.end()) {
        single = &it->second;
        works = single->works;
        break;
      }
      if (!layer.week.has_value()) continue;
      // kFirst is a Thursday.
      if (!decided) works = (*layer.week >> ((day + 3) % 7) & 1) != 0;
      decided = true;
      if (layer.overrides) break;
    }
    if (!works) return {};
    if (single != nullptr && !single->hours.empty()) return single->hours;
    const absl::CivilDay civil = kFirst + day;
    const int today = civil.month() * 100 + civil.day();
    for (size_t i = model.size(); i-- > 0;) {
      const std::map<int, Minutes>& seasons = model[i].seasons;
      if (seasons.empty()) continue;
      auto it = seasons.upper_bound(today);
      return it == seasons.begin() ? seasons.rbegin()->second : std::prev(it)->second;
    }
    return {};
  }

  bool At(int minute) const { return worked_[minute]; }
  int64_t Between(int from, int to) const {
    int64_t count = 0;
    for (int m = from; m < to; ++m) count += worked_[m] ? 1 : 0;
    return count;
  }

 private:
  std::vector<bool> worked_;
};

inline absl::Time AtMinute(int64_t minute) {
  return absl::FromCivil(absl::CivilSecond(kFirst), Beijing()) + absl::Minutes(minute);
}

}  // namespace hotline::escalation::calendar::test

#endif  // TESTS_SERVICES_ESCALATION_CALENDAR_WORLD_H_
