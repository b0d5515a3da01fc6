#include "services/work_order/engine.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <tuple>

#include "absl/time/civil_time.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/validate.h"
#include "services/work_order/digests.h"

namespace hotline::work_order {
namespace {

using exchange::v1::LinkReceipt;
using type::v1::Command;
using type::v1::WorkOrder;

constexpr int kMaxBatch = 512;
constexpr int kMaxRanges = 256;
constexpr size_t kMaxPullBytes = 2 << 20;
constexpr int kMaxReadEvents = 1000;
constexpr absl::Duration kMaxWait = absl::Seconds(30);
constexpr absl::Duration kWaitTick = absl::Milliseconds(200);
constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);
// Where there was an emergency there are more: for so long commits of ordinary work are kept small, because
// the writing of one cannot be interrupted.
constexpr absl::Duration kHurry = absl::Seconds(2);
constexpr int kHurriedBatch = 32;

absl::StatusOr<absl::Duration> WaitOf(const google::protobuf::Duration& wait) {
  const absl::Duration duration = FromProtoDuration(wait);
  if (duration < absl::ZeroDuration() || duration > kMaxWait) {
    return error::BadField(error::Reason::ERROR_REASON_TIME_INVALID, "wait", "must be 0 to 30 s",
                           "应在0到30秒之间");
  }
  return duration;
}

absl::Status BatchTooLarge(std::string_view field, int limit) {
  return error::BadField(error::Reason::ERROR_REASON_BATCH_TOO_LARGE, field,
                         StrCat("has more than ", limit, " entries"), StrCat("超过", limit, "条"));
}

absl::Status BadLimit(error::Reason reason, int least, int most) {
  return error::BadField(reason, "limit", StrCat("must be ", least, " to ", most),
                         StrCat("应在", least, "到", most, "之间"));
}

// What a peer sends and the store cannot hold would end the commit, and with it what others asked for. A
// trace is in no hash and may be left out; without the handoff's id there is no envelope.
absl::Status MakeStorable(google::protobuf::RepeatedPtrField<exchange::v1::Envelope>* envelopes) {
  for (int i = 0; i < envelopes->size(); ++i) {
    exchange::v1::Envelope& envelope = *envelopes->Mutable(i);
    if (!IsStorable(envelope.handoff_id())) return error::BadText(StrCat("envelopes[", i, "].handoff_id"));
    if (!envelope.traceparent().empty() && !IsTraceparent(envelope.traceparent()))
      envelope.clear_traceparent();
  }
  return absl::OkStatus();
}

// A store answers with the catalogue's errors; anything else is wrapped so that every failure carries a
// reason.
absl::Status StoreError(const absl::Status& status) {
  if (error::ReasonOf(status) != error::Reason::ERROR_REASON_UNSPECIFIED) return status;
  return error::StoreFailed(ToStd(status.message()));
}

// What `event` says of a registration; null if it registers nothing.
type::v1::RegisteredDetail* RegistrationIn(type::v1::Event* event) {
  if (event->has_registered()) return event->mutable_registered();
  if (event->has_offered() && event->offered().has_registered()) {
    return event->mutable_offered()->mutable_registered();
  }
  if (event->has_understood() && event->understood().has_registered()) {
    return event->mutable_understood()->mutable_registered();
  }
  return nullptr;
}

// What a repeated request must agree on: everything but the trace. `command` has no traceparent.
// Of what the client sent. How dispatch routed it is no part of that: the catalogue may have changed between
// two tries.
std::string WhatWasSent(const Command& command) {
  if (!command.registration().has_route()) return command.SerializeAsString();
  Command sent = command;
  sent.mutable_registration()->clear_route();
  return sent.SerializeAsString();
}

// No command's bytes begin with the mark, so that these are told from fingerprints of earlier releases.
std::string Fingerprint(const Command& command) {
  return Sha256({std::string_view("\0unit", 5), WhatWasSent(command)});
}

// Whether an earlier release took `fingerprint` of this command. The one before wrote into a command the unit
// that its call's metadata names, as is done now; those before that did not.
bool IsEarlierFingerprint(const std::string& fingerprint, Command command) {
  if (fingerprint == Sha256({WhatWasSent(command)})) return true;
  command.mutable_header()->mutable_actor()->clear_unit();
  return fingerprint == Sha256({WhatWasSent(command)});
}

// What a request tells of the peer's clock.
template <typename Request>
std::optional<ClockSkew> SkewOf(const Request& request) {
  if (!request.has_clock_skew() || !request.has_clock_uncertainty()) return std::nullopt;
  return ClockSkew{.offset = FromProtoDuration(request.clock_skew()),
                   .uncertainty = FromProtoDuration(request.clock_uncertainty())};
}

constexpr int64_t kAttemptGaps = 997;

// Whether two envelopes of one site say the same under two numbers: a recovery numbers anew what was
// committed before it, and a backup from before that recovery knows it by the old number. Only kinds whose
// body names one instant; of the others a repeat is an answer to another question.
bool IsSameTold(const exchange::v1::Envelope& one, const exchange::v1::Envelope& other) {
  return (one.kind() == exchange::v1::ENVELOPE_KIND_MIRROR ||
          one.kind() == exchange::v1::ENVELOPE_KIND_OFFER ||
          one.kind() == exchange::v1::ENVELOPE_KIND_UNDERSTOOD) &&
         one.kind() == other.kind() && one.handoff_id() == other.handoff_id() && one.body() == other.body();
}

// Gives an answer read from the store what was left out of it, and the number that its offer has by now: by
// the one it had before a recovery, a receipt of something else would be taken for its own.
void Complete(const WorkOrder& source, WorkOrder* order) {
  order->set_title(source.title());
  order->set_content_digest(source.content_digest());
  order->set_content_salt(source.content_salt());
  if (order->handoff().id() != source.handoff().id() || source.handoff().link_sequence() == 0) return;
  order->mutable_handoff()->set_link_sequence(source.handoff().link_sequence());
}

}  // namespace

// Something that needs the committer.
struct Engine::Work {
  enum class Kind { kCommands, kInbox, kReceipt, kRecovery, kResend, kRecount, kProbe, kStrays } kind;
  CallContext call;
  int weight = 1;

  workorder::v1::ExecuteRequest commands;
  workorder::v1::ExecuteResponse results;
  Done<workorder::v1::ExecuteResponse> commands_done;

  workorder::v1::ApplyInboxRequest inbox;
  Done<workorder::v1::ApplyInboxResponse> inbox_done;

  workorder::v1::PullOutboxRequest pull;
  Done<workorder::v1::PullOutboxResponse> pull_done;

  workorder::v1::RecoverRequest recovery;
  workorder::v1::RecoverResponse recovered;
  Done<workorder::v1::RecoverResponse> recovery_done;

  workorder::v1::ResendRequest resend;
  workorder::v1::ResendResponse resent;
  Done<workorder::v1::ResendResponse> resend_done;

  SharedKey recount;

  std::vector<int64_t> strays;
  absl::AnyInvocable<void(absl::Status)> strays_done;

  // An emergency came: commands or envelopes from `next` on are left for the next turn.
  int next = 0;
  bool parted = false;

  // Its commit failed, and may be there all the same; or that of its first part is there.
  bool in_doubt = false;

  // Set when this work, but not the batch, failed.
  absl::Status failure;

  void Fail(const absl::Status& status) {
    switch (kind) {
      case Kind::kCommands:
        return commands_done(status);
      case Kind::kInbox:
        return inbox_done(status);
      case Kind::kReceipt:
        return pull_done(status);
      case Kind::kRecovery:
        return recovery_done(status);
      case Kind::kResend:
        return resend_done(status);
      case Kind::kRecount:
        return;  // the next recount finds it again
      case Kind::kProbe:
        return;  // as it was before
      case Kind::kStrays:
        return strays_done(status);
    }
  }
};

// What one commit gathers.
struct Engine::Transaction {
  absl::Time now;
  bool begun = false;
  absl::Status store_failure;
  EventHub::Items events;
  std::vector<std::pair<LaneKey, EnvelopeRow>> envelopes;  // in order of sequence within a lane
  std::set<LaneKey> dirty_links;
  SharedDeltas shared;
  std::set<LaneKey> cut_links;         // whose outbox no longer is what was published
  const LinkRow* receiving = nullptr;  // the lane whose envelope is being applied, and its sequence
  int64_t received_sequence = 0;
  int64_t applied_sequence = 0;  // of the event of the change applied last, not of those that it led to
  int64_t commands = 0;
  int64_t refused = 0;
  int64_t replayed = 0;
  int64_t envelopes_in = 0;
  int64_t envelopes_doubled = 0;
  std::vector<Refusal> refusals;
};

// Latest envelopes of a lane and where it stands, as committed.
struct Engine::LaneTail {
  std::deque<EnvelopeRow> rows;
  size_t bytes = 0;
  int64_t outgoing = 0;
  int64_t acknowledged = 0;
  absl::Time acknowledged_time;
  LinkReceipt incoming;

  // The rows that `link` no longer needs or that are too many.
  void Trim(const EngineOptions& options) {
    while (!rows.empty() && (rows.front().envelope.sequence() <= acknowledged ||
                             rows.size() > static_cast<size_t>(options.ring_items) ||
                             (bytes > options.ring_bytes && rows.size() > 1))) {
      bytes -= rows.front().envelope.body().size();
      rows.pop_front();
    }
  }
  void Show(const LinkRow& link) {
    outgoing = link.outgoing_sequence;
    acknowledged = link.acknowledged_sequence;
    acknowledged_time = link.acknowledged_time;
    if (incoming.received_through() == link.incoming_sequence && !incoming.head_hash().empty()) return;
    incoming.set_received_through(link.incoming_sequence);
    incoming.set_head_hash(link.incoming_hash);
    incoming.set_lane(link.key.lane);
    // Nothing came at no time.
    if (link.incoming_sequence > 0) *incoming.mutable_receive_time() = ToTimestamp(link.incoming_time);
  }
};

struct Engine::WaitingPull {
  LaneKey key;
  int64_t after = 0;
  int limit = 0;
  absl::Duration left;
  Done<workorder::v1::PullOutboxResponse> done;
};

struct Engine::WaitingRead {
  int64_t start = 0;
  int limit = 0;
  bool with_discretions = false;
  absl::Duration left;
  Done<workorder::v1::ReadEventsResponse> done;
};

EventHub::Item ItemOf(const type::v1::Event& event, const WorkOrder& order, SharedMessage bytes) {
  const type::v1::Facts& facts = order.facts();
  return {.sequence = event.sequence(),
          .order_id = event.order_id(),
          .previous = event.previous_order_sequence(),
          .restricted = event.restricted() || facts.restricted(),
          .veiled = facts.secret() || facts.recused_units_size() > 0,
          .echo = event.disclosed().kind() == type::v1::DISCLOSURE_KIND_WATCH,
          .erases = event.has_erased(),
          .bytes = std::move(bytes)};
}

