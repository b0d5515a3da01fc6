#include "tests/conformance/kit.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/id.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::conformance {
namespace {

using exchange::v1::DeliverRequest;
using exchange::v1::Envelope;
using exchange::v1::EnvelopeKind;
using exchange::v1::Lane;
using exchange::v1::LANE_EMERGENCY;
using exchange::v1::LANE_ORDINARY;
using exchange::v1::MirrorBody;
using exchange::v1::NotUnderstoodBody;
using exchange::v1::OfferBody;
using exchange::v1::RecallRefusedBody;
using exchange::v1::UnderstoodBody;
using grpc::StatusCode;

constexpr int kOffer = exchange::v1::ENVELOPE_KIND_OFFER;
constexpr int kUnderstood = exchange::v1::ENVELOPE_KIND_UNDERSTOOD;
constexpr int kNotUnderstood = exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD;
constexpr int kRecall = exchange::v1::ENVELOPE_KIND_RECALL;
constexpr int kMirror = exchange::v1::ENVELOPE_KIND_MIRROR;
constexpr int kRecallRefused = exchange::v1::ENVELOPE_KIND_RECALL_REFUSED;

constexpr size_t kMaxHandoffId = 128;
constexpr int64_t kMaxEpoch = int64_t{1} << 40;
constexpr int kForeignVersion = 99;
constexpr int kForeignEnum = 77;
constexpr int kForeignField = 9999;
constexpr char kForeignText[] = "a field of a later version";

// A field that this version does not have.
void AddForeignField(google::protobuf::Message* message) {
  message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(kForeignField, kForeignText);
}
bool HasForeignField(const google::protobuf::Message& message) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i) {
    if (unknown.field(i).number() == kForeignField) return true;
  }
  return false;
}

template <typename Body>
Body BodyOf(const Envelope& envelope) {
  Body body;
  body.ParseFromString(envelope.body());
  return body;
}

std::string KindName(int kind) {
  const std::string name = exchange::v1::EnvelopeKind_Name(static_cast<EnvelopeKind>(kind));
  return name.empty() ? absl::StrCat("kind ", kind) : name.substr(sizeof("ENVELOPE_KIND_") - 1);
}

// Where an offer belongs.
Lane LaneFor(const OfferBody& body) {
  type::v1::OrderContent content;
  content.ParseFromString(body.content());
  return content.urgency() == type::v1::URGENCY_EMERGENCY ? LANE_EMERGENCY : LANE_ORDINARY;
}

// Sums of digests modulo 2^256, big-endian.
std::string Sum(std::string a, const std::string& b) {
  if (a.size() != 32 || b.size() != 32) return "";
  int carry = 0;
  for (size_t i = 32; i-- > 0;) {
    const int sum = static_cast<unsigned char>(a[i]) + static_cast<unsigned char>(b[i]) + carry;
    a[i] = static_cast<char>(sum & 0xff);
    carry = sum >> 8;
  }
  return a;
}

// A way to break an offer, each of which has to be answered with NOT_UNDERSTOOD.
struct Breakage {
  const char* what;
  void (*apply)(OfferBody* body);
  bool in_envelope = false;  // the envelope has the broken id too
  Lane lane = LANE_ORDINARY;
};

void SetContent(OfferBody* body, const std::function<void(type::v1::OrderContent*)>& change) {
  type::v1::OrderContent content;
  content.ParseFromString(body->content());
  change(&content);
  body->set_content(content.SerializeAsString());
}

const Breakage kBreakages[] = {
    {"without a handoff", [](OfferBody* body) { body->clear_handoff(); }},
    {"with another handoff.id than its envelope's",
     [](OfferBody* body) { body->mutable_handoff()->mutable_id()->insert(3, "X"); }},
    {"whose id holds no order id",
     [](OfferBody* body) {
       body->mutable_handoff()->set_id(absl::StrCat(body->handoff().from_hotline(), "-hello-1"));
     },
     /*in_envelope=*/true},
    {"whose id is in lower case",
     [](OfferBody* body) { absl::AsciiStrToLower(body->mutable_handoff()->mutable_id()); },
     /*in_envelope=*/true},
    {"with attempt 0", [](OfferBody* body) { body->mutable_handoff()->set_attempt(0); }},
    {"whose attempt is not the one in its id",
     [](OfferBody* body) { body->mutable_handoff()->set_attempt(2); }},
    {"from another giver", [](OfferBody* body) { body->mutable_handoff()->set_from_hotline("nobody"); }},
    {"for another taker", [](OfferBody* body) { body->mutable_handoff()->set_to_hotline("nobody"); }},
    {"without the number of the giver's order",
     [](OfferBody* body) { body->mutable_handoff()->clear_from_number(); }},
    {"whose number has 65 characters",
     [](OfferBody* body) { body->mutable_handoff()->set_from_number(std::string(65, '1')); }},
    {"with a note of 501 characters",
     [](OfferBody* body) { body->mutable_handoff()->set_note(std::string(501, 'x')); }},
    {"without an origin", [](OfferBody* body) { body->clear_origin_hotline(); }},
    {"with an origin of 33 characters",
     [](OfferBody* body) { body->set_origin_hotline(std::string(33, '1')); }},
    {"that the giver does not hold", [](OfferBody* body) { body->mutable_custody()->set_holder("nobody"); }},
    {"without an epoch", [](OfferBody* body) { body->mutable_custody()->clear_epoch(); }},
    {"in epoch 2^40 + 1", [](OfferBody* body) { body->mutable_custody()->set_epoch(kMaxEpoch + 1); }},
    {"without the time since when the giver holds",
     [](OfferBody* body) { body->mutable_custody()->clear_hold_time(); }},
    {"with a salt of 15 bytes", [](OfferBody* body) { body->mutable_content_salt()->pop_back(); }},
    {"without content", [](OfferBody* body) { body->clear_content(); }},
    {"with unreadable content", [](OfferBody* body) { body->set_content("\x0a\xff\xff"); }},
    {"without a type",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->clear_type(); }); }},
    {"without a channel",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->clear_channel(); }); }},
    {"without an urgency",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->clear_urgency(); }); }},
    {"without a title",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->clear_title(); }); }},
    {"with a title of 101 characters",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) { content->set_title(std::string(101, 'x')); });
     }},
    {"without a text",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->clear_text(); }); }},
    {"with a text of 9,000 characters",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) { content->set_text(std::string(9000, 'x')); });
     }},
    {"with a NUL in its text",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) { content->mutable_text()->push_back('\0'); });
     }},
    {"whose caller's phone is no number",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) {
         content->mutable_caller()->set_anonymous(false);
         content->mutable_caller()->set_phone("call me");
       });
     }},
    {"with the name of an anonymous caller",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) { content->mutable_caller()->set_name("nobody"); });
     }},
    {"with an address of 201 characters",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) { content->mutable_place()->set_address(std::string(201, 'x')); });
     }},
    {"whose lead unit is no code",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->set_lead_unit("A Unit"); }); }},
    {"with an assisting unit twice",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) {
         for (int i = 0; i < 2; ++i) content->add_assist_units("water");
       });
     }},
    {"with an attachment whose hash has 31 bytes",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) {
         content->add_attachments()->set_uri("https://peer.example/1");
         content->mutable_attachments(0)->set_sha256(std::string(31, 'h'));
       });
     }},
    {"without a caller",
     [](OfferBody* body) { SetContent(body, [](auto* content) { content->clear_caller(); }); }},
    {"of an emergency in the ordinary lane",
     [](OfferBody* body) {
       SetContent(body, [](auto* content) { content->set_urgency(type::v1::URGENCY_EMERGENCY); });
     }},
    {"of a normal order in the emergency lane", [](OfferBody*) {}, /*in_envelope=*/false, LANE_EMERGENCY},
};

CallerOptions WithSeen(CallerOptions options, Listener* listener) {
  if (listener != nullptr) {
    options.seen = [listener](Lane lane) { return listener->cursor(lane); };
  }
  return options;
}

class Kit {
 public:
  Kit(const KitOptions& options, Listener* listener, Desk* desk)
      : options_(options), listener_(listener), desk_(desk), caller_(WithSeen(options.caller, listener)) {}

  absl::StatusOr<std::vector<Finding>> Run(const std::function<void(const Finding&)>& on_finding);

 private:
  struct Check {
    std::string_view clause;
    Outcome (Kit::*run)();
  };
  static const std::vector<Check>& Checks();

  // An offer of this kit.
  struct Offered {
    std::string id;  // of the handoff
    OfferBody body;
    Envelope envelope;
    std::string number;  // at the target, once understood
  };

  const std::string& as() const { return options_.caller.as; }
  const std::string& to() const { return options_.caller.to; }

  // Not OK if the keys are not those that the kit was told of: then it would blame the target for that.
  absl::Status CheckKeys(const exchange::v1::GetLinkResponse& link);

  // What stands for all the clauses that watch every answer.
  std::optional<Outcome> Watched(std::string_view clause);

  OfferBody NewOfferBody(type::v1::Urgency urgency = type::v1::URGENCY_NORMAL);
  Offered MakeOffer(Lane lane, const OfferBody& body);
  Offered MakeOffer(Lane lane = LANE_ORDINARY) {
    return MakeOffer(
        lane, NewOfferBody(lane == LANE_EMERGENCY ? type::v1::URGENCY_EMERGENCY : type::v1::URGENCY_NORMAL));
  }
  // Delivers and makes sure that the cursor stands behind the last envelope.
  Outcome Take(Lane lane, const std::vector<Envelope>& envelopes);
  Outcome CursorIs(Lane lane, int64_t sequence, const std::string& after);
  Outcome Refused(const grpc::Status& status, StatusCode code, const std::string& reason,
                  const std::string& what);
  // As Refused, and the cursor stays at `before`.
  Outcome RefusedUnmoved(const DeliverRequest& request, StatusCode code, const std::string& reason,
                         const std::string& what);

  std::optional<Arrived> Await(const std::string& handoff_id, int kind, size_t skip = 0);
  std::optional<Arrived> AwaitNotUnderstood(const Envelope& of);
  std::vector<Envelope> ArrivedAbout(const std::string& handoff_id, int kind);
  Outcome Missing(const std::string& what);
  // An offer goes out and is understood.
  Outcome Understood(Offered* offer, Lane lane = LANE_ORDINARY);
  // An offer goes out; with a listener it is understood too, so that the target has made an order of it.
  Outcome Give(Offered* offer);
  // All that the target answered to what was delivered before is here.
  Outcome Fence(Lane lane = LANE_ORDINARY);
  // The answer to a recall of an order that was not given back tells its state.
  Outcome StateIs(const Offered& offer, type::v1::OrderState state, const std::string& after);
  Outcome RunDesk(const absl::Status& status);
  // Offers, and the desk accepts; the mirror of it.
  Outcome Accepted(Offered* offer, MirrorBody* mirror);
  // The desk offers, by `push`; what arrives. Answered with UNDERSTOOD.
  Outcome TargetOffers(const std::function<absl::Status()>& push, Arrived* offer, OfferBody* body);
  MirrorBody MirrorOf(const OfferBody& body, type::v1::OrderState state);

