#include "common/crypto/signature.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::crypto {
namespace {

constexpr std::string_view kSm2UserId = "1234567812345678";
// Far more than a key needs.
constexpr size_t kMaxKeyFileBytes = 64 << 10;
// Ed25519: 64; SM2: two 256-bit numbers in DER.
constexpr size_t kMaxSignatureBytes = 128;

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX, EVP_MD_CTX_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;

absl::Status BadFile(const std::string& file, std::string_view what) {
  return absl::FailedPreconditionError(StrCat(file, ": ", what));
}

// Wipes its text when it goes.
class Secret {
 public:
  Secret() : text_(kMaxKeyFileBytes + 1, '\0') {}
  ~Secret() { OPENSSL_cleanse(text_.data(), text_.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  absl::Status Read(const std::string& file, bool is_private) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return BadFile(file, StrCat("cannot read it: ", strerror(errno)));
    const absl::Status status = ReadFrom(fd, file, is_private);
    close(fd);
    return status;
  }

  std::string_view text() const { return std::string_view(text_).substr(0, size_); }
  BioPtr bio() const { return BioPtr(BIO_new_mem_buf(text_.data(), static_cast<int>(size_))); }

 private:
  absl::Status ReadFrom(int fd, const std::string& file, bool is_private) {
    // Asked of what was opened, so that nobody can change it in between.
    struct stat info = {};
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return BadFile(file, "is not a file");
    if (is_private && (info.st_mode & S_IRWXO) != 0) {
      return BadFile(file, "a private key must not be open to everybody: chmod o= it");
    }
    while (size_ < text_.size()) {
      const ssize_t got = read(fd, text_.data() + size_, text_.size() - size_);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return BadFile(file, StrCat("cannot read it: ", strerror(errno)));
      if (got == 0) return absl::OkStatus();
      size_ += static_cast<size_t>(got);
    }
    return BadFile(file, "is too large for a key");
  }

  std::string text_;
  size_t size_ = 0;
};

// No pass phrase is ever asked for: a service starts without a person.
int NoPassPhrase(char*, int, int, void*) { return -1; }

std::optional<Algorithm> AlgorithmOf(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return Algorithm::kEd25519;
  if (EVP_PKEY_is_a(key, "SM2") == 1) return Algorithm::kSm2Sm3;
  return std::nullopt;
}

std::string SignedBytes(std::string_view domain, std::string_view message) {
  std::string bytes;
  bytes.reserve(domain.size() + 1 + message.size());
  bytes.append(domain).append(1, '\0').append(message);
  return bytes;
}

using InitDigest = int (*)(EVP_MD_CTX*, EVP_PKEY_CTX**, const EVP_MD*, ENGINE*, EVP_PKEY*);

// A signature context, begun by `init`. `key_context` has to live as long as it. Null if the library fails.
DigestPtr Begin(InitDigest init, Algorithm algorithm, EVP_PKEY* key, KeyContextPtr* key_context) {
  DigestPtr context(EVP_MD_CTX_new());
  if (context == nullptr) return nullptr;
  if (algorithm == Algorithm::kEd25519) {
    return init(context.get(), nullptr, nullptr, nullptr, key) == 1 ? std::move(context) : nullptr;
  }
  // The user id goes into the digest, so it has to be there before the start.
  key_context->reset(EVP_PKEY_CTX_new(key, nullptr));
  if (*key_context == nullptr ||
      EVP_PKEY_CTX_set1_id(key_context->get(), kSm2UserId.data(), static_cast<int>(kSm2UserId.size())) <= 0) {
    return nullptr;
  }
  EVP_MD_CTX_set_pkey_ctx(context.get(), key_context->get());
  return init(context.get(), nullptr, EVP_sm3(), nullptr, key) == 1 ? std::move(context) : nullptr;
}

// A context to be copied; null for an algorithm that needs more than the key.
std::shared_ptr<const EVP_MD_CTX> Prepare(InitDigest init, Algorithm algorithm, EVP_PKEY* key) {
  if (algorithm != Algorithm::kEd25519) return nullptr;
  KeyContextPtr none;
  return Begin(init, algorithm, key, &none);
}

DigestPtr Copy(const EVP_MD_CTX& prepared) {
  DigestPtr context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_MD_CTX_copy_ex(context.get(), &prepared) != 1) return nullptr;
  return context;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

absl::Status Invalid(std::string_view party, std::string_view key_id, std::string_view english,
                     std::string_view chinese) {
  return error::SignatureInvalid(party, key_id, english, chinese);
}

}  // namespace

absl::StatusOr<std::string> LoadHashKey(const std::string& file) {
  constexpr size_t kMinBytes = 32;
  constexpr size_t kMaxBytes = 4096;
  Secret secret;
  if (absl::Status status = secret.Read(file, /*is_private=*/true); !status.ok()) return status;
  if (secret.text().size() < kMinBytes || secret.text().size() > kMaxBytes) {
    return BadFile(file, "a key must have 32 to 4,096 bytes");
  }
  return std::string(secret.text());
}

std::string_view AlgorithmName(Algorithm algorithm) {
  return algorithm == Algorithm::kEd25519 ? "ed25519" : "sm2-sm3";
}

bool IsKeyId(std::string_view key_id) {
  return !key_id.empty() && key_id.size() <= 64 && std::all_of(key_id.begin(), key_id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
  });
}

