#include "tests/sim/mutants.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/base/text.h"
#include "common/exchange/chain.h"

namespace hotline::sim {
namespace {

using exchange::v1::Envelope;
using type::v1::WorkOrder;

// ---- Seams that pass everything on
// ------------------------------------------------------------------------------

class ReaderWrap : public work_order::Reader {
 public:
  explicit ReaderWrap(work_order::Reader* real) : real_(real) {}
  absl::StatusOr<std::optional<WorkOrder>> FindOrder(int64_t id) override { return real_->FindOrder(id); }
  absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) override {
    return real_->FindIdByNumber(number);
  }
  absl::StatusOr<std::optional<int64_t>> FindIdByHandoff(std::string_view handoff_id) override {
    return real_->FindIdByHandoff(handoff_id);
  }
  absl::StatusOr<std::string> FindContent(int64_t id) override { return real_->FindContent(id); }
  absl::StatusOr<std::vector<WorkOrder>> List(const workorder::v1::ListFilter& filter, int64_t before_id,
                                              const work_order::ListBounds& bounds,
                                              int64_t* next_before_id) override {
    return real_->List(filter, before_id, bounds, next_before_id);
  }
  absl::StatusOr<std::vector<work_order::EventRow>> ReadEvents(int64_t start, int limit) override {
    return real_->ReadEvents(start, limit);
  }
  absl::StatusOr<std::vector<work_order::EnvelopeRow>> ReadOutbox(const LaneKey& key, int64_t after,
                                                                  int limit) override {
    return real_->ReadOutbox(key, after, limit);
  }
  absl::StatusOr<std::vector<work_order::EnvelopeRow>> ReadInbox(const LaneKey& key, int64_t after,
                                                                 int limit) override {
    return real_->ReadInbox(key, after, limit);
  }
  absl::StatusOr<std::vector<exchange::v1::SignedBatch>> ReadBatches(const LaneKey& key, int64_t first,
                                                                     int64_t last) override {
    return real_->ReadBatches(key, first, last);
  }
  absl::StatusOr<std::optional<exchange::v1::LinkReceipt>> FindReceipt(const LaneKey& key,
                                                                       int64_t sequence) override {
    return real_->FindReceipt(key, sequence);
  }
  absl::StatusOr<std::vector<work_order::LinkRow>> Links() override { return real_->Links(); }
  absl::StatusOr<std::optional<work_order::RequestRow>> FindRequest(std::string_view request_id) override {
    return real_->FindRequest(request_id);
  }
  absl::StatusOr<work_order::Heads> ReadHeads() override { return real_->ReadHeads(); }
  absl::StatusOr<std::vector<WorkOrder>> OrdersBetween(int64_t first, int64_t last, int limit) override {
    return real_->OrdersBetween(first, last, limit);
  }
  absl::StatusOr<std::vector<std::pair<std::string, int64_t>>> HandoffsBetween(std::string_view first,
                                                                               std::string_view end,
                                                                               int limit) override {
    return real_->HandoffsBetween(first, end, limit);
  }
  absl::StatusOr<std::vector<std::pair<int64_t, std::string>>> FindEnvelopes(const LaneKey& key,
                                                                             bool incoming, int64_t order_id,
                                                                             int64_t after,
                                                                             int limit) override {
    return real_->FindEnvelopes(key, incoming, order_id, after, limit);
  }
  absl::StatusOr<std::vector<int64_t>> OutboxOrders(const LaneKey& key, int64_t after, int limit) override {
    return real_->OutboxOrders(key, after, limit);
  }
  absl::StatusOr<std::map<int64_t, DigestSum>> ReadShared(const work_order::SharedKey& first,
                                                          int64_t last) override {
    return real_->ReadShared(first, last);
  }
  absl::StatusOr<std::vector<WorkOrder>> ScanOrders(int64_t after_id, int limit) override {
    return real_->ScanOrders(after_id, limit);
  }
  absl::StatusOr<std::vector<int64_t>> FindStrays(absl::Time before, int limit, int64_t* after) override {
    return real_->FindStrays(before, limit, after);
  }
  absl::StatusOr<std::vector<int64_t>> HeldOrders(int limit) override { return real_->HeldOrders(limit); }

