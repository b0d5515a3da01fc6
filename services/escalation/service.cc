#include "services/escalation/service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "services/escalation/core/explain.h"
#include "services/escalation/core/time_ledger.h"

namespace hotline::escalation {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 500;
constexpr int64_t kMaxCodeCharacters = 64;
constexpr int64_t kMaxNote = 500;
constexpr int kDefaultPreviewList = 20;
constexpr int kPreviewSlice = 2000;
constexpr int kMaxPublications = 100;
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(10);
constexpr absl::Duration kMinHeartbeat = absl::Seconds(1);
constexpr absl::Duration kMaxHeartbeat = absl::Seconds(60);
constexpr absl::Duration kRecordTimeout = absl::Seconds(10);

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
  return absl::WebSafeBase64Escape(absl::StrCat("2,", mark, ",", key.state, ",", key.key, ",", key.order_id,
                                                ",", key.armed_by, ",", key.kind, ",", key.assist_unit));
}

std::optional<ListKey> ReadToken(const std::string& token, const std::string& mark) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  ListKey key;
  if (parts.size() != 8 || parts[0] != "2" || parts[1] != mark || !absl::SimpleAtoi(parts[2], &key.state) ||
      !absl::SimpleAtoi(parts[3], &key.key) || !absl::SimpleAtoi(parts[4], &key.order_id) ||
      !absl::SimpleAtoi(parts[5], &key.armed_by) || !absl::SimpleAtoi(parts[6], &key.kind)) {
    return std::nullopt;
  }
  // The store would refuse another text as if it had failed itself.
  if (!CountCodePoints(parts[7]).has_value() || HasControlCharacters(parts[7], false)) return std::nullopt;
  key.assist_unit = parts[7];
  if (key.state < v1::CLOCK_STATE_RUNNING || key.state > v1::CLOCK_STATE_STOPPED) return std::nullopt;
  return key;
}

}  // namespace

EscalationService::EscalationService(Executor* executor, const hotline::Clock* clock,
                                     std::unique_ptr<Reader> reader, RulesAccess rules, EventsOfOrder events,
                                     const Discretion* discretion, std::string site,
                                     std::function<bool(const std::string& code)> is_party)
    : executor_(executor),
      clock_(clock),
      reader_(std::move(reader)),
      rules_(std::move(rules)),
      events_(std::move(events)),
      discretion_(discretion),
      site_(std::move(site)),
      is_party_(std::move(is_party)),
      hub_(executor, clock,
           [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
             done(ReadHistory(start, limit));
           },
           {.ring_items = 8192}) {}

void EscalationService::ListDeadlines(const CallContext& call, v1::ListDeadlinesRequest request,
                                      Done<v1::ListDeadlinesResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::set<std::string> restricted;
    auto response = List(call, request, &restricted);
    if (!response.ok()) return done(std::move(response));
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_LIST, *std::move(response),
                      std::move(done));
  });
}

absl::StatusOr<v1::ListDeadlinesResponse> EscalationService::List(const CallContext& call,
                                                                  const v1::ListDeadlinesRequest& request,
                                                                  std::set<std::string>* restricted) {
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
  query.may_know = [&](const OrderClocks& order) { return discretion_->MayKnow(call, order); };

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
  // Of a party that nobody knows nothing is due, as if all were well. One that has deadlines needs no list.
  if (request.page_token().empty() && page->rows.empty() && !page->next.has_value() &&
      !query.duty_party.empty() && is_party_ != nullptr && !is_party_(query.duty_party)) {
    return error::BadField(error::Reason::ERROR_REASON_UNIT_UNKNOWN, "duty_party",
                           "is neither a unit nor a hotline of this site's lists: a code is needed",
                           "不在本平台的单位名录中，应为单位或热线代码");
  }
  const std::shared_ptr<const Deadlines> deadlines = rules_.current();
  for (const ListPage::Row& row : page->rows) {
    if (row.order.restricted) restricted->insert(FormatOrderId(row.order.id));
    *response.add_deadlines() = Describe(row.order, row.clock, query.now, *deadlines);
  }
  if (page->next.has_value()) response.set_next_page_token(WriteToken(*page->next, mark));
  return response;
}

