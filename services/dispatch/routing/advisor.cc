#include "services/dispatch/routing/advisor.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/catalogue/places.h"
#include "common/catalogue/units.h"
#include "common/error/error.h"

namespace hotline::dispatch::routing {
namespace {

using config::v1::CatalogueItem;
using error::Reason;

constexpr int kDefaultSuggestions = 5;
constexpr int kMaxSuggestions = 10;
constexpr int kMaxAccused = 16;
constexpr int64_t kMaxAddress = 200;
constexpr size_t kMaxUnitCode = 32;
// More than a telephone number has, however it is written.
constexpr int kMaxPhoneText = 64;
constexpr size_t kTownshipDigits = 9;
constexpr size_t kMaxWords = 5;

type::v1::Answer Said(type::v1::Answer stated, bool read) {
  if (stated != type::v1::ANSWER_UNSPECIFIED) return stated;
  return read ? type::v1::ANSWER_YES : type::v1::ANSWER_UNSPECIFIED;
}

void Put(const std::vector<ReadWord>& words, google::protobuf::RepeatedPtrField<v1::DecidingWord>* out) {
  for (const ReadWord& word : words) {
    if (out->size() >= static_cast<int>(kMaxWords)) return;
    v1::DecidingWord* put = out->Add();
    put->set_text(word.text);
    put->set_begin(word.begin);
    put->set_meaning(word.meaning);
    put->set_weight(word.weight);
  }
}

// 90 s → 90秒, 7200 s → 2小时, 2 working days → 2个工作日.
std::string LimitZh(const config::v1::DeadlineRule& rule) {
  const config::v1::Span& span = rule.limit();
  if (span.working_days() != 0) return StrCat(span.working_days(), "个工作日");
  if (span.working_hours() != 0) return StrCat(span.working_hours(), "个工作小时");
  if (span.working_minutes() != 0) return StrCat("工作时间", span.working_minutes(), "分钟");
  if (span.natural_days() != 0) return StrCat(span.natural_days(), "天");
  if (span.hours() != 0) return StrCat(span.hours(), "小时");
  if (span.minutes() != 0) return StrCat(span.minutes(), "分钟");
  const int64_t seconds = span.seconds() != 0 ? span.seconds() : rule.limit_s();
  if (seconds % 86'400 == 0) return StrCat(seconds / 86'400, "天");
  if (seconds % 3600 == 0) return StrCat(seconds / 3600, "小时");
  if (seconds % 60 == 0) return StrCat(seconds / 60, "分钟");
  return StrCat(seconds, "秒");
}

// Dates as texts sort like dates.
bool HoldsOn(std::string_view first, std::string_view last, std::string_view date) {
  return (first.empty() || first <= date) && (last.empty() || date <= last);
}

// The version of the policy that arms clocks on `date`; null if none does.
const config::v1::Policy* InForce(const config::v1::Policy& policy, std::string_view date) {
  if (policy.versions().empty())
    return HoldsOn(policy.first_date(), policy.last_date(), date) ? &policy : nullptr;
  const config::v1::Policy* found = nullptr;
  for (const config::v1::Policy& version : policy.versions()) {
    if (!HoldsOn(version.first_date(), version.last_date(), date)) continue;
    if (found == nullptr || version.first_date() > found->first_date()) found = &version;
  }
  return found;
}

bool IsForItem(const config::v1::DeadlineRule& rule, std::string_view item) {
  return rule.items().empty() ||
         std::any_of(rule.items().begin(), rule.items().end(), [item](const std::string& one) {
           return one == item ||
                  (one.ends_with('*') && item.starts_with(std::string_view(one).substr(0, one.size() - 1)));
         });
}

class Adviser {
 public:
  Adviser(const AdvisorInput& input, const v1::SuggestRouteRequest& request, Matter matter,
          std::string_view stated_item)
      : input_(input),
        catalogue_(*input.catalogue),
        request_(request),
        day_(catalogue::DayOf(input.now)),
        stated_(catalogue_.FindItem(stated_item, day_)),
        accused_(request.accused_units().begin(), request.accused_units().end()),
        reading_(std::move(matter.reading)),
        place_(matter.place) {}

