#include "tests/sim/world.h"

#include <stdlib.h>

#include <algorithm>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::sim {
namespace {

type::v1::OrderContent Content(Dice* dice) {
  type::v1::OrderContent content;
  content.set_type(type::v1::ORDER_TYPE_HELP);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(static_cast<type::v1::Urgency>(1 + dice->Below(3)));
  content.set_title("路灯不亮");
  content.set_text("小区门口的路灯坏了三天");
  content.mutable_caller()->set_anonymous(true);
  return content;
}

}  // namespace

// ---- Wire
// ------------------------------------------------------------------------------------------------------

void Wire::Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                   Done<exchange::v1::DeliverResponse> done) {
  // A dispatch that has died hears no answer.
  auto shared = std::make_shared<Done<exchange::v1::DeliverResponse>>(
      [life = owner_->dispatch_life(),
       done = std::move(done)](absl::StatusOr<exchange::v1::DeliverResponse> response) mutable {
        if (!life.expired()) done(std::move(response));
      });
  const auto fail = [this, shared] {
    steps_->PostAfter(absl::Milliseconds(20),
                      [shared] { (*shared)(absl::UnavailableError("lost on the way")); });
  };
  const auto delay = [this] { return absl::Milliseconds(1 + dice_->Below(weather_->max_delay_ms)); };
  if (weather_->cut || dice_->Percent(weather_->lost_requests)) return fail();
  const bool lose_answer = dice_->Percent(weather_->lost_answers);
  const int copies = dice_->Percent(weather_->doubled) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    const bool answers = copy == 0;
    steps_->PostAfter(delay(), [this, call, request, shared, fail, answers, lose_answer, delay] {
      if (site_ == nullptr || site_->dispatch() == nullptr) {
        if (answers) fail();
        return;
      }
      // A peer that dies with the call in hand never answers; the caller's time-out does.
      auto answered = std::make_shared<bool>(!answers);
      if (answers) {
        steps_->PostAfter(absl::Seconds(2), [answered, shared] {
          if (!std::exchange(*answered, true)) (*shared)(absl::DeadlineExceededError("no answer"));
        });
      }
      site_->dispatch()->Deliver(call, request,
                                 [this, answered, lose_answer, shared,
                                  delay](absl::StatusOr<exchange::v1::DeliverResponse> response) {
                                   if (lose_answer || *answered) return;
                                   steps_->PostAfter(
                                       delay(), [answered, shared, response = std::move(response)]() mutable {
                                         if (!std::exchange(*answered, true)) (*shared)(std::move(response));
                                       });
                                 });
    });
  }
}

void Wire::GetLink(const CallContext&, exchange::v1::GetLinkRequest,
                   Done<exchange::v1::GetLinkResponse> done) {
  done(absl::UnimplementedError("the links do not ask"));
}

// ---- Site
// ------------------------------------------------------------------------------------------------------

class Site::Line : public Ledger {
 public:
  Line(Site* site, ProcessExecutor* caller) : site_(site), life_(caller->life()), steps_(site->steps_) {}

