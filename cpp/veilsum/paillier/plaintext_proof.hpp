#pragma once

#include "veilsum/paillier/encrypt.hpp"

namespace veilsum {

/// How many ciphertexts share a proof unless told otherwise: checking takes 28 multiplications
/// modulo n each.
inline constexpr std::size_t kProofChunk = 512;
inline constexpr std::size_t kMaxProofChunk = std::size_t{1} << 20;

/// Proofs that whoever made consecutive ciphertexts of a batch knows what they encrypt, one proof
/// for each chunk of them (docs/plaintext-proof.md). Public; from_bytes checks ranges, verify the
/// rest.
struct PlaintextProof {
    PublicKey key;
    /// The position in the batch of the first ciphertext.
    std::uint64_t first;
    /// How many ciphertexts there are, at least one, and how many share a proof.
    std::uint64_t count;
    std::size_t chunk;

    /// For each chunk, numbers of digit_bytes: A is a unit modulo n, and w of keys of form classic
    /// below n/2. z of keys of form djn has response_bytes.
    Bytes commitments;
    Bytes responses;

    std::size_t num_chunks() const noexcept {
        return static_cast<std::size_t>((count + chunk - 1) / chunk);
    }
    static std::size_t response_bytes(const PublicKey& key, std::size_t chunk);

    /// Throws Error: malformed (PP1, PP2 and the wire format), key_mismatch (PP3), invalid_proof
    /// (PP4: a number out of its range), cancelled.
    static PlaintextProof from_bytes(ByteView wire, const PublicKey& key,
                                     const Execution& execution);
    Bytes to_bytes() const;

    /// The proof of one chunk alone, which holds by itself. Requires i < num_chunks().
    PlaintextProof of_chunk(std::size_t i) const;

    /// Checks the proofs of `ciphertexts`, which are these. `context` is what they were made for.
    /// Throws Error: key_mismatch (PP3), invalid_argument (PP1: other ciphertexts in number),
    /// invalid_proof (PP4, PP5; names the chunk), cancelled. Variable time: all is public.
    /// Cost, modulo n: 28 multiplications a ciphertext, and for each chunk a power of some 3/4 |n|
    /// bits, in an eighth of the time (djn), or of |n| bits.
    void verify(const Ciphertexts& ciphertexts, ByteView context, const Execution& execution) const;
};

struct ProvedCiphertexts {
    Ciphertexts ciphertexts;
    PlaintextProof proof;
};

/// As encrypt, or encrypt_hedged if there is a seed and no pool, with a proof that is bound to
/// `context`, such as a round and a contributor, and to the position `first`. Constant time in
/// plaintexts and randomness. Throws Error: as encrypt; invalid_argument (no plaintexts, PP2: a
/// chunk of none or too many, a pool that is not for proofs). Cost: as encrypt, and a few
/// multiplications a ciphertext more.
ProvedCiphertexts encrypt_and_prove(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                                    const PublicKey& key, RandomiserPool* pool, ByteView context,
                                    std::uint64_t first, std::size_t chunk,
                                    const Execution& execution, const HedgedSeed* seed = nullptr);

}  // namespace veilsum
