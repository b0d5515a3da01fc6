#include "services/dispatch/batcher.h"

#include "common/error/error.h"

namespace hotline::dispatch {

namespace {
constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);
}  // namespace

void Batcher::CountWaiting() {
  waiting_.store(static_cast<int64_t>(ordinary_.waiting.size() + emergencies_.waiting.size()),
                 std::memory_order_relaxed);
}

void Batcher::Submit(type::v1::Command command, bool emergency, Done<workorder::v1::CommandResult> done) {
  bool send = false;
  bool full = false;
  {
    MutexLock lock(&mu_);
    const size_t limit =
        static_cast<size_t>(options_.queue_limit + (emergency ? options_.emergency_room : 0));
    if (ordinary_.waiting.size() + emergencies_.waiting.size() >= limit) {
      full = true;
    } else {
      Queue& queue = emergency ? emergencies_ : ordinary_;
      queue.waiting.push_back({std::move(command), std::move(done)});
      CountWaiting();
      send = queue.under_way < (emergency ? 1 : options_.batches);
      if (send) ++queue.under_way;
    }
  }
  if (full) return done(Full());
  if (send) emergency ? Send(true) : SendOrdinary();
}

absl::Status Batcher::Full() { return error::Overloaded("dispatch queue", kRetryAfter); }

void Batcher::Send(bool emergency) {
  workorder::v1::ExecuteRequest request;
  Dones dones;
  {
    MutexLock lock(&mu_);
    Queue& queue = emergency ? emergencies_ : ordinary_;
    if (queue.waiting.empty()) {
      --queue.under_way;
      return;
    }
    while (!queue.waiting.empty() && dones.size() < static_cast<size_t>(options_.batch_limit)) {
      *request.add_commands() = std::move(queue.waiting.front().command);
      dones.push_back(std::move(queue.waiting.front().done));
      queue.waiting.pop_front();
    }
    CountWaiting();
  }
  CallContext call;
  call.traceparent = request.commands(0).traceparent();
  call.deadline = clock_->Now() + options_.timeout;
  ledger_->Execute(call, std::move(request),
                   [this, emergency, dones = std::move(dones)](
                       absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                     // The next batch leaves before this one's answers, which take their time.
                     if (emergency) {
                       Send(true);
                       return Answer(std::move(dones), std::move(response));
                     }
                     way_->Yield([this, dones = std::move(dones), response = std::move(response)]() mutable {
                       Send(false);
                       Answer(std::move(dones), std::move(response));
                     });
                   });
}

void Batcher::Answer(Dones dones, absl::StatusOr<workorder::v1::ExecuteResponse> response) {
  for (size_t i = 0; i < dones.size(); ++i) {
    if (!response.ok()) {
      dones[i](response.status());
      continue;
    }
    if (static_cast<int>(i) >= response->results_size()) {
      dones[i](error::Internal("work_order answered fewer commands than it was given"));
      continue;
    }
    workorder::v1::CommandResult& result = *response->mutable_results(static_cast<int>(i));
    if (result.has_error()) {
      dones[i](error::FromProto(result.error()));
    } else {
      dones[i](std::move(result));
    }
  }
}

}  // namespace hotline::dispatch
