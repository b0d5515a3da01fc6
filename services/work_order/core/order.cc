#include "services/work_order/core/order.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"

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

// The first fault in who holds the order; null if there is none.
const char* UnsoundCustody(const WorkOrder& order, const Site& site) {
  const std::string& holder = order.custody().holder();
  if (holder.empty()) return "nobody holds the order";
  if (order.custody().epoch() < 1) return "custody has no epoch";
  if (!order.custody().has_hold_time()) return "custody has no time";
  const bool known = holder == site.hotline || holder == order.origin_hotline() ||
                     holder == order.handoff().from_hotline() || holder == order.handoff().to_hotline() ||
                     site.peers.contains(holder);
  if (!known) return "the holder is neither this site nor a peer nor the origin";
  const std::string& expected = ExpectedHolder(order, site);
  if (!expected.empty() && holder != expected) return "the holder is not whom the state says";
  return nullptr;
}

const char* UnsoundHandoff(const WorkOrder& order, const Site& site) {
  const int state = order.state();
  if (order.past_handoffs_size() > kMaxPastHandoffs) return "more past handoffs than are kept";
  if (!order.has_handoff()) {
    if (order.past_handoffs_size() > 0) return "past handoffs without a last one";
    if (Contains(kOnOffer, state)) return "offered without a handoff";
    if (Contains(In(type::v1::ORDER_STATE_RETURNED, type::v1::ORDER_STATE_RECALLED), state)) {
      return "given back without a handoff";
    }
    if (order.facts().recall_requested()) return "a recall without a handoff";
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
  if (state == type::v1::ORDER_STATE_RETURNED && !(handoff.has_end_time() && handoff.has_returned())) {
    return "returned without a ground";
  }
  if (state == type::v1::ORDER_STATE_RECALLED && !handoff.has_end_time()) return "recalled at no time";
  if (Contains(kAtWork | In(type::v1::ORDER_STATE_REPLIED), state) && IsOpen(order) &&
      !handoff.has_accept_time()) {
    return "at work on an offer that nobody accepted";
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
      facts.redo_count() < 0) {
    return "a count below zero";
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

const std::string& ExpectedHolder(const WorkOrder& order, const Site& site) {
  const type::v1::Handoff& handoff = order.handoff();
  switch (order.state()) {
    case type::v1::ORDER_STATE_REGISTERED:
      return site.hotline;
    case type::v1::ORDER_STATE_OFFERED:
    case type::v1::ORDER_STATE_RECEIVED:
    case type::v1::ORDER_STATE_UNDERSTOOD:
    case type::v1::ORDER_STATE_RETURNED:
    case type::v1::ORDER_STATE_RECALLED:
      return handoff.from_hotline();
    case type::v1::ORDER_STATE_ACCEPTED:
    case type::v1::ORDER_STATE_DISPATCHED:
    case type::v1::ORDER_STATE_SIGNED:
    case type::v1::ORDER_STATE_IN_PROGRESS:
    case type::v1::ORDER_STATE_REPLIED:
    case type::v1::ORDER_STATE_REDO:
      return IsHandedOver(order) ? handoff.to_hotline() : site.hotline;
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
  }
  if (!IsOpen(*order) || Contains(kEnded, order->state())) facts->clear_recall_requested();
}

void AdoptContent(const type::v1::OrderContent& content, std::string_view bytes, std::string_view salt,
                  WorkOrder* order) {
  order->set_type(content.type());
  order->set_urgency(content.urgency());
  order->set_title(content.title());
  order->mutable_facts()->set_secret(content.caller().secret());
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
}

void Seal(const WorkOrder* before, absl::Time now, Change* change) {
  WorkOrder& after = change->after;
  after.set_version(before == nullptr ? 1 : before->version() + 1);
  ToProto(now, after.mutable_update_time());
  type::v1::Event& event = change->event;
  event.set_order_id(after.id());
  event.set_order_number(after.number());
  event.set_order_version(after.version());
  *event.mutable_commit_time() = after.update_time();
  event.set_state_before(before == nullptr ? type::v1::ORDER_STATE_UNSPECIFIED : before->state());
  event.set_state(after.state());
  *event.mutable_custody() = after.custody();
  event.set_handoff_id(after.handoff().id());
}

bool HasCounterpart(const WorkOrder& before) {
  return IsOpen(before) && before.handoff().has_understand_time();
}

void OweMirror(const Site& site, Change* change, bool resync) {
  const WorkOrder& order = change->after;
  exchange::v1::MirrorBody body;
  body.set_state(order.state());
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
  *body.mutable_handoff() = order.handoff();
  body.mutable_handoff()->clear_link_sequence();
  type::v1::Event* event = body.mutable_event();
  *event = change->event;
  event->clear_order_id();
  event->clear_order_number();
  event->clear_traceparent();
  event->mutable_actor()->clear_seat();
  change->envelopes.push_back({.peer = OtherSite(order, site),
                               .handoff_id = order.handoff().id(),
                               .kind = exchange::v1::ENVELOPE_KIND_MIRROR,
                               .body = body.SerializeAsString()});
}

std::string HandoffId(std::string_view giver, std::string_view order_id, int attempt) {
  std::string id(giver);
  id.append("-").append(order_id).append("-").append(std::to_string(attempt));
  return id;
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
