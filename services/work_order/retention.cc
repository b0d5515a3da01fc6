#include "services/work_order/retention.h"

#include <algorithm>
#include <utility>

#include "common/base/id.h"
#include "common/base/request_id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "hotline/type/v1/event.pb.h"
#include "services/work_order/core/decide.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

using operation::v1::GetRetentionResponse;
using operation::v1::ListHoldsResponse;
using operation::v1::RunRetentionResponse;
using type::v1::WorkOrder;

constexpr int kErasedAtOnce = 32;
// Of what was refused, each may be as large as a message.
constexpr int kStraysAtOnce = 4;
constexpr int kScannedAtOnce = 256;
constexpr int kMostOwed = 10'000;
constexpr int kMostCounted = 10'000;
constexpr int kMostHolds = 1000;
constexpr absl::Duration kLookEvery = absl::Minutes(5);
constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kWeek = absl::Hours(7 * 24);
// More than clocks are corrected by between two looks.
constexpr absl::Duration kLeap = absl::Hours(1);
// Of a call's time, left for the answer.
constexpr absl::Duration kForTheAnswer = absl::Milliseconds(500);

// Of what was written about the order, which a supervisor need not be cleared for.
void LeaveTheHold(WorkOrder* order) {
  const bool held = order->has_legal_hold();
  const type::v1::LegalHold hold = order->legal_hold();
  retention::EraseTexts(order);
  if (held) *order->mutable_legal_hold() = hold;
}

}  // namespace

Retention::Retention(Ledger* ledger, std::unique_ptr<Reader> reader, Executor* executor, const Clock* clock,
                     RetentionOptions options)
    : ledger_(ledger),
      reader_(std::move(reader)),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)) {}

void Retention::Start() {
  if (options_.content_days < 0) return;
  executor_->Post([this] { Watch(); });
}

// Once in each day on which the process runs in that hour or later, so that a site that is off at night
// erases too.
void Retention::Watch() {
  const absl::Time now = clock_->Now();
  const absl::Duration steady = clock_->Steady();
  if (absl::AbsDuration(now - steady - steady_origin_) > kLeap) steady_since_ = steady;
  steady_origin_ = now - steady;
  const absl::CivilHour hour = absl::ToCivilHour(now, Beijing());
  if (hour.hour() >= options_.hour && absl::CivilDay(hour) != last_day_) {
    last_day_ = absl::CivilDay(hour);
    Begin(now);
  }
  executor_->PostAfter(kLookEvery, [this] { Watch(); });
}

void Retention::Begin(absl::Time now) {
  if (absl::Status status = CheckClock(now); !status.ok()) {
    if (!absl::IsFailedPrecondition(status)) last_day_ = absl::CivilDay();
    return options_.on_failure(status);
  }
  auto run = std::make_shared<Run>();
  run->now = now;
  run->ended = [this](const absl::Status& status, const Run& ended, bool) {
    if (!status.ok()) {
      last_day_ = absl::CivilDay();  // the next look tries again
      return options_.on_failure(status);
    }
    options_.on_run(ended.erased);
    if (ended.failed > 0) options_.on_failure(ended.failure);
  };
  Step(std::move(run));
}

absl::StatusOr<absl::Time> Retention::TimeOf(int64_t sequence) {
  absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(sequence, 1);
  if (!rows.ok()) return rows.status();
  type::v1::Event event;
  if (rows->empty() || !event.ParseFromString(rows->front().bytes)) return absl::InfiniteFuture();
  return FromTimestamp(event.commit_time());
}

absl::Status Retention::CheckClock(absl::Time now) {
  if (clock_->Steady() - steady_since_ >= kWeek) return absl::OkStatus();
  absl::StatusOr<Heads> heads = reader_->ReadHeads();
  if (!heads.ok()) return heads.status();
  // Of two neighbours in the log the earlier is of more than a week ago and the later is not. They are looked
  // for from the end in growing steps, then between the last two, so that none of an earlier leap are found.
  int64_t old = 0;  // 0: there is none
  int64_t young = heads->event_sequence + 1;
  absl::Time old_time = absl::InfiniteFuture();
  for (int64_t step = 1; young - old > 1;) {
    const bool stepping = old == 0 && step < young;
    const int64_t sequence = stepping ? young - step : old + (young - old) / 2;
    if (stepping) step *= 2;
    const absl::StatusOr<absl::Time> time = TimeOf(sequence);
    if (!time.ok()) return time.status();
    if (*time < now - kWeek) {
      old = sequence;
      old_time = *time;
    } else {
      young = sequence;
    }
  }
  if (old_time >= now - 2 * kWeek) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the clock leapt ahead, or nothing happened here in the week before the last: nothing is erased until "
      "it has gone steadily for a week, or events of more than a week ago bear it out; if it is wrong, set "
      "it right before that; if it is right, `hotlinectl retention run` does not wait");
}

