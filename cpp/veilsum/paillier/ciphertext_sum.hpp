#pragma once

#include "veilsum/paillier/ciphertexts.hpp"

namespace veilsum {

/// A running sum of batches of one shape under one key, for sums of many: it stays in the form the
/// kernel computes in, so that a batch more costs one multiplication each and nothing else. It
/// counts what it adds, so that the count is of the same moment as the sum whatever interrupts the
/// caller. One thread at a time may use it.
class CiphertextSum {
public:
    /// Begins with one batch, a sum of so many addends itself. Throws Error: cancelled.
    CiphertextSum(const Ciphertexts& first, std::uint64_t num_addends, const Execution& execution);

    /// Adds a batch, in place, and not to be cancelled; but one that would take about half a second
    /// or more is added to a copy. Throws Error, which leaves the sum as it was: key_mismatch,
    /// invalid_argument (shapes), cancelled. Cost: a microsecond or less a ciphertext.
    void add(const Ciphertexts& batch, std::uint64_t num_addends, const Execution& execution);

    std::uint64_t num_addends() const { return num_addends_; }

    /// The sum so far. Throws Error: cancelled.
    Ciphertexts total(const Execution& execution) const;

private:
    void multiply(Bytes& lanes, const Ciphertexts& batch, const Execution& execution) const;
    bool is_short() const;

    PublicKey key_;
    Ciphertexts::Shape shape_;
    std::size_t size_;
    Bytes lanes_;
    std::int64_t exponent_;
    std::uint64_t num_addends_;
};

}  // namespace veilsum
