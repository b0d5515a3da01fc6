// The clocks of one order as a pure function of the log: which are armed, paused and stopped, which rung each
// has taken. Nothing here reads a clock, a store or a network: time is that of the events.
//
// | clock | armed by | who holds the duty | stopped by |
// | --- | --- | --- | --- |
// | PEER_RECEIPT | offered | the peer | received, understood, or any end of the offer |
// | PEER_ACCEPTANCE | at the giver received (or understood, if first); at the receiver understood | the
// receiver | accepted, or any end of the offer | | SIGN | dispatched, at the holder | the lead unit | signed
// by the lead unit, or any end of the work | | FINISH | accepted; again by dispatched (the time starts anew,
// and the hotline's own clock is booked as stopped); again by redo | the unit at the holder's site, else the
// holder | replied, or any end of the work |
//
// | CONFIRM | offered, due at the handoff's confirm-by time, not by policy | this hotline, the giver |
// confirmed by voice, or any end of the offer | | VOICE | in doubt with CONFIRM_BY_VOICE, due at the keep-by
// time | this hotline | confirmed by voice, or any end of the offer |
//
// CONFIRM and VOICE have one rung each, RUNG_DOUBT and RUNG_KEEP, and no reminder. A CONFIRM clock that took
// its rung stays live while the offer is in doubt, so that counting those counts the offers in doubt. When
// the PEER_RECEIPT clock of an EMERGENCY is urged, an alarm goes with it (ReceiptAlarm), in case dispatch,
// which raises it first, died.
//
// The end of an offer: accepted, returned, recalled, cancelled. The end of the work: replied, returned,
// recalled, cancelled, closed, archived. A clock once armed is never forgotten: stopped, it keeps its
// deadline, its rung and whether it was breached. At most one clock of a kind is live (running or paused);
// the sequence of the event that armed it tells one arming from the next.
#ifndef SERVICES_ESCALATION_CORE_CLOCKS_H_
#define SERVICES_ESCALATION_CORE_CLOCKS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
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
  v1::ClockState state = v1::CLOCK_STATE_RUNNING;
  // A hotline's or a unit's code.
  std::string duty_party;
  absl::Time start;
  // The deadline. While paused: what it was when the pause began.
  absl::Time due;
  // While paused: the time left, negative if the deadline had passed. Else zero.
  absl::Duration remaining;
  // How long before the deadline the reminder comes. Zero: none.
  absl::Duration remind_before;
  // When it was stopped; the epoch while it is live.
  absl::Time stop = absl::UnixEpoch();
  // Highest rung taken.
  type::v1::Rung rung = type::v1::RUNG_UNSPECIFIED;
  // Its deadline passed while it was live. Never taken back.
  bool breached = false;
  std::string policy_version;

  bool live() const { return state != v1::CLOCK_STATE_STOPPED; }
  friend bool operator==(const OrderClock&, const OrderClock&) = default;
};

// An order as far as its clocks need it.
struct OrderClocks {
  int64_t id = 0;
  std::string number;
  type::v1::OrderType type = type::v1::ORDER_TYPE_UNSPECIFIED;
  type::v1::Urgency urgency = type::v1::URGENCY_UNSPECIFIED;
  type::v1::OrderState state = type::v1::ORDER_STATE_UNSPECIFIED;
  bool suspended = false;
  // Who is to take the current or last offer.
  std::string receiver;
  // The lead unit, if this site dispatched the order. Empty otherwise.
  std::string lead_unit;
  // Oldest arming first.
  std::vector<OrderClock> clocks;

  friend bool operator==(const OrderClocks&, const OrderClocks&) = default;
};

// False if `event` can change nothing here, so that the order need not even be loaded.
bool Concerns(const type::v1::Event& event);

// The order after `event`. `before` is empty (id 0) for an order's first event. `site` is this hotline's
// code.
OrderClocks Apply(OrderClocks before, const type::v1::Event& event, const Deadlines& deadlines,
                  std::string_view site);

// The rung that comes next; UNSPECIFIED if the clock is not running or has taken all.
type::v1::Rung NextRung(const OrderClock& clock);
// When it comes; InfiniteFuture if none does.
absl::Time NextRungTime(const OrderClock& clock);

// The deadline as it stands at `now`: for a paused clock, as if it were resumed.
absl::Time DueAt(const OrderClock& clock, absl::Time now);
// The lamp at `now`; a stopped clock keeps the one it was stopped with.
v1::Lamp LampAt(const OrderClock& clock, absl::Time now);

// The command that records `rung` of `clock`, the same bytes each time it is made:
// its request id is `escalate/<order>/<clock>/<arming event>/<rung>`, and the trace id is derived from that.
type::v1::Command RungCommand(const OrderClocks& order, const OrderClock& clock, type::v1::Rung rung);

// The step of the ladder that `event` records; null if it records none.
const type::v1::Escalation* RungOf(const type::v1::Event& event);

// True if `rung` of `clock` calls for an alarm too.
bool NeedsAlarm(const OrderClocks& order, const OrderClock& clock, type::v1::Rung rung);

// What a list shows of `clock` at `now`.
v1::Deadline Describe(const OrderClocks& order, const OrderClock& clock, absl::Time now);

absl::Time FromProto(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToProto(absl::Time time);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_CLOCKS_H_
