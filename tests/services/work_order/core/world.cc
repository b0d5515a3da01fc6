#include "tests/services/work_order/core/world.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/sha256.h"
#include "common/error/error.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {

using type::v1::Command;
using type::v1::WorkOrder;

type::v1::OrderContent SampleContent() {
  type::v1::OrderContent content;
  content.set_type(type::v1::ORDER_TYPE_COMPLAINT);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(type::v1::URGENCY_NORMAL);
  content.set_title("夜间施工噪音扰民");
  content.set_text("来电人反映楼下工地凌晨仍在施工，\n请协调处理。");
  content.mutable_caller()->set_name("张三");
  content.mutable_caller()->set_phone("0908-4621234");
  content.mutable_place()->set_township_code("653024100");
  content.mutable_catalogue()->set_item("A3");
  return content;
}

namespace {

void SetHeader(const std::string& order_id, Command* command) {
  command->mutable_header()->set_request_id("request/000001");
  command->mutable_header()->set_order_id(order_id);
  command->mutable_header()->mutable_actor()->set_account("1001");
  command->mutable_header()->mutable_actor()->set_seat("07");
}

}  // namespace

Command MakeRegistration(const type::v1::OrderContent& content, const std::string& to) {
  Command command;
  SetHeader("", &command);
  *command.mutable_registration()->mutable_content() = content;
  if (!to.empty()) command.mutable_offer()->set_to_hotline(to);
  return command;
}