  Outcome Link1();
  Outcome Link2();
  Outcome Link3();
  Outcome Link4();
  Outcome Version1();
  Outcome Version2();
  Outcome Version3();
  Outcome Version4();
  Outcome Version5();
  Outcome Version6();
  Outcome Lane1();
  Outcome Lane2();
  Outcome Lane3();
  Outcome Lane4();
  Outcome Lane5();
  Outcome Chain1();
  Outcome Chain2();
  Outcome Chain3();
  Outcome Chain4();
  Outcome Chain5();
  Outcome Chain6();
  Outcome Chain8();
  Outcome Batch1();
  Outcome Batch2();
  Outcome Batch3();
  Outcome Batch4();
  Outcome Batch5();
  Outcome Batch6();
  Outcome Batch7();
  Outcome Batch8();
  Outcome Batch10();
  Outcome Receipt4();
  Outcome Time2();
  Outcome Time3();
  Outcome Sign1();
  Outcome Sign2();
  Outcome Sign3();
  Outcome Sign6();
  Outcome Sign7();
  Outcome Offer1();
  Outcome Offer2();
  Outcome Offer3();
  Outcome Offer4();
  Outcome Offer5();
  Outcome Offer6();
  Outcome Offer7();
  Outcome Kind1();
  Outcome Kind2();
  Outcome Kind3();
  Outcome Recall1();
  Outcome Recall2();
  Outcome Recall3();
  Outcome Recall4();
  Outcome Custody1();
  Outcome Custody2();
  Outcome Custody3();
  Outcome Custody4();
  Outcome Custody5();
  Outcome Unknown1();
  Outcome Unknown2();
  Outcome Unknown3();
  Outcome Send1();
  Outcome Send2();
  Outcome Send3();
  Outcome Send4();
  Outcome Send5();
  Outcome Send6();
  Outcome Backfill1();
  Outcome Backfill2();
  Outcome Backfill3();
  Outcome Backfill4();
  Outcome Reconcile1();
  Outcome Reconcile2();
  Outcome Reconcile3();

  // The parts of CHAIN: an envelope that the target must refuse. `at` is the sequence at fault.
  Outcome Forge(int which, std::map<std::string, std::string>* metadata, int64_t* at);
  std::optional<exchange::v1::RangeAnswer> Digest(int64_t first, int64_t last, Outcome* outcome);

  const KitOptions& options_;
  Listener* const listener_;
  Desk* const desk_;
  Caller caller_;
  int64_t last_id_ = 0;
  std::set<std::string> capabilities_;
  std::map<std::string, Lane> lane_of_;  // of the kit's handoffs
};

#define HOTLINE_NEED(outcome)                                     \
  if (Outcome need = (outcome); need.verdict != Verdict::kPass) { \
    return need;                                                  \
  }
#define HOTLINE_NEED_LISTENER() \
  if (listener_ == nullptr) return Skip("needs --listen")
#define HOTLINE_NEED_DESK() \
  if (listener_ == nullptr || desk_ == nullptr) return Skip("needs --listen, and --desk or --manual")
#define HOTLINE_NEED_KEY() \
  if (!options_.caller.key.has_value()) return Skip("needs --key, whose public half the target has")

// ---- Tools

OfferBody Kit::NewOfferBody(type::v1::Urgency urgency) {
  last_id_ = NextOrderId(last_id_, absl::Now());
  return NewOffer(as(), to(), last_id_, urgency);
}

Kit::Offered Kit::MakeOffer(Lane lane, const OfferBody& body) {
  Offered offer;
  offer.id = body.handoff().id();
  offer.body = body;
  offer.envelope = caller_.Make(lane, kOffer, offer.id, body.SerializeAsString());
  lane_of_[offer.id] = lane;
  return offer;
}

Outcome Kit::CursorIs(Lane lane, int64_t sequence, const std::string& after) {
  const std::optional<Head> position = caller_.Position(lane);
  if (!position.has_value()) return Fail("an answer of GetLink", "none");
  if (position->sequence == sequence) return Pass();
  return Fail(absl::StrCat("the ", NameOf(lane), " cursor at ", sequence, " after ", after),
              absl::StrCat("at ", position->sequence));
}

Outcome Kit::Take(Lane lane, const std::vector<Envelope>& envelopes) {
  const auto answer = caller_.Deliver(lane, envelopes);
  if (!answer.ok()) return Fail("a receipt", answer.refusal.Describe());
  return CursorIs(lane, envelopes.back().sequence(), "a good delivery");
}

Outcome Kit::Refused(const grpc::Status& status, StatusCode code, const std::string& reason,
                     const std::string& what) {
  const Refusal refusal = Read(status);
  Refusal expected;
  expected.code = code;
  expected.reason = reason;
  if (refusal.code == code && refusal.reason == reason) return Pass();
  return Fail(absl::StrCat(expected.Describe(), " for ", what), refusal.Describe());
}

Outcome Kit::RefusedUnmoved(const DeliverRequest& request, StatusCode code, const std::string& reason,
                            const std::string& what) {
  const std::optional<Head> before = caller_.Position(request.lane());
  if (!before.has_value()) return Fail("an answer of GetLink", "none");
  const auto answer = caller_.Send(request);
  HOTLINE_NEED(CursorIs(request.lane(), before->sequence, what));
  return Refused(answer.status, code, reason, what);
}

std::optional<Arrived> Kit::Await(const std::string& handoff_id, int kind, size_t skip) {
  return listener_->Await(
      [&](const Arrived& one) {
        return one.envelope.handoff_id() == handoff_id && one.envelope.kind() == kind;
      },
      options_.patience, skip);
}

std::optional<Arrived> Kit::AwaitNotUnderstood(const Envelope& of) {
  return listener_->Await(
      [&](const Arrived& one) {
        if (one.envelope.kind() != kNotUnderstood ||
            one.envelope.handoff_id() != of.handoff_id().substr(0, kMaxHandoffId)) {
          return false;
        }
        return BodyOf<NotUnderstoodBody>(one.envelope).sequence() == of.sequence();
      },
      options_.patience);
}

std::vector<Envelope> Kit::ArrivedAbout(const std::string& handoff_id, int kind) {
  std::vector<Envelope> found;
  for (const Arrived& one : listener_->all()) {
    if (one.envelope.handoff_id() == handoff_id && one.envelope.kind() == kind) found.push_back(one.envelope);
  }
  return found;
}

Outcome Kit::Missing(const std::string& what) {
  return Fail(absl::StrCat(what, " within ", absl::FormatDuration(options_.patience)), "nothing of the kind");
}

Outcome Kit::Understood(Offered* offer, Lane lane) {
  if (offer->id.empty()) *offer = MakeOffer(lane);
  HOTLINE_NEED(Take(lane, {offer->envelope}));
  const std::optional<Arrived> answer = Await(offer->id, kUnderstood);
  if (!answer.has_value()) {
    const std::vector<Envelope> refused = ArrivedAbout(offer->id, kNotUnderstood);
    if (refused.empty()) return Missing("UNDERSTOOD");
    const auto body = BodyOf<NotUnderstoodBody>(refused[0]);
    return Fail("UNDERSTOOD",
                absl::StrCat("NOT_UNDERSTOOD ", body.reason(), " ", body.field(), " ", body.message()));
  }
  offer->number = BodyOf<UnderstoodBody>(answer->envelope).to_number();
  return Pass();
}

Outcome Kit::Give(Offered* offer) {
  if (listener_ != nullptr) return Understood(offer);
  *offer = MakeOffer();
  return Take(LANE_ORDINARY, {offer->envelope});
}

Outcome Kit::Fence(Lane lane) {
  Offered fence;
  return Understood(&fence, lane);
}

Outcome Kit::StateIs(const Offered& offer, type::v1::OrderState state, const std::string& after) {
  exchange::v1::RecallBody body;
  body.set_reason("协议一致性测试：撤回");
  const size_t skip = listener_->arrived();
  HOTLINE_NEED(
      Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kRecall, offer.id, body.SerializeAsString())}));
  const std::optional<Arrived> answer = Await(offer.id, kRecallRefused, skip);
  const std::string expected = type::v1::OrderState_Name(state);
  if (!answer.has_value()) return Missing(absl::StrCat("RECALL_REFUSED with ", expected, " after ", after));
  const auto seen = BodyOf<RecallRefusedBody>(answer->envelope).state();
  if (seen == state) return Pass();
  return Fail(absl::StrCat("RECALL_REFUSED with ", expected, " after ", after),
              type::v1::OrderState_Name(seen));
}

Outcome Kit::RunDesk(const absl::Status& status) {
  if (status.ok()) return Pass();
  const std::string why(status.message());
  if (absl::IsUnimplemented(status)) return Skip(why);
  return Fail("the desk at the target can do this", why);
}

Outcome Kit::Accepted(Offered* offer, MirrorBody* mirror) {
  HOTLINE_NEED(Understood(offer));
  HOTLINE_NEED(RunDesk(desk_->Accept(offer->number)));
  const std::optional<Arrived> answer = Await(offer->id, kMirror);
  if (!answer.has_value()) return Missing("MIRROR of the acceptance");
  *mirror = BodyOf<MirrorBody>(answer->envelope);
  if (mirror->state() != type::v1::ORDER_STATE_ACCEPTED) {
    return Fail("MIRROR with ORDER_STATE_ACCEPTED", type::v1::OrderState_Name(mirror->state()));
  }
  return Pass();
}

// The kit's view of a handoff as a mirror's body: the offer's, moved to `state`.
MirrorBody Kit::MirrorOf(const OfferBody& body, type::v1::OrderState state) {
  MirrorBody mirror;
  mirror.set_state(state);
  *mirror.mutable_custody() = body.custody();
  *mirror.mutable_handoff() = body.handoff();
  mirror.mutable_event()->set_state(state);
  mirror.mutable_event()->mutable_actor()->set_hotline(as());
  mirror.mutable_event()->mutable_actor()->set_account("conformance");
  SetTime(absl::Now(), mirror.mutable_event()->mutable_commit_time());
  return mirror;
}

Outcome Kit::TargetOffers(const std::function<absl::Status()>& push, Arrived* offer, OfferBody* body) {
  const size_t skip = listener_->arrived();  // before: the offer may be here when the desk says it is made
  HOTLINE_NEED(RunDesk(push()));
  const std::optional<Arrived> arrived = listener_->Await(
      [](const Arrived& one) { return one.envelope.kind() == kOffer; }, options_.patience, skip);
  if (!arrived.has_value()) return Missing("OFFER");
  *offer = *arrived;
  *body = BodyOf<OfferBody>(offer->envelope);
  UnderstoodBody answer;
  answer.set_to_number(absl::StrCat(as(), "-", FormatOrderId(NextOrderId(last_id_, absl::Now()))));
  SetTime(absl::Now(), answer.mutable_receive_time());
  *answer.mutable_understand_time() = answer.receive_time();
  return Take(offer->lane, {caller_.Make(offer->lane, kUnderstood, offer->envelope.handoff_id(),
                                         answer.SerializeAsString())});
}

// ---- Links and versions

Outcome Kit::Link1() {
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {});
  request.set_from_hotline("nosuchpeer");
  HOTLINE_NEED(Refused(caller_.Send(request).status, StatusCode::PERMISSION_DENIED, "PEER_UNKNOWN",
                       "Deliver from a hotline that is no peer"));
  auto link = caller_.LinkRequest();
  link.set_from_hotline("nosuchpeer");
  return Refused(caller_.GetLink(link).status, StatusCode::PERMISSION_DENIED, "PEER_UNKNOWN",
                 "GetLink from a hotline that is no peer");
}

Outcome Kit::Link2() {
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  request.set_to_hotline("elsewhere");
  caller_.Sign(&request);
  HOTLINE_NEED(RefusedUnmoved(request, StatusCode::PERMISSION_DENIED, "PEER_UNKNOWN",
                              "Deliver meant for another hotline"));
  auto link = caller_.LinkRequest();
  link.set_to_hotline("elsewhere");
  return Refused(caller_.GetLink(link).status, StatusCode::PERMISSION_DENIED, "PEER_UNKNOWN",
                 "GetLink meant for another hotline");
}

