// Which units an item means for one matter: the lead (主办), those that assist (协办), or whom a person may
// choose from. Pure.
#ifndef COMMON_CATALOGUE_UNITS_H_
#define COMMON_CATALOGUE_UNITS_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/catalogue/catalogue.h"

namespace hotline::catalogue {

struct UnitChoice {
  // Empty: a person says which, or the receiving hotline does.
  std::string lead;
  std::vector<std::string> assists;
  // Possible units where the lead is open, or that cannot be ordered (a unit of the Corps): best first, at
  // most 5.
  std::vector<std::string> proposed;
  // A person says which unit leads. Never true where the receiving hotline sends its own (RECEIVER_DECIDES).
  bool ask = false;
  // What to ask, in Chinese. May be set with a lead too: the township that should assist is not known.
  std::string question;
  // Units left out because the matter accuses them (回避).
  std::vector<std::string> recused;
};

// `township` may be null. `accused` holds codes of units.
UnitChoice ChooseUnits(const Catalogue& catalogue, const config::v1::CatalogueItem& item,
                       const config::v1::Township* township, std::string_view text,
                       const std::set<std::string>& accused);

}  // namespace hotline::catalogue

#endif  // COMMON_CATALOGUE_UNITS_H_
