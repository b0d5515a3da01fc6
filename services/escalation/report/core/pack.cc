#include "services/escalation/report/core/pack.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/clock.h"
#include "services/escalation/report/core/scorecard.h"

namespace hotline::escalation::report {
namespace {

constexpr size_t kMaxSpots = 20;
constexpr int64_t kMinSpotOrders = 3;
constexpr size_t kMaxCallers = 20;
constexpr int64_t kMinCallerOrders = 3;
constexpr size_t kShownHashBytes = 4;

// The most first, equal ones by name.
std::vector<std::pair<std::string, int64_t>> Ranked(const std::map<std::string, int64_t>& counts) {
  std::vector<std::pair<std::string, int64_t>> ranked(counts.begin(), counts.end());
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return ranked;
}

std::string Num(int64_t number) { return absl::StrCat(number); }

std::string TimeOr(const google::protobuf::Timestamp& time, bool set) {
  return set ? ChineseTime(FromProto(time)) : "—";
}

std::string WorkedText(const google::protobuf::Duration& duration, bool set) {
  if (!set) return "—";
  return absl::StrFormat("%d小时%02d分", duration.seconds() / 3600, duration.seconds() / 60 % 60);
}

std::string StateZh(v1::DocketState state) {
  switch (state) {
    case v1::DOCKET_STATE_RULED:
      return "已裁定";
    case v1::DOCKET_STATE_LAPSED:
      return "未议办结";
    default:
      return "待议";
  }
}

// A scalar of YAML, always quoted, so that nothing in it has a meaning.
std::string Yaml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out + "\"";
}

std::string GroundText(const v1::DocketGround& ground) {
  std::string text;
  if (ground.ground() != type::v1::RETURN_GROUND_UNSPECIFIED)
    text = absl::StrCat("【", GroundZh(ground.ground()), "】");
  absl::StrAppend(&text, ground.reason());
  return text;
}

}  // namespace

PackBuilder::PackBuilder(Period period, absl::Time knowledge) : period_(period), knowledge_(knowledge) {}

void PackBuilder::Add(const History& history, bool list_disputes) {
  if (period_.Holds(history.register_time) && !history.of_another && !history.came_again) {
    const type::v1::RegisteredDetail& registration = history.registration;
    figures_.set_registered(figures_.registered() + 1);
    if (history.from_peer) figures_.set_from_peers(figures_.from_peers() + 1);
    const std::string& item = registration.catalogue().item();
    ++items_[item];
    ++spots_[{item, registration.township_code(), WeekOf(history.register_time)}];
    if (!registration.caller_hash().empty()) {
      Caller& caller = callers_[registration.caller_hash()];
      ++caller.count;
      ++caller.items[item];
    }
  }
  if (period_.Holds(history.first_offer)) figures_.set_to_peers(figures_.to_peers() + 1);
  for (const Duty& duty : history.duties) {
    if (!IsDuty(duty.clock) || duty.outcome != Outcome::kMissed || !period_.Holds(duty.judged)) continue;
    ++missed_[duty.party];
    if (duty.stop == absl::InfiniteFuture()) ++still_open_[duty.party];
  }
  for (const Dispute& dispute : history.disputes) {
    const v1::DocketItem& item = dispute.item;
    const bool opened = period_.Holds(FromProto(item.open_time()));
    const bool ruled = item.state() == v1::DOCKET_STATE_RULED && period_.Holds(FromProto(item.settle_time()));
    if (opened) figures_.set_disputes(figures_.disputes() + 1);
    if (ruled) figures_.set_rulings(figures_.rulings() + 1);
    // What was open before and is not settled yet is on the table too.
    if (list_disputes && (opened || ruled || item.state() == v1::DOCKET_STATE_OPEN)) {
      disputes_[dispute.sequence] = item;
    }
  }
}

std::vector<v1::DocketItem> PackBuilder::Disputes() const {
  std::vector<v1::DocketItem> items;
  for (const auto& [sequence, item] : disputes_) items.push_back(item);
  return items;
}

