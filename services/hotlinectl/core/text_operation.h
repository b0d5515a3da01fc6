// What hotlinectl says about backups, retention and the state of an installation.
#ifndef SERVICES_HOTLINECTL_CORE_TEXT_OPERATION_H_
#define SERVICES_HOTLINECTL_CORE_TEXT_OPERATION_H_

#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl::say {

inline constexpr Phrase kCmdDoctor{
    "look over this machine's installation and say what to do; works when services are down",
    "检查本机安装情况并给出处理建议；服务未运行时也可使用"};
inline constexpr Phrase kCmdBackup{
    "create [NAME], list, verify FOLDER, restore FOLDER: backups of this site's stores",
    "备份：create [名称] 创建、list 列出、verify 目录 校验、restore 目录 恢复"};
inline constexpr Phrase kCmdHold{
    "place ORDER, release ORDER, list: legal holds, under which nothing is erased",
    "法律保全：place 工单、release 工单、list；保全期间不清除任何内容"};
inline constexpr Phrase kCmdRetention{"show, run: how long what is over is kept; erase now what is due",
                                      "保存期限：show 查看、run 立即清除到期内容"};
inline constexpr Phrase kFlagSiteConfig{"the site's configuration (default: /etc/hotline-handoff/site.yaml)",
                                        "平台配置文件（默认 /etc/hotline-handoff/site.yaml）"};
inline constexpr Phrase kFlagBackupConfig{
    "the site's configuration; create, list: where its services are, and the certificate of the role admin; "
    "verify: whose it must be and which parts must be there; restore: where to (default: "
    "/etc/hotline-handoff/site.yaml)",
    "平台配置文件；create、list：各服务地址及admin角色证书；verify：须属于哪个热线、须有哪些部分；restore：恢"
    "复到何处"
    "（默认 "
    "/etc/hotline-handoff/site.yaml）"};
inline constexpr Phrase kFlagOnlyPart{"restore this service's part alone", "仅恢复该服务的部分"};
inline constexpr Phrase kFlagDeep{"also read every byte of every store", "同时逐字节检查全部数据库"};
inline constexpr Phrase kFlagHoldReference{"number of the document that asks for it", "依据文书的文号"};
inline constexpr Phrase kNeedsOperation{"`$0` needs one of: $1", "“$0”需要指定以下之一：$1"};
inline constexpr Phrase kNeedsFolder{"`$0` needs the folder of a backup", "“$0”需要备份目录"};

inline constexpr Phrase kBackupMade{"$0: $1 of $2 files, $3 bytes, in $4",
                                    "$0：$1，共$2个文件，$3字节，位于 $4"};
inline constexpr Phrase kBackupGoesOn{"$0: $1 is still copying", "$0：$1 仍在复制"};
inline constexpr Phrase kBackupLost{"$0 made no backup $1; its log says why",
                                    "$0 未能完成备份 $1，原因见其日志"};
inline constexpr Phrase kBackupWhole{"backup $0 is complete; copy it to another machine",
                                     "备份 $0 已完成，请复制到其他机器保存"};
inline constexpr Phrase kBackupSound{"$0 is whole: $1 events in the log", "$0 完整：日志共$1条事件"};
inline constexpr Phrase kBackupDamaged{"$0 cannot be relied on: see the lines marked `FAILED`",
                                       "$0 不可用：见标为“未通过”的各行"};
inline constexpr Phrase kBackupOfOtherSite{
    "$0 belongs to another hotline than the configuration: give that site's --config; leave the backup as it "
    "is",
    "$0 属于其他热线：请用该热线的 --config 检查，不要改动该备份"};
inline constexpr Phrase kBackupOneOfTwo{
    "$0 has no part of escalation: where a site has it, this is half a backup (`--config` tells)",
    "$0 缺少escalation部分：若平台设有该服务，这只是半份备份（可用 --config 判断）"};
inline constexpr Phrase kOnlyAdvice{
    "a whole backup is the better one; `--only $0` restores this part without the other",
    "请优先使用完整备份；如只恢复这一部分，请加 --only $0"};
inline constexpr Phrase kNoSuchPart{"$0 has no part of $1", "$0 中没有 $1 部分"};
inline constexpr Phrase kOnlyOrdersNext{
    "before escalation starts: delete escalation.db and report.db (they are rebuilt) from its data_dir and "
    "put "
    "notify.db aside, each with its -wal and -shm; leave directory.db and publications/",
    "启动escalation之前，请从其data_dir删除escalation.db、report.db（将自动重建），移走notify.db（均连同 "
    "-wal、"
    "-shm），保留directory.db和publications/"};
