#pragma once

#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/partial_decryption.hpp"

namespace veilsum {

struct SecretExponent;

/// One holder's share of a secret key. Never printed, pickled or compared; copies share one
/// immutable state that is wiped with the last of them.
class KeyShare {
public:
    /// Of a dealt key: `share` is t_i, below p'*q'. The caller vouches for it.
    KeyShare(ThresholdKey key, std::size_t holder, const Integer& share);

    /// Of a key that holders made together: the exponent of one of them, its magnitude and whether
    /// it is negative. Throws Error: invalid_argument (the key was dealt, no such holder),
    /// invalid_key (SH6: beyond the bound of the key, or not the exponent of the verification key),
    /// cancelled.
    static KeyShare of_exponent(const ThresholdKey& key, std::size_t holder,
                                const Integer& magnitude, bool is_negative,
                                const Execution& execution);

    const ThresholdKey& key() const noexcept { return key_; }
    /// From 1 to num_holders.
    std::size_t holder() const noexcept { return holder_; }

    /// The number of the holder, then of a dealt key t_i, as many bytes as n; of a key made
    /// together 1 for a negative exponent, else 0, and its magnitude, exponent_bits() in whole
    /// bytes. For share files only.
    Secret<std::byte> to_secret_bytes() const;
    /// Throws Error: malformed, invalid_key (SH6: not the share of its verification key),
    /// cancelled.
    static KeyShare from_secret_bytes(ByteView bytes, const ThresholdKey& key,
                                      const Execution& execution);

    /// This holder's part in opening `ciphertexts`, a batch of which they are the positions from
    /// `first` on, with a proof that is bound to `context`. A holder opens nothing by itself, but
    /// it helps to open whatever it is given: decide before, what that may be. Constant time in the
    /// share. Throws Error: key_mismatch, invalid_argument (no ciphertexts), entropy, cancelled.
    /// Cost: one power of |n| bits modulo n each, and some hundredths for the proof.
    PartialDecryption decrypt(const Ciphertexts& ciphertexts, std::uint64_t first, ByteView context,
                              const Execution& execution) const;

private:
    ThresholdKey key_;
    std::size_t holder_;
    KeyShare(ThresholdKey key, std::size_t holder, SecretExponent exponent);
    static KeyShare checked(KeyShare share, const Execution& execution);
    Secret<std::byte> dealt_bytes() const;
    Secret<std::byte> signed_bytes() const;

    std::shared_ptr<const Secret<Limb>> share_;       // t_i of a dealt key, else none.
    std::shared_ptr<const SecretExponent> exponent_;  // Of a dealt key D*t_i.
};

}  // namespace veilsum
