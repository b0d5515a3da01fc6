#include "common/stream/event_hub.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/base/id.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/retention/erase.h"
#include "hotline/workorder/v1/work_order_service.pb.h"

namespace hotline {
namespace {

// Appends `event` as one element of field 1 (`events`).
void AppendEvent(const std::string& event, std::string* message) {
  message->push_back('\x0a');
  size_t length = event.size();
  while (length >= 0x80) {
    message->push_back(static_cast<char>(length | 0x80));
    length >>= 7;
  }
  message->push_back(static_cast<char>(length));
  message->append(event);
}

}  // namespace

// One watcher. Touched on the executor only.
struct Watcher {
  int64_t next = 0;  // 0: from the next event on, not yet resolved
  std::string order_id;
  EventHub::Viewer viewer;
  absl::flat_hash_set<std::string> recorded;  // restricted orders that it was shown
  absl::Duration heartbeat;
  absl::Duration silent = absl::ZeroDuration();
  bool busy = false;       // a read of the log is under way, or the record of what is to be shown
  bool reading = false;    // busy with history, of which nothing was chosen yet: `next` is where it begins
  bool plausible = false;  // `next` is in the log, or the one after its head
  bool said_draining = false;
  bool closed = false;
  absl::Status ended;  // why, once the log it followed is no more
  absl::AnyInvocable<void(absl::StatusOr<SharedMessage>)> pending;
};

class EventHub::State : public std::enable_shared_from_this<EventHub::State> {
 public:
  State(Executor* executor, const Clock* clock, Fetch fetch, Options options)
      : executor_(executor), clock_(clock), fetch_(std::move(fetch)), options_(options) {}

  Executor* executor() const { return executor_; }
  std::atomic<int64_t>& open_streams() { return open_streams_; }
  int64_t head() const { return head_.load(); }

  void Start() { ScheduleTick(); }

  void SetHead(int64_t head) {
    if (head_ >= 0) return;
    head_ = head;
    ServeAll();
  }

  void Reset(const absl::Status& why) {
    head_ = -1;
    ring_.clear();
    ring_bytes_ = 0;
    cache_head_ = -1;
    cache_ = nullptr;
    for (const auto& watcher : Snapshot()) {
      watcher->ended = why;
      if (watcher->pending) Fail(watcher, why);
    }
  }

  void Publish(Items items) {
    if (items.empty() || head_ < 0) return;
    for (Item& item : items) {
      // What was already there when the head was read comes once more; it is not news.
      if (item.sequence != head_ + 1) continue;
      head_ = item.sequence;
      ring_bytes_ += item.bytes->size();
      ring_.push_back(std::move(item));
      ring_bytes_ -= KeepLikewise(&ring_);
    }
    while (ring_.size() > options_.ring_items || (ring_bytes_ > options_.ring_bytes && ring_.size() > 1)) {
      ring_bytes_ -= ring_.front().bytes->size();
      ring_.pop_front();
    }
    ServeAll();
  }

  void Add(std::shared_ptr<Watcher> watcher) { watchers_.insert(std::move(watcher)); }

  void Remove(const std::shared_ptr<Watcher>& watcher) {
    watcher->closed = true;
    watcher->pending = nullptr;
    watchers_.erase(watcher);
  }

  void Next(const std::shared_ptr<Watcher>& watcher,
            absl::AnyInvocable<void(absl::StatusOr<SharedMessage>)> next) {
    if (watcher->closed) return next(absl::CancelledError("stream closed"));
    if (!watcher->ended.ok()) return next(watcher->ended);
    watcher->pending = std::move(next);
    Serve(watcher);
  }

  void Drain() {
    draining_ = true;
    ServeAll();
  }

 private:
  void ScheduleTick() {
    executor_->PostAfter(options_.tick, [self = weak_from_this()] {
      if (auto state = self.lock()) state->Tick();
    });
  }

  void Tick() {
    for (const auto& watcher : Snapshot()) {
      watcher->silent += options_.tick;
      // Who asked for what comes from now on has no watermark before the head is known.
      const bool has_watermark = head_ >= 0 || watcher->next > 0;
      // Much history may hold nothing for a watcher: that it is read is no reason for silence.
      const bool free = !watcher->busy || watcher->reading;
      if (watcher->silent + options_.tick > watcher->heartbeat && watcher->pending && free && has_watermark) {
        Answer(watcher, Encode({}, *watcher, Watermark(*watcher), false));
      }
    }
    ScheduleTick();
  }

