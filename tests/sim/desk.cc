#include "tests/sim/desk.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"

namespace hotline::sim {
namespace {

using dispatch::v1::PushWorkOrderRequest;
using dispatch::v1::PushWorkOrderResponse;
using type::v1::Command;

// What an action is made from.
struct Scene {
  Dice& dice;
  Site& site;
  const OrderView& order;
};

constexpr uint32_t In() { return 0; }
template <typename... States>
constexpr uint32_t In(type::v1::OrderState state, States... states) {
  return (1u << state) | In(states...);
}
constexpr uint32_t kAny = ~0u;
constexpr uint32_t kAtWork =
    In(type::v1::ORDER_STATE_ACCEPTED, type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED,
       type::v1::ORDER_STATE_IN_PROGRESS, type::v1::ORDER_STATE_REDO);
constexpr uint32_t kAnswered = In(type::v1::ORDER_STATE_REPLIED, type::v1::ORDER_STATE_CALLED_BACK);

google::protobuf::Timestamp Later(Scene& scene, int64_t seconds) {
  return ToTimestamp(scene.site.clock()->Now() + absl::Seconds(scene.dice.Between(1, seconds)));
}

// Everything that an operator can do with an order that is there: a new command is a new row. `states` are
// those in which it is worth a thought; often it is not legal all the same, and sometimes it is tried anyway.
struct Action {
  const char* name;
  int weight;
  uint32_t states;
  void (*fill)(Scene& scene, Command* command);
  Repertoire from = Repertoire::kCommon;  // of this and larger ones
};

void OfferToAny(Scene& scene, Command* command) {
  const auto& peers = scene.site.peers();
  const size_t peer = static_cast<size_t>(scene.dice.Below(static_cast<int64_t>(peers.size())));
  command->mutable_offer()->set_to_hotline(peers[peer]->hotline());
}

constexpr Action kActions[] = {
    {"accept", 10,
     In(type::v1::ORDER_STATE_UNDERSTOOD, type::v1::ORDER_STATE_REGISTERED, type::v1::ORDER_STATE_RETURNED,
        type::v1::ORDER_STATE_RECALLED),
     [](Scene&, Command* command) { command->mutable_acceptance(); }},
    {"return", 3, In(type::v1::ORDER_STATE_UNDERSTOOD, type::v1::ORDER_STATE_ACCEPTED),
     [](Scene&, Command* command) {
       command->mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
       command->mutable_handoff_return()->set_reason("不属于本单位职责");
     }},
    {"recall", 3,
     In(type::v1::ORDER_STATE_OFFERED, type::v1::ORDER_STATE_RECEIVED, type::v1::ORDER_STATE_UNDERSTOOD),
     [](Scene&, Command* command) { command->mutable_recall()->set_reason("推送有误"); }},
    {"push again", 6,
     In(type::v1::ORDER_STATE_REGISTERED, type::v1::ORDER_STATE_RETURNED, type::v1::ORDER_STATE_RECALLED),
     OfferToAny},
    {"dispatch", 5, In(type::v1::ORDER_STATE_ACCEPTED),
     [](Scene& scene, Command* command) {
       command->mutable_unit_dispatch()->set_lead_unit("zhujianju");
       if (scene.dice.Percent(30)) command->mutable_unit_dispatch()->add_assist_units("gonganju");
     }},
    {"sign", 5, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_signature();
       if (scene.dice.Percent(20)) command->mutable_signature()->set_unit("gonganju");
     }},
    {"progress", 4, kAtWork,
     [](Scene&, Command* command) { command->mutable_progress()->set_note("已派人到场"); }},
    {"extend", 2, kAtWork,
     [](Scene& scene, Command* command) {
       *command->mutable_extension()->mutable_until_time() = Later(scene, 60);
       command->mutable_extension()->set_ground("需要更多时间");
       command->mutable_extension()->set_approved_by("3001");
     }},
    {"suspend", 2, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_suspension()->set_reason("等候材料");
       *command->mutable_suspension()->mutable_review_time() = Later(scene, 600);
       command->mutable_suspension()->set_approved_by("3001");
     }},
    {"resume", 2, kAtWork, [](Scene&, Command* command) { command->mutable_resumption(); }},
    {"finish", 5, kAtWork,
     [](Scene& scene, Command* command) {
       auto* reply = command->mutable_completion()->mutable_reply();
       reply->set_disposition(type::v1::DISPOSITION_RESOLVED);
       reply->set_public_reply(StrCat("已修复 ", scene.dice.Below(1'000'000)));
       reply->set_internal_reply("内部记录");
     }},
    {"call back", 4, kAnswered,
     [](Scene&, Command* command) {
       command->mutable_call_back_record()->mutable_call_back()->set_reached(true);
       command->mutable_call_back_record()->mutable_call_back()->set_settled(true);
     }},
    {"redo", 3, kAnswered,
     [](Scene&, Command* command) { command->mutable_redo_demand()->set_reason("群众不满意"); }},
    {"close", 2, kAnswered, [](Scene&, Command* command) { command->mutable_closure(); }},
    {"contact", 2, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_caller_contact()->set_reached(scene.dice.Percent(60));
     }},
    {"ask for an extension", 2, kAtWork,
     [](Scene& scene, Command* command) {
       auto* request = command->mutable_extension_request();
       request->set_ground("需要更多时间");
       if (scene.dice.Percent(50)) {
         *request->mutable_until_time() = Later(scene, 60);
       } else {
         request->mutable_length()->set_kind(type::v1::TIME_KIND_CLOCK_TIME);
         request->mutable_length()->set_value(scene.dice.Between(1, 30));
       }
     }},
    {"decide an extension", 2, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_extension_decision()->set_approved(scene.dice.Percent(70));
       command->mutable_extension_decision()->set_note("已审核");
     }},
    {"return from a unit", 1, kAtWork,
     [](Scene&, Command* command) {
       command->mutable_unit_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
       command->mutable_unit_return()->set_reason("不属于本单位职责");
     }},
    {"reassign", 1, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_unit_reassignment()->mutable_dispatch()->set_lead_unit(
           scene.dice.Percent(50) ? "gonganju" : "zhujianju");
       command->mutable_unit_reassignment()->set_reason("职责调整");
     }},
    {"cancel", 1,
     In(type::v1::ORDER_STATE_REGISTERED, type::v1::ORDER_STATE_ACCEPTED, type::v1::ORDER_STATE_RETURNED,
        type::v1::ORDER_STATE_RECALLED),
     [](Scene&, Command* command) { command->mutable_cancellation()->set_reason("重复登记"); }},
    {"archive", 1, In(type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_CANCELLED),
     [](Scene&, Command* command) { command->mutable_archival(); }},
    {"pass on", 6, kAtWork & ~In(type::v1::ORDER_STATE_REDO), OfferToAny, Repertoire::kAll},
    {"accept for danger", 2, In(type::v1::ORDER_STATE_UNDERSTOOD),
     [](Scene& scene, Command* command) {
       command->mutable_acceptance()->set_danger_first(scene.site.dispatches_first());
     },
     Repertoire::kAll},
    {"dispute", 4, In(type::v1::ORDER_STATE_UNDERSTOOD, type::v1::ORDER_STATE_RETURNED),
     [](Scene&, Command* command) { command->mutable_dispute()->set_reason("双方均认为不属本单位职责"); },
     Repertoire::kAll},
    {"rule on", 3,
     In(type::v1::ORDER_STATE_UNDERSTOOD, type::v1::ORDER_STATE_RETURNED, type::v1::ORDER_STATE_ACCEPTED),
     [](Scene& scene, Command* command) {
       type::v1::Ruling* ruling = command->mutable_ruling();
       if (scene.dice.Percent(50)) {
         const auto& peers = scene.site.peers();
         const size_t peer = static_cast<size_t>(scene.dice.Below(static_cast<int64_t>(peers.size())));
         ruling->set_to_hotline(peers[peer]->hotline());
       } else {
         ruling->set_unit("zhujianju");
       }
       ruling->set_ground("按属地管理原则");
       ruling->set_reference("联席会议纪要〔2026〕3号");
       ruling->set_ruled_by("2001");
     },
     Repertoire::kAll},
    {"reopen", 4, In(type::v1::ORDER_STATE_CLOSED),
     [](Scene&, Command* command) { command->mutable_reopening()->set_reason("群众再次反映"); },
     Repertoire::kAll},
    {"confirm by voice", 4,
     In(type::v1::ORDER_STATE_OFFERED, type::v1::ORDER_STATE_RECEIVED, type::v1::ORDER_STATE_UNDERSTOOD),
     [](Scene& scene, Command* command) {
       type::v1::ConfirmByVoice* spoken = command->mutable_confirm_by_voice();
       // Now and then it was misheard.
       spoken->set_code(scene.dice.Percent(95) ? scene.order.spoken_code : "0000");
       spoken->set_outcome(static_cast<type::v1::VoiceOutcome>(
           scene.dice.Between(type::v1::VoiceOutcome_MIN + 1, type::v1::VoiceOutcome_MAX)));
       spoken->set_spoken_with("2001");
     },
     Repertoire::kAll},
    {"dispatch with help", 4, In(type::v1::ORDER_STATE_ACCEPTED),
     [](Scene& scene, Command* command) {
       type::v1::UnitDispatch* dispatch = command->mutable_unit_dispatch();
       dispatch->set_lead_unit(scene.dice.Percent(50) ? "zhujianju" : "shuiliju");
       dispatch->add_assist_units("gonganju");
       if (scene.dice.Percent(40)) dispatch->add_assist_units("jiaotongju");
     },
     Repertoire::kUnits},
    {"report as a helper", 3, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_progress()->set_note("已协助处理");
       command->mutable_progress()->set_unit(scene.dice.Percent(70) ? "gonganju" : "jiaotongju");
     },
     Repertoire::kUnits},
    {"part done", 6, kAtWork,
     [](Scene& scene, Command* command) {
       command->mutable_progress()->set_note("协办事项已完成");
       command->mutable_progress()->set_unit(scene.dice.Percent(70) ? "gonganju" : "jiaotongju");
       command->mutable_progress()->set_part_done(true);
     },
     Repertoire::kUnits},
    {"return after a while", 4, In(type::v1::ORDER_STATE_DISPATCHED, type::v1::ORDER_STATE_SIGNED),
     [](Scene&, Command* command) {
       command->mutable_unit_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
       command->mutable_unit_return()->set_reason("经核实不属本单位职责");
     },
     Repertoire::kUnits},
    {"accuse", 2, kAny,
     [](Scene& scene, Command* command) {
       command->mutable_accusation()->add_units(scene.dice.Percent(50) ? "gonganju" : "zhujianju");
       command->mutable_accusation()->set_reason("来电人称该单位即被反映单位");
     },
     Repertoire::kUnits},
};