absl::StatusOr<std::unique_ptr<MessageStream>> EscalationService::WatchEscalations(
    const CallContext& call, const v1::WatchEscalationsRequest& request) {
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
  EventHub::Viewer viewer;
  viewer.cleared = discretion_->Covers(call);
  viewer.whole = viewer.cleared;
  viewer.record = [this, call](const std::vector<std::string>& order_ids,
                               absl::AnyInvocable<void(absl::Status)> then) {
    CallContext recording = call;
    recording.now = clock_->Now();
    recording.deadline = recording.now + kRecordTimeout;
    // What is shown is the hub's: it waits for the word alone.
    discretion_->Show(
        recording, std::set<std::string>(order_ids.begin(), order_ids.end()), type::v1::DISCLOSURE_KIND_WATCH,
        true,
        Done<bool>([then = std::move(then)](absl::StatusOr<bool> shown) mutable { then(shown.status()); }));
  };
  return hub_.Open(request.start_sequence(), "", heartbeat, std::move(viewer));
}

absl::StatusOr<int64_t> EscalationService::Resolve(const std::string& order_id) {
  if (order_id.empty()) return error::Required("order_id");
  if (absl::Status status = CheckCode("order_id", order_id); !status.ok()) return status;
  std::optional<int64_t> id = ParseOrderId(order_id);
  if (!id.has_value()) {
    auto found = reader_->FindIdByNumber(order_id);
    if (!found.ok()) return found.status();
    id = *found;
  }
  if (!id.has_value()) return error::OrderNotFound(order_id);
  return *id;
}

namespace {

// Where no kind is asked for: the latest FINISH, else what runs and is due next, else what is paused, else
// what was due last. `other` stands before `clock` in the order's list.
bool IsAskedForBefore(const OrderClock& clock, const OrderClock& other) {
  const bool finish = clock.kind == type::v1::CLOCK_KIND_FINISH;
  const bool other_finish = other.kind == type::v1::CLOCK_KIND_FINISH;
  if (finish || other_finish) return finish;
  if (clock.state != other.state) return clock.state < other.state;
  return clock.live() ? clock.due < other.due : clock.due >= other.due;
}

}  // namespace

void EscalationService::ExplainDeadline(const CallContext& call, v1::ExplainDeadlineRequest request,
                                        Done<v1::ExplainDeadlineResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::set<std::string> restricted;
    auto response = ExplainOne(call, request, &restricted);
    if (!response.ok()) return done(std::move(response));
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_HISTORY, *std::move(response),
                      std::move(done));
  });
}

absl::StatusOr<v1::ExplainDeadlineResponse> EscalationService::ExplainOne(
    const CallContext& call, const v1::ExplainDeadlineRequest& request, std::set<std::string>* restricted) {
  if (!type::v1::ClockKind_IsValid(request.clock())) return error::BadEnum("clock", request.clock());
  const auto id = Resolve(request.order_id());
  if (!id.ok()) return id.status();
  const auto order = reader_->FindOrder(*id);
  if (!order.ok()) return order.status();
  if (!order->has_value()) return error::OrderNotFound(request.order_id());
  if (!discretion_->MayKnow(call, **order)) return error::Restricted();
  if ((*order)->restricted) restricted->insert(FormatOrderId(*id));
  const OrderClock* found = nullptr;
  for (const OrderClock& clock : (*order)->clocks) {
    if (clock.assist_unit != request.assist_unit()) continue;
    if (request.armed_by_sequence() != 0 && request.armed_by_sequence() != clock.armed_by) continue;
    if (request.clock() == type::v1::CLOCK_KIND_UNSPECIFIED) {
      if (found == nullptr || IsAskedForBefore(clock, *found)) found = &clock;
    } else if (clock.kind == request.clock()) {
      found = &clock;
    }
  }
  if (found == nullptr) {
    // What is told of a restricted order is recorded with an answer alone.
    if ((*order)->restricted) {
      return error::ClockNotFound((*order)->number, "not told, as the order is restricted",
                                  "工单限制知悉，不列出");
    }
    std::string has, has_zh;
    for (const OrderClock& clock : (*order)->clocks) {
      // As commands take it.
      const std::string name = absl::AsciiStrToLower(absl::StrReplaceAll(
          absl::StripPrefix(type::v1::ClockKind_Name(clock.kind), "CLOCK_KIND_"), {{"_", "-"}}));
      absl::StrAppend(&has, has.empty() ? "" : ", ", name,
                      clock.assist_unit.empty() ? "" : absl::StrCat(" (", clock.assist_unit, ")"));
      absl::StrAppend(&has_zh, has_zh.empty() ? "" : "、", ClockNameZh(clock.kind),
                      clock.assist_unit.empty() ? "" : absl::StrCat("（", clock.assist_unit, "）"));
    }
    return error::ClockNotFound((*order)->number, has, has_zh);
  }
  auto derivation = Explain(**order, *found, *rules_.current());
  if (absl::IsInvalidArgument(derivation.status())) {
    // The calendar names an amount or an instant of its own, which the client has not sent.
    return error::BadField(
        error::Reason::ERROR_REASON_TIME_INVALID, "clock",
        absl::StrCat("takes more than ", calendar::kMaxDerivedDays,
                     " days, too many to write down, or lies beyond the calendar"),
        absl::StrCat("该时限跨度超过", calendar::kMaxDerivedDays, "天，或超出工作日历的范围，无法逐日列出"));
  }
  if (!derivation.ok()) return derivation.status();
  v1::ExplainDeadlineResponse response;
  response.set_text_zh(ExplainInChinese(*derivation));
  *response.mutable_derivation() = *std::move(derivation);
  return response;
}

