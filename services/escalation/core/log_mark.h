// By what a follower of the log knows the last event that it has applied again: a log that was restored has
// another one in its place.
#ifndef SERVICES_ESCALATION_CORE_LOG_MARK_H_
#define SERVICES_ESCALATION_CORE_LOG_MARK_H_

#include <string>

#include "common/base/sha256.h"
#include "hotline/type/v1/event.pb.h"

namespace hotline::escalation {

// SHA-256 of the event's place, order, instant and states. Not of its bytes, which retention rewrites; nor of
// what it would leave of them, as work_order may be of a later release and write what is not known here.
inline std::string LogMarkOf(const type::v1::Event& event) {
  type::v1::Event known;
  known.set_sequence(event.sequence());
  known.set_order_id(event.order_id());
  known.set_order_version(event.order_version());
  known.set_previous_order_sequence(event.previous_order_sequence());
  *known.mutable_commit_time() = event.commit_time();
  known.set_state_before(event.state_before());
  known.set_state(event.state());
  return Sha256({known.SerializeAsString()});
}

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_LOG_MARK_H_
