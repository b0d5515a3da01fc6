// Reads a text by the model of common/suggest, which it trains when it is first needed.
#ifndef SERVICES_DISPATCH_ROUTING_MODEL_READER_H_
#define SERVICES_DISPATCH_ROUTING_MODEL_READER_H_

#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "common/suggest/suggester.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch::routing {

class ModelReader final : public TextReader {
 public:
  // What a model is made from, shared by the versions.
  struct Material {
    config::v1::SuggestTerms terms;
    std::vector<config::v1::SuggestExample> examples;
  };

  // `version` is the one that Read will be asked by. The model is trained by Prepare, as old versions are
  // asked seldom and a start should not wait. Errors: those of Suggester::Check.
  static absl::StatusOr<std::shared_ptr<const ModelReader>> Create(
      std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material);

  void Prepare() const override;
  Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
               const Source& source) const override;

 private:
  ModelReader(std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material)
      : version_(std::move(version)), material_(std::move(material)) {}

  const std::shared_ptr<const catalogue::Catalogue> version_;
  mutable std::once_flag once_;
  // Until the model is there.
  mutable std::shared_ptr<const Material> material_;
  mutable std::shared_ptr<const suggest::Suggester> suggester_;
};

}  // namespace hotline::dispatch::routing

#endif  // SERVICES_DISPATCH_ROUTING_MODEL_READER_H_
