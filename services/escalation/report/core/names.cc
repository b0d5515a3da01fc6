#include "services/escalation/report/core/names.h"

#include "absl/strings/str_cat.h"

namespace hotline::escalation::report {
namespace {

std::string Find(const std::map<std::string, std::string, std::less<>>& names, const std::string& code) {
  if (code.empty()) return "—";
  const auto it = names.find(code);
  return it == names.end() || it->second.empty() ? code : it->second;
}

}  // namespace

bool Names::IsTownshipCode(std::string_view text) {
  return text.size() == 9 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Names WithDirectory(Names names, const directory::Directory& directory) {
  for (const v1::DirectoryUnit* unit : directory.Units()) {
    names.Add(unit->code(), unit->display_name(), unit->aliases());
  }
  return names;
}

std::string Names::Party(const std::string& code) const { return Find(parties, code); }
std::string Names::Township(const std::string& code) const { return Find(townships, code); }

std::string ClockZh(type::v1::ClockKind clock) {
  switch (clock) {
    case type::v1::CLOCK_KIND_PEER_RECEIPT:
      return "对方接收";
    case type::v1::CLOCK_KIND_PEER_ACCEPTANCE:
      return "对方受理";
    case type::v1::CLOCK_KIND_SIGN:
      return "签收";
    case type::v1::CLOCK_KIND_FINISH:
      return "办结";
    case type::v1::CLOCK_KIND_CONFIRM:
      return "确认";
    case type::v1::CLOCK_KIND_VOICE:
      return "电话确认";
    case type::v1::CLOCK_KIND_SCENE_ARRIVAL:
      return "到场";
    case type::v1::CLOCK_KIND_FIRST_CONTACT:
      return "首次联系";
    case type::v1::CLOCK_KIND_RESULT_BACK:
      return "结果反馈";
    case type::v1::CLOCK_KIND_CALL_BACK:
      return "回访";
    case type::v1::CLOCK_KIND_SUSPENSION_REVIEW:
      return "挂起复核";
    case type::v1::CLOCK_KIND_UNIT_RETURN:
      return "退单";
    default:
      return absl::StrCat("时限", static_cast<int>(clock));
  }
}

std::string RungZh(type::v1::Rung rung) {
  switch (rung) {
    case type::v1::RUNG_REMIND:
      return "提醒";
    case type::v1::RUNG_URGE:
      return "催办";
    case type::v1::RUNG_SUPERVISE:
      return "督办";
    case type::v1::RUNG_CIRCULATE:
      return "通报批评";
    case type::v1::RUNG_DISCIPLINE:
      return "移交派驻纪检组";
    case type::v1::RUNG_DOUBT:
      return "存疑";
    case type::v1::RUNG_KEEP:
      return "收回";
    case type::v1::RUNG_CLOSE_RETURN:
      return "退单期满";
    default:
      return absl::StrCat("第", static_cast<int>(rung), "级");
  }
}

std::string TypeZh(type::v1::OrderType type) {
  switch (type) {
    case type::v1::ORDER_TYPE_CONSULTATION:
      return "咨询";
    case type::v1::ORDER_TYPE_HELP:
      return "求助";
    case type::v1::ORDER_TYPE_COMPLAINT:
      return "投诉";
    case type::v1::ORDER_TYPE_REPORT:
      return "举报";
    case type::v1::ORDER_TYPE_SUGGESTION:
      return "意见建议";
    case type::v1::ORDER_TYPE_PRAISE:
      return "表扬";
    default:
      return "其他";
  }
}

std::string UrgencyZh(type::v1::Urgency urgency) {
  switch (urgency) {
    case type::v1::URGENCY_URGENT:
      return "紧急";
    case type::v1::URGENCY_EMERGENCY:
      return "特急";
    default:
      return "普通";
  }
}

std::string ChannelZh(type::v1::Channel channel) {
  switch (channel) {
    case type::v1::CHANNEL_PHONE:
      return "电话";
    case type::v1::CHANNEL_SMS:
      return "短信";
    case type::v1::CHANNEL_WEB:
      return "网络";
    case type::v1::CHANNEL_ON_SCENE:
      return "现场";
    case type::v1::CHANNEL_TRANSFERRED:
      return "转接";
    default:
      return "其他";
  }
}

std::string GroundZh(type::v1::ReturnGround ground) {
  switch (ground) {
    case type::v1::RETURN_GROUND_NOT_OUR_DUTY:
      return "不属于本单位职责";
    case type::v1::RETURN_GROUND_INCOMPLETE:
      return "信息不全";
    case type::v1::RETURN_GROUND_DUPLICATE:
      return "重复";
    case type::v1::RETURN_GROUND_EXCLUDED:
      return "不予受理";
    case type::v1::RETURN_GROUND_NOT_UNDERSTOOD:
      return "无法识别";
    case type::v1::RETURN_GROUND_OTHER:
      return "其他";
    default:
      return "—";
  }
}

}  // namespace hotline::escalation::report
