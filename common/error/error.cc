#include "common/error/error.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "common/base/text.h"
#include "google/rpc/error_details.pb.h"

namespace hotline::error {
namespace {

// Where the wire form travels inside an absl::Status.
constexpr std::string_view kPayload = "type.googleapis.com/google.rpc.Status";
constexpr std::string_view kPrefix = "ERROR_REASON_";

// A failure before it becomes a status.
struct Draft {
  absl::StatusCode code;
  Reason reason;
  std::string english;
  std::string chinese;
  std::string field;
  absl::Duration retry_after = absl::ZeroDuration();
  std::vector<std::pair<std::string, std::string>> metadata;
};

absl::Status Attach(absl::Status status, const google::rpc::Status& proto) {
  status.SetPayload(ToAbsl(kPayload), absl::Cord(proto.SerializeAsString()));
  return status;
}

absl::Status Make(Draft draft) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(draft.code));
  proto.set_message(draft.english);

  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(draft.reason)));
  info.set_domain("hotline");
  for (auto& [key, value] : draft.metadata) (*info.mutable_metadata())[key] = value;
  proto.add_details()->PackFrom(info);

  if (!draft.field.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(draft.field);
    violation->set_description(draft.english);
    proto.add_details()->PackFrom(bad);
  }
  if (draft.retry_after > absl::ZeroDuration()) {
    google::rpc::RetryInfo retry;
    const int64_t nanos = absl::ToInt64Nanoseconds(draft.retry_after);
    retry.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    proto.add_details()->PackFrom(retry);
  }
  google::rpc::LocalizedMessage localized;
  localized.set_locale("zh-CN");
  localized.set_message(draft.chinese);
  proto.add_details()->PackFrom(localized);

  return Attach(absl::Status(draft.code, draft.english), proto);
}

google::rpc::Status WireOf(const absl::Status& status) {
  google::rpc::Status proto;
  const auto payload = status.GetPayload(ToAbsl(kPayload));
  if (!payload.has_value() || !proto.ParseFromString(std::string(*payload))) {
    proto.Clear();
    proto.set_code(static_cast<int>(status.code()));
    proto.set_message(std::string(status.message()));
  }
  return proto;
}

// As a person reads it: `in progress`.
std::string StateWord(type::v1::OrderState state) {
  std::string word = type::v1::OrderState_Name(state);
  constexpr std::string_view kStates = "ORDER_STATE_";
  if (word.starts_with(kStates)) word.erase(0, kStates.size());
  std::replace(word.begin(), word.end(), '_', ' ');
  return absl::AsciiStrToLower(word);
}

// The first detail of type T, or a default one.
template <typename T>
T DetailOf(const absl::Status& status) {
  T detail;
  if (status.ok()) return detail;
  const google::rpc::Status wire = WireOf(status);
  for (const google::protobuf::Any& any : wire.details()) {
    if (any.Is<T>() && any.UnpackTo(&detail)) break;
  }
  return detail;
}

bool IsUntilRestart(std::string_view what) { return what.find(kUntilRestart) != std::string_view::npos; }

}  // namespace

absl::Status BadField(Reason reason, std::string_view field, std::string_view english,
                      std::string_view chinese) {
  return Make({.code = absl::StatusCode::kInvalidArgument,
               .reason = reason,
               .english = field.empty() ? std::string(english) : StrCat(field, ": ", english),
               .chinese = field.empty() ? std::string(chinese) : StrCat("字段 ", field, "：", chinese),
               .field = std::string(field)});
}

absl::Status Required(std::string_view field) {
  return BadField(Reason::ERROR_REASON_FIELD_REQUIRED, field, "is required", "必填");
}

absl::Status TooLong(std::string_view field, int64_t max_code_points) {
  return BadField(Reason::ERROR_REASON_TEXT_TOO_LONG, field,
                  StrCat("is longer than ", max_code_points, " characters"),
                  StrCat("超过", max_code_points, "个字符"));
}

absl::Status BadText(std::string_view field) {
  return BadField(Reason::ERROR_REASON_TEXT_INVALID, field, "is not valid UTF-8 or has control characters",
                  "不是有效的UTF-8文本，或含有控制字符");
}

absl::Status BadEnum(std::string_view field, int value) {
  return BadField(Reason::ERROR_REASON_ENUM_INVALID, field, StrCat("has no value ", value, " to use here"),
                  StrCat("取值", value, "无效"));
}

absl::Status OrderNotFound(std::string_view id_or_number) {
  return Make({.code = absl::StatusCode::kNotFound,
               .reason = Reason::ERROR_REASON_ORDER_NOT_FOUND,
               .english = StrCat("no order ", id_or_number, " at this site"),
               .chinese = StrCat("本平台没有工单", id_or_number),
               .metadata = {{"order", std::string(id_or_number)}}});
}

