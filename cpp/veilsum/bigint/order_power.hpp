#pragma once

#include "veilsum/base/secret.hpp"
#include "veilsum/bigint/modulus.hpp"

namespace veilsum {

/// What raising to p - 1 modulo the square of a prime p needs, beside the prime: see pow_order.hpp.
///
/// Secret as p is, and wiped. Made in variable time, as the constants of a Modulus are. Immutable;
/// use from any thread.
class OrderPower {
public:
    /// Windows of that many bits, and a table of 2^kWindow powers.
    static constexpr unsigned kWindow = 5;
    static constexpr std::size_t kNumEntries = std::size_t{1} << kWindow;

    /// p must be prime.
    explicit OrderPower(const SquareModulus& p);

    /// Whether p - 1 is shorter than a few windows: then exponent() is p - 1, to be taken as any
    /// other.
    bool is_short() const noexcept { return coefficients_.empty(); }

    /// p - kNumEntries, which the power of the last entry completes to p - 1. p.num_limbs() limbs.
    const Limb* exponent() const noexcept { return exponent_.data(); }

    /// The coefficients of table entries 2*pair and 2*pair + 1, as the digits of an element: -E[k]
    /// modulo p for k >= 2, where E[k] says how often entry k is a factor of the power, by itself
    /// and in other entries; E[1]*R; and E[0] times the second digit of R.
    const std::byte* coefficients(std::size_t pair) const noexcept {
        return coefficients_.data() + pair * element_bytes_;
    }

private:
    std::size_t element_bytes_;
    Secret<Limb> exponent_;
    Secret<std::byte> coefficients_;
};

}  // namespace veilsum
