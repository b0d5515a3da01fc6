// The life of an order as pure functions: given an order and something that happened, what is true after,
// what the log says of it, and what peers must be told. Nothing here reads a clock, a store or a network.
//
// The state machine in one table is in decide.cc (`kRules`); its words are those of
// proto/hotline/type/v1/command.proto, and tests/services/work_order/core/decide_test.cc walks command ×
// state.
#ifndef SERVICES_WORK_ORDER_CORE_DECIDE_H_
#define SERVICES_WORK_ORDER_CORE_DECIDE_H_

#include <optional>
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
// The only account whose commands may raise an alarm (Command.alarm): of dispatch and of escalation, whose
// commands for one alarm have to be the same bytes.
inline constexpr char kAlarmAccount[] = "service/alarm";
// Who erases what is due.
inline constexpr char kRetentionAccount[] = "service/retention";

// What a site is, as far as decisions need it. Fixed after boot.
struct Site {
  std::string hotline;
  absl::flat_hash_set<std::string> peers;
  // Known unit codes. Empty: every well-formed code is accepted.
  absl::flat_hash_set<std::string> units;
  // How long an offer may stay silent, by urgency (normal, urgent, emergency). One that the peer has
  // understood may longer: see "An offer in doubt".
  absl::Duration confirm_within[3] = {absl::Hours(2), absl::Minutes(30), absl::Minutes(3)};
  // How long after that the desks may confirm by voice, before the giver asks for the offer back.
  absl::Duration keep_after[3] = {absl::Hours(2), absl::Minutes(30), absl::Minutes(3)};
  // An emergency that is durable at the taker later than this after the offer is marked late.
  absl::Duration emergency_receipt = absl::Seconds(10);
  // Acts first where there is danger, whoever's duty it is.
  bool dispatches_first = false;
  // Returns of one order that are free before a ruling is needed: by one unit, and in all.
  int free_returns_per_unit = 1;
  int free_returns_per_order = 2;
  // Accounts that may act on restricted orders, beside whoever registered one.
  absl::flat_hash_set<std::string> cleared_accounts;
  // Extensions of one order that may be asked for and granted.
  int extensions_per_order = 1;
};

// Identity prepared for an order that a decision may create. Drawn before the decision so that it stays pure.
struct NewOrder {
  std::string id;
  std::string number;
  std::string content_salt;  // 16 bytes
  // The incident that `Registration.parent_order_id` names, and its content's bytes; null if there is none.
  // Outlives the decision.
  const type::v1::WorkOrder* parent = nullptr;
  std::string parent_content;
  // Of the incident that partners are called for: the orders of those called before, as far as they are open.
  std::vector<type::v1::WorkOrder> partners;
  // The order that `Merger.into_order_id` names; null if there is none. Outlives the decision.
  const type::v1::WorkOrder* kept = nullptr;
  // Attempts to leave out before the order's next offer: the site may have been restored from a backup and
  // have lost some.
  int attempt_gap = 0;
};

// A peer's clock minus this site's, as the link measured it; the true difference lies within `uncertainty`.
struct ClockSkew {
  absl::Duration offset;
  absl::Duration uncertainty;
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
  // The order's content goes with this change, from wherever it is.
  bool erases = false;
};

