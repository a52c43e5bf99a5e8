#pragma once

#include "veilsum/paillier/ciphertexts.hpp"

namespace veilsum {

/// A running sum of batches of one shape under one key, for sums of many: it stays in the form the
/// kernel computes in, so that a batch more costs one multiplication each and nothing else.
/// One thread at a time may use it.
class CiphertextSum {
public:
    /// Begins with one batch.
    explicit CiphertextSum(const Ciphertexts& first);

    /// Adds a batch. Not to be cancelled half-way: it takes a microsecond or less a ciphertext.
    /// Throws Error, which leaves the sum as it was: key_mismatch, invalid_argument (shapes).
    void add(const Ciphertexts& batch);

    /// The sum so far.
    Ciphertexts total() const;

private:
    PublicKey key_;
    Ciphertexts::Shape shape_;
    std::size_t size_;
    Secret<std::byte> lanes_;
    std::int64_t exponent_;
};

}  // namespace veilsum
