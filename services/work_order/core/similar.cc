#include "services/work_order/core/similar.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <string_view>

#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

constexpr size_t kMaxGrams = 600;
// A gram of more orders than this tells nothing, and would cost.
constexpr size_t kMaxPostings = 4000;
// Memory, about: of an order beside its grams, of an order in a gram's list,
// which grows by doubling, and of a gram that none had before.
constexpr size_t kOrderBytes = 256;
constexpr size_t kPostingBytes = 8;
constexpr size_t kNewGramBytes = 120;
constexpr size_t kCandidates = 256;
// So alike are texts of which half are about the same matter.
constexpr double kEvenText = 0.27;
constexpr double kEarthRadiusM = 6'371'000;

// What stands in every sentence.
constexpr std::u32string_view kFunctionWords =
    U"的了是在我你他她它们这那有没不就都也和与及请要来去说人家啊吗呢吧呀哦嗯么"
    U"把被给让对从到很太还又再已个些"
    U"为以而或但因所其之您"
    U"反映诉求来电市民群众希望部门处理帮忙尽快解决问题情况";

// The code point at `*at`, and moves on behind it. What is not well-formed
// counts as one that means nothing.
char32_t NextCodePoint(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte((*at)++);
  const int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  if (more == 0) return first;
  char32_t c = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if (*at >= text.size() || (byte(*at) & 0xC0) != 0x80) return U' ';
    c = c << 6 | (byte((*at)++) & 0x3F);
  }
  return c;
}

bool IsHan(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || c >= 0x20000;
}
bool IsWord(char32_t c) {
  return (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= 0xC0 && c < 0x2000);
}

// Full-width letters and digits as the usual ones, capitals as small letters.
char32_t Fold(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
  if (c >= U'A' && c <= U'Z') c += U'a' - U'A';
  return c;
}

uint32_t Mix(uint64_t value) {
  value *= 0x9E3779B97F4A7C15;
  return static_cast<uint32_t>(value >> 32);
}

uint32_t Single(char32_t c) { return Mix(c) | 1; }
uint32_t Double(char32_t a, char32_t b) { return Mix(uint64_t{a} << 32 | b) & ~uint32_t{1}; }

void AddGrams(std::string_view text, std::vector<uint32_t>* grams) {
  char32_t before = 0;  // the Chinese character right before; 0 if there is none
  uint64_t word = 0;    // of another script; 0 outside of one
  const auto end_word = [&] {
    if (word != 0) grams->push_back(Mix(word) & ~uint32_t{1});
    word = 0;
  };
  for (size_t at = 0; at < text.size() && grams->size() < kMaxGrams;) {
    const char32_t c = Fold(NextCodePoint(text, &at));
    if (IsHan(c)) {
      end_word();
      if (kFunctionWords.find(c) != std::u32string_view::npos) {
        before = 0;
        continue;
      }
      grams->push_back(Single(c));
      if (before != 0) grams->push_back(Double(before, c));
      before = c;
      continue;
    }
    before = 0;
    if (IsWord(c)) {
      word = (word + c) * 0x100000001B3 + 0x14650FB0739D0383;
    } else {
      end_word();
    }
  }
  end_word();
}

double Distance(const std::pair<double, double>& a, const std::pair<double, double>& b) {
  constexpr double kRadians = M_PI / 180;
  const double x = (b.second - a.second) * kRadians * std::cos((a.first + b.first) / 2 * kRadians);
  const double y = (b.first - a.first) * kRadians;
  return std::sqrt(x * x + y * y) * kEarthRadiusM;
}

// 1: the same place; 0: surely another; a half: nothing is known.
double PlaceLikeness(const Sketch& a, const Sketch& b, Likeness* likeness) {
  const bool both = !a.township_code.empty() && !b.township_code.empty();
  likeness->same_township = both && a.township_code == b.township_code;
  if (a.coordinates.has_value() && b.coordinates.has_value()) {
    likeness->distance_m = Distance(*a.coordinates, *b.coordinates);
    constexpr double kNearM = 200;
    constexpr double kFadeM = 1500;
    return std::exp(-std::max(0.0, *likeness->distance_m - kNearM) / kFadeM);
  }
  return !both ? 0.5 : likeness->same_township ? 0.7 : 0.0;
}

double TimeLikeness(absl::Duration apart) {
  constexpr double kFadeDays = 10;
  return std::exp(-absl::ToDoubleHours(apart) / 24 / kFadeDays);
}

}  // namespace

Sketch SketchOf(const type::v1::OrderContent& content, absl::Time registered) {
  Sketch sketch;
  AddGrams(content.title(), &sketch.grams);
  AddGrams(content.text(), &sketch.grams);
  AddGrams(content.place().address(), &sketch.grams);
  std::sort(sketch.grams.begin(), sketch.grams.end());
  sketch.grams.erase(std::unique(sketch.grams.begin(), sketch.grams.end()), sketch.grams.end());
  sketch.grams.shrink_to_fit();
  const type::v1::Place& place = content.place();
  sketch.item = content.catalogue().item();
  sketch.township_code = place.township_code();
  if (place.has_manual_coordinates() || place.has_automatic_coordinates()) {
    const type::v1::Coordinates& at =
        place.has_manual_coordinates() ? place.manual_coordinates() : place.automatic_coordinates();
    sketch.coordinates = {at.latitude(), at.longitude()};
  }
  sketch.time = content.has_occur_time() ? FromProto(content.occur_time()) : registered;
  return sketch;
}

size_t BytesOf(const Sketch& sketch) { return kOrderBytes + sketch.grams.size() * sizeof(uint32_t); }

