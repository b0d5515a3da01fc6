// What working time costs: adding 10 working days and 20 working hours in the county's calendar (nation,
// region, prefecture), measuring them, deriving and verifying; and making the calendar. Beside it, in the
// same run, what it costs to insert the clock that such a deadline is for, in batches of 128: `insert_ratio`
// is how many additions fit into one insert.
//
//   calendar_bench [--rounds N] [--directory D]
//
// Prints `bench calendar key=value …`. The store is made in a new folder in D (default: the current one) and
// removed. Status 1 if an addition of 10 working days takes more than 1 µs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/derivation/verify.h"
#include "common/sql/sqlite.h"
#include "services/escalation/calendar/calendar.h"
#include "services/escalation/edge_calendar.h"

namespace hotline::escalation {
namespace {

using type::v1::TIME_KIND_WORKING_DAYS;
using type::v1::TIME_KIND_WORKING_HOURS;

constexpr int kBatch = 128;
constexpr double kLimitNs = 1000;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "calendar_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Nanoseconds of `call(i)`, the median of five passes over `count` of them.
template <typename Call>
double Each(int64_t count, Call call) {
  std::vector<double> passes;
  for (int pass = 0; pass < 5; ++pass) {
    const double start = WallSeconds();
    for (int64_t i = 0; i < count; ++i) call(static_cast<size_t>(i));
    passes.push_back((WallSeconds() - start) * 1e9 / static_cast<double>(count));
  }
  std::nth_element(passes.begin(), passes.begin() + 2, passes.end());
  return passes[2];
}

// Clocks a second into a table with the indexes that firing and listing need.
double InsertRate(const std::string& directory, const std::vector<absl::Time>& due) {
  absl::StatusOr<std::unique_ptr<sql::Database>> database = sql::OpenSqlite({.path = directory + "/clocks"});
  Check(database.status());
  absl::StatusOr<std::unique_ptr<sql::Connection>> writer = (*database)->OpenWriter();
  Check(writer.status());
  Check((*writer)->Begin());
  Check((*writer)->Execute(
      "CREATE TABLE clock (order_id {int} NOT NULL, kind {int} NOT NULL, duty_party TEXT NOT NULL, "
      "start_at {int} NOT NULL, due_at {int} NOT NULL, policy_version TEXT NOT NULL, "
      "PRIMARY KEY (order_id, kind)) {keyed};"
      "CREATE INDEX clock_by_due ON clock (due_at, order_id, kind);"));
  Check((*writer)->Commit());
  absl::StatusOr<std::unique_ptr<sql::Statement>> insert =
      (*writer)->Prepare("INSERT INTO clock VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  Check(insert.status());
  const auto count = static_cast<int64_t>(due.size()) / kBatch * kBatch;
  const double start = WallSeconds();
  for (int64_t i = 0; i < count; ++i) {
    if (i % kBatch == 0) Check((*writer)->Begin());
    const int64_t at = absl::ToUnixSeconds(due[static_cast<size_t>(i)]);
    (*insert)->BindInt64(1, i);
    (*insert)->BindInt64(2, 4);
    (*insert)->BindText(3, "shijianju");
    (*insert)->BindInt64(4, at);
    (*insert)->BindInt64(5, at);
    (*insert)->BindText(6, "wuqia-2026-1");
    Check((*insert)->Run());
    if (i % kBatch == kBatch - 1) Check((*writer)->Commit());
  }
  return static_cast<double>(count) / (WallSeconds() - start);
}

int Run(int64_t rounds, const std::string& directory) {
  const std::string file = std::string(HOTLINE_SOURCE_DIR) + "/deploy/calendars/wuqia.yaml";
  const double before = WallSeconds();
  absl::StatusOr<LoadedCalendars> loaded = LoadCalendars(file);
  const double load_ms = (WallSeconds() - before) * 1e3;
  Check(loaded.status());
  const calendar::Calendar& office = loaded->by_code.at("office");

  // Four years of starts, in no order, settled and provisional.
  std::mt19937_64 random(20261124);
  std::vector<absl::Time> starts(1 << 16);
  for (absl::Time& start : starts) {
    start = absl::FromUnixSeconds(1'672'502'400 + static_cast<int64_t>(random() % (4 * 365 * 86'400)));
  }
  const auto start = [&](size_t i) { return starts[i & (starts.size() - 1)]; };
  std::vector<absl::Time> due(starts.size());
  int64_t checksum = 0;
  const double add_days = Each(rounds, [&](size_t i) {
    const auto deadline = office.AddWorkingTime(start(i), 10, TIME_KIND_WORKING_DAYS);
    Check(deadline.status());
    due[i & (due.size() - 1)] = deadline->time;
  });
  const double add_hours = Each(rounds, [&](size_t i) {
    const auto deadline = office.AddWorkingTime(start(i), 20 * 3600, TIME_KIND_WORKING_HOURS);
    Check(deadline.status());
    checksum += absl::ToUnixSeconds(deadline->time);
  });
  const double measure_hours = Each(rounds, [&](size_t i) {
    const auto measured = office.Measure(start(i), due[i & (due.size() - 1)], TIME_KIND_WORKING_HOURS);
    Check(measured.status());
    checksum += measured->amount;
  });
  std::vector<v1::DeadlineDerivation> derivations(256);
  const double derive = Each(256, [&](size_t i) {
    auto derivation = office.Derive(start(i), 10, TIME_KIND_WORKING_DAYS);
    Check(derivation.status());
    derivations[i] = *std::move(derivation);
  });
  const double verify = Each(256, [&](size_t i) { Check(derivation::VerifyDerivation(derivations[i])); });
  const double insert_rate = InsertRate(directory, due);
  std::printf(
      "bench calendar add_10wd_ns=%.0f add_20wh_ns=%.0f measure_wh_ns=%.0f derive_us=%.1f verify_us=%.1f "
      "derivation_bytes=%zu load_ms=%.1f adds_per_s=%.0f insert_batch=%d inserts_per_s=%.0f "
      "insert_ratio=%.0f "
      "checksum=%llx\n",
      add_days, add_hours, measure_hours, derive / 1e3, verify / 1e3, derivations[0].ByteSizeLong(), load_ms,
      1e9 / add_days, kBatch, insert_rate, 1e9 / add_days / insert_rate,
      static_cast<unsigned long long>(checksum));
  if (add_days <= kLimitNs) return 0;
  std::fprintf(stderr, "calendar_bench: adding 10 working days takes %.0f ns, more than %.0f\n", add_days,
               kLimitNs);
  return 1;
}

}  // namespace
}  // namespace hotline::escalation

int main(int argc, char** argv) {
  int64_t rounds = 2'000'000;
  std::string directory = ".";
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    const bool good =
        i + 1 < argc && (flag == "--directory" ||
                         (flag == "--rounds" && absl::SimpleAtoi(argv[i + 1], &rounds) && rounds > 0));
    if (!good) {
      std::fprintf(stderr, "usage: calendar_bench [--rounds N] [--directory D]\n");
      return 2;
    }
    if (flag == "--directory") directory = argv[i + 1];
  }
  directory += "/calendar_bench_XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    std::perror("calendar_bench");
    return 1;
  }
  const int status = hotline::escalation::Run(rounds, directory);
  std::filesystem::remove_all(directory);
  return status;
}
