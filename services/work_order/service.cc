#include "services/work_order/service.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/evidence/verify.h"
#include "common/exchange/chain.h"
#include "google/rpc/error_details.pb.h"
#include "services/work_order/core/custody.h"
#include "services/work_order/core/governor.h"
#include "services/work_order/core/mask.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/validate.h"
#include "services/work_order/evidence.h"

namespace hotline::work_order {
namespace {

using error::Reason;

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 500;
constexpr int kScanLimit = 20'000;
// Rows looked at for a list before other reads have their turn: some two milliseconds.
constexpr int kListSlice = 512;
constexpr int kMaxHistory = 1000;
constexpr int64_t kMaxOrderId = 64;
// Of the records or events in one answer, unless one alone is larger: what a peer wrote at length is listed
// and read all the same, by clients that take gRPC's 4 MiB too.
constexpr size_t kMaxPageBytes = 2 << 20;
constexpr size_t kMaxChainEvents = 20'000;
constexpr int kVerifySlice = 2000;
constexpr absl::Duration kVerifyRetry = absl::Minutes(1);
constexpr int kDefaultSimilar = 10;
constexpr int kMaxSimilar = 50;
// Blocks of numbers looked at: those of some two million orders.
constexpr int kNumberScanLimit = 500;
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(10);
constexpr absl::Duration kRecordTimeout = absl::Seconds(20);

// A page token says where to go on and for which filter, so that it cannot be used with another.
std::string FilterMark(const workorder::v1::ListFilter& filter) {
  return absl::BytesToHexString(Sha256({filter.SerializeAsString()}).substr(0, 8));
}

std::string MakePageToken(int64_t before_id, const workorder::v1::ListFilter& filter) {
  return absl::WebSafeBase64Escape(StrCat(before_id, "/", FilterMark(filter)));
}

absl::StatusOr<int64_t> ReadPageToken(const std::string& token, const workorder::v1::ListFilter& filter) {
  std::string text;
  int64_t before_id = 0;
  if (absl::WebSafeBase64Unescape(token, &text)) {
    const std::vector<std::string> parts = absl::StrSplit(text, '/');
    if (parts.size() == 2 && parts[1] == FilterMark(filter) && absl::SimpleAtoi(parts[0], &before_id) &&
        before_id > 0) {
      return before_id;
    }
  }
  return error::BadField(Reason::ERROR_REASON_PAGE_TOKEN_INVALID, "page_token",
                         "is not one this service gave for this filter", "不是本服务为该查询给出的翻页标记");
}

// The instant that `request` asks about.
template <typename Request>
absl::StatusOr<absl::Time> InstantOf(const Request& request, absl::Time now) {
  if (!request.has_at_time()) return now;
  if (!IsValidTime(request.at_time())) {
    return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "at_time", "is not a valid time",
                           "不是有效的时间");
  }
  const absl::Time at = FromTimestamp(request.at_time());
  if (at > now) {
    return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "at_time", "lies in the future",
                           "不能晚于当前时间");
  }
  return at;
}

absl::Status ValidateFilter(const workorder::v1::ListFilter& filter) {
  for (int i = 0; i < filter.states_size(); ++i) {
    if (filter.states(i) == type::v1::ORDER_STATE_UNSPECIFIED ||
        !type::v1::OrderState_IsValid(filter.states(i))) {
      return error::BadEnum(StrCat("filter.states[", i, "]"), filter.states(i));
    }
  }
  if (absl::Status status = ValidateTime("filter.register_start_time", filter.has_register_start_time(),
                                         filter.register_start_time());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = ValidateTime("filter.register_end_time", filter.has_register_end_time(),
                                         filter.register_end_time());
      !status.ok()) {
    return status;
  }
  if (!type::v1::OrderType_IsValid(filter.type())) return error::BadEnum("filter.type", filter.type());
  if (!type::v1::Urgency_IsValid(filter.urgency())) return error::BadEnum("filter.urgency", filter.urgency());
  if (absl::Status status = ValidateText("filter.unit", filter.unit(), 32, false, false); !status.ok())
    return status;
  if (absl::Status status = ValidateText("filter.hotline", filter.hotline(), 16, false, false);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = ValidateText("filter.parent_id", filter.parent_id(), 64, false, false);
      !status.ok()) {
    return status;
  }
  return ValidatePhone("filter.caller_phone", filter.caller_phone());
}

// OVERLOADED, in words of its own: no queue is full.
absl::Status AnotherVerification() {
  google::rpc::Status wire = error::ToProto(error::Overloaded("verifications", kVerifyRetry));
  wire.set_message("another verification is under way; one that was given up goes on until its time is over");
  for (google::protobuf::Any& any : *wire.mutable_details()) {
    google::rpc::LocalizedMessage localized;
    if (!any.UnpackTo(&localized)) continue;
    localized.set_message("另一次校验正在进行；已放弃的校验会持续到其时限结束，请稍后再试");
    any.PackFrom(localized);
  }
  return error::FromProto(wire);
}

}  // namespace

WorkOrderService::WorkOrderService(Engine* engine, std::unique_ptr<Reader> reader, Executor* readers,
                                   Executor* hub_thread, const Clock* clock, EvidenceKeys keys,
                                   Clearance clearance)
    : engine_(engine),
      reader_(std::move(reader)),
      readers_(readers),
      clock_(clock),
      keys_(std::move(keys)),
      clearance_(std::move(clearance)),
      similar_(reader_.get(), readers),
      hub_(
          hub_thread, clock,
          [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
            readers_->Post([this, start, limit, done = std::move(done)]() mutable {
              if (start > engine_->head_sequence() + 1) {
                return done(error::SequenceOutOfRange(start, engine_->head_sequence()));
              }
              absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(start, limit);
              if (!rows.ok()) return done(rows.status());
              done(ItemsOf(*std::move(rows), *reader_));
            });
          },
          EventHub::Options()) {
  hub_.SetHead(engine->head_sequence());
}

