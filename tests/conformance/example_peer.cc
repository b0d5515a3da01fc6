#include "tests/conformance/example_peer.h"

#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/id.h"
#include "common/base/sha256.h"

namespace hotline::conformance {
namespace {

using exchange::v1::Envelope;
using exchange::v1::LANE_EMERGENCY;
using exchange::v1::LANE_ORDINARY;
using grpc::StatusCode;

constexpr size_t kMaxBody = 256 << 10;
constexpr size_t kMaxHandoffId = 128;
constexpr int kMaxMessage = 5 << 20;
constexpr int64_t kMaxEpoch = int64_t{1} << 40;
constexpr int64_t kAllIds = std::numeric_limits<int64_t>::max();

void AddTo(std::string* sum, const std::string& digest) {
  int carry = 0;
  for (size_t i = 32; i-- > 0;) {
    const int byte = static_cast<unsigned char>((*sum)[i]) + static_cast<unsigned char>(digest[i]) + carry;
    (*sum)[i] = static_cast<char>(byte & 0xff);
    carry = byte >> 8;
  }
}

}  // namespace

ExamplePeer::ExamplePeer(ExampleOptions options) : options_(std::move(options)) {
  {
    MutexLock lock(&mu_);
    for (const auto lane : {LANE_ORDINARY, LANE_EMERGENCY}) {
      stored_.lanes[lane].head = StartOf(lane);
      stored_.lanes[lane].time = absl::Now();
    }
  }
  Start();
}

ExamplePeer::~ExamplePeer() { Stop(); }

void ExamplePeer::Start() {
  {
    MutexLock lock(&mu_);
    stopping_ = false;
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  // A full batch is larger than what gRPC takes unless told.
  if (!Has(Defect::kTakesSmallMessages)) builder.SetMaxReceiveMessageSize(kMaxMessage);
  server_ = builder.BuildAndStart();
  port_ = port;
  sender_ = std::thread([this] { SendUntilStopped(); });
}

void ExamplePeer::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::time_point());
  if (sender_.joinable()) sender_.join();
  server_.reset();
}

absl::Status ExamplePeer::Restart() {
  Stop();
  {
    MutexLock lock(&mu_);
    late_.clear();
    if (Has(Defect::kForgetsCursor)) {
      for (auto& [name, lane] : stored_.lanes) {
        lane.cursor = 0;
        lane.head = StartOf(name);
      }
    }
  }
  Start();
  return server_ == nullptr ? absl::UnavailableError("cannot listen again") : absl::OkStatus();
}

// ---- The receiving side

grpc::Status ExamplePeer::CheckCaller(int version, const std::string& from, const std::string& to) const {
  // With TLS: also that the caller's certificate names `from`.
  if (from != options_.peer || to != options_.hotline) {
    return Refuse(StatusCode::PERMISSION_DENIED, "PEER_UNKNOWN", "not a link of this platform");
  }
  if (version != 1 && !Has(Defect::kTakesAnyVersion)) {
    return Refuse(StatusCode::FAILED_PRECONDITION, "PROTOCOL_VERSION_UNSUPPORTED",
                  absl::StrCat("version ", version, " is not spoken here"), {{"supported", "1"}});
  }
  return grpc::Status::OK;
}

grpc::Status ExamplePeer::CheckSignature(const exchange::v1::DeliverRequest& request) const {
  if (!options_.peer_key.has_value() || request.envelopes().empty() || Has(Defect::kIgnoresSignature)) {
    return grpc::Status::OK;
  }
  if (request.statement().empty() || !request.has_signature()) {
    return Refuse(StatusCode::FAILED_PRECONDITION, "SIGNATURE_MISSING", "batches from you must be signed");
  }
  std::string fault = FaultOfBatch(*options_.peer_key, request);
  if (Has(Defect::kTakesAnyAlgorithm)) {
    exchange::v1::DeliverRequest other = request;
    other.mutable_signature()->set_algorithm(type::v1::SIGNATURE_ALGORITHM_ED25519);
    fault = FaultOfBatch(*options_.peer_key, other);
  }
  if (fault.empty()) return grpc::Status::OK;
  return Refuse(StatusCode::FAILED_PRECONDITION, "SIGNATURE_INVALID", fault);
}

exchange::v1::LinkReceipt ExamplePeer::ReceiptOf(exchange::v1::Lane name) {
  const Lane& lane = stored_.lanes[name];
  exchange::v1::LinkReceipt receipt;
  receipt.set_lane(name);
  receipt.set_received_through(lane.cursor);
  receipt.set_head_hash(lane.head);
  if (lane.cursor > 0 && !Has(Defect::kReceiptWithoutTime)) {
    SetTime(lane.time, receipt.mutable_receive_time());
  }
  return receipt;
}

