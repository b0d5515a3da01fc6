// Routing as a part of dispatch: the versions of the catalogue that are loaded, advice by them, and what a
// push without a target comes to.
#ifndef SERVICES_DISPATCH_ROUTER_H_
#define SERVICES_DISPATCH_ROUTER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/catalogue/catalogue.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch {

// Thread-safe. Nothing blocks but Reload, which reads files. A request sees one set of versions from its
// begin to its end, whatever is reloaded meanwhile.
class Router {
 public:
  using Loader = std::function<absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>>()>;

  // `hotline` is this site's. `reader` outlives this. `policy` may be empty.
  Router(std::string hotline, std::shared_ptr<const catalogue::CatalogueSet> catalogues, Loader loader,
         const routing::TextReader* reader, config::v1::Policy policy);

  // Errors: INVALID_ARGUMENT; NO_CATALOGUE if none holds today; CATALOGUE_VERSION_UNKNOWN.
  absl::StatusOr<v1::SuggestRouteResponse> Suggest(const v1::SuggestRouteRequest& request,
                                                   absl::Time now) const;

  // Writes into a command that registers and pushes what advice and choice came to: `registration.route`, and
  // by it target, ground, item and units that the person left open. A command that names its target keeps it.
  // Errors: INVALID_ARGUMENT; OWN_MATTER if it stays here; ROUTE_UNDECIDED with the question if a person has
  // to say something first. Where there is no catalogue, the command stays as it is.
  absl::Status Route(const type::v1::RouteFacts& facts, const std::string& reason, absl::Time now,
                     type::v1::Command* command) const;

  // Reads all versions again. On any error the ones that are loaded stay. Errors: CATALOGUE_INVALID.
  absl::StatusOr<v1::ReloadCatalogueResponse> Reload(absl::Time now);
  // Errors: NO_CATALOGUE, CATALOGUE_VERSION_UNKNOWN.
  absl::StatusOr<v1::GetCatalogueResponse> Get(const v1::GetCatalogueRequest& request, absl::Time now) const;

 private:
  std::shared_ptr<const catalogue::CatalogueSet> loaded() const;
  absl::StatusOr<std::shared_ptr<const catalogue::Catalogue>> Choose(const std::string& version,
                                                                     absl::Time now) const;

  const std::string hotline_;
  const Loader loader_;
  const routing::TextReader* const reader_;
  const config::v1::Policy policy_;
  // One reload at a time, so that of two the later one stays.
  Mutex reload_mu_;
  mutable Mutex mu_;
  std::shared_ptr<const catalogue::CatalogueSet> catalogues_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_ROUTER_H_
