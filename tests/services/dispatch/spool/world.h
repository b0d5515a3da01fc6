// Two sites joined by spools in memory, one thread, time under the test's hand: what work_order and Link do
// is played by the least that keeps their promises.
#ifndef TESTS_SERVICES_DISPATCH_SPOOL_WORLD_H_
#define TESTS_SERVICES_DISPATCH_SPOOL_WORLD_H_

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "services/dispatch/spool/spool_inbox.h"
#include "services/dispatch/spool/spool_peer.h"
#include "tests/support/memory_files.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {

using exchange::v1::Lane;

// Signs with a shared secret: good enough to notice every altered byte.
class SecretSealer : public BundleSealer {
 public:
  SecretSealer(std::string own, std::string peer) : own_(std::move(own)), peer_(std::move(peer)) {}
  absl::StatusOr<type::v1::DigitalSignature> Seal(std::string_view bytes, absl::Time) const override {
    type::v1::DigitalSignature signature;
    signature.set_key_id("test");
    signature.set_value(Sha256({own_, bytes}));
    return signature;
  }
  absl::Status Verify(std::string_view bytes, const type::v1::DigitalSignature& signature,
                      absl::Time) const override {
    if (signature.value() == Sha256({peer_, bytes})) return absl::OkStatus();
    return error::SignatureInvalid(peer_, signature.key_id(), "is not good", "无效");
  }

 private:
  const std::string own_;
  const std::string peer_;
};

