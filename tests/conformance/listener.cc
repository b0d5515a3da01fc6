#include "tests/conformance/listener.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace hotline::conformance {
namespace {

using exchange::v1::DeliverRequest;
using exchange::v1::Envelope;
using grpc::StatusCode;

constexpr int64_t kForgotten = 3;

exchange::v1::Lane LaneOf(exchange::v1::Lane lane) {
  return lane == exchange::v1::LANE_UNSPECIFIED ? exchange::v1::LANE_ORDINARY : lane;
}

// What must not differ when an envelope is sent again.
bool Same(const Envelope& a, const Envelope& b) {
  return a.sequence() == b.sequence() && a.handoff_id() == b.handoff_id() && a.kind() == b.kind() &&
         a.seen_sequence() == b.seen_sequence() && a.body() == b.body() &&
         a.previous_hash() == b.previous_hash() && a.hash() == b.hash();
}

}  // namespace

Listener::Listener(ListenerOptions options) : options_(std::move(options)) {
  MutexLock lock(&mu_);
  for (const auto lane : {exchange::v1::LANE_ORDINARY, exchange::v1::LANE_EMERGENCY}) {
    lanes_[lane].time = absl::Now();
  }
}

Listener::~Listener() { Stop(); }

absl::Status Listener::Start() {
  {
    MutexLock lock(&mu_);
    stopping_ = false;
  }
  const size_t colon = options_.address.rfind(':');
  const std::string address =
      port_ == 0 ? options_.address : absl::StrCat(options_.address.substr(0, colon), ":", port_);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, options_.credentials, &port);
  builder.RegisterService(this);
  builder.SetMaxReceiveMessageSize(16 << 20);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen at ", address));
  }
  port_ = port;
  return absl::OkStatus();
}

void Listener::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::time_point());
  server_.reset();
}

void Listener::Play(std::vector<Step> steps) {
  MutexLock lock(&mu_);
  steps_.assign(steps.begin(), steps.end());
}

bool Listener::played() const {
  MutexLock lock(&mu_);
  return steps_.empty();
}

void Listener::SetForeignVersion(bool foreign) {
  MutexLock lock(&mu_);
  foreign_ = foreign;
}

Listener::Refused Listener::refused_for_version() const {
  MutexLock lock(&mu_);
  return refused_for_version_;
}

std::optional<Arrived> Listener::Await(const std::function<bool(const Arrived&)>& wanted,
                                       absl::Duration timeout, size_t skip) const {
  const absl::Time until = absl::Now() + timeout;
  MutexLock lock(&mu_);
  for (size_t next = skip;;) {
    for (; next < arrived_.size(); ++next) {
      if (wanted(arrived_[next])) return arrived_[next];
    }
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(left));
  }
}

size_t Listener::arrived() const {
  MutexLock lock(&mu_);
  return arrived_.size();
}

int64_t Listener::cursor(exchange::v1::Lane lane) const {
  MutexLock lock(&mu_);
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? 0 : found->second.cursor;
}

std::vector<Arrived> Listener::all() const {
  MutexLock lock(&mu_);
  return arrived_;
}

std::vector<DeliveryIn> Listener::deliveries() const {
  MutexLock lock(&mu_);
  return deliveries_;
}

std::map<std::string, std::string> Listener::faults() const {
  MutexLock lock(&mu_);
  return faults_;
}

bool Listener::asked_link_first() const {
  MutexLock lock(&mu_);
  return asked_link_first_;
}

grpc::Status Listener::CheckCaller(int version, const std::string& from, const std::string& to) {
  if (from != options_.target || to != options_.as) {
    return Refuse(StatusCode::PERMISSION_DENIED, "PEER_UNKNOWN", "this link joins two others");
  }
  if (foreign_) ++refused_for_version_.calls;
  if (version != 1 || foreign_) {
    return Refuse(StatusCode::FAILED_PRECONDITION, "PROTOCOL_VERSION_UNSUPPORTED",
                  "that version is not spoken here", {{"supported", foreign_ ? "2" : "1"}});
  }
  return grpc::Status::OK;
}

exchange::v1::LinkReceipt Listener::ReceiptOf(exchange::v1::Lane name, const Lane& lane) const {
  exchange::v1::LinkReceipt receipt;
  receipt.set_lane(name);
  receipt.set_received_through(lane.cursor);
  receipt.set_head_hash(lane.cursor == 0 ? StartOf(name)
                                         : lane.log[static_cast<size_t>(lane.cursor - 1)].hash());
  if (lane.cursor > 0) SetTime(lane.time, receipt.mutable_receive_time());
  if (options_.key.has_value()) SignReceipt(*options_.key, options_.as, options_.target, &receipt);
  return receipt;
}

// Everything the sender owes, whatever becomes of the batch.
void Listener::Judge(const DeliverRequest& request, Lane& lane) {
  if (const size_t bytes = BytesOf(request.envelopes());
      request.envelopes_size() > kMaxEnvelopes || bytes > kMaxBatchBytes) {
    Fault("X-BATCH-9",
          absl::StrCat("a batch of ", request.envelopes_size(), " envelopes, ", bytes, " bytes"));
  }
  if (options_.target_key.has_value()) {
    if (const std::string fault = FaultOfBatch(*options_.target_key, request); !fault.empty()) {
      Fault("X-SIGN-5", absl::StrCat("a batch with ", fault));
    }
  }
  for (int i = 0; i < request.envelopes_size(); ++i) {
    const Envelope& envelope = request.envelopes(i);
    if (i > 0 && envelope.sequence() != request.envelopes(i - 1).sequence() + 1) {
      Fault("X-BATCH-9", absl::StrCat("#", envelope.sequence(), " follows #",
                                      request.envelopes(i - 1).sequence(), " in one batch"));
    }
    if (envelope.sequence() >= 1 && envelope.sequence() <= lane.highest &&
        !Same(envelope, lane.log[static_cast<size_t>(envelope.sequence() - 1)])) {
      Fault("X-SEND-2", absl::StrCat("#", envelope.sequence(), " came again with other bytes"));
    }
  }
}

