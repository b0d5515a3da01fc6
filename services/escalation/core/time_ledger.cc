#include "services/escalation/core/time_ledger.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "services/escalation/core/clocks.h"

namespace hotline::escalation {
namespace {

using type::v1::Event;

google::protobuf::Duration ToDuration(absl::Duration duration) {
  google::protobuf::Duration proto;
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return proto;
}

absl::Duration FromDuration(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

// Where an order stands, as far as its time is concerned.
struct Standing {
  type::v1::OrderState state = type::v1::ORDER_STATE_UNSPECIFIED;
  std::string holder;
  std::string receiver;
  std::string origin;
  std::string unit;  // at work here, or the one that returned it last
  // `unit` did, or has it by a merger only: what is to be done again is not its.
  bool once = false;
  bool suspended = false;
  bool disputed = false;
};

void Step(const Event& event, std::string_view site, Standing* at) {
  const auto offered = [&](const type::v1::Handoff& handoff) {
    at->receiver = handoff.to_hotline();
    at->unit.clear();
  };
  const auto works = [&](const std::string& unit) {
    at->unit = at->holder == site ? unit : std::string();
    at->once = false;
  };
  const auto registered = [&](const type::v1::RegisteredDetail& detail) {
    at->origin = detail.origin_hotline().empty() ? std::string(site) : detail.origin_hotline();
  };
  at->state = event.state();
  at->holder = event.custody().holder().empty() ? std::string(site) : event.custody().holder();
  switch (event.detail_case()) {
    case Event::kRegistered:
      registered(event.registered());
      break;
    case Event::kOffered:
      if (event.offered().has_registered()) registered(event.offered().registered());
      // One found again after the order has gone on takes it from nobody.
      if (event.offered().handoff().id() == event.handoff_id() &&
          event.state() == type::v1::ORDER_STATE_OFFERED) {
        offered(event.offered().handoff());
      }
      break;
    case Event::kUnderstood:
      if (event.understood().has_registered()) {
        registered(event.understood().registered());
        offered(event.understood().handoff());
      }
      break;
    case Event::kAccepted:
    case Event::kSeparated:
    case Event::kReturned:
    case Event::kRecalled:
      at->unit.clear();
      break;
    case Event::kDispatched:
      works(event.dispatched().lead_unit());
      break;
    case Event::kReassigned:
      works(event.reassigned().dispatch().lead_unit());
      break;
    case Event::kUnitReturned:
      at->once = true;
      break;
    case Event::kRedoDemanded:
    case Event::kReopened:
      if (std::exchange(at->once, false)) at->unit.clear();
      break;
    case Event::kAccused: {
      const auto& accused = event.accused().accusation();
      const bool recused =
          std::find(accused.units().begin(), accused.units().end(), at->unit) != accused.units().end();
      if (recused) at->unit.clear();
      if (accused.has_dispatch() && at->holder == site) works(accused.dispatch().lead_unit());
      break;
    }
    case Event::kMerged:
      works(event.merged().lead_unit());
      at->once = true;
      break;
    case Event::kSuspended:
      at->suspended = true;
      break;
    case Event::kResumed:
      at->suspended = false;
      break;
    case Event::kDisputed:
      at->disputed = true;
      at->unit.clear();
      break;
    case Event::kRuled:
      at->disputed = false;
      break;
    default:
      break;
  }
  switch (at->state) {
    case type::v1::ORDER_STATE_ACCEPTED:
    case type::v1::ORDER_STATE_DISPATCHED:
    case type::v1::ORDER_STATE_SIGNED:
    case type::v1::ORDER_STATE_IN_PROGRESS:
    case type::v1::ORDER_STATE_REDO:
      break;
    default:
      at->suspended = false;
  }
}

bool IsEnded(type::v1::OrderState state) {
  return state == type::v1::ORDER_STATE_CLOSED || state == type::v1::ORDER_STATE_CANCELLED ||
         state == type::v1::ORDER_STATE_ARCHIVED;
}

// Whose time it is, and for what.
std::pair<std::string, v1::TimeUse> BookingOf(const Standing& at, std::string_view site) {
  const v1::TimeUse work = at.disputed ? v1::TIME_USE_DISPUTED : v1::TIME_USE_WORKING;
  switch (at.state) {
    case type::v1::ORDER_STATE_OFFERED:
      return {at.holder, v1::TIME_USE_IN_TRANSIT};
    case type::v1::ORDER_STATE_RECEIVED:
    case type::v1::ORDER_STATE_UNDERSTOOD:
      return {at.receiver.empty() ? at.holder : at.receiver, v1::TIME_USE_WORKING};
    case type::v1::ORDER_STATE_ACCEPTED:
    case type::v1::ORDER_STATE_DISPATCHED:
    case type::v1::ORDER_STATE_SIGNED:
    case type::v1::ORDER_STATE_IN_PROGRESS:
    case type::v1::ORDER_STATE_REDO: {
      const std::string& party = at.holder == site && !at.unit.empty() ? at.unit : at.holder;
      return {party, at.suspended ? v1::TIME_USE_WAITING : work};
    }
    case type::v1::ORDER_STATE_REPLIED:
    case type::v1::ORDER_STATE_CALLED_BACK:
      return {at.origin.empty() ? at.holder : at.origin, v1::TIME_USE_WORKING};
    case type::v1::ORDER_STATE_CLOSED:
    case type::v1::ORDER_STATE_CANCELLED:
    case type::v1::ORDER_STATE_ARCHIVED:
      return {at.origin.empty() ? at.holder : at.origin, v1::TIME_USE_ENDED};
    default:
      return {at.holder, work};
  }
}

absl::Duration OffHours(const Deadlines& deadlines, const std::string& party, absl::Time begin,
                        absl::Time end) {
  const calendar::Calendar* calendar = deadlines.CalendarOfParty(party, end);
  if (calendar == nullptr || end <= begin) return absl::ZeroDuration();
  const auto worked = calendar->Measure(begin, end, type::v1::TIME_KIND_WORKING_HOURS);
  if (!worked.ok()) return absl::ZeroDuration();
  // Work is counted in whole seconds: what is less than one is none.
  const absl::Duration off = (end - begin) - std::min(absl::Seconds(worked->amount), end - begin);
  return off < absl::Seconds(1) ? absl::ZeroDuration() : off;
}

}  // namespace

v1::TimeLedger BuildTimeLedger(const std::vector<Event>& events, const Deadlines& deadlines,
                               std::string_view site, absl::Time until) {
  v1::TimeLedger ledger;
  ledger.set_order_id(events.front().order_id());
  ledger.set_order_number(events.front().order_number());
  const absl::Time begin = FromProto(events.front().commit_time());
  absl::Time now = begin;
  Standing standing;
  std::vector<std::pair<std::pair<std::string, v1::TimeUse>, absl::Duration>> sums;
  const auto add = [&](const std::string& party, v1::TimeUse use, absl::Duration length) {
    if (length == absl::ZeroDuration()) return;
    const auto key = std::pair(party, use);
    const auto it = std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.first == key; });
    if (it == sums.end()) {
      sums.emplace_back(key, length);
    } else {
      it->second += length;
    }
  };
  // Books the time up to `end` to whom has it now.
  const auto book = [&](absl::Time end, int64_t sequence) {
    if (end <= now) return;
    const auto [party, use] = BookingOf(standing, site);
    absl::Duration off = absl::ZeroDuration();
    if (use == v1::TIME_USE_WORKING) off = OffHours(deadlines, party, now, end);
    v1::TimeStretch* last = ledger.stretches().empty() ? nullptr : &*ledger.mutable_stretches()->rbegin();
    if (last != nullptr && last->party() == party && last->use() == use) {
      *last->mutable_end_time() = ToProto(end);
      *last->mutable_off_hours() = ToDuration(FromDuration(last->off_hours()) + off);
    } else {
      v1::TimeStretch* stretch = ledger.add_stretches();
      *stretch->mutable_begin_time() = ToProto(now);
      *stretch->mutable_end_time() = ToProto(end);
      stretch->set_party(party);
      stretch->set_use(use);
      *stretch->mutable_off_hours() = ToDuration(off);
      stretch->set_sequence(sequence);
    }
    add(party, use, (end - now) - off);
    add(party, v1::TIME_USE_OFF_HOURS, off);
    now = end;
  };
  int64_t sequence = events.front().sequence();
  for (const Event& event : events) {
    const absl::Time at = FromProto(event.commit_time());
    if (at > until) break;
    book(at, sequence);
    const auto before = BookingOf(standing, site);
    Step(event, site, &standing);
    if (BookingOf(standing, site) != before) sequence = event.sequence();
  }
  // What has ended uses no time; but if it was reopened later, that is in between.
  if (!IsEnded(standing.state)) book(until, sequence);
  *ledger.mutable_begin_time() = ToProto(begin);
  *ledger.mutable_end_time() = ToProto(now);
  for (const auto& [key, length] : sums) {
    v1::TimeSum* sum = ledger.add_sums();
    sum->set_party(key.first);
    sum->set_use(key.second);
    *sum->mutable_length() = ToDuration(length);
  }
  return ledger;
}

