#include "common/suggest/suggester.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "common/base/text.h"
#include "common/catalogue/exclusions.h"
#include "common/catalogue/places.h"
#include "common/error/error.h"

namespace hotline::suggest {
namespace {

using config::v1::CatalogueItem;
using config::v1::SuggestTerms;

// Groups of classes: the hotline's part.
constexpr uint32_t kGovernmentGroup = 0;
constexpr uint32_t kPoliceGroup = 1;
constexpr uint32_t kUnclearGroup = 2;
constexpr uint32_t kNoneGroup = 3;
// The police's with danger now; kPoliceGroup is without.
constexpr uint32_t kDangerGroup = 4;
constexpr uint32_t kGroups = 5;
// How much of a verdict's probability comes from the model of hotlines; the rest from the items', which errs
// less on writers whom neither has learnt from.
constexpr double kGroupShare = 0.3;
// What words of the catalogue and of the terms count beside a labelled example.
constexpr float kPhraseWeight = 0.4F;
constexpr float kTermWeight = 0.3F;
constexpr float kPriorWeight = 1.0F;
// Danger that the model sees without a certain sign.
constexpr double kMostModelDanger = 0.9;
// Of the danger from which there is an emergency, what is left where every sign is denied.
constexpr double kDeniedDanger = 0.9;
// Danger without a certain sign is only believed where the matter may be the police's at all.
constexpr double kPoliceInDanger = 0.15;
// Probability of an item from which its reasons are worth reading; the first has them in any case.
constexpr double kWorthExplaining = 0.01;
// Tokens that a reason shows at most, if it is of several words.
constexpr uint32_t kMostShown = 10;
// Reasons of a verdict.
constexpr size_t kMostReasons = 8;
// So many items, best first, are looked at for clauses of the annex.
constexpr size_t kReadAmong = 5;
// Of a matter that a clause of the annex gives to the police: less likely theirs than this, it is unclear.
constexpr double kLikelyPolice = 0.2;
// What a text in another language gets: that it is unclear is sure, but an emergency may hide in it.
constexpr double kForeignConfidence = 0.9;
// What each place of the catalogue is read as.
constexpr std::string_view kPlace = "本乡";
// How sure at least is what a clause of the annex says against the models: its word stands there, and they
// err too.
constexpr double kClauseConfidence = 0.5;

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<double> Softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> result(logits.size());
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) sum += result[i] = std::exp((logits[i] - top) / temperature);
  for (double& value : result) value /= sum;
  return result;
}

// The terms with the catalogue's phrases as further concepts.
SuggestTerms WithPhrases(SuggestTerms terms, const catalogue::Catalogue& catalogue) {
  for (const CatalogueItem& item : catalogue.message().items()) {
    auto& entry = *terms.add_concepts();
    entry.set_code(StrCat("item ", item.code()));
    entry.set_item(item.code());
    *entry.mutable_terms() = item.phrases();
  }
  // Where it happens tells nothing of what it is, and the characters of a name (波斯坦铁列克) nothing at all.
  std::set<std::string> spelled;
  for (const auto& rewrite : terms.rewrites()) spelled.insert(rewrite.from());
  const auto is_place = [&](const std::string& name) {
    if (!spelled.insert(name).second) return;
    config::v1::SuggestRewrite& rewrite = *terms.add_rewrites();
    rewrite.set_from(name);
    rewrite.set_to(std::string(kPlace));
  };
  for (const auto& township : catalogue.message().townships()) {
    is_place(township.display_name());
    for (const std::string& word : township.place_words()) is_place(word);
  }
  return terms;
}

config::v1::SuggestDecision WithDefaults(config::v1::SuggestDecision decision) {
  if (decision.emergency_from() == 0) decision.set_emergency_from(0.5);
  if (decision.temperature() == 0) decision.set_temperature(1);
  if (decision.both_sided_from() == 0) decision.set_both_sided_from(0.35);
  if (decision.unclear_factor() == 0) decision.set_unclear_factor(1);
  if (decision.confidence_slope() == 0) decision.set_confidence_slope(1);
  if (decision.short_characters() == 0) decision.set_short_characters(5);
  if (decision.short_emergency_from() == 0) decision.set_short_emergency_from(0.5);
  return decision;
}

size_t CodePoints(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Where `at`, in bytes, is in code points.
int PositionOf(std::string_view source, size_t at) {
  return static_cast<int>(CodePoints(source.substr(0, at)));
}

uint32_t GroupOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGovernment:
      return kGovernmentGroup;
    case Verdict::kPolice:
      return kPoliceGroup;
    case Verdict::kNone:
      return kNoneGroup;
    case Verdict::kUnclear:
      break;
  }
  return kUnclearGroup;
}

// Enough Chinese to be read, whatever else is there: a desk's title over a caller's own words.
constexpr size_t kReadableHan = 6;

