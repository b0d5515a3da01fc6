// What a peer's envelopes and receipts do to an order. Declared in decide.h.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "common/base/id.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "common/error/not_understood.h"
#include "google/protobuf/unknown_field_set.h"
#include "services/work_order/core/decide.h"
#include "services/work_order/core/governor.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"
#include "services/work_order/core/validate.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using exchange::v1::Envelope;
using type::v1::WorkOrder;

constexpr size_t kMaxBodyBytes = 256 << 10;
constexpr size_t kSaltBytes = 16;
constexpr int kMaxAttempt = 1'000'000;
constexpr int64_t kMaxEpoch = int64_t{1} << 40;
constexpr int kMaxUnits = 17;
constexpr char kRecorder[] = "service/work_order";

// States in which the receiver of a handoff has the next move, as its peer may see them, and the states it
// moves to.
constexpr StateSet kReceiversTurn = kOnOffer | kAtWork;
constexpr StateSet kReceiversMoves =
    (kAtWork & ~In(type::v1::ORDER_STATE_REDO)) |
    In(type::v1::ORDER_STATE_RETURNED, type::v1::ORDER_STATE_RECALLED, type::v1::ORDER_STATE_REPLIED);
// The same of the origin's side.
constexpr StateSet kOriginsTurn = In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK);
constexpr StateSet kOriginsMoves =
    In(type::v1::ORDER_STATE_CALLED_BACK, type::v1::ORDER_STATE_REDO, type::v1::ORDER_STATE_CLOSED);
// Reopening takes an order out of the file too: filing is each site's own affair, so the origin cannot know
// of it.
constexpr StateSet kReopens = In(type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_ARCHIVED);

// Whether an emergency came later than the limit: it was durable at the taker at `arrived` by the giver's
// clock, give or take `uncertainty`.
bool IsLate(const WorkOrder& order, const type::v1::Handoff& handoff, absl::Time arrived,
            absl::Duration uncertainty, const Site& site) {
  return order.urgency() == type::v1::URGENCY_EMERGENCY && handoff.has_offer_time() &&
         arrived - uncertainty - FromProto(handoff.offer_time()) > site.emergency_receipt;
}

// The same as this site, the giver, knows it: its own alarm, or what the peer's clock says of the receipt.
bool IsLateForGiver(const WorkOrder& order, const type::v1::Handoff& handoff,
                    const std::optional<ClockSkew>& skew, absl::Time now, const Site& site) {
  if (order.facts().receipt_alarm()) return true;
  if (!skew.has_value()) return false;
  // Not after this site knew of it.
  const absl::Time arrived = std::min(FromProto(handoff.receive_time()) - skew->offset, now);
  return IsLate(order, handoff, arrived, skew->uncertainty, site);
}

// One envelope at work. Each kind's function either fills the change or says what was wrong with the
// envelope.
class Receiving {
 public:
  Receiving(const WorkOrder* before, const Envelope& envelope, std::string_view peer, const NewOrder& fresh,
            const Site& site, absl::Time now, std::optional<ClockSkew> skew, exchange::v1::Lane lane)
      : before_(before),
        envelope_(envelope),
        peer_(peer),
        fresh_(fresh),
        site_(site),
        now_(now),
        skew_(std::move(skew)),
        lane_(lane) {}

