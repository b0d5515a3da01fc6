// The papers of the joint meeting: figures added up from orders' histories, and their text. Pure.
#ifndef SERVICES_ESCALATION_REPORT_CORE_PACK_H_
#define SERVICES_ESCALATION_REPORT_CORE_PACK_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "hotline/escalation/v1/meeting_service.pb.h"
#include "services/escalation/report/core/history.h"
#include "services/escalation/report/core/names.h"
#include "services/escalation/report/core/page.h"
#include "services/escalation/report/core/period.h"

namespace hotline::escalation::report {

// A matter is counted once as registered, by item, spot and caller: not with what it is pushed, called to and
// given back by. It is where its first order was registered, so that periods add up. Memory grows with the
// number of callers and of disputes in the period.
class PackBuilder {
 public:
  PackBuilder(Period period, absl::Time knowledge);

  // `history` was finished at the knowledge instant. Its disputes are counted; `list_disputes`: and listed.
  void Add(const History& history, bool list_disputes = true);
  v1::PackFigures Figures() const;
  // Items opened or settled in the period, the earliest first.
  std::vector<v1::DocketItem> Disputes() const;

 private:
  struct Caller {
    int64_t count = 0;
    std::map<std::string, int64_t> items;
  };

  const Period period_;
  const absl::Time knowledge_;
  v1::PackFigures figures_;
  std::map<std::string, int64_t> missed_;
  std::map<std::string, int64_t> still_open_;
  std::map<std::string, int64_t> items_;
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> spots_;  // item, township, week
  std::map<std::string, Caller> callers_;                                       // by hash
  std::map<int64_t, v1::DocketItem> disputes_;                                  // by sequence
};

// `scorecard` is of the same period.
Page PackPage(const v1::PackFigures& figures, const std::vector<v1::DocketItem>& disputes,
              const v1::GetScorecardResponse& scorecard, const std::string& period_name, const Names& names);

// What the ruling on `item` would change in the catalogue (YAML). `item` is ruled.
std::string ProposalYaml(const v1::DocketItem& item, const Names& names);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_PACK_H_
