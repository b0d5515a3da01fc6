// Scorecards, lamps and the docket as people read them and as spreadsheets do. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_REPORT_VIEW_H_
#define SERVICES_HOTLINECTL_CORE_REPORT_VIEW_H_

#include <string>

#include "hotline/escalation/v1/meeting_service.pb.h"
#include "hotline/escalation/v1/report_service.pb.h"
#include "services/hotlinectl/core/table.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

// A row for each party, and the total last.
Table ScorecardTable(Language language, const escalation::v1::GetScorecardResponse& response);
// The same with each figure as its numerator, its denominator and its value; times in minutes.
std::string ScorecardCsv(Language language, const escalation::v1::GetScorecardResponse& response);

Table LampTable(Language language, const escalation::v1::ListLampsResponse& response);
std::string LampCsv(Language language, const escalation::v1::ListLampsResponse& response);

// The heading of the list of deadlines, and one of them.
std::string DeadlineCsvHead(Language language);
std::string DeadlineCsv(Language language, const escalation::v1::Deadline& deadline);

Table DocketTable(Language language);
void AddDocketItem(Language language, const escalation::v1::DocketItem& item, Table& table);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_REPORT_VIEW_H_
