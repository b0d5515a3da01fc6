#include "common/suggest/model.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace hotline::suggest {
namespace {

constexpr uint32_t kBias = 0;
constexpr uint32_t kCoverage = 1;
constexpr uint32_t kCoverageBuckets = 6;
constexpr uint32_t kFirstRow = kCoverage + kCoverageBuckets;
// Words and n-grams of so many characters are kept however rare they are: they come again in other company.
constexpr uint32_t kShort = 2;
// The rows of a text lie anywhere in megabytes of weights: each is asked for so many before it is needed.
constexpr size_t kAhead = 8;
constexpr uint32_t kLine = 64 / sizeof(float);
// A gradient with no part beyond this moves nothing.
constexpr float kLearnt = 0.05F;
// Of a gradient's square, what one column has on average of those that matter.
constexpr float kSquareShare = 0.125F;

}  // namespace

Model::Model(std::vector<TrainingExample> examples, std::span<const Prior> priors, uint32_t classes,
             uint32_t groups, const TrainingOptions& options, const std::atomic<bool>* stop)
    : classes_(classes), groups_(groups), stride_((classes + groups + 1 + 7) / 8 * 8), options_(options) {
  absl::flat_hash_map<uint64_t, uint32_t> counts;
  absl::flat_hash_set<uint64_t> concepts;
  for (const TrainingExample& example : examples) {
    for (const Feature& feature : example.view.features) {
      ++counts[feature.key];
      if (feature.block == Block::kConcept || feature.block == Block::kShape) concepts.insert(feature.key);
    }
  }
  counts_.assign(kFirstRow, 0);
  // In the order of the examples, as that of a hash map may differ from run to run.
  for (const TrainingExample& example : examples) {
    for (const Feature& feature : example.view.features) {
      const uint32_t count = counts[feature.key];
      const bool is_short = feature.end - feature.begin <= kShort && feature.block != Block::kPair;
      if (count < options.min_examples && !is_short && !concepts.contains(feature.key)) continue;
      const auto [found, fresh] = index_.try_emplace(feature.key, static_cast<uint32_t>(counts_.size()));
      if (fresh) counts_.push_back(count);
    }
  }
  for (const Prior& prior : priors) {
    if (index_.try_emplace(prior.key, static_cast<uint32_t>(counts_.size())).second) counts_.push_back(0);
  }
  std::vector<std::vector<Active>> actives;
  actives.reserve(examples.size());
  // Of each example, as many as it has features: what is active beyond is about the whole.
  std::vector<uint32_t> wholes;
  wholes.reserve(examples.size());
  for (TrainingExample& example : examples) {
    actives.push_back(Activate(example.view, 1));
    wholes.push_back(static_cast<uint32_t>(example.view.features.size()));
    example.view = {};
  }
  // By row: steps of one size for all columns cost a third, and are no worse.
  std::vector<float> squares(counts_.size());
  std::vector<float> logits(stride_);
  std::vector<Active> looked_at;
  uint64_t dice = 0x9e3779b97f4a7c15ULL;
  const auto left_out = static_cast<uint32_t>(options.dropout * 4294967295.0);
  const float made_up = 1 / (1 - options.dropout);
  // xorshift
  const auto roll = [&] {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
  };
  // Whether the next feature is left out.
  const auto is_left_out = [&] {
    roll();
    return static_cast<uint32_t>(dice >> 32) < left_out;
  };
  std::vector<float> gradient(stride_);
  // Another order in each epoch, the same on every machine: what comes last weighs more, so no example is to
  // be always last.
  std::vector<uint32_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto shuffle = [&] {
    for (size_t i = order.size(); i > 1; --i) {
      roll();
      std::swap(order[i - 1], order[dice % i]);
    }
  };
  // The mean of what the later epochs end with is steadier than the last alone.
  std::vector<float> sums(counts_.size() * stride_);
  int summed = 0;
  for (int look = 0; look < options.runs * options.epochs; ++look) {
    const int epoch = look % options.epochs;
    if (epoch == 0) {
      weights_.assign(counts_.size() * stride_, 0.0F);
      for (const Prior& prior : priors)
        weights_[size_t{index_[prior.key]} * stride_ + prior.target] += prior.weight;
      std::fill(squares.begin(), squares.end(), 1e-3F);
    }
    shuffle();
    for (const uint32_t at : order) {
      if (stop != nullptr && *stop) return;
      const TrainingExample& example = examples[at];
      std::fill(logits.begin(), logits.end(), 0.0F);
      looked_at.clear();
      for (Active active : actives[at]) {
        // What is about the whole stays.
        if (active.feature < wholes[at]) {
          if (left_out > 0 && is_left_out()) continue;
          active.value *= made_up;
        }
        looked_at.push_back(active);
      }
      for (size_t i = 0; i < looked_at.size(); ++i) {
        if (i + kAhead < looked_at.size()) {
          const uint32_t later = looked_at[i + kAhead].row;
          __builtin_prefetch(&squares[later]);
          for (uint32_t c = 0; c < stride_; c += kLine)
            __builtin_prefetch(&weights_[size_t{later} * stride_ + c]);
        }
        const float* row = &weights_[size_t{looked_at[i].row} * stride_];
        for (uint32_t c = 0; c < stride_; ++c) logits[c] += looked_at[i].value * row[c];
      }
      std::fill(gradient.begin(), gradient.end(), 0.0F);
      const auto softmax = [&](uint32_t from, uint32_t count) {
        const float top = *std::max_element(logits.begin() + from, logits.begin() + from + count);
        float sum = 0;
        for (uint32_t c = from; c < from + count; ++c) sum += gradient[c] = std::exp(logits[c] - top);
        for (uint32_t c = from; c < from + count; ++c) gradient[c] *= example.weight / sum;
      };
      softmax(0, classes_);
      for (const auto& [c, share] : example.classes) gradient[c] -= example.weight * share;
      softmax(classes_, groups_);
      for (const auto& [g, share] : example.groups) gradient[classes_ + g] -= example.weight * share;
      if (example.teaches_danger) {
        const float danger = 1 / (1 + std::exp(-logits[classes_ + groups_]));
        gradient[classes_ + groups_] = example.weight * (danger - (example.emergency ? 1.0F : 0.0F));
      }
      float most = 0;
      float square = 0;
      for (uint32_t c = 0; c <= classes_ + groups_; ++c) {
        most = std::max(most, std::abs(gradient[c]));
        square += gradient[c] * gradient[c];
      }
      // What is answered well teaches nothing more; of later epochs that is most.
      if (most < kLearnt) continue;
      for (const Active& active : looked_at) {
        float* row = &weights_[size_t{active.row} * stride_];
        float& seen = squares[active.row];
        seen += square * active.value * active.value * kSquareShare;
        const float step = options.rate / std::sqrt(seen);
        const float keep = 1 - step * options.decay;
        const float by = step * active.value;
        for (uint32_t c = 0; c < stride_; ++c) row[c] = keep * row[c] - by * gradient[c];
      }
    }
    if (epoch * 2 < options.epochs) continue;
    ++summed;
    for (size_t i = 0; i < weights_.size(); ++i) sums[i] += weights_[i];
  }
  for (size_t i = 0; i < weights_.size(); ++i)
    weights_[i] = sums[i] / static_cast<float>(std::max(summed, 1));
}

