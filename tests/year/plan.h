// A year of a county as data: what people will do to each order and when, by seed, and what follows from it
// for every figure. The figures are added up here while the year is planned, from the plan and from tables of
// dates of its own; nothing of the services is asked.
#ifndef TESTS_YEAR_PLAN_H_
#define TESTS_YEAR_PLAN_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::year {

inline constexpr int k12345 = 0;
inline constexpr int k110 = 1;

// One thing that somebody does.
struct Step {
  absl::Time at;
  int site = k12345;
  int order = 0;              // of the plan
  type::v1::Command command;  // without header
};

struct Share {
  int64_t numerator = 0;
  int64_t denominator = 0;
  friend bool operator==(const Share&, const Share&) = default;
};

// Figures of one party in one period at site 12345.
struct Card {
  int64_t assigned = 0, assisted = 0;
  std::map<int, Share> clocks;         // by type::v1::ClockKind
  std::map<int, Share> assist_clocks;  // of those, as an assisting unit
  Share returns, moves, redos, extended, last_minute;
  std::vector<int64_t> minutes;  // of each stretch that ended with a result
  int64_t missed = 0;
};

struct PeriodTruth {
  std::string name;
  absl::Time start, end;
  std::map<std::string, Card> cards;  // an empty party: all
  int64_t registered = 0, from_peers = 0, to_peers = 0, disputes = 0, rulings = 0;
  std::map<std::string, int64_t> items;
  std::map<std::tuple<std::string, std::string, int>, int64_t>
      spots;                               // item, township, days since 1970 of the week's Monday
  std::map<std::string, int64_t> callers;  // by number
  std::map<std::string, int64_t> still_open;
};

struct Options {
  int orders = 40'000;  // about so many in a whole year
  int days = 365;
  uint64_t seed = 1;
};

// What the generator made of a seed.
struct Plan {
  std::vector<Step> steps;  // in order of time
  int order_count = 0;
  int64_t from_110 = 0, to_110 = 0, disputes = 0;
  std::vector<PeriodTruth> periods;
  absl::Time start, end;
};

// The year 2025, whose holidays are all known for Xinjiang.
Plan MakePlan(const Options& options);

}  // namespace hotline::year

#endif  // TESTS_YEAR_PLAN_H_
