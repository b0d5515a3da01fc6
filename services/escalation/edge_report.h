// The gRPC face of the reports and the joint meeting, and what their process keeps: a loop and a store of
// their own beside the clocks.
#ifndef SERVICES_ESCALATION_EDGE_REPORT_H_
#define SERVICES_ESCALATION_EDGE_REPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/boot/boot.h"
#include "common/contract/ledger.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/directory/core/directory.h"
#include "services/escalation/discretion.h"

namespace hotline::sql {
class Database;
}

namespace hotline::escalation {

// The directory as it stands, from any thread.
using DirectoryNow = std::function<std::shared_ptr<const directory::Directory>()>;

// The reports' part of the escalation process. `database` is report.db.
class ReportPart {
 public:
  virtual ~ReportPart() = default;
  // What is passed outlives what is returned, and `people` is asked when a call comes; `ledger` is cancelled
  // before that is destroyed.
  static absl::StatusOr<std::unique_ptr<ReportPart>> Create(boot::Environment& environment, Ledger* ledger,
                                                            DeadlinesNow deadlines, DirectoryNow people,
                                                            const Discretion* discretion,
                                                            std::unique_ptr<sql::Database> database);
  virtual std::vector<boot::Endpoint> endpoints() = 0;
  // Whether it is a unit or a hotline by the site's lists; any code is where there is no list of units.
  // Thread-safe.
  virtual bool IsParty(const std::string& code) const = 0;
  virtual void Start() = 0;
  virtual void Drain() = 0;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_REPORT_H_