// Decides a command. `before` is null for a command that registers; `fresh` is then used. The command's
// header is validated here too (request id, actor, expected version). Checks come in this order: header, the
// action's fields, existence, version, role, state, suspension, units. `command.traceparent` goes into the
// event as it is.
//
// Moves of custody: an acceptance by the receiver of a handoff (to it), a return after acceptance (to the
// giver), a dispute, call-back and close (to the origin), redo and reopening (to the hotline that gave the
// reply). The epoch grows by one exactly when the holder is another than before. Of the oldest of
// many `past_handoffs` only what identifies them is kept; the log keeps the whole.
//
// Passing on. A site that took an order may push it on while it works on it: to a third site, or back to the
// origin with what remains (DISPATCH_FIRST). Its own copy then joins two handoffs: `inbound`, by which the
// order came, and `handoff`, by which it goes. So the copies of a matter form a chain, one for each site that
// it passed, and each copy tells its neighbours what its other neighbour did: upwards that somebody beyond
// holds it (`onward_hotline`) and what they do, downwards what the origin decides. Custody stays single
// because only one copy has the next move at any time, and the epoch travels with it: while an order is on
// offer only the receiver decides (accept, return, dispute) or the giver's recall is answered by it; while it
// is worked on, the last taker; once it is replied, the origin. An offer that came to nothing is not told
// upwards: whoever offered it still has it, and by accepting it takes it up again under the handoff by which
// it came.
//
// When the order comes back to its origin and is accepted there, the origin has two copies: the first follows
// the chain as before but is no longer acted on (NOT_HOLDER names the other), the later one calls back,
// redoes and closes. They name each other: `previous_handoff_id` in the later, `origin_handoff_id` in the
// first.
//
// A dispute unwinds the chain: each copy up to the origin's first ends in RETURNED, that one goes on in
// ACCEPTED. tests/services/work_order/core/exchange_law_test.cc tries all of it with up to four sites.
//
// An offer in doubt. Silence until the confirm-by time leads to RUNG_DOUBT, which only the giver's site can
// take and which changes facts there, never custody: the giver is the holder before, during and after. When
// the peer has understood the offer and has working time to accept it, escalation, which knows the calendars,
// sends the rung only when that is over (`rung_time`); then the keep-by time is put off, too, so that the
// desks have as long to telephone as ever. What follows depends on what is known:
//
// | when | what |
// | --- | --- |
// | OFFERED, no emergency | RECALL is owed (behind the OFFER, in one link: the peer reads the offer first) |
// | RECEIVED, UNDERSTOOD, or an emergency | the desk is told to telephone, with the spoken code |
// | that, and silence until the keep-by time (RUNG_KEEP) | RECALL is owed: the giver keeps the order |
//
// The doubt ends when the order leaves the three states of an offer, or by ConfirmByVoice. Interleavings:
// - The peer accepted before the RECALL got there: its acceptance is before its RECALL_REFUSED in its own
//   link, so the giver sees ACCEPTED first. The acceptance stands, custody moves once.
// - The peer accepts after the RECALL got there: it cannot, its order is RECALLED; the desk is told so.
// - The offer itself is still on its way: it arrives once, is RECALLED at once by the envelope behind it, and
//   the giver gets that mirror. An emergency is not taken back by silence alone; it arrives marked late.
// - The rung comes after the answer, after a confirmation by voice, or for an earlier offer of the same
// order:
//   refused with WRONG_STATE (the rung names the offer by its confirm-by or keep-by time), and the event that
//   stops the clock is in the log.
// - PEER_ACCEPTS recorded by the giver's desk: nothing moves until the taker's site accepts. By the taker's
//   desk: it is that acceptance. By both, in any order: one acceptance; the giver's record crosses it and is
//   kept as a record.
// - PEER_RETURNS or GIVER_KEEPS: recorded by the giver's desk, RECALL is owed with the record. By the
// taker's:
//   the record travels, and the giver's site owes the RECALL when it reads it, unless it asked before. Should
//   the taker accept meanwhile after all, the acceptance stands as above.
// - The link is down: the giver's record stands alone; the taker's site gets it behind the offer and records
//   it whatever state its order is in by then (archived ones excepted). Records of both sites in one handoff
//   come to the same `Handoff.voice` at both: the giver's wins, of one site's the latest.
// - The order was pushed again meanwhile: a record of the earlier handoff changes nothing.
//
// Errors: every reason of the catalogue that a command can have. Field paths are relative to the command's
// action message as the client sends it: `content.title`, `offer.to_hotline`, `header.request_id`,
// `completion.reply.public_reply`.
absl::StatusOr<Change> Decide(const type::v1::WorkOrder* before, const type::v1::Command& command,
                              const NewOrder& fresh, const Site& site, absl::Time now);

