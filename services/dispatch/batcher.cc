#include "services/dispatch/batcher.h"

#include <algorithm>
#include <string>

#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::dispatch {

namespace {
constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);
// Where there are emergencies, a batch is followed by a rest of so many times as long as its commit took:
// its delivery, its receipts and its events keep both sites busy for about three times as long, and that is
// to be over before the next.
constexpr int kRest = 4;
// So many that are too late are refused at a time.
constexpr size_t kMostLate = 256;

// Names the part of the command that takes the most, as the client calls it.
absl::Status TooLarge(const type::v1::Command& command) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *command.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(command, &fields);
  std::string largest;
  size_t most = 0;
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const size_t bytes = reflection.GetMessage(command, field).ByteSizeLong();
    if (bytes <= most) continue;
    most = bytes;
    largest = field->name() == "registration" ? "content" : field->name();
  }
  constexpr size_t kKib = kMaxCommandBytes >> 10;
  return error::BadField(error::Reason::ERROR_REASON_TEXT_TOO_LONG, largest,
                         StrCat("makes the request larger than ", kKib, " KiB"),
                         StrCat("内容过大，单个请求不得超过", kKib, "KiB"));
}
}  // namespace

void Batcher::CountWaiting() {
  waiting_.store(static_cast<int64_t>(ordinary_.waiting.size() + emergencies_.waiting.size()),
                 std::memory_order_relaxed);
  waiting_bytes_.store(ordinary_.bytes + emergencies_.bytes, std::memory_order_relaxed);
}

void Batcher::Submit(type::v1::Command command, bool emergency, absl::Time deadline,
                     Done<workorder::v1::CommandResult> done) {
  const size_t bytes = command.ByteSizeLong();
  if (bytes > kMaxCommandBytes) return done(TooLarge(command));
  const Room room = RoomOf(emergency);
  const absl::Duration now = clock_->Steady();
  const absl::Duration late_at = emergency ? absl::InfiniteDuration() : now + (deadline - clock_->Now());
  bool send = false;
  bool full = false;
  {
    MutexLock lock(&mu_);
    const size_t limit =
        static_cast<size_t>(options_.queue_limit + (emergency ? options_.emergency_room : 0));
    const size_t bytes_limit = options_.queue_bytes + (emergency ? options_.emergency_bytes : 0);
    // As long as the next to leave has waited already.
    const bool in_vain = !ordinary_.waiting.empty() && late_at < now + (now - ordinary_.waiting.front().came);
    if (in_vain || ordinary_.waiting.size() + emergencies_.waiting.size() >= limit ||
        ordinary_.bytes + emergencies_.bytes + bytes > bytes_limit) {
      full = true;
    } else {
      Queue& queue = emergency ? emergencies_ : ordinary_;
      queue.waiting.push_back({std::move(command), std::move(done), bytes, now, late_at});
      queue.bytes += bytes;
      CountWaiting();
      send = queue.under_way < room.batches;
      if (send) ++queue.under_way;
    }
  }
  if (full) {
    NoteRejected(1);
    return done(Full());
  }
  if (send) emergency ? Send(true) : SendOrdinary();
}

Batcher::Room Batcher::RoomOf(bool emergency) const {
  const auto limit = static_cast<size_t>(options_.batch_limit);
  if (emergency) return {.batches = 1, .commands = limit};
  if (way_->IsTravelled()) return {.batches = 1, .commands = (limit + 1) / 2};
  return {.batches = options_.batches, .commands = limit};
}

absl::Duration Batcher::RestAfter(absl::Time sent) const {
  if (!way_->IsTravelled()) return absl::ZeroDuration();
  // The clock may have been set back meanwhile.
  return std::clamp(kRest * (clock_->Now() - sent), absl::ZeroDuration(), options_.longest_rest);
}

absl::Status Batcher::Full() { return error::Overloaded("dispatch queue", kRetryAfter); }

void Batcher::TakeFrom(Queue& queue, const Room& room, absl::Duration now,
                       workorder::v1::ExecuteRequest* request, Dones* dones,
                       std::vector<Waiting>* late) const {
  size_t bytes = 0;
  while (!queue.waiting.empty() && dones->size() < room.commands && late->size() < kMostLate) {
    Waiting& next = queue.waiting.front();
    const bool is_late = next.late_at <= now;
    if (!is_late && !dones->empty() && bytes + next.bytes > options_.batch_bytes) break;
    queue.bytes -= next.bytes;
    if (is_late) {
      late->push_back(std::move(next));
    } else {
      bytes += next.bytes;
      *request->add_commands() = std::move(next.command);
      dones->push_back(std::move(next.done));
    }
    queue.waiting.pop_front();
  }
}

void Batcher::Send(bool emergency) {
  workorder::v1::ExecuteRequest request;
  request.set_emergency(emergency);
  Dones dones;
  std::vector<Waiting> late;
  const Room room = RoomOf(emergency);
  const absl::Time sent = clock_->Now();
  bool more = false;
  {
    MutexLock lock(&mu_);
    Queue& queue = emergency ? emergencies_ : ordinary_;
    if (queue.under_way <= room.batches) TakeFrom(queue, room, clock_->Steady(), &request, &dones, &late);
    more = dones.empty() && !late.empty() && !queue.waiting.empty();
    if (dones.empty() && !more) --queue.under_way;
    CountWaiting();
  }
  if (!dones.empty()) Execute(emergency, sent, std::move(request), std::move(dones));
  NoteRejected(static_cast<int64_t>(late.size()));
  for (Waiting& one : late) one.done(Full());
  // The place under way is kept; others wait for this thread.
  if (more) way_->YieldAfter(absl::ZeroDuration(), [this] { Send(false); });
}

void Batcher::Execute(bool emergency, absl::Time sent, workorder::v1::ExecuteRequest request, Dones dones) {
  CallContext call;
  call.traceparent = request.commands(0).traceparent();
  call.deadline = sent + options_.timeout;
  ledger_->Execute(
      call, std::move(request),
      [this, emergency, sent,
       dones = std::move(dones)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
        // The next batch leaves before this one's answers, which take their time.
        if (emergency) {
          Send(true);
          return Answer(std::move(dones), std::move(response));
        }
        const absl::Duration rest = RestAfter(sent);
        way_->Yield([this, rest, dones = std::move(dones), response = std::move(response)]() mutable {
          if (rest > absl::ZeroDuration()) {
            way_->YieldAfter(rest, [this] { Send(false); });
          } else {
            Send(false);
          }
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
