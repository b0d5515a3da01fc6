// The operators of all sites and their desktops. Operators do what comes to their minds, mostly what the
// order's state allows; a desktop that gets no answer asks again, with the same request id, until it has one.
#ifndef TESTS_SIM_DESK_H_
#define TESTS_SIM_DESK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/workorder/v1/ledger_service.pb.h"
#include "tests/sim/dice.h"
#include "tests/sim/kernel.h"
#include "tests/sim/site.h"
#include "tests/sim/witness.h"

namespace hotline::sim {

// What operators do: what is most common; passing on, disputes, rulings, reopening and telephone calls too;
// and what units do that help, or return an order late.
enum class Repertoire { kCommon, kAll, kUnits };

class Desk {
 public:
  Desk(Kernel* kernel, Dice* dice, Witness* witness) : kernel_(kernel), dice_(dice), witness_(witness) {}

  // A new order for one of the site's peers; now and then several in one call.
  void Push(Site& site);
  // Something with an order that is there; nothing if there is none.
  void Act(Site& site);
  // An order that is there goes to several partners at once.
  void CallPartners(Site& site);
  void set_repertoire(Repertoire repertoire) { repertoire_ = repertoire; }
  // Names of actions that they think of more often.
  void set_favours(std::vector<std::string> favours) { favours_ = std::move(favours); }
  // A desktop with a bug: a request id that was used is used for something else.
  void Misuse(Site& site);
  // Some desktop asks again.
  void AskAgain();
  void AskAllAgain();
  // The site has lost its latest memory: nobody there asks for what was under way, nor counts on what only it
  // knew.
  void Forget(const Site& site);
  // Emergencies that wait for longer than they may are a violation.
  void CheckEmergencies();

  int64_t waiting() const { return static_cast<int64_t>(wishes_.size()); }
  // Pushes that were answered: request id → the order's id at the giver, and the handoff's. For a partner's
  // order the partner is named in it, `request-1/119-12345`.
  const std::map<std::string, std::pair<std::string, std::string>>& acknowledged() const {
    return acknowledged_;
  }
  int64_t done() const { return done_; }        // commands that were carried out
  int64_t refused() const { return refused_; }  // and those that were not, for good
  int64_t telephoned() const { return telephoned_; }
  // What the operator last did, for a trace.
  const std::string& last() const { return last_; }

 private:
  // Something that an operator wants done.
  struct Wish {
    Site* site = nullptr;
    bool is_push = false;  // by PushWorkOrder
    bool is_call = false;  // by PushToPartners
    bool is_new = false;   // a new order: never refused
    bool emergency = false;
    dispatch::v1::PushWorkOrderRequest push;
    dispatch::v1::PushToPartnersRequest call;
    type::v1::Command command;
    std::string request_id;
    std::string account;  // unique, so that what it did is found in a log
    bool asked = false;   // once before
    bool answered = false;
  };
  // An emergency's call that has not been answered.
  struct Waiting {
    std::weak_ptr<const int> server;
    std::string account;
    const Site* site;
    int64_t limit;  // nanoseconds from the commit on
    // When it was seen to be committed; -1 before. For one that is asked again, when work_order was free to
    // say so: however slow its disk, the turn under way and dispatch's next four are all that it waits for:
    // those of the emergencies before it, and its own.
    int64_t committed = -1;
    int64_t turn_before = 0;  // work_order's last turn when it was asked
    bool again = false;
    std::shared_ptr<bool> answered;
  };

  std::shared_ptr<Wish> NewWish(Site& site, type::v1::CommandHeader* header);
  void Send(const std::shared_ptr<Wish>& wish);
  void SendTogether(Site& site, const std::vector<std::shared_ptr<Wish>>& wishes);
  CallContext NewCall(Site& site, absl::Duration patience);
  void OnPush(const std::shared_ptr<Wish>& wish, const dispatch::v1::PushWorkOrderResponse& response,
              bool may_wait);
  // A push has an answer; what it says is true.
  void OnAcknowledged(const std::string& request, const dispatch::v1::PushWorkOrderResponse& response,
                      bool may_wait);
  void OnCalled(const std::shared_ptr<Wish>& wish, const dispatch::v1::PushToPartnersResponse& response);
  void OnDone(const std::shared_ptr<Wish>& wish, int64_t event_sequence);
  void OnRefused(const std::shared_ptr<Wish>& wish, const absl::Status& status);

  Kernel* const kernel_;
  Dice* const dice_;
  Witness* const witness_;
  Repertoire repertoire_ = Repertoire::kCommon;
  std::vector<std::string> favours_;
  int64_t requests_ = 0;
  std::vector<std::shared_ptr<Wish>> wishes_;
  std::vector<Waiting> emergencies_;
  std::map<std::string, std::pair<std::string, std::string>> acknowledged_;
  int64_t done_ = 0;
  int64_t refused_ = 0;
  int64_t telephoned_ = 0;
  std::string last_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_DESK_H_
