// The labelled set: lines of JSON, each a SuggestExample; and how well a model answers it.
#ifndef COMMON_SUGGEST_EXAMPLES_H_
#define COMMON_SUGGEST_EXAMPLES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/suggest/suggester.h"

namespace hotline::suggest {

// Reads lines of JSON; empty lines are skipped, fields that are not known ignored. Errors: INVALID_ARGUMENT
// with `name:line` of the first problem: no JSON, no id, an id that is there twice, no text.
absl::StatusOr<std::vector<config::v1::SuggestExample>> ParseExamples(std::string_view text,
                                                                      std::string_view name);
// One line, with a line feed.
std::string WriteExample(const config::v1::SuggestExample& example);

// True for about `percent` of a hundred ids, the same for the same seed on every machine.
bool InTestPart(std::string_view id, uint64_t seed, int percent);

// How answers compare with labels.
struct Scores {
  int examples = 0;
  int hotline_right = 0;
  // Of those that belong to one hotline.
  int clear = 0;
  int clear_right = 0;
  int unclear = 0;
  int unclear_right = 0;
  int none = 0;
  int none_right = 0;
  int items = 0;  // with an item
  int item_first = 0;
  int item_in_three = 0;
  int units = 0;  // with a unit
  int unit_first = 0;
  int emergencies = 0;
  int emergencies_missed = 0;  // not to the police's hotline
  int emergencies_flagged = 0;
  int calm = 0;  // not an emergency
  int false_alarms = 0;
  // Answers by confidence in tenths: how many, how sure in sum, how many right.
  struct Bin {
    int answers = 0;
    double confidence = 0;
    int right = 0;
  };
  std::array<Bin, 10> bins;
  // Label, then answer: 12345, 110, unclear, none.
  std::map<std::string, std::map<std::string, int>> confusion;
  // Of items, where the first one is wrong.
  std::map<std::string, std::map<std::string, int>> item_confusion;

  // Mean distance of confidence and rightness over the bins, weighed by their answers.
  double CalibrationError() const;
  void Add(const Scores& other);
};

// What was asked and answered, for whoever wants to look at the mistakes.
using Observer = std::function<void(const config::v1::SuggestExample&, const Suggestion&)>;

Scores Evaluate(const Suggester& suggester, std::span<const config::v1::SuggestExample> examples,
                const Observer& observer = nullptr);

// Each of `folds` parts by a model that was trained on the others. Errors: as Suggester::Create.
absl::StatusOr<Scores> CrossValidate(const std::shared_ptr<const catalogue::Catalogue>& catalogue,
                                     const config::v1::SuggestTerms& terms,
                                     std::span<const config::v1::SuggestExample> examples, int folds,
                                     uint64_t seed, const Observer& observer = nullptr);

// `text` fit to become an example. Masked are: `known`, the names and numbers that an order has of its
// caller, as they stand in the text; runs of more than six digits, also Chinese ones and in groups (139
// 9912-3456); what follows 我叫, 我姓 and the like up to the next mark, at most 32 letters; and what follows
// 我是 if it reads as a name (a common surname with one or two characters up to the next mark, or a name with
// a dot between its parts): mostly it is not one. It lessens what a text tells about a person; a person still
// has to read it.
std::string MaskPersonal(std::string_view text, std::span<const std::string> known = {});

}  // namespace hotline::suggest

#endif  // COMMON_SUGGEST_EXAMPLES_H_