// The receiving half of a site: applies each envelope once, in order, as work_order does.
class Receiver : public Peer {
 public:
  void Deliver(const CallContext&, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override {
    ++deliveries;
    if (!fail.ok()) return done(fail);
    if (behind && !request.envelopes().empty()) return done(error::LinkBehind(request.from_hotline(), 9, 3));
    Log& log = logs[LaneOf(request.lane())];
    for (const exchange::v1::Envelope& envelope : request.envelopes()) {
      const int64_t through = static_cast<int64_t>(log.bodies.size());
      if (envelope.sequence() > through + 1) break;
      if (envelope.sequence() <= through) {
        if (envelope.hash() != log.hashes[static_cast<size_t>(envelope.sequence() - 1)]) {
          return done(error::LinkForked(request.from_hotline(), envelope.sequence()));
        }
        continue;
      }
      if (envelope.previous_hash() != log.head()) {
        return done(error::LinkForked(request.from_hotline(), envelope.sequence()));
      }
      log.bodies.push_back(envelope.body());
      log.hashes.push_back(envelope.hash());
    }
    exchange::v1::DeliverResponse response;
    response.mutable_receipt()->set_received_through(static_cast<int64_t>(log.bodies.size()));
    response.mutable_receipt()->set_head_hash(log.head());
    done(std::move(response));
  }
  void GetLink(const CallContext&, exchange::v1::GetLinkRequest,
               Done<exchange::v1::GetLinkResponse> done) override {
    done(exchange::v1::GetLinkResponse());
  }
  void Backfill(const CallContext&, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override {
    ++backfills;
    if (!fail.ok()) return done(fail);
    exchange::v1::BackfillResponse response;
    const Log& log = logs[LaneOf(request.lane())];
    for (int64_t i = request.after_sequence(); i < static_cast<int64_t>(log.bodies.size()); ++i) {
      if (response.envelopes_size() == request.limit()) break;
      exchange::v1::Envelope& envelope = *response.add_envelopes();
      envelope.set_sequence(i + 1);
      envelope.set_body(log.bodies[static_cast<size_t>(i)]);
    }
    done(std::move(response));
  }
  void Reconcile(const CallContext&, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override {
    exchange::v1::ReconcileResponse response;
    for (int i = 0; i < request.ranges_size(); ++i) {
      response.add_answers()->mutable_whole()->set_digest(std::string(answer_bytes, 'd'));
    }
    done(std::move(response));
  }

  struct Log {
    std::vector<std::string> bodies;
    std::vector<std::string> hashes;
    std::string head() const { return hashes.empty() ? ChainStart() : hashes.back(); }
  };
  std::map<Lane, Log> logs;
  absl::Status fail;    // what every call answers, unless OK
  bool behind = false;  // it has lost its latest history, and applies nothing until it has it back
  size_t answer_bytes = 32;
  int deliveries = 0;
  int backfills = 0;
};

// The sending half of a site: hands over what the peer is not known to have, and again when nothing comes of
// it.
class Sender {
 public:
  Sender(std::string hotline, std::string peer, Lane lane)
      : hotline_(std::move(hotline)), peer_name_(std::move(peer)), lane_(lane) {}

  void Commit(std::string body) {
    exchange::v1::Envelope envelope;
    envelope.set_sequence(static_cast<int64_t>(outbox.size()) + 1);
    envelope.set_previous_hash(outbox.empty() ? ChainStart() : outbox.back().hash());
    envelope.set_hash(
        Sha256({envelope.previous_hash(), BigEndian64(static_cast<uint64_t>(envelope.sequence())), body}));
    envelope.set_body(std::move(body));
    outbox.push_back(std::move(envelope));
  }
  exchange::v1::DeliverRequest Batch(int64_t first, int64_t last) const {
    exchange::v1::DeliverRequest request;
    request.set_protocol_version(1);
    request.set_from_hotline(hotline_);
    request.set_to_hotline(peer_name_);
    request.set_lane(lane_);
    for (int64_t i = first; i <= last; ++i) *request.add_envelopes() = outbox[static_cast<size_t>(i - 1)];
    return request;
  }
  // One step: hands over at most `limit`, or asks.
  void Pump(Peer* peer, absl::Time now, absl::Duration resend_after, int limit) {
    if (handed > acknowledged && now - progress_time >= resend_after) handed = acknowledged;
    const int64_t end = std::min<int64_t>(static_cast<int64_t>(outbox.size()), handed + limit);
    const int64_t first = handed + 1;
    handed = end;
    peer->Deliver(CallContext(), Batch(first, end),
                  [this, now, first](absl::StatusOr<exchange::v1::DeliverResponse> response) {
                    last_status = response.status();
                    if (!response.ok()) {
                      handed = std::min(handed, first - 1);
                      return;
                    }
                    if (handed >= first) progress_time = std::max(progress_time, now);
                    if (response->receipt().received_through() > acknowledged) {
                      acknowledged = response->receipt().received_through();
                      handed = std::max(handed, acknowledged);
                      progress_time = now;
                    }
                  });
  }

  std::vector<exchange::v1::Envelope> outbox;
  int64_t handed = 0;
  int64_t acknowledged = 0;
  absl::Time progress_time = absl::InfinitePast();
  absl::Status last_status;

 private:
  const std::string hotline_;
  const std::string peer_name_;
  const Lane lane_;
};

// Lets a process die: what it had posted does not run.
class LifeExecutor : public Executor {
 public:
  explicit LifeExecutor(test::Steps* steps) : steps_(steps) {}
  void Post(Task task) override { steps_->Post(Guard(std::move(task))); }
  void PostAfter(absl::Duration delay, Task task) override {
    steps_->PostAfter(delay, Guard(std::move(task)));
  }

 private:
  Task Guard(Task task) {
    return [alive = std::weak_ptr<int>(alive_), task = std::move(task)]() mutable {
      if (!alive.expired()) task();
    };
  }
  test::Steps* const steps_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// The time of day, which may be set while timers go on.
struct WallClock : Clock {
  explicit WallClock(const Clock* steady) : steady(steady) {}
  absl::Time Now() const override { return steady->Now() + shift; }
  const Clock* const steady;
  absl::Duration shift;
};

// One site's end of the link.
class Side {
 public:
  Side(std::string hotline, std::string peer, test::Steps* steps, const Clock* clock,
       test::MemoryFiles* files)
      : hotline(std::move(hotline)),
        peer_name(std::move(peer)),
        steps_(steps),
        clock_(clock),
        files_(files),
        sealer_(this->hotline, peer_name) {
    options.hotline = this->hotline;
    options.peer = peer_name;
    options.out_directory = StrCat(this->hotline, "/out");
    options.in_directory = StrCat(this->hotline, "/in");
    options.on_reject = [this](const std::string& name, Reject why, const absl::Status&) {
      rejects.emplace_back(name, why);
    };
    options.on_trouble = [this](const absl::Status& status) { troubles.push_back(status); };
    for (const Lane lane : kLanes) senders.emplace(lane, Sender(this->hotline, peer_name, lane));
  }

  void Start() {
    executor_ = std::make_unique<LifeExecutor>(steps_);
    peer = std::make_unique<SpoolPeer>(files_, &sealer_, executor_.get(), clock_, options);
    inbox = std::make_unique<SpoolInbox>(files_, &sealer_, peer.get(), &receiver, executor_.get(), clock_,
                                         options);
    inbox->Start();
    steps_->RunDue();
  }
  void Kill() {
    executor_.reset();
    inbox.reset();
    peer.reset();
  }
  bool up() const { return peer != nullptr; }
  void Pump(int limit = 256) {
    for (auto& [lane, sender] : senders) {
      sender.Pump(peer.get(), steps_->clock()->Now(), options.resend_after, limit);
    }
    steps_->RunDue();
  }
  test::MemoryFiles::Directory& out() { return files_->at(options.out_directory); }
  test::MemoryFiles::Directory& in() { return files_->at(options.in_directory); }
  test::MemoryFiles::Directory& rejected() { return files_->at(options.in_directory + "/rejected"); }
  // Bundles, without dot-files.
  std::vector<std::string> OutNames() {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : out()) {
      if (name[0] != '.') names.push_back(name);
    }
    return names;
  }
  Sender& sender(Lane lane = exchange::v1::LANE_ORDINARY) { return senders.at(lane); }
  Receiver::Log& log(Lane lane = exchange::v1::LANE_ORDINARY) { return receiver.logs[lane]; }

  const std::string hotline;
  const std::string peer_name;
  SpoolOptions options;
  Receiver receiver;
  std::map<Lane, Sender> senders;
  std::unique_ptr<SpoolPeer> peer;
  std::unique_ptr<SpoolInbox> inbox;
  std::vector<std::pair<std::string, Reject>> rejects;
  std::vector<absl::Status> troubles;

 private:
  test::Steps* const steps_;
  const Clock* const clock_;
  test::MemoryFiles* const files_;
  const SecretSealer sealer_;
  std::unique_ptr<LifeExecutor> executor_;
};

struct World {
  World() : a("12345", "110", &steps, &wall, &files), b("110", "12345", &steps, &wall, &files) {}

  void Start() {
    a.Start();
    b.Start();
  }
  // Copies every file of one's out to the other's in, under its name.
  static void Copy(Side& from, Side& to) {
    for (const std::string& name : from.OutNames()) to.in()[name] = from.out()[name];
  }
  // The same, and removes it.
  static void Carry(Side& from, Side& to) {
    Copy(from, to);
    for (const std::string& name : from.OutNames()) from.out().erase(name);
  }
  void Pass(absl::Duration time) { steps.Advance(time); }
  // A little while in which everybody does his work and all files are copied.
  void Settle(int rounds = 3, int limit = 256) {
    for (int i = 0; i < rounds; ++i) {
      if (a.up()) a.Pump(limit);
      if (b.up()) b.Pump(limit);
      Copy(a, b);
      Copy(b, a);
      Pass(absl::Seconds(1));
    }
  }

  test::Steps steps{absl::FromUnixSeconds(1'790'000'000)};
  WallClock wall{steps.clock()};
  test::MemoryFiles files;
  Side a;
  Side b;
};

}  // namespace hotline::dispatch

#endif  // TESTS_SERVICES_DISPATCH_SPOOL_WORLD_H_
