// Watches a world from outside and knows what must hold. It builds its own picture of every site from the
// events that were committed, of what receipts were given, and of what desktops were told, and compares.
//
// Checked when it happens:
//   log_continuous     events come gap-free, each continuing its order's last one, and chain on
//   custody            a custody's epoch grows exactly when the holder changes, and never falls
//   one_holder         two sites never both believe themselves holder of one handoff in the same epoch
//   one_order          a handoff has one order at a site
//   applied_once       no command is in a log twice, and none twice with an order that mirrors it, nor with
//                      two, unless the matter came back to a site that it had passed, which then has two
//   rung_once          no rung of a clock's arming is in a log twice
//   durable            what was committed is there after every restart, bytes and all
//   receipt_durable    and so is what a receipt acknowledged
//   answer_true        a desktop's answer is in the log, and "received" means that the peer has it
//   same_answer        a repeated request gets the same answer
//   emergency_told     an emergency is answered in time, and "use the telephone" unless the peer has it; when
//                      its receipt is urged there is an alarm
//   watched            a watch shows every event of a handoff once and in order, through all its resumptions
//   push_taken         no good push is refused
//   return_closed      no unit returns an order when its time for that is recorded to be over
// After healing (Heal says within what time all must be quiet):
//   quiet              links drained and acknowledged, desktops answered, clocks up to date
//   verified           the log, the links and the orders of a site verify, by production's check and our own
//   acknowledged_kept  an acknowledged push is at the giver and at the taker, once
//   told               what somebody did at a site and the peer has acknowledged to have been told of is in
//   the
//                      peer's log: disputes, rulings, reopenings, telephone calls, passing on, all of it
//   reconciled         the sites' own comparison finds nothing, or after an old backup nothing once repaired
//   sums               what is kept for that comparison is what the orders add up to
//   agreed             both sites have the same view of a handoff
//   one_accountable    of a matter one copy at one site is its holder's, whatever sites it passed
//   receipts           the giver has the taker's receipts of a handoff, with their times
//   custody_chain      WhoHolds has one answer at every instant of an order's life
//   provable           what a peer signed can be handed back with proof, to the last envelope
//   in_order           events that a site mirrors come in their order
//   clocks             escalation's projection is what the log says
//   rungs_taken        and every rung that is due was taken
//   part_done          no clock runs for an assisting unit whose part is done
//   partners           a partner's order is bound to its incident at the site that called, if that has it
#ifndef TESTS_SIM_WITNESS_H_
#define TESTS_SIM_WITNESS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/stream/event_hub.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "services/work_order/store/store.h"

namespace hotline::sim {

class Site;

// An order as the log of a site tells it.
struct OrderView {
  std::string id;
  int64_t last_sequence = 0;
  int64_t version = 0;
  int state = 0;
  std::string holder;
  int64_t epoch = 0;
  std::string handoff_id;
  std::string spoken_code;  // of the current handoff
  std::string matter;       // the digest of its content, which all copies of one matter share
  bool emergency = false;
  std::string lead_unit;       // as last dispatched
  int64_t dispatched_by = 0;   // that event
  bool return_closed = false;  // its time to return the order is over
  bool ruled = false;          // for a unit, once; then that rule stands above the time
};

class Witness {
 public:
  // Of the first invariant found broken; `invariant` is empty while all hold.
  struct Violation {
    std::string invariant;
    std::string what;
  };
  const Violation& violation() const { return violation_; }
  bool content() const { return violation_.invariant.empty(); }
  void Violate(std::string_view invariant, std::string what);

  void AddSite(const std::string& hotline) { sites_.emplace_back().hotline = hotline; }
  // A site's work_order committed these events, and others may know of them by now.
  void Committed(int site, const EventHub::Items& events);
  // A site's store was opened: nothing that was known is missing. Unknown events are those of commits whose
  // outcome was in doubt. False if the disk cannot be read: then the process is not to start.
  bool Opened(int site, work_order::Reader& store);
  // The store of a site was replaced by an old backup: what it knows begins anew when it is opened. What only
  // this site knew since then may be lost; what a peer knows must come back.
  void Rewound(int site);
  // Between steps. From when each site has what the others sent it, and knows so of what it sent, handoffs
  // that are offered are held to all promises again.
  void Look(const std::vector<std::unique_ptr<Site>>& sites);
  // A receipt leaves `site` for `peer`.
  void ReceiptLeft(int site, int peer, const exchange::v1::DeliverResponse& response);

