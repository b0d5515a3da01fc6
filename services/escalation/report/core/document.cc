#include "services/escalation/report/core/document.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/escalation/report/core/period.h"
#include "services/escalation/report/core/scorecard.h"

namespace hotline::escalation::report {
namespace {

// `3天2小时5分`.
std::string LengthZh(absl::Duration length) {
  const int64_t minutes = absl::ToInt64Minutes(length);
  std::string text;
  if (minutes >= 1440) absl::StrAppend(&text, minutes / 1440, "天");
  if (minutes >= 60) absl::StrAppend(&text, minutes / 60 % 24, "小时");
  return absl::StrCat(text, minutes % 60, "分");
}

// The steps of the log that bear on a deadline, in words.
std::string StepZh(const type::v1::Event& event, const Names& names) {
  using type::v1::Event;
  switch (event.detail_case()) {
    case Event::kRegistered:
      return "登记";
    case Event::kOffered:
      return absl::StrCat("推送至", names.Party(event.offered().handoff().to_hotline()));
    case Event::kReceived:
      return "对方已接收";
    case Event::kUnderstood:
      return event.understood().has_registered() ? "接到推送并登记" : "对方已登记";
    case Event::kAccepted:
      return absl::StrCat(names.Party(event.custody().holder()), "受理");
    case Event::kReturned:
      return absl::StrCat("退单：", GroundZh(event.returned().handoff_return().ground()));
    case Event::kDispatched:
      return absl::StrCat("派单至", names.Party(event.dispatched().lead_unit()));
    case Event::kSigned:
      return absl::StrCat(event.signed_().unit().empty() ? "主办单位" : names.Party(event.signed_().unit()),
                          "签收");
    case Event::kUnitReturned:
      return absl::StrCat(names.Party(event.unit_returned().unit()), "退单：",
                          GroundZh(event.unit_returned().ground()));
    case Event::kReassigned:
      return absl::StrCat("改派至", names.Party(event.reassigned().dispatch().lead_unit()), "：",
                          event.reassigned().reason());
    case Event::kAccused: {
      std::string units;
      for (const std::string& unit : event.accused().accusation().units()) {
        absl::StrAppend(&units, units.empty() ? "" : "、", names.Party(unit));
      }
      const std::string& next = event.accused().accusation().dispatch().lead_unit();
      return absl::StrCat("被反映单位回避：", units, next.empty() ? "" : "，改由",
                          next.empty() ? "" : names.Party(next));
    }
    case Event::kContacted:
      return event.contacted().reached() ? "已联系群众" : "联系群众未果";
    case Event::kExtensionRequested:
      return absl::StrCat(event.extension_requested().last_minute() ? "临期申请延期：" : "申请延期：",
                          event.extension_requested().ground());
    case Event::kExtensionDecided:
      return event.extension_decided().decision().approved() ? "同意延期" : "不同意延期";
    case Event::kDeadlineMoved:
      return absl::StrCat("时限调整（", ClockZh(event.deadline_moved().clock()), "）至",
                          ChineseTime(FromProto(event.deadline_moved().new_due_time())));
    case Event::kExtended:
      return absl::StrCat("延期至", ChineseTime(FromProto(event.extended().until_time())), "：",
                          event.extended().ground());
    case Event::kSuspended:
      return absl::StrCat("挂起：", event.suspended().reason());
    case Event::kResumed:
      return "恢复";
    case Event::kReplied:
      return "答复";
    case Event::kRedoDemanded:
      return "要求重办";
    case Event::kReopened:
      return "重新办理";
    case Event::kClosed:
      return "办结";
    case Event::kDisputed:
      return "提出管辖争议";
    case Event::kRuled:
      return absl::StrCat("裁定由",
                          names.Party(event.ruled().to_hotline().empty() ? event.custody().holder()
                                                                         : event.ruled().to_hotline()),
                          event.ruled().unit().empty() ? "" : names.Party(event.ruled().unit()), "承办");
    case Event::kEscalated:
      return absl::StrCat(RungZh(event.escalated().rung()), "（", ClockZh(event.escalated().clock()),
                          "，责任单位", names.Party(event.escalated().duty_party()), "）");
    default:
      return "";
  }
}

}  // namespace

std::optional<Page> DocumentPage(v1::DocumentKind kind, const History& history,
                                 const std::vector<type::v1::Event>& events, absl::Time now,
                                 const Names& names) {
  std::vector<const Duty*> missed;
  std::map<std::string, int> parties;
  for (const Duty& duty : history.duties) {
    if (duty.outcome != Outcome::kMissed || !IsDuty(duty.clock)) continue;
    missed.push_back(&duty);
    ++parties[duty.party];
  }
  if (missed.empty()) return std::nullopt;
  // Whoever missed most; of equals the last, and not an assisting unit before whoever has the order.
  std::string party = missed.back()->party;
  for (const Duty* duty : missed) {
    if (duty->assist_unit.empty()) party = duty->party;
  }
  for (const auto& [code, count] : parties) {
    if (count > parties[party]) party = code;
  }
  const bool discipline = kind == v1::DOCUMENT_KIND_DISCIPLINE;
  const std::string name = names.Party(party);
  Page page(discipline ? "关于移交超期未办理工单问题线索的函" : "关于超期未办理工单的通报批评",
            absl::StrCat("（草稿，待签发）　", names.Party(names.site), "　", ChineseDate(now)));
  if (discipline) {
    page.Paragraph("派驻纪检监察组：");
    page.Paragraph(absl::StrCat("现将", name, "在办理工单", history.number,
                                "中超过办理时限的情况移交贵组，请依规依纪处理。"));
  } else {
    page.Paragraph("各乡（镇）人民政府，政府各工作部门、县直各相关部门：");
    page.Paragraph(
        absl::StrCat("现将", name, "在办理工单", history.number, "中超过办理时限的情况予以通报批评。"));
  }

  page.Heading("一、工单情况");
  const type::v1::RegisteredDetail& registration = history.registration;
  page.Facts({{"工单编号", history.number},
              {"类型", absl::StrCat(TypeZh(registration.type()), "　", UrgencyZh(registration.urgency()),
                                    "　来源：", ChannelZh(registration.channel()))},
              {"清单事项", registration.catalogue().item().empty()
                               ? "未对应清单事项"
                               : absl::StrCat(registration.catalogue().item(), "（清单版本 ",
                                              registration.catalogue().version(), "）")},
              {"属地", names.Township(registration.township_code())},
              {"登记时间",
               history.register_time == absl::InfiniteFuture() ? "—" : ChineseTime(history.register_time)},
              {"首接热线", names.Party(registration.origin_hotline())},
              {"责任单位", name}});

  page.Heading("二、超期事实");
  std::vector<std::vector<std::string>> rows;
  for (const Duty* duty : missed) {
    const bool open = duty->stop == absl::InfiniteFuture();
    // When a result was back the other hotline alone knows; here only that it was late.
    const bool unknown = duty->clock == type::v1::CLOCK_KIND_RESULT_BACK;
    // One that was taken away was never fulfilled: nobody is to read its end as the time of that.
    const std::string done = unknown ? "到期时未送达（送达时间以对方热线记录为准）"
                             : open  ? "至今未完成"
                             : duty->fulfilled ? ChineseTime(duty->stop)
                                               : absl::StrCat("未完成（", ChineseTime(duty->stop), "终止）");
    rows.push_back({ClockZh(duty->clock), names.Party(duty->party), ChineseTime(duty->start),
                    ChineseTime(duty->due), done,
                    unknown ? "—" : LengthZh((open ? now : duty->stop) - duty->due)});
  }
  page.Table({"环节", "责任单位", "起算时间", "到期时间", "完成时间", "超期"}, std::move(rows), {}, "");

  page.Heading("三、时限的由来");
  for (const Duty* duty : missed) {
    std::string text = absl::StrCat("“", ClockZh(duty->clock), "”自", ChineseTime(duty->start), "起算");
    const auto clock = std::find_if(history.clocks.clocks.begin(), history.clocks.clocks.end(),
                                    [&](const OrderClock& other) {
                                      return other.kind == duty->clock && other.armed_by == duty->armed_by &&
                                             other.assist_unit == duty->assist_unit;
                                    });
    if (clock != history.clocks.clocks.end()) {
      absl::StrAppend(&text, "，依时限规则 ",
                      history.policy_versions[static_cast<size_t>(clock - history.clocks.clocks.begin())],
                      "，共", LengthZh(duty->due - duty->start));
    }
    page.Paragraph(absl::StrCat(text, "（含延期和挂起），于", ChineseTime(duty->due), "到期。"));
  }

  page.Heading("四、办理经过");
  rows.clear();
  for (const type::v1::Event& event : events) {
    std::string step = StepZh(event, names);
    if (step.empty() || FromProto(event.commit_time()) >= now) continue;
    rows.push_back(
        {absl::StrCat("#", event.sequence()), ChineseTime(FromProto(event.commit_time())), std::move(step)});
  }
  page.Table({"日志序号", "时间", "事项"}, std::move(rows), {}, "");

  page.Heading("五、违反的规定");
  page.Paragraph(
      "《乌恰县12345政务服务便民热线与110报警服务台日常联动机制》（恰政办发〔2024〕6号）第四条：“各相关部门应"
      "积极响应协调联动工作，"
      "收到12345热线工单或110转办工单，尽快进行核实、处理，及时按照‘接诉即办’工作机制解决好群众困难诉求”。");
  page.Paragraph(discipline
                     ? "同条规定：“造成重大工作失误或产生严重后果的，移交派驻纪检组，依规依纪追究责任。”"
                     : "同条规定：“对于违反本机制情节轻微的，给予通报批评”。");
  if (discipline) {
    page.Heading("六、后果说明（由签发人填写）");
    page.Paragraph("＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿");
  }
  page.Note(absl::StrCat("本件由系统依据工单日志生成，仅为草稿，未经核实签发不发生效力。所列事项为",
                         ChineseTime(now), "以前的日志记录，不含个人信息。"));
  page.Signature(
      {"核实人：＿＿＿＿＿＿＿＿", "签发人：＿＿＿＿＿＿＿＿", "（盖章）", "日期：＿＿＿＿年＿＿月＿＿日"});
  return page;
}

}  // namespace hotline::escalation::report
