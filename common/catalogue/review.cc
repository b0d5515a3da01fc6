#include "common/catalogue/review.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/text.h"
#include "common/catalogue/exclusions.h"
#include "common/error/error.h"

namespace hotline::catalogue {
namespace {

using config::v1::CatalogueItem;
using config::v1::CatalogueUnit;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<std::string_view> Characters(std::string_view text) {
  std::vector<std::string_view> characters;
  for (size_t at = 0; at < text.size();) {
    const unsigned char lead = static_cast<unsigned char>(text[at]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    characters.push_back(text.substr(at, length));
    at += length;
  }
  return characters;
}

// A name as it is compared: without spaces and marks, and without the county before it (乌恰县市监局,
// 县市监局).
std::string Plain(std::string_view name) {
  constexpr std::string_view kCounty = "县";
  // Of a county's name and of what is left of a unit's.
  constexpr size_t kMostBefore = 3;
  constexpr size_t kLeastBehind = 3;
  const std::string normal = Normalize(name);
  const std::vector<std::string_view> characters = Characters(normal);
  for (size_t i = 0; i <= kMostBefore && i + kLeastBehind < characters.size(); ++i) {
    if (characters[i] == kCounty) return normal.substr(normal.find(kCounty) + kCounty.size());
  }
  return normal;
}

// 市监局 of 市场监督管理局: begins and ends alike, and its characters stand in the longer name in order. Both
// plain.
bool IsShortFormOf(std::string_view name, std::string_view longer) {
  const std::vector<std::string_view> a = Characters(name);
  const std::vector<std::string_view> b = Characters(longer);
  if (a.size() < 3 || a.size() >= b.size() || a.front() != b.front() || a.back() != b.back()) return false;
  size_t at = 0;
  for (const std::string_view character : b) {
    if (at < a.size() && a[at] == character) ++at;
  }
  return at == a.size();
}

std::vector<std::string> NamesOf(const CatalogueUnit& unit) {
  std::vector<std::string> names = {unit.display_name()};
  names.insert(names.end(), unit.aliases().begin(), unit.aliases().end());
  return names;
}

class Reviewer {
 public:
  Reviewer(const Catalogue& catalogue, const ReviewOptions& options)
      : catalogue_(catalogue), message_(catalogue.message()), options_(options) {}

  std::vector<Problem> Run() {
    ReviewNames();
    ReviewSiteUnits();
    ReviewLiaisons();
    ReviewPhrases();
    ReviewReach();
    ReviewDates();
    return std::move(problems_);
  }

 private:
  void Add(std::string path, std::string english, std::string chinese) {
    problems_.push_back({std::move(path), std::move(english), std::move(chinese)});
  }

  void ReviewNames() {
    for (int i = 0; i < message_.units_size(); ++i) {
      for (int j = 0; j < message_.units_size(); ++j) {
        if (i == j) continue;
        const std::string found = ShortForm(message_.units(i), message_.units(j));
        if (found.empty()) continue;
        const std::string& other = message_.units(j).code();
        Add(StrCat("units[", i, "]"),
            StrCat("\"", found, "\" reads as the short form of a name of ", other,
                   ", or as that name: one unit under two names?"),
            StrCat("“", found, "”像是", other, "的名称或其简称：同一单位两个名称？"));
      }
    }
  }

  static std::string ShortForm(const CatalogueUnit& unit, const CatalogueUnit& other) {
    for (const std::string& name : NamesOf(unit)) {
      for (const std::string& longer : NamesOf(other)) {
        const std::string a = Plain(name);
        const std::string b = Plain(longer);
        if (a == b || IsShortFormOf(a, b)) return name;
      }
    }
    return {};
  }

  void ReviewSiteUnits() {
    if (!options_.units.has_value()) return;
    std::map<std::string, std::string> owner;  // name → code in the site's list
    std::set<std::string> codes;
    for (const config::v1::Unit& unit : options_.units->units()) {
      codes.insert(unit.code());
      owner.emplace(unit.display_name(), unit.code());
      for (const std::string& alias : unit.aliases()) owner.emplace(alias, unit.code());
    }
    for (int i = 0; i < message_.units_size(); ++i) {
      const CatalogueUnit& unit = message_.units(i);
      if (!codes.contains(unit.code())) {
        Add(StrCat("units[", i, "].code"), StrCat(unit.code(), " is not in the site's list of units"),
            StrCat(unit.code(), "不在本平台单位名单中"));
      }
      for (const std::string& name : NamesOf(unit)) {
        const auto it = owner.find(name);
        if (it == owner.end() || it->second == unit.code()) continue;
        Add(StrCat("units[", i, "]"),
            StrCat("\"", name, "\" is unit ", it->second, " in the site's list: one unit under two names"),
            StrCat("“", name, "”在本平台单位名单中是", it->second, "：同一单位两个代码"));
      }
    }
  }

  void ReviewLiaisons() {
    if (!options_.liaisons.has_value()) return;
    for (const auto& [unit, path] : NeededUnits(message_)) {
      if (options_.liaisons->contains(unit)) continue;
      Add(path, StrCat("unit ", unit, " has no liaison in the directory"),
          StrCat("单位", unit, "在通讯录中没有联络人"));
    }
  }

  void ReviewPhrases() {
    for (int i = 0; i < message_.items_size(); ++i) {
      for (int p = 0; p < message_.items(i).phrases_size(); ++p) {
        const std::string& phrase = message_.items(i).phrases(p);
        const std::string normal = Normalize(phrase);
        for (int j = 0; j < message_.items_size(); ++j) {
          if (i == j) continue;
          for (const std::string& longer : message_.items(j).phrases()) {
            if (Normalize(longer).find(normal) == std::string::npos) continue;
            Add(StrCat("items[", i, "].phrases[", p, "]"),
                StrCat("\"", phrase, "\" lies within \"", longer, "\" of ", message_.items(j).code()),
                StrCat("“", phrase, "”包含在", message_.items(j).code(), "的“", longer, "”中"));
          }
        }
      }
    }
    for (int s = 0; s < message_.signs_size(); ++s) {
      const config::v1::CatalogueSign& sign = message_.signs(s);
      for (int p = 0; p < sign.phrases_size(); ++p) {
        const std::string normal = Normalize(sign.phrases(p));
        const bool denied =
            std::any_of(sign.denials().begin(), sign.denials().end(),
                        [&](const std::string& denial) { return Normalize(denial) == normal; });
        if (denied) {
          Add(StrCat("signs[", s, "].phrases[", p, "]"), "is one of its own denials", "同时是本征象的否定语");
        }
      }
    }
  }

  void ReviewReach() {
    for (int i = 0; i < message_.items_size(); ++i) {
      const CatalogueItem& item = message_.items(i);
      const std::string path = StrCat("items[", i, "]");
      const bool begins_late = !item.first_date().empty() && !message_.last_date().empty() &&
                               item.first_date() > message_.last_date();
      if (begins_late || (!item.last_date().empty() && item.last_date() < message_.first_date())) {
        Add(path, StrCat(item.code(), " never holds: its dates lie outside the catalogue's"),
            StrCat(item.code(), "从不生效：日期在清单有效期之外"));
        continue;
      }
      const bool reached =
          std::any_of(item.phrases().begin(), item.phrases().end(),
                      [&](const std::string& phrase) { return Reaches(item, Normalize(phrase)); });
      if (!reached) {
        Add(path,
            StrCat(item.code(),
                   " is unreachable: its phrases speak for other items, or its exclusions take them out"),
            StrCat(item.code(), "无法到达：其用语都指向其他事项，或被自身例外排除"));
      }
    }
  }

  // What refers to an item must find it as long as it holds itself: dates as texts sort like dates.
  void ReviewDates() {
    for (int i = 0; i < message_.items_size(); ++i) {
      const CatalogueItem& item = message_.items(i);
      for (int e = 0; e < item.exclusions_size(); ++e) {
        const std::string& instead = item.exclusions(e).instead_item();
        if (instead.empty() || HoldsWith(instead, FirstDate(item), LastDate(item))) continue;
        AddNotHeld(StrCat("items[", i, "].exclusions[", e, "].instead_item"), instead, item.code());
      }
    }
    for (int s = 0; s < message_.signs_size(); ++s) {
      const config::v1::CatalogueSign& sign = message_.signs(s);
      if (HoldsWith(sign.item(), message_.first_date(), message_.last_date())) continue;
      AddNotHeld(StrCat("signs[", s, "].item"), sign.item(), sign.code());
    }
  }

  void AddNotHeld(std::string path, const std::string& item, const std::string& by) {
    Add(std::move(path), StrCat(item, " does not hold on every day on which ", by, " refers to it"),
        StrCat(item, "在", by, "引用它的部分日期不生效"));
  }

  const std::string& FirstDate(const CatalogueItem& item) const {
    return item.first_date().empty() ? message_.first_date() : item.first_date();
  }
  // Empty: it has none.
  const std::string& LastDate(const CatalogueItem& item) const {
    const std::string& own = item.last_date();
    const std::string& whole = message_.last_date();
    return own.empty() || (!whole.empty() && whole < own) ? whole : own;
  }
  bool HoldsWith(const std::string& code, const std::string& first, const std::string& last) const {
    const CatalogueItem* const item = catalogue_.FindItem(code);
    if (item == nullptr) return false;
    const std::string& end = LastDate(*item);
    return FirstDate(*item) <= std::max(first, message_.first_date()) &&
           (end.empty() || (!last.empty() && last <= end));
  }

  // A text that is just this phrase speaks for the item, and for no other as much.
  bool Reaches(const CatalogueItem& item, const std::string& phrase) const {
    if (FindExclusion(catalogue_, item, phrase).exclusion != nullptr) return false;
    for (const CatalogueItem& other : message_.items()) {
      if (&other == &item) continue;
      for (const std::string& within : other.phrases()) {
        if (phrase.find(Normalize(within)) != std::string::npos) return false;
      }
    }
    return true;
  }

  const Catalogue& catalogue_;
  const config::v1::Catalogue& message_;
  const ReviewOptions& options_;
  std::vector<Problem> problems_;
};

// A field's value for people: texts as they are, messages on one line.
std::string Show(const Message& message, const FieldDescriptor& field, int index) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection.GetRepeatedString(message, &field, index)
                      : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return repeated ? reflection.GetRepeatedEnum(message, &field, index)->name()
                      : reflection.GetEnum(message, &field)->name();
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& inner = repeated ? reflection.GetRepeatedMessage(message, &field, index)
                                      : reflection.GetMessage(message, &field);
      std::vector<const FieldDescriptor*> fields;
      inner.GetReflection()->ListFields(inner, &fields);
      std::string text;
      for (const FieldDescriptor* f : fields) {
        const int count = f->is_repeated() ? inner.GetReflection()->FieldSize(inner, f) : 1;
        for (int i = 0; i < count; ++i) {
          text += StrCat(text.empty() ? "" : " ", f->name(), "=", Show(inner, *f, f->is_repeated() ? i : -1));
        }
      }
      return text;
    }
    default: {
      // Coordinates only.
      return std::to_string(reflection.GetDouble(message, &field));
    }
  }
}