  // Serving can add and remove watchers, so loops run over a copy.
  std::vector<std::shared_ptr<Watcher>> Snapshot() const { return {watchers_.begin(), watchers_.end()}; }

  void ServeAll() {
    for (const auto& watcher : Snapshot()) Serve(watcher);
  }

  int64_t Watermark(const Watcher& watcher) const { return watcher.next - 1; }

  void Serve(const std::shared_ptr<Watcher>& watcher) {
    if (!watcher->pending || watcher->busy) return;
    if (head_ < 0) {
      // The log is not known yet: what waits for it is not to hold up the end.
      if (draining_) Fail(watcher, error::Draining());
      return;
    }
    if (watcher->next == 0) watcher->next = head_ + 1;
    if (watcher->next < 1) return Fail(watcher, error::SequenceOutOfRange(watcher->next, head_));
    if (draining_) {
      if (watcher->said_draining) {
        auto next = std::exchange(watcher->pending, nullptr);
        return next(SharedMessage());
      }
      watcher->said_draining = true;
      return Answer(watcher, Encode({}, *watcher, Watermark(*watcher), true));
    }
    if (watcher->next > head_ + 1 && !watcher->plausible) return AskWhetherItExists(watcher);
    if (watcher->next > head_) return;
    if (ring_.empty() || watcher->next < ring_.front().sequence) return FetchHistory(watcher);
    ServeRing(watcher);
  }

  void ServeRing(const std::shared_ptr<Watcher>& watcher) {
    const size_t begin = static_cast<size_t>(watcher->next - ring_.front().sequence);
    if (watcher->order_id.empty() && !watcher->viewer.cleared && !watcher->viewer.whole) {
      // Watchers at the head all ask for the same stretch: encode it once.
      if (cache_from_ != watcher->next || cache_head_ != head_) {
        std::vector<const Item*> chosen;
        const size_t end = Choose(ring_.begin() + begin, ring_.end(), *watcher, &chosen) + begin;
        cache_from_ = watcher->next;
        cache_head_ = head_;
        cache_through_ = ring_[end - 1].sequence;
        cache_ = chosen.empty() ? nullptr : Encode(chosen, *watcher, cache_through_, false);
      }
      watcher->next = cache_through_ + 1;
      if (cache_ != nullptr) return Answer(watcher, cache_);
      return Serve(watcher);
    }
    std::vector<const Item*> chosen;
    const size_t count = Choose(ring_.begin() + begin, ring_.end(), *watcher, &chosen);
    watcher->next += static_cast<int64_t>(count);
    if (!chosen.empty()) return Show(watcher, chosen);
    Serve(watcher);
  }

  // Picks what `watcher` is to see from [begin, end), up to a batch; returns how many were looked at.
  template <typename Iterator>
  size_t Choose(Iterator begin, Iterator end, const Watcher& watcher,
                std::vector<const Item*>* chosen) const {
    size_t bytes = 0;
    Iterator it = begin;
    for (; it != end && chosen->size() < static_cast<size_t>(options_.batch_items); ++it) {
      if (!it->shown || (it->restricted && !watcher.viewer.cleared) ||
          (!watcher.order_id.empty() && it->order_id != watcher.order_id))
        continue;
      if (!chosen->empty() && bytes + it->bytes->size() > options_.batch_bytes) break;
      bytes += it->bytes->size();
      chosen->push_back(&*it);
    }
    return static_cast<size_t>(it - begin);
  }

  // The log may be ahead of what was published here: who has just been told of an event may watch from it on.
  void AskWhetherItExists(const std::shared_ptr<Watcher>& watcher) {
    watcher->busy = true;
    fetch_(watcher->next, 1, [self = weak_from_this(), watcher](absl::StatusOr<Items> items) {
      const auto state = self.lock();
      if (state == nullptr) return;
      state->executor_->Post([self, watcher, status = items.status()] {
        const auto state = self.lock();
        if (state == nullptr) return;
        watcher->busy = false;
        if (watcher->closed || !watcher->pending) return;
        if (!status.ok()) return state->Fail(watcher, status);
        watcher->plausible = true;
        state->Serve(watcher);
      });
    });
  }

