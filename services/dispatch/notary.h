// Signs what this site sends to peers, and checks what they signed: batches and receipts of
// hotline.exchange.v1. Pure but for the keys. A site without keys signs nothing; a peer without keys is asked
// for nothing.
#ifndef SERVICES_DISPATCH_NOTARY_H_
#define SERVICES_DISPATCH_NOTARY_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/crypto/signature.h"
#include "common/exchange/chain.h"
#include "hotline/exchange/v1/exchange_service.pb.h"

namespace hotline::dispatch {

inline constexpr int kProtocolVersion = 1;

// Thread-safe.
class Notary {
 public:
  // `keys` holds the public keys of the peers, and this site's own, old ones included, under its own code.
  Notary(std::string hotline, crypto::SigningKeys own, crypto::KeyRing keys);

  // Fills statement and signature of a request that is otherwise complete. Nothing for an empty batch.
  // Errors: INTERNAL.
  absl::Status SignBatch(exchange::v1::DeliverRequest* request, absl::Time now) const;
  // That the batch is by `request.from_hotline` and says what its statement says. Errors: SIGNATURE_MISSING,
  // SIGNATURE_INVALID.
  absl::Status CheckBatch(const exchange::v1::DeliverRequest& request, absl::Time now) const;

  // Fills statement and signature of a receipt for `to_hotline`. The same receipt is signed once. Errors:
  // INTERNAL.
  absl::Status SignReceipt(const std::string& to_hotline, exchange::v1::LinkReceipt* receipt,
                           absl::Time now) const;
  // That the receipt is by `peer`, for this site and lane. Errors: SIGNATURE_MISSING, SIGNATURE_INVALID.
  absl::Status CheckReceipt(const std::string& peer, exchange::v1::Lane lane,
                            const exchange::v1::LinkReceipt& receipt, absl::Time now) const;
  // Whether a receipt that CheckReceipt refuses is signed by a key that is outside its time, or that this
  // site does not hold, or no longer.
  bool IsByFormerKey(const std::string& peer, const exchange::v1::LinkReceipt& receipt, absl::Time now) const;

  // How many of the envelopes that `peer` handed back this site has provably sent: those up to the last one
  // that a batch signed by one of its own keys ends with. The envelopes are consecutive. 0 if there is no
  // such batch.
  int CountProven(const std::string& peer, const exchange::v1::BackfillResponse& response) const;

  bool signs() const { return !own_.empty(); }
  // The key that this site signs with at `now`. Null if there is none, or none yet.
  const crypto::Signer* signer(absl::Time now) const { return own_.At(now); }

 private:
  struct SignedReceipt {
    std::string statement;
    type::v1::DigitalSignature signature;
  };

  const std::string hotline_;
  const crypto::SigningKeys own_;
  const crypto::KeyRing keys_;
  mutable Mutex mu_;
  mutable std::map<LaneKey, SignedReceipt> receipts_ ABSL_GUARDED_BY(mu_);  // the last one for each lane
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_NOTARY_H_
