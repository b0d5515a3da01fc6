// Which open orders may be of the same matter: an index of what their texts are
// made of, held in memory, and a score from text, place and time. Pure; one
// thread.
//
// A text counts by its pairs of Chinese characters, by single ones at half
// weight, and by words of other scripts and numbers whole; what is rare among
// the open orders weighs more. Hashes of these are kept, no text.
#ifndef SERVICES_WORK_ORDER_CORE_SIMILAR_H_
#define SERVICES_WORK_ORDER_CORE_SIMILAR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::work_order {

// What is compared of an order.
struct Sketch {
  std::vector<uint32_t> grams;  // ascending, each once; the lowest bit tells a single character
  std::string item;             // of the annex; empty: unknown
  std::string township_code;
  std::optional<std::pair<double, double>> coordinates;  // degrees: latitude, longitude
  absl::Time time;                                       // when it happened, or was registered
};
// `registered` counts where the content does not say when it happened.
Sketch SketchOf(const type::v1::OrderContent& content, absl::Time registered);

// How two are alike; see hotline.workorder.v1.SimilarOrder.
struct Likeness {
  int64_t id = 0;
  double score = 0;
  double text = 0;
  std::optional<double> distance_m;
  bool same_township = false;
  absl::Duration apart;
};

// The score at which the same matter is more likely than not, and the least
// that is worth a look.
inline constexpr double kLikely = 0.5;
inline constexpr double kWorthALook = 0.35;

// About what is kept of an order, in bytes, apart from what the index adds.
size_t BytesOf(const Sketch& sketch);

class SimilarIndex {
 public:
  static constexpr size_t kMaxBytes = size_t{160} << 20;

  // At most `capacity` orders are kept, and about `max_bytes` of memory used;
  // beyond, the oldest go.
  explicit SimilarIndex(size_t capacity = 200'000, size_t max_bytes = kMaxBytes)
      : capacity_(capacity), max_bytes_(max_bytes) {}

  // An id that is there already stays as it is. Ids grow with time.
  void Put(int64_t id, Sketch sketch);
  void Remove(int64_t id);
  size_t size() const { return slots_by_id_.size(); }
  // About what memory is used.
  size_t bytes() const { return bytes_; }

  // Those worth a look, the likeliest first, at most `limit`, without `except`.
  // The work is bounded: what nearly every order has is passed over.
  std::vector<Likeness> Find(const Sketch& query, int64_t except, size_t limit) const;

 private:
  struct Entry {
    int64_t id = 0;
    bool alive = false;
    Sketch sketch;
  };
  // The orders that have a gram, alive or not.
  struct Postings {
    uint32_t count = 0;
    std::vector<uint32_t> slots;  // empty once they are too many to be looked at
  };

  double Weight(uint32_t gram) const;
  // Without regard to the bounds.
  void Insert(int64_t id, Sketch sketch);
  void RemoveOldest();
  void Compact();

  const size_t capacity_;
  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::vector<Entry> entries_;  // by slot, in the order of putting
  size_t oldest_ = 0;           // no slot before it is alive
  absl::flat_hash_map<int64_t, uint32_t> slots_by_id_;
  absl::flat_hash_map<uint32_t, Postings> postings_;  // by gram
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_SIMILAR_H_
