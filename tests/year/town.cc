#include "tests/year/town.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/error/error.h"
#include "common/sql/sqlite.h"

namespace hotline::year {
namespace {

constexpr absl::Duration kOnTheWay = absl::Milliseconds(3);
constexpr absl::Duration kCoarsest = absl::Seconds(20);
constexpr int kEventsBetweenCheckpoints = 20'000;

}  // namespace

class TownSite::Coarse : public Executor {
 public:
  Coarse(Executor* real, absl::Duration longest) : real_(real), longest_(longest) {}
  void Post(Task task) override { real_->Post(std::move(task)); }
  void PostAfter(absl::Duration delay, Task task) override {
    real_->PostAfter(delay <= longest_ ? kCoarsest : delay, std::move(task));
  }

 private:
  Executor* const real_;
  const absl::Duration longest_;
};

// work_order as the other two reach it: later, and the answers later still.
class TownSite::Line : public Ledger {
 public:
  explicit Line(TownSite* site) : site_(site) {}
#define CARRY(Method)                                                          \
  void Method(const CallContext& call, workorder::v1::Method##Request request, \
              Done<workorder::v1::Method##Response> done) override {           \
    Carry(&Ledger::Method, call, std::move(request), std::move(done));         \
  }
  CARRY(Execute)
  CARRY(ApplyInbox)
  CARRY(PullOutbox)
  CARRY(ReadEvents)
  CARRY(ListLinkCursors)
  CARRY(ReadInbox)
  CARRY(Recover)
  CARRY(ReadDigests)
  CARRY(Resend)
#undef CARRY

 private:
  template <typename Request, typename Response>
  void Carry(void (Ledger::*method)(const CallContext&, Request, Done<Response>), const CallContext& call,
             Request request, Done<Response> done) {
    site_->kernel_->Post(
        [site = site_, method, call, request = std::move(request), done = std::move(done)]() mutable {
          (site->engine_.get()->*method)(
              call, std::move(request),
              [site, done = std::move(done)](absl::StatusOr<Response> response) mutable {
                site->kernel_->Post([done = std::move(done), response = std::move(response)]() mutable {
                  done(std::move(response));
                });
              });
          site->Wake();
        });
  }

  TownSite* const site_;
};

// The other site's dispatch, some milliseconds away.
class TownSite::Wire : public Peer {
 public:
  Wire(sim::Kernel* kernel, TownSite* to) : kernel_(kernel), to_(to) {}
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override {
    Carry(&Peer::Deliver, call, std::move(request), std::move(done));
  }
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override {
    Carry(&Peer::GetLink, call, std::move(request), std::move(done));
  }
  void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override {
    Carry(&Peer::Backfill, call, std::move(request), std::move(done));
  }
  void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override {
    Carry(&Peer::Reconcile, call, std::move(request), std::move(done));
  }

 private:
  template <typename Request, typename Response>
  void Carry(void (Peer::*method)(const CallContext&, Request, Done<Response>), const CallContext& call,
             Request request, Done<Response> done) {
    kernel_->PostAfter(kOnTheWay, [this, method, call, request = std::move(request),
                                   done = std::move(done)]() mutable {
      CallContext there = call;
      there.now = to_->clock_->Now();
      (static_cast<Peer*>(to_->dispatch_.get())->*method)(
          there, std::move(request),
          [this, done = std::move(done)](absl::StatusOr<Response> response) mutable {
            kernel_->PostAfter(kOnTheWay, [done = std::move(done), response = std::move(response)]() mutable {
              done(std::move(response));
            });
          });
    });
  }

