#include "services/hotlinectl/core/arguments.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/edit_distance.h"
#include "common/base/text.h"
#include "hotline/escalation/v1/directory_service.pb.h"
#include "hotline/escalation/v1/meeting_service.pb.h"
#include "hotline/escalation/v1/notification_service.pb.h"
#include "hotline/escalation/v1/report_service.pb.h"
#include "hotline/type/v1/order_state.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/table.h"
#include "services/hotlinectl/core/text_catalogue.h"
#include "services/hotlinectl/core/text_operation.h"
#include "services/hotlinectl/core/text_people.h"
#include "services/hotlinectl/core/text_suggest.h"

namespace hotline::hotlinectl {
namespace {

template <typename Enum>
const google::protobuf::EnumDescriptor* WordsOf() {
  return google::protobuf::GetEnumDescriptor<Enum>();
}

using Flags = std::vector<FlagSpec>;

// Flags of a change, after those of its own.
Flags Change(Flags own) {
  own.push_back({"request-id", ValueKind::kText, say::kFlagRequestId});
  own.push_back({"version", ValueKind::kInteger, say::kFlagVersion});
  return own;
}

FlagSpec Required(FlagSpec flag) {
  flag.required = true;
  return flag;
}
FlagSpec Repeated(FlagSpec flag) {
  flag.repeated = true;
  return flag;
}

// The fields of an order that are flags too; without the offer's for a registration.
Flags FormFlags(bool with_offer) {
  Flags flags;
  for (const FormField& field : FormFields()) {
    if (field.file_only || (!with_offer && !field.in_content() && field.flag.name != "request-id")) continue;
    flags.push_back(field.flag);
  }
  return flags;
}

Flags ReferralFlags() {
  Flags flags;
  for (FlagSpec flag : FormFlags(/*with_offer=*/true)) {
    if (flag.name == "kind" || flag.name == "to") continue;
    flags.push_back(flag);
  }
  flags.push_back({"version", ValueKind::kInteger, say::kFlagVersion});
  flags.push_back(
      Required({"request", ValueKind::kWord, say::kFlagSceneRequest, WordsOf<type::v1::SceneRequest>}));
  flags.push_back(Required({"guidance", ValueKind::kText, say::kFlagGuidance}));
  flags.push_back({"asked-of", ValueKind::kText, say::kFlagAskedOf});
  flags.push_back({"wanted-unit", ValueKind::kText, say::kFlagWantedUnit});
  flags.push_back(Repeated({"photo", ValueKind::kText, say::kFlagPhoto}));
  flags.push_back({"to", ValueKind::kText, say::kFlagSceneTo});
  return flags;
}

// What can be compared of a matter.
Flags SimilarFlags() {
  Flags flags;
  for (const FormField& field : FormFields()) {
    for (const std::string_view name :
         {"title", "text", "phone", "township", "address", "lat", "lon", "item", "occur-time"}) {
      if (field.flag.name == name) flags.push_back(field.flag);
    }
  }
  flags.push_back({"limit", ValueKind::kInteger, say::kFlagSimilarLimit});
  return flags;
}

Flags PushFlags() {
  Flags flags = FormFlags(/*with_offer=*/true);
  flags.push_back({"version", ValueKind::kInteger, say::kFlagVersion});
  flags.push_back({"confirm-bounce", ValueKind::kSwitch, say::kFlagConfirmBounce});
  flags.push_back({"similar", ValueKind::kSwitch, say::kFlagFindSimilar});
  flags.push_back({"file", ValueKind::kFile, say::kFlagFile});
  flags.push_back(
      {.name = "format", .kind = ValueKind::kWord, .help = say::kFlagFormat, .choices = "csv|json"});
  flags.push_back({"rejects", ValueKind::kFile, say::kFlagRejects});
  return flags;
}

std::vector<CommandSpec> MakeCommands() {
  using type::v1::Disposition;
  using type::v1::OrderState;
  using type::v1::OrderType;
  using type::v1::ReturnGround;
  using type::v1::Urgency;
  const FlagSpec note{"note", ValueKind::kText, say::kFlagNote};
  const FlagSpec reason = Required({"reason", ValueKind::kText, say::kFlagReason});
  const FlagSpec approved_by = Required({"approved-by", ValueKind::kText, say::kFlagApprovedBy});
  const FlagSpec limit{"limit", ValueKind::kInteger, say::kFlagLimit};
  const FlagSpec page_limit{"limit", ValueKind::kInteger, say::kFlagPageLimit};
  const FlagSpec moves_limit{"limit", ValueKind::kInteger, say::kFlagMovesLimit};
  const FlagSpec csv{"csv", ValueKind::kSwitch, say::kFlagCsv};
  const FlagSpec out{"out", ValueKind::kFile, say::kFlagOutFile};
  const FlagSpec format{
      .name = "format", .kind = ValueKind::kWord, .help = say::kFlagDocumentFormat, .choices = "html|md"};
  const FlagSpec report_urgency{"urgency", ValueKind::kWord, say::kFlagListUrgency, WordsOf<Urgency>};
  const FlagSpec report_clock{"clock", ValueKind::kWord, say::kFlagReportClock, WordsOf<type::v1::ClockKind>};
  return {
      {CommandId::kPush, "push", say::kCmdPush, Operand::kOptionalOrder, PushFlags()},
      {CommandId::kRegister, "register", say::kCmdRegister, Operand::kNone, FormFlags(/*with_offer=*/false)},
      {CommandId::kShow, "show", say::kCmdShow, Operand::kOrder, {}},
      {CommandId::kList,
       "list",
       say::kCmdList,
       Operand::kNone,
       {Repeated({"state", ValueKind::kWord, say::kFlagState, WordsOf<OrderState>}),
        {"unit", ValueKind::kText, say::kFlagListUnit},
        {"hotline", ValueKind::kText, say::kFlagHotline},
        {"type", ValueKind::kWord, say::kFlagListType, WordsOf<OrderType>},
        {"urgency", ValueKind::kWord, say::kFlagListUrgency, WordsOf<Urgency>},
        {"phone", ValueKind::kText, say::kFlagListPhone},
        {"in-doubt", ValueKind::kSwitch, say::kFlagInDoubt},
        {"parent", ValueKind::kText, say::kFlagParent},
        {"from", ValueKind::kTime, say::kFlagFromTime},
        {"to", ValueKind::kTime, say::kFlagToTime},
        limit}},
      {CommandId::kWatch,
       "watch",
       say::kCmdWatch,
       Operand::kOptionalOrder,
       {{"from", ValueKind::kInteger, say::kFlagFromSequence},
        {"count", ValueKind::kInteger, say::kFlagCount},
        {"until", ValueKind::kWord, say::kFlagUntilState, WordsOf<OrderState>},
        {"handoffs", ValueKind::kSwitch, say::kFlagHandoffs},
        {"titles", ValueKind::kSwitch, say::kFlagTitles}}},
      {CommandId::kAccept, "accept", say::kCmdAccept, Operand::kOrder,
       Change({note, {"danger-first", ValueKind::kSwitch, say::kFlagDangerFirst}})},
      {CommandId::kReturn, "return", say::kCmdReturn, Operand::kOrder,
       Change({Required({"ground", ValueKind::kWord, say::kFlagGround, WordsOf<ReturnGround>}),
               reason,
               {"basis", ValueKind::kText, say::kFlagBasis},
               {"proposed-unit", ValueKind::kText, say::kFlagProposedUnit},
               {"proposed-item", ValueKind::kText, say::kFlagProposedItem},
               {"proposed-hotline", ValueKind::kText, say::kFlagProposedHotline},
               {"unit", ValueKind::kText, say::kFlagReturnUnit},
               {"dry-run", ValueKind::kSwitch, say::kFlagDryRun}})},
      {CommandId::kRecall, "recall", say::kCmdRecall, Operand::kOrder, Change({reason})},
      {CommandId::kConfirm, "confirm", say::kCmdConfirm, Operand::kOrder,
       Change({Required({"code", ValueKind::kText, say::kFlagCode}),
               Required({"outcome", ValueKind::kWord, say::kFlagOutcome, WordsOf<type::v1::VoiceOutcome>}),
               Required({"spoken-with", ValueKind::kText, say::kFlagSpokenWith}), note})},
      {CommandId::kReferFromScene, "refer-from-scene", say::kCmdReferFromScene, Operand::kOptionalOrder,
       ReferralFlags()},
      {CommandId::kArrival, "arrival", say::kCmdArrival, Operand::kOrder,
       Change(
           {Required({"outcome", ValueKind::kWord, say::kFlagSceneOutcome, WordsOf<type::v1::SceneOutcome>}),
            {"unit", ValueKind::kText, say::kFlagSceneUnit},
            {"time", ValueKind::kTime, say::kFlagArriveTime},
            {"note", ValueKind::kText, say::kFlagSceneNote}})},
      {CommandId::kPartners, "partners", say::kCmdPartners, Operand::kActionAndOrder,
       Change({Repeated({"to", ValueKind::kList, say::kFlagPartners}),
               {"kind", ValueKind::kWord, say::kFlagPartnerKind, WordsOf<type::v1::HandoffKind>},
               {"note", ValueKind::kText, say::kFlagPushNote},
               {"wait", ValueKind::kDuration, say::kFlagWait}})},
      {CommandId::kDispatch, "dispatch", say::kCmdDispatch, Operand::kOrder,
       Change({Required({"unit", ValueKind::kText, say::kFlagUnit}),
               Repeated({"assist", ValueKind::kList, say::kFlagAssist}), note})},
      {CommandId::kSign, "sign", say::kCmdSign, Operand::kOrder,
       Change({{"unit", ValueKind::kText, say::kFlagSignUnit}})},
      {CommandId::kProgress, "progress", say::kCmdProgress, Operand::kOrder,
       Change({Required({"note", ValueKind::kText, say::kFlagProgressNote}),
               {"unit", ValueKind::kText, say::kFlagProgressUnit},
               {"part-done", ValueKind::kSwitch, say::kFlagPartDone}})},
      {CommandId::kFinish, "finish", say::kCmdFinish, Operand::kOrder,
       Change({Required({"disposition", ValueKind::kWord, say::kFlagDisposition, WordsOf<Disposition>}),
               Required({"reply", ValueKind::kText, say::kFlagReply}),
               {"internal", ValueKind::kText, say::kFlagInternal},
               {"substantiated", ValueKind::kSwitch, say::kFlagSubstantiated},
               {"beyond-duty", ValueKind::kSwitch, say::kFlagBeyondDuty},
               {"contacted", ValueKind::kSwitch, say::kFlagContacted},
               {"contact-time", ValueKind::kTime, say::kFlagContactTime},
               {"unresolved-reason", ValueKind::kText, say::kFlagUnresolvedReason},
               {"unit", ValueKind::kText, say::kFlagReplyUnit}})},
      {CommandId::kCallback, "callback", say::kCmdCallback, Operand::kOrder,
       Change({{"reached", ValueKind::kSwitch, say::kFlagReached},
               {"settled", ValueKind::kSwitch, say::kFlagSettled},
               {"satisfaction", ValueKind::kInteger, say::kFlagSatisfaction},
               note})},
      {CommandId::kRedo, "redo", say::kCmdRedo, Operand::kOrder, Change({reason})},
      {CommandId::kClose, "close", say::kCmdClose, Operand::kOrder,
       Change({note, {"confirm-unanswered", ValueKind::kSwitch, say::kFlagConfirmUnanswered}})},
      {CommandId::kSimilar, "similar", say::kCmdSimilar, Operand::kOptionalOrder, SimilarFlags()},
      {CommandId::kMerge, "merge", say::kCmdMerge, Operand::kOrder,
       Change({Required({"into", ValueKind::kText, say::kFlagInto}), reason})},
      {CommandId::kUnmerge, "unmerge", say::kCmdUnmerge, Operand::kOrder, Change({reason})},
      {CommandId::kCancel, "cancel", say::kCmdCancel, Operand::kOrder, Change({reason})},
      {CommandId::kSuspend, "suspend", say::kCmdSuspend, Operand::kOrder,
       Change({reason, Required({"review", ValueKind::kTime, say::kFlagReview}), approved_by})},
      {CommandId::kResume, "resume", say::kCmdResume, Operand::kOrder, Change({note})},
      {CommandId::kExtend, "extend", say::kCmdExtend, Operand::kOrder,
       Change({Required({"until", ValueKind::kTime, say::kFlagUntil}),
               Required({"ground", ValueKind::kText, say::kFlagExtendGround}), approved_by})},
      {CommandId::kArchive, "archive", say::kCmdArchive, Operand::kOrder, Change({note})},
      {CommandId::kDispute, "dispute", say::kCmdDispute, Operand::kOrder, Change({reason})},
      {CommandId::kRule, "rule", say::kCmdRule, Operand::kOrder,
       Change({{"to", ValueKind::kText, say::kFlagRuleTo},
               {"unit", ValueKind::kText, say::kFlagRuleUnit},
               Required({"ground", ValueKind::kText, say::kFlagRuleGround}),
               Required({"reference", ValueKind::kText, say::kFlagReference}),
               Required({"ruled-by", ValueKind::kText, say::kFlagRuledBy})})},
      {CommandId::kReopen, "reopen", say::kCmdReopen, Operand::kOrder, Change({reason})},
      {CommandId::kContact, "contact", say::kCmdContact, Operand::kOrder,
       Change({{"reached", ValueKind::kSwitch, say::kFlagContactReached},
               {"time", ValueKind::kTime, say::kFlagContactTime},
               {"unit", ValueKind::kText, say::kFlagContactUnit},
               note})},
      {CommandId::kAskExtension, "ask-extension", say::kCmdAskExtension, Operand::kOrder,
       Change({{"working-days", ValueKind::kInteger, say::kFlagMoreDays},
               {"working-hours", ValueKind::kInteger, say::kFlagMoreHours},
               {"until", ValueKind::kTime, say::kFlagUntil},
               Required({"ground", ValueKind::kText, say::kFlagExtendGround}),
               {"unit", ValueKind::kText, say::kFlagAskUnit}})},
      {CommandId::kDecideExtension, "decide-extension", say::kCmdDecideExtension, Operand::kOrder,
       Change({{"approve", ValueKind::kSwitch, say::kFlagApprove},
               {"refuse", ValueKind::kSwitch, say::kFlagRefuse},
               {"until", ValueKind::kTime, say::kFlagGrantUntil},
               {"caller-told", ValueKind::kSwitch, say::kFlagCallerTold},
               note})},
      {CommandId::kUnitReturn, "unit-return", say::kCmdUnitReturn, Operand::kOrder,
       Change({{"unit", ValueKind::kText, say::kFlagUnitReturnUnit},
               Required({"ground", ValueKind::kWord, say::kFlagGround, WordsOf<ReturnGround>}),
               reason,
               {"basis", ValueKind::kText, say::kFlagBasis},
               {"proposed-unit", ValueKind::kText, say::kFlagProposedUnit}})},
      {CommandId::kReassign, "reassign", say::kCmdReassign, Operand::kOrder,
       Change({Required({"unit", ValueKind::kText, say::kFlagUnit}),
               Repeated({"assist", ValueKind::kList, say::kFlagAssist}), reason, note})},
      {CommandId::kAccuse, "accuse", say::kCmdAccuse, Operand::kOrder,
       Change({Required(Repeated({"unit", ValueKind::kList, say::kFlagAccuseUnit})),
               {"to", ValueKind::kText, say::kFlagAccuseTo},
               Repeated({"assist", ValueKind::kList, say::kFlagAssist}),
               reason,
               note})},
      {CommandId::kAcknowledge, "acknowledge", say::kCmdAcknowledge, Operand::kOrder,
       Change({Required({"clock", ValueKind::kWord, say::kFlagClock, WordsOf<type::v1::ClockKind>}),
               Required({"rung", ValueKind::kWord, say::kFlagRung, WordsOf<type::v1::Rung>}),
               Required({"until", ValueKind::kTime, say::kFlagAcknowledgeUntil}), note})},
      {CommandId::kCustody,
       "custody",
       say::kCmdCustody,
       Operand::kOrder,
       {{"at", ValueKind::kTime, say::kFlagAt}}},
      {CommandId::kDeadlines,
       "deadlines",
       say::kCmdDeadlines,
       Operand::kOptionalOrder,
       {{"party", ValueKind::kText, say::kFlagParty},
        {"before", ValueKind::kTime, say::kFlagBefore},
        {"all", ValueKind::kSwitch, say::kFlagAll},
        limit}},
      {CommandId::kExplain,
       "explain",
       say::kCmdExplain,
       Operand::kOrder,
       {{"clock", ValueKind::kWord, say::kFlagExplainClock, WordsOf<type::v1::ClockKind>},
        {"assist", ValueKind::kText, say::kFlagExplainAssist}}},
      {CommandId::kLedger,
       "ledger",
       say::kCmdLedger,
       Operand::kOrder,
       {{"until", ValueKind::kTime, say::kFlagLedgerUntil}}},
      {CommandId::kPolicy,
       "policy",
       say::kCmdPolicy,
       Operand::kPolicy,
       {{"file", ValueKind::kFile, say::kFlagPolicyFile},
        {"digest", ValueKind::kText, say::kFlagDigest},
        {"note", ValueKind::kText, say::kFlagPublishNote},
        moves_limit}},
      {CommandId::kCalendar,
       "calendar",
       say::kCmdCalendar,
       Operand::kCalendar,
       {{"document", ValueKind::kText, say::kFlagNoticeDocument},
        {"title", ValueKind::kText, say::kFlagNoticeTitle},
        {"issued", ValueKind::kTime, say::kFlagNoticeIssued},
        {"layer", ValueKind::kText, say::kFlagNoticeLayer},
        {"from", ValueKind::kTime, say::kFlagNoticeFrom},
        {"until", ValueKind::kTime, say::kFlagNoticeUntil},
        {"only-its-days", ValueKind::kSwitch, say::kFlagNoticeOnly},
        {"version", ValueKind::kText, say::kFlagNoticeVersion},
        {"digest", ValueKind::kText, say::kFlagDigest},
        {"note", ValueKind::kText, say::kFlagPublishNote},
        moves_limit}},
      {CommandId::kLinks, "links", say::kCmdLinks, Operand::kNone, {}},
      {CommandId::kLink,
       "link",
       say::kCmdLink,
       Operand::kLink,
       {{"repair", ValueKind::kSwitch, say::kFlagRepair},
        {"recount", ValueKind::kSwitch, say::kFlagRecount}}},
      {CommandId::kVerify,
       "verify",
       say::kCmdVerify,
       Operand::kNone,
       {{"from", ValueKind::kInteger, say::kFlagVerifyFrom},
        {"to", ValueKind::kInteger, say::kFlagVerifyTo}}},
      {CommandId::kEvidence,
       "evidence",
       say::kCmdEvidence,
       Operand::kEvidence,
       {{"out", ValueKind::kFile, say::kFlagOut},
        Repeated({"public-key", ValueKind::kText, say::kFlagPublicKey}),
        {"public-keys", ValueKind::kFile, say::kFlagPublicKeys}}},
      {CommandId::kDirectory,
       "directory",
       say::kCmdDirectory,
       Operand::kDirectory,
       {{"unit", ValueKind::kText, say::kFlagDirectoryUnit},
        {"person", ValueKind::kText, say::kFlagPersonId},
        {"name", ValueKind::kText, say::kFlagDisplayName},
        {"title", ValueKind::kText, say::kFlagPersonTitle},
        Repeated({"desktop", ValueKind::kText, say::kFlagDesktop}),
        Repeated({"webhook", ValueKind::kText, say::kFlagWebhook}),
        {"role", ValueKind::kWord, say::kFlagStaffRole, WordsOf<escalation::v1::StaffRole>},
        {"duty", ValueKind::kSwitch, say::kFlagDuty},
        Repeated({"alias", ValueKind::kText, say::kFlagUnitAlias}),
        {"parent", ValueKind::kText, say::kFlagUnitParent},
        {"calendar", ValueKind::kText, say::kFlagCalendar},
        {"from", ValueKind::kTime, say::kFlagValidFrom},
        {"until", ValueKind::kTime, say::kFlagValidUntil},
        {"supersede", ValueKind::kSwitch, say::kFlagSupersede},
        {"reported-by", ValueKind::kText, say::kFlagReportedBy},
        {"reference", ValueKind::kText, say::kFlagReportReference},
        {"reported-at", ValueKind::kTime, say::kFlagReportedAt},
        {"request-id", ValueKind::kText, say::kFlagRequestId},
        {"version", ValueKind::kInteger, say::kFlagDirectoryVersion},
        {"allow-missing", ValueKind::kSwitch, say::kFlagAllowMissing},
        {"dry-run", ValueKind::kSwitch, say::kFlagOnlyJudge},
        {"file", ValueKind::kFile, say::kFlagCsvFile},
        {"replace", ValueKind::kSwitch, say::kFlagReplace},
        {"out", ValueKind::kFile, say::kFlagCsvOut},
        {"bom", ValueKind::kSwitch, say::kFlagBom},
        {"days", ValueKind::kInteger, say::kFlagDays},
        {"rung", ValueKind::kWord, say::kFlagWhoRung, WordsOf<type::v1::Rung>},
        {"at", ValueKind::kTime, say::kFlagWhoAt},
        {"accused", ValueKind::kText, say::kFlagAccusedUnit},
        page_limit}},
      {CommandId::kNotifications,
       "notifications",
       say::kCmdNotifications,
       Operand::kNotifications,
       {{"unit", ValueKind::kText, say::kFlagNotifiedUnit},
        {"person", ValueKind::kText, say::kFlagNotifiedPerson},
        {"to-account", ValueKind::kText, say::kFlagToAccount},
        {"channel", ValueKind::kText, say::kFlagChannelName},
        {"state", ValueKind::kWord, say::kFlagDeliveryState, WordsOf<escalation::v1::DeliveryState>},
        {"from", ValueKind::kInteger, say::kFlagFromSequence},
        {"count", ValueKind::kInteger, say::kFlagCount},
        note,
        page_limit}},
      {CommandId::kScorecard,
       "scorecard",
       say::kCmdScorecard,
       Operand::kNone,
       {Required({"period", ValueKind::kText, say::kFlagPeriod}),
        {"unit", ValueKind::kText, say::kFlagReportUnit},
        csv,
        out}},
      {CommandId::kLamps,
       "lamps",
       say::kCmdLamps,
       Operand::kNone,
       {{"unit", ValueKind::kText, say::kFlagReportUnit}, report_urgency, report_clock, csv, out}},
      {CommandId::kOverdue,
       "overdue",
       say::kCmdOverdue,
       Operand::kNone,
       {{"unit", ValueKind::kText, say::kFlagReportUnit}, report_urgency, report_clock, limit, csv, out}},
      {CommandId::kDueSoon,
       "due-soon",
       say::kCmdDueSoon,
       Operand::kNone,
       {{"within", ValueKind::kDuration, say::kFlagWithin},
        {"unit", ValueKind::kText, say::kFlagReportUnit},
        report_urgency,
        report_clock,
        limit,
        csv,
        out}},
      {CommandId::kDocument,
       "document",
       say::kCmdDocument,
       Operand::kOrder,
       {Required({"kind", ValueKind::kWord, say::kFlagDocumentKind, WordsOf<escalation::v1::DocumentKind>}),
        format, out}},
      {CommandId::kMeeting, "meeting", say::kCmdMeeting, Operand::kMeeting,
       Change({{"period", ValueKind::kText, say::kFlagPeriod},
               {"state", ValueKind::kWord, say::kFlagDocketState, WordsOf<escalation::v1::DocketState>},
               limit,
               format,
               out,
               {"to", ValueKind::kText, say::kFlagRuleTo},
               {"unit", ValueKind::kText, say::kFlagRuleUnit},
               {"ground", ValueKind::kText, say::kFlagRuleGround},
               {"reference", ValueKind::kText, say::kFlagReference},
               {"ruled-by", ValueKind::kText, say::kFlagRuledBy}})},
      {CommandId::kCatalogue,
       "catalogue",
       say::kCmdCatalogue,
       Operand::kCatalogue,
       {{"file", ValueKind::kFile, say::kFlagCatalogueFile},
        {"version", ValueKind::kText, say::kFlagCatalogueVersion},
        {"units", ValueKind::kFile, say::kFlagUnitsFile},
        {"directory", ValueKind::kFile, say::kFlagDirectoryCsv},
        {"out", ValueKind::kFile, say::kFlagCatalogueOut}}},
      {CommandId::kSuggest,
       "suggest",
       say::kCmdSuggest,
       Operand::kSuggest,
       {{"file", ValueKind::kFile, say::kFlagSuggestFile},
        {"catalogue", ValueKind::kFile, say::kFlagSuggestCatalogue},
        {"received-by", ValueKind::kText, say::kFlagSuggestReceivedBy},
        {"channel", ValueKind::kWord, say::kFlagSuggestChannel, WordsOf<type::v1::Channel>},
        {"out", ValueKind::kFile, say::kFlagSuggestOut},
        {"cross", ValueKind::kInteger, say::kFlagSuggestCross}}},
      {CommandId::kDoctor,
       "doctor",
       say::kCmdDoctor,
       Operand::kNone,
       {{"config", ValueKind::kFile, say::kFlagSiteConfig}, {"deep", ValueKind::kSwitch, say::kFlagDeep}}},
      {CommandId::kBackup,
       "backup",
       say::kCmdBackup,
       Operand::kOperation,
       {{"config", ValueKind::kFile, say::kFlagBackupConfig},
        {.name = "only",
         .kind = ValueKind::kWord,
         .help = say::kFlagOnlyPart,
         .choices = "work_order|escalation"}}},
      {CommandId::kHold, "hold", say::kCmdHold, Operand::kOperation,
       Change({{"reason", ValueKind::kText, say::kFlagReason},
               {"reference", ValueKind::kText, say::kFlagHoldReference}})},
      {CommandId::kRetention, "retention", say::kCmdRetention, Operand::kOperation, {}},
      {CommandId::kHealth,
       "health",
       say::kCmdHealth,
       Operand::kNone,
       {{.name = "service",
         .kind = ValueKind::kWord,
         .help = say::kFlagHealthService,
         .choices = "dispatch|work_order|escalation"}}},
      {CommandId::kCompletion, "completion", say::kCmdCompletion, Operand::kShell, {}},
      {CommandId::kHelp, "help", say::kCmdHelp, Operand::kOptionalCommand, {}},
  };
}

struct DemoSite {
  std::string_view name;
  std::string_view dispatch;
  std::string_view work_order;
  std::string_view escalation;
};
constexpr DemoSite kDemoSites[] = {
    {"12345", "127.0.0.1:12301", "127.0.0.1:12302", "127.0.0.1:12303"},
    {"110", "127.0.0.1:11001", "127.0.0.1:11002", "127.0.0.1:11003"},
};

absl::Status Wrong(std::string message, Language language, std::string_view command) {
  const std::string hint = Say(language, say::kTryHelp, command);
  return absl::InvalidArgumentError(StrCat(message, "\n", Trim(hint)));
}

const FlagSpec* FindFlag(const std::vector<FlagSpec>& flags, std::string_view name) {
  const auto it = std::find_if(flags.begin(), flags.end(), [&](const FlagSpec& f) { return f.name == name; });
  return it == flags.end() ? nullptr : &*it;
}

// `; did you mean …?` for a command or a flag (`dashes` before its name); empty if none is near.
template <typename Spec>
std::string Proposal(std::string_view wrong, const std::vector<Spec>& known, std::string_view dashes,
                     Language language) {
  for (const Spec& spec : known) {
    if (EditDistance(wrong, spec.name) <= 1)
      return Say(language, say::kDidYouMean, StrCat(dashes, spec.name));
  }
  return "";
}

std::string UnknownCommand(std::string_view word, Language language) {
  return Say(language, say::kUnknownCommand, Printable(word, false)) +
         Proposal(word, Commands(), "", language);
}

// `--lang` is looked for before everything else, so that what is wrong can be said in that language.
Language ChooseLanguage(const std::vector<std::string>& arguments, const Environment& environment) {
  constexpr std::string_view kLang = "--lang=";
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view value = arguments[i];
    if (value == "--") break;
    if (value == "--lang" && i + 1 < arguments.size()) {
      value = arguments[i + 1];
    } else if (value.starts_with(kLang)) {
      value.remove_prefix(kLang.size());
    } else {
      continue;
    }
    if (value == "zh") return Language::kChinese;
    if (value == "en") return Language::kEnglish;
  }
  return LanguageOf(environment);
}

// What is before the `=` or the end of a flag, and its value.
struct RawFlag {
  std::string name;
  std::optional<std::string> value;
};

RawFlag SplitFlag(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return {std::string(word.substr(2)), std::nullopt};
  return {std::string(word.substr(2, equals - 2)), std::string(word.substr(equals + 1))};
}

// What backup, hold and retention do, and their operands and flags.
struct Operation {
  CommandId command;
  std::string_view action;
  enum class Needs { kNothing, kMayName, kName } needs;
  std::string_view flags;  // each between spaces
};
constexpr Operation kOperations[] = {
    {CommandId::kBackup, "create", Operation::Needs::kMayName, " config "},
    {CommandId::kBackup, "list", Operation::Needs::kNothing, " config "},
    {CommandId::kBackup, "verify", Operation::Needs::kName, " config "},
    {CommandId::kBackup, "restore", Operation::Needs::kName, " config only "},
    {CommandId::kHold, "place", Operation::Needs::kName, " reason reference request-id version "},
    {CommandId::kHold, "release", Operation::Needs::kName, " reason request-id version "},
    {CommandId::kHold, "list", Operation::Needs::kNothing, " "},
    {CommandId::kRetention, "show", Operation::Needs::kNothing, " "},
    {CommandId::kRetention, "run", Operation::Needs::kNothing, " "},
};

std::string OperationNames(CommandId command) {
  std::string names;
  for (const Operation& one : kOperations) {
    if (one.command == command) names += StrCat(names.empty() ? "" : " ", one.action);
  }
  return names;
}

std::string OperationFault(const Arguments& arguments, Language language) {
  const CommandSpec& command = *arguments.command;
  const auto found = std::find_if(std::begin(kOperations), std::end(kOperations), [&](const Operation& one) {
    return one.command == command.id && one.action == arguments.action;
  });
  if (found == std::end(kOperations)) {
    return Say(language, say::kNeedsOperation, command.name,
               std::string(absl::StrReplaceAll(OperationNames(command.id), {{" ", ", "}})));
  }
  const std::string name = StrCat(command.name, " ", arguments.action);
  if (found->needs == Operation::Needs::kName && arguments.operand.empty()) {
    return Say(language, command.id == CommandId::kHold ? say::kNeedsOrder : say::kNeedsFolder, name);
  }
  if (found->needs == Operation::Needs::kNothing && !arguments.operand.empty()) {
    return Say(language, say::kTooManyOperands, name, Printable(arguments.operand, false));
  }
  for (const FlagSpec& flag : command.flags) {
    const bool fits = found->flags.find(StrCat(" ", flag.name, " ")) != std::string_view::npos;
    if (arguments.Has(flag.name) && !fits) {
      return Say(language, say::kUnknownFlag, StrCat("--", flag.name), name);
    }
    const bool needed = flag.name == "reason" || flag.name == "reference";
    if (needed && fits && !arguments.Has(flag.name)) {
      return Say(language, say::kFlagRequired, StrCat("--", flag.name), name);
    }
  }
  return "";
}

// Words to flags and operands. Which flags take a value depends on the command, which may come after global
// flags; so the command is the first word that is neither a flag nor the value of a global flag.
class Reader {
 public:
  Reader(const std::vector<std::string>& words, Language language) : words_(words), language_(language) {}