// In the order of their repertoires.
constexpr int64_t Count(Repertoire repertoire) {
  return std::count_if(std::begin(kActions), std::end(kActions),
                       [&](const Action& action) { return action.from <= repertoire; });
}

const Action& Choose(Dice& dice, int state, Repertoire repertoire, const std::vector<std::string>& favours) {
  constexpr int kFavour = 12;
  const uint32_t wanted = dice.Percent(85) ? 1u << state : kAny;
  const auto fits = [&](const Action& action) {
    return (action.states & wanted) != 0 && action.from <= repertoire;
  };
  const auto weight = [&](const Action& action) {
    const bool favoured = std::find(favours.begin(), favours.end(), action.name) != favours.end();
    return favoured ? action.weight * kFavour : action.weight;
  };
  int64_t total = 0;
  for (const Action& action : kActions) total += fits(action) ? weight(action) : 0;
  if (total == 0) return kActions[dice.Below(Count(repertoire))];
  int64_t at = dice.Below(total);
  for (const Action& action : kActions) {
    if (!fits(action)) continue;
    if ((at -= weight(action)) < 0) return action;
  }
  return kActions[0];
}

// Whether asking again makes no sense.
bool IsFinal(const absl::Status& status) {
  return status.code() != absl::StatusCode::kUnavailable &&
         status.code() != absl::StatusCode::kResourceExhausted &&
         status.code() != absl::StatusCode::kDeadlineExceeded;
}