absl::StatusOr<EventHub::Items> ItemsOf(std::vector<EventRow> rows, Reader& reader) {
  EventHub::Items items;
  items.reserve(rows.size());
  absl::flat_hash_map<std::string, WorkOrder> orders;
  for (EventRow& row : rows) {
    type::v1::Event event;
    event.ParseFromString(row.bytes);
    const auto [known, first] = orders.try_emplace(event.order_id());
    if (first) {
      absl::StatusOr<std::optional<WorkOrder>> order =
          reader.FindOrder(ParseOrderId(event.order_id()).value_or(0));
      if (!order.ok()) return order.status();
      if (order->has_value()) known->second = **std::move(order);
    }
    items.push_back(ItemOf(event, known->second, std::make_shared<const std::string>(std::move(row.bytes))));
    items.back().sequence = row.sequence;
  }
  return items;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(std::unique_ptr<Store> store, EngineOptions options,
                                                       const Clock* clock, Executor* readers) {
  absl::StatusOr<std::unique_ptr<Reader>> reader = store->NewReader();
  if (!reader.ok()) return reader.status();
  std::unique_ptr<Engine> engine(
      new Engine(std::move(store), *std::move(reader), std::move(options), clock, readers));
  if (absl::Status status = engine->LoadHeads(); !status.ok()) return status;
  // Where the clock is behind the ids, the counter alone goes on: not as it did from an older copy of the
  // store.
  engine->id_floor_ = engine->heads_.last_order_id + engine->id_start_;
  engine->own_ids_from_ = NextOrderId(engine->id_floor_, clock->Now(), engine->id_start_);
  struct Tick {
    static void Schedule(Engine* engine) {
      engine->readers_->PostAfter(kWaitTick, [engine] {
        engine->ExpireWaiters();
        Schedule(engine);
      });
    }
  };
  Tick::Schedule(engine.get());
  return engine;
}

Engine::Engine(std::unique_ptr<Store> store, std::unique_ptr<Reader> reader, EngineOptions options,
               const Clock* clock, Executor* readers)
    : store_(std::move(store)),
      options_(std::move(options)),
      clock_(clock),
      readers_(readers),
      reader_(std::move(reader)) {
  for (const char byte : Sha256({options_.draw_salt()}).substr(0, 3)) {
    id_start_ = id_start_ << 8 | static_cast<unsigned char>(byte);
  }
  id_start_ %= int64_t{1} << 19;
}

Engine::~Engine() = default;

absl::Status Engine::LoadHeads() {
  absl::StatusOr<Heads> heads = store_->reader().ReadHeads();
  if (!heads.ok()) return heads.status();
  absl::StatusOr<std::vector<LinkRow>> links = store_->reader().Links();
  if (!links.ok()) return links.status();
  heads_ = *std::move(heads);
  links_.clear();
  passed_on_.clear();
  std::set<std::string> peers(options_.site.peers.begin(), options_.site.peers.end());
  for (const LinkRow& link : *links) peers.insert(link.key.peer);
  for (const std::string& peer : peers) {
    for (const exchange::v1::Lane lane : kLanes) {
      LaneKey key{.peer = peer, .lane = lane};
      links_.emplace(key, LinkRow::New(key));
    }
  }
  for (LinkRow& link : *links) links_.insert_or_assign(link.key, std::move(link));
  orders_.clear();
  orders_by_age_.clear();
  head_sequence_ = heads_.event_sequence;

  MutexLock lock(&tail_mu_);
  for (const auto& [key, link] : links_) tails_[key].Show(link);
  return absl::OkStatus();
}

// ---- Admission
// -------------------------------------------------------------------------------------------------

absl::Status Engine::Admit(int weight, bool emergency) {
  const int64_t limit = options_.queue_limit + (emergency ? options_.emergency_room : 0);
  if (draining_) return error::Draining();
  // An empty queue takes anything, so that a batch larger than the limit is not refused for ever.
  if (queued_weight_ > 0 && queued_weight_ + weight > limit) {
    counters_.rejected.fetch_add(weight);
    return error::Overloaded("commit queue", kRetryAfter);
  }
  queued_weight_ += weight;
  counters_.queue_length.store(queued_weight_);
  return absl::OkStatus();
}

void Engine::Enqueue(std::unique_ptr<Work> work) {
  bool emergency = work->inbox.lane() == exchange::v1::LANE_EMERGENCY ||
                   work->pull.lane() == exchange::v1::LANE_EMERGENCY || work->commands.emergency();
  for (const Command& command : work->commands.commands()) {
    emergency |= command.registration().content().urgency() == type::v1::URGENCY_EMERGENCY ||
                 command.registration().route().urgency() == type::v1::URGENCY_EMERGENCY;
  }
  absl::Status admitted;
  {
    MutexLock lock(&queue_mu_);
    admitted = Admit(work->weight, emergency);
    if (admitted.ok()) (emergency ? emergency_queue_ : queue_).push_back(std::move(work));
    if (admitted.ok() && emergency) emergency_waits_.store(true, std::memory_order_relaxed);
  }
  if (!admitted.ok()) return work->Fail(admitted);
  queue_wake_.NotifyOne();
}

bool Engine::WaitForWork() {
  MutexLock lock(&queue_mu_);
  while (queue_.empty() && emergency_queue_.empty() && !stopped_) queue_wake_.Wait(&queue_mu_);
  return !queue_.empty() || !emergency_queue_.empty();
}

void Engine::Drain() {
  {
    MutexLock lock(&queue_mu_);
    draining_ = true;
  }
  std::list<WaitingPull> pulls;
  std::list<WaitingRead> reads;
  {
    MutexLock lock(&tail_mu_);
    tail_draining_ = true;
    pulls.swap(waiting_pulls_);
    reads.swap(waiting_reads_);
  }
  for (WaitingPull& pull : pulls) AnswerPull(std::move(pull));
  for (WaitingRead& read : reads) AnswerRead(std::move(read));
}

void Engine::Stop() {
  {
    MutexLock lock(&queue_mu_);
    draining_ = true;
    stopped_ = true;
  }
  queue_wake_.NotifyAll();
}

// ---- The contract
// ------------------------------------------------------------------------------------------------

void Engine::Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
                     Done<workorder::v1::ExecuteResponse> done) {
  if (request.commands_size() > kMaxBatch) return done(BatchTooLarge("commands", kMaxBatch));
  if (request.commands_size() == 0) return done(workorder::v1::ExecuteResponse());
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kCommands;
  work->call = call;
  work->weight = request.commands_size();
  work->commands = std::move(request);
  work->commands_done = std::move(done);
  Enqueue(std::move(work));
}

absl::Status Engine::CheckLane(const std::string& peer, exchange::v1::Lane lane) const {
  if (!options_.site.peers.contains(peer)) return error::PeerUnknown(peer);
  if (!IsLane(lane)) return error::BadEnum("lane", lane);
  return absl::OkStatus();
}

void Engine::ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                        Done<workorder::v1::ApplyInboxResponse> done) {
  if (absl::Status status = CheckLane(request.peer(), request.lane()); !status.ok()) return done(status);
  if (request.envelopes_size() > kMaxBatch) return done(BatchTooLarge("envelopes", kMaxBatch));
  request.set_lane(LaneOf(request.lane()));
  if (absl::Status status = MakeStorable(request.mutable_envelopes()); !status.ok()) return done(status);
  if (request.envelopes_size() == 0) {
    workorder::v1::ApplyInboxResponse response;
    int64_t outgoing;
    {
      MutexLock lock(&tail_mu_);
      const LaneTail& tail = tails_.find(LaneKey{request.peer(), request.lane()})->second;
      *response.mutable_receipt() = tail.incoming;
      outgoing = tail.outgoing;
    }
    const int64_t theirs = request.peer_receipt().received_through();
    if (theirs > outgoing) return done(error::LinkBehind(request.peer(), theirs, outgoing));
    return done(std::move(response));
  }
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kInbox;
  work->call = call;
  work->weight = request.envelopes_size();
  work->inbox = std::move(request);
  work->inbox_done = std::move(done);
  Enqueue(std::move(work));
}

void Engine::PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                        Done<workorder::v1::PullOutboxResponse> done) {
  if (absl::Status status = CheckLane(request.peer(), request.lane()); !status.ok()) return done(status);
  if (request.limit() < 0 || request.limit() > kMaxBatch)
    return done(BadLimit(error::Reason::ERROR_REASON_PAGE_SIZE_INVALID, 0, kMaxBatch));
  const absl::StatusOr<absl::Duration> wait = WaitOf(request.wait());
  if (!wait.ok()) return done(wait.status());
  request.set_lane(LaneOf(request.lane()));
  const LaneKey key{.peer = request.peer(), .lane = request.lane()};
  bool news;
  {
    MutexLock lock(&tail_mu_);
    const LaneTail& tail = tails_.find(key)->second;
    news = request.receipt().received_through() > tail.acknowledged;
  }
  if (!news) {
    return AnswerPull({.key = key,
                       .after = request.after_sequence(),
                       .limit = request.limit(),
                       .left = *wait,
                       .done = std::move(done)});
  }
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kReceipt;
  work->call = call;
  work->pull = std::move(request);
  work->pull_done = std::move(done);
  Enqueue(std::move(work));
}

void Engine::ReadEvents(const CallContext&, workorder::v1::ReadEventsRequest request,
                        Done<workorder::v1::ReadEventsResponse> done) {
  const absl::StatusOr<absl::Duration> wait = WaitOf(request.wait());
  if (!wait.ok()) return done(wait.status());
  if (request.limit() < 1 || request.limit() > kMaxReadEvents)
    return done(BadLimit(error::Reason::ERROR_REASON_PAGE_SIZE_INVALID, 1, kMaxReadEvents));
  AnswerRead({.start = request.start_sequence(),
              .limit = request.limit(),
              .with_discretions = request.with_discretions(),
              .left = *wait,
              .done = std::move(done)});
}

void Engine::ListLinkCursors(const CallContext&, workorder::v1::ListLinkCursorsRequest,
                             Done<workorder::v1::ListLinkCursorsResponse> done) {
  workorder::v1::ListLinkCursorsResponse response;
  std::vector<std::pair<LaneKey, int>> old;  // whose oldest envelope is in the store only
  {
    MutexLock lock(&tail_mu_);
    for (const auto& [key, tail] : tails_) {
      if (!options_.site.peers.contains(key.peer)) continue;
      auto* link = response.add_links();
      link->set_peer(key.peer);
      link->set_lane(key.lane);
      link->set_outgoing_sequence(tail.outgoing);
      link->set_acknowledged_sequence(tail.acknowledged);
      if (tail.acknowledged_time > absl::UnixEpoch()) {
        *link->mutable_acknowledge_time() = ToTimestamp(tail.acknowledged_time);
      }
      *link->mutable_incoming() = tail.incoming;
      if (tail.acknowledged == tail.outgoing) continue;
      if (!tail.rows.empty() && tail.rows.front().envelope.sequence() == tail.acknowledged + 1) {
        *link->mutable_oldest_unacknowledged_time() = ToTimestamp(tail.rows.front().commit_time);
      } else {
        old.emplace_back(key, response.links_size() - 1);
      }
    }
  }
  if (old.empty()) return done(std::move(response));
  readers_->Post(
      [this, old = std::move(old), response = std::move(response), done = std::move(done)]() mutable {
        for (const auto& [key, index] : old) {
          workorder::v1::LinkCursor* link = response.mutable_links(index);
          absl::StatusOr<std::vector<EnvelopeRow>> rows =
              reader_->ReadOutbox(key, link->acknowledged_sequence(), 1);
          if (!rows.ok()) return done(StoreError(rows.status()));
          if (!rows->empty()) {
            *link->mutable_oldest_unacknowledged_time() = ToTimestamp(rows->front().commit_time);
          }
        }
        done(std::move(response));
      });
}

std::map<std::string, int64_t> Engine::OwedToFormerPeers() {
  std::map<std::string, int64_t> owed;
  MutexLock lock(&tail_mu_);
  for (const auto& [key, tail] : tails_) {
    if (options_.site.peers.contains(key.peer) || tail.acknowledged >= tail.outgoing) continue;
    owed[key.peer] += tail.outgoing - tail.acknowledged;
  }
  return owed;
}

void Engine::ReadInbox(const CallContext&, workorder::v1::ReadInboxRequest request,
                       Done<workorder::v1::ReadInboxResponse> done) {
  if (absl::Status status = CheckLane(request.peer(), request.lane()); !status.ok()) return done(status);
  // Peers ask for this, and the exchange promises them the reason.
  if (request.limit() < 1 || request.limit() > kMaxBatch)
    return done(BadLimit(error::Reason::ERROR_REASON_BATCH_TOO_LARGE, 1, kMaxBatch));
  const LaneKey key{.peer = request.peer(), .lane = LaneOf(request.lane())};
  {
    MutexLock lock(&tail_mu_);
    const int64_t through = tails_.find(key)->second.incoming.received_through();
    if (request.after_sequence() < 0 || request.after_sequence() > through) {
      return done(error::SequenceOutOfRange(request.after_sequence(), through, "after_sequence"));
    }
  }
  readers_->Post([this, key, after = request.after_sequence(), limit = request.limit(),
                  done = std::move(done)]() mutable {
    absl::StatusOr<std::vector<EnvelopeRow>> rows = reader_->ReadInbox(key, after, limit);
    if (!rows.ok()) return done(StoreError(rows.status()));
    workorder::v1::ReadInboxResponse response;
    size_t bytes = 0;
    for (EnvelopeRow& row : *rows) {
      if (!row.erased_leaf.empty()) {
        // Whoever lost this much cannot get it back.
        if (response.envelopes_size() > 0) break;
        return done(error::ContentErased());
      }
      bytes += row.envelope.ByteSizeLong();
      if (bytes > kMaxPullBytes && response.envelopes_size() > 0) break;
      *response.add_envelopes() = std::move(row.envelope);
    }
    if (response.envelopes_size() > 0) {
      absl::StatusOr<std::vector<exchange::v1::SignedBatch>> batches =
          reader_->ReadBatches(key, after + 1, after + response.envelopes_size());
      if (!batches.ok()) return done(StoreError(batches.status()));
      for (exchange::v1::SignedBatch& batch : *batches) *response.add_batches() = std::move(batch);
    }
    done(std::move(response));
  });
}

void Engine::Recover(const CallContext& call, workorder::v1::RecoverRequest request,
                     Done<workorder::v1::RecoverResponse> done) {
  if (absl::Status status = CheckLane(request.peer(), request.lane()); !status.ok()) return done(status);
  if (request.envelopes_size() > kMaxBatch) return done(BatchTooLarge("envelopes", kMaxBatch));
  if (absl::Status status = MakeStorable(request.mutable_envelopes()); !status.ok()) return done(status);
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kRecovery;
  work->call = call;
  work->weight = std::max(1, request.envelopes_size());
  request.set_lane(LaneOf(request.lane()));
  work->recovery = std::move(request);
  work->recovery_done = std::move(done);
  Enqueue(std::move(work));
}

