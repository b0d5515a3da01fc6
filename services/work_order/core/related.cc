// What a change of one order does to those that are bound to it. Declared in decide.h.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/utf8.h"
#include "services/work_order/core/decide.h"
#include "services/work_order/core/order.h"
#include "services/work_order/core/shared_view.h"

namespace hotline::work_order {
namespace {

using type::v1::Event;
using type::v1::MergedOrder;
using type::v1::PartnerOutcome;
using type::v1::WorkOrder;

constexpr char kRecorder[] = "service/work_order";
// Of a partner's reply as its incident shows it; the whole is in the partner's order.
constexpr int kMaxNote = 500;

// Where a partner's part has ended, or is open again.
constexpr StateSet kTold =
    In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_RETURNED,
       type::v1::ORDER_STATE_RECALLED, type::v1::ORDER_STATE_CANCELLED, type::v1::ORDER_STATE_REDO);
constexpr StateSet kHasResult = In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK,
                                   type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_ARCHIVED);

// One related order at work.
class Relation {
 public:
  Relation(const WorkOrder& related, const WorkOrder* before, const WorkOrder& after, const Event& event,
           const Site& site, absl::Time now)
      : related_(related), before_(before), after_(after), event_(event), site_(site), now_(now) {}

  std::optional<Change> Run() {
    // What is filed is not touched again.
    if (related_.state() == type::v1::ORDER_STATE_ARCHIVED) return std::nullopt;
    change_.after = related_;
    change_.after.clear_content();
    if (!Concerns()) return std::nullopt;
    DropFactsOfOtherStates(&change_.after);
    *change_.event.mutable_actor() = event_.actor();
    if (event_.mirrored() || change_.event.recovered()) {
      change_.event.mutable_actor()->Clear();
      change_.event.mutable_actor()->set_hotline(site_.hotline);
      change_.event.mutable_actor()->set_account(kRecorder);
    }
    change_.event.set_traceparent(event_.traceparent());
    Seal(&related_, now_, &change_);
    if (moves_ && (HasCounterpart(related_) || (change_.event.has_accused() && IsOpen(related_)))) {
      OweMirror(site_, change_.after.handoff(), change_.after.state(), &change_);
    }
    return std::move(change_);
  }

 private:
  bool Concerns() {
    if (related_.merged_into().order_id() == after_.id() && related_.has_merged_into()) return FollowKept();
    if (after_.merged_into().order_id() == related_.id() ||
        (before_ != nullptr && before_->merged_into().order_id() == related_.id())) {
      return (event_.has_accused() && TakeAccusation()) || NoteMerged();
    }
    return after_.parent_id() == related_.id() && NotePartner();
  }

  // `related_` was merged into the order that changed.
  bool FollowKept() {
    if (!IsMergedAtWork(related_)) return false;
    WorkOrder& after = change_.after;
    moves_ = true;
    if (Contains(kHasResult, after_.state()) && after_.has_reply()) {
      after.set_state(type::v1::ORDER_STATE_REPLIED);
      type::v1::Reply* reply = after.mutable_reply();
      *reply = after_.reply();
      // Each caller is contacted by themselves.
      reply->clear_caller_contacted();
      reply->clear_contact_time();
      after.clear_call_back();
      *change_.event.mutable_replied()->mutable_reply() = *reply;
      change_.event.mutable_replied()->mutable_reply()->clear_internal_reply();
      return true;
    }
    if (IsLost()) {
      type::v1::SeparatedDetail* detail = change_.event.mutable_separated();
      *detail->mutable_from() = after.merged_into();
      detail->mutable_separation()->set_reason("并入的工单未办结即告终止，恢复单独办理");
      after.clear_merged_into();
      after.set_state(type::v1::ORDER_STATE_ACCEPTED);
      return true;
    }
    if (event_.has_progressed()) {
      *change_.event.mutable_progressed() = event_.progressed();
      return true;
    }
    if (before_ != nullptr && LeadOf(after_) != LeadOf(*before_)) {
      // Whoever works on it now has this order's duty too; to its giver that is nothing new.
      moves_ = false;
      *change_.event.mutable_merged()->mutable_into() = after.merged_into();
      change_.event.mutable_merged()->set_lead_unit(LeadOf(after_));
      return true;
    }
    return false;
  }

  // What was accused of the merged matter is accused of the job.
  bool TakeAccusation() {
    type::v1::AccusedDetail* detail = change_.event.mutable_accused();
    *detail->mutable_accusation() = event_.accused().accusation();
    detail->mutable_accusation()->clear_dispatch();
    moves_ = Recuse(detail->accusation().units(), &change_.after);
    if (!moves_) {
      change_.event.Clear();
      return false;
    }
    EndRecusedWork(site_, &change_.after, detail);
    return true;
  }

