// What hotlinectl says of people and of what they are told, in English and in Chinese; see text.h.
#ifndef SERVICES_HOTLINECTL_CORE_TEXT_PEOPLE_H_
#define SERVICES_HOTLINECTL_CORE_TEXT_PEOPLE_H_

#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl::say {

// Commands.
inline constexpr Phrase kCmdDirectory{
    "who answers for what at each unit: `list [UNIT]`, `show UNIT`, `set`, `remove`, `import`, `export`, "
    "`history [UNIT]`, `preflight [UNIT]` (9 if a rung reaches nobody), `who UNIT` (4 if nobody is told)",
    "通讯录：各单位由谁负责。`list [单位]`、`show 单位`、`set`、`remove`、`import`、`export`、"
    "`history [单位]`（报备记录）、`preflight [单位]`（有无人可达的层级时退出码为 9）、`who "
    "单位`（无人可通知时为 4）"};
inline constexpr Phrase kNeedsDirectoryAction{
    "directory needs one of: list, show, set, remove, import, export, history, preflight, who",
    "directory 须为以下之一：list、show、set、remove、import、export、history、preflight、who"};
inline constexpr Phrase kNeedsUnit{"$0 needs a unit", "$0 需要指明单位"};
inline constexpr Phrase kFlagNotOfAction{"$0 does not go with \"$1\"", "$0 不能与“$1”同用"};

// Flags.
inline constexpr Phrase kFlagDirectoryUnit{"the unit: code, name or alias", "单位：代码、名称或别名"};
inline constexpr Phrase kFlagPersonId{"id of the person", "人员编号"};
inline constexpr Phrase kFlagDisplayName{"name of the person or of the unit", "人员姓名或单位名称"};
inline constexpr Phrase kFlagPersonTitle{"the person's office (职务)", "职务"};
inline constexpr Phrase kFlagDesktop{
    "account of the desktop on which the person is told; replaces those before",
    "接收通知的桌面账号；替换原有的"};
inline constexpr Phrase kFlagWebhook{"NAME=RECIPIENT at a webhook, such as sms=…; replaces those before",
                                     "网关=接收人，如 sms=…；替换原有的"};
inline constexpr Phrase kFlagStaffRole{"role of the person at the unit", "该人员在单位的角色"};
inline constexpr Phrase kFlagDuty{"a duty shift, from --from until --until",
                                  "值班时段，自 --from 至 --until"};
inline constexpr Phrase kFlagUnitAlias{"another name of the unit; replaces those before",
                                       "单位别名；替换原有的"};
inline constexpr Phrase kFlagUnitParent{"the unit above it", "上级单位"};
inline constexpr Phrase kFlagCalendar{"calendar of its office hours", "办公时间所用的工作日历"};
inline constexpr Phrase kFlagValidFrom{"from when it holds (a new role: now)",
                                       "生效时间（新任角色默认为现在）"};
inline constexpr Phrase kFlagValidUntil{"until just before when it holds", "失效时间（不含）"};
inline constexpr Phrase kFlagSupersede{"whoever has the role then ends", "届时在任者随之卸任"};
inline constexpr Phrase kFlagReportedBy{"who reported the change (报备)", "报备单位或报备人"};
inline constexpr Phrase kFlagReportReference{"number of the report", "报备文号"};
inline constexpr Phrase kFlagReportedAt{"when it was reported (default: now)", "报备时间（默认现在）"};
inline constexpr Phrase kFlagAllowMissing{"accept that a unit has people but no leader or no handler",
                                          "允许单位暂缺分管领导或具体负责干部"};
inline constexpr Phrase kFlagOnlyJudge{"only say whether it would be accepted", "只作检查，不生效"};
inline constexpr Phrase kFlagDirectoryVersion{"refuse if the directory's version is another",
                                              "通讯录版本不符则拒绝"};
inline constexpr Phrase kFlagCsvFile{"CSV file to read (- for standard input)",
                                     "要读入的CSV文件（- 表示标准输入）"};
inline constexpr Phrase kFlagCsvOut{"file to write (default: standard output)", "写入的文件（默认标准输出）"};
inline constexpr Phrase kFlagReplace{"entries that are not in the file are removed",
                                     "文件中没有的条目一律删除"};
inline constexpr Phrase kFlagBom{"begin with a byte order mark, for spreadsheet programs",
                                 "带BOM，便于用电子表格打开"};
inline constexpr Phrase kFlagDays{"look so many days ahead, up to 31 (default 7)",
                                  "向前检查的天数，至多31（默认7）"};
inline constexpr Phrase kFlagWhoRung{"which rung", "哪一级"};
inline constexpr Phrase kFlagWhoAt{"as it stands then (default: now)", "届时的情况（默认现在）"};
inline constexpr Phrase kFlagAccusedUnit{"the unit that a complaint is about", "被投诉单位"};

