// hotline.escalation.v1.ReportService and MeetingService without their wire.
#ifndef SERVICES_ESCALATION_REPORT_SERVICE_H_
#define SERVICES_ESCALATION_REPORT_SERVICE_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/call.h"
#include "common/contract/ledger.h"
#include "hotline/escalation/v1/meeting_service.pb.h"
#include "hotline/escalation/v1/report_service.pb.h"
#include "services/escalation/discretion.h"
#include "services/escalation/report/archive.h"
#include "services/escalation/report/core/names.h"
#include "services/escalation/report/core/scorecard.h"

namespace hotline::escalation::report {

// Thread-safe. Promises and errors of the methods are in report_service.proto.
class ReportService {
 public:
  // Rows that one page of a list looks at.
  static constexpr int kScanLimit = 20'000;

  // `executor` is for reading: neither a follower's nor that of the lists of clocks; it is stopped before
  // this object is destroyed. `archive` is used on it only, and outlives this, as do `clock` and
  // `discretion`.
  ReportService(Executor* executor, const hotline::Clock* clock, Archive* archive, WorkedSeconds worked,
                NamesNow names, const Discretion* discretion);

  void GetScorecard(const CallContext& call, v1::GetScorecardRequest request,
                    Done<v1::GetScorecardResponse> done);
  void ListLamps(const CallContext& call, v1::ListLampsRequest request, Done<v1::ListLampsResponse> done);
  void ListOverdue(const CallContext& call, v1::ListOverdueRequest request,
                   Done<v1::ListOverdueResponse> done);
  void ListDueSoon(const CallContext& call, v1::ListDueSoonRequest request,
                   Done<v1::ListDueSoonResponse> done);
  void RenderDocument(const CallContext& call, v1::RenderDocumentRequest request,
                      Done<v1::RenderDocumentResponse> done);

 private:
  absl::StatusOr<v1::GetScorecardResponse> Scorecard(const CallContext& call,
                                                     const v1::GetScorecardRequest& request);
  absl::Status CheckKnown(const std::string& party);
  absl::StatusOr<v1::ListLampsResponse> Lamps(const v1::ListLampsRequest& request);
  template <typename Request, typename Response>
  void AnswerList(const CallContext& call, const Request& request, RunningQuery query, Done<Response> done);
  // `restricted`: ids of the restricted orders that the answer shows.
  template <typename Request, typename Response>
  absl::StatusOr<Response> List(const CallContext& call, const Request& request, RunningQuery query,
                                std::set<std::string>* restricted);
  absl::StatusOr<v1::RenderDocumentResponse> Document(const CallContext& call,
                                                      const v1::RenderDocumentRequest& request,
                                                      std::set<std::string>* restricted);

  Executor* const executor_;
  const hotline::Clock* const clock_;
  Archive* const archive_;
  const WorkedSeconds worked_;
  const NamesNow names_;
  const Discretion* const discretion_;
};

// Thread-safe. Promises and errors of the methods are in meeting_service.proto.
class MeetingService {
 public:
  // As ReportService; `ledger` outlives this too.
  MeetingService(Executor* executor, Archive* archive, Ledger* ledger, WorkedSeconds worked, NamesNow names,
                 const Discretion* discretion);

  void ListDocket(const CallContext& call, v1::ListDocketRequest request, Done<v1::ListDocketResponse> done);
  void RuleDocketItem(const CallContext& call, v1::RuleDocketItemRequest request,
                      Done<v1::RuleDocketItemResponse> done);
  void RenderPack(const CallContext& call, v1::RenderPackRequest request, Done<v1::RenderPackResponse> done);
  void ExportProposal(const CallContext& call, v1::ExportProposalRequest request,
                      Done<v1::ExportProposalResponse> done);

 private:
  // `restricted`: ids of the restricted orders that the answer shows.
  absl::StatusOr<v1::ListDocketResponse> Docket(const CallContext& call, const v1::ListDocketRequest& request,
                                                std::set<std::string>* restricted);
  absl::StatusOr<v1::RenderPackResponse> Pack(const CallContext& call, const v1::RenderPackRequest& request,
                                              std::set<std::string>* restricted);
  // `account` asks, if the call does not say who. `restricted`: the item's order, if it is.
  absl::StatusOr<v1::DocketItem> FindItem(const CallContext& call, const std::string& account,
                                          const std::string& item_id,
                                          std::set<std::string>* restricted = nullptr);

  Executor* const executor_;
  Archive* const archive_;
  Ledger* const ledger_;
  const WorkedSeconds worked_;
  const NamesNow names_;
  const Discretion* const discretion_;
};

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_SERVICE_H_
