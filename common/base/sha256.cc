#include "common/base/sha256.h"

#include <openssl/evp.h>

#include <memory>
#include <utility>

namespace hotline {

std::string Sha256(std::initializer_list<std::string_view> parts) {
  // Fetching the algorithm and allocating a context are most of the cost of a short hash, so both are kept.
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  EVP_DigestInit_ex2(context.get(), md, nullptr);
  for (std::string_view part : parts) EVP_DigestUpdate(context.get(), part.data(), part.size());
  std::string digest(kSha256Bytes, '\0');
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

std::string HmacSha256(std::string_view key, std::initializer_list<std::string_view> parts) {
  constexpr size_t kBlockBytes = 64;
  std::string block(key.size() > kBlockBytes ? Sha256({key}) : std::string(key));
  block.resize(kBlockBytes, '\0');
  std::string inner = block;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : block) c = static_cast<char>(c ^ 0x5c);
  for (const std::string_view part : parts) inner.append(part);
  return Sha256({block, Sha256({inner})});
}

const std::string& ChainStart() {
  static const std::string* const zeros = new std::string(kSha256Bytes, '\0');
  return *zeros;
}

std::string BigEndian64(uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

std::string BigEndian32(uint32_t value) {
  std::string bytes(4, '\0');
  for (int i = 3; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

}  // namespace hotline
