// partners push and partners list: the orders of those who were called to one incident.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

int PushAll(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  const Language language = console.language();
  dispatch::v1::PushToPartnersRequest request;
  *request.mutable_header() = MakeHeader(session);
  auto& call = *request.mutable_partner_call();
  for (const std::string& list : arguments.All("to")) {
    for (absl::string_view hotline : absl::StrSplit(list, ',', absl::SkipWhitespace())) {
      call.add_to_hotlines(std::string(Trim(ToStd(hotline))));
    }
  }
  call.set_kind(arguments.Word<type::v1::HandoffKind>("kind"));
  call.set_note(arguments.Text("note"));
  absl::Duration wait;
  if (arguments.Has("wait")) {
    wait = ParseDuration(arguments.Text("wait")).value_or(absl::ZeroDuration());
    const int64_t nanos = absl::ToInt64Nanoseconds(wait);
    request.mutable_receipt_wait()->set_seconds(nanos / 1'000'000'000);
    request.mutable_receipt_wait()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  }
  dispatch::v1::PushToPartnersResponse response;
  if (auto failure = session.client.Call(&DispatchService::StubInterface::PushToPartners, request, &response,
                                         std::max(Client::kDefaultTimeout, wait + absl::Seconds(5)));
      failure) {
    failure->telephone_required = IsUnsure(*failure) && MayBeEmergency(session, arguments.operand);
    return console.Fail(*failure);
  }
  const bool emergency = response.order().urgency() == type::v1::URGENCY_EMERGENCY;
  int code = kExitOk;
  bool telephone = false;
  bool unsure = false;
  Table table = PartnerTable(language);
  for (const auto& result : response.results()) {
    std::string error;
    if (result.has_error()) {
      const Failure failure{.status = error::FromProto(result.error())};
      error = Printable(FailureMessage(failure, language), /*keep_lines=*/false);
      if (code == kExitOk) code = ExitCodeOf(failure);
      unsure = unsure || (emergency && IsUnsure(failure));
    }
    telephone = telephone || result.response().telephone_required();
    AddPartner(language, result.hotline(), result.response().order(),
               EnumLabel(language, result.response().status()), error, table);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.OutLine(Say(language, say::kPartnersCalled, response.order().number(),
                        response.order().partner_count(), response.event_sequence()));
    console.Out(table.Render(console.style()));
    if (telephone) console.ErrLine(Say(language, say::kTelephone), Colour::kRed);
    if (unsure) console.ErrLine(Say(language, say::kTelephoneUnsure), Colour::kRed);
  }
  return telephone || unsure ? static_cast<int>(kExitTelephone) : code;
}

int ListAll(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  // The filter wants the id; a person may have given the number.
  workorder::v1::GetWorkOrderRequest get;
  get.set_order_id(session.arguments.operand);
  workorder::v1::GetWorkOrderResponse incident;
  if (auto failure = session.client.Call(&WorkOrderService::StubInterface::GetWorkOrder, get, &incident);
      failure) {
    return console.Fail(*failure);
  }
  workorder::v1::ListWorkOrdersRequest request;
  request.mutable_filter()->set_parent_id(incident.order().id());
  request.set_page_size(500);
  Table table = PartnerTable(language);
  do {
    workorder::v1::ListWorkOrdersResponse response;
    if (auto failure =
            session.client.Call(&WorkOrderService::StubInterface::ListWorkOrders, request, &response);
        failure) {
      return console.Fail(*failure);
    }
    for (const auto& order : response.orders()) {
      if (console.json()) {
        console.OutLine(ToJson(order));
      } else {
        AddPartner(language, order.handoff().to_hotline(), order, FactsText(language, order.facts()), "",
                   table);
      }
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (console.json()) return kExitOk;
  if (table.empty()) {
    console.ErrLine(Say(language, say::kNothing));
  } else {
    console.Out(table.Render(console.style()));
  }
  return kExitOk;
}

}  // namespace

int Partners(Session& session) {
  return session.arguments.action == "push" ? PushAll(session) : ListAll(session);
}

}  // namespace hotline::hotlinectl
