// Who is shown what of restricted orders (限制知悉), by the right that work_order goes by, and the record of
// each showing in the site's log.
#ifndef SERVICES_ESCALATION_DISCRETION_H_
#define SERVICES_ESCALATION_DISCRETION_H_

#include <functional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/contract/call.h"
#include "common/contract/clearance.h"
#include "common/contract/ledger.h"
#include "hotline/type/v1/command.pb.h"
#include "services/escalation/core/clocks.h"

namespace hotline::escalation {

// Thread-safe. Outlives every call, of Show or to the ledger, that has not been answered.
class Discretion {
 public:
  // `ledger` outlives it.
  Discretion(Clearance clearance, Ledger* ledger) : clearance_(std::move(clearance)), ledger_(ledger) {}

  // Whoever calls is cleared for every order of the site.
  bool Covers(const CallContext& call) const { return clearance_.Covers(call); }
  // May know of an order, restricted or not, that `registered_by` registered here (empty: nobody did).
  bool MayKnow(const CallContext& call, bool restricted, const std::string& registered_by) const {
    return !restricted || clearance_.Covers(call) || (!call.account.empty() && call.account == registered_by);
  }
  bool MayKnow(const CallContext& call, const OrderClocks& order) const {
    return MayKnow(call, order.restricted, order.registered_by);
  }

  // Takes out of the answer to a command of `actor` what it may not know: see HideCallerInAnswer.
  void HideInAnswer(const CallContext& call, const type::v1::Actor& actor, type::v1::WorkOrder* order) const {
    HideCallerInAnswer(actor, clearance_.Covers(call, actor), order);
  }

  // Answers with `response`, which shows the restricted orders with these ids, once that is recorded in one
  // commit; with the error if it cannot be. `done` is called on any thread.
  template <typename Response>
  void Show(const CallContext& call, std::set<std::string> order_ids, type::v1::DisclosureKind kind,
            Response response, Done<Response> done) const {
    if (order_ids.empty()) return done(std::move(response));
    Record(call, std::move(order_ids), kind,
           [response = std::move(response), done = std::move(done)](absl::Status recorded) mutable {
             if (!recorded.ok()) return done(std::move(recorded));
             done(std::move(response));
           });
  }

 private:
  void Record(const CallContext& call, std::set<std::string> order_ids, type::v1::DisclosureKind kind,
              absl::AnyInvocable<void(absl::Status)> then) const;

  const Clearance clearance_;
  Ledger* const ledger_;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_DISCRETION_H_
