#include "services/work_order/core/custody.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

using type::v1::Event;
using workorder::v1::CustodyCondition;
using workorder::v1::CustodyInterval;
using workorder::v1::CustodyTenure;

// Reads the events one by one and keeps what the conditions depend on.
class Chain {
 public:
  explicit Chain(std::string_view hotline) : hotline_(hotline) {}

  // `at` is when the event counts, never before the last one's.
  void Add(const Event& event, absl::Time at) {
    Doubt(at);
    Learn(event);
    if (tenures_.empty() || tenures_.back().holder() != event.custody().holder() ||
        tenures_.back().epoch() != event.custody().epoch()) {
      Begin(event, at);
    } else {
      Mark(Condition(at), at);
    }
  }

  std::vector<CustodyTenure> Take(absl::Time at) && {
    Doubt(at);
    return std::move(tenures_);
  }

 private:
  void Learn(const Event& event) {
    state_ = event.state();
    handoff_id_ = event.handoff_id();
    const type::v1::Handoff* handoff = event.has_offered()      ? &event.offered().handoff()
                                       : event.has_understood() ? &event.understood().handoff()
                                                                : nullptr;
    if (handoff != nullptr) {
      peers_[handoff->id()] =
          handoff->from_hotline() == hotline_ ? handoff->to_hotline() : handoff->from_hotline();
      // An earlier one may be found again after the order has gone on.
      if (handoff->id() == handoff_id_) {
        if (event.has_offered()) doubted_ = false;
        confirm_by_ =
            handoff->has_confirm_by_time() ? FromProto(handoff->confirm_by_time()) : absl::InfiniteFuture();
      }
    }
    if (event.has_in_doubt()) doubted_ = true;
    // A record may be of an earlier offer.
    if (event.has_voice_confirmed() && event.voice_confirmed().handoff_id() == handoff_id_) {
      doubted_ = false;
      confirm_by_ = absl::InfiniteFuture();
    }
    if (event.has_disputed()) disputed_ = true;
    if (event.has_ruled()) disputed_ = false;
  }

  CustodyCondition Condition(absl::Time at) const {
    if (Contains(kOnOffer, state_)) {
      return doubted_ || Silent(at) ? workorder::v1::CUSTODY_CONDITION_IN_DOUBT
                                    : workorder::v1::CUSTODY_CONDITION_OFFERED;
    }
    const bool disputed = disputed_ && !Contains(kEnded, state_);
    return disputed ? workorder::v1::CUSTODY_CONDITION_DISPUTED : workorder::v1::CUSTODY_CONDITION_HELD;
  }

  // Nothing says by `at` that the peer has read the offer, and its confirm-by time has passed. One that has
  // may have until a later time to accept, which only the giver's escalation knows: it records the doubt.
  bool Silent(absl::Time at) const {
    return Contains(kOnOffer, state_) && state_ != type::v1::ORDER_STATE_UNDERSTOOD && confirm_by_ <= at;
  }

  // Time comes to `at`: an offer of which nothing was heard by then is in doubt from its confirm-by time on.
  void Doubt(absl::Time at) {
    if (tenures_.empty() || !Silent(at)) return;
    const absl::Time from = FromProto(tenures_.back().intervals().rbegin()->from_time());
    Mark(workorder::v1::CUSTODY_CONDITION_IN_DOUBT, std::max(confirm_by_, from));
  }

  void Begin(const Event& event, absl::Time at) {
    if (!tenures_.empty()) {
      ToProto(at, tenures_.back().mutable_until_time());
      ToProto(at, tenures_.back().mutable_intervals()->rbegin()->mutable_until_time());
    }
    CustodyTenure& tenure = tenures_.emplace_back();
    tenure.set_holder(event.custody().holder());
    tenure.set_epoch(event.custody().epoch());
    ToProto(at, tenure.mutable_from_time());
    *tenure.mutable_hold_time() = event.custody().hold_time();
    if (const auto* field = event.GetDescriptor()->FindFieldByNumber(static_cast<int>(event.detail_case()));
        field != nullptr) {
      tenure.set_event_kind(field->name());
    }
    tenure.set_event_sequence(event.sequence());
    *tenure.mutable_actor() = event.actor();
    tenure.set_mirrored(event.mirrored());
    Interval(Condition(at), at);
  }

  // The condition is this from `at` on.
  void Mark(CustodyCondition condition, absl::Time at) {
    CustodyInterval& last = *tenures_.back().mutable_intervals()->rbegin();
    if (last.condition() == condition && last.handoff_id() == handoff_id_) return;
    ToProto(at, last.mutable_until_time());
    Interval(condition, at);
  }

  void Interval(CustodyCondition condition, absl::Time at) {
    CustodyInterval* interval = tenures_.back().add_intervals();
    interval->set_condition(condition);
    ToProto(at, interval->mutable_from_time());
    interval->set_handoff_id(handoff_id_);
    if (const auto peer = peers_.find(handoff_id_); peer != peers_.end()) interval->set_peer(peer->second);
  }

  const std::string_view hotline_;
  std::vector<CustodyTenure> tenures_;
  int state_ = 0;
  std::string handoff_id_;
  std::map<std::string, std::string> peers_;  // by handoff
  absl::Time confirm_by_ = absl::InfiniteFuture();
  bool doubted_ = false;  // the current offer: this site recorded it
  bool disputed_ = false;
};

}  // namespace

std::vector<CustodyTenure> CustodyChain(const std::vector<Event>& events, std::string_view hotline,
                                        absl::Time at) {
  Chain chain(hotline);
  absl::Time counts = absl::InfinitePast();
  for (const Event& event : events) {
    counts = std::max(counts, FromProto(event.commit_time()));
    if (counts > at) break;
    chain.Add(event, counts);
  }
  return std::move(chain).Take(at);
}

absl::StatusOr<workorder::v1::WhoHoldsResponse> WhoHolds(const std::vector<Event>& events,
                                                         std::string_view hotline, absl::Time at) {
  std::vector<CustodyTenure> tenures = CustodyChain(events, hotline, at);
  if (tenures.empty()) {
    const std::string first =
        events.empty()
            ? ""
            : absl::FormatTime("%Y-%m-%d %H:%M:%S", FromProto(events.front().commit_time()), Beijing());
    return error::BadField(error::Reason::ERROR_REASON_TIME_INVALID, "at_time",
                           StrCat("lies before this site registered the order, ", first),
                           StrCat("早于本平台登记该工单的时间（", first, "）"));
  }
  workorder::v1::WhoHoldsResponse response;
  response.set_holder(tenures.back().holder());
  *response.mutable_interval() = *tenures.back().intervals().rbegin();
  *response.mutable_tenure() = std::move(tenures.back());
  return response;
}

}  // namespace hotline::work_order
