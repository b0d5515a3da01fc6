// Deadlines for whoever has to justify or change them: explain, ledger, policy, calendar.
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/derivation/verify.h"
#include "common/error/error.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/input.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

using Escalations = EscalationService::StubInterface;

// The file's text, at most what a site takes; nothing if it cannot be read, which is told.
std::optional<std::string> ReadRulesFile(Session& session, const std::string& path) {
  std::string text;
  std::optional<Failure> failure = ReadInput(path, size_t{1} << 20, &text);
  // Nothing in it would be sent as no file at all.
  if (!failure && text.empty()) failure = Misuse(say::kCannotRead, path);
  if (!failure) return text;
  session.console.Fail(*failure);
  return std::nullopt;
}

// `request` holds what is to be changed. `publish_with`: how to publish it.
int Preview(Session& session, escalation::v1::PreviewRulesRequest request, const Phrase& publish_with) {
  Console& console = session.console;
  request.set_list_limit(session.arguments.PageLimit(20));
  escalation::v1::PreviewRulesResponse response;
  if (auto failure = session.client.Call(&Escalations::PreviewRules, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  const Language language = console.language();
  console.Out(MovesTable(language, response).Render(console.style()));
  console.OutLine(language == Language::kChinese ? response.summary_zh() : response.summary());
  console.OutLine(Say(language, say::kPreviewClocks, response.clock_count(), response.later_count(),
                      response.earlier_count()));
  if (response.settled_count() > 0) {
    console.OutLine(Say(language, say::kSettledClocks, response.settled_count()));
  }
  for (const std::string& document : response.added_documents()) {
    console.OutLine(Say(language, say::kAddedDocument, document));
  }
  for (const std::string& document : response.dropped_documents()) {
    console.OutLine(Say(language, say::kDroppedDocument, document));
  }
  if (response.unchanged()) {
    console.OutLine(Say(language, say::kRulesUnchanged));
  } else {
    console.OutLine(Say(language, publish_with, response.publication(), response.digest()));
  }
  return kExitOk;
}

int Publish(Session& session, escalation::v1::PublishRulesRequest request) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  request.set_digest(arguments.Text("digest"));
  request.set_note(arguments.Text("note"));
  *request.mutable_actor() = ActorOf(arguments);
  escalation::v1::PublishRulesResponse response;
  if (auto failure = session.client.Call(&Escalations::PublishRules, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.OutLine(Say(console.language(), say::kPublished, response.publication()));
  }
  return kExitOk;
}

// The notice that the flags tell of.
escalation::v1::CalendarNotice NoticeOf(const Session& session) {
  const Arguments& arguments = session.arguments;
  const auto date = [&](std::string_view flag) {
    const std::optional<absl::Time> time = arguments.Time(flag, session.now);
    return time.has_value() ? absl::FormatTime("%Y-%m-%d", *time, Beijing()) : "";
  };
  escalation::v1::CalendarNotice notice;
  notice.set_document(arguments.Text("document"));
  notice.set_title(arguments.Text("title"));
  notice.set_issue_date(date("issued"));
  notice.set_layer(arguments.Text("layer"));
  notice.set_first_date(date("from"));
  notice.set_last_date(date("until"));
  notice.set_only_its_days(arguments.Has("only-its-days"));
  notice.set_version(arguments.Text("version"));
  return notice;
}

// Puts the files and the notice into a request. False if a file cannot be read, which is told.
template <typename Request>
bool PutCalendarChange(Session& session, Request* request) {
  for (const std::string& path : session.arguments.files) {
    std::optional<std::string> text = ReadRulesFile(session, path);
    if (!text.has_value()) return false;
    escalation::v1::CalendarFile& one = *request->add_calendar_files();
    one.set_name(path.substr(path.find_last_of('/') + 1));
    one.set_content(*std::move(text));
  }
  *request->mutable_calendar_notice() = NoticeOf(session);
  return true;
}

int ListCalendars(Session& session) {
  Console& console = session.console;
  escalation::v1::ListCalendarsResponse response;
  if (auto failure =
          session.client.Call(&Escalations::ListCalendars, escalation::v1::ListCalendarsRequest(), &response);
      failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else if (response.calendars().empty()) {
    console.OutLine(Say(console.language(), say::kNoCalendars));
  } else {
    console.Out(CalendarTable(console.language(), response).Render(console.style()));
  }
  return kExitOk;
}

int ListPublications(Session& session) {
  Console& console = session.console;
  escalation::v1::ListPublicationsResponse response;
  if (auto failure = session.client.Call(&Escalations::ListPublications,
                                         escalation::v1::ListPublicationsRequest(), &response);
      failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  console.Out(PublicationTable(console.language(), response).Render(console.style()));
  console.OutLine(Say(console.language(), response.settled() ? say::kRulesSettled : say::kRulesMoving,
                      response.moved_count()));
  return kExitOk;
}

}  // namespace

int ExplainDeadline(Session& session) {
  Console& console = session.console;
  escalation::v1::ExplainDeadlineRequest request;
  request.set_order_id(session.arguments.operand);
  request.set_clock(session.arguments.Word<type::v1::ClockKind>("clock"));
  request.set_assist_unit(session.arguments.Text("assist"));
  escalation::v1::ExplainDeadlineResponse response;
  if (auto failure = session.client.Call(&Escalations::ExplainDeadline, request, &response); failure) {
    return console.Fail(*failure);
  }
  // Whoever doubts the service need not take its word: this is another program.
  const absl::Status follows = derivation::VerifyClockDerivation(response.derivation());
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    // The prose is what an office puts on paper, so it is Chinese in any language; the table is for all.
    console.Out(response.text_zh());
    console.Out(DerivationTable(console.language(), response.derivation()).Render(console.style()));
  }
  if (!follows.ok()) {
    console.ErrLine(Say(console.language(), say::kDoesNotFollow, error::FieldOf(follows)));
    return kExitVerifyFailed;
  }
  if (!console.json()) console.OutLine(Say(console.language(), say::kFollows));
  return kExitOk;
}

int ShowTimeLedger(Session& session) {
  Console& console = session.console;
  escalation::v1::GetTimeLedgerRequest request;
  request.set_order_id(session.arguments.operand);
  if (const auto until = session.arguments.Time("until", session.now)) {
    *request.mutable_until_time() = ToTimestamp(*until);
  }
  escalation::v1::GetTimeLedgerResponse response;
  if (auto failure = session.client.Call(&Escalations::GetTimeLedger, request, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  const Language language = console.language();
  console.Out(StretchTable(language, response.ledger()).Render(console.style()));
  console.Out(SumTable(language, response.ledger()).Render(console.style()));
  return kExitOk;
}

int Policy(Session& session) {
  const Arguments& arguments = session.arguments;
  if (arguments.action == "list") return ListPublications(session);
  std::string policy;
  if (arguments.Has("file")) {
    std::optional<std::string> text = ReadRulesFile(session, arguments.Text("file"));
    if (!text.has_value()) return kExitUsage;
    policy = *std::move(text);
  }
  if (arguments.action == "publish") {
    escalation::v1::PublishRulesRequest request;
    request.set_policy_yaml(policy);
    return Publish(session, std::move(request));
  }
  escalation::v1::PreviewRulesRequest request;
  request.set_policy_yaml(policy);
  return Preview(session, std::move(request), say::kPublishWith);
}

int CalendarCommand(Session& session) {
  if (session.arguments.action == "list") return ListCalendars(session);
  if (session.arguments.action == "publish") {
    escalation::v1::PublishRulesRequest request;
    if (!PutCalendarChange(session, &request)) return kExitUsage;
    return Publish(session, std::move(request));
  }
  escalation::v1::PreviewRulesRequest request;
  if (!PutCalendarChange(session, &request)) return kExitUsage;
  return Preview(session, std::move(request), say::kPublishCalendarWith);
}

}  // namespace hotline::hotlinectl
