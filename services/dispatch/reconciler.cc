#include "services/dispatch/reconciler.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "common/base/id.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/exchange/digest_sum.h"
#include "services/dispatch/notary.h"

namespace hotline::dispatch {
namespace {

using exchange::v1::DigestRange;
using exchange::v1::RangeAnswer;
using exchange::v1::SharedItem;

// At most 256 handoffs are told of each, so an answer stays below a megabyte.
constexpr size_t kRangesAtOnce = 12;
constexpr size_t kShortRangesAtOnce = 64;
constexpr int kLooks = 3;
constexpr int kResendAtOnce = 512;
constexpr size_t kMaxDifferences = 10'000;
constexpr int kMaxTold = 1000;
constexpr size_t kMaxWaiting = 64;
constexpr absl::Duration kRetryWhenFull = absl::Seconds(10);
// More than a handoff's id and view ever have.
constexpr size_t kMaxHandoffId = 64;
constexpr size_t kMaxView = 4096;

// A handoff as both sites told it last.
struct Sides {
  std::optional<SharedItem> here;
  std::optional<SharedItem> there;
  bool resent = false;
  bool repaired = false;

  bool Differ() const {
    if (here.has_value() != there.has_value()) return true;
    return here.has_value() && here->digest() != there->digest();
  }
  bool InMotion() const {
    return (here.has_value() && here->in_motion()) || (there.has_value() && there->in_motion());
  }
};

bool ToldByItems(const RangeAnswer& answer) { return answer.items_size() == answer.whole().count(); }

std::optional<int64_t> OrderIdOf(const std::string& giver, const std::string& handoff_id) {
  return SharedOrderId(giver, handoff_id);
}

bool IsWithin(int64_t order_id, const DigestRange& range) {
  return order_id >= range.first_order_id() && order_id <= range.last_order_id();
}

// What an answer says of the parts of `range`, whichever way it was told. Nothing if it does not add up.
std::optional<std::map<int64_t, DigestSum>> PartsOf(const RangeAnswer& answer, const DigestRange& range,
                                                    int level) {
  std::map<int64_t, DigestSum> parts;
  const int part_level = PartLevel(level);
  if (ToldByItems(answer)) {
    for (const SharedItem& item : answer.items()) {
      const std::optional<int64_t> id = OrderIdOf(range.giver(), item.handoff_id());
      if (!id.has_value() || !IsWithin(*id, range)) return std::nullopt;
      parts[*id >> part_level].Add(item.digest());
    }
    return parts;
  }
  for (const exchange::v1::RangeDigest& part : answer.parts()) {
    if (LevelOf(part.range()) != part_level || part.range().giver() != range.giver() ||
        !IsWithin(part.range().first_order_id(), range)) {
      return std::nullopt;
    }
    parts.emplace(part.range().first_order_id() >> part_level, DigestSum::Of(part.count(), part.digest()));
  }
  if (parts.empty()) return std::nullopt;
  return parts;
}

}  // namespace

// One comparison: a chain of calls, one under way at a time.
//
//   narrow (peer, then ledger; the ranges that differ) ──► look again (up to three times, after a pause) ──►
//   resend
//                                                            ▲ │ └────────────── once, if anything was sent
//                                                            ◄───────┘
class Reconciler::Comparison : public std::enable_shared_from_this<Comparison> {
 public:
  Comparison(Reconciler* owner, v1::ReconcileLinkRequest request)
      : owner_(owner), request_(std::move(request)), peer_(owner->peers_.find(request_.peer())->second) {
    *response_.mutable_start_time() = ToTimestamp(owner_->clock_->Now());
  }

  void Begin() {
    for (const std::string& giver : {owner_->options_.hotline, request_.peer()}) {
      open_.push_back(RangeAt(giver, 0, kAllIdsLevel));
    }
    Next();
  }

