#include "services/dispatch/service.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/id.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/contract/alarm.h"
#include "common/contract/disclosure.h"
#include "common/contract/peek.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"

namespace hotline::dispatch {
namespace {

using error::Reason;

constexpr int kMaxBatchPush = 256;
constexpr int kMaxEnvelopes = 512;
// A request id has 64; a partner's order has `/` and its hotline behind it.
constexpr size_t kMaxFanOutRequestId = 47;
constexpr int64_t kMaxRouteReason = 500;
constexpr int kFollowLimit = 1000;
constexpr absl::Duration kFollowWait = absl::Seconds(10);
constexpr absl::Duration kFollowPause = absl::Milliseconds(5);
constexpr absl::Duration kMaxReceiptWait = absl::Seconds(30);
// What an answer needs to reach whoever asked, over a slow line and past a busy machine.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(500);
// A wait for a receipt ends at most this much before its deadline.
constexpr absl::Duration kWaitGrain = absl::Milliseconds(50);
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(10);
constexpr absl::Duration kLedgerTimeout = absl::Seconds(20);
constexpr absl::Duration kFindSimilarWithin = absl::Milliseconds(200);

// Ids and numbers of emergencies that are remembered.
constexpr size_t kKnownEmergencies = 8192;
// Where an event registers an order: the field of its detail, and the one in that; 0: the detail itself.
constexpr std::pair<int, int> kRegistrations[] = {
    {type::v1::Event::kRegisteredFieldNumber, 0},
    {type::v1::Event::kOfferedFieldNumber, type::v1::OfferedDetail::kRegisteredFieldNumber},
    {type::v1::Event::kUnderstoodFieldNumber, type::v1::UnderstoodDetail::kRegisteredFieldNumber}};

// The log's bytes go on to the watches untouched.
EventHub::Items ToItems(workorder::v1::ReadEventsResponse& response) {
  EventHub::Items items;
  items.reserve(static_cast<size_t>(response.events_size()));
  auto discretion = response.discretions().begin();
  for (std::string& bytes : *response.mutable_events()) {
    // What cannot be read has no sequence and is not passed on; the log's own check finds it.
    const bool shown = !PeekBytes(bytes, type::v1::Event::kHandoffIdFieldNumber).value_or("").empty();
    const std::string_view order_id = PeekBytes(bytes, type::v1::Event::kOrderIdFieldNumber).value_or("");
    const std::string_view disclosed = PeekBytes(bytes, type::v1::Event::kDisclosedFieldNumber).value_or("");
    items.push_back(
        {.sequence =
             static_cast<int64_t>(PeekVarint(bytes, type::v1::Event::kSequenceFieldNumber).value_or(0)),
         .order_id = std::string(order_id),
         .previous = static_cast<int64_t>(
             PeekVarint(bytes, type::v1::Event::kPreviousOrderSequenceFieldNumber).value_or(0)),
         .shown = shown,
         .restricted = PeekVarint(bytes, type::v1::Event::kRestrictedFieldNumber).value_or(0) != 0,
         .echo = PeekVarint(disclosed, type::v1::Disclosure::kKindFieldNumber).value_or(0) ==
                 type::v1::DISCLOSURE_KIND_WATCH,
         .erases = PeekBytes(bytes, type::v1::Event::kErasedFieldNumber).has_value(),
         .bytes = nullptr});
    if (discretion != response.discretions().end() && discretion->sequence() == items.back().sequence) {
      items.back().restricted |= discretion->restricted();
      items.back().veiled = discretion->veiled();
      ++discretion;
    }
    items.back().bytes = std::make_shared<const std::string>(std::move(bytes));
  }
  return items;
}

workorder::v1::ReadEventsRequest ReadRequest(int64_t start, int limit, absl::Duration wait) {
  workorder::v1::ReadEventsRequest request;
  request.set_start_sequence(start);
  request.set_limit(limit);
  request.set_with_discretions(true);
  request.mutable_wait()->set_seconds(absl::ToInt64Seconds(wait));
  return request;
}

absl::Status CheckReceiptWait(bool has, const google::protobuf::Duration& receipt_wait) {
  if (!has) return absl::OkStatus();
  const absl::Duration wait = FromProtoDuration(receipt_wait);
  if (wait >= absl::ZeroDuration() && wait <= kMaxReceiptWait) return absl::OkStatus();
  return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "receipt_wait", "must be 0 to 30 s",
                         "应在0到30秒之间");
}

// It ends in the log, which keeps it for good.
absl::Status CheckRouteReason(const std::string& reason) {
  const std::optional<int64_t> length = CountCodePoints(reason);
  if (!length.has_value() || HasControlCharacters(reason, /*allow_line_breaks=*/true)) {
    return error::BadText("route_reason");
  }
  return *length > kMaxRouteReason ? error::TooLong("route_reason", kMaxRouteReason) : absl::OkStatus();
}

// The hotline that takes what is the government's, where a deployment has one.
constexpr char kGovernmentHotline[] = "12345";

// The referral as the push that it is.
v1::PushWorkOrderRequest ToPush(v1::ReferFromSceneRequest& request, std::string to_hotline) {
  v1::PushWorkOrderRequest push;
  *push.mutable_header() = std::move(*request.mutable_header());
  if (request.has_content()) {
    type::v1::OrderContent& content = *push.mutable_content();
    content = std::move(*request.mutable_content());
    if (content.channel() == type::v1::CHANNEL_UNSPECIFIED) content.set_channel(type::v1::CHANNEL_ON_SCENE);
    if (content.urgency() == type::v1::URGENCY_UNSPECIFIED) content.set_urgency(type::v1::URGENCY_NORMAL);
  }
  type::v1::Offer& offer = *push.mutable_offer();
  offer.set_to_hotline(std::move(to_hotline));
  offer.set_kind(type::v1::HANDOFF_KIND_ON_SCENE_REFERRAL);
  offer.set_note(std::move(*request.mutable_note()));
  *offer.mutable_scene() = std::move(*request.mutable_scene());
  if (request.has_receipt_wait()) *push.mutable_receipt_wait() = request.receipt_wait();
  return push;
}

// The order of one partner, as a command of its own.
type::v1::Command PartnerCommand(const type::v1::CommandHeader& header, const type::v1::PartnerCall& call,
                                 const std::string& hotline, const std::string& parent_id) {
  type::v1::Command command;
  command.mutable_header()->set_request_id(StrCat(header.request_id(), "/", hotline));
  *command.mutable_header()->mutable_actor() = header.actor();
  command.mutable_registration()->set_parent_order_id(parent_id);
  command.mutable_offer()->set_to_hotline(hotline);
  command.mutable_offer()->set_kind(call.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED
                                        ? type::v1::HANDOFF_KIND_PARTNER_FANOUT
                                        : call.kind());
  command.mutable_offer()->set_note(call.note());
  return command;
}

ReconcilerOptions Completed(ReconcilerOptions options, const std::string& hotline,
                            std::function<bool(const std::string& peer)> offers) {
  options.hotline = hotline;
  options.offers = std::move(offers);
  return options;
}

// Who names its unit by metadata alone acts for it none the less: what a unit may not do (回避) is told by
// the command.
void NameUnit(const CallContext& call, type::v1::CommandHeader* header) {
  if (!call.unit.empty() && header->actor().unit().empty()) header->mutable_actor()->set_unit(call.unit);
}

// `call` on behalf of whoever acts by `header`.
CallContext ActingAs(const type::v1::CommandHeader& header, CallContext call) {
  call.account = header.actor().account();
  call.unit = header.actor().unit();
  return call;
}

// As stated, or as routing read it.
bool IsEmergency(const type::v1::Command& command) {
  const type::v1::Registration& registration = command.registration();
  return registration.content().urgency() == type::v1::URGENCY_EMERGENCY ||
         registration.route().urgency() == type::v1::URGENCY_EMERGENCY;
}

bool IsStatedEmergency(const v1::PushWorkOrderRequest& request) {
  return request.content().urgency() == type::v1::URGENCY_EMERGENCY;
}

// Only advice can say where it goes; what is said to be an emergency waits for nothing.
bool NeedsAdvice(const v1::PushWorkOrderRequest& request) {
  return request.has_content() && request.offer().to_hotline().empty() && !IsStatedEmergency(request);
}

// An answer a little before the client's own deadline is worth more than one after it. Of a short time no
// more than a fifth goes to that.
absl::Time AnswerBy(const CallContext& call) {
  return call.deadline - std::min(kAnswerTime, (call.deadline - call.now) / 5);
}

// `done` of an emergency, which is under way until it has been called.
template <typename Response>
Done<Response> Passing(RightOfWay::Pass pass, Done<Response> done) {
  return [pass = std::move(pass), done = std::move(done)](absl::StatusOr<Response> response) mutable {
    done(std::move(response));
    const RightOfWay::Pass ended = std::move(pass);
  };
}

}  // namespace

