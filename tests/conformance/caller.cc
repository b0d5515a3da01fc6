#include "tests/conformance/caller.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/id.h"

namespace hotline::conformance {
namespace {

using exchange::v1::DeliverRequest;
using exchange::v1::DeliverResponse;
using exchange::v1::Envelope;
using exchange::v1::ExchangeService;

exchange::v1::Lane LaneOf(exchange::v1::Lane lane) {
  return lane == exchange::v1::LANE_UNSPECIFIED ? exchange::v1::LANE_ORDINARY : lane;
}

}  // namespace

exchange::v1::OfferBody NewOffer(const std::string& as, const std::string& to, int64_t order_id,
                                 type::v1::Urgency urgency) {
  const absl::Time now = absl::Now();
  const std::string id = FormatOrderId(order_id);
  type::v1::OrderContent content;
  content.set_type(type::v1::ORDER_TYPE_HELP);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(urgency);
  content.set_title("协议一致性测试");
  content.set_text("由协议一致性测试程序产生，请勿处理。");
  content.mutable_caller()->set_anonymous(true);
  exchange::v1::OfferBody body;
  type::v1::Handoff* handoff = body.mutable_handoff();
  handoff->set_id(absl::StrCat(as, "-", id, "-1"));
  handoff->set_from_hotline(as);
  handoff->set_to_hotline(to);
  handoff->set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
  handoff->set_attempt(1);
  handoff->set_from_number(absl::StrCat(as, "-", id));
  SetTime(now, handoff->mutable_offer_time());
  SetTime(now + absl::Hours(2), handoff->mutable_confirm_by_time());
  body.set_origin_hotline(as);
  body.set_content_salt(RandomBytes(16));
  body.mutable_custody()->set_holder(as);
  body.mutable_custody()->set_epoch(1);
  SetTime(now, body.mutable_custody()->mutable_hold_time());
  body.set_content(content.SerializeAsString());
  return body;
}

Caller::Caller(CallerOptions options) : options_(std::move(options)) { Reconnect(); }

void Caller::Reconnect() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  // This is how long one attempt to connect may take: a TLS handshake with a machine far away has its time.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  stub_ =
      ExchangeService::NewStub(grpc::CreateCustomChannel(options_.target, options_.credentials, arguments));
  heads_.clear();
}

template <typename Request, typename Response>
Answer<Response> Caller::Call(grpc::Status (ExchangeService::Stub::*method)(grpc::ClientContext*,
                                                                            const Request&, Response*),
                              const Request& request) {
  Answer<Response> answer;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
  context.set_wait_for_ready(true);  // it may be starting
  answer.status = ((*stub_).*method)(&context, request, &answer.response);
  if (answer.ok()) return answer;
  answer.refusal = Read(answer.status);
  switch (answer.refusal.code) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::CANCELLED:
      break;  // the transport's, with no reason of ours
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      // So is this, where a limit of gRPC's is too small for the message.
      if (answer.refusal.reason.empty() && request.ByteSizeLong() > kMaxBatchBytes) break;
      [[fallthrough]];
    default:
      ++refusals_;
      if (answer.refusal.domain != "hotline" || answer.refusal.reason.empty()) {
        Fault("X-ERROR-1",
              absl::StrCat(Request::descriptor()->name(), " was answered with ", answer.refusal.Describe()));
      }
  }
  return answer;
}

void Caller::JudgeReceipt(exchange::v1::Lane lane, const exchange::v1::LinkReceipt& receipt,
                          const std::string& where) {
  if (LaneOf(receipt.lane()) != lane) {
    Fault("X-RECEIPT-5", absl::StrCat("a receipt of lane ", static_cast<int>(receipt.lane()), " ", where));
  }
  if (receipt.received_through() > 0 && !receipt.has_receive_time()) {
    Fault("X-RECEIPT-5", absl::StrCat("a receipt without receive_time ", where));
  }
  if (!options_.target_key.has_value()) return;
  if (const std::string fault = FaultOfReceipt(*options_.target_key, options_.to, options_.as, receipt);
      !fault.empty()) {
    Fault("X-SIGN-4", absl::StrCat("a receipt with ", fault, " ", where));
  }
}

void Caller::Judge(const DeliverRequest& request, const DeliverResponse& response) {
  ++receipts_;
  const exchange::v1::LinkReceipt& receipt = response.receipt();
  const exchange::v1::Lane lane = LaneOf(request.lane());
  const int64_t through = receipt.received_through();
  auto& sent = sent_[lane];
  JudgeReceipt(lane, receipt, absl::StrCat("for a delivery in the ", NameOf(lane), " lane"));
  const int64_t most = sent.empty() ? 0 : sent.rbegin()->first;
  if (through > most) {
    Fault("X-RECEIPT-1", absl::StrCat(NameOf(lane), " received_through ", through, ", sent up to ", most));
  } else if (through == 0 && receipt.head_hash() != StartOf(lane)) {
    Fault("X-RECEIPT-3", absl::StrCat(NameOf(lane), " at 0 has head ", Hex(receipt.head_hash())));
  } else if (const auto known = sent.find(through);
             through > 0 && known != sent.end() && !known->second.contains(receipt.head_hash())) {
    Fault("X-RECEIPT-3", absl::StrCat(NameOf(lane), " #", through, " has head ", Hex(receipt.head_hash()),
                                      ", sent was ", Hex(*known->second.begin())));
  }
  int64_t& last = last_receipt_[lane];
  if (through < last) {
    Fault("X-RECEIPT-2", absl::StrCat(NameOf(lane), " received_through ", through, " after ", last));
  }
  last = through;
  if (!response.has_arrive_time() || !response.has_answer_time() ||
      TimeOf(response.answer_time()) < TimeOf(response.arrive_time())) {
    Fault("X-TIME-1", absl::StrCat("arrive_time ", response.arrive_time().ShortDebugString(),
                                   ", answer_time ", response.answer_time().ShortDebugString()));
  }
}