 private:
  void Next() {
    if (owner_->stopped()) return Fail(error::Draining());
    if (!open_.empty()) return Ask();
    if (looking_again_) Settle();
    if (response_.truncated()) return Resend();
    bool again = false;
    for (const auto& [id, sides] : found_) again |= sides.Differ();
    if (!again || looks_ == kLooks) return Resend();
    ++looks_;
    // Most of what is under way arrives soon.
    owner_->executor_->PostAfter(owner_->options_.pause / (1 << (kLooks - looks_)),
                                 [self = shared_from_this()] { self->LookAgain(); });
  }

  // The shortest ranges of all that differ.
  void LookAgain() {
    looking_again_ = true;
    std::set<std::pair<std::string, int64_t>> ranges;
    for (auto& [id, sides] : found_) {
      if (!sides.Differ()) continue;
      for (const std::string& giver : {owner_->options_.hotline, request_.peer()}) {
        const std::optional<int64_t> order_id = OrderIdOf(giver, id);
        if (!order_id.has_value()) continue;
        ranges.emplace(giver, *order_id >> kLevelStep);
      }
      looked_for_.insert(id);
    }
    for (const auto& [giver, bucket] : ranges)
      open_.push_back(RangeAt(giver, bucket << kLevelStep, kLevelStep));
    Next();
  }

  void Ask() {
    asked_.clear();
    const size_t most = looking_again_ ? kShortRangesAtOnce : kRangesAtOnce;
    while (!open_.empty() && asked_.size() < most) {
      asked_.push_back(std::move(open_.front()));
      open_.pop_front();
    }
    exchange::v1::ReconcileRequest request;
    request.set_protocol_version(kProtocolVersion);
    request.set_from_hotline(owner_->options_.hotline);
    request.set_to_hotline(request_.peer());
    for (const DigestRange& range : asked_) *request.add_ranges() = range;
    response_.set_question_count(response_.question_count() + 1);
    const absl::Duration timeout =
        peer_->store_and_forward() ? owner_->options_.slow_call_timeout : owner_->options_.call_timeout;
    peer_->Reconcile(NewCall(timeout), std::move(request),
                     [self = shared_from_this()](absl::StatusOr<exchange::v1::ReconcileResponse> theirs) {
                       // Not on the transport's thread: what follows may call it again.
                       self->owner_->executor_->Post([self, theirs = std::move(theirs)]() mutable {
                         self->OnTheirs(std::move(theirs));
                       });
                     });
  }

  // The question under way is, for all that is known, the last, and not the first, which counts as it is.
  bool recounts() const { return open_.empty() && response_.question_count() > 1; }

  void OnTheirs(absl::StatusOr<exchange::v1::ReconcileResponse> theirs) {
    if (!theirs.ok()) return Fail(error::OfPeer(request_.peer(), theirs.status()));
    if (theirs->answers_size() != static_cast<int>(asked_.size())) {
      return Fail(error::Internal("the peer answered other ranges than those asked"));
    }
    theirs_ = *std::move(theirs);
    workorder::v1::ReadDigestsRequest read;
    read.set_peer(request_.peer());
    read.set_recount(request_.recount() && !looking_again_ && asked_.front().first_order_id() == 0 &&
                     asked_.front().last_order_id() == kLargestOrderId);
    for (const DigestRange& range : asked_) *read.add_ranges() = range;
    // What has come or gone meanwhile shows in the wholes alone, and only of what is here.
    if (recounts()) {
      for (const std::string& giver : {owner_->options_.hotline, request_.peer()}) {
        *read.add_ranges() = RangeAt(giver, 0, kAllIdsLevel);
      }
    }
    owner_->ledger_->ReadDigests(
        NewCall(read.recount() ? absl::Minutes(10) : owner_->options_.call_timeout), std::move(read),
        [self = shared_from_this()](absl::StatusOr<workorder::v1::ReadDigestsResponse> ours) {
          self->owner_->executor_->Post(
              [self, ours = std::move(ours)]() mutable { self->OnOurs(std::move(ours)); });
        });
  }