 protected:
  work_order::Reader* const real_;
};

class StoreWrap : public work_order::Store {
 public:
  StoreWrap(std::unique_ptr<work_order::Store> real, Dice* dice) : real_(std::move(real)), dice_(dice) {}
  absl::StatusOr<std::unique_ptr<work_order::Reader>> NewReader() override { return real_->NewReader(); }
  std::string CallerHash(std::string_view phone) const override { return real_->CallerHash(phone); }
  work_order::Reader& reader() override { return real_->reader(); }
  absl::Status Begin() override { return real_->Begin(); }
  absl::Status Commit() override { return real_->Commit(); }
  void Rollback() override { real_->Rollback(); }
  absl::Status InsertOrder(int64_t id, const WorkOrder& order, std::string_view content,
                           std::string_view caller_hash) override {
    return real_->InsertOrder(id, order, content, caller_hash);
  }
  absl::Status UpdateOrder(int64_t id, const WorkOrder& order) override {
    return real_->UpdateOrder(id, order);
  }
  absl::Status AppendEvent(int64_t sequence, std::string_view bytes, std::string_view hash) override {
    return real_->AppendEvent(sequence, bytes, hash);
  }
  absl::Status AppendOutbox(const LaneKey& key, const work_order::EnvelopeRow& row,
                            std::string_view content) override {
    return real_->AppendOutbox(key, row, content);
  }
  absl::Status TruncateOutbox(const LaneKey& key, int64_t after) override {
    return real_->TruncateOutbox(key, after);
  }
  absl::Status SetOutboxOrder(const LaneKey& key, int64_t sequence, int64_t order_id) override {
    return real_->SetOutboxOrder(key, sequence, order_id);
  }
  absl::Status IndexLostHandoff(int64_t id, const std::string& handoff_id) override {
    return real_->IndexLostHandoff(id, handoff_id);
  }
  absl::Status AppendInbox(const LaneKey& key, const work_order::EnvelopeRow& row,
                           std::string_view content) override {
    return real_->AppendInbox(key, row, content);
  }
  absl::Status PutBatch(const LaneKey& key, int64_t first, int64_t last,
                        const exchange::v1::SignedBatch& batch) override {
    return real_->PutBatch(key, first, last, batch);
  }
  absl::Status PutReceipt(const LaneKey& key, const exchange::v1::LinkReceipt& receipt) override {
    return real_->PutReceipt(key, receipt);
  }
  absl::Status PutLink(const work_order::LinkRow& link) override { return real_->PutLink(link); }
  absl::Status AddShared(const work_order::SharedKey& key, const DigestSum& delta) override {
    return real_->AddShared(key, delta);
  }
  absl::Status InsertRequest(std::string_view request_id, const work_order::RequestRow& row,
                             int64_t order_id) override {
    return real_->InsertRequest(request_id, row, order_id);
  }
  absl::Status PutHold(int64_t id, bool held) override { return real_->PutHold(id, held); }
  absl::Status Erase(int64_t id, int64_t last_event) override { return real_->Erase(id, last_event); }
  absl::Status EraseStrays(const std::vector<int64_t>& places) override { return real_->EraseStrays(places); }
  absl::Status Checkpoint() override { return real_->Checkpoint(); }
  absl::Status CopyTo(const std::string& path) override { return real_->CopyTo(path); }
  sql::Stats stats() const override { return real_->stats(); }

 protected:
  const std::unique_ptr<work_order::Store> real_;
  Dice* const dice_;
};

class LedgerWrap : public Ledger {
 public:
  LedgerWrap(Ledger* real, Dice* dice) : real_(real), dice_(dice) {}
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    real_->Execute(call, std::move(request), std::move(done));
  }
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    real_->ApplyInbox(call, std::move(request), std::move(done));
  }
  void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    real_->PullOutbox(call, std::move(request), std::move(done));
  }
  void ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override {
    real_->ReadEvents(call, std::move(request), std::move(done));
  }
  void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override {
    real_->ListLinkCursors(call, std::move(request), std::move(done));
  }
  void ReadInbox(const CallContext& call, workorder::v1::ReadInboxRequest request,
                 Done<workorder::v1::ReadInboxResponse> done) override {
    real_->ReadInbox(call, std::move(request), std::move(done));
  }
  void Recover(const CallContext& call, workorder::v1::RecoverRequest request,
               Done<workorder::v1::RecoverResponse> done) override {
    real_->Recover(call, std::move(request), std::move(done));
  }
  void ReadDigests(const CallContext& call, workorder::v1::ReadDigestsRequest request,
                   Done<workorder::v1::ReadDigestsResponse> done) override {
    real_->ReadDigests(call, std::move(request), std::move(done));
  }
  void Resend(const CallContext& call, workorder::v1::ResendRequest request,
              Done<workorder::v1::ResendResponse> done) override {
    real_->Resend(call, std::move(request), std::move(done));
  }

 protected:
  Ledger* const real_;
  Dice* const dice_;
};

