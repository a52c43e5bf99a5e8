#include "veilsum/paillier/threshold_key.hpp"

#include <algorithm>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/paillier/exponent_bound.hpp"
#include "veilsum/paillier/interpolate.hpp"
#include "veilsum/paillier/validate.hpp"
#include "veilsum/rng/shake256.hpp"

namespace veilsum {
namespace {

// 1 had elements modulo n^2.
constexpr std::uint8_t kDealtVersion = 2;
constexpr std::uint8_t kMadeTogetherVersion = 3;
constexpr std::size_t kVersionOffset = 5;

Integer factorial_of(std::size_t x) {
    Integer result;
    mpz_fac_ui(result.get(), x);
    return result;
}

/// SH5. Elements modulo n.
void check_elements(ByteView elements, const Modulus& n, const Execution& execution) {
    try {
        validate_ciphertexts(elements, n, execution);
    } catch (const Error& error) {
        if (error.code() != Errc::invalid_ciphertext) throw;
        throw Error(Errc::invalid_key, "SH5: a verification key is not below n, or is no unit");
    }
}

/// x^exponent, as an element. Variable time: all is public.
Bytes power_of(const std::byte* x, const Integer& exponent, const Modulus& n,
               const Execution& execution) {
    std::vector<Limb> limbs(exponent.num_limbs());
    exponent.to_limbs(limbs);
    Bytes out(n.element_bytes());
    batch::pow_shared_vartime(out.data(), {x, 0}, n.r_squared(), limbs.data(),
                              exponent.bit_length(), 1, n, execution);
    return out;
}

/// SH14. With the verification keys v_i = v^(X(i)) of t holders, interpolate gives v^(2*D*X(a)):
/// at a = j what the verification key of another holder must be, to the power 2*D, and at 0, where
/// X = D*delta and 1 + n*delta is a multiple of the order of v, the inverse of v^(2*D^2) when it is
/// raised to n.
void check_polynomial(const ThresholdKey& key, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    std::vector<HolderPowers> powers;
    for (std::size_t i = 1; i <= key.policy().threshold; ++i) {
        powers.push_back({i, key.verification_key(i)});
    }
    const Integer twice_d = key.factorial() * Integer(2);
    for (std::size_t j = key.policy().threshold + 1; j <= key.policy().num_holders; ++j) {
        if (interpolate(key, powers, 1, j, execution) !=
            power_of(key.verification_key(j), twice_d, n, execution)) {
            throw Error(Errc::invalid_key,
                        "SH14: the verification key of holder " + std::to_string(j) +
                            " does not fit those of the others; make the key anew");
        }
    }
    const Bytes at_zero = interpolate(key, powers, 1, 0, execution);
    Bytes product = power_of(at_zero.data(), n.modulus_integer(), n, execution);
    Bytes inverse = power_of(key.verification_base(), twice_d * key.factorial(), n, execution);
    batch::inverse_vartime(inverse.data(), inverse.data(), 1, 0, n, execution);
    if (product != inverse) {
        throw Error(Errc::invalid_key,
                    "SH14: shares of these verification keys open nothing; make the key anew");
    }
}

}  // namespace

void SharePolicy::check(Errc code) const {
    const auto refuse = [code](const std::string& message) { throw Error(code, message); };
    const std::string t = std::to_string(threshold);
    const std::string n = std::to_string(num_holders);
    const std::string f = std::to_string(max_colluding_holders);
    if (num_holders < 2 || num_holders > kMaxHolders) {
        refuse("SH1: a key is shared among 2 to " + std::to_string(kMaxHolders) + " holders, not " +
               n);
    }
    if (threshold > num_holders || 2 * threshold <= num_holders + max_colluding_holders) {
        refuse("SH2: with threshold " + t + " of " + n + " holders, of whom " + f +
               " may collude, two different sums could both be opened; 2*threshold must be more "
               "than num_holders + max_colluding_holders, as in 4 of 5 with 2");
    }
    if (max_colluding_holders >= threshold) {
        refuse("SH3: " + f + " colluding holders reach the threshold of " + t + " by themselves");
    }
}

void SharePolicy::check_majority(Errc code) const {
    if (2 * max_colluding_holders < num_holders) return;
    throw Error(code, "SH13: " + std::to_string(max_colluding_holders) + " of " +
                          std::to_string(num_holders) +
                          " holders may collude, and only an honest majority makes a key "
                          "together: at least " +
                          std::to_string(2 * max_colluding_holders + 1) + " holders, or a dealer");
}

ThresholdKey::ThresholdKey(const PublicKey& public_key, const SharePolicy& policy,
                           Bytes verification, KeyOrigin origin) {
    const Integer n = public_key.modulus().n_integer();
    auto state = std::make_shared<State>(
        State{public_key, policy, std::move(verification), origin, factorial_of(policy.num_holders),
              origin == KeyOrigin::dealt ? dealt_exponent_bound(n, policy)
                                         : joint_exponent_bound(n, policy)});
    state_ = state;
    Shake256().absorb("veilsum/threshold-key/2").absorb(to_bytes()).squeeze(state->fingerprint);
}

ThresholdKey ThresholdKey::made_together(const PublicKey& public_key, const SharePolicy& policy,
                                         Bytes verification, const Execution& execution) {
    policy.check();
    policy.check_majority();
    if (public_key.form() != KeyForm::classic) {
        throw Error(Errc::invalid_key,
                    "SH15: a key made together encrypts with r^n (form classic): make its public "
                    "key of its modulus alone");
    }
    const Modulus& n = public_key.modulo_n();
    if (verification.size() != (policy.num_holders + 1) * n.element_bytes()) {
        throw Error(Errc::invalid_argument,
                    "a shared key has v and one verification key for each holder");
    }
    check_elements(verification, n, execution);
    ThresholdKey key(public_key, policy, std::move(verification), KeyOrigin::made_together);
    check_polynomial(key, execution.without_progress());
    return key;
}

std::size_t ThresholdKey::exponent_limbs() const noexcept {
    return std::max<std::size_t>(2, exponent_bits() / 64 + 1);
}

Bytes ThresholdKey::to_bytes() const {
    Writer writer(WireKind::threshold_key,
                  origin() == KeyOrigin::dealt ? kDealtVersion : kMadeTogetherVersion);
    for (const std::size_t count :
         {policy().num_holders, policy().threshold, policy().max_colluding_holders}) {
        writer.u8(static_cast<std::uint8_t>(count));
    }
    const Bytes public_wire = public_key().to_bytes();
    writer.u64(public_wire.size());
    writer.bytes(public_wire);
    writer.bytes(state_->verification);
    return std::move(writer).finish();
}

ThresholdKey ThresholdKey::from_bytes(ByteView wire, const Execution& execution) {
    // The version stands behind the magic and the kind; the reader refuses what is no frame.
    const bool is_joint =
        wire.size() > kVersionOffset &&
        std::to_integer<std::uint8_t>(wire[kVersionOffset]) == kMadeTogetherVersion;
    Reader reader(wire, WireKind::threshold_key, is_joint ? kMadeTogetherVersion : kDealtVersion);
    SharePolicy policy{};
    policy.num_holders = reader.u8();
    policy.threshold = reader.u8();
    policy.max_colluding_holders = reader.u8();
    policy.check(Errc::invalid_key);
    if (is_joint) policy.check_majority(Errc::invalid_key);
    const PublicKey public_key = PublicKey::from_bytes(reader.bytes(reader.u64()));
    const Modulus& n = public_key.modulo_n();
    const ByteView elements = reader.bytes((policy.num_holders + 1) * n.element_bytes());
    reader.finish();
    Bytes verification(elements.begin(), elements.end());
    if (is_joint) return made_together(public_key, policy, std::move(verification), execution);
    check_elements(elements, n, execution);
    return {public_key, policy, std::move(verification)};
}

}  // namespace veilsum
