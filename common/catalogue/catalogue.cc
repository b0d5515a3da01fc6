#include "common/catalogue/catalogue.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"

namespace hotline::catalogue {
namespace {

using config::v1::CatalogueItem;
using config::v1::ItemUnit;

constexpr int kMaxArticles = 64;
constexpr int kMaxUnits = 256;
constexpr int kMaxTownships = 64;
constexpr int kMaxSigns = 64;
constexpr int kMaxItems = 512;
constexpr int kMaxWords = 1024;
constexpr int kMaxDutyWords = 64;
constexpr int kMaxWordCodePoints = 32;
constexpr int kMinPhrases = 3;
constexpr int kMaxBoundaryPoints = 10'000;

std::optional<absl::CivilDay> ParseDay(std::string_view text) {
  absl::CivilDay day;
  if (text.size() != 10 || !absl::ParseCivilTime(ToAbsl(text), &day)) return std::nullopt;
  return day;
}

bool IsName(std::string_view text, size_t max, bool dots) {
  return !text.empty() && text.size() <= max && std::all_of(text.begin(), text.end(), [dots](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || (dots && c == '.');
  });
}

bool IsItemCode(std::string_view code) {
  return code.size() >= 2 && code.size() <= 6 && code[0] >= 'A' && code[0] <= 'Z' && code[1] != '0' &&
         std::all_of(code.begin() + 1, code.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsHotline(std::string_view code) {
  return !code.empty() && code.size() <= 16 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  });
}

size_t CharacterSize(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4; }

// The bytes of the character that `text`, which is not empty, begins with, as a number.
uint32_t FirstCharacter(std::string_view text) {
  uint32_t character = 0;
  for (const char byte : text.substr(0, CharacterSize(static_cast<unsigned char>(text[0])))) {
    character = character << 8 | static_cast<unsigned char>(byte);
  }
  return character;
}

class Checker {
 public:
  void Add(std::string path, std::string english, std::string chinese) {
    problems_.push_back({std::move(path), std::move(english), std::move(chinese)});
  }
  bool Required(const std::string& path, std::string_view text, int64_t max_code_points) {
    if (text.empty()) {
      Add(path, "is required", "必填");
      return false;
    }
    return Text(path, text, max_code_points);
  }
  bool Text(const std::string& path, std::string_view text, int64_t max_code_points) {
    if (CountCodePoints(text).value_or(max_code_points + 1) <= max_code_points) return true;
    Add(path, StrCat("has more than ", max_code_points, " characters"),
        StrCat("超过", max_code_points, "个字符"));
    return false;
  }
  template <typename List>
  void Size(const std::string& path, const List& list, int max) {
    if (list.size() > max) Add(path, StrCat("has more than ", max, " entries"), StrCat("超过", max, "项"));
  }
  std::optional<absl::CivilDay> Date(const std::string& path, std::string_view text) {
    std::optional<absl::CivilDay> day = ParseDay(text);
    if (!text.empty() && !day.has_value())
      Add(path, "is not a date like 2024-04-16", "应为2024-04-16这样的日期");
    return day;
  }
  // `value` under `path` is new in `taken`, which says who has it.
  bool Once(std::map<std::string, std::string>* taken, const std::string& value, const std::string& owner,
            const std::string& path) {
    const auto [it, fresh] = taken->try_emplace(value, owner);
    if (fresh) return true;
    Add(path, StrCat("\"", value, "\" is of ", it->second, " already"),
        StrCat("“", value, "”已属于", it->second));
    return false;
  }
  // Words of callers: not empty when compared, each once in its list.
  void Words(const std::string& path, const google::protobuf::RepeatedPtrField<std::string>& words,
             int max = kMaxWords) {
    Size(path, words, max);
    std::set<std::string> seen;
    for (int i = 0; i < words.size(); ++i) {
      const std::string item = StrCat(path, "[", i, "]");
      if (!Required(item, words[i], kMaxWordCodePoints)) continue;
      const std::string normal = Normalize(words[i]);
      if (normal.empty()) {
        Add(item, "has no letter, digit or character", "没有任何字词");
      } else if (!seen.insert(normal).second) {
        Add(item, StrCat("\"", words[i], "\" is in this list twice"),
            StrCat("“", words[i], "”在本列表中重复"));
      }
    }
  }

