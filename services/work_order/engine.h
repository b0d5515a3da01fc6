// The heart of work_order: takes what waits, decides each (core/), commits all in one transaction (store/),
// then answers and publishes. Implements the Ledger contract; reads go to a connection of their own and never
// wait for a commit.
#ifndef SERVICES_WORK_ORDER_ENGINE_H_
#define SERVICES_WORK_ORDER_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/ledger.h"
#include "common/stream/event_hub.h"
#include "services/work_order/core/decide.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {

struct EngineOptions {
  Site site;
  int queue_limit = 8192;        // commands and envelopes that may wait for a commit
  int emergency_room = 1024;     // more, for emergencies only
  int commit_batch = 256;        // most commands and envelopes in one commit
  int cached_orders = 16384;     // orders kept decoded on the committing thread
  int ring_items = 8192;         // latest envelopes for each peer, and latest events, kept in memory
  size_t ring_bytes = 16 << 20;  // and their size, for each ring
  // Draws the salt of a content digest.
  absl::AnyInvocable<std::string()> draw_salt;
};

// An event of `order` for those who follow the log, to be shown to whom the order as it is now may be shown.
EventHub::Item ItemOf(const type::v1::Event& event, const type::v1::WorkOrder& order, SharedMessage bytes);
// The same for a stretch of the log; the orders are read by `reader`.
absl::StatusOr<EventHub::Items> ItemsOf(std::vector<EventRow> rows, Reader& reader);

// A peer says of an envelope of this site's that it had no effect, and nothing changes for that here.
struct Refusal {
  std::string peer;
  std::string handoff_id;                // empty if this site knows no such handoff
  exchange::v1::NotUnderstoodBody body;  // as ReadNotUnderstood gives it
};

// A commit that succeeded.
struct Committed {
  const EventHub::Items& events;         // perhaps none
  const std::vector<Refusal>& refusals;  // likewise
  int weight = 0;                        // commands, envelopes and receipts in it
  absl::Duration took;                   // the store's commit alone
};

// What the committer counts. Thread-safe to read.
struct EngineCounters {
  std::atomic<int64_t> queue_length{0};
  std::atomic<int64_t> rejected{0};  // for a full queue
  std::atomic<int64_t> commands{0};  // decided and committed
  std::atomic<int64_t> refused{0};   // decided: not legal
  std::atomic<int64_t> replayed{0};  // known request ids
  std::atomic<int64_t> events{0};
  std::atomic<int64_t> envelopes_in{0};
  std::atomic<int64_t> envelopes_doubled{0};  // skipped: at or below the cursor
  std::atomic<int64_t> envelopes_out{0};
  std::atomic<int64_t> envelopes_refused{0};  // by peers, see Refusal
  std::atomic<int64_t> failed_commits{0};
};

