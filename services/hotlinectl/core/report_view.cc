#include "services/hotlinectl/core/report_view.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "services/hotlinectl/core/csv.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

using escalation::v1::Ratio;
using escalation::v1::Scorecard;

std::string Decimal(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double ValueOf(const Ratio& ratio) {
  return static_cast<double>(ratio.numerator()) / static_cast<double>(ratio.denominator());
}

// `92.3% (120/130)`.
std::string Percent(const Ratio& ratio) {
  if (ratio.denominator() == 0) return "-";
  return StrCat(Decimal(100 * ValueOf(ratio), 1), "% (", ratio.numerator(), "/", ratio.denominator(), ")");
}

std::string Mean(const Ratio& ratio) {
  if (ratio.denominator() == 0) return "-";
  return StrCat(Decimal(ValueOf(ratio), 2), " (", ratio.numerator(), "/", ratio.denominator(), ")");
}

// `12h05m`, of working time.
std::string Worked(const google::protobuf::Duration& duration, bool set) {
  if (!set) return "-";
  const int64_t minutes = duration.seconds() / 60;
  return StrCat(minutes / 60, "h", minutes % 60 < 10 ? "0" : "", minutes % 60, "m");
}

std::string PartyName(Language language, const std::string& party) {
  return party.empty() ? std::string(Say(language, say::kTotal)) : party;
}

Column Left(Language language, const Phrase& phrase) {
  return {.heading = std::string(Say(language, phrase))};
}
Column Right(Language language, const Phrase& phrase) {
  return {.heading = std::string(Say(language, phrase)), .right_aligned = true};
}

void AddScorecard(Language language, const Scorecard& card, Table& table) {
  table.AddRow(
      {Cell(PartyName(language, card.party()), card.party().empty() ? Colour::kBold : Colour::kNone),
       Cell(StrCat(card.assigned())), Cell(StrCat(card.assisted())), Cell(Percent(card.sign_on_time())),
       Cell(Percent(card.finish_on_time())), Cell(Percent(card.return_rate())),
       Cell(Mean(card.moves_per_order())), Cell(Percent(card.redo_rate())),
       Cell(Percent(card.extension_rate())), Cell(Percent(card.last_minute_rate())),
       Cell(Worked(card.median_handling(), card.has_median_handling())),
       Cell(Worked(card.p90_handling(), card.has_p90_handling())), Cell(Percent(card.breach_share()))});
}

std::vector<std::string> ScorecardCells(Language language, const Scorecard& card) {
  std::vector<std::string> cells = {PartyName(language, card.party()), StrCat(card.assigned())};
  const auto add = [&](const Ratio& ratio) {
    cells.push_back(StrCat(ratio.numerator()));
    cells.push_back(StrCat(ratio.denominator()));
    cells.push_back(ratio.denominator() == 0 ? "" : Decimal(ValueOf(ratio), 4));
  };
  for (const Ratio* ratio :
       {&card.sign_on_time(), &card.finish_on_time(), &card.return_rate(), &card.moves_per_order(),
        &card.redo_rate(), &card.extension_rate(), &card.last_minute_rate(), &card.breach_share()}) {
    add(*ratio);
  }
  cells.push_back(StrCat(card.handled()));
  cells.push_back(card.has_median_handling() ? StrCat(card.median_handling().seconds() / 60) : "");
  cells.push_back(card.has_p90_handling() ? StrCat(card.p90_handling().seconds() / 60) : "");
  // Behind what there was before, so that whoever reads columns by their number finds them where they were.
  cells.push_back(StrCat(card.assisted()));
  add(card.assist_sign_on_time());
  add(card.assist_finish_on_time());
  return cells;
}

}  // namespace

Table ScorecardTable(Language language, const escalation::v1::GetScorecardResponse& response) {
  Table table({Left(language, say::kColParty), Right(language, say::kColAssigned),
               Right(language, say::kColAssisted), Right(language, say::kColSignOnTime),
               Right(language, say::kColFinishOnTime), Right(language, say::kColReturnRate),
               Right(language, say::kColMoves), Right(language, say::kColRedoRate),
               Right(language, say::kColExtensionRate), Right(language, say::kColLastMinute),
               Right(language, say::kColMedian), Right(language, say::kColP90),
               Right(language, say::kColBreachShare)});
  for (const Scorecard& card : response.scorecards()) AddScorecard(language, card, table);
  if (!response.scorecards().empty()) AddScorecard(language, response.total(), table);
  return table;
}

