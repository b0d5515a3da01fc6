#include "services/escalation/report/service.h"

#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "services/escalation/report/core/document.h"
#include "services/escalation/report/core/pack.h"

namespace hotline::escalation::report {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 500;
// Of the items in one answer, unless one alone is larger.
constexpr size_t kMaxPageBytes = 2 << 20;
constexpr int64_t kMaxCodeCharacters = 64;
constexpr absl::Duration kDefaultWithin = absl::Hours(24);
constexpr absl::Duration kMaxWithin = absl::Hours(24 * 366);

absl::Status CheckCode(const char* field, const std::string& code) {
  const auto characters = CountCodePoints(code);
  if (!characters.has_value() || HasControlCharacters(code, false)) return error::BadText(field);
  if (*characters > kMaxCodeCharacters) return error::TooLong(field, kMaxCodeCharacters);
  return absl::OkStatus();
}

absl::Status CheckPageSize(int size) {
  if (size >= 0 && size <= kMaxPageSize) return absl::OkStatus();
  return error::BadField(error::Reason::ERROR_REASON_PAGE_SIZE_INVALID, "page_size",
                         "must be between 0 and 500", "应在0至500之间");
}

// Which deadlines are asked for. Of an enum that is not known none would be found, as if all were well.
template <typename Request>
absl::Status CheckRunning(const Request& request) {
  if (absl::Status status = CheckCode("party", request.party()); !status.ok()) return status;
  if (!type::v1::Urgency_IsValid(request.urgency())) return error::BadEnum("urgency", request.urgency());
  if (!type::v1::ClockKind_IsValid(request.clock())) return error::BadEnum("clock", request.clock());
  return absl::OkStatus();
}

absl::Status BadToken() {
  return error::BadField(error::Reason::ERROR_REASON_PAGE_TOKEN_INVALID, "page_token",
                         "is not one that this service gave for this filter",
                         "不是本服务为该筛选条件给出的分页标记");
}

// What a token belongs to: it is not to be used with another filter.
template <typename Request>
std::string FilterMark(Request request) {
  request.clear_page_size();
  request.clear_page_token();
  return absl::BytesToHexString(Sha256({request.SerializeAsString()}).substr(0, 8));
}

std::string WriteToken(const std::vector<int64_t>& numbers, const std::string& mark,
                       const std::string& word = {}) {
  return absl::WebSafeBase64Escape(absl::StrCat("2,", mark, ",", absl::StrJoin(numbers, ","), ",", word));
}

// The `count` numbers, and the word, of a token of this filter.
std::optional<std::vector<int64_t>> ReadToken(const std::string& token, const std::string& mark, size_t count,
                                              std::string* word = nullptr) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  // The word of one that was altered may be no text, which the store would refuse as if it had failed.
  if (!CountCodePoints(text).has_value() || text.find('\0') != std::string::npos) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  if (parts.size() != count + 3 || parts[0] != "2" || parts[1] != mark) return std::nullopt;
  if (word != nullptr) *word = parts.back();
  std::vector<int64_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    if (!absl::SimpleAtoi(parts[i + 2], &numbers[i])) return std::nullopt;
  }
  return numbers;
}

v1::Lamp LampOf(const RunningRow& row, absl::Time now) {
  if (row.due <= now) return v1::LAMP_RED;
  return row.remind <= now ? v1::LAMP_YELLOW : v1::LAMP_GREEN;
}

// Runs `work` on `executor` and answers with what it gives.
template <typename Response, typename Work>
void Answer(Executor* executor, Done<Response> done, Work work) {
  executor->Post([work = std::move(work), done = std::move(done)]() mutable { done(work()); });
}

bool IsRuledSo(const v1::DocketItem& item, const type::v1::Ruling& ruling) {
  const type::v1::Ruling& known = item.ruling();
  return item.has_ruling() && known.unit() == ruling.unit() && known.ground() == ruling.ground() &&
         known.reference() == ruling.reference() && known.ruled_by() == ruling.ruled_by() &&
         (ruling.to_hotline().empty() || known.to_hotline() == ruling.to_hotline());
}

absl::Status CheckFormat(v1::DocumentFormat format) {
  return v1::DocumentFormat_IsValid(format) ? absl::OkStatus() : error::BadEnum("format", format);
}

}  // namespace

ReportService::ReportService(Executor* executor, const hotline::Clock* clock, Archive* archive,
                             WorkedSeconds worked, NamesNow names, const Discretion* discretion)
    : executor_(executor),
      clock_(clock),
      archive_(archive),
      worked_(std::move(worked)),
      names_(std::move(names)),
      discretion_(discretion) {}

