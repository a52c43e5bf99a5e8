#pragma once

#include <cstddef>
#include <cstdint>

#include "veilsum/base/secret.hpp"
#include "veilsum/bigint/integer.hpp"

namespace veilsum {

struct Kernel;
struct SquareKernel;

/// An odd n >= 3 and what a kernel needs to compute modulo n^2 (SquareModulus), or, if it is a
/// kernel modulo n, modulo n. What is said of n^2 below holds of n then, and elements are one
/// digit.
///
/// A number x modulo n^2 is its two base-n digits, x = x0 + x1*n. In memory it is an *element*: x0
/// then x1, each `digit_bytes` little-endian bytes. Elements are canonical: x0 < n and x1 < n.
/// Kernels multiply with a factor R^-1, R = 2^r_bits (Montgomery 1985).
///
/// n may be secret (the primes of a key): memory is wiped, and kernels are constant time in n.
/// Its size in bits is public. Immutable; use from any thread.
class Modulus {
public:
    /// Throws Error: invalid_argument (n even or below 3).
    Modulus(const Integer& n, const Kernel& kernel);

    const Kernel& kernel() const noexcept { return *kernel_; }
    std::size_t bits() const noexcept { return bits_; }
    std::size_t num_limbs() const noexcept { return num_limbs_; }
    std::size_t digit_bytes() const noexcept { return (bits_ + 7) / 8; }
    std::size_t num_digits() const noexcept;
    std::size_t element_bytes() const noexcept { return num_digits() * digit_bytes(); }
    std::size_t r_bits() const noexcept { return r_bits_; }

    const Limb* n() const noexcept { return n_.data(); }
    /// -n^-1 mod 2^64.
    Limb n_inverse_negated() const noexcept { return n_inverse_negated_; }

    /// The element R^power mod n^2. Negative powers too. Variable time in `power`.
    Secret<std::byte> r_power(std::int64_t power) const;

    /// R^2 mod n^2 as an element: takes a number into Montgomery form in one multiplication.
    const std::byte* r_squared() const noexcept { return r_squared_.data(); }
    /// R mod n^2 as an element: the number one in Montgomery form.
    const std::byte* r() const noexcept { return r_.data(); }
    /// The number one as an element: takes a number out of Montgomery form.
    const std::byte* one() const noexcept { return one_.data(); }

    /// x mod n^2 as an element. Variable time.
    Secret<std::byte> element(const Integer& x) const;
    /// The integer x0 + x1*n of an element. Variable time.
    Integer integer(const std::byte* element) const;

    Integer n_integer() const { return Integer::from_limbs(n_); }
    /// n^2, or n: what elements are modulo.
    Integer modulus_integer() const;

private:
    const Kernel* kernel_;
    std::size_t bits_;
    std::size_t num_limbs_;
    std::size_t r_bits_;
    Secret<Limb> n_;
    Limb n_inverse_negated_ = 0;
    Secret<std::byte> one_;
    Secret<std::byte> r_;
    Secret<std::byte> r_squared_;
};

/// A modulus n^2, and what only its kernels can.
class SquareModulus : public Modulus {
public:
    SquareModulus(const Integer& n, const SquareKernel& kernel);

    const SquareKernel& kernel() const noexcept;
};

}  // namespace veilsum
