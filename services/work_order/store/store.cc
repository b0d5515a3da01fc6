#include "services/work_order/store/store.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/retention/erase.h"
#include "common/sql/schema.h"
#include "common/sql/sqlite.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace hotline::work_order {
namespace {

using type::v1::OrderContent;
using type::v1::WorkOrder;

// 3: numbers are indexed by HMAC. 4: legal holds. 5: all that retention erases of an order is found.
constexpr int64_t kSchemaVersion = sql::kWorkOrderSchema;
constexpr int64_t kOldestSchemaVersion = 2;

// What brings an older store to version 4.
constexpr std::string_view kSchema4 = R"sql(
CREATE TABLE IF NOT EXISTS hold (order_id {int} PRIMARY KEY) {rows};
CREATE TABLE IF NOT EXISTS schema_history (version {int} PRIMARY KEY, previous {int} NOT NULL) {rows};
)sql";

// What brings one of version 4 to version 5. Orders' ids grow with time, so that entries are added near the
// end.
constexpr std::string_view kSchema5 = R"sql(
DROP INDEX IF EXISTS outbox_whole;
DROP INDEX IF EXISTS inbox_whole;
CREATE INDEX IF NOT EXISTS outbox_order ON outbox (order_id);
CREATE INDEX IF NOT EXISTS inbox_order ON inbox (order_id);
CREATE INDEX IF NOT EXISTS request_order ON request (order_id);
)sql";

// Finds the orders of partners by their incident, and by their time of registration (the first id of its
// millisecond) those whose ids say a later one: after the clock had been ahead. Every store gets them when it
// is opened, and then their entries of the orders that are there.
constexpr std::string_view kIndexes = R"sql(
CREATE TABLE IF NOT EXISTS partner (parent_id {int}, order_id {int}, PRIMARY KEY (parent_id, order_id)) {keyed};
CREATE TABLE IF NOT EXISTS early (registered {int}, order_id {int}, PRIMARY KEY (registered, order_id)) {keyed};
)sql";
// Which of them a store has; partners alone in earlier releases.
constexpr std::string_view kIndexesMark = "2";
// Earlier releases left it open whose these were when a restore had brought them back before their orders.
constexpr std::string_view kSetOutboxOrders =
    "UPDATE outbox SET order_id = (SELECT handoff.order_id FROM handoff WHERE handoff.handoff_id = "
    "outbox.handoff_id) WHERE order_id = 0 AND handoff_id IN (SELECT handoff_id FROM handoff);";
// What of that belongs to an order which they had erased before.
constexpr std::string_view kLeftInOutbox =
    "SELECT outbox.place, work_order.record FROM outbox JOIN handoff ON handoff.handoff_id = "
    "outbox.handoff_id JOIN work_order ON work_order.id = handoff.order_id WHERE outbox.order_id = 0 AND "
    "outbox.joined = 0";
// They also named an order that was not here for what is about none: nothing would have erased it.
constexpr std::string_view kUnsetInboxOrders =
    "UPDATE inbox SET order_id = 0 WHERE order_id <> 0 AND joined = 0 AND NOT EXISTS (SELECT 1 FROM "
    "work_order WHERE work_order.id = inbox.order_id);";
// Of the orders registered before a time the greatest id is asked for. So those are left out that another
// with a greater id was registered before, or with: ids in `early` grow with the times.
constexpr std::string_view kDeleteEarly = "DELETE FROM early WHERE registered >= ?1 AND order_id < ?2";
constexpr std::string_view kInsertEarly =
    "INSERT INTO early (registered, order_id) SELECT ?1, ?2 WHERE ?2 > COALESCE((SELECT order_id FROM early "
    "WHERE registered <= ?1 ORDER BY registered DESC LIMIT 1), 0)";
constexpr std::string_view kInsertPartner =
    "INSERT INTO partner (parent_id, order_id) VALUES (?1, ?2) ON CONFLICT (parent_id, order_id) DO NOTHING";

// `joined` of an envelope: its body is whole; is an offer's without the content; is only the body's leaf.
enum Body : int64_t { kWholeBody = 0, kJoinedBody = 1, kErasedBody = 2 };
constexpr std::string_view kOutboxAt =
    "SELECT place, kind, seen, handoff_id, joined, body FROM outbox WHERE place = ?1";
constexpr std::string_view kEraseOutbox = "UPDATE outbox SET joined = 2, body = ?2 WHERE place = ?1";

constexpr std::string_view kSchema = R"sql(
CREATE TABLE work_order (id {int} PRIMARY KEY, state {int} NOT NULL, lead_unit TEXT, record {blob} NOT NULL) {rows};
CREATE INDEX work_order_state ON work_order (state{,id});
CREATE INDEX work_order_unit ON work_order (lead_unit{,id}) WHERE lead_unit IS NOT NULL;
CREATE TABLE content (id {int} PRIMARY KEY, bytes {blob} NOT NULL) {rows};
CREATE TABLE number (number {int} PRIMARY KEY, order_id {int} NOT NULL) {rows};
CREATE TABLE handoff (handoff_id TEXT PRIMARY KEY, order_id {int} NOT NULL) {keyed};
CREATE TABLE caller (block {int}, hash {int}, order_id {int}, PRIMARY KEY (block, hash, order_id)) {keyed};
CREATE TABLE event (sequence {int} PRIMARY KEY, bytes {blob} NOT NULL, hash {blob} NOT NULL) {rows};
CREATE TABLE link (peer TEXT, lane {int}, number {int} NOT NULL UNIQUE, outgoing_sequence {int} NOT NULL,
                   outgoing_hash {blob} NOT NULL, acknowledged_sequence {int} NOT NULL,
                   acknowledged_hash {blob} NOT NULL, acknowledged_nanos {int} NOT NULL,
                   incoming_sequence {int} NOT NULL, incoming_hash {blob} NOT NULL, incoming_nanos {int} NOT NULL,
                   replay_next {int} NOT NULL, replay_end {int} NOT NULL, PRIMARY KEY (peer, lane)) {keyed};
CREATE TABLE outbox (place {int} PRIMARY KEY, order_id {int} NOT NULL, kind {int} NOT NULL, handoff_id TEXT NOT NULL,
                     seen {int} NOT NULL, hash {blob} NOT NULL, traceparent TEXT NOT NULL, nanos {int} NOT NULL,
                     joined {int} NOT NULL, body {blob} NOT NULL) {rows};
CREATE TABLE inbox (place {int} PRIMARY KEY, order_id {int} NOT NULL, kind {int} NOT NULL, handoff_id TEXT NOT NULL,
                    seen {int} NOT NULL, hash {blob} NOT NULL, traceparent TEXT NOT NULL, nanos {int} NOT NULL,
                    joined {int} NOT NULL, body {blob} NOT NULL) {rows};
CREATE TABLE batch (place {int} PRIMARY KEY, first {int} NOT NULL, signed {blob} NOT NULL) {rows};
CREATE TABLE receipt (place {int} PRIMARY KEY, receipt {blob} NOT NULL) {rows};
CREATE TABLE shared (peer TEXT, given {int}, level {int}, bucket {int}, count {int} NOT NULL, digest {blob} NOT NULL,
                     PRIMARY KEY (peer, given, level, bucket)) {keyed};
CREATE TABLE request (request_id TEXT PRIMARY KEY, order_id {int} NOT NULL, fingerprint {blob} NOT NULL,
                      result {blob} NOT NULL) {rows};
)sql";

// `number.number`: day as yyyymmdd, then the day's counter in seven digits.
constexpr int64_t kNumbersPerDay = 10'000'000;
// `place` of outbox, inbox, batch (of its last envelope) and receipt: the lane's number, then the sequence in
// its log.
constexpr int kSequenceBits = 44;
constexpr int64_t kSequenceMask = (int64_t{1} << kSequenceBits) - 1;
// Callers in one block of `caller`. Within a block they are scattered, so a commit of many new orders writes
// most of its 8 pages; a lookup in a million orders asks 1,000 blocks.
constexpr int64_t kCallersPerBlock = 1024;
// The counter in an order's id, below its millisecond: see common/base/id.h.
constexpr int kOrderCounterBits = 20;
// Ids fetched at a time from an index for a list.
constexpr int kListChunk = 64;
constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();

// What the seam reports, in the words of the catalogue.
absl::Status Explain(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return status;
    case absl::StatusCode::kResourceExhausted:
      return error::DiskFull();
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return error::StoreFailed(std::string_view(status.message().data(), status.message().size()));
    default:
      return error::Internal(absl::StrCat("store: ", status.message()));
  }
}

absl::Status Unreadable(std::string_view what) {
  return error::StoreFailed(absl::StrCat("a stored record cannot be read: ", std::string(what)));
}

absl::Status PrepareAll(
    sql::Connection& connection,
    std::initializer_list<std::pair<std::unique_ptr<sql::Statement>*, std::string_view>> all) {
  for (const auto& [statement, text] : all) {
    absl::StatusOr<std::unique_ptr<sql::Statement>> prepared = connection.Prepare(text);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return absl::OkStatus();
}

// The compact key of an order number of `hotline`. Nothing if `text` is not written as one.
std::optional<int64_t> NumberKey(std::string_view hotline, std::string_view text) {
  const auto number = ParseOrderNumber(hotline, text);
  if (!number.has_value()) return std::nullopt;
  const auto& [day, counter] = *number;
  return ((day.year() * 100 + day.month()) * 100 + day.day()) * kNumbersPerDay + counter;
}

// The text of field `number` of a serialized message, without reading the rest of it. Empty if none.
std::string TextOf(std::string_view message, int number) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(message.data()),
                                               static_cast<int>(message.size()));
  std::string text;
  const uint32_t wanted = WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  while (const uint32_t tag = input.ReadTag()) {
    if (tag == wanted) {
      uint32_t size = 0;
      if (!input.ReadVarint32(&size) || !input.ReadString(&text, static_cast<int>(size))) return {};
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return {};
    }
  }
  return text;
}

// The lead unit that a serialized OrderContent names. Empty if none.
std::string LeadUnitOf(std::string_view content) {
  return TextOf(content, OrderContent::kLeadUnitFieldNumber);
}

// Empty if no unit leads.
std::string_view LeadUnitAtWork(const WorkOrder& order) {
  for (const type::v1::UnitTask& task : order.units()) {
    if (task.lead()) return task.unit();
  }
  return {};
}

// `stored` may have `-` separators; `normalized` has none.
bool SamePhone(std::string_view stored, std::string_view normalized) {
  size_t at = 0;
  for (char c : stored) {
    if (c == '-') continue;
    if (at == normalized.size() || normalized[at] != c) return false;
    ++at;
  }
  return at == normalized.size();
}

std::string WithoutSeparators(std::string_view phone) {
  std::string digits;
  std::copy_if(phone.begin(), phone.end(), std::back_inserter(digits), [](char c) { return c != '-'; });
  return digits;
}