// A batch of pushes until the last of them is answered.
struct DispatchService::Import {
  // Of request `i`, once each.
  void Finish(int i, absl::StatusOr<v1::PushWorkOrderResponse> pushed) {
    v1::BatchPushResult& result = *response.mutable_results(i);
    if (pushed.ok()) {
      *result.mutable_response() = *std::move(pushed);
    } else {
      *result.mutable_error() =
          error::ToProto(error::WithFieldPrefix(pushed.status(), StrCat("requests[", i, "]")));
    }
    if (--unanswered == 0) done(std::move(response));
  }
  // What has not been sent is not going to be.
  void Refuse(const absl::Status& why) {
    if (left.size() == static_cast<size_t>(request.requests_size())) return done(why);
    for (const int i : left) Finish(i, why);
  }

  CallContext call;
  v1::BatchPushWorkOrdersRequest request;
  v1::BatchPushWorkOrdersResponse response;
  Done<v1::BatchPushWorkOrdersResponse> done;
  std::atomic<int> unanswered{0};
  // Requests not sent yet. Guarded by `import_mu_` while it waits there.
  std::deque<int> left;
  size_t bytes = 0;  // of the request
};

DispatchService::DispatchService(Ledger* ledger, std::map<std::string, Peer*> peers, const Notary* notary,
                                 Executor* executor, const Clock* clock, DispatchOptions options)
    : ledger_(ledger),
      notary_(notary),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      way_(executor, clock),
      batcher_(ledger, &way_, clock, options_.batcher),
      reconciler_(ledger, peers, executor, clock,
                  Completed(options_.reconciler, options_.hotline,
                            [this](const std::string& peer) { return OffersReconcile(peer); })),
      hub_(
          executor, clock,
          [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
            CallContext call;
            call.now = clock_->Now();
            call.deadline = call.now + kLedgerTimeout;
            call.traceparent = NewTraceparent();
            ledger_->ReadEvents(
                call, ReadRequest(start, limit, absl::ZeroDuration()),
                [done = std::move(done)](absl::StatusOr<workorder::v1::ReadEventsResponse> response) mutable {
                  if (!response.ok()) return done(response.status());
                  done(ToItems(*response));
                });
          },
          EventHub::Options()),
      follow_backoff_(options_.link.backoff_min, options_.link.backoff_max),
      random_(NewJitter(options_.link.jitter_seed)) {
  for (const auto& [hotline, peer] : peers) {
    for (const exchange::v1::Lane lane : kLanes) {
      LinkOptions link = options_.link;
      link.hotline = options_.hotline;
      link.peer = hotline;
      link.lane = lane;
      if (const auto own = options_.resend_after.find(hotline); own != options_.resend_after.end()) {
        link.resend_after = own->second;
      }
      if (options_.on_link_change) {
        link.on_change = [this, hotline = hotline](bool, const absl::Status& why) {
          OnLinkChange(hotline, why);
        };
      }
      Peer* carrier = peer;
      if (const auto own = options_.emergency_peers.find(hotline);
          lane == exchange::v1::LANE_EMERGENCY && own != options_.emergency_peers.end()) {
        carrier = own->second;
      }
      links_.emplace(LaneKey{hotline, lane}, std::make_unique<Link>(ledger, carrier, notary, &way_, executor,
                                                                    clock, std::move(link)));
    }
  }
}

// The links drop the emergencies that wait for a receipt. What made way for them is not to run then.
DispatchService::~DispatchService() { way_.Close(); }

// A peer is up while all its lanes are. Its first failure is told too, not only a fall.
void DispatchService::OnLinkChange(const std::string& peer, const absl::Status& why) {
  // From the look at the lanes until it is told, or what was true before would be told last.
  MutexLock lock(&told_mu_);
  bool up = true;
  for (const exchange::v1::Lane lane : kLanes) up &= links_.find(LaneKey{peer, lane})->second->health().up;
  const auto [it, first] = told_up_.emplace(peer, up);
  if (!up && why.ok() && first) return static_cast<void>(told_up_.erase(it));
  if ((!up && why.ok()) || (!first && it->second == up)) return;
  it->second = up;
  options_.on_link_change(peer, up, why);
}

void DispatchService::Start() {
  for (const auto& [key, link] : links_) link->Start();
  reconciler_.Start();
  executor_->Post([this] { FindHead(); });
}

void DispatchService::Drain() {
  draining_ = true;
  hub_.Drain();
  reconciler_.Stop();
  for (const auto& [key, link] : links_) link->Stop();
  std::vector<WaitingReload> waiting;
  std::map<int64_t, WaitingForModel> for_model;
  {
    MutexLock lock(&reload_mu_);
    waiting.swap(reload_waiting_);
    for_model.swap(model_waiting_);
    model_entries_ = 0;
    model_bytes_ = 0;
  }
  std::deque<std::shared_ptr<Import>> imports;
  {
    MutexLock lock(&import_mu_);
    imports.swap(imports_);
    import_entries_ = 0;
    import_bytes_ = 0;
  }
  for (const std::shared_ptr<Import>& one : imports) one->Refuse(error::Draining());
  for (WaitingReload& one : waiting) one.done(error::Draining());
  for (auto& [number, one] : for_model) one.go(error::Draining());
}

// ---- Commands
// -------------------------------------------------------------------------------------------------------

void DispatchService::Execute(const CallContext& call, type::v1::Command command,
                              Done<workorder::v1::CommandResult> done) {
  command.set_traceparent(call.traceparent);
  NameUnit(call, command.mutable_header());
  type::v1::Actor actor = command.header().actor();
  const bool cleared = options_.clearance.Covers(call, actor);
  // What the peer waits for. What is told of it later (progress, a result) is as any other command: else a
  // desk at work would slow everybody down for as long as it is.
  const bool awaited =
      command.has_acceptance() || command.has_handoff_return() || command.has_confirm_by_voice();
  const bool emergency = awaited && IsKnownEmergency(command.header().order_id());
  batcher_.Submit(std::move(command), emergency, AnswerBy(call),
                  [this, actor = std::move(actor), cleared,
                   done = std::move(done)](absl::StatusOr<workorder::v1::CommandResult> result) mutable {
                    if (result.ok()) {
                      Told(result->event_sequence());
                      HideCallerInAnswer(actor, cleared, result->mutable_order());
                    }
                    done(std::move(result));
                  });
}

