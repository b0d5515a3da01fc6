// scorecard, lamps, overdue, due-soon, document and meeting: what the site's log says of all orders together.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "common/base/text.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/output.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/report_view.h"

namespace hotline::hotlinectl {
namespace {

using Reports = ReportService::StubInterface;
using Meetings = MeetingService::StubInterface;

constexpr int64_t kDefaultLimit = 50;
constexpr int64_t kMaxPageSize = 500;
// Within the longest that a service lets a call take.
constexpr absl::Duration kReportTimeout = absl::Seconds(29);

// To `--out` if it was given, with the mark by which spreadsheets know UTF-8 in a CSV; else to standard
// output.
int Deliver(Session& session, const std::string& text, bool csv) {
  Console& console = session.console;
  const std::string& path = session.arguments.Text("out");
  if (path.empty()) {
    console.Out(text);
    return kExitOk;
  }
  const std::string bytes = StrCat(csv ? "\xef\xbb\xbf" : "", text);
  if (!WritePrivate(path, bytes, IfExists::kReplace)) {
    return console.Fail(
        {.status = absl::InvalidArgumentError(Say(console.language(), say::kCannotWrite, path)),
         .usage = true});
  }
  console.ErrLine(Say(console.language(), say::kWritten, path));
  return kExitOk;
}

int ShowTable(Session& session, const Table& table) {
  Console& console = session.console;
  if (table.empty()) {
    console.ErrLine(Say(console.language(), say::kNothing));
  } else {
    console.Out(table.Render(console.style()));
  }
  return kExitOk;
}

// What is known of a list: `period`, from and to, and what counts.
int GetScorecard(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::GetScorecardRequest request;
  request.set_period(arguments.Text("period"));
  request.set_party(arguments.Text("unit"));
  escalation::v1::GetScorecardResponse response;
  if (auto failure = session.client.Call(&Reports::GetScorecard, request, &response, kReportTimeout);
      failure) {
    return console.Fail(*failure);
  }
  if (arguments.Has("csv")) return Deliver(session, ScorecardCsv(console.language(), response), /*csv=*/true);
  if (console.json()) return Deliver(session, StrCat(ToJson(response), "\n"), /*csv=*/false);
  ShowTable(session, ScorecardTable(console.language(), response));
  console.ErrLine(Say(console.language(), say::kPeriodShown, TimeText(response.start_time()),
                      TimeText(response.end_time()), TimeText(response.knowledge_time())),
                  Colour::kDim);
  return kExitOk;
}

int Lamps(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::ListLampsRequest request;
  request.set_party(arguments.Text("unit"));
  request.set_urgency(arguments.Word<type::v1::Urgency>("urgency"));
  request.set_clock(arguments.Word<type::v1::ClockKind>("clock"));
  escalation::v1::ListLampsResponse response;
  if (auto failure = session.client.Call(&Reports::ListLamps, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (arguments.Has("csv")) return Deliver(session, LampCsv(console.language(), response), /*csv=*/true);
  if (console.json()) return Deliver(session, StrCat(ToJson(response), "\n"), /*csv=*/false);
  return ShowTable(session, LampTable(console.language(), response));
}

// Both lists of deadlines: page after page, up to `--limit`.
template <typename Request, typename Response>
int Deadlines(Session& session,
              grpc::Status (Reports::*method)(grpc::ClientContext*, const Request&, Response*),
              Request request) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  const Language language = console.language();
  request.set_party(arguments.Text("unit"));
  request.set_urgency(arguments.Word<type::v1::Urgency>("urgency"));
  request.set_clock(arguments.Word<type::v1::ClockKind>("clock"));
  const int64_t limit = arguments.Integer("limit", kDefaultLimit);
  int64_t left = limit == 0 ? std::numeric_limits<int64_t>::max() : limit;
  std::string text = arguments.Has("csv") ? DeadlineCsvHead(language) : "";
  Table table = DeadlineTable(language);
  bool more = true;
  while (left > 0 && more) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kMaxPageSize)));
    Response response;
    if (auto failure = session.client.Call(method, request, &response); failure)
      return console.Fail(*failure);
    const absl::Time now = absl::FromUnixSeconds(response.server_time().seconds());
    for (const auto& deadline : response.deadlines()) {
      if (arguments.Has("csv")) {
        text += DeadlineCsv(language, deadline);
      } else if (console.json()) {
        text += StrCat(ToJson(deadline), "\n");
      } else {
        AddDeadline(language, deadline, now, table);
      }
    }
    left -= response.deadlines_size();
    more = !response.next_page_token().empty();
    request.set_page_token(response.next_page_token());
  }
  int exit = kExitOk;
  if (arguments.Has("csv") || console.json()) {
    exit = Deliver(session, text, arguments.Has("csv"));
  } else {
    ShowTable(session, table);
  }
  if (more) console.ErrLine(Say(language, say::kMore), Colour::kDim);
  return exit;
}

