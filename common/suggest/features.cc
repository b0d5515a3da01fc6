#include "common/suggest/features.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hotline::suggest {
namespace {

using config::v1::SuggestConceptKind;

// How far before a sign a denial reaches, in tokens.
constexpr uint32_t kDenialReach = 4;
// How far behind a sign a simile may begin, in tokens: 着火了的一样.
constexpr uint32_t kSimileReach = 3;
// How far apart concepts still make a pair, in tokens, and how many are remembered.
constexpr uint32_t kPairReach = 24;
constexpr size_t kPairMemory = 32;
// Terms have at most 32 characters (see SuggestConcept).
constexpr uint32_t kMaxTermTokens = 32;
// Two syllables have too many homophones to tell danger by.
constexpr size_t kMinSignSounds = 3;

std::vector<std::pair<std::string, std::string>> Rewrites(const config::v1::SuggestTerms& terms) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& rewrite : terms.rewrites()) pairs.emplace_back(rewrite.from(), rewrite.to());
  return pairs;
}

bool IsSign(SuggestConceptKind kind) { return kind == config::v1::SUGGEST_CONCEPT_KIND_CERTAIN; }

bool IsContext(SuggestConceptKind kind) {
  return (kind >= config::v1::SUGGEST_CONCEPT_KIND_NEGATION &&
          kind <= config::v1::SUGGEST_CONCEPT_KIND_RETRACTION) ||
         kind == config::v1::SUGGEST_CONCEPT_KIND_SIMILE || kind == config::v1::SUGGEST_CONCEPT_KIND_PRESENT;
}

uint64_t Key(Block block, uint64_t hash) { return Mix(hash, static_cast<uint64_t>(block) + 11); }

// A sign counts apart where it is taken back; heard, not read, it counts less, so it is another feature too.
uint64_t ConceptHash(uint32_t concept_index, bool calmed, bool by_sound) {
  return Mix(Mix(6, concept_index), (calmed ? 1U : 0U) + (by_sound ? 2U : 0U));
}

class Collector {
 public:
  explicit Collector(std::vector<Feature>* features) : features_(features) {}
  void Add(Block block, uint64_t hash, uint32_t begin, uint32_t end) {
    features_->push_back({Key(block, hash), block, begin, end});
  }
  void Finish() {
    SortByKey();
    features_->erase(std::unique(features_->begin(), features_->end(),
                                 [](const Feature& a, const Feature& b) { return a.key == b.key; }),
                     features_->end());
  }

 private:
  // Keys are hashes, so that their first byte parts them into groups of a few: a third of the time of one
  // sort of all.
  void SortByKey() {
    constexpr int kShift = 56;
    std::array<uint32_t, 257> ends{};
    for (const Feature& feature : *features_) ++ends[(feature.key >> kShift) + 1];
    for (size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
    std::vector<Feature> sorted(features_->size());
    std::array<uint32_t, 257> next = ends;
    for (const Feature& feature : *features_) sorted[next[feature.key >> kShift]++] = feature;
    for (size_t i = 0; i + 1 < ends.size(); ++i) {
      std::sort(sorted.begin() + ends[i], sorted.begin() + ends[i + 1],
                [](const Feature& a, const Feature& b) {
                  return std::pair(a.key, a.begin) < std::pair(b.key, b.begin);
                });
    }
    *features_ = std::move(sorted);
  }

  std::vector<Feature>* features_;
};

uint64_t LengthBucket(size_t tokens) {
  uint64_t bucket = 0;
  for (const size_t limit : {0, 1, 2, 3, 4, 6, 8, 12, 18, 30, 60}) bucket += tokens > limit ? 1 : 0;
  return bucket;
}

}  // namespace

Featuriser::Featuriser(const config::v1::SuggestTerms& terms) : reader_(Rewrites(terms)) {
  for (const auto& entry : terms.concepts()) {
    const auto index = static_cast<uint32_t>(concepts_.size());
    concepts_.push_back({entry.code(), entry.kind(), entry.item(), entry.unit(), entry.explains_danger()});
    for (const std::string& term : entry.terms()) {
      const Text text = reader_.Read(term);
      if (text.tokens.empty()) continue;
      uint64_t hash = 1;
      for (const Token& token : text.tokens) terms_[hash = Mix(hash, token.id)];
      Entry& exact = terms_[hash];
      exact.tokens = static_cast<uint32_t>(text.tokens.size());
      if (exact.concepts.empty() || exact.concepts.back() != index) exact.concepts.push_back(index);
      // Context is said in words too short to be told by sound.
      if (IsContext(entry.kind()) || text.tokens.size() < 2 ||
          entry.kind() == config::v1::SUGGEST_CONCEPT_KIND_PART)
        continue;
      if (IsSign(entry.kind()) && text.tokens.size() < kMinSignSounds) continue;
      if (std::any_of(text.tokens.begin(), text.tokens.end(),
                      [](const Token& token) { return token.sound == 0; }))
        continue;
      hash = 2;
      for (const Token& token : text.tokens) sounds_[hash = Mix(hash, token.sound)];
      Entry& heard = sounds_[hash];
      heard.tokens = static_cast<uint32_t>(text.tokens.size());
      if (heard.concepts.empty() || heard.concepts.back() != index) heard.concepts.push_back(index);
    }
  }
}