void WorkOrderService::Execute(const CallContext& call, type::v1::Command command,
                               Done<workorder::v1::CommandResult> done) {
  // dispatch comes by the ledger; whoever comes this way has routed nothing.
  if (command.registration().has_route()) {
    return done(error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "registration.route",
                                "is filled in by dispatch", "由派单服务自动填写"));
  }
  workorder::v1::ExecuteRequest request;
  command.set_traceparent(call.traceparent);
  // What an accused unit may not do it may not do either where its client names it beside the request.
  if (command.header().actor().unit().empty() && !call.unit.empty()) {
    command.mutable_header()->mutable_actor()->set_unit(call.unit);
  }
  type::v1::Actor actor = command.header().actor();
  const bool cleared = clearance_.Covers(call, actor);
  *request.add_commands() = std::move(command);
  engine_->Execute(call, std::move(request),
                   [actor = std::move(actor), cleared,
                    done = std::move(done)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                     if (!response.ok()) return done(response.status());
                     workorder::v1::CommandResult& result = *response->mutable_results(0);
                     if (result.has_error()) return done(error::FromProto(result.error()));
                     HideCallerInAnswer(actor, cleared, result.mutable_order());
                     done(std::move(result));
                   });
}

void WorkOrderService::Disclose(const CallContext& call, std::vector<Shown> shown,
                                absl::AnyInvocable<void()> then,
                                absl::AnyInvocable<void(absl::Status)> failed) {
  engine_->Execute(call, RecordOf(call, std::move(shown)),
                   [this, then = std::move(then), failed = std::move(failed)](
                       absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                     if (absl::Status status = IsRecorded(response); !status.ok()) return failed(status);
                     readers_->Post(std::move(then));
                   });
}

template <typename Response>
void WorkOrderService::ReadRestricted(const CallContext& call, const std::string& order_id,
                                      absl::AnyInvocable<void(Done<Response>)> read, Done<Response> done) {
  readers_->Post([this, call, order_id, read = std::move(read), done = std::move(done)]() mutable {
    absl::StatusOr<type::v1::WorkOrder> order = Find(order_id);
    if (!order.ok()) return done(order.status());
    if (SightOf(call, *order) == Sight::kNothing) return done(error::Restricted());
    if (!order->facts().restricted()) return read(std::move(done));
    auto answer = std::make_shared<Done<Response>>(std::move(done));
    Disclose(
        call, {{order->id(), type::v1::DISCLOSURE_KIND_HISTORY}},
        [answer, read = std::move(read)]() mutable { read(std::move(*answer)); },
        [answer](absl::Status status) { (*answer)(std::move(status)); });
  });
}

absl::StatusOr<int64_t> WorkOrderService::Resolve(const std::string& order_id) {
  if (absl::Status status = ValidateText("order_id", order_id, kMaxOrderId, /*required=*/true,
                                         /*multi_line=*/false);
      !status.ok()) {
    return status;
  }
  std::optional<int64_t> id = ParseOrderId(order_id);
  for (auto find : {&Reader::FindIdByNumber, &Reader::FindIdByHandoff}) {
    if (id.has_value()) break;
    absl::StatusOr<std::optional<int64_t>> found = (reader_.get()->*find)(order_id);
    if (!found.ok()) return found.status();
    id = *found;
  }
  if (!id.has_value()) return error::OrderNotFound(order_id);
  return *id;
}

absl::StatusOr<workorder::v1::GetWorkOrderResponse> WorkOrderService::Get(const std::string& order_id) {
  absl::StatusOr<int64_t> id = Resolve(order_id);
  if (!id.ok()) return id.status();
  absl::StatusOr<std::optional<type::v1::WorkOrder>> order = reader_->FindOrder(*id);
  if (!order.ok()) return order.status();
  if (!order->has_value()) return error::OrderNotFound(order_id);
  absl::StatusOr<std::string> content = reader_->FindContent(*id);
  if (!content.ok()) return content.status();
  workorder::v1::GetWorkOrderResponse response;
  *response.mutable_order() = **std::move(order);
  // What a newer peer sent and this version does not know is shown on as unknown fields.
  if (!content->empty() && !response.mutable_order()->mutable_content()->ParseFromString(*content)) {
    return error::Internal("a stored content cannot be read");
  }
  return response;
}

absl::StatusOr<workorder::v1::GetWorkOrderResponse> WorkOrderService::GetFor(const CallContext& call,
                                                                             const std::string& order_id) {
  absl::StatusOr<workorder::v1::GetWorkOrderResponse> response = Get(order_id);
  if (!response.ok()) return response;
  const Sight sight = SightOf(call, response->order());
  if (sight == Sight::kNothing) return error::Restricted();
  if (sight == Sight::kNoCaller) MaskCaller(response->mutable_order());
  return response;
}

void WorkOrderService::GetWorkOrder(const CallContext& call, workorder::v1::GetWorkOrderRequest request,
                                    Done<workorder::v1::GetWorkOrderResponse> done) {
  readers_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    absl::StatusOr<workorder::v1::GetWorkOrderResponse> response = GetFor(call, request.order_id());
    if (!response.ok() || !IsDisclosure(response->order(), SightOf(call, response->order()))) {
      return done(std::move(response));
    }
    auto answer = std::make_shared<Done<workorder::v1::GetWorkOrderResponse>>(std::move(done));
    const std::string id = response->order().id();
    // Read once more, so that what is shown has the version that the record gave it.
    Disclose(
        call, {{id, type::v1::DISCLOSURE_KIND_CONTENT}},
        [this, call, id, answer] { (*answer)(GetFor(call, id)); },
        [answer](absl::Status status) { (*answer)(std::move(status)); });
  });
}

absl::Status WorkOrderService::Fit(const CallContext& call, bool by_number, type::v1::WorkOrder* order,
                                   std::vector<Shown>* shown) {
  const Sight sight = SightOf(call, *order);
  if (sight == Sight::kNoCaller) {
    absl::StatusOr<std::string> content = reader_->FindContent(ParseOrderId(order->id()).value_or(0));
    if (!content.ok()) return content.status();
    if (!order->mutable_content()->ParseFromString(*content)) {
      return error::Internal("a stored content cannot be read");
    }
    MaskCaller(order);
    order->clear_content();
  }
  // Who the caller is a list tells only where it was asked for by the number.
  if (order->facts().restricted() || (by_number && IsDisclosure(*order, sight))) {
    shown->push_back({order->id(), type::v1::DISCLOSURE_KIND_LIST});
  }
  return absl::OkStatus();
}

