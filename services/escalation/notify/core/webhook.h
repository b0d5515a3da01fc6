// What goes to a webhook and what its answer means: CloudEvents in JSON (structured mode), signed with
// HMAC-SHA256. Pure.
//
// Each request carries
//   Hotline-Delivery: <id>            the same in each repetition: who receives it twice drops the second
//   Hotline-Timestamp: <Unix seconds> of this attempt; refuse what is older than a few minutes
//   Hotline-Signature: <key id>=<hex>[, <key id>=<hex>]
// with hex = HMAC-SHA256(secret, "<id>.<timestamp>.<body>"), one for each secret that is valid, so that a
// secret is changed by adding the new one, teaching it to the receiver, and removing the old one.
#ifndef SERVICES_ESCALATION_NOTIFY_CORE_WEBHOOK_H_
#define SERVICES_ESCALATION_NOTIFY_CORE_WEBHOOK_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "hotline/escalation/v1/notification_service.pb.h"

namespace hotline::escalation::notify {

struct Secret {
  std::string key_id;
  std::string bytes;
};

// The value of Hotline-Signature.
std::string SignatureHeader(const std::vector<Secret>& secrets, std::string_view id, absl::Time timestamp,
                            std::string_view body);

// The body: the same bytes each time for the same notification. An order that is restricted has
// `"restricted":true` in place of `id`, `number` and `due_time`.
std::string CloudEvent(const v1::Notification& notification, std::string_view hotline);

// An attempt as it ended.
struct Attempt {
  int status = 0;           // HTTP; 0: there was no answer
  std::string error;        // without addresses; empty if there was an answer
  bool refused = false;     // by this site: a private address, or a scheme that is not allowed
  std::string retry_after;  // the header; may be empty
  std::string body;         // of the answer, cut
};

enum class Verdict {
  kReached,     // 2xx; without a word on it, handed to the gateway counts
  kPending,     // 2xx, and the gateway will say later
  kNotReached,  // 2xx, and the gateway says that it did not reach the person
  kRetry,       // no answer, 408, 425, 429, 5xx
  kDead,        // refused here, redirected, any other status: repeating it would not help
};

struct Judged {
  Verdict verdict;
  std::string error;  // for kRetry and kDead
  // Not to be tried before so long; zero if the answer does not say. At most a day.
  absl::Duration retry_after;
};

// A body `{"result": "reached" | "not_reached" | "pending"}` says what came of a delivery that was taken.
Judged Judge(const Attempt& attempt, absl::Time now);

// Seconds or an HTTP date; nothing if it is neither.
std::optional<absl::Duration> ParseRetryAfter(std::string_view text, absl::Time now);

// How long to wait after attempt number `attempt` (from 1): doubling from `min` to `max`, of which `draw` (0
// to 1) takes between half and all.
absl::Duration RetryPause(int attempt, absl::Duration min, absl::Duration max, double draw);

// `text` as a JSON string, quotes included.
std::string JsonString(std::string_view text);

}  // namespace hotline::escalation::notify

#endif  // SERVICES_ESCALATION_NOTIFY_CORE_WEBHOOK_H_