// A ReadDigests under way.
struct Engine::Comparison {
  workorder::v1::ReadDigestsRequest request;
  std::vector<std::pair<LaneKey, int64_t>> acknowledged;
  InMotion in_motion;
  bool begun = false;
  std::unique_ptr<SharedScan> recount;  // of the range that is next
  workorder::v1::ReadDigestsResponse response;
  Done<workorder::v1::ReadDigestsResponse> done;
};

void Engine::ReadDigests(const CallContext&, workorder::v1::ReadDigestsRequest request,
                         Done<workorder::v1::ReadDigestsResponse> done) {
  if (!options_.site.peers.contains(request.peer())) return done(error::PeerUnknown(request.peer()));
  if (request.ranges_size() > kMaxRanges) return done(BatchTooLarge("ranges", kMaxRanges));
  for (int i = 0; i < request.ranges_size(); ++i) {
    const exchange::v1::DigestRange& range = request.ranges(i);
    if (range.giver() != options_.site.hotline && range.giver() != request.peer()) {
      return done(error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, StrCat("ranges[", i, "].giver"),
                                  "is neither of the two sites", "不是双方平台之一"));
    }
    if (!LevelOf(range).has_value()) {
      return done(error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, StrCat("ranges[", i, "]"),
                                  "is not an aligned range of 2^5, 2^10 … 2^60 or all ids",
                                  "应为对齐的区间（长度为2的5、10……60次方，或全部）"));
    }
  }
  auto comparison = std::make_shared<Comparison>();
  comparison->request = std::move(request);
  comparison->done = std::move(done);
  readers_->Post([this, comparison]() mutable { Compare(std::move(comparison)); });
}

void Engine::Compare(std::shared_ptr<Comparison> comparison) {
  Comparison& self = *comparison;
  const std::string& peer = self.request.peer();
  const auto failed = [&self](const absl::Status& status) { self.done(StoreError(status)); };
  if (!self.begun) {
    self.begun = true;
    {
      MutexLock lock(&tail_mu_);
      for (const exchange::v1::Lane lane : kLanes) {
        const LaneKey key{.peer = peer, .lane = lane};
        self.acknowledged.emplace_back(key, tails_.find(key)->second.acknowledged);
      }
    }
    absl::StatusOr<InMotion> in_motion = FindInMotion(*reader_, self.acknowledged);
    if (!in_motion.ok()) return failed(in_motion.status());
    self.in_motion = *std::move(in_motion);
  }
  const int next = self.response.answers_size();
  if (next == self.request.ranges_size()) return self.done(std::move(self.response));
  const exchange::v1::DigestRange& range = self.request.ranges(next);
  if (!self.request.recount()) {
    absl::StatusOr<exchange::v1::RangeAnswer> answer =
        AnswerRange(*reader_, options_.site.hotline, peer, range, self.in_motion);
    if (!answer.ok()) return failed(answer.status());
    *self.response.add_answers() = *std::move(answer);
  } else {
    if (self.recount == nullptr) {
      self.recount = std::make_unique<SharedScan>(options_.site.hotline, peer, range);
    }
    absl::StatusOr<bool> more = self.recount->Step(*reader_, self.in_motion);
    if (!more.ok()) return failed(more.status());
    if (!*more) {
      const SharedKey first{.peer = peer,
                            .given = range.giver() == options_.site.hotline,
                            .level = kFinestSharedLevel,
                            .bucket = range.first_order_id() >> kFinestSharedLevel};
      const int64_t last = range.last_order_id() >> kFinestSharedLevel;
      if (range.last_order_id() - range.first_order_id() >= (int64_t{1} << kFinestSharedLevel) - 1) {
        absl::StatusOr<std::map<int64_t, DigestSum>> kept = reader_->ReadShared(first, last);
        if (!kept.ok()) return failed(kept.status());
        std::set<int64_t> wrong;
        for (const auto& [bucket, sum] : *kept) {
          const auto counted = self.recount->buckets().find(bucket);
          if (counted == self.recount->buckets().end() || counted->second != sum) wrong.insert(bucket);
        }
        for (const auto& [bucket, sum] : self.recount->buckets()) {
          if (!kept->contains(bucket)) wrong.insert(bucket);
        }
        for (const int64_t bucket : wrong) {
          SharedKey key = first;
          key.bucket = bucket;
          Recount(key);
        }
      }
      *self.response.add_answers() = self.recount->Answer();
      self.recount.reset();
    }
  }
  readers_->Post([this, comparison = std::move(comparison)]() mutable { Compare(std::move(comparison)); });
}

void Engine::Recount(const SharedKey& key) {
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kRecount;
  work->recount = key;
  Enqueue(std::move(work));
}

void Engine::Probe() {
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kProbe;
  Enqueue(std::move(work));
}

void Engine::EraseStrays(std::vector<int64_t> places, absl::AnyInvocable<void(absl::Status)> done) {
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kStrays;
  work->weight = std::max(1, static_cast<int>(places.size()));
  work->strays = std::move(places);
  work->strays_done = std::move(done);
  Enqueue(std::move(work));
}

void Engine::Resend(const CallContext& call, workorder::v1::ResendRequest request,
                    Done<workorder::v1::ResendResponse> done) {
  if (!options_.site.peers.contains(request.peer())) return done(error::PeerUnknown(request.peer()));
  if (request.handoff_ids_size() > kMaxBatch) return done(BatchTooLarge("handoff_ids", kMaxBatch));
  auto work = std::make_unique<Work>();
  work->kind = Work::Kind::kResend;
  work->call = call;
  work->weight = std::max(1, request.handoff_ids_size());
  work->resend = std::move(request);
  work->resend_done = std::move(done);
  Enqueue(std::move(work));
}

// ---- Long polls
// ----------------------------------------------------------------------------------------------------

void Engine::AnswerPull(WaitingPull pull) {
  workorder::v1::PullOutboxResponse response;
  bool from_store = false;
  absl::Status failure;
  {
    MutexLock lock(&tail_mu_);
    const LaneTail& ring = tails_.find(pull.key)->second;
    *response.mutable_incoming() = ring.incoming;
    response.set_acknowledged_through(ring.acknowledged);
    response.set_outgoing_sequence(ring.outgoing);
    if (pull.after < 0) pull.after = ring.acknowledged;
    if (pull.after > ring.outgoing) {
      failure = error::SequenceOutOfRange(pull.after, ring.outgoing, "after_sequence");
    } else if (pull.limit > 0 && pull.after == ring.outgoing) {
      if (pull.left > absl::ZeroDuration() && !tail_draining_) {
        waiting_pulls_.push_back(std::move(pull));
        return;
      }
    } else if (pull.limit > 0) {
      if (ring.rows.empty() || ring.rows.front().envelope.sequence() > pull.after + 1 ||
          ring.rows.back().envelope.sequence() <= pull.after) {
        from_store = true;
      } else {
        size_t bytes = 0;
        for (size_t i = static_cast<size_t>(pull.after + 1 - ring.rows.front().envelope.sequence());
             i < ring.rows.size() && response.envelopes_size() < pull.limit; ++i) {
          const exchange::v1::Envelope& envelope = ring.rows[i].envelope;
          bytes += envelope.ByteSizeLong();
          if (bytes > kMaxPullBytes && response.envelopes_size() > 0) break;
          *response.add_envelopes() = envelope;
        }
      }
    }
  }
  if (!failure.ok()) return pull.done(failure);
  if (!from_store) return pull.done(std::move(response));
  readers_->Post([this, pull = std::move(pull), response = std::move(response)]() mutable {
    absl::StatusOr<std::vector<EnvelopeRow>> rows = reader_->ReadOutbox(pull.key, pull.after, pull.limit);
    if (!rows.ok()) return pull.done(StoreError(rows.status()));
    size_t bytes = 0;
    for (EnvelopeRow& row : *rows) {
      if (!row.erased_leaf.empty()) {
        if (response.envelopes_size() > 0) break;
        return pull.done(error::ContentErased());
      }
      bytes += row.envelope.ByteSizeLong();
      if (bytes > kMaxPullBytes && response.envelopes_size() > 0) break;
      *response.add_envelopes() = std::move(row.envelope);
    }
    pull.done(std::move(response));
  });
}

void Engine::AnswerRead(WaitingRead read) {
  workorder::v1::ReadEventsResponse response;
  const auto note = [asked = read.with_discretions](const EventHub::Item& item,
                                                    workorder::v1::ReadEventsResponse* answer) {
    if (!asked || (!item.restricted && !item.veiled)) return;
    workorder::v1::EventDiscretion& discretion = *answer->add_discretions();
    discretion.set_sequence(item.sequence);
    discretion.set_restricted(item.restricted);
    discretion.set_veiled(item.veiled);
  };
  std::vector<SharedMessage> events;
  bool from_store = false;
  absl::Status failure;
  {
    MutexLock lock(&tail_mu_);
    const int64_t head = head_sequence_.load();
    response.set_head_sequence(head);
    if (read.start < 1 || read.start > head + 1) {
      failure = error::SequenceOutOfRange(read.start, head);
    } else if (read.start == head + 1) {
      if (read.left > absl::ZeroDuration() && !tail_draining_) {
        waiting_reads_.push_back(std::move(read));
        return;
      }
    } else if (event_ring_.empty() || event_ring_.front().sequence > read.start ||
               event_ring_.back().sequence < read.start) {
      from_store = true;
    } else {
      size_t bytes = 0;
      for (size_t i = static_cast<size_t>(read.start - event_ring_.front().sequence);
           i < event_ring_.size() && events.size() < static_cast<size_t>(read.limit); ++i) {
        bytes += event_ring_[i].bytes->size();
        if (bytes > kMaxPullBytes && !events.empty()) break;
        events.push_back(event_ring_[i].bytes);
        note(event_ring_[i], &response);
      }
    }
  }
  if (!failure.ok()) return read.done(failure);
  if (!from_store) {
    for (const SharedMessage& event : events) response.add_events(*event);
    return read.done(std::move(response));
  }
  readers_->Post([this, note, read = std::move(read), response = std::move(response)]() mutable {
    absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(read.start, read.limit);
    if (!rows.ok()) return read.done(StoreError(rows.status()));
    size_t bytes = 0;
    size_t count = 0;
    for (; count < rows->size(); ++count) {
      bytes += (*rows)[count].bytes.size();
      if (bytes > kMaxPullBytes && count > 0) break;
      if (!read.with_discretions) response.add_events(std::move((*rows)[count].bytes));
    }
    if (!read.with_discretions) return read.done(std::move(response));
    rows->resize(count);
    absl::StatusOr<EventHub::Items> items = ItemsOf(*std::move(rows), *reader_);
    if (!items.ok()) return read.done(StoreError(items.status()));
    for (const EventHub::Item& item : *items) {
      response.add_events(*item.bytes);
      note(item, &response);
    }
    read.done(std::move(response));
  });
}

void Engine::ExpireWaiters() {
  std::list<WaitingPull> pulls;
  std::list<WaitingRead> reads;
  {
    MutexLock lock(&tail_mu_);
    for (auto it = waiting_pulls_.begin(); it != waiting_pulls_.end();) {
      const auto next = std::next(it);
      if ((it->left -= kWaitTick) <= absl::ZeroDuration()) pulls.splice(pulls.end(), waiting_pulls_, it);
      it = next;
    }
    for (auto it = waiting_reads_.begin(); it != waiting_reads_.end();) {
      const auto next = std::next(it);
      if ((it->left -= kWaitTick) <= absl::ZeroDuration()) reads.splice(reads.end(), waiting_reads_, it);
      it = next;
    }
  }
  for (WaitingPull& pull : pulls) AnswerPull(std::move(pull));
  for (WaitingRead& read : reads) AnswerRead(std::move(read));
}

// ---- The committer
// ---------------------------------------------------------------------------------------------------