// Not in Chinese, by its letters: then nothing that the model knows applies.
bool Foreign(const Text& text) {
  // Among the words of another language one that is spelled as in Chinese ("wifi") makes it no pinyin.
  if (text.han == text.spelled_han && text.latin > 2 * text.spelled) return true;
  return text.han == 0 || (text.han < kReadableHan && 2 * text.han < text.foreign + text.latin / 3);
}

std::string_view LanguageHint(const Text& text) {
  if (text.foreign > text.latin) return "维吾尔语、柯尔克孜语、哈萨克语或俄语等";
  if (text.latin > 0) return "英语等";
  return "";
}

// What each token adds: n-grams that overlap speak together.
std::vector<double> TokenWeights(const Featuriser::View& view, std::span<const Model::Share> shares) {
  std::vector<double> weight(view.text.tokens.size(), 0.0);
  for (const Model::Share& share : shares) {
    const Feature& feature = view.features[share.feature];
    if (feature.begin == feature.end || feature.block == Block::kPair) continue;
    for (uint32_t i = feature.begin; i < feature.end; ++i)
      weight[i] += share.weight / (feature.end - feature.begin);
  }
  return weight;
}

}  // namespace

std::string_view HotlineOf(Verdict verdict, const catalogue::Catalogue& catalogue) {
  switch (verdict) {
    case Verdict::kGovernment:
      return catalogue.message().government_hotline();
    case Verdict::kPolice:
      return catalogue.message().police_hotline();
    case Verdict::kUnclear:
      return "unclear";
    case Verdict::kNone:
      return "none";
  }
  return "unclear";
}

std::string CheckTerms(const SuggestTerms& terms) {
  std::string problems;
  const auto add = [&](auto... parts) { problems += StrCat(parts..., "\n"); };
  const auto word = [](const std::string& text) { return !text.empty() && CodePoints(text) <= 32; };
  if (terms.version().empty() || CodePoints(terms.version()) > 64)
    add("version: must have 1 to 64 characters");
  if (terms.rewrites_size() > 1024) add("rewrites: more than 1,024");
  std::set<std::string> seen;
  for (int i = 0; i < terms.rewrites_size(); ++i) {
    const auto& rewrite = terms.rewrites(i);
    if (!word(rewrite.from())) add("rewrites[", i, "].from: must have 1 to 32 characters");
    if (!word(rewrite.to())) add("rewrites[", i, "].to: must have 1 to 32 characters");
    if (!seen.insert(rewrite.from()).second)
      add("rewrites[", i, "].from: `", rewrite.from(), "` is there twice");
  }
  if (terms.concepts_size() > 1024) add("concepts: more than 1,024");
  seen.clear();
  for (int i = 0; i < terms.concepts_size(); ++i) {
    const auto& entry = terms.concepts(i);
    const bool good =
        !entry.code().empty() && entry.code().size() <= 32 &&
        entry.code().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (!good) add("concepts[", i, "].code: must be 1 to 32 of a-z 0-9 _");
    if (!seen.insert(entry.code()).second) add("concepts[", i, "].code: `", entry.code(), "` is there twice");
    if (entry.terms_size() < 1 || entry.terms_size() > 1024)
      add("concepts[", i, "].terms: must be 1 to 1,024");
    for (int j = 0; j < entry.terms_size(); ++j) {
      if (!word(entry.terms(j))) add("concepts[", i, "].terms[", j, "]: must have 1 to 32 characters");
    }
  }
  const auto& decision = terms.decision();
  if (decision.emergency_from() < 0 || decision.emergency_from() > 1)
    add("decision.emergency_from: must be above 0, at most 1");
  if (decision.temperature() < 0 || decision.temperature() > 100)
    add("decision.temperature: must be above 0, at most 100");
  if (decision.both_sided_from() < 0 || decision.both_sided_from() > 0.5)
    add("decision.both_sided_from: must be above 0, at most 0.5");
  if (decision.unclear_factor() < 0 || decision.unclear_factor() > 10)
    add("decision.unclear_factor: must be above 0, at most 10");
  if (decision.short_characters() < 0 || decision.short_characters() > 32)
    add("decision.short_characters: must be 1 to 32");
  if (decision.short_emergency_from() < 0 || decision.short_emergency_from() > 1)
    add("decision.short_emergency_from: must be above 0, at most 1");
  return problems;
}

