#include "services/dispatch/lazy_reader.h"

#include "services/dispatch/routing/model_reader.h"

namespace hotline::dispatch {

absl::StatusOr<std::shared_ptr<const LazyReader>> LazyReader::Create(
    std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material) {
  if (absl::Status status = suggest::Suggester::Check(*version, material->terms, material->examples);
      !status.ok()) {
    return status;
  }
  return std::shared_ptr<const LazyReader>(new LazyReader(std::move(version), std::move(material)));
}

std::shared_ptr<const routing::TextReader> LazyReader::Prepared() const {
  MutexLock lock(&mu_);
  if (reader_ == nullptr) {
    // What was checked is made.
    reader_ = std::make_shared<const routing::ModelReader>(
        *suggest::Suggester::Create(version_, material_->terms, material_->examples));
    material_.reset();
  }
  return reader_;
}

}  // namespace hotline::dispatch
