// The people's part of the process: the directory and its gRPC face, with store, log lines and metrics of its
// own.
#ifndef SERVICES_ESCALATION_EDGE_PEOPLE_H_
#define SERVICES_ESCALATION_EDGE_PEOPLE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/boot/boot.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/directory/core/resolve.h"
#include "services/escalation/directory/service.h"
#include "services/escalation/directory/store/store.h"

namespace hotline::escalation {

// The calendars that hold at the moment; null if there are none. Thread-safe.
using CalendarsNow = std::function<std::shared_ptr<const Calendars>()>;

// Office hours by the calendars that hold: who is told on a holiday that was published today knows of it.
class CalendarHours final : public directory::OfficeHours {
 public:
  explicit CalendarHours(CalendarsNow calendars) : calendars_(std::move(calendars)) {}
  bool Knows(std::string_view calendar) const override;
  bool IsOpen(std::string_view calendar, absl::Time t) const override;
  absl::Time NextChange(std::string_view calendar, absl::Time t) const override;

 private:
  const CalendarsNow calendars_;
};

class People {
 public:
  // `environment`, and what `calendars` asks, outlive it.
  static absl::StatusOr<std::unique_ptr<People>> Create(const boot::Environment& environment,
                                                        CalendarsNow calendars,
                                                        std::unique_ptr<directory::Store> store);
  virtual ~People() = default;

  virtual std::vector<boot::Endpoint> endpoints() = 0;
  virtual void Start() = 0;
  virtual const directory::Service& directory() const = 0;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_PEOPLE_H_