  sim::Kernel* const kernel_;
  TownSite* const to_;
};

class TownSite::Listener : public escalation::FollowerListener, public escalation::report::FollowerListener {
 public:
  void OnCaughtUp(int64_t) override {}
  void OnApplied(EventHub::Items) override {}
  void OnLedger(const absl::Status&) override {}
  void OnProgress(int64_t) override {}
  void OnRung(absl::Duration) override {}
  void OnRefused(int64_t, const std::string&, const absl::Status&) override {}
  void OnStoreFailed(const absl::Status& status) override { failure = status; }
  absl::Status failure;
};

TownSite::TownSite(std::string hotline, std::string folder, sim::Kernel* kernel, TownClock* clock,
                   const escalation::Deadlines& deadlines)
    : hotline_(std::move(hotline)),
      folder_(std::move(folder)),
      kernel_(kernel),
      clock_(clock),
      deadlines_(deadlines),
      names_{.site = hotline_, .parties = {}, .townships = {}} {}

TownSite::~TownSite() = default;

absl::Status TownSite::Open() {
  std::filesystem::create_directories(folder_ + "/escalation");
  coarse_ = std::make_unique<Coarse>(kernel_, absl::Seconds(1));
  ticks_ = std::make_unique<Coarse>(kernel_, absl::Milliseconds(50));
  auto orders = work_order::Store::Open(
      {.directory = folder_ + "/work_order", .hotline = hotline_, .caller_key = Sha256({"year"})});
  if (!orders.ok()) return orders.status();
  work_order::EngineOptions options;
  options.site.hotline = hotline_;
  options.site.peers.insert(hotline_ == "110" ? "12345" : "110");
  options.draw_salt = [] { return RandomBytes(16); };
  auto engine = work_order::Engine::Create(*std::move(orders), std::move(options), clock_, coarse_.get());
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  engine_->set_on_commit([this](const work_order::Committed& committed) {
    for (const EventHub::Item& item : committed.events) {
      type::v1::Event event;
      if (!event.ParseFromString(*item.bytes) || !event.has_understood() ||
          !event.understood().has_registered())
        continue;
      // `<giver>-<giver's order id>-<attempt>`.
      const std::string& handoff = event.understood().handoff().id();
      const size_t begin = handoff.find('-') + 1;
      arrived_[handoff.substr(begin, handoff.rfind('-') - begin)] = event.order_id();
    }
  });
  auto reader = engine_->store().NewReader();
  if (!reader.ok()) return reader.status();
  orders_ = std::make_unique<work_order::WorkOrderService>(engine_.get(), *std::move(reader), kernel_,
                                                           kernel_, clock_);
  line_ = std::make_unique<Line>(this);
  auto own = engine_->store().NewReader();
  if (!own.ok()) return own.status();
  work_order::RetentionOptions periods;
  periods.hotline = hotline_;
  periods.peers.insert(hotline_ == "110" ? "12345" : "110");
  periods.content_days = 180;
  periods.erase_strays = [this](std::vector<int64_t> places, absl::AnyInvocable<void(absl::Status)> done) {
    engine_->EraseStrays(std::move(places), std::move(done));
  };
  retention_ = std::make_unique<work_order::Retention>(line_.get(), *std::move(own), kernel_, clock_,
                                                       std::move(periods));
  return absl::OkStatus();
}

absl::Status TownSite::Join(TownSite* peer) {
  wire_ = std::make_unique<Wire>(kernel_, peer);
  notary_ = std::make_unique<dispatch::Notary>(hotline_, crypto::SigningKeys(), crypto::KeyRing());
  dispatch::DispatchOptions options;
  options.hotline = hotline_;
  options.link.poll = absl::Seconds(30);
  options.link.jitter_seed = 1;
  dispatch_ = std::make_unique<dispatch::DispatchService>(
      line_.get(), std::map<std::string, Peer*>{{peer->hotline_, wire_.get()}}, notary_.get(), ticks_.get(),
      clock_, options);
  dispatch_->Start();

  listener_ = std::make_unique<Listener>();
  auto clocks = sql::OpenSqlite({.path = folder_ + "/escalation/escalation.db"});
  if (!clocks.ok()) return clocks.status();
  auto store = escalation::Store::Open(*std::move(clocks), hotline_);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  escalation::FollowerOptions follower;
  follower.read_wait = absl::Seconds(30);
  follower.look_again = absl::Minutes(10);
  follower.canary_every = absl::Hours(24);
  follower.jitter_seed = 1;
  escalation::FollowerListener* const told = listener_.get();
  follower_ = std::make_unique<escalation::Follower>(kernel_, clock_, line_.get(), store_.get(), deadlines_,
                                                     hotline_, told, follower);
  if (absl::Status status = follower_->Start(); !status.ok()) return status;

  auto reports = sql::OpenSqlite({.path = folder_ + "/escalation/report.db"});
  if (!reports.ok()) return reports.status();
  auto report_store = escalation::report::Store::Open(*std::move(reports), hotline_);
  if (!report_store.ok()) return report_store.status();
  report_store_ = *std::move(report_store);
  escalation::report::FollowerOptions report;
  report.read_wait = absl::Seconds(30);
  // A minute of the town passes in no time; what gathers meanwhile goes into one transaction.
  report.head_pause = absl::Minutes(30);
  report.jitter_seed = 1;
  escalation::report::FollowerListener* const report_told = listener_.get();
  report_follower_ = std::make_unique<escalation::report::Follower>(
      kernel_, clock_, line_.get(), report_store_.get(), &deadlines_, hotline_, report_told, report);
  if (absl::Status status = report_follower_->Start(); !status.ok()) return status;
  auto reader = report_store_->NewReader();
  if (!reader.ok()) return reader.status();
  archive_ = std::make_unique<escalation::report::Archive>(*std::move(reader), clock_, &deadlines_, hotline_,
                                                           [this] { return report_follower_->stats(); });
  discretion_ = std::make_unique<escalation::Discretion>(Clearance(), line_.get());
  const escalation::report::WorkedSeconds worked = escalation::report::WorkedBy(&deadlines_);
  reports_ = std::make_unique<escalation::report::ReportService>(kernel_, clock_, archive_.get(), worked,
                                                                 &names_, discretion_.get());
  meeting_ = std::make_unique<escalation::report::MeetingService>(kernel_, archive_.get(), line_.get(),
                                                                  worked, &names_, discretion_.get());
  return absl::OkStatus();
}

void TownSite::Wake() {
  if (committing_ || engine_->counters().queue_length == 0) return;
  committing_ = true;
  kernel_->Post([this] {
    committing_ = false;
    engine_->RunBatch();
    if (engine_->head_sequence() / kEventsBetweenCheckpoints != checkpointed_) {
      checkpointed_ = engine_->head_sequence() / kEventsBetweenCheckpoints;
      Checkpoint();
    }
    Wake();
  });
}

void TownSite::Checkpoint() {
  for (const absl::Status& status :
       {engine_->store().Checkpoint(), store_->Checkpoint(), report_store_->Checkpoint()}) {
    if (!status.ok()) listener_->OnStoreFailed(status);
  }
}

void TownSite::Act(type::v1::Command command, Done<workorder::v1::CommandResult> done) {
  orders_->Execute({.now = clock_->Now(), .traceparent = NewTraceparent()}, std::move(command),
                   std::move(done));
  Wake();
}

void TownSite::Push(type::v1::Command command, Done<dispatch::v1::PushWorkOrderResponse> done) {
  dispatch::v1::PushWorkOrderRequest request;
  *request.mutable_header() = command.header();
  *request.mutable_content() = command.registration().content();
  *request.mutable_offer() = command.offer();
  dispatch_->PushWorkOrder(
      {.now = clock_->Now(), .deadline = clock_->Now() + absl::Minutes(1), .traceparent = NewTraceparent()},
      std::move(request), std::move(done));
}

Town::Town(const std::string& folder, absl::Time start, const escalation::Deadlines& deadlines,
           const escalation::Deadlines& at_110)
    : clock_(&kernel_, start) {
  sites_[k12345] = std::make_unique<TownSite>("12345", folder + "/12345", &kernel_, &clock_, deadlines);
  sites_[k110] = std::make_unique<TownSite>("110", folder + "/110", &kernel_, &clock_, at_110);
}

Town::~Town() { kernel_.Clear(); }

absl::Status Town::Open() {
  for (auto& site : sites_) {
    if (absl::Status status = site->Open(); !status.ok()) return status;
  }
  if (absl::Status status = sites_[0]->Join(sites_[1].get()); !status.ok()) return status;
  return sites_[1]->Join(sites_[0].get());
}

void Town::RunUntil(absl::Time end) {
  const int64_t nanos = absl::ToInt64Nanoseconds(end - clock_.start());
  while (kernel_.RunOne(nanos)) {
  }
}

absl::Status Town::Play(const Plan& plan, const std::function<void(absl::Time)>& progress) {
  struct Known {
    int site = k12345;
    std::string id;  // at the site that registered it
  };
  std::vector<Known> orders(static_cast<size_t>(plan.order_count));
  absl::Status failure;
  int64_t number = 0;
  for (const Step& step : plan.steps) {
    RunUntil(step.at);
    if (!failure.ok()) return failure;
    progress(step.at);
    Known& known = orders[static_cast<size_t>(step.order)];
    type::v1::Command command = step.command;
    type::v1::CommandHeader& header = *command.mutable_header();
    header.set_request_id(absl::StrCat("year-", ++number, "-step"));
    header.mutable_actor()->set_account("8001");
    if (!command.has_registration()) {
      header.set_order_id(known.id);
      if (known.site != step.site) {
        const auto& arrived = sites_[step.site]->arrived();
        const auto it = arrived.find(known.id);
        if (it == arrived.end())
          return absl::NotFoundError(absl::StrCat("order ", step.order, " has not arrived"));
        header.set_order_id(it->second);
      }
    }
    const auto note = [&failure, &known, &step](const absl::Status& status, const std::string& id) {
      if (!status.ok()) {
        failure = absl::Status(
            status.code(),
            absl::StrCat("order ", step.order, ", ", step.command.ShortDebugString().substr(0, 60), " at ",
                         absl::FormatTime(step.at), ": ", std::string(status.message())));
      } else if (step.command.has_registration()) {
        known = {step.site, id};
      }
    };
    if (command.has_offer()) {
      sites_[step.site]->Push(std::move(command),
                              [note](absl::StatusOr<dispatch::v1::PushWorkOrderResponse> response) {
                                note(response.status(), response.ok() ? response->order().id() : "");
                              });
    } else {
      sites_[step.site]->Act(std::move(command), [note](absl::StatusOr<workorder::v1::CommandResult> result) {
        absl::Status status = result.status();
        if (status.ok() && result->has_error()) status = error::FromProto(result->error());
        note(status, status.ok() ? result->order().id() : "");
      });
    }
    RunUntil(clock_.Now());
  }
  return failure;
}

}  // namespace hotline::year