struct WorkOrderService::Listing {
  CallContext call;
  workorder::v1::ListFilter filter;
  bool by_number = false;
  int limit = 0;
  int64_t before_id = 0;
  Listed done;
  // So far.
  workorder::v1::ListWorkOrdersResponse response;
  std::vector<Shown> shown;
  size_t bytes = 0;
  int64_t last = 0;  // of the orders
  int scanned = 0;
  bool full = false;  // a slice ago
};

// Of a unit that nobody knows a list would be empty, as if it had no orders. One that has left the site's
// list, or that a peer's content names, may have some, and is looked for.
absl::Status WorkOrderService::CheckUnit(const std::string& unit) {
  const auto& units = engine_->site().units;
  if (unit.empty() || units.empty() || units.contains(unit)) return absl::OkStatus();
  workorder::v1::ListFilter any;
  any.set_unit(unit);
  int64_t next_before_id = 0;
  const absl::StatusOr<std::vector<type::v1::WorkOrder>> orders =
      reader_->List(any, 0, {.limit = 1, .scan_limit = kListSlice}, &next_before_id);
  if (!orders.ok()) return orders.status();
  if (!orders->empty() || next_before_id > 0) return absl::OkStatus();
  return error::BadField(Reason::ERROR_REASON_UNIT_UNKNOWN, "filter.unit",
                         "is not in this site's list of units: a unit's code is needed",
                         "不在本平台的单位名录中，应为单位代码");
}

void WorkOrderService::List(const CallContext& call, const workorder::v1::ListWorkOrdersRequest& request,
                            Listed done) {
  auto listing = std::make_shared<Listing>();
  listing->call = call;
  workorder::v1::ListFilter& filter = listing->filter;
  filter = request.filter();
  filter.set_caller_phone(NormalizePhone(filter.caller_phone()));
  // Only an offer can be in doubt: that is an index.
  if (filter.in_doubt() && filter.states().empty()) {
    for (const auto state :
         {type::v1::ORDER_STATE_OFFERED, type::v1::ORDER_STATE_RECEIVED, type::v1::ORDER_STATE_UNDERSTOOD}) {
      filter.add_states(state);
    }
  }
  // By number as well: an empty list would read as if no partner had been called. An id need not be known
  // any more, as of an incident that a restore lost. A page token is of the id.
  if (!filter.parent_id().empty()) {
    const absl::StatusOr<int64_t> parent = Resolve(filter.parent_id());
    if (!parent.ok()) return done(parent.status(), {});
    filter.set_parent_id(FormatOrderId(*parent));
  }
  listing->before_id = INT64_MAX;
  if (!request.page_token().empty()) {
    absl::StatusOr<int64_t> token = ReadPageToken(request.page_token(), filter);
    if (!token.ok()) return done(token.status(), {});
    listing->before_id = *token;
  }
  if (absl::Status status = CheckUnit(filter.unit()); !status.ok()) return done(std::move(status), {});
  listing->by_number = !filter.caller_phone().empty();
  listing->limit = request.page_size() == 0 ? kDefaultPage : request.page_size();
  listing->done = std::move(done);
  ListSlice(std::move(listing));
}

void WorkOrderService::ListSlice(std::shared_ptr<Listing> l) {
  if (clock_->Now() > l->call.deadline) {
    return l->done(absl::DeadlineExceededError("nobody waits for the list any more"), {});
  }
  workorder::v1::ListWorkOrdersResponse& response = l->response;
  const auto end = [&](int64_t next_before_id) {
    if (next_before_id > 0) response.set_next_page_token(MakePageToken(next_before_id, l->filter));
    l->done(std::move(response), std::move(l->shown));
  };
  int rows = 0;
  bool known = true;      // the row at hand
  const ListBounds bounds{// With the one that would follow a full page.
                          .limit = l->limit - response.orders_size() + 1,
                          .scan_limit = kListSlice,
                          .max_bytes = kMaxPageBytes - std::min(l->bytes, kMaxPageBytes),
                          .may_know = [&](const type::v1::WorkOrder& order) {
                            ++rows;
                            known = MayList(l->call, l->by_number, order);
                            return known;
                          }};
  int64_t next_before_id = 0;
  absl::StatusOr<std::vector<type::v1::WorkOrder>> orders =
      reader_->List(l->filter, l->before_id, bounds, &next_before_id);
  if (!orders.ok()) return l->done(orders.status(), {});
  for (type::v1::WorkOrder& order : *orders) {
    const size_t bytes = order.ByteSizeLong();
    const bool full = response.orders_size() == l->limit ||
                      (l->bytes + bytes > kMaxPageBytes && !response.orders().empty());
    if (full) return end(l->last);
    l->bytes += bytes;
    l->last = ParseOrderId(order.id()).value_or(0);
    if (absl::Status status = Fit(l->call, l->by_number, &order, &l->shown); !status.ok()) {
      return l->done(std::move(status), {});
    }
    *response.add_orders() = std::move(order);
  }
  if (next_before_id == 0) return end(0);
  // Whether a full page goes on is not worth a long search: the next page will say.
  if (response.orders_size() == l->limit && std::exchange(l->full, true)) return end(l->last);
  l->scanned += std::max(rows, kListSlice);
  // As within a slice: up to as many rows again, so that the token stands on one that may be known.
  if (l->scanned >= kScanLimit * (known ? 1 : 2)) return end(next_before_id);
  l->before_id = next_before_id;
  readers_->Post([this, l = std::move(l)]() mutable { ListSlice(std::move(l)); });
}