void ExamplePeer::Sign(exchange::v1::LinkReceipt* receipt) const {
  if (!options_.key.has_value() || Has(Defect::kSignsNothing)) return;
  SignReceipt(*options_.key, options_.hotline, options_.peer, receipt);
}

grpc::Status ExamplePeer::Deliver(grpc::ServerContext*, const exchange::v1::DeliverRequest* request,
                                  exchange::v1::DeliverResponse* response) {
  SetTime(absl::Now(), response->mutable_arrive_time());
  if (auto status = CheckCaller(request->protocol_version(), request->from_hotline(), request->to_hotline());
      !status.ok()) {
    return status;
  }
  exchange::v1::DeliverRequest batch = *request;
  if (batch.lane() == exchange::v1::LANE_UNSPECIFIED) batch.set_lane(LANE_ORDINARY);
  if (batch.lane() != LANE_ORDINARY && batch.lane() != LANE_EMERGENCY) {
    return Refuse(StatusCode::INVALID_ARGUMENT, "ENUM_INVALID", "there is no such lane");
  }
  if (batch.envelopes_size() > kMaxEnvelopes && !Has(Defect::kTakesAnyBatchSize)) {
    return Refuse(StatusCode::INVALID_ARGUMENT, "BATCH_TOO_LARGE", "more than 512 envelopes");
  }
  if (Has(Defect::kRefusesForClock) &&
      absl::AbsDuration(TimeOf(batch.send_time()) - absl::Now()) > absl::Hours(1)) {
    return Refuse(StatusCode::INVALID_ARGUMENT, "TIME_INVALID", "your clock is wrong");
  }
  if (auto status = CheckSignature(batch); !status.ok()) return status;

  MutexLock lock(&mu_);
  ApplyLate();
  if (Has(Defect::kAcknowledgesBeforeApplying) && batch.envelopes_size() == 1 &&
      batch.envelopes(0).sequence() == stored_.lanes[batch.lane()].cursor + 1 &&
      Continues(stored_.lanes[batch.lane()].head, batch.envelopes(0))) {
    late_.push_back(batch);
    *response->mutable_receipt() = ReceiptOf(batch.lane());
    response->mutable_receipt()->set_received_through(batch.envelopes(0).sequence());
    response->mutable_receipt()->set_head_hash(batch.envelopes(0).hash());
    SetTime(absl::Now(), response->mutable_receipt()->mutable_receive_time());
  } else {
    if (auto status = Take(batch); !status.ok()) return status;
    *response->mutable_receipt() = ReceiptOf(batch.lane());
  }
  exchange::v1::LinkReceipt* receipt = response->mutable_receipt();
  if (Has(Defect::kReceiptAhead)) {
    receipt->set_received_through(receipt->received_through() + 1);
    SetTime(absl::Now(), receipt->mutable_receive_time());
  }
  if (Has(Defect::kReceiptWithWrongHash)) receipt->set_head_hash(std::string(32, '?'));
  Sign(receipt);
  SetTime(absl::Now(), response->mutable_answer_time());
  return grpc::Status::OK;
}

void ExamplePeer::ApplyLate() {
  for (const exchange::v1::DeliverRequest& late : std::exchange(late_, {})) Take(late);
}

// The heart of the receiver: strictly in sequence, each once, cursor and effect together.
grpc::Status ExamplePeer::Take(const exchange::v1::DeliverRequest& batch) {
  Lane& lane = stored_.lanes[batch.lane()];
  const auto forked = [&](int64_t sequence) {
    return Refuse(StatusCode::DATA_LOSS, "LINK_FORKED",
                  absl::StrCat("#", sequence, " does not continue the chain"),
                  {{"peer", options_.peer}, {"sequence", absl::StrCat(sequence)}});
  };
  for (const Envelope& envelope : batch.envelopes()) {
    if (envelope.sequence() <= lane.cursor) {
      // Sent again because our answer was lost.
      if (envelope.sequence() == lane.cursor && envelope.hash() != lane.head && !Has(Defect::kAcceptsFork)) {
        return forked(envelope.sequence());
      }
      if (Has(Defect::kRefusesRepeats)) {
        return Refuse(StatusCode::ALREADY_EXISTS, "FIELD_INVALID", "had that one already");
      }
      if (Has(Defect::kAppliesRepeats)) Apply(batch.lane(), envelope);
      continue;
    }
    if (envelope.sequence() != lane.cursor + 1) {
      if (!Has(Defect::kAcceptsGap)) break;
    } else if (Has(Defect::kAcceptsWrongHash)) {
      if (envelope.previous_hash() != lane.head) return forked(envelope.sequence());
    } else if (!Continues(lane.head, envelope) && !Has(Defect::kIgnoresChain)) {
      return forked(envelope.sequence());
    }
    if (Has(Defect::kStopsAtBadOffer) && envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER) {
      exchange::v1::OfferBody body;
      if (envelope.body().size() > kMaxBody || !body.ParseFromString(envelope.body()) ||
          CheckOffer(batch.lane(), envelope, body).has_value()) {
        return Refuse(StatusCode::INVALID_ARGUMENT, "FIELD_INVALID", "a bad offer");
      }
    }
    // One transaction from here …
    lane.cursor = envelope.sequence();
    Apply(batch.lane(), envelope);
    lane.head = envelope.hash();
    lane.time = absl::Now();
    lane.inbox.push_back(envelope);
    // … to here.
  }
  if (batch.has_signature()) {
    exchange::v1::SignedBatch proof;
    proof.set_statement(batch.statement());
    *proof.mutable_signature() = batch.signature();
    lane.batches.push_back(std::move(proof));
  }
  changed_.NotifyAll();
  return grpc::Status::OK;
}

