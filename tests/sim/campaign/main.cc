// Runs any number of seeds on all cores: `sim_campaign [--first S] [--seeds N] [--jobs J] [--old-backups
// PERCENT] [--chain SITES] [--whole 1]`. Prints how far it is, each failing seed with its last steps (with
// --whole, all steps and the sites' logs), and a last line that says how it ended; status 0 if none failed.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/sim/seeds.h"

namespace hotline::sim {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr double kProgressSeconds = 10;

// What a worker tells: one for each seed, before it and after it. A failure's text follows the record.
struct Record {
  int64_t seed;
  int64_t failure_bytes;  // -1: the seed begins
  Totals totals;
};

void WriteAll(int file, const void* bytes, size_t count) {
  const char* at = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = write(file, at, count);
    if (written <= 0) _exit(1);
    at += written;
    count -= static_cast<size_t>(written);
  }
}

// Seeds from `seed` to `end`, each `step`-th.
[[noreturn]] void Work(int64_t seed, int64_t end, int64_t step, const WorldOptions& options, bool whole,
                       int file) {
  for (; seed < end; seed += step) {
    Record record = {.seed = seed, .failure_bytes = -1, .totals = {}};
    WriteAll(file, &record, sizeof(record));
    const std::string failure = RunSeed(seed, options, &record.totals, whole);
    record.failure_bytes = static_cast<int64_t>(failure.size());
    WriteAll(file, &record, sizeof(record));
    WriteAll(file, failure.data(), failure.size());
  }
  _exit(0);
}

struct Worker {
  pid_t pid = -1;
  int file = -1;
  int64_t next = 0;  // the seed to begin with, should it have to begin again
  int64_t under_way = -1;
  std::string bytes;  // read and not understood yet
};

class Campaign {
 public:
  Campaign(int64_t first, int64_t seeds, int64_t jobs, const WorldOptions& options, bool whole)
      : end_(first + seeds), jobs_(jobs), seeds_(seeds), options_(options), whole_(whole) {
    for (int64_t job = 0; job < jobs; ++job) workers_.emplace_back().next = first + job;
  }

  int Run() {
    for (Worker& worker : workers_) Start(worker);
    double told = 0;
    while (true) {
      std::vector<pollfd> files;
      for (const Worker& worker : workers_) {
        if (worker.file >= 0) files.push_back({.fd = worker.file, .events = POLLIN, .revents = 0});
      }
      if (files.empty()) break;
      poll(files.data(), files.size(), 1000);
      for (Worker& worker : workers_) {
        const auto ready = std::find_if(files.begin(), files.end(),
                                        [&](const pollfd& file) { return file.fd == worker.file; });
        if (ready != files.end() && ready->revents != 0) Read(worker);
      }
      if (Seconds() - told >= kProgressSeconds) {
        told = Seconds();
        printf("    sim … %.0f s  %lld of %lld seeds, %.1f seeds/s, %.0f steps/s, %zu failed\n", told,
               static_cast<long long>(totals_.seeds), static_cast<long long>(seeds_),
               static_cast<double>(totals_.seeds) / told, static_cast<double>(totals_.steps) / told,
               failed_.size());
        fflush(stdout);
      }
    }
    const double seconds = Seconds();
    printf("sim campaign %s seconds=%.1f seeds_per_s=%.1f steps_per_s=%.0f failed=%zu\n",
           totals_.Text().c_str(), seconds, static_cast<double>(totals_.seeds) / seconds,
           static_cast<double>(totals_.steps) / seconds, failed_.size());
    if (failed_.empty()) {
      printf("sim campaign: every promise held in all %lld seeds\n", static_cast<long long>(totals_.seeds));
      return 0;
    }
    std::sort(failed_.begin(), failed_.end());
    std::string list;
    for (int64_t seed : failed_) list.append(list.empty() ? "" : " ").append(std::to_string(seed));
    printf("sim campaign: FAILED seeds: %s\n", list.c_str());
    return 1;
  }

 private:
  double Seconds() const { return std::chrono::duration<double>(SteadyClock::now() - begun_).count(); }