void WorkOrderService::ListWorkOrders(const CallContext& call, workorder::v1::ListWorkOrdersRequest request,
                                      Done<workorder::v1::ListWorkOrdersResponse> done) {
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return done(error::BadField(Reason::ERROR_REASON_PAGE_SIZE_INVALID, "page_size",
                                StrCat("must be 0 to ", kMaxPage), StrCat("应在0到", kMaxPage, "之间")));
  }
  if (absl::Status status = ValidateFilter(request.filter()); !status.ok()) return done(status);
  readers_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    List(call, request,
         [this, call, done = std::move(done)](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response,
                                              std::vector<Shown> shown) mutable {
           if (!response.ok() || shown.empty()) return done(std::move(response));
           auto answer = std::make_shared<Done<workorder::v1::ListWorkOrdersResponse>>(std::move(done));
           Disclose(
               call, std::move(shown),
               [answer, response = *std::move(response)]() mutable { (*answer)(std::move(response)); },
               [answer](absl::Status status) { (*answer)(std::move(status)); });
         });
  });
}

absl::StatusOr<type::v1::WorkOrder> WorkOrderService::Find(const std::string& order_id) {
  absl::StatusOr<int64_t> id = Resolve(order_id);
  if (!id.ok()) return id.status();
  absl::StatusOr<std::optional<type::v1::WorkOrder>> order = reader_->FindOrder(*id);
  if (!order.ok()) return order.status();
  if (!order->has_value()) return error::OrderNotFound(order_id);
  return **std::move(order);
}

absl::StatusOr<std::vector<type::v1::Event>> WorkOrderService::ReadHistory(int64_t last, size_t limit,
                                                                           size_t max_bytes) {
  std::vector<type::v1::Event> events;
  size_t bytes = 0;
  for (int64_t sequence = last; sequence > 0 && events.size() < limit;) {
    absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(sequence, 1);
    if (!rows.ok()) return rows.status();
    type::v1::Event event;
    if (rows->empty() || !event.ParseFromString(rows->front().bytes)) {
      return error::Internal(StrCat("event ", sequence, " cannot be read"));
    }
    bytes += rows->front().bytes.size();
    if (bytes > max_bytes && !events.empty()) break;
    sequence = event.previous_order_sequence();
    events.push_back(std::move(event));
  }
  std::reverse(events.begin(), events.end());
  return events;
}

absl::StatusOr<workorder::v1::ListOrderEventsResponse> WorkOrderService::History(
    const CallContext& call, const workorder::v1::ListOrderEventsRequest& request) {
  absl::StatusOr<type::v1::WorkOrder> order = Find(request.order_id());
  if (!order.ok()) return order.status();
  int64_t last = order->last_event_sequence();
  if (request.before_sequence() != 0) {
    type::v1::Event event;
    absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(request.before_sequence(), 1);
    if (!rows.ok()) return rows.status();
    if (rows->empty() || !event.ParseFromString(rows->front().bytes) || event.order_id() != order->id()) {
      return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "before_sequence",
                             "is not the sequence of an event of this order", "不是该工单的事件序号");
    }
    last = event.previous_order_sequence();
  }
  absl::StatusOr<std::vector<type::v1::Event>> events = ReadHistory(last, kMaxHistory, kMaxPageBytes);
  if (!events.ok()) return events.status();
  if (SightOf(call, *order) == Sight::kNoCaller) {
    absl::StatusOr<std::string> bytes = reader_->FindContent(ParseOrderId(order->id()).value_or(0));
    if (!bytes.ok()) return bytes.status();
    type::v1::OrderContent content;
    if (!content.ParseFromString(*bytes)) return error::Internal("a stored content cannot be read");
    for (type::v1::Event& event : *events) MaskEvent(bytes->empty() ? nullptr : &content, &event);
  }
  workorder::v1::ListOrderEventsResponse response;
  for (type::v1::Event& event : *events) *response.add_events() = std::move(event);
  return response;
}

void WorkOrderService::ListOrderEvents(const CallContext& call, workorder::v1::ListOrderEventsRequest request,
                                       Done<workorder::v1::ListOrderEventsResponse> done) {
  const std::string id = request.order_id();
  ReadRestricted<workorder::v1::ListOrderEventsResponse>(
      call, id,
      [this, call, request = std::move(request)](Done<workorder::v1::ListOrderEventsResponse> done) {
        done(History(call, request));
      },
      std::move(done));
}

void WorkOrderService::CloseWorkOrder(const CallContext& call, workorder::v1::CloseWorkOrderRequest request,
                                      Done<workorder::v1::CloseWorkOrderResponse> done) {
  type::v1::Command command;
  *command.mutable_header() = std::move(*request.mutable_header());
  *command.mutable_closure() = std::move(*request.mutable_closure());
  CallContext acting = call;
  acting.account = command.header().actor().account();
  Execute(call, std::move(command),
          [this, acting = std::move(acting),
           done = std::move(done)](absl::StatusOr<workorder::v1::CommandResult> result) mutable {
            if (!result.ok()) return done(result.status());
            workorder::v1::CloseWorkOrderResponse response;
            *response.mutable_order() = std::move(*result->mutable_order());
            response.set_event_sequence(result->event_sequence());
            if (response.order().partner_count() == 0) return done(std::move(response));
            readers_->Post([this, acting = std::move(acting), response = std::move(response),
                            done = std::move(done)]() mutable {
              workorder::v1::ListWorkOrdersRequest list;
              list.mutable_filter()->set_parent_id(response.order().id());
              for (int state = type::v1::ORDER_STATE_REGISTERED; state <= type::v1::ORDER_STATE_REDO;
                   ++state) {
                list.mutable_filter()->add_states(static_cast<type::v1::OrderState>(state));
              }
              // It is closed whether the warning can be given or not. Partners' orders of a restricted
              // incident were known to who closes it.
              List(acting, list,
                   [response = std::move(response), done = std::move(done)](
                       absl::StatusOr<workorder::v1::ListWorkOrdersResponse> open,
                       const std::vector<Shown>& /*known*/) mutable {
                     if (open.ok()) {
                       *response.mutable_open_partner_orders() = std::move(*open->mutable_orders());
                     }
                     done(std::move(response));
                   });
            });
          });
}

// The history of an order that is being read, back from its latest event.
struct WorkOrderService::Walk {
  absl::Time deadline;
  int64_t next = 0;  // 0: all has been read
  std::vector<type::v1::Event> events;
  absl::AnyInvocable<void(absl::StatusOr<std::vector<type::v1::Event>>)> done;
};