grpc::Status ExamplePeer::GetLink(grpc::ServerContext*, const exchange::v1::GetLinkRequest* request,
                                  exchange::v1::GetLinkResponse* response) {
  int version = VersionFor(*request);
  if (Has(Defect::kOverlooksVersionList) && request->protocol_version() == 1) version = 1;
  if (auto status = CheckCaller(version, request->from_hotline(), request->to_hotline()); !status.ok()) {
    return status;
  }
  MutexLock lock(&mu_);
  ApplyLate();
  response->set_protocol_version(1);
  response->add_supported_versions(1);
  response->add_capabilities("backfill");
  response->add_capabilities("reconcile");
  if (options_.key.has_value()) response->add_capabilities(options_.key->algorithm());
  for (const auto& [name, lane] : stored_.lanes) {
    auto* position = response->add_lanes();
    position->set_lane(name);
    *position->mutable_incoming() = ReceiptOf(name);
    if (!Has(Defect::kSignsNoPosition)) Sign(position->mutable_incoming());
    if (!Has(Defect::kTellsNothingOutgoing)) {
      position->set_outgoing_sequence(static_cast<int64_t>(lane.outbox.size()));
    }
  }
  exchange::v1::LinkReceipt* incoming = response->mutable_incoming();
  *incoming = response->lanes(0).incoming();
  if (Has(Defect::kStaleIncoming)) {
    incoming->set_received_through(0);
    incoming->set_head_hash(StartOf(LANE_ORDINARY));
    Sign(incoming);
  }
  if (!Has(Defect::kOutgoingNotRepeated)) {
    response->set_outgoing_sequence(response->lanes(0).outgoing_sequence());
  }
  return grpc::Status::OK;
}

grpc::Status ExamplePeer::Backfill(grpc::ServerContext*, const exchange::v1::BackfillRequest* request,
                                   exchange::v1::BackfillResponse* response) {
  if (auto status = CheckCaller(request->protocol_version(), request->from_hotline(), request->to_hotline());
      !status.ok()) {
    return status;
  }
  MutexLock lock(&mu_);
  const auto found = stored_.lanes.find(request->lane());
  if (found == stored_.lanes.end()) {
    return Refuse(StatusCode::INVALID_ARGUMENT, "ENUM_INVALID", "there is no such lane");
  }
  if ((request->limit() < 1 || request->limit() > kMaxEnvelopes) && !Has(Defect::kTakesAnyLimit)) {
    return Refuse(StatusCode::INVALID_ARGUMENT, "BATCH_TOO_LARGE", "limit must be 1 to 512");
  }
  const Lane& lane = found->second;
  if (request->after_sequence() < 0 || request->after_sequence() > lane.cursor) {
    return Refuse(StatusCode::OUT_OF_RANGE, "SEQUENCE_OUT_OF_RANGE", "that lies beyond the cursor");
  }
  int64_t last = request->after_sequence();
  for (const Envelope& envelope : lane.inbox) {
    if (envelope.sequence() <= last) continue;
    if (response->envelopes_size() == request->limit()) break;
    *response->add_envelopes() = envelope;
    last = envelope.sequence();
  }
  for (const exchange::v1::SignedBatch& batch : lane.batches) {
    exchange::v1::BatchStatement statement;
    if (statement.ParseFromString(batch.statement()) &&
        statement.last_sequence() > request->after_sequence() && statement.first_sequence() <= last) {
      *response->add_batches() = batch;
    }
  }
  return grpc::Status::OK;
}

