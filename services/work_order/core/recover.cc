// What a site's own lost envelopes, handed back by a peer, tell it of its orders. Declared in decide.h.
#include <algorithm>
#include <string>
#include <utility>

#include "common/base/id.h"
#include "services/work_order/core/decide.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "services/work_order/core/validate.h"

namespace hotline::work_order {
namespace {

using exchange::v1::Envelope;
using type::v1::WorkOrder;

// As peers do: what this store cannot hold was never this site's own.
template <typename Body>
bool ReadOwn(const std::string& bytes, Body* body) {
  return body->ParseFromString(bytes) && ValidateForeign(*body).ok();
}

bool KnowsHandoff(const WorkOrder& order, const std::string& id) {
  if (order.handoff().id() == id || order.inbound().id() == id) return true;
  for (const type::v1::Handoff& past : order.past_handoffs()) {
    if (past.id() == id) return true;
  }
  return false;
}

// An offer of this site's that the order has left behind. Its taker may not know: the site may have made
// another one without knowing of it. One that has ended it answers, and nothing changes.
void RecallLeftBehind(const type::v1::Handoff& handoff, Change* change) {
  change->envelopes.push_back(RecallDraft(handoff, "工单已另行处理"));
}

// The offer comes back after the order has gone on: a later one came back first, from another peer, or this
// site has given the order back since, or has offered it anew. It is over.
bool EarlierOffer(exchange::v1::OfferBody& body, const Envelope& envelope, Change* change) {
  WorkOrder& after = change->after;
  auto* past = after.mutable_past_handoffs();
  const auto later = std::find_if(past->begin(), past->end(), [&](const type::v1::Handoff& one) {
    return one.attempt() > body.handoff().attempt();
  });
  const auto place = static_cast<int>(later - past->begin());
  type::v1::Handoff* handoff = past->Add();
  handoff->Swap(body.mutable_handoff());
  handoff->set_link_sequence(envelope.sequence());
  handoff->set_spoken_code(SpokenCode(envelope.handoff_id(), after.content_digest()));
  *change->event.mutable_offered()->mutable_handoff() = *handoff;
  RecallLeftBehind(*handoff, change);
  std::rotate(past->pointer_begin() + place, past->pointer_end() - 1, past->pointer_end());
  SlimPastHandoffs(&after);
  return true;
}

// The same of an order that has no handoff: it was registered when the backup was made.
bool OnlyOffer(exchange::v1::OfferBody& body, const Envelope& envelope, absl::Time now, Change* change) {
  type::v1::Handoff* handoff = change->after.mutable_handoff();
  handoff->Swap(body.mutable_handoff());
  handoff->set_link_sequence(envelope.sequence());
  handoff->set_spoken_code(SpokenCode(envelope.handoff_id(), change->after.content_digest()));
  ToProto(now, handoff->mutable_end_time());
  *change->event.mutable_offered()->mutable_handoff() = *handoff;
  RecallLeftBehind(*handoff, change);
  return true;
}

// The offer comes back after what this site told of the order's later fate to whom it came from: somebody
// beyond has it. If it went there by this offer, the order is passed on by it, and stands as whoever has it
// left it.
bool AcceptedOffer(exchange::v1::OfferBody& body, const Envelope& envelope, const WorkOrder& before,
                   const Site& site, Change* change) {
  const type::v1::Handoff& came = before.handoff();
  if (before.has_inbound() || came.to_hotline() != site.hotline || !IsHandedOver(before) ||
      came.onward_hotline().empty() || body.handoff().previous_handoff_id() != came.id()) {
    return false;
  }
  // Beyond whom it was offered to, it may have gone further; but not by another offer of this site's, also
  // under the id that the order had before it was lost.
  const std::string& beyond = came.onward_handoff_id();
  const bool further = beyond != envelope.handoff_id();
  const std::string lost = envelope.handoff_id().substr(0, envelope.handoff_id().rfind('-') + 1);
  if (further && (beyond.starts_with(lost) || beyond.starts_with(site.hotline + "-" + before.id() + "-"))) {
    return false;
  }
  WorkOrder& after = change->after;
  after.mutable_inbound()->Swap(after.mutable_handoff());
  after.set_inbound_view(SharedView(before));
  type::v1::Handoff* handoff = after.mutable_handoff();
  handoff->Swap(body.mutable_handoff());
  handoff->set_link_sequence(envelope.sequence());
  handoff->set_spoken_code(SpokenCode(envelope.handoff_id(), after.content_digest()));
  // The receipts went with the history; they come again, and until then this is the latest that they can be.
  *handoff->mutable_understand_time() = before.custody().hold_time();
  *handoff->mutable_accept_time() = before.custody().hold_time();
  if (further) {
    handoff->set_onward_hotline(after.inbound().onward_hotline());
    handoff->set_onward_handoff_id(after.inbound().onward_handoff_id());
    if (after.inbound().origin_handoff_id() != envelope.handoff_id()) {
      handoff->set_origin_handoff_id(after.inbound().origin_handoff_id());
    }
  }
  *change->event.mutable_offered()->mutable_handoff() = *handoff;
  return true;
}

// This site offered an order, perhaps one that it has registered with the offer.
bool Offer(const WorkOrder* before, const Envelope& envelope, const Site& site, absl::Time now,
           Change* change) {
  // Nobody offers an order that is answered: this site did the work itself meanwhile.
  constexpr StateSet kDone = kEnded | In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK);
  exchange::v1::OfferBody body;
  if (!ReadOwn(envelope.body(), &body) || body.handoff().id() != envelope.handoff_id()) return false;
  // It says that it is this site's own. Nobody vouches for that where batches are not signed.
  if (body.handoff().from_hotline() != site.hotline || !site.peers.contains(body.handoff().to_hotline())) {
    return false;
  }
  if (before != nullptr &&
      (KnowsHandoff(*before, envelope.handoff_id()) || HandoffCount(*before) >= kMaxHandoffs)) {
    return false;
  }
  WorkOrder& after = change->after;
  type::v1::OfferedDetail* detail = change->event.mutable_offered();
  bool tell_giver = false;  // what it was told went with the acceptance
  if (before != nullptr) {
    // A clock that was set back can have given the same id to another matter since.
    if (before->content_salt() != body.content_salt()) return false;
    if (before->custody().epoch() > body.custody().epoch() ||
        LastAttempt(*before) >= body.handoff().attempt() || Contains(kDone, before->state())) {
      if (AcceptedOffer(body, envelope, *before, site, change)) return true;
      return before->has_handoff() ? EarlierOffer(body, envelope, change)
                                   : OnlyOffer(body, envelope, now, change);
    }
    // The site had accepted the order and offered it on; having lost both, it granted the giver's recall, or
    // gave the order back. Nobody offers on what has ended.
    if (before->handoff().has_end_time() && body.handoff().previous_handoff_id() == before->handoff().id()) {
      return EarlierOffer(body, envelope, change);
    }
    // Who offers on what it was offered has accepted it: this comes back before that, or from another peer.
    const bool accepted = Contains(kOnOffer, before->state()) && before->has_handoff() &&
                          body.handoff().previous_handoff_id() == before->handoff().id();
    const bool passed_on =
        before->handoff().to_hotline() == site.hotline && (accepted || IsHandedOver(after));
    if (passed_on) {
      after.mutable_inbound()->Swap(after.mutable_handoff());
      after.clear_handoff();
      if (accepted) *after.mutable_inbound()->mutable_accept_time() = body.custody().hold_time();
      tell_giver = accepted;
      if (!accepted) after.set_inbound_view(SharedView(*before));
    } else if (after.has_handoff()) {
      if (Contains(kOnOffer, before->state()) && before->handoff().from_hotline() == site.hotline) {
        RecallLeftBehind(before->handoff(), change);
      }
      KeepPastHandoff(&after);
    }
    after.clear_units();
    DropExtensions(&after);
    after.mutable_facts()->clear_receipt_alarm();
    // Of the handoff before, whose answer this site has not heard yet.
    after.mutable_facts()->clear_recall_requested();
    EndDoubt(after.mutable_facts());
  } else {
    // `<this site>-<order id>-<attempt>`
    const std::string prefix = site.hotline + "-";
    type::v1::OrderContent content;
    if (!envelope.handoff_id().starts_with(prefix) || !ReadOwn(body.content(), &content)) return false;
    const std::string id = envelope.handoff_id().substr(prefix.size(), 13);
    if (!ParseOrderId(id).has_value() ||
        !ParseOrderNumber(site.hotline, body.handoff().from_number()).has_value()) {
      return false;
    }
    change->creates = true;
    after.set_id(id);
    after.set_number(body.handoff().from_number());
    after.set_origin_hotline(body.origin_hotline());
    *after.mutable_register_time() = body.handoff().offer_time();
    AdoptContent(content, body.content(), body.content_salt(), &after);
    DescribeContent(content, after, detail->mutable_registered());
    change->caller_phone = NormalizePhone(content.caller().phone());
    change->content = std::move(*body.mutable_content());
  }
  *after.mutable_custody() = std::move(*body.mutable_custody());
  *after.mutable_handoff() = std::move(*body.mutable_handoff());
  after.mutable_handoff()->set_link_sequence(envelope.sequence());
  after.mutable_handoff()->set_spoken_code(SpokenCode(envelope.handoff_id(), after.content_digest()));
  if (!body.hops().empty()) after.mutable_hops()->Swap(body.mutable_hops());
  if (!body.parent_number().empty()) after.set_parent_number(body.parent_number());
  after.mutable_facts()->set_return_count(std::max(after.facts().return_count(), body.return_count()));
  if (body.restricted()) after.mutable_facts()->set_restricted(true);
  Recuse(body.recused_units(), &after);
  if (!body.ruled_for().empty()) {
    after.mutable_facts()->set_ruled_for(body.ruled_for());
    after.mutable_facts()->set_ruled_unit(body.ruled_unit());
  }
  after.set_state(type::v1::ORDER_STATE_OFFERED);
  if (tell_giver) after.set_inbound_view(ViewForGiver(after, site));
  *detail->mutable_handoff() = after.handoff();
  return true;
}

bool Recall(const WorkOrder& before, const Envelope& envelope, absl::Time now, Change* change) {
  exchange::v1::RecallBody body;
  if (!Contains(kOnOffer, before.state()) || before.facts().recall_requested() ||
      !ReadOwn(envelope.body(), &body)) {
    return false;
  }
  change->after.mutable_facts()->set_recall_requested(true);
  ToProto(now, change->after.mutable_handoff()->mutable_recall_request_time());
  type::v1::RecallRequestedDetail* detail = change->event.mutable_recall_requested();
  detail->set_handoff_id(envelope.handoff_id());
  detail->mutable_recall()->set_reason(body.reason());
  return true;
}

// The first two receipts of a handoff, from what is known to what comes back.
void KeepReceipts(const type::v1::Handoff& known, type::v1::Handoff* handoff) {
  handoff->set_to_number(known.to_number());
  *handoff->mutable_receive_time() = known.receive_time();
  if (known.has_understand_time()) *handoff->mutable_understand_time() = known.understand_time();
  *handoff->mutable_receipt_record() = known.receipt_record();
  handoff->set_late(handoff->late() || known.late());
}

// The command that the mirror told of, which is not to be in the log twice.
void Tell(const Envelope& envelope, const Standing& standing, exchange::v1::MirrorBody& body,
          Change* change) {
  if (standing.logged) {
    change->event.mutable_resent()->set_handoff_id(envelope.handoff_id());
    return;
  }
  NoteTold(ToldKey(body.event()), &change->after);
  change->event = std::move(*body.mutable_event());
  change->event.clear_sequence();
  change->event.clear_previous_order_sequence();
}

// This site moved the order, and told the peer so.
bool Mirror(const WorkOrder& before, const Envelope& envelope, Standing standing, absl::Time now,
            Change* change) {
  exchange::v1::MirrorBody body;
  if (!ReadOwn(envelope.body(), &body)) return false;
  // Passed on by this site: it may have heard it again from whom it had it, or got it back from another.
  standing.logged |= WasTold(before, ToldKey(body.event()));
  constexpr StateSet kWorked = kAtWork | In(type::v1::ORDER_STATE_REPLIED);
  if (standing.goes_on && before.custody().epoch() == body.custody().epoch() &&
      Contains(kAtWork, body.state()) && Contains(kWorked, before.state())) {
    // The work that this site has done since stands: the peer hears of it behind this.
    return false;
  }
  // The site had told the end of the offer before, forgot that, and went on by the offer, which the peer, who
  // knew, did not heed.
  const uint64_t ended = EndKey(before.handoff().id());
  if (before.handoff().has_end_time() && !body.handoff().has_end_time() && WasTold(before, ended)) {
    // Whom the matter accuses it has noted all the same.
    if (!body.event().has_accused() || !Recuse(body.facts().recused_units(), &change->after)) return false;
    Tell(envelope, standing, body, change);
    return true;
  }
  // The offer has ended here since, and the peer hears of that behind this: what the site told of it before
  // takes that not back. Whom the matter accuses is known again.
  if (before.handoff().has_end_time() && !body.handoff().has_end_time() && Contains(kOnOffer, body.state()) &&
      before.custody().epoch() == body.custody().epoch()) {
    if (!Recuse(body.facts().recused_units(), &change->after)) return false;
    Tell(envelope, standing, body, change);
    return true;
  }
  // Receipts do not go back. The peer's have come again; the site spoke before it had them.
  const bool receipted = Contains(kOnOffer, before.state()) && Contains(kOnOffer, body.state()) &&
                         before.handoff().has_receive_time() && !body.handoff().has_understand_time();
  if (receipted && standing.logged) return false;
  WorkOrder& after = change->after;
  if (before.custody().epoch() <= body.custody().epoch()) {
    *after.mutable_custody() = std::move(*body.mutable_custody());
  } else if (IsOpen(before) && body.handoff().has_end_time()) {
    // Not knowing that it had given the order back, the site took it a second time. The giver has gone on
    // since.
    MoveCustody(&after, body.custody().holder(), now);
  } else {
    return false;
  }
  if (!receipted) after.set_state(body.state());
  after.mutable_units()->Swap(body.mutable_units());
  if (body.has_facts()) {
    // What is known here first, whatever the list that came back holds.
    const google::protobuf::RepeatedPtrField<std::string> theirs = body.facts().recused_units();
    *body.mutable_facts()->mutable_recused_units() = before.facts().recused_units();
    // Doubt is of this log's rungs: what has come since over the same offer stays, as its clock runs, and
    // what is lost comes again with its rung.
    if (Contains(kOnOffer, after.state()) && !body.handoff().has_voice()) {
      body.mutable_facts()->set_in_doubt(before.facts().in_doubt());
      body.mutable_facts()->set_voice_confirmation_required(before.facts().voice_confirmation_required());
      if (body.has_handoff() && before.handoff().has_keep_by_time()) {
        *body.mutable_handoff()->mutable_keep_by_time() = before.handoff().keep_by_time();
      }
    }
    after.mutable_facts()->Swap(body.mutable_facts());
    Recuse(theirs, &after);
  }
  if (body.has_reply()) {
    body.mutable_reply()->set_internal_reply(before.reply().internal_reply());
    after.mutable_reply()->Swap(body.mutable_reply());
  }
  // A mirror tells the whole: what it does not have came of what the site did not know.
  if (!body.has_reply()) after.clear_reply();
  after.clear_call_back();
  if (body.has_call_back()) after.mutable_call_back()->Swap(body.mutable_call_back());
  if (body.has_handoff()) {
    body.mutable_handoff()->set_link_sequence(before.handoff().link_sequence());
    body.mutable_handoff()->set_spoken_code(before.handoff().spoken_code());
    if (receipted) KeepReceipts(before.handoff(), body.mutable_handoff());
    after.mutable_handoff()->Swap(body.mutable_handoff());
  }
  // Only what came between the command and this is to be undone.
  if (standing.logged && after.SerializeAsString() == before.SerializeAsString()) return false;
  if (after.handoff().has_end_time() && !WasTold(after, ended)) NoteTold(ended, &after);
  Tell(envelope, standing, body, change);
  return true;
}

// This site gave back the order that it had passed on, or took it up itself after its own offer had ended.
// What it told while the offer stood is neither.
bool Inbound(const WorkOrder& before, const Envelope& envelope, const Standing& standing, absl::Time now,
             Change* change) {
  exchange::v1::MirrorBody body;
  if (!HasOpenInbound(before) || before.inbound().id() != envelope.handoff_id() ||
      !ReadOwn(envelope.body(), &body)) {
    return false;
  }
  const bool taken_up = Contains(kGivenBack, before.state()) && Contains(kAtWork, body.state()) &&
                        body.event().has_accepted() && body.event().accepted().handoff_id().empty() &&
                        body.custody().epoch() == before.custody().epoch();
  const bool ended = body.handoff().has_end_time() && body.custody().epoch() >= before.custody().epoch();
  if ((!taken_up && !ended) || !RestoreInbound(&change->after)) return false;
  const WorkOrder restored = change->after;
  return Mirror(restored, envelope, standing, now, change);
}

}  // namespace