void DispatchService::LearnEmergencies(const workorder::v1::ReadEventsResponse& response) {
  for (const std::string& bytes : response.events()) {
    // Whatever registers an order says how urgent it is: the event itself, or within it.
    bool emergency = false;
    for (const auto& [detail, registration] : kRegistrations) {
      std::string_view registered = PeekBytes(bytes, detail).value_or("");
      if (registration != 0) registered = PeekBytes(registered, registration).value_or("");
      emergency |= PeekVarint(registered, type::v1::RegisteredDetail::kUrgencyFieldNumber).value_or(0) ==
                   type::v1::URGENCY_EMERGENCY;
    }
    if (!emergency) continue;
    MutexLock lock(&emergencies_mu_);
    for (const int field : {type::v1::Event::kOrderIdFieldNumber, type::v1::Event::kOrderNumberFieldNumber}) {
      std::string name(PeekBytes(bytes, field).value_or(""));
      if (emergencies_.insert(name).second) emergencies_by_age_.push_back(std::move(name));
    }
    while (emergencies_by_age_.size() > kKnownEmergencies) {
      emergencies_.erase(emergencies_by_age_.front());
      emergencies_by_age_.pop_front();
    }
  }
}

bool DispatchService::IsKnownEmergency(const std::string& order_id) const {
  if (order_id.empty()) return false;
  const std::optional<int64_t> id = ParseOrderId(order_id);
  MutexLock lock(&emergencies_mu_);
  return emergencies_.contains(id.has_value() ? FormatOrderId(*id) : order_id);
}

void DispatchService::Told(int64_t event_sequence) {
  int64_t told = told_sequence_.load(std::memory_order_relaxed);
  while (told < event_sequence && !told_sequence_.compare_exchange_weak(told, event_sequence)) {
  }
}

absl::StatusOr<type::v1::Command> DispatchService::ToCommand(const CallContext& call,
                                                             v1::PushWorkOrderRequest& request,
                                                             absl::Status* undecided) const {
  if (absl::Status status = CheckReceiptWait(request.has_receipt_wait(), request.receipt_wait());
      !status.ok()) {
    return status;
  }
  if (request.has_content() && !request.header().order_id().empty()) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "content",
                           "must be empty when header.order_id names an order",
                           "指定已有工单时不得再填写内容");
  }
  if (!request.has_content() && request.header().order_id().empty()) return error::Required("content");
  if (absl::Status status = CheckRouteReason(request.route_reason()); !status.ok()) return status;
  type::v1::Command command;
  *command.mutable_header() = std::move(*request.mutable_header());
  NameUnit(call, command.mutable_header());
  *command.mutable_offer() = std::move(*request.mutable_offer());
  if (request.has_content())
    *command.mutable_registration()->mutable_content() = std::move(*request.mutable_content());
  command.set_traceparent(call.traceparent);
  if (!command.registration().has_content()) return command;
  absl::Status routed;
  if (options_.router != nullptr) {
    routed = options_.router->Route(request.facts(), request.route_reason(), clock_->Now(), &command);
  }
  const error::Reason reason = error::ReasonOf(routed);
  if (reason == Reason::ERROR_REASON_ROUTE_UNDECIDED || reason == Reason::ERROR_REASON_OWN_MATTER) {
    *undecided = std::move(routed);
  } else if (!routed.ok()) {
    return routed;
  }
  // Nothing was advised, and nobody said that it is urgent.
  type::v1::Registration* registration = command.mutable_registration();
  if (registration->content().urgency() == type::v1::URGENCY_UNSPECIFIED && !registration->has_route()) {
    registration->mutable_route()->set_urgency(type::v1::URGENCY_NORMAL);
  }
  return command;
}

void DispatchService::SubmitPush(
    type::v1::Command command, absl::Time deadline, absl::Status undecided,
    absl::AnyInvocable<void(absl::StatusOr<workorder::v1::CommandResult>)> done) {
  const bool emergency = IsEmergency(command) || IsKnownEmergency(command.header().order_id());
  if (undecided.ok()) return batcher_.Submit(std::move(command), emergency, deadline, std::move(done));
  // A push that was committed when routing knew where to keeps its answer: only work_order can tell.
  batcher_.Submit(std::move(command), emergency, deadline,
                  [undecided = std::move(undecided),
                   done = std::move(done)](absl::StatusOr<workorder::v1::CommandResult> result) mutable {
                    const bool no_target =
                        error::ReasonOf(result.status()) == Reason::ERROR_REASON_FIELD_REQUIRED &&
                        error::FieldOf(result.status()) == "offer.to_hotline";
                    if (no_target) return done(std::move(undecided));
                    done(std::move(result));
                  });
}

bool DispatchService::IsModelReady() const {
  if (model_ready_.load(std::memory_order_relaxed)) return true;
  const bool ready = options_.router == nullptr || options_.reloader == nullptr ||
                     options_.router->IsPrepared(clock_->Now());
  if (ready) model_ready_.store(true, std::memory_order_relaxed);
  return ready;
}

void DispatchService::WaitForModel(const CallContext& call, int entries, size_t bytes,
                                   absl::AnyInvocable<void(const absl::Status&)> go) {
  const absl::Time answer_by = AnswerBy(call);
  absl::Status refused;
  int64_t number = 0;
  bool first = false;
  {
    MutexLock lock(&reload_mu_);
    if (draining_) {
      refused = error::Draining();
    } else if (model_entries_ >= options_.batcher.queue_limit ||
               model_bytes_ >= options_.batcher.queue_bytes) {
      refused = Batcher::Full();
      batcher_.NoteRejected(entries);
    } else {
      model_entries_ += entries;
      model_bytes_ += bytes;
      number = ++last_wait_for_model_;
      model_waiting_.emplace(
          number,
          WaitingForModel{.answer_by = answer_by, .entries = entries, .bytes = bytes, .go = std::move(go)});
      first = !std::exchange(model_awaited_, true);
    }
  }
  if (!refused.ok()) return go(refused);
  // Behind what makes the model there.
  if (first) options_.reloader->Post([this] { GoOnWithModel(); });
  if (answer_by == absl::InfiniteFuture()) return;
  executor_->PostAfter(std::max(answer_by - clock_->Now(), absl::ZeroDuration()),
                       [this, number] { EndWaitForModel(number); });
}

void DispatchService::EndWaitForModel(int64_t number) {
  std::map<int64_t, WaitingForModel>::node_type ended;
  {
    MutexLock lock(&reload_mu_);
    ended = model_waiting_.extract(number);
    if (ended.empty()) return;
    model_entries_ -= ended.mapped().entries;
    model_bytes_ -= ended.mapped().bytes;
  }
  ended.mapped().go(error::AdviceNotReady());
}

void DispatchService::GoOnWithModel() {
  std::map<int64_t, WaitingForModel> waiting;
  {
    MutexLock lock(&reload_mu_);
    model_awaited_ = false;
    waiting.swap(model_waiting_);
    model_entries_ = 0;
    model_bytes_ = 0;
  }
  const absl::Time now = clock_->Now();
  for (auto& [number, one] : waiting) {
    // Whoever waits no more asks again with the same request id.
    one.go(one.answer_by > now ? absl::OkStatus() : error::AdviceNotReady());
  }
}

void DispatchService::PushWorkOrder(const CallContext& call, v1::PushWorkOrderRequest request,
                                    Done<v1::PushWorkOrderResponse> done) {
  if (!IsModelReady() && NeedsAdvice(request)) {
    const size_t bytes = request.ByteSizeLong();
    return WaitForModel(call, 1, bytes,
                        [this, call, request = std::move(request),
                         done = std::move(done)](const absl::Status& ready) mutable {
                          if (!ready.ok()) return done(ready);
                          Push(call, std::move(request), std::move(done));
                        });
  }
  Push(call, std::move(request), std::move(done));
}

