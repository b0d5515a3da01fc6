// What hotlinectl says about advice.
#ifndef SERVICES_HOTLINECTL_CORE_TEXT_SUGGEST_H_
#define SERVICES_HOTLINECTL_CORE_TEXT_SUGGEST_H_

#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl::say {

inline constexpr Phrase kCmdSuggest{
    "advise whose matter a text is, which item and unit, and why; offline, or by a site (--site)",
    "研判一段话属于哪个热线、哪个事项、哪个单位及理由；可离线，也可由平台作答（--site）"};
inline constexpr Phrase kFlagSuggestFile{
    "lines of JSON {\"id\",\"text\",\"channel\",\"received_by\"} (`-`: standard input), answered one by one",
    "JSON 行文件 {\"id\",\"text\",\"channel\",\"received_by\"}（“-”为标准输入），逐行作答"};
inline constexpr Phrase kFlagSuggestCatalogue{
    "directory of the catalogue and the model (default: $HOTLINE_CATALOGUE, else what is installed)",
    "清单和模型所在目录（默认 $HOTLINE_CATALOGUE，否则为已安装的目录）"};
inline constexpr Phrase kFlagSuggestReceivedBy{"hotline that heard it", "接到来电的热线"};
inline constexpr Phrase kFlagSuggestChannel{"how it came", "来件渠道"};
inline constexpr Phrase kFlagSuggestOut{"new file to write (mode 0600)", "写入的新文件（权限 0600）"};
inline constexpr Phrase kFlagSuggestCross{"cross-validate in so many parts (`evaluate` without --file)",
                                          "交叉验证的份数（不带 --file 的 evaluate）"};
inline constexpr Phrase kNeedsSuggestText{"`suggest` needs a text, --file, `evaluate` or `examples export`",
                                          "“suggest”需要一段话、--file、evaluate 或 examples export"};
inline constexpr Phrase kNoCatalogueFound{
    "no catalogue found; name its directory with --catalogue, or a site with --site",
    "未找到清单；请用 --catalogue 指定目录，或用 --site 指定平台"};
inline constexpr Phrase kBadSuggestLine{"line $0: $1", "第 $0 行：$1"};
inline constexpr Phrase kSuggestNoJson{"is no JSON object", "不是 JSON 对象"};
inline constexpr Phrase kBadSuggestText{"the text: $0", "文本：$0"};
inline constexpr Phrase kSuggestNoUtf8{"is not UTF-8 (a file in GBK?)", "不是 UTF-8 编码（可能是 GBK 文件）"};
inline constexpr Phrase kSuggestNoId{"needs an `id`", "缺少“id”"};
inline constexpr Phrase kSuggestNoText{"needs a `text`", "缺少“text”"};
inline constexpr Phrase kSuggestTooLong{"has a text of more than 64 KiB", "“text”超过 64 KiB"};
inline constexpr Phrase kLabelVerdict{"hotline", "热线"};
inline constexpr Phrase kLabelConfidence{"confidence", "把握"};
inline constexpr Phrase kLabelWhy{"because of", "依据词语"};
inline constexpr Phrase kLabelClause{"clause of the annex", "清单限定"};
inline constexpr Phrase kLabelAsk{"ask", "应问"};
inline constexpr Phrase kColProbability{"share", "可能性"};
inline constexpr Phrase kSuggestDanger{"EMERGENCY: 110 dispatches first", "紧急：110先行处置"};
inline constexpr Phrase kVerdictUnclear{"unclear: ask, or hold a three-way call", "不明确：追问，或三方通话"};
inline constexpr Phrase kVerdictNone{"of neither hotline", "不属于任何一方"};
inline constexpr Phrase kSuggestAdvises{"It advises; a person decides.", "仅供参考，由人决定。"};
inline constexpr Phrase kExamplesWritten{
    "$1 examples in $0. The texts are PERSONAL DATA: long numbers and told names are masked, all else is as "
    "written. Read each line, remove what tells of a person, set `hotline` and `items` where they are empty, "
    "then put the file beside the model as examples-NAME.jsonl and delete this one.",
    "$1 条样例已写入 "
    "$0。文本属个人信息：仅遮盖了长号码和自报姓名，其余为原文。请逐行审阅，删去可识别个人的内容，补全空缺的 "
    "hotline "
    "和 items，再以 examples-名称.jsonl 放到模型目录，并删除本文件。"};
inline constexpr Phrase kNoLabels{
    "no line has a label: `hotline` says where a text belongs (a hotline's code, `unclear` or `none`), and "
    "`items` the items",
    "没有一行带标注：须以“hotline”标明归属（热线代码、unclear 或 none），以“items”标明事项"};
inline constexpr Phrase kUnlabelledLeftOut{"left out: $0 lines without a label (`hotline`)",
                                           "未计入：$0 行没有标注（“hotline”）"};
inline constexpr Phrase kEvaluated{
    "$0 examples: hotline right $1, item first $2, in the first three $3, unclear recognised $4, emergencies "
    "missed $5 of $6, false alarms $7, calibration error $8",
    "$0 条：热线正确 $1，事项首位 $2，前三位 $3，不明确识别 $4，紧急漏判 $5/$6，误报 $7，校准误差 $8"};

}  // namespace hotline::hotlinectl::say

#endif  // SERVICES_HOTLINECTL_CORE_TEXT_SUGGEST_H_
