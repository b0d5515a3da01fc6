#include "services/dispatch/spool/sealer.h"

#include "common/crypto/statement.h"
#include "common/error/error.h"
#include "services/dispatch/spool/core/bundle_file.h"

namespace hotline::dispatch {

absl::StatusOr<type::v1::DigitalSignature> KeySealer::Seal(std::string_view bytes, absl::Time now) const {
  const crypto::Signer* signer = signing_->At(now);
  if (signer == nullptr) return error::SignatureMissing(hotline_);
  return crypto::SignStatement(*signer, kBundleDomain, bytes);
}

absl::Status KeySealer::Verify(std::string_view bytes, const type::v1::DigitalSignature& signature,
                               absl::Time at) const {
  return crypto::VerifyStatement(*keys_, peer_, kBundleDomain, bytes, signature, at);
}

}  // namespace hotline::dispatch