class Differ {
 public:
  std::vector<Change> Run(const config::v1::Catalogue& before, const config::v1::Catalogue& after) {
    CompareFields("catalogue", before, after, {"articles", "units", "townships", "signs", "items"});
    Compare("articles ", before.articles(), after.articles());
    Compare("units ", before.units(), after.units());
    Compare("townships ", before.townships(), after.townships());
    Compare("signs ", before.signs(), after.signs());
    Compare("", before.items(), after.items());
    return std::move(changes_);
  }

 private:
  template <typename Entry>
  void Compare(const std::string& prefix, const google::protobuf::RepeatedPtrField<Entry>& before,
               const google::protobuf::RepeatedPtrField<Entry>& after) {
    std::map<std::string, const Entry*> old;
    for (const Entry& entry : before) old.emplace(entry.code(), &entry);
    std::set<std::string> seen;
    for (const Entry& entry : after) {
      seen.insert(entry.code());
      const auto it = old.find(entry.code());
      if (it == old.end()) {
        changes_.push_back({.difference = Difference::kAdded, .entry = prefix + entry.code()});
      } else {
        CompareFields(prefix + entry.code(), *it->second, entry, {});
      }
    }
    for (const Entry& entry : before) {
      if (!seen.contains(entry.code())) {
        changes_.push_back({.difference = Difference::kRemoved, .entry = prefix + entry.code()});
      }
    }
  }

