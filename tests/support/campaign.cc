#include "tests/support/campaign.h"

#include <stdio.h>

#include <algorithm>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/support/orders.h"

namespace hotline::test {
namespace {

constexpr int kPushersPerSite = 4;
constexpr absl::Duration kSettle = absl::Seconds(90);

void Fill(const std::string& order_id, type::v1::CommandHeader* header) {
  NextRequestId(header->mutable_request_id());
  header->set_order_id(order_id);
  header->mutable_actor()->set_account("2001");
}

}  // namespace

Campaign::Campaign(std::string name, absl::Duration duration, uint64_t seed, absl::Duration pace)
    : name_(std::move(name)), duration_(duration), seed_(seed), pace_(pace) {}

int Campaign::Run() {
  for (Site* site : {&sites_.a, &sites_.b}) site->config().mutable_dispatch()->set_backoff_max_ms(200);
  if (const absl::Status prepared = Prepare(); !prepared.ok()) return Report(prepared.ToString());
  if (const absl::Status started = sites_.StartAll(); !started.ok()) return Report(started.ToString());
  std::vector<std::thread> load;
  for (Site* site : {&sites_.a, &sites_.b}) {
    for (int i = 0; i < kPushersPerSite; ++i) load.emplace_back([=, this] { PushUntilStopped(site, i); });
    load.emplace_back([=, this] { WorkUntilStopped(site); });
  }
  Disturb();
  if (!Failed()) CheckAllRun();
  stop_ = true;
  for (std::thread& thread : load) thread.join();
  if (Failed()) return Report("");
  Settle();
  if (!Failed()) Compare();
  if (!Failed()) CompareMore();
  return Report("");
}

void Campaign::Fault(const std::string& what) {
  MutexLock lock(&mu_);
  Record(what);
}

void Campaign::Record(const std::string& what) {
  if (faults_.size() < 20) faults_.push_back(what);
  failed_ = true;
}

// True: try the same request again.
bool Campaign::Retry(const char* what, const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::CANCELLED:
      ++retries_;
      absl::SleepFor(absl::Milliseconds(20));
      return true;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
      return false;  // the order moved on meanwhile
    default:
      Fault(absl::StrCat(what, " failed: ", status.error_code(), " ", status.error_message()));
      return false;
  }
}

// New orders, each retried with its request id until it is acknowledged, whatever dies meanwhile.
void Campaign::PushUntilStopped(Site* site, int pusher) {
  std::mt19937_64 random(seed_ * 1000 + static_cast<uint64_t>(site == &sites_.a ? 0 : 100) +
                         static_cast<uint64_t>(pusher));
  const auto stub = dispatch::v1::DispatchService::NewStub(site->NewChannelTo(Service::kDispatch));
  const auto pace = static_cast<uint64_t>(absl::ToInt64Microseconds(pace_));
  for (int n = 0; !stop_ && !Failed(); ++n) {
    Promise promise{
        .site = site, .request = MakePush(n, Peer(site).hotline()), .order_id = "", .handoff_id = ""};
    // Tells an order apart in lists, whatever id it got.
    promise.request.mutable_content()->set_title(
        absl::StrCat("order ", site->hotline(), " ", pusher, " ", n));
    if (random() % 4 == 0) promise.request.mutable_receipt_wait()->set_nanos(300'000'000);
    dispatch::v1::PushWorkOrderResponse response;
    const absl::Time give_up = absl::Now() + duration_ + kSettle;
    while (true) {
      Call call(absl::Seconds(3));
      const grpc::Status status = stub->PushWorkOrder(&call, promise.request, &response);
      if (status.ok()) break;
      if (absl::Now() > give_up) Fault("a push was never acknowledged");
      if (Failed() || !Retry("push", status)) return Fault("a push was refused: " + status.error_message());
    }
    promise.order_id = response.order().id();
    promise.handoff_id = response.order().handoff().id();
    const bool recall = random() % 16 == 0;
    {
      MutexLock lock(&mu_);
      promises_.push_back(promise);
    }
    if (recall) {
      dispatch::v1::RecallHandoffRequest request;
      NextRequestId(request.mutable_header()->mutable_request_id());
      request.mutable_header()->set_order_id(promise.order_id);
      request.mutable_header()->mutable_actor()->set_account("1001");
      request.mutable_recall()->set_reason("试验撤回");
      Command(site, "recall", [&](grpc::ClientContext* call, type::v1::WorkOrder* order) {
        dispatch::v1::RecallHandoffResponse answer;
        const grpc::Status status = stub->RecallHandoff(call, request, &answer);
        *order = answer.order();
        return status;
      });
    }
    absl::SleepFor(absl::Microseconds(static_cast<int64_t>(random() % pace)));
  }
}

