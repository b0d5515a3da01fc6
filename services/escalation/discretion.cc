#include "services/escalation/discretion.h"

#include "absl/strings/str_cat.h"
#include "common/base/id.h"
#include "common/base/request_id.h"
#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::escalation {

void Discretion::Record(const CallContext& call, std::set<std::string> order_ids,
                        type::v1::DisclosureKind kind, absl::AnyInvocable<void(absl::Status)> then) const {
  const std::string role(Clearance::RoleOf(call));
  workorder::v1::ExecuteRequest request;
  request.set_together(true);
  for (const std::string& order_id : order_ids) {
    type::v1::Command& command = *request.add_commands();
    type::v1::CommandHeader& header = *command.mutable_header();
    header.set_request_id(absl::StrCat(ToAbsl(kDisclosureIds), NewRequestId(call.now)));
    header.set_order_id(order_id);
    header.mutable_actor()->set_account(call.account.empty() ? absl::StrCat("role/", role) : call.account);
    command.mutable_disclosure()->set_kind(kind);
    command.mutable_disclosure()->set_role(role);
    command.set_traceparent(call.traceparent);
  }
  ledger_->Execute(call, std::move(request),
                   [then = std::move(then)](absl::StatusOr<workorder::v1::ExecuteResponse> response) mutable {
                     if (!response.ok()) return then(response.status());
                     for (const workorder::v1::CommandResult& result : response->results()) {
                       if (result.has_error()) return then(error::FromProto(result.error()));
                     }
                     then(absl::OkStatus());
                   });
}

}  // namespace hotline::escalation