class ClockStoreWrap : public escalation::Store {
 public:
  explicit ClockStoreWrap(std::unique_ptr<escalation::Store> real) : real_(std::move(real)) {}
  absl::StatusOr<std::unique_ptr<escalation::Reader>> NewReader() override { return real_->NewReader(); }
  escalation::Reader& reader() override { return real_->reader(); }
  absl::Status Begin() override { return real_->Begin(); }
  absl::Status Commit() override { return real_->Commit(); }
  void Rollback() override { real_->Rollback(); }
  absl::Status PutOrder(const escalation::OrderClocks* before,
                        const escalation::OrderClocks& after) override {
    return real_->PutOrder(before, after);
  }
  absl::Status PutRung(int64_t sequence, std::string_view record) override {
    return real_->PutRung(sequence, record);
  }
  absl::Status PutProgress(const escalation::Progress& before, const escalation::Progress& after) override {
    return real_->PutProgress(before, after);
  }
  absl::Status Defer(const escalation::DueClock& clock, absl::Time until) override {
    return real_->Defer(clock, until);
  }
  absl::Status PutMoveProgress(const escalation::MoveProgress& progress) override {
    return real_->PutMoveProgress(progress);
  }
  absl::StatusOr<std::vector<escalation::DueClock>> Due(escalation::FireLane lane, absl::Time now,
                                                        int limit) override {
    return real_->Due(lane, now, limit);
  }
  absl::StatusOr<absl::Time> NextDue(escalation::FireLane lane) override { return real_->NextDue(lane); }
  absl::Status Checkpoint() override { return real_->Checkpoint(); }
  sql::Stats stats() const override { return real_->stats(); }

 protected:
  const std::unique_ptr<escalation::Store> real_;
};

// ---- Bugs in the store
// ---------------------------------------------------------------------------------------

class LosesTheCursor : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status PutLink(const work_order::LinkRow& link) override {
    work_order::LinkRow row = link;
    auto links = real_->reader().Links();
    if (!links.ok()) return links.status();
    for (const auto& stored : *links) {
      if (stored.key != link.key) continue;
      row.incoming_sequence = stored.incoming_sequence;
      row.incoming_hash = stored.incoming_hash;
    }
    return real_->PutLink(row);
  }
};

class AnswersBeforeTheCommit : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status Begin() override {
    if (std::exchange(open_, true)) {
      if (absl::Status status = real_->Commit(); !status.ok()) return status;
    }
    return real_->Begin();
  }
  absl::Status Commit() override { return absl::OkStatus(); }
  void Rollback() override {
    open_ = false;
    real_->Rollback();
  }

 private:
  bool open_ = false;
};

class RollsBackAndSaysOk : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status Commit() override {
    if (!dice_->Percent(5)) return real_->Commit();
    real_->Rollback();
    return absl::OkStatus();
  }
};

class ForgetsRequests : public StoreWrap {
 public:
  ForgetsRequests(std::unique_ptr<work_order::Store> real, Dice* dice)
      : StoreWrap(std::move(real), dice), reader_(&real_->reader()) {}
  work_order::Reader& reader() override { return reader_; }
  absl::Status InsertRequest(std::string_view request_id, const work_order::RequestRow& row,
                             int64_t order_id) override {
    return real_->InsertRequest(StrCat(request_id, "~", dice_->Draw()), row, order_id);
  }

 private:
  class Forgetful : public ReaderWrap {
   public:
    using ReaderWrap::ReaderWrap;
    absl::StatusOr<std::optional<work_order::RequestRow>> FindRequest(std::string_view) override {
      return std::nullopt;
    }
  };
  Forgetful reader_;
};

class ReadsStaleOrders : public StoreWrap {
 public:
  ReadsStaleOrders(std::unique_ptr<work_order::Store> real, Dice* dice)
      : StoreWrap(std::move(real), dice), reader_(&real_->reader()) {}
  work_order::Reader& reader() override { return reader_; }

 private:
  class Stale : public ReaderWrap {
   public:
    using ReaderWrap::ReaderWrap;
    absl::StatusOr<std::optional<WorkOrder>> FindOrder(int64_t id) override {
      const auto known = known_.find(id);
      if (known != known_.end()) return known->second;
      auto order = real_->FindOrder(id);
      if (order.ok() && order->has_value()) known_.emplace(id, **order);
      return order;
    }

   private:
    std::map<int64_t, WorkOrder> known_;
  };
  Stale reader_;
};

class ForgetsClosings : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status UpdateOrder(int64_t id, const WorkOrder& order) override {
    WorkOrder open = order;
    open.mutable_facts()->clear_unit_return_closed();
    return real_->UpdateOrder(id, open);
  }
};