// The desk of the taker: accepts, returns, or leaves what is offered, and works on what it accepted.
void Campaign::WorkUntilStopped(Site* site) {
  std::mt19937_64 random(seed_ * 1000 + (site == &sites_.a ? 50 : 150));
  const auto records = workorder::v1::WorkOrderService::NewStub(site->NewChannelTo(Service::kWorkOrder));
  const auto desk = dispatch::v1::DispatchService::NewStub(site->NewChannelTo(Service::kDispatch));
  std::set<std::string> left;
  while (!stop_ && !Failed()) {
    workorder::v1::ListWorkOrdersRequest list;
    list.mutable_filter()->add_states(type::v1::ORDER_STATE_UNDERSTOOD);
    list.set_page_size(100);
    workorder::v1::ListWorkOrdersResponse page;
    Call call(absl::Seconds(3));
    if (!records->ListWorkOrders(&call, list, &page).ok()) absl::SleepFor(absl::Milliseconds(20));
    for (const type::v1::WorkOrder& order : page.orders()) {
      if (stop_ || Failed()) break;
      if (order.handoff().to_hotline() != site->hotline() || left.contains(order.id())) continue;
      const uint64_t dice = random() % 10;
      if (dice >= 8) {
        left.insert(order.id());
      } else if (dice >= 6) {
        dispatch::v1::ReturnHandoffRequest request;
        Fill(order.id(), request.mutable_header());
        request.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
        request.mutable_handoff_return()->set_reason("试验退回");
        Command(site, "return", [&](grpc::ClientContext* context, type::v1::WorkOrder* after) {
          dispatch::v1::ReturnHandoffResponse answer;
          const grpc::Status status = desk->ReturnHandoff(context, request, &answer);
          *after = answer.order();
          return status;
        });
      } else {
        dispatch::v1::AcceptHandoffRequest accept;
        Fill(order.id(), accept.mutable_header());
        Command(site, "accept", [&](grpc::ClientContext* context, type::v1::WorkOrder* after) {
          dispatch::v1::AcceptHandoffResponse answer;
          const grpc::Status status = desk->AcceptHandoff(context, accept, &answer);
          *after = answer.order();
          return status;
        });
        if (dice >= 3) continue;
        dispatch::v1::FinishHandoffRequest finish;
        Fill(order.id(), finish.mutable_header());
        finish.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
        finish.mutable_completion()->mutable_reply()->set_public_reply("试验办结");
        Command(site, "finish", [&](grpc::ClientContext* context, type::v1::WorkOrder* after) {
          dispatch::v1::FinishHandoffResponse answer;
          const grpc::Status status = desk->FinishHandoff(context, finish, &answer);
          *after = answer.order();
          return status;
        });
      }
    }
    absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(random() % 100)));
  }
}

// One command, retried until it has an answer; what was acknowledged must be there at the end.
template <typename Send>
void Campaign::Command(Site* site, const char* what, const Send& send) {
  while (!Failed()) {
    Call call(absl::Seconds(3));
    type::v1::WorkOrder after;
    const grpc::Status status = send(&call, &after);
    if (status.ok()) {
      MutexLock lock(&mu_);
      int64_t& version = versions_[site][after.id()];
      version = std::max(version, after.version());
      ++commands_;
      return;
    }
    if (!Retry(what, status)) return;
  }
}

void Campaign::KillAndRestart(std::mt19937_64& random) {
  // Mostly one, sometimes a whole site or more.
  const uint64_t victims = random() % 8 == 0 ? 1 + random() % 63 : uint64_t{1} << random() % 6;
  ForEach(victims, [&](Site& site, Service service) {
    site.Kill(service);
    Count("kill_" + site.hotline() + "_" + NameOf(service));
  });
  absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(random() % 200)));
  // Sometimes again, in the middle of starting.
  if (random() % 3 == 0) {
    ForEach(victims, [&](Site& site, Service service) { Must(site.Launch(service)); });
    absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(random() % 60)));
    ForEach(victims, [&](Site& site, Service service) {
      site.Kill(service);
      Count("kill_" + site.hotline() + "_" + NameOf(service));
    });
  }
  ForEach(victims, [&](Site& site, Service service) { Must(site.Launch(service)); });
  ForEach(victims, [&](Site& site, Service service) { Must(site.AwaitReady(service)); });
}

