// The clocks of one order as a pure function of the log: which are armed, paused and stopped, which rung each
// has taken and which comes next. Nothing here reads a clock, a store or a network: time is that of the
// events, and what a limit comes to is Deadlines' to say.
//
// PEER_RECEIPT: armed by an offer; the peer's duty; stopped by its receipts, or any end of the offer.
// PEER_ACCEPTANCE: armed at the giver by the first receipt that comes, at the receiver by understood; the
//   receiver's duty; stopped by the acceptance, or any end of the offer.
// SIGN: armed by dispatched and reassigned, at the holder; the lead unit's duty, and with a clock of its own
//   each assisting unit's; stopped by the unit's signature or the lead unit's return, or any end of the work.
// FIRST_CONTACT: armed at the holder by accepted, again by dispatched, reassigned and redo; the lead unit's
//   duty, else the holder's; stopped by a contact that reached the caller, or any end of the work.
//   A lead unit that turns out to be accused (回避) loses these duties to the holder's desk, deadlines and
//   all; SIGN and UNIT_RETURN end.
// FINISH: armed by accepted; again by dispatched and reassigned (the time starts anew, and the clock before
// is
//   booked as stopped); again by redo; the duty of the unit at the holder's site, else of the holder; stopped
//   by the reply, or any end of the work. It goes on while a unit has returned the order and nobody else has
//   it yet. An assisting unit has one of its own, armed with the lead unit's and counted by its own calendar;
//   stopped when it reports that its part is done, too, and when the lead unit returns the order. An
//   extension is the order's: it moves the clocks of all units, but none to an earlier time;
//   where it moves nothing it is not remembered, also if a publication moves the deadline before it later.
// UNIT_RETURN: armed like the lead unit's SIGN; when it is over the lead unit may return the order no more.
//   No duty, and never breached. Stopped by its rung, the return, or any end of the work.
// RESULT_BACK: armed by the reply to an order that came from another hotline; this hotline's duty; stopped by
//   the giver's next move. Its rungs are taken only while the giver has not acknowledged the result (see
//   Follower), and they alone tell that it had not arrived by then: no time that passes does.
// CALL_BACK: armed by the reply, at the origin; this hotline's duty; stopped by a call-back, or any end.
// SUSPENSION_REVIEW: armed at the holder, who alone can resume, by a suspension, due at its review time; this
//   hotline's duty; stopped when it is resumed, or by any end of the work.
// SCENE_ARRIVAL: armed by an offer with a unit asked to the scene (at the receiver by understood); the
//   receiver's duty; stopped by the arrival recorded, or any end but an acceptance.
// CONFIRM: armed by an offer, due at the handoff's confirm-by time; the duty of this hotline, the giver;
//   stopped by a confirmation by voice, or any end of the offer.
// VOICE: armed by a doubt with CONFIRM_BY_VOICE, due at the keep-by time; this hotline's duty; stopped like
//   CONFIRM.
//   As soon as the peer has understood an offer that it has working time to accept, neither runs out before
//   that has (PEER_ACCEPTANCE): silence through a night or a weekend is no doubt. They move with it until
//   they have taken their rung, which names the offer by the time that the handoff carries.
//
// A matter that came back to this hotline is worked on as another of its orders: the earlier one, which only
// follows that, is nobody's duty here (see FollowsAnotherCopy), and what ran of it stops as anywhere.
//
// FIRST_CONTACT and CALL_BACK are not kept for anonymous callers. Duties are independent: no clock overrules
// another's. A suspension pauses all of an order but SUSPENSION_REVIEW, which watches it; what is left is
// kept in the unit of the limit (seconds of work, or of a clock), so that no time is added or lost. A
// deadline that was set to an instant may lie after the last work before it: it has not passed while the
// clock stands still, and ends with the first second of work after that.
//
// A publication moves the open clocks that it moves by events of their own (Follower). Those that it leaves
// where they are go by it as well: before anything is reckoned for such a clock anew (an extension, what is
// left, a resumption, another duty party, a rung after the deadline), it takes the rule of the latest
// publication that moves open clocks and was in force at that event, if that gives the same deadline; else an
// event that moves it is on its way. This follows from the log and the publications alone.
//
// The ladder: 提醒, 催办 at the deadline, then what the rule's ladder says, each rung once per clock and in
// order. CONFIRM, VOICE and UNIT_RETURN have one rung each, RUNG_DOUBT, RUNG_KEEP and RUNG_CLOSE_RETURN, and
// no reminder. A CONFIRM clock
// that took its rung stays live while the offer is in doubt, so that counting those counts the offers in
// doubt. When the PEER_RECEIPT clock of an EMERGENCY is urged, an alarm goes with it (ReceiptAlarm), in case
// dispatch, which raises it first, died. A rung that reached nobody makes the next one due at once, but for a
// reminder (nothing is urged before it is due) and for CIRCULATE and DISCIPLINE: nobody's absence makes a
// breach graver, so the documents are drafted at their own times.
//
// The end of an offer: accepted, returned, recalled, cancelled. The end of the work: replied, returned,
// recalled, cancelled, closed, archived. A clock once armed is never forgotten: stopped, it keeps its
// deadline, its rung and whether it was breached. At most one clock of a kind is live (running or paused),
// beside those of assisting units, of which each has at most one; the sequence of the event that armed it
// tells one arming from the next.
#ifndef SERVICES_ESCALATION_CORE_CLOCKS_H_
#define SERVICES_ESCALATION_CORE_CLOCKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "hotline/escalation/v1/clock_history.pb.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "services/escalation/core/deadlines.h"

