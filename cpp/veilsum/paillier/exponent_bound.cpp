#include "veilsum/paillier/exponent_bound.hpp"

namespace veilsum {
namespace {

// By which a mask R_A is longer than what it hides.
constexpr mp_bitcnt_t kHidingBits = 128;

Integer factorial_of(std::size_t x) {
    Integer result;
    mpz_fac_ui(result.get(), x);
    return result;
}

}  // namespace

Integer dealt_exponent_bound(const Integer& n, const SharePolicy& policy) {
    Integer bound = factorial_of(policy.num_holders);
    mpz_mul_2exp(bound.get(), bound.get(), n.bit_length() - 2);
    return bound;
}

Integer joint_exponent_bound(const Integer& n, const SharePolicy& policy) {
    const Integer delta = n * Integer(policy.max_colluding_holders + 1);
    Integer masks;  // All of them together are below this.
    mpz_bin_uiui(masks.get(), policy.num_holders, policy.threshold - 1);
    mpz_mul(masks.get(), masks.get(), delta.get());
    mpz_mul_2exp(masks.get(), masks.get(), kHidingBits);
    Integer factor;  // |D*L_A(i)| is not above it.
    mpz_ui_pow_ui(factor.get(), policy.num_holders, policy.threshold - 1);

    Integer z;
    mpz_add(z.get(), delta.get(), masks.get());
    Integer bound = masks * factor;
    mpz_add(bound.get(), bound.get(), z.get());
    return bound * factorial_of(policy.num_holders);
}

}  // namespace veilsum
