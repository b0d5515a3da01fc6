// The commands that move an order: one method each, all answered alike.
#include <utility>

#include "absl/strings/str_split.h"
#include "common/base/id.h"
#include "common/base/text.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

using workorder::v1::WorkOrderService;

// Sends `request` with the session's header and prints the order after the change.
template <typename Interface, typename Request, typename Response>
int Send(Session& session, grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&, Response*),
         Request request) {
  *request.mutable_header() = MakeHeader(session);
  Response response;
  if (auto failure = session.client.Call(method, request, &response); failure)
    return session.console.Fail(*failure);
  Console& console = session.console;
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    const auto& order = response.order();
    console.OutLine(Say(console.language(), say::kChanged, order.number(),
                        EnumLabel(console.language(), order.state()), order.custody().holder(),
                        order.version(), response.event_sequence()));
    std::string waiting;
    const bool closed = order.state() == type::v1::ORDER_STATE_CLOSED;
    for (const auto& merged : order.merged_orders()) {
      const bool waits = merged.state() == type::v1::ORDER_STATE_IN_PROGRESS ||
                         merged.state() == type::v1::ORDER_STATE_REPLIED;
      if (closed && waits) waiting += StrCat(waiting.empty() ? "" : ", ", merged.number());
    }
    if (!waiting.empty()) {
      console.ErrLine(Say(console.language(), say::kUnanswered, waiting), Colour::kYellow);
    }
    if constexpr (requires { response.open_partner_orders(); }) {
      std::string numbers;
      for (const auto& open : response.open_partner_orders()) {
        numbers += StrCat(numbers.empty() ? "" : ", ", open.number());
      }
      if (!numbers.empty()) {
        console.ErrLine(
            Say(console.language(), say::kOpenPartners, response.open_partner_orders_size(), numbers),
            Colour::kYellow);
      }
    }
  }
  return kExitOk;
}

void SetTime(const Session& session, std::string_view flag, google::protobuf::Timestamp* time) {
  if (const auto value = session.arguments.Time(flag, session.now)) *time = ToTimestamp(*value);
}

type::v1::Reply MakeReply(const Session& session) {
  const Arguments& arguments = session.arguments;
  type::v1::Reply reply;
  reply.set_disposition(arguments.Word<type::v1::Disposition>("disposition"));
  reply.set_public_reply(arguments.Text("reply"));
  reply.set_internal_reply(arguments.Text("internal"));
  reply.set_substantiated(arguments.Has("substantiated"));
  reply.set_beyond_duty(arguments.Has("beyond-duty"));
  reply.set_caller_contacted(arguments.Has("contacted") || arguments.Has("contact-time"));
  if (arguments.Has("contact-time")) SetTime(session, "contact-time", reply.mutable_contact_time());
  reply.set_unresolved_reason(arguments.Text("unresolved-reason"));
  reply.set_unit(arguments.Text("unit"));
  return reply;
}

type::v1::HandoffReturn MakeReturn(const Arguments& arguments) {
  type::v1::HandoffReturn returned;
  returned.set_ground(arguments.Word<type::v1::ReturnGround>("ground"));
  returned.set_reason(arguments.Text("reason"));
  returned.set_legal_basis(arguments.Text("basis"));
  returned.set_proposed_unit(arguments.Text("proposed-unit"));
  returned.set_proposed_item(arguments.Text("proposed-item"));
  returned.set_proposed_hotline(arguments.Text("proposed-hotline"));
  return returned;
}

void AddUnits(const Arguments& arguments, const char* flag,
              google::protobuf::RepeatedPtrField<std::string>* units) {
  for (const std::string& list : arguments.All(flag)) {
    for (absl::string_view unit : absl::StrSplit(list, ',', absl::SkipWhitespace())) {
      *units->Add() = std::string(Trim(ToStd(unit)));
    }
  }
}

type::v1::UnitDispatch MakeUnitDispatch(const Arguments& arguments, const char* lead = "unit") {
  type::v1::UnitDispatch units;
  units.set_lead_unit(arguments.Text(lead));
  AddUnits(arguments, "assist", units.mutable_assist_units());
  units.set_note(arguments.Text("note"));
  return units;
}

// Flags that do not go together.
int Misused(Session& session, const Phrase& phrase) { return session.console.Fail(Misuse(phrase)); }