uint64_t Featuriser::KeyOf(uint32_t concept_index, bool calmed, bool by_sound) {
  return Key(Block::kConcept, ConceptHash(concept_index, calmed, by_sound));
}

void Featuriser::FindHits(View* view) const {
  const std::vector<Token>& tokens = view->text.tokens;
  const auto size = static_cast<uint32_t>(tokens.size());
  for (uint32_t i = 0; i < size; ++i) {
    uint64_t hash = 1;
    for (uint32_t j = i; j < size; ++j) {
      const auto found = terms_.find(hash = Mix(hash, tokens[j].id));
      if (found == terms_.end()) break;
      for (const uint32_t index : found->second.concepts) view->hits.push_back({index, i, j + 1});
    }
  }
  // By where they begin, so that what overlaps is near.
  const size_t exact = view->hits.size();
  const auto known = [&](uint32_t index, uint32_t begin, uint32_t end) {
    const auto limit = view->hits.begin() + static_cast<std::ptrdiff_t>(exact);
    auto hit =
        std::lower_bound(view->hits.begin(), limit, begin < kMaxTermTokens ? 0 : begin - kMaxTermTokens,
                         [](const Hit& a, uint32_t at) { return a.begin < at; });
    for (; hit != limit && hit->begin < end; ++hit) {
      if (hit->concept_index == index && begin < hit->end) return true;
    }
    return false;
  };
  for (uint32_t i = 0; i < size; ++i) {
    uint64_t hash = 2;
    for (uint32_t j = i; j < size && tokens[j].sound != 0; ++j) {
      const auto found = sounds_.find(hash = Mix(hash, tokens[j].sound));
      if (found == sounds_.end()) break;
      for (const uint32_t index : found->second.concepts) {
        if (!known(index, i, j + 1)) view->hits.push_back({index, i, j + 1, true});
      }
    }
  }
  std::stable_sort(view->hits.begin(), view->hits.end(),
                   [](const Hit& a, const Hit& b) { return a.begin < b.begin; });
}

void Featuriser::JudgeContext(View* view) const {
  const std::vector<Token>& tokens = view->text.tokens;
  // Sentence and clause of each token.
  std::vector<uint32_t> sentence(tokens.size());
  std::vector<uint32_t> clause(tokens.size());
  for (uint32_t i = 1; i < tokens.size(); ++i) {
    sentence[i] = sentence[i - 1] + (tokens[i - 1].sentence_end() ? 1 : 0);
    clause[i] = clause[i - 1] + (tokens[i - 1].boundary() ? 1 : 0);
  }
  const auto kind_of = [&](const Hit& hit) { return concepts_[hit.concept_index].kind; };
  std::vector<Hit> context;
  for (const Hit& hit : view->hits) {
    if (!IsContext(kind_of(hit))) continue;
    // What a longer harmless word holds is no context either.
    const bool held = std::any_of(view->hits.begin(), view->hits.end(), [&](const Hit& other) {
      return kind_of(other) == config::v1::SUGGEST_CONCEPT_KIND_FIGURE && other.begin <= hit.begin &&
             hit.end <= other.end && hit.end - hit.begin < other.end - other.begin;
    });
    if (!held) context.push_back(hit);
  }
  bool denied = false;
  bool stands = false;
  for (Hit& sign : view->hits) {
    const SuggestConceptKind kind = kind_of(sign);
    const bool likely = kind == config::v1::SUGGEST_CONCEPT_KIND_LIKELY;
    if (!IsSign(kind) && !likely) continue;
    bool calmed = sign.by_sound;
    for (const Hit& hit : context) {
      if (calmed) break;
      const bool same_sentence = sentence[hit.begin] == sentence[sign.begin];
      const bool same_clause = clause[hit.begin] == clause[sign.begin];
      switch (kind_of(hit)) {
        case config::v1::SUGGEST_CONCEPT_KIND_PAST:
          // He who hit me last month is here again: what was is told of who it is, not of what happens.
          calmed = same_sentence && std::none_of(context.begin(), context.end(), [&](const Hit& now) {
                     return kind_of(now) == config::v1::SUGGEST_CONCEPT_KIND_PRESENT &&
                            hit.end <= now.begin && now.end <= sign.begin &&
                            clause[now.begin] == clause[sign.begin];
                   });
          break;
        case config::v1::SUGGEST_CONCEPT_KIND_ASKING:
        case config::v1::SUGGEST_CONCEPT_KIND_HYPOTHETICAL:
          calmed = same_sentence;
          break;
        case config::v1::SUGGEST_CONCEPT_KIND_RETRACTION:
          calmed = same_sentence || hit.begin > sign.begin;
          break;
        case config::v1::SUGGEST_CONCEPT_KIND_FIGURE:
          calmed = hit.begin < sign.end && sign.begin < hit.end;
          break;
        case config::v1::SUGGEST_CONCEPT_KIND_SIMILE:
          calmed = same_clause && sign.begin < hit.begin && hit.begin < sign.end + kSimileReach;
          break;
        case config::v1::SUGGEST_CONCEPT_KIND_NEGATION:
          calmed = same_clause && hit.end <= sign.begin && sign.begin - hit.end < kDenialReach;
          denied |= calmed;
          break;
        default:
          break;
      }
    }
    sign.calmed = calmed;
    if (IsSign(kind)) view->certain |= !calmed;
    stands |= !calmed;
    view->named |= !calmed && (IsSign(kind) || !concepts_[sign.concept_index].item.empty());
  }
  view->denied = denied && !stands;
}

