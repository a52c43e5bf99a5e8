#include "veilsum/bigint/order_power.hpp"

#include <array>

#include "veilsum/bigint/limbs.hpp"

namespace veilsum {
namespace {

// Some more than one window, so that p - kNumEntries is positive.
constexpr std::size_t kFewestBits = 16;

}  // namespace

OrderPower::OrderPower(const SquareModulus& p) : element_bytes_(p.element_bytes()) {
    const Integer n = p.n_integer();
    const bool is_short_prime = p.bits() < kFewestBits;
    Integer exponent;
    mpz_sub_ui(exponent.get(), n.get(), is_short_prime ? 1 : kNumEntries);
    exponent_.resize(p.num_limbs());
    exponent.to_limbs(exponent_);
    if (is_short_prime) return;

    // The windows of the exponent, and the last entry once more.
    std::array<Integer, kNumEntries> times;
    times[kNumEntries - 1] = Integer(1);
    Integer weight(1);
    for (std::size_t position = 0; position < p.bits(); position += kWindow) {
        Integer& sum = times[limbs::bits_at(exponent_.data(), p.num_limbs(), position, kWindow)];
        mpz_add(sum.get(), sum.get(), weight.get());
        weight = weight * Integer(kNumEntries) % n;
    }
    // Entry k is the square of k/2, or the product of k - 1 and the base.
    for (std::size_t k = kNumEntries - 1; k >= 2; --k) {
        const std::size_t left = k % 2 == 0 ? k / 2 : k - 1;
        const std::size_t right = k % 2 == 0 ? k / 2 : 1;
        for (const std::size_t factor : {left, right}) {
            mpz_add(times[factor].get(), times[factor].get(), times[k].get());
        }
    }

    const Integer r = p.integer(p.r());
    Integer second_digit;
    mpz_fdiv_q(second_digit.get(), r.get(), n.get());
    coefficients_.reserve(kNumEntries / 2 * element_bytes_);
    for (std::size_t k = 0; k < kNumEntries; ++k) {
        Integer coefficient;
        if (k < 2) {
            coefficient = times[k] * (k == 0 ? second_digit : r);
        } else {
            mpz_neg(coefficient.get(), times[k].get());
        }
        mpz_fdiv_r(coefficient.get(), coefficient.get(), n.get());
        Secret<std::byte> digit(p.digit_bytes());
        coefficient.to_bytes(digit);
        coefficients_.insert(coefficients_.end(), digit.begin(), digit.end());
    }
}

}  // namespace veilsum
