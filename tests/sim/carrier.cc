#include "tests/sim/carrier.h"

#include <utility>
#include <vector>

#include "common/base/text.h"
#include "tests/sim/site.h"
#include "tests/sim/witness.h"

namespace hotline::sim {

std::string SpoolOut(const std::string& peer) { return StrCat("out-", peer); }
std::string SpoolIn(const std::string& peer) { return StrCat("in-", peer); }

Carrier::Carrier(const Route& route)
    : route_(route),
      interval_(absl::Milliseconds(route.dice->Between(10, 120))),
      moves_(route.dice->Percent(30)) {}

void Carrier::Start() {
  route_.kernel->PostAfter(interval_, [this, life = std::weak_ptr<int>(life_)] {
    if (life.expired()) return;
    Round();
    Start();
  });
}

void Carrier::Round() {
  const Path& path =
      (*route_.paths)[static_cast<size_t>(route_.from->index())][static_cast<size_t>(route_.to->index())];
  if (path.cut) return;
  Dice& dice = *route_.dice;
  test::MemoryFiles::Directory& out = route_.from->spool_disk().at(SpoolOut(route_.to->hotline()));
  std::vector<std::string> done;
  for (const auto& [name, bytes] : out) {
    if (name[0] == '.') continue;
    const bool again = carried_.contains(name);
    if (again && !(path.doubled > 0 && dice.Percent(path.doubled))) continue;
    if (!again && path.lost > 0 && dice.Percent(path.lost)) {
      // Half the time it believes that it has carried the file.
      if (dice.Percent(50)) done.push_back(name);
      continue;
    }
    done.push_back(name);
    Carry(again && dice.Percent(50) ? StrCat("copy-of-", name) : name, bytes);
  }
  for (const std::string& name : done) {
    if (moves_) {
      out.erase(name);
    } else {
      carried_.insert(name);
    }
  }
  // What was forgotten here is news when it comes again.
  std::erase_if(carried_, [&](const std::string& name) { return !out.contains(name); });
  if (path.lost > 0 && dice.Percent(3)) {
    Carry(StrCat("stranger-", ++strangers_, dice.Percent(50) ? ".txt" : ".hlb"), "这不是信封");
  }
}

void Carrier::Carry(const std::string& name, const std::string& bytes) {
  const Path& path =
      (*route_.paths)[static_cast<size_t>(route_.from->index())][static_cast<size_t>(route_.to->index())];
  Dice& dice = *route_.dice;
  const auto put = [this, name, from = route_.from->restores(), to = route_.to->restores()](
                       absl::Duration delay, std::string content) {
    route_.kernel->PostAfter(
        delay, [this, life = std::weak_ptr<int>(life_), name, from, to, content = std::move(content)] {
          // A restore takes longer than any copying.
          if (life.expired() || route_.from->restores() != from || route_.to->restores() != to) return;
          route_.to->spool_disk().at(SpoolIn(route_.from->hotline()))[name] = content;
        });
  };
  const absl::Duration delay = path.Delay(dice);
  if (path.lost > 0 && dice.Percent(10)) {
    // Not at once, or never, the rest of it.
    put(delay, bytes.substr(0, static_cast<size_t>(dice.Below(static_cast<int64_t>(bytes.size())))));
    if (dice.Percent(70)) put(delay + absl::Milliseconds(dice.Between(1, 400)), bytes);
    return;
  }
  if (path.lost > 0 && dice.Percent(2)) {
    std::string altered = bytes;
    altered[static_cast<size_t>(dice.Below(static_cast<int64_t>(bytes.size())))] ^= 1;
    return put(delay, std::move(altered));
  }
  put(delay, bytes);
}

void SpoolDoor::Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                        Done<exchange::v1::DeliverResponse> done) {
  local_->Deliver(call, std::move(request),
                  [route = route_, server = route_.to->life(Part::kDispatch),
                   done = std::move(done)](absl::StatusOr<exchange::v1::DeliverResponse> response) mutable {
                    if (!server.expired() && response.ok()) {
                      route.witness->ReceiptLeft(route.to->index(), route.from->index(), *response);
                    }
                    done(std::move(response));
                  });
}

void SpoolDoor::GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
                        Done<exchange::v1::GetLinkResponse> done) {
  local_->GetLink(call, std::move(request), std::move(done));
}

void SpoolDoor::Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                         Done<exchange::v1::BackfillResponse> done) {
  local_->Backfill(call, std::move(request), std::move(done));
}

void SpoolDoor::Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                          Done<exchange::v1::ReconcileResponse> done) {
  local_->Reconcile(call, std::move(request), std::move(done));
}

}  // namespace hotline::sim
