// Two whole sites in one thread: the production classes of the three services over real SQLite files, with
// time that jumps to the next thing that happens.
#ifndef TESTS_YEAR_TOWN_H_
#define TESTS_YEAR_TOWN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "services/dispatch/notary.h"
#include "services/dispatch/service.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/follower.h"
#include "services/escalation/report/archive.h"
#include "services/escalation/report/follower.h"
#include "services/escalation/report/service.h"
#include "services/escalation/store/store.h"
#include "services/work_order/engine.h"
#include "services/work_order/retention.h"
#include "services/work_order/service.h"
#include "tests/sim/kernel.h"
#include "tests/year/plan.h"

namespace hotline::year {

// The time of the town: the kernel's, from a beginning on.
class TownClock : public Clock {
 public:
  TownClock(const sim::Kernel* kernel, absl::Time start) : kernel_(kernel), start_(start) {}
  absl::Time Now() const override { return start_ + absl::Nanoseconds(kernel_->now()); }
  absl::Time start() const { return start_; }
  // So much later at once: what would have happened meanwhile happens then.
  void Jump(absl::Duration by) { start_ += by; }

 private:
  const sim::Kernel* const kernel_;
  absl::Time start_;
};

// One site. Its stores are in `folder`/work_order and `folder`/escalation, as its programs lay them out.
class TownSite {
 public:
  TownSite(std::string hotline, std::string folder, sim::Kernel* kernel, TownClock* clock,
           const escalation::Deadlines& deadlines);
  ~TownSite();

  absl::Status Open();
  // Once both are open.
  absl::Status Join(TownSite* peer);

  // As the site's desk would, from the front door. The order's id comes with the answer.
  void Act(type::v1::Command command, Done<workorder::v1::CommandResult> done);
  void Push(type::v1::Command command, Done<dispatch::v1::PushWorkOrderResponse> done);
  // Ids here of orders that came from the peer, by their id there.
  const std::map<std::string, std::string>& arrived() const { return arrived_; }

  work_order::WorkOrderService& orders() { return *orders_; }
  // With 180 days for what is over; erases when it is told to.
  work_order::Retention& retention() { return *retention_; }
  dispatch::DispatchService& dispatch() { return *dispatch_; }
  escalation::report::ReportService& reports() { return *reports_; }
  escalation::report::MeetingService& meeting() { return *meeting_; }
  int64_t events() const { return engine_->head_sequence(); }
  // Moves what the write-ahead logs hold into the databases.
  void Checkpoint();
  const std::string& folder() const { return folder_; }

 private:
  class Line;
  class Wire;
  class Listener;
  // Timers up to a length, by which a service looks whether somebody has waited long enough, come seldom:
  // nobody waits here.
  class Coarse;

  void Wake();

  const std::string hotline_;
  const std::string folder_;
  sim::Kernel* const kernel_;
  TownClock* const clock_;
  const escalation::Deadlines deadlines_;
  const escalation::report::Names names_;
  bool committing_ = false;
  int64_t checkpointed_ = 0;
  std::map<std::string, std::string> arrived_;

  std::unique_ptr<Coarse> coarse_;
  std::unique_ptr<Coarse> ticks_;
  std::unique_ptr<work_order::Engine> engine_;
  std::unique_ptr<work_order::WorkOrderService> orders_;
  std::unique_ptr<Line> line_;
  std::unique_ptr<work_order::Retention> retention_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<dispatch::Notary> notary_;
  std::unique_ptr<dispatch::DispatchService> dispatch_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<escalation::Store> store_;
  std::unique_ptr<escalation::Follower> follower_;
  std::unique_ptr<escalation::report::Store> report_store_;
  std::unique_ptr<escalation::report::Follower> report_follower_;
  std::unique_ptr<escalation::report::Archive> archive_;
  std::unique_ptr<escalation::Discretion> discretion_;
  std::unique_ptr<escalation::report::ReportService> reports_;
  std::unique_ptr<escalation::report::MeetingService> meeting_;
};

// Both sites, and a plan played through them. `deadlines` are those of 12345's, `at_110` those of the other.
class Town {
 public:
  Town(const std::string& folder, absl::Time start, const escalation::Deadlines& deadlines,
       const escalation::Deadlines& at_110);
  ~Town();
  absl::Status Open();
  // Plays every step at its time. The first step that a service refuses ends it.
  absl::Status Play(const Plan& plan, const std::function<void(absl::Time)>& progress);
  // Lets time pass.
  void RunUntil(absl::Time end);
  TownSite& site(int index) { return *sites_[index]; }
  TownClock& clock() { return clock_; }

 private:
  sim::Kernel kernel_;
  TownClock clock_;
  std::unique_ptr<TownSite> sites_[2];
};

}  // namespace hotline::year

#endif  // TESTS_YEAR_TOWN_H_
