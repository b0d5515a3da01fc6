#include "services/escalation/service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "common/error/error.h"

namespace hotline::escalation {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 500;
constexpr int64_t kMaxCodeCharacters = 64;
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(10);
constexpr absl::Duration kMinHeartbeat = absl::Seconds(1);
constexpr absl::Duration kMaxHeartbeat = absl::Seconds(60);

absl::Status CheckCode(const char* field, const std::string& code) {
  const auto characters = CountCodePoints(code);
  if (!characters.has_value() || HasControlCharacters(code, false)) return error::BadText(field);
  if (*characters > kMaxCodeCharacters) return error::TooLong(field, kMaxCodeCharacters);
  return absl::OkStatus();
}

bool IsValid(const google::protobuf::Timestamp& time) {
  // The years 1678 to 2262, so that nanoseconds fit 64 bits.
  return time.seconds() > -9'000'000'000 && time.seconds() < 9'000'000'000 && time.nanos() >= 0 &&
         time.nanos() < 1'000'000'000;
}

// What a token belongs to: it is not to be used with another filter.
std::string FilterMark(const v1::ListDeadlinesRequest& request) {
  v1::ListDeadlinesRequest filter = request;
  filter.clear_page_size();
  filter.clear_page_token();
  return absl::BytesToHexString(Sha256({filter.SerializeAsString()}).substr(0, 8));
}

std::string WriteToken(const ListKey& key, const std::string& mark) {
  return absl::WebSafeBase64Escape(absl::StrCat("1,", mark, ",", key.state, ",", key.key, ",", key.order_id,
                                                ",", key.armed_by, ",", key.kind));
}

std::optional<ListKey> ReadToken(const std::string& token, const std::string& mark) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  ListKey key;
  if (parts.size() != 7 || parts[0] != "1" || parts[1] != mark || !absl::SimpleAtoi(parts[2], &key.state) ||
      !absl::SimpleAtoi(parts[3], &key.key) || !absl::SimpleAtoi(parts[4], &key.order_id) ||
      !absl::SimpleAtoi(parts[5], &key.armed_by) || !absl::SimpleAtoi(parts[6], &key.kind)) {
    return std::nullopt;
  }
  if (key.state < v1::CLOCK_STATE_RUNNING || key.state > v1::CLOCK_STATE_STOPPED) return std::nullopt;
  return key;
}

}  // namespace

EscalationService::EscalationService(Executor* executor, const hotline::Clock* clock,
                                     std::unique_ptr<Reader> reader)
    : executor_(executor),
      clock_(clock),
      reader_(std::move(reader)),
      hub_(executor, clock,
           [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
             done(ReadHistory(start, limit));
           },
           {.ring_items = 8192}) {}

void EscalationService::ListDeadlines(const CallContext&, v1::ListDeadlinesRequest request,
                                      Done<v1::ListDeadlinesResponse> done) {
  executor_->Post(
      [this, request = std::move(request), done = std::move(done)]() mutable { done(List(request)); });
}

absl::StatusOr<v1::ListDeadlinesResponse> EscalationService::List(const v1::ListDeadlinesRequest& request) {
  if (request.page_size() < 0 || request.page_size() > kMaxPageSize) {
    return error::BadField(error::Reason::ERROR_REASON_PAGE_SIZE_INVALID, "page_size",
                           "must be between 0 and 500", "应在0至500之间");
  }
  if (absl::Status status = CheckCode("order_id", request.order_id()); !status.ok()) return status;
  if (absl::Status status = CheckCode("duty_party", request.duty_party()); !status.ok()) return status;
  if (request.has_due_before_time() && !IsValid(request.due_before_time())) {
    return error::BadField(error::Reason::ERROR_REASON_TIME_INVALID, "due_before_time", "is not a valid time",
                           "时间无效");
  }
  ListQuery query;
  const std::string mark = FilterMark(request);
  if (!request.page_token().empty()) {
    const auto after = ReadToken(request.page_token(), mark);
    if (!after.has_value()) {
      return error::BadField(error::Reason::ERROR_REASON_PAGE_TOKEN_INVALID, "page_token",
                             "is not one that this service gave for this filter",
                             "不是本服务为该筛选条件给出的分页标记");
    }
    query.after = *after;
  }
  query.now = clock_->Now();
  query.duty_party = request.duty_party();
  if (request.has_due_before_time()) query.due_before = FromProto(request.due_before_time());
  query.include_stopped = request.include_stopped();
  query.limit = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  query.scan_limit = kScanLimit;

  v1::ListDeadlinesResponse response;
  *response.mutable_server_time() = ToProto(query.now);
  response.set_watermark(watermark_.load());
  if (!request.order_id().empty()) {
    std::optional<int64_t> id = ParseOrderId(request.order_id());
    if (!id.has_value()) {
      auto found = reader_->FindIdByNumber(request.order_id());
      if (!found.ok()) return found.status();
      id = *found;
    }
    if (!id.has_value() || *id == 0) return response;
    query.order_id = *id;
  }
  const auto page = reader_->List(query);
  if (!page.ok()) return page.status();
  for (const ListPage::Row& row : page->rows) {
    *response.add_deadlines() = Describe(row.order, row.clock, query.now);
  }
  if (page->next.has_value()) response.set_next_page_token(WriteToken(*page->next, mark));
  return response;
}

absl::StatusOr<std::unique_ptr<MessageStream>> EscalationService::WatchEscalations(
    const CallContext&, const v1::WatchEscalationsRequest& request) {
  if (request.start_sequence() < 0) {
    return error::SequenceOutOfRange(request.start_sequence(), watermark_.load());
  }
  absl::Duration heartbeat = kDefaultHeartbeat;
  if (request.has_heartbeat_interval()) {
    heartbeat = absl::Seconds(request.heartbeat_interval().seconds()) +
                absl::Nanoseconds(request.heartbeat_interval().nanos());
    if (heartbeat < kMinHeartbeat || heartbeat > kMaxHeartbeat) {
      return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "heartbeat_interval",
                             "must be between 1 and 60 seconds", "应在1至60秒之间");
    }
  }
  return hub_.Open(request.start_sequence(), "", heartbeat);
}

void EscalationService::CaughtUp(int64_t cursor) { hub_.SetHead(cursor); }

void EscalationService::Applied(EventHub::Items items) { hub_.Publish(std::move(items)); }

// The rungs from `start` on, with the events between them, of which nothing is kept, as gaps.
absl::StatusOr<EventHub::Items> EscalationService::ReadHistory(int64_t start, int limit) {
  const int64_t head = watermark_.load();
  if (start > head + 1) return error::SequenceOutOfRange(start, head);
  const int64_t end = std::min(start + limit - 1, head);
  auto rungs = reader_->ReadRungs(start, end, limit);
  if (!rungs.ok()) return rungs.status();
  const auto nothing = std::make_shared<const std::string>();
  EventHub::Items items(static_cast<size_t>(std::max<int64_t>(0, end - start + 1)));
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].sequence = start + static_cast<int64_t>(i);
    items[i].shown = false;
    items[i].bytes = nothing;
  }
  for (RungRow& rung : *rungs) {
    EventHub::Item& item = items[static_cast<size_t>(rung.sequence - start)];
    item.shown = true;
    item.bytes = std::make_shared<const std::string>(std::move(rung.record));
  }
  return items;
}

}  // namespace hotline::escalation