void WorkOrderService::WalkSlice(std::shared_ptr<Walk> walk) {
  if (clock_->Now() > walk->deadline) {
    return walk->done(absl::DeadlineExceededError("nobody waits for the history any more"));
  }
  for (int rows = 0; walk->next > 0 && walk->events.size() < kMaxChainEvents; ++rows) {
    if (rows == kListSlice) return readers_->Post([this, walk] { WalkSlice(walk); });
    absl::StatusOr<std::vector<EventRow>> read = reader_->ReadEvents(walk->next, 1);
    if (!read.ok()) return walk->done(read.status());
    type::v1::Event event;
    if (read->empty() || !event.ParseFromString(read->front().bytes) ||
        event.previous_order_sequence() >= walk->next) {
      return walk->done(error::Internal(StrCat("event ", walk->next, " cannot be read")));
    }
    walk->next = event.previous_order_sequence();
    // Nobody is accountable by being shown an order, and of one that is restricted and looked at often there
    // is little else.
    if (!event.has_disclosed()) walk->events.push_back(std::move(event));
  }
  std::reverse(walk->events.begin(), walk->events.end());
  walk->done(std::move(walk->events));
}

template <typename Request, typename Response>
void WorkOrderService::ReadTenures(const CallContext& call, const Request& request,
                                   absl::StatusOr<Response> (WorkOrderService::*answer)(
                                       const type::v1::WorkOrder& order,
                                       const std::vector<type::v1::Event>& events, absl::Time at),
                                   Done<Response> done) {
  ReadRestricted<Response>(
      call, request.order_id(),
      [this, call, request, answer](Done<Response> done) {
        absl::StatusOr<absl::Time> at = InstantOf(request, call.now);
        if (!at.ok()) return done(at.status());
        absl::StatusOr<type::v1::WorkOrder> order = Find(request.order_id());
        if (!order.ok()) return done(order.status());
        auto walk = std::make_shared<Walk>();
        walk->deadline = call.deadline;
        walk->next = order->last_event_sequence();
        walk->done = [this, answer, order = *std::move(order), at = *at,
                      done = std::move(done)](absl::StatusOr<std::vector<type::v1::Event>> events) mutable {
          if (!events.ok()) return done(events.status());
          done((this->*answer)(order, *events, at));
        };
        WalkSlice(std::move(walk));
      },
      std::move(done));
}

absl::StatusOr<workorder::v1::GetCustodyChainResponse> WorkOrderService::Chain(
    const type::v1::WorkOrder& order, const std::vector<type::v1::Event>& events, absl::Time at) {
  std::vector<workorder::v1::CustodyTenure> tenures = CustodyChain(events, engine_->site().hotline, at);
  if (tenures.empty()) return work_order::WhoHolds(events, engine_->site().hotline, at).status();
  workorder::v1::GetCustodyChainResponse response;
  response.set_order_id(order.id());
  response.set_order_number(order.number());
  for (workorder::v1::CustodyTenure& tenure : tenures) *response.add_tenures() = std::move(tenure);
  *response.mutable_at_time() = ToTimestamp(at);
  response.set_continued_as(CopyToWorkWith(order, engine_->site()));
  return response;
}

void WorkOrderService::GetCustodyChain(const CallContext& call, workorder::v1::GetCustodyChainRequest request,
                                       Done<workorder::v1::GetCustodyChainResponse> done) {
  ReadTenures(call, request, &WorkOrderService::Chain, std::move(done));
}

absl::StatusOr<workorder::v1::WhoHoldsResponse> WorkOrderService::Holds(
    const type::v1::WorkOrder&, const std::vector<type::v1::Event>& events, absl::Time at) {
  return work_order::WhoHolds(events, engine_->site().hotline, at);
}

void WorkOrderService::WhoHolds(const CallContext& call, workorder::v1::WhoHoldsRequest request,
                                Done<workorder::v1::WhoHoldsResponse> done) {
  ReadTenures(call, request, &WorkOrderService::Holds, std::move(done));
}

void WorkOrderService::PreviewReturn(const CallContext& call, workorder::v1::PreviewReturnRequest request,
                                     Done<workorder::v1::PreviewReturnResponse> done) {
  ReadRestricted<workorder::v1::PreviewReturnResponse>(
      call, request.order_id(),
      [this, now = call.now, request](Done<workorder::v1::PreviewReturnResponse> done) {
        absl::StatusOr<type::v1::WorkOrder> order = Find(request.order_id());
        if (!order.ok()) return done(order.status());
        done(work_order::PreviewReturn(*order, request, engine_->site(), now));
      },
      std::move(done));
}

absl::StatusOr<std::unique_ptr<MessageStream>> WorkOrderService::WatchWorkOrders(
    const CallContext& call, const workorder::v1::WatchWorkOrdersRequest& request) {
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
  EventHub::Viewer viewer;
  viewer.cleared = clearance_.Covers(call);
  // A unit may be one that the matter accuses.
  viewer.whole = viewer.cleared && call.unit.empty();
  viewer.record = [this, call](const std::vector<std::string>& order_ids,
                               absl::AnyInvocable<void(absl::Status)> then) {
    CallContext recording = call;
    recording.now = clock_->Now();
    recording.deadline = recording.now + kRecordTimeout;
    std::vector<Shown> shown;
    for (const std::string& id : order_ids) shown.push_back({id, type::v1::DISCLOSURE_KIND_WATCH});
    auto answer = std::make_shared<absl::AnyInvocable<void(absl::Status)>>(std::move(then));
    Disclose(
        recording, std::move(shown), [answer] { (*answer)(absl::OkStatus()); },
        [answer](absl::Status status) { (*answer)(std::move(status)); });
  };
  return hub_.Open(request.start_sequence(), *std::move(order_id), heartbeat, std::move(viewer));
}

// ---- FindSimilarOrders
// ------------------------------------------------------------------------------------------------

absl::StatusOr<bool> WorkOrderService::HasNumber(int64_t id, const std::string& number) {
  if (number.empty()) return false;
  absl::StatusOr<std::string> bytes = reader_->FindContent(id);
  if (!bytes.ok()) return bytes.status();
  type::v1::OrderContent content;
  if (!content.ParseFromString(*bytes)) return error::Internal("a stored content cannot be read");
  return NormalizePhone(content.caller().phone()) == number;
}

absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> WorkOrderService::Similar(
    const CallContext& call, const workorder::v1::FindSimilarOrdersRequest& request,
    std::vector<Shown>* shown) {
  type::v1::OrderContent content = request.content();
  absl::Time registered = call.now;
  int64_t own = 0;
  if (!request.order_id().empty()) {
    absl::StatusOr<workorder::v1::GetWorkOrderResponse> order = Get(request.order_id());
    if (!order.ok()) return order.status();
    const Sight sight = SightOf(call, order->order());
    if (sight == Sight::kNothing) return error::Restricted();
    own = ParseOrderId(order->order().id()).value_or(0);
    registered = FromProto(order->order().register_time());
    content = std::move(*order->mutable_order()->mutable_content());
    // Who may not know the caller is not shown what else that caller asked for.
    if (sight == Sight::kNoCaller) content.mutable_caller()->clear_phone();
  }
  const int limit = request.limit() == 0 ? kDefaultSimilar : request.limit();
  workorder::v1::FindSimilarOrdersResponse response;
  absl::flat_hash_set<std::string> same_caller;
  workorder::v1::ListFilter by_number;
  by_number.set_caller_phone(NormalizePhone(content.caller().phone()));
  if (!by_number.caller_phone().empty()) {
    int64_t next = 0;
    const ListBounds bounds{.limit = limit,
                            .scan_limit = kNumberScanLimit,
                            .max_bytes = kMaxPageBytes / 2,
                            .may_know = [&](const type::v1::WorkOrder& order) {
                              return MayList(call, /*by_number=*/true, order);
                            }};
    absl::StatusOr<std::vector<type::v1::WorkOrder>> orders =
        reader_->List(by_number, own == 0 ? INT64_MAX : own, bounds, &next);
    if (!orders.ok()) return orders.status();
    for (type::v1::WorkOrder& order : *orders) {
      if (absl::Status status = Fit(call, /*by_number=*/true, &order, shown); !status.ok()) return status;
      same_caller.insert(order.id());
      *response.add_earlier_orders() = std::move(order);
    }
  }
  // All that are likely: those that may not be known take nobody's place.
  absl::StatusOr<SimilarOrders::Found> found = similar_.Find(SketchOf(content, registered), own);
  if (!found.ok()) return found.status();
  response.set_incomplete(found->incomplete);
  size_t bytes = 0;
  for (const Likeness& likeness : found->likely) {
    if (response.similar_orders_size() >= limit) break;
    absl::StatusOr<std::optional<type::v1::WorkOrder>> order = reader_->FindOrder(likeness.id);
    if (!order.ok()) return order.status();
    if (!order->has_value()) continue;
    const bool listed = same_caller.contains((*order)->id());
    absl::StatusOr<bool> same = listed;
    // Who may not know the caller is not told that it is the same one.
    if (!listed && SightOf(call, **order) == Sight::kWhole) {
      same = HasNumber(likeness.id, by_number.caller_phone());
      if (!same.ok()) return same.status();
    }
    if (!MayList(call, *same, **order)) continue;
    bytes += (*order)->ByteSizeLong();
    if (bytes > kMaxPageBytes / 2 && !response.similar_orders().empty()) break;
    std::vector<Shown> once;
    if (absl::Status status = Fit(call, *same, &**order, listed ? &once : shown); !status.ok()) return status;
    workorder::v1::SimilarOrder& similar = *response.add_similar_orders();
    *similar.mutable_order() = **std::move(order);
    similar.set_score(likeness.score);
    similar.set_text_similarity(likeness.text);
    if (likeness.distance_m.has_value()) similar.set_distance_m(*likeness.distance_m);
    similar.set_same_township(likeness.same_township);
    *similar.mutable_time_apart() = ToProtoDuration(likeness.apart);
    similar.set_same_caller(*same);
  }
  return response;
}

void WorkOrderService::FindSimilarOrders(const CallContext& call,
                                         workorder::v1::FindSimilarOrdersRequest request,
                                         Done<workorder::v1::FindSimilarOrdersResponse> done) {
  if (request.limit() < 0 || request.limit() > kMaxSimilar) {
    return done(error::BadField(Reason::ERROR_REASON_PAGE_SIZE_INVALID, "limit",
                                StrCat("must be 0 to ", kMaxSimilar),
                                StrCat("应在0到", kMaxSimilar, "之间")));
  }
  if (request.order_id().empty() && !request.has_content()) return done(error::Required("content"));
  if (!request.order_id().empty() && request.has_content()) {
    return done(error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "content",
                                "must be empty when order_id names an order",
                                "指定已有工单时不得再填写内容"));
  }
  if (absl::Status status = ValidateKnownContent(request.content(), call.now); !status.ok()) {
    return done(std::move(status));
  }
  readers_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::vector<Shown> shown;
    absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> response = Similar(call, request, &shown);
    if (!response.ok() || shown.empty()) return done(std::move(response));
    auto answer = std::make_shared<Done<workorder::v1::FindSimilarOrdersResponse>>(std::move(done));
    Disclose(
        call, std::move(shown),
        [answer, response = *std::move(response)]() mutable { (*answer)(std::move(response)); },
        [answer](absl::Status status) { (*answer)(std::move(status)); });
  });
}

// ---- VerifyLog
// -----------------------------------------------------------------------------------------------------

struct WorkOrderService::Verification {
  workorder::v1::VerifyLogResponse response;
  Done<workorder::v1::VerifyLogResponse> done;
  absl::Time deadline;
  // Log.
  int64_t next_event = 1;
  int64_t last_event = 0;
  int64_t head = 0;  // of the log, when it was asked for
  std::string hash;  // of the event before `next_event`; empty if not known yet
  std::optional<retention::ErasureCheck> erasures;
  // Links.
  std::vector<LinkRow> links;
  size_t link = 0;
  bool incoming = false;  // of the lane at hand: its outbox has been walked
  int64_t after_envelope = 0;
  std::string envelope_hash;  // of that envelope; empty if it is the lane's start
  // Orders.
  int64_t after_order = 0;
};

