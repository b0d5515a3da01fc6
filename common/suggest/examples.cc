#include "common/suggest/examples.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "common/base/text.h"
#include "common/error/error.h"
#include "google/protobuf/util/json_util.h"

namespace hotline::suggest {
namespace {

uint64_t HashId(std::string_view id, uint64_t seed) {
  uint64_t hash = Mix(17, seed);
  for (const char c : id) hash = Mix(hash, static_cast<unsigned char>(c));
  return hash;
}

// The code point that begins at `at`, as its bytes.
std::string_view CharAt(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  return text.substr(at, end - at);
}

bool Numeral(std::string_view c) {
  if (c.size() == 1) return c[0] >= '0' && c[0] <= '9';
  static const std::set<std::string_view> numerals = {"零", "〇", "一", "二", "三", "四", "五", "六",
                                                      "七", "八", "九", "幺", "两", "０", "１", "２",
                                                      "３", "４", "５", "６", "７", "８", "９"};
  return numerals.contains(c);
}

}  // namespace

absl::StatusOr<std::vector<config::v1::SuggestExample>> ParseExamples(std::string_view text,
                                                                      std::string_view name) {
  std::vector<config::v1::SuggestExample> examples;
  std::set<std::string> ids;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  int number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto bad = [&](std::string_view english, std::string_view chinese) {
      return error::BadField(type::v1::ERROR_REASON_FIELD_INVALID, StrCat(name, ":", number), english,
                             chinese);
    };
    config::v1::SuggestExample example;
    if (!google::protobuf::util::JsonStringToMessage(google::protobuf::StringPiece(line.data(), line.size()),
                                                     &example, options)
             .ok()) {
      return bad("is no JSON of an example", "不是样例的 JSON");
    }
    if (example.id().empty() || !ids.insert(example.id()).second)
      return bad("needs an id of its own", "须有唯一的 id");
    if (example.text().empty()) return bad("has no text", "没有文本");
    examples.push_back(std::move(example));
  }
  return examples;
}

std::string WriteExample(const config::v1::SuggestExample& example) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string line;
  // A message of strings and booleans always prints.
  (void)google::protobuf::util::MessageToJsonString(example, &line, options);
  return line + "\n";
}

bool InTestPart(std::string_view id, uint64_t seed, int percent) {
  return static_cast<int>(HashId(id, seed) % 100) < percent;
}

double Scores::CalibrationError() const {
  double error = 0;
  for (const Bin& bin : bins) error += std::abs(bin.confidence - bin.right);
  return examples == 0 ? 0 : error / examples;
}

void Scores::Add(const Scores& other) {
  examples += other.examples;
  hotline_right += other.hotline_right;
  clear += other.clear;
  clear_right += other.clear_right;
  unclear += other.unclear;
  unclear_right += other.unclear_right;
  none += other.none;
  none_right += other.none_right;
  items += other.items;
  item_first += other.item_first;
  item_in_three += other.item_in_three;
  units += other.units;
  unit_first += other.unit_first;
  emergencies += other.emergencies;
  emergencies_missed += other.emergencies_missed;
  emergencies_flagged += other.emergencies_flagged;
  calm += other.calm;
  false_alarms += other.false_alarms;
  for (size_t i = 0; i < bins.size(); ++i) {
    bins[i].answers += other.bins[i].answers;
    bins[i].confidence += other.bins[i].confidence;
    bins[i].right += other.bins[i].right;
  }
  for (const auto& [label, row] : other.confusion) {
    for (const auto& [answer, count] : row) confusion[label][answer] += count;
  }
  for (const auto& [label, row] : other.item_confusion) {
    for (const auto& [answer, count] : row) item_confusion[label][answer] += count;
  }
}

