// An envelope that a peer sent, for an order in some state. First byte: which order (0: none, at 110). Second
// byte: kind. Third byte: its first bit names the order's handoff, its second the lane. The rest: the body.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline;
  if (size < 3) return 0;
  const std::vector<fuzz::Snapshot>& snapshots = fuzz::Snapshots();
  const size_t index = data[0] % (snapshots.size() + 1);
  const type::v1::WorkOrder* before = index == 0 ? nullptr : &snapshots[index - 1].order;
  const work_order::Site& site = index == 0 ? fuzz::SiteOf("110") : *snapshots[index - 1].site;
  const std::string peer = index == 0 ? "12345" : snapshots[index - 1].peer;
  exchange::v1::Envelope envelope;
  envelope.set_sequence(7);
  envelope.set_kind(static_cast<exchange::v1::EnvelopeKind>(data[1]));
  envelope.set_handoff_id(before != nullptr && (data[2] & 1) ? before->handoff().id()
                                                             : "12345-1M84FKSJJ0000-1");
  envelope.set_body(data + 3, size - 3);
  const auto lane = data[2] & 2 ? exchange::v1::LANE_EMERGENCY : exchange::v1::LANE_ORDINARY;
  const auto decide = [&] {
    return work_order::DecideEnvelope(before, envelope, peer, fuzz::FreshOrder(), site, fuzz::Now(),
                                      /*skew=*/std::nullopt, lane);
  };
  const work_order::Received received = decide();
  if (received.changes) fuzz::CheckChange(before, received.change, site);
  if (envelope.kind() == exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD) {
    for (const work_order::EnvelopeDraft& draft : received.envelopes) {
      fuzz::Law(draft.kind != exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD,
                "two sites would not understand for ever");
    }
  }
  const work_order::Received again = decide();
  fuzz::Law(again.changes == received.changes && again.envelopes.size() == received.envelopes.size() &&
                again.change.after.SerializeAsString() == received.change.after.SerializeAsString(),
            "decided twice, it comes out differently");
  return 0;
}
