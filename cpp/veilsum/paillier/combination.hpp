#pragma once

#include <vector>

#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/partial_decryption.hpp"

namespace veilsum {

/// Collects the partial decryptions of one batch, each of which proves itself, until every
/// ciphertext has `threshold` of them. Holders may have decrypted different parts of the batch. One
/// thread at a time may use it.
class Combination {
public:
    /// `context` is what the holders bound their proofs to. Throws Error: key_mismatch.
    Combination(const ThresholdKey& key, const Ciphertexts& ciphertexts, ByteView context,
                const Execution& execution);

    /// Checks a partial decryption and keeps it. Where it is wrong and `threshold` others are
    /// right, the message names the ciphertexts too. Throws Error, which leaves everything as it
    /// was: invalid_proof (SH9, SH10), key_mismatch (SH7), invalid_argument (SH11: beyond the
    /// batch, or by a holder who has answered already), cancelled. Cost: 56 multiplications a
    /// ciphertext, and four powers.
    void add(const PartialDecryption& partial, const Execution& execution);

    /// How many ciphertexts have fewer partial decryptions than the threshold.
    std::size_t num_missing() const;

    /// The plaintexts as signed integers in (-n/2, n/2), n.num_limbs() limbs each.
    /// Throws Error: not_enough_shares (SH12), internal (the self-check failed), cancelled.
    /// Cost: a power modulo n^2 with the public exponent n, and about 25 multiplications modulo n
    /// for each holder of five, a ciphertext.
    Plaintexts open(const Execution& execution) const;

private:
    /// Consecutive ciphertexts that the same partial decryptions cover.
    struct Segment {
        std::size_t begin;
        std::size_t end;
        std::vector<const PartialDecryption*> partials;
    };

    std::vector<Segment> segments() const;
    std::string wrong_positions(const PartialDecryption& partial, const Execution& execution) const;

    ThresholdKey key_;
    Ciphertexts ciphertexts_;
    Bytes context_;
    std::vector<PartialDecryption> partials_;
};

/// Combines all of the given partial decryptions, of all of the ciphertexts by different holders,
/// whatever the threshold and unproved: for tests and research only.
/// Throws Error: invalid_argument, invalid_proof (too few, or wrong), cancelled.
Plaintexts combine_unproved(const ThresholdKey& key, const Ciphertexts& ciphertexts,
                            const std::vector<PartialDecryption>& partials,
                            const Execution& execution);

}  // namespace veilsum
