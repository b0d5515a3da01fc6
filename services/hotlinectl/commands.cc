// Which command does what, and the commands that only read.
#include "services/hotlinectl/commands.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

using Dispatch = DispatchService::StubInterface;
using Orders = WorkOrderService::StubInterface;
using Escalations = EscalationService::StubInterface;

constexpr int64_t kDefaultLimit = 50;
constexpr int64_t kMaxPageSize = 500;
// The latest; nobody reads more of them.
constexpr size_t kMaxShownEvents = 20'000;
// Within the longest that a service lets a call take; what takes longer goes on, and the next call gets its
// outcome.
constexpr absl::Duration kReconcileTimeout = absl::Seconds(29);
// The longest that a service verifies.
constexpr absl::Duration kVerifyTimeout = absl::Minutes(10);

// Asks page after page, until `limit` (0: all) has been handed to `each`; tells when there is more.
template <typename Interface, typename Request, typename Response, typename Each>
std::optional<Failure> ForEachPage(Session& session,
                                   grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&,
                                                                     Response*),
                                   Request request, Each each, bool* more) {
  const int64_t limit = session.arguments.Integer("limit", kDefaultLimit);
  int64_t left = limit == 0 ? std::numeric_limits<int64_t>::max() : limit;
  *more = false;
  while (left > 0) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kMaxPageSize)));
    Response response;
    if (auto failure = session.client.Call(method, request, &response); failure) return failure;
    left -= each(response);
    if (response.next_page_token().empty()) return std::nullopt;
    request.set_page_token(response.next_page_token());
  }
  *more = true;
  return std::nullopt;
}

// Prints a table that was filled, or that there is nothing; for scripts, only that there is more.
void PrintTable(Session& session, const Table& table, bool more) {
  Console& console = session.console;
  if (!console.json()) {
    if (table.empty()) return console.ErrLine(Say(console.language(), say::kNothing));
    console.Out(table.Render(console.style()));
  }
  if (more) console.ErrLine(Say(console.language(), say::kMore), Colour::kDim);
}

// Adds the order's events, oldest first, page by page from the latest on.
std::optional<Failure> ReadEvents(Session& session, const std::string& order_id,
                                  std::vector<type::v1::Event>* events) {
  workorder::v1::ListOrderEventsRequest request;
  request.set_order_id(order_id);
  std::vector<workorder::v1::ListOrderEventsResponse> pages;
  for (size_t count = 0; count < kMaxShownEvents;) {
    workorder::v1::ListOrderEventsResponse& page = pages.emplace_back();
    if (auto failure = session.client.Call(&Orders::ListOrderEvents, request, &page); failure) return failure;
    if (page.events().empty() || page.events(0).previous_order_sequence() == 0) break;
    count += static_cast<size_t>(page.events_size());
    request.set_before_sequence(page.events(0).sequence());
  }
  for (auto page = pages.rbegin(); page != pages.rend(); ++page) {
    for (type::v1::Event& event : *page->mutable_events()) events->push_back(std::move(event));
  }
  return std::nullopt;
}

int Show(Session& session) {
  Console& console = session.console;
  workorder::v1::GetWorkOrderRequest request;
  request.set_order_id(session.arguments.operand);
  workorder::v1::GetWorkOrderResponse response;
  if (auto failure = session.client.Call(&Orders::GetWorkOrder, request, &response); failure) {
    return console.Fail(*failure);
  }
  std::vector<type::v1::Event> events;
  if (auto failure = ReadEvents(session, response.order().id(), &events); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    std::string lines;
    for (const type::v1::Event& event : events) lines += StrCat(lines.empty() ? "" : ",", ToJson(event));
    console.OutLine(StrCat("{\"order\":", ToJson(response.order()), ",\"events\":[", lines, "]}"));
    return kExitOk;
  }
  console.Out(OrderSheet(console.language(), response.order(), console.style()));
  Table table = EventTable(console.language(), /*numbers=*/false, /*titles=*/false);
  for (const type::v1::Event& event : events) {
    AddEvent(console.language(), event, /*numbers=*/false, /*title=*/nullptr, table);
  }
  console.OutLine(StrCat(
      "\n", Paint(Say(console.language(), say::kLabelHistory), Colour::kBold, console.style().colour)));
  console.Out(table.Render(console.style()));
  return kExitOk;
}

