#include "tests/sim/site.h"
#include "tests/sim/keys.h"

#include <sqlite3.h>
#include <stdlib.h>

#include <utility>

#include "common/base/sha256.h"
#include "common/error/error.h"
#include "common/sql/sqlite.h"

namespace hotline::sim {
namespace {

constexpr char kWorkOrderFile[] = "work_order.db";
constexpr char kEscalationFile[] = "escalation.db";
// Longer than the way of a file there and of another one back, unless the path is bad.
constexpr absl::Duration kSpoolResend = absl::Seconds(2);

sql::SqliteOptions OptionsFor(const Setup& setup, const Disk& disk, const char* file) {
  return {.path = disk.Path(file),
          .writer_cache_bytes = setup.cache_bytes,
          .reader_cache_bytes = setup.cache_bytes,
          .wal_limit_bytes = setup.wal_limit_bytes,
          .busy_timeout = absl::ZeroDuration(),
          .vfs = Disk::Vfs()};
}

absl::StatusOr<std::unique_ptr<work_order::Store>> OpenWorkOrder(const Setup& setup, const Disk& disk) {
  auto database = sql::OpenSqlite(OptionsFor(setup, disk, kWorkOrderFile));
  if (!database.ok()) return database.status();
  // A key of its own would be drawn, and what hangs on it differ from run to run.
  return work_order::Store::OpenOn(*std::move(database), setup.hotline, "key of the simulation's callers");
}

absl::StatusOr<std::unique_ptr<escalation::Store>> OpenEscalation(const Setup& setup, const Disk& disk) {
  auto database = sql::OpenSqlite(OptionsFor(setup, disk, kEscalationFile));
  if (!database.ok()) return database.status();
  return escalation::Store::Open(*std::move(database), setup.hotline);
}

// A database of small pages, so that commits are made of many small writes and a run is fast.
void Format(const Disk& disk, const char* file) {
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(disk.Path(file).c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                      Disk::Vfs()) != SQLITE_OK ||
      sqlite3_exec(db, "PRAGMA page_size=1024; PRAGMA journal_mode=WAL; CREATE TABLE t (x); DROP TABLE t",
                   nullptr, nullptr, nullptr) != SQLITE_OK) {
    abort();
  }
  sqlite3_close(db);
}

// Disks of a site that was set up and has no orders yet. Made once for each hotline: making tables is the
// longest part of a start.
struct Installed {
  Disk::Image work_order;
  Disk::Image escalation;
};
const Installed& InstalledSite(const Setup& setup) {
  static auto* const installed = new std::map<std::string, Installed>();
  const auto found = installed->find(setup.hotline);
  if (found != installed->end()) return found->second;
  Dice dice(1);
  Disk work_order(&dice);
  Disk escalation(&dice);
  Format(work_order, kWorkOrderFile);
  Format(escalation, kEscalationFile);
  if (!OpenWorkOrder(setup, work_order).ok() || !OpenEscalation(setup, escalation).ok()) abort();
  return installed->emplace(setup.hotline, Installed{work_order.Snapshot(), escalation.Snapshot()})
      .first->second;
}

}  // namespace

const char* NameOf(Part part) {
  switch (part) {
    case Part::kWorkOrder:
      return "work_order";
    case Part::kDispatch:
      return "dispatch";
    default:
      return "escalation";
  }
}

// work_order as another process of the site reaches it: by messages that a dead process does not get, and
// whose answers are lost with it.
class Site::Line : public Ledger {
 public:
  Line(Site* site, Part caller) : site_(site), caller_(caller) {}

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
  void ReadInbox(const CallContext& call, workorder::v1::ReadInboxRequest request,
                 Done<workorder::v1::ReadInboxResponse> done) override {
    Carry(&Ledger::ReadInbox, call, std::move(request), std::move(done));
  }
  void Recover(const CallContext& call, workorder::v1::RecoverRequest request,
               Done<workorder::v1::RecoverResponse> done) override {
    Carry(&Ledger::Recover, call, std::move(request), std::move(done));
  }
  void ReadDigests(const CallContext& call, workorder::v1::ReadDigestsRequest request,
                   Done<workorder::v1::ReadDigestsResponse> done) override {
    Carry(&Ledger::ReadDigests, call, std::move(request), std::move(done));
  }
  void Resend(const CallContext& call, workorder::v1::ResendRequest request,
              Done<workorder::v1::ResendResponse> done) override {
    Carry(&Ledger::Resend, call, std::move(request), std::move(done));
  }

