// hotline.workorder.v1.WorkOrderService without a wire: commands go to the engine, reads to a connection of
// their own, watches to the hub.
#ifndef SERVICES_WORK_ORDER_SERVICE_H_
#define SERVICES_WORK_ORDER_SERVICE_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/loop.h"
#include "common/contract/call.h"
#include "common/contract/clearance.h"
#include "common/contract/disclosure.h"
#include "common/contract/finder.h"
#include "common/contract/stream.h"
#include "common/crypto/signature.h"
#include "common/retention/erase.h"
#include "common/stream/event_hub.h"
#include "hotline/workorder/v1/work_order_service.pb.h"
#include "services/work_order/engine.h"
#include "services/work_order/similar_orders.h"

namespace hotline::work_order {

// What evidence is signed and checked with.
struct EvidenceKeys {
  crypto::SigningKeys signing;
  crypto::KeyRing ring;  // public keys of this site and its peers
};

// Thread-safe. Promises and errors of each method are in work_order_service.proto.
class WorkOrderService : public OrderFinder {
 public:
  // `engine`, `reader` and both executors outlive it; `readers` is the only thread that uses `reader`.
  // `hub_thread` runs the watches.
  WorkOrderService(Engine* engine, std::unique_ptr<Reader> reader, Executor* readers, Executor* hub_thread,
                   const Clock* clock, EvidenceKeys keys = {}, Clearance clearance = {});

  // Every command: the request's header and action become a Command; the answer is its result.
  void Execute(const CallContext& call, type::v1::Command command, Done<workorder::v1::CommandResult> done);

  void GetWorkOrder(const CallContext& call, workorder::v1::GetWorkOrderRequest request,
                    Done<workorder::v1::GetWorkOrderResponse> done);
  // Works in slices, so that other reads go on beside it, until nobody waits any more.
  void ListWorkOrders(const CallContext& call, workorder::v1::ListWorkOrdersRequest request,
                      Done<workorder::v1::ListWorkOrdersResponse> done);
  void ListOrderEvents(const CallContext& call, workorder::v1::ListOrderEventsRequest request,
                       Done<workorder::v1::ListOrderEventsResponse> done);
  // The command, and what it leaves open.
  void CloseWorkOrder(const CallContext& call, workorder::v1::CloseWorkOrderRequest request,
                      Done<workorder::v1::CloseWorkOrderResponse> done);
  void GetCustodyChain(const CallContext& call, workorder::v1::GetCustodyChainRequest request,
                       Done<workorder::v1::GetCustodyChainResponse> done);
  void WhoHolds(const CallContext& call, workorder::v1::WhoHoldsRequest request,
                Done<workorder::v1::WhoHoldsResponse> done);
  void PreviewReturn(const CallContext& call, workorder::v1::PreviewReturnRequest request,
                     Done<workorder::v1::PreviewReturnResponse> done);
  void FindSimilarOrders(const CallContext& call, workorder::v1::FindSimilarOrdersRequest request,
                         Done<workorder::v1::FindSimilarOrdersResponse> done) override;
  // Works in such slices too, one at a time: while one is under way, another is refused (OVERLOADED).
  void VerifyLog(const CallContext& call, workorder::v1::VerifyLogRequest request,
                 Done<workorder::v1::VerifyLogResponse> done);
  // As well.
  void ExportEvidence(const CallContext& call, workorder::v1::ExportEvidenceRequest request,
                      Done<workorder::v1::ExportEvidenceResponse> done);
  absl::StatusOr<std::unique_ptr<MessageStream>> WatchWorkOrders(
      const CallContext& call, const workorder::v1::WatchWorkOrdersRequest& request);

  // What the engine committed goes out to the watches.
  void Publish(const EventHub::Items& items) { hub_.Publish(items); }
  // Ends the watches, and a verification under way.
  void Drain() {
    draining_.store(true);
    hub_.Drain();
  }
  int64_t open_watches() const { return hub_.open_streams(); }
  size_t similar_bytes() const { return similar_.bytes(); }

 private:
  struct Listing;
  struct Verification;
  struct Export;
  struct Walk;