  void Start(Worker& worker) {
    if (worker.next >= end_) return;
    int files[2];
    fflush(stdout);
    if (pipe(files) != 0) abort();
    worker.pid = fork();
    if (worker.pid < 0) abort();
    if (worker.pid == 0) {
      close(files[0]);
      Work(worker.next, end_, jobs_, options_, whole_, files[1]);
    }
    close(files[1]);
    worker.file = files[0];
    worker.bytes.clear();
    worker.under_way = -1;
  }

  void Read(Worker& worker) {
    char buffer[65536];
    const ssize_t count = read(worker.file, buffer, sizeof(buffer));
    if (count > 0) {
      worker.bytes.append(buffer, static_cast<size_t>(count));
      Understand(worker);
      return;
    }
    close(worker.file);
    worker.file = -1;
    int status = 0;
    waitpid(worker.pid, &status, 0);
    if (status == 0) return;
    // A seed that ends its process is a failure like any other, and the others go on.
    const int64_t seed = worker.under_way >= 0 ? worker.under_way : worker.next;
    Fail(seed,
         "seed " + std::to_string(seed) + " ended its process with status " + std::to_string(status) + "\n");
    worker.next = seed + jobs_;
    Start(worker);
  }

  void Understand(Worker& worker) {
    Record record;
    while (worker.bytes.size() >= sizeof(record)) {
      memcpy(&record, worker.bytes.data(), sizeof(record));
      if (record.failure_bytes < 0) {
        worker.under_way = record.seed;
        worker.bytes.erase(0, sizeof(record));
        continue;
      }
      const size_t size = sizeof(record) + static_cast<size_t>(record.failure_bytes);
      if (worker.bytes.size() < size) return;
      worker.under_way = -1;
      worker.next = record.seed + jobs_;
      totals_.Add(record.totals);
      if (record.failure_bytes > 0)
        Fail(record.seed, worker.bytes.substr(sizeof(record), size - sizeof(record)));
      worker.bytes.erase(0, size);
    }
  }

  void Fail(int64_t seed, const std::string& text) {
    failed_.push_back(seed);
    printf("%s\n", text.c_str());
    fflush(stdout);
  }

  const int64_t end_;
  const int64_t jobs_;
  const int64_t seeds_;
  const WorldOptions options_;
  const bool whole_;
  const SteadyClock::time_point begun_ = SteadyClock::now();
  std::vector<Worker> workers_;
  Totals totals_;
  std::vector<int64_t> failed_;
};

}  // namespace
}  // namespace hotline::sim

int main(int argc, char** argv) {
  int64_t first = 1;
  int64_t seeds = 2000;
  int64_t old_backups = 0;
  int64_t chain = 0;
  int64_t whole = 0;
  int64_t jobs = std::max<int64_t>(1, std::thread::hardware_concurrency());
  for (int i = 1; i + 1 < argc; i += 2) {
    int64_t* const value = strcmp(argv[i], "--first") == 0         ? &first
                           : strcmp(argv[i], "--seeds") == 0       ? &seeds
                           : strcmp(argv[i], "--jobs") == 0        ? &jobs
                           : strcmp(argv[i], "--old-backups") == 0 ? &old_backups
                           : strcmp(argv[i], "--chain") == 0       ? &chain
                           : strcmp(argv[i], "--whole") == 0       ? &whole
                                                                   : nullptr;
    char* rest = nullptr;
    if (value != nullptr) *value = strtoll(argv[i + 1], &rest, 10);
    const bool may_be_none = value == &old_backups || value == &chain || value == &whole;
    const bool right = value != nullptr && *rest == '\0' && *value >= (may_be_none ? 0 : 1) && chain != 1 &&
                       chain <= hotline::sim::kMaxSites;
    if (!right) {
      fprintf(
          stderr,
          "usage: sim_campaign [--first S] [--seeds N] [--jobs J] [--old-backups PERCENT] [--chain SITES] "
          "[--whole 1]\n");
      return 2;
    }
  }
  const hotline::sim::WorldOptions options = {.old_backups_percent = static_cast<int>(old_backups),
                                              .chain = static_cast<int>(chain)};
  return hotline::sim::Campaign(first, seeds, jobs, options, whole != 0).Run();
}