absl::Status Suggester::Check(const catalogue::Catalogue& catalogue, const SuggestTerms& terms,
                              std::span<const config::v1::SuggestExample> examples) {
  const std::string problems = CheckTerms(terms);
  if (!problems.empty()) {
    return error::BadField(type::v1::ERROR_REASON_FIELD_INVALID, "terms", problems,
                           StrCat("词表有误：", problems));
  }
  for (const auto& example : examples) {
    const std::string& hotline = example.hotline();
    const bool known = hotline == "unclear" || hotline == "none" ||
                       hotline == catalogue.message().government_hotline() ||
                       hotline == catalogue.message().police_hotline();
    const bool needs_item = hotline != "unclear" && hotline != "none";
    if (known && (!needs_item || example.items_size() > 0)) continue;
    const std::string_view field = known ? "items" : "hotline";
    return error::BadField(type::v1::ERROR_REASON_FIELD_INVALID,
                           StrCat("examples[", example.id(), "].", field),
                           "an example needs a hotline of the catalogue with an item, or unclear or none",
                           "样例须注明目录中的热线和事项，或 unclear、none");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Suggester>> Suggester::Create(
    std::shared_ptr<const catalogue::Catalogue> catalogue, const SuggestTerms& terms,
    std::span<const config::v1::SuggestExample> examples, const std::atomic<bool>* stop) {
  if (absl::Status status = Check(*catalogue, terms, examples); !status.ok()) return status;
  std::shared_ptr<const Suggester> made(new Suggester(std::move(catalogue), terms, examples, stop));
  if (stop != nullptr && *stop) return absl::CancelledError("the training was stopped");
  return made;
}

Suggester::Suggester(std::shared_ptr<const catalogue::Catalogue> catalogue, const SuggestTerms& given,
                     std::span<const config::v1::SuggestExample> examples, const std::atomic<bool>* stop)
    : catalogue_(std::move(catalogue)), decision_(WithDefaults(given.decision())) {
  for (const CatalogueItem& item : catalogue_->message().items()) {
    class_of_[item.code()] = static_cast<uint32_t>(items_.size());
    items_.push_back(&item);
    police_.push_back(catalogue_->IsPoliceItem(item));
  }
  const auto unclear = static_cast<uint32_t>(items_.size());
  const uint32_t none = unclear + 1;
  const auto group_of = [&](uint32_t target) {
    if (target == unclear) return kUnclearGroup;
    if (target == none) return kNoneGroup;
    return police_[target] ? kPoliceGroup : kGovernmentGroup;
  };
  const SuggestTerms terms = WithPhrases(given, *catalogue_);
  featuriser_ = std::make_unique<Featuriser>(terms);

  std::vector<TrainingExample> training;
  std::vector<Model::Prior> priors;
  const auto teach = [&](std::string_view text, uint32_t target, float weight) -> TrainingExample& {
    TrainingExample& example = training.emplace_back();
    // Of tens of thousands only what the model looks at, and no more room than it takes.
    example.view.features = featuriser_->Look(text).features;
    example.view.features.shrink_to_fit();
    example.classes = {{target, 1.0F}};
    example.groups = {{group_of(target), 1.0F}};
    example.weight = weight;
    return example;
  };
  // What a concept speaks for: its item, or that there is no matter, or none that is clear.
  for (int i = 0; i < terms.concepts_size(); ++i) {
    const auto& entry = terms.concepts(i);
    uint32_t target = none + 1;
    const auto item = class_of_.find(std::string_view(entry.item()));
    if (item != class_of_.end()) target = item->second;
    if (entry.item().empty() && entry.kind() == config::v1::SUGGEST_CONCEPT_KIND_VAGUE) target = unclear;
    if (entry.item().empty() && entry.kind() == config::v1::SUGGEST_CONCEPT_KIND_NONE) target = none;
    if (target > none) continue;
    const auto index = static_cast<uint32_t>(i);
    priors.push_back({Featuriser::KeyOf(index, false, false), target, kPriorWeight});
    priors.push_back({Featuriser::KeyOf(index, false, true), target, kPriorWeight / 2});
    const bool sign = entry.kind() == config::v1::SUGGEST_CONCEPT_KIND_CERTAIN ||
                      entry.kind() == config::v1::SUGGEST_CONCEPT_KIND_LIKELY;
    priors.push_back({Featuriser::KeyOf(index, false, false),
                      none + 1 + (sign ? kDangerGroup : group_of(target)), kPriorWeight});
    const bool phrase = i >= given.concepts_size();
    for (const std::string& term : entry.terms()) {
      TrainingExample& example = teach(term, target, phrase ? kPhraseWeight : kTermWeight);
      // Phrases of the police's items may or may not mean danger now.
      example.emergency = entry.kind() == config::v1::SUGGEST_CONCEPT_KIND_CERTAIN;
      example.teaches_danger =
          example.emergency || (!phrase && group_of(target) != kPoliceGroup && target != unclear);
      if (example.emergency) {
        example.groups = {{kDangerGroup, 1.0F}};
      } else if (group_of(target) == kPoliceGroup) {
        example.groups = {{kPoliceGroup, 0.5F}, {kDangerGroup, 0.5F}};
      }
    }
  }
  for (const auto& example : examples) {
    if (stop != nullptr && *stop) return;
    std::vector<std::pair<uint32_t, float>> classes;
    if (example.hotline() == "unclear") classes.emplace_back(unclear, 1.0F);
    if (example.hotline() == "none") classes.emplace_back(none, 1.0F);
    if (classes.empty()) {
      for (const std::string& item : example.items()) {
        const auto found = class_of_.find(item);
        // The first item is what the matter is; the others are what it may be.
        if (found != class_of_.end()) classes.emplace_back(found->second, classes.empty() ? 2.0F : 1.0F);
      }
    }
    if (classes.empty()) {
      ++report_.skipped;
      continue;
    }
    float sum = 0;
    for (const auto& [target, share] : classes) sum += share;
    for (auto& [target, share] : classes) share /= sum;
    TrainingExample& taught = teach(example.text(), classes.front().first, 1);
    taught.classes = std::move(classes);
    taught.emergency = example.emergency();
    if (taught.emergency) taught.groups = {{kDangerGroup, 1.0F}};
    ++report_.examples;
  }
  TrainingOptions options;
  options.epochs = 4;
  options.runs = 3;
  options.rate = 0.3F;
  options.dropout = 0.45F;
  options.scale = {0.6F, 0.45F, 0.45F, 0.4F, 0.3F, 0.2F, 0.4F};
  model_ = std::make_unique<Model>(std::move(training), priors, none + 1, kGroups, options, stop);
  report_.features = model_->features();
  report_.bytes = model_->bytes();
}

std::vector<Suggester::Span> Suggester::Spans(const Featuriser::View& view, bool danger) const {
  std::vector<Span> words;
  for (const Hit& hit : view.hits) {
    const Featuriser::Concept& meant = featuriser_->concept_at(hit.concept_index);
    // What merely sounds alike explains nothing to who reads it, and a single character only what danger
    // there is: with the word that it stands in.
    if (hit.by_sound) continue;
    if (hit.end - hit.begin > 1) {
      words.push_back({hit.begin, hit.end, meant.item, true});
    } else if (danger && meant.explains_danger) {
      const auto word = std::find_if(view.words.begin(), view.words.end(),
                                     [&](const auto& at) { return hit.begin < at.second; });
      const bool within = word != view.words.end() && word->first <= hit.begin;
      words.push_back({within ? word->first : hit.begin, within ? word->second : hit.end, meant.item, true});
    }
  }
  // The longest first; what overlaps one that is there is part of it, or cut by it.
  std::stable_sort(words.begin(), words.end(), [](const Span& a, const Span& b) {
    const auto rank = [](const Span& span) { return std::pair(span.end - span.begin, !span.item.empty()); };
    return rank(a) > rank(b);
  });
  std::vector<bool> taken(view.text.tokens.size());
  std::vector<Span> spans;
  const auto take = [&](const Span& span) {
    for (uint32_t i = span.begin; i < span.end; ++i) {
      if (taken[i]) return;
    }
    std::fill(taken.begin() + span.begin, taken.begin() + span.end, true);
    spans.push_back(span);
  };
  for (const Span& span : words) take(span);
  for (const auto& [begin, end] : view.words) take({begin, end, {}, false});
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  return spans;
}

std::vector<Reason> Suggester::Merge(std::string_view source, const Featuriser::View& view,
                                     std::span<const Span> spans, std::span<const Model::Share> shares,
                                     size_t limit, std::string_view item, std::string_view fallback) const {
  const std::vector<Token>& tokens = view.text.tokens;
  const std::vector<double> weight = TokenWeights(view, shares);
  double sum = 0;
  for (const double value : weight) sum += std::max(value, 0.0);
  std::vector<Reason> reasons;
  if (sum <= 0) return reasons;
  const auto of = [&](const Span& span) {
    double total = 0;
    for (uint32_t i = span.begin; i < span.end; ++i) total += std::max(weight[i], 0.0);
    return total;
  };
  const auto of_another = [&](const Span& span) {
    return !item.empty() && !span.item.empty() && span.item != item;
  };
  double top = 0;
  for (const Span& span : spans) {
    if (!of_another(span)) top = std::max(top, of(span));
  }
  if (top <= 0) return reasons;
  const auto speaks = [&](const Span& span) {
    // What means another item explains nothing here, and a character alone (的, 了, 我) little.
    if (of_another(span)) return false;
    const bool word =
        span.concept_word || span.end - span.begin > 1 || (tokens[span.begin].id & kWordBit) != 0;
    return of(span) >= 0.25 * top && (word || spans.size() == 1);
  };
  for (size_t i = 0; i < spans.size();) {
    if (!speaks(spans[i])) {
      ++i;
      continue;
    }
    Reason reason;
    const size_t first = i;
    std::string_view meant;
    uint32_t longest = 0;
    for (; i < spans.size() && speaks(spans[i]); ++i) {
      if (i > first && (spans[i].begin != spans[i - 1].end || spans[i].end - spans[first].begin > kMostShown))
        break;
      reason.weight += of(spans[i]);
      if (!spans[i].item.empty() && spans[i].end - spans[i].begin > longest) {
        longest = spans[i].end - spans[i].begin;
        meant = spans[i].item;
      }
    }
    reason.weight /= sum;
    const size_t from = tokens[spans[first].begin].begin;
    reason.text = source.substr(from, tokens[spans[i - 1].end - 1].end - from);
    reason.begin = PositionOf(source, from);
    const auto found = class_of_.find(meant);
    reason.meaning = found == class_of_.end()
                         ? std::string(fallback)
                         : StrCat(items_[found->second]->code(), " ", items_[found->second]->title());
    reasons.push_back(std::move(reason));
  }
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const Reason& a, const Reason& b) { return a.weight > b.weight; });
  if (reasons.size() > limit) reasons.resize(limit);
  return reasons;
}