  void FetchHistory(const std::shared_ptr<Watcher>& watcher) {
    watcher->busy = true;
    watcher->reading = true;
    fetch_(watcher->next, options_.batch_items,
           [self = weak_from_this(), watcher](absl::StatusOr<Items> items) {
             const auto state = self.lock();
             if (state == nullptr) return;
             state->executor_->Post([self, watcher, items = std::move(items)]() mutable {
               if (const auto state = self.lock()) state->OnHistory(watcher, std::move(items));
             });
           });
  }

  void OnHistory(const std::shared_ptr<Watcher>& watcher, absl::StatusOr<Items> items) {
    watcher->busy = false;
    watcher->reading = false;
    if (watcher->closed || !watcher->pending) return;
    if (!items.ok()) return Fail(watcher, items.status());
    if (items->empty() || items->front().sequence != watcher->next) {
      return Fail(watcher, error::Internal("the log did not give the events asked for"));
    }
    std::vector<const Item*> chosen;
    const size_t count = Choose(items->begin(), items->end(), *watcher, &chosen);
    watcher->next += static_cast<int64_t>(count);
    if (!chosen.empty()) return Show(watcher, chosen);
    Serve(watcher);
  }

  // Sends what was chosen. Which restricted orders it shows for the first time is recorded before.
  void Show(const std::shared_ptr<Watcher>& watcher, const std::vector<const Item*>& chosen) {
    SharedMessage message = Encode(chosen, *watcher, Watermark(*watcher), false);
    std::vector<std::string> orders;
    for (const Item* item : chosen) {
      if (watcher->viewer.record && item->restricted && !item->echo &&
          watcher->recorded.insert(item->order_id).second) {
        orders.push_back(item->order_id);
      }
    }
    if (orders.empty()) return Answer(watcher, std::move(message));
    watcher->busy = true;
    watcher->viewer.record(std::move(orders), [self = weak_from_this(), watcher,
                                               message = std::move(message)](absl::Status status) {
      const auto state = self.lock();
      if (state == nullptr) return;
      state->executor_->Post([self, watcher, message, status = std::move(status)] {
        const auto state = self.lock();
        if (state == nullptr) return;
        watcher->busy = false;
        if (watcher->closed || !watcher->pending) return;
        if (!status.ok()) return state->Fail(watcher, status);
        state->Answer(watcher, message);
      });
    });
  }

  SharedMessage Encode(const std::vector<const Item*>& items, const Watcher& watcher, int64_t watermark,
                       bool draining) const {
    auto message = std::make_shared<std::string>();
    size_t bytes = 64;
    for (const Item* item : items) bytes += item->bytes->size() + 6;
    message->reserve(bytes);
    for (const Item* item : items) {
      std::optional<std::string> without;
      if (item->veiled && !watcher.viewer.whole) without = retention::EventWithoutTexts(*item->bytes);
      AppendEvent(without.has_value() ? *without : *item->bytes, message.get());
    }
    workorder::v1::WatchWorkOrdersResponse rest;
    rest.set_watermark(watermark);
    *rest.mutable_server_time() = ToTimestamp(clock_->Now());
    rest.set_draining(draining);
    // Serialized messages put end to end are one message with the fields of both.
    rest.AppendToString(message.get());
    return message;
  }

  void Answer(const std::shared_ptr<Watcher>& watcher, SharedMessage message) {
    watcher->silent = absl::ZeroDuration();
    auto next = std::exchange(watcher->pending, nullptr);
    next(std::move(message));
  }

  void Fail(const std::shared_ptr<Watcher>& watcher, absl::Status status) {
    auto next = std::exchange(watcher->pending, nullptr);
    next(std::move(status));
  }

  Executor* const executor_;
  const Clock* const clock_;
  Fetch fetch_;
  const Options options_;
  std::atomic<int64_t> open_streams_{0};

  std::atomic<int64_t> head_{-1};  // set on the executor only

