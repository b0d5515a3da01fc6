#include "services/dispatch/batcher.h"

#include "common/error/error.h"

namespace hotline::dispatch {

namespace {
constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);
}  // namespace

void Batcher::Submit(type::v1::Command command, bool emergency, Done<workorder::v1::CommandResult> done) {
  bool send = false;
  bool full = false;
  {
    MutexLock lock(&mu_);
    const size_t limit =
        static_cast<size_t>(options_.queue_limit + (emergency ? options_.emergency_room : 0));
    if (queue_.size() >= limit) {
      full = true;
    } else {
      Waiting waiting{std::move(command), std::move(done)};
      if (emergency) {
        queue_.push_front(std::move(waiting));
      } else {
        queue_.push_back(std::move(waiting));
      }
      waiting_.store(static_cast<int64_t>(queue_.size()), std::memory_order_relaxed);
      send = under_way_ < options_.batches;
      if (send) ++under_way_;
    }
  }
  if (full) return done(error::Overloaded("dispatch queue", kRetryAfter));
  if (send) Send();
}

void Batcher::Send() {
  workorder::v1::ExecuteRequest request;
  std::vector<Done<workorder::v1::CommandResult>> dones;
  {
    MutexLock lock(&mu_);
    if (queue_.empty()) {
      --under_way_;
      return;
    }
    while (!queue_.empty() && dones.size() < static_cast<size_t>(options_.batch_limit)) {
      *request.add_commands() = std::move(queue_.front().command);
      dones.push_back(std::move(queue_.front().done));
      queue_.pop_front();
    }
    waiting_.store(static_cast<int64_t>(queue_.size()), std::memory_order_relaxed);
  }
  CallContext call;
  call.traceparent = request.commands(0).traceparent();
  call.deadline = clock_->Now() + options_.timeout;
  ledger_->Execute(
      call, std::move(request),
      [this, dones = std::move(dones)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
        // The next batch leaves before this one's answers, which take their time.
        Send();
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
      });
}

}  // namespace hotline::dispatch
