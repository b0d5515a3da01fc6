// The life of an order as pure functions: given an order and something that happened, what is true after,
// what the log says of it, and what peers must be told. Nothing here reads a clock, a store or a network.
//
// The state machine in one table is in decide.cc (`kRules`); its words are those of
// proto/hotline/type/v1/command.proto, and tests/services/work_order/core/decide_test.cc walks command ×
// state.
#ifndef SERVICES_WORK_ORDER_CORE_DECIDE_H_
#define SERVICES_WORK_ORDER_CORE_DECIDE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::work_order {

// The only account whose commands may take a step of the ladder (Command.escalation).
inline constexpr char kEscalationAccount[] = "service/escalation";

// What a site is, as far as decisions need it. Fixed after boot.
struct Site {
  std::string hotline;
  absl::flat_hash_set<std::string> peers;
  // Known unit codes. Empty: every well-formed code is accepted.
  absl::flat_hash_set<std::string> units;
  // How long an offer may stay silent, by urgency (normal, urgent, emergency).
  absl::Duration confirm_within[3] = {absl::Hours(2), absl::Minutes(30), absl::Minutes(3)};
};

// Identity prepared for an order that a decision may create. Drawn before the decision so that it stays pure.
struct NewOrder {
  std::string id;
  std::string number;
  std::string content_salt;  // 16 bytes
};

// An envelope that a change owes to `peer`. The committer numbers, chains and stores it. For a MIRROR, `peer`
// is the other site of the order's handoff, which configuration may have dropped since.
struct EnvelopeDraft {
  std::string peer;
  std::string handoff_id;
  exchange::v1::EnvelopeKind kind = exchange::v1::ENVELOPE_KIND_UNSPECIFIED;
  // Serialized body. For an OFFER: without `content`, which the committer appends from the order's stored
  // bytes.
  std::string body;
};

// A transition as a value. Committed whole or not at all.
struct Change {
  // The order after, without content. `version` and `update_time` are set; `last_event_sequence` is the
  // committer's.
  type::v1::WorkOrder after;
  // True if the order did not exist before. Then `content` is to be stored with it.
  bool creates = false;
  // Serialized OrderContent when `creates`; from an offer byte for byte, fields unknown here included.
  std::string content;
  // The caller's number when `creates`, normalized for exact matching. Empty if unknown.
  std::string caller_phone;
  // Exactly one event, without `sequence` and `previous_order_sequence`, which are the committer's.
  type::v1::Event event;
  std::vector<EnvelopeDraft> envelopes;
};

// Decides a command. `before` is null for a command that registers; `fresh` is then used. The command's
// header is validated here too (request id, actor, expected version). Checks come in this order: header, the
// action's fields, existence, version, role, state, suspension, units. `command.traceparent` goes into the
// event as it is.
//
// Moves of custody: an acceptance by the receiver of a handoff (to it), a return after acceptance (to the
// giver), call-back and close (to the origin), redo (to the hotline that gave the reply). The epoch grows by
// one exactly when the holder is another than before. A push beyond the ninth drops the oldest of
// `past_handoffs`; the log keeps it.
//
// Errors: every reason of the catalogue that a command can have. Field paths are relative to the command's
// action message as the client sends it: `content.title`, `offer.to_hotline`, `header.request_id`,
// `completion.reply.public_reply`.
absl::StatusOr<Change> Decide(const type::v1::WorkOrder* before, const type::v1::Command& command,
                              const NewOrder& fresh, const Site& site, absl::Time now);

// What an envelope from `peer` came to.
struct Received {
  // A change of an order here; absent if the envelope only called for an answer, or for nothing.
  bool changes = false;
  Change change;
  // Answers without a change (NOT_UNDERSTOOD, RECALL_REFUSED).
  std::vector<EnvelopeDraft> envelopes;
};

// Decides an envelope that a peer sent. Never fails: what cannot be understood is answered with
// NOT_UNDERSTOOD (an envelope of that kind is itself never answered so), because a link must not stop for one
// bad envelope. `before` is the order with this handoff id at this site, or null. Every change that comes out
// is sound (see Unsound).
//
// An offer makes a new order here unless this very handoff is known, also when the matter once was an order
// of this site or was offered before: a second attempt, or a matter that comes back, has a handoff id of its
// own and is linked by that.
//
// A mirror is installed if its sender may make that move: the receiver of the handoff works on the order
// until it has replied, then the origin's side calls back, demands a redo or closes. A mirror with an older
// custody epoch than this site's changes nothing. Overdue, reminded, urged, secret and the giver's pending
// recall stay this site's own; so do the parts of the handoff that this site stamps, the internal reply and
// the call-back's note. A mirror that a reconciliation sends again (`resync`) is installed whatever this
// site's state is, if its sender holds the order or has ended the handoff; it changes nothing where both
// sites agree already.
Received DecideEnvelope(const type::v1::WorkOrder* before, const exchange::v1::Envelope& envelope,
                        std::string_view peer, const NewOrder& fresh, const Site& site, absl::Time now);

// Decides the first receipt: the peer durably received the offer with `handoff_id` at `receive_time` (its
// clock). Nothing changes (`changes` is false) if the order is no longer OFFERED in that handoff.
Received DecideReceipt(const type::v1::WorkOrder& before, std::string_view handoff_id,
                       absl::Time receive_time, const Site& site, absl::Time now);

// What an envelope of this site's own says that it had lost and a peer handed back. `before` is the order
// with this handoff as this site knows it, or null. Envelopes are never owed for it: they are in the log
// already. Nothing changes if this site knows as much or more (a later custody epoch), or for kinds that only
// answer.
Received DecideRecovered(const type::v1::WorkOrder* before, const exchange::v1::Envelope& envelope,
                         const Site& site, absl::Time now);

// What this site sends again of the handoff, on which `peer` holds something else: the offer, if it gave the
// order and nobody has decided; a mirror for installing (`resync`), if it holds the order or has ended the
// handoff; else nothing. `order` is the one with this handoff.
std::vector<EnvelopeDraft> DecideResend(const type::v1::WorkOrder& order, std::string_view handoff_id,
                                        std::string_view peer, const Site& site, absl::Time now);

// The handoff's shared id: `<giver>-<giver's order id>-<attempt>`.
std::string HandoffId(std::string_view giver, std::string_view order_id, int attempt);

// Exactly one holder, who is the one that the state says; a state; and no fact that its state forbids. Empty
// if `order` is sound, else what is wrong, without personal data. Checked on every change before it is
// committed, and by VerifyLog.
std::string Unsound(const type::v1::WorkOrder& order, const Site& site);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_DECIDE_H_