bool Engine::RunBatch() {
  std::vector<std::unique_ptr<Work>> batch;
  const absl::Time now = clock_->Now();
  int weight = Take(now, &batch);
  if (batch.empty()) return false;

  Transaction tx;
  tx.now = now;
  if (heads_stale_) tx.store_failure = LoadHeads();
  heads_stale_ = !tx.store_failure.ok();
  std::vector<std::unique_ptr<Work>> rest;  // what an emergency goes ahead of
  if (!heads_stale_) {
    const size_t finished = Run(batch, 0, tx);
    if (tx.store_failure.ok() && finished < batch.size()) {
      std::move(batch.begin() + static_cast<std::ptrdiff_t>(finished), batch.end(), std::back_inserter(rest));
      batch.resize(finished);
      // It shares the commit with what is done already, so that it waits for one and not for two.
      weight += Take(now, &batch);
      Run(batch, finished, tx);
      std::rotate(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(finished), batch.end());
    }
  }
  if (tx.store_failure.ok() && tx.begun) {
    for (const LaneKey& key : tx.dirty_links) {
      tx.store_failure = store_->PutLink(links_.find(key)->second);
      if (!tx.store_failure.ok()) break;
    }
    if (tx.store_failure.ok()) tx.store_failure = WriteDeltas(tx.shared, *store_);
  }
  absl::Duration took;
  if (tx.store_failure.ok() && tx.begun) {
    const auto start = std::chrono::steady_clock::now();
    tx.store_failure = store_->Commit();
    if (!tx.store_failure.ok() && !absl::IsResourceExhausted(tx.store_failure)) {
      for (const auto& work : batch) NoteDoubt(*work);
      if (!rest.empty() && rest.front()->parted) NoteDoubt(*rest.front());
    }
    took = absl::FromChrono(std::chrono::steady_clock::now() - start);
  } else if (!tx.store_failure.ok() && tx.begun) {
    store_->Rollback();
  }
  if (!tx.store_failure.ok()) {
    // Also what is not begun, and what is done in part: that part is gone.
    std::move(rest.begin(), rest.end(), std::back_inserter(batch));
    Abandon(StoreError(tx.store_failure), batch);
    return true;
  }
  weight -= PutBack(rest);
  // What needed no commit (a repeated request, a refusal) says nothing of the store.
  if (tx.begun) healthy_ = true;
  counters_.commands.fetch_add(tx.commands);
  counters_.refused.fetch_add(tx.refused);
  counters_.replayed.fetch_add(tx.replayed);
  counters_.envelopes_in.fetch_add(tx.envelopes_in);
  counters_.envelopes_doubled.fetch_add(tx.envelopes_doubled);
  counters_.envelopes_refused.fetch_add(static_cast<int64_t>(tx.refusals.size()));
  std::list<WaitingPull> pulls;
  std::list<WaitingRead> reads;
  Publish(tx, &pulls, &reads);
  // First what a link at the other end of a call waits for: a peer's receipt, ours, then what is to be
  // delivered. Each answer takes its time, and an offer's receipt is in more of a hurry than the answer to
  // it.
  for (const auto& work : batch) {
    if (work->failure.ok() && (work->kind == Work::Kind::kInbox || work->kind == Work::Kind::kReceipt)) {
      Answer(*work);
    }
  }
  for (WaitingPull& pull : pulls) AnswerPull(std::move(pull));
  if (on_commit_ && tx.begun) {
    on_commit_({.events = tx.events, .refusals = tx.refusals, .weight = weight, .took = took});
  }
  for (const auto& work : batch) {
    if (!work->failure.ok()) {
      work->Fail(work->failure);
    } else if (work->kind != Work::Kind::kInbox && work->kind != Work::Kind::kReceipt) {
      Answer(*work);
    }
  }
  // Last: a follower is in less of a hurry than a caller.
  for (WaitingRead& read : reads) AnswerRead(std::move(read));
  return true;
}

// What was committed; `work` did not fail.
void Engine::Answer(Work& work) {
  switch (work.kind) {
    case Work::Kind::kCommands:
      return work.commands_done(std::move(work.results));
    case Work::Kind::kInbox: {
      workorder::v1::ApplyInboxResponse response;
      {
        MutexLock lock(&tail_mu_);
        *response.mutable_receipt() =
            tails_.find(LaneKey{work.inbox.peer(), work.inbox.lane()})->second.incoming;
      }
      return work.inbox_done(std::move(response));
    }
    case Work::Kind::kReceipt:
      // What was recorded is news to who asked, so the answer does not wait for more to hand out.
      return AnswerPull({.key = {.peer = work.pull.peer(), .lane = work.pull.lane()},
                         .after = work.pull.after_sequence(),
                         .limit = work.pull.limit(),
                         .left = absl::ZeroDuration(),
                         .done = std::move(work.pull_done)});
    case Work::Kind::kRecovery:
      return work.recovery_done(std::move(work.recovered));
    case Work::Kind::kResend:
      return work.resend_done(std::move(work.resent));
    case Work::Kind::kStrays:
      return work.strays_done(absl::OkStatus());
    case Work::Kind::kRecount:
    case Work::Kind::kProbe:
      return;
  }
}

bool Engine::Interrupted() const {
  return interruptible_ && emergency_waits_.load(std::memory_order_relaxed);
}

// Adds to `batch` what is next to be committed; returns its weight. Emergencies go first and alone.
int Engine::Take(absl::Time now, std::vector<std::unique_ptr<Work>>* batch) {
  int weight = 0;
  const size_t before = batch->size();
  MutexLock lock(&queue_mu_);
  interruptible_ = emergency_queue_.empty();
  auto& queue = interruptible_ ? queue_ : emergency_queue_;
  if (!interruptible_) emergency_time_ = now;
  const bool hurry = now - emergency_time_ < kHurry && emergency_time_ <= now;
  const int limit =
      interruptible_ && hurry ? std::min(options_.commit_batch, kHurriedBatch) : options_.commit_batch;
  while (!queue.empty() && (batch->size() == before || weight + queue.front()->weight <= limit)) {
    weight += queue.front()->weight;
    batch->push_back(std::move(queue.front()));
    queue.pop_front();
  }
  emergency_waits_.store(!emergency_queue_.empty(), std::memory_order_relaxed);
  queued_weight_ -= weight;
  counters_.queue_length.store(queued_weight_);
  return weight;
}

// Decides the works from `first` on; returns the first that is not done: all are, or the store failed, or an
// emergency waits.
size_t Engine::Run(const std::vector<std::unique_ptr<Work>>& batch, size_t first, Transaction& tx) {
  for (size_t i = first; i < batch.size(); ++i) {
    if (i > first && Interrupted()) return i;
    Work& work = *batch[i];
    switch (work.kind) {
      case Work::Kind::kCommands:
        RunCommands(work, tx);
        break;
      case Work::Kind::kInbox:
        RunInbox(work, tx);
        break;
      case Work::Kind::kReceipt:
        RunReceipt(work, tx);
        break;
      case Work::Kind::kRecovery:
        RunRecovery(work, tx);
        break;
      case Work::Kind::kResend:
        RunResend(work, tx);
        break;
      case Work::Kind::kRecount:
        RunRecount(work, tx);
        break;
      case Work::Kind::kProbe:
        RunProbe(tx);
        break;
      case Work::Kind::kStrays:
        RunStrays(work, tx);
        break;
    }
    if (!tx.store_failure.ok() || work.parted) return i;
  }
  return batch.size();
}

// Work that an emergency went ahead of, at the head of the queue again. Returns its weight.
int Engine::PutBack(std::vector<std::unique_ptr<Work>>& rest) {
  int weight = 0;
  if (rest.empty()) return weight;
  MutexLock lock(&queue_mu_);
  for (; !rest.empty(); rest.pop_back()) {
    weight += rest.back()->weight;
    // What it is refused for from now on is no word on what is committed of it.
    if (std::exchange(rest.back()->parted, false)) rest.back()->in_doubt = true;
    queue_.push_front(std::move(rest.back()));
  }
  queued_weight_ += weight;
  counters_.queue_length.store(queued_weight_);
  return weight;
}

// Its commit failed: it may be there when the store is opened again, and until then nothing else is taken.
void Engine::NoteDoubt(Work& work) {
  work.in_doubt = true;
  for (const Command& command : work.commands.commands()) {
    if (!command.header().request_id().empty()) in_doubt_.insert(command.header().request_id());
  }
}

// Whether it is in doubt itself, or repeats a request that is.
bool Engine::IsInDoubt(const Work& work) const {
  return work.in_doubt || std::any_of(work.commands.commands().begin(), work.commands.commands().end(),
                                      [this](const Command& command) {
                                        return in_doubt_.contains(command.header().request_id());
                                      });
}

// Nothing more comes of the batch: forget what was decided on top of it and say so to everyone who waits, or
// that nobody knows.
void Engine::Abandon(const absl::Status& why, std::vector<std::unique_ptr<Work>>& batch) {
  counters_.failed_commits.fetch_add(1);
  healthy_ = false;
  last_failure_ = why;
  // If they cannot be read now, they are read before anything else is decided: numbering never runs ahead.
  heads_stale_ = !LoadHeads().ok();
  // A full disk by itself says that nothing was done.
  const absl::Status failed = error::ReasonOf(why) == error::Reason::ERROR_REASON_DISK_FULL
                                  ? error::StoreFailed("the disk is full")
                                  : why;
  for (const auto& work : batch) work->Fail(IsInDoubt(*work) ? error::OutcomeUnknown(failed) : why);
}

void Engine::RunCommands(Work& work, Transaction& tx) {
  for (; work.next < work.commands.commands_size(); ++work.next) {
    if (work.next > 0 && !work.commands.together() && tx.begun && Interrupted()) {
      work.parted = true;
      return;
    }
    Command& command = *work.commands.mutable_commands(work.next);
    std::string traceparent = std::move(*command.mutable_traceparent());
    command.clear_traceparent();
    if (traceparent.empty()) traceparent = work.call.traceparent;
    absl::StatusOr<workorder::v1::CommandResult> result = RunCommand(command, traceparent, tx);
    if (!tx.store_failure.ok()) return;
    if (result.ok()) {
      ++(result->replayed() ? tx.replayed : tx.commands);
      *work.results.add_results() = *std::move(result);
    } else {
      ++tx.refused;
      *work.results.add_results()->mutable_error() = error::ToProto(result.status());
    }
  }
}

// Errors of the decision are returned; a failure of the store is left in `tx.store_failure` and ends the
// batch.
absl::StatusOr<workorder::v1::CommandResult> Engine::RunCommand(const Command& command,
                                                                const std::string& traceparent,
                                                                Transaction& tx) {
  const auto store_failed = [&tx](absl::Status status) {
    tx.store_failure = status;
    return status;
  };
  const std::string fingerprint = Fingerprint(command);
  const std::string& request_id = command.header().request_id();
  if (!request_id.empty()) {
    // What its commit wrote this connection may see, and nobody after it.
    if (in_doubt_.contains(request_id)) return error::OutcomeUnknown(last_failure_);
    absl::StatusOr<std::optional<RequestRow>> known = store_->reader().FindRequest(request_id);
    if (!known.ok()) return store_failed(known.status());
    if (known->has_value()) {
      if ((*known)->fingerprint != fingerprint && !IsEarlierFingerprint((*known)->fingerprint, command)) {
        return error::RequestIdReused(request_id);
      }
      workorder::v1::CommandResult result;
      const bool readable = result.ParseFromString((*known)->result);
      const std::optional<int64_t> id = ParseOrderId(result.order().id());
      if (!readable || !id.has_value()) return error::Internal("a stored answer cannot be read");
      absl::StatusOr<const WorkOrder*> order = LoadOrder(*id);
      if (!order.ok()) return store_failed(order.status());
      if (*order == nullptr) return error::Internal("a stored answer names no order");
      Complete(**order, result.mutable_order());
      result.set_replayed(true);
      return result;
    }
  }

  // A copy: loading another order may move those that are in memory.
  std::optional<WorkOrder> kept;
  if (command.has_merger()) {
    absl::StatusOr<int64_t> resolved = ResolveOrder(command.merger().into_order_id());
    if (!resolved.ok()) return store_failed(resolved.status());
    absl::StatusOr<const WorkOrder*> order = LoadOrder(*resolved);
    if (!order.ok()) return store_failed(order.status());
    if (*order != nullptr) kept = **order;
  }
  const WorkOrder* before = nullptr;
  int64_t order_id = 0;
  if (!command.header().order_id().empty()) {
    absl::StatusOr<int64_t> resolved = ResolveOrder(command.header().order_id());
    if (!resolved.ok()) return store_failed(resolved.status());
    order_id = *resolved;
    if (order_id != 0) {
      absl::StatusOr<const WorkOrder*> order = LoadOrder(order_id);
      if (!order.ok()) return store_failed(order.status());
      before = *order;
    }
  }
  NewOrder fresh;
  if (before == nullptr) {
    fresh = PrepareNewOrder(tx.now);
  } else if (command.has_offer() && order_id < own_ids_from_) {
    // Not the id of a handoff that an older copy of the store knows nothing of: some number that is this
    // process's own.
    fresh.attempt_gap = 1 + static_cast<int>(id_start_ % kAttemptGaps);
  }
  if (before != nullptr && command.has_partner_call()) {
    absl::StatusOr<std::vector<WorkOrder>> partners = OpenPartners(*before);
    if (!partners.ok()) return store_failed(partners.status());
    fresh.partners = *std::move(partners);
  }
  if (kept.has_value()) fresh.kept = &*kept;
  if (const std::string& parent = command.registration().parent_order_id(); !parent.empty()) {
    absl::StatusOr<int64_t> resolved = ResolveOrder(parent);
    if (!resolved.ok()) return store_failed(resolved.status());
    absl::StatusOr<const WorkOrder*> order = LoadOrder(*resolved);
    if (!order.ok()) return store_failed(order.status());
    fresh.parent = *order;
    if (fresh.parent != nullptr && !command.registration().has_content()) {
      absl::StatusOr<std::string> content = store_->reader().FindContent(*resolved);
      if (!content.ok()) return store_failed(content.status());
      fresh.parent_content = *std::move(content);
    }
  }
  absl::StatusOr<Change> change = Decide(before, command, fresh, options_.site, tx.now);
  if (!change.ok()) return change.status();
  absl::StatusOr<int64_t> applied = Apply(*std::move(change), order_id, traceparent, tx);
  if (!applied.ok()) return applied.status();

  workorder::v1::CommandResult result;
  // What was bound to it was loaded after it, which may have taken its place.
  absl::StatusOr<const WorkOrder*> stands = LoadOrder(*applied);
  if (!stands.ok()) return store_failed(stands.status());
  *result.mutable_order() = **stands;
  result.set_event_sequence(tx.applied_sequence);
  // Only this site's own affair.
  result.mutable_order()->clear_told_keys();
  // The fields of an order that never change are not stored once more with each answer.
  std::string title, digest, salt;
  WorkOrder& order = *result.mutable_order();
  order.mutable_title()->swap(title);
  order.mutable_content_digest()->swap(digest);
  order.mutable_content_salt()->swap(salt);
  absl::Status inserted;
  // Of a showing nobody asks a second time, as each has an id of its own: what is shown often would be kept
  // once more with every record. Who did all the same would be on record twice, for what was shown once.
  if (!command.has_disclosure()) {
    inserted = store_->InsertRequest(
        request_id, {.fingerprint = fingerprint, .result = result.SerializeAsString()}, *applied);
  }
  order.mutable_title()->swap(title);
  order.mutable_content_digest()->swap(digest);
  order.mutable_content_salt()->swap(salt);
  if (!inserted.ok()) return store_failed(inserted);
  return result;
}

