#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {
namespace {

struct EnumText {
  std::string_view name;
  std::string_view zh;
};

// Every value of the enums that people see, but the zeros. A test compares it with the contract.
constexpr EnumText kEnumTexts[] = {
    {"ORDER_STATE_REGISTERED", "已登记"},
    {"ORDER_STATE_OFFERED", "已推送"},
    {"ORDER_STATE_RECEIVED", "对方已接收"},
    {"ORDER_STATE_UNDERSTOOD", "待受理"},
    {"ORDER_STATE_ACCEPTED", "已受理"},
    {"ORDER_STATE_RETURNED", "已退回"},
    {"ORDER_STATE_RECALLED", "已撤回"},
    {"ORDER_STATE_DISPATCHED", "已派单"},
    {"ORDER_STATE_SIGNED", "已签收"},
    {"ORDER_STATE_IN_PROGRESS", "办理中"},
    {"ORDER_STATE_REPLIED", "已答复"},
    {"ORDER_STATE_CALLED_BACK", "已回访"},
    {"ORDER_STATE_REDO", "重办"},
    {"ORDER_STATE_CLOSED", "已办结"},
    {"ORDER_STATE_CANCELLED", "已作废"},
    {"ORDER_STATE_ARCHIVED", "已归档"},
    {"ORDER_TYPE_CONSULTATION", "咨询"},
    {"ORDER_TYPE_HELP", "求助"},
    {"ORDER_TYPE_COMPLAINT", "投诉"},
    {"ORDER_TYPE_REPORT", "举报"},
    {"ORDER_TYPE_SUGGESTION", "意见建议"},
    {"ORDER_TYPE_PRAISE", "表扬"},
    {"ORDER_TYPE_OTHER", "其他"},
    {"CHANNEL_PHONE", "电话"},
    {"CHANNEL_SMS", "短信"},
    {"CHANNEL_WEB", "网络"},
    {"CHANNEL_ON_SCENE", "现场"},
    {"CHANNEL_TRANSFERRED", "转接"},
    {"URGENCY_NORMAL", "普通"},
    {"URGENCY_URGENT", "紧急"},
    {"URGENCY_EMERGENCY", "特急"},
    {"HANDOFF_KIND_LIVE_CALL_TO_POLICE", "一键转接110"},
    {"HANDOFF_KIND_LIVE_CALL_TO_GOVERNMENT", "转接12345"},
    {"HANDOFF_KIND_THREE_WAY", "三方通话"},
    {"HANDOFF_KIND_ORDER_PUSH", "推送工单"},
    {"HANDOFF_KIND_ON_SCENE_REFERRAL", "现场移交"},
    {"HANDOFF_KIND_DISPATCH_FIRST", "先期处置"},
    {"HANDOFF_KIND_POLICE_ASSIST", "公安协助"},
    {"HANDOFF_KIND_STABILITY_CLUE", "维稳线索"},
    {"HANDOFF_KIND_PARTNER_FANOUT", "多方联动"},
    {"RETURN_GROUND_NOT_OUR_DUTY", "不属于本单位职责"},
    {"RETURN_GROUND_INCOMPLETE", "信息不全"},
    {"RETURN_GROUND_DUPLICATE", "重复"},
    {"RETURN_GROUND_EXCLUDED", "不予受理"},
    {"RETURN_GROUND_NOT_UNDERSTOOD", "无法识别"},
    {"RETURN_GROUND_OTHER", "其他"},
    {"DISPOSITION_RESOLVED", "已解决"},
    {"DISPOSITION_PARTLY_RESOLVED", "部分解决"},
    {"DISPOSITION_UNRESOLVED", "未解决"},
    {"DISPOSITION_EXPLAINED", "已解释"},
    {"DISPOSITION_UNFOUNDED", "诉求不属实"},
    {"LAYER_LEVEL_NATION", "国家"},
    {"LAYER_LEVEL_REGION", "自治区"},
    {"LAYER_LEVEL_PREFECTURE", "自治州"},
    {"LAYER_LEVEL_COUNTY", "县"},
    {"LAYER_LEVEL_UNIT", "单位"},
    {"CLOCK_KIND_PEER_RECEIPT", "对方接收"},
    {"CLOCK_KIND_PEER_ACCEPTANCE", "对方受理"},
    {"CLOCK_KIND_SIGN", "签收"},
    {"CLOCK_KIND_FINISH", "办结"},
    {"CLOCK_KIND_CONFIRM", "对方确认"},
    {"CLOCK_KIND_VOICE", "电话确认"},
    {"CLOCK_KIND_SCENE_ARRIVAL", "到场"},
    {"SCENE_REQUEST_PUSH", "推送处置"},
    {"SCENE_REQUEST_BRING_UNIT", "协调到场"},
    {"SCENE_OUTCOME_ARRIVED", "已到场"},
    {"SCENE_OUTCOME_REFUSED", "不到场"},
    {"SCENE_OUTCOME_NOT_ARRIVED", "未到场"},
    {"DISCLOSURE_KIND_CONTENT", "查看内容"},
    {"DISCLOSURE_KIND_LIST", "列表显示"},
    {"DISCLOSURE_KIND_HISTORY", "查看经过"},
    {"DISCLOSURE_KIND_EVIDENCE", "导出证据"},
    {"DISCLOSURE_KIND_WATCH", "实时查看"},
    {"CLOCK_KIND_FIRST_CONTACT", "首次联系"},
    {"CLOCK_KIND_RESULT_BACK", "结果反馈"},
    {"CLOCK_KIND_CALL_BACK", "回访"},
    {"CLOCK_KIND_SUSPENSION_REVIEW", "挂起复核"},
    {"CLOCK_KIND_UNIT_RETURN", "退单"},
    {"SEGMENT_REASON_START_DAY", "起算当日"},
    {"SEGMENT_REASON_WORKING_DAY", "工作日"},
    {"SEGMENT_REASON_WORKING_DATE", "调休上班"},
    {"SEGMENT_REASON_WEEKLY_REST", "周休息日"},
    {"SEGMENT_REASON_DATE_OFF", "放假"},
    {"SEGMENT_REASON_OFF_HOURS", "非工作时间"},
    {"SEGMENT_REASON_NATURAL_DAY", "自然日"},
    {"SEGMENT_REASON_CLOCK_TIME", "自然时间"},
    {"DERIVATION_STEP_KIND_PAUSED", "挂起"},
    {"DERIVATION_STEP_KIND_RESUMED", "恢复"},
    {"DERIVATION_STEP_KIND_EXTENDED_UNTIL", "延期至"},
    {"DERIVATION_STEP_KIND_EXTENDED_BY", "延期"},
    {"DERIVATION_STEP_KIND_MOVED", "规则调整"},
    {"DERIVATION_STEP_KIND_PASSED", "责任转移"},
    {"DERIVATION_STEP_KIND_STOPPED", "终止"},
    {"DERIVATION_STEP_KIND_AWAITED", "等候对方受理"},
    {"TIME_USE_WORKING", "办理"},
    {"TIME_USE_WAITING", "等待群众"},
    {"TIME_USE_IN_TRANSIT", "在途"},
    {"TIME_USE_DISPUTED", "争议"},
    {"TIME_USE_OFF_HOURS", "非工作时间"},
    {"TIME_USE_ENDED", "已办结"},
    {"RUNG_REMIND", "提醒"},
    {"RUNG_URGE", "催办"},
    {"RUNG_SUPERVISE", "督办"},
    {"RUNG_CIRCULATE", "通报批评"},
    {"RUNG_DISCIPLINE", "移交派驻纪检组"},
    {"DEADLINE_MOVE_REASON_POLICY", "时限规则调整"},
    {"DEADLINE_MOVE_REASON_CALENDAR", "工作日历调整"},
    {"NOTIFICATION_RESULT_REACHED", "已送达"},
    {"NOTIFICATION_RESULT_NOT_REACHED", "未送达"},
    {"NOTIFICATION_RESULT_NOBODY", "无人"},
    {"TIME_KIND_WORKING_DAYS", "工作日"},
    {"TIME_KIND_WORKING_HOURS", "工作小时"},
    {"TIME_KIND_NATURAL_DAYS", "自然日"},
    {"TIME_KIND_CLOCK_TIME", "钟点"},
    {"RUNG_DOUBT", "存疑"},
    {"RUNG_KEEP", "收回"},
    {"RUNG_CLOSE_RETURN", "退单期满"},
    {"VOICE_OUTCOME_PEER_ACCEPTS", "对方受理"},
    {"VOICE_OUTCOME_PEER_RETURNS", "对方不受理"},
    {"VOICE_OUTCOME_GIVER_KEEPS", "推送方继续负责"},
    {"DOUBT_ACTION_RECALL", "自动撤回"},
    {"DOUBT_ACTION_CONFIRM_BY_VOICE", "请电话确认"},
    {"DOUBT_ACTION_KEEP", "推送方收回"},
    {"ALARM_KIND_RECEIPT_LATE", "特急未送达"},
    {"DOCUMENT_KIND_CIRCULATE", "通报批评"},
    {"DOCUMENT_KIND_DISCIPLINE", "移交派驻纪检组"},
    {"DOCKET_STATE_OPEN", "待议"},
    {"DOCKET_STATE_RULED", "已裁定"},
    {"DOCKET_STATE_LAPSED", "未议办结"},
    {"LAMP_GREEN", "绿灯"},
    {"LAMP_YELLOW", "黄灯"},
    {"LAMP_RED", "红灯"},
    {"CUSTODY_CONDITION_HELD", "持有"},
    {"CUSTODY_CONDITION_OFFERED", "待对方受理"},
    {"CUSTODY_CONDITION_IN_DOUBT", "待确认"},
    {"CUSTODY_CONDITION_DISPUTED", "争议"},
    {"CLOCK_STATE_RUNNING", "计时中"},
    {"CLOCK_STATE_PAUSED", "已暂停"},
    {"CLOCK_STATE_STOPPED", "已停止"},
    {"ANSWER_YES", "是"},
    {"ANSWER_NO", "否"},
    {"AGREEMENT_STATE_AGREED", "商定"},
    {"AGREEMENT_STATE_FAILED", "未商定"},
    {"LADDER_RULE_DANGER_FIRST", "危险先处"},
    {"LADDER_RULE_CLEAR_DUTY", "职责明确"},
    {"LADDER_RULE_AGREEMENT", "三方通话商定"},
    {"LADDER_RULE_FIRST_RECEIVER", "首接先办"},
    {"LADDER_RULE_STABILITY_CLUE", "稳定线索"},
    {"UNIT_RULE_LEAD_ASSIST", "主办与协办"},
    {"UNIT_RULE_ONE_OF", "其中之一"},
    {"UNIT_RULE_ALL_OF", "各自办理"},
    {"UNIT_RULE_TO_BE_DECIDED", "由人确定"},
    {"UNIT_RULE_RECEIVER_DECIDES", "接收方派警"},
    {"UNIT_ROLE_LEAD", "主办"},
    {"UNIT_ROLE_ASSIST", "协办"},
    {"EXCLUSION_KIND_SCENE", "有现场"},
    {"EXCLUSION_KIND_NOT_ORDINARY", "非一般类"},
    {"EXCLUSION_KIND_POLICE", "涉公安机关"},
    {"EXCLUSION_KIND_IN_COURT", "已进入司法程序"},
    {"EXCLUSION_KIND_VIOLENCE", "涉暴力"},
    {"DELIVERY_STATUS_QUEUED", "已提交，待送达"},
    {"DELIVERY_STATUS_RECEIVED", "对方已接收"},
    {"DELIVERY_STATE_QUEUED", "待投递"},
    {"DELIVERY_STATE_PENDING", "已交网关"},
    {"DELIVERY_STATE_REACHED", "已送达"},
    {"DELIVERY_STATE_NOT_REACHED", "未送达"},
    {"DELIVERY_STATE_DEAD", "已终止"},
    {"DELIVERY_STATE_CANCELLED", "已撤销"},
    {"STAFF_ROLE_LEADER", "分管领导"},
    {"STAFF_ROLE_HANDLER", "具体负责干部"},
    {"STAFF_ROLE_DEPUTY", "副手"},
    {"STAFF_ROLE_SUPERVISOR", "热线督办员"},
    {"RECIPIENT_CAPACITY_TO", "主送"},
    {"RECIPIENT_CAPACITY_COPY", "抄送"},
    {"RECIPIENT_VIA_LEADER", "分管领导"},
    {"RECIPIENT_VIA_HANDLER", "具体负责干部"},
    {"RECIPIENT_VIA_DEPUTY", "副手"},
    {"RECIPIENT_VIA_DUTY", "值班人员"},
    {"RECIPIENT_VIA_SUPERVISOR", "热线督办员"},
    {"RECIPIENT_VIA_PARENT", "上级分管领导"},
};

}  // namespace

