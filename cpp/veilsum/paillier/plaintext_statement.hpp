// What whoever makes a proof of plaintext knowledge and whoever checks it compute alike;
// docs/plaintext-proof.md has the argument.
//
// Notation: c_j = (1 + m_j*n) * hs^a_j for j of a chunk, a_j the witnesses; challenges e_j of 128
// bits.
//   alpha of plaintext_nonce_bits;  A = hs^alpha mod n;  z = alpha + sum e_j*a_j over the integers.
//   Right if (hs^z)^2 = (A * prod c_j^e_j)^2 modulo n.
// Keys of form classic: c_j = (1 + m_j*n) * r_j^n;  A = rho^n,  w = rho * prod r_j^e_j  modulo n,
// or n - w where that is smaller, and w^n is in the place of hs^z.

#pragma once

#include <vector>

#include "veilsum/paillier/fiat_shamir.hpp"
#include "veilsum/paillier/plaintext_proof.hpp"

namespace veilsum {

inline constexpr std::size_t kChallengeBits = 128;
inline constexpr std::size_t kChallengeLimbs = kChallengeBits / 64;

/// What the proof of one chunk is about, and what it hashes.
struct PlaintextStatement {
    const PublicKey& key;
    ByteView context;
    /// The position in the batch of the first ciphertext.
    std::uint64_t first;
    /// Elements.
    ByteView ciphertexts;

    std::size_t size() const noexcept { return ciphertexts.size() / key.modulus().element_bytes(); }
    StatementDigest digest(const Execution& execution) const;
};

/// How the chunks of a proof run: those of usual size side by side, each on one thread; large ones
/// one after another, each on all threads, since a call is stopped between pieces of work.
struct ChunkExecutions {
    ChunkExecutions(std::size_t chunk, const Execution& execution)
        : between(chunk > kMostSideBySide ? execution.on_one_thread() : execution),
          within(chunk > kMostSideBySide ? execution.without_progress()
                                         : Execution{.num_threads = 1}) {}

    static constexpr std::size_t kMostSideBySide = 8192;

    Execution between;
    Execution within;
};

/// One for each ciphertext, kChallengeLimbs limbs each, once the commitment is made.
std::vector<Limb> plaintext_challenges(const StatementDigest& digest, ByteView commitment,
                                       std::size_t count);

/// The bits of the nonce alpha of a chunk of that size (djn): it hides the sum of all e_j*a_j,
/// below 2^(bits - 128), up to 2^-128.
std::size_t plaintext_nonce_bits(const PublicKey& key, std::size_t chunk);

/// hs^x mod n for each of `count` exponents x of PublicKey::kStrides * stride_limbs() limbs, as
/// elements modulo n. Requires form djn. Constant time in the exponents.
Secret<std::byte> powers_of_randomiser_base(std::span<const Limb> exponents, std::size_t count,
                                            const PublicKey& key, const Execution& execution);

}  // namespace veilsum
