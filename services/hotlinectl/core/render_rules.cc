// Tables of deadlines explained, moved and booked. See render.h.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/base/text.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

Column Titled(Language language, const Phrase& phrase, bool right = false) {
  return {.heading = std::string(Say(language, phrase)), .right_aligned = right};
}

std::string LengthText(int64_t seconds) {
  const char* sign = seconds < 0 ? "-" : "";
  const int64_t length = seconds < 0 ? -seconds : seconds;
  return absl::StrFormat("%s%d:%02d:%02d", sign, length / 3600, length % 3600 / 60, length % 60);
}

std::string Listed(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += StrCat(text.empty() ? "" : "; ", word);
  return text;
}

// A stretch in seconds as they are shown: from one second that a line names to the next, so that lines add up
// whatever fractions the log has.
struct Shown {
  int64_t length = 0;
  int64_t off_hours = 0;  // of it
};
Shown ShownOf(const escalation::v1::TimeStretch& stretch) {
  const auto& begin = stretch.begin_time();
  const auto& end = stretch.end_time();
  const auto& off = stretch.off_hours();
  Shown shown{.length = end.seconds() - begin.seconds(), .off_hours = off.seconds()};
  // All of it, and none, are so whatever is cut off.
  const int64_t nanos =
      (shown.length - off.seconds()) * 1'000'000'000 + end.nanos() - begin.nanos() - off.nanos();
  if (nanos == 0) shown.off_hours = shown.length;
  return shown;
}

void AddSegments(Language language, const escalation::v1::DeadlineDerivation& part, Table& table) {
  for (const auto& segment : part.segments()) {
    const auto& rule = segment.has_day_rule() ? segment.day_rule() : segment.hours_rule();
    table.AddRow({Cell(TimeText(segment.begin_time())), Cell(TimeText(segment.end_time())),
                  Cell(LengthText(segment.end_time().seconds() - segment.begin_time().seconds())),
                  Cell(Say(language, segment.counted() ? say::kCounted : say::kSkipped),
                       segment.counted() ? Colour::kGreen : Colour::kDim),
                  Cell(EnumLabel(language, segment.reason())), Cell(rule.name()), Cell(rule.document())});
  }
}

}  // namespace

Table MovesTable(Language language, const escalation::v1::PreviewRulesResponse& preview) {
  Table table({Titled(language, say::kColNumber), Titled(language, say::kColClock),
               Titled(language, say::kColParty), Titled(language, say::kColDue),
               Titled(language, say::kColNewDue), Titled(language, say::kColVersion)});
  for (const auto& move : preview.moves()) {
    table.AddRow({Cell(move.deadline().order_number()), Cell(EnumLabel(language, move.deadline().clock())),
                  Cell(move.deadline().duty_party()), Cell(TimeText(move.deadline().due_time())),
                  Cell(TimeText(move.new_due_time())),
                  Cell(move.calendar_version().empty()
                           ? move.policy_version()
                           : StrCat(move.policy_version(), "; ", move.calendar_version()))});
  }
  return table;
}

Table CalendarTable(Language language, const escalation::v1::ListCalendarsResponse& response) {
  Table table({Titled(language, say::kColCalendar), Titled(language, say::kColLayer),
               Titled(language, say::kColLevel), Titled(language, say::kColVersion),
               Titled(language, say::kColLatestNotice), Titled(language, say::kColAnnounced),
               Titled(language, say::kColUndecided)});
  for (const auto& calendar : response.calendars()) {
    for (const auto& layer : calendar.layers()) {
      const config::v1::CalendarDocument* latest = nullptr;
      for (const auto& document : layer.documents()) {
        if (latest == nullptr || latest->issue_date() <= document.issue_date()) latest = &document;
      }
      std::string until;
      for (const auto& span : layer.announced()) until = std::max(until, span.last_date());
      std::string undecided;
      for (const auto& dates : calendar.undecided()) {
        if (dates.layer() != layer.code()) continue;
        undecided += StrCat(undecided.empty() ? "" : "; ", dates.first_date(), "..", dates.last_date(), " ",
                            Say(language, dates.gap() ? say::kNotKnown : say::kNotAnnounced));
      }
      table.AddRow({Cell(calendar.code()), Cell(StrCat(layer.code(), " ", layer.display_name())),
                    Cell(EnumLabel(language, layer.level())), Cell(layer.version()),
                    Cell(latest == nullptr ? "" : latest->number()), Cell(until),
                    Cell(undecided, Colour::kYellow)});
    }
  }
  return table;
}