  void OnOurs(absl::StatusOr<workorder::v1::ReadDigestsResponse> ours) {
    if (!ours.ok()) return Fail(ours.status());
    const int asked = static_cast<int>(asked_.size());
    if (ours->answers_size() != asked + (recounts() ? 2 : 0)) {
      return Fail(error::Internal("work_order answered other ranges than those asked"));
    }
    if (recounts()) {
      response_.set_handoff_count(ours->answers(asked).whole().count() +
                                  ours->answers(asked + 1).whole().count());
    }
    for (size_t i = 0; i < asked_.size(); ++i) {
      const int index = static_cast<int>(i);
      if (absl::Status status = CompareRange(asked_[i], ours->answers(index), theirs_.answers(index));
          !status.ok()) {
        return Fail(status);
      }
    }
    Next();
  }

  absl::Status CompareRange(const DigestRange& range, const RangeAnswer& ours, const RangeAnswer& theirs) {
    const int level = LevelOf(range).value_or(kLevelStep);
    if (level == kAllIdsLevel) response_.set_handoff_count(response_.handoff_count() + ours.whole().count());
    if (!looking_again_ && ours.whole().count() == theirs.whole().count() &&
        ours.whole().digest() == theirs.whole().digest()) {
      return absl::OkStatus();
    }
    if (level == kLevelStep || (ToldByItems(ours) && ToldByItems(theirs))) {
      CompareItems(range, ours, theirs);
      return absl::OkStatus();
    }
    const auto our_parts = PartsOf(ours, range, level);
    const auto their_parts = PartsOf(theirs, range, level);
    if (!our_parts.has_value() || !their_parts.has_value()) {
      return error::Internal("an answer about a range does not add up");
    }
    std::set<int64_t> buckets;
    for (const auto* parts : {&*our_parts, &*their_parts}) {
      for (const auto& [bucket, sum] : *parts) buckets.insert(bucket);
    }
    const auto sum_of = [](const std::map<int64_t, DigestSum>& parts, int64_t bucket) {
      const auto it = parts.find(bucket);
      return it == parts.end() ? DigestSum() : it->second;
    };
    const int part_level = PartLevel(level);
    for (const int64_t bucket : buckets) {
      if (sum_of(*our_parts, bucket) == sum_of(*their_parts, bucket)) continue;
      // Each range that waits should hold a difference, but a peer can claim any number of them. Those that
      // wait are still looked into, so that where very much differs some of it is repaired.
      if (open_.size() >= kMaxDifferences) {
        response_.set_truncated(true);
        break;
      }
      open_.push_back(RangeAt(range.giver(), bucket << part_level, part_level));
    }
    return absl::OkStatus();
  }

  void CompareItems(const DigestRange& range, const RangeAnswer& ours, const RangeAnswer& theirs) {
    std::map<std::string, Sides> all;
    for (const SharedItem& item : ours.items()) all[item.handoff_id()].here = item;
    for (const SharedItem& item : theirs.items()) {
      // Only what belongs here: a stranger's list is not to grow ours.
      const std::optional<int64_t> id = OrderIdOf(range.giver(), item.handoff_id());
      if (!id.has_value() || !IsWithin(*id, range) || item.handoff_id().size() > kMaxHandoffId ||
          item.view().size() > kMaxView) {
        continue;
      }
      all[item.handoff_id()].there = item;
    }
    for (auto& [id, sides] : all) {
      if (looking_again_) {
        if (const auto known = found_.find(id); known != found_.end() && looked_for_.erase(id) > 0) {
          known->second.here = std::move(sides.here);
          known->second.there = std::move(sides.there);
        }
        continue;
      }
      if (!sides.Differ()) continue;
      if (found_.size() >= kMaxDifferences) {
        response_.set_truncated(true);
        open_.clear();
        return;
      }
      found_.emplace(id, std::move(sides));
    }
  }

