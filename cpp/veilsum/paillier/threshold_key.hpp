#pragma once

#include <cstdint>
#include <memory>

#include "veilsum/base/error.hpp"
#include "veilsum/base/parallel.hpp"
#include "veilsum/base/wire.hpp"
#include "veilsum/paillier/public_key.hpp"

namespace veilsum {

/// 64! has 296 bits, which lengthen every exponent.
inline constexpr std::size_t kMaxHolders = 64;

/// Among how many a secret key is shared, how many of them open a sum, and how many may collude.
struct SharePolicy {
    std::size_t num_holders;
    std::size_t threshold;
    std::size_t max_colluding_holders;

    /// Checks SH1 to SH3: two different sums of one round can then never both find enough honest
    /// holders. Throws Error: `code`, which names the rule.
    void check(Errc code = Errc::invalid_argument) const;
};

/// The public half of a shared key: the Paillier key, the policy, and a verification key for each
/// holder, v_i = v^(D*t_i) mod n with v a square and D = num_holders!, by which its work is
/// checked. Holders count from 1. Safe to share.
///
/// Copies share one immutable state and may be used from any thread.
class ThresholdKey {
public:
    /// `verification` is v, v_1, ..., v_num_holders as elements modulo n. The caller vouches for
    /// all of it.
    ThresholdKey(const PublicKey& public_key, const SharePolicy& policy, Bytes verification);

    /// Reads a key that the dealer sent. Throws Error: malformed, invalid_key (PK1 to PK4, SH1 to
    /// SH3, SH5), cancelled.
    static ThresholdKey from_bytes(ByteView wire, const Execution& execution);
    Bytes to_bytes() const;

    const PublicKey& public_key() const noexcept { return state_->public_key; }
    const Modulus& modulus() const noexcept { return public_key().modulus(); }
    const Modulus& modulo_n() const noexcept { return public_key().modulo_n(); }
    const SharePolicy& policy() const noexcept { return state_->policy; }

    /// SHAKE256 of the wire bytes: names the key in partial decryptions and files.
    const Fingerprint& fingerprint() const noexcept { return state_->fingerprint; }

    /// D = num_holders!.
    const Integer& factorial() const noexcept { return state_->factorial; }

    /// Bits of a holder's exponent D*t_i, the same for all: t_i < p'*q' < 2^(|n|-2).
    std::size_t exponent_bits() const noexcept;
    /// Room for 2*D*t_i, and two at least.
    std::size_t exponent_limbs() const noexcept;

    const std::byte* verification_base() const noexcept { return state_->verification.data(); }
    /// Requires 1 <= holder <= num_holders.
    const std::byte* verification_key(std::size_t holder) const noexcept {
        return state_->verification.data() + holder * modulo_n().element_bytes();
    }

    friend bool operator==(const ThresholdKey& a, const ThresholdKey& b) {
        return a.fingerprint() == b.fingerprint();
    }

private:
    struct State {
        PublicKey public_key;
        SharePolicy policy;
        Bytes verification;
        Integer factorial;
        Fingerprint fingerprint{};
    };

    std::shared_ptr<const State> state_;
};

}  // namespace veilsum