Outcome Kit::Link3() {
  std::map<Lane, int64_t> arrived;
  if (listener_ != nullptr) {
    Fence();  // so that there is something to tell of, both ways
    for (const Lane lane : {LANE_ORDINARY, LANE_EMERGENCY}) arrived[lane] = listener_->cursor(lane);
  }
  for (const Lane lane : {LANE_ORDINARY, LANE_EMERGENCY}) {
    const auto receipt = caller_.Deliver(lane, {});
    const std::optional<Head> position = caller_.Position(lane);
    if (!position.has_value()) {
      return Fail(absl::StrCat("GetLink with the position of the ", NameOf(lane), " lane"), "none");
    }
    if (!receipt.ok()) return Fail("a receipt", receipt.refusal.Describe());
    if (receipt.response.receipt().received_through() != position->sequence ||
        receipt.response.receipt().head_hash() != position->hash) {
      return Fail(absl::StrCat(NameOf(lane), " at #", receipt.response.receipt().received_through(), " ",
                               Hex(receipt.response.receipt().head_hash()), ", as the receipt says"),
                  absl::StrCat("#", position->sequence, " ", Hex(position->hash)));
    }
  }
  const auto link = caller_.GetLink(caller_.LinkRequest());
  if (!link.ok()) return Fail("an answer of GetLink", link.refusal.Describe());
  for (const exchange::v1::LanePosition& position : link.response.lanes()) {
    if (position.outgoing_sequence() < arrived[position.lane()]) {
      return Fail(absl::StrCat("outgoing_sequence ", arrived[position.lane()], " or more in the ",
                               NameOf(position.lane()), " lane, as so much has come"),
                  absl::StrCat(position.outgoing_sequence()));
    }
    if (position.lane() != LANE_ORDINARY) continue;
    const exchange::v1::LinkReceipt& incoming = link.response.incoming();
    if (incoming.received_through() != position.incoming().received_through() ||
        incoming.head_hash() != position.incoming().head_hash()) {
      return Fail(absl::StrCat("`incoming` at #", position.incoming().received_through(), " ",
                               Hex(position.incoming().head_hash()), ", as the ordinary lane"),
                  absl::StrCat("#", incoming.received_through(), " ", Hex(incoming.head_hash())));
    }
    if (link.response.outgoing_sequence() != position.outgoing_sequence()) {
      return Fail(
          absl::StrCat("outgoing_sequence ", position.outgoing_sequence(), ", as the ordinary lane's"),
          absl::StrCat(link.response.outgoing_sequence()));
    }
  }
  return Pass();
}

Outcome Kit::Link4() {
  HOTLINE_NEED(Take(LANE_ORDINARY, {MakeOffer().envelope}));
  caller_.Reconnect();
  if (!caller_.Resume()) return Fail("an answer of GetLink on a new connection", "none");
  return Take(LANE_ORDINARY, {MakeOffer().envelope});
}

Outcome Kit::Version1() {
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  request.set_protocol_version(kForeignVersion);
  caller_.Sign(&request);
  return RefusedUnmoved(request, StatusCode::FAILED_PRECONDITION, "PROTOCOL_VERSION_UNSUPPORTED",
                        "Deliver in version 99");
}

Outcome Kit::Version2() {
  auto request = caller_.LinkRequest();
  request.set_protocol_version(kForeignVersion);
  request.add_supported_versions(kForeignVersion);
  const auto answer = caller_.GetLink(request);
  if (!answer.ok()) return Fail("version 1 for a caller that speaks 1 and 99", answer.refusal.Describe());
  if (answer.response.protocol_version() == 1) return Pass();
  return Fail("version 1 for a caller that speaks 1 and 99",
              absl::StrCat("version ", answer.response.protocol_version()));
}

Outcome Kit::Version3() {
  auto request = caller_.LinkRequest();
  request.set_protocol_version(kForeignVersion);
  request.clear_supported_versions();
  request.add_supported_versions(kForeignVersion);
  const auto answer = caller_.GetLink(request);
  HOTLINE_NEED(Refused(answer.status, StatusCode::FAILED_PRECONDITION, "PROTOCOL_VERSION_UNSUPPORTED",
                       "GetLink by a caller that speaks only version 99"));
  request.set_protocol_version(1);
  HOTLINE_NEED(Refused(caller_.GetLink(request).status, StatusCode::FAILED_PRECONDITION,
                       "PROTOCOL_VERSION_UNSUPPORTED",
                       "GetLink by a caller that wishes for version 1 but lists only 99"));
  const auto supported = answer.refusal.metadata.find("supported");
  if (supported != answer.refusal.metadata.end() && supported->second.find('1') != std::string::npos) {
    return Pass();
  }
  return Fail("metadata `supported` with the versions spoken",
              supported == answer.refusal.metadata.end() ? "none" : supported->second);
}

Outcome Kit::Version4() {
  auto request = caller_.LinkRequest();
  request.add_capabilities("x-unheard-of");
  const auto answer = caller_.GetLink(request);
  return answer.ok() ? Pass() : Fail("an answer", answer.refusal.Describe());
}

Outcome Kit::Version5() {
  const auto answer = caller_.GetLink(caller_.LinkRequest());
  if (!answer.ok()) return Fail("an answer", answer.refusal.Describe());
  const auto& versions = answer.response.supported_versions();
  if (std::find(versions.begin(), versions.end(), answer.response.protocol_version()) != versions.end()) {
    return Pass();
  }
  return Fail("supported_versions with the chosen one", answer.response.ShortDebugString().substr(0, 120));
}

Outcome Kit::Version6() {
  HOTLINE_NEED_LISTENER();
  listener_->SetForeignVersion(true);
  Offered offer = MakeOffer();
  const Outcome taken = Take(LANE_ORDINARY, {offer.envelope});
  const Listener::Refused before = listener_->refused_for_version();
  // The answer itself was refused; or who asks before it sends was refused twice, the first time perhaps with
  // what it asked about before there was an answer.
  const auto noticed = [&] {
    const Listener::Refused now = listener_->refused_for_version();
    return now.batches > before.batches || now.calls >= before.calls + 2;
  };
  const absl::Time until = absl::Now() + options_.patience;
  // Nothing may arrive meanwhile; the wait ends as soon as the target has been refused.
  while (!noticed() && absl::Now() < until) {
    listener_->Await([](const Arrived&) { return false; }, absl::Milliseconds(50), listener_->arrived());
  }
  const bool refused = noticed();
  listener_->SetForeignVersion(false);
  HOTLINE_NEED(taken);
  if (!refused) return Fail("the target calls a peer that speaks another version", "no call");
  if (!Await(offer.id, kUnderstood).has_value() && !Await(offer.id, kUnderstood).has_value()) {
    return Missing("UNDERSTOOD after the peer spoke version 1 again");
  }
  return Pass();
}

// ---- Lanes

Outcome Kit::Lane1() {
  const std::optional<Head> ordinary = caller_.Position(LANE_ORDINARY);
  const std::optional<Head> emergency = caller_.Position(LANE_EMERGENCY);
  if (!ordinary.has_value() || !emergency.has_value()) return Fail("both lanes in GetLink", "not both");
  HOTLINE_NEED(Take(LANE_EMERGENCY, {MakeOffer(LANE_EMERGENCY).envelope}));
  HOTLINE_NEED(CursorIs(LANE_ORDINARY, ordinary->sequence, "a delivery in the emergency lane"));
  HOTLINE_NEED(Take(LANE_ORDINARY, {MakeOffer(LANE_ORDINARY).envelope}));
  return CursorIs(LANE_EMERGENCY, emergency->sequence + 1, "a delivery in the ordinary lane");
}

Outcome Kit::Lane2() {
  const auto answer = caller_.Deliver(exchange::v1::LANE_UNSPECIFIED, {});
  if (!answer.ok()) return Fail("the ordinary lane's receipt", answer.refusal.Describe());
  const auto ordinary = caller_.Deliver(LANE_ORDINARY, {});
  if (answer.response.receipt().head_hash() == ordinary.response.receipt().head_hash()) return Pass();
  return Fail(absl::StrCat("the ordinary lane's receipt #", ordinary.response.receipt().received_through()),
              absl::StrCat("#", answer.response.receipt().received_through()));
}

Outcome Kit::Lane3() {
  Envelope forged = MakeOffer().envelope;
  forged.set_hash(std::string(32, 'x'));
  caller_.Deliver(LANE_ORDINARY, {forged});
  return Take(LANE_EMERGENCY, {MakeOffer(LANE_EMERGENCY).envelope});
}

Outcome Kit::Lane4() {
  HOTLINE_NEED_LISTENER();
  HOTLINE_NEED(Fence(LANE_EMERGENCY));
  std::map<std::string, Lane> lanes = lane_of_;
  for (const Arrived& one : listener_->all()) {
    if (one.envelope.kind() == kOffer) {
      const Lane lane = LaneFor(BodyOf<OfferBody>(one.envelope));
      if (lane != one.lane) {
        return Fail(absl::StrCat("the OFFER of ", one.envelope.handoff_id(), " in the ", NameOf(lane),
                                 " lane, by its urgency"),
                    absl::StrCat("it in the ", NameOf(one.lane), " lane"));
      }
    }
    const auto [known, inserted] = lanes.emplace(one.envelope.handoff_id(), one.lane);
    if (known->second != one.lane) {
      return Fail(
          absl::StrCat("all about ", one.envelope.handoff_id(), " in the ", NameOf(known->second), " lane"),
          absl::StrCat(KindName(one.envelope.kind()), " in the ", NameOf(one.lane), " lane"));
    }
  }
  return Pass();
}

Outcome Kit::Lane5() {
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  request.set_lane(static_cast<Lane>(7));
  caller_.Sign(&request);
  const std::optional<Head> before = caller_.Position(LANE_ORDINARY);
  const auto answer = caller_.Send(request);
  if (!before.has_value()) return Fail("an answer of GetLink", "none");
  HOTLINE_NEED(CursorIs(LANE_ORDINARY, before->sequence, "a delivery in lane 7"));
  return Refused(answer.status, StatusCode::INVALID_ARGUMENT, "ENUM_INVALID", "a delivery in lane 7");
}

// ---- The chain

Outcome Kit::Chain1() {
  bool fresh = false;
  for (const Lane lane : {LANE_ORDINARY, LANE_EMERGENCY}) {
    const std::optional<Head> position = caller_.Position(lane);
    if (!position.has_value()) return Fail("an answer of GetLink", "none");
    if (position->sequence > 0) continue;
    fresh = true;
    if (position->hash != StartOf(lane)) {
      return Fail(absl::StrCat("the ", NameOf(lane), " lane at ", Hex(StartOf(lane))), Hex(position->hash));
    }
  }
  return fresh ? Pass() : Skip("this link has a history");
}