  // After a look: what neither site told of is gone, and what agrees was only under way or has been repaired.
  void Settle() {
    looking_again_ = false;
    for (const std::string& id : looked_for_) {
      if (const auto known = found_.find(id); known != found_.end())
        known->second.here = known->second.there = {};
    }
    looked_for_.clear();
    for (auto it = found_.begin(); it != found_.end();) {
      const bool over = !it->second.Differ();
      if (over && !it->second.resent) {
        it = found_.erase(it);
        continue;
      }
      it->second.repaired = over;
      ++it;
    }
  }

  void Resend() {
    if (!request_.repair() || resent_) return Complete();
    resent_ = true;
    for (const auto& [id, sides] : found_) {
      if (sides.here.has_value() && !sides.InMotion()) to_resend_.push_back(id);
    }
    ResendNext();
  }

  void ResendNext() {
    if (owner_->stopped()) return Fail(error::Draining());
    if (to_resend_.empty()) {
      if (!any_resent_ || response_.truncated()) return Complete();
      looks_ = 0;
      return Next();
    }
    workorder::v1::ResendRequest request;
    request.set_peer(request_.peer());
    while (!to_resend_.empty() && request.handoff_ids_size() < kResendAtOnce) {
      request.add_handoff_ids(to_resend_.back());
      to_resend_.pop_back();
    }
    workorder::v1::ResendRequest sent = request;
    owner_->ledger_->Resend(NewCall(owner_->options_.call_timeout), std::move(request),
                            [self = shared_from_this(),
                             sent = std::move(sent)](absl::StatusOr<workorder::v1::ResendResponse> response) {
                              self->owner_->executor_->Post([self, sent, response = std::move(response)] {
                                if (!response.ok()) return self->Fail(response.status());
                                const std::set<std::string> skipped(response->skipped().begin(),
                                                                    response->skipped().end());
                                for (const std::string& id : sent.handoff_ids()) {
                                  if (skipped.contains(id)) continue;
                                  self->found_.find(id)->second.resent = true;
                                  self->any_resent_ = true;
                                }
                                self->ResendNext();
                              });
                            });
  }

  void Complete() {
    for (const auto& [id, sides] : found_) {
      if (!sides.repaired && !sides.InMotion())
        response_.set_difference_count(response_.difference_count() + 1);
      if (response_.differences_size() == kMaxTold) continue;
      v1::HandoffDifference* told = response_.add_differences();
      told->set_handoff_id(id);
      told->set_kind(!sides.here.has_value()    ? v1::DIFFERENCE_KIND_MISSING_HERE
                     : !sides.there.has_value() ? v1::DIFFERENCE_KIND_MISSING_THERE
                                                : v1::DIFFERENCE_KIND_VIEWS_DIFFER);
      if (sides.here.has_value()) told->set_view_here(sides.here->view());
      if (sides.there.has_value()) told->set_view_there(sides.there->view());
      told->set_in_motion(sides.InMotion());
      told->set_resent(sides.resent);
      told->set_repaired(sides.repaired);
    }
    *response_.mutable_end_time() = ToTimestamp(owner_->clock_->Now());
    owner_->Finish(request_.peer(), std::move(response_));
  }

  void Fail(const absl::Status& why) { owner_->Finish(request_.peer(), why); }

  CallContext NewCall(absl::Duration timeout) const {
    CallContext call;
    call.now = owner_->clock_->Now();
    call.deadline = call.now + timeout;
    call.traceparent = traceparent_;
    return call;
  }

  Reconciler* const owner_;
  const v1::ReconcileLinkRequest request_;
  Peer* const peer_;
  const std::string traceparent_ = NewTraceparent();
  v1::ReconcileLinkResponse response_;
  std::deque<DigestRange> open_;    // to be asked about
  std::vector<DigestRange> asked_;  // and under way
  exchange::v1::ReconcileResponse theirs_;
  std::map<std::string, Sides> found_;
  bool looking_again_ = false;
  std::set<std::string> looked_for_;  // and not told of yet
  int looks_ = 0;
  bool resent_ = false;
  bool any_resent_ = false;
  std::vector<std::string> to_resend_;
};

Reconciler::Reconciler(Ledger* ledger, std::map<std::string, Peer*> peers, Executor* executor,
                       const Clock* clock, ReconcilerOptions options)
    : ledger_(ledger),
      peers_(std::move(peers)),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)) {}

