#include "common/base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>
#include <utility>

namespace hotline {
namespace {

constexpr size_t kSha256Block = 64;

void Add(EVP_MD_CTX* context, std::string_view part) { EVP_DigestUpdate(context, part.data(), part.size()); }

// This thread's context, at the start of a digest. Fetching the algorithm and allocating a context are most
// of the cost of a short hash, so both are kept.
EVP_MD_CTX* Begin() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  EVP_DigestInit_ex2(context.get(), md, nullptr);
  return context.get();
}

std::string Finish(EVP_MD_CTX* context) {
  std::string digest(kSha256Bytes, '\0');
  EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

}  // namespace

std::string Sha256(std::initializer_list<std::string_view> parts) {
  EVP_MD_CTX* const context = Begin();
  for (const std::string_view part : parts) Add(context, part);
  return Finish(context);
}

std::string HmacSha256(std::string_view key, std::initializer_list<std::string_view> parts) {
  // RFC 2104 over the kept context above: OpenSSL's own fetches the algorithm anew for each code, which takes
  // longer than the hashing.
  std::string block(key.size() > kSha256Block ? Sha256({key}) : std::string(key));
  block.resize(kSha256Block, '\0');
  for (char& c : block) c = static_cast<char>(c ^ 0x36);
  EVP_MD_CTX* const context = Begin();
  Add(context, block);
  for (const std::string_view part : parts) Add(context, part);
  const std::string inner = Finish(context);
  for (char& c : block) c = static_cast<char>(c ^ 0x36 ^ 0x5c);
  std::string code = Sha256({block, inner});
  OPENSSL_cleanse(block.data(), block.size());
  return code;
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