absl::Status WrongState(std::string_view command, std::string_view command_zh, type::v1::OrderState state,
                        std::span<const type::v1::OrderState> possible) {
  constexpr size_t kMostNamed = 4;
  std::string english, chinese, names;
  if (possible.size() <= kMostNamed) {
    for (const type::v1::OrderState one : possible) {
      english += StrCat(english.empty() ? "; it is done in state " : " or ", StateWord(one));
      chinese += StrCat(chinese.empty() ? "（须先处于“" : "或“", StateNameZh(one), "”");
      names += StrCat(names.empty() ? "" : ",", type::v1::OrderState_Name(one));
    }
    if (!chinese.empty()) chinese += "）";
  }
  std::vector<std::pair<std::string, std::string>> metadata = {{"command", std::string(command)},
                                                               {"state", type::v1::OrderState_Name(state)}};
  if (!names.empty()) metadata.emplace_back("possible_states", names);
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_WRONG_STATE,
               .english = StrCat("cannot ", command, " an order in state ", StateWord(state), english),
               .chinese = StrCat("工单状态为“", StateNameZh(state), "”，不能", command_zh, chinese),
               .metadata = std::move(metadata)});
}

absl::Status NotHolder(std::string_view command_zh, std::string_view holder, std::string_view needed,
                       std::string_view who) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames = {
      {{"holder", "持有方"}, {"origin", "首接平台"}, {"giver", "推送方"}, {"receiver", "接收方"}}};
  std::string_view needed_zh = needed;
  for (const auto& [english, chinese] : kNames) {
    if (english == needed) needed_zh = chinese;
  }
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_NOT_HOLDER,
               .english = StrCat("only the ", needed, who.empty() ? "" : " ", who,
                                 " may do this; the holder is ", holder),
               .chinese = StrCat("只有", needed_zh, who, "可以", command_zh, "；当前持有方为", holder),
               .metadata = {{"holder", std::string(holder)}, {"needed", std::string(needed)}}});
}

absl::Status OtherCopy(std::string_view handoff_id) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_NOT_HOLDER,
       .english = StrCat("the order came back to this site: work with the copy of handoff ", handoff_id),
       .chinese = StrCat("本工单已回到本平台，请在移交", handoff_id, "对应的工单上办理"),
       .metadata = {{"handoff", std::string(handoff_id)}}});
}

absl::Status ReturnLimit(std::string_view whose, std::string_view whose_zh, int limit) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_RETURN_LIMIT,
       .english = StrCat("the free returns are used up (", limit, " per ", whose,
                         "): a ruling has to say who handles the order"),
       .chinese = StrCat("退单次数已用完（", whose_zh, "可退", limit, "次），须经裁定明确承办方，不得再退回"),
       .metadata = {{"limit", StrCat(limit)}, {"per", std::string(whose)}}});
}

absl::Status ReturnWindowOver(std::string_view unit) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_RETURN_WINDOW_OVER,
               .english = StrCat("the time in which unit ", unit,
                                 " may return the order is over: it handles it, or the desk reassigns it"),
               .chinese = StrCat("单位", unit, "的退单时限已过，应予办理，确需调整的由热线改派"),
               .metadata = {{"unit", std::string(unit)}}});
}

absl::Status Bounce(std::string_view target, std::string_view way, std::string_view way_zh) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_BOUNCE,
               .english = StrCat("the order was at ", target, " before; confirm the push if that is meant",
                                 way.empty() ? "" : ". Its way: ", way),
               .chinese = StrCat("工单此前已到过", target, "，如确需再次推送请确认",
                                 way_zh.empty() ? "" : "。流转经过：", way_zh),
               .field = "offer.confirm_bounce",
               .metadata = {{"target", std::string(target)}}});
}

absl::Status Ruled() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_RULED,
               .english = "a ruling made this hotline responsible: the order cannot be returned or passed on",
               .chinese = "已裁定由本平台承办，不得退回、转出或再提争议"});
}

absl::Status DangerFirst() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_DANGER_FIRST,
               .english = "taken over because of danger: dispatch units or report progress first",
               .chinese = "本工单为危险先处，须先派警或记录处置情况，之后方可移交"});
}

absl::Status Disputed() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_DISPUTED,
               .english = "the order is disputed: it cannot be pushed before a ruling",
               .chinese = "工单存在争议，由首接平台先行办理，裁定前不得再推送"});
}

absl::Status RuledUnit(std::string_view unit) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_RULED,
               .english = StrCat("a ruling says that unit ", unit, " handles the order"),
               .chinese = StrCat("已裁定由单位", unit, "承办，不得退回或改派"),
               .metadata = {{"unit", std::string(unit)}}});
}

absl::Status ExtensionTooLate() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_EXTENSION_TOO_LATE,
               .english = "the deadline has passed: an extension has to be asked for before it",
               .chinese = "已超过办理时限，延期须在到期前申请"});
}

