// The notifier's part of the process: its gRPC face, webhooks, log lines and metrics, and what it sees of the
// clocks.
#ifndef SERVICES_ESCALATION_EDGE_NOTIFY_H_
#define SERVICES_ESCALATION_EDGE_NOTIFY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/boot/boot.h"
#include "common/contract/ledger.h"
#include "hotline/type/v1/event.pb.h"
#include "services/escalation/directory/service.h"
#include "services/escalation/discretion.h"
#include "services/escalation/notify/store/store.h"
#include "services/escalation/store/store.h"

namespace hotline::escalation {

class Notifications {
 public:
  // `environment`, `people`, `ledger` and `discretion` outlive it;
  // `clocks` is a reader of its own on the clocks' store.
  static absl::StatusOr<std::unique_ptr<Notifications>> Create(const boot::Environment& environment,
                                                               const directory::Service* people,
                                                               std::unique_ptr<Reader> clocks, Ledger* ledger,
                                                               const Discretion* discretion,
                                                               std::unique_ptr<notify::Store> store);
  virtual ~Notifications() = default;

  virtual std::vector<boot::Endpoint> endpoints() = 0;
  virtual void Start() = 0;
  virtual void Drain() = 0;
  // Its threads end; what the ledger still answers is dropped. Before the ledger goes.
  virtual void Stop() = 0;
  // From the follower: the log is followed up to here; and it has been read up to its head, so that what the
  // clocks say is so.
  virtual void OnProgress(int64_t cursor) = 0;
  virtual void OnCaughtUp() = 0;
  // The log says that a person took note of a rung.
  virtual void OnAcknowledged(const type::v1::Event& event) = 0;
};

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_NOTIFY_H_