  Advice Run() {
    PutStatedFirst();
    Suggest();
    advice_.outcome = DecideLadder(Facts());
    Settle();
    return std::move(advice_);
  }

 private:
  const config::v1::Catalogue& message() const { return catalogue_.message(); }
  Side SideOf(std::string_view hotline) const {
    return hotline == message().police_hotline() ? Side::kPolice : Side::kGovernment;
  }
  const std::string& HotlineOf(Side side) const {
    return side == Side::kPolice ? message().police_hotline() : message().government_hotline();
  }

  // What a person chose is sure.
  void PutStatedFirst() {
    if (stated_ == nullptr) return;
    auto found = std::find_if(reading_.items.begin(), reading_.items.end(),
                              [this](const ReadItem& item) { return item.code == stated_->code(); });
    if (found == reading_.items.end()) {
      found = reading_.items.insert(reading_.items.begin(), ReadItem{.code = stated_->code()});
    } else {
      std::rotate(reading_.items.begin(), found, found + 1);
    }
    reading_.items.front().probability = 1;
  }

  void Suggest() {
    const int most = request_.max_suggestions() == 0 ? kDefaultSuggestions : request_.max_suggestions();
    int suggested = 0;
    for (const ReadItem& read : reading_.items) {
      if (suggested >= most) return;
      const CatalogueItem* const item = catalogue_.FindItem(read.code, day_);
      if (item == nullptr) continue;
      ++suggested;
      // For the decision the first of each hotline is enough (see Matching).
      if (!input_.explain && Matching(item->to_hotline()) != nullptr) continue;
      Fill(*item, read, advice_.response.add_suggestions());
    }
  }

  void Fill(const CatalogueItem& item, const ReadItem& read, v1::RouteSuggestion* suggestion) {
    type::v1::RouteAdvice* advice = suggestion->mutable_advice();
    advice->set_hotline(item.to_hotline());
    advice->mutable_item()->set_item(item.code());
    advice->mutable_item()->set_version(catalogue_.version());
    advice->set_legal_basis(catalogue_.LegalBasis(item));
    advice->set_confidence(read.probability);
    advice->set_urgency(item.urgency());
    LadderFacts facts = Facts();
    // What the person says of danger counts before what the text says, here as in the decision.
    if (catalogue_.IsPoliceItem(item) && facts.danger == type::v1::ANSWER_YES) {
      advice->set_emergency(true);
      advice->set_urgency(type::v1::URGENCY_EMERGENCY);
    } else if (catalogue_.IsPoliceItem(item) && item.urgency() == type::v1::URGENCY_EMERGENCY) {
      // The item's own urgency is that of its usual cases; this text shows no danger.
      advice->set_urgency(type::v1::URGENCY_URGENT);
    }
    // By itself, whatever else the text speaks for, this item would go so.
    facts.scope = catalogue_.IsPoliceItem(item) ? Scope::kPolice : Scope::kGovernment;
    facts.urgent = advice->urgency() != type::v1::URGENCY_NORMAL;
    if (!catalogue_.IsPoliceItem(item)) facts.danger = facts.stability_clue = type::v1::ANSWER_NO;
    const LadderOutcome outcome = DecideLadder(facts);
    advice->set_kind(outcome.kind);
    advice->set_rule(outcome.rule);

    if (input_.explain) {
      suggestion->set_item_title(item.title());
      suggestion->set_item_text(item.text());
      suggestion->set_units_text(item.units_text());
    }
    const catalogue::UnitChoice choice =
        catalogue::ChooseUnits(catalogue_, item, place_.township, request_.text(), accused_);
    advice->set_lead_unit(choice.lead);
    const auto name = [this, suggestion](const std::string& code) {
      if (const config::v1::CatalogueUnit* unit = catalogue_.FindUnit(code)) {
        suggestion->add_unit_names(unit->display_name());
      }
    };
    name(choice.lead);
    for (const std::string& unit : choice.assists) {
      advice->add_assist_units(unit);
      name(unit);
    }
    for (const std::string& unit : choice.proposed) suggestion->add_proposed_units(unit);
    suggestion->set_question(choice.question);
    Put(read.words, suggestion->mutable_words());
    AddDeadlines(*advice, suggestion);
  }

