// What a service method is told beside its request, whoever calls it: a gRPC edge, a test or the simulation.
#ifndef COMMON_CONTRACT_CALL_H_
#define COMMON_CONTRACT_CALL_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hotline {

struct CallContext {
  // Stamped once, when the call came in.
  absl::Time now;
  // When the caller stops waiting.
  absl::Time deadline = absl::InfiniteFuture();
  // W3C trace context; never empty behind an edge.
  std::string traceparent;
  // From the caller's certificate: `<hotline>/<role>`. Empty on a plain-text connection.
  std::string identity;
  // Account on whose behalf the caller asks, from its metadata `hotline-account`; its certificate vouches for
  // it. At most 256 bytes. Empty if it names none.
  std::string account;
  // Code of the unit that the account works for, from its metadata `hotline-unit`; empty for a hotline's own
  // desk.
  std::string unit;
};

// Called exactly once, from any thread. It must not block.
template <typename Response>
using Done = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

}  // namespace hotline

#endif  // COMMON_CONTRACT_CALL_H_