absl::Status ExtensionLimit(int limit) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_EXTENSION_LIMIT,
               .english = StrCat("the order has had the extensions that it may have (", limit, ")"),
               .chinese = StrCat("每件工单最多延期", limit, "次，已用完"),
               .metadata = {{"limit", StrCat(limit)}}});
}

absl::Status ExtensionPending(bool open) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_EXTENSION_PENDING,
       .english = open ? "another extension is asked for and not decided yet" : "no extension is asked for",
       .chinese = open ? "已有延期申请待审批" : "没有待审批的延期申请"});
}

absl::Status PreviewStale(std::string_view english, std::string_view chinese) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_PREVIEW_STALE,
               .english = std::string(english),
               .chinese = std::string(chinese)});
}

absl::Status PublicationRunning(int64_t publication) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_PUBLICATION_RUNNING,
               .english = StrCat("publication ", publication, " is still being carried out"),
               .chinese = StrCat("第", publication, "次发布尚未执行完毕"),
               .metadata = {{"publication", StrCat(publication)}}});
}

absl::Status ClockNotFound(std::string_view order, std::string_view has, std::string_view has_zh) {
  return Make({.code = absl::StatusCode::kNotFound,
               .reason = Reason::ERROR_REASON_CLOCK_NOT_FOUND,
               .english = StrCat("order ", order, " has no such clock; ",
                                 has.empty() ? "it has none" : "those it has: ", has),
               .chinese = StrCat("工单", order, "没有该时限；",
                                 has_zh.empty() ? "现无任何时限" : "现有时限：", has_zh),
               .metadata = {{"order", std::string(order)}}});
}

absl::Status NoCatalogue() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_NO_CATALOGUE,
               .english = "this site has no catalogue in force: see dispatch.catalogue_dir",
               .chinese = "本平台未配置当前有效的受理事项清单"});
}

absl::Status RouteUndecided(std::string_view question, std::string_view question_en,
                            std::string_view advice) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_ROUTE_UNDECIDED,
               .english = StrCat("a person decides where it goes: ", question_en),
               .chinese = StrCat(advice, "。", question),
               .field = "offer.to_hotline",
               .metadata = {{"question", std::string(question)}}});
}

absl::Status OwnMatter(std::string_view english, std::string_view chinese) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_OWN_MATTER,
               .english = StrCat("nothing to push: ", english),
               .chinese = StrCat("无须推送：", chinese),
               .field = "offer.to_hotline"});
}

absl::Status UnitRecused(std::string_view field, std::string_view unit) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_UNIT_RECUSED,
               .english = StrCat("the matter accuses unit ", unit, ": it may not handle it"),
               .chinese = StrCat("诉求反映的正是该单位（", unit, "），须回避，不得承办"),
               .field = std::string(field),
               .metadata = {{"unit", std::string(unit)}}});
}

absl::Status CatalogueVersionUnknown(std::string_view version, std::string_view field) {
  return Make({.code = absl::StatusCode::kNotFound,
               .reason = Reason::ERROR_REASON_CATALOGUE_VERSION_UNKNOWN,
               .english = StrCat("no version ", version, " of the catalogue is loaded"),
               .chinese = StrCat("没有加载清单版本 ", version),
               .field = std::string(field)});
}

absl::Status AdviceNotReady() {
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_OVERLOADED,
               .english =
                   "advice is not ready yet, as its model is still made after a start: try again, or push "
                   "with a target",
               .chinese = "派单建议正在准备（服务刚启动），请稍后重试；推送时也可直接指定目标平台",
               .retry_after = absl::Seconds(5)});
}

absl::Status ItemUnknown(std::string_view field, std::string_view version) {
  return BadField(Reason::ERROR_REASON_ITEM_UNKNOWN, field,
                  StrCat("is no item that holds today in version ", version),
                  StrCat("不是清单版本 ", version, " 中当前有效的事项"));
}

absl::Status CatalogueInvalid(std::string_view english, std::string_view chinese) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_CATALOGUE_INVALID,
               .english = std::string(english),
               .chinese = std::string(chinese.empty() ? "清单文件无法读取" : chinese)});
}

absl::Status Suspended() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_SUSPENDED,
               .english = "the order is suspended; resume it first",
               .chinese = "工单已挂起，请先恢复"});
}

absl::Status SpokenCodeWrong() {
  return BadField(Reason::ERROR_REASON_SPOKEN_CODE_WRONG, "confirm_by_voice.code",
                  "is not the spoken code of this handoff", "口令与本次移交不符，请与对方核对工单");
}

absl::Status Restricted() {
  return Make({.code = absl::StatusCode::kPermissionDenied,
               .reason = Reason::ERROR_REASON_RESTRICTED,
               .english = "the order is for those who need to know",
               .chinese = "该工单限制知悉，当前账号无权查看或办理"});
}

