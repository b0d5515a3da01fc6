// Who used an order's time: every nanosecond of its life is booked to one party and one use. A pure function
// of the order's events, so that it can be had again for any order at any time.
//
// | state | whose time | use |
// | --- | --- | --- |
// | OFFERED | the giver | in transit |
// | RECEIVED, UNDERSTOOD | the receiver, who is to decide | working |
// | ACCEPTED to IN_PROGRESS, REDO | the lead unit at this site, else the holder | working |
// | the same, suspended | the same | waiting |
// | REPLIED, CALLED_BACK | the origin | working |
// | REGISTERED, RETURNED, RECALLED | the holder | working |
// | CLOSED, CANCELLED | nobody: it ends there, unless it is reopened | ended |
//
// A unit that returned the order has its time until the order is dispatched again; what is to be done again
// after that is not its, nor that of a unit that had the order by a merger, which a redo ends.
// While a dispute is open, the holder's working time is disputed time. Working time from event to event is
// split by the calendar of the party that was in force at its end, which knows of days that were announced
// meanwhile, into working and off hours; without one it is all working.
#ifndef SERVICES_ESCALATION_CORE_TIME_LEDGER_H_
#define SERVICES_ESCALATION_CORE_TIME_LEDGER_H_

#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "hotline/escalation/v1/time_ledger.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "services/escalation/core/deadlines.h"

namespace hotline::escalation {

// `events`: all of one order, oldest first; at least one. `until`: not before the first; what comes after it
// is left out. The ledger ends at the order's end or at `until`, whichever is first. Instants that go back (a
// clock was set) are taken as standing still.
v1::TimeLedger BuildTimeLedger(const std::vector<type::v1::Event>& events, const Deadlines& deadlines,
                               std::string_view site, absl::Time until);

// The first thing wrong with `ledger`, or empty: stretches without holes from begin to end, sums that add up
// to the time between, by party and use and in all.
std::string UnsoundLedger(const v1::TimeLedger& ledger);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_CORE_TIME_LEDGER_H_
