#include "services/work_order/evidence.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/evidence/verify.h"
#include "hotline/type/v1/event.pb.h"

namespace hotline::work_order {
namespace {

constexpr int kScanSlice = 256;
// A receipt further ahead than this is no proof worth its size.
constexpr int64_t kMaxStretch = 4096;

}  // namespace

EvidenceCollector::EvidenceCollector(Reader* reader, std::string hotline, int64_t id, absl::Time now)
    : reader_(reader), id_(id) {
  parts_.hotline = std::move(hotline);
  parts_.export_time = now;
}

absl::StatusOr<bool> EvidenceCollector::Step() {
  if (!begun_) {
    begun_ = true;
    if (absl::Status status = Begin(); !status.ok()) return status;
  } else if (lane_ < lanes_.size()) {
    absl::StatusOr<bool> complete = Scan(&lanes_[lane_]);
    if (!complete.ok()) return complete.status();
    if (*complete) {
      if (absl::Status status = Take(lanes_[lane_]); !status.ok()) return status;
      ++lane_;
    }
  }
  return lane_ >= lanes_.size();
}

absl::Status EvidenceCollector::Begin() {
  // Between two readings of the order that are alike: an envelope and its event come in one commit, so that
  // neither is found without the other.
  for (bool still = false; !still;) {
    absl::StatusOr<std::vector<LinkRow>> links = reader_->Links();
    if (!links.ok()) return links.status();
    links_ = *std::move(links);
    absl::StatusOr<std::optional<type::v1::WorkOrder>> order = reader_->FindOrder(id_);
    if (!order.ok()) return order.status();
    if (!order->has_value()) return error::OrderNotFound(FormatOrderId(id_));
    still = (*order)->last_event_sequence() == order_.last_event_sequence();
    order_ = **std::move(order);
  }
  parts_.order_id = order_.id();
  parts_.order_number = order_.number();
  if (absl::Status status = ReadEvents(order_.last_event_sequence()); !status.ok()) return status;
  absl::StatusOr<Heads> heads = reader_->ReadHeads();
  if (!heads.ok()) return heads.status();
  parts_.head_sequence = heads->event_sequence;
  parts_.head_hash = heads->event_hash;

  std::set<std::string> peers;
  std::set<int64_t> stored_with = {0, id_};
  const auto add = [&](const type::v1::Handoff& handoff) {
    handoff_ids_.insert(handoff.id());
    const bool given = handoff.from_hotline() == parts_.hotline;
    peers.insert(given ? handoff.to_hotline() : handoff.from_hotline());
    // Named in it as `<giver>-<order id>-<attempt>`: another one if that is lost, see
    // Store::IndexLostHandoff.
    if (given && handoff.id().size() > parts_.hotline.size()) {
      const std::string_view named = std::string_view(handoff.id()).substr(parts_.hotline.size() + 1, 13);
      stored_with.insert(ParseOrderId(named).value_or(0));
    }
  };
  if (order_.has_handoff()) add(order_.handoff());
  if (order_.has_inbound()) add(order_.inbound());
  for (const type::v1::Handoff& handoff : order_.past_handoffs()) add(handoff);
  stored_with_.assign(stored_with.begin(), stored_with.end());
  for (const std::string& peer : peers) {
    for (const bool incoming : {false, true}) {
      lanes_.push_back({.key = {.peer = peer, .lane = LaneFor(order_.urgency())}, .incoming = incoming});
    }
  }
  return absl::OkStatus();
}

absl::Status EvidenceCollector::ReadEvents(int64_t last_sequence) {
  size_t bytes = 0;
  for (int64_t sequence = last_sequence; sequence > 0;) {
    // With the one before, whose hash it continues.
    absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(std::max<int64_t>(1, sequence - 1), 2);
    if (!rows.ok()) return rows.status();
    const size_t at = sequence == 1 ? 0 : 1;
    type::v1::Event event;
    if (rows->size() <= at || (*rows)[at].sequence != sequence || !event.ParseFromString((*rows)[at].bytes) ||
        event.previous_order_sequence() >= sequence) {
      return error::Internal(StrCat("event ", sequence, " cannot be read"));
    }
    bytes += (*rows)[at].bytes.size();
    if (bytes > evidence::kMaxEvidenceBytes) return error::EvidenceTooLarge(evidence::kMaxEvidenceBytes);
    parts_.events.push_back({.sequence = sequence,
                             .bytes = std::move((*rows)[at].bytes),
                             .previous_hash = at == 0 ? ChainStart() : std::move((*rows)[0].hash),
                             .hash = std::move((*rows)[at].hash)});
    sequence = event.previous_order_sequence();
  }
  std::reverse(parts_.events.begin(), parts_.events.end());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<EnvelopeRow>> EvidenceCollector::Read(const Lane& lane, int64_t after, int limit) {
  return lane.incoming ? reader_->ReadInbox(lane.key, after, limit)
                       : reader_->ReadOutbox(lane.key, after, limit);
}

int64_t EvidenceCollector::EndOf(const Lane& lane) const {
  for (const LinkRow& link : links_) {
    if (link.key == lane.key) return lane.incoming ? link.incoming_sequence : link.outgoing_sequence;
  }
  return 0;
}

absl::StatusOr<bool> EvidenceCollector::Scan(Lane* lane) {
  const int64_t order_id = stored_with_[lane->stored_with];
  absl::StatusOr<std::vector<std::pair<int64_t, std::string>>> envelopes =
      reader_->FindEnvelopes(lane->key, lane->incoming, order_id, lane->after, kScanSlice);
  if (!envelopes.ok()) return envelopes.status();
  for (const auto& [sequence, handoff_id] : *envelopes) {
    lane->after = sequence;
    if (sequence > EndOf(*lane)) break;
    if (order_id == id_ || handoff_ids_.contains(handoff_id)) lane->found.push_back(sequence);
  }
  if (envelopes->size() == kScanSlice && lane->after <= EndOf(*lane)) return false;
  lane->after = 0;
  if (++lane->stored_with < stored_with_.size()) return false;
  std::sort(lane->found.begin(), lane->found.end());
  return true;
}

absl::Status EvidenceCollector::Take(const Lane& lane) {
  evidence::LanePart part;
  part.from_hotline = lane.incoming ? lane.key.peer : parts_.hotline;
  part.to_hotline = lane.incoming ? parts_.hotline : lane.key.peer;
  part.lane = lane.key.lane;
  std::map<int64_t, evidence::EnvelopePart> envelopes;
  // All of [first, last].
  const auto take = [&](int64_t first, int64_t last) -> absl::Status {
    while (first <= last && envelopes.contains(first)) ++first;
    if (first > last) return absl::OkStatus();
    absl::StatusOr<std::vector<EnvelopeRow>> rows = Read(lane, first - 1, static_cast<int>(last - first + 1));
    if (!rows.ok()) return rows.status();
    for (EnvelopeRow& row : *rows) {
      const int64_t sequence = row.envelope.sequence();
      const bool own = std::binary_search(lane.found.begin(), lane.found.end(), sequence);
      envelopes.try_emplace(sequence,
                            evidence::EnvelopePart{std::move(row.envelope), own, std::move(row.erased_leaf)});
    }
    return absl::OkStatus();
  };
  int64_t proven = 0;  // up to here
  for (const int64_t sequence : lane.found) {
    if (absl::Status status = take(sequence, sequence); !status.ok()) return status;
    if (sequence <= proven) continue;
    if (lane.incoming) {
      absl::StatusOr<std::vector<exchange::v1::SignedBatch>> batches =
          reader_->ReadBatches(lane.key, sequence, sequence);
      if (!batches.ok()) return batches.status();
      for (exchange::v1::SignedBatch& batch : *batches) {
        exchange::v1::BatchStatement statement;
        if (!statement.ParseFromString(batch.statement()) ||
            statement.last_sequence() - statement.first_sequence() >= kMaxStretch) {
          continue;
        }
        if (absl::Status status = take(statement.first_sequence(), statement.last_sequence()); !status.ok()) {
          return status;
        }
        proven = std::max(proven, statement.last_sequence());
        part.batches.push_back(std::move(batch));
      }
    } else {
      absl::StatusOr<std::optional<exchange::v1::LinkReceipt>> receipt =
          reader_->FindReceipt(lane.key, sequence);
      if (!receipt.ok()) return receipt.status();
      if (!receipt->has_value() || (*receipt)->received_through() - sequence >= kMaxStretch) continue;
      if (absl::Status status = take(sequence, (*receipt)->received_through()); !status.ok()) return status;
      proven = (*receipt)->received_through();
      part.receipts.push_back(**std::move(receipt));
    }
  }
  for (auto& [sequence, envelope] : envelopes) part.envelopes.push_back(std::move(envelope));
  parts_.lanes.push_back(std::move(part));
  return absl::OkStatus();
}

}  // namespace hotline::work_order
