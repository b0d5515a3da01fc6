#include "common/retention/erase.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "common/base/sha256.h"
#include "common/exchange/chain.h"
#include "google/protobuf/descriptor.h"
#include "hotline/type/v1/event.pb.h"

namespace hotline::retention {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using std::string_view_literals::operator""sv;

// Codes, numbers, ids, accounts, versions, references of documents, digests under a salt that is gone, and
// views, which are made of such. Sorted.
constexpr std::array kKept = {"account"sv,
                              "accused_units"sv,
                              "acting_hotline"sv,
                              "agreed_hotline"sv,
                              "assist_unit"sv,
                              "assist_units"sv,
                              "belongs_to"sv,
                              "by_hotline"sv,
                              "calendar_version"sv,
                              "channel"sv,
                              "code"sv,
                              "content_digest"sv,
                              "duty_party"sv,
                              "erased_view"sv,
                              "first_received_by"sv,
                              "from_hotline"sv,
                              "from_number"sv,
                              "handler"sv,
                              "handoff_id"sv,
                              "holder"sv,
                              "hotline"sv,
                              "id"sv,
                              "inbound_view"sv,
                              "into_order_id"sv,
                              "item"sv,
                              "lead_unit"sv,
                              "legal_basis"sv,
                              "number"sv,
                              "onward_handoff_id"sv,
                              "onward_hotline"sv,
                              "order_id"sv,
                              "order_number"sv,
                              "origin_handoff_id"sv,
                              "origin_hotline"sv,
                              "parent_id"sv,
                              "parent_number"sv,
                              "person_id"sv,
                              "policy_version"sv,
                              "previous_handoff_id"sv,
                              "proposed_hotline"sv,
                              "proposed_item"sv,
                              "proposed_unit"sv,
                              "recused_assists"sv,
                              "recused_lead"sv,
                              "recused_units"sv,
                              "reference"sv,
                              "registered_by"sv,
                              "request_id"sv,
                              "returned_by_unit"sv,
                              "rewritten_digest"sv,
                              "role"sv,
                              "ruled_by"sv,
                              "ruled_for"sv,
                              "ruled_unit"sv,
                              "seat"sv,
                              "spoken_code"sv,
                              "tags"sv,
                              "to_hotline"sv,
                              "to_hotlines"sv,
                              "to_number"sv,
                              "township_code"sv,
                              "traceparent"sv,
                              "unanswered_numbers"sv,
                              "unit"sv,
                              "units"sv,
                              "version"sv,
                              "wanted_unit"sv};

// Sorted.
constexpr std::array kErased = {
    "agreed_by"sv,        "agreement_reason"sv, "approved_by"sv,   "asked_of"sv,       "caller_hash"sv,
    "content_salt"sv,     "ground"sv,           "guidance"sv,      "internal_reply"sv, "note"sv,
    "public_reply"sv,     "reason"sv,           "recall_reason"sv, "spoken_with"sv,    "title"sv,
    "unresolved_reason"sv};

template <size_t kSize>
bool Has(const std::array<std::string_view, kSize>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsText(const FieldDescriptor& field) { return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING; }

}  // namespace

Fate FateOf(std::string_view field_name) {
  if (Has(kKept, field_name)) return Fate::kKept;
  return Has(kErased, field_name) ? Fate::kErased : Fate::kUnlisted;
}

bool EraseTexts(Message* message) {
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  // What a later release wrote cannot be told apart.
  bool any = !reflection.GetUnknownFields(*message).empty();
  reflection.MutableUnknownFields(message)->Clear();
  for (const FieldDescriptor* field : fields) {
    if (IsText(*field)) {
      if (FateOf(field->name()) == Fate::kKept) continue;
      reflection.ClearField(message, field);
      any = true;
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        any |= EraseTexts(reflection.MutableMessage(message, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
        any |= EraseTexts(reflection.MutableRepeatedMessage(message, field, i));
      }
    }
  }
  return any;
}

std::optional<std::string> EventWithoutTexts(std::string_view event_bytes) {
  type::v1::Event event;
  if (!event.ParseFromArray(event_bytes.data(), static_cast<int>(event_bytes.size()))) return std::nullopt;
  if (!EraseTexts(&event)) return std::nullopt;
  return event.SerializeAsString();
}

void Attestation::Add(int64_t sequence, std::string_view previous_hash, std::string_view hash,
                      std::string_view bytes) {
  if (count_ == 0) digest_ = ChainStart();
  ++count_;
  digest_ = Sha256({digest_, BigEndian64(static_cast<uint64_t>(sequence)), previous_hash, hash, bytes});
}

void Attestation::Write(type::v1::Erasure* erasure) const {
  erasure->set_rewritten_event_count(count_);
  erasure->set_rewritten_digest(digest_);
}

bool Attestation::Is(const type::v1::Erasure& erasure) const {
  return erasure.rewritten_event_count() == count_ && erasure.rewritten_digest() == digest_;
}

absl::StatusOr<bool> ErasureCheck::Attests(const std::string& order_id, int64_t sequence) {
  auto known = known_.find(order_id);
  if (known == known_.end()) {
    absl::StatusOr<std::set<int64_t>> attested = Look(order_id);
    if (!attested.ok()) return attested.status();
    known = known_.emplace(order_id, *std::move(attested)).first;
  }
  // An altered event may say that it is another order's.
  return known->second.contains(sequence);
}

absl::StatusOr<std::set<int64_t>> ErasureCheck::Look(const std::string& order_id) const {
  using Sequences = std::set<int64_t>;
  absl::StatusOr<int64_t> last = last_(order_id);
  if (!last.ok()) return last.status();
  std::vector<StoredEvent> rewritten;  // the latest first
  std::optional<type::v1::Erasure> erasure;
  for (int64_t sequence = *last; sequence > 0;) {
    absl::StatusOr<std::optional<StoredEvent>> stored = read_(sequence);
    if (!stored.ok()) return stored.status();
    type::v1::Event event;
    if (!stored->has_value() || !event.ParseFromString((*stored)->bytes) || event.order_id() != order_id ||
        event.previous_order_sequence() >= sequence) {
      return Sequences();
    }
    const bool intact = EventHash((*stored)->previous_hash, (*stored)->bytes) == (*stored)->hash;
    if (!erasure.has_value()) {
      // Nothing attests what came after it.
      if (!intact) return Sequences();
      if (event.has_erased()) erasure = event.erased();
    } else if (!intact) {
      rewritten.push_back(*std::move(*stored));
    }
    sequence = event.previous_order_sequence();
  }
  if (!erasure.has_value()) return Sequences();
  Attestation attestation;
  Sequences sequences;
  for (auto event = rewritten.rbegin(); event != rewritten.rend(); ++event) {
    attestation.Add(event->sequence, event->previous_hash, event->hash, event->bytes);
    sequences.insert(event->sequence);
  }
  return attestation.Is(*erasure) ? sequences : Sequences();
}

}  // namespace hotline::retention
