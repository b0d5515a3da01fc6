// What commands and envelopes share: reading an order as a site sees it, and building the change. Internal to
// core.
#ifndef SERVICES_WORK_ORDER_CORE_ORDER_H_
#define SERVICES_WORK_ORDER_CORE_ORDER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_field.h"
#include "google/protobuf/timestamp.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/order_state.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/work_order/core/decide.h"

namespace hotline::work_order {

// A set of states as bits, so that a rule is one comparison.
using StateSet = uint32_t;
template <typename... State>
constexpr StateSet In(State... states) {
  return ((StateSet{1} << static_cast<int>(states)) | ...);
}
constexpr bool Contains(StateSet set, int state) {
  return state >= 0 && state < 32 && (set >> state & 1) != 0;
}

// Where an order can be suspended and extended: somebody is at work on it.
inline constexpr StateSet kAtWork =
    In(type::v1::ORDER_STATE_ACCEPTED, type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED,
       type::v1::ORDER_STATE_IN_PROGRESS, type::v1::ORDER_STATE_REDO);
// Offered to a peer that has not answered with a decision.
inline constexpr StateSet kOnOffer =
    In(type::v1::ORDER_STATE_OFFERED, type::v1::ORDER_STATE_RECEIVED, type::v1::ORDER_STATE_UNDERSTOOD);
// The offer is over, and the holder is to say what becomes of the order.
inline constexpr StateSet kGivenBack = In(type::v1::ORDER_STATE_RETURNED, type::v1::ORDER_STATE_RECALLED);
inline constexpr StateSet kEnded =
    In(type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_CANCELLED, type::v1::ORDER_STATE_ARCHIVED);
// Handoffs of one order. None is forgotten before: its taker goes on to have an order of it, which both sites
// count and evidence proves.
inline constexpr int kMaxHandoffs = 256;
// So many of the past ones, the latest, are kept whole.
inline constexpr int kWholePastHandoffs = 8;
inline constexpr int kMaxMergedOrders = 32;
inline constexpr int kMaxPartnerOutcomes = 64;
inline constexpr int kMaxToldKeys = 64;
inline constexpr int kMaxRecusedUnits = 64;
// Characters of a unit's code or name.
inline constexpr int64_t kMaxUnitName = 32;
// A caller whose order is here has been answered.
constexpr bool IsAnswered(int state) {
  return Contains(In(type::v1::ORDER_STATE_CALLED_BACK, type::v1::ORDER_STATE_CLOSED,
                     type::v1::ORDER_STATE_CANCELLED, type::v1::ORDER_STATE_ARCHIVED),
                  state);
}

// Times of protobuf: years 1 to 9999, nanoseconds not negative.
bool IsValidTime(const google::protobuf::Timestamp& timestamp);
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
void ToProto(absl::Time time, google::protobuf::Timestamp* timestamp);
void ToProto(absl::Duration duration, google::protobuf::Duration* proto);

// The current handoff has not ended by a return, a recall or a dispute.
inline bool IsOpen(const type::v1::WorkOrder& order) {
  return order.has_handoff() && !order.handoff().has_end_time();
}
// The peer of the current handoff took responsibility and did not give it back.
inline bool IsHandedOver(const type::v1::WorkOrder& order) {
  return IsOpen(order) && order.handoff().has_accept_time();
}
// The other site of `handoff`, as this site sees it.
inline const std::string& OtherSite(const type::v1::Handoff& handoff, const Site& site) {
  return handoff.from_hotline() == site.hotline ? handoff.to_hotline() : handoff.from_hotline();
}
// Who has an order that was handed over: the taker, or whom it was passed on to from there.
inline const std::string& TakerOf(const type::v1::Handoff& handoff) {
  return handoff.onward_hotline().empty() ? handoff.to_hotline() : handoff.onward_hotline();
}
// The order's work is done under another one.
inline bool IsMergedAtWork(const type::v1::WorkOrder& order) {
  return order.has_merged_into() && Contains(kAtWork, order.state());
}
// This site passes the order on, and whom it came from is to be told what becomes of it.
inline bool HasOpenInbound(const type::v1::WorkOrder& order) {
  return order.has_inbound() && !order.inbound().has_end_time();
}
// The order came back to this site and is worked on in another copy: this one only follows. Either it is the
// earlier copy and the later one was accepted, or the later one, which the origin disputed so that its
// earlier one goes on.
bool FollowsAnotherCopy(const type::v1::WorkOrder& order, const Site& site);
// The shared id of the handoff of that other copy; empty if there is none.
std::string CopyToWorkWith(const type::v1::WorkOrder& order, const Site& site);
// The current handoff ended because the two sites could not agree.
inline bool EndedInDispute(const type::v1::WorkOrder& order) {
  return order.has_handoff() && order.handoff().has_dispute_time();
}
void EndInDispute(absl::Time now, type::v1::Handoff* handoff);
// Puts the current handoff among the past ones. The order has one.
void KeepPastHandoff(type::v1::WorkOrder* order);
// Of all but the latest past handoffs, keeps only what reconciliation, evidence and a late answer need; but
// the whole of one whose end this site has not heard of, which may be taken up again.
void SlimPastHandoffs(type::v1::WorkOrder* order);
// The handoffs that the order has, of whatever time.
inline int HandoffCount(const type::v1::WorkOrder& order) {
  return order.past_handoffs_size() + (order.has_handoff() ? 1 : 0) + (order.has_inbound() ? 1 : 0);
}
// Takes the handoff by which the site got the order as the current one again; false if there is none that is
// open.
bool RestoreInbound(type::v1::WorkOrder* order);
// The highest attempt that the order has had; 0 for none.
int LastAttempt(const type::v1::WorkOrder& order);
// The state as the giver of `order.inbound` is to see it: what this site does to pass the order on is its own
// affair, for the giver it has it.
type::v1::OrderState StateForGiver(const type::v1::WorkOrder& order, const Site& site);
// Who has to hold an order in this state; empty if the state does not say.
const std::string& ExpectedHolder(const type::v1::WorkOrder& order, const Site& site);

// Counts this order's urgency for the limits of Site, from 0 (normal; also what this version does not know).
int UrgencyIndex(const type::v1::WorkOrder& order);
// The giver asks for its offer back: the fact and the time; true if it had not asked before, and then a
// RECALL is owed.
bool RequestRecall(const type::v1::WorkOrder& before, absl::Time now, type::v1::WorkOrder* after);
// The RECALL envelope of the order's handoff.
EnvelopeDraft RecallDraft(const type::v1::Handoff& handoff, const std::string& reason);
// Why the giver asks for the offer back after `voice`, in Chinese.
std::string VoiceRecallReason(const type::v1::VoiceConfirmation& voice);
// Installs a record unless the handoff has a better one, see `Handoff.voice`.
void InstallVoice(const type::v1::VoiceConfirmation& voice, type::v1::Handoff* handoff);
// Installs a record unless the handoff has a better one, see `Handoff.scene_record`.
void InstallSceneRecord(const type::v1::SceneRecord& record, type::v1::Handoff* handoff);
// The open handoff by which a unit was asked to the scene: the current one, or the one by which an order came
// that is passed on. Null if there is none.
type::v1::Handoff* SceneHandoff(type::v1::WorkOrder* order);
// The lead unit; empty if no unit is at work.
const std::string& LeadUnit(const type::v1::WorkOrder& order);
// The lead unit has the order no more: its turn, which is returned, goes among the earlier ones. Somebody
// leads.
type::v1::UnitMove* EndTurn(type::v1::WorkOrder* order);
// 回避: from here on `units` have no part in the order; false if that is nothing new. What they do goes on:
// see below.
bool Recuse(const google::protobuf::RepeatedPtrField<std::string>& units, type::v1::WorkOrder* order);
bool IsRecused(const type::v1::WorkOrder& order, std::string_view unit);
// Takes recused units from those at work, all of them if one leads; tells which in `detail` unless it is
// null.
void DropRecusedUnits(const Site& site, type::v1::WorkOrder* order, type::v1::AccusedDetail* detail);
// The same where this site works on the order, whose desk then has the duty; elsewhere that is the holder's.
void EndRecusedWork(const Site& site, type::v1::WorkOrder* order, type::v1::AccusedDetail* detail);
// What was granted or asked for is over: it was for whom had the order.
void DropExtensions(type::v1::WorkOrder* order);
// The doubt is over: the desks have spoken.
void EndDoubt(type::v1::Facts* facts);

// Gives the order to `holder`. The epoch grows only if that is another.
void MoveCustody(type::v1::WorkOrder* order, const std::string& holder, absl::Time now);
// Takes back what the new state does not allow: a suspension, a recall that is answered.
void DropFactsOfOtherStates(type::v1::WorkOrder* order);
// What the content gives to the order: type, urgency, title, secrecy, salt and digest.
void AdoptContent(const type::v1::OrderContent& content, std::string_view bytes, std::string_view salt,
                  type::v1::WorkOrder* order);
// What the log keeps of a content. No personal data.
void DescribeContent(const type::v1::OrderContent& content, const type::v1::WorkOrder& order,
                     type::v1::RegisteredDetail* detail);

// The key of an event as a peer tells it or as this site tells it to one: see `Event.told_key`.
uint64_t ToldKey(const type::v1::Event& event);
// The key of what a site tells back of what came of an event with `key` there; 0 of 0.
uint64_t AnswerKey(uint64_t key, std::string_view hotline);
// The key of the end of a handoff, where this site told it and has it back from the peer.
uint64_t EndKey(const std::string& handoff_id);
// Whether peers have told this site of the event before.
bool WasTold(const type::v1::WorkOrder& order, uint64_t key);
void NoteTold(uint64_t key, type::v1::WorkOrder* order);

// Fills what every change has: version and update time of `after`, and the event's place, time, states and
// custody. The event's actor, trace and detail are the caller's, and set before.
void Seal(const type::v1::WorkOrder* before, absl::Time now, Change* change);
// True if what is done to `before` has to be told to the other site of the handoff that `before` is in.
bool HasCounterpart(const type::v1::WorkOrder& before);
// Adds the MIRROR envelope in `handoff` for a sealed change, with `state` as the other site is to see it.
// `resync`: it is to be installed in any state.
void OweMirror(const Site& site, const type::v1::Handoff& handoff, type::v1::OrderState state, Change* change,
               bool resync = false);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_ORDER_H_