// Of a party that nobody knows nothing is late, as if all were well. A unit that has left the directory may
// still have deadlines.
absl::Status ReportService::CheckKnown(const std::string& party) {
  if (party.empty()) return absl::OkStatus();
  const std::shared_ptr<const Names> names = names_.Get();
  if (!names->has_units || names->parties.contains(party)) return absl::OkStatus();
  RunningQuery any;
  any.party = party;
  const auto rows = archive_->reader().CountLamps(any, clock_->Now());
  if (!rows.ok()) return rows.status();
  if (!rows->empty()) return absl::OkStatus();
  return error::BadField(error::Reason::ERROR_REASON_UNIT_UNKNOWN, "party",
                         "is neither a unit nor a hotline of this site's lists: a code is needed",
                         "不在本平台的单位名录中，应为单位或热线代码");
}

void ReportService::GetScorecard(const CallContext& call, v1::GetScorecardRequest request,
                                 Done<v1::GetScorecardResponse> done) {
  Answer(executor_, std::move(done),
         [this, call, request = std::move(request)] { return Scorecard(call, request); });
}

absl::StatusOr<v1::GetScorecardResponse> ReportService::Scorecard(const CallContext& call,
                                                                  const v1::GetScorecardRequest& request) {
  const auto period = CheckPeriod("period", request.period());
  if (!period.ok()) return period.status();
  if (absl::Status status = CheckCode("party", request.party()); !status.ok()) return status;
  const auto knowledge = archive_->KnowledgeFor(*period, clock_->Now());
  if (!knowledge.ok()) return knowledge.status();
  ScorecardBuilder builder(*period, worked_);
  if (absl::Status status =
          archive_->Visit(*period, *knowledge, call, [&](const History& history) { builder.Add(history); });
      !status.ok()) {
    return status;
  }
  v1::GetScorecardResponse response;
  builder.Finish(request.party(), &response);
  // Who has figures needs no list.
  if (response.scorecards().empty()) {
    if (absl::Status status = CheckKnown(request.party()); !status.ok()) return status;
  }
  *response.mutable_start_time() = ToProto(period->start);
  *response.mutable_end_time() = ToProto(period->end);
  *response.mutable_knowledge_time() = ToProto(*knowledge);
  response.set_watermark(archive_->progress().cursor);
  return response;
}

void ReportService::ListLamps(const CallContext&, v1::ListLampsRequest request,
                              Done<v1::ListLampsResponse> done) {
  Answer(executor_, std::move(done), [this, request = std::move(request)] { return Lamps(request); });
}

absl::StatusOr<v1::ListLampsResponse> ReportService::Lamps(const v1::ListLampsRequest& request) {
  if (absl::Status status = CheckRunning(request); !status.ok()) return status;
  if (absl::Status status = CheckKnown(request.party()); !status.ok()) return status;
  const absl::Time now = clock_->Now();
  RunningQuery filter;
  filter.party = request.party();
  filter.urgency = request.urgency();
  filter.kind = request.clock();
  const auto rows = archive_->reader().CountLamps(filter, now);
  if (!rows.ok()) return rows.status();
  v1::ListLampsResponse response;
  v1::LampCount& total = *response.mutable_total();
  for (const LampRow& row : *rows) {
    v1::LampCount& count = *response.add_counts();
    count.set_party(row.party);
    count.set_green(row.green);
    count.set_yellow(row.yellow);
    count.set_red(row.red);
    count.set_paused(row.paused);
    total.set_green(total.green() + row.green);
    total.set_yellow(total.yellow() + row.yellow);
    total.set_red(total.red() + row.red);
    total.set_paused(total.paused() + row.paused);
  }
  *response.mutable_server_time() = ToProto(now);
  response.set_watermark(archive_->progress().cursor);
  return response;
}

// Answers with the list that `query` gives, once it is recorded which restricted orders it shows.
template <typename Request, typename Response>
void ReportService::AnswerList(const CallContext& call, const Request& request, RunningQuery query,
                               Done<Response> done) {
  std::set<std::string> restricted;
  auto response = List<Request, Response>(call, request, std::move(query), &restricted);
  if (!response.ok()) return done(std::move(response));
  discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_LIST, *std::move(response),
                    std::move(done));
}

void ReportService::ListOverdue(const CallContext& call, v1::ListOverdueRequest request,
                                Done<v1::ListOverdueResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    RunningQuery query;
    query.due_before = clock_->Now() + absl::Nanoseconds(1);
    AnswerList(call, request, std::move(query), std::move(done));
  });
}

