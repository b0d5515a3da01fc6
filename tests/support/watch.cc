#include "tests/support/watch.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace hotline::test {

using type::v1::Event;

HandoffWatch::HandoffWatch(Site* site, int64_t start_sequence, const std::string& order_id,
                           absl::Duration heartbeat)
    : stub_(dispatch::v1::DispatchService::NewStub(site->NewChannelTo(Service::kDispatch))) {
  dispatch::v1::WatchHandoffsRequest request;
  request.set_start_sequence(start_sequence);
  request.set_order_id(order_id);
  request.mutable_heartbeat_interval()->set_seconds(absl::ToInt64Seconds(heartbeat));
  context_.set_wait_for_ready(true);
  reader_ = stub_->WatchHandoffs(&context_, request);
  thread_ = std::thread([this] { Read(); });
}

HandoffWatch::~HandoffWatch() {
  context_.TryCancel();
  thread_.join();
}

void HandoffWatch::Read() {
  dispatch::v1::WatchHandoffsResponse message;
  while (reader_->Read(&message)) {
    MutexLock lock(&mu_);
    events_.insert(events_.end(), message.events().begin(), message.events().end());
    if (message.events().empty()) ++heartbeats_;
    last_ = message;
    changed_.NotifyAll();
  }
  const grpc::Status status = reader_->Finish();
  MutexLock lock(&mu_);
  status_ = status;
  ended_ = true;
  changed_.NotifyAll();
}

std::vector<Event> HandoffWatch::events() const {
  MutexLock lock(&mu_);
  return events_;
}

bool HandoffWatch::WaitFor(const std::function<bool(const std::vector<Event>&)>& enough,
                           absl::Duration timeout) const {
  const absl::Time until = absl::Now() + timeout;
  MutexLock lock(&mu_);
  while (!enough(events_)) {
    if (ended_ || absl::Now() > until) return false;
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(absl::Milliseconds(50)));
  }
  return true;
}

bool HandoffWatch::WaitForDetail(Event::DetailCase detail, absl::Duration timeout) const {
  return WaitFor(
      [detail](const std::vector<Event>& events) {
        return std::any_of(events.begin(), events.end(),
                           [detail](const Event& event) { return event.detail_case() == detail; });
      },
      timeout);
}

bool HandoffWatch::WaitForHeartbeat(absl::Duration timeout) const {
  const absl::Time until = absl::Now() + timeout;
  MutexLock lock(&mu_);
  const int before = heartbeats_;
  while (heartbeats_ == before) {
    if (ended_ || absl::Now() > until) return false;
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(absl::Milliseconds(50)));
  }
  return true;
}

grpc::Status HandoffWatch::WaitForEnd() {
  MutexLock lock(&mu_);
  while (!ended_) changed_.Wait(&mu_);
  return status_;
}

int64_t HandoffWatch::watermark() const {
  MutexLock lock(&mu_);
  return last_.watermark();
}

absl::Time HandoffWatch::server_time() const {
  MutexLock lock(&mu_);
  return absl::FromUnixSeconds(last_.server_time().seconds()) +
         absl::Nanoseconds(last_.server_time().nanos());
}

bool HandoffWatch::draining() const {
  MutexLock lock(&mu_);
  return last_.draining();
}

}  // namespace hotline::test
