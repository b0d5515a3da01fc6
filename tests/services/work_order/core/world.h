// Two sites that exchange orders, made of the pure core alone: what the engine, the store and the link do
// around it is here a map and two queues. Every change is checked on its way in.
#ifndef TESTS_SERVICES_WORK_ORDER_CORE_WORLD_H_
#define TESTS_SERVICES_WORK_ORDER_CORE_WORLD_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/work_order/core/decide.h"

namespace hotline::work_order {

// What a command can ask for; kAssist is a signature by an assisting unit, kRemind, kUrge, kDoubt and kKeep
// are escalations, the three of kVoice… are confirmations by voice.
enum class Act {
  kOffer,
  kAccept,
  kReturn,
  kRecall,
  kDispatch,
  kSign,
  kAssist,
  kProgress,
  kExtend,
  kSuspend,
  kResume,
  kFinish,
  kCallBack,
  kRedo,
  kClose,
  kCancel,
  kArchive,
  kRemind,
  kUrge,
  kDoubt,
  kKeep,
  kVoiceAccepts,
  kVoiceReturns,
  kVoiceKeeps,
  kAlarm,
  kCallPartners,
};
inline constexpr int kActs = static_cast<int>(Act::kCallPartners) + 1;

// A content that is valid at every site.
type::v1::OrderContent SampleContent();
// A valid command for `act` on `order_id`; `other` is where an offer goes to. Times in it follow `now`.
type::v1::Command MakeCommand(Act act, const std::string& order_id, const std::string& other, absl::Time now);
// Gives a command what only the order knows: the deadline of its offer, its spoken code, its offer's time.
void FitTo(const type::v1::WorkOrder& order, type::v1::Command* command);
// A valid command that registers `content`, and pushes it if `to` is not empty.
type::v1::Command MakeRegistration(const type::v1::OrderContent& content, const std::string& to);

class World {
 public:
  // Sites 0 and 1: 12345 and 110.
  World();

  // Each call takes a second. `at` is a site's index. Returns the order's id.
  absl::StatusOr<std::string> Execute(int at, const type::v1::Command& command);
  // As Execute, for a command that must be legal.
  std::string Register(int at, const type::v1::OrderContent& content, bool push);
  void Do(int at, Act act, const std::string& order_id);
  absl::StatusOr<std::string> Try(int at, Act act, const std::string& order_id);
  // Hands the oldest envelope that `from` owes to the other site; false if there is none.
  bool Deliver(int from);
  // Hands `to` the oldest receipt for one of its offers; false if there is none.
  bool Receipt(int to, std::optional<ClockSkew> skew = std::nullopt);
  // Delivers until nothing is owed.
  void Settle();

  const type::v1::WorkOrder& Order(int at, const std::string& id) const { return sites_[at].orders.at(id); }
  // The id at the other site of the order that is in `id`'s last handoff; empty if there is none.
  std::string Twin(int at, const std::string& id) const;
  std::vector<std::string> Orders(int at) const;
  const std::string& Content(int at, const std::string& id) const { return sites_[at].contents.at(id); }
  const type::v1::Event& LastEvent(int at) const { return sites_[at].log.back(); }
  const std::vector<type::v1::Event>& Log(int at) const { return sites_[at].log; }
  // What `from` owes to the other site, oldest first.
  std::deque<exchange::v1::Envelope>& Owed(int from) { return sites_[from].outbox; }
  const Site& site(int at) const { return sites_[at].site; }
  Site* mutable_site(int at) { return &sites_[at].site; }
  absl::Time now() const { return now_; }
  void Pass(absl::Duration time) { now_ += time; }
  // The first broken law, or empty.
  const std::string& fault() const { return fault_; }

 private:
  struct State {
    Site site;
    std::map<std::string, type::v1::WorkOrder> orders;
    std::map<std::string, std::string> contents;
    std::map<std::string, std::string> handoffs;  // id of handoff → order, also of past ones
    std::vector<type::v1::Event> log;
    std::deque<exchange::v1::Envelope> outbox;
    std::deque<std::pair<std::string, absl::Time>> receipts;
    int next_order = 1;
    int64_t next_envelope = 1;
  };

  NewOrder Fresh(State* state);
  void Commit(State* state, Change change);
  void Owe(State* state, const EnvelopeDraft& draft, const std::string& content);
  void Fault(const std::string& what);

  State sites_[2];
  absl::Time now_;
  std::string fault_;
};

}  // namespace hotline::work_order

#endif  // TESTS_SERVICES_WORK_ORDER_CORE_WORLD_H_
