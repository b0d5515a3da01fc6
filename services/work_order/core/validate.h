// Checks what people and programs send in: each broken bound is one reason with the path of the field. Pure.
//
// All checks return the first fault only: INVALID_ARGUMENT with one of FIELD_REQUIRED, TEXT_TOO_LONG,
// TEXT_INVALID, ENUM_INVALID, PHONE_INVALID, COORDINATES_INVALID, TIME_INVALID, UNIT_UNKNOWN, LIST_INVALID,
// FIELD_INVALID, REQUEST_ID_INVALID, ACTION_INVALID or TARGET_UNKNOWN. No message repeats what the client
// sent, as that may be personal.
#ifndef SERVICES_WORK_ORDER_CORE_VALIDATE_H_
#define SERVICES_WORK_ORDER_CORE_VALIDATE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/work_order/core/decide.h"

namespace hotline::work_order {

// The bounds are those written beside each field in work_order.proto and command.proto. `now` bounds the
// times: what happened may lie up to a minute after it, as clocks differ. Paths start with `path`.
absl::Status ValidateContent(const type::v1::OrderContent& content, const Site& site, absl::Time now,
                             const char* path = "content");
// The same for the content of a peer's offer, where a newer peer with other lists and another clock is no
// fault: enum values unknown here, units and catalogue items unknown here and late times pass.
absl::Status ValidateOfferedContent(const type::v1::OrderContent& content);
// What is known of a matter that is compared with others: title, text, number, place and time, any of which
// may be missing.
absl::Status ValidateKnownContent(const type::v1::OrderContent& content, absl::Time now);
// What every command carries. Paths start with `header.`. That an order is named, or none, depends on the
// action and is checked with it.
absl::Status ValidateHeader(const type::v1::CommandHeader& header);
// The fields of the one action in `command`, and that there is exactly one (offer and registration may be
// together).
absl::Status ValidateAction(const type::v1::Command& command, const Site& site, absl::Time now);

// Where the request that made `command` has the content of a new order: a push (PushWorkOrder) beside its
// offer, a registration alone (CreateWorkOrder) within itself.
const char* ContentPath(const type::v1::Command& command);

// `text` has at most `max` code points of well-formed UTF-8 without control characters. Line breaks are
// allowed in long texts (`multi_line`). Empty, or nothing that can be seen, is an error if `required`.
absl::Status ValidateText(std::string_view field, std::string_view text, int64_t max, bool required,
                          bool multi_line);

// A caller's number in the form of `Caller.phone`, or none.
absl::Status ValidatePhone(std::string_view field, const std::string& phone);
// A time of protobuf, if there is one.
absl::Status ValidateTime(std::string_view field, bool has, const google::protobuf::Timestamp& time);

// Every string and time in `message`, at any depth, is well formed; no string is longer than 32,000 bytes.
// For what a peer sent, whose other bounds may differ. The path starts with the first field's name.
absl::Status ValidateForeign(const google::protobuf::Message& message);

// A number without separators, for exact matching: `+86-908-462-1234` → `+869084621234`.
std::string NormalizePhone(std::string_view phone);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_VALIDATE_H_