  void AddDeadlines(const type::v1::RouteAdvice& advice, v1::RouteSuggestion* suggestion) const {
    if (input_.policy == nullptr) return;
    const std::string date = absl::FormatCivilTime(day_);
    const config::v1::Policy* const policy = InForce(*input_.policy, date);
    if (policy == nullptr) return;
    // The first rule that matches is the one, as in escalation; what holds for a time wins.
    std::set<int> told;
    const auto tell = [&](const google::protobuf::RepeatedPtrField<config::v1::DeadlineRule>& rules) {
      for (const config::v1::DeadlineRule& rule : rules) {
        if (!Applies(rule, advice) || !told.insert(rule.clock()).second) continue;
        v1::ApplicableDeadline* deadline = suggestion->add_deadlines();
        deadline->set_clock(rule.clock());
        deadline->set_limit(LimitZh(rule));
        deadline->set_policy_version(policy->version());
      }
    };
    for (const config::v1::TemporaryRules& temporary : policy->temporary()) {
      if (!temporary.only_tagged() && HoldsOn(temporary.first_date(), temporary.last_date(), date)) {
        tell(temporary.rules());
      }
    }
    tell(policy->rules());
  }

  bool Applies(const config::v1::DeadlineRule& rule, const type::v1::RouteAdvice& advice) const {
    const type::v1::Channel channel =
        request_.channel() == type::v1::CHANNEL_UNSPECIFIED ? type::v1::CHANNEL_PHONE : request_.channel();
    const auto names = [](const auto& list, int value) {
      return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
    };
    // No deadline of a matter that nobody has yet: a suspension's review is due when whoever suspends says,
    // and only an officer on the spot has a unit brought there.
    if (rule.clock() == type::v1::CLOCK_KIND_SUSPENSION_REVIEW ||
        (rule.clock() == type::v1::CLOCK_KIND_SCENE_ARRIVAL && channel != type::v1::CHANNEL_ON_SCENE)) {
      return false;
    }
    // As in escalation: the order's own deadlines are those of who leads, and some are for the duty of
    // certain other hotlines alone.
    const bool of_lead =
        rule.role() == config::v1::UNIT_ROLE_UNSPECIFIED || rule.role() == config::v1::UNIT_ROLE_LEAD;
    const auto& peers = rule.peers();
    const bool of_these =
        peers.empty() || (advice.hotline() != input_.hotline &&
                          std::find(peers.begin(), peers.end(), advice.hotline()) != peers.end());
    return of_lead && of_these &&
           (rule.urgency() == type::v1::URGENCY_UNSPECIFIED || rule.urgency() == advice.urgency()) &&
           names(rule.types(), request_.caller_request()) && names(rule.channels(), channel) &&
           IsForItem(rule, advice.item().item());
  }

  LadderFacts Facts() const {
    const type::v1::RouteFacts& said = request_.facts();
    LadderFacts facts;
    facts.here = SideOf(input_.hotline);
    const std::string& first =
        !said.first_received_by().empty() ? said.first_received_by() : request_.received_by();
    facts.first_receiver = first.empty() ? facts.here : SideOf(first);
    facts.danger = Said(said.danger(), reading_.emergency);
    facts.stability_clue = Said(said.stability_clue(), reading_.stability_clue);
    if (facts.danger == type::v1::ANSWER_UNSPECIFIED && reading_.verdict != Verdict::kUnclear) {
      facts.danger = type::v1::ANSWER_NO;
    }
    facts.live_call = request_.channel() == type::v1::CHANNEL_UNSPECIFIED ||
                      request_.channel() == type::v1::CHANNEL_PHONE ||
                      request_.channel() == type::v1::CHANNEL_TRANSFERRED;
    facts.scope = ScopeOf(said);
    if (!advice_.response.suggestions().empty()) {
      facts.urgent = advice_.response.suggestions(0).advice().urgency() != type::v1::URGENCY_NORMAL;
    }
    switch (said.agreement()) {
      case type::v1::AGREEMENT_STATE_AGREED:
        facts.agreement =
            SideOf(said.agreed_hotline()) == Side::kPolice ? Agreement::kPolice : Agreement::kGovernment;
        break;
      case type::v1::AGREEMENT_STATE_FAILED:
        facts.agreement = Agreement::kFailed;
        break;
      default:
        break;
    }
    return facts;
  }