Outcome Kit::Forge(int which, std::map<std::string, std::string>* metadata, int64_t* at) {
  Envelope envelope;
  std::string what;
  if (which == 4) {
    // Under the head's own sequence.
    const Head before = caller_.head(LANE_ORDINARY);
    const Envelope known = MakeOffer().envelope;
    HOTLINE_NEED(Take(LANE_ORDINARY, {known}));
    envelope = known;
    envelope.set_body(NewOfferBody().SerializeAsString());
    Chain(before.hash, &envelope);
    what = "other bytes under the head's sequence";
  } else {
    envelope = MakeOffer().envelope;
    if (which == 2) {
      envelope.mutable_hash()->front() = static_cast<char>(envelope.hash().front() ^ 1);
      what = "a wrong hash";
    } else {
      Chain(std::string(32, 'x'), &envelope);
      what = "an envelope behind another head";
    }
  }
  *at = envelope.sequence();
  const std::optional<Head> before = caller_.Position(LANE_ORDINARY);
  const auto answer = caller_.Deliver(LANE_ORDINARY, {envelope});
  *metadata = answer.refusal.metadata;
  HOTLINE_NEED(Refused(answer.status, StatusCode::DATA_LOSS, "LINK_FORKED", what));
  const std::optional<Head> after = caller_.Position(LANE_ORDINARY);
  if (!before.has_value() || !after.has_value()) return Fail("an answer of GetLink", "none");
  if (after->sequence == before->sequence && after->hash == before->hash) return Pass();
  return Fail(absl::StrCat("the cursor still at #", before->sequence), absl::StrCat("#", after->sequence));
}

Outcome Kit::Chain2() {
  std::map<std::string, std::string> metadata;
  int64_t at = 0;
  return Forge(2, &metadata, &at);
}
Outcome Kit::Chain3() {
  std::map<std::string, std::string> metadata;
  int64_t at = 0;
  return Forge(3, &metadata, &at);
}
Outcome Kit::Chain4() {
  std::map<std::string, std::string> metadata;
  int64_t at = 0;
  return Forge(4, &metadata, &at);
}

Outcome Kit::Chain5() {
  bool any = false;
  for (const int which : {2, 3, 4}) {
    if (!caller_.Resume()) return Fail("an answer of GetLink", "none");
    std::map<std::string, std::string> metadata;
    int64_t at = 0;
    if (Forge(which, &metadata, &at).verdict != Verdict::kPass) continue;
    any = true;
    const auto sequence = metadata.find("sequence");
    if (sequence == metadata.end() || sequence->second != absl::StrCat(at)) {
      return Fail(absl::StrCat("metadata `sequence` = ", at),
                  sequence == metadata.end() ? "none" : sequence->second);
    }
  }
  return any ? Pass() : Skip("the target refuses no forgery");
}

Outcome Kit::Chain6() {
  std::map<std::string, std::string> metadata;
  int64_t at = 0;
  if (Forge(2, &metadata, &at).verdict != Verdict::kPass) return Skip("the target refuses no forgery");
  if (!caller_.Resume()) return Fail("an answer of GetLink", "none");
  return Take(LANE_ORDINARY, {MakeOffer().envelope});
}

Outcome Kit::Chain8() {
  HOTLINE_NEED_LISTENER();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  const int64_t seen = ArrivedAbout(offer.id, kUnderstood)[0].seen_sequence();
  if (seen < offer.envelope.sequence() || seen > caller_.head(LANE_ORDINARY).sequence) {
    return Fail(absl::StrCat("seen_sequence ", offer.envelope.sequence(), " in the answer to that envelope"),
                absl::StrCat(seen));
  }
  const auto faults = listener_->faults();
  const auto fault = faults.find("X-CHAIN-8");
  return fault == faults.end() ? Pass() : Fail("a seen_sequence that never goes back", fault->second);
}

// ---- Batches and receipts

Outcome Kit::Batch1() {
  std::vector<Envelope> batch;
  for (int i = 0; i < 20; ++i) batch.push_back(MakeOffer().envelope);
  return Take(LANE_ORDINARY, batch);
}

Outcome Kit::Batch2() {
  const std::vector<Envelope> batch = {MakeOffer().envelope, MakeOffer().envelope};
  HOTLINE_NEED(Take(LANE_ORDINARY, batch));
  for (int i = 0; i < 3; ++i) {
    const auto again = caller_.Deliver(LANE_ORDINARY, batch);
    if (!again.ok()) return Fail("the receipt again", again.refusal.Describe());
  }
  return CursorIs(LANE_ORDINARY, batch.back().sequence(), "three repeats");
}

Outcome Kit::Batch3() {
  std::vector<Envelope> batch = {MakeOffer().envelope, MakeOffer().envelope};
  HOTLINE_NEED(Take(LANE_ORDINARY, batch));
  batch.push_back(MakeOffer().envelope);
  return Take(LANE_ORDINARY, batch);
}

Outcome Kit::Batch4() {
  const int64_t before = caller_.head(LANE_ORDINARY).sequence;
  MakeOffer();
  const auto answer = caller_.Deliver(LANE_ORDINARY, {MakeOffer().envelope});
  if (!answer.ok()) return Fail("the cursor for a batch behind a gap", answer.refusal.Describe());
  return CursorIs(LANE_ORDINARY, before, "a batch behind a gap");
}

Outcome Kit::Batch5() {
  std::vector<Envelope> batch = {MakeOffer().envelope, MakeOffer().envelope};
  MakeOffer();
  batch.push_back(MakeOffer().envelope);
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, batch);
  const auto answer = caller_.Send(request);
  if (!answer.ok()) return Fail("the cursor before the gap", answer.refusal.Describe());
  return CursorIs(LANE_ORDINARY, batch[1].sequence(), "a batch with a gap after its second envelope");
}

Outcome Kit::Batch6() {
  const int64_t before = caller_.head(LANE_ORDINARY).sequence;
  const Envelope first = MakeOffer().envelope;
  const Envelope second = MakeOffer().envelope;
  caller_.Deliver(LANE_ORDINARY, {second});
  HOTLINE_NEED(CursorIs(LANE_ORDINARY, before, "the second batch before the first"));
  HOTLINE_NEED(Take(LANE_ORDINARY, {first}));
  return Take(LANE_ORDINARY, {second});
}

Outcome Kit::Batch7() {
  for (const Lane lane : {LANE_ORDINARY, LANE_EMERGENCY}) {
    const auto answer = caller_.Deliver(lane, {});
    if (!answer.ok()) return Fail("a receipt", answer.refusal.Describe());
    if (!answer.response.has_receipt()) return Fail("a receipt", "an answer without one");
  }
  return Pass();
}

Outcome Kit::Batch8() {
  std::vector<Envelope> batch;
  for (int i = 0; i < 513; ++i) {
    batch.push_back(caller_.Make(LANE_ORDINARY, kRecall, absl::StrCat(as(), "-0000000000000-1"), ""));
  }
  return RefusedUnmoved(caller_.Batch(LANE_ORDINARY, batch), StatusCode::INVALID_ARGUMENT, "BATCH_TOO_LARGE",
                        "513 envelopes");
}

// As full as a batch may be, to the byte.
Outcome Kit::Batch10() {
  constexpr size_t kEnvelopes = 20;
  constexpr size_t kBody = kMaxBatchBytes / kEnvelopes - 200;
  const std::string id = NewOfferBody().handoff().id();
  std::vector<Envelope> batch;
  Head before;
  size_t bytes = 0;
  for (size_t i = 0; i < kEnvelopes; ++i) {
    before = caller_.head(LANE_ORDINARY);
    batch.push_back(caller_.Make(LANE_ORDINARY, kNotUnderstood, id, std::string(kBody, 'x')));
    bytes += batch.back().ByteSizeLong();
  }
  batch.back().mutable_body()->append(kMaxBatchBytes - bytes, 'x');
  Chain(before.hash, &batch.back());
  const DeliverRequest request = caller_.Batch(LANE_ORDINARY, batch);
  const auto answer = caller_.Send(request);
  if (!answer.ok()) {
    return Fail(absl::StrCat("a receipt for envelopes of ", BytesOf(request.envelopes()), " bytes"),
                answer.refusal.Describe());
  }
  return CursorIs(LANE_ORDINARY, batch.back().sequence(), "envelopes of 4 MiB");
}

Outcome Kit::Receipt4() {
  if (desk_ == nullptr) return Skip("needs --manual");
  Offered offer = MakeOffer();
  const auto answer = caller_.Deliver(LANE_ORDINARY, {offer.envelope});
  if (!answer.ok()) return Fail("a receipt", answer.refusal.Describe());
  if (answer.response.receipt().received_through() < offer.envelope.sequence()) {
    return Fail("a receipt for a good delivery", "a lower one");
  }
  HOTLINE_NEED(RunDesk(desk_->Restart()));
  const absl::Time until = absl::Now() + 2 * options_.patience;
  while (true) {
    const std::optional<Head> position = caller_.Position(LANE_ORDINARY);
    if (position.has_value()) {
      if (position->sequence >= offer.envelope.sequence()) return Pass();
      return Fail(absl::StrCat("the cursor at #", offer.envelope.sequence(), " or later"),
                  absl::StrCat("#", position->sequence, " after the restart"));
    }
    if (absl::Now() > until) return Fail("the target is back after its restart", "it is not");
  }
}

Outcome Kit::Time2() {
  for (const absl::Duration skew : {absl::Hours(87600), -absl::Hours(87600)}) {
    DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
    SetTime(absl::Now() + skew, request.mutable_send_time());
    caller_.Sign(&request);
    const auto answer = caller_.Send(request);
    if (!answer.ok()) return Fail("a receipt for a sender ten years off", answer.refusal.Describe());
    HOTLINE_NEED(CursorIs(LANE_ORDINARY, request.envelopes(0).sequence(), "a delivery ten years off"));
  }
  return Pass();
}

Outcome Kit::Time3() {
  HOTLINE_NEED_LISTENER();
  for (const absl::Duration skew : {absl::Hours(25), -absl::Hours(25)}) {
    OfferBody body = NewOfferBody();
    SetTime(absl::Now() + skew, body.mutable_handoff()->mutable_offer_time());
    SetTime(absl::Now() + skew + absl::Hours(2), body.mutable_handoff()->mutable_confirm_by_time());
    SetTime(absl::Now() + skew, body.mutable_custody()->mutable_hold_time());
    SetContent(&body, [&](auto* content) { SetTime(absl::Now() + skew, content->mutable_occur_time()); });
    Offered offer = MakeOffer(LANE_ORDINARY, body);
    HOTLINE_NEED(Understood(&offer));
  }
  return Pass();
}

// ---- Signatures

Outcome Kit::Sign1() {
  HOTLINE_NEED_KEY();
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  request.clear_statement();
  request.clear_signature();
  return RefusedUnmoved(request, StatusCode::FAILED_PRECONDITION, "SIGNATURE_MISSING", "an unsigned batch");
}