absl::Status Engine::Begin(Store& store, Transaction& tx) {
  if (tx.begun) return absl::OkStatus();
  tx.begun = true;
  return store.Begin();
}

void Engine::RunInbox(Work& work, Transaction& tx) {
  const workorder::v1::ApplyInboxRequest& inbox = work.inbox;
  LinkRow& link = links_.find(LaneKey{inbox.peer(), inbox.lane()})->second;
  if (const int64_t theirs = inbox.peer_receipt().received_through(); theirs > link.acknowledged_sequence) {
    // Before anything is applied: a site that has lost its latest history would answer once more, and
    // otherwise.
    absl::StatusOr<std::string> ours =
        theirs > link.outgoing_sequence ? std::string() : OutgoingHash(link, theirs, tx);
    if (!ours.ok()) {
      tx.store_failure = ours.status();
      return;
    }
    if (*ours != inbox.peer_receipt().head_hash()) {
      work.failure = error::LinkBehind(inbox.peer(), theirs, link.outgoing_sequence);
      return;
    }
  }
  int64_t applied_through = 0;
  const bool goes_on = inbox.envelopes(inbox.envelopes_size() - 1).sequence() > link.incoming_sequence;
  for (; work.next < inbox.envelopes_size(); ++work.next) {
    const exchange::v1::Envelope& envelope = inbox.envelopes(work.next);
    if (envelope.sequence() <= link.incoming_sequence) {
      // Sent again because our answer was lost. Only the head can be compared without reading back; but what
      // chains up to it is what was received, and only then does the batch prove what is kept with it.
      const bool fits =
          !goes_on || (envelope.hash() == EnvelopeHash(envelope) &&
                       (work.next == 0 || envelope.previous_hash() == inbox.envelopes(work.next - 1).hash()));
      if (!fits || (envelope.sequence() == link.incoming_sequence && envelope.hash() != link.incoming_hash)) {
        work.failure = error::LinkForked(inbox.peer(), envelope.sequence());
        return;
      }
      ++tx.envelopes_doubled;
      continue;
    }
    if (envelope.sequence() != link.incoming_sequence + 1) break;  // a gap: the receipt says where to go on
    if (envelope.previous_hash() != link.incoming_hash || envelope.hash() != EnvelopeHash(envelope)) {
      work.failure = error::LinkForked(inbox.peer(), envelope.sequence());
      return;
    }
    if (applied_through > 0 && Interrupted()) {
      work.parted = true;
      return;
    }
    if (!ApplyEnvelope(link, envelope, work, tx)) return;
    applied_through = envelope.sequence();
  }
  // Kept only if all of what it covers is here.
  if (applied_through > 0 && inbox.has_batch() &&
      applied_through == inbox.envelopes(inbox.envelopes_size() - 1).sequence()) {
    tx.store_failure =
        store_->PutBatch(link.key, inbox.envelopes(0).sequence(), applied_through, inbox.batch());
  }
}

// Decides one envelope that continues the lane, and stores it with what came of it. False: stop, `work` or
// `tx` says why.
bool Engine::ApplyEnvelope(LinkRow& link, const exchange::v1::Envelope& envelope, Work& work,
                           Transaction& tx) {
  const auto store_failed = [&tx](absl::Status status) {
    tx.store_failure = std::move(status);
    return false;
  };
  absl::StatusOr<int64_t> order_id = ResolveHandoff(envelope.handoff_id());
  if (!order_id.ok()) return store_failed(order_id.status());
  const WorkOrder* before = nullptr;
  if (*order_id != 0) {
    absl::StatusOr<const WorkOrder*> order = LoadOrder(*order_id);
    if (!order.ok()) return store_failed(order.status());
    before = *order;
  }
  NewOrder fresh;
  if (before == nullptr) fresh = PrepareNewOrder(tx.now);
  // While own history is played back, what this envelope once was answered with stands there, with the number
  // and the id that the order had.
  bool answered = false;
  int64_t former_id = 0;
  if (link.replaying()) {
    absl::StatusOr<std::vector<EnvelopeRow>> last =
        store_->reader().ReadOutbox(link.key, link.replay_end - 1, 1);
    absl::StatusOr<std::vector<EnvelopeRow>> next =
        store_->reader().ReadOutbox(link.key, link.replay_next - 1, 1);
    if (!last.ok()) return store_failed(last.status());
    if (!next.ok()) return store_failed(next.status());
    if (last->empty() || next->empty()) return store_failed(error::Internal("the outbox has a gap"));
    answered = last->front().envelope.seen_sequence() >= envelope.sequence();
    exchange::v1::UnderstoodBody understood;
    const exchange::v1::Envelope& answer = next->front().envelope;
    if (before == nullptr && answer.kind() == exchange::v1::ENVELOPE_KIND_UNDERSTOOD &&
        answer.handoff_id() == envelope.handoff_id() && understood.ParseFromString(answer.body())) {
      absl::StatusOr<bool> taken = IsTaken(understood.to_number());
      if (!taken.ok()) return store_failed(taken.status());
      if (!*taken) fresh.number = understood.to_number();
      former_id = ParseOrderId(understood.to_order_id()).value_or(0);
      absl::StatusOr<const WorkOrder*> known = former_id == 0 ? nullptr : LoadOrder(former_id);
      if (!known.ok()) return store_failed(known.status());
      // A clock that was set back can have given it to another matter since.
      if (*known != nullptr) former_id = 0;
      if (former_id != 0) fresh.id = understood.to_order_id();
    }
  }
  bool passed_on = false;
  if (former_id == 0 && envelope.kind() == (before == nullptr ? exchange::v1::ENVELOPE_KIND_OFFER
                                                              : exchange::v1::ENVELOPE_KIND_RECALL)) {
    absl::StatusOr<std::optional<NewOrder>> lost = FindPassingOn(envelope.handoff_id(), link.key.lane);
    if (!lost.ok()) return store_failed(lost.status());
    passed_on = before != nullptr && lost->has_value();
    absl::StatusOr<const WorkOrder*> known = static_cast<const WorkOrder*>(nullptr);
    if (lost->has_value()) known = LoadOrder(ParseOrderId((*lost)->id).value_or(0));
    if (!known.ok()) return store_failed(known.status());
    if (before == nullptr && lost->has_value() && *known == nullptr) {
      fresh.id = (*lost)->id;
      former_id = ParseOrderId(fresh.id).value_or(0);
      absl::StatusOr<bool> taken = IsTaken((*lost)->number);
      if (!taken.ok()) return store_failed(taken.status());
      if (!*taken) fresh.number = (*lost)->number;
    }
    // Loading another order may have moved it.
    if (before != nullptr) {
      known = LoadOrder(*order_id);
      if (!known.ok()) return store_failed(known.status());
      before = *known;
    }
  }
  Received received;
  if (passed_on) {
    // It was accepted here before it was passed on, and only that is not known again yet.
    exchange::v1::RecallRefusedBody refused;
    refused.set_state(type::v1::ORDER_STATE_ACCEPTED);
    received.envelopes.push_back({.peer = link.key.peer,
                                  .handoff_id = envelope.handoff_id(),
                                  .kind = exchange::v1::ENVELOPE_KIND_RECALL_REFUSED,
                                  .body = refused.SerializeAsString()});
  } else {
    received = DecideEnvelope(before, envelope, link.key.peer, fresh, options_.site, tx.now,
                              SkewOf(work.inbox), link.key.lane);
  }
  if (received.refusal.has_value()) {
    tx.refusals.push_back({.peer = link.key.peer,
                           .handoff_id = before == nullptr ? std::string() : envelope.handoff_id(),
                           .body = *std::move(received.refusal)});
  }
  if (absl::Status status = Begin(*store_, tx); !status.ok()) return store_failed(std::move(status));
  if (answered) {
    received.envelopes.clear();
    // But not an offer that was made since, not knowing of all this, and is called back now.
    std::erase_if(received.change.envelopes, [&](const EnvelopeDraft& draft) {
      return draft.kind != exchange::v1::ENVELOPE_KIND_RECALL || draft.handoff_id == envelope.handoff_id();
    });
  }

  std::string content;
  tx.receiving = &link;
  tx.received_sequence = envelope.sequence();
  if (received.changes) {
    content = received.change.creates ? received.change.content : std::string();
    absl::StatusOr<int64_t> applied =
        Apply(std::move(received.change), *order_id, envelope.traceparent(), tx);
    if (!applied.ok()) {
      // A broken invariant: stop the link here rather than lose the envelope.
      if (tx.store_failure.ok()) work.failure = applied.status();
      tx.receiving = nullptr;
      return false;
    }
    *order_id = *applied;
    if (former_id != 0) id_floor_ = std::max(id_floor_, former_id + id_start_);
  }
  for (const EnvelopeDraft& draft : received.envelopes) {
    if (absl::Status status = Owe(draft, link.key, *order_id, {}, envelope.traceparent(), tx); !status.ok()) {
      return store_failed(std::move(status));
    }
  }
  tx.receiving = nullptr;
  // What is about no order, whatever its handoff's id looks like, goes by its own time: see
  // Store::EraseStrays.
  const bool stray = before == nullptr && !received.changes;
  if (absl::Status status = store_->AppendInbox(
          link.key, {.envelope = envelope, .order_id = stray ? 0 : *order_id, .commit_time = tx.now},
          content);
      !status.ok()) {
    return store_failed(std::move(status));
  }
  link.incoming_sequence = envelope.sequence();
  link.incoming_hash = envelope.hash();
  link.incoming_time = tx.now;
  tx.dirty_links.insert(link.key);
  ++tx.envelopes_in;
  if (link.replaying()) {
    if (absl::Status status = Replay(link, tx); !status.ok()) return store_failed(std::move(status));
  }
  return true;
}

// The hash of an envelope of this site's, from memory if it is recent.
absl::StatusOr<std::string> Engine::OutgoingHash(const LinkRow& link, int64_t sequence,
                                                 const Transaction& tx) {
  if (sequence == link.outgoing_sequence) return link.outgoing_hash;
  if (!tx.cut_links.contains(link.key)) {
    MutexLock lock(&tail_mu_);
    const LaneTail& tail = tails_.find(link.key)->second;
    if (!tail.rows.empty() && tail.rows.front().envelope.sequence() <= sequence &&
        tail.rows.back().envelope.sequence() >= sequence) {
      return tail.rows[static_cast<size_t>(sequence - tail.rows.front().envelope.sequence())].envelope.hash();
    }
  }
  absl::StatusOr<std::vector<EnvelopeRow>> rows = store_->reader().ReadOutbox(link.key, sequence - 1, 1);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return error::Internal("the outbox has a gap");
  return rows->front().envelope.hash();
}