absl::StatusOr<PublicKey> PublicKey::Of(std::shared_ptr<evp_pkey_st> key) {
  const std::optional<Algorithm> algorithm = AlgorithmOf(key.get());
  if (!algorithm.has_value()) {
    return absl::InvalidArgumentError("the key is neither Ed25519 nor SM2");
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) return absl::InvalidArgumentError("the key has no public half");
  PublicKey made;
  made.verify_ = Prepare(EVP_DigestVerifyInit, *algorithm, key.get());
  made.key_ = std::move(key);
  made.algorithm_ = *algorithm;
  made.der_.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return made;
}

absl::StatusOr<PublicKey> PublicKey::Load(const std::string& file) {
  Secret text;
  if (absl::Status status = text.Read(file, /*is_private=*/false); !status.ok()) return status;
  const std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PUBKEY(text.bio().get(), nullptr, NoPassPhrase, nullptr),
                                      EVP_PKEY_free);
  if (key == nullptr) return BadFile(file, "no PEM public key in it");
  absl::StatusOr<PublicKey> made = Of(key);
  if (!made.ok()) return BadFile(file, ToStd(made.status().message()));
  return made;
}

absl::StatusOr<PublicKey> PublicKey::FromDer(std::string_view der) {
  const unsigned char* at = Bytes(der);
  const std::shared_ptr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), EVP_PKEY_free);
  if (key == nullptr) return absl::InvalidArgumentError("not a public key in DER");
  absl::StatusOr<PublicKey> made = Of(key);
  // One key has one form: else a byte of it could be changed without anybody noticing.
  if (made.ok() && made->der() != der) return absl::InvalidArgumentError("not a public key in DER");
  return made;
}

std::string PublicKey::Fingerprint() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : Sha256({der_})) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

PublicKey PublicKey::ProvidedBy(std::shared_ptr<const KeyProvider> provider) const {
  PublicKey same = *this;
  same.provider_ = std::move(provider);
  return same;
}

bool PublicKey::Verify(std::string_view domain, std::string_view message, std::string_view signature) const {
  if (signature.empty() || signature.size() > kMaxSignatureBytes) return false;
  if (provider_ != nullptr) return provider_->Verify(SignedBytes(domain, message), signature);
  KeyContextPtr key_context;
  const DigestPtr context =
      verify_ != nullptr ? Copy(*verify_) : Begin(EVP_DigestVerifyInit, algorithm_, key_.get(), &key_context);
  if (context == nullptr) return false;
  const std::string bytes = SignedBytes(domain, message);
  return EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(bytes), bytes.size()) == 1;
}

Signer::Signer(std::string key_id, PublicKey key)
    : key_id_(std::move(key_id)),
      public_key_(std::move(key)),
      sign_(Prepare(EVP_DigestSignInit, public_key_.algorithm(), public_key_.key_.get())) {}

absl::StatusOr<Signer> Signer::Load(std::string_view key_id, const std::string& file) {
  if (!IsKeyId(key_id)) {
    return absl::InvalidArgumentError(StrCat("\"", key_id, "\" is not 1 to 64 of A-Z a-z 0-9 . _ -"));
  }
  Secret text;
  if (absl::Status status = text.Read(file, /*is_private=*/true); !status.ok()) return status;
  const std::shared_ptr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(text.bio().get(), nullptr, NoPassPhrase, nullptr), EVP_PKEY_free);
  if (key == nullptr) return BadFile(file, "no PEM private key without a pass phrase in it");
  absl::StatusOr<PublicKey> both = PublicKey::Of(key);
  if (!both.ok()) return BadFile(file, ToStd(both.status().message()));
  return Signer(std::string(key_id), *std::move(both));
}

