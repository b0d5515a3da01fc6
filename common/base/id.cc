#include "common/base/id.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "absl/random/random.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "common/base/sha256.h"
#include "common/base/text.h"

namespace hotline {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr int kIdCharacters = 13;
constexpr int kCounterBits = 20;

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool AllZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

std::string FormatOrderId(int64_t id) {
  std::string text(kIdCharacters, '0');
  uint64_t rest = static_cast<uint64_t>(id);
  for (int i = kIdCharacters - 1; i >= 0; --i, rest >>= 5) text[i] = kAlphabet[rest & 31];
  return text;
}

std::optional<int64_t> ParseOrderId(std::string_view text) {
  if (text.size() != kIdCharacters) return std::nullopt;
  uint64_t id = 0;
  for (char c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos || (id >> 59) != 0) return std::nullopt;
    id = id << 5 | digit;
  }
  if (id >> 63) return std::nullopt;
  return static_cast<int64_t>(id);
}

int64_t FirstOrderIdAt(absl::Time time) {
  return std::clamp<int64_t>(absl::ToUnixMillis(time), 0, (int64_t{1} << 43) - 1) << kCounterBits;
}

int64_t NextOrderId(int64_t last, absl::Time now, int64_t start) {
  constexpr int64_t kStarts = int64_t{1} << 19;
  return std::max(last + 1, FirstOrderIdAt(now) + start % kStarts);
}

std::string FormatOrderNumber(std::string_view hotline, absl::CivilDay day, int64_t counter) {
  return absl::StrFormat("%s-%04d%02d%02d-%06d", hotline, day.year(), day.month(), day.day(), counter);
}

std::optional<std::pair<absl::CivilDay, int64_t>> ParseOrderNumber(std::string_view hotline,
                                                                   std::string_view text) {
  const size_t prefix = hotline.size() + 1;
  if (text.size() < prefix + 15 || text.substr(0, hotline.size()) != hotline || text[prefix - 1] != '-' ||
      text[prefix + 8] != '-') {
    return std::nullopt;
  }
  const auto digits = [](std::string_view part) -> std::optional<int64_t> {
    int64_t value = 0;
    for (const char c : part) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  const std::string_view counter_text = text.substr(prefix + 9);
  if (counter_text.size() > 7 || (counter_text.size() == 7 && counter_text[0] == '0')) return std::nullopt;
  const std::optional<int64_t> day = digits(text.substr(prefix, 8));
  const std::optional<int64_t> counter = digits(counter_text);
  if (!day.has_value() || !counter.has_value()) return std::nullopt;
  const absl::CivilDay civil(*day / 10000, *day / 100 % 100, *day % 100);
  // 31 November would become 1 December, and name another order.
  if (civil.year() * 10000 + civil.month() * 100 + civil.day() != *day) return std::nullopt;
  return std::make_pair(civil, *counter);
}

std::string NewRequestId(absl::Time now) {
  std::string bytes = RandomBytes(16);
  uint64_t millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  for (int i = 5; i >= 0; --i, millis >>= 8) bytes[i] = static_cast<char>(millis & 0xff);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x70);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = absl::BytesToHexString(bytes);
  return StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                hex.substr(20));
}

std::string NewTraceparent() {
  // Told apart, not secret, and made for every call: a generator of our own is enough.
  thread_local absl::BitGen random;
  const std::string hex = absl::BytesToHexString(
      BigEndian64(absl::Uniform<uint64_t>(absl::IntervalClosed, random, 1, UINT64_MAX)) +
      BigEndian64(random()) +
      BigEndian64(absl::Uniform<uint64_t>(absl::IntervalClosed, random, 1, UINT64_MAX)));
  return StrCat("00-", hex.substr(0, 32), "-", hex.substr(32), "-01");
}

bool IsTraceparent(std::string_view text) {
  return text.size() == 55 && text.substr(0, 3) == "00-" && text[35] == '-' && text[52] == '-' &&
         IsLowerHex(text.substr(3, 32)) && IsLowerHex(text.substr(36, 16)) && IsLowerHex(text.substr(53)) &&
         !AllZero(text.substr(3, 32)) && !AllZero(text.substr(36, 16));
}

std::string_view TraceId(std::string_view text) {
  return IsTraceparent(text) ? text.substr(3, 32) : std::string_view();
}

std::string RandomBytes(size_t n) {
  const auto draw = [](unsigned char* to, size_t size) {
    // Fails only if the system has no entropy source at all.
    if (RAND_bytes(to, static_cast<int>(size)) != 1) std::abort();
  };
  // A draw costs as much for a kilobyte as for a salt, and each new order needs one. What was handed out is
  // not kept. The services do not fork.
  struct Stock {
    std::array<unsigned char, 1024> bytes;
    size_t left = 0;
  };
  thread_local Stock stock;
  std::string bytes(n, '\0');
  if (n > stock.bytes.size() / 4) {
    draw(reinterpret_cast<unsigned char*>(bytes.data()), n);
    return bytes;
  }
  if (stock.left < n) {
    draw(stock.bytes.data(), stock.bytes.size());
    stock.left = stock.bytes.size();
  }
  stock.left -= n;
  std::memcpy(bytes.data(), stock.bytes.data() + stock.left, n);
  OPENSSL_cleanse(stock.bytes.data() + stock.left, n);
  return bytes;
}

}  // namespace hotline
