// Sites that exchange orders, made of the pure core alone: what the engine, the store and the link do
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
  kDispute,
  kRule,  // for the site that records it
  kReopen,
  kContact,
  kAskExtension,
  kGrantExtension,
  kReturnFromUnit,
  kReassign,
  kMoveDeadline,
  kAcknowledge,
  kNotify,
  kAccuse,  // the unit that kDispatch has lead
};
inline constexpr int kActs = static_cast<int>(Act::kAccuse) + 1;

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
  // Sites 0, 1 …: 12345, 110, 119, 120; each the peer of all others. Returns are as free as an int allows.
  explicit World(int sites = 2);

  // Each call takes a second. `at` is a site's index. Returns the order's id.
  // What it does to orders bound to this one is committed with it.
  absl::StatusOr<std::string> Execute(int at, const type::v1::Command& command);
  // As Execute, for a command that must be legal.
  std::string Register(int at, const type::v1::OrderContent& content, bool push);
  void Do(int at, Act act, const std::string& order_id);
  absl::StatusOr<std::string> Try(int at, Act act, const std::string& order_id);
  // A push of `order_id` to the site `to`.
  void Push(int at, const std::string& order_id, int to);
  // Hands the oldest envelope that `from` owes to `to`; false if there is none.
  bool Deliver(int from, int to);
  bool Deliver(int from) { return Deliver(from, 1 - from); }
  // Hands `to` the oldest receipt for one of its offers; false if there is none.
  bool Receipt(int to, std::optional<ClockSkew> skew = std::nullopt);
  // Delivers until nothing is owed.
  void Settle();

  const type::v1::WorkOrder& Order(int at, const std::string& id) const { return sites_[at].orders.at(id); }
  // The id at the other site of the order that is in `id`'s last handoff; empty if there is none.
  std::string Twin(int at, const std::string& id) const;
  // The same for the handoff `handoff`, and that site's index.
  std::string Twin(int at, const type::v1::Handoff& handoff) const;
  int OtherSiteOf(int at, const type::v1::Handoff& handoff) const;
  std::vector<std::string> Orders(int at) const;
  const std::string& Content(int at, const std::string& id) const { return sites_[at].contents.at(id); }
  const type::v1::Event& LastEvent(int at) const { return sites_[at].log.back(); }
  const std::vector<type::v1::Event>& Log(int at) const { return sites_[at].log; }
  // What `from` owes to `to`, oldest first.
  std::deque<exchange::v1::Envelope>& Owed(int from, int to) { return sites_[from].outbox[to]; }
  std::deque<exchange::v1::Envelope>& Owed(int from) { return Owed(from, 1 - from); }
  int size() const { return static_cast<int>(sites_.size()); }
  const Site& site(int at) const { return sites_[at].site; }
  Site* mutable_site(int at) { return &sites_[at].site; }
  absl::Time now() const { return now_; }
  void Pass(absl::Duration time) { now_ += time; }
  // From now on the clock of `at` is ahead by `shift`.
  void Shift(int at, absl::Duration shift) { sites_[at].shift = shift; }
  // From now on the links do not know how far the clocks are apart.
  void ForgetClocks() { measured_ = false; }
  // From now on an envelope that is not understood is a fault: what sites of this kind say to each other is.
  void BeStrict() { strict_ = true; }
  // The first broken law, or empty.
  const std::string& fault() const { return fault_; }

 private:
  struct State {
    Site site;
    std::map<std::string, type::v1::WorkOrder> orders;
    std::map<std::string, std::string> contents;
    std::map<std::string, std::string> handoffs;  // id of handoff → order, also of past ones
    std::vector<type::v1::Event> log;
    std::map<int, std::deque<exchange::v1::Envelope>> outbox;  // by whom it is for
    std::deque<std::pair<std::string, absl::Time>> receipts;
    int next_order = 1;
    int64_t next_envelope = 1;
    absl::Duration shift;
  };

  absl::Time NowAt(const State& state) const { return now_ + state.shift; }

  NewOrder Fresh(State* state);
  void Commit(State* state, Change change);
  void Owe(State* state, const EnvelopeDraft& draft, const std::string& content);
  void Fault(const std::string& what);

  std::vector<State> sites_;
  absl::Time now_;
  bool measured_ = true;
  std::string fault_;
  bool strict_ = false;
};

}  // namespace hotline::work_order

#endif  // TESTS_SERVICES_WORK_ORDER_CORE_WORLD_H_
