// What the model sees of a text: n-grams of characters and of sounds, words, and concepts with the context
// they stand in.
#ifndef COMMON_SUGGEST_FEATURES_H_
#define COMMON_SUGGEST_FEATURES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/suggest/text.h"
#include "hotline/config/v1/suggest.pb.h"

namespace hotline::suggest {

// Blocks are scaled apart, so that a long text's many n-grams do not drown its few concepts.
enum class Block : uint8_t { kGram, kSound, kWord, kConcept, kShape, kPair, kPart };
inline constexpr size_t kBlocks = 7;

struct Feature {
  uint64_t key = 0;
  Block block = Block::kGram;
  // Tokens it stands on; equal if on none.
  uint32_t begin = 0;
  uint32_t end = 0;
};

// A concept's word in a text.
struct Hit {
  uint32_t concept_index = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
  // Found by its sound alone.
  bool by_sound = false;
  // A sign of danger, certain or likely, that its context takes back: denied, past, asked about, imagined, or
  // a figure of speech.
  bool calmed = false;
};

// Immutable; any number of threads may share it.
class Featuriser {
 public:
  struct Concept {
    std::string code;
    config::v1::SuggestConceptKind kind;
    std::string item;
    std::string unit;
    bool explains_danger = false;
  };

  explicit Featuriser(const config::v1::SuggestTerms& terms);

  struct View {
    Text text;
    std::vector<Feature> features;                     // each key once, in the order of keys
    std::vector<Hit> hits;                             // by begin
    std::vector<std::pair<uint32_t, uint32_t>> words;  // tokens, as Words() has them
    // A sign of danger that nothing takes back.
    bool certain = false;
    // A certain sign stands, or a likely one of an item's danger.
    bool named = false;
    // Signs are denied, and none stands, certain or likely.
    bool denied = false;
  };
  View Look(std::string_view utf8) const { return Look(reader_.Read(utf8)); }
  View Look(Text text) const;

  size_t concepts() const { return concepts_.size(); }
  // Key of the feature that a concept's word is.
  static uint64_t KeyOf(uint32_t concept_index, bool calmed, bool by_sound);
  const Concept& concept_at(uint32_t index) const { return concepts_[index]; }

 private:
  struct Entry {
    std::vector<uint32_t> concepts;  // whose term ends here
    uint32_t tokens = 0;
  };
  using Index = absl::flat_hash_map<uint64_t, Entry>;

  void FindHits(View* view) const;
  void JudgeContext(View* view) const;

  std::vector<Concept> concepts_;
  Reader reader_;
  Index terms_;
  Index sounds_;
};

}  // namespace hotline::suggest

#endif  // COMMON_SUGGEST_FEATURES_H_
