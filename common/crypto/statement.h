// Signatures over serialized statements, in the form they travel in.
#ifndef COMMON_CRYPTO_STATEMENT_H_
#define COMMON_CRYPTO_STATEMENT_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/signature.h"
#include "hotline/type/v1/signature.pb.h"

namespace hotline::crypto {

// What statements of each kind are signed for.
inline constexpr std::string_view kBatchDomain = "hotline.exchange.v1.BatchStatement";
inline constexpr std::string_view kReceiptDomain = "hotline.exchange.v1.ReceiptStatement";
inline constexpr std::string_view kEvidenceDomain = "hotline.evidence.v1.EvidenceStatement";

// Errors: INTERNAL if the library fails.
absl::StatusOr<type::v1::DigitalSignature> SignStatement(const Signer& signer, std::string_view domain,
                                                         std::string_view statement);

// Errors: SIGNATURE_MISSING if `signature` has neither key nor value; SIGNATURE_INVALID, see KeyRing::Verify,
// also for an algorithm that is not known here.
absl::Status VerifyStatement(const KeyRing& keys, std::string_view party, std::string_view domain,
                             std::string_view statement, const type::v1::DigitalSignature& signature,
                             absl::Time at);

}  // namespace hotline::crypto

#endif  // COMMON_CRYPTO_STATEMENT_H_