  Scope ScopeOf(const type::v1::RouteFacts& said) const {
    const auto of = [this](std::string_view hotline) {
      return SideOf(hotline) == Side::kPolice ? Scope::kPolice : Scope::kGovernment;
    };
    // Who spoke with the other side knows more than a text does.
    if (said.agreement() != type::v1::AGREEMENT_STATE_UNSPECIFIED) return Scope::kUnclear;
    if (!said.belongs_to().empty()) return of(said.belongs_to());
    if (stated_ != nullptr) return of(stated_->to_hotline());
    switch (reading_.verdict) {
      case Verdict::kHotline:
        return of(reading_.hotline);
      case Verdict::kNeither:
        return Scope::kNeither;
      case Verdict::kUnclear:
        break;
    }
    return Scope::kUnclear;
  }

  // The suggestion that goes with the hotline that the ladder chose, or null.
  const v1::RouteSuggestion* Matching(const std::string& hotline) const {
    for (const v1::RouteSuggestion& suggestion : advice_.response.suggestions()) {
      if (suggestion.advice().hotline() == hotline) return &suggestion;
    }
    return nullptr;
  }

  void Settle() {
    v1::SuggestRouteResponse& response = advice_.response;
    const LadderOutcome& outcome = advice_.outcome;
    switch (reading_.verdict) {
      case Verdict::kHotline:
        response.set_verdict(v1::ROUTE_VERDICT_HOTLINE);
        response.set_hotline(reading_.hotline);
        break;
      case Verdict::kUnclear:
        response.set_verdict(v1::ROUTE_VERDICT_UNCLEAR);
        break;
      case Verdict::kNeither:
        response.set_verdict(v1::ROUTE_VERDICT_NEITHER);
        break;
    }
    const bool danger = Facts().danger == type::v1::ANSWER_YES;
    response.set_emergency(danger);
    response.set_confidence(reading_.confidence);
    response.set_catalogue_version(catalogue_.version());
    for (const ReadExclusion& read : reading_.exclusions) {
      v1::AppliedExclusion* const applied = response.add_exclusions();
      applied->set_item(read.item);
      applied->set_kind(read.exclusion->kind());
      applied->set_quote(read.exclusion->quote());
      Put({read.word}, applied->mutable_words());
      applied->set_instead_item(read.instead_item);
      applied->set_note(read.note);
    }
    if (place_.township != nullptr) response.set_township_code(place_.township->code());

    type::v1::RouteAdvice* decision = response.mutable_decision();
    std::string question;
    if (outcome.step != Step::kAsk) {
      const std::string& hotline = HotlineOf(outcome.to);
      if (const v1::RouteSuggestion* match = Matching(hotline)) {
        *decision = match->advice();
        question = match->question();
      }
      decision->set_hotline(hotline);
      decision->set_confidence(stated_ != nullptr ? 1 : reading_.confidence);
    } else {
      question = !reading_.question.empty() ? reading_.question : std::string(QuestionZh(outcome.question));
      decision->set_confidence(reading_.confidence);
    }
    decision->set_kind(outcome.kind);
    decision->set_rule(outcome.rule);
    const std::string article = catalogue_.Cite(ArticleOf(outcome));
    decision->set_legal_basis(
        decision->legal_basis().empty() ? article : StrCat(article, "；", decision->legal_basis()));
    decision->set_emergency(danger);
    if (danger) {
      decision->set_urgency(type::v1::URGENCY_EMERGENCY);
    } else if (outcome.rule == type::v1::LADDER_RULE_STABILITY_CLUE) {
      decision->set_urgency(type::v1::URGENCY_URGENT);
    }
    response.set_advice(std::string(AdviceZh(outcome)));
    response.set_question(question);
    response.set_three_way_call(outcome.step == Step::kAsk && outcome.question != Question::kNeither);
    if (!input_.explain) return;
    std::string why;
    for (size_t i = 0; i < reading_.words.size() && i < kMaxWords; ++i) {
      const ReadWord& word = reading_.words[i];
      why += StrCat(why.empty() ? "“" : "，“", word.text, "”→", word.meaning);
    }
    if (const v1::RouteSuggestion* match = Matching(decision->hotline())) {
      why += StrCat(why.empty() ? "" : "；", match->advice().item().item(), " ", match->item_text(), "（",
                    match->advice().legal_basis(), "）");
    }
    response.set_why(why);
  }