std::string CallerHashOf(std::string_view key, std::string_view phone) {
  return HmacSha256(key, {phone}).substr(0, 8);
}

// The index's form of a caller's hash.
int64_t IndexedHash(std::string_view caller_hash) {
  uint64_t hash = 0;
  for (const char byte : caller_hash) hash = hash << 8 | static_cast<unsigned char>(byte);
  return static_cast<int64_t>(hash);
}

int64_t PhoneHash(std::string_view key, std::string_view phone) {
  return IndexedHash(CallerHashOf(key, phone));
}

// The first id of the first millisecond that is not before `time`.
int64_t FirstIdFrom(const google::protobuf::Timestamp& time) {
  const absl::Time exact = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return FirstOrderIdAt(exact + absl::Milliseconds(1) - absl::Nanoseconds(1));
}

// The first id of the millisecond in which the order with this id was registered, or the id: that says it,
// also of what came back after a loss and names a later time, unless the clock was ahead when it or one
// before it was given.
int64_t RegisteredAt(int64_t id, const google::protobuf::Timestamp& register_time) {
  if (register_time.seconds() <= 0) return id;
  const int64_t said = FirstOrderIdAt(absl::FromUnixSeconds(register_time.seconds()) +
                                      absl::Nanoseconds(register_time.nanos()));
  return std::min(said, id);
}

// Whether the id says another millisecond than that.
bool IsEarly(int64_t id, int64_t registered) {
  return registered >> kOrderCounterBits < id >> kOrderCounterBits;
}

// In one of these for good: their index part grows with history, that of the other states does not.
bool IsFinal(int state) {
  return state == type::v1::ORDER_STATE_CLOSED || state == type::v1::ORDER_STATE_CANCELLED ||
         state == type::v1::ORDER_STATE_ARCHIVED;
}

bool Concerns(const WorkOrder& order, std::string_view hotline) {
  const auto between = [hotline](const type::v1::Handoff& handoff) {
    return handoff.from_hotline() == hotline || handoff.to_hotline() == hotline;
  };
  return order.custody().holder() == hotline || between(order.handoff()) || between(order.inbound()) ||
         std::any_of(order.past_handoffs().begin(), order.past_handoffs().end(), between);
}

bool HasHandoff(const WorkOrder& order, std::string_view handoff_id) {
  const auto same = [handoff_id](const type::v1::Handoff& handoff) { return handoff.id() == handoff_id; };
  return same(order.handoff()) ||
         std::any_of(order.past_handoffs().begin(), order.past_handoffs().end(), same);
}

// Tag and length of OfferBody.content.
std::string ContentHead(size_t size) {
  using google::protobuf::internal::WireFormatLite;
  using google::protobuf::io::CodedOutputStream;
  uint8_t head[2 * 10];
  uint8_t* end = WireFormatLite::WriteTagToArray(exchange::v1::OfferBody::kContentFieldNumber,
                                                 WireFormatLite::WIRETYPE_LENGTH_DELIMITED, head);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size), end);
  return std::string(reinterpret_cast<const char*>(head), static_cast<size_t>(end - head));
}

// What a store is told once and keeps for good.
struct Identity {
  std::string hotline;
  std::string phone_key;
};

// The order that handed over under `handoff_id`, if this site was the giver: the id holds it.
std::optional<int64_t> GivenOrder(std::string_view hotline, std::string_view handoff_id) {
  if (handoff_id.size() < hotline.size() + 15 || handoff_id.substr(0, hotline.size()) != hotline ||
      handoff_id[hotline.size()] != '-' || handoff_id[hotline.size() + 14] != '-') {
    return std::nullopt;
  }
  return ParseOrderId(handoff_id.substr(hotline.size() + 1, 13));
}

class SqlReader : public Reader {
 public:
  // `owned` is null if `connection` is somebody else's.
  SqlReader(std::unique_ptr<sql::Connection> owned, sql::Connection* connection, Identity identity)
      : owned_(std::move(owned)), connection_(connection), identity_(std::move(identity)) {}

  absl::Status Init() {
    return PrepareAll(
        *connection_,
        {{&find_order_, "SELECT record, lead_unit FROM work_order WHERE id = ?1"},
         {&find_number_, "SELECT order_id FROM number WHERE number = ?1"},
         {&find_handoff_, "SELECT order_id FROM handoff WHERE handoff_id = ?1"},
         {&find_content_, "SELECT bytes FROM content WHERE id = ?1"},
         {&find_request_, "SELECT fingerprint, result FROM request WHERE request_id = ?1"},
         {&ids_, "SELECT id FROM work_order WHERE id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3"},
         {&ids_by_state_,
          "SELECT id FROM work_order WHERE state = ?4 AND id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3"},
         {&ids_by_unit_,
          "SELECT id FROM work_order WHERE lead_unit = ?4 AND id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT "
          "?3"},
         {&ids_by_parent_,
          "SELECT order_id FROM partner WHERE parent_id = ?4 AND order_id < ?1 AND order_id >= ?2 "
          "ORDER BY order_id DESC LIMIT ?3"},
         {&last_early_,
          "SELECT order_id FROM early WHERE registered < ?1 ORDER BY registered DESC, order_id DESC LIMIT 1"},
         {&last_block_, "SELECT block FROM caller WHERE block < ?1 ORDER BY block DESC LIMIT 1"},
         {&ids_by_caller_,
          "SELECT order_id FROM caller WHERE block = ?4 AND hash = ?5 AND order_id < ?1 AND order_id >= ?2 "
          "ORDER BY order_id DESC LIMIT ?3"},
         {&events_,
          "SELECT sequence, bytes, hash FROM event WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2"},
         {&link_number_, "SELECT number FROM link WHERE peer = ?1 AND lane = ?2"},
         {&outbox_,
          "SELECT place, order_id, kind, handoff_id, hash, traceparent, body, seen, nanos, joined FROM "
          "outbox "
          "WHERE place >= ?1 AND place <= ?2 ORDER BY place LIMIT ?3"},
         {&inbox_,
          "SELECT place, order_id, kind, handoff_id, hash, traceparent, body, seen, nanos, joined FROM inbox "
          "WHERE place >= ?1 AND place <= ?2 ORDER BY place LIMIT ?3"},
         {&find_outbox_,
          "SELECT place, handoff_id FROM outbox WHERE order_id = ?1 AND place > ?2 AND place <= ?3 ORDER BY "
          "place LIMIT ?4"},
         {&find_inbox_,
          "SELECT place, handoff_id FROM inbox WHERE order_id = ?1 AND place > ?2 AND place <= ?3 ORDER BY "
          "place LIMIT ?4"},
         {&batches_, "SELECT signed, first FROM batch WHERE place >= ?1 AND place <= ?2 ORDER BY place"},
         {&receipts_, "SELECT receipt FROM receipt WHERE place >= ?1 AND place <= ?2 ORDER BY place LIMIT 1"},
         {&links_,
          "SELECT peer, lane, outgoing_sequence, outgoing_hash, acknowledged_sequence, acknowledged_hash, "
          "acknowledged_nanos, incoming_sequence, incoming_hash, incoming_nanos, replay_next, replay_end "
          "FROM "
          "link ORDER BY peer, lane"},
         {&last_id_, "SELECT id FROM work_order ORDER BY id DESC LIMIT 1"},
         {&last_event_, "SELECT sequence, hash FROM event ORDER BY sequence DESC LIMIT 1"},
         {&last_number_, "SELECT number FROM number ORDER BY number DESC LIMIT 1"},
         {&outbox_orders_,
          "SELECT order_id FROM outbox WHERE place >= ?1 AND place <= ?2 ORDER BY place LIMIT ?3"},
         {&handoffs_,
          "SELECT handoff_id, order_id FROM handoff WHERE handoff_id >= ?1 AND handoff_id < ?2 ORDER BY "
          "handoff_id LIMIT ?3"},
         {&shared_,
          "SELECT bucket, count, digest FROM shared WHERE peer = ?1 AND given = ?2 AND level = ?3 AND bucket "
          ">= ?4 "
          "AND bucket <= ?5 ORDER BY bucket"},
         {&between_, "SELECT record FROM work_order WHERE id >= ?1 AND id <= ?3 ORDER BY id LIMIT ?2"},
         {&strays_,
          "SELECT place, nanos, joined FROM inbox WHERE order_id = 0 AND place > ?1 ORDER BY place LIMIT ?2"},
         {&holds_, "SELECT order_id FROM hold ORDER BY order_id LIMIT ?1"},
         {&scan_, "SELECT record FROM work_order WHERE id > ?1 ORDER BY id LIMIT ?2"}});
  }

  absl::StatusOr<std::optional<WorkOrder>> FindOrder(int64_t id) override {
    WorkOrder order;
    absl::StatusOr<bool> found = ReadOrder(id, &order, nullptr);
    if (!found.ok()) return found.status();
    if (!*found) return std::nullopt;
    return order;
  }

  absl::StatusOr<std::optional<int64_t>> FindIdByNumber(std::string_view number) override {
    const std::optional<int64_t> key = NumberKey(identity_.hotline, number);
    if (!key.has_value()) return std::nullopt;
    find_number_->BindInt64(1, *key);
    return FindInt64(*find_number_);
  }

  absl::StatusOr<std::optional<int64_t>> FindIdByHandoff(std::string_view handoff_id) override {
    if (const std::optional<int64_t> id = GivenOrder(identity_.hotline, handoff_id); id.has_value()) {
      absl::StatusOr<std::optional<WorkOrder>> order = FindOrder(*id);
      if (!order.ok()) return order.status();
      if (order->has_value() && HasHandoff(**order, handoff_id)) return id;
    }
    if (!sql::IsText(handoff_id)) return std::nullopt;
    find_handoff_->BindText(1, handoff_id);
    return FindInt64(*find_handoff_);
  }

  absl::StatusOr<std::string> FindContent(int64_t id) override {
    const sql::ScopedReset reset(find_content_.get());
    find_content_->BindInt64(1, id);
    absl::StatusOr<bool> row = find_content_->Step();
    if (!row.ok()) return Explain(row.status());
    return *row ? std::string(find_content_->Blob(0)) : std::string();
  }

