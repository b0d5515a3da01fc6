#include "common/catalogue/exclusions.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/text.h"

namespace hotline::catalogue {
namespace {

// How far before a word a negation reaches, in characters.
constexpr int kNegationReach = 3;
constexpr std::string_view kNegations[] = {"没", "不", "未", "别", "怕"};

// The `count` characters before `at`, none of them beyond a mark (which Normalize has made a space).
std::string_view Before(std::string_view text, size_t at, int count) {
  size_t begin = at;
  for (int i = 0; i < count && begin > 0; ++i) {
    size_t previous = begin - 1;
    while (previous > 0 && (static_cast<unsigned char>(text[previous]) & 0xc0) == 0x80) --previous;
    if (text[previous] == ' ') break;
    begin = previous;
  }
  return text.substr(begin, at - begin);
}

bool IsNegated(std::string_view text, size_t at) {
  const std::string_view before = Before(text, at, kNegationReach);
  return std::any_of(std::begin(kNegations), std::end(kNegations), [&](std::string_view negation) {
    return before.find(negation) != std::string_view::npos;
  });
}

// `denials` as Normalize gives them.
bool IsDenied(std::string_view text, size_t at, std::string_view phrase,
              const std::vector<std::string>& denials) {
  return std::any_of(denials.begin(), denials.end(), [&](const std::string& denial) {
    for (size_t within = denial.find(phrase); within != std::string::npos;
         within = denial.find(phrase, within + 1)) {
      if (within <= at && text.compare(at - within, denial.size(), denial) == 0) return true;
    }
    return false;
  });
}

template <typename Accept>
bool AnyPlace(std::string_view text, std::string_view phrase, const Accept& accept) {
  if (phrase.empty()) return false;
  for (size_t at = text.find(phrase); at != std::string_view::npos; at = text.find(phrase, at + 1)) {
    if (accept(at)) return true;
  }
  return false;
}

// Whether a sign of danger is one of `item`.
bool IsOfDanger(const Catalogue& catalogue, std::string_view item) {
  const auto& signs = catalogue.message().signs();
  return std::any_of(signs.begin(), signs.end(), [&](const config::v1::CatalogueSign& sign) {
    return sign.kind() == config::v1::SIGN_KIND_DANGER && sign.item() == item;
  });
}

}  // namespace

bool Stands(std::string_view text, std::string_view phrase,
            const google::protobuf::RepeatedPtrField<std::string>& denials) {
  if (text.find(phrase) == std::string_view::npos) return false;
  std::vector<std::string> normal;
  for (const std::string& denial : denials) normal.push_back(Normalize(denial));
  return AnyPlace(text, phrase, [&](size_t at) { return !IsDenied(text, at, phrase, normal); });
}

FoundExclusion FindExclusion(const Catalogue& catalogue, const config::v1::CatalogueItem& item,
                             std::string_view text, bool no_danger) {
  for (const config::v1::Exclusion& exclusion : item.exclusions()) {
    if (no_danger && IsOfDanger(catalogue, exclusion.instead_item())) continue;
    // Made when a word stands there at all, and once, however often it does.
    std::vector<std::string> denials;
    for (const std::string& word : exclusion.words()) {
      const std::string normal = catalogue.NormalOf(word);
      const bool stands = AnyPlace(text, normal, [&](size_t at) {
        if (IsNegated(text, at)) return false;
        if (denials.empty()) {
          for (const std::string& denial : exclusion.denials()) denials.push_back(catalogue.NormalOf(denial));
        }
        return !IsDenied(text, at, normal, denials);
      });
      if (stands) return {&exclusion, word};
    }
  }
  return {};
}

std::string DescribeExclusion(const config::v1::CatalogueItem& item, const FoundExclusion& found) {
  const config::v1::Exclusion& exclusion = *found.exclusion;
  const std::string clause = exclusion.quote().empty() ? "" : StrCat("（“", exclusion.quote(), "”）");
  const std::string what =
      StrCat("来电提到“", found.word, "”，不属于", item.code(), " ", item.title(), clause);
  return exclusion.instead_item().empty() ? StrCat(what, "，不予受理：请核实后向来电人说明")
                                          : StrCat(what, "，应按", exclusion.instead_item(), "处理");
}

}  // namespace hotline::catalogue
