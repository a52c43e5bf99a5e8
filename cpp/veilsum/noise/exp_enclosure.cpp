// Rigorous bounds of exp(-x) for rational x >= 0, in integers only.
//
// With W bits after the point ("ulp" is 2^-W) and t halvings, x' = x / 2^t < 2^-8:
//   X = floor(2^W x'), so exp(-x') differs from exp(-X / 2^W) by at most 1 ulp.
//   Taylor terms t_k = floor(t_(k-1) X / (2^W k)) from t_0 = 2^W lose less than 1 ulp each and pass
//   on less than 1/256 of the loss before them: less than 1.01 ulp each. The first t_k = 0 ends the
//   sum; that term and the rest of the alternating series are together less than 1.1 ulp.
//   So the sum of N terms is within 2N + 2 ulps of exp(-x').
//   Squaring an interval inside [0, 1 + small] doubles its width and rounding adds 1 ulp: after t
//   squarings it is at most 2^t (4N + 5) ulps wide.
// While N < 200 that is below 2^(t + 10) ulps, and W = precision + t + 12 leaves hi - lo <= 2. N is
// below precision / 8 + 4, as each term is less than 2^-8 of the one before; the precision would
// have to pass 1500 bits for a wider result, and even then the bounds hold.

#include "veilsum/noise/exp_enclosure.hpp"

#include <cmath>

namespace veilsum {
namespace {

constexpr unsigned long kReductionBits = 8;
constexpr unsigned long kGuardBits = 12;

}  // namespace

void enclose_exp(Enclosure& out, mpz_srcptr numerator, mpz_srcptr denominator,
                 unsigned long precision) {
    if (mpz_sgn(numerator) == 0) {
        mpz_set_ui(out.lo, 1);
        mpz_mul_2exp(out.lo, out.lo, precision);
        mpz_set(out.hi, out.lo);
        return;
    }
    ScopedMpz x;
    mpz_fdiv_q(x, numerator, denominator);
    if (mpz_cmp_ui(x, precision) >= 0) {
        // exp(-x) < 2^-x <= 2^-precision.
        mpz_set_ui(out.lo, 0);
        mpz_set_ui(out.hi, 1);
        return;
    }
    const unsigned long num_halvings =
        kReductionBits + (mpz_sgn(x) == 0 ? 0 : mpz_sizeinbase(x, 2));
    const unsigned long width = precision + num_halvings + kGuardBits;
    mpz_mul_2exp(x, numerator, width - num_halvings);
    mpz_fdiv_q(x, x, denominator);

    ScopedMpz term(1);
    mpz_mul_2exp(term, term, width);
    ScopedMpz sum;
    mpz_set(sum, term);
    unsigned long num_terms = 0;
    while (mpz_sgn(term) != 0) {
        ++num_terms;
        mpz_mul(term, term, x);
        mpz_fdiv_q_2exp(term, term, width);
        mpz_fdiv_q_ui(term, term, num_terms);
        if (num_terms % 2 == 1) {
            mpz_sub(sum, sum, term);
        } else {
            mpz_add(sum, sum, term);
        }
    }
    mpz_sub_ui(out.lo, sum, 2 * num_terms + 2);
    mpz_add_ui(out.hi, sum, 2 * num_terms + 2);
    for (unsigned long i = 0; i < num_halvings; ++i) {
        mpz_mul(out.lo, out.lo, out.lo);
        mpz_fdiv_q_2exp(out.lo, out.lo, width);
        mpz_mul(out.hi, out.hi, out.hi);
        mpz_cdiv_q_2exp(out.hi, out.hi, width);
    }
    mpz_fdiv_q_2exp(out.lo, out.lo, width - precision);
    mpz_cdiv_q_2exp(out.hi, out.hi, width - precision);
}

void enclose_weight(Enclosure& out, mpz_srcptr z, const NoiseDistribution& distribution,
                    unsigned long precision) {
    // scale = mantissa * 2^exponent exactly, the mantissa an integer of 53 bits.
    int exponent = 0;
    const double fraction = std::frexp(distribution.scale(), &exponent);
    ScopedMpz denominator(static_cast<unsigned long>(std::ldexp(fraction, 53)));
    long shift = exponent - 53;
    ScopedMpz numerator;
    mpz_set(numerator, z);
    if (distribution.kind() == NoiseKind::gaussian) {
        // phi = z^2 / (2 mantissa^2 2^(2 exponent))
        mpz_mul(numerator, numerator, numerator);
        mpz_mul(denominator, denominator, denominator);
        shift = 2 * shift + 1;
    }
    if (shift >= 0) {
        mpz_mul_2exp(denominator, denominator, static_cast<unsigned long>(shift));
    } else {
        mpz_mul_2exp(numerator, numerator, static_cast<unsigned long>(-shift));
    }
    enclose_exp(out, numerator, denominator, precision);
}

}  // namespace veilsum