std::vector<Reason> Suggester::Signs(std::string_view source, const Featuriser::View& view,
                                     std::span<const Span> spans, config::v1::SuggestConceptKind kind) const {
  std::vector<Reason> reasons;
  for (const Hit& hit : view.hits) {
    const Featuriser::Concept& sign = featuriser_->concept_at(hit.concept_index);
    if (sign.kind != kind || hit.calmed) continue;
    // Evidence of no item (快来, 正在) tells no danger.
    if (kind == config::v1::SUGGEST_CONCEPT_KIND_LIKELY && sign.item.empty()) continue;
    // Whole words: a sign may be the beginning of one.
    uint32_t begin = hit.begin;
    uint32_t end = hit.end;
    for (const Span& span : spans) {
      if (span.end <= hit.begin || span.begin >= hit.end) continue;
      begin = std::min(begin, span.begin);
      end = std::max(end, span.end);
    }
    const size_t from = view.text.tokens[begin].begin;
    Reason reason;
    reason.text = source.substr(from, view.text.tokens[end - 1].end - from);
    reason.begin = PositionOf(source, from);
    const auto found = class_of_.find(sign.item);
    reason.meaning = StrCat("危险迹象", found == class_of_.end() ? "" : "：",
                            found == class_of_.end() ? "" : items_[found->second]->title());
    reason.weight = 1;
    reasons.push_back(std::move(reason));
  }
  return reasons;
}

