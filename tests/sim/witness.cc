#include "tests/sim/witness.h"

#include <stdlib.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/exchange/digest_sum.h"
#include "services/escalation/core/time_ledger.h"
#include "services/work_order/core/custody.h"
#include "services/work_order/core/order.h"
#include "services/work_order/digests.h"
#include "tests/sim/site.h"

namespace hotline::sim {
namespace {

using type::v1::Event;
using type::v1::WorkOrder;

bool IsService(const std::string& account) { return account.starts_with("service/"); }

// The handoff that an event begins or adopts; null if none.
const type::v1::Handoff* HandoffOf(const Event& event) {
  if (event.has_offered()) return &event.offered().handoff();
  if (event.has_understood()) return &event.understood().handoff();
  return nullptr;
}

// What the event that begins an order tells of it; null for others.
const type::v1::RegisteredDetail* RegisteredOf(const Event& event) {
  if (event.has_registered()) return &event.registered();
  if (event.offered().has_registered()) return &event.offered().registered();
  if (event.understood().has_registered()) return &event.understood().registered();
  return nullptr;
}

std::string DetailName(const Event& event) {
  const auto* const detail = event.GetDescriptor()->FindFieldByNumber(static_cast<int>(event.detail_case()));
  return detail == nullptr ? "nothing" : detail->name();
}

std::string ReadAll(work_order::Reader& reader, std::map<std::string, WorkOrder>* orders) {
  int64_t after = 0;
  while (true) {
    auto some = reader.ScanOrders(after, 100);
    if (!some.ok()) return std::string(some.status().message());
    if (some->empty()) return "";
    for (WorkOrder& order : *some) {
      after = ParseOrderId(order.id()).value_or(after + 1);
      orders->emplace(order.id(), std::move(order));
    }
  }
}

// WhoHolds has one answer at every instant, and the last is the last event's.
std::string FaultOfCustody(const std::vector<Event>& events, const std::string& hotline) {
  const auto chain = work_order::CustodyChain(events, hotline, absl::InfiniteFuture());
  if (chain.empty()) return "nobody ever held it";
  for (size_t i = 0; i < chain.size(); ++i) {
    const bool last = i + 1 == chain.size();
    if (chain[i].holder().empty()) return StrCat("nobody holds it in tenure ", i);
    if (last ? chain[i].has_until_time()
             : chain[i].until_time().SerializeAsString() != chain[i + 1].from_time().SerializeAsString()) {
      return StrCat("tenure ", i, " does not end where the next begins");
    }
  }
  if (chain.front().from_time().SerializeAsString() != events.front().commit_time().SerializeAsString()) {
    return "its chain does not begin with it";
  }
  if (chain.back().holder() != events.back().custody().holder() ||
      chain.back().epoch() != events.back().custody().epoch()) {
    return StrCat("its chain ends with ", chain.back().holder());
  }
  return "";
}

// Clocks that one event armed have no order among themselves.
escalation::OrderClocks InOrder(escalation::OrderClocks order) {
  std::sort(order.clocks.begin(), order.clocks.end(), [](const auto& one, const auto& other) {
    return std::tie(one.armed_by, one.kind, one.assist_unit) <
           std::tie(other.armed_by, other.kind, other.assist_unit);
  });
  return order;
}

std::string Show(const escalation::OrderClocks& order) {
  std::string text = StrCat(type::v1::OrderState_Name(order.state), order.suspended ? " suspended" : "", " ",
                            order.receiver, " ", order.lead_unit, "\n");
  for (const escalation::OrderClock& clock : order.clocks) {
    text += StrCat("  ", type::v1::ClockKind_Name(clock.kind), " armed by #", clock.armed_by, " state ",
                   static_cast<int>(clock.state), " ", clock.duty_party, " start ",
                   absl::ToUnixMillis(clock.start), " due ", absl::ToUnixMillis(clock.due), " left ",
                   absl::ToInt64Milliseconds(clock.remaining), " stop ", absl::ToUnixMillis(clock.stop),
                   " rung ", static_cast<int>(clock.rung), clock.breached ? " breached" : "", "\n");
  }
  return text;
}

}  // namespace

void Witness::Violate(std::string_view invariant, std::string what) {
  if (content()) violation_ = {std::string(invariant), std::move(what)};
}

int Witness::IndexOf(const std::string& hotline) const {
  for (size_t i = 0; i < sites_.size(); ++i) {
    if (sites_[i].hotline == hotline) return static_cast<int>(i);
  }
  return -1;
}

int64_t Witness::events() const {
  int64_t count = 0;
  for (const SiteView& view : sites_) count += static_cast<int64_t>(view.log.size());
  return count;
}

int64_t Witness::rungs() const {
  int64_t count = 0;
  for (const SiteView& view : sites_) count += static_cast<int64_t>(view.rungs.size());
  return count;
}

std::string Witness::Logs() const {
  std::string text;
  for (const SiteView& view : sites_) {
    for (const SharedMessage& bytes : view.log) {
      Event event;
      if (!event.ParseFromString(*bytes)) continue;
      text += StrCat(view.hotline, " #", event.sequence(), " ",
                     absl::ToUnixMillis(FromTimestamp(event.commit_time())), " ", event.order_id(), " v",
                     event.order_version(), " [", event.handoff_id(), "] ", DetailName(event), " ",
                     type::v1::OrderState_Name(event.state_before()), "→",
                     type::v1::OrderState_Name(event.state()), " held by ", event.custody().holder(), "/",
                     event.custody().epoch(), " by ", event.actor().hotline(), ":", event.actor().account(),
                     event.mirrored() ? " mirrored" : "", event.recovered() ? " recovered" : "", " received ",
                     event.received_sequence(), " sent ", event.sent_sequence(), "\n");
    }
  }
  return text;
}

bool Witness::Logged(int site, int64_t event_sequence, const std::string& account) const {
  const SiteView& view = sites_[static_cast<size_t>(site)];
  return event_sequence >= 1 && event_sequence <= static_cast<int64_t>(view.accounts.size()) &&
         view.accounts[static_cast<size_t>(event_sequence - 1)] == account;
}

bool Witness::HasHandoff(const std::string& hotline, const std::string& handoff_id) const {
  const int index = IndexOf(hotline);
  if (index < 0) return false;
  const SiteView& view = sites_[static_cast<size_t>(index)];
  return MayBeForgotten(view, view, handoff_id) || view.handoffs.contains(handoff_id);
}

// ---- As it happens
// ---------------------------------------------------------------------------------------------

void Witness::Committed(int site, const EventHub::Items& events) {
  for (const EventHub::Item& item : events) Take(site, item.bytes);
}

void Witness::Take(int site, SharedMessage bytes) {
  SiteView& view = sites_[static_cast<size_t>(site)];
  Event& event = event_;
  if (!event.ParseFromString(*bytes)) return Violate("log_continuous", "an event cannot be read");
  const auto at = [&] { return StrCat(view.hotline, " #", event.sequence(), ": "); };
  if (event.sequence() != static_cast<int64_t>(view.log.size()) + 1) {
    return Violate("log_continuous", StrCat(at(), "came after #", view.log.size()));
  }
  view.log.push_back(std::move(bytes));

  const auto [index, fresh] = view.order_index.try_emplace(event.order_id(), view.orders.size());
  if (fresh) view.orders.emplace_back().id = event.order_id();
  OrderView& order = view.orders[index->second];
  if (event.previous_order_sequence() != order.last_sequence || event.order_version() != order.version + 1 ||
      event.state_before() != order.state) {
    Violate("log_continuous", StrCat(at(), "does not continue its order's #", order.last_sequence));
  }
  CheckCustody(site, event, order);
  if (const type::v1::RegisteredDetail* registered = RegisteredOf(event); registered != nullptr) {
    order.matter = registered->content_digest();
    order.emergency = registered->urgency() == type::v1::URGENCY_EMERGENCY;
  }
  order.last_sequence = event.sequence();
  order.version = event.order_version();
  order.state = event.state();
  order.holder = event.custody().holder();
  order.epoch = event.custody().epoch();
  order.handoff_id = event.handoff_id();
  if (const type::v1::Handoff* handoff = HandoffOf(event); handoff != nullptr) {
    if (handoff->id() == event.handoff_id()) {
      order.spoken_code = handoff->spoken_code();
    }
    const auto [known, first] = view.handoffs.emplace(handoff->id(), event.order_id());
    if (first && !shaken_ && !event.recovered() && handoff->from_hotline() == view.hotline) {
      since_.insert(handoff->id());
    }
    if (!first && known->second != event.order_id()) {
      Violate("one_order", StrCat(at(), "handoff ", handoff->id(), " has a second order"));
    }
  }

  const std::string& account = event.actor().account();
  view.accounts.push_back(IsService(account) ? std::string() : account);
  if (!IsService(account)) CheckOnce(view, event, order);
  CheckUnits(view, event, &order);
  if (event.has_alarmed()) view.alarmed.insert(event.alarmed().handoff_id());
  // Of this offer.
  if (order.emergency && event.escalated().clock() == type::v1::CLOCK_KIND_PEER_RECEIPT &&
      event.escalated().rung() == type::v1::RUNG_URGE && !view.alarmed.contains(event.handoff_id())) {
    const int64_t armed_by = event.escalated().armed_by_sequence();
    Event armed;
    if (armed_by >= 1 && armed_by <= static_cast<int64_t>(view.log.size()) &&
        armed.ParseFromString(*view.log[static_cast<size_t>(armed_by - 1)]) &&
        armed.handoff_id() == event.handoff_id()) {
      Violate("emergency_told", StrCat(at(), "nobody is alarmed that handoff ", event.handoff_id(),
                                       ", an emergency, was not received"));
    }
  }
  if (event.has_escalated() || event.has_in_doubt()) {
    const type::v1::Escalation& escalation =
        event.has_escalated() ? event.escalated() : event.in_doubt().escalation();
    if (!view.rungs
             .emplace(event.order_id(), escalation.clock(), escalation.armed_by_sequence(), escalation.rung(),
                      escalation.assist_unit())
             .second) {
      Violate("rung_once", StrCat(at(), "rung ", type::v1::Rung_Name(escalation.rung()), " of clock ",
                                  type::v1::ClockKind_Name(escalation.clock()), " armed by #",
                                  escalation.armed_by_sequence(), " is there twice"));
    }
  }
}

void Witness::CheckOnce(SiteView& view, const Event& event, const OrderView& order) {
  const std::string& account = event.actor().account();
  const auto twice = [&](std::string_view how) {
    Violate("applied_once", StrCat(view.hotline, " #", event.sequence(), ": the command of ", account,
                                   " is there twice", how));
  };
  if (!event.mirrored()) {
    // One call of partners is the incident's event and one of each child; and what ends a child is noted with
    // its incident.
    std::string once = account;
    if (event.offered().handoff().kind() == type::v1::HANDOFF_KIND_PARTNER_FANOUT) {
      once += "/" + event.offered().handoff().to_hotline();
    } else if (event.has_partner_ended()) {
      once += "/ended/" + event.order_id();
    }
    if (!view.own_accounts.insert(once).second) {
      twice("");
    }
    return;
  }
  std::vector<std::string>& known = view.mirrored_accounts[account];
  for (const std::string& one : known) {
    if (one == event.order_id()) {
      twice(", mirrored");
    } else if (view.orders[view.order_index.at(one)].matter != order.matter) {
      twice(StrCat(", mirrored, with another order (", one, ")"));
    }
  }
  known.push_back(event.order_id());
}

void Witness::CheckUnits(const SiteView& view, const Event& event, OrderView* order) {
  if (event.has_dispatched() || event.has_reassigned()) {
    const type::v1::UnitDispatch& dispatch =
        event.has_dispatched() ? event.dispatched() : event.reassigned().dispatch();
    order->lead_unit = dispatch.lead_unit();
    order->dispatched_by = event.sequence();
    order->return_closed = false;
  }
  order->ruled |= !event.ruled().unit().empty();
  // One that crossed a later dispatch is of a time before it.
  if (event.escalated().rung() == type::v1::RUNG_CLOSE_RETURN &&
      event.escalated().duty_party() == order->lead_unit &&
      event.escalated().armed_by_sequence() >= order->dispatched_by) {
    order->return_closed = true;
  }
  if (!event.has_unit_returned()) return;
  // What comes back from a peer after a restore was done in time before it.
  if (order->return_closed && !order->ruled && !event.mirrored() && !event.recovered()) {
    Violate("return_closed", StrCat(view.hotline, " #", event.sequence(), ": ", order->lead_unit,
                                    " returned an order when its time for that was over"));
  }
  order->return_closed = false;
}

void Witness::CheckCustody(int site, const Event& event, const OrderView& before) {
  SiteView& view = sites_[static_cast<size_t>(site)];
  const std::string& holder = event.custody().holder();
  const int64_t epoch = event.custody().epoch();
  const auto at = [&] { return StrCat(view.hotline, " #", event.sequence(), ": "); };
  if (holder.empty()) return Violate("custody", StrCat(at(), "leaves nobody as holder"));
  if (before.version > 0) {
    const bool moved = holder != before.holder;
    // What a peer did may have moved it to and fro, and so may what comes back before something that this
    // site had lost too.
    const bool sound = event.mirrored() || event.recovered()
                           ? epoch >= before.epoch && (moved ? epoch > before.epoch : true)
                           : epoch == before.epoch + (moved ? 1 : 0);
    if (!sound) {
      return Violate("custody", StrCat(at(), "from ", before.holder, " in epoch ", before.epoch, " to ",
                                       holder, " in epoch ", epoch));
    }
  }
  if (holder != view.hotline || event.handoff_id().empty()) return;
  for (const SiteView& other : sites_) {
    if (&other == &view) continue;
    const auto known = other.handoffs.find(event.handoff_id());
    if (known == other.handoffs.end()) continue;
    const OrderView& theirs = other.orders[other.order_index.at(known->second)];
    // A site that has lost its memory may be of two minds until it has it back.
    if (MayBeForgotten(view, other, event.handoff_id())) continue;
    if (theirs.handoff_id == event.handoff_id() && theirs.holder == other.hotline && theirs.epoch == epoch) {
      Violate("one_holder", StrCat(at(), "handoff ", event.handoff_id(), " is held by ", view.hotline,
                                   " and by ", other.hotline, " in epoch ", epoch));
    }
  }
}

void Witness::Rewound(int site) {
  SiteView& view = sites_[static_cast<size_t>(site)];
  SiteView fresh;
  fresh.hotline = view.hotline;
  fresh.rewound = true;
  view = std::move(fresh);
  shaken_ = true;
  since_.clear();
}

void Witness::Look(const std::vector<std::unique_ptr<Site>>& sites) {
  if (!shaken_) return;
  std::map<std::pair<std::string, LaneKey>, int64_t> incoming;
  std::map<std::pair<std::string, LaneKey>, std::pair<int64_t, int64_t>> outgoing;
  for (const auto& site : sites) {
    if (!site->up(Part::kWorkOrder) || !site->up(Part::kDispatch)) return;
    const auto links = site->engine()->store().reader().Links();
    if (!links.ok()) return;
    for (const work_order::LinkRow& link : *links) {
      incoming[{site->hotline(), link.key}] = link.incoming_sequence;
      outgoing[{site->hotline(), link.key}] = {link.outgoing_sequence, link.acknowledged_sequence};
      if (link.replay_next <= link.replay_end) return;
    }
  }
  for (const auto& [link, sent] : outgoing) {
    const auto& [hotline, key] = link;
    const auto there = incoming.find({key.peer, {.peer = hotline, .lane = key.lane}});
    const int64_t received = there == incoming.end() ? 0 : there->second;
    if (sent.first != sent.second || sent.first != received) return;
  }
  shaken_ = false;
}

bool Witness::Opened(int site, work_order::Reader& store) {
  SiteView& view = sites_[static_cast<size_t>(site)];
  auto heads = store.ReadHeads();
  auto links = store.Links();
  // A disk that cannot be read now is no loss.
  if (!heads.ok() || !links.ok()) return false;
  const int64_t known = static_cast<int64_t>(view.log.size());
  if (heads->event_sequence < known) {
    Violate("durable", StrCat(view.hotline, " had #", known, " and starts at #", heads->event_sequence));
    return true;
  }
  // The last one known, then what is news.
  auto rows = store.ReadEvents(std::max<int64_t>(known, 1), 1 << 20);
  if (!rows.ok()) return false;
  for (const work_order::EventRow& row : *rows) {
    if (row.sequence > known) {
      if (!view.rewound) ++in_doubt_;
      Take(site, std::make_shared<const std::string>(row.bytes));
    } else if (row.bytes != *view.log.back()) {
      Violate("durable", StrCat(view.hotline, " #", known, " is another event after a restart"));
      return true;
    }
  }
  CheckLinks(view, *links);
  return true;
}

void Witness::CheckLinks(SiteView& view, const std::vector<work_order::LinkRow>& links) {
  for (const auto& [link, through] : view.promised) {
    const auto row = std::find_if(links.begin(), links.end(),
                                  [&link = link](const work_order::LinkRow& row) { return row.key == link; });
    const int64_t there = row == links.end() ? 0 : row->incoming_sequence;
    if (there < through) {
      Violate("receipt_durable", StrCat(view.hotline, " acknowledged #", through, " of ", link.peer, "'s ",
                                        LaneName(link.lane), " lane and has #", there));
    }
  }
}

void Witness::ReceiptLeft(int site, int peer, const exchange::v1::DeliverResponse& response) {
  const LaneKey key = {.peer = sites_[static_cast<size_t>(peer)].hotline,
                       .lane = LaneOf(response.receipt().lane())};
  int64_t& promised = sites_[static_cast<size_t>(site)].promised[key];
  promised = std::max(promised, response.receipt().received_through());
}

// ---- After healing
// ---------------------------------------------------------------------------------------------

void Witness::Inspect(const std::vector<std::unique_ptr<Site>>& sites,
                      const std::map<std::string, std::pair<std::string, std::string>>& acknowledged) {
  final_orders_.assign(sites.size(), {});
  for (size_t i = 0; i < sites.size(); ++i) {
    InspectLog(*sites[i], sites_[i]);
    if (std::string fault = ReadAll(sites[i]->engine()->store().reader(), &final_orders_[i]);
        !fault.empty()) {
      return Violate("verified", StrCat(sites_[i].hotline, ": ", fault));
    }
    if (final_orders_[i].size() != sites_[i].orders.size()) {
      return Violate("verified", StrCat(sites_[i].hotline, " has ", final_orders_[i].size(),
                                        " orders, its log ", sites_[i].orders.size()));
    }
    auto links = sites[i]->engine()->store().reader().Links();
    if (links.ok()) CheckLinks(sites_[i], *links);
    for (Site* peer : sites[i]->peers()) {
      for (const std::string& giver : {sites[i]->hotline(), peer->hotline()}) {
        InspectSums(*sites[i], *peer, giver);
      }
    }
  }
  for (const auto& [request, told] : acknowledged) {
    // The handoff's id names its giver.
    const auto& [order_id, handoff_id] = told;
    int holders = 0;
    for (const SiteView& view : sites_) holders += view.handoffs.contains(handoff_id) ? 1 : 0;
    bool forgotten = false;
    for (const SiteView& view : sites_) {
      forgotten |= handoff_id.starts_with(view.hotline + "-") && MayBeForgotten(view, view, handoff_id);
    }
    if (holders != 2 && !(forgotten && holders == 0)) {
      return Violate("acknowledged_kept",
                     StrCat("handoff ", handoff_id, " of request ", request, " is at ", holders, " sites"));
    }
  }
  for (const auto& site : sites) {
    for (Site* peer : site->peers()) {
      if (site->index() < peer->index()) InspectPair(*site, *peer);
    }
  }
  InspectAccountable(sites);
  for (size_t i = 0; i < sites.size(); ++i) {
    InspectClocks(*sites[i], sites_[i]);
    InspectPartners(*sites[i], sites_[i]);
    for (Site* peer : sites[i]->peers()) InspectProof(*sites[i], *peer);
  }
}

// Of each matter somebody is accountable, and nobody else: one copy of all that the sites have is its
// holder's own and the one to work with, and every copy names that site. The salt tells matters apart, which
// all copies of one share.
void Witness::InspectAccountable(const std::vector<std::unique_ptr<Site>>& sites) {
  struct Matter {
    std::vector<std::string> own;    // copies whose site says that it holds them
    std::vector<std::string> stand;  // all that say who holds them
    std::set<std::string> holders;
  };
  std::map<std::string, Matter> matters;
  for (size_t i = 0; i < sites.size(); ++i) {
    work_order::Site site;
    site.hotline = sites_[i].hotline;
    for (const auto& [id, order] : final_orders_[i]) {
      // What a partner is asked has the incident's content; sites of a world may draw the same salt.
      Matter& matter = matters[StrCat(order.parent_number(), " ", order.content_digest())];
      const bool ended = work_order::Contains(work_order::kEnded, order.state());
      if (ended || work_order::FollowsAnotherCopy(order, site)) continue;
      // Given back: what became of it since is no matter of this copy's.
      const bool gave_back = order.handoff().has_end_time() && order.handoff().to_hotline() == site.hotline;
      const std::string& holder = order.custody().holder();
      const std::string copy =
          StrCat(site.hotline, "'s ", id, " (", type::v1::OrderState_Name(order.state()), " in handoff ",
                 order.handoff().id(), ", held by ", holder, "/", order.custody().epoch(), ")");
      if (holder == site.hotline) matter.own.push_back(copy);
      if (gave_back) continue;
      matter.stand.push_back(copy);
      matter.holders.insert(holder);
    }
  }
  for (const auto& [digest, matter] : matters) {
    if (matter.stand.empty() && matter.own.empty()) continue;
    if (matter.own.size() == 1 && matter.holders.size() <= 1) continue;
    std::string what = StrCat("a matter is held by ", matter.own.size(), " copies:");
    for (const std::string& copy : matter.own) what += StrCat(" ", copy);
    what += "; it stands as";
    for (const std::string& copy : matter.stand) what += StrCat(" ", copy);
    return Violate("one_accountable", what);
  }
}

// What a site has received from a peer that signs it can hand back with that peer's proof that it sent it, to
// the last envelope.
void Witness::InspectProof(Site& site, Site& peer) {
  if (!peer.notary()->signs()) return;
  work_order::Reader& reader = site.engine()->store().reader();
  auto links = reader.Links();
  if (!links.ok()) return;
  for (const work_order::LinkRow& link : *links) {
    if (link.key.peer != peer.hotline() || link.incoming_sequence == 0) continue;
    exchange::v1::BackfillResponse response;
    auto rows = reader.ReadInbox(link.key, 0, static_cast<int>(link.incoming_sequence));
    auto batches = reader.ReadBatches(link.key, 1, link.incoming_sequence);
    if (!rows.ok() || !batches.ok()) return;
    for (work_order::EnvelopeRow& row : *rows) *response.add_envelopes() = std::move(row.envelope);
    for (exchange::v1::SignedBatch& batch : *batches) *response.add_batches() = std::move(batch);
    const int proven = peer.notary()->CountProven(site.hotline(), response);
    if (proven == link.incoming_sequence) continue;
    return Violate("provable",
                   StrCat(site.hotline(), " has ", link.incoming_sequence, " envelopes of ", peer.hotline(),
                          "'s ", LaneName(link.key.lane), " lane and proof of ", proven));
  }
}

void Witness::InspectTold(const std::vector<std::unique_ptr<Site>>& sites) {
  exchange::v1::MirrorBody body;
  for (const auto& site : sites) {
    if (!site->up(Part::kWorkOrder)) continue;
    const SiteView& ours = sites_[static_cast<size_t>(site->index())];
    work_order::Reader& reader = site->engine()->store().reader();
    auto links = reader.Links();
    if (!links.ok()) continue;
    for (const work_order::LinkRow& link : *links) {
      const int peer = IndexOf(link.key.peer);
      if (peer < 0 || link.acknowledged_sequence == 0) continue;
      const SiteView& theirs = sites_[static_cast<size_t>(peer)];
      auto rows = reader.ReadOutbox(link.key, 0, static_cast<int>(link.acknowledged_sequence));
      if (!rows.ok()) continue;
      for (const work_order::EnvelopeRow& row : *rows) {
        const exchange::v1::Envelope& envelope = row.envelope;
        if (envelope.kind() != exchange::v1::ENVELOPE_KIND_MIRROR || !body.ParseFromString(envelope.body()) ||
            IsService(body.event().actor().account())) {
          continue;
        }
        if (MayBeForgotten(ours, theirs, envelope.handoff_id())) continue;
        const std::string& account = body.event().actor().account();
        const auto order = theirs.handoffs.find(envelope.handoff_id());
        const auto known = theirs.mirrored_accounts.find(account);
        // What was filed before it came takes no event any more.
        if (order != theirs.handoffs.end() &&
            theirs.orders[theirs.order_index.at(order->second)].state == type::v1::ORDER_STATE_ARCHIVED) {
          continue;
        }
        const bool told =
            order != theirs.handoffs.end() && known != theirs.mirrored_accounts.end() &&
            std::find(known->second.begin(), known->second.end(), order->second) != known->second.end();
        if (told) continue;
        return Violate("told", StrCat("what ", account, " did (", DetailName(body.event()), ") in handoff ",
                                      envelope.handoff_id(), " was told by ", site->hotline(), " with #",
                                      envelope.sequence(), " (", LaneName(link.key.lane),
                                      ") and is not known to ", theirs.hotline));
      }
    }
  }
}

// The log as stored is the log as told, and chains.
void Witness::InspectLog(Site& site, SiteView& view) {
  auto rows = site.engine()->store().reader().ReadEvents(1, 1 << 20);
  if (!rows.ok()) return Violate("verified", StrCat(view.hotline, ": ", ToStd(rows.status().message())));
  if (rows->size() != view.log.size()) {
    return Violate("verified",
                   StrCat(view.hotline, " stores ", rows->size(), " events, told were ", view.log.size()));
  }
  std::string hash(32, '\0');
  for (size_t i = 0; i < rows->size(); ++i) {
    const work_order::EventRow& row = (*rows)[i];
    hash = Sha256({hash, row.bytes});
    if (row.bytes != *view.log[i] || row.hash != hash) {
      return Violate("verified",
                     StrCat(view.hotline, " #", i + 1, " is not what was told, or breaks the chain"));
    }
  }
}

// The sums that a site keeps of what it shares with a peer are those of its orders.
void Witness::InspectSums(Site& site, const Site& peer, const std::string& giver) {
  work_order::Reader& reader = site.engine()->store().reader();
  work_order::SharedScan scan(site.hotline(), peer.hotline(), RangeAt(giver, 0, kAllIdsLevel));
  for (bool more = true; more;) {
    auto stepped = scan.Step(reader, {});
    if (!stepped.ok())
      return Violate("sums", StrCat(site.hotline(), ": ", ToStd(stepped.status().message())));
    more = *stepped;
  }
  for (const int level : work_order::kSharedLevels) {
    std::map<int64_t, DigestSum> counted;
    for (const auto& [bucket, sum] : scan.buckets()) {
      counted[bucket >> (level - work_order::kFinestSharedLevel)].Add(sum);
    }
    auto kept = reader.ReadShared(
        {.peer = peer.hotline(), .given = giver == site.hotline(), .level = level, .bucket = 0},
        kLargestOrderId);
    if (!kept.ok() || *kept != counted) {
      return Violate("sums", StrCat(site.hotline(), " keeps other sums at level ", level, " of what ", giver,
                                    " gave between it and ", peer.hotline(), " than its orders have"));
    }
  }
}

void Witness::InspectPair(Site& a, Site& b) {
  const auto both = {std::make_pair(&a, &b), std::make_pair(&b, &a)};
  for (const auto& [giver, taker] : both) {
    const SiteView& at_giver = sites_[static_cast<size_t>(giver->index())];
    const SiteView& at_taker = sites_[static_cast<size_t>(taker->index())];
    for (const auto& [order_id, order] : final_orders_[static_cast<size_t>(giver->index())]) {
      for (const type::v1::Handoff& past : order.past_handoffs()) {
        const auto known = at_taker.handoffs.find(past.id());
        if (past.to_hotline() != taker->hotline() || known == at_taker.handoffs.end() ||
            MayBeForgotten(at_giver, at_taker, past.id())) {
          continue;
        }
        const auto& theirs = final_orders_[static_cast<size_t>(taker->index())].at(known->second);
        if (theirs.handoff().id() == past.id()) InspectEnd(past, theirs.handoff());
      }
      if (order.handoff().from_hotline() != giver->hotline() ||
          order.handoff().to_hotline() != taker->hotline()) {
        continue;
      }
      const std::string& handoff = order.handoff().id();
      const auto known = at_taker.handoffs.find(handoff);
      if (known == at_taker.handoffs.end()) {
        if (order.handoff().returned().ground() == type::v1::RETURN_GROUND_NOT_UNDERSTOOD) continue;
        return Violate("agreed", StrCat("handoff ", handoff, " is at ", giver->hotline(), " only"));
      }
      const auto& theirs = final_orders_[static_cast<size_t>(taker->index())].at(known->second);
      if (theirs.handoff().id() != handoff) continue;
      InspectAgreement(order, theirs, MayBeForgotten(at_giver, at_taker, handoff));
      const auto read_content = [&](Site* site, const WorkOrder& one) {
        auto content = site->engine()->store().reader().FindContent(ParseOrderId(one.id()).value_or(0));
        return content.ok() ? *content : std::string("unreadable");
      };
      if (read_content(giver, order) != read_content(taker, theirs)) {
        return Violate("agreed", StrCat("handoff ", handoff, ": the content differs"));
      }
    }
    for (const auto& [handoff, order_id] : at_taker.handoffs) {
      if (handoff.starts_with(giver->hotline() + "-") && !at_giver.handoffs.contains(handoff)) {
        return Violate("agreed", StrCat("handoff ", handoff, " is at ", taker->hotline(), " only"));
      }
    }
    if (at_giver.rewound || at_taker.rewound) continue;
    // What the taker mirrors of the giver's doings is in the order of the giver's log, order by order.
    std::unordered_map<std::string, size_t> place;
    for (size_t i = 0; i < at_giver.accounts.size(); ++i) place.emplace(at_giver.accounts[i], i);
    std::unordered_map<std::string, size_t> last;
    for (const SharedMessage& bytes : at_taker.log) {
      Event& event = event_;
      event.ParseFromString(*bytes);
      if (!event.mirrored() || event.actor().hotline() != giver->hotline() ||
          IsService(event.actor().account())) {
        continue;
      }
      const auto at = place.find(event.actor().account());
      if (at == place.end()) {
        return Violate("in_order", StrCat(taker->hotline(), " #", event.sequence(), " mirrors what ",
                                          giver->hotline(), " did not do"));
      }
      size_t& before = last[event.order_id()];
      if (at->second < before) {
        return Violate("in_order", StrCat(taker->hotline(), " #", event.sequence(), " came too late"));
      }
      before = at->second;
    }
  }
}

void Witness::InspectAgreement(const WorkOrder& ours, const WorkOrder& theirs, bool forgotten) {
  const std::string& handoff = ours.handoff().id();
  const auto ended = [](const WorkOrder& order) { return order.handoff().has_end_time(); };
  if (ended(ours) != ended(theirs)) {
    return Violate(
        "agreed",
        StrCat("handoff ", handoff, " has ended at one site only; it stands at ",
               type::v1::OrderState_Name(ours.state()), " (epoch ", ours.custody().epoch(), ") and at ",
               type::v1::OrderState_Name(theirs.state()), " (epoch ", theirs.custody().epoch(), ")"));
  }
  // After a return or a recall the giver goes on by itself, and the taker's order stands.
  if (ended(ours)) {
    if (!forgotten) InspectEnd(ours.handoff(), theirs.handoff());
    return;
  }
  // Filing is each site's own affair; what was filed was closed or cancelled.
  const auto filed = [](const WorkOrder& order) { return order.state() == type::v1::ORDER_STATE_ARCHIVED; };
  if (!filed(ours) && !filed(theirs) && ours.state() != theirs.state()) {
    return Violate("agreed",
                   StrCat("handoff ", handoff, " stands at ", type::v1::OrderState_Name(ours.state()),
                          " and at ", type::v1::OrderState_Name(theirs.state())));
  }
  if (ours.custody().holder() != theirs.custody().holder() ||
      ours.custody().epoch() != theirs.custody().epoch()) {
    return Violate("agreed", StrCat("handoff ", handoff, " is held by ", ours.custody().holder(),
                                    " in epoch ", ours.custody().epoch(), " and by ",
                                    theirs.custody().holder(), " in epoch ", theirs.custody().epoch()));
  }
  const auto units = [](const WorkOrder& order) {
    std::string text;
    for (const type::v1::UnitTask& task : order.units()) {
      text += StrCat(task.unit(), task.has_sign_time() ? "+ " : " ");
    }
    return text;
  };
  if (ours.reply().public_reply() != theirs.reply().public_reply() || units(ours) != units(theirs) ||
      ours.facts().extension_count() != theirs.facts().extension_count() ||
      ours.facts().suspended() != theirs.facts().suspended() ||
      ours.facts().redo_count() != theirs.facts().redo_count()) {
    return Violate("agreed", StrCat("handoff ", handoff, ": reply, units or facts differ"));
  }
  if (!forgotten) InspectReceipts(ours.handoff(), theirs.handoff(), filed(ours));
  if (!forgotten &&
      ours.handoff().voice().SerializeAsString() != theirs.handoff().voice().SerializeAsString()) {
    return Violate("agreed", StrCat("handoff ", handoff, ": the records of telephone calls differ"));
  }
  if (ours.facts().recall_requested()) {
    return Violate("agreed", StrCat("handoff ", handoff, ": a recall was never answered"));
  }
}

// How it ended, the two sites tell alike; and one that did not end is nowhere left behind.
void Witness::InspectEnd(const type::v1::Handoff& given, const type::v1::Handoff& taken) {
  // Of the oldest ones the giver keeps the ground alone.
  const bool slim = !given.has_offer_time();
  const bool same = slim ? given.returned().ground() == taken.returned().ground()
                         : given.returned().SerializeAsString() == taken.returned().SerializeAsString();
  if (given.has_end_time() != taken.has_end_time() || !same || given.to_number() != taken.to_number()) {
    Violate("agreed", StrCat("handoff ", given.id(), " ended otherwise at the giver (",
                             given.returned().ShortDebugString(), ") than at the taker (",
                             taken.returned().ShortDebugString(), ")"));
  }
}

// A restored site gets its partners' orders back from them, and knows the incident by its number alone. One
// that came back behind is looked for with the next change.
void Witness::InspectPartners(Site& site, const SiteView& view) {
  const auto& orders = final_orders_[static_cast<size_t>(site.index())];
  std::unordered_map<std::string, std::string> by_number;
  for (const auto& [id, order] : orders) by_number.emplace(order.number(), id);
  const auto read_content = [&](const std::string& id) {
    auto content = site.engine()->store().reader().FindContent(ParseOrderId(id).value_or(0));
    return content.ok() ? *content : std::string();
  };
  for (const auto& [id, order] : orders) {
    const type::v1::Handoff& handoff = order.handoff();
    if (order.parent_number().empty() || order.origin_hotline() != view.hotline || order.has_inbound() ||
        handoff.from_hotline() != view.hotline || !handoff.previous_handoff_id().empty()) {
      continue;
    }
    if (!order.parent_id().empty()) {
      const auto incident = orders.find(order.parent_id());
      // What was filed before its partner's order came back is not touched again.
      if (incident == orders.end() || (incident->second.partner_count() == 0 &&
                                       incident->second.state() != type::v1::ORDER_STATE_ARCHIVED)) {
        return Violate("partners", StrCat(view.hotline, "'s ", id, " has an incident that called nobody"));
      }
      continue;
    }
    const auto incident = by_number.find(order.parent_number());
    if (incident == by_number.end() || incident->second >= id ||
        view.order_index.at(incident->second) > view.order_index.at(id)) {
      continue;
    }
    if (const std::string content = read_content(id);
        !content.empty() && content == read_content(incident->second)) {
      return Violate("partners",
                     StrCat(view.hotline, "'s ", id, " does not know its incident ", order.parent_number()));
    }
  }
}

// The giver has the receipts that the taker gave, as they were given, and when it knew of each. An order that
// the giver filed before the first receipt had come takes no event any more, so not that one either.
void Witness::InspectReceipts(const type::v1::Handoff& given, const type::v1::Handoff& taken, bool filed) {
  const type::v1::ReceiptRecord& record = given.receipt_record();
  const auto same = [](const auto& one, const auto& other) {
    return one.SerializeAsString() == other.SerializeAsString();
  };
  const char* const fault =
      !taken.has_receive_time() || !taken.has_understand_time() ? "was never received"
      : given.to_number() != taken.to_number()                  ? "has another number at the giver"
      : !same(given.understand_time(), taken.understand_time()) ? "was understood at two times"
      : !same(given.accept_time(), taken.accept_time())         ? "was accepted at two times"
      : (!record.has_receive_record_time() && !filed) || !record.has_understand_record_time() ||
              (given.has_accept_time() && !record.has_accept_record_time())
          ? "has a receipt that the giver does not know when it had"
          : nullptr;
  if (fault != nullptr) Violate("receipts", StrCat("handoff ", given.id(), " ", fault));
}

void Witness::InspectClocks(Site& site, SiteView& view) {
  const escalation::Deadlines deadlines(site.policy());
  std::map<int64_t, escalation::OrderClocks> expected;
  std::map<int64_t, std::vector<Event>> histories;
  std::map<std::pair<int64_t, std::string>, int64_t> parts_done;  // by order and unit, the event
  const int64_t cursor = site.follower()->stats().cursor;
  for (const SharedMessage& bytes : view.log) {
    Event& event = event_;
    event.ParseFromString(*bytes);
    // Time has not stopped: a rung may have been taken that the follower has yet to read.
    if (event.sequence() > cursor) break;
    const int64_t order_id = ParseOrderId(event.order_id()).value_or(0);
    histories[order_id].push_back(event);
    if (event.progressed().part_done()) parts_done[{order_id, event.progressed().unit()}] = event.sequence();
    if (!escalation::Concerns(event)) continue;
    escalation::OrderClocks& clocks = expected[ParseOrderId(event.order_id()).value_or(0)];
    clocks = escalation::Apply(std::move(clocks), event, deadlines, view.hotline);
  }
  escalation::Reader& reader = site.escalation_store()->reader();
  const absl::Time now = site.clock()->Now();
  for (const auto& [id, events] : histories) {
    const auto ledger = escalation::BuildTimeLedger(
        events, deadlines, view.hotline, std::max(now, escalation::FromProto(events.front().commit_time())));
    if (const std::string fault = escalation::UnsoundLedger(ledger); !fault.empty()) {
      return Violate("time_booked", StrCat(view.hotline, ": ", FormatOrderId(id), ": ", fault));
    }
    if (const std::string fault = FaultOfCustody(events, view.hotline); !fault.empty()) {
      return Violate("custody_chain", StrCat(view.hotline, ": ", FormatOrderId(id), ": ", fault));
    }
  }
  for (const auto& [id, clocks] : expected) {
    auto stored = reader.FindOrder(id);
    if (!stored.ok() || !stored->has_value()) {
      return Violate("clocks", StrCat(view.hotline, ": ", FormatOrderId(id), " has no clocks"));
    }
    for (const escalation::OrderClock& clock : (*stored)->clocks) {
      const auto done = parts_done.find({id, clock.assist_unit});
      if (clock.live() && done != parts_done.end() && done->second > clock.armed_by) {
        return Violate("part_done",
                       StrCat(view.hotline, ": a clock of ", clock.assist_unit, " for ", clocks.number,
                              " runs, though its part was done with #", done->second));
      }
    }
    if (!(InOrder(**stored) == InOrder(clocks))) {
      return Violate("clocks", StrCat(view.hotline, ": the clocks of ", FormatOrderId(id), " are\n",
                                      Show(**stored), "and the log says\n", Show(clocks)));
    }
    for (const escalation::OrderClock& clock : clocks.clocks) {
      const absl::Time next = escalation::NextRungTime(clock);
      const bool over = clocks.state == type::v1::ORDER_STATE_CLOSED ||
                        clocks.state == type::v1::ORDER_STATE_CANCELLED ||
                        clocks.state == type::v1::ORDER_STATE_ARCHIVED;
      // A result that has arrived calls for no rung, though its clock runs until the giver's next move.
      const bool arrived = clock.kind == type::v1::CLOCK_KIND_RESULT_BACK;
      if (!over && !arrived && next + absl::Seconds(10) < now) {
        return Violate("rungs_taken",
                       StrCat(view.hotline, ": ", type::v1::Rung_Name(escalation::NextRung(clock)), " of ",
                              type::v1::ClockKind_Name(clock.kind), " of ", clocks.number, " armed by #",
                              clock.armed_by, " was due ", absl::ToInt64Seconds(now - next), " s ago"));
      }
    }
  }
}

}  // namespace hotline::sim
