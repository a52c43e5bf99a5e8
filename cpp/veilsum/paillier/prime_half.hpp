#pragma once

#include "veilsum/base/lazy.hpp"
#include "veilsum/bigint/fixed_base.hpp"
#include "veilsum/bigint/modulus.hpp"
#include "veilsum/bigint/order_power.hpp"

namespace veilsum {

/// What the key owner computes modulo the square of one prime p of n = p*q.
///
/// Arithmetic modulo p^2 is the kernels' base-p digit arithmetic; everything is constant time in p,
/// q and the values.
class PrimeHalf {
public:
    PrimeHalf(const Integer& p, const Integer& q, const SquareModulus& n);

    const SquareModulus& p() const noexcept { return p_; }

    /// Limbs of scratch for the functions below.
    std::size_t scratch_limbs(const Modulus& n) const noexcept;

    /// out = c mod p^2, an element of p, from c, an element of n.
    void reduce(std::byte* out, const std::byte* c, const Modulus& n, Limb* scratch) const noexcept;

    /// The exponent p - 1, p().num_limbs() limbs; and the power with it, which decrypts.
    const Limb* order() const noexcept { return order_.data(); }
    const OrderPower& order_power() const noexcept { return order_power_; }

    /// Adds q*u to sum[n.num_limbs() + 1], u = m * q^-1 mod p, given power = c^(p-1) mod p^2.
    /// Returns 0 if the first digit of the power is not 1: a fault, or c is not a unit.
    Limb add_message_part(Limb* sum, const std::byte* power, const Modulus& n,
                          Limb* scratch) const noexcept;

    /// Powers of hs modulo p^2, for exponents below p - 1. Built at first use.
    const FixedBaseTable& randomiser_table(const std::byte* hs, const Modulus& n,
                                           const Execution& execution) const;

    /// For P = 1 (mod p^2), 0 (mod q^2): P*R (digit 0) and p*P*R (digit 1) as elements of n. One
    /// multiplication takes a digit modulo p^2 to its share of a number modulo n^2.
    const std::byte* lift_factor(std::size_t digit) const noexcept {
        return lift_factors_[digit].data();
    }

private:
    SquareModulus p_;
    Secret<Limb> order_;
    OrderPower order_power_;
    Secret<Limb> other_;
    Secret<Limb> message_factor_;  // -q^-2 * R mod p.
    Secret<std::byte> lift_factors_[2];
    Lazy<FixedBaseTable> randomiser_table_;
};

/// One for p and one for q.
using PrimeHalves = PrimeHalf[2];

}  // namespace veilsum
