#include "services/escalation/report/core/scorecard.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace hotline::escalation::report {
namespace {

// The value at rank ⌈share × n⌉ of `counts`, which are of `n` values.
int64_t AtRank(const std::map<int64_t, int64_t>& counts, int64_t n, int percent) {
  int64_t left = (n * percent + 99) / 100;
  for (const auto& [value, count] : counts) {
    left -= count;
    if (left <= 0) return value;
  }
  return 0;
}

}  // namespace

WorkedSeconds WorkedBy(DeadlinesNow deadlines) {
  return [deadlines = std::move(deadlines)](const std::string& party, absl::Time from, absl::Time to) {
    const std::shared_ptr<const Deadlines> rules = deadlines.Get();
    // What was announced meanwhile moved the deadlines too. Later ones change no figure of a past period.
    const calendar::Calendar* calendar = to > from ? rules->CalendarOfParty(party, to) : nullptr;
    if (calendar == nullptr) return absl::ToInt64Seconds(to - from);
    const auto measured = calendar->Measure(from, to, type::v1::TIME_KIND_WORKING_HOURS);
    return measured.ok() ? measured->amount : absl::ToInt64Seconds(to - from);
  };
}

bool IsDuty(type::v1::ClockKind clock) {
  return clock != type::v1::CLOCK_KIND_CONFIRM && clock != type::v1::CLOCK_KIND_UNIT_RETURN;
}

int64_t WorkedIn(const Stretch& stretch, const WorkedSeconds& worked) {
  int64_t seconds = 0;
  absl::Time from = stretch.begin;
  for (const auto& [pause, resume] : stretch.pauses) {
    seconds += worked(stretch.party, from, pause);
    from = std::min(resume, stretch.end);
  }
  return seconds + worked(stretch.party, from, stretch.end);
}

ScorecardBuilder::ScorecardBuilder(Period period, WorkedSeconds worked)
    : period_(period), worked_(std::move(worked)) {}

template <typename Fn>
void ScorecardBuilder::Both(const std::string& party, Fn fn) {
  fn(parties_[party]);
  fn(total_);
}

void ScorecardBuilder::Add(const History& history) {
  for (const Mark& mark : history.assignments) {
    if (period_.Holds(mark.at)) Both(mark.party, [](Tally& tally) { ++tally.assigned; });
  }
  for (const Mark& mark : history.assists) {
    if (period_.Holds(mark.at)) Both(mark.party, [](Tally& tally) { ++tally.assisted; });
  }
  for (const Duty& duty : history.duties) {
    if (!IsDuty(duty.clock) || !period_.Holds(duty.judged)) continue;
    if (duty.outcome != Outcome::kMet && duty.outcome != Outcome::kMissed) continue;
    const bool met = duty.outcome == Outcome::kMet;
    Both(duty.party, [&](Tally& tally) {
      tally.clocks[duty.clock].Count(met);
      if (!duty.assist_unit.empty()) tally.assist_clocks[duty.clock].Count(met);
      tally.missed += !met;
    });
  }
  for (const Stretch& stretch : history.stretches) {
    if (!period_.Holds(stretch.end)) continue;
    const bool result = stretch.how == StretchEnd::kResult;
    const bool returned = stretch.how == StretchEnd::kReturned;
    // A hotline's answers are counted below.
    if ((result || returned) && stretch.unit) {
      Both(stretch.party, [&](Tally& tally) { tally.returns.Count(returned); });
    }
    if (!result) continue;
    const int64_t minutes = WorkedIn(stretch, worked_) / 60;
    Both(stretch.party, [&](Tally& tally) {
      tally.extended.Count(stretch.extensions > 0);
      ++tally.minutes[minutes];
    });
  }
  for (const Mark& answer : history.answers) {
    if (period_.Holds(answer.at)) {
      Both(answer.party, [&](Tally& tally) { tally.returns.Count(answer.marked); });
    }
  }
  for (const Mark& extension : history.extensions) {
    if (period_.Holds(extension.at)) {
      Both(extension.party, [&](Tally& tally) { tally.last_minute.Count(extension.marked); });
    }
  }
  for (const Mark& verdict : history.verdicts) {
    if (period_.Holds(verdict.at)) {
      Both(verdict.party, [&](Tally& tally) { tally.redos.Count(verdict.marked); });
    }
  }
  for (const Closing& closing : history.closings) {
    if (!period_.Holds(closing.at)) continue;
    Both(closing.party, [&](Tally& tally) {
      ++tally.moves.denominator;
      tally.moves.numerator += closing.moves;
    });
  }
}

v1::Scorecard ScorecardBuilder::Describe(const std::string& party, const Tally& tally) const {
  const auto put = [](const Share& share, v1::Ratio* ratio) {
    ratio->set_numerator(share.numerator);
    ratio->set_denominator(share.denominator);
  };
  const auto clock = [](const std::map<int, Share>& clocks, type::v1::ClockKind kind) {
    const auto it = clocks.find(kind);
    return it == clocks.end() ? Share() : it->second;
  };
  v1::Scorecard card;
  card.set_party(party);
  card.set_assigned(tally.assigned);
  card.set_assisted(tally.assisted);
  put(clock(tally.clocks, type::v1::CLOCK_KIND_SIGN), card.mutable_sign_on_time());
  put(clock(tally.clocks, type::v1::CLOCK_KIND_FINISH), card.mutable_finish_on_time());
  put(clock(tally.assist_clocks, type::v1::CLOCK_KIND_SIGN), card.mutable_assist_sign_on_time());
  put(clock(tally.assist_clocks, type::v1::CLOCK_KIND_FINISH), card.mutable_assist_finish_on_time());
  for (const auto& [kind, share] : tally.clocks) {
    v1::ClockFigure* const figure = card.add_clocks();
    figure->set_clock(static_cast<type::v1::ClockKind>(kind));
    put(share, figure->mutable_on_time());
  }
  put(tally.returns, card.mutable_return_rate());
  put(tally.moves, card.mutable_moves_per_order());
  put(tally.redos, card.mutable_redo_rate());
  put(tally.extended, card.mutable_extension_rate());
  put(tally.last_minute, card.mutable_last_minute_rate());
  put({tally.missed, total_.missed}, card.mutable_breach_share());
  int64_t handled = 0;
  for (const auto& [minutes, count] : tally.minutes) handled += count;
  card.set_handled(handled);
  if (handled > 0) {
    card.mutable_median_handling()->set_seconds(60 * AtRank(tally.minutes, handled, 50));
    card.mutable_p90_handling()->set_seconds(60 * AtRank(tally.minutes, handled, 90));
  }
  return card;
}

void ScorecardBuilder::Finish(const std::string& party, v1::GetScorecardResponse* response) const {
  for (const auto& [code, tally] : parties_) {
    if (party.empty() || party == code) *response->add_scorecards() = Describe(code, tally);
  }
  *response->mutable_total() = Describe("", total_);
}

}  // namespace hotline::escalation::report