retention::ErasureCheck WorkOrderService::MakeErasureCheck() {
  return retention::ErasureCheck(
      [this](int64_t sequence) -> absl::StatusOr<std::optional<retention::StoredEvent>> {
        absl::StatusOr<std::vector<EventRow>> rows =
            reader_->ReadEvents(std::max<int64_t>(1, sequence - 1), sequence == 1 ? 1 : 2);
        if (!rows.ok()) return rows.status();
        if (rows->empty() || rows->back().sequence != sequence) return std::nullopt;
        return retention::StoredEvent{.sequence = sequence,
                                      .previous_hash = sequence == 1 ? ChainStart() : rows->front().hash,
                                      .hash = rows->back().hash,
                                      .bytes = rows->back().bytes};
      },
      [this](const std::string& order_id) -> absl::StatusOr<int64_t> {
        absl::StatusOr<std::optional<type::v1::WorkOrder>> order =
            reader_->FindOrder(ParseOrderId(order_id).value_or(0));
        if (!order.ok()) return order.status();
        return order->has_value() ? (*order)->last_event_sequence() : 0;
      });
}

void WorkOrderService::VerifyLog(const CallContext& call, workorder::v1::VerifyLogRequest request,
                                 Done<workorder::v1::VerifyLogResponse> done) {
  const int64_t head = engine_->head_sequence();
  if (request.start_sequence() < 0 || request.start_sequence() > head + 1) {
    return done(error::SequenceOutOfRange(request.start_sequence(), head));
  }
  if (request.end_sequence() < 0 || request.end_sequence() > head) {
    return done(error::SequenceOutOfRange(request.end_sequence(), head, "end_sequence"));
  }
  // Nothing would be looked at, and found intact.
  if (request.end_sequence() != 0 && request.end_sequence() < request.start_sequence()) {
    return done(error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "end_sequence",
                                "must not be before start_sequence", "不应小于start_sequence"));
  }
  // Whoever gives up and asks again does not leave several walks on the thread that answers all reads.
  if (verifying_.exchange(true)) return done(AnotherVerification());
  auto verification = std::make_shared<Verification>();
  verification->done = [this, done = std::move(done)](auto response) mutable {
    verifying_.store(false);
    done(std::move(response));
  };
  verification->deadline = call.deadline;
  verification->head = head;
  verification->next_event = std::max<int64_t>(1, request.start_sequence());
  verification->last_event = request.end_sequence() == 0 ? head : request.end_sequence();
  verification->response.set_intact(true);
  readers_->Post([this, verification] { VerifySlice(verification); });
}

void WorkOrderService::VerifySlice(std::shared_ptr<Verification> v) {
  const auto fault = [&](std::string english, std::string chinese) {
    v->response.set_intact(false);
    v->response.set_fault(std::move(english));
    v->response.set_fault_zh(std::move(chinese));
    v->done(std::move(v->response));
  };
  const auto again = [&] { readers_->Post([this, v] { VerifySlice(v); }); };
  // It could go on for minutes, and no server ends before its calls.
  if (draining_.load()) return v->done(error::Draining());
  if (clock_->Now() > v->deadline) {
    return v->done(absl::DeadlineExceededError("nobody waits for the verification any more"));
  }

  if (v->next_event <= v->last_event) {
    // One row before the stretch gives the hash it continues.
    const bool anchored = !v->hash.empty() || v->next_event == 1;
    if (v->next_event == 1) v->hash = ChainStart();
    const int64_t start = anchored ? v->next_event : v->next_event - 1;
    absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(start, kVerifySlice);
    if (!rows.ok()) return v->done(rows.status());
    int64_t expected = start;
    for (const EventRow& row : *rows) {
      if (row.sequence > v->last_event) break;
      if (row.sequence != expected) {
        return fault(StrCat("event ", expected, " is missing"), StrCat("日志缺少第", expected, "条"));
      }
      ++expected;
      if (!anchored && row.sequence == start) {
        v->hash = row.hash;
        continue;
      }
      type::v1::Event event;
      bool sound = event.ParseFromString(row.bytes) && event.sequence() == row.sequence;
      if (sound && EventHash(v->hash, row.bytes) != row.hash) {
        // Without its texts, or altered.
        if (!v->erasures.has_value()) v->erasures.emplace(MakeErasureCheck());
        const absl::StatusOr<bool> attested = v->erasures->Attests(event.order_id(), row.sequence);
        if (!attested.ok()) return v->done(attested.status());
        sound = *attested;
      }
      if (!sound) {
        return fault(StrCat("event ", row.sequence, " does not continue the chain"),
                     StrCat("日志第", row.sequence, "条与哈希链不符"));
      }
      if (event.custody().holder().empty()) {
        return fault(
            StrCat("event ", row.sequence, " leaves order ", event.order_number(), " without a holder"),
            StrCat("日志第", row.sequence, "条使工单", event.order_number(), "没有持有方"));
      }
      v->hash = row.hash;
      v->response.set_event_count(v->response.event_count() + 1);
    }
    if (expected == start) {
      return fault(StrCat("event ", start, " is missing"), StrCat("日志缺少第", start, "条"));
    }
    v->next_event = expected;
    if (v->next_event > v->last_event) {
      // The stretch may have ended before it.
      if (v->last_event < v->head) {
        rows = reader_->ReadEvents(v->head, 1);
        if (!rows.ok()) return v->done(rows.status());
        if (rows->empty() || rows->front().sequence != v->head) {
          return fault(StrCat("event ", v->head, " is missing"), StrCat("日志缺少第", v->head, "条"));
        }
        v->hash = rows->front().hash;
      }
      v->response.set_head_sequence(v->head);
      v->response.set_head_hash(v->hash);
      absl::StatusOr<std::vector<LinkRow>> links = reader_->Links();
      if (!links.ok()) return v->done(links.status());
      v->links = *std::move(links);
    }
    return again();
  }

  if (v->link < v->links.size()) {
    const LinkRow& link = v->links[v->link];
    const std::string& peer = link.key.peer;
    absl::StatusOr<std::vector<EnvelopeRow>> rows =
        v->incoming ? reader_->ReadInbox(link.key, v->after_envelope, kVerifySlice / 4)
                    : reader_->ReadOutbox(link.key, v->after_envelope, kVerifySlice / 4);
    if (!rows.ok()) return v->done(rows.status());
    if (v->envelope_hash.empty()) v->envelope_hash = LaneStart(link.key.lane);
    const int64_t last = v->incoming ? link.incoming_sequence : link.outgoing_sequence;
    const char* const way = v->incoming ? " from " : " for ";
    const char* const way_zh = v->incoming ? "来自" : "发往";
    for (const EnvelopeRow& row : *rows) {
      const exchange::v1::Envelope& envelope = row.envelope;
      if (envelope.sequence() > last) break;
      if (envelope.sequence() != v->after_envelope + 1 || envelope.previous_hash() != v->envelope_hash ||
          envelope.hash() != (row.erased_leaf.empty() ? EnvelopeHash(envelope)
                                                      : EnvelopeHash(envelope.previous_hash(),
                                                                     envelope.sequence(), row.erased_leaf))) {
        return fault(StrCat("envelope ", v->after_envelope + 1, way, peer, " does not continue its chain (",
                            LaneName(link.key.lane), ")"),
                     StrCat(way_zh, peer, "的第", v->after_envelope + 1, "条信封与哈希链不符"));
      }
      v->after_envelope = envelope.sequence();
      v->envelope_hash = envelope.hash();
      v->response.set_envelope_count(v->response.envelope_count() + 1);
    }
    if (v->after_envelope < last && rows->empty()) {
      return fault(StrCat("envelope ", v->after_envelope + 1, way, peer, " is missing"),
                   StrCat(way_zh, peer, "的第", v->after_envelope + 1, "条信封缺失"));
    }
    if (v->after_envelope >= last) {
      if (v->envelope_hash != (v->incoming ? link.incoming_hash : link.outgoing_hash)) {
        return fault(StrCat("the link", way, peer, " does not end in its recorded hash"),
                     StrCat(way_zh, peer, "的链路末尾哈希不符"));
      }
      if (v->incoming) ++v->link;
      v->incoming = !v->incoming;
      v->after_envelope = 0;
      v->envelope_hash.clear();
    }
    return again();
  }

  absl::StatusOr<std::vector<type::v1::WorkOrder>> orders =
      reader_->ScanOrders(v->after_order, kVerifySlice / 4);
  if (!orders.ok()) return v->done(orders.status());
  if (orders->empty()) return v->done(std::move(v->response));
  for (const type::v1::WorkOrder& order : *orders) {
    v->after_order = ParseOrderId(order.id()).value_or(v->after_order);
    v->response.set_order_count(v->response.order_count() + 1);
    if (const std::string unsound = Unsound(order, engine_->site()); !unsound.empty()) {
      return fault(StrCat("order ", order.number(), ": ", unsound),
                   StrCat("工单", order.number(), "的记录自相矛盾：", unsound));
    }
    absl::StatusOr<std::vector<EventRow>> rows = reader_->ReadEvents(order.last_event_sequence(), 1);
    if (!rows.ok()) return v->done(rows.status());
    type::v1::Event event;
    if (rows->empty() || !event.ParseFromString(rows->front().bytes) || event.order_id() != order.id() ||
        event.state() != order.state() || event.custody().holder() != order.custody().holder() ||
        event.order_version() != order.version()) {
      return fault(StrCat("order ", order.number(), " does not agree with its latest event"),
                   StrCat("工单", order.number(), "与其最近一条日志不一致"));
    }
  }
  again();
}