// Tables and messages.
inline constexpr Phrase kHeadKind{"KIND", "类别"};
inline constexpr Phrase kHeadUnitName{"UNIT", "单位"};
inline constexpr Phrase kHeadPerson{"PERSON", "人员"};
inline constexpr Phrase kHeadWhat{"WHAT", "内容"};
inline constexpr Phrase kHeadFrom{"FROM", "起"};
inline constexpr Phrase kHeadUntil{"UNTIL", "止"};
inline constexpr Phrase kHeadRungName{"RUNG", "层级"};
inline constexpr Phrase kHeadWhy{"WHY", "原因"};
inline constexpr Phrase kHeadCapacity{"HOW", "方式"};
inline constexpr Phrase kHeadVia{"AS", "身份"};
inline constexpr Phrase kHeadContacts{"CONTACTS", "联系方式"};
inline constexpr Phrase kHeadVersion{"VERSION", "版本"};
inline constexpr Phrase kHeadEntered{"ENTERED", "登记时间"};
inline constexpr Phrase kHeadReportedBy{"REPORTED BY", "报备"};
inline constexpr Phrase kHeadChange{"CHANGE", "变更"};
inline constexpr Phrase kWordUnit{"unit", "单位"};
inline constexpr Phrase kWordPerson{"person", "人员"};
inline constexpr Phrase kWordDuty{"duty", "值班"};
inline constexpr Phrase kWordAdded{"added", "新增"};
inline constexpr Phrase kWordChanged{"changed", "修改"};
inline constexpr Phrase kWordRemoved{"removed", "删除"};
inline constexpr Phrase kDirectoryChanged{"the directory is at version $0; $1 entries changed",
                                          "通讯录现为版本$0，变更$1条"};
inline constexpr Phrase kDirectoryJudged{"this would be accepted; $0 entries would change",
                                         "可以接受，将变更$0条"};
inline constexpr Phrase kWhichTerm{"this role was given $0 times: say with --from which one: $1",
                                   "该职责有$0个任期，请用 --from 指明哪一个：$1"};
inline constexpr Phrase kImported{"$0 rows: $1 added, $2 changed, $3 removed; the directory is at version $4",
                                  "共$0行：新增$1、修改$2、删除$3；通讯录现为版本$4"};
inline constexpr Phrase kImportJudged{"$0 rows would be accepted: $1 added, $2 changed, $3 removed",
                                      "共$0行可以接受：新增$1、修改$2、删除$3"};
inline constexpr Phrase kPreflightGood{"every rung of $0 units reaches somebody until $1",
                                       "$0个单位的各层级在$1前均有人可达"};
inline constexpr Phrase kPreflightBad{"$0 rungs reach nobody at some time until $1",
                                      "在$1前有$0个层级出现无人可达的时段"};
inline constexpr Phrase kNobodyTold{"nobody can be told; 督办 would come at once if it is next",
                                    "无人可通知；如果下一级是督办，将立即转到督办"};
inline constexpr Phrase kPassedOver{"passed over: $0", "未采用：$0"};
inline constexpr Phrase kExported{"written: $0", "已写入：$0"};
inline constexpr Phrase kCannotWriteFile{"cannot write $0", "无法写入 $0"};
inline constexpr Phrase kBadWebhook{"--webhook takes NAME=RECIPIENT", "--webhook 的形式为 网关=接收人"};

// Notifications.
inline constexpr Phrase kCmdNotifications{
    "who was told of which rung: `list [ORDER]`, `watch` (messages to desktops, live), `ack ID` (it was "
    "read), `deliveries` "
    "(how messages stand), `redeliver ID` (try one that was given up again), `report ID` (a gateway's word)",
    "通知：`list [工单]`（通知了谁）、`watch`（实时查看桌面通知）、`ack "
    "编号`（确认已阅）、`deliveries`（投递情况）、"
    "`redeliver 编号`（重投已终止的）、`report 编号`（网关回报）"};
inline constexpr Phrase kNeedsNotificationsAction{
    "notifications needs one of: list, watch, ack, deliveries, redeliver, report",
    "notifications 须为以下之一：list、watch、ack、deliveries、redeliver、report"};
inline constexpr Phrase kNeedsMessage{"$0 needs the id of a message", "$0 需要指明通知编号"};
inline constexpr Phrase kFlagNotifiedUnit{"only this unit's duties", "只看该单位的"};
inline constexpr Phrase kFlagNotifiedPerson{"only notices to this person", "只看通知该人员的"};
inline constexpr Phrase kFlagToAccount{"only messages to this desktop account", "只看发给该桌面账号的"};
inline constexpr Phrase kFlagChannelName{"only by this webhook, or desktop",
                                         "只看该网关的，或 desktop（桌面）"};
inline constexpr Phrase kFlagDeliveryState{"only in this state; what came of it (report)",
                                           "只看该状态的；回报的结果（report）"};
inline constexpr Phrase kHeadSent{"SENT", "发送"};
inline constexpr Phrase kHeadOrderNumber{"ORDER", "工单"};
inline constexpr Phrase kHeadRound{"ROUND", "轮次"};
inline constexpr Phrase kHeadChannel{"CHANNEL", "渠道"};
inline constexpr Phrase kHeadState{"STATE", "状态"};
inline constexpr Phrase kHeadMessage{"MESSAGE", "通知编号"};
inline constexpr Phrase kHeadOrders{"ORDERS", "工单"};
inline constexpr Phrase kHeadAttempts{"TRIES", "次数"};
inline constexpr Phrase kHeadNextTry{"NEXT TRY", "下次"};
inline constexpr Phrase kCopied{"$0 (cc)", "$0（抄送）"};
inline constexpr Phrase kDesktop{"desktop", "桌面"};
inline constexpr Phrase kNobody{"nobody", "无人"};
inline constexpr Phrase kReadBy{"read by $0", "$0已阅"};
inline constexpr Phrase kDeliveryStands{"$0: $1", "$0：$1"};

}  // namespace hotline::hotlinectl::say

#endif  // SERVICES_HOTLINECTL_CORE_TEXT_PEOPLE_H_