constexpr absl::Duration kEmergencyLimit = absl::Seconds(10);
// What an answer may take beyond its limit: dispatch looks every 50 ms, and the answer crosses the site.
constexpr absl::Duration kEmergencySlack = absl::Seconds(1);
constexpr int64_t kTurnsToReply = 5;

}  // namespace

std::shared_ptr<Desk::Wish> Desk::NewWish(Site& site, type::v1::CommandHeader* header) {
  auto wish = std::make_shared<Wish>();
  wish->site = &site;
  wish->request_id = StrCat("request-", ++requests_, "-", site.hotline());
  wish->account = StrCat("op", requests_, "-", site.hotline());
  header->set_request_id(wish->request_id);
  header->mutable_actor()->set_account(wish->account);
  wishes_.push_back(wish);
  return wish;
}

void Desk::Push(Site& site) {
  const int count = dice_->Percent(5) ? static_cast<int>(dice_->Between(2, 4)) : 1;
  std::vector<std::shared_ptr<Wish>> wishes;
  for (int i = 0; i < count; ++i) {
    PushWorkOrderRequest request;
    auto wish = NewWish(site, request.mutable_header());
    wish->is_push = true;
    wish->is_new = true;
    auto* content = request.mutable_content();
    content->set_type(static_cast<type::v1::OrderType>(dice_->Between(1, 4)));
    content->set_channel(type::v1::CHANNEL_PHONE);
    content->set_urgency(static_cast<type::v1::Urgency>(dice_->Between(1, 3)));
    content->set_title(StrCat("路灯不亮 ", requests_));
    content->set_text("小区门口的路灯坏了三天");
    if (dice_->Percent(50)) {
      content->mutable_caller()->set_anonymous(true);
    } else {
      content->mutable_caller()->set_phone(StrCat("1390000", 1000 + dice_->Below(5)));
    }
    wish->emergency = content->urgency() == type::v1::URGENCY_EMERGENCY;
    const auto& peers = site.peers();
    const size_t peer = static_cast<size_t>(dice_->Below(static_cast<int64_t>(peers.size())));
    request.mutable_offer()->set_to_hotline(peers[peer]->hotline());
    if (dice_->Percent(20)) request.mutable_receipt_wait()->set_seconds(dice_->Below(8));
    wish->push = std::move(request);
    wishes.push_back(std::move(wish));
  }
  last_ = StrCat(site.hotline(), ": push ", wishes[0]->request_id, " to ",
                 wishes[0]->push.offer().to_hotline(), wishes[0]->emergency ? ", emergency" : "");
  if (count == 1) return Send(wishes[0]);
  SendTogether(site, wishes);
}