void ReportService::ListDueSoon(const CallContext& call, v1::ListDueSoonRequest request,
                                Done<v1::ListDueSoonResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    const absl::Duration within = request.has_within() ? FromProtoDuration(request.within()) : kDefaultWithin;
    if (within < absl::ZeroDuration() || within > kMaxWithin) {
      return done(error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "within",
                                  "must be between 0 and 366 days", "应在0至366天之间"));
    }
    RunningQuery query;
    const absl::Time now = clock_->Now();
    query.due_from = now + absl::Nanoseconds(1);
    query.due_before = now + within;
    AnswerList(call, request, std::move(query), std::move(done));
  });
}

template <typename Request, typename Response>
absl::StatusOr<Response> ReportService::List(const CallContext& call, const Request& request,
                                             RunningQuery query, std::set<std::string>* restricted) {
  if (absl::Status status = CheckRunning(request); !status.ok()) return status;
  if (absl::Status status = CheckKnown(request.party()); !status.ok()) return status;
  if (absl::Status status = CheckPageSize(request.page_size()); !status.ok()) return status;
  const std::string mark = FilterMark(request);
  if (!request.page_token().empty()) {
    const auto numbers = ReadToken(request.page_token(), mark, 4, &query.after.party);
    if (!numbers.has_value()) return BadToken();
    query.after.due = (*numbers)[0];
    query.after.order_id = (*numbers)[1];
    query.after.armed_by = (*numbers)[2];
    query.after.kind = (*numbers)[3];
  }
  query.party = request.party();
  query.urgency = request.urgency();
  query.kind = request.clock();
  query.limit = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  query.scan_limit = kScanLimit;
  query.may_know = [&](const RunningRow& row) {
    return discretion_->MayKnow(call, row.restricted, row.registered_by);
  };
  const auto page = archive_->reader().ListRunning(query);
  if (!page.ok()) return page.status();
  const absl::Time now = clock_->Now();
  Response response;
  for (const RunningRow& row : page->rows) {
    if (row.restricted) restricted->insert(FormatOrderId(row.order_id));
    v1::Deadline& deadline = *response.add_deadlines();
    if (!deadline.ParseFromString(row.bytes)) return error::StoreFailed("a deadline cannot be read");
    deadline.set_lamp(LampOf(row, now));
    deadline.set_breached(deadline.breached() || row.due <= now);
  }
  if (page->next.has_value()) {
    const RunningKey& key = *page->next;
    response.set_next_page_token(
        WriteToken({key.due, key.order_id, key.armed_by, key.kind}, mark, key.party));
  }
  *response.mutable_server_time() = ToProto(now);
  response.set_watermark(archive_->progress().cursor);
  return response;
}

void ReportService::RenderDocument(const CallContext& call, v1::RenderDocumentRequest request,
                                   Done<v1::RenderDocumentResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::set<std::string> restricted;
    auto response = Document(call, request, &restricted);
    if (!response.ok()) return done(std::move(response));
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_HISTORY, *std::move(response),
                      std::move(done));
  });
}

absl::StatusOr<v1::RenderDocumentResponse> ReportService::Document(const CallContext& call,
                                                                   const v1::RenderDocumentRequest& request,
                                                                   std::set<std::string>* restricted) {
  if (request.order_id().empty()) return error::Required("order_id");
  if (absl::Status status = CheckCode("order_id", request.order_id()); !status.ok()) return status;
  if (request.kind() != v1::DOCUMENT_KIND_CIRCULATE && request.kind() != v1::DOCUMENT_KIND_DISCIPLINE) {
    return error::BadEnum("kind", request.kind());
  }
  if (absl::Status status = CheckFormat(request.format()); !status.ok()) return status;
  const auto found = archive_->Find(request.order_id());
  if (!found.ok()) return found.status();
  if (!discretion_->MayKnow(call, found->clocks)) return error::Restricted();
  if (found->clocks.restricted) restricted->insert(FormatOrderId(found->id));
  const absl::Time now = clock_->Now();
  const auto history = archive_->Read(found->id, now);
  if (!history.ok()) return history.status();
  if (!history->has_value()) return error::OrderNotFound(request.order_id());
  const auto events = archive_->Events(found->id);
  if (!events.ok()) return events.status();
  const auto page = DocumentPage(request.kind(), **history, *events, now, *names_.Get());
  if (!page.has_value()) return error::NoBreach();
  v1::RenderDocumentResponse response;
  response.set_text(page->Render(request.format(), response.mutable_media_type()));
  response.set_watermark(archive_->progress().cursor);
  return response;
}

