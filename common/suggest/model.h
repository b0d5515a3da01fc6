// A linear model over the features of a text: softmax regression for the item and, apart, for the hotline
// that a matter belongs to; logistic regression for danger. Trained in the order of its examples by AdaGrad
// and a fixed sequence of dropout, so that the same examples give the same model on every machine.
#ifndef COMMON_SUGGEST_MODEL_H_
#define COMMON_SUGGEST_MODEL_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/suggest/features.h"

namespace hotline::suggest {

struct TrainingExample {
  Featuriser::View view;
  // Classes it belongs to with their shares, which sum to 1.
  std::vector<std::pair<uint32_t, float>> classes;
  // The same of the groups (the hotlines, and danger now).
  std::vector<std::pair<uint32_t, float>> groups;
  bool emergency = false;
  // False: says nothing of danger.
  bool teaches_danger = true;
  float weight = 1;
};

struct TrainingOptions {
  int epochs = 30;
  // Trained so many times from the start, each in other orders and with other features left out; the model is
  // the mean. What one run owes to its order, as another writer's words show it, the mean owes less.
  int runs = 1;
  float rate = 0.5F;
  // Pulls weights towards zero, at each use of a feature.
  float decay = 2e-4F;
  // Share of an example's features that are left out at each look, others each time: what a text says is said
  // in several ways, and the model learns to go by any of them, as a stranger's words are few that it knows.
  float dropout = 0;
  // Features seen in fewer examples are not kept, but for concepts, words and n-grams of one or two.
  uint32_t min_examples = 2;
  // How much each block of features may say (see Block).
  std::array<float, kBlocks> scale = {0.4F, 0.3F, 0.3F, 0.5F, 0.3F, 0.3F, 0.3F};
};

class Model {
 public:
  // Knowledge that training starts from, so that a word which no example holds says something too.
  struct Prior {
    uint64_t key = 0;
    uint32_t target = 0;
    float weight = 0;
  };
  // Ends early, and is then of no use, once `*stop` is set, which may be null. Takes the examples, as their
  // features are most of what training needs of memory and are not needed to its end.
  Model(std::vector<TrainingExample> examples, std::span<const Prior> priors, uint32_t classes,
        uint32_t groups, const TrainingOptions& options, const std::atomic<bool>* stop = nullptr);

  // A text as the model sees it: which rows of the weights it uses, and how much.
  struct Active {
    uint32_t row = 0;
    float value = 0;
    uint32_t feature = 0;  // index in the view; the number of features for what is about the whole
  };
  std::vector<Active> Activate(const Featuriser::View& view) const { return Activate(view, 0); }

  struct Scores {
    // Logits.
    std::vector<float> classes;
    std::vector<float> groups;
    float danger = 0;
  };
  Scores Score(std::span<const Active> text) const;

  // What each feature adds to the logit of a class beyond what it adds to the classes on average; for
  // features that are known.
  struct Share {
    uint32_t feature = 0;  // index in the view
    float weight = 0;
  };
  std::vector<Share> Explain(std::span<const Active> text, uint32_t target) const {
    return Shares(text, 0, classes_, target);
  }
  // The same for a group and for danger.
  std::vector<Share> ExplainGroup(std::span<const Active> text, uint32_t target) const {
    return Shares(text, classes_, groups_, target);
  }
  std::vector<Share> ExplainDanger(std::span<const Active> text) const {
    return Shares(text, classes_ + groups_, 1, 0);
  }

  // Of the weights.
  size_t bytes() const {
    return weights_.size() * sizeof(float) + index_.capacity() * (sizeof(std::pair<uint64_t, uint32_t>) + 1);
  }
  size_t features() const { return index_.size(); }

 private:
  // For column `from + target`, beyond the mean of the `count` columns from `from`.
  std::vector<Share> Shares(std::span<const Active> text, uint32_t from, uint32_t count,
                            uint32_t target) const;
  // `self` examples of each feature's count are the text's own.
  std::vector<Active> Activate(const Featuriser::View& view, uint32_t self) const;

  uint32_t classes_;
  uint32_t groups_;
  uint32_t stride_;
  TrainingOptions options_;
  // Feature to row of `weights_`; the first rows are the bias and the buckets of how much of the text is
  // known.
  absl::flat_hash_map<uint64_t, uint32_t> index_;
  std::vector<uint32_t> counts_;  // by row
  std::vector<float> weights_;    // rows of `stride_`: classes, groups, danger
};

}  // namespace hotline::suggest

#endif  // COMMON_SUGGEST_MODEL_H_