  std::vector<Problem> Take() { return std::move(problems_); }

 private:
  std::vector<Problem> problems_;
};

// What the parts of a catalogue refer to each other by.
struct Names {
  std::map<std::string, std::string> articles;
  std::map<std::string, std::string> units;
  std::map<std::string, config::v1::UnitKind> kinds;
  std::map<std::string, std::string> items;
};

void CheckHead(const config::v1::Catalogue& catalogue, Checker* check) {
  if (!IsName(catalogue.version(), 64, /*dots=*/true)) {
    check->Add("version", "must be 1 to 64 of a-z 0-9 . _ -", "应为1至64个小写字母、数字或 . _ -");
  }
  check->Text("display_name", catalogue.display_name(), 128);
  check->Required("document", catalogue.document(), 64);
  check->Text("document_title", catalogue.document_title(), 256);
  if (catalogue.first_date().empty()) check->Add("first_date", "is required", "必填");
  const auto first = check->Date("first_date", catalogue.first_date());
  const auto last = check->Date("last_date", catalogue.last_date());
  if (first && last && *last < *first) check->Add("last_date", "is before first_date", "早于first_date");
  for (const auto& [path, code] : {std::pair("police_hotline", &catalogue.police_hotline()),
                                   std::pair("government_hotline", &catalogue.government_hotline())}) {
    if (!IsHotline(*code)) check->Add(path, "must be 1 to 16 letters or digits", "应为1至16位字母或数字");
  }
  if (!catalogue.police_hotline().empty() && catalogue.police_hotline() == catalogue.government_hotline()) {
    check->Add("government_hotline", "is police_hotline too", "与police_hotline相同");
  }
}

void CheckArticles(const config::v1::Catalogue& catalogue, Names* names, Checker* check) {
  check->Size("articles", catalogue.articles(), kMaxArticles);
  for (int i = 0; i < catalogue.articles_size(); ++i) {
    const config::v1::CatalogueArticle& article = catalogue.articles(i);
    const std::string path = StrCat("articles[", i, "]");
    if (check->Required(path + ".code", article.code(), 32)) {
      check->Once(&names->articles, article.code(), path, path + ".code");
    }
    check->Text(path + ".document", article.document(), 64);
    check->Required(path + ".text", article.text(), 1000);
  }
}

void CheckUnits(const config::v1::Catalogue& catalogue, Names* names, Checker* check) {
  check->Size("units", catalogue.units(), kMaxUnits);
  std::map<std::string, std::string> taken;
  for (int i = 0; i < catalogue.units_size(); ++i) {
    const config::v1::CatalogueUnit& unit = catalogue.units(i);
    const std::string path = StrCat("units[", i, "]");
    if (!IsName(unit.code(), 32, /*dots=*/false)) {
      check->Add(path + ".code", "must be 1 to 32 of a-z 0-9 _ -", "应为1至32个小写字母、数字或 _ -");
    } else {
      check->Once(&names->units, unit.code(), path, path + ".code");
      names->kinds.emplace(unit.code(), unit.kind());
    }
    // One unit under two names is written once with an alias; a name of two units names neither.
    if (check->Required(path + ".display_name", unit.display_name(), 64)) {
      check->Once(&taken, unit.display_name(), unit.code(), path + ".display_name");
    }
    check->Size(path + ".aliases", unit.aliases(), 32);
    for (int a = 0; a < unit.aliases_size(); ++a) {
      const std::string field = StrCat(path, ".aliases[", a, "]");
      if (check->Required(field, unit.aliases(a), 64))
        check->Once(&taken, unit.aliases(a), unit.code(), field);
    }
    if (unit.kind() == config::v1::UNIT_KIND_UNSPECIFIED) check->Add(path + ".kind", "is required", "必填");
    check->Words(path + ".duty_words", unit.duty_words(), kMaxDutyWords);
  }
}

void CheckTownships(const config::v1::Catalogue& catalogue, const Names& names, Checker* check) {
  check->Size("townships", catalogue.townships(), kMaxTownships);
  std::map<std::string, std::string> codes, units, words;
  for (int i = 0; i < catalogue.townships_size(); ++i) {
    const config::v1::Township& township = catalogue.townships(i);
    const std::string path = StrCat("townships[", i, "]");
    const std::string& code = township.code();
    if (code.size() != 9 ||
        !std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      check->Add(path + ".code", "must be 9 digits", "应为9位数字");
    } else {
      check->Once(&codes, code, path, path + ".code");
    }
    if (check->Required(path + ".display_name", township.display_name(), 64)) {
      check->Once(&words, Normalize(township.display_name()), path, path + ".display_name");
    }
    const auto kind = names.kinds.find(township.unit());
    if (kind == names.kinds.end()) {
      check->Add(path + ".unit", StrCat("no unit \"", township.unit(), "\""),
                 StrCat("没有单位“", township.unit(), "”"));
    } else if (kind->second != config::v1::UNIT_KIND_TOWNSHIP &&
               kind->second != config::v1::UNIT_KIND_EXTERNAL) {
      check->Add(path + ".unit", "is no township's government nor an external unit",
                 "不是乡镇政府或外部单位");
    } else {
      check->Once(&units, township.unit(), path, path + ".unit");
    }
    check->Words(path + ".place_words", township.place_words());
    for (int w = 0; w < township.place_words_size(); ++w) {
      check->Once(&words, Normalize(township.place_words(w)), path, StrCat(path, ".place_words[", w, "]"));
    }
    for (int r = 0; r < township.boundary_size(); ++r) {
      const config::v1::BoundaryRing& ring = township.boundary(r);
      const std::string field = StrCat(path, ".boundary[", r, "].points");
      if (ring.points_size() < 3 || ring.points_size() > kMaxBoundaryPoints) {
        check->Add(field, "must have 3 to 10,000 points", "应有3至10000个点");
      }
      for (int p = 0; p < ring.points_size(); ++p) {
        const type::v1::Coordinates& point = ring.points(p);
        if (point.latitude() >= -90 && point.latitude() <= 90 && point.longitude() >= -180 &&
            point.longitude() <= 180) {
          continue;
        }
        check->Add(StrCat(field, "[", p, "]"), "is out of range", "超出范围");
      }
    }
  }
}

void CheckSigns(const config::v1::Catalogue& catalogue, const Names& names, Checker* check) {
  check->Size("signs", catalogue.signs(), kMaxSigns);
  std::map<std::string, std::string> codes;
  for (int i = 0; i < catalogue.signs_size(); ++i) {
    const config::v1::CatalogueSign& sign = catalogue.signs(i);
    const std::string path = StrCat("signs[", i, "]");
    if (!IsName(sign.code(), 32, /*dots=*/false)) {
      check->Add(path + ".code", "must be 1 to 32 of a-z 0-9 _ -", "应为1至32个小写字母、数字或 _ -");
    } else {
      check->Once(&codes, sign.code(), path, path + ".code");
    }
    check->Required(path + ".display_name", sign.display_name(), 64);
    if (sign.kind() == config::v1::SIGN_KIND_UNSPECIFIED) check->Add(path + ".kind", "is required", "必填");
    const auto item = names.items.find(sign.item());
    if (item == names.items.end()) {
      check->Add(path + ".item", StrCat("no item \"", sign.item(), "\""),
                 StrCat("没有事项“", sign.item(), "”"));
    } else if (item->second != catalogue.police_hotline()) {
      check->Add(path + ".item", "is not of the police's part", "不是公安受理的事项");
    }
    if (sign.phrases().empty()) check->Add(path + ".phrases", "is required", "必填");
    check->Words(path + ".phrases", sign.phrases());
    check->Words(path + ".denials", sign.denials());
  }
}

bool IsTownship(const Names& names, const std::string& unit) {
  const auto kind = names.kinds.find(unit);
  return kind != names.kinds.end() && kind->second == config::v1::UNIT_KIND_TOWNSHIP;
}

void CheckItemUnits(const CatalogueItem& item, const std::string& path, const Names& names,
                    bool have_townships, Checker* check) {
  std::set<std::string> seen;
  const bool have_own_township = std::any_of(item.units().begin(), item.units().end(),
                                             [](const ItemUnit& unit) { return unit.township(); });
  int leads = 0;
  const bool parts = item.unit_rule() == config::v1::UNIT_RULE_LEAD_ASSIST ||
                     item.unit_rule() == config::v1::UNIT_RULE_ALL_OF;
  for (int u = 0; u < item.units_size(); ++u) {
    const ItemUnit& unit = item.units(u);
    const std::string field = StrCat(path, ".units[", u, "]");
    if (unit.township() != unit.unit().empty()) {
      check->Add(field, "must have either unit or township", "unit与township须且只能填一个");
    } else if (unit.township() && !have_townships) {
      check->Add(field + ".township", "the catalogue has no townships", "清单没有乡镇表");
    } else if (!unit.township() && !names.units.contains(unit.unit())) {
      check->Add(field + ".unit", StrCat("no unit \"", unit.unit(), "\""),
                 StrCat("没有单位“", unit.unit(), "”"));
    } else if (!seen.insert(unit.unit()).second) {
      check->Add(field, "is there twice", "重复");
    }
    if (unit.role() == config::v1::UNIT_ROLE_LEAD) ++leads;
    if (unit.role() == config::v1::UNIT_ROLE_LEAD && have_own_township && !unit.township() &&
        IsTownship(names, unit.unit())) {
      check->Add(field, "a township that leads cannot stand beside township: true, which may mean it too",
                 "已有township: true，主办单位不得再为某一乡镇：两者可能是同一单位");
    }
    if (parts && unit.role() == config::v1::UNIT_ROLE_UNSPECIFIED) {
      check->Add(field + ".role", "is required by this unit_rule", "按该unit_rule必填");
    } else if (!parts && unit.role() != config::v1::UNIT_ROLE_UNSPECIFIED) {
      check->Add(field + ".role", "has no meaning with this unit_rule", "该unit_rule下不得填写");
    }
    check->Words(field + ".words", unit.words());
    if (item.unit_rule() == config::v1::UNIT_RULE_ONE_OF && unit.words().empty()) {
      check->Add(field + ".words", "is required by ONE_OF: nothing else tells the unit",
                 "ONE_OF须填，否则无从选择单位");
    }
  }
  const bool open = item.unit_rule() == config::v1::UNIT_RULE_TO_BE_DECIDED ||
                    item.unit_rule() == config::v1::UNIT_RULE_RECEIVER_DECIDES;
  if (item.units().empty() && !open) {
    check->Add(path + ".units", "an item without units needs unit_rule TO_BE_DECIDED or RECEIVER_DECIDES",
               "没有单位的事项须为TO_BE_DECIDED或RECEIVER_DECIDES");
  }
  if (parts && !item.units().empty() && leads != 1) {
    check->Add(path + ".units", StrCat("needs one LEAD unit, has ", leads),
               StrCat("须有一个主办单位，现有", leads, "个"));
  }
  if (item.unit_rule() == config::v1::UNIT_RULE_ONE_OF && item.units_size() == 1) {
    check->Add(path + ".units", "ONE_OF needs two or more", "ONE_OF须有两个以上单位");
  }
}

void CheckItem(const config::v1::Catalogue& catalogue, const CatalogueItem& item, const std::string& path,
               const Names& names, std::map<std::string, std::string>* phrases, Checker* check) {
  check->Required(path + ".title", item.title(), 32);
  check->Required(path + ".text", item.text(), 1000);
  check->Text(path + ".units_text", item.units_text(), 500);
  if (item.to_hotline() != catalogue.police_hotline() &&
      item.to_hotline() != catalogue.government_hotline()) {
    check->Add(path + ".to_hotline", "must be police_hotline or government_hotline",
               "应为police_hotline或government_hotline");
  }
  if (item.unit_rule() == config::v1::UNIT_RULE_UNSPECIFIED) {
    check->Add(path + ".unit_rule", "is required", "必填");
  } else {
    CheckItemUnits(item, path, names, !catalogue.townships().empty(), check);
  }
  if (item.phrases_size() < kMinPhrases) {
    check->Add(path + ".phrases", StrCat("needs ", kMinPhrases, " or more"),
               StrCat("至少", kMinPhrases, "条"));
  }
  check->Words(path + ".phrases", item.phrases());
  for (int p = 0; p < item.phrases_size(); ++p) {
    const std::string normal = Normalize(item.phrases(p));
    const auto [it, fresh] = phrases->try_emplace(normal, item.code());
    if (fresh || it->second == item.code()) continue;
    check->Add(StrCat(path, ".phrases[", p, "]"),
               StrCat("\"", item.phrases(p), "\" is a phrase of ", it->second, " too"),
               StrCat("“", item.phrases(p), "”也是", it->second, "的用语"));
  }
  for (int e = 0; e < item.exclusions_size(); ++e) {
    const config::v1::Exclusion& exclusion = item.exclusions(e);
    const std::string field = StrCat(path, ".exclusions[", e, "]");
    if (exclusion.kind() == config::v1::EXCLUSION_KIND_UNSPECIFIED)
      check->Add(field + ".kind", "is required", "必填");
    if (!exclusion.quote().empty() && item.text().find(exclusion.quote()) == std::string::npos) {
      check->Add(field + ".quote", "does not stand in the item's text", "不在事项原文中");
    }
    if (exclusion.words().empty()) check->Add(field + ".words", "is required", "必填");
    check->Words(field + ".words", exclusion.words());
    check->Words(field + ".denials", exclusion.denials());
    for (int d = 0; d < exclusion.denials_size(); ++d) {
      const std::string denial = Normalize(exclusion.denials(d));
      const bool around = std::any_of(
          exclusion.words().begin(), exclusion.words().end(),
          [&](const std::string& word) { return denial.find(Normalize(word)) != std::string::npos; });
      if (around) continue;
      check->Add(StrCat(field, ".denials[", d, "]"), "holds none of the words", "不含任何一个例外用语");
    }
    if (!exclusion.instead_item().empty() &&
        (!names.items.contains(exclusion.instead_item()) || exclusion.instead_item() == item.code())) {
      check->Add(field + ".instead_item", StrCat("no other item \"", exclusion.instead_item(), "\""),
                 StrCat("没有其他事项“", exclusion.instead_item(), "”"));
    }
  }
  if (item.urgency() == type::v1::URGENCY_UNSPECIFIED) check->Add(path + ".urgency", "is required", "必填");
  if (item.legal_basis().empty()) check->Add(path + ".legal_basis", "is required", "必填");
  for (int l = 0; l < item.legal_basis_size(); ++l) {
    if (names.articles.contains(item.legal_basis(l))) continue;
    check->Add(StrCat(path, ".legal_basis[", l, "]"), StrCat("no article \"", item.legal_basis(l), "\""),
               StrCat("没有条文“", item.legal_basis(l), "”"));
  }
  const auto first = check->Date(path + ".first_date", item.first_date());
  const auto last = check->Date(path + ".last_date", item.last_date());
  const auto begin = first ? first : ParseDay(catalogue.first_date());
  if (begin && last && *last < *begin) check->Add(path + ".last_date", "is before it begins", "早于生效日期");
  check->Text(path + ".question", item.question(), 100);
  const bool asks = item.unit_rule() == config::v1::UNIT_RULE_TO_BE_DECIDED ||
                    item.unit_rule() == config::v1::UNIT_RULE_ONE_OF;
  if (asks && item.question().empty()) {
    check->Add(path + ".question", "is required where a person says which unit", "由人确定单位的事项须填写");
  }
}

}  // namespace

std::vector<Problem> CheckCatalogue(const config::v1::Catalogue& catalogue) {
  Checker check;
  Names names;
  CheckHead(catalogue, &check);
  CheckArticles(catalogue, &names, &check);
  CheckUnits(catalogue, &names, &check);
  CheckTownships(catalogue, names, &check);
  for (int i = 0; i < catalogue.items_size(); ++i) {
    const CatalogueItem& item = catalogue.items(i);
    const std::string path = StrCat("items[", i, "].code");
    if (!IsItemCode(item.code())) {
      check.Add(path, "must be a letter and a number, like A1", "应为字母加数字，如A1");
    } else if (!names.items.emplace(item.code(), item.to_hotline()).second) {
      check.Add(path, StrCat(item.code(), " is there twice"), StrCat(item.code(), "重复"));
    }
  }
  CheckSigns(catalogue, names, &check);
  if (catalogue.items().empty()) check.Add("items", "is required", "必填");
  check.Size("items", catalogue.items(), kMaxItems);
  std::map<std::string, std::string> phrases;
  for (int i = 0; i < catalogue.items_size(); ++i) {
    CheckItem(catalogue, catalogue.items(i), StrCat("items[", i, "]"), names, &phrases, &check);
  }
  return check.Take();
}

std::string Normalize(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto boundary = [&out] {
    if (!out.empty() && out.back() != ' ') out += ' ';
  };
  for (size_t at = 0; at < text.size();) {
    const unsigned char lead = static_cast<unsigned char>(text[at]);
    const size_t length = CharacterSize(lead);
    const std::string_view one = text.substr(at, length);
    at += length;
    const auto byte = [&one](size_t i) { return static_cast<unsigned char>(one[i]); };
    char ascii = length == 1 ? one[0] : '\0';
    // U+FF01 to U+FF5E are the full-width forms of `!` to `~`.
    if (one.size() == 3 && lead == 0xef) {
      const int point = ((lead & 0x0f) << 12) | ((byte(1) & 0x3f) << 6) | (byte(2) & 0x3f);
      if (point >= 0xff01 && point <= 0xff5e) ascii = static_cast<char>(point - 0xff01 + '!');
    }
    if (ascii == ' ' || ascii == '\t' || ascii == '\r' || ascii == '\n') continue;
    if (ascii != '\0') {
      if (ascii >= 'A' && ascii <= 'Z') ascii = static_cast<char>(ascii - 'A' + 'a');
      if ((ascii >= 'a' && ascii <= 'z') || (ascii >= '0' && ascii <= '9')) {
        out += ascii;
      } else {
        boundary();
      }
      continue;
    }
    // The ideographic space is white space; other marks are U+2000 to U+206F and those of CJK, U+3001 to
    // U+303F.
    if (one == "\xe3\x80\x80") continue;
    const bool general = one.size() == 3 && lead == 0xe2 && (byte(1) == 0x80 || byte(1) == 0x81);
    const bool cjk = one.size() == 3 && lead == 0xe3 && byte(1) == 0x80;
    if (length == 1 || general || cjk) {
      boundary();
    } else {
      out += one;
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

absl::StatusOr<std::shared_ptr<const Catalogue>> Catalogue::Create(config::v1::Catalogue message) {
  if (const std::vector<Problem> problems = CheckCatalogue(message); !problems.empty()) {
    std::string english;
    std::string chinese;
    for (const Problem& problem : problems) {
      const bool first = &problem == &problems.front();
      english += first ? problem.english : StrCat("\n", problem.path, ": ", problem.english);
      chinese += first ? problem.chinese : StrCat("\n字段 ", problem.path, "：", problem.chinese);
    }
    return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, problems.front().path, english,
                           chinese);
  }
  return std::shared_ptr<const Catalogue>(new Catalogue(std::move(message)));
}

Catalogue::Catalogue(config::v1::Catalogue message) : message_(std::move(message)) {
  first_ = *ParseDay(message_.first_date());
  if (!message_.last_date().empty()) last_ = *ParseDay(message_.last_date());
  for (const CatalogueItem& item : message_.items()) items_.emplace(item.code(), &item);
  for (const config::v1::CatalogueUnit& unit : message_.units()) {
    units_.emplace(unit.code(), &unit);
    names_.emplace(unit.display_name(), &unit);
    for (const std::string& alias : unit.aliases()) names_.emplace(alias, &unit);
  }
  for (const config::v1::Township& township : message_.townships()) {
    townships_.emplace(township.code(), &township);
    KeepPlaceWord(township.display_name(), township);
    for (const std::string& word : township.place_words()) KeepPlaceWord(word, township);
  }
  for (const config::v1::CatalogueArticle& article : message_.articles())
    articles_.emplace(article.code(), &article);
  for (const config::v1::CatalogueUnit& unit : message_.units()) {
    for (const std::string& word : unit.duty_words()) Keep(word);
  }
  for (const CatalogueItem& item : message_.items()) {
    for (const ItemUnit& unit : item.units()) {
      for (const std::string& word : unit.words()) Keep(word);
    }
    for (const config::v1::Exclusion& exclusion : item.exclusions()) {
      for (const std::string& word : exclusion.words()) Keep(word);
      for (const std::string& denial : exclusion.denials()) Keep(denial);
    }
  }
}

const std::string& Catalogue::Keep(const std::string& word) {
  return normals_.try_emplace(&word, Normalize(word)).first->second;
}

void Catalogue::KeepPlaceWord(const std::string& word, const config::v1::Township& township) {
  const std::string& normal = Keep(word);
  // A name that is written as a place word too.
  if (normal.empty() || !places_.emplace(normal, &township).second) return;
  std::vector<size_t>& sizes = place_sizes_[FirstCharacter(normal)];
  if (std::find(sizes.begin(), sizes.end(), normal.size()) != sizes.end()) return;
  sizes.push_back(normal.size());
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
}

std::string Catalogue::NormalOf(const std::string& word) const {
  const auto it = normals_.find(&word);
  return it == normals_.end() ? Normalize(word) : it->second;
}

Catalogue::PlaceWord Catalogue::PlaceWordAt(std::string_view text) const {
  if (text.empty()) return {};
  const auto sizes = place_sizes_.find(FirstCharacter(text));
  if (sizes == place_sizes_.end()) return {};
  for (const size_t size : sizes->second) {
    if (size > text.size()) continue;
    const auto it = places_.find(text.substr(0, size));
    if (it != places_.end()) return {size, it->second};
  }
  return {};
}

const CatalogueItem* Catalogue::FindItem(std::string_view code) const {
  const auto it = items_.find(code);
  return it == items_.end() ? nullptr : it->second;
}

const CatalogueItem* Catalogue::FindItem(std::string_view code, absl::CivilDay day) const {
  const CatalogueItem* const item = FindItem(code);
  return item != nullptr && ItemHolds(*item, day) ? item : nullptr;
}

bool Catalogue::ItemHolds(const CatalogueItem& item, absl::CivilDay day) const {
  if (!Holds(day)) return false;
  if (!item.first_date().empty() && day < *ParseDay(item.first_date())) return false;
  return item.last_date().empty() || day <= *ParseDay(item.last_date());
}

const config::v1::CatalogueUnit* Catalogue::FindUnit(std::string_view code) const {
  const auto it = units_.find(code);
  return it == units_.end() ? nullptr : it->second;
}

const config::v1::CatalogueUnit* Catalogue::FindUnitByName(std::string_view name) const {
  if (const config::v1::CatalogueUnit* unit = FindUnit(name)) return unit;
  const auto it = names_.find(name);
  return it == names_.end() ? nullptr : it->second;
}

const config::v1::Township* Catalogue::FindTownship(std::string_view code) const {
  const auto it = townships_.find(code);
  return it == townships_.end() ? nullptr : it->second;
}

const config::v1::CatalogueArticle* Catalogue::FindArticle(std::string_view code) const {
  const auto it = articles_.find(code);
  return it == articles_.end() ? nullptr : it->second;
}

std::string Catalogue::Cite(std::string_view code) const {
  const config::v1::CatalogueArticle* const article = FindArticle(code);
  return article == nullptr ? std::string(code) : StrCat(DocumentOf(*article), " ", article->code());
}

std::string Catalogue::LegalBasis(const CatalogueItem& item) const {
  std::string text;
  for (const std::string& code : item.legal_basis()) text += StrCat(text.empty() ? "" : "；", Cite(code));
  // The number in the part, as the annex writes it: 附件一(2).
  const std::string& main = item.legal_basis(0);
  const std::string cited = Cite(main);
  if (main.starts_with("附件"))
    text = StrCat(cited, "(", item.code().substr(1), ")", text.substr(cited.size()));
  return text;
}

absl::CivilDay DayOf(absl::Time time) { return absl::ToCivilDay(time, Beijing()); }

absl::StatusOr<std::shared_ptr<const CatalogueSet>> CatalogueSet::Create(
    std::vector<std::shared_ptr<const Catalogue>> versions) {
  auto set = std::make_shared<CatalogueSet>();
  for (std::shared_ptr<const Catalogue>& version : versions) {
    std::string name = version->version();
    if (!set->versions_.emplace(name, std::move(version)).second) {
      return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "version",
                             StrCat("version ", name, " is there twice"), StrCat("版本", name, "重复"));
    }
  }
  return std::shared_ptr<const CatalogueSet>(std::move(set));
}

std::shared_ptr<const Catalogue> CatalogueSet::Find(std::string_view version) const {
  const auto it = versions_.find(version);
  return it == versions_.end() ? nullptr : it->second;
}

std::shared_ptr<const Catalogue> CatalogueSet::InForce(absl::CivilDay day) const {
  std::shared_ptr<const Catalogue> found;
  for (const auto& [name, version] : versions_) {
    // In order of names, so that of two that began on one day the later name stays.
    if (version->Holds(day) && (found == nullptr || version->first_day() >= found->first_day()))
      found = version;
  }
  return found;
}

}  // namespace hotline::catalogue