  absl::StatusOr<std::vector<WorkOrder>> List(const workorder::v1::ListFilter& filter, int64_t before_id,
                                              const ListBounds& bounds, int64_t* next_before_id) override {
    const Path path = PathFor(filter);
    int64_t before = before_id > 0 ? before_id : kNoBound;
    if (filter.has_register_end_time()) {
      const int64_t end = FirstIdFrom(filter.register_end_time());
      last_early_->BindInt64(1, end);
      absl::StatusOr<std::optional<int64_t>> early = FindInt64(*last_early_);
      if (!early.ok()) return early.status();
      before = std::min(before, std::max(end, early->value_or(0) + 1));
    }
    int64_t floor = filter.has_register_start_time() ? FirstIdFrom(filter.register_start_time()) : 0;
    // Ids grow: no partner was called for an incident before it was there.
    if (!filter.parent_id().empty()) {
      floor = std::max(floor, ParseOrderId(filter.parent_id()).value_or(kNoBound));
    }

    std::vector<WorkOrder> orders;
    int64_t last = 0;  // of the orders
    size_t bytes = 0;
    int64_t scanned = 0;
    for (;;) {
      absl::StatusOr<Chunk> chunk = NextChunk(path, before, floor);
      if (!chunk.ok()) return chunk.status();
      scanned += chunk->probes;
      for (int64_t id : chunk->ids) {
        WorkOrder order;
        absl::StatusOr<bool> matches = Matches(filter, path, id, &order);
        if (!matches.ok()) return matches.status();
        const bool known = !bounds.may_know || bounds.may_know(order);
        if (*matches && known) {
          bytes += order.ByteSizeLong();
          if (static_cast<int>(orders.size()) >= bounds.limit ||
              (bytes > bounds.max_bytes && !orders.empty())) {
            *next_before_id = last;
            return orders;
          }
          orders.push_back(std::move(order));
          last = id;
        }
        ++scanned;
        if (scanned >= int64_t{bounds.scan_limit} * (known ? 1 : 2)) {
          *next_before_id = id == chunk->ids.back() ? chunk->resume : id;
          return orders;
        }
      }
      // Else the row at hand is one that may not be known.
      const bool enough = chunk->ids.empty() && scanned >= bounds.scan_limit;
      if (chunk->resume == 0 || enough) {
        *next_before_id = chunk->resume;
        return orders;
      }
      before = chunk->resume;
    }
  }

  absl::StatusOr<std::vector<EventRow>> ReadEvents(int64_t start, int limit) override {
    std::vector<EventRow> events;
    const sql::ScopedReset reset(events_.get());
    events_->BindInt64(1, start);
    events_->BindInt64(2, limit);
    for (;;) {
      absl::StatusOr<bool> row = events_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return events;
      events.push_back({.sequence = events_->Int64(0),
                        .bytes = std::string(events_->Blob(1)),
                        .hash = std::string(events_->Blob(2))});
    }
  }

  absl::StatusOr<std::vector<EnvelopeRow>> ReadOutbox(const LaneKey& key, int64_t after, int limit) override {
    return ReadEnvelopes(*outbox_, key, after, limit);
  }

  absl::StatusOr<std::vector<EnvelopeRow>> ReadInbox(const LaneKey& key, int64_t after, int limit) override {
    return ReadEnvelopes(*inbox_, key, after, limit);
  }

  absl::StatusOr<std::vector<std::pair<int64_t, std::string>>> FindEnvelopes(const LaneKey& key,
                                                                             bool incoming, int64_t order_id,
                                                                             int64_t after,
                                                                             int limit) override {
    std::vector<std::pair<int64_t, std::string>> found;
    absl::StatusOr<std::optional<int64_t>> number = FindLinkNumber(key);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return found;
    const int64_t base = **number << kSequenceBits;
    sql::Statement& statement = incoming ? *find_inbox_ : *find_outbox_;
    const sql::ScopedReset reset(&statement);
    statement.BindInt64(1, order_id);
    statement.BindInt64(2, base + after);
    statement.BindInt64(3, base + kSequenceMask);
    statement.BindInt64(4, limit);
    for (;;) {
      absl::StatusOr<bool> row = statement.Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return found;
      found.emplace_back(statement.Int64(0) - base, std::string(statement.Text(1)));
    }
  }