Received DecideRecovered(const WorkOrder* before, const Envelope& envelope, const Standing& standing,
                         const Site& site, absl::Time now) {
  Received received;
  Change& change = received.change;
  if (before != nullptr) {
    change.after = *before;
    change.after.clear_content();
  }
  const bool current = before != nullptr && before->handoff().id() == envelope.handoff_id();
  switch (envelope.kind()) {
    case exchange::v1::ENVELOPE_KIND_OFFER:
      received.changes = Offer(before, envelope, site, now, &change);
      break;
    case exchange::v1::ENVELOPE_KIND_RECALL:
      received.changes = current && Recall(*before, envelope, now, &change);
      break;
    case exchange::v1::ENVELOPE_KIND_MIRROR:
      received.changes = current ? Mirror(*before, envelope, standing, now, &change)
                                 : before != nullptr && Inbound(*before, envelope, standing, now, &change);
      break;
    default:
      // Answers: what they say, the order says too.
      break;
  }
  if (received.changes) {
    DropFactsOfOtherStates(&change.after);
    if (change.event.actor().account().empty()) {
      change.event.mutable_actor()->set_hotline(site.hotline);
      change.event.mutable_actor()->set_account("service/work_order");
    }
    change.event.set_recovered(true);
    Seal(before, now, &change);
    // What does not hold together here is left to reconciliation rather than stopping the link.
    if (!Unsound(change.after, site).empty()) received.changes = false;
  }
  if (!received.changes) received.change = Change();
  return received;
}

}  // namespace hotline::work_order