grpc::Status ExamplePeer::Reconcile(grpc::ServerContext*, const exchange::v1::ReconcileRequest* request,
                                    exchange::v1::ReconcileResponse* response) {
  if (auto status = CheckCaller(request->protocol_version(), request->from_hotline(), request->to_hotline());
      !status.ok()) {
    return status;
  }
  if (request->ranges_size() > 256) {
    return Refuse(StatusCode::INVALID_ARGUMENT, "BATCH_TOO_LARGE", "more than 256 ranges");
  }
  MutexLock lock(&mu_);
  for (const exchange::v1::DigestRange& range : request->ranges()) {
    const int64_t first = range.first_order_id(), last = range.last_order_id();
    const bool all = first == 0 && last == kAllIds;
    bool aligned = all;
    for (int bits = 5; bits <= 60 && !aligned; bits += 5) {
      aligned = first >= 0 && last - first == (int64_t{1} << bits) - 1 && (first >> bits) << bits == first;
    }
    if (!aligned) return Refuse(StatusCode::INVALID_ARGUMENT, "FIELD_INVALID", "a range that is not aligned");
    exchange::v1::RangeAnswer* answer = response->add_answers();
    answer->mutable_whole()->set_digest(std::string(32, '\0'));
    *answer->mutable_whole()->mutable_range() = range;
    const int64_t part_length = all ? int64_t{1} << 60 : (last - first + 1) / 32;
    std::map<int64_t, exchange::v1::RangeDigest> parts;
    for (const auto& [handoff_id, order] : stored_.orders) {
      if (order.handoff.from_hotline() != range.giver()) continue;
      const std::string number = handoff_id.substr(range.giver().size() + 1, 13);
      const int64_t id = ParseOrderId(number).value_or(-1);
      if (id < first || id > last) continue;
      exchange::v1::SharedItem* item = answer->add_items();
      item->set_handoff_id(handoff_id);
      item->set_view(handoff_id);
      item->set_digest(Sha256({item->view()}));
      exchange::v1::RangeDigest& part = parts[(id - first) / part_length];
      if (part.count() == 0) {
        part.mutable_range()->set_giver(range.giver());
        part.mutable_range()->set_first_order_id(first + (id - first) / part_length * part_length);
        part.mutable_range()->set_last_order_id(part.range().first_order_id() + (part_length - 1));
        part.set_digest(std::string(32, '\0'));
      }
      for (exchange::v1::RangeDigest* digest : {&part, answer->mutable_whole()}) {
        digest->set_count(digest->count() + 1);
        AddTo(digest->mutable_digest(), item->digest());
      }
    }
    if (answer->items_size() <= 256) continue;
    answer->clear_items();
    for (auto& [place, part] : parts) *answer->add_parts() = std::move(part);
  }
  return grpc::Status::OK;
}

// ---- What envelopes do

void ExamplePeer::Apply(exchange::v1::Lane lane, const Envelope& envelope) {
  const std::optional<Fault> fault = TryApply(lane, envelope);
  if (!fault.has_value()) return;
  // Never an answer to an answer of this kind, or two sites send them to and fro for ever.
  if (envelope.kind() == exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD && !Has(Defect::kAnswersNotUnderstood)) {
    return;
  }
  exchange::v1::NotUnderstoodBody answer;
  answer.set_reason(fault->reason);
  answer.set_field(fault->field);
  answer.set_message(fault->message);
  answer.set_sequence(envelope.sequence());
  answer.set_kind(envelope.kind());
  // No handoff has a longer id, but what is wrong with an envelope may be just that.
  Owe(lane, exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, envelope.handoff_id().substr(0, kMaxHandoffId),
      answer);
}

std::optional<ExamplePeer::Fault> ExamplePeer::TryApply(exchange::v1::Lane lane, const Envelope& envelope) {
  if (envelope.body().size() > kMaxBody) return Fault{"FIELD_INVALID", "body", "is larger than 256 KiB"};
  const Fault unreadable = {"FIELD_INVALID", "body", "cannot be read"};
  if (envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER) return TakeOffer(lane, envelope);
  const auto found = stored_.orders.find(envelope.handoff_id());
  if (found == stored_.orders.end()) return Fault{"ORDER_NOT_FOUND", "", "no such handoff"};
  Order& order = found->second;
  const bool gave = order.handoff.from_hotline() == options_.hotline;
  switch (envelope.kind()) {
    case exchange::v1::ENVELOPE_KIND_UNDERSTOOD: {
      exchange::v1::UnderstoodBody body;
      if (!body.ParseFromString(envelope.body())) return unreadable;
      if (!gave || order.state != type::v1::ORDER_STATE_OFFERED) return std::nullopt;
      order.state = type::v1::ORDER_STATE_UNDERSTOOD;
      order.handoff.set_to_number(body.to_number());
      return std::nullopt;
    }
    case exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD:
      if (gave) order.state = type::v1::ORDER_STATE_RETURNED;
      return std::nullopt;
    case exchange::v1::ENVELOPE_KIND_RECALL: {
      exchange::v1::RecallBody body;
      if (!body.ParseFromString(envelope.body())) return unreadable;
      if (order.state != type::v1::ORDER_STATE_UNDERSTOOD) {
        exchange::v1::RecallRefusedBody refused;
        refused.set_state(order.state);
        Owe(order.lane, exchange::v1::ENVELOPE_KIND_RECALL_REFUSED, order.handoff.id(), refused);
        return std::nullopt;
      }
      order.state = type::v1::ORDER_STATE_RECALLED;
      SetTime(absl::Now(), order.handoff.mutable_end_time());
      OweMirror(order);
      return std::nullopt;
    }
    case exchange::v1::ENVELOPE_KIND_MIRROR: {
      exchange::v1::MirrorBody body;
      if (!body.ParseFromString(envelope.body())) return unreadable;
      return TakeMirror(order, body);
    }
    case exchange::v1::ENVELOPE_KIND_RECALL_REFUSED:
      return std::nullopt;  // the mirror that went before it told the state
    default:
      return Fault{"ENUM_INVALID", "kind", "a kind that this version does not know"};
  }
}

