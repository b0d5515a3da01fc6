// Signatures that parties make and third persons check: keys from files, Ed25519 (RFC 8032) or SM2 with SM3
// (GB/T 32918.2, user id `1234567812345678`, signature in DER).
//
// What is signed is the domain, one zero byte and the message. The domain is the full name of the message
// that was serialized, so that bytes signed for one purpose can never pass for another; it holds no zero
// byte. Everything here is safe to use from several threads once it is built.
#ifndef COMMON_CRYPTO_SIGNATURE_H_
#define COMMON_CRYPTO_SIGNATURE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct evp_md_ctx_st;
struct evp_pkey_st;

namespace hotline::crypto {

enum class Algorithm { kEd25519, kSm2Sm3 };

// `ed25519`, `sm2-sm3`.
std::string_view AlgorithmName(Algorithm algorithm);

// 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
bool IsKeyId(std::string_view key_id);

// Does what a key does, in place of OpenSSL with the key's bytes: a device that keeps the private half to
// itself, or a simulation. Thread-safe.
class KeyProvider {
 public:
  virtual ~KeyProvider() = default;
  // Of the domain, one zero byte and the message.
  virtual absl::StatusOr<std::string> Sign(std::string_view bytes) const = 0;
  virtual bool Verify(std::string_view bytes, std::string_view signature) const = 0;
};

// Half of a key pair that everybody may have. Cheap to copy.
class PublicKey {
 public:
  // From a PEM file with a SubjectPublicKeyInfo (`PUBLIC KEY`). Errors: FAILED_PRECONDITION that names the
  // file and what is wrong with it.
  static absl::StatusOr<PublicKey> Load(const std::string& file);
  // From a DER SubjectPublicKeyInfo and nothing after it. Errors: INVALID_ARGUMENT.
  static absl::StatusOr<PublicKey> FromDer(std::string_view der);

  Algorithm algorithm() const { return algorithm_; }
  // SubjectPublicKeyInfo.
  const std::string& der() const { return der_; }
  // SHA-256 of `der`, in lower-case hex: what two people compare over the telephone.
  std::string Fingerprint() const;
  // The same key; what is verified with it is verified by `provider`.
  PublicKey ProvidedBy(std::shared_ptr<const KeyProvider> provider) const;
  // True if `signature` was made over this domain and message by the private half.
  bool Verify(std::string_view domain, std::string_view message, std::string_view signature) const;

 private:
  friend class Signer;
  PublicKey() = default;
  static absl::StatusOr<PublicKey> Of(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  // Begun with the key, to be copied for each message: beginning takes a tenth of the time. Ed25519 only.
  std::shared_ptr<const evp_md_ctx_st> verify_;
  std::shared_ptr<const KeyProvider> provider_;  // null: OpenSSL
  Algorithm algorithm_ = Algorithm::kEd25519;
  std::string der_;
};

// The bytes of a file that holds a key for keyed hashes: 32 to 4,096 of them, not open to everybody.
absl::StatusOr<std::string> LoadHashKey(const std::string& file);

// One private key. Cheap to copy.
class Signer {
 public:
  // From a PEM file with a PKCS#8 key that is not encrypted; its type says the algorithm. The file must not
  // be open to others than its owner and group. Errors: FAILED_PRECONDITION that names the file and what is
  // wrong with it; INVALID_ARGUMENT if `key_id` is none.
  static absl::StatusOr<Signer> Load(std::string_view key_id, const std::string& file);

  const std::string& key_id() const { return key_id_; }
  Algorithm algorithm() const { return public_key_.algorithm(); }
  const PublicKey& public_key() const { return public_key_; }
  // The same key; what is signed with it is signed by `provider`.
  Signer ProvidedBy(std::shared_ptr<const KeyProvider> provider) const;
  // Errors: INTERNAL if the library fails.
  absl::StatusOr<std::string> Sign(std::string_view domain, std::string_view message) const;

 private:
  Signer(std::string key_id, PublicKey key);

  std::string key_id_;
  PublicKey public_key_;                       // its key_ holds both halves
  std::shared_ptr<const evp_md_ctx_st> sign_;  // as PublicKey::verify_
};

// A party's own keys, each from a date on: who rotates gives the new key's public half away first and lets it
// sign later.
class SigningKeys {
 public:
  // Errors: ALREADY_EXISTS if there is a key with this id or this date.
  absl::Status Add(Signer signer, absl::Time not_before);

  bool empty() const { return signers_.empty(); }
  // The key that signs at `now`: the latest that has begun. Null if there is none, or none yet.
  const Signer* At(absl::Time now) const;
  // All, by date.
  const std::map<absl::Time, Signer>& all() const { return signers_; }

 private:
  std::map<absl::Time, Signer> signers_;
};

// Public keys of parties. A party may have several that are valid at the same time.
class KeyRing {
 public:
  // `key` is good for signatures made in [not_before, not_after). Errors: INVALID_ARGUMENT if `key_id` is
  // none or the time is empty; ALREADY_EXISTS if the party has a key with this id.
  absl::Status Add(std::string_view party, std::string_view key_id, PublicKey key,
                   absl::Time not_before = absl::InfinitePast(),
                   absl::Time not_after = absl::InfiniteFuture());

  bool empty() const { return keys_.empty(); }
  // True if the party has a key, valid or not: then what it sends must be signed.
  bool Knows(std::string_view party) const;
  // Null if there is no such key.
  const PublicKey* Find(std::string_view party, std::string_view key_id) const;
  // True if one of the party's keys, under whatever id, is `key` and is good for signatures made at `at`.
  bool Holds(std::string_view party, const PublicKey& key, absl::Time at) const;
  // Errors: SIGNATURE_INVALID that says why: key unknown, not valid at `at`, of another algorithm, or the
  // signature is not by it over this domain and message.
  absl::Status Verify(std::string_view party, std::string_view key_id, Algorithm algorithm,
                      std::string_view domain, std::string_view message, std::string_view signature,
                      absl::Time at) const;

 private:
  struct Key {
    PublicKey key;
    absl::Time not_before;
    absl::Time not_after;
  };
  std::map<std::pair<std::string, std::string>, Key> keys_;  // by party and key id
};

}  // namespace hotline::crypto

#endif  // COMMON_CRYPTO_SIGNATURE_H_
