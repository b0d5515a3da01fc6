// Who signs bundles, and who checks the peer's.
#ifndef SERVICES_DISPATCH_SPOOL_SEALER_H_
#define SERVICES_DISPATCH_SPOOL_SEALER_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotline/type/v1/signature.pb.h"

namespace hotline::dispatch {

// For one link. Thread-safe. Signed are the bytes in the domain `hotline.exchange.v1.Bundle`.
class BundleSealer {
 public:
  virtual ~BundleSealer() = default;
  // By this site.
  virtual absl::StatusOr<type::v1::Signature> Seal(std::string_view bytes) const = 0;
  // OK if `signature` is the peer's over `bytes`; otherwise why not.
  virtual absl::Status Verify(std::string_view bytes, const type::v1::Signature& signature) const = 0;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SPOOL_SEALER_H_
