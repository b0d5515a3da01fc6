#include "common/exchange/digest_sum.h"

#include <algorithm>

#include "common/base/id.h"
#include "common/base/sha256.h"

namespace hotline {
namespace {

std::array<uint64_t, 4> Limbs(std::string_view bytes) {
  std::array<uint64_t, 4> limbs{};
  const size_t size = std::min(bytes.size(), kSha256Bytes);
  for (size_t i = 0; i < size; ++i) {
    limbs[3 - i / 8] |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * (7 - i % 8));
  }
  return limbs;
}

void AddLimbs(const std::array<uint64_t, 4>& what, std::array<uint64_t, 4>* to) {
  uint64_t carry = 0;
  for (size_t i = 0; i < to->size(); ++i) {
    const uint64_t with_carry = what[i] + carry;
    carry = with_carry < carry ? 1 : 0;
    (*to)[i] += with_carry;
    if ((*to)[i] < with_carry) carry = 1;
  }
}

}  // namespace

void DigestSum::Add(std::string_view digest) {
  ++count;
  AddLimbs(Limbs(digest), &limbs_);
}

void DigestSum::Subtract(std::string_view digest) { Remove(Of(1, digest)); }

void DigestSum::Remove(const DigestSum& other) {
  count -= other.count;
  // Two's complement: what to add instead.
  std::array<uint64_t, 4> negative = other.limbs_;
  for (uint64_t& limb : negative) limb = ~limb;
  AddLimbs({1, 0, 0, 0}, &negative);
  AddLimbs(negative, &limbs_);
}

void DigestSum::Add(const DigestSum& other) {
  count += other.count;
  AddLimbs(other.limbs_, &limbs_);
}

std::string DigestSum::Bytes() const {
  std::string bytes;
  bytes.reserve(kSha256Bytes);
  for (auto limb = limbs_.rbegin(); limb != limbs_.rend(); ++limb) bytes += BigEndian64(*limb);
  return bytes;
}

DigestSum DigestSum::Of(int64_t count, std::string_view bytes) {
  DigestSum sum;
  sum.count = count;
  sum.limbs_ = Limbs(bytes);
  return sum;
}

std::optional<int> LevelOf(const exchange::v1::DigestRange& range) {
  const int64_t first = range.first_order_id();
  const int64_t last = range.last_order_id();
  if (first < 0 || last < first) return std::nullopt;
  if (first == 0 && last == kLargestOrderId) return kAllIdsLevel;
  for (int level = kLevelStep; level <= kTopLevel; level += kLevelStep) {
    const int64_t length = int64_t{1} << level;
    if (last - first == length - 1) {
      if ((first & (length - 1)) != 0) return std::nullopt;
      return level;
    }
  }
  return std::nullopt;
}

exchange::v1::DigestRange RangeAt(std::string_view giver, int64_t order_id, int level) {
  exchange::v1::DigestRange range;
  range.set_giver(std::string(giver));
  const int64_t mask = level == kAllIdsLevel ? kLargestOrderId : (int64_t{1} << level) - 1;
  range.set_first_order_id(order_id & ~mask);
  range.set_last_order_id(order_id | mask);
  return range;
}

std::optional<int64_t> SharedOrderId(std::string_view giver, std::string_view handoff_id) {
  constexpr size_t kIdSize = 13;
  if (handoff_id.size() < giver.size() + kIdSize + 3 || !handoff_id.starts_with(giver)) return std::nullopt;
  std::string_view rest = handoff_id.substr(giver.size());
  if (rest.front() != '-' || rest[kIdSize + 1] != '-') return std::nullopt;
  const std::string_view text = rest.substr(1, kIdSize);
  const std::string_view attempt = rest.substr(kIdSize + 2);
  const bool digits =
      std::all_of(attempt.begin(), attempt.end(), [](char c) { return c >= '0' && c <= '9'; });
  // Ranges are looked up by text too, so that only one way of writing a number counts.
  const bool upper = std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!digits || !upper) return std::nullopt;
  return ParseOrderId(text);
}

}  // namespace hotline