  absl::Status Read(Arguments& arguments) {
    bool flags_end = false;
    for (size_t i = 0; i < words_.size(); ++i) {
      const std::string& word = words_[i];
      if (!flags_end && word == "--") {
        flags_end = true;
      } else if (!flags_end && (word == "-h" || word == "--help")) {
        arguments.help = true;
      } else if (!flags_end && word.starts_with("--")) {
        if (absl::Status status = ReadFlag(arguments, i); !status.ok()) return status;
      } else if (arguments.command == nullptr) {
        arguments.command = FindCommand(word);
        if (arguments.command == nullptr) return Fault(arguments, UnknownCommand(word, language_));
      } else if ((arguments.command->operand == Operand::kEvidence ||
                  arguments.command->operand == Operand::kPolicy ||
                  arguments.command->operand == Operand::kCalendar ||
                  arguments.command->operand == Operand::kDirectory ||
                  arguments.command->operand == Operand::kNotifications ||
                  arguments.command->operand == Operand::kMeeting ||
                  arguments.command->operand == Operand::kCatalogue ||
                  arguments.command->operand == Operand::kActionAndOrder) &&
                 arguments.action.empty()) {
        arguments.action = word;
      } else if (arguments.command->operand == Operand::kOperation && arguments.action.empty()) {
        arguments.action = word;
      } else if (arguments.command->operand == Operand::kSuggest && arguments.operand.empty() &&
                 arguments.action.empty() && (word == "evaluate" || word == "examples")) {
        arguments.action = word;
      } else if (arguments.command->operand == Operand::kCalendar && !word.empty()) {
        arguments.files.push_back(word);
      } else if (arguments.operand.empty() && !word.empty() && arguments.command->operand != Operand::kNone) {
        arguments.operand = word;
      } else if ((arguments.command->operand == Operand::kLink ||
                  arguments.command->operand == Operand::kCatalogue) &&
                 arguments.peer.empty() && !word.empty()) {
        arguments.peer = word;
      } else {
        return Fault(arguments,
                     Say(language_, say::kTooManyOperands, arguments.command->name, Printable(word, false)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Fault(const Arguments& arguments, std::string message) const {
    return Wrong(std::move(message), language_, arguments.command == nullptr ? "" : arguments.command->name);
  }

  std::map<std::string, std::vector<std::string>, std::less<>> globals;

 private:
  absl::Status ReadFlag(Arguments& arguments, size_t& i) {
    const RawFlag raw = SplitFlag(words_[i]);
    const std::string shown = StrCat("--", Printable(raw.name, false));
    // A command's own flag wins over a global one of the same name (`--dispatch` has none today).
    const FlagSpec* flag =
        arguments.command == nullptr ? nullptr : FindFlag(arguments.command->flags, raw.name);
    auto* values = &arguments.values;
    if (flag == nullptr) {
      flag = FindFlag(GlobalFlags(), raw.name);
      values = &globals;
    }
    if (flag == nullptr) {
      std::string near;
      if (arguments.command != nullptr) near = Proposal(raw.name, arguments.command->flags, "--", language_);
      if (near.empty()) near = Proposal(raw.name, GlobalFlags(), "--", language_);
      const std::string_view of = arguments.command == nullptr ? "hotlinectl" : arguments.command->name;
      return Fault(arguments, Say(language_, say::kUnknownFlag, shown, of) + near);
    }
    std::string value;
    if (flag->kind == ValueKind::kSwitch) {
      if (raw.value) return Fault(arguments, Say(language_, say::kFlagTakesNoValue, shown));
      value = "true";
    } else if (raw.value) {
      value = *raw.value;
    } else if (i + 1 < words_.size() && !words_[i + 1].starts_with("--")) {
      // Never the next flag: `--name --secret` would lose the caller's secrecy.
      value = words_[++i];
    } else {
      return Fault(arguments, Say(language_, say::kFlagNeedsValue, shown));
    }
    if (!flag->repeated && values->contains(flag->name)) {
      return Fault(arguments, Say(language_, say::kFlagTwice, shown));
    }
    // `--state signed,replied` says what `--state signed --state replied` says.
    std::vector<std::string> parts = {value};
    if (flag->repeated && flag->kind == ValueKind::kWord) parts = absl::StrSplit(value, ',');
    for (std::string& part : parts) {
      if (std::string fault = FlagFault(*flag, shown, part, language_); !fault.empty())
        return Fault(arguments, fault);
      (*values)[std::string(flag->name)].push_back(std::move(part));
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& words_;
  const Language language_;
};

// What `directory` and `notifications` do, and the flags that each goes with.
struct NamedAction {
  std::string_view name;
  std::string_view flags;  // separated by spaces
};
constexpr std::string_view kChangeFlags =
    " reported-by reference reported-at request-id version allow-missing dry-run ";
constexpr NamedAction kNamedActions[] = {
    {"list", " at "},
    {"show", " at "},
    {"set", " unit person name title desktop webhook role duty alias parent calendar from until supersede "},
    {"remove", " unit person role duty from "},
    {"import", " file replace "},
    {"export", " out bom "},
    {"history", " limit "},
    {"preflight", " days "},
    {"who", " rung at accused "},
};

constexpr NamedAction kNotificationsActions[] = {
    {"list", " unit person limit "},
    {"watch", " unit to-account from count "},
    {"ack", " note "},
    {"deliveries", " channel state limit "},
    {"redeliver", " "},
    {"report", " state "},
};

constexpr NamedAction kCatalogueActions[] = {
    {"check", " file version units directory "},
    {"show", " file version "},
    {"diff", " "},
    {"export", " file version out "},
    {"reload", " "},
};

constexpr NamedAction kEvidenceActions[] = {
    {"export", " out "},
    {"verify", " public-key public-keys "},
};

constexpr NamedAction kLinkActions[] = {
    {"status", " "},
    {"reconcile", " repair recount "},
};

constexpr NamedAction kPolicyActions[] = {
    {"preview", " file limit "},
    {"publish", " file digest note "},
    {"list", " "},
};

constexpr NamedAction kMeetingActions[] = {
    {"docket", " period state limit "},
    {"pack", " period format out "},
    {"rule", " to unit ground reference ruled-by version request-id "},
    {"proposal", " out "},
};

constexpr NamedAction kSuggestActions[] = {
    {"TEXT", " catalogue received-by channel "},
    {"--file", " file catalogue "},
    {"evaluate", " file catalogue cross "},
    {"examples export", " out "},
};

constexpr NamedAction kPartnersActions[] = {
    {"push", " to kind note wait request-id version "},
    {"list", " "},
};

bool ChangesDirectory(std::string_view action) {
  return action == "set" || action == "remove" || action == "import";
}

// What the command can do and the flags that go with each (beside kChangeFlags); empty if it does one thing.
std::vector<NamedAction> NamedActionsOf(CommandId command) {
  const auto all = [](const auto& actions) {
    return std::vector<NamedAction>(std::begin(actions), std::end(actions));
  };
  std::vector<NamedAction> found;
  switch (command) {
    case CommandId::kDirectory:
      return all(kNamedActions);
    case CommandId::kNotifications:
      return all(kNotificationsActions);
    case CommandId::kMeeting:
      return all(kMeetingActions);
    case CommandId::kCatalogue:
      return all(kCatalogueActions);
    case CommandId::kEvidence:
      return all(kEvidenceActions);
    case CommandId::kLink:
      return all(kLinkActions);
    case CommandId::kPolicy:
      return all(kPolicyActions);
    case CommandId::kPartners:
      return all(kPartnersActions);
    case CommandId::kSuggest:
      return all(kSuggestActions);
    default:
      for (const Operation& one : kOperations) {
        if (one.command == command) found.push_back({one.action, one.flags});
      }
      return found;
  }
}

template <size_t n>
std::string ActionNames(const NamedAction (&actions)[n], std::string_view separator) {
  std::string names;
  for (const NamedAction& action : actions) {
    names += StrCat(names.empty() ? std::string_view() : separator, action.name);
  }
  return names;
}

std::string NotificationsFault(const Arguments& arguments, Language language) {
  const auto action = std::find_if(std::begin(kNotificationsActions), std::end(kNotificationsActions),
                                   [&](const NamedAction& one) { return one.name == arguments.action; });
  if (action == std::end(kNotificationsActions))
    return std::string(Say(language, say::kNeedsNotificationsAction));
  const std::string name = StrCat("notifications ", action->name);
  const bool needs_id = action->name == "ack" || action->name == "redeliver" || action->name == "report";
  if (needs_id && arguments.operand.empty()) return Say(language, say::kNeedsMessage, name);
  if (!needs_id && action->name != "list" && !arguments.operand.empty()) {
    return Say(language, say::kTooManyOperands, name, Printable(arguments.operand, false));
  }
  for (const auto& [flag, values] : arguments.values) {
    if (action->flags.find(StrCat(" ", flag, " ")) == std::string_view::npos) {
      return Say(language, say::kFlagNotOfAction, StrCat("--", flag), name);
    }
  }
  if (action->name == "report" && !arguments.Has("state"))
    return Say(language, say::kFlagRequired, "--state", name);
  return "";
}

std::string DirectoryFault(const Arguments& arguments, Language language) {
  const auto action = std::find_if(std::begin(kNamedActions), std::end(kNamedActions),
                                   [&](const NamedAction& one) { return one.name == arguments.action; });
  if (action == std::end(kNamedActions)) return std::string(Say(language, say::kNeedsDirectoryAction));
  const std::string name = StrCat("directory ", action->name);
  const bool changes = ChangesDirectory(action->name);
  const bool needs_unit = action->name == "show" || action->name == "who";
  if (needs_unit && arguments.operand.empty()) return Say(language, say::kNeedsUnit, name);
  const bool takes_none = changes || action->name == "export";
  if (takes_none && !arguments.operand.empty()) {
    return Say(language, say::kTooManyOperands, name, Printable(arguments.operand, false));
  }
  for (const auto& [flag, values] : arguments.values) {
    const std::string word = StrCat(" ", flag, " ");
    if (action->flags.find(word) == std::string_view::npos &&
        (!changes || kChangeFlags.find(word) == std::string_view::npos)) {
      return Say(language, say::kFlagNotOfAction, StrCat("--", flag), name);
    }
  }
  if (changes && !arguments.Has("reported-by"))
    return Say(language, say::kFlagRequired, "--reported-by", name);
  return "";
}

// The four actions of `meeting` and the flags that go with each.
std::string MeetingFault(const Arguments& arguments, Language language) {
  const std::string& action = arguments.action;
  const bool of_item = action == "rule" || action == "proposal";
  if (!of_item && action != "docket" && action != "pack")
    return std::string(Say(language, say::kNeedsMeetingAction));
  const std::string name = StrCat("meeting ", action);
  if (of_item && arguments.operand.empty()) return Say(language, say::kNeedsItem, name);
  if (!of_item && !arguments.operand.empty()) {
    return Say(language, say::kTooManyOperands, name, Printable(arguments.operand, false));
  }
  const std::vector<std::string> fitting = FlagsOf(*arguments.command, action);
  constexpr std::string_view kNeeded[] = {"period", "ground", "reference", "ruled-by"};
  for (const FlagSpec& flag : arguments.command->flags) {
    const bool fits = std::find(fitting.begin(), fitting.end(), flag.name) != fitting.end();
    if (!fits && arguments.Has(flag.name)) {
      return Say(language, say::kUnknownFlag, StrCat("--", flag.name), name);
    }
    const bool needed = action != "docket" &&
                        std::find(std::begin(kNeeded), std::end(kNeeded), flag.name) != std::end(kNeeded);
    if (fits && needed && !arguments.Has(flag.name)) {
      return Say(language, say::kFlagRequired, StrCat("--", flag.name), name);
    }
  }
  return "";
}

// One of a text, a file, `evaluate` and `examples export`, with the flags that go with it.
std::string SuggestFault(const Arguments& arguments, Language language) {
  const bool exports = arguments.action == "examples";
  const bool evaluates = arguments.action == "evaluate";
  const bool file = arguments.Has("file");
  if (exports     ? arguments.operand != "export"
      : evaluates ? !arguments.operand.empty()
                  : file != arguments.operand.empty()) {
    return std::string(Say(language, say::kNeedsSuggestText));
  }
  const NamedAction& action = kSuggestActions[exports ? 3 : evaluates ? 2 : file ? 1 : 0];
  const std::string name = StrCat("suggest ", action.name);
  const std::string_view flags = action.flags;
  for (const auto& [flag, values] : arguments.values) {
    if (flags.find(StrCat(" ", flag, " ")) == std::string_view::npos) {
      return Say(language, say::kFlagNotOfAction, StrCat("--", flag), name);
    }
  }
  if (exports && !arguments.Has("out")) return Say(language, say::kFlagRequired, "--out", name);
  return "";
}

// The three actions of `calendar` and the flags that go with each.
std::string CalendarFault(const Arguments& arguments, Language language) {
  const std::string& action = arguments.action;
  const bool lists = action == "list";
  const bool publishes = action == "publish";
  if (!lists && !publishes && action != "preview")
    return std::string(Say(language, say::kNeedsCalendarAction));
  const std::string name = StrCat("calendar ", action);
  if (lists && !arguments.files.empty()) {
    return Say(language, say::kTooManyOperands, name, Printable(arguments.files.front(), false));
  }
  if (!lists && arguments.files.empty()) return Say(language, say::kNeedsFile, name);
  const std::string_view others = publishes ? " limit " : " digest note ";
  for (const auto& [flag, values] : arguments.values) {
    if (lists || others.find(StrCat(" ", flag, " ")) != std::string_view::npos) {
      return Say(language, say::kFlagNotOfAction, StrCat("--", flag), name);
    }
  }
  for (std::string_view flag : {"digest", "note"}) {
    if (publishes && !arguments.Has(flag)) {
      return Say(language, say::kFlagRequired, StrCat("--", flag), name);
    }
  }
  return "";
}

// Rules between the parts of a command line that was read.
std::string Fault(const Arguments& arguments, Language language) {
  const CommandSpec& command = *arguments.command;
  if (command.operand == Operand::kActionAndOrder && arguments.action != "push" &&
      arguments.action != "list") {
    return std::string(Say(language, say::kNeedsAction));
  }
  if (command.operand == Operand::kPolicy) {
    const std::string& action = arguments.action;
    if (action != "preview" && action != "publish" && action != "list") {
      return std::string(Say(language, say::kNeedsPolicyAction));
    }
    // Not silently that of the configuration.
    if (!arguments.operand.empty()) {
      return Say(language, say::kPolicyFileIsAFlag, arguments.operand);
    }
    for (std::string_view name : {"digest", "note"}) {
      if (action == "publish" && !arguments.Has(name)) {
        return Say(language, say::kFlagRequired, StrCat("--", name), StrCat(command.name, " publish"));
      }
    }
  }
  if (command.operand == Operand::kCalendar) return CalendarFault(arguments, language);
  if (command.id == CommandId::kPartners && arguments.action == "push" && !arguments.Has("to")) {
    return Say(language, say::kFlagRequired, "--to", command.name);
  }
  if ((command.operand == Operand::kOrder || command.operand == Operand::kActionAndOrder) &&
      arguments.operand.empty()) {
    return Say(language, say::kNeedsOrder, command.name);
  }
  if (command.operand == Operand::kEvidence) {
    const bool exports = arguments.action == "export";
    if (!exports && arguments.action != "verify")
      return std::string(Say(language, say::kNeedsEvidenceAction));
    if (arguments.operand.empty()) {
      return Say(language, exports ? say::kNeedsOrder : say::kNeedsFile,
                 StrCat(command.name, " ", arguments.action));
    }
    for (std::string_view name : {"out", "public-key", "public-keys"}) {
      if (arguments.Has(name) && exports != (name == "out")) {
        return Say(language, say::kFlagOfOther, StrCat("--", name),
                   StrCat(command.name, exports ? " verify" : " export"));
      }
    }
    for (const std::string& key : arguments.All("public-key")) {
      const size_t equals = key.find('=');
      if (equals == 0 || equals == std::string::npos || equals + 1 == key.size()) {
        return std::string(Say(language, say::kBadPublicKey));
      }
    }
  }
  if (command.operand == Operand::kNotifications) {
    if (std::string fault = NotificationsFault(arguments, language); !fault.empty()) return fault;
  }
  if (command.operand == Operand::kDirectory) {
    if (std::string fault = DirectoryFault(arguments, language); !fault.empty()) return fault;
  }
  if (command.operand == Operand::kMeeting) return MeetingFault(arguments, language);
  if (command.operand == Operand::kOperation) return OperationFault(arguments, language);
  if (command.operand == Operand::kSuggest) return SuggestFault(arguments, language);
  if (command.operand == Operand::kCatalogue) {
    const auto action = std::find_if(std::begin(kCatalogueActions), std::end(kCatalogueActions),
                                     [&](const auto& one) { return one.name == arguments.action; });
    if (action == std::end(kCatalogueActions)) return std::string(Say(language, say::kNeedsCatalogueAction));
    const bool diff = arguments.action == "diff";
    if (diff && arguments.peer.empty()) return std::string(Say(language, say::kNeedsTwoVersions));
    const std::string& extra = diff || arguments.action == "show" ? arguments.peer : arguments.operand;
    if (!extra.empty() && !diff) {
      return Say(language, say::kTooManyOperands, StrCat(command.name, " ", arguments.action),
                 Printable(extra, false));
    }
    for (const FlagSpec& flag : command.flags) {
      if (arguments.Has(flag.name) &&
          action->flags.find(StrCat(" ", flag.name, " ")) == std::string_view::npos) {
        return Say(language, say::kUnknownFlag, StrCat("--", flag.name),
                   StrCat(command.name, " ", arguments.action));
      }
    }
  }
  if (command.operand == Operand::kShell && arguments.operand != "bash" && arguments.operand != "zsh") {
    return std::string(Say(language, say::kNeedsShell));
  }
  if (command.operand == Operand::kLink) {
    const bool reconcile = arguments.operand == "reconcile";
    if (!reconcile && arguments.operand != "status") return std::string(Say(language, say::kNeedsLinkAction));
    if (reconcile && arguments.peer.empty()) return std::string(Say(language, say::kNeedsPeer));
    for (std::string_view name : {"repair", "recount"}) {
      if (!reconcile && arguments.Has(name)) {
        return Say(language, say::kUnknownFlag, StrCat("--", name), "link status");
      }
    }
  }
  if (command.operand == Operand::kOptionalCommand && !arguments.operand.empty() &&
      FindCommand(arguments.operand) == nullptr) {
    return UnknownCommand(arguments.operand, language);
  }
  if (command.operand == Operand::kPolicy || command.operand == Operand::kActionAndOrder) {
    const std::vector<std::string> fitting = FlagsOf(command, arguments.action);
    for (const auto& [flag, values] : arguments.values) {
      if (std::find(fitting.begin(), fitting.end(), flag) == fitting.end()) {
        return Say(language, say::kFlagNotOfAction, StrCat("--", flag),
                   StrCat(command.name, " ", arguments.action));
      }
    }
  }
  for (const FlagSpec& flag : command.flags) {
    if (flag.required && !arguments.Has(flag.name)) {
      return Say(language, say::kFlagRequired, StrCat("--", flag.name), command.name);
    }
  }
  if (arguments.Has("lat") != arguments.Has("lon")) {
    return Say(language, say::kFlagRequired, arguments.Has("lat") ? "--lon" : "--lat", command.name);
  }
  if (command.id == CommandId::kSimilar && arguments.operand.empty() && !arguments.Has("text") &&
      !arguments.Has("title") && !arguments.Has("phone")) {
    return std::string(Say(language, say::kNeedsOrderOrText));
  }
  if (command.id == CommandId::kSimilar && !arguments.operand.empty()) {
    for (const auto& [flag, values] : arguments.values) {
      if (flag != "limit") return Say(language, say::kSimilarByOrder, StrCat("--", flag));
    }
  }
  // What says nothing is a slip, and would stand as an attempt that reached nobody.
  if (command.id == CommandId::kCallback && !arguments.Has("reached") &&
      Trim(arguments.Text("note")).empty()) {
    return std::string(Say(language, say::kNeedsReachedOrNote));
  }
  // Seconds, which a bare number is elsewhere, are meant by nobody here.
  if (command.id == CommandId::kDueSoon && ParseInteger(Trim(arguments.Text("within")))) {
    return Say(language, say::kDurationNeedsUnit, "--within");
  }
  if (command.id == CommandId::kReferFromScene && !arguments.operand.empty()) {
    for (const FormField& field : FormFields()) {
      if (field.in_content() && arguments.Has(field.flag.name)) {
        return Say(language, say::kContentAndOrder, StrCat("--", field.flag.name));
      }
    }
    if (arguments.Has("photo")) return Say(language, say::kContentAndOrder, "--photo");
  }
  if (command.id != CommandId::kPush) return "";
  const bool file = arguments.Has("file");
  if (file && !arguments.operand.empty()) return std::string(Say(language, say::kFileAndOrder));
  for (std::string_view name : {"format", "rejects"}) {
    if (!file && arguments.Has(name)) return Say(language, say::kRejectsNeedsFile, StrCat("--", name));
  }
  // One request id cannot be the identity of many orders.
  for (std::string_view name : {"request-id", "version"}) {
    if (file && arguments.Has(name)) return Say(language, say::kNotWithFile, StrCat("--", name));
  }
  if (!arguments.operand.empty()) {
    for (const FormField& field : FormFields()) {
      if (field.in_content() && arguments.Has(field.flag.name)) {
        return Say(language, say::kContentAndOrder, StrCat("--", field.flag.name));
      }
    }
  }
  // A new order without a target is routed by the site.
  if (!arguments.operand.empty() && !arguments.Has("to"))
    return Say(language, say::kFlagRequired, "--to", command.name);
  return "";
}

std::string Metavar(const FlagSpec& flag) {
  switch (flag.kind) {
    case ValueKind::kSwitch:
      return "";
    case ValueKind::kText:
    case ValueKind::kList:
      return " TEXT";
    case ValueKind::kInteger:
    case ValueKind::kNumber:
      return " N";
    case ValueKind::kDuration:
      return " DURATION";
    case ValueKind::kTime:
      return " TIME";
    case ValueKind::kWord:
      return " WORD";
    case ValueKind::kAddress:
      return " HOST:PORT";
    case ValueKind::kFile:
      return " FILE";
  }
  return "";
}

std::string WithAll(const FlagSpec&) { return ""; }

// The actions that the flag goes with; empty if these are all, or the command does one thing.
std::string ActionsWith(const CommandSpec& command, const FlagSpec& flag) {
  std::string with;
  bool all = true;
  for (const std::string& action : ActionsOf(command)) {
    const std::vector<std::string> flags = FlagsOf(command, action);
    if (std::find(flags.begin(), flags.end(), flag.name) == flags.end()) {
      all = false;
    } else {
      with += StrCat(with.empty() ? "" : ", ", action);
    }
  }
  return all ? "" : with;
}

// `actions` says of a flag with which of the command's actions it goes; empty: with all.
std::string FlagTable(const std::vector<FlagSpec>& flags, Language language, bool columns,
                      const std::function<std::string(const FlagSpec&)>& actions) {
  std::string out;
  constexpr int kFlagColumns = 26;
  for (const FlagSpec& flag : flags) {
    const std::string left = StrCat("  --", flag.name, Metavar(flag));
    std::string help(Say(language, flag.help));
    const auto add = [&](std::string_view text) {
      help += StrCat(language == Language::kChinese ? "；" : "; ", text);
    };
    if (flag.required) add(Say(language, say::kRequired));
    if (flag.kind == ValueKind::kWord) add(Say(language, say::kOneOf, ShownFlagWords(flag, " ", language)));
    if (flag.repeated) add(Say(language, say::kMany));
    if (const std::string only = actions(flag); !only.empty()) add(Say(language, say::kOnlyWith, only));
    const FormField* field = columns ? FindFormField(flag.name) : nullptr;
    if (field != nullptr) help += StrCat(" [", field->zh, "]");
    out += StrCat(left, std::string(std::max(2, kFlagColumns - DisplayWidth(left)), ' '), help, "\n");
  }
  return out;
}

std::string OperandText(Operand operand) {
  switch (operand) {
    case Operand::kNone:
      return "";
    case Operand::kOrder:
      return " ORDER";
    case Operand::kOptionalOrder:
      return " [ORDER]";
    case Operand::kShell:
      return " bash|zsh";
    case Operand::kOptionalCommand:
      return " [COMMAND]";
    case Operand::kEvidence:
      return " export ORDER|verify FILE";
    case Operand::kActionAndOrder:
      return " push|list ORDER";
    case Operand::kPolicy:
      return " preview|publish|list";
    case Operand::kCalendar:
      return " preview FILE…|publish FILE…|list";
    case Operand::kLink:
      return " status|reconcile [PEER]";
    case Operand::kDirectory:
      return " ACTION [UNIT]";
    case Operand::kNotifications:
      return " ACTION [ID]";
    case Operand::kMeeting:
      return " docket|pack|rule ITEM|proposal ITEM";
    case Operand::kCatalogue:
      return " check|show|diff|export|reload [ITEM | OLD NEW]";
    case Operand::kSuggest:
      return " TEXT|evaluate|examples export";
    case Operand::kOperation:
      return " ACTION [NAME|FOLDER|ORDER]";
  }
  return "";
}

std::string FlagNames(const std::vector<FlagSpec>& flags) {
  std::string names;
  for (const FlagSpec& flag : flags) names += StrCat(names.empty() ? "" : " ", "--", flag.name);
  return names;
}

std::string CommandNames() {
  std::string names;
  for (const CommandSpec& command : Commands()) names += StrCat(names.empty() ? "" : " ", command.name);
  return names;
}

// `command:flag) words` for each flag that takes words, and `files` for those that take a file.
std::string BashCases() {
  std::string cases;
  const auto add = [&](std::string_view command, const std::vector<FlagSpec>& flags) {
    for (const FlagSpec& flag : flags) {
      const std::string words = FlagWords(flag, " ");
      if (!words.empty()) {
        cases += StrCat("    ", command, ":--", flag.name, ") COMPREPLY=($(compgen -W \"", words,
                        "\" -- \"$cur\")); return ;;\n");
      } else if (flag.kind == ValueKind::kFile) {
        cases +=
            StrCat("    ", command, ":--", flag.name, ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
      } else if (flag.kind != ValueKind::kSwitch) {
        cases += StrCat("    ", command, ":--", flag.name, ") return ;;\n");
      }
    }
  };
  for (const CommandSpec& command : Commands()) add(command.name, command.flags);
  add("*", GlobalFlags());
  return cases;
}

// Flags of each command, and the operand's words where it has any.
std::string BashCommands() {
  std::string cases;
  for (const CommandSpec& command : Commands()) {
    std::string words = FlagNames(command.flags);
    if (command.operand == Operand::kShell) words = "bash zsh";
    if (command.operand == Operand::kLink) words = StrCat("status reconcile ", words);
    if (command.operand == Operand::kOptionalCommand) words = CommandNames();
    if (command.operand == Operand::kCatalogue) words = StrCat("check show diff export reload ", words);
    if (command.operand == Operand::kEvidence) words = StrCat("export verify ", words);
    if (command.operand == Operand::kSuggest) words = StrCat("evaluate examples export ", words);
    if (command.operand == Operand::kActionAndOrder) words = StrCat("push list ", words);
    if (command.operand == Operand::kPolicy || command.operand == Operand::kCalendar) {
      words = StrCat("preview publish list ", words);
    }
    if (command.operand == Operand::kNotifications) {
      words = StrCat(ActionNames(kNotificationsActions, " "), " ", words);
    }
    if (command.operand == Operand::kDirectory) words = StrCat(ActionNames(kNamedActions, " "), " ", words);
    if (command.operand == Operand::kMeeting) words = StrCat("docket pack rule proposal ", words);
    if (command.operand == Operand::kOperation) words = StrCat(OperationNames(command.id), " ", words);
    cases += StrCat("    ", command.name, ") words=\"", words, "\" ;;\n");
  }
  return cases;
}

constexpr std::string_view kBash = R"(# bash completion for hotlinectl:  source <(hotlinectl completion bash)
_hotlinectl() {
  local cur prev command words i
  COMPREPLY=()
  cur="${COMP_WORDS[COMP_CWORD]}"
  prev="${COMP_WORDS[COMP_CWORD-1]}"
  command=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in
      @COMMAND_PATTERN@) command="${COMP_WORDS[i]}"; break ;;
    esac
  done
  case "$command:$prev" in
@FLAG_CASES@  esac
  case "$command" in
@COMMAND_CASES@    *) words="@COMMANDS@" ;;
  esac
  COMPREPLY=($(compgen -W "$words @GLOBALS@ --help" -- "$cur"))
}
complete -F _hotlinectl hotlinectl
)";

// zsh shows what each command and flag is for.
std::string ZshQuoted(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"'", "'\\''"}, {"[", "("}, {"]", ")"}, {":", "\\:"}});
}

std::string ZshFlags(const std::vector<FlagSpec>& flags, Language language, std::string_view indent) {
  std::string out;
  for (const FlagSpec& flag : flags) {
    std::string action;
    if (flag.kind == ValueKind::kFile) {
      action = ":file:_files";
    } else if (flag.kind == ValueKind::kWord) {
      action = StrCat(":word:(", FlagWords(flag, " "), ")");
    } else if (flag.kind != ValueKind::kSwitch) {
      action = ":value: ";
    }
    out += StrCat(indent, "'", flag.repeated ? "*" : "", "--", flag.name, "[",
                  ZshQuoted(Say(language, flag.help)), "]", action, "'", " \\\n");
  }
  return out;
}

std::string ZshScript(Language language) {
  std::string commands;
  std::string cases;
  for (const CommandSpec& command : Commands()) {
    commands += StrCat("    '", command.name, ":", ZshQuoted(Say(language, command.help)), "'\n");
    std::string operand = "':order: '";
    if (command.operand == Operand::kNone) operand = "''";
    if (command.operand == Operand::kShell) operand = "':shell:(bash zsh)'";
    if (command.operand == Operand::kEvidence) operand = "'1:action:(export verify)' '2:file:_files'";
    if (command.operand == Operand::kActionAndOrder) operand = "'1:action:(push list)' '2:order: '";
    if (command.operand == Operand::kPolicy) operand = "':action:(preview publish list)'";
    if (command.operand == Operand::kCalendar) {
      operand = "'1:action:(preview publish list)' '*:file:_files'";
    }
    if (command.operand == Operand::kNotifications) {
      operand = StrCat("'1:action:(", ActionNames(kNotificationsActions, " "), ")' '2:id: '");
    }
    if (command.operand == Operand::kDirectory) {
      operand = StrCat("'1:action:(", ActionNames(kNamedActions, " "), ")' '2:unit: '");
    }
    if (command.operand == Operand::kMeeting) operand = "'1:action:(docket pack rule proposal)' '2:item: '";
    if (command.operand == Operand::kCatalogue) {
      operand = "':action:(check show diff export reload)' ':item or version: ' ':version: '";
    }
    if (command.operand == Operand::kOperation) {
      operand = StrCat("'1:action:(", OperationNames(command.id), ")' '2:name, folder or order:_files'");
    }
    if (command.operand == Operand::kSuggest)
      operand = "':text or action:(evaluate examples)' '::action:(export)'";
    if (command.operand == Operand::kLink) operand = "':action:(status reconcile)' ':peer: '";
    if (command.operand == Operand::kOptionalCommand) operand = StrCat("':command:(", CommandNames(), ")'");
    cases += StrCat("    ", command.name, ")\n      _arguments \\\n",
                    ZshFlags(command.flags, language, "        "), "        $globals",
                    operand == "''" ? "" : " ", operand == "''" ? "" : operand, " ;;\n");
  }
  return StrCat(
      "#compdef hotlinectl\n# zsh completion for hotlinectl:  source <(hotlinectl completion "
      "zsh)\n_hotlinectl() {\n"
      "  local -a commands globals\n  local context state state_descr line\n  typeset -A opt_args\n  "
      "commands=(\n",
      commands, "  )\n  globals=( \\\n", ZshFlags(GlobalFlags(), language, "    "),
      "  )\n  _arguments -C $globals '1: :->command' '*:: :->rest'\n  case $state in\n"
      "    command) _describe command commands; return ;;\n  esac\n  case $line[1] in\n",
      cases, "  esac\n}\ncompdef _hotlinectl hotlinectl\n");
}

}  // namespace

const std::vector<CommandSpec>& Commands() {
  static const auto* const commands = new std::vector<CommandSpec>(MakeCommands());
  return *commands;
}

const std::vector<FlagSpec>& GlobalFlags() {
  static const auto* const flags = new std::vector<FlagSpec>{
      {.name = "site", .kind = ValueKind::kWord, .help = say::kFlagSite, .choices = "12345|110"},
      {"dispatch", ValueKind::kAddress, say::kFlagDispatch},
      {"work-order", ValueKind::kAddress, say::kFlagWorkOrder},
      {"escalation", ValueKind::kAddress, say::kFlagEscalation},
      {"ca", ValueKind::kFile, say::kFlagCa},
      {"cert", ValueKind::kFile, say::kFlagCert},
      {"key", ValueKind::kFile, say::kFlagKey},
      {"insecure", ValueKind::kSwitch, say::kFlagInsecure},
      {"json", ValueKind::kSwitch, say::kFlagJson},
      {.name = "lang", .kind = ValueKind::kWord, .help = say::kFlagLang, .choices = "zh|en"},
      {"timeout", ValueKind::kDuration, say::kFlagTimeout},
      {"account", ValueKind::kText, say::kFlagAccount},
      {"for-unit", ValueKind::kText, say::kFlagForUnit},
  };
  return *flags;
}

const CommandSpec* FindCommand(std::string_view name) {
  for (const CommandSpec& command : Commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::vector<std::string> ActionsOf(const CommandSpec& command) {
  std::vector<std::string> names;
  for (const NamedAction& action : NamedActionsOf(command.id)) names.emplace_back(action.name);
  return names;
}

std::vector<std::string> FlagsOf(const CommandSpec& command, std::string_view action) {
  std::vector<std::string> flags;
  for (const NamedAction& one : NamedActionsOf(command.id)) {
    if (one.name != action) continue;
    for (const FlagSpec& flag : command.flags) {
      const std::string word = StrCat(" ", flag.name, " ");
      const bool change = command.id == CommandId::kDirectory && ChangesDirectory(action) &&
                          kChangeFlags.find(word) != std::string_view::npos;
      if (change || one.flags.find(word) != std::string_view::npos) flags.emplace_back(flag.name);
    }
  }
  return flags;
}

const std::string& Arguments::Text(std::string_view flag) const {
  static const std::string* const empty = new std::string();
  const auto it = values.find(flag);
  return it == values.end() ? *empty : it->second.front();
}

const std::vector<std::string>& Arguments::All(std::string_view flag) const {
  static const auto* const empty = new std::vector<std::string>();
  const auto it = values.find(flag);
  return it == values.end() ? *empty : it->second;
}

int32_t Arguments::PageLimit(int32_t fallback) const {
  const int64_t limit = Integer("limit", fallback);
  return limit == 0 ? kMaxPage : static_cast<int32_t>(std::clamp<int64_t>(limit, 1, kMaxPage));
}

int64_t Arguments::Integer(std::string_view flag, int64_t fallback) const {
  return Has(flag) ? ParseInteger(Text(flag)).value_or(fallback) : fallback;
}

std::optional<absl::Time> Arguments::Time(std::string_view flag, absl::Time now) const {
  return Has(flag) ? ParseTime(Text(flag), now) : std::nullopt;
}

Language LanguageOf(const Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const std::string value = environment(name);
    if (!value.empty()) return value.starts_with("zh") ? Language::kChinese : Language::kEnglish;
  }
  return Language::kEnglish;
}

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& words,
                                         const Environment& environment, Language* language) {
  *language = ChooseLanguage(words, environment);
  Arguments arguments;
  arguments.language = *language;
  Reader reader(words, *language);
  if (absl::Status status = reader.Read(arguments); !status.ok()) {
    // Who asks for help while lost gets it.
    if (arguments.help) return arguments;
    return status;
  }
  if (arguments.help) return arguments;
  if (arguments.command == nullptr) {
    return reader.Fault(arguments, std::string(Say(*language, say::kNoCommand)));
  }
  if (std::string fault = Fault(arguments, *language); !fault.empty()) return reader.Fault(arguments, fault);

  const auto global = [&](std::string_view name) -> std::string {
    const auto it = reader.globals.find(name);
    return it == reader.globals.end() ? "" : it->second.front();
  };
  const auto first = [](std::initializer_list<std::string> candidates) {
    for (const std::string& candidate : candidates) {
      if (!candidate.empty()) return candidate;
    }
    return std::string();
  };
  DemoSite site{};
  for (const DemoSite& demo : kDemoSites) {
    if (demo.name == global("site")) site = demo;
  }
  const DemoSite& fallback = kDemoSites[0];
  arguments.site_named =
      !first({global("dispatch"), std::string(site.dispatch), environment("HOTLINE_DISPATCH")}).empty();
  arguments.work_order_named =
      !first({global("work-order"), std::string(site.work_order), environment("HOTLINE_WORK_ORDER")}).empty();
  arguments.escalation_named =
      !first({global("escalation"), std::string(site.escalation), environment("HOTLINE_ESCALATION")}).empty();
  arguments.dispatch = first({global("dispatch"), std::string(site.dispatch), environment("HOTLINE_DISPATCH"),
                              std::string(fallback.dispatch)});
  arguments.work_order = first({global("work-order"), std::string(site.work_order),
                                environment("HOTLINE_WORK_ORDER"), std::string(fallback.work_order)});
  arguments.escalation = first({global("escalation"), std::string(site.escalation),
                                environment("HOTLINE_ESCALATION"), std::string(fallback.escalation)});
  arguments.for_unit = first({global("for-unit"), environment("HOTLINE_UNIT")});
  arguments.account =
      first({global("account"), environment("HOTLINE_ACCOUNT"), environment("USER"), "hotlinectl"});
  // All three from one place: half of a flag's and half of the environment's would be nobody's identity.
  const bool tls_by_flag = !first({global("ca"), global("cert"), global("key")}).empty();
  arguments.ca_file = tls_by_flag ? global("ca") : environment("HOTLINE_CA");
  arguments.cert_file = tls_by_flag ? global("cert") : environment("HOTLINE_CERT");
  arguments.key_file = tls_by_flag ? global("key") : environment("HOTLINE_KEY");
  arguments.insecure = !global("insecure").empty();
  arguments.json = !global("json").empty();
  if (!global("timeout").empty()) arguments.timeout = ParseDuration(global("timeout"));
  if (arguments.ca_file.empty() != arguments.cert_file.empty() ||
      arguments.ca_file.empty() != arguments.key_file.empty()) {
    return reader.Fault(arguments, std::string(Say(*language, say::kCertAndKey)));
  }
  return arguments;
}

type::v1::Actor ActorOf(const Arguments& arguments) {
  type::v1::Actor actor;
  actor.set_account(arguments.account);
  actor.set_unit(arguments.for_unit);
  const CommandId id = arguments.command->id;
  if ((id == CommandId::kReturn || id == CommandId::kAskExtension) && arguments.Has("unit")) {
    actor.set_unit(arguments.Text("unit"));
  }
  return actor;
}

std::string HelpText(Language language) {
  std::string out(Say(language, say::kUsage));
  out += StrCat("\n", Say(language, say::kCommands), "\n");
  for (const CommandSpec& command : Commands()) {
    const std::string left = StrCat("  ", command.name, OperandText(command.operand));
    out += StrCat(left, std::string(std::max(2, 24 - DisplayWidth(left)), ' '), Say(language, command.help),
                  "\n");
  }
  out += StrCat("\n", Say(language, say::kGlobalFlags), "\n",
                FlagTable(GlobalFlags(), language, false, WithAll), "\n", Say(language, say::kExitCodes));
  return out;
}

std::string CommandHelpText(const CommandSpec& command, Language language) {
  std::string out = StrCat(Say(language, say::kUsageLine, StrCat(command.name, OperandText(command.operand))),
                           "\n\n", Say(language, command.help), "\n");
  if (!command.flags.empty()) {
    out += StrCat("\n", Say(language, say::kFlags), "\n",
                  FlagTable(command.flags, language, command.id == CommandId::kPush,
                            [&](const FlagSpec& flag) { return ActionsWith(command, flag); }));
  }
  if (command.id == CommandId::kPush) out += StrCat("\n", Say(language, say::kImportHelp));
  out += StrCat("\n", Say(language, say::kGlobalFlags), "\n",
                FlagTable(GlobalFlags(), language, false, WithAll));
  return out;
}

std::string CompletionScript(std::string_view shell, Language language) {
  if (shell == "zsh") return ZshScript(language);
  return absl::StrReplaceAll(ToAbsl(kBash),
                             {{"@COMMAND_PATTERN@", absl::StrReplaceAll(CommandNames(), {{" ", "|"}})},
                              {"@FLAG_CASES@", BashCases()},
                              {"@COMMAND_CASES@", BashCommands()},
                              {"@COMMANDS@", CommandNames()},
                              {"@GLOBALS@", FlagNames(GlobalFlags())}});
}

}  // namespace hotline::hotlinectl