MeetingService::MeetingService(Executor* executor, Archive* archive, Ledger* ledger, WorkedSeconds worked,
                               NamesNow names, const Discretion* discretion)
    : executor_(executor),
      archive_(archive),
      ledger_(ledger),
      worked_(std::move(worked)),
      names_(std::move(names)),
      discretion_(discretion) {}

void MeetingService::ListDocket(const CallContext& call, v1::ListDocketRequest request,
                                Done<v1::ListDocketResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::set<std::string> restricted;
    auto response = Docket(call, request, &restricted);
    if (!response.ok()) return done(std::move(response));
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_LIST, *std::move(response),
                      std::move(done));
  });
}

absl::StatusOr<v1::ListDocketResponse> MeetingService::Docket(const CallContext& call,
                                                              const v1::ListDocketRequest& request,
                                                              std::set<std::string>* restricted) {
  if (absl::Status status = CheckPageSize(request.page_size()); !status.ok()) return status;
  if (!v1::DocketState_IsValid(request.state())) return error::BadEnum("state", request.state());
  DocketQuery query;
  query.state = request.state();
  if (!request.period().empty()) {
    const auto period = CheckPeriod("period", request.period());
    if (!period.ok()) return period.status();
    query.opened_from = period->start;
    query.opened_before = period->end;
  }
  const std::string mark = FilterMark(request);
  if (!request.page_token().empty()) {
    const auto numbers = ReadToken(request.page_token(), mark, 1);
    if (!numbers.has_value()) return BadToken();
    query.before_sequence = (*numbers)[0];
  }
  const int limit = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  query.limit = limit + 1;
  v1::ListDocketResponse response;
  response.set_watermark(archive_->progress().cursor);
  int64_t last = 0;  // in the page
  size_t bytes = 0;
  // What may not be known is as if it were not there: a page ends, and goes on, at what may.
  for (bool more = true; more;) {
    const auto rows = archive_->reader().ListDocket(query);
    if (!rows.ok()) return rows.status();
    more = static_cast<int>(rows->size()) == query.limit;
    for (const DocketRow& row : *rows) {
      query.before_sequence = row.sequence;
      const auto history = archive_->Read(row.order_id, absl::InfiniteFuture());
      if (!history.ok()) return history.status();
      if (!history->has_value() || !discretion_->MayKnow(call, (*history)->clocks)) continue;
      for (const Dispute& dispute : (*history)->disputes) {
        if (dispute.sequence != row.sequence) continue;
        bytes += dispute.item.ByteSizeLong();
        if (response.items_size() == limit || (bytes > kMaxPageBytes && !response.items().empty())) {
          response.set_next_page_token(WriteToken({last}, mark));
          return response;
        }
        if ((*history)->clocks.restricted) restricted->insert(FormatOrderId(row.order_id));
        *response.add_items() = dispute.item;
        last = row.sequence;
      }
    }
  }
  return response;
}

absl::StatusOr<v1::DocketItem> MeetingService::FindItem(const CallContext& call, const std::string& account,
                                                        const std::string& item_id,
                                                        std::set<std::string>* restricted) {
  if (item_id.empty()) return error::Required("item_id");
  if (absl::Status status = CheckCode("item_id", item_id); !status.ok()) return status;
  const size_t dash = item_id.rfind('-');
  int64_t sequence = 0;
  if (dash == std::string::npos || !absl::SimpleAtoi(item_id.substr(dash + 1), &sequence)) {
    return error::DocketItemNotFound(item_id);
  }
  const auto row = archive_->reader().FindDocket(sequence);
  if (!row.ok()) return row.status();
  if (row->has_value()) {
    const auto history = archive_->Read((*row)->order_id, absl::InfiniteFuture());
    if (!history.ok()) return history.status();
    if (history->has_value()) {
      CallContext who = call;
      if (who.account.empty()) who.account = account;
      if (!discretion_->MayKnow(who, (*history)->clocks)) return error::Restricted();
      for (const Dispute& dispute : (*history)->disputes) {
        if (dispute.item.item_id() != item_id) continue;
        if (restricted != nullptr && (*history)->clocks.restricted) {
          restricted->insert(FormatOrderId((*row)->order_id));
        }
        return dispute.item;
      }
    }
  }
  return error::DocketItemNotFound(item_id);
}