  Received Run() {
    absl::Status status = Dispatch();
    if (status.ok() && received_.changes) {
      if (const std::string fault = Unsound(received_.change.after, site_); !fault.empty()) {
        status = error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "body", fault, "与工单状态不符");
      }
    }
    if (status.ok() && received_.changes) NoteTold(told_key_, &received_.change.after);
    if (!status.ok()) received_ = Received();
    // Never an answer to an answer of this kind, or two sites would send them to and fro for ever.
    if (envelope_.kind() == exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD) {
      if (!received_.changes) received_.refusal = ReadNotUnderstood(envelope_.body());
    } else if (!status.ok()) {
      AnswerNotUnderstood(status);
    }
    return std::move(received_);
  }

 private:
  absl::Status Dispatch() {
    // What was not understood is not, in however many words.
    if (envelope_.body().size() > kMaxBodyBytes &&
        envelope_.kind() != exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "body", "is larger than 256 KiB",
                             "超过256 KiB");
    }
    if (envelope_.kind() == exchange::v1::ENVELOPE_KIND_OFFER) return Offer();
    // All others are about an order that both sites know.
    if (before_ == nullptr || !before_->has_handoff()) return error::OrderNotFound(KnownId());
    passes_on_ = before_->inbound().id() == envelope_.handoff_id() && before_->has_inbound();
    if (before_->handoff().id() != envelope_.handoff_id() && !passes_on_) {
      // An answer in an earlier handoff of the order: that one is over, whatever it says. What a newer peer
      // says by a kind of its own it is to know that nobody has heard.
      for (int i = 0; i < before_->past_handoffs_size(); ++i) {
        if (before_->past_handoffs(i).id() != envelope_.handoff_id()) continue;
        if (!IsKnownKind()) return error::BadEnum("kind", envelope_.kind());
        if (TakesUp(before_->past_handoffs(i))) return TakeUp(i);
        return envelope_.kind() == exchange::v1::ENVELOPE_KIND_UNDERSTOOD ? UnderstoodLate(i)
                                                                          : absl::OkStatus();
      }
      return error::OrderNotFound(KnownId());
    }
    if (OtherSite(Shared(), site_) != peer_) return error::OrderNotFound(KnownId());
    if (!IsKnownKind()) return error::BadEnum("kind", envelope_.kind());
    if (passes_on_ && envelope_.kind() != exchange::v1::ENVELOPE_KIND_MIRROR) {
      // It was accepted here, so nothing is left to be answered or recalled.
      if (envelope_.kind() == exchange::v1::ENVELOPE_KIND_RECALL) RefuseRecall();
      return absl::OkStatus();
    }
    switch (envelope_.kind()) {
      case exchange::v1::ENVELOPE_KIND_UNDERSTOOD:
        return Understood();
      case exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD:
        return NotUnderstood();
      case exchange::v1::ENVELOPE_KIND_RECALL:
        return Recall();
      case exchange::v1::ENVELOPE_KIND_MIRROR:
        return Mirror();
      case exchange::v1::ENVELOPE_KIND_RECALL_REFUSED:
        return RecallRefused();
      default:
        return error::BadEnum("kind", envelope_.kind());
    }
  }

  bool IsKnownKind() const {
    return envelope_.kind() != exchange::v1::ENVELOPE_KIND_UNSPECIFIED &&
           exchange::v1::EnvelopeKind_IsValid(envelope_.kind());
  }

  // The peer offers an order.
  absl::Status Offer() {
    if (before_ != nullptr) {
      const type::v1::Handoff& known = before_->handoff();
      if (known.id() == envelope_.handoff_id() && known.from_hotline() == peer_) return absl::OkStatus();
      if (before_->inbound().id() == envelope_.handoff_id() && before_->inbound().from_hotline() == peer_) {
        return absl::OkStatus();
      }
      if (!before_->has_inbound() && known.from_hotline() == site_.hotline &&
          known.previous_handoff_id() == envelope_.handoff_id()) {
        return OfferBeforeItsPassingOn();
      }
      return Bad("handoff.id", "is another order's", "与其他工单冲突");
    }
    exchange::v1::OfferBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    if (absl::Status status = CheckOffer(body); !status.ok()) return status;
    type::v1::OrderContent content;
    if (!content.ParseFromString(body.content())) return Bad("content", "cannot be read", "无法解析");
    if (absl::Status status = ValidateOfferedContent(content); !status.ok()) return status;
    if (absl::Status status = CheckLane(content.urgency()); !status.ok()) return status;

    Change& change = Begin();
    change.creates = true;
    WorkOrder& after = change.after;
    after.set_id(fresh_.id);
    after.set_number(fresh_.number);
    after.set_origin_hotline(body.origin_hotline());
    *after.mutable_custody() = body.custody();
    after.set_state(type::v1::ORDER_STATE_UNDERSTOOD);
    TakeHops(body.hops());
    after.mutable_facts()->set_return_count(body.return_count());
    after.mutable_facts()->set_ruled_for(body.ruled_for());
    after.mutable_facts()->set_ruled_unit(body.ruled_unit());
    // A peer of an earlier version says it by the kind alone.
    after.mutable_facts()->set_restricted(body.restricted() ||
                                          body.handoff().kind() == type::v1::HANDOFF_KIND_STABILITY_CLUE);
    ToProto(now_, after.mutable_register_time());
    AdoptContent(content, body.content(), body.content_salt(), &after);
    Recuse(body.recused_units(), &after);
    change.content = std::move(*body.mutable_content());
    change.caller_phone = NormalizePhone(content.caller().phone());

    type::v1::Handoff* handoff = after.mutable_handoff();
    TakeOffered(std::move(*body.mutable_handoff()), after, handoff);
    after.set_parent_number(body.parent_number());

    type::v1::UnderstoodDetail* detail = change.event.mutable_understood();
    *detail->mutable_handoff() = *handoff;
    DescribeContent(content, after, detail->mutable_registered());
    Finish(site_.hotline, /*mirrored=*/false);

    AnswerUnderstood(*handoff);
    return absl::OkStatus();
  }

  // This site has lost the order and got it back from whom it passed it on to. Here is how it came.
  absl::Status OfferBeforeItsPassingOn() {
    exchange::v1::OfferBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    if (absl::Status status = CheckOffer(body); !status.ok()) return status;
    if (body.content_salt() != before_->content_salt()) {
      return Bad("content", "is not that of the order", "与工单内容不符");
    }
    if (absl::Status status = CheckLane(before_->urgency()); !status.ok()) return status;
    WorkOrder& after = Begin().after;
    type::v1::Handoff* inbound = after.mutable_inbound();
    TakeOffered(std::move(*body.mutable_handoff()), after, inbound);
    // It was accepted before it was passed on, and it has been this site's since then.
    *inbound->mutable_accept_time() = before_->handoff().offer_time();
    // Whom it went to may have it by now.
    NoteOnward();
    after.set_inbound_view(ViewForGiver(after, site_));
    *received_.change.event.mutable_understood()->mutable_handoff() = *inbound;
    Finish(site_.hotline, /*mirrored=*/false);
    AnswerUnderstood(*inbound);
    return absl::OkStatus();
  }

  void AnswerUnderstood(const type::v1::Handoff& handoff) {
    exchange::v1::UnderstoodBody answer;
    answer.set_to_number(handoff.to_number());
    answer.set_to_order_id(received_.change.after.id());
    *answer.mutable_receive_time() = handoff.receive_time();
    *answer.mutable_understand_time() = handoff.understand_time();
    answer.set_late(handoff.late());
    received_.change.envelopes.push_back(Draft(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, answer));
  }

  // The giver's handoff as this site has it from now on, in the order `after`.
  void TakeOffered(type::v1::Handoff offered, const WorkOrder& after, type::v1::Handoff* handoff) const {
    *handoff = std::move(offered);
    if (handoff->kind() == type::v1::HANDOFF_KIND_UNSPECIFIED)
      handoff->set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
    handoff->set_to_number(after.number());
    handoff->clear_link_sequence();
    ToProto(now_, handoff->mutable_receive_time());
    *handoff->mutable_understand_time() = handoff->receive_time();
    handoff->clear_accept_time();
    handoff->clear_end_time();
    handoff->clear_returned();
    handoff->clear_receipt_record();
    handoff->clear_voice();
    handoff->clear_scene_record();
    // The offer's time is by the giver's clock. Without knowing how far that is from this one's, the giver
    // alone can tell.
    handoff->set_late(skew_.has_value() &&
                      IsLate(after, *handoff, now_ + skew_->offset, skew_->uncertainty, site_));
    handoff->set_spoken_code(SpokenCode(handoff->id(), after.content_digest()));
    handoff->clear_onward_hotline();
    handoff->clear_onward_handoff_id();
    handoff->clear_origin_handoff_id();
    handoff->clear_dispute_time();
    handoff->clear_danger_first();
  }

  absl::Status CheckOffer(const exchange::v1::OfferBody& body) const {
    const type::v1::Handoff& handoff = body.handoff();
    if (handoff.id().empty() || handoff.id() != envelope_.handoff_id()) {
      return Bad("handoff.id", "is not the envelope's", "与信封不符");
    }
    if (handoff.attempt() < 1 || handoff.attempt() > kMaxAttempt) {
      return Bad("handoff.attempt", "must be 1 or more", "应大于等于1");
    }
    // The giver's own form, so that no peer can use up another's ids.
    const std::string giver = std::string(peer_) + "-";
    const std::string attempt = "-" + std::to_string(handoff.attempt());
    const std::string& id = handoff.id();
    if (id.size() <= giver.size() + attempt.size() || id.size() > 128 ||
        id.compare(0, giver.size(), giver) != 0 ||
        id.compare(id.size() - attempt.size(), attempt.size(), attempt) != 0) {
      return BadHandoffId();
    }
    // Reconciliation compares by the order id, which has one spelling.
    const std::string order_id = id.substr(giver.size(), id.size() - giver.size() - attempt.size());
    const std::optional<int64_t> number = ParseOrderId(order_id);
    if (!number.has_value() || FormatOrderId(*number) != order_id) return BadHandoffId();
    if (handoff.from_hotline() != peer_)
      return Bad("handoff.from_hotline", "is not the sender", "与发送方不符");
    if (handoff.to_hotline() != site_.hotline)
      return Bad("handoff.to_hotline", "is not this site", "不是本平台");
    if (absl::Status status = ValidateText("handoff.from_number", handoff.from_number(), 64, true, false);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = ValidateText("handoff.note", handoff.note(), 500, false, true); !status.ok()) {
      return status;
    }
    if (absl::Status status = ValidateText("origin_hotline", body.origin_hotline(), 32, true, false);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = ValidateText("parent_number", body.parent_number(), 64, false, false);
        !status.ok()) {
      return status;
    }
    if (body.content_salt().size() != kSaltBytes)
      return Bad("content_salt", "must be 16 bytes", "应为16字节");
    if (body.custody().holder() != peer_)
      return Bad("custody.holder", "is not the giver", "持有方应为推送方");
    if (!body.custody().has_hold_time()) return error::Required("custody.hold_time");
    if (body.return_count() < 0) return Bad("return_count", "is negative", "不能为负数");
    return CheckEpoch(body.custody().epoch());
  }

  static absl::Status BadHandoffId() {
    return Bad("handoff.id", "is not <giver>-<order id>-<attempt>", "应为“推送方-工单编号-次数”");
  }

  // All that is told of an order goes by one lane: in the other one, an answer could not say whether it had
  // seen a recall.
  absl::Status CheckLane(type::v1::Urgency urgency) const {
    const bool hurries = urgency == type::v1::URGENCY_EMERGENCY;
    if (hurries == (lane_ == exchange::v1::LANE_EMERGENCY)) return absl::OkStatus();
    return Bad("content.urgency", "belongs into the other lane", "与通道不符");
  }

  // Second receipt.
  absl::Status Understood() {
    exchange::v1::UnderstoodBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    if (absl::Status status = ValidateText("to_number", body.to_number(), 64, true, false); !status.ok())
      return status;
    if (!Awaits()) return UnderstoodLate(std::nullopt);
    Change& change = Begin();
    change.after.set_state(type::v1::ORDER_STATE_UNDERSTOOD);
    type::v1::Handoff* handoff = change.after.mutable_handoff();
    handoff->set_to_number(body.to_number());
    if (body.has_understand_time()) {
      *handoff->mutable_understand_time() = body.understand_time();
    } else {
      ToProto(now_, handoff->mutable_understand_time());
    }
    ToProto(now_, handoff->mutable_receipt_record()->mutable_understand_record_time());
    // This may overtake the link's receipt, which is recorded when it comes.
    if (!handoff->has_receive_time()) {
      *handoff->mutable_receive_time() =
          body.has_receive_time() ? body.receive_time() : handoff->understand_time();
    }
    // Not because the taker says so, whose clock may be wrong.
    handoff->set_late(handoff->late() || IsLateForGiver(*before_, *handoff, skew_, now_, site_));
    *change.event.mutable_understood()->mutable_handoff() = *handoff;
    Finish(peer_, /*mirrored=*/true);
    return absl::OkStatus();
  }

  // Second receipt in a handoff that this site has lost and got back after what became of it, or after a
  // later one: moves nothing, but names the peer's order. `past` is its place among the past ones, if it is
  // one.
  absl::Status UnderstoodLate(std::optional<int> past) {
    const type::v1::Handoff& known = past.has_value() ? before_->past_handoffs(*past) : before_->handoff();
    if (known.from_hotline() != site_.hotline || known.to_hotline() != peer_ || !known.to_number().empty() ||
        known.returned().ground() == type::v1::RETURN_GROUND_NOT_UNDERSTOOD ||
        before_->state() == type::v1::ORDER_STATE_ARCHIVED) {
      return absl::OkStatus();
    }
    exchange::v1::UnderstoodBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    if (absl::Status status = ValidateText("to_number", body.to_number(), 64, true, false); !status.ok())
      return status;
    WorkOrder& after = Begin().after;
    type::v1::Handoff* handoff =
        past.has_value() ? after.mutable_past_handoffs(*past) : after.mutable_handoff();
    handoff->set_to_number(body.to_number());
    if (body.has_receive_time()) *handoff->mutable_receive_time() = body.receive_time();
    if (body.has_understand_time()) *handoff->mutable_understand_time() = body.understand_time();
    *received_.change.event.mutable_understood()->mutable_handoff() = *handoff;
    Finish(peer_, /*mirrored=*/true);
    return absl::OkStatus();
  }

  // The peer has accepted an offer that this site has left behind: it had lost it, and offered the order anew
  // or cancelled it before it had it back. Custody has moved with the acceptance, and the epoch says so.
  bool TakesUp(const type::v1::Handoff& past) const {
    exchange::v1::MirrorBody body;
    return envelope_.kind() == exchange::v1::ENVELOPE_KIND_MIRROR && body.ParseFromString(envelope_.body()) &&
           past.from_hotline() == site_.hotline && past.to_hotline() == peer_ && !past.has_end_time() &&
           before_->custody().holder() == site_.hotline &&
           Contains(kOnOffer | kAtWork | kGivenBack | In(type::v1::ORDER_STATE_CANCELLED),
                    before_->state()) &&
           body.custody().holder() == peer_ && body.custody().epoch() > before_->custody().epoch() &&
           Contains(kAtWork, body.state()) &&
           // These move nothing, custody neither: what moves the order takes it up.
           !body.event().has_voice_confirmed() && !body.event().has_scene_recorded() &&
           !body.event().has_accused();
  }

  // The handoff among the past ones is the current one again, and what was made of the order since is over.
  absl::Status TakeUp(int past) {
    WorkOrder stands = *before_;
    const type::v1::Handoff since = stands.handoff();
    type::v1::Handoff taken = stands.past_handoffs(past);
    stands.mutable_past_handoffs()->erase(stands.past_handoffs().begin() + past);
    const bool passes_on = since.to_hotline() == site_.hotline && since.id() == taken.previous_handoff_id() &&
                           !since.has_end_time();
    if (passes_on) {
      stands.mutable_inbound()->Swap(stands.mutable_handoff());
      stands.clear_handoff();
    } else {
      KeepPastHandoff(&stands);
    }
    *stands.mutable_handoff() = std::move(taken);
    if (!stands.handoff().has_understand_time())
      *stands.mutable_handoff()->mutable_understand_time() = stands.handoff().offer_time();
    stands.set_state(type::v1::ORDER_STATE_UNDERSTOOD);
    stands.clear_units();
    DropExtensions(&stands);
    DropFactsOfOtherStates(&stands);
    stands.mutable_facts()->clear_recall_requested();
    const WorkOrder* const before = std::exchange(before_, &stands);
    absl::Status status = Mirror();
    before_ = before;
    if (!status.ok() || !received_.changes) return status;
    received_.change.event.set_state_before(before->state());
    const bool asked = before->facts().recall_requested();
    if (Contains(kOnOffer, before->state()) && since.from_hotline() == site_.hotline && !asked) {
      received_.change.envelopes.push_back(RecallDraft(since, "工单已由对方受理"));
    }
    return status;
  }

  absl::Status NotUnderstood() {
    // It is not checked, as it is not answered: an offer that the peer dislikes goes back to the desk
    // whatever is said of it.
    const exchange::v1::NotUnderstoodBody body = ReadNotUnderstood(envelope_.body());
    if (body.kind() == exchange::v1::ENVELOPE_KIND_RECALL) return RecallIsVain();
    // What else was not understood is a matter for the two sites' operators, not for the order.
    // That of what came behind the offer, too, by a peer that names no kind: a recall, say.
    const int64_t offered = before_->handoff().link_sequence();
    const bool of_later =
        body.kind() != exchange::v1::ENVELOPE_KIND_OFFER && offered > 0 && body.sequence() > offered;
    if (!Awaits() || !IsOfOffer(body) || of_later) return absl::OkStatus();
    Change& change = Begin();
    change.after.set_state(type::v1::ORDER_STATE_RETURNED);
    type::v1::Handoff* handoff = change.after.mutable_handoff();
    type::v1::HandoffReturn* returned = handoff->mutable_returned();
    returned->set_ground(type::v1::RETURN_GROUND_NOT_UNDERSTOOD);
    returned->set_reason(ReturnReason(body));
    ToProto(now_, handoff->mutable_end_time());
    type::v1::ReturnedDetail* detail = change.event.mutable_returned();
    detail->set_handoff_id(handoff->id());
    *detail->mutable_handoff_return() = *returned;
    Finish(peer_, /*mirrored=*/true);
    return absl::OkStatus();
  }

  // The giver wants its offer back: it gets it, unless somebody here decided first.
  absl::Status Recall() {
    exchange::v1::RecallBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    if (absl::Status status = ValidateText("reason", body.reason(), 500, false, true); !status.ok())
      return status;
    if (before_->handoff().from_hotline() != peer_) return error::OrderNotFound(KnownId());
    if (before_->state() != type::v1::ORDER_STATE_UNDERSTOOD) {
      RefuseRecall();
      return absl::OkStatus();
    }
    Change& change = Begin();
    change.after.set_state(type::v1::ORDER_STATE_RECALLED);
    type::v1::Handoff* handoff = change.after.mutable_handoff();
    ToProto(now_, handoff->mutable_end_time());
    type::v1::RecalledDetail* detail = change.event.mutable_recalled();
    detail->set_handoff_id(handoff->id());
    detail->mutable_recall()->set_reason(body.reason());
    Finish(site_.hotline, /*mirrored=*/false);
    OweMirror(site_, change.after.handoff(), change.after.state(), &change);
    return absl::OkStatus();
  }

  void RefuseRecall() {
    exchange::v1::RecallRefusedBody answer;
    answer.set_state(StateForGiver(*before_, site_));
    received_.envelopes.push_back(Draft(exchange::v1::ENVELOPE_KIND_RECALL_REFUSED, answer));
  }

  absl::Status RecallRefused() {
    exchange::v1::RecallRefusedBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    return RecallIsVain();
  }

  // The peer did not, or cannot, give the offer back.
  absl::Status RecallIsVain() {
    if (!before_->facts().recall_requested()) return absl::OkStatus();
    Change& change = Begin();
    change.after.mutable_facts()->clear_recall_requested();
    change.event.mutable_recall_refused()->set_handoff_id(before_->handoff().id());
    Finish(peer_, /*mirrored=*/true);
    return absl::OkStatus();
  }

  // The peer's desk recorded what was agreed by telephone. Nothing moves, in whatever state the order is here
  // by now; but the giver asks for the offer back if that was agreed.
  absl::Status Voice(const exchange::v1::MirrorBody& body) {
    type::v1::VoiceConfirmation voice = body.event().voice_confirmed().voice();
    if (!type::v1::VoiceOutcome_IsValid(voice.outcome()) ||
        voice.outcome() == type::v1::VOICE_OUTCOME_UNSPECIFIED) {
      return error::BadEnum("event.voice_confirmed.voice.outcome", voice.outcome());
    }
    if (!voice.has_confirm_time()) return error::Required("event.voice_confirmed.voice.confirm_time");
    if (before_->state() == type::v1::ORDER_STATE_ARCHIVED) return absl::OkStatus();
    voice.set_by_hotline(std::string(peer_));
    voice.set_spoken_with(std::string(TruncateCodePoints(voice.spoken_with(), 64)));
    voice.set_note(std::string(TruncateCodePoints(voice.note(), 500)));
    Change& change = Begin();
    // If the order is being passed on, the record is about the handoff by which it came.
    InstallVoice(voice, SharedAfter());
    const type::v1::Actor actor = body.event().actor();
    type::v1::VoiceConfirmedDetail* detail = change.event.mutable_voice_confirmed();
    detail->set_handoff_id(Shared().id());
    *detail->mutable_voice() = voice;
    if (!passes_on_) EndDoubt(change.after.mutable_facts());
    if (!passes_on_ && before_->handoff().from_hotline() == site_.hotline &&
        Contains(kOnOffer, before_->state()) && voice.outcome() != type::v1::VOICE_OUTCOME_PEER_ACCEPTS &&
        RequestRecall(*before_, now_, &change.after)) {
      detail->set_recall_requested(true);
      change.envelopes.push_back(RecallDraft(change.after.handoff(), VoiceRecallReason(voice)));
    }
    Finish(peer_, /*mirrored=*/true);
    change.event.mutable_actor()->set_account(actor.account());
    change.event.mutable_actor()->set_unit(actor.unit());
    return absl::OkStatus();
  }

  // The peer's desk recorded what became of the request to bring a unit to the scene. Nothing moves, in
  // whatever state the order is here by now.
  absl::Status Scene(const exchange::v1::MirrorBody& body) {
    type::v1::SceneRecord record = body.event().scene_recorded().record();
    type::v1::SceneArrival* arrival = record.mutable_arrival();
    if (!type::v1::SceneOutcome_IsValid(arrival->outcome()) ||
        arrival->outcome() == type::v1::SCENE_OUTCOME_UNSPECIFIED) {
      return error::BadEnum("event.scene_recorded.record.arrival.outcome", arrival->outcome());
    }
    if (!record.has_record_time()) return error::Required("event.scene_recorded.record.record_time");
    if (before_->state() == type::v1::ORDER_STATE_ARCHIVED ||
        Shared().scene().request() != type::v1::SCENE_REQUEST_BRING_UNIT) {
      return absl::OkStatus();
    }
    record.set_by_hotline(std::string(peer_));
    arrival->set_unit(std::string(TruncateCodePoints(arrival->unit(), 32)));
    arrival->set_note(std::string(TruncateCodePoints(arrival->note(), 500)));
    Change& change = Begin();
    InstallSceneRecord(record, SharedAfter());
    const type::v1::Actor actor = body.event().actor();
    type::v1::SceneRecordedDetail* detail = change.event.mutable_scene_recorded();
    detail->set_handoff_id(Shared().id());
    *detail->mutable_record() = std::move(record);
    Finish(peer_, /*mirrored=*/true);
    change.event.mutable_actor()->set_account(actor.account());
    change.event.mutable_actor()->set_unit(actor.unit());
    return absl::OkStatus();
  }

  // The peer records that the matter accuses units. It does not move the order; but if one of them has it
  // here, its part ends, and the peer hears of that.
  absl::Status Accused(const exchange::v1::MirrorBody& body) {
    if (before_->state() == type::v1::ORDER_STATE_ARCHIVED) return absl::OkStatus();
    Change& change = Begin();
    type::v1::AccusedDetail* detail = change.event.mutable_accused();
    *detail->mutable_accusation() = body.event().accused().accusation();
    // Whom the peer gave the order to instead is its own affair.
    detail->mutable_accusation()->clear_dispatch();
    // On record even if it is known here: what a site tells stands in the other's log.
    Recuse(detail->accusation().units(), &change.after);
    EndRecusedWork(site_, &change.after, detail);
    const type::v1::Actor actor = body.event().actor();
    Finish(peer_, /*mirrored=*/true);
    change.event.mutable_actor()->set_account(actor.account());
    change.event.mutable_actor()->set_unit(actor.unit());
    NameActing(actor, change.event.mutable_actor());
    const bool ended = !detail->recused_lead().empty() || detail->recused_assists_size() > 0;
    WorkOrder& after = change.after;
    const type::v1::Event accusation = change.event;
    if (ended) {
      // What ended is this site's doing, and no accusation once more.
      change.event.mutable_actor()->Clear();
      change.event.mutable_actor()->set_hotline(site_.hotline);
      change.event.mutable_actor()->set_account(kRecorder);
      change.event.set_told_key(AnswerKey(told_key_, site_.hotline));
      // It comes back with this site's own history after a loss.
      NoteTold(change.event.told_key(), &after);
    }
    // Along the way that the order came and went, behind an offer whether the peer has read that or not; and
    // back if something ended here.
    if (IsOpen(after) && (passes_on_ || ended)) {
      OweMirror(site_, after.handoff(), after.state(), &change);
    }
    if (HasOpenInbound(after) && (!passes_on_ || ended)) {
      OweMirror(site_, after.inbound(), StateForGiver(after, site_), &change);
    }
    change.event = accusation;
    return absl::OkStatus();
  }

  absl::Status CheckAccused(const type::v1::Accusation& accusation) const {
    if (accusation.units().empty()) return error::Required("event.accused.accusation.units");
    if (accusation.units_size() > kMaxUnits) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "event.accused.accusation.units",
                             "has more than 17 units", "超过17个单位");
    }
    for (const std::string& unit : accusation.units()) {
      if (absl::Status status = ValidateText("event.accused.accusation.units", unit, 32, true, false);
          !status.ok()) {
        return status;
      }
    }
    return ValidateText("event.accused.accusation.reason", accusation.reason(), 500, false, true);
  }

  // The order moved at the peer.
  absl::Status Mirror() {
    exchange::v1::MirrorBody body;
    if (absl::Status status = Read(&body); !status.ok()) return status;
    if (!body.resync()) {
      // Whoever of a chain of sites was restored from an old backup tells once more what it had passed on. It
      // is in the log, and what came after it stands.
      told_key_ = ToldKey(body.event());
      if (WasTold(*before_, told_key_)) return absl::OkStatus();
      body.mutable_event()->set_told_key(told_key_);
    }
    if (body.event().has_voice_confirmed()) return Voice(body);
    if (body.event().has_scene_recorded()) return Scene(body);
    if (body.event().has_accused()) {
      if (absl::Status status = CheckAccused(body.event().accused().accusation()); !status.ok())
        return status;
      // One that ended nothing there moves nothing here: it may have crossed what this site did.
      const type::v1::AccusedDetail& accused = body.event().accused();
      const bool ended = !accused.recused_lead().empty() || accused.recused_assists_size() > 0;
      const bool theirs = body.custody().holder() != site_.hotline || FollowsAnotherCopy(*before_, site_);
      const bool moves = ended && theirs && body.custody().epoch() >= before_->custody().epoch() &&
                         !Shared().has_end_time() && IsPeersMove(body);
      if (!moves) return Accused(body);
    }
    // One that does not say who holds the order is of no epoch, and no older one: it may be an acceptance.
    if (!body.has_custody()) return error::Required("custody");
    if (absl::Status status = CheckEpoch(body.custody().epoch()); !status.ok()) return status;
    if (body.custody().epoch() < before_->custody().epoch()) return absl::OkStatus();
    if (body.custody().epoch() == before_->custody().epoch() &&
        body.custody().holder() != before_->custody().holder()) {
      return Bad("custody.holder", "is another in the same epoch", "与同一轮次的持有方不符");
    }
    const type::v1::Handoff& before_handoff = Shared();
    const bool marks = IsMarkOnly(body);
    const bool disputed = !marks && body.handoff().has_dispute_time();
    const bool moves = disputed ? IsPeersDispute(body) : !before_handoff.has_end_time() && IsPeersMove(body);
    if (!marks && !(body.resync() ? IsPeersToSay(body) : moves)) {
      return error::WrongState("move to the peer's state", "按对方状态更新", before_->state());
    }
    if (body.has_handoff() && (body.handoff().id() != before_handoff.id() ||
                               body.handoff().from_hotline() != before_handoff.from_hotline() ||
                               body.handoff().to_hotline() != before_handoff.to_hotline() ||
                               body.handoff().attempt() != before_handoff.attempt())) {
      return Bad("handoff", "is another handoff", "不是同一次移交");
    }
    if (body.units_size() > kMaxUnits) {
      return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "units", "has more than 17 units",
                             "超过17个单位");
    }

    Change& change = Begin();
    *change.after.mutable_custody() = std::move(*body.mutable_custody());
    MergeHandoff(body);
    if (marks) {
      type::v1::Facts* facts = change.after.mutable_facts();
      facts->set_disputed(body.facts().disputed());
      facts->set_ruled_for(body.facts().ruled_for());
      facts->set_ruled_unit(body.facts().ruled_unit());
    } else {
      MergeFacts(body);
      change.after.set_state(body.state());
      const bool again = body.event().has_redo_demanded() || body.event().has_reopened();
      if (again && body.units().empty() && !change.after.units().empty() &&
          change.after.custody().holder() == site_.hotline) {
        // To be done again, but by nobody whom the matter accuses.
        EndTurn(&change.after)->set_recused(true);
      }
      *change.after.mutable_units() = std::move(*body.mutable_units());
      if (again) DropAccusedSince();
      MergeReply(body);
      if (IsTakersReturn(body, disputed)) {
        type::v1::Facts* facts = change.after.mutable_facts();
        facts->set_return_count(std::max(facts->return_count(), before_->facts().return_count() + 1));
      }
      TakeHops(body.hops());
      if (body.hops().empty() && body.state() == type::v1::ORDER_STATE_RETURNED &&
          SharedAfter()->has_returned()) {
        NoteHop(*SharedAfter(), FromProto(SharedAfter()->end_time()), SharedAfter()->returned().ground(),
                &change.after);
      }
    }
    bool restored = false;
    if (disputed) restored = TakeOverDispute();
    DropFactsOfOtherStates(&change.after);
    if (passes_on_) change.after.set_inbound_view(ViewForGiver(change.after, site_));
    if (body.resync() && Views(change.after) == Views(*before_)) {
      received_ = Received();
      return absl::OkStatus();
    }

    // What is changed here of what was told, common/evidence/verify.cc makes allowance for.
    change.event = std::move(*body.mutable_event());
    if (change.event.has_accepted()) DescribeAcceptance(change.after.handoff(), &change.event);
    change.event.clear_sequence();
    change.event.clear_previous_order_sequence();
    if (change.event.has_replied()) change.event.mutable_replied()->mutable_reply()->clear_internal_reply();
    if (change.event.has_called_back()) change.event.mutable_called_back()->clear_note();
    type::v1::Actor* actor = change.event.mutable_actor();
    NameActing(*actor, actor);
    actor->set_hotline(peer_.data(), peer_.size());
    actor->clear_seat();
    change.event.set_mirrored(true);
    change.event.set_traceparent(Trace());
    Seal(before_, now_, &change);
    Relay(marks, restored, body.resync());
    if (dropped_) TellWhoIsLeft();
    return absl::OkStatus();
  }

  // The order is to be done again by the units that the peer knows of. Not by one that was accused here
  // without the peer's knowing it yet: then the peer hears who is left.
  void DropAccusedSince() {
    WorkOrder& after = received_.change.after;
    if (after.custody().holder() != site_.hotline || FollowsAnotherCopy(after, site_)) return;
    const int before = after.units_size();
    DropRecusedUnits(site_, &after, nullptr);
    dropped_ = after.units_size() != before;
    // An origin of an earlier release leaves what assisting units signed before.
    for (type::v1::UnitTask& task : *after.mutable_units()) {
      if (task.lead() || !task.has_sign_time()) continue;
      task.clear_sign_time();
      task.clear_handler();
      dropped_ = true;
    }
  }

  // Not as the peer's demand come back, but as how the order stands here.
  void TellWhoIsLeft() {
    Change& change = received_.change;
    if (!IsOpen(change.after)) return;
    const type::v1::Event demand = change.event;
    change.event.mutable_resent()->set_handoff_id(change.after.handoff().id());
    change.event.clear_told_key();
    change.event.clear_actor();
    change.event.mutable_actor()->set_hotline(site_.hotline);
    change.event.mutable_actor()->set_account(kRecorder);
    OweMirror(site_, change.after.handoff(), change.after.state(), &change, /*resync=*/true);
    change.event = demand;
  }

  static std::pair<std::string, std::string> Views(const WorkOrder& order) {
    return {SharedView(order), InboundView(order)};
  }

  // Passes the peer's move on along the way that the order came and went, so that the copies at the other
  // sites follow.
  void Relay(bool marks, bool restored, bool resync) {
    Change& change = received_.change;
    WorkOrder& after = change.after;
    if (restored) {
      OweMirror(site_, after.handoff(), after.state(), &change, resync);
    } else if (passes_on_) {
      // From whom the order came: on to whom it went.
      if (marks ? EndedInDispute(after) : IsHandedOver(after)) {
        OweMirror(site_, after.handoff(), after.state(), &change, resync);
      }
    } else if (HasOpenInbound(*before_)) {
      // From whom it went to: back to whom it came from, who need not know of offers that came to nothing.
      const bool beyond = NoteOnward();
      const bool moved = before_->custody().epoch() != after.custody().epoch() || EndedInDispute(after);
      if (beyond || moved) OweMirror(site_, after.inbound(), StateForGiver(after, site_), &change, resync);
    }
  }

  // Whom the order went to, for whom it came from; true if somebody beyond has it.
  bool NoteOnward() {
    WorkOrder& after = received_.change.after;
    type::v1::Handoff* inbound = after.mutable_inbound();
    inbound->clear_onward_hotline();
    inbound->clear_onward_handoff_id();
    inbound->clear_origin_handoff_id();
    if (!IsHandedOver(after)) return false;
    const type::v1::Handoff& handoff = after.handoff();
    const bool further = !handoff.onward_hotline().empty();
    inbound->set_onward_hotline(TakerOf(handoff));
    inbound->set_onward_handoff_id(further ? handoff.onward_handoff_id() : handoff.id());
    // The last copy at the origin is the one that counts.
    const bool at_origin = handoff.to_hotline() == after.origin_hotline();
    inbound->set_origin_handoff_id(
        !handoff.origin_handoff_id().empty() || !at_origin ? handoff.origin_handoff_id() : handoff.id());
    return true;
  }

  // The taker gives it back, as people decided there. It counts, also if the taker's platform keeps no count.
  bool IsTakersReturn(const exchange::v1::MirrorBody& body, bool disputed) {
    return body.state() == type::v1::ORDER_STATE_RETURNED && !disputed && !body.resync() &&
           SharedAfter()->to_hotline() == peer_ &&
           SharedAfter()->returned().ground() != type::v1::RETURN_GROUND_NOT_UNDERSTOOD;
  }

  // The peer tells what became of a handoff that is over: that its giver disputes it, or that a dispute is
  // settled. Nobody works on the order here any more, so only the marks change.
  bool IsMarkOnly(const exchange::v1::MirrorBody& body) const {
    const type::v1::Handoff& handoff = Shared();
    return handoff.from_hotline() == peer_ && handoff.has_end_time() && body.handoff().has_dispute_time() &&
           before_->state() == type::v1::ORDER_STATE_RETURNED;
  }

  // The taker says that it is not its matter, or that a hotline beyond it says so. Then the origin holds and
  // handles.
  bool IsPeersDispute(const exchange::v1::MirrorBody& body) const {
    return Shared().to_hotline() == peer_ && IsOpen(*before_) && !passes_on_ &&
           Contains(kReceiversTurn, before_->state()) && body.custody().holder() == before_->origin_hotline();
  }

  // After a dispute: the origin's copy goes on, every other ends and says so to whom it came from. Returns
  // whether the handoff by which the order came here is the current one again.
  bool TakeOverDispute() {
    WorkOrder& after = received_.change.after;
    after.clear_units();
    after.mutable_facts()->set_disputed(true);
    DropExtensions(&after);
    if (after.origin_hotline() == site_.hotline) {
      after.set_state(type::v1::ORDER_STATE_ACCEPTED);
      return RestoreInbound(&after);
    }
    after.set_state(type::v1::ORDER_STATE_RETURNED);
    if (HasOpenInbound(after)) EndInDispute(now_, after.mutable_inbound());
    return false;
  }

  // Whether the peer may say how the order stands: it has ended the handoff, or the holder is on its side.
  bool IsPeersToSay(const exchange::v1::MirrorBody& body) const {
    const type::v1::Handoff& handoff = Shared();
    const std::string& holder = body.custody().holder();
    if (handoff.to_hotline() == peer_) {
      // A giver that holds the order and has gone on with it does not go back for an end in the same epoch
      // that it never heard of: both would be the ones to say, and would change their minds for ever.
      const bool went_on = holder == site_.hotline && body.custody().epoch() == before_->custody().epoch() &&
                           !handoff.has_end_time() && !Contains(kOnOffer, before_->state());
      return holder == peer_ || (body.has_handoff() && ((body.handoff().has_end_time() && !went_on) ||
                                                        body.handoff().onward_hotline() == holder));
    }
    return holder != site_.hotline && !(passes_on_ && holder == TakerOf(before_->handoff()));
  }

  // Whether the peer may take the order from where it stands here to the body's state.
  bool IsPeersMove(const exchange::v1::MirrorBody& body) const {
    const int state = body.state();
    const type::v1::Handoff& handoff = Shared();
    // A ruling changes no state, also where it is made before anybody accepted.
    if (state == type::v1::ORDER_STATE_UNDERSTOOD) {
      return body.event().has_ruled() && before_->state() == state && handoff.to_hotline() == peer_;
    }
    // Work on an order to be redone (an extension, say) leaves it REDO; only the origin's side makes it so.
    const bool goes_on = state == type::v1::ORDER_STATE_REDO && before_->state() == state;
    if (Contains(kReceiversMoves, state) || goes_on) {
      return handoff.to_hotline() == peer_ && Contains(kReceiversTurn, before_->state());
    }
    // With an origin beyond the giver, the giver relays what the origin does.
    // So does the taker, if the order came back to the origin beyond it.
    const bool came_back = handoff.to_hotline() == peer_ && (peer_ == before_->origin_hotline() ||
                                                             !body.handoff().origin_handoff_id().empty());
    const bool for_origin = before_->origin_hotline() == peer_ || came_back ||
                            (handoff.from_hotline() == peer_ && before_->origin_hotline() != site_.hotline);
    if (!for_origin) return false;
    if (state == type::v1::ORDER_STATE_REDO && Contains(kReopens, before_->state())) return true;
    // Only an origin that has it back may withdraw it.
    if (state == type::v1::ORDER_STATE_CANCELLED)
      return came_back && Contains(kReceiversTurn, before_->state());
    return Contains(kOriginsMoves, state) && Contains(kOriginsTurn, before_->state());
  }

  void MergeReply(exchange::v1::MirrorBody& body) {
    WorkOrder& after = received_.change.after;
    if (body.has_reply()) {
      // The internal text never leaves the site that wrote it, so what is here stays here.
      body.mutable_reply()->set_internal_reply(before_->reply().internal_reply());
      *after.mutable_reply() = std::move(*body.mutable_reply());
    }
    if (body.has_call_back()) {
      body.mutable_call_back()->set_note(before_->call_back().note());
      *after.mutable_call_back() = std::move(*body.mutable_call_back());
    } else if (body.state() == type::v1::ORDER_STATE_REPLIED) {
      after.clear_call_back();
    }
    if (body.resync() && !body.has_reply()) after.clear_reply();
    if (body.resync() && !body.has_call_back()) after.clear_call_back();
  }

  void MergeFacts(exchange::v1::MirrorBody& body) {
    if (body.event().has_accused()) {
      Recuse(body.event().accused().accusation().units(), &received_.change.after);
    }
    if (!body.has_facts()) return;
    const type::v1::Facts own = received_.change.after.facts();
    type::v1::Facts* facts = body.mutable_facts();
    facts->set_overdue(own.overdue());
    facts->set_urge_count(own.urge_count());
    facts->set_remind_count(own.remind_count());
    facts->set_secret(own.secret());
    facts->set_restricted(own.restricted());
    facts->set_recall_requested(own.recall_requested());
    facts->set_in_doubt(own.in_doubt());
    facts->set_voice_confirmation_required(own.voice_confirmation_required());
    facts->set_receipt_alarm(own.receipt_alarm());
    facts->set_unit_return_count(own.unit_return_count());
    facts->set_supervise_count(own.supervise_count());
    facts->set_circulate_count(own.circulate_count());
    facts->set_discipline_count(own.discipline_count());
    facts->set_rung_unreached(own.rung_unreached());
    facts->set_last_minute_count(own.last_minute_count());
    // Until this site's next rung.
    facts->clear_finish_due_time();
    facts->clear_last_tenth_time();
    // A peer that does not know of these does not take them back.
    facts->set_return_count(std::max(facts->return_count(), own.return_count()));
    facts->set_contact_count(std::max(facts->contact_count(), own.contact_count()));
    if (own.has_first_contact_time() &&
        (!facts->has_first_contact_time() ||
         FromProto(own.first_contact_time()) < FromProto(facts->first_contact_time()))) {
      *facts->mutable_first_contact_time() = own.first_contact_time();
    }
    if (facts->ruled_for().empty()) {
      facts->set_ruled_for(own.ruled_for());
      facts->set_ruled_unit(own.ruled_unit());
    }
    // Who was accused at either site stays so; this site's own first, whatever the peer's list holds.
    const google::protobuf::RepeatedPtrField<std::string> theirs = facts->recused_units();
    *facts->mutable_recused_units() = own.recused_units();
    WorkOrder& after = received_.change.after;
    *after.mutable_facts() = std::move(*facts);
    Recuse(theirs, &after);
  }

  // Each site stamps its part of a handoff; the peer's part comes from the mirror, or else from when it
  // moved.
  void MergeHandoff(exchange::v1::MirrorBody& body) {
    type::v1::Handoff* handoff = SharedAfter();
    const bool by_receiver = handoff->to_hotline() == peer_;
    if (body.has_handoff()) {
      type::v1::Handoff* theirs = body.mutable_handoff();
      theirs->clear_link_sequence();
      theirs->clear_spoken_code();
      // What they know of this site's own record may be older than it.
      if (theirs->has_voice() && theirs->voice().by_hotline() == peer_) {
        InstallVoice(theirs->voice(), handoff);
      }
      theirs->clear_voice();
      if (theirs->has_scene_record() && theirs->scene_record().by_hotline() == peer_) {
        InstallSceneRecord(theirs->scene_record(), handoff);
      }
      theirs->clear_scene_record();
      theirs->clear_scene();
      if (body.resync()) {
        // Whole, because what is here is not trusted; an end that the peer knows nothing of was none.
        if (!theirs->has_end_time()) {
          handoff->clear_end_time();
          handoff->clear_returned();
          handoff->clear_dispute_time();
        }
        if (by_receiver) {
          theirs->clear_receipt_record();
          theirs->clear_keep_by_time();
          theirs->clear_late();
        }
      } else if (by_receiver) {
        theirs->clear_late();
        theirs->clear_receipt_record();
        theirs->clear_keep_by_time();
        theirs->clear_kind();
        theirs->clear_from_number();
        theirs->clear_note();
        theirs->clear_offer_time();
        theirs->clear_confirm_by_time();
        theirs->clear_recall_request_time();
        theirs->clear_previous_handoff_id();
        // What has become empty is news too.
        handoff->clear_onward_hotline();
        handoff->clear_onward_handoff_id();
        handoff->clear_origin_handoff_id();
      } else {
        theirs->clear_onward_hotline();
        theirs->clear_onward_handoff_id();
        theirs->clear_origin_handoff_id();
        theirs->clear_danger_first();
        theirs->clear_to_number();
        theirs->clear_receive_time();
        theirs->clear_understand_time();
        theirs->clear_accept_time();
        theirs->clear_end_time();
        theirs->clear_returned();
      }
      // Merging appends unknown fields; the peer's latest ones are to replace those it sent before.
      const google::protobuf::Reflection& reflection = *theirs->GetReflection();
      if (!reflection.GetUnknownFields(*theirs).empty()) reflection.MutableUnknownFields(handoff)->Clear();
      handoff->MergeFrom(*theirs);
    }
    if (!by_receiver) return;
    google::protobuf::Timestamp moved = body.event().commit_time();
    if (!body.event().has_commit_time()) ToProto(now_, &moved);
    if (!handoff->has_understand_time()) *handoff->mutable_understand_time() = moved;
    if (body.state() == type::v1::ORDER_STATE_RETURNED || body.state() == type::v1::ORDER_STATE_RECALLED) {
      if (!handoff->has_end_time()) *handoff->mutable_end_time() = moved;
      if (!handoff->has_returned() && body.event().has_returned()) {
        *handoff->mutable_returned() = body.event().returned().handoff_return();
      }
    } else if (body.state() != type::v1::ORDER_STATE_UNDERSTOOD) {
      if (!handoff->has_accept_time()) *handoff->mutable_accept_time() = moved;
      type::v1::ReceiptRecord* record = handoff->mutable_receipt_record();
      if (!record->has_accept_record_time()) ToProto(now_, record->mutable_accept_record_time());
    }
  }

  // The third receipt with the times of both clocks, whatever the peer's version told.
  static void DescribeAcceptance(const type::v1::Handoff& handoff, type::v1::Event* event) {
    type::v1::AcceptedDetail* detail = event->mutable_accepted();
    detail->set_handoff_id(handoff.id());
    *detail->mutable_accept_time() = handoff.accept_time();
    if (!handoff.receipt_record().has_clock_skew()) return;
    *detail->mutable_clock_skew() = handoff.receipt_record().clock_skew();
    *detail->mutable_clock_uncertainty() = handoff.receipt_record().clock_uncertainty();
  }

  // The handoff that the envelope is in: the current one, or the one by which the order came that is being
  // passed on.
  const type::v1::Handoff& Shared() const { return passes_on_ ? before_->inbound() : before_->handoff(); }
  type::v1::Handoff* SharedAfter() {
    WorkOrder& after = received_.change.after;
    return passes_on_ ? after.mutable_inbound() : after.mutable_handoff();
  }

  void TakeHops(const google::protobuf::RepeatedPtrField<type::v1::Hop>& hops) {
    if (hops.empty()) return;
    auto* own = received_.change.after.mutable_hops();
    own->Clear();
    for (int i = std::max(0, hops.size() - kMaxHops); i < hops.size(); ++i) *own->Add() = hops[i];
  }

  // This site gave the order and has no second receipt yet.
  bool Awaits() const {
    return before_->handoff().from_hotline() == site_.hotline &&
           Contains(In(type::v1::ORDER_STATE_OFFERED, type::v1::ORDER_STATE_RECEIVED), before_->state());
  }

  template <typename Body>
  absl::Status Read(Body* body) const {
    if (!body->ParseFromString(envelope_.body())) return Bad("body", "cannot be read", "无法解析");
    return ValidateForeign(*body);
  }

  static absl::Status CheckEpoch(int64_t epoch) {
    if (epoch >= 1 && epoch <= kMaxEpoch) return absl::OkStatus();
    return Bad("custody.epoch", "is out of range", "超出范围");
  }

  static absl::Status Bad(const char* field, const char* english, const char* chinese) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, field, english, chinese);
  }

  // As long as an id of a handoff can be: what no handoff has may be of any length, and an answer would not
  // get through.
  std::string KnownId() const { return std::string(TruncateCodePoints(envelope_.handoff_id(), 128)); }

  std::string Trace() const {
    return IsTraceparent(envelope_.traceparent()) ? envelope_.traceparent() : std::string();
  }

  // Starts a change from the order as it is.
  Change& Begin() {
    received_.changes = true;
    if (before_ != nullptr) {
      received_.change.after = *before_;
      received_.change.after.clear_content();
    }
    return received_.change;
  }

  // Whose act it was, where the peer passes on what another site told it.
  void NameActing(const type::v1::Actor& told, type::v1::Actor* actor) const {
    const std::string acting = told.acting_hotline().empty() ? told.hotline() : told.acting_hotline();
    actor->clear_acting_hotline();
    if (acting != peer_) actor->set_acting_hotline(std::string(TruncateCodePoints(acting, 32)));
  }

  // Completes a change that no person made: `hotline`'s work_order did.
  void Finish(std::string_view hotline, bool mirrored) {
    Change& change = received_.change;
    DropFactsOfOtherStates(&change.after);
    change.event.mutable_actor()->set_hotline(std::string(hotline));
    change.event.mutable_actor()->set_account(kRecorder);
    change.event.set_mirrored(mirrored);
    change.event.set_told_key(told_key_);
    change.event.set_traceparent(Trace());
    Seal(before_, now_, &change);
  }

  template <typename Body>
  EnvelopeDraft Draft(exchange::v1::EnvelopeKind kind, const Body& body) const {
    return {
        .peer = std::string(peer_), .handoff_id = KnownId(), .kind = kind, .body = body.SerializeAsString()};
  }

  void AnswerNotUnderstood(const absl::Status& status) {
    exchange::v1::NotUnderstoodBody body;
    body.set_reason(std::string(error::ReasonName(error::ReasonOf(status))));
    body.set_message(std::string(status.message()));
    body.set_field(error::FieldOf(status));
    body.set_sequence(envelope_.sequence());
    body.set_kind(envelope_.kind());
    received_.envelopes.push_back(Draft(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, body));
  }

  const WorkOrder* before_;
  const Envelope& envelope_;
  const std::string_view peer_;
  const NewOrder& fresh_;
  const Site& site_;
  const absl::Time now_;
  const std::optional<ClockSkew> skew_;
  const exchange::v1::Lane lane_;
  // The envelope is in the handoff by which the order came here; it has been passed on since.
  bool passes_on_ = false;
  uint64_t told_key_ = 0;  // of a mirror's event; 0 if there is none
  bool dropped_ = false;   // units that were accused here, from those that the peer sent
  Received received_;
};

}  // namespace