void Desk::Act(Site& site) {
  const std::vector<OrderView>& orders = witness_->orders(site.index());
  if (orders.empty()) return;
  const int64_t count = static_cast<int64_t>(orders.size());
  // Mostly one of the latest.
  const int64_t newest = dice_->Percent(70) ? std::max<int64_t>(0, count - 6) : 0;
  const OrderView& order = orders[static_cast<size_t>(dice_->Between(newest, count - 1))];
  const Action& action = Choose(*dice_, order.state, repertoire_, favours_);
  Command command;
  auto wish = NewWish(site, command.mutable_header());
  command.mutable_header()->set_order_id(order.id);
  if (dice_->Percent(20)) command.mutable_header()->set_expected_version(order.version);
  Scene scene{*dice_, site, order};
  action.fill(scene, &command);
  if (command.has_offer()) {
    wish->is_push = true;
    *wish->push.mutable_header() = command.header();
    *wish->push.mutable_offer() = command.offer();
  } else {
    wish->command = std::move(command);
  }
  last_ = StrCat(site.hotline(), ": ", action.name, " ", order.id, " by ", wish->account);
  Send(wish);
}

void Desk::CallPartners(Site& site) {
  const std::vector<OrderView>& orders = witness_->orders(site.index());
  if (orders.empty()) return;
  const int64_t count = static_cast<int64_t>(orders.size());
  const OrderView& order =
      orders[static_cast<size_t>(dice_->Between(std::max<int64_t>(0, count - 6), count - 1))];
  dispatch::v1::PushToPartnersRequest request;
  auto wish = NewWish(site, request.mutable_header());
  wish->is_call = true;
  request.mutable_header()->set_order_id(order.id);
  for (const Site* peer : site.peers()) {
    if (dice_->Percent(70)) request.mutable_partner_call()->add_to_hotlines(peer->hotline());
  }
  if (request.partner_call().to_hotlines().empty()) {
    request.mutable_partner_call()->add_to_hotlines(site.peers()[0]->hotline());
  }
  request.mutable_partner_call()->set_note("请协同处置");
  if (dice_->Percent(50)) request.mutable_receipt_wait()->set_seconds(dice_->Below(4));
  last_ = StrCat(site.hotline(), ": calls ", request.partner_call().to_hotlines_size(), " partners for ",
                 order.id, " by ", wish->account);
  wish->call = std::move(request);
  Send(wish);
}