std::optional<ExamplePeer::Fault> ExamplePeer::TakeOffer(exchange::v1::Lane lane, const Envelope& envelope) {
  exchange::v1::OfferBody body;
  if (!body.ParseFromString(envelope.body())) return Fault{"FIELD_INVALID", "body", "cannot be read"};
  if (std::optional<Fault> fault = CheckOffer(lane, envelope, body);
      fault.has_value() && !(options_.overlooks && options_.overlooks(body))) {
    return fault;
  }
  if (options_.understands_after > absl::ZeroDuration()) {
    waiting_.push_back({absl::Now() + options_.understands_after, lane, std::move(body)});
    changed_.NotifyAll();
  } else {
    MakeOrder(lane, body);
  }
  return std::nullopt;
}

void ExamplePeer::MakeOrder(exchange::v1::Lane lane, const exchange::v1::OfferBody& body) {
  const std::string& handoff_id = body.handoff().id();
  const auto known = stored_.orders.find(handoff_id);
  const bool again = known != stored_.orders.end();
  if (again && !Has(Defect::kNewOrderForKnownHandoff) && !Has(Defect::kAppliesRepeats)) return;
  Order order;
  order.number = again && Has(Defect::kAppliesRepeats)
                     ? known->second.number
                     : absl::StrCat(options_.hotline, "-20261124-", ++stored_.count);
  order.lane = Has(Defect::kAnswersInOrdinaryLane) ? LANE_ORDINARY : lane;
  order.state = type::v1::ORDER_STATE_UNDERSTOOD;
  order.custody = body.custody();
  order.handoff = body.handoff();
  if (Has(Defect::kDropsUnknownFields)) order.handoff.DiscardUnknownFields();
  order.handoff.set_to_number(order.number);
  SetTime(absl::Now(), order.handoff.mutable_receive_time());
  *order.handoff.mutable_understand_time() = order.handoff.receive_time();
  exchange::v1::UnderstoodBody answer;
  answer.set_to_number(order.number);
  *answer.mutable_receive_time() = order.handoff.receive_time();
  *answer.mutable_understand_time() = order.handoff.understand_time();
  Owe(order.lane, exchange::v1::ENVELOPE_KIND_UNDERSTOOD, handoff_id, answer);
  stored_.orders[handoff_id] = std::move(order);
}