void DispatchService::Push(const CallContext& call, v1::PushWorkOrderRequest request,
                           Done<v1::PushWorkOrderResponse> done) {
  absl::Status undecided;
  absl::StatusOr<type::v1::Command> command = ToCommand(call, request, &undecided);
  if (!command.ok()) return done(command.status());
  if (IsEmergency(*command) || IsKnownEmergency(command->header().order_id())) {
    done = Passing(way_.Enter(), std::move(done));
  }
  const CallContext acting = ActingAs(command->header(), call);
  if (request.find_similar() && options_.finder != nullptr) {
    done = WithSimilar(acting, std::move(done));
  }
  SubmitPush(*std::move(command), AnswerBy(call), std::move(undecided),
             [this, call = acting, wait = FromProtoDuration(request.receipt_wait()),
              wait_set = request.has_receipt_wait(),
              done = std::move(done)](absl::StatusOr<workorder::v1::CommandResult> result) mutable {
               if (!result.ok()) return done(result.status());
               FinishPush(call, wait, wait_set, *std::move(result), std::move(done));
             });
}

Done<v1::PushWorkOrderResponse> DispatchService::WithSimilar(const CallContext& call,
                                                             Done<v1::PushWorkOrderResponse> done) {
  return [this, call, done = std::move(done)](absl::StatusOr<v1::PushWorkOrderResponse> pushed) mutable {
    if (!pushed.ok()) return done(std::move(pushed));
    CallContext search = call;
    search.deadline = std::min(call.deadline, clock_->Now() + kFindSimilarWithin);
    workorder::v1::FindSimilarOrdersRequest request;
    request.set_order_id(pushed->order().id());
    options_.finder->FindSimilarOrders(
        search, std::move(request),
        [pushed = *std::move(pushed),
         done = std::move(done)](absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> similar) mutable {
          if (similar.ok()) *pushed.mutable_similar() = *std::move(similar);
          done(std::move(pushed));
        });
  };
}

void DispatchService::ReferFromScene(const CallContext& call, v1::ReferFromSceneRequest request,
                                     Done<v1::ReferFromSceneResponse> done) {
  if (!request.has_scene()) return done(error::Required("scene"));
  std::string to_hotline = std::move(*request.mutable_to_hotline());
  if (to_hotline.empty() && KnowsPeer(kGovernmentHotline)) to_hotline = kGovernmentHotline;
  if (to_hotline.empty() && links_.size() == std::size(kLanes)) to_hotline = links_.begin()->first.peer;
  if (to_hotline.empty()) return done(error::Required("to_hotline"));
  PushWorkOrder(call, ToPush(request, std::move(to_hotline)),
                [done = std::move(done)](absl::StatusOr<v1::PushWorkOrderResponse> pushed) mutable {
                  if (!pushed.ok()) return done(error::WithoutFieldPrefix(pushed.status(), "offer"));
                  v1::ReferFromSceneResponse response;
                  *response.mutable_push() = *std::move(pushed);
                  done(std::move(response));
                });
}

void DispatchService::FinishPush(const CallContext& call, absl::Duration wait, bool wait_set,
                                 workorder::v1::CommandResult result, Done<v1::PushWorkOrderResponse> done) {
  counters_.pushes.fetch_add(1, std::memory_order_relaxed);
  Told(result.event_sequence());
  v1::PushWorkOrderResponse response;
  response.set_event_sequence(result.event_sequence());
  *response.mutable_order() = std::move(*result.mutable_order());
  type::v1::Actor actor;
  actor.set_account(call.account);
  actor.set_unit(call.unit);
  HideCallerInAnswer(actor, options_.clearance.Covers(call, actor), response.mutable_order());
  const bool emergency = response.order().urgency() == type::v1::URGENCY_EMERGENCY;
  // Somebody waits for it: a call-taker, or an officer on the spot.
  const bool on_scene = response.order().handoff().scene().request() == type::v1::SCENE_REQUEST_BRING_UNIT;
  // A clue touching stability wants its receipt as an emergency does.
  const bool clue = response.order().handoff().kind() == type::v1::HANDOFF_KIND_STABILITY_CLUE;
  const bool awaited = emergency || on_scene || clue;
  const absl::Time now = clock_->Now();
  // A clock that was set back since the call came gives nobody more time.
  const absl::Time counted = std::max(now, call.now);
  // Within which it is to be said, so that what the commit took counts.
  if (awaited && !wait_set) wait = options_.emergency_receipt - (counted - call.now);
  const auto link =
      links_.find(LaneKey{response.order().handoff().to_hotline(), LaneFor(response.order().urgency())});
  if (link == links_.end()) return done(error::TargetUnknown(response.order().handoff().to_hotline()));

  const auto answer = [this, awaited, link = link->second.get(), alarm = emergency || clue](
                          v1::PushWorkOrderResponse response, ReceiptOutcome outcome,
                          Done<v1::PushWorkOrderResponse> done) {
    if (outcome == ReceiptOutcome::kReceived) {
      counters_.pushes_received.fetch_add(1, std::memory_order_relaxed);
      response.set_status(v1::DELIVERY_STATUS_RECEIVED);
      response.set_advice("对方平台已接收");
      return done(std::move(response));
    }
    response.set_status(v1::DELIVERY_STATUS_QUEUED);
    response.set_advice("已提交，待对方平台接收，系统会持续重试");
    if (awaited) {
      counters_.telephone_required.fetch_add(1, std::memory_order_relaxed);
      response.set_telephone_required(true);
      response.set_advice(alarm ? "对方平台尚未接收，请立即使用电话一键转接或三方通话"
                                : "对方平台尚未接收，请立即电话联系政务服务中心负责人");
    }
    const type::v1::WorkOrder order = alarm ? response.order() : type::v1::WorkOrder();
    // The person at the telephone first, the record second.
    done(std::move(response));
    if (alarm) AlarmWhenLate(link, order);
  };
  if (wait <= absl::ZeroDuration() && !awaited) {
    return answer(std::move(response), ReceiptOutcome::kTimedOut, std::move(done));
  }
  const absl::Time deadline = now + std::min(wait, AnswerBy(call) - counted);
  // A request that is repeated.
  if (response.order().handoff().has_receive_time()) {
    return answer(std::move(response), ReceiptOutcome::kReceived, std::move(done));
  }
  const int64_t sequence = response.order().handoff().link_sequence();
  link->second->AwaitReceipt(
      sequence, deadline, emergency,
      [answer, response = std::move(response), done = std::move(done)](ReceiptOutcome outcome) mutable {
        answer(std::move(response), outcome, std::move(done));
      });
}

// The call may have been answered before the limit: the link is down, or the client waits no longer. Late it
// is only when the limit has passed.
void DispatchService::AlarmWhenLate(Link* link, const type::v1::WorkOrder& order) {
  const absl::Time offered = FromTimestamp(order.handoff().offer_time());
  // A clock that was set back since the offer makes nobody wait longer.
  const absl::Duration left =
      std::min(offered - clock_->Now() + options_.emergency_receipt, options_.emergency_receipt);
  if (left <= absl::ZeroDuration()) return RaiseAlarm(order);
  const absl::Duration late = clock_->Steady() + left;
  type::v1::WorkOrder offer;
  offer.set_id(order.id());
  *offer.mutable_handoff()->mutable_offer_time() = order.handoff().offer_time();
  const bool emergency = order.urgency() == type::v1::URGENCY_EMERGENCY;
  link->AwaitReceipt(order.handoff().link_sequence(), clock_->Now() + left + kWaitGrain,
                     /*give_up_when_down=*/false,
                     [this, late, emergency, offer = std::move(offer)](ReceiptOutcome outcome) {
                       if (outcome == ReceiptOutcome::kReceived) return;
                       // A drain, or a recovery that numbers envelopes anew, ends the wait early: an
                       // emergency is left to escalation then, a clue nobody else raises one for.
                       if (emergency && clock_->Steady() < late) return;
                       RaiseAlarm(offer);
                     });
}