std::optional<Head> Caller::Position(exchange::v1::Lane lane) {
  const auto link = GetLink(LinkRequest());
  if (!link.ok()) return std::nullopt;
  for (const exchange::v1::LanePosition& position : link.response.lanes()) {
    if (position.lane() == lane) {
      return Head{position.incoming().received_through(), position.incoming().head_hash()};
    }
  }
  return std::nullopt;
}

bool Caller::Resume() {
  const auto link = GetLink(LinkRequest());
  if (!link.ok()) return false;
  for (const auto lane : {exchange::v1::LANE_ORDINARY, exchange::v1::LANE_EMERGENCY}) {
    heads_[lane] = {0, StartOf(lane)};
    for (const exchange::v1::LanePosition& position : link.response.lanes()) {
      if (position.lane() != lane) continue;
      heads_[lane] = {position.incoming().received_through(), position.incoming().head_hash()};
      if (heads_[lane].sequence > 0) sent_[lane][heads_[lane].sequence].insert(heads_[lane].hash);
    }
  }
  return true;
}

std::string Caller::ConnectionError() const {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
  exchange::v1::GetLinkResponse response;
  const grpc::Status status = stub_->GetLink(&context, LinkRequest(), &response);
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ? status.error_message() : "";
}

Envelope Caller::Make(exchange::v1::Lane lane, int kind, const std::string& handoff_id,
                      const std::string& body) {
  Head& head = heads_[lane];
  Envelope envelope;
  envelope.set_sequence(head.sequence + 1);
  envelope.set_kind(static_cast<exchange::v1::EnvelopeKind>(kind));
  envelope.set_handoff_id(handoff_id);
  envelope.set_body(body);
  if (options_.seen) envelope.set_seen_sequence(options_.seen(lane));
  Chain(head.hash, &envelope);
  head = {envelope.sequence(), envelope.hash()};
  return envelope;
}

DeliverRequest Caller::Batch(exchange::v1::Lane lane, const std::vector<Envelope>& envelopes) const {
  DeliverRequest request;
  request.set_protocol_version(1);
  request.set_from_hotline(options_.as);
  request.set_to_hotline(options_.to);
  request.set_lane(lane);
  SetTime(absl::Now(), request.mutable_send_time());
  for (const Envelope& envelope : envelopes) *request.add_envelopes() = envelope;
  Sign(&request);
  return request;
}

void Caller::Sign(DeliverRequest* request) const {
  if (options_.key.has_value()) SignBatch(*options_.key, request);
}

Answer<DeliverResponse> Caller::Send(const DeliverRequest& request) {
  auto& sent = sent_[LaneOf(request.lane())];
  for (const Envelope& envelope : request.envelopes()) sent[envelope.sequence()].insert(envelope.hash());
  auto answer = Call(&ExchangeService::Stub::Deliver, request);
  if (answer.ok()) Judge(request, answer.response);
  return answer;
}

exchange::v1::GetLinkRequest Caller::LinkRequest() const {
  exchange::v1::GetLinkRequest request;
  request.set_protocol_version(1);
  request.set_from_hotline(options_.as);
  request.set_to_hotline(options_.to);
  request.add_supported_versions(1);
  if (options_.key.has_value()) request.add_capabilities(options_.key->algorithm());
  return request;
}

Answer<exchange::v1::GetLinkResponse> Caller::GetLink(const exchange::v1::GetLinkRequest& request) {
  auto answer = Call(&ExchangeService::Stub::GetLink, request);
  if (!answer.ok()) return answer;
  JudgeReceipt(exchange::v1::LANE_ORDINARY, answer.response.incoming(), "as `incoming` of GetLink");
  for (const exchange::v1::LanePosition& position : answer.response.lanes()) {
    const exchange::v1::Lane lane = LaneOf(position.lane());
    JudgeReceipt(lane, position.incoming(), absl::StrCat("of the ", NameOf(lane), " lane in GetLink"));
  }
  return answer;
}

Answer<exchange::v1::BackfillResponse> Caller::Backfill(exchange::v1::Lane lane, int64_t after, int limit) {
  exchange::v1::BackfillRequest request;
  request.set_protocol_version(1);
  request.set_from_hotline(options_.as);
  request.set_to_hotline(options_.to);
  request.set_lane(lane);
  request.set_after_sequence(after);
  request.set_limit(limit);
  return Call(&ExchangeService::Stub::Backfill, request);
}

Answer<exchange::v1::ReconcileResponse> Caller::Reconcile(const exchange::v1::ReconcileRequest& request) {
  return Call(&ExchangeService::Stub::Reconcile, request);
}

}  // namespace hotline::conformance