void Engine::RunReceipt(Work& work, Transaction& tx) {
  const LinkReceipt& receipt = work.pull.receipt();
  LinkRow& link = links_.find(LaneKey{work.pull.peer(), work.pull.lane()})->second;
  const std::string& peer = link.key.peer;
  const int64_t through = receipt.received_through();
  if (through <= link.acknowledged_sequence) return;
  if (through > link.outgoing_sequence) {
    work.failure = error::LinkBehind(peer, through, link.outgoing_sequence);
    return;
  }

  // What was acknowledged: handoff, kind and hash of each. Recent ones are in memory.
  struct Acknowledged {
    std::string handoff_id;
    int kind;
    int64_t order_id;
    std::string hash;
  };
  std::vector<Acknowledged> acknowledged;
  const auto add = [&acknowledged](const EnvelopeRow& row) {
    acknowledged.push_back(
        {row.envelope.handoff_id(), row.envelope.kind(), row.order_id, row.envelope.hash()});
  };
  if (!tx.cut_links.contains(link.key)) {
    MutexLock lock(&tail_mu_);
    const LaneTail& tail = tails_.find(link.key)->second;
    if (!tail.rows.empty() && tail.rows.front().envelope.sequence() <= link.acknowledged_sequence + 1) {
      const int64_t first = tail.rows.front().envelope.sequence();
      for (int64_t sequence = link.acknowledged_sequence + 1;
           sequence <= std::min(through, tail.rows.back().envelope.sequence()); ++sequence) {
        add(tail.rows[static_cast<size_t>(sequence - first)]);
      }
    }
  }
  while (link.acknowledged_sequence + static_cast<int64_t>(acknowledged.size()) < through) {
    const int64_t after = link.acknowledged_sequence + static_cast<int64_t>(acknowledged.size());
    absl::StatusOr<std::vector<EnvelopeRow>> rows = store_->reader().ReadOutbox(
        link.key, after, static_cast<int>(std::min<int64_t>(through - after, kMaxBatch)));
    if (rows.ok() && rows->empty()) rows = error::Internal("the outbox has a gap");
    if (!rows.ok()) {
      tx.store_failure = rows.status();
      return;
    }
    for (const EnvelopeRow& row : *rows) add(row);
  }
  if (acknowledged.back().hash != receipt.head_hash()) {
    // It holds something else of ours: what this store has lost, or a fork. Which, recovery finds out.
    work.failure = error::LinkBehind(peer, through, link.outgoing_sequence);
    return;
  }
  if (absl::Status status = Begin(*store_, tx); !status.ok()) {
    tx.store_failure = std::move(status);
    return;
  }
  // A peer that signs nothing may leave it out.
  const absl::Time receive_time = receipt.has_receive_time() ? FromTimestamp(receipt.receive_time()) : tx.now;
  const std::optional<ClockSkew> skew = SkewOf(work.pull);
  for (const Acknowledged& one : acknowledged) {
    if (one.kind != exchange::v1::ENVELOPE_KIND_OFFER || one.order_id == 0) continue;
    absl::StatusOr<const WorkOrder*> order = LoadOrder(one.order_id);
    if (!order.ok()) {
      tx.store_failure = order.status();
      return;
    }
    if (*order == nullptr) continue;
    Received received = DecideReceipt(**order, one.handoff_id, receive_time, options_.site, tx.now, skew);
    if (!received.changes) continue;
    if (absl::StatusOr<int64_t> applied =
            Apply(std::move(received.change), one.order_id, work.call.traceparent, tx);
        !applied.ok()) {
      if (tx.store_failure.ok()) tx.store_failure = applied.status();
      return;
    }
  }
  if (!receipt.statement().empty()) {
    tx.store_failure = store_->PutReceipt(link.key, receipt);
    if (!tx.store_failure.ok()) return;
  }
  link.acknowledged_sequence = through;
  link.acknowledged_hash = receipt.head_hash();
  link.acknowledged_time = receive_time;
  tx.dirty_links.insert(link.key);
}

// Takes back own envelopes that the peer holds. Those committed here since then stand behind them, numbered
// anew.
void Engine::RunRecovery(Work& work, Transaction& tx) {
  const auto& envelopes = work.recovery.envelopes();
  LinkRow& link = links_.find(LaneKey{work.recovery.peer(), work.recovery.lane()})->second;
  const auto failed = [&tx](absl::Status status) { tx.store_failure = std::move(status); };
  if (envelopes.empty()) {
    work.recovered.set_outgoing_sequence(link.outgoing_sequence);
    return;
  }

  // Checked whole before anything is written, so that a bad one fails alone.
  const int64_t first = envelopes.begin()->sequence();
  if (first < 1 || first > link.outgoing_sequence + 1) {
    work.failure = error::SequenceOutOfRange(first, link.outgoing_sequence + 1);
    return;
  }
  absl::StatusOr<std::string> anchor =
      first == 1 ? LaneStart(link.key.lane) : OutgoingHash(link, first - 1, tx);
  if (!anchor.ok()) return failed(anchor.status());
  std::string hash = *anchor;
  int64_t expected = first;
  int64_t differs = 0;  // first envelope that this store has otherwise; 0 if none
  for (const exchange::v1::Envelope& envelope : envelopes) {
    if (envelope.sequence() != expected++ || envelope.previous_hash() != hash ||
        envelope.hash() != EnvelopeHash(envelope)) {
      work.failure = error::LinkForked(link.key.peer, envelope.sequence());
      return;
    }
    hash = envelope.hash();
    if (differs != 0 || envelope.sequence() > link.outgoing_sequence) continue;
    absl::StatusOr<std::string> ours = OutgoingHash(link, envelope.sequence(), tx);
    if (!ours.ok()) return failed(ours.status());
    if (*ours == envelope.hash()) continue;
    differs = envelope.sequence();
    // What both had agreed on can differ by no loss; and what is not known to be ours does not displace ours.
    if (differs <= link.acknowledged_sequence || !work.recovery.proven()) {
      work.failure = error::LinkForked(link.key.peer, differs);
      return;
    }
  }
  if (differs == 0 && envelopes.rbegin()->sequence() <= link.outgoing_sequence) {
    // Nothing is lost. What of it has arrived the peer's receipt says, and is on record with that.
    work.recovered.set_outgoing_sequence(link.outgoing_sequence);
    return;
  }
  if (absl::Status status = Begin(*store_, tx); !status.ok()) return failed(std::move(status));
  for (const exchange::v1::Envelope& envelope : envelopes) {
    // A recovered order whose number was given again gets one behind all that come back.
    exchange::v1::OfferBody offer;
    if (envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER && offer.ParseFromString(envelope.body())) {
      TakeNumber(offer.handoff().from_number());
    }
  }

  std::vector<EnvelopeRow> later;  // own ones that the peer does not have
  if (differs != 0) {
    for (int64_t after = differs - 1; after < link.outgoing_sequence;) {
      absl::StatusOr<std::vector<EnvelopeRow>> rows = store_->reader().ReadOutbox(link.key, after, kMaxBatch);
      if (rows.ok() && rows->empty()) rows = error::Internal("the outbox has a gap");
      if (!rows.ok()) return failed(rows.status());
      after += static_cast<int64_t>(rows->size());
      std::move(rows->begin(), rows->end(), std::back_inserter(later));
    }
    if (absl::Status status = store_->TruncateOutbox(link.key, differs - 1); !status.ok()) {
      return failed(std::move(status));
    }
    std::erase_if(tx.envelopes, [&](const auto& one) {
      return one.first == link.key && one.second.envelope.sequence() >= differs;
    });
    tx.cut_links.insert(link.key);
    passed_on_.erase(link.key);
    link.outgoing_sequence = differs - 1;
    link.outgoing_hash = envelopes[static_cast<int>(differs - first)].previous_hash();
  }
  int64_t seen = 0;
  for (const exchange::v1::Envelope& envelope : envelopes) {
    seen = std::max(seen, envelope.seen_sequence());
    if (envelope.sequence() <= link.outgoing_sequence) continue;
    if (std::erase_if(later, [&](const EnvelopeRow& row) { return IsSameTold(row.envelope, envelope); }) >
            0 &&
        envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER) {
      absl::StatusOr<int64_t> offered = OrderOfRecovered(envelope);
      absl::Status status = offered.status();
      if (status.ok()) status = Renumber({.envelope = envelope, .order_id = *offered, .commit_time = tx.now});
      if (!status.ok()) return failed(std::move(status));
    }
    absl::StatusOr<int64_t> order_id = OrderOfRecovered(envelope);
    if (!order_id.ok()) return failed(order_id.status());
    if (!link.replaying()) link.replay_next = envelope.sequence();
    link.replay_end = envelope.sequence();
    if (absl::Status status =
            Append(link, {.envelope = envelope, .order_id = *order_id, .commit_time = tx.now}, {}, tx);
        !status.ok()) {
      return failed(std::move(status));
    }
  }
  link.acknowledged_sequence = std::max(link.acknowledged_sequence, link.outgoing_sequence);
  link.acknowledged_hash = link.outgoing_hash;
  for (EnvelopeRow& row : later) {
    exchange::v1::Envelope& envelope = row.envelope;
    envelope.set_sequence(link.outgoing_sequence + 1);
    envelope.set_previous_hash(link.outgoing_hash);
    envelope.set_seen_sequence(std::max(seen, envelope.seen_sequence()));
    envelope.set_hash(EnvelopeHash(envelope));
    std::string content;
    if (envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER) {
      absl::StatusOr<std::string> found = store_->reader().FindContent(row.order_id);
      if (!found.ok()) return failed(found.status());
      content = *std::move(found);
      if (absl::Status status = Renumber(row); !status.ok()) return failed(std::move(status));
    }
    if (absl::Status status = Append(link, std::move(row), content, tx); !status.ok()) {
      return failed(std::move(status));
    }
  }
  const int64_t events_before = heads_.event_sequence;
  if (absl::Status status = Replay(link, tx); !status.ok()) return failed(std::move(status));
  work.recovered.set_orders(heads_.event_sequence - events_before);
  work.recovered.set_renumbered(static_cast<int64_t>(later.size()));
  work.recovered.set_outgoing_sequence(link.outgoing_sequence);
}

// An offer got another number on its lane.
absl::Status Engine::Renumber(const EnvelopeRow& row) {
  absl::StatusOr<const WorkOrder*> known = LoadOrder(row.order_id);
  if (!known.ok()) return known.status();
  if (*known == nullptr || (*known)->handoff().id() != row.envelope.handoff_id()) return absl::OkStatus();
  WorkOrder order = **known;
  order.mutable_handoff()->set_link_sequence(row.envelope.sequence());
  if (absl::Status status = store_->UpdateOrder(row.order_id, order); !status.ok()) return status;
  Remember(row.order_id, std::move(order));
  return absl::OkStatus();
}

// Owes the peer once more what this site is the one to say of some handoffs.
void Engine::RunResend(Work& work, Transaction& tx) {
  const auto failed = [&tx](absl::Status status) { tx.store_failure = std::move(status); };
  for (const std::string& handoff_id : work.resend.handoff_ids()) {
    absl::StatusOr<int64_t> order_id = ResolveHandoff(handoff_id);
    if (!order_id.ok()) return failed(order_id.status());
    absl::StatusOr<const WorkOrder*> order = static_cast<const WorkOrder*>(nullptr);
    if (*order_id != 0) order = LoadOrder(*order_id);
    if (!order.ok()) return failed(order.status());
    std::vector<EnvelopeDraft> drafts;
    if (*order != nullptr) {
      drafts = DecideResend(**order, handoff_id, work.resend.peer(), options_.site, tx.now);
    }
    bool owed = false;
    for (const EnvelopeDraft& draft : drafts) {
      std::string content;
      if (draft.kind == exchange::v1::ENVELOPE_KIND_OFFER) {
        absl::StatusOr<std::string> found = store_->reader().FindContent(*order_id);
        if (!found.ok()) return failed(found.status());
        content = *std::move(found);
        if (content.empty()) continue;  // erased: there is nothing left to offer
      }
      if (absl::Status status = Begin(*store_, tx); !status.ok()) return failed(std::move(status));
      const LaneKey key{.peer = draft.peer, .lane = LaneFor((*order)->urgency())};
      if (absl::Status status = Owe(draft, key, *order_id, content, work.call.traceparent, tx);
          !status.ok()) {
        return failed(std::move(status));
      }
      owed = true;
    }
    if (owed) {
      work.resent.set_owed(work.resent.owed() + 1);
    } else {
      work.resent.add_skipped(handoff_id);
    }
  }
}

// Sets right the sums over a bucket: nothing else is committed in between.
void Engine::RunRecount(Work& work, Transaction& tx) {
  const auto failed = [&tx](absl::Status status) { tx.store_failure = std::move(status); };
  const SharedKey& key = work.recount;
  SharedScan scan(options_.site.hotline, key.peer,
                  RangeAt(key.given ? options_.site.hotline : key.peer, key.bucket << kFinestSharedLevel,
                          kFinestSharedLevel));
  for (bool more = true; more;) {
    absl::StatusOr<bool> stepped = scan.Step(store_->reader(), InMotion());
    if (!stepped.ok()) return failed(stepped.status());
    more = *stepped;
  }
  // What this transaction has changed before is in the orders, but not yet in the sums.
  absl::StatusOr<std::map<int64_t, DigestSum>> kept = store_->reader().ReadShared(key, key.bucket);
  if (!kept.ok()) return failed(kept.status());
  DigestSum now = kept->empty() ? DigestSum() : kept->begin()->second;
  DigestSum& delta = tx.shared[key];
  now.Add(delta);
  DigestSum missing = scan.whole();
  missing.Remove(now);
  if (missing == DigestSum()) return;
  if (absl::Status status = Begin(*store_, tx); !status.ok()) return failed(std::move(status));
  delta.Add(missing);
}

// Writes and takes back a hold on an order that is not there: no order has the id 0. A row that is written
// back as it was proves nothing, since no page is written for it.
void Engine::RunProbe(Transaction& tx) {
  tx.store_failure = Begin(*store_, tx);
  for (const bool held : {true, false}) {
    if (tx.store_failure.ok()) tx.store_failure = store_->PutHold(0, held);
  }
}