std::vector<Reason> Suggester::WhyDanger(std::string_view source, const Featuriser::View& view,
                                         std::span<const Span> spans,
                                         std::span<const Model::Active> active) const {
  std::vector<Reason> reasons;
  const auto add = [&](std::vector<Reason> more) {
    for (Reason& reason : more) {
      const bool there = std::any_of(reasons.begin(), reasons.end(), [&](const Reason& other) {
        return other.begin < reason.begin + static_cast<int>(CodePoints(reason.text)) &&
               reason.begin < other.begin + static_cast<int>(CodePoints(other.text));
      });
      if (!there && reasons.size() < kMostReasons) reasons.push_back(std::move(reason));
    }
  };
  add(Signs(source, view, spans, config::v1::SUGGEST_CONCEPT_KIND_CERTAIN));
  const bool certain = !reasons.empty();
  add(Signs(source, view, spans, config::v1::SUGGEST_CONCEPT_KIND_LIKELY));
  if (certain) return reasons;
  // The danger is the mean of what two models say of it.
  std::vector<Model::Share> shares = model_->ExplainDanger(active);
  const std::vector<Model::Share> group = model_->ExplainGroup(active, kDangerGroup);
  shares.insert(shares.end(), group.begin(), group.end());
  add(Merge(source, view, spans, shares, kMostReasons, "", "危险迹象"));
  if (reasons.empty() && !view.text.tokens.empty()) reasons.push_back(Heard(source, view, shares));
  return reasons;
}

