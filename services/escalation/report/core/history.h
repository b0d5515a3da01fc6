// One order's life as figures count it: its events of the log put in order and read into duties, stretches of
// work, answers, verdicts and disputes. Pure: time is that of the events, and the clocks are those of
// core/clocks.h, so that lamps and figures cannot disagree.
#ifndef SERVICES_ESCALATION_REPORT_CORE_HISTORY_H_
#define SERVICES_ESCALATION_REPORT_CORE_HISTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "hotline/escalation/v1/meeting_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "services/escalation/core/clocks.h"

namespace hotline::escalation::report {

enum class Outcome {
  kOpen,    // its deadline has not come
  kMet,     // fulfilled before its deadline
  kMissed,  // its deadline passed while it ran
  kLapsed,  // taken away before its deadline: not judged
};

// One arming of one clock.
struct Duty {
  type::v1::ClockKind clock = type::v1::CLOCK_KIND_UNSPECIFIED;
  // Sequence of the event that armed it.
  int64_t armed_by = 0;
  std::string assist_unit;  // see OrderClock
  std::string party;
  absl::Time start;
  // As it stood when it was judged; else as it stands.
  absl::Time due;
  Outcome outcome = Outcome::kOpen;
  // When it was fulfilled or its deadline passed, whichever came first. Meaningful for kMet and kMissed.
  absl::Time judged = absl::InfiniteFuture();
  // When its clock stopped, fulfilled or not.
  absl::Time stop = absl::InfiniteFuture();
  // It stopped because it was fulfilled, in time or late; else it was taken away.
  bool fulfilled = false;
};

enum class StretchEnd { kOpen, kResult, kReturned, kOther };

// One party's work on the order, from being given it to giving it up.
struct Stretch {
  std::string party;
  // `party` is a unit of this site; else a hotline.
  bool unit = false;
  absl::Time begin;
  absl::Time end = absl::InfiniteFuture();
  StretchEnd how = StretchEnd::kOpen;
  // Suspensions within it, in order.
  std::vector<std::pair<absl::Time, absl::Time>> pauses;
  int extensions = 0;
};

// Something of a party at an instant. `marked`: the answer was a return, the extension was asked for at the
// last minute, the verdict was to do it again.
struct Mark {
  std::string party;
  absl::Time at;
  bool marked = false;
};

// The closing of the order.
struct Closing {
  std::string party;  // who gave the last result
  absl::Time at;
  int moves = 0;
};

struct Dispute {
  int64_t sequence = 0;
  v1::DocketItem item;
};

struct History {
  int64_t id = 0;
  std::string number;
  type::v1::RegisteredDetail registration;
  absl::Time register_time = absl::InfiniteFuture();
  // It came from a peer.
  bool from_peer = false;
  // `<giver>-<its order>`, if it came from a peer: the same when that is pushed once more, which is another
  // order here.
  std::string came_as;
  // An order that came as the same was registered here before this one, in whichever period. For who knows
  // the other orders to say.
  bool came_again = false;
  // The matter is here as another order: this one came back, or asks a partner to help with an incident.
  bool of_another = false;
  // Its first offer to a peer; InfiniteFuture if there was none.
  absl::Time first_offer = absl::InfiniteFuture();
  type::v1::OrderState state = type::v1::ORDER_STATE_UNSPECIFIED;
  absl::Time last_event = absl::InfinitePast();

  std::vector<Duty> duties;
  std::vector<Stretch> stretches;
  std::vector<Mark> assignments;
  // Units that were given it to assist with.
  std::vector<Mark> assists;
  std::vector<Mark> answers;
  std::vector<Mark> extensions;
  std::vector<Mark> verdicts;
  std::vector<Closing> closings;
  std::vector<Dispute> disputes;

  // With its clocks as they stand at the end.
  OrderClocks clocks;
  // Of each of them the version of the policy that it goes by.
  std::vector<std::string> policy_versions;
};

// Reads one order's events, in the order of the log.
class HistoryReader {
 public:
  // `deadlines` outlives it. `site` is this hotline's code.
  HistoryReader(const Deadlines* deadlines, std::string site);

  void Add(const type::v1::Event& event);
  // What is known at `knowledge`, which is no earlier than the last event: duties whose deadline passed
  // before it are missed.
  History Finish(absl::Time knowledge) &&;

 private:
  void Judge(absl::Time at);
  void Follow(const type::v1::Event& event, absl::Time at);
  void Register(const type::v1::RegisteredDetail& detail, absl::Time at);
  void Read(const type::v1::Event& event, absl::Time at);
  void Mirror(const type::v1::Event& event, absl::Time at);
  void Begin(const std::string& party, absl::Time at);
  // Dispatched to units of this site.
  void Give(const type::v1::UnitDispatch& dispatch, absl::Time at);
  void End(StretchEnd how, absl::Time at);
  void Pause(absl::Time at);
  void Extend(const type::v1::Event& event, absl::Time at);
  void State(v1::DocketGround ground);  // for the item that is open, and for one that is opened later
  void Open(const type::v1::Event& event, absl::Time at);
  v1::DocketItem* OpenItem();  // null: none is
  void OpenIfNobodyAgreed(const type::v1::RouteRecord& route, const type::v1::Event& event, absl::Time at);
  void Settle(v1::DocketState state, absl::Time at);
  const std::string& PartyAt(const type::v1::Event& event) const;
  // Null when nobody works on it.
  Stretch* current();

  const Deadlines* const deadlines_;
  const std::string site_;
  History history_;
  int moves_ = 0;
  std::string unit_;      // lead unit at work here
  bool merged_ = false;   // `unit_` is, by a merger only
  std::string replier_;   // who gave the last result; empty if it is counted with another order
  std::string receiver_;  // who is to take the current offer
  std::vector<v1::DocketGround> grounds_;
  bool returned_since_ruling_ = false;
};

// True if stopping a clock of `kind` by `event` fulfils the duty.
bool Fulfils(type::v1::ClockKind kind, const type::v1::Event& event);
// `event` without what no figure needs: free texts other than grounds and reasons, persons, traces.
type::v1::Event Condense(type::v1::Event event);

}  // namespace hotline::escalation::report

#endif  // SERVICES_ESCALATION_REPORT_CORE_HISTORY_H_