absl::Status Merged(std::string_view number) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_MERGED,
       .english = StrCat("the order is merged with ", number, ": work is done under the one that is kept"),
       .chinese = StrCat("工单已与", number, "并单，请在保留的工单上办理，或先拆单"),
       .metadata = {{"order", std::string(number)}}});
}

absl::Status HasMerged(std::string_view number, std::string_view what, std::string_view what_zh) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_MERGED,
               .english = StrCat("orders were merged into this one (", number, " first), which cannot ", what,
                                 ": separate them before"),
               .chinese = StrCat("已有工单（", number, "等）并入本工单，不能", what_zh, "；请先将其拆出"),
               .metadata = {{"order", std::string(number)}}});
}

absl::Status UnansweredCallers(std::string_view numbers) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_UNANSWERED_CALLERS,
               .english = StrCat("callers of merged orders have still to be answered: ", numbers),
               .chinese = StrCat("并单诉求人尚未全部答复：", numbers),
               .metadata = {{"orders", std::string(numbers)}}});
}

absl::Status UnitNotAssigned(std::string_view unit) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_UNIT_NOT_ASSIGNED,
               .english = StrCat("unit ", unit, " is not at work on this order"),
               .chinese = StrCat("单位", unit, "不是本工单的主办或协办单位"),
               .metadata = {{"unit", std::string(unit)}}});
}

absl::Status NotLeadUnit(std::string_view unit) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_UNIT_NOT_ASSIGNED,
               .english = StrCat("unit ", unit, " assists: only the lead unit returns the order"),
               .chinese = StrCat("单位", unit, "为协办单位，只有主办单位可以退单"),
               .metadata = {{"unit", std::string(unit)}}});
}

absl::Status RequestIdReused(std::string_view request_id) {
  return Make({.code = absl::StatusCode::kAlreadyExists,
               .reason = Reason::ERROR_REASON_REQUEST_ID_REUSED,
               .english = StrCat("request id ", request_id, " was used before with another body"),
               .chinese = "该请求编号已用于内容不同的请求",
               .field = "header.request_id"});
}

absl::Status StaleVersion(int64_t expected, int64_t actual) {
  return Make({.code = absl::StatusCode::kAborted,
               .reason = Reason::ERROR_REASON_STALE_VERSION,
               .english = StrCat("the order is at version ", actual, ", not ", expected, ": read it again"),
               .chinese = "工单已被他人更新，请刷新后重试",
               .field = "header.expected_version",
               .metadata = {{"version", StrCat(actual)}}});
}

absl::Status SequenceOutOfRange(int64_t wanted, int64_t head, std::string_view field) {
  return Make({.code = absl::StatusCode::kOutOfRange,
               .reason = Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE,
               .english = StrCat("sequence ", wanted, " is out of range: the head is ", head),
               .chinese = StrCat("序号", wanted, "超出范围，当前末尾为", head),
               .field = std::string(field),
               .metadata = {{"head", StrCat(head)}}});
}

absl::Status TargetUnknown(std::string_view hotline) {
  return BadField(Reason::ERROR_REASON_TARGET_UNKNOWN, "offer.to_hotline",
                  StrCat("'", hotline, "' is not a configured peer of this site"),
                  "不是本平台已配置的联动平台");
}

absl::Status PeerUnknown(std::string_view hotline) {
  return Make(
      {.code = absl::StatusCode::kPermissionDenied,
       .reason = Reason::ERROR_REASON_PEER_UNKNOWN,
       .english = StrCat("'", hotline, "' is not a peer of this site, or the caller is not that peer"),
       .chinese = "对方不是本平台已配置的联动平台，或身份不符",
       .metadata = {{"peer", std::string(hotline)}}});
}

absl::Status NotThisSite(std::string_view to_hotline, std::string_view hotline) {
  return Make({.code = absl::StatusCode::kPermissionDenied,
               .reason = Reason::ERROR_REASON_PEER_UNKNOWN,
               .english = StrCat("this is ", hotline, ", not '", to_hotline, "'"),
               .chinese = StrCat("本平台为", hotline, "，不是“", to_hotline, "”"),
               .field = "to_hotline",
               .metadata = {{"hotline", std::string(hotline)}}});
}

absl::Status RoleForbidden(std::string_view identity, std::string_view method, std::string_view may) {
  return Make(
      {.code = absl::StatusCode::kPermissionDenied,
       .reason = Reason::ERROR_REASON_ROLE_FORBIDDEN,
       .english = StrCat("'", identity, "' may not call ", method, may.empty() ? "" : "; who may: ", may),
       .chinese = StrCat("当前身份无权调用该接口", may.empty() ? "" : "，有权的身份：", may),
       .metadata = {{"identity", std::string(identity)}, {"method", std::string(method)}}});
}

