#pragma once

#include "veilsum/base/lazy.hpp"
#include "veilsum/bigint/fixed_base.hpp"
#include "veilsum/bigint/modulus.hpp"

namespace veilsum {

/// What the key owner computes modulo the square of one prime p of n = p*q.
///
/// Arithmetic modulo p^2 is the kernels' base-p digit arithmetic; everything is constant time in p,
/// q and the values.
class PrimeHalf {
public:
    PrimeHalf(const Integer& p, const Integer& q, const Kernel& kernel);

    const Modulus& p() const noexcept { return p_; }

    /// Limbs of scratch for the functions below.
    std::size_t scratch_limbs(const Modulus& n) const noexcept;

    /// out = c mod p^2, an element of p, from c, an element of n.
    void reduce(std::byte* out, const std::byte* c, const Modulus& n, Limb* scratch) const noexcept;

    /// The exponent p - 1 of decryption.
    const Limb* order() const noexcept { return order_.data(); }

    /// Adds q*u to sum[n.num_limbs() + 1], u = m * q^-1 mod p, given power = c^(p-1) mod p^2.
    /// Returns 0 if the first digit of the power is not 1: a fault, or c is not a unit.
    Limb add_message_part(Limb* sum, const std::byte* power, const Modulus& n,
                          Limb* scratch) const noexcept;

    /// out = a mod (p - 1) of a[num_limbs].
    void reduce_exponent(Limb* out, const Limb* a, std::size_t num_limbs,
                         Limb* scratch) const noexcept;

    /// Powers of hs modulo p^2, for exponents below p - 1. Built at first use.
    const FixedBaseTable& randomiser_table(const std::byte* hs, const Modulus& n,
                                           const Execution& execution) const;

    /// q^-2 * R modulo p^2 as an element: one kernel multiplication makes v = x * q^-2 mod p^2.
    const std::byte* lift_factor() const noexcept { return lift_factor_.data(); }

    /// For v = v0 + v1*p, an element of p: low += v0*q^2, high += v1*q, which are num_limbs each.
    void add_lifted(Limb* low, Limb* high, const std::byte* v, std::size_t num_limbs,
                    Limb* scratch) const noexcept;

private:
    Modulus p_;
    Secret<Limb> order_;
    Secret<Limb> other_;
    Secret<Limb> other_squared_;
    Secret<Limb> message_factor_;  // -q^-2 * R mod p.
    Secret<std::byte> lift_factor_;
    Lazy<FixedBaseTable> randomiser_table_;
};

/// One for p and one for q.
using PrimeHalves = PrimeHalf[2];

}  // namespace veilsum