int Custody(Session& session) {
  Console& console = session.console;
  workorder::v1::GetCustodyChainRequest request;
  request.set_order_id(session.arguments.operand);
  if (const auto at = session.arguments.Time("at", session.now))
    *request.mutable_at_time() = ToTimestamp(*at);
  workorder::v1::GetCustodyChainResponse response;
  if (auto failure = session.client.Call(&Orders::GetCustodyChain, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  Table table = CustodyTable(console.language());
  for (const auto& tenure : response.tenures()) AddTenure(console.language(), tenure, table);
  PrintTable(session, table, /*more=*/false);
  if (!response.continued_as().empty()) {
    console.ErrLine(Say(console.language(), say::kContinuedAs, response.continued_as()), Colour::kYellow);
  }
  return kExitOk;
}

int List(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  workorder::v1::ListWorkOrdersRequest request;
  auto& filter = *request.mutable_filter();
  for (const std::string& word : arguments.All("state")) {
    filter.add_states(static_cast<type::v1::OrderState>(
        ParseEnumWord(*type::v1::OrderState_descriptor(), word).value_or(0)));
  }
  filter.set_unit(arguments.Text("unit"));
  filter.set_hotline(arguments.Text("hotline"));
  filter.set_type(arguments.Word<type::v1::OrderType>("type"));
  filter.set_urgency(arguments.Word<type::v1::Urgency>("urgency"));
  filter.set_caller_phone(arguments.Text("phone"));
  filter.set_in_doubt(arguments.Has("in-doubt"));
  filter.set_parent_id(arguments.Text("parent"));
  if (const auto from = arguments.Time("from", session.now))
    *filter.mutable_register_start_time() = ToTimestamp(*from);
  if (const auto to = arguments.Time("to", session.now))
    *filter.mutable_register_end_time() = ToTimestamp(*to);
  Table table = OrderTable(console.language());
  bool more = false;
  auto failure = ForEachPage(
      session, &Orders::ListWorkOrders, std::move(request),
      [&](const workorder::v1::ListWorkOrdersResponse& response) {
        for (const auto& order : response.orders()) {
          if (console.json()) {
            console.OutLine(ToJson(order));
          } else {
            AddOrder(console.language(), order, table);
          }
        }
        return response.orders_size();
      },
      &more);
  if (failure) return console.Fail(*failure);
  PrintTable(session, table, more);
  return kExitOk;
}

int Similar(Session& session) {
  Console& console = session.console;
  workorder::v1::FindSimilarOrdersRequest request;
  request.set_order_id(session.arguments.operand);
  if (request.order_id().empty()) {
    auto form = FromFlags(session);
    if (!form.ok()) return console.Fail({.status = form.status()});
    *request.mutable_content() = std::move(*form->mutable_content());
  }
  // Beyond int32 is beyond 50 all the same; the service says so.
  request.set_limit(static_cast<int32_t>(std::min<int64_t>(session.arguments.Integer("limit", 0), 1'000)));
  workorder::v1::FindSimilarOrdersResponse response;
  if (auto failure = session.client.Call(&Orders::FindSimilarOrders, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  PrintSimilar(session, response);
  if (response.earlier_orders().empty() && response.similar_orders().empty()) {
    console.ErrLine(Say(console.language(), say::kNothing));
  }
  return kExitOk;
}

int Deadlines(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::ListDeadlinesRequest request;
  request.set_order_id(arguments.operand);
  request.set_duty_party(arguments.Text("party"));
  if (const auto before = arguments.Time("before", session.now))
    *request.mutable_due_before_time() = ToTimestamp(*before);
  request.set_include_stopped(arguments.Has("all"));
  Table table = DeadlineTable(console.language());
  bool more = false;
  auto failure = ForEachPage(
      session, &Escalations::ListDeadlines, std::move(request),
      [&](const escalation::v1::ListDeadlinesResponse& response) {
        const absl::Time now = response.has_server_time()
                                   ? absl::FromUnixSeconds(response.server_time().seconds())
                                   : session.now;
        for (const auto& deadline : response.deadlines()) {
          if (console.json()) {
            console.OutLine(ToJson(deadline));
          } else {
            AddDeadline(console.language(), deadline, now, table);
          }
        }
        return response.deadlines_size();
      },
      &more);
  if (failure) return console.Fail(*failure);
  PrintTable(session, table, more);
  return kExitOk;
}

int Links(Session& session) {
  Console& console = session.console;
  dispatch::v1::ListLinksResponse response;
  if (auto failure = session.client.Call(&Dispatch::ListLinks, dispatch::v1::ListLinksRequest(), &response);
      failure) {
    return console.Fail(*failure);
  }
  Table table = LinkTable(console.language());
  bool all_up = true;
  for (const auto& link : response.links()) {
    all_up = all_up && link.up();
    if (console.json()) {
      console.OutLine(ToJson(link));
    } else {
      AddLink(console.language(), link, table);
    }
  }
  PrintTable(session, table, /*more=*/false);
  return all_up ? kExitOk : kExitUnreachable;
}

int LinkStatus(Session& session) {
  Console& console = session.console;
  dispatch::v1::ListLinksResponse response;
  if (auto failure = session.client.Call(&Dispatch::ListLinks, dispatch::v1::ListLinksRequest(), &response);
      failure) {
    return console.Fail(*failure);
  }
  Table table = LinkStatusTable(console.language());
  bool all_up = true;
  for (const auto& link : response.links()) {
    if (!session.arguments.peer.empty() && link.peer() != session.arguments.peer) continue;
    all_up = all_up && link.up();
    if (console.json()) {
      console.OutLine(ToJson(link));
    } else {
      AddLinkStatus(console.language(), link, session.now, table);
    }
  }
  PrintTable(session, table, /*more=*/false);
  return all_up ? kExitOk : kExitUnreachable;
}

int Reconcile(Session& session) {
  Console& console = session.console;
  dispatch::v1::ReconcileLinkRequest request;
  request.set_peer(session.arguments.peer);
  request.set_repair(session.arguments.Has("repair"));
  request.set_recount(session.arguments.Has("recount"));
  dispatch::v1::ReconcileLinkResponse response;
  if (auto failure = session.client.Call(&Dispatch::ReconcileLink, request, &response, kReconcileTimeout);
      failure) {
    return console.Fail(*failure);
  }
  const bool good = response.difference_count() == 0;
  if (console.json()) {
    console.OutLine(ToJson(response));
    return good ? kExitOk : kExitUnreachable;
  }
  const Language language = console.language();
  Table table = DifferenceTable(language);
  for (const auto& difference : response.differences()) AddDifference(language, difference, table);
  if (!table.empty()) console.Out(table.Render(console.style()));
  const absl::Duration took = absl::Seconds(response.end_time().seconds() - response.start_time().seconds());
  console.OutLine(Paint(Say(language, say::kReconciled, response.handoff_count(), response.difference_count(),
                            response.question_count(), absl::FormatDuration(took)),
                        good ? Colour::kGreen : Colour::kRed, console.style().colour));
  if (response.truncated() || response.differences_size() < response.difference_count()) {
    console.ErrLine(Say(language, say::kReconcileTruncated));
  }
  return good ? kExitOk : kExitUnreachable;
}

int Verify(Session& session) {
  Console& console = session.console;
  workorder::v1::VerifyLogRequest request;
  request.set_start_sequence(session.arguments.Integer("from", 0));
  request.set_end_sequence(session.arguments.Integer("to", 0));
  workorder::v1::VerifyLogResponse response;
  if (auto failure = session.client.Call(&Orders::VerifyLog, request, &response, kVerifyTimeout); failure) {
    const bool longest = session.arguments.timeout.value_or(kVerifyTimeout) >= kVerifyTimeout;
    if (longest && absl::IsDeadlineExceeded(failure->status)) failure->advice = &say::kDoVerifyOffline;
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else if (response.intact()) {
    console.OutLine(Say(console.language(), say::kIntact, response.event_count(), response.envelope_count(),
                        response.order_count(), response.head_sequence(),
                        absl::BytesToHexString(response.head_hash()).substr(0, 16)));
  } else {
    const bool chinese = console.language() == Language::kChinese && !response.fault_zh().empty();
    console.OutLine(
        Paint(Say(console.language(), say::kBroken, chinese ? response.fault_zh() : response.fault()),
              Colour::kRed, console.style().colour));
  }
  return response.intact() ? kExitOk : kExitVerifyFailed;
}

// One line of `health`: a service, a part of it or a link.
struct HealthLine {
  std::string name;
  std::string address;
  bool serving = false;
  bool reachable = true;
  absl::Duration latency;
};

int Health(Session& session) {
  struct Part {
    Target target;
    std::string_view service;
    std::string_view part;  // empty: the whole service
  };
  // The parts that the services name beside themselves; one that a service does not know is passed over.
  constexpr Part kParts[] = {
      {Target::kDispatch, "dispatch", ""},           {Target::kWorkOrder, "work_order", ""},
      {Target::kWorkOrder, "work_order", "store"},   {Target::kEscalation, "escalation", ""},
      {Target::kEscalation, "escalation", "store"},  {Target::kEscalation, "escalation", "directory"},
      {Target::kEscalation, "escalation", "notify"}, {Target::kEscalation, "escalation", "work_order"},
      {Target::kEscalation, "escalation", "clock"},  {Target::kEscalation, "escalation", "report_store"},
  };
  Console& console = session.console;
  // One service alone is judged by its own word: what it depends on has its own probe.
  const std::string only = session.arguments.Text("service");
  std::vector<HealthLine> lines;
  bool all_serving = true;
  bool dispatch_reachable = false;
  for (const Part& part : kParts) {
    if (!only.empty() && (part.service != only || !part.part.empty())) continue;
    // Whoever could not be reached as a whole is not asked for its parts.
    if (!part.part.empty() && !lines.empty() && !lines.back().reachable) continue;
    HealthLine line{.name = StrCat(part.service, part.part.empty() ? "" : "/", part.part),
                    .address = session.client.AddressOf(part.target)};
    grpc::health::v1::HealthCheckResponse response;
    const absl::Time start = SystemClock()->Now();
    const auto failure = session.client.Check(part.target, std::string(part.part), &response);
    line.latency = SystemClock()->Now() - start;
    if (failure && failure->usage) return console.Fail(*failure);
    if (failure && absl::IsNotFound(failure->status)) continue;
    const bool other = !failure && part.part.empty() && session.client.AnotherAnswers(part.target);
    if (other) {
      console.ErrLine(Say(console.language(), say::kPlainOtherService, line.name, line.address),
                      Colour::kYellow);
    }
    // A certificate that does not fit, on either side, is no matter of being up.
    if (failure && failure->advice != nullptr) {
      console.ErrLine(FailureMessage(*failure, console.language()), Colour::kYellow);
    }
    line.reachable = !failure && !other;
    line.serving = line.reachable && response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
    all_serving = all_serving && line.serving;
    dispatch_reachable = dispatch_reachable || (part.target == Target::kDispatch && line.reachable);
    lines.push_back(std::move(line));
  }
  // A peer that is down is told, but is no fault of this site's services.
  dispatch::v1::ListLinksResponse links;
  if (only.empty() && dispatch_reachable &&
      !session.client.Call(&Dispatch::ListLinks, dispatch::v1::ListLinksRequest(), &links)) {
    for (const auto& link : links.links()) {
      lines.push_back({.name = LinkPart(link), .serving = link.up()});
    }
  }
  const Language language = console.language();
  Table table({{.heading = std::string(Say(language, say::kColService))},
               {.heading = std::string(Say(language, say::kColAddress))},
               {.heading = std::string(Say(language, say::kColHealth))},
               {.heading = std::string(Say(language, say::kColLatency)), .right_aligned = true}});
  for (const HealthLine& line : lines) {
    if (console.json()) {
      console.OutLine(StrCat("{\"name\":", JsonString(line.name), ",\"address\":", JsonString(line.address),
                             ",\"serving\":", line.serving ? "true" : "false",
                             ",\"reachable\":", line.reachable ? "true" : "false", "}"));
      continue;
    }
    const Phrase& word = !line.reachable ? say::kUnreachable
                         : line.serving  ? say::kServing
                                         : say::kNotServing;
    const bool measured = line.reachable && !line.address.empty();
    table.AddRow(
        {Cell(line.name), Cell(line.address),
         Cell(Say(language, word), line.serving ? Colour::kGreen : Colour::kRed),
         Cell(measured ? absl::FormatDuration(absl::Trunc(line.latency, absl::Microseconds(100))) : "")});
  }
  PrintTable(session, table, /*more=*/false);
  return all_serving ? kExitOk : kExitUnreachable;
}

}  // namespace

void PrintSimilar(Session& session, const workorder::v1::FindSimilarOrdersResponse& response) {
  Console& console = session.console;
  const Language language = console.language();
  const auto print = [&](const Phrase& heading, const Table& table) {
    console.OutLine(Paint(Say(language, heading), Colour::kBold, console.style().colour));
    console.Out(table.Render(console.style()));
  };
  if (!response.earlier_orders().empty()) {
    Table table = OrderTable(language);
    for (const auto& order : response.earlier_orders()) AddOrder(language, order, table);
    print(say::kSimilarEarlier, table);
  }
  if (!response.similar_orders().empty()) {
    Table table = SimilarTable(language);
    for (const auto& similar : response.similar_orders()) AddSimilar(language, similar, table);
    print(say::kSimilarAlike, table);
  }
  if (response.incomplete()) console.ErrLine(Say(language, say::kSimilarIncomplete), Colour::kYellow);
}

int Run(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  switch (arguments.command->id) {
    case CommandId::kPush:
      return Push(session);
    case CommandId::kRegister:
      return Register(session);
    case CommandId::kSimilar:
      return Similar(session);
    case CommandId::kReferFromScene:
      return ReferFromScene(session);
    case CommandId::kShow:
      return Show(session);
    case CommandId::kCustody:
      return Custody(session);
    case CommandId::kList:
      return List(session);
    case CommandId::kPartners:
      return Partners(session);
    case CommandId::kWatch:
      return Watch(session);
    case CommandId::kDeadlines:
      return Deadlines(session);
    case CommandId::kExplain:
      return ExplainDeadline(session);
    case CommandId::kLedger:
      return ShowTimeLedger(session);
    case CommandId::kPolicy:
      return Policy(session);
    case CommandId::kCalendar:
      return CalendarCommand(session);
    case CommandId::kLinks:
      return Links(session);
    case CommandId::kLink:
      return arguments.operand == "status" ? LinkStatus(session) : Reconcile(session);
    case CommandId::kVerify:
      return Verify(session);
    case CommandId::kEvidence:
      return Evidence(session);
    case CommandId::kDirectory:
      return DirectoryCommand(session);
    case CommandId::kNotifications:
      return NotificationsCommand(session);
    case CommandId::kScorecard:
    case CommandId::kLamps:
    case CommandId::kOverdue:
    case CommandId::kDueSoon:
    case CommandId::kDocument:
    case CommandId::kMeeting:
      return Report(session);
    case CommandId::kCatalogue:
      return CatalogueCommand(session);
    case CommandId::kSuggest:
      return SuggestCommand(session);
    case CommandId::kBackup:
      return Backup(session);
    case CommandId::kHold:
      return Hold(session);
    case CommandId::kRetention:
      return RetentionCommand(session);
    case CommandId::kDoctor:
      return Doctor(session);
    case CommandId::kHealth:
      return Health(session);
    case CommandId::kCompletion:
      console.Out(CompletionScript(arguments.operand, console.language()));
      return kExitOk;
    case CommandId::kHelp: {
      const CommandSpec* about = FindCommand(arguments.operand);
      console.Out(about == nullptr ? HelpText(console.language())
                                   : CommandHelpText(*about, console.language()));
      return kExitOk;
    }
    default:
      return Change(session);
  }
}

}  // namespace hotline::hotlinectl
