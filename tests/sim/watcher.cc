#include "tests/sim/watcher.h"

#include <utility>

#include "common/base/text.h"

namespace hotline::sim {
namespace {

constexpr absl::Duration kReopenAfter = absl::Milliseconds(200);

}  // namespace

Watcher::Watcher(Site* site, Kernel* kernel, Witness* witness)
    : site_(site), kernel_(kernel), witness_(witness) {
  site_->set_on_dispatch_end([this] {
    if (stream_ == nullptr) return;
    stream_.reset();
    OpenLater();
  });
  OpenLater();
}

Watcher::~Watcher() { site_->set_on_dispatch_end(nullptr); }

void Watcher::OpenLater() {
  kernel_->PostAfter(kReopenAfter, [this, life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) Open();
  });
}

void Watcher::Open() {
  if (!site_->up(Part::kDispatch)) return OpenLater();
  dispatch::v1::WatchHandoffsRequest request;
  request.set_start_sequence(watermark_ + 1);
  request.mutable_heartbeat_interval()->set_seconds(2);
  CallContext call;
  call.now = site_->clock()->Now();
  auto stream = site_->dispatch()->WatchHandoffs(call, request);
  if (!stream.ok()) return witness_->Violate("watched", "a watch is refused");
  stream_ = *std::move(stream);
  Pull();
}

void Watcher::Pull() {
  stream_->Next([this, life = std::weak_ptr<int>(life_)](absl::StatusOr<SharedMessage> message) {
    if (life.expired()) return;
    // A stream is not to be ended, nor asked for more, from within its answer.
    kernel_->Post([this, life, message = std::move(message)] {
      if (life.expired() || stream_ == nullptr) return;
      if (message.ok() && *message != nullptr) {
        See(**message);
        return Pull();
      }
      stream_.reset();
      OpenLater();
    });
  });
}

void Watcher::See(const std::string& message) {
  dispatch::v1::WatchHandoffsResponse response;
  if (!response.ParseFromString(message)) return witness_->Violate("watched", "a message cannot be read");
  const std::vector<SharedMessage>& log = witness_->log(site_->index());
  if (response.watermark() > static_cast<int64_t>(log.size()) || response.watermark() < watermark_) {
    return witness_->Violate("watched", StrCat(site_->hotline(), ": a watch goes from #", watermark_, " to #",
                                               response.watermark(), " of ", log.size()));
  }
  // Exactly the events of handoffs between the watermarks.
  int next = 0;
  type::v1::Event event;
  for (int64_t sequence = watermark_ + 1; sequence <= response.watermark(); ++sequence) {
    if (!event.ParseFromString(*log[static_cast<size_t>(sequence - 1)]) || event.handoff_id().empty())
      continue;
    if (next >= response.events_size() || response.events(next).sequence() != sequence) {
      return witness_->Violate("watched", StrCat(site_->hotline(), ": a watch missed #", sequence));
    }
    ++next;
  }
  if (next != response.events_size()) {
    return witness_->Violate(
        "watched", StrCat(site_->hotline(), ": a watch saw what is beyond #", response.watermark()));
  }
  watermark_ = response.watermark();
}

}  // namespace hotline::sim
