#include "services/escalation/report/archive.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/base/id.h"
#include "common/error/error.h"

namespace hotline::escalation::report {

Archive::Archive(std::unique_ptr<Reader> reader, const hotline::Clock* clock, DeadlinesNow deadlines,
                 std::string site, std::function<Follower::Stats()> progress)
    : reader_(std::move(reader)),
      clock_(clock),
      deadlines_(std::move(deadlines)),
      site_(std::move(site)),
      progress_(std::move(progress)) {}

absl::StatusOr<absl::Time> Archive::KnowledgeFor(const Period& period, absl::Time now) const {
  const Follower::Stats progress = progress_();
  if (period.end <= progress.known_until) return period.end;
  // Something may have been committed before the end of the period that is not known yet: an answer now might
  // not be the one that is given later.
  if (progress.known_until == absl::InfinitePast() || progress.cursor < progress.head || period.end <= now) {
    return error::ReportBehind(progress.cursor, progress.head);
  }
  return progress.known_until + absl::Nanoseconds(1);
}

absl::Status Archive::Visit(const Period& period, absl::Time knowledge, const CallContext& call,
                            absl::FunctionRef<void(const History&)> visit) {
  const auto ids = reader_->FindOrders(period.start, std::min(period.end, knowledge), kMaxOrders + 1);
  if (!ids.ok()) return ids.status();
  if (static_cast<int64_t>(ids->size()) > kMaxOrders) return error::ReportTooLarge("period", kMaxOrders);
  int64_t visited = 0;
  for (const int64_t id : *ids) {
    // Nobody waits for it any more.
    if (++visited % 256 == 0 && clock_->Now() > call.deadline) {
      return absl::DeadlineExceededError("the report took longer than the call may");
    }
    const auto history = Read(id, knowledge);
    if (!history.ok()) return history.status();
    if (history->has_value()) visit(**history);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<History>> Archive::Read(int64_t id, absl::Time knowledge) {
  const auto events = Events(id);
  if (!events.ok()) return events.status();
  const std::shared_ptr<const Deadlines> rules = deadlines_.Get();
  HistoryReader reader(rules.get(), site_);
  bool any = false;
  for (const type::v1::Event& event : *events) {
    if (FromProto(event.commit_time()) >= knowledge) break;
    reader.Add(event);
    any = true;
  }
  if (!any) return std::nullopt;
  History history = std::move(reader).Finish(knowledge);
  if (!history.came_as.empty()) {
    const auto came_again = reader_->CameBefore(history.came_as, history.register_time, id);
    if (!came_again.ok()) return came_again.status();
    history.came_again = *came_again;
  }
  return history;
}

absl::StatusOr<std::vector<DeadlineCount>> Archive::CountDeadlines(absl::Time now) {
  auto counts = reader_->CountDeadlines(now);
  if (!counts.ok()) return counts.status();
  std::map<int, DeadlineCount> others;  // by kind
  std::vector<DeadlineCount> bounded;
  for (DeadlineCount& count : *counts) {
    if (named_.size() < kMaxParties && count.party != kOtherParties) named_.insert(count.party);
    if (named_.contains(count.party)) {
      bounded.push_back(std::move(count));
      continue;
    }
    DeadlineCount& other = others[count.kind];
    other.party = kOtherParties;
    other.kind = count.kind;
    other.green += count.green;
    other.yellow += count.yellow;
    other.red += count.red;
    other.paused += count.paused;
  }
  for (auto& [kind, other] : others) bounded.push_back(std::move(other));
  return bounded;
}

absl::StatusOr<std::vector<type::v1::Event>> Archive::Events(int64_t id) {
  const auto entries = reader_->ReadEntries(id);
  if (!entries.ok()) return entries.status();
  std::vector<type::v1::Event> events(entries->size());
  for (size_t i = 0; i < events.size(); ++i) {
    if (!events[i].ParseFromString((*entries)[i])) return error::StoreFailed("an event cannot be read");
  }
  return events;
}

absl::StatusOr<History> Archive::Find(const std::string& id_or_number) {
  std::optional<int64_t> id = ParseOrderId(id_or_number);
  if (!id.has_value()) {
    auto found = reader_->FindIdByNumber(id_or_number);
    if (!found.ok()) return found.status();
    id = *found;
  }
  if (!id.has_value()) return error::OrderNotFound(id_or_number);
  auto history = Read(*id, absl::InfiniteFuture());
  if (!history.ok()) return history.status();
  if (!history->has_value()) return error::OrderNotFound(id_or_number);
  return **std::move(history);
}

}  // namespace hotline::escalation::report