  absl::StatusOr<std::vector<exchange::v1::SignedBatch>> ReadBatches(const LaneKey& key, int64_t first,
                                                                     int64_t last) override {
    std::vector<exchange::v1::SignedBatch> batches;
    absl::StatusOr<std::optional<int64_t>> number = FindLinkNumber(key);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return batches;
    const int64_t base = **number << kSequenceBits;
    const sql::ScopedReset reset(batches_.get());
    batches_->BindInt64(1, base + first);
    batches_->BindInt64(2, base + kSequenceMask);
    for (;;) {
      absl::StatusOr<bool> row = batches_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row || batches_->Int64(1) > last) return batches;
      const std::string_view bytes = batches_->Blob(0);
      if (!batches.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return Unreadable("batch");
      }
    }
  }

  absl::StatusOr<std::optional<exchange::v1::LinkReceipt>> FindReceipt(const LaneKey& key,
                                                                       int64_t sequence) override {
    absl::StatusOr<std::optional<int64_t>> number = FindLinkNumber(key);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return std::nullopt;
    const int64_t base = **number << kSequenceBits;
    const sql::ScopedReset reset(receipts_.get());
    receipts_->BindInt64(1, base + sequence);
    receipts_->BindInt64(2, base + kSequenceMask);
    absl::StatusOr<bool> row = receipts_->Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return std::nullopt;
    exchange::v1::LinkReceipt receipt;
    const std::string_view bytes = receipts_->Blob(0);
    if (!receipt.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Unreadable("receipt");
    return receipt;
  }

  absl::StatusOr<std::vector<LinkRow>> Links() override {
    std::vector<LinkRow> links;
    const sql::ScopedReset reset(links_.get());
    for (;;) {
      absl::StatusOr<bool> row = links_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return links;
      links.push_back({.key = {.peer = std::string(links_->Text(0)),
                               .lane = static_cast<exchange::v1::Lane>(links_->Int64(1))},
                       .outgoing_sequence = links_->Int64(2),
                       .outgoing_hash = std::string(links_->Blob(3)),
                       .acknowledged_sequence = links_->Int64(4),
                       .acknowledged_hash = std::string(links_->Blob(5)),
                       .acknowledged_time = absl::FromUnixNanos(links_->Int64(6)),
                       .incoming_sequence = links_->Int64(7),
                       .incoming_hash = std::string(links_->Blob(8)),
                       .incoming_time = absl::FromUnixNanos(links_->Int64(9)),
                       .replay_next = links_->Int64(10),
                       .replay_end = links_->Int64(11)});
    }
  }

  absl::StatusOr<std::optional<RequestRow>> FindRequest(std::string_view request_id) override {
    if (!sql::IsText(request_id)) return std::nullopt;
    const sql::ScopedReset reset(find_request_.get());
    find_request_->BindText(1, request_id);
    absl::StatusOr<bool> row = find_request_->Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return std::nullopt;
    return RequestRow{.fingerprint = std::string(find_request_->Blob(0)),
                      .result = std::string(find_request_->Blob(1))};
  }

  absl::StatusOr<Heads> ReadHeads() override {
    Heads heads;
    absl::StatusOr<std::optional<int64_t>> id = FindInt64(*last_id_);
    if (!id.ok()) return id.status();
    heads.last_order_id = id->value_or(0);
    absl::StatusOr<std::optional<int64_t>> number = FindInt64(*last_number_);
    if (!number.ok()) return number.status();
    if (number->has_value()) {
      const int64_t day = **number / kNumbersPerDay;
      heads.number_day = absl::CivilDay(day / 10000, day / 100 % 100, day % 100);
      heads.number_counter = **number % kNumbersPerDay;
    }
    heads.event_hash = ChainStart();
    const sql::ScopedReset reset(last_event_.get());
    absl::StatusOr<bool> row = last_event_->Step();
    if (!row.ok()) return Explain(row.status());
    if (*row) {
      heads.event_sequence = last_event_->Int64(0);
      heads.event_hash = std::string(last_event_->Blob(1));
    }
    return heads;
  }

  absl::StatusOr<std::vector<int64_t>> HeldOrders(int limit) override {
    std::vector<int64_t> ids;
    const sql::ScopedReset reset(holds_.get());
    holds_->BindInt64(1, limit);
    for (;;) {
      absl::StatusOr<bool> row = holds_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return ids;
      ids.push_back(holds_->Int64(0));
    }
  }

  absl::StatusOr<std::vector<int64_t>> FindStrays(absl::Time before, int limit, int64_t* after) override {
    std::vector<int64_t> places;
    const sql::ScopedReset reset(strays_.get());
    strays_->BindInt64(1, *after);
    strays_->BindInt64(2, limit);
    for (int seen = 0;; ++seen) {
      absl::StatusOr<bool> row = strays_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) {
        if (seen < limit) *after = 0;
        return places;
      }
      *after = strays_->Int64(0);
      const bool is_due = strays_->Int64(1) < absl::ToUnixNanos(before) && strays_->Int64(2) != kErasedBody;
      if (is_due) places.push_back(*after);
    }
  }

  absl::StatusOr<std::vector<WorkOrder>> ScanOrders(int64_t after_id, int limit) override {
    scan_->BindInt64(1, after_id);
    scan_->BindInt64(2, limit);
    return ReadRecords(*scan_);
  }

  absl::StatusOr<std::vector<WorkOrder>> OrdersBetween(int64_t first, int64_t last, int limit) override {
    between_->BindInt64(1, first);
    between_->BindInt64(2, limit);
    between_->BindInt64(3, last);
    return ReadRecords(*between_);
  }

  absl::StatusOr<std::vector<std::pair<std::string, int64_t>>> HandoffsBetween(std::string_view first,
                                                                               std::string_view end,
                                                                               int limit) override {
    std::vector<std::pair<std::string, int64_t>> handoffs;
    const sql::ScopedReset reset(handoffs_.get());
    handoffs_->BindText(1, first);
    handoffs_->BindText(2, end);
    handoffs_->BindInt64(3, limit);
    for (;;) {
      absl::StatusOr<bool> row = handoffs_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return handoffs;
      handoffs.emplace_back(std::string(handoffs_->Text(0)), handoffs_->Int64(1));
    }
  }

  absl::StatusOr<std::vector<int64_t>> OutboxOrders(const LaneKey& key, int64_t after, int limit) override {
    std::vector<int64_t> orders;
    absl::StatusOr<std::optional<int64_t>> number = FindLinkNumber(key);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return orders;
    const int64_t base = **number << kSequenceBits;
    const sql::ScopedReset reset(outbox_orders_.get());
    outbox_orders_->BindInt64(1, base + after + 1);
    outbox_orders_->BindInt64(2, base + kSequenceMask);
    outbox_orders_->BindInt64(3, limit);
    for (;;) {
      absl::StatusOr<bool> row = outbox_orders_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return orders;
      orders.push_back(outbox_orders_->Int64(0));
    }
  }

  absl::StatusOr<std::map<int64_t, DigestSum>> ReadShared(const SharedKey& first, int64_t last) override {
    std::map<int64_t, DigestSum> sums;
    const sql::ScopedReset reset(shared_.get());
    shared_->BindText(1, first.peer);
    shared_->BindInt64(2, first.given ? 1 : 0);
    shared_->BindInt64(3, first.level);
    shared_->BindInt64(4, first.bucket);
    shared_->BindInt64(5, last);
    for (;;) {
      absl::StatusOr<bool> row = shared_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return sums;
      DigestSum sum = DigestSum::Of(shared_->Int64(1), shared_->Blob(2));
      if (sum == DigestSum()) continue;
      sums.emplace(shared_->Int64(0), std::move(sum));
    }
  }

 private:
  // The orders of all rows; the statement is bound.
  absl::StatusOr<std::vector<WorkOrder>> ReadRecords(sql::Statement& statement) {
    std::vector<WorkOrder> orders;
    const sql::ScopedReset reset(&statement);
    for (;;) {
      absl::StatusOr<bool> row = statement.Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return orders;
      const std::string_view record = statement.Blob(0);
      if (!orders.emplace_back().ParseFromArray(record.data(), static_cast<int>(record.size()))) {
        return Unreadable("work_order");
      }
    }
  }

  // The index that a list walks.
  struct Path {
    enum class Kind { kAll, kStates, kUnit, kCaller, kParent } kind = Kind::kAll;
    std::vector<int> states;
    std::string unit;
    std::string phone;
    int64_t parent = 0;
    int64_t hash = 0;
  };
  // A stretch of it.
  struct Chunk {
    std::vector<int64_t> ids;  // descending
    int64_t resume = 0;        // all ids from here up have been given; 0: all there are
    int64_t probes = 0;        // seeks that found nothing to look at
  };

  // The integer in the first row, if there is a row.
  absl::StatusOr<std::optional<int64_t>> FindInt64(sql::Statement& statement) {
    const sql::ScopedReset reset(&statement);
    absl::StatusOr<bool> row = statement.Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return std::nullopt;
    return statement.Int64(0);
  }

  absl::StatusOr<std::optional<int64_t>> FindLinkNumber(const LaneKey& key) {
    link_number_->BindText(1, key.peer);
    link_number_->BindInt64(2, key.lane);
    return FindInt64(*link_number_);
  }

  // `statement` reads the outbox or the inbox.
  absl::StatusOr<std::vector<EnvelopeRow>> ReadEnvelopes(sql::Statement& statement, const LaneKey& key,
                                                         int64_t after, int limit) {
    std::vector<EnvelopeRow> rows;
    absl::StatusOr<std::optional<int64_t>> number = FindLinkNumber(key);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return rows;
    const int64_t base = **number << kSequenceBits;
    // The envelope before the first one is read for its hash.
    const bool from_start = after <= 0;
    const int64_t first = from_start ? 1 : after;
    const sql::ScopedReset reset(&statement);
    statement.BindInt64(1, base + first);
    statement.BindInt64(2, base + kSequenceMask);
    statement.BindInt64(3, from_start ? limit : int64_t{limit} + 1);
    std::string previous = LaneStart(key.lane);
    for (int64_t sequence = first;; ++sequence) {
      absl::StatusOr<bool> row = statement.Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return rows;
      if (statement.Int64(0) != base + sequence) return error::StoreFailed("a lane's log has a gap");
      std::string hash(statement.Blob(4));
      if (from_start || sequence > first) {
        EnvelopeRow& out = rows.emplace_back();
        out.order_id = statement.Int64(1);
        out.commit_time = absl::FromUnixNanos(statement.Int64(8));
        exchange::v1::Envelope& envelope = out.envelope;
        envelope.set_sequence(sequence);
        envelope.set_kind(static_cast<exchange::v1::EnvelopeKind>(statement.Int64(2)));
        envelope.set_handoff_id(std::string(statement.Text(3)));
        envelope.set_previous_hash(std::move(previous));
        envelope.set_hash(hash);
        envelope.set_traceparent(std::string(statement.Text(5)));
        envelope.set_seen_sequence(statement.Int64(7));
        switch (statement.Int64(9)) {
          case kWholeBody:
            envelope.set_body(std::string(statement.Blob(6)));
            break;
          case kErasedBody:
            out.erased_leaf = std::string(statement.Blob(6));
            break;
          default: {
            absl::StatusOr<std::string> content = FindContent(out.order_id);
            if (!content.ok()) return content.status();
            envelope.set_body(OfferBodyWithContent(statement.Blob(6), *content));
          }
        }
      }
      previous = std::move(hash);
    }
  }

  absl::StatusOr<bool> ReadOrder(int64_t id, WorkOrder* order, std::string* lead_unit) {
    const sql::ScopedReset reset(find_order_.get());
    find_order_->BindInt64(1, id);
    absl::StatusOr<bool> row = find_order_->Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return false;
    const std::string_view record = find_order_->Blob(0);
    if (!order->ParseFromArray(record.data(), static_cast<int>(record.size())))
      return Unreadable("work_order");
    if (lead_unit != nullptr) *lead_unit = std::string(find_order_->Text(1));
    return true;
  }

  Path PathFor(const workorder::v1::ListFilter& filter) const {
    Path path;
    path.unit = filter.unit();
    for (int state : filter.states()) {
      if (std::find(path.states.begin(), path.states.end(), state) == path.states.end())
        path.states.push_back(state);
    }
    if (!filter.caller_phone().empty()) {
      path.kind = Path::Kind::kCaller;
      path.phone = WithoutSeparators(filter.caller_phone());
      path.hash = PhoneHash(identity_.phone_key, path.phone);
    } else if (!filter.parent_id().empty()) {
      path.kind = Path::Kind::kParent;
      path.parent = ParseOrderId(filter.parent_id()).value_or(0);
    } else if (!path.states.empty() &&
               (path.unit.empty() || std::none_of(path.states.begin(), path.states.end(), IsFinal))) {
      path.kind = Path::Kind::kStates;
    } else if (!path.unit.empty()) {
      path.kind = Path::Kind::kUnit;
    }
    return path;
  }

  // Appends the first column of all rows.
  absl::Status Collect(sql::Statement& statement, int64_t before, int64_t floor, std::vector<int64_t>* ids) {
    const sql::ScopedReset reset(&statement);
    statement.BindInt64(1, before);
    statement.BindInt64(2, floor);
    statement.BindInt64(3, kListChunk);
    for (;;) {
      absl::StatusOr<bool> row = statement.Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return absl::OkStatus();
      ids->push_back(statement.Int64(0));
    }
  }

  absl::StatusOr<Chunk> NextChunk(const Path& path, int64_t before, int64_t floor) {
    Chunk chunk;
    absl::Status status;
    switch (path.kind) {
      case Path::Kind::kAll:
        status = Collect(*ids_, before, floor, &chunk.ids);
        break;
      case Path::Kind::kUnit:
        ids_by_unit_->BindText(4, path.unit);
        status = Collect(*ids_by_unit_, before, floor, &chunk.ids);
        break;
      case Path::Kind::kParent:
        ids_by_parent_->BindInt64(4, path.parent);
        status = Collect(*ids_by_parent_, before, floor, &chunk.ids);
        break;
      case Path::Kind::kStates:
        // The newest of each state hold the newest of all.
        for (int state : path.states) {
          ids_by_state_->BindInt64(4, state);
          status = Collect(*ids_by_state_, before, floor, &chunk.ids);
          if (!status.ok()) break;
        }
        std::sort(chunk.ids.begin(), chunk.ids.end(), std::greater<>());
        if (chunk.ids.size() > kListChunk) chunk.ids.resize(kListChunk);
        break;
      case Path::Kind::kCaller: {
        chunk.probes = 1;
        last_block_->BindInt64(1, before);
        absl::StatusOr<std::optional<int64_t>> block = FindInt64(*last_block_);
        if (!block.ok()) return block.status();
        if (!block->has_value()) return chunk;
        ids_by_caller_->BindInt64(4, **block);
        ids_by_caller_->BindInt64(5, path.hash);
        status = Collect(*ids_by_caller_, before, floor, &chunk.ids);
        // A block holds no id below its own.
        if (chunk.ids.size() < kListChunk && **block > floor) chunk.resume = **block;
        break;
      }
    }
    if (!status.ok()) return status;
    if (chunk.ids.size() == kListChunk) chunk.resume = chunk.ids.back();
    return chunk;
  }

  absl::StatusOr<bool> Matches(const workorder::v1::ListFilter& filter, const Path& path, int64_t id,
                               WorkOrder* order) {
    std::string lead_unit;
    absl::StatusOr<bool> found = ReadOrder(id, order, &lead_unit);
    if (!found.ok()) return found.status();
    if (!*found) return false;
    if (!path.states.empty() &&
        std::find(path.states.begin(), path.states.end(), order->state()) == path.states.end()) {
      return false;
    }
    if (!filter.unit().empty() && lead_unit != filter.unit()) return false;
    if (!filter.hotline().empty() && !Concerns(*order, filter.hotline())) return false;
    if (filter.type() != type::v1::ORDER_TYPE_UNSPECIFIED && order->type() != filter.type()) return false;
    if (filter.urgency() != type::v1::URGENCY_UNSPECIFIED && order->urgency() != filter.urgency())
      return false;
    if (filter.in_doubt() && !order->facts().in_doubt()) return false;
    const int64_t registered = RegisteredAt(id, order->register_time());
    if (filter.has_register_start_time() && registered < FirstIdFrom(filter.register_start_time()))
      return false;
    if (filter.has_register_end_time() && registered >= FirstIdFrom(filter.register_end_time())) return false;
    if (!filter.parent_id().empty() && order->parent_id() != filter.parent_id()) return false;
    if (path.kind != Path::Kind::kCaller) return true;
    // Two numbers can share a hash.
    absl::StatusOr<std::string> bytes = FindContent(id);
    if (!bytes.ok()) return bytes.status();
    OrderContent content;
    if (!content.ParseFromString(*bytes)) return Unreadable("content");
    return SamePhone(content.caller().phone(), path.phone);
  }

  const std::unique_ptr<sql::Connection> owned_;
  sql::Connection* const connection_;
  const Identity identity_;
  std::unique_ptr<sql::Statement> find_order_;
  std::unique_ptr<sql::Statement> find_number_;
  std::unique_ptr<sql::Statement> find_handoff_;
  std::unique_ptr<sql::Statement> find_content_;
  std::unique_ptr<sql::Statement> find_request_;
  std::unique_ptr<sql::Statement> ids_;
  std::unique_ptr<sql::Statement> ids_by_state_;
  std::unique_ptr<sql::Statement> ids_by_unit_;
  std::unique_ptr<sql::Statement> last_early_;
  std::unique_ptr<sql::Statement> last_block_;
  std::unique_ptr<sql::Statement> ids_by_caller_;
  std::unique_ptr<sql::Statement> ids_by_parent_;
  std::unique_ptr<sql::Statement> events_;
  std::unique_ptr<sql::Statement> link_number_;
  std::unique_ptr<sql::Statement> outbox_;
  std::unique_ptr<sql::Statement> inbox_;
  std::unique_ptr<sql::Statement> find_outbox_;
  std::unique_ptr<sql::Statement> find_inbox_;
  std::unique_ptr<sql::Statement> batches_;
  std::unique_ptr<sql::Statement> receipts_;
  std::unique_ptr<sql::Statement> links_;
  std::unique_ptr<sql::Statement> last_id_;
  std::unique_ptr<sql::Statement> last_event_;
  std::unique_ptr<sql::Statement> last_number_;
  std::unique_ptr<sql::Statement> outbox_orders_;
  std::unique_ptr<sql::Statement> handoffs_;
  std::unique_ptr<sql::Statement> shared_;
  std::unique_ptr<sql::Statement> between_;
  std::unique_ptr<sql::Statement> strays_;
  std::unique_ptr<sql::Statement> holds_;
  std::unique_ptr<sql::Statement> scan_;
};

