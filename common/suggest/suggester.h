// From what a caller says to advice: which hotline, which item of the catalogue, which units, whether there
// is danger, and why. It advises; a person decides. Offline and deterministic: the model is trained when it
// is made, from the catalogue's phrases, the terms and the labelled examples, all of them files that people
// review.
#ifndef COMMON_SUGGEST_SUGGESTER_H_
#define COMMON_SUGGEST_SUGGESTER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/catalogue/catalogue.h"
#include "common/catalogue/exclusions.h"
#include "common/catalogue/units.h"
#include "common/suggest/features.h"
#include "common/suggest/model.h"
#include "hotline/config/v1/suggest.pb.h"

namespace hotline::suggest {

enum class Verdict {
  kGovernment,  // the government's hotline
  kPolice,      // the police's
  kUnclear,     // of both sides, or too little said: ask, or hold a three-way call
  kNone,        // of neither
};

// Words that decided.
struct Reason {
  std::string text;     // as they stand in the source
  int begin = -1;       // in code points; -1: they do not stand there as they are
  std::string meaning;  // in Chinese
  double weight = 0;    // share of what spoke for it, 0 to 1
};

struct SuggestedItem {
  const config::v1::CatalogueItem* item = nullptr;
  double probability = 0;
  std::vector<Reason> reasons;  // heaviest first, at most 5; of an item that is hardly likely none
};

// A clause of the annex that took the matter out of the item that was thought of first.
struct AppliedExclusion {
  const config::v1::CatalogueItem* item = nullptr;
  const config::v1::Exclusion* exclusion = nullptr;
  Reason word;  // that shows it
  // Where it belongs instead; null: it is not accepted.
  const config::v1::CatalogueItem* instead = nullptr;
  std::string note;  // in one line, in Chinese
  // The item was the best one, so that the clause settled what the matter is; else it took a lesser one away.
  bool decided = false;
};

struct Suggestion {
  Verdict verdict = Verdict::kUnclear;
  // 110 dispatches first. The verdict is then the police's.
  bool emergency = false;
  // How sure the danger is, 0 to 1. A sign of danger that nothing takes back gives kCertainDanger where the
  // model does not hold the whole for harmless, and nothing else reaches it.
  double danger = 0;
  // A threat or another clue touching social stability.
  bool stability_clue = false;
  // Probability that the verdict is right.
  double confidence = 0;
  // Best first, at most `max_items`; the first is of the verdict's hotline. None if the verdict is kNone.
  std::vector<SuggestedItem> items;
  // Of the first item, as catalogue::ChooseUnits has them without anybody accused.
  catalogue::UnitChoice units;
  // Of the verdict: the word of a clause that decided, then heaviest first; at most 8. Of an emergency its
  // signs come first, certain ones, then likely ones; it has one reason in any case, so that who dispatches
  // reads what it was heard by.
  std::vector<Reason> reasons;
  // Clauses that applied; what they took the matter out of is not among `items`.
  std::vector<AppliedExclusion> exclusions;
  // What to ask the caller, in Chinese, when that would decide. Empty: nothing.
  std::string question;
};

inline constexpr double kCertainDanger = 0.95;

struct Query {
  // Any bytes.
  std::string_view text;
  // Code of the hotline that heard it; empty: not known. It changes no verdict: whose a matter is does not
  // depend on who was called.
  std::string_view received_by;
  // Items that do not hold on this day are not suggested. Not set: all are.
  absl::CivilDay day = absl::CivilDay(1970, 1, 1);
  size_t max_items = 5;
  // A person says that nobody is in danger: then there is no emergency, and verdict, items and confidence are
  // those of a matter without danger.
  bool no_danger = false;
  // Reasons and units cost more than the answer; measurements do without.
  bool explain = true;
};

// What went into a model.
struct TrainingReport {
  size_t examples = 0;
  // Not used: they name an item that the catalogue does not have.
  size_t skipped = 0;
  size_t features = 0;
  size_t bytes = 0;
};

// Problems of `terms`, one in each line; empty: none.
std::string CheckTerms(const config::v1::SuggestTerms& terms);

// Advice by one version of a catalogue. Immutable; any number of threads may share it.
class Suggester {
 public:
  // INVALID_ARGUMENT if the terms break a rule written beside their fields, or an example lacks a label.
  static absl::Status Check(const catalogue::Catalogue& catalogue, const config::v1::SuggestTerms& terms,
                            std::span<const config::v1::SuggestExample> examples);
  // Takes about four seconds of one core. Errors: those of Check; CANCELLED soon after another thread has set
  // `*stop`, which may be null.
  static absl::StatusOr<std::shared_ptr<const Suggester>> Create(
      std::shared_ptr<const catalogue::Catalogue> catalogue, const config::v1::SuggestTerms& terms,
      std::span<const config::v1::SuggestExample> examples, const std::atomic<bool>* stop = nullptr);

