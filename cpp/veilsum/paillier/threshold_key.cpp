#include "veilsum/paillier/threshold_key.hpp"

#include <algorithm>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/paillier/validate.hpp"
#include "veilsum/rng/shake256.hpp"

namespace veilsum {
namespace {

// 1 had elements modulo n^2.
constexpr std::uint8_t kWireVersion = 2;

Integer factorial_of(std::size_t x) {
    Integer result;
    mpz_fac_ui(result.get(), x);
    return result;
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

ThresholdKey::ThresholdKey(const PublicKey& public_key, const SharePolicy& policy,
                           Bytes verification) {
    auto state = std::make_shared<State>(
        State{public_key, policy, std::move(verification), factorial_of(policy.num_holders)});
    state_ = state;
    Shake256().absorb("veilsum/threshold-key/2").absorb(to_bytes()).squeeze(state->fingerprint);
}

std::size_t ThresholdKey::exponent_bits() const noexcept {
    return modulus().bits() - 2 + factorial().bit_length();
}

std::size_t ThresholdKey::exponent_limbs() const noexcept {
    return std::max<std::size_t>(2, exponent_bits() / 64 + 1);
}

Bytes ThresholdKey::to_bytes() const {
    Writer writer(WireKind::threshold_key, kWireVersion);
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
    Reader reader(wire, WireKind::threshold_key, kWireVersion);
    SharePolicy policy{};
    policy.num_holders = reader.u8();
    policy.threshold = reader.u8();
    policy.max_colluding_holders = reader.u8();
    policy.check(Errc::invalid_key);
    const PublicKey public_key = PublicKey::from_bytes(reader.bytes(reader.u64()));
    const Modulus& n = public_key.modulo_n();
    const ByteView elements = reader.bytes((policy.num_holders + 1) * n.element_bytes());
    reader.finish();
    try {
        validate_ciphertexts(elements, n, execution);
    } catch (const Error& error) {
        if (error.code() != Errc::invalid_ciphertext) throw;
        throw Error(Errc::invalid_key, "SH5: a verification key is not below n, or is no unit");
    }
    return {public_key, policy, Bytes(elements.begin(), elements.end())};
}

}  // namespace veilsum
