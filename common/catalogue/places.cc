#include "common/catalogue/places.h"

#include <string>

namespace hotline::catalogue {
namespace {

using config::v1::Township;

// The one township whose words stand in `text`. One pass, whatever stands there how often.
const Township* ByWords(const Catalogue& catalogue, std::string_view text) {
  const std::string normal = Normalize(text);
  const Township* found = nullptr;
  // Where the words so far end: what ends there or before lies within one of them.
  size_t covered = 0;
  for (size_t at = 0; at < normal.size(); ++at) {
    if ((static_cast<unsigned char>(normal[at]) & 0xc0) == 0x80) continue;
    const Catalogue::PlaceWord word = catalogue.PlaceWordAt(std::string_view(normal).substr(at));
    if (word.township == nullptr || at + word.size <= covered) continue;
    covered = at + word.size;
    if (found != nullptr && found != word.township) return nullptr;
    found = word.township;
  }
  return found;
}

const Township* ByPosition(const Catalogue& catalogue, const type::v1::Coordinates& point) {
  const Township* found = nullptr;
  for (const Township& township : catalogue.message().townships()) {
    if (!IsInside(township.boundary(), point)) continue;
    if (found != nullptr) return nullptr;  // boundaries that overlap tell nothing
    found = &township;
  }
  return found;
}

}  // namespace

bool IsInside(const google::protobuf::RepeatedPtrField<config::v1::BoundaryRing>& rings,
              const type::v1::Coordinates& point) {
  bool inside = false;
  for (const config::v1::BoundaryRing& ring : rings) {
    for (int i = 0, j = ring.points_size() - 1; i < ring.points_size(); j = i++) {
      const type::v1::Coordinates& a = ring.points(i);
      const type::v1::Coordinates& b = ring.points(j);
      // The edge crosses the point's parallel, and does so to the east of it.
      if ((a.latitude() > point.latitude()) == (b.latitude() > point.latitude())) continue;
      const double crossing = a.longitude() + (b.longitude() - a.longitude()) *
                                                  (point.latitude() - a.latitude()) /
                                                  (b.latitude() - a.latitude());
      if (point.longitude() < crossing) inside = !inside;
    }
  }
  return inside;
}

ResolvedPlace ResolvePlace(const Catalogue& catalogue, const type::v1::Place& place, std::string_view text) {
  const auto found = [](const Township* township, PlaceSource source) {
    return ResolvedPlace{township, township == nullptr ? PlaceSource::kNone : source};
  };
  if (!place.township_code().empty()) {
    return found(catalogue.FindTownship(place.township_code()), PlaceSource::kCode);
  }
  if (place.has_manual_coordinates() || place.has_automatic_coordinates()) {
    const Township* township =
        ByPosition(catalogue, place.has_manual_coordinates() ? place.manual_coordinates()
                                                             : place.automatic_coordinates());
    if (township != nullptr) return found(township, PlaceSource::kBoundary);
  }
  if (const Township* township = ByWords(catalogue, place.address()))
    return found(township, PlaceSource::kAddress);
  return found(ByWords(catalogue, text), PlaceSource::kText);
}

}  // namespace hotline::catalogue
