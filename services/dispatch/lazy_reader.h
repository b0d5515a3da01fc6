// Reads texts by a model that takes seconds to train: a start does not wait for it. Until it is prepared, the
// catalogue's own phrases are what is read by, so that no call, and nothing behind it on its thread, waits.
#ifndef SERVICES_DISPATCH_LAZY_READER_H_
#define SERVICES_DISPATCH_LAZY_READER_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/suggest/suggester.h"
#include "services/dispatch/routing/phrase_reader.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch {

class LazyReader final : public routing::TextReader {
 public:
  // What a model is made from, shared by the versions.
  struct Material {
    config::v1::SuggestTerms terms;
    std::vector<config::v1::SuggestExample> examples;
    // True: the process goes down, and no model is made any more. Null: it never does.
    std::shared_ptr<const std::atomic<bool>> stop;
  };

  // `version` is the one that Read will be asked by. Errors: those of Suggester::Check.
  static absl::StatusOr<std::shared_ptr<const LazyReader>> Create(
      std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material);

  // Leaves it unprepared once the process goes down: the phrases serve to the end.
  void Prepare() const override;
  bool IsPrepared() const override { return reader() != nullptr; }
  std::string MadeFrom() const override { return made_from_; }
  routing::Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                        const routing::Source& source) const override;

 private:
  LazyReader(std::shared_ptr<const catalogue::Catalogue> version, std::shared_ptr<const Material> material);

  // Null until it is trained.
  std::shared_ptr<const routing::TextReader> reader() const;

  const std::shared_ptr<const catalogue::Catalogue> version_;
  const std::string made_from_;
  const routing::PhraseReader phrases_;
  // One training; held meanwhile. Never taken after `mu_`.
  mutable Mutex train_mu_;
  // Until there is a reader.
  mutable std::shared_ptr<const Material> material_ ABSL_GUARDED_BY(train_mu_);
  mutable Mutex mu_;
  mutable std::shared_ptr<const routing::TextReader> reader_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_LAZY_READER_H_