absl::Status ProtocolVersionUnsupported(int theirs, int ours) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED,
       .english = StrCat("exchange protocol version ", theirs, " is not spoken here; version ", ours, " is"),
       .chinese = StrCat("不支持交换协议版本", theirs, "，本平台为版本", ours),
       .metadata = {{"supported", StrCat(ours)}}});
}

absl::Status LinkForked(std::string_view peer, int64_t sequence) {
  return Make(
      {.code = absl::StatusCode::kDataLoss,
       .reason = Reason::ERROR_REASON_LINK_FORKED,
       .english = StrCat("the link with ", peer, " does not continue the agreed chain at ", sequence),
       .chinese = StrCat("与", peer, "的链路在第", sequence, "条处与已确认的记录不一致，已停止，请人工处理"),
       .metadata = {{"peer", std::string(peer)}, {"sequence", StrCat(sequence)}}});
}

absl::Status NoSigningKey() {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_NO_SIGNING_KEY,
       .english = "this site has no key to sign with: configure signing.keys, or none of them has begun yet",
       .chinese = "本平台没有可用的签名密钥：请先配置 signing.keys，或其中的密钥尚未生效"});
}

absl::Status EvidenceTooLarge(int64_t max_bytes) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_EVIDENCE_TOO_LARGE,
       .english = StrCat("what is to be proven is more than a file of evidence may hold (", max_bytes,
                         " bytes): read the order's events instead"),
       .chinese = StrCat("该工单的证据超过单个文件上限（", max_bytes, "字节），请改为查阅工单办理记录")});
}

absl::Status SignatureMissing(std::string_view party) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_SIGNATURE_MISSING,
               .english = StrCat("what came from ", party, " is not signed, and must be"),
               .chinese = StrCat("来自", party, "的数据没有签名，已拒收"),
               .metadata = {{"party", std::string(party)}}});
}

absl::Status SignatureInvalid(std::string_view party, std::string_view key_id, std::string_view english,
                              std::string_view chinese) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_SIGNATURE_INVALID,
               .english = StrCat("the signature by key '", key_id, "' of ", party, " is not good: ", english),
               .chinese = StrCat(party, "的签名（密钥", key_id, "）无效：", chinese),
               .metadata = {{"party", std::string(party)}, {"key_id", std::string(key_id)}}});
}

absl::Status LinkBehind(std::string_view peer, int64_t theirs, int64_t ours) {
  return Make(
      {.code = absl::StatusCode::kDataLoss,
       .reason = Reason::ERROR_REASON_LINK_BEHIND,
       .english = StrCat(peer, " has received up to ", theirs, " from this site, which knows only up to ",
                         ours, ": recovering from the peer"),
       .chinese =
           StrCat(peer, "已收到本平台至第", theirs, "条，本平台只记录到第", ours, "条，正在从对方恢复"),
       .metadata = {{"peer", std::string(peer)}, {"theirs", StrCat(theirs)}, {"ours", StrCat(ours)}}});
}

absl::Status Overloaded(std::string_view queue, absl::Duration retry_after) {
  return Make({.code = absl::StatusCode::kResourceExhausted,
               .reason = Reason::ERROR_REASON_OVERLOADED,
               .english = StrCat(queue, " is full; try again later"),
               .chinese = "系统繁忙，请稍后重试",
               .retry_after = retry_after,
               .metadata = {{"queue", std::string(queue)}}});
}

absl::Status ReportTooLarge(std::string_view field, int64_t limit) {
  return BadField(Reason::ERROR_REASON_REPORT_TOO_LARGE, field,
                  StrCat("holds more than ", limit, " orders: ask for shorter periods and add them up"),
                  StrCat("所含工单超过", limit, "件，请缩短统计周期后分段查询"));
}

absl::Status ReportBehind(int64_t cursor, int64_t head) {
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_REPORT_BEHIND,
               .english = StrCat("the log has been read up to #", cursor, " of #", head),
               .chinese = StrCat("统计正在读取日志（已到#", cursor, "，共#", head, "），请稍后再试"),
               .retry_after = absl::Seconds(1)});
}

absl::Status NoBreach() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_NO_BREACH,
               .english = "no deadline of the order was missed",
               .chinese = "该工单没有超过时限的环节，无需出具文书"});
}

absl::Status DocketSettled(std::string_view item_id) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_DOCKET_SETTLED,
               .english = StrCat("item ", item_id, " was ruled already, or its order has ended"),
               .chinese = StrCat("议题", item_id, "已裁定，或其工单已终结"),
               .metadata = {{"item", std::string(item_id)}}});
}

absl::Status DocketItemNotFound(std::string_view item_id) {
  return Make({.code = absl::StatusCode::kNotFound,
               .reason = Reason::ERROR_REASON_DOCKET_ITEM_NOT_FOUND,
               .english = StrCat("the docket has no item ", item_id),
               .chinese = StrCat("议题清单中没有", item_id),
               .metadata = {{"item", std::string(item_id)}}});
}