std::optional<ExamplePeer::Fault> ExamplePeer::CheckOffer(exchange::v1::Lane lane, const Envelope& envelope,
                                                          const exchange::v1::OfferBody& body) const {
  const type::v1::Handoff& handoff = body.handoff();
  if (handoff.id() != envelope.handoff_id() || handoff.attempt() < 1 ||
      !(IsHandoffId(handoff.id(), options_.peer, handoff.attempt()) || Has(Defect::kTakesAnyHandoffId))) {
    return Fault{"FIELD_INVALID", "handoff.id", "is not <giver>-<order id>-<attempt>"};
  }
  if (handoff.from_hotline() != options_.peer)
    return Fault{"FIELD_INVALID", "handoff.from_hotline", "is another"};
  if (handoff.to_hotline() != options_.hotline)
    return Fault{"FIELD_INVALID", "handoff.to_hotline", "is another"};
  if (!HasLength(handoff.from_number(), 1, 64)) {
    return Fault{"FIELD_INVALID", "handoff.from_number", "must be 1 to 64 characters"};
  }
  if (!HasLength(handoff.note(), 0, 500)) return Fault{"TEXT_TOO_LONG", "handoff.note", "is too long"};
  if (!HasLength(body.origin_hotline(), 1, 32)) {
    return Fault{"FIELD_INVALID", "origin_hotline", "must be 1 to 32 characters"};
  }
  if (body.content_salt().size() != 16) return Fault{"FIELD_INVALID", "content_salt", "must be 16 bytes"};
  if (body.custody().holder() != options_.peer)
    return Fault{"FIELD_INVALID", "custody.holder", "is not the giver"};
  if (body.custody().epoch() < 1 || body.custody().epoch() > kMaxEpoch) {
    return Fault{"FIELD_INVALID", "custody.epoch", "must be 1 to 2^40"};
  }
  if (!body.custody().has_hold_time()) return Fault{"FIELD_REQUIRED", "custody.hold_time", "is required"};
  type::v1::OrderContent content;
  if (!content.ParseFromString(body.content())) return Fault{"FIELD_INVALID", "content", "cannot be read"};
  if (content.type() == 0) return Fault{"FIELD_REQUIRED", "content.type", "is required"};
  if (content.channel() == 0) return Fault{"FIELD_REQUIRED", "content.channel", "is required"};
  if (content.urgency() == 0) return Fault{"FIELD_REQUIRED", "content.urgency", "is required"};
  if (!content.has_caller()) return Fault{"FIELD_REQUIRED", "content.caller", "is required"};
  if (const std::optional<BrokenBound> broken = FindBrokenBound(content); broken.has_value()) {
    return Fault{"FIELD_INVALID", "content." + broken->field, "must be " + broken->bound};
  }
  const bool emergency = content.urgency() == type::v1::URGENCY_EMERGENCY;
  if (emergency != (lane == LANE_EMERGENCY) && !Has(Defect::kTakesAnyLane)) {
    return Fault{"FIELD_INVALID", "content.urgency", "belongs into the other lane"};
  }
  if (Has(Defect::kRefusesUnknownEnums) && !type::v1::OrderType_IsValid(content.type())) {
    return Fault{"ENUM_INVALID", "content.type", "is unknown"};
  }
  if (Has(Defect::kHoldsPeersToItsLists) && !content.lead_unit().empty()) {
    return Fault{"UNIT_UNKNOWN", "content.lead_unit", "is not in the list of units here"};
  }
  return std::nullopt;
}

std::optional<ExamplePeer::Fault> ExamplePeer::TakeMirror(Order& order,
                                                          const exchange::v1::MirrorBody& body) const {
  if (body.custody().epoch() < order.custody.epoch() && !Has(Defect::kIgnoresEpoch)) return std::nullopt;
  if (body.custody().epoch() == order.custody.epoch() && body.custody().holder() != order.custody.holder()) {
    return Fault{"FIELD_INVALID", "custody.holder", "is another in the same epoch"};
  }
  // As the taker, only the giver's moves behind a reply are the peer's to make.
  const bool gave = order.handoff.from_hotline() == options_.hotline;
  const bool answered =
      order.state == type::v1::ORDER_STATE_REPLIED || order.state == type::v1::ORDER_STATE_CALLED_BACK;
  if (!gave && !answered && !Has(Defect::kIgnoresEpoch)) {
    return Fault{"WRONG_STATE", "state", "cannot move there"};
  }
  order.state = body.state();
  order.custody = body.custody();
  order.facts = body.facts();
  if (body.has_reply()) order.reply = body.reply();
  if (gave) order.handoff = body.handoff();
  return std::nullopt;
}

// ---- The desk

ExamplePeer::Order* ExamplePeer::Find(const std::string& number) {
  Order* latest = nullptr;
  for (auto& [id, order] : stored_.orders) {
    if (order.number == number &&
        (latest == nullptr || latest->handoff.attempt() < order.handoff.attempt())) {
      latest = &order;
    }
  }
  return latest;
}

absl::Status ExamplePeer::Accept(const std::string& number) {
  MutexLock lock(&mu_);
  Order* order = Find(number);
  if (order == nullptr || order->state != type::v1::ORDER_STATE_UNDERSTOOD) {
    return absl::FailedPreconditionError("not on offer");
  }
  order->state = type::v1::ORDER_STATE_ACCEPTED;
  order->custody.set_holder(options_.hotline);
  if (!Has(Defect::kKeepsEpoch)) order->custody.set_epoch(order->custody.epoch() + 1);
  SetTime(absl::Now(), order->custody.mutable_hold_time());
  *order->handoff.mutable_accept_time() = order->custody.hold_time();
  OweMirror(*order);
  return absl::OkStatus();
}

absl::Status ExamplePeer::Return(const std::string& number) {
  MutexLock lock(&mu_);
  Order* order = Find(number);
  if (order == nullptr || order->state != type::v1::ORDER_STATE_UNDERSTOOD) {
    return absl::FailedPreconditionError("not on offer");
  }
  order->state = type::v1::ORDER_STATE_RETURNED;
  order->handoff.mutable_returned()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  order->handoff.mutable_returned()->set_reason("不属于本单位职责");
  SetTime(absl::Now(), order->handoff.mutable_end_time());
  OweMirror(*order);
  return absl::OkStatus();
}

