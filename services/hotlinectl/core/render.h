// Orders, events and deadlines as people read them, and as JSON for scripts. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_RENDER_H_
#define SERVICES_HOTLINECTL_CORE_RENDER_H_

#include <string>

#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"
#include "services/hotlinectl/core/table.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

// Protobuf JSON on one line. Fields without presence are there even with their default, so that a script need
// not know the defaults.
std::string ToJson(const google::protobuf::Message& message);

// `2026-11-23 14:03:22` in Beijing time; `-` if it is unset.
std::string TimeText(const google::protobuf::Timestamp& time);
// `overdue urged×2`, or empty.
std::string FactsText(Language language, const type::v1::Facts& facts);
// What happened, e.g. `pushed`, and its particulars in one line.
std::string_view EventName(Language language, const type::v1::Event& event);
std::string EventDetail(Language language, const type::v1::Event& event);
// A state with the colour of its standing: done, in hand, needs somebody.
Cell StateCell(Language language, type::v1::OrderState state);

Table OrderTable(Language language);
void AddOrder(Language language, const type::v1::WorkOrder& order, Table& table);

// `numbers`: with the order's number, for events of many orders; `titles`: with a title column.
Table EventTable(Language language, bool numbers, bool titles);
void AddEvent(Language language, const type::v1::Event& event, bool numbers, const std::string* title,
              Table& table);

// `now` is the server's clock, for the time left.
Table DeadlineTable(Language language);
void AddDeadline(Language language, const escalation::v1::Deadline& deadline, absl::Time now, Table& table);

// The calendars that hold; what a publication would move; what was published; a deadline day by day; who used
// an order's time, and the sums.
Table CalendarTable(Language language, const escalation::v1::ListCalendarsResponse& response);
Table MovesTable(Language language, const escalation::v1::PreviewRulesResponse& preview);
Table PublicationTable(Language language, const escalation::v1::ListPublicationsResponse& response);
Table DerivationTable(Language language, const escalation::v1::ClockDerivation& derivation);
Table StretchTable(Language language, const escalation::v1::TimeLedger& ledger);
Table SumTable(Language language, const escalation::v1::TimeLedger& ledger);

// Orders that may be of the same matter.
Table SimilarTable(Language language);
void AddSimilar(Language language, const workorder::v1::SimilarOrder& similar, Table& table);

// Orders of partners: which, where it stands, how far it was delivered (may be empty), what went wrong.
Table PartnerTable(Language language);
void AddPartner(Language language, const std::string& hotline, const type::v1::WorkOrder& order,
                const std::string& delivery, const std::string& error, Table& table);

// What `health` calls a lane of a link: `peer/110`, `peer/110/emergency`.
std::string LinkPart(const dispatch::v1::LinkStatus& link);
Table LinkTable(Language language);
void AddLink(Language language, const dispatch::v1::LinkStatus& link, Table& table);

// A line for each interval of a tenure; what moved the order stands on the first.
Table CustodyTable(Language language);
void AddTenure(Language language, const workorder::v1::CustodyTenure& tenure, Table& table);
// What a return would come to: the way of the order as a table, and what is left.
std::string PreviewSheet(Language language, const workorder::v1::PreviewReturnResponse& preview,
                         const TableStyle& style);

// All that is known of a lane of a link; `now` is for the lag in seconds.
Table LinkStatusTable(Language language);
void AddLinkStatus(Language language, const dispatch::v1::LinkStatus& link, absl::Time now, Table& table);

Table DifferenceTable(Language language);
void AddDifference(Language language, const dispatch::v1::HandoffDifference& difference, Table& table);

// All that an order says, a line each: `label  value`.
std::string OrderSheet(Language language, const type::v1::WorkOrder& order, const TableStyle& style);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_RENDER_H_