  // On the executor only.
  bool draining_ = false;
  std::deque<Item> ring_;
  size_t ring_bytes_ = 0;
  absl::flat_hash_set<std::shared_ptr<Watcher>> watchers_;
  int64_t cache_from_ = 0;
  int64_t cache_head_ = -1;
  int64_t cache_through_ = 0;
  SharedMessage cache_;
};

class EventHub::Stream : public MessageStream {
 public:
  Stream(std::shared_ptr<State> state, std::shared_ptr<Watcher> watcher)
      : state_(std::move(state)), watcher_(std::move(watcher)) {
    ++state_->open_streams();
  }
  ~Stream() override {
    --state_->open_streams();
    state_->executor()->Post([state = state_, watcher = watcher_] { state->Remove(watcher); });
  }
  void Next(absl::AnyInvocable<void(absl::StatusOr<SharedMessage>)> next) override {
    state_->executor()->Post([state = state_, watcher = watcher_, next = std::move(next)]() mutable {
      state->Next(watcher, std::move(next));
    });
  }

 private:
  const std::shared_ptr<State> state_;
  const std::shared_ptr<Watcher> watcher_;
};

EventHub::EventHub(Executor* executor, const Clock* clock, Fetch fetch, Options options)
    : state_(std::make_shared<State>(executor, clock, std::move(fetch), options)) {
  state_->Start();
}

EventHub::~EventHub() = default;

void EventHub::SetHead(int64_t head) {
  state_->executor()->Post([state = state_, head] { state->SetHead(head); });
}

void EventHub::Reset(absl::Status why) {
  state_->executor()->Post([state = state_, why = std::move(why)] { state->Reset(why); });
}

void EventHub::Publish(Items items) {
  state_->executor()->Post(
      [state = state_, items = std::move(items)]() mutable { state->Publish(std::move(items)); });
}

absl::StatusOr<std::string> EventHub::OrderOf(std::string_view text) {
  if (text.empty()) return std::string();
  const std::optional<int64_t> id = ParseOrderId(text);
  if (id.has_value()) return FormatOrderId(*id);
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "order_id",
                         "must be an order's id, not its number", "应为工单id，而不是编号");
}

size_t EventHub::KeepLikewise(std::deque<Item>* ring) {
  const Item& last = ring->back();
  const bool kept = last.restricted || last.veiled;
  size_t shrunk = 0;
  if (!kept && !last.erases) return shrunk;
  const int64_t first = ring->front().sequence;
  int64_t before = last.sequence;
  for (int64_t at = last.previous; at >= first && at < before;) {
    Item& item = (*ring)[static_cast<size_t>(at - first)];
    if (item.order_id != last.order_id) return shrunk;
    // From here on back it was done for an earlier one.
    const bool alike = !kept || (item.restricted == last.restricted && item.veiled == last.veiled);
    if (alike && !last.erases) return shrunk;
    if (!alike) {
      item.restricted = last.restricted;
      item.veiled = last.veiled;
    }
    std::optional<std::string> without;
    if (last.erases) without = retention::EventWithoutTexts(*item.bytes);
    if (without.has_value()) {
      shrunk += item.bytes->size() - std::min(item.bytes->size(), without->size());
      item.bytes = std::make_shared<const std::string>(*std::move(without));
    }
    before = at;
    at = item.previous;
  }
  return shrunk;
}

std::unique_ptr<MessageStream> EventHub::Open(int64_t start, std::string order_id, absl::Duration heartbeat,
                                              Viewer viewer) {
  auto watcher = std::make_shared<Watcher>();
  watcher->next = start;
  watcher->order_id = std::move(order_id);
  watcher->heartbeat = heartbeat;
  // Due at once: see Open in the header.
  watcher->silent = heartbeat;
  watcher->viewer = std::move(viewer);
  state_->executor()->Post([state = state_, watcher] { state->Add(watcher); });
  return std::make_unique<Stream>(state_, watcher);
}

void EventHub::Drain() {
  state_->executor()->Post([state = state_] { state->Drain(); });
}

int64_t EventHub::head() const { return state_->head(); }

int64_t EventHub::open_streams() const { return state_->open_streams().load(); }

}  // namespace hotline