class MovesCustodyTwice : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status UpdateOrder(int64_t id, const WorkOrder& order) override {
    WorkOrder moved = order;
    if (order.state() == type::v1::ORDER_STATE_ACCEPTED) {
      moved.mutable_custody()->set_epoch(order.custody().epoch() + 1);
    }
    return real_->UpdateOrder(id, moved);
  }
};

class LosesUpdates : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status UpdateOrder(int64_t id, const WorkOrder& order) override {
    return dice_->Percent(5) ? absl::OkStatus() : real_->UpdateOrder(id, order);
  }
};

class DropsOutboxRows : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status AppendOutbox(const LaneKey& key, const work_order::EnvelopeRow& row,
                            std::string_view content) override {
    return dice_->Percent(5) ? absl::OkStatus() : real_->AppendOutbox(key, row, content);
  }
};

class DropsEvents : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status AppendEvent(int64_t sequence, std::string_view bytes, std::string_view hash) override {
    return dice_->Percent(3) ? absl::OkStatus() : real_->AppendEvent(sequence, bytes, hash);
  }
};

class AlwaysAcknowledged : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status PutLink(const work_order::LinkRow& link) override {
    work_order::LinkRow row = link;
    row.acknowledged_sequence = row.outgoing_sequence;
    row.acknowledged_hash = row.outgoing_hash;
    return real_->PutLink(row);
  }
};

class SpoilsContent : public StoreWrap {
 public:
  using StoreWrap::StoreWrap;
  absl::Status InsertOrder(int64_t id, const WorkOrder& order, std::string_view content,
                           std::string_view caller_hash) override {
    // Only what a peer sent: the giver's own content travels on as it is stored.
    if (order.state() == type::v1::ORDER_STATE_UNDERSTOOD) content = content.substr(0, content.size() / 2);
    return real_->InsertOrder(id, order, content, caller_hash);
  }
};

// ---- Bugs in work_order's face
// --------------------------------------------------------------------------------

class DoesCommandsTwice : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    workorder::v1::ExecuteRequest again = request;
    for (auto& command : *again.mutable_commands())
      command.mutable_header()->mutable_request_id()->append("-");
    real_->Execute(call, std::move(request), std::move(done));
    real_->Execute(call, std::move(again), [](absl::StatusOr<workorder::v1::ExecuteResponse>) {});
  }
};

class AcknowledgesBeforeItApplies : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    if (request.envelopes().empty()) return real_->ApplyInbox(call, std::move(request), std::move(done));
    const Envelope& last = *request.envelopes().rbegin();
    workorder::v1::ApplyInboxResponse response;
    response.mutable_receipt()->set_received_through(last.sequence());
    response.mutable_receipt()->set_head_hash(last.hash());
    response.mutable_receipt()->set_lane(LaneOf(request.lane()));
    real_->ApplyInbox(call, std::move(request), [](absl::StatusOr<workorder::v1::ApplyInboxResponse>) {});
    done(std::move(response));
  }
};

// An inbox that numbers what comes for itself and answers in the peer's numbers, as a bridge between two
// systems does. What it remembers outlives restarts.
class Bridge : public LedgerWrap {
 public:
  struct Memory {
    std::map<LaneKey, exchange::v1::LinkReceipt> seen;  // in the peer's numbers
  };
  // May change what is passed on: `envelopes` is what came, of which those after `seen` are new.
  using Change = void (*)(Dice*, int64_t seen, google::protobuf::RepeatedPtrField<Envelope>* envelopes);
  Bridge(Ledger* real, Dice* dice, Memory* memory, Change change)
      : LedgerWrap(real, dice), memory_(memory), change_(change) {}
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    const LaneKey key = {.peer = request.peer(), .lane = LaneOf(request.lane())};
    exchange::v1::LinkReceipt& seen = memory_->seen[key];
    seen.set_lane(key.lane);
    if (seen.head_hash().empty()) seen.set_head_hash(LaneStart(key.lane));
    workorder::v1::ApplyInboxResponse answer;
    // A gap is refused as it should be.
    const bool fits =
        !request.envelopes().empty() && request.envelopes(0).sequence() <= seen.received_through() + 1;
    if (!fits) {
      *answer.mutable_receipt() = seen;
      return done(std::move(answer));
    }
    exchange::v1::LinkReceipt after = seen;
    if (request.envelopes().rbegin()->sequence() > after.received_through()) {
      after.set_received_through(request.envelopes().rbegin()->sequence());
      after.set_head_hash(request.envelopes().rbegin()->hash());
    }
    change_(dice_, seen.received_through(), request.mutable_envelopes());
    int64_t sequence = 0;
    std::string hash;
    workorder::v1::ApplyInboxRequest nothing;  // asks where the cursor stands, and is answered at once
    nothing.set_peer(request.peer());
    nothing.set_lane(request.lane());
    real_->ApplyInbox(call, std::move(nothing),
                      [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> cursor) {
                        sequence = cursor->receipt().received_through();
                        hash = cursor->receipt().head_hash();
                      });
    for (Envelope& envelope : *request.mutable_envelopes()) {
      envelope.set_sequence(++sequence);
      envelope.set_previous_hash(hash);
      hash = EnvelopeHash(envelope);
      envelope.set_hash(hash);
    }
    *answer.mutable_receipt() = after;
    if (request.envelopes().empty()) {
      seen = after;
      return done(std::move(answer));
    }
    real_->ApplyInbox(call, std::move(request),
                      [&seen, answer, after, done = std::move(done)](
                          absl::StatusOr<workorder::v1::ApplyInboxResponse> response) mutable {
                        if (!response.ok()) return done(response.status());
                        seen = after;
                        done(std::move(answer));
                      });
  }

 private:
  Memory* const memory_;
  const Change change_;
};

