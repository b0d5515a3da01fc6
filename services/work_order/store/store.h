// The order tables of a site. The only code that writes them; holds no rule of the trade.
//
// Tables: work_order (record without content, and the columns that lists need), content (written once), event
// (the log), outbox and inbox (envelopes owed and received; an offer's body without its content, which is
// joined from `content`; of an erased order only the body's leaf), batch and receipt (what peers signed),
// link (both cursors of each lane of each peer), request (request ids and what was answered), number, handoff
// caller, partner and early (ways to an order), meta (schema version, site, phone key), schema_history
// (migrations that were made), hold (orders under a legal hold), shared (sums over what is shared with a
// peer, for reconciliation).
//
// Keys are time-ordered, so that inserts append: order ids grow; an order's events are found by walking back
// from its last event instead of by an index; a handoff that this site gave is found by the order id in it;
// callers' numbers are indexed by keyed hash (HMAC-SHA256) in blocks of some thousand orders, so that inserts
// touch one block's few pages and a lookup asks each block.
#ifndef SERVICES_WORK_ORDER_STORE_STORE_H_
#define SERVICES_WORK_ORDER_STORE_STORE_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/exchange/chain.h"
#include "common/exchange/digest_sum.h"
#include "common/sql/database.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"

namespace hotline::work_order {

// Both ends of a lane, as stored.
struct LinkRow {
  LaneKey key;
  int64_t outgoing_sequence = 0;      // last envelope committed for the peer
  std::string outgoing_hash;          // its hash; the lane's start if none
  int64_t acknowledged_sequence = 0;  // last one the peer acknowledged
  std::string acknowledged_hash;      // its hash
  absl::Time acknowledged_time;       // when the peer said so, by its clock; UnixEpoch if never
  int64_t incoming_sequence = 0;      // last one received from the peer
  std::string incoming_hash;          // its hash; the lane's start if none
  absl::Time incoming_time;           // when it was received; UnixEpoch if none
  // Own envelopes that were recovered from the peer and have yet to take effect here: [replay_next,
  // replay_end].
  int64_t replay_next = 1;
  int64_t replay_end = 0;

