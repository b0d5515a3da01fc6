// A ledger and a peer of which a test implements only what it is about: anything else answers UNIMPLEMENTED.
#ifndef TESTS_SUPPORT_PARTIAL_H_
#define TESTS_SUPPORT_PARTIAL_H_

#include "common/contract/ledger.h"
#include "common/contract/peer.h"

namespace hotline::test {

#define HOTLINE_UNIMPLEMENTED(ns, Name)                                                      \
  void Name(const CallContext&, ns::Name##Request, Done<ns::Name##Response> done) override { \
    done(absl::UnimplementedError(#Name));                                                   \
  }

class PartialLedger : public Ledger {
 public:
  HOTLINE_UNIMPLEMENTED(workorder::v1, Execute)
  HOTLINE_UNIMPLEMENTED(workorder::v1, ApplyInbox)
  HOTLINE_UNIMPLEMENTED(workorder::v1, PullOutbox)
  HOTLINE_UNIMPLEMENTED(workorder::v1, ReadEvents)
  HOTLINE_UNIMPLEMENTED(workorder::v1, ListLinkCursors)
  HOTLINE_UNIMPLEMENTED(workorder::v1, ReadInbox)
  HOTLINE_UNIMPLEMENTED(workorder::v1, Recover)
  HOTLINE_UNIMPLEMENTED(workorder::v1, ReadDigests)
  HOTLINE_UNIMPLEMENTED(workorder::v1, Resend)
};

class PartialPeer : public Peer {
 public:
  HOTLINE_UNIMPLEMENTED(exchange::v1, Deliver)
  HOTLINE_UNIMPLEMENTED(exchange::v1, GetLink)
  HOTLINE_UNIMPLEMENTED(exchange::v1, Backfill)
  HOTLINE_UNIMPLEMENTED(exchange::v1, Reconcile)
};

#undef HOTLINE_UNIMPLEMENTED

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_PARTIAL_H_
