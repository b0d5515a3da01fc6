// What a person should look at in a catalogue that is well-formed, and how two versions differ. Pure.
#ifndef COMMON_CATALOGUE_REVIEW_H_
#define COMMON_CATALOGUE_REVIEW_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "common/catalogue/catalogue.h"
#include "hotline/config/v1/site.pb.h"

namespace hotline::catalogue {

// What the catalogue is held against. What is not given is not judged.
struct ReviewOptions {
  // The site's list of units.
  std::optional<config::v1::UnitList> units;
  // Codes of units for which somebody is named in the directory.
  std::optional<std::set<std::string>> liaisons;
};

// Findings, each under the field it is about:
// - one unit under two names: a name of one reads as another's or as its short form (without the county
// before
//   it), or the site's list has the name or the code for another unit;
// - a unit that the site's list does not have, or that has no liaison, where an item or a township needs it;
// - a phrase that lies within a phrase of another item, so that a text with the longer one speaks for both;
// - an item that no text reaches: it never holds, or each of its phrases is taken out by its own exclusions
// or
//   lies around phrases of other items only;
// - a sign whose phrase is taken back by one of its own denials wherever it stands;
// - an item that an exclusion or a sign refers to, which does not hold as long as they do.
// `catalogue` passed CheckCatalogue.
std::vector<Problem> Review(const Catalogue& catalogue, const ReviewOptions& options);

// Codes of the units that an item or a township means, each with the first field that does.
std::map<std::string, std::string> NeededUnits(const config::v1::Catalogue& catalogue);

// That no order is routed to a unit that would then be refused: the version of `set` in force on `today` and
// those to come need no unit that `units` lacks, unless that is empty. Versions of the past may name units
// that are no more. Errors: FIELD_INVALID with the first such version and what it lacks.
absl::Status CheckNeededUnits(const CatalogueSet& set, const config::v1::UnitList& units,
                              absl::CivilDay today);

enum class Difference { kAdded, kRemoved, kChanged };

// A field or an entry that two versions do not have alike.
struct Change {
  Difference difference = Difference::kChanged;
  // `A3`, `units shijianju`, `townships 653024100`; `catalogue` for what is about the whole.
  std::string entry;
  // Within the entry; empty if the whole entry came or went. A list's entries that came or went are a change
  // each.
  std::string field;
  std::string before;
  std::string after;
};

// From `before` to `after`: items, units, townships, signs and articles by their codes; the order of entries
// does not count.
std::vector<Change> Diff(const config::v1::Catalogue& before, const config::v1::Catalogue& after);

}  // namespace hotline::catalogue

#endif  // COMMON_CATALOGUE_REVIEW_H_
