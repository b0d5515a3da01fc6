// Two whole sites in one thread, under one seed: the production classes of work_order and dispatch on real
// stores, joined by a wire that loses, doubles and delays, with processes that die between any two steps.
#ifndef TESTS_SIM_WORLD_H_
#define TESTS_SIM_WORLD_H_

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/contract/ledger.h"
#include "common/contract/peer.h"
#include "services/dispatch/service.h"
#include "services/work_order/engine.h"
#include "services/work_order/service.h"
#include "tests/support/steps.h"

namespace hotline::sim {

// Seeded, so that a run repeats.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  // 0 to n - 1.
  int64_t Below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  bool Percent(int percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

// How bad the wire between the sites is, in percent of deliveries.
struct Weather {
  int lost_requests = 0;
  int lost_answers = 0;
  int doubled = 0;
  int max_delay_ms = 5;
  bool cut = false;
};

class Site;

// The wire to a peer: what dispatch believes is a gRPC client.
class Wire : public Peer {
 public:
  Wire(Site* owner, test::Steps* steps, Dice* dice, Weather* weather)
      : owner_(owner), steps_(steps), dice_(dice), weather_(weather) {}
  void Aim(Site* site) { site_ = site; }
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override;
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override;

 private:
  Site* const owner_;
  test::Steps* const steps_;
  Dice* const dice_;
  Weather* const weather_;
  Site* site_ = nullptr;
};

// Drops the tasks of a process that has died.
class ProcessExecutor : public Executor {
 public:
  explicit ProcessExecutor(test::Steps* steps) : steps_(steps) {}
  void Post(Task task) override {
    steps_->Post([alive = std::weak_ptr<int>(alive_), task = std::move(task)]() mutable {
      if (!alive.expired()) task();
    });
  }
  void PostAfter(absl::Duration delay, Task task) override {
    steps_->PostAfter(delay, [alive = std::weak_ptr<int>(alive_), task = std::move(task)]() mutable {
      if (!alive.expired()) task();
    });
  }
  std::weak_ptr<int> life() const { return alive_; }

 private:
  test::Steps* const steps_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

class Site {
 public:
  Site(std::string hotline, std::string peer, std::string directory, test::Steps* steps, Dice* dice,
       Weather* weather);

  // Both processes, or one. What was not committed is gone, and so is everyone who waited.
  void StartWorkOrder();
  void KillWorkOrder();
  void StartDispatch();
  void KillDispatch();
  bool up() const { return engine_ != nullptr && dispatch_ != nullptr; }

  work_order::Engine* engine() { return engine_.get(); }
  work_order::WorkOrderService* orders() { return orders_.get(); }
  dispatch::DispatchService* dispatch() { return dispatch_.get(); }
  Wire* wire() { return &wire_; }
  std::weak_ptr<int> dispatch_life() const;
  const std::string& hotline() const { return hotline_; }
  // Every order, by id, straight from the store.
  std::vector<type::v1::WorkOrder> AllOrders();
  work_order::LinkRow LinkToPeer();

 private:
  // work_order as dispatch reaches it: by messages that a dead process does not get.
  class Line;

  const std::string hotline_;
  const std::string peer_;
  const std::string directory_;
  test::Steps* const steps_;
  Wire wire_;
  uint64_t salt_ = 0;
  std::unique_ptr<ProcessExecutor> work_order_executor_;
  std::unique_ptr<work_order::Engine> engine_;
  std::unique_ptr<work_order::WorkOrderService> orders_;
  std::unique_ptr<ProcessExecutor> dispatch_executor_;
  std::unique_ptr<Line> line_;
  std::unique_ptr<dispatch::DispatchService> dispatch_;
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();

  // Runs `steps` random steps: operators act, processes die and return, the weather changes, time passes.
  void Run(int steps);
  // Good weather, everything up, until nothing moves.
  void Heal();
  // Empty if every promise holds, else what is broken.
  std::string Fault();

  int64_t acknowledged() const { return static_cast<int64_t>(acknowledged_.size()); }
  int64_t kills() const { return kills_; }
  int64_t transitions();

 private:
  // A command that an operator wants done: sent again, with the same id, until somebody answers.
  struct Wish {
    int site;
    type::v1::Command command;
    dispatch::v1::PushWorkOrderRequest push;
    bool is_push = false;
  };

  void Settle(absl::Duration time);
  void Push(int site);
  void Act(int site);
  void Send(const std::shared_ptr<Wish>& wish);
  void KillSomething();
  void ReviveAll();

  test::Steps steps_;
  Dice dice_;
  Weather weather_;
  std::filesystem::path directory_;
  std::vector<std::unique_ptr<Site>> sites_;
  int64_t kills_ = 0;
  int64_t requests_ = 0;
  std::vector<std::shared_ptr<Wish>> wishes_;
  // Pushes that were answered: request id → order's id and handoff id at the giver.
  std::map<std::string, std::pair<std::string, std::string>> acknowledged_;
  std::string broken_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_WORLD_H_