Table PublicationTable(Language language, const escalation::v1::ListPublicationsResponse& response) {
  Table table({Titled(language, say::kColPublication, true), Titled(language, say::kColTime),
               Titled(language, say::kColActor), Titled(language, say::kColVersion),
               Titled(language, say::kColCalendar), Titled(language, say::kColReason)});
  for (const auto& one : response.publications()) {
    table.AddRow({Cell(StrCat(one.number())), Cell(TimeText(one.publish_time())), Cell(one.account()),
                  Cell(Listed(one.policy_versions())), Cell(Listed(one.calendar_versions())),
                  Cell(one.note())});
  }
  return table;
}

Table DerivationTable(Language language, const escalation::v1::ClockDerivation& derivation) {
  Table table({Titled(language, say::kColFrom), Titled(language, say::kColUntil),
               Titled(language, say::kColLength, true), Titled(language, say::kColCounted),
               Titled(language, say::kColReason), Titled(language, say::kColDay),
               Titled(language, say::kColDocument)});
  AddSegments(language, derivation.limit(), table);
  for (const auto& step : derivation.steps()) {
    table.AddRow({Cell(TimeText(step.time()), Colour::kBold), Cell(TimeText(step.due_time()), Colour::kBold),
                  Cell(step.left_seconds() == 0 ? "" : LengthText(step.left_seconds())), Cell(""),
                  Cell(EnumLabel(language, step.kind()), Colour::kBold)});
    if (step.has_derivation()) AddSegments(language, step.derivation(), table);
  }
  return table;
}

Table StretchTable(Language language, const escalation::v1::TimeLedger& ledger) {
  Table table({Titled(language, say::kColFrom), Titled(language, say::kColUntil),
               Titled(language, say::kColParty), Titled(language, say::kColUse),
               Titled(language, say::kColLength, true), Titled(language, say::kColOffHours, true),
               Titled(language, say::kColSequence, true)});
  for (const auto& stretch : ledger.stretches()) {
    const Shown shown = ShownOf(stretch);
    table.AddRow(
        {Cell(TimeText(stretch.begin_time())), Cell(TimeText(stretch.end_time())), Cell(stretch.party()),
         Cell(EnumLabel(language, stretch.use())), Cell(LengthText(shown.length)),
         Cell(shown.off_hours == 0 ? "" : LengthText(shown.off_hours)), Cell(StrCat(stretch.sequence()))});
  }
  return table;
}

Table SumTable(Language language, const escalation::v1::TimeLedger& ledger) {
  Table table({Titled(language, say::kColParty), Titled(language, say::kColUse),
               Titled(language, say::kColLength, true)});
  // Of what the stretches show. The ledger's own sums are exact; cut to seconds they come to less than their
  // total.
  std::map<std::pair<std::string, escalation::v1::TimeUse>, int64_t> lengths;
  int64_t total = 0;
  for (const auto& stretch : ledger.stretches()) {
    const Shown shown = ShownOf(stretch);
    lengths[{stretch.party(), stretch.use()}] += shown.length - shown.off_hours;
    lengths[{stretch.party(), escalation::v1::TIME_USE_OFF_HOURS}] += shown.off_hours;
    total += shown.length;
  }
  for (const auto& sum : ledger.sums()) {
    table.AddRow({Cell(sum.party()), Cell(EnumLabel(language, sum.use())),
                  Cell(LengthText(lengths[{sum.party(), sum.use()}]))});
  }
  table.AddRow({Cell(Say(language, say::kLedgerTotal), Colour::kBold), Cell(""),
                Cell(LengthText(total), Colour::kBold)});
  return table;
}

}  // namespace hotline::hotlinectl
