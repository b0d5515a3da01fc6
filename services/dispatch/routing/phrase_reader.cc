#include "services/dispatch/routing/phrase_reader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/catalogue/exclusions.h"

namespace hotline::dispatch::routing {
namespace {

using config::v1::CatalogueItem;
using config::v1::CatalogueSign;

constexpr size_t kMaxItems = 10;
// Of a text whose best item has one short phrase, little is known.
constexpr double kDoubt = 9;
// A sign outweighs what else a text speaks of.
constexpr double kSignWeight = 100;
// One hotline's share of what the text says, from which on it is that hotline's.
constexpr double kClearShare = 0.7;

// Where `phrase` begins in `source`, in code points, or -1: marks and forms may stand between.
int PositionIn(std::string_view source, std::string_view phrase) {
  const size_t at = source.find(phrase);
  if (at == std::string_view::npos) return -1;
  return static_cast<int>(CountCodePoints(source.substr(0, at)).value_or(-1));
}

struct Tally {
  double weight = 0;
  std::vector<ReadWord> words;

  void Add(double more, ReadWord word) {
    weight += more;
    words.push_back(std::move(word));
  }
};

void Rank(std::vector<ReadWord>* words) {
  std::stable_sort(words->begin(), words->end(),
                   [](const ReadWord& a, const ReadWord& b) { return a.weight > b.weight; });
  double most = words->empty() ? 1 : words->front().weight;
  for (ReadWord& word : *words) word.weight /= most;
}

}  // namespace

Reading PhraseReader::Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                           const Source& source) const {
  const std::string text = catalogue::Normalize(source.text);
  std::map<const CatalogueItem*, Tally> tallies;
  for (const CatalogueItem& item : catalogue.message().items()) {
    if (!catalogue.ItemHolds(item, day)) continue;
    for (const std::string& phrase : item.phrases()) {
      const std::string normal = catalogue::Normalize(phrase);
      if (text.find(normal) == std::string::npos) continue;
      const double weight = static_cast<double>(normal.size());
      tallies[&item].Add(weight, {phrase, PositionIn(source.text, phrase), item.title(), weight});
    }
  }
  Reading reading;
  for (const CatalogueSign& sign : catalogue.message().signs()) {
    if (source.no_danger && sign.kind() == config::v1::SIGN_KIND_DANGER) continue;
    const CatalogueItem* const item = catalogue.FindItem(sign.item(), day);
    for (const std::string& phrase : sign.phrases()) {
      const std::string normal = catalogue::Normalize(phrase);
      if (!catalogue::Stands(text, normal, sign.denials())) continue;
      reading.emergency |= sign.kind() == config::v1::SIGN_KIND_DANGER;
      reading.stability_clue |= sign.kind() == config::v1::SIGN_KIND_STABILITY;
      const double weight = kSignWeight + static_cast<double>(normal.size());
      ReadWord word{phrase, PositionIn(source.text, phrase), sign.display_name(), weight};
      if (item != nullptr) tallies[item].Add(weight, word);
      reading.words.push_back(std::move(word));
    }
  }
  // What is excluded from an item is moved where the exclusion says, or, if the text speaks for no other item
  // more, is nobody's.
  double most = 0;
  for (const auto& [item, tally] : tallies) most = std::max(most, tally.weight);
  bool refused = false;
  for (const CatalogueItem& item : catalogue.message().items()) {
    const auto tally = tallies.find(&item);
    if (tally == tallies.end()) continue;
    const catalogue::FoundExclusion found = catalogue::FindExclusion(catalogue, item, text, source.no_danger);
    if (found.exclusion == nullptr) continue;
    const CatalogueItem* const instead = catalogue.FindItem(found.exclusion->instead_item(), day);
    if (instead == nullptr && tally->second.weight < most) continue;
    ReadWord decisive{std::string(found.word), PositionIn(source.text, found.word),
                      StrCat("不属于", item.title(), found.exclusion->quote().empty() ? "" : "：",
                             found.exclusion->quote()),
                      tally->second.weight};
    reading.exclusions.push_back({item.code(), found.exclusion, decisive,
                                  instead == nullptr ? "" : instead->code(),
                                  catalogue::DescribeExclusion(item, found)});
    if (instead != nullptr) {
      tallies[instead].Add(tally->second.weight + 1, decisive);
    } else {
      refused = true;
      reading.question = "该事项已进入司法程序等不予受理情形，请核实后向来电人说明";
    }
    reading.words.push_back(std::move(decisive));
  }

  double total = kDoubt, police = 0, government = 0;
  for (const auto& [item, tally] : tallies) {
    total += tally.weight;
    (catalogue.IsPoliceItem(*item) ? police : government) += tally.weight;
  }
  // In the order of the catalogue, so that equals do not change places.
  for (const CatalogueItem& item : catalogue.message().items()) {
    const auto tally = tallies.find(&item);
    if (tally == tallies.end()) continue;
    Rank(&tally->second.words);
    reading.items.push_back({item.code(), tally->second.weight / total, std::move(tally->second.words)});
  }
  std::stable_sort(reading.items.begin(), reading.items.end(),
                   [](const ReadItem& a, const ReadItem& b) { return a.probability > b.probability; });
  if (reading.items.size() > kMaxItems) reading.items.resize(kMaxItems);
  if (reading.items.empty()) return reading;
  const double larger = std::max(police, government);
  reading.confidence = larger / total;
  if (refused && !reading.emergency) {
    reading.verdict = Verdict::kNeither;
  } else if (reading.emergency || reading.stability_clue || larger / (police + government) >= kClearShare) {
    reading.verdict = Verdict::kHotline;
    const bool to_police = reading.emergency || reading.stability_clue || police > government;
    reading.hotline =
        to_police ? catalogue.message().police_hotline() : catalogue.message().government_hotline();
  }
  if (reading.words.empty()) reading.words = reading.items.front().words;
  Rank(&reading.words);
  return reading;
}

}  // namespace hotline::dispatch::routing
