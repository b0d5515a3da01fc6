// The record, in a site's log, of whom a restricted order (限制知悉), or who a secret caller is, was shown
// to. It is committed before anything is shown.
#ifndef COMMON_CONTRACT_DISCLOSURE_H_
#define COMMON_CONTRACT_DISCLOSURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/id.h"
#include "common/base/request_id.h"
#include "common/base/text.h"
#include "common/contract/call.h"
#include "common/contract/clearance.h"
#include "common/error/error.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/workorder/v1/ledger_service.pb.h"

namespace hotline {

// What is about to be shown of an order.
struct Shown {
  std::string order_id;
  type::v1::DisclosureKind kind = type::v1::DISCLOSURE_KIND_UNSPECIFIED;
};

// Records that `call` is shown all of `shown`, in one commit.
inline workorder::v1::ExecuteRequest RecordOf(const CallContext& call, std::vector<Shown> shown) {
  const std::string role(Clearance::RoleOf(call));
  workorder::v1::ExecuteRequest request;
  request.set_together(true);
  for (Shown& one : shown) {
    type::v1::Command& command = *request.add_commands();
    type::v1::CommandHeader& header = *command.mutable_header();
    header.set_request_id(StrCat(kDisclosureIds, NewRequestId(call.now)));
    header.set_order_id(std::move(one.order_id));
    header.mutable_actor()->set_account(call.account.empty() ? StrCat("role/", role) : call.account);
    command.mutable_disclosure()->set_kind(one.kind);
    command.mutable_disclosure()->set_role(role);
    command.set_traceparent(call.traceparent);
  }
  return request;
}

// Whether the answer to that says that it is recorded; then it may be shown.
inline absl::Status IsRecorded(const absl::StatusOr<workorder::v1::ExecuteResponse>& response) {
  if (!response.ok()) return response.status();
  for (const workorder::v1::CommandResult& result : response->results()) {
    if (result.has_error()) return error::FromProto(result.error());
  }
  return absl::OkStatus();
}

}  // namespace hotline

#endif  // COMMON_CONTRACT_DISCLOSURE_H_