Outcome Kit::Sign2() {
  HOTLINE_NEED_KEY();
  const DeliverRequest good = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  DeliverRequest bent = good;
  std::string* value = bent.mutable_signature()->mutable_value();
  value->back() = static_cast<char>(value->back() ^ 1);
  HOTLINE_NEED(
      RefusedUnmoved(bent, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID", "a bent signature"));
  bent = good;
  bent.mutable_statement()->append("\xc0\x3e\x01", 3);
  HOTLINE_NEED(
      RefusedUnmoved(bent, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID", "a bent statement"));
  bent = good;
  bent.mutable_signature()->set_algorithm(good.signature().algorithm() ==
                                                  type::v1::SIGNATURE_ALGORITHM_ED25519
                                              ? type::v1::SIGNATURE_ALGORITHM_SM2_SM3
                                              : type::v1::SIGNATURE_ALGORITHM_ED25519);
  HOTLINE_NEED(RefusedUnmoved(bent, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                              "a signature that names another algorithm"));
  bent = good;
  *bent.mutable_signature() = options_.caller.key->Sign(kReceiptDomain, good.statement());
  return RefusedUnmoved(bent, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                        "a signature in another domain");
}

Outcome Kit::Sign3() {
  HOTLINE_NEED_KEY();
  const DeliverRequest earlier = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  HOTLINE_NEED(Take(LANE_ORDINARY, {earlier.envelopes(0)}));
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  request.set_statement(earlier.statement());
  *request.mutable_signature() = earlier.signature();
  HOTLINE_NEED(RefusedUnmoved(request, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                              "the statement of an earlier batch"));
  // A longer batch under the statement of its beginning.
  if (!caller_.Resume()) return Fail("an answer of GetLink", "none");
  const DeliverRequest shorter = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  DeliverRequest longer = shorter;
  *longer.add_envelopes() = MakeOffer().envelope;
  HOTLINE_NEED(RefusedUnmoved(longer, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                              "a statement about the first envelope of two"));
  // One field is wrong at a time, and the whole is signed afresh.
  const std::pair<const char*, std::function<void(exchange::v1::BatchStatement*)>> bends[] = {
      {"version", [](auto* s) { s->set_protocol_version(s->protocol_version() + 1); }},
      {"sender", [](auto* s) { s->set_from_hotline(s->from_hotline() + "x"); }},
      {"receiver", [](auto* s) { s->set_to_hotline(s->to_hotline() + "x"); }},
      {"lane", [](auto* s) { s->set_lane(LANE_EMERGENCY); }},
      {"first sequence", [](auto* s) { s->set_first_sequence(s->first_sequence() - 1); }},
      {"last sequence", [](auto* s) { s->set_last_sequence(s->last_sequence() + 1); }},
      {"previous hash", [](auto* s) { s->mutable_previous_hash()->back() ^= 1; }},
      {"head hash", [](auto* s) { s->mutable_head_hash()->back() ^= 1; }},
  };
  for (const auto& [field, bend] : bends) {
    exchange::v1::BatchStatement statement;
    statement.ParseFromString(shorter.statement());
    bend(&statement);
    DeliverRequest bent = shorter;
    bent.set_statement(statement.SerializeAsString());
    *bent.mutable_signature() = options_.caller.key->Sign(kBatchDomain, bent.statement());
    HOTLINE_NEED(RefusedUnmoved(bent, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                                absl::StrCat("a signed statement with another ", field)));
  }
  return Pass();
}

Outcome Kit::Sign6() {
  HOTLINE_NEED_KEY();
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  SignBatch(Key::Make(options_.caller.key->id()), &request);
  HOTLINE_NEED(RefusedUnmoved(request, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                              "a signature by a key that is not the sender's"));
  SignBatch(Key::Make("nobody-knows-it"), &request);
  return RefusedUnmoved(request, StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID",
                        "a signature under an unknown key id");
}

Outcome Kit::Sign7() {
  HOTLINE_NEED_KEY();
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {MakeOffer().envelope});
  // Field 1000, a varint, behind the known ones.
  request.mutable_statement()->append("\xc0\x3e\x01", 3);
  *request.mutable_signature() = options_.caller.key->Sign(kBatchDomain, request.statement());
  const auto answer = caller_.Send(request);
  if (!answer.ok()) return Fail("a receipt for a statement with an unknown field", answer.refusal.Describe());
  return CursorIs(LANE_ORDINARY, request.envelopes(0).sequence(), "a statement with an unknown field");
}

// ---- Offers

Outcome Kit::Offer1() {
  HOTLINE_NEED_LISTENER();
  for (const Lane lane : {LANE_ORDINARY, LANE_EMERGENCY}) {
    Offered offer;
    HOTLINE_NEED(Understood(&offer, lane));
    if (offer.number.empty()) return Fail("UNDERSTOOD with the order's number", "no number");
    const auto body = BodyOf<UnderstoodBody>(ArrivedAbout(offer.id, kUnderstood)[0]);
    if (!body.has_receive_time() || !body.has_understand_time()) {
      return Fail("UNDERSTOOD with both times", body.ShortDebugString());
    }
  }
  // What only the giver's own lists and clock could find fault with.
  OfferBody body = NewOfferBody();
  SetContent(&body, [](auto* content) {
    content->set_lead_unit("unit-of-the-giver");
    content->add_accused_units("unit-of-the-giver");
    content->mutable_catalogue()->set_item("an item of the giver's list");
    SetTime(absl::Now() + absl::Hours(72), content->mutable_occur_time());
  });
  Offered foreign = MakeOffer(LANE_ORDINARY, body);
  Outcome outcome = Understood(&foreign);
  if (outcome.verdict == Verdict::kFail) {
    absl::StrAppend(&outcome.expected, " for units and an item of the giver's lists, and a time to come");
  }
  return outcome;
}

Outcome Kit::Offer2() {
  HOTLINE_NEED_LISTENER();
  const std::string id = NewOfferBody().handoff().id();
  const Envelope broken = caller_.Make(LANE_ORDINARY, kOffer, id, "\x0a\xff\xff not a message");
  HOTLINE_NEED(Take(LANE_ORDINARY, {broken}));
  const std::optional<Arrived> answer = AwaitNotUnderstood(broken);
  if (!answer.has_value()) return Missing("NOT_UNDERSTOOD");
  const auto body = BodyOf<NotUnderstoodBody>(answer->envelope);
  if (body.kind() != kOffer || body.reason().empty()) {
    return Fail("NOT_UNDERSTOOD with the kind and a reason", body.ShortDebugString());
  }
  return Fence();
}

Outcome Kit::Offer3() {
  HOTLINE_NEED_LISTENER();
  for (const Breakage& breakage : kBreakages) {
    OfferBody body = NewOfferBody();
    std::string id = body.handoff().id();
    breakage.apply(&body);
    if (breakage.in_envelope) id = body.handoff().id();
    const Envelope broken = caller_.Make(breakage.lane, kOffer, id, body.SerializeAsString());
    HOTLINE_NEED(Take(breakage.lane, {broken}));
    const std::optional<Arrived> answer = AwaitNotUnderstood(broken);
    if (!answer.has_value()) {
      return Fail(absl::StrCat("NOT_UNDERSTOOD for an offer ", breakage.what),
                  ArrivedAbout(id, kUnderstood).empty() ? "nothing" : "UNDERSTOOD");
    }
    if (BodyOf<NotUnderstoodBody>(answer->envelope).reason().empty()) {
      return Fail(absl::StrCat("a reason for an offer ", breakage.what), "none");
    }
    if (answer->lane != breakage.lane) {
      return Fail(absl::StrCat("NOT_UNDERSTOOD in the lane of an offer ", breakage.what),
                  absl::StrCat("one in the ", NameOf(answer->lane), " lane"));
    }
  }
  return Fence();
}

Outcome Kit::Offer4() {
  HOTLINE_NEED_LISTENER();
  OfferBody body = NewOfferBody();
  body.GetReflection()->MutableUnknownFields(&body)->AddLengthDelimited(kForeignField,
                                                                        std::string(256 << 10, 'x'));
  const Envelope large = caller_.Make(LANE_ORDINARY, kOffer, body.handoff().id(), body.SerializeAsString());
  HOTLINE_NEED(Take(LANE_ORDINARY, {large}));
  if (!AwaitNotUnderstood(large).has_value()) return Missing("NOT_UNDERSTOOD");
  return Fence();
}

Outcome Kit::Offer5() {
  HOTLINE_NEED_LISTENER();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  HOTLINE_NEED(Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kOffer, offer.id, offer.envelope.body())}));
  HOTLINE_NEED(Fence());
  for (const Envelope& answer : ArrivedAbout(offer.id, kUnderstood)) {
    const std::string number = BodyOf<UnderstoodBody>(answer).to_number();
    if (number != offer.number) return Fail(absl::StrCat("one order, ", offer.number), number);
  }
  return Pass();
}

Outcome Kit::Offer6() {
  HOTLINE_NEED_LISTENER();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  for (int i = 0; i < 3; ++i) caller_.Deliver(LANE_ORDINARY, {offer.envelope});
  HOTLINE_NEED(Fence());
  const size_t answers = ArrivedAbout(offer.id, kUnderstood).size();
  return answers == 1 ? Pass() : Fail("one UNDERSTOOD", absl::StrCat(answers));
}

Outcome Kit::Offer7() {
  HOTLINE_NEED_DESK();
  Arrived offer{};
  OfferBody body;
  HOTLINE_NEED(TargetOffers([this] { return desk_->Push(); }, &offer, &body));
  const type::v1::Handoff& handoff = body.handoff();
  type::v1::OrderContent content;
  const std::string& id = offer.envelope.handoff_id();
  std::string fault;
  if (handoff.id() != id) fault = "handoff.id is not the envelope's";
  if (!IsHandoffId(id, to(), handoff.attempt())) fault = absl::StrCat("handoff id ", id);
  if (handoff.from_hotline() != to() || handoff.to_hotline() != as()) fault = "another giver or taker";
  if (handoff.attempt() < 1) fault = "no attempt";
  if (!HasLength(handoff.from_number(), 1, 64)) fault = "a number that is not 1 to 64 characters";
  if (!handoff.has_offer_time() || !handoff.has_confirm_by_time()) fault = "no offer or confirm-by time";
  if (!HasLength(handoff.note(), 0, 500)) fault = "a note of more than 500 characters";
  if (!IsHotline(body.origin_hotline())) fault = "an origin that is no hotline's code";
  if (body.content_salt().size() != 16) fault = "a salt that is not 16 bytes";
  if (body.custody().holder() != to() || !body.custody().has_hold_time()) {
    fault = "custody is not with the giver";
  }
  if (body.custody().epoch() < 1 || body.custody().epoch() > kMaxEpoch)
    fault = "an epoch that is not 1 to 2^40";
  if (!content.ParseFromString(body.content()) || content.type() == 0 || content.channel() == 0 ||
      content.urgency() == 0 || !content.has_caller()) {
    fault = "content without what is required";
  } else if (const std::optional<BrokenBound> broken = FindBrokenBound(content); broken.has_value()) {
    fault = absl::StrCat("content.", broken->field, " that is not ", broken->bound);
  } else if (LaneFor(body) != offer.lane) {
    fault = absl::StrCat("it in the ", NameOf(offer.lane), " lane");
  }
  return fault.empty() ? Pass() : Fail("a complete offer", fault);
}

// ---- Kinds and recalls

Outcome Kit::Kind1() {
  HOTLINE_NEED_LISTENER();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  const std::string long_id = offer.id + std::string(kMaxHandoffId, '0');
  for (const std::string& id : {offer.id, long_id}) {
    const Envelope strange = caller_.Make(LANE_ORDINARY, kForeignEnum, id, "whatever");
    HOTLINE_NEED(Take(LANE_ORDINARY, {strange}));
    const std::optional<Arrived> answer = AwaitNotUnderstood(strange);
    if (!answer.has_value()) {
      return Missing(absl::StrCat("NOT_UNDERSTOOD about ", id.substr(0, kMaxHandoffId)));
    }
    const auto body = BodyOf<NotUnderstoodBody>(answer->envelope);
    if (body.kind() != kForeignEnum) return Fail(absl::StrCat("kind ", kForeignEnum), KindName(body.kind()));
  }
  return Fence();
}