Signer Signer::ProvidedBy(std::shared_ptr<const KeyProvider> provider) const {
  Signer same = *this;
  same.public_key_ = public_key_.ProvidedBy(std::move(provider));
  return same;
}

absl::StatusOr<std::string> Signer::Sign(std::string_view domain, std::string_view message) const {
  if (const KeyProvider* provider = public_key_.provider_.get(); provider != nullptr) {
    return provider->Sign(SignedBytes(domain, message));
  }
  KeyContextPtr key_context;
  const DigestPtr context =
      sign_ != nullptr ? Copy(*sign_)
                       : Begin(EVP_DigestSignInit, algorithm(), public_key_.key_.get(), &key_context);
  const std::string bytes = SignedBytes(domain, message);
  std::string signature(kMaxSignatureBytes, '\0');
  size_t size = signature.size();
  if (context == nullptr || EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                                           &size, Bytes(bytes), bytes.size()) != 1) {
    return error::Internal(StrCat("key ", key_id_, " cannot sign"));
  }
  signature.resize(size);
  return signature;
}

absl::Status SigningKeys::Add(Signer signer, absl::Time not_before) {
  for (const auto& [begin, other] : signers_) {
    if (other.key_id() == signer.key_id()) {
      return absl::AlreadyExistsError(StrCat("key ", signer.key_id(), " is there twice"));
    }
    if (begin == not_before) {
      return absl::AlreadyExistsError(
          StrCat("keys ", other.key_id(), " and ", signer.key_id(), " begin at the same time"));
    }
  }
  signers_.emplace(not_before, std::move(signer));
  return absl::OkStatus();
}

const Signer* SigningKeys::At(absl::Time now) const {
  const auto after = signers_.upper_bound(now);
  return after == signers_.begin() ? nullptr : &std::prev(after)->second;
}

absl::Status KeyRing::Add(std::string_view party, std::string_view key_id, PublicKey key,
                          absl::Time not_before, absl::Time not_after) {
  if (!IsKeyId(key_id)) {
    return absl::InvalidArgumentError(StrCat("\"", key_id, "\" is not 1 to 64 of A-Z a-z 0-9 . _ -"));
  }
  if (not_before >= not_after) {
    return absl::InvalidArgumentError(StrCat("key ", key_id, " is never valid"));
  }
  const auto [it, fresh] = keys_.try_emplace({std::string(party), std::string(key_id)},
                                             Key{std::move(key), not_before, not_after});
  if (!fresh) return absl::AlreadyExistsError(StrCat(party, " has two keys ", key_id));
  return absl::OkStatus();
}

bool KeyRing::Knows(std::string_view party) const {
  const auto it = keys_.lower_bound({std::string(party), std::string()});
  return it != keys_.end() && it->first.first == party;
}

const PublicKey* KeyRing::Find(std::string_view party, std::string_view key_id) const {
  const auto it = keys_.find({std::string(party), std::string(key_id)});
  return it == keys_.end() ? nullptr : &it->second.key;
}

bool KeyRing::Holds(std::string_view party, const PublicKey& key, absl::Time at) const {
  for (auto it = keys_.lower_bound({std::string(party), std::string()});
       it != keys_.end() && it->first.first == party; ++it) {
    const Key& own = it->second;
    if (own.key.der() == key.der() && at >= own.not_before && at < own.not_after) return true;
  }
  return false;
}

absl::Status KeyRing::Verify(std::string_view party, std::string_view key_id, Algorithm algorithm,
                             std::string_view domain, std::string_view message, std::string_view signature,
                             absl::Time at) const {
  const auto it = keys_.find({std::string(party), std::string(key_id)});
  if (it == keys_.end()) return Invalid(party, key_id, "the key is not known here", "本平台没有该公钥");
  const Key& key = it->second;
  if (key.key.algorithm() != algorithm) {
    return Invalid(
        party, key_id,
        StrCat("the key is for ", AlgorithmName(key.key.algorithm()), ", not for ", AlgorithmName(algorithm)),
        "签名算法与公钥不符");
  }
  if (at < key.not_before) return Invalid(party, key_id, "the key is not valid yet", "公钥尚未生效");
  if (at >= key.not_after) return Invalid(party, key_id, "the key has expired", "公钥已过有效期");
  if (!key.key.Verify(domain, message, signature)) {
    return Invalid(party, key_id, "the signature is not by this key over these bytes",
                   "签名与内容或公钥不符");
  }
  return absl::OkStatus();
}

}  // namespace hotline::crypto