  void CompareFields(const std::string& entry, const Message& before, const Message& after,
                     const std::set<std::string>& leave_out) {
    const google::protobuf::Descriptor& type = *before.GetDescriptor();
    for (int f = 0; f < type.field_count(); ++f) {
      const FieldDescriptor& field = *type.field(f);
      if (leave_out.contains(field.name())) continue;
      if (!field.is_repeated()) {
        const std::string a = Show(before, field, -1);
        const std::string b = Show(after, field, -1);
        if (a != b) changes_.push_back({Difference::kChanged, entry, field.name(), a, b});
        continue;
      }
      const std::vector<std::string> a = All(before, field);
      const std::vector<std::string> b = All(after, field);
      for (const std::string& value : a) {
        if (std::find(b.begin(), b.end(), value) == b.end()) {
          changes_.push_back({Difference::kRemoved, entry, field.name(), value, ""});
        }
      }
      for (const std::string& value : b) {
        if (std::find(a.begin(), a.end(), value) == a.end()) {
          changes_.push_back({Difference::kAdded, entry, field.name(), "", value});
        }
      }
    }
  }

  static std::vector<std::string> All(const Message& message, const FieldDescriptor& field) {
    std::vector<std::string> all;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i)
      all.push_back(Show(message, field, i));
    return all;
  }

  std::vector<Change> changes_;
};

}  // namespace

