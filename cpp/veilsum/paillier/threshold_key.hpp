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

    /// Checks SH13, of a key that its holders make together: a minority of them may collude, since
    /// any max_colluding_holders + 1 who keep what they made it from know the key.
    /// Throws Error: `code`, which names the rule.
    void check_majority(Errc code = Errc::invalid_argument) const;
};

/// Who made a shared key, on which the exponents of its holders depend.
enum class KeyOrigin : std::uint8_t {
    /// A dealer that knew the primes, which are safe: an exponent is D*t_i, t_i < p'*q'.
    dealt,
    /// The holders, to none of whom the primes were ever known: an exponent is D times a number
    /// that is no remainder, an integer of either sign.
    made_together,
};

/// The public half of a shared key: the Paillier key, the policy, and a verification key for each
/// holder, v_i = v^x_i mod n with v a square and x_i the holder's exponent, by which its work is
/// checked. D = num_holders!. Holders count from 1. Safe to share.
///
/// Copies share one immutable state and may be used from any thread.
class ThresholdKey {
public:
    /// `verification` is v, v_1, ..., v_num_holders as elements modulo n. The caller vouches for
    /// all of it.
    ThresholdKey(const PublicKey& public_key, const SharePolicy& policy, Bytes verification,
                 KeyOrigin origin = KeyOrigin::dealt);

    /// The key that holders made together, with `verification` as above; they vouch for v, that
    /// nobody chose it. Throws Error: invalid_argument (SH1 to SH3, SH13), invalid_key (SH5, SH14,
    /// SH15), cancelled. Cost: a power with the exponent n, and short ones.
    static ThresholdKey made_together(const PublicKey& public_key, const SharePolicy& policy,
                                      Bytes verification, const Execution& execution);

    /// Reads a key that the dealer or the holders sent. Throws Error: malformed, invalid_key (PK1
    /// to PK4, SH1 to SH3, SH5, SH13 to SH15), cancelled.
    static ThresholdKey from_bytes(ByteView wire, const Execution& execution);
    Bytes to_bytes() const;

    const PublicKey& public_key() const noexcept { return state_->public_key; }
    const Modulus& modulus() const noexcept { return public_key().modulus(); }
    const Modulus& modulo_n() const noexcept { return public_key().modulo_n(); }
    const SharePolicy& policy() const noexcept { return state_->policy; }
    KeyOrigin origin() const noexcept { return state_->origin; }

    /// SHAKE256 of the wire bytes: names the key in partial decryptions and files.
    const Fingerprint& fingerprint() const noexcept { return state_->fingerprint; }

    /// D = num_holders!.
    const Integer& factorial() const noexcept { return state_->factorial; }

    /// Every holder's exponent is nearer to 0 than this. A dealer's are D*t_i, and t_i < p'*q' <
    /// 2^(|n|-2). For a key made together see exponent_bound.hpp.
    const Integer& exponent_bound() const noexcept { return state_->exponent_bound; }
    /// Bits of the bound: as long are the exponents of all holders, zeros in front.
    std::size_t exponent_bits() const noexcept { return exponent_bound().bit_length(); }
    /// Room for twice an exponent, and two at least.
    std::size_t exponent_limbs() const noexcept;
    /// Whether exponents may be negative.
    bool has_signed_exponents() const noexcept { return origin() == KeyOrigin::made_together; }

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
        KeyOrigin origin;
        Integer factorial;
        Integer exponent_bound;
        Fingerprint fingerprint{};
    };

    std::shared_ptr<const State> state_;
};

}  // namespace veilsum
