// From a matter to advice: what the text says, what the person knows, the ladder, the units and the articles.
// Pure.
#ifndef SERVICES_DISPATCH_ROUTING_ADVISOR_H_
#define SERVICES_DISPATCH_ROUTING_ADVISOR_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/catalogue/places.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "services/dispatch/routing/ladder.h"
#include "services/dispatch/routing/reading.h"

namespace hotline::dispatch::routing {

// What advice is made from. All outlive the call.
struct AdvisorInput {
  const catalogue::Catalogue* catalogue = nullptr;
  const TextReader* reader = nullptr;
  // Null: no deadlines are told.
  const config::v1::Policy* policy = nullptr;
  // This site.
  std::string hotline;
  absl::Time now;
  // False: only for the decision. The outcome and of the response `decision`, `advice`, `question`,
  // `emergency` and `verdict` are as ever; what a person would read beside them may be left out. A push is
  // decided so: the words and the further suggestions cost several times as much.
  bool explain = true;
};

// What a request says, before any rule.
struct Matter {
  Reading reading;
  catalogue::ResolvedPlace place;
};

struct Advice {
  LadderOutcome outcome;
  v1::SuggestRouteResponse response;
};

// Code points that a person's text may have. An order's title and text together may have more: a reader keeps
// both ends of what is long.
inline constexpr int64_t kMaxText = 8000;

// Bounds of a request, those of its place as an order's. Errors: INVALID_ARGUMENT with the field.
absl::Status CheckSuggestRequest(const v1::SuggestRouteRequest& request,
                                 const catalogue::Catalogue& catalogue, int64_t max_text = kMaxText);

// That the units accused are of `units`, the site's list; without one their form counts. A misspelled unit
// would be advised to handle what accuses it. Errors: UNIT_UNKNOWN, FIELD_INVALID with the field.
absl::Status CheckAccusedUnits(const v1::SuggestRouteRequest& request, const std::set<std::string>& units);

// The request passed CheckSuggestRequest.
Matter ReadMatter(const AdvisorInput& input, const v1::SuggestRouteRequest& request);

// `stated_item`: an item that the person chose (empty: none); then the matter is that item's hotline's,
// unless there is danger. `matter` is what ReadMatter made of the same arguments; it serves any number of
// calls. Every suggestion names an item that holds and what it rests on.
Advice Advise(const AdvisorInput& input, const v1::SuggestRouteRequest& request, Matter matter,
              std::string_view stated_item = {});

}  // namespace hotline::dispatch::routing

#endif  // SERVICES_DISPATCH_ROUTING_ADVISOR_H_