void PassAll(Dice*, int64_t, google::protobuf::RepeatedPtrField<Envelope>*) {}

void DropSeen(int64_t seen, google::protobuf::RepeatedPtrField<Envelope>* envelopes) {
  while (!envelopes->empty() && envelopes->begin()->sequence() <= seen) envelopes->erase(envelopes->begin());
}

void Swap(Dice*, int64_t seen, google::protobuf::RepeatedPtrField<Envelope>* envelopes) {
  DropSeen(seen, envelopes);
  if (envelopes->size() >= 2) envelopes->SwapElements(0, 1);
}

// A decision that has a gap: some of what a peer did is read, acknowledged and not applied. Beneath the check
// of the chain, where nobody else can see it: the envelope is replaced by one that changes nothing, and who
// looks at the chain from outside is shown the peer's hashes. What it remembers outlives restarts.
class Overlooks : public LedgerWrap {
 public:
  struct Memory {
    std::map<LaneKey, std::map<int64_t, std::string>> hashes;  // as the peer has them
  };
  using Wanted = bool (*)(const exchange::v1::MirrorBody& body);
  Overlooks(Ledger* real, Dice* dice, Memory* memory, Wanted wanted, int percent)
      : LedgerWrap(real, dice), memory_(memory), wanted_(wanted), percent_(percent) {}
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    const LaneKey key = {.peer = request.peer(), .lane = LaneOf(request.lane())};
    exchange::v1::LinkReceipt cursor;
    workorder::v1::ApplyInboxRequest nothing;  // asks where the cursor stands, and is answered at once
    nothing.set_peer(request.peer());
    nothing.set_lane(request.lane());
    real_->ApplyInbox(call, std::move(nothing),
                      [&cursor](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
                        if (response.ok()) cursor = response->receipt();
                      });
    auto* const envelopes = request.mutable_envelopes();
    for (const Envelope& envelope : *envelopes) memory_->hashes[key][envelope.sequence()] = envelope.hash();
    DropSeen(cursor.received_through(), envelopes);
    if (!envelopes->empty() && envelopes->begin()->sequence() == cursor.received_through() + 1) {
      std::string hash = cursor.head_hash();
      for (Envelope& envelope : *envelopes) {
        exchange::v1::MirrorBody body;
        if (envelope.kind() == exchange::v1::ENVELOPE_KIND_MIRROR && body.ParseFromString(envelope.body()) &&
            wanted_(body) && dice_->Percent(percent_)) {
          exchange::v1::NotUnderstoodBody empty;
          empty.set_kind(exchange::v1::ENVELOPE_KIND_MIRROR);
          envelope.set_kind(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
          envelope.set_body(empty.SerializeAsString());
        }
        envelope.set_previous_hash(hash);
        hash = EnvelopeHash(envelope);
        envelope.set_hash(hash);
      }
    }
    request.clear_batch();
    real_->ApplyInbox(call, std::move(request),
                      [this, key, done = std::move(done)](
                          absl::StatusOr<workorder::v1::ApplyInboxResponse> response) mutable {
                        if (response.ok()) Show(key, response->mutable_receipt());
                        done(std::move(response));
                      });
  }
  void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    const LaneKey key = {.peer = request.peer(), .lane = LaneOf(request.lane())};
    real_->PullOutbox(call, std::move(request),
                      [this, key, done = std::move(done)](
                          absl::StatusOr<workorder::v1::PullOutboxResponse> response) mutable {
                        if (response.ok()) Show(key, response->mutable_incoming());
                        done(std::move(response));
                      });
  }
  void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override {
    real_->ListLinkCursors(
        call, std::move(request),
        [this,
         done = std::move(done)](absl::StatusOr<workorder::v1::ListLinkCursorsResponse> response) mutable {
          if (response.ok()) {
            for (workorder::v1::LinkCursor& link : *response->mutable_links()) {
              Show({.peer = link.peer(), .lane = LaneOf(link.lane())}, link.mutable_incoming());
            }
          }
          done(std::move(response));
        });
  }

 private:
  void Show(const LaneKey& key, exchange::v1::LinkReceipt* receipt) const {
    const auto lane = memory_->hashes.find(key);
    if (lane == memory_->hashes.end()) return;
    const auto hash = lane->second.find(receipt->received_through());
    if (hash != lane->second.end()) receipt->set_head_hash(hash->second);
  }

  Memory* const memory_;
  const Wanted wanted_;
  const int percent_;
};