  void Execute(const CallContext& call, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    Carry(&Ledger::Execute, call, std::move(request), std::move(done));
  }
  void ApplyInbox(const CallContext& call, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    Carry(&Ledger::ApplyInbox, call, std::move(request), std::move(done));
  }
  void PullOutbox(const CallContext& call, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    Carry(&Ledger::PullOutbox, call, std::move(request), std::move(done));
  }
  void ReadEvents(const CallContext& call, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override {
    Carry(&Ledger::ReadEvents, call, std::move(request), std::move(done));
  }
  void ListLinkCursors(const CallContext& call, workorder::v1::ListLinkCursorsRequest request,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override {
    Carry(&Ledger::ListLinkCursors, call, std::move(request), std::move(done));
  }

 private:
  template <typename Request, typename Response>
  void Carry(void (Ledger::*method)(const CallContext&, Request, Done<Response>), const CallContext& call,
             Request request, Done<Response> done) {
    // Answered once: by work_order, or, when it dies with the call in hand, as a broken connection is.
    struct Pending {
      test::Steps* steps;
      std::weak_ptr<int> life;
      Done<Response> done;
      void Answer(absl::StatusOr<Response> response) {
        if (!done) return;
        steps->Post([life = life, done = std::move(done), response = std::move(response)]() mutable {
          if (!life.expired()) done(std::move(response));
        });
        done = nullptr;
      }
      ~Pending() { Answer(error::WorkOrderUnreachable("connection lost")); }
    };
    auto pending = std::make_shared<Pending>();
    pending->steps = steps_;
    pending->life = life_;
    pending->done = std::move(done);
    steps_->Post([site = site_, method, call, request = std::move(request), pending]() mutable {
      if (site->engine_ == nullptr) return;
      (site->engine_.get()->*method)(call, std::move(request), [pending](absl::StatusOr<Response> response) {
        pending->Answer(std::move(response));
      });
    });
  }

  Site* const site_;
  const std::weak_ptr<int> life_;
  test::Steps* const steps_;
};

Site::Site(std::string hotline, std::string peer, std::string directory, test::Steps* steps, Dice* dice,
           Weather* weather)
    : hotline_(std::move(hotline)),
      peer_(std::move(peer)),
      directory_(std::move(directory)),
      steps_(steps),
      wire_(this, steps, dice, weather) {}

void Site::StartWorkOrder() {
  auto store = work_order::Store::Open({.directory = directory_, .hotline = hotline_});
  if (!store.ok()) abort();
  work_order_executor_ = std::make_unique<ProcessExecutor>(steps_);
  auto reader = (*store)->NewReader();
  if (!reader.ok()) abort();
  work_order::EngineOptions options;
  options.site.hotline = hotline_;
  options.site.peers = {peer_};
  // Small, so that the paths past memory are walked too.
  options.ring_items = 8;
  options.cached_orders = 16;
  options.commit_batch = 4;
  options.draw_salt = [this] { return BigEndian64(++salt_) + BigEndian64(0); };
  auto engine = work_order::Engine::Create(*std::move(store), std::move(options), steps_->clock(),
                                           work_order_executor_.get());
  if (!engine.ok()) abort();
  engine_ = *std::move(engine);
  orders_ = std::make_unique<work_order::WorkOrderService>(engine_.get(), *std::move(reader),
                                                           work_order_executor_.get(),
                                                           work_order_executor_.get(), steps_->clock());
}

void Site::KillWorkOrder() {
  orders_.reset();
  engine_.reset();
  work_order_executor_.reset();
}

void Site::StartDispatch() {
  dispatch_executor_ = std::make_unique<ProcessExecutor>(steps_);
  line_ = std::make_unique<Line>(this, dispatch_executor_.get());
  dispatch::DispatchOptions options;
  options.hotline = hotline_;
  options.link.delivery_batch = 5;
  options.link.backoff_max = absl::Milliseconds(400);
  dispatch_ = std::make_unique<dispatch::DispatchService>(
      line_.get(), std::map<std::string, Peer*>{{peer_, &wire_}}, dispatch_executor_.get(), steps_->clock(),
      std::move(options));
  dispatch_->Start();
}

void Site::KillDispatch() {
  dispatch_executor_.reset();
  dispatch_.reset();
  line_.reset();
}

std::weak_ptr<int> Site::dispatch_life() const {
  return dispatch_executor_ == nullptr ? std::weak_ptr<int>() : dispatch_executor_->life();
}

std::vector<type::v1::WorkOrder> Site::AllOrders() {
  std::vector<type::v1::WorkOrder> all;
  int64_t after = 0;
  while (true) {
    auto orders = engine_->store().reader().ScanOrders(after, 100);
    if (!orders.ok()) abort();
    if (orders->empty()) return all;
    for (auto& order : *orders) all.push_back(std::move(order));
    after = *ParseOrderId(all.back().id());
  }
}

work_order::LinkRow Site::LinkToPeer() {
  auto links = engine_->store().reader().Links();
  if (!links.ok()) abort();
  for (auto& link : *links) {
    if (link.peer == peer_) return link;
  }
  return {};
}

// ---- World
// -----------------------------------------------------------------------------------------------------

World::World(uint64_t seed) : steps_(absl::FromUnixSeconds(1'795'000'000)), dice_(seed) {
  std::string pattern = (std::filesystem::temp_directory_path() / "hotline-sim-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) abort();
  directory_ = pattern;
  sites_.push_back(std::make_unique<Site>("12345", "110", directory_ / "12345", &steps_, &dice_, &weather_));
  sites_.push_back(std::make_unique<Site>("110", "12345", directory_ / "110", &steps_, &dice_, &weather_));
  sites_[0]->wire()->Aim(sites_[1].get());
  sites_[1]->wire()->Aim(sites_[0].get());
  ReviveAll();
}

World::~World() {
  for (auto& site : sites_) {
    site->KillDispatch();
    site->KillWorkOrder();
  }
  steps_.Clear();
  std::filesystem::remove_all(directory_);
}

void World::ReviveAll() {
  for (auto& site : sites_) {
    if (site->engine() == nullptr) site->StartWorkOrder();
    if (site->dispatch() == nullptr) site->StartDispatch();
  }
}

// Lets time pass in small steps; both committers run whenever they have work.
void World::Settle(absl::Duration time) {
  const auto run = [this] {
    bool moved = true;
    while (moved) {
      steps_.RunDue();
      moved = false;
      for (auto& site : sites_) {
        while (site->engine() != nullptr && site->engine()->RunBatch()) moved = true;
      }
    }
  };
  for (absl::Duration passed; passed < time; passed += absl::Milliseconds(2)) {
    run();
    steps_.Advance(absl::Milliseconds(2));
  }
  run();
}

void World::Send(const std::shared_ptr<Wish>& wish) {
  Site& site = *sites_[static_cast<size_t>(wish->site)];
  if (site.dispatch() == nullptr) return;
  CallContext call;
  call.now = steps_.clock()->Now();
  call.deadline = call.now + absl::Seconds(5);
  call.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto forget = [this, wish] { std::erase(wishes_, wish); };
  const auto final_answer = [](const absl::Status& status) {
    return status.ok() || (status.code() != absl::StatusCode::kUnavailable &&
                           status.code() != absl::StatusCode::kResourceExhausted);
  };
  if (wish->is_push) {
    site.dispatch()->PushWorkOrder(
        call, wish->push,
        [this, wish, forget, final_answer](absl::StatusOr<dispatch::v1::PushWorkOrderResponse> response) {
          if (response.ok()) {
            const auto& order = response->order();
            const auto told = std::make_pair(order.id(), order.handoff().id());
            const auto [it, fresh] = acknowledged_.emplace(wish->push.header().request_id(), told);
            if (!fresh && it->second != told) broken_ = "the same request got two answers";
          } else if (final_answer(response.status()) && !wish->push.content().title().empty() &&
                     wish->push.header().order_id().empty()) {
            broken_ = StrCat("a push was refused: ", ToStd(response.status().message()));
          }
          if (final_answer(response.status())) forget();
        });
    return;
  }
  site.dispatch()->Execute(call, wish->command,
                           [forget, final_answer](absl::StatusOr<workorder::v1::CommandResult> result) {
                             if (final_answer(result.status())) forget();
                           });
}

void World::Push(int site) {
  auto wish = std::make_shared<Wish>();
  wish->site = site;
  wish->is_push = true;
  wish->push.mutable_header()->set_request_id(StrCat("push-", ++requests_, "-", site));
  wish->push.mutable_header()->mutable_actor()->set_account("1001");
  *wish->push.mutable_content() = Content(&dice_);
  wish->push.mutable_offer()->set_to_hotline(site == 0 ? "110" : "12345");
  wishes_.push_back(wish);
  Send(wish);
}

// Something an operator may do to a random order here; much of it is refused, as in life.
void World::Act(int site_index) {
  Site& site = *sites_[static_cast<size_t>(site_index)];
  if (!site.up()) return;
  const std::vector<type::v1::WorkOrder> orders = site.AllOrders();
  if (orders.empty()) return;
  const auto& order = orders[static_cast<size_t>(dice_.Below(static_cast<int64_t>(orders.size())))];
  auto wish = std::make_shared<Wish>();
  wish->site = site_index;
  type::v1::CommandHeader header;
  header.set_request_id(StrCat("act-", ++requests_, "-", site_index));
  header.set_order_id(order.id());
  header.mutable_actor()->set_account("2001");
  type::v1::Command& command = wish->command;
  *command.mutable_header() = header;
  switch (dice_.Below(12)) {
    case 0:
    case 1:
    case 2:
      command.mutable_acceptance();
      break;
    case 3:
      command.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
      command.mutable_handoff_return()->set_reason("不属于本单位职责");
      break;
    case 4:
      command.mutable_recall()->set_reason("推送有误");
      break;
    case 5:
      command.mutable_unit_dispatch()->set_lead_unit("zhujianju");
      break;
    case 6:
      command.mutable_signature();
      break;
    case 7:
      command.mutable_progress()->set_note("已派人到场");
      break;
    case 8:
      command.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
      command.mutable_completion()->mutable_reply()->set_public_reply("已修复");
      break;
    case 9:
      command.mutable_redo_demand()->set_reason("群众不满意");
      break;
    case 10:
      command.mutable_closure();
      break;
    default:
      // Push once more what came back, or pass on what is here.
      wish->is_push = true;
      wish->push.mutable_offer()->set_confirm_bounce(true);
      *wish->push.mutable_header() = header;
      wish->push.mutable_offer()->set_to_hotline(site_index == 0 ? "110" : "12345");
  }
  wishes_.push_back(wish);
  Send(wish);
}

void World::KillSomething() {
  ++kills_;
  Site& site = *sites_[static_cast<size_t>(dice_.Below(2))];
  if (dice_.Percent(50)) {
    site.KillDispatch();
  } else {
    site.KillWorkOrder();
  }
}

void World::Run(int steps) {
  for (int i = 0; i < steps && broken_.empty(); ++i) {
    const int64_t what = dice_.Below(100);
    const int site = static_cast<int>(dice_.Below(2));
    if (what < 25) {
      Push(site);
    } else if (what < 70) {
      Act(site);
    } else if (what < 76) {
      KillSomething();
    } else if (what < 84) {
      ReviveAll();
    } else if (what < 88) {
      weather_ = {.lost_requests = static_cast<int>(dice_.Below(40)),
                  .lost_answers = static_cast<int>(dice_.Below(40)),
                  .doubled = static_cast<int>(dice_.Below(40)),
                  .max_delay_ms = static_cast<int>(1 + dice_.Below(50)),
                  .cut = dice_.Percent(20)};
    } else if (!wishes_.empty()) {
      Send(wishes_[static_cast<size_t>(dice_.Below(static_cast<int64_t>(wishes_.size())))]);
    }
    Settle(absl::Milliseconds(dice_.Below(30)));
  }
}

void World::Heal() {
  weather_ = {};
  ReviveAll();
  Settle(absl::Seconds(3));
  // Whoever has no answer yet asks again.
  for (int round = 0; round < 5 && !wishes_.empty(); ++round) {
    const auto open = wishes_;
    for (const auto& wish : open) Send(wish);
    Settle(absl::Seconds(2));
  }
  Settle(absl::Seconds(12));
}

int64_t World::transitions() {
  return sites_[0]->engine()->head_sequence() + sites_[1]->engine()->head_sequence();
}

std::string World::Fault() {
  if (!broken_.empty()) return broken_;
  if (!wishes_.empty()) return StrCat(wishes_.size(), " commands never got an answer");

  std::map<std::string, type::v1::WorkOrder> by_handoff[2];
  for (size_t i = 0; i < 2; ++i) {
    for (const type::v1::WorkOrder& order : sites_[i]->AllOrders()) {
      if (order.custody().holder().empty()) return StrCat("order ", order.number(), " has no holder");
      if (order.handoff().id().empty()) return StrCat("order ", order.number(), " was never offered");
      if (!by_handoff[i].emplace(order.handoff().id(), order).second) {
        return StrCat("handoff ", order.handoff().id(), " has two orders at ", sites_[i]->hotline());
      }
      for (const auto& past : order.past_handoffs()) by_handoff[i].emplace(past.id(), type::v1::WorkOrder());
      // Passed on: what its giver sees of it is checked in the core's laws.
      if (order.has_inbound()) by_handoff[i].emplace(order.inbound().id(), type::v1::WorkOrder());
    }
  }
  for (const auto& [request, told] : acknowledged_) {
    for (size_t i = 0; i < 2; ++i) {
      if (!by_handoff[i].contains(told.second)) {
        return StrCat("acknowledged handoff ", told.second, " is not at ", sites_[i]->hotline());
      }
    }
  }
  for (const auto& [handoff, ours] : by_handoff[0]) {
    const auto theirs = by_handoff[1].find(handoff);
    if (theirs == by_handoff[1].end()) return StrCat("handoff ", handoff, " is at one site only");
    // A handoff that ended is history at the giver; the taker's order of it stands where it ended.
    if (ours.id().empty() || theirs->second.id().empty()) continue;
    if (ours.state() != theirs->second.state() && ours.state() != type::v1::ORDER_STATE_ARCHIVED &&
        theirs->second.state() != type::v1::ORDER_STATE_ARCHIVED) {
      // After a return or a recall the giver goes on by itself.
      const auto ended = [](type::v1::OrderState state) {
        return state == type::v1::ORDER_STATE_RETURNED || state == type::v1::ORDER_STATE_RECALLED;
      };
      if (!ended(ours.state()) && !ended(theirs->second.state())) {
        return StrCat("handoff ", handoff, " stands at ", type::v1::OrderState_Name(ours.state()), " and at ",
                      type::v1::OrderState_Name(theirs->second.state()));
      }
      continue;
    }
    if (ours.custody().holder() != theirs->second.custody().holder()) {
      return StrCat("handoff ", handoff, " is held by ", ours.custody().holder(), " and by ",
                    theirs->second.custody().holder());
    }
  }
  for (size_t i = 0; i < 2; ++i) {
    const work_order::LinkRow out = sites_[i]->LinkToPeer();
    const work_order::LinkRow in = sites_[1 - i]->LinkToPeer();
    if (out.outgoing_sequence != in.incoming_sequence || out.outgoing_hash != in.incoming_hash) {
      return StrCat("the link from ", sites_[i]->hotline(), " has not arrived whole");
    }
    if (out.acknowledged_sequence != out.outgoing_sequence) {
      return StrCat("the link from ", sites_[i]->hotline(), " is not acknowledged");
    }
    std::string verified = "no answer";
    sites_[i]->orders()->VerifyLog(
        {}, {}, [&verified](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
          verified = response.ok() ? response->fault() : std::string(response.status().message());
        });
    Settle(absl::Milliseconds(10));
    if (!verified.empty()) return StrCat(sites_[i]->hotline(), ": ", verified);
  }
  return "";
}

}  // namespace hotline::sim
