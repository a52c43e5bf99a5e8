#pragma once

#include <vector>

#include "veilsum/paillier/key_share.hpp"
#include "veilsum/paillier/secret_key.hpp"

namespace veilsum {

/// What a dealer hands out: the public half to everybody, share i - 1 to holder i.
struct DealtKey {
    ThresholdKey key;
    std::vector<KeyShare> shares;
};

/// Shares a secret key, whose primes must be safe: any `threshold` of the shares open ciphertexts
/// of its public key, fewer learn nothing. Whoever deals knows the secret key, and is trusted to
/// forget it: what is computed here is wiped, but for temporaries of GMP (integer.hpp). Variable
/// time. Throws Error: invalid_argument (SH1 to SH3), invalid_key (SH4), entropy, cancelled.
/// Source: Shoup 2000, for the public exponent n (docs/threshold.md).
DealtKey deal_shares(const SecretKey& secret, const SharePolicy& policy,
                     const Execution& execution);

/// With any 1 <= threshold <= num_holders <= kMaxHolders, for tests of the arithmetic.
DealtKey deal_shares_unchecked(const SecretKey& secret, const SharePolicy& policy,
                               const Execution& execution);

}  // namespace veilsum