  absl::StatusOr<int64_t> Resolve(const std::string& order_id);
  // Records what is about to be shown, in one commit, and then calls `then` on the readers' thread; `failed`
  // if it cannot.
  void Disclose(const CallContext& call, std::vector<Shown> shown, absl::AnyInvocable<void()> then,
                absl::AnyInvocable<void(absl::Status)> failed);
  Sight SightOf(const CallContext& call, const type::v1::WorkOrder& order) const {
    return hotline::SightOf(order, call.account, clearance_.Covers(call), call.unit);
  }
  // So much sight of the order is a disclosure: of a restricted one also without its caller, of a secret one
  // who that is.
  static bool IsDisclosure(const type::v1::WorkOrder& order, Sight sight) {
    return order.facts().restricted() || (order.facts().secret() && sight == Sight::kWhole);
  }
  absl::StatusOr<workorder::v1::GetWorkOrderResponse> Get(const std::string& order_id);
  // The same as `call` may see it.
  absl::StatusOr<workorder::v1::GetWorkOrderResponse> GetFor(const CallContext& call,
                                                             const std::string& order_id);
  // A page of a list, and what of it is to be recorded.
  using Listed = absl::AnyInvocable<void(absl::StatusOr<workorder::v1::ListWorkOrdersResponse>,
                                         std::vector<Shown> shown)>;
  // Without those that `call` may not know of. On the readers' thread.
  void List(const CallContext& call, const workorder::v1::ListWorkOrdersRequest& request, Listed done);
  absl::Status CheckUnit(const std::string& unit);
  void ListSlice(std::shared_ptr<Listing> l);
  // Answers by `read` of the order's history: refused or recorded if it is restricted.
  template <typename Response>
  void ReadRestricted(const CallContext& call, const std::string& order_id,
                      absl::AnyInvocable<void(Done<Response>)> read, Done<Response> done);
  // Answers who was accountable for an order at the instant that is asked about. `answer` gets its events.
  template <typename Request, typename Response>
  void ReadTenures(const CallContext& call, const Request& request,
                   absl::StatusOr<Response> (WorkOrderService::*answer)(
                       const type::v1::WorkOrder& order, const std::vector<type::v1::Event>& events,
                       absl::Time at),
                   Done<Response> done);
  void WalkSlice(std::shared_ptr<Walk> walk);
  absl::StatusOr<type::v1::WorkOrder> Find(const std::string& order_id);
  // `limit` events of an order, `last` the latest of them, oldest first; fewer if they were larger than
  // `max_bytes` together, but one at least.
  absl::StatusOr<std::vector<type::v1::Event>> ReadHistory(int64_t last, size_t limit, size_t max_bytes);
  absl::StatusOr<workorder::v1::ListOrderEventsResponse> History(
      const CallContext& call, const workorder::v1::ListOrderEventsRequest& request);
  absl::StatusOr<workorder::v1::GetCustodyChainResponse> Chain(const type::v1::WorkOrder& order,
                                                               const std::vector<type::v1::Event>& events,
                                                               absl::Time at);
  absl::StatusOr<workorder::v1::WhoHoldsResponse> Holds(const type::v1::WorkOrder& order,
                                                        const std::vector<type::v1::Event>& events,
                                                        absl::Time at);
  // The order with this id came from this number, written without separators; not if that is empty.
  absl::StatusOr<bool> HasNumber(int64_t id, const std::string& number);
  absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> Similar(
      const CallContext& call, const workorder::v1::FindSimilarOrdersRequest& request,
      std::vector<Shown>* shown);
  // `call` may know of the order. `by_number`: it was found by its caller's number, and who looks for one is
  // not told that somebody who asked for secrecy has it.
  bool MayList(const CallContext& call, bool by_number, const type::v1::WorkOrder& order) const {
    const Sight sight = SightOf(call, order);
    return sight == Sight::kWhole || (sight == Sight::kNoCaller && !by_number);
  }
  // Takes out of `order`, which `call` may know of, what it may not know. `shown`: what is to be recorded.
  absl::Status Fit(const CallContext& call, bool by_number, type::v1::WorkOrder* order,
                   std::vector<Shown>* shown);
  // Reads by `reader_`.
  retention::ErasureCheck MakeErasureCheck();
  void VerifySlice(std::shared_ptr<Verification> verification);
  void ExportSlice(std::shared_ptr<Export> running);

  Engine* const engine_;
  const std::unique_ptr<Reader> reader_;
  Executor* const readers_;
  const Clock* const clock_;
  const EvidenceKeys keys_;
  const Clearance clearance_;
  SimilarOrders similar_;
  std::atomic<bool> draining_ = false;
  std::atomic<bool> verifying_ = false;
  EventHub hub_;
};

}  // namespace hotline::work_order

#endif  // SERVICES_WORK_ORDER_SERVICE_H_