void MeetingService::RuleDocketItem(const CallContext& call, v1::RuleDocketItemRequest request,
                                    Done<v1::RuleDocketItemResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    const auto item = FindItem(call, request.header().actor().account(), request.item_id());
    if (!item.ok()) return done(item.status());
    // The same ruling again is an answer that was lost.
    if (item->state() != v1::DOCKET_STATE_OPEN && !IsRuledSo(*item, request.ruling())) {
      return done(error::DocketSettled(request.item_id()));
    }
    workorder::v1::ExecuteRequest execute;
    type::v1::Command& command = *execute.add_commands();
    *command.mutable_header() = std::move(*request.mutable_header());
    command.mutable_header()->set_order_id(item->order_id());
    // What an accused unit may not do it may not do either where its client names it beside the request.
    if (!call.unit.empty() && command.header().actor().unit().empty()) {
      command.mutable_header()->mutable_actor()->set_unit(call.unit);
    }
    *command.mutable_ruling() = std::move(*request.mutable_ruling());
    type::v1::Actor actor = command.header().actor();
    ledger_->Execute(call, std::move(execute),
                     [discretion = discretion_, call, actor = std::move(actor), done = std::move(done)](
                         absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                       if (!response.ok()) return done(response.status());
                       if (response->results_size() != 1) {
                         return done(error::Internal("the ledger did not answer the command"));
                       }
                       workorder::v1::CommandResult& result = *response->mutable_results(0);
                       if (result.has_error()) return done(error::FromProto(result.error()));
                       v1::RuleDocketItemResponse answer;
                       *answer.mutable_order() = std::move(*result.mutable_order());
                       discretion->HideInAnswer(call, actor, answer.mutable_order());
                       answer.set_event_sequence(result.event_sequence());
                       done(std::move(answer));
                     });
  });
}

void MeetingService::RenderPack(const CallContext& call, v1::RenderPackRequest request,
                                Done<v1::RenderPackResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::set<std::string> restricted;
    auto response = Pack(call, request, &restricted);
    if (!response.ok()) return done(std::move(response));
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_LIST, *std::move(response),
                      std::move(done));
  });
}

absl::StatusOr<v1::RenderPackResponse> MeetingService::Pack(const CallContext& call,
                                                            const v1::RenderPackRequest& request,
                                                            std::set<std::string>* restricted) {
  const auto period = CheckPeriod("period", request.period());
  if (!period.ok()) return period.status();
  if (absl::Status status = CheckFormat(request.format()); !status.ok()) return status;
  const auto knowledge = archive_->KnowledgeFor(*period, call.now);
  if (!knowledge.ok()) return knowledge.status();
  ScorecardBuilder scorecards(*period, worked_);
  PackBuilder pack(*period, *knowledge);
  if (absl::Status status =
          archive_->Visit(*period, *knowledge, call,
                          [&](const History& history) {
                            scorecards.Add(history);
                            const bool known = discretion_->MayKnow(call, history.clocks);
                            pack.Add(history, known);
                            if (known && history.clocks.restricted && !history.disputes.empty()) {
                              restricted->insert(FormatOrderId(history.id));
                            }
                          });
      !status.ok()) {
    return status;
  }
  v1::GetScorecardResponse scorecard;
  scorecards.Finish("", &scorecard);
  *scorecard.mutable_start_time() = ToProto(period->start);
  *scorecard.mutable_end_time() = ToProto(period->end);
  *scorecard.mutable_knowledge_time() = ToProto(*knowledge);
  v1::RenderPackResponse response;
  *response.mutable_figures() = pack.Figures();
  response.set_text(PackPage(response.figures(), pack.Disputes(), scorecard, request.period(), *names_.Get())
                        .Render(request.format(), response.mutable_media_type()));
  *response.mutable_start_time() = scorecard.start_time();
  *response.mutable_end_time() = scorecard.end_time();
  *response.mutable_knowledge_time() = scorecard.knowledge_time();
  response.set_watermark(archive_->progress().cursor);
  return response;
}

void MeetingService::ExportProposal(const CallContext& call, v1::ExportProposalRequest request,
                                    Done<v1::ExportProposalResponse> done) {
  executor_->Post([this, call, request = std::move(request), done = std::move(done)]() mutable {
    std::set<std::string> restricted;
    const auto item = FindItem(call, "", request.item_id(), &restricted);
    if (!item.ok()) return done(item.status());
    if (!item->has_ruling()) return done(error::NotRuled());
    v1::ExportProposalResponse response;
    response.set_yaml(ProposalYaml(*item, *names_.Get()));
    discretion_->Show(call, std::move(restricted), type::v1::DISCLOSURE_KIND_HISTORY, std::move(response),
                      std::move(done));
  });
}

}  // namespace hotline::escalation::report
