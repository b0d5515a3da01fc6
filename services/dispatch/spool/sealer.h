// Who signs bundles, and who checks the peer's.
#ifndef SERVICES_DISPATCH_SPOOL_SEALER_H_
#define SERVICES_DISPATCH_SPOOL_SEALER_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/signature.h"
#include "hotline/type/v1/signature.pb.h"

namespace hotline::dispatch {

// For one link. Thread-safe. Signed are the bytes in the domain `hotline.exchange.v1.Bundle`.
class BundleSealer {
 public:
  virtual ~BundleSealer() = default;
  // By this site.
  virtual absl::StatusOr<type::v1::DigitalSignature> Seal(std::string_view bytes, absl::Time now) const = 0;
  // OK if `signature` is the peer's over `bytes`, by a key that was good at `at`; otherwise why not.
  virtual absl::Status Verify(std::string_view bytes, const type::v1::DigitalSignature& signature,
                              absl::Time at) const = 0;
};

// With keys. `signing` and `keys` outlive it.
class KeySealer final : public BundleSealer {
 public:
  KeySealer(const crypto::SigningKeys* signing, const crypto::KeyRing* keys, std::string hotline,
            std::string peer)
      : signing_(signing), keys_(keys), hotline_(std::move(hotline)), peer_(std::move(peer)) {}

  // Errors: SIGNATURE_MISSING while none of this site's keys has begun.
  absl::StatusOr<type::v1::DigitalSignature> Seal(std::string_view bytes, absl::Time now) const override;
  // Errors: SIGNATURE_MISSING, SIGNATURE_INVALID.
  absl::Status Verify(std::string_view bytes, const type::v1::DigitalSignature& signature,
                      absl::Time at) const override;

 private:
  const crypto::SigningKeys* const signing_;
  const crypto::KeyRing* const keys_;
  const std::string hotline_;
  const std::string peer_;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SPOOL_SEALER_H_