Reconciler::~Reconciler() = default;

void Reconciler::Start() {
  if (options_.interval == absl::InfiniteDuration()) return;
  for (const auto& [hotline, peer] : peers_) Schedule(hotline);
}

void Reconciler::Schedule(const std::string& peer) {
  executor_->PostAfter(options_.interval, [this, peer] {
    if (stopped()) return;
    v1::ReconcileLinkRequest request;
    request.set_peer(peer);
    request.set_repair(true);
    bool begin = Compares(peer);
    if (begin) {
      MutexLock lock(&mu_);
      begin = waiting_.try_emplace(peer).second;
    }
    if (begin) Begin(std::move(request));
    Schedule(peer);
  });
}

void Reconciler::Stop() {
  std::vector<Waiting> waiting;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    for (auto& [peer, who] : waiting_) {
      for (auto& [number, done] : who) waiting.push_back(std::move(done));
      who.clear();
    }
  }
  for (Waiting& done : waiting) done(error::Draining());
}

bool Reconciler::stopped() const {
  MutexLock lock(&mu_);
  return stopped_;
}

void Reconciler::Run(const CallContext& call, v1::ReconcileLinkRequest request,
                     Done<v1::ReconcileLinkResponse> done) {
  const std::string peer = request.peer();
  if (!peers_.contains(peer)) return done(error::PeerUnknown(peer));
  if (stopped()) return done(error::Draining());
  if (!Compares(peer)) return done(error::PeerDoesNotOffer(peer));
  int64_t number = 0;
  bool idle;
  {
    MutexLock lock(&mu_);
    const auto [it, first] = waiting_.try_emplace(peer);
    idle = first;
    if (it->second.size() < kMaxWaiting) {
      number = ++last_number_;
      it->second.emplace(number, std::move(done));
    }
  }
  if (number == 0) return done(error::Overloaded("comparisons with a peer", kRetryWhenFull));
  // Over a transport that stores and forwards it may take days, for which no call keeps its place here.
  if (call.deadline < absl::InfiniteFuture()) {
    executor_->PostAfter(std::max(call.deadline - clock_->Now(), absl::ZeroDuration()),
                         [this, peer, number] { Expire(peer, number); });
  }
  if (idle) Begin(std::move(request));
}

void Reconciler::Expire(const std::string& peer, int64_t number) {
  Waiting done;
  {
    MutexLock lock(&mu_);
    const auto who = waiting_.find(peer);
    if (who == waiting_.end()) return;
    const auto it = who->second.find(number);
    if (it == who->second.end()) return;
    done = std::move(it->second);
    who->second.erase(it);
  }
  done(absl::DeadlineExceededError("the comparison goes on"));
}

void Reconciler::Begin(v1::ReconcileLinkRequest request) {
  auto comparison = std::make_shared<Comparison>(this, std::move(request));
  executor_->Post([comparison = std::move(comparison)] { comparison->Begin(); });
}

void Reconciler::Finish(const std::string& peer, absl::StatusOr<v1::ReconcileLinkResponse> result) {
  std::map<int64_t, Waiting> waiting;
  {
    MutexLock lock(&mu_);
    ReconcileHealth& health = health_[peer];
    if (result.ok()) {
      ++health.completed;
      health.end_time = clock_->Now();
      health.differences = result->difference_count();
    } else {
      ++health.failed;
    }
    if (const auto it = waiting_.find(peer); it != waiting_.end()) {
      waiting = std::move(it->second);
      waiting_.erase(it);
    }
  }
  for (auto& [number, done] : waiting) done(result);
}

ReconcileHealth Reconciler::health(const std::string& peer) const {
  MutexLock lock(&mu_);
  const auto it = health_.find(peer);
  return it == health_.end() ? ReconcileHealth() : it->second;
}

}  // namespace hotline::dispatch