// Merging (并单). The matter of two orders is one job, done under the order that is *kept*; the *merged* one
// keeps everything that is its caller's: number, origin, custody, handoffs, clocks and the reply that is
// owed. While it is merged and at work it is IN_PROGRESS, and work on it is refused with MERGED; extending,
// suspending and calling partners are still its own. It follows the kept order in the same commit
// (DecideRelated):
//
// | the kept order, at this site or mirrored from whom it went to | the merged one |
// | --- | --- |
// | reports progress | reports it too; whoever handed it over sees that |
// | is replied | is REPLIED with the same result; the internal part stays here, and whether the caller was
//   contacted is each one's own |
// | is cancelled, or goes back to whoever gave it | is separated: ACCEPTED, a job of its own, nobody forgets
//   it |
// | gets another lead unit, or loses it | has a further `merged` event, which names it: the duty is theirs |
// | is recalled, suspended, extended | nothing: it waits, and its clock runs |
//
// Custody never moves by a merger: the merged order is held by the site before and after, so its giver gets
// receipts, progress and result in its own handoff as if it were worked on alone. Its origin calls its caller
// back, closes it or demands that it be done again, which separates it for good. The kept order lists each
// merged one with its state, and is not closed while one of their callers waits (UNANSWERED_CALLERS) unless
// that is confirmed; the event names who.
//
// Whom the merged matter accuses gets no part in the job. Where the kept order is on offer or held elsewhere,
// another site chooses the units, and hears of accusations but not of mergers: the kept order has to be
// accused of them first (UNIT_RECUSED).
//
// Clocks. A merger neither stops, restarts nor moves the merged order's FINISH clock: the deadline is its own
// caller's, counted from when that caller's order was accepted; the clock is served by the job's completion,
// which is this order's own reply, and a breach is this order's own. One that had no such clock (REGISTERED)
// gets one at the merger. SIGN ends with its units' work. After a separation the clock goes on unmoved; a
// dispatch then starts it anew, as for any order. tests/services/work_order/core/merge_law_test.cc and
// tests/services/escalation/merge_clocks_test.cc try it.

