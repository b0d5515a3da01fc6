#include "services/dispatch/router.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/error/error.h"
#include "services/dispatch/routing/advisor.h"

namespace hotline::dispatch {
namespace {

using routing::LadderOutcome;
using routing::Step;

void Describe(const catalogue::CatalogueSet& set, absl::Time now,
              google::protobuf::RepeatedPtrField<v1::CatalogueVersion>* out) {
  const auto in_force = set.InForce(catalogue::DayOf(now));
  for (const auto& [name, version] : set.versions()) {
    v1::CatalogueVersion* described = out->Add();
    described->set_version(name);
    described->set_display_name(version->message().display_name());
    described->set_first_date(version->message().first_date());
    described->set_last_date(version->message().last_date());
    described->set_in_force(version == in_force);
    described->set_item_count(version->message().items_size());
  }
}

// Title, a mark, and text of an order at their longest.
constexpr int64_t kMaxOrderText = 100 + 1 + routing::kMaxText;

// The rungs that nothing a form says may slow.
bool Presses(const type::v1::RouteAdvice& advice) {
  return advice.rule() == type::v1::LADDER_RULE_DANGER_FIRST ||
         advice.rule() == type::v1::LADDER_RULE_STABILITY_CLUE;
}

// How urgent the order is to be. An urgency that a person left open is as advised. One that was stated stays;
// only where routing chooses the target, it is not less than danger or a clue demands: many forms say NORMAL
// unasked, and who knows that there is no danger says so in the facts.
type::v1::Urgency UrgencyOf(type::v1::Urgency stated, const type::v1::RouteAdvice& decision, bool named) {
  if (stated == type::v1::URGENCY_UNSPECIFIED) return std::max(decision.urgency(), type::v1::URGENCY_NORMAL);
  return named || !Presses(decision) ? stated : std::max(stated, decision.urgency());
}

std::set<std::string> CodesOf(const config::v1::UnitList& units) {
  std::set<std::string> codes;
  for (const config::v1::Unit& unit : units.units()) codes.insert(unit.code());
  return codes;
}

// What the text of an order says, for advice.
v1::SuggestRouteRequest RequestOf(const type::v1::OrderContent& content, const type::v1::RouteFacts& facts) {
  v1::SuggestRouteRequest request;
  request.set_text(StrCat(content.title(), "。", content.text()));
  request.set_channel(content.channel());
  *request.mutable_place() = content.place();
  request.set_caller_request(content.type());
  *request.mutable_facts() = facts;
  *request.mutable_accused_units() = content.accused_units();
  return request;
}

}  // namespace

Router::Router(std::string hotline, Loader loader, ReaderMaker maker, config::v1::Policy policy,
               const config::v1::UnitList& units)
    : hotline_(std::move(hotline)),
      loader_(std::move(loader)),
      maker_(std::move(maker)),
      policy_(std::move(policy)),
      units_(CodesOf(units)) {}

absl::StatusOr<std::unique_ptr<Router>> Router::Create(std::string hotline, Loader loader, ReaderMaker maker,
                                                       config::v1::Policy policy,
                                                       const config::v1::UnitList& units) {
  std::unique_ptr<Router> router(
      new Router(std::move(hotline), std::move(loader), std::move(maker), std::move(policy), units));
  absl::StatusOr<std::shared_ptr<const Editions>> editions = router->Load();
  if (!editions.ok()) return editions.status();
  MutexLock lock(&router->mu_);
  router->editions_ = *std::move(editions);
  return router;
}

absl::StatusOr<std::shared_ptr<const Router::Editions>> Router::Load() const {
  absl::StatusOr<std::shared_ptr<const catalogue::CatalogueSet>> set = loader_();
  if (!set.ok()) return set.status();
  auto editions = std::make_shared<Editions>();
  editions->set = *set;
  const std::shared_ptr<const Editions> before = loaded();
  for (const auto& [name, version] : (*set)->versions()) {
    absl::StatusOr<std::shared_ptr<const routing::TextReader>> reader = maker_(version);
    if (!reader.ok()) return reader.status();
    // What is loaded from the same files need not be trained again.
    if (before != nullptr) {
      const auto same = before->readers.find(name);
      if (same != before->readers.end() && !(*reader)->MadeFrom().empty() &&
          same->second->MadeFrom() == (*reader)->MadeFrom()) {
        reader = same->second;
      }
    }
    editions->readers.emplace(name, *std::move(reader));
  }
  return std::shared_ptr<const Editions>(std::move(editions));
}

std::shared_ptr<const Router::Editions> Router::loaded() const {
  MutexLock lock(&mu_);
  return editions_;
}

absl::StatusOr<Router::Edition> Router::Choose(const std::string& version, absl::Time now,
                                               std::string_view field) const {
  const std::shared_ptr<const Editions> editions = loaded();
  auto chosen =
      version.empty() ? editions->set->InForce(catalogue::DayOf(now)) : editions->set->Find(version);
  if (chosen == nullptr) {
    return version.empty() ? error::NoCatalogue() : error::CatalogueVersionUnknown(version, field);
  }
  auto reader = editions->readers.find(chosen->version())->second;
  return Edition{std::move(chosen), std::move(reader)};
}

absl::StatusOr<v1::SuggestRouteResponse> Router::Suggest(const v1::SuggestRouteRequest& request,
                                                         absl::Time now) const {
  const absl::StatusOr<Edition> chosen = Choose(request.catalogue_version(), now, "catalogue_version");
  if (!chosen.ok()) return chosen.status();
  if (absl::Status status = routing::CheckSuggestRequest(request, *chosen->catalogue); !status.ok()) {
    return status;
  }
  // Not of a push, whose units work_order checks: routing is not to depend on both having read the same list.
  if (absl::Status status = routing::CheckAccusedUnits(request, units_); !status.ok()) return status;
  counters_.suggestions.fetch_add(1, std::memory_order_relaxed);
  const routing::AdvisorInput input = {.catalogue = chosen->catalogue.get(),
                                       .reader = chosen->reader.get(),
                                       .policy = &policy_,
                                       .hotline = hotline_,
                                       .now = now};
  return routing::Advise(input, request, routing::ReadMatter(input, request)).response;
}

absl::Status Router::Route(const type::v1::RouteFacts& facts, const std::string& reason, absl::Time now,
                           type::v1::Command* command) const {
  const type::v1::OrderContent& content = command->registration().content();
  const absl::StatusOr<Edition> chosen =
      Choose(content.catalogue().version(), now, "content.catalogue.version");
  // Without a list nothing can be advised; work_order then insists on a target.
  if (!chosen.ok()) return content.catalogue().version().empty() ? absl::OkStatus() : chosen.status();
  const catalogue::Catalogue& catalogue = *chosen->catalogue;
  const std::string& item = content.catalogue().item();
  if (!item.empty() && catalogue.FindItem(item, catalogue::DayOf(now)) == nullptr) {
    return error::ItemUnknown("content.catalogue.item", catalogue.version());
  }
  const v1::SuggestRouteRequest request = RequestOf(content, facts);
  if (absl::Status status = routing::CheckSuggestRequest(request, catalogue, kMaxOrderText); !status.ok()) {
    // Of the text it is said better by work_order, which knows the fields as the client does.
    if (!error::FieldOf(status).starts_with("facts.")) return absl::OkStatus();
    return status;
  }
  routing::AdvisorInput input;
  input.catalogue = &catalogue;
  input.reader = chosen->reader.get();
  input.hotline = hotline_;
  input.now = now;
  input.explain = false;
  const bool named = !command->offer().to_hotline().empty();
  const routing::Matter matter = routing::ReadMatter(input, request);
  // Advice is what would have been said without the person's choice of an item; the decision is with it.
  const routing::Advice advised = routing::Advise(input, request, matter);
  const routing::Advice decided = item.empty() ? advised : routing::Advise(input, request, matter, item);
  const LadderOutcome& outcome = decided.outcome;
  if (!named && outcome.step == Step::kAsk) {
    counters_.asked.fetch_add(1, std::memory_order_relaxed);
    return error::RouteUndecided(decided.response.question(), routing::QuestionEn(outcome.question),
                                 decided.response.advice());
  }
  if (!named && outcome.step == Step::kHandleHere) {
    return error::OwnMatter(routing::AdviceEn(outcome), routing::AdviceZh(outcome));
  }

  type::v1::RouteRecord* record = command->mutable_registration()->mutable_route();
  *record->mutable_advice() = advised.response.decision();
  *record->mutable_facts() = facts;
  record->set_reason(reason);
  record->set_chosen_by_person(named);
  const type::v1::RouteAdvice& decision = decided.response.decision();
  record->set_hotline(named ? command->offer().to_hotline() : decision.hotline());
  record->set_kind(command->offer().kind());
  if (!named && record->kind() == type::v1::HANDOFF_KIND_UNSPECIFIED) record->set_kind(decision.kind());
  // A person who named the target left the rest as it is; else what is open is filled in.
  if (!item.empty()) {
    *record->mutable_item() = content.catalogue();
    record->mutable_item()->set_version(catalogue.version());
  } else if (!named && decision.has_item()) {
    *record->mutable_item() = decision.item();
  }
  record->set_lead_unit(content.lead_unit());
  *record->mutable_assist_units() = content.assist_units();
  if (!named && content.lead_unit().empty() && content.assist_units().empty()) {
    record->set_lead_unit(decision.lead_unit());
    *record->mutable_assist_units() = decision.assist_units();
  }
  const type::v1::RouteAdvice& advice = record->advice();
  const type::v1::Urgency stated = content.urgency();
  // What is no urgency is for work_order to refuse, as what it is: below that of the route it would be lost.
  record->set_urgency(type::v1::Urgency_IsValid(stated) ? UrgencyOf(stated, decision, named) : stated);
  record->set_against_advice(
      (stated != type::v1::URGENCY_UNSPECIFIED && Presses(advice) && stated < advice.urgency()) ||
      (!advice.hotline().empty() && advice.hotline() != record->hotline()) ||
      (record->has_item() && advice.has_item() && advice.item().item() != record->item().item()) ||
      (!record->lead_unit().empty() && !advice.lead_unit().empty() &&
       advice.lead_unit() != record->lead_unit()));
  if (!named) counters_.routed.fetch_add(1, std::memory_order_relaxed);
  if (record->against_advice()) counters_.against_advice.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

bool Router::IsPrepared(absl::Time now) const {
  const absl::StatusOr<Edition> chosen = Choose("", now, "");
  return !chosen.ok() || chosen->reader->IsPrepared();
}

bool Router::PrepareInForce(const Editions& editions, absl::Time now) {
  const auto version = editions.set->InForce(catalogue::DayOf(now));
  if (version == nullptr) return true;
  const auto reader = editions.readers.find(version->version())->second;
  reader->Prepare();
  return reader->IsPrepared();
}

void Router::Prepare(absl::Time now) const {
  const std::shared_ptr<const Editions> editions = loaded();
  PrepareInForce(*editions, now);
  for (const auto& [version, reader] : editions->readers) reader->Prepare();
}

void Router::PrepareAfter(std::string version, Executor* executor) const {
  executor->Post([this, version = std::move(version), executor] {
    // Of those that are loaded by now: one that a reload replaced is of no use any more.
    const std::shared_ptr<const Editions> editions = loaded();
    const auto next = editions->readers.upper_bound(version);
    if (next == editions->readers.end()) return;
    next->second->Prepare();
    PrepareAfter(next->first, executor);
  });
}

void Router::PrepareOn(Executor* executor, const Clock* clock, OnInForce on_in_force) {
  MutexLock lock(&reload_mu_);
  executor_ = executor;
  on_in_force_ = std::move(on_in_force);
  executor->Post([this, executor, clock] {
    if (PrepareInForce(*loaded(), clock->Now())) {
      MutexLock telling(&reload_mu_);
      TellInForce(*loaded(), clock->Now());
    }
    PrepareAfter("", executor);
  });
}

void Router::TellInForce(const Editions& editions, absl::Time now) const {
  const auto version = editions.set->InForce(catalogue::DayOf(now));
  if (version != nullptr && on_in_force_) on_in_force_(version->version());
}

absl::StatusOr<v1::ReloadCatalogueResponse> Router::Reload(absl::Time now) {
  MutexLock one_at_a_time(&reload_mu_);
  absl::StatusOr<std::shared_ptr<const Editions>> fresh = Load();
  if (!fresh.ok()) {
    counters_.failed_reloads.fetch_add(1, std::memory_order_relaxed);
    return error::CatalogueInvalid(ToStd(fresh.status().message()), error::ChineseOf(fresh.status()));
  }
  // Those that are loaded read better than new ones that are not prepared.
  if (!PrepareInForce(**fresh, now)) return error::Draining();
  {
    MutexLock lock(&mu_);
    editions_ = *fresh;
  }
  counters_.reloads.fetch_add(1, std::memory_order_relaxed);
  TellInForce(**fresh, now);
  // Whoever asked for the reload has it; with several versions the rest takes longer than a client waits.
  if (executor_ != nullptr) {
    PrepareAfter("", executor_);
  } else {
    Prepare(now);
  }
  v1::ReloadCatalogueResponse response;
  Describe(*(*fresh)->set, now, response.mutable_versions());
  return response;
}

absl::StatusOr<v1::GetCatalogueResponse> Router::Get(const v1::GetCatalogueRequest& request,
                                                     absl::Time now) const {
  const absl::StatusOr<Edition> chosen = Choose(request.version(), now, "version");
  if (!chosen.ok()) return chosen.status();
  v1::GetCatalogueResponse response;
  *response.mutable_catalogue() = chosen->catalogue->message();
  Describe(*loaded()->set, now, response.mutable_versions());
  return response;
}

}  // namespace hotline::dispatch
