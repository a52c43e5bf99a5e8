#pragma once

#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/partial_decryption.hpp"

namespace veilsum {

/// One holder's share of a secret key. Never printed, pickled or compared; copies share one
/// immutable state that is wiped with the last of them.
class KeyShare {
public:
    /// `share` is t_i, below p'*q'. The caller vouches for it.
    KeyShare(ThresholdKey key, std::size_t holder, const Integer& share);

    const ThresholdKey& key() const noexcept { return key_; }
    /// From 1 to num_holders.
    std::size_t holder() const noexcept { return holder_; }

    /// The number of the holder, then t_i, as many bytes as n. For share files only.
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
    std::shared_ptr<const Secret<Limb>> share_;
    std::shared_ptr<const Secret<Limb>> exponent_;  // D*t_i.
};

}  // namespace veilsum