bool IsAny(const exchange::v1::MirrorBody&) { return true; }
bool IsDispute(const exchange::v1::MirrorBody& body) { return body.event().has_disputed(); }
bool IsReopening(const exchange::v1::MirrorBody& body) { return body.event().has_reopened(); }
bool IsVoice(const exchange::v1::MirrorBody& body) { return body.event().has_voice_confirmed(); }
bool IsPassing(const exchange::v1::MirrorBody& body) { return !body.handoff().onward_hotline().empty(); }

// ---- Bugs in its clients and on the wire
// ----------------------------------------------------------------------

class ClaimsReceipts : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    real_->PullOutbox(
        call, std::move(request),
        [done = std::move(done)](absl::StatusOr<workorder::v1::PullOutboxResponse> response) mutable {
          if (response.ok()) response->set_acknowledged_through(response->outgoing_sequence());
          done(std::move(response));
        });
  }
};

class LosesAnswers : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    if (dice_->Percent(5)) {
      lost_.push_back(std::move(done));
      done = [](absl::StatusOr<workorder::v1::ExecuteResponse>) {};
    }
    real_->Execute(call, std::move(request), std::move(done));
  }

 private:
  std::vector<Done<workorder::v1::ExecuteResponse>> lost_;
};

class CallsPartnersTwice : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    if (request.together()) {
      workorder::v1::ExecuteRequest again = request;
      for (auto& command : *again.mutable_commands())
        command.mutable_header()->mutable_request_id()->append("-");
      real_->Execute(call, std::move(again), [](absl::StatusOr<workorder::v1::ExecuteResponse>) {});
    }
    real_->Execute(call, std::move(request), std::move(done));
  }
};

class DrawsRequestIds : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    for (auto& command : *request.mutable_commands()) {
      command.mutable_header()->set_request_id(StrCat("escalate-", dice_->Draw()));
    }
    real_->Execute(call, std::move(request), std::move(done));
  }
};

class MissesPartsDone : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override {
    real_->ReadEvents(
        call, std::move(request),
        [done = std::move(done)](absl::StatusOr<workorder::v1::ReadEventsResponse> response) mutable {
          for (int i = 0; response.ok() && i < response->events_size(); ++i) {
            type::v1::Event event;
            if (!event.ParseFromString(response->events(i)) || !event.progressed().part_done()) continue;
            event.mutable_progressed()->clear_part_done();
            response->set_events(i, event.SerializeAsString());
          }
          done(std::move(response));
        });
  }
};

class LosesAlarms : public LedgerWrap {
 public:
  using LedgerWrap::LedgerWrap;
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    for (type::v1::Command& command : *request.mutable_commands()) {
      // Of an offer that there never was.
      if (command.has_alarm()) command.mutable_alarm()->mutable_offer_time()->set_seconds(1);
    }
    real_->Execute(call, std::move(request), std::move(done));
  }
};

class SendsToTheWrongPeer : public Peer {
 public:
  SendsToTheWrongPeer(std::string wrong_name, Peer* real, Peer* wrong, Dice* dice)
      : wrong_name_(std::move(wrong_name)), real_(real), wrong_(wrong), dice_(dice) {}
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override {
    if (!dice_->Percent(10)) return real_->Deliver(call, std::move(request), std::move(done));
    request.set_to_hotline(wrong_name_);
    wrong_->Deliver(call, std::move(request), std::move(done));
  }
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override {
    real_->GetLink(call, std::move(request), std::move(done));
  }
  void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override {
    real_->Backfill(call, std::move(request), std::move(done));
  }
  void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override {
    real_->Reconcile(call, std::move(request), std::move(done));
  }

