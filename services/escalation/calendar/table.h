// The days of a calendar, resolved through its layers and summed up, so that a question is a few look-ups.
// Inside of calendar.h.
#ifndef SERVICES_ESCALATION_CALENDAR_TABLE_H_
#define SERVICES_ESCALATION_CALENDAR_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "services/escalation/calendar/calendar.h"
#include "services/escalation/calendar/civil.h"
#include "services/escalation/calendar/layer.h"

namespace hotline::escalation::calendar {

// A date resolved through all layers.
struct ResolvedDay {
  bool working = false;
  // The layer and rule that decide whether it is worked: `single` or `weekly`. -1: none, so it is not.
  int layer = -1;
  int single = -1;
  int weekly = -1;
  // Where its hours come from: a layer and its `hours` rule, or, if -1, its single day.
  int hours_layer = -1;
  int hours = -1;
  int hours_single = -1;
  const Hours* segments = nullptr;
  struct Doubt {
    int layer;
    Coverage coverage;
  };
  // Layers whose announcements would decide it and are not there.
  std::vector<Doubt> doubts;
};

class Calendar::Table {
 public:
  // Totals of the days before one, and its own hours.
  struct Row {
    int64_t seconds = 0;
    int32_t working_days = 0;
    int32_t not_announced = 0;
    int32_t gaps = 0;
    int32_t hours = -1;  // in `hours_`; -1: not a working day
  };

  Table(std::string code, std::vector<Layer> layers) : code_(std::move(code)), layers_(std::move(layers)) {}
  absl::Status Fill(Day first, Day last);

  ResolvedDay Resolve(Day day) const;
  bool Holds(Day day) const { return first_ <= day && day <= last_; }
  // Of a day the table holds, or the one after its last (totals only).
  const Row& row(Day day) const { return rows_[day - first_]; }
  // Of a working day.
  const Hours& hours(const Row& row) const { return hours_[row.hours]; }
  // Seconds worked up to a second since the epoch whose day the table holds.
  int64_t WorkedBefore(int64_t second) const;
  // Of the days from `first` to `last`; none if they are in the wrong order.
  Certainty CertaintyOf(Day first, Day last) const;

  std::string code_;
  std::string version_;
  std::vector<Layer> layers_;
  Day first_ = 0;
  Day last_ = -1;
  std::vector<Row> rows_;          // one more than days
  std::vector<Day> working_days_;  // in order
  std::vector<Hours> hours_;       // each different one once
};

// The second that an instant counts as: its own, or the end of the one it lies in.
int64_t SecondOf(absl::Time time);

// What a computation was asked, checked; shared by AddWorkingTime and Derive.
absl::Status CheckKind(type::v1::TimeKind kind);

}  // namespace hotline::escalation::calendar

#endif  // SERVICES_ESCALATION_CALENDAR_TABLE_H_