Received DecideEnvelope(const WorkOrder* before, const Envelope& envelope, std::string_view peer,
                        const NewOrder& fresh, const Site& site, absl::Time now,
                        std::optional<ClockSkew> skew, exchange::v1::Lane lane) {
  return Receiving(before, envelope, peer, fresh, site, now, std::move(skew), lane).Run();
}

Received DecideReceipt(const WorkOrder& before, std::string_view handoff_id, absl::Time receive_time,
                       const Site& site, absl::Time now, std::optional<ClockSkew> skew) {
  Received received;
  Change& change = received.change;
  const bool current = before.handoff().id() == handoff_id;
  const auto past = std::find_if(before.past_handoffs().begin(), before.past_handoffs().end(),
                                 [&](const type::v1::Handoff& one) { return one.id() == handoff_id; });
  if (!current && past == before.past_handoffs().end()) return received;
  const type::v1::Handoff& known = current ? before.handoff() : *past;
  if (known.from_hotline() != site.hotline || known.receipt_record().has_receive_record_time() ||
      before.state() == type::v1::ORDER_STATE_ARCHIVED) {
    return received;
  }
  received.changes = true;
  change.after = before;
  change.after.clear_content();
  type::v1::Handoff* handoff = change.after.mutable_handoff();
  if (!current) {
    handoff = change.after.mutable_past_handoffs(static_cast<int>(past - before.past_handoffs().begin()));
  }
  // A peer's clock is not to put a time into the log that nobody can read. What the second receipt said of
  // this instant stays.
  google::protobuf::Timestamp received_at;
  ToProto(receive_time, &received_at);
  if (!IsValidTime(received_at)) ToProto(now, &received_at);
  if (!handoff->has_receive_time()) *handoff->mutable_receive_time() = received_at;
  type::v1::ReceiptRecord* record = handoff->mutable_receipt_record();
  ToProto(now, record->mutable_receive_record_time());
  type::v1::ReceivedDetail* detail = change.event.mutable_received();
  if (skew.has_value()) {
    ToProto(skew->offset, record->mutable_clock_skew());
    ToProto(skew->uncertainty, record->mutable_clock_uncertainty());
    *detail->mutable_clock_skew() = record->clock_skew();
    *detail->mutable_clock_uncertainty() = record->clock_uncertainty();
  }
  if (current) {
    if (before.state() == type::v1::ORDER_STATE_OFFERED) {
      change.after.set_state(type::v1::ORDER_STATE_RECEIVED);
    }
    handoff->set_late(handoff->late() || IsLateForGiver(before, *handoff, skew, now, site));
  }
  detail->set_handoff_id(handoff->id());
  *detail->mutable_receive_time() = handoff->receive_time();
  detail->set_late(handoff->late());
  change.event.mutable_actor()->set_hotline(handoff->to_hotline());
  change.event.mutable_actor()->set_account(kRecorder);
  change.event.set_mirrored(true);
  Seal(&before, now, &change);
  return received;
}

}  // namespace hotline::work_order
