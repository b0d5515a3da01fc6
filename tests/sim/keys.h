// Keys that the simulated sites sign with. Made once and written down, so that a seed repeats to the byte.
#ifndef TESTS_SIM_KEYS_H_
#define TESTS_SIM_KEYS_H_

#include "common/crypto/signature.h"

namespace hotline::sim {

// Of the site with this index, 0 to 3.
const crypto::Signer& SignerOf(int index);

}  // namespace hotline::sim

#endif  // TESTS_SIM_KEYS_H_