// What the return would come to, without making it.
int PreviewReturn(Session& session) {
  const Arguments& arguments = session.arguments;
  Console& console = session.console;
  workorder::v1::PreviewReturnRequest request;
  request.set_order_id(arguments.operand);
  request.set_unit(ActorOf(arguments).unit());
  request.set_proposed_hotline(arguments.Text("proposed-hotline"));
  request.set_proposed_unit(arguments.Text("proposed-unit"));
  request.set_ground(arguments.Word<type::v1::ReturnGround>("ground"));
  workorder::v1::PreviewReturnResponse response;
  if (auto failure = session.client.Call(&WorkOrderService::StubInterface::PreviewReturn, request, &response);
      failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.Out(PreviewSheet(console.language(), response, console.style()));
  }
  return response.allowed() ? kExitOk : kExitConflict;
}

}  // namespace

type::v1::CommandHeader MakeHeader(const Session& session) {
  const Arguments& arguments = session.arguments;
  type::v1::CommandHeader header;
  header.set_request_id(arguments.Has("request-id") ? arguments.Text("request-id")
                                                    : NewRequestId(session.now));
  header.set_order_id(arguments.operand);
  header.set_expected_version(arguments.Integer("version", 0));
  *header.mutable_actor() = ActorOf(arguments);
  return header;
}