void EscalationService::GetTimeLedger(const CallContext& call, v1::GetTimeLedgerRequest request,
                                      Done<v1::GetTimeLedgerResponse> done) {
  const absl::Time now = clock_->Now();
  absl::Time until = now;
  if (request.has_until_time()) {
    if (!IsValid(request.until_time()) || FromProto(request.until_time()) > now) {
      return done(error::BadField(error::Reason::ERROR_REASON_TIME_INVALID, "until_time",
                                  "must be a time that has passed", "须为已过去的时间"));
    }
    until = FromProto(request.until_time());
  }
  executor_->Post([this, call, until, request = std::move(request), done = std::move(done)]() mutable {
    const auto id = Resolve(request.order_id());
    if (!id.ok()) return done(id.status());
    // work_order has the last word, and records that it is shown.
    const auto known = reader_->FindOrder(*id);
    if (!known.ok()) return done(known.status());
    if (known->has_value() && !discretion_->MayKnow(call, **known)) return done(error::Restricted());
    events_(call, FormatOrderId(*id),
            [this, until, order = request.order_id(),
             done = std::move(done)](absl::StatusOr<std::vector<type::v1::Event>> read) mutable {
              if (!read.ok()) return done(read.status());
              const std::vector<type::v1::Event>& events = *read;
              if (events.empty()) return done(error::OrderNotFound(order));
              if (until < FromProto(events.front().commit_time())) {
                return done(error::BadField(error::Reason::ERROR_REASON_TIME_INVALID, "until_time",
                                            "is before the registration", "早于登记时间"));
              }
              v1::GetTimeLedgerResponse answer;
              *answer.mutable_ledger() = BuildTimeLedger(events, *rules_.current(), site_, until);
              if (const std::string fault = UnsoundLedger(answer.ledger()); !fault.empty()) {
                return done(error::Internal(fault));
              }
              done(std::move(answer));
            });
  });
}

// A walk over the open clocks.
struct EscalationService::Preview {
  std::shared_ptr<const Deadlines> deadlines;  // with what would be published
  int64_t publication = 0;
  int64_t after_id = 0;
  int list_limit = 0;
  absl::Time now;
  v1::PreviewRulesResponse response;
  Done<v1::PreviewRulesResponse> done;
};

namespace {

std::vector<std::string> VersionsOf(const config::v1::Policy& policy) {
  std::vector<std::string> versions;
  if (policy.versions().empty()) versions.push_back(policy.version());
  for (const config::v1::Policy& version : policy.versions()) versions.push_back(version.version());
  return versions;
}

template <typename Message>
void NameVersions(const Publication& publication, Message* message) {
  for (const std::string& version : VersionsOf(publication.policy)) message->add_policy_versions(version);
  if (publication.calendars == nullptr) return;
  for (const auto& [code, calendar] : *publication.calendars)
    message->add_calendar_versions(calendar.version());
}

void CompareDocuments(const Publication& before, const Publication& after,
                      v1::PreviewRulesResponse* response) {
  const std::set<std::string> old = DocumentsOf(before.calendars.get());
  const std::set<std::string> now = DocumentsOf(after.calendars.get());
  for (const std::string& one : now) {
    if (!old.contains(one)) response->add_added_documents(one);
  }
  for (const std::string& one : old) {
    if (!now.contains(one)) response->add_dropped_documents(one);
  }
}

// It stays where it is, and is only decided now, or no longer.
bool OnlySettles(const OrderClock& before, const OrderClock& after) {
  return before.provisional != after.provisional && before.due == after.due &&
         before.remaining == after.remaining && before.remind == after.remind && before.next == after.next &&
         before.next_rung == after.next_rung;
}

}  // namespace