std::vector<Model::Active> Model::Activate(const Featuriser::View& view, uint32_t self) const {
  std::vector<Active> actives;
  actives.reserve(view.features.size() + 2);
  const auto whole = static_cast<uint32_t>(view.features.size());
  actives.push_back({kBias, 1, whole});
  std::array<uint32_t, kBlocks> known{};
  uint32_t pairs = 0;
  uint32_t known_pairs = 0;
  for (uint32_t i = 0; i < view.features.size(); ++i) {
    if (i + kAhead < view.features.size()) index_.prefetch(view.features[i + kAhead].key);
    const Feature& feature = view.features[i];
    const auto found = index_.find(feature.key);
    const bool pair = feature.block == Block::kGram && feature.end - feature.begin == 2;
    pairs += pair ? 1 : 0;
    if (found == index_.end()) continue;
    if (pair && counts_[found->second] >= options_.min_examples + self) ++known_pairs;
    ++known[static_cast<size_t>(feature.block)];
    actives.push_back({found->second, 0, i});
  }
  // Nonsense and other languages show in how few pairs of characters are known.
  const uint32_t coverage =
      pairs == 0 ? 0 : 1 + std::min(known_pairs * (kCoverageBuckets - 1) / pairs, kCoverageBuckets - 2);
  for (Active& active : actives) {
    if (active.feature == whole) continue;
    const auto block = static_cast<size_t>(view.features[active.feature].block);
    active.value = options_.scale[block] * 4 / std::sqrt(4.0F + static_cast<float>(known[block]));
  }
  actives.push_back({kCoverage + coverage, 1, whole});
  return actives;
}

Model::Scores Model::Score(std::span<const Active> text) const {
  Scores scores;
  std::vector<float> sums(stride_, 0.0F);
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + kAhead < text.size()) {
      const float* const later = &weights_[size_t{text[i + kAhead].row} * stride_];
      for (uint32_t c = 0; c < stride_; c += kLine) __builtin_prefetch(later + c);
    }
    const float* row = &weights_[size_t{text[i].row} * stride_];
    for (uint32_t c = 0; c < stride_; ++c) sums[c] += text[i].value * row[c];
  }
  scores.danger = sums[classes_ + groups_];
  scores.groups.assign(sums.begin() + classes_, sums.begin() + classes_ + groups_);
  sums.resize(classes_);
  scores.classes = std::move(sums);
  return scores;
}

std::vector<Model::Share> Model::Shares(std::span<const Active> text, uint32_t from, uint32_t count,
                                        uint32_t target) const {
  std::vector<Share> shares;
  shares.reserve(text.size());
  // What is about the whole comes first and last and stands on no words.
  for (const Active& active : text.subspan(1, text.size() - 2)) {
    const float* row = &weights_[size_t{active.row} * stride_ + from];
    float sum = 0;
    for (uint32_t c = 0; c < count; ++c) sum += row[c];
    // A column alone has no others to be compared with.
    const float mean = count == 1 ? 0 : sum / static_cast<float>(count);
    shares.push_back({active.feature, active.value * (row[target] - mean)});
  }
  return shares;
}

}  // namespace hotline::suggest