  // The log of `site` has `event_sequence` by `account`.
  bool Logged(int site, int64_t event_sequence, const std::string& account) const;
  // A command of `account`, given at `site`, is in its log.
  bool Did(int site, const std::string& account) const {
    return sites_[static_cast<size_t>(site)].own_accounts.contains(account);
  }
  // The site has an order of that handoff, or has lost its memory since it may have had one.
  bool HasHandoff(const std::string& hotline, const std::string& handoff_id) const;
  // Orders in the sequence of their making.
  const std::vector<OrderView>& orders(int site) const { return sites_[static_cast<size_t>(site)].orders; }
  const std::vector<SharedMessage>& log(int site) const { return sites_[static_cast<size_t>(site)].log; }
  int64_t events() const;
  int64_t in_doubt() const { return in_doubt_; }  // events that a restart brought to light
  int64_t rungs() const;

  // The logs of all sites, a line for each event, for people to read.
  std::string Logs() const;

  // After healing, all processes up; with work_order's own verification of each site.
  void Inspect(const std::vector<std::unique_ptr<Site>>& sites,
               const std::map<std::string, std::pair<std::string, std::string>>& acknowledged);
  // `told`, of all that is acknowledged by now; of sites that have kept their memory.
  void InspectTold(const std::vector<std::unique_ptr<Site>>& sites);

 private:
  struct SiteView {
    std::string hotline;
    bool rewound = false;
    std::vector<SharedMessage> log;
    std::vector<std::string> accounts;  // by event; empty for a service's own
    std::vector<OrderView> orders;
    std::unordered_map<std::string, size_t> order_index;
    std::unordered_map<std::string, std::string> handoffs;  // id → order id
    std::unordered_set<std::string> own_accounts;
    std::unordered_map<std::string, std::vector<std::string>> mirrored_accounts;  // and in which orders
    std::set<std::tuple<std::string, int, int64_t, int, std::string>> rungs;
    std::unordered_set<std::string> alarmed;  // handoffs
    std::map<LaneKey, int64_t> promised;      // what receipts have acknowledged
  };

  void Take(int site, SharedMessage bytes);
  void CheckOnce(SiteView& view, const type::v1::Event& event, const OrderView& order);
  void CheckUnits(const SiteView& view, const type::v1::Event& event, OrderView* order);
  void CheckCustody(int site, const type::v1::Event& event, const OrderView& before);
  void CheckLinks(SiteView& view, const std::vector<work_order::LinkRow>& links);
  void InspectLog(Site& site, SiteView& view);
  void InspectSums(Site& site, const Site& peer, const std::string& giver);
  void InspectPair(Site& a, Site& b);
  void InspectAccountable(const std::vector<std::unique_ptr<Site>>& sites);
  void InspectProof(Site& site, Site& peer);
  void InspectEnd(const type::v1::Handoff& given, const type::v1::Handoff& taken);
  void InspectReceipts(const type::v1::Handoff& given, const type::v1::Handoff& taken, bool filed);
  void InspectAgreement(const type::v1::WorkOrder& ours, const type::v1::WorkOrder& theirs, bool forgotten);
  void InspectClocks(Site& site, SiteView& view);
  void InspectPartners(Site& site, const SiteView& view);
  int IndexOf(const std::string& hotline) const;
  // What a site has forgotten it, or its peer, may take for something else: `one` or `other` was restored,
  // and the handoff may be of the time before.
  bool MayBeForgotten(const SiteView& one, const SiteView& other, const std::string& handoff_id) const {
    return (one.rewound || other.rewound) && !since_.contains(handoff_id);
  }

  std::vector<SiteView> sites_;
  bool shaken_ = false;                    // since a restore, until all have all
  std::unordered_set<std::string> since_;  // handoffs offered behind the last restore, when all had all
  Violation violation_;
  int64_t in_doubt_ = 0;
  type::v1::Event event_;  // kept for its memory
  // After healing: every order by site.
  std::vector<std::map<std::string, type::v1::WorkOrder>> final_orders_;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_WITNESS_H_
