// A ledger and a peer that keep every call until the test answers it.
#ifndef TESTS_SERVICES_DISPATCH_FAKES_H_
#define TESTS_SERVICES_DISPATCH_FAKES_H_

#include <deque>
#include <utility>

#include "tests/support/partial.h"

namespace hotline::dispatch {

template <typename Request, typename Response>
struct Held {
  Request request;
  Done<Response> done;
};
template <typename Request, typename Response>
using Holding = std::deque<Held<Request, Response>>;

// Takes the oldest call out.
template <typename Request, typename Response>
Held<Request, Response> Take(Holding<Request, Response>& calls) {
  Held<Request, Response> call = std::move(calls.front());
  calls.pop_front();
  return call;
}

struct FakeLedger : test::PartialLedger {
  void Execute(const CallContext&, workorder::v1::ExecuteRequest request,
               Done<workorder::v1::ExecuteResponse> done) override {
    executes.push_back({std::move(request), std::move(done)});
  }
  void ApplyInbox(const CallContext&, workorder::v1::ApplyInboxRequest request,
                  Done<workorder::v1::ApplyInboxResponse> done) override {
    inboxes.push_back({std::move(request), std::move(done)});
  }
  void PullOutbox(const CallContext&, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    pulls.push_back({std::move(request), std::move(done)});
  }
  void ReadEvents(const CallContext&, workorder::v1::ReadEventsRequest request,
                  Done<workorder::v1::ReadEventsResponse> done) override {
    reads.push_back({std::move(request), std::move(done)});
  }
  void ListLinkCursors(const CallContext&, workorder::v1::ListLinkCursorsRequest request,
                       Done<workorder::v1::ListLinkCursorsResponse> done) override {
    cursors.push_back({std::move(request), std::move(done)});
  }

  void Recover(const CallContext&, workorder::v1::RecoverRequest request,
               Done<workorder::v1::RecoverResponse> done) override {
    recoveries.push_back({std::move(request), std::move(done)});
  }

  Holding<workorder::v1::ExecuteRequest, workorder::v1::ExecuteResponse> executes;
  Holding<workorder::v1::RecoverRequest, workorder::v1::RecoverResponse> recoveries;
  Holding<workorder::v1::ApplyInboxRequest, workorder::v1::ApplyInboxResponse> inboxes;
  Holding<workorder::v1::PullOutboxRequest, workorder::v1::PullOutboxResponse> pulls;
  Holding<workorder::v1::ReadEventsRequest, workorder::v1::ReadEventsResponse> reads;
  Holding<workorder::v1::ListLinkCursorsRequest, workorder::v1::ListLinkCursorsResponse> cursors;
};

struct FakePeer : test::PartialPeer {
  void Deliver(const CallContext&, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override {
    deliveries.push_back({std::move(request), std::move(done)});
  }
  void GetLink(const CallContext&, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override {
    questions.push_back({std::move(request), std::move(done)});
  }
  void Backfill(const CallContext&, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override {
    backfills.push_back({std::move(request), std::move(done)});
  }

  Holding<exchange::v1::DeliverRequest, exchange::v1::DeliverResponse> deliveries;
  Holding<exchange::v1::GetLinkRequest, exchange::v1::GetLinkResponse> questions;
  Holding<exchange::v1::BackfillRequest, exchange::v1::BackfillResponse> backfills;
};

// A peer's answer to a greeting: it has `through` of the ordinary lane and nothing of the other.
inline exchange::v1::GetLinkResponse Standing(int64_t through = 0) {
  exchange::v1::GetLinkResponse response;
  response.set_protocol_version(1);
  for (const exchange::v1::Lane lane : {exchange::v1::LANE_ORDINARY, exchange::v1::LANE_EMERGENCY}) {
    exchange::v1::LanePosition* position = response.add_lanes();
    position->set_lane(lane);
    position->mutable_incoming()->set_lane(lane);
    if (lane == exchange::v1::LANE_ORDINARY) position->mutable_incoming()->set_received_through(through);
  }
  return response;
}

}  // namespace hotline::dispatch

#endif  // TESTS_SERVICES_DISPATCH_FAKES_H_