void EscalationService::PreviewRules(const CallContext&, v1::PreviewRulesRequest request,
                                     Done<v1::PreviewRulesResponse> done) {
  if (request.list_limit() < 0 || request.list_limit() > kMaxPageSize) {
    return done(error::BadField(error::Reason::ERROR_REASON_PAGE_SIZE_INVALID, "list_limit",
                                "must be between 0 and 500", "应在0至500之间"));
  }
  executor_->Post([this, request = std::move(request), done = std::move(done)]() mutable {
    absl::StatusOr<Publication> next = rules_.load(ChangeOf(request));
    if (!next.ok()) return done(next.status());
    const std::shared_ptr<const Deadlines> current = rules_.current();
    auto preview = std::make_shared<Preview>();
    preview->publication = static_cast<int64_t>(current->publications().size()) + 1;
    preview->response.set_publication(preview->publication);
    preview->response.set_digest(rules_.digest(*next));
    preview->response.set_unchanged(Holds(current->publications().back(), preview->response.digest()));
    NameVersions(*next, &preview->response);
    CompareDocuments(current->publications().back(), *next, &preview->response);
    preview->now = clock_->Now();
    next->number = preview->publication;
    next->time = preview->now;
    preview->deadlines = std::make_shared<const Deadlines>(current->With(*std::move(next)));
    preview->list_limit = request.list_limit() == 0 ? kDefaultPreviewList : request.list_limit();
    preview->done = std::move(done);
    PreviewSlice(std::move(preview));
  });
}

void EscalationService::PreviewSlice(std::shared_ptr<Preview> preview) {
  auto scan = reader_->ScanOrders(preview->after_id, kPreviewSlice);
  if (!scan.ok()) return preview->done(scan.status());
  v1::PreviewRulesResponse& response = preview->response;
  const absl::Time now = preview->now;
  const auto overdue = [now](const OrderClock& clock) {
    if (!KnownOpenAt(clock, type::v1::RUNG_URGE)) return false;
    return clock.state == v1::CLOCK_STATE_PAUSED ? clock.remaining <= absl::ZeroDuration() : clock.due <= now;
  };
  for (const OrderClocks& order : scan->orders) {
    for (const OrderClock& clock : order.clocks) {
      if (!clock.live()) continue;
      response.set_clock_count(response.clock_count() + 1);
      const auto moved = MovedTo(order, clock, preview->publication, *preview->deadlines);
      if (!moved.has_value()) continue;
      if (OnlySettles(clock, *moved)) {
        if (!moved->provisional) response.set_settled_count(response.settled_count() + 1);
        continue;
      }
      response.set_moved_count(response.moved_count() + 1);
      if (moved->due > clock.due) response.set_later_count(response.later_count() + 1);
      if (moved->due < clock.due) response.set_earlier_count(response.earlier_count() + 1);
      if (!overdue(clock) && overdue(*moved)) {
        response.set_become_overdue_count(response.become_overdue_count() + 1);
      }
      if (overdue(clock) && !overdue(*moved)) {
        response.set_no_longer_overdue_count(response.no_longer_overdue_count() + 1);
      }
      if (order.restricted || response.moves_size() >= preview->list_limit) continue;
      v1::MovedDeadline* move = response.add_moves();
      *move->mutable_deadline() = Describe(order, clock, now, *preview->deadlines);
      const v1::Deadline then = Describe(order, *moved, now, *preview->deadlines);
      *move->mutable_new_due_time() = then.due_time();
      move->set_policy_version(then.policy_version());
      move->set_calendar_version(then.calendar_version());
    }
  }
  preview->after_id = scan->last_id;
  if (!scan->end) {
    return executor_->Post(
        [this, preview = std::move(preview)]() mutable { PreviewSlice(std::move(preview)); });
  }
  response.set_summary(absl::StrCat(response.moved_count(), " deadlines move, ",
                                    response.become_overdue_count(), " become overdue, ",
                                    response.no_longer_overdue_count(), " are no longer"));
  response.set_summary_zh(absl::StrCat(response.moved_count(), "个时限将调整，其中",
                                       response.become_overdue_count(), "个将转为超期，",
                                       response.no_longer_overdue_count(), "个不再超期"));
  preview->done(std::move(response));
}

