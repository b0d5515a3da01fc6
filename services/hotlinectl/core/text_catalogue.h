// What hotlinectl says about the catalogue and about routing.
#ifndef SERVICES_HOTLINECTL_CORE_TEXT_CATALOGUE_H_
#define SERVICES_HOTLINECTL_CORE_TEXT_CATALOGUE_H_

#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl::say {

inline constexpr Phrase kCmdCatalogue{
    "check, show, diff, export or reload the catalogue of items (the annex)",
    "检查、查看、比较、导出或重新加载受理事项清单（附件）"};
inline constexpr Phrase kFlagCatalogueFile{"a catalogue file instead of the site's",
                                           "清单文件，代替平台已加载的清单"};
inline constexpr Phrase kFlagCatalogueVersion{"version of the catalogue (default: the one in force)",
                                              "清单版本（默认当前有效版本）"};
inline constexpr Phrase kFlagUnitsFile{"check against the site's list of units", "与本平台单位名单文件核对"};
inline constexpr Phrase kFlagDirectoryCsv{"check against the directory of people (CSV): who has no liaison",
                                          "与通讯录（CSV）核对：哪些单位没有联络人"};
inline constexpr Phrase kFlagCatalogueOut{"file to write; must not exist (default: standard output)",
                                          "写入的文件，须不存在（默认标准输出）"};
inline constexpr Phrase kNeedsCatalogueAction{
    "`catalogue` needs `check`, `show [ITEM]`, `diff OLD NEW`, `export` or `reload`",
    "“catalogue”需要指定 check、show [事项]、diff 旧 新、export 或 reload"};
inline constexpr Phrase kNeedsTwoVersions{"`catalogue diff` needs two versions or files",
                                          "“catalogue diff”需要指定两个版本或文件"};
inline constexpr Phrase kBadDirectoryCsv{"$0: the first row must name the column `unit`",
                                         "$0：首行须有“unit”（单位）列"};
inline constexpr Phrase kNoSuchItem{"version $1 has no item $0", "版本 $1 没有事项 $0"};
inline constexpr Phrase kCatalogueGood{"$0: $1 items, nothing found", "$0：共 $1 个事项，未发现问题"};
inline constexpr Phrase kCatalogueFindings{"$0: $1 findings", "$0：发现 $1 处问题"};
inline constexpr Phrase kCatalogueReloaded{"reloaded; in force: $0", "已重新加载；当前有效：$0"};
inline constexpr Phrase kDoSeeCatalogue{
    "the model is being trained; it will be in force, see `hotlinectl catalogue show` and the log of "
    "dispatch (\"catalogue is in force\"). If what was edited is not in it then, reload again: the same "
    "files are not trained twice",
    "模型正在训练，完成后自动生效；请用 hotlinectl catalogue show 或dispatch日志（catalogue is in "
    "force）确认。届时若仍无所改内容，请重新加载；相同的文件不会重复训练"};
inline constexpr Phrase kNoneInForce{"none", "无"};
inline constexpr Phrase kSameVersions{"the two are alike", "两者相同"};
inline constexpr Phrase kVersionInForce{"in force", "当前有效"};
inline constexpr Phrase kCatalogueHead{"$0  $1  from $2", "$0  $1  自$2起"};
inline constexpr Phrase kColCatalogueItem{"item", "事项"};
inline constexpr Phrase kColTo{"to", "转往"};
inline constexpr Phrase kColItemTitle{"title", "名称"};
inline constexpr Phrase kColUnitRule{"share", "承办"};
inline constexpr Phrase kColUnitNames{"units", "单位"};
inline constexpr Phrase kColFinding{"finding", "问题"};
inline constexpr Phrase kColEntry{"entry", "条目"};
inline constexpr Phrase kColField{"field", "字段"};
inline constexpr Phrase kColBefore{"before", "原值"};
inline constexpr Phrase kColAfter{"after", "新值"};
inline constexpr Phrase kLabelUnitsText{"units (printed)", "责任单位（原文）"};
inline constexpr Phrase kLabelBasis{"basis", "依据"};
inline constexpr Phrase kLabelPhrases{"phrases", "常见说法"};
inline constexpr Phrase kLabelExclusions{"exclusions", "例外"};
inline constexpr Phrase kLabelQuestion{"question", "应问"};
inline constexpr Phrase kNotAccepted{"not accepted", "不予受理"};
inline constexpr Phrase kUnitAndCode{"$0 ($1)", "$0（$1）"};
inline constexpr Phrase kTownshipUnit{"the township's government", "辖区乡镇人民政府"};

inline constexpr Phrase kFlagAccused{"units that the matter accuses: they have no part in it",
                                     "被反映单位：须回避，不得承办"};
inline constexpr Phrase kFlagDanger{"is there danger now?", "现在是否有危险"};
inline constexpr Phrase kFlagClue{"does it touch social stability?", "是否涉稳"};
inline constexpr Phrase kFlagBelongsTo{"whose matter it is, as you see it", "您认为属于哪个热线"};
inline constexpr Phrase kFlagAgreement{"how the three-way call ended", "三方通话结果"};
inline constexpr Phrase kFlagAgreedHotline{"who takes it, as agreed", "商定由哪个热线受理"};
inline constexpr Phrase kFlagAgreedBy{"who agreed", "商定人"};
inline constexpr Phrase kFlagAgreementReason{"why", "商定理由"};
inline constexpr Phrase kFlagFirstReceived{"hotline that received it first (default: this one)",
                                           "首接热线（默认本平台）"};
inline constexpr Phrase kFlagRouteReason{"why you choose otherwise than advised", "不采纳建议的理由"};
inline constexpr Phrase kDoAnswerQuestion{
    "answer the question (--danger, --belongs-to, --agreement), or name a target with --to",
    "请先问明（--danger、--belongs-to、--agreement），或用 --to 指定推送对象"};
inline constexpr Phrase kDoKeep{"register it and handle it here, or name a target with --to",
                                "请在本平台登记办理，或用 --to 指定推送对象"};
inline constexpr Phrase kLabelAdvice{"advised", "建议"};
inline constexpr Phrase kLabelAccused{"recused", "回避单位"};
inline constexpr Phrase kAgainstAdvice{"chosen against the advice", "未采纳建议"};

}  // namespace hotline::hotlinectl::say

#endif  // SERVICES_HOTLINECTL_CORE_TEXT_CATALOGUE_H_