Featuriser::View Featuriser::Look(Text text) const {
  View view;
  view.text = std::move(text);
  FindHits(&view);
  JudgeContext(&view);

  const std::vector<Token>& tokens = view.text.tokens;
  const auto size = static_cast<uint32_t>(tokens.size());
  view.features.reserve(tokens.size() * 8 + 32);
  Collector collector(&view.features);
  for (uint32_t i = 0; i < size; ++i) {
    uint64_t grams = 3;
    uint64_t sounds = 4;
    bool sounding = true;
    for (uint32_t j = i; j < size && j < i + 4 && !tokens[j].boundary(); ++j) {
      grams = Mix(grams, tokens[j].id);
      collector.Add(Block::kGram, grams, i, j + 1);
      sounding &= tokens[j].sound != 0;
      sounds = Mix(sounds, tokens[j].sound);
      if (sounding && j > i) collector.Add(Block::kSound, sounds, i, j + 1);
    }
  }
  uint64_t before = 0;
  uint32_t before_begin = 0;
  uint32_t before_end = 0;
  view.words = Words(tokens);
  for (const auto& [begin, end] : view.words) {
    uint64_t word = 5;
    for (uint32_t i = begin; i < end; ++i) word = Mix(word, tokens[i].id);
    collector.Add(Block::kWord, word, begin, end);
    if (before != 0 && before_end == begin) collector.Add(Block::kWord, Mix(before, word), before_begin, end);
    before = word;
    before_begin = begin;
    before_end = end;
  }

  bool signs = false;
  uint32_t kinds = 0;
  for (const Hit& hit : view.hits) {
    const Concept& found = concepts_[hit.concept_index];
    kinds |= 1U << found.kind;
    // Evidence is one feature whatever takes it back: the model weighs it with its surroundings.
    const bool calmed = hit.calmed && IsSign(found.kind);
    collector.Add(found.kind == config::v1::SUGGEST_CONCEPT_KIND_PART ? Block::kPart : Block::kConcept,
                  ConceptHash(hit.concept_index, calmed, hit.by_sound), hit.begin, hit.end);
    signs |= IsSign(found.kind);
  }
  // Pairs of concepts that stand together, in either order.
  std::vector<std::pair<uint32_t, uint32_t>> seen;  // concept, begin
  for (const Hit& hit : view.hits) {
    for (const auto& [other, begin] : seen) {
      if (other == hit.concept_index || hit.begin - begin > kPairReach) continue;
      collector.Add(Block::kPair,
                    Mix(Mix(12, std::min(other, hit.concept_index)), std::max(other, hit.concept_index)),
                    begin, hit.end);
    }
    if (!hit.by_sound) seen.emplace_back(hit.concept_index, hit.begin);
    if (seen.size() > kPairMemory) seen.erase(seen.begin());
  }
  if (view.certain) collector.Add(Block::kShape, 7, 0, 0);
  if (signs && !view.certain) collector.Add(Block::kShape, 8, 0, 0);
  // Which kinds of context there are, together with whether there is danger.
  for (uint32_t kind = 0; kind <= config::v1::SUGGEST_CONCEPT_KIND_PRESENT; ++kind) {
    if (kind != config::v1::SUGGEST_CONCEPT_KIND_PART && (kinds & (1U << kind)) != 0)
      collector.Add(Block::kShape, Mix(Mix(9, kind), signs ? 1 : 0), 0, 0);
  }
  collector.Add(Block::kShape, Mix(10, LengthBucket(tokens.size())), 0, 0);
  collector.Finish();
  return view;
}

}  // namespace hotline::suggest
