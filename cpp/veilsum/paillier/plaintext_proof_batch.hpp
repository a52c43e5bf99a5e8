#pragma once

#include <vector>

#include "veilsum/paillier/plaintext_proof.hpp"

namespace veilsum {

/// Proofs of many makers under one key, checked together: for proofs of few ciphertexts each, a
/// fraction of what checking them one by one costs (docs/plaintext-proof.md). For one thread at a
/// time.
class PlaintextProofBatch {
public:
    explicit PlaintextProofBatch(PublicKey key) : key_(std::move(key)) {}

    /// Takes a proof with what it is of, to be checked later. Throws Error, and has not taken it:
    /// key_mismatch (PP3), invalid_argument (PP1: other ciphertexts in number), cancelled.
    void add(PlaintextProof proof, const Ciphertexts& ciphertexts, Bytes context,
             const Execution& execution);

    /// How many proofs it has, and of how many ciphertexts together; these stay in memory.
    std::size_t size() const noexcept { return entries_.size(); }
    std::size_t num_ciphertexts() const noexcept { return num_ciphertexts_; }

    /// Which of the proofs do not hold, by their order: those that PlaintextProof::verify refuses,
    /// but for a chance of 2^-128 where primes are safe; else whoever knows them can make others
    /// (docs/plaintext-proof.md). Weights are drawn when it is called, after all is read. Variable
    /// time: all is public. Throws Error: cancelled, entropy.
    /// Cost, if all hold, modulo n: some 36 multiplications a ciphertext and one long power.
    std::vector<std::size_t> wrong(const Execution& execution) const;

    struct Entry {
        PlaintextProof proof;
        Ciphertexts ciphertexts;
        Bytes context;
    };

private:
    PublicKey key_;
    std::vector<Entry> entries_;
    std::size_t num_ciphertexts_ = 0;
    std::size_t num_chunks_ = 0;
};

}  // namespace veilsum