void Campaign::CheckAllRun() {
  for (Site* site : {&sites_.a, &sites_.b}) {
    for (const Service service : kServices) {
      if (!site->Running(service)) Fault(site->hotline() + " " + NameOf(service) + " ended by itself");
    }
  }
}

void Campaign::ForEach(uint64_t victims, const std::function<void(Site&, Service)>& act) {
  for (size_t i = 0; i < 6; ++i) {
    if (victims >> i & 1) act(i < 3 ? sites_.a : sites_.b, kServices[i % 3]);
  }
}

void Campaign::Must(const absl::Status& status) {
  if (!status.ok()) Fault(status.ToString());
}

// Waits until both links are acknowledged to their ends, twice without a move between.
void Campaign::Settle() {
  std::string before;
  const bool settled = Eventually(
      [&] {
        absl::SleepFor(absl::Milliseconds(200));
        std::string now;
        for (Site* site : {&sites_.a, &sites_.b}) {
          dispatch::v1::ListLinksResponse links;
          Call call;
          if (!site->dispatch().ListLinks(&call, {}, &links).ok() || links.links_size() != 2) return false;
          for (const dispatch::v1::LinkStatus& link : links.links()) {
            absl::StrAppend(&now, link.outgoing_sequence(), "/", link.incoming_sequence(), " ");
            if (link.acknowledged_sequence() != link.outgoing_sequence()) now = "moving";
          }
        }
        const bool same = now == before && now.find("moving") == std::string::npos;
        before = now;
        return same;
      },
      kSettle);
  if (!settled) Fault("the links did not come to rest: " + before);
}