Outcome Kit::Kind2() {
  HOTLINE_NEED_LISTENER();
  const OfferBody unheard = NewOfferBody();
  const std::string& id = unheard.handoff().id();
  exchange::v1::RecallBody recall;
  recall.set_reason("协议一致性测试");
  UnderstoodBody understood;
  understood.set_to_number("1");
  for (const auto& [kind, bytes] : std::map<int, std::string>{
           {kRecall, recall.SerializeAsString()},
           {kUnderstood, understood.SerializeAsString()},
           {kMirror, MirrorOf(unheard, type::v1::ORDER_STATE_ACCEPTED).SerializeAsString()},
           {kRecallRefused, RecallRefusedBody().SerializeAsString()}}) {
    const Envelope envelope = caller_.Make(LANE_ORDINARY, kind, id, bytes);
    HOTLINE_NEED(Take(LANE_ORDINARY, {envelope}));
    const std::optional<Arrived> answer = AwaitNotUnderstood(envelope);
    if (!answer.has_value()) return Missing(absl::StrCat("NOT_UNDERSTOOD for ", KindName(kind)));
    const auto body = BodyOf<NotUnderstoodBody>(answer->envelope);
    if (body.reason() != "ORDER_NOT_FOUND" || body.kind() != kind) {
      return Fail(absl::StrCat("ORDER_NOT_FOUND for ", KindName(kind)),
                  absl::StrCat(body.reason(), " for ", KindName(body.kind())));
    }
  }
  return Fence();
}

Outcome Kit::Kind3() {
  HOTLINE_NEED_LISTENER();
  const std::string id = NewOfferBody().handoff().id();
  NotUnderstoodBody body;
  body.set_reason("FIELD_INVALID");
  body.set_sequence(1);
  body.set_kind(exchange::v1::ENVELOPE_KIND_MIRROR);
  const size_t skip = listener_->arrived();
  HOTLINE_NEED(Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kNotUnderstood, id, body.SerializeAsString()),
                                    caller_.Make(LANE_ORDINARY, kNotUnderstood, id, "\x0a\xff\xff")}));
  HOTLINE_NEED(Fence());
  const std::vector<Arrived> all = listener_->all();
  for (size_t i = skip; i < all.size(); ++i) {
    if (all[i].envelope.handoff_id() == id) return Fail("no answer", KindName(all[i].envelope.kind()));
  }
  return Pass();
}

Outcome Kit::Recall1() {
  HOTLINE_NEED_LISTENER();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  exchange::v1::RecallBody recall;
  recall.set_reason("协议一致性测试：撤回");
  HOTLINE_NEED(
      Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kRecall, offer.id, recall.SerializeAsString())}));
  const std::optional<Arrived> answer = Await(offer.id, kMirror);
  if (!answer.has_value()) return Missing("MIRROR of the recall");
  const auto body = BodyOf<MirrorBody>(answer->envelope);
  if (body.state() != type::v1::ORDER_STATE_RECALLED || body.custody().holder() != as() ||
      body.custody().epoch() != offer.body.custody().epoch() || !body.handoff().has_end_time()) {
    return Fail(absl::StrCat("RECALLED, held by ", as(), " in epoch ", offer.body.custody().epoch(),
                             ", with an end time"),
                absl::StrCat(type::v1::OrderState_Name(body.state()), ", held by ", body.custody().holder(),
                             " in epoch ", body.custody().epoch()));
  }
  return Pass();
}

Outcome Kit::Recall2() {
  HOTLINE_NEED_LISTENER();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  exchange::v1::RecallBody recall;
  recall.set_reason("协议一致性测试：撤回");
  HOTLINE_NEED(
      Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kRecall, offer.id, recall.SerializeAsString())}));
  return StateIs(offer, type::v1::ORDER_STATE_RECALLED, "a recall");
}

Outcome Kit::Recall3() {
  HOTLINE_NEED_DESK();
  Offered offer;
  MirrorBody mirror;
  HOTLINE_NEED(Accepted(&offer, &mirror));
  return StateIs(offer, type::v1::ORDER_STATE_ACCEPTED, "an acceptance");
}

Outcome Kit::Recall4() {
  HOTLINE_NEED_DESK();
  Arrived offer{};
  OfferBody body;
  HOTLINE_NEED(TargetOffers([this] { return desk_->Push(); }, &offer, &body));
  HOTLINE_NEED(RunDesk(desk_->Recall(body.handoff().from_number())));
  const std::string& id = offer.envelope.handoff_id();
  const std::optional<Arrived> recall = Await(id, kRecall);
  if (!recall.has_value()) return Missing("RECALL");
  MirrorBody mirror = MirrorOf(body, type::v1::ORDER_STATE_RECALLED);
  SetTime(absl::Now(), mirror.mutable_handoff()->mutable_end_time());
  mirror.mutable_event()->mutable_recalled()->set_handoff_id(id);
  HOTLINE_NEED(Take(recall->lane, {caller_.Make(recall->lane, kMirror, id, mirror.SerializeAsString())}));
  Arrived second{};
  OfferBody second_body;
  HOTLINE_NEED(
      TargetOffers([&] { return desk_->PushAgain(body.handoff().from_number()); }, &second, &second_body));
  // Not always the very next: a giver may leave numbers out.
  const int attempt = second_body.handoff().attempt();
  if (attempt > body.handoff().attempt() && IsHandoffId(second.envelope.handoff_id(), to(), attempt)) {
    return Pass();
  }
  return Fail(absl::StrCat("attempt ", body.handoff().attempt() + 1, " or later, as in the id"),
              absl::StrCat("attempt ", attempt, " in ", second.envelope.handoff_id()));
}

// ---- Custody

Outcome Kit::Custody1() {
  HOTLINE_NEED_DESK();
  Offered offer;
  MirrorBody mirror;
  HOTLINE_NEED(Accepted(&offer, &mirror));
  if (mirror.custody().holder() != to() || mirror.custody().epoch() != offer.body.custody().epoch() + 1 ||
      !mirror.custody().has_hold_time() || !mirror.handoff().has_accept_time() ||
      mirror.handoff().to_number() != offer.number) {
    return Fail(absl::StrCat("held by ", to(), " in epoch ", offer.body.custody().epoch() + 1,
                             " with accept time and number"),
                absl::StrCat("held by ", mirror.custody().holder(), " in epoch ", mirror.custody().epoch()));
  }
  return Pass();
}

Outcome Kit::Custody2() {
  HOTLINE_NEED_DESK();
  Offered offer;
  HOTLINE_NEED(Understood(&offer));
  HOTLINE_NEED(RunDesk(desk_->Return(offer.number)));
  const std::optional<Arrived> answer = Await(offer.id, kMirror);
  if (!answer.has_value()) return Missing("MIRROR of the return");
  const auto body = BodyOf<MirrorBody>(answer->envelope);
  if (body.state() != type::v1::ORDER_STATE_RETURNED || body.custody().holder() != as() ||
      body.handoff().returned().ground() == 0 || body.handoff().returned().reason().empty() ||
      !body.handoff().has_end_time()) {
    return Fail(absl::StrCat("RETURNED, held by ", as(), ", with ground, reason and end time"),
                absl::StrCat(type::v1::OrderState_Name(body.state()), ", held by ", body.custody().holder()));
  }
  return Pass();
}

Outcome Kit::Custody3() {
  HOTLINE_NEED_DESK();
  Offered offer;
  MirrorBody accepted;
  HOTLINE_NEED(Accepted(&offer, &accepted));
  // As if sent before the acceptance.
  const MirrorBody stale = MirrorOf(offer.body, type::v1::ORDER_STATE_RECALLED);
  HOTLINE_NEED(
      Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kMirror, offer.id, stale.SerializeAsString())}));
  return StateIs(offer, type::v1::ORDER_STATE_ACCEPTED, "a mirror of an older epoch");
}

Outcome Kit::Custody4() {
  HOTLINE_NEED_DESK();
  Offered offer;
  MirrorBody accepted;
  HOTLINE_NEED(Accepted(&offer, &accepted));
  MirrorBody wrong = MirrorOf(offer.body, type::v1::ORDER_STATE_REDO);
  *wrong.mutable_custody() = accepted.custody();
  wrong.mutable_custody()->set_holder(as());
  const Envelope envelope = caller_.Make(LANE_ORDINARY, kMirror, offer.id, wrong.SerializeAsString());
  HOTLINE_NEED(Take(LANE_ORDINARY, {envelope}));
  if (!AwaitNotUnderstood(envelope).has_value()) return Missing("NOT_UNDERSTOOD");
  return StateIs(offer, type::v1::ORDER_STATE_ACCEPTED, "a mirror with another holder");
}

Outcome Kit::Custody5() {
  HOTLINE_NEED_DESK();
  Offered offer;
  MirrorBody accepted;
  HOTLINE_NEED(Accepted(&offer, &accepted));
  HOTLINE_NEED(RunDesk(desk_->Finish(offer.number)));
  // What its units did before is mirrored too.
  const std::optional<Arrived> answer = listener_->Await(
      [&](const Arrived& one) {
        return one.envelope.handoff_id() == offer.id && one.envelope.kind() == kMirror &&
               BodyOf<MirrorBody>(one.envelope).state() == type::v1::ORDER_STATE_REPLIED;
      },
      options_.patience);
  if (!answer.has_value()) return Missing("MIRROR with ORDER_STATE_REPLIED");
  MirrorBody body = BodyOf<MirrorBody>(answer->envelope);
  if (body.reply().disposition() == 0 || body.reply().public_reply().empty() ||
      !body.reply().internal_reply().empty()) {
    return Fail("REPLIED, with disposition and public reply, without the internal one",
                absl::StrCat("disposition ", static_cast<int>(body.reply().disposition()), ", public reply ",
                             body.reply().public_reply().size(), " bytes, internal ",
                             body.reply().internal_reply().size()));
  }
  body.set_state(type::v1::ORDER_STATE_REDO);
  body.mutable_facts()->set_redo_count(body.facts().redo_count() + 1);
  body.clear_event();
  body.mutable_event()->set_state(body.state());
  body.mutable_event()->mutable_actor()->set_account("conformance");
  SetTime(absl::Now(), body.mutable_event()->mutable_commit_time());
  body.mutable_event()->mutable_redo_demanded()->set_reason("协议一致性测试：重办");
  HOTLINE_NEED(
      Take(LANE_ORDINARY, {caller_.Make(LANE_ORDINARY, kMirror, offer.id, body.SerializeAsString())}));
  return StateIs(offer, type::v1::ORDER_STATE_REDO, "a demand to redo");
}

// ---- What a later version may add

Outcome Kit::Unknown1() {
  Envelope envelope = MakeOffer().envelope;
  AddForeignField(&envelope);
  DeliverRequest request = caller_.Batch(LANE_ORDINARY, {envelope});
  AddForeignField(&request);
  const auto answer = caller_.Send(request);
  if (!answer.ok()) return Fail("a receipt", answer.refusal.Describe());
  return CursorIs(LANE_ORDINARY, envelope.sequence(), "a delivery with unknown fields");
}

Outcome Kit::Unknown2() {
  HOTLINE_NEED_LISTENER();
  OfferBody body = NewOfferBody();
  AddForeignField(&body);
  AddForeignField(body.mutable_handoff());
  AddForeignField(body.mutable_custody());
  body.mutable_handoff()->set_kind(static_cast<type::v1::HandoffKind>(kForeignEnum));
  SetContent(&body, [](auto* content) {
    content->set_type(static_cast<type::v1::OrderType>(kForeignEnum));
    content->set_channel(static_cast<type::v1::Channel>(kForeignEnum));
    content->set_urgency(static_cast<type::v1::Urgency>(kForeignEnum));
    AddForeignField(content);
    AddForeignField(content->mutable_caller());
  });
  Offered offer = MakeOffer(LANE_ORDINARY, body);
  return Understood(&offer);
}