// If it fails, or this process dies first, escalation raises the same alarm when the receipt's deadline
// passes.
void DispatchService::RaiseAlarm(const type::v1::WorkOrder& order) {
  type::v1::Command command = ReceiptAlarm(order.id(), order.handoff().offer_time());
  command.set_traceparent(NewTraceparent());
  batcher_.Submit(std::move(command), /*emergency=*/true, absl::InfiniteFuture(),
                  [this](absl::StatusOr<workorder::v1::CommandResult> result) {
                    if (!result.ok()) counters_.alarms_failed.fetch_add(1, std::memory_order_relaxed);
                  });
}

void DispatchService::PushToPartners(const CallContext& call, v1::PushToPartnersRequest request,
                                     Done<v1::PushToPartnersResponse> done) {
  if (absl::Status status = CheckReceiptWait(request.has_receipt_wait(), request.receipt_wait());
      !status.ok()) {
    return done(status);
  }
  if (request.header().request_id().size() > kMaxFanOutRequestId) {
    return done(error::BadField(Reason::ERROR_REASON_REQUEST_ID_INVALID, "header.request_id",
                                "must be 8 to 47 characters here", "在此应为8至47位"));
  }
  NameUnit(call, request.mutable_header());
  // First the incident, which also settles whether the same id is used for the same call; then its children,
  // all in one batch. A death between the two is mended by sending the request again.
  type::v1::Command incident;
  *incident.mutable_header() = request.header();
  *incident.mutable_partner_call() = request.partner_call();
  incident.set_traceparent(call.traceparent);
  const bool known = IsKnownEmergency(request.header().order_id());
  if (known) done = Passing(way_.Enter(), std::move(done));
  batcher_.Submit(std::move(incident), known, AnswerBy(call),
                  [this, call, known, request = std::move(request),
                   done = std::move(done)](absl::StatusOr<workorder::v1::CommandResult> result) mutable {
                    if (!result.ok()) return done(result.status());
                    Told(result->event_sequence());
                    if (!known && result->order().urgency() == type::v1::URGENCY_EMERGENCY) {
                      done = Passing(way_.Enter(), std::move(done));
                    }
                    const type::v1::Actor& actor = request.header().actor();
                    HideCallerInAnswer(actor, options_.clearance.Covers(call, actor),
                                       result->mutable_order());
                    PushChildren(call, std::move(request), *std::move(result), std::move(done));
                  });
}

void DispatchService::PushChildren(const CallContext& call, v1::PushToPartnersRequest request,
                                   workorder::v1::CommandResult incident,
                                   Done<v1::PushToPartnersResponse> done) {
  // Collects the outcomes; the last one answers. Each slot is written by one call only.
  struct Gather {
    v1::PushToPartnersResponse response;
    std::atomic<int> left;
    Done<v1::PushToPartnersResponse> done;
  };
  auto gather = std::make_shared<Gather>();
  gather->done = std::move(done);
  gather->response.set_event_sequence(incident.event_sequence());
  *gather->response.mutable_order() = std::move(*incident.mutable_order());
  const std::string& parent_id = gather->response.order().id();
  workorder::v1::ExecuteRequest batch;
  batch.set_together(true);
  // They take the incident's content, and say nothing of it themselves.
  batch.set_emergency(gather->response.order().urgency() == type::v1::URGENCY_EMERGENCY);
  for (const std::string& hotline : request.partner_call().to_hotlines()) {
    gather->response.add_results()->set_hotline(hotline);
    type::v1::Command& command = *batch.add_commands();
    command = PartnerCommand(request.header(), request.partner_call(), hotline, parent_id);
    command.set_traceparent(call.traceparent);
  }
  gather->left = gather->response.results_size();
  // Not through the batcher, which could part them: all are offered in one commit.
  ledger_->Execute(call, std::move(batch),
                   [this, call = ActingAs(request.header(), call), gather,
                    wait = FromProtoDuration(request.receipt_wait()), wait_set = request.has_receipt_wait()](
                       absl::StatusOr<workorder::v1::ExecuteResponse> executed) mutable {
                     if (executed.ok() && executed->results_size() != gather->response.results_size()) {
                       executed = error::Internal("the ledger did not answer every command");
                     }
                     if (!executed.ok()) return gather->done(executed.status());
                     for (int i = 0; i < executed->results_size(); ++i) {
                       const auto finish = [gather, slot = gather->response.mutable_results(i)](
                                               absl::StatusOr<v1::PushWorkOrderResponse> pushed) {
                         if (pushed.ok()) {
                           *slot->mutable_response() = *std::move(pushed);
                         } else {
                           *slot->mutable_error() = error::ToProto(pushed.status());
                         }
                         if (--gather->left == 0) gather->done(std::move(gather->response));
                       };
                       workorder::v1::CommandResult& result = *executed->mutable_results(i);
                       if (result.has_error()) {
                         finish(error::FromProto(result.error()));
                       } else {
                         FinishPush(call, wait, wait_set, std::move(result), finish);
                       }
                     }
                   });
}

void DispatchService::BatchPushWorkOrders(const CallContext& call, v1::BatchPushWorkOrdersRequest request,
                                          Done<v1::BatchPushWorkOrdersResponse> done) {
  // With an emergency among them the others go by the catalogue's phrases rather than hold it up.
  const bool urgent = std::any_of(request.requests().begin(), request.requests().end(), IsStatedEmergency);
  if (!urgent && !IsModelReady() &&
      std::any_of(request.requests().begin(), request.requests().end(), NeedsAdvice)) {
    const int entries = request.requests_size();
    const size_t bytes = request.ByteSizeLong();
    return WaitForModel(call, entries, bytes,
                        [this, call, request = std::move(request),
                         done = std::move(done)](const absl::Status& ready) mutable {
                          if (!ready.ok()) return done(ready);
                          BatchPush(call, std::move(request), std::move(done));
                        });
  }
  BatchPush(call, std::move(request), std::move(done));
}

void DispatchService::BatchPush(const CallContext& call, v1::BatchPushWorkOrdersRequest request,
                                Done<v1::BatchPushWorkOrdersResponse> done) {
  const int count = request.requests_size();
  if (count > kMaxBatchPush) {
    return done(error::BadField(Reason::ERROR_REASON_BATCH_TOO_LARGE, "requests",
                                StrCat("has more than ", kMaxBatchPush, " entries"),
                                StrCat("超过", kMaxBatchPush, "条")));
  }
  if (count == 0) return done(v1::BatchPushWorkOrdersResponse());
  const auto import = std::make_shared<Import>();
  import->call = call;
  import->bytes = request.ByteSizeLong();
  import->request = std::move(request);
  import->done = std::move(done);
  import->unanswered = count;
  std::vector<int> emergencies;
  for (int i = 0; i < count; ++i) {
    import->response.add_results();
    const bool emergency = IsStatedEmergency(import->request.requests(i));
    emergency ? emergencies.push_back(i) : import->left.push_back(i);
  }
  for (const int i : emergencies) PushOne(import, i);
  if (import->left.empty()) return;
  if (options_.importer == nullptr) {
    for (const int i : import->left) PushOne(import, i);
    return;
  }
  absl::Status refused;
  bool idle = false;
  {
    MutexLock lock(&import_mu_);
    if (draining_) {
      refused = error::Draining();
    } else if (import_entries_ >= static_cast<size_t>(options_.batcher.queue_limit) ||
               import_bytes_ >= options_.batcher.queue_bytes) {
      refused = Batcher::Full();
      batcher_.NoteRejected(static_cast<int64_t>(import->left.size()));
    } else {
      import_entries_ += import->left.size();
      import_bytes_ += import->bytes;
      // Its emergencies are answered with it.
      emergencies.empty() ? imports_.push_back(import) : imports_.push_front(import);
      idle = !std::exchange(importing_, true);
    }
  }
  if (!refused.ok()) return import->Refuse(refused);
  if (idle) options_.importer->Post([this] { ImportNext(); });
}