absl::Status ExamplePeer::Finish(const std::string& number) {
  MutexLock lock(&mu_);
  Order* order = Find(number);
  if (order == nullptr || order->state != type::v1::ORDER_STATE_ACCEPTED) {
    return absl::FailedPreconditionError("not accepted");
  }
  // Its units have worked on it: each move is mirrored, not only the last.
  for (const auto state : {type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED}) {
    order->state = state;
    OweMirror(*order);
  }
  order->state = type::v1::ORDER_STATE_REPLIED;
  order->reply.set_disposition(type::v1::DISPOSITION_RESOLVED);
  order->reply.set_public_reply("已办结");
  order->reply.set_internal_reply("内部办理情况");
  OweMirror(*order);
  return absl::OkStatus();
}

absl::Status ExamplePeer::Push() {
  MutexLock lock(&mu_);
  Order order;
  order.id = stored_.last_id = NextOrderId(stored_.last_id, absl::Now());
  order.number = absl::StrCat(options_.hotline, "-20261124-", ++stored_.count);
  order.custody.set_holder(options_.hotline);
  order.custody.set_epoch(1);
  SetTime(absl::Now(), order.custody.mutable_hold_time());
  order.handoff.set_attempt(1);
  Offer(std::move(order));
  return absl::OkStatus();
}

absl::Status ExamplePeer::PushAgain(const std::string& number) {
  MutexLock lock(&mu_);
  const Order* before = Find(number);
  if (before == nullptr ||
      (before->state != type::v1::ORDER_STATE_RECALLED && before->state != type::v1::ORDER_STATE_RETURNED)) {
    return absl::FailedPreconditionError("not given back");
  }
  Order order = *before;
  order.handoff.set_attempt(before->handoff.attempt() + options_.attempt_step);
  Offer(std::move(order));
  return absl::OkStatus();
}

absl::Status ExamplePeer::Recall(const std::string& number) {
  MutexLock lock(&mu_);
  const Order* order = Find(number);
  if (order == nullptr) return absl::NotFoundError("no such order");
  exchange::v1::RecallBody body;
  body.set_reason("误推");
  Owe(order->lane, exchange::v1::ENVELOPE_KIND_RECALL, order->handoff.id(), body);
  return absl::OkStatus();
}

void ExamplePeer::Offer(Order order) {
  type::v1::OrderContent content;
  content.set_type(type::v1::ORDER_TYPE_HELP);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(type::v1::URGENCY_NORMAL);
  content.set_title("示例工单");
  content.set_text("示例");
  content.mutable_caller()->set_anonymous(true);
  order.state = type::v1::ORDER_STATE_OFFERED;
  order.handoff.set_id(
      absl::StrCat(options_.hotline, "-", FormatOrderId(order.id), "-", order.handoff.attempt()));
  order.handoff.set_from_hotline(options_.hotline);
  order.handoff.set_to_hotline(options_.peer);
  order.handoff.set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
  order.handoff.set_from_number(order.number);
  order.handoff.clear_end_time();
  SetTime(absl::Now(), order.handoff.mutable_offer_time());
  SetTime(absl::Now() + absl::Hours(2), order.handoff.mutable_confirm_by_time());
  exchange::v1::OfferBody body;
  *body.mutable_handoff() = order.handoff;
  body.set_origin_hotline(options_.hotline);
  body.set_content_salt(RandomBytes(16));
  *body.mutable_custody() = order.custody;
  body.set_content(content.SerializeAsString());
  if (options_.spoils) options_.spoils(&body);
  Owe(order.lane, exchange::v1::ENVELOPE_KIND_OFFER, order.handoff.id(), body);
  stored_.orders[order.handoff.id()] = std::move(order);
}

// ---- The sending side

void ExamplePeer::Owe(exchange::v1::Lane name, exchange::v1::EnvelopeKind kind, const std::string& handoff_id,
                      const google::protobuf::Message& body) {
  Lane& lane = stored_.lanes[name];
  Envelope envelope;
  envelope.set_sequence(static_cast<int64_t>(lane.outbox.size()) + 1);
  envelope.set_handoff_id(handoff_id);
  envelope.set_kind(kind);
  envelope.set_body(body.SerializeAsString());
  if (!Has(Defect::kSeesNothing)) envelope.set_seen_sequence(lane.cursor);
  Chain(lane.outbox.empty() ? StartOf(name) : lane.outbox.back().hash(), &envelope);
  lane.outbox.push_back(std::move(envelope));
  changed_.NotifyAll();
}