Outcome Kit::Unknown3() {
  HOTLINE_NEED_DESK();
  OfferBody body = NewOfferBody();
  AddForeignField(body.mutable_handoff());
  Offered offer = MakeOffer(LANE_ORDINARY, body);
  MirrorBody mirror;
  HOTLINE_NEED(Accepted(&offer, &mirror));
  if (HasForeignField(mirror.handoff())) return Pass();
  return Fail("the handoff's unknown field in the mirror of its acceptance", "a handoff without it");
}

// ---- The target as sender

Outcome Kit::Send1() {
  HOTLINE_NEED_LISTENER();
  HOTLINE_NEED(Fence());
  return listener_->asked_link_first() ? Pass()
                                       : Fail("GetLink before the first envelopes", "envelopes first");
}

Outcome Kit::Send2() {
  HOTLINE_NEED_LISTENER();
  listener_->Play({Step::kLoseAnswer, Step::kLoseAnswer});
  Offered offer = MakeOffer();
  HOTLINE_NEED(Understood(&offer));
  HOTLINE_NEED(Fence());
  const auto faults = listener_->faults();
  const auto fault = faults.find("X-SEND-2");
  if (fault != faults.end()) return Fail("the same bytes again", fault->second);
  const size_t answers = ArrivedAbout(offer.id, kUnderstood).size();
  return answers == 1 ? Pass() : Fail("one UNDERSTOOD", absl::StrCat(answers));
}

Outcome Kit::Send3() {
  HOTLINE_NEED_LISTENER();
  listener_->Play({Step::kSlow});
  std::vector<Offered> offers;
  for (int i = 0; i < 3; ++i) {
    offers.emplace_back();
    HOTLINE_NEED(Understood(&offers.back()));
  }
  HOTLINE_NEED(Fence());
  for (const Offered& offer : offers) {
    const size_t answers = ArrivedAbout(offer.id, kUnderstood).size();
    if (answers != 1) return Fail("one UNDERSTOOD for each offer", absl::StrCat(answers));
  }
  return Pass();
}

Outcome Kit::Send4() {
  HOTLINE_NEED_LISTENER();
  const size_t before = listener_->deliveries().size();
  listener_->Play({Step::kRefuse, Step::kRefuse});
  Offered offer = MakeOffer();
  HOTLINE_NEED(Take(LANE_ORDINARY, {offer.envelope}));
  if (!Await(offer.id, kUnderstood).has_value() && !Await(offer.id, kUnderstood).has_value()) {
    return Missing("UNDERSTOOD after two refusals");
  }
  const std::vector<DeliveryIn> deliveries = listener_->deliveries();
  for (auto refused = deliveries.begin() + static_cast<std::ptrdiff_t>(before); refused != deliveries.end();
       ++refused) {
    if (refused->step != Step::kRefuse) continue;
    const auto next = std::find_if(refused + 1, deliveries.end(), [&](const DeliveryIn& delivery) {
      return delivery.lane == refused->lane;
    });
    if (next == deliveries.end() || next->time - refused->time >= kRetryAfter) continue;
    return Fail(absl::StrCat("nothing for ", absl::FormatDuration(kRetryAfter), ", as RetryInfo said"),
                absl::StrCat("the batch again after ", absl::FormatDuration(next->time - refused->time)));
  }
  return Pass();
}

Outcome Kit::Send5() {
  HOTLINE_NEED_LISTENER();
  HOTLINE_NEED(Fence());
  const size_t before = listener_->deliveries().size();
  listener_->Play({Step::kForget});
  Offered offer = MakeOffer();
  HOTLINE_NEED(Take(LANE_ORDINARY, {offer.envelope}));
  if (!Await(offer.id, kUnderstood).has_value() && !Await(offer.id, kUnderstood).has_value()) {
    return Missing("UNDERSTOOD after the kit forgot what it had received");
  }
  const std::vector<DeliveryIn> deliveries = listener_->deliveries();
  for (size_t i = before; i + 1 < deliveries.size(); ++i) {
    if (deliveries[i].step == Step::kForget && deliveries[i + 1].first < deliveries[i].first) return Pass();
  }
  return Fail("a delivery from behind the lower receipt", "none");
}

Outcome Kit::Send6() {
  HOTLINE_NEED_LISTENER();
  HOTLINE_NEED(Fence());
  listener_->Stop();
  Offered offer = MakeOffer();
  const Outcome taken = Take(LANE_ORDINARY, {offer.envelope});
  if (const absl::Status started = listener_->Start(); !started.ok()) {
    return Skip(absl::StrCat("the kit could not listen again: ", started.message()));
  }
  HOTLINE_NEED(taken);
  if (Await(offer.id, kUnderstood).has_value() || Await(offer.id, kUnderstood).has_value()) return Pass();
  return Missing("UNDERSTOOD after the kit was gone");
}

// ---- Backfill

Outcome Kit::Backfill1() {
  if (!capabilities_.contains("backfill")) return Skip("the target does not offer `backfill`");
  const int64_t start = caller_.head(LANE_ORDINARY).sequence;
  std::vector<Envelope> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(MakeOffer().envelope);
  HOTLINE_NEED(Take(LANE_ORDINARY, sent));
  std::vector<Envelope> got;
  for (int64_t after = start; got.size() < sent.size();) {
    const auto answer = caller_.Backfill(LANE_ORDINARY, after, 512);
    if (!answer.ok()) return Fail("the envelopes", answer.refusal.Describe());
    if (answer.response.envelopes().empty()) break;
    got.insert(got.end(), answer.response.envelopes().begin(), answer.response.envelopes().end());
    after = got.back().sequence();
  }
  if (got.size() != sent.size())
    return Fail(absl::StrCat(sent.size(), " envelopes"), absl::StrCat(got.size()));
  for (size_t i = 0; i < sent.size(); ++i) {
    if (got[i].sequence() != sent[i].sequence() || got[i].kind() != sent[i].kind() ||
        got[i].handoff_id() != sent[i].handoff_id() || got[i].body() != sent[i].body() ||
        got[i].previous_hash() != sent[i].previous_hash() || got[i].hash() != sent[i].hash()) {
      return Fail(absl::StrCat("#", sent[i].sequence(), " as it was sent"), "other bytes");
    }
  }
  return Pass();
}

Outcome Kit::Backfill2() {
  if (!capabilities_.contains("backfill")) return Skip("the target does not offer `backfill`");
  const auto answer = caller_.Backfill(LANE_ORDINARY, caller_.head(LANE_ORDINARY).sequence + 1, 10);
  return Refused(answer.status, StatusCode::OUT_OF_RANGE, "SEQUENCE_OUT_OF_RANGE",
                 "backfill after a sequence beyond the cursor");
}

Outcome Kit::Backfill3() {
  if (!capabilities_.contains("backfill")) return Skip("the target does not offer `backfill`");
  const int64_t start = caller_.head(LANE_ORDINARY).sequence;
  HOTLINE_NEED(Take(LANE_ORDINARY, {MakeOffer().envelope, MakeOffer().envelope, MakeOffer().envelope}));
  const auto answer = caller_.Backfill(LANE_ORDINARY, start, 2);
  if (!answer.ok()) return Fail("two envelopes", answer.refusal.Describe());
  if (answer.response.envelopes_size() > 2 || answer.response.envelopes_size() < 1 ||
      answer.response.envelopes(0).sequence() != start + 1) {
    return Fail(absl::StrCat("one or two envelopes from #", start + 1),
                absl::StrCat(answer.response.envelopes_size(), " envelopes"));
  }
  for (const int limit : {0, kMaxEnvelopes + 1}) {
    HOTLINE_NEED(Refused(caller_.Backfill(LANE_ORDINARY, start, limit).status, StatusCode::INVALID_ARGUMENT,
                         "BATCH_TOO_LARGE", absl::StrCat("a limit of ", limit)));
  }
  return Pass();
}

Outcome Kit::Backfill4() {
  HOTLINE_NEED_KEY();
  if (!capabilities_.contains("backfill")) return Skip("the target does not offer `backfill`");
  const int64_t start = caller_.head(LANE_ORDINARY).sequence;
  const std::vector<Envelope> sent = {MakeOffer().envelope, MakeOffer().envelope};
  HOTLINE_NEED(Take(LANE_ORDINARY, sent));
  const auto answer = caller_.Backfill(LANE_ORDINARY, start, 512);
  if (!answer.ok()) return Fail("the envelopes", answer.refusal.Describe());
  for (const exchange::v1::SignedBatch& batch : answer.response.batches()) {
    exchange::v1::BatchStatement statement;
    if (!statement.ParseFromString(batch.statement()) ||
        statement.last_sequence() != sent.back().sequence()) {
      continue;
    }
    if (statement.head_hash() == sent.back().hash() &&
        options_.caller.key->Verifies(kBatchDomain, batch.statement(), batch.signature())) {
      return Pass();
    }
    return Fail("the batch as it was signed", "another statement or signature");
  }
  return Fail("the signed batch of the envelopes", absl::StrCat(answer.response.batches_size(), " others"));
}

// ---- Reconciliation

std::optional<exchange::v1::RangeAnswer> Kit::Digest(int64_t first, int64_t last, Outcome* outcome) {
  exchange::v1::ReconcileRequest request;
  request.set_protocol_version(1);
  request.set_from_hotline(as());
  request.set_to_hotline(to());
  exchange::v1::DigestRange* range = request.add_ranges();
  range->set_giver(as());
  range->set_first_order_id(first);
  range->set_last_order_id(last);
  const auto answer = caller_.Reconcile(request);
  if (!answer.ok()) {
    *outcome = Fail("an answer to Reconcile", answer.refusal.Describe());
    return std::nullopt;
  }
  if (answer.response.answers_size() != 1) {
    *outcome = Fail("one answer for one range", absl::StrCat(answer.response.answers_size()));
    return std::nullopt;
  }
  return answer.response.answers(0);
}

Outcome Kit::Reconcile1() {
  if (!capabilities_.contains("reconcile")) return Skip("the target does not offer `reconcile`");
  constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  Outcome outcome;
  // What was offered before counts before.
  Offered offer;
  HOTLINE_NEED(Give(&offer));
  const auto before = Digest(0, kAll, &outcome);
  if (!before.has_value()) return outcome;
  for (int i = 0; i < 2; ++i) {
    Offered more;
    HOTLINE_NEED(Give(&more));
  }
  const auto after = Digest(0, kAll, &outcome);
  if (!after.has_value()) return outcome;
  if (after->whole().count() == before->whole().count() + 2) return Pass();
  return Fail(absl::StrCat(before->whole().count() + 2, " handoffs after two more offers"),
              absl::StrCat(after->whole().count()));
}

Outcome Kit::Reconcile2() {
  if (!capabilities_.contains("reconcile")) return Skip("the target does not offer `reconcile`");
  Offered offer;
  HOTLINE_NEED(Give(&offer));
  const int64_t order_id = last_id_;
  int64_t first = 0;
  int64_t last = std::numeric_limits<int64_t>::max();
  // 2^63 ids in parts of a 32nd: at most 14 steps down to single ids.
  for (int depth = 0; depth < 14; ++depth) {
    Outcome outcome;
    const auto answer = Digest(first, last, &outcome);
    if (!answer.has_value()) return outcome;
    int64_t count = 0;
    std::string sum(32, '\0');
    const exchange::v1::RangeDigest* next = nullptr;
    for (const exchange::v1::RangeDigest& part : answer->parts()) {
      count += part.count();
      sum = Sum(sum, part.digest());
      if (part.range().first_order_id() <= order_id && order_id <= part.range().last_order_id()) next = &part;
    }
    bool found = false;
    for (const exchange::v1::SharedItem& item : answer->items()) {
      ++count;
      sum = Sum(sum, item.digest());
      found = found || item.handoff_id() == offer.id;
    }
    if (count != answer->whole().count() || sum != answer->whole().digest()) {
      return Fail(absl::StrCat(answer->whole().count(), " handoffs, digest ", Hex(answer->whole().digest())),
                  absl::StrCat(count, " handoffs, digest ", Hex(sum)));
    }
    if (found) return Pass();
    if (next == nullptr) return Fail(absl::StrCat(offer.id, " in a part or an item"), "it is in none");
    first = next->range().first_order_id();
    last = next->range().last_order_id();
  }
  return Fail("the handoff as an item", "parts without end");
}

