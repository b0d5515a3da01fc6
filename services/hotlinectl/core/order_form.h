// The flat form of an order to push: the flags of `push`, the columns of a CSV file and the keys of a flat
// JSON object are one list of fields. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_ORDER_FORM_H_
#define SERVICES_HOTLINECTL_CORE_ORDER_FORM_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "services/hotlinectl/core/flag.h"

namespace hotline::hotlinectl {

struct FormField {
  // Name, kind and help.
  FlagSpec flag;
  // Name of the column for people: `标题`.
  std::string_view zh;
  // Field of PushWorkOrderRequest that it fills: `content.title`.
  std::string_view path;
  // In files only; on the command line it is written in another way.
  bool file_only = false;
  std::function<absl::Status(const FormField& field, std::string_view value,
                             dispatch::v1::PushWorkOrderRequest&)>
      set;

  // It is part of OrderContent.
  bool in_content() const { return path.substr(0, 8) == "content."; }
};

const std::vector<FormField>& FormFields();

// By flag name (any case, `_` for `-`) or Chinese name; null if there is none.
const FormField* FindFormField(std::string_view name);
// `path` as it is in a push alone: without what a batch puts before it (`requests[3].`).
std::string_view PathInPush(std::string_view path);
// The fields of the form that fill `path`, something below it, or the list of which it is an element.
std::vector<const FormField*> FormFieldsOf(std::string_view path);
// The names by which people call the columns, or keys, one after another.
std::string FormFieldNames(Language language);
// The unit that `request` names at `path`, e.g. `content.assist_units[1]`; empty if it names none there.
std::string UnitAt(const dispatch::v1::PushWorkOrderRequest& request, std::string_view path);
// The units of a list as people write it, with whatever comma the keyboard gives.
std::vector<std::string> SplitUnits(std::string_view value);
// Name of the flag that fills `path` (or something below it), a field of a push or, as they are checked
// alike, of a change or a list; empty if there is none.
std::string_view FlagForPath(std::string_view path);

// Reads `value` into the field of `request`. Errors: INVALID_ARGUMENT with the field's path, e.g. a word that
// the enum does not have. Bounds of texts are the service's affair.
absl::Status SetFormField(const FormField& field, std::string_view value,
                          dispatch::v1::PushWorkOrderRequest& request);

// Rules between fields, given the names of those set: one coordinate does not go without the other.
absl::Status CheckFormFields(const std::set<std::string_view>& names);

// What the flat form leaves out by custom: a phone call. Only for a new order. An urgency that nobody stated
// stays open, so that the site reads it from the text: NORMAL said unasked would slow an emergency.
void ApplyFormDefaults(dispatch::v1::PushWorkOrderRequest& request);

// `row` over `defaults`: what the row sets wins; its assisting units replace the default ones.
dispatch::v1::PushWorkOrderRequest MergeForms(const dispatch::v1::PushWorkOrderRequest& defaults,
                                              const dispatch::v1::PushWorkOrderRequest& row);

// An emergency, danger, a clue touching stability, or a unit awaited on the scene: what a site wants a
// receipt of at once, or else the telephone. As far as is known here: what only the text says, the site
// reads.
bool NeedsTelephone(const dispatch::v1::PushWorkOrderRequest& request);

// `time` must be one that ParseTime gives.
google::protobuf::Timestamp ToTimestamp(absl::Time time);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_ORDER_FORM_H_
