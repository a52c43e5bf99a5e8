#pragma once

#include <array>

#include "veilsum/paillier/threshold_key.hpp"

namespace veilsum {

struct SecretExponent;

/// What a batch proof is about: that holder raised each of `ciphertexts` to 2*x_i modulo n,
/// with the exponent x_i of its verification key, and got `partials`. All public.
struct ShareStatement {
    const ThresholdKey& key;
    std::size_t holder;
    /// Where in the whole batch these ciphertexts begin.
    std::uint64_t first;
    /// What the proof is for, such as the name of a round: a proof for another one does not hold.
    ByteView context;
    /// Elements modulo n^2, and modulo n; equally many and at least one of each.
    ByteView ciphertexts;
    ByteView partials;
};

/// A proof that two logarithms are equal, for a whole batch at once (docs/threshold.md, section 5).
struct ShareProof {
    static constexpr std::size_t kChallengeBytes = 16;

    std::array<std::byte, kChallengeBytes> challenge{};
    /// z, response_bytes(key) little-endian bytes.
    Bytes response;

    static std::size_t response_bytes(const ThresholdKey& key);
};

/// `exponent` has key.exponent_limbs() limbs. Constant time in it. The nonce is hashed from
/// the exponent, fresh randomness and the statement, so that neither a bad generator nor a repeated
/// one gives the exponent away. Throws Error: entropy, cancelled. Cost: 28 multiplications
/// modulo n a ciphertext, and two powers.
ShareProof prove_share(const ShareStatement& statement, const SecretExponent& exponent,
                       const Execution& execution);

/// Throws Error: invalid_proof (SH9: the response is out of range; SH10: the proof does not hold),
/// cancelled. Requires elements that passed CT1 and CT2. Variable time: all is public.
/// Cost: 56 multiplications modulo n a ciphertext, and four powers.
void verify_share(const ShareStatement& statement, const ShareProof& proof,
                  const Execution& execution);

}  // namespace veilsum
