// Two sites of real processes under load from both sides, and what callers were promised meanwhile. A test
// disturbs them; at the end everything comes to rest and is compared with the promises:
//   every acknowledged push exists exactly once at both sites; every acknowledged command is there; both logs
//   and all links verify; every order has one holder, and both sites name the same; the same request id gives
//   the same order.
#ifndef TESTS_SUPPORT_CAMPAIGN_H_
#define TESTS_SUPPORT_CAMPAIGN_H_

#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "tests/support/site.h"

namespace hotline::test {

class Campaign {
 public:
  // `name` begins its report. `pace` is the longest pause between two pushes of one of the four pushers of a
  // site.
  Campaign(std::string name, absl::Duration duration, uint64_t seed, absl::Duration pace);
  virtual ~Campaign() = default;

  // Returns the exit status; prints the report.
  int Run();

 protected:
  // Before the start of the processes. Not OK ends the campaign.
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  // Under load, for `duration`, on the main thread, which starts the processes. At its end all of them run.
  virtual void Disturb() = 0;
  // At rest, after everything else agrees.
  virtual void CompareMore() {}

  TwoSites& sites() { return sites_; }
  absl::Duration duration() const { return duration_; }
  uint64_t seed() const { return seed_; }
  void Fault(const std::string& what);
  void Must(const absl::Status& status);
  bool Failed() const { return failed_; }
  // Kills some of the six processes and starts them again, sometimes killing them once more in the middle of
  // that.
  void KillAndRestart(std::mt19937_64& random);
  // Nothing may have died but what was killed.
  void CheckAllRun();
  // What was done, for the report.
  void Count(const std::string& what) { ++counts_[what]; }

 private:
  // A promise that a site made.
  struct Promise {
    Site* site;
    dispatch::v1::PushWorkOrderRequest request;
    std::string order_id;
    std::string handoff_id;
  };

  Site& Peer(Site* site) { return site == &sites_.a ? sites_.b : sites_.a; }
  void Record(const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Retry(const char* what, const grpc::Status& status);
  void PushUntilStopped(Site* site, int pusher);
  void WorkUntilStopped(Site* site);
  template <typename Send>
  void Command(Site* site, const char* what, const Send& send);
  void ForEach(uint64_t victims, const std::function<void(Site&, Service)>& act);
  void Settle();
  std::map<std::string, type::v1::WorkOrder> ListByTitle(Site& site);
  void Compare();
  int Report(const std::string& what);

  const std::string name_;
  const absl::Duration duration_;
  const uint64_t seed_;
  const absl::Duration pace_;
  TwoSites sites_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::atomic<int64_t> retries_{0};
  std::map<std::string, int> counts_;  // main thread only
  std::map<std::string, int> states_;  // main thread only
  int64_t events_ = 0;                 // main thread only
  Mutex mu_;
  std::vector<std::string> faults_ ABSL_GUARDED_BY(mu_);
  std::vector<Promise> promises_ ABSL_GUARDED_BY(mu_);
  std::map<Site*, std::map<std::string, int64_t>> versions_ ABSL_GUARDED_BY(mu_);
  int64_t commands_ ABSL_GUARDED_BY(mu_) = 0;
};

// Reads `[--seconds N | --minutes N] [--seed N]`. `more` takes other flags; false from it, and anything that
// is not understood, is told and returned as false.
bool ReadCampaignFlags(int argc, char** argv, double* seconds, uint64_t* seed,
                       const std::function<bool(const std::string&)>& more = nullptr);

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_CAMPAIGN_H_
