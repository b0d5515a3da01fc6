// Where a matter is: 辖区乡镇 from a code, a position or words. Pure.
#ifndef COMMON_CATALOGUE_PLACES_H_
#define COMMON_CATALOGUE_PLACES_H_

#include <string_view>

#include "common/catalogue/catalogue.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::catalogue {

// What told the township.
enum class PlaceSource { kNone, kCode, kBoundary, kAddress, kText };

struct ResolvedPlace {
  // Null: not known.
  const config::v1::Township* township = nullptr;
  PlaceSource source = PlaceSource::kNone;
};

// In this order: the code of `place`; its position (a person's before the telephone network's), in the
// boundary of exactly one township; place words in its address; place words in `text`. Words of two townships
// tell nothing, unless one lies within the other (铁列克乡 in 波斯坦铁列克乡). A code that the catalogue does
// not have tells nothing either, and nothing else is asked then: somebody knew better.
ResolvedPlace ResolvePlace(const Catalogue& catalogue, const type::v1::Place& place, std::string_view text);

// True if `point` is in an odd number of the rings.
bool IsInside(const google::protobuf::RepeatedPtrField<config::v1::BoundaryRing>& rings,
              const type::v1::Coordinates& point);

}  // namespace hotline::catalogue

#endif  // COMMON_CATALOGUE_PLACES_H_