  const AdvisorInput& input_;
  const catalogue::Catalogue& catalogue_;
  const v1::SuggestRouteRequest& request_;
  const absl::CivilDay day_;
  const CatalogueItem* const stated_;
  const std::set<std::string> accused_;
  Reading reading_;
  const catalogue::ResolvedPlace place_;
  Advice advice_;
};

bool IsUnitCode(std::string_view code) {
  return !code.empty() && code.size() <= kMaxUnitCode && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

absl::Status BadHotline(std::string_view field) {
  return error::BadField(Reason::ERROR_REASON_TARGET_UNKNOWN, field,
                         "is neither of the catalogue's two hotlines", "不是清单中的两个平台之一");
}

// As work_order checks the place of an order.
absl::Status CheckPlace(const type::v1::Place& place) {
  const std::string& code = place.township_code();
  const bool digits = std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!code.empty() && (code.size() != kTownshipDigits || !digits)) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "place.township_code", "must be 9 digits",
                           "应为9位数字");
  }
  const std::string& address = place.address();
  // A code point has at most four bytes, so that what is longer needs no look.
  if (address.size() > 4 * static_cast<size_t>(kMaxAddress))
    return error::TooLong("place.address", kMaxAddress);
  const int64_t count = CountCodePoints(address).value_or(-1);
  if (count < 0 || HasControlCharacters(address, /*allow_line_breaks=*/false))
    return error::BadText("place.address");
  if (count > kMaxAddress) return error::TooLong("place.address", kMaxAddress);
  for (const auto& [field, has, at] :
       {std::tuple("place.automatic_coordinates", place.has_automatic_coordinates(),
                   &place.automatic_coordinates()),
        std::tuple("place.manual_coordinates", place.has_manual_coordinates(),
                   &place.manual_coordinates())}) {
    // Not-a-number fails both comparisons.
    if (!has || (std::abs(at->latitude()) <= 90 && std::abs(at->longitude()) <= 180)) continue;
    return error::BadField(Reason::ERROR_REASON_COORDINATES_INVALID, field,
                           "must be degrees: latitude -90 to 90, longitude -180 to 180",
                           "应为度数：纬度-90至90，经度-180至180");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSuggestRequest(const v1::SuggestRouteRequest& request,
                                 const catalogue::Catalogue& catalogue, int64_t max_text) {
  const int64_t length = CountCodePoints(request.text()).value_or(-1);
  if (length < 0 || HasControlCharacters(request.text(), /*allow_line_breaks=*/true)) {
    return error::BadText("text");
  }
  if (length > max_text) return error::TooLong("text", max_text);
  if (absl::Status status = CheckPlace(request.place()); !status.ok()) return status;
  if (!type::v1::Channel_IsValid(request.channel())) return error::BadEnum("channel", request.channel());
  if (!type::v1::OrderType_IsValid(request.caller_request())) {
    return error::BadEnum("caller_request", request.caller_request());
  }
  if (request.max_suggestions() < 0 || request.max_suggestions() > kMaxSuggestions) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "max_suggestions",
                           StrCat("must be 0 to ", kMaxSuggestions),
                           StrCat("应在0至", kMaxSuggestions, "之间"));
  }
  if (request.accused_units_size() > kMaxAccused) {
    return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "accused_units",
                           StrCat("has more than ", kMaxAccused, " entries"),
                           StrCat("超过", kMaxAccused, "个"));
  }
  const type::v1::RouteFacts& facts = request.facts();
  const auto known = [&catalogue](const std::string& hotline) {
    return hotline.empty() || hotline == catalogue.message().police_hotline() ||
           hotline == catalogue.message().government_hotline();
  };
  if (!known(request.received_by())) return BadHotline("received_by");
  if (!known(facts.belongs_to())) return BadHotline("facts.belongs_to");
  if (!known(facts.agreed_hotline())) return BadHotline("facts.agreed_hotline");
  if (!known(facts.first_received_by())) return BadHotline("facts.first_received_by");
  if (!type::v1::Answer_IsValid(facts.danger())) return error::BadEnum("facts.danger", facts.danger());
  if (!type::v1::Answer_IsValid(facts.stability_clue())) {
    return error::BadEnum("facts.stability_clue", facts.stability_clue());
  }
  if (!type::v1::AgreementState_IsValid(facts.agreement())) {
    return error::BadEnum("facts.agreement", facts.agreement());
  }
  const bool spoke = facts.agreement() != type::v1::AGREEMENT_STATE_UNSPECIFIED;
  if ((facts.agreement() == type::v1::AGREEMENT_STATE_AGREED) != !facts.agreed_hotline().empty()) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "facts.agreed_hotline",
                           "must be set exactly when agreement is AGREED", "商定时必填，否则应为空");
  }
  // The decision of a three-way call is recorded with who made it and why.
  if (spoke && facts.agreed_by().empty()) return error::Required("facts.agreed_by");
  if (spoke && facts.agreement_reason().empty()) return error::Required("facts.agreement_reason");
  for (const auto& [field, text, max] : {std::tuple("facts.agreed_by", &facts.agreed_by(), 64),
                                         std::tuple("facts.agreement_reason", &facts.agreement_reason(), 500),
                                         // Half typed, a number is none yet, and no fault.
                                         std::tuple("caller_phone", &request.caller_phone(), kMaxPhoneText),
                                         std::tuple("account", &request.account(), 64)}) {
    const int64_t count = CountCodePoints(*text).value_or(-1);
    if (count < 0 || HasControlCharacters(*text, /*allow_line_breaks=*/false)) return error::BadText(field);
    if (count > max) return error::TooLong(field, max);
  }
  return absl::OkStatus();
}