 private:
  const std::string wrong_name_;
  Peer* const real_;
  Peer* const wrong_;
  Dice* const dice_;
};

// ---- Bugs in escalation's store
// ------------------------------------------------------------------------------

class ForgetsClocks : public ClockStoreWrap {
 public:
  using ClockStoreWrap::ClockStoreWrap;
  absl::Status PutOrder(const escalation::OrderClocks* before,
                        const escalation::OrderClocks& after) override {
    escalation::OrderClocks less = after;
    const size_t known = before == nullptr ? 0 : before->clocks.size();
    if (less.clocks.size() > known) less.clocks.pop_back();
    return real_->PutOrder(before, less);
  }
};

class RunsAheadOfTheLog : public ClockStoreWrap {
 public:
  using ClockStoreWrap::ClockStoreWrap;
  absl::Status PutProgress(const escalation::Progress& before, const escalation::Progress& after) override {
    escalation::Progress ahead = after;
    ++ahead.cursor;
    return real_->PutProgress(before, ahead);
  }
};

// ---- The mutants
// ---------------------------------------------------------------------------------------------

class WithDice : public Mutant {
 public:
  void Begin(Dice* dice) override { dice_ = dice; }

 protected:
  Dice* dice_ = nullptr;
};

template <typename Bug>
class InStore : public WithDice {
 public:
  using Mutant::Wrap;
  std::unique_ptr<work_order::Store> Wrap(std::unique_ptr<work_order::Store> store) override {
    return std::make_unique<Bug>(std::move(store), dice_);
  }
};

template <typename Bug>
class InServer : public WithDice {
 public:
  std::unique_ptr<Ledger> WrapServer(int, Ledger* real) override {
    return std::make_unique<Bug>(real, dice_);
  }
};

template <Bridge::Change change>
class InBridge : public WithDice {
 public:
  std::unique_ptr<Ledger> WrapServer(int site, Ledger* real) override {
    return std::make_unique<Bridge>(real, dice_, &memories_[site], change);
  }

 private:
  std::map<int, Bridge::Memory> memories_;
};

template <Overlooks::Wanted wanted, int percent>
class OverlooksSome : public WithDice {
 public:
  std::unique_ptr<Ledger> WrapServer(int site, Ledger* real) override {
    return std::make_unique<Overlooks>(real, dice_, &memories_[site], wanted, percent);
  }

 private:
  std::map<int, Overlooks::Memory> memories_;
};

template <typename Bug>
class InDispatch : public WithDice {
 public:
  std::unique_ptr<Ledger> WrapDispatchClient(Ledger* real) override {
    return std::make_unique<Bug>(real, dice_);
  }
};

template <typename Bug>
class InEscalation : public WithDice {
 public:
  std::unique_ptr<Ledger> WrapEscalationClient(Ledger* real) override {
    return std::make_unique<Bug>(real, dice_);
  }
};

template <typename Bug>
class InClockStore : public Mutant {
 public:
  using Mutant::Wrap;
  std::unique_ptr<escalation::Store> Wrap(std::unique_ptr<escalation::Store> store) override {
    return std::make_unique<Bug>(std::move(store));
  }
};

class OnTheWire : public WithDice {
 public:
  std::unique_ptr<Peer> WrapPeer(Peer* real, Peer* wrong, const std::string& wrong_name) override {
    return std::make_unique<SendsToTheWrongPeer>(wrong_name, real, wrong, dice_);
  }
};

class NeverCarriedAgain : public Mutant {
 public:
  void Tune(dispatch::DispatchOptions* options) override {
    for (auto& [peer, after] : options->resend_after) after = absl::InfiniteDuration();
  }
};

template <typename Base>
class InFullWorlds : public Base {
 public:
  bool in_full_worlds() const override { return true; }
};

class WhereOrdersAreReopened : public InFullWorlds<OverlooksSome<IsReopening, 50>> {
 public:
  std::vector<std::string> favours() const override { return {"accept", "finish", "close", "reopen"}; }
};

class WhereOrdersArePassedOn : public InFullWorlds<OverlooksSome<IsPassing, 50>> {
 public:
  std::vector<std::string> favours() const override { return {"accept", "pass on"}; }
};

class WhereUnitsAreAtWork : public InFullWorlds<InStore<ForgetsClosings>> {
 public:
  std::vector<std::string> favours() const override {
    return {"accept", "dispatch with help", "return after a while"};
  }
};

class OnTheDisk : public Mutant {
 public:
  void Format(Disk* disk) override { disk->ForgetSyncs(); }
};