std::string Substitute(std::string_view pattern, const std::vector<std::string>& arguments) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool marked =
        pattern[i] == '$' && i + 1 < pattern.size() && pattern[i + 1] >= '0' && pattern[i + 1] <= '9';
    const size_t n = marked ? static_cast<size_t>(pattern[i + 1] - '0') : arguments.size();
    if (n < arguments.size()) {
      out += arguments[n];
      ++i;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string Dashed(std::string_view name) {
  std::string dashed(Trim(name));
  for (char& c : dashed) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return dashed;
}

std::string EnumWord(const google::protobuf::EnumValueDescriptor& value) {
  // The zero's name is `<PREFIX>_UNSPECIFIED`, so it tells the prefix.
  std::string_view prefix = value.type()->FindValueByNumber(0)->name();
  prefix.remove_suffix(std::string_view("UNSPECIFIED").size());
  std::string_view name = value.name();
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  return Dashed(name);
}

std::string_view EnumWordZh(const google::protobuf::EnumValueDescriptor& value) {
  for (const EnumText& text : kEnumTexts) {
    if (text.name == value.name()) return text.zh;
  }
  return {};
}

std::string EnumLabel(Language language, const google::protobuf::EnumDescriptor& type, int value) {
  if (value == 0) return "-";
  const auto* descriptor = type.FindValueByNumber(value);
  if (descriptor == nullptr) return StrCat(value);
  const std::string_view zh = EnumWordZh(*descriptor);
  if (language == Language::kChinese && !zh.empty()) return std::string(zh);
  return EnumWord(*descriptor);
}

std::optional<int> ParseEnumWord(const google::protobuf::EnumDescriptor& type, std::string_view word) {
  word = Trim(word);
  const std::string dashed = Dashed(word);
  for (int i = 0; i < type.value_count(); ++i) {
    const auto& value = *type.value(i);
    if (value.number() == 0) continue;
    if (dashed == EnumWord(value) || dashed == Dashed(value.name()) ||
        (!word.empty() && word == EnumWordZh(value))) {
      return value.number();
    }
  }
  return std::nullopt;
}

std::string EnumWords(const google::protobuf::EnumDescriptor& type, std::string_view separator) {
  std::string words;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() == 0) continue;
    words += StrCat(words.empty() ? std::string_view() : separator, EnumWord(*type.value(i)));
  }
  return words;
}

std::string EnumWordPairs(const google::protobuf::EnumDescriptor& type, std::string_view separator) {
  std::string words;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() == 0) continue;
    words += StrCat(words.empty() ? std::string_view() : separator, EnumWord(*type.value(i)), "/",
                    EnumWordZh(*type.value(i)));
  }
  return words;
}

}  // namespace hotline::hotlinectl
