#include "services/dispatch/routing/model_reader.h"

namespace hotline::dispatch::routing {
namespace {

constexpr size_t kMaxItems = 10;

std::vector<ReadWord> Words(const std::vector<suggest::Reason>& reasons) {
  std::vector<ReadWord> words;
  for (const suggest::Reason& reason : reasons) {
    words.push_back({reason.text, static_cast<int>(reason.begin), reason.meaning, reason.weight});
  }
  return words;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ModelReader>> ModelReader::Create(
    std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material) {
  if (absl::Status status = suggest::Suggester::Check(*version, material->terms, material->examples);
      !status.ok()) {
    return status;
  }
  return std::shared_ptr<const ModelReader>(new ModelReader(std::move(version), std::move(material)));
}

void ModelReader::Prepare() const {
  std::call_once(once_, [this] {
    // What was checked is made.
    suggester_ = *suggest::Suggester::Create(version_, material_->terms, material_->examples);
    material_.reset();
  });
}

Reading ModelReader::Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                          const Source& source) const {
  Prepare();
  suggest::Query query;
  query.text = source.text;
  query.received_by = source.received_by;
  query.day = day;
  query.max_items = kMaxItems;
  const suggest::Suggestion suggestion = suggester_->Suggest(query);
  Reading reading;
  switch (suggestion.verdict) {
    case suggest::Verdict::kGovernment:
    case suggest::Verdict::kPolice:
      reading.verdict = Verdict::kHotline;
      reading.hotline = std::string(suggest::HotlineOf(suggestion.verdict, catalogue));
      break;
    case suggest::Verdict::kUnclear:
      reading.verdict = Verdict::kUnclear;
      break;
    case suggest::Verdict::kNone:
      reading.verdict = Verdict::kNeither;
      break;
  }
  reading.confidence = suggestion.confidence;
  reading.emergency = suggestion.emergency;
  reading.stability_clue = suggestion.stability_clue;
  for (const suggest::SuggestedItem& item : suggestion.items) {
    reading.items.push_back({item.item->code(), item.probability, Words(item.reasons)});
  }
  reading.words = Words(suggestion.reasons);
  reading.question = suggestion.question;
  return reading;
}

}  // namespace hotline::dispatch::routing