  static std::string LeadOf(const WorkOrder& order) {
    return order.units_size() > 0 ? order.units(0).unit() : std::string();
  }

  // The job will not be done where this site can see it.
  bool IsLost() const {
    if (Contains(kGivenBack, after_.state())) return after_.custody().holder() != site_.hotline;
    return Contains(kEnded, after_.state());
  }

  // The order that changed is, or was until now, merged into `related_`.
  bool NoteMerged() {
    auto* list = change_.after.mutable_merged_orders();
    const auto known = std::find_if(list->begin(), list->end(),
                                    [&](const MergedOrder& one) { return one.order_id() == after_.id(); });
    MergedOrder now;
    if (known != list->end()) now = *known;
    const bool gone = after_.merged_into().order_id() != related_.id();
    if (gone && known == list->end()) return false;
    if (!gone && known != list->end() && now.state() == after_.state()) return false;
    now.set_order_id(after_.id());
    now.set_number(after_.number());
    now.set_origin_hotline(after_.origin_hotline());
    if (!gone) *now.mutable_merge_time() = after_.merged_into().merge_time();
    now.set_state(after_.state());
    if (gone) {
      list->erase(known);
    } else if (known != list->end()) {
      *known = now;
    } else {
      *list->Add() = now;
      // Whom the merged matter accuses may not be given the job either; that stays so.
      Recuse(after_.facts().recused_units(), &change_.after);
    }
    type::v1::MergedOrderDetail* detail = change_.event.mutable_merged_order();
    *detail->mutable_order() = std::move(now);
    detail->set_separated(gone);
    return true;
  }

  // The order that changed is a partner's part of `related_`.
  bool NotePartner() {
    // It came back after a restore, which had lost the call with it.
    const bool found = before_ == nullptr ? event_.recovered() : before_->parent_id().empty();
    if (found) change_.after.set_partner_count(related_.partner_count() + 1);
    const bool moved = before_ == nullptr || found || before_->state() != after_.state();
    const type::v1::Handoff& handoff = after_.handoff();
    if (!moved || !Contains(kTold, after_.state())) {
      if (!found) return false;
      type::v1::PartnerCall* call = change_.event.mutable_partners_called();
      call->add_to_hotlines(handoff.to_hotline());
      call->set_kind(handoff.kind());
      call->set_note(handoff.note());
      change_.event.set_recovered(true);
      return true;
    }
    PartnerOutcome outcome;
    outcome.set_order_id(after_.id());
    outcome.set_number(after_.number());
    outcome.set_hotline(handoff.to_hotline());
    outcome.set_kind(handoff.kind());
    outcome.set_state(after_.state());
    // What is restricted says no more to whoever sees the incident.
    const bool tells = !after_.facts().restricted() || related_.facts().restricted();
    if (after_.has_reply()) {
      outcome.set_disposition(after_.reply().disposition());
      if (tells) outcome.set_note(std::string(TruncateCodePoints(after_.reply().public_reply(), kMaxNote)));
    } else if (after_.state() == type::v1::ORDER_STATE_RETURNED && tells) {
      outcome.set_note(handoff.returned().reason());
    }
    ToProto(now_, outcome.mutable_record_time());
    auto* list = change_.after.mutable_partner_outcomes();
    const auto known = std::find_if(list->begin(), list->end(),
                                    [&](const PartnerOutcome& one) { return one.order_id() == after_.id(); });
    if (known != list->end()) list->erase(known);
    while (list->size() >= kMaxPartnerOutcomes) list->erase(list->begin());
    *list->Add() = outcome;
    *change_.event.mutable_partner_ended()->mutable_outcome() = std::move(outcome);
    return true;
  }

  const WorkOrder& related_;
  const WorkOrder* const before_;
  const WorkOrder& after_;
  const Event& event_;
  const Site& site_;
  const absl::Time now_;
  Change change_;
  // Whoever handed `related_` over is to see it.
  bool moves_ = false;
};

}  // namespace

std::vector<std::string> RelatedOrders(const WorkOrder* before, const WorkOrder& after) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (!id.empty() && id != after.id() && std::find(ids.begin(), ids.end(), id) == ids.end()) {
      ids.push_back(id);
    }
  };
  add(after.parent_id());
  add(after.merged_into().order_id());
  if (before != nullptr) add(before->merged_into().order_id());
  for (const MergedOrder& merged : after.merged_orders()) add(merged.order_id());
  return ids;
}

std::optional<Change> DecideRelated(const WorkOrder& related, const WorkOrder* before, const WorkOrder& after,
                                    const Event& event, const Site& site, absl::Time now) {
  return Relation(related, before, after, event, site, now).Run();
}

}  // namespace hotline::work_order
