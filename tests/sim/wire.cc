#include "tests/sim/wire.h"

#include "tests/sim/site.h"
#include "tests/sim/witness.h"

namespace hotline::sim {
namespace {

// A call under way: answered once, by the peer or by the caller's time-out; never to a caller that died.
template <typename Response>
struct Call {
  std::weak_ptr<const int> caller;
  Done<Response> done;
  void Answer(absl::StatusOr<Response> response) {
    if (!done) return;
    Done<Response> answer = std::exchange(done, nullptr);
    if (!caller.expired()) answer(std::move(response));
  }
};

void Note(const Route& route, const exchange::v1::DeliverResponse& response) {
  route.witness->ReceiptLeft(route.to->index(), route.from->index(), response);
}
template <typename Response>
void Note(const Route&, const Response&) {}

template <typename Request, typename Response>
void Carry(const Route& route, void (Peer::*method)(const CallContext&, Request, Done<Response>),
           const CallContext& call, Request request, Done<Response> done) {
  auto pending = std::make_shared<Call<Response>>();
  pending->caller = route.from->life(Part::kDispatch);
  pending->done = std::move(done);
  const absl::Duration timeout = call.deadline - call.now;
  route.kernel->PostAfter(timeout, [pending] { pending->Answer(absl::DeadlineExceededError("no answer")); });
  const Path& there = (*route.paths)[route.from->index()][route.to->index()];
  const int copies = there.doubled > 0 && route.dice->Percent(there.doubled) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (there.Loses(*route.dice)) {
      // Some losses show soon (a connection that breaks), others only by the time-out.
      if (route.dice->Percent(70)) {
        route.kernel->PostAfter(absl::Milliseconds(20),
                                [pending] { pending->Answer(absl::UnavailableError("lost on the way")); });
      }
      continue;
    }
    route.kernel->PostAfter(
        there.Delay(*route.dice), [route, method, pending, request, timeout,
                                   restores = route.from->restores(), traceparent = call.traceparent] {
          if (route.from->restores() != restores) return;
          const Path& back = (*route.paths)[route.to->index()][route.from->index()];
          if (!route.to->up(Part::kDispatch)) {
            if (!back.Loses(*route.dice)) pending->Answer(absl::UnavailableError("nobody listens"));
            return;
          }
          CallContext call;
          call.now = route.to->clock()->Now();
          call.deadline = call.now + timeout;
          call.traceparent = traceparent;
          (static_cast<Peer*>(route.to->dispatch())->*method)(
              call, request,
              [route, pending, server = route.to->life(Part::kDispatch)](absl::StatusOr<Response> response) {
                if (server.expired()) return;
                if (response.ok()) Note(route, *response);
                const Path& back = (*route.paths)[route.to->index()][route.from->index()];
                if (back.Loses(*route.dice)) return;
                route.kernel->PostAfter(back.Delay(*route.dice),
                                        [pending, response = std::move(response)]() mutable {
                                          pending->Answer(std::move(response));
                                        });
              });
        });
  }
}

}  // namespace

void GrpcWire::Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
                       Done<exchange::v1::DeliverResponse> done) {
  Carry(route_, &Peer::Deliver, call, std::move(request), std::move(done));
}

void GrpcWire::GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
                       Done<exchange::v1::GetLinkResponse> done) {
  Carry(route_, &Peer::GetLink, call, std::move(request), std::move(done));
}

void GrpcWire::Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                        Done<exchange::v1::BackfillResponse> done) {
  Carry(route_, &Peer::Backfill, call, std::move(request), std::move(done));
}

void GrpcWire::Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                         Done<exchange::v1::ReconcileResponse> done) {
  Carry(route_, &Peer::Reconcile, call, std::move(request), std::move(done));
}

}  // namespace hotline::sim