absl::Status CheckAccusedUnits(const v1::SuggestRouteRequest& request, const std::set<std::string>& units) {
  for (int i = 0; i < request.accused_units_size(); ++i) {
    const std::string& unit = request.accused_units(i);
    const std::string field = StrCat("accused_units[", i, "]");
    if (units.empty() && !IsUnitCode(unit)) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, field,
                             "must be a unit's code: 1 to 32 of a-z 0-9 _ -",
                             "应为单位代码：1至32位a-z、0-9、_、-");
    }
    if (!units.empty() && !units.contains(unit)) {
      return error::BadField(Reason::ERROR_REASON_UNIT_UNKNOWN, field, "is not in this site's list of units",
                             "不在本平台的单位名录中");
    }
  }
  return absl::OkStatus();
}

Matter ReadMatter(const AdvisorInput& input, const v1::SuggestRouteRequest& request) {
  const std::string_view received_by =
      request.received_by().empty() ? std::string_view(input.hotline) : request.received_by();
  return {.reading = input.reader->Read(*input.catalogue, catalogue::DayOf(input.now),
                                        {.text = request.text(),
                                         .channel = request.channel(),
                                         .received_by = received_by,
                                         .no_danger = request.facts().danger() == type::v1::ANSWER_NO,
                                         .explain = input.explain}),
          .place = catalogue::ResolvePlace(*input.catalogue, request.place(), request.text())};
}

Advice Advise(const AdvisorInput& input, const v1::SuggestRouteRequest& request, Matter matter,
              std::string_view stated_item) {
  return Adviser(input, request, std::move(matter), stated_item).Run();
}

}  // namespace hotline::dispatch::routing