// ---- ExportEvidence
// -----------------------------------------------------------------------------------------------------

struct WorkOrderService::Export {
  EvidenceCollector collector;
  const crypto::Signer* signer;
  Done<workorder::v1::ExportEvidenceResponse> done;
};

void WorkOrderService::ExportEvidence(const CallContext& call, workorder::v1::ExportEvidenceRequest request,
                                      Done<workorder::v1::ExportEvidenceResponse> done) {
  const crypto::Signer* signer = keys_.signing.At(call.now);
  if (signer == nullptr) return done(error::NoSigningKey());
  readers_->Post([this, call, signer, request = std::move(request), done = std::move(done)]() mutable {
    absl::StatusOr<type::v1::WorkOrder> order = Find(request.order_id());
    if (!order.ok()) return done(order.status());
    // A file of evidence holds the content, and a part of it would prove nothing.
    if (SightOf(call, *order) != Sight::kWhole) return done(error::Restricted());
    // So would one without the content that its hashes cover.
    if (order->has_erase_time()) return done(error::ContentErased());
    const std::string id = order->id();
    auto answer = std::make_shared<Done<workorder::v1::ExportEvidenceResponse>>(std::move(done));
    auto run = [this, now = call.now, signer, id, answer] {
      ExportSlice(std::make_shared<Export>(Export{
          .collector =
              EvidenceCollector(reader_.get(), engine_->site().hotline, ParseOrderId(id).value_or(0), now),
          .signer = signer,
          .done = [answer](absl::StatusOr<workorder::v1::ExportEvidenceResponse> response) {
            (*answer)(std::move(response));
          }}));
    };
    if (!IsDisclosure(*order, Sight::kWhole)) return run();
    Disclose(call, {{id, type::v1::DISCLOSURE_KIND_EVIDENCE}}, std::move(run),
             [answer](absl::Status status) { (*answer)(std::move(status)); });
  });
}

void WorkOrderService::ExportSlice(std::shared_ptr<Export> running) {
  const absl::StatusOr<bool> complete = running->collector.Step();
  if (!complete.ok()) return running->done(complete.status());
  if (!*complete) return readers_->Post([this, running] { ExportSlice(running); });
  absl::StatusOr<std::string> file =
      evidence::BuildEvidence(running->collector.parts(), keys_.ring, *running->signer);
  if (!file.ok()) return running->done(file.status());
  if (file->size() > evidence::kMaxEvidenceBytes) {
    return running->done(error::EvidenceTooLarge(evidence::kMaxEvidenceBytes));
  }
  workorder::v1::ExportEvidenceResponse response;
  response.set_file_name(evidence::EvidenceFileName(running->collector.parts().order_number));
  response.set_evidence(*std::move(file));
  running->done(std::move(response));
}

}  // namespace hotline::work_order