std::string UnsoundLedger(const v1::TimeLedger& ledger) {
  absl::Time at = FromProto(ledger.begin_time());
  std::map<std::pair<std::string, int>, absl::Duration> expected;
  for (const v1::TimeStretch& stretch : ledger.stretches()) {
    const absl::Time end = FromProto(stretch.end_time());
    if (FromProto(stretch.begin_time()) != at) return "a stretch does not begin where the one before ended";
    if (end <= at) return "a stretch without length";
    if (stretch.party().empty()) return "a stretch of nobody's";
    if (stretch.use() == v1::TIME_USE_UNSPECIFIED || stretch.use() == v1::TIME_USE_OFF_HOURS) {
      return "a stretch of no use";
    }
    const absl::Duration off = FromDuration(stretch.off_hours());
    if (off < absl::ZeroDuration() || off > end - at) return "off hours that are not within their stretch";
    if (off != absl::ZeroDuration() && stretch.use() != v1::TIME_USE_WORKING)
      return "off hours where nobody works";
    expected[{stretch.party(), stretch.use()}] += (end - at) - off;
    expected[{stretch.party(), v1::TIME_USE_OFF_HOURS}] += off;
    at = end;
  }
  if (at != FromProto(ledger.end_time())) return "the stretches do not reach the end";
  absl::Duration total = absl::ZeroDuration();
  for (const v1::TimeSum& sum : ledger.sums()) {
    const auto it = expected.find({sum.party(), sum.use()});
    if (it == expected.end() || it->second != FromDuration(sum.length()))
      return "a sum is not that of its stretches";
    total += it->second;
    expected.erase(it);
  }
  for (const auto& [key, length] : expected) {
    if (length != absl::ZeroDuration()) return "a stretch is in no sum";
  }
  if (total != FromProto(ledger.end_time()) - FromProto(ledger.begin_time())) {
    return "the sums are not the time between";
  }
  return std::string();
}

}  // namespace hotline::escalation
