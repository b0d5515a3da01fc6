// SHA-256 (FIPS 180-4), by OpenSSL.
#ifndef COMMON_BASE_SHA256_H_
#define COMMON_BASE_SHA256_H_

#include <initializer_list>
#include <string>
#include <string_view>

namespace hotline {

inline constexpr size_t kSha256Bytes = 32;

// 32 bytes: the hash of the parts put together.
std::string Sha256(std::initializer_list<std::string_view> parts);

// 32 bytes: HMAC-SHA256 (RFC 2104) of the parts put together.
std::string HmacSha256(std::string_view key, std::initializer_list<std::string_view> parts);

// 32 zero bytes: what the first link of a chain follows.
const std::string& ChainStart();

// `value` as 8 bytes, big-endian.
std::string BigEndian64(uint64_t value);
// `value` as 4 bytes, big-endian.
std::string BigEndian32(uint32_t value);

}  // namespace hotline

#endif  // COMMON_BASE_SHA256_H_