  bool replaying() const { return replay_next <= replay_end; }
  // A lane on which nothing has happened.
  static LinkRow New(LaneKey key) {
    LinkRow row;
    row.outgoing_hash = row.acknowledged_hash = row.incoming_hash = LaneStart(key.lane);
    row.key = std::move(key);
    return row;
  }
};

// A stored event: `bytes` is what the chain covers.
struct EventRow {
  int64_t sequence = 0;
  std::string bytes;
  std::string hash;
};

// A known request id.
struct RequestRow {
  std::string fingerprint;  // 32 bytes over the command's body
  std::string result;       // serialized workorder::v1::CommandResult
};

// An envelope of the outbox or the inbox and the order it is about.
struct EnvelopeRow {
  exchange::v1::Envelope envelope;  // whole, with hashes; an offer's body with its content
  int64_t order_id = 0;             // 0 if it is about none
  absl::Time commit_time;           // when it was committed here
  // The body was erased; this is what it gave to the hash (see EnvelopeLeaf). Else empty.
  std::string erased_leaf = {};
};

// Which sum of `shared`: over the handoffs that this site gave `peer`, or was given by it, of the giver's
// orders whose id shifted right by `level` is `bucket`.
struct SharedKey {
  std::string peer;
  bool given = false;
  int level = 0;
  int64_t bucket = 0;
  auto operator<=>(const SharedKey&) const = default;
};

// What one page of a list holds, and of whom.
struct ListBounds {
  int limit = 0;                                          // orders
  int scan_limit = 0;                                     // rows looked at, about
  size_t max_bytes = std::numeric_limits<size_t>::max();  // of their records, unless one alone is larger
  // Whether an order may be known to whom it is for; empty: all may. What may not is as if it were not there:
  // neither that a page goes on nor where it does tells of it.
  std::function<bool(const type::v1::WorkOrder&)> may_know = {};
};

// What was last numbered, read once at start.
struct Heads {
  int64_t last_order_id = 0;
  int64_t event_sequence = 0;
  std::string event_hash;      // 32 zero bytes if there is none
  absl::CivilDay number_day;   // day of the last number given; 1970-01-01 if there is none
  int64_t number_counter = 0;  // counter of that day
};

struct StoreOptions {
  std::string directory;  // created if missing; the file is `work_order.db` in it
  std::string hotline;    // refused if the store belongs to another
  // Key of the hashes by which callers' numbers are found and counted; empty: one that the store has drawn
  // itself. With another than the last time, the index is made anew, from all contents.
  std::string caller_key = {};
  // As in sql::SqliteOptions.
  std::function<bool(const std::string& path)> on_wait = nullptr;
  // Told when a store that is not new is about to be brought to this release, or its indexes are about to be
  // made anew, for which all orders and envelopes may be read (seconds for a hundred thousand orders); then,
  // `done`, once that is committed. May be empty.
  std::function<void(bool done)> on_remake = nullptr;
};

// Whether a column of text holds it.
bool IsStorable(std::string_view text);

// The whole body of an OFFER, as hashed and delivered: `body` without content, and the serialized
// OrderContent.
std::string OfferBodyWithContent(std::string_view body, std::string_view content);
// The reverse: the part of `whole` before the content, if `whole` is written so. Empty if it is not.
std::string_view OfferBodyWithoutContent(std::string_view whole, std::string_view content);

// A read-only view on a connection of its own: sees the last commit at each call. Not thread-safe: one for
// each thread. Lives no longer than its store. Errors: STORE_FAILED (UNAVAILABLE).
class Reader {
 public:
  virtual ~Reader() = default;
  // The order without content. Nothing if there is none.
  virtual absl::StatusOr<std::optional<type::v1::WorkOrder>> FindOrder(int64_t id) = 0;
  virtual absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) = 0;
  virtual absl::StatusOr<std::optional<int64_t>> FindIdByHandoff(std::string_view handoff_id) = 0;
  // Serialized OrderContent; empty if erased or unknown.
  virtual absl::StatusOr<std::string> FindContent(int64_t id) = 0;
  // Newest first; ids below `before_id` only, 0 for all. `*next_before_id` says where to go on: at the last
  // order of a full page that another one follows, or at the last row looked at when that were enough. It is
  // 0 when the list is complete. While the row at hand may not be known, up to as many rows again are looked
  // at, so that the page ends at one that may. `caller_phone` is compared without `-`. Times of registration
  // are to the millisecond: those in the ids, unless the clock was ahead when they were given. An order's
  // unit is the lead unit at work, or the last that was, or the one that its content names.
  virtual absl::StatusOr<std::vector<type::v1::WorkOrder>> List(const workorder::v1::ListFilter& filter,
                                                                int64_t before_id, const ListBounds& bounds,
                                                                int64_t* next_before_id) = 0;
  // At most `limit` events from `start` on, in order.
  virtual absl::StatusOr<std::vector<EventRow>> ReadEvents(int64_t start, int limit) = 0;
  // At most `limit` envelopes for the peer after `after`, in order.
  virtual absl::StatusOr<std::vector<EnvelopeRow>> ReadOutbox(const LaneKey& key, int64_t after,
                                                              int limit) = 0;
  // The same of the envelopes that the peer sent.
  virtual absl::StatusOr<std::vector<EnvelopeRow>> ReadInbox(const LaneKey& key, int64_t after,
                                                             int limit) = 0;
  // What the peer signed of the batches in which its envelopes `first` to `last` came, in order.
  virtual absl::StatusOr<std::vector<exchange::v1::SignedBatch>> ReadBatches(const LaneKey& key,
                                                                             int64_t first, int64_t last) = 0;
  // The first signed receipt of the peer that covers envelope `sequence`, if there is one.
  virtual absl::StatusOr<std::optional<exchange::v1::LinkReceipt>> FindReceipt(const LaneKey& key,
                                                                               int64_t sequence) = 0;
  virtual absl::StatusOr<std::vector<LinkRow>> Links() = 0;
  virtual absl::StatusOr<std::optional<RequestRow>> FindRequest(std::string_view request_id) = 0;
  virtual absl::StatusOr<Heads> ReadHeads() = 0;
  // Orders with ids from `first` to `last`, ascending, at most `limit`.
  virtual absl::StatusOr<std::vector<type::v1::WorkOrder>> OrdersBetween(int64_t first, int64_t last,
                                                                         int limit) = 0;
  // Handoffs that peers gave, with the orders that they made, whose id is at least `first` and less than
  // `end`, in order, at most `limit`.
  virtual absl::StatusOr<std::vector<std::pair<std::string, int64_t>>> HandoffsBetween(std::string_view first,
                                                                                       std::string_view end,
                                                                                       int limit) = 0;
  // The envelopes for the peer, or those that it sent if `incoming`, after `after` that were stored as being
  // about order `order_id` (0: about none): sequences and ids of the handoffs, in order, at most `limit`.
  virtual absl::StatusOr<std::vector<std::pair<int64_t, std::string>>> FindEnvelopes(
      const LaneKey& key, bool incoming, int64_t order_id, int64_t after, int limit) = 0;
  // Orders that the envelopes for the peer after `after` are about, at most `limit`.
  virtual absl::StatusOr<std::vector<int64_t>> OutboxOrders(const LaneKey& key, int64_t after, int limit) = 0;
  // The sums from `first` to bucket `last`, by bucket; those of nothing are left out.
  virtual absl::StatusOr<std::map<int64_t, DigestSum>> ReadShared(const SharedKey& first, int64_t last) = 0;
  // Orders in ascending id after `after_id`, at most `limit`; for VerifyLog.
  virtual absl::StatusOr<std::vector<type::v1::WorkOrder>> ScanOrders(int64_t after_id, int limit) = 0;
  // Looks at `limit` envelopes that peers sent and that are about no order, from behind place `*after` on (0:
  // from the first), and moves it: to 0 when there are no more. Gives the places of those that were received
  // before `before` and whose bodies are still there.
  virtual absl::StatusOr<std::vector<int64_t>> FindStrays(absl::Time before, int limit, int64_t* after) = 0;
  // Orders under a legal hold, ascending, at most `limit`.
  virtual absl::StatusOr<std::vector<int64_t>> HeldOrders(int limit) = 0;
};

