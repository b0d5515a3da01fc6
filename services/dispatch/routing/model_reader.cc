#include "services/dispatch/routing/model_reader.h"

namespace hotline::dispatch::routing {
namespace {

constexpr size_t kMaxItems = 10;

std::vector<ReadWord> Words(const std::vector<suggest::Reason>& reasons) {
  std::vector<ReadWord> words;
  for (const suggest::Reason& reason : reasons) {
    words.push_back({reason.text, reason.begin, reason.meaning, reason.weight});
  }
  return words;
}

}  // namespace

Reading ModelReader::Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                          const Source& source) const {
  suggest::Query query;
  query.text = source.text;
  query.received_by = source.received_by;
  query.day = day;
  query.no_danger = source.no_danger;
  query.max_items = kMaxItems;
  query.explain = source.explain;
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
  for (const suggest::AppliedExclusion& applied : suggestion.exclusions) {
    reading.exclusions.push_back(
        {applied.item->code(), applied.exclusion,
         ReadWord{applied.word.text, applied.word.begin, applied.word.meaning, applied.word.weight},
         applied.instead == nullptr ? "" : applied.instead->code(), applied.note});
  }
  return reading;
}

}  // namespace hotline::dispatch::routing
