// The people's part of the process: the directory and its gRPC face, with store, log lines and metrics of its
// own.
#ifndef SERVICES_ESCALATION_EDGE_PEOPLE_H_
#define SERVICES_ESCALATION_EDGE_PEOPLE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/boot/boot.h"
#include "services/escalation/calendar/calendar.h"
#include "services/escalation/directory/core/resolve.h"
#include "services/escalation/directory/service.h"
#include "services/escalation/directory/store/store.h"

namespace hotline::escalation {

using Calendars = std::map<std::string, calendar::Calendar, std::less<>>;

// Office hours by the site's calendars.
class CalendarHours final : public directory::OfficeHours {
 public:
  explicit CalendarHours(Calendars calendars) : calendars_(std::move(calendars)) {}
  bool Knows(std::string_view calendar) const override;
  bool IsOpen(std::string_view calendar, absl::Time t) const override;
  absl::Time NextChange(std::string_view calendar, absl::Time t) const override;

 private:
  const Calendars calendars_;
};

class People {
 public:
  // Reads the site's calendars. `environment` outlives it.
  static absl::StatusOr<std::unique_ptr<People>> Create(const boot::Environment& environment,
                                                        std::unique_ptr<directory::Store> store);
  virtual ~People() = default;

  virtual std::vector<boot::Endpoint> endpoints() = 0;
  virtual void Start() = 0;
  virtual const directory::Service& directory() const = 0;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_PEOPLE_H_