class Engine : public Ledger {
 public:
  // Reads the store's heads. `readers` runs reads that are not in memory and timeouts; it is stopped before
  // the engine is destroyed. `clock` stamps commits and outlives the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(std::unique_ptr<Store> store, EngineOptions options,
                                                        const Clock* clock, Executor* readers);
  ~Engine() override;

  // Ledger.
  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override;
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override;
  void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override;
  void ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override;
  void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override;
  void ReadInbox(const CallContext& call, workorder::v1::ReadInboxRequest request,
                 Done<workorder::v1::ReadInboxResponse> done) override;
  void Recover(const CallContext& call, workorder::v1::RecoverRequest request,
               Done<workorder::v1::RecoverResponse> done) override;
  void ReadDigests(const CallContext& call, workorder::v1::ReadDigestsRequest request,
                   Done<workorder::v1::ReadDigestsResponse> done) override;
  void Resend(const CallContext& call, workorder::v1::ResendRequest request,
              Done<workorder::v1::ResendResponse> done) override;

  // Erases what peers sent and this site made no order of: the bodies of the envelopes at these places, as
  // Reader::FindStrays gave them. From any thread.
  void EraseStrays(std::vector<int64_t> places, absl::AnyInvocable<void(absl::Status)> done);

  // Commits what waits, at most one batch; false if nothing waited. One thread at a time: the committer's.
  // Answers are given on this thread.
  bool RunBatch();
  // Blocks until something waits or Stop. For the committer's thread.
  bool WaitForWork();
  // Lets the committer find out whether the store commits again, by something that changes nothing: after a
  // disk was full, perhaps nobody asks for anything that would. From any thread.
  void Probe();
  // Refuses new work with DRAINING; what waits is still committed. Waiting polls are answered.
  void Drain();
  // Ends WaitForWork once nothing waits.
  void Stop();

  // Called on the committing thread after each commit. Set before work begins.
  void set_on_commit(absl::AnyInvocable<void(const Committed&)> on_commit) {
    on_commit_ = std::move(on_commit);
  }

  int64_t head_sequence() const { return head_sequence_.load(); }
  const EngineCounters& counters() const { return counters_; }
  const Site& site() const { return options_.site; }
  Store& store() { return *store_; }
  // False after a commit failed, until one succeeds. After a failed sync none does before a restart: the
  // store refuses.
  bool healthy() const { return healthy_.load(); }
  // Why the last commit that failed did, as those who waited for it were told. For the committing thread.
  const absl::Status& last_failure() const { return last_failure_; }

  // How many envelopes wait for peers that the site no longer has, by peer; those for whom none do are left
  // out.
  std::map<std::string, int64_t> OwedToFormerPeers();

 private:
  struct Work;
  struct Transaction;
  struct LaneTail;
  struct WaitingPull;
  struct WaitingRead;

  Engine(std::unique_ptr<Store> store, std::unique_ptr<Reader> reader, EngineOptions options,
         const Clock* clock, Executor* readers);

  absl::Status LoadHeads();
  // `lane` of the link with `peer` exists.
  absl::Status CheckLane(const std::string& peer, exchange::v1::Lane lane) const;
  absl::Status Admit(int weight, bool emergency) ABSL_EXCLUSIVE_LOCKS_REQUIRED(queue_mu_);
  void Enqueue(std::unique_ptr<Work> work);

  void RunCommands(Work& work, Transaction& tx);
  void RunInbox(Work& work, Transaction& tx);
  bool ApplyEnvelope(LinkRow& link, const exchange::v1::Envelope& envelope, Work& work, Transaction& tx);
  void RunReceipt(Work& work, Transaction& tx);
  void RunRecovery(Work& work, Transaction& tx);
  void RunResend(Work& work, Transaction& tx);
  void RunRecount(Work& work, Transaction& tx);
  void RunProbe(Transaction& tx);
  void RunStrays(Work& work, Transaction& tx);
  absl::Status Replay(LinkRow& link, Transaction& tx);
  absl::StatusOr<bool> IsLogged(const type::v1::WorkOrder& order, const exchange::v1::Envelope& mirror);
  absl::StatusOr<std::string> OutgoingHash(const LinkRow& link, int64_t sequence, const Transaction& tx);
  // Begins the transaction if it has not begun.
  static absl::Status Begin(Store& store, Transaction& tx);
  absl::StatusOr<workorder::v1::CommandResult> RunCommand(const type::v1::Command& command,
                                                          const std::string& traceparent, Transaction& tx);
  absl::StatusOr<const type::v1::WorkOrder*> LoadOrder(int64_t id);
  absl::StatusOr<int64_t> ResolveHandoff(const std::string& handoff_id);
  absl::StatusOr<int64_t> OrderOfRecovered(const exchange::v1::Envelope& envelope);
  absl::StatusOr<std::optional<NewOrder>> FindPassingOn(const std::string& handoff_id,
                                                        exchange::v1::Lane lane);
  absl::StatusOr<int64_t> ResolveOrder(const std::string& id_or_number);
  absl::StatusOr<bool> IsTaken(const std::string& number);
  int Take(absl::Time now, std::vector<std::unique_ptr<Work>>* batch);
  size_t Run(const std::vector<std::unique_ptr<Work>>& batch, size_t first, Transaction& tx);
  bool Interrupted() const;
  int PutBack(std::vector<std::unique_ptr<Work>>& rest);
  NewOrder PrepareNewOrder(absl::Time now);
  absl::Status Renumber(const EnvelopeRow& row);
  void TakeNumber(const std::string& number);
  // A change of one order that another led to, or that leads to others.
  struct Linked {
    int64_t order_id = 0;
    std::optional<type::v1::WorkOrder> before;
    Change change;
  };
  absl::StatusOr<std::vector<Linked>> Follow(Change change, int64_t order_id, Transaction& tx);
  absl::Status FindIncident(Change* change, int64_t order_id);
  absl::StatusOr<std::vector<type::v1::WorkOrder>> OpenPartners(const type::v1::WorkOrder& incident);
  absl::StatusOr<int64_t> ApplyOne(Change change, int64_t order_id, const std::string& traceparent,
                                   Transaction& tx);
  absl::StatusOr<int64_t> Apply(Change change, int64_t order_id, const std::string& traceparent,
                                Transaction& tx);
  absl::Status Owe(const EnvelopeDraft& draft, const LaneKey& key, int64_t order_id, std::string_view content,
                   const std::string& traceparent, Transaction& tx);
  absl::Status Append(LinkRow& link, EnvelopeRow row, std::string_view content, Transaction& tx);
  void Remember(int64_t id, type::v1::WorkOrder order);
  // Shows what was committed; the links' and followers' polls that it answers are left in `pulls` and
  // `reads`.
  void Publish(Transaction& tx, std::list<WaitingPull>* pulls, std::list<WaitingRead>* reads);
  void Answer(Work& work);
  void NoteDoubt(Work& work);
  bool IsInDoubt(const Work& work) const;
  void Abandon(const absl::Status& why, std::vector<std::unique_ptr<Work>>& batch);

  struct Comparison;
  // Answers the ranges one after the other, each in a step of its own.
  void Compare(std::shared_ptr<Comparison> comparison);
  // Lets the committer count again what is shared in a bucket whose sum was found wrong.
  void Recount(const SharedKey& key);

  void AnswerPull(WaitingPull pull);
  void AnswerRead(WaitingRead read);
  void ExpireWaiters();

  const std::unique_ptr<Store> store_;
  EngineOptions options_;
  const Clock* const clock_;
  Executor* const readers_;
  const std::unique_ptr<Reader> reader_;  // used on `readers_` only
  absl::AnyInvocable<void(const Committed&)> on_commit_;
  EngineCounters counters_;
  std::atomic<int64_t> head_sequence_{0};
  std::atomic<bool> healthy_{true};

  // Work that waits.
  Mutex queue_mu_;
  CondVar queue_wake_;
  std::deque<std::unique_ptr<Work>> queue_ ABSL_GUARDED_BY(queue_mu_);
  std::deque<std::unique_ptr<Work>> emergency_queue_ ABSL_GUARDED_BY(queue_mu_);
  std::atomic<bool> emergency_waits_{false};
  int64_t queued_weight_ ABSL_GUARDED_BY(queue_mu_) = 0;
  bool draining_ ABSL_GUARDED_BY(queue_mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(queue_mu_) = false;

  // What was committed last, and who waits for more.
  Mutex tail_mu_;
  std::deque<EventHub::Item> event_ring_ ABSL_GUARDED_BY(tail_mu_);
  size_t event_ring_bytes_ ABSL_GUARDED_BY(tail_mu_) = 0;
  std::map<LaneKey, LaneTail> tails_ ABSL_GUARDED_BY(tail_mu_);
  std::list<WaitingPull> waiting_pulls_ ABSL_GUARDED_BY(tail_mu_);
  std::list<WaitingRead> waiting_reads_ ABSL_GUARDED_BY(tail_mu_);
  bool tail_draining_ ABSL_GUARDED_BY(tail_mu_) = false;

  // The committer's alone.
  Heads heads_;
  absl::Status last_failure_;
  bool interruptible_ = false;                        // the batch under way is of ordinary work
  absl::Time emergency_time_ = absl::InfinitePast();  // of the last commit with an emergency in it
  absl::flat_hash_set<std::string> in_doubt_;         // ids of the requests whose commit failed
  bool heads_stale_ = false;          // a commit failed and the store could not be read after it
  int64_t id_start_ = 0;              // where the counter of order ids starts in a millisecond
  int64_t id_floor_ = 0;              // ids given by this process are larger
  int64_t own_ids_from_ = 0;          // orders with smaller ids were here before it
  std::map<LaneKey, LinkRow> links_;  // both lanes of every peer that is or was
  // While a lane's history is played back: the offers in it by which orders were passed on, so that each is
  // read once, however many offers come meanwhile.
  struct PassedOn {
    struct Offer {
      int64_t sequence;
      std::string handoff_id;
      std::string number;
    };
    int64_t through = 0;                                          // the last envelope that was looked at
    absl::flat_hash_map<std::string, std::vector<Offer>> offers;  // by the handoff that each passes on
  };
  std::map<LaneKey, PassedOn> passed_on_;
  absl::flat_hash_map<int64_t, type::v1::WorkOrder> orders_;
  std::deque<int64_t> orders_by_age_;
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_ENGINE_H_