Reason Suggester::Heard(std::string_view source, const Featuriser::View& view,
                        std::span<const Model::Share> shares) const {
  const std::vector<Token>& tokens = view.text.tokens;
  const Hit* sign = nullptr;
  for (const Hit& hit : view.hits) {
    const auto kind = featuriser_->concept_at(hit.concept_index).kind;
    if (kind != config::v1::SUGGEST_CONCEPT_KIND_CERTAIN && kind != config::v1::SUGGEST_CONCEPT_KIND_LIKELY)
      continue;
    if (hit.calmed && !hit.by_sound) continue;
    if (sign == nullptr || hit.end - hit.begin > sign->end - sign->begin) sign = &hit;
  }
  // Else the token that speaks most for danger; the first one, which is no boundary, if none does.
  const std::vector<double> weight = TokenWeights(view, shares);
  uint32_t heaviest = 0;
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].boundary() && weight[i] > weight[heaviest]) heaviest = i;
  }
  uint32_t begin = sign == nullptr ? heaviest : sign->begin;
  uint32_t end = sign == nullptr ? heaviest + 1 : sign->end;
  // A few words of the clause: one character alone tells nothing.
  for (bool grown = true; grown && end - begin < kMostShown;) {
    grown = false;
    if (end < tokens.size() && !tokens[end].boundary()) {
      ++end;
      grown = true;
    }
    if (begin > 0 && !tokens[begin - 1].boundary() && end - begin < kMostShown) {
      --begin;
      grown = true;
    }
  }
  const size_t from = tokens[begin].begin;
  Reason reason;
  reason.text = source.substr(from, tokens[end - 1].end - from);
  reason.begin = PositionOf(source, from);
  const auto found =
      sign == nullptr ? class_of_.end() : class_of_.find(featuriser_->concept_at(sign->concept_index).item);
  reason.meaning = StrCat(sign != nullptr && sign->by_sound ? "听来像危险迹象" : "危险迹象",
                          found == class_of_.end() ? "" : "：",
                          found == class_of_.end() ? "" : items_[found->second]->title());
  reason.weight = 1;
  return reason;
}

double Suggester::Confidence(double probability) const {
  const double p = std::clamp(probability, 1e-4, 1 - 1e-4);
  return Logistic(decision_.confidence_slope() * std::log(p / (1 - p)) + decision_.confidence_offset());
}

double Suggester::EmergencyFrom(const Featuriser::View& view) const {
  const bool little = !view.named && view.text.han < static_cast<size_t>(decision_.short_characters());
  return little ? std::max(decision_.emergency_from(), decision_.short_emergency_from())
                : decision_.emergency_from();
}

std::string Suggester::Ask(const Suggestion& suggestion, const Featuriser::View& view) const {
  if (suggestion.verdict == Verdict::kNone) return "";
  if (Foreign(view.text)) {
    const std::string_view language = LanguageHint(view.text);
    if (language.empty()) return "听不出要反映什么：请问发生了什么事？在什么地方？有没有人受伤或有危险？";
    return StrCat("来电人说的可能是", language,
                  "：请接通翻译并三方通话，先问有没有人受伤或有危险、在什么地方。");
  }
  if (suggestion.verdict != Verdict::kUnclear) {
    return suggestion.items.empty() || suggestion.items.front().probability > 0.6
               ? ""
               : suggestion.items.front().item->question();
  }
  // Both sides' if each has an item of some weight: what tells them apart is whether there is danger now.
  const CatalogueItem* government = nullptr;
  const CatalogueItem* police = nullptr;
  for (const SuggestedItem& candidate : suggestion.items) {
    const CatalogueItem*& side = catalogue_->IsPoliceItem(*candidate.item) ? police : government;
    if (side == nullptr && candidate.probability >= 0.02) side = candidate.item;
  }
  if (government != nullptr && police != nullptr) {
    return StrCat("现在还在发生吗？有没有人动手、受伤或受到威胁？有，按“", police->title(),
                  "”由110先处置；没有，按“", government->title(), "”由12345受理。");
  }
  return "请问具体是什么事？发生在什么地方？现在有没有人受伤、动手或有危险？";
}

AppliedExclusion Suggester::Applied(const CatalogueItem& item, const catalogue::FoundExclusion& found,
                                    std::string_view text) const {
  AppliedExclusion applied{.item = &item, .exclusion = found.exclusion};
  applied.note = catalogue::DescribeExclusion(item, found);
  applied.word.text = std::string(found.word);
  const size_t at = text.find(found.word);
  applied.word.begin = at == std::string_view::npos ? -1 : PositionOf(text, at);
  applied.word.meaning = StrCat("不属于", item.code(), " ", item.title(),
                                found.exclusion->quote().empty() ? "" : "：", found.exclusion->quote());
  applied.word.weight = 1;
  const auto instead = class_of_.find(found.exclusion->instead_item());
  if (instead != class_of_.end()) applied.instead = items_[instead->second];
  return applied;
}

void Suggester::NameRefusal(std::string_view text, std::span<const uint32_t> order,
                            Suggestion* suggestion) const {
  const std::string normal = catalogue::Normalize(text);
  for (const uint32_t c : order.first(std::min(order.size(), kReadAmong))) {
    const catalogue::FoundExclusion found = catalogue::FindExclusion(*catalogue_, *items_[c], normal);
    if (found.exclusion == nullptr || !found.exclusion->instead_item().empty()) continue;
    suggestion->exclusions.push_back(Applied(*items_[c], found, text));
    suggestion->exclusions.back().decided = true;
    return;
  }
}

