// Where a service says whether a part of it works.
#ifndef COMMON_BOOT_HEALTH_H_
#define COMMON_BOOT_HEALTH_H_

#include <string_view>

namespace hotline {

// Shown by grpc.health.v1. Thread-safe.
class HealthSink {
 public:
  virtual ~HealthSink() = default;
  // `name` is a gRPC service's full name, a part of its own such as `peer.110` or `store`, or empty for the
  // whole process. A name that was never set is unknown to health checks. Ignored once draining: then all is
  // NOT_SERVING.
  virtual void SetServing(std::string_view name, bool serving) = 0;
};

}  // namespace hotline

#endif  // COMMON_BOOT_HEALTH_H_