template <typename Bug>
PlantedBug Plant(std::string name, std::string what, int within_seeds, std::string caught_by = "") {
  return {std::move(name), std::move(what), [] { return std::make_unique<Bug>(); }, within_seeds,
          std::move(caught_by)};
}

}  // namespace

const std::vector<PlantedBug>& PlantedBugs() {
  static const auto* const bugs = new std::vector<PlantedBug>{
      Plant<InStore<LosesTheCursor>>("LosesTheCursor", "the inbox cursor is not written with what it applied",
                                     50),
      Plant<InStore<AnswersBeforeTheCommit>>("AnswersBeforeTheCommit", "answers leave before their commit",
                                             50),
      Plant<InStore<RollsBackAndSaysOk>>("RollsBackAndSaysOk", "a commit is rolled back and reported done",
                                         50),
      Plant<InStore<ForgetsRequests>>("ForgetsRequests", "request ids are not looked up", 50),
      Plant<InStore<ReadsStaleOrders>>("ReadsStaleOrders", "a cache of orders is never refreshed", 50),
      Plant<InStore<MovesCustodyTwice>>("MovesCustodyTwice", "an acceptance counts the epoch twice", 50),
      Plant<InStore<LosesUpdates>>("LosesUpdates", "an order is not updated with its event", 50),
      Plant<InStore<DropsOutboxRows>>("DropsOutboxRows", "an envelope is not written to the outbox", 50),
      Plant<InStore<DropsEvents>>("DropsEvents", "an event is not written to the log", 50),
      Plant<InStore<AlwaysAcknowledged>>("AlwaysAcknowledged", "what was sent counts as acknowledged", 50),
      Plant<InStore<SpoilsContent>>("SpoilsContent", "the taker keeps half of the content", 50),
      Plant<InServer<DoesCommandsTwice>>("DoesCommandsTwice", "a command is carried out twice", 50),
      Plant<InServer<AcknowledgesBeforeItApplies>>(
          "AcknowledgesBeforeItApplies", "a receipt leaves before what it acknowledges is durable", 50),
      Plant<InBridge<PassAll>>("AppliesRepeats", "envelopes that come again are applied again", 50),
      Plant<InBridge<Swap>>("SwapsEnvelopes", "two envelopes of a batch are applied in the wrong order", 50),
      Plant<OverlooksSome<IsAny, 10>>("DropsMirrors", "a peer's move is acknowledged and not applied", 50,
                                      "told"),
      Plant<InDispatch<ClaimsReceipts>>("ClaimsReceipts", "dispatch believes that all was received", 50),
      Plant<InDispatch<LosesAnswers>>("LosesAnswers", "dispatch loses an answer of work_order", 50),
      Plant<InEscalation<DrawsRequestIds>>("DrawsRequestIds", "a rung has a new request id at each try", 800),
      Plant<InEscalation<LosesAlarms>>("LosesAlarms", "escalation's alarm of an emergency comes to nothing",
                                       200),
      Plant<InClockStore<ForgetsClocks>>("ForgetsClocks", "a clock is not written", 50),
      Plant<InClockStore<RunsAheadOfTheLog>>("RunsAheadOfTheLog", "escalation's cursor is one too far", 50),
      Plant<OnTheWire>("SendsToTheWrongPeer", "a delivery goes to another peer", 50),
      Plant<InFullWorlds<OverlooksSome<IsDispute, 50>>>("LosesDisputes", "a peer's dispute is not applied",
                                                        100, "told"),
      Plant<WhereOrdersAreReopened>("LosesReopenings", "a reopening is not applied", 100, "told"),
      Plant<InFullWorlds<OverlooksSome<IsVoice, 50>>>(
          "LosesVoices", "what the peer's desk recorded of a telephone call is not applied", 100, "told"),
      Plant<WhereOrdersArePassedOn>("LosesPassings", "that the taker has passed an order on is not applied",
                                    100, "told"),
      Plant<InFullWorlds<InDispatch<CallsPartnersTwice>>>("CallsPartnersTwice",
                                                          "partners are called twice for one incident", 100),
      Plant<InFullWorlds<InEscalation<MissesPartsDone>>>(
          "MissesPartsDone", "the clock of a unit that helped runs on when its part is done", 400,
          "part_done"),
      Plant<WhereUnitsAreAtWork>("ForgetsClosings",
                                 "that a unit's time to return an order is over is forgotten", 200,
                                 "return_closed"),
      Plant<InFullWorlds<NeverCarriedAgain>>("NeverCarriedAgain",
                                             "what a spool has lost is not handed over again", 100),
      Plant<OnTheDisk>("ForgetsSyncs", "the disk says it synced and did not", 50),
  };
  return *bugs;
}

}  // namespace hotline::sim
