#include "common/crypto/statement.h"

#include <optional>
#include <string>
#include <utility>

#include "common/error/error.h"

namespace hotline::crypto {
namespace {

std::optional<Algorithm> FromProto(type::v1::SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case type::v1::SIGNATURE_ALGORITHM_ED25519:
      return Algorithm::kEd25519;
    case type::v1::SIGNATURE_ALGORITHM_SM2_SM3:
      return Algorithm::kSm2Sm3;
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<type::v1::DigitalSignature> SignStatement(const Signer& signer, std::string_view domain,
                                                         std::string_view statement) {
  absl::StatusOr<std::string> value = signer.Sign(domain, statement);
  if (!value.ok()) return value.status();
  type::v1::DigitalSignature signature;
  signature.set_key_id(signer.key_id());
  signature.set_algorithm(signer.algorithm() == Algorithm::kEd25519 ? type::v1::SIGNATURE_ALGORITHM_ED25519
                                                                    : type::v1::SIGNATURE_ALGORITHM_SM2_SM3);
  signature.set_value(*std::move(value));
  return signature;
}

absl::Status VerifyStatement(const KeyRing& keys, std::string_view party, std::string_view domain,
                             std::string_view statement, const type::v1::DigitalSignature& signature,
                             absl::Time at) {
  if (signature.key_id().empty() && signature.value().empty()) return error::SignatureMissing(party);
  if (!IsKeyId(signature.key_id())) {
    // Not repeated in the message: it may be anything.
    return error::SignatureInvalid(party, "?", "its key id is malformed", "密钥编号格式错误");
  }
  const std::optional<Algorithm> algorithm = FromProto(signature.algorithm());
  if (!algorithm.has_value()) {
    return error::SignatureInvalid(party, signature.key_id(), "its algorithm is not known here",
                                   "本平台不支持该签名算法");
  }
  return keys.Verify(party, signature.key_id(), *algorithm, domain, statement, signature.value(), at);
}

}  // namespace hotline::crypto