int64_t DispatchService::waiting_imports() const {
  int64_t waiting;
  {
    MutexLock lock(&reload_mu_);
    waiting = model_entries_;
  }
  MutexLock lock(&import_mu_);
  return waiting + static_cast<int64_t>(import_entries_);
}

void DispatchService::ImportNext() {
  const absl::Time now = clock_->Now();
  std::shared_ptr<Import> import;
  int next = -1;
  {
    MutexLock lock(&import_mu_);
    if (imports_.empty()) {
      importing_ = false;
      return;
    }
    import = imports_.front();
    if (AnswerBy(import->call) > now) {
      next = import->left.front();
      import->left.pop_front();
      --import_entries_;
    }
    if (next < 0 || import->left.empty()) {
      import_entries_ -= import->left.size();
      import_bytes_ -= import->bytes;
      imports_.pop_front();
    }
  }
  if (next < 0) {
    // None of these was sent. Whoever still waits sends them again, and hears of those that were.
    batcher_.NoteRejected(static_cast<int64_t>(import->left.size()));
    import->Refuse(Batcher::Full());
  } else {
    PushOne(import, next);
  }
  way_.Yield([this] { options_.importer->Post([this] { ImportNext(); }); });
}

void DispatchService::PushOne(const std::shared_ptr<Import>& import, int i) {
  v1::PushWorkOrderRequest& request = *import->request.mutable_requests(i);
  // What is awaited is waited for as where nothing is said: who is not told by this call is told by nobody.
  request.clear_receipt_wait();
  Done<v1::PushWorkOrderResponse> finish = [import, i](absl::StatusOr<v1::PushWorkOrderResponse> pushed) {
    import->Finish(i, std::move(pushed));
  };
  absl::Status undecided;
  absl::StatusOr<type::v1::Command> command = ToCommand(import->call, request, &undecided);
  if (!command.ok()) return finish(command.status());
  // What advice alone finds to be one goes ahead in the queue, but must not make its own batch wait for each.
  if (command->registration().content().urgency() == type::v1::URGENCY_EMERGENCY) {
    finish = Passing(way_.Enter(), std::move(finish));
  }
  const CallContext acting = ActingAs(command->header(), import->call);
  SubmitPush(*std::move(command), AnswerBy(import->call), std::move(undecided),
             [this, call = acting,
              finish = std::move(finish)](absl::StatusOr<workorder::v1::CommandResult> result) mutable {
               if (!result.ok()) return finish(result.status());
               FinishPush(call, absl::ZeroDuration(), /*wait_set=*/false, *std::move(result),
                          std::move(finish));
             });
}

// ---- Routing
// ---------------------------------------------------------------------------------------------------------

void DispatchService::SuggestRoute(const CallContext& call, v1::SuggestRouteRequest request,
                                   Done<v1::SuggestRouteResponse> done) {
  if (options_.router == nullptr) return done(error::NoCatalogue());
  if (IsModelReady()) return Suggest(call, std::move(request), std::move(done));
  const size_t bytes = request.ByteSizeLong();
  WaitForModel(
      call, 1, bytes,
      [this, call, request = std::move(request), done = std::move(done)](const absl::Status& ready) mutable {
        if (!ready.ok()) return done(ready);
        Suggest(call, std::move(request), std::move(done));
      });
}

void DispatchService::Suggest(const CallContext& call, v1::SuggestRouteRequest request,
                              Done<v1::SuggestRouteResponse> done) {
  absl::StatusOr<v1::SuggestRouteResponse> advised = options_.router->Suggest(request, clock_->Now());
  if (!advised.ok() || !request.find_similar() || options_.finder == nullptr) return done(std::move(advised));
  CallContext search = call;
  if (!request.account().empty()) search.account = std::move(*request.mutable_account());
  search.deadline = std::min(call.deadline, clock_->Now() + kFindSimilarWithin);
  workorder::v1::FindSimilarOrdersRequest find;
  type::v1::OrderContent& content = *find.mutable_content();
  content.set_text(std::move(*request.mutable_text()));
  content.mutable_caller()->set_phone(std::move(*request.mutable_caller_phone()));
  *content.mutable_place() = std::move(*request.mutable_place());
  if (content.place().township_code().empty()) {
    content.mutable_place()->set_township_code(advised->township_code());
  }
  const auto answer = [](v1::SuggestRouteResponse advice, Done<v1::SuggestRouteResponse> then,
                         absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> similar) {
    if (similar.ok()) *advice.mutable_similar() = *std::move(similar);
    then(std::move(advice));
  };
  workorder::v1::FindSimilarOrdersRequest again = find;
  again.mutable_content()->mutable_caller()->clear_phone();
  options_.finder->FindSimilarOrders(
      search, std::move(find),
      [this, answer, search, again = std::move(again), advised = *std::move(advised),
       done = std::move(done)](absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> similar) mutable {
        // Half typed, or in another form, a number finds nothing; text and place may.
        if (error::ReasonOf(similar.status()) != Reason::ERROR_REASON_PHONE_INVALID) {
          return answer(std::move(advised), std::move(done), std::move(similar));
        }
        options_.finder->FindSimilarOrders(
            search, std::move(again),
            [answer, advised = std::move(advised), done = std::move(done)](
                absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> by_text) mutable {
              answer(std::move(advised), std::move(done), std::move(by_text));
            });
      });
}

void DispatchService::ReloadCatalogue(const CallContext& call, v1::ReloadCatalogueRequest,
                                      Done<v1::ReloadCatalogueResponse> done) {
  if (options_.router == nullptr) return done(error::NoCatalogue());
  if (options_.reloader == nullptr) return done(options_.router->Reload(clock_->Now()));
  {
    MutexLock lock(&reload_mu_);
    if (!draining_) {
      reload_waiting_.push_back({.deadline = call.deadline, .done = std::move(done)});
      // One that has not begun reads what is there now as well.
      if (reload_waiting_.size() > 1) return;
      return options_.reloader->Post([this] { ReloadForWaiting(); });
    }
  }
  done(error::Draining());
}

void DispatchService::ReloadForWaiting() {
  std::vector<WaitingReload> waiting;
  {
    MutexLock lock(&reload_mu_);
    waiting.swap(reload_waiting_);
  }
  const absl::Time now = clock_->Now();
  const auto late = std::stable_partition(waiting.begin(), waiting.end(),
                                          [now](const WaitingReload& one) { return one.deadline > now; });
  for (auto it = late; it != waiting.end(); ++it) {
    it->done(absl::DeadlineExceededError("another reload took too long"));
  }
  waiting.erase(late, waiting.end());
  if (waiting.empty()) return;
  const absl::StatusOr<v1::ReloadCatalogueResponse> response = options_.router->Reload(now);
  for (WaitingReload& one : waiting) one.done(response);
}

void DispatchService::GetCatalogue(const CallContext&, v1::GetCatalogueRequest request,
                                   Done<v1::GetCatalogueResponse> done) {
  if (options_.router == nullptr) return done(error::NoCatalogue());
  done(options_.router->Get(request, clock_->Now()));
}