void SimilarIndex::Put(int64_t id, Sketch sketch) {
  Insert(id, std::move(sketch));
  while (size() > capacity_) RemoveOldest();
  while (bytes_ > max_bytes_ && size() > 1) {
    // Many at a time: to go through all of them costs.
    const size_t keep = std::min(size() - 1, std::max<size_t>(1, entries_.size() / 4 * 3));
    while (size() > keep) RemoveOldest();
    Compact();
  }
}

void SimilarIndex::Insert(int64_t id, Sketch sketch) {
  const auto [it, inserted] = slots_by_id_.try_emplace(id, static_cast<uint32_t>(entries_.size()));
  if (!inserted) return;
  bytes_ += BytesOf(sketch);
  for (const uint32_t gram : sketch.grams) {
    const auto [postings, first] = postings_.try_emplace(gram);
    auto& [count, slots] = postings->second;
    if (first) bytes_ += kNewGramBytes;
    if (++count <= kMaxPostings) {
      slots.push_back(it->second);
      bytes_ += kPostingBytes;
    } else if (!slots.empty()) {
      bytes_ -= slots.size() * kPostingBytes;
      std::vector<uint32_t>().swap(slots);
    }
  }
  entries_.push_back({.id = id, .alive = true, .sketch = std::move(sketch)});
}

void SimilarIndex::Remove(int64_t id) {
  const auto it = slots_by_id_.find(id);
  if (it == slots_by_id_.end()) return;
  Entry& entry = entries_[it->second];
  bytes_ -= entry.sketch.grams.size() * sizeof(uint32_t);
  entry.alive = false;
  entry.sketch = Sketch();
  slots_by_id_.erase(it);
  constexpr size_t kSlack = 1024;
  if (entries_.size() > 2 * slots_by_id_.size() + kSlack) Compact();
}

void SimilarIndex::RemoveOldest() {
  while (!entries_[oldest_].alive) ++oldest_;
  Remove(entries_[oldest_].id);
}

void SimilarIndex::Compact() {
  std::vector<Entry> entries;
  entries.swap(entries_);
  oldest_ = 0;
  bytes_ = 0;
  slots_by_id_.clear();
  postings_.clear();
  for (Entry& entry : entries) {
    if (entry.alive) Insert(entry.id, std::move(entry.sketch));
  }
}

// How much a gram tells: what few orders have tells most. Counted as if there
// were some more orders, so that a handful of them is no rarity of everything.
double SimilarIndex::Weight(uint32_t gram) const {
  const auto it = postings_.find(gram);
  const double having = it == postings_.end() ? 0 : it->second.count;
  constexpr double kPrior = 50;
  const double rarity = std::log((static_cast<double>(entries_.size()) + kPrior) / (having + 1));
  return std::max(0.1, rarity) * ((gram & 1) != 0 ? 0.5 : 1.0);
}

std::vector<Likeness> SimilarIndex::Find(const Sketch& query, int64_t except, size_t limit) const {
  absl::flat_hash_map<uint32_t, double> dots;
  double own = 0;
  for (const uint32_t gram : query.grams) {
    const double weight = Weight(gram);
    own += weight * weight;
    const auto it = postings_.find(gram);
    if (it == postings_.end()) continue;
    for (const uint32_t slot : it->second.slots) dots[slot] += weight * weight;
  }
  std::vector<std::pair<double, uint32_t>> candidates;
  candidates.reserve(dots.size());
  for (const auto& [slot, dot] : dots) {
    if (entries_[slot].alive && entries_[slot].id != except) candidates.emplace_back(dot, slot);
  }
  if (candidates.size() > kCandidates) {
    std::nth_element(candidates.begin(), candidates.begin() + kCandidates, candidates.end(),
                     std::greater<>());
    candidates.resize(kCandidates);
  }
  std::vector<Likeness> found;
  for (const auto& [dot, slot] : candidates) {
    const Entry& entry = entries_[slot];
    double theirs = 0;
    for (const uint32_t gram : entry.sketch.grams) theirs += Weight(gram) * Weight(gram);
    Likeness likeness;
    likeness.id = entry.id;
    // The cosine, and how much of the shorter one is in the longer: a second
    // caller may say little.
    const double cosine = dot / std::sqrt(own * theirs);
    const double contained = dot / std::min(own, theirs);
    likeness.text = std::min(1.0, 0.5 * cosine + 0.5 * contained);
    likeness.apart = std::max(query.time, entry.sketch.time) - std::min(query.time, entry.sketch.time);
    const double place = PlaceLikeness(query, entry.sketch, &likeness);
    // Text alone can make it likely; another place, or another item of the
    // annex, makes it unlikely whatever the text says. The numbers are fitted
    // to tests/services/work_order/core/similar_pairs.tsv.
    const double text = 1 / (1 + std::exp(-16 * (likeness.text - kEvenText)));
    const bool items = !query.item.empty() && !entry.sketch.item.empty();
    const double item = !items ? 1 : query.item == entry.sketch.item ? 1 : 0.45;
    likeness.score =
        text * item * (0.15 + 0.85 * std::min(1.0, place / 0.7)) * (0.7 + 0.3 * TimeLikeness(likeness.apart));
    if (likeness.score >= kWorthALook) found.push_back(likeness);
  }
  std::sort(found.begin(), found.end(), [](const Likeness& a, const Likeness& b) {
    return a.score != b.score ? a.score > b.score : a.id > b.id;
  });
  if (found.size() > limit) found.resize(limit);
  return found;
}

}  // namespace hotline::work_order