int Change(Session& session) {
  using Dispatch = DispatchService::StubInterface;
  using Orders = WorkOrderService::StubInterface;
  const Arguments& arguments = session.arguments;
  switch (arguments.command->id) {
    // Passing an order between hotlines is dispatch's; the rest is the system of record's, which takes it for
    // orders of this site and for those that a peer handed over alike.
    case CommandId::kReturn: {
      if (arguments.Has("dry-run")) return PreviewReturn(session);
      dispatch::v1::ReturnHandoffRequest request;
      *request.mutable_handoff_return() = MakeReturn(arguments);
      return Send(session, &Dispatch::ReturnHandoff, std::move(request));
    }
    case CommandId::kRecall: {
      dispatch::v1::RecallHandoffRequest request;
      request.mutable_recall()->set_reason(arguments.Text("reason"));
      return Send(session, &Dispatch::RecallHandoff, std::move(request));
    }
    case CommandId::kConfirm: {
      dispatch::v1::ConfirmHandoffByVoiceRequest request;
      auto& spoken = *request.mutable_confirm_by_voice();
      spoken.set_code(arguments.Text("code"));
      spoken.set_outcome(arguments.Word<type::v1::VoiceOutcome>("outcome"));
      spoken.set_spoken_with(arguments.Text("spoken-with"));
      spoken.set_note(arguments.Text("note"));
      return Send(session, &Dispatch::ConfirmHandoffByVoice, std::move(request));
    }
    case CommandId::kArrival: {
      dispatch::v1::RecordSceneArrivalRequest request;
      auto& arrival = *request.mutable_scene_arrival();
      arrival.set_outcome(arguments.Word<type::v1::SceneOutcome>("outcome"));
      arrival.set_unit(arguments.Text("unit"));
      if (arguments.Has("time")) SetTime(session, "time", arrival.mutable_arrive_time());
      arrival.set_note(arguments.Text("note"));
      return Send(session, &Dispatch::RecordSceneArrival, std::move(request));
    }
    case CommandId::kDispute: {
      dispatch::v1::DisputeHandoffRequest request;
      request.mutable_dispute()->set_reason(arguments.Text("reason"));
      return Send(session, &Dispatch::DisputeHandoff, std::move(request));
    }
    case CommandId::kRule: {
      workorder::v1::RuleOnWorkOrderRequest request;
      auto& ruling = *request.mutable_ruling();
      ruling.set_to_hotline(arguments.Text("to"));
      ruling.set_unit(arguments.Text("unit"));
      ruling.set_ground(arguments.Text("ground"));
      ruling.set_reference(arguments.Text("reference"));
      ruling.set_ruled_by(arguments.Text("ruled-by"));
      return Send(session, &Orders::RuleOnWorkOrder, std::move(request));
    }
    case CommandId::kReopen: {
      workorder::v1::ReopenWorkOrderRequest request;
      request.mutable_reopening()->set_reason(arguments.Text("reason"));
      return Send(session, &Orders::ReopenWorkOrder, std::move(request));
    }
    case CommandId::kAccept: {
      workorder::v1::AcceptWorkOrderRequest request;
      request.mutable_acceptance()->set_danger_first(arguments.Has("danger-first"));
      request.mutable_acceptance()->set_note(arguments.Text("note"));
      return Send(session, &Orders::AcceptWorkOrder, std::move(request));
    }
    case CommandId::kDispatch: {
      workorder::v1::DispatchWorkOrderRequest request;
      *request.mutable_unit_dispatch() = MakeUnitDispatch(arguments);
      return Send(session, &Orders::DispatchWorkOrder, std::move(request));
    }
    case CommandId::kSign: {
      workorder::v1::SignWorkOrderRequest request;
      request.mutable_signature()->set_unit(arguments.Text("unit"));
      return Send(session, &Orders::SignWorkOrder, std::move(request));
    }
    case CommandId::kProgress: {
      workorder::v1::ReportProgressRequest request;
      request.mutable_progress()->set_note(arguments.Text("note"));
      request.mutable_progress()->set_unit(arguments.Text("unit"));
      request.mutable_progress()->set_part_done(arguments.Has("part-done"));
      return Send(session, &Orders::ReportProgress, std::move(request));
    }
    case CommandId::kFinish: {
      workorder::v1::FinishWorkOrderRequest request;
      *request.mutable_completion()->mutable_reply() = MakeReply(session);
      return Send(session, &Orders::FinishWorkOrder, std::move(request));
    }
    case CommandId::kCallback: {
      workorder::v1::RecordCallBackRequest request;
      auto& call_back = *request.mutable_call_back_record()->mutable_call_back();
      call_back.set_reached(arguments.Has("reached"));
      call_back.set_settled(arguments.Has("settled"));
      // Beyond int32 is beyond 1 to 5 all the same; the service says so.
      call_back.set_satisfaction(
          static_cast<int32_t>(std::min<int64_t>(arguments.Integer("satisfaction", 0), 1'000)));
      call_back.set_note(arguments.Text("note"));
      return Send(session, &Orders::RecordCallBack, std::move(request));
    }
    case CommandId::kRedo: {
      workorder::v1::RedoWorkOrderRequest request;
      request.mutable_redo_demand()->set_reason(arguments.Text("reason"));
      return Send(session, &Orders::RedoWorkOrder, std::move(request));
    }
    case CommandId::kClose: {
      workorder::v1::CloseWorkOrderRequest request;
      request.mutable_closure()->set_note(arguments.Text("note"));
      request.mutable_closure()->set_confirm_unanswered(arguments.Has("confirm-unanswered"));
      return Send(session, &Orders::CloseWorkOrder, std::move(request));
    }
    case CommandId::kMerge: {
      workorder::v1::MergeWorkOrderRequest request;
      request.mutable_merger()->set_into_order_id(arguments.Text("into"));
      request.mutable_merger()->set_reason(arguments.Text("reason"));
      return Send(session, &Orders::MergeWorkOrder, std::move(request));
    }
    case CommandId::kUnmerge: {
      workorder::v1::SeparateWorkOrderRequest request;
      request.mutable_separation()->set_reason(arguments.Text("reason"));
      return Send(session, &Orders::SeparateWorkOrder, std::move(request));
    }
    case CommandId::kCancel: {
      workorder::v1::CancelWorkOrderRequest request;
      request.mutable_cancellation()->set_reason(arguments.Text("reason"));
      return Send(session, &Orders::CancelWorkOrder, std::move(request));
    }
    case CommandId::kSuspend: {
      workorder::v1::SuspendWorkOrderRequest request;
      auto& suspension = *request.mutable_suspension();
      suspension.set_reason(arguments.Text("reason"));
      SetTime(session, "review", suspension.mutable_review_time());
      suspension.set_approved_by(arguments.Text("approved-by"));
      return Send(session, &Orders::SuspendWorkOrder, std::move(request));
    }
    case CommandId::kResume: {
      workorder::v1::ResumeWorkOrderRequest request;
      request.mutable_resumption()->set_note(arguments.Text("note"));
      return Send(session, &Orders::ResumeWorkOrder, std::move(request));
    }
    case CommandId::kExtend: {
      workorder::v1::ExtendWorkOrderRequest request;
      auto& extension = *request.mutable_extension();
      SetTime(session, "until", extension.mutable_until_time());
      extension.set_ground(arguments.Text("ground"));
      extension.set_approved_by(arguments.Text("approved-by"));
      return Send(session, &Orders::ExtendWorkOrder, std::move(request));
    }
    case CommandId::kArchive: {
      workorder::v1::ArchiveWorkOrderRequest request;
      request.mutable_archival()->set_note(arguments.Text("note"));
      return Send(session, &Orders::ArchiveWorkOrder, std::move(request));
    }
    case CommandId::kContact: {
      workorder::v1::RecordContactRequest request;
      auto& contact = *request.mutable_caller_contact();
      contact.set_reached(arguments.Has("reached"));
      if (arguments.Has("time")) SetTime(session, "time", contact.mutable_contact_time());
      contact.set_unit(arguments.Text("unit"));
      contact.set_note(arguments.Text("note"));
      return Send(session, &Orders::RecordContact, std::move(request));
    }
    case CommandId::kAskExtension: {
      workorder::v1::RequestExtensionRequest request;
      auto& wanted = *request.mutable_extension_request();
      if (arguments.Has("working-days") + arguments.Has("working-hours") + arguments.Has("until") != 1) {
        return Misused(session, say::kOneLength);
      }
      if (arguments.Has("working-days")) {
        wanted.mutable_length()->set_kind(type::v1::TIME_KIND_WORKING_DAYS);
        wanted.mutable_length()->set_value(arguments.Integer("working-days", 0));
      } else if (arguments.Has("working-hours")) {
        wanted.mutable_length()->set_kind(type::v1::TIME_KIND_WORKING_HOURS);
        // Beyond a year the service says so; here it only must not overflow.
        wanted.mutable_length()->set_value(
            3600 * std::clamp<int64_t>(arguments.Integer("working-hours", 0), -1, 1'000'000));
      } else {
        SetTime(session, "until", wanted.mutable_until_time());
      }
      wanted.set_ground(arguments.Text("ground"));
      return Send(session, &Orders::RequestExtension, std::move(request));
    }
    case CommandId::kDecideExtension: {
      workorder::v1::DecideExtensionRequest request;
      auto& decision = *request.mutable_extension_decision();
      if (arguments.Has("approve") == arguments.Has("refuse")) return Misused(session, say::kApproveOrRefuse);
      decision.set_approved(arguments.Has("approve"));
      if (arguments.Has("until")) SetTime(session, "until", decision.mutable_until_time());
      decision.set_caller_told(arguments.Has("caller-told"));
      decision.set_note(arguments.Text("note"));
      return Send(session, &Orders::DecideExtension, std::move(request));
    }
    case CommandId::kUnitReturn: {
      workorder::v1::ReturnFromUnitRequest request;
      auto& returned = *request.mutable_unit_return();
      returned.set_unit(arguments.Text("unit"));
      returned.set_ground(arguments.Word<type::v1::ReturnGround>("ground"));
      returned.set_reason(arguments.Text("reason"));
      returned.set_legal_basis(arguments.Text("basis"));
      returned.set_proposed_unit(arguments.Text("proposed-unit"));
      return Send(session, &Orders::ReturnFromUnit, std::move(request));
    }
    case CommandId::kReassign: {
      workorder::v1::ReassignWorkOrderRequest request;
      auto& reassignment = *request.mutable_unit_reassignment();
      *reassignment.mutable_dispatch() = MakeUnitDispatch(arguments);
      reassignment.set_reason(arguments.Text("reason"));
      return Send(session, &Orders::ReassignWorkOrder, std::move(request));
    }
    case CommandId::kAccuse: {
      workorder::v1::AccuseUnitsRequest request;
      auto& accusation = *request.mutable_accusation();
      AddUnits(arguments, "unit", accusation.mutable_units());
      accusation.set_reason(arguments.Text("reason"));
      if (arguments.Has("to")) {
        *accusation.mutable_dispatch() = MakeUnitDispatch(arguments, "to");
      } else if (arguments.Has("assist") || arguments.Has("note")) {
        return Misused(session, say::kAssistNeedsTo);
      }
      return Send(session, &Orders::AccuseUnits, std::move(request));
    }
    case CommandId::kAcknowledge: {
      workorder::v1::AcknowledgeRungRequest request;
      auto& acknowledgement = *request.mutable_rung_acknowledgement();
      acknowledgement.set_clock(arguments.Word<type::v1::ClockKind>("clock"));
      acknowledgement.set_rung(arguments.Word<type::v1::Rung>("rung"));
      SetTime(session, "until", acknowledgement.mutable_until_time());
      acknowledgement.set_note(arguments.Text("note"));
      return Send(session, &Orders::AcknowledgeRung, std::move(request));
    }
    default:
      return kExitUsage;
  }
}

}  // namespace hotline::hotlinectl
