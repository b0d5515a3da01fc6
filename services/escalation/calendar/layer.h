// One layer of a calendar: its rules checked, and ready to be asked what they say of a date. Pure.
#ifndef SERVICES_ESCALATION_CALENDAR_LAYER_H_
#define SERVICES_ESCALATION_CALENDAR_LAYER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "hotline/config/v1/calendar.pb.h"
#include "services/escalation/calendar/civil.h"

namespace hotline::escalation::calendar {

inline constexpr int kMaxLayers = 16;
inline constexpr int kMaxDocuments = 1024;
inline constexpr int kMaxRules = 4096;
inline constexpr int kMaxRangeDays = 366;
inline constexpr int kMaxSegments = 8;
inline constexpr int64_t kMaxTextCodePoints = 64;
inline constexpr int64_t kMaxTitleCodePoints = 256;

// A rule of the schema that a layer breaks.
struct Problem {
  // Of the field: `days[3].first_date`; of an entry if it is about the whole of it.
  std::string path;
  std::string english;
  std::string chinese;
};

// Every rule written beside the fields of CalendarLayer. `imports` must be gone: they have been read into
// `days`.
std::vector<Problem> CheckLayer(const config::v1::CalendarLayer& layer);

// The hours of a day: in order, not overlapping, at least one.
using Hours = std::vector<Segment>;

// How far the single days of a date are known to a layer.
enum class Coverage {
  kSettled,
  // No notice has come for it yet.
  kNotAnnounced,
  // There may have been a notice, which is not known here.
  kGap,
};

// What a layer says of one date. Indices are those of the message; -1: nothing.
struct DayView {
  // `days`: the single day that wins within the layer, with its hours, if it has its own.
  int single = -1;
  const Hours* single_hours = nullptr;
  bool single_works = false;
  // `weekly`.
  int weekly = -1;
  bool weekly_works = false;
  bool overrides = false;
  // `hours`.
  int hours = -1;
  const Hours* hours_segments = nullptr;
  Coverage coverage = Coverage::kSettled;
};

// Movable, immutable. Its views point into it.
class Layer {
 public:
  // `message` passes CheckLayer.
  explicit Layer(config::v1::CalendarLayer message);

  DayView At(Day day) const;
  const config::v1::CalendarLayer& message() const { return message_; }

 private:
  struct Validity {
    Day first;
    Day last;
    Day issue;
    bool Holds(Day day) const { return first <= day && day <= last; }
  };
  struct Weekly {
    Validity validity;
    uint32_t worked;  // bit n: weekday n
    bool overrides;
  };
  struct Season {
    Validity validity;
    int document;  // index; seasons of one document belong together
    int from;      // as MonthDayOf
    Hours segments;
  };
  struct Span {
    Day first;
    Day last;
    bool announced;
  };

  Coverage SpanAt(Day day) const;
  Coverage CoverageAt(Day day) const;

  config::v1::CalendarLayer message_;
  std::vector<Weekly> weekly_;
  std::vector<Season> seasons_;
  absl::flat_hash_map<Day, int> singles_;
  std::vector<Hours> single_hours_;
  std::vector<Span> spans_;
  Day last_span_ = 0;
};

}  // namespace hotline::escalation::calendar

#endif  // SERVICES_ESCALATION_CALENDAR_LAYER_H_