v1::PackFigures PackBuilder::Figures() const {
  v1::PackFigures figures = figures_;
  const auto parties = [](const std::map<std::string, int64_t>& counts, auto* out) {
    for (const auto& [party, count] : Ranked(counts)) {
      v1::PartyCount* const row = out->Add();
      row->set_party(party);
      row->set_count(count);
    }
  };
  parties(missed_, figures.mutable_missed());
  parties(still_open_, figures.mutable_still_open());
  for (const auto& [item, count] : Ranked(items_)) {
    v1::ItemCount* const row = figures.add_items();
    row->set_item(item);
    row->set_count(count);
  }

  std::map<std::pair<std::string, std::string>, int64_t> totals;
  std::vector<std::pair<std::tuple<std::string, std::string, std::string>, int64_t>> spots;
  for (const auto& [key, count] : spots_) {
    totals[{std::get<0>(key), std::get<1>(key)}] += count;
    if (count >= kMinSpotOrders) spots.emplace_back(key, count);
  }
  std::stable_sort(spots.begin(), spots.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (spots.size() > kMaxSpots) spots.resize(kMaxSpots);
  for (const auto& [key, count] : spots) {
    v1::HotSpot* const spot = figures.add_hot_spots();
    spot->set_item(std::get<0>(key));
    spot->set_township_code(std::get<1>(key));
    spot->set_week(std::get<2>(key));
    spot->set_count(count);
    spot->set_period_count(totals[{std::get<0>(key), std::get<1>(key)}]);
  }

  std::vector<std::pair<std::string, const Caller*>> callers;
  for (const auto& [hash, caller] : callers_) {
    if (caller.count >= 2) figures.set_repeat_caller_count(figures.repeat_caller_count() + 1);
    if (caller.count >= kMinCallerOrders) callers.emplace_back(hash, &caller);
  }
  std::stable_sort(callers.begin(), callers.end(),
                   [](const auto& a, const auto& b) { return a.second->count > b.second->count; });
  if (callers.size() > kMaxCallers) callers.resize(kMaxCallers);
  for (const auto& [hash, caller] : callers) {
    v1::RepeatCaller* const row = figures.add_repeat_callers();
    row->set_caller(absl::BytesToHexString(hash.substr(0, kShownHashBytes)));
    row->set_count(caller->count);
    row->set_item(Ranked(caller->items).front().first);
  }
  return figures;
}

Page PackPage(const v1::PackFigures& figures, const std::vector<v1::DocketItem>& disputes,
              const v1::GetScorecardResponse& scorecard, const std::string& period_name, const Names& names) {
  const absl::Time knowledge = FromProto(scorecard.knowledge_time());
  const absl::Time last = std::min(FromProto(scorecard.end_time()), knowledge) - absl::Seconds(1);
  Page page("12345与110对接联动联席会议材料",
            absl::StrCat(names.Party(names.site), "　统计周期 ", period_name, "（",
                         ChineseDate(FromProto(scorecard.start_time())), "至", ChineseDate(last), "）"));
  page.Note(absl::StrCat("依据恰政办发〔2024〕6号第三条第三项编制。各项数据由本平台工单日志计算，仅计入",
                         ChineseTime(knowledge),
                         "以前已记录的事项；同一周期结束后重新计算，结果不变。同一事项退回后重推、转回本平台"
                         "或请求联动协助的工单不重复计入登记、热点和重复来电。不含个人信息。"));

  page.Heading("一、概况");
  page.Facts({{"登记工单",
               absl::StrCat(figures.registered(), " 件，其中对方热线转来 ", figures.from_peers(), " 件")},
              {"向对方热线推送", absl::StrCat(figures.to_peers(), " 件")},
              {"管辖争议", absl::StrCat("新增 ", figures.disputes(), " 件，裁定 ", figures.rulings(), " 件")},
              {"按时签收率", ShareText(scorecard.total().sign_on_time())},
              {"按时办结率", ShareText(scorecard.total().finish_on_time())},
              {"重办率", ShareText(scorecard.total().redo_rate())}});

  page.Heading("二、管辖争议与裁定");
  if (disputes.empty()) page.Paragraph("本周期无管辖争议。");
  for (size_t i = 0; i < disputes.size(); ++i) {
    const v1::DocketItem& item = disputes[i];
    page.Subheading(absl::StrCat("（", i + 1, "）工单 ", item.order_number(), "　", StateZh(item.state())));
    std::vector<std::pair<std::string, std::string>> facts = {
        {"议题编号", item.item_id()},
        {"提出时间", ChineseTime(FromProto(item.open_time()))},
        {"类型与清单事项",
         absl::StrCat(TypeZh(item.type()), "　",
                      item.catalogue().item().empty() ? "未对应清单事项" : item.catalogue().item())},
        {"属地", names.Township(item.township_code())},
        {"首接先办", names.Party(item.holder())}};
    for (const v1::DocketGround& ground : item.grounds()) {
      std::string text = GroundText(ground);
      if (!ground.legal_basis().empty()) absl::StrAppend(&text, "（依据：", ground.legal_basis(), "）");
      if (!ground.proposed_unit().empty()) {
        absl::StrAppend(&text, "；建议由", names.Party(ground.proposed_unit()), "承办");
      }
      if (!ground.proposed_item().empty()) absl::StrAppend(&text, "；建议适用事项 ", ground.proposed_item());
      facts.emplace_back(absl::StrCat(names.Party(ground.party()), "的理由"), std::move(text));
    }
    if (item.has_ruling()) {
      const type::v1::Ruling& ruling = item.ruling();
      const std::string hotline = ruling.to_hotline().empty() ? "" : names.Party(ruling.to_hotline());
      const std::string unit = ruling.unit().empty() ? "" : names.Party(ruling.unit());
      facts.emplace_back(
          "裁定", absl::StrCat("由", hotline, unit, "承办；", ruling.ground(), "（", ruling.reference(), "，",
                               ruling.ruled_by(), "，", TimeOr(item.settle_time(), true), "）"));
    }
    page.Facts(std::move(facts));
  }

  page.Heading("三、各单位超期情况");
  std::map<std::string, int64_t> open;
  for (const v1::PartyCount& row : figures.still_open()) open[row.party()] = row.count();
  std::vector<std::vector<std::string>> rows;
  for (const v1::PartyCount& row : figures.missed()) {
    rows.push_back({names.Party(row.party()), Num(row.count()), Num(open[row.party()])});
  }
  page.Table({"单位", "超期环节", "其中仍未完成"}, std::move(rows), {1, 2}, "本周期无超期。");

  page.Heading("四、各单位办理情况");
  rows.clear();
  for (const v1::Scorecard& card : scorecard.scorecards()) {
    rows.push_back({names.Party(card.party()), Num(card.assigned()), Num(card.assisted()),
                    ShareText(card.sign_on_time()), ShareText(card.finish_on_time()),
                    ShareText(card.return_rate()), ShareText(card.redo_rate()),
                    ShareText(card.extension_rate()),
                    WorkedText(card.median_handling(), card.has_median_handling())});
  }
  page.Table({"单位", "接单", "协办", "按时签收", "按时办结", "退单率", "重办率", "延期率", "办理用时中位数"},
             std::move(rows), {1, 2}, "本周期无办理。");

  page.Heading("五、热点");
  page.Subheading("按清单事项");
  rows.clear();
  for (const v1::ItemCount& row : figures.items()) {
    rows.push_back({row.item().empty() ? "未对应清单事项" : row.item(), Num(row.count())});
  }
  page.Table({"清单事项", "件数"}, std::move(rows), {1}, "本周期无工单。");
  page.Subheading("按事项、属地和周");
  rows.clear();
  for (const v1::HotSpot& spot : figures.hot_spots()) {
    rows.push_back({spot.item().empty() ? "未对应清单事项" : spot.item(),
                    names.Township(spot.township_code()), spot.week(), Num(spot.count()),
                    Num(spot.period_count())});
  }
  page.Table({"清单事项", "属地", "周", "当周件数", "周期内合计"}, std::move(rows), {3, 4},
             "没有一周内三件以上的热点。");

  page.Heading("六、重复来电");
  page.Paragraph(absl::StrCat("本周期来电两次以上的诉求人 ", figures.repeat_caller_count(),
                              " 位。下表以带密钥的摘要代替号码，仅本平台能对应。"));
  rows.clear();
  for (const v1::RepeatCaller& row : figures.repeat_callers()) {
    rows.push_back({row.caller(), Num(row.count()), row.item().empty() ? "未对应清单事项" : row.item()});
  }
  page.Table({"诉求人代号", "件数", "主要事项"}, std::move(rows), {1}, "没有来电三次以上的诉求人。");

  page.Signature({"主持人（签字）：＿＿＿＿＿＿＿＿", "日期：＿＿＿＿年＿＿月＿＿日"});
  return page;
}

std::string ProposalYaml(const v1::DocketItem& item, const Names& names) {
  const type::v1::Ruling& ruling = item.ruling();
  std::string out = absl::StrCat(
      "# 清单修改建议：由联席会议裁定形成，供清单维护人审核后采纳。\n"
      "# Proposal of a catalogue change, from a ruling of the joint meeting; a person decides.\n"
      "proposal:\n",
      "  docket_item: ", Yaml(item.item_id()), "\n  order: ", Yaml(item.order_number()),
      "\n  base_version: ", Yaml(item.catalogue().version()), "\n  item: ", Yaml(item.catalogue().item()),
      "\n  township_code: ", Yaml(item.township_code()), "\n  order_type: ", Yaml(TypeZh(item.type())),
      "\n  change:\n", "    hotline: ", Yaml(ruling.to_hotline().empty() ? names.site : ruling.to_hotline()),
      "\n    lead_unit: ", Yaml(ruling.unit()),
      "\n    lead_unit_name: ", Yaml(ruling.unit().empty() ? "" : names.Party(ruling.unit())),
      "\n  ruling:\n    ground: ", Yaml(ruling.ground()), "\n    reference: ", Yaml(ruling.reference()),
      "\n    ruled_by: ", Yaml(ruling.ruled_by()), "\n    rule_time: ",
      Yaml(absl::FormatTime("%Y-%m-%dT%H:%M:%S+08:00", FromProto(item.settle_time()), Beijing())),
      "\n  grounds:");
  if (item.grounds().empty()) out += " []";
  for (const v1::DocketGround& ground : item.grounds()) {
    absl::StrAppend(&out, "\n    - party: ", Yaml(ground.party()),
                    "\n      reason: ", Yaml(GroundText(ground)),
                    "\n      legal_basis: ", Yaml(ground.legal_basis()),
                    "\n      proposed_unit: ", Yaml(ground.proposed_unit()),
                    "\n      proposed_item: ", Yaml(ground.proposed_item()));
  }
  return out + "\n";
}

}  // namespace hotline::escalation::report