Command MakeCommand(Act act, const std::string& order_id, const std::string& other, absl::Time now) {
  Command command;
  SetHeader(order_id, &command);
  const auto escalate = [&](type::v1::Rung rung) {
    command.mutable_header()->mutable_actor()->set_account(kEscalationAccount);
    type::v1::Escalation* escalation = command.mutable_escalation();
    escalation->set_clock(type::v1::CLOCK_KIND_FINISH);
    escalation->set_rung(rung);
    escalation->set_armed_by_sequence(1);
    ToProto(now, escalation->mutable_due_time());
    escalation->set_duty_party("110");
  };
  const auto speak = [&](type::v1::VoiceOutcome outcome) {
    command.mutable_confirm_by_voice()->set_code("0000");
    command.mutable_confirm_by_voice()->set_outcome(outcome);
    command.mutable_confirm_by_voice()->set_spoken_with("2002");
  };
  switch (act) {
    case Act::kOffer:
      command.mutable_offer()->set_to_hotline(other);
      command.mutable_offer()->set_note("请协助");
      command.mutable_offer()->set_confirm_bounce(true);
      break;
    case Act::kAccept:
      command.mutable_acceptance()->set_note("收到");
      break;
    case Act::kReturn:
      command.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
      command.mutable_handoff_return()->set_reason("不属于我方职责");
      command.mutable_handoff_return()->set_proposed_item("A5");
      break;
    case Act::kRecall:
      command.mutable_recall()->set_reason("推送有误");
      break;
    case Act::kDispatch:
      command.mutable_unit_dispatch()->set_lead_unit("housing");
      command.mutable_unit_dispatch()->add_assist_units("water");
      break;
    case Act::kSign:
      command.mutable_signature();
      break;
    case Act::kAssist:
      command.mutable_signature()->set_unit("water");
      break;
    case Act::kProgress:
      command.mutable_progress()->set_note("已到现场");
      break;
    case Act::kExtend:
      // Later with each call, as extensions have to be.
      ToProto(now + absl::Hours(24), command.mutable_extension()->mutable_until_time());
      command.mutable_extension()->set_ground("材料不齐");
      command.mutable_extension()->set_approved_by("2001");
      break;
    case Act::kSuspend:
      ToProto(now + absl::Hours(12), command.mutable_suspension()->mutable_review_time());
      command.mutable_suspension()->set_reason("等待当事人");
      command.mutable_suspension()->set_approved_by("2001");
      break;
    case Act::kResume:
      command.mutable_resumption()->set_note("继续");
      break;
    case Act::kFinish: {
      type::v1::Reply* reply = command.mutable_completion()->mutable_reply();
      reply->set_disposition(type::v1::DISPOSITION_RESOLVED);
      reply->set_public_reply("已责令停工");
      reply->set_internal_reply("约谈了负责人");
      break;
    }
    case Act::kCallBack:
      command.mutable_call_back_record()->mutable_call_back()->set_reached(true);
      command.mutable_call_back_record()->mutable_call_back()->set_satisfaction(4);
      command.mutable_call_back_record()->mutable_call_back()->set_note("来电人表示满意");
      break;
    case Act::kRedo:
      command.mutable_redo_demand()->set_reason("噪音仍在");
      break;
    case Act::kClose:
      command.mutable_closure();
      break;
    case Act::kCancel:
      command.mutable_cancellation()->set_reason("重复登记");
      break;
    case Act::kArchive:
      command.mutable_archival();
      break;
    case Act::kRemind:
      escalate(type::v1::RUNG_REMIND);
      break;
    case Act::kUrge:
      escalate(type::v1::RUNG_URGE);
      break;
    case Act::kDoubt:
      escalate(type::v1::RUNG_DOUBT);
      command.mutable_escalation()->set_clock(type::v1::CLOCK_KIND_CONFIRM);
      break;
    case Act::kKeep:
      escalate(type::v1::RUNG_KEEP);
      command.mutable_escalation()->set_clock(type::v1::CLOCK_KIND_VOICE);
      break;
    case Act::kVoiceAccepts:
      speak(type::v1::VOICE_OUTCOME_PEER_ACCEPTS);
      break;
    case Act::kVoiceReturns:
      speak(type::v1::VOICE_OUTCOME_PEER_RETURNS);
      break;
    case Act::kVoiceKeeps:
      speak(type::v1::VOICE_OUTCOME_GIVER_KEEPS);
      break;
    case Act::kAlarm:
      command.mutable_header()->mutable_actor()->set_account(kAlarmAccount);
      command.mutable_alarm()->set_kind(type::v1::ALARM_KIND_RECEIPT_LATE);
      command.mutable_alarm()->mutable_offer_time();
      break;
    case Act::kCallPartners:
      command.mutable_partner_call()->add_to_hotlines(other);
      break;
    case Act::kDispute:
      command.mutable_dispute()->set_reason("双方均认为不属本单位职责");
      break;
    case Act::kRule:
      command.mutable_ruling()->set_unit("housing");
      command.mutable_ruling()->set_ground("按属地管理原则");
      command.mutable_ruling()->set_reference("联席会议纪要〔2026〕3号");
      command.mutable_ruling()->set_ruled_by("2001");
      break;
    case Act::kReopen:
      command.mutable_reopening()->set_reason("群众再次反映");
      break;
    case Act::kContact:
      command.mutable_caller_contact()->set_reached(true);
      command.mutable_caller_contact()->set_note("已电话联系来电人");
      break;
    case Act::kAskExtension:
      command.mutable_extension_request()->mutable_length()->set_kind(type::v1::TIME_KIND_WORKING_DAYS);
      command.mutable_extension_request()->mutable_length()->set_value(3);
      command.mutable_extension_request()->set_ground("需现场勘验");
      break;
    case Act::kGrantExtension:
      command.mutable_extension_decision()->set_approved(true);
      command.mutable_extension_decision()->set_caller_told(true);
      break;
    case Act::kReturnFromUnit:
      command.mutable_unit_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
      command.mutable_unit_return()->set_reason("属城管职责");
      break;
    case Act::kReassign:
      command.mutable_unit_reassignment()->mutable_dispatch()->set_lead_unit("chengguan");
      command.mutable_unit_reassignment()->set_reason("职责调整");
      break;
    case Act::kAccuse:
      command.mutable_accusation()->add_units("housing");
      command.mutable_accusation()->set_reason("来电人称承办单位即被反映单位");
      break;
    case Act::kMoveDeadline: {
      command.mutable_header()->mutable_actor()->set_account(kEscalationAccount);
      type::v1::DeadlineMove* move = command.mutable_deadline_move();
      move->set_clock(type::v1::CLOCK_KIND_FINISH);
      move->set_armed_by_sequence(1);
      ToProto(now, move->mutable_old_due_time());
      ToProto(now + absl::Hours(24), move->mutable_new_due_time());
      move->set_reason(type::v1::DEADLINE_MOVE_REASON_CALENDAR);
      move->set_duty_party("110");
      move->set_publication(1);
      break;
    }
    case Act::kAcknowledge:
      command.mutable_rung_acknowledgement()->set_clock(type::v1::CLOCK_KIND_FINISH);
      command.mutable_rung_acknowledgement()->set_rung(type::v1::RUNG_URGE);
      ToProto(now + absl::Hours(4), command.mutable_rung_acknowledgement()->mutable_until_time());
      break;
    case Act::kNotify: {
      command.mutable_header()->mutable_actor()->set_account(kEscalationAccount);
      type::v1::NotificationReport* report = command.mutable_notification_report();
      report->set_clock(type::v1::CLOCK_KIND_FINISH);
      report->set_armed_by_sequence(1);
      report->set_rung(type::v1::RUNG_URGE);
      report->set_round(1);
      type::v1::Notice* notice = report->add_notices();
      notice->set_person_id("p-001");
      notice->set_role("handler");
      notice->set_channel("desktop");
      notice->set_result(type::v1::NOTIFICATION_RESULT_REACHED);
      break;
    }
  }
  return command;
}

