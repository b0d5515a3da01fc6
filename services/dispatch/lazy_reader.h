// Reads texts by a model that is trained when it is first needed: old versions of the catalogue are asked
// seldom, and a start does not wait for any.
#ifndef SERVICES_DISPATCH_LAZY_READER_H_
#define SERVICES_DISPATCH_LAZY_READER_H_

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/suggest/suggester.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch {

class LazyReader final : public routing::TextReader {
 public:
  // What a model is made from, shared by the versions.
  struct Material {
    config::v1::SuggestTerms terms;
    std::vector<config::v1::SuggestExample> examples;
  };

  // `version` is the one that Read will be asked by. Errors: those of Suggester::Check.
  static absl::StatusOr<std::shared_ptr<const LazyReader>> Create(
      std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material);

  void Prepare() const override { static_cast<void>(Prepared()); }
  routing::Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                        const routing::Source& source) const override {
    return Prepared()->Read(catalogue, day, source);
  }

 private:
  LazyReader(std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material)
      : version_(std::move(version)), material_(std::move(material)) {}

  // Who comes while the model is trained waits for it.
  std::shared_ptr<const routing::TextReader> Prepared() const;

  const std::shared_ptr<const catalogue::Catalogue> version_;
  mutable Mutex mu_;
  // Until there is a reader.
  mutable std::shared_ptr<const Material> material_ ABSL_GUARDED_BY(mu_);
  mutable std::shared_ptr<const routing::TextReader> reader_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_LAZY_READER_H_
