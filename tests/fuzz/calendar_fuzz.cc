// A file of holidays, as JSON and as iCalendar; and a derivation for the verifier.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/derivation/verify.h"
#include "services/escalation/calendar/import.h"
#include "services/escalation/calendar/layer.h"

namespace {

using hotline::config::v1::DayRule;

void Law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

// Days that were read are good for a layer, and go out as iCalendar and come back.
void CheckDays(const absl::StatusOr<std::vector<DayRule>>& days) {
  using namespace hotline::escalation::calendar;
  if (!days.ok()) {
    Law(days.status().code() == absl::StatusCode::kInvalidArgument, "another code than INVALID_ARGUMENT");
    return;
  }
  Law(!days->empty(), "no days and no error");
  hotline::config::v1::CalendarLayer layer;
  layer.set_level(hotline::config::v1::LAYER_LEVEL_NATION);
  layer.set_code("fuzz");
  layer.set_display_name("fuzz");
  layer.set_version("1");
  auto& document = *layer.add_documents();
  document.set_number("x");
  document.set_title("x");
  document.set_issue_date("1970-01-01");
  document.set_first_date("1970-01-01");
  for (const DayRule& day : *days) {
    // One by one: that two speak of the same date is for the layer to say.
    layer.clear_days();
    *layer.add_days() = day;
    Law(CheckLayer(layer).empty(), "a day was read that no layer takes");
  }
  const auto again = ParseICalendar(WriteICalendar(*days, absl::UnixEpoch()), "again.ics", "x");
  Law(again.ok() && again->size() == days->size(), "days that were written do not read again");
  for (size_t i = 0; i < days->size(); ++i) {
    Law((*again)[i].SerializeAsString() == (*days)[i].SerializeAsString(), "a day reads differently");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline::escalation;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckDays(calendar::ParseHolidayJson(text, "fuzz.json", "x"));
  CheckDays(calendar::ParseICalendar(text, "fuzz.ics", "x"));
  static const google::protobuf::LogSilencer silence;
  v1::DeadlineDerivation derivation;
  if (derivation.ParseFromArray(data, static_cast<int>(size))) {
    const absl::Status status = hotline::derivation::VerifyDerivation(derivation);
    Law(status.ok() || status.code() == absl::StatusCode::kInvalidArgument, "the verifier's code");
  }
  return 0;
}
