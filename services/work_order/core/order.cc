#include "services/work_order/core/order.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "services/work_order/core/governor.h"
#include "services/work_order/core/shared_view.h"

namespace hotline::work_order {
namespace {

using google::protobuf::Timestamp;
using type::v1::WorkOrder;

constexpr int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z

// Nobody: no rule names the holder.
const std::string& Nobody() {
  static const auto* const kNobody = new std::string();
  return *kNobody;
}

uint64_t FirstBytes(const std::string& hash) {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(hash[i]);
  return number;
}

// The first fault in who holds the order; null if there is none.
const char* UnsoundCustody(const WorkOrder& order, const Site& site) {
  const std::string& holder = order.custody().holder();
  if (holder.empty()) return "nobody holds the order";
  if (order.custody().epoch() < 1) return "custody has no epoch";
  if (!order.custody().has_hold_time()) return "custody has no time";
  const bool known = holder == site.hotline || holder == order.origin_hotline() ||
                     holder == order.handoff().from_hotline() || holder == order.handoff().to_hotline() ||
                     holder == order.handoff().onward_hotline() || site.peers.contains(holder);
  if (!known) return "the holder is neither this site nor a peer nor the origin";
  const std::string& expected = ExpectedHolder(order, site);
  if (!expected.empty() && holder != expected) return "the holder is not whom the state says";
  return nullptr;
}

const char* UnsoundHandoff(const WorkOrder& order, const Site& site) {
  const int state = order.state();
  if (order.past_handoffs_size() > kMaxHandoffs) return "more past handoffs than are kept";
  if (!order.has_handoff()) {
    if (order.past_handoffs_size() > 0) return "past handoffs without a last one";
    if (Contains(kOnOffer, state)) return "offered without a handoff";
    if (Contains(kGivenBack, state)) {
      return "given back without a handoff";
    }
    if (order.facts().recall_requested()) return "a recall without a handoff";
    if (order.has_inbound()) return "passed on to nobody";
    return nullptr;
  }
  const type::v1::Handoff& handoff = order.handoff();
  if (handoff.id().empty() || handoff.attempt() < 1) return "a handoff without an id";
  if (handoff.from_hotline().empty() || handoff.to_hotline().empty() ||
      handoff.from_hotline() == handoff.to_hotline()) {
    return "a handoff without two sites";
  }
  if (handoff.from_hotline() != site.hotline && handoff.to_hotline() != site.hotline) {
    return "a handoff between others";
  }
  if (state == type::v1::ORDER_STATE_REGISTERED) return "registered, but handed over";
  if (Contains(kOnOffer, state) && (handoff.has_end_time() || handoff.has_accept_time())) {
    return "offered, but the handoff is answered";
  }
  if (state == type::v1::ORDER_STATE_RECEIVED && !handoff.has_receive_time()) return "received at no time";
  if (state == type::v1::ORDER_STATE_UNDERSTOOD && !handoff.has_understand_time())
    return "understood at no time";
  if (state == type::v1::ORDER_STATE_RETURNED &&
      !(handoff.has_end_time() && (handoff.has_returned() || handoff.has_dispute_time()))) {
    return "returned without a ground";
  }
  if (order.has_inbound() && (order.inbound().to_hotline() != site.hotline ||
                              !order.inbound().has_accept_time() || handoff.from_hotline() != site.hotline)) {
    return "passed on by whom did not have it";
  }
  if (state == type::v1::ORDER_STATE_RECALLED && !handoff.has_end_time()) return "recalled at no time";
  if (Contains(kAtWork | In(type::v1::ORDER_STATE_REPLIED), state) && IsOpen(order) &&
      !handoff.has_accept_time()) {
    return "at work on an offer that nobody accepted";
  }
  if (order.facts().in_doubt() && (handoff.from_hotline() != site.hotline || !Contains(kOnOffer, state))) {
    return "in doubt, but not this site's offer";
  }
  if (order.facts().voice_confirmation_required() && !order.facts().in_doubt()) {
    return "a confirmation by voice without a doubt";
  }
  if (order.facts().recall_requested() &&
      (handoff.from_hotline() != site.hotline || handoff.has_end_time() || Contains(kEnded, state))) {
    return "a recall that nobody waits for";
  }
  return nullptr;
}

const char* UnsoundWork(const WorkOrder& order, const Site& site) {
  const int state = order.state();
  const type::v1::Facts& facts = order.facts();
  if (facts.suspended() != facts.has_suspend_time() || facts.suspended() != facts.has_review_time()) {
    return "a suspension without its times";
  }
  if (facts.suspended() && !Contains(kAtWork, state)) return "suspended where nobody is at work";
  if (facts.urge_count() < 0 || facts.remind_count() < 0 || facts.extension_count() < 0 ||
      facts.redo_count() < 0 || facts.return_count() < 0 || facts.unit_return_count() < 0 ||
      facts.supervise_count() < 0 || facts.circulate_count() < 0 || facts.discipline_count() < 0) {
    return "a count below zero";
  }
  if (order.has_extension_request() && !Contains(kAtWork, state)) {
    return "an extension asked for where nobody is at work";
  }
  for (int i = 0; i < order.units_size(); ++i) {
    if (order.units(i).unit().empty()) return "a unit without a code";
    if (order.units(i).lead() != (i == 0)) return "not exactly one lead unit, or not first";
  }
  if (order.units_size() == 0 && order.custody().holder() == site.hotline &&
      Contains(In(type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED), state)) {
    return "dispatched to no unit";
  }
  constexpr StateSet kNeedsReply = In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK,
                                      type::v1::ORDER_STATE_REDO, type::v1::ORDER_STATE_CLOSED);
  if (Contains(kNeedsReply, state) && !order.has_reply()) return "replied without a reply";
  if (state == type::v1::ORDER_STATE_CALLED_BACK && !order.has_call_back())
    return "called back without a record";
  if (order.has_merged_into()) {
    if (order.merged_into().order_id() == order.id()) return "merged into itself";
    if (order.merged_orders_size() > 0) return "merged, and merged into";
    if (Contains(kAtWork, state) && (state != type::v1::ORDER_STATE_IN_PROGRESS || order.units_size() > 0)) {
      return "merged, but at work on its own";
    }
    if (Contains(kAtWork, state) && order.custody().holder() != site.hotline) {
      return "merged, but held elsewhere";
    }
  }
  for (int i = 0; i < order.merged_orders_size(); ++i) {
    if (order.merged_orders(i).order_id().empty()) return "a merged order without an id";
  }
  // A reply outlives the demand to redo it; until the first one there is none.
  const bool replied =
      facts.redo_count() > 0 || Contains(kNeedsReply, state) || state == type::v1::ORDER_STATE_ARCHIVED;
  if (!replied && (order.has_reply() || order.has_call_back())) return "a reply before the work was done";
  return nullptr;
}

}  // namespace

