// year_of_life: a year of a county's orders, planned by seed, played through the production classes of both
// sites at high speed, and every figure of scorecards and meeting packs compared with what the plan says.
// With --print the real programs are then started on the stores, must give the same figures, and hotlinectl
// prints them.
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/boot/config.h"
#include "google/protobuf/util/json_util.h"
#include "services/escalation/edge_rules.h"
#include "tests/support/site.h"
#include "tests/year/plan.h"
#include "tests/year/town.h"

namespace hotline::year {
namespace {

constexpr char kUnitsFile[] = HOTLINE_SOURCE_DIR "/deploy/units/wuqia.yaml";

using escalation::v1::GetScorecardResponse;
using escalation::v1::PackFigures;
using escalation::v1::Scorecard;

// Holds figures against the plan, and tells each that differs.
class Judge {
 public:
  template <typename T>
  void Same(const std::string& what, const T& found, const T& planned) {
    ++figures_;
    if (found == planned) return;
    if (++differ_ <= 40) {
      std::fprintf(stderr, "DIFFERS %s: services say %s, the plan says %s\n", what.c_str(),
                   absl::StrCat(found).c_str(), absl::StrCat(planned).c_str());
    }
  }
  void Same(const std::string& what, const escalation::v1::Ratio& found, const Share& planned) {
    Same(what, absl::StrCat(found.numerator(), "/", found.denominator()),
         absl::StrCat(planned.numerator, "/", planned.denominator));
  }
  int64_t figures() const { return figures_; }
  int64_t differ() const { return differ_; }

