#include "services/dispatch/notary.h"

#include <algorithm>
#include <utility>

#include "common/contract/proto_time.h"
#include "common/crypto/statement.h"
#include "common/error/error.h"

namespace hotline::dispatch {
namespace {

using exchange::v1::BatchStatement;
using exchange::v1::ReceiptStatement;

// Signed well, but not this.
absl::Status Contradicts(const std::string& party, const type::v1::DigitalSignature& signature) {
  return error::SignatureInvalid(party, signature.key_id(), "the signed statement says something else",
                                 "签名内容与所附数据不符");
}

}  // namespace

Notary::Notary(std::string hotline, crypto::SigningKeys own, crypto::KeyRing keys)
    : hotline_(std::move(hotline)), own_(std::move(own)), keys_(std::move(keys)) {}

absl::Status Notary::SignBatch(exchange::v1::DeliverRequest* request, absl::Time now) const {
  const crypto::Signer* const signer = own_.At(now);
  if (signer == nullptr || request->envelopes().empty()) return absl::OkStatus();
  const exchange::v1::Envelope& first = request->envelopes(0);
  const exchange::v1::Envelope& last = request->envelopes(request->envelopes_size() - 1);
  BatchStatement statement;
  statement.set_protocol_version(request->protocol_version());
  statement.set_from_hotline(request->from_hotline());
  statement.set_to_hotline(request->to_hotline());
  statement.set_lane(request->lane());
  statement.set_first_sequence(first.sequence());
  statement.set_last_sequence(last.sequence());
  statement.set_previous_hash(first.previous_hash());
  statement.set_head_hash(last.hash());
  *statement.mutable_send_time() = request->send_time();
  request->set_statement(statement.SerializeAsString());
  absl::StatusOr<type::v1::DigitalSignature> signature =
      crypto::SignStatement(*signer, crypto::kBatchDomain, request->statement());
  if (!signature.ok()) return signature.status();
  *request->mutable_signature() = *std::move(signature);
  return absl::OkStatus();
}

absl::Status Notary::CheckBatch(const exchange::v1::DeliverRequest& request, absl::Time now) const {
  if (!keys_.Knows(request.from_hotline()) || request.envelopes().empty()) return absl::OkStatus();
  if (absl::Status status = crypto::VerifyStatement(keys_, request.from_hotline(), crypto::kBatchDomain,
                                                    request.statement(), request.signature(), now);
      !status.ok()) {
    return status;
  }
  const exchange::v1::Envelope& first = request.envelopes(0);
  const exchange::v1::Envelope& last = request.envelopes(request.envelopes_size() - 1);
  BatchStatement statement;
  if (!statement.ParseFromString(request.statement()) ||
      statement.protocol_version() != request.protocol_version() ||
      statement.from_hotline() != request.from_hotline() || statement.to_hotline() != hotline_ ||
      LaneOf(statement.lane()) != LaneOf(request.lane()) || statement.first_sequence() != first.sequence() ||
      statement.last_sequence() != last.sequence() || statement.previous_hash() != first.previous_hash() ||
      statement.head_hash() != last.hash()) {
    return Contradicts(request.from_hotline(), request.signature());
  }
  return absl::OkStatus();
}

absl::Status Notary::SignReceipt(const std::string& to_hotline, exchange::v1::LinkReceipt* receipt,
                                 absl::Time now) const {
  const crypto::Signer* const signer = own_.At(now);
  if (signer == nullptr) return absl::OkStatus();
  ReceiptStatement statement;
  statement.set_protocol_version(kProtocolVersion);
  statement.set_from_hotline(hotline_);
  statement.set_to_hotline(to_hotline);
  statement.set_lane(LaneOf(receipt->lane()));
  statement.set_received_through(receipt->received_through());
  statement.set_head_hash(receipt->head_hash());
  if (receipt->has_receive_time()) *statement.mutable_receive_time() = receipt->receive_time();
  receipt->set_statement(statement.SerializeAsString());
  const LaneKey key{.peer = to_hotline, .lane = statement.lane()};
  {
    MutexLock lock(&mu_);
    const auto it = receipts_.find(key);
    if (it != receipts_.end() && it->second.statement == receipt->statement() &&
        it->second.signature.key_id() == signer->key_id()) {
      *receipt->mutable_signature() = it->second.signature;
      return absl::OkStatus();
    }
  }
  absl::StatusOr<type::v1::DigitalSignature> signature =
      crypto::SignStatement(*signer, crypto::kReceiptDomain, receipt->statement());
  if (!signature.ok()) return signature.status();
  *receipt->mutable_signature() = *std::move(signature);
  MutexLock lock(&mu_);
  receipts_[key] = {.statement = receipt->statement(), .signature = receipt->signature()};
  return absl::OkStatus();
}

absl::Status Notary::CheckReceipt(const std::string& peer, exchange::v1::Lane lane,
                                  const exchange::v1::LinkReceipt& receipt, absl::Time now) const {
  if (!keys_.Knows(peer)) return absl::OkStatus();
  if (absl::Status status = crypto::VerifyStatement(keys_, peer, crypto::kReceiptDomain, receipt.statement(),
                                                    receipt.signature(), now);
      !status.ok()) {
    return status;
  }
  ReceiptStatement statement;
  if (!statement.ParseFromString(receipt.statement()) || statement.protocol_version() != kProtocolVersion ||
      statement.from_hotline() != peer || statement.to_hotline() != hotline_ ||
      LaneOf(statement.lane()) != lane || statement.received_through() != receipt.received_through() ||
      statement.head_hash() != receipt.head_hash() ||
      FromTimestamp(statement.receive_time()) != FromTimestamp(receipt.receive_time())) {
    return Contradicts(peer, receipt.signature());
  }
  return absl::OkStatus();
}

bool Notary::IsByFormerKey(const std::string& peer, const exchange::v1::LinkReceipt& receipt,
                           absl::Time now) const {
  const type::v1::DigitalSignature& signature = receipt.signature();
  if (signature.value().empty()) return false;
  const crypto::PublicKey* const key = keys_.Find(peer, signature.key_id());
  if (key == nullptr) return true;
  return !keys_.Holds(peer, *key, now) &&
         key->Verify(crypto::kReceiptDomain, receipt.statement(), signature.value());
}

int Notary::CountProven(const std::string& peer, const exchange::v1::BackfillResponse& response) const {
  if (response.envelopes().empty()) return 0;
  const int64_t first = response.envelopes(0).sequence();
  int proven = 0;
  for (const exchange::v1::SignedBatch& batch : response.batches()) {
    BatchStatement statement;
    if (!statement.ParseFromString(batch.statement()) || statement.from_hotline() != hotline_ ||
        statement.to_hotline() != peer || statement.last_sequence() < first ||
        statement.last_sequence() >= first + response.envelopes_size()) {
      continue;
    }
    const int count = static_cast<int>(statement.last_sequence() - first) + 1;
    if (response.envelopes(count - 1).hash() != statement.head_hash() ||
        !crypto::VerifyStatement(keys_, hotline_, crypto::kBatchDomain, batch.statement(), batch.signature(),
                                 FromTimestamp(statement.send_time()))
             .ok()) {
      continue;
    }
    proven = std::max(proven, count);
  }
  return proven;
}

}  // namespace hotline::dispatch