void FitTo(const WorkOrder& order, Command* command) {
  const type::v1::Handoff& handoff = order.handoff();
  if (command->escalation().rung() == type::v1::RUNG_DOUBT) {
    *command->mutable_escalation()->mutable_due_time() = handoff.confirm_by_time();
  } else if (command->escalation().rung() == type::v1::RUNG_KEEP) {
    *command->mutable_escalation()->mutable_due_time() = handoff.keep_by_time();
  } else if (command->has_confirm_by_voice()) {
    command->mutable_confirm_by_voice()->set_code(handoff.spoken_code().empty() ? "0000"
                                                                                : handoff.spoken_code());
  } else if (command->has_alarm()) {
    *command->mutable_alarm()->mutable_offer_time() = handoff.offer_time();
  }
}

World::World(int sites) : sites_(static_cast<size_t>(sites)), now_(absl::FromUnixSeconds(1'795'000'000)) {
  static constexpr const char* kHotlines[] = {"12345", "110", "119", "120"};
  for (int i = 0; i < sites; ++i) {
    Site& site = sites_[i].site;
    site.hotline = kHotlines[i];
    site.free_returns_per_unit = site.free_returns_per_order = std::numeric_limits<int>::max();
    for (int j = 0; j < sites; ++j) {
      if (j != i) site.peers.insert(kHotlines[j]);
    }
  }
}

void World::Fault(const std::string& what) {
  if (fault_.empty()) fault_ = what;
}

NewOrder World::Fresh(State* state) {
  return {.id = absl::StrFormat("%s%010d", state->site.hotline.substr(0, 3), state->next_order),
          .number = absl::StrFormat("%s-20261123-%06d", state->site.hotline, state->next_order),
          .content_salt = state->site.hotline.substr(0, 3) +
                          std::string(13, static_cast<char>('a' + state->next_order % 26))};
}

void World::Owe(State* state, const EnvelopeDraft& draft, const std::string& content) {
  exchange::v1::Envelope envelope;
  envelope.set_sequence(state->next_envelope++);
  envelope.set_handoff_id(draft.handoff_id);
  envelope.set_kind(draft.kind);
  envelope.set_body(draft.body);
  if (draft.kind == exchange::v1::ENVELOPE_KIND_OFFER) {
    exchange::v1::OfferBody tail;
    tail.set_content(content);
    envelope.mutable_body()->append(tail.SerializeAsString());
  }
  const auto to = std::find_if(sites_.begin(), sites_.end(),
                               [&](const State& other) { return other.site.hotline == draft.peer; });
  if (!state->site.peers.contains(draft.peer) || to == sites_.end())
    return Fault("an envelope for a stranger");
  state->outbox[static_cast<int>(to - sites_.begin())].push_back(std::move(envelope));
}

void World::Commit(State* state, Change change) {
  WorkOrder& after = change.after;
  if (const std::string fault = Unsound(after, state->site); !fault.empty()) Fault(fault);
  if (after.has_content()) Fault("a content in the order");
  const auto known = state->orders.find(after.id());
  if ((known == state->orders.end()) != change.creates) Fault("created twice, or never");
  const WorkOrder before = known == state->orders.end() ? WorkOrder() : known->second;
  if (after.version() != before.version() + 1) Fault("the version does not grow by one");
  if (after.custody().epoch() < before.custody().epoch()) Fault("the epoch went back");
  if ((after.custody().epoch() != before.custody().epoch()) !=
      (after.custody().holder() != before.custody().holder())) {
    // A return after acceptance that crosses no mirror moves twice, there and back, but each site sees both.
    Fault("holder and epoch do not move together");
  }
  const type::v1::Event& event = change.event;
  if (event.order_id() != after.id() || event.order_number() != after.number() ||
      event.order_version() != after.version() || event.state_before() != before.state() ||
      event.state() != after.state() ||
      event.custody().SerializeAsString() != after.custody().SerializeAsString() ||
      event.handoff_id() != after.handoff().id() || FromProto(event.commit_time()) != NowAt(*state)) {
    Fault("the event is not about the change");
  }
  if (event.detail_case() == type::v1::Event::DETAIL_NOT_SET) Fault("an event without a detail");
  if (event.replied().reply().internal_reply() != "" || event.called_back().note() != "") {
    Fault("the log has what it must not have");
  }
  if (change.creates) {
    ++state->next_order;
    state->contents[after.id()] = change.content;
    if (after.content_digest() != Sha256({after.content_salt(), change.content})) Fault("a wrong digest");
  }
  state->handoffs[after.handoff().id()] = after.id();
  state->log.push_back(event);
  for (const EnvelopeDraft& draft : change.envelopes) Owe(state, draft, state->contents[after.id()]);
  state->orders[after.id()] = after;
  const bool created = before.id().empty();
  for (const std::string& id : RelatedOrders(created ? nullptr : &before, after)) {
    const auto related = state->orders.find(id);
    if (related == state->orders.end()) continue;
    std::optional<Change> next =
        DecideRelated(related->second, created ? nullptr : &before, after, event, state->site, NowAt(*state));
    if (next.has_value()) Commit(state, *std::move(next));
  }
}

absl::StatusOr<std::string> World::Execute(int at, const Command& command) {
  now_ += absl::Seconds(1);
  State* state = &sites_[at];
  const auto order = state->orders.find(command.header().order_id());
  NewOrder fresh = Fresh(state);
  const auto bound = [&](const std::string& id) -> const WorkOrder* {
    const auto found = state->orders.find(id);
    return found == state->orders.end() ? nullptr : &found->second;
  };
  fresh.kept = bound(command.merger().into_order_id());
  fresh.parent = bound(command.registration().parent_order_id());
  if (fresh.parent != nullptr) fresh.parent_content = state->contents[fresh.parent->id()];
  absl::StatusOr<Change> change = Decide(order == state->orders.end() ? nullptr : &order->second, command,
                                         fresh, state->site, NowAt(*state));
  if (!change.ok()) return change.status();
  std::string id = change->after.id();
  Commit(state, *std::move(change));
  return id;
}

std::string World::Register(int at, const type::v1::OrderContent& content, bool push) {
  absl::StatusOr<std::string> id =
      Execute(at, MakeRegistration(content, push ? sites_[1 - at].site.hotline : ""));
  if (!id.ok()) {
    Fault(std::string(id.status().message()));
    return "";
  }
  return *id;
}

absl::StatusOr<std::string> World::Try(int at, Act act, const std::string& order_id) {
  Command command = MakeCommand(act, order_id, sites_[1 - at].site.hotline, now_ + absl::Seconds(1));
  FitTo(Order(at, order_id), &command);
  return Execute(at, command);
}

void World::Do(int at, Act act, const std::string& order_id) {
  absl::StatusOr<std::string> id = Try(at, act, order_id);
  if (!id.ok()) Fault(absl::StrCat("act ", static_cast<int>(act), ": ", id.status().message()));
}

void World::Push(int at, const std::string& order_id, int to) {
  absl::StatusOr<std::string> id =
      Execute(at, MakeCommand(Act::kOffer, order_id, sites_[to].site.hotline, now_ + absl::Seconds(1)));
  if (!id.ok()) Fault(absl::StrCat("push: ", id.status().message()));
}

bool World::Deliver(int from, int to_index) {
  std::deque<exchange::v1::Envelope>& owed = sites_[from].outbox[to_index];
  if (owed.empty()) return false;
  now_ += absl::Seconds(1);
  const exchange::v1::Envelope envelope = std::move(owed.front());
  owed.pop_front();
  State* to = &sites_[to_index];
  std::optional<ClockSkew> skew;
  if (measured_) skew = {.offset = sites_[from].shift - to->shift, .uncertainty = absl::ZeroDuration()};
  const auto order = to->handoffs.find(envelope.handoff_id());
  const auto known = sites_[from].handoffs.find(envelope.handoff_id());
  const bool hurries = known != sites_[from].handoffs.end() &&
                       sites_[from].orders.at(known->second).urgency() == type::v1::URGENCY_EMERGENCY;
  const Received received =
      DecideEnvelope(order == to->handoffs.end() ? nullptr : &to->orders.at(order->second), envelope,
                     sites_[from].site.hotline, Fresh(to), to->site, NowAt(*to), skew,
                     hurries ? exchange::v1::LANE_EMERGENCY : exchange::v1::LANE_ORDINARY);
  if (received.changes) Commit(to, received.change);
  for (const EnvelopeDraft& draft : received.envelopes) {
    if (draft.kind == exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD && strict_)
      Fault("not understood: " + draft.body);
    Owe(to, draft, "");
  }
  if (envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER) {
    sites_[from].receipts.emplace_back(envelope.handoff_id(), NowAt(*to));
  }
  return true;
}

bool World::Receipt(int to, std::optional<ClockSkew> skew) {
  State* state = &sites_[to];
  if (state->receipts.empty()) return false;
  now_ += absl::Seconds(1);
  const auto [handoff_id, time] = state->receipts.front();
  state->receipts.pop_front();
  const WorkOrder& order = state->orders.at(state->handoffs.at(handoff_id));
  Received received = DecideReceipt(order, handoff_id, time, state->site, NowAt(*state), skew);
  if (received.changes) Commit(state, std::move(received.change));
  return true;
}

void World::Settle() {
  bool moved = true;
  while (moved) {
    moved = false;
    for (int from = 0; from < size(); ++from) {
      for (int to = 0; to < size(); ++to) moved |= to != from && Deliver(from, to);
      moved |= Receipt(from);
    }
  }
}

std::string World::Twin(int at, const std::string& id) const { return Twin(at, Order(at, id).handoff()); }

std::string World::Twin(int at, const type::v1::Handoff& handoff) const {
  if (handoff.id().empty()) return "";
  const auto& handoffs = sites_[OtherSiteOf(at, handoff)].handoffs;
  const auto found = handoffs.find(handoff.id());
  return found == handoffs.end() ? "" : found->second;
}

int World::OtherSiteOf(int at, const type::v1::Handoff& handoff) const {
  const std::string& other = OtherSite(handoff, sites_[at].site);
  for (int i = 0; i < size(); ++i) {
    if (sites_[i].site.hotline == other) return i;
  }
  return at;
}

std::vector<std::string> World::Orders(int at) const {
  std::vector<std::string> ids;
  for (const auto& [id, order] : sites_[at].orders) ids.push_back(id);
  return ids;
}

}  // namespace hotline::work_order