void Engine::RunStrays(Work& work, Transaction& tx) {
  tx.store_failure = Begin(*store_, tx);
  if (tx.store_failure.ok()) tx.store_failure = store_->EraseStrays(work.strays);
}

// Lets recovered envelopes take effect, as far as what they once followed has been applied.
absl::Status Engine::Replay(LinkRow& link, Transaction& tx) {
  // Orders of which this site has told the peer since, behind what comes back; those first told, which are
  // the ones that it did not know enough of.
  std::optional<std::vector<int64_t>> later;
  while (link.replaying()) {
    absl::StatusOr<std::vector<EnvelopeRow>> rows =
        store_->reader().ReadOutbox(link.key, link.replay_next - 1, 1);
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return error::Internal("the outbox has a gap");
    const exchange::v1::Envelope& envelope = rows->front().envelope;
    if (envelope.seen_sequence() > link.incoming_sequence) return absl::OkStatus();
    absl::StatusOr<int64_t> order_id = ResolveHandoff(envelope.handoff_id());
    if (!order_id.ok()) return order_id.status();
    const WorkOrder* before = nullptr;
    if (*order_id != 0) {
      absl::StatusOr<const WorkOrder*> order = LoadOrder(*order_id);
      if (!order.ok()) return order.status();
      before = *order;
    }
    if (before != nullptr && envelope.kind() == exchange::v1::ENVELOPE_KIND_MIRROR && !later.has_value()) {
      absl::StatusOr<std::vector<int64_t>> orders =
          store_->reader().OutboxOrders(link.key, link.replay_end, kMaxBatch);
      if (!orders.ok()) return orders.status();
      later = *std::move(orders);
    }
    Standing standing;
    standing.goes_on =
        later.has_value() && std::find(later->begin(), later->end(), *order_id) != later->end();
    if (before != nullptr && envelope.kind() == exchange::v1::ENVELOPE_KIND_MIRROR) {
      absl::StatusOr<bool> logged = IsLogged(*before, envelope);
      if (!logged.ok()) return logged.status();
      standing.logged = *logged;
    }
    Received recovered = DecideRecovered(before, envelope, standing, options_.site, tx.now);
    if (recovered.changes && recovered.change.creates) {
      // Another order may have got the number since: the peer goes on to know this one by the old number.
      absl::StatusOr<bool> taken = IsTaken(recovered.change.after.number());
      if (!taken.ok()) return taken.status();
      if (*taken) {
        recovered.change.after.set_number(PrepareNewOrder(tx.now).number);
        recovered.change.event.set_order_number(recovered.change.after.number());
      }
    }
    if (recovered.changes) {
      absl::StatusOr<int64_t> applied =
          Apply(std::move(recovered.change), *order_id, envelope.traceparent(), tx);
      if (!applied.ok()) return applied.status();
      *order_id = *applied;
    }
    // Its order was not there when it came back: it is erased with that.
    if (rows->front().order_id == 0 && *order_id != 0) {
      if (absl::Status status = store_->SetOutboxOrder(link.key, envelope.sequence(), *order_id);
          !status.ok()) {
        return status;
      }
    }
    ++link.replay_next;
    tx.dirty_links.insert(link.key);
  }
  return absl::OkStatus();
}

// Whether the event that a mirror of this site's tells of is in the log.
absl::StatusOr<bool> Engine::IsLogged(const WorkOrder& order, const exchange::v1::Envelope& mirror) {
  exchange::v1::MirrorBody body;
  if (!body.ParseFromString(mirror.body())) return false;
  const type::v1::Event& told = body.event();
  // Back along the order's events, whose versions fall by one.
  for (int64_t sequence = order.last_event_sequence(); sequence > 0;) {
    absl::StatusOr<std::vector<EventRow>> rows = store_->reader().ReadEvents(sequence, 1);
    if (!rows.ok()) return rows.status();
    type::v1::Event event;
    if (rows->empty() || !event.ParseFromString(rows->front().bytes)) {
      return error::Internal("the log has a gap");
    }
    if (event.order_version() < told.order_version()) return false;
    if (event.order_version() == told.order_version()) {
      return event.detail_case() == told.detail_case() && event.actor().account() == told.actor().account() &&
             FromTimestamp(event.commit_time()) == FromTimestamp(told.commit_time());
    }
    sequence = event.previous_order_sequence();
  }
  return false;
}

// The orders of partners that are called for `incident` and are not done yet, newest first. This is the
// committing thread: of an incident that called for help again and again, only those among the latest.
absl::StatusOr<std::vector<WorkOrder>> Engine::OpenPartners(const WorkOrder& incident) {
  constexpr int kMostPartners = 64;
  constexpr int kMostRows = 4096;
  if (incident.partner_count() == 0) return std::vector<WorkOrder>();
  workorder::v1::ListFilter filter;
  filter.set_parent_id(incident.id());
  for (int state = type::v1::ORDER_STATE_REGISTERED; state <= type::v1::ORDER_STATE_REDO; ++state) {
    // A partner that replied or gave the order back is done, and a copy that was given back stands for good.
    if (Contains(kOnOffer | kAtWork, state)) filter.add_states(static_cast<type::v1::OrderState>(state));
  }
  int64_t more = 0;
  return store_->reader().List(filter, 0, {.limit = kMostPartners, .scan_limit = kMostRows}, &more);
}

// Binds a partner's order that came back after a restore to its incident. The bond is this site's own id of
// that, which did not travel, and is found by the number that did. The number may have been given to another
// matter since: the incident was there before its partners were called, and they got its content. If the
// incident is not there, perhaps it comes back later: the next change of the order looks again.
absl::Status Engine::FindIncident(Change* change, int64_t order_id) {
  WorkOrder& after = change->after;
  const std::string& own = options_.site.hotline;
  const bool called = !after.parent_number().empty() && after.origin_hotline() == own &&
                      !after.has_inbound() && after.handoff().from_hotline() == own &&
                      after.handoff().previous_handoff_id().empty();
  if (!called || !after.parent_id().empty()) return absl::OkStatus();
  if (change->creates) order_id = ParseOrderId(after.id()).value_or(0);
  absl::StatusOr<std::optional<int64_t>> incident = store_->reader().FindIdByNumber(after.parent_number());
  if (!incident.ok()) return incident.status();
  if (!incident->has_value() || **incident >= order_id) return absl::OkStatus();
  absl::StatusOr<std::string> asked = store_->reader().FindContent(**incident);
  if (!asked.ok()) return asked.status();
  absl::StatusOr<std::string> content =
      change->creates ? change->content : store_->reader().FindContent(order_id);
  if (!content.ok()) return content.status();
  // Of what was erased nobody can say whether it was the same.
  if (!asked->empty() && *content == *asked) after.set_parent_id(FormatOrderId(**incident));
  return absl::OkStatus();
}

// Stores a change, what it owes, and what it does to orders that are bound to this one. Returns the order's
// id. A broken invariant is returned before anything is written; a failure of the store is left in
// `tx.store_failure` too.
absl::StatusOr<int64_t> Engine::Apply(Change change, int64_t order_id, const std::string& traceparent,
                                      Transaction& tx) {
  if (absl::Status status = FindIncident(&change, order_id); !status.ok()) {
    tx.store_failure = status;
    return status;
  }
  const auto is_bound = [](const WorkOrder& order) {
    return !order.parent_id().empty() || order.has_merged_into() || order.merged_orders_size() > 0;
  };
  bool bound = is_bound(change.after);
  if (!bound && !change.creates) {
    absl::StatusOr<const WorkOrder*> known = LoadOrder(order_id);
    if (!known.ok()) {
      tx.store_failure = known.status();
      return known.status();
    }
    bound = *known != nullptr && is_bound(**known);
  }
  if (!bound) {
    absl::StatusOr<int64_t> applied = ApplyOne(std::move(change), order_id, traceparent, tx);
    tx.applied_sequence = heads_.event_sequence;
    return applied;
  }
  // All is decided before the first is written.
  absl::StatusOr<std::vector<Linked>> chain = Follow(std::move(change), order_id, tx);
  if (!chain.ok()) return chain.status();
  int64_t id = 0;
  for (size_t i = 0; i < chain->size(); ++i) {
    absl::StatusOr<int64_t> applied =
        ApplyOne(std::move((*chain)[i].change), (*chain)[i].order_id, traceparent, tx);
    if (!applied.ok()) return applied.status();
    if (i > 0) continue;
    id = *applied;
    tx.applied_sequence = heads_.event_sequence;
  }
  return id;
}

// A change and those that it leads to, each after what it follows from.
absl::StatusOr<std::vector<Engine::Linked>> Engine::Follow(Change change, int64_t order_id, Transaction& tx) {
  // A kept order, what was merged into it, and their incidents: far fewer. More is a fault of the rules.
  constexpr size_t kMaxChain = 512;
  std::vector<Linked> chain;
  // The order as it is after what stands in the chain so far.
  const auto current = [&](int64_t id) -> absl::StatusOr<std::optional<WorkOrder>> {
    for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
      if (it->order_id == id) return it->change.after;
    }
    absl::StatusOr<const WorkOrder*> known = LoadOrder(id);
    if (!known.ok()) {
      tx.store_failure = known.status();
      return known.status();
    }
    if (*known == nullptr) return std::nullopt;
    return **known;
  };
  absl::StatusOr<std::optional<WorkOrder>> before = std::nullopt;
  if (!change.creates) before = current(order_id);
  if (!before.ok()) return before.status();
  if (change.creates) order_id = ParseOrderId(change.after.id()).value_or(0);
  chain.push_back({.order_id = order_id, .before = *std::move(before), .change = std::move(change)});
  for (size_t i = 0; i < chain.size(); ++i) {
    if (const std::string fault = Unsound(chain[i].change.after, options_.site); !fault.empty()) {
      return error::Internal(fault);
    }
    if (chain.size() > kMaxChain) return error::Internal("a change leads to too many others");
    const auto before_of = [&]() -> const WorkOrder* {
      return chain[i].before.has_value() ? &*chain[i].before : nullptr;
    };
    for (const std::string& related_id : RelatedOrders(before_of(), chain[i].change.after)) {
      const std::optional<int64_t> id = ParseOrderId(related_id);
      if (!id.has_value()) continue;
      absl::StatusOr<std::optional<WorkOrder>> related = current(*id);
      if (!related.ok()) return related.status();
      if (!related->has_value()) continue;
      std::optional<Change> next = DecideRelated(**related, before_of(), chain[i].change.after,
                                                 chain[i].change.event, options_.site, tx.now);
      if (!next.has_value()) continue;
      chain.push_back({.order_id = *id, .before = **std::move(related), .change = *std::move(next)});
    }
  }
  return chain;
}