absl::Status NotRuled() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_NOT_RULED,
               .english = "nobody has ruled on the item yet",
               .chinese = "该议题尚未裁定，不能形成清单修改建议"});
}

absl::Status StoreFailed(std::string_view what) {
  // Who is told when to try again would do so for ever.
  const bool until_restart = IsUntilRestart(what);
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_STORE_FAILED,
               .english = StrCat("the store failed: ", what),
               .chinese = until_restart
                              ? "数据存储故障，本次操作未生效：一次写入失败，或数据文件曾被移走、替换；"
                                "服务重启前不再受理。文件被移走或替换的，须先停止服务、放回原文件再启动"
                                "（直接重启会另建空库）；其他情况请管理员排除原因后重启服务（systemctl "
                                "restart hotline-work-order 或 hotline-escalation）"
                              : "数据存储故障，本次操作未生效，请联系管理员",
               .retry_after = until_restart ? absl::ZeroDuration() : absl::Seconds(1)});
}

absl::Status StoreNotOpened(std::string_view english, std::string_view chinese) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_STORE_FAILED,
               .english = std::string(english),
               .chinese = std::string(chinese)});
}

absl::Status OutcomeUnknown(const absl::Status& failure, bool has_no_id) {
  if (ReasonOf(failure) != Reason::ERROR_REASON_STORE_FAILED) return failure;
  const std::string_view ask = IsUntilRestart(ToStd(failure.message()))
                                   ? "请联系管理员排除原因（数据文件被移走的须先放回）并重启服务"
                                   : "请联系管理员";
  return Make(
      {.code = failure.code(),
       .reason = Reason::ERROR_REASON_STORE_FAILED,
       .english = StrCat(ToStd(failure.message()), "; the outcome is unknown, try again",
                         has_no_id ? "" : " with the same request id"),
       .chinese = StrCat("数据存储故障，结果未知，", ask, has_no_id ? "后重试" : "，并用同一请求编号重试"),
       .retry_after = RetryDelayOf(failure)});
}

absl::Status SpoolFailed(std::string_view what) {
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_STORE_FAILED,
               .english = StrCat("the spool failed: ", what),
               .chinese = "文件交换目录故障，请联系管理员",
               .retry_after = absl::Seconds(1)});
}

absl::Status DiskFull() {
  return Make({.code = absl::StatusCode::kResourceExhausted,
               .reason = Reason::ERROR_REASON_DISK_FULL,
               .english = "the disk is full; nothing was done",
               .chinese = "磁盘已满，本次操作未生效，请联系管理员",
               .retry_after = absl::Seconds(10)});
}

absl::Status BackupNotConfigured() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_BACKUP_NOT_CONFIGURED,
               .english = "the site's configuration has no backup.directory",
               .chinese = "本平台未配置备份目录（backup.directory）"});
}

absl::Status BackupRunning() {
  return Make({.code = absl::StatusCode::kAborted,
               .reason = Reason::ERROR_REASON_BACKUP_RUNNING,
               .english = "another backup is being made",
               .chinese = "另一备份正在进行，请稍后再试"});
}

absl::Status BackupExists(std::string_view name) {
  return Make({.code = absl::StatusCode::kAlreadyExists,
               .reason = Reason::ERROR_REASON_BACKUP_EXISTS,
               .english = StrCat("there is a backup ", name, " already"),
               .chinese = StrCat("备份“", name, "”已存在，不会覆盖")});
}

absl::Status SchemaNewer(std::string_view store, int64_t found, int64_t known) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_SCHEMA_NEWER,
       .english =
           StrCat(store, " has schema version ", found, " of a newer release; this release knows ", known,
                  " at most: start the newer release again, or restore a backup from before "
                  "the upgrade"),
       .chinese = StrCat(store, " 的数据结构版本为 ", found, "，由更新的软件版本写入；本版本最高支持 ", known,
                         "：请启动新版本，或恢复升级前的备份"),
       .metadata = {{"found", StrCat(found)}, {"known", StrCat(known)}}});
}

absl::Status LegalHold(std::string_view reference) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_LEGAL_HOLD,
               .english = StrCat("the order is under a legal hold: ", reference),
               .chinese = StrCat("该工单处于法律保全中：", reference)});
}

absl::Status NotHeld() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_NOT_HELD,
               .english = "no legal hold is on the order",
               .chinese = "该工单未处于法律保全中"});
}

absl::Status ContentErased() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_CONTENT_ERASED,
               .english = "the content of the order was erased, as its time of retention had passed",
               .chinese = "该工单已超过保存期限，内容已清除"});
}

absl::Status RetentionRunning() {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_RETENTION_RUNNING,
               .english = "the order has changed since: its time of retention has not passed",
               .chinese = "该工单此后有变动，保存期限未满"});
}