int DueSoon(Session& session) {
  escalation::v1::ListDueSoonRequest request;
  if (session.arguments.Has("within")) {
    const absl::Duration within =
        ParseDuration(session.arguments.Text("within")).value_or(absl::ZeroDuration());
    request.mutable_within()->set_seconds(absl::ToInt64Seconds(within));
  }
  return Deadlines(session, &Reports::ListDueSoon, std::move(request));
}

escalation::v1::DocumentFormat FormatOf(const Arguments& arguments) {
  return arguments.Text("format") == "md" ? escalation::v1::DOCUMENT_FORMAT_MARKDOWN
                                          : escalation::v1::DOCUMENT_FORMAT_HTML;
}

int Document(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::RenderDocumentRequest request;
  request.set_order_id(arguments.operand);
  request.set_kind(arguments.Word<escalation::v1::DocumentKind>("kind"));
  request.set_format(FormatOf(arguments));
  escalation::v1::RenderDocumentResponse response;
  if (auto failure = session.client.Call(&Reports::RenderDocument, request, &response); failure) {
    return console.Fail(*failure);
  }
  return Deliver(session, console.json() ? StrCat(ToJson(response), "\n") : response.text(), /*csv=*/false);
}

int Docket(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::ListDocketRequest request;
  request.set_state(arguments.Word<escalation::v1::DocketState>("state"));
  request.set_period(arguments.Text("period"));
  const int64_t limit = arguments.Integer("limit", kDefaultLimit);
  int64_t left = limit == 0 ? std::numeric_limits<int64_t>::max() : limit;
  Table table = DocketTable(console.language());
  bool more = true;
  while (left > 0 && more) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kMaxPageSize)));
    escalation::v1::ListDocketResponse response;
    if (auto failure = session.client.Call(&Meetings::ListDocket, request, &response); failure) {
      return console.Fail(*failure);
    }
    for (const auto& item : response.items()) {
      if (console.json()) {
        console.OutLine(ToJson(item));
      } else {
        AddDocketItem(console.language(), item, table);
      }
    }
    left -= response.items_size();
    more = !response.next_page_token().empty();
    request.set_page_token(response.next_page_token());
  }
  if (!console.json()) ShowTable(session, table);
  if (more) console.ErrLine(Say(console.language(), say::kMore), Colour::kDim);
  return kExitOk;
}

int Pack(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::RenderPackRequest request;
  request.set_period(arguments.Text("period"));
  request.set_format(FormatOf(arguments));
  escalation::v1::RenderPackResponse response;
  if (auto failure = session.client.Call(&Meetings::RenderPack, request, &response, kReportTimeout);
      failure) {
    return console.Fail(*failure);
  }
  return Deliver(session, console.json() ? StrCat(ToJson(response), "\n") : response.text(), /*csv=*/false);
}

int RuleItem(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::RuleDocketItemRequest request;
  *request.mutable_header() = MakeHeader(session);
  request.mutable_header()->clear_order_id();
  request.set_item_id(arguments.operand);
  type::v1::Ruling& ruling = *request.mutable_ruling();
  ruling.set_to_hotline(arguments.Text("to"));
  ruling.set_unit(arguments.Text("unit"));
  ruling.set_ground(arguments.Text("ground"));
  ruling.set_reference(arguments.Text("reference"));
  ruling.set_ruled_by(arguments.Text("ruled-by"));
  escalation::v1::RuleDocketItemResponse response;
  if (auto failure = session.client.Call(&Meetings::RuleDocketItem, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.OutLine(Say(console.language(), say::kChanged, response.order().number(),
                        EnumLabel(console.language(), response.order().state()),
                        response.order().custody().holder(), response.order().version(),
                        response.event_sequence()));
  }
  return kExitOk;
}

int Proposal(Session& session) {
  escalation::v1::ExportProposalRequest request;
  request.set_item_id(session.arguments.operand);
  escalation::v1::ExportProposalResponse response;
  if (auto failure = session.client.Call(&Meetings::ExportProposal, request, &response); failure) {
    return session.console.Fail(*failure);
  }
  return Deliver(session, session.console.json() ? StrCat(ToJson(response), "\n") : response.yaml(),
                 /*csv=*/false);
}

}  // namespace

int Report(Session& session) {
  switch (session.arguments.command->id) {
    case CommandId::kScorecard:
      return GetScorecard(session);
    case CommandId::kLamps:
      return Lamps(session);
    case CommandId::kOverdue:
      return Deadlines(session, &Reports::ListOverdue, escalation::v1::ListOverdueRequest());
    case CommandId::kDueSoon:
      return DueSoon(session);
    case CommandId::kDocument:
      return Document(session);
    default:
      break;
  }
  const std::string& action = session.arguments.action;
  if (action == "docket") return Docket(session);
  if (action == "pack") return Pack(session);
  if (action == "rule") return RuleItem(session);
  return Proposal(session);
}

}  // namespace hotline::hotlinectl
