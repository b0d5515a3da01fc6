// Deadlines for whoever has to justify or change them: explain, ledger, policy.
#include <fstream>
#include <iterator>

#include "common/base/text.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

using Escalations = EscalationService::StubInterface;

int Preview(Session& session, const std::string& policy) {
  Console& console = session.console;
  escalation::v1::PreviewRulesRequest request;
  request.set_policy_yaml(policy);
  request.set_list_limit(static_cast<int32_t>(session.arguments.Integer("limit", 20)));
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
  if (response.unchanged()) {
    console.OutLine(Say(language, say::kRulesUnchanged));
  } else {
    console.OutLine(Say(language, say::kPublishWith, response.publication(), response.digest()));
  }
  return kExitOk;
}

int Publish(Session& session, const std::string& policy) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  escalation::v1::PublishRulesRequest request;
  request.set_policy_yaml(policy);
  request.set_digest(arguments.Text("digest"));
  request.set_note(arguments.Text("note"));
  request.mutable_actor()->set_account(arguments.account);
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
  if (console.json()) {
    console.OutLine(ToJson(response));
    return kExitOk;
  }
  // The prose is what an office puts on paper, so it is Chinese in any language; the table is for all.
  console.Out(response.text_zh());
  console.Out(DerivationTable(console.language(), response.derivation()).Render(console.style()));
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
    std::ifstream file(arguments.Text("file"), std::ios::binary);
    policy.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file || policy.empty()) {
      session.console.ErrLine(Say(session.console.language(), say::kCannotRead, arguments.Text("file")));
      return kExitUsage;
    }
  }
  return arguments.action == "publish" ? Publish(session, policy) : Preview(session, policy);
}

}  // namespace hotline::hotlinectl