// The writer. One thread; only Checkpoint, NewReader and stats may be called from others. After a failed
// Commit its outcome is unknown, and Begin refuses (UNAVAILABLE, STORE_FAILED) until the store is opened
// again; reading goes on. But a full disk (RESOURCE_EXHAUSTED, DISK_FULL) rolls back and may be tried again.
// After a method between Begin and Commit failed, nothing is left but Rollback. INTERNAL: used wrongly, e.g.
// an id twice.
class Store {
 public:
  virtual ~Store() = default;
  // Errors: STORE_FAILED: the file cannot be opened, another process has it, it is of another hotline or of a
  // newer schema.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options);
  // The same on a database that is open already, e.g. a faulty one.
  static absl::StatusOr<std::unique_ptr<Store>> OpenOn(std::unique_ptr<sql::Database> database,
                                                       std::string_view hotline,
                                                       std::string_view caller_key = {},
                                                       const std::function<void(bool done)>& on_remake = {});

  virtual absl::StatusOr<std::unique_ptr<Reader>> NewReader() = 0;
  // The keyed hash, 8 bytes, that stands for a caller's number (normalized) outside of contents: in the index
  // of callers and in `RegisteredDetail.caller_hash`.
  virtual std::string CallerHash(std::string_view phone) const = 0;
  // Reads on the writer's own connection: sees the open transaction.
  virtual Reader& reader() = 0;

