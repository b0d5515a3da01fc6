// A Command on an order in some state. First byte: which order (0: a new one at 12345). Second byte: 1
// replaces the header by a good one, so that what lies behind it is reached; 3 by one of the escalation
// service. The rest: bytes of the Command.
#include <cstddef>
#include <cstdint>

#include "common/error/error.h"
#include "tests/fuzz/world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline;
  if (size < 2) return 0;
  type::v1::Command command;
  if (!command.ParseFromArray(data + 2, static_cast<int>(size - 2))) return 0;
  const std::vector<fuzz::Snapshot>& snapshots = fuzz::Snapshots();
  const size_t index = data[0] % (snapshots.size() + 1);
  const type::v1::WorkOrder* before = index == 0 ? nullptr : &snapshots[index - 1].order;
  const work_order::Site& site = index == 0 ? fuzz::SiteOf("12345") : *snapshots[index - 1].site;
  if (data[1] & 1) {
    *command.mutable_header() = fuzz::GoodHeader();
    if (before != nullptr) command.mutable_header()->set_order_id(before->id());
    if (data[1] & 2) command.mutable_header()->mutable_actor()->set_account("service/escalation");
  }
  const auto change = work_order::Decide(before, command, fuzz::FreshOrder(), site, fuzz::Now());
  if (!change.ok()) {
    const error::Reason reason = error::ReasonOf(change.status());
    fuzz::Law(reason != type::v1::ERROR_REASON_UNSPECIFIED && reason != type::v1::ERROR_REASON_INTERNAL,
              "an error without a reason: " + change.status().ToString());
    return 0;
  }
  fuzz::CheckChange(before, *change, site);
  const auto again = work_order::Decide(before, command, fuzz::FreshOrder(), site, fuzz::Now());
  fuzz::Law(again.ok() && again->after.SerializeAsString() == change->after.SerializeAsString(),
            "decided twice, it comes out differently");
  return 0;
}