// ---- Watches
// ----------------------------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<MessageStream>> DispatchService::WatchHandoffs(
    const CallContext& call, const v1::WatchHandoffsRequest& request) {
  absl::Duration heartbeat = kDefaultHeartbeat;
  if (request.has_heartbeat_interval()) {
    heartbeat = FromProtoDuration(request.heartbeat_interval());
    if (heartbeat < absl::Seconds(1) || heartbeat > absl::Seconds(60)) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "heartbeat_interval", "must be 1 s to 60 s",
                             "应在1到60秒之间");
    }
  }
  absl::StatusOr<std::string> order_id = EventHub::OrderOf(request.order_id());
  if (!order_id.ok()) return order_id.status();
  int64_t start = request.start_sequence();
  // "From the next event on" is after what this client was told of, even if the watches have yet to hear of
  // it.
  if (start == 0 && hub_.head() >= 0) start = std::max(hub_.head(), told_sequence_.load()) + 1;
  EventHub::Viewer viewer;
  viewer.cleared = options_.clearance.Covers(call);
  // A unit may be one that the matter accuses.
  viewer.whole = viewer.cleared && call.unit.empty();
  viewer.record = [this, call](const std::vector<std::string>& order_ids,
                               absl::AnyInvocable<void(absl::Status)> then) {
    CallContext recording = call;
    recording.now = clock_->Now();
    recording.deadline = recording.now + kLedgerTimeout;
    std::vector<Shown> shown;
    for (const std::string& id : order_ids) shown.push_back({id, type::v1::DISCLOSURE_KIND_WATCH});
    ledger_->Execute(
        recording, RecordOf(recording, std::move(shown)),
        [then = std::move(then)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
          then(IsRecorded(response));
        });
  };
  return hub_.Open(start, *std::move(order_id), heartbeat, std::move(viewer));
}

// Where the log stands when serving begins: older events are history, newer ones are followed.
void DispatchService::FindHead() {
  if (draining_) return;
  CallContext call;
  call.now = clock_->Now();
  call.deadline = call.now + kLedgerTimeout;
  call.traceparent = NewTraceparent();
  ledger_->ReadEvents(call, ReadRequest(1, 1, absl::ZeroDuration()),
                      [this](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
                        if (!response.ok()) {
                          counters_.follower_failures.fetch_add(1, std::memory_order_relaxed);
                          executor_->PostAfter(follow_backoff_.Next(random_), [this] { FindHead(); });
                          return;
                        }
                        follow_backoff_.Reset();
                        hub_.SetHead(response->head_sequence());
                        Follow(response->head_sequence() + 1);
                      });
}

void DispatchService::Follow(int64_t next) {
  if (draining_) return;
  CallContext call;
  call.now = clock_->Now();
  call.deadline = call.now + kFollowWait + kLedgerTimeout;
  call.traceparent = NewTraceparent();
  ledger_->ReadEvents(
      call, ReadRequest(next, kFollowLimit, kFollowWait),
      [this, next](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
        if (error::ReasonOf(response.status()) == Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE) {
          return FollowAnew(response.status());
        }
        if (!response.ok()) return FollowLater(next);
        follow_backoff_.Reset();
        LearnEmergencies(*response);
        EventHub::Items items = ToItems(*response);
        const int64_t after = items.empty() ? next : items.back().sequence + 1;
        // Published first: the next answer may come on another thread.
        if (!items.empty()) hub_.Publish(std::move(items));
        // Events come in runs: a short pause after news spares callers most of the followers' work.
        const int count = response->events_size();
        if (count == 0 || count == kFollowLimit) return Follow(after);
        executor_->PostAfter(kFollowPause, [this, after] { Follow(after); });
      });
}

void DispatchService::FollowLater(int64_t next) {
  counters_.follower_failures.fetch_add(1, std::memory_order_relaxed);
  executor_->PostAfter(follow_backoff_.Next(random_), [this, next] { Follow(next); });
}

void DispatchService::FollowAnew(const absl::Status& why) {
  counters_.follower_failures.fetch_add(1, std::memory_order_relaxed);
  hub_.Reset(why);
  told_sequence_ = 0;
  {
    // Their ids and numbers may be given again.
    MutexLock lock(&emergencies_mu_);
    emergencies_.clear();
    emergencies_by_age_.clear();
  }
  FindHead();
}

// ---- Links
// --------------------------------------------------------------------------------------------------------------

void DispatchService::ListLinks(const CallContext& call, v1::ListLinksRequest,
                                Done<v1::ListLinksResponse> done) {
  ledger_->ListLinkCursors(
      call, {},
      [this, done = std::move(done)](absl::StatusOr<workorder::v1::ListLinkCursorsResponse> cursors) mutable {
        if (!cursors.ok()) return done(cursors.status());
        v1::ListLinksResponse response;
        for (const workorder::v1::LinkCursor& cursor : cursors->links()) {
          v1::LinkStatus& status = *response.add_links();
          status.set_peer(cursor.peer());
          status.set_outgoing_sequence(cursor.outgoing_sequence());
          status.set_acknowledged_sequence(cursor.acknowledged_sequence());
          status.set_incoming_sequence(cursor.incoming().received_through());
          status.set_lane(cursor.lane());
          if (cursor.has_oldest_unacknowledged_time()) {
            *status.mutable_oldest_unacknowledged_time() = cursor.oldest_unacknowledged_time();
          }
          if (cursor.has_acknowledge_time()) *status.mutable_peer_known_time() = cursor.acknowledge_time();
          const auto link = links_.find(LaneKey{cursor.peer(), cursor.lane()});
          if (link == links_.end()) continue;
          const Peer& transport = link->second->transport();
          status.set_transport(transport.store_and_forward() ? v1::LINK_TRANSPORT_SPOOL
                                                             : v1::LINK_TRANSPORT_GRPC);
          // The newest bundle confirms a receipt that may be older.
          if (transport.known_time() > absl::InfinitePast()) {
            *status.mutable_peer_known_time() = ToTimestamp(transport.known_time());
          }
          if (const ReconcileHealth compared = reconciler_.health(cursor.peer());
              compared.end_time > absl::InfinitePast()) {
            *status.mutable_reconcile_time() = ToTimestamp(compared.end_time);
            status.set_reconcile_differences(compared.differences);
          }
          const LinkHealth health = link->second->health();
          status.set_up(health.up);
          status.set_recovering(health.recovering);
          status.set_recovered_count(health.recovered);
          status.set_forked_sequence(health.forked_at);
          status.set_protocol_version(health.peer_version);
          for (const std::string& one : health.peer_capabilities) status.add_peer_capabilities(one);
          if (health.clock_uncertainty != absl::InfiniteDuration()) {
            *status.mutable_clock_skew() = ToProtoDuration(health.clock_skew);
            *status.mutable_clock_uncertainty() = ToProtoDuration(health.clock_uncertainty);
          }
          if (health.acknowledge_time > absl::InfinitePast()) {
            *status.mutable_acknowledge_time() = ToTimestamp(health.acknowledge_time);
          }
          if (!health.up && !health.last_error.ok()) {
            status.set_last_error(std::string(health.last_error.message()));
            *status.mutable_next_try_time() = ToTimestamp(health.next_try_time);
          }
        }
        done(std::move(response));
      });
}

void DispatchService::ReconcileLink(const CallContext& call, v1::ReconcileLinkRequest request,
                                    Done<v1::ReconcileLinkResponse> done) {
  reconciler_.Run(call, std::move(request), std::move(done));
}

bool DispatchService::OffersReconcile(const std::string& peer) const {
  const Link& link = *links_.find(LaneKey{peer})->second;
  const LinkHealth health = link.health();
  const std::vector<std::string>& offered = health.peer_capabilities;
  // A transport that stores and forwards answers for a peer of which it has heard nothing yet.
  const bool told = health.peer_version != 0 && !(offered.empty() && link.transport().store_and_forward());
  return !told || std::find(offered.begin(), offered.end(), "reconcile") != offered.end();
}