absl::Status WorkOrderUnreachable(std::string_view what) {
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_WORK_ORDER_UNREACHABLE,
               .english = StrCat("work_order cannot be reached: ", what,
                                 "; the outcome is unknown, try again with the same request id"),
               .chinese = "工单服务暂不可用，结果未知，请用同一请求编号重试",
               .retry_after = absl::Milliseconds(500)});
}

absl::Status PeerUnreachable(std::string_view peer) {
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_PEER_UNREACHABLE,
               .english = StrCat("the peer ", peer, " cannot be reached, or does not answer in time"),
               .chinese = StrCat("无法连接对方平台", peer, "，或对方未及时应答，请稍后再试"),
               .retry_after = absl::Seconds(10),
               .metadata = {{"peer", std::string(peer)}}});
}

absl::Status PeerDoesNotOffer(std::string_view peer) {
  return Make(
      {.code = absl::StatusCode::kFailedPrecondition,
       .reason = Reason::ERROR_REASON_PEER_CAPABILITY_MISSING,
       .english = StrCat("the peer ", peer,
                         " does not offer this optional part of the exchange protocol; the status of the "
                         "link says what it offers"),
       .chinese = StrCat("对方平台", peer, "未提供交换协议中的这项可选功能，其提供的功能见链路状态"),
       .metadata = {{"peer", std::string(peer)}}});
}

absl::Status OfPeer(std::string_view peer, const absl::Status& failure) {
  const Reason reason = ReasonOf(failure);
  const bool named = reason != Reason::ERROR_REASON_UNSPECIFIED;
  if (!named &&
      (absl::IsUnavailable(failure) || absl::IsDeadlineExceeded(failure) || absl::IsCancelled(failure))) {
    return PeerUnreachable(peer);
  }
  if (!named && absl::IsUnimplemented(failure)) return PeerDoesNotOffer(peer);
  const std::string what = named ? std::string(ReasonName(reason)) : absl::StatusCodeToString(failure.code());
  return Make({.code = failure.code(),
               .reason = named ? reason : Reason::ERROR_REASON_INTERNAL,
               .english = StrCat("the exchange with the peer ", peer, " failed: ", what),
               .chinese = StrCat("与对方平台", peer, "交换数据失败：", what),
               .retry_after = RetryDelayOf(failure),
               .metadata = {{"peer", std::string(peer)}}});
}

absl::Status Draining() {
  return Make({.code = absl::StatusCode::kUnavailable,
               .reason = Reason::ERROR_REASON_DRAINING,
               .english = "the service is going down; try again",
               .chinese = "服务正在停止，请稍后重试",
               .retry_after = absl::Seconds(1)});
}

absl::Status Internal(std::string_view what) {
  return Make({.code = absl::StatusCode::kInternal,
               .reason = Reason::ERROR_REASON_INTERNAL,
               .english = StrCat("internal error: ", what),
               .chinese = "程序内部错误，请联系管理员"});
}

absl::Status DirectoryUnknown(std::string_view field, std::string_view what, std::string_view what_zh,
                              std::string_view name) {
  return Make({.code = absl::StatusCode::kNotFound,
               .reason = Reason::ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN,
               .english = StrCat("the directory has no ", what, " '", name, "'"),
               .chinese = StrCat("通讯录中没有该", what_zh, "：", name),
               .field = std::string(field)});
}

absl::Status DirectoryRefused(Reason reason, std::string_view field, std::string_view english,
                              std::string_view chinese) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = reason,
               .english = std::string(english),
               .chinese = std::string(chinese),
               .field = std::string(field)});
}

absl::Status DirectoryStale(int64_t expected, int64_t actual) {
  return Make(
      {.code = absl::StatusCode::kAborted,
       .reason = Reason::ERROR_REASON_STALE_VERSION,
       .english = StrCat("the directory is at version ", actual, ", not ", expected, ": read it again"),
       .chinese = StrCat("通讯录已被他人更新（当前版本", actual, "），请重新读取后再改"),
       .field = "header.expected_version",
       .metadata = {{"version", StrCat(actual)}}});
}

absl::Status NoticeUnknown(Reason reason, std::string_view what, std::string_view what_zh,
                           std::string_view id) {
  return Make({.code = absl::StatusCode::kNotFound,
               .reason = reason,
               .english = StrCat("there is no ", what, " '", id, "'"),
               .chinese = StrCat("没有该", what_zh, "：", id)});
}

absl::Status DeliveryNotDead(std::string_view id) {
  return Make({.code = absl::StatusCode::kFailedPrecondition,
               .reason = Reason::ERROR_REASON_DELIVERY_NOT_DEAD,
               .english = StrCat("delivery '", id, "' is not given up, or not by a webhook"),
               .chinese = StrCat("投递", id, "并未终止，或不经网关，无须重投")});
}

