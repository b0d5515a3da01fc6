// The two documents of the last rungs of the ladder (规定 四): drafts in Chinese, from the facts of the log,
// for a person to check and sign. Pure.
#ifndef SERVICES_ESCALATION_REPORT_CORE_DOCUMENT_H_
#define SERVICES_ESCALATION_REPORT_CORE_DOCUMENT_H_

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "hotline/escalation/v1/report_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "services/escalation/report/core/history.h"
#include "services/escalation/report/core/names.h"
#include "services/escalation/report/core/page.h"

namespace hotline::escalation::report {

// `history` is finished at `now`; `events` are its order's. Nothing if no duty of the order was missed by
// then.
std::optional<Page> DocumentPage(v1::DocumentKind kind, const History& history,
                                 const std::vector<type::v1::Event>& events, absl::Time now,
                                 const Names& names);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_DOCUMENT_H_