void Suggester::Exclude(const Query& query, double police, std::vector<uint32_t>* order,
                        Suggestion* suggestion) const {
  const std::string_view text = query.text;
  const std::string normal = catalogue::Normalize(text);
  for (size_t i = 0; i < std::min(order->size(), kReadAmong);) {
    const uint32_t c = (*order)[i];
    const catalogue::FoundExclusion found =
        police_[c] ? catalogue::FoundExclusion()
                   : catalogue::FindExclusion(*catalogue_, *items_[c], normal, query.no_danger);
    if (found.exclusion == nullptr) {
      ++i;
      continue;
    }
    suggestion->exclusions.push_back(Applied(*items_[c], found, text));
    order->erase(order->begin() + static_cast<std::ptrdiff_t>(i));
    if (i > 0) continue;
    suggestion->exclusions.back().decided = true;
    const CatalogueItem* const instead = suggestion->exclusions.back().instead;
    if (instead == nullptr) {
      // Not accepted, by anybody.
      suggestion->verdict = Verdict::kNone;
      order->clear();
      return;
    }
    const uint32_t target = class_of_.at(instead->code());
    const auto place = std::find(order->begin(), order->end(), target);
    if (place == order->end()) continue;
    std::rotate(order->begin(), place, place + 1);
    // What hardly speaks for the police but for this word is for a person to ask about.
    if (police_[target] && suggestion->verdict == Verdict::kGovernment) {
      suggestion->verdict = police >= kLikelyPolice ? Verdict::kPolice : Verdict::kUnclear;
    }
  }
}

Suggestion Suggester::Suggest(const Query& query) const {
  const Featuriser::View view = featuriser_->Look(query.text);
  // A few words of Chinese may be all that the caller has: danger in them counts, whatever they stand in.
  if (view.text.han > 0 && Foreign(view.text)) {
    Suggestion heard = Answer(query, featuriser_->Look(OnlyHan(view.text)));
    if (heard.emergency) {
      heard.question = Ask(heard, view);
      return heard;
    }
  }
  return Answer(query, view);
}

