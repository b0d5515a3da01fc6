#include "services/dispatch/lazy_reader.h"

#include <utility>

#include "common/base/sha256.h"
#include "services/dispatch/routing/model_reader.h"

namespace hotline::dispatch {
namespace {

std::string DigestOf(const catalogue::Catalogue& version, const LazyReader::Material& material) {
  std::string digest =
      Sha256({version.message().SerializeAsString(), Sha256({material.terms.SerializeAsString()})});
  for (const config::v1::SuggestExample& example : material.examples) {
    digest = Sha256({digest, example.SerializeAsString()});
  }
  return digest;
}

}  // namespace

LazyReader::LazyReader(std::shared_ptr<const catalogue::Catalogue> version,
                       std::shared_ptr<const Material> material)
    : version_(std::move(version)),
      made_from_(DigestOf(*version_, *material)),
      material_(std::move(material)) {}

absl::StatusOr<std::shared_ptr<const LazyReader>> LazyReader::Create(
    std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material) {
  if (absl::Status status = suggest::Suggester::Check(*version, material->terms, material->examples);
      !status.ok()) {
    return status;
  }
  return std::shared_ptr<const LazyReader>(new LazyReader(std::move(version), std::move(material)));
}

std::shared_ptr<const routing::TextReader> LazyReader::reader() const {
  MutexLock lock(&mu_);
  return reader_;
}

void LazyReader::Prepare() const {
  MutexLock one_at_a_time(&train_mu_);
  if (material_ == nullptr) return;
  const std::atomic<bool>* const stop = material_->stop.get();
  if (stop != nullptr && *stop) return;
  auto made = suggest::Suggester::Create(version_, material_->terms, material_->examples, stop);
  // What was checked is made, unless it was stopped.
  if (!made.ok()) return;
  auto trained = std::make_shared<const routing::ModelReader>(*std::move(made));
  material_.reset();
  MutexLock lock(&mu_);
  reader_ = std::move(trained);
}

routing::Reading LazyReader::Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                                  const routing::Source& source) const {
  const std::shared_ptr<const routing::TextReader> trained = reader();
  return trained == nullptr ? phrases_.Read(catalogue, day, source) : trained->Read(catalogue, day, source);
}

}  // namespace hotline::dispatch
