// Plays peer against an endpoint that claims to speak hotline.exchange.v1, and judges it clause by clause of
// proto/hotline/exchange/v1/README.md. README.md beside this file is for who runs it.
#ifndef TESTS_CONFORMANCE_KIT_H_
#define TESTS_CONFORMANCE_KIT_H_

#include <functional>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/conformance/caller.h"
#include "tests/conformance/desk.h"
#include "tests/conformance/listener.h"
#include "tests/conformance/report.h"

namespace hotline::conformance {

struct KitOptions {
  CallerOptions caller;
  // Longest wait for an envelope that the target owes. Twice as long where it may have paused after a
  // failure.
  absl::Duration patience = absl::Seconds(10);
  // Only clauses whose name matches; all without.
  std::optional<std::regex> only;
};

// `listener` (started) and `desk` may be null: the clauses that need them are skipped. `on_finding` hears
// each finding as it is made. The findings come back in the order of the document. Fails if the target does
// not answer GetLink at all (UNAVAILABLE), or if the ids of keys, or the kit's key, do not fit
// (FAILED_PRECONDITION).
absl::StatusOr<std::vector<Finding>> RunKit(const KitOptions& options, Listener* listener, Desk* desk,
                                            const std::function<void(const Finding&)>& on_finding);

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_KIT_H_