inline constexpr Phrase kBackupOfOther{"the backup is of hotline $0, the configuration of $1",
                                       "备份属于热线$0，配置属于热线$1"};
inline constexpr Phrase kBackupNeedsFolder{
    "give the folder of the backup, or its name of `backup list` with --config",
    "请给出备份所在目录，或用 --config 并给出 backup list 中的名称"};
inline constexpr Phrase kPartRestored{"$0 restored into $1", "$0 已恢复到 $1"};
inline constexpr Phrase kPartSkipped{"$0: the configuration has no such service here; left out",
                                     "$0：配置中没有该服务，未恢复"};
inline constexpr Phrase kRestoreRefused{"$0 exists already; nothing is written over", "$0已存在；不会覆盖"};
inline constexpr Phrase kDoMoveAway{
    "stop the services, then move the whole folder away, or restore into another data_dir",
    "请先停止各服务，再将整个目录移走，或恢复到其他 data_dir"};
inline constexpr Phrase kRestoreInUse{"$0 is used by another process; nothing was restored",
                                      "$0正被其他进程使用，未恢复任何内容"};
inline constexpr Phrase kDoStopServices{"stop the services first", "请先停止各服务"};
inline constexpr Phrase kRestoreFull{"no room: $0; nothing was restored",
                                     "磁盘空间不足，未恢复任何内容（$0）"};
inline constexpr Phrase kDoMakeRoomToRestore{"make room on that disk, then restore again",
                                             "请清理该磁盘空间后重新恢复"};
inline constexpr Phrase kRestoredNext{
    "start the services; what is newer comes back from the peers. Then: hotlinectl link reconcile PEER.\n"
    "Requests made since the backup are not known any more, and would make their orders a second time: send "
    "none of them again, and push no file again, before `link reconcile` and `list` show what is missing",
    "请启动各服务，较新的内容将由对端补回；随后执行 hotlinectl link reconcile 对端。\n"
    "备份之后的请求已无记录，重发会重复建单：在 link reconcile 和 list "
    "表明确有缺失之前，不要重发请求，也不要重新导入文件"};
inline constexpr Phrase kColBackup{"backup", "备份"};
inline constexpr Phrase kColMade{"made", "完成时间"};
inline constexpr Phrase kColFiles{"files", "文件数"};
inline constexpr Phrase kColBytes{"bytes", "字节"};
inline constexpr Phrase kColReference{"reference", "文号"};
inline constexpr Phrase kColHeldBy{"placed by", "保全人"};
inline constexpr Phrase kColHeldAt{"placed", "保全时间"};
inline constexpr Phrase kColHoldReason{"reason", "原因"};
inline constexpr Phrase kColHeldOrder{"order", "工单"};
inline constexpr Phrase kHoldPlaced{"$0 is under a legal hold", "$0 已法律保全"};
inline constexpr Phrase kHoldReleased{"the legal hold on $0 is released", "$0 已解除法律保全"};
inline constexpr Phrase kRetentionDays{
    "contents are kept $0 days after an order's last change; due now: $1; under a hold: $2",
    "工单内容在最后变动后保存$0天；现已到期：$1；法律保全：$2"};
inline constexpr Phrase kRetentionForGood{"contents are kept for good; under a hold: $0",
                                          "工单内容永久保存；法律保全：$0"};
inline constexpr Phrase kRetentionRan{"erased: $0", "已清除：$0"};
inline constexpr Phrase kRetentionFailed{"due, but cannot be erased: $0 (see `hotlinectl verify`)",
                                         "到期但无法清除：$0（请执行 hotlinectl verify）"};
inline constexpr Phrase kRetentionMore{"more is due: run it again", "尚有到期内容，请再次执行"};

inline constexpr Phrase kDoctorGood{"nothing to do", "一切正常，无需处理"};
inline constexpr Phrase kDoctorWarns{"it works; see the lines marked `look`",
                                     "可以运行；请查看标为“注意”的各行"};
inline constexpr Phrase kDoctorFails{"something is wrong: see the lines marked `FAILED`",
                                     "存在问题：见标为“未通过”的各行"};
inline constexpr Phrase kVerdictLook{"look", "注意"};
inline constexpr Phrase kColFound{"found", "情况"};
inline constexpr Phrase kColToDo{"what to do", "处理建议"};

}  // namespace hotline::hotlinectl::say

#endif  // SERVICES_HOTLINECTL_CORE_TEXT_OPERATION_H_
