// What two sites compare of what they share: sums of digests, and the ranges of order ids that they are over.
// Pure. The rules are written in section 10 of the protocol document (proto/hotline/exchange/v1/README.md).
#ifndef COMMON_EXCHANGE_DIGEST_SUM_H_
#define COMMON_EXCHANGE_DIGEST_SUM_H_

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "hotline/exchange/v1/exchange_service.pb.h"

namespace hotline {

// A number of handoffs and the sum of their digests modulo 2^256. Order does not matter, and what was added
// can be taken out again.
class DigestSum {
 public:
  int64_t count = 0;

  // `digest` is 32 bytes, read as a big-endian number; bytes that are missing read as zero.
  void Add(std::string_view digest);
  void Subtract(std::string_view digest);
  void Add(const DigestSum& other);
  void Remove(const DigestSum& other);
  // 32 bytes, big-endian.
  std::string Bytes() const;
  // The reverse.
  static DigestSum Of(int64_t count, std::string_view bytes);
  bool operator==(const DigestSum& other) const = default;

 private:
  std::array<uint64_t, 4> limbs_{};  // the lowest first
};

// Ranges are 2^level ids long and aligned: levels 5, 10 … 60, and all ids.
inline constexpr int kAllIdsLevel = 63;
inline constexpr int kLevelStep = 5;
inline constexpr int kTopLevel = 60;
inline constexpr int64_t kLargestOrderId = std::numeric_limits<int64_t>::max();
// A range is answered by its handoffs if it holds at most so many, or is one of the shortest.
inline constexpr int64_t kMaxRangeItems = 256;

// The range's level; nothing if it is none.
std::optional<int> LevelOf(const exchange::v1::DigestRange& range);
// The level of the parts of a range of `level`, which is not the lowest.
inline int PartLevel(int level) { return level == kAllIdsLevel ? kTopLevel : level - kLevelStep; }
// The range of `level` that holds `order_id`.
exchange::v1::DigestRange RangeAt(std::string_view giver, int64_t order_id, int level);

// The giver's order in a handoff's id, `<giver>-<order id>-<attempt>`; nothing if it is not written so. What
// has another form is not compared.
std::optional<int64_t> SharedOrderId(std::string_view giver, std::string_view handoff_id);

}  // namespace hotline

#endif  // COMMON_EXCHANGE_DIGEST_SUM_H_
