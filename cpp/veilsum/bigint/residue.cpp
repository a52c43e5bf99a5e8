#include "veilsum/bigint/residue.hpp"

#include "veilsum/bigint/limbs.hpp"

namespace veilsum::residue {

std::size_t scratch_limbs(const Modulus& n) noexcept {
    return 3 * n.num_limbs() + limbs::mul_scratch(n.num_limbs());
}

void mul(Limb* out, const Limb* a, const Limb* b, const Modulus& n, Limb* scratch) noexcept {
    const std::size_t h = n.num_limbs();
    Limb* product = scratch;
    Limb* quotient = scratch + 2 * h;
    limbs::mul(product, a, b, h, scratch + 3 * h);
    // a, b < n < R, so the reduced value is below n*n/R + n < 2n.
    Limb carry = limbs::reduce(out, quotient, product, n.n(), n.n_inverse_negated(), h);
    limbs::subtract_once(out, carry, n.n(), h, quotient);
}

Secret<Limb> constant(const Integer& x, int r_power, const Modulus& n) {
    const Integer modulus = n.n_integer();
    Integer result;
    mpz_mul_2exp(result.get(), x.get(), static_cast<mp_bitcnt_t>(r_power) * 64 * n.num_limbs());
    mpz_mod(result.get(), result.get(), modulus.get());
    Secret<Limb> limbs(n.num_limbs());
    result.to_limbs(limbs);
    return limbs;
}

}  // namespace veilsum::residue