void EscalationService::PublishRules(const CallContext&, v1::PublishRulesRequest request,
                                     Done<v1::PublishRulesResponse> done) {
  if (request.digest().empty()) return done(error::Required("digest"));
  const auto note = CountCodePoints(request.note());
  if (!note.has_value() || HasControlCharacters(request.note(), true)) return done(error::BadText("note"));
  if (*note == 0) return done(error::Required("note"));
  if (*note > kMaxNote) return done(error::TooLong("note", kMaxNote));
  if (request.actor().account().empty()) return done(error::Required("actor.account"));
  if (absl::Status status = CheckCode("actor.account", request.actor().account()); !status.ok()) {
    return done(status);
  }
  executor_->Post([this, request = std::move(request), done = std::move(done)]() mutable {
    absl::StatusOr<Publication> next = rules_.load(ChangeOf(request));
    if (!next.ok()) return done(next.status());
    if (rules_.digest(*next) != request.digest()) {
      return done(error::PreviewStale("the files hold something else than what was previewed",
                                      "文件内容与预览时不一致"));
    }
    const std::shared_ptr<const Deadlines> current = rules_.current();
    const Publication& latest = current->publications().back();
    if (Holds(latest, request.digest())) {
      // Asked again; or nothing new.
      v1::PublishRulesResponse response;
      response.set_publication(latest.number);
      return done(std::move(response));
    }
    next->number = latest.number + 1;
    next->note = request.note();
    next->account = request.actor().account();
    rules_.publish(*std::move(next), [done = std::move(done)](absl::StatusOr<int64_t> number) mutable {
      if (!number.ok()) return done(number.status());
      v1::PublishRulesResponse response;
      response.set_publication(*number);
      done(std::move(response));
    });
  });
}

void EscalationService::ListPublications(const CallContext&, v1::ListPublicationsRequest,
                                         Done<v1::ListPublicationsResponse> done) {
  const std::shared_ptr<const Deadlines> current = rules_.current();
  v1::ListPublicationsResponse response;
  const std::vector<Publication>& all = current->publications();
  for (auto it = all.rbegin(); it != all.rend() && response.publications_size() < kMaxPublications; ++it) {
    v1::PublicationInfo* info = response.add_publications();
    info->set_number(it->number);
    if (it->time != absl::InfinitePast()) *info->mutable_publish_time() = ToProto(it->time);
    info->set_note(it->note);
    info->set_account(it->account);
    NameVersions(*it, info);
  }
  const MoveProgress progress = rules_.progress();
  response.set_settled(progress.done);
  response.set_moved_count(progress.moved);
  done(std::move(response));
}

void EscalationService::ListCalendars(const CallContext&, v1::ListCalendarsRequest,
                                      Done<v1::ListCalendarsResponse> done) {
  // Looking for undecided dates walks the days.
  executor_->Post([this, done = std::move(done)]() mutable {
    const std::shared_ptr<const Deadlines> current = rules_.current();
    const Publication& latest = current->publications().back();
    v1::ListCalendarsResponse response;
    response.set_publication(latest.number);
    if (latest.calendars == nullptr) return done(std::move(response));
    const absl::CivilDay today(Beijing().At(clock_->Now()).cs);
    const absl::CivilDay end(today.year() + 1, 12, 31);
    const auto text = [](absl::CivilDay day) { return absl::FormatCivilTime(day); };
    for (const auto& [code, calendar] : *latest.calendars) {
      v1::CalendarInfo* info = response.add_calendars();
      info->set_code(code);
      info->set_version(calendar.version());
      for (config::v1::CalendarLayer& layer : calendar.layers()) *info->add_layers() = std::move(layer);
      for (const calendar::UncertainSpan& span : calendar.Uncertain(today, end)) {
        v1::UndecidedDates* dates = info->add_undecided();
        dates->set_layer(span.layer);
        dates->set_first_date(text(span.first));
        dates->set_last_date(text(span.last));
        dates->set_gap(span.gap);
      }
    }
    done(std::move(response));
  });
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
    v1::EscalationRecord record;
    item.restricted = record.ParseFromString(rung.record) && record.restricted();
    item.order_id = record.order_id();
    // As it is now: it may have become restricted since.
    const auto order = reader_->FindOrder(ParseOrderId(record.order_id()).value_or(0));
    if (!order.ok()) return order.status();
    if (order->has_value()) item.restricted = (*order)->restricted;
    item.bytes = std::make_shared<const std::string>(std::move(rung.record));
  }
  return items;
}

}  // namespace hotline::escalation
