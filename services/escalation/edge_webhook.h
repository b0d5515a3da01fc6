// Sends messages to webhooks with libcurl, on a thread of its own. What goes out is described in
// notify/core/webhook.h.
//
// A request goes only where the configuration says, whatever the answer is: redirects are not followed,
// proxies of the environment are not used, and the address that the name resolved to is looked at when the
// connection is made, so that a name that stands for a private network (now, or since a moment ago) leads
// nowhere. Certificates are verified, always.
#ifndef SERVICES_ESCALATION_EDGE_WEBHOOK_H_
#define SERVICES_ESCALATION_EDGE_WEBHOOK_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "services/escalation/notify/notifier.h"

namespace hotline::escalation {

// `escalation.notify.webhooks[]`, with what its files hold.
struct WebhookTarget {
  std::string url;
  std::vector<notify::Secret> secrets;
  absl::Duration timeout = absl::Seconds(10);
  std::string ca_file;  // empty: the system's authorities
  bool allow_private_network = false;
  bool allow_http = false;
};

class WebhookSender : public notify::Sender {
 public:
  // Starts the thread. Errors: FAILED_PRECONDITION if the library cannot be used. `clock` outlives it.
  static absl::StatusOr<std::unique_ptr<WebhookSender>> Create(std::map<std::string, WebhookTarget> targets,
                                                               const Clock* clock);
  // Ends what is under way without a word.
  ~WebhookSender() override = default;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_WEBHOOK_H_