absl::Status WithFieldPrefix(const absl::Status& status, std::string_view prefix) {
  if (FieldOf(status).empty()) return status;
  google::rpc::Status wire = WireOf(status);
  for (google::protobuf::Any& any : *wire.mutable_details()) {
    google::rpc::BadRequest bad;
    if (!any.Is<google::rpc::BadRequest>() || !any.UnpackTo(&bad)) continue;
    for (auto& violation : *bad.mutable_field_violations()) {
      violation.set_field(StrCat(prefix, ".", violation.field()));
    }
    any.PackFrom(bad);
  }
  return Attach(absl::Status(status.code(), status.message()), wire);
}

absl::Status WithoutFieldPrefix(const absl::Status& status, std::string_view prefix) {
  const std::string lead = StrCat(prefix, ".");
  if (!std::string_view(FieldOf(status)).starts_with(lead)) return status;
  const auto without = [&lead](std::string_view from) {
    std::string text(from);
    if (const size_t at = text.find(lead); at != std::string::npos) text.erase(at, lead.size());
    return text;
  };
  google::rpc::Status wire = WireOf(status);
  for (google::protobuf::Any& any : *wire.mutable_details()) {
    google::rpc::BadRequest bad;
    google::rpc::LocalizedMessage localized;
    if (any.Is<google::rpc::BadRequest>() && any.UnpackTo(&bad)) {
      for (auto& violation : *bad.mutable_field_violations()) {
        if (std::string_view(violation.field()).starts_with(lead)) {
          violation.set_field(violation.field().substr(lead.size()));
        }
        violation.set_description(without(violation.description()));
      }
      any.PackFrom(bad);
    } else if (any.Is<google::rpc::LocalizedMessage>() && any.UnpackTo(&localized)) {
      localized.set_message(without(localized.message()));
      any.PackFrom(localized);
    }
  }
  const std::string message = without(ToStd(status.message()));
  wire.set_message(message);
  return Attach(absl::Status(status.code(), message), wire);
}

Reason ReasonOf(const absl::Status& status) {
  Reason reason = Reason::ERROR_REASON_UNSPECIFIED;
  type::v1::ErrorReason_Parse(StrCat(kPrefix, DetailOf<google::rpc::ErrorInfo>(status).reason()), &reason);
  return reason;
}

std::string FieldOf(const absl::Status& status) {
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  return bad.field_violations().empty() ? std::string() : bad.field_violations(0).field();
}

std::string ChineseOf(const absl::Status& status) {
  return DetailOf<google::rpc::LocalizedMessage>(status).message();
}

std::string NeededOf(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  const auto needed = info.metadata().find("needed");
  return needed == info.metadata().end() ? std::string() : needed->second;
}

absl::Duration RetryDelayOf(const absl::Status& status) {
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  return absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
}

std::string_view ReasonName(Reason reason) {
  std::string_view name = type::v1::ErrorReason_Name(reason);
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return name;
}

std::string_view StateNameZh(type::v1::OrderState state) {
  switch (state) {
    case type::v1::ORDER_STATE_REGISTERED:
      return "已登记";
    case type::v1::ORDER_STATE_OFFERED:
      return "已推送";
    case type::v1::ORDER_STATE_RECEIVED:
      return "对方已接收";
    case type::v1::ORDER_STATE_UNDERSTOOD:
      return "待受理";
    case type::v1::ORDER_STATE_ACCEPTED:
      return "已受理";
    case type::v1::ORDER_STATE_RETURNED:
      return "已退回";
    case type::v1::ORDER_STATE_RECALLED:
      return "已撤回";
    case type::v1::ORDER_STATE_DISPATCHED:
      return "已派单";
    case type::v1::ORDER_STATE_SIGNED:
      return "已签收";
    case type::v1::ORDER_STATE_IN_PROGRESS:
      return "办理中";
    case type::v1::ORDER_STATE_REPLIED:
      return "已答复";
    case type::v1::ORDER_STATE_CALLED_BACK:
      return "已回访";
    case type::v1::ORDER_STATE_REDO:
      return "重办";
    case type::v1::ORDER_STATE_CLOSED:
      return "已办结";
    case type::v1::ORDER_STATE_CANCELLED:
      return "已作废";
    case type::v1::ORDER_STATE_ARCHIVED:
      return "已归档";
    default:
      return "未知";
  }
}

google::rpc::Status ToProto(const absl::Status& status) {
  if (status.ok()) return google::rpc::Status();
  return WireOf(status);
}

absl::Status FromProto(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  const bool known = status.code() >= 1 && status.code() <= 16;
  const auto code = known ? static_cast<absl::StatusCode>(status.code()) : absl::StatusCode::kUnknown;
  return Attach(absl::Status(code, status.message()), status);
}

}  // namespace hotline::error