 private:
  int64_t figures_ = 0;
  int64_t differ_ = 0;
};

// The value at rank ⌈n · percent / 100⌉ in minutes.
int64_t AtRank(std::vector<int64_t> values, int percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t rank = (values.size() * static_cast<size_t>(percent) + 99) / 100;
  return values[std::max<size_t>(1, rank) - 1];
}

void CompareCard(const std::string& where, const Scorecard& found, const Card& planned, int64_t all_missed,
                 Judge* judge) {
  const auto share = [&](int clock) {
    const auto it = planned.clocks.find(clock);
    return it == planned.clocks.end() ? Share() : it->second;
  };
  judge->Same(where + " assigned", found.assigned(), planned.assigned);
  judge->Same(where + " assisted", found.assisted(), planned.assisted);
  const auto assist_share = [&](int clock) {
    const auto it = planned.assist_clocks.find(clock);
    return it == planned.assist_clocks.end() ? Share() : it->second;
  };
  judge->Same(where + " signed on time assisting", found.assist_sign_on_time(),
              assist_share(type::v1::CLOCK_KIND_SIGN));
  judge->Same(where + " finished on time assisting", found.assist_finish_on_time(),
              assist_share(type::v1::CLOCK_KIND_FINISH));
  judge->Same(where + " signed on time", found.sign_on_time(), share(type::v1::CLOCK_KIND_SIGN));
  judge->Same(where + " finished on time", found.finish_on_time(), share(type::v1::CLOCK_KIND_FINISH));
  std::set<int> clocks;
  for (const auto& [clock, planned_share] : planned.clocks) clocks.insert(clock);
  for (const auto& figure : found.clocks()) {
    clocks.insert(figure.clock());
    judge->Same(absl::StrCat(where, " ", type::v1::ClockKind_Name(figure.clock())), figure.on_time(),
                share(figure.clock()));
  }
  judge->Same(where + " clocks", static_cast<int64_t>(found.clocks_size()),
              static_cast<int64_t>(clocks.size()));
  judge->Same(where + " returned", found.return_rate(), planned.returns);
  judge->Same(where + " moves", found.moves_per_order(), planned.moves);
  judge->Same(where + " redone", found.redo_rate(), planned.redos);
  judge->Same(where + " extended", found.extension_rate(), planned.extended);
  judge->Same(where + " last-minute", found.last_minute_rate(), planned.last_minute);
  judge->Same(where + " handled", found.handled(), static_cast<int64_t>(planned.minutes.size()));
  judge->Same(where + " median", found.median_handling().seconds() / 60, AtRank(planned.minutes, 50));
  judge->Same(where + " p90", found.p90_handling().seconds() / 60, AtRank(planned.minutes, 90));
  judge->Same(where + " breach share", found.breach_share(), Share{planned.missed, all_missed});
}

void CompareScorecard(const PeriodTruth& truth, const GetScorecardResponse& found, Judge* judge) {
  std::map<std::string, Card> planned = truth.cards;
  const int64_t all_missed = planned[""].missed;
  std::set<std::string> parties;
  for (const Scorecard& card : found.scorecards()) {
    parties.insert(card.party());
    CompareCard(absl::StrCat(truth.name, " ", card.party()), card, planned[card.party()], all_missed, judge);
  }
  for (const auto& [party, card] : planned) {
    if (!party.empty() && !parties.contains(party)) {
      CompareCard(absl::StrCat(truth.name, " ", party), Scorecard(), card, all_missed, judge);
    }
  }
  CompareCard(absl::StrCat(truth.name, " all"), found.total(), planned[""], all_missed, judge);
}

std::string WeekName(int monday) {
  const absl::CivilDay thursday = absl::CivilDay(1970, 1, 1) + monday + 3;
  return absl::StrFormat("%d-W%02d", thursday.year(), (absl::GetYearDay(thursday) - 1) / 7 + 1);
}

void ComparePack(const PeriodTruth& truth, const PackFigures& found, Judge* judge) {
  const std::string& name = truth.name;
  judge->Same(name + " registered", found.registered(), truth.registered);
  judge->Same(name + " from peers", found.from_peers(), truth.from_peers);
  judge->Same(name + " to peers", found.to_peers(), truth.to_peers);
  judge->Same(name + " disputes", found.disputes(), truth.disputes);
  judge->Same(name + " rulings", found.rulings(), truth.rulings);
  std::map<std::string, int64_t> missed, open, items;
  for (const auto& row : found.missed()) missed[row.party()] = row.count();
  for (const auto& row : found.still_open()) open[row.party()] = row.count();
  for (const auto& row : found.items()) items[row.item()] = row.count();
  for (const auto& [party, card] : truth.cards) {
    if (!party.empty()) judge->Same(absl::StrCat(name, " missed by ", party), missed[party], card.missed);
  }
  for (const auto& [party, count] : truth.still_open)
    judge->Same(absl::StrCat(name, " still open at ", party), open[party], count);
  judge->Same(name + " parties with open duties", static_cast<int64_t>(found.still_open_size()),
              static_cast<int64_t>(truth.still_open.size()));
  for (const auto& [item, count] : truth.items)
    judge->Same(absl::StrCat(name, " item ", item), items[item], count);

  std::vector<std::pair<int64_t, std::string>> spots;  // negative count, text: sorts as the pack does
  for (const auto& [key, count] : truth.spots) {
    if (count < 3) continue;
    spots.emplace_back(
        -count, absl::StrCat(std::get<0>(key), " ", std::get<1>(key), " ", WeekName(std::get<2>(key))));
  }
  // Equal ones in the order of item, township and week, as the map has them.
  std::stable_sort(spots.begin(), spots.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (spots.size() > 20) spots.resize(20);
  judge->Same(name + " hot spots", static_cast<int64_t>(found.hot_spots_size()),
              static_cast<int64_t>(spots.size()));
  for (int i = 0; i < found.hot_spots_size() && i < static_cast<int>(spots.size()); ++i) {
    const auto& spot = found.hot_spots(i);
    judge->Same(absl::StrCat(name, " hot spot ", i),
                absl::StrCat(spot.item(), " ", spot.township_code(), " ", spot.week(), " ", spot.count()),
                absl::StrCat(spots[i].second, " ", -spots[i].first));
  }
  int64_t repeated = 0;
  std::vector<int64_t> often;
  for (const auto& [caller, count] : truth.callers) {
    repeated += count >= 2;
    if (count >= 3) often.push_back(count);
  }
  std::sort(often.rbegin(), often.rend());
  if (often.size() > 20) often.resize(20);
  judge->Same(name + " repeat callers", found.repeat_caller_count(), repeated);
  judge->Same(name + " frequent callers", static_cast<int64_t>(found.repeat_callers_size()),
              static_cast<int64_t>(often.size()));
  for (int i = 0; i < found.repeat_callers_size() && i < static_cast<int>(often.size()); ++i) {
    judge->Same(absl::StrCat(name, " frequent caller ", i), found.repeat_callers(i).count(), often[i]);
  }
}

template <typename Service, typename Request, typename Response>
absl::StatusOr<Response> Ask(Town& town, Service& service,
                             void (Service::*method)(const CallContext&, Request, Done<Response>),
                             Request request) {
  absl::StatusOr<Response> answer = absl::UnknownError("no answer");
  (service.*method)({.now = town.clock().Now()}, std::move(request),
                    [&](absl::StatusOr<Response> response) { answer = std::move(response); });
  town.RunUntil(town.clock().Now());
  return answer;
}

// What a command prints, if it succeeds.
std::optional<std::string> Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string text;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  if (pclose(pipe) != 0) return std::nullopt;
  return text;
}

// The messages that a command printed as JSON, one a line.
template <typename Message>
std::vector<Message> Lines(const std::optional<std::string>& text) {
  std::vector<Message> messages;
  for (absl::string_view line : absl::StrSplit(text.value_or(""), '\n', absl::SkipEmpty())) {
    Message message;
    if (google::protobuf::util::JsonStringToMessage(std::string(line), &message).ok())
      messages.push_back(message);
  }
  return messages;
}

// The real programs on the stores that the town left. False if they do not start or do not answer.
bool PrintByRealPrograms(const std::string& folder, const config::v1::EscalationConfig& rules,
                         const Plan& plan, Judge* judge) {
  test::Ports ports;
  test::Site site("12345", &ports, folder + "/12345");
  site.config().set_units_file(kUnitsFile);
  // A site of the tests writes its policy into a file of its own.
  site.policy().Clear();
  if (const absl::Status status = boot::LoadYaml(rules.policy_file(), &site.policy()); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return false;
  }
  site.config().mutable_escalation()->set_calendars_file(rules.calendars_file());
  site.AddPeer("110", "127.0.0.1:9");
  for (const test::Service service : {test::Service::kWorkOrder, test::Service::kEscalation}) {
    if (const absl::Status status = site.Start(service); !status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return false;
    }
  }
  const std::string ctl = absl::StrCat(test::BuildFolder(), "/services/hotlinectl/hotlinectl --work-order ",
                                       site.address(test::Service::kWorkOrder), " --escalation ",
                                       site.address(test::Service::kEscalation), " ");
  for (const PeriodTruth& truth : plan.periods) {
    const auto json = Output(ctl + "scorecard --json --period " + truth.name);
    GetScorecardResponse response;
    if (!json.has_value() || !google::protobuf::util::JsonStringToMessage(*json, &response).ok())
      return false;
    CompareScorecard(truth, response, judge);
  }
  // A quarter if there is one.
  const std::string& quarter = plan.periods[plan.periods.size() > 4 ? 3 : 0].name;
  for (const std::string& command : {absl::StrCat("--lang zh scorecard --period ", quarter),
                                     absl::StrCat("--lang zh meeting pack --format md --period ", quarter)}) {
    std::printf("\n$ hotlinectl %s\n", command.c_str());
    const auto text = Output(absl::StrCat(ctl, command, " 2>&1"));
    if (!text.has_value()) return false;
    std::printf("%s", text->c_str());
  }
  const std::string page = absl::StrCat(folder, "/pack.html");
  if (!Output(absl::StrCat(ctl, "meeting pack --period ", quarter, " --out ", page, " 2>/dev/null"))
           .has_value()) {
    return false;
  }

  // The docket has every dispute; what was ruled can be proposed for the catalogue.
  const auto docket = Lines<escalation::v1::DocketItem>(Output(ctl + "meeting docket --limit 0 --json"));
  int64_t disputes = 0;
  for (const PeriodTruth& truth : plan.periods) disputes = std::max(disputes, truth.disputes);
  judge->Same("docket", static_cast<int64_t>(docket.size()) >= disputes, true);
  for (const auto& item : docket) {
    if (item.state() != escalation::v1::DOCKET_STATE_RULED) continue;
    const auto yaml = Output(absl::StrCat(ctl, "meeting proposal ", item.item_id()));
    judge->Same("proposal of a ruled item",
                yaml.has_value() && yaml->find("联席〔2025〕1号") != std::string::npos, true);
    break;
  }
  // Who never answered is overdue for good, and a circular can be drafted of it.
  const auto overdue = Lines<escalation::v1::Deadline>(Output(ctl + "overdue --limit 5 --json"));
  for (const auto& deadline : overdue) {
    const auto draft =
        Output(absl::StrCat(ctl, "document ", deadline.order_number(), " --kind circulate --format md"));
    judge->Same("draft names its order",
                draft.has_value() && draft->find(deadline.order_number()) != std::string::npos &&
                    draft->find("第四条") != std::string::npos,
                true);
  }
  const std::string draft = absl::StrCat(folder, "/draft.html");
  if (!overdue.empty() && !Output(absl::StrCat(ctl, "document ", overdue[0].order_number(),
                                               " --kind discipline --out ", draft, " 2>/dev/null"))
                               .has_value()) {
    return false;
  }
  return true;
}

int Run(int argc, char** argv) {
  Options options;
  std::string folder;
  bool print = false;
  const auto number = [&](int i, auto* value) {
    return i + 1 < argc && absl::SimpleAtoi(argv[i + 1], value);
  };
  for (int i = 1; i < argc; ++i) {
    bool good = true;
    if (!std::strcmp(argv[i], "--print")) {
      print = true;
      continue;
    }
    if (!std::strcmp(argv[i], "--orders")) {
      good = number(i, &options.orders);
    } else if (!std::strcmp(argv[i], "--days")) {
      good = number(i, &options.days);
    } else if (!std::strcmp(argv[i], "--seed")) {
      good = number(i, &options.seed);
    } else if (!std::strcmp(argv[i], "--dir") && i + 1 < argc) {
      folder = argv[i + 1];
    } else {
      good = false;
    }
    if (!good || options.orders < 365 || options.days < 1 || options.days > 365) {
      std::fprintf(
          stderr,
          "usage: year_of_life [--orders N] [--days N] [--seed N] [--dir DIR] [--print]\n"
          "  --orders N  about so many orders in a whole year (default 40000)\n"
          "  --days N    only so many days of it (default 365)\n"
          "  --seed N    of everything that is drawn (default 1)\n"
          "  --dir DIR   keep the stores and pack.html there\n"
          "  --print     start the real programs on the stores, compare again, print with hotlinectl\n");
      return 2;
    }
    ++i;
  }
  std::optional<test::TemporaryFolder> temporary;
  if (folder.empty()) folder = temporary.emplace().path();
  // What the county has in force.
  config::v1::SiteConfig site;
  site.set_hotline("12345");
  site.add_peers()->set_hotline("110");
  site.mutable_escalation()->set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
  site.mutable_escalation()->set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  config::v1::UnitList units;
  absl::Status loaded = boot::LoadYaml(kUnitsFile, &units);
  auto rules = escalation::LoadRules(site.escalation(), "");
  if (loaded.ok()) loaded = rules.status();
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", loaded.ToString().c_str());
    return 1;
  }
  rules->parties = escalation::PartiesOf(site, units);
  escalation::Publication police = *rules;
  police.parties.site = "110";
  police.parties.peers = {"12345"};
  const escalation::Deadlines at_110(std::vector<escalation::Publication>{std::move(police)});
  const escalation::Deadlines deadlines(std::vector<escalation::Publication>{*std::move(rules)});
  const Plan plan = MakePlan(options);
  std::printf(
      "seed %llu: %d orders in %d days, %lld from 110, %lld to 110, %lld disputes; %zu things that people "
      "do\n",
      static_cast<unsigned long long>(options.seed), plan.order_count, options.days,
      static_cast<long long>(plan.from_110), static_cast<long long>(plan.to_110),
      static_cast<long long>(plan.disputes), plan.steps.size());
  std::fflush(stdout);
  Judge judge;
  int64_t events = 0;
  const auto began = std::chrono::steady_clock::now();
  {
    Town town(folder, plan.start, deadlines, at_110);
    absl::Status status = town.Open();
    int shown = 0;
    if (status.ok()) {
      status = town.Play(plan, [&](absl::Time at) {
        const int month = static_cast<int>(at > plan.start ? (at - plan.start) / absl::Hours(24 * 30) : 0);
        if (month == shown) return;
        shown = month;
        std::fprintf(stderr, "%s\n", absl::FormatTime("%Y-%m-%d", at, absl::FixedTimeZone(8 * 3600)).c_str());
      });
    }
    if (!status.ok()) {
      std::fprintf(stderr, "FAILED %s\n", status.ToString().c_str());
      return 1;
    }
    // Until every period is over and its last event has been read.
    absl::Time end = town.clock().Now();
    for (const PeriodTruth& period : plan.periods) end = std::max(end, period.end);
    town.RunUntil(end + absl::Hours(2));
    events = town.site(k12345).events() + town.site(k110).events();
    for (const PeriodTruth& truth : plan.periods) {
      escalation::v1::GetScorecardRequest request;
      request.set_period(truth.name);
      const auto card =
          Ask(town, town.site(k12345).reports(), &escalation::report::ReportService::GetScorecard, request);
      escalation::v1::RenderPackRequest pack;
      pack.set_period(truth.name);
      const auto paper =
          Ask(town, town.site(k12345).meeting(), &escalation::report::MeetingService::RenderPack, pack);
      if (!card.ok() || !paper.ok()) {
        std::fprintf(stderr, "FAILED %s %s\n", card.status().ToString().c_str(),
                     paper.status().ToString().c_str());
        return 1;
      }
      CompareScorecard(truth, *card, &judge);
      ComparePack(truth, paper->figures(), &judge);
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (print && !PrintByRealPrograms(folder, site.escalation(), plan, &judge)) {
    std::fprintf(stderr, "FAILED: the real programs did not answer\n");
    return 1;
  }
  std::printf("\nyear orders=%d events=%lld figures=%lld differ=%lld seconds=%.1f\n", plan.order_count,
              static_cast<long long>(events), static_cast<long long>(judge.figures()),
              static_cast<long long>(judge.differ()), seconds);
  return judge.differ() == 0 && judge.figures() > 0 ? 0 : 1;
}

}  // namespace
}  // namespace hotline::year

int main(int argc, char** argv) { return hotline::year::Run(argc, argv); }