std::string ScorecardCsv(Language language, const escalation::v1::GetScorecardResponse& response) {
  std::vector<std::string> head = {std::string(Say(language, say::kColParty)),
                                   std::string(Say(language, say::kColAssigned))};
  const auto add = [&](const Phrase& phrase) {
    const std::string_view name = Say(language, phrase);
    head.push_back(Say(language, say::kCsvNumerator, name));
    head.push_back(Say(language, say::kCsvDenominator, name));
    head.emplace_back(name);
  };
  for (const Phrase* phrase :
       {&say::kColSignOnTime, &say::kColFinishOnTime, &say::kColReturnRate, &say::kColMoves,
        &say::kColRedoRate, &say::kColExtensionRate, &say::kColLastMinute, &say::kColBreachShare}) {
    add(*phrase);
  }
  head.emplace_back(Say(language, say::kColHandled));
  head.push_back(Say(language, say::kCsvMinutes, Say(language, say::kColMedian)));
  head.push_back(Say(language, say::kCsvMinutes, Say(language, say::kColP90)));
  head.emplace_back(Say(language, say::kColAssisted));
  add(say::kColAssistSign);
  add(say::kColAssistFinish);
  std::string csv = CsvLine(head);
  for (const Scorecard& card : response.scorecards()) csv += CsvLine(ScorecardCells(language, card));
  return csv + CsvLine(ScorecardCells(language, response.total()));
}

Table LampTable(Language language, const escalation::v1::ListLampsResponse& response) {
  Table table({Left(language, say::kColParty), Right(language, say::kColGreen),
               Right(language, say::kColYellow), Right(language, say::kColRed),
               Right(language, say::kColPaused)});
  const auto add = [&](const escalation::v1::LampCount& count) {
    table.AddRow(
        {Cell(PartyName(language, count.party()), count.party().empty() ? Colour::kBold : Colour::kNone),
         Cell(StrCat(count.green()), Colour::kGreen), Cell(StrCat(count.yellow()), Colour::kYellow),
         Cell(StrCat(count.red()), Colour::kRed), Cell(StrCat(count.paused()))});
  };
  for (const auto& count : response.counts()) add(count);
  if (!response.counts().empty()) add(response.total());
  return table;
}

std::string LampCsv(Language language, const escalation::v1::ListLampsResponse& response) {
  std::vector<std::string> head;
  for (const Phrase* phrase :
       {&say::kColParty, &say::kColGreen, &say::kColYellow, &say::kColRed, &say::kColPaused}) {
    head.emplace_back(Say(language, *phrase));
  }
  std::string csv = CsvLine(head);
  const auto add = [&](const escalation::v1::LampCount& count) {
    csv += CsvLine({PartyName(language, count.party()), StrCat(count.green()), StrCat(count.yellow()),
                    StrCat(count.red()), StrCat(count.paused())});
  };
  for (const auto& count : response.counts()) add(count);
  add(response.total());
  return csv;
}

std::string DeadlineCsvHead(Language language) {
  std::vector<std::string> head;
  for (const Phrase* phrase : {&say::kColLamp, &say::kColNumber, &say::kColClock, &say::kColParty,
                               &say::kColDue, &say::kColRung, &say::kColUrgency, &say::kColState}) {
    head.emplace_back(Say(language, *phrase));
  }
  return CsvLine(head);
}

std::string DeadlineCsv(Language language, const escalation::v1::Deadline& deadline) {
  return CsvLine({EnumLabel(language, deadline.lamp()), deadline.order_number(),
                  EnumLabel(language, deadline.clock()), deadline.duty_party(), TimeText(deadline.due_time()),
                  EnumLabel(language, deadline.rung()), EnumLabel(language, deadline.urgency()),
                  EnumLabel(language, deadline.order_state())});
}

Table DocketTable(Language language) {
  return Table({Left(language, say::kColItem),
                Left(language, say::kColState),
                Left(language, say::kColNumber),
                Left(language, say::kColOpened),
                Left(language, say::kColHolder),
                Left(language, say::kLabelItem),
                {.heading = std::string(Say(language, say::kColGrounds)), .shrinks = true},
                {.heading = std::string(Say(language, say::kColRuling)), .shrinks = true}});
}

void AddDocketItem(Language language, const escalation::v1::DocketItem& item, Table& table) {
  std::string grounds;
  for (const auto& ground : item.grounds()) {
    grounds += StrCat(grounds.empty() ? "" : " | ", ground.party(), ": ", ground.reason());
  }
  std::string ruling;
  if (item.has_ruling()) {
    ruling = StrCat(item.ruling().to_hotline(), item.ruling().unit().empty() ? "" : "/", item.ruling().unit(),
                    " (", item.ruling().reference(), ")");
  }
  const bool open = item.state() == escalation::v1::DOCKET_STATE_OPEN;
  table.AddRow({Cell(item.item_id()),
                Cell(EnumLabel(language, item.state()), open ? Colour::kYellow : Colour::kNone),
                Cell(item.order_number()), Cell(TimeText(item.open_time())), Cell(item.holder()),
                Cell(item.catalogue().item()), Cell(grounds), Cell(ruling)});
}

}  // namespace hotline::hotlinectl