bool IsValidTime(const Timestamp& timestamp) {
  return timestamp.seconds() >= kFirstSecond && timestamp.seconds() <= kLastSecond &&
         timestamp.nanos() >= 0 && timestamp.nanos() < 1'000'000'000;
}

absl::Time FromProto(const Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

void ToProto(absl::Time time, Timestamp* timestamp) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void ToProto(absl::Duration duration, google::protobuf::Duration* proto) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  proto->set_seconds(nanos / 1'000'000'000);
  proto->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

const std::string& ExpectedHolder(const WorkOrder& order, const Site& site) {
  const type::v1::Handoff& handoff = order.handoff();
  switch (order.state()) {
    case type::v1::ORDER_STATE_REGISTERED:
      return site.hotline;
    case type::v1::ORDER_STATE_OFFERED:
    case type::v1::ORDER_STATE_RECEIVED:
    case type::v1::ORDER_STATE_UNDERSTOOD:
    case type::v1::ORDER_STATE_RECALLED:
      return handoff.from_hotline();
    case type::v1::ORDER_STATE_RETURNED:
      return handoff.has_dispute_time() ? order.origin_hotline() : handoff.from_hotline();
    case type::v1::ORDER_STATE_ACCEPTED:
    case type::v1::ORDER_STATE_DISPATCHED:
    case type::v1::ORDER_STATE_SIGNED:
    case type::v1::ORDER_STATE_IN_PROGRESS:
    case type::v1::ORDER_STATE_REPLIED:
    case type::v1::ORDER_STATE_REDO:
      return IsHandedOver(order) ? TakerOf(handoff) : site.hotline;
    case type::v1::ORDER_STATE_CALLED_BACK:
    case type::v1::ORDER_STATE_CLOSED:
    case type::v1::ORDER_STATE_CANCELLED:
      return order.origin_hotline();
    default:
      return Nobody();
  }
}

void MoveCustody(WorkOrder* order, const std::string& holder, absl::Time now) {
  type::v1::Custody* custody = order->mutable_custody();
  if (custody->holder() == holder) return;
  custody->set_holder(holder);
  custody->set_epoch(custody->epoch() + 1);
  ToProto(now, custody->mutable_hold_time());
}

void DropFactsOfOtherStates(WorkOrder* order) {
  type::v1::Facts* facts = order->mutable_facts();
  if (!Contains(kAtWork, order->state())) {
    facts->clear_suspended();
    facts->clear_suspend_time();
    facts->clear_review_time();
    facts->clear_finish_due_time();
    facts->clear_last_tenth_time();
    order->clear_extension_request();
  }
  if (order->units().empty()) facts->clear_unit_return_closed();
  if (!IsOpen(*order) || Contains(kEnded, order->state())) facts->clear_recall_requested();
  if (!Contains(kOnOffer, order->state())) EndDoubt(facts);
  // What is to be done again is a job of its own, and so is what went elsewhere; else it followed its job to
  // the end.
  constexpr StateSet kFollows = In(type::v1::ORDER_STATE_IN_PROGRESS, type::v1::ORDER_STATE_REPLIED,
                                   type::v1::ORDER_STATE_CALLED_BACK) |
                                kEnded;
  if (!Contains(kFollows, order->state())) order->clear_merged_into();
}

int UrgencyIndex(const WorkOrder& order) {
  return std::clamp<int>(order.urgency() - 1, 0,
                         static_cast<int>(std::extent_v<decltype(Site::confirm_within)>) - 1);
}

bool RequestRecall(const WorkOrder& before, absl::Time now, WorkOrder* after) {
  after->mutable_facts()->set_recall_requested(true);
  type::v1::Handoff* handoff = after->mutable_handoff();
  if (!handoff->has_recall_request_time()) ToProto(now, handoff->mutable_recall_request_time());
  return !before.facts().recall_requested();
}

EnvelopeDraft RecallDraft(const type::v1::Handoff& handoff, const std::string& reason) {
  exchange::v1::RecallBody body;
  body.set_reason(reason);
  return {.peer = handoff.to_hotline(),
          .handoff_id = handoff.id(),
          .kind = exchange::v1::ENVELOPE_KIND_RECALL,
          .body = body.SerializeAsString()};
}

std::string VoiceRecallReason(const type::v1::VoiceConfirmation& voice) {
  return voice.outcome() == type::v1::VOICE_OUTCOME_PEER_RETURNS ? "经电话确认，对方不受理"
                                                                 : "经电话确认，本方继续负责";
}

void InstallVoice(const type::v1::VoiceConfirmation& voice, type::v1::Handoff* handoff) {
  if (handoff->voice().by_hotline() == handoff->from_hotline() &&
      voice.by_hotline() != handoff->from_hotline()) {
    return;
  }
  *handoff->mutable_voice() = voice;
}

void InstallSceneRecord(const type::v1::SceneRecord& record, type::v1::Handoff* handoff) {
  if (handoff->scene_record().by_hotline() == handoff->from_hotline() &&
      record.by_hotline() != handoff->from_hotline()) {
    return;
  }
  *handoff->mutable_scene_record() = record;
}

type::v1::Handoff* SceneHandoff(WorkOrder* order) {
  const auto asks = [](const type::v1::Handoff& handoff) {
    return handoff.scene().request() == type::v1::SCENE_REQUEST_BRING_UNIT && !handoff.has_end_time();
  };
  if (order->has_handoff() && asks(order->handoff())) return order->mutable_handoff();
  return order->has_inbound() && asks(order->inbound()) ? order->mutable_inbound() : nullptr;
}

const std::string& LeadUnit(const WorkOrder& order) {
  return order.units().empty() ? Nobody() : order.units(0).unit();
}

type::v1::UnitMove* EndTurn(WorkOrder* order) {
  auto* moves = order->mutable_unit_moves();
  while (moves->size() >= kMaxHops) moves->erase(moves->begin());
  type::v1::UnitMove* move = moves->Add();
  move->set_unit(order->units(0).unit());
  *move->mutable_dispatch_time() = order->units(0).dispatch_time();
  order->clear_extension_request();
  return move;
}

bool IsRecused(const WorkOrder& order, std::string_view unit) {
  const auto& recused = order.facts().recused_units();
  return std::find(recused.begin(), recused.end(), unit) != recused.end();
}

bool Recuse(const google::protobuf::RepeatedPtrField<std::string>& units, WorkOrder* order) {
  bool news = false;
  for (const std::string& unit : units) {
    if (unit.empty() || CountCodePoints(unit).value_or(kMaxUnitName + 1) > kMaxUnitName) continue;
    if (IsRecused(*order, unit) || order->facts().recused_units_size() >= kMaxRecusedUnits) continue;
    order->mutable_facts()->add_recused_units(unit);
    news = true;
  }
  return news;
}

void DropRecusedUnits(const Site& site, WorkOrder* order, type::v1::AccusedDetail* detail) {
  const std::string lead = LeadUnit(*order);
  const bool leads = !lead.empty() && IsRecused(*order, lead);
  auto* units = order->mutable_units();
  for (auto unit = units->begin(); unit != units->end();) {
    const bool recused = IsRecused(*order, unit->unit());
    if (recused && !unit->lead() && detail != nullptr) detail->add_recused_assists(unit->unit());
    unit = recused && !unit->lead() ? units->erase(unit) : std::next(unit);
  }
  if (!leads) return;
  if (detail != nullptr) detail->set_recused_lead(lead);
  if (order->custody().holder() == site.hotline) EndTurn(order)->set_recused(true);
  order->clear_units();
}

void EndRecusedWork(const Site& site, WorkOrder* order, type::v1::AccusedDetail* detail) {
  if (order->custody().holder() != site.hotline || !Contains(kAtWork, order->state())) return;
  // It came back and is worked on in another copy: what that one loses is told by its way.
  if (FollowsAnotherCopy(*order, site)) return;
  DropRecusedUnits(site, order, detail);
  if (detail->recused_lead().empty() || order->state() == type::v1::ORDER_STATE_REDO) return;
  order->set_state(type::v1::ORDER_STATE_ACCEPTED);
}

void DropExtensions(WorkOrder* order) {
  order->clear_extension_request();
  type::v1::Facts* facts = order->mutable_facts();
  facts->clear_extension_count();
  facts->clear_extend_until_time();
  facts->clear_finish_due_time();
  facts->clear_last_tenth_time();
}

void EndDoubt(type::v1::Facts* facts) {
  facts->clear_in_doubt();
  facts->clear_voice_confirmation_required();
}

void AdoptContent(const type::v1::OrderContent& content, std::string_view bytes, std::string_view salt,
                  WorkOrder* order) {
  order->set_type(content.type());
  order->set_urgency(content.urgency());
  order->set_title(content.title());
  order->mutable_facts()->set_secret(content.caller().secret());
  *order->mutable_facts()->mutable_recused_units() = content.accused_units();
  order->set_content_digest(Sha256({salt, bytes}));
  order->set_content_salt(std::string(salt));
}

void DescribeContent(const type::v1::OrderContent& content, const WorkOrder& order,
                     type::v1::RegisteredDetail* detail) {
  detail->set_type(content.type());
  detail->set_channel(content.channel());
  detail->set_urgency(content.urgency());
  if (content.has_catalogue()) *detail->mutable_catalogue() = content.catalogue();
  detail->set_lead_unit(content.lead_unit());
  detail->set_township_code(content.place().township_code());
  detail->set_secret(content.caller().secret());
  detail->set_content_digest(order.content_digest());
  detail->set_origin_hotline(order.origin_hotline());
  detail->set_anonymous(content.caller().anonymous());
  *detail->mutable_tags() = content.tags();
  *detail->mutable_accused_units() = content.accused_units();
}

void Seal(const WorkOrder* before, absl::Time now, Change* change) {
  WorkOrder& after = change->after;
  after.set_version(before == nullptr ? 1 : before->version() + 1);
  // To be shown changes nothing. Whatever a peer says is news.
  const bool shown = before != nullptr && change->event.has_disclosed() && !change->event.mirrored();
  if (!shown) {
    after.clear_changed_version();
    ToProto(now, after.mutable_update_time());
  } else if (after.changed_version() == 0) {
    after.set_changed_version(before->version());
  }
  // Both sites work on it again, and compare what is there.
  if (!Contains(kEnded, after.state())) after.clear_erased_view();
  type::v1::Event& event = change->event;
  event.set_order_id(after.id());
  event.set_order_number(after.number());
  event.set_order_version(after.version());
  ToProto(now, event.mutable_commit_time());
  event.set_state_before(before == nullptr ? type::v1::ORDER_STATE_UNSPECIFIED : before->state());
  event.set_state(after.state());
  *event.mutable_custody() = after.custody();
  event.set_handoff_id(after.handoff().id());
  event.set_restricted(after.facts().restricted());
}

bool HasCounterpart(const WorkOrder& before) {
  return IsOpen(before) && before.handoff().has_understand_time();
}

bool FollowsAnotherCopy(const WorkOrder& order, const Site& site) {
  const type::v1::Handoff& handoff = order.handoff();
  if (handoff.from_hotline() == site.hotline) {
    const bool back = handoff.onward_hotline() == site.hotline ||
                      (order.origin_hotline() == site.hotline && !handoff.origin_handoff_id().empty());
    return IsHandedOver(order) && back;
  }
  return handoff.has_dispute_time() && order.origin_hotline() == site.hotline;
}

std::string CopyToWorkWith(const WorkOrder& order, const Site& site) {
  const type::v1::Handoff& handoff = order.handoff();
  if (!FollowsAnotherCopy(order, site)) return std::string();
  if (!handoff.origin_handoff_id().empty() && order.origin_hotline() == site.hotline)
    return handoff.origin_handoff_id();
  return handoff.onward_handoff_id().empty() ? handoff.previous_handoff_id() : handoff.onward_handoff_id();
}

void EndInDispute(absl::Time now, type::v1::Handoff* handoff) {
  ToProto(now, handoff->mutable_dispute_time());
  if (!handoff->has_end_time()) *handoff->mutable_end_time() = handoff->dispute_time();
}

void KeepPastHandoff(WorkOrder* order) {
  order->add_past_handoffs()->Swap(order->mutable_handoff());
  order->clear_handoff();
  SlimPastHandoffs(order);
}

void SlimPastHandoffs(WorkOrder* order) {
  for (int i = 0; i < order->past_handoffs_size() - kWholePastHandoffs; ++i) {
    type::v1::Handoff& past = *order->mutable_past_handoffs(i);
    if (!past.has_end_time()) continue;
    type::v1::Handoff kept;
    kept.set_id(past.id());
    kept.set_from_hotline(past.from_hotline());
    kept.set_to_hotline(past.to_hotline());
    kept.set_attempt(past.attempt());
    kept.set_from_number(past.from_number());
    kept.set_to_number(past.to_number());
    *kept.mutable_end_time() = past.end_time();
    // What was not understood never becomes an order, whatever the peer says later.
    if (past.has_returned()) kept.mutable_returned()->set_ground(past.returned().ground());
    past.Swap(&kept);
  }
}

bool RestoreInbound(WorkOrder* order) {
  if (!HasOpenInbound(*order)) return false;
  KeepPastHandoff(order);
  order->mutable_handoff()->Swap(order->mutable_inbound());
  order->clear_inbound();
  order->clear_inbound_view();
  order->mutable_handoff()->clear_onward_hotline();
  order->mutable_handoff()->clear_onward_handoff_id();
  order->mutable_handoff()->clear_origin_handoff_id();
  // Asked of whom it was passed on to, who has answered.
  order->mutable_facts()->clear_recall_requested();
  return true;
}

int LastAttempt(const WorkOrder& order) {
  int last = std::max(order.handoff().attempt(), order.inbound().attempt());
  for (const type::v1::Handoff& past : order.past_handoffs()) last = std::max<int>(last, past.attempt());
  return last;
}

type::v1::OrderState StateForGiver(const WorkOrder& order, const Site& site) {
  constexpr StateSet kPassing = kOnOffer | kGivenBack;
  const bool passing =
      Contains(kPassing, order.state()) && order.custody().holder() == site.hotline && !EndedInDispute(order);
  return passing ? type::v1::ORDER_STATE_ACCEPTED : order.state();
}

uint64_t ToldKey(const type::v1::Event& event) {
  if (event.told_key() != 0) return event.told_key();
  // What a platform does not number may be done twice alike.
  if (event.order_version() == 0) return 0;
  const std::string hash = Sha256({"hotline.exchange.v1/told", event.SerializeAsString()});
  return std::max<uint64_t>(FirstBytes(hash), 1);
}

uint64_t AnswerKey(uint64_t key, std::string_view hotline) {
  if (key == 0) return 0;
  return std::max<uint64_t>(FirstBytes(Sha256({"hotline.exchange.v1/answer", std::to_string(key), hotline})),
                            1);
}

uint64_t EndKey(const std::string& handoff_id) {
  return std::max<uint64_t>(FirstBytes(Sha256({"hotline.exchange.v1/ended", handoff_id})), 1);
}

bool WasTold(const WorkOrder& order, uint64_t key) {
  return key != 0 &&
         std::find(order.told_keys().begin(), order.told_keys().end(), key) != order.told_keys().end();
}

void NoteTold(uint64_t key, WorkOrder* order) {
  if (key == 0) return;
  auto* keys = order->mutable_told_keys();
  while (keys->size() >= kMaxToldKeys) keys->erase(keys->begin());
  keys->Add(key);
}

void OweMirror(const Site& site, const type::v1::Handoff& handoff, type::v1::OrderState state, Change* change,
               bool resync) {
  // An accusation that ended nothing tells nothing of how the order stands: the giver only notes it.
  const type::v1::AccusedDetail& accused = change->event.accused();
  const bool stands =
      !change->event.has_accused() || !accused.recused_lead().empty() || accused.recused_assists_size() > 0;
  if (stands && HasOpenInbound(change->after) && change->after.inbound().id() == handoff.id()) {
    change->after.set_inbound_view(ViewForGiver(change->after, site));
  }
  const WorkOrder& order = change->after;
  exchange::v1::MirrorBody body;
  body.set_state(state);
  body.set_resync(resync);
  *body.mutable_custody() = order.custody();
  *body.mutable_facts() = order.facts();
  *body.mutable_units() = order.units();
  if (order.has_reply()) {
    *body.mutable_reply() = order.reply();
    body.mutable_reply()->clear_internal_reply();
  }
  if (order.has_call_back()) {
    *body.mutable_call_back() = order.call_back();
    body.mutable_call_back()->clear_note();
  }
  *body.mutable_handoff() = handoff;
  body.mutable_handoff()->clear_link_sequence();
  body.mutable_handoff()->clear_spoken_code();
  *body.mutable_hops() = order.hops();
  type::v1::Event* event = body.mutable_event();
  *event = change->event;
  event->clear_order_id();
  event->clear_order_number();
  event->clear_traceparent();
  event->mutable_actor()->clear_seat();
  event->set_told_key(ToldKey(*event));
  change->envelopes.push_back({.peer = OtherSite(handoff, site),
                               .handoff_id = handoff.id(),
                               .kind = exchange::v1::ENVELOPE_KIND_MIRROR,
                               .body = body.SerializeAsString()});
}

std::string HandoffId(std::string_view giver, std::string_view order_id, int attempt) {
  std::string id(giver);
  id.append("-").append(order_id).append("-").append(std::to_string(attempt));
  return id;
}

std::string SpokenCode(std::string_view handoff_id, std::string_view content_digest) {
  const std::string hash = Sha256({"hotline.exchange.v1/spoken-code", handoff_id, content_digest});
  return absl::StrFormat("%04d", static_cast<int>(FirstBytes(hash) % 10'000));
}

std::string Unsound(const WorkOrder& order, const Site& site) {
  if (order.id().empty() || order.number().empty()) return "the order has no id";
  if (order.state() == type::v1::ORDER_STATE_UNSPECIFIED || !type::v1::OrderState_IsValid(order.state())) {
    return "the order has no state";
  }
  if (order.version() < 1) return "the order has no version";
  if (order.origin_hotline().empty()) return "the order has no origin";
  if (order.type() == 0 || order.urgency() == 0) return "the order has no type or urgency";
  if (order.content_digest().size() != kSha256Bytes) return "the order has no digest of its content";
  if (const char* fault = UnsoundCustody(order, site)) return fault;
  if (const char* fault = UnsoundHandoff(order, site)) return fault;
  if (const char* fault = UnsoundWork(order, site)) return fault;
  return std::string();
}

}  // namespace hotline::work_order