// Fills the index of callers' numbers from the contents, with another key or for the first time in this form.
absl::Status IndexCallersAnew(sql::Connection& writer, std::string_view key) {
  if (absl::Status status = writer.Execute("DELETE FROM caller;"); !status.ok()) return Explain(status);
  std::unique_ptr<sql::Statement> contents;
  std::unique_ptr<sql::Statement> insert;
  absl::Status status =
      PrepareAll(writer, {{&contents, "SELECT id, bytes FROM content WHERE id > ?1 ORDER BY id LIMIT ?2"},
                          {&insert, "INSERT INTO caller (block, hash, order_id) VALUES (?1, ?2, ?3)"}});
  if (!status.ok()) return Explain(status);
  constexpr int64_t kSlice = 1024;
  int64_t after = 0;
  int64_t block = 0;
  int64_t in_block = kCallersPerBlock;
  for (;;) {
    std::vector<std::pair<int64_t, std::string>> numbers;
    int64_t seen = 0;
    {
      const sql::ScopedReset reset(contents.get());
      contents->BindInt64(1, after);
      contents->BindInt64(2, kSlice);
      for (;; ++seen) {
        absl::StatusOr<bool> row = contents->Step();
        if (!row.ok()) return Explain(row.status());
        if (!*row) break;
        after = contents->Int64(0);
        const std::string_view bytes = contents->Blob(1);
        OrderContent content;
        if (!content.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
          return Unreadable("content");
        std::string number = WithoutSeparators(content.caller().phone());
        if (!number.empty()) numbers.emplace_back(after, std::move(number));
      }
    }
    for (const auto& [id, number] : numbers) {
      if (in_block >= kCallersPerBlock) {
        block = id;
        in_block = 0;
      }
      ++in_block;
      insert->BindInt64(1, block);
      insert->BindInt64(2, PhoneHash(key, number));
      insert->BindInt64(3, id);
      if (status = insert->Run(); !status.ok()) return Explain(status);
    }
    if (seen < kSlice) return absl::OkStatus();
  }
}

// Lets an order be found by its time of registration. The statements are kDeleteEarly and kInsertEarly.
absl::Status PutEarly(sql::Statement& clear, sql::Statement& insert, int64_t registered, int64_t id) {
  for (sql::Statement* statement : {&clear, &insert}) {
    statement->BindInt64(1, registered);
    statement->BindInt64(2, id);
    if (absl::Status status = statement->Run(); !status.ok()) return Explain(status);
  }
  return absl::OkStatus();
}

// Fills kIndexes from the records of a store that lacked them.
absl::Status IndexRecords(sql::Connection& writer) {
  std::unique_ptr<sql::Statement> records;
  std::unique_ptr<sql::Statement> insert_partner;
  std::unique_ptr<sql::Statement> delete_early;
  std::unique_ptr<sql::Statement> insert_early;
  absl::Status status =
      PrepareAll(writer, {{&records, "SELECT id, record FROM work_order WHERE id > ?1 ORDER BY id LIMIT ?2"},
                          {&insert_partner, kInsertPartner},
                          {&delete_early, kDeleteEarly},
                          {&insert_early, kInsertEarly}});
  if (!status.ok()) return Explain(status);
  constexpr int64_t kSlice = 1024;
  int64_t after = 0;
  for (int64_t seen = kSlice; seen == kSlice;) {
    std::vector<std::pair<int64_t, int64_t>> partners;
    std::vector<std::pair<int64_t, int64_t>> early;
    {
      const sql::ScopedReset reset(records.get());
      records->BindInt64(1, after);
      records->BindInt64(2, kSlice);
      for (seen = 0;; ++seen) {
        absl::StatusOr<bool> row = records->Step();
        if (!row.ok()) return Explain(row.status());
        if (!*row) break;
        after = records->Int64(0);
        const std::optional<int64_t> parent =
            ParseOrderId(TextOf(records->Blob(1), WorkOrder::kParentIdFieldNumber));
        if (parent.has_value()) partners.emplace_back(*parent, after);
        google::protobuf::Timestamp time;
        if (!time.ParseFromString(TextOf(records->Blob(1), WorkOrder::kRegisterTimeFieldNumber))) {
          return Unreadable("work_order");
        }
        const int64_t registered = RegisteredAt(after, time);
        if (IsEarly(after, registered)) early.emplace_back(registered, after);
      }
    }
    for (const auto& [parent, id] : partners) {
      insert_partner->BindInt64(1, parent);
      insert_partner->BindInt64(2, id);
      if (status = insert_partner->Run(); !status.ok()) return Explain(status);
    }
    for (const auto& [registered, id] : early) {
      if (status = PutEarly(*delete_early, *insert_early, registered, id); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// Leaves of each envelope that `select` finds by `key`, an order of this content or a place, what its hash
// needs. `select` and `put` are those of one table.
absl::Status EraseEnvelopes(sql::Statement& select, sql::Statement& put, int64_t key,
                            std::string_view content) {
  std::vector<std::pair<int64_t, std::string>> leaves;
  {
    const sql::ScopedReset reset(&select);
    select.BindInt64(1, key);
    for (;;) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) break;
      if (select.Int64(4) == kErasedBody) continue;
      const std::string body = select.Int64(4) == kJoinedBody ? OfferBodyWithContent(select.Blob(5), content)
                                                              : std::string(select.Blob(5));
      leaves.emplace_back(select.Int64(0), EnvelopeLeaf(static_cast<int>(select.Int64(1)), select.Int64(2),
                                                        select.Text(3), body));
    }
  }
  for (const auto& [place, leaf] : leaves) {
    put.BindInt64(1, place);
    put.BindBlob(2, leaf);
    if (absl::Status status = put.Run(); !status.ok()) return Explain(status);
  }
  return absl::OkStatus();
}

// Finds out whose the envelopes are that earlier releases stored without an order, or with one that is not
// there, and erases those of erased orders.
absl::Status SetOrders(sql::Database& database, sql::Connection& writer) {
  std::unique_ptr<sql::Statement> left;
  std::unique_ptr<sql::Statement> select;
  std::unique_ptr<sql::Statement> put;
  absl::Status status =
      PrepareAll(writer, {{&left, kLeftInOutbox}, {&select, kOutboxAt}, {&put, kEraseOutbox}});
  if (!status.ok()) return Explain(status);
  std::vector<int64_t> places;
  {
    const sql::ScopedReset reset(left.get());
    for (;;) {
      absl::StatusOr<bool> row = left->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) break;
      WorkOrder order;
      const std::string_view record = left->Blob(1);
      if (!order.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
        return Unreadable("work_order");
      }
      if (order.has_erase_time()) places.push_back(left->Int64(0));
    }
  }
  for (const int64_t place : places) {
    if (status = EraseEnvelopes(*select, *put, place, {}); !status.ok()) return status;
  }
  if (!places.empty()) database.EmptyLog();
  return Explain(writer.Execute(StrCat(kSetOutboxOrders, kUnsetInboxOrders)));
}

// Reads `meta`, and makes the tables of a new store. `caller_key` is empty for the store's own; `on_remake`
// as in StoreOptions.
absl::StatusOr<Identity> Establish(sql::Database& database, sql::Connection& writer, std::string_view hotline,
                                   std::string_view caller_key,
                                   const std::function<void(bool done)>& on_remake) {
  if (absl::Status status = writer.Begin(); !status.ok()) return Explain(status);
  bool remakes = false;
  const auto run = [&]() -> absl::StatusOr<Identity> {
    absl::Status status = writer.Execute(
        "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value {blob} NOT NULL) {keyed};");
    if (!status.ok()) return Explain(status);
    std::unique_ptr<sql::Statement> select;
    std::unique_ptr<sql::Statement> insert;
    status = PrepareAll(writer, {{&select, "SELECT name, value FROM meta"},
                                 {&insert, "INSERT INTO meta (name, value) VALUES (?1, ?2)"}});
    if (!status.ok()) return Explain(status);
    std::map<std::string, std::string> meta;
    for (;;) {
      absl::StatusOr<bool> row = select->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) break;
      meta[std::string(select->Text(0))] = std::string(select->Blob(1));
    }
    const bool is_new = meta.empty();
    if (is_new) {
      meta = {{"schema_version", absl::StrCat(kSchemaVersion)},
              {"hotline", std::string(hotline)},
              {"phone_key", RandomBytes(32)}};
      status = writer.Execute(StrCat(kSchema, kSchema4, kSchema5));
      for (auto it = meta.begin(); status.ok() && it != meta.end(); ++it) {
        insert->BindText(1, it->first);
        insert->BindBlob(2, it->second);
        status = insert->Run();
      }
      if (!status.ok()) return Explain(status);
    }
    int64_t version = 0;
    if (!absl::SimpleAtoi(meta["schema_version"], &version) || version < 1) {
      return error::StoreFailed("this database is not a store of work orders");
    }
    if (version > kSchemaVersion) return error::SchemaNewer("work_order.db", version, kSchemaVersion);
    if (version < kOldestSchemaVersion) {
      return error::StoreFailed(absl::StrCat(
          "the store has schema version ", version, " of before the first release, this program knows ",
          kOldestSchemaVersion, " to ", kSchemaVersion, ": start with an empty folder"));
    }
    if (meta["hotline"] != hotline) {
      return error::StoreNotOpened(StrCat("the store belongs to hotline ", meta["hotline"], ", not to ",
                                          hotline, ": correct hotline or data_dir in the configuration"),
                                   StrCat("work_order.db 属于热线 ", meta["hotline"], "，不属于 ", hotline,
                                          "：请核对配置中的 hotline 与 data_dir"));
    }
    Identity identity{
        .hotline = meta["hotline"],
        .phone_key = std::string(caller_key.empty() ? std::string_view(meta["phone_key"]) : caller_key)};
    // Which key the index was made with, without telling it.
    const std::string mark = HmacSha256(identity.phone_key, {"caller index"});
    const bool same_callers = meta["caller_index"] == mark;
    const bool same_indexes = meta["partner_index"] == kIndexesMark;
    remakes = !is_new && !(version == kSchemaVersion && same_callers && same_indexes);
    if (remakes && on_remake) on_remake(false);
    if (version < kSchemaVersion) {
      // One step after the other, all in this one transaction: whoever is interrupted begins anew.
      if (version < 4) status = writer.Execute(kSchema4);
      if (status.ok() && version < 5) status = writer.Execute(kSchema5);
      if (!status.ok()) return Explain(status);
      std::unique_ptr<sql::Statement> record;
      status = PrepareAll(writer, {{&record,
                                    "INSERT INTO schema_history (version, previous) VALUES (?1, ?2) ON "
                                    "CONFLICT (version) DO UPDATE SET previous = ?2"}});
      if (!status.ok()) return Explain(status);
      record->BindInt64(1, kSchemaVersion);
      record->BindInt64(2, version);
      if (status = record->Run(); !status.ok()) return Explain(status);
    }
    if (!same_callers) {
      if (absl::Status status = IndexCallersAnew(writer, identity.phone_key); !status.ok()) return status;
    }
    if (status = writer.Execute(kIndexes); !status.ok()) return Explain(status);
    if (!same_indexes) {
      if (absl::Status status = IndexRecords(writer); !status.ok()) return status;
      if (status = SetOrders(database, writer); !status.ok()) return status;
    }
    for (const auto& [name, value] : {std::pair<std::string, std::string>("caller_index", mark),
                                      {"partner_index", std::string(kIndexesMark)},
                                      {"schema_version", absl::StrCat(kSchemaVersion)}}) {
      if (meta[name] == value) continue;
      std::unique_ptr<sql::Statement> put;
      status =
          PrepareAll(writer, {{&put,
                               "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE "
                               "SET value = ?2"}});
      if (!status.ok()) return Explain(status);
      put->BindText(1, name);
      put->BindBlob(2, value);
      if (status = put->Run(); !status.ok()) return Explain(status);
    }
    return identity;
  };
  absl::StatusOr<Identity> identity = run();
  if (!identity.ok()) {
    writer.Rollback();
    return identity;
  }
  if (absl::Status status = writer.Commit(); !status.ok()) return Explain(status);
  if (remakes && on_remake) on_remake(true);
  return identity;
}

class SqlStore : public Store {
 public:
  SqlStore(std::unique_ptr<sql::Database> database, std::unique_ptr<sql::Connection> writer,
           Identity identity)
      : database_(std::move(database)),
        writer_(std::move(writer)),
        identity_(std::move(identity)),
        reader_(nullptr, writer_.get(), identity_) {}

  absl::Status Init() {
    if (absl::Status status = reader_.Init(); !status.ok()) return Explain(status);
    return Explain(PrepareAll(
        *writer_,
        {{&insert_order_, "INSERT INTO work_order (id, state, lead_unit, record) VALUES (?1, ?2, ?3, ?4)"},
         {&insert_content_, "INSERT INTO content (id, bytes) VALUES (?1, ?2)"},
         {&insert_number_, "INSERT INTO number (number, order_id) VALUES (?1, ?2)"},
         {&insert_hold_, "INSERT INTO hold (order_id) VALUES (?1)"},
         {&delete_hold_, "DELETE FROM hold WHERE order_id = ?1"},
         {&delete_content_, "DELETE FROM content WHERE id = ?1"},
         {&delete_caller_, "DELETE FROM caller WHERE block = ?1 AND hash = ?2 AND order_id = ?3"},
         {&outbox_of_, "SELECT place, kind, seen, handoff_id, joined, body FROM outbox WHERE order_id = ?1"},
         {&inbox_of_, "SELECT place, kind, seen, handoff_id, joined, body FROM inbox WHERE order_id = ?1"},
         {&erase_outbox_, kEraseOutbox},
         {&erase_inbox_, "UPDATE inbox SET joined = 2, body = ?2 WHERE place = ?1"},
         {&delete_requests_, "DELETE FROM request WHERE order_id = ?1"},
         {&rewrite_event_, "UPDATE event SET bytes = ?2 WHERE sequence = ?1"},
         {&inbox_at_,
          "SELECT place, kind, seen, handoff_id, joined, body FROM inbox WHERE place = ?1 AND order_id = 0"},
         {&insert_partner_, kInsertPartner},
         {&delete_early_, kDeleteEarly},
         {&insert_early_, kInsertEarly},
         {&set_outbox_order_, "UPDATE outbox SET order_id = ?2 WHERE place = ?1"},
         {&insert_handoff_,
          "INSERT INTO handoff (handoff_id, order_id) VALUES (?1, ?2) ON CONFLICT (handoff_id) DO UPDATE SET "
          "order_id = ?2"},
         {&put_shared_,
          "INSERT INTO shared (peer, given, level, bucket, count, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
          "ON CONFLICT (peer, given, level, bucket) DO UPDATE SET count = ?5, digest = ?6"},
         {&insert_caller_, "INSERT INTO caller (block, hash, order_id) VALUES (?1, ?2, ?3)"},
         {&find_columns_, "SELECT state, lead_unit FROM work_order WHERE id = ?1"},
         {&update_record_, "UPDATE work_order SET record = ?2 WHERE id = ?1"},
         {&update_state_, "UPDATE work_order SET record = ?2, state = ?3 WHERE id = ?1"},
         {&update_unit_, "UPDATE work_order SET record = ?2, state = ?3, lead_unit = ?4 WHERE id = ?1"},
         {&insert_event_, "INSERT INTO event (sequence, bytes, hash) VALUES (?1, ?2, ?3)"},
         {&insert_outbox_,
          "INSERT INTO outbox (place, order_id, kind, handoff_id, seen, hash, traceparent, nanos, joined, "
          "body) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
         {&insert_inbox_,
          "INSERT INTO inbox (place, order_id, kind, handoff_id, seen, hash, traceparent, nanos, joined, "
          "body) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
         {&truncate_outbox_, "DELETE FROM outbox WHERE place > ?1 AND place <= ?2"},
         {&put_batch_,
          "INSERT INTO batch (place, first, signed) VALUES (?1, ?2, ?3) ON CONFLICT (place) DO NOTHING"},
         {&put_receipt_,
          "INSERT INTO receipt (place, receipt) VALUES (?1, ?2) ON CONFLICT (place) DO NOTHING"},
         {&insert_request_,
          "INSERT INTO request (request_id, order_id, fingerprint, result) VALUES (?1, ?2, ?3, ?4)"},
         {&link_numbers_, "SELECT peer, lane, number FROM link"},
         {&put_link_,
          "INSERT INTO link (peer, lane, number, outgoing_sequence, outgoing_hash, acknowledged_sequence, "
          "acknowledged_hash, acknowledged_nanos, incoming_sequence, incoming_hash, incoming_nanos, "
          "replay_next, "
          "replay_end) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "
          "ON CONFLICT (peer, lane) DO UPDATE SET outgoing_sequence = ?4, outgoing_hash = ?5, "
          "acknowledged_sequence = ?6, acknowledged_hash = ?7, acknowledged_nanos = ?8, incoming_sequence = "
          "?9, "
          "incoming_hash = ?10, incoming_nanos = ?11, replay_next = ?12, replay_end = ?13"},
         {&block_of_, "SELECT block FROM caller WHERE block <= ?1 ORDER BY block DESC LIMIT 1"},
         {&last_block_,
          "SELECT block, count(*) FROM caller WHERE block = (SELECT max(block) FROM caller) GROUP BY "
          "block"}}));
  }

  std::string CallerHash(std::string_view phone) const override {
    return CallerHashOf(identity_.phone_key, phone);
  }

  absl::StatusOr<std::unique_ptr<Reader>> NewReader() override {
    absl::StatusOr<std::unique_ptr<sql::Connection>> connection = database_->OpenReader();
    if (!connection.ok()) return Explain(connection.status());
    sql::Connection* const borrowed = connection->get();
    auto reader = std::make_unique<SqlReader>(*std::move(connection), borrowed, identity_);
    if (absl::Status status = reader->Init(); !status.ok()) return Explain(status);
    return reader;
  }
  Reader& reader() override { return reader_; }

  absl::Status Begin() override { return Explain(writer_->Begin()); }
  absl::Status Commit() override {
    absl::Status status = writer_->Commit();
    if (!status.ok()) Forget();
    return Explain(status);
  }
  void Rollback() override {
    writer_->Rollback();
    Forget();
  }

  absl::Status InsertOrder(int64_t id, const WorkOrder& order, std::string_view content,
                           std::string_view caller_hash) override {
    const std::optional<int64_t> number = NumberKey(identity_.hotline, order.number());
    if (!number.has_value()) return error::Internal("an order has no number of this site");
    if (absl::Status status = Serialize(order); !status.ok()) return status;
    std::string lead_unit(LeadUnitAtWork(order));
    if (lead_unit.empty()) lead_unit = LeadUnitOf(content);
    insert_order_->BindInt64(1, id);
    insert_order_->BindInt64(2, order.state());
    if (lead_unit.empty()) {
      insert_order_->BindNull(3);
    } else {
      insert_order_->BindText(3, lead_unit);
    }
    insert_order_->BindBlob(4, record_);
    if (absl::Status status = insert_order_->Run(); !status.ok()) return Explain(status);
    insert_content_->BindInt64(1, id);
    insert_content_->BindBlob(2, content);
    if (absl::Status status = insert_content_->Run(); !status.ok()) return Explain(status);
    insert_number_->BindInt64(1, *number);
    insert_number_->BindInt64(2, id);
    if (absl::Status status = insert_number_->Run(); !status.ok()) return Explain(status);
    if (absl::Status status = IndexHandoff(id, order.handoff().id(), /*is_new=*/true); !status.ok())
      return status;
    if (absl::Status status = IndexLostInbound(id, order); !status.ok()) return status;
    if (absl::Status status = IndexPartner(id, order); !status.ok()) return status;
    if (absl::Status status = IndexEarly(id, order); !status.ok()) return status;
    return caller_hash.empty() ? absl::OkStatus() : IndexCaller(id, caller_hash);
  }

  absl::Status UpdateOrder(int64_t id, const WorkOrder& order) override {
    absl::StatusOr<std::string> lead_unit = ListedUnit(id, order);
    if (!lead_unit.ok()) return lead_unit.status();
    bool same_state = false;
    bool same_unit = false;
    {
      const sql::ScopedReset reset(find_columns_.get());
      find_columns_->BindInt64(1, id);
      absl::StatusOr<bool> row = find_columns_->Step();
      if (!row.ok()) return Explain(row.status());
      if (!*row) return error::Internal("an order to be updated is not there");
      same_state = find_columns_->Int64(0) == order.state();
      same_unit = find_columns_->Text(1) == *lead_unit;
    }
    if (absl::Status status = WriteOrder(id, order, same_state, same_unit ? nullptr : &*lead_unit);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = IndexPartner(id, order); !status.ok()) return status;
    return IndexHandoff(id, order.handoff().id(), /*is_new=*/false);
  }

  absl::Status UpdateKnownOrder(int64_t id, const WorkOrder& order, const WorkOrder& before) override {
    absl::StatusOr<std::string> lead_unit = std::string();
    const bool same_unit = LeadUnitAtWork(before) == LeadUnitAtWork(order);
    if (!same_unit) lead_unit = ListedUnit(id, order);
    if (!lead_unit.ok()) return lead_unit.status();
    if (absl::Status status =
            WriteOrder(id, order, before.state() == order.state(), same_unit ? nullptr : &*lead_unit);
        !status.ok()) {
      return status;
    }
    if (order.parent_id() != before.parent_id()) {
      if (absl::Status status = IndexPartner(id, order); !status.ok()) return status;
    }
    if (order.handoff().id() == before.handoff().id()) return absl::OkStatus();
    return IndexHandoff(id, order.handoff().id(), /*is_new=*/false);
  }

  absl::Status AppendEvent(int64_t sequence, std::string_view bytes, std::string_view hash) override {
    insert_event_->BindInt64(1, sequence);
    insert_event_->BindBlob(2, bytes);
    insert_event_->BindBlob(3, hash);
    return Explain(insert_event_->Run());
  }

  absl::Status AppendOutbox(const LaneKey& key, const EnvelopeRow& row, std::string_view content) override {
    return AppendEnvelope(*insert_outbox_, key, row, content);
  }

  absl::Status SetOutboxOrder(const LaneKey& key, int64_t sequence, int64_t order_id) override {
    absl::StatusOr<int64_t> number = LinkNumber(key);
    if (!number.ok()) return number.status();
    set_outbox_order_->BindInt64(1, (*number << kSequenceBits) + sequence);
    set_outbox_order_->BindInt64(2, order_id);
    return Explain(set_outbox_order_->Run());
  }

  absl::Status IndexLostHandoff(int64_t id, const std::string& handoff_id) override {
    return IndexHandoff(id, handoff_id, /*is_new=*/false);
  }

  absl::Status TruncateOutbox(const LaneKey& key, int64_t after) override {
    absl::StatusOr<int64_t> number = LinkNumber(key);
    if (!number.ok()) return number.status();
    const int64_t base = *number << kSequenceBits;
    truncate_outbox_->BindInt64(1, base + after);
    truncate_outbox_->BindInt64(2, base + kSequenceMask);
    return Explain(truncate_outbox_->Run());
  }

  absl::Status AppendInbox(const LaneKey& key, const EnvelopeRow& row, std::string_view content) override {
    return AppendEnvelope(*insert_inbox_, key, row, content);
  }

  absl::Status PutBatch(const LaneKey& key, int64_t first, int64_t last,
                        const exchange::v1::SignedBatch& batch) override {
    absl::StatusOr<int64_t> number = LinkNumber(key);
    if (!number.ok()) return number.status();
    put_batch_->BindInt64(1, (*number << kSequenceBits) + last);
    put_batch_->BindInt64(2, first);
    // Bound bytes are not copied, so they need a name that lives until the statement has run.
    const std::string bytes = batch.SerializeAsString();
    put_batch_->BindBlob(3, bytes);
    return Explain(put_batch_->Run());
  }

  absl::Status PutReceipt(const LaneKey& key, const exchange::v1::LinkReceipt& receipt) override {
    absl::StatusOr<int64_t> number = LinkNumber(key);
    if (!number.ok()) return number.status();
    put_receipt_->BindInt64(1, (*number << kSequenceBits) + receipt.received_through());
    const std::string bytes = receipt.SerializeAsString();
    put_receipt_->BindBlob(2, bytes);
    return Explain(put_receipt_->Run());
  }

  absl::Status PutLink(const LinkRow& link) override {
    absl::StatusOr<int64_t> number = LinkNumber(link.key);
    if (!number.ok()) return number.status();
    return WriteLink(link, *number);
  }

  absl::Status AddShared(const SharedKey& key, const DigestSum& delta) override {
    absl::StatusOr<std::map<int64_t, DigestSum>> sums = reader_.ReadShared(key, key.bucket);
    if (!sums.ok()) return sums.status();
    DigestSum sum = sums->empty() ? DigestSum() : sums->begin()->second;
    sum.Add(delta);
    const std::string digest = sum.Bytes();
    put_shared_->BindText(1, key.peer);
    put_shared_->BindInt64(2, key.given ? 1 : 0);
    put_shared_->BindInt64(3, key.level);
    put_shared_->BindInt64(4, key.bucket);
    put_shared_->BindInt64(5, sum.count);
    put_shared_->BindBlob(6, digest);
    return Explain(put_shared_->Run());
  }

  absl::Status InsertRequest(std::string_view request_id, const RequestRow& row, int64_t order_id) override {
    insert_request_->BindText(1, request_id);
    insert_request_->BindInt64(2, order_id);
    insert_request_->BindBlob(3, row.fingerprint);
    insert_request_->BindBlob(4, row.result);
    return Explain(insert_request_->Run());
  }

  absl::Status PutHold(int64_t id, bool held) override {
    sql::Statement& statement = held ? *insert_hold_ : *delete_hold_;
    statement.BindInt64(1, id);
    return Explain(statement.Run());
  }

  absl::Status Erase(int64_t id, int64_t last_event) override {
    absl::StatusOr<std::string> bytes = reader_.FindContent(id);
    if (!bytes.ok()) return bytes.status();
    // Their leaves are made with the content.
    if (absl::Status status = EraseEnvelopes(*outbox_of_, *erase_outbox_, id, *bytes); !status.ok())
      return status;
    if (absl::Status status = EraseEnvelopes(*inbox_of_, *erase_inbox_, id, *bytes); !status.ok())
      return status;
    if (absl::Status status = EraseEvents(last_event); !status.ok()) return status;
    OrderContent content;
    if (!content.ParseFromString(*bytes)) return Unreadable("content");
    if (const std::string phone = WithoutSeparators(content.caller().phone()); !phone.empty()) {
      int64_t block = 0;
      {
        const sql::ScopedReset reset(block_of_.get());
        block_of_->BindInt64(1, id);
        absl::StatusOr<bool> row = block_of_->Step();
        if (!row.ok()) return Explain(row.status());
        block = *row ? block_of_->Int64(0) : 0;
      }
      delete_caller_->BindInt64(1, block);
      delete_caller_->BindInt64(2, PhoneHash(identity_.phone_key, phone));
      delete_caller_->BindInt64(3, id);
      if (absl::Status status = delete_caller_->Run(); !status.ok()) return Explain(status);
      block_count_ = -1;  // it may have been of the newest block
    }
    for (sql::Statement* statement : {delete_content_.get(), delete_requests_.get()}) {
      statement->BindInt64(1, id);
      if (absl::Status status = statement->Run(); !status.ok()) return Explain(status);
    }
    database_->EmptyLog();
    return absl::OkStatus();
  }

  absl::Status EraseStrays(const std::vector<int64_t>& places) override {
    for (const int64_t place : places) {
      if (absl::Status status = EraseEnvelopes(*inbox_at_, *erase_inbox_, place, {}); !status.ok())
        return status;
    }
    database_->EmptyLog();
    return absl::OkStatus();
  }

  absl::Status Checkpoint() override { return Explain(database_->Checkpoint()); }
  absl::Status CopyTo(const std::string& path) override { return Explain(database_->CopyTo(path)); }
  sql::Stats stats() const override { return database_->stats(); }

 private:
  // From the texts in the order's events, the latest of which is at `sequence`.
  absl::Status EraseEvents(int64_t sequence) {
    while (sequence > 0) {
      absl::StatusOr<std::vector<EventRow>> rows = reader_.ReadEvents(sequence, 1);
      if (!rows.ok()) return rows.status();
      type::v1::Event event;
      if (rows->empty() || rows->front().sequence != sequence ||
          !event.ParseFromString(rows->front().bytes) || event.previous_order_sequence() >= sequence) {
        return Unreadable("event");
      }
      if (const auto bytes = retention::EventWithoutTexts(rows->front().bytes); bytes.has_value()) {
        rewrite_event_->BindInt64(1, sequence);
        rewrite_event_->BindBlob(2, *bytes);
        if (absl::Status status = rewrite_event_->Run(); !status.ok()) return Explain(status);
      }
      sequence = event.previous_order_sequence();
    }
    return absl::OkStatus();
  }

  // Into `record_`.
  absl::Status Serialize(const WorkOrder& order) {
    if (order.has_content()) return error::Internal("an order to be stored carries its content");
    order.SerializeToString(&record_);
    return absl::OkStatus();
  }

  // The unit that lists find the order by: see ListFilter.unit. Empty if there is none.
  absl::StatusOr<std::string> ListedUnit(int64_t id, const WorkOrder& order) {
    if (const std::string_view at_work = LeadUnitAtWork(order); !at_work.empty()) return std::string(at_work);
    absl::StatusOr<std::string> content = reader_.FindContent(id);
    if (!content.ok()) return content.status();
    return LeadUnitOf(*content);
  }

  // `unit`: the unit that lists find it by, null if it is the same as before. SQLite rewrites the entries of
  // every index whose column is named, changed or not.
  absl::Status WriteOrder(int64_t id, const WorkOrder& order, bool same_state, const std::string* unit) {
    if (absl::Status status = Serialize(order); !status.ok()) return status;
    const bool same_unit = unit == nullptr;
    sql::Statement& update = !same_unit ? *update_unit_ : !same_state ? *update_state_ : *update_record_;
    update.BindInt64(1, id);
    update.BindBlob(2, record_);
    if (!same_unit || !same_state) update.BindInt64(3, order.state());
    if (!same_unit && unit->empty()) update.BindNull(4);
    if (!same_unit && !unit->empty()) update.BindText(4, *unit);
    return Explain(update.Run());
  }

  // Lets an order be found by the id of a handoff that a peer gave, or that this site gave under the id of an
  // order that is lost. Its own it is found by without.
  absl::Status IndexHandoff(int64_t id, const std::string& handoff_id, bool is_new) {
    if (handoff_id.empty() || GivenOrder(identity_.hotline, handoff_id) == id) return absl::OkStatus();
    // A new order takes the place of one that is gone from this store, and is only made if there is none.
    if (!is_new) {
      absl::StatusOr<std::optional<int64_t>> known = reader_.FindIdByHandoff(handoff_id);
      if (!known.ok()) return known.status();
      if (known->has_value()) {
        return **known == id ? absl::OkStatus() : error::Internal("two orders have the same handoff");
      }
    }
    insert_handoff_->BindText(1, handoff_id);
    insert_handoff_->BindInt64(2, id);
    return Explain(insert_handoff_->Run());
  }

  // Lets a partner's order be found by its incident.
  absl::Status IndexPartner(int64_t id, const WorkOrder& order) {
    const std::optional<int64_t> parent = ParseOrderId(order.parent_id());
    if (!parent.has_value()) return absl::OkStatus();
    insert_partner_->BindInt64(1, *parent);
    insert_partner_->BindInt64(2, id);
    return Explain(insert_partner_->Run());
  }

  // Lets an order be found by its time of registration, if its id does not say that.
  absl::Status IndexEarly(int64_t id, const WorkOrder& order) {
    const int64_t registered = RegisteredAt(id, order.register_time());
    if (!IsEarly(id, registered)) return absl::OkStatus();
    return PutEarly(*delete_early_, *insert_early_, registered, id);
  }

  // An order that comes back from whom it was passed on to is found by the handoff that it once came by, too.
  absl::Status IndexLostInbound(int64_t id, const WorkOrder& order) {
    const std::string& lost = order.handoff().previous_handoff_id();
    if (lost.empty() || order.has_inbound() || order.handoff().from_hotline() != identity_.hotline) {
      return absl::OkStatus();
    }
    absl::StatusOr<std::optional<int64_t>> known = reader_.FindIdByHandoff(lost);
    if (!known.ok()) return known.status();
    return known->has_value() ? absl::OkStatus() : IndexHandoff(id, lost, /*is_new=*/true);
  }

  absl::Status IndexCaller(int64_t id, std::string_view caller_hash) {
    if (block_count_ < 0) {
      const sql::ScopedReset reset(last_block_.get());
      absl::StatusOr<bool> row = last_block_->Step();
      if (!row.ok()) return Explain(row.status());
      block_ = *row ? last_block_->Int64(0) : 0;
      block_count_ = *row ? last_block_->Int64(1) : kCallersPerBlock;
    }
    int64_t block = block_;
    if (id <= block_) {
      // A recovered order belongs among those of its time.
      const sql::ScopedReset reset(block_of_.get());
      block_of_->BindInt64(1, id);
      absl::StatusOr<bool> row = block_of_->Step();
      if (!row.ok()) return Explain(row.status());
      block = *row ? block_of_->Int64(0) : id;
    } else {
      if (block_count_ >= kCallersPerBlock) {
        block_ = id;
        block_count_ = 0;
      }
      ++block_count_;
      block = block_;
    }
    insert_caller_->BindInt64(1, block);
    insert_caller_->BindInt64(2, IndexedHash(caller_hash));
    insert_caller_->BindInt64(3, id);
    return Explain(insert_caller_->Run());
  }

  absl::Status AppendEnvelope(sql::Statement& insert, const LaneKey& key, const EnvelopeRow& row,
                              std::string_view content) {
    absl::StatusOr<int64_t> number = LinkNumber(key);
    if (!number.ok()) return number.status();
    const exchange::v1::Envelope& envelope = row.envelope;
    std::string_view body = envelope.body();
    bool joined = false;
    if (!content.empty()) {
      if (const std::string_view rest = OfferBodyWithoutContent(body, content); !rest.empty()) {
        body = rest;
        joined = true;
      }
    }
    insert.BindInt64(1, (*number << kSequenceBits) + envelope.sequence());
    insert.BindInt64(2, row.order_id);
    insert.BindInt64(3, envelope.kind());
    insert.BindText(4, envelope.handoff_id());
    insert.BindInt64(5, envelope.seen_sequence());
    insert.BindBlob(6, envelope.hash());
    insert.BindText(7, envelope.traceparent());
    insert.BindInt64(8, absl::ToUnixNanos(row.commit_time));
    insert.BindInt64(9, joined ? 1 : 0);
    insert.BindBlob(10, body);
    return Explain(insert.Run());
  }

  // Numbers the lane if it is new.
  absl::StatusOr<int64_t> LinkNumber(const LaneKey& key) {
    if (const auto it = link_numbers_by_key_.find(key); it != link_numbers_by_key_.end()) return it->second;
    int64_t largest = 0;
    {
      const sql::ScopedReset reset(link_numbers_.get());
      for (;;) {
        absl::StatusOr<bool> row = link_numbers_->Step();
        if (!row.ok()) return Explain(row.status());
        if (!*row) break;
        link_numbers_by_key_[{.peer = std::string(link_numbers_->Text(0)),
                              .lane = static_cast<exchange::v1::Lane>(link_numbers_->Int64(1))}] =
            link_numbers_->Int64(2);
        largest = std::max(largest, link_numbers_->Int64(2));
      }
    }
    if (const auto it = link_numbers_by_key_.find(key); it != link_numbers_by_key_.end()) return it->second;
    if (absl::Status status = WriteLink(LinkRow::New(key), largest + 1); !status.ok()) return status;
    link_numbers_by_key_[key] = largest + 1;
    return largest + 1;
  }

  absl::Status WriteLink(const LinkRow& link, int64_t number) {
    put_link_->BindText(1, link.key.peer);
    put_link_->BindInt64(2, link.key.lane);
    put_link_->BindInt64(3, number);
    put_link_->BindInt64(4, link.outgoing_sequence);
    put_link_->BindBlob(5, link.outgoing_hash);
    put_link_->BindInt64(6, link.acknowledged_sequence);
    put_link_->BindBlob(7, link.acknowledged_hash);
    put_link_->BindInt64(8, absl::ToUnixNanos(link.acknowledged_time));
    put_link_->BindInt64(9, link.incoming_sequence);
    put_link_->BindBlob(10, link.incoming_hash);
    put_link_->BindInt64(11, absl::ToUnixNanos(link.incoming_time));
    put_link_->BindInt64(12, link.replay_next);
    put_link_->BindInt64(13, link.replay_end);
    return Explain(put_link_->Run());
  }

  // What is remembered of a transaction that is not there.
  void Forget() {
    link_numbers_by_key_.clear();
    block_count_ = -1;
  }

  const std::unique_ptr<sql::Database> database_;
  const std::unique_ptr<sql::Connection> writer_;
  const Identity identity_;
  SqlReader reader_;
  std::unique_ptr<sql::Statement> insert_order_;
  std::unique_ptr<sql::Statement> insert_content_;
  std::unique_ptr<sql::Statement> insert_number_;
  std::unique_ptr<sql::Statement> insert_handoff_;
  std::unique_ptr<sql::Statement> put_shared_;
  std::unique_ptr<sql::Statement> insert_caller_;
  std::unique_ptr<sql::Statement> find_columns_;
  std::unique_ptr<sql::Statement> update_record_;
  std::unique_ptr<sql::Statement> update_state_;
  std::unique_ptr<sql::Statement> update_unit_;
  std::unique_ptr<sql::Statement> insert_event_;
  std::unique_ptr<sql::Statement> insert_outbox_;
  std::unique_ptr<sql::Statement> insert_inbox_;
  std::unique_ptr<sql::Statement> truncate_outbox_;
  std::unique_ptr<sql::Statement> put_batch_;
  std::unique_ptr<sql::Statement> put_receipt_;
  std::unique_ptr<sql::Statement> insert_request_;
  std::unique_ptr<sql::Statement> link_numbers_;
  std::unique_ptr<sql::Statement> put_link_;
  std::unique_ptr<sql::Statement> last_block_;
  std::unique_ptr<sql::Statement> block_of_;
  std::unique_ptr<sql::Statement> insert_hold_;
  std::unique_ptr<sql::Statement> delete_hold_;
  std::unique_ptr<sql::Statement> delete_content_;
  std::unique_ptr<sql::Statement> delete_caller_;
  std::unique_ptr<sql::Statement> delete_requests_;
  std::unique_ptr<sql::Statement> rewrite_event_;
  std::unique_ptr<sql::Statement> outbox_of_;
  std::unique_ptr<sql::Statement> inbox_of_;
  std::unique_ptr<sql::Statement> erase_outbox_;
  std::unique_ptr<sql::Statement> erase_inbox_;
  std::unique_ptr<sql::Statement> inbox_at_;
  std::unique_ptr<sql::Statement> insert_partner_;
  std::unique_ptr<sql::Statement> delete_early_;
  std::unique_ptr<sql::Statement> insert_early_;
  std::unique_ptr<sql::Statement> set_outbox_order_;
  std::string record_;                              // kept for its memory
  std::map<LaneKey, int64_t> link_numbers_by_key_;  // as far as known
  int64_t block_ = 0;                               // newest block of `caller`: its first order
  int64_t block_count_ = -1;                        // callers in it; -1: to be read
};

}  // namespace

bool IsStorable(std::string_view text) { return sql::IsText(text); }

std::string OfferBodyWithContent(std::string_view body, std::string_view content) {
  if (content.empty()) return std::string(body);
  const std::string head = ContentHead(content.size());
  std::string whole;
  whole.reserve(body.size() + head.size() + content.size());
  whole.append(body).append(head).append(content);
  return whole;
}

std::string_view OfferBodyWithoutContent(std::string_view whole, std::string_view content) {
  if (content.empty() || !whole.ends_with(content)) return {};
  whole.remove_suffix(content.size());
  const std::string head = ContentHead(content.size());
  if (!whole.ends_with(head)) return {};
  return whole.substr(0, whole.size() - head.size());
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  const std::filesystem::path directory(options.directory);
  std::error_code code;
  if (std::filesystem::create_directories(directory, code)) {
    // What callers said is in it.
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, code);
  }
  if (code)
    return error::StoreFailed(absl::StrCat("cannot create ", options.directory, ": ", code.message()));
  absl::StatusOr<std::unique_ptr<sql::Database>> database =
      sql::OpenSqlite({.path = (directory / "work_order.db").string(), .on_wait = options.on_wait});
  if (!database.ok()) return Explain(database.status());
  return OpenOn(*std::move(database), options.hotline, options.caller_key, options.on_remake);
}

absl::StatusOr<std::unique_ptr<Store>> Store::OpenOn(std::unique_ptr<sql::Database> database,
                                                     std::string_view hotline, std::string_view caller_key,
                                                     const std::function<void(bool done)>& on_remake) {
  absl::StatusOr<std::unique_ptr<sql::Connection>> writer = database->OpenWriter();
  if (!writer.ok()) return Explain(writer.status());
  absl::StatusOr<Identity> identity = Establish(*database, **writer, hotline, caller_key, on_remake);
  if (!identity.ok()) return identity.status();
  auto store = std::make_unique<SqlStore>(std::move(database), *std::move(writer), *std::move(identity));
  if (absl::Status status = store->Init(); !status.ok()) return status;
  return store;
}

}  // namespace hotline::work_order