bool Retention::IsDue(const WorkOrder& order, const Run& run) const {
  const bool ended =
      Contains(kEnded, order.state()) ||
      ((order.state() == type::v1::ORDER_STATE_RETURNED || order.state() == type::v1::ORDER_STATE_RECALLED) &&
       order.custody().holder() != options_.hotline);
  if (!ended || order.has_legal_hold()) return false;
  // What was written after an erasure (the order was reopened, or held) goes in its turn.
  if (order.has_erase_time() && FromTimestamp(order.update_time()) <= FromTimestamp(order.erase_time())) {
    return false;
  }
  if (FromTimestamp(order.update_time()) >= run.now - kDay * options_.content_days) return false;
  const auto unclear = [&](const type::v1::Handoff& handoff) {
    return run.unclear_peers.contains(handoff.from_hotline()) ||
           run.unclear_peers.contains(handoff.to_hotline());
  };
  if (unclear(order.handoff()) || unclear(order.inbound())) return false;
  return !run.owed.contains(ParseOrderId(order.id()).value_or(0));
}

absl::Status Retention::LookAtLinks(Run& run) {
  absl::StatusOr<std::vector<LinkRow>> links = reader_->Links();
  if (!links.ok()) return links.status();
  for (const LinkRow& link : *links) {
    if (link.acknowledged_sequence >= link.outgoing_sequence || !options_.peers.contains(link.key.peer)) {
      continue;
    }
    absl::StatusOr<std::vector<int64_t>> orders =
        reader_->OutboxOrders(link.key, link.acknowledged_sequence, kMostOwed);
    if (!orders.ok()) return orders.status();
    run.owed.insert(orders->begin(), orders->end());
    if (static_cast<int>(orders->size()) >= kMostOwed) run.unclear_peers.insert(link.key.peer);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<WorkOrder>> Retention::NextDue(Run& run, int limit, bool* end) {
  // Ids grow, with time unless the clock was ahead: what has a greater one than all that was registered
  // before cannot be due.
  const absl::Time before = run.now - kDay * options_.content_days;
  workorder::v1::ListFilter filter;
  *filter.mutable_register_end_time() = ToTimestamp(before);
  int64_t next = 0;
  absl::StatusOr<std::vector<WorkOrder>> latest =
      reader_->List(filter, 0, {.limit = 1, .scan_limit = kScannedAtOnce}, &next);
  if (!latest.ok()) return latest.status();
  const int64_t last_old = latest->empty() ? 0 : ParseOrderId(latest->front().id()).value_or(0);
  const int64_t first_young = std::max(FirstOrderIdAt(before), last_old + 1);
  absl::StatusOr<std::vector<WorkOrder>> orders = reader_->ScanOrders(run.after_id, kScannedAtOnce);
  if (!orders.ok()) return orders.status();
  *end = orders->size() < kScannedAtOnce;
  std::vector<WorkOrder> due;
  for (WorkOrder& order : *orders) {
    const int64_t id = ParseOrderId(order.id()).value_or(0);
    if (id >= first_young) {
      *end = true;
      break;
    }
    if (IsDue(order, run)) {
      if (static_cast<int>(due.size()) == limit) {
        *end = false;
        break;
      }
      due.push_back(std::move(order));
    }
    run.after_id = id;
  }
  return due;
}

absl::StatusOr<retention::Attestation> Retention::Attest(int64_t last_sequence) {
  struct Rewritten {
    EventRow row;
    std::string previous_hash;
  };
  std::vector<Rewritten> rewritten;  // the latest first
  for (int64_t sequence = last_sequence; sequence > 0;) {
    absl::StatusOr<std::vector<EventRow>> rows =
        reader_->ReadEvents(std::max<int64_t>(1, sequence - 1), sequence == 1 ? 1 : 2);
    if (!rows.ok()) return rows.status();
    type::v1::Event event;
    if (rows->empty() || rows->back().sequence != sequence || !event.ParseFromString(rows->back().bytes) ||
        event.previous_order_sequence() >= sequence) {
      return error::Internal(StrCat("event ", sequence, " cannot be read"));
    }
    Rewritten without{.row = rows->back(),
                      .previous_hash = sequence == 1 ? ChainStart() : rows->front().hash};
    if (auto bytes = retention::EventWithoutTexts(without.row.bytes); bytes.has_value()) {
      without.row.bytes = *std::move(bytes);
    }
    // Now, or by an earlier erasure.
    if (EventHash(without.previous_hash, without.row.bytes) != without.row.hash) {
      rewritten.push_back(std::move(without));
    }
    sequence = event.previous_order_sequence();
  }
  retention::Attestation attestation;
  for (auto it = rewritten.rbegin(); it != rewritten.rend(); ++it) {
    attestation.Add(it->row.sequence, it->previous_hash, it->row.hash, it->row.bytes);
  }
  return attestation;
}

void Retention::PassOver(Run& run, const absl::Status& why) {
  if (run.failed++ == 0) run.failure = why;
}

void Retention::Step(std::shared_ptr<Run> run) {
  if (run->after_id == 0) {
    if (absl::Status status = LookAtLinks(*run); !status.ok()) return run->ended(status, *run, false);
  }
  bool end = false;
  absl::StatusOr<std::vector<WorkOrder>> due = NextDue(*run, kErasedAtOnce, &end);
  if (!due.ok()) return run->ended(due.status(), *run, false);
  const auto go_on = [this, run, end] {
    GoOn(run, end && !options_.erase_strays, end ? &Retention::StepStrays : &Retention::Step);
  };

  workorder::v1::ExecuteRequest request;
  for (const WorkOrder& order : *due) {
    const absl::StatusOr<retention::Attestation> attestation = Attest(order.last_event_sequence());
    if (error::ReasonOf(attestation.status()) == error::Reason::ERROR_REASON_INTERNAL) {
      PassOver(*run, attestation.status());
      continue;
    }
    if (!attestation.ok()) return run->ended(attestation.status(), *run, false);
    type::v1::Command& command = *request.add_commands();
    type::v1::CommandHeader& header = *command.mutable_header();
    header.set_request_id(StrCat(kRetentionIds, order.id(), "/", order.version()));
    header.set_order_id(order.id());
    // What is attested is the history up to here; that it was shown meanwhile, which makes nothing stale, has
    // no texts.
    header.set_expected_version(order.version());
    header.mutable_actor()->set_account(kRetentionAccount);
    *command.mutable_erasure()->mutable_unchanged_since_time() =
        ToTimestamp(run->now - kDay * options_.content_days);
    command.mutable_erasure()->set_retention_days(options_.content_days);
    attestation->Write(command.mutable_erasure());
  }
  if (request.commands().empty()) return go_on();
  ledger_->Execute({.now = run->now}, std::move(request),
                   [this, run, go_on](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
                     executor_->Post([this, run, go_on, response = std::move(response)] {
                       if (!response.ok()) return run->ended(response.status(), *run, false);
                       for (const workorder::v1::CommandResult& result : response->results()) {
                         if (!result.has_error()) {
                           ++run->erased;
                           ++erased_;
                         } else if (const absl::Status why = error::FromProto(result.error());
                                    error::ReasonOf(why) == error::Reason::ERROR_REASON_INTERNAL) {
                           PassOver(*run, why);
                         }
                         // Any other that was refused has changed meanwhile, and is not due any more.
                       }
                       go_on();
                     });
                   });
}

// What was refused has no order to go with: a vendor's offers that nobody here understood, with all that
// their callers said.
void Retention::StepStrays(std::shared_ptr<Run> run) {
  const absl::Time before = run->now - kDay * options_.content_days;
  absl::StatusOr<std::vector<int64_t>> places = reader_->FindStrays(before, kStraysAtOnce, &run->after_place);
  if (!places.ok()) return run->ended(places.status(), *run, false);
  const auto go_on = [this, run] { GoOn(run, run->after_place == 0, &Retention::StepStrays); };
  if (places->empty()) return go_on();
  options_.erase_strays(*std::move(places), [this, run, go_on](absl::Status status) {
    executor_->Post([run, go_on, status = std::move(status)] {
      if (!status.ok()) return run->ended(status, *run, false);
      go_on();
    });
  });
}

void Retention::GoOn(std::shared_ptr<Run> run, bool all, void (Retention::*step)(std::shared_ptr<Run>)) {
  if (all) {
    last_run_ = clock_->Now();
    return run->ended(absl::OkStatus(), *run, true);
  }
  if (clock_->Now() >= run->deadline) return run->ended(absl::OkStatus(), *run, false);
  // Others' turn on the executor between two steps.
  executor_->Post([this, run, step] { (this->*step)(run); });
}

void Retention::Execute(const CallContext& call, type::v1::Command command,
                        Done<workorder::v1::CommandResult> done) {
  workorder::v1::ExecuteRequest request;
  command.set_traceparent(call.traceparent);
  *request.add_commands() = std::move(command);
  ledger_->Execute(call, std::move(request),
                   [done = std::move(done)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                     if (!response.ok()) return done(response.status());
                     workorder::v1::CommandResult& result = *response->mutable_results(0);
                     if (result.has_error()) return done(error::FromProto(result.error()));
                     LeaveTheHold(result.mutable_order());
                     done(std::move(result));
                   });
}

void Retention::ListHolds(const CallContext&, operation::v1::ListHoldsRequest, Done<ListHoldsResponse> done) {
  executor_->Post([this, done = std::move(done)]() mutable {
    absl::StatusOr<std::vector<int64_t>> ids = reader_->HeldOrders(kMostHolds);
    if (!ids.ok()) return done(ids.status());
    ListHoldsResponse response;
    for (const int64_t id : *ids) {
      absl::StatusOr<std::optional<WorkOrder>> order = reader_->FindOrder(id);
      if (!order.ok()) return done(order.status());
      if (!order->has_value()) continue;
      LeaveTheHold(&**order);
      *response.add_orders() = **std::move(order);
    }
    done(std::move(response));
  });
}

void Retention::GetRetention(const CallContext& call, operation::v1::GetRetentionRequest,
                             Done<GetRetentionResponse> done) {
  executor_->Post([this, now = call.now, done = std::move(done)]() mutable {
    GetRetentionResponse response;
    response.set_content_days(options_.content_days);
    response.set_erased_count(erased_.load());
    if (last_run_ > absl::InfinitePast()) *response.mutable_last_run_time() = ToTimestamp(last_run_);
    absl::StatusOr<std::vector<int64_t>> holds = reader_->HeldOrders(kMostCounted);
    if (!holds.ok()) return done(holds.status());
    response.set_hold_count(static_cast<int32_t>(holds->size()));
    if (options_.content_days >= 0) {
      Run run{.now = now};
      if (absl::Status status = LookAtLinks(run); !status.ok()) return done(status);
      for (bool end = false; !end && response.due_count() < kMostCounted;) {
        absl::StatusOr<std::vector<WorkOrder>> due = NextDue(run, kScannedAtOnce, &end);
        if (!due.ok()) return done(due.status());
        response.set_due_count(response.due_count() + static_cast<int32_t>(due->size()));
      }
    }
    done(std::move(response));
  });
}

void Retention::RunRetention(const CallContext& call, operation::v1::RunRetentionRequest,
                             Done<RunRetentionResponse> done) {
  if (options_.content_days < 0) {
    RunRetentionResponse nothing;
    nothing.set_done(true);
    return done(std::move(nothing));
  }
  auto run = std::make_shared<Run>();
  run->now = call.now;
  run->deadline = call.deadline - kForTheAnswer;
  auto answer = std::make_shared<Done<RunRetentionResponse>>(std::move(done));
  run->ended = [answer](const absl::Status& status, const Run& ended, bool all) {
    if (!status.ok()) return (*answer)(status);
    RunRetentionResponse response;
    response.set_erased_count(ended.erased);
    response.set_done(all);
    response.set_failed_count(ended.failed);
    (*answer)(std::move(response));
  };
  executor_->Post([this, run] { Step(run); });
}

}  // namespace hotline::work_order
