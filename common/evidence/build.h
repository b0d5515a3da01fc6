// Makes a file of evidence about one order from what a site's store holds. Pure.
#ifndef COMMON_EVIDENCE_BUILD_H_
#define COMMON_EVIDENCE_BUILD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/signature.h"
#include "hotline/exchange/v1/exchange_service.pb.h"

namespace hotline::evidence {

// An event of the order.
struct EventPart {
  int64_t sequence = 0;
  std::string bytes;          // as stored
  std::string previous_hash;  // of the event before it in the log
  std::string hash;
};

// An envelope that a lane carried, of this order or not.
struct EnvelopePart {
  exchange::v1::Envelope envelope;  // whole, with hashes
  bool of_this_order = false;       // else only its leaf goes into the file
  std::string leaf = {};            // its leaf, if its body is not there any more; never of this order
};

// One lane of one direction of a link.
struct LanePart {
  std::string from_hotline;
  std::string to_hotline;
  exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY;
  // Ascending by sequence: the order's, and the others of their batches and up to the heads of their
  // receipts. More is left out of the file.
  std::vector<EnvelopePart> envelopes;
  // What the sender signed of the batches that they came in; what covers none of the order's is left out.
  std::vector<exchange::v1::SignedBatch> batches;
  // What the receiver signed; an unsigned one, and one that covers none of the order's, is left out.
  std::vector<exchange::v1::LinkReceipt> receipts;
};

struct EvidenceParts {
  std::string hotline;  // that exports
  std::string order_id;
  std::string order_number;
  absl::Time export_time;
  std::vector<EventPart> events;  // all of the order, oldest first
  int64_t head_sequence = 0;      // of the log
  std::string head_hash;
  std::vector<LanePart> lanes;
};

// The bytes of a `.hev` file: a serialized hotline.evidence.v1.SignedEvidence. `keys` gives the public halves
// of the keys that the parts are signed with; one that it does not know is missing in the file. A batch or
// receipt whose envelopes are not all there is left out, so that the check names what is not proven. Errors:
// INTERNAL if signing fails.
absl::StatusOr<std::string> BuildEvidence(const EvidenceParts& parts, const crypto::KeyRing& keys,
                                          const crypto::Signer& signer);

// `12345-20261123-000123.hev`.
std::string EvidenceFileName(std::string_view order_number);

}  // namespace hotline::evidence

#endif  // COMMON_EVIDENCE_BUILD_H_