// Stores one change and what it owes.
absl::StatusOr<int64_t> Engine::ApplyOne(Change change, int64_t order_id, const std::string& traceparent,
                                         Transaction& tx) {
  if (const std::string fault = Unsound(change.after, options_.site); !fault.empty()) {
    return error::Internal(fault);
  }
  if (change.creates) {
    const std::optional<int64_t> id = ParseOrderId(change.after.id());
    if (!id.has_value()) return error::Internal("a new order has no id");
    order_id = *id;
  }
  const auto write = [&]() -> absl::Status {
    if (absl::Status status = Begin(*store_, tx); !status.ok()) return status;
    const WorkOrder* before = nullptr;
    if (!change.creates) {
      absl::StatusOr<const WorkOrder*> known = LoadOrder(order_id);
      if (!known.ok()) return known.status();
      before = *known;
      if (before == nullptr) return error::Internal("an order to be updated is not there");
    }
    CountChange(before, change.after, options_.site.hotline, &tx.shared);
    const int64_t sequence = heads_.event_sequence + 1;
    type::v1::Event& event = change.event;
    event.set_sequence(sequence);
    event.set_previous_order_sequence(before == nullptr ? 0 : before->last_event_sequence());
    if (event.traceparent().empty() && IsTraceparent(traceparent)) event.set_traceparent(traceparent);
    event.set_handoff_id(change.after.handoff().id());
    change.after.set_last_event_sequence(sequence);
    const exchange::v1::Lane lane = LaneFor(change.after.urgency());
    if (tx.receiving != nullptr) event.set_received_sequence(tx.received_sequence);
    for (const EnvelopeDraft& draft : change.envelopes) {
      const int64_t next = links_.find(LaneKey{draft.peer, lane})->second.outgoing_sequence + 1;
      if (event.sent_sequence() == 0) event.set_sent_sequence(next);
      if (draft.kind != exchange::v1::ENVELOPE_KIND_OFFER) continue;
      change.after.mutable_handoff()->set_link_sequence(next);
      if (event.has_offered()) event.mutable_offered()->mutable_handoff()->set_link_sequence(next);
    }

    if (change.creates) {
      std::string caller_hash;
      if (!change.caller_phone.empty()) caller_hash = store_->CallerHash(change.caller_phone);
      if (type::v1::RegisteredDetail* registered = RegistrationIn(&event);
          registered != nullptr && !caller_hash.empty()) {
        registered->set_caller_hash(caller_hash);
      }
      if (absl::Status status = store_->InsertOrder(order_id, change.after, change.content, caller_hash);
          !status.ok()) {
        return status;
      }
      heads_.last_order_id = std::max(heads_.last_order_id, order_id);
      // Not what followed it in the lost history.
      if (change.event.recovered()) id_floor_ = std::max(id_floor_, order_id + id_start_);
      TakeNumber(change.after.number());
    } else if (absl::Status status = store_->UpdateKnownOrder(order_id, change.after, *before);
               !status.ok()) {
      return status;
    }
    if (before != nullptr && before->has_legal_hold() != change.after.has_legal_hold()) {
      if (absl::Status status = store_->PutHold(order_id, change.after.has_legal_hold()); !status.ok()) {
        return status;
      }
    }
    if (change.erases) {
      if (absl::Status status = store_->Erase(order_id, event.previous_order_sequence()); !status.ok()) {
        return status;
      }
    }
    auto bytes = std::make_shared<const std::string>(event.SerializeAsString());
    std::string hash = EventHash(heads_.event_hash, *bytes);
    if (absl::Status status = store_->AppendEvent(sequence, *bytes, hash); !status.ok()) return status;
    heads_.event_sequence = sequence;
    heads_.event_hash = std::move(hash);
    tx.events.push_back(ItemOf(event, change.after, std::move(bytes)));

    for (const EnvelopeDraft& draft : change.envelopes) {
      std::string stored_content;
      std::string_view content;
      if (draft.kind == exchange::v1::ENVELOPE_KIND_OFFER) {
        content = change.content;
        if (!change.creates) {
          absl::StatusOr<std::string> found = store_->reader().FindContent(order_id);
          if (!found.ok()) return found.status();
          stored_content = *std::move(found);
          content = stored_content;
        }
      }
      const LaneKey key{.peer = draft.peer, .lane = lane};
      if (absl::Status status = Owe(draft, key, order_id, content, traceparent, tx); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  };
  if (absl::Status status = write(); !status.ok()) {
    tx.store_failure = status;
    return status;
  }
  Remember(order_id, std::move(change.after));
  return order_id;
}

// Numbers, chains and stores an envelope. `content` is an offer's, not in the draft's body.
absl::Status Engine::Owe(const EnvelopeDraft& draft, const LaneKey& key, int64_t order_id,
                         std::string_view content, const std::string& traceparent, Transaction& tx) {
  LinkRow& link = links_.find(key)->second;
  EnvelopeRow row;
  row.order_id = order_id;
  row.commit_time = tx.now;
  exchange::v1::Envelope& envelope = row.envelope;
  envelope.set_sequence(link.outgoing_sequence + 1);
  envelope.set_handoff_id(draft.handoff_id);
  envelope.set_kind(draft.kind);
  envelope.set_previous_hash(link.outgoing_hash);
  envelope.set_traceparent(traceparent);
  int64_t seen = &link == tx.receiving ? tx.received_sequence : link.incoming_sequence;
  if (link.replaying()) {
    // What came back from before a loss had seen more than has come again by now, and this goes not behind
    // it.
    absl::StatusOr<std::vector<EnvelopeRow>> last =
        store_->reader().ReadOutbox(link.key, link.outgoing_sequence - 1, 1);
    if (!last.ok()) return last.status();
    if (!last->empty()) seen = std::max(seen, last->front().envelope.seen_sequence());
  }
  envelope.set_seen_sequence(seen);
  envelope.set_body(OfferBodyWithContent(draft.body, content));
  envelope.set_hash(EnvelopeHash(envelope));
  return Append(link, std::move(row), content, tx);
}

absl::Status Engine::Append(LinkRow& link, EnvelopeRow row, std::string_view content, Transaction& tx) {
  // It comes from a peer where this answers one or came back from one, is in no hash, and goes out again.
  if (!IsTraceparent(row.envelope.traceparent())) row.envelope.clear_traceparent();
  if (absl::Status status = store_->AppendOutbox(link.key, row, content); !status.ok()) return status;
  link.outgoing_sequence = row.envelope.sequence();
  link.outgoing_hash = row.envelope.hash();
  tx.dirty_links.insert(link.key);
  tx.envelopes.emplace_back(link.key, std::move(row));
  return absl::OkStatus();
}

NewOrder Engine::PrepareNewOrder(absl::Time now) {
  const absl::CivilDay day = std::max(absl::ToCivilDay(now, Beijing()), heads_.number_day);
  const int64_t counter = day == heads_.number_day ? heads_.number_counter + 1 : 1;
  return {.id = FormatOrderId(NextOrderId(std::max(heads_.last_order_id, id_floor_), now, id_start_)),
          .number = FormatOrderNumber(options_.site.hotline, day, counter),
          .content_salt = options_.draw_salt()};
}

// Numbers given from now on come after `number`, which a recovered order may have brought.
void Engine::TakeNumber(const std::string& number) {
  const auto parsed = ParseOrderNumber(options_.site.hotline, number);
  if (parsed.has_value() && *parsed > std::make_pair(heads_.number_day, heads_.number_counter)) {
    std::tie(heads_.number_day, heads_.number_counter) = *parsed;
  }
}

absl::StatusOr<const WorkOrder*> Engine::LoadOrder(int64_t id) {
  if (const auto it = orders_.find(id); it != orders_.end()) return &it->second;
  absl::StatusOr<std::optional<WorkOrder>> order = store_->reader().FindOrder(id);
  if (!order.ok()) return order.status();
  if (!order->has_value()) return nullptr;
  Remember(id, **std::move(order));
  return &orders_.find(id)->second;
}

void Engine::Remember(int64_t id, WorkOrder order) {
  const auto [it, inserted] = orders_.insert_or_assign(id, std::move(order));
  if (!inserted) return;
  orders_by_age_.push_back(id);
  if (orders_by_age_.size() > static_cast<size_t>(options_.cached_orders)) {
    orders_.erase(orders_by_age_.front());
    orders_by_age_.pop_front();
  }
}

absl::StatusOr<bool> Engine::IsTaken(const std::string& number) {
  absl::StatusOr<std::optional<int64_t>> id = store_->reader().FindIdByNumber(number);
  if (!id.ok()) return id.status();
  return id->has_value();
}

// 0 if there is none.
absl::StatusOr<int64_t> Engine::ResolveHandoff(const std::string& handoff_id) {
  // A handoff that this site gave names the order: `<giver>-<order id>-<attempt>`.
  const std::string prefix = StrCat(options_.site.hotline, "-");
  if (std::string_view(handoff_id).starts_with(prefix)) {
    const std::optional<int64_t> id = ParseOrderId(std::string_view(handoff_id).substr(prefix.size(), 13));
    if (!id.has_value()) return 0;
    absl::StatusOr<const WorkOrder*> order = LoadOrder(*id);
    if (!order.ok()) return order.status();
    if (*order != nullptr) return *id;
    // That order is lost. Another one may have taken its place since, see OrderOfRecovered.
    absl::StatusOr<std::optional<int64_t>> heir = store_->reader().FindIdByHandoff(handoff_id);
    if (!heir.ok()) return heir.status();
    return heir->value_or(*id);
  }
  absl::StatusOr<std::optional<int64_t>> id = store_->reader().FindIdByHandoff(handoff_id);
  if (!id.ok()) return id.status();
  return id->value_or(0);
}

// The order of an own envelope that came back. An offer that passed on what a peer had offered may name an
// order that this site made of that and lost, before the peer heard of it. If the peer has offered it once
// more meanwhile, the matter has another order by now, and two of one matter would be one too many: then the
// offer is that one's, and all that follows it.
absl::StatusOr<int64_t> Engine::OrderOfRecovered(const exchange::v1::Envelope& envelope) {
  absl::StatusOr<int64_t> order_id = ResolveHandoff(envelope.handoff_id());
  exchange::v1::OfferBody body;
  if (!order_id.ok() || *order_id == 0 || envelope.kind() != exchange::v1::ENVELOPE_KIND_OFFER ||
      !body.ParseFromString(envelope.body()) || body.handoff().previous_handoff_id().empty()) {
    return order_id;
  }
  absl::StatusOr<const WorkOrder*> order = LoadOrder(*order_id);
  if (!order.ok()) return order.status();
  if (*order != nullptr) return order_id;
  absl::StatusOr<int64_t> heir = ResolveHandoff(body.handoff().previous_handoff_id());
  if (!heir.ok() || *heir == 0) return heir.ok() ? order_id : heir;
  order = LoadOrder(*heir);
  if (!order.ok()) return order.status();
  if (*order == nullptr || (*order)->content_salt() != body.content_salt()) return order_id;
  if (absl::Status status = store_->IndexLostHandoff(*heir, envelope.handoff_id()); !status.ok())
    return status;
  return heir;
}

// What this site had made of a peer's offer, if an offer by which it passed that on has come back and is not
// played back yet: the id of that order, and its number. Nothing if there is none.
absl::StatusOr<std::optional<NewOrder>> Engine::FindPassingOn(const std::string& handoff_id,
                                                              exchange::v1::Lane lane) {
  for (const auto& [key, link] : links_) {
    if (key.lane != lane) continue;  // all of an order goes by one lane
    if (!link.replaying()) {
      passed_on_.erase(key);
      continue;
    }
    PassedOn& known = passed_on_[key];
    for (known.through = std::max(known.through, link.replay_next - 1); known.through < link.replay_end;) {
      absl::StatusOr<std::vector<EnvelopeRow>> rows =
          store_->reader().ReadOutbox(key, known.through, kMaxBatch);
      if (!rows.ok()) return rows.status();
      if (rows->empty()) return error::Internal("the outbox has a gap");
      for (const EnvelopeRow& row : *rows) {
        if (row.envelope.sequence() > link.replay_end) break;
        known.through = row.envelope.sequence();
        exchange::v1::OfferBody body;
        if (row.envelope.kind() != exchange::v1::ENVELOPE_KIND_OFFER ||
            !body.ParseFromString(row.envelope.body()) || body.handoff().previous_handoff_id().empty()) {
          continue;
        }
        known.offers[body.handoff().previous_handoff_id()].push_back(
            {.sequence = row.envelope.sequence(),
             .handoff_id = row.envelope.handoff_id(),
             .number = body.handoff().from_number()});
      }
    }
    const auto offers = known.offers.find(handoff_id);
    if (offers == known.offers.end()) continue;
    for (const PassedOn::Offer& offer : offers->second) {
      if (offer.sequence < link.replay_next) continue;
      absl::StatusOr<int64_t> id = ResolveHandoff(offer.handoff_id);
      if (!id.ok()) return id.status();
      if (*id == 0) continue;
      NewOrder lost;
      lost.id = FormatOrderId(*id);
      lost.number = offer.number;
      return lost;
    }
  }
  return std::nullopt;
}

absl::StatusOr<int64_t> Engine::ResolveOrder(const std::string& id_or_number) {
  if (const std::optional<int64_t> id = ParseOrderId(id_or_number); id.has_value()) return *id;
  absl::StatusOr<std::optional<int64_t>> id = store_->reader().FindIdByNumber(id_or_number);
  if (!id.ok()) return id.status();
  return id->value_or(0);
}

void Engine::Publish(Transaction& tx, std::list<WaitingPull>* pulls, std::list<WaitingRead>* reads) {
  counters_.events.fetch_add(static_cast<int64_t>(tx.events.size()));
  counters_.envelopes_out.fetch_add(static_cast<int64_t>(tx.envelopes.size()));
  MutexLock lock(&tail_mu_);
  for (const EventHub::Item& item : tx.events) {
    event_ring_bytes_ += item.bytes->size();
    event_ring_.push_back(item);
    event_ring_bytes_ -= EventHub::KeepLikewise(&event_ring_);
  }
  while (event_ring_.size() > static_cast<size_t>(options_.ring_items) ||
         (event_ring_bytes_ > options_.ring_bytes && event_ring_.size() > 1)) {
    event_ring_bytes_ -= event_ring_.front().bytes->size();
    event_ring_.pop_front();
  }
  for (const LaneKey& key : tx.cut_links) {
    LaneTail& tail = tails_.find(key)->second;
    tail.rows.clear();
    tail.bytes = 0;
  }
  for (auto& [key, row] : tx.envelopes) {
    LaneTail& tail = tails_.find(key)->second;
    tail.bytes += row.envelope.body().size();
    tail.rows.push_back(std::move(row));
  }
  for (const LaneKey& key : tx.dirty_links) {
    // What the peer has acknowledged is not asked for again; what it has not is kept as far as there is
    // room.
    LaneTail& tail = tails_.find(key)->second;
    tail.Show(links_.find(key)->second);
    tail.Trim(options_);
  }
  head_sequence_.store(heads_.event_sequence);
  if (!tx.envelopes.empty()) {
    for (auto it = waiting_pulls_.begin(); it != waiting_pulls_.end();) {
      const auto next = std::next(it);
      if (tails_.find(it->key)->second.outgoing > it->after) {
        pulls->splice(pulls->end(), waiting_pulls_, it);
      }
      it = next;
    }
  }
  if (!tx.events.empty()) reads->swap(waiting_reads_);
}

}  // namespace hotline::work_order
