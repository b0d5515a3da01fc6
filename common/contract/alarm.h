// The command that raises an alarm about an offer. dispatch makes it when a pushing call was answered with
// "use the telephone" and the limit has passed without a receipt, escalation when the receipt's deadline
// passes: the same bytes for the same offer, so that whoever is second only finds out that it is done.
#ifndef COMMON_CONTRACT_ALARM_H_
#define COMMON_CONTRACT_ALARM_H_

#include <string>

#include "common/base/request_id.h"
#include "common/base/text.h"
#include "google/protobuf/timestamp.pb.h"
#include "hotline/type/v1/command.pb.h"

namespace hotline {

// `order_id` is the order's id at this site, not its number; `offer_time` that of its handoff.
inline type::v1::Command ReceiptAlarm(const std::string& order_id,
                                      const google::protobuf::Timestamp& offer_time) {
  type::v1::Command command;
  const int64_t nanos = offer_time.seconds() * 1'000'000'000 + offer_time.nanos();
  command.mutable_header()->set_request_id(StrCat(kAlarmIds, order_id, "/", nanos, "/receipt"));
  command.mutable_header()->set_order_id(order_id);
  command.mutable_header()->mutable_actor()->set_account("service/alarm");
  command.mutable_alarm()->set_kind(type::v1::ALARM_KIND_RECEIPT_LATE);
  *command.mutable_alarm()->mutable_offer_time() = offer_time;
  return command;
}

}  // namespace hotline

#endif  // COMMON_CONTRACT_ALARM_H_
