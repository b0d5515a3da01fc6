// Reads a text by the model of common/suggest.
#ifndef SERVICES_DISPATCH_ROUTING_MODEL_READER_H_
#define SERVICES_DISPATCH_ROUTING_MODEL_READER_H_

#include <memory>

#include "common/suggest/suggester.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch::routing {

class ModelReader final : public TextReader {
 public:
  // `suggester` was made from the version that Read is asked by.
  explicit ModelReader(std::shared_ptr<const suggest::Suggester> suggester)
      : suggester_(std::move(suggester)) {}

  Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
               const Source& source) const override;

 private:
  const std::shared_ptr<const suggest::Suggester> suggester_;
};

}  // namespace hotline::dispatch::routing

#endif  // SERVICES_DISPATCH_ROUTING_MODEL_READER_H_