 private:
  // Answered once: by work_order, or, when it dies with the call in hand, as a broken connection is.
  template <typename Response>
  struct Pending {
    // What is dropped at the end of the world outlives its site.
    Kernel* kernel;
    std::weak_ptr<const int> caller;
    Done<Response> done;
    void Answer(absl::StatusOr<Response> response) {
      if (!done) return;
      kernel->Post(
          [caller = caller, done = std::exchange(done, nullptr), response = std::move(response)]() mutable {
            if (!caller.expired()) done(std::move(response));
          });
    }
    // An error is not cheap to make.
    ~Pending() {
      if (done) Answer(error::WorkOrderUnreachable("connection lost"));
    }
  };

  template <typename Request, typename Response>
  void Carry(void (Ledger::*method)(const CallContext&, Request, Done<Response>), const CallContext& call,
             Request request, Done<Response> done) {
    auto pending = std::make_shared<Pending<Response>>();
    pending->kernel = site_->kernel_;
    pending->caller = site_->life(caller_);
    pending->done = std::move(done);
    auto arrive = [site = site_, method, call, request = std::move(request), pending]() mutable {
      if (!site->up(Part::kWorkOrder)) return;
      Ledger* const server = site->server_ != nullptr ? site->server_.get() : site->engine_.get();
      (server->*method)(call, std::move(request),
                        [pending, life = site->life(Part::kWorkOrder)](absl::StatusOr<Response> response) {
                          if (!life.expired()) pending->Answer(std::move(response));
                        });
      site->Wake();
    };
    // Calls overtake each other now and then.
    if (site_->dice_->Percent(20)) {
      site_->kernel_->PostAfter(absl::Microseconds(site_->dice_->Below(1'500)), std::move(arrive));
    } else {
      site_->kernel_->Post(std::move(arrive));
    }
  }

  Site* const site_;
  const Part caller_;
};

class Site::Listener : public escalation::FollowerListener {
 public:
  void OnCaughtUp(int64_t) override {}
  void OnApplied(EventHub::Items) override {}
  void OnLedger(const absl::Status&) override {}
  void OnProgress(int64_t) override {}
  void OnRung(absl::Duration) override {}
  void OnRefused(int64_t, const std::string&, const absl::Status&) override {}
  void OnStoreFailed(const absl::Status&) override { failed_ = true; }
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

Site::Site(Setup setup, Kernel* kernel, Dice* dice, const Paths* paths, Witness* witness, Mutant* mutant)
    : setup_(std::move(setup)),
      kernel_(kernel),
      dice_(dice),
      paths_(paths),
      witness_(witness),
      mutant_(mutant),
      clock_(kernel, setup_.clock_offset_nanos, setup_.clock_drift_ppm),
      work_order_disk_(dice),
      escalation_disk_(dice) {
  if (!setup_.fresh_disks) {
    const Installed& installed = InstalledSite(setup_);
    work_order_disk_.Install(installed.work_order);
    escalation_disk_.Install(installed.escalation);
  }
  for (Part part : {Part::kWorkOrder, Part::kEscalation}) {
    disk(part).set_on_death([this, part](bool power) {
      has_dead_ = true;
      if (!power) return process(part)->Die();
      // The whole machine.
      disk(part == Part::kWorkOrder ? Part::kEscalation : Part::kWorkOrder).LosePower();
      for (const auto& process : processes_) {
        if (process != nullptr) process->Die();
      }
    });
  }
  if (mutant_ != nullptr) mutant_->Format(&work_order_disk_);
}

Site::~Site() {
  for (Part part : {Part::kDispatch, Part::kEscalation, Part::kWorkOrder}) {
    if (process(part) != nullptr) Kill(part);
  }
}

bool Site::up(Part part) const { return process(part) != nullptr && !process(part)->dead(); }

std::weak_ptr<const int> Site::life(Part part) const {
  return process(part) == nullptr ? std::weak_ptr<const int>() : process(part)->life();
}

bool Site::sick(Part part) const {
  if (!up(part)) return false;
  if (part == Part::kWorkOrder) return engine_->store().stats().poisoned;
  return part == Part::kEscalation && listener_->failed();
}

bool Site::Start(Part part) {
  auto& slot = processes_[static_cast<size_t>(part)];
  if (slot != nullptr) return true;
  slot = std::make_unique<Process>(kernel_);
  absl::Status status;
  switch (part) {
    case Part::kWorkOrder:
      status = StartWorkOrder();
      break;
    case Part::kDispatch:
      StartDispatch();
      break;
    case Part::kEscalation:
      status = StartEscalation();
      break;
  }
  if (status.ok() && !slot->dead()) return true;
  slot->Die();
  Remove(part);
  return false;
}

absl::Status Site::StartWorkOrder() {
  committing_ = false;
  auto store = OpenWorkOrder(setup_, work_order_disk_);
  if (!store.ok()) return store.status();
  if (mutant_ != nullptr) store = mutant_->Wrap(*std::move(store));
  if (!witness_->Opened(setup_.index, (*store)->reader())) return absl::UnavailableError("cannot be read");
  work_order::EngineOptions options;
  options.site.hotline = setup_.hotline;
  for (const Site* peer : peers_) options.site.peers.insert(peer->hotline());
  options.queue_limit = setup_.queue_limit;
  options.ring_items = setup_.ring_items;
  options.cached_orders = setup_.cached_orders;
  options.commit_batch = setup_.commit_batch;
  for (int urgency = 0; urgency < 3; ++urgency) {
    options.site.confirm_within[urgency] = setup_.confirm_within;
    options.site.keep_after[urgency] = setup_.keep_after;
  }
  options.site.dispatches_first = setup_.dispatches_first;
  options.draw_salt = [this] { return BigEndian64(++salt_) + BigEndian64(0); };
  auto engine =
      work_order::Engine::Create(*std::move(store), std::move(options), &clock_, process(Part::kWorkOrder));
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  engine_->set_on_commit([this](const work_order::Committed& committed) {
    if (up(Part::kWorkOrder)) witness_->Committed(setup_.index, committed.events);
  });
  if (mutant_ != nullptr) server_ = mutant_->WrapServer(setup_.index, engine_.get());
  return absl::OkStatus();
}

void Site::StartDispatch() {
  own_keys_ = {};
  keys_ = {};
  if (setup_.signs) {
    own_keys_.Add(SignerOf(setup_.index, setup_.quick_keys), absl::InfinitePast()).IgnoreError();
    keys_.Add(setup_.hotline, "sim", SignerOf(setup_.index, setup_.quick_keys).public_key()).IgnoreError();
    for (const Site* peer : peers_) {
      keys_.Add(peer->hotline(), "sim", SignerOf(peer->index(), setup_.quick_keys).public_key())
          .IgnoreError();
    }
  }
  dispatch_line_ = std::make_unique<Line>(this, Part::kDispatch);
  if (mutant_ != nullptr) dispatch_line_wrap_ = mutant_->WrapDispatchClient(dispatch_line_.get());
  for (Site* peer : peers_) transports_.push_back(NewTransport(peer));
  std::map<std::string, Peer*> peers;
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer* transport = transports_[i].get();
    if (mutant_ != nullptr) {
      const size_t other = (i + 1) % peers_.size();
      auto wrap = mutant_->WrapPeer(transport, transports_[other].get(), peers_[other]->hotline());
      if (wrap != nullptr) {
        transport = transport_wraps_.emplace_back(std::move(wrap)).get();
      }
    }
    peers.emplace(peers_[i]->hotline(), transport);
  }
  notary_ = std::make_unique<dispatch::Notary>(setup_.hotline, own_keys_, keys_);
  dispatch::DispatchOptions options;
  options.hotline = setup_.hotline;
  options.link.delivery_batch = setup_.delivery_batch;
  options.link.backoff_max = absl::Milliseconds(400);
  options.link.delivery_timeout = absl::Seconds(2);
  options.reconciler.pause = absl::Milliseconds(200);
  options.link.jitter_seed = static_cast<uint32_t>(dice_->Between(1, 1 << 30));
  options.importer = process(Part::kDispatch);
  for (const std::string& peer : setup_.spools) options.resend_after[peer] = kSpoolResend;
  if (mutant_ != nullptr) mutant_->Tune(&options);
  dispatch_ = std::make_unique<dispatch::DispatchService>(
      dispatch_line_wrap_ != nullptr ? dispatch_line_wrap_.get() : dispatch_line_.get(), std::move(peers),
      notary_.get(), process(Part::kDispatch), &clock_, std::move(options));
  dispatch_->Start();
  for (size_t i = 0, spool = 0; i < peers_.size(); ++i) {
    if (!spools_to(*peers_[i])) continue;
    doors_.push_back(std::make_unique<SpoolDoor>(Route{.from = peers_[i],
                                                       .to = this,
                                                       .kernel = kernel_,
                                                       .dice = dice_,
                                                       .paths = paths_,
                                                       .witness = witness_},
                                                 dispatch_.get()));
    inboxes_.push_back(std::make_unique<dispatch::SpoolInbox>(
        &spool_disk_, sealers_[spool++].get(), static_cast<dispatch::SpoolPeer*>(transports_[i].get()),
        doors_.back().get(), process(Part::kDispatch), &clock_, SpoolTo(*peers_[i])));
    inboxes_.back()->Start();
  }
}

dispatch::SpoolOptions Site::SpoolTo(const Site& peer) const {
  dispatch::SpoolOptions options;
  options.hotline = setup_.hotline;
  options.peer = peer.hotline();
  options.out_directory = SpoolOut(peer.hotline());
  options.in_directory = SpoolIn(peer.hotline());
  options.max_bundle_bytes = 256 << 10;
  options.scan_interval = absl::Milliseconds(50);
  options.resend_after = kSpoolResend;
  options.patience = absl::Seconds(1);
  options.scan_limit = 8;
  options.capabilities = dispatch::Capabilities();
  return options;
}

std::unique_ptr<Peer> Site::NewTransport(Site* peer) {
  if (!spools_to(*peer)) {
    return std::make_unique<GrpcWire>(Route{
        .from = this, .to = peer, .kernel = kernel_, .dice = dice_, .paths = paths_, .witness = witness_});
  }
  sealers_.push_back(
      std::make_unique<dispatch::KeySealer>(&own_keys_, &keys_, setup_.hotline, peer->hotline()));
  return std::make_unique<dispatch::SpoolPeer>(&spool_disk_, sealers_.back().get(), process(Part::kDispatch),
                                               &clock_, SpoolTo(*peer));
}

absl::Status Site::StartEscalation() {
  auto store = OpenEscalation(setup_, escalation_disk_);
  if (!store.ok()) return store.status();
  escalation_store_ = *std::move(store);
  if (mutant_ != nullptr) escalation_store_ = mutant_->Wrap(std::move(escalation_store_));
  escalation_line_ = std::make_unique<Line>(this, Part::kEscalation);
  if (mutant_ != nullptr) escalation_line_wrap_ = mutant_->WrapEscalationClient(escalation_line_.get());
  listener_ = std::make_unique<Listener>();
  escalation::FollowerOptions options;
  options.fire_limit = 8;
  options.read_limit = 20;
  options.gather_limit = 40;
  options.backoff_max = absl::Seconds(1);
  options.refused_min = absl::Seconds(2);
  options.refused_max = absl::Seconds(4);
  options.jitter_seed = static_cast<uint32_t>(dice_->Between(1, 1 << 30));
  follower_ = std::make_unique<escalation::Follower>(
      process(Part::kEscalation), &clock_,
      escalation_line_wrap_ != nullptr ? escalation_line_wrap_.get() : escalation_line_.get(),
      escalation_store_.get(), escalation::Deadlines(setup_.policy), setup_.hotline, listener_.get(),
      options);
  return follower_->Start();
}

void Site::Remove(Part part) {
  switch (part) {
    case Part::kWorkOrder:
      orders_.reset();
      server_.reset();
      engine_.reset();
      break;
    case Part::kDispatch:
      if (on_dispatch_end_) on_dispatch_end_();
      inboxes_.clear();
      dispatch_.reset();
      doors_.clear();
      notary_.reset();
      transport_wraps_.clear();
      transports_.clear();
      sealers_.clear();
      dispatch_line_wrap_.reset();
      dispatch_line_.reset();
      break;
    case Part::kEscalation:
      follower_.reset();
      escalation_store_.reset();
      listener_.reset();
      escalation_line_wrap_.reset();
      escalation_line_.reset();
      break;
  }
  processes_[static_cast<size_t>(part)].reset();
}

void Site::Kill(Part part) {
  if (process(part) == nullptr) return;
  process(part)->Die();
  if (part != Part::kDispatch) disk(part).Kill();
  Remove(part);
}

void Site::Drain(Part part) {
  if (!up(part)) return;
  switch (part) {
    case Part::kWorkOrder:
      engine_->Drain();
      break;
    case Part::kDispatch:
      for (const auto& inbox : inboxes_) inbox->Stop();
      dispatch_->Drain();
      break;
    case Part::kEscalation:
      follower_->Stop();
      break;
  }
}

void Site::Stop(Part part) {
  if (process(part) == nullptr) return;
  process(part)->Die();
  Remove(part);
}

void Site::LosePower() {
  work_order_disk_.LosePower();
  escalation_disk_.LosePower();
  for (Part part : kParts) {
    if (process(part) == nullptr) continue;
    process(part)->Die();
    Remove(part);
  }
}

bool Site::Bury() {
  if (!std::exchange(has_dead_, false)) return false;
  for (Part part : kParts) {
    if (process(part) != nullptr && process(part)->dead()) Remove(part);
  }
  return true;
}

void Site::Checkpoint(Part part) {
  // A failure is only logged by the process.
  if (part == Part::kWorkOrder && up(part)) engine_->store().Checkpoint().IgnoreError();
  if (part == Part::kEscalation && up(part)) escalation_store_->Checkpoint().IgnoreError();
}

void Site::Restore(const Disk::Image& backup) {
  ++restores_;
  work_order_disk_.Install(backup);
  // Nobody makes backups of a spool.
  spool_disk_ = {};
  ForgetEscalation();
}

void Site::ForgetEscalation() { escalation_disk_.Install(InstalledSite(setup_).escalation); }

// The committer's thread has work: it comes to it a little later.
void Site::Wake() {
  if (committing_ || !up(Part::kWorkOrder) || engine_->counters().queue_length == 0) return;
  committing_ = true;
  const absl::Duration delay = absl::Microseconds(dice_->Below(commit_delay_us_));
  turn_end_ = kernel_->now() + absl::ToInt64Nanoseconds(delay);
  process(Part::kWorkOrder)->PostAfter(delay, [this] {
    committing_ = false;
    ++turns_;
    engine_->RunBatch();
    Wake();
  });
}

work_order::WorkOrderService* Site::orders() {
  if (orders_ == nullptr) {
    auto reader = engine_->store().NewReader();
    if (!reader.ok()) abort();
    Process* const process = this->process(Part::kWorkOrder);
    orders_ = std::make_unique<work_order::WorkOrderService>(engine_.get(), *std::move(reader), process,
                                                             process, &clock_);
  }
  return orders_.get();
}

}  // namespace hotline::sim
