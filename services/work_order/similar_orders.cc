#include "services/work_order/similar_orders.h"

#include <string>

#include "common/base/id.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

// Orders or events: two to three milliseconds.
constexpr int kSlice = 64;
// Slices that a caller waits for.
constexpr int kSlicesInline = 2;
constexpr size_t kMostLikely = 1000;
constexpr size_t kCapacity = 200'000;
// What waits goes over into an index of no more than this and as much again.
constexpr size_t kMaxWaitingBytes = SimilarIndex::kMaxBytes / 2;
constexpr absl::Duration kPumpEvery = absl::Seconds(1);

const type::v1::RegisteredDetail* RegistrationIn(const type::v1::Event& event) {
  if (event.has_registered()) return &event.registered();
  if (event.offered().has_registered()) return &event.offered().registered();
  if (event.understood().has_registered()) return &event.understood().registered();
  return nullptr;
}

}  // namespace

absl::StatusOr<Sketch> SimilarOrders::Read(int64_t id, absl::Time registered) {
  absl::StatusOr<std::string> bytes = reader_->FindContent(id);
  if (!bytes.ok()) return bytes.status();
  type::v1::OrderContent content;
  // An erased one says nothing, and is like nothing.
  if (!content.ParseFromString(*bytes)) return error::Internal("a stored content cannot be read");
  return SketchOf(content, registered);
}

absl::Status SimilarOrders::ListOpen() {
  workorder::v1::ListFilter open;
  for (int state = type::v1::ORDER_STATE_REGISTERED; state <= type::v1::ORDER_STATE_REDO; ++state) {
    open.add_states(static_cast<type::v1::OrderState>(state));
  }
  int64_t next = 0;
  absl::StatusOr<std::vector<type::v1::WorkOrder>> orders =
      reader_->List(open, scan_before_, {.limit = kSlice, .scan_limit = kSlice}, &next);
  if (!orders.ok()) return orders.status();
  for (const type::v1::WorkOrder& order : *orders) {
    const int64_t id = ParseOrderId(order.id()).value_or(0);
    absl::StatusOr<Sketch> sketch = Read(id, FromProto(order.register_time()));
    if (!sketch.ok()) return sketch.status();
    waiting_bytes_ += BytesOf(*sketch);
    waiting_.emplace_back(id, *std::move(sketch));
  }
  scan_before_ = next;
  listed_ = next == 0 || waiting_.size() >= kCapacity || waiting_bytes_ >= kMaxWaitingBytes;
  return absl::OkStatus();
}

absl::StatusOr<bool> SimilarOrders::Scan() {
  if (!listed_) {
    if (absl::Status status = ListOpen(); !status.ok()) return status;
  }
  if (!listed_) return true;
  for (int i = 0; i < kSlice && !waiting_.empty(); ++i) {
    index_.Put(waiting_.back().first, std::move(waiting_.back().second));
    waiting_.pop_back();
  }
  scanned_ = waiting_.empty();
  return true;
}

absl::StatusOr<bool> SimilarOrders::Follow() {
  absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(next_event_, kSlice);
  if (!rows.ok()) return rows.status();
  for (const EventRow& row : *rows) {
    type::v1::Event event;
    if (!event.ParseFromString(row.bytes)) return error::Internal("a stored event cannot be read");
    const int64_t id = ParseOrderId(event.order_id()).value_or(0);
    // A copy that was given back has not ended, and is erased all the same.
    if (Contains(kEnded, event.state()) || event.has_erased()) {
      index_.Remove(id);
    } else if (RegistrationIn(event) != nullptr) {
      absl::StatusOr<Sketch> sketch = Read(id, FromProto(event.commit_time()));
      if (!sketch.ok()) return sketch.status();
      index_.Put(id, *std::move(sketch));
    } else if (Contains(kEnded, event.state_before())) {
      // Reopened.
      absl::StatusOr<std::optional<type::v1::WorkOrder>> order = reader_->FindOrder(id);
      if (!order.ok()) return order.status();
      if (!order->has_value()) return error::Internal("an order of the log is not there");
      absl::StatusOr<Sketch> sketch = Read(id, FromProto((*order)->register_time()));
      if (!sketch.ok()) return sketch.status();
      index_.Put(id, *std::move(sketch));
    }
    next_event_ = row.sequence + 1;
  }
  return rows->size() == kSlice;
}

absl::StatusOr<bool> SimilarOrders::Step() {
  if (!begun_) {
    absl::StatusOr<Heads> heads = reader_->ReadHeads();
    if (!heads.ok()) return heads.status();
    next_event_ = heads->event_sequence + 1;
    begun_ = true;
    Pump();
  }
  absl::StatusOr<bool> more = scanned_ ? Follow() : Scan();
  bytes_.store(index_.bytes() + (scanned_ ? 0 : waiting_bytes_), std::memory_order_relaxed);
  return more;
}

void SimilarOrders::Pump() {
  readers_->PostAfter(kPumpEvery, [this] {
    // One slice at a time, so that other reads go on in between; a failure is
    // met again by who asks.
    const auto slice = [](auto& again, SimilarOrders* self) -> void {
      if (const absl::StatusOr<bool> more = self->Step(); more.ok() && *more) {
        self->readers_->Post([again, self]() mutable { again(again, self); });
        return;
      }
      self->Pump();
    };
    slice(slice, this);
  });
}

absl::StatusOr<SimilarOrders::Found> SimilarOrders::Find(const Sketch& query, int64_t except) {
  Found found;
  found.incomplete = true;
  for (int i = 0; i < kSlicesInline || !begun_; ++i) {
    absl::StatusOr<bool> more = Step();
    if (!more.ok()) return more.status();
    if (*more) continue;
    found.incomplete = false;
    break;
  }
  found.likely = index_.Find(query, except, kMostLikely);
  return found;
}

}  // namespace hotline::work_order
