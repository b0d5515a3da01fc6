// Everything hotlinectl says, in English and in Chinese. A phrase cannot exist in one language only: its
// constructor refuses, at compile time, an empty side or sides with different placeholders.
#ifndef SERVICES_HOTLINECTL_CORE_TEXT_H_
#define SERVICES_HOTLINECTL_CORE_TEXT_H_

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/generated_enum_reflection.h"

namespace hotline::hotlinectl {

enum class Language { kEnglish, kChinese };

// A text with `$0` … `$9` as placeholders, in both languages.
struct Phrase {
  std::string_view en;
  std::string_view zh;

  // Not implicit from one string; throws (so does not compile as a constant) if the sides do not match.
  constexpr Phrase(std::string_view english, std::string_view chinese) : en(english), zh(chinese) {
    if (en.empty() || zh.empty()) throw std::logic_error("a phrase needs both languages");
    if (Placeholders(en) != Placeholders(zh)) throw std::logic_error("placeholders differ between languages");
  }

  // Bit n is set if `$n` occurs.
  static constexpr unsigned Placeholders(std::string_view text) {
    unsigned found = 0;
    for (size_t i = 0; i + 1 < text.size(); ++i) {
      if (text[i] == '$' && text[i + 1] >= '0' && text[i + 1] <= '9') found |= 1u << (text[i + 1] - '0');
    }
    return found;
  }
};

inline std::string_view Say(Language language, const Phrase& phrase) {
  return language == Language::kChinese ? phrase.zh : phrase.en;
}
// `pattern` with `$n` replaced by the n-th argument; a `$n` without one stays.
std::string Substitute(std::string_view pattern, const std::vector<std::string>& arguments);
// Arguments are texts and whole numbers.
template <typename... Arguments>
requires(sizeof...(Arguments) > 0) std::string
    Say(Language language, const Phrase& phrase, const Arguments&... arguments) {
  return Substitute(Say(language, phrase), {StrCat(arguments)...});
}

// Without spaces, tabs and line breaks at the ends.
std::string_view Trim(std::string_view text);
// A name as flags write it: trimmed, in lower case, `-` for `_`.
std::string Dashed(std::string_view name);

// Values of the contract's enums as words: in English the value's name without the prefix, in lower case with
// `-`
// (`live-call-to-police`), which is also what flags and files accept; in Chinese the word of the trade.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);
// Empty if the catalogue has no Chinese word for it.
std::string_view EnumWordZh(const google::protobuf::EnumValueDescriptor& value);
// What to show: the word in `language`, the number of a value this version does not know, `-` for zero.
std::string EnumLabel(Language language, const google::protobuf::EnumDescriptor& type, int value);
template <typename Enum>
std::string EnumLabel(Language language, Enum value) {
  return EnumLabel(language, *google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}
// Reads a word in either language, or a full name (`ORDER_TYPE_HELP`), in any case. Never the zero value.
std::optional<int> ParseEnumWord(const google::protobuf::EnumDescriptor& type, std::string_view word);
// All words of `type`, without zero, e.g. `a|b|c`.
std::string EnumWords(const google::protobuf::EnumDescriptor& type, std::string_view separator);
// The same with the Chinese word beside each: `help/求助`.
std::string EnumWordPairs(const google::protobuf::EnumDescriptor& type, std::string_view separator);

// The phrases. `clang-format` keeps one entry a line or two.
namespace say {

// Help.
inline constexpr Phrase kUsage{
    "hotlinectl: push work orders between 12345 and 110 and follow them.\n\n"
    "usage: hotlinectl [global flags] COMMAND [ORDER] [flags]\n       hotlinectl help COMMAND\n",
    "hotlinectl：在 12345 与 110 之间推送工单并跟踪办理。\n\n"
    "用法：hotlinectl [全局选项] 命令 [工单] [选项]\n      hotlinectl help 命令\n"};
inline constexpr Phrase kUsageLine{"usage: hotlinectl $0", "用法：hotlinectl $0"};
inline constexpr Phrase kCommands{"Commands:", "命令："};
inline constexpr Phrase kFlags{"Flags:", "选项："};
inline constexpr Phrase kGlobalFlags{"Global flags (before or after the command):",
                                     "全局选项（写在命令前后均可）："};
inline constexpr Phrase kExitCodes{
    "Exit codes:\n"
    "  0  done\n"
    "  1  internal or unknown error\n"
    "  2  wrong use of the command line\n"
    "  3  invalid input: fix the field named\n"
    "  4  not found\n"
    "  5  wrong state, conflict or not permitted: read the order again\n"
    "  6  a service or the peer unreachable or timed out; of links: one is down or the sites differ\n"
    "  7  overloaded or going down: try later\n"
    "  8  an emergency, a clue touching stability or a call to the scene without a receipt: use the\n"
    "     telephone now (a push that was taken stays under way)\n"
    "  9  verification failed\n",
    "退出码：\n"
    "  0  成功\n"
    "  1  内部错误或未知错误\n"
    "  2  命令行用法错误\n"
    "  3  输入不合规：请改正所指字段\n"
    "  4  查无此单\n"
    "  5  状态不符、冲突或无权限：请重新查看工单\n"
    "  6  无法连接服务或对端，或超时；就链路而言：有中断或双方不一致\n"
    "  7  繁忙或正在停机：请稍后再试\n"
    "  8  特急工单、涉稳线索或协调到场未获回执：请立即电话转交（已提交的推送仍在继续）\n"
    "  9  校验未通过\n"};
inline constexpr Phrase kImportHelp{
    "Files (--file F, - for standard input; at most 64 MiB and 100,000 orders):\n"
    "  CSV    UTF-8, first row = flag names of this command without `--` (or Chinese names, in brackets "
    "below), quoting of "
    "RFC 4180.\n"
    "  JSON   one object, an array, or one object a line; each either in the protobuf JSON form of\n"
    "         hotline.dispatch.v1.PushWorkOrderRequest or flat, with the flag names as keys:\n"
    "         "
    "{\"title\":\"…\",\"text\":\"…\",\"type\":\"help\",\"channel\":\"phone\",\"urgency\":\"normal\","
    "\"phone\":"
    "\"0908-4621234\",\"to\":\"110\"}\n"
    "  Flags given beside --file fill in what a row leaves out. Request ids follow from the file's content "
    "and the row,\n"
    "  so running the same file again pushes nothing twice. A row that fails does not stop the others; "
    "--rejects F\n"
    "  writes such rows to F for correction.\n"
    "  After a backup was restored, requests made since it are not known any more: push no such file again "
    "before\n"
    "  `link reconcile` and `list` show that its orders are missing.\n",
    "文件（--file F，- 表示标准输入；最大 64 MiB、100,000 条）：\n"
    "  CSV    UTF-8 编码，首行为本命令的选项名（不带 `--`，也可用下方括号内的中文名），引号规则依 RFC "
    "4180。\n"
    "  JSON   单个对象、数组或每行一个对象；可用 hotline.dispatch.v1.PushWorkOrderRequest 的 protobuf JSON "
    "形式，\n"
    "         也可用以选项名为键的平铺形式：\n"
    "         "
    "{\"title\":\"…\",\"text\":\"…\",\"type\":\"求助\",\"channel\":\"电话\",\"urgency\":\"普通\",\"phone\":"
    "\"0908-4621234\",\"to\":\"110\"}\n"
    "  与 --file "
    "同时给出的选项用于补足各行缺少的内容。请求号由文件内容和行号得出，同一文件重复执行不会重复推送。\n"
    "  个别行出错不影响其他行；--rejects F 把出错的行写入 F，改正后可再推送。\n"
    "  恢复备份后，备份之后的请求已无记录：在 link reconcile 和 list "
    "表明工单确已缺失之前，不要重新推送这类文件。\n"};
inline constexpr Phrase kOneOf{"one of $0", "可选：$0"};
inline constexpr Phrase kRequired{"required", "必填"};
inline constexpr Phrase kMany{"may be given more than once", "可多次给出"};
inline constexpr Phrase kOnlyWith{"with: $0", "用于：$0"};

// Commands.
inline constexpr Phrase kCmdPush{"push a new order (or one that exists) to another hotline",
                                 "向另一热线推送工单（新单或已有工单）"};
inline constexpr Phrase kCmdRegister{"register an order at this site without pushing it",
                                     "在本站登记工单，不推送"};
inline constexpr Phrase kCmdShow{"show an order and its history", "查看工单及其经过"};
inline constexpr Phrase kCmdList{"list orders, newest first", "列出工单，新单在前"};
inline constexpr Phrase kCmdWatch{"follow events live; resumes by itself after a disconnect",
                                  "实时跟踪事件；断线后自动续接"};
inline constexpr Phrase kCmdAccept{"accept an order (受理)", "受理工单"};
inline constexpr Phrase kCmdReturn{"return an offered order (退回)", "退回对方推送的工单"};
inline constexpr Phrase kCmdConfirm{"record what two desks agreed on by telephone about an offer",
                                    "登记电话确认结果（双方核对口令）"};
inline constexpr Phrase kCmdPartners{"call partners to an incident (push), or list their orders (list)",
                                     "多方联动：推送给多个平台（push）或查看各方工单（list）"};
inline constexpr Phrase kCmdReferFromScene{
    "refer a matter found on the spot (现场引导移交): push it, or ask for the unit to be brought to the "
    "scene",
    "现场引导移交：推送对方处置，或请求协调单位到场"};
inline constexpr Phrase kCmdArrival{"record that a unit came to the scene, or that none did (到场)",
                                    "登记单位到场、不到场或未到场"};
inline constexpr Phrase kCmdMerge{
    "make an order one job with another that is kept (并单); its caller keeps a reply of their own",
    "并单：并入保留的工单一并办理，各诉求人仍分别答复"};
inline constexpr Phrase kCmdUnmerge{"take a merged order out again (拆单)", "拆单：恢复单独办理"};
inline constexpr Phrase kCmdSimilar{
    "find earlier orders by the same number, and open ones alike in text, place and time",
    "查找同一号码的以往工单，以及内容、地点、时间相近的在办工单"};
inline constexpr Phrase kCmdRecall{"ask for an offered order back (撤回)", "撤回已推送的工单"};
inline constexpr Phrase kCmdDispatch{"send an order to units (派单)", "派单至主办、协办单位"};
inline constexpr Phrase kCmdSign{"sign for an order as a unit (签收)", "单位签收"};
inline constexpr Phrase kCmdProgress{"report work done (办理)", "填报办理进展"};
inline constexpr Phrase kCmdFinish{"give the result (办结答复)", "办结答复"};
inline constexpr Phrase kCmdCallback{"record the call-back (回访)", "登记回访结果"};
inline constexpr Phrase kCmdRedo{"send an order back for another try (重办)", "要求重办"};
inline constexpr Phrase kCmdClose{"end an order (办结)", "办结工单"};
inline constexpr Phrase kCmdCancel{"withdraw an order (作废)", "作废工单"};
inline constexpr Phrase kCmdSuspend{"stop an order's clocks (挂起)", "挂起工单，时限暂停"};
inline constexpr Phrase kCmdResume{"let an order's clocks run again (恢复)", "恢复工单，时限继续"};
inline constexpr Phrase kCmdExtend{"move the finish deadline (延期)", "延长办结时限"};
inline constexpr Phrase kCmdDispute{"neither hotline calls it its own: the first receiver handles it (争议)",
                                    "双方均认为不属于本单位职责：由首接平台先行办理"};
inline constexpr Phrase kCmdRule{"record a ruling on who handles the order (裁定)", "记录承办方的裁定"};
inline constexpr Phrase kCmdReopen{"take a closed order up again", "将已办结的工单重新办理"};
inline constexpr Phrase kCmdContact{"record a contact with the caller (联系群众)", "登记联系群众情况"};
inline constexpr Phrase kCmdAskExtension{"ask for more time, before the deadline (申请延期)",
                                         "到期前申请延期"};
inline constexpr Phrase kCmdDecideExtension{"grant or refuse the extension asked for (延期审批)",
                                            "审批延期申请"};
inline constexpr Phrase kCmdUnitReturn{"a unit returns the order to its hotline's desk (退单)",
                                       "承办单位将工单退回本平台"};
inline constexpr Phrase kCmdReassign{"give the order to another unit (改派)", "改派其他单位承办"};
inline constexpr Phrase kCmdAccuse{
    "the order turns out to accuse units: they have no part in it from here on (回避)",
    "办理中发现涉及被反映单位，提出回避"};
inline constexpr Phrase kCmdAcknowledge{"take note of a rung, so that it is not repeated for a while",
                                        "确认督办信息，期间不再重复提醒"};
inline constexpr Phrase kCmdExplain{"explain how a deadline came about, day by day", "说明时限如何计算得出"};
inline constexpr Phrase kCmdLedger{"show who used an order's time", "查看工单时间账"};
inline constexpr Phrase kCmdPolicy{"preview, publish or list deadlines and calendars",
                                   "预览、发布或列出时限规则与工作日历"};
inline constexpr Phrase kCmdCustody{"show who was accountable when", "查看工单各时段的持有方（责任链）"};
inline constexpr Phrase kCmdArchive{"file a closed or cancelled order (归档)", "归档已办结或已作废的工单"};
inline constexpr Phrase kCmdDeadlines{"list deadlines, the next due first", "列出时限，先到期的在前"};
inline constexpr Phrase kCmdLinks{"tell how the link to each peer stands; 6 if one is down",
                                  "查看与各对端的链路状况；有中断时退出码为 6"};
inline constexpr Phrase kCmdLink{
    "`link status [PEER]`: sent, acknowledged, lag, last error and more of each link; `link reconcile PEER`: "
    "compare "
    "what both sites hold and list what differs; 6 if a link is down or anything differs",
    "`link status [对端]`：各链路的发送、确认、积压、最近错误等；`link reconcile 对端`："
    "与对端核对双方共有的移交并列出差异；链路中断或有差异时退出码为 6"};
inline constexpr Phrase kFlagRepair{"reconcile: send again what differs and this site is the one to say",
                                    "核对后重发以本平台为准的差异部分"};
inline constexpr Phrase kFlagRecount{
    "reconcile: count this site's orders one by one instead of trusting the sums kept of them (slow)",
    "核对时逐条重新计算本平台的工单，不采用已存的汇总（较慢）"};
inline constexpr Phrase kCmdVerify{"recompute every hash of the log and the links",
                                   "重新计算并校验日志与链路的全部哈希"};
inline constexpr Phrase kCmdEvidence{
    "write a signed file of all that shows what happened to an order, or check one without any service; 9 if "
    "it fails",
    "导出工单全程的签名证据文件，或离线校验证据文件；未通过时退出码为 9"};
inline constexpr Phrase kCmdScorecard{
    "figures of each unit in a period, from the log; the same answer for good once it is over",
    "按周期统计各单位指标（由日志计算，周期结束后不再变化）"};
inline constexpr Phrase kCmdLamps{"count green, yellow and red deadlines by unit",
                                  "按单位统计绿灯、黄灯、红灯"};
inline constexpr Phrase kCmdOverdue{"list deadlines that have passed, the longest overdue first",
                                    "列出已超期的时限，超期最久的在前"};
inline constexpr Phrase kCmdDueSoon{"list deadlines that come soon, the next first",
                                    "列出即将到期的时限，先到期的在前"};
inline constexpr Phrase kCmdDocument{
    "write the draft of a circular (通报批评) or of a letter to the discipline group",
    "生成通报批评或移交派驻纪检组的文书草稿"};
inline constexpr Phrase kCmdMeeting{
    "the joint meeting: `docket` lists disputes, `pack` writes a period's papers, `rule ITEM` records a "
    "ruling, "
    "`proposal ITEM` writes the change of the catalogue that it means",
    "联席会议：docket 列出争议议题，pack 生成周期材料，rule 登记裁定，proposal 导出清单修改建议"};
inline constexpr Phrase kFlagPeriod{
    "2026, 2026-Q3, 2026-09, 2026-W36, 2026-09-01 or 2026-09-01..2026-09-15",
    "统计周期，如 2026、2026-Q3、2026-09、2026-W36、2026-09-01 或 2026-09-01..2026-09-15"};
inline constexpr Phrase kFlagReportUnit{"only this unit or hotline", "只看该单位或热线"};
inline constexpr Phrase kFlagReportClock{"only this clock", "只看该时限"};
inline constexpr Phrase kFlagCsv{"CSV for spreadsheets", "输出 CSV 表格"};
inline constexpr Phrase kFlagOutFile{"write to this file instead of standard output",
                                     "写入此文件，不输出到屏幕"};
inline constexpr Phrase kFlagWithin{"deadlines within this time from now (default 24h)",
                                    "从现在起多久内到期（默认 24h）"};
inline constexpr Phrase kFlagDocumentKind{"which document", "文书种类"};
inline constexpr Phrase kFlagDocumentFormat{"form of the text (default html)", "文本格式（默认 html）"};
inline constexpr Phrase kFlagDocketState{"docket: only in this state", "docket：只看该状态的议题"};
inline constexpr Phrase kCmdHealth{
    "ask the three services and the peer links for their health; 6 unless all services serve",
    "检查三项服务与对端链路是否正常；有服务不正常时退出码为 6"};
inline constexpr Phrase kFlagHealthService{
    "ask only this service, as a whole; for the health check of a container or a load balancer",
    "只检查这一项服务的整体状态；供容器或负载均衡的健康检查使用"};
inline constexpr Phrase kCmdCompletion{"print a completion script for bash or zsh",
                                       "输出 bash 或 zsh 的补全脚本"};
inline constexpr Phrase kCmdHelp{"explain hotlinectl or one command", "显示总帮助或某一命令的帮助"};

// Flags of orders (also columns and keys of files).
inline constexpr Phrase kFlagTitle{"one line, at most 100 characters", "标题，一行，至多 100 字"};
inline constexpr Phrase kFlagText{"the matter as told, at most 8,000 characters", "诉求内容，至多 8,000 字"};
inline constexpr Phrase kFlagType{"what the caller wants", "诉求类型"};
inline constexpr Phrase kFlagChannel{"how it came in (default phone)", "来源渠道（默认电话）"};
inline constexpr Phrase kFlagUrgency{"how fast it must be handled (default: what the text says, else normal)",
                                     "紧急程度（默认由内容判断，无从判断则为普通）"};
inline constexpr Phrase kFlagPhone{"the caller's number", "来电号码"};
inline constexpr Phrase kFlagContactPhone{"number to reach the caller on, if another",
                                          "联系电话（与来电号码不同时填）"};
inline constexpr Phrase kFlagName{"the caller's name", "诉求人姓名"};
inline constexpr Phrase kFlagAnonymous{"the caller gave no name", "匿名"};
inline constexpr Phrase kFlagSecret{"the caller asked for secrecy", "诉求人要求保密"};
inline constexpr Phrase kFlagLanguage{"language spoken, a BCP 47 tag (zh, ug, ky)",
                                      "诉求人所用语言（zh、ug、ky 等）"};
inline constexpr Phrase kFlagTownship{"code of the township, 9 digits", "乡镇代码，9 位"};
inline constexpr Phrase kFlagAddress{"address in words", "地址"};
inline constexpr Phrase kFlagLat{"latitude in degrees, WGS 84 (with --lon)",
                                 "纬度，WGS 84，度（与 --lon 同给）"};
inline constexpr Phrase kFlagLon{"longitude in degrees, WGS 84 (with --lat)",
                                 "经度，WGS 84，度（与 --lat 同给）"};
inline constexpr Phrase kFlagItem{"item of the regulation's annex, A1…A22 or B1…B9",
                                  "清单事项，A1…A22 或 B1…B9"};
inline constexpr Phrase kFlagItemVersion{"version of the annex the item is from", "清单版本"};
inline constexpr Phrase kFlagUnit{"code of the lead unit", "主办单位代码"};
inline constexpr Phrase kFlagAccuseUnit{"codes of the accused units, separated by commas",
                                        "被反映单位代码，以逗号分隔"};
inline constexpr Phrase kFlagAccuseTo{
    "who leads instead, if an accused unit does; without it the desk has the order",
    "被反映单位正在主办的，改由何单位主办；不填则退回坐席"};
inline constexpr Phrase kFlagAssist{"codes of assisting units, separated by commas",
                                    "协办单位代码，以逗号分隔"};
inline constexpr Phrase kFlagOccurTime{"when the matter happened", "事发时间"};
inline constexpr Phrase kFlagTo{"hotline that is to take it", "推送到哪个热线"};
inline constexpr Phrase kFlagKind{
    "on which ground it is handed over (default order-push); for partners and police assistance to an order "
    "at work: `hotlinectl partners push ORDER --kind police-assist`",
    "移交依据（默认推送工单）；在办工单的多方联动和公安协助请用 hotlinectl partners push 工单 --kind "
    "police-assist"};
inline constexpr Phrase kFlagPushNote{"note to the other desk", "给对方坐席的备注"};
inline constexpr Phrase kFlagWait{"longest wait for the peer's receipt, up to 30s",
                                  "等待对方回执的最长时间，至多 30s"};

// Other flags.
inline constexpr Phrase kFlagFile{"push the orders in this file (- for standard input)",
                                  "推送文件中的工单（- 表示标准输入）"};
inline constexpr Phrase kFlagFormat{"format of the file; by its name or first character if left out",
                                    "文件格式；不填则按文件名或首字符判断"};
inline constexpr Phrase kFlagRejects{"write rows that failed to this file", "把出错的行写入此文件"};
inline constexpr Phrase kFlagRequestId{"identity of the change; give the same again to retry",
                                       "请求号；重试时给相同的请求号"};
inline constexpr Phrase kFlagVersion{"refuse if the order's version is another", "工单版本不符则拒绝"};
inline constexpr Phrase kFlagNote{"note", "备注"};
inline constexpr Phrase kFlagReason{"why", "原因"};
inline constexpr Phrase kFlagCode{"the four digits the other desk said", "对方报出的四位口令"};
inline constexpr Phrase kFlagOutcome{"what was agreed", "确认结果"};
inline constexpr Phrase kFlagSpokenWith{"account or desk at the other end of the line",
                                        "通话对方的工号或席位"};
inline constexpr Phrase kFlagPartners{"hotlines to call, separated by commas", "联动平台，用逗号分隔"};
inline constexpr Phrase kFlagSceneRequest{"what is asked for", "所请求的事项"};
inline constexpr Phrase kFlagGuidance{"what the caller was told and guided to", "向报警人解释和引导的情况"};
inline constexpr Phrase kFlagAskedOf{"account or office of the service center's head who was asked",
                                     "所联系的政务服务中心负责人（工号或机构）"};
inline constexpr Phrase kFlagWantedUnit{"code of the unit that is wanted at the scene", "请求到场的单位代码"};
inline constexpr Phrase kFlagPhoto{
    "photo: URI=SHA-256 in hex, or URI=FILE to reckon it from a file; the bytes are not sent",
    "照片：URI=SHA-256（十六进制），或 URI=文件（由文件计算）；不传输文件内容"};
inline constexpr Phrase kFlagSceneTo{"hotline that is to take it (default 12345, or the only peer)",
                                     "推送到哪个热线（默认 12345，或唯一的对端）"};
inline constexpr Phrase kFlagSceneOutcome{"what became of it", "到场结果"};
inline constexpr Phrase kFlagSceneUnit{"code of the unit that came or declined", "到场或不到场的单位代码"};
inline constexpr Phrase kFlagArriveTime{"when it came (default now)", "到场时间（默认现在）"};
inline constexpr Phrase kFlagSceneNote{"note; required unless arrived", "备注；未到场时必填"};
inline constexpr Phrase kFlagInto{"id or number of the order that is kept", "保留的工单（标识或编号）"};
inline constexpr Phrase kFlagConfirmUnanswered{
    "close it although callers of merged orders have still to be answered",
    "并单诉求人尚未全部答复，仍确认办结"};
inline constexpr Phrase kFlagPartnerKind{"partner-fanout or police-assist (default partner-fanout)",
                                         "多方联动或公安协助（默认多方联动）"};
inline constexpr Phrase kFlagInDoubt{"only offers in doubt", "只看存疑的推送"};
inline constexpr Phrase kFlagParent{"only the partners' orders of this incident (id or number)",
                                    "只看该工单（标识或编号）的联动工单"};
inline constexpr Phrase kFlagGround{"ground of the return", "退回依据类别"};
inline constexpr Phrase kFlagBasis{"article or annex item it rests on", "所依据的条款或清单事项"};
inline constexpr Phrase kFlagProposedUnit{"unit that should have it instead", "建议承办单位代码"};
inline constexpr Phrase kFlagProposedHotline{"hotline that should have it instead", "建议的承办热线"};
inline constexpr Phrase kFlagReturnUnit{
    "unit that returns it (default --for-unit; neither: the hotline's own desk)",
    "退回单位（默认 --for-unit；均未给出则为热线坐席）"};
inline constexpr Phrase kFlagDryRun{"show what the return would come to, and send nothing",
                                    "仅预览退回的后果，不实际退回"};
inline constexpr Phrase kFlagDangerFirst{"take it at once because of danger (110)",
                                         "危险先处：因有危险立即接处（110）"};
inline constexpr Phrase kFlagConfirmBounce{"push even though the order was there before",
                                           "工单曾到过对方，仍确认推送"};
inline constexpr Phrase kFlagFindSimilar{
    "tell of earlier orders by the same number and of open ones that are alike",
    "同时提示同一号码的以往工单和相近的在办工单"};
inline constexpr Phrase kFlagRuleTo{"hotline that handles it; this one if only --unit is given",
                                    "裁定的承办热线；仅填 --unit 时为本平台"};
inline constexpr Phrase kFlagRuleUnit{"unit that handles it", "裁定的承办单位"};
inline constexpr Phrase kFlagRuleGround{"on what the ruling rests", "裁定依据"};
inline constexpr Phrase kFlagReference{"number of the document or of the meeting", "文件或会议编号"};
inline constexpr Phrase kFlagRuledBy{"who ruled: an account or an office", "裁定人（工号或机构）"};
inline constexpr Phrase kFlagAt{"as it stood at this time", "截至该时间"};
inline constexpr Phrase kFlagProposedItem{"annex item that applies instead", "建议适用的清单事项"};
inline constexpr Phrase kFlagSignUnit{"unit that signs (default --for-unit, else the lead unit)",
                                      "签收单位（默认 --for-unit，未给出则为主办单位）"};
inline constexpr Phrase kFlagUnitReturnUnit{
    "unit that returns it: the lead unit (default --for-unit, else that)",
    "退单单位，须为主办单位（默认 --for-unit，未给出则为主办单位）"};
inline constexpr Phrase kFlagProgressNote{"what was done", "办理情况"};
inline constexpr Phrase kFlagProgressUnit{
    "unit that reports (default --for-unit while units are at work, else the lead unit)",
    "反馈单位（单位承办期间默认 --for-unit，未给出则为主办单位）"};
inline constexpr Phrase kFlagPartDone{"the assisting unit's part is done", "协办单位已完成协办事项"};
inline constexpr Phrase kFlagExplainAssist{"assisting unit whose clock is meant",
                                           "协办单位（说明其自身的时限）"};
inline constexpr Phrase kFlagDisposition{"how it ended", "处理结果"};
inline constexpr Phrase kFlagReply{"what the caller is told", "公开答复"};
inline constexpr Phrase kFlagInternal{"for the handling site only; never leaves it",
                                      "内部办理情况，不出本站"};
inline constexpr Phrase kFlagSubstantiated{"what the caller said is true", "诉求属实"};
inline constexpr Phrase kFlagBeyondDuty{"beyond the unit's powers", "超出职责"};
inline constexpr Phrase kFlagContacted{"the caller was contacted", "已联系群众"};
inline constexpr Phrase kFlagContactTime{"when the caller was contacted", "联系群众的时间"};
inline constexpr Phrase kFlagUnresolvedReason{"why it is not resolved", "未解决原因"};
inline constexpr Phrase kFlagReplyUnit{
    "unit that gives the result (default --for-unit while units are at work)",
    "答复单位代码（单位承办期间默认 --for-unit）"};
inline constexpr Phrase kFlagReached{"the caller answered", "已接通"};
inline constexpr Phrase kFlagSettled{"the caller calls it settled; only with --reached",
                                     "群众认可已解决；须同时填 --reached"};
inline constexpr Phrase kFlagSatisfaction{"1 (very dissatisfied) to 5 (very satisfied); only with --reached",
                                          "满意度，1（很不满意）至 5（很满意）；须同时填 --reached"};
inline constexpr Phrase kFlagUntil{"new deadline", "新的办结时限"};
inline constexpr Phrase kFlagExtendGround{"ground of the extension", "延期理由"};
inline constexpr Phrase kFlagContactReached{"the caller was reached", "已联系上群众"};
inline constexpr Phrase kFlagContactUnit{"unit that made it (default --for-unit while units are at work)",
                                         "联系群众的单位（单位承办期间默认 --for-unit）"};
inline constexpr Phrase kFlagMoreDays{"working days more", "延长的工作日数"};
inline constexpr Phrase kFlagMoreHours{"working hours more", "延长的工作小时数"};
inline constexpr Phrase kFlagAskUnit{"unit that asks (default --for-unit, else the lead unit)",
                                     "申请单位（默认 --for-unit，未给出则为主办单位）"};
inline constexpr Phrase kFlagApprove{"grant it", "同意"};
inline constexpr Phrase kFlagRefuse{"refuse it; say why with --note", "不同意，用 --note 说明理由"};
inline constexpr Phrase kFlagGrantUntil{"grant it until then instead of what was asked for",
                                        "改为延至该时间"};
inline constexpr Phrase kFlagCallerTold{"the caller has been told", "已告知群众"};
inline constexpr Phrase kFlagClock{"which deadline", "时限种类"};
inline constexpr Phrase kFlagRung{"which rung; those below it too", "督办级别，含其下各级"};
inline constexpr Phrase kFlagAcknowledgeUntil{"repeat again from then on", "此后恢复重复提醒"};
inline constexpr Phrase kApproveOrRefuse{"give either --approve or --refuse",
                                         "请在 --approve 与 --refuse 中选一项"};
inline constexpr Phrase kAssistNeedsTo{"--assist and --note go with --to",
                                       "--assist 与 --note 须与 --to 同用"};
inline constexpr Phrase kOneLength{"give one of --working-days, --working-hours and --until",
                                   "请在 --working-days、--working-hours 与 --until 中选一项"};
inline constexpr Phrase kFlagExplainClock{"which deadline; finish if left out", "时限种类，默认办结"};
inline constexpr Phrase kFlagLedgerUntil{"book until then", "计至该时间"};
inline constexpr Phrase kFlagPolicyFile{"a policy instead of the configured file",
                                        "代替已配置文件的时限规则"};
inline constexpr Phrase kFlagDigest{"what the preview showed", "预览时显示的摘要"};
inline constexpr Phrase kFlagPublishNote{"why; kept with every deadline that moves",
                                         "原因，随每个被调整的时限保存"};
inline constexpr Phrase kCmdCalendar{
    "preview or publish a change of working time by files (.yaml a layer or the list, .json or .ics single "
    "days "
    "of a notice), or list the calendars that hold",
    "预览或发布工作日历调整（.yaml为某一层或日历清单，.json、."
    "ics为某份通知的放假和上班日期），或列出现行日历"};
inline constexpr Phrase kFlagNoticeDocument{"number of the notice that single days rest on",
                                            "放假通知的文号（用于.json、.ics）"};
inline constexpr Phrase kFlagNoticeTitle{"its title", "通知标题"};
inline constexpr Phrase kFlagNoticeIssued{"when it was issued", "发文日期"};
inline constexpr Phrase kFlagNoticeLayer{"layer that it is put into; that of the nation if left out",
                                         "所属的层，默认国家层"};
inline constexpr Phrase kFlagNoticeFrom{"first date that it announces; the whole year if left out",
                                        "公布安排的起始日期，默认全年"};
inline constexpr Phrase kFlagNoticeUntil{"last date that it announces", "公布安排的截止日期"};
inline constexpr Phrase kFlagNoticeOnly{"it decides its own days alone, such as one more holiday",
                                        "仅确定所列日期，不涉及其他日期（如临时增加的假日）"};
inline constexpr Phrase kFlagNoticeVersion{"new version of the layer", "该层的新版本号"};
inline constexpr Phrase kNeedsCalendarAction{"calendar needs preview, publish or list",
                                             "calendar 须为 preview、publish 或 list"};
inline constexpr Phrase kSettledClocks{"$0 stay where they are and are no longer provisional",
                                       "$0个时限不变，不再是暂定"};
inline constexpr Phrase kAddedDocument{"new: $0", "新增依据：$0"};
inline constexpr Phrase kDroppedDocument{"no longer there: $0", "不再作为依据：$0"};
inline constexpr Phrase kPublishCalendarWith{
    "To publish it as number $0, say `publish` in place of `preview`, with --digest $1 --note WHY",
    "发布为第$0号：将 preview 改为 publish，并加上 --digest $1 --note 原因"};
inline constexpr Phrase kNoCalendars{"There are no calendars: working time is around the clock.",
                                     "没有工作日历，工作时间按7×24小时计算。"};
inline constexpr Phrase kColLayer{"layer", "层"};
inline constexpr Phrase kColLevel{"level", "层级"};
inline constexpr Phrase kColLatestNotice{"latest document", "最新依据"};
inline constexpr Phrase kColAnnounced{"announced until", "已公布至"};
inline constexpr Phrase kColUndecided{"not decided", "未确定日期"};
inline constexpr Phrase kNotAnnounced{"not announced yet", "尚未公布"};
inline constexpr Phrase kNotKnown{"not known here", "未录入"};
inline constexpr Phrase kNeedsPolicyAction{"policy needs preview, publish or list",
                                           "policy 须为 preview、publish 或 list"};
inline constexpr Phrase kPreviewClocks{"$0 open deadlines looked at; $1 later, $2 earlier",
                                       "共检查$0个进行中的时限；$1个推后，$2个提前"};
inline constexpr Phrase kFollows{
    "Recomputed here from the documents and steps above, without the service: the same deadline.",
    "已由本程序按上列依据和步骤独立重算，时限一致。"};
inline constexpr Phrase kDoesNotFollow{
    "Recomputed here from the documents and steps above, the deadline is another: $0 does not follow",
    "按上列依据和步骤重算，时限不一致：$0与依据不符"};
inline constexpr Phrase kRulesUnchanged{"This is what holds already.", "与现行规则相同，无需发布。"};
inline constexpr Phrase kPublishWith{
    "To publish it as number $0: hotlinectl policy publish --digest $1 --note WHY (with the same --file)",
    "发布为第$0号：hotlinectl policy publish --digest $1 --note 原因（--file 与预览时相同）"};
inline constexpr Phrase kPublished{"Published as number $0; open deadlines are being moved.",
                                   "已发布为第$0号，正在调整进行中的时限。"};
inline constexpr Phrase kRulesSettled{"Open deadlines go by the latest; $0 were moved.",
                                      "进行中的时限均按最新规则执行，共调整$0个。"};
inline constexpr Phrase kRulesMoving{"Open deadlines are being moved; $0 so far.",
                                     "正在调整进行中的时限，已调整$0个。"};
inline constexpr Phrase kCounted{"counted", "计入"};
inline constexpr Phrase kSkipped{"skipped", "不计"};
inline constexpr Phrase kLedgerTotal{"total", "合计"};
inline constexpr Phrase kColNewDue{"new due", "调整后"};
inline constexpr Phrase kColPublication{"no.", "发布号"};
inline constexpr Phrase kColVersion{"version", "版本"};
inline constexpr Phrase kColCalendar{"calendars", "工作日历"};
inline constexpr Phrase kColReason{"reason", "原因"};
inline constexpr Phrase kColLength{"length", "时长"};
inline constexpr Phrase kColCounted{"counted", "是否计入"};
inline constexpr Phrase kColDay{"day", "日期名称"};
inline constexpr Phrase kColDocument{"document", "依据"};
inline constexpr Phrase kColUse{"use", "用途"};
inline constexpr Phrase kColOffHours{"off hours", "非工作时间"};
inline constexpr Phrase kFlagApprovedBy{"account that approved it", "批准人工号"};
inline constexpr Phrase kFlagReview{"when it must be looked at again", "复核时间"};
inline constexpr Phrase kFlagState{"only in this state", "只看该状态"};
inline constexpr Phrase kFlagListUnit{"only with this lead unit", "只看该主办单位"};
inline constexpr Phrase kFlagHotline{"only given by, offered to or held by this hotline",
                                     "只看与该热线有关的"};
inline constexpr Phrase kFlagListType{"only of this type", "只看该类型"};
inline constexpr Phrase kFlagListUrgency{"only of this urgency", "只看该紧急程度"};
inline constexpr Phrase kFlagListPhone{"only from this number, exact", "只看该来电号码（精确匹配）"};
inline constexpr Phrase kFlagFromTime{"registered at or after", "登记时间起"};
inline constexpr Phrase kFlagToTime{"registered before", "登记时间止（不含）"};
inline constexpr Phrase kFlagLimit{"at most this many (default 50, 0 = all)",
                                   "至多条数（默认 50，0 为全部）"};
inline constexpr Phrase kFlagPageLimit{"at most this many (default 50, at most 500)",
                                       "至多条数（默认 50，最多 500）"};
inline constexpr Phrase kFlagMovesLimit{"list at most this many moves (default 20, at most 500)",
                                        "至多列出多少条变动（默认 20，最多 500）"};
inline constexpr Phrase kFlagFromSequence{"first sequence wanted (default: from now on)",
                                          "起始序号（默认从现在起）"};
inline constexpr Phrase kFlagCount{"stop after this many events", "收到这么多事件后结束"};
inline constexpr Phrase kFlagUntilState{"stop when an order reaches this state", "有工单到达该状态后结束"};
inline constexpr Phrase kFlagHandoffs{"follow handoffs, from dispatch, instead of the whole log",
                                      "只跟踪移交事件（由 dispatch 提供），不看全部日志"};
inline constexpr Phrase kFlagTitles{"show titles too", "同时显示标题"};
inline constexpr Phrase kFlagParty{"only this hotline's or unit's duty", "只看该热线或单位的时限"};
inline constexpr Phrase kFlagBefore{"only due before", "只看此前到期的"};
inline constexpr Phrase kFlagAll{"stopped ones too", "包括已停止的"};
inline constexpr Phrase kFlagOut{"file to write; must not exist (export; default: NUMBER.hev)",
                                 "写入的文件，不得已存在（导出用；默认为“编号.hev”）"};
inline constexpr Phrase kFlagPublicKey{
    "PARTY=FILE: trust this public key (PEM) of the party (verify); without any, the file's own keys are "
    "used and not checked",
    "热线=文件：信任该热线的公钥（PEM，校验用）；不给则使用文件自带的公钥且不作核对"};
inline constexpr Phrase kFlagPublicKeys{"trust all PARTY/*.pub in this folder (verify)",
                                        "信任此目录下的全部“热线/*.pub”公钥（校验用）"};
inline constexpr Phrase kFlagVerifyFrom{"first sequence (default 1)", "起始序号（默认 1）"};
inline constexpr Phrase kFlagVerifyTo{"last sequence (default: the head)", "结束序号（默认到末尾）"};

// Global flags.
inline constexpr Phrase kFlagSite{"demo site: sets the three addresses", "演示站点：同时设定三个地址"};
inline constexpr Phrase kFlagDispatch{"dispatch, host:port [$HOTLINE_DISPATCH]",
                                      "dispatch 地址 host:port [$HOTLINE_DISPATCH]"};
inline constexpr Phrase kFlagWorkOrder{"work_order, host:port [$HOTLINE_WORK_ORDER]",
                                       "work_order 地址 host:port [$HOTLINE_WORK_ORDER]"};
inline constexpr Phrase kFlagEscalation{"escalation, host:port [$HOTLINE_ESCALATION]",
                                        "escalation 地址 host:port [$HOTLINE_ESCALATION]"};
inline constexpr Phrase kFlagCa{"PEM file of the authorities to trust; turns TLS on [$HOTLINE_CA]",
                                "信任的 CA 证书（PEM）；给出即启用 TLS [$HOTLINE_CA]"};
inline constexpr Phrase kFlagCert{"PEM file of this client's certificate [$HOTLINE_CERT]",
                                  "本客户端证书（PEM） [$HOTLINE_CERT]"};
inline constexpr Phrase kFlagKey{"PEM file of its private key [$HOTLINE_KEY]",
                                 "本客户端私钥（PEM） [$HOTLINE_KEY]"};
inline constexpr Phrase kFlagInsecure{"allow plain text beyond loopback", "允许在本机以外使用明文"};
inline constexpr Phrase kFlagJson{"protobuf JSON, one object a line", "输出 protobuf JSON，每行一个对象"};
inline constexpr Phrase kFlagLang{"language (default by LC_ALL, LANG)", "语言（默认按 LC_ALL、LANG）"};
inline constexpr Phrase kFlagTimeout{"longest wait for an answer, retries included (default 15s; verify 10m)",
                                     "等待答复的最长时间，含重试（默认 15s；verify 10m）"};
inline constexpr Phrase kFlagAccount{"account of who acts [$HOTLINE_ACCOUNT, $USER]",
                                     "操作人工号 [$HOTLINE_ACCOUNT、$USER]"};
inline constexpr Phrase kFlagForUnit{"unit that the account works for [$HOTLINE_UNIT]",
                                     "操作人所属单位代码 [$HOTLINE_UNIT]"};

// Wrong use.
inline constexpr Phrase kTryHelp{"See: hotlinectl help $0", "请看：hotlinectl help $0"};
inline constexpr Phrase kNoCommand{"no command given", "没有给出命令"};
inline constexpr Phrase kUnknownCommand{"unknown command `$0`", "没有命令“$0”"};
inline constexpr Phrase kUnknownFlag{"`$1` has no flag `$0`", "“$1”没有选项“$0”"};
inline constexpr Phrase kDidYouMean{"; did you mean `$0`?", "，是否应为“$0”？"};
inline constexpr Phrase kFlagNeedsValue{
    "flag `$0` needs a value; one that begins with -- is given as $0=VALUE",
    "选项“$0”需要一个值；以 -- 开头的值请写成 $0=值"};
inline constexpr Phrase kFlagTakesNoValue{"flag `$0` takes no value", "选项“$0”不带值"};
inline constexpr Phrase kFlagTwice{"flag `$0` was given twice", "选项“$0”重复给出"};
inline constexpr Phrase kFlagRequired{"`$1` needs the flag `$0`", "“$1”必须给出选项“$0”"};
inline constexpr Phrase kBadInteger{"`$0` is not a whole number of 0 or more", "“$0”的值应为不小于 0 的整数"};
inline constexpr Phrase kBadNumber{"`$0` is not a number", "“$0”的值应为数字"};
inline constexpr Phrase kBadDuration{"`$0` is not a duration such as 500ms, 10s, 2m, 48h or 2d",
                                     "“$0”的值应为时长，如 500ms、10s、2m、48h、2d"};
inline constexpr Phrase kDurationNeedsUnit{"`$0` needs a unit, such as 48h or 2d",
                                           "“$0”的值须带单位，如 48h、2d"};
inline constexpr Phrase kNeedsCaller{
    "a new order needs its caller: give --phone (or --contact-phone), --name or --anonymous",
    "新工单须有诉求人：请填 --phone（或 --contact-phone）、--name 或 --anonymous"};
inline constexpr Phrase kNeedsReachedOrNote{"`callback` needs --reached, or a --note if nobody was reached",
                                            "“callback”须给出 --reached；未联系上的，须用 --note 说明情况"};
inline constexpr Phrase kSimilarByOrder{"`similar` goes by the order's own content: leave out `$0`",
                                        "“similar”按工单本身的内容查找：请去掉“$0”"};
inline constexpr Phrase kBadTime{
    "`$0` is not a time such as 2026-11-23T09:30:00+08:00, \"2026-11-23 09:30\" (Beijing time), 2026-11-23, "
    "+2h or -3d",
    "“$0”的值应为时间，如 2026-11-23T09:30:00+08:00、“2026-11-23 09:30”（北京时间）、2026-11-23、+2h、-3d"};
inline constexpr Phrase kBadWord{"`$0` must be one of: $1", "“$0”的值应为：$1"};
inline constexpr Phrase kBadAddress{"`$0` is not host:port", "“$0”的值应为 host:port"};
inline constexpr Phrase kNeedsOrder{"`$0` needs the id or number of an order", "“$0”需要工单的标识或编号"};
inline constexpr Phrase kNeedsFile{"`$0` needs a file", "“$0”需要文件"};
inline constexpr Phrase kNeedsEvidenceAction{"`evidence` needs `export` or `verify`",
                                             "“evidence”需要指定 export 或 verify"};
inline constexpr Phrase kFlagOfOther{"`$0` goes only with `$1`", "$0 只用于“$1”"};
inline constexpr Phrase kBadPublicKey{"`--public-key` must be PARTY=FILE", "--public-key 应为“热线=文件”"};
inline constexpr Phrase kNeedsShell{"`completion` needs `bash` or `zsh`", "“completion”需要指定 bash 或 zsh"};
inline constexpr Phrase kNeedsLinkAction{"`link` needs `status` or `reconcile`",
                                         "“link”需要指定 status 或 reconcile"};
inline constexpr Phrase kNeedsMeetingAction{"`meeting` needs `docket`, `pack`, `rule` or `proposal`",
                                            "“meeting”需要指定 docket、pack、rule 或 proposal"};
inline constexpr Phrase kNeedsItem{"`$0` needs the item of the docket", "“$0”需要议题编号"};
inline constexpr Phrase kNeedsPeer{"`link reconcile` needs a peer, e.g. 110",
                                   "“link reconcile”需要指定对端，如 110"};
inline constexpr Phrase kPolicyFileIsAFlag{"a file of deadlines is given with `--file $0`",
                                           "时限文件请用 --file $0 指定"};
inline constexpr Phrase kTooManyOperands{"`$0` does not take `$1`", "“$0”不接受“$1”"};
inline constexpr Phrase kFileAndOrder{"`--file` cannot be given with an order", "“--file”不能与工单同时给出"};
inline constexpr Phrase kContentAndOrder{"an order that exists keeps its content: leave out `$0`",
                                         "已有工单的内容不可更改：请去掉“$0”"};
inline constexpr Phrase kRejectsNeedsFile{"`$0` goes only with `--file`", "“$0”只能与“--file”同用"};
inline constexpr Phrase kNotWithFile{"`$0` cannot be given with `--file`", "“$0”不能与“--file”同时给出"};
inline constexpr Phrase kCertAndKey{"--ca, --cert and --key go together", "--ca、--cert、--key 须同时给出"};

// Errors.
inline constexpr Phrase kError{"error: $0", "错误：$0"};
inline constexpr Phrase kErrorReason{"  reason: $0", "  原因代码：$0"};
inline constexpr Phrase kErrorField{"  field:  $0", "  字段：$0"};
inline constexpr Phrase kErrorFieldFlag{"  field:  $0 (flag --$1)", "  字段：$0（选项 --$1）"};
inline constexpr Phrase kErrorAdvice{"  to do:  $0", "  处理：$0"};
inline constexpr Phrase kErrorRequestId{
    "  request id: $0 (to try again: the same command with --request-id $0)",
    "  请求号：$0（重试：同一命令加上 --request-id $0）"};
inline constexpr Phrase kDoFix{"correct the input and run the command again", "请改正输入后重新执行"};
inline constexpr Phrase kDoCheckId{"check the id or number; it must be one of this site",
                                   "请核对工单标识或编号，须为本站工单"};
inline constexpr Phrase kDoReadAgain{"look at the order (`hotlinectl show`) and decide again",
                                     "请用“hotlinectl show”重新查看工单后再决定"};
inline constexpr Phrase kDoCheckName{"check the id or the name that was given", "请核对所给的编号或名称"};
inline constexpr Phrase kDoWait{
    "look at the order (`hotlinectl show`); who gave it can take it back before it is accepted (`hotlinectl "
    "recall`)",
    "请用“hotlinectl show”查看工单；推送方如需收回，可在对方受理前撤回（hotlinectl recall）"};
inline constexpr Phrase kDoUnitCode{"`hotlinectl directory list` shows the codes of the units",
                                    "单位代码见 hotlinectl directory list"};
inline constexpr Phrase kDoUnitCodeIs{"`$0` is a unit's name: its code is `$1`, give that",
                                      "“$0”是单位名称，其代码为 $1，请改填代码"};
inline constexpr Phrase kDoPeerCode{
    "check the code of the peer; `hotlinectl link status` shows those configured",
    "请核对对方平台代码；已配置的平台见 hotlinectl link status"};
inline constexpr Phrase kDoTargetCode{
    "check the code of the hotline; nothing can be pushed to this site itself; `hotlinectl link status` "
    "shows the peers configured",
    "请核对平台代码，不能推送至本平台自身；已配置的平台见 hotlinectl link status"};
inline constexpr Phrase kDoSupersede{
    "let the other's term end first; a leader's or handler's ends by `hotlinectl directory set … "
    "--supersede`",
    "请先结束原任期；分管领导、具体负责干部可用 hotlinectl directory set … --supersede，届时在任者随之卸任"};
inline constexpr Phrase kDoCause{"mend what the message names, then run the command again",
                                 "请先处理上述原因，再重新执行"};
inline constexpr Phrase kDoSeeDocket{"`hotlinectl meeting docket` shows the items that there are",
                                     "现有议题见 hotlinectl meeting docket"};
inline constexpr Phrase kDoSeeNotifications{"`hotlinectl notifications list` shows those that there are",
                                            "现有通知见 hotlinectl notifications list"};
inline constexpr Phrase kDoOtherBackupName{"choose another name; `hotlinectl backup list` shows those taken",
                                           "请换一个名称，已用的名称见 hotlinectl backup list"};
inline constexpr Phrase kDoNewRequestId{"choose another request id, or repeat exactly the first request",
                                        "请换一个请求号，或原样重复首次请求"};
inline constexpr Phrase kDoSequence{"start at a sequence that exists", "请从已有的序号开始"};
inline constexpr Phrase kDoSigningKey{
    "name a key under `signing.keys` in the configuration of the site whose not_before_time has passed",
    "请在本站配置的 signing.keys 中指定已到生效时间（not_before_time）的签名密钥"};
inline constexpr Phrase kDoResume{"resume the order first (`hotlinectl resume`)",
                                  "请先恢复工单（hotlinectl resume）"};
inline constexpr Phrase kDoReassign{
    "handle it, or ask the desk to give it to another unit (`hotlinectl reassign`)",
    "请办理；确需调整的，请热线改派（hotlinectl reassign）"};
inline constexpr Phrase kDoRuling{"have it ruled on and record that (`hotlinectl rule`)",
                                  "请提请裁定，并用“hotlinectl rule”记录裁定结果"};
inline constexpr Phrase kDoPreview{"Preview again, and publish what that shows.", "请重新预览，再发布。"};
inline constexpr Phrase kDoBounce{"if it is meant, push again with --confirm-bounce",
                                  "如确需推送，请加 --confirm-bounce 重试"};
inline constexpr Phrase kDoAct{
    "dispatch units or report progress first (`hotlinectl dispatch`, `hotlinectl progress`)",
    "请先派单或记录处置进展（hotlinectl dispatch、hotlinectl progress）"};
inline constexpr Phrase kDoUnreachable{
    "check the address and that the service runs (`hotlinectl health`), then try again; repeating is safe",
    "请检查地址及服务是否运行（hotlinectl health），然后重试；重试不会重复办理"};
inline constexpr Phrase kDoPeerUnreachable{
    "`hotlinectl link status` says why; the links go on trying by themselves, then run the command again",
    "原因见 hotlinectl link status；链路会自行重试，恢复后请重新执行"};
inline constexpr Phrase kDoAddress{
    "check the address (--dispatch, --work-order, --escalation); nothing was done",
    "请核对地址（--dispatch、--work-order、--escalation）；本次操作未执行"};
inline constexpr Phrase kDoTimeout{
    "try again with the same request id, perhaps with a longer --timeout; repeating is safe",
    "请用同一请求号重试，必要时加长 --timeout；重试不会重复办理"};
inline constexpr Phrase kDoVerifyOffline{
    "a service takes ten minutes for it at most: what is larger is verified in a backup (`hotlinectl backup "
    "create`, then `hotlinectl backup verify FOLDER`), however long that takes",
    "服务最多校验十分钟；日志更大的，请校验备份（hotlinectl backup create，再 hotlinectl backup verify "
    "目录），不限时长"};
inline constexpr Phrase kDoLater{"try again later", "请稍后再试"};
inline constexpr Phrase kDoLaterIn{"try again in $0", "请在 $0 后再试"};
inline constexpr Phrase kDoMakeRoom{
    "make room on the disk that is full (old backups, rotated logs): `hotlinectl doctor` at the site says "
    "which; then run the command again",
    "请清理已满的磁盘（旧备份、已轮转的日志），在该平台执行 hotlinectl doctor 可查看是哪一个；然后重新执行"};
inline constexpr Phrase kDoRestart{
    "it does not heal by itself: mend what the message names, then systemctl restart $0 at the site; "
    "`hotlinectl doctor` there says more",
    "不会自行恢复：请先处理上述原因，再在该平台执行 systemctl restart $0；详见该平台的 hotlinectl doctor"};
inline constexpr Phrase kDoPermission{"use a certificate or an account that may do this",
                                      "请使用有此权限的证书或账号"};
inline constexpr Phrase kDoCallUs{"this should not happen: keep this message and tell the operators",
                                  "这不应发生：请保留本信息并告知运维人员"};
inline constexpr Phrase kPlainUnreachable{"cannot reach $0 at $1", "无法连接 $0（$1）"};
inline constexpr Phrase kPlainTimeout{"no answer from $0 at $1 in time", "$0（$1）未在时限内答复"};
inline constexpr Phrase kPlainOtherService{"what answers at $1 is not $0, or is of an older release",
                                           "$1 处应答的不是 $0，或其版本较旧"};
inline constexpr Phrase kPlainWentDown{"$0 at $1 went down during the call", "$0（$1）在调用期间停机"};
// Why a link does not connect; $0 is the address.
inline constexpr Phrase kLinkRefused{"nobody listens at $0 (connection refused)",
                                     "$0 无程序监听（连接被拒绝）"};
inline constexpr Phrase kLinkTimeout{"$0 does not answer (timed out)", "$0 无应答（超时）"};
inline constexpr Phrase kLinkNoRoute{"there is no way through the network to $0", "网络不可达：$0"};
inline constexpr Phrase kLinkNoName{"the name in $0 is not found (DNS)", "无法解析 $0 中的主机名（DNS）"};
inline constexpr Phrase kLinkHandshake{"the TLS handshake with $0 failed ($1)",
                                       "与 $0 的 TLS 握手失败（$1）"};
inline constexpr Phrase kLinkOtherParty{"the certificate at $0 names another: $1",
                                        "$0 处的证书属于另一方：$1"};
inline constexpr Phrase kLinkNotOurs{
    "what listens at $0 does not speak this protocol (another program, or TLS on one side alone)",
    "$0 处监听的程序协议不符（并非本系统，或仅一方启用 TLS）"};
inline constexpr Phrase kLinkBrokenOff{
    "the TLS handshake with $0 was broken off (the other side went down, or one does not trust the other's "
    "certificate)",
    "与 $0 的 TLS 握手中断（对方停机，或双方之一不信任对方证书）"};
inline constexpr Phrase kLinkClosed{
    "the connection to $0 was closed (the other side went down or refuses the certificate, or TLS on one "
    "side "
    "alone)",
    "与 $0 的连接已断开（对方停机或拒绝证书，或仅一方启用 TLS）"};
inline constexpr Phrase kLinkOther{"cannot connect to $0 ($1)", "无法连接 $0（$1）"};
inline constexpr Phrase kThePeer{"the peer", "对端"};
inline constexpr Phrase kLinkPeerFull{"$0 says: its disk is full", "$0 答复：其磁盘已满"};
inline constexpr Phrase kLinkFull{"the disk of the spool or of the peer is full",
                                  "文件交换目录或对端的磁盘已满"};
inline constexpr Phrase kLinkPeerSays{"$0 says: $1", "$0 答复：$1"};
inline constexpr Phrase kLinkSignature{"the signature of $0 by the key '$1' is refused: $2",
                                       "$0 的签名（密钥 $1）被拒：$2"};
inline constexpr Phrase kLinkKeyUnknown{"there is no such public key in the configuration",
                                        "配置中没有此公钥"};
inline constexpr Phrase kDoPeerFull{
    "$0 must make room on its disk; the link then goes on by itself (while this site takes back what it "
    "lost, "
    "its own disk counts too)",
    "须由 $0 清理其磁盘，之后链路自行恢复（本平台正在找回记录时，也请查看本平台磁盘）"};
inline constexpr Phrase kDoSpoolFull{
    "make room on the disk of spool.out_directory; if there is room, $0 must make room on its own",
    "请清理 spool.out_directory 所在磁盘；若空间充足，则须由 $0 清理其磁盘"};
inline constexpr Phrase kDoPeerAddsKey{
    "$0 must add the public key of '$1' to those of this site under `public_keys` and restart work_order and "
    "dispatch; until then sign with a key that it has (`signing.keys` here, then the same restart)",
    "须由 $0 将 '$1' 的公钥加入其配置中本平台的 "
    "public_keys，并重启work_order和dispatch；在此之前，请在本平台 "
    "signing.keys 中改用对方已有的密钥，并同样重启"};
inline constexpr Phrase kDoAddPeersKey{
    "add the public key of '$1' to those of $0 under `public_keys` here and restart work_order and dispatch; "
    "until then $0 can sign with a key that is there",
    "请将 '$1' 的公钥加入本平台配置中 $0 的 public_keys，并重启work_order和dispatch；在此之前，$0 "
    "可改用本平台已有的密钥签名"};
inline constexpr Phrase kDoCompareKeys{
    "compare the key '$0' of $1 at both sites: `signing.keys` and `public_keys`, from when and until when it "
    "is valid, and both clocks",
    "请双方核对 $1 的密钥 '$0'：signing.keys 与 public_keys、有效期及双方时钟"};
inline constexpr Phrase kNotLoopback{
    "$0 is not on loopback: give --ca (TLS), or --insecure to allow plain text",
    "$0 不在本机：请给出 --ca（TLS），或用 --insecure 允许明文"};
inline constexpr Phrase kCannotRead{"cannot read $0", "无法读取 $0"};
inline constexpr Phrase kInputTooLarge{"$0 is larger than $1 MiB", "$0 超过 $1 MiB"};
inline constexpr Phrase kOutputLost{
    "standard output cannot be written (a full disk?): what was to be shown is not complete",
    "无法写入标准输出（磁盘已满？）：输出内容不完整"};
inline constexpr Phrase kCannotWrite{"cannot write $0", "无法写入 $0"};

// Import.
inline constexpr Phrase kRowError{"row $0 (line $1): $2", "第 $0 条（第 $1 行）：$2"};
inline constexpr Phrase kAtColumn{"column \"$0\": $1", "“$0”列：$1"};
inline constexpr Phrase kAtKey{"key \"$0\": $1", "“$0”键：$1"};
inline constexpr Phrase kFileTooLarge{"the file is larger than 64 MiB", "文件超过 64 MiB"};
inline constexpr Phrase kTooManyRows{"the file has more than 100,000 orders", "文件超过 100,000 条工单"};
inline constexpr Phrase kNoRows{"the file holds no orders", "文件中没有工单"};
inline constexpr Phrase kNotUtf8{"not UTF-8; save the file as UTF-8",
                                 "不是 UTF-8 编码，请将文件另存为 UTF-8"};
inline constexpr Phrase kUnknownColumn{"no such column; the first row names the columns, which are: $0",
                                       "没有这个列名；首行应为列名，可用列名：$0"};
inline constexpr Phrase kUnknownKey{"no such key; the keys are: $0", "没有这个键名；可用键名：$0"};
inline constexpr Phrase kDoubleColumn{"the column is there twice", "列名重复"};
inline constexpr Phrase kTooManyColumns{"more than 64 columns", "超过 64 列"};
inline constexpr Phrase kOpenQuote{"a quote is not closed", "引号没有结束"};
inline constexpr Phrase kTextAfterQuote{"text after a closing quote", "结束引号后还有内容"};
inline constexpr Phrase kQuoteInField{"a quote inside an unquoted field", "未加引号的字段中出现引号"};
inline constexpr Phrase kFieldCount{"$0 fields where the header has $1", "有 $0 个字段，而首行有 $1 个"};
inline constexpr Phrase kJsonSyntax{"not well-formed JSON", "JSON 格式有误"};
inline constexpr Phrase kJsonDepth{"JSON nested too deep", "JSON 嵌套过深"};
inline constexpr Phrase kJsonNotObject{"an order must be a JSON object", "每条工单应为 JSON 对象"};
inline constexpr Phrase kJsonTrailing{"text after the end of the JSON array", "JSON 数组之后还有内容"};
inline constexpr Phrase kJsonField{"the field does not exist or its value does not fit",
                                   "字段不存在或值不合规"};
inline constexpr Phrase kBadValueWord{"must be one of: $0", "应为：$0"};
inline constexpr Phrase kBadValueNumber{"must be a number", "应为数字"};
inline constexpr Phrase kBadValueBoolean{"must be true or false", "应为 true 或 false（是或否）"};
inline constexpr Phrase kBadValueTime{
    "must be a time such as 2026-11-23T09:30:00+08:00 or 2026-11-23 09:30 (Beijing time)",
    "应为时间，如 2026-11-23T09:30:00+08:00 或 2026-11-23 09:30（北京时间）"};
inline constexpr Phrase kBadValueDuration{"must be a duration such as 500ms or 10s",
                                          "应为时长，如 500ms、10s"};
inline constexpr Phrase kBadValueText{"must be text", "应为文字"};
inline constexpr Phrase kOneCoordinate{"latitude and longitude go together", "经度与纬度须同时给出"};
inline constexpr Phrase kImportDone{
    "$0 orders: $1 pushed, $2 known already, $3 failed, $4 not tried ($5 s, $6/s)",
    "共 $0 条：新推送 $1，此前已推送 $2，失败 $3，未尝试 $4（$5 秒，$6 条/秒）"};
inline constexpr Phrase kRowsKnown{
    "known already, as an earlier run pushed them; nothing was pushed twice: rows $0",
    "此前已推送、本次未重复推送：第 $0 条"};
inline constexpr Phrase kKnownUnknown{
    "which rows an earlier run had pushed is not known, as escalation does not answer; nothing is pushed "
    "twice",
    "督办服务无应答，无法区分此前已推送的条目；不会重复推送"};
inline constexpr Phrase kImportStopped{
    "stopped: the service cannot take more now. Running the same file again is safe.",
    "已停止：服务暂时无法接收。同一文件可重新执行，不会重复推送。"};
inline constexpr Phrase kRejectsWritten{"rows to correct: $0 in $1", "待改正的行：$0 条，见 $1"};
inline constexpr Phrase kImportProgress{"$0 $1/$2  pushed $3  known already $4  failed $5",
                                        "$0 $1/$2  新推送 $3  此前已推送 $4  失败 $5"};

// Results.
inline constexpr Phrase kPushed{"order $0  $1 → $2  $3", "工单 $0  $1 → $2  $3"};
inline constexpr Phrase kRegistered{"order $0  $1", "工单 $0  $1"};
inline constexpr Phrase kChanged{"order $0  $1  held by $2  version $3  event #$4",
                                 "工单 $0  $1  由 $2 持有  版本 $3  事件 #$4"};
inline constexpr Phrase kTelephone{
    "USE THE TELEPHONE NOW: the peer has not confirmed this order. The push stays under way.",
    "请立即电话转交：对方尚未确认此工单。推送仍在继续。"};
inline constexpr Phrase kTelephoneUnsure{
    "USE THE TELEPHONE NOW: it is not certain that this order was pushed.",
    "请立即电话转交：不能确定此工单已推送。"};
inline constexpr Phrase kMoreFailures{"… further failures are not shown; see --rejects and --json",
                                      "……其余错误不再显示；可用 --rejects 或 --json 查看"};
inline constexpr Phrase kNothing{"nothing found", "没有符合条件的记录"};
inline constexpr Phrase kMore{"there are more: raise --limit", "还有更多：请加大 --limit"};
inline constexpr Phrase kIntact{"intact: $0 events, $1 envelopes, $2 orders; head #$3 $4",
                                "完好：事件 $0，信封 $1，工单 $2；末尾 #$3 $4"};
inline constexpr Phrase kBroken{"BROKEN: $0", "已损坏：$0"};
inline constexpr Phrase kEvidenceWritten{"evidence of order $0: $1 ($2 bytes); it holds personal data",
                                         "工单 $0 的证据：$1（$2 字节）；含个人信息，请妥善保管"};
inline constexpr Phrase kEvidenceHead{"order $0, exported by $1 at $2", "工单 $0，由 $1 于 $2 导出"};
inline constexpr Phrase kEvidenceGood{"INTACT: everything checked is as it was signed",
                                      "完好：所有内容与签名相符"};
inline constexpr Phrase kEvidenceGaps{"INTACT, BUT NOT ALL IS PROVEN: see the lines marked `gap`",
                                      "完好，但并非全部得到证明：见标为“缺口”的各行"};
inline constexpr Phrase kEvidenceFailed{"FAILED: this file proves nothing", "校验未通过：此文件不能作为证据"};
inline constexpr Phrase kKeysUnchecked{
    "KEYS NOT CHECKED: give the parties' public keys with --public-key, or compare the fingerprints by "
    "another way",
    "公钥未经核对：请用 --public-key 给出各方公钥，或另行核对指纹"};
inline constexpr Phrase kVerdictOk{"ok", "通过"};
inline constexpr Phrase kVerdictGap{"gap", "缺口"};
inline constexpr Phrase kVerdictFailed{"FAILED", "未通过"};
inline constexpr Phrase kFileExists{"$0 exists already: choose another with --out",
                                    "$0 已存在：请用 --out 另选文件"};
inline constexpr Phrase kReconnecting{"disconnected: $0; resuming at #$1 in $2",
                                      "连接中断：$0；将于 $2 后从 #$1 续接"};
inline constexpr Phrase kReconnectingNow{"disconnected: $0; following again from the next event in $1",
                                         "连接中断：$0；将于 $1 后从下一事件起续接"};
inline constexpr Phrase kConnected{"connected again", "已重新连接"};
inline constexpr Phrase kDrainedWord{"the service is going down", "服务正在停机"};
inline constexpr Phrase kEndedWord{"the stream ended", "数据流已结束"};

// Column headings and labels of an order.
inline constexpr Phrase kColNumber{"number", "编号"};
inline constexpr Phrase kColId{"id", "标识"};
inline constexpr Phrase kColState{"state", "状态"};
inline constexpr Phrase kColHolder{"holder", "持有方"};
inline constexpr Phrase kColType{"type", "类型"};
inline constexpr Phrase kColUrgency{"urgency", "紧急程度"};
inline constexpr Phrase kColTitle{"title", "标题"};
inline constexpr Phrase kColRegistered{"registered", "登记时间"};
inline constexpr Phrase kColUpdated{"changed", "更新时间"};
inline constexpr Phrase kColFacts{"marks", "标记"};
inline constexpr Phrase kColSequence{"#", "序号"};
inline constexpr Phrase kColTime{"time", "时间"};
inline constexpr Phrase kColEvent{"event", "事件"};
inline constexpr Phrase kColActor{"by", "操作方"};
inline constexpr Phrase kColDetail{"detail", "说明"};
inline constexpr Phrase kColClock{"clock", "时限"};
inline constexpr Phrase kColLamp{"lamp", "灯"};
inline constexpr Phrase kColDue{"due", "到期"};
inline constexpr Phrase kColLeft{"left", "剩余"};
inline constexpr Phrase kColParty{"duty", "责任方"};
inline constexpr Phrase kColRung{"rung", "已采取"};
inline constexpr Phrase kColClockState{"clock state", "计时"};
inline constexpr Phrase kColDelivery{"delivery", "送达"};
inline constexpr Phrase kColPeer{"peer", "对端"};
inline constexpr Phrase kColUp{"link", "链路"};
inline constexpr Phrase kColOutgoing{"sent up to", "已发至"};
inline constexpr Phrase kColAcknowledged{"acknowledged", "已确认至"};
inline constexpr Phrase kColIncoming{"received up to", "已收至"};
inline constexpr Phrase kColAcknowledgeTime{"last acknowledged", "最近确认"};
inline constexpr Phrase kColLane{"lane", "通道"};
inline constexpr Phrase kColLag{"lag", "积压"};
inline constexpr Phrase kColLagSeconds{"lag s", "积压秒"};
inline constexpr Phrase kColPeerKnows{"peer knows as of", "对端截至"};
inline constexpr Phrase kColSkew{"clock off by", "时钟偏差"};
inline constexpr Phrase kColNextTry{"next try", "下次重试"};
inline constexpr Phrase kColTransport{"by", "传输"};
inline constexpr Phrase kColNote{"note", "备注"};
inline constexpr Phrase kOrdinaryLane{"ordinary", "普通"};
inline constexpr Phrase kEmergencyLane{"emergency", "特急"};
inline constexpr Phrase kByConnection{"connection", "直连"};
inline constexpr Phrase kByFiles{"files", "文件"};
inline constexpr Phrase kLinkRecovering{"taking back what was lost ($0 so far)",
                                        "正在从对端找回丢失的记录（已 $0 条）"};
inline constexpr Phrase kLinkForked{"STOPPED: the sites differ from #$0 on", "已停止：双方自 #$0 起不一致"};
inline constexpr Phrase kLinkDiffers{"$0 handoffs differ ($1)", "$0 件移交不一致（$1）"};
inline constexpr Phrase kColHandoff{"handoff", "移交标识"};
inline constexpr Phrase kColDifference{"difference", "差异"};
inline constexpr Phrase kColHere{"here", "本平台"};
inline constexpr Phrase kColThere{"there", "对端"};
inline constexpr Phrase kMissingHere{"missing here", "本平台缺少"};
inline constexpr Phrase kMissingThere{"missing there", "对端缺少"};
inline constexpr Phrase kViewsDiffer{"differs", "内容不一致"};
inline constexpr Phrase kNoteInMotion{"under way", "传送中"};
inline constexpr Phrase kNoteRepaired{"repaired", "已修复"};
inline constexpr Phrase kNoteResent{"sent again", "已重发"};
inline constexpr Phrase kReconciled{"$0 handoffs compared, $1 differ ($2 questions, $3)",
                                    "已核对移交 $0 件，不一致 $1 件（询问 $2 次，用时 $3）"};
inline constexpr Phrase kReconcileTruncated{"more differ than are listed", "差异过多，未全部列出"};
inline constexpr Phrase kColError{"last error", "最近错误"};
inline constexpr Phrase kColEpoch{"epoch", "轮次"};
inline constexpr Phrase kColFrom{"from", "起"};
inline constexpr Phrase kColUntil{"until", "止"};
inline constexpr Phrase kColCondition{"condition", "状况"};
inline constexpr Phrase kColHoldTime{"by the holder's clock", "持有方时间"};
inline constexpr Phrase kColBy{"by", "依据"};
inline constexpr Phrase kColFromTo{"from → to", "由 → 至"};
inline constexpr Phrase kColOutcome{"outcome", "结果"};
inline constexpr Phrase kGoesOn{"goes on", "至今"};
inline constexpr Phrase kPassedOn{"passed on", "转出"};
inline constexpr Phrase kContinuedAs{"The order came back to this site: work with the copy of handoff $0.",
                                     "工单已回到本平台：请在移交 $0 对应的工单上办理。"};
inline constexpr Phrase kPreviewAllowed{"The return is possible.", "可以退回。"};
inline constexpr Phrase kPreviewRefused{"The return is not possible: $0", "不能退回：$0"};
inline constexpr Phrase kPreviewBounce{
    "The order goes to and fro: it was here, or at the one proposed, before.",
    "注意：退单拉锯。工单此前已到过本平台或所建议的单位。"};
inline constexpr Phrase kPreviewLeft{"Free returns left: $0 of this unit, $1 of this order.",
                                     "剩余可退次数：本单位 $0 次，本工单 $1 次。"};
inline constexpr Phrase kPreviewRuling{"A ruling has to say who handles it.", "须经裁定明确承办方。"};
inline constexpr Phrase kPreviewRuled{"Ruled for $0.", "已裁定由 $0 承办。"};
inline constexpr Phrase kTotal{"all", "合计"};
inline constexpr Phrase kWritten{"written: $0", "已写入：$0"};
inline constexpr Phrase kPeriodShown{"from $0 to $1; what was committed before $2 counts",
                                     "自 $0 至 $1；计入 $2 以前的记录"};
inline constexpr Phrase kCsvNumerator{"$0: numerator", "$0：分子"};
inline constexpr Phrase kCsvDenominator{"$0: denominator", "$0：分母"};
inline constexpr Phrase kCsvMinutes{"$0 (minutes)", "$0（分钟）"};
inline constexpr Phrase kColAssigned{"assigned", "接单"};
inline constexpr Phrase kColAssisted{"assisting", "协办"};
inline constexpr Phrase kColAssistSign{"assisting, signed on time", "协办按时签收"};
inline constexpr Phrase kColAssistFinish{"assisting, finished on time", "协办按时办结"};
inline constexpr Phrase kColSignOnTime{"signed on time", "按时签收率"};
inline constexpr Phrase kColFinishOnTime{"finished on time", "按时办结率"};
inline constexpr Phrase kColReturnRate{"returned", "退单率"};
inline constexpr Phrase kColMoves{"moves", "平均流转次数"};
inline constexpr Phrase kColRedoRate{"redone", "重办率"};
inline constexpr Phrase kColExtensionRate{"extended", "延期率"};
inline constexpr Phrase kColLastMinute{"last-minute", "临期延期率"};
inline constexpr Phrase kColHandled{"handled", "办理件数"};
inline constexpr Phrase kColMedian{"median", "办理用时中位数"};
inline constexpr Phrase kColP90{"p90", "办理用时90分位"};
inline constexpr Phrase kColBreachShare{"breach share", "违限占比"};
inline constexpr Phrase kColGreen{"green", "绿灯"};
inline constexpr Phrase kColYellow{"yellow", "黄灯"};
inline constexpr Phrase kColRed{"red", "红灯"};
inline constexpr Phrase kColPaused{"paused", "暂停"};
inline constexpr Phrase kColItem{"item", "议题"};
inline constexpr Phrase kColOpened{"opened", "提出时间"};
inline constexpr Phrase kColGrounds{"grounds", "双方理由"};
inline constexpr Phrase kColRuling{"ruling", "裁定"};
inline constexpr Phrase kColService{"service", "服务"};
inline constexpr Phrase kColAddress{"address", "地址"};
inline constexpr Phrase kColHealth{"health", "状况"};
inline constexpr Phrase kColVerdict{"verdict", "结论"};
inline constexpr Phrase kColCheck{"check", "检查"};
inline constexpr Phrase kColWhere{"where", "位置"};
inline constexpr Phrase kColLatency{"answered in", "答复用时"};
inline constexpr Phrase kLabelOrigin{"origin", "首接热线"};
inline constexpr Phrase kLabelVersion{"version", "版本"};
inline constexpr Phrase kLabelChannel{"channel", "渠道"};
inline constexpr Phrase kLabelCaller{"caller", "诉求人"};
inline constexpr Phrase kLabelPhone{"phone", "电话"};
inline constexpr Phrase kLabelPlace{"place", "地点"};
inline constexpr Phrase kLabelCoordinates{"coordinates", "坐标"};
inline constexpr Phrase kLabelItem{"annex item", "清单事项"};
inline constexpr Phrase kLabelUnits{"units", "承办单位"};
inline constexpr Phrase kLabelHandoff{"handoff", "移交"};
inline constexpr Phrase kLabelReceived{"received", "一收 接收"};
inline constexpr Phrase kLabelUnderstood{"understood", "二收 登记"};
inline constexpr Phrase kLabelAccepted{"accepted", "三收 受理"};
inline constexpr Phrase kReceiptTimes{"$0 by $1's clock; recorded at $2: $3", "$1 时钟 $0；$2 记录于 $3"};
inline constexpr Phrase kReceiptTime{"$0 by $1's clock", "$1 时钟 $0"};
inline constexpr Phrase kLabelSkew{"clock skew", "时钟差"};
inline constexpr Phrase kSkew{"$0's clock minus $1's: $2 ± $3", "$0 时钟减 $1 时钟：$2 ± $3"};
inline constexpr Phrase kLabelConfirmBy{"confirm by", "确认期限"};
inline constexpr Phrase kLabelSpokenCode{"spoken code", "电话口令"};
inline constexpr Phrase kLabelVoice{"by voice", "电话确认"};
inline constexpr Phrase kVoice{"$0, recorded by $1 at $2, spoken with $3", "$0，$1 于 $2 登记，通话对方 $3"};
inline constexpr Phrase kLabelScene{"on the scene", "现场请求"};
inline constexpr Phrase kLabelGuidance{"guidance", "引导说明"};
inline constexpr Phrase kLabelSceneRecord{"arrival", "到场情况"};
inline constexpr Phrase kScene{"$0, asked of $1, unit wanted $2", "$0，联系 $1，请求单位 $2"};
inline constexpr Phrase kSceneRecord{"$0, recorded by $1 at $2", "$0，$1 于 $2 登记"};
inline constexpr Phrase kBadPhoto{"`--photo` must be URI=SHA-256 in hex or URI=FILE",
                                  "--photo 应为 URI=SHA-256（十六进制）或 URI=文件"};
inline constexpr Phrase kTelephoneHead{
    "USE THE TELEPHONE NOW: the peer has not confirmed the request; call the service center's head.",
    "对方尚未确认：请立即电话联系政务服务中心负责人。"};
inline constexpr Phrase kSimilarEarlier{"by the same number", "同一号码"};
inline constexpr Phrase kSimilarAlike{"may be of the same matter", "可能为同一事项"};
inline constexpr Phrase kSimilarIncomplete{"the index is still being built: ask again for all of them",
                                           "索引仍在建立：请稍后再查以得到全部结果"};
inline constexpr Phrase kColScore{"likely", "相似度"};
inline constexpr Phrase kColDistance{"distance", "距离"};
inline constexpr Phrase kColApart{"apart", "相隔"};
inline constexpr Phrase kSameTownship{"same township", "同一乡镇"};
inline constexpr Phrase kFlagSimilarLimit{"most orders in each list, up to 50 (default 10)",
                                          "每类至多条数，不超过 50（默认 10）"};
inline constexpr Phrase kNeedsOrderOrText{"`similar` needs an order, or --text, --title or --phone",
                                          "“similar”需要工单，或 --text、--title、--phone 之一"};
inline constexpr Phrase kLabelMergedInto{"merged into", "并入"};
inline constexpr Phrase kLabelMergedOrders{"merged orders", "并单"};
inline constexpr Phrase kLabelOutcomes{"partners' results", "联动结果"};
inline constexpr Phrase kMergedOrder{"$0 $1, answered by $2", "$0 $1，由 $2 答复"};
inline constexpr Phrase kUnanswered{"callers of merged orders that have still to be answered: $0",
                                    "尚未答复的并单诉求人：$0"};
inline constexpr Phrase kDoMerged{
    "work under the order that is kept, or take this one out first (`hotlinectl unmerge`)",
    "请在保留的工单上办理，或先拆单（hotlinectl unmerge）"};
inline constexpr Phrase kDoAnswer{
    "call the callers back first (`hotlinectl callback`), or close with --confirm-unanswered",
    "请先逐一回访（hotlinectl callback），确需办结请加 --confirm-unanswered"};
inline constexpr Phrase kMarkRestricted{"restricted", "限制知悉"};
inline constexpr Phrase kLabelParent{"incident", "所属事件"};
inline constexpr Phrase kLabelPartners{"partners called", "联动平台数"};
inline constexpr Phrase kRecallAsked{"recall asked", "已请求撤回"};
inline constexpr Phrase kCodeAndKeepBy{"$0, spoken code $1, until $2", "$0，口令 $1，限 $2 前"};
inline constexpr Phrase kOpenPartners{"$0 partners' orders of this incident are still open: $1",
                                      "该事件仍有 $0 个联动工单未办结：$1"};
inline constexpr Phrase kPartnersCalled{"incident $0  partners called: $1  event #$2",
                                        "事件 $0  已联动 $1 个平台  事件 #$2"};
inline constexpr Phrase kNeedsAction{"`partners` needs push or list before the order",
                                     "“partners”须先给出 push 或 list，再给出工单"};
inline constexpr Phrase kLabelPeerNumber{"peer's number", "对方编号"};
inline constexpr Phrase kLabelOccur{"happened", "事发时间"};
inline constexpr Phrase kLabelText{"text", "内容"};
inline constexpr Phrase kLabelReply{"reply", "公开答复"};
inline constexpr Phrase kLabelInternal{"internal", "内部办理情况"};
inline constexpr Phrase kLabelDisposition{"result", "处理结果"};
inline constexpr Phrase kLabelCallBack{"call-back", "回访"};
inline constexpr Phrase kLabelHistory{"history", "经过"};
inline constexpr Phrase kAnonymous{"anonymous", "匿名"};
inline constexpr Phrase kLead{"$0 (lead)", "$0（主办）"};
inline constexpr Phrase kAssist{"$0 (assist)", "$0（协办）"};
inline constexpr Phrase kLeadAssist{"lead $0, assist $1", "主办 $0，协办 $1"};
inline constexpr Phrase kLeadOnly{"lead $0", "主办 $0"};
inline constexpr Phrase kSignedBy{"$0 signed", "$0 已签收"};
inline constexpr Phrase kPartDone{"part done", "协办完成"};
inline constexpr Phrase kRestrictedOrder{"(restricted)", "（限制知悉）"};
inline constexpr Phrase kPeerNumber{"peer's number $0", "对方编号 $0"};
inline constexpr Phrase kUntil{"until $0: $1", "至 $0：$1"};
inline constexpr Phrase kReview{"review $0: $1", "$0 复核：$1"};
inline constexpr Phrase kSatisfaction{"satisfaction $0", "满意度 $0"};
inline constexpr Phrase kReached{"reached", "已接通"};
inline constexpr Phrase kNotReached{"not reached", "未接通"};
inline constexpr Phrase kSettled{"settled", "已解决"};
inline constexpr Phrase kNotSettled{"not settled", "未解决"};
inline constexpr Phrase kDueBy{"$0, due $1, duty of $2", "$0，$1 到期，责任方 $2"};
inline constexpr Phrase kMarkOverdue{"overdue", "超期"};
inline constexpr Phrase kMarkUrged{"urged×$0", "催办×$0"};
inline constexpr Phrase kMarkReminded{"reminded×$0", "提醒×$0"};
inline constexpr Phrase kMarkSuspended{"suspended", "挂起"};
inline constexpr Phrase kMarkSecret{"secret", "保密"};
inline constexpr Phrase kMarkExtended{"extended×$0", "延期×$0"};
inline constexpr Phrase kMarkRedo{"redone×$0", "重办×$0"};
inline constexpr Phrase kMarkRecall{"recall asked", "撤回待复"};
inline constexpr Phrase kMarkInDoubt{"in doubt", "存疑"};
inline constexpr Phrase kMarkByVoice{"telephone the peer", "待电话确认"};
inline constexpr Phrase kMarkAlarm{"receipt alarm", "送达告警"};
inline constexpr Phrase kMarkLate{"late", "迟到"};
inline constexpr Phrase kMarkDisputed{"disputed", "争议"};
inline constexpr Phrase kMarkRuled{"ruled for $0", "裁定$0承办"};
inline constexpr Phrase kMarkReturned{"returned×$0", "退单×$0"};
inline constexpr Phrase kMarkBreached{"breached", "已违限"};
inline constexpr Phrase kUp{"up", "正常"};
inline constexpr Phrase kDown{"down", "中断"};
inline constexpr Phrase kServing{"serving", "正常"};
inline constexpr Phrase kNotServing{"not serving", "不可用"};
inline constexpr Phrase kUnreachable{"unreachable", "无法连接"};

// Events, by their detail.
inline constexpr Phrase kEvRegistered{"registered", "登记"};
inline constexpr Phrase kEvOffered{"pushed", "推送"};
inline constexpr Phrase kEvReceived{"received by peer", "对方已接收"};
inline constexpr Phrase kEvUnderstood{"registered at peer", "对方已登记"};
inline constexpr Phrase kEvArrived{"arrived", "收到推送"};
inline constexpr Phrase kEvAccepted{"accepted", "受理"};
inline constexpr Phrase kEvReturned{"returned", "退回"};
inline constexpr Phrase kEvRecallRequested{"recall asked", "请求撤回"};
inline constexpr Phrase kEvRecalled{"recalled", "撤回"};
inline constexpr Phrase kEvRecallRefused{"recall refused", "撤回未成"};
inline constexpr Phrase kEvDispatched{"dispatched", "派单"};
inline constexpr Phrase kEvSigned{"signed", "签收"};
inline constexpr Phrase kEvProgressed{"progress", "办理"};
inline constexpr Phrase kEvExtended{"extended", "延期"};
inline constexpr Phrase kEvSuspended{"suspended", "挂起"};
inline constexpr Phrase kEvResumed{"resumed", "恢复"};
inline constexpr Phrase kEvReplied{"replied", "答复"};
inline constexpr Phrase kEvCalledBack{"called back", "回访"};
inline constexpr Phrase kEvRedoDemanded{"redo", "重办"};
inline constexpr Phrase kEvClosed{"closed", "办结"};
inline constexpr Phrase kEvCancelled{"cancelled", "作废"};
inline constexpr Phrase kEvArchived{"archived", "归档"};
inline constexpr Phrase kEvEscalated{"escalated", "时限提醒/升级"};
inline constexpr Phrase kEvInDoubt{"in doubt", "存疑"};
inline constexpr Phrase kEvVoiceConfirmed{"confirmed by voice", "电话确认"};
inline constexpr Phrase kEvAlarmed{"alarm", "告警"};
inline constexpr Phrase kEvPartnersCalled{"partners called", "联动"};
inline constexpr Phrase kEvDisputed{"disputed", "争议"};
inline constexpr Phrase kEvRuled{"ruled", "裁定"};
inline constexpr Phrase kEvReopened{"reopened", "重新办理"};
inline constexpr Phrase kEvSceneRecorded{"scene", "到场登记"};
inline constexpr Phrase kEvMerged{"merged", "并单"};
inline constexpr Phrase kEvSeparated{"taken out", "拆单"};
inline constexpr Phrase kEvMergedOrder{"merged order", "并入工单"};
inline constexpr Phrase kEvMergedOrderGone{"merged order gone", "并入工单拆出"};
inline constexpr Phrase kEvDisclosed{"shown", "知悉"};
inline constexpr Phrase kEvPartnerEnded{"partner", "联动结果"};
inline constexpr Phrase kEvResent{"set right by peer", "按对端更正"};
inline constexpr Phrase kEvContacted{"caller contacted", "联系群众"};
inline constexpr Phrase kEvExtensionRequested{"extension asked", "申请延期"};
inline constexpr Phrase kEvExtensionDecided{"extension decided", "延期审批"};
inline constexpr Phrase kEvUnitReturned{"unit returned", "单位退单"};
inline constexpr Phrase kEvReassigned{"reassigned", "改派"};
inline constexpr Phrase kEvAccused{"units accused", "被反映单位回避"};
inline constexpr Phrase kEvDeadlineMoved{"deadline moved", "时限调整"};
inline constexpr Phrase kEvRungAcknowledged{"rung acknowledged", "确认督办"};
inline constexpr Phrase kEvHoldPlaced{"legal hold", "法律保全"};
inline constexpr Phrase kEvHoldReleased{"hold released", "解除保全"};
inline constexpr Phrase kEvErased{"erased", "到期清除"};
inline constexpr Phrase kEvNotified{"notification", "通知结果"};
inline constexpr Phrase kCallerNotReached{"not reached", "未联系上"};
inline constexpr Phrase kReachedIt{"reached", "已联系上"};
inline constexpr Phrase kWorkingHours{"working hours", "工作小时"};
inline constexpr Phrase kWorkingMinutes{"working minutes", "工作分钟"};
inline constexpr Phrase kWorkingSeconds{"working seconds", "工作秒"};
inline constexpr Phrase kHours{"hours", "小时"};
inline constexpr Phrase kMinutes{"minutes", "分钟"};
inline constexpr Phrase kSeconds{"seconds", "秒"};
inline constexpr Phrase kLastMinute{"last-minute", "临期申请"};
inline constexpr Phrase kGranted{"granted", "同意"};
inline constexpr Phrase kRefusedIt{"refused", "不同意"};
inline constexpr Phrase kNobodyReachable{"nobody could be reached", "无人可达"};
inline constexpr Phrase kMarkUnitReturned{"unit-returned×$0", "单位退单×$0"};
inline constexpr Phrase kMarkSupervised{"supervised×$0", "督办×$0"};
inline constexpr Phrase kMarkCirculated{"circulated×$0", "通报×$0"};
inline constexpr Phrase kMarkDisciplined{"to-discipline×$0", "移交×$0"};
inline constexpr Phrase kMarkUnreached{"nobody reached", "督办未送达"};
inline constexpr Phrase kEvUnknown{"unknown event", "未知事件"};

}  // namespace say
}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_TEXT_H_
