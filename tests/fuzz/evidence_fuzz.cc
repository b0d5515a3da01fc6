// A file of evidence, and a bundle inside one whose digest is right, so that what lies behind the digest is
// reached too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/sha256.h"
#include "common/crypto/signature.h"
#include "common/evidence/verify.h"
#include "hotline/evidence/v1/evidence.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const crypto::KeyRing nobody;
  evidence::VerifyEvidence(bytes, nobody);

  evidence::v1::EvidenceBundle bundle;
  if (!bundle.ParseFromArray(data, static_cast<int>(size))) return 0;
  evidence::v1::EvidenceStatement statement;
  statement.set_format_version(1);
  statement.set_hotline(bundle.hotline());
  statement.set_order_number(bundle.order_number());
  *statement.mutable_export_time() = bundle.export_time();
  statement.set_bundle_sha256(Sha256({bytes}));
  evidence::v1::SignedEvidence file;
  file.set_bundle(data, size);
  file.set_statement(statement.SerializeAsString());
  file.mutable_signature()->set_key_id("a");
  file.mutable_signature()->set_algorithm(type::v1::SIGNATURE_ALGORITHM_ED25519);
  file.mutable_signature()->set_value(std::string(64, 'x'));
  // Nobody has signed it, so it can never be good.
  if (evidence::VerifyEvidence(file.SerializeAsString(), nobody).overall() != evidence::Verdict::kFailed) {
    __builtin_trap();
  }
  return 0;
}