Outcome Kit::Reconcile3() {
  if (!capabilities_.contains("reconcile")) return Skip("the target does not offer `reconcile`");
  exchange::v1::ReconcileRequest request;
  request.set_protocol_version(1);
  request.set_from_hotline(as());
  request.set_to_hotline(to());
  exchange::v1::DigestRange* range = request.add_ranges();
  range->set_giver(as());
  range->set_first_order_id(5);
  range->set_last_order_id(36);
  HOTLINE_NEED(Refused(caller_.Reconcile(request).status, StatusCode::INVALID_ARGUMENT, "FIELD_INVALID",
                       "the range 5 to 36"));
  range->set_first_order_id(0);
  range->set_last_order_id(31);
  for (int i = 0; i < 256; ++i) *request.add_ranges() = request.ranges(0);
  return Refused(caller_.Reconcile(request).status, StatusCode::INVALID_ARGUMENT, "BATCH_TOO_LARGE",
                 "257 ranges");
}

// ---- All of them

const std::vector<Kit::Check>& Kit::Checks() {
  static const auto* const kChecks = new std::vector<Check>{
      {"X-CHAIN-1", &Kit::Chain1},  // before anything is sent
      {"X-LINK-1", &Kit::Link1},
      {"X-LINK-2", &Kit::Link2},
      {"X-LINK-3", &Kit::Link3},
      {"X-LINK-4", &Kit::Link4},
      {"X-VERSION-1", &Kit::Version1},
      {"X-VERSION-2", &Kit::Version2},
      {"X-VERSION-3", &Kit::Version3},
      {"X-VERSION-4", &Kit::Version4},
      {"X-VERSION-5", &Kit::Version5},
      {"X-LANE-1", &Kit::Lane1},
      {"X-LANE-2", &Kit::Lane2},
      {"X-LANE-3", &Kit::Lane3},
      {"X-LANE-5", &Kit::Lane5},
      {"X-CHAIN-2", &Kit::Chain2},
      {"X-CHAIN-3", &Kit::Chain3},
      {"X-CHAIN-4", &Kit::Chain4},
      {"X-CHAIN-5", &Kit::Chain5},
      {"X-CHAIN-6", &Kit::Chain6},
      {"X-BATCH-1", &Kit::Batch1},
      {"X-BATCH-2", &Kit::Batch2},
      {"X-BATCH-3", &Kit::Batch3},
      {"X-BATCH-4", &Kit::Batch4},
      {"X-BATCH-5", &Kit::Batch5},
      {"X-BATCH-6", &Kit::Batch6},
      {"X-BATCH-7", &Kit::Batch7},
      {"X-BATCH-8", &Kit::Batch8},
      {"X-BATCH-10", &Kit::Batch10},  // of what has no answer
      {"X-TIME-2", &Kit::Time2},
      {"X-TIME-3", &Kit::Time3},
      {"X-SIGN-1", &Kit::Sign1},
      {"X-SIGN-2", &Kit::Sign2},
      {"X-SIGN-3", &Kit::Sign3},
      {"X-SIGN-6", &Kit::Sign6},
      {"X-SIGN-7", &Kit::Sign7},
      {"X-SEND-1", &Kit::Send1},
      {"X-OFFER-1", &Kit::Offer1},
      {"X-OFFER-2", &Kit::Offer2},
      {"X-OFFER-3", &Kit::Offer3},
      {"X-OFFER-4", &Kit::Offer4},
      {"X-OFFER-5", &Kit::Offer5},
      {"X-OFFER-6", &Kit::Offer6},
      {"X-OFFER-7", &Kit::Offer7},
      {"X-KIND-1", &Kit::Kind1},
      {"X-KIND-2", &Kit::Kind2},
      {"X-KIND-3", &Kit::Kind3},
      {"X-RECALL-1", &Kit::Recall1},
      {"X-RECALL-2", &Kit::Recall2},
      {"X-RECALL-3", &Kit::Recall3},
      {"X-RECALL-4", &Kit::Recall4},
      {"X-CUSTODY-1", &Kit::Custody1},
      {"X-CUSTODY-2", &Kit::Custody2},
      {"X-CUSTODY-3", &Kit::Custody3},
      {"X-CUSTODY-4", &Kit::Custody4},
      {"X-CUSTODY-5", &Kit::Custody5},
      {"X-UNKNOWN-1", &Kit::Unknown1},
      {"X-UNKNOWN-2", &Kit::Unknown2},
      {"X-UNKNOWN-3", &Kit::Unknown3},
      {"X-SEND-5", &Kit::Send5},
      {"X-SEND-2", &Kit::Send2},  // behind what makes the target send again
      {"X-SEND-3", &Kit::Send3},
      {"X-SEND-4", &Kit::Send4},
      {"X-SEND-6", &Kit::Send6},
      {"X-VERSION-6", &Kit::Version6},
      {"X-LANE-4", &Kit::Lane4},
      {"X-CHAIN-8", &Kit::Chain8},
      {"X-BACKFILL-1", &Kit::Backfill1},
      {"X-BACKFILL-2", &Kit::Backfill2},
      {"X-BACKFILL-3", &Kit::Backfill3},
      {"X-BACKFILL-4", &Kit::Backfill4},
      {"X-RECONCILE-1", &Kit::Reconcile1},
      {"X-RECONCILE-2", &Kit::Reconcile2},
      {"X-RECONCILE-3", &Kit::Reconcile3},
      {"X-RECEIPT-4", &Kit::Receipt4},
  };
  return *kChecks;
}

std::optional<Outcome> Kit::Watched(std::string_view clause) {
  const auto judge = [&](const std::map<std::string, std::string>& faults, int seen) -> Outcome {
    const auto fault = faults.find(std::string(clause));
    if (fault != faults.end()) return Fail("as the clause says, in every answer", fault->second);
    return seen > 0 ? Pass() : Skip("nothing of the kind was seen");
  };
  if (clause == "X-RECEIPT-1" || clause == "X-RECEIPT-2" || clause == "X-RECEIPT-3" ||
      clause == "X-RECEIPT-5" || clause == "X-TIME-1") {
    return judge(caller_.faults(), caller_.receipts());
  }
  if (clause == "X-ERROR-1") return judge(caller_.faults(), caller_.refusals());
  if (clause == "X-SIGN-4") {
    if (!options_.caller.target_key.has_value()) return Skip("needs --peer-key, the target's public key");
    return judge(caller_.faults(), caller_.receipts());
  }
  if (clause == "X-CHAIN-7" || clause == "X-BATCH-9" || clause == "X-SIGN-5") {
    if (listener_ == nullptr) return Skip("needs --listen");
    if (clause == "X-SIGN-5" && !options_.caller.target_key.has_value()) {
      return Skip("needs --peer-key, the target's public key");
    }
    return judge(listener_->faults(), static_cast<int>(listener_->arrived()));
  }
  return std::nullopt;
}

absl::Status Kit::CheckKeys(const exchange::v1::GetLinkResponse& link) {
  if (options_.caller.target_key.has_value()) {
    const std::string& expected = options_.caller.target_key->id();
    for (const exchange::v1::LanePosition& position : link.lanes()) {
      const std::string& id = position.incoming().signature().key_id();
      if (id.empty() || id == expected) continue;
      return absl::FailedPreconditionError(absl::StrCat(to(), " signed under key id '", id, "', expected '",
                                                        expected, "': --peer-key-id says which"));
    }
  }
  if (!options_.caller.key.has_value()) return absl::OkStatus();
  // Behind a gap it changes nothing. By a caller of its own: none of this is judged.
  Caller probe(options_.caller);
  if (!probe.Resume()) return absl::OkStatus();
  const std::string id = NewOfferBody().handoff().id();
  probe.Make(LANE_ORDINARY, kRecall, id, "");
  const auto answer = probe.Deliver(LANE_ORDINARY, {probe.Make(LANE_ORDINARY, kRecall, id, "")});
  if (answer.refusal.reason != "SIGNATURE_INVALID") return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      to(), " refuses what is signed under key id '", options_.caller.key->id(),
      "': --key and --key-id must be what it has of ", as(), ". It says: ", answer.refusal.Describe()));
}

absl::StatusOr<std::vector<Finding>> Kit::Run(const std::function<void(const Finding&)>& on_finding) {
  const auto link = caller_.GetLink(caller_.LinkRequest());
  if (!link.ok()) {
    // A call that waits for a connection does not hear why there is none.
    std::string why;
    if (link.refusal.code == StatusCode::DEADLINE_EXCEEDED) why = caller_.ConnectionError();
    if (why.empty()) why = link.refusal.Describe();
    return absl::UnavailableError(absl::StrCat(options_.caller.target, " does not answer GetLink from ", as(),
                                               " to ", to(), ": ", why));
  }
  if (absl::Status status = CheckKeys(link.response); !status.ok()) return status;
  capabilities_ = {link.response.capabilities().begin(), link.response.capabilities().end()};

  std::map<std::string_view, Outcome> outcomes;
  const auto wanted = [this](std::string_view clause) {
    return !options_.only.has_value() || std::regex_search(std::string(clause), *options_.only);
  };
  const auto note = [&](const Clause& clause, Outcome outcome) {
    if (on_finding) on_finding({clause, outcome});
    outcomes.emplace(clause.name, std::move(outcome));
  };
  const auto clause_of = [](std::string_view name) {
    for (const Clause& clause : Clauses()) {
      if (clause.name == name) return clause;
    }
    return Clause{name, ""};
  };
  std::string_view before = "the start";
  std::string gone_since;
  for (const Check& check : Checks()) {
    if (!wanted(check.clause)) continue;
    if (listener_ != nullptr) listener_->Play({});
    if (!gone_since.empty()) {
      note(clause_of(check.clause), Skip(absl::StrCat("the target does not answer since ", gone_since)));
      continue;
    }
    if (!caller_.Resume()) {
      gone_since = std::string(before);
      note(clause_of(check.clause), Fail("an answer of GetLink", absl::StrCat("none since ", gone_since)));
      continue;
    }
    before = check.clause;
    note(clause_of(check.clause), (this->*check.run)());
  }
  for (const Clause& clause : Clauses()) {
    if (!wanted(clause.name)) continue;
    if (std::optional<Outcome> outcome = Watched(clause.name); outcome.has_value()) {
      note(clause, *std::move(outcome));
    }
  }
  std::vector<Finding> findings;
  for (const Clause& clause : Clauses()) {
    if (const auto outcome = outcomes.find(clause.name); outcome != outcomes.end()) {
      findings.push_back({clause, outcome->second});
    }
  }
  return findings;
}

}  // namespace

absl::StatusOr<std::vector<Finding>> RunKit(const KitOptions& options, Listener* listener, Desk* desk,
                                            const std::function<void(const Finding&)>& on_finding) {
  return Kit(options, listener, desk).Run(on_finding);
}

}  // namespace hotline::conformance