void Listener::Apply(const DeliverRequest& request, Lane& lane) {
  for (const Envelope& envelope : request.envelopes()) {
    if (envelope.sequence() <= lane.cursor) continue;
    if (envelope.sequence() != lane.cursor + 1) return;
    const std::string& head = lane.cursor == 0 ? StartOf(LaneOf(request.lane()))
                                               : lane.log[static_cast<size_t>(lane.cursor - 1)].hash();
    if (!Continues(head, envelope)) {
      Fault("X-CHAIN-7", absl::StrCat(NameOf(LaneOf(request.lane())), " #", envelope.sequence(),
                                      " does not continue the chain"));
      return;
    }
    lane.cursor = envelope.sequence();
    lane.time = absl::Now();
    if (lane.cursor <= lane.highest) continue;
    lane.highest = lane.cursor;
    if (!lane.log.empty() && envelope.seen_sequence() < lane.log.back().seen_sequence()) {
      Fault("X-CHAIN-8", absl::StrCat("seen_sequence ", envelope.seen_sequence(), " after ",
                                      lane.log.back().seen_sequence()));
    }
    lane.log.push_back(envelope);
    arrived_.push_back({LaneOf(request.lane()), envelope});
  }
  changed_.NotifyAll();
}

grpc::Status Listener::Deliver(grpc::ServerContext*, const DeliverRequest* request,
                               exchange::v1::DeliverResponse* response) {
  const absl::Time arrival = absl::Now();
  MutexLock lock(&mu_);
  if (grpc::Status status =
          CheckCaller(request->protocol_version(), request->from_hotline(), request->to_hotline());
      !status.ok()) {
    if (foreign_ && !request->envelopes().empty()) ++refused_for_version_.batches;
    return status;
  }
  const auto found = lanes_.find(LaneOf(request->lane()));
  if (found == lanes_.end()) {
    Fault("X-BATCH-9", absl::StrCat("a batch in lane ", static_cast<int>(request->lane())));
    return Refuse(StatusCode::INVALID_ARGUMENT, "ENUM_INVALID", "there is no such lane");
  }
  Lane& lane = found->second;
  std::optional<Step> step;
  if (!request->envelopes().empty()) {
    if (deliveries_.empty()) asked_link_first_ = asked_link_;
    if (!steps_.empty()) {
      step = steps_.front();
      steps_.pop_front();
    }
    deliveries_.push_back({found->first, request->envelopes(0).sequence(),
                           request->envelopes(request->envelopes_size() - 1).sequence(), step, arrival});
    Judge(*request, lane);
  }
  if (step == Step::kRefuse) {
    changed_.NotifyAll();
    return Refuse(StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED", "the kit refuses this batch once", {},
                  kRetryAfter);
  }
  if (step == Step::kForget) {
    lane.cursor -= std::min(lane.cursor, kForgotten);
  } else {
    Apply(*request, lane);
  }
  if (step == Step::kLoseAnswer) return grpc::Status(StatusCode::UNAVAILABLE, "the kit lost this answer");
  const absl::Time until = absl::Now() + options_.slow;
  while (step == Step::kSlow && !stopping_ && absl::Now() < until) {
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(until - absl::Now()));
  }
  *response->mutable_receipt() = ReceiptOf(found->first, lane);
  SetTime(arrival, response->mutable_arrive_time());
  SetTime(absl::Now(), response->mutable_answer_time());
  return grpc::Status::OK;
}

grpc::Status Listener::GetLink(grpc::ServerContext*, const exchange::v1::GetLinkRequest* request,
                               exchange::v1::GetLinkResponse* response) {
  MutexLock lock(&mu_);
  if (grpc::Status status = CheckCaller(VersionFor(*request), request->from_hotline(), request->to_hotline());
      !status.ok()) {
    return status;
  }
  asked_link_ = true;
  response->set_protocol_version(1);
  response->add_supported_versions(1);
  response->add_capabilities("backfill");
  if (options_.key.has_value()) response->add_capabilities(options_.key->algorithm());
  for (const auto& [name, lane] : lanes_) {
    auto* position = response->add_lanes();
    position->set_lane(name);
    *position->mutable_incoming() = ReceiptOf(name, lane);
    if (name == exchange::v1::LANE_ORDINARY) *response->mutable_incoming() = position->incoming();
  }
  return grpc::Status::OK;
}

grpc::Status Listener::Backfill(grpc::ServerContext*, const exchange::v1::BackfillRequest* request,
                                exchange::v1::BackfillResponse* response) {
  MutexLock lock(&mu_);
  if (grpc::Status status =
          CheckCaller(request->protocol_version(), request->from_hotline(), request->to_hotline());
      !status.ok()) {
    return status;
  }
  const auto lane = lanes_.find(LaneOf(request->lane()));
  if (lane == lanes_.end() || request->after_sequence() < 0 ||
      request->after_sequence() > lane->second.cursor) {
    return Refuse(StatusCode::OUT_OF_RANGE, "SEQUENCE_OUT_OF_RANGE", "that lies beyond the cursor");
  }
  for (int64_t next = request->after_sequence(); next < lane->second.cursor; ++next) {
    if (response->envelopes_size() >= request->limit()) break;
    *response->add_envelopes() = lane->second.log[static_cast<size_t>(next)];
  }
  return grpc::Status::OK;
}

}  // namespace hotline::conformance
