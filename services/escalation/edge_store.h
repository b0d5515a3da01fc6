// Whether the process's stores work, for health checks and for alerts. Each fails by itself, and what needs
// the others goes on.
#ifndef SERVICES_ESCALATION_EDGE_STORE_H_
#define SERVICES_ESCALATION_EDGE_STORE_H_

#include <string>
#include <string_view>

#include "common/boot/boot.h"

namespace prometheus {
class Gauge;
}

namespace hotline::escalation {

// One store. Thread-safe.
class StoreHealth {
 public:
  // `part` as health checks call it, `store` as the metric hotline_escalation_store_healthy does. By that it
  // works from the beginning, since it has been opened; health checks learn of it with the first Set.
  StoreHealth(const boot::Environment& environment, std::string_view part, std::string_view store);
  void Set(bool works);

 private:
  HealthSink* const health_;
  const std::string part_;
  prometheus::Gauge& healthy_;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_STORE_H_