Suggestion Suggester::Answer(const Query& query, const Featuriser::View& view) const {
  Suggestion suggestion;
  const std::vector<Model::Active> active = model_->Activate(view);
  Model::Scores scores = model_->Score(active);
  // Who knows that there is none leaves the police's part without danger to be weighed against the others.
  if (query.no_danger) scores.groups[kDangerGroup] = -std::numeric_limits<float>::infinity();
  const auto unclear = static_cast<uint32_t>(items_.size());
  const uint32_t none = unclear + 1;

  const std::vector<double> items = Softmax(scores.classes, decision_.temperature());
  std::vector<double> groups = Softmax(scores.groups, decision_.temperature());
  const double danger_group = groups[kDangerGroup];
  groups[kPoliceGroup] += danger_group;
  groups.pop_back();
  for (double& group : groups) group *= kGroupShare;
  for (uint32_t c = 0; c <= none; ++c) {
    const uint32_t group = c == unclear ? kUnclearGroup
                           : c == none  ? kNoneGroup
                           : police_[c] ? kPoliceGroup
                                        : kGovernmentGroup;
    groups[group] += (1 - kGroupShare) * items[c];
  }
  const bool foreign = Foreign(view.text);
  // Two models that were asked differently, whether there is danger and what kind of matter this is, err less
  // together.
  suggestion.danger = foreign || query.no_danger
                          ? 0
                          : std::min((danger_group + Logistic(scores.danger)) / 2, kMostModelDanger);
  // A sign is a word; the model knows what stands round it, and where that speaks against danger, it weighs
  // more.
  const double from = EmergencyFrom(view);
  if (view.certain && suggestion.danger >= from) suggestion.danger = kCertainDanger;
  if (view.denied) suggestion.danger = std::min(suggestion.danger, kDeniedDanger * from);
  suggestion.emergency = !foreign && suggestion.danger >= from &&
                         (suggestion.danger >= kCertainDanger || groups[kPoliceGroup] >= kPoliceInDanger);

  double probability = 0;
  if (foreign) {
    suggestion.verdict = Verdict::kUnclear;
  } else if (suggestion.emergency) {
    suggestion.verdict = Verdict::kPolice;
    probability = std::max(groups[kPoliceGroup], suggestion.danger);
  } else {
    std::vector<double> weighed = groups;
    weighed[kUnclearGroup] *= decision_.unclear_factor();
    const auto best =
        static_cast<uint32_t>(std::max_element(weighed.begin(), weighed.end()) - weighed.begin());
    const double both = groups[kGovernmentGroup] + groups[kPoliceGroup];
    const bool one_sided = best == kGovernmentGroup || best == kPoliceGroup;
    const double other = one_sided ? groups[1 - best] : 0;
    if (one_sided && other >= decision_.both_sided_from() * both) {
      suggestion.verdict = Verdict::kUnclear;
      probability = groups[kUnclearGroup] + std::min(groups[0], groups[1]);
    } else {
      constexpr Verdict kVerdicts[] = {Verdict::kGovernment, Verdict::kPolice, Verdict::kUnclear,
                                       Verdict::kNone};
      suggestion.verdict = kVerdicts[best];
      probability = weighed[best] / (weighed[0] + weighed[1] + weighed[2] + weighed[3]);
    }
  }
  suggestion.confidence = foreign ? kForeignConfidence : Confidence(probability);
  // What the models say; a clause of the annex may change it.
  const Verdict read = suggestion.verdict;

  std::vector<Span> spans;
  if (query.explain && !foreign) spans = Spans(view, suggestion.emergency);
  if (!foreign) {
    std::vector<uint32_t> order;
    for (uint32_t c = 0; c < unclear; ++c) {
      const bool holds = query.day == Query().day || catalogue_->ItemHolds(*items_[c], query.day);
      if (holds && (!suggestion.emergency || police_[c])) order.push_back(c);
    }
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return items[a] > items[b]; });
    // The best item of the hotline goes first.
    const auto lead = [&] {
      if (suggestion.verdict != Verdict::kGovernment && suggestion.verdict != Verdict::kPolice) return;
      const bool police = suggestion.verdict == Verdict::kPolice;
      const auto first =
          std::find_if(order.begin(), order.end(), [&](uint32_t c) { return police_[c] == police; });
      if (first != order.end()) std::rotate(order.begin(), first, first + 1);
    };
    lead();
    if (suggestion.verdict == Verdict::kNone) {
      NameRefusal(query.text, order, &suggestion);
      order.clear();
    } else if (!suggestion.emergency) {
      Exclude(query, groups[kPoliceGroup], &order, &suggestion);
      lead();
      if (suggestion.verdict != read) {
        suggestion.confidence = std::max(Confidence(groups[GroupOf(suggestion.verdict)]), kClauseConfidence);
      }
    }
    double sum = 0;
    for (const uint32_t c : order) sum += items[c];
    for (size_t i = 0; i < order.size() && i < query.max_items; ++i) {
      SuggestedItem& item = suggestion.items.emplace_back();
      item.item = items_[order[i]];
      item.probability = sum > 0 ? items[order[i]] / sum : 0;
      // What is hardly thought of has no reasons worth reading.
      if (query.explain && (i == 0 || item.probability >= kWorthExplaining))
        item.reasons = Merge(query.text, view, spans, model_->Explain(active, order[i]), 5, item.item->code(),
                             item.item->title());
    }
  }
  if (suggestion.verdict == Verdict::kPolice && !suggestion.items.empty()) {
    for (const auto& sign : catalogue_->message().signs()) {
      suggestion.stability_clue |= sign.kind() == config::v1::SIGN_KIND_STABILITY &&
                                   sign.item() == suggestion.items.front().item->code();
    }
  }
  if (query.explain && !suggestion.items.empty()) {
    const catalogue::ResolvedPlace place = catalogue::ResolvePlace(*catalogue_, {}, query.text);
    suggestion.units =
        catalogue::ChooseUnits(*catalogue_, *suggestion.items.front().item, place.township, query.text, {});
  }
  suggestion.question = Ask(suggestion, view);
  if (suggestion.verdict == Verdict::kNone && !suggestion.exclusions.empty()) {
    suggestion.question = suggestion.exclusions.back().note;
  }
  if (suggestion.verdict != read) {
    // The models thought otherwise: what tells the excluded item from the others is asked.
    const auto decided = std::find_if(suggestion.exclusions.rbegin(), suggestion.exclusions.rend(),
                                      [](const AppliedExclusion& applied) { return applied.decided; });
    const std::string& question = decided->item->question();
    if (suggestion.verdict != Verdict::kNone && !question.empty()) {
      suggestion.question = question;
    } else if (!question.empty()) {
      suggestion.question = StrCat(suggestion.question, "。", question);
    }
  }
  if (!query.explain || foreign) return suggestion;

  if (suggestion.emergency) {
    suggestion.reasons = WhyDanger(query.text, view, spans, active);
    return suggestion;
  }
  constexpr std::string_view kMeanings[] = {"非紧急、政府职责", "公安职责", "说得不够，或双方都有份",
                                            "不属于任何一方"};
  const uint32_t target = GroupOf(suggestion.verdict);
  suggestion.reasons = Merge(query.text, view, spans, model_->ExplainGroup(active, target), kMostReasons, "",
                             kMeanings[target]);
  // A clause that decided does so before any weighing; a word that is written otherwise in the text is told
  // in the note.
  for (auto applied = suggestion.exclusions.rbegin(); applied != suggestion.exclusions.rend(); ++applied) {
    if (!applied->decided || applied->word.begin < 0) continue;
    if (suggestion.reasons.size() == kMostReasons) suggestion.reasons.pop_back();
    suggestion.reasons.insert(suggestion.reasons.begin(), applied->word);
  }
  return suggestion;
}

}  // namespace hotline::suggest