std::map<std::string, std::string> NeededUnits(const config::v1::Catalogue& catalogue) {
  std::map<std::string, std::string> needed;
  for (int i = 0; i < catalogue.items_size(); ++i) {
    const CatalogueItem& item = catalogue.items(i);
    for (int u = 0; u < item.units_size(); ++u) {
      if (!item.units(u).unit().empty()) {
        needed.try_emplace(item.units(u).unit(), StrCat("items[", i, "].units[", u, "].unit"));
      }
    }
  }
  for (int t = 0; t < catalogue.townships_size(); ++t) {
    needed.try_emplace(catalogue.townships(t).unit(), StrCat("townships[", t, "].unit"));
  }
  return needed;
}

absl::Status CheckNeededUnits(const CatalogueSet& set, const config::v1::UnitList& units,
                              absl::CivilDay today) {
  if (units.units().empty()) return absl::OkStatus();
  std::set<std::string> known;
  for (const config::v1::Unit& unit : units.units()) known.insert(unit.code());
  const std::shared_ptr<const Catalogue> in_force = set.InForce(today);
  for (const auto& [name, version] : set.versions()) {
    if (version != in_force && version->first_day() <= today) continue;
    std::string english;
    std::string chinese;
    for (const auto& [unit, path] : NeededUnits(version->message())) {
      if (known.contains(unit)) continue;
      english += StrCat(english.empty() ? "" : ", ", unit);
      chinese += StrCat(chinese.empty() ? "" : "、", unit);
    }
    if (english.empty()) continue;
    return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "units",
                           StrCat("catalogue ", name, ": not in units_file: ", english),
                           StrCat("清单 ", name, " 的单位不在 units_file 中：", chinese));
  }
  return absl::OkStatus();
}

std::vector<Problem> Review(const Catalogue& catalogue, const ReviewOptions& options) {
  return Reviewer(catalogue, options).Run();
}

std::vector<Change> Diff(const config::v1::Catalogue& before, const config::v1::Catalogue& after) {
  return Differ().Run(before, after);
}

}  // namespace hotline::catalogue
