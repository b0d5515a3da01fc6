// Adds up orders' histories into the figures of a period. Pure. What each figure counts is defined in
// report_service.proto.
#ifndef SERVICES_ESCALATION_REPORT_CORE_SCORECARD_H_
#define SERVICES_ESCALATION_REPORT_CORE_SCORECARD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "hotline/escalation/v1/report_service.pb.h"
#include "services/escalation/report/core/history.h"
#include "services/escalation/report/core/period.h"

namespace hotline::escalation::report {

// Seconds that a party worked between two instants, by its calendar.
using WorkedSeconds = std::function<int64_t(const std::string& party, absl::Time from, absl::Time to)>;

// By the calendar that holds for the party at the end; where there is none, around the clock.
WorkedSeconds WorkedBy(DeadlinesNow deadlines);

// Memory grows with the number of parties, and of different handling times in minutes, not with the number of
// orders.
class ScorecardBuilder {
 public:
  ScorecardBuilder(Period period, WorkedSeconds worked);

  // `history` was finished at the knowledge instant.
  void Add(const History& history);
  // Fills in `scorecards`, only `party`'s unless it is empty, and `total`.
  void Finish(const std::string& party, v1::GetScorecardResponse* response) const;

 private:
  struct Share {
    int64_t numerator = 0;
    int64_t denominator = 0;
    void Count(bool hit) {
      ++denominator;
      numerator += hit;
    }
  };
  struct Tally {
    int64_t assigned = 0;
    int64_t assisted = 0;
    std::map<int, Share> clocks;
    std::map<int, Share> assist_clocks;  // of those, as an assisting unit
    Share returns, moves, redos, extended, last_minute;
    std::map<int64_t, int64_t> minutes;  // how many stretches took so many
    int64_t missed = 0;
  };

  // The party's and the site's.
  template <typename Fn>
  void Both(const std::string& party, Fn fn);
  v1::Scorecard Describe(const std::string& party, const Tally& tally) const;

  const Period period_;
  const WorkedSeconds worked_;
  std::map<std::string, Tally> parties_;
  Tally total_;
};

// The duties of this clock are the party's to fulfil. CONFIRM is none: what passes there is the peer's
// silence.
bool IsDuty(type::v1::ClockKind clock);
// Seconds worked in `stretch`, suspensions left out.
int64_t WorkedIn(const Stretch& stretch, const WorkedSeconds& worked);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_SCORECARD_H_
