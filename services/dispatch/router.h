// Routing as a part of dispatch: the versions of the catalogue that are loaded, advice by them, and what a
// push without a target comes to.
#ifndef SERVICES_DISPATCH_ROUTER_H_
#define SERVICES_DISPATCH_ROUTER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/catalogue/catalogue.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/config/v1/site.pb.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch {

// What is counted. Thread-safe to read.
struct RouterCounters {
  std::atomic<int64_t> suggestions{0};     // answered
  std::atomic<int64_t> routed{0};          // pushes whose target the ladder chose
  std::atomic<int64_t> asked{0};           // pushes that a person has to say something about first
  std::atomic<int64_t> against_advice{0};  // pushes by which a person chose otherwise
  std::atomic<int64_t> reloads{0};         // by which another set came into force
  std::atomic<int64_t> failed_reloads{0};
};

// Thread-safe. Nothing blocks but Reload, which reads files and makes a reader, and Prepare; what is asked
// before its version was prepared is answered by something simpler (see TextReader). A request sees one set
// of versions from its begin to its end, whatever is reloaded meanwhile.
class Router {
 public:
  using Loader = std::function<absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>>()>;
  // What reads texts by a version of the catalogue.
  using ReaderMaker = std::function<absl::StatusOr<std::shared_ptr<const routing::TextReader>>(
      std::shared_ptr<const catalogue::Catalogue>)>;

  // Loads what there is. `hotline` and `units` are this site's; `policy` and `units` may be empty. Errors:
  // those of the two functions.
  static absl::StatusOr<std::unique_ptr<Router>> Create(std::string hotline, Loader loader, ReaderMaker maker,
                                                        config::v1::Policy policy,
                                                        const config::v1::UnitList& units = {});

  // Errors: INVALID_ARGUMENT; NO_CATALOGUE if none holds today; CATALOGUE_VERSION_UNKNOWN.
  absl::StatusOr<v1::SuggestRouteResponse> Suggest(const v1::SuggestRouteRequest& request,
                                                   absl::Time now) const;

  // Writes into a command that registers and pushes what advice and choice came to: `registration.route`, and
  // by it target, ground, item, units and urgency that the person left open. A command that names its target
  // keeps it. Urgency: as advised where it was left open; without a named target not less than danger or a
  // clue demands. Errors: INVALID_ARGUMENT; OWN_MATTER if it stays here; ROUTE_UNDECIDED with the question if
  // a person has to say something first. Where there is no catalogue, the command stays as it is.
  absl::Status Route(const type::v1::RouteFacts& facts, const std::string& reason, absl::Time now,
                     type::v1::Command* command) const;

  // Whether advice by the version in force rests on what Prepare makes; true where there is none. Once true
  // it stays so, but for a day on which another version comes into force before it is prepared.
  bool IsPrepared(absl::Time now) const;
  // Prepares the readers of all versions, that in force first, which may take seconds: call it where that is
  // no harm.
  void Prepare(absl::Time now) const;
  // The same on `executor`, each as a task of its own, that in force first: what is posted meanwhile waits
  // for one of them at most. So are those of later reloads. `executor` is stopped before this is destroyed;
  // `clock` outlives both. `on_in_force` is told of the version in force as soon as advice rests on what was
  // prepared for it, here and by each reload. May be empty.
  using OnInForce = std::function<void(const std::string& version)>;
  void PrepareOn(Executor* executor, const Clock* clock, OnInForce on_in_force = nullptr);

  // Reads all versions again and prepares the reader of that in force, which may take seconds unless it is
  // made from what the loaded one was made from: call it where that is no harm. Then the new ones answer. The
  // other readers are prepared on the executor of PrepareOn; without one, before this returns. On any error
  // the ones that are loaded stay. Errors: CATALOGUE_INVALID; DRAINING if it was not prepared as the process
  // goes down.
  absl::StatusOr<v1::ReloadCatalogueResponse> Reload(absl::Time now);
  // Errors: NO_CATALOGUE, CATALOGUE_VERSION_UNKNOWN.
  absl::StatusOr<v1::GetCatalogueResponse> Get(const v1::GetCatalogueRequest& request, absl::Time now) const;

  const RouterCounters& counters() const { return counters_; }

 private:
  // The versions, each with its reader. Immutable.
  struct Editions {
    std::shared_ptr<const catalogue::CatalogueSet> set;
    std::map<std::string, std::shared_ptr<const routing::TextReader>, std::less<>> readers;
  };
  // One version of them.
  struct Edition {
    std::shared_ptr<const catalogue::Catalogue> catalogue;
    std::shared_ptr<const routing::TextReader> reader;
  };

  Router(std::string hotline, Loader loader, ReaderMaker maker, config::v1::Policy policy,
         const config::v1::UnitList& units);

  absl::StatusOr<std::shared_ptr<const Editions>> Load() const;
  // False: it was left undone.
  static bool PrepareInForce(const Editions& editions, absl::Time now);
  // Prepares on `executor` the versions whose names come after `version`, one to a task.
  void PrepareAfter(std::string version, Executor* executor) const;
  void TellInForce(const Editions& editions, absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(reload_mu_);
  std::shared_ptr<const Editions> loaded() const;
  // `field` is where the request names the version.
  absl::StatusOr<Edition> Choose(const std::string& version, absl::Time now, std::string_view field) const;

  const std::string hotline_;
  const Loader loader_;
  const ReaderMaker maker_;
  const config::v1::Policy policy_;
  const std::set<std::string> units_;  // codes; empty: the site has no list
  mutable RouterCounters counters_;
  // One reload at a time, so that of two the later one stays.
  Mutex reload_mu_;
  // Prepares what a reload does not wait for. Null: the reload does so itself.
  Executor* executor_ ABSL_GUARDED_BY(reload_mu_) = nullptr;
  OnInForce on_in_force_ ABSL_GUARDED_BY(reload_mu_);
  mutable Mutex mu_;
  std::shared_ptr<const Editions> editions_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_ROUTER_H_
