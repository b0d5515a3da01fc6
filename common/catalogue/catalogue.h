// The annex of the regulation as an object: items, units, townships and signs of one version, checked, ready
// to be asked; and several versions side by side. Pure.
#ifndef COMMON_CATALOGUE_CATALOGUE_H_
#define COMMON_CATALOGUE_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "hotline/config/v1/catalogue.pb.h"

namespace hotline::catalogue {

// Something wrong with a catalogue.
struct Problem {
  // Of the field: `items[3].phrases[1]`; of an entry if it is about the whole of it.
  std::string path;
  std::string english;
  std::string chinese;
};

// Every rule written beside the fields of config.v1.Catalogue; none: it can be used.
std::vector<Problem> CheckCatalogue(const config::v1::Catalogue& catalogue);

// Text as phrases are compared: full-width forms of ASCII narrowed, ASCII in lower case, white space gone;
// each run of marks is one space, which no phrase reaches across.
std::string Normalize(std::string_view text);

// One version. Immutable, so that any number of threads may share it; whoever holds a pointer keeps it alive.
class Catalogue {
 public:
  // Errors: INVALID_ARGUMENT (FIELD_INVALID) with what CheckCatalogue found, a line each, in English and
  // Chinese.
  static absl::StatusOr<std::shared_ptr<const Catalogue>> Create(config::v1::Catalogue message);

  const config::v1::Catalogue& message() const { return message_; }
  const std::string& version() const { return message_.version(); }
  // True from its first day to its last.
  bool Holds(absl::CivilDay day) const { return first_ <= day && day <= last_; }
  absl::CivilDay first_day() const { return first_; }

  // Null if there is none.
  const config::v1::CatalogueItem* FindItem(std::string_view code) const;
  // An item that holds on `day`; null if there is none.
  const config::v1::CatalogueItem* FindItem(std::string_view code, absl::CivilDay day) const;
  bool ItemHolds(const config::v1::CatalogueItem& item, absl::CivilDay day) const;
  const config::v1::CatalogueUnit* FindUnit(std::string_view code) const;
  // By code, name or alias.
  const config::v1::CatalogueUnit* FindUnitByName(std::string_view name) const;
  const config::v1::Township* FindTownship(std::string_view code) const;
  const config::v1::CatalogueArticle* FindArticle(std::string_view code) const;
  // The document of an article.
  const std::string& DocumentOf(const config::v1::CatalogueArticle& article) const {
    return article.document().empty() ? message_.document() : article.document();
  }
  // How an article is cited: `恰政办发〔2024〕6号 二(三)`. `code` if it is not there.
  std::string Cite(std::string_view code) const;
  // The item's text and the articles it rests on, cited.
  std::string LegalBasis(const config::v1::CatalogueItem& item) const;
  bool IsPoliceItem(const config::v1::CatalogueItem& item) const {
    return item.to_hotline() == message_.police_hotline();
  }
  // Normalize(word). Of words in `message()` that each text is searched for (duties, units, exclusions) it
  // was made once.
  std::string NormalOf(const std::string& word) const;

  // A name or a place word of a township.
  struct PlaceWord {
    size_t size = 0;  // in bytes, as Normalize gives it
    const config::v1::Township* township = nullptr;
  };
  // The longest that `text` (as Normalize gives it) begins with; without a township if there is none. Takes
  // no longer for a long text.
  PlaceWord PlaceWordAt(std::string_view text) const;

 private:
  explicit Catalogue(config::v1::Catalogue message);
  // Keeps the normal form of a word of `message_`.
  const std::string& Keep(const std::string& word);
  void KeepPlaceWord(const std::string& word, const config::v1::Township& township);

  const config::v1::Catalogue message_;
  absl::CivilDay first_;
  absl::CivilDay last_ = absl::CivilDay::max();
  // Views are of `message_`.
  std::unordered_map<std::string_view, const config::v1::CatalogueItem*> items_;
  std::unordered_map<std::string_view, const config::v1::CatalogueUnit*> units_;
  std::unordered_map<std::string_view, const config::v1::CatalogueUnit*> names_;
  std::unordered_map<std::string_view, const config::v1::Township*> townships_;
  std::unordered_map<std::string_view, const config::v1::CatalogueArticle*> articles_;
  // By the address of the word.
  std::unordered_map<const std::string*, std::string> normals_;
  // Views are of `normals_`.
  std::unordered_map<std::string_view, const config::v1::Township*> places_;
  // Of the words in `places_` that begin with a character (its bytes as a number): their sizes, longest
  // first.
  std::unordered_map<uint32_t, std::vector<size_t>> place_sizes_;
};

// The day of an instant where the county is (UTC+8).
absl::CivilDay DayOf(absl::Time time);

// Versions side by side. Immutable and shared like a version.
class CatalogueSet {
 public:
  // Errors: INVALID_ARGUMENT if a version is there twice.
  static absl::StatusOr<std::shared_ptr<const CatalogueSet>> Create(
      std::vector<std::shared_ptr<const Catalogue>> versions);

  // Null if there is none.
  std::shared_ptr<const Catalogue> Find(std::string_view version) const;
  // Of the versions that hold on `day` the one that began last; of those that began on one day the one whose
  // name is the greatest. Null if none holds.
  std::shared_ptr<const Catalogue> InForce(absl::CivilDay day) const;
  const std::map<std::string, std::shared_ptr<const Catalogue>, std::less<>>& versions() const {
    return versions_;
  }

 private:
  std::map<std::string, std::shared_ptr<const Catalogue>, std::less<>> versions_;
};

}  // namespace hotline::catalogue

#endif  // COMMON_CATALOGUE_CATALOGUE_H_