absl::Status DispatchService::Hear(const CallContext& call, int version, const std::string& from,
                                   const std::string& to) {
  if (!KnowsPeer(from)) return error::PeerUnknown(from);
  // Without TLS there is no identity, and only loopback gets here.
  if (!call.identity.empty() && !call.identity.starts_with(StrCat(from, "/"))) {
    return error::PeerUnknown(from);
  }
  if (to != options_.hotline) return error::NotThisSite(to, options_.hotline);
  if (version != kProtocolVersion) return error::ProtocolVersionUnsupported(version, kProtocolVersion);
  for (const exchange::v1::Lane lane : kLanes) links_.find(LaneKey{from, lane})->second->Nudge();
  return absl::OkStatus();
}

void DispatchService::Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                              Done<exchange::v1::DeliverResponse> done) {
  if (absl::Status status =
          Hear(call, request.protocol_version(), request.from_hotline(), request.to_hotline());
      !status.ok()) {
    return done(status);
  }
  if (request.envelopes_size() > kMaxEnvelopes) {
    return done(error::BadField(Reason::ERROR_REASON_BATCH_TOO_LARGE, "envelopes",
                                StrCat("has more than ", kMaxEnvelopes, " entries"),
                                StrCat("超过", kMaxEnvelopes, "条")));
  }
  if (!IsLane(request.lane())) return done(error::BadEnum("lane", request.lane()));
  if (request.envelopes().empty()) return Take(call, std::move(request), std::move(done));
  if (LaneOf(request.lane()) == exchange::v1::LANE_EMERGENCY) {
    return Take(call, std::move(request), Passing(way_.Enter(), std::move(done)));
  }
  way_.Yield([this, call, request = std::move(request), done = std::move(done)]() mutable {
    Take(call, std::move(request), std::move(done));
  });
}

void DispatchService::Take(const CallContext& call, exchange::v1::DeliverRequest request,
                           Done<exchange::v1::DeliverResponse> done) {
  if (absl::Status status = notary_->CheckBatch(request, call.now); !status.ok()) return done(status);
  counters_.deliveries_in.fetch_add(1, std::memory_order_relaxed);
  const LaneKey key{.peer = request.from_hotline(), .lane = LaneOf(request.lane())};
  workorder::v1::ApplyInboxRequest inbox;
  inbox.set_peer(key.peer);
  inbox.set_lane(key.lane);
  *inbox.mutable_envelopes() = std::move(*request.mutable_envelopes());
  if (request.has_receipt()) *inbox.mutable_peer_receipt() = std::move(*request.mutable_receipt());
  if (key.lane == exchange::v1::LANE_EMERGENCY) {
    // Only of an emergency it matters how long it took.
    const LinkHealth health = links_.find(key)->second->health();
    if (health.clock_uncertainty != absl::InfiniteDuration()) {
      *inbox.mutable_clock_skew() = ToProtoDuration(health.clock_skew);
      *inbox.mutable_clock_uncertainty() = ToProtoDuration(health.clock_uncertainty);
    }
  }
  if (!request.statement().empty()) {
    inbox.mutable_batch()->set_statement(std::move(*request.mutable_statement()));
    *inbox.mutable_batch()->mutable_signature() = std::move(*request.mutable_signature());
  }
  ledger_->ApplyInbox(
      call, std::move(inbox),
      [this, key, arrived = call.now,
       done = std::move(done)](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) mutable {
        if (!response.ok()) return done(response.status());
        exchange::v1::DeliverResponse delivered;
        *delivered.mutable_receipt() = std::move(*response->mutable_receipt());
        const absl::Time now = clock_->Now();
        if (absl::Status status = notary_->SignReceipt(key.peer, delivered.mutable_receipt(), now);
            !status.ok()) {
          return done(status);
        }
        *delivered.mutable_arrive_time() = ToTimestamp(arrived);
        *delivered.mutable_answer_time() = ToTimestamp(now);
        done(std::move(delivered));
      });
}

void DispatchService::GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
                              Done<exchange::v1::GetLinkResponse> done) {
  // Any version that both speak will do; the caller's first wish need not be it, and counts only alone.
  int version = request.protocol_version();
  if (std::find(request.supported_versions().begin(), request.supported_versions().end(), kProtocolVersion) !=
      request.supported_versions().end()) {
    version = kProtocolVersion;
  } else if (!request.supported_versions().empty()) {
    version = request.supported_versions(0);
  }
  if (absl::Status status = Hear(call, version, request.from_hotline(), request.to_hotline()); !status.ok()) {
    return done(status);
  }
  ledger_->ListLinkCursors(
      call, {},
      [this, from = request.from_hotline(),
       done = std::move(done)](absl::StatusOr<workorder::v1::ListLinkCursorsResponse> cursors) mutable {
        if (!cursors.ok()) return done(cursors.status());
        exchange::v1::GetLinkResponse response;
        response.set_protocol_version(kProtocolVersion);
        response.add_supported_versions(kProtocolVersion);
        const crypto::Signer* signer = notary_->signer(clock_->Now());
        for (std::string& one : Capabilities(signer)) response.add_capabilities(std::move(one));
        for (workorder::v1::LinkCursor& cursor : *cursors->mutable_links()) {
          if (cursor.peer() != from) continue;
          exchange::v1::LanePosition* position = response.add_lanes();
          position->set_lane(cursor.lane());
          *position->mutable_incoming() = std::move(*cursor.mutable_incoming());
          position->set_outgoing_sequence(cursor.outgoing_sequence());
          if (absl::Status status = notary_->SignReceipt(from, position->mutable_incoming(), clock_->Now());
              !status.ok()) {
            return done(status);
          }
          if (cursor.lane() != exchange::v1::LANE_ORDINARY) continue;
          *response.mutable_incoming() = position->incoming();
          response.set_outgoing_sequence(position->outgoing_sequence());
        }
        done(std::move(response));
      });
}

void DispatchService::Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                               Done<exchange::v1::BackfillResponse> done) {
  if (absl::Status status =
          Hear(call, request.protocol_version(), request.from_hotline(), request.to_hotline());
      !status.ok()) {
    return done(status);
  }
  workorder::v1::ReadInboxRequest read;
  read.set_peer(request.from_hotline());
  read.set_lane(request.lane());
  read.set_after_sequence(request.after_sequence());
  read.set_limit(request.limit());
  ledger_->ReadInbox(
      call, std::move(read),
      [done = std::move(done)](absl::StatusOr<workorder::v1::ReadInboxResponse> inbox) mutable {
        if (!inbox.ok()) return done(inbox.status());
        exchange::v1::BackfillResponse response;
        *response.mutable_envelopes() = std::move(*inbox->mutable_envelopes());
        *response.mutable_batches() = std::move(*inbox->mutable_batches());
        done(std::move(response));
      });
}

void DispatchService::Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                                Done<exchange::v1::ReconcileResponse> done) {
  if (absl::Status status =
          Hear(call, request.protocol_version(), request.from_hotline(), request.to_hotline());
      !status.ok()) {
    return done(status);
  }
  workorder::v1::ReadDigestsRequest read;
  read.set_peer(request.from_hotline());
  *read.mutable_ranges() = std::move(*request.mutable_ranges());
  ledger_->ReadDigests(
      call, std::move(read),
      [done = std::move(done)](absl::StatusOr<workorder::v1::ReadDigestsResponse> digests) mutable {
        if (!digests.ok()) return done(digests.status());
        exchange::v1::ReconcileResponse response;
        *response.mutable_answers() = std::move(*digests->mutable_answers());
        done(std::move(response));
      });
}

}  // namespace hotline::dispatch
