#pragma once

#include <cstdint>
#include <vector>

#include "veilsum/bigint/integer.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {

/// Finds candidates for safe primes: p of exactly num_bits bits, the two top ones set, such that
/// neither p nor p' = (p - 1)/2 has a small factor. Immutable; use from any thread.
class SafePrimeSieve {
public:
    /// Requires num_bits >= 16. Lists the small primes: some milliseconds.
    explicit SafePrimeSieve(std::size_t num_bits);

    /// The candidates of one window of consecutive numbers 3 (mod 4), in increasing order. Windows
    /// do not overlap, and all are equally likely. Variable time.
    /// Cost: that of some ten tests of primality for about 250 candidates.
    std::vector<Integer> draw_window(RandomSource& random) const;

private:
    /// Small primes whose product fits a limb share one division of long numbers.
    struct Group {
        Limb product;
        std::size_t begin;
        std::size_t end;
    };

    std::size_t num_bits_;
    unsigned window_log2_;
    std::vector<std::uint32_t> primes_;
    std::vector<Group> groups_;
};

}  // namespace veilsum
