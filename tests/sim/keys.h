// Keys that the simulated sites sign with. Made once and written down, so that a seed repeats to the byte.
#ifndef TESTS_SIM_KEYS_H_
#define TESTS_SIM_KEYS_H_

#include "common/crypto/signature.h"

namespace hotline::sim {

// Of the site with this index, 0 to 3. A `quick` key signs the same bytes with a keyed hash, as long as a
// signature, in place of Ed25519, which takes a third of a run: an altered byte, a wrong key and a missing
// signature are found just as well, and a seed takes the same steps.
const crypto::Signer& SignerOf(int index, bool quick);

}  // namespace hotline::sim

#endif  // TESTS_SIM_KEYS_H_