namespace hotline::escalation {

// One deadline of one order.
struct OrderClock {
  type::v1::ClockKind kind = type::v1::CLOCK_KIND_UNSPECIFIED;
  // Sequence of the event that armed it.
  int64_t armed_by = 0;
  // Code of the assisting unit whose clock it is, which then is the duty party too. Empty: the clock of
  // whoever has the order.
  std::string assist_unit;
  v1::ClockState state = v1::CLOCK_STATE_RUNNING;
  // A hotline's or a unit's code.
  std::string duty_party;
  absl::Time start;
  // The deadline. While paused: what it was when the pause began.
  absl::Time due;
  // While paused: what is left (see Deadlines::Keep). Else zero.
  absl::Duration remaining;
  // When the reminder comes. InfiniteFuture: none.
  absl::Time remind = absl::InfiniteFuture();
  // When it was stopped; the epoch while it is live.
  absl::Time stop = absl::UnixEpoch();
  // Highest rung taken.
  type::v1::Rung rung = type::v1::RUNG_UNSPECIFIED;
  // Its deadline passed while it was live. Never taken back.
  bool breached = false;
  // The deadline rests on days that no notice has decided yet.
  bool provisional = false;
  // What it goes by: what it was armed with, or what it was moved to since.
  RuleRef rule;
  // The rung that comes next, and when; UNSPECIFIED and InfiniteFuture if it is not running or has taken all.
  type::v1::Rung next_rung = type::v1::RUNG_UNSPECIFIED;
  absl::Time next = absl::InfiniteFuture();
  // A serialized v1::ClockHistory; empty if there is nothing in it.
  std::string history;

  bool live() const { return state != v1::CLOCK_STATE_STOPPED; }
  friend bool operator==(const OrderClock&, const OrderClock&) = default;
};

// An order as far as its clocks need it.
struct OrderClocks {
  int64_t id = 0;
  std::string number;
  type::v1::OrderType type = type::v1::ORDER_TYPE_UNSPECIFIED;
  type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
  type::v1::Channel channel = type::v1::CHANNEL_UNSPECIFIED;
  type::v1::OrderState state = type::v1::ORDER_STATE_UNSPECIFIED;
  bool suspended = false;
  bool anonymous = false;
  // The caller was reached since the work began.
  bool contacted = false;
  // This hotline registered the matter first.
  bool origin_here = false;
  // Item of the catalogue. May be empty.
  std::string item;
  // As Traits::tags. Mostly empty.
  std::string tags;
  // Who is to take the current or last offer; this hotline, if what it offered came back to it as another
  // order, which this one follows.
  std::string receiver;
  // The lead unit, if this site dispatched the order and it has not returned it. Empty otherwise.
  std::string lead_unit;
  // Those that assist it.
  std::vector<std::string> assist_units;
  // Units that the matter accuses: nobody of theirs is told of it.
  std::vector<std::string> accused_units;
  // Shown only to who needs to know, and to the account that registered it here (empty if none did).
  bool restricted = false;
  std::string registered_by;
  // Under a legal hold: nothing about it is forgotten.
  bool held = false;
  // Oldest arming first.
  std::vector<OrderClock> clocks;

