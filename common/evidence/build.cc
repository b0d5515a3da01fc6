#include "common/evidence/build.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/crypto/statement.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "hotline/evidence/v1/evidence.pb.h"

namespace hotline::evidence {
namespace {

using KeyNames = std::set<std::pair<std::string, std::string>>;

// A stretch of a lane.
struct Span {
  int64_t first = 0;
  int64_t last = 0;
};

// One lane on its way into the file.
class LaneBuilder {
 public:
  explicit LaneBuilder(const LanePart& part) : part_(part) {
    for (const EnvelopePart& envelope : part.envelopes) {
      by_sequence_[envelope.envelope.sequence()] = &envelope;
      if (envelope.of_this_order) own_.insert(envelope.envelope.sequence());
    }
  }

  bool empty() const { return own_.empty(); }

  void Write(v1::EvidenceLane* lane, KeyNames* keys) {
    lane->set_from_hotline(part_.from_hotline);
    lane->set_to_hotline(part_.to_hotline);
    lane->set_lane(part_.lane);
    std::set<int64_t> needed = own_;
    for (const exchange::v1::SignedBatch& batch : part_.batches) {
      exchange::v1::BatchStatement statement;
      if (!statement.ParseFromString(batch.statement())) continue;
      const Span span = {statement.first_sequence(), statement.last_sequence()};
      if (!Covers(span) || !Need(span, &needed)) continue;
      *lane->add_batches() = batch;
      keys->emplace(part_.from_hotline, batch.signature().key_id());
    }
    // Each receipt covers all from the lane's beginning, but the file needs it only for what no earlier one
    // covers.
    std::map<int64_t, const exchange::v1::LinkReceipt*> receipts;
    for (const exchange::v1::LinkReceipt& receipt : part_.receipts) {
      exchange::v1::ReceiptStatement statement;
      if (receipt.statement().empty() || !statement.ParseFromString(receipt.statement())) continue;
      receipts.emplace(statement.received_through(), &receipt);
    }
    int64_t covered = 0;
    for (const auto& [through, receipt] : receipts) {
      const Span span = {FirstOwn(covered + 1, through), through};
      if (span.first == 0 || !Need(span, &needed)) continue;
      covered = through;
      v1::EvidenceReceipt* const written = lane->add_receipts();
      written->set_statement(receipt->statement());
      *written->mutable_signature() = receipt->signature();
      keys->emplace(part_.to_hotline, receipt->signature().key_id());
    }
    for (const int64_t sequence : needed) {
      const exchange::v1::Envelope& envelope = by_sequence_.at(sequence)->envelope;
      v1::EvidenceLink* const link = lane->add_links();
      link->set_sequence(sequence);
      link->set_previous_hash(envelope.previous_hash());
      if (own_.contains(sequence)) {
        *link->mutable_envelope() = envelope;
        // A trace is for operators, not for a judge, and no hash covers it.
        link->mutable_envelope()->clear_traceparent();
      } else {
        const std::string& leaf = by_sequence_.at(sequence)->leaf;
        link->set_leaf(!leaf.empty() ? leaf
                                     : EnvelopeLeaf(envelope.kind(), envelope.seen_sequence(),
                                                    envelope.handoff_id(), envelope.body()));
      }
    }
  }

 private:
  // An envelope of the order lies in it.
  bool Covers(const Span& span) const {
    const auto it = own_.lower_bound(span.first);
    return it != own_.end() && *it <= span.last;
  }
  // The order's first envelope from `from` on from which no envelope up to `last` is missing; 0 if there is
  // none.
  int64_t FirstOwn(int64_t from, int64_t last) const {
    int64_t first = 0;
    for (int64_t at = last; at >= from && by_sequence_.contains(at); --at) {
      if (own_.contains(at)) first = at;
    }
    return first;
  }
  // Adds all of `span`, if all are there.
  bool Need(const Span& span, std::set<int64_t>* needed) const {
    for (int64_t at = span.first; at <= span.last; ++at) {
      if (!by_sequence_.contains(at)) return false;
    }
    for (int64_t at = span.first; at <= span.last; ++at) needed->insert(at);
    return true;
  }

  const LanePart& part_;
  std::map<int64_t, const EnvelopePart*> by_sequence_;
  std::set<int64_t> own_;
};

}  // namespace

absl::StatusOr<std::string> BuildEvidence(const EvidenceParts& parts, const crypto::KeyRing& keys,
                                          const crypto::Signer& signer) {
  v1::EvidenceBundle bundle;
  bundle.set_hotline(parts.hotline);
  bundle.set_order_id(parts.order_id);
  bundle.set_order_number(parts.order_number);
  *bundle.mutable_export_time() = ToTimestamp(parts.export_time);
  for (const EventPart& part : parts.events) {
    v1::EvidenceEvent* const event = bundle.add_events();
    event->set_sequence(part.sequence);
    event->set_event(part.bytes);
    event->set_previous_hash(part.previous_hash);
    event->set_hash(part.hash);
  }
  bundle.set_head_sequence(parts.head_sequence);
  bundle.set_head_hash(parts.head_hash);
  KeyNames used;
  for (const LanePart& part : parts.lanes) {
    LaneBuilder lane(part);
    if (!lane.empty()) lane.Write(bundle.add_lanes(), &used);
  }
  used.erase({parts.hotline, signer.key_id()});
  const auto add_key = [&](const std::string& party, const std::string& key_id,
                           const crypto::PublicKey& key) {
    v1::EvidenceKey* const written = bundle.add_keys();
    written->set_party(party);
    written->set_key_id(key_id);
    written->set_public_key(key.der());
  };
  add_key(parts.hotline, signer.key_id(), signer.public_key());
  for (const auto& [party, key_id] : used) {
    if (const crypto::PublicKey* key = keys.Find(party, key_id); key != nullptr) add_key(party, key_id, *key);
  }

  v1::SignedEvidence file;
  file.set_bundle(bundle.SerializeAsString());
  v1::EvidenceStatement statement;
  statement.set_format_version(1);
  statement.set_hotline(parts.hotline);
  statement.set_order_number(parts.order_number);
  statement.set_bundle_sha256(Sha256({file.bundle()}));
  *statement.mutable_export_time() = bundle.export_time();
  file.set_statement(statement.SerializeAsString());
  absl::StatusOr<type::v1::DigitalSignature> signature =
      crypto::SignStatement(signer, crypto::kEvidenceDomain, file.statement());
  if (!signature.ok()) return signature.status();
  *file.mutable_signature() = *std::move(signature);
  return file.SerializeAsString();
}

std::string EvidenceFileName(std::string_view order_number) { return StrCat(order_number, ".hev"); }

}  // namespace hotline::evidence