std::map<std::string, type::v1::WorkOrder> Campaign::ListByTitle(Site& site) {
  std::map<std::string, type::v1::WorkOrder> orders;
  workorder::v1::ListWorkOrdersRequest request;
  request.set_page_size(500);
  do {
    workorder::v1::ListWorkOrdersResponse page;
    Call call(absl::Seconds(30));
    const grpc::Status status = site.work_order().ListWorkOrders(&call, request, &page);
    if (!status.ok()) {
      Fault("list: " + status.error_message());
      break;
    }
    for (const type::v1::WorkOrder& order : page.orders()) {
      if (!orders.emplace(order.title(), order).second) {
        Fault(absl::StrCat(site.hotline(), " has ", order.number(), " twice"));
      }
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return orders;
}

void Campaign::Compare() {
  const std::map<std::string, type::v1::WorkOrder> at[2] = {ListByTitle(sites_.a), ListByTitle(sites_.b)};
  MutexLock lock(&mu_);
  for (int i = 0; i < 2; ++i) {
    if (at[i].size() != promises_.size()) {
      Record(absl::StrCat("site ", i == 0 ? "12345" : "110", " has ", at[i].size(), " orders for ",
                          promises_.size(), " promises"));
    }
  }
  for (const Promise& promise : promises_) {
    const bool from_a = promise.site == &sites_.a;
    const auto giver = at[from_a ? 0 : 1].find(promise.request.content().title());
    const auto taker = at[from_a ? 1 : 0].find(promise.request.content().title());
    const std::string name = promise.handoff_id;
    if (giver == at[from_a ? 0 : 1].end()) {
      Record(name + " is lost at the giver");
      continue;
    }
    if (taker == at[from_a ? 1 : 0].end()) {
      Record(name + " is lost at the taker");
      continue;
    }
    const type::v1::WorkOrder& given = giver->second;
    const type::v1::WorkOrder& taken = taker->second;
    if (given.id() != promise.order_id) Record(name + " has another id than was answered");
    if (given.handoff().id() != taken.handoff().id()) Record(name + " is another handoff at the taker");
    if (given.handoff().to_number() != taken.number()) Record(name + " has another number at the taker");
    if (given.custody().holder() != "12345" && given.custody().holder() != "110")
      Record(name + " has no holder");
    if (given.custody().SerializeAsString() != taken.custody().SerializeAsString()) {
      Record(absl::StrCat(name, " is held by ", given.custody().holder(), " at the giver, by ",
                          taken.custody().holder(), " at the taker"));
    }
    if (given.state() != taken.state()) {
      Record(absl::StrCat(name, " is ", type::v1::OrderState_Name(given.state()), " at the giver, ",
                          type::v1::OrderState_Name(taken.state()), " at the taker"));
    }
    if (given.facts().recall_requested()) Record(name + " has a recall without an answer");
    ++states_[type::v1::OrderState_Name(given.state())];
  }
  for (int i = 0; i < 2; ++i) {
    Site* site = i == 0 ? &sites_.a : &sites_.b;
    std::map<std::string, int64_t> version_of;
    for (const auto& [title, order] : at[i]) version_of[order.id()] = order.version();
    for (const auto& [id, version] : versions_[site]) {
      if (version_of[id] < version) Record(id + " lost an acknowledged command");
    }
    workorder::v1::VerifyLogResponse verdict;
    Call call(absl::Minutes(5));
    const grpc::Status status = site->work_order().VerifyLog(&call, {}, &verdict);
    if (!status.ok()) Record("verify: " + status.error_message());
    if (!verdict.intact()) Record(site->hotline() + " does not verify: " + verdict.fault());
    if (verdict.order_count() != static_cast<int64_t>(promises_.size())) {
      Record(absl::StrCat(site->hotline(), " verified ", verdict.order_count(), " orders"));
    }
    events_ += verdict.event_count();
    const bool followed = Eventually(
        [&] {
          escalation::v1::ListDeadlinesResponse deadlines;
          Call ask;
          return site->escalation().ListDeadlines(&ask, {}, &deadlines).ok() &&
                 deadlines.watermark() >= verdict.head_sequence();
        },
        kSettle);
    if (!followed) Record(site->hotline() + " escalation does not follow the log");
  }
  // Asked again, long after: the same order.
  std::mt19937_64 random(seed_);
  for (int i = 0; i < 100 && !promises_.empty(); ++i) {
    const Promise& promise = promises_[random() % promises_.size()];
    dispatch::v1::PushWorkOrderResponse response;
    Call call;
    const grpc::Status status = promise.site->dispatch().PushWorkOrder(&call, promise.request, &response);
    if (!status.ok() || response.order().id() != promise.order_id) {
      Record(promise.handoff_id + " asked again: " + status.error_message());
    }
  }
}

int Campaign::Report(const std::string& what) {
  if (!what.empty()) Fault(what);
  MutexLock lock(&mu_);
  std::string counts, states;
  for (const auto& [name, count] : counts_) absl::StrAppend(&counts, " ", name, "=", count);
  for (const auto& [name, count] : states_) absl::StrAppend(&states, " ", name.substr(12), "=", count);
  absl::PrintF("%s seed=%d seconds=%d pushes=%d commands=%d retries=%d events=%d\n  done:%s\n  ended as:%s\n",
               name_, seed_, absl::ToInt64Seconds(duration_), promises_.size(), commands_, retries_.load(),
               events_, counts, states);
  for (const std::string& one : faults_) absl::PrintF("  FAULT %s\n", one);
  if (failed_) {
    absl::PrintF("FAILED; again with --seed %d\n", seed_);
    for (Site* site : {&sites_.a, &sites_.b}) {
      for (const Service service : kServices) {
        const std::string log = ReadFile(site->log_file(service));
        absl::PrintF("---- end of the log of %s %s\n%s\n", site->hotline(), NameOf(service),
                     log.substr(log.size() > 2000 ? log.size() - 2000 : 0));
      }
    }
    return 1;
  }
  absl::PrintF("ok: nothing lost, doubled or without a holder\n");
  return 0;
}

bool ReadCampaignFlags(int argc, char** argv, double* seconds, uint64_t* seed,
                       const std::function<bool(const std::string&)>& more) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    double number = 0;
    const bool parsed = i + 1 < argc && absl::SimpleAtod(argv[i + 1], &number);
    if (parsed && flag == "--seconds") {
      *seconds = number;
    } else if (parsed && flag == "--minutes") {
      *seconds = number * 60;
    } else if (parsed && flag == "--seed") {
      *seed = static_cast<uint64_t>(number);
    } else if (more && more(flag)) {
      continue;
    } else {
      fprintf(stderr, "usage: %s [--seconds N | --minutes N] [--seed N]\n", argv[0]);
      return false;
    }
    ++i;
  }
  return true;
}

}  // namespace hotline::test