  friend bool operator==(const OrderClocks&, const OrderClocks&) = default;
};

// The clock that `message` (a rung, a move, a report …) is about.
template <typename Message>
bool IsAbout(const Message& message, const OrderClock& clock) {
  return clock.kind == message.clock() && clock.armed_by == message.armed_by_sequence() &&
         clock.assist_unit == message.assist_unit();
}

// False if `event` can change nothing here, so that the order need not even be loaded.
bool Concerns(const type::v1::Event& event);

// True if the order, as of `event`, only follows another one of this hotline's: it was given away and came
// back as that, and is worked on there. Whatever is told of it then is told of that one as well, so that no
// duty, assignment, answer or verdict is counted here. `before`: as it was before the event.
bool FollowsAnotherCopy(const OrderClocks& before, const type::v1::Event& event, std::string_view site);

// The order after `event`. `before` is empty (id 0) for an order's first event. `site` is this hotline's
// code.
OrderClocks Apply(OrderClocks before, const type::v1::Event& event, const Deadlines& deadlines,
                  std::string_view site);

inline type::v1::Rung NextRung(const OrderClock& clock) { return clock.next_rung; }
inline absl::Time NextRungTime(const OrderClock& clock) { return clock.next; }

// The deadline as it stands at `now`; for a paused clock, as if it were resumed: exactly with `deadlines`,
// and without them not later than that.
absl::Time DueAt(const OrderClock& clock, absl::Time now);
absl::Time DueAt(const OrderClock& clock, absl::Time now, const Deadlines& deadlines);
// False if it is not known that the duty was still open when `rung` (REMIND or URGE) came: of RESULT_BACK
// only the rung itself tells. Such a deadline has not been missed, as far as anybody here can say.
bool KnownOpenAt(const OrderClock& clock, type::v1::Rung rung);
// The lamp at `now`; a paused clock keeps the one it was paused with, a stopped one that it was stopped with.
v1::Lamp LampAt(const OrderClock& clock, absl::Time now);

// What a clock's deadline comes to by `rule`, with what happened to it since: the deadline, or (while paused)
// what it was when the pause began and what is left.
struct Reckoned {
  DueTime due;
  absl::Duration remaining;
};
Reckoned Reckon(const OrderClock& clock, RuleRef rule, const Deadlines& deadlines);
// Whose days `history.adjustments(index)`, and the limit before the first, are reckoned by; `index` may be
// one beyond the last. `duty_party` is who has the duty now.
std::string_view DutyAt(const v1::ClockHistory& history, int index, std::string_view duty_party);
// `clock` as it would be by the publication with this number; nothing if that changes neither its deadline,
// its reminder, its next rung nor whether it is provisional, or if the publication has no rule for it.
// Stopped clocks never move.
std::optional<OrderClock> MovedTo(const OrderClocks& order, const OrderClock& clock, int64_t publication,
                                  const Deadlines& deadlines);
// The command that moves `clock` to what `moved` says; its request id is
// `move/<order>/<clock>/<arming event>/<publication>`, of an assisting unit's clock as in RungCommand.
type::v1::Command MoveCommand(const OrderClocks& order, const OrderClock& clock, const OrderClock& moved,
                              const Deadlines& deadlines);

// The command that records `rung` of `clock`, the same bytes each time it is made:
// its request id is `escalate/<order>/<clock>/<arming event>/<rung>`, and the trace id is derived from that.
// Of an assisting unit's clock the arming event is followed by `.` and eight hexadecimal digits of the unit.
type::v1::Command RungCommand(const OrderClocks& order, const OrderClock& clock, type::v1::Rung rung,
                              const Deadlines& deadlines);

// The step of the ladder that `event` records; null if it records none.
const type::v1::Escalation* RungOf(const type::v1::Event& event);

// True if `rung` of `clock` calls for an alarm too.
bool NeedsAlarm(const OrderClocks& order, const OrderClock& clock, type::v1::Rung rung);
// The deadline behind a rung that was recorded. What names an offer is not that, if its clock waited.
absl::Time DeadlineOf(const type::v1::Escalation& escalation);
// When the offer was made whose receipt `clock`, a PEER_RECEIPT, waits for: what its alarm names.
absl::Time OfferTime(const OrderClock& clock);

// What a list shows of `clock` at `now`.
v1::Deadline Describe(const OrderClocks& order, const OrderClock& clock, absl::Time now,
                      const Deadlines& deadlines);

// As in request ids: `finish`, `contact`.
const char* ClockName(type::v1::ClockKind kind);
const char* RungName(type::v1::Rung rung);
// `<arming event>` or `<arming event>.<digits of the assisting unit>`, as in request ids.
std::string ArmingName(int64_t armed_by, std::string_view assist_unit);

absl::Time FromProto(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToProto(absl::Time time);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_CLOCKS_H_
