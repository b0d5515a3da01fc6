#include "common/suggest/examples.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cmath>
#include <map>
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

// The digit that a character is, also a Chinese one or one of full width; 0 if it is none.
char DigitOf(std::string_view c) {
  if (c.size() == 1) return c[0] >= '0' && c[0] <= '9' ? c[0] : '\0';
  static const std::map<std::string_view, char> numerals = {
      {"零", '0'}, {"〇", '0'}, {"一", '1'}, {"二", '2'}, {"三", '3'}, {"四", '4'}, {"五", '5'}, {"六", '6'},
      {"七", '7'}, {"八", '8'}, {"九", '9'}, {"幺", '1'}, {"两", '2'}, {"０", '0'}, {"１", '1'}, {"２", '2'},
      {"３", '3'}, {"４", '4'}, {"５", '5'}, {"６", '6'}, {"７", '7'}, {"８", '8'}, {"９", '9'}};
  const auto it = numerals.find(c);
  return it == numerals.end() ? '\0' : it->second;
}

bool IsBlank(std::string_view c) { return c == " " || c == "\t" || c == "　" || c == "\u00a0"; }

// What stands between groups of one number.
bool JoinsDigits(std::string_view c) {
  return IsBlank(c) || c == "-" || c == "－" || c == "‐" || c == "‑" || c == "–" || c == "—";
}

bool IsMiddleDot(std::string_view c) { return c == "·" || c == "•" || c == "・" || c == "‧"; }

bool IsLetter(std::string_view c) {
  UChar32 point = 0;
  int32_t at = 0;
  U8_NEXT(c.data(), at, static_cast<int32_t>(c.size()), point);
  return point >= 0 && (u_isalpha(point) != 0 || u_getCombiningClass(point) != 0);
}

bool IsHanLetter(std::string_view c) { return c.size() >= 3 && IsLetter(c) && AllHan(c); }

// A number with what stands between its groups.
struct Number {
  size_t end = 0;  // of its last digit
  std::string digits;
  // Each group is a number that everybody may know, as in “12345和110” written 12345 110.
  bool of_services = true;
};

Number NumberAt(std::string_view text, size_t begin) {
  constexpr int kMostBetween = 3;
  static const std::set<std::string_view> services = {"110", "119", "120", "122", "12345"};
  Number number;
  number.end = begin;
  for (size_t at = begin; at < text.size();) {
    std::string group;
    for (; at < text.size(); at += CharAt(text, at).size()) {
      const char digit = DigitOf(CharAt(text, at));
      if (digit == '\0') break;
      group += digit;
    }
    if (group.empty()) break;
    number.digits += group;
    number.of_services &= services.contains(group);
    number.end = at;
    for (int i = 0; i < kMostBetween && at < text.size() && JoinsDigits(CharAt(text, at)); ++i)
      at += CharAt(text, at).size();
  }
  return number;
}

// Of a number of the caller's, which may be written otherwise.
std::string DigitsOf(std::string_view number) {
  std::string digits;
  for (size_t at = 0; at < number.size(); at += CharAt(number, at).size()) {
    if (const char digit = DigitOf(CharAt(number, at)); digit != '\0') digits += digit;
  }
  return digits;
}

bool IsPersonal(const Number& number, std::span<const std::string> known) {
  // An account, a telephone or a card; shorter ones are amounts and dates, unless they are the caller's.
  constexpr size_t kMostPlain = 6;
  constexpr size_t kLeastKnown = 5;
  if (number.digits.size() > kMostPlain && !number.of_services) return true;
  return std::any_of(known.begin(), known.end(), [&](const std::string& one) {
    const std::string digits = DigitsOf(one);
    return digits.size() >= kLeastKnown && number.digits.find(digits) != std::string::npos;
  });
}

// Where the letters of a name that begins at `at` end: at the next mark. Between letters that are not Chinese
// a space parts a name from another of the same person's.
size_t NameEnd(std::string_view text, size_t at) {
  constexpr int kMostLetters = 32;
  std::string_view last;
  for (int i = 0; i < kMostLetters && at < text.size(); ++i) {
    const std::string_view c = CharAt(text, at);
    const size_t behind = at + c.size();
    const bool parts = IsBlank(c) && !last.empty() && !IsHanLetter(last) && behind < text.size() &&
                       IsLetter(CharAt(text, behind)) && !IsHanLetter(CharAt(text, behind));
    if (!parts && !IsLetter(c) && !IsMiddleDot(c)) break;
    last = c;
    at = behind;
  }
  return at;
}

// 我是 is followed by a name now and then, and mostly by what somebody is.
bool ReadsAsName(std::string_view name) {
  constexpr std::string_view kSurnames =
      "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余"
      "潘杜"
      "戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文";
  int letters = 0;
  bool dotted = false;
  for (size_t at = 0; at < name.size(); at += CharAt(name, at).size(), ++letters)
    dotted |= IsMiddleDot(CharAt(name, at));
  if (dotted) return true;
  return (letters == 2 || letters == 3) && CharAt(name, 0).size() == 3 &&
         kSurnames.find(CharAt(name, 0)) != std::string_view::npos;
}

// Where the name that is introduced at `at` begins and ends; equal if none is.
std::pair<size_t, size_t> IntroducedName(std::string_view text, size_t at) {
  for (const std::string_view lead :
       {"我叫", "名字叫", "我姓", "免贵姓", "姓名是", "姓名：", "姓名:", "我是"}) {
    if (!text.substr(at).starts_with(lead)) continue;
    size_t begin = at + lead.size();
    while (begin < text.size() && IsBlank(CharAt(text, begin))) begin += CharAt(text, begin).size();
    const size_t end = NameEnd(text, begin);
    if (begin == end || (lead == "我是" && !ReadsAsName(text.substr(begin, end - begin)))) continue;
    return {begin, end};
  }
  return {at, at};
}

// How much of `text` at `at` is a name of the caller's; 0: nothing. One character alone is no name.
size_t KnownNameAt(std::string_view text, size_t at, std::span<const std::string> known) {
  size_t longest = 0;
  for (const std::string& name : known) {
    if (name.empty() || DigitOf(CharAt(name, 0)) != '\0' || CharAt(name, 0).size() == name.size()) continue;
    if (text.substr(at).starts_with(name)) longest = std::max(longest, name.size());
  }
  return longest;
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

std::string MaskPersonal(std::string_view text, std::span<const std::string> known) {
  std::string masked;
  for (size_t at = 0; at < text.size();) {
    if (const Number number = NumberAt(text, at); number.end > at) {
      masked += IsPersonal(number, known) ? "＊＊＊" : std::string(text.substr(at, number.end - at));
      at = number.end;
      continue;
    }
    if (const size_t length = KnownNameAt(text, at, known); length > 0) {
      masked += "＊＊";
      at += length;
      continue;
    }
    if (const auto [begin, end] = IntroducedName(text, at); begin != end) {
      masked += StrCat(text.substr(at, begin - at), "＊＊");
      at = end;
      continue;
    }
    masked += CharAt(text, at);
    at += CharAt(text, at).size();
  }
  return masked;
}

}  // namespace hotline::suggest