void Desk::Misuse(Site& site) {
  if (!site.up(Part::kDispatch)) return;
  // The request of an order that was pushed here.
  const auto mine = [&](const auto& entry) {
    return entry.first.ends_with(StrCat("-", site.hotline())) && entry.first.find('/') == std::string::npos;
  };
  const auto used = std::find_if(acknowledged_.begin(), acknowledged_.end(), mine);
  if (used == acknowledged_.end()) return;
  Command command;
  command.mutable_header()->set_request_id(used->first);
  command.mutable_header()->set_order_id(used->second.first);
  command.mutable_header()->mutable_actor()->set_account(StrCat("misuse", ++requests_));
  command.mutable_progress()->set_note("另一件事");
  last_ = StrCat(site.hotline(), ": misuses ", used->first);
  site.dispatch()->Execute(
      NewCall(site, absl::Seconds(5)), std::move(command),
      [this, request = used->first](absl::StatusOr<workorder::v1::CommandResult> result) {
        if (!IsFinal(result.status()) || absl::IsAlreadyExists(result.status())) return;
        witness_->Violate("same_answer", StrCat(request, " was taken for something else"));
      });
}

void Desk::AskAgain() {
  if (wishes_.empty()) return;
  const auto wish = wishes_[static_cast<size_t>(dice_->Below(static_cast<int64_t>(wishes_.size())))];
  last_ = StrCat(wish->site->hotline(), ": again ", wish->request_id);
  Send(wish);
}

void Desk::AskAllAgain() {
  const auto wishes = wishes_;
  for (const auto& wish : wishes) Send(wish);
}

void Desk::Forget(const Site& site) {
  std::erase_if(acknowledged_,
                [&](const auto& entry) { return entry.first.ends_with(StrCat("-", site.hotline())); });
  for (const auto& wish : wishes_) wish->answered |= wish->site == &site;
  std::erase_if(wishes_, [&](const auto& wish) { return wish->site == &site; });
}

CallContext Desk::NewCall(Site& site, absl::Duration patience) {
  CallContext call;
  call.now = site.clock()->Now();
  call.deadline = call.now + patience;
  call.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  return call;
}

void Desk::Send(const std::shared_ptr<Wish>& wish) {
  Site& site = *wish->site;
  if (!site.up(Part::kDispatch)) return;
  const absl::Duration patience = absl::Seconds(dice_->Between(2, 15));
  const CallContext call = NewCall(site, patience);
  if (wish->is_call) {
    site.dispatch()->PushToPartners(
        call, wish->call, [this, wish](absl::StatusOr<dispatch::v1::PushToPartnersResponse> response) {
          if (!response.ok()) return OnRefused(wish, response.status());
          OnCalled(wish, *response);
        });
    return;
  }
  if (!wish->is_push) {
    site.dispatch()->Execute(call, wish->command,
                             [this, wish](absl::StatusOr<workorder::v1::CommandResult> result) {
                               if (!result.ok()) return OnRefused(wish, result.status());
                               OnDone(wish, result->event_sequence());
                             });
    return;
  }
  auto answered = std::make_shared<bool>(false);
  if (wish->emergency) {
    const absl::Duration limit =
        wish->push.has_receipt_wait() ? FromProtoDuration(wish->push.receipt_wait()) : kEmergencyLimit;
    emergencies_.push_back({.server = site.life(Part::kDispatch),
                            .account = wish->account,
                            .site = &site,
                            .limit = absl::ToInt64Nanoseconds(std::min(limit, patience) + kEmergencySlack),
                            .turn_before = site.turns(),
                            .again = wish->asked || witness_->Did(site.index(), wish->account),
                            .answered = answered});
  }
  wish->asked = true;
  site.dispatch()->PushWorkOrder(call, wish->push,
                                 [this, wish, answered](absl::StatusOr<PushWorkOrderResponse> response) {
                                   *answered = true;
                                   if (!response.ok()) return OnRefused(wish, response.status());
                                   OnPush(wish, *response, true);
                                 });
}

void Desk::SendTogether(Site& site, const std::vector<std::shared_ptr<Wish>>& wishes) {
  if (!site.up(Part::kDispatch)) return;
  dispatch::v1::BatchPushWorkOrdersRequest request;
  for (const auto& wish : wishes) {
    *request.add_requests() = wish->push;
    wish->asked = true;
  }
  site.dispatch()->BatchPushWorkOrders(
      NewCall(site, absl::Seconds(10)), std::move(request),
      [this, wishes](absl::StatusOr<dispatch::v1::BatchPushWorkOrdersResponse> response) {
        for (size_t i = 0; i < wishes.size(); ++i) {
          if (!response.ok()) {
            OnRefused(wishes[i], response.status());
            continue;
          }
          const auto& result = response->results(static_cast<int>(i));
          if (result.has_error()) {
            OnRefused(wishes[i], error::FromProto(result.error()));
          } else {
            OnPush(wishes[i], result.response(), false);
          }
        }
      });
}