  virtual absl::Status Begin() = 0;
  // Makes everything since Begin durable. On failure the transaction has ended.
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;

  // Between Begin and Commit. `id` is larger than all before, unless the order is recovered; `order` has its
  // number and no content. `caller_hash` is what CallerHash gives; empty if the caller's number is not known.
  virtual absl::Status InsertOrder(int64_t id, const type::v1::WorkOrder& order, std::string_view content,
                                   std::string_view caller_hash) = 0;
  virtual absl::Status UpdateOrder(int64_t id, const type::v1::WorkOrder& order) = 0;
  // The same of an order that is there as `before`; a store may spare itself looking.
  virtual absl::Status UpdateKnownOrder(int64_t id, const type::v1::WorkOrder& order,
                                        const type::v1::WorkOrder& before) {
    static_cast<void>(before);
    return UpdateOrder(id, order);
  }
  virtual absl::Status AppendEvent(int64_t sequence, std::string_view bytes, std::string_view hash) = 0;
  // `envelope` is whole. With `content` not empty it is an offer of an order whose content is stored: only
  // the rest of the body is kept. Sequence and hash of the lane's head are the caller's to PutLink.
  virtual absl::Status AppendOutbox(const LaneKey& key, const EnvelopeRow& row, std::string_view content) = 0;
  // Says whose envelope `sequence` is, stored before that was known.
  virtual absl::Status SetOutboxOrder(const LaneKey& key, int64_t sequence, int64_t order_id) = 0;
  // Forgets all envelopes for the peer after `after`.
  virtual absl::Status TruncateOutbox(const LaneKey& key, int64_t after) = 0;
  // Lets the order be found by a handoff that this site gave under the id of another order, which it has
  // lost: what that was about is this order's. The order is there.
  virtual absl::Status IndexLostHandoff(int64_t id, const std::string& handoff_id) = 0;
  virtual absl::Status AppendInbox(const LaneKey& key, const EnvelopeRow& row, std::string_view content) = 0;
  // What the peer signed of its batch `first` to `last`. The same again changes nothing.
  virtual absl::Status PutBatch(const LaneKey& key, int64_t first, int64_t last,
                                const exchange::v1::SignedBatch& batch) = 0;
  virtual absl::Status PutReceipt(const LaneKey& key, const exchange::v1::LinkReceipt& receipt) = 0;
  virtual absl::Status PutLink(const LinkRow& link) = 0;
  virtual absl::Status AddShared(const SharedKey& key, const DigestSum& delta) = 0;
  virtual absl::Status InsertRequest(std::string_view request_id, const RequestRow& row,
                                     int64_t order_id) = 0;

  // The order came under a legal hold, or out of one.
  virtual absl::Status PutHold(int64_t id, bool held) = 0;
  // Erases what was written about the order, wherever it is: its content, its caller in the index, the bodies
  // of its envelopes, the answers to its requests (with their ids), and the texts in its events from the one
  // at `last_event` back, as retention::EventWithoutTexts says. The record is the caller's to update. What is
  // erased is overwritten in the file, and in its log by a Checkpoint to come. The same again changes
  // nothing.
  virtual absl::Status Erase(int64_t id, int64_t last_event) = 0;
  // Erases the bodies of these envelopes, places that FindStrays gave. The same again changes nothing.
  virtual absl::Status EraseStrays(const std::vector<int64_t>& places) = 0;

  // See sql::Database. From any thread.
  virtual absl::Status CopyTo(const std::string& path) = 0;
  // Moves committed pages from the write-ahead log into the database. Call from a thread of its own,
  // regularly.
  virtual absl::Status Checkpoint() = 0;
  virtual sql::Stats stats() const = 0;
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_STORE_STORE_H_