void ExamplePeer::OweMirror(const Order& order) {
  exchange::v1::MirrorBody body;
  body.set_state(order.state);
  *body.mutable_custody() = order.custody;
  *body.mutable_facts() = order.facts;
  *body.mutable_handoff() = order.handoff;
  if (order.reply.disposition() != 0) *body.mutable_reply() = order.reply;
  if (!Has(Defect::kSendsInternalReply)) body.mutable_reply()->clear_internal_reply();
  body.mutable_event()->set_state(order.state);
  body.mutable_event()->mutable_actor()->set_hotline(options_.hotline);
  body.mutable_event()->mutable_actor()->set_account("2001");
  SetTime(absl::Now(), body.mutable_event()->mutable_commit_time());
  Owe(order.lane, exchange::v1::ENVELOPE_KIND_MIRROR, order.handoff.id(), body);
}

void ExamplePeer::SendUntilStopped() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const auto peer = exchange::v1::ExchangeService::NewStub(
      grpc::CreateCustomChannel(options_.peer_address, grpc::InsecureChannelCredentials(), arguments));
  constexpr auto kPause = std::chrono::milliseconds(100);
  bool linked = false;
  std::map<exchange::v1::Lane, Progress> lanes;
  while (true) {
    {
      MutexLock lock(&mu_);
      if (stopping_) return;
      for (; !waiting_.empty() && waiting_.front().due <= absl::Now(); waiting_.pop_front()) {
        MakeOrder(waiting_.front().lane, waiting_.front().body);
      }
      bool idle = linked;
      for (const auto& [name, lane] : stored_.lanes) {
        idle = idle && lanes[name].received == static_cast<int64_t>(lane.outbox.size());
      }
      if (idle) {
        if (waiting_.empty()) {
          changed_.Wait(&mu_);
        } else {
          changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(waiting_.front().due - absl::Now()));
        }
        continue;
      }
    }
    bool ok = true;
    if (!linked || options_.greets_before_each_batch) {
      // Before anything else: do both speak a version, and where does the peer stand?
      exchange::v1::GetLinkRequest request;
      request.set_protocol_version(1);
      request.set_from_hotline(options_.hotline);
      request.set_to_hotline(options_.peer);
      request.add_supported_versions(1);
      exchange::v1::GetLinkResponse response;
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
      ok = peer->GetLink(&context, request, &response).ok();
      linked = ok;
      for (const auto& position : response.lanes()) {
        lanes[position.lane()].received = position.incoming().received_through();
      }
    }
    if (linked) {
      for (auto& [name, progress] : lanes) ok = SendOnce(*peer, name, &progress) && ok;
    }
    if (ok) continue;
    // Whatever it was: try again, for ever.
    MutexLock lock(&mu_);
    if (!stopping_) changed_.WaitFor(&mu_, kPause);
  }
}

bool ExamplePeer::SendOnce(exchange::v1::ExchangeService::Stub& peer, exchange::v1::Lane name,
                           Progress* progress) {
  if (absl::Now() < progress->not_before) return false;
  exchange::v1::DeliverRequest request;
  request.set_protocol_version(1);
  request.set_from_hotline(options_.hotline);
  request.set_to_hotline(options_.peer);
  request.set_lane(name);
  SetTime(absl::Now(), request.mutable_send_time());
  {
    MutexLock lock(&mu_);
    const std::vector<Envelope>& outbox = stored_.lanes[name].outbox;
    for (size_t next = static_cast<size_t>(progress->received); next < outbox.size(); ++next) {
      *request.add_envelopes() = outbox[next];
      if (request.envelopes_size() == kMaxEnvelopes || request.ByteSizeLong() > (2u << 20)) break;
    }
    if (request.envelopes().empty()) return true;
  }
  if (options_.key.has_value() && !Has(Defect::kSignsNothing)) SignBatch(*options_.key, &request);
  exchange::v1::DeliverResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  if (const grpc::Status status = peer.Deliver(&context, request, &response); !status.ok()) {
    const Refusal refusal = Read(status);
    if (!Has(Defect::kIgnoresRetryInfo)) progress->not_before = absl::Now() + refusal.retry_after;
    if (Has(Defect::kDropsWhatIsRefusedForVersion) && refusal.reason == "PROTOCOL_VERSION_UNSUPPORTED") {
      progress->received += request.envelopes_size();
    }
    return false;
  }
  const exchange::v1::LinkReceipt& receipt = response.receipt();
  MutexLock lock(&mu_);
  const std::vector<Envelope>& outbox = stored_.lanes[name].outbox;
  const int64_t through = receipt.received_through();
  if (through < 0 || through > static_cast<int64_t>(outbox.size())) return false;
  const std::string head = through == 0 ? StartOf(name) : outbox[static_cast<size_t>(through - 1)].hash();
  // A receipt with another head is none: somebody has to look at it.
  if (receipt.head_hash() != head) return false;
  progress->received = through;
  return true;
}

}  // namespace hotline::conformance
