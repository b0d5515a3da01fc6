#include "services/work_order/digests.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "services/work_order/core/shared_view.h"

namespace hotline::work_order {
namespace {

using exchange::v1::DigestRange;
using exchange::v1::RangeAnswer;
using type::v1::Handoff;
using type::v1::WorkOrder;

constexpr int kScanLimit = 256;
// Beyond so many unacknowledged envelopes of a lane everything counts as under way.
constexpr int kMaxMotion = 20'000;

int64_t Bucket(int64_t order_id, int level) { return order_id >> level; }

void SetWhole(const DigestRange& range, const DigestSum& sum, exchange::v1::RangeDigest* to) {
  *to->mutable_range() = range;
  to->set_count(sum.count);
  to->set_digest(sum.Bytes());
}

void AddParts(const std::map<int64_t, DigestSum>& parts, int level, const std::string& giver,
              RangeAnswer* answer) {
  for (const auto& [bucket, sum] : parts) {
    if (sum == DigestSum()) continue;
    SetWhole(RangeAt(giver, bucket << level, level), sum, answer->add_parts());
  }
}

// Where the sums count `handoff` of a site; nothing if it is not shared.
std::optional<SharedKey> KeyOf(const Handoff& handoff, std::string_view own) {
  const std::optional<int64_t> id = SharedOrderId(handoff.from_hotline(), handoff.id());
  if (!id.has_value()) return std::nullopt;
  const bool given = handoff.from_hotline() == own;
  return SharedKey{.peer = given ? handoff.to_hotline() : handoff.from_hotline(),
                   .given = given,
                   .level = kFinestSharedLevel,
                   .bucket = Bucket(*id, kFinestSharedLevel)};
}

}  // namespace

namespace {

// A handoff of an order and the view of it.
struct Viewed {
  const Handoff* handoff;
  std::string view;
};

// The current handoff and the one by which the order came, if it is another.
std::vector<Viewed> ViewsOf(const WorkOrder& order) {
  std::vector<Viewed> views;
  if (order.has_handoff()) views.push_back({&order.handoff(), SharedView(order)});
  if (order.has_inbound()) views.push_back({&order.inbound(), InboundView(order)});
  return views;
}

const Viewed* Find(const std::vector<Viewed>& views, const std::string& handoff_id) {
  for (const Viewed& viewed : views) {
    if (viewed.handoff->id() == handoff_id) return &viewed;
  }
  return nullptr;
}

const Handoff* FindPast(const WorkOrder& order, const std::string& handoff_id) {
  for (const Handoff& past : order.past_handoffs()) {
    if (past.id() == handoff_id) return &past;
  }
  return nullptr;
}

void Replace(const Handoff& handoff, const std::string& old_view, const std::string& new_view,
             std::string_view own, SharedDeltas* deltas) {
  if (old_view == new_view) return;
  const std::optional<SharedKey> key = KeyOf(handoff, own);
  if (!key.has_value()) return;
  DigestSum& sum = (*deltas)[*key];
  if (!old_view.empty()) sum.Subtract(Sha256({old_view}));
  if (!new_view.empty()) sum.Add(Sha256({new_view}));
}

}  // namespace

void CountChange(const WorkOrder* before, const WorkOrder& after, std::string_view own,
                 SharedDeltas* deltas) {
  const std::vector<Viewed> now = ViewsOf(after);
  const std::vector<Viewed> then = before == nullptr ? std::vector<Viewed>() : ViewsOf(*before);
  for (const Viewed& viewed : then) {
    if (Find(now, viewed.handoff->id()) != nullptr) continue;
    // It is among the past ones now: over, even if its end has not been heard of yet.
    Replace(*viewed.handoff, viewed.view, EndedView(*viewed.handoff), own, deltas);
  }
  for (const Viewed& viewed : now) {
    const Viewed* old = Find(then, viewed.handoff->id());
    // One that was left behind and is the current one again counts as over until now.
    const Handoff* past = before == nullptr ? nullptr : FindPast(*before, viewed.handoff->id());
    const std::string left = past == nullptr ? std::string() : EndedView(*past);
    Replace(*viewed.handoff, old == nullptr ? left : old->view, viewed.view, own, deltas);
  }
  // An earlier one that was lost and came back, or the answer to it.
  for (const Handoff& past : after.past_handoffs()) {
    if (Find(then, past.id()) != nullptr) continue;
    const Handoff* old = before == nullptr ? nullptr : FindPast(*before, past.id());
    Replace(past, old == nullptr ? std::string() : EndedView(*old), EndedView(past), own, deltas);
  }
}

absl::Status WriteDeltas(const SharedDeltas& deltas, Store& store) {
  for (const int level : kSharedLevels) {
    SharedDeltas coarser;
    for (const auto& [key, delta] : deltas) {
      SharedKey at = key;
      at.level = level;
      at.bucket = key.bucket >> (level - kFinestSharedLevel);
      coarser[std::move(at)].Add(delta);
    }
    for (const auto& [key, delta] : coarser) {
      if (absl::Status status = store.AddShared(key, delta); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<InMotion> FindInMotion(Reader& reader,
                                      const std::vector<std::pair<LaneKey, int64_t>>& acknowledged) {
  InMotion in_motion;
  for (const auto& [key, after] : acknowledged) {
    absl::StatusOr<std::vector<int64_t>> orders = reader.OutboxOrders(key, after, kMaxMotion);
    if (!orders.ok()) return orders.status();
    in_motion.all |= orders->size() == kMaxMotion;
    in_motion.orders.insert(orders->begin(), orders->end());
  }
  return in_motion;
}

SharedScan::SharedScan(std::string_view own, std::string_view peer, DigestRange range)
    : own_(own), peer_(peer), range_(std::move(range)), level_(LevelOf(range_).value_or(kLevelStep)) {
  next_order_ = range_.first_order_id();
  next_handoff_ = StrCat(range_.giver(), "-", FormatOrderId(range_.first_order_id()));
}

absl::StatusOr<bool> SharedScan::Step(Reader& reader, const InMotion& in_motion) {
  return range_.giver() == own_ ? StepGiven(reader, in_motion) : StepIndexed(reader, in_motion);
}

absl::StatusOr<bool> SharedScan::StepGiven(Reader& reader, const InMotion& in_motion) {
  if (!lost_scanned_) {
    // First those given under the id of an order that is lost: few or none.
    absl::StatusOr<bool> more = StepIndexed(reader, in_motion);
    if (!more.ok()) return more.status();
    lost_scanned_ = !*more;
    return true;
  }
  absl::StatusOr<std::vector<WorkOrder>> orders =
      reader.OrdersBetween(next_order_, range_.last_order_id(), kScanLimit);
  if (!orders.ok()) return orders.status();
  for (const WorkOrder& order : *orders) {
    const int64_t id = ParseOrderId(order.id()).value_or(0);
    const auto ours = [&](const Handoff& handoff) {
      return handoff.from_hotline() == own_ && handoff.to_hotline() == peer_ &&
             SharedOrderId(own_, handoff.id()) == id;
    };
    for (const Handoff& past : order.past_handoffs()) {
      if (ours(past)) Count(past.id(), id, EndedView(past), id, in_motion);
    }
    if (ours(order.handoff())) Count(order.handoff().id(), id, SharedView(order), id, in_motion);
  }
  if (static_cast<int>(orders->size()) < kScanLimit) return false;
  const int64_t last = ParseOrderId(orders->back().id()).value_or(kLargestOrderId);
  if (last >= range_.last_order_id()) return false;
  next_order_ = last + 1;
  return true;
}

// By the index of handoffs, which holds all that the giver's own id of the order does not lead to.
absl::StatusOr<bool> SharedScan::StepIndexed(Reader& reader, const InMotion& in_motion) {
  const std::string& giver = range_.giver();
  const auto between = [&](const Handoff& handoff) {
    return handoff.from_hotline() == giver && handoff.to_hotline() == (giver == own_ ? peer_ : own_);
  };
  // '.' comes right after the '-' behind the order's id.
  const std::string end = StrCat(giver, "-", FormatOrderId(range_.last_order_id()), ".");
  absl::StatusOr<std::vector<std::pair<std::string, int64_t>>> handoffs =
      reader.HandoffsBetween(next_handoff_, end, kScanLimit);
  if (!handoffs.ok()) return handoffs.status();
  for (const auto& [handoff_id, order_id] : *handoffs) {
    const std::optional<int64_t> giver_order_id = SharedOrderId(giver, handoff_id);
    if (!giver_order_id.has_value()) continue;
    absl::StatusOr<std::optional<WorkOrder>> order = reader.FindOrder(order_id);
    if (!order.ok()) return order.status();
    if (!order->has_value()) continue;
    std::string view;
    if ((*order)->handoff().id() == handoff_id) {
      if (between((*order)->handoff())) view = SharedView(**order);
    } else if ((*order)->inbound().id() == handoff_id) {
      if (between((*order)->inbound())) view = InboundView(**order);
    } else {
      for (const Handoff& past : (*order)->past_handoffs()) {
        if (past.id() == handoff_id && between(past)) view = EndedView(past);
      }
    }
    Count(handoff_id, *giver_order_id, view, order_id, in_motion);
  }
  if (static_cast<int>(handoffs->size()) < kScanLimit) return false;
  next_handoff_ = handoffs->back().first + '\x01';
  return true;
}

void SharedScan::Count(const std::string& handoff_id, int64_t giver_order_id, const std::string& view,
                       int64_t order_id, const InMotion& in_motion) {
  if (view.empty()) return;
  const std::string digest = Sha256({view});
  whole_.Add(digest);
  buckets_[Bucket(giver_order_id, kFinestSharedLevel)].Add(digest);
  if (level_ > kLevelStep) {
    parts_[Bucket(giver_order_id, PartLevel(level_))].Add(digest);
    if (whole_.count > kMaxRangeItems) return;
  }
  exchange::v1::SharedItem& item = items_.emplace_back();
  item.set_handoff_id(handoff_id);
  item.set_digest(digest);
  item.set_view(view);
  item.set_in_motion(in_motion.Contains(order_id));
}

RangeAnswer SharedScan::Answer() {
  RangeAnswer answer;
  SetWhole(range_, whole_, answer.mutable_whole());
  if (whole_.count > kMaxRangeItems && level_ > kLevelStep) {
    AddParts(parts_, PartLevel(level_), range_.giver(), &answer);
    return answer;
  }
  std::sort(items_.begin(), items_.end(),
            [](const auto& a, const auto& b) { return a.handoff_id() < b.handoff_id(); });
  for (exchange::v1::SharedItem& item : items_) *answer.add_items() = std::move(item);
  return answer;
}

absl::StatusOr<RangeAnswer> AnswerRange(Reader& reader, std::string_view own, std::string_view peer,
                                        const DigestRange& range, const InMotion& in_motion) {
  const int level = LevelOf(range).value_or(kLevelStep);
  const auto run = [&](SharedScan& scan) -> absl::Status {
    for (;;) {
      absl::StatusOr<bool> more = scan.Step(reader, in_motion);
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
    }
  };
  const auto read = [&](int at) {
    return reader.ReadShared({.peer = std::string(peer),
                              .given = range.giver() == own,
                              .level = at,
                              .bucket = Bucket(range.first_order_id(), at)},
                             Bucket(range.last_order_id(), at));
  };
  if (level < kFinestSharedLevel) {
    SharedScan all(own, peer, range);
    if (absl::Status status = run(all); !status.ok()) return status;
    return all.Answer();
  }

  constexpr int kCoarsest = kSharedLevels[std::size(kSharedLevels) - 1];
  absl::StatusOr<std::map<int64_t, DigestSum>> rows = read(std::min(level, kCoarsest));
  if (!rows.ok()) return rows.status();
  DigestSum whole;
  for (const auto& [bucket, sum] : *rows) whole.Add(sum);
  if (whole.count <= kMaxRangeItems) {
    // Only where there is anything: one scan for each bucket of the finest level.
    rows = read(kFinestSharedLevel);
    if (!rows.ok()) return rows.status();
    RangeAnswer answer;
    DigestSum counted;
    for (const auto& [bucket, sum] : *rows) {
      SharedScan part(own, peer, RangeAt(range.giver(), bucket << kFinestSharedLevel, kFinestSharedLevel));
      if (absl::Status status = run(part); !status.ok()) return status;
      counted.Add(part.whole());
      RangeAnswer items = part.Answer();
      for (exchange::v1::SharedItem& item : *items.mutable_items()) *answer.add_items() = std::move(item);
    }
    // More than the sums know of is left to a recount.
    if (counted.count == answer.items_size() && counted.count <= kMaxRangeItems) {
      SetWhole(range, counted, answer.mutable_whole());
      return answer;
    }
  }
  RangeAnswer answer;
  SetWhole(range, whole, answer.mutable_whole());
  if (level == kFinestSharedLevel) {
    SharedScan all(own, peer, range);
    if (absl::Status status = run(all); !status.ok()) return status;
    return all.Answer();
  }
  std::map<int64_t, DigestSum> parts;
  if (PartLevel(level) > kCoarsest) {
    for (const auto& [bucket, sum] : *rows) parts[bucket >> (kTopLevel - kCoarsest)].Add(sum);
  } else {
    rows = read(PartLevel(level));
    if (!rows.ok()) return rows.status();
    parts = *std::move(rows);
  }
  AddParts(parts, PartLevel(level), range.giver(), &answer);
  return answer;
}

}  // namespace hotline::work_order
