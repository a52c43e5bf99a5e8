#pragma once

#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/integer.hpp"

namespace veilsum {

enum class PrimeKind {
    blum,  ///< p = 3 (mod 4).
    safe,  ///< (p - 1)/2 is prime too (so p = 3 mod 4). Takes some hundred times longer.
};

/// A random prime of exactly `num_bits` bits whose two top bits are set, so that the product of two
/// has exactly twice the bits. Every candidate is drawn afresh: all such primes are equally likely.
///
/// Primality: Baillie-PSW and Miller-Rabin with random bases, as mpz_probab_prime_p(p, 40).
/// Requires num_bits >= 16. Variable time. Throws Error: cancelled, entropy.
Integer random_prime(std::size_t num_bits, PrimeKind kind, const Execution& execution);

/// mpz_probab_prime_p with the same number of rounds.
bool is_probable_prime(const Integer& p);

}  // namespace veilsum