  Suggestion Suggest(const Query& query) const;

  const catalogue::Catalogue& catalogue() const { return *catalogue_; }
  const TrainingReport& report() const { return report_; }

 private:
  // Tokens that are shown together.
  struct Span {
    uint32_t begin = 0;
    uint32_t end = 0;
    // Code of the item that they mean; empty: none.
    std::string_view item;
    bool concept_word = false;
  };

  // Of no use if `*stop` was set meanwhile.
  Suggester(std::shared_ptr<const catalogue::Catalogue> catalogue, const config::v1::SuggestTerms& terms,
            std::span<const config::v1::SuggestExample> examples, const std::atomic<bool>* stop);

  Suggestion Answer(const Query& query, const Featuriser::View& view) const;
  // What can be shown as a reason (of `danger`): the longest concepts' words, and between them whole words.
  std::vector<Span> Spans(const Featuriser::View& view, bool danger) const;
  // For the item with the code `item`, or for a verdict if that is empty.
  std::vector<Reason> Merge(std::string_view source, const Featuriser::View& view,
                            std::span<const Span> spans, std::span<const Model::Share> shares, size_t limit,
                            std::string_view item, std::string_view fallback) const;
  // The signs of danger of a kind that nothing takes back, as whole words.
  std::vector<Reason> Signs(std::string_view source, const Featuriser::View& view,
                            std::span<const Span> spans, config::v1::SuggestConceptKind kind) const;
  // What an emergency was heard by: certain signs, else what is likely one and what the models weigh most.
  std::vector<Reason> WhyDanger(std::string_view source, const Featuriser::View& view,
                                std::span<const Span> spans, std::span<const Model::Active> active) const;
  // What an emergency was heard by where no whole word of the text says it: a sign that only sounds so, or
  // single characters with what stands around them.
  Reason Heard(std::string_view source, const Featuriser::View& view,
               std::span<const Model::Share> shares) const;
  std::string Ask(const Suggestion& suggestion, const Featuriser::View& view) const;
  // From which danger on it is an emergency: little said says little.
  double EmergencyFrom(const Featuriser::View& view) const;
  // How sure an answer is that the models give `probability`.
  double Confidence(double probability) const;
  // Reads the clauses of the annex: takes the classes that they exclude from the first of `order` (best
  // first), and changes the verdict if it was the best. `police`: how likely the matter is the police's.
  void Exclude(const Query& query, double police, std::vector<uint32_t>* order, Suggestion* suggestion) const;
  // Of a matter that is nobody's: the clause by which it is not accepted, if it would be of one of the first
  // of `order` otherwise.
  void NameRefusal(std::string_view text, std::span<const uint32_t> order, Suggestion* suggestion) const;
  AppliedExclusion Applied(const config::v1::CatalogueItem& item, const catalogue::FoundExclusion& found,
                           std::string_view text) const;

  std::shared_ptr<const catalogue::Catalogue> catalogue_;
  config::v1::SuggestDecision decision_;
  std::vector<const config::v1::CatalogueItem*> items_;  // by class
  absl::flat_hash_map<std::string_view, uint32_t> class_of_;
  std::vector<bool> police_;  // by class
  std::unique_ptr<const Featuriser> featuriser_;
  std::unique_ptr<const Model> model_;
  TrainingReport report_;
};

// `12345`, `110`, `unclear` or `none`, by the catalogue's codes of its hotlines.
std::string_view HotlineOf(Verdict verdict, const catalogue::Catalogue& catalogue);

}  // namespace hotline::suggest

#endif  // COMMON_SUGGEST_SUGGESTER_H_
