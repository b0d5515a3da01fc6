// Reads a text by the catalogue's own phrases: what stands there, and nothing else. Pure.
#ifndef SERVICES_DISPATCH_ROUTING_PHRASE_READER_H_
#define SERVICES_DISPATCH_ROUTING_PHRASE_READER_H_

#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch::routing {

// An item counts by the phrases of it that stand in the text, longer ones more; a sign of the catalogue makes
// an emergency or a clue unless a denial is around it, one of danger also unless a person says that there is
// none; an exclusion moves a matter to the item it names.
// Texts without any are unclear.
class PhraseReader final : public TextReader {
 public:
  Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
               const Source& source) const override;
};

}  // namespace hotline::dispatch::routing

#endif  // SERVICES_DISPATCH_ROUTING_PHRASE_READER_H_