// What an envelope from `peer` came to.
struct Received {
  // A change of an order here; absent if the envelope only called for an answer, or for nothing.
  bool changes = false;
  Change change;
  // Answers without a change (NOT_UNDERSTOOD, RECALL_REFUSED).
  std::vector<EnvelopeDraft> envelopes;
  // A NOT_UNDERSTOOD that changed nothing, as ReadNotUnderstood gives it: for the operator.
  std::optional<exchange::v1::NotUnderstoodBody> refusal;
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
// A NOT_UNDERSTOOD of an offer that has no answer yet gives it back to this site's desk, whatever words it
// has or lacks; of a recall it ends that; any other is told to the operator (`refusal`).
//
// A mirror is installed if its sender may make that move: the receiver of the handoff works on the order
// until it has replied, then the origin's side calls back, demands a redo, closes or reopens. One that says
// that the handoff ended in a dispute ends this copy, or makes it go on at the origin; on a handoff that is
// over it changes the marks only. A mirror with an older custody epoch than this site's changes nothing.
// Overdue, reminded, urged, secret, doubt, alarm and the giver's pending recall stay this site's own; so do
// the parts of the handoff that this site stamps, the internal reply and the call-back's note. A mirror of a
// confirmation by voice moves nothing.
// One whose event the order was told of before (`Event.told_key`) changes nothing. One that tells that the
// taker accepted an offer that this site had lost and left behind makes that the current handoff again, and
// recalls what was offered since.
// A mirror that a reconciliation sends again (`resync`) is installed whatever this site's state is, if its
// sender holds the order or has ended the handoff; it changes nothing where both sites agree already.
// `skew` is what the link knows of the peer's clock: whether an emergency is late is reckoned across the two
// clocks only with it; else the giver's alarm alone says so.
// `lane` is the one that the envelope came by: an offer of an emergency by the ordinary one, or the other way
// round, is not understood. NOT_UNDERSTOOD goes back by it.
Received DecideEnvelope(const type::v1::WorkOrder* before, const exchange::v1::Envelope& envelope,
                        std::string_view peer, const NewOrder& fresh, const Site& site, absl::Time now,
                        std::optional<ClockSkew> skew = std::nullopt,
                        exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY);

// Decides the first receipt: the peer durably received the offer with `handoff_id` at `receive_time` (its
// clock). `skew` is what the link knows of that clock. The state moves only from OFFERED; but the receipt is
// a fact of its own, so it is recorded, once for each handoff, also when the second receipt or a later move
// overtook it, and when the order is in another handoff by now. Nothing changes (`changes` is false) if it is
// on record, if this site did not give that handoff, if it is no longer kept among the past ones, or if the
// order is archived.
Received DecideReceipt(const type::v1::WorkOrder& before, std::string_view handoff_id,
                       absl::Time receive_time, const Site& site, absl::Time now,
                       std::optional<ClockSkew> skew = std::nullopt);

// What this site has besides the order when an envelope of its own comes back.
struct Standing {
  // It has told the peer of the order since, not knowing of the envelope, and that follows behind it.
  bool goes_on = false;
  // The event that the envelope tells of is in its log: an earlier recovery, which it has forgotten too, had
  // given the envelope another number.
  bool logged = false;
};

// What an envelope of this site's own says that it had lost and a peer handed back. `before` is the order
// with this handoff as this site knows it, or null. Envelopes are never owed for it: they are in the log
// already; but an offer that the order has left behind is recalled, because its taker may not know. What the
// peer has of this site stands against what the site did without knowing it, with two exceptions: in a later
// custody epoch only an end of the handoff counts, and where the peer will take the work done since on top of
// this, that work stands. An offer that the order has left behind is kept among the past handoffs. An event
// that is logged is not logged twice. Nothing changes if this site knows as much, or for kinds that only
// answer.
Received DecideRecovered(const type::v1::WorkOrder* before, const exchange::v1::Envelope& envelope,
                         const Standing& standing, const Site& site, absl::Time now);

// What this site sends again of the handoff, on which `peer` holds something else: the offer, if it gave the
// order and nobody has decided; a mirror for installing (`resync`), if it holds the order or has ended the
// handoff; else nothing. `order` is the one with this handoff.
std::vector<EnvelopeDraft> DecideResend(const type::v1::WorkOrder& order, std::string_view handoff_id,
                                        std::string_view peer, const Site& site, absl::Time now);

// Orders of this site that a change from `before` (null if it was created) to `after` can concern beside its
// own: the incident that it is a partner's part of, what it is or was merged into, and what is merged into
// it. Ids, each once.
std::vector<std::string> RelatedOrders(const type::v1::WorkOrder* before, const type::v1::WorkOrder& after);

// What that change, of which `event` tells, does to `related`, one of them: a transition of its own, to be
// committed together with it; nothing if it does not concern it. Its actor is the event's, if that acted
// here, else this site's work_order.
std::optional<Change> DecideRelated(const type::v1::WorkOrder& related, const type::v1::WorkOrder* before,
                                    const type::v1::WorkOrder& after, const type::v1::Event& event,
                                    const Site& site, absl::Time now);

// The handoff's shared id: `<giver>-<giver's order id>-<attempt>`.
std::string HandoffId(std::string_view giver, std::string_view order_id, int attempt);

// See `Handoff.spoken_code`. Four decimal digits, for any arguments.
std::string SpokenCode(std::string_view handoff_id, std::string_view content_digest);

// Exactly one holder, who is the one that the state says; a state; and no fact that its state forbids. Empty
// if `order` is sound, else what is wrong, without personal data. Checked on every change before it is
// committed, and by VerifyLog.
std::string Unsound(const type::v1::WorkOrder& order, const Site& site);

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_CORE_DECIDE_H_
