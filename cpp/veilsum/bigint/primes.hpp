#pragma once

#include <span>
#include <vector>

#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/integer.hpp"

namespace veilsum {

enum class PrimeKind {
    blum,  ///< p = 3 (mod 4).
    safe,  ///< (p - 1)/2 is prime too (so p = 3 mod 4). Takes some twenty times longer.
};

/// A random prime of exactly `num_bits` bits whose two top bits are set, so that the product of two
/// has exactly twice the bits.
///
/// blum: every candidate is drawn afresh, so that all such primes are equally likely. safe: windows
/// of 65,536 numbers are drawn afresh, and the first safe prime in one is taken. With L safe primes
/// in a window on average (0.34 at 1024 bits, 0.15 at 1536), no one is more than L/(1 - exp(-L))
/// times as likely as the average one: that is less than a quarter of a bit of min-entropy.
///
/// Primality: as is_probable_prime; of a safe prime, both p and (p - 1)/2. Requires num_bits >= 16.
/// Variable time. Throws Error: cancelled, entropy.
Integer random_prime(std::size_t num_bits, PrimeKind kind, const Execution& execution);

/// Baillie-PSW, which no known composite number passes and none below 2^64 does, then 16 rounds of
/// Miller-Rabin with random bases, each of which a composite number passes with probability 1/4 at
/// most. Throws Error: cancelled, entropy.
bool is_probable_prime(const Integer& p, const Execution& execution);

/// Of each number whether it has a divisor in common with `product`, which may be long: that of
/// many primes. 1 for yes. All are public and at least 1. Throws Error: cancelled.
std::vector<char> have_common_divisor(std::span<const Integer> numbers, const Integer& product,
                                      const Execution& execution);

}  // namespace veilsum