Scores Evaluate(const Suggester& suggester, std::span<const config::v1::SuggestExample> examples,
                const Observer& observer) {
  Scores scores;
  const std::string& police = suggester.catalogue().message().police_hotline();
  for (const auto& example : examples) {
    Query query;
    query.text = example.text();
    query.received_by = example.received_by();
    query.explain = observer != nullptr || example.units_size() > 0;
    const Suggestion suggestion = suggester.Suggest(query);
    if (observer != nullptr) observer(example, suggestion);
    const std::string answer(HotlineOf(suggestion.verdict, suggester.catalogue()));
    const bool right = answer == example.hotline();
    ++scores.examples;
    scores.hotline_right += right ? 1 : 0;
    ++scores.confusion[example.hotline()][answer];
    if (example.hotline() == "unclear") {
      ++scores.unclear;
      scores.unclear_right += right ? 1 : 0;
    } else if (example.hotline() == "none") {
      ++scores.none;
      scores.none_right += right ? 1 : 0;
    } else {
      ++scores.clear;
      scores.clear_right += right ? 1 : 0;
    }
    if (example.items_size() > 0) {
      ++scores.items;
      const std::string& item = example.items(0);
      for (size_t i = 0; i < suggestion.items.size() && i < 3; ++i) {
        if (suggestion.items[i].item->code() != item) continue;
        scores.item_first += i == 0 ? 1 : 0;
        ++scores.item_in_three;
      }
      const std::string first = suggestion.items.empty() ? "-" : suggestion.items.front().item->code();
      if (first != item) ++scores.item_confusion[item][first];
    }
    if (example.units_size() > 0) {
      ++scores.units;
      const catalogue::UnitChoice& choice = suggestion.units;
      const std::string first =
          !choice.lead.empty() || choice.proposed.empty() ? choice.lead : choice.proposed.front();
      scores.unit_first += first == example.units(0) ? 1 : 0;
    }
    if (example.emergency()) {
      ++scores.emergencies;
      scores.emergencies_missed += answer != police ? 1 : 0;
      scores.emergencies_flagged += suggestion.emergency ? 1 : 0;
    } else {
      ++scores.calm;
      scores.false_alarms += suggestion.emergency ? 1 : 0;
    }
    Scores::Bin& bin = scores.bins[static_cast<size_t>(std::clamp(suggestion.confidence * 10, 0.0, 9.0))];
    ++bin.answers;
    bin.confidence += suggestion.confidence;
    bin.right += right ? 1 : 0;
  }
  return scores;
}

absl::StatusOr<Scores> CrossValidate(const std::shared_ptr<const catalogue::Catalogue>& catalogue,
                                     const config::v1::SuggestTerms& terms,
                                     std::span<const config::v1::SuggestExample> examples, int folds,
                                     uint64_t seed, const Observer& observer) {
  Scores scores;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<config::v1::SuggestExample> train;
    std::vector<config::v1::SuggestExample> test;
    for (const auto& example : examples) {
      (static_cast<int>(HashId(example.id(), seed) % static_cast<uint64_t>(folds)) == fold ? test : train)
          .push_back(example);
    }
    auto suggester = Suggester::Create(catalogue, terms, train);
    if (!suggester.ok()) return suggester.status();
    scores.Add(Evaluate(**suggester, test, observer));
  }
  return scores;
}

std::string MaskPersonal(std::string_view text) {
  std::string masked;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    int digits = 0;
    while (end < text.size() && Numeral(CharAt(text, end))) {
      end += CharAt(text, end).size();
      ++digits;
    }
    if (digits > 6) {
      masked += "＊＊＊";
      i = end;
      continue;
    }
    if (digits > 0) {
      masked += text.substr(i, end - i);
      i = end;
      continue;
    }
    bool introduced = false;
    for (const std::string_view lead : {"我叫", "名字叫", "我姓"}) {
      if (text.substr(i).substr(0, lead.size()) != lead) continue;
      masked += lead;
      i += lead.size();
      // A name has two or three characters, with a dot between parts also more.
      for (int n = 0; n < 3 && i < text.size() && CharAt(text, i).size() == 3 && CharAt(text, i) != "，" &&
                      CharAt(text, i) != "。";
           ++n) {
        i += 3;
      }
      masked += "＊＊";
      introduced = true;
      break;
    }
    if (introduced) continue;
    masked += CharAt(text, i);
    i += CharAt(text, i).size();
  }
  return masked;
}

}  // namespace hotline::suggest