void Desk::OnPush(const std::shared_ptr<Wish>& wish, const PushWorkOrderResponse& response, bool may_wait) {
  OnAcknowledged(wish->request_id, response, may_wait);
  OnDone(wish, response.event_sequence());
}

void Desk::OnAcknowledged(const std::string& request, const PushWorkOrderResponse& response, bool may_wait) {
  const auto& order = response.order();
  const auto told = std::make_pair(order.id(), order.handoff().id());
  const auto [it, fresh] = acknowledged_.emplace(request, told);
  if (!fresh && it->second != told) witness_->Violate("same_answer", StrCat(request, " got two answers"));
  if (response.status() == dispatch::v1::DELIVERY_STATUS_RECEIVED) {
    const std::string& to = order.handoff().to_hotline();
    if (!witness_->HasHandoff(to, order.handoff().id())) {
      witness_->Violate("answer_true", StrCat(request, " was told that ", to, " has it, and it has not"));
    }
  } else if (order.urgency() == type::v1::URGENCY_EMERGENCY) {
    telephoned_ += may_wait ? 1 : 0;
    if (!response.telephone_required()) {
      witness_->Violate("emergency_told", StrCat(request, " was not told to use the telephone"));
    }
  }
}

// Each partner has an order of its own, once, and is told of as a push is.
void Desk::OnCalled(const std::shared_ptr<Wish>& wish, const dispatch::v1::PushToPartnersResponse& response) {
  bool whole = true;
  for (const dispatch::v1::PartnerResult& result : response.results()) {
    if (result.has_error()) {
      // The incident may have moved on between its own commit and its children's; else they are asked for
      // again.
      whole &= IsFinal(error::FromProto(result.error()));
      continue;
    }
    const std::string request = StrCat(wish->request_id.substr(0, wish->request_id.rfind('-')), "/",
                                       result.hotline(), "-", wish->site->hotline());
    OnAcknowledged(request, result.response(), /*may_wait=*/true);
  }
  if (whole) OnDone(wish, response.event_sequence());
}

void Desk::OnDone(const std::shared_ptr<Wish>& wish, int64_t event_sequence) {
  if (!witness_->Logged(wish->site->index(), event_sequence, wish->account)) {
    witness_->Violate("answer_true", StrCat(wish->request_id, " was told that it is #", event_sequence,
                                            " at ", wish->site->hotline(), ", and it is not"));
  }
  done_ += std::exchange(wish->answered, true) ? 0 : 1;
  std::erase(wishes_, wish);
}

void Desk::OnRefused(const std::shared_ptr<Wish>& wish, const absl::Status& status) {
  if (!IsFinal(status) || wish->answered) return;
  if (wish->is_new) {
    witness_->Violate("push_taken", StrCat(wish->request_id, " was refused: ", ToStd(status.message())));
  }
  ++refused_;
  wish->answered = true;
  std::erase(wishes_, wish);
}

void Desk::CheckEmergencies() {
  std::erase_if(emergencies_, [&](Waiting& waiting) {
    if (*waiting.answered || waiting.server.expired()) return true;
    // Before its commit nothing is promised: the desktop sees its call fail.
    if (waiting.committed < 0 && witness_->Did(waiting.site->index(), waiting.account))
      waiting.committed = kernel_->now();
    if (waiting.committed >= 0 && waiting.again &&
        waiting.site->turns() < waiting.turn_before + kTurnsToReply)
      waiting.committed = std::max(waiting.committed, waiting.site->turn_end());
    if (waiting.committed < 0 || kernel_->now() < waiting.committed + waiting.limit) return false;
    witness_->Violate("emergency_told",
                      StrCat("the emergency of ", waiting.account, " was committed ",
                             (kernel_->now() - waiting.committed) / 1'000'000, " ms ago, may wait for ",
                             waiting.limit / 1'000'000, " ms and has no answer"));
    return true;
  });
}

}  // namespace hotline::sim
